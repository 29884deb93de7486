"""All critical points of an algebraic loss on M_r: tracked, certified, counted, compared.

Rank by rank: the points of rank e < r are critical on their own stratum only; over them lie
spurious critical points of networks.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any

from detvar.critical.certified import CertifiedPoints
from detvar.critical.certified_point import CertifiedPoint, middle
from detvar.critical.certifying import certified, exact_point
from detvar.critical.completeness import report_on
from detvar.critical.families import QuadraticFamily, family_of, transposed
from detvar.critical.global_minimum import with_global_minimum
from detvar.critical.reports import RankReport
from detvar.critical.tracked import Watcher, track_to
from detvar.critical.weights_over import gradient_discs
from detvar.errors import InputError, PositiveDimensionalError
from detvar.exact.matrices import inverse, is_zero, rank, unvec, vec, zeros
from detvar.exact.rational import Rational
from detvar.losses import ExpressionLoss, LikelihoodLoss, Loss, PowerLoss
from detvar.networks.linear import LinearNetwork
from detvar.varieties import DeterminantalVariety

_SMALLEST = Rational(1, 10**60)  # floating point reaches further, products of five do not
_EXACT = "found by linear algebra"


def search_critical_points(
    variety: DeterminantalVariety,
    loss: Loss,
    network: LinearNetwork | None = None,
    seed: int = 0,
    budget: float = 60.0,
    progress: Watcher | None = None,
) -> CertifiedPoints:
    """Return the critical points of an algebraic loss on M_r, rank by rank.

    When the budget ends, or on an interrupt, what has been certified is returned, marked
    incomplete.

    Raises
    ------
    InputError
        If the loss cannot be tracked.
    PositiveDimensionalError
        If the critical points are not isolated.
    """
    begin = perf_counter()
    require_tractable(loss)
    wide, problem = widened(variety, loss)
    reports: list[RankReport] = []
    collected: list[CertifiedPoint] = []
    for e in range(wide.rank, -1, -1):
        found = solved_by_hand(problem, e, wide.max_rank)
        if found is not None:
            reports.append(by_hand(e, found))
            collected += found
        elif reports and reports[-1].was_interrupted:
            reports.append(_not_searched(problem, e))
        else:
            left = max(budget - (perf_counter() - begin), 0.0)
            candidates = track_to(problem, e, seed, left, progress)
            proved = certified(candidates, problem)
            left = budget - (perf_counter() - begin)
            reports.append(report_on(candidates, proved, problem, left))
            collected += proved.points
    return result_of(variety, loss, network, collected, reports, seed, perf_counter() - begin)


def by_hand(e: int, found: list[CertifiedPoint]) -> RankReport:
    """Return the report on a rank that `solved_by_hand` has done."""
    return RankReport(e, len(found), _EXACT, len(found), proof=_EXACT, real_proof=_EXACT)


def _not_searched(loss: Loss, e: int) -> RankReport:
    expected, source = family_of(loss).expected(e)
    return RankReport(e, expected, source, 0, evidence=("not searched: interrupted",))


def widened(variety: DeterminantalVariety, loss: Loss) -> tuple[DeterminantalVariety, Loss]:
    """Return the problem with at most as many rows as columns, as the charts need it."""
    if variety.rows <= variety.columns:
        return variety, loss
    turned = DeterminantalVariety(variety.columns, variety.rows, variety.rank)
    return turned, transposed(loss)


def result_of(
    variety: DeterminantalVariety,
    loss: Loss,
    network: LinearNetwork | None,
    points: list[CertifiedPoint],
    reports: list[RankReport],
    seed: int,
    seconds: float,
) -> CertifiedPoints:
    """Turn points of the widened problem back, judge them as points of M_r, and compare values."""
    if variety.rows > variety.columns:
        points = [_turned(p) for p in points]
    judged = [_on_the_variety(p, variety.rank, loss, network) for p in points]
    judged.sort(key=_place)  # the order of the paths is of no interest
    every = all(r.real_proof is not None for r in reports)
    named, ties = with_global_minimum(judged, loss, every)
    return CertifiedPoints(
        variety, loss, tuple(named), tuple(reports), network, ties, seed, seconds
    )


def require_tractable(loss: Loss) -> None:
    """Refuse losses that are not algebraic, blind to a row or column, or out of range."""
    m, n = loss.shape
    family = family_of(loss)
    if loss.reduce(LinearNetwork(n, max(m, n), m)).changed:
        raise PositiveDimensionalError(
            "the loss does not see some row or column of W, so its critical points are not "
            "isolated: drop that row or column from the data"
        )
    numbers = family.parameters(loss)
    if any(x and not _SMALLEST < abs(x) < 1 / _SMALLEST for x in numbers):
        raise InputError("the data are too large or too small to track: rescale them")


def solved_by_hand(loss: Loss, e: int, full: int) -> list[CertifiedPoint] | None:
    """Return the critical points of rank e where linear algebra finds them, otherwise None.

    Rank 0: the zero matrix, where the loss is defined. Full rank: quadratic losses have one
    critical matrix if their form is regular, power losses the target, likelihoods u/u₊₊.
    """
    m, n = loss.shape
    origin = zeros(m, n)
    if e == 0:
        if isinstance(loss, LikelihoodLoss):
            return []
        try:
            loss.gradient(origin)
        except InputError:
            return []  # a denominator vanishes
        return [exact_point(loss, origin)]
    if e < full:
        return None
    if isinstance(loss, LikelihoodLoss):
        counts = loss.counts
        total = sum(counts.entries(), Rational(0))
        if any(not u for u in counts.entries()) or rank(counts) < e:
            return []
        return [exact_point(loss, counts / total)]
    if isinstance(loss, PowerLoss):
        return [exact_point(loss, loss.target)] if rank(loss.target) == e else []
    if isinstance(family_of(loss), QuadraticFamily):
        form = loss.hessian(origin)
        if rank(form) < m * n:
            raise PositiveDimensionalError(
                "the quadratic form is singular, so the critical matrices of full rank are not "
                "isolated: ask for a smaller rank, or give a regular form"
            )
        target = unvec((-(inverse(form) * vec(loss.gradient(origin)))).entries(), m, n)
        return [exact_point(loss, target)] if rank(target) == e else []
    assert isinstance(loss, ExpressionLoss)
    return None


def _place(p: CertifiedPoint) -> tuple[Any, ...]:
    """By falling rank, real points first, by value; then by the entries."""
    entries = tuple((round(z.real, 6), round(z.imag, 6)) for row in p.center for z in row)
    return (-p.rank, not p.is_real, round(middle(p), 9), entries)


def _turned(p: CertifiedPoint) -> CertifiedPoint:
    """Return the point with W transposed."""
    exact = None if p.exact is None else p.exact.transpose()
    return replace(p, center=tuple(zip(*p.center, strict=True)), exact=exact)


def _on_the_variety(
    p: CertifiedPoint, bound: int, loss: Loss, network: LinearNetwork | None
) -> CertifiedPoint:
    """Return the point as one of M_r, and of a network.

    Below rank r it is critical on its own stratum only, unless ∇ℓ = 0; critical weights over it
    are then spurious, and general ones are strict saddles.
    """
    if p.rank == bound or (p.exact is not None and is_zero(loss.gradient(p.exact))):
        return p if network is None else replace(p, kind="pure")
    if not p.is_real:
        return p
    if network is None or not has_gradient(p, loss):
        return replace(p, nature="lower_rank")
    saddle = network.depth > 1
    return replace(p, nature="strict_saddle" if saddle else "lower_rank", kind="spurious")


def has_gradient(p: CertifiedPoint, loss: Loss) -> bool:
    """Say whether ∇ℓ ≠ 0 at the point is proved."""
    if p.exact is not None:
        return not is_zero(loss.gradient(p.exact))
    return any(abs(z) > r * (1 + 1e-9) for row in gradient_discs(loss, p) for z, r in row)
