"""Why a list of critical points is complete, and which of its local minima are global."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from detvar.classify.certificate import CheckReport
from detvar.classify.explain import (
    Step,
    numbered_html,
    numbered_latex,
    numbered_markdown,
    numbered_text,
)
from detvar.critical.certified import CertifiedPoints
from detvar.critical.certified_point import CertifiedPoint
from detvar.critical.latex import point_matrix, point_value
from detvar.critical.reports import RankReport
from detvar.exact.latex import signature, words

_MOST = 12  # points that are written out
_ABOUT = r"\approx "


@dataclass(frozen=True)
class PointsExplanation:
    """The steps from a loss to its critical points and their natures.

    Attributes
    ----------
    points : the list that is explained
    steps : what is proved of it, in order
    """

    points: CertifiedPoints
    steps: tuple[Step, ...]

    def check(self) -> CheckReport:
        """Certify all points again from the problem alone, and compare every step.

        **Cost**: see `detvar.critical.recertify`; nothing is tracked.
        """
        from detvar.critical.recertify import recertify

        report = recertify(self.points)
        if not report.ok:
            return report
        if self.steps != explain(self.points).steps:
            return CheckReport(False, (*report.lines, "refused: a step is not what was certified"))
        return report

    def __str__(self) -> str:
        return numbered_text(self.steps)

    def to_latex(self) -> str:
        """Return the steps as an enumerate environment with displayed formulas."""
        return numbered_latex(self.steps)

    def _repr_markdown_(self) -> str:
        return numbered_markdown(self.steps)

    def _repr_html_(self) -> str:
        return numbered_html(self.steps)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form: the steps, and the list of points."""
        return {
            "kind_of_result": "points_explanation",
            "steps": [s.to_json() for s in self.steps],
            "points": self.points.to_json(),
        }


def explain(found: CertifiedPoints) -> PointsExplanation:
    """Return the derivation of a list of critical points; see `CertifiedPoints.explain`.

    Examples
    --------
    >>> from detvar.critical import critical_points
    >>> from detvar.losses import WeightedSquaredLoss
    >>> from detvar.varieties import DeterminantalVariety
    >>> loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    >>> why = explain(critical_points(DeterminantalVariety(2, 2, 1), loss, progress=False))
    >>> print(why.steps[-1].text)
    W_2 = [0 0; 0 1/2], ℓ(W_2) = 1/2 > 1/8 = ℓ(W_1)
    """
    return PointsExplanation(found, tuple(_steps(found)))


def _steps(found: CertifiedPoints) -> Iterator[Step]:
    v, loss, bound = found.variety, found.loss, found.bound
    claim = (
        rf"Wanted are the critical points of $\ell$ on the ${v.rows}\times {v.columns}$ matrices "
        f"of each rank up to {v.rank}."
    )
    formulas = [loss.to_latex()]
    small = found.reduction
    if small is not None and small.changed and small.loss is not None:
        formulas.append(small.to_latex())
    yield Step("problem", {}, claim, tuple(formulas), "the problem", ())
    reports = sorted(found.reports, key=lambda x: -x.rank)
    for report in reports:
        yield _counted(report)
    real, counts = found.real, tuple(range(2, 2 + len(reports)))
    if not real:
        return
    yield _natures(real, bound)
    best = [k for k, p in enumerate(real, start=1) if p.nature == "global_minimum"]
    if best:
        modular = any(x.is_modular for x in reports)
        yield _global(best, bound, modular, (*counts, counts[-1] + 1))
        refers = (counts[-1] + 1, counts[-1] + 2)
        for k, p in enumerate(real, start=1):
            if p.nature == "local_minimum":
                yield _bad(p, k, real[best[0] - 1], best[0], refers)


def _counted(report: RankReport) -> Step:
    n = report.found
    of = "" if report.expected is None else f" of {report.expected}"
    what = "critical point is" if n == 1 else "critical points are"
    end = "it is not proved that none is missing"
    if report.proof:
        end = "none is missing" + (", up to unlucky primes" if report.is_modular else "")
    elif report.real_proof:
        end = "no real one is missing"
    claim = f"Of rank {report.rank}, {n}{of} {what} certified and distinct; {end}."
    why = report.proof or report.real_proof or "certified one by one"
    numbers = {"rank": report.rank, "found": n, "expected": report.expected}
    return Step("count", numbers, claim, (), words(why), (1,))


def _natures(real: tuple[CertifiedPoint, ...], bound: int) -> Step:
    """Say what the real points of the largest rank are, from the inertia of their Hessians."""
    many = "1 is" if len(real) == 1 else f"{len(real)} are"
    listed = "" if len(real) <= _MOST else f" (the first {_MOST} are listed)"
    claim = (
        rf"Of the points of rank {bound}, {many} real{listed}; $Q$ is the second derivative of "
        r"$\ell$ along the matrices of this rank."
    )
    formulas = []
    for k, p in enumerate(real[:_MOST], start=1):
        inertia = r"\text{unknown}" if p.inertia is None else signature(p.inertia)
        formulas.append(rf"{_point(p, k)},\quad \operatorname{{In}}Q={inertia}")
    numbers = {"natures": [p.nature for p in real]}
    why = "numbers of positive, negative and zero eigenvalues, exact or in balls"
    return Step("natures", numbers, claim, tuple(formulas), why, (1,))


def _point(p: CertifiedPoint, k: int) -> str:
    sign = "=" if p.exact is not None else _ABOUT
    value = "=" if p.exact_value is not None else _ABOUT
    known = rf",\quad \ell(W_{{{k}}}){value}{point_value(p)}" if point_value(p) else ""
    return f"W_{{{k}}}{sign}{point_matrix(p)}{known}"


def _global(best: list[int], bound: int, modular: bool, refers: tuple[int, ...]) -> Step:
    names = r",\ ".join(f"W_{{{k}}}" for k in best)
    minimum = "is the global minimum" if len(best) == 1 else "are the global minima"
    claim = rf"${names}$ {minimum} on the matrices of rank at most {bound}"
    claim += ", if no prime was unlucky." if modular else "."
    why = "the loss attains its minimum at a critical point; all their values are compared"
    return Step("global", {"positions": best}, claim, (), why, refers)


def _bad(p: CertifiedPoint, k: int, best: CertifiedPoint, j: int, refers: tuple[int, ...]) -> Step:
    sign = "=" if best.exact_value is not None else _ABOUT
    formula = rf"{_point(p, k)}>{point_value(best)}{sign}\ell(W_{{{j}}})"
    definite = p.inertia is not None and not p.inertia.negative and not p.inertia.zero
    why = "$Q$ is positive definite" if definite else "the first term beyond $Q$ is positive"
    claim = rf"$W_{{{k}}}$ is a local minimum that is not global."
    return Step("bad", {"position": k}, claim, (formula,), why, refers)
