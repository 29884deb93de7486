"""The supremum of an analytic function of one variable over an interval, as a ball."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from detvar.exact.balls import arb, working_precision
from detvar.exact.rational import Rational
from detvar.landscape.from_sympy import ball

_BOXES = 200_000


def supremum(
    expression: Any,
    symbol: Any,
    low: Rational,
    high: Rational,
    values: Mapping[Any, arb],
    bits: int = 64,
) -> arb:
    """Return a ball around the greatest value of a SymPy expression on [low, high].

    Boxes that lie below a known value, or where the function is monotone, are discarded; where it
    is concave, Newton's interval step encloses the one critical point.

    Parameters
    ----------
    expression, symbol
        A formula of `symbol`; twice differentiable on the interval.
    low, high : Rational
    values : balls of the other symbols
    bits : int
        Working precision; the radius reflects the radii of `values` too.

    Examples
    --------
    >>> import sympy
    >>> x = sympy.Symbol("x")
    >>> supremum(sympy.sin(x), x, Rational(0), Rational(3), {}, 60).contains(1)
    True
    """
    first, second = expression.diff(symbol), expression.diff(symbol, 2)
    with working_precision(bits + 32):

        def at(f: Any, x: arb) -> arb:
            return ball(f, {**values, symbol: x})

        known = at(expression, arb(low))
        known = known.max(at(expression, arb(high)))
        result = known
        boxes, used = [(low, high)], 0
        while boxes:
            a, b = boxes.pop()
            used += 1
            box = arb(a).union(arb(b))
            value = at(expression, box)
            if value < known:
                continue
            slope = at(first, box)
            if not slope.contains(0) and slope.is_finite():
                # monotone: the greatest value is at an end
                ends = at(expression, arb(a)).max(at(expression, arb(b)))
                known, result = _raised(known, ends), result.max(ends)
                continue
            bend = at(second, box)
            if bend < 0 and bend.is_finite():
                top = _newton(at, first, second, box, bits)
                peak = at(expression, top).max(at(expression, arb(a))).max(at(expression, arb(b)))
                known, result = _raised(known, peak), result.max(peak)
                continue
            if used > _BOXES or b - a < Rational(1, 2**bits):
                result = result.max(value)
                continue
            middle = (a + b) / 2
            known = _raised(known, at(expression, arb(middle)))
            boxes += [(a, middle), (middle, b)]
        return result


def _raised(known: arb, value: arb) -> arb:
    """The one of two enclosures with the greater certain lower end."""
    return value if value.lower() > known.lower() else known


def _newton(at: Any, first: Any, second: Any, box: arb, bits: int) -> arb:
    """A ball that contains the zero of `first` in the box, if there is one."""
    for _ in range(60):
        middle = box.mid()
        step = middle - at(first, middle) / at(second, box)
        if not step.overlaps(box):
            return box  # no zero inside: the ends are compared by the caller
        smaller: arb = step.intersection(box)
        if smaller.rad() * 2 > box.rad() or smaller.rel_accuracy_bits() > bits:
            return smaller
        box = smaller
    return box
