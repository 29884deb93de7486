"""The polygon of feasible (α, β), against exact brute force, hand calculations and dense scans."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detvar.errors import InputError, ShapeError
from detvar.exact.rational import to_fraction
from detvar.landscape import envelope
from detvar.landscape.best_bound import THEOREMS
from detvar.landscape.envelope import Lines, _turns
from detvar.landscape.region import Region
from detvar.landscape.region_builder import RegionBuilder
from detvar.landscape.triples import Triples

HAND = Triples([1.0, -0.5], [2.0, 0.4], [0.5, 0.8])

# --- the definition, in fractions -----------------------------------------------------------------


def rows_of(triples: Triples) -> list[tuple[Fraction, Fraction, Fraction]]:
    columns = (map(Fraction, x.tolist()) for x in (triples.g, triples.b, triples.c))
    return list(zip(*columns, strict=True))


def holds(rows: Any, alpha: Fraction, beta: Fraction) -> bool:
    """The definition: g ≥ α(f_i(x) − f_i(p)) − β(f_i(x) − f_i*) for every triple."""
    return all(g >= alpha * (b - c) - beta * b for g, b, c in rows)


def brute_phi(rows: Any, delta: Fraction) -> Fraction | None:
    if any(c == 0 and delta * b > g for g, b, c in rows):
        return None
    return max([delta, *((delta * b - g) / c for g, b, c in rows if c > 0)])


def critical_deltas(rows: Any, low: Fraction) -> list[Fraction]:
    """All δ where φ may bend or end, and points in between and beyond."""
    lines = [(Fraction(1), Fraction(0)), *((b / c, -g / c) for g, b, c in rows if c > 0)]
    at = {(r - q) / (m - n) for m, q in lines for n, r in lines if m != n}
    at |= {g / b for g, b, c in rows if c == 0 and b > 0} | {low}
    at = {x for x in at if x >= low and x > 0}
    ordered = sorted(at) or [low or Fraction(1)]
    between = [(x + y) / 2 for x, y in zip(ordered, ordered[1:], strict=False)]
    return [*ordered, *between, ordered[0] / 2, ordered[-1] * 2]


def check_by_definition(region: Region, triples: Triples, low: Fraction = Fraction(0)) -> None:
    rows = rows_of(triples)
    feasible = False
    for delta in critical_deltas(rows, low):
        height = brute_phi(rows, delta) if delta >= low else None
        if height is None:
            assert not region.contains(10 * delta, 9 * delta)
            continue
        feasible = True
        assert region.contains(height, height - delta)
        assert holds(rows, height, height - delta)
        less = height - Fraction(1, 10**400)
        if less > delta:
            assert not region.contains(less, less - delta)
    assert region.is_empty is not feasible


def check_large(region: Region, triples: Triples) -> None:
    """A proof: the constraints are among the triples, and the corners satisfy all triples.

    The first gives "at least as large", the second, with the endless directions, "not larger".
    """
    for k, i in enumerate(region.index):
        if i >= 0:
            one, other = region.constraints.take([k]), triples.take([i])
            assert rows_of(one) == rows_of(other)
    corners = [(to_fraction(a), to_fraction(b)) for a, b in region.exact_vertices()]
    last = to_fraction(region._lines.exact(len(region._lines) - 1)[0])
    for g, b, c in rows_of(triples):
        assert all(g >= alpha * (b - c) - beta * b for alpha, beta in corners)
        assert region.delta_max < math.inf or last * c >= b


# --- numbers from hand calculation ----------------------------------------------------------------


def test_two_triples_by_hand() -> None:
    region = Region.from_triples(HAND)
    assert [region.phi(x) for x in (0.5, 0.75, 1.0)] == pytest.approx([0.875, 1, 2], rel=1e-12)
    np.testing.assert_allclose(region.vertices(), [[0.625, 0.625], [1, 0.25]], rtol=1e-12)
    best = region.best_ratio()
    assert best.ratio == pytest.approx(4 / 3) and best.is_attained
    assert (best.alpha, best.beta) == pytest.approx((1, 0.25), rel=1e-12)
    assert {w.index for w in best.witnesses} == {0, 1}
    assert region.delta_max == math.inf and region.recession == (1.0, 1.0)


def test_best_bound_by_hand() -> None:
    best = Region.from_triples(HAND).best_bound(D0=1, L=1, sigma2=1, K=100)
    assert best.value == pytest.approx(1.0437903, rel=1e-6)
    assert (best.alpha, best.beta) == pytest.approx((1, 0.25), rel=1e-12)
    assert best.gamma == pytest.approx(0.0707107, rel=1e-6)


def test_a_fitted_sample_bounds_delta() -> None:
    bounded = Region.from_triples(HAND) & Region.from_triples([0.3], [1], [0])
    assert bounded.delta_max == 0.3 and not bounded.is_empty
    assert bounded.active[-1].low == bounded.active[-1].high == 0.3
    empty = bounded & Region.from_triples([-1], [0], [0])
    assert empty.is_empty and empty.phi(0.1) == math.inf and empty.min_alpha() == math.inf
    assert not empty.contains(1, 0.5)
    assert [w.g for w in empty.active] == [-1]
    with pytest.raises(InputError, match="empty because of"):
        empty.best_ratio()
    assert (empty & Region.from_triples(HAND)).is_empty


@pytest.mark.parametrize(
    ("g", "b", "delta_min", "is_empty"),
    [
        (0.0, 1.0, 0.0, True),  # δ ≤ 0, but δ > 0 is asked for
        (5e-324, 1e308, 0.0, False),  # g/b underflows in floating point
        (0.1, 1.0, 0.1, False),  # one single δ
        (0.1, 1.0, 0.1 + 2**-56, True),
        (1e308, 1e-308, 0.0, False),  # g/b overflows
        (0.0, 0.0, 0.0, False),
    ],
)
def test_emptiness_is_decided_exactly(g: float, b: float, delta_min: float, is_empty: bool) -> None:
    assert Region.from_triples([g], [b], [0.0], delta_min=delta_min).is_empty is is_empty


def test_one_single_delta() -> None:
    region = Region.from_triples([0.5, -1], [1, 1], [0, 1], delta_min=0.5)
    assert region.vertices().tolist() == [[1.5, 1.0]]
    assert region.best_ratio().ratio == 3 and region.delta_max == 0.5


def test_a_line_that_only_touches_an_end_is_not_active() -> None:
    """α ≥ 2δ − 1 meets α = δ at δ = 1, where δ begins or ends."""
    line = [1.0], [2.0], [1.0]
    ends = Region.from_triples(*line) & Region.from_triples([1], [1], [0])
    assert [w.c for w in ends.active] == [0] and ends.index.tolist() == [-1, 0]
    begins = Region.from_triples(*line, delta_min=1)
    assert begins.index.tolist() == [0] and begins.vertices().tolist() == [[1, 0]]


# --- laws -----------------------------------------------------------------------------------------

AWKWARD = [0.0, 5e-324, 1e-310, 1e-300, 1e-20, 0.1, 0.5, 1.0, 1 + 2**-52, 2.0, 3.0, 1e10, 1e300]
SIZE = st.sampled_from(AWKWARD)
SIGNED = st.builds(lambda x, sign: sign * x, SIZE, st.sampled_from([1, -1]))
AWKWARD_ROWS = st.lists(st.tuples(SIGNED, SIZE, SIZE), min_size=1, max_size=8)
TIED = st.integers(0, 3).map(float)
TIED_ROWS = st.lists(st.tuples(st.integers(-4, 4).map(float), TIED, TIED), min_size=1, max_size=12)
LOWS = st.sampled_from([0.0, 0.1, 1.0])


def triples_of(rows: Any) -> Triples:
    return Triples(*(np.array(x, dtype=float) for x in zip(*rows, strict=True)))


@given(st.one_of(AWKWARD_ROWS, TIED_ROWS), LOWS)
def test_polygon_is_the_definition(rows: Any, low: float) -> None:
    triples = triples_of(rows)
    region = Region.from_triples(triples, delta_min=low)
    check_by_definition(region, triples, Fraction(low))


@given(st.one_of(AWKWARD_ROWS, TIED_ROWS), st.one_of(AWKWARD_ROWS, TIED_ROWS), LOWS)
def test_intersection_is_the_region_of_all_triples(one: Any, two: Any, low: float) -> None:
    first, second = triples_of(one), triples_of(two)
    together = Region.from_triples(Triples.concat(first, second), delta_min=low)
    met = Region.from_triples(first, delta_min=low) & Region.from_triples(second)
    assert met.is_empty == together.is_empty
    assert met.exact_vertices() == together.exact_vertices()
    builder = RegionBuilder(delta_min=low)
    builder.add(first)
    builder.add(second)
    assert builder.region().exact_vertices() == together.exact_vertices()
    if not met.is_empty:  # positions go on counting through the chunks
        assert set(builder.region().index.tolist()) == set(together.index.tolist())


@given(st.one_of(AWKWARD_ROWS, TIED_ROWS))
def test_every_active_constraint_is_needed(rows: Any) -> None:
    triples = triples_of(rows)
    region = Region.from_triples(triples)
    if region.is_empty:
        return
    for k in range(len(region.index)):
        if region.index[k] < 0:
            continue
        others = np.delete(np.arange(len(region.index)), k)
        others = others[region.index[others] >= 0]
        rest = region.constraints.take(others) if len(others) else Triples([0], [0], [0])
        other = Region.from_triples(rest)
        endless = region.delta_max == math.inf
        assert (
            other.exact_vertices() != region.exact_vertices()
            or other.delta_max != region.delta_max
            or (endless and steepest(rest) != steepest(region.constraints))
        )


def steepest(triples: Triples) -> Fraction:
    return max([Fraction(1), *(b / c for _, b, c in rows_of(triples) if c > 0)])


@pytest.mark.parametrize("seed", range(8))
def test_random_triples_against_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    triples = Triples(rng.normal(size=n), rng.random(n), rng.random(n) + 0.01)
    region = Region.from_triples(triples, delta_min=0.05)
    for delta in (0.05, 0.3, 1.0, 4.0):
        brute = brute_phi(rows_of(triples), Fraction(delta))
        assert brute is not None and region.phi(delta) == float(brute)
    deltas = np.geomspace(0.05, 1e4, 20001)
    heights = np.maximum(
        deltas,
        ((triples.b * deltas[:, None] - triples.g) / triples.c).max(axis=1),
    )
    np.testing.assert_allclose(region.phi(deltas), heights, rtol=1e-12)
    best, scan = region.best_ratio(), (heights / deltas).min()
    assert best.ratio <= scan * (1 + 1e-12)
    assert best.ratio >= scan * (1 - 1e-3)
    for alpha, beta in region.exact_vertices():
        assert region.contains(alpha, beta) and region.contains(alpha + 1, beta + 1)


def shapes(n: int, name: str) -> Triples:
    rng = np.random.default_rng(5)
    if name == "random":
        return Triples(rng.normal(size=n), rng.random(n), rng.random(n))
    if name == "tied":
        g, b, c = rng.integers(-3, 4, n), rng.integers(0, 4, n), rng.integers(1, 4, n)
        return Triples(g, b, c)
    if name == "conic":  # every line is tangent to one curve, and almost all are active
        z = rng.normal(size=n)
        return Triples(z * (z - 0.7), (z - 0.7) ** 2 / 2, np.full(n, 0.7**2 / 2))
    if name == "fine conic":  # neighbours cannot be told apart in floating point
        z = 0.2 + 1e-9 * rng.random(n)
        return Triples(z * (z - 0.7), (z - 0.7) ** 2 / 2, np.full(n, 0.7**2 / 2))
    if name == "one point":  # all lines pass through δ = 1, α = 2, up to rounding
        m = rng.random(n) * 4
        return Triples(m - 2, m, np.ones(n))
    if name == "same slope":
        c = rng.random(n) + 0.5
        return Triples(rng.normal(size=n), 3 * c, c)
    if name == "scales":
        e = rng.integers(-1000, 1000, (3, n))
        return Triples(*(np.ldexp(rng.random(n) - 0.5 * (k == 0), e[k]) for k in range(3)))
    if name.startswith("last"):  # one line is below for long, and the only one in the end
        g, b, c = rng.normal(size=n), rng.random(n), rng.random(n) + 0.5
        k = int(name.split()[1])  # the sample skips one of two neighbours
        c[7:9] = b[7:9] = 2.0
        g[k], b[k] = 1e9, 1e3
        return Triples(g, b, c)
    if name == "trend":  # the active lines are all at the end
        t = np.arange(n) / n
        return Triples(1 - 2 * t, 2 * np.exp(-3 * t) + 0.1, 0.1 + rng.random(n) * (1 - t))
    return Triples(*(np.tile(x, n // 2) for x in (HAND.g, HAND.b, HAND.c)))


@pytest.mark.parametrize(
    "name",
    [
        *("random", "tied", "conic", "fine conic", "one point", "same slope"),
        *("scales", "trend", "duplicates", "last 7", "last 8"),
    ],
)
@pytest.mark.parametrize("low", [0.0, 0.5])
def test_nothing_binding_is_lost_among_many(
    name: str, low: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelope, "SAMPLE", 128)  # the sieve works from 256 lines on
    n = 400 if name in ("conic", "fine conic") else 2000
    triples = shapes(n, name)
    region = Region.from_triples(triples, delta_min=low)
    if len(region.index) > 60:
        check_by_sample(region, triples)
    else:
        check_large(region, triples)


def check_by_sample(region: Region, triples: Triples) -> None:
    rows = rows_of(triples)
    corners = region.exact_vertices()
    for k in {0, 1, len(corners) // 2, len(corners) - 1}:
        alpha, beta = (to_fraction(x) for x in corners[k])
        assert holds(rows, alpha, beta)
        assert brute_phi(rows, alpha - beta) == alpha or alpha == beta
    bends = [a - b for a, b in corners]
    assert all(x < y for x, y in zip(bends, bends[1:], strict=False))


@pytest.mark.parametrize("name", ["conic", "fine conic", "one point", "scales", "same slope"])
def test_what_floating_point_decides_is_true(name: str) -> None:
    """Turns of consecutive lines: certain answers agree with fractions, the others are left."""
    triples = shapes(300, name)
    with np.errstate(over="ignore"):
        order = np.argsort(triples.b / triples.c, kind="stable")
    rows = triples.take(order[: 2 * len(order) // 3])
    above, below = _turns(*Lines(rows.g, rows.b, rows.c).floats(slice(None)))
    lines = [(b / c, g / c) for g, b, c in rows_of(rows)]
    for k, ((m1, h1), (m2, h2), (m3, h3)) in enumerate(
        zip(lines, lines[1:], lines[2:], strict=False)
    ):
        turn = (m2 - m1) * (h3 - h1) - (h2 - h1) * (m3 - m1)
        assert not above[k] or turn > 0
        assert not below[k] or turn < 0
    assert name != "conic" or above.sum() > 100


def test_quotients_that_underflow_or_overflow_are_not_trusted() -> None:
    lines = Lines(np.array([0, 5e-324, 1]), np.array([1e308, 5e-324, 0]), np.array([1e-5, 3, 1.0]))
    m, h = lines.floats(slice(None))
    assert np.isnan(m).tolist() == [True, True, False]
    assert np.isnan(h).tolist() == [False, True, False]


@pytest.mark.parametrize("name", ["conic", "fine conic", "one point", "scales"])
def test_large_and_chunked_agree(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sieve over all, and small chunks that never see the sieve, give the same polygon."""
    monkeypatch.setattr(envelope, "SAMPLE", 512)
    triples = shapes(3000, name)
    builder = RegionBuilder()
    for first in range(0, 3000, 1000):
        builder.add(triples.take(slice(first, first + 1000)))
    whole = Region.from_triples(triples)
    assert builder.region().to_json()["g"] == whole.to_json()["g"]
    assert len(builder) == whole.count == 3000


