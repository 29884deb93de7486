"""Data in memory, checked and divided by powers of two, so that no scale over- or underflows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.optimality.moments import Moments, checked_batch, power_of
from detvar.optimality.rounding import Array, Enclosed, shift, up


@dataclass(frozen=True, eq=False)
class Samples:
    """Data in memory: rows are samples, each input divided by its own 2^a, all outputs by 2^b."""

    x: Array
    y: Array
    columns: Array  # the integers a
    output: int  # b
    lost: tuple[float, float]  # what the division has lost to underflow, almost always 0
    rank_bound: int

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.y.shape[1], self.x.shape[1]


def prepare(data: Moments | tuple[Any, Any], *, constant: bool = False) -> Moments | Samples:
    """Check arrays and divide them by powers of two; hand moments on.

    `constant` asks for the inputs (x, 1).
    """
    import numpy as np

    if isinstance(data, Moments):
        return data.with_ones() if constant else data
    x, y = checked_batch(*data)
    if constant:
        x = np.column_stack([x, np.ones(len(x))])
    if not x.size or not y.size:
        raise InputError("the data are empty: give at least one sample with inputs and outputs")
    b = power_of(y)
    sizes = np.abs(x).max(axis=0)
    columns = np.frexp(sizes)[1].astype(np.int64)
    columns[sizes == 0] = columns[sizes > 0].min(initial=0)
    lost = []
    scaled = []
    for array, e in ((x, columns), (y, b)):
        small = np.ldexp(array, -e)
        same = bool((np.ldexp(small, e) == array).all())
        lost.append(0.0 if same else up(2.0**-1074 * math.sqrt(array.size)))
        scaled.append(small)
    return Samples(scaled[0], scaled[1], columns, b, (lost[0], lost[1]), rank_bound(x))


def rescaled(data: Moments | Samples, w: Enclosed) -> tuple[Enclosed, int]:
    """Return W for the divided data, and the power of 4 that its values are divided by."""
    if isinstance(data, Moments):
        a, b = data.powers
        return shift(w, a - b), b
    return shift(w, data.columns - data.output), data.output


def rank_bound(x: Array) -> int:
    """Return an exact upper bound of the rank: zero columns and multiples by ±2^k count once."""
    import numpy as np

    nonzero = x != 0
    columns = np.flatnonzero(nonzero.any(axis=0))
    first = x[nonzero.argmax(axis=0), np.arange(x.shape[1])]
    # multiples by ±2^k agree in the mantissa of the first entry that is not 0
    mantissa = np.abs(np.frexp(first)[0])
    _, groups, sizes = np.unique(mantissa[columns], return_inverse=True, return_counts=True)
    seen = set()
    for j in columns[sizes[groups] > 1]:
        column = np.ascontiguousarray(x[:, j]) + 0.0
        with np.errstate(all="ignore"):
            small = np.ldexp(column, -int(np.frexp(first[j])[1]))
            same = bool((np.ldexp(small, int(np.frexp(first[j])[1])) == column).all())
        column = small if same else column
        seen.add((column if first[j] > 0 else 0.0 - column).tobytes())
    return min(int((sizes == 1).sum()) + len(seen), len(x))
