"""All critical points: on the function space, and in the space of weights."""

from detvar.critical.certified import CertifiedPoints
from detvar.critical.certified_point import CertifiedPoint
from detvar.critical.locus import CriticalLocus, LocusComponent, critical_locus
from detvar.critical.points import CriticalPoints, critical_points
from detvar.critical.reports import RankReport
from detvar.critical.results import check_result

__all__ = [
    "CertifiedPoint",
    "CertifiedPoints",
    "CriticalLocus",
    "CriticalPoints",
    "LocusComponent",
    "RankReport",
    "check_result",
    "critical_locus",
    "critical_points",
]
