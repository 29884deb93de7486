"""The Kronecker class, where everything is a comparison of singular values and a count.

For ℓ = ½ tr(P(W−U)Σ(W−U)ᵀ) + c₀ with P, Σ ≻ 0, a critical W̄ keeps some singular values of
P^½UΣ^½ (the set S) and leaves the others to the gradient (the set Q).  The Hessian of L then
depends only on how the two sets interlace and on the strings of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

from detvar.exact.algebraic import RealAlgebraic, real_roots
from detvar.exact.inertia import Inertia
from detvar.exact.matrices import (
    Matrix,
    charpoly,
    column_space,
    inverse,
    left_inverse,
)
from detvar.exact.rational import Rational
from detvar.losses import Kronecker
from detvar.networks.linear import LinearNetwork
from detvar.networks.strings import Strings

Roots = list[tuple[RealAlgebraic, int]]


@dataclass(frozen=True)
class Interlacing:
    """How the squared singular values kept by W̄ and those left to the gradient interlace.

    Attributes
    ----------
    taken : (σ_s², multiplicity) for s in S, increasing
    left : (σ_q², multiplicity) for q not in S, increasing; zeros are not listed
    greater : number of pairs (s, q) with σ_q > σ_s, the Morse index on the rank-e matrices
    equal : number of pairs with σ_q = σ_s, the nullity there
    """

    taken: Roots
    left: Roots
    greater: int
    equal: int

    @property
    def is_top(self) -> bool:
        """Whether W̄ keeps the largest singular values: no pair with σ_q > σ_s."""
        return self.greater == 0

    def threshold(self) -> Rational | None:
        """Return a rational t that separates, or None.

        If W̄ is top: max σ_q² ≤ t ≤ min σ_s² (None when both are equal and irrational, or S is
        empty). Otherwise: min σ_s² < t < max σ_q².
        """
        if not self.taken:
            return None
        low_taken = self.taken[0][0]
        if not self.left:
            return low_taken.bounds()[0] if low_taken.bounds()[0] > 0 else Rational(0)
        high_left = self.left[-1][0]
        if high_left == low_taken:
            return high_left.as_rational()
        return between(min(low_taken, high_left), max(low_taken, high_left))


def between(a: RealAlgebraic, b: RealAlgebraic) -> Rational:
    """Return a rational number of small height strictly between a < b."""
    bits = 16
    while True:
        low, high = a.bounds(bits)[1], b.bounds(bits)[0]
        if low < high:
            return simplest_between(low, high)
        bits *= 2


def simplest_between(low: Rational, high: Rational) -> Rational:
    """Return the rational of least denominator strictly between low < high (continued fractions).

    >>> simplest_between(Rational(1, 3), Rational(1, 2))
    2/5
    """
    whole = Rational(low.floor())
    if whole + 1 < high:
        return whole + 1
    a, b = low - whole, high - whole  # 0 ≤ a < b ≤ 1: look for 1/y with 1/b < y < 1/a
    if not a:
        return whole + 1 / (Rational((1 / b).floor()) + 1)
    return whole + 1 / simplest_between(1 / b, 1 / a)


def interlacing(form: Kronecker, product: Matrix) -> Interlacing:
    """Return how kept and left singular values compare at a critical W̄ = FE.

    The σ_s² are the eigenvalues of (EΣEᵀ)(FᵀPF), the σ_q² those of P⁻¹GΣ⁻¹Gᵀ.

    Parameters
    ----------
    form : with P, Σ ≻ 0
    product : W̄, m×n, with W̄ᵀG = 0 and GW̄ᵀ = 0

    Notes
    -----
    **Cost**: two characteristic polynomials, factored over Q, sizes rk W̄ and min(m, n).

    References
    ----------
    Eckart & Young (1936); Trager, Kohn, Bruna (2020) for the indices.
    """
    m, n = product.nrows(), product.ncols()
    f = column_space(product)
    e = left_inverse(f) * product
    g = form.left * (product - form.target) * form.right
    taken = real_roots(charpoly((e * form.right * e.transpose()) * (f.transpose() * form.left * f)))
    p_inverse, s_inverse = inverse(form.left), inverse(form.right)
    residual = p_inverse * g * s_inverse * g.transpose()
    if n < m:
        residual = s_inverse * g.transpose() * p_inverse * g
    left = [(x, k) for x, k in real_roots(charpoly(residual)) if x != 0]
    greater = equal = 0
    for s, k in taken:
        for q, c in left:
            if q == s:
                equal += k * c
            elif q > s:
                greater += k * c
    return Interlacing(taken, left, greater, equal)


def inertia_from_strings(
    network: LinearNetwork, strings: Strings, greater: int, equal: int
) -> Inertia:
    """Return the inertia of the Hessian of L at a critical θ of a given type: pure counting.

    With W̄ of rank e and the strings in a basis where G pairs tops with bottoms,
    index = #{σ_q > σ_s} + λ + Σ_middles (matched pairs that the middle links). Here λ counts the
    pairs (top, bottom) alive at a common step of which one is matched and the other comes from,
    or reaches, a hidden layer; these directions are multipliers of one coordinate each.

    Parameters
    ----------
    strings : type of θ
    greater, equal : as in `Interlacing`

    Notes
    -----
    **Validity**: ℓ in the Kronecker class with P, Σ ≻ 0.
    **Cost**: O(h⁴) operations on small integers; no matrix is touched.

    Examples
    --------
    At θ = 0 with two layers the index is d_1 · rk G:

    >>> s = Strings(2, 0, (((1, 1), 3),), (((2, 0), 2),))
    >>> inertia_from_strings(LinearNetwork(2, 3, 2), s, 0, 0)
    Inertia(positive=6, negative=6, zero=0)
    """
    h, e = strings.depth, strings.full
    d = network.widths
    tops = [(p, k, False) for (p, q), k in strings.free if q == h and p > 0]
    bottoms = [(q, k, False) for (p, q), k in strings.free if p == 0 and q < h]
    tops += [(p, k, True) for (p, _), k in strings.matched]
    bottoms += [(q, k, True) for (_, q), k in strings.matched]
    normal = multipliers = 0
    for p, k, top_matched in tops:
        for q, c, bottom_matched in bottoms:
            if max(p, 1) <= min(q + 1, h):
                normal += k * c
                if (top_matched and q >= 1) or (bottom_matched and p <= h - 1):
                    multipliers += k * c
    hyperbolic = multipliers
    for (s, t), k in strings.free:
        if s >= 1 and t <= h - 1:
            hyperbolic += k * sum(x for (p, q), x in strings.matched if p <= t + 1 and q >= s - 1)
    along = e * (d[0] + d[-1] - e)
    negative = greater + hyperbolic
    positive = along - greater - equal + (normal - multipliers) + hyperbolic
    return Inertia(positive, negative, network.weight_count - positive - negative)


def is_tightened(strings: Strings) -> bool:
    """Say whether a critical θ of this type has no pivot left that bends downwards.

    A pivot (i, j) is not tightened iff a matched pair with p ≤ i and q ≥ j−1 exists and some
    interval other than a full one is alive on the layers j, …, i−1.
    """
    h = strings.depth
    bars = [bar for bar in strings.multiplicities() if bar != (0, h)]
    for i in range(2, h + 1):
        for j in range(1, i):
            linked = any(p <= i and q >= j - 1 for (p, q), _ in strings.matched)
            if linked and any(s <= j and t >= i - 1 for s, t in bars):
                return False
    return True
