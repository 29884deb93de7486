"""Weights of a network over a critical matrix, and the gradient there."""

from __future__ import annotations

from random import Random
from typing import Any, cast

from detvar.critical.certified_point import CertifiedPoint
from detvar.exact.balls import exact_float
from detvar.exact.matrices import Matrix, column_space, left_inverse, matrix, zeros
from detvar.losses import AnalyticLoss, Loss, is_analytic
from detvar.networks.linear import LinearNetwork, Weights


def factors(point: CertifiedPoint) -> tuple[Matrix, Matrix]:
    """Return L (m×e) and R (e×n) of rank e with LR = W; for a ball, of its midpoint, nearly."""
    if point.exact is not None:
        left = column_space(point.exact)
        return left, left_inverse(left) * point.exact
    import numpy as np

    u, s, v = np.linalg.svd(np.array(point.center).real)
    root, e = np.sqrt(s[: point.rank]), point.rank
    pair = (u[:, :e] * root, root[:, None] * v[:e])
    first, second = (matrix([[exact_float(x) for x in row] for row in a.tolist()]) for a in pair)
    return first, second


def critical_weights(network: LinearNetwork, point: CertifiedPoint, seed: int = 0) -> Weights:
    """Return weights over W that are critical for every depth, with as many free units as can be.

    With W = LR of rank e: W_1 = [R; 0], W_2 keeps the first e units, later layers pass all
    units on, and W_h = [L, X] with random X.  So G W_1ᵀ = 0 and W_{>1} = [L, 0], which makes them
    critical; and where e is less than every width and ∇ℓ ≠ 0, units can be added on both sides
    of W_2, which gives a direction of negative curvature.

    Parameters
    ----------
    network : of depth h, with d_h×d_0 function space
    point : real, of rank e
    seed : of X

    Returns
    -------
    tuple of matrices (W_1, …, W_h)

    Examples
    --------
    >>> w = matrix([[2, 0], [0, 0]])
    >>> p = CertifiedPoint(1, (), 0.0, True, w, None, None, None, "undecided")
    >>> net = LinearNetwork(2, 2, 2)
    >>> net.end_to_end(critical_weights(net, p)) == w
    True
    """
    left, right = factors(point)
    e, h, d = point.rank, network.depth, network.widths
    if h == 1:
        return (left * right,)
    rng = Random(seed)
    out = []
    for i in range(1, h + 1):
        w = zeros(d[i], d[i - 1])
        if i == 1:
            _put(w, right)
        elif i == h:
            _put(w, left)
            if h > 2:
                for row in range(d[i]):
                    for column in range(e, d[i - 1]):
                        w[row, column] = rng.randint(-9, 9)
        else:
            for k in range(e if i == 2 else min(d[i], d[i - 1])):
                w[k, k] = 1
        out.append(w)
    return tuple(out)


def _put(into: Matrix, block: Matrix) -> None:
    for i in range(block.nrows()):
        for j in range(block.ncols()):
            into[i, j] = block[i, j]


def gradient_discs(loss: Loss, point: CertifiedPoint) -> list[list[tuple[complex, float]]]:
    """Return discs (midpoint, radius) that contain the entries of ∇ℓ(W)."""
    if is_analytic(loss):
        from detvar.critical.analytic.judging import gradient_intervals

        return gradient_intervals(cast(AnalyticLoss, loss), point)
    from detvar.homotopy.balls import ball_array

    rows = [[ball_array([z], point.radius) for z in row] for row in point.center]
    out: list[list[tuple[complex, float]]] = []
    for row in loss.evaluate_gradient(rows):
        out.append([_disc(x) for x in row])
    return out


def _disc(x: Any) -> tuple[complex, float]:
    if not hasattr(x, "mid"):  # an entry that does not depend on W
        return complex(float(x)), abs(float(x)) * 2.0**-52
    return complex(x.mid[0]), float(x.rad[0])
