"""One certified check beside one training step and one SVD: pytest tests/bench_optimality.py.

The networks are 784-256-256-10 with 5 000 samples, and 4096-1024-4096 with 5 000 (marked slow: a
process of its own, whose seconds and peak memory are printed).  `test_side_by_side` prints the
ratio of the medians, measured in turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detvar.optimality.gap import gap
from detvar.optimality.moments import moments
from detvar.optimality.verdict import check_global_minimum

WIDTHS = (784, 256, 256, 10)
SAMPLES = 5000


def problem(widths: tuple[int, ...], samples: int) -> tuple[list[Any], Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, widths[0])) * np.geomspace(1, 1e-2, widths[0])
    y = np.eye(widths[-1])[rng.integers(0, widths[-1], samples)]
    weights = [
        rng.normal(size=(widths[i + 1], widths[i])) / widths[i] ** 0.5
        for i in range(len(widths) - 1)
    ]
    return weights, x, y


def forward_backward(weights: list[Any], x: Any, y: Any) -> list[Any]:
    """Return the gradient of ½‖W_h⋯W_1X − Y‖² by all layers, as a training step computes it."""
    layers = [x]
    for w in weights:
        layers.append(layers[-1] @ w.T)
    back = layers[-1] - y
    out = []
    for w, z in zip(reversed(weights), reversed(layers[:-1]), strict=True):
        out.append(back.T @ z)
        back = back @ w
    return out[::-1]


def singular_values(x: Any) -> Any:
    return np.linalg.svd(x.T @ x)


def test_one_check(benchmark: Any) -> None:
    weights, x, y = problem(WIDTHS, SAMPLES)
    assert benchmark.pedantic(lambda: gap(weights, x, y), rounds=3, warmup_rounds=1).resolved


def test_one_check_from_moments(benchmark: Any) -> None:
    weights, x, y = problem(WIDTHS, SAMPLES)
    stored = moments([(x, y)])
    assert benchmark.pedantic(lambda: gap(weights, stored), rounds=3, warmup_rounds=1).resolved


def test_one_verdict(benchmark: Any) -> None:
    weights, x, y = problem(WIDTHS, SAMPLES)
    found = benchmark.pedantic(
        lambda: check_global_minimum(None, (x, y), weights), rounds=3, warmup_rounds=1
    )
    assert found.answer is False


def test_one_training_step(benchmark: Any) -> None:
    data = problem(WIDTHS, SAMPLES)
    benchmark.pedantic(lambda: forward_backward(*data), rounds=3, warmup_rounds=1)


def test_one_svd_of_the_normal_matrix(benchmark: Any) -> None:
    x = problem(WIDTHS, SAMPLES)[1]
    benchmark.pedantic(lambda: singular_values(x), rounds=3, warmup_rounds=1)


def test_side_by_side(capsys: Any) -> None:
    weights, x, y = problem(WIDTHS, SAMPLES)
    jobs = (
        lambda: gap(weights, x, y),
        lambda: forward_backward(weights, x, y),
        lambda: singular_values(x),
    )
    seconds: list[list[float]] = [[], [], []]
    for _ in range(5):
        for job, record in zip(jobs, seconds, strict=True):
            start = time.perf_counter()
            job()
            record.append(time.perf_counter() - start)
    check, step, svd = (float(np.median(s)) for s in seconds)
    with capsys.disabled():
        print(f"\ncheck {check:.3f} s, step {step:.3f} s, SVD {svd:.3f} s", end="; ")
        print(f"check / (3 steps + SVD) = {check / (3 * step + svd):.2f}")


HEAVY = """
import resource, time
from bench_optimality import problem
from detvar.optimality.gap import gap
data = problem((4096, 1024, 4096), 5000)
start, busy = time.perf_counter(), time.process_time()
assert gap(*data).gap[0] > 0
seconds, busy = time.perf_counter() - start, time.process_time() - busy
print(seconds, busy, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.slow
def test_one_check_of_4096_1024_4096(capsys: Any) -> None:
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent)])
    run = subprocess.run(
        [sys.executable, "-c", HEAVY],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, busy, peak = map(float, run.stdout.split())
    with capsys.disabled():
        print(f"\n4096-1024-4096: {seconds:.1f} s, {busy:.1f} s of all cores, {peak:.2f} GiB")
    assert peak < 4e9 / 2**30
