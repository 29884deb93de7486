r"""The moments XXᵀ, YXᵀ, ‖Y‖², X1, Y1 of data, enclosed, in one pass over batches.

Samples are rows, as in PyTorch: a batch is a pair (x, y) of arrays b×n and b×m.  Chunks of 256
samples are multiplied and added, which bounds rounding by γ_256 and not by γ of all samples;
numbers of few bits, such as pixels of bytes and one-hot outputs, are multiplied without rounding.
The data are first divided by a power of two (exactly), so that no scale over- or underflows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, ShapeError
from detvar.optimality.arrays import float_array
from detvar.optimality.rounding import (
    Array,
    Enclosed,
    Interval,
    add,
    frobenius_squared,
    interval_sum,
    norm,
    product,
    shift,
    shift_interval,
    up,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 256


@dataclass(frozen=True, eq=False)
class Moments:
    """Enclosures of XXᵀ, YXᵀ, ‖Y‖²_F and of the sums, for X = 2^−a·inputs, Y = 2^−b·outputs.

    Attributes
    ----------
    xx : Enclosed, n×n
    yx : Enclosed, m×n
    yy : (low, high)
    samples : int
    powers : (a, b)
    used : bool array of n
        Inputs that are not 0 in every sample; exact, where a square may have underflowed.
    x_sum, y_sum : Enclosed, 1×n and 1×m
        The sums over the samples.

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
    x_sum: Enclosed
    y_sum: Enclosed

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
            _added(left.xx, right.xx),
            _added(left.yx, right.yx),
            interval_sum([(1.0, left.yy), (1.0, right.yy)]),
            left.samples + right.samples,
            (a, b),
            self.used | other.used,
            _added(left.x_sum, right.x_sum),
            _added(left.y_sum, right.y_sum),
        )

    def with_ones(self) -> Moments:
        """Return the moments for the inputs (x, 1), the constant last.

        >>> import numpy as np
        >>> one = moments([(np.array([[1.0], [3.0]]), np.ones((2, 1)))]).with_ones()
        >>> one.powers, (16 * one.xx.mid).tolist(), (8 * one.yx.mid).tolist()
        ((2, 1), [[10.0, 4.0], [4.0, 2.0]], [[4.0, 2.0]])
        """
        import numpy as np

        # the constant is divided like the inputs, and must not overflow when squared
        a = max(self.powers[0], -200)
        here = _at(self, a, self.powers[1])
        count = Enclosed(np.array([[float(self.samples)]]))
        side, corner = shift(here.x_sum, -a), shift(count, -2 * a)
        return Moments(
            _bordered(here.xx, side, corner),
            _beside(here.yx, shift(Enclosed(here.y_sum.mid.T, here.y_sum.rad), -a)),
            here.yy,
            here.samples,
            here.powers,
            np.append(here.used, True),
            _beside(here.x_sum, shift(count, -a)),
            here.y_sum,
        )


def _beside(a: Enclosed, b: Enclosed) -> Enclosed:
    """Enclose [A B]."""
    import numpy as np

    return Enclosed(np.hstack([a.mid, b.mid]), up(a.rad + b.rad))


def _bordered(a: Enclosed, row: Enclosed, corner: Enclosed) -> Enclosed:
    """Enclose [[A, sᵀ], [s, t]]."""
    import numpy as np

    mid = np.block([[a.mid, row.mid.T], [row.mid, corner.mid]])
    return Enclosed(mid, up(a.rad + 2 * row.rad + corner.rad))


def _at(x: Moments, a: int, b: int) -> Moments:
    da, db = x.powers[0] - a, x.powers[1] - b
    if not da and not db:
        return x
    return Moments(
        shift(x.xx, 2 * da),
        shift(x.yx, da + db),
        shift_interval(x.yy, 2 * db),
        x.samples,
        (a, b),
        x.used,
        shift(x.x_sum, da),
        shift(x.y_sum, db),
    )


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
    if not isinstance(batches, Iterable):
        raise InputError(f"batches is a {type(batches).__name__}: give pairs (x, y) of arrays")
    for batch in batches:
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise InputError("a batch is no pair: give (x, y), inputs and outputs")
        x, y = batch
        for part in _chunks(*checked_batch(x, y)):
            total = part if total is None else total.merge(part)
        seen += len(x)
        if progress is not None:
            progress(seen)
    if total is None:
        raise InputError("the data have no samples: give at least one batch with one row")
    return total


def _chunks(x: Array, y: Array) -> Iterator[Moments]:
    import numpy as np

    if not len(x):
        return
    a, b = power_of(x), power_of(y)
    for start in range(0, len(x), CHUNK):
        xs, x_short = _scaled(x[start : start + CHUNK], a)
        ys, y_short = _scaled(y[start : start + CHUNK], b)
        ones = Enclosed(np.ones((len(xs.mid), 1)))
        yield Moments(
            _transposed_product(xs, xs, x_short),
            _transposed_product(ys, xs, x_short and y_short),
            frobenius_squared(ys),
            len(xs.mid),
            (a, b),
            (x[start : start + CHUNK] != 0).any(axis=0),
            _transposed_product(ones, xs, x_short),
            _transposed_product(ones, ys, y_short),
        )


def _scaled(a: Array, power: int) -> tuple[Enclosed, bool]:
    """Enclose 2^−power·A, with entries below 1, and say whether it is exact and a multiple of
    2⁻²²: then a sum of 256 products of such numbers has at most 53 bits and is exact.
    """
    import numpy as np

    out = shift(Enclosed(a), -power)
    whole = np.ldexp(out.mid, 22)
    short = bool((whole == np.rint(whole)).all() and (np.ldexp(out.mid, power) == a).all())
    return (Enclosed(out.mid) if short else out), short


def _transposed_product(a: Enclosed, b: Enclosed, exact: bool) -> Enclosed:
    out = product(Enclosed(a.mid.T, a.rad), b)
    return Enclosed(out.mid) if exact else out


def _added(a: Enclosed, b: Enclosed) -> Enclosed:
    """Enclose A + B with the rounding errors that the sum really has (Knuth's two-sum)."""
    import numpy as np

    with np.errstate(all="ignore"):
        mid = a.mid + b.mid
        part = mid - a.mid
        error = (a.mid - (mid - part)) + (b.mid - part)
    if not (math.isfinite(a.rad + b.rad) and bool(np.isfinite(error).all())):
        return add(a, b)
    rounded = norm(error) if error.any() else 0.0
    return Enclosed(mid, up(a.rad + b.rad + rounded) if a.rad or b.rad or rounded else 0.0)


def power_of(a: Array) -> int:
    """Return the least e with |a| < 2^e for all entries, 0 for a matrix of zeros."""
    import numpy as np

    largest = float(np.abs(a).max(initial=0.0))
    return math.frexp(largest)[1] if largest else 0


def checked_batch(x: Any, y: Any) -> tuple[Array, Array]:
    """Return copies of both as float64, none of their numbers rounded, or raise what is wrong."""
    out = []
    for a, name in ((x, "x"), (y, "y")):
        array, _ = float_array(a, name)
        if array.ndim != 2:
            raise ShapeError(f"{name} has {array.ndim} axes: give one row for each sample")
        out.append(array)
    if len(out[0]) != len(out[1]):
        raise ShapeError(
            f"x has {len(out[0])} rows and y has {len(out[1])}: give both one row for each sample"
        )
    return out[0], out[1]
