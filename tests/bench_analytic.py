"""How long certified searches for the critical points of convex losses take."""

from __future__ import annotations

from typing import Any

import detvar as dv
from detvar.critical import critical_points, exhaustive

EYE = [[1, 0], [0, 1]]
LOGISTIC = dv.LogisticLoss(EYE, [[3, 6], [6, 5]], [[2, 3], [3, 3]])
SOFTMAX = dv.SoftmaxLoss(EYE, [[6, 9], [2, 9], [4, 12], [4, 6]])


def test_logistic_2_1_2(benchmark: Any) -> None:
    found = benchmark.pedantic(
        lambda: critical_points(dv.LinearNetwork(2, 1, 2), LOGISTIC), rounds=3
    )
    assert found.is_complete


def test_logistic_2_1_2_in_a_box(benchmark: Any) -> None:
    assert benchmark.pedantic(lambda: exhaustive(LOGISTIC, 1, 4), rounds=3).is_complete


def test_softmax_2_1_4(benchmark: Any) -> None:
    found = benchmark.pedantic(
        lambda: critical_points(dv.LinearNetwork(2, 1, 4), SOFTMAX), rounds=1
    )
    assert found.is_complete


def test_logistic_3_3_3(benchmark: Any) -> None:
    trials = [[8, 6, 9], [5, 7, 6], [9, 8, 7]]
    positives = [[3, 4, 2], [2, 5, 3], [6, 3, 4]]
    inputs = [[1, 0, 1], [0, 1, 1], [1, -1, 0.5]]
    exact = [[str(x) for x in row] for row in inputs]
    loss = dv.LogisticLoss(exact, trials, positives)
    found = benchmark.pedantic(
        lambda: critical_points(dv.LinearNetwork(3, 3, 3), loss, budget=10), rounds=1
    )
    assert len(found.minima) == 1
