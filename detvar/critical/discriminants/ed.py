"""The ED discriminant of the matrices of bounded rank: data with coinciding singular values.

For ½‖W − Z‖² the critical points of any rank keep some singular values of Z, so that their number
changes exactly where two of them coincide or one vanishes: on disc_s det(s − ZZᵀ) = 0 and on
det ZZᵀ = 0, for k = m ≤ n rows.  Both are the same for all ranks 0 < r < k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from detvar.critical.discriminants.plane import determinant
from detvar.errors import InputError
from detvar.exact.latex import displayed
from detvar.exact.matrices import charpoly, matrix, require_shape
from detvar.exact.rational import Rational
from detvar.exact.rational_functions import Polynomial, polynomial_ring

_LIMITS = {2: 12, 3: 3}
Rows = list[list[Polynomial]]


@dataclass(frozen=True)
class EDDiscriminant:
    """disc_s det(s − ZZᵀ) for m×n matrices Z, a polynomial of degree 2k(k − 1), k = min(m, n).

    Its complex zeros are a hypersurface; its real zeros have codimension at least 2, because it
    is a sum of squares of polynomials.

    Attributes
    ----------
    rows, columns : m, n

    Examples
    --------
    >>> d = ed_discriminant(2, 2)
    >>> for f, _ in d.factors():
    ...     print(f)
    z11^2 + z12^2 + 2*z12*z21 + z21^2 - 2*z11*z22 + z22^2
    z11^2 + z12^2 - 2*z12*z21 + z21^2 + 2*z11*z22 + z22^2
    >>> d.degree, d.at([[2, 0], [0, 1]])
    (4, 9)
    """

    rows: int
    columns: int

    @property
    def size(self) -> int:
        """k, the number of singular values."""
        return min(self.rows, self.columns)

    @property
    def degree(self) -> int:
        """2k(k − 1): a discriminant has weight k(k − 1), and the eᵢ of ZZᵀ have degree 2i."""
        return 2 * self.size * (self.size - 1)

    @cached_property
    def entries(self) -> Rows:
        """The matrix Z of unknowns z11, z12, …."""
        names = [
            f"z{i + 1}{j + 1}" if max(self.rows, self.columns) < 10 else f"z_{i + 1}_{j + 1}"
            for i in range(self.rows)
            for j in range(self.columns)
        ]
        flat = polynomial_ring(names)
        return [flat[i : i + self.columns] for i in range(0, len(flat), self.columns)]

    @cached_property
    def gram(self) -> Rows:
        """ZZᵀ, or ZᵀZ if that is smaller."""
        z = self.entries
        if self.rows > self.columns:
            z = [list(column) for column in zip(*z, strict=True)]
        return [[_dot(u, v) for v in z] for u in z]

    @cached_property
    def polynomial(self) -> Polynomial:
        """The discriminant, as det(tr Gⁱ⁺ʲ) for 0 ≤ i, j < k, G = ZZᵀ.

        That is the square of the Vandermonde determinant of the eigenvalues, VᵀV with V = (λᵃⱼ).

        **Cost**: at once for k = 2; a second for 3×3.
        """
        k, powers = self.size, self._powers
        traces = [sum((g[i][i] for i in range(k)), g[0][0] * 0) for g in powers]
        return determinant([[traces[i + j] for j in range(k)] for i in range(k)])

    @cached_property
    def _powers(self) -> list[Rows]:
        k, g = self.size, self.gram
        one = [[g[0][0] * 0 + int(i == j) for j in range(k)] for i in range(k)]
        out = [one]
        for _ in range(2 * k - 2):
            last = out[-1]
            columns = list(zip(*g, strict=True))
            out.append([[_dot(row, c) for c in columns] for row in last])
        return out

    def factors(self) -> list[tuple[Polynomial, int]]:
        """Return the irreducible factors over Q with multiplicities.

        For 2×2 they are (z11 − z22)² + (z12 + z21)² and (z11 + z22)² + (z12 − z21)².
        """
        found = [(f, int(e)) for f, e in self.polynomial.factor()[1]]
        return sorted(found, key=lambda entry: str(entry[0]).replace("-", "~"))

    def squares(self) -> list[tuple[int, Polynomial]]:
        """Return (weight, p) with Σ weight·p² the discriminant.

        The matrix (tr Gⁱ⁺ʲ) is BBᵀ with the rows vec(1), vec(G), …, vec(Gᵏ⁻¹) of B, so that its
        determinant is the sum of the squares of the maximal minors of B (Cauchy and Binet).

        References
        ----------
        C. W. Borchardt, 1846; N. V. Ilyushechkin, 1992.

        Examples
        --------
        >>> [(w, str(p)) for w, p in ed_discriminant(1, 3).squares()]
        [(1, '1')]
        >>> [(w, str(p)) for w, p in ed_discriminant(2, 2).squares()]
        [(4, 'z11*z21 + z12*z22'), (1, 'z11^2 + z12^2 - z21^2 - z22^2')]
        """
        k = self.size
        rows = [[x for row in g for x in row] for g in self._powers[:k]]
        weights: dict[str, tuple[int, Polynomial]] = {}
        for chosen in combinations(range(k * k), k):
            p = determinant([[row[j] for j in chosen] for row in rows])
            if not p:
                continue
            if p.leading_coefficient() < 0:
                p = -p
            weights[str(p)] = (weights.get(str(p), (0, p))[0] + 1, p)
        return list(weights.values())

    @cached_property
    def rank_drop(self) -> Polynomial:
        """det ZZᵀ: where it vanishes, critical points that keep σ_k fall to lower rank."""
        return determinant(self.gram)

    def at(self, z: Any) -> Rational:
        """Return the value at a rational matrix, from its characteristic polynomial."""
        a = matrix(z, "Z")
        require_shape(a, self.rows, self.columns, "Z")
        small = a * a.transpose() if self.rows <= self.columns else a.transpose() * a
        return charpoly(small).discriminant() if self.size > 1 else Rational(1)

    def expression(self, factored: bool = True) -> Any:
        """Return the discriminant as a SymPy expression, as a product of its factors."""
        import sympy

        if not factored or self.size < 2:
            return sympy.sympify(str(self.polynomial).replace("^", "**"))
        unit = sympy.Rational(str(self.polynomial.factor()[0]))
        parts = [sympy.sympify(str(f).replace("^", "**")) ** e for f, e in self.factors()]
        return sympy.prod([unit, *parts])

    def __str__(self) -> str:
        return f"disc_s det(s - ZZᵀ) for {self.rows}×{self.columns} matrices, degree {self.degree}"

    def to_latex(self) -> str:
        """Return the discriminant as a product of its factors in LaTeX."""
        from detvar.critical.latex import ed_discriminant

        return ed_discriminant(self)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind_of_result": "ed_discriminant",
            "rows": self.rows,
            "columns": self.columns,
            "degree": self.degree,
            "polynomial": str(self.polynomial),
            "factors": [[str(f), e] for f, e in self.factors()],
            "rank_drop": str(self.rank_drop),
        }


def ed_discriminant(rows: int, columns: int) -> EDDiscriminant:
    """Return the ED discriminant of the m×n matrices of bounded rank, with symbols for entries.

    Parameters
    ----------
    rows, columns : m, n; min(m, n) ≤ 2 and max ≤ 12, or 3×3

    Raises
    ------
    InputError
        If the matrices are larger: the polynomial would have millions of terms; evaluate
        `detvar.critical.spectrum.ed_discriminant` on data instead.

    Notes
    -----
    **Validity**: weights P, Σ ≻ 0 are taken in by Z = P^½UΣ^½.

    References
    ----------
    J. Draisma, E. Horobeţ, G. Ottaviani, B. Sturmfels, R. Thomas, "The Euclidean distance degree
    of an algebraic variety", 2016, section 7.

    Examples
    --------
    >>> print(ed_discriminant(2, 3))
    disc_s det(s - ZZᵀ) for 2×3 matrices, degree 4
    """
    for x, name in ((rows, "rows"), (columns, "columns")):
        if type(x) is not int or x < 1:
            raise InputError(f"{name} is {x!r}: give a whole number from 1 on")
    k = min(rows, columns)
    if k > 3 or max(rows, columns) > _LIMITS.get(k, 12):
        raise InputError(
            f"the ED discriminant of {rows}×{columns} matrices is too large to write down: give "
            "2×n with n ≤ 12 or 3×3, or evaluate detvar.critical.spectrum.ed_discriminant on data"
        )
    return EDDiscriminant(rows, columns)


def _dot(u: Sequence[Polynomial], v: Sequence[Polynomial]) -> Polynomial:
    return sum((x * y for x, y in zip(u, v, strict=True)), u[0] * 0)
