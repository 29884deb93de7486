"""Matrices over Q, as FLINT's ``fmpq_mat``: entry, shape, rank, subspaces, charpoly.

There is no matrix class of our own.  ``+``, ``-``, ``*``, ``.transpose()``, ``A[i, j]``,
``.nrows()`` and ``.ncols()`` are FLINT's; this module adds what the upper floors need.
Matrices with no rows or no columns are allowed throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

from flint import fmpq, fmpq_mat, fmpq_poly, fmpz_mat

from detvar.errors import NotExactError, ShapeError
from detvar.exact.rational import rational, to_text

Matrix = fmpq_mat
_NO_ROWS = (str, bytes, dict, set, frozenset)  # iterable, but without an order of entries


def matrix(rows: Any, name: str = "the matrix") -> fmpq_mat:
    """Return the exact matrix with the given rows.

    Parameters
    ----------
    rows : nested sequence, SymPy matrix, integer NumPy array, fmpz_mat or fmpq_mat
        At least one row and one column; entries as in `rational`.
    name : str
        How to call the matrix in an error message.

    Raises
    ------
    ShapeError
        If the rows have different lengths, or there is no row or no column.
    NotExactError
        If an entry is not an exact number; the message gives its position, from 0.

    Examples
    --------
    >>> A = matrix([[1, "1/2"], [0, 3]])
    >>> A[0, 1]
    1/2
    >>> matrix([[1, 2], [3]], "X")
    Traceback (most recent call last):
    ...
    detvar.errors.ShapeError: X is ragged: row 0 has 2 entries and row 1 has 1; give all rows \
