"""Curves in a fiber that leave the critical set, at points of low rank with G ≠ 0.

Along θ + εV the end-to-end matrix must not move and the gradient must not vanish identically;
both are read off products of matrices with entries in Q[ε].  That θ is a saddle is then seen in
the loss itself: a step along the gradient from a nearby point of the curve lowers or raises it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from test_classify_laws import (
    Point,
    power_point,
    quadratic_point,
    random_widths,
    squared_point,
    types_of,
    weighted_point,
)

from detvar.classify import Certificate, classify
from detvar.classify.escape import escape_direction
from detvar.exact.matrices import is_zero, rank, zeros
from detvar.exact.rational import Rational
from detvar.exact.series import polynomial
from detvar.losses import SquaredLoss, loss_from_json
from detvar.networks.linear import LinearNetwork
from detvar.networks.sampling import weights_of_strings

PER_CHUNK, CHUNKS = 30, 6
MAKERS = {
    "squared": squared_point,
    "weighted": weighted_point,
    "power": power_point,
    "definite": lambda widths, rng: quadratic_point(widths, rng, "definite"),
    "semidefinite": lambda widths, rng: quadratic_point(widths, rng, "semidefinite"),
    "negative": lambda widths, rng: quadratic_point(widths, rng, "negative"),
    "indefinite": lambda widths, rng: quadratic_point(widths, rng, "indefinite"),
}


def effective(point):
    """The problem without what the loss cannot see, which is where the curve lives; or None."""
    small = point.loss.reduce(point.network)
    if small.loss is None:
        return None
    return Point(small.network, small.loss, small.weights(point.weights))


def low_points(maker, rng, count):
    """Critical points of rank below the bound and with a gradient that is not zero."""
    found = []
    while len(found) < count:
        point = effective(MAKERS[maker](random_widths(rng, 3, (2, 2, 3, 3, 4, 5)), rng))
        if point is None:
            continue
        product = point.network.end_to_end(point.weights)
        if rank(product) < point.network.rank_bound and not is_zero(point.loss.gradient(product)):
            found.append(point)
    return found


def times(a, b):
    zero = polynomial([])
    return [
        [
            sum((x * y for x, y in zip(row, column, strict=True)), zero)
            for column in zip(*b, strict=True)
        ]
        for row in a
    ]


def transposed(a):
    return [list(column) for column in zip(*a, strict=True)]


def along(weights, v):
    """The layers θ + εV as tables of polynomials in ε."""
    return [
        [
            [polynomial([x, y]) for x, y in zip(*rows, strict=True)]
            for rows in zip(*pair, strict=True)
        ]
        for pair in ((w.tolist(), d.tolist()) for w, d in zip(weights, v, strict=True))
    ]


def product_of(layers):
    out = layers[0]
    for layer in layers[1:]:
        out = times(layer, out)
    return out


def partials_of(layers, gradient):
    """W_{>i}ᵀ G W_{<i}ᵀ for all i, over Q[ε]."""
    g = [[polynomial([x]) for x in row] for row in gradient.tolist()]
    out = []
    for i in range(len(layers)):
        block = g
        if i + 1 < len(layers):
            block = times(transposed(product_of(layers[i + 1 :])), block)
        if i:
            block = times(block, transposed(product_of(layers[:i])))
        out.append(block)
    return out


def assert_escapes(point, v):
    network, loss, weights = point.network, point.loss, point.weights
    product = network.end_to_end(weights)
    layers = along(weights, v)
    assert all(
        x == polynomial([y])
        for row, here in zip(product_of(layers), product.tolist(), strict=True)
        for x, y in zip(row, here, strict=True)
    )
    blocks = partials_of(layers, loss.gradient(product))
    entries = [x for block in blocks for row in block for x in row]
    assert any(entries)
    assert not any(x[0] for x in entries)  # θ itself is critical


def assert_saddle_nearby(point, v):
    """Find lower and higher values of L closer to θ than 1/1000, by exact evaluation."""
    network, loss, weights = point.network, point.loss, point.weights

    def value(w):
        return loss.value(network.end_to_end(w))

    here = value(weights)
    length = max(abs(x) for d in v for x in d.entries())
    for k in range(1, network.depth + 2):  # the gradient is a polynomial in ε of degree ≤ h
        shift = Rational(1, 4000 * k) / length
        start = tuple(w + d * shift for w, d in zip(weights, v, strict=True))
        above, below = network.outer_products(start)
        g = loss.gradient(network.end_to_end(start))
        slope = [a.transpose() * g * b.transpose() for a, b in zip(above, below, strict=True)]
        size = max(abs(x) for s in slope for x in s.entries())
        if size:
            break
    signs = set()
    for k in range(0, 200, 4):
        step = Rational(1, 4000 * 2**k) / max(size, 1)
        for sign in (1, -1):
            near = value(tuple(w + s * (sign * step) for w, s in zip(start, slope, strict=True)))
            signs.add((near > here) - (near < here))
        if {1, -1} <= signs:
            return
    raise AssertionError((network, loss, weights, v))


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("seed", range(CHUNKS))
def test_the_curve_escapes(maker: str, seed: int) -> None:
    assert PER_CHUNK * CHUNKS * len(MAKERS) >= 1000
    rng = Random(f"{maker} {seed}")
    for point in low_points(maker, rng, PER_CHUNK):
        v = escape_direction(point.network, point.loss, point.weights)
        assert_escapes(point, v)
        assert_saddle_nearby(point, v)
        c = classify(point.network, point.loss, point.weights)
        assert c.nature == ("strict_saddle" if c.hessian_inertia.negative else "non_strict_saddle")


DEEP = [(1, 1, 1, 1, 1), (2, 2, 2, 2), (2, 1, 1, 2), (1, 2, 2, 1), (2, 2, 1, 2, 2), (2, 3, 2, 2)]


@pytest.mark.parametrize("widths", DEEP, ids=str)
def test_the_curve_escapes_at_every_type(widths) -> None:
    """One point of every stratum of critical weights with e < r and G ≠ 0."""
    rng = Random(str(widths))
    n, m, r = widths[0], widths[-1], min(widths)
    count = 0
    for e in range(r):
        for rho in range(1, min(m, n) - e + 1):
            image, g = zeros(m, n), zeros(m, n)
            for i in range(e):
                image[i, i] = 1
            for i in range(e, e + rho):
                g[i, i] = i + 1
            loss = SquaredLoss([[int(i == j) for j in range(n)] for i in range(n)], image - g)
            kinds = types_of(widths, e, rho)
            for kind in kinds if len(kinds) <= 60 else rng.sample(kinds, 60):
                weights = weights_of_strings(kind, image, g, rng)
                point = Point(LinearNetwork(*widths), loss, weights)
                assert_escapes(point, escape_direction(point.network, loss, weights))
                count += 1
    assert count > 3


def test_evidence_of_a_non_strict_saddle_is_such_a_curve() -> None:
    """The curve of a certificate, lifted to the weights as given, keeps L and not the gradient."""
    rng = Random(4)
    found = Counter()
    while found["seen"] < 40:
        widths = random_widths(rng, 3, (3, 4, 5))
        point = squared_point(widths, rng)
        c = classify(point.network, point.loss, point.weights)
        found["tried"] += 1
        if c.nature != "non_strict_saddle":
            continue
        found["seen"] += 1
        v = c.certificate.evidence["curve"]
        for k in (1, 2, -3):
            moved = tuple(w + d * k for w, d in zip(point.weights, v, strict=True))
            assert point.loss.value(point.network.end_to_end(moved)) == point.value
        assert any(
            not classify(point.network, point.loss, moved).is_critical
            for moved in (
                tuple(w + d * k for w, d in zip(point.weights, v, strict=True)) for k in range(1, 7)
            )
        )
        assert Certificate.from_json(c.certificate.to_json()).check().ok


def test_the_ranks_need_not_change_along_the_curve() -> None:
    """Here the gradient becomes non-zero although all partial ranks stay as they are: the bases
    move, so that waiting for a rank to grow would find nothing."""
    cases = json.loads((Path(__file__).parent / "cases" / "linear_networks.json").read_text())
    given = next(case["input"] for case in cases if case["id"] == "C29")
    network = LinearNetwork(*given["network"])
    weights = network.check_weights(given["weights"])
    point = Point(network, loss_from_json(given["loss"]), weights)
    v = escape_direction(network, point.loss, weights)
    assert_escapes(point, v)
    assert_saddle_nearby(point, v)
    arrays = {
        network.rank_array(tuple(w + d * Rational(1, k) for w, d in zip(weights, v, strict=True)))
        for k in (10, 100, 1000)
    }
    assert arrays == {network.rank_array(weights)}
