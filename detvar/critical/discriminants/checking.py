"""A second look at a discriminant: the counts again, one value of the parameter at a time."""

from __future__ import annotations

from itertools import pairwise

from detvar.critical.discriminants.bisection import Counts, counts_at
from detvar.critical.discriminants.report import DiscriminantReport
from detvar.critical.elimination import univariate_critical_points
from detvar.errors import PositiveDimensionalError
from detvar.exact.rational import Rational, to_text


def check_report(report: DiscriminantReport) -> list[str]:
    """Recount the real critical points at the samples and at rational events; say what was found.

    With elimination each member of the path is solved on its own, exactly, which needs no
    discriminant; with bisection it is tracked again from another start.

    Returns
    -------
    list of str
        The last line starts with "refused" if a count differs, or if the intervals leave a gap.

    Notes
    -----
    **Cost**: one solution for each interval and each rational value.
    **Validity**: it proves the counts at these values, not that nothing else happens between.

    Examples
    --------
    >>> from detvar.critical.discriminants import LossPath, discriminant
    >>> path = LossPath("weighted", target=[[1, 0], [0, "1/2"]], weights=[[1, "t"], [3, 1]])
    >>> for line in check_report(discriminant(path, interval=(1, 4))):
    ...     print(line)
    the intervals and the values between them leave no gap
    counted again at t = 5/4: 2 real points, minima: 1
    counted again at t = 2: 4 real points, minima: 2
    counted again at t = 4/3: 2 real points, minima: 1
    """
    name = report.path.parameter
    if not _is_seamless(report):
        return ["refused: the intervals and the values between them leave a gap"]
    lines = ["the intervals and the values between them leave no gap"]
    claims = [(p.sample, p.real, p.minima) for p in report.pieces]
    for e in (*report.events, *report.others):
        t = None if e.value is None else e.value.as_rational()
        if t is not None:
            claims.append((t, e.real, e.minima))
    for t, real, minima in claims:
        if real is None:
            continue
        again = _recounted(report, t)
        if again.real != real or (minima is not None and again.minima != minima):
            lines.append(
                f"refused: real points: {again.real}, minima: {again.minima} at {name} = "
                f"{to_text(t)}, not {real} and {minima}"
            )
            return lines
        lines.append(
            f"counted again at {name} = {to_text(t)}: {real} real points, "
            f"minima: {'?' if minima is None else minima}"
        )
    return lines


def _recounted(report: DiscriminantReport, t: Rational) -> Counts:
    if report.method == "bisection":
        return counts_at(report.path, report.rank, t, report.seed + 1, 60.0)
    try:
        found = univariate_critical_points(report.path.at(t))
    except PositiveDimensionalError as error:
        return Counts(None, None, str(error))
    return Counts(len(found.points), len(found.minima))


def _is_seamless(report: DiscriminantReport) -> bool:
    """Whether intervals and events follow each other from one end to the other."""
    pieces, events, (low, high) = report.pieces, report.events, report.interval
    if len(pieces) != len(events) + 1:
        return False
    if (pieces[0].low is None) != (low is None) or (pieces[-1].high is None) != (high is None):
        return False
    if pieces[0].low != low or pieces[-1].high != high:
        return False
    joined = all(
        a.high is not None and b.low is not None and a.high == e.low and e.high == b.low
        for (a, b), e in zip(pairwise(pieces), events, strict=True)
    )
    return joined and all(
        (p.low is None or p.low <= p.sample) and (p.high is None or p.high >= p.sample)
        for p in pieces
    )
