"""What floating-point ranks and singular vectors suggest, at a stated tolerance: not proved.

It stands beside the certified facts.  Ranks are discontinuous, so that a numerical rank is a guess;
where the assumptions of the published test fail, it can differ from the certified answer.
"""

from __future__ import annotations

from detvar.exact.balls import arb
from detvar.losses import Loss, SquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.optimality.measured import Balls, floats, product
from detvar.optimality.whitened import Whitened

Interval = tuple[float, float]


def looks_like(
    form: Whitened | None,
    theta: Balls,
    gap: arb | None,
    scale: arb,
    slope: arb,
    bend: Interval | None,
    tolerance: float,
) -> str | None:
    """Return the label that the numbers suggest, at the square root of the tolerance."""
    loose = tolerance**0.5
    size = float(scale.mid())
    if gap is not None and float(gap.mid()) <= loose * size:
        return "global_minimum"
    if float(slope.mid()) > loose * max(size, 1e-300):
        return "not_critical"
    if bend is not None and bend[1] < -loose * max(size, 1e-300):
        return "strict_saddle"
    if form is None:
        return None
    w = product(form.weights(theta))
    target = form.near(w)
    below = target is not None and (target.rank or 0) < form.network.rank_bound
    return "non_strict_saddle" if below and target is not None and target.is_top else None


def published_test(
    network: LinearNetwork, loss: Loss, form: Whitened | None, theta: Balls, tolerance: float
) -> str | None:
    """Return the criterion of Yun, Sra and Jadbabaie on numerical ranks, in words.

    Singular values count as zero below √`tolerance` times the largest. Assumptions that fail are
    named. None for other losses than the squared one.

    References
    ----------
    Yun, Sra, Jadbabaie (ICLR 2018), Theorems 2.1 and 2.2.
    """
    import numpy as np

    if not isinstance(loss, SquaredLoss):
        return None
    k, n, m = network.rank_bound, network.widths[0], network.widths[-1]
    at = tolerance**0.5
    sizes = np.linalg.svd(floats(product(theta)), compute_uv=False)
    found = int((sizes > at * max(float(sizes[0]), 1e-300)).sum()) if sizes.size else 0
    theorem = "2.1" if k == min(m, n) else "2.2"
    notes = []
    if form is None or form.network.widths[0] < n:
        notes.append("XXᵀ is singular, which its assumptions exclude")
    elif form.rank < min(m, n):
        notes.append("YXᵀ does not have full rank, which its assumptions exclude")
    if form is not None and 0 < k < form.rank:
        values = form.eigen[1]
        if not values[k - 1] > values[k]:
            notes.append("σ_k and σ_(k+1) are not separated, which its assumptions exclude")
    if found < k:
        says = f"saddle, the product has numerical rank {found} < {k}"
    elif theorem == "2.1":
        says = f"global minimum, the product has numerical rank {k}"
    elif form is None or form.network.widths != network.widths:
        says = "not defined"
    else:
        q = form.eigen[0][:, :k]
        u = np.linalg.svd(floats(product(form.weights(theta))))[0][:, :k]
        same = float(np.linalg.norm(u - q @ (q.T @ u), 2))
        word = "global minimum" if same <= at else "saddle"
        says = f"{word}, sin of the angle to the leading singular vectors {same:.3g}"
    text = f"Theorem {theorem}, if critical: {says} (tolerance {at:g})"
    return "; ".join([text, *notes])
