"""L along polynomial curves of weights, straight from the definition of the loss.

This is the second route of the certificates: no Hessian formula, no rank, no theorem; only the
layers multiplied out over Q[t] and the loss written down entry by entry.
"""

from __future__ import annotations

from typing import Any

from detvar.exact.rational import Rational
from detvar.exact.series import polynomial
from detvar.losses import Loss
from detvar.networks.linear import Weights

Rows = list[list[Any]]


def curve(*terms: Weights) -> list[Rows]:
    """Return θ_0 + θ_1 t + θ_2 t² + … as layers with entries in Q[t]."""
    layers = []
    for layer in zip(*terms, strict=True):
        tables = [w.tolist() for w in layer]
        m, n = layer[0].nrows(), layer[0].ncols()
        layers.append([[polynomial([t[i][j] for t in tables]) for j in range(n)] for i in range(m)])
    return layers


def multiply(a: Rows, b: Rows) -> Rows:
    """Return the product of two matrices over a Q-algebra, skipping zeros."""
    n = len(b[0])
    out = []
    for row in a:
        entries = [row[0] * 0] * n
        for x, brow in zip(row, b, strict=True):
            if x:
                entries = [s + x * y if y else s for s, y in zip(entries, brow, strict=True)]
        out.append(entries)
    return out


def end_to_end(layers: list[Rows]) -> Rows:
    """Return W_h(t) ⋯ W_1(t)."""
    product = layers[0]
    for layer in layers[1:]:
        product = multiply(layer, product)
    return product


def loss_along(loss: Loss, layers: list[Rows]) -> list[Rational]:
    """Return the coefficients of L(θ(t)), lowest degree first."""
    return list(loss.evaluate(end_to_end(layers)).coeffs())


def coefficient(coefficients: list[Rational], k: int) -> Rational:
    """Return the k-th coefficient, 0 beyond the end."""
    return coefficients[k] if k < len(coefficients) else Rational(0)


def gradient_along(loss: Loss, layers: list[Rows]) -> list[Rows]:
    """Return all partial derivatives ∂L/∂W_i along the curve, W_{>i}ᵀ ∇ℓ(W̄(t)) W_{<i}ᵀ."""
    g = loss.evaluate_gradient(end_to_end(layers))
    out = []
    above = g  # W_{>i}ᵀ G, from the last layer down
    for i in range(len(layers) - 1, -1, -1):
        block = above
        if i > 0:
            below = end_to_end(layers[:i])
            block = multiply(block, _transpose(below))
        out.append(block)
        if i > 0:
            above = multiply(_transpose(layers[i]), above)
    return out[::-1]


def _transpose(a: Rows) -> Rows:
    return [list(column) for column in zip(*a, strict=True)]
