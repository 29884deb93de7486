"""The values of a formula with elementary functions: in balls, in float64 arrays and in SymPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from detvar.errors import ShapeError
from detvar.exact.balls import arb, arb_mat, bits_in_use
from detvar.exact.functions import REAL, Key, function_of
from detvar.exact.rational import rational

if TYPE_CHECKING:
    from detvar.homotopy.expression import Graph

_NARROW_BITS = 8


@dataclass(frozen=True)
class Arithmetic:
    """What a formula is computed with.

    Attributes
    ----------
    constant : from an exact number to an element
    multiply, divide, square : of elements
    function : from the key of an elementary function to the function on elements
    """

    constant: Callable[[Any], Any]
    multiply: Callable[[Any, Any], Any]
    divide: Callable[[Any, Any], Any]
    square: Callable[[Any], Any]
    function: Callable[[Key], Callable[[Any], Any]]


@dataclass(frozen=True, eq=False)
class Program:
    """The steps that compute some nodes of a graph, unrolled once.

    Attributes
    ----------
    steps : (op, left, right, place) with places for operands; the right of a function is its key
    constants : (place, number)
    inputs : (place, number of the input)
    results : the places of the roots
    size : number of places
    """

    steps: tuple[tuple[int, int, Any, int], ...]
    constants: tuple[tuple[int, Any], ...]
    inputs: tuple[tuple[int, int], ...]
    results: tuple[int, ...]
    size: int

    @classmethod
    def of(cls, graph: Graph, roots: Sequence[int]) -> Program:
        """Return the program of some nodes.

        >>> from detvar.homotopy.expression import Graph
        >>> g = Graph()
        >>> f = g.function("exp", g.mul(g.input(0), g.input(1)))
        >>> Program.of(g, [f]).run([arb(1), arb(0)], BALLS)
        [1.00000000000000]
        """
        from detvar.homotopy.expression import CONSTANT, FUNCTION, INPUT

        place = {n: k for k, n in enumerate(graph.ancestors(roots))}
        steps: list[tuple[int, int, Any, int]] = []
        constants, inputs = [], []
        for n, k in place.items():
            op, a, b = graph.op[n], graph.left[n], graph.right[n]
            if op == CONSTANT:
                constants.append((k, graph.values[a]))
            elif op == INPUT:
                inputs.append((k, a))
            else:
                right = graph.key(n) if op == FUNCTION else place.get(b, -1)
                steps.append((op, place[a], right, k))
        results = tuple(place[n] for n in roots)
        return cls(tuple(steps), tuple(constants), tuple(inputs), results, len(place))

    def run(self, inputs: Sequence[Any], by: Arithmetic) -> list[Any]:
        """Return the values of the roots."""
        from detvar.homotopy.expression import ADD, DIV, FUNCTION, MUL, NEG, SUB

        r: list[Any] = [None] * self.size
        for k, c in self.constants:
            r[k] = by.constant(c)
        for k, i in self.inputs:
            r[k] = inputs[i]
        multiply, divide, square, function = by.multiply, by.divide, by.square, by.function
        for op, a, b, k in self.steps:
            if op == MUL:
                r[k] = square(r[a]) if a == b else multiply(r[a], r[b])
            elif op == ADD:
                r[k] = r[a] + r[b]
            elif op == SUB:
                r[k] = r[a] - r[b]
            elif op == NEG:
                r[k] = -r[a]
            elif op == FUNCTION:
                r[k] = function(b)(r[a])
            else:
                assert op == DIV
                r[k] = divide(r[a], r[b])
        return [r[k] for k in self.results]


def is_total(graph: Graph, root: int) -> bool:
    """Say whether every function in the formula is defined on the whole line."""
    keys = {graph.key(n) for n in graph.ancestors([root]) if _is_function(graph, n)}
    functions = [function_of(key) for key in keys]
    return all(f.domain == REAL and not f.has_poles for f in functions)


def _is_function(graph: Graph, n: int) -> bool:
    from detvar.homotopy.expression import FUNCTION

    return graph.op[n] == FUNCTION


@dataclass(frozen=True, eq=False)
class FormulaValues:
    """Value, gradient and Hessian of a formula in the entries of an m×n matrix.

    Attributes
    ----------
    graph, root, inputs, first : the formula, the entries of W, and the nodes of the gradient
    second : (a, b) ↦ node of ∂²ℓ/∂w_a∂w_b where it is not zero
    shape : (m, n)

    Notes
    -----
    Derivatives may have values where the formula has none, as 1/x has at −1 and log x has not;
    the value is computed with them then, and they are undefined where it is.
    """

    graph: Graph
    root: int
    inputs: Sequence[int]
    first: Sequence[int]
    second: Mapping[tuple[int, int], int]
    shape: tuple[int, int]

    @cached_property
    def _guard(self) -> list[int]:
        return [] if is_total(self.graph, self.root) else [self.root]

    @cached_property
    def _value(self) -> Program:
        return Program.of(self.graph, [self.root])

    @cached_property
    def _gradient(self) -> Program:
        return Program.of(self.graph, [*self.first, *self._guard])

    @cached_property
    def _upper(self) -> list[tuple[int, int]]:
        return [(a, b) for a, b in self.second if a <= b]

    @cached_property
    def _hessian(self) -> Program:
        return Program.of(self.graph, [*(self.second[p] for p in self._upper), *self._guard])

    # --- balls ----------------------------------------------------------------------------------

    def _in_balls(self, program: Program, w: arb_mat) -> list[arb]:
        m, n = self.shape
        if (w.nrows(), w.ncols()) != (m, n):
            raise ShapeError(f"W is {w.nrows()}×{w.ncols()}: give an {m}×{n} matrix of balls")
        found = program.run(w.entries(), BALLS)
        if self._guard and not found[-1].is_finite():
            return [arb.nan()] * len(found)
        return found

    def value_ball(self, w: arb_mat) -> arb:
        """Enclose ℓ."""
        return self._in_balls(self._value, w)[0]

    def gradient_ball(self, w: arb_mat) -> arb_mat:
        """Enclose ∇ℓ, m×n."""
        m, n = self.shape
        return arb_mat(m, n, self._in_balls(self._gradient, w)[: m * n])

    def hessian_ball(self, w: arb_mat) -> arb_mat:
        """Enclose ∇²ℓ, mn×mn."""
        size = self.shape[0] * self.shape[1]
        out = arb_mat(size, size)
        for (a, b), x in zip(self._upper, self._in_balls(self._hessian, w), strict=False):
            out[a, b] = out[b, a] = x
        return out

    # --- arrays ---------------------------------------------------------------------------------

    def _in_arrays(self, program: Program, w: Any) -> tuple[Any, Any]:
        """Return the results stacked along a first axis, and the array W."""
        import numpy as np

        m, n = self.shape
        w = np.asarray(w, dtype=np.float64)
        if w.shape[-2:] != (m, n):
            raise ShapeError(f"W has shape {w.shape}: give an array whose last axes are {m}, {n}")
        with np.errstate(all="ignore"):
            found = program.run([w[..., i, j] for i in range(m) for j in range(n)], arrays())
        out = np.empty((len(found), *w.shape[:-2]))
        for k, x in enumerate(found):
            out[k] = x
        if self._guard:
            out[:, np.isnan(out[-1])] = np.nan
        return out, w

    def value_array(self, w: Any) -> Any:
        """Return ℓ for an array (…, m, n)."""
        return self._in_arrays(self._value, w)[0][0]

    def gradient_array(self, w: Any) -> Any:
        """Return ∇ℓ, (…, m, n)."""
        import numpy as np

        found, w = self._in_arrays(self._gradient, w)
        return np.moveaxis(found[: len(self.first)], 0, -1).reshape(w.shape)

    def hessian_array(self, w: Any) -> Any:
        """Return ∇²ℓ, (…, mn, mn)."""
        import numpy as np

        found, w = self._in_arrays(self._hessian, w)
        size = self.shape[0] * self.shape[1]
        out = np.zeros((*w.shape[:-2], size, size))
        for (a, b), x in zip(self._upper, found, strict=False):
            out[..., a, b] = out[..., b, a] = x
        return out

    # --- symbols --------------------------------------------------------------------------------

    def _in_symbols(self, roots: Sequence[int], w: Any) -> list[Any]:
        import sympy

        w = sympy.Matrix(w)
        if w.shape != self.shape:
            raise ShapeError(
                f"W is {w.rows}×{w.cols}: give a matrix of shape {self.shape[0]}×{self.shape[1]}"
            )
        return Program.of(self.graph, roots).run(list(w), symbols())

    def symbolic(self, w: Any) -> Any:
        """Return ℓ(W) in SymPy."""
        return self._in_symbols([self.root], w)[0]

    def symbolic_gradient(self, w: Any) -> Any:
        """Return ∇ℓ(W) in SymPy."""
        import sympy

        return sympy.Matrix(*self.shape, self._in_symbols(self.first, w))


# --- balls --------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def _constant(c: Any, bits: int) -> arb:
    return arb(rational(c))


def _product(x: arb, y: arb) -> arb:
    """x·y; wide balls by their ends, as (mid ± rad)·(mid ± rad) loses up to a half."""
    if x.rel_accuracy_bits() > _NARROW_BITS or y.rel_accuracy_bits() > _NARROW_BITS:
        return x * y
    a, b, c, d = x.lower(), x.upper(), y.lower(), y.upper()
    return (a * c).union(a * d).union((b * c).union(b * d))


def _quotient(x: arb, y: arb) -> arb:
    if y.rel_accuracy_bits() > _NARROW_BITS or not (y > 0 or y < 0):
        return x / y
    return _product(x, (1 / y.lower()).union(1 / y.upper()))


def _square(x: arb) -> arb:
    if x.rel_accuracy_bits() > _NARROW_BITS:
        return x * x
    low, high = x.abs_lower(), x.abs_upper()
    return (low * low).union(high * high)


BALLS = Arithmetic(
    constant=lambda c: _constant(c, bits_in_use()),
    multiply=_product,
    divide=_quotient,
    square=_square,
    function=lambda key: function_of(key).ball,
)


# --- arrays and symbols -------------------------------------------------------------------------


@lru_cache(maxsize=1)
def arrays() -> Arithmetic:
    """Return the arithmetic of float64 arrays; what is undefined becomes NaN or infinite."""
    import numpy as np

    return Arithmetic(
        constant=_float,
        multiply=np.multiply,
        divide=np.true_divide,
        square=np.square,
        function=lambda key: lambda x: function_of(key).array(np, x),
    )


def _float(c: Any) -> float:
    """The float64 next to a number; infinite beyond the largest one."""
    try:
        return float(c)
    except OverflowError:
        return float("inf") if c > 0 else float("-inf")


@lru_cache(maxsize=1)
def symbols() -> Arithmetic:
    """Return the arithmetic of SymPy expressions."""
    import sympy

    def constant(c: Any) -> Any:
        q = rational(c)
        return sympy.Rational(int(q.p), int(q.q))

    return Arithmetic(
        constant=constant,
        multiply=lambda x, y: x * y,
        divide=lambda x, y: x / y,
        square=lambda x: x**2,
        function=lambda key: lambda x: function_of(key).symbol(sympy, x),
    )
