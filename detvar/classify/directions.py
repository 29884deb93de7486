"""Rational directions in weight space along which L bends downwards or upwards.

A direction is a tuple (V_1, …, V_h); what it shows is d²L(θ + tV)/dt² at t = 0, a number that
anybody can recompute from the definition of L.
"""

from __future__ import annotations

from detvar.classify.hessian import full_hessian, second_order_blocks, unstack
from detvar.exact.inertia import ldlt
from detvar.exact.matrices import (
    Matrix,
    column_space,
    inverse,
    is_zero,
    left_inverse,
    nullspace,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.losses import Kronecker, Loss
from detvar.networks.linear import LinearNetwork, Weights

Direction = Weights


def still(network: LinearNetwork) -> list[Matrix]:
    """Return the zero direction, as a list of matrices to be filled in."""
    return [zeros(b, a) for a, b in zip(network.widths, network.widths[1:], strict=False)]


def unit(size: int, k: int) -> Matrix:
    """Return the k-th unit vector as a column."""
    out = zeros(size, 1)
    out[k, 0] = 1
    return out


def pivot_directions(
    network: LinearNetwork, loss: Loss, weights: Weights, pivot: tuple[int, int]
) -> tuple[Direction, Direction]:
    """Return directions with d²L/dt² = −1 and +1, from a pivot (i, j) that is not tightened.

    With K = W_{>i}ᵀ G W_{<j}ᵀ ≠ 0 and M = W_{i−1}⋯W_{j+1} of rank above rk W̄, take V_i = a cᵀ
    and V_j = c′ bᵀ with aᵀKb ≠ 0 and cᵀMc′ ≠ 0 such that V_i, or V_j, does not move W̄ to first
    order; such c, c′ exist because M carries more than the full intervals. The Hessian on the
    two scales is then a 2×2 matrix with a zero on the diagonal and a non-zero entry beside it.
    """
    i, j = pivot
    product = network.end_to_end(weights)
    outer, middle = second_order_blocks(network, loss.gradient(product), weights)[pivot]
    above, below = network.outer_products(weights)
    a, b = next((a, b) for a in range(outer.nrows()) for b in range(outer.ncols()) if outer[a, b])
    dead_rows = nullspace(below[i - 1].transpose())  # c with cᵀ W_{<i} = 0
    test = dead_rows.transpose() * middle
    if not is_zero(test):
        p, q = next((p, q) for p in range(test.nrows()) for q in range(test.ncols()) if test[p, q])
        c = Matrix(dead_rows.nrows(), 1, [dead_rows[k, p] for k in range(dead_rows.nrows())])
        c_prime, moving = unit(middle.ncols(), q), j
    else:
        dead_columns = nullspace(above[j - 1])  # c′ with W_{>j} c′ = 0
        test = middle * dead_columns
        p, q = next((p, q) for p in range(test.nrows()) for q in range(test.ncols()) if test[p, q])
        c_prime = Matrix(
            dead_columns.nrows(), 1, [dead_columns[k, q] for k in range(dead_columns.nrows())]
        )
        c, moving = unit(middle.nrows(), p), i
    v_i = unit(outer.nrows(), a) * c.transpose()
    v_j = c_prime * unit(outer.ncols(), b).transpose()
    coupling = outer[a, b] * (c.transpose() * middle * c_prime)[0, 0]
    layer, v_moving = (j, v_j) if moving == j else (i, v_i)
    moved = above[layer - 1] * v_moving * below[layer - 1]
    curvature = loss.curvature(product, moved)
    out = []
    for sign in (-1, 1):
        scale = (Rational(sign) - curvature) / (2 * coupling)
        v = still(network)
        v[i - 1] = v_i * scale if moving == j else v_i
        v[j - 1] = v_j if moving == j else v_j * scale
        out.append(tuple(v))
    return out[0], out[1]


def exchange_direction(
    network: LinearNetwork, form: Kronecker, weights: Weights, threshold: Rational
) -> Direction:
    """Return a direction with d²L/dt² < 0 that trades a singular pair for a larger one.

    For ℓ = ½ tr(P(W−U)Σ(W−U)ᵀ)+c₀ write W̄ = FE with F of full column rank. If t is a rational
    number with σ_s² < t < σ_q² for some s taken and some q left out, then tP − GΣ⁻¹Gᵀ has a
    negative vector a, and EΣEᵀ − t(FᵀPF)⁻¹ a negative vector c. For X = a cᵀE − F c′bᵀ with
    c′ = (FᵀPF)⁻¹c and b = Σ⁻¹Gᵀa the mixed terms vanish (EΣb = EGᵀa = 0), and
    Q(X) = (aᵀPa)(cᵀEΣEᵀc) − (aᵀGΣ⁻¹Gᵀa)(cᵀ(FᵀPF)⁻¹c) < 0.

    Notes
    -----
    **Validity**: depth ≥ 2, P, Σ ≻ 0, θ critical.
    **Cost**: two LDLᵀ of sizes m and rk W̄.
    """
    product = network.end_to_end(weights)
    g = form.left * (product - form.target) * form.right
    f = column_space(product)
    e = left_inverse(f) * product
    right_inverse = inverse(form.right)
    residual = g * right_inverse * g.transpose()
    a = ldlt(form.left * threshold - residual).direction(-1)
    gram = inverse(f.transpose() * form.left * f)
    c = ldlt(e * form.right * e.transpose() - gram * threshold).direction(-1)
    if a is None or c is None:
        raise AssertionError("the threshold does not separate the singular values")
    b = right_inverse * g.transpose() * a
    return factor_direction(network, weights, f, a * c.transpose(), -(gram * c) * b.transpose())


def scaling_direction(network: LinearNetwork, weights: Weights) -> Direction:
    """Return V = (0, …, 0, W_h), along which W̄ is scaled; L is then ℓ on a ray through W̄."""
    v = still(network)
    v[-1] = weights[-1]
    return tuple(v)


def factor_direction(
    network: LinearNetwork, weights: Weights, f: Matrix, a: Matrix, b: Matrix
) -> Direction:
    """Return (V_1, …, V_h) with dμ(V) = aE + Fb and second-order part 2ab, where W̄ = FE.

    Only the first and the last layer move: V_1 = W_1 C b and V_h = a F⁺ W_h with EC = I and
    F⁺F = I; they meet as V_h (W_{h−1}⋯W_2) V_1 = a F⁺ W̄ C b = a b.
    """
    product = network.end_to_end(weights)
    f_plus = left_inverse(f)
    e = f_plus * product
    c = left_inverse(e.transpose()).transpose()
    v = still(network)
    v[0] = weights[0] * c * b
    v[-1] = v[-1] + a * f_plus * weights[-1]
    return tuple(v)


def hessian_direction(
    network: LinearNetwork, loss: Loss, weights: Weights, sign: int
) -> Direction | None:
    """Return V with sign·d²L/dt² > 0 from an LDLᵀ of the D×D Hessian, or None if there is none.

    **Cost**: D³/3 rational operations; the fallback when no structure is known.
    """
    column = ldlt(full_hessian(network, loss, weights)).direction(sign)
    return None if column is None else unstack(network, column)
