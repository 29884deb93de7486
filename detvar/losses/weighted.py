"""The entrywise weighted loss ℓ(W) = ½ Σ λ_ij (w_ij − u_ij)²."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.exact.latex import displayed
from detvar.exact.matrices import (
    Matrix,
    columns,
    diagonal,
    identity,
    inner,
    is_zero,
    matrix,
    rank,
    require_exact,
    require_shape,
    shape,
    submatrix,
    to_text_rows,
    unvec,
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
class WeightedSquaredLoss:
    """ℓ(W) = ½ Σ λ_ij (w_ij − u_ij)², entrywise weights λ and target u.

    Parameters
    ----------
    target : u, m×n
    weights : λ, m×n; entries may be zero (unobserved) or negative (then ℓ is not convex)

    Raises
    ------
    ShapeError
        If the two matrices have different shapes.

    Notes
    -----
    **Validity**: the Hessian diag(λ) is a Kronecker product iff λ has rank ≤ 1.

    Examples
    --------
    >>> loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    >>> loss.value(matrix([[0, 0], [0, "1/2"]])), loss.kronecker() is None
    (1/2, True)
    """

    target: Matrix
    weights: Matrix

    def __init__(self, target: Any, weights: Any) -> None:
        require_exact(target, "target")
        require_exact(weights, "weights")
        u, lam = matrix(target, "target"), matrix(weights, "weights")
        require_shape(lam, *shape(u), "the matrix of weights")
        object.__setattr__(self, "target", u)
        object.__setattr__(self, "weights", lam)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return shape(self.target)

    @property
    def degree(self) -> int:
        """2."""
        return 2

    def value(self, w: Matrix) -> Rational:
        """Return ½ Σ λ (w − u)²."""
        w = point(w, self.shape)
        return inner(self.gradient(w), w - self.target) / 2

    def gradient(self, w: Matrix) -> Matrix:
        """Return the matrix with entries λ (w − u)."""
        w = point(w, self.shape)
        d = (w - self.target).entries()
        return unvec([a * b for a, b in zip(self.weights.entries(), d, strict=True)], *self.shape)

    def hessian(self, w: Matrix) -> Matrix:
        """Return diag(vec λ)."""
        return diagonal(self.weights.entries())

    def curvature(self, w: Matrix, d: Matrix) -> Rational:
        """Return ∇²ℓ[D, D] = ⟨∇ℓ(W + D) − ∇ℓ(W), D⟩, exact because ℓ is quadratic."""
        return inner(self.gradient(w + d) - self.gradient(w), d)

    def evaluate(self, rows: list[list[Any]]) -> Any:
        """Return ½ Σ λ (w − u)² over any Q-algebra."""
        zero = rows[0][0] * 0
        return sum((x * d * d for x, d in self._terms(rows)), zero) * Rational(1, 2)

    def evaluate_gradient(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Return λ (w − u) over any Q-algebra."""
        flat = [d * x for x, d in self._terms(rows)]
        n = self.shape[1]
        return [flat[i : i + n] for i in range(0, len(flat), n)]

    def _terms(self, rows: list[list[Any]]) -> list[tuple[Rational, Any]]:
        flat = [x for row in rows for x in row]
        return [
            (scale, x - u)
            for scale, x, u in zip(self.weights.entries(), flat, self.target.entries(), strict=True)
        ]

    def is_convex(self) -> bool:
        """Say whether all weights are ≥ 0."""
        return all(x >= 0 for x in self.weights.entries())

    def kronecker(self) -> Kronecker | None:
        """Return diag(a), diag(b) with λ = a bᵀ, or None when rk λ > 1 or some λ < 0."""
        if rank(self.weights) > 1 or not self.is_convex():
            return None
        m, n = self.shape
        if is_zero(self.weights):
            return Kronecker(zeros(m, m), zeros(n, n), self.target, Rational(0))
        i, j = next((i, j) for i in range(m) for j in range(n) if self.weights[i, j])
        b = [self.weights[i, k] for k in range(n)]
        a = [self.weights[k, j] / self.weights[i, j] for k in range(m)]
        return Kronecker(diagonal(a), diagonal(b), self.target, Rational(0))

    def reduce(self, network: Any) -> Reduction:
        """Return the effective problem: rows and columns of λ that vanish are dropped."""
        m, n = self.shape
        require_network(network, self.shape)
        keep_rows = [i for i in range(m) if any(self.weights[i, j] for j in range(n))]
        keep_columns = [j for j in range(n) if any(self.weights[i, j] for i in range(m))]
        left = submatrix(identity(m), keep_rows, range(m))
        right = columns(identity(n), keep_columns)
        if len(keep_rows) == m and len(keep_columns) == n:
            return reduction(network, left, right, self)
        if not keep_rows:
            return reduction(network, left, right, None)
        cut = (keep_rows, keep_columns)
        small = WeightedSquaredLoss(submatrix(self.target, *cut), submatrix(self.weights, *cut))
        return reduction(network, left, right, small)

    def to_latex(self) -> str:
        """Return ℓ(W) in LaTeX, with its data."""
        return formulas_latex.weighted(self)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "weighted", "target": …, "weights": …}."""
        return {
            "type": "weighted",
            "target": to_text_rows(self.target),
            "weights": to_text_rows(self.weights),
        }


_: type[Loss] = WeightedSquaredLoss  # the protocol, checked
