"""Timings of the path tracker, in NumPy and in compiled code.

    OMP_NUM_THREADS=1 pytest tests/bench_homotopy.py --benchmark-only

Compiling is not in the times.  The rows that take more than ten seconds need `--slow`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detvar.critical.families import QuadraticFamily
from detvar.critical.rank_system import RankSystem
from detvar.homotopy import Fiber, monodromy, parameter_homotopy, track
from detvar.homotopy.compiled_tape import compile_tape
from detvar.homotopy.executor import VARIABLE

Problem = tuple[int, int, int, int]
# rows, columns, rank and the generic ED degree, the sum of the polar degrees
SMALL: list[Problem] = [
    (3, 3, 1, 39),
    (3, 3, 2, 39),
    (3, 4, 1, 83),
    (4, 4, 1, 284),
    (4, 4, 2, 1350),
    (4, 4, 3, 284),
]
LARGE: list[Problem] = [(4, 5, 2, 4806), (5, 5, 1, 2205)]
HUGE: list[Problem] = [(5, 5, 2, 55010)]
EXECUTORS = ["numpy", "fast"]
slow = pytest.mark.slow
ROWS = [
    *(pytest.param(p, e, id=f"{p}-{e}") for p in SMALL for e in EXECUTORS),
    *(pytest.param(p, "fast", id=f"{p}-fast") for p in LARGE),
    *(pytest.param(p, "numpy", id=f"{p}-numpy", marks=slow) for p in LARGE),
    *(pytest.param(p, "fast", id=f"{p}-fast", marks=slow) for p in HUGE),
]


def problem(m: int, n: int, r: int) -> RankSystem:
    return RankSystem(QuadraticFamily("weighted", m, n), r)


def find(made: RankSystem, count: int, seed: int) -> Fiber:
    return monodromy(
        made.system, start=made.start(seed), charts=made, seed=seed, target=count, budget=600
    )


@pytest.mark.parametrize("shape, executor", ROWS)
def test_find(benchmark: Any, monkeypatch: Any, shape: Problem, executor: str) -> None:
    *size, count = shape
    made = problem(*size)
    monkeypatch.setenv(VARIABLE, executor)
    x, p = made.start(0)
    track(made.system, x[None], p, p, charts=made)  # compiles
    seeds = iter(range(100))
    rounds = 1 if count > 10_000 else 3 if count > 1000 or executor == "numpy" else 7
    out = benchmark.pedantic(lambda: find(made, count, next(seeds)).count, rounds=rounds)
    assert out == count


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("shape", [SMALL[0], SMALL[4]], ids=str)
def test_paths(benchmark: Any, monkeypatch: Any, shape: Problem, executor: str) -> None:
    *size, count = shape
    made = problem(*size)
    monkeypatch.setenv(VARIABLE, "fast")
    fiber = find(made, count, 0)
    monkeypatch.setenv(VARIABLE, executor)
    many = -(-4000 // count)
    rng = np.random.default_rng(0)
    ends = rng.standard_normal((2, many, made.family.parameter_count))
    goals = (ends[0] + 1j * ends[1]).repeat(count, axis=0)
    x, ids = np.tile(fiber.points, (many, 1)), np.tile(fiber.charts, many)

    def run() -> Any:
        return track(made.system, x, fiber.parameters, goals, charts=made, start_charts=ids)

    out = benchmark.pedantic(run, rounds=3)
    assert out.success.all()
    benchmark.extra_info["paths_per_second"] = len(x) / benchmark.stats["min"]
    benchmark.extra_info["steps"] = float(out.steps.mean())


@pytest.mark.parametrize("executor", EXECUTORS)
def test_sweep(benchmark: Any, monkeypatch: Any, executor: str) -> None:
    """1000 real data sets of rank 1 and size 3 × 3: 39 000 paths."""
    made = problem(3, 3, 1)
    monkeypatch.setenv(VARIABLE, executor)
    fiber = find(made, 39, 0)
    rng = np.random.default_rng(0)
    weights, data = rng.uniform(0.1, 1, (1000, 9)), rng.standard_normal((1000, 9))
    ends = np.concatenate([weights, weights * data], axis=1)
    out = benchmark.pedantic(
        lambda: parameter_homotopy(made.system, fiber, ends, charts=made), rounds=3
    )
    assert out.clean.all()
    w = made.invariant(out.x.reshape(-1, 5), out.charts.reshape(-1)).reshape(1000, 39, 9)
    real = (np.abs(w.imag).max(axis=2) < 1e-8 * np.abs(w).max(axis=2)).sum(axis=1)
    benchmark.extra_info["real"] = {k: int((real == k).sum()) for k in (1, 3, 5, 7, 9)}


@pytest.mark.parametrize("shape", [SMALL[0], SMALL[4], HUGE[0]], ids=str)
def test_programs(benchmark: Any, shape: Problem) -> None:
    """Differentiating the problem and unrolling the programs of a macro step."""

    def run() -> int:
        system = problem(*shape[:3]).system
        return len(system.newton_tape.code) + len(system.taylor_tape.code)

    benchmark.extra_info["rows"] = benchmark.pedantic(run, rounds=3)


@pytest.mark.parametrize("shape", [SMALL[0], SMALL[4], HUGE[0]], ids=str)
def test_compiling(benchmark: Any, shape: Problem) -> None:
    """Machine code for the Newton and Taylor programs."""
    system = problem(*shape[:3]).system
    tapes = (system.newton_tape, system.taylor_tape)
    benchmark.pedantic(lambda: [compile_tape(tape) for tape in tapes], rounds=2)
