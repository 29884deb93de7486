"""The counts of whole shapes: all points certified, distinct and as many as the theorems say."""

from __future__ import annotations

from random import Random

import pytest

from detvar.critical.certifying import certified
from detvar.critical.completeness import report_on
from detvar.critical.tracked import track_to
from detvar.losses import LikelihoodLoss, Loss, WeightedSquaredLoss

pytest.importorskip("numpy")

# (m, n, r): generic ED degree. 39, 83, 284, 1350: Ottaviani, Spaenlehauer, Sturmfels, Exact
# solutions in structured low-rank approximation (2014), tables 3 and 4; all: sums of polar degrees
WEIGHTED = {
    (3, 3, 1): 39,
    (3, 3, 2): 39,
    (3, 4, 1): 83,
    (4, 4, 1): 284,
    (4, 4, 3): 284,
    (4, 4, 2): 1350,
    (5, 5, 1): 2205,
    (4, 5, 2): 4806,
}
# ML degrees: Hauenstein, Rodriguez, Sturmfels, Maximum likelihood for matrices with rank
# constraints (2014), table in section 2
LIKELIHOOD = {(3, 3, 2): 10, (3, 4, 2): 26, (4, 4, 2): 191, (4, 4, 3): 191}


def weighted(m: int, n: int, rng: Random) -> WeightedSquaredLoss:
    target = [[f"{rng.randint(-300, 300)}/100" for _ in range(n)] for _ in range(m)]
    return WeightedSquaredLoss(
        target, [[f"{rng.randint(10, 999)}/100" for _ in range(n)] for _ in range(m)]
    )


def assert_complete(loss: Loss, rank: int, count: int, seed: int) -> None:
    candidates = track_to(loss, rank, seed, budget=300)
    found = certified(candidates, loss)
    report = report_on(candidates, found, loss, budget=0, recount=False)
    assert report.found == report.expected == count and found.distinct and not found.failed
    assert report.is_complete


@pytest.mark.parametrize("shape", [s for s, count in WEIGHTED.items() if count < 300])
@pytest.mark.parametrize("seed", range(2))
def test_every_point_of_a_small_shape(shape: tuple[int, int, int], seed: int) -> None:
    m, n, r = shape
    assert_complete(weighted(m, n, Random(seed)), r, WEIGHTED[shape], seed)


@pytest.mark.slow
@pytest.mark.parametrize("shape", WEIGHTED)
@pytest.mark.parametrize("seed", range(20))
def test_every_point_for_twenty_seeds(shape: tuple[int, int, int], seed: int) -> None:
    m, n, r = shape
    assert_complete(weighted(m, n, Random(1000 + seed)), r, WEIGHTED[shape], seed)


@pytest.mark.parametrize("shape", LIKELIHOOD)
def test_every_point_of_a_likelihood(shape: tuple[int, int, int]) -> None:
    m, n, r = shape
    rng = Random(sum(shape))
    loss = LikelihoodLoss([[rng.randint(1, 60) for _ in range(n)] for _ in range(m)])
    assert_complete(loss, r, LIKELIHOOD[shape], 0)


@pytest.mark.slow
@pytest.mark.parametrize("shape", LIKELIHOOD)
@pytest.mark.parametrize("seed", range(20))
def test_every_point_of_a_likelihood_for_twenty_seeds(
    shape: tuple[int, int, int], seed: int
) -> None:
    m, n, r = shape
    rng = Random(seed)
    loss = LikelihoodLoss([[rng.randint(1, 60) for _ in range(n)] for _ in range(m)])
    assert_complete(loss, r, LIKELIHOOD[shape], seed)
