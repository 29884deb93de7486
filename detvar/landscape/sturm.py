"""Polynomials over Q(t), t a real algebraic number: are they ≥ 0 on an interval?

An element of Q(t) is a polynomial in t of degree below that of its minimal polynomial; its sign
is exact, because it is zero only as a polynomial.  A polynomial over Q(t) is the list of its
coefficients, from low to high degree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.balls import arb, working_precision
from detvar.exact.number_field import elements_at
from detvar.exact.polynomials import primitive
from detvar.exact.rational import Rational
from detvar.exact.roots import Root
from detvar.exact.univariate import Univariate, inverse_modulo

Element = Univariate
Coefficients = list[Univariate]


@dataclass(frozen=True)
class RealField:
    """The field Q(t) ⊂ R, for a root t of an irreducible polynomial; Q itself for a rational t."""

    generator: Root | Rational

    @classmethod
    def of(cls, x: RealAlgebraic | Rational | int = 0) -> RealField:
        """Return the field that x generates; the rational numbers by default."""
        return cls(x.canonical() if isinstance(x, RealAlgebraic) else Rational(x))

    @property
    def is_rational(self) -> bool:
        """Whether the field is Q."""
        return not isinstance(self.generator, Root)

    @property
    def modulus(self) -> Univariate:
        """The minimal polynomial of t."""
        t = self.generator
        if isinstance(t, Root):
            return Univariate(t.polynomial.polynomial)
        return Univariate([-t, Rational(1)])

    @property
    def t(self) -> Element:
        """The generator."""
        return Univariate([0, 1]) % self.modulus

    def number(self, x: Rational | int) -> Element:
        """Return a rational number as an element."""
        return Univariate([Rational(x)])

    def ball(self, x: Element, bits: int = 80) -> arb:
        """Return a ball around an element."""
        with working_precision(bits + 32):
            t = self.generator
            at = t.ball(bits + 32) if isinstance(t, Root) else arb(t)
            value: arb = x.numer()(at) / x.denom()
            return value

    def sign(self, x: Element) -> int:
        """Return −1, 0 or 1, exactly."""
        if not x:
            return 0
        if x.degree() == 0:
            return 1 if x[0] > 0 else -1
        bits = 64
        while True:
            ball = self.ball(x, bits)
            if not ball.contains(0):
                return 1 if ball > 0 else -1
            bits *= 2

    def times(self, x: Element, y: Element) -> Element:
        """Return x·y."""
        return x * y % self.modulus

    def over(self, x: Element, y: Element) -> Element:
        """Return x/y for y ≠ 0."""
        return x * inverse_modulo(y, self.modulus) % self.modulus

    def value(self, x: Element) -> RealAlgebraic:
        """Return an element as a real algebraic number."""
        t = self.generator
        if not isinstance(t, Root) or x.degree() < 1:
            return RealAlgebraic(x[0] if x.length() else Rational(0))
        f = primitive(self.modulus)
        return elements_at(x, Univariate([1]), f, [t])[0]


def _trimmed(p: Sequence[Element]) -> Coefficients:
    out = list(p)
    while out and not out[-1]:
        out.pop()
    return out


def evaluate(field: RealField, p: Sequence[Element], x: Element) -> Element:
    """Return p(x), by Horner's rule."""
    out = field.number(0)
    for c in reversed(p):
        out = field.times(out, x) + c
    return out


def derivative(p: Sequence[Element]) -> Coefficients:
    """Return p'."""
    return [c * k for k, c in enumerate(p)][1:]


def multiply(field: RealField, p: Sequence[Element], q: Sequence[Element]) -> Coefficients:
    """Return p·q."""
    out = [field.number(0)] * max(len(p) + len(q) - 1, 0)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            out[i + j] = out[i + j] + field.times(a, b)
    return _trimmed(out)


def combine(*parts: tuple[Element, Sequence[Element]], field: RealField) -> Coefficients:
    """Return the sum of the products a·p."""
    out = [field.number(0)] * max(len(p) for _, p in parts)
    for a, p in parts:
        for k, c in enumerate(p):
            out[k] = out[k] + field.times(a, c)
    return _trimmed(out)


def _divided(
    field: RealField, p: Sequence[Element], q: Sequence[Element]
) -> tuple[Coefficients, Coefficients]:
    """Quotient and remainder; q must not be zero."""
    rest, steps = _trimmed(p), []
    inverse = inverse_modulo(q[-1], field.modulus)
    for shift in range(len(rest) - len(q), -1, -1):
        factor = field.times(rest[shift + len(q) - 1], inverse)
        steps.append(factor)
        for k, c in enumerate(q):
            rest[shift + k] = rest[shift + k] - field.times(factor, c)
    return steps[::-1], _trimmed(rest)


def _monic(field: RealField, p: Coefficients) -> Coefficients:
    inverse = inverse_modulo(p[-1], field.modulus)
    return [field.times(c, inverse) for c in p]


def _gcd(field: RealField, p: Coefficients, q: Coefficients) -> Coefficients:
    while q:
        p, q = q, _divided(field, p, q)[1]
    return _monic(field, p)


def odd_part(field: RealField, p: Sequence[Element]) -> Coefficients:
    """Return the product of the different factors of p ≠ 0 whose multiplicity is odd (Yun)."""
    p = _trimmed(p)
    out = [field.number(1)]
    if len(p) == 1:
        return out
    common = _gcd(field, p, derivative(p))
    rest = _divided(field, p, common)[0]
    is_odd = True
    while len(rest) > 1:
        shared = _gcd(field, rest, common) if len(common) > 1 else [field.number(1)]
        if is_odd:
            out = multiply(field, out, _divided(field, rest, shared)[0])
        rest, common = shared, _divided(field, common, shared)[0]
        is_odd = not is_odd
    return out


