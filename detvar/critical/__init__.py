"""All critical points: on the function space, and in the space of weights."""

from detvar.critical.certified import CertifiedPoints
from detvar.critical.certified_point import CertifiedPoint
from detvar.critical.elimination import univariate_critical_points
from detvar.critical.exact_count import ExactCount, exact_count
from detvar.critical.exact_points import exact_points
from detvar.critical.locus import CriticalLocus, LocusComponent, critical_locus
from detvar.critical.points import CriticalPoints, critical_points
from detvar.critical.reports import RankReport
from detvar.critical.results import check_result
from detvar.critical.sampling import (
    LossFamily,
    Sample,
    log_uniform_weights,
    normal_target,
    sample,
    uniform_target,
    uniform_weights,
    wishart,
)

__all__ = [
    "CertifiedPoint",
    "CertifiedPoints",
    "CriticalLocus",
    "CriticalPoints",
    "ExactCount",
    "LocusComponent",
    "LossFamily",
    "RankReport",
    "Sample",
    "check_result",
    "critical_locus",
    "critical_points",
    "exact_count",
    "exact_points",
    "log_uniform_weights",
    "normal_target",
    "sample",
    "univariate_critical_points",
    "uniform_target",
    "uniform_weights",
    "wishart",
]
