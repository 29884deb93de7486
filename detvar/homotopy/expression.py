"""Expressions as a hash-consed graph: equal subexpressions are one node, built once.

A `Graph` stores nodes in the order they are made, so a node's number is larger than the
numbers of its operands and every pass over the graph is a plain loop.  An `Expression` is a
handle with operators, for writing a problem as an ordinary Python function.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from detvar.errors import InputError

CONSTANT, INPUT, ADD, SUB, MUL, DIV, NEG, FUNCTION = range(8)
Key = str | Fraction  # of an elementary function, as in detvar.exact.functions
Constant = int | Fraction | float | complex
_T = TypeVar("_T")


class Graph:
    """A growing list of nodes ``(op, left, right)`` without duplicates.

    Rules applied while building: constants are folded, 0 and 1 vanish, signs and constant
    factors move outwards, and the operands of + and · are ordered.  Constants stay exact
    (integers and fractions) as long as nobody brings a float.

    Examples
    --------
    >>> g = Graph()
    >>> x, y = g.input(0), g.input(1)
    >>> g.mul(x, y) == g.mul(y, x), g.sub(x, x) == g.constant(0)
    (True, True)
    """

    def __init__(self) -> None:
        self.op: list[int] = []
        self.left: list[int] = []
        self.right: list[int] = []
        self.values: list[Constant] = []
        self.functions: list[Key] = []
        self._known: dict[tuple[Any, ...], int] = {}
        self.zero = self.constant(0)
        self.one = self.constant(1)

    def _node(self, op: int, a: int, b: int) -> int:
        key = (op, a, b)
        n = self._known.get(key)
        if n is None:
            n = self._known[key] = len(self.op)
            self.op.append(op)
            self.left.append(a)
            self.right.append(b)
        return n

    def constant(self, value: Any) -> int:
        """Return the node of a number: int, Fraction, float, complex, or anything rational."""
        v = as_constant(value)
        key = ("constant", type(v), v)
        n = self._known.get(key)
        if n is None:
            self.values.append(v)
            n = self._known[key] = self._node(CONSTANT, len(self.values) - 1, -1)
        return n

    def input(self, i: int) -> int:
        """Return the node of input number `i`."""
        return self._node(INPUT, i, -1)

    def value(self, n: int) -> Constant | None:
        """Return the number a constant node stands for, None for any other node."""
        return self.values[self.left[n]] if self.op[n] == CONSTANT else None

    def add(self, a: int, b: int) -> int:
        """Return the node of a + b."""
        va, vb = self.value(a), self.value(b)
        if va is not None and vb is not None:
            return self.constant(va + vb)
        if a == self.zero:
            return b
        if b == self.zero:
            return a
        if a == b:
            return self.mul(self.constant(2), a)
        if self.op[b] == NEG:
            return self.sub(a, self.left[b])
        if self.op[a] == NEG:
            return self.sub(b, self.left[a])
        return self._node(ADD, min(a, b), max(a, b))

    def sub(self, a: int, b: int) -> int:
        """Return the node of a − b."""
        va, vb = self.value(a), self.value(b)
        if va is not None and vb is not None:
            return self.constant(va - vb)
        if b == self.zero:
            return a
        if a == self.zero:
            return self.neg(b)
        if a == b:
            return self.zero
        if self.op[b] == NEG:
            return self.add(a, self.left[b])
        return self._node(SUB, a, b)

    def neg(self, a: int) -> int:
        """Return the node of −a."""
        v = self.value(a)
        if v is not None:
            return self.constant(-v)
        if self.op[a] == NEG:
            return self.left[a]
        if self.op[a] == SUB:
            return self._node(SUB, self.right[a], self.left[a])
        return self._node(NEG, a, -1)

    def mul(self, a: int, b: int) -> int:
        """Return the node of a · b."""
        va, vb = self.value(a), self.value(b)
        if va is not None and vb is not None:
            return self.constant(va * vb)
        if vb is not None:
            a, b, va = b, a, vb
        if va is not None:
            return self._scale(a, va, b)
        if self.op[a] == NEG:
            return self.neg(self.mul(self.left[a], b))
        if self.op[b] == NEG:
            return self.neg(self.mul(a, self.left[b]))
        for x, y in ((a, b), (b, a)):
            if self.op[x] == MUL and self.value(self.left[x]) is not None:
                return self.mul(self.left[x], self.mul(self.right[x], y))
        return self._node(MUL, min(a, b), max(a, b))

    def _scale(self, c: int, value: Constant, b: int) -> int:
        if value == 0:
            return self.zero
        if value == 1:
            return b
        if value == -1:
            return self.neg(b)
        if self.op[b] == NEG:
            return self.neg(self.mul(c, self.left[b]))
        if self.op[b] == MUL:
            inner = self.value(self.left[b])
            if inner is not None:
                return self.mul(self.constant(value * inner), self.right[b])
        return self._node(MUL, c, b)

    def div(self, a: int, b: int) -> int:
        """Return the node of a / b; dividing by the constant 0 raises `InputError`."""
        vb = self.value(b)
        if vb is not None:
            if vb == 0:
                raise InputError("the expression divides by zero: remove that quotient")
            exact = isinstance(vb, (int, Fraction))
            return self.mul(self.constant(Fraction(1) / vb if exact else 1 / vb), a)
        if a == self.zero:
            return a
        if self.op[b] == NEG:
            return self.neg(self.div(a, self.left[b]))
        if self.op[a] == NEG:
            return self.neg(self.div(self.left[a], b))
        return self._node(DIV, a, b)

    def power(self, a: int, exponent: int) -> int:
        """Return the node of a^exponent for an integer exponent, by repeated squaring."""
        if exponent < 0:
            return self.div(self.one, self.power(a, -exponent))
        out, square = self.one, a
        while exponent:
            if exponent & 1:
                out = self.mul(out, square)
            exponent >>= 1
            if exponent:
                square = self.mul(square, square)
        return out

    def function(self, key: Key, a: int) -> int:
        """Return the node of an elementary function of a, such as "exp" or a power 1/2.

        Rational values at rational numbers are folded; log(1 + eᵘ) and log cosh u become the
        functions softplus and logcosh, which do not overflow.

        Raises
        ------
        InputError
            If a is a number outside of the domain.

        Examples
        --------
        >>> g = Graph()
        >>> x = g.input(0)
        >>> f = g.function("log", g.add(g.one, g.function("exp", x)))
        >>> f == g.function("softplus", x), g.value(g.function(Fraction(1, 2), g.constant(9)))
        (True, 3)
        """
        from detvar.exact.functions import folded

        v = self.value(a)
        if isinstance(v, (int, Fraction)):
            exact = folded(key, Fraction(v))
            if exact is not None:
                return self.constant(exact)
        if key == "log":
            if self.calls("cosh", a):
                return self.function("logcosh", self.left[a])
            if self.op[a] == ADD and self.left[a] == self.one and self.calls("exp", self.right[a]):
                return self.function("softplus", self.left[self.right[a]])
        number = self._known.get(("function", key))
        if number is None:
            self.functions.append(key)
            number = self._known["function", key] = len(self.functions) - 1
        return self._node(FUNCTION, a, number)

    def key(self, n: int) -> Key:
        """Return the key of the function that a function node applies."""
        return self.functions[self.right[n]]

    def calls(self, key: Key, n: int) -> bool:
        """Say whether a node applies this function."""
        return self.op[n] == FUNCTION and self.key(n) == key

    def first_function(self, roots: Iterable[int]) -> Key | None:
        """Return the key of a function that occurs in the roots, None if there is none."""
        if not self.functions:
            return None
        return next((self.key(n) for n in self.ancestors(roots) if self.op[n] == FUNCTION), None)

    def require_algebraic(self, roots: Iterable[int], what: str) -> None:
        """Raise `InputError` if an elementary function occurs in the roots."""
        key = self.first_function(roots)
        if key is not None:
            call = key if isinstance(key, str) else f"the power {key}"
            raise InputError(
                f"{what} needs a polynomial or a quotient of polynomials, and the formula has "
                f"{call} in it: use enclosures by balls"
            )

    def sum(self, terms: Iterable[int]) -> int:
        """Return the node of a sum (0 for no terms)."""
        out = self.zero
        for term in terms:
            out = self.add(out, term)
        return out

    def operands(self, n: int) -> tuple[int, ...]:
        """Return the operands of a node."""
        if self.op[n] in (CONSTANT, INPUT):
            return ()
        unary = self.op[n] in (NEG, FUNCTION)
        return (self.left[n],) if unary else (self.left[n], self.right[n])

    def ancestors(self, roots: Iterable[int]) -> list[int]:
        """Return all nodes the roots are made of, operands before results."""
        seen: set[int] = set()
        todo = list(roots)
        while todo:
            n = todo.pop()
            if n not in seen:
                seen.add(n)
                todo.extend(self.operands(n))
        return sorted(seen)

    def evaluate(
        self,
        roots: Sequence[int],
        inputs: Sequence[_T],
        constant: Callable[[Constant], Any] = lambda c: c,
    ) -> list[Any]:
        """Return the values of the roots for inputs from any ring (slow; for small checks).

        Raises
        ------
        InputError
            If elementary functions occur, as they have no values in a ring.
        """
        self.require_algebraic(roots, "exact evaluation")
        got: dict[int, Any] = {}
        for n in self.ancestors(roots):
            op, a, b = self.op[n], self.left[n], self.right[n]
            if op == CONSTANT:
                got[n] = constant(self.values[a])
            elif op == INPUT:
                got[n] = inputs[a]
            else:
                got[n] = _APPLY[op](got[a], got.get(b))
        return [got[n] for n in roots]


_APPLY: dict[int, Callable[[Any, Any], Any]] = {
    ADD: lambda a, b: a + b,
    SUB: lambda a, b: a - b,
    MUL: lambda a, b: a * b,
    DIV: lambda a, b: a / b,
    NEG: lambda a, _: -a,
}


def as_constant(value: Any) -> Constant:
    """Return a number as int or Fraction if it is rational, else as float or complex.

    >>> as_constant(Fraction(4, 2)), as_constant(0.5)
    (2, 0.5)
    """
    if type(value) in (int, float, complex):
        return value  # type: ignore[no-any-return]
    if isinstance(value, numbers.Rational):
        f = Fraction(int(value.numerator), int(value.denominator))
        return f.numerator if f.denominator == 1 else f
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, numbers.Complex):
        return complex(value)
    from detvar.exact.rational import rational, to_fraction

    return as_constant(to_fraction(rational(value, "a constant in the expression")))


class Expression:
    """A node of a graph with the operators +, −, ·, / and integer powers.

    Examples
    --------
    >>> g = Graph()
    >>> x, y = (Expression(g, g.input(i)) for i in range(2))
    >>> f = (x + y) ** 2 - x * 3
    >>> g.evaluate([f.node], [1, 2])
    [6]
    """

    __slots__ = ("graph", "node")

    def __init__(self, graph: Graph, node: int) -> None:
        self.graph = graph
        self.node = node

    def _other(self, other: Any) -> int:
        if isinstance(other, Expression):
            if other.graph is not self.graph:
                raise InputError("two expressions of different problems cannot be combined")
            return other.node
        return self.graph.constant(other)

    def __add__(self, other: Any) -> Expression:
        return Expression(self.graph, self.graph.add(self.node, self._other(other)))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Expression:
        return Expression(self.graph, self.graph.sub(self.node, self._other(other)))

    def __rsub__(self, other: Any) -> Expression:
        return Expression(self.graph, self.graph.sub(self._other(other), self.node))

    def __mul__(self, other: Any) -> Expression:
        return Expression(self.graph, self.graph.mul(self.node, self._other(other)))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Expression:
        return Expression(self.graph, self.graph.div(self.node, self._other(other)))

    def __rtruediv__(self, other: Any) -> Expression:
        return Expression(self.graph, self.graph.div(self._other(other), self.node))

    def __pow__(self, exponent: int) -> Expression:
        if not isinstance(exponent, int):
            raise InputError(f"the exponent {exponent!r} is not an integer: write an integer power")
        return Expression(self.graph, self.graph.power(self.node, exponent))

    def function(self, key: Key) -> Expression:
        """Return an elementary function of this expression, such as "exp" or a power 1/2."""
        return Expression(self.graph, self.graph.function(key, self.node))

    def __neg__(self) -> Expression:
        return Expression(self.graph, self.graph.neg(self.node))

    def __pos__(self) -> Expression:
        return self


def from_sympy_tree(graph: Graph, expression: Any, symbols: dict[Any, int]) -> int:
    """Return the node of a SymPy expression built from +, ·, integer powers and numbers.

    Parameters
    ----------
    graph : Graph
    expression : sympy.Expr
    symbols : dict from SymPy symbol to node

    Raises
    ------
    InputError
        For a function, a fractional power or a symbol that is not listed.
    """
    import sympy

    known: dict[Any, int] = dict(symbols)

    def build(e: Any) -> int:
        n = known.get(e)
        if n is None:
            n = known[e] = make(e)
        return n

    def make(e: Any) -> int:
        if e.is_Rational:
            return graph.constant(Fraction(int(e.p), int(e.q)))
        if e is sympy.I:
            return graph.constant(1j)
        if e.is_Float:
            return graph.constant(float(e))
        if e.is_Add:
            return graph.sum(build(a) for a in e.args)
        if e.is_Mul:
            out = graph.one
            for a in e.args:
                out = graph.mul(out, build(a))
            return out
        if e.is_Pow and e.exp.is_Integer:
            return graph.power(build(e.base), int(e.exp))
        what = "is neither a variable nor a parameter" if e.is_Symbol else "is not polynomial"
        raise InputError(f"{e} {what}: list every symbol, and use only +, −, ·, / and powers")

    return build(sympy.sympify(expression))
