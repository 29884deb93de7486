r"""Branch and bound in ball arithmetic: a formula is ≥ 0 on a union of boxes.

A box is left out where a wall is certainly < 0, done where the formula is certainly ≥ 0, by its
own enclosure or by the mean value form F(m) + ⟨∇F(X), X − m⟩, and else halved along its widest
side.  The corners of all boxes are dyadic floats, so that nothing is rounded in the covering.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detvar.exact.balls import arb, exact_float, working_precision
from detvar.exact.functions import function_of
from detvar.exact.rational import Rational, rational, to_fraction
from detvar.exact.rational_functions import Polynomial

if TYPE_CHECKING:
    from detvar.homotopy.expression import Graph

BITS = 80
_SMALL = 32  # so many least boxes may stay open while a point of violation is looked for
_LEAST = 2.0**-44  # of the first side; with sides that are powers of 2 no corner is rounded


@dataclass(frozen=True)
class Outcome:
    """`answer`, the number of boxes looked at, and a point of violation in the box coordinates."""

    answer: bool | None
    boxes: int
    point: tuple[Rational, ...] | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """F ≥ 0 where all walls are ≥ 0, on one box.

    Attributes
    ----------
    graph, root, walls : nodes; the first inputs are the coordinates, the others `constants`
    constants : balls for the other inputs
    middle, radius : the box; every radius is a power of 2, and every middle a multiple of it
    """

    graph: Graph
    root: int
    walls: tuple[int, ...]
    constants: Sequence[arb]
    middle: tuple[float, ...]
    radius: tuple[float, ...]


def covered(task: Task, budget: int) -> Outcome:
    """Decide F ≥ 0 on the box by at most `budget` boxes; None when undecided.

    Notes
    -----
    **Cost**: a few microseconds per operation of F and box.
    **Validity**: True and False are proved; False has a point with F < 0 and all walls > 0.

    Examples
    --------
    >>> from detvar.homotopy.expression import Expression, Graph
    >>> g = Graph()
    >>> x = Expression(g, g.input(0))
    >>> f = x**4 - 3 * x**2 + x * 2 + 6
    >>> covered(Task(g, f.node, (), (), (0.0,), (4.0,)), 10000).answer
    True
    >>> covered(Task(g, (f - 6).node, (), (), (0.0,), (4.0,)), 10000).answer
    False
    """
    with working_precision(BITS):
        return _covered(task, budget)


def _covered(task: Task, budget: int) -> Outcome:
    from detvar.homotopy.derivatives import gradient

    k = len(task.middle)
    inputs = [task.graph.input(j) for j in range(k)]
    values = compiled(task.graph, [task.root, *task.walls], k, task.constants)
    slopes = compiled(task.graph, gradient(task.graph, task.root, inputs), k, task.constants)
    todo = [(task.middle, task.radius)]
    count = small = 0
    while todo:
        middle, radius = todo.pop()
        count += 1
        if count > budget:
            return Outcome(None, count)
        box = [arb(m, r) for m, r in zip(middle, radius, strict=True)]
        value, *walls = values(box)
        if any(w < 0 for w in walls) or value >= 0:
            continue
        at, *inside = values([arb(m) for m in middle])
        if at < 0 and all(w > 0 for w in inside):
            return Outcome(False, count, tuple(exact_float(m) for m in middle))
        for slope, r in zip(slopes(box), radius, strict=True):
            at += slope * arb(0, r)
        if at >= 0:
            continue
        j = max(range(k), key=radius.__getitem__)
        half = radius[j] / 2
        if half < _LEAST * task.radius[j]:
            small += 1
            if small > _SMALL:
                break
            continue
        smaller = (*radius[:j], half, *radius[j + 1 :])
        for shift in (half, -half):
            todo.append(((*middle[:j], middle[j] + shift, *middle[j + 1 :]), smaller))
    return Outcome(None if small else True, count)


def compiled(
    graph: Graph, roots: Sequence[int], count: int, constants: Sequence[arb]
) -> Callable[[Sequence[arb]], list[arb]]:
    """Return a function of `count` balls that encloses the roots, as straight-line Python.

    The text holds operators and numbers of nodes only.
    """
    from detvar.homotopy.expression import ADD, CONSTANT, DIV, FUNCTION, INPUT, MUL, NEG, SUB

    names: dict[str, Any] = {"_square": _square}
    lines = []
    for n in graph.ancestors(roots):
        op, a, b = graph.op[n], graph.left[n], graph.right[n]
        if op == CONSTANT:
            names[f"v{n}"] = arb(rational(graph.values[a]))
        elif op == INPUT and a >= count:
            names[f"v{n}"] = constants[a - count]
        elif op == INPUT:
            lines.append(f"v{n} = x[{a}]")
        elif op == MUL and a == b:
            lines.append(f"v{n} = _square(v{a})")
        elif op == NEG:
            lines.append(f"v{n} = -v{a}")
        elif op == FUNCTION:
            names[f"f{n}"] = function_of(graph.key(n)).ball
            lines.append(f"v{n} = f{n}(v{a})")
        else:
            sign = {ADD: "+", SUB: "-", MUL: "*", DIV: "/"}[op]
            lines.append(f"v{n} = v{a} {sign} v{b}")
    lines.append("return [" + ", ".join(f"v{n}" for n in roots) + "]")
    # constants are arguments with defaults: local names are the fastest
    head = "".join(f", {name}={name}" for name in names)
    source = f"def run(x{head}):\n    " + "\n    ".join(lines)
    exec(source, names)  # noqa: S102
    run: Callable[[Sequence[arb]], list[arb]] = names["run"]
    return run


def _square(x: arb) -> arb:
    """The square of a ball, ≥ 0."""
    if x.rel_accuracy_bits() > 8:
        return x * x
    low, high = x.abs_lower(), x.abs_upper()
    return (low * low).union(high * high)


# --- polynomials ----------------------------------------------------------------------------------


def chart(
    f: Polynomial,
    walls: Sequence[Polynomial],
    constants: Sequence[arb],
    d: int,
    j: int,
    sign: int,
    radius: int,
) -> Task:
    """Return the task of F ≥ 0 on |x_j| ≥ radius, |x_j| ≥ |x_l|, x_j of the given sign.

    With x_j = ±1/v and x_l = y_l/v, v ∈ [0, 1/radius] and y_l ∈ [−1, 1], the polynomial
    v^deg f(±1/v, y/v) has the sign of f for v > 0.
    """
    from detvar.homotopy.expression import Graph

    graph = Graph()
    nodes = [polynomial_node(graph, _at_infinity(p, d, j, sign)) for p in (f, *walls)]
    middle = tuple(0.5 / radius if k == j else 0.0 for k in range(d))
    size = tuple(0.5 / radius if k == j else 1.0 for k in range(d))
    return Task(graph, nodes[0], tuple(nodes[1:]), constants, middle, size)


def _at_infinity(f: Polynomial, d: int, j: int, sign: int) -> dict[tuple[int, ...], Rational]:
    """v^deg f(±1/v, y/v), with v in the place of x_j."""
    terms = {tuple(map(int, m)): rational(c) for m, c in f.to_dict().items()}
    degree = max((sum(m[:d]) for m in terms), default=0)
    out: dict[tuple[int, ...], Rational] = {}
    for m, c in terms.items():
        e = (*m[:j], degree - sum(m[:d]), *m[j + 1 :])
        out[e] = out.get(e, rational(0)) + c * sign ** m[j]
    return out


def polynomial_node(graph: Graph, f: Polynomial | dict[tuple[int, ...], Rational]) -> int:
    """Return a polynomial as a node, by Horner's rule in one unknown after the other."""
    terms = (
        f
        if isinstance(f, dict)
        else {tuple(map(int, m)): rational(c) for m, c in f.to_dict().items()}
    )
    return _horner(graph, terms, 0)


def _horner(graph: Graph, terms: dict[tuple[int, ...], Rational], j: int) -> int:
    if not terms:
        return graph.zero
    if j == len(next(iter(terms))):
        return graph.constant(to_fraction(sum(terms.values(), rational(0))))
    powers: dict[int, dict[tuple[int, ...], Rational]] = {}
    for m, c in terms.items():
        powers.setdefault(m[j], {})[m] = c
    if set(powers) == {0}:
        return _horner(graph, terms, j + 1)
    x = graph.input(j)
    # even powers as powers of x², which is sharp on balls around 0
    step = 2 if all(e % 2 == 0 for e in powers) else 1
    base = graph.power(x, step)
    out = graph.zero
    for e in range(max(powers), -1, -step):
        out = graph.add(graph.mul(out, base), _horner(graph, powers.get(e, {}), j + 1))
    return out
