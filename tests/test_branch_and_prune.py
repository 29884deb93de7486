"""Exhaustive searches: two routes that must agree, and proofs that must fail when they should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import detvar as dv
from detvar.critical import CertifiedPoints, critical_points, exhaustive
from detvar.critical.analytic.atlas import Atlas
from detvar.critical.analytic.oriented import Oriented
from detvar.critical.analytic.prune import (
    branch_and_prune,
    examine_box,
    halves,
    interval,
    narrowed,
)
from detvar.critical.analytic.slices import Slices, enclosed_rows, whole_range
from detvar.errors import InputError
from detvar.exact.balls import arb

EYE = [[1, 0], [0, 1]]
LOGISTIC = dv.LogisticLoss(EYE, [[3, 6], [6, 5]], [[2, 3], [3, 3]])
COSH = dv.LogCoshLoss(EYE, [[2, "1/2"], ["1/3", 1]])


def random_loss(seed: int) -> Any:
    """A loss on 2×2 matrices that grows in all directions."""
    rng = np.random.default_rng(seed)
    x = (np.eye(2, 3, dtype=int) + rng.integers(-1, 2, size=(2, 3))).tolist()
    kind = seed % 3
    if kind == 0:
        trials = rng.integers(4, 10, size=(2, 3))
        positives = np.clip(rng.binomial(trials, 0.4), 1, trials - 1)
        return dv.LogisticLoss(x, trials.tolist(), positives.tolist())
    table = rng.integers(-3, 4, size=(2, 3)).tolist()
    return dv.LogCoshLoss(x, table) if kind == 1 else dv.PseudoHuberLoss(x, table, 3)


def centres(points: Any) -> Any:
    found = [np.array(p.center).real.ravel() for p in points]
    return np.array(sorted(map(tuple, np.round(found, 9)))) if found else np.zeros((0, 4))


# --- the two routes -----------------------------------------------------------------------------


def test_all_coordinates_and_slopes_alone_find_the_same_points() -> None:
    for loss in (LOGISTIC, COSH):
        by_slopes = critical_points(dv.DeterminantalVariety(2, 2, 1), loss)
        assert isinstance(by_slopes, CertifiedPoints)
        by_boxes = exhaustive(loss, 1)  # the box comes from the growth of the loss
        assert by_slopes.is_complete and by_boxes.is_complete
        assert np.allclose(centres(by_slopes.real), centres(by_boxes.points), atol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_random_losses_are_searched_alike_by_both_routes(seed: int) -> None:
    loss = random_loss(seed)
    if loss.reduce(dv.LinearNetwork(2, 1, 2)).changed:
        pytest.skip("the inputs do not span the plane")
    by_slopes = critical_points(dv.DeterminantalVariety(2, 2, 1), loss)
    assert isinstance(by_slopes, CertifiedPoints)
    by_boxes = exhaustive(loss, 1, 12, budget=60)
    assert by_slopes.is_complete and by_boxes.is_complete
    assert np.allclose(centres(by_slopes.real), centres(by_boxes.points), atol=1e-8)
    # the alternating sum over rank 1 is 0 for an invertible ∇ℓ(0), 1 for one of rank 1
    assert sum((-1) ** (p.index or 0) for p in by_slopes.real) == 0


def test_a_box_holds_only_its_own_points() -> None:
    half = exhaustive(LOGISTIC, 1, ([["1/2", "-1"], ["-1", "-1"]], [[1, 1], [1, 1]]))
    assert half.is_complete
    (only,) = half.points
    assert abs(only.center[0][0] - np.log(2)) < 1e-12
    empty = exhaustive(LOGISTIC, 1, ([[1, 1], [1, 1]], [[2, 2], [2, 2]]))
    assert empty.is_complete and not empty.points
    assert "complete" in str(empty)


def test_matrices_of_full_rank_and_wide_ones() -> None:
    full = exhaustive(LOGISTIC, 2, 2)
    assert full.is_complete and len(full.points) == 1
    # one row: log cosh(w − y) in every entry
    tall = exhaustive(dv.LogCoshLoss([[1]], [[1], [2], ["1/2"]]), 1, 4)
    assert tall.is_complete
    (only,) = tall.points
    assert np.allclose(np.array(only.center).ravel(), [1, 2, 0.5])


# --- proofs that must fail ----------------------------------------------------------------------


class Silent(Atlas):
    """An atlas that learns nothing: a zero that was not known at first stays unknown."""

    def add(self, chart: int, start: Any) -> None:
        return None


@pytest.mark.parametrize("route", ["slopes", "boxes"])
def test_an_unknown_zero_prevents_the_proof(route: str) -> None:
    known, silent = Atlas(Oriented(LOGISTIC), 1), Silent(Oriented(LOGISTIC), 1)
    if route == "slopes":
        regions, examine = whole_range(known), Slices()
    else:
        rest = [interval(-2, 2)] * 2
        regions, examine = [(k, [interval(-1, 1), *rest]) for k in range(2)], examine_box
    blind = branch_and_prune(silent, regions, examine, 20, most_boxes=3000)
    assert not blind.is_complete
    # the same search, allowed to learn, finds all four points without any start
    seeing = branch_and_prune(known, regions, examine, 60)
    assert seeing.is_complete
    assert len(known.points) == 4


def test_zeros_that_are_not_isolated_prevent_the_proof() -> None:
    # the softmax loss with its shift: every zero is a line
    loss = dv.SoftmaxLoss([[1]], [[1], [3]])
    found = exhaustive(loss, 1, 3, budget=20)
    assert not found.is_complete
    assert not found.points


def test_a_minimiser_is_enclosed_for_all_slopes_or_not_at_all() -> None:
    chart = Atlas(Oriented(COSH), 1).charts[0]
    slopes = [arb("0.25", "0.01")]
    start = np.array([0.25, 1.7, 0.7])
    from detvar.critical.analytic.newton import best_rows

    start = best_rows(chart, start[None])[0]
    rows = enclosed_rows(chart, slopes, start)
    assert rows is not None
    for a in (0.2401, 0.25, 0.2599):
        # an independent route: minimise in floats from another start
        x = best_rows(chart, np.array([[a, 0.0, 0.0]]), 100)[0]
        assert all(
            abs(float(r.mid()) - v) <= float(r.rad()) for r, v in zip(rows, x[1:], strict=True)
        )
    # without a minimum there is no enclosure
    lost = Atlas(Oriented(dv.ExponentialLoss(EYE, [[1, 1], [1, 1]])), 1).charts[0]
    assert enclosed_rows(lost, slopes, np.array([0.25, 3.0, 3.0])) is None


# --- the steps ----------------------------------------------------------------------------------


def test_halves_cover_a_box() -> None:
    box = [interval(-1, 1), interval("0.1", "0.7")]
    low, high = halves(box, 1)
    assert low[0].contains(arb(1)) and high[0].contains(arb(-1))
    for x in np.linspace(0.1, 0.7, 23):
        assert low[1].contains(arb(float(x))) or high[1].contains(arb(float(x)))
    assert float(low[1].rad()) < 0.16


def test_a_newton_step_keeps_the_zeros() -> None:
    atlas = Atlas(Oriented(LOGISTIC), 1)
    chart = atlas.charts[0]
    zero = [arb(0), arb(2).log(), arb(0)]  # diag(log 2, 0)
    rng = np.random.default_rng(5)
    for _ in range(40):
        shift = rng.uniform(-1, 1, size=3) * 0.05
        box = [arb(float(z.mid()) + float(s), 0.06) for z, s in zip(zero, shift, strict=True)]
        rest, _ = narrowed(chart, box)
        assert rest is not None
        assert all(r.overlaps(z) for r, z in zip(rest, zero, strict=True))
    # far from all zeros nothing is left
    away = [arb("0.5", "0.01"), arb(2, "0.01"), arb(2, "0.01")]
    gone, _ = narrowed(chart, away)
    assert gone is None or examine_box(atlas, 0, away) is None


def test_budgets_end_the_search() -> None:
    atlas = Atlas(Oriented(LOGISTIC), 1)
    few = branch_and_prune(atlas, whole_range(atlas), Slices(), 60, most_boxes=3)
    assert few.boxes == 3 and not few.is_complete and few.reason == "the budget ended"
    assert not exhaustive(LOGISTIC, 1, 4, budget=0).is_complete


@pytest.mark.parametrize(
    ("rank", "box", "word"),
    [
        (0, 1, "rank"),
        (3, 1, "rank"),
        (1, (EYE, EYE), "low < high"),
        (1, (EYE, EYE, EYE), "pair"),
        (1, -1, "low < high"),
    ],
)
def test_bad_boxes_are_refused(rank: int, box: Any, word: str) -> None:
    with pytest.raises(InputError, match=word):
        exhaustive(LOGISTIC, rank, box)


def test_other_losses_are_refused() -> None:
    with pytest.raises(InputError, match="algebraic"):
        exhaustive(dv.SquaredLoss(EYE, EYE), 1, 1)
    separable = dv.LogisticLoss.from_labels([[1, 2]], [[1, 1]])
    with pytest.raises(InputError, match="give box"):
        exhaustive(separable, 1)
