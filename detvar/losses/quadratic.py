"""The general quadratic loss ℓ(W) = ½ vec(W−U)ᵀ Q vec(W−U)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import ShapeError
from detvar.exact.inertia import is_positive_semidefinite
from detvar.exact.latex import displayed
from detvar.exact.matrices import (
    Matrix,
    inner,
    inverse,
    is_symmetric,
    is_zero,
    kron,
    matrix,
    require_exact,
    require_shape,
    shape,
    submatrix,
    to_text_rows,
    unvec,
    vec,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.losses import formulas_latex
from detvar.losses.protocol import Kronecker, Loss, point
from detvar.losses.reduction import (
    Reduction,
    invisible_columns,
    invisible_rows,
    reduction,
    require_network,
)


@dataclass(frozen=True)
class QuadraticLoss:
    """ℓ(W) = ½ vec(W−U)ᵀ Q vec(W−U), vec row by row.

    Parameters
    ----------
    target : U, m×n
    form : Q, mn×mn, symmetric; it need not be positive semidefinite

    Raises
    ------
    ShapeError
        If Q does not have mn rows and columns, or is not symmetric.

    Notes
    -----
    **Validity**: Q is a Kronecker product iff its rearrangement, the m²×n² matrix of its
    m×m grid of n×n blocks, has rank ≤ 1 (Van Loan & Pitsianis 1993).

    Examples
    --------
    >>> Q = kron(matrix([[2, 1], [1, 1]]), matrix([[1, 0], [0, 3]]))
    >>> QuadraticLoss([[0, 0], [0, 0]], Q).kronecker().right
    [2, 0]
    [0, 6]
    """

    target: Matrix
    form: Matrix

    def __init__(self, target: Any, form: Any) -> None:
        require_exact(target, "target")
        require_exact(form, "form")
        u, q = matrix(target, "target"), matrix(form, "form")
        size = u.nrows() * u.ncols()
        require_shape(q, size, size, "form")
        if not is_symmetric(q):
            raise ShapeError("form is not symmetric: give Q with Q[i][j] = Q[j][i]")
        object.__setattr__(self, "target", u)
        object.__setattr__(self, "form", q)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return shape(self.target)

    @property
    def degree(self) -> int:
        """2."""
        return 2

    def value(self, w: Matrix) -> Rational:
        """Return ½ vec(W−U)ᵀ Q vec(W−U)."""
        w = point(w, self.shape)
        return inner(self.gradient(w), w - self.target) / 2

    def gradient(self, w: Matrix) -> Matrix:
        """Return the matrix with vec Q vec(W−U)."""
        w = point(w, self.shape)
        return unvec(self.form * vec(w - self.target), *self.shape)

    def hessian(self, w: Matrix) -> Matrix:
        """Return Q."""
        return self.form

    def curvature(self, w: Matrix, d: Matrix) -> Rational:
        """Return ∇²ℓ[D, D] = ⟨∇ℓ(W + D) − ∇ℓ(W), D⟩, exact because ℓ is quadratic."""
        return inner(self.gradient(w + d) - self.gradient(w), d)

    def evaluate(self, rows: list[list[Any]]) -> Any:
        """Return ½ Σ Q_ab d_a d_b, d = vec(W−U), over any Q-algebra."""
        d, zero = self._difference(rows), rows[0][0] * 0
        return sum((q * d[a] * d[b] for a, b, q in self._entries()), zero) * Rational(1, 2)

    def evaluate_gradient(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Return Q vec(W−U), as a matrix, over any Q-algebra."""
        d = self._difference(rows)
        flat = [rows[0][0] * 0 for _ in d]
        for a, b, q in self._entries():
            flat[a] = flat[a] + d[b] * q
        n = self.shape[1]
        return [flat[i : i + n] for i in range(0, len(flat), n)]

    def _difference(self, rows: list[list[Any]]) -> list[Any]:
        flat = [x for row in rows for x in row]
        return [x - u for x, u in zip(flat, self.target.entries(), strict=True)]

    def _entries(self) -> list[tuple[int, int, Rational]]:
        return [
            (a, b, q) for a, row in enumerate(self.form.tolist()) for b, q in enumerate(row) if q
        ]

    def is_convex(self) -> bool:
        """Say whether Q ⪰ 0."""
        return is_positive_semidefinite(self.form)

    def kronecker(self) -> Kronecker | None:
        """Return P ⊗ Σ = Q with P, Σ ⪰ 0, or None when Q has no such form."""
        m, n = self.shape
        if is_zero(self.form):
            return Kronecker(zeros(m, m), zeros(n, n), self.target, Rational(0))
        q = self.form
        a, b = next((a, b) for a in range(m * n) for b in range(m * n) if q[a, b])
        (i, j), (k, column) = divmod(a, n), divmod(b, n)
        right = submatrix(q, range(i * n, i * n + n), range(k * n, k * n + n))
        left = submatrix(q, range(j, m * n, n), range(column, m * n, n)) * (1 / q[a, b])
        if kron(left, right) != q:
            return None
        if not (is_symmetric(left) and is_symmetric(right)):
            return None
        if not (is_positive_semidefinite(left) and is_positive_semidefinite(right)):
            return None
        return Kronecker(left, right, self.target, Rational(0))

    def reduce(self, network: Any) -> Reduction:
        """Return the effective problem: input and output directions Q cannot see are dropped."""
        m, n = self.shape
        require_network(network, self.shape)
        left, right = invisible_rows(self.form, m, n), invisible_columns(self.form, m, n)
        if left.nrows() == m and right.ncols() == n:
            return reduction(network, left, right, self)
        if left.nrows() == 0 or right.ncols() == 0:
            return reduction(network, left, right, None)
        up = left.transpose() * inverse(left * left.transpose())
        down = inverse(right.transpose() * right) * right.transpose()
        lift = kron(up, down.transpose())
        form = lift.transpose() * self.form * lift
        small = QuadraticLoss(left * self.target * right, form)
        return reduction(network, left, right, small)

    def to_latex(self) -> str:
        """Return ℓ(W) in LaTeX, with its data."""
        return formulas_latex.quadratic(self)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "quadratic", "target": …, "form": …}."""
        return {
            "type": "quadratic",
            "target": to_text_rows(self.target),
            "form": to_text_rows(self.form),
        }


_: type[Loss] = QuadraticLoss  # the protocol, checked
