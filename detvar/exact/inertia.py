"""Inertia of a symmetric matrix over Q, by two routes that share no step.

`inertia` reads the signs off the characteristic polynomial; `ldlt` eliminates with 1×1 and
2×2 pivots and yields vectors that *show* a sign.  Labels are found by the first and
certificates re-checked by the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from flint import fmpq, fmpq_mat

from detvar.errors import ShapeError
from detvar.exact import latex
from detvar.exact.matrices import is_symmetric


class Inertia(NamedTuple):
    """Numbers of positive, negative and zero eigenvalues, with multiplicity."""

    positive: int
    negative: int
    zero: int

    def padded(self, zeros: int) -> Inertia:
        """Return the inertia of A ⊕ 0 with a zero block of the given size.

        >>> Inertia(2, 1, 0).padded(3)
        Inertia(positive=2, negative=1, zero=3)
        """
        return Inertia(self.positive, self.negative, self.zero + zeros)

    def to_latex(self) -> str:
        """Return (positive, negative, zero) in LaTeX."""
        return latex.signature(self)

    def _repr_latex_(self) -> str:
        return latex.displayed(self)


def inertia(a: fmpq_mat) -> Inertia:
    """Return the inertia of a symmetric matrix from the signs of det(t·I − A).

    All roots of the characteristic polynomial of a symmetric matrix are real, so Descartes'
    rule counts the positive ones exactly: as many as there are sign changes among the
    non-zero coefficients.  The multiplicity of the root 0 is the order of vanishing.

    Parameters
    ----------
    a : fmpq_mat
        n×n, symmetric.

    Raises
    ------
    ShapeError
        If the matrix is not symmetric.

    Notes
    -----
    **Cost**: one characteristic polynomial of an integer matrix (modular, in FLINT).

    Examples
    --------
    >>> from detvar.exact.matrices import matrix
    >>> inertia(matrix([[0, 1], [1, 0]]))
    Inertia(positive=1, negative=1, zero=0)
    """
    n = _require_symmetric(a)
    if n == 0:
        return Inertia(0, 0, 0)
    numerator, _ = a.numer_denom()
    coefficients = numerator.charpoly().coeffs()
    zero = next(i for i, c in enumerate(coefficients) if c)
    signs = [c > 0 for c in coefficients if c]
    positive = sum(s != t for s, t in zip(signs, signs[1:], strict=False))
    return Inertia(positive, n - zero - positive, zero)


@dataclass(frozen=True)
class LDLT:
    """A factorisation A = L D Lᵀ with D block diagonal (blocks 1×1, or [[0, b], [b, 0]]).

    `columns` holds the non-trivial columns of L (each of length n, in the order of A), and
    `blocks` the pivots: ``(d,)`` for a column with pivot d, ``(0, b)`` for a pair of columns.
    """

    size: int
    columns: tuple[tuple[fmpq, ...], ...]
    blocks: tuple[tuple[fmpq, ...], ...]
    rows: tuple[int, ...]

    @property
    def inertia(self) -> Inertia:
        """Inertia of A, by Sylvester's law: that of D."""
        pairs = sum(len(b) == 2 for b in self.blocks)
        positive = pairs + sum(len(b) == 1 and b[0] > 0 for b in self.blocks)
        negative = pairs + sum(len(b) == 1 and b[0] < 0 for b in self.blocks)
        return Inertia(positive, negative, self.size - positive - negative)

    def product(self) -> fmpq_mat:
        """Return L D Lᵀ, multiplied out."""
        out = fmpq_mat(self.size, self.size)
        k = 0
        for block in self.blocks:
            if len(block) == 1:
                c = fmpq_mat(self.size, 1, list(self.columns[k]))
                out = out + c * (c.transpose() * block[0])
            else:
                c = fmpq_mat(self.size, 1, list(self.columns[k]))
                d = fmpq_mat(self.size, 1, list(self.columns[k + 1]))
                out = out + (c * d.transpose() + d * c.transpose()) * block[1]
            k += len(block)
        return out

    def direction(self, sign: int) -> fmpq_mat | None:
        """Return a column x with sign·xᵀAx > 0, or None when there is none.

        The pivot rows of L form a unit triangular system; solving Lᵀx = e against them gives
        xᵀAx = eᵀDe.
        """
        k = 0
        for block in self.blocks:
            if len(block) == 1 and (block[0] > 0) == (sign > 0):
                return self._lift({k: fmpq(1)})
            if len(block) == 2:
                return self._lift(
                    {k: fmpq(1), k + 1: fmpq(1 if (block[1] > 0) == (sign > 0) else -1)}
                )
            k += len(block)
        return None

    def _lift(self, e: dict[int, fmpq]) -> fmpq_mat:
        x = fmpq_mat(self.size, 1)
        values: dict[int, fmpq] = {}
        for k in range(max(e), -1, -1):
            column = self.columns[k]
            v = e.get(k, fmpq(0)) - sum((column[self.rows[j]] * values[j] for j in values), fmpq(0))
            values[k] = v
            x[self.rows[k], 0] = v
        return x


