"""Timings of the path tracker: pytest tests/bench_homotopy.py --benchmark-only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detvar.homotopy import monodromy, parameter_homotopy, track
from tests.test_homotopy import RowExchange, low_rank, random_complex

# (rows, columns, rank) and the generic ED degree, the sum of the polar degrees
PROBLEMS = [((3, 3, 1), 39), ((3, 3, 2), 39), ((3, 4, 1), 83), ((4, 4, 1), 284), ((4, 4, 2), 1350)]


@pytest.mark.parametrize("shape, count", PROBLEMS)
def test_monodromy(benchmark: Any, shape: tuple[int, int, int], count: int) -> None:
    def run() -> int:
        return monodromy(low_rank(*shape), target=count, charts=RowExchange(*shape)).count

    assert benchmark.pedantic(run, rounds=2 if count > 500 else 5) == count


@pytest.mark.parametrize("shape, count", PROBLEMS)
def test_paths(benchmark: Any, shape: tuple[int, int, int], count: int) -> None:
    system, charts = low_rank(*shape), RowExchange(*shape)
    fiber = monodromy(system, target=count, charts=charts)
    many = -(-2000 // count)
    ends = random_complex(np.random.default_rng(0), many, 1, system.parameters)
    ends = np.broadcast_to(ends, (many, count, system.parameters)).reshape(-1, system.parameters)
    x = np.tile(fiber.points, (many, 1))
    ids = np.tile(fiber.charts, many)

    def run() -> bool:
        p = fiber.parameters
        return bool(track(system, x, p, ends, charts=charts, start_charts=ids).success.all())

    assert benchmark.pedantic(run, rounds=2)
    benchmark.extra_info["paths_per_second"] = len(x) / benchmark.stats["min"]


def test_sweep(benchmark: Any) -> None:
    system, charts = low_rank(3, 3, 1), RowExchange(3, 3, 1)
    fiber = monodromy(system, target=39, charts=charts)
    rng = np.random.default_rng(0)
    weights, data = rng.uniform(0.1, 1, (1000, 9)), rng.standard_normal((1000, 9))
    ends = np.concatenate([weights, weights * data], axis=1)
    out = benchmark.pedantic(
        lambda: parameter_homotopy(system, fiber, ends, charts=charts), rounds=1
    )
    assert out.clean.all()
    w = charts.invariant(out.x.reshape(-1, 5), out.charts.reshape(-1)).reshape(1000, 39, 9)
    real = (np.abs(w.imag).max(axis=2) < 1e-8 * np.abs(w).max(axis=2)).sum(axis=1)
    benchmark.extra_info["real"] = {k: int((real == k).sum()) for k in (1, 3, 5, 7, 9)}
