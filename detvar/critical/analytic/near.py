"""Approximate critical matrices, such as ends of gradient descent, turned into proved points."""

from __future__ import annotations

from typing import Any

from detvar.critical.analytic.atlas import Atlas
from detvar.critical.analytic.chart import Chart, charts
from detvar.critical.analytic.judging import on_the_variety, point_of, zero_point
from detvar.critical.analytic.oriented import Oriented
from detvar.critical.analytic.search import effective
from detvar.critical.certified_point import CertifiedPoint
from detvar.errors import InputError, ShapeError
from detvar.losses import BuresWassersteinLoss, Loss, is_analytic
from detvar.networks.linear import LinearNetwork
from detvar.varieties import DeterminantalVariety


def certify_near(
    where: DeterminantalVariety | LinearNetwork,
    loss: Loss,
    matrices: Any,
    *,
    distance: float = 0.05,
) -> list[CertifiedPoint | None]:
    """Return the proved critical point near each of P approximate critical matrices.

    The rank is guessed from the singular values; then Newton's method goes to a zero of the
    gradient on the matrices of that rank, and Krawczyk's test proves it.

    Parameters
    ----------
    where : the variety, or a network, whose function space is taken
    loss : convex or not, not algebraic
    matrices : array of shape (P, m, n), or (m, n) for one
    distance : a point is near if no entry of W is further away, relative to the largest

    Returns
    -------
    list of P `CertifiedPoint` with rank, value, inertia and nature as in `critical_points`, in
    effective coordinates CWB where data or loss shrink the problem; None where nothing is proved

    Raises
    ------
    InputError
        If the loss is algebraic, or a matrix is not finite.
    ShapeError
        If the matrices are not m×n.

    Notes
    -----
    **Cost**: some milliseconds for each matrix. **Validity**: what is returned is proved, except
    that it is the point that the caller had in mind.

    Examples
    --------
    >>> import numpy as np
    >>> from detvar.losses import LogCoshLoss
    >>> loss = LogCoshLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    >>> near = np.array([[[1.99, 0.01], [0.0, 0.0]]])
    >>> (p,) = certify_near(DeterminantalVariety(2, 2, 1), loss, near)
    >>> p.rank, p.nature, p.matrix_text()
    (1, 'local_minimum', '2 0; 0 0')
    """
    import numpy as np

    if not is_analytic(loss) or isinstance(loss, BuresWassersteinLoss):
        raise InputError("the loss is algebraic: critical_points lists its points exactly")
    variety = where.function_space if isinstance(where, LinearNetwork) else where
    network = where if isinstance(where, LinearNetwork) else None
    w = np.asarray(matrices, dtype=np.float64)
    w = w[None] if w.ndim == 2 else w
    if w.ndim != 3 or w.shape[1:] != loss.shape:
        raise ShapeError(f"matrices must have the shape (P, {loss.shape[0]}, {loss.shape[1]})")
    if not np.isfinite(w).all():
        raise InputError("matrices must be finite numbers")
    within = network or LinearNetwork(variety.columns, max(variety.rank, 1), variety.rows)
    small = loss.reduce(within)
    if small.loss is None:
        raise InputError("the loss is constant: every matrix is critical")
    left, right = (
        np.array([[float(x.p) / float(x.q) for x in row] for row in a.tolist()])
        for a in (small.left, small.right)
    )
    problem, bound = effective(variety, loss, network)
    depth = None if network is None else network.depth
    out = []
    for one in left @ w @ right:
        p = _proved(problem, bound, problem.standing_for(one), distance)
        out.append(None if p is None else on_the_variety(p, problem, bound, depth))
    return out


def _proved(problem: Oriented, bound: int, w: Any, distance: float) -> CertifiedPoint | None:
    import numpy as np

    convex = problem.loss.convexity().answer is True
    scale = np.abs(w).max()
    sizes = np.linalg.svd(w, compute_uv=False)
    if scale < 1e-6:
        return zero_point(problem, convex)
    guess = int((sizes[:bound] > 1e-3 * sizes[0]).sum())
    order = [guess, *range(guess - 1, 0, -1), *range(guess + 1, bound + 1)]
    if bound == problem.shape[0]:  # a zero of ∇ℓ says more than a critical point of lower rank
        order = [bound, *(e for e in order if e != bound)]
    for e in order:
        chart, x = best_chart(problem, e, w)
        found = nearest_zero(chart, x)
        if found is None:
            continue
        centre = np.array([[float(v.mid()) for v in row] for row in found.matrix.tolist()])
        if np.abs(centre - w).max() <= distance * scale:
            return point_of(found, problem, convex)
    return None


def best_chart(problem: Oriented, e: int, w: Any) -> tuple[Chart, Any]:
    """Return the chart in which a matrix near rank e has small slopes, and its coordinates."""
    import numpy as np

    u, s, v = np.linalg.svd(w, full_matrices=False)
    near = (u[:, :e] * s[:e]) @ v[:e]
    chart = max(charts(problem, e), key=lambda c: abs(np.linalg.det(u[c.order[:e], :e])))
    return chart, chart.coordinates_array(near)


def nearest_zero(chart: Chart, x: Any) -> Any:
    """Return the proved zero that Newton's method goes to from x, None if there is none."""
    from detvar.critical.analytic.newton import zeros_near

    atlas = Atlas(chart.problem, chart.rank)
    k = next(k for k, c in enumerate(atlas.charts) if c.order == chart.order)
    return atlas.add(k, zeros_near(chart, x[None])[0].tolist())
