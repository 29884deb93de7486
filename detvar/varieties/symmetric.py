"""The variety of symmetric n×n matrices of rank at most r, inside the symmetric matrices."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.latex import displayed
from detvar.exact.matrices import (
    Matrix,
    chain,
    column_space,
    columns,
    complement,
    hstack,
    identity,
    is_symmetric,
    is_zero,
    matrix,
    projector,
    rank,
    require_shape,
    vec,
)
from detvar.varieties import closed_forms, polar
from detvar.varieties.determinantal import read_fields, whole_number


@dataclass(frozen=True, repr=False)
class SymmetricDeterminantalVariety:
    """The variety S_r = {W = Wᵀ ∈ R^{n×n} : rk W ≤ r}, of dimension rn − r(r−1)/2.

    The ambient space is Sym(n) of dimension n(n+1)/2 with the Frobenius inner product; nothing is
    asked of the signs of the eigenvalues.

    Parameters
    ----------
    size : int
        n ≥ 1.
    rank : int
        r ≥ 0; larger than n is stored as n, the whole of Sym(n).

    Raises
    ------
    ShapeError
        If a number is not whole or too small.

    Examples
    --------
    >>> S = SymmetricDeterminantalVariety(4, 2)
    >>> S.dimension, S.codimension, S.degree, S.generic_ed_degree()
    (7, 3, 10, 122)
    >>> print(S)
    the symmetric 4×4 matrices of rank at most 2: dimension 7, codimension 3, degree 10
    """

    size: int
    rank: int

    def __post_init__(self) -> None:
        n = whole_number(self.size, 1, "size")
        r = whole_number(self.rank, 0, "rank")
        object.__setattr__(self, "size", n)
        object.__setattr__(self, "rank", min(r, n))

    @property
    def is_filling(self) -> bool:
        """Whether the variety is all of Sym(n)."""
        return self.rank == self.size

    @property
    def dimension(self) -> int:
        """rn − r(r−1)/2."""
        return self.rank * self.size - comb(self.rank, 2)

    @property
    def codimension(self) -> int:
        """(n−r)(n−r+1)/2, in Sym(n)."""
        return comb(self.size - self.rank + 1, 2)

    @property
    def degree(self) -> int:
        """∏_{a=0}^{n−r−1} C(n+a, n−r−a)/C(2a+1, a) (Harris, Tu 1984)."""
        return closed_forms.symmetric_degree(self.size, self.rank)

    @property
    def singular_locus(self) -> SymmetricDeterminantalVariety | None:
        """S_{r−1}, or None where S_r is smooth (r = 0, or all of Sym(n))."""
        if self.rank == 0 or self.is_filling:
            return None
        return SymmetricDeterminantalVariety(self.size, self.rank - 1)

    def _symmetric(self, W: Any, name: str) -> Matrix:
        w = matrix(W, name)
        require_shape(w, self.size, self.size, name)
        if not is_symmetric(w):
            raise ShapeError(f"{name} is not symmetric: give a symmetric matrix")
        return w

    def _point(self, W: Any) -> tuple[Matrix, int]:
        """Return a symmetric matrix of this size and its rank; refuse one outside the variety."""
        w = self._symmetric(W, "W")
        if (e := rank(w)) > self.rank:
            raise InputError(
                f"W has rank {e}, so it is not on the variety: "
                f"give a matrix of rank at most {self.rank}"
            )
        return w, e

    def contains(self, W: Any) -> bool:
        """Say whether W is symmetric with rk W ≤ r, exactly."""
        w = matrix(W, "W")
        require_shape(w, self.size, self.size, "W")
        return is_symmetric(w) and rank(w) <= self.rank

    def dual(self) -> SymmetricDeterminantalVariety:
        """Return the dual variety S_{n−r}: the symmetric G with WG = 0 for a W of rank r."""
        return SymmetricDeterminantalVariety(self.size, self.size - self.rank)

    def is_conormal(self, A: Any, B: Any) -> bool:
        """Say whether (A, B) is in the conormal variety: rk A ≤ r, rk B ≤ n−r, AB = 0."""
        a, b = self._symmetric(A, "A"), self._symmetric(B, "B")
        return is_zero(a * b) and rank(a) <= self.rank and rank(b) <= self.size - self.rank

    def is_smooth_at(self, W: Any) -> bool:
        """Say whether the variety is smooth at W: rk W = r, or the variety is all of Sym(n)."""
        return self._point(W)[1] == self.rank or self.is_filling

    def multiplicity(self, W: Any) -> int:
        """Return the multiplicity at W of rank e: the degree of S_{r−e} of size n − e."""
        e = self._point(W)[1]
        return closed_forms.symmetric_degree(self.size - e, self.rank - e)

    def tangent_space(self, W: Any) -> Matrix:
        """Return a basis of the tangent space at W, as an n² × dim matrix of row-major vecs.

        At a smooth point it is T_W S_r = {D = Dᵀ : xᵀDy = 0 for x, y ∈ ker W}.  At a singular
        point it is that of the stratum of rank e = rk W.  All columns are symmetric matrices.

        >>> SymmetricDeterminantalVariety(3, 1).tangent_space([[1, 0, 0], [0] * 3, [0] * 3]).ncols()
        3
        """
        w, _ = self._point(W)
        if self.is_filling:
            return _products(identity(self.size), Matrix(self.size, 0))
        return _products(column_space(w), complement(w))

    def normal_space(self, W: Any) -> Matrix:
        """Return a basis of the orthogonal complement of `tangent_space` in Sym(n).

        {G = Gᵀ : WG = 0}, of dimension (n−e)(n−e+1)/2; none on all of Sym(n).
        """
        w, _ = self._point(W)
        if self.is_filling:
            return Matrix(self.size**2, 0)
        return _products(complement(w), Matrix(self.size, 0))

    def project_to_tangent(self, W: Any, D: Any) -> Matrix:
        """Return the Frobenius projection D − (I−P)D(I−P) of a symmetric D, P onto Col W."""
        w, _ = self._point(W)
        d = self._symmetric(D, "D")
        kernel = complement(w)
        if self.is_filling or not kernel.ncols():
            return d
        p = projector(kernel)
        return d - chain(p, d, p)

    def polar_degrees(self) -> dict[int, int]:
        """Return the non-zero polar degrees {a: δ_a}; see `polar.symmetric_polar_degrees`."""
        return polar.symmetric_polar_degrees(self.size, self.rank)

    def generic_ed_degree(self) -> int:
        """Return Σ_a δ_a, the number of complex critical points of a generic quadratic loss.

        **Validity.** Generic quadratic form on Sym(n) and generic target; 1 for the point 0 and
        for all of Sym(n).

        >>> [SymmetricDeterminantalVariety(5, r).generic_ed_degree() for r in range(1, 5)]
        [121, 1042, 1042, 121]
        """
        return sum(self.polar_degrees().values()) or 1

    def ed_degree(self) -> int:
        """Return C(n, r), the number of critical points of ‖W − U‖² (Frobenius) on the smooth part.

        **Validity.** Symmetric U with distinct non-zero eigenvalues; the critical points keep r
        of its n eigenpairs, so all are real.
        """
        return comb(self.size, self.rank)

    def __repr__(self) -> str:
        return f"SymmetricDeterminantalVariety({self.size}, {self.rank})"

    def __str__(self) -> str:
        shape = f"{self.size}×{self.size}"
        numbers = (
            f"dimension {self.dimension}, codimension {self.codimension}, degree {self.degree}"
        )
        if self.rank == 0:
            return f"the zero symmetric {shape} matrix: {numbers}"
        if self.is_filling:
            return f"all symmetric {shape} matrices: {numbers}"
        return f"the symmetric {shape} matrices of rank at most {self.rank}: {numbers}"

    def to_latex(self) -> str:
        """Return the variety as a set in LaTeX."""
        space = rf"\mathrm{{Sym}}^2(\mathbb{{R}}^{{{self.size}}})"
        return rf"\{{W\in {space} : \operatorname{{rk}} W\le {self.rank}\}}"

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the variety as plain data: type, size, rank."""
        return {"type": "symmetric_determinantal", "size": self.size, "rank": self.rank}

    @classmethod
    def from_json(cls, data: Any) -> SymmetricDeterminantalVariety:
        """Return the variety that `to_json` wrote; the field ``type`` may be left out."""
        size, r = read_fields(data, "symmetric_determinantal", ("size", "rank"))
        return cls(size, r)


def _products(basis: Matrix, other: Matrix) -> Matrix:
    """Return the vecs of u_i u_jᵀ + u_j u_iᵀ (i ≤ j) and of u_i a_kᵀ + a_k u_iᵀ, for the columns u
    of `basis` and a of `other`; together independent if the columns are."""
    u = [columns(basis, [i]) for i in range(basis.ncols())]
    a = [columns(other, [k]) for k in range(other.ncols())]
    pairs = [(u[i], u[j]) for i in range(len(u)) for j in range(i, len(u))]
    pairs += [(x, y) for x in u for y in a]
    vectors = [vec(x * y.transpose() + y * x.transpose()) for x, y in pairs]
    return hstack(*vectors) if vectors else Matrix(basis.nrows() ** 2, 0)
