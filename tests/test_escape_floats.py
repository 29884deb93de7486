"""Escapes from floating-point weights: the loss is lower over Q, and minima let nobody go."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import numpy as np
import pytest
from test_classify_cases import POINTS, problem_of
from test_classify_laws import any_point, random_widths, squared_point
from test_float_verdict import inside, moved, random_case, thin_case, to_exact, to_floats

from detvar.classify import classify
from detvar.errors import InputError, ShapeError
from detvar.exact.balls import exact_float
from detvar.exact.matrices import Matrix
from detvar.losses import LogisticLoss, SquaredLoss
from detvar.networks import LinearNetwork
from detvar.optimality.balance import Conserved, balancedness, conserved
from detvar.optimality.curvature import float_partials
from detvar.optimality.escape import Escape, escape
from detvar.optimality.moments import moments
from detvar.optimality.reading import read_weights


def require_lower(network, loss, arrays, found):
    """The intervals contain the values over Q and their difference, which is negative."""
    before, after = (loss.value(network.end_to_end(to_exact(x))) for x in (arrays, found.weights))
    assert inside(found.value_before, before) and inside(found.value_after, after)
    assert inside(found.change, after - before) and found.change[1] < 0
    assert exact_float(found.decrease) <= before - after
    for w, v, x in zip(arrays, found.direction, found.weights, strict=True):
        assert np.allclose(w + found.step * v, x)


@pytest.mark.parametrize("name", POINTS)
def test_the_recorded_cases(name):
    network, loss, weights = problem_of(POINTS[name])
    c = classify(network, loss, weights)
    arrays = to_floats(c.weights)
    found = escape(network, loss, arrays)
    if c.nature in ("strict_saddle", "non_strict_saddle", "not_critical"):
        assert found is not None
    if found is not None:
        require_lower(network, loss, arrays, found)
    if c.nature == "global_minimum" and all(
        x == y
        for a, b in zip(to_exact(arrays), c.weights, strict=True)
        for x, y in zip(a.entries(), b.entries(), strict=True)
    ):
        assert found is None


def test_random_critical_weights():
    kinds: Counter = Counter()
    for seed in range(24):
        network, loss, weights = random_case(seed)
        nature = classify(network, loss, weights).nature
        for size in (0.0, 1e-8):
            arrays = moved(weights, size, seed)
            found = escape(network, loss, arrays)
            if found is not None:
                require_lower(network, loss, arrays, found)
            if nature != "global_minimum":
                assert found is not None, (seed, nature)
                kinds[nature, found.kind] += 1
    assert kinds["strict_saddle", "negative_curvature"] > 10


def test_saddles_that_no_second_derivative_shows():
    done = 0
    for seed in range(40):
        network, loss, weights = thin_case(seed)
        if classify(network, loss, weights).nature != "non_strict_saddle":
            continue
        for size in (0.0, 1e-8):
            arrays = moved(weights, size, seed)
            found = escape(network, loss, arrays)
            require_lower(network, loss, arrays, found)
            assert size or found.kind == "fiber_move" or found.kind == "negative_curvature"
        done += 1
    assert done > 5


def test_the_origin_of_deep_networks():
    """At zero all derivatives up to order h − 1 vanish."""
    for depth in range(2, 7):
        network = LinearNetwork(*([2] * (depth + 1)))
        loss = SquaredLoss([[1, 0], [0, 1]], [[1, 1], [0, 1]])
        arrays = [np.zeros((2, 2))] * depth
        found = escape(network, loss, arrays)
        require_lower(network, loss, arrays, found)
        assert depth == 2 or found.kind == "fiber_move"


def test_escapes_lead_down_to_the_minimum():
    network = LinearNetwork(2, 2, 2, 2)
    loss = SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    arrays = tuple(np.zeros((2, 2)) for _ in range(3))
    for _ in range(30):
        found = escape(network, loss, arrays)
        if found is None:
            break
        arrays = found.weights
    w = arrays[2] @ arrays[1] @ arrays[0]
    assert np.abs(w - np.diag([2.0, 1.0])).max() < 0.05


def test_an_analytic_loss():
    network = LinearNetwork(1, 1, 1)
    loss = LogisticLoss([[1, 2]], [[1, 1]], [[1, 1]])
    found = escape(network, loss, [np.zeros((1, 1))] * 2)
    values = [float(loss.value_array(x[1] @ x[0])) for x in ([np.zeros((1, 1))] * 2, found.weights)]
    assert found.kind in ("negative_curvature", "fiber_move") and values[1] < values[0]
    assert found.value_after[0] <= values[1] * (1 + 1e-12)


def test_json_and_words():
    network, loss = LinearNetwork(1, 1, 1), SquaredLoss([[1]], [[1]])
    found = escape(network, loss, [np.full((1, 1), 0.5)] * 2)
    out = json.loads(json.dumps(found.to_json()))
    assert float.fromhex(out["weights"][0][0][0]) == found.weights[0][0, 0]
    again = Escape.from_json(out)
    assert again.to_json() == out and again.decrease == found.decrease
    with pytest.raises(InputError, match="no saved escape"):
        Escape.from_json({})
    assert str(found).startswith("gradient: the loss goes from at least")
    with pytest.raises(ShapeError):
        escape(network, loss, [np.zeros((2, 1)), np.zeros((1, 2))])


# --- exact saddles, rounded -----------------------------------------------------------------------


def saddles(part):
    """Critical weights of squared and other losses, with their exact labels."""
    rng = Random(f"saddles {part}")
    for k in range(45):
        widths = random_widths(rng, 3, (2, 3, 3, 4, 4))
        point = any_point(rng) if k % 3 == 0 else squared_point(widths, rng)
        c = classify(point.network, point.loss, point.weights)
        if c.nature in ("strict_saddle", "non_strict_saddle", "global_minimum"):
            yield c
    for seed in range(10 * part, 10 * part + 10):
        yield classify(*thin_case(seed))


def escapes_of(part):
    counts = Counter()
    for c in saddles(part):
        arrays = to_floats(c.weights)
        found = escape(c.network, c.loss, arrays)
        if found is not None:
            require_lower(c.network, c.loss, arrays, found)
        same = to_exact(arrays) == [Matrix(w) for w in c.weights]
        if c.nature == "global_minimum":
            # rounded weights are not minimal themselves, and a decrease may be proved
            assert found is None or not same
        else:
            counts[c.nature, found is not None] += 1
    return counts


@pytest.mark.parametrize("part", range(2))
def test_exact_saddles_are_left(part):
    counts = escapes_of(part)
    assert counts["strict_saddle", True] > 10 and counts["non_strict_saddle", True] > 3
    assert not counts["strict_saddle", False] and not counts["non_strict_saddle", False]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10, 22))
def test_many_exact_saddles_are_left(part):
    counts = escapes_of(part)
    assert not counts["strict_saddle", False] and not counts["non_strict_saddle", False]


# --- data in floats -------------------------------------------------------------------------------


def dyadic(shape, rng):
    return rng.integers(-8, 9, shape) / 4.0


def exact_value(arrays, x, y):
    """½‖W_h⋯W_1X − Y‖² over Q, samples in rows."""
    w = to_exact([x.T])[0]
    for a in to_exact(arrays):
        w = a * w
    rest = w - to_exact([y.T])[0]
    return sum((e * e for e in rest.entries()), exact_float(0.0)) / 2


def require_lower_on_data(arrays, x, y, found):
    before, after = exact_value(arrays, x, y), exact_value(found.weights, x, y)
    assert inside(found.value_before, before) and inside(found.value_after, after)
    assert inside(found.change, after - before) and found.change[1] < 0


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_data_as_arrays_and_as_moments(depth):
    rng = np.random.default_rng(depth)
    x, y = dyadic((12, 3), rng), dyadic((12, 2), rng)
    widths = [3, *[3] * (depth - 1), 2]
    points = [tuple(0.5 * dyadic((b, a), rng) for a, b in zip(widths, widths[1:], strict=False))]
    if depth > 1:
        points.append(tuple(0 * w for w in points[0]))
    for arrays in points:
        for data in ((x, y), moments([(x, y)])):
            found = escape(None, data, list(arrays))
            require_lower_on_data(arrays, x, y, found)


@pytest.mark.parametrize("size", [0.0, 0.25])
@pytest.mark.parametrize("widths", [(3, 2, 2), (3, 2, 4, 2), (12, 14, 10, 2)])
def test_biases_move_only_where_they_are_trained(widths, size):
    """Also where the first or the last layer has none, and beyond 300 weights."""
    rng = np.random.default_rng(1)
    x, y = dyadic((10, widths[0]), rng), dyadic((10, 2), rng)
    last = len(widths) - 2
    for left_out in ((), (0,), (last,), (0, last)):
        state = {}
        for i, shape in enumerate(zip(widths[1:], widths, strict=False)):
            state[f"{i}.weight"] = size * dyadic(shape, rng)
            if i not in left_out:
                state[f"{i}.bias"] = size * dyadic(shape[0], rng)
        weights = read_weights(state)
        x1 = np.hstack([x, np.ones((10, 1))]) if weights.bias else x
        for data in ((x, y), moments([(x, y)])):
            found = escape(None, data, weights)
            require_lower_on_data(weights.arrays, x1, y, found)
            masks = weights.trained()
            for new, old, mask in zip(found.weights, weights.arrays, masks, strict=True):
                assert np.array_equal(new[~mask], old[~mask])


def test_ill_conditioned_inputs_hide_no_saddle():
    """Of two inputs of sizes 1 and 2⁻¹⁰ the small one explains more; the weights keep the other."""
    x = np.array([[1.0, 0.0], [0.0, 2.0**-10], [0.0, 0.0]])
    y = np.array([[1.0, 0.0], [0.0, 1.5], [0.0, 0.0]])
    arrays = (np.array([[1.0, 0.0]]), np.array([[1.0], [0.0]]))
    found = escape(None, (x, y), arrays)
    require_lower_on_data(arrays, x, y, found)
    assert found.decrease > 0.05
    best = (np.array([[0.0, 1024.0]]), np.array([[0.0], [1.5]]))
    assert escape(None, (x, y), best) is None


def test_a_minimum_of_data_lets_nobody_go():
    x = np.eye(3)
    y = np.diag([2.0, 1.0, 0.5])
    best = [np.eye(3)[:2], np.eye(3)[:, :2] * [2.0, 1.0]]
    assert escape(None, (x, y), best) is None
    other = [np.eye(3)[1:], np.eye(3)[:, 1:] * [1.0, 0.5]]
    require_lower_on_data(other, x, y, escape(None, (x, y), other))


# --- what the flow conserves ----------------------------------------------------------------------


def test_balancedness_is_conserved_by_the_flow():
    """The derivative of W_{i+1}ᵀW_{i+1} − W_iW_iᵀ along −∇L is zero, for any slope ∇ℓ."""
    rng = np.random.default_rng(4)
    for widths in [(2, 3, 2), (3, 1, 2, 4), (2, 2, 2, 2, 2)]:
        arrays = tuple(
            rng.standard_normal((b, a)) for a, b in zip(widths, widths[1:], strict=False)
        )
        slope = np.random.default_rng(5).standard_normal((widths[-1], widths[0]))
        flow = float_partials(lambda w, g=slope: g + 0 * w, arrays)
        t = 1e-6
        up, down = (
            balancedness([w + s * f for w, f in zip(arrays, flow, strict=True)]) for s in (t, -t)
        )
        assert len(up) == len(widths) - 2
        for a, b in zip(up, down, strict=True):
            assert np.abs(a - b).max() / (2 * t) < 1e-7


@pytest.mark.parametrize("bias", [False, True])
def test_fine_steps_conserve_what_momentum_does_not(bias):
    """Plain steps of size η drift by O(η); momentum of the same rate by ten times as much."""
    rng = np.random.default_rng(7)
    x, y = rng.standard_normal((20, 3)), rng.standard_normal((20, 2))
    sizes = [(4, 3), (3, 4), (2, 3)]
    start = [0.5 * rng.standard_normal(s) for s in sizes]
    shifts = [0.5 * rng.standard_normal(s[0]) for s in sizes]

    def gradient(w, b):
        """By hand, not by homogenised layers."""
        outputs = [x]
        for a, c in zip(w, b, strict=True):
            outputs.append(outputs[-1] @ a.T + c)
        back, out = outputs[-1] - y, []
        for i in (2, 1, 0):
            out.append((back.T @ outputs[i], bias * back.sum(axis=0)))
            back = back @ w[i]
        return [list(part) for part in zip(*reversed(out), strict=True)]

    def quantities(w, b):
        state = {f"{i}.weight": a for i, a in enumerate(w)}
        return conserved(state | ({f"{i}.bias": c for i, c in enumerate(b)} if bias else {}))

    def drift(step, momentum):
        w, b = [list(start), [bias * c for c in shifts]]
        speed = [[0 * a for a in w], [0 * a for a in b]]
        for _ in range(round(0.05 / step)):
            g = gradient(w, b)
            speed = [
                [momentum * v + (1 - momentum) * q for v, q in zip(vs, qs, strict=True)]
                for vs, qs in zip(speed, g, strict=True)
            ]
            w, b = (
                [a - step * v for a, v in zip(part, vs, strict=True)]
                for part, vs in zip((w, b), speed, strict=True)
            )
        return max(quantities(w, b).drift(quantities(start, [bias * c for c in shifts])))

    coarse, fine = drift(1e-3, 0.0), drift(1e-4, 0.0)
    assert 5 < coarse / fine < 20
    assert drift(1e-4, 0.99) > 10 * fine


def test_conserved_matrices_are_enclosed():
    rng = np.random.default_rng(3)
    arrays = [rng.standard_normal(s) for s in ((3, 2), (2, 3))]
    found = conserved(arrays)
    first, second = to_exact(arrays)
    exact = second.transpose() * second - first * first.transpose()
    off = to_exact([found.matrices[0]])[0] - exact
    distance = sum((e * e for e in off.entries()), exact_float(0.0))
    assert 0 < distance <= exact_float(found.errors[0]) ** 2 and found.errors[0] < 1e-13
    assert np.isclose(found.traces[0], (arrays[1] ** 2).sum() - (arrays[0] ** 2).sum())
    assert np.isclose(found.norms[0], np.linalg.norm(balancedness(arrays)[0]))
    again = Conserved.from_json(json.loads(json.dumps(found.to_json())))
    assert again.to_json() == found.to_json() and "layers 1 and 2" in str(found)
    assert "nothing" in str(conserved([np.ones((1, 1))]))
    with pytest.raises(InputError):
        Conserved.from_json({})


@pytest.mark.parametrize("size", [0.0, 1e300, 5e-324])
def test_inputs_of_any_size_give_an_answer(size: float) -> None:
    x, y = size * np.eye(2), np.diag([2.0, 1.0])
    theta = [np.array([[1.0, 0.0]]), np.array([[2.0], [0.0]])]
    for data in ((x, y), moments([(x, y)])):
        found = escape(None, data, theta)
        assert found is None or (size != 0 and found.change[1] < 0)
    for large in (1e160, 1e300):
        found = escape(None, (np.eye(2), y), [large * w for w in theta])
        assert found is None or found.change[1] < 0
