"""All critical points: on the function space, and in the space of weights."""

from detvar.critical.analytic.boxes import BoxSearch, exhaustive
from detvar.critical.analytic.infinity import AtInfinity
from detvar.critical.analytic.near import certify_near
from detvar.critical.bures_wasserstein import BuresWassersteinPoints, CovarianceComponent
from detvar.critical.certified import CertifiedPoints
from detvar.critical.certified_point import CertifiedPoint
from detvar.critical.discriminants import (
    ChangeDistance,
    DiscriminantReport,
    EDDiscriminant,
    LossPath,
    discriminant,
    distance_to_change,
    ed_discriminant,
)
from detvar.critical.elimination import univariate_critical_points
from detvar.critical.exact_count import ExactCount, exact_count
from detvar.critical.exact_points import exact_points
from detvar.critical.explain import PointsExplanation
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
from detvar.critical.symbolic import (
    CriticalEquations,
    SymbolicComponent,
    SymbolicLocus,
    critical_equations,
)

__all__ = [
    "AtInfinity",
    "BoxSearch",
    "BuresWassersteinPoints",
    "CertifiedPoint",
    "CertifiedPoints",
    "ChangeDistance",
    "CovarianceComponent",
    "CriticalEquations",
    "CriticalLocus",
    "CriticalPoints",
    "DiscriminantReport",
    "EDDiscriminant",
    "ExactCount",
    "LocusComponent",
    "LossFamily",
    "LossPath",
    "PointsExplanation",
    "RankReport",
    "Sample",
    "SymbolicComponent",
    "SymbolicLocus",
    "certify_near",
    "check_result",
    "critical_equations",
    "critical_locus",
    "critical_points",
    "discriminant",
    "distance_to_change",
    "ed_discriminant",
    "exact_count",
    "exact_points",
    "exhaustive",
    "log_uniform_weights",
    "normal_target",
    "sample",
    "uniform_target",
    "uniform_weights",
    "univariate_critical_points",
    "wishart",
]
