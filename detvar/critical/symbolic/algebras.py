"""The two algebras in which equations are written out: SymPy's expressions, and Q[x₁, …, x_n].

Expressions keep the structure that a formula has; FLINT's polynomials multiply it out, and
quotients of them are brought to lowest terms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key, reduce
from operator import add, mul
from typing import Any

from detvar.errors import InputError
from detvar.exact.rational import rational
from detvar.exact.rational_functions import Polynomial, RationalFunction, polynomial_ring
from detvar.losses import is_analytic, is_polynomial
from detvar.losses.rows import Rows
from detvar.losses.symbolic import SymbolicLoss


@dataclass(frozen=True)
class Algebra:
    """Where the entries of the matrices of a form live.

    Attributes
    ----------
    lift : takes a SymPy expression in the unknowns and parameters into the algebra
    gradient : takes the rows of W to the rows of ∇ℓ(W)
    """

    lift: Callable[[Any], Any]
    gradient: Callable[[Rows], Rows]


def expressions(loss: Any) -> Algebra:
    """Return the algebra of SymPy expressions, in which nothing is expanded."""
    symbolic = SymbolicLoss.of(loss)

    def gradient(rows: Rows) -> Rows:
        import sympy

        if is_analytic(loss):
            out: Rows = loss.symbolic_gradient(sympy.Matrix(rows)).tolist()
            return out
        if symbolic is not None:
            return symbolic.evaluate_gradient(rows, lambda x, table: x.xreplace(table))
        found: Rows = loss.evaluate_gradient(rows)
        return [[sympy.sympify(x) for x in row] for row in found]

    return Algebra(lambda x: x, gradient)


def polynomials(loss: Any, symbols: Sequence[Any]) -> Algebra:
    """Return the algebra of polynomials over Q in the given symbols, and of their quotients.

    Raises
    ------
    InputError
        If the gradient is not a rational function of the unknowns and the data.
    """
    generators = polynomial_ring([f"x{i}" for i in range(len(symbols))])
    one = generators[0] * 0 + 1
    known = dict(zip(symbols, map(RationalFunction.of, generators), strict=True))

    def number(x: Any) -> RationalFunction:
        return RationalFunction.of(one * rational(x))

    def lift(x: Any, more: Mapping[Any, Any]) -> Any:
        return simplest(evaluated(x, {**known, **more}, number))

    def gradient(rows: Rows) -> Rows:
        if is_analytic(loss) or not getattr(loss, "is_rational", True):
            raise InputError(
                "this needs polynomials, and the gradient of the loss is no rational function with "
                "rational coefficients: write it as text, in LaTeX or for SymPy"
            )
        if not is_polynomial(loss):
            rows = [[RationalFunction.of(x) for x in row] for row in rows]
        if isinstance(loss, SymbolicLoss):
            found = loss.evaluate_gradient(rows, lift)
        else:
            found = loss.evaluate_gradient(rows)
        return [[simplest(one * 0 + x) for x in row] for row in found]

    return Algebra(lambda x: lift(x, {}), gradient)


def evaluated(x: Any, values: Mapping[Any, Any], number: Callable[[Any], Any]) -> Any:
    """Return a rational SymPy expression at elements of any algebra.

    >>> import sympy
    >>> a, b = sympy.symbols("a b")
    >>> evaluated((a + b) ** 2 / 3, {a: rational(1), b: rational(2)}, rational)
    3
    """
    if x in values:
        return values[x]
    if x.is_Rational:
        return number(x)
    if x.is_Add or x.is_Mul:
        return reduce(add if x.is_Add else mul, (evaluated(y, values, number) for y in x.args))
    if x.is_Pow and x.exp.is_Integer:
        power = evaluated(x.base, values, number) ** abs(int(x.exp))
        return power if x.exp > 0 else number(1) / power
    raise InputError(f"{x} is no rational function of the symbols: give rational data")


def simplest(x: Any) -> Any:
    """Return a quotient whose denominator is constant as a polynomial."""
    if isinstance(x, RationalFunction) and x.denominator.total_degree() == 0:
        return x.numerator / x.denominator.leading_coefficient()
    return x


def numerator(x: Any) -> Polynomial:
    """Return the numerator of an element in lowest terms."""
    return x.numerator if isinstance(x, RationalFunction) else x


def denominator_factors(rows: Rows) -> list[Polynomial]:
    """Return the distinct irreducible factors of the denominators of all entries."""
    out: list[Polynomial] = []
    for row in rows:
        for x in row:
            if isinstance(x, RationalFunction):
                out += [f for f, _ in x.denominator.factor()[1] if f not in out]
    return out


def to_expressions(fs: Sequence[Polynomial], symbols: Sequence[Any]) -> list[Any]:
    """Return polynomials as expanded SymPy expressions.

    The factors of every term are put in SymPy's own order here, once for all terms, because
    letting `sympy.Mul` sort each term takes most of the time.

    >>> import sympy
    >>> x, y = polynomial_ring(["x", "y"])
    >>> to_expressions([(x - y) ** 2 / 2], sympy.symbols("a b"))
    [a**2/2 - a*b + b**2/2]
    """
    import sympy

    tables = [f.to_dict() for f in fs]
    used = {(k, e) for table in tables for m in table for k, e in enumerate(m) if e}
    power = {u: symbols[u[0]] ** int(u[1]) for u in used}
    by_order: Any = cmp_to_key(lambda u, v: sympy.Basic.compare(power[u], power[v]))
    ordered: list[tuple[int, int]] = sorted(used, key=by_order)
    place = {u: i for i, u in enumerate(ordered)}
    out = []
    for table in tables:
        terms = []
        for exponents, c in table.items():
            present = [(k, e) for k, e in enumerate(exponents) if e]
            factors = [power[u] for u in sorted(present, key=place.__getitem__)]
            if c != 1 or not factors:
                factors.insert(0, sympy.Rational(int(c.p), int(c.q)))
            terms.append(factors[0] if len(factors) == 1 else sympy.Mul._from_args(factors))
        out.append(sympy.Add(*terms))
    return out
