"""The Bures–Wasserstein loss: how far a linear generator's covariance WWᵀ is from a target."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NoReturn

from detvar.errors import InputError, ShapeError
from detvar.exact import latex
from detvar.exact.balls import arb, arb_mat
from detvar.exact.inertia import ldlt
from detvar.exact.matrices import (
    Matrix,
    diagonal,
    identity,
    is_symmetric,
    matrix,
    to_sympy,
    to_text_rows,
    trace,
)
from detvar.exact.matrix_roots import (
    inverse_or_none,
    solve_or_none,
    square_root,
    sylvester,
    trace_of_root,
)
from detvar.exact.rational import Rational
from detvar.losses.analytic import Convexity, NoExactValues
from detvar.losses.growth import Growth
from detvar.losses.kits import BALLS
from detvar.losses.protocol import Loss
from detvar.losses.reduction import Reduction, reduction, require_network
from detvar.losses.samples import exact_field


@dataclass(frozen=True)
class BuresWassersteinLoss(NoExactValues):
    """ℓ(W) = ‖W‖² + tr S − 2‖S^½W‖_* on m×n matrices: the squared distance of N(0, WWᵀ) to N(0, S).

    A network W fed with white noise of dimension n produces N(0, WWᵀ), and ℓ is the squared
    2-Wasserstein distance to N(0, S): tr(K + S) − 2 tr(S^½KS^½)^½ with K = WWᵀ. For any C with
    CCᵀ = S it is ‖W‖² + tr S − 2‖CᵀW‖_*, as (CᵀW)ᵀ(CᵀW) = WᵀSW. ‖CᵀW‖_* is the largest ⟨CQ, W⟩
    over ‖Q‖_op ≤ 1; so ℓ(W) = ℓ(WR) for orthogonal R, and ℓ ≥ (‖W‖ − √tr S)².

    Parameters
    ----------
    covariance : S, m×m, symmetric positive semidefinite, not 0
    columns : n, the dimension of the noise; m if left out

    Raises
    ------
    ShapeError, InputError
        If S is not symmetric, or not positive semidefinite, or 0; if n is no positive integer.

    Notes
    -----
    **Validity**: with CᵀW = UΣVᵀ (thin) and k = min(rk S, n), ℓ is real analytic near W if
    rk CᵀW = k; the gradient then is 2(W − C U Vᵀ) = 2(1 − T)W, where the symmetric
    T = S^½(S^½KS^½)^(−½)S^½ (pseudo-inverse) carries N(0, K) to N(0, S) at least cost if K, S ≻ 0.
    If rk CᵀW < k, ℓ is not differentiable at W: for D with a non-zero part
    E = (1 − UUᵀ)CᵀD(1 − VVᵀ), the slopes along D and −D add up to −4‖E‖_* < 0.

    References
    ----------
    P. Bréchet, K. Papagiannouli, J. An, G. Montúfar (2023), Critical points and convergence
    analysis of generative deep linear networks trained with Bures–Wasserstein loss.

    Examples
    --------
    >>> loss = BuresWassersteinLoss([[4, 0], [0, 1]])
    >>> [round(float(loss.value_array(w)), 9) for w in ([[2, 0], [0, 1]], [[0, 2], [0, 0]])]
    [0.0, 1.0]
    """

    covariance: Matrix
    columns: int
    _name: ClassVar[str] = "bures_wasserstein"

    def __init__(self, covariance: Any, columns: Any = None) -> None:
        s = exact_field(covariance, "covariance")
        if not is_symmetric(s):
            raise ShapeError("covariance is not symmetric: give a matrix equal to its transpose")
        if any(len(b) == 2 or b[0] < 0 for b in ldlt(s).blocks):
            raise InputError(
                "covariance has a negative eigenvalue: give a positive semidefinite matrix"
            )
        if not any(s.entries()):
            raise InputError("covariance is 0: give one with a positive eigenvalue")
        n = s.nrows() if columns is None else columns
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise InputError("columns must be a whole number from 1 on, the dimension of the noise")
        object.__setattr__(self, "covariance", s)
        object.__setattr__(self, "columns", n)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.covariance.nrows(), self.columns

    @cached_property
    def factors(self) -> tuple[Matrix, Matrix]:
        """L (m×ρ, independent columns) and D (ρ×ρ, diagonal, positive) with S = L D Lᵀ."""
        found = ldlt(self.covariance)
        columns = [list(c) for c in found.columns]
        return matrix(columns).transpose(), diagonal([b[0] for b in found.blocks])

    @property
    def covariance_rank(self) -> int:
        """ρ = rk S."""
        return self.factors[1].nrows()

    def is_convex(self) -> bool:
        """False."""
        return False

    def convexity(self) -> Convexity:
        """Return that ℓ is not convex, with the reason."""
        return Convexity(
            False,
            "W and −W have the same value, and where S^½W ≠ 0 and W is small, it is less than "
            "that of their midpoint 0",
        )

    def growth(self) -> Growth:
        """Return ℓ ≥ 4/(mn + 1) Σ|w_ij| − tr S − 2, whose sublevel sets are compact.

        From ℓ ≥ (‖W‖ − a)² ≥ 2(‖W‖ − a) − 1 with a = √tr S, and Σ|w| ≤ √(mn)‖W‖, 2a ≤ a² + 1.
        """
        m, n = self.shape
        one = identity(m * n).tolist()
        rows = one + [[-x for x in row] for row in one]
        slope = Rational(4, m * n + 1)
        return Growth(matrix(rows), (slope,) * len(rows), trace(self.covariance) + 2)

    def transposed(self) -> NoReturn:
        """Raise: WWᵀ is not WᵀW."""
        raise InputError(
            "a Bures–Wasserstein loss compares WWᵀ, not WᵀW, with the covariance: "
            "it has no transposed form"
        )

    def reduce(self, network: Any) -> Reduction:
        """Return the problem itself: ‖W‖² sees every direction."""
        require_network(network, self.shape)
        m, n = self.shape
        return reduction(network, identity(m), identity(n), self)

    def to_latex(self) -> str:
        """Return ℓ(W) in LaTeX, with its data."""
        m, n = self.shape
        formula = (
            r"\ell(W)=\lVert W\rVert^{2}+\operatorname{tr}S"
            r"-2\operatorname{tr}\left(S^{1/2}WW^{\top}S^{1/2}\right)^{1/2}"
        )
        given = rf"S={latex.matrix(self.covariance)},\quad W\in{latex.space(m, n)}"
        return rf"{formula},\quad {given}"

    _repr_latex_ = latex.displayed

    def to_json(self) -> dict[str, Any]:
        """Return {"type": "bures_wasserstein", "covariance": …, "columns": n}."""
        return {
            "type": self._name,
            "covariance": to_text_rows(self.covariance),
            "columns": self.columns,
        }

    # --- balls ------------------------------------------------------------------------------

    def _tall(self, w: arb_mat) -> tuple[arb_mat, arb_mat, bool]:
        """C, then CᵀW or its transpose, whichever has at least as many rows, and which it is."""
        left, middle = self.factors
        roots = [arb(middle[i, i]).sqrt() for i in range(middle.nrows())]
        c = arb_mat([[arb(x) * r for x, r in zip(row, roots, strict=True)]
                     for row in left.tolist()])  # fmt: skip
        z = c.transpose() * w
        flat = z.nrows() < z.ncols()
        return c, z.transpose() if flat else z, flat

    def value_ball(self, w: arb_mat) -> arb:
        """Return a ball that contains ℓ(W) for every W in w, also where ℓ is not smooth."""
        _, y, _ = self._tall(w)
        squares = sum((BALLS.square(x) for x in w.entries()), arb(trace(self.covariance)))
        return squares - 2 * trace_of_root(y.transpose() * y)

    def gradient_ball(self, w: arb_mat) -> arb_mat:
        """Return balls with 2(W − C U Vᵀ), m×n; not finite where CᵀW may lose rank."""
        c, y, flat = self._tall(w)
        root = square_root(y.transpose() * y)
        inverse = None if root is None else inverse_or_none(root)
        if inverse is None:
            return _nothing(*self.shape)
        polar = y * inverse
        return (w - c * (polar.transpose() if flat else polar)) * 2

    def hessian_ball(self, w: arb_mat) -> arb_mat:
        """Return balls with ∇²ℓ, mn×mn; not finite where CᵀW may lose rank.

        For the polar factor Q = Y R⁻¹ of Y, R² = YᵀY, a direction Ẏ gives Q̇ = (Ẏ − QṘ)R⁻¹, and
        Ṙ solves RṘ + ṘR = ẎᵀY + YᵀẎ: k² linear equations with the same matrix for all directions.
        """
        m, n = self.shape
        c, y, flat = self._tall(w)
        root = square_root(y.transpose() * y)
        inverse = None if root is None else inverse_or_none(root)
        if root is None or inverse is None:
            return _nothing(m * n, m * n)
        moves = []
        for place in range(m * n):
            d = arb_mat(m, n, [arb(int(i == place)) for i in range(m * n)])
            move = c.transpose() * d
            moves.append((d, move.transpose() if flat else move))
        k = y.ncols()
        right = [(v.transpose() * y + y.transpose() * v).entries() for _, v in moves]
        turns = solve_or_none(sylvester(root), arb_mat(right).transpose())
        if turns is None:
            return _nothing(m * n, m * n)
        polar, out = y * inverse, []
        for (d, v), turn in zip(moves, turns.transpose().tolist(), strict=True):
            change = (v - polar * arb_mat(k, k, turn)) * inverse
            out.append(((d - c * (change.transpose() if flat else change)) * 2).entries())
        return arb_mat(out)

    # --- arrays -----------------------------------------------------------------------------

    @cached_property
    def _c_array(self) -> Any:
        import numpy as np

        left, middle = self.factors
        table = [[int(x.p) / int(x.q) for x in row] for row in left.tolist()]
        roots = [int(middle[i, i].p) / int(middle[i, i].q) for i in range(middle.nrows())]
        return np.array(table) * np.sqrt(np.array(roots))

    def value_array(self, w: Any) -> Any:
        """Return ℓ in float64 for an array of shape (…, m, n)."""
        import numpy as np

        w = np.asarray(w, dtype=np.float64)
        sigma = np.linalg.svd(self._c_array.T @ w, compute_uv=False)
        total = float((self._c_array**2).sum())
        return (w**2).sum(axis=(-2, -1)) + total - 2 * sigma.sum(axis=-1)

    def gradient_array(self, w: Any) -> Any:
        """Return ∇ℓ in float64, (…, m, n); where ℓ is not smooth, one of its supergradients of
        the concave part."""
        return self.stratum_gradient_array(w, min(self.covariance_rank, self.columns))

    def stratum_gradient_array(self, w: Any, rank: int) -> Any:
        """Return 2(W − C U_e V_eᵀ), which gives the slopes of ℓ along the matrices of rank e.

        ‖CᵀW‖_* is smooth on the matrices of rank e where rk CᵀW = e, with slope ⟨C U_e V_eᵀ, Δ⟩
        along a tangent Δ, and U_e, V_e the e leading singular vectors of CᵀW.
        """
        import numpy as np

        w = np.asarray(w, dtype=np.float64)
        u, _, v = np.linalg.svd(self._c_array.T @ w, full_matrices=False)
        return 2 * (w - self._c_array @ (u[..., :, :rank] @ v[..., :rank, :]))

    def hessian_array(self, w: Any) -> Any:
        """Return ∇²ℓ in float64, (…, mn, mn), where rk CᵀW = k = min(rk S, n).

        2 − 2 Σ c cᵀ/(σ_i + σ_j) over i < j, i ≤ k, with σ_j = 0 for j > k, where
        c = vec C(u_i v_jᵀ − u_j v_iᵀ) and a vector that does not exist is 0.
        """
        import numpy as np

        w = np.asarray(w, dtype=np.float64)
        m, n = self.shape
        c = self._c_array
        u, sigma, v = np.linalg.svd(c.T @ w, full_matrices=True)
        u, v = np.swapaxes(c @ u, -1, -2), v
        k, rows = sigma.shape[-1], max(u.shape[-2], n)
        out = np.zeros((*w.shape[:-2], m * n, m * n)) + 2 * np.eye(m * n)
        for i in range(k):
            for j in range(i + 1, rows):
                form = np.zeros_like(w)
                if j < n:
                    form = form + u[..., i, :, None] * v[..., j, None, :]
                if j < u.shape[-2]:
                    form = form - u[..., j, :, None] * v[..., i, None, :]
                flat = form.reshape(*form.shape[:-2], m * n)
                sum_of_two = sigma[..., i] + (sigma[..., j] if j < k else 0.0)
                scaled = 2 * flat / sum_of_two[..., None]
                out -= scaled[..., :, None] * flat[..., None, :]
        return out

    # --- symbols ----------------------------------------------------------------------------

    def symbolic(self, w: Any) -> Any:
        """Return ℓ(W) as a SymPy expression, if min(rk S, n) ≤ 2.

        With M = WᵀSW, or DLᵀWWᵀL of size rk S, ‖CᵀW‖_* = tr √M is √M or √(tr M + 2√det M).

        Raises
        ------
        InputError
            If min(rk S, n) > 2: roots of polynomials of higher degree would be needed.
        """
        import sympy

        left, middle = self.factors
        rho, n = middle.nrows(), self.columns
        if min(rho, n) > 2:
            raise InputError(
                "a Bures–Wasserstein loss is written with square roots only if the rank of the "
                f"covariance or columns is at most 2, not {min(rho, n)}: use value_ball"
            )
        if n <= rho:
            small = w.T * to_sympy(self.covariance) * w
        else:
            inner = to_sympy(left).T * w
            small = to_sympy(middle) * inner * inner.T
        if small.rows == 1:
            root = sympy.sqrt(small[0, 0])
        else:
            root = sympy.sqrt(small.trace() + 2 * sympy.sqrt(small.det()))
        total = trace(self.covariance)
        constant = sympy.Rational(int(total.p), int(total.q))
        return sympy.Add(*(x**2 for x in w)) + constant - 2 * root

    def symbolic_gradient(self, w: Any) -> Any:
        """Return ∇ℓ(W) as an m×n SymPy matrix, where `symbolic` exists.

        Raises
        ------
        InputError
            As `symbolic`; also if rk CᵀW < min(rk S, n) for all values of the symbols in W, as ℓ
            is nowhere differentiable then.
        """
        import sympy

        entries = sympy.Matrix(
            *self.shape, sympy.symbols(f"_w0:{w.rows * w.cols}", cls=sympy.Dummy)
        )
        value = self.symbolic(entries)
        put = dict(zip(entries, w, strict=True))
        out = entries.applyfunc(lambda x: sympy.diff(value, x).xreplace(put))
        if out.has(sympy.nan, sympy.zoo):
            raise InputError(
                "a Bures–Wasserstein loss is not differentiable at matrices of smaller rank than "
                f"{min(self.covariance_rank, self.columns)}: use critical_points"
            )
        return out


def _nothing(rows: int, columns: int) -> arb_mat:
    return arb_mat(rows, columns, [arb("nan")] * (rows * columns))


_: type[Loss] = BuresWassersteinLoss  # the protocol, checked
