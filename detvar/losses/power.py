"""The power loss ℓ(W) = Σ (w_ij − u_ij)^p with p even: convex, algebraic, not quadratic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact.latex import displayed
from detvar.exact.matrices import (
    Matrix,
    diagonal,
    identity,
    matrix,
    require_exact,
    shape,
    to_text_rows,
    unvec,
)
from detvar.exact.rational import Rational
from detvar.losses import formulas_latex
from detvar.losses.protocol import Kronecker, Loss, point
from detvar.losses.reduction import Reduction, reduction, require_network


@dataclass(frozen=True)
class PowerLoss:
    """ℓ(W) = Σ (w_ij − u_ij)^p, p even and at least 2.

    Parameters
    ----------
    target : u, m×n
    exponent : p, an even integer, 2 ≤ p ≤ 100

    Raises
    ------
    InputError
        If the exponent is not an even integer in that range.

    Notes
    -----
    **Validity**: strictly convex for every p; Kronecker (P = 2I, Σ = I) only for p = 2.

    Examples
    --------
    >>> PowerLoss([[1, 0], [0, 1]], 4).value(matrix([[3, 0], [0, 0]]))
    17
    """

    target: Matrix
    exponent: int

    def __init__(self, target: Any, exponent: Any) -> None:
        require_exact(target, "target")
        if not isinstance(exponent, int) or isinstance(exponent, bool):
            raise InputError("exponent must be an even integer, such as 4")
        if exponent % 2 or not 2 <= exponent <= 100:
            shown = f"{exponent}" if abs(exponent) < 10**18 else "too large"
            raise InputError(f"exponent is {shown}: give an even integer from 2 to 100")
        object.__setattr__(self, "target", matrix(target, "target"))
        object.__setattr__(self, "exponent", exponent)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return shape(self.target)

    @property
    def degree(self) -> int:
        """p."""
        return self.exponent

    def value(self, w: Matrix) -> Rational:
        """Return Σ (w − u)^p."""
        w = point(w, self.shape)
        return sum((x**self.exponent for x in (w - self.target).entries()), Rational(0))

    def gradient(self, w: Matrix) -> Matrix:
        """Return the matrix with entries p (w − u)^(p−1)."""
        w = point(w, self.shape)
        p = self.exponent
        return unvec([p * x ** (p - 1) for x in (w - self.target).entries()], *self.shape)

    def hessian(self, w: Matrix) -> Matrix:
        """Return the diagonal matrix with entries p (p−1) (w − u)^(p−2)."""
        w = point(w, self.shape)
        p = self.exponent
        return diagonal([p * (p - 1) * x ** (p - 2) for x in (w - self.target).entries()])

    def curvature(self, w: Matrix, d: Matrix) -> Rational:
        """Return Σ p (p−1) (w − u)^(p−2) d²."""
        p, pairs = self.exponent, zip((w - self.target).entries(), d.entries(), strict=True)
        return sum((p * (p - 1) * x ** (p - 2) * y * y for x, y in pairs), Rational(0))

    def evaluate(self, rows: list[list[Any]]) -> Any:
        """Return Σ (w − u)^p over any Q-algebra."""
        zero = rows[0][0] * 0
        return sum((d**self.exponent for row in self._difference(rows) for d in row), zero)

    def evaluate_gradient(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Return p (w − u)^(p−1) over any Q-algebra."""
        p = self.exponent
        return [[d ** (p - 1) * p for d in row] for row in self._difference(rows)]

    def _difference(self, rows: list[list[Any]]) -> list[list[Any]]:
        return [
            [x - u for x, u in zip(row, urow, strict=True)]
            for row, urow in zip(rows, self.target.tolist(), strict=True)
        ]

    def is_convex(self) -> bool:
        """Always true: p is even."""
        return True

    def kronecker(self) -> Kronecker | None:
        """Return P = 2I, Σ = I, U = u for p = 2, and None otherwise."""
        if self.exponent != 2:
            return None
        m, n = self.shape
        return Kronecker(identity(m) * 2, identity(n), self.target, Rational(0))

    def reduce(self, network: Any) -> Reduction:
        """Return the problem itself: a strictly convex loss sees every direction."""
        m, n = self.shape
        require_network(network, self.shape)
        return reduction(network, identity(m), identity(n), self)

    def to_latex(self) -> str:
        """Return ℓ(W) in LaTeX, with its data."""
        return formulas_latex.power(self)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "power", "target": …, "exponent": …}."""
        return {"type": "power", "target": to_text_rows(self.target), "exponent": self.exponent}


_: type[Loss] = PowerLoss  # the protocol, checked
