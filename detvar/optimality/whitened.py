"""Kronecker losses in the form ½‖(W − U)Σ^½‖² + c₀: singular values, least value, critical points.

The numbers λ_q = σ_q² are the eigenvalues of M = UΣUᵀ.  They are found in floats and proved in
balls: for the float matrix Q of eigenvectors with ‖QᵀQ − I‖ ≤ ω and QᵀMQ = diag(d) + F the
eigenvalues of M, in order, satisfy (d_q − ‖F‖)/(1 + ω) ≤ λ_q ≤ (d_q + ‖F‖)/(1 − ω), by the
theorems of Weyl and of Ostrowski.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from detvar.exact.balls import arb, arb_mat
from detvar.exact.matrices import rank
from detvar.losses import Loss, Reduction, SquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.optimality.measured import (
    Balls,
    balls,
    enough_bits,
    floats,
    inner,
    norm,
    norm_squared,
    unit_matrix,
    upper_float,
)
from detvar.optimality.nearby import Target, growth_factors, left_inverse


@dataclass(frozen=True)
class Whitened:
    """ℓ(W) = ½‖(W − U)Σ^½‖² + c₀ with Σ ≻ 0, for the effective problem of a Kronecker loss.

    Attributes
    ----------
    network : the effective network
    target, gram, constant : U, Σ and c₀ as balls
    rank : ρ = rk U, exact
    left, right : matrices C, B: the given W enters as CWB
    growth : bounds of ‖C⁺‖ and ‖B⁺‖
    """

    network: LinearNetwork
    target: arb_mat
    gram: arb_mat
    constant: arb
    rank: int
    left: arb_mat
    right: arb_mat
    growth: tuple[float, float]

    def weights(self, weights: Balls) -> Balls:
        """Return the effective weights (W_1B, W_2, …, CW_h)."""
        out = list(weights)
        out[0] = out[0] * self.right
        out[-1] = self.left * out[-1]
        return tuple(out)

    def excess(self, w: arb_mat) -> arb:
        """Return ½‖(W − U)Σ^½‖² for effective W."""
        d = w - self.target
        return inner(d * self.gram, d).nonnegative_part() / 2

    @cached_property
    def normal(self) -> arb_mat:
        """M = UΣUᵀ."""
        return self.target * self.gram * self.target.transpose()

    @cached_property
    def eigen(self) -> tuple[Any, list[arb]]:
        """(Q, [λ_1 ≥ λ_2 ≥ …]): float eigenvectors, and balls around the true eigenvalues."""
        import numpy as np

        m = floats(self.normal)
        # any vectors are right, and the eigenvalues are only enclosed more widely
        values, vectors = np.linalg.eigh(m if np.isfinite(m).all() else np.eye(len(m)))
        q = vectors[:, np.argsort(values)[::-1]]
        with enough_bits():
            found = enclosed_eigenvalues(self.normal, q)
        zero = [arb(0)] * (len(found) - self.rank)
        return q, [x.nonnegative_part() for x in found[: self.rank]] + zero

    def minimum(self) -> arb:
        """Return the least ½‖(W − U)Σ^½‖² on the matrices of rank ≤ r, ½ Σ_{q>r} σ_q².

        References
        ----------
        C. Eckart, G. Young, 1936; L. Mirsky, 1960.
        """
        r = self.network.rank_bound
        return sum(self.eigen[1][r:], arb(0)) / 2

    def near(self, w: arb_mat) -> Target | None:
        """Return the critical matrix W_S = P_S U whose S consists of the σ_q that W carries.

        P_S is the spectral projector of M.  With the projector P̂ on the float eigenvectors of S
        and E = (I − P̂)MP̂, the sine theorem gives ‖P_S − P̂‖ ≤ √2‖E‖/(δ − ‖E‖), δ the distance
        between the eigenvalues of M̂ = M − E − Eᵀ on Col P̂ and on its complement.

        Returns
        -------
        None where S is not separated from its complement, or has more than r elements.

        References
        ----------
        C. Davis, W. Kahan (1970), the sin Θ theorem; R. Bhatia, *Matrix Analysis*, VII.
        """
        import numpy as np

        q, values = self.eigen
        m = len(values)
        carried = np.einsum(
            "iq,ij,jk,lk,lq->q",
            q,
            floats(w),
            floats(self.gram),
            floats(w),
            q,
            optimize=True,
        )
        mids = np.array([float(x.mid()) for x in values])
        top = max(mids.max(), 1e-300)
        chosen = [k for k in range(self.rank) if carried[k] > mids[k] / 2 + 1e-14 * top]
        if len(chosen) > self.network.rank_bound:
            chosen = chosen[: self.network.rank_bound]
        rest = [k for k in range(m) if k not in chosen]
        if not chosen or not rest or len(chosen) == self.rank:
            p, error = unit_matrix(m), arb(0)
            if not chosen:
                p = arb_mat(m, m)
            separated = True
        else:
            p, error, separated = self._projector(q, values, chosen, rest)
        if not separated:
            return None
        is_top = all(values[s] > values[k] for s in chosen for k in rest if k < self.rank)
        whole, full = len(chosen) == self.rank, len(chosen) == self.network.rank_bound
        return Target(
            len(chosen),
            p * self.target,
            error * norm(self.target),
            whole,
            "global_minimum" if whole or (is_top and full) else "saddle",
            is_top,
        )

    def _projector(
        self, q: Any, values: Sequence[arb], chosen: list[int], rest: list[int]
    ) -> tuple[arb_mat, arb, bool]:
        frame = balls(q[:, chosen].copy())
        inverse = left_inverse(frame)
        if inverse is None:
            return frame, arb(0), False
        p = frame * inverse
        e = norm((unit_matrix(len(values)) - p) * self.normal * p)
        # by Weyl the eigenvalues of M̂ are those of M up to ‖E + Eᵀ‖ = ‖E‖, and those on Col P̂
        # are where the float eigenvectors of S put them
        here = enclosed_eigenvalues(self.normal, q[:, chosen])
        spread = arb(0, upper_float(e))
        mine = [x + spread for x in here]
        others = [values[k] + spread for k in rest]
        expected = [values[k] + spread for k in chosen]
        apart = all(not a.overlaps(b) for a in (*mine, *expected) for b in others)
        if not apart:
            return p, arb(0), False
        gap = min(
            (abs(a - b).lower() for a in (*mine, *expected) for b in others), key=lambda x: float(x)
        )
        if not gap > 2 * e:
            return p, arb(0), False
        return p, (arb(2).sqrt() * e / (gap - e)).upper(), True


def enclosed_eigenvalues(m: arb_mat, q: Any) -> list[arb]:
    """Return balls around the eigenvalues of Pᵀ M P, decreasing, P an orthonormal basis of Col Q.

    For a square Q these are all eigenvalues of M.

    Examples
    --------
    >>> import numpy as np
    >>> low, high = sorted(
    ...     map(
    ...         float,
    ...         enclosed_eigenvalues(
    ...             arb_mat([[2, 1], [1, 2]]), np.array([[0.7071, 0.7071], [0.7071, -0.7071]])
    ...         ),
    ...     )
    ... )
    >>> abs(low - 1) < 1e-4, abs(high - 3) < 1e-4
    (True, True)
    """
    b = balls(q.copy())
    k = b.ncols()
    n = b.transpose() * m * b
    defect = norm(b.transpose() * b - unit_matrix(k))
    d = sorted((n[i, i].mid() for i in range(k)), key=lambda x: float(x), reverse=True)
    order = sorted(range(k), key=lambda i: float(n[i, i].mid()), reverse=True)
    off = arb_mat([[n[i, j] - (n[i, i].mid() if i == j else arb(0)) for j in order] for i in order])
    f = norm(off)
    if not defect < 1:
        return [arb.nan()] * k
    scale = 1 / (1 + arb(0, upper_float(defect)))
    return [(x + arb(0, upper_float(f))) * scale for x in d]


def whitened(network: LinearNetwork, loss: Loss) -> Whitened | None:
    """Return the whitened form of a Kronecker loss, or None for other losses.

    None is also returned for data so close to singular that the balls cannot tell.

    **Cost**: the effective problem is found exactly, over Q.
    """
    reduction: Reduction = loss.reduce(network)
    if reduction.loss is None or reduction.loss.kronecker is None:
        return None
    small = reduction.loss
    left, right = balls(reduction.left), balls(reduction.right)
    if isinstance(small, SquaredLoss):
        x, y = balls(small.X), balls(small.Y)
        gram, cross = x * x.transpose(), y * x.transpose()
        try:
            u = gram.solve(cross.transpose()).transpose()
        except ZeroDivisionError:  # singular up to the bits in use, although not over Q
            return None
        rho = rank(small.Y * small.X.transpose())
        c0 = norm_squared(u * x - y) / 2
        return Whitened(reduction.network, u, gram, c0, rho, left, right, growth_factors(reduction))
    form = small.kronecker()
    if form is None:
        return None
    root = cholesky(balls(form.left))
    if root is None:
        return None
    up = root.transpose()
    grow_left, grow_right = growth_factors(reduction)
    grow_left *= upper_float(norm(up.inv()))
    return Whitened(
        reduction.network,
        up * balls(form.target),
        balls(form.right),
        arb(0) + form.constant,
        rank(form.target),
        up * left,
        right,
        (grow_left, grow_right),
    )


def cholesky(a: arb_mat) -> arb_mat | None:
    """Return lower triangular R with RRᵀ = a, or None if a pivot is not proved positive.

    >>> cholesky(arb_mat([[4, 2], [2, 2]]))[1, 0] == 1
    True
    """
    n = a.nrows()
    r = arb_mat(n, n)
    for j in range(n):
        for i in range(j, n):
            rest = a[i, j] - sum((r[i, k] * r[j, k] for k in range(j)), arb(0))
            if i == j:
                if not rest > 0:
                    return None
                r[j, j] = rest.sqrt()
            else:
                r[i, j] = rest / r[j, j]
    return r
