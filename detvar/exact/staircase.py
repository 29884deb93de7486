"""Monomial ideals: dimension and standard monomials, which an ideal shares with its leading ideal.

A monomial is the tuple of its exponents.
"""

from __future__ import annotations

from collections.abc import Iterable

Monomial = tuple[int, ...]


def dimension(monomials: Iterable[Monomial], variables: int) -> int:
    """Return the dimension of the zero set of a monomial ideal, −1 for the unit ideal.

    It is n minus the least number of variables that meet every generator (Cox, Little & O'Shea,
    *Ideals, Varieties, and Algorithms*, §9.1).

    Notes
    -----
    **Cost**: exponential in the codimension at worst; instant for the ideals met here.

    Examples
    --------
    >>> dimension([(1, 1, 0), (0, 0, 2)], 3), dimension([(0, 0)], 2), dimension([], 2)
    (1, -1, 2)
    """
    supports = {frozenset(i for i, e in enumerate(m) if e) for m in monomials}
    if frozenset() in supports:
        return -1
    return variables - _least_cover(supports, variables)


def _least_cover(supports: set[frozenset[int]], bound: int) -> int:
    """The least size of a set that meets every support, or `bound` if that is not smaller."""
    if not supports:
        return 0
    forced = {i for s in supports if len(s) == 1 for i in s}
    if forced:
        if len(forced) >= bound:
            return bound
        rest = {s for s in supports if not s & forced}
        return min(bound, len(forced) + _least_cover(rest, bound - len(forced)))
    if bound <= 1:
        return bound
    best = bound
    excluded: frozenset[int] = frozenset()
    _, smallest = min((len(s), sorted(s)) for s in supports)
    for i in smallest:  # one of these variables is in the cover
        rest = {s - excluded for s in supports if i not in s}
        best = min(best, 1 + _least_cover(rest, best - 1))
        excluded |= {i}
    return best


def standard_monomials(
    monomials: Iterable[Monomial], variables: int, limit: int | None = None
) -> list[Monomial] | None:
    """Return the monomials outside a monomial ideal, by degree; None if there are infinitely many.

    Their number is the dimension of the quotient algebra: the number of solutions, each counted
    with its multiplicity.

    Parameters
    ----------
    monomials : generators, a minimal set or not
    variables : n
    limit : stop with None beyond this many

    Notes
    -----
    **Cost**: O(n²) set operations for each standard monomial.

    Examples
    --------
    >>> standard_monomials([(2, 0), (1, 1), (0, 2)], 2)
    [(0, 0), (1, 0), (0, 1)]
    >>> standard_monomials([(1, 1)], 2) is None
    True
    """
    generators = set(monomials)
    one = (0,) * variables
    if one in generators:
        return []
    if dimension(generators, variables) > 0:
        return None
    found = [one]
    level = {one: None}
    while level:
        # every divisor of a standard monomial is standard: look one degree down
        following: dict[Monomial, None] = {}
        for m in level:
            for i in range(variables):
                up = (*m[:i], m[i] + 1, *m[i + 1 :])
                if up not in generators and all(
                    (*up[:j], e - 1, *up[j + 1 :]) in level for j, e in enumerate(up) if e
                ):
                    following[up] = None
        level = following
        found += level
        if limit is not None and len(found) > limit:
            return None
    return found
