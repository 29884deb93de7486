"""What can be read off the graph of a formula: its kind, its degree, its expanded form."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

from detvar.exact.rational import rational
from detvar.exact.rational_functions import RationalFunction, polynomial_ring

if TYPE_CHECKING:
    from detvar.homotopy.expression import Graph

_WORK, _TERMS_OF_QUOTIENTS = 20_000_000, 500


def divides(graph: Graph, root: int) -> bool:
    """Say whether the formula holds a division by something that is not a constant."""
    from detvar.homotopy.expression import DIV

    return any(graph.op[n] == DIV for n in graph.ancestors([root]))


def is_polynomial_formula(graph: Graph, root: int) -> bool:
    """Say whether the formula holds + − · and numbers only."""
    from detvar.homotopy.expression import DIV, FUNCTION

    return all(graph.op[n] not in (DIV, FUNCTION) for n in graph.ancestors([root]))


def algebraic_denominators(graph: Graph, root: int) -> list[int]:
    """Return the divisors in the formula that are polynomials or quotients of polynomials."""
    from detvar.homotopy.expression import DIV, FUNCTION

    algebraic: dict[int, bool] = {}
    found = []
    for n in graph.ancestors([root]):
        op = graph.op[n]
        algebraic[n] = op != FUNCTION and all(algebraic[a] for a in graph.operands(n))
        if op == DIV and algebraic[graph.right[n]]:
            found.append(graph.right[n])
    return found


def degree_bounds(graph: Graph, root: int) -> tuple[int, int]:
    """Return bounds for the degrees of numerator and denominator, as the formula is written.

    >>> from detvar.homotopy.expression import Graph
    >>> g = Graph()
    >>> x = g.input(0)
    >>> degree_bounds(g, g.div(g.power(x, 3), g.add(x, g.one)))
    (3, 1)
    """
    from detvar.homotopy.expression import CONSTANT, DIV, INPUT, MUL, NEG

    known: dict[int, tuple[int, int]] = {}
    for n in graph.ancestors([root]):
        op = graph.op[n]
        if op in (CONSTANT, INPUT):
            known[n] = (int(op == INPUT), 0)
            continue
        p, q = known[graph.left[n]]
        r, s = (0, 0) if op == NEG else known[graph.right[n]]
        if op == NEG:
            known[n] = p, q
        elif op == MUL:
            known[n] = p + r, q + s
        elif op == DIV:
            known[n] = p + s, q + r
        else:
            known[n] = max(p + s, r + q), q + s
    return known[root]


def _dense(variables: int, degree: int) -> int:
    """Return C(k + d, d), the number of terms of a polynomial in k variables, or 10⁶ if more."""
    low = min(variables, degree)
    return min(comb(variables + degree, low), 10**6) if low < 20 else 10**6  # at least 2^low


def _work(graph: Graph, root: int) -> int:
    """Return a bound for the products of terms, and for terms times degree, while expanding."""
    from detvar.homotopy.expression import CONSTANT, INPUT, MUL, NEG

    known: dict[int, tuple[int, int, int]] = {}  # terms, degree, variables as a bit set
    most = 0
    for n in graph.ancestors([root]):
        op = graph.op[n]
        if op in (CONSTANT, INPUT):
            known[n] = (1, 1, 1 << graph.left[n]) if op == INPUT else (1, 0, 0)
        elif op == NEG:
            known[n] = known[graph.left[n]]
        else:
            (t, d, v), (u, e, w) = known[graph.left[n]], known[graph.right[n]]
            product, degree = (t * u, d + e) if op == MUL else (t + u, max(d, e))
            terms = min(product, _dense((v | w).bit_count(), degree))
            known[n] = terms, degree, v | w
            most = max(most, product, terms * degree)
    return most


def expanded(graph: Graph, root: int, count: int) -> RationalFunction | None:
    """Return the formula as a quotient of polynomials in lowest terms, or None if it is too long.

    Parameters
    ----------
    count : number of variables

    Raises
    ------
    ZeroDivisionError
        If it divides by a formula that is identically zero.

    Notes
    -----
    **Cost**: at most 2·10⁷ products of terms; with quotients, whose common factors must be
    found, polynomials of at most 500 terms.

    Examples
    --------
    >>> from detvar.homotopy.expression import Graph
    >>> g = Graph()
    >>> x = g.input(0)
    >>> f = expanded(g, g.div(g.sub(g.mul(x, x), g.one), g.sub(x, g.one)), 1)
    >>> print(f.numerator, "over", f.denominator)
    x0 + 1 over 1
    """
    variables = polynomial_ring([f"x{i}" for i in range(count)])
    zero = variables[0] * 0
    if not divides(graph, root):
        if _work(graph, root) > _WORK:
            return None
        value = graph.evaluate([root], variables, lambda c: zero + rational(c))[0]
        return RationalFunction.of(value)
    if any(_dense(count, d) > _TERMS_OF_QUOTIENTS for d in degree_bounds(graph, root)):
        return None
    nothing = RationalFunction.of(zero)
    fractions = [RationalFunction.of(x) for x in variables]
    found: RationalFunction = graph.evaluate([root], fractions, lambda c: nothing + rational(c))[0]
    return found
