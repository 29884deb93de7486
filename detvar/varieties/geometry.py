"""First-order geometry at one matrix: tangent and normal spaces, projection, tangent cone.

The matrices of rank exactly e form a manifold, the stratum M_e°.  Its tangent space at W is
Col W ⊗ Rⁿ + Rᵐ ⊗ Row W, its normal space is (Col W)^⊥ ⊗ (Row W)^⊥, both for the Frobenius inner
product.  Everything here depends on W alone; which of it describes the variety of rank at most
r ≥ e is said in `detvar.varieties.determinantal`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact.latex import displayed, space
from detvar.exact.latex import matrix as in_latex
from detvar.exact.matrices import (
    Matrix,
    chain,
    column_space,
    complement,
    hstack,
    identity,
    kron,
    matrix,
    nullspace,
    projector,
    rank,
    require_shape,
    to_text_rows,
    zeros,
)
from detvar.varieties.closed_forms import degree, dimension


def stratum_tangent_space(W: Any) -> Matrix:
    """Return a basis of T_W M_e = {W Z₁ + Z₂ W}, the tangent space of the rank stratum of W.

    Parameters
    ----------
    W : m×n matrix of rank e, in any form that `detvar.exact.matrices.matrix` accepts

    Returns
    -------
    mn × e(m+n−e) matrix; its columns are row-major vectorised matrices.

    Notes
    -----
    **Cost.** One echelon form of W and one of Wᵀ; O(mn·dim) numbers are written.
    **Validity.** Every W; for W = 0 the basis is empty.

    Examples
    --------
    >>> from detvar.exact.matrices import rank, shape
    >>> T = stratum_tangent_space([[1, 2, 3], [2, 4, 6]])
    >>> shape(T), rank(T)
    ((6, 4), 4)
    """
    w = matrix(W, "W")
    u, v = column_space(w), column_space(w.transpose())
    return hstack(kron(u, identity(w.ncols())), kron(complement(w), v))


def stratum_normal_space(W: Any) -> Matrix:
    """Return a basis of N_W M_e = {G : WᵀG = 0, GWᵀ = 0}, the orthogonal complement of T_W M_e.

    Parameters
    ----------
    W : m×n matrix of rank e

    Returns
    -------
    mn × (m−e)(n−e) matrix; its columns are row-major vectorised matrices.

    Notes
    -----
    **Cost.** One echelon form of W and one of Wᵀ.
    **Validity.** Every W; for W of full rank the basis is empty.

    Examples
    --------
    >>> from detvar.exact.matrices import to_text_rows, unvec
    >>> N = stratum_normal_space([[1, 0], [0, 0]])
    >>> to_text_rows(unvec(N, 2, 2))
    [['0', '0'], ['0', '1']]
    """
    w = matrix(W, "W")
    return kron(complement(w), nullspace(w))


def project_to_stratum(W: Any, D: Any) -> Matrix:
    """Return P_U D + D P_V − P_U D P_V, the Frobenius projection of D onto T_W M_e.

    P_U and P_V are the orthogonal projectors onto Col W and Row W.  They are rational, because
    P_U = U(UᵀU)⁻¹Uᵀ for any rational basis U: no singular vectors are needed.

    Parameters
    ----------
    W, D : m×n matrices

    Returns
    -------
    m×n matrix

    Raises
    ------
    ShapeError
        If W and D differ in shape.

    Notes
    -----
    **Cost.** Two inverses of e×e matrices and four products.

    Examples
    --------
    >>> from detvar.exact.matrices import to_text_rows
    >>> to_text_rows(project_to_stratum([[1, 0], [0, 0]], [[1, 2], [3, 4]]))
    [['1', '2'], ['3', '0']]
    """
    w, d = matrix(W, "W"), matrix(D, "D")
    require_shape(d, w.nrows(), w.ncols(), "D")
    # D minus its part in the normal space: (I − P_U) D (I − P_V)
    left = identity(w.nrows()) - _projector(column_space(w))
    right = identity(w.ncols()) - _projector(column_space(w.transpose()))
    return d - chain(left, d, right)


def _projector(basis: Matrix) -> Matrix:
    """Return the orthogonal projector onto the span of independent columns, none included."""
    return projector(basis) if basis.ncols() else zeros(basis.nrows(), basis.nrows())


@dataclass(frozen=True)
class TangentCone:
    """The tangent cone of M_r at W: {D : rk(AᵀDB) ≤ r − e}, with e = rk W.

    The columns of A (`left`) span (Col W)^⊥ and those of B (`right`) span ker W.  The cone is
    T_W M_e plus the normal matrices of rank at most r − e; for e = r it is the tangent space.

    Attributes
    ----------
    left : m×(m−e) matrix
    right : n×(n−e) matrix
    rank_bound : int
        r − e, the largest rank of the normal part.

    Notes
    -----
    **Proof.** Where the pivot minor of W does not vanish, W' ↦ (the rest of W', its Schur
    complement) is an isomorphism that carries M_r to (affine space) × M_{r−e}, W to a point over
    0, and is AᵀDB to first order in the second factor.  M_{r−e} is a cone, so it is its own
    tangent cone at 0, with multiplicity its degree.

    Examples
    --------
    >>> cone = tangent_cone([[1, 0, 0], [0, 0, 0], [0, 0, 0]], 2)
    >>> print(cone)
    tangent cone of dimension 8 in R^(3×3): normal part 2×2 of rank at most 1
    >>> (
    ...     cone.contains([[5, 5, 5], [5, 1, 2], [5, 2, 4]]),
    ...     cone.contains([[0] * 3, [0, 1, 0], [0, 0, 1]]),
    ... )
    (True, False)
    """

    left: Matrix
    right: Matrix
    rank_bound: int

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (m, n) of the directions."""
        return self.left.nrows(), self.right.nrows()

    @property
    def stratum_rank(self) -> int:
        """Rank e of the base point."""
        return int(self.left.nrows() - self.left.ncols())

    @property
    def is_linear(self) -> bool:
        """Whether the cone is a linear space, which is so exactly at the smooth points."""
        smallest = min(self.left.ncols(), self.right.ncols())
        return self.rank_bound == 0 or self.rank_bound >= smallest

    @property
    def dimension(self) -> int:
        """Dimension, that of M_r: r(m+n−r)."""
        m, n = self.shape
        return dimension(m, n, self.stratum_rank + self.rank_bound)

    @property
    def degree(self) -> int:
        """Degree of the cone, which is the multiplicity of M_r at the base point."""
        return degree(self.left.ncols(), self.right.ncols(), self.rank_bound)

    @property
    def column_space(self) -> Matrix:
        """Basis of Col W, as the columns of an m×e matrix."""
        return complement(self.left)

    @property
    def row_space(self) -> Matrix:
        """Basis of Row W, as the rows of an e×n matrix."""
        return complement(self.right).transpose()

    def normal_part(self, D: Any) -> Matrix:
        """Return AᵀDB, the (m−e)×(n−e) matrix of the class of D modulo T_W M_e."""
        d = matrix(D, "D")
        require_shape(d, *self.shape, "D")
        return chain(self.left.transpose(), d, self.right)

    def contains(self, D: Any) -> bool:
        """Say whether D lies in the cone, by one exact rank."""
        return rank(self.normal_part(D)) <= self.rank_bound

    def __str__(self) -> str:
        m, n = self.shape
        text = f"tangent cone of dimension {self.dimension} in R^({m}×{n}): "
        if self.is_linear:
            return text + "a linear space"
        a, b = self.left.ncols(), self.right.ncols()
        return text + f"normal part {a}×{b} of rank at most {self.rank_bound}"

    def to_latex(self) -> str:
        """Return the cone as a set in LaTeX, and its matrices A and B."""
        where = rf"D\in{space(*self.shape)}"
        cone = rf"\{{{where} : \operatorname{{rk}}(A^{{\top}}DB)\le {self.rank_bound}\}}"
        return rf"{cone},\quad A={in_latex(self.left)},\quad B={in_latex(self.right)}"

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the cone as plain data: shape, left, right, rank_bound."""
        return {
            "shape": list(self.shape),
            "left": to_text_rows(self.left),
            "right": to_text_rows(self.right),
            "rank_bound": self.rank_bound,
        }

    @classmethod
    def from_json(cls, data: Any) -> TangentCone:
        """Return the cone that `to_json` wrote."""
        try:
            m, n = (int(x) for x in data["shape"])
            left, right, bound = data["left"], data["right"], int(data["rank_bound"])
        except (KeyError, TypeError, ValueError):
            raise InputError(
                "a tangent cone needs the fields shape, left, right, rank_bound"
            ) from None
        a = matrix(left, "left") if any(left) else zeros(m, 0)
        b = matrix(right, "right") if any(right) else zeros(n, 0)
        require_shape(a, m, a.ncols(), "left")
        require_shape(b, n, b.ncols(), "right")
        if m - a.ncols() != n - b.ncols() or not 0 <= bound <= min(a.ncols(), b.ncols()):
            raise InputError("the sizes of left, right and rank_bound do not fit one matrix")
        return cls(a, b, bound)


def tangent_cone(W: Any, r: int) -> TangentCone:
    """Return the tangent cone at W of the matrices of rank at most r; rk W ≤ r is required."""
    w = matrix(W, "W")
    e = rank(w)
    if e > r:
        raise InputError(f"W has rank {e}, which exceeds {r}: give a matrix of rank at most {r}")
    return TangentCone(complement(w), nullspace(w), min(r, *(w.nrows(), w.ncols())) - e)
