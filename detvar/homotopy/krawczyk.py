"""Krawczyk's test for many approximate zeros at once: existence, uniqueness, reality, inertia.

For F with Jacobian J, an approximate zero x, a matrix Y ≈ J(x)⁻¹ and the polydisc D of weighted
radius ρ around x: if δ + qρ < ρ with δ = ‖Y F(x)‖ and q = ‖I − Y J(D)‖, then F has exactly one
zero in D, and it lies within δ/(1 − q) of x (Krawczyk 1969, Rump 1983).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detvar.exact.inertia import Inertia
from detvar.homotopy.balls import BallArray, ball_array, constant_ball, stack
from detvar.homotopy.duals import forward_jacobian

Map = Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]
Bools = NDArray[np.bool_]
_CHUNK = 2000
_UP = 1 + 1e-10  # covers the few roundings of the float comparisons below


@dataclass(frozen=True, eq=False)
class Zeros:
    """Discs around P approximate zeros.

    Attributes
    ----------
    center : (P, N) complex
    radius : (P, N) float; infinite where nothing is proved
    certified : (P,) whether the disc contains exactly one zero of F
    real : (P,) whether that zero is proved to be real
    nonreal : (P,) whether it is proved not to be real
    jacobian : balls (P, N, N) that contain J at the zero
    """

    center: NDArray[np.complex128]
    radius: NDArray[np.float64]
    certified: Bools
    real: Bools
    nonreal: Bools
    jacobian: BallArray

    def balls(self) -> BallArray:
        """Return the discs."""
        return ball_array(self.center, self.radius)


def certify_zeros(f: Map, points: Any, parameters: Sequence[Any]) -> Zeros:
    """Prove existence and uniqueness of a zero of F(·; p) near each of P points.

    Parameters
    ----------
    f : (x, p) ↦ N values, polynomial with real coefficients, over any ring with + − *
    points : (P, N) complex
    parameters : M exact real constants

    Notes
    -----
    **Cost**: the Jacobian over dual numbers of balls, and products of (P, N, N) arrays.
    **Validity**: rigorous; what cannot be proved at 53 bits is left open. A point is called real
    if the test succeeds around its real part, in a disc that is its own conjugate: the one zero
    there is its own conjugate too.

    Examples
    --------
    >>> found = certify_zeros(lambda x, p: [x[0] * x[0] - p[0]], [[1.4142135623731], [1j]], [2])
    >>> found.certified.tolist(), found.real.tolist()
    ([True, False], [True, False])
    """
    x = np.array(points, dtype=np.complex128)
    parts = [_chunk(f, x[i : i + _CHUNK], parameters) for i in range(0, len(x), _CHUNK)]
    if not parts:
        n = x.shape[1] if x.ndim == 2 else 0
        none = np.zeros(0, dtype=np.bool_)
        return Zeros(x, np.zeros((0, n)), none, none, none, ball_array(np.zeros((0, n, n))))
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("center", "radius", "certified", "real", "nonreal")
    }
    mids = np.concatenate([part.jacobian.mid for part in parts])
    rads = np.concatenate([part.jacobian.rad for part in parts])
    return Zeros(**joined, jacobian=BallArray(mids, rads))


def _chunk(f: Map, x: NDArray[np.complex128], parameters: Sequence[Any]) -> Zeros:
    p = [constant_ball(c) for c in parameters]
    near = np.abs(x.imag).max(axis=1) <= 1e-6 * (1 + np.abs(x).max(axis=1))
    center, radius, ok, jac = _test(f, x, p)
    real = np.zeros(len(x), dtype=np.bool_)
    if near.any():
        c, r, good, j = _test(f, x[near].real.astype(np.complex128), p)
        at = np.flatnonzero(near)[good]
        center[at], radius[at], ok[at], real[at] = c[good], r[good], True, True
        jac.mid[at], jac.rad[at] = j.mid[good], j.rad[good]
    nonreal = ok & ~real & (np.abs(center.imag) > radius).any(axis=1)
    return Zeros(center, radius, ok, real, nonreal, jac)


def _test(
    f: Map, x: NDArray[np.complex128], p: list[BallArray]
) -> tuple[NDArray[np.complex128], NDArray[np.float64], Bools, BallArray]:
    count, n = x.shape
    jacobian = forward_jacobian(f)
    size = np.abs(x)
    weight = np.maximum(size, 1e-2 * np.maximum(size.max(axis=1, keepdims=True), 1e-300))

    def at(radius: NDArray[np.float64]) -> list[BallArray]:
        return [ball_array(x[:, i], radius[:, i]) for i in range(n)]

    def derivative(balls: list[BallArray]) -> BallArray:
        rows = jacobian(balls, p)
        return (
            stack([e for row in rows for e in row], (count,)).transposed(1, 0).reshape(count, n, n)
        )

    exact = at(np.zeros_like(weight))
    with np.errstate(all="ignore"):
        middle = derivative(exact).mid
        solvable = np.asarray(np.isfinite(middle).all(axis=(1, 2)))
        middle = np.where(solvable[:, None, None], middle, np.eye(n))
        try:
            y = np.linalg.inv(middle)
        except np.linalg.LinAlgError:
            y = np.linalg.pinv(middle)
        values = stack(list(f(exact, p)), (count,)).transposed(1, 0).reshape(count, n, 1)
        step = (ball_array(y) @ values).reshape(count, n).upper()
        delta = (step / weight).max(axis=1) * _UP
        rho = 8 * np.maximum(delta, 2.0**-52)
        reach = rho[:, None] * weight
        jac = derivative(at(reach * _UP))
        rest = (ball_array(np.broadcast_to(np.eye(n), (count, n, n))) - ball_array(y) @ jac).upper()
        q = ((rest @ weight[:, :, None])[:, :, 0] / weight).max(axis=1) * _UP
        ok = solvable & (q < 1) & ((delta + q * rho) * _UP < rho)
        radius = np.where(ok[:, None], (delta / (1 - q))[:, None] * weight * _UP, np.inf)
    return x.copy(), radius, ok, jac


def certified_inertia(matrices: BallArray, wanted: Bools) -> list[Inertia | None]:
    """Return the inertia of each real symmetric matrix in the balls, where it can be proved.

    With S from an eigenvalue decomposition of the midpoint, scaled so that SᵀHS ≈ diag(±1): if
    ‖SᵀHS − diag(±1)‖_∞ < 1 for all H in the balls, no eigenvalue of SᵀHS changes sign (Weyl), and
    Sylvester's law gives the inertia of H.

    Parameters
    ----------
    matrices : balls (P, N, N) around real symmetric matrices
    wanted : (P,) which to look at
    """
    out: list[Inertia | None] = [None] * len(wanted)
    which = np.flatnonzero(wanted)
    if not which.size:
        return out
    n = matrices.shape[-1]
    mid = matrices.mid[which].real
    finite = np.asarray(np.isfinite(mid).all(axis=(1, 2)))
    finite &= np.asarray(np.isfinite(matrices.rad[which]).all(axis=(1, 2)))
    mid = np.where(finite[:, None, None], (mid + np.swapaxes(mid, 1, 2)) / 2, np.eye(n))
    values, vectors = np.linalg.eigh(mid)
    scale = 1 / np.sqrt(np.maximum(np.abs(values), 1e-300))
    s = vectors * scale[:, None, :]
    sign = np.where(values > 0, 1.0, -1.0)
    left = ball_array(np.swapaxes(s, 1, 2))
    rest = left @ BallArray(matrices.mid[which], matrices.rad[which]) @ ball_array(s)
    rest = rest - ball_array(np.eye(n) * sign[:, None, :])
    norm = rest.upper().sum(axis=2).max(axis=1) * _UP
    for k, i in enumerate(which):
        if finite[k] and norm[k] < 1:
            positive = int((sign[k] > 0).sum())
            out[int(i)] = Inertia(positive, n - positive, 0)
    return out


def pairs_not_separated(vectors: BallArray) -> list[tuple[int, int]]:
    """Return the pairs (i, j) of balls in C^K, of P, that are not proved disjoint.

    A random real functional maps each ball to an interval; only balls whose intervals overlap
    are compared entry by entry.
    """
    count, k = vectors.shape
    rng = np.random.default_rng(11)
    functional = rng.standard_normal((k, 1))
    image = (vectors @ ball_array(functional)).reshape(count)
    low, high = image.mid.real - image.rad * _UP, image.mid.real + image.rad * _UP
    order = np.argsort(low, kind="stable")
    out = []
    for a, i in enumerate(order):
        for j in order[a + 1 :]:
            if low[j] > high[i] + 1e-12 * abs(high[i]):
                break
            if not np.any(vectors[int(i)].disjoint(vectors[int(j)])):
                out.append((int(min(i, j)), int(max(i, j))))
    return out
