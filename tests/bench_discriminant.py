"""Timings of discriminants along paths of data: pytest tests/bench_discriminant.py."""

from __future__ import annotations

from typing import Any

import pytest

from detvar.critical import discriminant, distance_to_change, ed_discriminant
from detvar.show.examples import load_example
from tests.test_discriminant import ONE_SIDED, front, random_path


def test_the_front_page(benchmark: Any) -> None:
    found = benchmark(lambda: discriminant(front(ONE_SIDED), interval=(1, 4)))
    assert [str(t) for t in found.values] == ["4/3"]


@pytest.mark.parametrize("kind", ["weighted", "quadratic", "squared"])
@pytest.mark.parametrize("n", [2, 3])
def test_dense_data_linear_in_t(benchmark: Any, kind: str, n: int) -> None:
    path = random_path(kind, n, 1)
    rounds = 5 if n == 2 else 2
    found = benchmark.pedantic(lambda: discriminant(path, interval=(0, None)), rounds=rounds)
    assert found.is_proved


def test_2_by_4(benchmark: Any) -> None:
    path = random_path("weighted", 4, 1)
    found = benchmark.pedantic(lambda: discriminant(path, interval=(0, None)), rounds=1)
    assert found.is_proved


def test_bisection(benchmark: Any) -> None:
    path = front(ONE_SIDED)
    found = benchmark.pedantic(
        lambda: discriminant(path, interval=(1, 4), method="bisection"), rounds=2
    )
    assert len(found.events) == 1


def test_distance_of_linnerud(benchmark: Any) -> None:
    problem = load_example("linnerud")
    found = benchmark(lambda: distance_to_change(problem.network, problem.loss).to_json())
    assert found["nearest"] == 2


def test_ed_discriminant_of_3_by_3(benchmark: Any) -> None:
    assert benchmark(lambda: len(ed_discriminant(3, 3).polynomial.to_dict())) == 7011
