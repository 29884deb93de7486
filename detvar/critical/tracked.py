"""From a generic member of a family to one loss: all critical points of rank r, numerically.

The generic fiber is found once by monodromy, up to the count that theory predicts, or until
monodromy and the trace test find nothing more; its points are then followed to the loss in
question.  What comes back are candidates; `detvar.critical.certifying` decides what they are worth.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any

from detvar.critical.families import Family, family_of
from detvar.critical.rank_system import RankSystem
from detvar.errors import IncompleteError
from detvar.exact.rational import Rational
from detvar.losses import Loss

if TYPE_CHECKING:
    from detvar.homotopy.monodromy import Fiber
    from detvar.homotopy.progress import Progress

Watcher = Callable[["Progress"], None]
_ROUNDS = 6
_SAME = 1e-7
_KEPT = 16
_MOST_PATHS = 4000
_MOST_EDGES = 64
_TRACE = 2e-14


@dataclass(frozen=True, eq=False)
class Candidates:
    """Approximate critical points of rank r of one loss.

    Attributes
    ----------
    system : RankSystem
    x : (d, N) complex, in the charts
    charts : (d,) int
    parameters : exact parameters of the loss, in chart 0
    fiber : what was found over a generic member of the family; None without tracking
    paths : number of paths followed to the loss, all rounds together
    lost : paths of the first round that did not arrive
    stuck : (x, chart) where these paths ended
    interrupted : whether time ran out, or the user stopped the search
    evidence : sentences on how the search went
    """

    system: RankSystem
    x: Any
    charts: Any
    parameters: list[Rational]
    fiber: Fiber | None = None
    paths: int = 0
    lost: int = 0
    stuck: tuple[tuple[Any, int], ...] = ()
    interrupted: bool = False
    evidence: tuple[str, ...] = ()

    @property
    def generic(self) -> int:
        """Number of points over the generic member."""
        return 0 if self.fiber is None else self.fiber.count


@lru_cache(maxsize=_KEPT)
def rank_system(family: Family, rank: int) -> RankSystem:
    """Return the critical equations of a family; their programs are made once and kept."""
    return RankSystem(family, rank)


_fibers: OrderedDict[tuple[Family, int, int], Fiber] = OrderedDict()


def search_fiber(
    family: Family,
    rank: int,
    seed: int = 0,
    budget: float = 60.0,
    progress: Watcher | None = None,
) -> Fiber:
    """Return the critical points of rank r of a random complex member of a family.

    Complete fibers are kept and returned at once the next time; an incomplete one says why in
    `complete_reason`.
    """
    from detvar.homotopy.monodromy import monodromy
    from detvar.homotopy.progress import Progress

    key = (family, rank, seed)
    if key in _fibers:
        _fibers.move_to_end(key)
        return _fibers[key]
    made = rank_system(family, rank)
    expected = family.expected(rank)[0]

    def watch(found: int, _: int, seconds: float) -> None:
        assert progress is not None
        progress(Progress(rank, found, expected, None, seconds))

    begin = perf_counter()
    edges, tested = 4, expected is not None
    while True:
        fiber = monodromy(
            made.system,
            start=made.start(seed),
            charts=made,
            seed=seed,
            target=expected,
            budget=budget - (perf_counter() - begin),
            edges=edges,
            progress=None if progress is None else watch,
        )
        # without a count, edges are added until the trace test passes
        if tested or not fiber.complete or edges >= _MOST_EDGES:
            break
        if trace_gap(made, fiber, seed) < _TRACE:
            break
        edges *= 4
    if fiber.complete:
        _fibers[key] = fiber
        while len(_fibers) > _KEPT:
            _fibers.popitem(last=False)
    return fiber


def forget_fibers() -> None:
    """Drop the generic fibers that are kept."""
    _fibers.clear()


def generic_fiber(
    family: Family,
    rank: int,
    seed: int = 0,
    budget: float = 60.0,
    progress: Watcher | None = None,
) -> Fiber:
    """Return the complete generic fiber of a family whose count is known.

    Parameters
    ----------
    family : Family
    rank : 1 ≤ r ≤ m
    seed, budget : of the monodromy search; seconds
    progress : called with the state of the search

    Raises
    ------
    IncompleteError
        If fewer points than expected were found within the budget.
    """
    fiber = search_fiber(family, rank, seed, budget, progress)
    count, source = family.expected(rank)
    if not fiber.complete or (count is not None and fiber.count != count):
        known = f"the count is the {source}" if count is not None else "no count is known"
        raise IncompleteError(
            f"{fiber.count} of {'?' if count is None else count} generic critical points of rank "
            f"{rank} were found ({fiber.complete_reason}; {known}): give a larger budget"
        )
    return fiber


def track_to(
    loss: Loss,
    rank: int,
    seed: int = 0,
    budget: float = 60.0,
    progress: Watcher | None = None,
) -> Candidates:
    """Follow the generic critical points of rank r to a given loss.

    Paths that do not arrive, or arrive where another one did, are tried again along other paths,
    from other multiples of the generic parameters where these have the same critical points.
    When time runs out, or on an interrupt, what has arrived is returned, and the evidence says so.

    Parameters
    ----------
    loss : of a family, on m×n matrices with m ≤ n
    rank : 1 ≤ r ≤ m
    """
    import numpy as np

    from detvar.homotopy.progress import Progress
    from detvar.homotopy.tracker import Status, TrackOptions, track

    begin = perf_counter()
    family = family_of(loss)
    made = rank_system(family, rank)
    fiber = search_fiber(family, rank, seed, budget, progress)
    # what is left of the budget, but enough to use what the search has found
    budget = max(budget - (perf_counter() - begin), 0.5)
    exact = family.parameters(loss)
    goal = np.array([float(x) for x in exact], dtype=np.complex128)
    evidence: list[str] = []
    if not fiber.complete:
        reason = fiber.complete_reason
        # of the whole budget a part was left for this search
        reason = "the budget ended" if reason.startswith("the budget") else reason
        evidence.append(f"the generic fiber is incomplete: {reason}")
    if fiber.complete and family.expected(rank)[0] is None:
        gap = trace_gap(made, fiber, seed)
        passed = "passed" if gap < _TRACE else "not passed"
        evidence.append(f"{fiber.count} generic points, trace test {passed} ({gap:.0e})")
    turns = made.system.is_homogeneous_in_parameters
    size = np.abs(goal).max() / np.abs(fiber.parameters).max() if turns else 1.0
    rng = np.random.default_rng([seed, 77])
    points = np.empty((0, made.unknowns), dtype=np.complex128)
    charts = np.empty(0, dtype=np.int64)
    stuck: tuple[tuple[Any, int], ...] = ()
    stopped, paths, quiet = not fiber.complete, 0, 0
    start = perf_counter()
    for k in range(_ROUNDS):
        # parameters of one size keep the paths short, where scaling them is allowed
        turn = np.exp(2j * np.pi * rng.random()) if k and turns else 1.0
        try:
            found = track(
                made.system,
                fiber.points,
                fiber.parameters * (turn * size),
                goal,
                options=TrackOptions() if k == 0 else TrackOptions().careful(),
                charts=made,
                start_charts=fiber.charts,
                stop=lambda: perf_counter() - start > budget,
            )
        except KeyboardInterrupt:
            evidence.append("interrupted")
            stopped = True
            break
        paths += len(found.x)
        ok = found.success
        if k == 0:
            stuck = tuple(zip(found.x[~ok], found.charts[~ok].tolist(), strict=True))
        x, ids = made.switch(found.x[ok], found.charts[ok])
        known = len(points)
        points, charts = _merge(made, points, charts, x, ids)
        if progress is not None:
            real = _looks_real(made.invariant(points, charts))
            seconds = perf_counter() - begin
            progress(Progress(rank, len(points), fiber.count, int(real.sum()), seconds))
        if (found.status == Status.UNFINISHED).any():
            evidence.append("the budget ended before all paths arrived")
            stopped = True
            break
        quiet = quiet + 1 if len(points) == known else 0
        if len(points) == fiber.count or quiet == 2 or (k == 1 and not turns):
            break
    lost = len(stuck)
    return Candidates(
        made, points, charts, exact, fiber, paths, lost, stuck, stopped, tuple(evidence)
    )


def trace_gap(made: RankSystem, fiber: Fiber, seed: int) -> float:
    """Return how far Σ W over the fiber is from affine along a line of linear terms.

    The linear terms are the last mn parameters of a family whose count is not known.
    """
    import numpy as np

    from detvar.homotopy.homotopies import linear_trace

    k = made.family.rows * made.family.columns
    direction = np.zeros(made.family.parameter_count, dtype=np.complex128)
    rng = np.random.default_rng([seed, 78])
    direction[-k:] = rng.standard_normal(k) + 1j * rng.standard_normal(k)
    return linear_trace(made.system, fiber, direction, charts=made)


def total_degree_test(candidates: Candidates, degree: int) -> str | None:
    """Count the generic points a second time, by a total-degree homotopy, if it is short enough.

    Parameters
    ----------
    degree : of the loss, a polynomial; the equations have degree 2·degree − 1
    """
    from detvar.homotopy.homotopies import total_degree

    fiber, system = candidates.fiber, candidates.system.system
    if fiber is None or (2 * degree - 1) ** system.variables > _MOST_PATHS:
        return None
    found = total_degree(system, fiber.parameters)
    return f"total degree: {found.paths} paths, {len(found.solutions)} of them to generic points"


def _looks_real(w: Any) -> Any:
    import numpy as np

    return np.abs(w.imag).max(axis=1, initial=0) <= 1e-8 * np.abs(w).max(axis=1, initial=0)


def _merge(made: RankSystem, x: Any, ids: Any, more: Any, more_ids: Any) -> tuple[Any, Any]:
    """Return the points of both lists, those of equal matrices and frames once."""
    import numpy as np

    from detvar.homotopy.distinct import PointSet

    if not len(more):
        return x, ids
    out, out_ids = np.concatenate([x, more]), np.concatenate([ids, more_ids])
    key = made.flags(out, out_ids)
    numbers = PointSet(key.shape[1]).add(key)
    _, first = np.unique(numbers, return_index=True)
    return out[first], out_ids[first]
