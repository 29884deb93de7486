"""From a proved zero of ∇f to a critical point with its value, inertia and nature."""

from __future__ import annotations

from dataclasses import replace
from math import floor, inf, nextafter

from detvar.critical.analytic.atlas import Found
from detvar.critical.analytic.krawczyk import ball_array_of
from detvar.critical.analytic.oriented import Oriented
from detvar.critical.certified_point import CertifiedPoint
from detvar.critical.certifying import nature_of
from detvar.exact.balls import arb, arb_mat, exact_float, working_precision
from detvar.exact.inertia import Inertia
from detvar.exact.matrices import zeros
from detvar.exact.rational import Rational
from detvar.losses import AnalyticLoss

_BITS = 106


def point_of(found: Found, problem: Oriented, convex: bool) -> CertifiedPoint:
    """Return the critical point of a proved zero, as one of M_e.

    Nature: by the inertia of the Hessian of f, which is congruent to that of ℓ on M_e. In the
    chart of all matrices ∇f = ∇ℓ, so that for a convex loss the point is a global minimum.
    """
    from detvar.homotopy.enclosed import certified_inertia

    zero = found.zero
    with working_precision(zero.bits):
        signs = certified_inertia(ball_array_of(zero.chart.hessian(zero.enclosure)))[0]
        value = ends(problem.value(found.matrix))
    nature = "undecided" if signs is None else nature_of(signs)
    if convex and not zero.chart.slopes:
        nature = "global_minimum"
    with working_precision(zero.bits):
        centre, radius = ball_radius(problem.given(found.matrix))
    e = zero.chart.rank
    out = CertifiedPoint(e, centre, radius, True, None, value, None, signs, nature)
    return out if found.has_rank else replace(out, rank_is_proved=False)


def zero_point(problem: Oriented, convex: bool) -> CertifiedPoint | None:
    """Return W = 0, the only matrix of rank 0; None where ℓ is not defined there."""
    m, n = problem.loss.shape
    w = arb_mat(*problem.shape)
    with working_precision(_BITS):
        g, value = problem.gradient(w).entries(), problem.value(w)
        if not all(x.is_finite() for x in [*g, value]):
            return None
        flat = all(x.is_zero() for x in g)
    nature = "global_minimum" if convex and flat else "local_minimum"
    centre = tuple((0j,) * n for _ in range(m))
    signs = Inertia(0, 0, 0)
    return CertifiedPoint(0, centre, 0.0, True, zeros(m, n), ends(value), None, signs, nature)


def is_strict_minimum_at_zero(problem: Oriented) -> bool:
    """Say whether it is proved that ∇ℓ(0) = 0 and ∇²ℓ(0) is positive definite."""
    from detvar.homotopy.enclosed import certified_inertia

    w = arb_mat(*problem.shape)
    with working_precision(_BITS):
        if not all(x.is_zero() for x in problem.gradient(w).entries()):
            return False
        signs = certified_inertia(ball_array_of(problem.hessian(w)))[0]
    return signs is not None and signs.positive == w.nrows() * w.ncols()


def on_the_variety(
    p: CertifiedPoint, problem: Oriented, bound: int, depth: int | None
) -> CertifiedPoint:
    """Return a point of M_e as one of M_r, r = bound, and of a network of some depth.

    Below rank r it is critical on its own stratum only, unless ∇ℓ = 0; critical weights over it
    are then spurious, and if ∇ℓ ≠ 0 general ones are strict saddles. On all matrices, pure means
    ∇ℓ = 0.
    """
    if p.rank == bound:
        return p if depth is None else replace(p, kind="pure")
    if p.nature == "global_minimum":
        filling = bound == problem.shape[0]
        return p if depth is None else replace(p, kind="pure" if filling else "spurious")
    if depth is None or not has_gradient(p, problem):
        return replace(p, nature="lower_rank")
    nature = "strict_saddle" if depth > 1 else "lower_rank"
    return replace(p, nature=nature, kind="spurious")


def has_gradient(p: CertifiedPoint, problem: Oriented) -> bool:
    """Say whether ∇ℓ ≠ 0 at the point is proved."""
    with working_precision(_BITS):
        g = problem.loss.gradient_ball(ball_matrix(p))
        return any(not x.contains(0) for x in g.entries())


def ball_matrix(p: CertifiedPoint) -> arb_mat:
    """Return a ball matrix that contains W, for a real point."""
    if p.exact is not None:
        return arb_mat(p.exact)
    r = arb(exact_float(p.radius))
    return arb_mat([[arb(exact_float(z.real)) + arb(0, r) for z in row] for row in p.center])


def ends(x: arb) -> tuple[float, float]:
    """Return floats around all numbers of a ball."""
    return nextafter(float(x.lower()), -inf), nextafter(float(x.upper()), inf)


def ball_radius(w: arb_mat) -> tuple[tuple[tuple[complex, ...], ...], float]:
    """Return float midpoints, and one radius that is enough for all entries."""
    rows, worst = [], 0.0
    for row in w.tolist():
        centre = [float(x.mid()) for x in row]
        for x, c in zip(row, centre, strict=True):
            worst = max(worst, nextafter(float((x - arb(c)).abs_upper()), inf))
        rows.append(tuple(complex(c) for c in centre))
    return tuple(rows), worst


def gradient_intervals(loss: AnalyticLoss, p: CertifiedPoint) -> list[list[tuple[complex, float]]]:
    """Return (midpoint, radius) of intervals that contain the entries of ∇ℓ(W)."""
    with working_precision(_BITS):
        g = loss.gradient_ball(ball_matrix(p)).tolist()
        out = []
        for row in g:
            middles = [float(x.mid()) for x in row]
            gaps = [(x - arb(c)).abs_upper() for x, c in zip(row, middles, strict=True)]
            radii = [nextafter(float(gap), inf) for gap in gaps]
            out.append([(complex(c), r) for c, r in zip(middles, radii, strict=True)])
    return out


def upper_rational(x: arb) -> Rational:
    """Return a simple rational number above every number of a ball.

    >>> upper_rational(arb(2).log())
    45/64
    """
    return Rational(floor(ends(x)[1] * 64) + 1, 64)
