"""Polynomial equations of the matrices of bounded rank, as SymPy expressions.

Expressions, not `Poly` objects: they print, substitute and differentiate at once, and
``sympy.Poly(f, *symbols)`` turns one into a polynomial of a chosen ring.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

from detvar.errors import InputError
from detvar.exact.latex import displayed
from detvar.exact.matrices import matrix, pivot_columns, rank


def entry_symbols(m: int, n: int) -> Any:
    """Return the m×n SymPy matrix of symbols w_11, w_12, …; w_1_1, … if a side exceeds 9.

    >>> entry_symbols(1, 2)
    Matrix([[w_11, w_12]])
    """
    import sympy

    gap = "_" if max(m, n) > 9 else ""
    return sympy.Matrix(m, n, lambda i, j: sympy.Symbol(f"w_{i + 1}{gap}{j + 1}"))


def _sign(order: Sequence[int]) -> int:
    inversions = sum(a > b for a, b in combinations(order, 2))
    return -1 if inversions % 2 else 1


def minor(w: Any, rows: Sequence[int], columns: Sequence[int]) -> Any:
    """Return the minor of a symbolic matrix as an expanded sum of k! products (1 for k = 0)."""
    import sympy

    if not rows:
        return sympy.Integer(1)
    return sympy.Add(
        *(
            sympy.Mul(_sign(order), *(w[i, columns[j]] for i, j in zip(rows, order, strict=True)))
            for order in permutations(range(len(rows)))
        )
    )


def ideal(m: int, n: int, r: int) -> list[Any]:
    """Return the (r+1)-minors of the generic m×n matrix, the generators of the prime ideal of M_r.

    Parameters
    ----------
    m, n, r : int

    Returns
    -------
    list of C(m, r+1)·C(n, r+1) SymPy expressions in the symbols of `entry_symbols`

    Notes
    -----
    **Cost.** Each minor has (r+1)! terms.
    **Validity.** The ideal is prime over every field, and the minors are a Gröbner basis for
    every order in which the main (or the antidiagonal) term of each minor leads.

    References
    ----------
    Bruns, Vetter (1988), Determinantal Rings, Section 2; Sturmfels (1990), Gröbner bases and
    Stanley decompositions of determinantal rings.

    Examples
    --------
    >>> ideal(2, 2, 1)
    [w_11*w_22 - w_12*w_21]
    """
    w = entry_symbols(m, n)
    return [
        minor(w, rows, columns)
        for rows in combinations(range(m), r + 1)
        for columns in combinations(range(n), r + 1)
    ]


@dataclass(frozen=True)
class LocalEquations:
    """Equations of the matrices of rank ≤ r in the chart where one minor does not vanish.

    Attributes
    ----------
    rows, columns : tuple of int
        Pivot rows I and columns J, from 0; the chart is {det w_IJ ≠ 0} and contains the point.
    rank_bound : int
        r.
    symbols : SymPy matrix
        The m×n matrix w of unknowns.
    equations : tuple of SymPy expressions
        The (r+1)-minors that contain the pivot block.  At a smooth point these are
        (m−r)(n−r) equations det w_IJ · S_ij with independent differentials, where
        S = w_DC − w_DJ w_IJ⁻¹ w_IC is the Schur complement, D and C the other rows and columns.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    rank_bound: int
    symbols: Any
    equations: tuple[Any, ...]

    @property
    def pivot(self) -> Any:
        """The minor det w_IJ that is not zero in the chart (1 at the zero matrix)."""
        return minor(self.symbols, self.rows, self.columns)

    @property
    def other_rows(self) -> tuple[int, ...]:
        """The rows D of the Schur complement."""
        return _others(self.symbols.rows, self.rows)

    @property
    def other_columns(self) -> tuple[int, ...]:
        """The columns C of the Schur complement."""
        return _others(self.symbols.cols, self.columns)

    def schur_complement(self) -> Any:
        """Return S, a SymPy matrix of rational functions; the variety is {rk S ≤ r − e}.

        Each entry is a bordered minor divided by the pivot minor.
        """
        import sympy

        d, c, pivot = self.other_rows, self.other_columns, self.pivot
        bordered = [
            minor(self.symbols, (*self.rows, i), (*self.columns, j)) / pivot for i in d for j in c
        ]
        return sympy.Matrix(len(d), len(c), bordered)

    def __str__(self) -> str:
        one = len(self.equations) == 1
        count = f"{len(self.equations)} equation{'' if one else 's'}"
        if not self.rows:
            return f"{count} around the zero matrix"
        i = ", ".join(str(x + 1) for x in self.rows)
        j = ", ".join(str(x + 1) for x in self.columns)
        return f"{count} where the minor of rows {i} and columns {j} is not zero"

    def to_latex(self) -> str:
        """Return the equations in LaTeX, one on each line, and the pivot that is not zero."""
        from sympy import latex

        lines = [f"{latex(f)}&=0" for f in self.equations]
        if self.rows:
            lines.append(rf"{latex(self.pivot)}&\ne 0")
        body = r"\\".join(lines)
        return rf"\begin{{aligned}}{body}\end{{aligned}}"

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return plain data: rows and columns from 0, rank_bound, pivot and equations as text."""
        return {
            "rows": list(self.rows),
            "columns": list(self.columns),
            "shape": [self.symbols.rows, self.symbols.cols],
            "rank_bound": self.rank_bound,
            "pivot": str(self.pivot),
            "equations": [str(f) for f in self.equations],
        }

    @classmethod
    def from_json(cls, data: Any) -> LocalEquations:
        """Return the equations that `to_json` wrote; they are rebuilt, the texts are not parsed."""
        try:
            rows, columns = tuple(data["rows"]), tuple(data["columns"])
            (m, n), r = data["shape"], data["rank_bound"]
            return _in_chart(int(m), int(n), int(r), rows, columns)
        except (KeyError, TypeError, ValueError, IndexError):
            raise InputError(
                "local equations need the fields rows, columns, shape, rank_bound"
            ) from None


def _others(size: int, taken: Iterable[int]) -> tuple[int, ...]:
    chosen = set(taken)
    return tuple(i for i in range(size) if i not in chosen)


def _in_chart(
    m: int, n: int, r: int, rows: tuple[int, ...], columns: tuple[int, ...]
) -> LocalEquations:
    w = entry_symbols(m, n)
    more = r + 1 - len(rows)
    equations = tuple(
        minor(w, (*rows, *i), (*columns, *j))
        for i in combinations(_others(m, rows), more)
        for j in combinations(_others(n, columns), more)
    )
    return LocalEquations(rows, columns, r, w, equations)


def local_equations(W: Any, r: int) -> LocalEquations:
    """Return equations of {rank ≤ r} near W: the (r+1)-minors containing a pivot block of W.

    With e = rk W and pivot rows I and columns J of size e, Sylvester's identity says
    det w_{I∪A, J∪B} = det w_IJ · det S_{AB}, so where det w_IJ ≠ 0 these minors say rk S ≤ r − e.

    Parameters
    ----------
    W : m×n matrix of rank e ≤ r
    r : int

    Returns
    -------
    LocalEquations
        With C(m−e, r+1−e)·C(n−e, r+1−e) equations; (m−r)(n−r) of them if e = r.

    Notes
    -----
    **Cost.** (r+1)! terms in each equation.
    **Validity.** They generate the ideal of the variety in the whole chart, not only near W.

    Examples
    --------
    >>> eqs = local_equations([[0, 0], [0, 3]], 1)
    >>> print(eqs)
    1 equation where the minor of rows 2 and columns 2 is not zero
    >>> eqs.equations
    (w_11*w_22 - w_12*w_21,)
    >>> eqs.schur_complement()
    Matrix([[(w_11*w_22 - w_12*w_21)/w_22]])
    """
    w = matrix(W, "W")
    if (e := rank(w)) > r:
        raise InputError(f"W has rank {e}, which exceeds {r}: give a matrix of rank at most {r}")
    rows, columns = tuple(pivot_columns(w.transpose())), tuple(pivot_columns(w))
    return _in_chart(w.nrows(), w.ncols(), r, rows, columns)
