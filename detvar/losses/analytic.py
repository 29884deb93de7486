"""What an analytic loss is: one with exp, log or roots in it, known by balls and by floats.

Its values at rational matrices are not rational, so the exact members of `detvar.losses.Loss`
raise; proofs use enclosures in FLINT's balls, searches use NumPy, derivations use SymPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Protocol

from detvar.errors import InputError
from detvar.exact.balls import arb, arb_mat
from detvar.exact.latex import words
from detvar.exact.matrices import Matrix
from detvar.exact.rational import Rational

if TYPE_CHECKING:
    from detvar.losses.growth import Growth


@dataclass(frozen=True)
class Convexity:
    """Whether a loss is convex, and why that is known.

    Attributes
    ----------
    answer : True if proved, False if refuted by a witness, None if not known
    reason : one sentence
    """

    answer: bool | None
    reason: str

    def __str__(self) -> str:
        known = {True: "convex", False: "not convex", None: "not known to be convex"}
        return f"{known[self.answer]}: {self.reason}"

    def to_latex(self) -> str:
        """Return the sentence as LaTeX text."""
        return words(str(self))


class AnalyticLoss(Protocol):
    """A smooth function ℓ on m×n matrices that is evaluated in balls, in floats and in symbols."""

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""

    def value_ball(self, w: arb_mat) -> arb:
        """Return a ball that contains ℓ(W) for every W in w."""

    def gradient_ball(self, w: arb_mat) -> arb_mat:
        """Return an m×n matrix of balls that contain ∇ℓ(W) for every W in w."""

    def hessian_ball(self, w: arb_mat) -> arb_mat:
        """Return an mn×mn matrix of balls that contain ∇²ℓ(W), for the row-major vec."""

    def value_array(self, w: Any) -> Any:
        """Return ℓ in float64 for an array of shape (…, m, n)."""

    def gradient_array(self, w: Any) -> Any:
        """Return ∇ℓ in float64, of shape (…, m, n)."""

    def hessian_array(self, w: Any) -> Any:
        """Return ∇²ℓ in float64, of shape (…, mn, mn)."""

    def symbolic(self, w: Any) -> Any:
        """Return ℓ(W) as a SymPy expression, for an m×n SymPy matrix W."""

    def symbolic_gradient(self, w: Any) -> Any:
        """Return ∇ℓ(W) as an m×n SymPy matrix."""

    def convexity(self) -> Convexity:
        """Say whether ℓ is convex, and why that is known."""

    def growth(self) -> Growth | None:
        """Return a piecewise linear lower bound of ℓ with the same recession cone."""

    def reduce(self, network: Any) -> Any:
        """Return the `Reduction` of (network, loss) to effective widths and data."""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, as in a problem file."""


def is_analytic(loss: Any) -> bool:
    """Say whether ℓ has no rational values: only enclosures, floats and symbols.

    >>> from detvar.losses import LogisticLoss, PowerLoss
    >>> is_analytic(LogisticLoss([[1]], [[2]], [[1]])), is_analytic(PowerLoss([[1]], 4))
    (True, False)
    """
    return bool(getattr(loss, "is_analytic", False))


def refuse_exact(name: str) -> NoReturn:
    """Raise `InputError`: the loss called `name` has no rational values."""
    raise InputError(
        f"the value of a {name} loss is not a rational number: use value_ball and gradient_ball, "
        "which enclose it, or critical_points"
    )


class NoExactValues:
    """The exact members of `Loss`, for losses that have none: each raises with a sentence."""

    is_analytic = True
    is_polynomial = False
    degree = 0
    _name: ClassVar[str] = "analytic"

    def value(self, w: Matrix) -> Rational:
        """Raise: no rational value; see `value_ball`."""
        refuse_exact(self._name)

    def gradient(self, w: Matrix) -> Matrix:
        """Raise: no rational value; see `gradient_ball`."""
        refuse_exact(self._name)

    def hessian(self, w: Matrix) -> Matrix:
        """Raise: no rational value; see `hessian_ball`."""
        refuse_exact(self._name)

    def curvature(self, w: Matrix, d: Matrix) -> Rational:
        """Raise: no rational value; see `hessian_ball`."""
        refuse_exact(self._name)

    def evaluate(self, rows: list[list[Any]]) -> Any:
        """Raise: no value in a Q-algebra; see `symbolic`."""
        refuse_exact(self._name)

    def evaluate_gradient(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Raise: no value in a Q-algebra; see `symbolic_gradient`."""
        refuse_exact(self._name)

    def kronecker(self) -> None:
        """Return None: the Hessian is not constant."""
        return None
