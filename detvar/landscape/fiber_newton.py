r"""Newton's method from many starts for f(X) = ‖X − B‖² + ‖A − Y‖², X of full row rank, XY = W.

With M = XXᵀ, Λ = M⁻¹(XA − W) and Y = A − XᵀΛ the derivative of ½f is X − B + ΛYᵀ, and its second
derivative in the direction D is ‖D‖² − ‖ΛᵀD‖² + ⟨E, M⁻¹E⟩ with E = DY − XDᵀΛ.
"""

from __future__ import annotations

from itertools import product
from typing import Any

Array = Any  # numpy.ndarray of float64: NumPy is not imported with the module

STEPS = 200
SAME = 1e-6  # relative difference of values below which two critical points count as one


def nearest(
    w: Array, b: Array, a: Array, starts: int, seed: int, near: Array | None
) -> tuple[Array, Array, int]:
    """Return the best X found, its Λ, and how many different values the critical points had.

    The search goes from the likeliest start to the structured ones to random ones, and ends as
    soon as there is a critical point with ‖Λ‖₂ < 1.
    """
    import numpy as np

    structured = _structured(w, b, a, near)
    stages = [structured[:1], structured[1:], _random(w, b, a, starts, seed)]
    found = [descend(w, b, a, stages[0])]
    for stage in stages[1:]:
        x, values, multipliers = (np.concatenate(parts) for parts in zip(*found, strict=True))
        best = int(values.argmin())
        if np.linalg.norm(multipliers[best], 2) < 1:
            break
        if len(stage):
            found.append(descend(w, b, a, stage))
    x, values, multipliers = (np.concatenate(parts) for parts in zip(*found, strict=True))
    best = int(values.argmin())
    levels = np.sort(values[np.isfinite(values)])
    count = 1 + int((np.diff(levels) > SAME * (1 + levels[:-1])).sum())
    return x[best], multipliers[best], count


def descend(w: Array, b: Array, a: Array, x: Array) -> tuple[Array, Array, Array]:
    """Minimise from every start at once: X of shape (s, p, k) → X, f, Λ.

    Newton steps with the absolute values of the eigenvalues of the Hessian, damped until the
    value falls: they leave saddles and keep the quadratic end.
    """
    import numpy as np

    damping = np.full(len(x), 1e-2)
    live = np.ones(len(x), dtype=bool)
    value, gradient, hessian, multiplier = evaluate(w, b, a, x)
    for _ in range(STEPS):
        live &= np.isfinite(value) & (damping < 1e14)
        i = np.flatnonzero(live)
        if not len(i):
            break
        small, vectors = np.linalg.eigh(hessian[i])
        flat = gradient[i].reshape(len(i), -1)
        inner = (vectors.swapaxes(1, 2) @ flat[..., None])[..., 0]
        floor = 1e-12 * np.abs(small).max(axis=1, keepdims=True)
        inner /= np.maximum(np.abs(small), floor) + damping[i, None]
        step = -(vectors @ inner[..., None])[..., 0].reshape(x[i].shape)
        new = x[i] + step
        v, g, h, m = evaluate(w, b, a, new)
        shorter = np.abs(g).max(axis=(1, 2)) < np.abs(gradient[i]).max(axis=(1, 2))
        # at the end f is flat to rounding, and the gradient decides
        flat_end = np.abs(v - value[i]) <= 1e-14 * (1 + value[i])
        better = (v < value[i]) & ~flat_end | flat_end & shorter
        took = i[better]
        x[took], value[took], gradient[took] = new[better], v[better], g[better]
        hessian[took], multiplier[took] = h[better], m[better]
        damping[took] *= 0.1
        lost = i[~better]
        damping[lost] = np.maximum(damping[lost], 1e-10) * 8
        size = np.abs(gradient).max(axis=(1, 2))
        live &= ~(size <= 2e-15 * (1 + np.abs(x).max(axis=(1, 2))))
        live[i[~better & flat_end]] = False
    return x, value, multiplier


