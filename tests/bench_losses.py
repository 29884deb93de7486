"""Values of convex losses: one gradient and one Hessian in balls, and many in NumPy.

Run with ``pytest tests/bench_losses.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detvar import ExponentialLoss, LogCoshLoss, LogisticLoss, PseudoHuberLoss, SoftmaxLoss
from detvar.exact.balls import arb_mat


def example(kind: str, m: int, n: int, samples: int) -> Any:
    rng = np.random.default_rng(0)
    x = rng.integers(-3, 4, (n, samples)).tolist()
    table = rng.integers(1, 6, (m, samples))
    if kind == "logistic":
        return LogisticLoss(x, (2 * table).tolist(), table.tolist())
    if kind == "softmax":
        return SoftmaxLoss(x, table.tolist())
    if kind == "exponential":
        return ExponentialLoss(x, np.where(table > 2, 1, -1).tolist())
    return (PseudoHuberLoss if kind == "pseudo_huber" else LogCoshLoss)(x, table.tolist())


KINDS = ["logistic", "softmax", "exponential", "pseudo_huber", "log_cosh"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", ["gradient_ball", "hessian_ball"])
def test_in_balls_2x2_four_samples(benchmark: Any, kind: str, what: str) -> None:
    loss = example(kind, 2, 2, 4)
    w = arb_mat([[0.25, -1], [0.5, 2]])
    benchmark(getattr(loss, what), w)


@pytest.mark.parametrize("kind", KINDS)
def test_1000_gradients_in_numpy_3x3_twenty_samples(benchmark: Any, kind: str) -> None:
    loss = example(kind, 3, 3, 20)
    w = np.random.default_rng(1).standard_normal((1000, 3, 3))
    assert benchmark(loss.gradient_array, w).shape == (1000, 3, 3)
