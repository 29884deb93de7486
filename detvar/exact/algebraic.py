"""Real algebraic numbers: exact arithmetic, exact order, certified balls.

A number is c + Σ aᵢ·xᵢ with c, aᵢ rational and xᵢ real roots of irreducible polynomials.  Sums
stay in this form, because the minimal polynomial of a sum of many roots can have a huge degree;
it is computed only on request.  Order is decided by balls of growing precision, and equality by
a bound that no non-zero number of the same shape can undercut.
"""

from __future__ import annotations

import numbers
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import factorial, lcm
from typing import Any

from flint import arb, ctx, fmpq, fmpq_poly, fmpz, fmpz_poly

from detvar.errors import IncompleteError, InputError
from detvar.exact import algebraic_text, latex
from detvar.exact.polynomials import (
    composed_sum,
    irreducible_factors,
    primitive,
    reciprocal,
    square_roots,
)
from detvar.exact.rational import rational
from detvar.exact.root_sums import as_sum, normal_form, product, recognise, sqrt_rational
from detvar.exact.roots import Irreducible, Root, floor_of, irreducible

Exact = int | Fraction | fmpz | fmpq
_BITS_LIMIT = 1 << 20  # the most bits spent on proving two numbers equal


@dataclass(frozen=True, eq=False, repr=False)
class RealAlgebraic:
    """A real algebraic number c + Σ aᵢ·xᵢ; build one with `real_roots` or `real_algebraic`.

    Sums, differences and rational multiples are free.  A product multiplies the roots in pairs;
    `inverse`, `sqrt` and `minimal_polynomial` go through the minimal polynomial of the number.
    Numbers compare and hash by value, also with int, Fraction and fmpq.

    Attributes
    ----------
    constant : fmpq
    terms : tuple of (Root, fmpq)
        The roots with their non-zero coefficients, normalised: a root of a quadratic is written
        with √D, and the sum over all roots of a polynomial is replaced by its rational value.

    Notes
    -----
    **Cost**: numbers that differ are compared at the precision that separates them; equality of
    two sums is proved at a precision proportional to the number of conjugates of the difference.
    **Validity**: unconditional; a proof of equality beyond 10⁶ bits raises `IncompleteError`.

    References
    ----------
    H. Cohen, *A Course in Computational Algebraic Number Theory*, 1993, section 4.2.

    Examples
    --------
    >>> r, s = square_root(2), square_root(3)
    >>> r * s == square_root(6), square_root(5 + 2 * r * s) == r + s
    (True, True)
    >>> print((1 + square_root(5)) / 2)
    (1+√5)/2
    """

    constant: fmpq
    terms: tuple[tuple[Root, fmpq], ...] = ()

    def __add__(self, other: RealAlgebraic | Exact) -> RealAlgebraic:
        y = _operand(other)
        if y is None:
            return NotImplemented
        return RealAlgebraic(*normal_form(self.constant + y.constant, (*self.terms, *y.terms)))

    __radd__ = __add__

    def __neg__(self) -> RealAlgebraic:
        return RealAlgebraic(-self.constant, tuple((x, -a) for x, a in self.terms))

    def __sub__(self, other: RealAlgebraic | Exact) -> RealAlgebraic:
        y = _operand(other)
        return NotImplemented if y is None else self + (-y)

    def __rsub__(self, other: Exact) -> RealAlgebraic:
        return -self + other

    def __mul__(self, other: RealAlgebraic | Exact) -> RealAlgebraic:
        y = _operand(other)
        if y is None:
            return NotImplemented
        constant = self.constant * y.constant
        pairs = [(x, a * y.constant) for x, a in self.terms]
        pairs += [(x, a * self.constant) for x, a in y.terms]
        for r, a in self.terms:
            for s, b in y.terms:
                shift, terms = product(*sorted((r, s), key=Root.sort_key))
                constant += a * b * shift
                pairs += [(x, a * b * c) for x, c in terms]
        return RealAlgebraic(*normal_form(constant, pairs))

    __rmul__ = __mul__

    def __truediv__(self, other: RealAlgebraic | Exact) -> RealAlgebraic:
        y = _operand(other)
        return NotImplemented if y is None else self * y.inverse()

    def __rtruediv__(self, other: Exact) -> RealAlgebraic:
        return self.inverse() * other

    def __pow__(self, exponent: int) -> RealAlgebraic:
        if exponent < 0:
            return self.inverse() ** -exponent
        if exponent == 0:
            return RealAlgebraic(fmpq(1))
        half = self ** (exponent // 2)
        return half * half * self if exponent % 2 else half * half

    def __abs__(self) -> RealAlgebraic:
        return -self if self.sign() < 0 else self

    def inverse(self) -> RealAlgebraic:
        """Return 1/x; raise `ZeroDivisionError` for x = 0."""
        root = self.canonical()
        if isinstance(root, fmpq):
            return RealAlgebraic(1 / root)

        def ball(bits: int) -> arb:
            with ctx.workprec(bits + 16):
                return 1 / root.ball(bits)

        return RealAlgebraic(*as_sum(recognise(reciprocal(root.polynomial.polynomial), ball)))

    def sqrt(self) -> RealAlgebraic:
        """Return the square root ≥ 0, from the factors of f(x²) with f the minimal polynomial.

        Raises
        ------
        InputError
            If the number is negative.

        Examples
        --------
        >>> print(square_root(7 + 4 * square_root(3)))
        2+√3
        """
        if self.sign() < 0:
            raise InputError(f"{self} is negative and has no real square root: give a number ≥ 0")
        root = self.canonical()
        if isinstance(root, fmpq):
            return RealAlgebraic(*sqrt_rational(root))

        def ball(bits: int) -> arb:
            with ctx.workprec(bits + 16):
                return root.ball(bits).sqrt()

        return RealAlgebraic(*as_sum(recognise(square_roots(root.polynomial.polynomial), ball)))

    def sign(self) -> int:
        """Return −1, 0 or 1, decided exactly.

        The ball is refined until it excludes 0, or until it lies below 2⁻ᵏ where every non-zero
        number of this shape is larger: N·x is an algebraic integer with at most D conjugates,
        each at most M ≥ 1 in absolute value, and their product is a non-zero integer, so that
        |N·x| ≥ M^(1−D) unless x = 0.
        """
        return self._sign

    @cached_property
    def _sign(self) -> int:
        if not self.terms:
            return (self.constant > 0) - (self.constant < 0)
        bits, gap = 64, None
        while True:
            ball = self._ball(bits)
            if not ball.contains(0):
                return 1 if ball > 0 else -1
            if len(self.terms) > 1 and bits >= 256:
                gap = self._gap if gap is None else gap
                if abs(ball) < arb((1, -gap)):
                    return 0
                if bits >= 1 << 14 and gap > _BITS_LIMIT:
                    raise IncompleteError(
                        f"two numbers agree to {bits} bits, and {gap} bits would prove them "
                        "equal: compare sums of fewer roots"
                    )
            bits *= 2

    def __eq__(self, other: object) -> bool:
        y = _operand(other)
        if y is None:
            return NotImplemented
        if self.constant == y.constant and self.terms == y.terms:
            return True
        return (self - y).sign() == 0

    def __lt__(self, other: RealAlgebraic | Exact) -> bool:
        y = _operand(other)
        return NotImplemented if y is None else (self - y).sign() < 0

    def __le__(self, other: RealAlgebraic | Exact) -> bool:
        y = _operand(other)
        return NotImplemented if y is None else (self - y).sign() <= 0

    def __gt__(self, other: RealAlgebraic | Exact) -> bool:
        y = _operand(other)
        return NotImplemented if y is None else (self - y).sign() > 0

    def __ge__(self, other: RealAlgebraic | Exact) -> bool:
        y = _operand(other)
        return NotImplemented if y is None else (self - y).sign() >= 0

    def __bool__(self) -> bool:
        return self.sign() != 0

    def __hash__(self) -> int:
        # equal numbers may be written differently, so the hash is taken from the value
        q = self.as_rational()
        return hash(q) if q is not None else hash(("real algebraic", self.floor(fmpz(1) << 32)))

    def as_rational(self) -> fmpq | None:
        """Return the number as a rational, or None when it is irrational; always decided.

        N·x is an algebraic integer for a known N, so x is rational only if N·x is an integer.
        """
        return self._rational

    @property
    def is_rational(self) -> bool:
        """Whether the number is rational."""
        return self._rational is not None

    @cached_property
    def _rational(self) -> fmpq | None:
        if len(self.terms) < 2:
            return None if self.terms else self.constant
        n = self._denominator
        bits = 64 + int(n).bit_length()
        while True:
            with ctx.workprec(bits + 32):
                ball = self._ball(bits) * arb(n)
            candidate = ball.unique_fmpz()
            if candidate is not None:
                q = fmpq(candidate, n)
                return q if (self - q).sign() == 0 else None
            if not ball.contains_integer():
                return None
            bits *= 2

    def minimal_polynomial(self) -> fmpz_poly:
        """Return the minimal polynomial over Q, primitive, with positive leading coefficient.

        Notes
        -----
        **Cost**: immediate for a rational number and for one root; for a sum of s roots of
        degree d the composed sums are factored one after another, up to degree d^s.

        Examples
        --------
        >>> str((square_root(2) + square_root(3)).minimal_polynomial())
        'x^4 + (-10)*x^2 + 1'
        """
        root = self.canonical()
        if isinstance(root, fmpq):
            return fmpz_poly([-root.p, root.q])
        return root.polynomial.polynomial

    def canonical(self) -> fmpq | Root:
        """Return the number itself, if rational, or as one root of its minimal polynomial.

        Cost as for `minimal_polynomial`.
        """
        return self._canonical

    @cached_property
    def _canonical(self) -> fmpq | Root:
        q = self.as_rational()
        if q is not None:
            return q
        partial: fmpq | Root = self.constant
        for k, (x, a) in enumerate(self.terms):
            if isinstance(partial, fmpq):
                partial = x.affine(a, partial)
            else:
                f = partial.polynomial.polynomial
                g = x.affine(a, fmpq(0)).polynomial.polynomial
                so_far = RealAlgebraic(self.constant, self.terms[: k + 1])
                partial = recognise(composed_sum(f, g), so_far._ball)
        return partial

    def _ball(self, bits: int) -> arb:
        """A ball whose summands have at least `bits` bits of relative accuracy."""
        with ctx.workprec(bits + 16):
            out = arb(self.constant)
            for x, a in self.terms:
                out += arb(a) * x.ball(bits)
            return out

    @cached_property
    def _denominator(self) -> fmpz:
        """N > 0 such that N·x is an algebraic integer: ℓ·r is one, ℓ the leading coefficient."""
        parts = [int(self.constant.q)]
        parts += [int((a / x.polynomial.coefficients[-1]).q) for x, a in self.terms]
        return fmpz(lcm(*parts))

    @property
    def _gap(self) -> int:
        """k such that |x| < 2⁻ᵏ only for x = 0 (see `sign`)."""
        size, conjugates = abs(self.constant), 1
        groups: dict[Irreducible, list[fmpq]] = {}
        for x, a in self.terms:
            groups.setdefault(x.polynomial, []).append(a)
            size += abs(a) * x.polynomial.bound
        for f, coefficients in groups.items():
            # a conjugate permutes the roots of f: count the different ways to place the aᵢ
            ways = factorial(f.degree) // factorial(f.degree - len(coefficients))
            for repeats in Counter(coefficients).values():
                ways //= factorial(repeats)
            conjugates *= ways
        height = int((size * self._denominator).ceil()).bit_length()
        return (conjugates - 1) * height + int(self._denominator).bit_length()

    def floor(self, scale: int | fmpz | fmpq = 1) -> int:
        """Return ⌊scale·x⌋, exactly.

        >>> square_root(2).floor(1000)
        1414
        """
        q = self.as_rational()
        if q is not None:
            return int((q * scale).floor())
        return floor_of(self._ball, fmpq(scale))

    def enclosure(self, bits: int = 64) -> arb:
        """Return a ball that contains the number, with `bits` bits of relative accuracy.

        >>> x = square_root(2).enclosure(128)
        >>> (x * x).contains(2), x.rel_accuracy_bits() >= 128
        (True, True)
        """
        working = bits + 8
        while True:
            ball = self._ball(working)
            if ball.rel_accuracy_bits() >= bits:
                return ball
            if ball.contains(0) and self.sign() == 0:
                return arb(0)
            working *= 2

    def bounds(self, bits: int = 64) -> tuple[fmpq, fmpq]:
        """Return dyadic rationals low ≤ x ≤ high, equal or one unit in the last of `bits` apart.

        They depend on x and `bits` only.

        >>> square_root(2).bounds(4)
        (11/8, 3/2)
        """
        return algebraic_text.bounds(self, bits)

    def __float__(self) -> float:
        return float(self.enclosure(96).mid())

    def decimal(self, digits: int = 10) -> str:
        """Return the first `digits` significant digits, all certain; "…" says that more follow.

        >>> square_root(2).decimal(), (square_root(2) * 10**30).decimal(4)
        ('1.414213562…', '1.414…e30')
        """
        return algebraic_text.decimal(self, digits)

    def sqrt_decimal(self, digits: int = 10) -> str:
        """Return the decimal of √x for x ≥ 0 without computing √x as an algebraic number.

        >>> square_root(2).sqrt_decimal(), (1 + square_root(2)).sqrt_decimal(5)
        ('1.189207115…', '1.5537…')
        """
        return algebraic_text.sqrt_decimal(self, digits)

    def __str__(self) -> str:
        return algebraic_text.short(self)

    def __repr__(self) -> str:
        return f"RealAlgebraic({algebraic_text.described(self)})"

    def to_latex(self) -> str:
        """Return the number in LaTeX: with square roots, or as a root of its polynomial."""
        return latex.algebraic(self)

    _repr_latex_ = latex.displayed

    def to_json(self) -> str | dict[str, Any]:
        """Return "p/q", or the minimal polynomial with a ball that isolates the root.

        A sum of several roots is written as its constant, its terms, and a ball around it.

        >>> square_root(2).to_json()["minimal_polynomial"]
        ['-2', '0', '1']
        """
        return algebraic_text.to_json(self)

    @classmethod
    def from_json(cls, data: Any, name: str = "the number") -> RealAlgebraic:
        """Read back what `to_json` wrote; every statement in it is checked.

        Raises
        ------
        InputError
            If a polynomial is not primitive and irreducible with positive leading coefficient,
            if a ball does not contain exactly one of its real roots, or if the ball around a
            sum misses it.
        NotExactError
            If a number is not exact.
        """
        constant, pairs, bounds = algebraic_text.from_json(data, name)
        x = cls(*normal_form(constant, pairs))
        if bounds is not None and not (x >= bounds[0] and x <= bounds[1]):
            raise InputError(f"the ball of {name} does not contain it: correct one of the two")
        return x


def real_algebraic(x: Any, name: str = "the number") -> RealAlgebraic:
    """Return `x` as a real algebraic number: one already, or anything `rational` accepts.

    >>> real_algebraic("3/4") == square_root("9/16")
    True
    """
    return x if isinstance(x, RealAlgebraic) else RealAlgebraic(rational(x, name))


def square_root(x: Any) -> RealAlgebraic:
    """Return √x for a number x ≥ 0 as in `real_algebraic`."""
    return real_algebraic(x).sqrt()


def real_roots(
    polynomial: fmpz_poly | fmpq_poly | Iterable[Any],
) -> list[tuple[RealAlgebraic, int]]:
    """Return the real roots of a polynomial over Q, increasing, with multiplicities.

    The polynomial is factored over Q; different irreducible factors share no root, so the
    precision is raised until the balls of all roots are disjoint, and then their order is known.

    Parameters
    ----------
    polynomial : fmpz_poly, fmpq_poly, or iterable of rationals from low to high degree

    Raises
    ------
    InputError
        If the polynomial is zero.

    Notes
    -----
    **Cost**: a factorisation over Q and the isolation of all complex roots of its factors.

    Examples
    --------
    >>> [(str(x), e) for x, e in real_roots([0, 0, -1, -1, 1])]
    [('(1-√5)/2', 1), ('0', 2), ('(1+√5)/2', 1)]
    """
    found: list[tuple[RealAlgebraic, int]] = []
    for f, e in irreducible_factors(primitive(polynomial)):
        if f.degree() == 1:
            found.append((RealAlgebraic(fmpq(-f[0], f[1])), e))
        else:
            g = irreducible(f)
            found += [(RealAlgebraic(*as_sum(Root(g, i))), e) for i in range(g.real_count)]
    bits = 64
    while True:
        balls = [x._ball(bits) for x, _ in found]
        order = sorted(range(len(found)), key=lambda i: balls[i].mid())
        if not any(balls[i].overlaps(balls[j]) for i, j in pairwise(order)):
            return [found[i] for i in order]
        bits *= 2


def _operand(x: object) -> RealAlgebraic | None:
    if isinstance(x, RealAlgebraic):
        return x
    if isinstance(x, bool):
        return None
    if isinstance(x, (fmpq, fmpz, numbers.Rational)):
        return RealAlgebraic(rational(x))
    return None
