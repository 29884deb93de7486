r"""Which affine maps x ↦ Vx + c a chain of layers with biases reaches, and their least loss.

**Theorem.**  Let r = min(d_0, …, d_h) and let i be the last layer with a bias.  The chain
x ↦ W_h(⋯(W_1 x + b_1)⋯) + b_h reaches exactly the pairs (V, c) with

  rk V ≤ r and any c, if i = h or min(d_i, …, d_h) > r (the constant is free);
  rk [V c] ≤ r, otherwise.

(Proof: V = W_h⋯W_1 has rank ≤ r.  If i = h, b_h makes any c.  If i < h, c lies in the column
space of P = W_h⋯W_{i+1}, which holds that of V; P is any matrix of rank ≤ min(d_i, …, d_h), so
that the two lie in a common space of that dimension.  Conversely, split [V c] through a basis of
this space: layers i + 1, …, h make P, layers 1, …, i − 1 and W_i the coordinates of V, of rank
≤ r, and b_i those of c.  Biases of earlier layers add nothing.)

**Least loss.**  In the second case the theory without biases holds for the inputs (x, 1).  In the
first, with P the projector on the row space of [X; 1], ȳ the mean of the N outputs and
M′ = YPYᵀ − N ȳȳᵀ,

  min ½‖VX + c1ᵀ − Y‖² = ½(‖Y‖² − N‖ȳ‖² − Σ_{q≤r} λ_q(M′)):

the best c for a given V is ȳ − Vx̄, and what is left is the problem without a constant for the
centred data, whose explained part is M′.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detvar.optimality.minimal_value import Projection
from detvar.optimality.moments import CHUNK, Moments
from detvar.optimality.rounding import (
    Enclosed,
    add,
    divided,
    frobenius_squared,
    from_float,
    interval_sum,
    product,
    subtract,
    transpose,
)
from detvar.optimality.samples import Samples

if TYPE_CHECKING:
    from detvar.optimality.reading import FloatWeights


@dataclass(frozen=True)
class Reachable:
    """The affine maps that a chain reaches.

    Attributes
    ----------
    rank : r
    bias : whether there is a constant at all
    free : whether rk V ≤ r with any c; otherwise rk [V c] ≤ r
    """

    rank: int
    bias: bool
    free: bool


def reachable(widths: Sequence[int], biases: Sequence[bool]) -> Reachable:
    """Return the affine maps of a chain of the widths d_0, …, d_h, by the theorem.

    Parameters
    ----------
    widths : (d_0, …, d_h), without the constant input
    biases : for each of the h layers, whether it has a bias

    Examples
    --------
    >>> reachable((3, 1, 2), (True, False)).free, reachable((3, 1, 2), (False, True)).free
    (False, True)
    >>> reachable((1, 2, 3), (True, False))  # one input: both layers after it are wider
    Reachable(rank=1, bias=True, free=True)
    """
    r = min(widths)
    last = max((i for i, b in enumerate(biases, 1) if b), default=0)
    free = bool(last) and (last == len(biases) or min(widths[last:]) > r)
    return Reachable(r, bool(last), free)


def reachable_by(weights: FloatWeights) -> Reachable:
    """Return the affine maps of the chain that the weights belong to."""
    return reachable(weights.widths, [b is not None for b in weights.offsets])


def centred(found: Projection, data: Moments | Samples) -> Projection:
    """Return the projection of the problem that is left when the best constant is taken.

    M and ‖Y‖² lose N ȳȳᵀ and N‖ȳ‖²; the loss and the slope of W stay.
    """
    from dataclasses import replace

    total = _total(data)
    count = data.samples if isinstance(data, Moments) else len(data.y)
    lost = divided(frobenius_squared(total), count)
    outer = product(transpose(total), divided_matrix(total, count))
    yy = interval_sum([(1.0, found.yy), (-1.0, lost)])
    return replace(
        found, explained=subtract(found.explained, outer), yy=(max(yy[0], 0.0), max(yy[1], 0.0))
    )


def divided_matrix(a: Enclosed, count: int) -> Enclosed:
    """Enclose A/count."""
    import numpy as np

    inverse = Enclosed(np.array([[1.0 / count]]), 2.0**-52 / count)
    return transpose(product(transpose(a), inverse))


def _total(data: Moments | Samples) -> Enclosed:
    """Enclose the sum of the outputs, one row."""
    import numpy as np

    if isinstance(data, Moments):
        return data.y_sum
    out: Enclosed | None = None
    for start in range(0, len(data.y), CHUNK):
        y = Enclosed(data.y[start : start + CHUNK], data.lost[1])
        part = product(from_float(np.ones((1, len(y.mid)))), y)
        out = part if out is None else add(out, part)
    assert out is not None  # data are not empty
    return out