# --- the best ratio, also where it is not attained ------------------------------------------------


@pytest.mark.parametrize(
    ("g", "b", "c", "ratio", "is_attained"),
    [
        ([0.0], [3.0], [1.0], 3, True),  # α ≥ 3δ: constant
        ([-1.0], [3.0], [1.0], 3, False),  # α ≥ 3δ + 1: 3 + 1/δ
        ([-1.0], [0.5], [1.0], 1, True),  # the line α = δ takes over at δ = 2
        ([-1.0], [1.0], [1.0], 1, False),  # α ≥ δ + 1
        ([1.0], [3.0], [1.0], 1, True),  # α ≥ 3δ − 1, and δ ≤ 1/2 is free
    ],
)
def test_infimum_that_is_not_attained(
    g: Any, b: Any, c: Any, ratio: float, is_attained: bool
) -> None:
    best = Region.from_triples(g, b, c).best_ratio()
    assert (best.ratio, best.is_attained) == (ratio, is_attained)
    if is_attained:
        assert best.alpha is not None and best.beta is not None
        assert best.alpha / (best.alpha - best.beta) == pytest.approx(ratio)
    else:
        assert best.alpha is None and "not attained" in str(best)


# --- bounds ---------------------------------------------------------------------------------------


def right_hand_side(theorem: str, data: Any, alpha: Any, delta: Any, gamma: Any, c: Any) -> Any:
    """The right-hand sides as they stand in the theorems, without any elimination."""
    d0, smooth, noise, steps = data
    beta = alpha - delta
    with np.errstate(all="ignore"):
        if theorem == "sgd":
            out = d0**2 / (steps * gamma * delta) + 2 * smooth * gamma * noise / delta
            return np.where(
                gamma <= delta / (2 * smooth) * (1 + 1e-12), out + 2 * beta * noise / delta, np.inf
            )
        if theorem == "sgd_sharp":
            rest = delta - smooth * gamma
            out = d0**2 / (2 * steps * gamma * rest) + (beta + smooth * gamma) * noise / rest
            return np.where(rest > 0, out, np.inf)
        if theorem == "spsmax":
            smallest = np.minimum(1 / (2 * c * smooth), gamma)
            c1 = c / (smallest * (2 * delta * c - 1))
            out = c1 * d0**2 / steps + 2 * alpha * c1 * gamma * noise
            return np.where(2 * delta * c > 1, out, np.inf)
        y = gamma * smooth
        c2 = 2 * y * (delta - 1) + delta
        out = d0**2 / (2 * gamma * steps) * (1 + 2 * y) ** 2 + 3 * y * alpha * (1 + y) * noise
        return np.where(delta >= 1, (out + beta * noise) / c2, np.inf)


