"""Families of losses: one loss, put among losses so general that their critical points are known.

The pairs (W, parameters) with W critical of rank r form an irreducible variety for every family
here: over each W the admissible parameters are an affine space of one dimension, because G = ∇ℓ(W)
depends affinely on some of the parameters, and onto all matrices (for the likelihood: onto all
matrices times W).  So monodromy started at one critical point reaches all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from detvar.errors import InputError
from detvar.exact.inertia import inertia
from detvar.exact.matrices import submatrix, zeros
from detvar.exact.rational import Rational
from detvar.losses import (
    ExpressionLoss,
    LikelihoodLoss,
    Loss,
    PowerLoss,
    QuadraticLoss,
    WeightedSquaredLoss,
)
from detvar.varieties import DeterminantalVariety

Ring = Any
GENERIC_ED = "generic ED degree (sum of the polar degrees)"
ML_DEGREE = "ML degree"
POLYNOMIAL = "count of a general polynomial of that degree (by polar degrees)"
_MOST = 5000
NO_COUNT = "none: trace test and total degree"


class Family(Protocol):
    """Losses on m×n matrices with parameters; gradients over any ring with division."""

    def __hash__(self) -> int:
        """Families are compared and kept by their data."""

    @property
    def rows(self) -> int:
        """m."""

    @property
    def columns(self) -> int:
        """n."""

    @property
    def parameter_count(self) -> int:
        """Number of parameters."""

    def gradient(self, w: Sequence[Ring], p: Sequence[Ring]) -> list[Ring]:
        """Return the entries of ∇ℓ at the entries of W, row by row."""

    @property
    def linear_count(self) -> int:
        """How many of the last parameters ∇ℓ is affine in: enough to make any W critical."""

    def parameters(self, loss: Loss) -> list[Rational]:
        """Return the parameters of a loss of this family, exactly."""

    def permuted(self, rows: Sequence[int]) -> list[int]:
        """Return the positions of the parameters after the rows of W are taken in this order."""

    def expected(self, rank: int) -> tuple[int | None, str]:
        """Return how many critical points of rank r a generic member has, and by which theorem."""


@dataclass(frozen=True)
class QuadraticFamily:
    """Weighted squared losses, parameters λ and λu; or quadratic ones, the upper triangle of Q, Qu.

    Attributes
    ----------
    kind : "weighted" or "quadratic"
    rows, columns : m, n
    """

    kind: str
    rows: int
    columns: int

    @property
    def size(self) -> int:
        """mn."""
        return self.rows * self.columns

    @property
    def parameter_count(self) -> int:
        """2mn, or mn(mn+1)/2 + mn."""
        k = self.size
        return 2 * k if self.kind == "weighted" else k * (k + 1) // 2 + k

    @property
    def linear_count(self) -> int:
        """All."""
        return self.parameter_count

    def gradient(self, w: Sequence[Ring], p: Sequence[Ring]) -> list[Ring]:
        """Return Q vec(W) − Qu."""
        k = self.size
        if self.kind == "weighted":
            return [p[i] * w[i] - p[k + i] for i in range(k)]
        position = self._upper
        linear = k * (k + 1) // 2
        return [
            sum((p[position[i, j]] * w[j] for j in range(1, k)), p[position[i, 0]] * w[0])
            - p[linear + i]
            for i in range(k)
        ]

    @cached_property
    def _upper(self) -> dict[tuple[int, int], int]:
        """Where Q_ij stands among the parameters."""
        out, n = {}, 0
        for i in range(self.size):
            for j in range(i, self.size):
                out[i, j] = out[j, i] = n
                n += 1
        return out

    def parameters(self, loss: Loss) -> list[Rational]:
        """Return λ, λu or Q, Qu."""
        if isinstance(loss, WeightedSquaredLoss):
            lam, target = loss.weights.entries(), loss.target.entries()
            return [*lam, *(a * b for a, b in zip(lam, target, strict=True))]
        origin, k = zeros(self.rows, self.columns), self.size
        q = loss.hessian(origin)
        upper = [q[i, j] for i in range(k) for j in range(i, k)]
        return [*upper, *(-x for x in loss.gradient(origin).entries())]

    def permuted(self, rows: Sequence[int]) -> list[int]:
        """Return the positions of the permuted parameters."""
        k, entry = self.size, _entries(rows, self.columns)
        if self.kind == "weighted":
            return [*entry, *(k + e for e in entry)]
        upper = [self._upper[entry[i], entry[j]] for i in range(k) for j in range(i, k)]
        return [*upper, *(k * (k + 1) // 2 + e for e in entry)]

    def expected(self, rank: int) -> tuple[int | None, str]:
        """Return the generic ED degree."""
        variety = DeterminantalVariety(self.rows, self.columns, rank)
        return variety.generic_ed_degree(), GENERIC_ED


@dataclass(frozen=True)
class PowerFamily:
    """ℓ = τ Σ (w − u)^p − Σ c w with parameters τu, τ and c; the power losses have τ = 1, c = 0."""

    exponent: int
    rows: int
    columns: int

    @property
    def parameter_count(self) -> int:
        """2mn + 1."""
        return 2 * self.rows * self.columns + 1

    @property
    def linear_count(self) -> int:
        """mn: the matrix c."""
        return self.rows * self.columns

    def gradient(self, w: Sequence[Ring], p: Sequence[Ring]) -> list[Ring]:
        """Return τp (w − u)^(p−1) − c."""
        k = self.rows * self.columns
        scale, n = p[k], self.exponent
        return [_power(w[i] - p[i] / scale, n - 1) * (scale * n) - p[k + 1 + i] for i in range(k)]

    def parameters(self, loss: Loss) -> list[Rational]:
        """Return u, 1, 0."""
        assert isinstance(loss, PowerLoss)
        target = loss.target.entries()
        return [*target, Rational(1), *(Rational(0) for _ in target)]

    def permuted(self, rows: Sequence[int]) -> list[int]:
        """Return the positions of the permuted parameters."""
        k, entry = self.rows * self.columns, _entries(rows, self.columns)
        return [*entry, k, *(k + 1 + e for e in entry)]

    def expected(self, rank: int) -> tuple[int | None, str]:
        """No count: the leading form Σ w^p is special on matrices of rank r."""
        return None, NO_COUNT


@dataclass(frozen=True)
class LikelihoodFamily:
    """ℓ = −Σ u log w + τ Σ w with parameters u and τ; the likelihood has τ = u₊₊.

    As ⟨∇ℓ(W), W⟩ = 0 at critical points, these have Σ w = u₊₊/τ.
    """

    rows: int
    columns: int

    @property
    def parameter_count(self) -> int:
        """mn + 1."""
        return self.rows * self.columns + 1

    @property
    def linear_count(self) -> int:
        """All."""
        return self.parameter_count

    def gradient(self, w: Sequence[Ring], p: Sequence[Ring]) -> list[Ring]:
        """Return τ − u/w."""
        return [p[-1] - u / x for x, u in zip(w, p[:-1], strict=True)]

    def parameters(self, loss: Loss) -> list[Rational]:
        """Return the counts and their sum."""
        assert isinstance(loss, LikelihoodLoss)
        counts = loss.counts.entries()
        return [*counts, sum(counts, Rational(0))]

    def permuted(self, rows: Sequence[int]) -> list[int]:
        """Return the positions of the permuted counts."""
        return [*_entries(rows, self.columns), self.rows * self.columns]

    def expected(self, rank: int) -> tuple[int | None, str]:
        """Return the ML degree where it is known."""
        degree = DeterminantalVariety(self.rows, self.columns, rank).ml_degree()
        return degree.value, f"{ML_DEGREE} ({degree.source})" if degree.is_known else NO_COUNT


@dataclass(frozen=True)
class ExpressionFamily:
    """W ↦ τℓ(ΠW) + Σ ν v^d/d − ⟨C, V⟩, V = ΠW, for one expression ℓ, with parameters τΠ, τ, ν, C.

    Π (m×m) only serves to name the rows in another order: a chart that takes other rows of W
    first sees the columns of Π permuted.  As W ↦ ΠW maps the matrices of rank r to themselves, all
    invertible Π have the same critical points up to this map.

    For a polynomial ℓ of degree d, general ν make the leading form of the sum general enough:
    its critical points on all strata stay away from infinity (Bertini), so that there are as many
    as for a general polynomial of degree d, Σ_a δ_a (d−1)^(a+1) with the polar degrees δ_a.
    For a quotient, or where that number is too large, d = 2 is taken.
    """

    loss: ExpressionLoss
    exponent: int = 2

    @property
    def rows(self) -> int:
        """m."""
        return self.loss.shape[0]

    @property
    def columns(self) -> int:
        """n."""
        return self.loss.shape[1]

    @property
    def parameter_count(self) -> int:
        """m² + 1 + 2mn."""
        return self.rows * (self.rows + 2 * self.columns) + 1

    @property
    def linear_count(self) -> int:
        """mn: the matrix C."""
        return self.rows * self.columns

    def gradient(self, w: Sequence[Ring], p: Sequence[Ring]) -> list[Ring]:
        """Return Πᵀ(τ∇ℓ(V) + ν V^(d−1) − C), V = ΠW."""
        m, n = self.rows, self.columns
        scale, more = p[m * m], p[m * m + 1 :]
        turn = [[p[i * m + k] / scale for k in range(m)] for i in range(m)]
        v = _product(turn, [list(w[i * n : (i + 1) * n]) for i in range(m)])
        g = self.loss.evaluate_gradient(v)
        for i in range(m):
            for j in range(n):
                extra = more[i * n + j] * _power(v[i][j], self.exponent - 1)
                g[i][j] = scale * g[i][j] + extra - more[(m + i) * n + j]
        back = _product([list(column) for column in zip(*turn, strict=True)], g)
        return [x for row in back for x in row]

    def parameters(self, loss: Loss) -> list[Rational]:
        """Return the identity, 1 and zeros."""
        m = self.rows
        one = [Rational(int(i == j)) for i in range(m) for j in range(m)]
        return [*one, Rational(1), *(Rational(0) for _ in range(2 * m * self.columns))]

    def permuted(self, rows: Sequence[int]) -> list[int]:
        """Return the positions after a permutation of the columns of Π."""
        m = self.rows
        return [*(i * m + k for i in range(m) for k in rows), *range(m * m, self.parameter_count)]

    def expected(self, rank: int) -> tuple[int | None, str]:
        """Return the count of a general polynomial of degree d, if ν has that degree."""
        if not self.loss.is_polynomial or self.exponent != self.loss.degree:
            return None, NO_COUNT
        return polynomial_count(self.rows, self.columns, rank, self.exponent), POLYNOMIAL


def polynomial_count(m: int, n: int, rank: int, degree: int) -> int:
    """Return Σ_a δ_a (d−1)^(a+1), the number of critical points of a general polynomial on M_r.

    In P^{mn} × P^{mn−1} the conditions ∇f(W) ∈ N_W, homogenised, say that a section of Q(d−1)
    vanishes on the conormal variety of the cone over P(M_r), Q the quotient bundle of the second
    factor; its top Chern class is the sum.  For r = min(m, n) it is (d−1)^(mn), by Bézout.

    Notes
    -----
    **Validity**: general coefficients; for d = 2 it is the generic ED degree.

    References
    ----------
    Nie, Ranestad, Algebraic degree of polynomial optimization (2009); Draisma et al. (2016).

    Examples
    --------
    >>> polynomial_count(2, 2, 1, 2), polynomial_count(2, 2, 1, 4), polynomial_count(2, 2, 2, 4)
    (6, 78, 81)
    """
    variety = DeterminantalVariety(m, n, rank)
    if rank == min(m, n):
        return int((degree - 1) ** (m * n))
    return sum(delta * (degree - 1) ** (a + 1) for a, delta in variety.polar_degrees().items())


def _entries(rows: Sequence[int], columns: int) -> list[int]:
    return [i * columns + j for i in rows for j in range(columns)]


def _power(x: Ring, n: int) -> Ring:
    """Return x^n, n ≥ 1."""
    out = x
    for _ in range(n - 1):
        out = out * x
    return out


def _product(a: list[list[Ring]], b: list[list[Ring]]) -> list[list[Ring]]:
    out = []
    for row in a:
        line = []
        for j in range(len(b[0])):
            total = row[0] * b[0][j]
            for x, other in zip(row[1:], b[1:], strict=True):
                total = total + x * other[j]
            line.append(total)
        out.append(line)
    return out


def family_of(loss: Loss) -> Family:
    """Return the family a loss is tracked in.

    Raises
    ------
    InputError
        If there is none.
    """
    m, n = loss.shape
    if isinstance(loss, WeightedSquaredLoss):
        return QuadraticFamily("weighted", m, n)
    if isinstance(loss, QuadraticLoss) or _is_quadratic(loss):
        return QuadraticFamily("quadratic", m, n)
    if isinstance(loss, PowerLoss):
        return PowerFamily(loss.exponent, m, n)
    if isinstance(loss, LikelihoodLoss):
        return LikelihoodFamily(m, n)
    if isinstance(loss, ExpressionLoss):
        r = min(m, n) - 1  # the largest of the counts
        many = not loss.is_polynomial or polynomial_count(m, n, r, loss.degree) > _MOST
        return ExpressionFamily(loss, 2 if many else loss.degree)
    raise InputError(
        f"critical points of a {type(loss).__name__} are not found by tracking: use a weighted, "
        "quadratic, power, likelihood or expression loss"
    )


def _is_quadratic(loss: Loss) -> bool:
    if isinstance(loss, PowerLoss):
        return loss.exponent == 2
    return isinstance(loss, ExpressionLoss) and loss.is_polynomial and loss.degree == 2


def is_univariate(loss: Loss, rank: int) -> bool:
    """Say whether elimination leaves one polynomial in one unknown: definite, 2×n, rank 1."""
    m, n = loss.shape
    if rank != 1 or min(m, n) != 2 or not isinstance(family_of(loss), QuadraticFamily):
        return False
    return inertia(loss.hessian(zeros(m, n))).positive == m * n


def transposed(loss: Loss) -> Loss:
    """Return the loss W ↦ ℓ(Wᵀ)."""
    m, n = loss.shape
    if isinstance(loss, WeightedSquaredLoss):
        return WeightedSquaredLoss(loss.target.transpose(), loss.weights.transpose())
    if isinstance(loss, QuadraticLoss):
        order = [i * n + j for j in range(n) for i in range(m)]
        return QuadraticLoss(loss.target.transpose(), submatrix(loss.form, order, order))
    if isinstance(loss, PowerLoss):
        return PowerLoss(loss.target.transpose(), loss.exponent)
    if isinstance(loss, LikelihoodLoss):
        return LikelihoodLoss(loss.counts.transpose())
    if isinstance(loss, ExpressionLoss):
        return loss.transposed()
    raise InputError(f"a {type(loss).__name__} cannot be transposed here")
