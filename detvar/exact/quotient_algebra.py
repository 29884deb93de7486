"""The quotient algebra A = Q[x]/I of finitely many points: multiplication, traces, real points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from flint import fmpq, fmpq_mat, fmpq_poly

from detvar.errors import PositiveDimensionalError
from detvar.exact.groebner import GroebnerBasis
from detvar.exact.inertia import inertia
from detvar.exact.matrices import identity, rank
from detvar.exact.parametrization import Parametrization
from detvar.exact.polynomials import primitive
from detvar.exact.rational_functions import Polynomial
from detvar.exact.staircase import Monomial


@dataclass(frozen=True, eq=False)
class QuotientAlgebra:
    """A = Q[x₁, …, x_n]/I of dimension d with the multiplication by each variable.

    Attributes
    ----------
    basis : the d standard monomials
    multiplication : n matrices, d×d; column k holds x_i·(basis monomial k)

    References
    ----------
    Cox, Little, O'Shea, *Using Algebraic Geometry*, 2005, chapter 2.

    Examples
    --------
    >>> from detvar.exact.groebner import groebner_basis
    >>> from detvar.exact.rational_functions import polynomial_ring
    >>> x, y = polynomial_ring(["x", "y"])
    >>> a = QuotientAlgebra.of(groebner_basis([(x**2 - 2) * (x**2 + 1), (y - x) ** 2]))
    >>> a.dimension, a.distinct_count, a.real_count
    (8, 4, 2)
    """

    basis: tuple[Monomial, ...]
    multiplication: tuple[fmpq_mat, ...]

    @classmethod
    def of(cls, groebner: GroebnerBasis) -> QuotientAlgebra:
        """Return the algebra of an ideal with finitely many solutions.

        Raises
        ------
        PositiveDimensionalError
            If there are infinitely many solutions.
        """
        if groebner.standard is None:
            raise PositiveDimensionalError(
                f"the solutions form a set of dimension {groebner.dimension}: "
                "the quotient algebra is infinite"
            )
        basis, n = tuple(groebner.standard), groebner.variables
        normal = _NormalForms(groebner, basis)
        d = len(basis)
        matrices = []
        for i in range(n):
            out = fmpq_mat(d, d)
            for k, m in enumerate(basis):
                for j, c in normal((*m[:i], m[i] + 1, *m[i + 1 :])).items():
                    out[j, k] = c
            matrices.append(out)
        return cls(basis, tuple(matrices))

    @property
    def dimension(self) -> int:
        """d, the number of solutions with multiplicity."""
        return len(self.basis)

    def matrix(self, f: Polynomial) -> fmpq_mat:
        """Return the matrix of multiplication by a polynomial."""
        d = self.dimension
        out = fmpq_mat(d, d)
        for exponents, c in f.terms():
            term = identity(d) * c
            for i, e in enumerate(exponents):
                for _ in range(int(e)):
                    term = self.multiplication[i] * term
            out = out + term
        return out

    @cached_property
    def _basis_matrices(self) -> tuple[fmpq_mat, ...]:
        known: dict[Monomial, fmpq_mat] = {}
        for m in self.basis:  # by degree: a divisor comes first
            i = next((i for i, e in enumerate(m) if e), None)
            if i is None:
                known[m] = identity(self.dimension)
            else:
                known[m] = self.multiplication[i] * known[(*m[:i], m[i] - 1, *m[i + 1 :])]
        return tuple(known.values())

    @cached_property
    def traces(self) -> fmpq_mat:
        """The row with the traces of the basis monomials."""
        d = self.dimension
        return fmpq_mat(
            1, d, [sum((m[k, k] for k in range(d)), fmpq(0)) for m in self._basis_matrices]
        )

    @cached_property
    def trace_form(self) -> fmpq_mat:
        """Hermite's form (a, b) ↦ tr(ab) in the basis."""
        d = self.dimension
        rows = [(self.traces * m).entries() for m in self._basis_matrices]
        return fmpq_mat(d, d, [x for row in rows for x in row])

    @property
    def distinct_count(self) -> int:
        """The number of distinct complex solutions: the rank of the trace form."""
        return rank(self.trace_form)

    @property
    def real_count(self) -> int:
        """The number of distinct real solutions: the signature of the trace form."""
        found = inertia(self.trace_form)
        return found.positive - found.negative

    def minimal_polynomial(self, f: Polynomial) -> fmpq_poly:
        """Return the minimal polynomial of multiplication by f; its roots are the values of f."""
        return self.matrix(f).minpoly()

    def parametrization(self, form: Sequence[int]) -> Parametrization | None:
        """Return the distinct solutions in terms of t = Σ c_i x_i, None if t does not separate.

        Notes
        -----
        **Cost**: one minimal polynomial and O(n·d) products of d×d matrices and vectors.
        """
        d = self.dimension
        t = fmpq_mat(d, d)
        for c, m in zip(form, self.multiplication, strict=True):
            t = t + m * fmpq(c)
        full = t.minpoly()
        f = fmpq_poly(primitive(full // full.gcd(full.derivative())))
        f = f / f.leading_coefficient()
        if f.degree() != self.distinct_count:
            return None
        rows = [self.traces, *(self.traces * m for m in self.multiplication)]
        powers = [fmpq_mat(d, 1, [fmpq(int(k == 0)) for k in range(d)])]
        for _ in range(f.degree() - 1):
            powers.append(t * powers[-1])
        # f(T)·Σ_i tr(v tⁱ) T^(−i−1) is a polynomial: at the root t(z) it is μ(z)·v(z)·f'(t(z))
        horner = [f.right_shift(f.degree() - j) for j in range(f.degree())]
        tops = []
        for row in rows:
            total = fmpq_poly([0])
            for p, h in zip(powers, reversed(horner), strict=True):
                total += h * (row * p)[0, 0]
            tops.append(total)
        return Parametrization(f, tops[0], tuple(tops[1:]))


class _NormalForms:
    """Normal forms of monomials, as {number of the basis monomial: coefficient}."""

    def __init__(self, groebner: GroebnerBasis, basis: tuple[Monomial, ...]) -> None:
        self._rules = {next(iter(f)): f for f in groebner.polynomials}
        self._basis = basis
        self._known: dict[Monomial, dict[int, fmpq]] = {
            m: {k: fmpq(1)} for k, m in enumerate(basis)
        }

    def __call__(self, monomial: Monomial) -> dict[int, fmpq]:
        if monomial in self._known:
            return self._known[monomial]
        out: dict[int, fmpq] = {}
        if monomial in self._rules:
            rule = self._rules[monomial]
            pairs = [(m, fmpq(-c, rule[monomial])) for m, c in rule.items() if m != monomial]
        else:  # x_i times a monomial that is not standard either
            i, below = next(
                (i, m)
                for i, e in enumerate(monomial)
                if e
                and (m := (*monomial[:i], e - 1, *monomial[i + 1 :])) is not None
                and not self._is_standard(m)
            )
            pairs = [
                ((*m[:i], m[i] + 1, *m[i + 1 :]), c)
                for k, c in self(below).items()
                for m in (self._basis[k],)
            ]
        for m, c in pairs:
            for k, x in self(m).items():
                out[k] = out.get(k, fmpq(0)) + c * x
        self._known[monomial] = {k: c for k, c in out.items() if c}
        return self._known[monomial]

    def _is_standard(self, monomial: Monomial) -> bool:
        found = self._known.get(monomial)
        return found is not None and len(found) == 1 and self._basis[next(iter(found))] == monomial
