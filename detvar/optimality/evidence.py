"""From proved intervals to an answer: the same rule for balls and for float64."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

from detvar.optimality.float_verdict import FloatVerdict, Interval
from detvar.optimality.nearby import NearbyPoint
from detvar.optimality.published import SAYS_GLOBAL
from detvar.optimality.rounding import up
from detvar.optimality.words import rounded, shown


@dataclass(frozen=True)
class Evidence:
    """What is proved about weights; intervals as in `FloatVerdict`.

    Attributes
    ----------
    zero : L(0)
    constant : whether L does not depend on the weights
    end : the nature of a critical matrix proved to be near W̄
    lower : a proved lower bound of L(θ) − L(θ′) for other weights
    notes : further facts
    """

    value: Interval
    zero: Interval
    minimum: Interval | None
    gap: Interval | None
    relative: Interval | None
    gradient: Interval
    curvature: Interval | None
    nearby: NearbyPoint | None
    end: str | None
    looks_like: str | None
    published: str | None
    constant: bool = False
    lower: float | None = None
    notes: tuple[str, ...] = ()


def conclude(found: Evidence, tolerance: float, arithmetic: str, start: float) -> FloatVerdict:
    """Return the verdict; see `FloatVerdict` for what its answers mean."""
    answer, tier, reason = _answer(found, tolerance)
    return FloatVerdict(
        answer,
        tier,
        reason,
        tolerance,
        found.value,
        found.minimum,
        found.gap,
        found.relative,
        found.gradient,
        found.curvature,
        found.nearby,
        found.looks_like,
        _facts(found),
        _compared(found, answer),
        arithmetic,
        round(perf_counter() - start, 6),
    )


def _compared(found: Evidence, answer: bool | None) -> str | None:
    """Return the published test, with the reason where it says more than is true here."""
    text = found.published
    if text is not None and answer is False and SAYS_GLOBAL in text and found.gradient[0] > 0:
        text += "; it does not apply, as the weights are proved not to be critical"
    return text


def _answer(found: Evidence, tolerance: float) -> tuple[bool | None, str, str]:
    loose = tolerance**0.5
    gap, near = found.gap, found.nearby
    if gap is None:
        scale = found.zero[1] if found.zero[0] > 0 else 1.0
        if found.lower is not None and found.lower > loose * scale * (1 + 2.0**-50):
            low = rounded((found.lower, found.lower))[0]
            return False, "certified", f"other weights have a loss that is lower by {low}"
        return None, "certified", "the least value of the loss is not known"
    if found.constant:
        return True, "certified", "the loss is at its least value"
    at_global = near is not None and near.nature == "global_minimum"
    at_saddle = near is not None and near.nature != "global_minimum"
    # divided by L(0), unless that may be 0: no scale of the data under- or overflows here
    share = gap if found.relative is None else found.relative
    if share[1] <= tolerance:
        how = f"the loss is within {tolerance:g} of its least value"
        how += "" if found.relative is None else ", relative to the loss at zero"
        if at_global:
            return True, "certified", f"{how}, and {near}"
        if at_saddle:
            return None, "certified", f"{how}, but {near}"
        return True, "numerical", f"{how}; no global minimum is proved nearby"
    if share[0] > tolerance:
        how = f"the loss is above its least value by at least {rounded(gap)[0]}"
        if at_global:
            return None, "certified", f"{how}, more than the tolerance, but {near}"
        if at_saddle:
            return False, "certified", f"{how}, and {near}"
        if share[0] > up(loose) and found.end != "global_minimum":
            return False, "certified", how
        return None, "certified", f"{how}, more than the tolerance, but not by much"
    return None, "certified", f"the gap lies in {shown(gap)}, around the tolerance"


def _facts(found: Evidence) -> tuple[str, ...]:
    out = []
    if found.lower is not None:
        low = rounded((found.lower, found.lower))[0]
        out.append(f"other weights are known with a loss lower by at least {low}")
    if found.gap is not None:
        out.append(f"the loss is above its least value by {shown(found.gap)}")
    if found.relative is not None:
        out.append(f"relative to the loss at zero by {shown(found.relative, 3)}")
    if found.gradient[0] > 0:
        out.append(f"not critical: the gradient has a norm in {shown(found.gradient)}")
    if found.curvature is not None:
        high = rounded(found.curvature)[1]
        out.append(f"along one direction of size 1 the second derivative is at most {high}")
    if found.nearby is not None:
        out.append(str(found.nearby))
    return (*out, *found.notes)
