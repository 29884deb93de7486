r"""The least value of ½‖WX − Y‖² over all matrices of rank ≤ r, in a proved interval.

**The formula** (Eckart, Young).  With P the projector on the row space of X, the value is
½(‖Y‖² − tr M) + ½Σ_{q>r}λ_q(M), λ_q the decreasing eigenvalues of M = YPYᵀ.

**How it is enclosed.**  Let T be any float matrix such that S = (TᵀX)(TᵀX)ᵀ is close to I, found
from an eigendecomposition whose errors do not matter, and V any float matrix (near YXᵀTTᵀ, the
minimiser).  If TᵀX has the rank of X, which ‖S − I‖ < 1 proves as soon as T has rk X columns,

  M = (VX)Yᵀ + Y(VX)ᵀ − (VX)(VX)ᵀ + K S⁻¹ Kᵀ,   K = (Y − VX)(TᵀX)ᵀ;

the last term is positive semidefinite with trace ≤ ‖K‖²/(1 − ‖S − I‖), the square of a rounding
error.  (Proof: both sides are YPYᵀ = VXXᵀVᵀ + …, expanded at Y = VX + (Y − VX), (VX)P = VX.)
If T has fewer columns than the rank may be, the missing part of YPYᵀ has trace between 0 and
‖Y − VX‖² − tr KS⁻¹Kᵀ, and the interval says so.

The eigenvalues of the computed symmetric matrix are enclosed by Weyl and Ostrowski: if
A = QDQᵀ + E with ‖QᵀQ − I‖_F ≤ δ < 1, then λ_q(QDQᵀ) = θ_q d_q with |θ_q − 1| ≤ δ, and a sum of
s eigenvalues moves by at most √s‖E‖_F.  No separation of eigenvalues is needed.

References: C. Eckart, G. Young, 1936; A. Ostrowski, 1959 (Horn, Johnson, *Matrix Analysis*,
Theorem 4.5.9); K. Fan, 1949.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.optimality.moments import CHUNK, Moments, checked_batch, power_of
from detvar.optimality.rounding import (
    Array,
    Enclosed,
    Interval,
    add,
    exact_sum,
    frobenius_squared,
    from_float,
    inner,
    interval_sum,
    minus_identity,
    norm,
    product,
    scale_columns,
    shift,
    shift_interval,
    subtract,
    transpose,
    up,
)

_HALF = 0.5


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


@dataclass(frozen=True, eq=False)
class Projection:
    """What is proved about data, and about one matrix W, before eigenvalues are taken.

    Attributes
    ----------
    explained : Enclosed, m×m
        M without the term K S⁻¹ Kᵀ.
    correction : (low, high)
        tr K S⁻¹ Kᵀ, and all that unresolved directions of the data may add.
    yy : (low, high)
        ‖Y‖².
    resolved : bool
        Whether T provably reaches the whole row space of X.
    whitened : float
        An upper bound of ‖S − I‖, less than 1.
    loss, slope : of W, or None
        ½‖WX − Y‖², and ‖(WX − Y)(TᵀX)ᵀ‖².
    """

    explained: Enclosed
    correction: Interval
    yy: Interval
    resolved: bool
    whitened: float
    loss: Interval | None
    slope: Interval | None


def minimal_value(data: Moments | tuple[Any, Any], rank: int) -> Interval:
    """Enclose the least value of ½‖WX − Y‖² over the matrices of rank ≤ r.

    Parameters
    ----------
    data : Moments, or (x, y) with one row for each sample
        Arrays are sharper, above all for ill-conditioned inputs.
    rank : int ≥ 0

    Returns
    -------
    (low, high)
        Wide, but correct, where the data are too close to a matrix of lower rank.

    Examples
    --------
    >>> import numpy as np
    >>> low, high = minimal_value((np.eye(2), np.diag([3.0, 2.0])), 1)
    >>> low <= 2 <= high < low + 1e-13
    True
    """
    if rank < 0:
        raise InputError(f"the rank bound is {rank}: give an integer ≥ 0")
    prepared = prepare(data)
    found = minimum_of(project(prepared), rank)
    power = prepared.powers[1] if isinstance(prepared, Moments) else prepared.output
    return shift_interval(found, 2 * power)


def prepare(data: Moments | tuple[Any, Any]) -> Moments | Samples:
    """Check arrays and divide them by powers of two; hand moments on."""
    import numpy as np

    if isinstance(data, Moments):
        return data
    x, y = checked_batch(*data)
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

    seen = set()
    for column in np.ascontiguousarray(x.T) + 0.0:
        nonzero = np.flatnonzero(column)
        if nonzero.size:
            first = column[nonzero[0]]
            power = int(np.frexp(first)[1])
            with np.errstate(all="ignore"):
                small = np.ldexp(column, -power)
                same = bool((np.ldexp(small, power) == column).all())
            column = small if same else column
            seen.add((column if first > 0 else 0.0 - column).tobytes())
    return min(len(seen), len(x))


def project(data: Moments | Samples, w: Enclosed | None = None) -> Projection:
    """Measure the data, and W if there is one, in coordinates in which XXᵀ is close to I."""
    import numpy as np

    if isinstance(data, Moments):
        xx, yx = data.xx.mid, data.yx.mid
        floor = up(data.xx.rad) / max(norm(xx), 1e-300)
    else:
        xx, yx = data.x.T @ data.x, data.y.T @ data.x
        floor = 0.0
    limit = data.rank_bound
    values, vectors = np.linalg.eigh(xx)
    top = float(values[-1])
    cut = max(1e-12, 100 * floor)
    best: Projection | None = None
    for _ in range(4):
        keep = values > cut * top
        t = np.ascontiguousarray(vectors[:, keep] / np.sqrt(values[keep]))
        if isinstance(data, Samples) and int(keep.sum()) < limit:
            t, null = _sharper(data.x, limit)
            limit = min(limit, data.shape[1] - _dependencies(data, null))
        for _ in range(2):
            v = (yx @ t) @ t.T
            s, found = _measured(data, t, v, w, limit)
            # another T helps only where the distance of S from I is not the radius of S
            distance = float(np.linalg.norm(s - np.eye(len(s))))
            if found is not None and distance < max(1e-6, found.whitened / 2):
                return found
            if found is not None and (best is None or found.whitened < best.whitened):
                best = found
            if not np.isfinite(s).all() or not s.size:
                break
            again, turn = np.linalg.eigh((s + s.T) / 2)
            if again[0] < 0.01:
                break
            t = np.ascontiguousarray((t @ turn) / np.sqrt(again))
        if best is not None:
            return best
        cut *= 1e3
    nothing = np.zeros((data.shape[1], 0))
    found = _measured(data, nothing, np.zeros(data.shape), w, limit)[1]
    assert found is not None  # S has no rows and is the identity
    return found


def _sharper(x: Array, limit: int) -> tuple[Array, Array]:
    """Whiten by singular values of X itself, which shows directions 10⁶ times as small.

    The second matrix has the right singular vectors that X sends to (almost) 0 as rows.
    """
    import numpy as np

    _, sigma, vt = np.linalg.svd(x, full_matrices=False)
    keep = sigma > 1e-11 * sigma[0]
    keep[limit:] = False
    return np.ascontiguousarray(vt[keep].T / sigma[keep]), vt[~keep]


def _dependencies(data: Samples, null: Array) -> int:
    import numpy as np

    largest, least = int(data.columns.max()), int(data.columns.min())
    if data.lost[0] or largest - least > 60:
        return 0
    return dependencies(
        np.ldexp(data.x, data.columns - largest), np.ldexp(null, least - data.columns)
    )


def dependencies(x: Array, null: Array) -> int:
    """Return a number of independent vectors k with Xk = 0 exactly, found by rounding.

    The rows of `null`, near the kernel, are brought to reduced echelon form and multiplied by
    small integers; Xk is exact in floats when X is a power of two times integers and
    Σ|x_i||k_i| stays below 2⁵³.  Vectors in echelon form are independent.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0], [7.0, 0.0, 7.0]])
    >>> dependencies(x, np.array([[0.5, 0.5, -0.5]])), dependencies(x, np.array([[1.0, 0, 0]]))
    (1, 0)
    """
    import numpy as np

    whole = np.ldexp(x, 26 - power_of(x))
    rows = null.copy()
    if not bool((whole == np.rint(whole)).all()) or rows.size == 0:
        return 0
    pivots = []
    for i in range(len(rows)):
        j = int(np.argmax(np.abs(rows[i])))
        if abs(rows[i, j]) < 1e-6:
            return 0
        rows[i] /= rows[i, j]
        others = np.arange(len(rows)) != i
        rows[others] -= np.outer(rows[others, j], rows[i])
        pivots.append(j)
    found = 0
    largest = np.abs(whole)
    for i, row in enumerate(rows):
        for factor in range(1, 13):
            k = np.rint(row * factor)
            if np.abs(k - row * factor).max() > 1e-6:
                continue
            # a unit at the pivot, zeros at all others: such vectors are independent
            clean = k[pivots[i]] and not k[[p for p in pivots if p != pivots[i]]].any()
            exact = float((largest @ np.abs(k)).max()) < 2.0**52
            found += bool(clean and exact and not (whole @ k).any())
            break
    return found


def _measured(
    data: Moments | Samples, t: Array, v: Array, w: Enclosed | None, limit: int
) -> tuple[Array, Projection | None]:
    """Return S in floats, and the projection when ‖S − I‖ < 1/2."""
    measure = _from_moments if isinstance(data, Moments) else _from_samples
    s, explained, k, rest, yy, loss, slope = measure(data, t, v, w)  # type: ignore[arg-type]
    off = minus_identity(s)
    epsilon = off.size
    if not epsilon < 0.5:
        return s.mid, None
    correction = (0.0, up(frobenius_squared(k)[1] / (1 - epsilon)))
    resolved = t.shape[1] >= limit
    if not resolved:
        correction = (0.0, max(correction[1], rest[1]))
    gradient = None
    if slope is not None:
        low, high = frobenius_squared(slope)
        gradient = (low / up(1 + epsilon) * (1 - 2.0**-40), up(high / (1 - epsilon)))
    return s.mid, Projection(explained, correction, yy, resolved, epsilon, loss, gradient)


def _from_samples(data: Samples, t: Array, v: Array, w: Enclosed | None) -> Any:
    sums: list[Enclosed] | None = None
    squares: list[list[Interval]] = [[], [], []]
    te, ve = from_float(t), transpose(from_float(v))
    wt = None if w is None else transpose(w)
    # larger chunks for wide data, so that adding n×n matrices costs less than multiplying
    chunk = max(CHUNK, max(data.shape) // 4)
    for start in range(0, len(data.x), chunk):
        x = Enclosed(data.x[start : start + chunk], data.lost[0])
        y = Enclosed(data.y[start : start + chunk], data.lost[1])
        z = product(x, te)
        zt = transpose(z)
        fit = product(x, ve)
        rest = subtract(y, fit)
        # (VX)Yᵀ + Y(VX)ᵀ − (VX)(VX)ᵀ = YYᵀ − (Y − VX)(Y − VX)ᵀ; the first form cancels less
        cross = product(transpose(fit), add(y, rest))
        parts = [product(zt, z), cross, product(transpose(rest), z)]
        squares[0].append(frobenius_squared(y))
        squares[1].append(frobenius_squared(rest))
        if wt is not None:
            miss = subtract(product(x, wt), y)
            squares[2].append(frobenius_squared(miss))
            parts.append(product(transpose(miss), z))
        sums = parts if sums is None else [add(p, q) for p, q in zip(sums, parts, strict=True)]
    assert sums is not None
    yy, rr, ll = (interval_sum((1.0, q) for q in part) for part in squares)
    loss = None if w is None else interval_sum([(_HALF, ll)])
    return sums[0], sums[1], sums[2], rr, yy, loss, sums[3] if w is not None else None


def _from_moments(data: Moments, t: Array, v: Array, w: Enclosed | None) -> Any:
    te, ve = from_float(t), from_float(v)
    s = product(product(transpose(te), data.xx), te)
    vxx = product(ve, data.xx)
    miss = subtract(data.yx, vxx)
    # V C ᵀ + (C − VΣ)Vᵀ
    explained = add(product(ve, transpose(data.yx)), product(miss, transpose(ve)))
    k = product(miss, te)
    rest = interval_sum([(1.0, data.yy), (-1.0, trace(explained))])
    loss = slope = None
    if w is not None:
        wxx = product(w, data.xx)
        loss = interval_sum([(_HALF, inner(wxx, w)), (-1.0, inner(w, data.yx)), (_HALF, data.yy)])
        loss = max(loss[0], 0.0), loss[1]
        slope = product(subtract(wxx, data.yx), te)
    return s, explained, k, rest, data.yy, loss, slope


def trace(a: Enclosed) -> Interval:
    """Enclose the trace of a square matrix: |tr A − tr B| ≤ √n‖A − B‖_F."""
    import numpy as np

    diagonal = np.diag(a.mid)
    error = up(a.rad * math.sqrt(len(diagonal)))
    if not math.isfinite(error):
        return -math.inf, math.inf
    total = exact_sum(diagonal)
    about = (math.nextafter(total, -math.inf), math.nextafter(total, math.inf))
    return interval_sum([(1.0, about), (1.0, (-error, error))])


def eigenvalue_sums(a: Enclosed, count: int) -> tuple[Interval, Interval]:
    """Enclose the sum of the `count` largest eigenvalues of a symmetric matrix, and of the rest.

    Every symmetric matrix in the enclosure is meant; equal eigenvalues do no harm.

    Examples
    --------
    >>> import numpy as np
    >>> top, rest = eigenvalue_sums(from_float(np.array([[2.0, 1.0], [1.0, 2.0]])), 1)
    >>> top[0] <= 3 <= top[1] < 3 + 1e-13, rest[0] <= 1 <= rest[1]
    (True, True)
    """
    import numpy as np

    m = a.mid.shape[0]
    unknown = (-math.inf, math.inf)
    if count >= m:
        return trace(a), (0.0, 0.0)
    if count <= 0:
        return (0.0, 0.0), trace(a)
    if not math.isfinite(a.rad):
        return unknown, unknown
    half = (a.mid + a.mid.T) / 2
    values, vectors = np.linalg.eigh(half)
    values, vectors = values[::-1], np.ascontiguousarray(vectors[:, ::-1])
    if not (np.isfinite(values).all() and np.isfinite(vectors).all()):
        return unknown, unknown
    q = from_float(vectors)
    delta = minus_identity(product(transpose(q), q)).size
    error = subtract(a, product(scale_columns(q, values), transpose(q))).size
    if not delta < 0.5:
        return unknown, unknown
    out = []
    for part in (values[:count], values[count:]):
        slack = up(delta * exact_sum(np.abs(part)) + math.sqrt(len(part)) * error)
        total = exact_sum(part)
        room = (-slack, slack)
        exact = (math.nextafter(total, -math.inf), math.nextafter(total, math.inf))
        out.append(interval_sum([(1.0, exact), (1.0, room)]))
    return out[0], out[1]


def minimum_of(found: Projection, rank: int) -> Interval:
    """Enclose ½(‖Y‖² − Σ_{q≤r}λ_q(M)); the correction only adds to the eigenvalues."""
    return minimum_from(found, rank, eigenvalue_sums(found.explained, rank))


def minimum_from(found: Projection, rank: int, sums: tuple[Interval, Interval]) -> Interval:
    """Enclose the least value, given the sums of the r largest eigenvalues and of the others."""
    top, rest = sums
    more = found.correction[1] if rank else 0.0
    low, high = interval_sum([(_HALF, found.yy), (-_HALF, (top[0], top[1] + up(more)))])
    # ‖Y‖² ≥ tr M: the value is at least half of the eigenvalues that are left
    low = max(low, math.nextafter(_HALF * rest[0] - 2.0**-1021, -math.inf), 0.0)
    return low, min(max(high, low), math.nextafter(_HALF * found.yy[1], math.inf))


__all__ = ["Projection", "Samples", "eigenvalue_sums", "minimal_value", "minimum_of", "prepare"]
