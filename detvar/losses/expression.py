"""A loss given by a formula in the entries of W: arithmetic and differentiable functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from detvar.errors import InputError
from detvar.exact.balls import arb, arb_mat
from detvar.exact.inertia import is_positive_semidefinite
from detvar.exact.latex import displayed
from detvar.exact.matrices import Matrix, hstack, identity, nullspace, unvec, vec, zeros
from detvar.exact.rational import Rational, rational, to_text
from detvar.exact.rational_functions import Polynomial, RationalFunction
from detvar.losses import formulas_latex
from detvar.losses.analytic import Convexity, refuse_exact
from detvar.losses.convex_reasons import convex_reason, open_reason
from detvar.losses.convexity import Analysis, analyse
from detvar.losses.expression_text import (
    canonical_text,
    entry_name,
    read_expression,
    with_numbers,
)
from detvar.losses.formula import algebraic_denominators, degree_bounds, divides, expanded
from detvar.losses.formula_growth import formula_growth
from detvar.losses.formula_values import FormulaValues
from detvar.losses.growth import Growth
from detvar.losses.protocol import Kronecker, Loss, constant_in, point
from detvar.losses.quadratic import QuadraticLoss
from detvar.losses.reduction import Reduction, reduction, require_network


@dataclass(frozen=True)
class ExpressionLoss:
    """ℓ(W) = a formula with + − · / and elementary functions in the entries of W.

    A formula without functions is a polynomial or a quotient, with exact values; any other one
    is an analytic loss (`detvar.losses.analytic`). All have values in balls, floats and symbols.

    Parameters
    ----------
    expression : text such as "(w11 - 1)**2 + log(1 + exp(w12))", or a SymPy expression
    W : the pair (m, n) for text, by default the largest indices in it; for a SymPy expression
        the m×n SymPy matrix of its symbols

    Raises
    ------
    InputError, ShapeError
        If the expression is not differentiable, contains a float, a symbol that is not in W, or
        a division by zero, or is too large; see `detvar.losses.expression_text`.

    Notes
    -----
    **Cost**: the derivatives are built once, as a graph without repetitions.
    **Validity**: a quotient that cancels to a polynomial is that polynomial; other formulas are
    defined where all their parts are, and `classify` does not take them. Two expression losses
    are equal if their texts and shapes are.

    Examples
    --------
    >>> loss = ExpressionLoss("(w11 - 1)**4 + w12**2/2", (2, 2))
    >>> loss.gradient(identity(2) * 3).tolist()
    [[32, 0], [0, 0]]
    >>> ExpressionLoss("log(1 + exp(w11)) - w11/2").convexity().answer
    True
    """

    text: str
    shape: tuple[int, int]
    _formula: Any = field(compare=False, repr=False)

    def __init__(self, expression: Any, W: Any = None) -> None:
        if isinstance(expression, str):
            text = with_numbers(canonical_text(expression))
            graph, root, size = read_expression(text, _size(W))
        else:
            text, size = _sympy_text(expression, W)
            graph, root, size = read_expression(text, size)
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "shape", size)
        object.__setattr__(self, "_formula", (graph, root))
        self._require_values()

    # --- the formula --------------------------------------------------------------------------

    def _require_values(self) -> None:
        """Refuse a formula without a value by proof, or by its divisors at three points."""
        if self.is_analytic and self._analysis.nowhere is not None:
            raise InputError(
                f"expression takes {self._analysis.nowhere} of a formula that is outside of its "
                "domain for all W: remove that call"
            )
        graph, root = self._formula
        divisors = algebraic_denominators(graph, root)
        m, n = self.shape
        for t in (3, 5, 8):
            flat = [Rational(t + k * k, 7 + t * k) for k in range(m * n)]
            try:
                if all(graph.evaluate(divisors, flat, rational)):
                    return
            except ZeroDivisionError:
                continue
        raise InputError(
            "expression divides by a formula that is zero for all W: remove that quotient"
        )

    @cached_property
    def is_analytic(self) -> bool:
        """Whether functions such as exp occur, so that ℓ has no rational values."""
        graph, root = self._formula
        return graph.first_function([root]) is not None

    @cached_property
    def _analysis(self) -> Analysis:
        return analyse(*self._formula)

    @cached_property
    def _expanded(self) -> RationalFunction | None:
        m, n = self.shape
        graph, root = self._formula
        return expanded(graph, root, m * n)

    @cached_property
    def is_polynomial(self) -> bool:
        """Whether ℓ is known to be a polynomial."""
        if self.is_analytic:
            return False
        if not divides(*self._formula):
            return True
        return self._expanded is not None and self._expanded.denominator.total_degree() == 0

    @cached_property
    def degree(self) -> int:
        """The degree of a polynomial; of a quotient, 1 + the larger degree in its gradient.

        It is 0 for an analytic loss, which has none.

        With N/D in lowest terms, the gradient (D∇N − N∇D)/D² has numerators of degree
        deg N + deg D − 1 at most and a denominator of degree 2 deg D, so that the degree is
        max(deg N + deg D, 2 deg D + 1) ≥ 3. Where expanding costs too much, the degrees are
        those of the formula as written, which are upper bounds.
        """
        if self.is_analytic:
            return 0
        if self._expanded is None:
            over, under = degree_bounds(*self._formula)
        else:
            f = self._expanded
            over, under = max(0, f.numerator.total_degree()), f.denominator.total_degree()
        return int(max(over + under, 2 * under + 1) if under else over)

    @cached_property
    def _gradient_nodes(self) -> tuple[Any, int, list[int], list[int]]:
        """The graph with the nodes of ℓ, of the entries of W and of the gradient."""
        from detvar.homotopy.derivatives import gradient

        graph, root = self._formula
        if self.is_polynomial and divides(graph, root):
            assert self._expanded is not None
            graph, root = _graph_of(self._expanded.numerator)
        m, n = self.shape
        inputs = [graph.input(k) for k in range(m * n)]
        return graph, root, inputs, gradient(graph, root, inputs)

    @cached_property
    def _hessian_nodes(self) -> dict[tuple[int, int], int]:
        from detvar.homotopy.derivatives import jacobian

        graph, _, inputs, first = self._gradient_nodes
        return jacobian(graph, first, inputs)

    def _run(
        self, nodes: Sequence[int], flat: Sequence[Any], lift: Callable[[Any], Any] = rational
    ) -> list[Any]:
        try:
            out: list[Any] = self._gradient_nodes[0].evaluate(nodes, flat, lift)
        except ZeroDivisionError:
            raise InputError("a denominator of the expression vanishes at W") from None
        return out

    # --- the loss -----------------------------------------------------------------------------

    def _require_rational(self) -> None:
        if self.is_analytic:
            refuse_exact("non-rational expression")

    def value(self, w: Matrix) -> Rational:
        """Return ℓ(W); raise `InputError` where a denominator vanishes."""
        self._require_rational()
        flat = point(w, self.shape).entries()
        return Rational(self._run([self._gradient_nodes[1]], flat)[0])

    def gradient(self, w: Matrix) -> Matrix:
        """Return ∇ℓ(W)."""
        self._require_rational()
        return unvec(
            self._run(self._gradient_nodes[3], point(w, self.shape).entries()), *self.shape
        )

    def hessian(self, w: Matrix) -> Matrix:
        """Return ∇²ℓ(W)."""
        self._require_rational()
        nodes = self._hessian_nodes
        values = self._run(list(nodes.values()), point(w, self.shape).entries())
        size = self.shape[0] * self.shape[1]
        out = zeros(size, size)
        for (a, b), x in zip(nodes, values, strict=True):
            out[a, b] = x
        return out

    def curvature(self, w: Matrix, d: Matrix) -> Rational:
        """Return ∇²ℓ(W)[D, D]."""
        self._require_rational()
        return (vec(d).transpose() * self.hessian(w) * vec(d))[0, 0]

    def evaluate(self, rows: list[list[Any]]) -> Any:
        """Return ℓ over any Q-algebra; quotients need one in which denominators are invertible."""
        self._require_rational()
        flat = [x for row in rows for x in row]
        return self._run([self._gradient_nodes[1]], flat, constant_in(flat[0]))[0]

    def evaluate_gradient(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Return ∇ℓ over any Q-algebra; quotients need one with invertible denominators."""
        self._require_rational()
        flat = [x for row in rows for x in row]
        out = self._run(self._gradient_nodes[3], flat, constant_in(flat[0]))
        n = self.shape[1]
        return [out[i : i + n] for i in range(0, len(out), n)]

    # --- balls, arrays, symbols -----------------------------------------------------------------

    @cached_property
    def _values(self) -> FormulaValues:
        graph, root, inputs, first = self._gradient_nodes
        return FormulaValues(graph, root, inputs, first, self._hessian_nodes, self.shape)

    def value_ball(self, w: arb_mat) -> arb:
        """Return a ball that contains ℓ(W) for every W in w; not finite where ℓ is undefined."""
        return self._values.value_ball(w)

    def gradient_ball(self, w: arb_mat) -> arb_mat:
        """Return an m×n matrix of balls that contain ∇ℓ(W) for every W in w."""
        return self._values.gradient_ball(w)

    def hessian_ball(self, w: arb_mat) -> arb_mat:
        """Return an mn×mn matrix of balls that contain ∇²ℓ(W), for the row-major vec."""
        return self._values.hessian_ball(w)

    def value_array(self, w: Any) -> Any:
        """Return ℓ in float64 for an array of shape (…, m, n); NaN where ℓ is undefined."""
        return self._values.value_array(w)

    def gradient_array(self, w: Any) -> Any:
        """Return ∇ℓ in float64, of shape (…, m, n)."""
        return self._values.gradient_array(w)

    def hessian_array(self, w: Any) -> Any:
        """Return ∇²ℓ in float64, of shape (…, mn, mn)."""
        return self._values.hessian_array(w)

    def symbolic(self, w: Any) -> Any:
        """Return ℓ(W) as a SymPy expression, for an m×n SymPy matrix W."""
        return self._values.symbolic(w)

    def symbolic_gradient(self, w: Any) -> Any:
        """Return ∇ℓ(W) as an m×n SymPy matrix."""
        return self._values.symbolic_gradient(w)

    # --- convexity ------------------------------------------------------------------------------

    def is_convex(self) -> bool:
        """Say whether ℓ is proved to be convex: exactly for degree ≤ 2, otherwise as written.

        False means "not known" beyond degree 2; whoever asks may only use True.
        """
        if self.is_polynomial and self.degree <= 2:
            return is_positive_semidefinite(self.hessian(zeros(*self.shape)))
        return self._analysis.is_convex

    @cached_property
    def _convexity(self) -> Convexity:
        if self.is_polynomial and self.degree <= 2:
            convex = self.is_convex()
            signs = "is positive semidefinite" if convex else "has a negative eigenvalue"
            return Convexity(convex, f"the Hessian is constant and {signs}")
        if self.is_convex():
            graph, root = self._formula
            return Convexity(True, convex_reason(graph, root, self._analysis))
        from detvar.losses.convex_on import refutation

        return refutation(self) or Convexity(None, open_reason(self._analysis))

    def convexity(self) -> Convexity:
        """Say whether ℓ is convex: by convex calculus, or refuted by a matrix with a proof.

        Where ℓ is not defined for all W, the answer True is about its domain, which is convex.
        """
        return self._convexity

    def growth(self) -> Growth | None:
        """Return a bound for a sum of softplus, exp, logcosh and squares of affine functions."""
        graph, root = self._formula
        return formula_growth(graph, root, self.shape) if self.is_analytic else None

    @cached_property
    def _quadratic(self) -> tuple[QuadraticLoss, Rational] | None:
        """The loss as ½ vec(W−U)ᵀQ vec(W−U) + c, if it has this form."""
        if not self.is_polynomial or self.degree > 2:
            return None
        m, n = self.shape
        origin = zeros(m, n)
        q, g = self.hessian(origin), vec(self.gradient(origin))
        kernel = nullspace(hstack(q, g))  # QU + g = 0
        for k in range(kernel.ncols()):
            last = kernel[m * n, k]
            if last:
                target = unvec([kernel[i, k] / last for i in range(m * n)], m, n)
                return QuadraticLoss(target, q), self.value(target)
        return None

    def kronecker(self) -> Kronecker | None:
        """Return the Kronecker form of a quadratic polynomial, if it has one."""
        if self._quadratic is None:
            return None
        square, constant = self._quadratic
        form = square.kronecker()
        return form and Kronecker(form.left, form.right, form.target, constant)

    def transposed(self) -> ExpressionLoss:
        """Return the loss W ↦ ℓ(Wᵀ)."""
        return ExpressionLoss(canonical_text(self.text, transposed=True), self.shape[::-1])

    def reduce(self, network: Any) -> Reduction:
        """Return the effective problem of a quadratic polynomial, as for `QuadraticLoss`.

        For other expressions it is the problem itself: directions that ℓ does not see are not
        looked for.
        """
        require_network(network, self.shape)
        m, n = self.shape
        if self._quadratic is not None:
            square, constant = self._quadratic
            found = square.reduce(network)
            if found.changed:
                small = found.loss and _from_quadratic(found.loss, constant)
                return reduction(network, found.left, found.right, small)
        return reduction(network, identity(m), identity(n), self)

    def to_latex(self) -> str:
        """Return ℓ(W) in LaTeX, with its data."""
        return formulas_latex.expression(self)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "expression", "expression": …, "shape": [m, n]}."""
        return {"type": "expression", "expression": self.text, "shape": list(self.shape)}


def _from_quadratic(loss: Loss, constant: Rational) -> ExpressionLoss:
    """Return the expression of a quadratic loss plus a constant."""
    m, n = loss.shape
    origin = zeros(m, n)
    names = [entry_name(i + 1, j + 1) for i in range(m) for j in range(n)]
    q, g = loss.hessian(origin), loss.gradient(origin).entries()
    terms = [f"({to_text(loss.value(origin) + constant)})"]
    terms += [f"({to_text(c)})*{x}" for c, x in zip(g, names, strict=True) if c]
    terms += [
        f"({to_text(q[a, b] / (2 if a == b else 1))})*{names[a]}*{names[b]}"
        for a in range(m * n)
        for b in range(a, m * n)
        if q[a, b]
    ]
    return ExpressionLoss(" + ".join(terms), (m, n))


def _graph_of(polynomial: Polynomial) -> tuple[Any, int]:
    """Return a graph of the polynomial, and its node."""
    from detvar.homotopy.expression import Graph

    graph, terms = Graph(), []
    for exponents, c in polynomial.to_dict().items():
        term = graph.constant(c)
        for k, e in enumerate(exponents):
            term = graph.mul(term, graph.power(graph.input(k), int(e)))
        terms.append(term)
    return graph, graph.sum(terms)


def _size(w: Any) -> tuple[int, int] | None:
    """Return the shape (m, n) that goes with a text."""
    if w is None:
        return None
    if hasattr(w, "shape"):  # SymPy's numbers are no ints
        w = [int(d) if getattr(d, "is_Integer", False) else d for d in w.shape]
    pair = isinstance(w, (tuple, list)) and len(w) == 2
    if not pair or not all(type(d) is int and 1 <= d < 1000 for d in w):
        raise InputError("shape must be a pair [rows, columns] of numbers from 1 to 999")
    return w[0], w[1]


def _sympy_text(expression: Any, w: Any) -> tuple[str, tuple[int, int]]:
    """Return a SymPy expression as text in w11, w12, …, and the shape of W."""
    wanted = (
        "expression must be text such as (w11 - 1)**2, or a SymPy expression together with the "
        "SymPy matrix W of its symbols"
    )
    if not getattr(w, "is_Matrix", False):
        raise InputError(wanted)
    import sympy

    try:
        tree = sympy.sympify(expression, strict=True)
    except sympy.SympifyError:
        tree = None
    if not isinstance(tree, sympy.Expr):
        raise InputError(wanted)
    size = _size(w)
    assert size is not None
    m, n = size
    cells = [w[i, j] for i in range(m) for j in range(n)]
    if len(set(cells)) < m * n or not all(x.is_symbol for x in cells):
        raise InputError("W must consist of different symbols")
    if tree.has(sympy.Float):
        raise InputError("the expression contains a float: write Rational(1, 4) for 0.25")
    new = [sympy.Symbol(entry_name(i + 1, j + 1)) for i in range(m) for j in range(n)]
    known = {s for x in cells for s in x.free_symbols}
    foreign = tree.free_symbols - known
    if foreign:
        raise InputError(f"{min(map(str, foreign))} is no entry of W: give it a rational value")
    text = str(tree.xreplace(dict(zip(cells, new, strict=True))))
    return with_numbers(canonical_text(text)), size


_: type[Loss] = ExpressionLoss  # the protocol, checked
