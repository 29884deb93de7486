r"""Matrix factorisation f_ij = ½(X_ij − ⟨wᵢ, sⱼ⟩)², and what is known about its constants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detvar.errors import InputError
from detvar.exact.matrices import matrix
from detvar.landscape.finite_sum import Array, ExactSum, FiniteSum
from detvar.landscape.scalar_net import project_on_quadric


def matrix_factorisation(X: Sequence[Sequence[Any]], k: int) -> FiniteSum:
    r"""Return the sum of f_ij(W, S) = ½(X_ij − (W S)_ij)² over all entries, W n×k, S k×m.

    The variables are W by rows, then S by columns; f_ij* = 0 and f* = σ² = |X − X_k|²/(2nm).
    S is {WS = X_k}, a fiber on which GL_k acts, if σ_k(X) > σ_{k+1}(X).

    Parameters
    ----------
    X : n rows of m rationals
    k : int
        1 ≤ k < min(n, m).

    Returns
    -------
    FiniteSum
        With the projection on S for k = 1; for k ≥ 2 it has no closed form and is None.

    Raises
    ------
    InputError
        If k is out of range or σ_k = σ_{k+1}, when X_k is not unique.

    Examples
    --------
    >>> f = matrix_factorisation([["3/2", "2/5"], ["1/5", 1]], 1)
    >>> round(f.minimum, 6), [round(float(x), 4) for x in f.project([0.0] * 4) ** 2]
    (0.0932, [1.3973, 0.2472, 1.2966, 0.3479])
    """
    import numpy as np
    import sympy

    exact = matrix(X)
    n, m = exact.nrows(), exact.ncols()
    data = _data(X)
    left, singular, right = np.linalg.svd(data)
    if not 1 <= k < min(n, m):
        raise InputError(f"k is {k}: give a rank from 1 to {min(n, m) - 1}")
    if singular[k - 1] - singular[k] < 1e-9 * singular[0]:
        raise InputError(
            f"the singular values {k} and {k + 1} of X agree, so that the best matrix of rank {k} "
            "is not unique: give another X or k"
        )

    def factors(x: Array) -> tuple[Array, Array]:
        lead = x.shape[:-1]
        return x[..., : n * k].reshape(*lead, n, k), x[..., n * k :].reshape(*lead, m, k)

    def residual(x: Array) -> Array:
        w, s = factors(x)
        return w @ np.swapaxes(s, -1, -2) - data

    def gradients(x: Array) -> Array:
        lead = x.shape[:-1]
        w, s = factors(x)
        r = residual(x)
        out = np.zeros((*lead, n, m, n * k + m * k))
        for i in range(n):
            for j in range(m):
                out[..., i, j, i * k : (i + 1) * k] = r[..., i, j, None] * s[..., j, :]
                at = n * k + j * k
                out[..., i, j, at : at + k] = r[..., i, j, None] * w[..., i, :]
        return out.reshape(*lead, n * m, n * k + m * k)

    def project(x: Array) -> Array:
        # orthogonal to the singular vectors every component is dropped; along them ab = σ₁
        a, b = x[..., :n] @ left[:, 0], x[..., n:] @ right[0]
        p, q = project_on_quadric(a[..., None], b[..., None], float(singular[0]))
        return np.concatenate([p * left[:, 0], q * right[0]], axis=-1)

    w = [[sympy.Symbol(f"w{i + 1}{c + 1}", real=True) for c in range(k)] for i in range(n)]
    s = [[sympy.Symbol(f"s{c + 1}{j + 1}", real=True) for c in range(k)] for j in range(m)]
    terms = tuple(
        (
            sympy.Rational(int(exact[i, j].p), int(exact[i, j].q))
            - sum(a * b for a, b in zip(w[i], s[j], strict=True))
        )
        ** 2
        / 2
        for i in range(n)
        for j in range(m)
    )
    symbols = tuple(v for row in (*w, *s) for v in row)
    return FiniteSum(
        name="matrix factorisation",
        dimension=n * k + m * k,
        count=n * m,
        _values=lambda x: (residual(x) ** 2).reshape(*x.shape[:-1], n * m) / 2,
        _gradients=gradients,
        lower=np.zeros(n * m),
        minimum=float((singular[k:] ** 2).sum() / (2 * n * m)),
        _project=project if k == 1 else None,
        exact=ExactSum(symbols, terms, (sympy.Integer(0),) * (n * m)),
    )


def residuals(X: Sequence[Sequence[Any]], k: int) -> Array:
    """Return ε = X − X_k, the residual of the best approximation of rank k, of shape (n, m)."""
    import numpy as np

    data = _data(X)
    left, singular, right = np.linalg.svd(data)
    return data - (left[:, :k] * singular[:k]) @ right[:k]


def origin_bound(X: Sequence[Sequence[Any]], k: int) -> float:
    """Return max X_ij²/ε_ij², a lower bound of α/(α−β) on any set that contains 0.

    At 0 all ∇f_ij vanish, while f_ij(0)/f_ij(p) = X_ij²/ε_ij²: small residuals force large
    constants.  It is at least |X|²/|X − X_k|².

    >>> round(origin_bound([["3/2", "2/5"], ["1/5", 1]], 1), 4)
    94.9071
    """
    return float((_data(X) ** 2 / residuals(X, k) ** 2).max())


def ball_alpha(X: Sequence[Sequence[Any]], k: int, radius: float) -> float:
    r"""Return an α such that (α, α − 1) is feasible on the ball |x| ≤ radius.

    With r = X_ij − ⟨wᵢ, sⱼ⟩ and A, B the same with one factor taken from p,
    b − g = −(3/2)r² + r(A + B) ≤ (A+B)²/6 ≤ (A² + B²)/3, and |p| ≤ 2|x| + √(2‖X_k‖_*), as 0 has
    the distance √(2‖X_k‖_*) from S.  So α = max(1, (4/3)C/min ε²) with C ≥ ½(A² + B²) is enough.

    Raises
    ------
    InputError
        If a residual is zero: then the bound says nothing.
    """
    import numpy as np

    data, rest = _data(X), residuals(X, k)
    if np.abs(rest).min() == 0:
        raise InputError("an entry of X is fitted exactly, so that no finite α follows: change X")
    nuclear = np.linalg.svd(data, compute_uv=False)[:k].sum()
    reach = 2 * radius + float(np.sqrt(2 * nuclear))
    c = (radius * reach + float(np.abs(data).max())) ** 2
    return max(1.0, 4 / 3 * c / float((rest**2).min()))


def _data(X: Sequence[Sequence[Any]]) -> Array:
    import numpy as np

    exact = matrix(X)
    entries = [int(x.p) / int(x.q) for x in exact.entries()]
    return np.array(entries).reshape(exact.nrows(), exact.ncols())
