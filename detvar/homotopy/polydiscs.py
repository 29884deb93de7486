"""The Krawczyk test on many weighted polydiscs at once.

For a square polynomial system f and a matrix Y, a fixed point of K(x) = x − Y f(x) is a zero of
f as soon as Y is invertible.  On the polydisc D = {|x_i − c_i| ≤ ρ w_i}, with all norms weighted
by w, let δ = ‖Y f(c)‖ and q = sup_D ‖I − Y J‖ (row sums of entrywise suprema).  If q < 1 and
δ + qρ < ρ, then K maps D into itself and contracts, and Y and J are invertible; so D contains
exactly one zero, it is regular, and lies within δ/(1 − q) of c.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detvar.errors import ShapeError
from detvar.homotopy.balls import (
    INFLATE,
    TINY,
    BallArray,
    BoolArray,
    ComplexArray,
    RealArray,
    ball_array,
    stack,
)
from detvar.homotopy.duals import Jacobian, Map

_FLOOR = 0.01


def weights_of(x: ComplexArray, blocks: Sequence[int] | None = None) -> RealArray:
    """Return a power of 2 for each coordinate: near |x_i|, or near 1 % of its block's maximum.

    Powers of 2 make the scaling exact.  A point that is 0 throughout a block gets weights 1.

    >>> weights_of(np.array([[4.0, 0.001j]]))
    array([[4.     , 0.03125]])
    """
    a = np.abs(x)
    labels = np.zeros(x.shape[1], dtype=int) if blocks is None else np.asarray(blocks)
    for label in np.unique(labels):
        here = labels == label
        top = a[:, here].max(axis=1, keepdims=True)
        a[:, here] = np.maximum(a[:, here], _FLOOR * np.where(top > 0, top, 1 / _FLOOR))
    exponent = np.frexp(np.where(np.isfinite(a), a, 1.0))[1]
    w: RealArray = np.ldexp(1.0, np.clip(exponent - 1, -400, 400))
    return w


@dataclass(frozen=True)
class KrawczykTest:
    """What one round found, for each of P polydiscs; norms are weighted by w.

    Attributes
    ----------
    centre : complex128 (P, N), the point after the Newton step
    radius : float64 (P,), ρ minus the length of that step
    residual : float64 (P,), the bound δ of ‖Y f(centre)‖
    contraction : float64 (P,), the bound q
    distance : float64 (P,), δ/(1 − q); infinite where the test failed
    proved : bool (P,), whether δ + qρ < ρ and q < 1
    """

    centre: ComplexArray
    radius: RealArray
    residual: RealArray
    contraction: RealArray
    distance: RealArray
    proved: BoolArray


def krawczyk(
    f: Map,
    jacobian: Jacobian,
    c: ComplexArray,
    rho: RealArray,
    w: RealArray,
    p: list[BallArray],
    step: bool = True,
) -> KrawczykTest:
    """Take one Newton step from c, then test the polydisc that is left of |x − c| ≤ ρw.

    The Jacobian is enclosed once, over the polydisc around c; it is valid on the smaller one
    around the new centre.  Rows and columns are scaled by powers of 2 first.

    Parameters
    ----------
    c : complex128, shape (P, N)
    rho : float64, shape (P,)
    w : float64, shape (P, N), powers of 2
    p : list of M balls of shape (P,) or (1,)
    step : bool
        Whether to move the centre at all.
    """
    count, n = c.shape
    with np.errstate(all="ignore"):
        # ρw is exact but for underflow
        disc = [BallArray(c[:, i].copy(), rho * w[:, i] + TINY) for i in range(n)]
        j = _matrix(jacobian(disc, p), count, n)
        j = BallArray(j.mid * w[:, None, :], j.rad * w[:, None, :] + TINY)
        top = np.abs(j.mid).max(axis=2)
        s = np.ldexp(1.0, -np.clip(np.frexp(np.where(np.isfinite(top), top, 1.0))[1], -400, 400))
        j = BallArray(j.mid * s[:, :, None], j.rad * s[:, :, None] + TINY)
        y = ball_array(_inverse(j.mid))
        q = (np.eye(n) - y @ j).upper().sum(axis=2).max(axis=1) * (1 + 2 * n * 2.0**-53)

        def newton(at: ComplexArray) -> BallArray:
            exact = [BallArray(at[:, i].copy(), np.zeros(count)) for i in range(n)]
            value = stack(f(exact, p), (count,)).transposed(1, 0)
            value = BallArray(value.mid * s, value.rad * s + TINY)
            return (y @ value[:, :, None])[:, :, 0]

        centre, radius = c, rho
        if step:
            centre = c - w * newton(c).mid
            gap = np.abs(centre - c) / w
            radius = (rho - gap.max(axis=1) * INFLATE) * (1 - 2.0**-50)
        delta = newton(centre).upper().max(axis=1)
        proved = (q < 1 - 2.0**-20) & ((delta + q * radius) * INFLATE < radius)
        distance = np.where(proved, delta / (1 - q) * INFLATE, np.inf)
    return KrawczykTest(centre, radius, delta, q, distance, proved)


def _matrix(rows: Sequence[Sequence[Any]], count: int, n: int) -> BallArray:
    """Return the (P, N, N) array of balls from N lists of N entries of shape (P,)."""
    if len(rows) != n or any(len(row) != n for row in rows):
        raise ShapeError(f"the Jacobian is not {n}×{n}: give as many equations as unknowns")
    j = stack([entry for row in rows for entry in row], (count,)).transposed(1, 0)
    return BallArray(
        np.ascontiguousarray(j.mid).reshape(count, n, n),
        np.ascontiguousarray(j.rad).reshape(count, n, n),
    )


def _inverse(a: ComplexArray) -> ComplexArray:
    """Return approximate inverses, NaN for the matrices that have none."""
    try:
        return np.asarray(np.linalg.inv(a))
    except np.linalg.LinAlgError:
        out = np.full_like(a, np.nan)
        for k in range(len(a)):
            try:
                out[k] = np.linalg.inv(a[k])
            except np.linalg.LinAlgError:
                continue
        return out