REGIONS = {
    "hand": (HAND.g, HAND.b, HAND.c),
    "steep": ([3.0, -0.2, 0.5], [2.0, 0.3, 1.0], [0.4, 0.5, 0.5]),
    "stretched": ([1.0], [30.0], [1.0]),  # the minimum is inside of a side
    "bounded": ([3.0, -0.2, 1.5], [2.0, 0.3, 1.0], [0.4, 0.5, 0.0]),
}
DATA = [
    (1.0, 1.0, 1.0, 100),
    (30.0, 11.8, 0.4989806, 10000),
    (2.0, 3.0, 0.01, 10),
    (1, 1, 0, 50),
    (1, 1, 1, 10),
]


@pytest.mark.parametrize("theorem", THEOREMS)
@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", REGIONS)
def test_best_bound_against_a_dense_scan(theorem: str, data: Any, name: str) -> None:
    d0, smooth, noise, steps = data
    region = Region.from_triples(*REGIONS[name])
    best = region.best_bound(d0, smooth, noise, steps, theorem)
    assert best.is_attained is not None
    top = min(region.delta_max, 1e3)
    bends = [a - b for a, b in region.vertices() if a > b]
    delta = np.union1d(np.geomspace(1e-3, top, 300), [*bends, 1.0])
    delta = delta[delta <= top]
    alpha = region.phi(delta)
    share = np.linspace(0.002, 0.998, 499)
    if theorem == "spsmax":
        delta, share, sizes = np.ix_(delta, share, np.geomspace(0.1, 10, 21))
        c = 1 / (2 * delta * share)
        gamma = sizes / (2 * c * smooth)
        alpha = alpha[:, None, None]
    elif theorem == "ngn":
        delta, gamma, c = delta[:, None], np.geomspace(1e-6, 1e4, 2000) / smooth, None
        alpha = alpha[:, None]
    else:
        delta, share = np.ix_(delta, np.geomspace(1e-4, 0.999, 800))
        gamma, c, alpha = share * delta / smooth, None, alpha[:, None]
    scan = float(right_hand_side(theorem, data, alpha, delta, gamma, c).min())
    assert best.value <= scan * (1 + 1e-9)
    if best.is_attained:
        at = (best.alpha, best.alpha - best.beta, best.gamma, best.c)
        assert best.value == pytest.approx(float(right_hand_side(theorem, data, *at)), rel=1e-9)
        assert region.contains(best.alpha, best.beta, tolerance=1e-9)
        if at[1] <= top:
            assert best.value >= scan * (1 - 0.02)
    else:
        assert region.delta_max == math.inf


