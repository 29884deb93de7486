"""Linear networks: parametrization maps, barcodes, strata, fibers, random weights."""

from detvar.networks.intervals import IntervalBasis
from detvar.networks.linear import LinearNetwork

__all__ = ["IntervalBasis", "LinearNetwork"]
