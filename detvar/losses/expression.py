"""A loss given by a formula: any polynomial or quotient of polynomials in the entries of W."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.inertia import is_positive_semidefinite
from detvar.exact.matrices import Matrix, identity, inverse, rank, unvec, vec, zeros
from detvar.exact.rational import Rational, rational
from detvar.losses.expression_text import ALGEBRAIC, entry_name, read_expression
from detvar.losses.protocol import Kronecker, Loss, point
from detvar.losses.quadratic import QuadraticLoss
from detvar.losses.reduction import Reduction, reduction, require_network


@dataclass(frozen=True)
class ExpressionLoss:
    """ℓ(W) = a polynomial, or a quotient of polynomials, in the entries of W.

    Parameters
    ----------
    expression : a SymPy expression with rational numbers, or text such as "(w11 - 1)**2 + w12/3"
    W : an m×n SymPy matrix of symbols, or the pair (m, n) for text in w11, w12, …; by default
        the largest indices in the text

    Raises
    ------
    InputError
        If the expression is not algebraic, contains a float or a symbol that is not in W.

    Notes
    -----
    **Cost**: the derivatives are built once, as a graph without repetitions.
    **Validity**: for quotients, where no denominator vanishes. `is_convex` is exact for
    polynomials of degree 2; of others it recognises sums of even powers of affine forms with
    positive factors, and answers False where it does not know.

    Examples
    --------
    >>> loss = ExpressionLoss("(w11 - 1)**4 + w12**2/2", (2, 2))
    >>> loss.gradient(identity(2) * 3).tolist()
    [[32, 0], [0, 0]]
    """

    text: str
    shape: tuple[int, int]
    _tree: Any = field(compare=False, repr=False)

    def __init__(self, expression: Any, W: Any = None) -> None:
        if isinstance(expression, str):
            tree, largest = read_expression(expression)
            size = _size(W, largest)
        else:
            tree, size = _renamed(expression, W)
        if tree.free_symbols and not _is_rational(tree):
            raise InputError(f"the expression is not algebraic: {ALGEBRAIC}")
        object.__setattr__(self, "text", str(tree))
        object.__setattr__(self, "shape", size)
        object.__setattr__(self, "_tree", tree)

    # --- the formula --------------------------------------------------------------------------

    @cached_property
    def _symbols(self) -> list[Any]:
        import sympy

        m, n = self.shape
        return [sympy.Symbol(entry_name(i + 1, j + 1)) for i in range(m) for j in range(n)]

    @cached_property
    def _fraction(self) -> tuple[Any, Any]:
        """Numerator and denominator in lowest terms, as SymPy polynomials."""
        import sympy

        over, under = sympy.fraction(sympy.cancel(sympy.together(self._tree)))
        return tuple(sympy.Poly(x, *self._symbols, domain="QQ") for x in (over, under))

    @property
    def is_polynomial(self) -> bool:
        """Whether the denominator is constant."""
        return bool(self._fraction[1].total_degree() == 0)

    @property
    def degree(self) -> int:
        """The degree; of a quotient, the larger of the degrees of numerator and denominator."""
        return max(0, *(int(x.total_degree()) for x in self._fraction))

    @cached_property
    def _graph(self) -> tuple[Any, int, list[int], dict[tuple[int, int], int]]:
        """The graph with the nodes of ℓ, of its gradient and of its Hessian."""
        from detvar.homotopy.derivatives import gradient, jacobian
        from detvar.homotopy.expression import Graph, from_sympy_tree

        graph = Graph()
        inputs = [graph.input(k) for k in range(len(self._symbols))]
        root = from_sympy_tree(graph, self._tree, dict(zip(self._symbols, inputs, strict=True)))
        first = gradient(graph, root, inputs)
        return graph, root, first, jacobian(graph, first, inputs)

    def _run(self, nodes: Sequence[int], flat: Sequence[Any], lift: Any) -> list[Any]:
        try:
            out: list[Any] = self._graph[0].evaluate(nodes, flat, lift)
        except ZeroDivisionError:
            raise InputError("a denominator of the expression vanishes at W") from None
        return out

    # --- the loss -----------------------------------------------------------------------------

    def value(self, w: Matrix) -> Rational:
        """Return ℓ(W)."""
        flat = point(w, self.shape).entries()
        return self._run([self._graph[1]], flat, rational)[0]  # type: ignore[no-any-return]

    def gradient(self, w: Matrix) -> Matrix:
        """Return ∇ℓ(W)."""
        flat = point(w, self.shape).entries()
        return unvec(self._run(self._graph[2], flat, rational), *self.shape)

    def hessian(self, w: Matrix) -> Matrix:
        """Return ∇²ℓ(W)."""
        entries = self._graph[3]
        values = self._run(list(entries.values()), point(w, self.shape).entries(), rational)
        size = len(self._symbols)
        out = zeros(size, size)
        for (a, b), x in zip(entries, values, strict=True):
            out[a, b] = x
        return out

    def curvature(self, w: Matrix, d: Matrix) -> Rational:
        """Return ∇²ℓ(W)[D, D]."""
        return (vec(d).transpose() * self.hessian(w) * vec(d))[0, 0]

    def evaluate(self, rows: list[list[Any]]) -> Any:
        """Return ℓ over any Q-algebra; quotients need one in which denominators are invertible."""
        flat = [x for row in rows for x in row]
        return self._run([self._graph[1]], flat, _lift(flat[0]))[0]

    def evaluate_gradient(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Return ∇ℓ over any Q-algebra; quotients need one with invertible denominators."""
        flat = [x for row in rows for x in row]
        out = self._run(self._graph[2], flat, _lift(flat[0]))
        n = self.shape[1]
        return [out[i : i + n] for i in range(0, len(out), n)]

    def is_convex(self) -> bool:
        """Say whether ℓ is proved to be convex (see the validity note)."""
        if not self.is_polynomial:
            return False
        if self.degree <= 2:
            return is_positive_semidefinite(self.hessian(zeros(*self.shape)))
        return all(_is_convex_term(x, self._symbols) for x in _terms(self._tree))

    @cached_property
    def _quadratic(self) -> tuple[QuadraticLoss, Rational] | None:
        """The loss as ½ vec(W−U)ᵀQ vec(W−U) + c, if it is one."""
        if not self.is_polynomial or self.degree != 2:
            return None
        m, n = self.shape
        origin = zeros(m, n)
        q, g = self.hessian(origin), vec(self.gradient(origin))
        if rank(q) < m * n:
            return None
        target = unvec((-(inverse(q) * g)).entries(), m, n)
        return QuadraticLoss(target, q), self.value(target)

    def kronecker(self) -> Kronecker | None:
        """Return the Kronecker form of a definite quadratic polynomial, if it has one."""
        found = self._quadratic
        form = None if found is None else found[0].kronecker()
        if found is None or form is None:
            return None
        return Kronecker(form.left, form.right, form.target, found[1])

    def transposed(self) -> ExpressionLoss:
        """Return the loss W ↦ ℓ(Wᵀ)."""
        import sympy

        m, n = self.shape
        swap = {
            sympy.Symbol(entry_name(i + 1, j + 1)): sympy.Symbol(entry_name(j + 1, i + 1))
            for i in range(m)
            for j in range(n)
        }
        return ExpressionLoss(str(self._tree.xreplace(swap)), (n, m))

    def reduce(self, network: Any) -> Reduction:
        """Return the problem itself: directions that ℓ does not see are not looked for."""
        m, n = self.shape
        require_network(network, self.shape)
        return reduction(network, identity(m), identity(n), self)

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "expression", "expression": …, "shape": [m, n]}."""
        return {"type": "expression", "expression": self.text, "shape": list(self.shape)}


def _lift(x: Any) -> Any:
    """Return how a rational constant enters the ring of x, so that constants divide there."""
    zero = x * 0
    return lambda c: zero + rational(c)


def _size(w: Any, largest: tuple[int, int]) -> tuple[int, int]:
    """Return (m, n) as given for a text, or as read off its indices."""
    if hasattr(w, "shape"):
        w = w.shape
    if w is None:
        w = largest
    if not (isinstance(w, (tuple, list)) and len(w) == 2 and all(type(d) is int for d in w)):
        raise InputError("shape must be a pair [rows, columns]")
    m, n = w
    if m < max(1, largest[0]) or n < max(1, largest[1]):
        raise ShapeError(
            f"the expression contains {entry_name(*largest)} or the like, but W is {m}×{n}: "
            "give a shape that holds all entries"
        )
    return m, n


def _renamed(expression: Any, w: Any) -> tuple[Any, tuple[int, int]]:
    """Return a SymPy expression in w11, w12, …, and the shape of W."""
    import sympy

    try:
        tree = sympy.sympify(expression)
    except (sympy.SympifyError, TypeError, AttributeError):
        raise InputError("expression must be text or a SymPy expression") from None
    if not isinstance(tree, sympy.Expr):
        raise InputError("expression must be a single SymPy expression")
    if not isinstance(w, sympy.MatrixBase):
        raise InputError("W must be a SymPy matrix of the symbols in the expression")
    m, n = w.shape
    names = {w[i, j]: sympy.Symbol(entry_name(i + 1, j + 1)) for i in range(m) for j in range(n)}
    if len(names) < m * n or any(not s.is_Symbol for s in names):
        raise InputError("W must consist of different symbols")
    foreign = tree.free_symbols - set(names)
    if foreign:
        raise InputError(f"{min(map(str, foreign))} is no entry of W: give it a rational value")
    if tree.has(sympy.Float):
        raise InputError("the expression contains a float: write Rational(1, 4) for 0.25")
    return tree.xreplace(names), (m, n)


def _is_rational(tree: Any) -> bool:
    return bool(tree.is_rational_function(*tree.free_symbols)) and all(
        x.is_Rational for x in tree.atoms() if x.is_number
    )


def _terms(tree: Any) -> list[Any]:
    return list(tree.args) if tree.is_Add else [tree]


def _is_convex_term(term: Any, symbols: list[Any]) -> bool:
    """Whether a term is c·(affine form)^(2k) with c ≥ 0, or affine."""
    import sympy

    factor, rest = term.as_coeff_Mul()
    if sympy.Poly(rest, *symbols).total_degree() <= 1:
        return True
    if not (rest.is_Pow and rest.exp.is_Integer and rest.exp > 0 and rest.exp % 2 == 0):
        return False
    return bool(factor >= 0 and sympy.Poly(rest.base, *symbols).total_degree() <= 1)


_: type[Loss] = ExpressionLoss  # the protocol, checked
