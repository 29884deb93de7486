"""A loss whose data are symbols: for writing equations, not for computing values.

Its kinds and fields are those of a problem file; every entry may be a SymPy expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from detvar.errors import InputError, NotExactError, ShapeError
from detvar.exact.latex import displayed
from detvar.exact.rational import rational
from detvar.exact.text import one_line
from detvar.losses import formulas_latex
from detvar.losses.expression_text import canonical_text, entry_name
from detvar.losses.kits import symbols
from detvar.losses.protocol import Loss
from detvar.losses.reading import loss_from_json
from detvar.losses.rows import Rows
from detvar.losses.symbolic_gradients import KINDS, Fields
from detvar.losses.symbolic_text import read_symbolic

Lift = Callable[[Any, Mapping[Any, Any]], Any]
_ENTRY = re.compile(r"w(?:[1-9]{2}|(?:_[1-9][0-9]{0,2}){2})")
# members of a loss that symbols do not have
_NEEDS_NUMBERS = frozenset(
    ("value", "hessian", "curvature", "evaluate", "is_convex", "convexity", "kronecker")
    + ("reduce", "transposed", "degree", "value_interval", "growth")
    + tuple(f"{x}_{y}" for x in ("value", "gradient", "hessian") for y in ("ball", "array"))
)
_SCALARS = ("delta", "exponent", "expression")


@dataclass(frozen=True, init=False)
class SymbolicLoss:
    """A loss of one of the known kinds whose data may be SymPy symbols and expressions.

    Parameters
    ----------
    kind : squared, weighted, quadratic, power, likelihood, logistic, softmax, exponential,
        pseudo_huber, log_cosh or expression
    **fields : the fields of that kind, as in a problem file: matrices of numbers, SymPy
        expressions or text such as "a/2"; the exponent of a power is an even integer; an
        expression is text in w11, w12, … with W = (m, n), or a SymPy expression with W the
        SymPy matrix of its unknowns; all other symbols are data

    Raises
    ------
    InputError, NotExactError, ShapeError
        One sentence that names the field at fault.

    Notes
    -----
    **Validity**: conditions on numbers (positive counts, labels ±1) are checked when
    `substitute` has turned the data into numbers.

    Examples
    --------
    >>> import sympy
    >>> loss = SymbolicLoss("squared", X=[["x"]], Y=[["y"]])
    >>> loss.gradient(sympy.Matrix([["w"]]))
    Matrix([[x*(w*x - y)]])
    >>> loss.substitute({"x": 2, "y": 6}).value([[3]])
    0
    """

    kind: str
    fields: tuple[tuple[str, Any], ...]
    shape: tuple[int, int]

    def __init__(self, kind: str, /, **fields: Any) -> None:
        if not isinstance(kind, str) or kind not in KINDS:
            raise InputError(
                f"{one_line(str(kind), 40)!r} is no kind of loss: write one of {', '.join(KINDS)}"
            )
        known = KINDS[kind]
        allowed = (*known.fields, *known.optional)
        for name in known.fields:
            if name not in fields:
                raise InputError(f'a loss of kind "{kind}" has no field "{name}": add it')
        for name in fields:
            if name not in allowed:
                raise InputError(
                    f'"{kind}" does not know the field "{name}": use {", ".join(allowed)}'
                )
        if kind == "expression":
            formula, shape = _formula(fields["expression"], fields.get("W"))
            table: dict[str, Any] = {"expression": formula}
        else:
            table = {x: _field(x, fields[x]) for x in allowed if fields.get(x) is not None}
            shape = _shape(kind, table)
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "fields", tuple(table.items()))
        object.__setattr__(self, "shape", shape)

    @classmethod
    def of(cls, loss: Any) -> SymbolicLoss | None:
        """Return the same loss in symbols, or None if its kind is not one of these.

        >>> from detvar.losses import PowerLoss
        >>> SymbolicLoss.of(PowerLoss([["1/2"]], 4)).gradient([["a"]])
        Matrix([[4*(a - 1/2)**3]])
        """
        if isinstance(loss, SymbolicLoss):
            return loss
        data = loss.to_json()
        try:
            return cls.from_json(data) if data.get("type") in KINDS else None
        except InputError:  # an expression with functions that are not known here
            return None

    @classmethod
    def from_json(cls, obj: Any, shape: tuple[int, int] | None = None) -> SymbolicLoss:
        """Return the loss of a problem file, in which numbers may be names; inverse of `to_json`.

        `shape` is that of W, where an expression does not tell it.
        """
        if not isinstance(obj, dict) or not isinstance(obj.get("type"), str):
            raise InputError('loss must be an object such as {"type": "squared", "X": …, "Y": …}')
        fields = {str(k): v for k, v in obj.items() if k not in ("type", "shape")}
        if obj["type"] == "expression":
            fields["W"] = obj.get("shape", shape)
        return cls(obj["type"], **fields)

    # --- what it is -----------------------------------------------------------------------------

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The symbols in the data, by name."""
        found: set[Any] = set()
        for _, x in self.fields:
            found |= getattr(x, "free_symbols", set())
        if self.kind == "expression":
            found -= set(_entries(self.shape))
        return tuple(sorted(found, key=lambda s: (len(s.name), s.name)))

    @property
    def is_rational(self) -> bool:
        """Whether the gradient is a rational function of the entries of W and of the symbols."""
        data = [y for _, x in self.fields for y in (x if hasattr(x, "tolist") else [x])]
        known = all(isinstance(y, int) or is_rational_over_q(y) for y in data)
        return known and KINDS[self.kind].is_rational

    @property
    def is_polynomial(self) -> bool:
        """Whether the gradient is certainly a polynomial in the entries of W."""
        if self.kind == "expression":
            return bool(dict(self.fields)["expression"].is_polynomial(*_entries(self.shape)))
        return KINDS[self.kind].is_rational and self.kind != "likelihood"

    @property
    def gradient_latex(self) -> str:
        """∇ℓ(W) in LaTeX, as a formula in the fields."""
        return KINDS[self.kind].latex

    def __str__(self) -> str:
        names = ", ".join(s.name for s in self.parameters)
        return f"{self.kind} loss with " + (f"the symbols {names}" if names else "numerical data")

    # --- gradient -------------------------------------------------------------------------------

    def gradient(self, w: Any) -> Any:
        """Return ∇ℓ(W) as a SymPy matrix, for a SymPy matrix W; nothing is expanded."""
        import sympy

        return sympy.Matrix(
            self.evaluate_gradient(sympy.Matrix(w).tolist(), lambda x, table: x.xreplace(table))
        )

    def evaluate_gradient(self, rows: Rows, lift: Lift) -> Rows:
        """Return ∇ℓ at a matrix over a commutative algebra.

        Parameters
        ----------
        rows : the entries of W in that algebra
        lift : takes a SymPy expression into the algebra, given elements for some of its symbols
        """
        rule = KINDS[self.kind].gradient
        if rule is None:
            own = dict(zip(_entries(self.shape), chain(*rows), strict=True))
            return [[lift(x, own) for x in row] for row in self._derivatives]
        data: dict[str, Any] = {}
        for name, x in self.fields:
            if hasattr(x, "tolist"):
                data[name] = [[lift(y, {}) for y in row] for row in x.tolist()]
            else:
                data[name] = x if isinstance(x, int) else lift(x, {})
        return rule(rows, data, None if self.is_rational else symbols())

    @cached_property
    def _derivatives(self) -> Rows:
        """∇ℓ of an expression in its own symbols w11, w12, …"""
        expression, (m, n) = dict(self.fields)["expression"], self.shape
        flat = [expression.diff(s) for s in _entries(self.shape)]
        return [flat[i * n : (i + 1) * n] for i in range(m)]

    def __getattr__(self, name: str) -> Any:
        if name not in _NEEDS_NUMBERS:
            raise AttributeError(f"a SymbolicLoss has no attribute {name!r}")
        names = ", ".join(s.name for s in self.parameters)
        raise InputError(
            f"this needs numbers, and the loss has symbols: substitute numbers for {names}"
            if names
            else "this needs the exact loss: take .substitute({}) of the SymbolicLoss"
        )

    # --- numbers --------------------------------------------------------------------------------

    def substitute(self, values: Mapping[Any, Any]) -> Loss | SymbolicLoss:
        """Return the loss with symbols replaced, by name or by symbol.

        Without symbols left it is the exact loss of its kind, such as `SquaredLoss`.
        """
        import sympy

        names = {s.name: s for s in self.parameters}
        table = {}
        for key, x in values.items():
            name = str(key)
            if name not in names:
                raise InputError(
                    f"{one_line(name, 40)} is no symbol of the data: "
                    + (f"the symbols are {', '.join(names)}" if names else "there are none")
                )
            table[names[name]] = symbolic_entry(x, name)
        fields = {k: x.xreplace(table) if hasattr(x, "xreplace") else x for k, x in self.fields}
        if self.kind == "expression":
            fields["W"] = sympy.Matrix(*self.shape, _entries(self.shape))
        out = SymbolicLoss(self.kind, **fields)
        if out.parameters:
            return out
        try:
            return loss_from_json(out.to_json())
        except NotExactError:  # numbers such as sqrt(2)
            return out

    def to_latex(self) -> str:
        """Return ∇ℓ(W) as a formula in the fields, and the fields, in LaTeX."""
        return formulas_latex.symbolic(self)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return {"type": kind, …} with every entry as text."""
        out: dict[str, Any] = {"type": self.kind}
        for name, x in self.fields:
            if name == "reference":
                out[name] = [str(y) for y in x]
            elif hasattr(x, "tolist"):
                out[name] = [[str(y) for y in row] for row in x.tolist()]
            else:
                out[name] = x if isinstance(x, int) else str(x)
        if self.kind == "expression":
            out["shape"] = list(self.shape)
        return out


# --- reading fields -------------------------------------------------------------------------------


def _field(name: str, x: Any) -> Any:
    """Return a field as a SymPy matrix, a SymPy number, or the integer exponent."""

    if name == "exponent":
        p = int(x) if getattr(x, "is_Integer", False) else x
        if not isinstance(p, int) or isinstance(p, bool) or p % 2 or not 2 <= p <= 100:
            raise InputError("exponent must be an even integer from 2 to 100, such as 4")
        return p
    if name in _SCALARS:
        return symbolic_entry(x, name)
    rows = x.tolist() if hasattr(x, "tolist") else x
    flat = isinstance(rows, (list, tuple)) and rows and not isinstance(rows[0], (list, tuple))
    return symbolic_matrix([rows] if name == "reference" and flat else rows, name)


def symbolic_matrix(rows: Any, name: str) -> Any:
    """Return a matrix of numbers, text and SymPy expressions as an immutable SymPy matrix.

    >>> symbolic_matrix([["a/2", 1]], "X")
    Matrix([[a/2, 1]])
    """
    import sympy

    rows = rows.tolist() if hasattr(rows, "tolist") else rows
    good = isinstance(rows, (list, tuple)) and bool(rows)
    if not good or not all(isinstance(row, (list, tuple)) and row for row in rows):
        raise ShapeError(f"{name} must be a list of rows, such as [[a, 0], [0, 1]]")
    if len({len(row) for row in rows}) > 1:
        raise ShapeError(f"{name} is ragged: give all rows the same length")
    table = [
        [symbolic_entry(x, f"{name}[{i}][{j}]") for j, x in enumerate(row)]
        for i, row in enumerate(rows)
    ]
    return sympy.ImmutableMatrix(table)


def symbolic_entry(x: Any, name: str) -> Any:
    """Return an entry as a SymPy expression without floats."""
    import sympy

    if isinstance(x, str):
        return read_symbolic(x, name)
    if isinstance(x, sympy.Expr):
        if x.has(sympy.Float):
            raise NotExactError(f"{name} contains a float: write Rational(1, 4) for 0.25")
        if x.has(sympy.zoo, sympy.nan, sympy.oo):
            raise InputError(f"{name} is not finite: give a number or a formula")
        return x
    q = rational(x, name)
    return sympy.Rational(int(q.p), int(q.q))


def _shape(kind: str, table: Fields) -> tuple[int, int]:
    """Return the shape of W, after a check that the fields fit together."""

    def require(name: str, rows: int, columns: int) -> None:
        if table[name].shape != (rows, columns):
            have = "×".join(map(str, table[name].shape))
            raise ShapeError(f"{name} is {have}: give a {rows}×{columns} matrix")

    first = next(x for k, x in table.items() if k != "X" and k not in _SCALARS)
    m, n = first.shape
    if "X" in table:
        inputs, samples = table["X"].shape
        for name in table:
            if name != "X" and name not in _SCALARS:
                require(name, 1 if name == "reference" else m, samples)
        return m, inputs
    if kind == "weighted":
        require("weights", m, n)
    if kind == "quadratic":
        require("form", m * n, m * n)
        if table["form"] != table["form"].T:
            raise InputError("form must be symmetric: give (form + formᵀ)/2")
    return m, n


def _formula(expression: Any, w: Any) -> tuple[Any, tuple[int, int]]:
    """Return an expression in w11, w12, … and the shape of W."""
    if isinstance(expression, str):
        if not isinstance(w, (tuple, list)) or len(w) != 2 or not all(type(d) is int for d in w):
            raise InputError("an expression in text needs W = (rows, columns)")
        shape = (w[0], w[1])
        if not all(1 <= d < 1000 for d in shape):
            raise InputError("W must be a pair (rows, columns) of numbers from 1 to 999")
        tree = read_symbolic(canonical_text(expression), "expression")
        outside = [
            s.name for s in tree.free_symbols - set(_entries(shape)) if _ENTRY.fullmatch(s.name)
        ]
        if outside:
            raise ShapeError(
                f"expression contains {min(outside)}, but W is {shape[0]}×{shape[1]}: give a "
                "larger W, or change the expression"
            )
        return tree, shape
    if not getattr(w, "is_Matrix", False):
        raise InputError("an expression needs W, the SymPy matrix of its unknowns")
    cells = list(w)
    if len(set(cells)) < len(cells) or not all(x.is_Symbol for x in cells):
        raise InputError("W must consist of different symbols")
    tree = symbolic_entry(expression, "expression")
    own = _entries(w.shape)
    clash = [s.name for s in tree.free_symbols - set(cells) if _ENTRY.fullmatch(s.name)]
    if clash:
        raise InputError(f"{min(clash)} is kept for an entry of W: rename that symbol")
    return tree.xreplace(dict(zip(cells, own, strict=True))), (int(w.rows), int(w.cols))


def _entries(shape: tuple[int, int]) -> list[Any]:
    import sympy

    m, n = shape
    return [sympy.Symbol(entry_name(i + 1, j + 1)) for i in range(m) for j in range(n)]


def is_rational_over_q(x: Any) -> bool:
    """Say whether a SymPy expression is built from symbols and rationals by + − × ÷ alone.

    >>> is_rational_over_q(read_symbolic("a/(b + 1)")), is_rational_over_q(read_symbolic("sqrt(2)"))
    (True, False)
    """
    if x.is_Rational or x.is_Symbol:
        return True
    if x.is_Pow:
        return bool(x.exp.is_Integer) and is_rational_over_q(x.base)
    return (x.is_Add or x.is_Mul) and all(is_rational_over_q(y) for y in x.args)
