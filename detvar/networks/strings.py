"""Strings: the type of a critical weight vector relative to the gradient of the loss.

Let W̄ = W_h⋯W_1 have rank e and let G, of rank ρ, satisfy W̄ᵀG = 0 and GW̄ᵀ = 0.  Then −Gᵀ is
one more arrow, from layer h back to layer 0, and the weights are critical exactly if every path
W_{<i} Gᵀ W_{>i} that skips one arrow vanishes.  A representation of such a cycle splits into
strings: the intervals of the weights, where a *top* [p, h] may go on through Gᵀ into a *bottom*
[0, q].  Criticality says p > q + 1 for each of the ρ pairs that are joined.  The strings label
the strata of the critical weights over W̄, as interval multiplicities label those of a fiber.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

from detvar.errors import ShapeError
from detvar.exact.latex import displayed
from detvar.networks.barcodes import (
    Interval,
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
    rank_array,
)
from detvar.networks.strata import BUDGET, flatten, maximal, require_budget

Counts = tuple[tuple[Interval, int], ...]


@dataclass(frozen=True)
class Strings:
    """The strings of a critical weight vector: one label for each stratum.

    Parameters
    ----------
    depth : int
        The number h of layers of weights.
    full : int
        The number e of intervals [0, h], the rank of the end-to-end matrix.
    free : tuple of ((p, q), count)
        The other intervals [p, q] that are not joined through the gradient, sorted.
    matched : tuple of ((p, q), count)
        Tops [p, h] joined with bottoms [0, q], where p > q + 1, sorted.

    Examples
    --------
    >>> s = Strings(3, 0, (((1, 2), 1),), (((3, 0), 1),))  # depth 3, one pair [3, 3], [0, 0]
    >>> s.widths(), s.residual_rank, s.dimension
    ((1, 1, 1, 1), 1, 1)
    """

    depth: int
    full: int
    free: Counts
    matched: Counts

    def __post_init__(self) -> None:
        h = self.depth
        if h < 1 or self.full < 0:
            raise ShapeError(f"strings need depth ≥ 1 and full ≥ 0, not {h} and {self.full}")
        for field, counts in (("free", self.free), ("matched", self.matched)):
            if [*counts] != sorted({*counts}) or len({k for k, _ in counts}) < len(counts):
                raise ShapeError(f"{field} must list each pair once, in increasing order")
        for (p, q), count in self.free:
            if not 0 <= p <= q <= h or (p, q) == (0, h) or count < 1:
                raise ShapeError(
                    f"free cannot hold {count} intervals [{p}, {q}]: give 0 ≤ p ≤ q ≤ {h}, "
                    f"not [0, {h}], and counts ≥ 1"
                )
        for (p, q), count in self.matched:
            if not q + 1 < p <= h or q < 0 or count < 1:
                raise ShapeError(
                    f"matched cannot join {count} tops [{p}, {h}] with bottoms [0, {q}]: "
                    f"critical weights need 0 ≤ q, q + 1 < p ≤ {h}, and counts ≥ 1"
                )

    @property
    def residual_rank(self) -> int:
        """The rank ρ of the gradient, the number of matched pairs."""
        return sum(count for _, count in self.matched)

    def multiplicities(self) -> Multiplicities:
        """Return the interval multiplicities of the weights, joined intervals taken apart."""
        out = Counter(dict(self.free))
        out[0, self.depth] += self.full
        for (p, q), count in self.matched:
            out[p, self.depth] += count
            out[0, q] += count
        return {interval: count for interval, count in sorted(out.items()) if count}

    def ranks(self) -> RankArray:
        """Return the rank array of the weights."""
        return rank_array(self.multiplicities(), self.depth)

    def widths(self) -> tuple[int, ...]:
        """Return the widths d_0, …, d_h."""
        return tuple(row[0] for row in self.ranks())

    def path_ranks(self) -> RankArray:
        """Return the ranks of all paths of at most h arrows in the cycle 0 → 1 → … → h → 0.

        Entry ``[i][x]`` is the rank of the path of x arrows from layer i.  For x ≤ h − i it is a
        partial product of weights; beyond, it is W_{≤j} Gᵀ W_{>i} with j = i + x − h − 1, whose
        rank is the number of pairs with p ≤ i and q ≥ j.  Entrywise order of these tables is the
        closure order of the strata.

        Notes
        -----
        Cost: O(h²).
        """
        h = self.depth
        table = [[0] * (h + 1) for _ in range(h + 1)]  # table[i][j]: pairs with p ≤ i and q ≥ j
        for (p, q), count in self.matched:
            table[p][q] = count
        for i in range(h + 1):
            for j in range(h, -1, -1):
                left = table[i - 1][j] if i else 0
                right = table[i][j + 1] if j < h else 0
                both = table[i - 1][j + 1] if i and j < h else 0
                table[i][j] += left + right - both
        return tuple(row + tuple(table[i][:i]) for i, row in enumerate(self.ranks()))

    @property
    def dimension(self) -> int:
        """The dimension of the critical weights of this type, for fixed W̄ and G.

        It is Σ d_l² − dim End − s(m + n − s) with s = e + ρ: the dimension of the group, minus
        that of the stabiliser of the weights, minus that of the orbit of the pair (W̄, G).
        A map from a string is a vector of the layer where it starts that dies where it ends, so
        its contribution to dim End is a nullity of the path it runs through.

        Notes
        -----
        Cost: O(h²).  Validity: over R and over C.
        """
        h, ranks = self.depth, self.path_ranks()
        d = [row[0] for row in ranks]
        strings = [(0, h + 1, self.full)]  # start, number of layers visited, count
        strings += [(p, q - p + 1, count) for (p, q), count in self.free]
        strings += [(p, h - p + q + 2, count) for (p, q), count in self.matched]
        stabiliser = sum(
            count * (d[start] - (ranks[start][length] if length <= h else 0))
            for start, length, count in strings
        )
        s = self.full + self.residual_rank
        return sum(x * x for x in d) - stabiliser - s * (d[0] + d[-1] - s)

    def __str__(self) -> str:
        pairs = [
            f"{count if count > 1 else ''}[{p},{self.depth}]~[0,{q}]"
            for (p, q), count in self.matched
        ]
        whole = dict(self.free)
        if self.full:
            whole[0, self.depth] = self.full
        return " + ".join(pairs + ([barcode_text(whole)] if whole else [])) or "0"

    def to_latex(self) -> str:
        """Return the strings in LaTeX; tops are joined with bottoms by an arrow through Gᵀ."""
        h = self.depth
        terms = [
            rf"([{p},{h}]\to[0,{q}])" + (f"^{{{count}}}" if count > 1 else "")
            for (p, q), count in self.matched
        ]
        whole = dict(self.free)
        if self.full:
            whole[0, h] = self.full
        return r"\oplus".join([*terms, *([barcode_latex(whole)] if whole else [])]) or "0"

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return depth, full, and free and matched as ``[[p, q, count], …]``."""
        return {
            "depth": self.depth,
            "full": self.full,
            "free": [[p, q, count] for (p, q), count in self.free],
            "matched": [[p, q, count] for (p, q), count in self.matched],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Strings:
        """Return the strings that `to_json` wrote."""
        free, matched = (
            tuple(((p, q), count) for p, q, count in data[key]) for key in ("free", "matched")
        )
        return cls(data["depth"], data["full"], free, matched)


def _pairings(
    pairs: Sequence[Interval], rho: int, room: tuple[int, ...]
) -> Iterator[tuple[dict[Interval, int], tuple[int, ...]]]:
    """Yield all ways to choose ρ pairs, with what they leave of the widths `room`."""
    if not rho:
        yield {}, room
    elif pairs:
        (p, q), left = pairs[0], room
        for count in range(rho + 1):
            for chosen, rest in _pairings(pairs[1:], rho - count, left):
                yield ({(p, q): count, **chosen} if count else chosen), rest
            left = tuple(x - (i >= p or i <= q) for i, x in enumerate(left))
            if min(left) < 0:
                return


def critical_strata(
    widths: Sequence[int], rank: int, residual_rank: int, budget: int = BUDGET
) -> tuple[Strings, ...]:
    """Return all strata of {critical weights with W_h⋯W_1 = W̄}, for rank W̄ = e, rank G = ρ.

    Parameters
    ----------
    widths : sequence of int
        d_0 = n, …, d_h = m, input first.
    rank, residual_rank : int
        e = rank W̄ ≤ min widths and ρ = rank G ≤ min(m, n) − e.  For the squared loss ρ is the
        number of non-zero singular values that W̄ leaves out.
    budget : int
        The largest number of strata to list.

    Returns
    -------
    tuple of Strings
        For ρ = 0 all strata of the fiber; for h = 1 and ρ > 0 none.

    Raises
    ------
    ShapeError
        If the ranks are out of range.
    IncompleteError
        If there are more strata than `budget`.

    Notes
    -----
    Cost: O(h²) for each stratum.
    Validity: any loss whose gradient at W̄ is G; W̄ᵀG = 0 and GW̄ᵀ = 0 hold at critical weights.

    Examples
    --------
    >>> for s in critical_strata((1, 1, 1, 1), 0, 1):
    ...     print(s.dimension, s)
    1 [2,3]~[0,0] + [1,1]
    1 [3,3]~[0,1] + [2,2]
    0 [3,3]~[0,0] + [1,1] + [2,2]
    1 [3,3]~[0,0] + [1,2]
    """
    d, h = check_widths(widths), len(widths) - 1
    e, rho = check_rank(d, rank), index(residual_rank)
    if not 0 <= rho <= min(d[0], d[-1]) - e:
        raise ShapeError(
            f"residual rank {rho} does not fit a {d[-1]}×{d[0]} matrix of rank {e}: "
            f"give a number between 0 and {min(d[0], d[-1]) - e}"
        )
    pairs = [(p, q) for p in range(h, 1, -1) for q in range(p - 1)]
    choices, count = [], 0
    for chosen, rest in _pairings(pairs, rho, tuple(x - e for x in d)):
        choices.append((tuple(sorted(chosen.items())), rest))
        count += count_barcodes(rest, 0, at_most=budget)
        require_budget(count, budget, f"the critical locus of {name_of(d)} over rank {e}")
    return tuple(
        Strings(h, e, tuple(sorted(free.items())), matched)
        for matched, rest in choices
        for free in barcodes(rest, 0)
    )


def components(strata: Sequence[Strings]) -> tuple[Strings, ...]:
    """Return the strata whose closures are the irreducible components, largest first.

    They are the strata with maximal path ranks among those of one `critical_strata` list.

    Notes
    -----
    Cost: O(h²) operations on N-bit integers for each of the N strata.
    Validity: components over C; each has smooth real points of the same dimension.  A closure
    contains only strata with smaller path ranks because ranks cannot grow in a limit, and
    weights with the same strings are one orbit of a connected group.  That smaller path ranks
    suffice is Kempken's theorem, which applies to the part of the weights complementary to the
    full intervals, a nilpotent representation of the cycle.

    References
    ----------
    Kempken (1982), Eine Darstellung des Köchers Ã_k, Bonner Math. Schriften 137.

    Examples
    --------
    >>> [s.dimension for s in components(critical_strata((2, 1, 1, 2), 0, 2))]
    [3, 1]
    """
    if not strata:
        return ()
    keys = [flatten(s.path_ranks()) for s in strata]
    chosen = sorted(maximal(keys), key=lambda i: (-strata[i].dimension, [-x for x in keys[i]]))
    return tuple(strata[i] for i in chosen)


def strings_of_ranks(ranks: RankArray, through: Sequence[Sequence[int]]) -> Strings:
    """Return the strings with these ranks; the inverse of `Strings.path_ranks`.

    Parameters
    ----------
    ranks : RankArray
        Ranks of the partial products of the weights.
    through : (h + 1) × (h + 1) table
        Entry ``[i][j]`` is rank(W_{>i}ᵀ G W_{≤j}ᵀ), the number of pairs with p ≤ i and q ≥ j.

    Raises
    ------
    ShapeError
        If no critical weights have these ranks.

    Notes
    -----
    Cost: O(h²).

    Examples
    --------
    >>> str(strings_of_ranks(((1, 0, 0), (1, 0), (1,)), [[0, 0, 0], [0, 0, 0], [1, 0, 0]]))
    '[2,2]~[0,0] + [1,1]'
    """
    h = len(ranks) - 1
    free, matched = Counter(multiplicities(ranks)), {}
    full = free.pop((0, h), 0)
    for p in range(h + 1):
        for q in range(h + 1):
            count = through[p][q] - (through[p - 1][q] if p else 0)
            if q < h:
                count -= through[p][q + 1] - (through[p - 1][q + 1] if p else 0)
            if count:
                matched[p, q] = count
                free[p, h] -= count
                free[0, q] -= count
    if any(count < 0 for count in free.values()):
        raise ShapeError("no critical weights have these ranks: more pairs than tops or bottoms")
    kept = tuple(sorted((interval, count) for interval, count in free.items() if count))
    return Strings(h, full, kept, tuple(sorted(matched.items())))