def evaluate(w: Array, b: Array, a: Array, x: Array) -> tuple[Array, Array, Array, Array]:
    """Return f, the gradient and the Hessian of ½f, and Λ, at X of shape (s, p, k)."""
    import numpy as np

    s, p, k = x.shape
    with np.errstate(all="ignore"):
        x = np.where(np.isfinite(x), x, 0.0)
        gram, frame = np.linalg.eigh(x @ x.swapaxes(1, 2))
        inverse = (frame / np.maximum(gram, 1e-300)[:, None, :]) @ frame.swapaxes(1, 2)
        multiplier = inverse @ (x @ a - w)
        y = a - x.swapaxes(1, 2) @ multiplier
        value = ((x - b) ** 2).sum(axis=(1, 2)) + ((a - y) ** 2).sum(axis=(1, 2))
        gradient = x - b + multiplier @ y.swapaxes(1, 2)
        # E = DY − XDᵀΛ for D = e_i e_jᵀ, as columns
        e = np.einsum("ui,sjv->suvij", np.eye(p), y) - np.einsum("suj,siv->suvij", x, multiplier)
        e = e.reshape(s, p, -1)
        solved = (inverse @ e).reshape(s, -1, p * k)
        e = e.reshape(s, -1, p * k)
        outer = multiplier @ multiplier.swapaxes(1, 2)
        own = np.einsum("sij,uv->siujv", np.eye(p) - outer, np.eye(k)).reshape(s, p * k, p * k)
        hessian = own + e.swapaxes(1, 2) @ solved
        finite = np.isfinite(hessian).all(axis=(1, 2)) & np.isfinite(gradient).all(axis=(1, 2))
        finite &= gram[:, 0] > 1e-14 * gram[:, -1]
        value = np.where(finite & np.isfinite(value), value, np.inf)
        hessian = np.where(finite[:, None, None], hessian, 0.0)
    return value, gradient, hessian, multiplier


def _structured(w: Array, b: Array, a: Array, near: Array | None) -> Array:
    """The hint, the balanced pairs nearest to (B, A) for all signs, X = B, and Y = A."""
    import numpy as np

    p = len(b)
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    root = u * np.sqrt(s)
    left, _, right = np.linalg.svd(root.T @ b + (a @ vt.T * np.sqrt(s)).T, full_matrices=False)
    signs = product((1.0, -1.0), repeat=p) if p <= 3 else [(1.0,) * p]
    found = [] if near is None else [near]
    if w.size == 1:
        found += _scalar(float(w[0, 0]), b, a)
    found += [root @ (left * np.array(sign)) @ right for sign in signs]
    found += [b, np.linalg.lstsq(a.T, w.T, rcond=None)[0].T]
    good = [x for x in found if np.linalg.svd(x, compute_uv=False)[-1] > 1e-6 * np.abs(x).max()]
    return np.array(good)


def _scalar(w: float, b: Array, a: Array) -> list[Array]:
    """The critical points for p = q = 1: the roots of a quartic, or the point of the quadric."""
    import numpy as np

    from detvar.landscape.scalar_net import project_on_quadric

    if b.size > 1:
        return [project_on_quadric(b, a.T, w)[0]]
    roots = np.roots([1.0, -b[0, 0], 0.0, a[0, 0] * w, -w * w])
    real = roots[np.abs(roots.imag) < 1e-7 * np.abs(roots)].real
    return [np.array([[x]]) for x in real]


def _random(w: Array, b: Array, a: Array, starts: int, seed: int) -> Array:
    """Points in both components of GL, around B and around the balanced pairs."""
    import numpy as np

    rng = np.random.default_rng(seed)
    u, s, _ = np.linalg.svd(w, full_matrices=False)
    noise = rng.standard_normal((starts, *b.shape))
    scale = np.exp(rng.uniform(-1.5, 1.5, (starts, 1, 1)))
    around = (u * np.sqrt(s)) @ noise * scale
    around[::2] += b
    return around
