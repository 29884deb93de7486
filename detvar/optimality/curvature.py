"""Directions along which L bends downwards: searched in floats, proved in balls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detvar.losses import SquaredLoss, is_analytic
from detvar.optimality.measured import Measured, balls, floats

Arrays = tuple[Any, ...]
_DENSE_UP_TO = 300
_STEPS = 60


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
    above, below = _outer(weights)
    g = slope(above[0] @ weights[0])
    return tuple(a.T @ g @ b.T for a, b in zip(above, below, strict=True))


def hessian_times(slope: Callable[[Any], Any], weights: Arrays, v: Arrays) -> Arrays:
    """Return ∇²L(θ)[V] in floats; ∇²ℓ[D] is a difference quotient, exact for quadratic ℓ."""
    import numpy as np

    above, below = _outer(weights)
    d_above, d_below = [np.zeros_like(above[-1])], [np.zeros_like(below[0])]
    for a, w, x in zip(above[:0:-1], weights[:0:-1], v[:0:-1], strict=True):
        d_above.append(d_above[-1] @ w + a @ x)
    d_above.reverse()
    for b, w, x in zip(below[:-1], weights[:-1], v[:-1], strict=True):
        d_below.append(w @ d_below[-1] + x @ b)
    w = above[0] @ weights[0]
    d = above[0] @ v[0] + d_above[0] @ weights[0]
    g = slope(w)
    size = float(np.abs(d).max())
    t = 1e-4 * (1.0 + float(np.abs(w).max())) / size if size else 1.0
    dg = (slope(w + t * d) - slope(w - t * d)) / (2 * t)
    return tuple(
        da.T @ g @ b.T + a.T @ dg @ b.T + a.T @ g @ db.T
        for a, b, da, db in zip(above, below, d_above, d_below, strict=True)
    )


def lowest_direction(here: Measured, weights: Arrays, seed: int = 0) -> tuple[float, Arrays]:
    """Return (λ, V): approximately the least eigenvalue of ∇²L(θ), and a unit eigenvector.

    Notes
    -----
    **Cost**: one eigendecomposition up to 300 weights; beyond, 60 Hessian products (Lanczos).
    **Validity**: a search; what follows from it is proved by `Measured.curvature`.
    """
    import numpy as np

    slope = float_slope(here)
    sizes = [w.size for w in weights]
    total = sum(sizes)

    def times(x: Any) -> Any:
        return flat(hessian_times(slope, weights, unflat(x, weights)))

    if total <= _DENSE_UP_TO:
        h = np.stack([times(x) for x in np.eye(total)])
        values, vectors = np.linalg.eigh((h + h.T) / 2)
        return float(values[0]), unflat(vectors[:, 0], weights)
    q = np.random.default_rng(seed).standard_normal(total)
    basis = [q / np.linalg.norm(q)]
    columns = []
    for _ in range(_STEPS):
        columns.append(times(basis[-1]))
        rest = columns[-1].copy()
        for _ in range(2):  # once is not enough for orthogonality
            for b in basis:
                rest -= (b @ rest) * b
        size = float(np.linalg.norm(rest))
        if size <= 1e-10 * float(np.linalg.norm(columns[-1]) + 1e-300):
            break
        basis.append(rest / size)
    k = np.stack(basis[: len(columns)]) @ np.stack(columns).T
    values, vectors = np.linalg.eigh((k + k.T) / 2)
    return float(values[0]), unflat(np.stack(basis[: len(columns)]).T @ vectors[:, 0], weights)


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


def _outer(weights: Arrays) -> tuple[list[Any], list[Any]]:
    import numpy as np

    above, below = [np.eye(weights[-1].shape[0])], [np.eye(weights[0].shape[1])]
    for w in weights[:0:-1]:
        above.append(above[-1] @ w)
    for w in weights[:-1]:
        below.append(w @ below[-1])
    return above[::-1], below
