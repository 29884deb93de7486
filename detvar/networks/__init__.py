"""Linear networks: parametrization maps, barcodes, strata, fibers, random weights."""

from detvar.networks.fiber import Fiber
from detvar.networks.intervals import IntervalBasis
from detvar.networks.linear import LinearNetwork
from detvar.networks.random import (
    random_critical_weights,
    random_squared_problem,
    random_weights,
)
from detvar.networks.strings import Strings

__all__ = [
    "Fiber",
    "IntervalBasis",
    "LinearNetwork",
    "Strings",
    "random_critical_weights",
    "random_squared_problem",
    "random_weights",
]
