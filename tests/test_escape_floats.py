"""Escapes from floating-point weights: the loss is lower over Q, and minima let nobody go."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from test_classify_cases import POINTS, problem_of
from test_float_verdict import inside, moved, random_case, thin_case, to_exact, to_floats

from detvar.classify import classify
from detvar.errors import ShapeError
from detvar.exact.balls import exact_float
from detvar.losses import LogisticLoss, SquaredLoss
from detvar.networks import LinearNetwork
from detvar.optimality.curvature import float_partials
from detvar.optimality.escape import balancedness, escape

# Saddles at the maximal rank, for losses outside the Kronecker class, that a curve leaves and no
# line does: none is found there.
CURVED = {"D4", "D8", "D13"}


def require_lower(network, loss, arrays, found):
    """Both intervals contain the values over Q, and they are disjoint."""
    before, after = (loss.value(network.end_to_end(to_exact(x))) for x in (arrays, found.weights))
    assert inside(found.value_before, before) and inside(found.value_after, after)
    assert found.value_after[1] < found.value_before[0] and after < before
    assert exact_float(found.decrease) <= (before - after) * (1 + exact_float(2.0**-50))
    for w, v, x in zip(arrays, found.direction, found.weights, strict=True):
        assert np.allclose(w + found.step * v, x)


@pytest.mark.parametrize("name", POINTS)
def test_the_recorded_cases(name):
    network, loss, weights = problem_of(POINTS[name])
    c = classify(network, loss, weights)
    arrays = to_floats(c.weights)
    found = escape(network, loss, arrays)
    if c.nature in ("strict_saddle", "non_strict_saddle", "not_critical") and name not in CURVED:
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
    for seed in range(40):
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
    assert str(found).startswith("gradient: the loss goes from at least")
    with pytest.raises(ShapeError):
        escape(network, loss, [np.zeros((2, 1)), np.zeros((1, 2))])


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
        assert np.array_equal(
            balancedness(arrays)[0], arrays[1].T @ arrays[1] - arrays[0] @ arrays[0].T
        )
