"""A saved list of critical points of an analytic loss, derived again from its matrices."""

from __future__ import annotations

from typing import Any

from detvar.critical.analytic.atlas import Atlas
from detvar.critical.analytic.infinity import at_infinity
from detvar.critical.analytic.near import best_chart
from detvar.critical.analytic.search import effective, explored, prove_complete, result_of
from detvar.critical.certified import CertifiedPoints
from detvar.critical.certified_point import CertifiedPoint
from detvar.errors import InputError

_SECONDS = 300.0


def searched_again(saved: CertifiedPoints) -> CertifiedPoints:
    """Prove the points again from the saved matrices, and completeness where it is claimed."""
    from time import perf_counter

    import numpy as np

    problem, bound = effective(saved.variety, saved.loss, saved.network)
    convex = problem.loss.convexity().answer is True
    starts: dict[tuple[int, tuple[int, ...]], list[Any]] = {}
    for p in saved.points:
        if p.rank and 0 < p.rank <= bound:
            w = _matrix(p, problem.loss.shape)
            chart, x = best_chart(problem, p.rank, problem.standing_for(w))
            starts.setdefault((p.rank, chart.order), []).append(x)
    lower = {(x.rank, k): list(z) for x in saved.reports for k, z in x.lower}

    def propose(atlas: Atlas, k: int, e: int) -> list[Any]:
        chart = atlas.charts[k]
        out = starts.get((e, chart.order), [])
        z = lower.get((e, k))
        if z is not None and len(z) == chart.size:
            out = [*out, np.array([v.real for v in z])]
        return out

    missing = at_infinity(problem.loss, bound) if convex else None
    stages = explored(problem, bound, propose, lambda: _SECONDS, None)
    claimed = {x.rank for x in saved.reports if x.is_complete}
    if convex:
        chosen = {e: s for e, s in stages.items() if e in claimed}
        prove_complete(problem, chosen, missing, perf_counter() + _SECONDS, None)
    return result_of(saved.variety, saved.loss, saved.network, stages, missing, saved.seed, 0.0)


def disagreement(saved: CertifiedPoints, again: CertifiedPoints) -> str | None:
    """Return what a saved list says of a point that the points derived again contradict."""
    for p in saved.points:
        if not any(_is(p, q) for q in again.points):
            return f"no critical point of rank {p.rank} was found in the disc of {p.matrix_text()}"
    if (saved.at_infinity is None) != (again.at_infinity is None) or (
        saved.at_infinity is not None
        and again.at_infinity is not None
        and saved.at_infinity.to_json() != again.at_infinity.to_json()
    ):
        return "at_infinity is not what the loss says"
    return None


def _is(p: CertifiedPoint, q: CertifiedPoint) -> bool:
    """Whether q may be the point p: discs and intervals of values meet, and the rest agrees."""
    if (p.rank, p.nature, p.kind, p.inertia) != (q.rank, q.nature, q.kind, q.inertia):
        return False
    if p.rank_is_proved != q.rank_is_proved:
        return False
    if (p.exact is None) != (q.exact is None) or (p.value is None) != (q.value is None):
        return False
    if p.exact is not None and p.exact != q.exact:
        return False
    reach = (p.radius + q.radius) * (1 + 1e-9)
    pairs = zip(p.center, q.center, strict=True)
    if any(abs(a - b) > reach for x, y in pairs for a, b in zip(x, y, strict=True)):
        return False
    if p.value is None or q.value is None:
        return True
    return p.value[0] <= q.value[1] and q.value[0] <= p.value[1]


def _matrix(p: CertifiedPoint, shape: tuple[int, int]) -> Any:
    import numpy as np

    try:
        w = np.array(p.center, dtype=np.complex128).reshape(shape).real
    except ValueError:
        raise InputError(
            f"the center of a point is not a {shape[0]}×{shape[1]} matrix: save again"
        ) from None
    if not np.isfinite(w).all():
        raise InputError("a saved center is not finite: save the points again")
    return w
