"""A saved list of critical points, certified again from its matrices and the problem alone."""

from __future__ import annotations

from typing import Any

from detvar.classify.certificate import CheckReport
from detvar.critical.analytic.recheck import disagreement, searched_again
from detvar.critical.certified import CertifiedPoints
from detvar.critical.certified_point import CertifiedPoint
from detvar.critical.certifying import certified
from detvar.critical.completeness import report_on
from detvar.critical.families import family_of
from detvar.critical.reports import RankReport
from detvar.critical.search import by_hand, require_tractable, result_of, solved_by_hand, widened
from detvar.critical.tracked import Candidates, rank_system
from detvar.errors import InputError
from detvar.losses import Loss, is_analytic


def recertify(saved: CertifiedPoints) -> CheckReport:
    """Certify a saved list of critical points from its matrices and the problem alone.

    Every saved matrix is the start of Krawczyk's test (or, if exact, put into the equations);
    counts, distinctness, natures and the claim of completeness are derived again and compared.
    Nothing is tracked, no random choice is made. For a loss that is not algebraic the branch and
    prune that proves completeness is done again.
    """
    if is_analytic(saved.loss):
        again = searched_again(saved)
        refused = disagreement(saved, again)
        if refused is not None:
            return CheckReport(False, (*again.certificates, f"refused: {refused}"))
        return _compared(saved, again)
    return _compared(saved, _tracked_again(saved))


def _tracked_again(saved: CertifiedPoints) -> CertifiedPoints:
    variety, loss = saved.variety, saved.loss
    require_tractable(loss)
    wide, problem = widened(variety, loss)
    points: list[CertifiedPoint] = []
    reports: list[RankReport] = []
    for e in range(wide.rank, -1, -1):
        found = solved_by_hand(problem, e, wide.max_rank)
        if found is None:
            old = next((x for x in saved.reports if x.rank == e), None)
            candidates = _candidates_at(_matrices(saved, e), old, problem, e)
            proved = certified(candidates, problem)
            recount = old is not None and old.is_complete and old.found != old.expected
            reports.append(report_on(candidates, proved, problem, 60.0, recount))
            points += proved.points
        else:
            reports.append(by_hand(e, found))
            points += found
    return result_of(variety, loss, saved.network, points, reports, saved.seed, 0.0)


def _compared(saved: CertifiedPoints, again: CertifiedPoints) -> CheckReport:
    lines = again.certificates
    for fresh in again.reports:
        old = next((x for x in saved.reports if x.rank == fresh.rank), None)
        if old is None or (old.found, old.expected) != (fresh.found, fresh.expected):
            return CheckReport(False, (*lines, f"refused: the counts of rank {fresh.rank} differ"))
        if old.is_complete and not fresh.is_complete:
            said = f"refused: that rank {fresh.rank} is complete is not proved again"
            return CheckReport(False, (*lines, said))
    if sorted(map(_label, saved.points)) != sorted(map(_label, again.points)):
        return CheckReport(False, (*lines, "refused: the natures of the points are others"))
    how = "by the same tests" if is_analytic(saved.loss) else "without tracking"
    return CheckReport(True, (*lines, f"all saved points certified again, {how}"))


def _label(p: CertifiedPoint) -> tuple[str, ...]:
    fields: tuple[Any, ...] = (p.rank, p.nature, p.kind, p.is_real, p.inertia, p.exact_value)
    return tuple(map(str, fields))


def _matrices(saved: CertifiedPoints, e: int) -> Any:
    """Return the saved centers of rank e, (P, m, n) with m ≤ n."""
    import numpy as np

    m, n = saved.variety.rows, saved.variety.columns
    try:
        centers = [p.center for p in saved.points if p.rank == e]
        w = np.array(centers, dtype=np.complex128).reshape(-1, m, n)
    except ValueError:
        raise InputError(f"the center of a point is not a {m}×{n} matrix: save again") from None
    if not np.isfinite(w).all():
        raise InputError("a saved center is not finite: save the points again")
    return w if m <= n else np.swapaxes(w, 1, 2)


def _candidates_at(w: Any, old: RankReport | None, loss: Loss, e: int) -> Candidates:
    """Return matrices as candidates, each in its best chart, and zeros of lower rank as saved."""
    import numpy as np

    family = family_of(loss)
    made = rank_system(family, e)
    x, charts = made.coordinates(w)
    lower = () if old is None else old.lower
    for chart, coordinates in lower:
        if not 0 <= chart < len(made.orders) or len(coordinates) != made.unknowns:
            raise InputError("ranks.lower must hold charts and coordinates: save the points again")
    more = np.array([z for _, z in lower], dtype=np.complex128).reshape(-1, made.unknowns)
    x = np.concatenate([x, more])
    charts = np.concatenate([charts, np.array([c for c, _ in lower], dtype=np.int64)])
    return Candidates(made, x, charts, family.parameters(loss))
