"""Fibers of the map from weights to the end-to-end matrix: strata, components, topology.

The weights with W_h⋯W_1 = W̄ look the same for every W̄ of the same rank e, because a change of
basis in the first and the last layer moves one fiber to the other.  So everything here depends
on the widths and on e only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detvar.exact.latex import displayed, paragraphs, table
from detvar.networks.barcodes import (
    Multiplicities,
    RankArray,
    barcode_latex,
    barcode_text,
    barcodes,
    check_rank,
    check_widths,
    count_barcodes,
    multiplicities,
    name_of,
    orbit_dimension,
    rank_array,
)
from detvar.networks.strata import BUDGET, flatten, maximal, require_budget


@dataclass(frozen=True)
class FiberStratum:
    """The part of a fiber with one rank array; irreducible, smooth, of the given dimension."""

    ranks: RankArray
    dimension: int

    @property
    def multiplicities(self) -> Multiplicities:
        """The interval multiplicities, a dict from (p, q) to a count."""
        return multiplicities(self.ranks)

    def to_latex(self) -> str:
        """Return the intervals of its weights in LaTeX."""
        return barcode_latex(self.multiplicities)

    _repr_latex_ = displayed

    def __str__(self) -> str:
        return f"dimension {self.dimension}: {barcode_text(self.multiplicities)}"

    def to_json(self) -> dict[str, Any]:
        """Return dimension, ranks and multiplicities ``[[p, q, count], …]``."""
        return {
            "dimension": self.dimension,
            "ranks": [list(row) for row in self.ranks],
            "multiplicities": [[p, q, n] for (p, q), n in sorted(self.multiplicities.items())],
        }


@dataclass(frozen=True)
class Fiber:
    """All weights with a given end-to-end matrix of rank `rank`, described by their strata.

    `strata` lists every stratum and `components` those whose closures are the irreducible
    components, both by decreasing dimension.  `connected_components` and
    `poincare_polynomial` are about the real points.
    """

    widths: tuple[int, ...]
    rank: int
    components: tuple[FiberStratum, ...]
    strata: tuple[FiberStratum, ...]

    @property
    def dimension(self) -> int:
        """The largest dimension of a component."""
        return self.components[0].dimension

    @property
    def component_dimensions(self) -> tuple[int, ...]:
        """The dimensions of the irreducible components, decreasing."""
        return tuple(c.dimension for c in self.components)

    @property
    def connected_components(self) -> int:
        """The number of connected components of the real fiber."""
        return connected_components(self.widths, self.rank)

    @property
    def poincare_polynomial(self) -> tuple[int, ...]:
        """The mod-2 Betti numbers of the real fiber, from degree 0 on."""
        return poincare_polynomial(self.widths, self.rank)

    def __str__(self) -> str:
        c, s, k = len(self.components), len(self.strata), self.connected_components
        head = (
            f"fiber of {name_of(self.widths)} over a matrix of rank {self.rank}: "
            f"dimension {self.dimension}, {c} irreducible component{'s' * (c > 1)}, "
            f"{s} strat{'a' if s > 1 else 'um'}, {k} connected component{'s' * (k > 1)} over R"
        )
        return "\n".join([head, *(f"  component of {stratum}" for stratum in self.components)])

    def to_latex(self) -> str:
        """Return the dimensions and the generic weights of all components, as LaTeX text."""
        k = self.connected_components
        head = (
            f"The fiber of the network {name_of(self.widths)} over a matrix of rank {self.rank} "
            f"has dimension {self.dimension} and {k} connected component{'s' * (k > 1)} over "
            r"$\mathbb{R}$. Its irreducible components:"
        )
        rows = [(c.dimension, f"${c.to_latex()}$") for c in self.components]
        return paragraphs(head, table(["dimension", "intervals"], rows, "rl"))

    def to_json(self) -> dict[str, Any]:
        """Return everything as integers, strings and lists; `from_json` is the inverse."""
        return {
            "network": list(self.widths),
            "rank": self.rank,
            "dimension": self.dimension,
            "component_dimensions": list(self.component_dimensions),
            "components": [s.to_json() for s in self.components],
            "strata": [s.to_json() for s in self.strata],
            "connected_components": self.connected_components,
            "mod2_poincare_polynomial": list(self.poincare_polynomial),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Fiber:
        """Return the fiber that `to_json` wrote."""

        def read(items: list[dict[str, Any]]) -> tuple[FiberStratum, ...]:
            return tuple(FiberStratum(tuple(map(tuple, s["ranks"])), s["dimension"]) for s in items)

        return cls(
            tuple(data["network"]), data["rank"], read(data["components"]), read(data["strata"])
        )


def fiber(widths: Sequence[int], rank: int, budget: int = BUDGET) -> Fiber:
    """Return the fiber {(W_1, …, W_h) : W_h⋯W_1 = W̄} over a matrix of the given rank e.

    The stratum with interval multiplicities mult has dimension
    Σ d_l² − dim End − e(m + n − e), where dim End = Σ mult_I mult_J dim Hom(I, J).  The
    components are the closures of the strata with maximal rank arrays.

    Parameters
    ----------
    widths : sequence of int
        d_0 = n, …, d_h = m, input first.
    rank : int
        The rank e of W̄, at most min widths.
    budget : int
        The largest number of strata to list.

    Returns
    -------
    Fiber

    Raises
    ------
    ShapeError
        If no product of matrices of these widths has this rank.
    IncompleteError
        If there are more strata than `budget`.

    Notes
    -----
    Cost: O(h²) operations on N-bit integers for each of the N strata.
    Validity: dimensions over R and C; components over C, each with smooth real points of the same
    dimension.  For e = min widths there is one component, though the real fiber can be
    disconnected.

    References
    ----------
    Abeasis, Del Fra (1980), Degenerations for the representations of an equioriented quiver of
    type A_m (closure order).  Trager, Kohn, Bruna (2020), Pure and spurious critical points
    (connected components at maximal rank).

    Examples
    --------
    >>> f = fiber((2, 2, 2), 0)
    >>> f.component_dimensions, len(f.strata), f.connected_components
    ((5, 4, 4), 6, 1)
    >>> fiber((1, 1, 1), 1).connected_components  # the hyperbola xy = 1
    2
    """
    d = check_widths(widths)
    e = check_rank(d, rank)
    what = f"the fiber of {name_of(d)} over rank {e}"
    require_budget(count_barcodes(d, e, at_most=budget), budget, what)
    arrays = [rank_array(m, len(d) - 1) for m in barcodes(d, e)]
    below = e * (d[0] + d[-1] - e)  # the dimension of the matrices of rank e
    strata = [FiberStratum(ranks, orbit_dimension(ranks) - below) for ranks in arrays]
    tops = [strata[i] for i in maximal([flatten(ranks) for ranks in arrays])]

    def place(s: FiberStratum) -> tuple[int, tuple[int, ...]]:
        return -s.dimension, tuple(-x for x in flatten(s.ranks))

    return Fiber(d, e, tuple(sorted(tops, key=place)), tuple(sorted(strata, key=place)))


def connected_components(widths: Sequence[int], rank: int) -> int:
    """Return 2^b, b = #{hidden layers of width e}, the connected components of a real fiber.

    For e ≥ 1 and a hidden layer of width e, the sign of the determinant of W_l⋯W_1 on a fixed
    complement of ker W̄ cannot change; there is no other obstruction.  For e = 0 the fiber
    is contractible.

    Notes
    -----
    Cost: O(h).  Validity: the real fiber over any W̄ of rank `rank`, and likewise the critical
    weights over W̄ for a fixed gradient.

    Examples
    --------
    >>> connected_components((2, 1, 1, 2), 1), connected_components((2, 2, 2), 1)
    (4, 1)
    """
    d = check_widths(widths)
    e = check_rank(d, rank)
    return 1 << sum(x == e for x in d[1:-1])


def poincare_polynomial(widths: Sequence[int], rank: int) -> tuple[int, ...]:
    """Return the coefficients of ∏_{hidden l} ∏_{j=d_l−e}^{d_l−1} (1 + t^j), lowest first.

    The real fiber over a matrix of rank e is homotopy equivalent to the product of the
    Stiefel manifolds of e-frames in R^{d_l}; coefficient i is its Betti number
    dim H^i(·; Z/2).

    Notes
    -----
    Cost: e(h − 1) sums of lists no longer than the degree Σ_{hidden} e(2d_l − e − 1)/2.
    Validity: as in `connected_components`, which is the coefficient at degree 0.

    References
    ----------
    Borel (1953), Sur la cohomologie des espaces fibrés principaux (Stiefel manifolds mod 2).

    Examples
    --------
    >>> poincare_polynomial((2, 3, 2), 2)  # the rotations of space, a projective 3-space
    (1, 1, 1, 1)
    """
    d = check_widths(widths)
    e = check_rank(d, rank)
    out = [1]
    for width in d[1:-1]:
        for j in range(width - e, width):
            out = [a + b for a, b in zip(out + [0] * j, [0] * j + out, strict=True)]
    return tuple(out)
