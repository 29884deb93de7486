"""Is a critical point missing?  What proves that none is, rank by rank.

Three proofs are known here.  (1) A theorem gives the count N of a generic member of the family,
and N certified, distinct points are there.  Certified zeros are simple, so each of them persists
to nearby members; these have N zeros; and as the pairs (zero, member) form an irreducible variety
every zero of the member at hand is a limit of them.  (2) The critical equations are solved by
elimination over Q.  (3) The equations are counted by a Gröbner basis modulo primes.
"""

from __future__ import annotations

from detvar.critical.certifying import Certified
from detvar.critical.dimension import local_dimension
from detvar.critical.elimination import univariate_critical_points
from detvar.critical.exact_count import exact_count
from detvar.critical.families import is_univariate
from detvar.critical.reports import RankReport
from detvar.critical.tracked import Candidates, total_degree_test
from detvar.errors import DetvarError, PositiveDimensionalError
from detvar.exact.msolve import find_msolve
from detvar.losses import Loss, is_polynomial

_LEAST_SECONDS, _FLINT = 1.0, 12


def report_on(
    candidates: Candidates, found: Certified, loss: Loss, budget: float, recount: bool = True
) -> RankReport:
    """Return the count of one rank with a proof that it is complete, where there is one.

    Parameters
    ----------
    candidates, found : what was tracked, and what was certified of it
    loss : on m×n matrices, m ≤ n
    budget : seconds for an exact count, if no theorem proves that the list is complete
    recount : whether to try an exact count

    Raises
    ------
    PositiveDimensionalError
        If the critical points are not isolated.
    """
    made = candidates.system
    e, here, lower = made.rank, len(found.points), len(found.lower)
    expected, source = made.family.expected(e)
    proof = real_proof = None
    evidence = list(candidates.evidence)
    if found.distinct and expected == here:
        proof = f"the {source} is reached"
    elif found.distinct and expected == here + lower and found.lower_real == 0:
        real_proof = (
            f"with {lower} zeros of lower or unproved rank, none of them real, "
            f"the {source} is reached"
        )
    if proof is None and not candidates.interrupted:
        if recount and found.distinct:
            proof, seen, more = _eliminated(loss, e, found)
            real_proof = real_proof or seen
            if proof is None:
                proof, counted = _recounted(loss, e, here, budget)
                more += counted
            evidence += more
        if proof is None and here + lower < candidates.generic:
            _refuse_families(candidates, found)
        if proof is None and expected is None and is_polynomial(loss):
            second = total_degree_test(candidates, loss.degree)
            evidence += [] if second is None else [second]
    return RankReport(
        rank=e,
        expected=expected,
        source=source,
        found=here if found.distinct else 0,
        lower=found.lower,
        lower_real=found.lower_real,
        failed=len(found.failed),
        generic=candidates.generic,
        paths=candidates.paths,
        lost=candidates.lost,
        proof=proof,
        real_proof=proof or real_proof,
        evidence=tuple(evidence),
    )


def _refuse_families(candidates: Candidates, found: Certified) -> None:
    """Raise if paths ended on a family of critical points."""
    import numpy as np

    goal = np.array([float(x) for x in candidates.parameters], dtype=np.complex128)
    ends = [*found.failed, *((chart, x) for x, chart in candidates.stuck)]
    for chart, x in ends[:50]:
        size = local_dimension(candidates.system, x, chart, goal)
        if size:
            raise PositiveDimensionalError(
                f"the critical points of rank {candidates.system.rank} are not isolated: paths end "
                f"on a family of dimension {size} (seen numerically), so there is no list of them; "
                "break the symmetry of the data, or look at the family itself"
            )


def _eliminated(loss: Loss, e: int, found: Certified) -> tuple[str | None, str | None, list[str]]:
    """Return proofs for all points, and for the real ones, by elimination, and what else it says.

    Definite quadratic losses on 2×n matrices of rank 1 come down to one polynomial over Q.
    """
    if not is_univariate(loss, e):
        return None, None, []
    exact = univariate_critical_points(loss)
    said = f"{exact.distinct_count} roots of one polynomial over Q"
    if exact.distinct_count == exact.complex_count == len(found.points):
        return said, said, []
    real = sum(bool(p.is_real) for p in found.points)
    if real == len(exact.points) and all(p.is_real is not None for p in found.points):
        return None, f"{real} real directions by elimination over Q", []
    return None, None, [f"{len(exact.points)} real points by elimination over Q"]


def _recounted(loss: Loss, e: int, here: int, budget: float) -> tuple[str | None, list[str]]:
    """Return a proof by an exact count, and what else it says."""
    if budget < _LEAST_SECONDS:
        return None, ["no time was left for an exact count"]
    if here > _FLINT and find_msolve() is None:  # a basis over Q would take minutes
        return None, ["no exact count: it needs the program msolve, which is not installed"]
    try:
        exact = exact_count(loss, e, budget=budget, distinct=False)
    except DetvarError as error:
        return None, [f"no exact count ({error})"]
    if exact.count is None:
        raise PositiveDimensionalError(
            f"the critical points of rank {e} are not isolated: they form a set of dimension "
            f"{exact.dimension} ({exact.source}), so there is no list of them"
        )
    if here == exact.count:  # certified zeros are simple
        return str(exact), []
    return None, [str(exact)]
