"""What floating-point ranks and singular vectors suggest, at a stated tolerance: not proved.

It stands beside the certified facts.  Ranks are discontinuous, so that a numerical rank is a guess;
where the assumptions of the published test fail, it can differ from the certified answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.losses import Loss, SquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.optimality.measured import Balls, floats, product
from detvar.optimality.whitened import Whitened

Interval = tuple[float, float]
SAYS_GLOBAL = "if critical: global minimum"


def guess(
    share: Interval | None,
    zero: Interval,
    gradient: Interval,
    curvature: Interval | None,
    thin: bool,
    tolerance: float,
) -> str | None:
    """Return the label that the numbers suggest, at the square root of the tolerance.

    Parameters
    ----------
    share : proved interval of the gap, divided by L(0) unless that may be 0
    zero, gradient, curvature : proved intervals; of L(0) in `zero`
    thin : whether W̄ seems to carry only the largest singular values, and fewer than r
    """
    loose = tolerance**0.5
    size = max(sum(zero) / 2 or 1.0, 1e-300)
    if share is not None and sum(share) / 2 <= loose:
        return "global_minimum"
    if sum(gradient) / 2 > loose * size:
        return "not_critical"
    if curvature is not None and curvature[1] < -loose * size:
        return "strict_saddle"
    return "non_strict_saddle" if thin else None


@dataclass(frozen=True)
class Assumed:
    """What the published theorems ask for, as far as it is proved of the data.

    Attributes
    ----------
    regular : whether XXᵀ is proved to be invertible
    full : whether YXᵀ is proved to have full rank
    separated : whether σ_k > σ_{k+1} is proved, for the rank bound k
    leading : orthonormal columns, the leading k left singular vectors of YXᵀ(XXᵀ)^−½, or None
    product : W̄(XXᵀ)^½ up to an orthogonal factor on the right, or None
    """

    regular: bool
    full: bool
    separated: bool
    leading: Any
    product: Any


def published_test(network: LinearNetwork, w: Any, assumed: Assumed, tolerance: float) -> str:
    """Return the criterion of Yun, Sra and Jadbabaie on numerical ranks, in words.

    Singular values count as zero below √`tolerance` times the largest. Assumptions that fail, or
    are not proved, are named.

    Parameters
    ----------
    w : W̄ in floats

    References
    ----------
    Yun, Sra, Jadbabaie (ICLR 2018), Theorems 2.1 and 2.2.
    """
    import numpy as np

    k, n, m = network.rank_bound, network.widths[0], network.widths[-1]
    at = tolerance**0.5
    if not np.isfinite(w).all():
        return "not defined, the product of the layers overflows"
    sizes = np.linalg.svd(w, compute_uv=False)
    found = int((sizes > at * max(float(sizes[0]), 1e-300)).sum()) if sizes.size else 0
    theorem = "2.1" if k == min(m, n) else "2.2"
    notes = []
    if not assumed.regular:
        notes.append("XXᵀ is singular, which its assumptions exclude")
    elif not assumed.full:
        notes.append("YXᵀ does not have full rank, which its assumptions exclude")
    if not assumed.separated:
        notes.append("σ_k and σ_(k+1) are not separated, which its assumptions exclude")
    if found < k:
        says = f"saddle, the product has numerical rank {found} < {k}"
    elif theorem == "2.1":
        says = f"global minimum, the product has numerical rank {k}"
    elif assumed.leading is None or not np.isfinite(assumed.product).all():
        says = "not defined"
    else:
        q = assumed.leading
        u = np.linalg.svd(assumed.product, full_matrices=False)[0][:, :k]
        same = float(np.linalg.norm(u - q @ (q.T @ u), 2))
        word = "global minimum" if same <= at else "saddle"
        says = f"{word}, sin of the angle to the leading singular vectors {same:.3g}"
    text = f"Theorem {theorem}, if critical: {says} (tolerance {at:g})"
    return "; ".join([text, *notes])


def published_on_balls(
    network: LinearNetwork, loss: Loss, form: Whitened | None, theta: Balls, tolerance: float
) -> str | None:
    """Return the published test for a squared loss, None for other losses."""
    if not isinstance(loss, SquaredLoss):
        return None
    k, n, m = network.rank_bound, network.widths[0], network.widths[-1]
    regular = form is not None and form.network.widths[0] == n
    full = form is not None and form.rank >= min(m, n)
    separated, leading, image = True, None, None
    if form is not None and 0 < k < form.rank:
        separated = bool(form.eigen[1][k - 1] > form.eigen[1][k])
    if form is not None and form.network.widths == network.widths:
        leading = form.eigen[0][:, :k]
        image = floats(product(form.weights(theta)))
    assumed = Assumed(regular, full, separated, leading, image)
    return published_test(network, floats(product(theta)), assumed, tolerance)
