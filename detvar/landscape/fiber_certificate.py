r"""Proof, in ball arithmetic, that a point of the fiber {XY = W} is the nearest one to (B, A).

A critical point is a zero of F(X) = X − B + ΛYᵀ, with Λ = (XXᵀ)⁻¹(XA − W) and Y = A − XᵀΛ.
Krawczyk's operator proves a zero in a ball; over the whole ball ‖Λ‖₂ < 1 is proved; a critical
point with ‖Λ‖₂ < 1 is the only nearest point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.exact.balls import arb, arb_mat, working_precision

Array = Any  # numpy.ndarray of float64: NumPy is not imported with the module

BITS = 160
SQUARINGS = 16


@dataclass(frozen=True)
class Enclosure:
    """What was proved: all three are upper bounds.

    Attributes
    ----------
    norm : of ‖Λ‖₂ at the exact nearest point, below 1
    radius : of the distance from the given point to the exact nearest point
    deviation : of ‖W̃ − W‖ for the matrix W̃ whose fiber the proof is about
    """

    norm: float
    radius: float
    deviation: float


def enclose(w: Array, b: Array, a: Array, x: Array, y: Array, reduced: bool) -> Enclosure | None:
    r"""Prove that the nearest point to (B, A) is unique and near (X, Y), or return None.

    Parameters
    ----------
    w, b, a, x, y : arrays (p, q), (p, k), (k, q), (p, k), (k, q)
        Taken at their exact values; p ≤ q unless `reduced`.
    reduced : bool
        False: the fiber of W, for W of rank p and k ≥ p.  True: the fiber of W̃ = XY of rank k.
        Its points are (XG, G⁻¹Y).  From XᵀX = RᵀR and YYᵀ = LLᵀ come orthonormal bases
        U = XR⁻¹ and V = YᵀL⁻ᵀ, and the problem for k×k matrices with W₁ = RL, B₁ = UᵀB,
        A₁ = AV, in which (X, Y) is (R, L).

    Notes
    -----
    **Cost**: pk columns of a Jacobian with products of small ball matrices.
    **Validity**: the answer is proved; None says only that this attempt proved nothing.
    """
    with working_precision(BITS):
        try:
            w, b, a, x, y = (arb_mat(m.tolist()) for m in (w, b, a, x, y))
            return _enclose(w, b, a, x, y, reduced)
        except ZeroDivisionError:  # a matrix that may be singular
            return None


def _enclose(
    w: arb_mat, b: arb_mat, a: arb_mat, x: arb_mat, y: arb_mat, reduced: bool
) -> Enclosure | None:
    deviation = arb(0)
    if reduced:
        right, left = cholesky(x.transpose() * x), cholesky(y * y.transpose())
        if right is None or left is None:
            return None
        deviation = frobenius(x * y - w)
        b = right.inv() * (x.transpose() * b)
        a = a * y.transpose() * left.inv().transpose()
        x, y = right.transpose(), left
        w = x * y
    start = x
    for _ in range(4):  # in high precision, so that the box below is tiny
        found = _step(w, b, a, x.mid())
        if found is None:
            return None
        x = found
    box = _box(w, b, a, x.mid())
    if box is None:
        return None
    multiplier, other = _parts(w, a, box)
    norm = spectral_norm(multiplier)
    if not norm < 1:
        return None
    radius = (square(box - start) + square(other - y)).sqrt()
    bounds = [_up(norm), _up(radius), _up(deviation)]
    return Enclosure(*bounds) if bounds[0] < 1 and all(v < float("inf") for v in bounds) else None


def cholesky(m: arb_mat) -> arb_mat | None:
    """Return a lower triangular L with LLᵀ = M, None if M is not proved positive definite."""
    n = m.nrows()
    low = arb_mat(n, n)
    for j in range(n):
        pivot = m[j, j] - sum((low[j, t] ** 2 for t in range(j)), arb(0))
        if not pivot > 0:
            return None
        low[j, j] = pivot.sqrt()
        for i in range(j + 1, n):
            inner = sum((low[i, t] * low[j, t] for t in range(j)), arb(0))
            low[i, j] = (m[i, j] - inner) / low[j, j]
    return low


def square(m: arb_mat) -> arb:
    """Return the sum of the squares of the entries."""
    return sum((z * z for z in m.entries()), arb(0))


def frobenius(m: arb_mat) -> arb:
    """Return the Frobenius norm."""
    return square(m).sqrt() if square(m) != 0 else arb(0)


def spectral_norm(m: arb_mat) -> arb:
    """Return an upper bound of ‖M‖₂, too large by a factor of at most n^(1/2^17).

    ‖M‖₂² ≤ tr(Tᵐ)^{1/m} for T = MᵀM and m = 2¹⁶, by repeated squaring of T over its trace.
    """
    t = m.transpose() * m if m.ncols() <= m.nrows() else m * m.transpose()
    bound, power = arb(1), arb(1)
    for _ in range(SQUARINGS):
        size = t.trace().upper()
        if not size > 0:
            return arb(0) if size == 0 else arb("inf")
        bound, power = bound * (size.log() * power).exp(), power / 2
        t = t * (1 / size)
        t = t * t
    bound *= (t.trace().upper().log() * power).exp()
    return bound.sqrt().upper()


def _parts(w: arb_mat, a: arb_mat, x: arb_mat) -> tuple[arb_mat, arb_mat]:
    """Λ and Y."""
    multiplier = (x * x.transpose()).solve(x * a - w)
    return multiplier, a - x.transpose() * multiplier


def _value(w: arb_mat, b: arb_mat, a: arb_mat, x: arb_mat) -> arb_mat:
    multiplier, y = _parts(w, a, x)
    return x - b + multiplier * y.transpose()


def _jacobian(w: arb_mat, a: arb_mat, x: arb_mat) -> arb_mat:
    """The matrix of D ↦ D − ΛΛᵀD + EYᵀ − ΛEᵀX with E = (XXᵀ)⁻¹(DY − XDᵀΛ), row by row."""
    p, k = x.nrows(), x.ncols()
    multiplier, y = _parts(w, a, x)
    inverse, outer = (x * x.transpose()).inv(), multiplier * multiplier.transpose()
    columns = []
    for i in range(p):
        for j in range(k):
            unit = arb_mat(p, k)
            unit[i, j] = 1
            e = inverse * (unit * y - x * (unit.transpose() * multiplier))
            d = unit - outer * unit + e * y.transpose() - multiplier * (e.transpose() * x)
            columns.append(d.entries())
    return arb_mat(columns).transpose()


def _flat(m: arb_mat) -> arb_mat:
    return arb_mat(m.nrows() * m.ncols(), 1, m.entries())


def _step(w: arb_mat, b: arb_mat, a: arb_mat, x: arb_mat) -> arb_mat | None:
    """One Newton step from an exact point."""
    move = _jacobian(w, a, x).solve(_flat(_value(w, b, a, x)))
    out = x - arb_mat(x.nrows(), x.ncols(), move.entries())
    return out if all(z.is_finite() for z in out.entries()) else None


def _box(w: arb_mat, b: arb_mat, a: arb_mat, x: arb_mat) -> arb_mat | None:
    """A box with exactly one zero of F: K(box) = x − CF(x) + (I − CF'(box))(box − x) inside it."""
    n = x.nrows() * x.ncols()
    inverse = _jacobian(w, a, x).mid().inv().mid()
    shift = inverse * _flat(_value(w, b, a, x))
    radius = max(abs(z).upper() for z in shift.entries()) * 4 + arb(2) ** (20 - BITS)
    identity = arb_mat(n, n, [1 if i % (n + 1) == 0 else 0 for i in range(n * n)])
    for _ in range(3):
        around = arb(0, radius)
        box = arb_mat(x.nrows(), x.ncols(), [z + around for z in x.entries()])
        rest = identity - inverse * _jacobian(w, a, box)
        image = rest * arb_mat(n, 1, [around] * n) - shift
        if all(abs(z).upper() < radius for z in image.entries()):
            moved = zip(x.entries(), image.entries(), strict=True)
            return arb_mat(x.nrows(), x.ncols(), [z + dz for z, dz in moved])
        radius = radius * 1024
    return None


def _up(x: arb) -> float:
    """A float that is at least x."""
    import math

    return math.nextafter(float(x.upper().mid()), math.inf) if x != 0 else 0.0
