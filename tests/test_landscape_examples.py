"""Exact regions and data of the examples, against sampling, closed forms and each other."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest

from detvar.errors import InputError, NotExactError, ShapeError

np = pytest.importorskip("numpy")
sympy = pytest.importorskip("sympy")

from detvar.exact.algebraic import RealAlgebraic, real_roots, square_root  # noqa: E402
from detvar.exact.rational import Rational  # noqa: E402
from detvar.landscape import examples  # noqa: E402
from detvar.landscape import matrix_factorisation as factorisation  # noqa: E402
from detvar.landscape.exact_region import ExactRegion, approximate  # noqa: E402
from detvar.landscape.finite_sum import FiniteSum  # noqa: E402
from detvar.landscape.region import Region  # noqa: E402
from detvar.landscape.scalar_net import project_on_quadric  # noqa: E402
from detvar.landscape.sturm import RealField, count_roots, is_nonnegative, odd_part  # noqa: E402

X = [["3/2", "2/5"], ["1/5", 1]]


def region(f: FiniteSum) -> ExactRegion:
    assert f.region is not None
    return f.region


def sampled(f: FiniteSum, points: Any, delta: float) -> float:
    """max (δb − g)/c over points or triples: a lower bound of φ."""
    t = points if hasattr(points, "g") else f.triples(points)
    return float(max(delta, ((delta * t.b - t.g) / t.c).max()))


def dense(f: FiniteSum, radius: float = 6.0, count: int = 60_000) -> Any:
    """Random points, and lines through what matters: minimisers, centres, the diagonal."""
    rng = np.random.default_rng(0)
    x = radius * rng.uniform(-1, 1, size=(count, f.dimension))
    line = np.linspace(-radius, radius, 40_001)[:, None] * np.ones(f.dimension)
    far = 10.0 ** rng.uniform(0, 5, size=(2000, 1)) * rng.normal(size=(2000, f.dimension))
    return np.concatenate([x, line, far])


# --- example 1 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "beta", "answer"),
    [
        ("5/2", "2", True),
        ("5/2", "199/100", False),
        ("3/5", "12/25", True),
        ("59/100", "59/125", False),
        ("5/2", "23/10", True),
        ("561/1000", "5609/10000", True),
        ("56/100", "5599/10000", False),
        ("1", "0", False),
    ],
)
def test_example_1_membership(alpha: str, beta: str, answer: bool) -> None:
    assert region(examples.ex1()).contains(alpha, beta) is answer


def test_example_1_data_and_kink() -> None:
    f = examples.ex1()
    phi = region(f).phi
    assert (f.minimum, f.sigma2, f.smoothness) == (pytest.approx(0.2), pytest.approx(0.2), 4)
    (kink,) = region(f).kinks
    assert kink == square_root(5) / 2 - 1
    assert phi(kink) == 5 * kink  # at an algebraic δ, exactly
    assert phi(1) == 5
    least = phi(0)
    assert isinstance(least, RealAlgebraic)
    # inf α is the root of 256a³ + 1216a² + 665a − 800 (discriminant of P_d at δ → 0)
    assert least == real_roots([-800, 665, 1216, 256])[-1][0]
    assert float(least) == pytest.approx(0.560575085896693, abs=1e-14)


def test_example_1_below_the_kink_is_a_root_of_the_discriminant() -> None:
    a, d, r = sympy.symbols("alpha delta r")
    polynomial = a * (1 + r**2) ** 2 / 5 - d * r**2 * (1 + r**2) + 2 * r**2 - r
    published = (
        256 * a**3
        + 256 * a**2 * d**2
        - 1408 * a**2 * d
        + 1216 * a**2
        + 80 * a * d**4
        - 640 * a * d**3
        + 2520 * a * d**2
        - 3520 * a * d
        + 665 * a
        + 100 * d**3
        - 600 * d**2
        + 1875 * d
        - 800
    )
    disc = sympy.discriminant(polynomial, r)
    assert sympy.rem(sympy.Poly(disc, a), sympy.Poly(published, a)).is_zero
    phi = region(examples.ex1()).phi
    for delta in ("1/100", "1/20", "1/10"):
        value = phi(delta)
        assert isinstance(value, RealAlgebraic)
        f = sympy.Poly(published.subs(d, sympy.Rational(delta)), a).all_coeffs()[::-1]
        assert value in [x for x, _ in real_roots([Fraction(int(c.p), int(c.q)) for c in f])]


def test_paper_region_of_example_1_is_a_small_part() -> None:
    inside = region(examples.ex1()).contains
    for alpha in ("5/2", 3, 10):
        a = Rational(alpha) if isinstance(alpha, int) else Rational(5, 2)
        for share in (Rational(4, 5), Rational(9, 10), Rational(999, 1000)):
            assert inside(a, a * share)
        assert not inside(a, a * Rational(799, 1000))  # β ≥ 4α/5 is necessary


# --- the other regions, by sampling --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "deltas"),
    [
        ("ex1", ("1/100", "1/20", "1/8", "1", "4")),
        ("ex3", ("1/2000", "17/10000", "1/50", "1")),
        ("ex6", ("1/100", "1/50", "257/10000", "1/10", "1")),
        ("d1", ("1/4", "1/2", "1", "3/2")),
    ],
)
def test_regions_are_what_samples_say(name: str, deltas: tuple[str, ...]) -> None:
    f = getattr(examples, name)()
    points = f.triples(dense(f))
    for delta in deltas:
        exact = approximate(region(f).phi(delta))
        found = sampled(f, points, float(Fraction(delta)))
        assert found <= exact * (1 + 1e-9)
        assert found >= exact * (1 - 2e-3)


def test_example_2() -> None:
    f = examples.ex2()
    assert f.exact is not None
    t = f.exact.constants[0].enclosure(100)
    assert float(t.mid()) == pytest.approx(6.743269848917564e-4, rel=1e-14)
    c = f.values(f.project([0.0, 0.0]))[0]
    assert c == pytest.approx(9.09433351571653e-7, rel=1e-9)
    assert f.minimum == pytest.approx(0.4998318163, abs=1e-10)
    assert f.minimum == pytest.approx(f.sigma2)
    assert approximate(region(f).phi(1)) == pytest.approx(1_099_585.8006, abs=1e-4)
    assert approximate(region(f).phi(8)) == pytest.approx(8_796_686.405, abs=1e-3)
    inside = region(f).contains
    assert inside(8796687, 8796679) is True
    assert inside(8796686, 8796678) is False
    assert inside(1_050_000, 1_049_999) is False
    points = f.triples(dense(f))
    for delta in ("1/100000000", "1/3000000", "1/1000000", "1/1000", "1"):
        exact = approximate(region(f).phi(delta))
        assert (
            exact * (1 - 2e-3) <= sampled(f, points, float(Fraction(delta))) <= exact * (1 + 1e-9)
        )


def test_example_3() -> None:
    f = examples.ex3()
    tau = f.project([0.0, 0.0])
    assert tau == pytest.approx([2.4717205419] * 2, abs=1e-10)
    assert f.f([0.0, 0.0]) == pytest.approx(0.587962963, abs=1e-9)
    assert (f.minimum, f.sigma2) == (
        pytest.approx(0.4083132144, abs=1e-10),
        pytest.approx(0.2833132, abs=1e-7),
    )
    assert f.lower.tolist() == [0.25, 0.0]
    # the critical points on the diagonal: τ, a local minimum and a saddle
    t = sympy.Symbol("t")
    assert f.exact is not None
    slope = sum(g.diff(v) for g in f.exact.terms for v in f.exact.variables)
    top = sympy.numer(sympy.together(slope.subs(dict.fromkeys(f.exact.variables, t))))
    roots = [float(r) for r in sympy.Poly(top, t).real_roots()]
    assert roots == pytest.approx([0.0804147, 1.2524785, 2.4717205], abs=1e-7)
    gaps = [float(f.f([r, r])) for r in roots[:2]]
    assert gaps == pytest.approx([0.5868657, 0.6682626], abs=1e-7)
    phi, inside = region(f).phi, region(f).contains
    assert approximate(phi(1)) == pytest.approx(626.212767, abs=1e-6)
    assert approximate(phi(0)) == pytest.approx(1.0723024, abs=1e-7)
    assert approximate(phi("171296/100000000")) == pytest.approx(1.0726773, abs=1e-6)
    assert inside("0.8", "0.7988") is False
    x = np.array([[0.628406, 0.628406]])
    margins = f.triples(x).margin(0.8, 0.7988)
    assert margins[0] < 0
    assert inside("1512.46", "1511.46") is True


def test_example_3_as_printed_contradicts_its_own_numbers() -> None:
    f = examples.ex3(literal=True)
    assert f.project([0.0, 0.0]) == pytest.approx([2.37708, 2.37527], abs=1e-4)
    assert f.minimum == pytest.approx(0.4057159, abs=1e-6)
    assert f.f([0.0, 0.0]) == pytest.approx(0.5038, abs=1e-4)
    x = dense(f, 4.0)
    assert f.f(x).min() >= f.minimum - 1e-12


def test_example_6() -> None:
    f = examples.ex6()
    t = 0.5 - math.sqrt(math.sqrt(3) / 2 - 0.75)
    assert f.project([0.0, 0.0]) == pytest.approx([t, t], abs=1e-15)
    assert f.project([1.0, 1.0]) == pytest.approx([1 - t] * 2, abs=1e-15)
    assert f.minimum == pytest.approx((3 - math.sqrt(3)) / 4, abs=1e-15)
    value = region(f).phi(1)
    assert isinstance(value, RealAlgebraic)
    assert float(value) == pytest.approx(20.6847414114231, abs=1e-12)
    c = 2 * t * t / (1 + 2 * t * t)
    assert float(value) == pytest.approx(1 / c, rel=1e-12)
    inside = region(f).contains
    assert inside(21, 20) is True
    assert inside("20.684", "19.684") is False
    assert inside(value, value - 1) is True  # the boundary belongs to the region
    small = [approximate(region(f).phi(d)) for d in ("1/100", "1/50")]
    assert small == pytest.approx([0.52270, 0.528396], abs=5e-6)
    # the claim α ≥ 2/c is true and twice too large
    assert inside("41.37", "40.37")


def test_d1() -> None:
    f = examples.d1()
    found = [approximate(region(f).phi(d)) for d in ("1/4", "1/2", "1", "3/2")]
    assert found == pytest.approx([3.8867, 4.2151, 4.8751, 12.9592], abs=1e-4)
    assert f.lower == pytest.approx([0.0010194] * 2, abs=1e-7)
    assert f.sigma2 == pytest.approx(0.4989806, abs=1e-7)
    assert (f.minimum, f.smoothness) == (0.5, 11.8)
    ratio, at = region(f).best_ratio("1/2", "3/2", 24)
    assert (ratio, at) == (pytest.approx(4.87506, abs=1e-3), pytest.approx(1, abs=1e-2))
    # a fine grid of triples gives the same best ratio by the polygon of its constraints
    polygon = Region.from_triples(f.triples(np.linspace(-12, 12, 40_001)[:, None]))
    assert polygon.best_ratio().ratio == pytest.approx(4.87506, abs=1e-3)
    assert region(f).phi(2) is None
    assert region(f).contains(1000, 998) is False
    # the stationary points satisfy f − f* ≤ (β/δ)σ², and the gap of the worst is .5008
    x = np.linspace(-3, 3, 600_001)[:, None]
    slope = f.grad(x)[:, 0]
    spots = x[:-1][(slope[:-1] < 0) & (slope[1:] >= 0)]
    gaps = f.f(spots) - f.minimum
    assert sorted(gaps.round(4))[1:3] == [0.5008, 0.5008]
    assert gaps.max() <= 3.87506 * f.sigma2


@pytest.mark.parametrize(
    ("name", "top"),
    [("ex1", 1.0), ("ex2", 1.0), ("ex3", 1.0), ("ex6", 1.0)],
)
def test_the_first_theorem_is_vacuous_for_the_published_examples(name: str, top: float) -> None:
    """(α/δ − 1)σ² ≥ sup f − f* at the best ratio, which is φ(δ)/δ for large δ."""
    f = getattr(examples, name)()
    ratio = approximate(region(f).phi(1))
    assert 2 * (ratio - 1) * f.sigma2 >= top - f.minimum
    table = {"ex1": 0.8, "ex2": 549_607, "ex3": 177.13, "ex6": 6.2398}
    assert (ratio - 1) * f.sigma2 == pytest.approx(table[name], rel=1e-4)


# --- facts of every region ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ex1", "ex3", "ex6", "d1"])
def test_shifts_along_the_diagonal_stay_feasible(name: str) -> None:
    exact = region(getattr(examples, name)())
    alpha, beta = Rational(30), Rational(29)
    if name == "ex3":
        alpha, beta = Rational(627), Rational(626)
    assert exact.contains(alpha, beta)
    assert exact.contains(alpha + 1, beta + 1)
    values = [approximate(exact.phi(Rational(k, 8))) for k in range(1, 10)]
    assert values == sorted(values)  # nondecreasing, and convex:
    assert all(
        a + c >= 2 * b - 1e-9 for a, b, c in zip(values, values[1:], values[2:], strict=False)
    )


def test_where_every_c_is_positive_all_small_beta_work_on_bounded_sets() -> None:
    f = examples.ex6()
    points = np.random.default_rng(1).uniform(-3, 3, size=(2000, 2))
    t = f.triples(points)
    for delta in (0.5, 5.0, 50.0):
        beta = max(0.0, float((delta * (t.b - t.c) - t.g).max() / t.c.min()))
        assert t.margin(beta + delta, beta).min() >= -1e-9


@pytest.mark.parametrize("name", ["ex2", "ex3", "ex6"])
def test_stationary_and_averaged_inequalities(name: str) -> None:
    f = getattr(examples, name)()
    alpha = approximate(region(f).phi(1)) * (1 + 1e-9)
    beta = alpha - 1
    saddle = {"ex2": [1.0, 1.0], "ex3": [1.2524785, 1.2524785], "ex6": [0.5, 0.5]}[name]
    assert f.grad(saddle) == pytest.approx(0, abs=1e-7)
    gap = f.f(saddle) - f.minimum
    assert 0 < gap <= beta * f.sigma2
    assert {"ex2": 0.8646647, "ex3": 0.6682626, "ex6": 1 / 3}[name] == pytest.approx(f.f(saddle))
    x = np.random.default_rng(2).uniform(-4, 4, size=(5000, 2))
    inner = (f.grad(x) * (x - f.project(x))).sum(axis=1)
    assert (inner >= f.f(x) - f.minimum - beta * f.sigma2 - 1e-6).all()


def test_one_term_is_aiming_and_interpolation_is_aiming_of_every_term() -> None:
    x = sympy.Symbol("x", real=True)
    one = FiniteSum.from_sympy([x**2 + x**4], [x], [(0,)], [0])
    points = np.linspace(-2, 2, 101)[:, None]
    t = one.triples(points)
    assert (t.c == 0).all()
    polygon = Region.from_triples(t)
    inner = one.grad(points)[:, 0] * points[:, 0]
    gap = one.f(points)
    assert polygon.delta_max == pytest.approx((inner[gap > 0] / gap[gap > 0]).min())
    second = x**2 + 10 * sympy.sin(x) ** 2
    two = FiniteSum.from_sympy([100 * x**2, second], [x], [(0,)], [0, 0])
    points = np.linspace(-4, 4, 4001)[:, None]
    assert (two.grad(points)[:, 0] * points[:, 0] >= 91 * points[:, 0] ** 2 - 1e-9).all()
    assert Region.from_triples(two.triples(points)).is_empty


# --- the master family ----------------------------------------------------------------------------


def test_master_polynomial_closed_form() -> None:
    """φ(δ) = δ(1 + 1/d²) for δ ≥ √(1+d²) − 1, for a lone minimiser seen from every centre."""
    f = examples.rational([0, 1])
    (kink,) = region(f).kinks
    d2 = Rational(1, 4)
    assert kink == square_root(1 + d2) - 1
    for delta in (Rational(1, 8), Rational(1), Rational(7)):
        assert region(f).phi(delta) == delta * (1 + 1 / d2)
    below = region(f).phi(Rational(1, 10))
    assert below > Rational(1, 10) * 5


@pytest.mark.parametrize(
    "bs",
    [
        [0, 1],
        [0, 3],
        [0, 1, "7/2"],
        [(0, 0), (3, 0)],
        [(0, 0), (1, 2), (3, 6)],
        [(0, 0, 0), (1, 1, 1)],
        [(0, 0), (4, 4)],
        [-3, 3, 0, 0],
    ],
)
def test_master_family_against_samples(bs: Any) -> None:
    f = examples.rational(bs)
    x = dense(f, 12.0, 60_000)
    centres = np.array(bs, dtype=object)
    centres = np.array([[float(Fraction(v)) for v in np.atleast_1d(b)] for b in centres])
    ends = np.linspace(-0.7, 1.7, 60_001)[:, None]
    x = np.concatenate([x, centres[0] + ends * (centres[1] - centres[0])])
    assert (f.f(x) >= f.minimum - 1e-12).all()
    if f.region is None or f.region.is_empty:
        assert (f.triples(f.project(centres)).c < 1e-12).any()
        return
    triples = f.triples(x)
    for delta in ("1/20", "1/2", "2"):
        exact = approximate(f.region.phi(delta))
        found = sampled(f, triples, float(Fraction(delta)))
        assert exact * (1 - 5e-3) <= found <= exact * (1 + 1e-9)


def test_master_family_refusals() -> None:
    with pytest.raises(InputError, match="not on one line"):
        examples.rational([(0, 0), (1, 0), (0, 1)])
    with pytest.raises(InputError, match="the same point"):
        examples.rational([(1, 1), (1, 1)])
    with pytest.raises(ShapeError, match="same number of coordinates"):
        examples.rational([(1, 1), (1,)])
    with pytest.raises(InputError, match="closer together"):
        examples.ridges([0, 4])


def test_a_minimiser_on_a_centre_leaves_no_feasible_pair() -> None:
    f = examples.rational([-1, 0, 1])
    assert f.project([0.3]) == pytest.approx([0.0])
    assert region(f).is_empty
    assert region(f).contains(1000, 999) is False
    assert region(f).phi(1) is None
    t = f.triples(np.linspace(-50, 50, 2001)[:, None])
    assert Region.from_triples(t).delta_max < 1e-3


# --- least squares --------------------------------------------------------------------------------


def test_least_squares_region() -> None:
    f = examples.least_squares([[1, 2], [0, 1], [1, 1]], [1, 2, 4])
    inside = region(f).contains
    assert inside(1, 0) is True
    assert inside("999999/1000000", 0) is False
    assert inside("10/19", "81/190") is True
    assert inside("5263157/10000000", "4263157/10000000") is False
    assert inside(10, 8) is False
    for delta in ("1/10", "1/2", "1", "3/2", "19/10"):
        assert region(f).phi(delta) == 1 / (2 - Rational(*map(int, (delta + "/1").split("/")[:2])))
    fitted = examples.least_squares([[1, 0], [0, 1]], [1, 2])
    assert fitted.minimum == 0
    assert region(fitted).contains(10, 8) is True
    assert region(fitted).contains("2001/1000", 0) is False


@pytest.mark.parametrize("outputs", [1, 3])
def test_least_squares_by_sampling(outputs: int) -> None:
    rng = np.random.default_rng(3)
    a = rng.integers(-3, 4, size=(6, 3)).tolist()
    y = rng.integers(-3, 4, size=(6, outputs)).tolist()
    f = examples.least_squares(a, y)
    best, *_ = np.linalg.lstsq(np.array(a, float), np.array(y, float), rcond=None)
    assert f.project(np.zeros(3 * outputs)) == pytest.approx(best.T.ravel())
    # the worst z is parallel to the residual: steps along each sample
    p = f.project(np.zeros(f.dimension))
    rows = f.gradients(p)  # ε xᵢᵀ, flattened
    steps = np.concatenate([np.linspace(-4, 4, 801), 10.0 ** np.linspace(0, 5, 50)])
    x = np.concatenate([p + steps[:, None] * r / (1e-9 + (r**2).sum()) for r in rows])
    for delta in ("1/10", "1/2", "1", "3/2"):
        exact = approximate(region(f).phi(delta))
        found = sampled(f, x, float(Fraction(delta)))
        assert found <= exact * (1 + 1e-7)
    extra = p + rng.normal(size=(4000, f.dimension))
    assert f.triples(extra).margin(1.0, 0.0).min() >= -1e-9


def test_least_squares_is_tight() -> None:
    f = examples.least_squares([[1], [1]], [1, -1])
    x = np.linspace(-80, 80, 320_001)[:, None]
    for delta in ("1/10", "1", "3/2", "19/10"):
        exact = approximate(region(f).phi(delta))
        assert sampled(f, x, float(Fraction(delta))) == pytest.approx(exact, rel=1e-4)


def test_least_squares_without_inputs_and_with_floats() -> None:
    f = examples.least_squares([[1, 1], [2, 2], [0, 0]], [1, 3, 5])
    assert f.lower.tolist() == [0, 0, 12.5]
    assert f.project([1.0, -1.0]) == pytest.approx([1.7, -0.3])
    with pytest.raises(NotExactError):
        examples.least_squares([[0.5]], [1])
    with pytest.raises(ShapeError, match="one row per sample"):
        examples.least_squares([[1]], [1, 2])


# --- the scalar net -------------------------------------------------------------------------------


def test_scalar_net_values() -> None:
    phi = region(examples.scalar_net([1, 1], [2, "1/2"])).phi
    table = {"1/50": 0.537913, "1/10": 0.7111111, "1/2": 3.5555556, "1": 7.1111111}
    table |= {"3/2": 14.2222222, "19/10": 71.1111111}
    assert {d: approximate(phi(d)) for d in table} == pytest.approx(table, abs=5e-7)
    assert phi("1/2") == Rational(32, 9)
    assert phi("3/2") == Rational(128, 9)
    assert phi(2) is None
    assert approximate(phi(0)) == pytest.approx(0.53313, abs=1e-5)
    # where (64/9)δ takes over
    kink = "7765477/100000000"
    assert approximate(phi(kink)) == pytest.approx(64 / 9 * 0.07765477, abs=1e-8)
    assert approximate(phi("776/10000")) > 64 / 9 * 0.0776


def brute_force(x: list[int], y: list[Any], delta: float) -> float:
    """sup over z and s, from the definition g = (z − ε)(z + s), b = (z − ε)², c = ε² halved."""
    xs, ys = np.array(x, float), np.array([float(Fraction(v)) for v in y])
    w = (xs * ys).sum() / (xs**2).sum()
    if w < 0:
        ys, w = -ys, -w
    best = delta
    z = np.concatenate([np.linspace(-w, 3 * w, 20_001), w * np.sinh(np.linspace(-9, 9, 40_001))])
    with np.errstate(invalid="ignore"):
        root = np.where(
            (z >= -w) & (z <= 3 * w), w * (1 - np.sqrt(np.maximum(1 + z / w, 0))) ** 2, w
        )
    for a, b in zip(xs, ys, strict=True):
        if a == 0:
            continue
        e = b / a - w
        for s in (0 * z, root):
            best = max(best, float(((delta * (z - e) ** 2 - 2 * (z - e) * (z + s)) / e**2).max()))
    return best


def test_scalar_net_against_the_supremum_on_random_data() -> None:
    rng = np.random.default_rng(4)
    for _ in range(25):
        n = int(rng.integers(2, 6))
        x = [int(v) for v in rng.integers(-4, 5, size=n)]
        y = [
            f"{int(v)}/{int(q)}"
            for v, q in zip(rng.integers(-9, 10, n), rng.integers(1, 7, n), strict=True)
        ]
        if sum(a * Fraction(b) for a, b in zip(x, y, strict=True)) == 0:
            continue
        exact = region(examples.scalar_net(x, y))
        if exact.is_empty:
            continue
        for delta in ("1/50", "1/3", "1", "7/4"):
            value = approximate(exact.phi(delta))
            assert brute_force(x, y, float(Fraction(delta))) == pytest.approx(value, rel=2e-4)


@pytest.mark.parametrize("hidden", [1, 3])
def test_scalar_net_by_points_of_any_width(hidden: int) -> None:
    f = examples.scalar_net([1, 1], [2, "1/2"], hidden)
    rng = np.random.default_rng(5)
    count = 60_000
    scale = 10.0 ** rng.uniform(-3, 1.2, size=(count, 1))
    a = rng.normal(size=(count, hidden)) * scale
    tilt = np.where(rng.random((count, 1)) < 0.6, 10.0 ** rng.uniform(-6, -2, (count, 1)), 1)
    b = rng.choice([-1, 1], size=(count, 1)) * a + tilt * rng.normal(size=(count, hidden))
    triples = f.triples(np.concatenate([a, b], axis=1))
    for delta in ("1/50", "1/10", "1/2", "1", "3/2"):
        exact = approximate(region(f).phi(delta))
        found = sampled(f, triples, float(Fraction(delta)))
        assert exact * 0.99 <= found <= exact * (1 + 1e-7)
    mean = triples.g.reshape(-1, 2).mean(axis=1)
    assert (mean >= -1e-9).all()  # although 0 is a saddle


def test_scalar_net_with_a_fitted_sample_is_infeasible() -> None:
    for x, y in (([1, 1, 1], [1, 2, 3]), ([2], [3]), ([1, 2], [1, 2])):
        f = examples.scalar_net(x, y)
        assert region(f).is_empty
        assert region(f).contains(10**9, 10**9 - 1) is False
        assert region(f).to_latex() == r"\varnothing"
    f = examples.scalar_net([1, 1, 1], [1, 2, 3])
    points = np.array([[1e-9, -1e-9], [1e-7, 1e-8]])
    assert Region.from_triples(f.triples(points)).phi(0.1) > 1e12  # c is rounding


def test_scalar_net_symmetries_and_refusals() -> None:
    f, g = examples.scalar_net([1, 1], [2, "1/2"]), examples.scalar_net([1, 1], [-2, "-1/2"])
    assert region(f).phi("1/3") == region(g).phi("1/3")
    point = np.array([0.7, -0.4])
    mirrored = f.project(point * [1, -1]) * [1, -1]
    assert g.project(point) == pytest.approx(mirrored)
    padded = examples.scalar_net([1, 1, 0], [2, "1/2", 5])
    assert region(padded).phi("1/3") == region(f).phi("1/3")
    assert padded.lower.tolist() == [0, 0, 12.5]
    with pytest.raises(InputError, match="orthogonal"):
        examples.scalar_net([1, 1], [1, -1])
    with pytest.raises(ShapeError):
        examples.scalar_net([1, 1], [1])


def test_scalar_net_bound_at_the_origin() -> None:
    """All ∇fᵢ vanish at 0: α/δ ≥ max yᵢ²/(yᵢ − wxᵢ)² ≥ 1/(1 − R²), R² uncentred."""
    x, y = [1, 2, 3], [2, 3, 7]
    f = examples.scalar_net(x, y)
    t = f.triples([[0.0, 0.0]])
    assert t.g == pytest.approx(0)
    worst = (t.b / t.c).max()
    assert worst >= sum(v * v for v in y) / (6 * f.minimum) - 1e-12
    ratios = [approximate(region(f).phi(Rational(k, 10))) * 10 / k for k in range(1, 20)]
    assert min(ratios) >= worst - 1e-9


def test_projection_on_the_quadric() -> None:
    def project(a: list[float], b: list[float], w: float) -> list[float]:
        p, q = project_on_quadric(np.array(a), np.array(b), w)
        return [*p, *q]

    assert project([3.0], [1.0], 1.25) == pytest.approx([2.9160114026, 0.4286677340], abs=1e-9)
    assert project([0.5], [-2.0], 2.0) == pytest.approx([-0.8189171264, -2.4422495703], abs=1e-9)


@pytest.mark.parametrize("w", [0.3, 2.0, -1.5])
def test_projection_is_the_nearest_of_all_critical_points(w: float) -> None:
    """h = 1: the four roots of x⁴ − ax³ + bwx − w² = 0 give all critical points (x, w/x)."""
    rng = np.random.default_rng(6)
    for a, b in np.concatenate([rng.normal(size=(60, 2)) * 3, [[1, -1], [0, 0], [5, 5], [0, 2]]]):
        p, q = project_on_quadric(np.array([a]), np.array([b]), w)
        assert p[0] * q[0] == pytest.approx(w)
        roots = np.roots([1, -a, 0, b * w, -(w**2)])
        real = roots[abs(roots.imag) < 1e-7].real
        best = min((x - a) ** 2 + (w / x - b) ** 2 for x in real)
        assert (p[0] - a) ** 2 + (q[0] - b) ** 2 == pytest.approx(best, abs=1e-9)


def test_projection_on_the_medial_axis() -> None:
    rng = np.random.default_rng(7)
    w = 0.8
    a = rng.normal(size=(50, 3))
    for b in (-a, a * 2.5, a):
        for scale in (1e-9, 1e-3, 0.1, 1.0, 10.0):
            u, v = scale * a, scale * b
            p, q = project_on_quadric(u, v, w)
            assert (p * q).sum(axis=1) == pytest.approx(w, rel=1e-9)
            distance = ((p - u) ** 2 + (q - v) ** 2).sum(axis=1)
            other = rng.normal(size=(4000, 1, 3))
            second = other + (w - (other**2).sum(-1, keepdims=True)) * other / (other**2).sum(
                -1, keepdims=True
            )
            far = ((other - u) ** 2 + (second - v) ** 2).sum(axis=-1).min(axis=0)
            assert (distance <= far + 1e-9).all()


# --- matrix factorisation -------------------------------------------------------------------------


def test_matrix_factorisation_numbers() -> None:
    rest = factorisation.residuals(X, 1)
    expected = [[0.153972, -0.297243], [-0.366102, 0.706759]]
    assert rest == pytest.approx(np.array(expected), abs=1e-6)
    assert factorisation.origin_bound(X, 1) == pytest.approx(94.9071458, abs=1e-7)
    data = np.array([[1.5, 0.4], [0.2, 1.0]])
    assert (data**2).sum() / (rest**2).sum() == pytest.approx(4.6271480, abs=1e-7)
    f = examples.ex4()
    assert f.minimum == pytest.approx((rest**2).sum() / 8)
    t = f.triples(np.zeros((1, 4)))
    assert (t.b / t.c).max() == pytest.approx(94.9071458, abs=1e-6)
    assert t.g == pytest.approx(0)
    # dist(0, S)² is twice the nuclear norm of X₁
    nuclear = np.linalg.svd(data, compute_uv=False)[0]
    assert (f.project(np.zeros(4)) ** 2).sum() == pytest.approx(2 * nuclear)


def test_matrix_factorisation_fails_along_a_ray() -> None:
    f = examples.ex4()
    g = []
    for size in (10, 100, 1000, 10_000):
        t = f.triples([[1.0, size, 3.0, 0.0]])
        assert t.b[0] == pytest.approx(1.125)
        g.append(t.g[0])
    assert g == pytest.approx([-10.6416, -155.68, -1602.956, -16076.09], rel=1e-4)


def test_matrix_factorisation_holds_on_balls() -> None:
    f = examples.ex4()
    rng = np.random.default_rng(8)
    for radius in (0.5, 1.5, 4.0):
        alpha = factorisation.ball_alpha(X, 1, radius)
        x = rng.normal(size=(20_000, 4))
        x *= radius * rng.random((20_000, 1)) ** 0.25 / np.linalg.norm(x, axis=1, keepdims=True)
        assert f.triples(x).margin(alpha, alpha - 1).min() >= -1e-9
    with pytest.raises(InputError, match="rank from 1 to 1"):
        examples.matrix_factorisation(X, 2)
    with pytest.raises(InputError, match="not unique"):
        examples.matrix_factorisation([[1, 0], [0, 1]], 1)


# --- the machinery --------------------------------------------------------------------------------


def test_sturm_over_a_field_agrees_with_floats() -> None:
    rng = np.random.default_rng(9)
    field = RealField.of(real_roots([-2, 0, 0, 1])[0][0])  # ∛2
    t = 2 ** (1 / 3)
    for _ in range(60):
        p = [
            field.number(int(a)) + field.t * int(b)
            for a, b in rng.integers(-4, 5, size=(int(rng.integers(2, 6)), 2))
        ]
        floats = [float(field.ball(c).mid()) for c in p]
        assert floats[0] == pytest.approx(
            float(p[0][0] if p[0].length() else 0) + t * float(p[0][1] if p[0].length() > 1 else 0)
        )
        while floats and floats[-1] == 0:
            floats.pop()
        roots = np.roots(floats[::-1])
        if len(roots) and np.abs(np.subtract.outer(roots, roots) + np.eye(len(roots))).min() < 1e-3:
            continue
        real = roots[abs(roots.imag) < 1e-9].real
        for low, high in ((None, None), (-1, None), (None, 2), (-1, 2)):
            inside = [r for r in real if (low is None or r > low) and (high is None or r < high)]
            ends = [None if e is None else field.number(e) for e in (low, high)]
            assert count_roots(field, p, *ends) == len(inside)
        grid = np.linspace(-1, 2, 5001)
        is_above = (np.polyval(floats[::-1], grid) >= -1e-12).all()
        assert is_nonnegative(field, p, field.number(-1), field.number(2)) == is_above


def test_squares_are_nonnegative_and_have_no_odd_part() -> None:
    field = RealField.of(square_root(2))
    t, one = field.t, field.number(1)
    square = [field.times(t, t), t * -2, one]  # (x − √2)²
    assert is_nonnegative(field, square)
    assert odd_part(field, square) == [one]
    assert not is_nonnegative(field, [square[0] - field.number(Rational(1, 10**30)), *square[1:]])


def test_region_arguments() -> None:
    exact = region(examples.ex1())
    for alpha, beta in ((1, 1), (1, 2), (1, -1)):
        with pytest.raises(InputError, match="alpha > beta"):
            exact.contains(alpha, beta)
    with pytest.raises(NotExactError, match="not exact"):
        exact.contains(2.5, 2)
    with pytest.raises(InputError, match="delta"):
        exact.phi(-1)
    assert r"\varphi" in exact.to_latex()


def test_constant_least_squares_has_all_pairs() -> None:
    """All inputs are 0: g = 0 and b = c, so that α c ≥ δ b for all α ≥ δ."""
    f = examples.least_squares([[0], [0]], [1, 2])
    assert f.region is not None
    assert f.region.contains(5, 2) is True and f.region.phi(7) == 7


def test_minimisers_of_high_degree_are_named() -> None:
    """The polynomial of degree 13 needs a bracket below 2⁻²⁴."""
    f = examples.rational([8, -1, 0, "-1/4"])
    assert f.exact is not None and f.exact.minimisers is not None
    x = f.exact.minimisers[0]
    assert abs(f.grad([float(f.exact.ball(x[0]).mid())])[0]) < 1e-12
