r"""Critical matrices of ½‖WX − Y‖² near a float matrix, enclosed in float64.

For inputs with Σ = XXᵀ invertible let U = YXᵀΣ⁻¹ and M = UΣUᵀ.  The critical matrices of rank e
on the matrices of rank e are W_S = P_S U, P_S the projector on eigenvectors of e positive
eigenvalues S of M that are not shared with the others.

**Bounds.**  A square T with ‖TᵀΣT − I‖ ≤ ε < 1 is invertible, and ‖Σ⁻¹‖ ≤ ‖T‖²/(1 − ε).  With
V ≈ U and K = (Y − VX)Xᵀ, U = V + KΣ⁻¹ and M = (VX)Yᵀ + Y(VX)ᵀ − (VX)(VX)ᵀ + KΣ⁻¹Kᵀ.  With float
eigenvectors Q, ‖QᵀQ − I‖ ≤ δ, and their polar factor Q̃, ‖QDQᵀ − Q̃DQ̃ᵀ‖ ≤ ‖D‖δ(2 + δ), so that
‖M − Q̃DQ̃ᵀ‖ ≤ η is known.  Then the eigenvalues of M are within η of D (Weyl), and
‖P_S − P̃_S‖_F ≤ √2η/(g − η) where S has the distance g from the rest (Davis and Kahan).

References: C. Davis, W. Kahan, 1970; R. Bhatia, *Matrix Analysis*, VII.3; Eckart, Young, 1936.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detvar.networks.linear import LinearNetwork
from detvar.optimality.minimal_value import Projection, Samples
from detvar.optimality.moments import CHUNK, Moments
from detvar.optimality.rounding import (
    Array,
    Enclosed,
    add,
    from_float,
    minus_identity,
    norm,
    product,
    scale_columns,
    shift,
    subtract,
    transpose,
    up,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class FloatTarget:
    """A proved critical matrix W* in the coordinates of the weights, on the inputs in use.

    Attributes
    ----------
    rank : e = rk W*, None where only ∇ℓ(W*) = 0 is known
    point : a set that contains W*
    zero_gradient : whether ∇ℓ(W*) = 0 is proved; False means that ∇ℓ(W*) ≠ 0 is proved
    is_top : whether no larger singular value is left out
    """

    rank: int | None
    point: Enclosed
    zero_gradient: bool
    is_top: bool

    def nature_on(self, rank_bound: int) -> str:
        """Return what W* is for ℓ on the matrices of rank ≤ r."""
        best = self.zero_gradient or (self.is_top and self.rank == rank_bound)
        return "global_minimum" if best else "saddle"


@dataclass(frozen=True, eq=False)
class Spectral:
    """U and the eigenvalues of M, for data divided by powers of two.

    Attributes
    ----------
    used : the inputs that are not 0 in every sample; all matrices are on these
    u : Enclosed m×n
    data : Moments or Samples
    values, vectors : D decreasing and Q
    spread, tilt : η, and δ(2 + δ)
    powers : W = shift(divided W, powers)
    """

    used: NDArray[np.bool_]
    u: Enclosed
    data: Moments | Samples
    values: Array
    vectors: Array
    spread: float
    tilt: float
    powers: Any

    def targets(self, network: LinearNetwork, w: Array) -> list[FloatTarget]:
        """Return critical matrices that W may be close to: U, and W_S for the σ_q that W carries.

        Parameters
        ----------
        network : on the inputs in use
        w : W̄ in floats, on the inputs in use, not divided
        """
        m, n = self.u.mid.shape
        full = self.positive(min(m, n) - 1)
        out = [FloatTarget(min(m, n) if full else None, self._back(self.u), True, True)]
        chosen = self._carried(w)[: network.rank_bound]
        part = self._part(chosen)
        if part is not None and not (network.is_filling and len(chosen) == network.rank_bound):
            out.append(part)
        return [t for t in out if math.isfinite(t.point.rad)]

    def positive(self, q: int) -> bool:
        """Say whether the eigenvalue of index q is proved to be positive."""
        return bool(self.values[q] > self.spread)

    def separated(self, k: int) -> bool:
        """Say whether σ_k > σ_{k+1} is proved, counted from 1."""
        return bool(self.values[k - 1] - self.values[k] > up(2 * self.spread))

    def divided(self, w: Array) -> Array:
        """Return W in the coordinates of the divided data, in floats."""
        import numpy as np

        with np.errstate(all="ignore"):
            out: Array = np.ldexp(w, -np.asarray(self.powers))
        return out

    def _carried(self, w: Array) -> list[int]:
        import numpy as np

        with np.errstate(all="ignore"):
            z = self.vectors.T @ self.divided(w)
            if isinstance(self.data, Moments):
                zx = z @ self.data.xx.mid[np.ix_(self.used, self.used)]
                carried = np.einsum("qi,qi->q", zx, z)
            else:
                x = self.data.x if self.used.all() else self.data.x[:, self.used]
                carried = np.einsum("sq,sq->q", x @ z.T, x @ z.T)
        top = max(float(self.values[0]), 1e-300)
        at_least = self.values / 2 + 1e-14 * top
        return [int(k) for k in np.flatnonzero(carried > at_least) if k < min(self.u.mid.shape)]

    def _part(self, chosen: list[int]) -> FloatTarget | None:
        """Return W_S, or None where S is not proved to be separated, or ∇ℓ(W_S) may be 0."""
        import numpy as np

        rest = [k for k in range(len(self.values)) if k not in chosen]
        if not all(map(self.positive, chosen)) or not any(map(self.positive, rest)):
            return None
        m, n = self.u.mid.shape
        if not chosen:
            return FloatTarget(0, Enclosed(np.zeros((m, n))), False, True)
        mine, others = self.values[chosen], self.values[rest]
        room = float(np.abs(mine[:, None] - others[None, :]).min()) * (1 - 2.0**-50)
        if not room > 2.1 * self.spread:
            return None
        turn = up(up(1.4143 * self.spread / ((room - self.spread) * (1 - 2.0**-50))) + self.tilt)
        frame = from_float(np.ascontiguousarray(self.vectors[:, chosen]))
        middle = from_float(self.u.mid)
        center = product(frame, product(transpose(frame), middle))
        radius = up(turn * self.u.size + (1 + self.tilt) * self.u.rad + center.rad)
        is_top = bool(mine.min() > others.max())
        return FloatTarget(len(chosen), self._back(Enclosed(center.mid, radius)), False, is_top)

    def _back(self, w: Enclosed) -> Enclosed:
        return shift(w, self.powers)


def spectral(data: Moments | Samples, found: Projection) -> Spectral | str:
    """Return the enclosed U and M, or a sentence that says why there are none.

    Parameters
    ----------
    data, found : prepared data, and what `project` proves of them

    **Cost**: products of the data with m×n matrices, and an eigendecomposition m×m.
    """
    import numpy as np

    if isinstance(data, Moments):
        used, samples = data.used, data.samples
        columns: Any = np.full(int(used.sum()), data.powers[0], dtype=np.int64)
        output = data.powers[1]
    else:
        used, samples = np.asarray(data.x.any(axis=0)), len(data.x)
        columns, output = data.columns[used], data.output
    n = int(used.sum())
    if not n:
        return "all inputs are 0"
    if samples < n:
        return f"XXᵀ is singular: there are {samples} samples and {n} inputs that are not 0"
    t, epsilon = found.whitener[used], found.whitened
    singular = "XXᵀ is singular, or too close to a singular matrix"
    if t.shape != (n, n) or not epsilon < 0.5:
        return singular
    explained, k, v = _fitted(data, used, t)
    bound = up(up(norm(t) ** 2) / (1 - epsilon))
    u = Enclosed(v, up(k.size * bound))
    m = Enclosed(explained.mid, up(explained.rad + up(k.size * k.size) * bound))
    if not (math.isfinite(m.rad) and math.isfinite(u.rad)):
        return singular
    values, vectors = np.linalg.eigh((m.mid + m.mid.T) / 2)
    values, vectors = values[::-1].copy(), np.ascontiguousarray(vectors[:, ::-1])
    q = from_float(vectors)
    delta = minus_identity(product(transpose(q), q)).size
    error = subtract(m, product(scale_columns(q, values), transpose(q))).size
    tilt = up(delta * (2 + delta))
    spread = up(error + float(np.abs(values).max()) * tilt)
    if not (delta < 0.5 and math.isfinite(spread)):
        return singular
    return Spectral(used, u, data, values, vectors, spread, tilt, output - columns)


def _fitted(data: Moments | Samples, used: Any, t: Array) -> tuple[Enclosed, Enclosed, Array]:
    """Return what `_explained` does, for V ≈ U after one step of refinement."""

    if isinstance(data, Moments):
        cross = data.yx.mid[:, used]
    else:
        cross = data.y.T @ (data.x if used.all() else data.x[:, used])
    v = (cross @ t) @ t.T
    _, k = _explained(data, used, v)
    v = v + (k.mid @ t) @ t.T
    return *_explained(data, used, v), v


def _explained(data: Moments | Samples, used: Any, v: Array) -> tuple[Enclosed, Enclosed]:
    """Enclose (VX)Yᵀ + Y(VX)ᵀ − (VX)(VX)ᵀ, and K = (Y − VX)Xᵀ."""
    import numpy as np

    ve = from_float(v)
    if isinstance(data, Moments):
        gram = Enclosed(np.ascontiguousarray(data.xx.mid[np.ix_(used, used)]), data.xx.rad)
        cross = Enclosed(np.ascontiguousarray(data.yx.mid[:, used]), data.yx.rad)
        k = subtract(cross, product(ve, gram))
        return add(product(ve, transpose(cross)), product(k, transpose(ve))), k
    sums: list[Enclosed] | None = None
    for x, y in _parts(data, used):
        fit = product(x, transpose(ve))
        rest = subtract(y, fit)
        new = [product(transpose(fit), add(y, rest)), product(transpose(rest), x)]
        sums = new if sums is None else [add(p, q) for p, q in zip(sums, new, strict=True)]
    assert sums is not None
    return sums[0], sums[1]


def _parts(data: Samples, used: Any) -> Any:
    """Yield the samples in chunks, only the inputs in use."""
    chunk = max(CHUNK, max(data.shape) // 4)
    for start in range(0, len(data.x), chunk):
        x = data.x[start : start + chunk]
        x = x if used.all() else x[:, used]
        yield Enclosed(x, data.lost[0]), Enclosed(data.y[start : start + chunk], data.lost[1])
