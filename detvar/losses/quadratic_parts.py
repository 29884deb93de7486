"""The quadratic part of a sum, whose convexity is decided exactly by its coefficients."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

from detvar.exact.inertia import is_positive_semidefinite
from detvar.exact.matrices import Matrix, hstack, nullspace
from detvar.exact.rational import Rational, rational, to_fraction
from detvar.losses.fact import Fact, added, closed, number, scaled
from detvar.losses.formula import degree_bounds, expanded, is_polynomial_formula

if TYPE_CHECKING:
    from detvar.homotopy.expression import Graph

_MOST_TERMS, _MOST_VARIABLES = 2000, 60


def whole_sums(graph: Graph, nodes: Iterable[int], root: int) -> set[int]:
    """Return the sums that are not terms of a longer sum."""
    from detvar.homotopy.expression import ADD, SUB

    used = {root}
    for n in nodes:
        if graph.op[n] not in (ADD, SUB):
            used.update(graph.operands(n))
    return {n for n in used if graph.op[n] in (ADD, SUB)}


def terms_of(graph: Graph, n: int) -> list[tuple[Fraction, int]]:
    """Return (c_k, node_k) with n = Σ c_k node_k, as the formula is written.

    >>> from detvar.homotopy.expression import Graph
    >>> g = Graph()
    >>> x, y = g.input(0), g.input(1)
    >>> terms_of(g, g.sub(g.mul(g.constant(3), x), y)) == [(3, x), (-1, y)]
    True
    """
    from detvar.homotopy.expression import ADD, MUL, NEG, SUB

    found: list[tuple[Fraction, int]] = []
    todo = [(Fraction(1), n)]
    while todo:
        c, k = todo.pop()
        op, a, b = graph.op[k], graph.left[k], graph.right[k]
        if op in (ADD, SUB):
            todo += [(c if op == ADD else -c, b), (c, a)]
        elif op == NEG:
            todo.append((-c, a))
        elif op == MUL and graph.value(a) is not None:
            todo.append((c * to_fraction(rational(graph.value(a))), b))
        else:
            found.append((c, k))
    return found


def regrouped(graph: Graph, n: int, facts: dict[int, Fact]) -> Fact | None:
    """Return what is known about a sum when its terms of degree ≤ 2 are taken together."""
    terms = terms_of(graph, n)
    if len(terms) > _MOST_TERMS:
        return None
    small = [
        (c, k)
        for c, k in terms
        if is_polynomial_formula(graph, k) and degree_bounds(graph, k)[0] <= 2
    ]
    together = graph.sum(graph.mul(graph.constant(c), k) for c, k in small)
    fact = quadratic_fact(graph, together) if small else None
    if fact is None:
        return None
    known = set(small)
    for c, k in terms:
        if (c, k) not in known:
            fact = closed(added(fact, closed(scaled(number(c), facts[k]))))
    return fact


def quadratic_fact(graph: Graph, n: int) -> Fact | None:
    """Return what is known about a polynomial of degree 2: all of it, exactly.

    With f(x) = ½xᵀHx + gᵀx + c, √f is convex where the matrix [[H, g], [gᵀ, 2c]] is positive
    semidefinite, because f then is a sum of squares of affine functions.
    """
    inputs = sorted({graph.left[k] for k in graph.ancestors([n]) if _is_input(graph, k)})
    if not inputs or len(inputs) > _MOST_VARIABLES:
        return None
    f = expanded(graph, n, inputs[-1] + 1)
    if f is None or f.numerator.total_degree() != 2:
        return None
    place = {i: k for k, i in enumerate(inputs)}
    size = len(inputs)
    table = [[Rational(0)] * (size + 1) for _ in range(size + 1)]
    for exponents, c in f.numerator.to_dict().items():
        spots = [place[i] for i, e in enumerate(exponents) for _ in range(int(e))]
        i, j = [*spots, size, size][:2]
        table[i][j] += c
        table[j][i] += c
    form = Matrix([row[:size] for row in table[:size]])
    column = Matrix([[row[size]] for row in table[:size]])
    convex, concave = is_positive_semidefinite(form), is_positive_semidefinite(-form)
    least = _least(form, column, table[size][size] / 2)
    return closed(
        Fact(
            least if convex else None,
            least if concave else None,
            convex=convex,
            concave=concave,
            root_convex=convex and is_positive_semidefinite(Matrix(table)),
        )
    )


def _least(form: Matrix, column: Matrix, constant: Rational) -> Fraction | None:
    """Return the value at a critical point, if there is one: H x + g = 0."""
    kernel = nullspace(hstack(form, column))
    size = form.nrows()
    for k in range(kernel.ncols()):
        last = kernel[size, k]
        if last:
            x = Matrix([[kernel[i, k] / last] for i in range(size)])
            return to_fraction(constant + (column.transpose() * x)[0, 0] / 2)
    return None


def _is_input(graph: Graph, n: int) -> bool:
    from detvar.homotopy.expression import INPUT

    return graph.op[n] == INPUT
