"""Three ways to write that a matrix or a weight vector is critical, over any algebra.

*weights*: all ∂L/∂W_i vanish.  *function space*: on the matrices of rank exactly r the gradient G
is normal at W.  *chart*: the same in coordinates, W = E·B with an identity block in E.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from detvar.critical.symbolic.algebras import Algebra, denominator_factors
from detvar.losses.rows import Rows, added, determinant, minors, product, transposed

_SLOPES = "∇(Σ λ·minor)", r"\nabla(\textstyle\sum_k \lambda_k m_k(W))"


@dataclass(frozen=True)
class Factor:
    """A matrix in a product.

    Attributes
    ----------
    name : such as "W_2" or "Wᵀ"
    latex : the same in LaTeX
    rows : the entries
    """

    name: str
    latex: str
    rows: Rows

    @classmethod
    def of(cls, name: str, rows: Rows) -> Factor:
        """Return a matrix with a plain name."""
        return cls(name, name, rows)

    @classmethod
    def transpose(cls, name: str, rows: Rows) -> Factor:
        """Return the transpose of a matrix with a plain name, given the rows of the matrix."""
        return cls(name + "ᵀ", name + r"^{\top}", transposed(rows))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class MatrixEquation:
    """A sum of products of matrices that must vanish.

    Attributes
    ----------
    name : what it says, such as "∂L/∂W_1"
    terms : one tuple of factors for each product
    """

    name: str
    terms: tuple[tuple[Factor, ...], ...]

    @property
    def rows(self) -> Rows:
        """The entries of the left side, multiplied from the left to the right."""
        total: Rows = []
        for factors in self.terms:
            value = factors[0].rows
            for factor in factors[1:]:
                value = product(value, factor.rows)
            total = _sum(total, value) if total else value
        return total

    @property
    def latex(self) -> str:
        """The equation in LaTeX."""
        return " + ".join(" ".join(f.latex for f in t) for t in self.terms) + " = 0"

    def __str__(self) -> str:
        return " + ".join("·".join(map(str, t)) for t in self.terms) + " = 0"


@dataclass(frozen=True)
class Form:
    """A form written out in one algebra.

    Attributes
    ----------
    equations : all of them vanish
    matrix : W
    gradient : G = ∇ℓ(W)
    open_conditions : in each, a name and elements that do not all vanish
    """

    equations: tuple[MatrixEquation, ...]
    matrix: Rows
    gradient: Rows
    open_conditions: tuple[tuple[str, tuple[Any, ...]], ...]


@dataclass(frozen=True)
class Plan:
    """What is unknown, as SymPy matrices or symbols, and how the form is written.

    Attributes
    ----------
    form : weights, function_space, chart
    shape : (m, n), of W
    rank : r; None in the weights, for all ranks
    blocks : the matrices of unknowns, by name
    pivots : the rows in which the chart, or the kernel, has its identity block
    multipliers : None, "kernel" or "minors", in the function space
    """

    form: str
    shape: tuple[int, int]
    rank: int | None
    blocks: tuple[tuple[str, Rows], ...]
    pivots: tuple[int, ...] = ()
    multipliers: str | None = None


def written(plan: Plan, algebra: Algebra) -> Form:
    """Return the equations of a plan in an algebra."""
    blocks = {name: [[algebra.lift(x) for x in row] for row in rows] for name, rows in plan.blocks}
    ways: dict[str, Callable[[Plan, Algebra, dict[str, Rows]], Form]] = {
        "weights": _weights,
        "function_space": _function_space,
        "chart": _chart,
    }
    form = ways[plan.form](plan, algebra, blocks)
    cells = [*form.gradient, *(row for rows in blocks.values() for row in rows)]
    quotients = [("a denominator", (f,)) for f in denominator_factors(cells)]
    return Form(form.equations, form.matrix, form.gradient, (*form.open_conditions, *quotients))


def _weights(plan: Plan, algebra: Algebra, blocks: dict[str, Rows]) -> Form:
    """∂L/∂W_i = W_{i+1}ᵀ⋯W_hᵀ G W_1ᵀ⋯W_{i−1}ᵀ, from dL = ⟨G, W_h⋯dW_i⋯W_1⟩."""
    layers = list(blocks.items())
    w = layers[-1][1]
    for _, rows in reversed(layers[:-1]):
        w = product(w, rows)
    g = algebra.gradient(w)
    turned = [Factor.transpose(name, rows) for name, rows in layers]
    middle = Factor.of("G", g)
    equations = [
        MatrixEquation(f"∂L/∂{name}", ((*turned[i + 1 :], middle, *turned[:i]),))
        for i, (name, _) in enumerate(layers)
    ]
    r = plan.rank
    if r is None:
        return Form(tuple(equations), w, g, ())
    return Form((*equations, *_bounded(w, r)), w, g, _rank_is(w, r))


def _function_space(plan: Plan, algebra: Algebra, blocks: dict[str, Rows]) -> Form:
    """G is normal at W of rank r: WᵀG = 0 and GWᵀ = 0, or G is a combination of gradients."""
    w, r = blocks["W"], plan.rank
    assert r is not None
    g = algebra.gradient(w)
    rank_r = _bounded(w, r)
    if plan.multipliers is None:
        normal = (
            MatrixEquation("columns of W", ((Factor.transpose("W", w), Factor.of("G", g)),)),
            MatrixEquation("rows of W", ((Factor.of("G", g), Factor.transpose("W", w)),)),
        )
        return Form((*normal, *rank_r), w, g, _rank_is(w, r))
    if plan.multipliers == "minors":
        slopes = _combination_of_minor_gradients(w, r, blocks.get("λ", []))
        terms: tuple[tuple[Factor, ...], ...] = ((Factor.of("G", g),),)
        if slopes:
            terms += ((Factor(_SLOPES[0], _SLOPES[1], slopes),),)
        return Form((MatrixEquation("∂/∂W", terms), *rank_r), w, g, _rank_is(w, r))
    left = _with_identity(blocks["L"], plan, algebra) if "L" in blocks else []
    if not left:
        return Form((MatrixEquation("∂/∂W", ((Factor.of("G", g),),)),), w, g, _rank_is(w, r))
    m = blocks["M"]
    equations = (
        MatrixEquation("∂/∂M", ((Factor.of("L", left), Factor.of("W", w)),)),
        MatrixEquation(
            "∂/∂W",
            ((Factor.of("G", g),), (Factor.transpose("L", left), Factor.of("M", m))),
        ),
        MatrixEquation("∂/∂L", ((Factor.of("M", m), Factor.transpose("W", w)),)),
    )
    return Form(equations, w, g, _rank_is(w, r))


def _with_identity(free: Rows, plan: Plan, algebra: Algebra) -> Rows:
    """L: the unknowns in the columns `pivots`, an identity in the others."""
    import sympy

    zero, one = algebra.lift(sympy.Integer(0)), algebra.lift(sympy.Integer(1))
    others = [i for i in range(plan.shape[0]) if i not in plan.pivots]
    out = []
    for k, row in enumerate(free):
        known = dict(zip(plan.pivots, row, strict=True))
        unit = {others[k]: one}
        out.append([known.get(i, unit.get(i, zero)) for i in range(plan.shape[0])])
    return out


def _chart(plan: Plan, algebra: Algebra, blocks: dict[str, Rows]) -> Form:
    """W = EB: EᵀG = 0 and G′Bᵀ = 0, where G′ holds the rows without a pivot.

    The other rows of GBᵀ follow: I·(GBᵀ)_pivots = EᵀGBᵀ − Aᵀ·G′Bᵀ = 0.
    """
    import sympy

    m, pivots = plan.shape[0], plan.pivots
    zero, one = algebra.lift(sympy.Integer(0)), algebra.lift(sympy.Integer(1))
    others = [i for i in range(m) if i not in pivots]
    below = dict(zip(others, blocks.get("A", []), strict=True))
    e = [
        below.get(i) or [one if k == pivots.index(i) else zero for k in range(len(pivots))]
        for i in range(m)
    ]
    b = blocks["B"]
    w = product(e, b)
    g = algebra.gradient(w)
    equations = [MatrixEquation("columns of E", ((Factor.transpose("E", e), Factor.of("G", g)),))]
    if others:
        low = Factor.of("G'", [g[i] for i in others])
        equations.append(MatrixEquation("rows of B", ((low, Factor.transpose("B", b)),)))
    condition = (f"B has rank {len(pivots)}", tuple(minors(b, len(pivots))))
    return Form(tuple(equations), w, g, (condition,))


def _sum(a: Rows, b: Rows) -> Rows:
    return [[added([x, y]) for x, y in zip(p, q, strict=True)] for p, q in zip(a, b, strict=True)]


def _bounded(w: Rows, r: int) -> tuple[MatrixEquation, ...]:
    """rk W ≤ r, by minors, where that says something."""
    found = minors(w, r + 1)
    if not found:
        return ()
    k = r + 1
    all_of_them = Factor(f"minors_{k}(W)", rf"\bigwedge^{{{k}}} W", [found])
    return (MatrixEquation(f"rk W ≤ {r}", ((all_of_them,),)),)


def _rank_is(w: Rows, r: int) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """rk W ≥ r."""
    return ((f"W has rank {r}", tuple(minors(w, r))),) if r else ()


def _combination_of_minor_gradients(w: Rows, r: int, multipliers: Rows) -> Rows:
    """Σ λ_k ∇m_k(W) over all (r+1)-minors m_k, each derivative a cofactor."""
    if not multipliers:
        return []
    m, n, size = len(w), len(w[0]), r + 1
    cells: dict[tuple[int, int], list[Any]] = {}
    chosen = [(i, j) for i in combinations(range(m), size) for j in combinations(range(n), size)]
    for factor, (rows, columns) in zip(multipliers[0], chosen, strict=True):
        for a, i in enumerate(rows):
            for b, j in enumerate(columns):
                cells.setdefault((i, j), []).append(factor * _cofactor(w, rows, columns, a, b))
    return [[added(cells[i, j]) for j in range(n)] for i in range(m)]


def _cofactor(w: Rows, rows: Sequence[int], columns: Sequence[int], a: int, b: int) -> Any:
    """The derivative of a minor in its entry (a, b)."""
    rest = [[w[i][j] for j in columns if j != columns[b]] for i in rows if i != rows[a]]
    if not rest:
        return w[rows[a]][columns[b]] * 0 + 1
    value = determinant(rest)
    return value if (a + b) % 2 == 0 else -value
