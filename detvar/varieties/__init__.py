"""Determinantal varieties: the matrices of bounded rank, their geometry and their degrees."""

from detvar.varieties.determinantal import DeterminantalVariety
from detvar.varieties.equations import LocalEquations
from detvar.varieties.geometry import (
    TangentCone,
    project_to_stratum,
    stratum_normal_space,
    stratum_tangent_space,
)
from detvar.varieties.hilbert import HilbertSeries
from detvar.varieties.likelihood import MLDegree
from detvar.varieties.symmetric import SymmetricDeterminantalVariety

__all__ = [
    "DeterminantalVariety",
    "HilbertSeries",
    "LocalEquations",
    "MLDegree",
    "SymmetricDeterminantalVariety",
    "TangentCone",
    "project_to_stratum",
    "stratum_normal_space",
    "stratum_tangent_space",
]
