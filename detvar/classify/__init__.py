"""One point: pure or spurious, minimum or which saddle, and why."""

from detvar.classify.certificate import Certificate, CheckReport
from detvar.classify.explain import Explanation, Step
from detvar.classify.optimality import (
    PublishedTest,
    Verdict,
    check_global_minimum,
    published_test,
)
from detvar.classify.point import Classification, classify

__all__ = [
    "Certificate",
    "CheckReport",
    "Classification",
    "Explanation",
    "PublishedTest",
    "Step",
    "Verdict",
    "check_global_minimum",
    "classify",
    "published_test",
]
