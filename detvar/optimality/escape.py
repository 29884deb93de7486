"""New weights with a provably lower loss: out of saddles, strict, non-strict and degenerate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from detvar.errors import InputError
from detvar.exact.latex import displayed
from detvar.losses import is_analytic, is_polynomial
from detvar.networks.linear import LinearNetwork
from detvar.optimality.curvature import (
    Arrays,
    flat,
    hessian_spectrum,
    least_curvature,
    masked,
    unflat,
)
from detvar.optimality.descent import (
    Landscape,
    descend,
    end_to_end,
    landscape_of_data,
    landscape_of_loss,
)
from detvar.optimality.door import Problem, opened
from detvar.optimality.measured import Measured, balls, enough_bits, low_high
from detvar.optimality.words import rounded

Interval = tuple[float, float]
Prover = Callable[[Arrays], tuple[Interval, Interval]]
_DENSE_UP_TO = 300
# A decrease below this part of the loss asks for a longer search.
_SMALL = 1e-4


@dataclass(frozen=True)
class Escape:
    """Weights θ′ with L(θ′) < L(θ), proved.

    Attributes
    ----------
    weights : θ′, float64 arrays; the values below are those of these floats
    direction : V, arrays; θ′ is θ + step·V up to rounding
    step : t > 0
    value_before, value_after : intervals that contain L(θ) and L(θ′)
    change : interval that contains L(θ′) − L(θ), with a negative upper end
    kind : "gradient", "negative_curvature", "fiber_move" or "descent"; a fiber move takes all
        layers but the last along the fiber first, and then the last one; "descent" is a move along
        directions without curvature, followed by descent
    """

    weights: tuple[Any, ...]
    direction: tuple[Any, ...]
    step: float
    value_before: Interval
    value_after: Interval
    change: Interval
    kind: str

    @property
    def decrease(self) -> float:
        """A proved lower bound of L(θ) − L(θ′)."""
        return -self.change[1]

    def __str__(self) -> str:
        words = self.kind.replace("_", " ")
        before, after = rounded(self.value_before, 9)[0], rounded(self.value_after, 9)[1]
        lower = rounded((self.decrease, self.decrease))[0]
        return (
            f"{words}: the loss goes from at least {before} to at most {after}, "
            f"lower by at least {lower}"
        )

    def to_latex(self) -> str:
        """Return what was found as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self))

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; floats as hexadecimal text."""
        out: dict[str, Any] = {"kind_of_result": "escape", "kind": self.kind}
        out["step"] = self.step.hex()
        for name in ("value_before", "value_after", "change"):
            out[name] = [x.hex() for x in getattr(self, name)]
        for name in ("weights", "direction"):
            layers = getattr(self, name)
            out[name] = [[[float(x).hex() for x in row] for row in w] for w in layers]
        return out

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Escape:
        """Return the escape that `to_json` wrote, bit for bit."""
        import numpy as np

        def layers(name: str) -> tuple[Any, ...]:
            return tuple(
                np.array([[float.fromhex(x) for x in row] for row in w]) for w in data[name]
            )

        def interval(name: str) -> Interval:
            low, high = data[name]
            return float.fromhex(low), float.fromhex(high)

        if data.get("kind_of_result") != "escape":
            raise InputError("this is no saved escape: save one with to_json")
        return cls(
            layers("weights"),
            layers("direction"),
            float.fromhex(data["step"]),
            interval("value_before"),
            interval("value_after"),
            interval("change"),
            data["kind"],
        )


def escape(
    network: LinearNetwork | None, loss: Any, weights: Any, *, seed: int = 0
) -> Escape | None:
    """Return weights with a provably lower loss, or None where none was found.

    Tried are −∇L, the direction of the least curvature with both signs, and moves of all layers
    that create the path ε^h·(−u xᵀ)⋯(x vᵀ) from input to output, with u, v the leading singular
    vectors of ∇ℓ(W̄): at weights of low rank the first h − 1 of these moves stay in the fiber, and
    the last one then lowers the loss although no second derivative shows it. Where these give
    (almost) nothing, θ is moved within the kernel of the Hessian and then descends: near a saddle
    whose kernel shows higher terms, this follows the curve that lowers the loss.

    Parameters
    ----------
    network : LinearNetwork, or None to take it from the weights
    loss : a Loss; or data for the squared loss: (x, y) with samples as rows, a path, `Moments`,
        or batches
    weights : float arrays, a torch module or a path; exact weights are rounded to floats first
    seed : of the random vectors in the hidden layers

    Returns
    -------
    Escape, with a proved interval for L(θ′) − L(θ); None says nothing about minimality. With
    biases the arrays are the homogenised layers, and their fixed rows stay.

    Notes
    -----
    **Cost**: up to 300 weights one eigendecomposition of the Hessian, beyond 60 products with it;
    a few hundred values and gradients in floats, which do not see the samples; one proof.

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

    problem = opened(network, loss, weights, numerical=True)
    with enough_bits(), np.errstate(all="ignore"):
        here, before, prove = _landscape(problem)
        if not all(w.size for w in here.start):  # all inputs are 0, and L is constant
            return None
        return _search(here, before, prove, seed)


