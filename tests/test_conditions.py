"""Conditions at points: estimates and violations against exact constants and each other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from detvar.errors import InputError, ShapeError

np = pytest.importorskip("numpy")
sympy = pytest.importorskip("sympy")

from detvar.landscape import examples  # noqa: E402
from detvar.landscape.conditions import (  # noqa: E402
    CONDITIONS,
    Estimate,
    Violations,
    condition,
    estimate,
    table,
    violations,
)
from detvar.landscape.finite_sum import FiniteSum  # noqa: E402
from detvar.landscape.region import Region  # noqa: E402

x = sympy.Symbol("x", real=True)


def line(f: Any) -> FiniteSum:
    """One term on R with its minimum 0 at 0."""
    return FiniteSum.from_sympy([f], [x], [(0,)], [0])


def best(f: FiniteSum, name: str, points: Any, **given: Any) -> float:
    found = estimate(f, name, points, **given)
    return float(next(iter(found.constants.values())))


@pytest.fixture(scope="module")
def quadratic() -> FiniteSum:
    """½·3u² + ½·v²/2 on R², by two least squares rows: eigenvalues 3 and ½."""
    u, v = sympy.symbols("u v", real=True)
    return FiniteSum.from_sympy([3 * u**2 / 2 + v**2 / 4], [u, v], [(0, 0)], [0])


def test_constants_of_a_quadratic_form(quadratic: FiniteSum) -> None:
    """f = ½xᵀAx with eigenvalues 3 and ½: every µ is ½; on the axes the quotients are known."""
    t = np.linspace(0, 2 * np.pi, 361)
    points = np.stack([np.cos(t), np.sin(t)], axis=1)
    for name in ("SC", "ESC", "WSC", "RSI", "OPC", "EB", "PL", "QG"):
        assert best(quadratic, name, points) == pytest.approx(0.5)
    for name in ("QCvx", "Aim"):
        assert best(quadratic, name, points) == pytest.approx(2)
    assert best(quadratic, "KL", points) == pytest.approx(1)
    assert best(quadratic, "PL", points, kappa=2.0) == pytest.approx(0.5)
    for name in ("Cvx", "StarCvx", "Interp", "Invex", "Cvx_i"):
        assert len(violations(quadratic, name, points)) == 0
    on_axis = np.array([[2.0, 0.0], [-1.0, 0.0]])
    for name in ("SC", "RSI", "EB", "PL", "QG"):
        assert best(quadratic, name, on_axis) == pytest.approx(3)


@pytest.mark.parametrize(
    ("f", "name", "value"),
    [
        # x² + 3 sin²x on |x| ≤ 50; the numbers come from a scan with 4·10⁶ points
        (x**2 + 3 * sympy.sin(x) ** 2, "PL", 0.17553),
        (x**2 + 3 * sympy.sin(x) ** 2, "Aim", 0.49609),
        (x**2 + 3 * sympy.sin(x) ** 2, "RSI", 0.69660),
        (x**2 + 3 * sympy.sin(x) ** 2, "QG", 2.0),
        (x**2 + 10 * sympy.sin(x) ** 2, "QG", 2.0),
        (x**2 + 10 * sympy.sin(x) ** 2, "PL", 0.0),
        (x**2 + 10 * sympy.sin(x) ** 2, "Aim", -1.2026),
        (sympy.log(1 + x**2), "QCvx", 0.25551),
        (x**4, "Aim", 4.0),
        (x**4, "QCvx", 4.0),
    ],
)
def test_known_constants_on_an_interval(f: Any, name: str, value: float) -> None:
    points = np.linspace(-50, 50, 400_001)[:, None]
    assert best(line(f), name, points) == pytest.approx(value, abs=2e-5)


def test_relaxed_polyak_lojasiewicz() -> None:
    """|x|^p has |f'|^κ = (2µ)^{κ/2} f exactly for κ(p−1) = p: µ = p²/2."""
    points = np.linspace(0.01, 3, 200)[:, None]
    for p, kappa in ((3, 1.5), (2, 2.0), (5, 1.25)):
        f = line(sympy.Abs(x) ** p if p % 2 else x**p)
        assert best(f, "PL", points, kappa=kappa) == pytest.approx(p * p / 2)
        assert len(violations(f, "PL", points, mu=p * p / 2, kappa=kappa)) == 0
        assert len(violations(f, "PL", points, mu=p * p / 2 * 1.001, kappa=kappa)) == 200
    with pytest.raises(InputError, match="from 1 to 2"):
        estimate(line(x**2), "PL", points, kappa=3)


