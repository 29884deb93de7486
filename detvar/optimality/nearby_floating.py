"""True critical points near float weights, by the liftings of `nearby`, in float64.

Instead of inverses in balls there are floats B ≈ A⁺ with ‖BA − I‖ = c < 1: then L = (BA)⁻¹B is a
left inverse of A, within ‖B‖c/(1 − c) of B, and ‖A⁺‖ ≤ ‖L‖.
"""

from __future__ import annotations

import math

from detvar.networks.linear import LinearNetwork
from detvar.optimality.nearby import NearbyPoint, nature_over
from detvar.optimality.rounding import (
    Array,
    Enclosed,
    from_float,
    minus_identity,
    norm,
    product,
    subtract,
    transpose,
    up,
)
from detvar.optimality.spectral import FloatTarget

Layers = tuple[Array, ...]


def nearest_of(
    network: LinearNetwork, weights: Layers, targets: list[FloatTarget]
) -> NearbyPoint | None:
    """Return critical weights over one of the targets near θ, or None if no lifting is proved.

    Parameters
    ----------
    network, weights : on the inputs in use
    """
    found = []
    for target in targets:
        for by, distance in _liftings(network, weights, target):
            nature = nature_over(
                network,
                by,
                target.rank,
                target.zero_gradient,
                "global_minimum" if target.zero_gradient else "saddle",
                target.is_top,
            )
            if nature is not None and math.isfinite(distance):
                found.append(NearbyPoint(nature, target.rank, distance, by))
    return min(found, key=lambda p: p.distance, default=None)


def left_inverse(a: Enclosed) -> Enclosed | None:
    """Enclose a left inverse of every matrix in A, or None if full column rank is not proved.

    >>> import numpy as np
    >>> found = left_inverse(from_float(np.array([[2.0], [0.0]])))
    >>> bool(abs(found.mid[0, 0] - 0.5) <= found.rad < 1e-14)
    True
    """
    import numpy as np

    rows, columns = a.mid.shape
    if rows < columns or not math.isfinite(a.rad):
        return None
    try:
        with np.errstate(all="ignore"):
            q, r = np.linalg.qr(a.mid)
            b = np.linalg.solve(r, q.T)
    except np.linalg.LinAlgError:
        return None
    if not np.isfinite(b).all():
        return None
    c = minus_identity(product(from_float(b), a)).size
    return Enclosed(b, up(norm(b) * c / (1 - c))) if c < 0.5 else None


def _liftings(
    network: LinearNetwork, weights: Layers, target: FloatTarget
) -> list[tuple[str, float]]:
    w = _times(*weights)
    off = subtract(target.point, w).size
    out: list[tuple[str, float]] = []
    e, h = target.rank, network.depth
    if not math.isfinite(off):
        return out
    if h == 1:
        return [("one layer", off)] if target.zero_gradient else []
    if e is not None and e == network.rank_bound and e and not network.is_filling:
        p = network.widths.index(e)
        one = from_float(_unit(e))
        above = _times(*weights[p:]) if p < h else one
        below = _times(*weights[:p]) if p else one
        moved = _ends(norm(weights[0]), norm(weights[-1]), above, below, off)
        if moved is not None:
            out.append(("ends", _root(moved)))
    if target.zero_gradient:
        out += [("one layer", d) for d in _one_layer(weights, off)]
    elif e is not None and e < network.rank_bound:
        thin = _thin(weights, target, e)
        if thin is not None:
            out.append(("thin", thin))
    return out


def _ends(
    first: float, last: float, above: Enclosed, below: Enclosed, off: float
) -> tuple[float, float] | None:
    """Return how far the first and the last layer move, from bounds of their norms."""
    a, b = left_inverse(above), left_inverse(transpose(below))
    if a is None or b is None:
        return None
    ratio = up(off * product(transpose(b), a).size)
    if not ratio < 0.5:
        return None
    return up(first * ratio / (1 - ratio)), up(last * ratio)


def _one_layer(weights: Layers, off: float) -> list[float]:
    h = len(weights)
    out = []
    for i in range(h):
        # W_{>i} must be onto, W_{<i} injective
        if min(w.shape[0] for w in weights[i:]) < weights[-1].shape[0] and i < h - 1:
            continue
        if i and min(w.shape[0] for w in weights[:i]) < weights[0].shape[1]:
            continue
        factor = off
        if i < h - 1:
            onto = left_inverse(transpose(_times(*weights[i + 1 :])))
            factor = math.inf if onto is None else up(factor * onto.size)
        if i:
            injective = left_inverse(_times(*weights[:i]))
            factor = math.inf if injective is None else up(factor * injective.size)
        if math.isfinite(factor):
            out.append(factor)
    return out


def _thin(weights: Layers, target: FloatTarget, e: int) -> float | None:
    import numpy as np

    if e == 0:
        return _root([norm(w) for w in weights])
    try:
        rows = np.linalg.svd(target.point.mid, full_matrices=False)[2][:e]
    except np.linalg.LinAlgError:
        return None
    image = [from_float(np.ascontiguousarray(rows.T))]
    for w in weights:
        image.append(product(from_float(w), image[-1]))
    inverses = [x for b in image[:-1] if (x := left_inverse(b)) is not None]
    if len(inverses) < len(weights):
        return None
    layers = [product(b, x) for b, x in zip(image[1:], inverses, strict=True)]
    off = subtract(target.point, product(image[-1], inverses[0])).size
    ends = _ends(layers[0].size, layers[-1].size, image[-1], inverses[0], off)
    if ends is None:
        return None
    moves = [subtract(from_float(w), t).size for w, t in zip(weights, layers, strict=True)]
    moves[0] += ends[0]
    moves[-1] += ends[1]
    return _root(moves)


def _root(moves: list[float] | tuple[float, ...]) -> float:
    """Return an upper bound of √Σ x²."""
    return up(math.hypot(*moves)) if all(map(math.isfinite, moves)) else math.inf


def _times(*weights: Array) -> Enclosed:
    """Enclose W_k⋯W_1, from the side with fewer numbers."""
    if weights[-1].shape[0] <= weights[0].shape[1]:
        out = from_float(weights[-1])
        for w in weights[-2::-1]:
            out = product(out, from_float(w))
        return out
    out = from_float(weights[0])
    for w in weights[1:]:
        out = product(from_float(w), out)
    return out


def _unit(n: int) -> Array:
    import numpy as np

    return np.eye(n)
