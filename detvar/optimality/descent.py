"""L in floats, for searches: values relative to a start, partial derivatives, and descent.

Nothing here is proved; weights that a search finds are compared with the start by an enclosure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from detvar.losses import AnalyticLoss, SquaredLoss, is_analytic
from detvar.optimality.curvature import (
    ROOM,
    Arrays,
    flat,
    float_partials,
    float_slope,
    masked,
    unflat,
)
from detvar.optimality.input_coordinates import gram_of, whitening
from detvar.optimality.measured import Measured, balls, floats
from detvar.optimality.moments import Moments

_MEMORY = 10


@dataclass(frozen=True)
class Landscape:
    """L around weights θ, in floats, and in coordinates in which a search is well conditioned.

    Attributes
    ----------
    start : θ in these coordinates
    slope : ∇ℓ as a function of float matrices
    rise : ℓ(W) − ℓ(W̄) as a function of W, without cancellation where ℓ allows it
    trained : masks of the entries that may move, or None
    origin : θ itself
    inverse : R⁺ where the first layer stands for W_1R, or None
    """

    start: Arrays
    slope: Callable[[Any], Any]
    rise: Callable[[Any], float]
    origin: Arrays
    trained: Arrays | None = None
    inverse: Any | None = None

    def back(self, weights: Arrays) -> Arrays:
        """Return the weights that coordinates stand for."""
        if self.inverse is None:
            return weights
        first = self.origin[0] + (weights[0] - self.start[0]) @ self.inverse
        return (first, *weights[1:])

    @cached_property
    def size(self) -> float:
        """‖θ‖ over all entries."""
        return float(sum(float((w * w).sum()) for w in self.start) ** 0.5)

    def change(self, weights: Arrays) -> float:
        """Return L(θ′) − L(θ), NaN where it is not defined."""
        import numpy as np

        with np.errstate(all="ignore"):
            return self.rise(end_to_end(weights))

    def partials(self, weights: Arrays) -> Arrays:
        """Return ∂L/∂W_i, 0 where not trained."""
        import numpy as np

        with np.errstate(all="ignore"):
            return masked(float_partials(self.slope, weights), self.trained)

    def random_direction(self, rng: Any) -> Arrays:
        """Return a Gaussian direction of size 1."""
        import numpy as np

        v = masked(tuple(rng.standard_normal(w.shape) for w in self.start), self.trained)
        size = float(np.linalg.norm(flat(v)))
        return tuple(x / size for x in v) if size else v


def end_to_end(weights: Arrays) -> Any:
    """Return W_h⋯W_1 in floats, multiplied from the narrower side."""
    if weights[-1].shape[0] <= weights[0].shape[1]:
        w = weights[-1]
        for a in weights[-2::-1]:
            w = w @ a
        return w
    w = weights[0]
    for a in weights[1:]:
        w = a @ w
    return w


def landscape_of_loss(here: Measured, weights: Arrays) -> Landscape:
    """Return the landscape of an exact loss around float weights."""
    w0 = end_to_end(weights)
    loss = here.loss
    slope = float_slope(here)
    if isinstance(loss, SquaredLoss):
        gram, g = floats(here.moments[0]), floats(here.slope(balls(w0)))

        def quadratic(w: Any) -> float:
            d = w - w0
            return float((g * d).sum() + 0.5 * ((d @ gram) * d).sum())

        return Landscape(weights, slope, quadratic, weights)
    if is_analytic(loss):
        value = cast(AnalyticLoss, loss).value_array
        before = float(value(w0))
        return Landscape(weights, slope, lambda w: float(value(w)) - before, weights)
    base = loss.evaluate(balls(w0).tolist())

    def rise(w: Any) -> float:
        import numpy as np

        if not np.isfinite(w).all():
            return float("nan")
        return float((loss.evaluate(balls(w).tolist()) - base).mid())

    return Landscape(weights, slope, rise, weights)


def landscape_of_data(
    data: Moments | tuple[Any, Any], weights: Arrays, trained: Arrays | None
) -> Landscape:
    """Return the landscape of ½‖WX − Y‖² around float weights; samples are rows.

    The first layer is searched as W_1R with XXᵀ ≈ N·RRᵀ, where all inputs count alike, unless some
    of its columns are fixed.

    **Cost**: XXᵀ and one eigendecomposition n×n, after which no step sees the samples.
    """
    import numpy as np

    w0 = end_to_end(weights)
    gram = gram_of(data)
    if isinstance(data, Moments):
        samples, here = data.samples, w0 @ gram.xx - gram.yx
    else:
        samples, here = len(data[0]), (data[0] @ w0.T - data[1]).T @ data[0]
    columns = None if trained is None else trained[0].any(axis=0)
    if columns is None or columns.all():
        _, right, inverse, _ = whitening(gram, 1e-12)
        right, inverse = right / samples**0.5, inverse * samples**0.5
        start, form, here = (weights[0] @ right, *weights[1:]), None, here @ inverse.T
        if trained is not None:
            rows = trained[0].any(axis=1)
            trained = (np.repeat(rows[:, None], right.shape[1], axis=1), *trained[1:])
    else:
        start, form, inverse = weights, gram.xx / samples, None
    center = end_to_end(start)

    def bent(d: Any) -> Any:
        return samples * (d if form is None else d @ form)

    def rise(w: Any) -> float:
        d = w - center
        return float(((here + 0.5 * bent(d)) * d).sum())

    return Landscape(start, lambda w: here + bent(w - center), rise, weights, trained, inverse)


def descend(here: Landscape, weights: Arrays, steps: int) -> Iterator[tuple[float, Arrays]]:
    """Yield (L(θ′) − L(θ), θ′) along a descent from given weights, with falling values.

    The method is L-BFGS with halved steps until the value falls enough (Armijo). It ends where the
    next step promises less than 10⁻¹⁴ of what the start has gained or lost.

    References
    ----------
    J. Nocedal, S. Wright, *Numerical Optimization*, 2006, Algorithm 7.5.
    """
    import numpy as np

    value = here.change(weights)
    least = 1e-14 * abs(value)
    x, g = flat(weights), flat(here.partials(weights))
    memory = min(_MEMORY, max(2, ROOM // (2 * x.size)))
    pairs: list[tuple[Any, Any, float]] = []
    for _ in range(steps):
        if not (np.isfinite(value) and np.isfinite(g).all()):
            return
        p = -_two_loops(g, pairs)
        fall = float(g @ p)
        if not fall < 0:
            pairs, p = [], -g
            fall = float(g @ p)
        if not fall < -least:
            return
        t = 1.0 if pairs else min(1.0, (1.0 + here.size) / float(np.linalg.norm(p)))
        for _ in range(25):
            moved = unflat(x + t * p, weights)
            new = here.change(moved)
            if new <= value + 1e-4 * t * fall:
                break
            t /= 2
        else:
            return
        x_new, g_new = x + t * p, flat(here.partials(moved))
        s, y = x_new - x, g_new - g
        sy = float(s @ y)
        if sy > 1e-12 * float(np.linalg.norm(s) * np.linalg.norm(y)):
            pairs = [*pairs[1 - memory :], (s, y, sy)]
        x, g, value = x_new, g_new, new
        yield value, moved


def _two_loops(g: Any, pairs: list[tuple[Any, Any, float]]) -> Any:
    """Return the inverse of the approximate Hessian times g."""
    q, coefficients = g.copy(), []
    for s, y, sy in reversed(pairs):
        a = float(s @ q) / sy
        coefficients.append(a)
        q -= a * y
    if pairs:
        _, y, sy = pairs[-1]
        q *= sy / float(y @ y)
    for (s, y, sy), a in zip(pairs, reversed(coefficients), strict=True):
        q += (a - float(y @ q) / sy) * s
    return q
