r"""Matrices of floats with a proved bound of everything that rounding has changed.

An `Enclosed` matrix is the set {A : ‖A − mid‖_F ≤ rad}, with one number `rad` for the matrix.

**Bounds.**  With u = 2⁻⁵³ and γ_k = ku/(1 − ku), a sum of k products computed in any order, with
or without fused operations, differs from the true one by at most γ_k Σ|x_i||y_i| + kη, where
η = 2⁻¹⁰²² covers products that underflow, also where they are flushed to 0.  Entry (i, j) of a
product AB is such a sum, so that ‖fl(AB) − AB‖_F ≤ γ_k ‖A‖_F‖B‖_F + kη√(number of entries), by
Cauchy–Schwarz in each entry.  Norms are again computed in floats and enlarged by the same bound.
Overflow and NaN end in an infinite radius: nothing is known then, and nothing wrong is said.

**Validity**: round to nearest; products by the classical sum of products, as in every BLAS in
use, not by fast (Strassen-like) schemes.

References: N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2002, §3.1, §3.5;
S. M. Rump, *Error estimation of floating-point summation and dot product*, 2012.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

# NDArray[np.float64]; a string, so that importing this module does not load NumPy
Array: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Interval: TypeAlias = tuple[float, float]

U = 2.0**-53
ETA = 2.0**-1021
_UP = 1.0 + 2.0**-45


def up(x: float) -> float:
    """Return more than any number whose computation from ≤ 100 rounded sums gave x ≥ 0.

    >>> up(1.0) > 1.0, up(float("nan")), up(0.0) > 0
    (True, inf, True)
    """
    y = x * _UP + ETA
    return y if y == y else math.inf


def gamma(k: int) -> float:
    """Return an upper bound of γ_{k+2} = (k + 2)u/(1 − (k + 2)u)."""
    t = (k + 2) * U
    return up(t / (1 - t)) if t < 0.5 else math.inf


def exact_sum(x: Iterable[float]) -> float:
    """Return the float nearest to Σx, and NaN where a term or the sum is not finite.

    >>> exact_sum([1e16, 1.0, -1e16]), exact_sum([1e308, 1e308])
    (1.0, nan)
    """
    try:
        total = math.fsum(x)
    except (OverflowError, ValueError):
        return math.nan
    return total if math.isfinite(total) else math.nan


def norm(a: Array) -> float:
    """Return an upper bound of ‖a‖_F."""
    import numpy as np

    squares = np.einsum("ij,ij->i", a, a)
    total = exact_sum(squares)
    if not math.isfinite(total):
        return math.inf
    # each row is a sum of `columns` squares; underflow loses at most ETA in each of them
    return up(math.sqrt(up(total * (1 + gamma(a.shape[1])) + a.size * ETA)))


@dataclass(frozen=True, eq=False)
class Enclosed:
    """The matrices A with ‖A − mid‖_F ≤ rad.

    Attributes
    ----------
    mid : float64 matrix
    rad : float
        Infinite where nothing is known.

    Examples
    --------
    >>> import numpy as np
    >>> a = from_float(np.array([[0.1, 0.2]]))
    >>> s = product(a, transpose(a))
    >>> 0 < s.rad < 1e-16
    True
    """

    mid: Array
    rad: float = 0.0

    @property
    def size(self) -> float:
        """An upper bound of ‖A‖_F."""
        return up(norm(self.mid) + self.rad)


def from_float(a: Array) -> Enclosed:
    """Take the floats as the exact numbers that they are."""
    import numpy as np

    return Enclosed(np.asarray(a, dtype=np.float64))


def transpose(a: Enclosed) -> Enclosed:
    """Return Aᵀ."""
    return Enclosed(a.mid.T, a.rad)


def product(a: Enclosed, b: Enclosed) -> Enclosed:
    """Enclose AB: rad = γ_k‖A‖‖B‖ + ‖A‖rad_B + rad_A‖B‖ + rad_A rad_B + underflow.

    **Cost**: the product in floats and the norms of both factors.
    """
    with _quiet():
        mid = a.mid @ b.mid
        k = a.mid.shape[-1]
        na, nb = norm(a.mid), norm(b.mid)
        rad = gamma(k) * na * nb
        for factor, r in ((na, b.rad), (nb, a.rad), (a.rad, b.rad)):
            rad += factor * r if r and factor else 0.0
        rad += (k + 2) * ETA * math.sqrt(mid.size)
    return _checked(mid, rad)


def add(a: Enclosed, b: Enclosed, sign: float = 1.0) -> Enclosed:
    """Enclose A + B, or A − B with sign = −1."""
    with _quiet():
        mid = a.mid + sign * b.mid
        # a sum is rounded by at most u times itself, and is exact where it underflows
        rad = a.rad + b.rad + 1.01 * U * norm(mid) + ETA * math.sqrt(mid.size)
    return _checked(mid, rad)


def subtract(a: Enclosed, b: Enclosed) -> Enclosed:
    """Enclose A − B."""
    return add(a, b, -1.0)


def scale_columns(a: Enclosed, d: Array) -> Enclosed:
    """Enclose A diag(d) for floats d."""
    import numpy as np

    with _quiet():
        mid = a.mid * d
        largest = float(np.abs(d).max(initial=0.0))
        rad = (a.rad * largest if a.rad else 0.0) + 1.01 * U * norm(mid)
        rad += ETA * math.sqrt(mid.size)
    return _checked(mid, rad)


def shift(a: Enclosed, power: int | Array) -> Enclosed:
    """Enclose 2^power A; an array of integers has one power for each column."""
    import numpy as np

    powers = np.asarray(power, dtype=np.int64)
    if not powers.any():
        return a
    with _quiet():
        mid = np.ldexp(a.mid, powers)
        rad = _ldexp(a.rad, int(powers.max())) + ETA * math.sqrt(mid.size)
    return _checked(mid, rad)


def minus_identity(a: Enclosed) -> Enclosed:
    """Enclose A − I."""
    import numpy as np

    return subtract(a, Enclosed(np.eye(a.mid.shape[0])))


def frobenius_squared(a: Enclosed) -> Interval:
    """Enclose ‖A‖²_F, by rows that are added without rounding.

    >>> import numpy as np
    >>> low, high = frobenius_squared(from_float(np.array([[3.0, 4.0]])))
    >>> low <= 25 <= high
    True
    """
    return inner(a, a, squares=True)


def inner(a: Enclosed, b: Enclosed, *, squares: bool = False) -> Interval:
    """Enclose ⟨A, B⟩ = tr(AᵀB); `squares` says that both are the same matrix."""
    import numpy as np

    if not (math.isfinite(a.rad) and math.isfinite(b.rad)):
        return (0.0 if squares else -math.inf, math.inf)
    with _quiet():
        columns = a.mid.shape[1]
        rows = np.einsum("ij,ij->i", a.mid, b.mid)
        sizes = rows if squares else np.einsum("ij,ij->i", np.abs(a.mid), np.abs(b.mid))
        total = exact_sum(rows)
        # the computed sizes are themselves rounded, by the same relative bound
        error = up(exact_sum(sizes) * gamma(columns) * (1 + 2 * gamma(columns)))
        error += a.mid.size * ETA + U * abs(total) * 2
        error += (norm(a.mid) + a.rad) * b.rad if b.rad else 0.0
        error += norm(b.mid) * a.rad if a.rad else 0.0
        error = up(error)
    low, high = _outward(total, error)
    return (max(low, 0.0), high) if squares else (low, high)


def _outward(x: float, error: float) -> Interval:
    if not math.isfinite(x) or not math.isfinite(error):
        return -math.inf, math.inf
    return math.nextafter(x - error, -math.inf), math.nextafter(x + error, math.inf)


def interval_sum(terms: Iterable[tuple[float, Interval]]) -> Interval:
    """Enclose Σ c·[low, high], for factors c that are 0 or plus or minus a power of two.

    >>> low, high = interval_sum([(0.5, (1.0, 2.0)), (-1.0, (0.0, 1.0))])
    >>> low <= -0.5 and high >= 1.0
    True
    """
    lows, highs = [], []
    for c, (low, high) in terms:
        a, b = c * low, c * high
        lows.append(min(a, b))
        highs.append(max(a, b))
    low, high = exact_sum(lows), exact_sum(highs)
    return (
        math.nextafter(low - ETA, -math.inf) if low == low else -math.inf,
        math.nextafter(high + ETA, math.inf) if high == high else math.inf,
    )


def divided(x: Interval, count: int) -> Interval:
    """Enclose [low, high]/count for an integer count ≥ 1 below 2⁵³.

    >>> low, high = divided((1.0, 1.0), 3)
    >>> low < 1 / 3 < high < 0.34
    True
    """
    low, high = (t / count for t in x)
    return math.nextafter(low, -math.inf), math.nextafter(high, math.inf)


def shift_interval(x: Interval, power: int) -> Interval:
    """Enclose 2^power·[low, high]."""
    low, high = (_ldexp(t, power) for t in x)
    lower = 0.0 if x[0] == 0 else math.nextafter(low, -math.inf)
    if x[0] > 0:
        lower = max(lower, 0.0)
    return min(lower, 1.7e308), math.nextafter(high, math.inf) if x[1] else 0.0


def _ldexp(x: float, power: int) -> float:
    try:
        return math.ldexp(x, power)
    except OverflowError:
        return math.copysign(math.inf, x)


def _checked(mid: Array, rad: float) -> Enclosed:
    import numpy as np

    rad = up(rad)
    if rad == math.inf or not bool(np.isfinite(mid).all()):
        return Enclosed(np.nan_to_num(mid, nan=0.0, posinf=0.0, neginf=0.0), math.inf)
    return Enclosed(mid, rad)


def _quiet() -> np.errstate:
    import numpy as np

    return np.errstate(all="ignore")
