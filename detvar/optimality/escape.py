"""New weights with a provably lower loss, and the conserved quantities of gradient flow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact.balls import arb
from detvar.losses import Loss
from detvar.networks.linear import LinearNetwork
from detvar.optimality.curvature import (
    float_partials,
    float_slope,
    lowest_direction,
)
from detvar.optimality.measured import (
    Balls,
    Measured,
    balls,
    check_arrays,
    enough_bits,
    floats,
    low_high,
)

Interval = tuple[float, float]
_HALVINGS = 30


@dataclass(frozen=True)
class Escape:
    """Weights θ′ with L(θ′) < L(θ), proved.

    Attributes
    ----------
    weights : θ′, float64 arrays; the values below are those of these floats
    direction : V, arrays; θ′ is θ + step·V up to rounding
    step : t > 0
    value_before, value_after : disjoint intervals that contain L(θ) and L(θ′)
    kind : "gradient", "negative_curvature" or "fiber_move"; the last moves all layers but the last
        along the fiber first, and then the last one
    """

    weights: tuple[Any, ...]
    direction: tuple[Any, ...]
    step: float
    value_before: Interval
    value_after: Interval
    kind: str

    @property
    def decrease(self) -> float:
        """A proved lower bound of L(θ) − L(θ′)."""
        return self.value_before[0] - self.value_after[1]

    def __str__(self) -> str:
        words = self.kind.replace("_", " ")
        before, after = self.value_before[0], self.value_after[1]
        return f"{words}: the loss goes from at least {before:.9g} to at most {after:.9g}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; floats as hexadecimal text."""
        return {
            "kind_of_result": "escape",
            "kind": self.kind,
            "step": self.step.hex(),
            "value_before": [x.hex() for x in self.value_before],
            "value_after": [x.hex() for x in self.value_after],
            "weights": [[[float(x).hex() for x in row] for row in w] for w in self.weights],
            "direction": [[[float(x).hex() for x in row] for row in w] for w in self.direction],
        }


def escape(network: LinearNetwork, loss: Loss, weights: Any, *, seed: int = 0) -> Escape | None:
    """Return weights with a provably lower loss, or None where none was found.

    Tried are −∇L, the direction of the least curvature with both signs, and moves of all layers
    that create the path ε^h·(−u xᵀ)⋯(x vᵀ) from input to output, with u, v the leading singular
    vectors of ∇ℓ(W̄): at weights of low rank the first h − 1 of these moves stay in the fiber, and
    the last one then lowers the loss although no second derivative shows it. The step that lowers
    the loss most is kept.

    Parameters
    ----------
    weights : (W_1, …, W_h), floating-point arrays
    seed : of the vectors x in the hidden layers

    Returns
    -------
    Escape with disjoint intervals for L before and after; None says nothing about minimality.

    Examples
    --------
    >>> import numpy as np
    >>> from detvar.losses import SquaredLoss
    >>> net, loss = LinearNetwork(1, 1, 1, 1), SquaredLoss([[1]], [[1]])
    >>> e = escape(net, loss, [np.zeros((1, 1))] * 3)  # a saddle with zero Hessian
    >>> e.kind, e.value_after[1] < e.value_before[0]
    ('fiber_move', True)
    >>> escape(net, loss, [np.ones((1, 1))] * 3) is None  # a global minimum
    True
    """
    import numpy as np

    arrays = check_arrays(network, weights)
    here = Measured(network, loss)
    with enough_bits():
        theta = tuple(balls(w) for w in arrays)
        before = here.value(theta)
        if not before.is_finite():
            raise InputError("the loss is not defined at these weights")
        best: tuple[arb, Escape] | None = None
        for kind, v in _candidates(here, arrays, seed):
            size = float(np.sqrt(sum(float((x * x).sum()) for x in v)))
            if not np.isfinite(size) or size == 0:
                continue
            found = _line_search(here, arrays, before, kind, tuple(x / size for x in v))
            if found is not None and (best is None or found[0] < best[0]):
                best = found
    return None if best is None else best[1]