def test_sharp_bound_is_never_worse_and_sps_is_one_noise_above() -> None:
    region = Region.from_triples(*REGIONS["steep"])
    for data in DATA:
        sgd, sharp, sps = (region.best_bound(*data, theorem=x).value for x in THEOREMS[:3])
        assert sharp <= sgd * (1 + 1e-12)
        assert sps == pytest.approx(sharp + data[2], rel=1e-9)


def test_vacuous() -> None:
    region = Region.from_triples(HAND)
    assert region.vacuous(1.0, 1, 1, 1, 100)
    assert not region.vacuous(1.1, 1, 1, 1, 100)


def test_theorem_on_ngn_needs_a_large_delta() -> None:
    region = Region.from_triples(HAND) & Region.from_triples([0.3], [1], [0])
    with pytest.raises(InputError, match="at least 1"):
        region.best_bound(1, 1, 1, 100, "ngn")


# --- traces ---------------------------------------------------------------------------------------


def least_squares(residual: float) -> Triples:
    """f = ½(z + r)² in the shift z = (w − w*)x of one prediction, with residual r at w*."""
    z = np.concatenate([np.linspace(-20, 20, 4001), [-0.9 / 1.9 * residual]])
    return Triples((z + residual) * z, (z + residual) ** 2 / 2, np.full(z.shape, residual**2 / 2))


