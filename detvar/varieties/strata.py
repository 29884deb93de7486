"""The rank stratification: which ranks lie in the closure of which, and how singular they are."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

from detvar.varieties.closed_forms import degree, dimension

if TYPE_CHECKING:
    import networkx


def euler_obstruction(m: int, n: int, r: int, e: int) -> int:
    """Return C(k−e, r−e), k = min(m, n): the local Euler obstruction of {rank ≤ r} at rank e ≤ r.

    Notes
    -----
    **Derivation.** A slice reduces the claim to e = 0.  There the theorem of Brasselet, Lê and
    Seade gives Σ_{j=1}^r χ(M_j° ∩ {ℓ = 1})·Eu(j) for a generic linear form ℓ.  Counting points
    over finite fields, χ(M_j° ∩ {ℓ = 1}) = (−1)^{j+1} C(k, j), and by induction the sum is
    C(k, r)·Σ_{j=1}^r (−1)^{j+1} C(r, j) = C(k, r).
    **Validity.** The complex variety.

    References
    ----------
    Gaffney, Grulha, Ruas (2019), The local Euler obstruction and topology of the stabilization
    of associated determinantal varieties; Zhang (2018), Chern classes and characteristic cycles
    of determinantal varieties.

    Examples
    --------
    >>> [euler_obstruction(3, 3, 2, e) for e in range(3)]
    [3, 2, 1]
    """
    return comb(min(m, n) - e, r - e)


def strata(m: int, n: int, r: int) -> networkx.DiGraph:
    """Return the graph of rank strata M_e°, e ≤ r; e → e+1 means M_e° ⊂ closure of M_{e+1}°.

    The strata M_e° are the orbits of GL_m × GL_n, so they form a Whitney stratification, and
    M_e is the closure of M_e°: the closure order is a chain and the edges are its covers.

    Parameters
    ----------
    m, n, r : int
        0 ≤ r ≤ min(m, n).

    Returns
    -------
    networkx.DiGraph
        Nodes e = 0, …, r with the attributes ``dimension`` e(m+n−e); ``codimension`` in R^{m×n};
        ``is_smooth``: whether the variety is smooth along the stratum; ``multiplicity`` of the
        variety along it; ``euler_obstruction`` of the complex variety along it.

    Notes
    -----
    **Cost.** Closed forms.

    Examples
    --------
    >>> graph = strata(3, 3, 2)
    >>> list(graph.edges)
    [(0, 1), (1, 2)]
    >>> [graph.nodes[e]["multiplicity"] for e in graph]
    [3, 2, 1]
    """
    import networkx

    graph = networkx.DiGraph()
    filling = r == min(m, n)
    for e in range(r + 1):
        graph.add_node(
            e,
            dimension=dimension(m, n, e),
            codimension=(m - e) * (n - e),
            is_smooth=filling or e == r,
            multiplicity=degree(m - e, n - e, r - e),
            euler_obstruction=euler_obstruction(m, n, r, e),
        )
    graph.add_edges_from((e, e + 1) for e in range(r))
    return graph
