"""Effective data and widths: dividing out the directions a loss cannot see.

If ℓ(W) = ℓ′(C W B) with C of full row rank and B of full column rank, then the weights
enter the risk only through (W₁B, W₂, …, C W_h), the weights of a network of widths
(n′, d₁, …, d_{h−1}, m′).  Filling, rank bound and the theorems belong to that network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import ShapeError
from detvar.exact.latex import displayed
from detvar.exact.matrices import Matrix, complement, identity, nullspace, submatrix, vstack
from detvar.losses.protocol import Loss


@dataclass(frozen=True)
class Reduction:
    """The effective problem ℓ(W) = ℓ′(C W B).

    Attributes
    ----------
    left : C, m′×m, of full row rank
    right : B, n×n′, of full column rank
    loss : ℓ′ on m′×n′ matrices, or None when ℓ is constant (then m′ or n′ is 0)
    widths : (n′, d₁, …, d_{h−1}, m′)
    network : the effective network, or None when ℓ is constant
    changed : whether the widths differ from the given ones
    """

    left: Matrix
    right: Matrix
    loss: Loss | None
    widths: tuple[int, ...]
    network: Any
    changed: bool

    def to_latex(self) -> str:
        """Return the effective problem ℓ(W) = ℓ′(CWB) in LaTeX."""
        from detvar.losses import formulas_latex

        return formulas_latex.reduction(self)

    _repr_latex_ = displayed

    def weights(self, weights: tuple[Matrix, ...]) -> tuple[Matrix, ...]:
        """Return the effective weights (W₁B, W₂, …, C W_h)."""
        if not self.changed:
            return weights
        out = list(weights)
        out[0] = out[0] * self.right
        out[-1] = self.left * out[-1]
        return tuple(out)

    def lift(self, direction: tuple[Matrix, ...]) -> tuple[Matrix, ...]:
        """Return a direction in the given weights whose effective part is `direction`:
        (V₁B⁺, V₂, …, C⁺V_h) with one-sided inverses of B and C."""
        if not self.changed:
            return direction
        out = list(direction)
        right, left = self.right, self.left
        out[0] = out[0] * ((right.transpose() * right).inv() * right.transpose())
        out[-1] = (left.transpose() * (left * left.transpose()).inv()) * out[-1]
        return tuple(out)


def reduction(network: Any, left: Matrix, right: Matrix, loss: Loss | None) -> Reduction:
    """Assemble a `Reduction` from C, B and ℓ′ (None for a constant loss)."""
    widths = (right.ncols(), *network.widths[1:-1], left.nrows())
    changed = widths != network.widths
    if min(widths) == 0:
        return Reduction(left, right, None, widths, None, changed)
    effective = type(network)(*widths) if changed else network
    return Reduction(left, right, loss, widths, effective, changed)


def invisible_columns(form: Matrix, m: int, n: int) -> Matrix:
    """Return B, n×n′, whose columns span the complement of {x : Q(y ⊗ x) = 0 for all y}.

    These x are the input directions that the quadratic form Q on m×n matrices cannot see.
    The identity is returned when there are none.
    """
    rows = range(m * n)
    stacked = vstack(*(submatrix(form, rows, range(i * n, (i + 1) * n)) for i in range(m)))
    kernel = nullspace(stacked)
    return complement(kernel) if kernel.ncols() else identity(n)


def invisible_rows(form: Matrix, m: int, n: int) -> Matrix:
    """Return C, m′×m, whose rows span the complement of {y : Q(y ⊗ x) = 0 for all x}."""
    rows = range(m * n)
    stacked = vstack(*(submatrix(form, rows, range(j, m * n, n)) for j in range(n)))
    kernel = nullspace(stacked)
    return complement(kernel).transpose() if kernel.ncols() else identity(m)


def require_network(network: Any, loss_shape: tuple[int, int]) -> None:
    """Raise `ShapeError` unless the network maps R^n to R^m for a loss on m×n matrices."""
    m, n = loss_shape
    if network.widths[0] != n or network.widths[-1] != m:
        raise ShapeError(
            f"the loss is defined on {m}×{n} matrices, but the network maps R^{network.widths[0]} "
            f"to R^{network.widths[-1]}: give widths that start with {n} and end with {m}"
        )