def test_least_squares_region() -> None:
    region = Region.from_triples(Triples.concat(*(least_squares(r) for r in (0.5, -1.0, 2.0))))
    assert region.contains(1, 0) and region.phi(1.0) == 1
    assert region.phi(0.1) == pytest.approx(1 / 1.9, rel=1e-12)
    boundary = 0.5263157894736843, 0.4263157894736843
    assert region.contains(*boundary, tolerance=1e-12)
    assert not region.contains(boundary[0] - 1e-9, boundary[1] - 1e-9)
    assert not region.contains(10, 8)
    assert region.best_ratio().ratio == 1
    fitted = Region.from_triples(least_squares(0.0))
    assert fitted.delta_max == 2 and fitted.contains(10, 8)


def test_sign_of_the_caption() -> None:
    """With −β f(x_k) no β > 0 would be feasible, because of the last step itself."""
    w, steps, rate = 3.0, 40, 0.1
    path = [w := w - rate * (w - (1 if k % 2 else -1)) for k in range(steps)]
    x, end = np.array(path), path[-1]
    target = np.where(np.arange(steps) % 2, 1.0, -1.0)
    here, there = (x - target) ** 2 / 2, (end - target) ** 2 / 2
    trace = Triples((x - target) * (x - end), here, there)
    for alpha, beta in [(1.0, 0.5), (100.0, 1e-6), (2.0, 1.9)]:
        literal = trace.g - alpha * (here - there) - beta * here
        assert literal[-1] == -beta * here[-1] < 0
        assert trace.margin(alpha, beta)[-1] == pytest.approx(beta * here[-1]) and here[-1] > 0
    assert Region.from_triples(trace).contains(1, 0)


