"""The effective problem of float weights: what the loss does not see is divided out, in floats.

For ½‖WX − Y‖² with X = QSVᵀ (and for every Kronecker loss) the weights W_1VS, W_2, …, W_h have the
loss ½‖W − Z‖² + c₀ with Z = YQ.  With a trained last bias b_h the constant c = b_h + W_hb_{h−1} + …
is free: θ ↦ (W, b_1, …, b_{h−1}, c + W̄x̄ − ȳ) is a diffeomorphism in which L is the loss of the
centred data plus ½N‖c + W̄x̄ − ȳ‖², so that the bare layers on centred data decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from detvar.exact.matrices import Matrix
from detvar.losses import is_analytic
from detvar.optimality.descent import end_to_end
from detvar.optimality.door import Problem
from detvar.optimality.input_coordinates import Gram, whitening
from detvar.optimality.measured import Measured, balls, floats
from detvar.optimality.moments import Moments


@dataclass(frozen=True)
class Effective:
    """Float weights and derivatives of the loss, with the sizes that they are compared with.

    Attributes
    ----------
    layers : effective W_1, …, W_h
    product, slope : W̄ and G = ∇ℓ(W̄) of these
    scale, steepness : what W̄ and G are compared with: of the size of Z for Kronecker losses
    curvature : ∇²ℓ(W̄), mn×mn, as a function; None for ½‖W − Z‖²
    convex, is_quadratic : whether ℓ is known to be convex, and of degree 2
    given, given_scale : W̄ of the network as given, and what it is compared with
    spectrum : singular values of the data divided by the largest (their squares if only moments
        are known), or None
    offset : |c + W̄x̄ − ȳ|√N / scale of an affine network, else 0
    outputs : the number of free constants
    weights : the number of trained weights
    """

    layers: tuple[Any, ...]
    product: Any
    slope: Any
    scale: float
    steepness: float
    curvature: Callable[[], Any] | None
    convex: bool
    is_quadratic: bool
    given: Any
    given_scale: float
    spectrum: Any
    offset: float
    outputs: int
    weights: int

    @property
    def widths(self) -> tuple[int, ...]:
        """The effective widths."""
        return (self.layers[0].shape[1], *(w.shape[0] for w in self.layers))


def effective(problem: Problem, tolerance: float) -> Effective | None:
    """Return the effective problem, or None if the loss is constant.

    **Cost**: with data, one QR factorisation and one SVD n×n.
    """
    assert problem.weights is not None
    if problem.loss is None:
        return _of_data(problem, tolerance)
    return _of_loss(problem)


def _of_data(problem: Problem, tolerance: float) -> Effective | None:
    import numpy as np

    read = problem.weights
    assert read is not None
    layers = read.matrices
    given = end_to_end(layers)
    centre = _centred(problem) if read.bias else None
    data = problem.augmented() if centre is None else centre[0]
    spectrum, right, inverse, z = whitening(data, tolerance)
    if not z.size:
        return None
    offset, outputs = 0.0, 0
    scale = _scale(z)
    first = layers[0] @ right
    moved = (first, *layers[1:])
    w = end_to_end(moved)
    if centre is not None:
        _, samples, means = centre
        miss = end_to_end(read.arrays)[:, -1] + given @ means[0] - means[1]
        outputs = len(miss)
        unit = scale or _scale(w) or 1.0
        offset = float(np.linalg.norm(miss)) * samples**0.5 / unit
    best = z @ inverse
    count = sum(int(mask.sum()) for mask in read.trained())
    return _kronecker(moved, w, z, given, _scale(best), spectrum, offset, outputs, count)


def _centred(problem: Problem) -> tuple[Any, float, tuple[Any, Any]]:
    """Return (centred data, number of samples, (x̄, ȳ))."""
    import numpy as np

    if not isinstance(problem.data, Moments):
        assert problem.data is not None
        x, y = problem.data.x, problem.data.y
        means = x.mean(axis=0), y.mean(axis=0)
        return (x - means[0], y - means[1]), float(len(x)), means
    data = problem.data.with_ones()
    xx, yx = data.xx.mid, data.yx.mid
    a, b = data.powers
    ones, column = float(xx[-1, -1]), xx[:-1, -1]
    gram = xx[:-1, :-1] - np.outer(column, column) / ones
    cross = yx[:, :-1] - np.outer(yx[:, -1], column) / ones
    means = column / ones, np.ldexp(yx[:, -1] / ones, b - a)
    pair = np.ldexp(gram, 2 * a), np.ldexp(cross, a + b)
    return Gram(*pair), float(problem.data.samples), means


def _of_loss(problem: Problem) -> Effective | None:
    import numpy as np

    loss, read = problem.loss, problem.weights
    assert loss is not None and read is not None
    network = read.network
    reduction = loss.reduce(network)
    if reduction.loss is None:
        return None
    left, right = floats(balls(reduction.left)), floats(balls(reduction.right))
    given = end_to_end(read.arrays)
    count = network.weight_count
    form = None if is_analytic(reduction.loss) else reduction.loss.kronecker()
    if form is not None:
        up, down = _root(floats(balls(form.left))).T, _root(floats(balls(form.right)))
        target = floats(balls(form.target))
        best = np.linalg.pinv(left) @ target @ np.linalg.pinv(right)
        layers = _changed(read.arrays, up @ left, right @ down)
        z, w = up @ target @ down, end_to_end(layers)
        return _kronecker(layers, w, z, given, _scale(best), None, 0.0, 0, count)
    layers = _changed(read.arrays, left, right)
    w = end_to_end(layers)
    small = reduction.loss
    here = Measured(reduction.network, small)

    def slope(a: Any) -> Any:
        if is_analytic(small):
            return small.gradient_array(a)
        return floats(here.slope(balls(a)))

    def curvature() -> Any:
        if is_analytic(small):
            return small.hessian_array(w)
        from detvar.exact.balls import exact_float

        m, n = w.shape
        exact = Matrix(m, n, [exact_float(float(x)) for x in w.ravel()])
        return floats(balls(small.hessian(exact)))

    g = slope(w)
    bend = float(np.linalg.norm(curvature(), 2))
    start = float(np.linalg.norm(slope(0 * w), 2))
    start = start if np.isfinite(start) else 0.0
    scale = max(_scale(w), start / bend if bend > 0 else 0.0) or 1.0
    steepness = max(start, bend * scale) or 1.0
    given_scale = max(_scale(given), scale)
    return Effective(
        layers,
        w,
        g,
        scale,
        steepness,
        curvature,
        bool(small.is_convex()),
        not is_analytic(small) and small.degree == 2,
        given,
        given_scale,
        None,
        0.0,
        0,
        count,
    )


def _kronecker(
    layers: tuple[Any, ...],
    w: Any,
    z: Any,
    given: Any,
    best: float,
    spectrum: Any,
    offset: float,
    outputs: int,
    count: int,
) -> Effective:
    scale = _scale(z) or _scale(w) or 1.0
    given_scale = max(_scale(given), best) or 1.0
    return Effective(
        layers,
        w,
        w - z,
        scale,
        scale,
        None,
        True,
        True,
        given,
        given_scale,
        spectrum,
        offset,
        outputs,
        count,
    )


def _changed(layers: tuple[Any, ...], left: Any, right: Any) -> tuple[Any, ...]:
    out = list(layers)
    out[0] = out[0] @ right
    out[-1] = left @ out[-1]
    return tuple(out)


def _root(a: Any) -> Any:
    """Return R with RRᵀ = A for a positive semidefinite A."""
    import numpy as np

    values, vectors = np.linalg.eigh((a + a.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _scale(a: Any) -> float:
    import numpy as np

    return float(np.linalg.norm(a, 2)) if a.size else 0.0
