"""Polynomials over Q in many variables, and quotients of them, as FLINT's ``fmpq_mpoly``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any

from flint import Ordering, fmpq, fmpq_mpoly, fmpq_mpoly_ctx, fmpz

from detvar.exact.rational import rational

Polynomial = fmpq_mpoly


def polynomial_ring(names: Sequence[str]) -> list[fmpq_mpoly]:
    """Return the variables of Q[names], ordered by degree, then reverse lexicographically.

    >>> x, y = polynomial_ring(["x", "y"])
    >>> print((x + y) * (x - y) * rational("1/2"))
    1/2*x^2 - 1/2*y^2
    """
    return list(fmpq_mpoly_ctx.get(list(names), Ordering.degrevlex).gens())


def integer_terms(f: fmpq_mpoly) -> dict[tuple[int, ...], int]:
    """Return {exponents: coefficient} of the multiple of `f` by its common denominator."""
    terms = f.to_dict()
    scale = lcm(*(int(c.q) for c in terms.values()))
    return {tuple(map(int, m)): int((c * scale).p) for m, c in terms.items()}


@dataclass(frozen=True)
class RationalFunction:
    """p/q with polynomials p, q over Q, in lowest terms; built to be an argument of a loss.

    >>> x, y = polynomial_ring(["x", "y"])
    >>> f = (1 - RationalFunction.of(x) / y) ** 2
    >>> print(f.numerator, "over", f.denominator)
    x^2 - 2*x*y + y^2 over y^2
    """

    numerator: fmpq_mpoly
    denominator: fmpq_mpoly

    @classmethod
    def of(cls, p: fmpq_mpoly, q: fmpq_mpoly | None = None) -> RationalFunction:
        """Return p/q in lowest terms, the denominator with leading coefficient 1."""
        one = p * 0 + 1
        if q is None:
            return cls(p, one)
        if not q:
            raise ZeroDivisionError("the denominator is the zero polynomial")
        g = p.gcd(q) if p else q
        p, q = p / g, q / g
        c = q.leading_coefficient()
        return cls(p / c, q / c)

    def _operand(self, x: Any) -> RationalFunction | None:
        if isinstance(x, RationalFunction):
            return x
        if isinstance(x, fmpq_mpoly):
            return RationalFunction.of(x)
        if isinstance(x, bool):
            return None
        if isinstance(x, (int, fmpz, fmpq)) or getattr(x, "is_Rational", False):
            return RationalFunction.of(self.numerator * 0 + rational(x))
        return None

    def __add__(self, other: Any) -> RationalFunction:
        y = self._operand(other)
        if y is None:
            return NotImplemented
        p, q = self.denominator, y.denominator
        return RationalFunction.of(self.numerator * q + y.numerator * p, p * q)

    __radd__ = __add__

    def __neg__(self) -> RationalFunction:
        return RationalFunction(-self.numerator, self.denominator)

    def __sub__(self, other: Any) -> RationalFunction:
        y = self._operand(other)
        return NotImplemented if y is None else self + (-y)

    def __rsub__(self, other: Any) -> RationalFunction:
        y = self._operand(other)
        return NotImplemented if y is None else y + (-self)

    def __mul__(self, other: Any) -> RationalFunction:
        y = self._operand(other)
        if y is None:
            return NotImplemented
        return RationalFunction.of(self.numerator * y.numerator, self.denominator * y.denominator)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> RationalFunction:
        y = self._operand(other)
        if y is None:
            return NotImplemented
        return RationalFunction.of(self.numerator * y.denominator, self.denominator * y.numerator)

    def __rtruediv__(self, other: Any) -> RationalFunction:
        y = self._operand(other)
        if y is None:
            return NotImplemented
        return RationalFunction.of(y.numerator * self.denominator, y.denominator * self.numerator)

    def __pow__(self, exponent: int) -> RationalFunction:
        p, q = self.numerator, self.denominator
        if exponent < 0:
            return RationalFunction.of(q**-exponent, p**-exponent)
        return RationalFunction(p**exponent, q**exponent)
