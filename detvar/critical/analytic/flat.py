"""The minimum of a convex loss that does not see some directions: unique up to these.

If ℓ(W + D) = ℓ(W) for all D in a linear space K, the zeros of ∇ℓ come in translates of K, and no
Newton method converges to a regular one. In coordinates on a complement of K it is regular again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from detvar.critical.analytic.judging import ball_radius, ends
from detvar.critical.certified_point import CertifiedPoint
from detvar.exact.balls import arb, arb_mat, working_precision
from detvar.exact.inertia import Inertia
from detvar.exact.matrices import Matrix, complement, nullspace
from detvar.losses import AnalyticLoss

if TYPE_CHECKING:
    from detvar.critical.analytic.chart import Chart

_STEPS = 200


@dataclass(frozen=True)
class Visible:
    """ℓ in coordinates y on a complement of the directions it does not see: vec W = Cy.

    It has what Krawczyk's test asks of a chart.

    Attributes
    ----------
    loss : ℓ on m×n matrices
    columns : C, mn×d, of full column rank
    """

    loss: AnalyticLoss
    columns: Matrix
    slopes = 0

    @cached_property
    def _balls(self) -> tuple[arb_mat, arb_mat]:
        c = arb_mat(self.columns)
        return c, c.transpose()

    def matrix(self, y: Any) -> arb_mat:
        """Return W."""
        flat = (self._balls[0] * arb_mat([[v] for v in y])).entries()
        return arb_mat(*self.loss.shape, flat)

    def gradient(self, y: Any) -> list[arb]:
        """Return Cᵀ vec ∇ℓ."""
        g = self.loss.gradient_ball(self.matrix(y)).entries()
        return list((self._balls[1] * arb_mat([[v] for v in g])).entries())

    def hessian(self, y: Any) -> arb_mat:
        """Return Cᵀ∇²ℓC."""
        c, transposed = self._balls
        return transposed * self.loss.hessian_ball(self.matrix(y)) * c


@dataclass(frozen=True)
class FlatMinimum:
    """One matrix of the affine space of all minima, and the dimension of that space."""

    point: CertifiedPoint
    dimension: int


def unseen_directions(loss: AnalyticLoss) -> Matrix | None:
    """Return a basis, mn×k, of the D with ℓ(W + D) = ℓ(W) for all W; None if k = 0 or unknown.

    >>> from detvar.losses import LogisticLoss
    >>> unseen_directions(LogisticLoss([[1, 0], [0, 1]], [[3, 0], [0, 5]], [[2, 0], [0, 1]])).rank()
    2
    """
    growth = loss.growth()
    if growth is None:
        return None
    kernel = nullspace(growth.rows)
    return kernel if kernel.ncols() else None


def flat_minimum(loss: AnalyticLoss, rank: int) -> FlatMinimum | None:
    """Return the proved minimum of a convex loss with unseen directions; None if there are none.

    Parameters
    ----------
    loss : convex, with a minimum
    rank : the rank bound, to be written into the point

    Notes
    -----
    **Validity**: ∇ℓ = 0 is proved by Krawczyk's test on the complement of the unseen directions,
    on which ∇ℓ has no component. The minimum is W + K with K the unseen directions.
    """
    from detvar.critical.analytic.krawczyk import ball_array_of, certify
    from detvar.homotopy.enclosed import certified_inertia

    kernel = unseen_directions(loss)
    if kernel is None:
        return None
    visible = Visible(loss, complement(kernel))
    zero = certify(cast("Chart", visible), _descend(visible).tolist())
    if zero is None:
        return None
    with working_precision(zero.bits):
        w = visible.matrix(zero.enclosure)
        signs = certified_inertia(ball_array_of(visible.hessian(zero.enclosure)))[0]
        value = ends(loss.value_ball(w))
        centre, radius = ball_radius(w)
    k = kernel.ncols()
    shown = None if signs is None else Inertia(signs.positive, signs.negative, signs.zero + k)
    point = CertifiedPoint(rank, centre, radius, True, None, value, None, shown, "global_minimum")
    return FlatMinimum(replace(point, rank_is_proved=False), k)


def _descend(visible: Visible) -> Any:
    """Newton's method on the convex y ↦ ℓ(Cy), with steps halved until the loss falls."""
    import numpy as np

    c = np.array([[float(x.p) / float(x.q) for x in row] for row in visible.columns.tolist()])
    shape = visible.loss.shape

    def value(y: Any) -> float:
        return float(visible.loss.value_array((c @ y).reshape(shape)))

    y = np.zeros(c.shape[1])
    for _ in range(_STEPS):
        w = (c @ y).reshape(shape)
        g = c.T @ visible.loss.gradient_array(w).ravel()
        h = c.T @ visible.loss.hessian_array(w) @ c
        step = np.linalg.lstsq(h, g, rcond=None)[0]
        here, size = value(y), 1.0
        while size > 1e-9 and not value(y - size * step) <= here:
            size /= 2
        y = y - size * step
        if np.abs(step).max() <= 1e-13 * (1 + np.abs(y).max()):
            break
    return y
