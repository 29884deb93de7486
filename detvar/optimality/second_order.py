"""Second derivatives of L = ℓ(W_h⋯W_1) in floats, from G = ∇ℓ(W̄) and ∇²ℓ(W̄)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def full_hessian(layers: Sequence[Any], slope: Any, curvature: Any | None) -> Any:
    """Return the D×D Hessian for row-major vec of W_1, …, W_h in turn.

    It is Jᵀ∇²ℓJ and, for layers j < i, the blocks (W_{>i}ᵀGW_{<j}ᵀ)_{ab}(W_{i−1}⋯W_{j+1})_{cd} at
    ((a, c), (d, b)).

    Parameters
    ----------
    curvature : ∇²ℓ(W̄), mn×mn, or None for the identity

    Examples
    --------
    >>> import numpy as np
    >>> zero = np.zeros((1, 1))
    >>> full_hessian([zero, zero], np.array([[-1.0]]), None).tolist()
    [[0.0, -1.0], [-1.0, 0.0]]
    """
    import numpy as np

    above, below = outer_products(layers)
    jacobian = np.hstack([np.kron(a, b.T) for a, b in zip(above, below, strict=True)])
    bent = jacobian if curvature is None else curvature @ jacobian
    out = jacobian.T @ bent
    ends = np.cumsum([0, *(w.size for w in layers)])
    for (i, j), outer, middle in pivots(layers, slope):
        # rows (a, c) of layer i, columns (d, b) of layer j
        block = np.einsum("ab,cd->acdb", outer, middle)
        block = block.reshape(layers[i - 1].size, layers[j - 1].size)
        rows, columns = slice(ends[i - 1], ends[i]), slice(ends[j - 1], ends[j])
        out[rows, columns] += block
        out[columns, rows] += block.T
    return (out + out.T) / 2


def function_space_hessian(product: Any, slope: Any, curvature: Any, rank: int) -> Any:
    """Return Q(X) = ∇²ℓ[X, X] + 2⟨G, AB⟩ on X = U_⊥AV + UB, for W̄ = UV of the given rank.

    Returns
    -------
    array of size e(m + n − e), in the coordinates (A, B)
    """
    import numpy as np

    n = product.shape[1]
    left, sizes, right = np.linalg.svd(product)
    root = np.sqrt(sizes[:rank])
    u, v, normal = left[:, :rank] * root, root[:, None] * right[:rank], left[:, rank:]
    frame = np.hstack([np.kron(normal, v.T), np.kron(u, np.eye(n))])
    out = frame.T @ curvature @ frame
    mixed = normal.T @ slope
    start = normal.shape[1] * rank
    for a in range(normal.shape[1]):
        for b in range(rank):
            columns = slice(start + b * n, start + (b + 1) * n)
            out[a * rank + b, columns] += mixed[a]
            out[columns, a * rank + b] += mixed[a]
    return (out + out.T) / 2


def untightened(
    layers: Sequence[Any], slope: Any, rank: int, scales: Sequence[float]
) -> tuple[tuple[int, int] | None, float]:
    """Return the pivot that is furthest from tightened, and how far.

    A pivot (i, j) is as far as the smaller of ‖W_{>i}ᵀGW_{<j}ᵀ‖ and the singular value number
    rk W̄ + 1 of W_{i−1}⋯W_{j+1}, each divided by the scales of its layers.
    """
    import numpy as np

    best: tuple[tuple[int, int] | None, float] = (None, 0.0)
    for (i, j), outer, middle in pivots(layers, slope):
        around = np.prod([s for k, s in enumerate(scales, 1) if k > i or k < j])
        between = np.prod(scales[j : i - 1])
        sizes = np.linalg.svd(middle, compute_uv=False)
        if rank >= len(sizes):
            continue
        far = min(float(np.linalg.norm(outer, 2) / around), float(sizes[rank] / between))
        if far > best[1]:
            best = (i, j), far
    return best


def pivots(layers: Sequence[Any], slope: Any) -> Iterator[tuple[tuple[int, int], Any, Any]]:
    """Yield ((i, j), W_{>i}ᵀGW_{<j}ᵀ, W_{i−1}⋯W_{j+1}) for all layers h ≥ i > j ≥ 1."""
    import numpy as np

    above, below = outer_products(layers)
    for i in range(2, len(layers) + 1):
        left = above[i - 1].T @ slope
        middle = np.eye(layers[i - 1].shape[1])
        for j in range(i - 1, 0, -1):
            yield (i, j), left @ below[j - 1].T, middle
            middle = middle @ layers[j - 1]


def outer_products(layers: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return ([W_{>1}, …, W_{>h}], [W_{<1}, …, W_{<h}])."""
    import numpy as np

    above, below = [np.eye(layers[-1].shape[0])], [np.eye(layers[0].shape[1])]
    for w in layers[:0:-1]:
        above.append(above[-1] @ w)
    for w in layers[:-1]:
        below.append(w @ below[-1])
    return above[::-1], below
