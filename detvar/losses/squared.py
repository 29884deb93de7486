"""The squared loss on data, ℓ(W) = ½‖WX − Y‖²."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import ShapeError
from detvar.exact.latex import displayed
from detvar.exact.matrices import (
    Matrix,
    column_space,
    identity,
    inner,
    inverse,
    kron,
    matrix,
    pivot_columns,
    require_exact,
    submatrix,
    to_text_rows,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.losses import formulas_latex
from detvar.losses.protocol import Kronecker, Loss, point
from detvar.losses.reduction import (
    Reduction,
    reduction,
    require_network,
)


@dataclass(frozen=True)
class SquaredLoss:
    """ℓ(W) = ½‖W X − Y‖²_F, with gradient W XXᵀ − Y Xᵀ and Hessian I_m ⊗ XXᵀ.

    Parameters
    ----------
    X : n×N, one column per sample
    Y : m×N

    Raises
    ------
    ShapeError
        If X and Y have different numbers of columns.
    NotExactError
        If an entry is not an exact number.

    Notes
    -----
    **Validity**: any X and Y, rank-deficient ones included; `reduce` passes to X of full
    row rank.

    Examples
    --------
    >>> loss = SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    >>> loss.value(matrix([[2, 0], [0, 0]]))
    1/2
    """

    X: Matrix
    Y: Matrix

    def __init__(self, X: Any, Y: Any) -> None:  # noqa: N803 - the field's names
        require_exact(X, "X")
        require_exact(Y, "Y")
        x, y = matrix(X, "X"), matrix(Y, "Y")
        if x.ncols() != y.ncols():
            raise ShapeError(
                f"X has {x.ncols()} columns and Y has {y.ncols()}: "
                "give one column per sample in both"
            )
        object.__setattr__(self, "X", x)
        object.__setattr__(self, "Y", y)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n) = (outputs, inputs)."""
        return self.Y.nrows(), self.X.nrows()

    @property
    def degree(self) -> int:
        """2."""
        return 2

    def value(self, w: Matrix) -> Rational:
        """Return ½‖WX − Y‖²."""
        w = point(w, self.shape)
        r = w * self.X - self.Y
        return inner(r, r) / 2

    def gradient(self, w: Matrix) -> Matrix:
        """Return (WX − Y)Xᵀ."""
        w = point(w, self.shape)
        return (w * self.X - self.Y) * self.X.transpose()

    def hessian(self, w: Matrix) -> Matrix:
        """Return I_m ⊗ XXᵀ."""
        return kron(identity(self.shape[0]), self.X * self.X.transpose())

    def curvature(self, w: Matrix, d: Matrix) -> Rational:
        """Return ∇²ℓ[D, D] = ⟨∇ℓ(W + D) − ∇ℓ(W), D⟩, exact because ℓ is quadratic."""
        return inner(self.gradient(w + d) - self.gradient(w), d)

    def evaluate(self, rows: list[list[Any]]) -> Any:
        """Return ½‖WX − Y‖² entry by entry, over any Q-algebra."""
        return sum((r * r for row in self._residual(rows) for r in row), rows[0][0] * 0) * Rational(
            1, 2
        )

    def evaluate_gradient(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Return (WX − Y)Xᵀ entry by entry, over any Q-algebra."""
        x = self.X.tolist()
        zero = rows[0][0] * 0
        return [
            [sum((r * c for r, c in zip(row, xrow, strict=True)), zero) for xrow in x]
            for row in self._residual(rows)
        ]

    def _residual(self, rows: list[list[Any]]) -> list[list[Any]]:
        columns_of_x = self.X.transpose().tolist()
        return [
            [
                sum((w * x for w, x in zip(row, column, strict=True) if x), row[0] * 0) - y
                for column, y in zip(columns_of_x, yrow, strict=True)
            ]
            for row, yrow in zip(rows, self.Y.tolist(), strict=True)
        ]

    def is_convex(self) -> bool:
        """Always true: XXᵀ ⪰ 0."""
        return True

    def kronecker(self) -> Kronecker:
        """Return P = I, Σ = XXᵀ and U = Y Xᵀ Σ⁺-solution, with c₀ the least-squares value."""
        b = pivot_columns(self.X.transpose())  # independent rows of X
        x = submatrix(self.X, b, range(self.X.ncols()))
        m, n = self.shape
        u = zeros(m, n)
        if b:
            small = self.Y * x.transpose() * inverse(x * x.transpose())
            for i in range(m):
                for k, j in enumerate(b):
                    u[i, j] = small[i, k]
        return Kronecker(identity(m), self.X * self.X.transpose(), u, self.value(u))

    def reduce(self, network: Any) -> Reduction:
        """Return the effective problem: X replaced by its coordinates in a basis of Col X."""
        m, n = self.shape
        require_network(network, self.shape)
        basis = column_space(self.X)
        if basis.ncols() == n:
            return reduction(network, identity(m), identity(n), self)
        if basis.ncols() == 0:
            return reduction(network, identity(m), basis, None)
        gram = basis.transpose() * basis
        coordinates = inverse(gram) * (basis.transpose() * self.X)
        return reduction(network, identity(m), basis, SquaredLoss(coordinates, self.Y))

    def to_latex(self) -> str:
        """Return ℓ(W) in LaTeX, with its data."""
        return formulas_latex.squared(self)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "squared", "X": …, "Y": …}."""
        return {"type": "squared", "X": to_text_rows(self.X), "Y": to_text_rows(self.Y)}


_: type[Loss] = SquaredLoss  # the protocol, checked
