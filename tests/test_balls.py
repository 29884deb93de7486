"""Operations on discs enclose the exact results, for ordinary, extreme and cancelling arguments."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from detvar.errors import InputError, NotExactError, ShapeError  # noqa: E402
from detvar.exact.balls import (  # noqa: E402
    acb,
    arb,
    constant_parts,
    exact_float,
    nearest_complex,
    working_precision,
)
from detvar.exact.rational import Rational, rational  # noqa: E402
from detvar.homotopy.balls import BallArray, ball_array, constant_ball, stack  # noqa: E402
from detvar.homotopy.duals import forward_jacobian, has_real_constants  # noqa: E402

# Sums and products of doubles with exponents between -1074 and 1024 are exact with this many bits.
EXACT = 7000
KINDS = ("plain", "thin", "extreme", "tiny", "huge")


def random_balls(kind: str, shape: tuple[int, ...], rng: Any) -> BallArray:
    """Discs of one kind; a third has radius 0, so that only rounding is seen."""
    z = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    z.imag[rng.random(shape) < 0.2] = 0.0
    spread = {"plain": 1, "thin": 1, "extreme": 300, "tiny": 1000, "huge": 500}[kind]
    centre = {"tiny": -600, "huge": 400}.get(kind, 0)
    exponent = rng.integers(centre - spread, centre + spread + 1, shape)
    with np.errstate(all="ignore"):
        re = np.ldexp(z.real, exponent)
        # both parts of different size, too
        im = np.ldexp(z.imag, exponent - rng.integers(0, 1 + spread // 4, shape))
        size = np.abs(re) + np.abs(im)
        low = {"thin": -52, "plain": -30}.get(kind, -100)
        rad = np.where(
            rng.random(shape) < 1 / 3, 0.0, size * np.ldexp(1.0, rng.integers(low, 1, shape))
        )
    return ball_array(re + 1j * im, np.where(np.isfinite(rad), rad, 0.0))


def points_of(balls: BallArray, rng: Any) -> list[Any]:
    """Exact points of the discs, in order; half of them within 1e-9 of the boundary."""
    angle = rng.uniform(0, 2 * np.pi, balls.mid.size)
    size = np.where(rng.random(balls.mid.size) < 0.5, 1 - 1e-12, rng.random(balls.mid.size))
    size *= 1 - 1e-12
    unit = size * np.exp(1j * angle)
    return [
        acb(z.real, z.imag) + arb(r) * acb(u.real, u.imag)
        for z, r, u in zip(
            balls.mid.ravel().tolist(), balls.rad.ravel().tolist(), unit.tolist(), strict=True
        )
    ]


def assert_holds(out: BallArray, truth: list[Any]) -> int:
    """Check each true value against its disc; return how many discs are finite."""
    finite = 0
    for z, r, exact in zip(out.mid.ravel().tolist(), out.rad.ravel().tolist(), truth, strict=True):
        assert r >= 0
        if r == float("inf"):
            continue
        finite += 1
        d = exact - acb(z.real, z.imag)
        # compared with the exact square of the radius: True only if certain
        assert bool(d.real * d.real + d.imag * d.imag <= arb(r) * arb(r)), (z, r, exact)
    return finite


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}


# 3 operations × 5 kinds × 5000 pairs = 75 000 enclosures
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(BINARY))
def test_ring_operations_enclose(name: str, kind: str) -> None:
    rng = np.random.default_rng([KINDS.index(kind), ord(name)])
    a, b = random_balls(kind, (5000,), rng), random_balls(kind, (5000,), rng)
    near = slice(0, 2000)  # cancellation: b is a or -a up to a few units in the last place
    factor = 1 + 2.0**-52 * rng.integers(-4, 5, 2000)
    sign = np.where(rng.random(2000) < 0.5, 1, -1)
    with np.errstate(all="ignore"):
        b.mid[near] = a.mid[near] * factor * sign
    out = BINARY[name](a, b)
    with working_precision(EXACT):
        truth = [
            BINARY[name](x, y) for x, y in zip(points_of(a, rng), points_of(b, rng), strict=True)
        ]
        finite = assert_holds(out, truth)
    if kind in ("plain", "thin"):
        assert finite == 5000


# 5 kinds × 3000 + 4 exponents × 1500 = 21 000 enclosures
@pytest.mark.parametrize("kind", KINDS)
def test_reciprocals_enclose(kind: str) -> None:
    rng = np.random.default_rng([7, KINDS.index(kind)])
    a = random_balls(kind, (3000,), rng)
    a.mid[0], a.rad[0] = 0, 0
    out = a.reciprocal()
    assert out.rad[0] == np.inf
    with working_precision(400):
        truth = [1 / x if x != 0 else x for x in points_of(a, rng)]
        finite = assert_holds(out, truth)
    assert kind not in ("plain", "thin", "extreme") or finite > 1500


@pytest.mark.parametrize("n", [0, 2, 5, -3])
def test_powers_enclose(n: int) -> None:
    rng = np.random.default_rng(n + 50)
    a = random_balls("plain", (1500,), rng)
    with working_precision(600):
        assert_holds(a**n, [x**n if x != 0 else x for x in points_of(a, rng)])


# 2 kinds × 3 sizes × 20 products of n×n matrices, 5 460 entries; and as many sums
@pytest.mark.parametrize("kind", ["plain", "thin", "extreme"])
@pytest.mark.parametrize("n", [1, 4, 9])
def test_matrix_products_and_sums_enclose(kind: str, n: int) -> None:
    rng = np.random.default_rng([n, KINDS.index(kind)])
    a, b = random_balls(kind, (20, n, n), rng), random_balls(kind, (20, n, n), rng)
    out, total = a @ b, (a * b).sum(axis=2)
    with working_precision(EXACT if kind == "extreme" else 600):
        x, y = points_of(a, rng), points_of(b, rng)
        entry = lambda z, k, i, j: z[(k * n + i) * n + j]  # noqa: E731
        indices = [(k, i, j) for k in range(20) for i in range(n) for j in range(n)]
        truth = [
            sum((entry(x, k, i, t) * entry(y, k, t, j) for t in range(n)), acb(0))
            for k, i, j in indices
        ]
        assert_holds(out, truth)
        rows = [
            sum((entry(x, k, i, t) * entry(y, k, i, t) for t in range(n)), acb(0))
            for k in range(20)
            for i in range(n)
        ]
        assert_holds(total, rows)
        assert_holds(a.dot(b), rows)


def test_long_dot_products_with_cancellation() -> None:
    # Σ x_k y_k - Σ x_k y_k, in another order: the exact result is 0
    rng = np.random.default_rng(3)
    for n in (10, 300, 2000):
        x, y = rng.standard_normal(n), rng.standard_normal(n)
        order = rng.permutation(n)
        a = ball_array(np.concatenate([x, -x[order]]))
        b = ball_array(np.concatenate([y, y[order]]))
        out = a.dot(b)
        assert bool(out.contains(0.0))
        assert out.rad < 1e-8


def test_absolute_values() -> None:
    rng = np.random.default_rng(4)
    for kind in KINDS:
        a = random_balls(kind, (1000,), rng)
        with working_precision(EXACT):
            for x, low, high in zip(
                points_of(a, rng), a.lower().tolist(), a.upper().tolist(), strict=True
            ):
                square = x.real * x.real + x.imag * x.imag
                assert bool(arb(low) ** 2 <= square)
                assert high == float("inf") or bool(square <= arb(high) ** 2)


def test_contains_and_disjoint_are_never_wrong() -> None:
    rng = np.random.default_rng(5)
    for kind in KINDS:
        a, b = random_balls(kind, (2000,), rng), random_balls(kind, (2000,), rng)
        # discs that touch up to rounding
        with np.errstate(all="ignore"):
            touching = a.mid + (a.rad + b.rad) * (1 + 2.0**-52 * rng.integers(-3, 4, 2000))
        b.mid[:1000] = np.where(np.isfinite(touching), touching, b.mid)[:1000]
        apart, inside = a.disjoint(b).tolist(), a.contains(b.mid).tolist()
        with working_precision(EXACT):
            for k in range(2000):
                d = acb(a.mid[k].real, a.mid[k].imag) - acb(b.mid[k].real, b.mid[k].imag)
                square = d.real * d.real + d.imag * d.imag
                if apart[k]:
                    assert bool(square > (arb(a.rad[k]) + arb(b.rad[k])) ** 2)
                if inside[k]:
                    assert bool(square <= arb(a.rad[k]) ** 2)
    far = ball_array([0.0, 3.0], 1.0)
    assert far.disjoint(ball_array([2.1, 3.0], 1.0)).tolist() == [True, False]
    assert far.contains(np.array([0.5j, 5.0])).tolist() == [True, False]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, complex(0, np.inf), 1e308 + 1e308j])
def test_overflow_and_nan_become_the_whole_plane(bad: complex) -> None:
    x, zero = ball_array([bad]), ball_array([0.0])
    huge = x * 1e10
    assert huge.rad[0] == np.inf
    for y in (huge, huge * zero, zero * huge, huge - huge, huge * 0, huge + 1, huge**2, -huge):
        assert y.rad[0] == np.inf and not np.isnan(y.mid[0])
        assert y.upper()[0] == np.inf and y.lower()[0] == 0.0
        assert not y.disjoint(zero)[0] and not zero.disjoint(y)[0]
    assert (1 / huge).rad[0] == np.inf
    matrix = stack([huge, zero, zero, ball_array([1.0])], (1,)).reshape(2, 2)
    product = matrix @ ball_array(np.eye(2))
    assert product.rad[0].tolist() == [np.inf, np.inf]
    assert np.isfinite(product.rad[1, 1])
    assert np.isfinite((ball_array(np.zeros((0, 2))) * 2).mid).all()


def test_products_next_to_overflow_are_not_finite_and_wrong() -> None:
    a = ball_array([1e154 + 1e154j, 1.3e154, 1e200])
    for out in (a * a, a * a.conjugate(), a * 1e154):
        assert ((out.rad == np.inf) | np.isfinite(out.mid)).all()
        assert (np.isfinite(out.mid)).all()


@pytest.mark.parametrize("c", [3, -1, Fraction(1, 3), rational("2/7"), 0.1, 1 + 2j, ("1/3", -2)])
def test_constants_enter_exactly(c: Any) -> None:
    re, im = constant_parts(c)
    ball = constant_ball(c)
    gap = (exact_float(ball.mid[0].real) - re) ** 2 + (exact_float(ball.mid[0].imag) - im) ** 2
    assert gap <= exact_float(ball.rad[0]) ** 2
    x = ball_array(np.array([0.5 + 0.25j]))
    with working_precision(400):
        z, exact = acb(0.5, 0.25), acb(re, im)
        assert_holds(x * c, [z * exact])
        assert_holds(c * x, [z * exact])
        assert_holds(x + c, [z + exact])
        assert_holds(c - x, [exact - z])
        assert_holds(x / c, [z / exact])
        assert_holds(c / x, [exact / z])


def test_large_and_small_constants() -> None:
    assert nearest_complex(Rational(10) ** 400, Rational(0))[1] == float("inf")
    z, r = nearest_complex(Rational(1, 10**400), Rational(0))
    assert z == 0 and 0 < r < 1e-300


def test_refusals() -> None:
    with pytest.raises(InputError, match="negative"):
        ball_array([1.0], -1.0)
    with pytest.raises(InputError, match="finite"):
        constant_ball(float("nan"))
    with pytest.raises(NotExactError):
        constant_ball("x")
    with pytest.raises(ShapeError):
        ball_array([1.0]) @ ball_array([1.0])
    with pytest.raises(TypeError):
        ball_array([1.0]) + object()


def test_forward_jacobian_equals_differences_of_a_polynomial() -> None:
    # for a quadratic map, f(x + e_j) - f(x - e_j) = 2 ∂f/∂x_j exactly
    def f(x: Any, p: Any) -> list[Any]:
        return [x[0] * x[1] - p[0] * x[2] ** 2, (x[0] - 3 * x[2]) * (1 - x[1]) + p[1], -x[2], 5]

    x, p = [Rational(1, 2), Rational(3), Rational(-2, 5)], [Rational(7), Rational(1, 9)]
    rows = forward_jacobian(f)(x, p)
    for j in range(3):
        up = [v + (i == j) for i, v in enumerate(x)]
        down = [v - (i == j) for i, v in enumerate(x)]
        for i in range(4):
            assert 2 * Rational(rows[i][j]) == Rational(f(up, p)[i]) - f(down, p)[i]


def test_real_constants_are_recognised() -> None:
    assert has_real_constants(lambda x, p: [2 * x[0] - Fraction(1, 3) * p[0] ** 2], 1, 1)
    assert not has_real_constants(lambda x, p: [x[0] * (0, 1)], 1, 0)
    assert not has_real_constants(lambda x, p: [1j], 1, 0)


def test_sums_of_exact_numbers_enclose() -> None:
    rng = np.random.default_rng(6)
    for n in (2, 7, 100, 1000):
        a = ball_array(rng.standard_normal((30, n)) * 10.0 ** rng.integers(-9, 9, (30, n)))
        a.mid[:, -1] = -a.mid[:, :-1].sum(axis=1)
        with working_precision(EXACT):
            truth = [sum((acb(z) for z in row), acb(0)) for row in a.mid.real.tolist()]
            assert_holds(a.sum(axis=1), truth)


def test_radii_are_rounded_up() -> None:
    # positive midpoints far below the radii: mid + rad is a point whose image has largest
    # distance, and the allowance for the rounding of midpoints is too small to hide anything
    rng = np.random.default_rng(8)
    m, r = rng.uniform(0, 1e-8, (2, 4000)), rng.uniform(0.1, 1, (2, 4000))
    a, b = (ball_array(m[i], r[i]) for i in range(2))
    with working_precision(600):
        x, y = (
            [arb(u) + arb(v) for u, v in zip(m[i].tolist(), r[i].tolist(), strict=True)]
            for i in range(2)
        )
        pairs = list(zip(x, y, strict=True))
        assert_holds(a * b, [acb(u * v) for u, v in pairs])
        assert_holds(a + b, [acb(u + v) for u, v in pairs])
        assert_holds(
            a.reshape(1000, 1, 4) @ b.reshape(1000, 4, 1),
            [
                sum((acb(x[4 * k + t] * y[4 * k + t]) for t in range(4)), acb(0))
                for k in range(1000)
            ],
        )
