"""Moves inside a fiber: changes of one layer that keep the end-to-end matrix, exactly.

W_{>i}(W_i + K)W_{<i} = W̄ holds for all K in a linear space; its simplest elements link a vector
of one interval to a vector of another, and such links are what escape curves are made of.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from detvar.errors import ShapeError
from detvar.exact.matrices import (
    Matrix,
    column_space,
    complement,
    hstack,
    identity,
    kron,
    submatrix,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.networks.intervals import IntervalBasis

if TYPE_CHECKING:
    from detvar.networks.linear import LinearNetwork, Weights

Link = tuple[int, int, int, int]
"""(layer l, bar at layer l−1, bar at layer l, integer coefficient)."""


def layer_fiber(network: LinearNetwork, weights: Weights, layer: int) -> Matrix:
    """Return a basis of {K : W_{>i} K W_{<i} = 0}, the moves of layer i inside the fiber.

    Parameters
    ----------
    weights : exact, as `LinearNetwork.check_weights` returns them
    layer : i, from 1 to h

    Returns
    -------
    d_i d_{i−1} × (d_i d_{i−1} − a_i b_{i−1}) matrix of row-major vecs, a_i = rk W_{>i} and
    b_{i−1} = rk W_{<i}.

    Raises
    ------
    ShapeError
        If there is no such layer.

    Notes
    -----
    **Cost**: two echelon forms of layer size.

    Examples
    --------
    >>> from detvar import LinearNetwork
    >>> net = LinearNetwork(2, 1, 2)
    >>> w = net.check_weights([[[1, 0]], [[0], [0]]])
    >>> layer_fiber(net, w, 1).ncols(), layer_fiber(net, w, 2).ncols()
    (2, 0)
    """
    if not 1 <= layer <= network.depth:
        raise ShapeError(f"layer is {layer}: give a number from 1 to {network.depth}")
    above, below = network.outer_products(weights)
    a, b = above[layer - 1], below[layer - 1]
    # K = (anything to ker W_{>i}) + (from a complement, killing Col W_{<i})
    dead = complement(a.transpose())
    alive = column_space(a.transpose())
    return hstack(kron(dead, identity(b.nrows())), kron(alive, complement(b)))


def link_direction(network: LinearNetwork, basis: IntervalBasis, links: Iterable[Link]) -> Weights:
    """Return the direction V = Σ c · y_l ⊗ x*_{l−1} over the links (l, x, y, c).

    Each link sends the vector of bar x at layer l−1 to c times the vector of bar y at layer l;
    along θ + εV the end-to-end matrix changes only if links create a path from input to output.

    Parameters
    ----------
    basis : of θ, from `LinearNetwork.intervals`
    links : bars by their index in `basis.bars`

    Examples
    --------
    >>> from detvar import LinearNetwork
    >>> net = LinearNetwork(1, 1, 1)
    >>> basis = net.intervals([[[0]], [[0]]])
    >>> bottom, middle = basis.of_type(0, 0)[0], basis.of_type(1, 1)[0]
    >>> [v.tolist() for v in link_direction(net, basis, [(1, bottom, middle, 3)])]
    [[[3]], [[0]]]
    """
    v = [zeros(b, a) for a, b in zip(network.widths, network.widths[1:], strict=False)]
    for layer, x, y, coefficient in links:
        dual = basis.dual(layer - 1)
        row = submatrix(dual, [basis.position(x, layer - 1)], range(dual.ncols()))
        move = basis.vectors([y], layer) * row
        v[layer - 1] = v[layer - 1] + move * Rational(coefficient)
    return tuple(v)
