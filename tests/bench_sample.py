"""Timings of samples of random losses: pytest tests/bench_sample.py --benchmark-only."""

from __future__ import annotations

from typing import Any

import pytest

from detvar.critical import sample, uniform_weights
from detvar.varieties import DeterminantalVariety


@pytest.mark.parametrize(("shape", "losses"), [((2, 2, 1), 1000), ((3, 3, 1), 1000)])
def test_sample(benchmark: Any, shape: tuple[int, int, int], losses: int) -> None:
    variety, family = DeterminantalVariety(*shape), uniform_weights(0.1, 1)
    sample(variety, family, 1)  # the generic fiber is kept
    found = benchmark.pedantic(lambda: sample(variety, family, losses), rounds=1)
    assert found.is_complete
