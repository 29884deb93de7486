"""Second derivatives: of L in weight space, and of ℓ along the matrices of fixed rank.

Three routes to one inertia: the D×D Hessian itself, the form of size dim M_e on the function
space (which decides at maximal rank), and the splitting into interval coordinates, which
decides everywhere without ever writing a D×D matrix.
"""

from __future__ import annotations

from detvar.exact.inertia import Inertia, inertia
from detvar.exact.matrices import (
    Matrix,
    column_space,
    complement,
    hstack,
    identity,
    kron,
    left_inverse,
    nullspace,
    rank,
    submatrix,
    vstack,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.losses import Loss
from detvar.networks.linear import LinearNetwork, Weights


def full_hessian(network: LinearNetwork, loss: Loss, weights: Weights) -> Matrix:
    """Return the D×D Hessian of L = ℓ∘μ, for row-major vec of W_1, …, W_h in turn.

    It is Jᵀ ∇²ℓ J plus, for layers j < i, the blocks with entries
    (W_{>i}ᵀ G W_{<j}ᵀ)_{ab} (W_{i−1}⋯W_{j+1})_{cd} at ((a, c), (d, b)).

    Notes
    -----
    **Cost**: D² rationals; meant for D up to a few hundred.
    **Validity**: every θ, critical or not.
    """
    product = network.end_to_end(weights)
    jacobian = network.differential(weights)
    out = jacobian.transpose() * loss.hessian(product) * jacobian
    for (i, j), (outer, middle) in second_order_blocks(
        network, loss.gradient(product), weights
    ).items():
        row = _offset(network, i)
        column = _offset(network, j)
        d_c, d_b = middle.nrows(), outer.ncols()
        for a in range(outer.nrows()):
            for b in range(d_b):
                if not outer[a, b]:
                    continue
                for c in range(d_c):
                    for d in range(middle.ncols()):
                        x = outer[a, b] * middle[c, d]
                        if x:
                            p, q = row + a * d_c + c, column + d * d_b + b
                            out[p, q] += x
                            out[q, p] += x
    return out


def _offset(network: LinearNetwork, layer: int) -> int:
    """Return where the entries of W_layer start among the D weights."""
    d = network.widths
    return sum(d[k] * d[k - 1] for k in range(1, layer))


def second_order_blocks(
    network: LinearNetwork, gradient: Matrix, weights: Weights
) -> dict[tuple[int, int], tuple[Matrix, Matrix]]:
    """Return {(i, j): (W_{>i}ᵀ G W_{<j}ᵀ, W_{i−1}⋯W_{j+1})} for all layers h ≥ i > j ≥ 1.

    These pairs are the *pivots* of θ: the second-order part of L in (V_i, V_j) is
    2⟨W_{>i}ᵀ G W_{<j}ᵀ, V_i (W_{i−1}⋯W_{j+1}) V_j⟩.
    """
    above, below = network.outer_products(weights)
    out = {}
    for i in range(2, network.depth + 1):
        left = above[i - 1].transpose() * gradient
        middle = identity(network.widths[i - 1])
        for j in range(i - 1, 0, -1):
            out[i, j] = (left * below[j - 1].transpose(), middle)
            middle = middle * weights[j - 1]
    return out


def function_space_hessian(product: Matrix, gradient: Matrix, hessian: Matrix) -> Matrix:
    """Return the Hessian of ℓ restricted to the matrices of rank e = rk W̄, at a critical W̄ = UV.

    On tangent vectors X = AV + UB it is Q(X) = ∇²ℓ[X, X] + 2⟨G, AB⟩, well defined because
    UᵀG = 0 and GVᵀ = 0.

    Parameters
    ----------
    product : W̄, m×n, of rank e, with W̄ᵀG = 0 and GW̄ᵀ = 0
    gradient : G, m×n
    hessian : ∇²ℓ(W̄), mn×mn

    Returns
    -------
    Matrix of size e(m + n − e), in coordinates (A′, B) with A = U_⊥A′.
    """
    e, n = rank(product), product.ncols()
    u = column_space(product)
    v = left_inverse(u) * product
    normal = complement(u)
    frame = hstack(kron(normal, v.transpose()), kron(u, identity(n)))
    out = frame.transpose() * hessian * frame
    mixed = normal.transpose() * gradient
    start = normal.ncols() * e
    for a in range(normal.ncols()):
        for b in range(e):
            for j in range(n):
                p, q = a * e + b, start + b * n + j
                out[p, q] += mixed[a, j]
                out[q, p] += mixed[a, j]
    return out


def hessian_inertia(network: LinearNetwork, loss: Loss, weights: Weights) -> Inertia:
    """Return the inertia of the Hessian of L at a *critical* θ, in interval coordinates.

    Write θ as a sum of intervals. Tops [p, h], bottoms [0, q] and middles [s, t] enter as
    follows: x_{αβ} (α top or full, β bottom or full, max(p_α, 1) ≤ min(q_β + 1, h)) are the
    coordinates of dμ; R(x) = ∇²ℓ[x, x] + 2 Σ G_{αβ} Σ_{c full} x_{αc} x_{cβ}. Directions that
    link two tops or two bottoms act as multipliers of linear forms in x, and each middle adds a
    hyperbolic part. With K the common kernel of those forms,
    In(Hess L) = In(R|_K) + (λ, λ, ·), λ = number of independent forms + Σ_middle rk G|_linkable.

    Notes
    -----
    **Cost**: one inertia of size ≤ rk dμ ≤ mn, instead of D.
    **Validity**: critical θ of any twice differentiable loss; convexity is not used.

    Examples
    --------
    >>> from detvar.losses import SquaredLoss
    >>> net, loss = LinearNetwork(2, 2, 2), SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    >>> hessian_inertia(net, loss, (zeros(2, 2), zeros(2, 2)))
    Inertia(positive=4, negative=4, zero=0)
    """
    h = network.depth
    basis = network.intervals(weights)
    product = network.end_to_end(weights)
    ups, downs = basis.members[h], basis.members[0]
    start = {x: basis.bars[x][0] for x in ups}
    end = {x: basis.bars[x][1] for x in downs}
    covectors = basis.dual(0)
    g = basis.bases[h].transpose() * loss.gradient(product) * covectors.transpose()
    entry = {(x, y): g[i, j] for i, x in enumerate(ups) for j, y in enumerate(downs) if g[i, j]}
    variables = [(x, y) for x in ups for y in downs if max(start[x], 1) <= min(end[y] + 1, h)]
    number = {xy: k for k, xy in enumerate(variables)}
    form = _pulled_back_hessian(loss, product, basis.bases[h], covectors, ups, downs, variables)
    full = [x for x in ups if start[x] == 0]
    for (x, y), value in entry.items():
        for c in full:
            p, q = number[x, c], number[c, y]
            form[p, q] += value
            form[q, p] += value
    forms = _linear_forms(entry, number, start, end, h)
    hyperbolic = rank(forms)
    for s, t in basis.bars:
        if s >= 1 and t <= h - 1:
            rows = [i for i, x in enumerate(ups) if start[x] <= t + 1]
            cols = [j for j, y in enumerate(downs) if end[y] >= s - 1]
            hyperbolic += rank(submatrix(g, rows, cols))
    kernel = nullspace(forms)
    small = inertia(kernel.transpose() * form * kernel)
    positive, negative = small.positive + hyperbolic, small.negative + hyperbolic
    return Inertia(positive, negative, network.weight_count - positive - negative)


def _pulled_back_hessian(
    loss: Loss,
    product: Matrix,
    up: Matrix,
    covectors: Matrix,
    ups: tuple[int, ...],
    downs: tuple[int, ...],
    variables: list[tuple[int, int]],
) -> Matrix:
    """Return ∇²ℓ in the coordinates x_{αβ} ↦ Σ x_{αβ} α_h ⊗ β_0*."""
    row = {x: i for i, x in enumerate(ups)}
    column = {y: j for j, y in enumerate(downs)}
    frame = kron(up, covectors.transpose())
    n = covectors.ncols()
    picked = [row[x] * n + column[y] for x, y in variables]
    frame = submatrix(frame, range(frame.nrows()), picked)
    return frame.transpose() * loss.hessian(product) * frame


def _linear_forms(
    entry: dict[tuple[int, int], Rational],
    number: dict[tuple[int, int], int],
    start: dict[int, int],
    end: dict[int, int],
    h: int,
) -> Matrix:
    """Return the linear forms in x, one row each: Σ_α G_{αb} x_{αc} for bottoms c that reach a
    hidden layer, and Σ_β G_{aβ} x_{cβ} for tops c that come from one."""
    rows: list[dict[int, Rational]] = []
    tops = [x for x in start if start[x] > 0]
    bottoms = [y for y in end if end[y] < h]
    for c in bottoms:
        if end[c] >= 1:
            for b in bottoms:
                rows.append(
                    {
                        number[a, c]: entry[a, b]
                        for a in tops
                        if (a, b) in entry and (a, c) in number
                    }
                )
    for c in tops:
        if start[c] <= h - 1:
            for a in tops:
                rows.append(
                    {
                        number[c, b]: entry[a, b]
                        for b in bottoms
                        if (a, b) in entry and (c, b) in number
                    }
                )
    rows = [row for row in rows if row]
    out = zeros(len(rows), len(number))
    for i, row in enumerate(rows):
        for k, value in row.items():
            out[i, k] = value
    return out


def stack(weights: Weights) -> Matrix:
    """Return the entries of W_1, …, W_h as one column of length D."""
    return vstack(*(_column(w) for w in weights))


def unstack(network: LinearNetwork, column: Matrix) -> Weights:
    """Return the weights whose entries are the given column; the inverse of `stack`."""
    entries, out, k = column.entries(), [], 0
    for cols, rows in zip(network.widths, network.widths[1:], strict=False):
        out.append(Matrix(rows, cols, entries[k : k + rows * cols]))
        k += rows * cols
    return tuple(out)


def _column(w: Matrix) -> Matrix:
    return Matrix(w.nrows() * w.ncols(), 1, w.entries())
