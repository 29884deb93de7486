r"""The second moments XXᵀ, YXᵀ, ‖Y‖² of data, enclosed, in one pass over batches.

Samples are rows, as in PyTorch: a batch is a pair (x, y) of arrays b×n and b×m.  Chunks of 256
samples are multiplied and added, which bounds rounding by γ_256 and not by γ of all samples.
The data are first divided by a power of two (exactly), so that no scale over- or underflows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, ShapeError
from detvar.optimality.rounding import (
    Array,
    Enclosed,
    Interval,
    add,
    frobenius_squared,
    interval_sum,
    product,
    shift,
    shift_interval,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 256


@dataclass(frozen=True, eq=False)
class Moments:
    """Enclosures of XXᵀ, YXᵀ and ‖Y‖²_F for X = 2^−a·inputs, Y = 2^−b·outputs.

    Attributes
    ----------
    xx : Enclosed, n×n
    yx : Enclosed, m×n
    yy : (low, high)
    samples : int
    powers : (a, b)
    used : bool array of n
        Inputs that are not 0 in every sample; exact, where a square may have underflowed.

    Examples
    --------
    >>> import numpy as np
    >>> one = moments([(np.eye(2), np.ones((2, 1)))])
    >>> both = one.merge(moments([(np.eye(2), np.ones((2, 1)))]))
    >>> both.samples, both.powers, (4 * both.xx.mid).tolist()
    (4, (1, 1), [[2.0, 0.0], [0.0, 2.0]])
    """

    xx: Enclosed
    yx: Enclosed
    yy: Interval
    samples: int
    powers: tuple[int, int]
    used: NDArray[np.bool_]

    @property
    def rank_bound(self) -> int:
        """An upper bound of rk X."""
        return min(self.samples, int(self.used.sum()))

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        m, n = self.yx.mid.shape
        return m, n

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sets of samples together."""
        if self.shape != other.shape:
            raise ShapeError(
                f"moments of {self.shape} and {other.shape} outputs and inputs do not add: "
                "give batches of one width"
            )
        a = max(self.powers[0], other.powers[0])
        b = max(self.powers[1], other.powers[1])
        left, right = _at(self, a, b), _at(other, a, b)
        return Moments(
            add(left.xx, right.xx),
            add(left.yx, right.yx),
            interval_sum([(1.0, left.yy), (1.0, right.yy)]),
            left.samples + right.samples,
            (a, b),
            self.used | other.used,
        )


def _at(x: Moments, a: int, b: int) -> Moments:
    da, db = x.powers[0] - a, x.powers[1] - b
    if not da and not db:
        return x
    yy = shift_interval(x.yy, 2 * db)
    return Moments(shift(x.xx, 2 * da), shift(x.yx, da + db), yy, x.samples, (a, b), x.used)


def moments(
    batches: Iterable[tuple[Any, Any]], progress: Callable[[int], None] | None = None
) -> Moments:
    """Return the enclosed moments of all batches; each batch is read once and forgotten.

    Parameters
    ----------
    batches : iterable of (x, y)
        Arrays b×n and b×m, rows are samples; any batch size, float32 and integers are exact.
    progress : callable, optional
        Called with the number of samples read so far, after each batch.

    Raises
    ------
    InputError
        For no samples at all, NaN, infinities.
    ShapeError
        For batches that do not fit together.

    **Cost**: bn² + 2bmn multiplications for a batch; memory n² + mn.

    Examples
    --------
    >>> import numpy as np
    >>> seen = []
    >>> x = np.arange(6.0).reshape(3, 2)
    >>> s = moments(((x, x[:, :1]) for _ in range(2)), seen.append)
    >>> s.samples, seen, s.shape
    (6, [3, 6], (1, 2))
    """
    total: Moments | None = None
    seen = 0
    for x, y in batches:
        for part in _chunks(*checked_batch(x, y)):
            total = part if total is None else total.merge(part)
        seen += len(x)
        if progress is not None:
            progress(seen)
    if total is None:
        raise InputError("the data have no samples: give at least one batch with one row")
    return total


def _chunks(x: Array, y: Array) -> Iterator[Moments]:
    if not len(x):
        return
    a, b = power_of(x), power_of(y)
    for start in range(0, len(x), CHUNK):
        xs = shift(Enclosed(x[start : start + CHUNK]), -a)
        ys = shift(Enclosed(y[start : start + CHUNK]), -b)
        xt = Enclosed(xs.mid.T, xs.rad)
        yt = Enclosed(ys.mid.T, ys.rad)
        xx, yx = product(xt, xs), product(yt, xs)
        used = (x[start : start + CHUNK] != 0).any(axis=0)
        yield Moments(xx, yx, frobenius_squared(ys), len(xs.mid), (a, b), used)


def power_of(a: Array) -> int:
    """Return the least e with |a| < 2^e for all entries, 0 for a matrix of zeros."""
    import numpy as np

    largest = float(np.abs(a).max(initial=0.0))
    return math.frexp(largest)[1] if largest else 0


def checked_batch(x: Any, y: Any) -> tuple[Array, Array]:
    """Return both arrays as float64, or raise what is wrong with them."""
    import numpy as np

    out = []
    for a, name in ((x, "x"), (y, "y")):
        given = np.asarray(a)
        if given.dtype.kind not in "fiub" or given.dtype.itemsize > 8:
            raise InputError(f"{name} has dtype {given.dtype}: give real numbers of ≤ 64 bits")
        array = np.asarray(given, dtype=np.float64)
        if given.dtype.kind in "iu" and array.size and np.abs(array).max() > 2.0**53:
            raise InputError(f"{name} has integers above 2⁵³, which no float holds: give floats")
        if array.ndim != 2:
            raise ShapeError(f"{name} has {array.ndim} axes: give one row for each sample")
        if not np.isfinite(array).all():
            raise InputError(f"{name} has entries that are NaN or infinite: give finite numbers")
        out.append(array)
    if len(out[0]) != len(out[1]):
        raise ShapeError(
            f"x has {len(out[0])} rows and y has {len(out[1])}: give both one row for each sample"
        )
    return out[0], out[1]
