r"""Float matrices T with (TᵀX)(TᵀX)ᵀ close to I, and proofs that TᵀX has the rank of X.

The matrices come from factorisations whose errors do not matter: what is claimed of T is checked
in `detvar.optimality.minimal_value`.  Dependent inputs are shown by kernel vectors of integers.
"""

from __future__ import annotations

from collections.abc import Iterator

from detvar.optimality.moments import Moments, power_of
from detvar.optimality.rounding import Array, norm, up
from detvar.optimality.samples import Samples


def whiteners(data: Moments | Samples, xx: Array) -> Iterator[tuple[Array, int]]:
    """Yield matrices T with TᵀXXᵀT ≈ I, and upper bounds of the rank of X, the cheapest first."""
    import numpy as np

    limit = data.rank_bound
    if limit == len(xx):
        t = _triangular(xx)
        # entries so large belong to directions that this T cannot show
        if t is not None and float(np.abs(t).max()) ** 2 * float(np.trace(xx)) < 1e10:
            yield t, limit
    floor = up(data.xx.rad) / max(norm(xx), 1e-300) if isinstance(data, Moments) else 0.0
    values, vectors = np.linalg.eigh(xx)
    cut = max(1e-12, 100 * floor)
    for _ in range(4):
        keep = values > cut * float(values[-1])
        if isinstance(data, Samples) and int(keep.sum()) < limit:
            t, null = _sharper(data.x, limit)
            limit = min(limit, data.shape[1] - _dependencies(data, null))
            yield t, limit
        else:
            yield np.ascontiguousarray(vectors[:, keep] / np.sqrt(values[keep])), limit
        cut *= 1e3


def _triangular(a: Array) -> Array | None:
    """Return an upper triangular T with TᵀAT ≈ I, from the Cholesky factor of A, or None."""
    import numpy as np

    try:
        out = _inverse_factor(a).T
    except np.linalg.LinAlgError:
        return None
    return np.ascontiguousarray(out) if bool(np.isfinite(out).all()) else None


def _inverse_factor(a: Array) -> Array:
    """Return L⁻¹ for the Cholesky factor L of A, by halves, so that products do almost all."""
    import numpy as np

    n = len(a)
    if n <= 128:
        return np.tril(np.linalg.inv(np.linalg.cholesky(a)))
    h = n // 2
    out = np.zeros_like(a)
    first = out[:h, :h] = _inverse_factor(a[:h, :h])
    low = a[h:, :h] @ first.T
    last = out[h:, h:] = _inverse_factor(a[h:, h:] - low @ low.T)
    out[h:, :h] = -last @ (low @ first)
    return out


def refined(t: Array, s: Array) -> Array | None:
    """Return T′ with T′ᵀXXᵀT′ closer to I, for S ≈ TᵀXXᵀT."""
    import numpy as np

    if not s.size or not bool(np.isfinite(s).all()):
        return None
    values, turn = np.linalg.eigh((s + s.T) / 2)
    return None if values[0] < 0.01 else np.ascontiguousarray((t @ turn) / np.sqrt(values))


def times_gram(a: Array, t: Array) -> Array:
    """Return ATTᵀ in the order that costs less; the product TTᵀ is symmetric and costs half."""
    n, k = t.shape
    return a @ (t @ t.T) if len(a) * (2 * k - n) > n * k // 2 else (a @ t) @ t.T


def _sharper(x: Array, limit: int) -> tuple[Array, Array]:
    """Whiten by singular values of X itself, which shows directions 10⁶ times as small.

    The second matrix has the right singular vectors that X sends to (almost) 0 as rows.
    """
    import numpy as np

    _, sigma, vt = np.linalg.svd(x, full_matrices=False)
    keep = sigma > 1e-11 * sigma[0]
    keep[limit:] = False
    return np.ascontiguousarray(vt[keep].T / sigma[keep]), vt[~keep]


def _dependencies(data: Samples, null: Array) -> int:
    import numpy as np

    largest, least = int(data.columns.max()), int(data.columns.min())
    if data.lost[0] or largest - least > 60:
        return 0
    x = np.ldexp(data.x, data.columns - largest)
    if not bool((np.ldexp(x, largest - data.columns) == data.x).all()):
        return 0
    return dependencies(x, np.ldexp(null, least - data.columns))


def dependencies(x: Array, null: Array) -> int:
    """Return a number of independent vectors k with Xk = 0 exactly, found by rounding.

    The rows of `null`, near the kernel, are brought to reduced echelon form and multiplied by
    small integers; Xk is exact in floats when X is a power of two times integers and
    Σ|x_i||k_i| stays below 2⁵³.  Vectors in echelon form are independent.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0], [7.0, 0.0, 7.0]])
    >>> dependencies(x, np.array([[0.5, 0.5, -0.5]])), dependencies(x, np.array([[1.0, 0, 0]]))
    (1, 0)
    """
    import numpy as np

    whole = np.ldexp(x, 26 - power_of(x))
    rows = null.copy()
    if not bool((whole == np.rint(whole)).all()) or rows.size == 0:
        return 0
    pivots = []
    for i in range(len(rows)):
        j = int(np.argmax(np.abs(rows[i])))
        if abs(rows[i, j]) < 1e-6 or j in pivots:
            return 0
        rows[i] /= rows[i, j]
        others = np.arange(len(rows)) != i
        rows[others] -= np.outer(rows[others, j], rows[i])
        pivots.append(j)
    found = 0
    largest = np.abs(whole)
    for i, row in enumerate(rows):
        for factor in range(1, 13):
            k = np.rint(row * factor)
            if np.abs(k - row * factor).max() > 1e-6:
                continue
            # a unit at the pivot, zeros at all others: such vectors are independent
            clean = k[pivots[i]] and not k[[p for p in pivots if p != pivots[i]]].any()
            exact = float((largest @ np.abs(k)).max()) < 2.0**52
            found += bool(clean and exact and not (whole @ k).any())
            break
    return found
