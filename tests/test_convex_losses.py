"""Logistic, softmax, exponential, pseudo-Huber and log-cosh losses: three kinds of values agree."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy

from detvar import (
    ExponentialLoss,
    LinearNetwork,
    LogCoshLoss,
    LogisticLoss,
    PseudoHuberLoss,
    SoftmaxLoss,
)
from detvar.errors import DetvarError, InputError, NotExactError, ShapeError
from detvar.exact.balls import arb, arb_mat, exact_float, working_precision
from detvar.losses import is_analytic, loss_from_json
from detvar.losses.kits import BALLS, arrays, symbols

X = [[1, 0, 2], [0, 1, "-1/3"]]
LOSSES = [
    LogisticLoss(X, [[3, 6, 1], [6, 5, 2]], [[2, 3, 1], [3, 3, 0]]),
    ExponentialLoss(X, [[1, -1, 0], [1, 1, -1]]),
    PseudoHuberLoss(X, [[1, 2, 3], [0, 1, 1]], "1/2"),
    LogCoshLoss(X, [[1, 2, 3], [0, "1/7", 1]]),
    SoftmaxLoss(X, [[1, 2, 3], [2, 0, 1], [1, 1, 4]]),
    SoftmaxLoss(X, [[1, 2, 3], [2, 0, "1/2"]], [1, 1, 4]),
]
NAMES = ["logistic", "exponential", "pseudo_huber", "log_cosh", "softmax", "softmax-reference"]
every_loss = pytest.mark.parametrize("loss", LOSSES, ids=NAMES)


def point_of(shape: tuple[int, int], seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return rng.integers(-16, 17, shape) / 8


def ball_matrix(w: Any, radius: float = 0.0) -> arb_mat:
    return arb_mat([[arb(float(x), radius) for x in row] for row in np.asarray(w).tolist()])


def numbers(balls: Any) -> np.ndarray:
    return np.array([float(b.mid()) for b in balls.entries()])


@every_loss
@pytest.mark.parametrize("seed", range(3))
def test_derivatives_are_those_sympy_finds(loss: Any, seed: int) -> None:
    m, n = loss.shape
    w = point_of(loss.shape, seed)
    entries = sympy.Matrix(m, n, sympy.symbols(f"w:{m * n}"))
    formula = loss.symbolic(entries)
    at = dict(zip(entries, [sympy.Rational(Fraction(x)) for x in w.ravel()], strict=True))

    def number(e: Any) -> float:
        return float(e.subs(at).evalf(30))

    first = np.array([number(sympy.diff(formula, x)) for x in entries])
    second = np.array([[number(sympy.diff(formula, x, y)) for x in entries] for y in entries])
    own = np.array([number(x) for x in loss.symbolic_gradient(entries)])
    assert np.allclose(own, first, rtol=1e-13, atol=1e-13)
    assert np.allclose(loss.value_array(w), number(formula), rtol=1e-13)
    assert np.allclose(loss.gradient_array(w).ravel(), first, rtol=1e-12, atol=1e-12)
    assert np.allclose(loss.hessian_array(w), second, rtol=1e-12, atol=1e-12)
    exact = ball_matrix(w)
    assert np.allclose(float(loss.value_ball(exact).mid()), number(formula), rtol=1e-13)
    assert np.allclose(numbers(loss.gradient_ball(exact)), first, rtol=1e-13, atol=1e-13)
    assert np.allclose(numbers(loss.hessian_ball(exact)), second.ravel(), rtol=1e-13, atol=1e-13)


@every_loss
@pytest.mark.parametrize("radius", [2.0**-30, 2.0**-6, 1.0])
def test_balls_contain_every_value(loss: Any, radius: float) -> None:
    """Values at random points of a box, computed with 200 bits, lie in the enclosures."""
    rng = np.random.default_rng(5)
    w = point_of(loss.shape, 11)
    box = ball_matrix(w, radius)
    wide = loss.value_ball(box), loss.gradient_ball(box).entries(), loss.hessian_ball(box).entries()
    for _ in range(20):
        inside = w + radius * (2 * rng.integers(0, 2**20 + 1, w.shape) / 2**20 - 1)
        with working_precision(200):
            sharp = ball_matrix(inside)
            value, g, h = (
                loss.value_ball(sharp),
                loss.gradient_ball(sharp).entries(),
                loss.hessian_ball(sharp).entries(),
            )
        assert wide[0].overlaps(value) and wide[0].rad() < 1000
        assert all(a.contains(b.mid()) for a, b in zip(wide[1], g, strict=True))
        assert all(a.contains(b.mid()) for a, b in zip(wide[2], h, strict=True))


@every_loss
def test_narrow_balls_are_tight(loss: Any) -> None:
    box = ball_matrix(point_of(loss.shape, 3), 2.0**-30)
    assert all(x.rad() < 2.0**-22 for x in loss.gradient_ball(box).entries())
    assert all(x.rad() < 2.0**-22 for x in loss.hessian_ball(box).entries())


@every_loss
def test_precision_is_that_of_the_caller(loss: Any) -> None:
    with working_precision(300):
        w = ball_matrix(point_of(loss.shape, 4))
        assert loss.value_ball(w).rel_accuracy_bits() > 280


@every_loss
def test_arrays_are_vectorised_over_leading_axes(loss: Any) -> None:
    m, n = loss.shape
    many = np.stack([[point_of(loss.shape, 10 * i + j) for j in range(2)] for i in range(3)])
    assert loss.value_array(many).shape == (3, 2)
    assert loss.gradient_array(many).shape == (3, 2, m, n)
    assert loss.hessian_array(many).shape == (3, 2, m * n, m * n)
    assert np.allclose(loss.hessian_array(many)[1, 1], loss.hessian_array(many[1, 1]))
    assert np.allclose(loss.gradient_array(many)[2, 0], loss.gradient_array(many[2, 0]))


@every_loss
def test_arrays_do_not_overflow(loss: Any) -> None:
    far = 400.0 * np.ones(loss.shape)
    if isinstance(loss, ExponentialLoss):
        far = far / 4
    with np.errstate(all="raise", under="ignore"):
        for w in (far, -far):
            assert np.isfinite(loss.value_array(w))
            assert np.isfinite(loss.gradient_array(w)).all()


@every_loss
def test_the_hessian_is_positive_semidefinite(loss: Any) -> None:
    assert loss.is_convex() and loss.convexity().answer is True
    for seed in range(30):
        h = loss.hessian_array(2 * point_of(loss.shape, seed))
        assert np.linalg.eigvalsh(h).min() > -1e-12 * np.abs(h).max()


@every_loss
def test_growth_is_a_lower_bound(loss: Any) -> None:
    """Proved in balls at random points, near and far."""
    growth = loss.growth()
    for seed in range(40):
        w = point_of(loss.shape, seed) * (1 + seed)
        flat = [exact_float(x) for x in w.ravel()]
        bound = -growth.constant
        for row, slope in zip(growth.rows.tolist(), growth.slopes, strict=True):
            assert slope > 0
            bound += slope * max(0, -sum(a * b for a, b in zip(row, flat, strict=True)))
        assert loss.value_ball(ball_matrix(w)) >= arb(bound) or loss.value_ball(
            ball_matrix(w)
        ).overlaps(arb(bound))


@every_loss
def test_recession_cone(loss: Any) -> None:
    """Along D with rows·D ≥ 0 the loss does not rise; along all others it ends above any bound."""
    growth = loss.growth()
    rng = np.random.default_rng(0)
    for _ in range(300):
        d = rng.integers(-3, 4, loss.shape)
        forms = np.array([[float(c.p) / float(c.q) for c in r] for r in growth.rows.tolist()])
        slopes = forms @ d.ravel()
        values = loss.value_array(np.array([0, 10, 20, 40])[:, None, None] * d.astype(float))
        if (slopes >= 0).all():
            assert (np.diff(values) <= 1e-9).all()
            assert (slopes != 0).any() == bool(values[-1] < values[0] - 1e-9)
        else:
            assert values[-1] > values[-2] + 1e-9


@pytest.mark.parametrize("loss", LOSSES, ids=NAMES)
def test_reduction_is_the_same_function(loss: Any) -> None:
    """ℓ(W) = ℓ′(C W B) when a useless input is added, and for softmax without the shift."""
    m, n = loss.shape
    table = [*loss.X.tolist(), [2 * a - b for a, b in zip(*loss.X.tolist(), strict=True)]]
    wide = loss._with_inputs(type(loss.X)(table))
    found = wide.reduce(LinearNetwork(n + 1, 2, m))
    assert found.changed and found.right.ncols() == n
    rng = np.random.default_rng(1)
    for _ in range(5):
        w = rng.integers(-8, 9, (m, n + 1)) / 4
        exact = type(loss.X)([[exact_float(x) for x in row] for row in w.tolist()])
        small = found.left * exact * found.right
        small_array = np.array([[float(c.p) / float(c.q) for c in r] for r in small.tolist()])
        assert np.allclose(found.loss.value_array(small_array), wide.value_array(w), rtol=1e-12)


def test_two_classes_are_a_logistic_regression() -> None:
    softmax = SoftmaxLoss([[1, 0], [0, 1]], [[2, 3], [4, 1]])
    found = softmax.reduce(LinearNetwork(2, 1, 2))
    assert found.widths == (2, 1, 1) and found.network.is_filling
    logistic = LogisticLoss([[1, 0], [0, 1]], [[6, 4]], [[2, 3]])
    for seed in range(5):
        w = point_of((1, 2), seed)
        assert np.allclose(found.loss.value_array(w), logistic.value_array(w), rtol=1e-14)
        assert np.allclose(found.loss.hessian_array(w), logistic.hessian_array(w), rtol=1e-13)


def test_a_loss_that_sees_no_input_is_constant() -> None:
    assert LogisticLoss([[0]], [[2]], [[1]]).reduce(LinearNetwork(1, 1)).loss is None
    assert SoftmaxLoss([[0]], [[2], [1]]).reduce(LinearNetwork(1, 2)).loss is None


@every_loss
def test_json_round_trip(loss: Any) -> None:
    assert loss_from_json(loss.to_json()) == loss


@every_loss
def test_exact_members_say_what_to_use(loss: Any) -> None:
    assert is_analytic(loss) and loss.kronecker() is None and not loss.is_polynomial
    for call in (loss.value, loss.gradient, loss.hessian, loss.evaluate, loss.evaluate_gradient):
        with pytest.raises(InputError, match="value_ball"):
            call(None)
    with pytest.raises(InputError, match="value_ball"):
        loss.curvature(None, None)


@pytest.mark.parametrize(
    "name", ["exp", "tanh", "softplus", "sigmoid", "log_cosh", "hypot", "unit"]
)
def test_kits_agree(name: str) -> None:
    for x in (-30.0, -1.5, -(2.0**-20), 0.0, 0.75, 25.0):
        exact = float(getattr(symbols(), name)(sympy.Rational(Fraction(x))).evalf(40))
        assert np.isclose(getattr(arrays(), name)(x), exact, rtol=1e-12, atol=1e-15)
        ball = getattr(BALLS, name)(arb(x))
        assert abs(float(ball.mid()) - exact) <= 1e-14 * max(abs(exact), 0.1)
        for radius in (1e-30, 1e-10, 1e-2, 3.0):
            wide = getattr(BALLS, name)(arb(x, radius))
            assert wide.is_finite() and wide.contains(ball.mid())
            steepest = max(1.0, float(BALLS.exp(arb(x + radius)).mid()))
            assert float(wide.rad()) <= 2 * radius * steepest + 1e-14 * (1 + abs(exact))


REFUSED = [
    (lambda: LogisticLoss([[1]], [[0]], [[0]]), "zero trials"),
    (
        lambda: LogisticLoss([[1, 2]], [[1, 0], [1, 0]], [[1, 0], [1, 0]]),
        "sample 1 has zero trials",
    ),
    (lambda: LogisticLoss([[1]], [[2]], [[3]]), r"positives\[0\]\[0\] is 3 of 2 trials"),
    (lambda: LogisticLoss([[1]], [[-2]], [[0]]), "0 ≤ positives ≤ trials"),
    (lambda: LogisticLoss.from_labels([[1]], [[2]]), r"labels\[0\]\[0\] is 2: a label is 0 or 1"),
    (lambda: SoftmaxLoss([[1, 1]], [[1, 0], [2, 0]]), "counts of sample 1 sum to zero"),
    (lambda: SoftmaxLoss([[1]], [[1], [-1]]), r"counts\[1\]\[0\] is -1"),
    (lambda: SoftmaxLoss([[1]], [[1]]), "one class only"),
    (lambda: SoftmaxLoss([[1]], [[1]], [1, 2]), "reference must list 1 counts"),
    (lambda: SoftmaxLoss([[1]], [[1]], [-2]), r"reference\[0\] is -2"),
    (lambda: SoftmaxLoss.from_labels([[1]], [3], 3), r"labels\[0\] is 3: give a whole number"),
    (lambda: SoftmaxLoss.from_labels([[1]], ["a"], 3), r"labels\[0\] is 'a'"),
    (lambda: ExponentialLoss([[1]], [[2]]), r"labels\[0\]\[0\] is 2"),
    (lambda: ExponentialLoss([[1]], [[0]]), "has no label"),
    (lambda: PseudoHuberLoss([[1]], [[1]], 0), "delta is 0"),
    (lambda: PseudoHuberLoss([[1]], [[1]], -1), "delta is -1"),
]


@pytest.mark.parametrize("case", REFUSED, ids=[text for _, text in REFUSED])
def test_bad_data_are_refused_in_one_sentence(case: Any) -> None:
    build, text = case
    with pytest.raises(InputError, match=text) as error:
        build()
    assert "\n" not in str(error.value)


def test_shapes_and_floats_are_refused_by_name() -> None:
    with pytest.raises(ShapeError, match="trials"):
        LogisticLoss([[1]], [[1, 2]], [[1, 1]])
    with pytest.raises(ShapeError, match="positives"):
        LogisticLoss([[1]], [[1]], [[1], [0]])
    with pytest.raises(NotExactError, match="X"):
        LogCoshLoss([[0.5]], [[1]])
    with pytest.raises(DetvarError, match="loss.*counts"):
        loss_from_json({"type": "softmax", "X": [[1]], "counts": [[0], [0]]})