the same length
    """
    if isinstance(rows, fmpq_mat):
        return fmpq_mat(rows)  # a copy: FLINT matrices can be changed in place
    if isinstance(rows, fmpz_mat):
        return fmpq_mat(rows)
    if hasattr(rows, "tolist"):  # SymPy and NumPy alike
        rows = rows.tolist()
    if isinstance(rows, _NO_ROWS) or not isinstance(rows, Iterable):
        raise ShapeError(f"{name} must be a list of rows, such as [[1, 0], [0, 1]]")
    table: list[list[Any]] = []
    for i, row in enumerate(rows):
        if isinstance(row, _NO_ROWS) or not isinstance(row, Iterable):
            raise ShapeError(f"row {i} of {name} must be a list of numbers, such as [1, 0]")
        table.append(list(row))
    if not table or not table[0]:
        raise ShapeError(f"{name} is empty: give at least one row and one column")
    for i, row in enumerate(table):
        if len(row) != len(table[0]):
            raise ShapeError(
                f"{name} is ragged: row 0 has {len(table[0])} entries and row {i} has "
                f"{len(row)}; give all rows the same length"
            )
    return fmpq_mat(
        len(table),
        len(table[0]),
        [
            rational(x, f"{name}[{i}][{j}]")
            for i, row in enumerate(table)
            for j, x in enumerate(row)
        ],
    )


def shape(a: fmpq_mat) -> tuple[int, int]:
    """Return (rows, columns)."""
    return a.nrows(), a.ncols()


def identity(n: int) -> fmpq_mat:
    """Return the n×n identity matrix."""
    return diagonal([fmpq(1)] * n)


def zeros(m: int, n: int) -> fmpq_mat:
    """Return the m×n zero matrix."""
    return fmpq_mat(m, n)


def diagonal(
    entries: Sequence[Any], rows: int | None = None, columns: int | None = None
) -> fmpq_mat:
    """Return the matrix (square unless a shape is given) with these diagonal entries.

    >>> to_text_rows(diagonal([2, 1], 2, 3))
    [['2', '0', '0'], ['0', '1', '0']]
    """
    k = len(entries)
    d = fmpq_mat(k if rows is None else rows, k if columns is None else columns)
    for i, x in enumerate(entries):
        d[i, i] = x
    return d


def to_text_rows(a: fmpq_mat) -> list[list[str]]:
    """Return the rows as lists of ``"p/q"`` strings, the JSON form of a matrix."""
    return [[to_text(x) for x in row] for row in a.tolist()]


def to_sympy(a: fmpq_mat) -> Any:
    """Return the same matrix as a `sympy.Matrix` of rationals."""
    import sympy

    entries = [sympy.Rational(int(x.p), int(x.q)) for x in a.entries()]
    return sympy.Matrix(a.nrows(), a.ncols(), entries)


def is_zero(a: fmpq_mat) -> bool:
    """Say whether every entry is 0 (true for an empty matrix)."""
    return not any(a.entries())


def is_symmetric(a: fmpq_mat) -> bool:
    """Say whether the matrix equals its transpose."""
    return a.nrows() == a.ncols() and a == a.transpose()


def rank(a: fmpq_mat) -> int:
    """Return the rank over Q (multimodular elimination in FLINT; O(mn·min(m, n)) operations).

    >>> rank(matrix([[1, 2], [2, 4]]))
    1
    """
    return int(a.rank()) if a.nrows() and a.ncols() else 0


def submatrix(a: fmpq_mat, rows: Sequence[int], columns: Sequence[int]) -> fmpq_mat:
    """Return the matrix with the given rows and columns of `a`, in the given order."""
    return fmpq_mat(len(rows), len(columns), [a[i, j] for i in rows for j in columns])


def columns(a: fmpq_mat, which: Sequence[int]) -> fmpq_mat:
    """Return the given columns of `a`."""
    return submatrix(a, range(a.nrows()), which)


def hstack(*blocks: fmpq_mat) -> fmpq_mat:
    """Return the blocks side by side."""
    m = blocks[0].nrows()
    tables = [b.tolist() for b in blocks]
    entries = [x for parts in zip(*tables, strict=True) for part in parts for x in part]
    return fmpq_mat(m, sum(b.ncols() for b in blocks), entries)


def vstack(*blocks: fmpq_mat) -> fmpq_mat:
    """Return the blocks on top of each other."""
    entries = [x for b in blocks for x in b.entries()]
    return fmpq_mat(sum(b.nrows() for b in blocks), blocks[0].ncols(), entries)


def kron(a: fmpq_mat, b: fmpq_mat) -> fmpq_mat:
    """Return the Kronecker product a ⊗ b, with (a⊗b) vec(X) = vec(a X bᵀ) for row-major vec.

    >>> a, b = matrix([[1, 2]]), matrix([[0, 1]])
    >>> to_text_rows(kron(a, b))
    [['0', '1', '0', '2']]
    """
    ta, tb = a.tolist(), b.tolist()
    return fmpq_mat(
        a.nrows() * b.nrows(),
        a.ncols() * b.ncols(),
        [x * y for ra in ta for rb in tb for x in ra for y in rb],
    )


def vec(a: fmpq_mat) -> fmpq_mat:
    """Return the entries, row by row, as one column."""
    return fmpq_mat(a.nrows() * a.ncols(), 1, a.entries())


def unvec(v: fmpq_mat | Sequence[fmpq], m: int, n: int) -> fmpq_mat:
    """Return the m×n matrix whose row-major entries are `v`; the inverse of `vec`."""
    return fmpq_mat(m, n, v.entries() if isinstance(v, fmpq_mat) else list(v))


def inner(a: fmpq_mat, b: fmpq_mat) -> fmpq:
    """Return the Frobenius inner product ⟨a, b⟩ = tr(aᵀb)."""
    return sum((x * y for x, y in zip(a.entries(), b.entries(), strict=True)), fmpq(0))


def trace(a: fmpq_mat) -> fmpq:
    """Return the trace."""
    return sum((a[i, i] for i in range(a.nrows())), fmpq(0))


def pivot_columns(a: fmpq_mat) -> list[int]:
    """Return the indices of the pivot columns of the reduced row echelon form."""
    return _pivots(*a.rref()) if a.nrows() and a.ncols() else []


def _pivots(echelon: fmpq_mat, r: int) -> list[int]:
    """Return where the r leading ones of a reduced row echelon form stand."""
    out, j = [], 0
    for i in range(r):
        while not echelon[i, j]:
            j += 1
        out.append(j)
    return out


def column_space(a: fmpq_mat) -> fmpq_mat:
    """Return a basis of the image: the pivot columns of `a`, as an m×rank matrix."""
    return columns(a, pivot_columns(a))


def row_space(a: fmpq_mat) -> fmpq_mat:
    """Return a basis of the row space, as the rows of a rank×n matrix in echelon form."""
    if not a.nrows() or not a.ncols():
        return fmpq_mat(0, a.ncols())
    r, k = a.rref()
    return submatrix(r, range(k), range(a.ncols()))


def nullspace(a: fmpq_mat) -> fmpq_mat:
    """Return a basis of {x : a x = 0}, as the columns of an n×(n−rank) matrix.

    >>> A = matrix([[1, 2, 3], [2, 4, 6]])
    >>> shape(nullspace(A)), is_zero(A * nullspace(A))
    ((3, 2), True)
    """
    n = a.ncols()
    if not a.nrows() or not n:
        return identity(n)
    r, k = a.rref()
    pivots = _pivots(r, k)
    chosen = set(pivots)
    free = [j for j in range(n) if j not in chosen]
    basis = fmpq_mat(n, len(free))
    for c, j in enumerate(free):
        basis[j, c] = 1
        for i, p in enumerate(pivots):
            basis[p, c] = -r[i, j]
    return basis


def complement(a: fmpq_mat) -> fmpq_mat:
    """Return a basis of {x : aᵀ x = 0}, the orthogonal complement of the column space."""
    return nullspace(a.transpose())


def extend_basis(a: fmpq_mat, by: fmpq_mat) -> list[int]:
    """Return indices of columns of `by` that extend the independent columns of `a` to a
    basis of Col a + Col by, taken greedily from the left."""
    k = a.ncols()
    return [j - k for j in pivot_columns(hstack(a, by)) if j >= k]


def inverse(a: fmpq_mat) -> fmpq_mat:
    """Return the inverse of an invertible matrix; raise `ShapeError` if it has none."""
    if a.nrows() != a.ncols():
        raise ShapeError(f"a {a.nrows()}×{a.ncols()} matrix has no inverse: give a square one")
    if not a.nrows():
        return a
    try:
        return a.inv()
    except ZeroDivisionError:
        raise ShapeError("the matrix is singular: give an invertible one") from None


def left_inverse(a: fmpq_mat) -> fmpq_mat:
    """Return (aᵀa)⁻¹aᵀ, the Moore–Penrose inverse of a matrix of full column rank."""
    t = a.transpose()
    return inverse(t * a) * t


def projector(a: fmpq_mat) -> fmpq_mat:
    """Return the orthogonal projector onto Col a; `a` must have full column rank."""
    return a * left_inverse(a)


def charpoly(a: fmpq_mat) -> fmpq_poly:
    """Return det(t·I − a), monic, as a polynomial over Q.

    >>> str(charpoly(matrix([[0, 2], [1, 0]])))
    'x^2 + (-2)'
    """
    return a.charpoly() if a.nrows() else fmpq_poly([1])


def determinant(a: fmpq_mat) -> fmpq:
    """Return the determinant (1 for the empty matrix)."""
    return a.det() if a.nrows() else fmpq(1)


def minors(a: fmpq_mat, k: int) -> dict[tuple[tuple[int, ...], tuple[int, ...]], fmpq]:
    """Return all k×k minors, keyed by (row indices, column indices).

    Cost: C(m, k)·C(n, k) determinants of FLINT.

    >>> minors(matrix([[1, 2], [3, 4]]), 2)
    {((0, 1), (0, 1)): -2}
    """
    return {
        (i, j): determinant(submatrix(a, i, j))
        for i in combinations(range(a.nrows()), k)
        for j in combinations(range(a.ncols()), k)
    }


def chain(*factors: fmpq_mat) -> fmpq_mat:
    """Return the product of the factors, from left to right."""
    out = factors[0]
    for f in factors[1:]:
        out = out * f
    return out


def require_shape(a: fmpq_mat, m: int, n: int, name: str) -> None:
    """Raise `ShapeError` unless `a` is m×n."""
    if shape(a) != (m, n):
        raise ShapeError(f"{name} is {a.nrows()}×{a.ncols()}: give a {m}×{n} matrix")


def require_exact(x: Any, name: str) -> None:
    """Raise `NotExactError` if `x` is a floating array, before any entry is looked at."""
    kind = getattr(getattr(x, "dtype", None), "kind", None)
    if kind in ("f", "c", "b"):
        raise NotExactError(f"{name} is an array of {x.dtype}: give integers, or fractions as text")