def _chain(field: RealField, p: Coefficients) -> list[Coefficients]:
    chain = [p, derivative(p)]
    while len(chain[-1]) > 1:
        rest = _divided(field, chain[-2], chain[-1])[1]
        if not rest:
            break
        # a positive factor keeps the numbers small and no sign changes
        scale = field.number(abs(rest[-1][rest[-1].degree()]))
        chain.append([-field.over(c, scale) for c in rest])
    return chain


def _variations(field: RealField, chain: list[Coefficients], x: Element | int) -> int:
    """Sign changes of the chain at x; the int ±1 stands for ±∞."""
    signs = []
    for p in chain:
        if isinstance(x, int):
            s = field.sign(p[-1]) * (x if len(p) % 2 == 0 else 1)
        else:
            s = field.sign(evaluate(field, p, x))
        if s:
            signs.append(s)
    return sum(a != b for a, b in zip(signs, signs[1:], strict=False))


def count_roots(
    field: RealField, p: Sequence[Element], low: Element | None, high: Element | None
) -> int:
    """Return the number of real roots of a square-free p in the open interval (low, high).

    None stands for an infinite end.  By Sturm's theorem, with the chain over Q(t).

    >>> field = RealField.of()
    >>> count_roots(field, [field.number(c) for c in (-2, 0, 1)], field.number(0), None)
    1
    """
    p = _trimmed(p)
    if len(p) < 2:
        return 0
    chain = _chain(field, p)
    start: Element | int = -1 if low is None else low
    end: Element | int = 1 if high is None else high
    count = _variations(field, chain, start) - _variations(field, chain, end)
    if high is not None and not evaluate(field, p, high):
        count -= 1  # Sturm counts (low, high]
    return count


def is_nonnegative(
    field: RealField,
    p: Sequence[Element],
    low: Element | None = None,
    high: Element | None = None,
) -> bool:
    """Return whether p ≥ 0 on [low, high], exactly; None stands for an infinite end.

    Balls decide unless p comes close to 0.  Otherwise the factors of odd multiplicity must have
    no root inside, and p be positive at one point.

    >>> field = RealField.of()
    >>> square = [field.number(c) for c in (1, -2, 1)]
    >>> is_nonnegative(field, square), is_nonnegative(field, square[:2])
    (True, False)
    """
    p = _trimmed(p)
    if not p:
        return True
    if low is not None and high is not None and low == high:
        return field.sign(evaluate(field, p, low)) >= 0
    answer = _by_balls(field, p, low, high)
    if answer is not None:
        return answer
    if count_roots(field, odd_part(field, p), low, high):
        return False
    for k in range(1, len(p) + 1):  # one of these is no root
        if low is not None and high is not None:
            x = low + (high - low) * Rational(k, len(p) + 1)
        elif low is not None:
            x = low + field.number(k)
        else:
            x = (field.number(0) if high is None else high) - field.number(k)
        sign = field.sign(evaluate(field, p, x))
        if sign:
            return sign > 0
    return True


def _by_balls(
    field: RealField, p: Coefficients, low: Element | None, high: Element | None
) -> bool | None:
    """Decide p ≥ 0 on [low, high] by bisection where p stays away from 0; None if it may not.

    Outside [−1, 1] the sign of p(x) is that of the reversed polynomial at 1/x, times that of xⁿ.
    """
    bits, most = 192, 1500
    with working_precision(bits):
        c = [field.ball(a, bits) for a in p]
        start = arb("-inf") if low is None else field.ball(low, bits)
        end = arb("inf") if high is None else field.ball(high, bits)
        one = arb(1)
        flipped = [a * (-1) ** k for k, a in enumerate(c)]
        pieces: list[tuple[list[arb], arb, arb]] = []
        if start < one and end > -one:
            pieces.append((c, start.max(-one), end.min(one)))
        if not end <= one:
            pieces.append((c[::-1], 1 / end if end.is_finite() else arb(0), 1 / start.max(one)))
        if not start >= -one:
            a = 1 / -start if start.is_finite() else arb(0)
            pieces.append((flipped[::-1], a, 1 / (-end).max(one)))
        for polynomial, a, b in pieces:
            inside = _positive(polynomial, a, b, most)
            if not inside:
                return inside
        return True


def _positive(c: list[arb], a: arb, b: arb, most: int) -> bool | None:
    """True if p > 0 on [a, b], False if p < 0 at an inner point, None if not decided."""
    slope = [x * k for k, x in enumerate(c)][1:] or [arb(0)]
    todo, used = [(a.lower().mid(), b.upper().mid())], 0
    while todo:
        used += 1
        if used > most:
            return None
        left, right = todo.pop()
        box = left.union(right)
        middle = box.mid()
        here = _value(c, middle)
        if here < 0 and middle > a and middle < b:
            return False
        # the mean value form is tight on small boxes
        if (here + _value(slope, box) * (box - middle)) > 0:
            continue
        todo += [(left, middle), (middle, right)]
    return True


def _value(c: list[arb], x: arb) -> arb:
    out = c[-1]
    for a in reversed(c[:-1]):
        out = out * x + a
    return out
