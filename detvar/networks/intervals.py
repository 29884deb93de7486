"""Barcodes of weight vectors: bases of the layers in which all weights are 0/1 matrices.

A weight vector is a representation of the quiver 0 → 1 → ⋯ → h; by Gabriel's theorem it is a
direct sum of intervals [p, q].  This module finds such a decomposition over Q.
"""

from __future__ import annotations

from dataclasses import dataclass

from detvar.exact.latex import displayed, matrix
from detvar.exact.matrices import (
    Matrix,
    columns,
    extend_basis,
    hstack,
    identity,
    inverse,
    nullspace,
    zeros,
)
from detvar.networks.barcodes import barcode_latex


@dataclass(frozen=True)
class IntervalBasis:
    """Bases B_0, …, B_h of the layers and the interval each basis vector belongs to.

    Attributes
    ----------
    bars : the intervals (p, q), one per summand, in the order in which they were found
    bases : B_l, d_l × d_l invertible; W_l B_{l−1} = B_l E_l with E_l a 0/1 matrix
    members : members[l] lists, for each column of B_l, the index of its bar

    The vector of bar x at layer l is mapped by W_{l+1} to the vector of x at layer l+1, or to
    zero when x ends at l.
    """

    bars: tuple[tuple[int, int], ...]
    bases: tuple[Matrix, ...]
    members: tuple[tuple[int, ...], ...]

    @property
    def depth(self) -> int:
        """h."""
        return len(self.bases) - 1

    @property
    def multiplicities(self) -> dict[tuple[int, int], int]:
        """How often each interval occurs."""
        out: dict[tuple[int, int], int] = {}
        for bar in self.bars:
            out[bar] = out.get(bar, 0) + 1
        return out

    def to_latex(self) -> str:
        """Return the intervals and the bases of the layers in LaTeX."""
        bases = [f"B_{{{i}}}={matrix(b)}" for i, b in enumerate(self.bases)]
        return r",\quad ".join([barcode_latex(self.multiplicities), *bases])

    _repr_latex_ = displayed

    def of_type(self, start: int | None = None, end: int | None = None) -> list[int]:
        """Return the indices of the bars that start and end at the given layers."""
        return [
            x
            for x, (p, q) in enumerate(self.bars)
            if (start is None or p == start) and (end is None or q == end)
        ]

    def dual(self, layer: int) -> Matrix:
        """Return B_l⁻¹; its rows are the dual basis of layer l."""
        return inverse(self.bases[layer])

    def position(self, bar: int, layer: int) -> int:
        """Return the column of B_layer that holds the vector of a bar."""
        return self.members[layer].index(bar)

    def vectors(self, bars: list[int], layer: int) -> Matrix:
        """Return the vectors of the given bars at a layer, as columns."""
        return columns(self.bases[layer], [self.position(x, layer) for x in bars])


def interval_basis(widths: tuple[int, ...], weights: tuple[Matrix, ...]) -> IntervalBasis:
    """Return a decomposition of the weights into intervals.

    For p = 0, …, h and q = p, …, h the kernels of W_{q+1}⋯W_{p+1} grow; vectors of R^{d_p} that
    extend the span of the images arriving from layer p−1, taken greedily along this filtration,
    start the intervals [p, q].

    Notes
    -----
    **Cost**: at most h² kernels and echelon forms of matrices of layer size.

    Examples
    --------
    >>> from detvar.exact.matrices import matrix
    >>> basis = interval_basis((2, 1, 2), (matrix([[1, 2]]), matrix([[0], [0]])))
    >>> sorted(basis.multiplicities.items())
    [((0, 0), 1), ((0, 1), 1), ((2, 2), 2)]
    """
    h = len(weights)
    bars: list[tuple[int, int]] = []
    bases: list[Matrix] = []
    members: list[tuple[int, ...]] = []
    arriving = zeros(widths[0], 0)
    carried: list[int] = []
    for p in range(h + 1):
        chosen, names = arriving, list(carried)
        product = identity(widths[p])
        for q in range(p, h + 1):
            if chosen.ncols() == widths[p]:
                break
            if q < h:
                product = weights[q] * product
                kernel = nullspace(product)
            else:
                kernel = identity(widths[p])
            new = extend_basis(chosen, kernel)
            if new:
                chosen = hstack(chosen, columns(kernel, new))
                names += range(len(bars), len(bars) + len(new))
                bars += [(p, q)] * len(new)
        bases.append(chosen)
        members.append(tuple(names))
        if p < h:
            alive = [k for k, x in enumerate(names) if bars[x][1] > p]
            arriving = weights[p] * columns(chosen, alive)
            carried = [names[k] for k in alive]
    return IntervalBasis(tuple(bars), tuple(bases), tuple(members))
