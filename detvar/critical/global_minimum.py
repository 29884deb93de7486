"""Which of the local minima is the global one: all real critical values compared as intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detvar.critical.certified_point import CertifiedPoint
from detvar.critical.elimination import univariate_critical_points
from detvar.critical.families import is_univariate
from detvar.critical.symmetries import images
from detvar.exact.inertia import inertia
from detvar.exact.matrices import Matrix
from detvar.exact.rational import Rational
from detvar.losses import LikelihoodLoss, Loss, is_polynomial


def attains_minimum(loss: Loss) -> bool:
    """Say whether it is proved that ℓ attains its infimum on every M_r, at a critical point.

    −Σ u log w with u > 0 grows towards the boundary of the simplex. A convex polynomial whose
    Hessian is positive definite at one point grows in every direction: along a direction in which
    it grew at most linearly from one point it would do so from all, and its second derivative
    would vanish everywhere. Other losses are not decided here.
    """
    if isinstance(loss, LikelihoodLoss):
        return all(u > 0 for u in loss.counts.entries())
    if not (is_polynomial(loss) and loss.is_convex()):
        return False
    m, n = loss.shape
    some = Matrix(m, n, [Rational(1 + k * k, 7) for k in range(m * n)])
    return inertia(loss.hessian(some)).positive == m * n


def with_global_minimum(
    points: Sequence[CertifiedPoint], loss: Loss, every_real_point: bool
) -> tuple[list[CertifiedPoint], tuple[int, ...]]:
    """Name the global minima, and return the positions of those that cannot be told apart.

    Parameters
    ----------
    points : critical points of every rank
    loss : ℓ
    every_real_point : whether it is proved that no real point is missing
    """
    out = list(points)
    if not every_real_point or not attains_minimum(loss):
        return out, ()
    rivals = [k for k, p in enumerate(out) if p.is_real is not False and not _outside(p, loss)]
    if not rivals or any(out[k].value is None for k in rivals):
        return out, ()
    high = min(out[k].value[1] for k in rivals)  # type: ignore[index]
    near = [k for k in rivals if out[k].value[0] <= high]  # type: ignore[index]
    exact = [out[k].exact_value for k in near]
    if len(near) > 1 and not all(v is not None for v in exact):
        if not _are_equal(out, near, loss):
            return out, tuple(near)
        for k in near:
            out[k] = replace(out[k], nature="global_minimum")
        return out, ()
    least = min((v for v in exact if v is not None), default=None)
    for k in near:
        if len(near) == 1 or out[k].exact_value == least:
            out[k] = replace(out[k], nature="global_minimum")
    return out, ()


def _are_equal(points: list[CertifiedPoint], near: list[int], loss: Loss) -> bool:
    """Whether the near points have one value: by a symmetry of the loss, or by elimination."""
    first = points[near[0]]
    real = [(k, p) for k, p in enumerate(points) if p.rank == first.rank and p.is_real]
    if any(points[k].rank != first.rank for k in near):
        return False
    if set(near) <= images(loss, first, real):
        return True
    if not is_univariate(loss, first.rank):
        return False
    # the global minima are among the near points: as many as these, they are these
    exact = univariate_critical_points(loss).points
    return sum(p.nature == "global_minimum" for p in exact) == len(near)


def _outside(p: CertifiedPoint, loss: Loss) -> bool:
    """Whether a likelihood is not defined at the point: an entry is proved negative."""
    if not isinstance(loss, LikelihoodLoss):
        return False
    return any(z.real + p.radius < 0 for row in p.center for z in row)
