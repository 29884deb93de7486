r"""Far out: what finishes a covering by boxes when a term is no rational function.

*Radial terms.*  Let fᵢ(x) = h(|x − b|²), and let x lie outside of the cube |x|_∞ ≤ R.  Then
r = |x − b| ≥ R − |b|_∞ =: R′, and ⟨∇fᵢ(x), x − p⟩ = 2h′(r²)(r² − ⟨x − b, p − b⟩) is at least
2h′(r²) r (r − |p − b|).  If R′ ≥ |p − b|, and on [R′², ∞) both h′ ≥ 0 and h ≤ M, then
F(x) ≥ αc − δ(M − ℓᵢ).

*Polynomials with bounded functions.*  If F is a polynomial in x and in functions such as cos 6x
with values in an interval, these functions are taken as free numbers of their intervals, and F is
looked at in the charts of infinity (see `detvar.landscape.prove.boxes`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detvar.exact.balls import arb, working_precision
from detvar.exact.functions import Regions, function_of
from detvar.exact.rational import rational
from detvar.exact.rational_functions import RationalFunction, polynomial_ring
from detvar.landscape.prove.along import radial_profile
from detvar.landscape.prove.boxes import Task, chart, compiled, polynomial_node
from detvar.landscape.prove.cases import BITS, Case, Setting

if TYPE_CHECKING:
    from detvar.homotopy.expression import Graph

Ray = tuple[arb, arb]  # from a number to a number or infinity


def covering(setting: Setting, case: Case, radius: int) -> list[Task] | None:
    """Return tasks that together cover Rᵈ for one case, or None if nothing is known far out.

    A cube comes last; a rational function has 2d charts of infinity, other terms see above.
    """
    if radius & (radius - 1):
        return None
    d = setting.dimension
    graph, root = setting.graph(case)
    walls = tuple(polynomial_node(graph, wall) for wall in case.cell)
    cube = Task(graph, root, walls, setting.balls, (0.0,) * d, (float(radius),) * d)
    if case.polynomial is not None:
        charts = [
            chart(case.polynomial, case.cell, setting.balls, d, j, sign, radius)
            for j in range(d)
            for sign in (1, -1)
        ]
        return [*charts, cube]
    if tail_holds(setting, case, radius):
        return [cube]
    far = bounded_tasks(setting, case, radius)
    return None if far is None else [*far, cube]


def tail_holds(setting: Setting, case: Case, radius: int) -> bool:
    """Say whether the lemma proves F ≥ 0 outside of the cube of this radius.

    Examples
    --------
    >>> import sympy
    >>> from detvar.landscape.finite_sum import FiniteSum
    >>> x, y = sympy.symbols("x y", real=True)
    >>> f = FiniteSum.from_sympy([1 - sympy.exp(-(x**2) - y**2)], [x, y], [(0, 0)], [-1])
    >>> setting = Setting.of(f.exact, 3, 2)
    >>> [tail_holds(setting, case, 4) for case in setting.cases]
    [True]
    """
    found = radial_profile(setting, case.term)
    if found is None or setting.exact.minimisers is None:
        return False
    from detvar.homotopy.derivatives import gradient

    exact = setting.exact
    with working_precision(BITS):
        p = [exact.ball(e, bits=BITS) for e in setting.points[case.point]]
        distance = arb(0)
        for a, b in zip(p, found.centre, strict=True):
            distance += (a - arb(b)) * (a - arb(b))
        near = arb(rational(radius) - max(abs(b) for b in found.centre))
        if not (near > 0 and near * near >= distance):
            return False
        (slope,) = gradient(found.graph, found.node, [found.graph.input(0)])
        ray = (near * near, arb.pos_inf())
        value, growth = on_ray(found.graph, [found.node, slope], ray)
        if value is None or growth is None or not growth[0] >= 0 or not value[1].is_finite():
            return False
        low = exact.ball(exact.lower[case.term], bits=BITS)
        c = exact.ball(exact.terms[case.term], p, bits=BITS) - low
        return bool(arb(setting.alpha) * c - arb(setting.delta) * (value[1] - low) >= 0)


def on_ray(graph: Graph, roots: list[int], ray: Ray) -> list[Ray | None]:
    """Enclose nodes on an interval with an infinite end; None where that is not known."""
    from detvar.homotopy.expression import ADD, CONSTANT, DIV, FUNCTION, INPUT, MUL, NEG, SUB

    got: dict[int, Ray | None] = {}
    for n in graph.ancestors(roots):
        op, a, b = graph.op[n], graph.left[n], graph.right[n]
        if op == CONSTANT:
            c = arb(rational(graph.values[a]))
            got[n] = (c, c)
            continue
        if op == INPUT:
            got[n] = ray
            continue
        x, y = got[a], got.get(b)
        out: Ray | None = None
        if x is None or (op in (ADD, SUB, MUL, DIV) and y is None):
            out = None
        elif op == FUNCTION:
            out = _applied(graph.key(n), x)
        elif op == NEG:
            out = (-x[1], -x[0])
        elif y is not None:
            if op == ADD:
                out = (x[0] + y[0], x[1] + y[1])
            elif op == SUB:
                out = (x[0] - y[1], x[1] - y[0])
            elif op == MUL:
                out = _times(x, y)
            elif y[0] > 0:
                out = _times(x, (1 / y[1], 1 / y[0]))
        got[n] = None if out is None or out[0].is_nan() or out[1].is_nan() else out
    return [got[n] for n in roots]


def _times(x: Ray, y: Ray) -> Ray:
    ends = [arb(0) if u.is_zero() or v.is_zero() else u * v for u in x for v in y]
    if any(e.is_nan() for e in ends):
        return arb.nan(), arb.nan()
    low, high = ends[0], ends[0]
    for e in ends[1:]:
        low, high = low.min(e), high.max(e)
    return low, high


def _applied(key: Any, x: Ray) -> Ray | None:
    """The image of an interval on which a function is monotone."""
    f = function_of(key)

    def inside(regions: Regions) -> bool:
        return any(
            (low is None or x[0] >= rational(low)) and (high is None or x[1] <= rational(high))
            for low, high in regions
        )

    ends = f.ball(x[0]), f.ball(x[1])
    if inside(f.decreasing):
        ends = ends[1], ends[0]
    elif not inside(f.increasing):
        return None
    # where a limit is not known, a bound for all values
    low, high = (None if c is None else arb(rational(c)) for c in f.image)
    return (
        ends[0] if not ends[0].is_nan() else arb.neg_inf() if low is None else low,
        ends[1] if not ends[1].is_nan() else arb.pos_inf() if high is None else high,
    )


# --- bounded functions ----------------------------------------------------------------------------


def bounded_tasks(setting: Setting, case: Case, radius: int) -> list[Task] | None:
    """Return the charts of infinity of a polynomial with bounded functions, or None.

    Examples
    --------
    >>> import sympy
    >>> from detvar.landscape.finite_sum import FiniteSum
    >>> x = sympy.Symbol("x", real=True)
    >>> f = FiniteSum.from_sympy([x**2 + sympy.sin(x) ** 2], [x], [(0,)], [0])
    >>> setting = Setting.of(f.exact, 1, 0)
    >>> len(bounded_tasks(setting, setting.cases[0], 8))
    2
    """
    from detvar.homotopy.expression import FUNCTION

    d = setting.dimension
    graph, root = setting.graph(case)
    moving = _moving(graph, root, d)
    atoms: list[int] = []
    fixed: list[int] = []
    todo, seen = [root], set()
    while todo:  # the outermost functions
        n = todo.pop()
        if n in seen:
            continue
        seen.add(n)
        if graph.op[n] == FUNCTION:
            (atoms if n in moving else fixed).append(n)
        else:
            todo.extend(graph.operands(n))
    images = [function_of(graph.key(n)).image for n in atoms]
    if any(low is None or high is None for low, high in images):
        return None
    k = len(setting.exact.constants)
    counted = {"x": d, "a": len(atoms), "t": k, "c": len(fixed)}
    names = [f"{c}{j}" for c, size in counted.items() for j in range(size)]
    ring = polynomial_ring(names)
    place = {n: ring[d + j] for j, n in enumerate(atoms)}
    place |= {n: ring[d + len(atoms) + k + j] for j, n in enumerate(fixed)}
    inputs = [*ring[:d], *ring[d + len(atoms) : d + len(atoms) + k]]
    form = _rational(graph, root, inputs, place)
    if form is None or form.denominator.total_degree() > 0:
        return None
    f = form.numerator / form.denominator.leading_coefficient()
    cell = [wall.project_to_context(ring[0].context()) for wall in case.cell]
    with working_precision(BITS):
        values = compiled(graph, fixed, d, setting.balls)([arb(0)] * d)
    constants = [*setting.balls, *values]
    out = []
    for j in range(d):
        for sign in (1, -1):
            task = chart(f, cell, constants, d, j, sign, radius)
            middle, size = list(task.middle), list(task.radius)
            for low, high in images:
                assert low is not None and high is not None
                middle.append(float(low + high) / 2)
                size.append(float(high - low) / 2)
            out.append(
                Task(task.graph, task.root, task.walls, constants, tuple(middle), tuple(size))
            )
    return out


def _moving(graph: Graph, root: int, d: int) -> set[int]:
    """The nodes that depend on x."""
    from detvar.homotopy.expression import INPUT

    out: set[int] = set()
    for n in graph.ancestors([root]):
        if graph.op[n] == INPUT:
            if graph.left[n] < d:
                out.add(n)
        elif any(a in out for a in graph.operands(n)):
            out.add(n)
    return out


def _rational(
    graph: Graph, root: int, inputs: list[Any], place: dict[int, Any]
) -> RationalFunction | None:
    from detvar.homotopy.expression import ADD, CONSTANT, DIV, INPUT, MUL, NEG, SUB

    got: dict[int, RationalFunction] = {n: RationalFunction.of(v) for n, v in place.items()}
    zero = inputs[0] * 0
    todo = [root]
    while todo:
        n = todo[-1]
        missing = [a for a in graph.operands(n) if a not in got] if n not in got else []
        if missing:
            todo.extend(missing)
            continue
        todo.pop()
        if n in got:
            continue
        op, a, b = graph.op[n], graph.left[n], graph.right[n]
        if op == CONSTANT:
            got[n] = RationalFunction.of(zero + rational(graph.values[a]))
        elif op == INPUT:
            got[n] = RationalFunction.of(inputs[a])
        elif op == NEG:
            got[n] = -got[a]
        elif op in (ADD, SUB, MUL):
            x, y = got[a], got[b]
            got[n] = x + y if op == ADD else x - y if op == SUB else x * y
        elif op == DIV and got[b].numerator:
            got[n] = got[a] / got[b]
        else:
            return None
    return got[root]
