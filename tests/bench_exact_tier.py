"""Timings of the exact tier: pytest tests/bench_exact_tier.py --benchmark-only."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from detvar.critical.elimination import univariate_critical_points
from detvar.critical.exact_count import exact_count
from detvar.critical.exact_points import exact_points
from tests.test_exact_tier import likelihood, needs_msolve, power, weighted

# loss, rows, columns, rank, number of critical points
COUNTS = [
    (weighted, 3, 3, 1, 39),
    (weighted, 3, 3, 2, 39),
    (weighted, 3, 4, 1, 83),
    (weighted, 4, 4, 1, 284),
    (likelihood, 3, 3, 2, 10),
    (likelihood, 4, 4, 2, 191),
    (power, 2, 2, 1, 62),
    (power, 3, 3, 1, 1393),
]


@needs_msolve
@pytest.mark.parametrize(("make", "m", "n", "r", "count"), COUNTS)
def test_count_modulo_two_primes(
    benchmark: Any, make: Any, m: int, n: int, r: int, count: int
) -> None:
    loss = make(m, n, Random(m + n + r))
    rounds = 1 if count > 150 else 3
    found = benchmark.pedantic(lambda: exact_count(loss, r, method="msolve"), rounds=rounds)
    assert found.count == found.distinct == count


@needs_msolve
def test_count_1350_modulo_one_prime(benchmark: Any) -> None:
    loss = weighted(4, 4, Random(0))
    found = benchmark.pedantic(
        lambda: exact_count(loss, 2, primes=1, budget=900, distinct=False), rounds=1
    )
    assert found.count == 1350


@pytest.mark.parametrize("n", [2, 3, 4])
def test_count_over_q(benchmark: Any, n: int) -> None:
    loss = weighted(2, n, Random(n))
    assert benchmark(lambda: exact_count(loss, 1, method="flint")).count == 4 * n - 2


@pytest.mark.parametrize("n", [2, 3, 6, 10])
def test_elimination(benchmark: Any, n: int) -> None:
    loss = weighted(2, n, Random(n))
    found = benchmark.pedantic(lambda: univariate_critical_points(loss), rounds=3)
    assert found.complex_count == 4 * n - 2


@needs_msolve
def test_real_points_of_degree_39(benchmark: Any) -> None:
    loss = weighted(3, 3, Random(1))
    found = benchmark.pedantic(
        lambda: exact_points(loss, 1, method="msolve").parametrization, rounds=3
    )
    assert found.degree == 39
