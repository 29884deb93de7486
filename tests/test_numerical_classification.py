"""Numerical labels of rounded critical weights agree with the exact ones, or are undecided."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import numpy as np
import pytest
from test_classify_cases import POINTS, problem_of
from test_classify_laws import any_point, random_widths, squared_point
from test_float_verdict import moved, random_case, thin_case, to_floats

from detvar.classify import classify
from detvar.classify.hessian import full_hessian as exact_hessian
from detvar.classify.hessian import function_space_hessian as exact_small_hessian
from detvar.errors import InputError
from detvar.exact.inertia import inertia
from detvar.losses import LogisticLoss, SquaredLoss
from detvar.networks import LinearNetwork
from detvar.optimality.margins import Margin, NumericalClassification
from detvar.optimality.moments import moments
from detvar.optimality.numerical import classify_numerically
from detvar.optimality.reading import read_weights
from detvar.optimality.second_order import full_hessian, function_space_hessian

EYE = [[1, 0], [0, 1]]


def compared(network, loss, weights, counts):
    """Everything said at rounded critical weights is true of the exact ones."""
    c = classify(network, loss, weights)
    found = classify_numerically(network, loss, to_floats(c.weights))
    assert found.tier == "numerical"
    counts[c.nature, "undecided" if found.label == "undecided" else "agrees"] += 1
    if found.label == "undecided":
        assert found.reasons
        return
    assert (found.label, found.kind, found.rank) == (c.nature, c.kind, c.rank), str(found)
    assert found.is_clear or found.label == "not_critical"
    if found.hessian_inertia is not None and c.hessian_inertia is not None:
        assert found.hessian_inertia == c.hessian_inertia


@pytest.mark.parametrize("name", POINTS)
def test_the_recorded_cases(name):
    compared(*problem_of(POINTS[name]), Counter())


def points(part):
    rng = Random(f"points {part}")
    for k in range(40):
        yield random_case(40 * part + k)
        p = any_point(rng)
        yield p.network, p.loss, p.weights
        p = squared_point(random_widths(rng, 3), rng)
        yield p.network, p.loss, p.weights
        if k % 4 == 0:
            yield thin_case(10 * part + k // 4)


def all_of(part):
    counts: Counter = Counter()
    for point in points(part):
        compared(*point, counts)
    return counts


@pytest.mark.parametrize("part", range(3))
def test_random_critical_weights(part):
    counts = all_of(part)
    undecided = sum(n for (_, word), n in counts.items() if word == "undecided")
    assert undecided <= 0.05 * counts.total()
    assert counts["global_minimum", "agrees"] > 20 and counts["strict_saddle", "agrees"] > 20
    assert counts["non_strict_saddle", "agrees"] > 3


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10, 30))
def test_many_random_critical_weights(part, capsys):
    counts = all_of(part)
    with capsys.disabled():
        print(dict(counts))


def test_weights_away_from_critical_points():
    """Moved weights are not critical, undecided, or as if they had not been moved."""
    same = 0
    for seed in range(30):
        network, loss, weights = random_case(seed)
        nature = classify(network, loss, weights).nature
        for size in (1e-12, 1e-8, 1e-4):
            found = classify_numerically(network, loss, moved(weights, size, seed))
            assert found.label in (nature, "undecided", "not_critical")
            same += size == 1e-12 and found.label == nature
    assert same > 25


def test_a_margin_that_is_too_small_is_said():
    """diag(2, δ) is between rank one and two for δ near the tolerance."""
    network, loss = LinearNetwork(2, 2, 2), SquaredLoss(EYE, [[2, 0], [0, 0]])
    for size, label in ((1e-12, "global_minimum"), (2e-8, "undecided"), (1e-3, "not_critical")):
        arrays = [np.eye(2), np.diag([2.0, size])]
        found = classify_numerically(network, loss, arrays)
        assert found.label == label, size
    found = classify_numerically(network, loss, [np.eye(2), np.diag([2.0, 2e-8])])
    assert not found.is_clear and "not clear" in found.reasons[-1]
    loose = classify_numerically(network, loss, [np.eye(2), np.diag([2.0, 2e-8])], tolerance=1e-4)
    assert loose.label == "global_minimum" and loose.tolerance == 1e-4


# --- data in floats -------------------------------------------------------------------------------


def kept(x, y, chosen, widths):
    """Layers of the critical matrix that keeps chosen singular values of the fit, by SVD."""
    q, s, vt = np.linalg.svd(x, full_matrices=False)
    use = s > 1e-10 * s[0]
    q, s, vt = q[:, use], s[use], vt[use]
    u, sigma, v = np.linalg.svd(y.T @ q, full_matrices=False)
    w = (u[:, chosen] * sigma[chosen]) @ v[chosen] @ (vt / s[:, None])
    a, size, b = np.linalg.svd(w, full_matrices=False)
    e, h = len(chosen), len(widths) - 1
    root = np.diag(size[:e] ** (1 / h))
    out = []
    for i in range(h):
        left = a[:, :e] if i == h - 1 else np.eye(widths[i + 1])[:, :e]
        right = b[:e] if i == 0 else np.eye(widths[i])[:e]
        out.append(left @ root @ right)
    return out


# network, singular values kept, label
KEPT = [
    ((5, 4, 3), [0, 1, 2], "global_minimum"),
    ((5, 4, 3), [0, 1], "strict_saddle"),
    ((5, 4, 4, 3), [0, 1], "non_strict_saddle"),
    ((5, 4, 4, 3), [1, 2], "strict_saddle"),
    ((5, 2, 4, 3), [0, 1], "global_minimum"),
    ((5, 2, 4, 3), [0, 2], "strict_saddle"),
    ((5, 2, 2, 3), [], "non_strict_saddle"),
]


def samples(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((30, 5)) * [1.0, 10.0, 0.1, 1.0, 1.0]
    x[:, 3] = x[:, 0] + x[:, 4]  # rank 4
    return x, x @ rng.standard_normal((5, 3)) + rng.standard_normal((30, 3))


@pytest.mark.parametrize("widths, chosen, label", KEPT)
def test_data_as_arrays_and_as_moments(widths, chosen, label):
    x, y = samples(1)
    layers = kept(x, y, chosen, widths)
    stream = ((x[i : i + 7], y[i : i + 7]) for i in range(0, 30, 7))
    for data in ((x, y), moments([(x, y)]), stream):
        found = classify_numerically(None, data, layers)
        assert found.label == label, str(found)
        assert found.rank == len(chosen) and found.rank_bound == min(widths)
        first = found.margins[0]
        assert first.question == "the rank of the data" and first.answer == "4"
    inertia_ = found.hessian_inertia
    assert (inertia_.negative > 0) == (label == "strict_saddle")
    assert sum(inertia_) == sum(w.size for w in layers)


@pytest.mark.parametrize("widths, chosen, label", KEPT)
def test_biases_are_those_of_centred_data(widths, chosen, label):
    x, y = samples(2)
    x, y = x + 3.0, y - 2.0
    layers = kept(x - x.mean(axis=0), y - y.mean(axis=0), chosen, widths)
    rng = np.random.default_rng(3)
    shifts = [rng.standard_normal(len(w)) for w in layers]
    constant, product = np.zeros(widths[0]), np.eye(widths[0])
    for i, w in enumerate(layers):
        constant = w @ constant + (shifts[i] if i < len(layers) - 1 else 0.0)
        product = w @ product
    shifts[-1] = y.mean(axis=0) - product @ x.mean(axis=0) - constant
    state = {f"{i}.weight": w for i, w in enumerate(layers)}
    state |= {f"{i}.bias": b for i, b in enumerate(shifts)}
    for data in ((x, y), moments([(x, y)])):
        found = classify_numerically(None, data, state)
        assert found.label == label, str(found)
        # the Hessian in all weights and biases, by differences of the gradient
        values = np.linalg.eigvalsh(numerical_hessian(state, x, y, len(layers)))
        if found.hessian_inertia is not None:
            p, n, _ = found.hessian_inertia
            by_size = values[np.argsort(-np.abs(values))]
            assert abs(by_size[p + n - 1]) > 30 * abs(by_size[p + n])
            assert ((by_size[: p + n] > 0).sum(), (by_size[: p + n] < 0).sum()) == (p, n)
    wrong = state | {f"{len(layers) - 1}.bias": shifts[-1] + 1.0}
    assert classify_numerically(None, (x, y), wrong).label == "not_critical"
    del state[f"{len(layers) - 1}.bias"]
    assert classify_numerically(None, (x, y), state).label == "undecided"


def numerical_hessian(state, x, y, depth):
    names = [f"{i}.{kind}" for i in range(depth) for kind in ("weight", "bias")]
    sizes = [state[name].size for name in names]
    start = np.concatenate([state[name].ravel() for name in names])

    def gradient(theta):
        parts = dict(zip(names, np.split(theta, np.cumsum(sizes)[:-1]), strict=True))
        w = [parts[f"{i}.weight"].reshape(state[f"{i}.weight"].shape) for i in range(depth)]
        outputs = [x]
        for i in range(depth):
            outputs.append(outputs[-1] @ w[i].T + parts[f"{i}.bias"])
        back, out = outputs[-1] - y, []
        for i in reversed(range(depth)):
            out = [(back.T @ outputs[i]).ravel(), back.sum(axis=0), *out]
            back = back @ w[i]
        return np.concatenate(out)

    step = 1e-4
    rows = [
        (gradient(start + step * e) - gradient(start - step * e)) / (2 * step)
        for e in np.eye(start.size)
    ]
    return (np.array(rows) + np.array(rows).T) / 2


# --- the parts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["C1", "C13", "D1", "D4", "D12"])
def test_hessians_against_exact_ones(name):
    network, loss, weights = problem_of(POINTS[name])
    c = classify(network, loss, weights)
    product = network.end_to_end(c.weights)
    g, h = loss.gradient(product), loss.hessian(product)

    def near(matrix):
        return to_floats([matrix])[0]

    found = full_hessian([near(w) for w in c.weights], near(g), near(h))
    assert np.allclose(found, near(exact_hessian(network, loss, c.weights)))
    if c.rank:
        small = function_space_hessian(near(product), near(g), near(h), c.rank)
        values = np.linalg.eigvalsh(small)
        exact = inertia(exact_small_hessian(product, g, h))
        assert ((values > 1e-9).sum(), (values < -1e-9).sum()) == (exact.positive, exact.negative)


def test_an_analytic_loss():
    network = LinearNetwork(1, 1, 1)
    loss = LogisticLoss([[1, 2]], [[1, 1]], [[1, 1]])
    found = classify_numerically(network, loss, [np.zeros((1, 1))] * 2)
    assert found.label == "strict_saddle" and found.rank == 0
    balanced = LogisticLoss([[1, 1]], [[1, 1]], [[1, 0]])
    found = classify_numerically(network, balanced, [np.zeros((1, 1))] * 2)
    assert found.label == "global_minimum"


def test_constant_losses():
    found = classify_numerically(
        LinearNetwork(1, 1, 1), SquaredLoss([[0]], [[1]]), [np.ones((1, 1))] * 2
    )
    assert found.label == "global_minimum" and tuple(found.hessian_inertia) == (0, 0, 2)
    found = classify_numerically(None, (np.zeros((3, 1)), np.ones((3, 1))), [np.ones((1, 1))] * 2)
    assert found.label == "global_minimum"


def test_equal_inputs_with_biases_are_not_a_constant_loss():
    state = {"0.weight": np.zeros((1, 2)), "0.bias": np.zeros(1)}
    found = classify_numerically(None, (np.ones((4, 2)), np.ones((4, 1))), state)
    assert found.label == "undecided" and found.rank is None
    assert NumericalClassification.from_json(found.to_json()).reasons == found.reasons


def test_json_and_words():
    network, loss = LinearNetwork(2, 1, 2), SquaredLoss(EYE, [[2, 0], [0, 1]])
    found = classify_numerically(network, loss, [np.array([[0, 1.0]]), np.array([[0.0], [1]])])
    out = json.loads(json.dumps(found.to_json()))
    again = NumericalClassification.from_json(out)
    assert again == found and again.to_json() == found.to_json()
    assert str(found).startswith("pure, strict saddle (numerical, tolerance 1e-08)")
    assert found.singular_value_gap == float("inf") and found.hessian_gap > 1e6
    margin = Margin("a", "1", 0.5, 1e-9, 1e-8)
    assert margin.ratio == 0.5 / 1e-9 and margin.is_clear
    assert not Margin("a", "1", 5e-8, 0.0, 1e-8).is_clear
    assert not Margin("a", "1", 1.0, 5e-9, 1e-8).is_clear
    with pytest.raises(InputError):
        NumericalClassification.from_json({})
    with pytest.raises(InputError, match="tolerance"):
        classify_numerically(network, loss, [np.zeros((1, 2)), np.zeros((2, 1))], tolerance=0.5)
    weights = read_weights([np.zeros((1, 2)), np.zeros((2, 1))])
    assert classify_numerically(None, loss, weights).label == "strict_saddle"
