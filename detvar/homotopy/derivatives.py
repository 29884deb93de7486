"""Derivatives of a graph: gradient, Jacobian, Taylor coefficients, homogenization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from detvar.errors import InputError
from detvar.homotopy.expression import (
    ADD,
    CONSTANT,
    DIV,
    FUNCTION,
    INPUT,
    MUL,
    NEG,
    SUB,
    Expression,
    Graph,
)


def gradient(graph: Graph, root: int, inputs: Sequence[int]) -> list[int]:
    """Return the nodes of ∂root/∂input for the given input nodes, by reverse mode.

    Cost: at most about four times the operations of the root, for all inputs together.

    >>> g = Graph()
    >>> x, y = g.input(0), g.input(1)
    >>> f = g.mul(g.mul(x, x), y)
    >>> g.evaluate(gradient(g, f, [x, y]), [3, 5])
    [30, 9]
    """
    depends = _dependents(graph, graph.ancestors([root]), inputs)
    adjoint: dict[int, int] = {root: graph.one}

    def push(n: int, term: int) -> None:
        if n in depends:
            adjoint[n] = graph.add(adjoint.get(n, graph.zero), term)

    for n in sorted(depends, reverse=True):
        up = adjoint.get(n)
        if up is None or graph.op[n] == INPUT:
            continue
        op, a, b = graph.op[n], graph.left[n], graph.right[n]
        if op == ADD:
            push(a, up)
            push(b, up)
        elif op == SUB:
            push(a, up)
            push(b, graph.neg(up))
        elif op == NEG:
            push(a, graph.neg(up))
        elif op == MUL and a == b:
            push(a, graph.mul(graph.constant(2), graph.mul(up, a)))
        elif op == MUL:
            push(a, graph.mul(up, b))
            push(b, graph.mul(up, a))
        elif op == DIV:
            push(a, graph.div(up, b))
            push(b, graph.neg(graph.div(graph.mul(up, n), b)))
        else:
            push(a, graph.mul(up, _slope(graph, n)))
    return [adjoint.get(i, graph.zero) for i in inputs]


def _slope(graph: Graph, n: int) -> int:
    """Return the node of f′(a) for the node n of an elementary function f(a)."""
    from detvar.exact.functions import function_of

    a, value = Expression(graph, graph.left[n]), Expression(graph, n)
    slope = function_of(graph.key(n)).derivative(a, value, lambda key, x: x.function(key))
    return int(slope.node)


def _dependents(graph: Graph, nodes: Iterable[int], inputs: Sequence[int]) -> set[int]:
    wanted = set(inputs)
    out: set[int] = set()
    for n in nodes:
        if n in wanted or any(a in out for a in graph.operands(n)):
            out.add(n)
    return out


def derivative(graph: Graph, roots: Sequence[int], variable: int) -> list[int]:
    """Return the nodes of ∂root/∂variable for all roots, by one forward pass."""
    tangent: dict[int, int] = {}
    zero = graph.zero
    for n in graph.ancestors(roots):
        op, a, b = graph.op[n], graph.left[n], graph.right[n]
        if n == variable:
            tangent[n] = graph.one
        elif op not in (CONSTANT, INPUT):
            da = tangent.get(a, zero)
            db = zero if op in (NEG, FUNCTION) else tangent.get(b, zero)
            if da == zero and db == zero:
                continue
            if op == ADD:
                tangent[n] = graph.add(da, db)
            elif op == SUB:
                tangent[n] = graph.sub(da, db)
            elif op == NEG:
                tangent[n] = graph.neg(da)
            elif op == MUL:
                tangent[n] = graph.add(graph.mul(da, b), graph.mul(a, db))
            elif op == FUNCTION:
                tangent[n] = graph.mul(da, _slope(graph, n))
            else:
                tangent[n] = graph.div(graph.sub(da, graph.mul(n, db)), b)
    return [tangent.get(r, zero) for r in roots]


def jacobian(
    graph: Graph, roots: Sequence[int], variables: Sequence[int]
) -> dict[tuple[int, int], int]:
    """Return the structurally non-zero entries (i, j) → ∂root_i/∂variable_j."""
    entries = {}
    for j, variable in enumerate(variables):
        for i, n in enumerate(derivative(graph, roots, variable)):
            if n != graph.zero:
                entries[i, j] = n
    return entries


def taylor_coefficient(
    graph: Graph, roots: Sequence[int], series: Mapping[int, Sequence[int]], order: int
) -> list[int]:
    """Return the coefficients of s^order of the roots, when input i is Σ_k series[i][k] s^k.

    Inputs that are not listed are constant, missing coefficients are 0.  Products are summed
    in a fixed pairing, so that the low orders are shared between calls.

    >>> g = Graph()
    >>> x, v = g.input(0), g.input(1)
    >>> g.evaluate(taylor_coefficient(g, [g.power(x, 3)], {x: [x, v]}, 2), [2, 5])  # 3xv²
    [150]
    """
    graph.require_algebraic(roots, "a Taylor expansion")
    zero = graph.zero
    table: dict[int, list[int]] = {}
    for n in graph.ancestors(roots):
        op = graph.op[n]
        if op == CONSTANT or (op == INPUT and n not in series):
            continue
        if op == INPUT:
            given = list(series[n])[: order + 1]
            table[n] = given + [zero] * (order + 1 - len(given))
            continue
        if not any(a in table for a in graph.operands(n)):
            continue
        a = table.get(graph.left[n], [graph.left[n]] + [zero] * order)
        if op == NEG:
            table[n] = [graph.neg(x) for x in a]
            continue
        b = table.get(graph.right[n], [graph.right[n]] + [zero] * order)
        if op == ADD:
            table[n] = [graph.add(x, y) for x, y in zip(a, b, strict=True)]
        elif op == SUB:
            table[n] = [graph.sub(x, y) for x, y in zip(a, b, strict=True)]
        elif op == MUL:
            table[n] = [_convolve(graph, a, b, k) for k in range(order + 1)]
        else:
            quotient: list[int] = []
            for k in range(order + 1):
                inner = [graph.mul(quotient[i], b[k - i]) for i in range(k)]
                quotient.append(graph.div(graph.sub(a[k], graph.sum(inner)), b[0]))
            table[n] = quotient
    return [table[r][order] if r in table else zero for r in roots]


def _convolve(graph: Graph, a: Sequence[int], b: Sequence[int], k: int) -> int:
    """Σ a_i b_{k−i}, pairing i with k − i from the outside in: equal factors give a double."""
    out = graph.zero
    for i in range(k // 2, -1, -1):
        j = k - i
        pair = graph.mul(a[i], b[j])
        if i != j:
            pair = graph.add(pair, graph.mul(a[j], b[i]))
        out = graph.add(out, pair)
    return out


def homogenize(
    graph: Graph, roots: Sequence[int], variables: Sequence[int], extra: int
) -> tuple[list[int], list[int]]:
    """Return the roots made homogeneous in (extra, variables), and their degrees.

    A sum is completed by powers of `extra` on the summand of lower degree.  The degree is that
    of the expression as written; cancellation inside it is not seen.

    Raises
    ------
    InputError
        If a variable occurs in a denominator, or elementary functions occur.
    """
    graph.require_algebraic(roots, "homogenization")
    degree: dict[int, int] = {}
    image: dict[int, int] = {}
    known = set(variables)
    for n in graph.ancestors(roots):
        op, a, b = graph.op[n], graph.left[n], graph.right[n]
        if op in (CONSTANT, INPUT):
            degree[n], image[n] = int(n in known), n
        elif op == NEG:
            degree[n], image[n] = degree[a], graph.neg(image[a])
        elif op == MUL:
            degree[n], image[n] = degree[a] + degree[b], graph.mul(image[a], image[b])
        elif op == DIV:
            if degree[b]:
                raise InputError("a variable stands in a denominator: multiply it out first")
            degree[n], image[n] = degree[a], graph.div(image[a], image[b])
        else:
            degree[n] = d = max(degree[a], degree[b])
            x = graph.mul(image[a], graph.power(extra, d - degree[a]))
            y = graph.mul(image[b], graph.power(extra, d - degree[b]))
            image[n] = graph.add(x, y) if op == ADD else graph.sub(x, y)
    return [image[r] for r in roots], [degree[r] for r in roots]
