"""Finitely many points, written as rational functions of the roots of one polynomial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from flint import fmpq_poly

from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.number_field import elements_at, roots_of
from detvar.exact.rational_functions import Polynomial


@dataclass(frozen=True, eq=False)
class Parametrization:
    """The points (n₁(t)/d(t), …, n_k(t)/d(t)) over all roots t of f.

    Attributes
    ----------
    polynomial : f, over Q, without multiple roots
    denominator : d, without a root in common with f
    numerators : n₁, …, n_k

    References
    ----------
    F. Rouillier, "Solving zero-dimensional systems through the rational univariate
    representation", 1999.

    Examples
    --------
    >>> from detvar.exact.rational_functions import polynomial_ring
    >>> x, y = polynomial_ring(["x", "y"])
    >>> t = fmpq_poly([0, 1])
    >>> points = Parametrization(t**2 - 2, fmpq_poly([1]), (t, t + 1))
    >>> points.satisfies([x**2 - 2, y - x - 1])
    True
    >>> [str(v) for (v,) in points.real_values([x * y])]
    ['2-√2', '2+√2']
    """

    polynomial: fmpq_poly
    denominator: fmpq_poly
    numerators: tuple[fmpq_poly, ...]

    @property
    def degree(self) -> int:
        """The number of complex points."""
        return int(self.polynomial.degree())

    def evaluate(self, expression: Polynomial) -> tuple[fmpq_poly, fmpq_poly]:
        """Return a polynomial in the coordinates as a quotient of polynomials in t.

        Nothing is reduced modulo f, which would make the coefficients large.
        """
        size = int(expression.total_degree()) if expression else 0
        out = fmpq_poly([0])
        for exponents, c in expression.terms():
            term = fmpq_poly([c]) * self._power(None, size - sum(map(int, exponents)))
            for i, e in enumerate(map(int, exponents)):
                if e:
                    term = term * self._power(i, e)
            out += term
        return out, self._power(None, size)

    def _power(self, i: int | None, exponent: int) -> fmpq_poly:
        """A power of n_i, or of d."""
        key = (i, exponent)
        if key not in self._powers:
            base = self.denominator if i is None else self.numerators[i]
            self._powers[key] = base**exponent
        return self._powers[key]

    @cached_property
    def _powers(self) -> dict[tuple[int | None, int], fmpq_poly]:
        return {}

    def satisfies(self, equations: Iterable[Polynomial]) -> bool:
        """Say whether all points are solutions: exact, if f and d have no common root."""
        return not any(self.evaluate(e)[0] % self.polynomial for e in equations)

    def real_values(self, expressions: Sequence[Polynomial]) -> list[tuple[RealAlgebraic, ...]]:
        """Return the values of polynomials in the coordinates at the real points.

        Points of one irreducible factor of f stand together, by increasing t.

        Notes
        -----
        **Cost**: for each value as many resultants as the factor has roots.
        **Validity**: all real points, if the parameter t is real where the point is, as with a
        rational linear form in the coordinates.
        """
        values = [self.evaluate(e) for e in expressions]
        out: list[tuple[RealAlgebraic, ...]] = []
        for f, _, roots in roots_of(self.polynomial):
            columns = [elements_at(top, low, f, roots) for top, low in values]
            out += zip(*columns, strict=True)
        return out