def _candidates(
    here: Measured, arrays: tuple[Any, ...], seed: int
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    slope = float_slope(here)
    partials = float_partials(slope, arrays)
    yield "gradient", tuple(-p for p in partials)
    low, v = lowest_direction(here, arrays)
    if low < 0:
        yield "negative_curvature", v
        yield "negative_curvature", tuple(-x for x in v)
    if here.network.depth > 1:
        for k in range(4):
            for u in _paths(slope, arrays, seed + k):
                yield "fiber_move", u


def _paths(slope: Any, arrays: tuple[Any, ...], seed: int) -> Iterator[tuple[Any, ...]]:
    """Return directions V with V_h⋯V_1 = −u vᵀ, through the parts of the layers not in use."""
    import numpy as np

    rng = np.random.default_rng(seed)
    w = arrays[0]
    for a in arrays[1:]:
        w = a @ w
    left, _, right = np.linalg.svd(slope(w))
    u, last = left[:, 0], right[0]
    for unused in (True, False):
        direction, x = [], last
        image = np.eye(len(last)) if not unused else w.T @ w
        carried = _leading(image)
        for a in arrays[:-1]:
            carried = a @ carried
            y = rng.standard_normal(a.shape[0])
            if unused and 0 < carried.shape[1] < len(y):
                q = np.linalg.qr(carried)[0]
                y = y - q @ (q.T @ y)
            y /= np.linalg.norm(y) + 1e-300
            direction.append(np.outer(y, x))
            x = y
        direction.append(np.outer(-u, x))
        yield tuple(direction)


def _leading(gram: Any) -> Any:
    """Return the eigenvectors of the eigenvalues above 10⁻⁶ times the largest."""
    import numpy as np

    values, vectors = np.linalg.eigh(gram)
    return vectors[:, values > 1e-6 * max(float(values.max()), 1e-300)]


def _line_search(
    here: Measured, arrays: tuple[Any, ...], before: arb, kind: str, v: tuple[Any, ...]
) -> tuple[arb, Escape] | None:
    import numpy as np

    size = float(np.sqrt(sum(float((w * w).sum()) for w in arrays)))
    best: tuple[arb, float, Balls] | None = None
    worse = 0
    for k in range(-3, _HALVINGS):
        t = (1.0 + size) * 0.5**k
        moved = tuple(balls(w + t * x) for w, x in zip(arrays, v, strict=True))
        after = here.value(moved)
        if not after < before:
            continue
        if best is None or after < best[0]:
            best, worse = (after, t, moved), 0
        else:
            worse += 1
            if worse > 2:
                break
    if best is None:
        return None
    after, t, moved = best
    one, two = low_high(before), low_high(after)
    if not two[1] < one[0]:  # disjoint as balls, but not as floats
        return None
    return after, Escape(tuple(floats(w) for w in moved), v, t, one, two, kind)


def balancedness(weights: Any) -> list[Any]:
    """Return W_{i+1}ᵀW_{i+1} − W_iW_iᵀ for i = 1, …, h − 1: constant along gradient flow.

    Along θ′ = −∇L(θ) both terms have the derivative −(W_{i+1}ᵀ∂_{i+1} + ∂_{i+1}ᵀW_{i+1}), because
    W_{i+1}ᵀ ∂L/∂W_{i+1} = (∂L/∂W_i) W_iᵀ for every loss.

    Parameters
    ----------
    weights : (W_1, …, W_h), arrays

    Returns
    -------
    list of h − 1 symmetric matrices, d_i × d_i

    References
    ----------
    S. Arora, N. Cohen, E. Hazan (ICML 2018), Theorem 1.

    Examples
    --------
    >>> import numpy as np
    >>> balancedness([np.array([[1.0, 2.0]]), np.array([[3.0], [0.0]])])[0].tolist()
    [[4.0]]
    """
    import numpy as np

    a = [np.asarray(w, dtype=np.float64) for w in weights]
    return [y.T @ y - x @ x.T for x, y in zip(a, a[1:], strict=False)]
