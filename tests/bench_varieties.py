"""Timings of the counts; run with ``pytest tests/bench_varieties.py``."""

from __future__ import annotations

from typing import Any

import pytest

from detvar.exact.matrices import Matrix
from detvar.varieties import DeterminantalVariety, polar


@pytest.mark.parametrize(("m", "n", "r"), [(4, 4, 2), (5, 5, 2), (6, 6, 3), (7, 7, 3)])
def test_polar_degrees(benchmark: Any, m: int, n: int, r: int) -> None:
    def fresh() -> dict[int, int]:
        polar._rectangular.cache_clear()
        return DeterminantalVariety(m, n, r).polar_degrees()

    delta = benchmark(fresh)
    assert delta[r * (m + n - r) - 1] == DeterminantalVariety(m, n, r).degree
    if (m, n, r) == (6, 6, 3) and benchmark.stats is not None:
        assert benchmark.stats.stats.mean < 1


def test_hilbert_series(benchmark: Any) -> None:
    series = benchmark(DeterminantalVariety(12, 12, 6).hilbert_series)
    assert series.degree == DeterminantalVariety(12, 12, 6).degree


def test_projection(benchmark: Any) -> None:
    w = Matrix(8, 3, list(range(1, 25))) * Matrix(3, 8, [i * i + 1 for i in range(24)])
    d = Matrix(8, 8, [i % 7 for i in range(64)])
    v = DeterminantalVariety(8, 8, 4)
    p = benchmark(v.project_to_tangent, w, d)
    assert v.project_to_tangent(w, p) == p
