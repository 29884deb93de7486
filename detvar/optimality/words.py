"""Intervals in words: shortened outwards, so that what is read stays true."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from math import isfinite

from detvar.exact.latex import floating

Interval = tuple[float, float]


def rounded(x: Interval, digits: int = 6) -> tuple[str, str]:
    """Return the ends with a few digits, the lower one rounded down and the upper one up.

    >>> rounded((1 / 3, 2 / 3), 3)
    ('0.333', '0.667')
    """
    out = []
    for end, way in zip(x, (ROUND_FLOOR, ROUND_CEILING), strict=True):
        short = Context(prec=digits, rounding=way).create_decimal(Decimal(end))
        out.append(f"{short.normalize() + 0:.{digits}g}" if short.is_finite() else str(end))
    return out[0], out[1]


def shown(x: Interval, digits: int = 6) -> str:
    """Return an interval in words, its ends rounded outwards."""
    return "[{}, {}]".format(*rounded(x, digits))


def membership(name: str, x: Interval, digits: int = 6) -> str:
    """Return "name ∈ [low, high]" as math, the ends rounded outwards.

    >>> print(membership("L", (0.0, float("inf"))))
    L \\in [0,\\, \\infty]
    """
    low, high = (
        floating(float(t)) if isfinite(float(t)) else infinite
        for t, infinite in zip(rounded(x, digits), (r"-\infty", r"\infty"), strict=True)
    )
    return rf"{name} \in [{low},\, {high}]"
