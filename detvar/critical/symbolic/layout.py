"""Names and order: the strings of a family, the parameters they need, and the ring they live in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product as pairs_of
from typing import Any

from detvar.critical.symbolic.algebras import numerator, simplest, to_expressions
from detvar.exact.rational_functions import Polynomial, polynomial_ring
from detvar.losses.rows import Rows
from detvar.networks.barcodes import Interval
from detvar.networks.strings import Strings


@dataclass(frozen=True)
class Layout:
    """The strings in a fixed order: full, tops, bottoms, middles; joined ones before free ones."""

    strings: Strings

    @cached_property
    def tops(self) -> list[int]:
        """The first layers p of the tops [p, h]."""
        s = self.strings
        matched = [p for (p, _), count in s.matched for _ in range(count)]
        return matched + [p for (p, q), k in s.free if q == s.depth for _ in range(k)]

    @cached_property
    def bottoms(self) -> list[int]:
        """The last layers q of the bottoms [0, q]."""
        s = self.strings
        matched = [q for (_, q), count in s.matched for _ in range(count)]
        return matched + [q for (p, q), k in s.free if p == 0 for _ in range(k)]

    @cached_property
    def intervals(self) -> list[Interval]:
        """All strings, joined ones taken apart into top and bottom."""
        s, h = self.strings, self.strings.depth
        middles = [(p, q) for (p, q), k in s.free if p > 0 and q < h for _ in range(k)]
        tops, bottoms = [(p, h) for p in self.tops], [(0, q) for q in self.bottoms]
        return [*[(0, h)] * s.full, *tops, *bottoms, *middles]

    def alive(self, layer: int) -> list[int]:
        """Return the strings that visit a layer; at both ends, those that visit the next one."""
        h = self.strings.depth
        inner = min(max(layer, 1), h - 1) if h > 1 else 1 - layer
        return [
            k
            for k, (p, q) in enumerate(self.intervals)
            if p <= layer <= q and (0 < layer < h or p <= inner <= q)
        ]

    def mixing(self) -> list[tuple[str, int, int]]:
        """Return the changes of the frames at the ends that no change of hidden bases undoes.

        A multiple of string a can be added to string b at an end.  This comes from a homomorphism
        b → a of strings, and so from hidden bases, if a starts no later and ends no later than b.
        Letters: a for columns, b for rows, y for both ends of two joined strings.

        Examples
        --------
        >>> Layout(Strings(2, 0, (((1, 2), 1), ((2, 2), 1)), (((2, 0), 1),))).mixing()
        [('a', 2, 1)]
        """
        p, q, k = self.tops, self.bottoms, self.strings.residual_rank
        joined, columns, rows = range(k), range(len(p)), range(len(q))
        return [
            *(("y", a, b) for a in joined for b in joined if p[a] > p[b] or q[a] > q[b]),
            *(("a", a, b) for a, b in pairs_of(columns[k:], columns) if p[a] > p[b]),
            *(("b", a, b) for a, b in pairs_of(rows, rows[k:]) if q[a] > q[b]),
        ]


class Ring:
    """Q[λ, t] for the eigenvalues and parameters of one family, and matrices of its variables."""

    def __init__(self, roots: Sequence[str], parameters: Sequence[str]) -> None:
        # with the last λ first, the leading monomials of the relations are powers of the λ's
        self.names = [*reversed(roots), *parameters]
        self.parameters = tuple(parameters)
        generators = polynomial_ring(self.names or ["unused"])
        self.variables = dict(zip(self.names, generators, strict=False))
        self.one = generators[0] * 0 + 1
        self.zero = self.one * 0

    def block(self, name: str, rows: int, cols: int) -> Rows:
        """Return the matrix of the variables name_i_j."""
        v = self.variables
        return [[v[f"{name}_{i + 1}_{j + 1}"] for j in range(cols)] for i in range(rows)]

    def mixed(self, letter: str, rows: range, cols: range) -> Rows:
        """Return the matrix with 1 on the diagonal, and elsewhere variables where there are any."""
        return [
            [
                self.one if a == b else self.variables.get(entry(letter, a, b), self.zero)
                for b in cols
            ]
            for a in rows
        ]

    def expressions(self, elements: Sequence[Any], denominators: Sequence[Any] = ()) -> list[Any]:
        """Return polynomials, or quotients of two, as SymPy expressions.

        Denominators are written with the sign that they have in the given list.
        """
        import sympy

        pairs = []
        for x in map(simplest, elements):
            top, low = numerator(x), getattr(x, "denominator", self.one)
            pairs.append((-top, -low) if -low in denominators else (top, low))
        distinct: list[Polynomial] = []
        for _, low in pairs:
            if low not in distinct:
                distinct.append(low)
        symbols = [sympy.Symbol(name) for name in self.names]
        written = to_expressions([*(top for top, _ in pairs), *distinct], symbols)
        below = [sympy.Pow(x, -1) for x in written[len(pairs) :]]
        return [
            sympy.Mul(x, below[distinct.index(low)])
            for x, (_, low) in zip(written, pairs, strict=False)
        ]

    def matrix(self, rows: Rows, m: int, n: int, denominators: Sequence[Any] = ()) -> Any:
        """Return an m×n SymPy matrix; the shape is needed where it has no entries."""
        import sympy

        entries = self.expressions([x for row in rows for x in row], denominators)
        return sympy.ImmutableMatrix(m, n, entries)


def entry(name: str, i: int, j: int) -> str:
    """Return the name of an entry, counted from 1."""
    return f"{name}_{i + 1}_{j + 1}"


def entries(blocks: Mapping[str, tuple[int, int]]) -> list[str]:
    """Return the names of all entries of the matrices with these sizes."""
    return [
        entry(name, i, j)
        for name, (rows, cols) in blocks.items()
        for i in range(rows)
        for j in range(cols)
    ]