def _landscape(problem: Problem) -> tuple[Landscape, Interval, Prover]:
    """Return L in floats, its value enclosed, and how a decrease is proved."""
    assert problem.weights is not None  # asked for at the door
    theta = problem.weights.arrays
    if problem.loss is not None:
        return _exact_loss(Measured(problem.weights.network, problem.loss), theta)
    from detvar.optimality.floating import FloatMeasured

    trained = problem.weights.trained() if problem.weights.bias else None
    data = problem.augmented()
    measured = FloatMeasured(data, trained)

    def prove(after: Arrays) -> tuple[Interval, Interval]:
        return measured.value(after), measured.difference(theta, after)

    return landscape_of_data(data, theta, trained), measured.value(theta), prove


def _exact_loss(measured: Measured, theta: Arrays) -> tuple[Landscape, Interval, Prover]:
    loss = measured.loss
    if not (is_polynomial(loss) or is_analytic(loss)):
        raise InputError(
            f"a {loss.to_json()['type']} loss is not taken at floating-point weights: give a "
            "polynomial or analytic loss"
        )
    before = measured.value(tuple(map(balls, theta)))
    if not before.is_finite():
        raise InputError("the loss is not defined at these weights")

    def prove(after: Arrays) -> tuple[Interval, Interval]:
        value = measured.value(tuple(map(balls, after)))
        return low_high(value), low_high(value - before)

    return landscape_of_loss(measured, theta), low_high(before), prove


def _search(here: Landscape, before: Interval, prove: Prover, seed: int) -> Escape | None:
    best: Escape | None = None
    starts: list[Arrays] = []
    for kind, v in _candidates(here, seed):
        moved = _line_search(here, before, prove, kind, v)
        if moved is not None and (best is None or moved[0].decrease > best.decrease):
            best, starts = moved[0], [moved[1]]
    wanted = _SMALL * max(abs(x) for x in before)
    if best is None or best.decrease < wanted:
        for start in chain(starts, _kicks(here, seed)):
            found = _descent(here, before, prove, start, wanted)
            if found is not None and (best is None or found.decrease > best.decrease):
                best = found
            if best is not None and best.decrease >= wanted:
                break
    return best


def _candidates(here: Landscape, seed: int) -> Iterator[tuple[str, Arrays]]:
    theta = here.start
    yield "gradient", tuple(-p for p in here.partials(theta))
    low, v = least_curvature(here.slope, theta, here.trained, seed)
    if low < 0:
        yield "negative_curvature", v
        yield "negative_curvature", tuple(-x for x in v)
    if len(theta) > 1:
        for u in _paths(here, seed):
            yield "fiber_move", masked(u, here.trained)


