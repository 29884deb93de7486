"""Gaps of convex losses against minima found independently, with many digits."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from mpmath import log, mp, mpf, sqrt
from mpmath import matrix as mp_matrix

import detvar as dv
from detvar.errors import ShapeError
from detvar.exact.balls import exact_float
from detvar.optimality.convex_gap import ConvexGap, convex_gap
from detvar.optimality.reading import read_weights

Point = list[list[Any]]


def losses(kind: str, seed: int) -> tuple[Any, Callable[[Point], Any]]:
    """Return a loss with a unique minimiser, and its formula written down again."""
    rng = np.random.default_rng(seed)
    m, n = (int(t) for t in rng.integers(1, 3, 2))
    x = rng.integers(-2, 3, (n, 6))
    x[:, :n] = np.eye(n, dtype=int)
    x[:, n : 2 * n] = -np.eye(n, dtype=int)

    def terms(w: Point) -> list[tuple[int, int, Any]]:
        z = [[sum(a * int(x[j, s]) for j, a in enumerate(row)) for s in range(6)] for row in w]
        return [(i, s, z[i][s]) for i in range(m) for s in range(6)]

    if kind == "logistic":
        trials, hits = np.full((m, 6), 4), rng.integers(1, 4, (m, 6))
        loss = dv.losses.LogisticLoss(x.tolist(), trials.tolist(), hits.tolist())
        return loss, lambda w: sum(
            4 * log(1 + mp.exp(z)) - int(hits[i, s]) * z for i, s, z in terms(w)
        )
    if kind == "softmax":
        counts, base = rng.integers(1, 5, (m, 6)), rng.integers(1, 5, 6)

        def softmax(w: Point) -> Any:
            total = mpf(0)
            z = {(i, s): t for i, s, t in terms(w)}
            for s in range(6):
                both = int(base[s]) + sum(int(c) for c in counts[:, s])
                total += both * log(1 + sum(mp.exp(z[i, s]) for i in range(m)))
                total -= sum(int(counts[i, s]) * z[i, s] for i in range(m))
            return total

        return dv.losses.SoftmaxLoss(x.tolist(), counts.tolist(), base.tolist()), softmax
    if kind == "exponential":
        labels = rng.choice([-1, 1], (m, 6))
        labels[:, : 2 * n] = 1
        loss = dv.losses.ExponentialLoss(x.tolist(), labels.tolist())
        return loss, lambda w: sum(mp.exp(-int(labels[i, s]) * z) for i, s, z in terms(w))
    y = rng.integers(-4, 5, (m, 6))
    if kind == "pseudo-Huber":
        loss = dv.losses.PseudoHuberLoss(x.tolist(), y.tolist(), 2)
        return loss, lambda w: sum(
            4 * (sqrt(1 + ((z - int(y[i, s])) / 2) ** 2) - 1) for i, s, z in terms(w)
        )
    if kind == "log-cosh":
        loss = dv.losses.LogCoshLoss(x.tolist(), y.tolist())
        return loss, lambda w: sum(log(mp.cosh(z - int(y[i, s]))) for i, s, z in terms(w))
    assert kind == "weighted"
    u, weight = rng.integers(-3, 4, (m, n)), rng.integers(1, 5, (m, n))
    loss = dv.losses.WeightedSquaredLoss(u.tolist(), weight.tolist())
    return loss, lambda w: sum(
        int(weight[i, j]) * (w[i][j] - int(u[i, j])) ** 2 / 2 for i in range(m) for j in range(n)
    )


KINDS = ["logistic", "softmax", "exponential", "pseudo-Huber", "log-cosh", "weighted"]


def minimum(f: Callable[[Point], Any], m: int, n: int, start: Any) -> Any:
    """The least value by Newton's method with 60 digits and differences of the formula."""
    with mp.workdps(60):
        size, h = m * n, mpf(10) ** -15

        def at(v: list[Any]) -> Any:
            return f([v[i * n : (i + 1) * n] for i in range(m)])

        v = [mpf(float(t)) for t in np.ravel(start)]
        for _ in range(60):
            unit = [[h if i == k else mpf(0) for i in range(size)] for k in range(size)]

            def moved(*steps: list[Any]) -> list[Any]:
                return [a + sum(s[i] for s in steps) for i, a in enumerate(v)]  # noqa: B023

            minus = [[-t for t in e] for e in unit]
            slope = [
                (at(moved(e)) - at(moved(d))) / (2 * h) for e, d in zip(unit, minus, strict=True)
            ]
            curve = mp_matrix(size, size)
            for a in range(size):
                for b in range(size):
                    curve[a, b] = (
                        at(moved(unit[a], unit[b]))
                        - at(moved(unit[a], minus[b]))
                        - at(moved(minus[a], unit[b]))
                        + at(moved(minus[a], minus[b]))
                    ) / (4 * h * h)
            step = mp.lu_solve(curve, mp_matrix([-t for t in slope]))
            t = mpf(1)
            while at([a + t * s for a, s in zip(v, step, strict=True)]) > at(v) and t > 1e-6:
                t /= 2
            v = [a + t * s for a, s in zip(v, step, strict=True)]
            if max(abs(s) for s in step) < mpf(10) ** -13:
                break
        return at(v)


