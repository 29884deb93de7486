"""Matrices over any commutative algebra, as plain lists of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

Rows = list[list[Any]]


def added(terms: Sequence[Any]) -> Any:
    """Return the sum of at least one element.

    SymPy expressions are added in one step, which takes linear time.
    """
    if any(hasattr(t, "free_symbols") for t in terms):
        import sympy

        return sympy.Add(*terms)
    total = terms[0]
    for t in terms[1:]:
        total = total + t
    return total


def product(a: Rows, b: Rows) -> Rows:
    """Return the matrix product.

    >>> product([[1, 2]], [[3], [4]])
    [[11]]
    """
    columns = transposed(b)
    return [
        [added([x * y for x, y in zip(row, column, strict=True)]) for column in columns]
        for row in a
    ]


def transposed(a: Rows) -> Rows:
    """Return the transpose."""
    return [list(column) for column in zip(*a, strict=True)]


def entrywise(f: Callable[[Any, Any], Any], a: Rows, b: Rows) -> Rows:
    """Return the matrix with entries f(a_ij, b_ij)."""
    return [[f(x, y) for x, y in zip(p, q, strict=True)] for p, q in zip(a, b, strict=True)]


def difference(a: Rows, b: Rows) -> Rows:
    """Return a − b."""
    return entrywise(lambda x, y: x - y, a, b)


def determinant(a: Rows) -> Any:
    """Return the determinant, by expansion along the first row; for small matrices.

    >>> determinant([[1, 2], [3, 4]])
    -2
    """
    if len(a) == 1:
        return a[0][0]
    terms = []
    for j, x in enumerate(a[0]):
        minor = determinant([row[:j] + row[j + 1 :] for row in a[1:]])
        terms.append(x * minor if j % 2 == 0 else -x * minor)
    return added(terms)


def minors(a: Rows, k: int) -> list[Any]:
    """Return all k×k minors, rows first; none if k is larger than the matrix.

    >>> minors([[1, 2, 3]], 1)
    [1, 2, 3]
    """
    return [
        determinant([[a[i][j] for j in columns] for i in chosen])
        for chosen in combinations(range(len(a)), k)
        for columns in combinations(range(len(a[0])), k)
    ]
