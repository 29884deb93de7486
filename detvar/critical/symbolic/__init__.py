"""Critical equations written out symbolically, and handed to other systems."""

from detvar.critical.symbolic.derive import critical_equations, problem_of
from detvar.critical.symbolic.equations import CriticalEquations, SideCondition
from detvar.critical.symbolic.export import export
from detvar.critical.symbolic.parametrization import SymbolicComponent, SymbolicLocus

__all__ = [
    "CriticalEquations",
    "SideCondition",
    "SymbolicComponent",
    "SymbolicLocus",
    "critical_equations",
    "export",
    "problem_of",
]