def product(weights: list[Any]) -> Point:
    """The end-to-end matrix, exactly, as mpmath numbers."""
    rows = [[Fraction(v) for v in row] for row in weights[0].tolist()]
    for w in weights[1:]:
        columns = list(zip(*rows, strict=True))
        rows = [
            [sum(Fraction(a) * b for a, b in zip(row, c, strict=True)) for c in columns]
            for row in w.tolist()
        ]
    return [[mpf(t.numerator) / t.denominator for t in row] for row in rows]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(10))
def test_the_interval_holds_the_gap(kind: str, seed: int) -> None:
    loss, formula = losses(kind, seed)
    m, n = loss.shape
    rng = np.random.default_rng(seed + 50)
    width = max(m, n)
    weights = [rng.normal(size=(width, n)), rng.normal(size=(m, width))]
    found = convex_gap(dv.LinearNetwork(n, width, m), loss, weights)
    with mp.workdps(60):
        value = formula(product(weights))
        distance = value - minimum(formula, m, n, weights[1] @ weights[0])
        assert found.gap is not None and found.filling
        quadratic = loss.kronecker() is not None
        assert found.by == ("quadratic" if quadratic else "strong convexity")
        low, high = (mpf(t) for t in found.gap)
        slack = mpf(10) ** -25 * (1 + value)  # of the differences in `minimum`
        assert low - slack <= distance <= high + slack
        assert high - low < 1e-12 * (1 + value)
        low, high = (mpf(t) for t in found.value)
        assert low <= value <= high


@pytest.mark.parametrize("seed", range(4))
def test_a_trained_point_is_known_to_the_square_of_its_gradient(seed: int) -> None:
    loss, formula = losses("logistic", seed)
    m, n = loss.shape
    w = np.zeros((m, n))
    for _ in range(50):
        h = loss.hessian_array(w)
        w = w - np.linalg.solve(h, loss.gradient_array(w).ravel()).reshape(m, n)
    found = convex_gap(None, loss, [w])
    assert found.gap is not None and found.gap[1] < 1e-26
    with mp.workdps(60):
        distance = formula(product([w])) - minimum(formula, m, n, w)
        assert abs(distance) <= mpf(found.gap[1]) + mpf(10) ** -28


def test_separable_data_have_no_minimiser() -> None:
    loss = dv.losses.LogisticLoss([[1, 2]], [[1, 1]], [[1, 1]])
    found = convex_gap(None, loss, [np.array([[3.0]])])
    value = math.log1p(math.exp(-3)) + math.log1p(math.exp(-6))
    assert found.by == "lower bound" and "not attained" in found.reason
    assert found.gap is not None and found.gap[1] == pytest.approx(value)  # the infimum is 0
    assert found.gap[0] > 0


def test_quadratic_and_power_losses_have_exact_minima() -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(2, 2))
    exact = [[exact_float(t) for t in row] for row in w.tolist()]
    deep = dv.losses.PowerLoss([["1/3", 2], [0, "5/7"]], 4)
    found = convex_gap(None, deep, [w])
    assert found.by == "exact minimiser" and found.gap is not None
    low, high = map(exact_float, found.gap)
    assert low <= deep.value(dv.exact.matrices.matrix(exact)) <= high  # the least value is 0
    flat = dv.SquaredLoss([[1, 2, 0], [2, 4, 0]], [[1, 2, 1], [0, 1, 5]])  # dependent inputs
    found = convex_gap(None, flat, [w])
    assert found.by == "quadratic" and found.gap is not None
    least = dv.critical_points(dv.LinearNetwork(2, 2), flat).minima[0].value
    distance = flat.value(dv.exact.matrices.matrix(exact)) - least
    assert exact_float(found.gap[0]) <= distance <= exact_float(found.gap[1])


