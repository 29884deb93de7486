"""The variety of m×n matrices of rank at most r, with everything that is known about it."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, ShapeError
from detvar.exact.latex import displayed, space
from detvar.exact.matrices import Matrix, chain, identity, is_zero, matrix, rank, require_shape
from detvar.varieties import closed_forms, equations, geometry, hilbert, likelihood, polar

if TYPE_CHECKING:
    import networkx

    from detvar.varieties.symmetric import SymmetricDeterminantalVariety


def whole_number(value: Any, least: int, name: str) -> int:
    """Return `value` as an int ≥ `least`, or raise `ShapeError`."""
    if not isinstance(value, bool):
        try:
            number = operator.index(value)
        except TypeError:
            pass
        else:
            if number >= least:
                return number
    raise ShapeError(f"the {name} is {value!r}: give a whole number, at least {least}")


@dataclass(frozen=True, repr=False)
class DeterminantalVariety:
    """The variety M_r = {W ∈ R^{m×n} : rk W ≤ r}, of dimension r(m+n−r).

    Parameters
    ----------
    rows, columns : int
        m, n ≥ 1.
    rank : int
        r ≥ 0.  Larger than min(m, n) is stored as min(m, n), since the set is the same: the
        whole space (`is_filling`).  Rank 0 is the single point 0.

    Raises
    ------
    ShapeError
        If a number is not whole or too small.

    Notes
    -----
    Attributes are closed forms; what runs algebra is a method.  Degrees count complex points.

    Examples
    --------
    >>> V = DeterminantalVariety(4, 4, 2)
    >>> V.dimension, V.codimension, V.degree
    (12, 4, 20)
    >>> V.singular_locus
    DeterminantalVariety(4, 4, 1)
    >>> print(V)
    the 4×4 matrices of rank at most 2: dimension 12, codimension 4, degree 20
    """

    rows: int
    columns: int
    rank: int

    def __post_init__(self) -> None:
        m = whole_number(self.rows, 1, "number of rows")
        n = whole_number(self.columns, 1, "number of columns")
        r = whole_number(self.rank, 0, "rank")
        object.__setattr__(self, "rows", m)
        object.__setattr__(self, "columns", n)
        object.__setattr__(self, "rank", min(r, m, n))

    @staticmethod
    def symmetric(size: int, rank: int) -> SymmetricDeterminantalVariety:
        """Return the variety of symmetric size×size matrices of rank at most `rank`."""
        from detvar.varieties.symmetric import SymmetricDeterminantalVariety

        return SymmetricDeterminantalVariety(size, rank)

    # -- closed forms ------------------------------------------------------------------------

    @property
    def max_rank(self) -> int:
        """k = min(m, n), the largest rank a matrix of this shape can have."""
        return min(self.rows, self.columns)

    @property
    def is_filling(self) -> bool:
        """Whether the variety is all of R^{m×n}."""
        return self.rank == self.max_rank

    @property
    def dimension(self) -> int:
        """r(m+n−r)."""
        return closed_forms.dimension(self.rows, self.columns, self.rank)

    @property
    def codimension(self) -> int:
        """(m−r)(n−r)."""
        return (self.rows - self.rank) * (self.columns - self.rank)

    @property
    def degree(self) -> int:
        """∏_{i=0}^{n−r−1} C(m+i, r)/C(r+i, r); 1 for the point 0 and for the whole space."""
        return closed_forms.degree(self.rows, self.columns, self.rank)

    @property
    def singular_locus(self) -> DeterminantalVariety | None:
        """M_{r−1}, or None where M_r is smooth (r = 0, or the whole space)."""
        if self.rank == 0 or self.is_filling:
            return None
        return DeterminantalVariety(self.rows, self.columns, self.rank - 1)

    @property
    def generator_count(self) -> int:
        """C(m, r+1)·C(n, r+1), the number of minors that `ideal` returns."""
        return comb(self.rows, self.rank + 1) * comb(self.columns, self.rank + 1)

    # -- membership and duality ---------------------------------------------------------------

    def _point(self, W: Any, name: str = "W") -> tuple[Matrix, int]:
        """Return a matrix of this shape and its rank; refuse one outside the variety."""
        w = matrix(W, name)
        require_shape(w, self.rows, self.columns, name)
        e = rank(w)
        if e > self.rank:
            raise InputError(
                f"{name} has rank {e}, so it is not on the variety: "
                f"give a matrix of rank at most {self.rank}"
            )
        return w, e

    def contains(self, W: Any) -> bool:
        """Say whether rk W ≤ r, exactly.

        >>> DeterminantalVariety(2, 2, 1).contains([[1, "1/2"], [2, 1]])
        True
        """
        w = matrix(W, "W")
        require_shape(w, self.rows, self.columns, "W")
        return rank(w) <= self.rank

    def dual(self) -> DeterminantalVariety:
        """Return the dual variety M_{k−r}: the closure of all G normal to M_r at a smooth point.

        Matrices are paired by ⟨W, G⟩ = tr(WᵀG).  A hyperplane ⟨·, G⟩ = 0 is tangent to M_r at a
        W of rank r exactly if WᵀG = 0 and GWᵀ = 0, and such G have rank at most k − r.  For the
        two extremes, the point 0 and the whole space, the dual is that of affine cones.

        >>> DeterminantalVariety(3, 5, 1).dual()
        DeterminantalVariety(3, 5, 2)
        """
        return DeterminantalVariety(self.rows, self.columns, self.max_rank - self.rank)

    def is_conormal(self, A: Any, B: Any) -> bool:
        """Say whether (A, B) is in the conormal variety: rk A ≤ r, rk B ≤ k−r, AᵀB = 0, ABᵀ = 0.

        The conormal variety is the closure of {(W, G) : W smooth on M_r, G normal to M_r at W}.
        The four conditions describe it exactly: a pair of ranks (e, f) that satisfies them
        leaves min(m, n) − e − f ≥ r − e further directions in which A can grow to rank r.

        >>> DeterminantalVariety(2, 2, 1).is_conormal([[1, 0], [0, 0]], [[0, 0], [0, 5]])
        True
        """
        a, b = matrix(A, "A"), matrix(B, "B")
        require_shape(a, self.rows, self.columns, "A")
        require_shape(b, self.rows, self.columns, "B")
        return (
            is_zero(a.transpose() * b)
            and is_zero(a * b.transpose())
            and rank(a) <= self.rank
            and rank(b) <= self.max_rank - self.rank
        )

    # -- equations and counts -----------------------------------------------------------------

    def symbols(self) -> Any:
        """Return the m×n SymPy matrix of the unknowns w_ij used by `ideal`."""
        return equations.entry_symbols(self.rows, self.columns)

    def ideal(self) -> list[Any]:
        """Return the (r+1)-minors of (w_ij), which generate the prime ideal; see `equations.ideal`.

        Empty for the whole space.  **Cost.** `generator_count` minors of (r+1)! terms each.
        """
        return equations.ideal(self.rows, self.columns, self.rank)

    def local_equations(self, W: Any) -> equations.LocalEquations:
        """Return equations in a chart around W, (m−r)(n−r) of them at a smooth point; see
        `equations.local_equations`."""
        return equations.local_equations(self._point(W)[0], self.rank)

    def hilbert_series(self) -> hilbert.HilbertSeries:
        """Return the Hilbert series N(z)/(1−z)^{dim}; see `hilbert.hilbert_series`."""
        return hilbert.hilbert_series(self.rows, self.columns, self.rank)

    def strata(self) -> networkx.DiGraph:
        """Return the graph of rank strata 0 → 1 → … → r; see `strata.strata`."""
        from detvar.varieties.strata import strata

        return strata(self.rows, self.columns, self.rank)

    # -- geometry at a point ------------------------------------------------------------------

    def is_smooth_at(self, W: Any) -> bool:
        """Say whether the variety is smooth at W: rk W = r, or the variety is the whole space."""
        return self._point(W)[1] == self.rank or self.is_filling

    def tangent_space(self, W: Any) -> Matrix:
        """Return a basis of the tangent space at W, as an mn × dim matrix of row-major vecs.

        At a smooth point it is T_W M_r.  At a singular point (rk W = e < r < k) it is the tangent
        space T_W M_e of the *stratum*, the directions in which the rank stays e; the Zariski
        tangent space there is all of R^{m×n} and the tangent cone lies strictly between.  On the
        whole space every point is smooth; for its strata use `geometry.stratum_tangent_space`.

        >>> DeterminantalVariety(2, 3, 1).tangent_space([[1, 0, 0], [0, 0, 0]]).ncols()
        4
        """
        w, _ = self._point(W)
        if self.is_filling:
            return identity(self.rows * self.columns)
        return geometry.stratum_tangent_space(w)

    def normal_space(self, W: Any) -> Matrix:
        """Return a basis of the orthogonal complement of `tangent_space`, as row-major vecs.

        At a smooth point these are the normal directions of M_r, (m−r)(n−r) of them; at a
        singular point those of the stratum, (m−e)(n−e); on the whole space there are none.
        """
        w, _ = self._point(W)
        if self.is_filling:
            return Matrix(self.rows * self.columns, 0)
        return geometry.stratum_normal_space(w)

    def zariski_tangent_dimension(self, W: Any) -> int:
        """Return the dimension of {D : dF_W(D) = 0 for all F in the ideal}: dim M_r or mn.

        It is dim M_r at a smooth point.  Elsewhere it is mn, because all r-minors of W vanish and
        with them the differentials of all (r+1)-minors.
        """
        return self.dimension if self.is_smooth_at(W) else self.rows * self.columns

    def project_to_tangent(self, W: Any, D: Any) -> Matrix:
        """Return the Frobenius projection of D onto `tangent_space(W)`, exactly.

        P_U D + D P_V − P_U D P_V with the projectors onto Col W and Row W; D itself on the whole
        space.

        >>> from detvar.exact.matrices import to_text_rows
        >>> V = DeterminantalVariety(2, 2, 1)
        >>> to_text_rows(V.project_to_tangent([[1, 0], [0, 0]], [[1, 2], [3, 4]]))
        [['1', '2'], ['3', '0']]
        """
        w, _ = self._point(W)
        d = matrix(D, "D")
        require_shape(d, self.rows, self.columns, "D")
        return d if self.is_filling else geometry.project_to_stratum(w, d)

    def is_normal_to(self, W: Any, G: Any) -> bool:
        """Say whether G is orthogonal to `tangent_space(W)`: WᵀG = 0 and GWᵀ = 0, or G = 0 on
        the whole space."""
        w, _ = self._point(W)
        g = matrix(G, "G")
        require_shape(g, self.rows, self.columns, "G")
        if self.is_filling:
            return is_zero(g)
        return is_zero(chain(w.transpose(), g)) and is_zero(chain(g, w.transpose()))

    def tangent_cone(self, W: Any) -> geometry.TangentCone:
        """Return the tangent cone at W: T_W M_e plus normal matrices of rank at most r − e."""
        return geometry.tangent_cone(self._point(W)[0], self.rank)

    def multiplicity(self, W: Any) -> int:
        """Return the multiplicity at W: the degree of the (m−e)×(n−e) matrices of rank ≤ r−e.

        >>> DeterminantalVariety(3, 3, 2).multiplicity([[1, 0, 0], [0, 0, 0], [0, 0, 0]])
        2
        """
        e = self._point(W)[1]
        return closed_forms.degree(self.rows - e, self.columns - e, self.rank - e)

    # -- counts of critical points ------------------------------------------------------------

    def polar_degrees(self) -> dict[int, int]:
        """Return the non-zero polar degrees {a: δ_a}, exactly; see `polar.polar_degrees`.

        >>> DeterminantalVariety(2, 2, 1).polar_degrees()
        {0: 2, 1: 2, 2: 2}
        """
        return polar.polar_degrees(self.rows, self.columns, self.rank)

    def generic_ed_degree(self) -> int:
        """Return Σ_a δ_a, the number of complex critical points of a generic quadratic loss.

        **Validity.** Generic quadratic form and generic target; smooth critical points.  For the
        point 0 and the whole space it is 1, the point itself or the target.

        References: Draisma et al. (2016), The Euclidean distance degree, Theorem 5.4.

        >>> DeterminantalVariety(3, 3, 2).generic_ed_degree()
        39
        """
        return sum(self.polar_degrees().values()) or 1

    def ed_degree(self) -> int:
        """Return C(k, r), the number of critical points of ‖W − U‖² (Frobenius) on the smooth part.

        **Validity.** U with distinct non-zero singular values; then all critical points are real:
        they keep r of the k singular triples of U (Eckart–Young).

        >>> DeterminantalVariety(4, 6, 2).ed_degree()
        6
        """
        return comb(self.max_rank, self.rank)

    def ml_degree(self) -> likelihood.MLDegree:
        """Return the maximum-likelihood degree with its source; its value is None where unknown.

        See `likelihood.ml_degree`.

        >>> print(DeterminantalVariety(2, 2, 1).ml_degree().value)
        1
        """
        return likelihood.ml_degree(self.rows, self.columns, self.rank)

    # -- text and JSON ------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"DeterminantalVariety({self.rows}, {self.columns}, {self.rank})"

    def __str__(self) -> str:
        shape = f"{self.rows}×{self.columns}"
        if self.rank == 0:
            return f"the zero {shape} matrix: dimension 0, codimension {self.codimension}, degree 1"
        if self.is_filling:
            return f"all {shape} matrices: dimension {self.dimension}, codimension 0, degree 1"
        return (
            f"the {shape} matrices of rank at most {self.rank}: dimension {self.dimension}, "
            f"codimension {self.codimension}, degree {self.degree}"
        )

    def to_latex(self) -> str:
        """Return the variety as a set in LaTeX."""
        where = space(self.rows, self.columns)
        return rf"\{{W\in {where} : \operatorname{{rk}} W\le {self.rank}\}}"

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the variety as plain data: type, rows, columns, rank."""
        return {
            "type": "determinantal",
            "rows": self.rows,
            "columns": self.columns,
            "rank": self.rank,
        }

    @classmethod
    def from_json(cls, data: Any) -> DeterminantalVariety:
        """Return the variety that `to_json` wrote; the field ``type`` may be left out."""
        rows, columns, r = read_fields(data, "determinantal", ("rows", "columns", "rank"))
        return cls(rows, columns, r)


def read_fields(data: Any, kind: str, names: tuple[str, ...]) -> list[Any]:
    """Return the named fields of a JSON object of the given type, or raise `InputError`."""
    if not isinstance(data, Mapping) or data.get("type", kind) != kind:
        raise InputError(f'this is not a variety of type "{kind}": give {", ".join(names)}')
    for name in names:
        if name not in data:
            raise InputError(f'the field "{name}" is missing: give {", ".join(names)}')
    for name in data:
        if name != "type" and name not in names:
            raise InputError(f'the field "{name}" is unknown: give {", ".join(names)}')
    return [data[name] for name in names]
