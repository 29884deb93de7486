"""Zeros of ∇f proposed in floats: many starts at once, none of which proves anything."""

from __future__ import annotations

from typing import Any

from detvar.critical.analytic.chart import Chart

_STEPS = 60
_INNER_STEPS = 25
_FAR = 1e6
_STEEP = 10.0
_CLOSE = 1e-6


def proposals(chart: Chart, rng: Any, count: int, convex: bool) -> Any:
    """Return different points of a chart where |∇f| is about 0 and |A_ij| < 10.

    The starts have slopes in [−1, 1]; B has several sizes or, for a convex loss, is the best
    one for these slopes. From each start Newton's method goes to a zero of ∇f of any index, and
    once more after a descent.

    Returns
    -------
    array of shape (P, N)
    """
    import numpy as np

    x = rng.normal(size=(count, chart.size)) * np.exp(rng.uniform(-2, 2, size=(count, 1)))
    x[:, : chart.slopes] = rng.uniform(-1, 1, size=(count, chart.slopes))
    if convex:
        x = best_rows(chart, x)
    if chart.slopes or not convex:
        x = zeros_near(chart, np.concatenate([x, lowest_near(chart, x[: (count + 1) // 2])]))
    with np.errstate(all="ignore"):
        residual = np.abs(chart.gradient_array(x)).max(axis=1)
        typical = np.abs(chart.problem.gradient_array(np.zeros(chart.problem.shape))).max()
    if not np.isfinite(typical):
        typical = 1.0  # the loss is not defined at 0
    good = (residual < 1e-8 * max(typical, 1e-30)) & (np.abs(x).max(axis=1) < _FAR)
    good &= (np.abs(x[:, : chart.slopes]) < _STEEP).all(axis=1)
    return distinct(chart, x[good])


def distinct(chart: Chart, x: Any) -> Any:
    """Return the points whose matrices differ by more than rounding."""
    import numpy as np

    kept: list[int] = []
    w = chart.matrix_array(x)
    for k in range(len(x)):
        gap = [np.abs(w[k] - w[j]).max() for j in kept]
        if min(gap, default=np.inf) > _CLOSE * max(np.abs(w[k]).max(), 1e-12):
            kept.append(k)
    return x[kept]


def best_rows(chart: Chart, x: Any, steps: int = _INNER_STEPS) -> Any:
    """Return the points with B replaced by the minimiser of the convex function f(A, ·).

    Newton's method with the Levenberg parameter adapted to every lane.
    """
    return _descend(x, chart.slopes, steps, _minimum_merit(chart))


def rows_near(chart: Chart, x: Any) -> Any:
    """Return one point with B replaced by about the minimiser of f(A, ·), from a near start."""
    import numpy as np

    cut, out = chart.slopes, x.copy()
    for _ in range(4):
        try:
            with np.errstate(all="ignore"):
                h, g = chart.hessian_array(out)[cut:, cut:], chart.gradient_array(out)[cut:]
                step = np.linalg.solve(h, g)
        except np.linalg.LinAlgError:
            break
        size, scale = np.abs(step).max(), np.abs(out).max()
        if not size < max(scale, 1.0):
            break
        out[cut:] -= step
        if size < 1e-4 * scale:
            return out
    return best_rows(chart, x[None], 60)[0]


def zeros_near(chart: Chart, x: Any, steps: int = _STEPS) -> Any:
    """Return the points to which the Levenberg-Marquardt method for ∇f = 0 goes."""
    return _descend(x, 0, steps, _residual_merit(chart))


def lowest_near(chart: Chart, x: Any) -> Any:
    """Return the points after a descent of f in all coordinates, with |∇²f| as the metric."""
    import numpy as np

    def model(x: Any) -> Any:
        h = chart.hessian_array(x)
        good = np.isfinite(h).all(axis=(1, 2))
        values, vectors = np.linalg.eigh(np.where(good[:, None, None], h, 0.0))
        size = np.abs(values) + 1e-12
        return chart.gradient_array(x), (vectors * size[:, None, :]) @ vectors.swapaxes(1, 2)

    return _descend(x, 0, _INNER_STEPS, (chart.value_array, model))


def _minimum_merit(chart: Chart) -> Any:
    cut = chart.slopes

    def value(x: Any) -> Any:
        return chart.value_array(x)

    def model(x: Any) -> Any:
        return chart.gradient_array(x)[:, cut:], chart.hessian_array(x)[:, cut:, cut:]

    return value, model


def _residual_merit(chart: Chart) -> Any:
    import numpy as np

    def value(x: Any) -> Any:
        return 0.5 * np.square(chart.gradient_array(x)).sum(axis=1)

    def model(x: Any) -> Any:
        g, h = chart.gradient_array(x), chart.hessian_array(x)
        return (h @ g[:, :, None])[:, :, 0], h @ h

    return value, model


def _descend(x: Any, first: int, steps: int, merit: Any) -> Any:
    """Minimise a merit in the coordinates from `first` on, lane by lane, by damped steps."""
    import numpy as np

    value, model = merit
    x = np.array(x, dtype=np.float64)
    if x.shape[1] == first or not len(x):
        return x
    damping = np.full(len(x), 1e-3)
    with np.errstate(all="ignore"):
        f = value(x)
        for _ in range(steps):
            g, h = model(x)
            good = np.isfinite(h).all(axis=(1, 2)) & np.isfinite(g).all(axis=1)
            h = np.where(good[:, None, None], h, 0.0)
            size = np.abs(h).max(axis=(1, 2)) + 1e-300
            h = h + (damping * size)[:, None, None] * np.eye(g.shape[1])
            step = _solve(h, np.where(good[:, None], g, 0.0))
            trial = x.copy()
            trial[:, first:] -= step
            new = value(trial)
            better = np.isfinite(new) & (new <= f) & (np.abs(trial).max(axis=1) < _FAR)
            x[better], f[better] = trial[better], new[better]
            damping = np.clip(np.where(better, damping / 8, damping * 8), 1e-18, 1e12)
            moved = np.abs(step).max(axis=1) > 1e-14 * np.abs(x).max(axis=1)
            if not (moved & (better | (damping < 1e11))).any():
                break
    return x


def _solve(h: Any, g: Any) -> Any:
    import numpy as np

    try:
        return np.linalg.solve(h, g[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        return (np.linalg.pinv(h, hermitian=True) @ g[:, :, None])[:, :, 0]
