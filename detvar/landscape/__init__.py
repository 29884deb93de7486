r"""The α-β-condition ⟨∇fᵢ(x), x − p⟩ ≥ α(fᵢ(x) − fᵢ(p)) − β(fᵢ(x) − fᵢ*) and its relatives.

Finite sums and their exact regions (`examples`), what implies what (`conditions`, `implications`),
proofs (`prove`), regions of recorded runs (`Region`, `record`), and what the condition guarantees
for which method (`optimizers`, `bounds`).
"""

from detvar.landscape import (
    bounds,
    conditions,
    examples,
    implications,
    optimizers,
    runs,
    torch_optimizers,
)
from detvar.landscape.best_bound import BestBound, best_bound
from detvar.landscape.conditions import Condition, Estimate, Violations
from detvar.landscape.exact_region import ExactRegion
from detvar.landscape.fiber_projection import (
    FiberProjection,
    distance_from_zero,
    project_to_fiber,
)
from detvar.landscape.finite_sum import Constant, ExactSum, FiniteSum, bracket
from detvar.landscape.implications import Implication, implies
from detvar.landscape.optimizers import Path, exact_expectation, run
from detvar.landscape.projection import ProjectionComparison, compare_projections
from detvar.landscape.prove import Certificate, prove, read_landscape_problem
from detvar.landscape.record import record, record_sum
from detvar.landscape.region import Region
from detvar.landscape.region_builder import RegionBuilder
from detvar.landscape.region_report import region_report
from detvar.landscape.region_results import BestRatio, Witness
from detvar.landscape.slices import Slice, SlicePath, pca_path, slice_1d, slice_2d, snapshot
from detvar.landscape.trace import Trace
from detvar.landscape.triples import Triples
from detvar.landscape.untouched import untouched

__all__ = [
    "BestBound",
    "BestRatio",
    "Certificate",
    "Condition",
    "Constant",
    "Estimate",
    "ExactRegion",
    "ExactSum",
    "FiberProjection",
    "FiniteSum",
    "Implication",
    "Path",
    "ProjectionComparison",
    "Region",
    "RegionBuilder",
    "Slice",
    "SlicePath",
    "Trace",
    "Triples",
    "Violations",
    "Witness",
    "best_bound",
    "bounds",
    "bracket",
    "compare_projections",
    "conditions",
    "distance_from_zero",
    "exact_expectation",
    "examples",
    "implications",
    "implies",
    "optimizers",
    "pca_path",
    "project_to_fiber",
    "prove",
    "read_landscape_problem",
    "record",
    "record_sum",
    "region_report",
    "run",
    "runs",
    "slice_1d",
    "slice_2d",
    "snapshot",
    "torch_optimizers",
    "untouched",
]
