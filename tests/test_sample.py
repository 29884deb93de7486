"""Random-data statistics: recorded shares within three standard errors; laws for every loss."""

from __future__ import annotations

import json
from math import sqrt
from typing import Any

import pytest

from detvar.critical import critical_points
from detvar.critical.sampling import (
    LossFamily,
    Sample,
    log_uniform_weights,
    normal_target,
    sample,
    uniform_target,
    uniform_weights,
    wishart,
)
from detvar.errors import InputError
from detvar.exact.balls import exact_float
from detvar.losses import WeightedSquaredLoss
from detvar.varieties import DeterminantalVariety

np = pytest.importorskip("numpy")


def assert_within_three_errors(found: Sample, which: str, theirs: dict[int, float], n: int) -> None:
    """Compare shares with those of another sample of size n, given in per cent."""
    counts: dict[int, int] = getattr(found, which)
    for k in {*theirs, *counts}:
        p, q = theirs.get(k, 0.0) / 100, counts.get(k, 0) / found.certified
        pooled = (p * n + q * found.certified) / (n + found.certified)
        error = sqrt(pooled * (1 - pooled) * (1 / n + 1 / found.certified))
        assert abs(p - q) <= 3 * error + 1e-12, (k, p, q, error)


def assert_lawful(found: Sample) -> None:
    """Every loss certified; Σ(−1)^index is 0 or 1 with the parity of the smaller side; numbers of
    real points have the parity of the ED degree."""
    assert found.is_complete
    k = min(found.variety[:2])
    degree = DeterminantalVariety(*found.variety).generic_ed_degree()
    assert set(found.parity) == {k % 2}
    assert all(x is not None and (x - degree) % 2 == 0 for x in found.real)
    assert all(x is not None and x >= 1 for x in found.minima)


# own experiments, recorded before: λ ~ U(.1, 1), u ~ N(0, 1), 1000 sets, 3×3, rank 1
REAL_33 = {3: 84.0, 5: 15.1, 7: 0.9}
MINIMA_33 = {1: 87.3, 2: 12.5, 3: 0.2}


def test_points_and_minima_of_small_weights() -> None:
    found = sample(DeterminantalVariety(3, 3, 1), uniform_weights(0.1, 1), 300, seed=1)
    assert_lawful(found)
    assert_within_three_errors(found, "real_counts", REAL_33, 1000)
    assert_within_three_errors(found, "minima_counts", MINIMA_33, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 8))
def test_points_and_minima_of_small_weights_with_many_losses(seed: int) -> None:
    found = sample(DeterminantalVariety(3, 3, 1), uniform_weights(0.1, 1), 1000, seed=seed)
    assert_lawful(found)
    assert_within_three_errors(found, "real_counts", REAL_33, 1000)
    assert_within_three_errors(found, "minima_counts", MINIMA_33, 1000)


# own experiments with exact real root isolation (msolve), recorded before: target entries uniform
# in [−10, 10]; (family, m=n, N, shares of the numbers of minima, numbers of losses by real points)
TABLE: list[tuple[LossFamily, int, int, dict[int, float], dict[int, int]]] = [
    (
        uniform_weights(0, 10, uniform_target()),
        2,
        400,
        {1: 87.8, 2: 12.2},
        {2: 351, 4: 49},
    ),
    (
        log_uniform_weights(0.1, 10, uniform_target()),
        2,
        400,
        {1: 79.2, 2: 20.8},
        {2: 317, 4: 83},
    ),
    (wishart(uniform_target()), 2, 400, {1: 40.5, 2: 59.2, 3: 0.3}, {2: 162, 4: 237, 6: 1}),
    (
        uniform_weights(0, 10, uniform_target()),
        3,
        200,
        {1: 72.0, 2: 27.5, 3: 0.5},
        {3: 126, 5: 63, 7: 9, 9: 2},
    ),
    (
        log_uniform_weights(0.1, 10, uniform_target()),
        3,
        200,
        {1: 57.0, 2: 38.5, 3: 4.0, 4: 0.5},
        {3: 99, 5: 78, 7: 16, 9: 2, 11: 4, 13: 1},
    ),
    (
        wishart(uniform_target()),
        3,
        200,
        {1: 26.0, 2: 52.5, 3: 19.0, 4: 2.5},
        {3: 41, 5: 91, 7: 42, 9: 19, 11: 6, 13: 1},
    ),
]


@pytest.mark.parametrize(("family", "size", "n", "minima", "real"), TABLE)
def test_the_table_of_minima(
    family: LossFamily, size: int, n: int, minima: dict[int, float], real: dict[int, int]
) -> None:
    found = sample(DeterminantalVariety(size, size, 1), family, 400 if size == 2 else 150, seed=0)
    assert_lawful(found)
    assert_within_three_errors(found, "minima_counts", minima, n)
    assert_within_three_errors(found, "real_counts", {k: 100 * c / n for k, c in real.items()}, n)


def test_a_sampled_loss_has_the_points_that_are_counted() -> None:
    """The same losses, one by one, through `critical_points` with exact dyadic data."""
    family = uniform_weights(0.1, 1)
    found = sample(DeterminantalVariety(2, 3, 1), family, 5, seed=4)
    data = family.draw(np.random.default_rng([4, 79]), 5, 2, 3)
    for i, row in enumerate(data):
        lam, shifted = ([exact_float(x) for x in part] for part in (row[:6], row[6:]))
        target = [b / a for a, b in zip(lam, shifted, strict=True)]
        loss = WeightedSquaredLoss([target[:3], target[3:]], [lam[:3], lam[3:]])
        points: Any = critical_points(DeterminantalVariety(2, 3, 1), loss, progress=False)
        assert points.is_complete
        assert (len(points.real), len(points.minima)) == (found.real[i], found.minima[i])


def test_tall_and_wide_matrices_have_the_same_sample() -> None:
    wide = sample(DeterminantalVariety(2, 3, 1), wishart(normal_target(2)), 20, seed=5)
    tall = sample(DeterminantalVariety(3, 2, 1), wishart(normal_target(2)), 20, seed=5)
    assert wide.real == tall.real and tall.variety == (3, 2, 1)


def test_samples_load_back() -> None:
    found = sample(DeterminantalVariety(2, 2, 1), uniform_weights(), 10)
    again = Sample.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found and str(again) == str(found)
    with pytest.raises(InputError):
        Sample.from_json({"real": 3})


def test_an_interrupt_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    import detvar.critical.sampling as module

    monkeypatch.setattr(module, "_BLOCK", 60)
    calls = []

    def progress(done: int, n: int, seconds: float) -> None:
        calls.append(done)
        if done >= 20:
            raise KeyboardInterrupt

    found = sample(DeterminantalVariety(2, 2, 1), uniform_weights(), 100, progress=progress)
    assert calls == [10, 20] and found.certified == 20 and not found.is_complete


@pytest.mark.parametrize(
    "make",
    [
        lambda: sample(DeterminantalVariety(2, 2, 1), uniform_weights(), 0),
        lambda: sample(DeterminantalVariety(2, 2, 2), uniform_weights(), 5),
        lambda: uniform_weights(2, 1),
        lambda: uniform_weights(-1, 1),
        lambda: log_uniform_weights(0, 1),
    ],
)
def test_bad_input(make: Any) -> None:
    with pytest.raises(InputError):
        make()