def test_averaging_a_batch_enlarges_the_region() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):  # eighths, so that means are exact
        g, b, c = (rng.integers(low, 16, 40) / 8 for low in (-8, 0, 1))
        triples = Triples(g, b, c)
        single, batched = Region.from_triples(triples), Region.from_triples(triples.averaged(2))
        assert all(batched.contains(x, y) for x, y in single.exact_vertices() if x > y)
        assert all(batched.phi(d) <= single.phi(d) for d in (0.1, 1.0, 10.0))


def test_leaving_out_triples_enlarges_the_region() -> None:
    triples = shapes(400, "random")
    whole, some = Region.from_triples(triples), Region.from_triples(triples.take(slice(0, 400, 3)))
    deltas = np.linspace(0.01, 5, 50)
    assert (some.phi(deltas) <= whole.phi(deltas)).all()


def test_witnesses_carry_their_labels() -> None:
    n = 3000
    base = shapes(n, "random")
    triples = Triples(base.g, base.b, base.c, np.arange(n) // 3, np.arange(n) % 3, np.full(n, 7))
    region = Region.from_triples(triples)
    for w in region.active:
        assert (w.step, w.batch, w.seed) == (w.index // 3, w.index % 3, 7)
        assert (w.g, w.b, w.c) == (base.g[w.index], base.b[w.index], base.c[w.index])
        middle = (w.low + w.high) / 2 if w.high < math.inf else w.low + 1
        assert region.phi(middle) == pytest.approx((w.b * middle - w.g) / w.c)
        assert f"step {w.step}, batch {w.batch}, seed 7" in str(w)
    without = region & Region.from_triples(HAND)
    assert {w.step for w in without.active} <= {None, *(w.step for w in region.active)}


def test_witnesses_of_two_traces_are_told_apart() -> None:
    """Both count from 0, so that a position alone does not name a triple."""
    one, two = ([1.0], [2.0], [0.5]), ([-0.5], [0.4], [0.8])
    met = Region.from_triples(*one) & Region.from_triples(*two)
    assert [w.index for w in met.active] == [0, 0]
    assert {(w.g, w.b, w.c) for w in met.best_ratio().witnesses} == {(1, 2, 0.5), (-0.5, 0.4, 0.8)}


# --- exactness, tolerance, slack ------------------------------------------------------------------


def test_floats_are_the_numbers_they_are() -> None:
    region = Region.from_triples([0.0], [3.0], [1.0])  # α ≥ 3δ, that is β ≥ 2α/3
    assert region.contains("0.3", "0.2")
    assert not region.contains(0.3, 0.2 - 2**-54)
    # 0.3 − 0.2 is a little less than a tenth of the decimal kind: decided, not rounded
    exact = Fraction(0.3) >= 3 * (Fraction(0.3) - Fraction(0.2))
    assert region.contains(0.3, 0.2) is exact
    assert region.contains(0.3, 0.2 - 2**-54, tolerance=1e-12)


def test_tolerance_and_slack() -> None:
    region = Region.from_triples(HAND)
    assert not region.contains("0.999", "0.249")
    assert region.contains("0.999", "0.249", tolerance="0.001")
    loose = Region.from_triples(HAND, slack=0.25)
    assert loose.phi(0.75) == pytest.approx(max(0.75, (1.5 - 1.25) / 0.5, (0.3 + 0.25) / 0.8))
    bounded = Region.from_triples([0.3], [1.0], [0.0])
    assert not bounded.contains(1.35, 1.0) and bounded.contains(1.35, 1.0, tolerance=0.1)


# --- input and output -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Region.from_triples([], [], []), "no triples"),
        (lambda: Region.from_triples([1.0], [1.0]), "missing"),
        (lambda: Region.from_triples(HAND, [1.0]), "already"),
        (lambda: Region.from_triples(HAND, delta_min=-0.1), "delta_min is -0.1"),
        (lambda: Region.from_triples(HAND, delta_min=math.nan), "delta_min is nan"),
        (lambda: Region.from_triples(HAND, slack=-1), "slack is -1"),
        (lambda: Region.from_triples([math.nan], [1], [1]), r"g\[0\] is nan"),
        (lambda: Region.from_triples([1], [-1], [1]), r"b\[0\] = -1.0 is negative"),
        (lambda: Region.from_triples([1, 2], [1], [1]), "b has 1 entries and g has 2"),
        (lambda: Region.from_triples(HAND).contains(1, 1), "alpha > beta"),
        (lambda: Region.from_triples(HAND).contains(1, 2), "alpha > beta"),
        (lambda: Region.from_triples(HAND).contains(1, -0.5), "beta is -0.5"),
        (lambda: Region.from_triples(HAND).contains(math.inf, 1), "alpha is inf"),
        (lambda: Region.from_triples(HAND).contains(1, 0.5, tolerance=-1), "tolerance"),
        (lambda: Region.from_triples(HAND).phi(-1), "delta is -1"),
        (lambda: Region.from_triples(HAND).phi([1, math.nan]), "delta has"),
        (lambda: Region.from_triples(HAND).best_bound(0, 1, 1, 1), "D0 is 0"),
        (lambda: Region.from_triples(HAND).best_bound(1, 1, -1, 1), "sigma2 is -1"),
        (lambda: Region.from_triples(HAND).best_bound(1, 1, 1, 1, "adam"), "choose one of sgd"),
        (lambda: RegionBuilder().region(), "no triples"),
        (lambda: Region.from_json({"g": []}), "not a region"),
    ],
)
def test_bad_input_is_one_sentence(call: Any, words: str) -> None:
    with pytest.raises((InputError, ShapeError), match=words) as error:
        call()
    assert "\n" not in str(error.value)


