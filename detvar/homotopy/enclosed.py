"""What follows from enclosures: points that differ, values of functions, inertia of matrices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detvar.errors import ShapeError
from detvar.exact.balls import RationalDisc
from detvar.exact.inertia import Inertia
from detvar.homotopy.balls import BallArray, ball_array, constant_ball, stack

_PAIRS = 1 << 20


def not_separated(
    vectors: BallArray,
    *,
    seed: int = 0,
    precise: Mapping[int, Sequence[RationalDisc]] | None = None,
) -> list[tuple[int, int]]:
    """Return the pairs of rows whose polydiscs are not proved disjoint.

    A random real functional of (Re x, Im x) sends each polydisc into an interval.  Rows whose
    intervals are disjoint differ; only the others, found by a sweep, are compared
    coordinate by coordinate.

    Parameters
    ----------
    vectors : BallArray, shape (P, K)
    seed : int
    precise : dict, optional
        Sharper discs with rational midpoints for some rows; pairs of such rows are compared
        exactly.

    Returns
    -------
    list of (i, j) with i < j, sorted; empty if all P points are pairwise distinct.

    Notes
    -----
    **Cost**: O(PK + P log P) plus K for each pair of overlapping intervals.

    Examples
    --------
    >>> not_separated(ball_array([[1.0, 2.0], [1.0, 3.0], [1.0, 2.0]], 1e-9))
    [(0, 2)]
    """
    if vectors.mid.ndim != 2:
        raise ShapeError("vectors must be a P×K array of balls: give one row for each point")
    count, k = vectors.shape
    if count < 2:
        return []
    rng = np.random.default_rng(seed)
    functional = rng.uniform(0.5, 1, k) * np.exp(2j * np.pi * rng.random(k))
    # Re of a complex linear functional is a real functional of (Re x, Im x)
    image = (vectors @ ball_array(functional[:, None]))[:, 0]
    with np.errstate(invalid="ignore"):
        slack = (np.abs(image.mid.real) + image.rad) * 2.0**-50
        low = image.mid.real - image.rad - slack
        high = image.mid.real + image.rad + slack
    unknown = ~(np.isfinite(low) & np.isfinite(high))
    low, high = np.where(unknown, -np.inf, low), np.where(unknown, np.inf, high)
    order = np.argsort(low, kind="stable")
    ends = np.searchsorted(low[order], high[order], side="right")
    partners = np.maximum(ends - np.arange(count) - 1, 0)
    pairs: list[tuple[int, int]] = []
    start = 0
    while start < count:
        # as many rows at a time as give about a million pairs
        total = np.cumsum(partners[start:])
        stop = start + max(1, int(np.searchsorted(total, _PAIRS)))
        sizes = partners[start:stop]
        first = np.repeat(np.arange(start, min(stop, count)), sizes)
        offset = np.arange(first.size) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        i, j = order[first], order[first + 1 + offset]
        meet = ~_apart(vectors, i, j)
        pairs += [(int(min(a, b)), int(max(a, b))) for a, b in zip(i[meet], j[meet], strict=True)]
        start = stop
    sharp = precise or {}
    return sorted(
        (i, j)
        for i, j in pairs
        if not (i in sharp and j in sharp and _rationally_apart(sharp[i], sharp[j]))
    )


def _apart(vectors: BallArray, i: NDArray[np.intp], j: NDArray[np.intp]) -> NDArray[np.bool_]:
    out = np.zeros(i.size, dtype=bool)
    for column in range(vectors.shape[1]):
        left = np.flatnonzero(~out)
        if not left.size:
            break
        out[left] = vectors[i[left], column].disjoint(vectors[j[left], column])
    return out


def _rationally_apart(a: Sequence[RationalDisc], b: Sequence[RationalDisc]) -> bool:
    return any(
        (x.re - y.re) ** 2 + (x.im - y.im) ** 2 > (x.rad + y.rad) ** 2
        for x, y in zip(a, b, strict=True)
    )


def values(
    g: Callable[[Sequence[Any], Sequence[Any]], Any],
    coordinates: Sequence[BallArray],
    parameters: Sequence[Any] = (),
) -> BallArray:
    """Return enclosures of g(x, p) at all points, for a scalar, a vector or a matrix g.

    Parameters
    ----------
    g : callable (x, p) -> a ring element, a list of K of them, or a list of K rows of L
    coordinates : N arrays of balls of shape (P,), as from `CertifiedZeros.coordinates`
    parameters : M constants

    Returns
    -------
    BallArray, shape (P,), (P, K) or (P, K, L)

    Examples
    --------
    >>> x = [ball_array([2.0, 3.0], 1e-9)]
    >>> values(lambda x, p: [[x[0], p[0]], [0, x[0] * x[0]]], x, ["1/2"]).shape
    (2, 2, 2)
    """
    p = [constant_ball(c) for c in parameters]
    result = g(list(coordinates), p)
    shape = coordinates[0].shape
    if not isinstance(result, (list, tuple)):
        return stack([result], shape)[0]
    if not result or not isinstance(result[0], (list, tuple)):
        return stack(list(result), shape).transposed(1, 0)
    flat = stack([entry for row in result for entry in row], shape).transposed(1, 0)
    return flat.reshape(shape[0], len(result), len(result[0]))


def certified_inertia(matrices: BallArray) -> list[Inertia | None]:
    """Return the inertia of real symmetric matrices given by enclosures, where it is proved.

    With S = |Λ|^{−1/2} Vᵀ from a numerical eigendecomposition of the midpoint: if
    ‖S H Sᵀ − diag(±1)‖_∞ < 1 for all H in the enclosure, the eigenvalues of S H Sᵀ lie within
    less than 1 of ±1 (Weyl), so that S is invertible and H has the inertia of diag(±1)
    (Sylvester).

    Parameters
    ----------
    matrices : BallArray, shape (P, N, N)
        Entry (i, j) of row k contains the entry of the k-th matrix, which is known to be real
        and symmetric.

    Returns
    -------
    list of P `Inertia`, or None where the enclosure contains a singular matrix or is too wide.

    Notes
    -----
    **Cost**: one eigendecomposition and two ball products for each matrix.
    **Validity**: rows are scaled by powers of 2 first, so that badly scaled matrices do well.

    Examples
    --------
    >>> certified_inertia(ball_array([[[2.0, 0], [0, -3]], [[1, 1], [1, 1]]], 1e-9))
    [Inertia(positive=1, negative=1, zero=0), None]
    """
    if matrices.mid.ndim != 3 or matrices.shape[1] != matrices.shape[2]:
        raise ShapeError("matrices must be a P×N×N array of balls")
    count, n, _ = matrices.shape
    if n == 0:
        return [Inertia(0, 0, 0)] * count
    good = np.asarray(np.isfinite(matrices.rad).all(axis=(1, 2)))
    # the true entries are real: dropping the imaginary parts moves no disc away from them
    middle = np.where(good[:, None, None], matrices.mid.real, np.eye(n))
    size = np.sqrt(np.abs(middle).max(axis=2))
    d = np.ldexp(1.0, -np.clip(np.frexp(np.where(size > 0, size, 1.0))[1], -200, 200))
    scale = d[:, :, None] * d[:, None, :]
    middle = middle * scale
    eigenvalues, vectors = np.linalg.eigh((middle + middle.swapaxes(1, 2)) / 2)
    sign = np.where(eigenvalues > 0, 1.0, -1.0)
    s = vectors.swapaxes(1, 2) / np.sqrt(np.maximum(np.abs(eigenvalues), 1e-200))[:, :, None]
    h = BallArray(middle.astype(np.complex128), matrices.rad * scale + 1e-290)
    left = ball_array(s)
    gap = (left @ h @ left.transposed(0, 2, 1)) - sign[:, :, None] * np.eye(n)
    norm = gap.upper().sum(axis=2).max(axis=1) * (1 + 4 * n * 2.0**-53)
    out: list[Inertia | None] = []
    for k in range(count):
        positive = int((sign[k] > 0).sum())
        proved = bool(good[k]) and bool(norm[k] < 1)
        out.append(Inertia(positive, n - positive, 0) if proved else None)
    return out
