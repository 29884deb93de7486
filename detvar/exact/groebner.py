"""Gröbner bases over Q by FLINT: the exact answer for small systems, with nothing modular in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import Any

from flint import Ordering, fmpz_mpoly_ctx, fmpz_mpoly_vec

from detvar.errors import IncompleteError
from detvar.exact.rational_functions import Polynomial, integer_terms
from detvar.exact.staircase import Monomial, dimension, standard_monomials

_LIMITS = (50, 200, 1000)  # basis elements, terms and bits of a polynomial in the first round
_MAX_BITS = 32_000  # rounds beyond this have run for minutes and not ended


@dataclass(frozen=True, eq=False)
class GroebnerBasis:
    """A Gröbner basis over Q for the degree reverse lexicographic order, checked to be one.

    Attributes
    ----------
    polynomials : tuple of {exponents: integer}
        Each with its leading monomial first; not necessarily reduced.
    variables : int
    """

    polynomials: tuple[dict[Monomial, int], ...]
    variables: int

    @cached_property
    def leading(self) -> tuple[Monomial, ...]:
        """The leading monomials."""
        return tuple(next(iter(f)) for f in self.polynomials)

    @cached_property
    def dimension(self) -> int:
        """The dimension of the set of complex solutions, −1 if there are none."""
        return dimension(self.leading, self.variables)

    @cached_property
    def standard(self) -> list[Monomial] | None:
        """The standard monomials, a basis of the quotient algebra; None if it is infinite."""
        return standard_monomials(self.leading, self.variables)


def groebner_basis(polynomials: Sequence[Polynomial], budget: float = 10.0) -> GroebnerBasis:
    """Return a Gröbner basis of an ideal of Q[x₁, …, x_n].

    Buchberger's algorithm runs in rounds, each with twice the bounds on the number, the length
    and the coefficients of the polynomials.

    Parameters
    ----------
    polynomials : generators, from one `polynomial_ring`
    budget : seconds after which no further round begins; nor does one with over 32 000 bits

    Raises
    ------
    IncompleteError
        If the budget ended first, or the coefficients became too large.

    Notes
    -----
    **Cost**: doubly exponential at worst; a few dozen solutions are within reach, and a round
    that has begun is not interrupted.
    **Validity**: exact. Every S-polynomial of the result is reduced to 0 once more, and so is
    every generator; that the result lies in the ideal rests on FLINT's arithmetic.

    Examples
    --------
    >>> from detvar.exact.rational_functions import polynomial_ring
    >>> x, y = polynomial_ring(["x", "y"])
    >>> basis = groebner_basis([x**2 - y, x**3 - x])
    >>> basis.dimension, basis.standard
    (0, [(0, 0), (1, 0), (0, 1)])
    """
    names = polynomials[0].context().names()
    ring = fmpz_mpoly_ctx.get(list(names), Ordering.degrevlex)
    given = [ring.from_dict(integer_terms(f)) for f in polynomials if f]
    generators = fmpz_mpoly_vec(given, ring)
    basis: Any = generators
    done, limits, end = not given, _LIMITS, monotonic() + budget
    while not done:
        # from the start each time: what FLINT returns at a limit can generate less
        found: Any = generators.buchberger_naive(limits=limits)
        basis, done = found
        limits = (2 * limits[0], 2 * limits[1], 2 * limits[2])
        if not done and (monotonic() > end or limits[2] > _MAX_BITS):
            raise IncompleteError(
                f"no Gröbner basis over Q within {budget:.3g} s and {_MAX_BITS} bits: "
                "count modulo a prime with msolve"
            )
    if given and not basis.is_groebner(generators):
        raise ArithmeticError("FLINT's basis is no Gröbner basis; this is a bug")
    tables = tuple({tuple(map(int, m)): int(c) for m, c in f.terms()} for f in basis)
    return GroebnerBasis(tables, len(names))
