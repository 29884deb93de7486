"""Time and memory of the polygon of a million recorded triples."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from detvar.landscape.region import Region
from detvar.landscape.region_builder import RegionBuilder
from detvar.landscape.triples import Triples

N = 10**6
RNG = np.random.default_rng(0)


def random(n: int) -> Triples:
    return Triples(RNG.normal(size=n), RNG.random(n), RNG.random(n) + 0.1)


def training(n: int) -> Triples:
    """Losses that fall along the path, as a trained network's do."""
    t = np.arange(n) / n
    b = 2 * np.exp(-5 * t) + 0.1 * RNG.random(n)
    c = 0.02 + 0.1 * RNG.random(n) ** 2
    return Triples(b * (1 + 0.3 * RNG.normal(size=n)), b, c, np.arange(n), np.arange(n) % 4)


def conic(n: int) -> Triples:
    """Least squares along one line: almost every triple is active."""
    z = RNG.normal(size=n)
    return Triples(z * (z - 0.7), (z - 0.7) ** 2 / 2, np.full(n, 0.7**2 / 2))


def fitted(n: int) -> Triples:
    """Half of the samples are fitted at the end, the others nearly."""
    t = training(n)
    return Triples(t.g, t.b, np.where(np.arange(n) % 2, 0.0, t.c * 1e-12))


@pytest.mark.parametrize("make", [random, training, conic, fitted])
def test_region_of_a_million_triples(benchmark: Any, make: Any) -> None:
    triples = make(N)
    tracemalloc.start()
    Region.from_triples(triples)
    benchmark.extra_info["peak_MB"] = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    region = benchmark.pedantic(Region.from_triples, (triples,), rounds=5)
    benchmark.extra_info["lines"] = len(region.index)
    print(f"\n{make.__name__}: {benchmark.extra_info}")


def test_a_million_triples_in_chunks(benchmark: Any) -> None:
    triples = training(N)
    chunks = [triples.take(slice(k, k + 10**4)) for k in range(0, N, 10**4)]

    def run() -> RegionBuilder:
        builder = RegionBuilder()
        for chunk in chunks:
            builder.add(chunk)
        return builder

    assert len(benchmark.pedantic(run, rounds=3)) == N
