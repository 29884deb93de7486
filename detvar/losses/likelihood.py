"""The likelihood loss: −Σ u log p over matrices of probabilities, an algebraic critical problem."""

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
from detvar.losses.protocol import Kronecker, Loss, constant_in, point
from detvar.losses.reduction import Reduction, reduction, require_network

_NO_VALUE = (
    "the value of a likelihood loss is a logarithm, not a rational number: "
    "use critical_points (detvar points), or value_interval, which enclose it"
)


_BITS = 33_000_000


@dataclass(frozen=True)
class LikelihoodLoss:
    """ℓ(P) = −Σ u_ij log p_ij on matrices of probabilities, Σ p_ij = 1, with counts u.

    It is treated on all matrices as ℓ(W) = −Σ u log w + u₊₊ Σ w, with the same critical points and
    Morse indices as the likelihood f on M_r ∩ {Σ = 1}. *Points*: M_r is a cone, so a smooth W is
    tangent at itself. If G = ∇ℓ(W) is normal, 0 = ⟨G, W⟩ = u₊₊(Σ w − 1); if ∇f is normal on the
    slice, it is −λ there on all tangent vectors, and W shows λ = u₊₊. *Indices*: for a tangent Δ
    with Σ Δ = 0, ∇²ℓ[Δ, W] = Σ uΔ/w = u₊₊ΣΔ − ⟨G, Δ⟩ = 0, and tangent spaces do not turn along the
    ray of W; so W is orthogonal to the slice for the Hessian on M_r, with ∇²ℓ[W, W] = u₊₊ > 0.

    Parameters
    ----------
    counts : u, m×n, rational, non-negative; a zero leaves p_ij out of the logarithms

    Raises
    ------
    InputError
        If a count is negative, or a row or a column of counts is zero. Then W·1 = 0 or 1ᵀW = 0
        at every critical point, as the row of G is u₊₊·1: so there would be none.

    Notes
    -----
    **Validity**: gradient and Hessian exist where w_ij ≠ 0 for all u_ij ≠ 0; the value, where
    these w_ij are positive. Where u_ij = 0, nothing keeps p_ij ≥ 0: the loss stays defined and has
    critical points, but need not have a lower bound on M_r ∩ {Σ p = 1}.

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
        table = u.tolist()
        for i, row in enumerate(table):
            for j, x in enumerate(row):
                if x < 0:
                    raise InputError(f"counts[{i}][{j}] is negative: give counts from 0 on")
        for name, lines in (("row", table), ("column", zip(*table, strict=True))):
            for i, line in enumerate(lines):
                if not any(line):
                    raise InputError(
                        f"{name} {i} of counts is zero, and then no matrix is critical: "
                        f"leave that {name} out"
                    )
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
    def is_polynomial(self) -> bool:
        """False."""
        return False

    @property
    def degree(self) -> int:
        """The loss is no polynomial: 0."""
        return 0

    def likelihood(self, w: Matrix) -> Rational:
        """Return Π p^u, a rational number, for integer counts.

        Raises
        ------
        InputError
            If a count is not an integer, or if the number has more than 10⁷ digits.

        Examples
        --------
        >>> LikelihoodLoss([[2, 1], [1, 4]]).likelihood([["1/4", "1/8"], ["1/8", "1/2"]])
        1/16384
        """
        pairs = list(zip(self.counts.entries(), point(w, self.shape).entries(), strict=True))
        if any(u.q != 1 for u, _ in pairs):
            raise InputError("counts are not integers: use value_interval")
        if sum(u * x.height_bits() for u, x in pairs) > _BITS:
            raise InputError("the likelihood is too long a number: use value_interval")
        out = Rational(1)
        for u, x in pairs:
            out *= x ** int(u.p)
        return out

    def value(self, w: Matrix) -> Rational:
        """Raise: the value is a logarithm; `value_interval` encloses it."""
        raise InputError(_NO_VALUE)

    def value_interval(self, w: Matrix, radius: float = 0.0) -> tuple[float, float] | None:
        """Return an interval with −Σ u log w for all w within `radius`, None unless all w > 0."""
        from math import inf, nextafter

        from detvar.exact.balls import arb, exact_float, working_precision

        if not 0 <= radius < inf:
            return None
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
        lift = constant_in(rows[0][0])
        total = lift(self.total)
        return [
            [total - lift(u) / x if u else total for u, x in zip(us, row, strict=True)]
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

    def to_latex(self) -> str:
        """Return ℓ(W) in LaTeX, with its data."""
        return formulas_latex.likelihood(self)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "likelihood", "counts": …}."""
        return {"type": "likelihood", "counts": to_text_rows(self.counts)}


_: type[Loss] = LikelihoodLoss  # the protocol, checked