DEGENERATE: list[tuple[str, Callable[..., Any]]] = [
    ("exp((w11 - 1/3)**4)", lambda w: mp.exp((w[0] - mpf(1) / 3) ** 4) - 1),
    ("sqrt(1 + (w11 - 1/3)**4)", lambda w: sqrt(1 + (w[0] - mpf(1) / 3) ** 4) - 1),
    (
        "exp((w11 + w12)**4) + (w11 - 1/7)**2",
        lambda w: mp.exp((w[0] + w[1]) ** 4) - 1 + (w[0] - mpf(1) / 7) ** 2,
    ),
]


@pytest.mark.parametrize(("text", "above"), DEGENERATE)
def test_a_minimiser_without_curvature_is_bounded_by_tangent_planes(
    text: str, above: Callable[..., Any]
) -> None:
    loss = dv.losses.ExpressionLoss(text)
    for t in (0.75, 0.34, -1.0):
        w = np.full(loss.shape, t)
        found = convex_gap(None, loss, [w])
        assert found.by == "tangent planes" and found.gap is not None
        with mp.workdps(50):
            low, high = (mpf(x) for x in found.gap)
            assert low <= above([mpf(t)] * w.size) <= high
        assert high - low < 1e-7 * (1 + high)


def test_a_loss_that_falls_for_ever_has_no_upper_end() -> None:
    found = convex_gap(None, dv.losses.ExpressionLoss("(w11 - 1)**4 - w12"), [np.ones((1, 2))])
    assert found.by == "" and (found.gap is None or found.gap[1] == math.inf)


def test_a_network_that_is_not_filling_keeps_the_upper_end() -> None:
    m, n = 2, 2
    x, y = [[1, 0, 1], [0, 1, -1]], [[3, 1, 0], [0, 2, 2]]
    loss = dv.losses.PseudoHuberLoss(x, y, 1)
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(1, n)), rng.normal(size=(m, 1))]
    found = convex_gap(None, loss, weights)
    wide = convex_gap(None, loss, [weights[1] @ weights[0]])
    assert not found.filling and wide.filling and found.gap is not None and wide.gap is not None
    assert found.gap[0] == 0 and "not filling" in found.reason
    assert found.gap[1] == pytest.approx(wide.gap[1])


def test_biases_are_filling_when_the_constant_is_free() -> None:
    """One hidden unit: x ↦ (v x, c) is any pair, although [V c] is 2 × 2."""
    loss = dv.losses.LogCoshLoss([[1, 2, -1, 0], [1, 1, 1, 1]], [[1, 0, 2, 1], [3, 1, 1, 0]])
    rng = np.random.default_rng(2)
    tensors = {"0.weight": rng.normal(size=(1, 1)), "1.weight": rng.normal(size=(2, 1))}
    last = read_weights(tensors | {"1.bias": rng.normal(size=2)})
    first = read_weights(tensors | {"0.bias": rng.normal(size=1)})
    assert convex_gap(None, loss, last).filling
    assert not convex_gap(None, loss, first).filling
    with pytest.raises(ShapeError, match="constant input"):
        convex_gap(None, dv.losses.LogCoshLoss([[1]], [[1], [2]]), last)


def test_losses_that_are_not_convex_get_no_interval() -> None:
    loss = dv.losses.ExpressionLoss("w11**4 - w11**2")
    found = convex_gap(None, loss, [np.array([[2.0]])])
    assert found.gap is None and "negative eigenvalue" in str(found)
    assert found.value[0] <= 12 <= found.value[1]


def test_json_and_words() -> None:
    loss, _ = losses("logistic", 1)
    found = convex_gap(None, loss, [np.ones(loss.shape)])
    assert isinstance(found, ConvexGap)
    stored = json.loads(json.dumps(found.to_json()))
    assert tuple(map(float.fromhex, stored["gap"])) == found.gap
    assert "at most" in str(found) and found.to_latex()
