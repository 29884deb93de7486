"""True critical points near floating-point weights, and the proved distance to them.

A matrix W* near W̄ = W_h⋯W_1 is lifted to weights θ* near θ by explicit formulas.  Each lifting
moves only what it must:

* *ends*: if rk W* = rk W̄ = e, then L = I + (W* − W̄)W̄⁺ and R = I + (W*Π)⁺W*(I − Π), with
  Π = W̄⁺W̄, satisfy L W̄ R = W*; the first layer becomes W_1R and the last one L W_h.
* *one layer*: if W_{>i} is onto and W_{<i} is injective, W_i + W_{>i}⁺(W* − W̄)W_{<i}⁺ will do.
* *thin*: with b_0 = E of e columns and b_l = W_l⋯W_1E, the layers b_l b_{l−1}⁺ have rank e, and
  their product b_h E⁺ is then moved by *ends*.  Over a W* with W*ᵀG = 0 and GW*ᵀ = 0 such thin
  weights are critical, because every proper W_{>i} has the columns of W*, every W_{<i} its rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.exact.balls import arb, arb_mat
from detvar.losses import Reduction
from detvar.networks.linear import LinearNetwork
from detvar.optimality.measured import (
    Balls,
    balls,
    floats,
    norm,
    outer_products,
    product,
    root,
    unit_matrix,
    upper_float,
)
from detvar.optimality.words import rounded


@dataclass(frozen=True)
class Target:
    """A proved critical matrix W* of ℓ on the matrices of its rank, in effective coordinates.

    Attributes
    ----------
    rank : e = rk W*, None where only ∇ℓ(W*) = 0 is known
    center, radius : W* is within `radius` of `center`, in the Frobenius norm
    zero_gradient : whether ∇ℓ(W*) = 0 is proved; False means that ∇ℓ(W*) ≠ 0 is proved
    nature : of ℓ on the matrices of rank e, or of the global problem if the gradient is zero
    is_top : for Kronecker losses whether no larger singular value is left out
    """

    rank: int | None
    center: arb_mat
    radius: arb
    zero_gradient: bool
    nature: str
    is_top: bool | None = None


@dataclass(frozen=True)
class NearbyPoint:
    """A true critical point θ* of L within `distance` of the weights, and its nature.

    Attributes
    ----------
    nature : "global_minimum", "local_minimum", "local_maximum", "strict_saddle",
        "non_strict_saddle" or "saddle"
    rank : of the end-to-end matrix, None if not known
    distance : proved upper bound of ‖θ* − θ‖
    by : how the weights were lifted, "ends", "one layer" or "thin"
    """

    nature: str
    rank: int | None
    distance: float
    by: str

    @property
    def words(self) -> str:
        """The nature in words."""
        return self.nature.replace("non_strict", "non-strict").replace("_", " ")

    def __str__(self) -> str:
        far = rounded((0.0, self.distance), 3)[1]
        return f"a true {self.words} lies within {far} of these weights"

    def to_json(self) -> dict[str, Any]:
        """Return the fields; the distance as a hexadecimal float."""
        return {
            "nature": self.nature,
            "rank": self.rank,
            "distance": self.distance.hex(),
            "by": self.by,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> NearbyPoint:
        """Return the point that `to_json` wrote."""
        return cls(data["nature"], data["rank"], float.fromhex(data["distance"]), data["by"])


def nearest(
    network: LinearNetwork,
    weights: Balls,
    target: Target,
    left: float = 1.0,
    right: float = 1.0,
) -> NearbyPoint | None:
    """Return critical weights over W* near θ, or None if no lifting is proved.

    Parameters
    ----------
    network, weights : the effective problem
    target : W*
    left, right : by which factors a move of the last and of the first layer can grow when it is
        carried back to the given weights

    Notes
    -----
    **Validity**: the nature follows from the theorems of `classify`: at the maximal rank it is
    that of ℓ on the function space; below it, with ∇ℓ ≠ 0, every critical point is a saddle,
    strict if h = 2; thin weights of depth ≥ 3 have every pivot tightened.

    References
    ----------
    Trager, Kohn, Bruna (2020); Achour, Malgouyres, Gerchinovitz (2021).
    """
    found = []
    for by, distance in _liftings(network, weights, target, left, right):
        nature = nature_over(
            network, by, target.rank, target.zero_gradient, target.nature, target.is_top
        )
        if nature is not None and distance.is_finite():
            found.append(NearbyPoint(nature, target.rank, upper_float(distance), by))
    return min(found, key=lambda p: p.distance, default=None)


def nature_over(
    network: LinearNetwork,
    by: str,
    rank: int | None,
    zero_gradient: bool,
    nature: str,
    is_top: bool | None,
) -> str | None:
    """Return the nature of critical weights over W*, lifted in the given way; None: not known.

    Parameters
    ----------
    network : the effective one
    rank, zero_gradient, nature, is_top : as in `Target`
    """
    if zero_gradient:
        return nature
    if rank == network.rank_bound:
        if network.is_filling:
            return None
        if is_top is not None:
            return "global_minimum" if is_top else "strict_saddle"
        known = nature in ("global_minimum", "local_minimum", "strict_saddle")
        return nature if known else None
    if by != "thin" or network.depth == 1:
        return None
    if network.depth == 2:
        return "strict_saddle"
    if is_top is None:
        return "saddle"
    return "non_strict_saddle" if is_top else "strict_saddle"


def _liftings(
    network: LinearNetwork, weights: Balls, target: Target, left: float, right: float
) -> list[tuple[str, arb]]:
    out = []
    w = product(weights)
    off = norm(target.center - w) + target.radius
    e, h = target.rank, network.depth
    if h == 1:
        return [("one layer", off * left * right)] if target.zero_gradient else []
    if e is not None and e == network.rank_bound and e:
        p = network.widths.index(e)
        above = product((unit_matrix(e), *weights[p:])) if p < h else unit_matrix(e)
        below = product((unit_matrix(network.widths[0]), *weights[:p]))
        moved = _ends(weights, above, below, off)
        if moved is not None:
            out.append(("ends", root(moved[0] ** 2 * left**2 + moved[1] ** 2 * right**2)))
    if target.zero_gradient:
        out += [("one layer", d) for d in _one_layer(weights, off, left, right)]
    if e is not None:
        thin = _thin(weights, target, e, left, right)
        if thin is not None:
            out.append(("thin", thin))
    return out


def _ends(weights: Balls, above: arb_mat, below: arb_mat, off: arb) -> tuple[arb, arb] | None:
    """Return how far the last and the first layer move, for W̄ = `above`·`below` of exact rank e.

    ‖L − I‖ ≤ δ‖W̄⁺‖ and ‖R − I‖ ≤ δ‖W̄⁺‖/(1 − δ‖W̄⁺‖) for δ = ‖W* − W̄‖, as
    σ_e(W*Π) ≥ σ_e(W̄) − δ.
    """
    a, b = left_inverse(above), left_inverse(below.transpose())
    if a is None or b is None:
        return None
    ratio = off * norm(b.transpose() * a)
    if not ratio < 1:
        return None
    return norm(weights[-1]) * ratio, norm(weights[0]) * ratio / (1 - ratio)


def _one_layer(weights: Balls, off: arb, left: float, right: float) -> list[arb]:
    above, below = outer_products(weights)
    out = []
    for i, (a, b) in enumerate(zip(above, below, strict=True)):
        onto, injective = left_inverse(a.transpose()), left_inverse(b)
        if onto is None or injective is None:
            continue
        factor = (left if i == len(weights) - 1 else 1.0) * (right if i == 0 else 1.0)
        one = 1 if i == len(weights) - 1 else norm(onto)
        two = 1 if i == 0 else norm(injective)
        out.append(off * one * two * factor)
    return out


def _thin(weights: Balls, target: Target, e: int, left: float, right: float) -> arb | None:
    import numpy as np

    if e == 0:
        moves = [norm(w) for w in weights]
    else:
        center = floats(target.center)
        if not np.isfinite(center).all():
            return None
        rows = np.linalg.svd(center)[2][:e]
        image = [balls(rows.T.copy())]
        for w in weights:
            image.append(w * image[-1])
        inverses = [x for b in image if (x := left_inverse(b)) is not None]
        if len(inverses) < len(image):
            return None
        layers = tuple(b * x for b, x in zip(image[1:], inverses[:-1], strict=True))
        off = norm(target.center - image[-1] * inverses[0]) + target.radius
        ends = _ends(layers, image[-1], inverses[0], off)
        if ends is None:
            return None
        moves = [norm(w - t) for w, t in zip(weights, layers, strict=True)]
        moves[-1], moves[0] = moves[-1] + ends[0], moves[0] + ends[1]
    moves[-1], moves[0] = moves[-1] * left, moves[0] * right
    return root(sum((m * m for m in moves), arb(0)))


def left_inverse(a: arb_mat) -> arb_mat | None:
    """Return (aᵀa)⁻¹aᵀ, or None if full column rank is not proved.

    >>> left_inverse(arb_mat([[2], [0]]))[0, 0] == 0.5, left_inverse(arb_mat([[1, 1]])) is None
    (True, True)
    """
    if a.nrows() < a.ncols():
        return None
    try:
        return (a.transpose() * a).inv() * a.transpose()
    except ZeroDivisionError:
        return None


def growth_factors(reduction: Reduction) -> tuple[float, float]:
    """Return bounds of ‖C⁺‖ and ‖B⁺‖ for the effective problem ℓ(W) = ℓ′(CWB)."""
    if not reduction.changed:
        return 1.0, 1.0
    out = []
    for a in (reduction.left.transpose(), reduction.right):
        if a.nrows() == a.ncols() and a == type(a)(
            a.nrows(), a.ncols(), [int(i == j) for i in range(a.nrows()) for j in range(a.ncols())]
        ):
            out.append(1.0)
            continue
        inverse = left_inverse(balls(a))
        if inverse is None:  # the columns are independent, but not for the bits in use
            inverse = balls((a.transpose() * a).inv() * a.transpose())
        out.append(upper_float(norm(inverse)))
    return out[0], out[1]
