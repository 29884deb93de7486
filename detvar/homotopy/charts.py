"""The hook by which a tracker changes coordinates in the middle of a path."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detvar.homotopy.tape import ComplexArray

ChartIds = NDArray[np.int64]


class Charts(Protocol):
    """Finitely many coordinate systems in which one system has the same form.

    Chart c differs from chart 0 by a change of variables and a linear map of the parameters,
    typically a permutation of rows: F(x_c; parameters(p, c)) = 0 describes the same point as
    F(x_0; p) = 0.  Arrays have one row for each lane; c is an integer array.

    A hook whose coordinates are bad exactly where some |x_i| > limits_i should say so by one
    more method, ``limits() -> (N,) float``: compiled code then watches them by itself, instead
    of asking `needs_switch` every few rounds.
    """

    def needs_switch(self, x: ComplexArray) -> NDArray[np.bool_]:
        """Say for which rows of x (P, N) the coordinates are bad."""

    def switch(self, x: ComplexArray, chart: ChartIds) -> tuple[ComplexArray, ChartIds]:
        """Return better coordinates and their chart ids for all given rows."""

    def parameters(self, p: ComplexArray, chart: ChartIds) -> ComplexArray:
        """Return the parameters (P, M) of chart 0, seen in the given charts."""

    def invariant(self, x: ComplexArray, chart: ChartIds) -> ComplexArray:
        """Return coordinates (P, K) of the points that do not depend on the chart."""
