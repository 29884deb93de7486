"""What a loss is: a function ℓ on m×n matrices, and the data of its Kronecker form.

A loss is any frozen dataclass with the members of `Loss`; there is no base class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from detvar.exact.latex import displayed
from detvar.exact.matrices import Matrix, matrix, require_shape
from detvar.exact.rational import Rational, rational


@dataclass(frozen=True)
class Kronecker:
    """ℓ(W) = ½ tr(P (W − U) Σ (W − U)ᵀ) + c₀, whose Hessian is the constant P ⊗ Σ.

    Attributes
    ----------
    left : P, m×m, symmetric positive semidefinite
    right : Σ, n×n, symmetric positive semidefinite
    target : U, m×n
    constant : c₀, the minimal value of ℓ on all matrices
    """

    left: Matrix
    right: Matrix
    target: Matrix
    constant: Rational

    def to_latex(self) -> str:
        """Return ℓ(W) and its data in LaTeX."""
        from detvar.losses import formulas_latex

        return formulas_latex.kronecker(self)

    _repr_latex_ = displayed


class Loss(Protocol):
    """A twice differentiable function ℓ on m×n matrices with rational coefficients."""

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n): the shape of the matrices W on which ℓ is defined."""

    @property
    def degree(self) -> int:
        """The degree of ℓ as a polynomial in the entries of W."""

    def value(self, w: Matrix) -> Rational:
        """Return ℓ(W)."""

    def gradient(self, w: Matrix) -> Matrix:
        """Return G = ∇ℓ(W), m×n, with dℓ(Δ) = tr(GᵀΔ)."""

    def hessian(self, w: Matrix) -> Matrix:
        """Return ∇²ℓ(W), mn×mn, for the row-major vec of Δ."""

    def curvature(self, w: Matrix, d: Matrix) -> Rational:
        """Return ∇²ℓ(W)[D, D], without writing the mn×mn Hessian."""

    def evaluate(self, rows: list[list[Any]]) -> Any:
        """Return ℓ at a matrix with entries in any commutative Q-algebra, from its definition."""

    def evaluate_gradient(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Return the entries of ∇ℓ at a matrix over any commutative Q-algebra."""

    def is_convex(self) -> bool:
        """Say whether ℓ is convex (exact test)."""

    def kronecker(self) -> Kronecker | None:
        """Return the Kronecker form of ℓ, or None when ∇²ℓ is not a constant P ⊗ Σ ⪰ 0."""

    def reduce(self, network: Any) -> Any:
        """Return the `Reduction` of (network, loss) to effective widths and data."""

    def to_latex(self) -> str:
        """Return ℓ(W) in LaTeX, with its data."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, as in a problem file."""


def is_polynomial(loss: Loss) -> bool:
    """Say whether ℓ is known to be a polynomial in the entries of W."""
    return bool(getattr(loss, "is_polynomial", True))


def constant_in(x: Any) -> Callable[[Any], Any]:
    """Return how a rational number becomes an element of the Q-algebra that x is in.

    >>> from detvar.exact.series import polynomial
    >>> constant_in(polynomial([0, 1]))("1/3").degree()
    0
    """
    zero = x * 0
    return lambda c: zero + rational(c)


def point(w: Any, shape: tuple[int, int], name: str = "W") -> Matrix:
    """Return w as an exact matrix of the shape a loss is defined on, or raise by name."""
    out = matrix(w, name)
    require_shape(out, *shape, name)
    return out
