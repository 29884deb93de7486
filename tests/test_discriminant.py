"""Where the real critical points change along a path of data, against independent routes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from detvar.critical import (
    LossPath,
    check_result,
    critical_points,
    discriminant,
    univariate_critical_points,
)
from detvar.critical.discriminants import DiscriminantReport, path_of
from detvar.critical.discriminants.bisection import counts_at
from detvar.critical.discriminants.counting import RealField, at_rational
from detvar.critical.discriminants.formula import rational_function
from detvar.critical.discriminants.plane import determinant, in_parameter, plane
from detvar.errors import (
    DetvarError,
    InputError,
    NotExactError,
    PositiveDimensionalError,
    ShapeError,
)
from detvar.exact.algebraic import RealAlgebraic, real_algebraic, real_roots, square_root
from detvar.exact.groebner import groebner_basis
from detvar.exact.matrices import charpoly, to_sympy, zeros
from detvar.exact.polynomials import irreducible_factors, primitive
from detvar.exact.quotient_algebra import QuotientAlgebra
from detvar.exact.rational import Rational, rational
from detvar.exact.rational_functions import polynomial_ring
from detvar.exact.univariate import Univariate
from detvar.varieties import DeterminantalVariety

Run = Callable[..., tuple[int, str, str]]
TARGET = [[1, 0], [0, "1/2"]]  # the front page: weights [[1, 3], [3, 1]], 6 complex, 4 real points


def front(weights: Any) -> LossPath:
    return LossPath("weighted", target=TARGET, weights=weights)


SYMMETRIC, ONE_SIDED = [[1, "t"], ["t", 1]], [[1, "t"], [3, 1]]


def line(rng: Random, low: int = -9, high: int = 9) -> str:
    return f"{rng.randint(low, high)} + ({rng.randint(low, high)})*t"


def random_path(kind: str, n: int, seed: int) -> LossPath:
    """Data linear in t; strictly convex for t > 0."""
    rng = Random(seed)
    target = [[line(rng) for _ in range(n)] for _ in range(2)]
    if kind == "weighted":
        return LossPath(
            kind, target=target, weights=[[line(rng, 1, 9) for _ in range(n)] for _ in range(2)]
        )
    if kind == "squared":
        return LossPath(
            kind,
            X=[[line(rng) for _ in range(n + 1)] for _ in range(n)],
            Y=[[line(rng) for _ in range(n + 1)] for _ in range(2)],
        )
    a, b = (positive(rng, 2 * n) for _ in range(2))
    form = [
        [f"{x} + ({y})*t" for x, y in zip(u, v, strict=True)] for u, v in zip(a, b, strict=True)
    ]
    return LossPath(kind, target=target, form=form)


def positive(rng: Random, size: int) -> list[list[int]]:
    a = [[rng.randint(-3, 3) for _ in range(size)] for _ in range(size)]
    return [
        [sum(x * y for x, y in zip(u, v, strict=True)) + (i == j) for j, v in enumerate(a)]
        for i, u in enumerate(a)
    ]


def direct(path: LossPath, t: Any) -> tuple[int, int]:
    """Real points and minima at one value, by exact elimination there."""
    found = univariate_critical_points(path.at(t))
    return len(found.points), len(found.minima)


def tracked(path: LossPath, t: Any) -> tuple[int, int]:
    """Real points and minima at one value, tracked and certified, in a complete list."""
    m, n = path.shape
    found: Any = critical_points(DeterminantalVariety(m, n, 1), path.at(t), progress=False)
    assert found.is_complete
    return len(found.real), len(found.minima)


def assert_right(
    report: DiscriminantReport, count: Callable[[LossPath, Any], tuple[int, int]], seed: int = 0
) -> None:
    """Compare the counts at the samples, close to both ends, and at random places of each piece."""
    rng = Random(seed)
    for p in report.pieces:
        if p.real is None:
            continue
        low = p.sample - 5 if p.low is None else p.low.bounds(80)[1]
        high = p.sample + 5 if p.high is None else p.high.bounds(80)[0]
        inside = low + (high - low) * Rational(rng.randint(1, 998), 999)
        close = (high - low) / 10**6
        for t in (p.sample, inside, low + close, high - close):
            assert count(report.path, t) == (p.real, p.minima), (report.path.to_json(), t)


# --- the front page -----------------------------------------------------------------------------


def test_between_1_and_4_two_real_points_are_destroyed() -> None:
    one = discriminant(front(ONE_SIDED), interval=(1, 4))
    assert one.values == (real_algebraic("4/3"),)
    assert [(p.real, p.minima) for p in one.pieces] == [(2, 1), (4, 2)]
    both = discriminant(front(SYMMETRIC), interval=(1, 4))
    assert both.values == (real_algebraic(2),)
    assert [(p.real, p.minima) for p in both.pieces] == [(2, 1), (4, 2)]
    assert one.is_proved and both.is_proved
    assert (one.complex_count, both.complex_count) == (6, 6)


def test_all_values_of_the_front_page() -> None:
    one, both = discriminant(front(ONE_SIDED)), discriminant(front(SYMMETRIC))
    assert [str(x) for x in one.values] == ["0", "1/12", "4/3"]
    assert [str(x) for x in both.values] == ["0", "1/2", "2"]
    for found in (one, both):
        assert [p.real for p in found.pieces] == [None, 4, 2, 4]
        assert [e.kind for e in found.events] == ["not_convex", "collision", "collision"]
        assert [e.multiple for e in found.events[1:]] == [((3, 1),), ((3, 1),)]


@pytest.mark.parametrize(
    ("weights", "value"),
    [(ONE_SIDED, "4/3"), (ONE_SIDED, "1/12"), (SYMMETRIC, "2"), (SYMMETRIC, "1/2")],
)
def test_tracking_sees_the_change_a_millionth_away(weights: Any, value: str) -> None:
    path, t, step = front(weights), rational(value), Rational(1, 10**6)
    counts = [tracked(path, t - step), tracked(path, t + step)]
    assert sorted(counts) == [(2, 1), (4, 2)]
    report = discriminant(path)
    assert [(report.piece(x).real, report.piece(x).minima) for x in (t - step, t + step)] == counts


def test_counts_of_the_front_page_by_another_route() -> None:
    for weights in (ONE_SIDED, SYMMETRIC):
        assert_right(discriminant(front(weights), interval=(0, None)), direct)


@pytest.mark.parametrize("weights", [ONE_SIDED, SYMMETRIC])
def test_groebner_elimination_gives_the_same_values(weights: Any) -> None:
    """Degenerate critical points, ∇L = 0 and det ∇²L = 0 in (a, b₁, b₂), eliminated to t ≠ 0."""
    seen: dict[tuple[int, ...], int] = {}
    for chart in (0, 1):  # W = (1, a)ᵀb and W = (a, 1)ᵀb
        a, b1, b2, t, u = polynomial_ring(["a", "b1", "b2", "t", "u"])
        x = (1, a) if chart == 0 else (a, 1)
        target = [Rational(1), Rational(0), Rational(0), Rational(1, 2)]
        scale = [t if c == "t" else c for row in weights for c in row]
        w = [x[0] * b1, x[0] * b2, x[1] * b1, x[1] * b2]
        loss = sum(((z - c) ** 2 * s for z, c, s in zip(w, target, scale, strict=True)), a * 0)
        first = [loss.derivative(i) for i in range(3)]
        hessian = determinant([[f.derivative(i) for i in range(3)] for f in first])
        algebra = QuotientAlgebra.of(groebner_basis([*first, hessian, u * t - 1]))
        for f, e in irreducible_factors(primitive(charpoly(algebra.multiplication[3]))):
            seen[tuple(int(c) for c in f.coeffs())] = e
    found = discriminant(front(weights))
    claimed = {
        f.coefficients: f.multiplicity
        for f in found.factors
        if "collision" in f.origins and not {"escape", "border"} & set(f.origins)
    }
    assert claimed == seen
    positive = {x for f in seen for x, _ in real_roots(f) if x > 0}
    assert {e.value for e in found.events if e.kind == "collision"} == positive


def sympy_discriminant(path: LossPath) -> Any:
    """disc of the numerator of f′(a), x = (1, a), all by SymPy, for 2×n matrices."""
    import sympy

    a, t = sympy.symbols("a t")
    n = path.shape[1]
    b = sympy.Matrix(sympy.symbols(f"b:{n}"))
    data = path.to_json()

    def table(name: str) -> Any:
        return sympy.Matrix(
            [[sympy.sympify(c.replace("^", "**")) for c in row] for row in data[name]]
        )

    w = sympy.Matrix([1, a]) * b.T
    d = w - table("target")
    if path.kind == "weighted":
        loss = sum(s * z**2 for s, z in zip(table("weights"), d, strict=True))
    else:
        v = d.reshape(2 * n, 1)
        loss = (v.T * table("form") * v)[0, 0]
    gradient = [sympy.diff(loss, y) for y in b]
    solution = sympy.solve(gradient, list(b), dict=True)[0]
    least = sympy.together(sympy.expand(loss).subs(solution))
    top = sympy.numer(sympy.cancel(sympy.diff(least, a)))
    return sympy.discriminant(sympy.Poly(top, a), a), t


@pytest.mark.parametrize(
    ("kind", "seed"), [("weighted", 1), pytest.param("weighted", 2, marks=pytest.mark.slow)]
)
def test_values_are_roots_of_sympys_discriminant(kind: str, seed: int) -> None:
    import sympy

    path = random_path(kind, 2, seed)
    brute, t = sympy_discriminant(path)
    folds = 0
    for f in discriminant(path, interval=(0, None)).factors:
        if "collision" not in f.origins or "escape" in f.origins:
            continue
        g = sympy.Poly(f.coefficients[::-1], t)
        assert sympy.rem(sympy.Poly(brute, t), g).is_zero, f
        folds += f.multiplicity == 1
    assert folds >= 1


# --- random paths -------------------------------------------------------------------------------

RANDOM = [
    (kind, n, seed)
    for kind in ("weighted", "quadratic", "squared")
    for n in (2, 3)
    for seed in range(6)
    if not (n == 3 and kind != "squared" and seed > 1)
]


@pytest.mark.parametrize(("kind", "n", "seed"), RANDOM)
def test_random_paths(kind: str, n: int, seed: int) -> None:
    path = random_path(kind, n, seed)
    report = discriminant(path, interval=(0, None))
    assert_right(report, direct, seed)
    assert report.is_proved


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20, 60))
def test_more_random_paths(seed: int) -> None:
    for kind in ("weighted", "quadratic", "squared"):
        assert_right(discriminant(random_path(kind, 2, seed), interval=(0, None)), direct, seed)


@pytest.mark.parametrize("kind", ["weighted", "quadratic", "squared"])
def test_the_family_of_polynomials_is_the_polynomial_of_each_member(kind: str) -> None:
    path = random_path(kind, 3, 7)
    found = plane(path)
    for t in (Rational(1, 3), Rational(7, 2)):
        one = univariate_critical_points(path.at(t))
        assert one.complex_count == found.complex_count
        values = [c(t) for c in found.coefficients()]
        at = at_rational(t).multiplicities(found.coefficients(), found.degree)
        assert len(values) == found.degree + 1
        assert sum(at.values()) == len(one.points)


def test_counts_at_the_value_itself() -> None:
    """At rational values the exact elimination there must agree with the event."""
    seen = 0
    for weights in (ONE_SIDED, SYMMETRIC, [["t", 2], [3, 1]], [[1, "t"], ["t^2", 1]]):
        path = front(weights)
        for e in (
            discriminant(path, interval=(0, None)).events
            + discriminant(path, interval=(0, None)).others
        ):
            assert e.value is not None
            t = e.value.as_rational()
            if t is not None:
                assert direct(path, t) == (e.real, e.minima)
                multiplicities = [
                    p.multiplicity for p in univariate_critical_points(path.at(t)).points
                ]
                many = tuple(
                    (k, multiplicities.count(k)) for k in sorted(set(multiplicities)) if k > 1
                )
                assert many == e.multiple
                seen += 1
    assert seen >= 6


def test_transposed_renamed_and_rescaled_paths() -> None:
    path = random_path("weighted", 3, 0)
    plain = discriminant(path, interval=(0, None))
    data = path.to_json()
    turned = LossPath(
        "weighted",
        **{
            name: [list(c) for c in zip(*data[name], strict=True)] for name in ("target", "weights")
        },
    )
    other = discriminant(turned, interval=(0, None))
    assert (other.values, [p.real for p in other.pieces]) == (
        plain.values,
        [p.real for p in plain.pieces],
    )
    # t = (s + 1)/2, and the loss times 1 + s²
    shifted = {
        name: [[c.replace("t", "((s + 1)/2)") for c in row] for row in data[name]]
        for name in ("target", "weights")
    }
    shifted["weights"] = [[f"({c})*(1 + s^2)" for c in row] for row in shifted["weights"]]
    moved = discriminant(LossPath("weighted", "s", **shifted), interval=(-1, None))
    assert [x * 2 - 1 for x in plain.values] == list(moved.values)
    assert [p.minima for p in moved.pieces] == [p.minima for p in plain.pieces]


# --- the kinds of events ------------------------------------------------------------------------


def test_a_point_passes_through_zero_and_curves_of_critical_points() -> None:
    """diag(t, 1): singular values |t| and 1, so a circle of minima at ±1, and one point at 0."""
    path = LossPath("squared", X=[[1, 0], [0, 1]], Y=[["t", 0], [0, 1]])
    found = discriminant(path)
    assert [(str(e.value), e.kind, e.real) for e in found.events] == [
        ("-1", "curve", None),
        ("0", "through_zero", 1),
        ("1", "curve", None),
    ]
    assert [(p.real, p.minima) for p in found.pieces] == [(2, 1)] * 4
    assert not [e for e in found.events if e.multiple]


def test_a_minimum_degenerates_without_a_change_of_count() -> None:
    """The front page touches its discriminant at t = 2 from either side."""
    above = LossPath("weighted", "s", target=TARGET, weights=[[1, "2+s^2"], ["2+s^2", 1]])
    below = LossPath("weighted", "s", target=TARGET, weights=[[1, "2-s^2"], ["2-s^2", 1]])
    for path, sides in ((above, (4, 2)), (below, (2, 1))):
        found = discriminant(path, interval=("-1/2", "1/2"))
        assert [str(x) for x in found.values] == ["0"]
        (e,) = found.events
        assert (e.real, e.minima, e.multiple, e.change) == (2, 1, ((3, 1),), 0)
        assert [(p.real, p.minima) for p in found.pieces] == [sides, sides]


def test_where_all_points_run_into_zero() -> None:
    found = discriminant(
        front([["1", 2], [3, 1]]).__class__(
            "weighted", target=[["t", "2*t"], ["t", "-t"]], weights=[[1, 2], [3, 1]]
        )
    )
    assert [(str(e.value), e.kind, e.real) for e in found.events] == [("0", "all_zero", 0)]
    assert found.pieces[0].real == found.pieces[1].real  # W ↦ −W


def test_poles_and_values_that_are_not_convex() -> None:
    found = discriminant(front([[1, "1/(t-1)"], [3, "t"]]), interval=(None, None))
    assert [(str(e.value), e.kind) for e in found.events][0] == ("1", "pole")
    assert [p.real is None for p in found.pieces][:2] == [True, False]
    assert not found.is_proved
    squares = discriminant(LossPath("squared", X=[["t", 0], [0, 1]], Y=[[1, 0], [0, 3]]))
    (e,) = squares.events
    assert (str(e.value), e.kind, e.before, e.after) == ("0", "not_convex", 2, 2)


def test_complex_collisions_are_listed_apart() -> None:
    found = discriminant(front(ONE_SIDED), interval=(0, None))
    assert [(str(e.value), e.kind) for e in found.others] == [("1/3", "complex")]
    assert direct(front(ONE_SIDED), "1/3") == (2, 1)  # rank-one weights: a Kronecker loss


def test_irrational_values_and_points_on_demand() -> None:
    found = discriminant(random_path("weighted", 2, 1), interval=(0, None))
    assert any(not x.is_rational for x in found.values)
    piece = found.pieces[0]
    points: Any = found.points(piece.sample)
    assert points.is_complete
    assert (len(points.real), len(points.minima)) == (piece.real, piece.minima)
    with pytest.raises(InputError, match="none of the open intervals"):
        discriminant(front(ONE_SIDED)).piece("4/3")


def test_a_saved_report_is_read_and_checked() -> None:
    found = discriminant(random_path("weighted", 2, 1), interval=(0, None))
    data = json.loads(json.dumps(found.to_json()))
    assert DiscriminantReport.from_json(data).to_json() == data
    assert check_result(data).ok
    bracket = discriminant(front(ONE_SIDED), interval=(1, 2), method="bisection", samples=2)
    again = json.loads(json.dumps(bracket.to_json()))
    assert DiscriminantReport.from_json(again).to_json() == again
    assert check_result(again).ok


def corrupted(data: Any, way: Callable[[Any], None]) -> Any:
    copy = json.loads(json.dumps(data))
    way(copy)
    return copy


CORRUPTIONS: list[Callable[[Any], Any]] = [
    lambda d: d["pieces"][0].update(real=4),
    lambda d: d["pieces"][1].update(minima=1),
    lambda d: d["pieces"][1].update(sample="9"),
    lambda d: d["pieces"][0].update(sample="3"),
    lambda d: d["events"][0].update(real=3),
    lambda d: d["events"][0].update(low="5/4", high="5/4"),
    lambda d: d["events"][0].update(kind="curve"),
    lambda d: d["events"].clear(),
    lambda d: d.update(pieces=d["pieces"][:1], events=[]),
    lambda d: d.update(complex_count=4),
    lambda d: d.update(interval=["1", "5"]),
    lambda d: d["factors"].pop(),
    lambda d: d["path"].update(weights=[["1", "t"], ["2", "1"]]),
]


@pytest.mark.parametrize("way", CORRUPTIONS)
def test_a_corrupted_report_is_refused(way: Callable[[Any], None]) -> None:
    data = discriminant(front(ONE_SIDED), interval=(1, 4)).to_json()
    assert not check_result(corrupted(data, way)).ok


@pytest.mark.parametrize(
    "way",
    [
        lambda d: d.pop("pieces"),
        lambda d: d.update(method="magic"),
        lambda d: d.update(pieces=3),
        lambda d: d["events"][0].update(kind="magic"),
        lambda d: d["events"][0].update(multiple=[[3]]),
        lambda d: d.update(interval=["1"]),
        lambda d: d.update(parameter="3"),
    ],
)
def test_what_is_no_saved_report_is_bad_input(way: Callable[[Any], None]) -> None:
    data = discriminant(front(ONE_SIDED), interval=(1, 4)).to_json()
    with pytest.raises(InputError):
        check_result(corrupted(data, way))


# --- counting over Q(α) -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_sturm_over_a_number_field(seed: int) -> None:
    """Products of known linear and positive quadratic factors over Q(α)."""
    rng = Random(seed)
    alpha = [
        square_root(2),
        square_root(3) * -1,
        real_roots([-3, 1, 0, 1])[0][0],
        real_algebraic("5/7"),
    ][seed % 4]
    field = RealField(alpha)
    one = Univariate([1])
    roots: dict[RealAlgebraic, int] = {}
    f = [one]

    def times(f: list[Any], g: list[Any]) -> list[Any]:
        out = [Univariate([0])] * (len(f) + len(g) - 1)
        for i, x in enumerate(f):
            for j, y in enumerate(g):
                out[i + j] = out[i + j] + x * y
        return out

    for _ in range(rng.randint(1, 3)):
        p, q, e = rng.randint(-2, 2), rng.randint(-1, 1), rng.randint(1, 3)
        x = alpha * q + p
        roots[x] = roots.get(x, 0) + e
        for _ in range(e):
            f = times(f, [Univariate([-p, -q]), one])
    for _ in range(rng.randint(0, 2)):  # (x + c)² + d²(α² + 1)
        c, d = rng.randint(-2, 2), rng.randint(1, 2)
        f = times(f, [Univariate([c * c + d * d, 0, d * d]), Univariate([2 * c]), one])
    extra = rng.randint(0, 2)
    expected: dict[int, int] = {}
    for e in [*roots.values(), *([extra] if extra else [])]:
        expected[e] = expected.get(e, 0) + 1
    scaled = [c * Univariate([-3, 1]) for c in f]
    assert (
        field.multiplicities([*scaled, *[Univariate([0])] * extra], len(f) - 1 + extra) == expected
    )
    assert field.sturm(field.polynomial(f))[0] == len(roots)


# --- bisection ----------------------------------------------------------------------------------


def test_bisection_brackets_the_exact_value() -> None:
    path = front(ONE_SIDED)
    found = discriminant(path, interval=(1, 4), method="bisection", samples=3, width="1/50")
    (e,) = found.events
    assert e.low < Rational(4, 3) < e.high
    assert e.high - e.low <= Rational(1, 50)
    assert e.value is None and found.values == ()
    assert not found.is_proved
    assert "not that nothing else happens" in str(found)
    assert [(p.real, p.minima) for p in found.pieces] == [(2, 1), (4, 2)]


def test_bisection_finds_a_change_on_3_by_3_matrices() -> None:
    path = LossPath(
        "weighted",
        target=[[3, "t", 1], [0, 2, "1-t"], [-1, 0, 1]],
        weights=[[1, 5, 2], [3, 1, "4+t"], [2, 2, 1]],
    )
    found = discriminant(path, interval=(0, "1/2"), samples=2, width="1/4")
    assert [(p.real, p.minima) for p in found.pieces] == [(5, 2), (3, 1)]
    (e,) = found.events
    for t, p in ((e.low, found.pieces[0]), (e.high, found.pieces[1])):
        at = t.as_rational()
        assert tracked(path, at) == (p.real, p.minima)
    assert e.change == -2


def test_counts_that_are_not_proved_are_unknown() -> None:
    identity = [[1, 0], [0, 1]]
    path = LossPath("squared", X=identity, Y=[["t", 0], [0, 1]])
    assert counts_at(path, 1, Rational(1), 0, 10.0).real is None  # a circle of points
    assert counts_at(path, 1, Rational(3), 0, 10.0).real == 2
    undefined = LossPath("weighted", target=identity, weights=[[1, "1/t"], [3, 1]])
    assert counts_at(undefined, 1, Rational(0), 0, 10.0).real is None
    found = discriminant(path, interval=("1/2", "3/2"), method="bisection", samples=3)
    assert [p.real for p in found.pieces] == [2]  # it was moved off the value 1


# --- paths --------------------------------------------------------------------------------------


def test_numbers_with_a_parameter() -> None:
    import sympy

    s = sympy.Symbol("s")
    for text, symbolic, at, value in [
        ("1+3*s", 1 + 3 * s, 2, "7"),
        ("-s**2/(2*s - 1)", -(s**2) / (2 * s - 1), 2, "-4/3"),
        ("1e-1*s", s / 10, 3, "3/10"),
        ("0.5", sympy.Rational(1, 2), 3, "1/2"),
        ("(s^2-1)/(s-1)", (s**2 - 1) / (s - 1), 1, "2"),
    ]:
        f, g = rational_function(text, "s"), rational_function(symbolic, "s")
        assert f == g
        x = Rational(at)
        assert f.numerator(x) / f.denominator(x) == rational(value)


@pytest.mark.parametrize(
    "text",
    [
        "s",
        "sin(t)",
        "t**t",
        "t +",
        "1/(t - t)",
        "",
        "t**(1/2)",
        "__import__('os')",
        "w11",
        "t t",
        "(" * 400 + "t" + ")" * 400,
    ],
)
def test_what_is_no_rational_function_is_refused(text: str) -> None:
    with pytest.raises(DetvarError) as caught:
        rational_function(text, "t", "target[0][1]")
    assert "target[0][1]" in str(caught.value)


def test_paths_go_to_json_and_back() -> None:
    for path in (
        front(SYMMETRIC),
        random_path("quadratic", 2, 3),
        LossPath("power", "u", target=[["u/(1+u^2)", 1], [2, 3]], exponent=4),
    ):
        text = json.dumps(path.to_json())
        again = LossPath.from_json(json.loads(text), path.parameter)
        assert again == path
        assert again.at("3/7").to_json() == path.at("3/7").to_json()


def test_values_of_a_path() -> None:
    path = random_path("quadratic", 2, 3)
    t = Rational(5, 3)
    loss = path.at(t)
    form, linear = path.quadratic() or ((), ())
    origin = zeros(2, 2)
    for rows, matrix in ((form, loss.hessian(origin)), (linear, -loss.gradient(origin))):
        assert [[x.numerator(t) / x.denominator(t) for x in row] for row in rows] == matrix.tolist()
    formula = LossPath.from_json(
        {"type": "expression", "expression": "(w11 - t)^2 + w12*t", "shape": [2, 2]}
    )
    assert formula.at("1/2").gradient(origin).tolist() == [[-1, Rational(1, 2)], [0, 0]]


@pytest.mark.parametrize(
    ("arguments", "options", "word"),
    [
        ({"kind": "weighted", "target": [[1, 0], [0, 1]]}, {}, "weights"),
        ({"kind": "wheighted", "target": [[1]]}, {}, "type"),
        ({"kind": "weighted", "target": [[1, 0.5], [0, 1]], "weights": ONE_SIDED}, {}, "0.5"),
        (
            {"kind": "weighted", "target": [[1, "x"], [0, 1]], "weights": ONE_SIDED},
            {},
            "target[0][1]",
        ),
        ({"kind": "weighted", "target": [[1, 0]], "weights": ONE_SIDED}, {}, "weights"),
        (
            {"kind": "weighted", "target": TARGET, "weights": ONE_SIDED, "parameter": "2"},
            {},
            "name",
        ),
        ({"kind": "weighted", "target": TARGET, "weights": ONE_SIDED}, {"rank": 2}, "rank"),
        ({"kind": "weighted", "target": TARGET, "weights": ONE_SIDED}, {"rank": 0}, "rank"),
        ({"kind": "weighted", "target": TARGET, "weights": ONE_SIDED}, {"interval": (2, 1)}, "low"),
        ({"kind": "weighted", "target": TARGET, "weights": ONE_SIDED}, {"interval": 3}, "pair"),
        (
            {"kind": "weighted", "target": TARGET, "weights": ONE_SIDED},
            {"method": "magic"},
            "magic",
        ),
        (
            {"kind": "weighted", "target": TARGET, "weights": ONE_SIDED},
            {"method": "bisection"},
            "finite",
        ),
        (
            {"kind": "weighted", "target": TARGET, "weights": ONE_SIDED},
            {"method": "bisection", "interval": (1, 2), "width": 0},
            "width",
        ),
        (
            {"kind": "weighted", "target": TARGET, "weights": ONE_SIDED},
            {"method": "bisection", "interval": (1, 2), "samples": 1},
            "samples",
        ),
        (
            {"kind": "power", "target": [["t", 0], [0, 1]], "exponent": 4},
            {"method": "elimination"},
            "elimination",
        ),
        ({"kind": "weighted", "target": TARGET, "weights": [[0, 1], ["t", 1]]}, {}, "singular"),
        (
            {
                "kind": "quadratic",
                "target": [[1, 0]] * 2,
                "form": [[2, "t", 0, 0], [1, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 2]],
            },
            {},
            "symmetric",
        ),
    ],
)
def test_bad_input_is_one_sentence(
    arguments: dict[str, Any], options: dict[str, Any], word: str
) -> None:
    with pytest.raises((InputError, ShapeError, NotExactError)) as caught:
        discriminant(LossPath(**arguments), **options)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_families_whose_points_are_curves_are_refused() -> None:
    path = LossPath("squared", X=[[1, 0], [0, 1]], Y=[["t", 0], [0, "t"]])
    with pytest.raises(PositiveDimensionalError):
        discriminant(path)


def test_data_without_points_of_rank_1() -> None:
    path = LossPath("weighted", target=[[0, 0], [0, 0]], weights=ONE_SIDED)
    found = discriminant(path, interval=(0, None))
    assert [(p.real, p.minima) for p in found.pieces] == [(0, 0)]


# --- the command line ---------------------------------------------------------------------------


def test_the_command(run: Run, tmp_path: Path) -> None:
    problem = {
        "network": [2, 1, 2],
        "loss": {"type": "weighted", "target": TARGET, "weights": ONE_SIDED},
    }
    file = tmp_path / "path.json"
    file.write_text(json.dumps(problem), encoding="utf-8")
    code, out, err = run("discriminant", str(file), "--from", "1", "--to", "4")
    assert (code, err) == (0, "")
    assert "4/3" in out and "2 real points appear" in out
    code, out, err = run("discriminant", "-", "--json", stdin=json.dumps(problem))
    data = json.loads(out)
    assert code == 3  # t ≤ 0 is not examined
    assert [e["kind"] for e in data["events"]] == ["not_convex", "collision", "collision"]
    assert data["events"][2]["low"] == "4/3"
    code, out, _ = run(
        "discriminant",
        str(file),
        "--from",
        "1",
        "--to",
        "2",
        "--method",
        "bisection",
        "--samples",
        "2",
        "--width",
        "1",
    )
    assert (code, "bisection" in out) == (3, True)
    for words, word in [
        (("--parameter", "s"), "not the parameter"),
        (("--from", "x"), "low"),
        (("--from", "3", "--to", "2"), "empty"),
        (("--rank", "2"), "rank"),
    ]:
        code, out, err = run("discriminant", str(file), *words)
        assert (code, out) == (2, "")
        assert word in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "problem",
    [
        [],
        {},
        {"network": [2, 1, 2]},
        {"loss": {"type": "weighted"}},
        {"network": [3, 1, 2], "loss": front(ONE_SIDED).to_json()},
        {"network": [2, 1, 2], "loss": {"type": 3}},
    ],
)
def test_files_that_are_no_path(problem: Any) -> None:
    with pytest.raises((InputError, ShapeError)):
        path_of(problem)


def test_the_determinant_of_polynomials_is_sympys() -> None:
    x, y = polynomial_ring(["x", "y"])
    rng = Random(5)
    rows = [
        [rng.randint(-2, 2) * x + rng.randint(-2, 2) * y + rng.randint(-1, 1) for _ in range(4)]
        for _ in range(4)
    ]
    rows[0][0] = x * 0
    import sympy

    table = sympy.Matrix([[sympy.sympify(str(f).replace("^", "**")) for f in row] for row in rows])
    expected = sympy.expand(table.det())
    assert sympy.expand(sympy.sympify(str(determinant(rows)).replace("^", "**")) - expected) == 0
    assert not determinant([[x, y], [x, y]])
    with pytest.raises(ValueError):
        in_parameter(x)
    assert to_sympy(zeros(1, 1)) == sympy.zeros(1, 1)
