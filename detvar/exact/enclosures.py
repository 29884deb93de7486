"""Enclosures of elementary functions: sharp on wide balls, not finite outside of the domain.

A monotone function is enclosed by its values at the two ends of a ball.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from detvar.exact.balls import arb


def monotone(f: Callable[[arb], arb], narrow: float = 0.0) -> Callable[[arb], arb]:
    """Enclose a monotone function by its values at both ends.

    Balls of radius up to `narrow` go to f as they are: half the work, where f is sharp on them.
    """

    def enclosed(x: arb) -> arb:
        return f(x) if x.rad() <= narrow else f(x.lower()).union(f(x.upper()))

    return enclosed


def even(f: Callable[[arb], arb], narrow: float = 0.0) -> Callable[[arb], arb]:
    """Enclose an even function that is monotone in |x|; `narrow` as for `monotone`."""

    def enclosed(x: arb) -> arb:
        if not x.is_finite():
            return arb.nan()
        return f(x) if x.rad() <= narrow else f(x.abs_lower()).union(f(x.abs_upper()))

    return enclosed


def monotone_inside(
    f: Callable[[arb], arb], low: int | None, high: int | None
) -> Callable[[arb], arb]:
    """Enclose a monotone function whose domain is open."""
    enclosed = monotone(f)

    def checked(x: arb) -> arb:
        inside = (low is None or x > low) and (high is None or x < high)
        return enclosed(x) if inside else arb.nan()

    return checked


def cosine(x: arb) -> arb:
    """Enclose cos; its extremal values ±1 stand at the multiples of π."""
    if x.is_exact() or not x.is_finite():
        return x.cos()
    turns = x / arb.pi()
    ends = x.lower().cos().union(x.upper().cos())
    if not turns.contains_integer():
        return ends
    k = turns.unique_fmpz()
    return arb(0, 1) if k is None else ends.union(arb(-1 if int(k) % 2 else 1))


def sine(x: arb) -> arb:
    """Enclose sin x = cos(x − π/2)."""
    return x.sin() if x.is_exact() else cosine(x - arb.pi() / 2)


def tangent(x: arb) -> arb:
    """Enclose tan between two of its poles."""
    if not x.is_finite() or (x / arb.pi() - arb(1) / 2).contains_integer():
        return arb.nan()
    return x.tan() if x.is_exact() else x.lower().tan().union(x.upper().tan())


def softplus(x: arb) -> arb:
    """log(1 + eˣ), as x + log(1 + e⁻ˣ) for positive x."""
    return x + (-x).exp().log1p() if x > 0 else x.exp().log1p()


def log_cosh(x: arb) -> arb:
    """|x| + log(1 + e^(−2|x|)) − log 2, or ½ log(1 + sinh² x), which is sharp near 0."""
    size = abs(x)
    if size < 1:
        s = x.sinh()
        return (s * s).log1p() / 2  # FLINT's power is not finite for a ball around 0
    return size + (-2 * size).exp().log1p() - arb(2).log()


def sech_squared(x: arb) -> arb:
    """1/cosh² x, as 4u/(1 + u)² with u = e^(−2|x|)."""
    u = (-2 * abs(x)).exp()
    return 4 * u / (1 + u) ** 2


def erf_slope(x: arb) -> arb:
    """2/√π exp(−x²), the derivative of erf."""
    return 2 * (-x * x).exp() / arb.pi().sqrt()


def rational_power(x: arb, p: Fraction) -> arb:
    """x^p for x ≥ 0 and p > 0; FLINT's own roots have no value at 0."""
    if x == 0:
        return arb(0)
    root = x.sqrt() if p.denominator == 2 else x.root(p.denominator)
    return root**p.numerator
