"""Polar degrees of determinantal varieties, by localisation at torus-fixed points.

The conormal variety of the projective variety of rank-r matrices is the image of the product of
two projective bundles over Grassmannians, because a conormal pair (A, B) is a pair of subspaces
(Col A, Row A) with a matrix on them and a matrix on their complements.  So its bidegree, the list
of polar degrees, is an integral of Segre classes over Grassmannians.  Localisation turns the
integral into a finite sum over the fixed points of a torus, one for each coordinate subspace; the
weights of the torus are distinct integers, otherwise arbitrary, and drop out of the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import combinations, combinations_with_replacement
from math import prod


def _complete_homogeneous(roots: Iterable[int], length: int) -> list[int]:
    """Return h_0, …, h_{length−1} of the roots, the coefficients of ∏ 1/(1 − c z)."""
    h = [1] + [0] * (length - 1)
    for c in roots:
        if c:
            for k in range(1, length):
                h[k] += c * h[k - 1]
    return h


def _fixed_points(size: int, r: int) -> list[tuple[tuple[int, ...], tuple[int, ...], int]]:
    """Return, for each r-subset I of {0, …, size−1}: I, its complement, and the common multiple
    V = ∏_{a<b}(b−a) divided by ∏_{i∈I, k∉I}(k − i), the Euler class of the fixed point."""
    vandermonde = _vandermonde(size)
    points = []
    for inside in combinations(range(size), r):
        outside = tuple(k for k in range(size) if k not in inside)
        points.append(
            (inside, outside, vandermonde // prod(k - i for i in inside for k in outside))
        )
    return points


def _vandermonde(size: int) -> int:
    return prod(b - a for a, b in combinations(range(size), 2))


def _as_degrees(sums: Sequence[int], divisor: int, first: int) -> dict[int, int]:
    """Divide the localisation sums and drop the zeros; the quotients must be integers ≥ 0."""
    out = {}
    for x, total in enumerate(sums):
        value, rest = divmod(total, divisor)
        if rest or value < 0:
            raise ArithmeticError("a localisation sum is not a degree; this is a bug in detvar")
        if value:
            out[first + x] = value
    return out


@lru_cache(maxsize=512)
def _rectangular(m: int, n: int, r: int) -> tuple[tuple[int, int], ...]:
    top = r * (m - r) + r * (n - r)  # dimension of Gr(r, m) × Gr(r, n)
    sums = [0] * (top + 1)
    column_points = _fixed_points(n, r)
    for inside, outside, weight in _fixed_points(m, r):
        row = [0] * (top + 1)
        for columns, others, other_weight in column_points:
            tautological = _complete_homogeneous((-s - t for s in inside for t in columns), top + 1)
            quotient = _complete_homogeneous((s + t for s in outside for t in others), top + 1)
            for x in range(top + 1):
                row[x] += other_weight * tautological[x] * quotient[top - x]
        for x in range(top + 1):
            sums[x] += weight * row[x]
    return tuple(_as_degrees(sums, _vandermonde(m) * _vandermonde(n), r * r - 1).items())


def polar_degrees(m: int, n: int, r: int) -> dict[int, int]:
    """Return the non-zero polar degrees {a: δ_a} of P{rank ≤ r} ⊂ P^{mn−1}.

    δ_a = ∫_{Gr(r,m)×Gr(r,n)} s_{a−r²+1}(E⊗F) · s_{b−(m−r)(n−r)+1}(E^⊥⊗F^⊥) with a + b = mn − 2
    is the number of points of the conormal variety over a generic linear space of dimension
    mn−1−a in the first factor and mn−1−b in the second.

    Parameters
    ----------
    m, n, r : int
        0 ≤ r ≤ min(m, n).  For r = 0 and r = min(m, n) the conormal variety is empty in
        P × P^∨, and so is the answer.

    Returns
    -------
    dict {a: δ_a}, a increasing from r²−1 or later to r(m+n−r)−1, where δ is the degree

    Notes
    -----
    **Cost.** C(m,r)·C(n,r) fixed points, O(min(m,n)²·r(m+n−2r)) integer operations at each;
    6×6 with r = 3 takes well under a second.  Results are kept.
    **Validity.** The variety over C; the sum does not depend on the weights of the torus.

    References
    ----------
    Draisma, Horobeţ, Ottaviani, Sturmfels, Thomas (2016), The Euclidean distance degree of an
    algebraic variety, Section 5; Zhang (2018), Chern classes and characteristic cycles of
    determinantal varieties.

    Examples
    --------
    >>> polar_degrees(3, 3, 1)
    {0: 3, 1: 6, 2: 12, 3: 12, 4: 6}
    """
    return dict(_rectangular(m, n, r)) if 0 < r < min(m, n) else {}


@lru_cache(maxsize=512)
def _symmetric(n: int, r: int) -> tuple[tuple[int, int], ...]:
    top = r * (n - r)  # dimension of Gr(r, n)
    sums = [0] * (top + 1)
    for inside, outside, weight in _fixed_points(n, r):
        pairs = combinations_with_replacement(inside, 2)
        tautological = _complete_homogeneous((-s - t for s, t in pairs), top + 1)
        pairs = combinations_with_replacement(outside, 2)
        quotient = _complete_homogeneous((s + t for s, t in pairs), top + 1)
        for x in range(top + 1):
            sums[x] += weight * tautological[x] * quotient[top - x]
    return tuple(_as_degrees(sums, _vandermonde(n), r * (r + 1) // 2 - 1).items())


def symmetric_polar_degrees(n: int, r: int) -> dict[int, int]:
    """Return the non-zero polar degrees {a: δ_a} of symmetric n×n matrices of rank at most r.

    The same sum over Gr(r, n), with Sym²E and Sym²E^⊥; a + b = n(n+1)/2 − 2.  These numbers are
    the algebraic degrees of semidefinite programming.

    Notes
    -----
    **Cost.** C(n, r) fixed points.
    **Validity.** 0 ≤ r ≤ n; empty for r = 0 and r = n.

    References
    ----------
    Nie, Ranestad, Sturmfels (2010), The algebraic degree of semidefinite programming.

    Examples
    --------
    >>> symmetric_polar_degrees(3, 1), symmetric_polar_degrees(3, 2)
    ({0: 3, 1: 6, 2: 4}, {2: 4, 3: 6, 4: 3})
    """
    return dict(_symmetric(n, r)) if 0 < r < n else {}
