r"""The claim (α, β) as finitely many inequalities, as polynomials over Q and as formulas.

With δ = α − β, the claim is that at every x some nearest minimiser p satisfies, for all i,

    F(x) = α (fᵢ(p) − ℓᵢ) − δ (fᵢ(x) − ℓᵢ) + ⟨∇fᵢ(x), x − p⟩ ≥ 0.

For finitely many minimisers it is enough that F ≥ 0 for every pair (i, p) on the Voronoi cell of p,
which is cut out by affine inequalities.  Where fᵢ = N/D, the sign of F is that of the polynomial

    D² F = α c D² − δ (N D − ℓᵢ D²) + ⟨D ∇N − N ∇D, x − p⟩ .
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError
from detvar.exact.algebraic import RealAlgebraic, real_algebraic
from detvar.exact.balls import arb
from detvar.exact.functions import NAMES
from detvar.exact.rational import Rational, rational, to_fraction
from detvar.exact.rational_functions import Polynomial, RationalFunction, polynomial_ring
from detvar.landscape.finite_sum import Constant, ExactSum

if TYPE_CHECKING:
    from detvar.homotopy.expression import Graph

BITS = 120


@dataclass(frozen=True, eq=False)
class Case:
    """F ≥ 0 for one term and one minimiser, on the cell where every `cell` polynomial is ≥ 0.

    Attributes
    ----------
    term, point : numbers from 0; the point is 0 where the projection is one formula
    polynomial : D²F in Q[x, constants]; None where the term is not a rational function
    cell : polynomials of degree 1 in x
    """

    term: int
    point: int
    polynomial: Polynomial | None
    cell: tuple[Polynomial, ...]


@dataclass(frozen=True, eq=False)
class Setting:
    """A finite sum of formulas with a pair (α, β): everything that the methods start from.

    Attributes
    ----------
    exact : ExactSum
        With every irrational number of `minimisers` and `lower` among its constants.
    alpha, beta : Rational
    """

    exact: ExactSum
    alpha: Rational
    beta: Rational

    @classmethod
    def of(cls, exact: ExactSum, alpha: Any, beta: Any) -> Setting:
        """Return the setting of a pair α > β ≥ 0; irrational coordinates get names."""
        a, b = rational(alpha, "alpha"), rational(beta, "beta")
        if b < 0:
            raise InputError(f"beta is {b}: give a number ≥ 0")
        if a <= b:
            raise InputError(f"alpha is {a} and beta is {b}: give alpha > beta")
        names = [str(s) for s in (*exact.variables, *(c.symbol for c in exact.constants))]
        twice = next((s for s in names if names.count(s) > 1), None)
        if twice is not None:
            raise InputError(f"{twice} names two things: give variables and constants other names")
        return cls(with_names(exact), a, b)

    @property
    def delta(self) -> Rational:
        """δ = α − β."""
        return self.alpha - self.beta

    @property
    def dimension(self) -> int:
        """The number d of variables."""
        return len(self.exact.variables)

    @cached_property
    def ring(self) -> list[Polynomial]:
        """The variables of Q[x, constants], first those of x."""
        names = [f"x{j}" for j in range(self.dimension)]
        return polynomial_ring([*names, *(f"t{j}" for j in range(len(self.exact.constants)))])

    @cached_property
    def symbols(self) -> dict[Any, Polynomial]:
        """The polynomial of each symbol."""
        known = [*self.exact.variables, *(c.symbol for c in self.exact.constants)]
        return dict(zip(known, self.ring, strict=True))

    def rational_form(self, expression: Any) -> RationalFunction | None:
        """Return a formula as a quotient of polynomials; None if it has other functions in it."""
        return _rational_form(expression, self.symbols, self.ring[0] * 0)

    @cached_property
    def rational_terms(self) -> list[RationalFunction | None]:
        """The terms as quotients of polynomials."""
        return [self.rational_form(f) for f in self.exact.terms]

    @property
    def is_finite(self) -> bool:
        """Whether the minimisers are a finite list, or their projection is a formula."""
        return self.exact.minimisers is not None or self.exact.projection is not None

    @cached_property
    def points(self) -> tuple[tuple[Any, ...], ...]:
        """The minimisers, or the one formula for the projection, as SymPy expressions."""
        if self.exact.minimisers is not None:
            return self.exact.minimisers
        if self.exact.projection is None:
            raise InputError(
                "the minimisers are neither a finite list nor given by a projection: give "
                '"minimisers" or "projection"'
            )
        return (self.exact.projection,)

    @cached_property
    def rational_points(self) -> list[list[RationalFunction]] | None:
        """The points as quotients of polynomials; None if one of them has other functions."""
        rows = [[self.rational_form(x) for x in p] for p in self.points]
        if any(x is None for row in rows for x in row):
            return None
        return [[x for x in row if x is not None] for row in rows]

    @cached_property
    def balls(self) -> list[arb]:
        """Balls around the constants."""
        return [c.enclosure(BITS) for c in self.exact.constants]

    @cached_property
    def cells(self) -> list[tuple[Polynomial, ...]]:
        """For each point p the polynomials |x − q|² − |x − p|² over the other points q."""
        points = self.rational_points
        if points is None:
            raise InputError(
                "a minimiser is no quotient of polynomials in the constants: name the number in "
                '"constants" with its equation'
            )
        if len(points) == 1:
            return [()]
        x = self.ring[: self.dimension]
        out = []
        for k, p in enumerate(points):
            walls = []
            for j, q in enumerate(points):
                if j != k:
                    wall = RationalFunction.of(self.ring[0] * 0)
                    for v, a, b in zip(x, p, q, strict=True):
                        wall = wall + 2 * v * (a - b) + b * b - a * a
                    walls.append(self.cleared(wall))
            out.append(tuple(walls))
        return out

    def cleared(self, f: RationalFunction) -> Polynomial:
        """Return a polynomial with the sign of f wherever f is defined."""
        p, q = f.numerator, f.denominator
        if any(any(m[: self.dimension]) for m in q.to_dict()):
            return p * q
        at = [arb(0)] * self.dimension + self.balls
        sign = polynomial_ball(q, at)
        if sign > 0:
            return p
        return -p if sign < 0 else p * q

    @cached_property
    def cases(self) -> list[Case]:
        """All pairs of a term and a minimiser."""
        return [
            Case(i, k, self._polynomial(i, k), self.cells[k])
            for k in range(len(self.points))
            for i in range(len(self.exact.terms))
        ]

    def _polynomial(self, i: int, k: int) -> Polynomial | None:
        f, low = self.rational_terms[i], self.rational_form(self.exact.lower[i])
        points = self.rational_points
        if f is None or low is None or points is None:
            return None
        x, p = self.ring[: self.dimension], points[k]
        n, d = f.numerator, f.denominator
        at = dict(zip(self.exact.variables, self.points[k], strict=True))
        value = self.rational_form(self.exact.terms[i].subs(at, simultaneous=True))
        if value is None:
            return None
        total = (self.alpha * (value - low)) * (d * d) - self.delta * (n * d - low * (d * d))
        for j, (v, a) in enumerate(zip(x, p, strict=True)):
            total = total + (v - a) * (d * n.derivative(j) - n * d.derivative(j))
        return self.cleared(total)

    # --- formulas for balls -----------------------------------------------------------------------

    def graph(self, case: Case) -> tuple[Graph, int]:
        """Return F as a node of a graph whose inputs are x, then the constants."""
        from detvar.homotopy.derivatives import gradient
        from detvar.homotopy.expression import Graph

        graph = Graph()
        known = list(self.symbols)
        nodes = {s: graph.input(j) for j, s in enumerate(known)}
        x = [nodes[v] for v in self.exact.variables]
        f = self.exact.terms[case.term]
        at = dict(zip(self.exact.variables, self.points[case.point], strict=True))
        root = graph_node(graph, f, nodes)
        p = [graph_node(graph, e, nodes) for e in self.points[case.point]]
        low = graph_node(graph, self.exact.lower[case.term], nodes)
        value = graph_node(graph, f.subs(at, simultaneous=True), nodes)
        alpha, delta = (graph.constant(to_fraction(c)) for c in (self.alpha, self.delta))
        out = graph.mul(alpha, graph.sub(value, low))
        out = graph.sub(out, graph.mul(delta, graph.sub(root, low)))
        for slope, v, a in zip(gradient(graph, root, x), x, p, strict=True):
            out = graph.add(out, graph.mul(slope, graph.sub(v, a)))
        return graph, out


def _rational_form(
    e: Any, symbols: Mapping[Any, Polynomial], zero: Polynomial
) -> RationalFunction | None:
    if e in symbols:
        return RationalFunction.of(symbols[e])
    if e.is_Rational:
        return RationalFunction.of(zero + rational(e))
    if e.is_Pow and e.exp.is_Integer:
        base = _rational_form(e.base, symbols, zero)
        return None if base is None else base ** int(e.exp)
    if e.is_Add or e.is_Mul:
        out = RationalFunction.of(zero + (0 if e.is_Add else 1))
        for part in e.args:
            x = _rational_form(part, symbols, zero)
            if x is None:
                return None
            out = out + x if e.is_Add else out * x
        return out
    return None


def graph_node(graph: Graph, e: Any, nodes: dict[Any, int]) -> int:
    """Return the node of a SymPy formula with elementary functions; `nodes` grows."""
    found = nodes.get(e)
    if found is not None:
        return found
    if e.is_Rational:
        out = graph.constant(to_fraction(rational(e)))
    elif e.is_Add:
        out = graph.sum(graph_node(graph, a, nodes) for a in e.args)
    elif e.is_Mul:
        out = graph.one
        for a in e.args:
            out = graph.mul(out, graph_node(graph, a, nodes))
    elif e.is_Pow and e.exp.is_Integer:
        out = graph.power(graph_node(graph, e.base, nodes), int(e.exp))
    elif e.is_Pow and e.exp.is_Rational:
        out = graph.function(Fraction(int(e.exp.p), int(e.exp.q)), graph_node(graph, e.base, nodes))
    elif e.is_NumberSymbol and str(e) in ("pi", "E"):
        four = graph.mul(graph.constant(4), graph.function("atan", graph.one))
        out = four if str(e) == "pi" else graph.function("exp", graph.one)
    elif e.is_Function and len(e.args) == 1 and e.func.__name__ in NAMES:
        out = graph.function(e.func.__name__, graph_node(graph, e.args[0], nodes))
    else:
        raise InputError(
            f"{e} has no enclosure: use rational numbers, + - * / and powers, exp, log, sqrt, "
            "sin, cos, tanh, cosh, sinh, atan"
        )
    nodes[e] = out
    return out


def polynomial_ball(f: Polynomial, at: Sequence[arb]) -> arb:
    """Enclose a polynomial at a point of balls."""
    total = arb(0)
    for exponents, c in f.to_dict().items():
        product = arb(c)
        for x, e in zip(at, exponents, strict=True):
            if e:
                product *= x ** int(e)
        total += product
    return total


def with_names(exact: ExactSum) -> ExactSum:
    """Return the sum with every irrational algebraic number in it named by its equation.

    A coordinate q + r·y is named by y, so that (y, 1 − y) needs one name; radicals are computed
    as real algebraic numbers, so that the equation of each is its minimal polynomial.
    """
    import sympy

    table: dict[Any, Any] = {}
    named: list[Constant] = []
    known = {c.symbol for c in exact.constants}

    def replaced(e: Any) -> Any:
        if e.is_Rational or e.free_symbols & (known | set(exact.variables)):
            return e
        shift, rest = e.as_coeff_Add()
        scale, core = rest.as_coeff_Mul()
        if core not in table:
            root = _algebraic(core)
            symbol = sympy.Dummy(f"number{len(table)}", real=True)
            coefficients = [sympy.Integer(int(c)) for c in root.minimal_polynomial().coeffs()]
            equation = sum((c * symbol**j for j, c in enumerate(coefficients)), sympy.Integer(0))
            bits = 64
            while True:
                low, high = root.bounds(bits)
                try:
                    constant = Constant(symbol, equation, low, high)
                    constant.enclosure(BITS)
                    break
                except InputError:
                    bits *= 2
            named.append(constant)
            table[core] = symbol
        return shift + scale * table[core]

    points = exact.minimisers
    if points is not None:
        points = tuple(tuple(replaced(x) for x in p) for p in points)
    lower = tuple(replaced(x) for x in exact.lower)
    if not named:
        return exact
    constants = (*exact.constants, *named)
    return ExactSum(exact.variables, exact.terms, lower, points, constants, exact.projection)


def _algebraic(e: Any) -> RealAlgebraic:
    """Return a SymPy number built from rational numbers, + · and roots, exactly."""
    if e.is_Rational:
        return real_algebraic(rational(e))
    if e.is_Add or e.is_Mul:
        out: RealAlgebraic = real_algebraic(0 if e.is_Add else 1)
        for part in e.args:
            x = _algebraic(part)
            out = out + x if e.is_Add else out * x
        return out
    if e.is_Pow and e.exp.is_Rational and int(e.exp.q) in (1, 2):
        base = _algebraic(e.base)
        power: RealAlgebraic = (base.sqrt() if int(e.exp.q) == 2 else base) ** int(e.exp.p)
        return power
    if type(e).__name__ in ("ComplexRootOf", "CRootOf"):
        from detvar.exact.algebraic import real_roots

        coefficients = [rational(c) for c in reversed(e.poly.all_coeffs())]
        roots = [x for x, _ in real_roots(coefficients)]
        if e.is_real and e.index < len(roots):
            return roots[int(e.index)]
    raise InputError(
        f'{e} is no rational number: give it a name in "constants" with its equation and bracket'
    )
