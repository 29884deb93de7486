"""The likelihood loss: −Σ u log p over matrices of probabilities, an algebraic critical problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
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
from detvar.losses.protocol import Kronecker, Loss, point
from detvar.losses.reduction import Reduction, reduction, require_network

_NO_VALUE = (
    "the value of a likelihood loss is a logarithm, not a rational number: "
    "use critical_points, which encloses it, or value_interval"
)


@dataclass(frozen=True)
class LikelihoodLoss:
    """ℓ(P) = −Σ u_ij log p_ij on matrices of probabilities, Σ p_ij = 1, with counts u.

    It is treated on all matrices as ℓ(W) = −Σ u log w + u₊₊ Σ w. On the cone M_r, ⟨∇ℓ(W), W⟩ =
    u₊₊(Σ w − 1) vanishes at critical points, as W is tangent there; so these have Σ w = 1, and are
    the critical points of the likelihood on M_r ∩ {Σ p = 1}. Along the ray through W the loss is
    u₊₊(s − log s) plus a constant, which is convex, and the ray is orthogonal to the slice for the
    Hessian: the Morse indices agree.

    Parameters
    ----------
    counts : u, m×n, non-negative, not all zero; an entry 0 leaves p_ij out of the likelihood

    Raises
    ------
    InputError
        If a count is negative, or all are zero.

    Notes
    -----
    **Validity**: gradient and Hessian exist where w_ij ≠ 0 for all u_ij ≠ 0; the value, where
    these w_ij are positive. For zero counts the loss stays defined, but its infimum may lie on the
    boundary of the simplex.

    References
    ----------
    Hauenstein, Rodriguez, Sturmfels (2014), Maximum likelihood for matrices with rank constraints.

    Examples
    --------
    >>> loss = LikelihoodLoss([[2, 1], [1, 4]])
    >>> loss.gradient(matrix([["1/4", "1/8"], ["1/8", "1/2"]])).tolist()
    [[0, 0], [0, 0]]
    """

    counts: Matrix

    def __init__(self, counts: Any) -> None:
        require_exact(counts, "counts")
        u = matrix(counts, "counts")
        if any(x < 0 for x in u.entries()):
            raise InputError("counts has a negative entry: give counts from 0 on")
        if not any(u.entries()):
            raise InputError("counts are all zero: give at least one positive count")
        object.__setattr__(self, "counts", u)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return shape(self.counts)

    @property
    def total(self) -> Rational:
        """u₊₊, the sum of the counts."""
        return sum(self.counts.entries(), Rational(0))

    @property
    def degree(self) -> int:
        """The loss is no polynomial: 0."""
        return 0

    def value(self, w: Matrix) -> Rational:
        """Raise: the value is a logarithm; `value_interval` encloses it."""
        raise InputError(_NO_VALUE)

    def value_interval(self, w: Matrix, radius: float = 0.0) -> tuple[float, float] | None:
        """Return an interval with −Σ u log w for all w within `radius`, None unless all w > 0."""
        from math import inf, nextafter

        from detvar.exact.balls import arb, exact_float, working_precision

        with working_precision(80):
            total = arb(0)
            spread = arb(0, arb(exact_float(radius)))
            for u, x in zip(self.counts.entries(), point(w, self.shape).entries(), strict=True):
                ball = arb(x) + spread
                if u and not ball > 0:
                    return None
                total = total - arb(u) * ball.log() if u else total
            low, high = float(total.lower()), float(total.upper())
        return nextafter(low, -inf), nextafter(high, inf)

    def gradient(self, w: Matrix) -> Matrix:
        """Return u₊₊ − u/w."""
        total, pairs = self.total, self._pairs(w)
        return unvec([total - u / x if u else total for u, x in pairs], *self.shape)

    def hessian(self, w: Matrix) -> Matrix:
        """Return diag(u/w²)."""
        return diagonal([u / (x * x) if u else Rational(0) for u, x in self._pairs(w)])

    def curvature(self, w: Matrix, d: Matrix) -> Rational:
        """Return Σ u d²/w²."""
        pairs = zip(self._pairs(w), d.entries(), strict=True)
        return sum((u * y * y / (x * x) for (u, x), y in pairs if u), Rational(0))

    def _pairs(self, w: Matrix) -> list[tuple[Rational, Rational]]:
        pairs = list(zip(self.counts.entries(), point(w, self.shape).entries(), strict=True))
        if any(u and not x for u, x in pairs):
            raise InputError("W has an entry 0 where the count is positive: the loss is infinite")
        return pairs

    def evaluate(self, rows: list[list[Any]]) -> Any:
        """Raise: the loss has no value in a Q-algebra."""
        raise InputError(_NO_VALUE)

    def evaluate_gradient(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Return u₊₊ − u/w over any commutative Q-algebra in which the w can be divided by."""
        total = self.total
        return [
            [total - u / x if u else x * 0 + total for u, x in zip(us, row, strict=True)]
            for us, row in zip(self.counts.tolist(), rows, strict=True)
        ]

    def is_convex(self) -> bool:
        """True: each −u log w is, on w > 0."""
        return True

    def kronecker(self) -> Kronecker | None:
        """Return None: the Hessian is not constant."""
        return None

    def transposed(self) -> LikelihoodLoss:
        """Return the loss of the transposed counts."""
        return LikelihoodLoss(self.counts.transpose())

    def reduce(self, network: Any) -> Reduction:
        """Return the problem itself."""
        m, n = self.shape
        require_network(network, self.shape)
        return reduction(network, identity(m), identity(n), self)

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "likelihood", "counts": …}."""
        return {"type": "likelihood", "counts": to_text_rows(self.counts)}


_: type[Loss] = LikelihoodLoss  # the protocol, checked
