"""From a generic member of a family to one loss: all critical points of rank r, numerically.

The generic fiber is found once by monodromy, up to the count that intersection theory predicts;
its points are then followed to the loss in question.  What comes back is a list of candidates
with the count it should have; `detvar.critical.certified` decides what it is worth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any

from detvar.critical.rank_system import Family, RankSystem, family_of
from detvar.errors import IncompleteError
from detvar.exact.rational import Rational
from detvar.losses import Loss
from detvar.varieties import DeterminantalVariety

if TYPE_CHECKING:
    from detvar.homotopy.monodromy import Fiber

_ROUNDS = 6
_SAME = 1e-7


@dataclass(frozen=True, eq=False)
class Candidates:
    """Approximate critical points of rank r of one loss.

    Attributes
    ----------
    system : RankSystem
    x : (d, N) complex, in the charts
    charts : (d,) int
    parameters : exact parameters of the loss, in chart 0
    expected : the count for generic members of the family
    source : where that count comes from
    paths : number of paths followed to the loss, all rounds together
    lost : paths of the first round that did not arrive
    seconds : float
    """

    system: RankSystem
    x: Any
    charts: Any
    parameters: list[Rational]
    expected: int
    source: str
    paths: int
    lost: int
    seconds: float


def expected_count(family: Family, rank: int) -> tuple[int, str]:
    """Return the number of critical points of rank r of a generic member, and its source."""
    count = DeterminantalVariety(family.rows, family.columns, rank).generic_ed_degree()
    return count, "generic ED degree, the sum of the polar degrees"


@lru_cache(maxsize=16)
def rank_system(family: Family, rank: int) -> RankSystem:
    """Return the critical equations of a family; their programs are made once and kept."""
    return RankSystem(family, rank)


@lru_cache(maxsize=16)
def _kept_fiber(family: Family, rank: int, seed: int, budget: float) -> Fiber:
    return _search(family, rank, seed, budget, None)


def _search(
    family: Family,
    rank: int,
    seed: int,
    budget: float,
    progress: Callable[[int, int, float], None] | None,
) -> Fiber:
    from detvar.homotopy.monodromy import monodromy

    made = rank_system(family, rank)
    count, _ = expected_count(family, rank)
    return monodromy(
        made.system, charts=made, seed=seed, target=count, budget=budget, progress=progress
    )


def generic_fiber(
    family: Family,
    rank: int,
    seed: int = 0,
    budget: float = 60.0,
    progress: Callable[[int, int, float], None] | None = None,
) -> Fiber:
    """Return all critical points of rank r of a random complex member of a family.

    Parameters
    ----------
    family : weighted or quadratic
    rank : 1 ≤ r < min(m, n)
    seed, budget : of the monodromy search; seconds
    progress : called with (found, segments, seconds); the result is kept only without it

    Raises
    ------
    IncompleteError
        If fewer points than expected were found within the budget.
    """
    if progress is None:
        fiber = _kept_fiber(family, rank, seed, budget)
    else:
        fiber = _search(family, rank, seed, budget, progress)
    count, source = expected_count(family, rank)
    if fiber.count != count:
        raise IncompleteError(
            f"{fiber.count} of {count} generic critical points of rank {rank} were found "
            f"({fiber.complete_reason}; the count is the {source}): give a larger budget"
        )
    return fiber


def track_to(
    loss: Loss,
    rank: int,
    seed: int = 0,
    budget: float = 60.0,
    progress: Callable[[int, int, float], None] | None = None,
) -> Candidates:
    """Follow the generic critical points of rank r to a given loss.

    Paths that do not arrive, or arrive where another one did, are tried again along another
    path: the generic parameters are multiplied by a complex number, which keeps their solutions
    because the gradient is linear in them.

    Parameters
    ----------
    loss : weighted or quadratic, on m×n matrices with m ≤ n
    rank : 1 ≤ r < m
    """
    import numpy as np

    from detvar.homotopy.tracker import TrackOptions, track

    begin = perf_counter()
    family = family_of(loss)
    made = rank_system(family, rank)
    fiber = generic_fiber(family, rank, seed, budget, progress)
    exact = family.parameters(loss)
    goal = np.array([float(x) for x in exact], dtype=np.complex128)
    # parameters of one size keep the paths short: the equations are homogeneous in them
    goal_size, generic_size = np.abs(goal).max(), np.abs(fiber.parameters).max()
    rng = np.random.default_rng([seed, 77])
    expected, source = expected_count(family, rank)
    points = np.empty((0, made.unknowns), dtype=np.complex128)
    charts = np.empty(0, dtype=np.int64)
    paths = lost = quiet = 0
    for k in range(_ROUNDS):
        turn = np.exp(2j * np.pi * rng.random()) if k else 1.0
        found = track(
            made.system,
            fiber.points,
            fiber.parameters * (turn * goal_size / generic_size),
            goal,
            options=TrackOptions() if k == 0 else TrackOptions().careful(),
            charts=made,
            start_charts=fiber.charts,
        )
        paths += len(found.x)
        ok = found.success
        if k == 0:
            lost = int((~ok).sum())
        x, ids = made.switch(found.x[ok], found.charts[ok])
        known = len(points)
        points, charts = _merge(made, points, charts, x, ids)
        quiet = quiet + 1 if len(points) == known else 0
        if len(points) == expected or quiet == 2:
            break
    return Candidates(
        made, points, charts, exact, expected, source, paths, lost, perf_counter() - begin
    )


def _merge(made: RankSystem, x: Any, ids: Any, more: Any, more_ids: Any) -> tuple[Any, Any]:
    """Return the points of both lists, those of equal matrices once."""
    import numpy as np

    if not len(more):
        return x, ids
    out = np.concatenate([x, more])
    out_ids = np.concatenate([ids, more_ids])
    w = made.matrices(out, out_ids).reshape(len(out), -1)
    size = 1 + np.abs(w).max(axis=1)
    # a random functional sorts the points; equal ones become neighbours
    rng = np.random.default_rng(5)
    key = (w @ (rng.standard_normal(w.shape[1]) + 1j * rng.standard_normal(w.shape[1]))).real
    order = np.argsort(key, kind="stable")
    keep: list[int] = []
    for i in order:
        same = False
        for j in reversed(keep):
            if key[i] - key[j] > _SAME * 10 * len(w[0]) * max(size[i], size[j]):
                break
            if np.abs(w[i] - w[j]).max() <= _SAME * size[i]:
                same = True
                break
        if not same:
            keep.append(int(i))
    return out[keep], out_ids[keep]
