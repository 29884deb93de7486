"""Pivots: which pairs of layers let a critical point of low rank bend downwards.

A pivot is a pair of layers h ≥ i > j ≥ 1.  It is *tightened* when one of its two complementary
blocks has nothing left to give beyond the rank of the end-to-end map.
"""

from __future__ import annotations

from detvar.classify.hessian import second_order_blocks
from detvar.exact.matrices import Matrix, is_zero, rank
from detvar.losses import SquaredLoss
from detvar.networks.linear import LinearNetwork, Weights

Pivot = tuple[int, int]


def untightened_pivots(
    network: LinearNetwork, gradient: Matrix, weights: Weights
) -> tuple[Pivot, ...]:
    """Return the pivots (i, j) with W_{>i}ᵀ G W_{<j}ᵀ ≠ 0 and rk W_{i−1}⋯W_{j+1} > rk W̄.

    If there is one, the Hessian of L at a critical θ has a negative eigenvalue, whatever the
    loss; if there is none, θ is called tightened and the Hessian is R_θ(dμ V) with
    R_θ(X) = ∇²ℓ[X, X] + 2⟨G, AB⟩.

    Notes
    -----
    **Cost**: h(h−1)/2 products and ranks.
    **Validity**: the statements need θ critical; no data matrices, no convexity.

    References
    ----------
    Achour, Malgouyres, Gerchinovitz, *The Loss Landscape of Deep Linear Neural Networks*
    (2021), for the squared loss; the form with G holds for every twice differentiable loss.
    """
    e = rank(network.end_to_end(weights))
    return tuple(
        (i, j)
        for (i, j), (outer, middle) in second_order_blocks(network, gradient, weights).items()
        if not is_zero(outer) and rank(middle) > e
    )


def achour_untightened_pivots(
    network: LinearNetwork, loss: SquaredLoss, weights: Weights
) -> tuple[Pivot, ...]:
    """Return the pivots not tightened in the original sense, for the squared loss only.

    With Σ_XY = X Yᵀ, a pivot (i, j) is tightened when W_{j−1}⋯W_1 Σ_XY W_h⋯W_{i+1} or
    W_{i−1}⋯W_{j+1} has rank rk W̄.

    Notes
    -----
    **Validity**: at a critical θ, for XXᵀ invertible, this agrees with `untightened_pivots`: there
    W_{<j} Σ_XY W_{>i} = W_{<j} XXᵀ W̄ᵀ W_{>i} − (W_{>i}ᵀ G W_{<j}ᵀ)ᵀ.

    References
    ----------
    Achour, Malgouyres, Gerchinovitz (2021).
    """
    e = rank(network.end_to_end(weights))
    cross = loss.X * loss.Y.transpose()
    above, below = network.outer_products(weights)
    out = []
    for (i, j), (_, middle) in second_order_blocks(
        network, loss.gradient(network.end_to_end(weights)), weights
    ).items():
        block = below[j - 1] * cross * above[i - 1]
        if rank(block) != e and rank(middle) != e:
            out.append((i, j))
    return tuple(out)
