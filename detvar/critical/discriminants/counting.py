"""Real roots of polynomials whose coefficients lie in Q(α), α a real algebraic number.

An element of Q(α) is a polynomial modulo the minimal polynomial of α, so that zero is recognised
exactly, and balls of growing precision find the sign of everything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.balls import working_precision
from detvar.exact.rational import Rational
from detvar.exact.univariate import Univariate, inverse_modulo

Coefficients = list[Univariate]


@dataclass(frozen=True)
class RealField:
    """Q(α) for a real algebraic number α."""

    alpha: RealAlgebraic

    @cached_property
    def modulus(self) -> Univariate:
        """The minimal polynomial of α."""
        return Univariate(self.alpha.minimal_polynomial())

    def sign(self, g: Univariate) -> int:
        """Return the sign of g(α), exactly.

        >>> from detvar.exact.algebraic import square_root
        >>> RealField(square_root(2)).sign(Univariate([-2, 0, 1]))
        0
        """
        g = g % self.modulus
        if g.degree() < 1:
            c = g[0]
            return (c > 0) - (c < 0)
        bits = 64
        while True:
            with working_precision(bits + 32):
                value = g.numer()(self.alpha.enclosure(bits))
                if not value.contains(0):
                    return 1 if value > 0 else -1
            bits *= 2

    def polynomial(self, coefficients: Sequence[Univariate]) -> Coefficients:
        """Return a polynomial over Q[t], from low to high degree, with t = α."""
        return _trimmed([c % self.modulus for c in coefficients])

    def _monic(self, f: Coefficients) -> Coefficients:
        """f over the absolute value of its leading coefficient."""
        inverse = inverse_modulo(f[-1], self.modulus) * self.sign(f[-1])
        return [c * inverse % self.modulus for c in f]

    def _remainder(self, f: Coefficients, g: Coefficients) -> Coefficients:
        """f modulo g, whose leading coefficient is ±1."""
        out, lead = list(f), self.sign(g[-1])
        while len(out) >= len(g):
            top, shift = out[-1] * lead, len(out) - len(g)
            for i, c in enumerate(g):
                out[shift + i] = (out[shift + i] - top * c) % self.modulus
            out = _trimmed(out[:-1])
        return out

    def sturm(self, f: Coefficients) -> tuple[int, Coefficients]:
        """Return the number of distinct real roots of f ≠ 0, and gcd(f, f′).

        The signed remainders of f and f′ lose as many changes of sign from −∞ to +∞ as f has
        distinct real roots, also if there are multiple ones.

        References
        ----------
        Basu, Pollack, Roy, *Algorithms in Real Algebraic Geometry*, 2006, theorem 2.50.
        """
        if len(f) < 2:
            return 0, [Univariate([1])]
        chain = [self._monic(f)]
        rest = _trimmed([c * i for i, c in enumerate(chain[0])][1:])
        while rest:
            chain.append(self._monic(rest))
            rest = [-c for c in self._remainder(chain[-2], chain[-1])]
        ends = [(self.sign(g[-1]), len(g) - 1) for g in chain]
        right = _changes([s for s, _ in ends])
        left = _changes([s * (-1) ** d for s, d in ends])
        return left - right, chain[-1]

    def multiplicities(self, coefficients: Sequence[Univariate], degree: int) -> dict[int, int]:
        """Return {e: number of real zeros of multiplicity e} of a form of this degree on P¹(R).

        The zero at infinity has the multiplicity by which the degree drops.

        Parameters
        ----------
        coefficients : of 1, a, a², …, not all zero at t = α

        Examples
        --------
        >>> from detvar.exact.algebraic import square_root
        >>> t, one = Univariate([0, 1]), Univariate([1])
        >>> field = RealField(square_root(2))
        >>> field.multiplicities([t * t, -2 * t, one, one - one], 3)  # (a − √2)² with t = √2
        {1: 1, 2: 1}
        """
        f = self.polynomial(coefficients)
        at_infinity = degree - (len(f) - 1)
        more_than: list[int] = []
        while len(f) > 1:
            count, f = self.sturm(f)
            more_than.append(count)
        more_than.append(0)
        out = {e: a - b for e, (a, b) in enumerate(zip(more_than, more_than[1:], strict=False), 1)}
        if at_infinity:
            out[at_infinity] = out.get(at_infinity, 0) + 1
        return {e: k for e, k in sorted(out.items()) if k}


def at_rational(t: Rational) -> RealField:
    """Return Q, with t as its α."""
    return RealField(RealAlgebraic(t))


def _trimmed(f: list[Univariate]) -> list[Univariate]:
    while f and not f[-1]:
        f.pop()
    return f


def _changes(signs: list[int]) -> int:
    return sum(a != b for a, b in zip(signs, signs[1:], strict=False))
