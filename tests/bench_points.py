"""Timings of whole lists of critical points, found and certified: pytest tests/bench_points.py.

Every round starts without a generic fiber; the programs of the system are made beforehand.  The
two largest shapes run only if they are named: pytest tests/bench_points.py -k 552.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from detvar.critical import tracked
from detvar.critical.certifying import certified
from detvar.critical.completeness import report_on
from detvar.losses import LikelihoodLoss, Loss, WeightedSquaredLoss

WEIGHTED = {
    "331": 39,
    "332": 39,
    "341": 83,
    "441": 284,
    "443": 284,
    "442": 1350,
    "551": 2205,
    "452": 4806,
    "552": 55_010,
}
LIKELIHOOD = {"332": 10, "442": 191, "443": 191}


def weighted(m: int, n: int, rng: Random) -> Loss:
    def table(low: int, high: int) -> list[list[str]]:
        return [[f"{rng.randint(low, high)}/10" for _ in range(n)] for _ in range(m)]

    return WeightedSquaredLoss(table(-99, 99), table(1, 99))


def complete_list(loss: Loss, rank: int) -> int:
    tracked.forget_fibers()
    candidates = tracked.track_to(loss, rank, budget=3000)
    found = certified(candidates, loss)
    report = report_on(candidates, found, loss, budget=0, recount=False)
    assert report.is_complete
    return report.found


def rounds(count: int) -> int:
    return 5 if count < 1000 else 3 if count < 5000 else 1


@pytest.mark.parametrize("shape", WEIGHTED)
def test_weighted(benchmark: Any, shape: str, request: pytest.FixtureRequest) -> None:
    if WEIGHTED[shape] > 5000 and shape not in request.config.getoption("keyword"):
        pytest.skip(f"takes minutes without the extra fast: ask for it with -k {shape}")
    m, n, r = map(int, shape)
    loss = weighted(m, n, Random(1))
    count = WEIGHTED[shape]
    warm = 0 if count > 5000 else 1
    run = benchmark.pedantic
    assert run(complete_list, (loss, r), rounds=rounds(count), warmup_rounds=warm) == count


@pytest.mark.parametrize("shape", LIKELIHOOD)
def test_likelihood(benchmark: Any, shape: str) -> None:
    m, n, r = map(int, shape)
    rng = Random(2)
    loss = LikelihoodLoss([[rng.randint(1, 60) for _ in range(n)] for _ in range(m)])
    count = LIKELIHOOD[shape]
    assert benchmark.pedantic(complete_list, (loss, r), rounds=5, warmup_rounds=1) == count
