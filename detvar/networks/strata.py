"""Strata of the weight space: one for every rank array, ordered by the closure order.

Weights with the same ranks of all partial products form one orbit of a change of basis in
every layer.  One orbit lies in the closure of another exactly if its rank array is entrywise
smaller or equal, so the whole poset is computed from integer tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from operator import or_
from typing import TYPE_CHECKING

from detvar.errors import IncompleteError
from detvar.networks.barcodes import (
    RankArray,
    barcodes,
    check_widths,
    count_barcodes,
    multiplicities,
    name_of,
    orbit_dimension,
    rank_array,
)

if TYPE_CHECKING:
    import networkx

Key = tuple[int, ...]
BUDGET = 20_000


def flatten(rows: Iterable[tuple[int, ...]]) -> Key:
    """Return the rows of a table one after the other."""
    return tuple(chain.from_iterable(rows))


def down_sets(keys: Sequence[Key]) -> Iterator[int]:
    """Yield, for each key i, the integer whose bit j says whether keys[j] ≤ keys[i] entrywise.

    Parameters
    ----------
    keys : sequence of tuples of integers ≥ 0, all of one length

    Notes
    -----
    Cost: for each key and entry one AND of two integers of len(keys) bits.

    Examples
    --------
    >>> [bin(s) for s in down_sets([(0, 0), (1, 0), (0, 2)])]
    ['0b1', '0b11', '0b101']
    """
    bounds: list[list[int]] = []  # bounds[entry][x]: the keys whose entry is at most x
    for entries in zip(*keys, strict=True):
        exactly = [0] * (max(entries) + 1)
        for j, x in enumerate(entries):
            exactly[x] |= 1 << j
        bounds.append(list(accumulate(exactly, or_)))
    everything = (1 << len(keys)) - 1
    for key in keys:
        below = everything
        for bound, x in zip(bounds, key, strict=True):
            below &= bound[x]
        yield below


def covers(keys: Sequence[Key]) -> Iterator[tuple[int, int]]:
    """Yield the pairs (i, j) such that keys[j] < keys[i] entrywise with no key in between.

    Notes
    -----
    Cost: as `down_sets`, and the square of the number of keys in bits of memory.

    Examples
    --------
    >>> list(covers([(0, 0), (1, 0), (1, 1)]))
    [(1, 0), (2, 1)]
    """
    # In an order by sums, the largest remaining element below i has nothing between it and i.
    order = sorted(range(len(keys)), key=lambda i: sum(keys[i]))
    below = list(down_sets([keys[i] for i in order]))
    for i, down in enumerate(below):
        rest = down ^ (1 << i)
        while rest:
            j = rest.bit_length() - 1
            yield order[i], order[j]
            rest ^= rest & below[j]


def maximal(keys: Sequence[Key]) -> list[int]:
    """Return the indices of the keys that are not entrywise ≤ another key; keys must differ.

    >>> maximal([(0, 0), (1, 0), (0, 2)])
    [1, 2]
    """
    dominated = 0
    for i, down in enumerate(down_sets(keys)):
        dominated |= down ^ (1 << i)
    return [i for i in range(len(keys)) if not dominated >> i & 1]


def require_budget(count: int, budget: int, what: str) -> None:
    """Raise `IncompleteError` if there are more strata than the budget allows to list."""
    if count > budget:
        raise IncompleteError(
            f"{what} has at least {count} strata, more than the budget of {budget}: "
            "pass a larger budget to list them"
        )


def strata(widths: Sequence[int], budget: int = BUDGET) -> networkx.DiGraph:
    """Return the strata of the weight space, with the cover relations of the closure order.

    One node for each rank array r_{pq} = rank(W_q⋯W_{p+1}), with ``dimension`` Σ d_l² − dim End,
    ``rank`` r_{0h} and ``multiplicities``, a dict from intervals (p, q) to counts.
    An edge points from a larger stratum to a smaller one that lies in its closure, with no
    stratum in between.  The only source is the generic stratum, the only sink is 0.

    Parameters
    ----------
    widths : sequence of int
        d_0, …, d_h, input first.
    budget : int
        The largest number of strata to list.

    Returns
    -------
    networkx.DiGraph
        Nodes are rank arrays; the graph attribute ``widths`` holds the widths.

    Raises
    ------
    IncompleteError
        If there are more strata than `budget`; the message says how many.

    Notes
    -----
    Cost: O(h²) operations on N-bit integers for each of the N strata, and N² bits of memory.

    References
    ----------
    Abeasis, Del Fra (1980), Degenerations for the representations of an equioriented quiver of
    type A_m: the closure order is the entrywise order of the rank arrays.

    Examples
    --------
    >>> graph = strata((2, 1, 2))
    >>> sorted(data["dimension"] for _, data in graph.nodes(data=True))
    [0, 2, 2, 4]
    """
    import networkx

    d = check_widths(widths)
    require_budget(count_barcodes(d, at_most=budget), budget, f"the network {name_of(d)}")
    arrays: list[RankArray] = [rank_array(m, len(d) - 1) for m in barcodes(d)]
    graph = networkx.DiGraph(widths=d)
    for ranks in arrays:
        graph.add_node(
            ranks,
            dimension=orbit_dimension(ranks),
            rank=ranks[0][-1],
            multiplicities=multiplicities(ranks),
        )
    keys = [flatten(ranks) for ranks in arrays]
    graph.add_edges_from((arrays[i], arrays[j]) for i, j in covers(keys))
    return graph
