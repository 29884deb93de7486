"""Directions along which L bends downwards: searched in floats, proved in balls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detvar.losses import SquaredLoss, is_analytic
from detvar.optimality.measured import Measured, balls, floats

Arrays = tuple[Any, ...]
_DENSE_UP_TO = 300
_STEPS = 60
# Numbers that the basis of a Krylov space, or a history of steps, may hold: 256 MiB.
ROOM = 1 << 25


def float_slope(here: Measured) -> Callable[[Any], Any]:
    """Return ∇ℓ as a function of float matrices."""
    loss = here.loss
    if is_analytic(loss):
        return loss.gradient_array  # type: ignore[attr-defined,no-any-return]
    if isinstance(loss, SquaredLoss):
        x, y = balls(loss.X), balls(loss.Y)
        gram, cross = floats(x * x.transpose()), floats(y * x.transpose())
        return lambda w: w @ gram - cross
    return lambda w: floats(here.slope(balls(w)))


def float_partials(slope: Callable[[Any], Any], weights: Arrays) -> Arrays:
    """Return all ∂L/∂W_i in floats."""
    above = _above(weights)
    carried = _carried(slope(above[0] @ weights[0]), weights)
    return tuple(a.T @ c for a, c in zip(above, carried, strict=True))


def masked(v: Arrays, trained: Arrays | None) -> Arrays:
    """Return V with zeros where an entry is not trained."""
    if trained is None:
        return v
    return tuple(x * mask for x, mask in zip(v, trained, strict=True))


def hessian_times(slope: Callable[[Any], Any], weights: Arrays, v: Arrays) -> Arrays:
    """Return ∇²L(θ)[V] in floats; ∇²ℓ[D] is a difference quotient, exact for quadratic ℓ."""
    import numpy as np

    above = _above(weights)
    d_above = [np.zeros_like(above[-1])]
    for a, w, x in zip(above[:0:-1], weights[:0:-1], v[:0:-1], strict=True):
        d_above.append(d_above[-1] @ w + a @ x)
    d_above.reverse()
    w = above[0] @ weights[0]
    d = above[0] @ v[0] + d_above[0] @ weights[0]
    size = float(np.abs(d).max(initial=0.0))
    t = 1e-4 * (1.0 + float(np.abs(w).max(initial=0.0))) / size if size else 1.0
    carried = _carried(slope(w), weights)
    moved = [(slope(w + t * d) - slope(w - t * d)) / (2 * t)]
    for c, layer, x in zip(carried[:-1], weights[:-1], v[:-1], strict=True):
        moved.append(moved[-1] @ layer.T + c @ x.T)
    return tuple(
        da.T @ c + a.T @ dc for a, c, da, dc in zip(above, carried, d_above, moved, strict=True)
    )


def _above(weights: Arrays) -> list[Any]:
    """Return [W_{>1}, …, W_{>h}]."""
    import numpy as np

    out = [np.eye(weights[-1].shape[0])]
    for w in weights[:0:-1]:
        out.append(out[-1] @ w)
    return out[::-1]


def _carried(slope: Any, weights: Arrays) -> list[Any]:
    """Return [G W_{<1}ᵀ, …, G W_{<h}ᵀ], so that no product of two wide layers is formed."""
    out = [slope]
    for w in weights[:-1]:
        out.append(out[-1] @ w.T)
    return out


def lowest_direction(here: Measured, weights: Arrays, seed: int = 0) -> tuple[float, Arrays]:
    """Return (λ, V) of `least_curvature` for a network and a loss.

    **Validity**: a search; what follows from it is proved by `Measured.curvature`.
    """
    return least_curvature(float_slope(here), weights, None, seed)


def least_curvature(
    slope: Callable[[Any], Any],
    weights: Arrays,
    trained: Arrays | None = None,
    seed: int = 0,
    steps: int = _STEPS,
) -> tuple[float, Arrays]:
    """Return (λ, V): approximately the least eigenvalue of ∇²L(θ), and a unit eigenvector.

    Parameters
    ----------
    slope : ∇ℓ as a function of float matrices
    trained : masks of the entries that may move, or None for all
    steps : how many Hessian products to spend beyond 300 weights

    Notes
    -----
    **Cost**: one eigendecomposition up to 300 trained weights; beyond, `steps` Hessian products
    (Lanczos, fully reorthogonalised).
    """
    import numpy as np

    if sum(w.size for w in weights) <= _DENSE_UP_TO:
        values, vectors = hessian_spectrum(slope, weights, trained)
        if not values.size:
            return 0.0, tuple(np.zeros_like(w) for w in weights)
        return float(values[0]), unflat(vectors[:, 0], weights)
    start = masked(
        unflat(np.random.default_rng(seed).standard_normal(sum(w.size for w in weights)), weights),
        trained,
    )
    q = flat(start)
    basis = np.empty((steps + 1, q.size))
    basis[0] = q / np.linalg.norm(q)
    small = np.zeros((steps, steps))
    for k in range(steps):
        moved = flat(masked(hessian_times(slope, weights, unflat(basis[k], weights)), trained))
        if not np.isfinite(moved).all():  # nothing is known where products overflow
            return 0.0, tuple(np.zeros_like(w) for w in weights)
        scale = float(np.linalg.norm(moved))
        # the last two vectors first: what is left is small, and one pass over all is enough
        small[k, k] = basis[k] @ moved
        rest = moved - small[k, k] * basis[k]
        if k:
            rest -= small[k - 1, k] * basis[k - 1]
        rest -= basis[: k + 1].T @ (basis[: k + 1] @ rest)
        size = float(np.linalg.norm(rest))
        values, vectors = np.linalg.eigh(small[: k + 1, : k + 1])
        done = size <= 1e-10 * scale or size * abs(vectors[-1, 0]) <= 0.01 * -values[0]
        if done or k == steps - 1:
            break
        small[k, k + 1] = small[k + 1, k] = size
        basis[k + 1] = rest / size
    return float(values[0]), unflat(basis[: k + 1].T @ vectors[:, 0], weights)


def hessian_spectrum(
    slope: Callable[[Any], Any], weights: Arrays, trained: Arrays | None = None
) -> tuple[Any, Any]:
    """Return all eigenvalues of ∇²L(θ) on the trained entries, and unit eigenvectors as columns.

    None are returned where the products overflow.

    **Cost**: one Hessian product for each trained entry, and one eigendecomposition.
    """
    import numpy as np

    total = sum(w.size for w in weights)
    free = np.arange(total) if trained is None else np.flatnonzero(flat(trained))
    h = np.empty((free.size, free.size))
    for k, entry in enumerate(free):
        e = np.zeros(total)
        e[entry] = 1.0
        h[k] = flat(hessian_times(slope, weights, unflat(e, weights)))[free]
    if not np.isfinite(h).all():
        return np.zeros(0), np.zeros((total, 0))
    values, vectors = np.linalg.eigh((h + h.T) / 2)
    out = np.zeros((total, free.size))
    out[free] = vectors
    return values, out


def flat(weights: Arrays) -> Any:
    """Return all entries of the weights in one vector."""
    import numpy as np

    return np.concatenate([w.ravel() for w in weights])


def unflat(x: Any, like: Arrays) -> Arrays:
    """Return a vector cut into matrices of given shapes."""
    import numpy as np

    ends = np.cumsum([w.size for w in like])[:-1]
    return tuple(
        part.reshape(w.shape).copy() for part, w in zip(np.split(x, ends), like, strict=True)
    )
