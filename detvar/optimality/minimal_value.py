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
from detvar.optimality.moments import CHUNK, Moments
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
    product,
    scale_columns,
    shift_interval,
    subtract,
    transpose,
    up,
)
from detvar.optimality.samples import Samples, prepare
from detvar.optimality.whiteners import refined, times_gram, whiteners

_HALF = 0.5


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
    whitener : array
        T; exactly invertible on the inputs in use when it has as many columns.
    whitened : float
        An upper bound of ‖S − I‖, less than 1.
    loss, slope : of W, or None
        ½‖WX − Y‖², and ‖(WX − Y)(TᵀX)ᵀ‖².
    """

    explained: Enclosed
    correction: Interval
    yy: Interval
    resolved: bool
    whitener: Array
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
    if not hasattr(rank, "__index__") or rank < 0:
        raise InputError(f"the rank bound is {rank}: give an integer ≥ 0")
    prepared = prepare(data)
    found = minimum_of(project(prepared), rank)
    power = prepared.powers[1] if isinstance(prepared, Moments) else prepared.output
    return shift_interval(found, 2 * power)


def project(data: Moments | Samples, w: Enclosed | None = None) -> Projection:
    """Measure the data, and W if there is one, in coordinates in which XXᵀ is close to I."""
    import numpy as np

    if isinstance(data, Moments):
        xx, yx = data.xx.mid, data.yx.mid
    else:
        xx, yx = data.x.T @ data.x, data.y.T @ data.x
    limit = data.rank_bound
    best: Projection | None = None
    for start, nullity in whiteners(data, xx):
        t: Array | None = start
        limit = min(limit, nullity)
        for _ in range(2):
            if t is None:
                break
            s, found = _measured(data, t, times_gram(yx, t), w, limit)
            # another T helps only where the distance of S from I is not the radius of S
            distance = float(np.linalg.norm(s - np.eye(len(s))))
            if found is not None and distance < max(1e-6, found.whitened / 2):
                return found
            if found is not None and (best is None or found.whitened < best.whitened):
                best = found
            t = refined(t, s)
        if best is not None:
            return best
    nothing = np.zeros((data.shape[1], 0))
    found = _measured(data, nothing, np.zeros(data.shape), w, limit)[1]
    assert found is not None  # S has no rows and is the identity
    return found


def _measured(
    data: Moments | Samples, t: Array, v: Array, w: Enclosed | None, limit: int
) -> tuple[Array, Projection | None]:
    """Return S in floats, and the projection when ‖S − I‖ < 1/2."""
    measure = _from_moments if isinstance(data, Moments) else _from_samples
    s, explained, k, rest, yy, loss, slope = measure(data, t, v, w)  # type: ignore[arg-type]
    # without columns S has no entries, also where nothing is known of the data
    epsilon = minus_identity(s).size if t.shape[1] else 0.0
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
    return s.mid, Projection(explained, correction, yy, resolved, t, epsilon, loss, gradient)


def _from_samples(data: Samples, t: Array, v: Array, w: Enclosed | None) -> Any:
    sums: list[Enclosed] | None = None
    squares: list[list[Interval]] = [[], [], []]
    te, ve = from_float(t), transpose(from_float(v))
    wt = None if w is None else transpose(w)
    # larger chunks for wide data, so that adding n×n matrices costs less than multiplying
    chunk = max(CHUNK, max(data.shape) // 2)
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


__all__ = [
    "Projection",
    "Samples",
    "eigenvalue_sums",
    "minimal_value",
    "minimum_from",
    "minimum_of",
    "prepare",
    "project",
]
