"""Barcodes: the interval multiplicities behind the ranks of a chain of matrices.

A weight vector (W_1, …, W_h) is a chain of linear maps R^{d_0} → R^{d_1} → … → R^{d_h}.
It splits into intervals [p, q]: a vector is born at layer p, is carried along, and dies after
layer q.  How many intervals of each kind there are is the *barcode*; it determines, and is
determined by, the rank array r_{pq} = rank(W_q⋯W_{p+1}), and both label the orbit of the
weights under a change of basis in every layer.  Everything here is integer arithmetic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from operator import index

from detvar.errors import ShapeError

Interval = tuple[int, int]
Multiplicities = dict[Interval, int]
RankArray = tuple[tuple[int, ...], ...]


def check_widths(widths: Sequence[int]) -> tuple[int, ...]:
    """Return the widths as a tuple; raise `ShapeError` unless they are two or more integers ≥ 1."""
    try:
        d = tuple(map(index, widths))
    except TypeError:
        d = ()
    if len(d) < 2 or min(d) < 1:
        raise ShapeError(
            f"widths must be two or more integers ≥ 1, such as (2, 1, 2), not {widths}"
        )
    return d


def check_rank(widths: Sequence[int], rank: int) -> int:
    """Return the rank; raise `ShapeError` unless 0 ≤ rank ≤ min widths."""
    if not 0 <= index(rank) <= min(widths):
        raise ShapeError(
            f"rank {rank} does not occur in the network {name_of(widths)}: "
            f"give a rank between 0 and {min(widths)}"
        )
    return index(rank)


def name_of(widths: Sequence[int]) -> str:
    """Return the widths in the form ``3-2-3``."""
    return "-".join(map(str, widths))


def rank_array(multiplicities: Mapping[Interval, int], depth: int) -> RankArray:
    """Return r_{pq} = #{intervals that contain both p and q}, for 0 ≤ p ≤ q ≤ depth.

    Parameters
    ----------
    multiplicities : mapping from (p, q) to a count
    depth : int
        The number h of layers of weights.

    Returns
    -------
    RankArray
        Entry ``[p][q - p]`` is r_{pq}; entry ``[p][0]`` is the width of layer p.

    Notes
    -----
    Cost: O(h²).

    Examples
    --------
    >>> rank_array({(0, 2): 1, (1, 1): 1}, 2)
    ((1, 1, 1), (2, 1), (1,))
    """
    for (p, q), count in multiplicities.items():
        if not 0 <= p <= q <= depth or count < 0:
            raise ShapeError(
                f"{count} intervals [{p}, {q}] do not fit {depth} layers: give 0 ≤ p ≤ q ≤ {depth} "
                "and counts ≥ 0"
            )
    rows: list[tuple[int, ...]] = []
    above = [0] * (depth + 1)  # r_{p-1, q}, indexed by q
    for p in range(depth + 1):
        born = [multiplicities.get((p, q), 0) for q in range(depth, p - 1, -1)]
        alive = list(accumulate(born))[::-1]  # of those born at p, how many reach q
        above = [0] * p + [above[p + j] + alive[j] for j in range(depth + 1 - p)]
        rows.append(tuple(above[p:]))
    return tuple(rows)


def widths_of(multiplicities: Mapping[Interval, int], depth: int) -> tuple[int, ...]:
    """Return the widths d_l = Σ_{p ≤ l ≤ q} mult[p, q].

    >>> widths_of({(0, 2): 1, (1, 1): 1}, 2)
    (1, 2, 1)
    """
    return tuple(row[0] for row in rank_array(multiplicities, depth))


def multiplicities(ranks: RankArray) -> Multiplicities:
    """Return mult[p, q] = r_{pq} − r_{p−1,q} − r_{p,q+1} + r_{p−1,q+1}, the non-zero ones.

    Parameters
    ----------
    ranks : RankArray
        Ranks outside 0 ≤ p ≤ q ≤ h count as 0.

    Raises
    ------
    ShapeError
        If some number comes out negative: then no weights have these ranks.

    Notes
    -----
    Cost: O(h²).  A table of ranks belongs to some weights if and only if all numbers are ≥ 0.

    References
    ----------
    Abeasis, Del Fra (1980), Degenerations for the representations of an equioriented quiver of
    type A_m.

    Examples
    --------
    >>> multiplicities(((1, 1, 1), (2, 1), (1,))) == {(0, 2): 1, (1, 1): 1}
    True
    """
    h = len(ranks) - 1
    if h < 0 or any(len(row) != h + 1 - p for p, row in enumerate(ranks)):
        raise ShapeError("a rank array of h layers has rows of lengths h + 1, h, …, 1")
    out: Multiplicities = {}
    for p, row in enumerate(ranks):
        above = ranks[p - 1][1:] if p else (0,) * len(row)
        for j, (here, up) in enumerate(zip(row, above, strict=True)):
            last = j + 1 == len(row)
            count = here - up - (0 if last else row[j + 1] - above[j + 1])
            if count < 0:
                raise ShapeError(
                    f"no weights have these ranks: the interval [{p}, {p + j}] would occur "
                    f"{count} times"
                )
            if count:
                out[p, p + j] = count
    return out


def is_rank_array(ranks: RankArray) -> bool:
    """Say whether some weights have these ranks of partial products.

    >>> is_rank_array(((1, 1, 0), (1, 1), (1,)))  # W_2 W_1 = 0 although both are invertible
    False
    """
    try:
        multiplicities(ranks)
    except ShapeError:
        return False
    return True


def _kept(alive: Sequence[int], room: int, low: int, high: int) -> Iterator[tuple[int, ...]]:
    """Yield all ways to keep at most `room` of the intervals alive, by birth layer, those
    born at layer 0 between `low` and `high`."""
    if not alive:
        yield ()
        return
    for first in range(low, min(alive[0], room, high) + 1):
        for rest in _kept(alive[1:], room - first, 0, room):
            yield (first, *rest)


def _steps(
    widths: Sequence[int], full: int | None, q: int, alive: Sequence[int]
) -> Iterator[tuple[int, ...]]:
    """Yield the numbers alive at layer q + 1, by birth layer, given those at layer q."""
    low = full or 0
    high = full if full is not None and q + 2 == len(widths) else widths[0]
    for kept in _kept(alive, widths[q + 1], low, high):
        yield (*kept, widths[q + 1] - sum(kept))


def barcodes(widths: Sequence[int], full: int | None = None) -> Iterator[Multiplicities]:
    """Yield every table of interval multiplicities with Σ_{p ≤ l ≤ q} mult[p, q] = d_l.

    Parameters
    ----------
    widths : sequence of int
        d_0, …, d_h, zeros allowed.
    full : int, optional
        If given, only the tables with this number of intervals [0, h], the rank of the product.

    Yields
    ------
    dict from (p, q) to a count > 0

    Notes
    -----
    Cost: O(h²) for each table, in constant memory; `count_barcodes` tells how many there are.

    Examples
    --------
    >>> for table in barcodes((1, 1, 1), full=0):
    ...     print(barcode_text(table))
    [0,0] + [1,1] + [2,2]
    [0,0] + [1,2]
    [0,1] + [2,2]
    """
    h = len(widths) - 1

    def grow(columns: tuple[tuple[int, ...], ...]) -> Iterator[Multiplicities]:
        if len(columns) == h + 1:
            yield {
                (p, q): n
                for p in range(h + 1)
                for q in range(p, h + 1)
                if (n := columns[q][p] - (columns[q + 1][p] if q < h else 0))
            }
            return
        for column in _steps(widths, full, len(columns) - 1, columns[-1]):
            yield from grow((*columns, column))

    if full is None or full <= min(widths):
        yield from grow(((widths[0],),))


def count_barcodes(
    widths: Sequence[int], full: int | None = None, at_most: int | None = None
) -> int:
    """Return the number of tables that `barcodes` yields, without listing them.

    Parameters
    ----------
    widths, full
        As in `barcodes`.
    at_most : int, optional
        Stop once the number is known to be larger, and return a lower bound > `at_most`.

    Notes
    -----
    Cost: one pass over the layers with C(d_l + l, l) states at layer l; with `at_most`, no more
    than about 10 at_most steps in each layer.

    Examples
    --------
    >>> count_barcodes((3, 3, 3, 3))
    112
    """
    if full is not None and full > min(widths):
        return 0
    ways: Counter[tuple[int, ...]] = Counter({(widths[0],): 1})
    for q in range(len(widths) - 1):
        after: Counter[tuple[int, ...]] = Counter()
        steps = found = 0
        for alive, count in ways.items():
            for column in _steps(widths, full, q, alive):
                after[column] += count
                steps += 1
                found += count
                # Every step is continued by at least one table, so `found` is a lower bound.
                if at_most is not None and steps > 10 * at_most:
                    return found
        ways = after
    return sum(ways.values())


def hom_dimension(first: Interval, second: Interval) -> int:
    """Return dim Hom([a, b], [c, d]), which is 1 if c ≤ a ≤ d ≤ b and 0 otherwise.

    >>> hom_dimension((0, 1), (0, 0)), hom_dimension((0, 0), (0, 1))
    (1, 0)
    """
    (a, b), (c, d) = first, second
    return int(c <= a <= d <= b)


def endomorphism_dimension(ranks: RankArray) -> int:
    """Return dim End = Σ_{I,J} mult_I mult_J dim Hom(I, J), the dimension of the stabiliser.

    A map from the interval [a, b] is a vector of layer a that dies after layer b, so the sum
    over J is the nullity d_a − r_{a,b+1}.

    Notes
    -----
    Cost: O(h²).

    Examples
    --------
    >>> endomorphism_dimension(((1, 1), (1,)))  # one invertible 1×1 matrix
    1
    """
    h = len(ranks) - 1
    return sum(
        count * (ranks[a][0] - (ranks[a][b + 1 - a] if b < h else 0))
        for (a, b), count in multiplicities(ranks).items()
    )


def orbit_dimension(ranks: RankArray) -> int:
    """Return Σ_l d_l² − dim End, the dimension of the set of weights with this rank array.

    Notes
    -----
    Cost: O(h²).  Validity: over R and over C; the set is one orbit of GL(d_0) × … × GL(d_h).

    Examples
    --------
    >>> orbit_dimension(((2, 1), (2,)))  # the 2×2 matrices of rank 1
    3
    """
    return sum(row[0] ** 2 for row in ranks) - endomorphism_dimension(ranks)


def orbit_codimension(ranks: RankArray) -> int:
    """Return Σ_l d_l d_{l−1} minus `orbit_dimension`, the codimension in the weight space."""
    d = [row[0] for row in ranks]
    return sum(x * y for x, y in zip(d[1:], d[:-1], strict=True)) - orbit_dimension(ranks)


def barcode_text(multiplicities: Mapping[Interval, int]) -> str:
    """Return the barcode as a sum such as ``2[0,1] + [1,1]``."""
    terms = [
        f"{count if count > 1 else ''}[{p},{q}]"
        for (p, q), count in sorted(multiplicities.items())
        if count
    ]
    return " + ".join(terms) or "0"


def barcode_latex(multiplicities: Mapping[Interval, int]) -> str:
    r"""Return the barcode as a direct sum of intervals in LaTeX.

    >>> barcode_latex({(0, 1): 2, (1, 1): 1})
    '[0,1]^{2}\\oplus[1,1]'
    """
    terms = [
        f"[{p},{q}]" + (f"^{{{count}}}" if count > 1 else "")
        for (p, q), count in sorted(multiplicities.items())
        if count
    ]
    return r"\oplus".join(terms) or "0"
