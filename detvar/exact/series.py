"""Power series over Q in several variables, truncated at a total degree.

Elements are FLINT multivariate polynomials, so that they can be handed to anything that
computes in a Q-algebra; after each product the caller cuts them back with `truncate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flint import Ordering, fmpq, fmpq_mpoly, fmpq_mpoly_ctx, fmpq_poly

Series = fmpq_mpoly


@dataclass(frozen=True)
class SeriesRing:
    """Q[s_1, …, s_ν] modulo all monomials of degree > order.

    Examples
    --------
    >>> R = SeriesRing(1, 3)
    >>> s = R.variables[0]
    >>> str(R.truncate((1 + s) ** 5))
    '10*s1^3 + 10*s1^2 + 5*s1 + 1'
    """

    count: int
    order: int

    @property
    def _context(self) -> Any:
        names = tuple(f"s{i + 1}" for i in range(self.count))
        return fmpq_mpoly_ctx.get(names, Ordering.deglex)

    @property
    def variables(self) -> list[Series]:
        """The generators s_1, …, s_ν."""
        return list(self._context.gens())

    def constant(self, c: fmpq) -> Series:
        """Return c as a series."""
        series: Series = self._context.constant(c)
        return series

    def truncate(self, p: Series, order: int | None = None) -> Series:
        """Return p without its terms of degree above `order` (default: the ring's)."""
        bound = self.order if order is None else order
        if p.total_degree() <= bound:
            return p
        kept = {e: c for e, c in p.to_dict().items() if sum(e) <= bound}
        cut: Series = self._context.from_dict(kept)
        return cut

    def part(self, p: Series, degree: int) -> dict[tuple[int, ...], fmpq]:
        """Return the homogeneous part of a degree, as {exponents: coefficient}."""
        return {tuple(map(int, e)): c for e, c in p.to_dict().items() if sum(e) == degree}

    def lowest(self, p: Series) -> int | None:
        """Return the degree of the lowest non-constant term, or None if p is constant."""
        degrees = [int(sum(e)) for e in p.to_dict() if sum(e) > 0]
        return min(degrees) if degrees else None

    def restrict(self, p: Series, direction: list[int]) -> list[fmpq]:
        """Return the coefficients of p(t·direction) as a polynomial in t, lowest degree first."""
        out = [fmpq(0)] * (self.order + 1)
        for exponents, c in p.to_dict().items():
            for e, x in zip(exponents, direction, strict=True):
                c = c * fmpq(x) ** int(e)
            out[sum(map(int, exponents))] += c
        return out


def polynomial(coefficients: list[fmpq]) -> fmpq_poly:
    """Return the polynomial in one variable with these coefficients, lowest degree first."""
    return fmpq_poly(coefficients)
