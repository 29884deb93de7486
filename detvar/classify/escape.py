"""Curves inside a fiber that leave the critical set: why a point of low rank is a saddle.

Below the maximal rank, a critical point with non-zero gradient on the function space has
weights arbitrarily near, with the same end-to-end matrix, that are not critical. So L takes
smaller and larger values nearby, even where no second derivative shows it.
"""

from __future__ import annotations

from detvar.classify.directions import Direction
from detvar.exact.matrices import Matrix
from detvar.losses import Loss
from detvar.networks.intervals import IntervalBasis
from detvar.networks.linear import LinearNetwork, Weights
from detvar.networks.moves import Link, link_direction


def escape_direction(network: LinearNetwork, loss: Loss, weights: Weights) -> Direction:
    """Return V such that θ + εV stays in the fiber for all ε and is not critical for small ε ≠ 0.

    V is a sum of elementary links "vector x at layer l−1 ↦ vector y at layer l" between intervals
    of θ, so that W̄ changes only if links create a path from input to output. A chain of links
    prolongs a bottom A = [0, ·] as far as possible, to layer J; then the layer J+1 carries only
    full intervals and tops, one of them a top B = [I, h] with I ≤ J+1 because the width exceeds
    rk W̄. For a pair (α, β) with G_{αβ} ≠ 0, links B → α and β → chain (whichever are needed)
    bring α and β to the two sides of one layer, where the partial derivative of L then contains
    G_{αβ} times a power of ε.

    Parameters
    ----------
    weights : critical for L, with rk W̄ < min d_i and ∇ℓ(W̄) ≠ 0

    Returns
    -------
    The direction; that the gradient along θ + εV is a non-zero polynomial in ε is checked before
    it is returned.

    Notes
    -----
    **Validity**: every differentiable loss; nothing is assumed about convexity.
    **Cost**: one interval decomposition and a few products.

    References
    ----------
    Trager, Kohn, Bruna (2020), moves along the fiber at non-maximal rank.

    Examples
    --------
    >>> from detvar.losses import SquaredLoss
    >>> from detvar.exact.matrices import matrix
    >>> net, loss = LinearNetwork(1, 1, 1, 1), SquaredLoss([[1]], [[1]])
    >>> zero = (matrix([[0]]),) * 3
    >>> V = escape_direction(net, loss, zero)
    >>> sum(1 for v in V if v[0, 0])  # two of the three weights move, their product stays 0
    2
    """
    basis = network.intervals(weights)
    h = network.depth
    product = network.end_to_end(weights)
    g = loss.gradient(product)
    ups, downs = basis.members[h], basis.members[0]
    coordinates = basis.bases[h].transpose() * g * basis.dual(0).transpose()
    pairs = [(x, y) for i, x in enumerate(ups) for j, y in enumerate(downs) if coordinates[i, j]]
    chain, reach = _prolonged_bottom(basis, h)
    bottom_end = {y: basis.bars[y][1] for y in downs}
    top_start = {x: basis.bars[x][0] for x in ups}
    tops = [x for x in ups if top_start[x] > 0]
    top = min(tops, key=lambda x: top_start[x])
    # pairs that need a single link first: fewer coefficients that could cancel
    pairs.sort(
        key=lambda xy: (top_start[top] > bottom_end[xy[1]] + 1, top_start[xy[0]] > reach + 1)
    )
    for coefficient in (1, 2, 3, 5, -1):
        for alpha, beta in pairs:
            links = _links(basis, chain, reach, top, alpha, beta, coefficient)
            direction = link_direction(network, basis, links)
            if _leaves_critical_set(network, g, weights, direction):
                return direction
    raise AssertionError("no escape curve found: the point is not critical of low rank")


def _prolonged_bottom(basis: IntervalBasis, h: int) -> tuple[list[int], int]:
    """Return a chain [A, γ_1, γ_2, …] of a bottom and middles, each alive one layer after the
    end of the one before, that reaches as high as possible; and the layer it reaches."""
    bars = basis.bars
    bottoms = [x for x in basis.members[0] if bars[x][1] < h]
    chain = [max(bottoms, key=lambda x: bars[x][1])]
    while True:
        end = bars[chain[-1]][1]
        if end + 1 >= h:
            return chain, end
        middles = [x for x in basis.members[end + 1] if bars[x][0] > 0 and bars[x][1] < h]
        if not middles:
            return chain, end
        chain.append(max(middles, key=lambda x: bars[x][1]))


def _links(
    basis: IntervalBasis,
    chain: list[int],
    reach: int,
    top: int,
    alpha: int,
    beta: int,
    coefficient: int,
) -> list[Link]:
    """Return the links for the pair (α, β): the chain, and what joins α and β to it."""
    bars = basis.bars
    p, q = bars[alpha][0], bars[beta][1]
    start = bars[top][0]
    if start <= q + 1:
        return [(p, top, alpha, 1)]
    links = [(bars[x][1] + 1, x, y, 1) for x, y in zip(chain, chain[1:], strict=False)]
    if beta != chain[0]:
        onto = next(x for x in chain if bars[x][0] <= q + 1 <= bars[x][1])
        links.append((q + 1, beta, onto, coefficient))
    if p > reach + 1 and alpha != top:
        links.append((p, top, alpha, 1))
    return links


def _leaves_critical_set(
    network: LinearNetwork, gradient: Matrix, weights: Weights, v: Direction
) -> bool:
    """Say whether θ + εV keeps W̄ while some partial of L is a non-zero polynomial in ε.

    The degrees in ε are at most h, so that h + 1 values of ε decide both questions.
    """
    product = network.end_to_end(weights)
    leaves = False
    for k in range(1, network.depth + 2):
        moved = tuple(w + d * k for w, d in zip(weights, v, strict=True))
        if network.end_to_end(moved) != product:
            return False
        above, below = network.outer_products(moved)
        leaves = leaves or any(
            any((a.transpose() * gradient * b.transpose()).entries())
            for a, b in zip(above, below, strict=True)
        )
    return leaves