def ldlt(a: fmpq_mat) -> LDLT:
    """Factor a symmetric matrix as A = L D Lᵀ over Q, with symmetric pivoting.

    The pivot is a diagonal entry of least height while there is one, and otherwise a 2×2
    block [[0, b], [b, 0]]; the elimination ends when the remaining block is zero.

    Raises
    ------
    ShapeError
        If the matrix is not symmetric.

    Notes
    -----
    **Cost**: n³/3 rational operations in Python with growing entries; meant for n ≤ 200.

    Examples
    --------
    >>> from detvar.exact.matrices import matrix
    >>> A = matrix([[0, 1], [1, 0]])
    >>> F = ldlt(A)
    >>> F.product() == A, F.inertia
    (True, Inertia(positive=1, negative=1, zero=0))
    """
    n = _require_symmetric(a)
    rest = a.tolist()
    alive = list(range(n))
    columns: list[tuple[fmpq, ...]] = []
    blocks: list[tuple[fmpq, ...]] = []
    rows: list[int] = []
    while alive:
        diagonal = [i for i in alive if rest[i][i]]
        if diagonal:
            p = min(diagonal, key=lambda i: rest[i][i].height_bits())
            d = rest[p][p]
            column = [fmpq(0)] * n
            for i in alive:
                column[i] = rest[i][p] / d
            alive.remove(p)
            support = [i for i in alive if column[i]]
            for i in support:
                factor, row = rest[p][i], rest[i]
                for j in support:
                    if j <= i:
                        row[j] -= factor * column[j]
                        rest[j][i] = row[j]
            columns.append(tuple(column))
            blocks.append((d,))
            rows.append(p)
            continue
        pair = next(((i, j) for i in alive for j in alive if j < i and rest[i][j]), None)
        if pair is None:
            break
        p, q = pair
        b = rest[p][q]
        first, second = [fmpq(0)] * n, [fmpq(0)] * n
        for i in alive:
            first[i], second[i] = rest[i][q] / b, rest[i][p] / b
        alive.remove(p)
        alive.remove(q)
        for i in alive:
            for j in alive:
                if j <= i:
                    change = b * (first[i] * second[j] + second[i] * first[j])
                    rest[i][j] -= change
                    rest[j][i] = rest[i][j]
        columns += [tuple(first), tuple(second)]
        blocks.append((fmpq(0), b))
        rows += [p, q]
    return LDLT(n, tuple(columns), tuple(blocks), tuple(rows))


def is_positive_semidefinite(a: fmpq_mat) -> bool:
    """Say whether xᵀAx ≥ 0 for all x, by the characteristic polynomial (see `inertia`)."""
    return inertia(a).negative == 0


def is_positive_definite(a: fmpq_mat) -> bool:
    """Say whether xᵀAx > 0 for all x ≠ 0, by the characteristic polynomial (see `inertia`)."""
    return inertia(a).positive == a.nrows()


def _require_symmetric(a: fmpq_mat) -> int:
    if not is_symmetric(a):
        raise ShapeError("the matrix is not symmetric: give one that equals its transpose")
    return int(a.nrows())
