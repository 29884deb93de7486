"""All real critical points of an analytic loss on M_r: proposed, proved, and proved complete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import comb
from time import perf_counter
from typing import Any

from detvar.critical.analytic.atlas import Atlas
from detvar.critical.analytic.flat import FlatMinimum, flat_minimum
from detvar.critical.analytic.infinity import AtInfinity, at_infinity
from detvar.critical.analytic.judging import (
    is_strict_minimum_at_zero,
    on_the_variety,
    point_of,
    zero_point,
)
from detvar.critical.analytic.oriented import Oriented
from detvar.critical.analytic.prune import Covering, branch_and_prune
from detvar.critical.analytic.slices import Slices, whole_range
from detvar.critical.certified import CertifiedPoints
from detvar.critical.certified_point import CertifiedPoint, middle
from detvar.critical.reports import RankReport
from detvar.losses import Loss
from detvar.networks.linear import LinearNetwork
from detvar.varieties import DeterminantalVariety

SOURCE = "no count is known for losses that are not algebraic"
_MOST_SLOPES = 4
_MOST_COORDINATES = 5  # of the lower ranks of filling networks, which hold saddles only
_STARTS = 48

Watcher = Callable[[Any], None]
Propose = Callable[[Atlas, int, int], Any]


@dataclass
class Stage:
    """What is known of one rank while the search goes on."""

    atlas: Atlas
    covering: Covering | None = None
    proof: str | None = None
    evidence: tuple[str, ...] = ()
    flat: FlatMinimum | None = None
    is_skipped: bool = False


def search_analytic_points(
    variety: DeterminantalVariety,
    loss: Loss,
    network: LinearNetwork | None = None,
    seed: int = 0,
    budget: float = 60.0,
    progress: Watcher | None = None,
) -> CertifiedPoints:
    """Return the real critical points of an analytic loss on M_r, rank by rank.

    For every rank e the zeros of the gradient in the charts P[I; A]B are proposed by Newton's
    method from many starts and proved by Krawczyk's test. For a convex loss and at most 4 entries
    of A, branch and prune then proves that there is no other. On effective matrices of full rank
    the theorem of Laurent and von Brecht replaces the search: every local minimum is the
    minimum of the convex ℓ, and that is one damped Newton method.

    When the budget ends, or on an interrupt, what has been proved is returned, marked incomplete.

    References
    ----------
    Krawczyk (1969); Laurent & von Brecht (2018), All local minima are global.
    """
    begin = perf_counter()

    def propose(atlas: Atlas, k: int, e: int) -> Any:
        import numpy as np

        from detvar.critical.analytic.newton import proposals

        chart = atlas.charts[k]
        rng = np.random.default_rng([seed, e, k])
        count = 4 if convex and not chart.slopes else _STARTS
        return proposals(chart, rng, count, convex)

    convex = _is_convex(loss)
    problem, bound = effective(variety, loss, network)
    missing = at_infinity(problem.loss, bound) if convex else None
    stages = explored(problem, bound, propose, _clock(begin, budget), progress)
    if convex:
        prove_complete(problem, stages, missing, begin + budget, progress)
    seconds = perf_counter() - begin
    return result_of(variety, loss, network, stages, missing, seed, seconds)


def effective(
    variety: DeterminantalVariety, loss: Loss, network: LinearNetwork | None
) -> tuple[Oriented, int]:
    """Return the effective loss, and the largest rank of an effective matrix."""
    within = network or LinearNetwork(variety.columns, max(variety.rank, 1), variety.rows)
    small = loss.reduce(within).loss
    problem = Oriented(small)
    return problem, min(variety.rank, problem.shape[0])


def _is_convex(loss: Any) -> bool:
    return loss.convexity().answer is True


def _clock(begin: float, budget: float) -> Callable[[], float]:
    return lambda: budget - (perf_counter() - begin)


def explored(
    problem: Oriented,
    bound: int,
    propose: Propose,
    left: Callable[[], float],
    progress: Watcher | None,
) -> dict[int, Stage]:
    """Prove what is proposed in all charts of all ranks, from the largest rank down."""
    begin = perf_counter()
    stages = {e: Stage(Atlas(problem, e)) for e in range(bound, 0, -1)}
    filling = bound == problem.shape[0] and _is_convex(problem.loss)
    for e, stage in stages.items():
        atlas = stage.atlas
        if filling and e < bound and atlas.charts[0].size > _MOST_COORDINATES:
            stage.is_skipped = True
            stage.evidence = ("not searched: points of lower rank with ∇ℓ ≠ 0 are saddles",)
            continue
        try:
            for k in range(len(atlas.charts)):
                if left() < 0:
                    stage.evidence = ("the budget ended before all charts were searched",)
                    break
                for x in propose(atlas, k, e):
                    if not atlas.is_near(k, x):
                        atlas.add(k, x.tolist())
                _tell(progress, atlas, e, begin)
        except KeyboardInterrupt:
            for rest in range(e, 0, -1):
                stages[rest].evidence = ("interrupted",)
            break
    return stages


def prove_complete(
    problem: Oriented,
    stages: dict[int, Stage],
    missing: AtInfinity | None,
    end: float,
    progress: Watcher | None,
) -> None:
    """Branch and prune over the slopes A of all charts, for every rank where that is possible.

    If ∇ℓ(0) = 0, every critical W of a convex ℓ is a minimum, as it is tangent to M_e at itself:
    ⟨∇ℓ(W), W⟩ = 0, so ℓ(W) ≤ ℓ(0). Where ∇²ℓ(0) is positive definite, that leaves W = 0.
    """
    begin = perf_counter()
    only_zero = is_strict_minimum_at_zero(problem)
    for e, stage in stages.items():
        atlas = stage.atlas
        slopes = atlas.charts[0].slopes
        if stage.evidence and "interrupted" in stage.evidence[0]:
            return
        if stage.is_skipped:
            continue
        if missing is not None and missing.rank <= e:
            if slopes:
                stage.evidence += ("not coercive on this rank, so not searched exhaustively",)
            else:
                stage.proof = "∇ℓ has no zero: ℓ decreases along a direction from every matrix"
            continue
        if only_zero:
            stage.proof = "ℓ is convex with a strict minimum at 0, and a critical W has ℓ(W) ≤ ℓ(0)"
            continue
        if not slopes:
            stage.flat = flat_minimum(problem.loss, e)
        if stage.flat is not None:
            stage.proof = (
                "the minima are an affine space, of which one is listed: ℓ does not see a space of "
                f"directions of dimension {stage.flat.dimension}"
            )
            continue
        if slopes > _MOST_SLOPES:
            stage.evidence += (
                f"not searched exhaustively: A has {slopes} entries, more than {_MOST_SLOPES}",
            )
            continue
        here, rank = atlas, e

        def tick(here: Atlas = here, rank: int = rank) -> None:
            _tell(progress, here, rank, begin)

        stage.covering = branch_and_prune(
            atlas, whole_range(atlas), Slices(), end - perf_counter(), tick=tick
        )
        if stage.covering.reason == "interrupted":
            return


def _tell(progress: Watcher | None, atlas: Atlas, e: int, begin: float) -> None:
    from detvar.homotopy.progress import Progress

    if progress is not None:
        found = len(atlas.points)
        progress(Progress(e, found, None, None, perf_counter() - begin))


def result_of(
    variety: DeterminantalVariety,
    loss: Loss,
    network: LinearNetwork | None,
    stages: dict[int, Stage],
    missing: AtInfinity | None,
    seed: int,
    seconds: float,
) -> CertifiedPoints:
    """Judge the points as points of M_r, and compare their values."""
    problem, bound = effective(variety, loss, network)
    convex = _is_convex(loss)
    depth = None if network is None else network.depth
    points = [point_of(f, problem, convex) for s in stages.values() for f in s.atlas.points]
    points += [s.flat.point for s in stages.values() if s.flat is not None]
    reports = [_report(e, s, problem) for e, s in stages.items()]
    origin = zero_point(problem, convex)
    reports.append(_report_on_zero(origin))
    points += [] if origin is None else [origin]
    judged = sorted((on_the_variety(p, problem, bound, depth) for p in points), key=_place)
    attained = convex and missing is None and all(x.is_complete for x in reports)
    named, ties = with_smallest_value(judged) if attained else (judged, ())
    if depth is not None:
        named = [p if p.kind else _with_kind(p, bound == problem.shape[0]) for p in named]
    return CertifiedPoints(
        variety, loss, tuple(named), tuple(reports), network, ties, seed, seconds, missing
    )


def with_smallest_value(
    points: Sequence[CertifiedPoint],
) -> tuple[list[CertifiedPoint], tuple[int, ...]]:
    """Name the point with the smallest value, or return the places of those that may have it.

    The points are all critical points of all ranks, and ℓ is known to attain its minimum.
    """
    out = list(points)
    if any(p.value is None for p in out) or any(p.nature == "global_minimum" for p in out):
        return out, ()
    high = min(p.value[1] for p in out if p.value is not None)
    best = [k for k, p in enumerate(out) if p.value is not None and p.value[0] <= high]
    if len(best) > 1:
        return out, tuple(best)
    out[best[0]] = replace(out[best[0]], nature="global_minimum")
    return out, ()


def _with_kind(p: CertifiedPoint, is_filling: bool) -> CertifiedPoint:
    """Say what critical weights over a global minimum of lower rank are: there ∇ℓ = 0."""
    if p.nature != "global_minimum":
        return p
    return replace(p, kind="pure" if is_filling else "spurious")


def _report_on_zero(origin: CertifiedPoint | None) -> RankReport:
    proof = "the zero matrix" if origin is not None else "ℓ is not defined at 0"
    found = int(origin is not None)
    return RankReport(0, None, SOURCE, found, proof=proof, real_proof=proof)


def _report(e: int, stage: Stage, problem: Oriented) -> RankReport:
    """Say what is proved of one rank."""
    atlas, covering = stage.atlas, stage.covering
    charts, slopes = len(atlas.charts), atlas.charts[0].slopes
    evidence = list(stage.evidence)
    known = problem.loss.convexity()
    if not slopes and known.answer is True:
        evidence.append(f"every local minimum is global, as ℓ is convex ({known.reason})")
    proof = stage.proof
    if covering is not None and covering.is_complete:
        if slopes:
            proof = (
                f"branch and prune over the slopes of {charts} charts: {covering.boxes} boxes, all "
                "without a zero of ∇ℓ, or around one point proved unique"
            )
        else:
            proof = "the minimum is a regular zero of ∇ℓ"
            if not all(f.has_rank for f in atlas.points):
                proof += ", of this rank or a smaller one"
    elif covering is not None:
        left = f"{covering.left} left of {covering.boxes} boxes looked at"
        evidence.append(f"branch and prune: {left}, as {covering.reason}")
    if atlas.doubtful:
        proof = None
        evidence.append(f"{atlas.doubtful} points not told from another one")
    if atlas.lower:
        proof = None
    assert charts == comb(problem.shape[0], e)
    return RankReport(
        e,
        None,
        SOURCE,
        len(atlas.points) + (stage.flat is not None),
        lower=tuple((k, tuple(complex(x) for x in z.point)) for k, z in atlas.lower),
        lower_real=len(atlas.lower),
        failed=0 if proof else atlas.failed,  # Newton's method may miss where nothing is missing
        proof=proof,
        real_proof=proof,
        evidence=tuple(evidence),
    )


def _place(p: CertifiedPoint) -> tuple[Any, ...]:
    """By falling rank, by value, then by the entries."""
    return (-p.rank, middle(p), [z.real for row in p.center for z in row])