@given(st.one_of(AWKWARD_ROWS, TIED_ROWS), LOWS)
def test_json_loses_nothing(rows: Any, low: float) -> None:
    region = Region.from_triples(triples_of(rows), delta_min=low)
    again = Region.from_json(json.loads(json.dumps(region.to_json())))
    assert again.to_json() == region.to_json()
    assert again.exact_vertices() == region.exact_vertices()


def test_grid_shows_the_polygon() -> None:
    region = Region.from_triples(shapes(500, "random"), delta_min=0.1)
    axis = np.linspace(0, region.min_alpha() * 3, 41)
    for picture in (region.grid(axis, axis), region.grid(axis, axis, shapes(500, "random"))):
        assert picture.shape == (41, 41)
        for j, beta in enumerate(axis):
            for i, alpha in enumerate(axis):
                if alpha <= beta:
                    assert math.isnan(picture[j, i])
                elif alpha - beta >= 0.1 and abs(picture[j, i]) > 1e-9:
                    assert (picture[j, i] > 0) is np.bool_(region.contains(alpha, beta))


def test_pictures() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    bounded = Region.from_triples(HAND) & Region.from_triples([0.9], [1], [0])
    empty = Region.from_triples([-1], [0], [0])
    never = Region.from_triples([-1], [3], [1])
    for region, plane, heat in [
        (Region.from_triples(HAND), "alpha-beta", True),
        (bounded, "alpha-beta", False),
        (bounded, "delta-alpha", True),
        (empty, "delta-alpha", False),
        (never, "delta-alpha", False),
    ]:
        ax = region.plot(plane=plane, heat=heat)
        names = {text.get_text() for text in ax.texts}
        assert names >= {w.where for w in region.active} or names == {"no feasible pair"}
        ax.figure.canvas.draw()
        plt.close(ax.figure)
    with pytest.raises(InputError, match="choose alpha-beta or delta-alpha"):
        bounded.plot(plane="beta")
    with pytest.raises(InputError, match="two positive numbers"):
        bounded.plot(limits=(0, 1))
