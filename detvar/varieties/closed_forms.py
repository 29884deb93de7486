"""Closed forms in (m, n, r): dimension and degree of the matrices of rank at most r."""

from __future__ import annotations

from math import comb


def dimension(m: int, n: int, r: int) -> int:
    """Return r(m+n−r), the dimension of the m×n matrices of rank at most r ≤ min(m, n).

    >>> dimension(4, 4, 2)
    12
    """
    return r * (m + n - r)


def degree(m: int, n: int, r: int) -> int:
    """Return ∏_{i=0}^{n−r−1} C(m+i, r)/C(r+i, r), the degree of the m×n matrices of rank ≤ r.

    The number of complex points in which a generic affine space of complementary dimension
    meets the variety.  Valid for 0 ≤ r ≤ min(m, n), m = 0 and n = 0 included (degree 1).

    References
    ----------
    Fulton (1984), Intersection Theory, Example 14.4.14.

    >>> degree(3, 3, 2), degree(4, 4, 2), degree(5, 5, 5)
    (3, 20, 1)
    """
    top = bottom = 1
    for i in range(n - r):
        top *= comb(m + i, r)
        bottom *= comb(r + i, r)
    return top // bottom


def symmetric_degree(n: int, r: int) -> int:
    """Return ∏_{a=0}^{n−r−1} C(n+a, n−r−a)/C(2a+1, a), for symmetric n×n matrices of rank ≤ r.

    References
    ----------
    Harris, Tu (1984), On symmetric and skew-symmetric determinantal varieties.

    >>> symmetric_degree(3, 1), symmetric_degree(3, 2), symmetric_degree(4, 2)
    (4, 3, 10)
    """
    top = bottom = 1
    for a in range(n - r):
        top *= comb(n + a, n - r - a)
        bottom *= comb(2 * a + 1, a)
    return top // bottom
