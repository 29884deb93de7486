"""Balls enclose, and Krawczyk's test proves only what is true."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from detvar.exact.inertia import inertia
from detvar.exact.matrices import Matrix

np = pytest.importorskip("numpy")

from detvar.homotopy.balls import BallArray, ball_array  # noqa: E402
from detvar.homotopy.krawczyk import (  # noqa: E402
    certified_inertia,
    certify_zeros,
    pairs_not_separated,
)

Exact = tuple[Fraction, Fraction]


def inside(mid: complex, rad: float, rng: Random) -> Exact:
    """A random exact point of a disc, often near its boundary."""
    a, b = rng.uniform(-1, 1), rng.uniform(-1, 1)
    size = max(1.0, (a * a + b * b) ** 0.5) * (1 + 1e-9)
    scale = Fraction(rad) * (1 if rng.random() < 0.5 else Fraction(rng.random()))
    re = Fraction(mid.real) + scale * Fraction(a / size)
    return re, Fraction(mid.imag) + scale * Fraction(b / size)


def times(a: Exact, b: Exact) -> Exact:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def holds(z: Exact, mid: complex, rad: float) -> bool:
    if rad == float("inf"):
        return True
    x, y = z[0] - Fraction(mid.real), z[1] - Fraction(mid.imag)
    return x * x + y * y <= Fraction(rad) ** 2


def random_balls(count: int, seed: int) -> BallArray:
    """Midpoints and radii of very different sizes, zero among them."""
    rng = np.random.default_rng(seed)
    size = 10.0 ** rng.uniform(-12, 12, count)
    mid = size * (rng.standard_normal(count) + 1j * rng.standard_normal(count))
    mid[rng.random(count) < 0.02] = 0
    rad = np.abs(mid) * 10.0 ** rng.uniform(-17, 1, count)
    rad[rng.random(count) < 0.2] = 0
    return ball_array(mid, rad)


@pytest.mark.parametrize("seed", range(4))
def test_sums_products_and_reciprocals_enclose(seed: int) -> None:
    """30 000 enclosures a seed, each against an exact point of the argument discs."""
    count, rng = 10_000, Random(seed)
    a, b = random_balls(count, 2 * seed), random_balls(count, 2 * seed + 1)
    b = BallArray(np.where(np.arange(count) % 3 == 0, -a.mid * (1 + 2.0**-50), b.mid), b.rad)
    total, product, inverse = a + b, a * b, a.reciprocal()
    for i in range(count):
        x, y = inside(a.mid[i], a.rad[i], rng), inside(b.mid[i], b.rad[i], rng)
        assert holds((x[0] + y[0], x[1] + y[1]), total.mid[i], total.rad[i])
        assert holds(times(x, y), product.mid[i], product.rad[i])
        norm = x[0] ** 2 + x[1] ** 2
        if norm and inverse.rad[i] < float("inf"):
            assert holds((x[0] / norm, -x[1] / norm), inverse.mid[i], inverse.rad[i])
        assert norm != 0 or inverse.rad[i] == float("inf")


def test_matrix_products_enclose() -> None:
    rng = Random(5)
    a, b = random_balls(40 * 6 * 5, 11).reshape(40, 6, 5), random_balls(40 * 5 * 4, 12)
    b = b.reshape(40, 5, 4)
    c = a @ b
    for k in range(40):
        x = [[inside(a.mid[k, i, j], a.rad[k, i, j], rng) for j in range(5)] for i in range(6)]
        y = [[inside(b.mid[k, i, j], b.rad[k, i, j], rng) for j in range(4)] for i in range(5)]
        for i in range(6):
            for j in range(4):
                parts = [times(x[i][s], y[s][j]) for s in range(5)]
                z = (sum(p[0] for p in parts), sum(p[1] for p in parts))
                assert holds(z, c.mid[k, i, j], c.rad[k, i, j])


def test_overflow_is_the_whole_plane() -> None:
    big = ball_array(np.array([1e300 + 0j]), 1.0)
    assert (big * big).rad[0] == float("inf")
    assert not (ball_array(np.array([np.nan + 0j])) * 1).rad[0] < float("inf")


def test_the_zeros_of_a_polynomial() -> None:
    """x⁴ = 2: two real zeros, two imaginary ones; a point that is no zero proves nothing."""
    r = 2**0.25
    found = certify_zeros(
        lambda x, p: [x[0] * x[0] * x[0] * x[0] - p[0]],
        [[r], [-r], [1j * r], [-1j * r], [1.3]],
        [2],
    )
    assert found.certified.tolist()[:4] == [True] * 4 and found.radius[:4].max() < 1e-14
    assert found.real.tolist()[:2] == [True, True] and not found.real[2:4].any()
    assert found.nonreal.tolist()[2:4] == [True, True]
    # 1.3 is far enough for the disc around it not to contract to a wrong claim
    if found.certified[4]:
        assert abs(found.center[4, 0] - r) <= found.radius[4, 0]


def test_double_zeros_are_not_certified() -> None:
    found = certify_zeros(lambda x, p: [x[0] * x[0]], [[0.0], [1e-9], [1e-5]], [])
    assert not found.certified.any()
    near = certify_zeros(
        lambda x, p: [x[0] * x[0] - p[0]], [[1e-5], [-1e-5]], [Fraction(1, 10**10)]
    )
    assert near.certified.all() and near.real.all()
    assert not pairs_not_separated(near.balls())


def test_points_beside_a_zero_are_moved_to_it_or_refused() -> None:
    """Each certified disc contains the exact zero: √2 is in it for every start that succeeds."""
    rng = np.random.default_rng(0)
    starts = 2**0.5 + 10.0 ** rng.uniform(-16, -1, 200) * rng.choice([-1, 1], 200)
    found = certify_zeros(lambda x, p: [x[0] * x[0] - 2], starts[:, None], [])
    assert found.certified.sum() > 100
    for center, radius, ok in zip(found.center, found.radius, found.certified, strict=True):
        if ok:
            low, high = (Fraction(float(center[0].real)) + s * Fraction(radius[0]) for s in (-1, 1))
            assert low * low <= 2 <= high * high


def test_equal_points_are_not_separated_and_different_ones_are() -> None:
    x = ball_array(np.array([[1, 2], [1, 2 + 1e-9], [1, 2], [3, 4j]], dtype=complex), 1e-12)
    assert pairs_not_separated(x) == [(0, 2)]


@pytest.mark.parametrize("seed", range(30))
def test_certified_inertia_is_the_exact_one(seed: int) -> None:
    rng = Random(seed)
    n = rng.randint(1, 6)
    a = Matrix(n, n)
    for i in range(n):
        for j in range(i + 1):
            a[i, j] = a[j, i] = rng.randint(-3, 3)
    mid = np.array([[float(x) for x in row] for row in a.tolist()], dtype=complex)
    found = certified_inertia(ball_array(mid[None], 1e-12), np.array([True]))[0]
    truth = inertia(a)
    assert found == truth if truth.zero == 0 else found is None


def test_wide_balls_prove_no_inertia() -> None:
    eye = ball_array(np.eye(3, dtype=complex)[None], 0.5)
    assert certified_inertia(eye, np.array([True])) == [None]
