r"""Exact regions where (δb − g)/c is a rational function of one variable, for all terms.

A `Piece` stands for the constraint α ≥ (δ·slope + offset)(s)/denominator(s) on an interval.  Its
coefficients and ends lie in one field Q(t), so that feasibility is decided by Sturm's theorem.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.balls import arb, dyadic, working_precision
from detvar.exact.number_field import elements_at, roots_of
from detvar.exact.rational import Rational
from detvar.exact.roots import Root
from detvar.exact.univariate import Univariate
from detvar.landscape.exact_region import ExactRegion, Value, larger
from detvar.landscape.sturm import (
    Coefficients,
    Element,
    RealField,
    combine,
    derivative,
    evaluate,
    is_nonnegative,
    multiply,
)


@dataclass(frozen=True)
class Piece:
    """The constraint α·denominator ≥ δ·slope + offset on [low, high]; denominator > 0 there."""

    slope: Coefficients
    offset: Coefficients
    denominator: Coefficients
    low: Element | None = None
    high: Element | None = None

    def holds(self, field: RealField, alpha: Element, delta: Element) -> bool:
        """Return whether (α, δ) satisfies the constraint on the whole interval, exactly."""
        difference = combine(
            (alpha, self.denominator),
            (-delta, self.slope),
            (field.number(-1), self.offset),
            field=field,
        )
        return is_nonnegative(field, difference, self.low, self.high)

    def end_values(self, field: RealField, delta: Element) -> list[Element]:
        """Return the values of (δ·slope + offset)/denominator at the ends of the interval."""
        top = combine((delta, self.slope), (field.number(1), self.offset), field=field)
        low = self.denominator
        values = []
        for end in (self.low, self.high):
            if end is None:
                full = len(top) == len(low)
                values.append(field.over(top[-1], low[-1]) if full else field.number(0))
            else:
                values.append(field.over(evaluate(field, top, end), evaluate(field, low, end)))
        return values

    def supremum(self, field: RealField, delta: Element, bits: int) -> Value:
        """Return the least feasible α: exactly at an end or over Q, else as a ball."""
        ends = self.end_values(field, delta)
        best = ends[0] if field.sign(ends[0] - ends[1]) >= 0 else ends[1]
        if self.holds(field, best, delta):
            return field.value(best)
        if field.is_rational:
            return self._critical_value(field, delta)
        guess = self._largest_value(field, delta, bits)
        if guess is not None:
            gap = Rational(1, 2**bits) * (1 + abs(guess))
            low, high = field.number(guess - gap), field.number(guess + gap)
            if self.holds(field, high, delta) and not self.holds(field, low, delta):
                return arb(guess - gap).union(arb(guess + gap))
        return self._bisected(field, best, delta, bits)

    def _bisected(self, field: RealField, best: Element, delta: Element, bits: int) -> arb:
        """The least feasible α between `best`, which is infeasible, and infinity."""
        a = dyadic(field.ball(best, 64).lower().mid())
        step = Rational(1)
        while not self.holds(field, field.number(a + step), delta):
            step *= 2
        b = a + step
        while b - a > Rational(1, 2**bits):
            middle = (a + b) / 2
            if self.holds(field, field.number(middle), delta):
                b = middle
            else:
                a = middle
        return arb(a).union(arb(b))

    def _largest_value(self, field: RealField, delta: Element, bits: int) -> Rational | None:
        """The largest critical value inside, approximately: nothing depends on it."""
        import numpy as np

        top = combine((delta, self.slope), (field.number(1), self.offset), field=field)
        low = self.denominator
        slope = combine(
            (field.number(1), multiply(field, derivative(top), low)),
            (field.number(-1), multiply(field, top, derivative(low))),
            field=field,
        )
        with working_precision(2 * bits + 64):
            balls = [[field.ball(c, 2 * bits + 64).mid() for c in p] for p in (slope, top, low)]
            start, end = (
                None if e is None else float(field.ball(e).mid()) for e in (self.low, self.high)
            )
            best: arb | None = None
            for root in np.roots([float(c) for c in reversed(balls[0])]):
                x = float(root.real)
                if abs(root.imag) > 1e-6 * (1 + abs(x)):
                    continue
                if (start is not None and x < start) or (end is not None and x > end):
                    continue
                y = arb(x)
                steep = [c * k for k, c in enumerate(balls[0])][1:]
                for _ in range(8):  # Newton doubles the digits
                    y = (y - _horner(balls[0], y) / _horner(steep, y)).mid()
                    if not y.is_finite():
                        break
                value = (_horner(balls[1], y) / _horner(balls[2], y)).mid()
                if value.is_finite() and (best is None or value > best):
                    best = value
            return None if best is None else dyadic(best)

    def _critical_value(self, field: RealField, delta: Element) -> RealAlgebraic:
        """The largest critical value inside; coefficients rational."""
        top = _rational(combine((delta, self.slope), (field.number(1), self.offset), field=field))
        low = _rational(self.denominator)
        slope = top.derivative() * low - top * low.derivative()
        best: RealAlgebraic | None = None
        for f, _, roots in roots_of(slope):
            inside = [x for x in roots if self._is_inside(x)]
            for value in elements_at(top, low, f, inside):
                best = value if best is None or value > best else best
        if best is None:
            raise AssertionError("a supremum above both end values is a critical value")
        return best

    def _is_inside(self, x: Root | Rational) -> bool:
        number = (
            RealAlgebraic(x)
            if isinstance(x, Rational)
            else RealAlgebraic(Rational(0), ((x, Rational(1)),))
        )
        low, high = (
            None if e is None else (e[0] if e.length() else Rational(0))
            for e in (self.low, self.high)
        )
        return (low is None or number > low) and (high is None or number < high)


def _horner(p: Sequence[arb], x: arb) -> arb:
    out = arb(0)
    for c in reversed(p):
        out = out * x + c
    return out


def _rational(p: Sequence[Element]) -> Univariate:
    return Univariate([c[0] if c.length() else Rational(0) for c in p])


def bell_pieces(
    field: RealField,
    q: Rational,
    distance: Element,
    low: Element | None = None,
    high: Element | None = None,
    dimension: int = 1,
) -> list[Piece]:
    r"""Return the constraints of one term ρ²/(1+ρ²), ρ = |x − b|, for one minimiser p.

    Points are measured from b along the line through b and p, in units of length √q; p lies at
    `distance` > 0, and the points that project on p fill the slab [low, high] across the line.
    With c = qd²/(1+qd²), x at s along the line, the condition of (α, δ) is

        α c (1+qs²)² − δ qs² (1+qs²) + 2qs² − 2qds ≥ 0.

    In dimension ≥ 2 the worst direction points to p; beyond the slab's end it is as close to it
    as the slab allows, and the constraint is one on s² with the product ds frozen at the end.
    """
    zero, one, two = field.number(0), field.number(1), field.number(2)
    length = field.number(q)
    square = field.times(length, field.times(distance, distance))
    c = field.over(square, one + square)
    pieces: list[Piece] = []
    if dimension == 1 or high is None or field.sign(high) > 0:
        start = low
        if dimension > 1 and (low is None or field.sign(low) < 0):
            start = zero
        base = [one, zero, length]  # 1 + qs²
        pieces.append(
            Piece(
                multiply(field, [zero, zero, length], base),
                [zero, field.times(two, field.times(length, distance)), length * -2],
                [field.times(c, x) for x in multiply(field, base, base)],
                start,
                high,
            )
        )
    if dimension > 1 and high is not None:
        base = [one, length]  # 1 + qS with S = s²
        frozen = field.times(two, field.times(length, field.times(distance, high)))
        pieces.append(
            Piece(
                multiply(field, [zero, length], base),
                [frozen, length * -2],
                [field.times(c, x) for x in multiply(field, base, base)],
                field.times(high, high),
                None,
            )
        )
    return pieces


def region_of(field: RealField, pieces: Sequence[Piece], formula: str) -> ExactRegion:
    """Return the exact region of finitely many pieces over one field."""

    def bracketed(delta: RealAlgebraic, bits: int) -> Value:
        low, high = delta.bounds(bits + 16)
        a, b = supremum(RealAlgebraic(low), bits), supremum(RealAlgebraic(high), bits)
        balls = [x.enclosure(bits + 16) if isinstance(x, RealAlgebraic) else x for x in (a, b)]
        return balls[0].union(balls[1])

    def supremum(delta: RealAlgebraic, bits: int) -> Value:
        q = delta.as_rational()
        if q is None and not field.is_rational:
            return bracketed(delta, bits)  # φ is nondecreasing
        here = field if q is not None else RealField.of(delta)
        at = here.number(q) if q is not None else here.t
        values = [piece.supremum(here, at, bits) for piece in pieces]
        best = values[0]
        for value in values[1:]:
            best = larger(best, value)
        return best

    return ExactRegion(formula, supremum, partial(_holds, field, tuple(pieces), supremum))


def _holds(
    field: RealField,
    pieces: tuple[Piece, ...],
    supremum: Callable[[RealAlgebraic, int], Value],
    alpha: RealAlgebraic,
    delta: RealAlgebraic,
) -> bool | None:
    """Whether α is at least every supremum: by Sturm's theorem for rational numbers."""
    a, d = alpha.as_rational(), delta.as_rational()
    if a is not None and d is not None:
        x, y = field.number(a), field.number(d)
        return all(piece.holds(field, x, y) for piece in pieces)
    for bits in (64, 160):
        value = supremum(delta, bits)
        if isinstance(value, RealAlgebraic):
            return alpha >= value
        ball = alpha.enclosure(bits)
        if ball >= value:
            return True
        if ball < value:
            return False
    return None
