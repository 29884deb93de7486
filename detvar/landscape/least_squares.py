r"""Linear least squares, depth 1: fᵢ(W) = ½|W xᵢ − yᵢ|², with its exact region.

With z = (W − W_p)xᵢ, which takes every value, and the residual ε = W_p xᵢ − yᵢ, the condition is
|z|²(1 − δ/2) + (1 − δ)⟨ε, z⟩ + (α − δ)|ε|²/2 ≥ 0 for all z.  For ε ≠ 0 this means δ < 2 and
α − δ ≥ (1−δ)²/(2−δ), that is α ≥ 1/(2−δ); for ε = 0 it means δ ≤ 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detvar.errors import ShapeError
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.matrices import Matrix, matrix
from detvar.exact.rational import Rational
from detvar.landscape.exact_region import ExactRegion
from detvar.landscape.finite_sum import Array, ExactSum, FiniteSum

_SYMBOLIC = 64  # formulas for at most this many weights


def least_squares(X: Sequence[Any], y: Sequence[Any]) -> FiniteSum:
    r"""Return the sum of fᵢ(W) = ½|W xᵢ − yᵢ|² over the samples, W flattened by rows.

    The exact region is α ≥ 1/(2−δ), 0 < δ < 2, with the best ratio at (α, β) = (1, 0); if all
    residuals vanish at the minimum it is α ≥ δ, 0 < δ ≤ 2.

    Parameters
    ----------
    X : n rows of p rationals
        The inputs, one per row.
    y : n rationals, or n rows of q rationals
        The targets.

    Returns
    -------
    FiniteSum
        In dimension qp, with the projection on the affine space S of minimisers.

    Raises
    ------
    ShapeError, NotExactError

    Notes
    -----
    **Cost**: a rank factorisation of a p × p matrix over Q.

    Examples
    --------
    >>> f = least_squares([[1], [1]], [1, -1])
    >>> f.minimum, f.region.contains(1, 0), f.region.contains("999/1000", 0)
    (0.5, True, False)
    """
    import numpy as np

    rows = [list(x) if isinstance(x, (list, tuple)) else [x] for x in y]
    if not len(X) or len(rows) != len(X):
        raise ShapeError(f"y has {len(rows)} rows and X {len(X)}: give one row per sample to both")
    inputs, targets = matrix(X), matrix(rows)  # n×p, n×q
    n, p, q = inputs.nrows(), inputs.ncols(), targets.ncols()
    least, span = _solution(inputs, targets)  # q×p and the projector on the rows of X
    residuals = inputs * least.transpose() - targets
    is_zero_input = [all(inputs[i, j] == 0 for j in range(p)) for i in range(n)]
    lower = [
        sum((targets[i, k] ** 2 for k in range(q)), Rational(0)) / 2 if empty else Rational(0)
        for i, empty in enumerate(is_zero_input)
    ]
    is_fitted = all(
        residuals[i, k] == 0 for i in range(n) if not is_zero_input[i] for k in range(q)
    )
    value = sum((e * e for e in residuals.entries()), Rational(0)) / (2 * n)
    a, b = _floats(inputs), _floats(targets)
    solution, projector = _floats(least), _floats(span)

    def outputs(x: Array) -> Array:
        return np.einsum("...kj,ij->...ik", x.reshape(*x.shape[:-1], q, p), a) - b

    def gradients(x: Array) -> Array:
        return np.einsum("...ik,ij->...ikj", outputs(x), a).reshape(*x.shape[:-1], n, q * p)

    def project(x: Array) -> Array:
        w = x.reshape(*x.shape[:-1], q, p)
        return (w - (w - solution) @ projector).reshape(x.shape)

    return FiniteSum(
        name="least squares",
        dimension=q * p,
        count=n,
        _values=lambda x: (outputs(x) ** 2).sum(axis=-1) / 2,
        _gradients=gradients,
        lower=np.array([float(x.p) / float(x.q) for x in lower]),
        minimum=float(value.p) / float(value.q),
        smoothness=float((a**2).sum(axis=1).max()),
        _project=project,
        exact=_formulas(inputs, targets, least, span, lower) if q * p <= _SYMBOLIC else None,
        region=region(is_fitted) if not all(is_zero_input) else _constant(),
    )


def _constant() -> ExactRegion:
    """The region of constant terms: all pairs."""
    return ExactRegion(r"\varphi(\delta)=\delta", lambda d, _: d)


def region(is_fitted: bool) -> ExactRegion:
    """Return the region of a linear least squares problem, fitted exactly or not.

    At least one input must not be 0.
    """
    two = RealAlgebraic(Rational(2))
    if is_fitted:
        return ExactRegion(
            r"\varphi(\delta)=\delta", lambda d, _: d, delta_max=two, delta_max_included=True
        )
    return ExactRegion(
        r"\varphi(\delta)=\frac{1}{2-\delta}", lambda d, _: 1 / (2 - d), delta_max=two
    )


def _solution(inputs: Matrix, targets: Matrix) -> tuple[Matrix, Matrix]:
    """A minimiser W and the orthogonal projector on the row space of X, over Q.

    For rows R that are a basis of the row space, the projector is Rᵀ(RRᵀ)⁻¹R, and
    W = Yᵀ X Rᵀ (R XᵀX Rᵀ)⁻¹ R solves the normal equations W XᵀX = YᵀX.
    """
    reduced, rank = inputs.rref()
    p = inputs.ncols()
    if not rank:
        return matrix([[0] * p] * targets.ncols()), matrix([[0] * p] * p)
    basis = matrix([[reduced[i, j] for j in range(p)] for i in range(rank)])
    across = basis.transpose()
    image = inputs * across
    least = targets.transpose() * image * (image.transpose() * image).inv() * basis
    return least, across * (basis * across).inv() * basis


def _floats(a: Matrix) -> Array:
    import numpy as np

    entries = [float(x.p) / float(x.q) for x in a.entries()]
    return np.array(entries).reshape(a.nrows(), a.ncols())


def _formulas(
    inputs: Matrix, targets: Matrix, least: Matrix, span: Matrix, lower: Sequence[Rational]
) -> ExactSum:
    import sympy

    def number(x: Rational) -> Any:
        return sympy.Rational(int(x.p), int(x.q))

    q, p = least.nrows(), least.ncols()
    w = [[sympy.Symbol(f"w{k + 1}{j + 1}", real=True) for j in range(p)] for k in range(q)]
    terms = []
    for i in range(inputs.nrows()):
        parts = [
            sum(w[k][j] * number(inputs[i, j]) for j in range(p)) - number(targets[i, k])
            for k in range(q)
        ]
        terms.append(sum((r**2 for r in parts), sympy.Integer(0)) / 2)
    image = [
        sympy.expand(
            w[k][j] - sum((w[k][m] - number(least[k, m])) * number(span[m, j]) for m in range(p))
        )
        for k in range(q)
        for j in range(p)
    ]
    points = None
    if all(not x.free_symbols for x in image):
        points = (tuple(image),)
    return ExactSum(
        tuple(v for row in w for v in row),
        tuple(terms),
        tuple(number(x) for x in lower),
        points,
        projection=tuple(image),
    )
