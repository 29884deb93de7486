"""Square polynomial systems F(x; p) = 0 with parameters, and the programs made from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from detvar.errors import InputError, ShapeError
from detvar.homotopy.derivatives import gradient, jacobian, taylor_coefficient
from detvar.homotopy.expression import Expression, Graph, from_sympy_tree
from detvar.homotopy.solve_linear import Solver, unroll_solver
from detvar.homotopy.tape import ComplexArray, Tape, make_tape

if TYPE_CHECKING:
    from detvar.homotopy.executor import Executors


@dataclass(frozen=True, eq=False)
class System:
    """N equations F(x; p) = 0 in N variables x and M parameters p, as nodes of one graph.

    The inputs of the graph are x_0…x_{N−1}, p_0…p_{M−1} and the velocity ṗ_0…ṗ_{M−1} of the
    parameters.  All programs are unrolled on first use and kept.

    Attributes
    ----------
    graph : Graph
    variables, parameters : int
    equations : tuple of nodes
    symmetric : bool
        True if F is a gradient in x, so that the Jacobian is symmetric.
    blocks : tuple of int
        Which block of comparable scale a variable belongs to; norms are weighted per block.

    Examples
    --------
    >>> S = System.from_function(lambda x, p: [x[0] ** 2 - p[0]], variables=1, parameters=1)
    >>> S.evaluate([[3]], [4]).real.tolist()
    [[5.0]]
    """

    graph: Graph
    variables: int
    parameters: int
    equations: tuple[int, ...]
    symmetric: bool = False
    blocks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.equations) != self.variables:
            raise ShapeError(
                f"there are {len(self.equations)} equations in {self.variables} variables: "
                "give as many equations as variables"
            )
        if not self.blocks:
            object.__setattr__(self, "blocks", (0,) * self.variables)
        if len(self.blocks) != self.variables:
            raise ShapeError(f"blocks has {len(self.blocks)} entries: give one for each variable")

    @classmethod
    def from_function(
        cls,
        f: Callable[[Sequence[Expression], Sequence[Expression]], Sequence[Any]],
        *,
        variables: int,
        parameters: int,
        blocks: Sequence[int] = (),
    ) -> System:
        """Return the system of a function (x, p) ↦ list of N expressions."""
        graph, x, p = _inputs(variables, parameters)
        nodes = tuple(_node(graph, e) for e in f(x, p))
        return cls(graph, variables, parameters, nodes, False, tuple(blocks))

    @classmethod
    def from_potential(
        cls,
        f: Callable[[Sequence[Expression], Sequence[Expression]], Expression],
        *,
        variables: int,
        parameters: int,
        blocks: Sequence[int] = (),
    ) -> System:
        """Return the critical equations ∂f/∂x = 0 of a function (x, p) ↦ expression."""
        graph, x, p = _inputs(variables, parameters)
        nodes = tuple(gradient(graph, _node(graph, f(x, p)), [v.node for v in x]))
        return cls(graph, variables, parameters, nodes, True, tuple(blocks))

    @classmethod
    def from_sympy(
        cls, equations: Sequence[Any], variables: Sequence[Any], parameters: Sequence[Any] = ()
    ) -> System:
        """Return the system of SymPy expressions in the listed symbols.

        >>> import sympy
        >>> x, a = sympy.symbols("x a")
        >>> System.from_sympy([x**2 - a / 2], [x], [a]).evaluate([[2]], [2]).real.tolist()
        [[3.0]]
        """
        graph, x, p = _inputs(len(variables), len(parameters))
        symbols = {s: e.node for s, e in zip([*variables, *parameters], [*x, *p], strict=True)}
        nodes = tuple(from_sympy_tree(graph, e, symbols) for e in equations)
        return cls(graph, len(variables), len(parameters), nodes)

    # --- nodes -------------------------------------------------------------------------------

    @cached_property
    def _x(self) -> list[int]:
        return [self.graph.input(i) for i in range(self.variables)]

    @cached_property
    def _p(self) -> list[int]:
        return [self.graph.input(self.variables + i) for i in range(self.parameters)]

    @cached_property
    def _entries(self) -> dict[tuple[int, int], int]:
        return jacobian(self.graph, self.equations, self._x)

    @cached_property
    def _solver(self) -> Solver:
        rng = np.random.default_rng(0)
        size = self.variables + self.parameters
        point = (rng.standard_normal(size) + 1j * rng.standard_normal(size)).tolist()
        keys = list(self._entries)
        values = self.graph.evaluate([self._entries[k] for k in keys], point, complex)
        sample = dict(zip(keys, values, strict=True))
        return unroll_solver(self.graph, self._entries, self.variables, sample, self.symmetric)

    # --- programs ----------------------------------------------------------------------------

    @cached_property
    def tape(self) -> Tape:
        """The program (x, p) ↦ F."""
        return make_tape(self.graph, self.equations, self.variables + self.parameters)

    @cached_property
    def jacobian_tape(self) -> Tape:
        """The program (x, p) ↦ F, then ∂F/∂x row by row."""
        n, zero = self.variables, self.graph.zero
        rows = [self._entries.get((i, j), zero) for i in range(n) for j in range(n)]
        return make_tape(self.graph, [*self.equations, *rows], n + self.parameters)

    @cached_property
    def newton_tape(self) -> Tape:
        """The program (x, p) ↦ (∂F/∂x)⁻¹ F."""
        step = self._solver(self.equations)
        return make_tape(self.graph, step, self.variables + self.parameters)

    @cached_property
    def taylor_tape(self) -> Tape:
        """The program (x, p, ṗ) ↦ (∂F/∂x)⁻¹ F, then x₁, x₂, x₃, from one factorization.

        The last three solve F(x + Σ x_k s^k; p + sṗ) = F(x; p) + O(s⁴).
        """
        series = [n for xk in self._taylor(self._solver) for n in xk]
        roots = [*self._solver(self.equations), *series]
        return make_tape(self.graph, roots, self.variables + 2 * self.parameters)

    def _taylor(self, solver: Solver) -> list[list[int]]:
        g = self.graph
        series: dict[int, list[int]] = {x: [x] for x in self._x}
        for i, p in enumerate(self._p):
            series[p] = [p, g.input(self.variables + self.parameters + i)]
        out = []
        for order in (1, 2, 3):
            rest = taylor_coefficient(g, self.equations, series, order)
            step = solver([g.neg(n) for n in rest])
            out.append(step)
            for x, n in zip(self._x, step, strict=True):
                series[x].append(n)
        return out

    @cached_property
    def parameter_tape(self) -> Tape:
        """The program (x, p) ↦ ∂F/∂p row by row."""
        entries = jacobian(self.graph, self.equations, self._p)
        zero = self.graph.zero
        rows = [
            entries.get((i, j), zero) for i in range(self.variables) for j in range(self.parameters)
        ]
        return make_tape(self.graph, rows, self.variables + self.parameters)

    @cached_property
    def executors(self) -> Executors:
        """What tracks the paths of this system: NumPy, and code compiled for it."""
        from detvar.homotopy.executor import Executors

        return Executors(self)

    @cached_property
    def is_homogeneous_in_parameters(self) -> bool:
        """Whether F(x; γp) = γF(x; p): multiplying all parameters keeps the solutions.

        Decided at one random point, which is wrong with probability zero.
        """
        rng = np.random.default_rng(1)
        x = _complex_normal(rng, (1, self.variables))
        p = _complex_normal(rng, (self.parameters,))
        one, two = self.evaluate(x, p), self.evaluate(x, 2 * p)
        return bool(np.allclose(two, 2 * one, rtol=1e-10, atol=1e-12))

    # --- values ------------------------------------------------------------------------------

    def evaluate(self, x: Any, p: Any) -> ComplexArray:
        """Return F(x; p), of shape (P, N), for x (P, N) and p (M,) or (P, M)."""
        return self.tape.evaluate(self._columns(x, p)).T.copy()

    def jacobian(self, x: Any, p: Any) -> ComplexArray:
        """Return ∂F/∂x, of shape (P, N, N), for x (P, N) and p (M,) or (P, M)."""
        n = self.variables
        return self.jacobian_tape.evaluate(self._columns(x, p))[n:].T.reshape(-1, n, n)

    def parameter_jacobian(self, x: Any, p: Any) -> ComplexArray:
        """Return ∂F/∂p, of shape (P, N, M), for x (P, N) and p (M,) or (P, M)."""
        values = self.parameter_tape.evaluate(self._columns(x, p))
        return values.T.reshape(-1, self.variables, self.parameters)

    def _columns(self, x: Any, p: Any) -> ComplexArray:
        xs = self.as_points(x)
        ps = self.as_parameters(p, len(xs))
        return np.concatenate([xs.T, ps.T])

    def as_points(self, x: Any) -> ComplexArray:
        """Return x as a (P, N) complex array; raise `ShapeError` if it is not one."""
        xs = np.asarray(x, dtype=np.complex128)
        if xs.ndim != 2 or xs.shape[1] != self.variables:
            raise ShapeError(f"the points have shape {xs.shape}: give (P, {self.variables})")
        return xs

    def as_parameters(self, p: Any, points: int) -> ComplexArray:
        """Return p, given as (M,) or (P, M), as a (P, M) complex array."""
        ps = np.asarray(p, dtype=np.complex128)
        m = self.parameters
        if ps.shape not in ((m,), (1, m), (points, m)):
            raise ShapeError(
                f"the parameters have shape {ps.shape}: give ({m},) or ({points}, {m})"
            )
        return np.broadcast_to(ps, (points, m))


def _inputs(variables: int, parameters: int) -> tuple[Graph, list[Expression], list[Expression]]:
    if variables < 1 or parameters < 0:
        raise ShapeError("a system has at least one variable and no negative number of parameters")
    graph = Graph()
    handles = [Expression(graph, graph.input(i)) for i in range(variables + parameters)]
    return graph, handles[:variables], handles[variables:]


def _node(graph: Graph, e: Any) -> int:
    if isinstance(e, Expression):
        if e.graph is not graph:
            raise InputError("the function returned an expression of another problem")
        return e.node
    return graph.constant(e)


def _complex_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> ComplexArray:
    out: ComplexArray = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    return out