def _paths(here: Landscape, seed: int) -> Iterator[Arrays]:
    """Return directions V with V_h⋯V_1 = −u vᵀ, through the parts of the layers not in use."""
    import numpy as np

    w = end_to_end(here.start)
    if not (np.isfinite(w).all() and np.isfinite(here.slope(w)).all()):
        return
    left, _, right = np.linalg.svd(here.slope(w), full_matrices=False)
    _, sizes, rows = np.linalg.svd(w, full_matrices=False)
    image = rows[sizes > 1e-3 * max(float(sizes.max()), 1e-300)].T
    for k in range(4):
        rng = np.random.default_rng(seed + k)
        for unused in (True, False):
            direction, x, carried = [], right[0], image
            for i, a in enumerate(here.start[:-1]):
                carried = a @ carried
                y = rng.standard_normal(a.shape[0])
                if here.trained is not None:
                    y = y * here.trained[i].any(axis=1)
                if unused and 0 < carried.shape[1] < len(y):
                    q = np.linalg.qr(carried)[0]
                    y = y - q @ (q.T @ y)
                y /= np.linalg.norm(y) + 1e-300
                direction.append(np.outer(y, x))
                x = y
            direction.append(np.outer(-left[:, 0], x))
            yield tuple(direction)


def _line_search(
    here: Landscape, before: Interval, prove: Prover, kind: str, v: Arrays
) -> tuple[Escape, Arrays] | None:
    """Return θ + tV for the t that lowers L most among powers of two, if this is proved; and its
    coordinates."""
    import numpy as np

    size = float(np.linalg.norm(flat(v)))
    if not np.isfinite(size) or size == 0:
        return None
    v = tuple(x / size for x in v)
    changes: dict[int, float] = {}

    def at(k: int) -> float:
        if k not in changes:
            t = (1.0 + here.size) * 0.5**k
            found = here.change(tuple(w + t * x for w, x in zip(here.start, v, strict=True)))
            changes[k] = found if np.isfinite(found) else np.inf
        return changes[k]

    best = None
    for k in range(-3, 31, 2):
        if at(k) < 0 and (best is None or at(k) < at(best)):
            best = k
        elif best is not None and k > best + 4:
            break
    if best is None:
        return None
    best = min((best - 1, best, best + 1), key=at)
    # smaller steps where rounding hides the decrease of the best one
    for k in (best, best + 2, best + 4):
        t = (1.0 + here.size) * 0.5**k
        moved = tuple(w + t * x for w, x in zip(here.start, v, strict=True))
        found = _proved(here, before, prove, kind, moved)
        if found is not None:
            return found, moved
    return None


def _proved(
    here: Landscape, before: Interval, prove: Prover, kind: str, moved: Arrays
) -> Escape | None:
    import numpy as np

    weights = here.back(moved)
    if not all(np.isfinite(w).all() for w in weights):
        return None
    v = tuple(after - w for w, after in zip(here.origin, weights, strict=True))
    step = float(np.linalg.norm(flat(v)))
    if not 0 < step < np.inf:
        return None
    after, change = prove(weights)
    if not change[1] < 0:
        return None
    return Escape(weights, tuple(x / step for x in v), step, before, after, change, kind)


def _kicks(here: Landscape, seed: int) -> Iterator[Arrays]:
    """Return weights near θ, moved in the kernel of the Hessian first and anywhere then."""
    import numpy as np

    rng = np.random.default_rng(seed)
    theta, total = here.start, sum(w.size for w in here.start)
    kernel = None
    if total <= _DENSE_UP_TO:
        values, vectors = hessian_spectrum(here.slope, theta, here.trained)
        cut = 1e-6 * float(np.abs(values).max(initial=0.0))
        kernel = vectors[:, np.abs(values) <= cut]
    sizes = (0.3, 0.1, 1.0, 0.03) if total <= _DENSE_UP_TO else (0.1, 0.01)
    for size in sizes:
        scale = size * (1.0 + here.size)
        moves = [here.random_direction(rng)]
        if kernel is not None and kernel.shape[1]:
            x = kernel @ rng.standard_normal(kernel.shape[1])
            moves.insert(0, unflat(x / np.linalg.norm(x), theta))
        for v in moves:
            yield tuple(w + scale * x for w, x in zip(theta, v, strict=True))


def _descent(
    here: Landscape, before: Interval, prove: Prover, start: Arrays, wanted: float
) -> Escape | None:
    """Return the end of a descent, which stops soon after the decrease is no longer small."""
    end = None
    for change, weights in descend(here, start, 100):
        if change < 0:
            end = weights
        if change < -10 * wanted:
            break
    return None if end is None else _proved(here, before, prove, "descent", end)
