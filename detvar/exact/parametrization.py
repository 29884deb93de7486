"""Finitely many points, written as rational functions of the roots of one polynomial."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from flint import fmpq_poly

from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.number_field import element_at, inverse_modulo, roots_of
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

    @cached_property
    def coordinates(self) -> tuple[fmpq_poly, ...]:
        """The coordinates as polynomials in t, modulo f."""
        inverse = inverse_modulo(self.denominator, self.polynomial)
        return tuple(n * inverse % self.polynomial for n in self.numerators)

    def evaluate(self, expression: Polynomial) -> fmpq_poly:
        """Return a polynomial in the coordinates as a polynomial in t, modulo f."""
        f, powers = self.polynomial, self._powers
        out = fmpq_poly([0])
        for exponents, c in expression.terms():
            term = fmpq_poly([c])
            for i, e in enumerate(map(int, exponents)):
                if e:
                    if (i, e) not in powers:
                        powers[i, e] = self.coordinates[i] ** e % f
                    term = term * powers[i, e] % f
            out += term
        return out

    @cached_property
    def _powers(self) -> dict[tuple[int, int], fmpq_poly]:
        return {}

    def satisfies(self, equations: Iterable[Polynomial]) -> bool:
        """Say whether all points are solutions; exact."""
        return not any(self.evaluate(e) for e in equations)

    def real_values(self, expressions: Sequence[Polynomial]) -> list[tuple[RealAlgebraic, ...]]:
        """Return the values of polynomials in the coordinates at the real points.

        Points of one irreducible factor of f stand together, by increasing t.

        Notes
        -----
        **Cost**: for each value the minimal polynomial of a matrix, as large as the factor.
        **Validity**: all real points, if the parameter t is real where the point is, as with a
        rational linear form in the coordinates.
        """
        values = [self.evaluate(e) for e in expressions]
        return [
            tuple(element_at(v, root) for v in values)
            for _, _, roots in roots_of(self.polynomial)
            for root in roots
        ]
