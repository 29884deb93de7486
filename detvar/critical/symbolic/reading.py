"""Parametrized weights as polynomials over Q, and their values and derivatives at exact points.

A number of Q(λ) at a point is the matrix of multiplication by it on A = Q[λ]/relations, so ranks
over Q are dim A times those over the field, as long as conjugate points have equal ranks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product as choices
from random import Random
from typing import TYPE_CHECKING, Any

from detvar.critical.symbolic.algebras import evaluated
from detvar.errors import InputError, NotCertifiedError, ShapeError
from detvar.exact.matrices import Matrix, hstack, identity, inverse, kron, rank, vstack, zeros
from detvar.exact.rational import Rational, rational
from detvar.exact.rational_functions import Polynomial, polynomial_ring
from detvar.losses.rows import Rows

if TYPE_CHECKING:
    from detvar.critical.symbolic.parametrization import SymbolicComponent

_ATTEMPTS = 20


@dataclass(frozen=True)
class Chart:
    """The weights of a family over Q[λ, t]: W_i = N_i/δ_i.

    Attributes
    ----------
    numerators : N_1, …, N_h
    denominators : δ_1, …, δ_h
    conditions : polynomials that must not vanish
    relations : polynomials in λ, each with a power of its last λ as leading monomial
    value : the value that the loss should have
    eigenvalues, parameters : how many variables of each kind there are, λ's first (in reverse)
    one : the polynomial 1
    """

    numerators: tuple[Rows, ...]
    denominators: tuple[Polynomial, ...]
    conditions: tuple[Polynomial, ...]
    relations: tuple[Polynomial, ...]
    value: Polynomial
    eigenvalues: int
    parameters: int
    one: Polynomial

    @classmethod
    def of(cls, component: SymbolicComponent) -> Chart:
        """Read a family from its SymPy expressions.

        Raises
        ------
        InputError
            If an expression is no rational function of the parameters and eigenvalues.
        ShapeError
            If the weights do not fit the network.
        """
        roots = [symbol for symbol, _ in component.eigenvalues][::-1]
        symbols = [*roots, *component.parameters]
        generators = polynomial_ring([f"x{i}" for i in range(max(len(symbols), 1))])
        one = generators[0] * 0 + 1
        known = dict(zip(symbols, generators, strict=False))

        def read(x: Any) -> Polynomial:
            out: Polynomial = evaluated(x, known, lambda c: one * rational(c))
            return out

        d = component.network.widths
        shapes = [tuple(w.shape) for w in component.weights]
        if shapes != list(zip(d[1:], d[:-1], strict=True)):
            raise ShapeError(f"the weights have shapes {shapes}: they do not fit {d}")
        layers = [_common(w.tolist(), read, one) for w in component.weights]
        return cls(
            tuple(n for n, _ in layers),
            tuple(q for _, q in layers),
            tuple(map(read, component.conditions)),
            tuple(map(read, component.relations)),
            read(component.value),
            len(roots),
            len(component.parameters),
            one,
        )

    def normal(self, x: Polynomial) -> Polynomial:
        """Return the normal form modulo the relations, which are a Gröbner basis: their leading
        monomials are powers of different variables."""
        for f in reversed(self.relations):
            x = divmod(x, f)[1]
        return x

    def variables(self) -> list[Polynomial]:
        """Return the variables, eigenvalues first and in reverse."""
        return list(self.one.context().gens())

    def monomials(self) -> dict[tuple[int, ...], Matrix]:
        """Return a basis of A = Q[λ]/relations: monomials, with the matrices of multiplication."""
        bounds = [1] * self.eigenvalues
        for f in self.relations:
            leading = f.monoms()[0]
            place = next(i for i, e in enumerate(leading) if e)
            bounds[place] = int(leading[place])
        basis = list(choices(*map(range, bounds)))
        generators = self.variables()[: self.eigenvalues]
        elements = []
        for exponents in basis:
            x = self.one
            for v, e in zip(generators, exponents, strict=True):
                x = x * v**e
            elements.append(x)
        place_of = {exponents: i for i, exponents in enumerate(basis)}
        out = {}
        for exponents, x in zip(basis, elements, strict=True):
            a = zeros(len(basis), len(basis))
            for column, y in enumerate(elements):
                for powers, c in self.normal(x * y).to_dict().items():
                    a[place_of[tuple(map(int, powers[: self.eigenvalues]))], column] = c
            out[exponents] = a
        return out


def _common(
    rows: Rows, read: Callable[[Any], Polynomial], one: Polynomial
) -> tuple[Rows, Polynomial]:
    """Return numerators over one denominator, the least common multiple of those that occur."""
    pairs = [[tuple(map(read, _fraction(x))) for x in row] for row in rows]
    below = one
    for row in pairs:
        for _, q in row:
            if not q:
                raise InputError("a denominator of the weights is zero")
            below = below * (q / below.gcd(q))
    return [[p * (below / q) for p, q in row] for row in pairs], below


def _fraction(x: Any) -> tuple[Any, Any]:
    """Return numerator and denominator of an expression, which is left as it is if it is written
    as one quotient of polynomials."""
    from sympy import Pow, fraction, sympify, together

    top, below = fraction(sympify(x))
    if any(power.exp.is_negative for power in (*top.atoms(Pow), *below.atoms(Pow))):
        top, below = fraction(together(x))
    return top, below


@dataclass(frozen=True)
class Point:
    """A chart at rational parameters t; numbers of A = Q[λ]/relations are matrices over Q."""

    chart: Chart
    values: tuple[Rational, ...]
    monomials: Mapping[tuple[int, ...], Matrix]

    @classmethod
    def at(cls, chart: Chart, values: Sequence[Rational]) -> Point:
        """Return the point; raise `InputError` if a condition or denominator vanishes there."""
        point = cls(chart, tuple(values), chart.monomials())
        for x in (*chart.conditions, *chart.denominators):
            if rank(point.number(x)) < point.degree:
                raise InputError("a condition vanishes at these values: choose others")
        return point

    @classmethod
    def random(cls, chart: Chart, seed: int, size: int = 50) -> Point:
        """Return a point with random integer coordinates at which no condition vanishes."""
        rng = Random(seed)
        for _ in range(_ATTEMPTS):
            values = [Rational(rng.randint(-size, size)) for _ in range(chart.parameters)]
            try:
                return cls.at(chart, values)
            except InputError:
                continue
        raise NotCertifiedError(
            f"a condition vanished at {_ATTEMPTS} random points: use a new seed"
        )

    @property
    def degree(self) -> int:
        """dim A."""
        return len(self.monomials)

    def number(self, x: Polynomial) -> Matrix:
        """Return the matrix of multiplication by x(λ, t)."""
        return self._with_derivatives(x, ())[0]

    def matrix(self, rows: Rows) -> Matrix:
        """Return a matrix over A as a block matrix over Q."""
        return vstack(*(hstack(*(self.number(x) for x in row)) for row in rows))

    def weights(self) -> tuple[Matrix, ...]:
        """Return W_1, …, W_h, in blocks."""
        out = []
        for a, q in zip(self.chart.numerators, self.chart.denominators, strict=True):
            out.append(self.matrix(a) * kron(identity(len(a[0])), inverse(self.number(q))))
        return tuple(out)

    def jacobian_rank(self) -> int:
        """Return the rank of ∂θ/∂t over A; rows are multiplied by denominators, which changes
        nothing: δ·∂(N/δ) = ∂N − (N/δ)·∂δ."""
        chart = self.chart
        which = range(chart.parameters)
        if not chart.parameters:
            return 0
        rows = []
        for a, q in zip(chart.numerators, chart.denominators, strict=True):
            below, *changes = self._with_derivatives(q, which)
            back = inverse(below)
            for x in (x for row in a for x in row):
                top, *moves = self._with_derivatives(x, which)
                w = top * back
                rows.append(hstack(*(u - w * v for u, v in zip(moves, changes, strict=True))))
        size = rank(vstack(*rows))
        if size % self.degree:
            raise NotCertifiedError("the rank of the Jacobian differs between conjugate points")
        return size // self.degree

    def _with_derivatives(self, x: Polynomial, which: Sequence[int]) -> list[Matrix]:
        """Return x and its derivatives by the parameters, one pass over the terms each."""
        roots = self.chart.eigenvalues
        sums: list[dict[tuple[int, ...], Rational]] = [{} for _ in range(len(which) + 1)]
        for exponents, c in self.chart.normal(x).to_dict().items():
            powers = tuple(map(int, exponents))
            key, powers = powers[:roots], powers[roots : roots + self.chart.parameters]
            support = [(i, e) for i, e in enumerate(powers) if e]
            parts = [self.values[i] ** e for i, e in support]
            _add(sums[0], key, _times(c, parts))
            for s, (i, e) in enumerate(support):
                if i in which:
                    rest = parts[:s] + [self.values[i] ** (e - 1) * e] + parts[s + 1 :]
                    _add(sums[which.index(i) + 1], key, _times(c, rest))
        return [self._combined(s) for s in sums]

    def _combined(self, terms: Mapping[tuple[int, ...], Rational]) -> Matrix:
        out = zeros(self.degree, self.degree)
        for key, c in terms.items():
            out += self.monomials[key] * c
        return out


def _add(into: dict[tuple[int, ...], Rational], key: tuple[int, ...], c: Rational) -> None:
    into[key] = into.get(key, Rational(0)) + c


def _times(c: Rational, factors: Sequence[Rational]) -> Rational:
    for f in factors:
        c = c * f
    return c