def test_kurdyka_lojasiewicz_exponents() -> None:
    points = np.linspace(-2, 2, 101)[:, None]
    assert best(line(x**4), "KL", points, exponent=0.75) == pytest.approx(4)
    mu = best(line(x**2), "PL", points)
    assert best(line(x**2), "KL", points) == pytest.approx((2 * mu) ** 0.5)
    with pytest.raises(InputError, match="exponent"):
        estimate(line(x**2), "KL", points, exponent=1.0)


PROBLEMS = {
    "ex1": examples.ex1,
    "ex3": examples.ex3,
    "ex6": examples.ex6,
    "d1": examples.d1,
    "scalar net": lambda: examples.scalar_net([1, 1], [2, "1/2"]),
    "least squares": lambda: examples.least_squares([[1, 0], [0, 1], [1, 1]], [1, 0, 2]),
    "deficient": lambda: examples.least_squares([[1, 1], [2, 2]], [1, 3]),
}


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("which", [c for c in CONDITIONS if CONDITIONS[c].constant])
def test_estimates_are_the_largest_constants(name: str, which: str) -> None:
    """No violation at the estimate, one beyond it."""
    f = PROBLEMS[name]()
    points = 2 * np.random.default_rng(1).normal(size=(60, f.dimension))
    found = estimate(f, which, points)
    value = found.constants[condition(which).constant]
    if not np.isfinite(value):
        return
    constants = dict(found.constants)
    assert len(violations(f, which, points, **constants)) == 0
    step = 1e-4 * max(1.0, abs(value))
    if which == "AB":
        if constants["beta"] > step:
            less = {k: v - step for k, v in constants.items()}
            assert len(violations(f, "AB", points, **less)) > 0
        return
    if which == "PL" and value < 0:
        return
    constants[condition(which).constant] = value + step
    worse = violations(f, which, points, **constants)
    assert found.where in [tuple(w) for w in worse.where.tolist()]
    assert (np.diff(worse.margins) >= 0).all()
    assert (worse.margins < 0).all()


@pytest.mark.parametrize("name", PROBLEMS)
def test_pointwise_implications_between_estimates(name: str) -> None:
    f = PROBLEMS[name]()
    points = 2 * np.random.default_rng(2).normal(size=(300, f.dimension))
    value = {c: best(f, c, points) for c in ("WSC", "RSI", "EB", "PL", "QG", "Aim", "AAim", "KL")}
    tiny = 1e-9
    assert value["EB"] >= value["RSI"] - tiny
    assert value["RSI"] >= value["WSC"] / 2 - tiny
    assert value["AAim"] == value["Aim"]
    assert value["KL"] == pytest.approx((2 * value["PL"]) ** 0.5)
    assert value["RSI"] >= value["Aim"] * value["QG"] / 2 - tiny or value["Aim"] < 0
    assert value["PL"] >= value["Aim"] ** 2 * value["QG"] / 4 - tiny or value["Aim"] < 0
    assert value["PL"] >= value["Aim"] * value["EB"] / 2 - tiny or value["Aim"] < 0


def test_alpha_beta_is_what_the_polygon_says() -> None:
    f = examples.ex6()
    points = np.random.default_rng(3).normal(size=(500, 2))
    polygon = Region.from_triples(f.triples(points))
    for delta in (0.1, 1.0, 5.0):
        found = estimate(f, "AB", points, delta=delta).constants
        assert found["alpha"] == pytest.approx(float(polygon.phi(delta)))
        assert found["alpha"] - found["beta"] == pytest.approx(delta)
    bad = violations(f, "AB", points, alpha=3.0, beta=1.0)
    margins = f.triples(points).margin(3.0, 1.0)
    assert len(bad) == (margins < -1e-9).sum()
    assert bad.margins[0] == pytest.approx(margins.min())
    k, i = bad.where[0]
    assert 2 * k + i == margins.argmin()


