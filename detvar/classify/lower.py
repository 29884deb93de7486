"""A rational matrix of lower loss: the proof that a local minimum is not global.

The search is a heuristic, its result is not: ℓ is evaluated exactly at the matrix found.
"""

from __future__ import annotations

from random import Random

from detvar.errors import ShapeError
from detvar.exact.matrices import Matrix, identity, inverse, kron, unvec, vec
from detvar.exact.rational import Rational
from detvar.losses import Loss

_GRID = 1 << 12


def lower_point(
    loss: Loss, product: Matrix, bound: int, starts: int = 12, seed: int = 0
) -> Matrix | None:
    """Return a rational matrix of rank ≤ `bound` with ℓ below ℓ(W̄), or None if none was found.

    From a few starts W = AB with a random right factor, Newton steps in A and in B alternate
    (ℓ is convex in each), rounded to multiples of 2⁻¹²; the search stops at the first lower value.

    Parameters
    ----------
    loss : convex
    product : W̄, m×n
    bound : r, the largest rank allowed
    starts : number of random starts

    Notes
    -----
    **Cost**: per step a linear system with max(m, n)·r unknowns over Q.
    **Validity**: what is returned is proved lower; None says nothing.
    """
    rng = Random(seed)
    m, n = loss.shape
    here = loss.value(product)
    for k in range(starts):
        b = _start(n, bound, k, rng)
        a = Matrix(m, bound)
        for _ in range(12):
            a = _step(loss, a, b, left=True)
            b = _step(loss, a, b, left=False)
            if loss.value(a * b) < here:
                return a * b
    return None


def _start(n: int, r: int, k: int, rng: Random) -> Matrix:
    """Return a right factor: coordinate rows first, then random signs."""
    if k <= n - r:
        return Matrix(r, n, [int(j == i + k) for i in range(r) for j in range(n)])
    return Matrix(r, n, [rng.randint(-2, 2) for _ in range(r * n)])


def _step(loss: Loss, a: Matrix, b: Matrix, left: bool) -> Matrix:
    """Return the factor after one rounded Newton step of ℓ(AB) in A (left) or in B."""
    w = a * b
    m, n, r = a.nrows(), b.ncols(), b.nrows()
    frame = kron(identity(m), b.transpose()) if left else kron(a, identity(n))
    hessian = frame.transpose() * loss.hessian(w) * frame
    slope = frame.transpose() * vec(loss.gradient(w))
    size = hessian.nrows()
    try:  # the shift keeps a singular Hessian invertible and hardly moves the step
        step = inverse(hessian + identity(size) * Rational(1, _GRID)) * slope
    except ShapeError:
        return a if left else b
    moved = (a if left else b) - (unvec(step, m, r) if left else unvec(step, r, n))
    rounded = [Rational((x * _GRID + Rational(1, 2)).floor(), _GRID) for x in moved.entries()]
    return unvec(rounded, moved.nrows(), moved.ncols())
