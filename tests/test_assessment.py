"""The short answer for trained weights, against the exact test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import detvar as dv
from detvar.errors import InputError, NotExactError
from detvar.exact.balls import exact_float
from detvar.optimality.assessment import assess


def exact(a: Any) -> list[list[Any]]:
    return [[exact_float(float(v)) for v in row] for row in np.asarray(a).tolist()]


@pytest.mark.parametrize("seed", range(12))
def test_it_agrees_with_the_exact_least_value(seed: int) -> None:
    """Random weights and small integer data: the gap contains the exact one."""
    rng = np.random.default_rng(seed)
    widths = [(3, 2, 3), (2, 1, 2), (4, 2, 2, 3)][seed % 3]
    x = rng.integers(-3, 4, (6, widths[0])).astype(float) + 4 * np.eye(6, widths[0])
    y = rng.integers(-3, 4, (6, widths[-1])).astype(float)
    pairs = zip(widths, widths[1:], strict=False)
    weights = [rng.integers(-8, 9, (b, a)) / 4 for a, b in pairs]
    found = assess(weights, x, y)
    network, loss = dv.LinearNetwork(*widths), dv.SquaredLoss(exact(x.T), exact(y.T))
    value = loss.value(network.end_to_end([exact(w) for w in weights]))
    least = dv.critical_points(network, loss).minima[0].value
    low, high = found.gap.gap
    assert exact_float(low) + least <= value <= exact_float(high) + least
    assert found.answer is False and "not at a global minimum" in str(found)


def test_a_fitted_network_is_at_the_minimum() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 8)), rng.standard_normal((200, 5))
    best = np.linalg.lstsq(x, y, rcond=None)[0].T
    u, s, v = np.linalg.svd(best, full_matrices=False)
    found = assess([np.diag(s) @ v, u], x, y)
    assert found.answer is True and found.gap.relative[1] < 1e-20
    assert "tolerance" in str(found) and found.to_json()["answer"] is True
    assert found.to_latex()


def test_tolerance_and_data_are_checked() -> None:
    with pytest.raises(InputError, match="tolerance"):
        assess([np.eye(2)], np.eye(2), np.eye(2), tolerance=-1.0)
    with pytest.raises(InputError, match="NaN"):
        assess([np.full((2, 2), np.nan)], np.eye(2), np.eye(2))


def test_weights_that_float64_would_round_are_refused() -> None:
    """What is proved must hold for the weights as given, not for their neighbours."""
    net, loss = dv.LinearNetwork(1, 1), dv.SquaredLoss([[1]], [[1]])
    long = np.array([[np.longdouble(1) + np.longdouble(2) ** -60]])
    large = np.array([[2**53 + 2**10 + 1]])
    for w in (long, large):
        if np.array_equal(w.astype(np.float64).astype(w.dtype), w):
            continue  # where long double is double
        with pytest.raises(NotExactError, match="float64"):
            assess([w], np.ones((1, 1)), np.ones((1, 1)))
        with pytest.raises(NotExactError, match="float64"):
            dv.check_global_minimum(net, loss, [w], numerical=True)
        with pytest.raises(NotExactError, match="float64"):
            dv.optimality.escape(net, loss, [w])