def test_alpha_beta_with_a_fitted_term() -> None:
    f = FiniteSum.from_sympy([x**2, x**2 + 10 * sympy.sin(x) ** 2], [x], [(0,)], [0, 0])
    points = np.linspace(1, 4, 301)[:, None]
    assert estimate(f, "AB", points).constants["alpha"] == float("inf")
    assert len(violations(f, "AB", points, alpha=1e9, beta=1e9 - 1)) > 0


def test_violations_of_conditions_without_constants() -> None:
    bell = line(x**2 / (1 + x**2))
    points = np.linspace(-4, 4, 81)[:, None]
    for name in ("Cvx", "StarCvx", "Cvx_i"):
        found = violations(bell, name, points)
        assert 0 < len(found) < found.count
        assert found.margins[0] == pytest.approx(estimate(bell, name, points).margin)
    assert len(violations(bell, "Invex", points)) == 0
    # the worst pair of Cvx, by hand
    i, j = violations(bell, "Cvx", points).where[0]
    a, b = points[i, 0], points[j, 0]
    gap = b**2 / (1 + b**2) - a**2 / (1 + a**2) - 2 * a / (1 + a**2) ** 2 * (b - a)
    assert gap == pytest.approx(violations(bell, "Cvx", points).margins[0])


def test_invexity_and_interpolation_of_example_6() -> None:
    f = examples.ex6()
    found = violations(f, "Invex", [[0.3, 0.1], [0.5, 0.5], [0.15937498068339328] * 2])
    assert found.where.tolist() == [[1]]
    assert len(violations(f, "Interp", [[0.0, 0.0]])) == 2
    waves = examples.d1()
    spots = [[v] for v in np.linspace(0.9, 1.04, 400_001)]
    assert len(violations(waves, "Invex", spots, threshold=1e-6)) > 0


def test_no_constant_at_all() -> None:
    f = examples.ex6()
    points = np.random.default_rng(4).normal(size=(200, 2))
    assert best(f, "Aim_i", points) == float("-inf")
    assert best(f, "SC", points[:1]) == float("inf")


def test_one_minimiser_to_aim_at() -> None:
    f = examples.ex6()
    points = np.random.default_rng(5).normal(size=(100, 2))
    p = f.project([0.0, 0.0])
    each = [best(f, "QCvx", points, x_star=s) for s in (p, 1 - p)]
    assert best(f, "QCvx", points) == pytest.approx(max(each))
    with pytest.raises(ShapeError, match="x_star must have 2"):
        estimate(f, "OPC", points, x_star=[0.0])


def test_bad_arguments() -> None:
    f = examples.ex6()
    points = [[0.0, 0.0]]
    with pytest.raises(InputError, match="no condition is called"):
        estimate(f, "PLL", points)
    with pytest.raises(InputError, match="has no constant nu"):
        estimate(f, "PL", points, nu=1)
    with pytest.raises(InputError, match="has the constant mu"):
        violations(f, "PL", points)
    with pytest.raises(ShapeError, match="N points as rows of 2"):
        estimate(f, "PL", [0.0, 0.0])
    with pytest.raises(InputError, match="alpha > beta"):
        violations(f, "AB", points, alpha=1, beta=2)
    with pytest.raises(InputError, match="not finite"):
        estimate(f, "PL", [[float("nan"), 0.0]])
    with pytest.raises(InputError, match="no projection"):
        estimate(examples.ex5(), "RSI", [[0.0, 0.0, 0.0]])
    with pytest.raises(InputError, match="at most 4000"):
        estimate(f, "Cvx", np.zeros((5000, 2)))


def test_results_print_and_survive_json() -> None:
    f = examples.ex6()
    points = np.random.default_rng(6).normal(size=(20, 2))
    found = estimate(f, "PL", points)
    again = Estimate.from_json(json.loads(json.dumps(found.to_json())))
    assert (again.constants, again.where) == (found.constants, found.where)
    assert str(found).startswith("PL: mu = ")
    bad = violations(f, "RSI", points, mu=1.0)
    back = Violations.from_json(json.loads(json.dumps(bad.to_json())))
    assert (back.where == bad.where).all()
    assert (back.margins == bad.margins).all()
    assert str(bad) == f"RSI: {len(bad)} of 20 violated, worst margin {bad.margins[0]:.6g}"
    assert "tabular" in table(["PL", "KL"])
    for result in (found, bad, estimate(f, "Cvx", points)):
        assert result.to_latex()
