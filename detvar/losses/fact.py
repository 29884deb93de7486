"""What convex calculus knows about one function, and the rules for sums, multiples and powers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

Bound = Fraction | None
LARGE = Fraction(2**128)


@dataclass(frozen=True)
class Fact:
    """What is proved about a function g on the domain of a formula; False means "not known".

    Attributes
    ----------
    low, high : low ≤ g ≤ high; None is infinite
    nonzero : g has no zero
    constant : g does not depend on W
    convex, concave : as usual; both for an affine function
    log_convex : g > 0 and log g is convex
    log_concave : g ≥ 0 and log g is concave, with log 0 = −∞
    root_convex : g ≥ 0 and √g is convex
    """

    low: Bound = None
    high: Bound = None
    nonzero: bool = False
    constant: bool = False
    convex: bool = False
    concave: bool = False
    log_convex: bool = False
    log_concave: bool = False
    root_convex: bool = False

    @property
    def affine(self) -> bool:
        """Whether g is affine."""
        return self.convex and self.concave

    @property
    def sign(self) -> int:
        """1 if g ≥ 0, −1 if g ≤ 0, 0 if neither is known."""
        if self.low is not None and self.low >= 0:
            return 1
        return -1 if self.high is not None and self.high <= 0 else 0


def closed(f: Fact) -> Fact:
    """Return the fact with what follows from it.

    √ of a log-convex function is log-convex; a convex function ≥ 0 has a convex square; a concave
    function ≥ 0 has a concave logarithm.
    """
    low, high = _down(f.low), _up(f.high)
    root = f.root_convex or f.log_convex
    if root and (low is None or low < 0):
        low = Fraction(0)
    nonzero = f.nonzero or f.log_convex or (low is not None and low > 0)
    nonzero = nonzero or (high is not None and high < 0)
    if f.constant:
        positive = low is not None and low >= 0
        root = root or positive
        f = replace(f, convex=True, concave=True, log_convex=positive and nonzero)
    log_concave = f.log_concave or (f.concave and low is not None and low >= 0)
    return replace(
        f,
        low=low,
        high=high,
        nonzero=nonzero,
        convex=f.convex or root,
        log_concave=log_concave,
        root_convex=root,
    )


def number(c: Fraction) -> Fact:
    """Return what is known about a number."""
    return closed(Fact(c, c, bool(c), constant=True))


def both(f: Fact, g: Fact | None) -> Fact:
    """Return two facts about the same function as one."""
    if g is None:
        return f
    flags = ("nonzero", "constant", "convex", "concave", "log_convex", "log_concave")
    known = {x: getattr(f, x) or getattr(g, x) for x in (*flags, "root_convex")}
    low = max((x for x in (f.low, g.low) if x is not None), default=None)
    high = min((x for x in (f.high, g.high) if x is not None), default=None)
    return closed(Fact(low, high, **known))


# --- the rules ----------------------------------------------------------------------------------


def negative(g: Fact) -> Fact:
    """Return what is known about −g."""
    return closed(
        Fact(
            None if g.high is None else -g.high,
            None if g.low is None else -g.low,
            nonzero=g.nonzero,
            constant=g.constant,
            convex=g.concave,
            concave=g.convex,
        )
    )


def added(g: Fact, h: Fact) -> Fact:
    """Return what is known about g + h."""
    return Fact(
        None if g.low is None or h.low is None else g.low + h.low,
        None if g.high is None or h.high is None else g.high + h.high,
        nonzero=g.sign * h.sign > 0 and (g.nonzero or h.nonzero),
        constant=g.constant and h.constant,
        convex=g.convex and h.convex,
        concave=g.concave and h.concave,
        log_convex=g.log_convex and h.log_convex,
        root_convex=g.root_convex and h.root_convex,
    )


def scaled(c: Fact, g: Fact) -> Fact:
    """Return what is known about c·g for a number c."""
    if c.sign < 0:
        c, g = negative(c), negative(g)
    positive = c.sign > 0
    return Fact(
        *times((c.low, c.high), (g.low, g.high)),
        nonzero=c.nonzero and g.nonzero,
        constant=g.constant,
        convex=g.affine or (positive and g.convex),
        concave=g.affine or (positive and g.concave),
        log_convex=positive and c.nonzero and g.log_convex,
        log_concave=positive and g.log_concave,
        root_convex=positive and g.root_convex,
    )


def power(g: Fact, k: int) -> Fact:
    """Return what is known about g^k for an integer k ≥ 2."""
    even = k % 2 == 0
    good = (g.convex and g.sign > 0) or (even and (g.affine or (g.concave and g.sign < 0)))
    low, high = _raised(g.low, k), _raised(g.high, k)
    if even:
        ends = [None if x is None else abs(x) for x in (low, high)]
        top = None if None in ends else max(x for x in ends if x is not None)
        least = ends[0 if g.sign > 0 else 1] if g.sign else None
        low = least or Fraction(0)
        high = top
    return Fact(
        low,
        high,
        nonzero=g.nonzero,
        convex=good,
        concave=not even and g.concave and g.sign < 0,
        log_convex=g.log_convex,
        log_concave=g.log_concave,
        root_convex=good,
    )


# --- intervals ----------------------------------------------------------------------------------


def _down(x: Bound) -> Bound:
    """Return a number ≤ x of at most a few hundred bits."""
    if x is None or max(x.numerator.bit_length(), x.denominator.bit_length()) <= 128:
        return x
    if abs(x) > LARGE:
        return LARGE if x > 0 else None
    return Fraction((x.numerator << 64) // x.denominator, 1 << 64)


def _up(x: Bound) -> Bound:
    lower = None if x is None else _down(-x)
    return None if lower is None else -lower


def _raised(x: Bound, k: int) -> Bound:
    if x is None:
        return None
    bits = max(x.numerator.bit_length(), x.denominator.bit_length())
    return x**k if bits * k <= 10_000 else None


def times(a: tuple[Bound, Bound], b: tuple[Bound, Bound]) -> tuple[Bound, Bound]:
    """Return the interval of all products; 0 times infinity is 0."""

    def end(x: Bound, y: Bound, infinite: int) -> tuple[int, Fraction]:
        """(−1, ·), (0, value) or (1, ·) for −∞, a number, ∞."""
        if x == 0 or y == 0:
            return 0, Fraction(0)
        if x is not None and y is not None:
            return 0, x * y
        return infinite, Fraction(0)

    def sign(x: Bound, at_low: bool) -> int:
        return (-1 if at_low else 1) if x is None else (x > 0) - (x < 0)

    ends = [
        end(x, y, sign(x, i == 0) * sign(y, j == 0))
        for i, x in enumerate(a)
        for j, y in enumerate(b)
    ]
    low, high = min(ends), max(ends)
    return (None if low[0] else low[1]), (None if high[0] else high[1])


def reciprocal(h: Fact) -> Fact:
    """Return the bounds of 1/h for h > 0."""
    low = Fraction(0) if h.high is None or h.high <= 0 else 1 / h.high
    return Fact(low, 1 / h.low if h.low else None)
