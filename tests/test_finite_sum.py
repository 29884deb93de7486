"""Finite sums: values, gradients, triples, formulas, batches, and what they refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from detvar.errors import InputError, NotExactError, ShapeError

np = pytest.importorskip("numpy")
sympy = pytest.importorskip("sympy")

from detvar.exact.balls import arb  # noqa: E402
from detvar.exact.rational import Rational  # noqa: E402
from detvar.landscape import examples  # noqa: E402
from detvar.landscape.conditions import CONDITIONS  # noqa: E402
from detvar.landscape.finite_sum import Constant, FiniteSum, bracket  # noqa: E402
from detvar.landscape.from_sympy import ball, read  # noqa: E402

X = [["3/2", "2/5"], ["1/5", 1]]
PROBLEMS = {
    "ex1": examples.ex1,
    "ex2": examples.ex2,
    "ex3": examples.ex3,
    "ex3 literal": lambda: examples.ex3(literal=True),
    "ex4": examples.ex4,
    "ex5": examples.ex5,
    "ex6": examples.ex6,
    "d1": examples.d1,
    "scalar net": lambda: examples.scalar_net([1, 2, 3], [2, "1/2", 1], hidden=2),
    "least squares": lambda: examples.least_squares(
        [[1, 0], [1, 2], [0, 3]], [[1, 2], [0, 1], [3, 1]]
    ),
    "deficient": lambda: examples.least_squares([[1, 1], [2, 2], [0, 0]], [1, 3, 5]),
    "factorisation": lambda: examples.matrix_factorisation([[1, 2, 3], [0, 1, 1], [2, 0, 5]], 2),
}


@pytest.fixture(scope="module")
def problems() -> dict[str, FiniteSum]:
    return {name: make() for name, make in PROBLEMS.items()}


@pytest.mark.parametrize("name", PROBLEMS)
def test_gradients_are_difference_quotients(name: str, problems: Any) -> None:
    f = problems[name]
    rng = np.random.default_rng(1)
    x = rng.normal(size=(5, f.dimension))
    h = 1e-6
    for j in range(f.dimension):
        e = np.zeros(f.dimension)
        e[j] = h
        quotient = (f.values(x + e) - f.values(x - e)) / (2 * h)
        assert quotient == pytest.approx(f.gradients(x)[..., j], abs=1e-7, rel=1e-6)


@pytest.mark.parametrize("name", PROBLEMS)
def test_shapes_follow_the_leading_axes(name: str, problems: Any) -> None:
    f = problems[name]
    x = np.random.default_rng(2).normal(size=(2, 3, f.dimension))
    assert f.values(x).shape == (2, 3, f.count)
    assert f.gradients(x).shape == (2, 3, f.count, f.dimension)
    assert f.f(x).shape == (2, 3)
    assert f.grad(x).shape == (2, 3, f.dimension)
    p = f.project(x)
    if p is not None:
        assert p.shape == x.shape
        assert p[1, 2] == pytest.approx(f.project(x[1, 2]), abs=1e-12)
    assert f.values(x)[1, 2] == pytest.approx(f.values(x[1, 2]))


@pytest.mark.parametrize("name", [n for n in PROBLEMS if n not in ("ex5", "factorisation")])
def test_projection_lands_on_minimisers_and_is_idempotent(name: str, problems: Any) -> None:
    f = problems[name]
    x = 2 * np.random.default_rng(3).normal(size=(200, f.dimension))
    p = f.project(x)
    assert f.f(p) == pytest.approx(f.minimum, abs=1e-12)
    assert f.grad(p) == pytest.approx(0, abs=1e-8)
    assert (f.f(x) >= f.minimum - 1e-12).all()
    assert (f.values(x) >= f.lower - 1e-12).all()
    assert f.project(p) == pytest.approx(p, abs=1e-7)
    # no other minimiser that is known is nearer
    distance = np.linalg.norm(x - p, axis=1)
    for other in p:
        assert (distance <= np.linalg.norm(x - other, axis=1) + 1e-9).all()


@pytest.mark.parametrize("name", ["ex1", "ex2", "ex3", "ex6", "d1", "least squares"])
def test_smoothness_bounds_gradient_differences(name: str, problems: Any) -> None:
    f = problems[name]
    rng = np.random.default_rng(4)
    x = 2 * rng.normal(size=(4000, f.dimension))
    y = x + rng.normal(size=x.shape) * 10.0 ** rng.uniform(-4, 0, size=(4000, 1))
    change = np.linalg.norm(f.gradients(x) - f.gradients(y), axis=-1).max(axis=-1)
    ratio = (change / np.linalg.norm(x - y, axis=-1)).max()
    assert 0.5 * f.smoothness < ratio <= f.smoothness * (1 + 1e-9)


def test_triples_of_example_6() -> None:
    """Expected numbers: f₁ = ρ²/(1+ρ²) at p = (t, t), by hand from t = 0.159374980683."""
    t = examples.ex6().triples([[0.0, 0.0], [2.0, 1.5]])
    expected = [
        (0, 0, 0.0483448152),
        (0.0708333248, 2 / 3, 0.5856297811),
        (0.1258620664, 0.8620689655, 0.5856297811),
        (0.5882715935, 0.5555555556, 0.0483448152),
    ]
    assert np.stack([t.g, t.b, t.c], axis=1) == pytest.approx(np.array(expected), abs=1e-9)
    assert t.step.tolist() == [0, 0, 1, 1]
    assert t.batch.tolist() == [0, 1, 0, 1]


def test_triples_need_a_projection() -> None:
    with pytest.raises(InputError, match="give `project`"):
        examples.ex5().triples([[0.0, 0.0, 0.0]])


def test_lower_bounds_enlarge_the_feasible_set() -> None:
    """Lowering every f_i* by e adds βe to αc − δb + g, and σ² grows by e."""
    f = examples.ex6()
    assert f.exact is not None
    e = 0.125
    exact = f.exact
    low = FiniteSum.from_sympy(
        exact.terms,
        exact.variables,
        exact.minimisers,
        [sympy.Rational(-1, 8)] * 2,
        constants=exact.constants,
    )
    x = np.random.default_rng(5).normal(size=(50, 2))
    a, b = f.triples(x), low.triples(x)
    alpha, beta = 7.0, 4.0
    margin = [alpha * t.c - (alpha - beta) * t.b + t.g for t in (a, b)]
    assert margin[1] - margin[0] == pytest.approx(beta * e)
    assert low.sigma2 - f.sigma2 == pytest.approx(e)


def test_batches_average_the_terms() -> None:
    """Per-term feasibility implies that of batches with the mean of the lower bounds."""
    f = examples.least_squares([[1], [2], [1], [3]], [1, -1, 2, 0])
    batches = [(0, 1), (2, 3), (0, 2), (1, 3)]
    g = f.averaged(batches)
    x = np.random.default_rng(6).normal(size=(30, 1))
    assert g.f(x) == pytest.approx(f.f(x))
    assert g.values(x)[:, 1] == pytest.approx(f.values(x)[:, [2, 3]].mean(axis=1))
    assert not g.lower_is_exact
    one, many = f.triples(x), g.triples(x)
    for delta in (0.3, 1.0, 1.7):

        def least(t: Any, delta: float = delta) -> float:
            return float(((delta * t.b - t.g) / t.c).max())

        assert least(many) <= least(one) + 1e-12
    with pytest.raises(InputError, match="equally often"):
        f.averaged([(0, 1), (0, 2)])
    with pytest.raises(InputError, match="number the terms from 0 to 3"):
        f.averaged([(0, 4)])


# --- formulas -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ex1", "ex2", "ex3", "ex6", "d1"])
def test_json_round_trip(name: str, problems: Any) -> None:
    f = problems[name]
    g = FiniteSum.from_json(json.loads(json.dumps(f.to_json())))
    assert g.exact is not None
    assert g.exact == f.exact
    x = np.random.default_rng(7).normal(size=(20, f.dimension))
    assert g.values(x) == pytest.approx(f.values(x))
    assert g.project(x) == pytest.approx(f.project(x))
    assert (g.minimum, g.smoothness) == (pytest.approx(f.minimum), f.smoothness)


@pytest.mark.parametrize("name", ["ex1", "ex2", "ex3", "ex6", "d1", "scalar net", "least squares"])
def test_formulas_and_floats_agree(name: str, problems: Any) -> None:
    f = problems[name]
    assert f.exact is not None
    x = np.random.default_rng(8).integers(-9, 9, size=f.dimension) / 4
    for i, term in enumerate(f.exact.terms):
        inside = f.exact.ball(term, [float(v) for v in x])
        assert float(inside.mid()) == pytest.approx(f.values(x)[i], abs=1e-13)
        assert float(f.exact.ball(f.exact.lower[i]).mid()) == pytest.approx(f.lower[i], abs=1e-13)


def test_constants_are_enclosed() -> None:
    t = sympy.Symbol("t", real=True)
    root = bracket(t, t**2 - 2, 1, 2)
    for bits in (60, 200):
        ball_ = root.enclosure(bits)
        assert ball_.rad() < 2.0 ** (1 - bits)
        assert ball_ > Rational(1414213562, 10**9)
        assert (ball_ * ball_).contains(2)
    assert root.is_algebraic
    wave = bracket(t, sympy.cos(t) - t, 0, 1)
    assert not wave.is_algebraic
    assert float(wave) == pytest.approx(0.7390851332151607, abs=1e-15)
    for low, high in ((2, 3), (-2, 2)):
        with pytest.raises(InputError, match="one simple zero"):
            bracket(t, t**2 - 2, low, high)
    with pytest.raises(InputError, match="one simple zero"):
        Constant(t, t * (t - 1) * (t + 1), Rational(-2), Rational(2)).enclosure()


@pytest.mark.parametrize(
    "text",
    ["exp(-x**2)", "sin(3*x) + 1/7", "log(1 + x**2)/(2 + cos(x))", "sqrt(1 + x**4) - tanh(x)"],
)
def test_balls_contain_the_values(text: str) -> None:
    import mpmath

    x = sympy.Symbol("x", real=True)
    f = read(text, {"x": x})
    mpmath.mp.dps = 40
    for value in ("-3/4", "1/3", "5"):
        exact = sympy.Rational(value)
        number = arb(Rational(int(exact.p), int(exact.q)))
        true = str(f.subs(x, exact).evalf(30))
        assert ball(f, {x: number}).overlaps(arb(true))
        wide = ball(f, {x: number.union(number + 0.25)})
        for k in range(5):
            inner = f.subs(x, exact + sympy.Rational(k, 16)).evalf(30)
            assert wide.contains(arb(str(inner)).mid())


def test_even_powers_of_a_ball_are_tight() -> None:
    x = sympy.Symbol("x")
    box = arb(-1).union(arb(2))
    square = ball(x**2, {x: box})
    assert square >= -1e-8  # the radius of a ball has 30 bits
    assert square.contains(4)
    assert not ball(x**2, {x: box}).contains(4.01)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').getcwd()",
        "x.diff(x)",
        "x[0]",
        "lambda: 1",
        "y + 1",
        "2**x",
        "1/0",
        "x**10000",
        "exp(x, x)",
        "open('f')",
        "(" * 300 + "x" + ")" * 300,
        "x if x else 1",
        "'x'",
        "",
        "1j",
        "True",
    ],
)
def test_texts_that_are_no_formula_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(text, {"x": sympy.Symbol("x")})


def test_decimals_are_read_exactly() -> None:
    assert read("0.1 + 1e-3", {}) == sympy.Rational(101, 1000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"variables": "x"}, "variables"),
        ({"terms": None}, "terms"),
        ({"variables": ["x", "x"]}, "different names"),
        ({"terms": ["x + z"]}, "cannot be read"),
        ({"minimisers": [["1/2"]]}, "is not critical"),
        ({"lower": ["3"]}, "give a lower bound"),
        ({"lower": ["0", "0"]}, "lower has 2 entries: give 1"),
        ({"minimisers": [["0", "0"]]}, "a minimiser has another number of entries than 1"),
        ({"constants": [{"name": "t"}]}, "bracket"),
    ],
)
def test_bad_problem_files(change: dict[str, Any], message: str) -> None:
    data = {"variables": ["x"], "terms": ["x**2"], "minimisers": [["0"]], "lower": ["0"]}
    with pytest.raises((InputError, ShapeError), match=message):
        FiniteSum.from_json({**data, **change})


def test_bad_arguments() -> None:
    f = examples.ex6()
    with pytest.raises(ShapeError, match="last axis must have 2"):
        f.values([1.0, 2.0, 3.0])
    with pytest.raises(ShapeError, match="last axis"):
        f.values(1.0)
    with pytest.raises(ShapeError, match="2 finite numbers"):
        FiniteSum("f", 1, 2, f.values, f.gradients, np.array([0.0]))
    x = sympy.Symbol("x")
    with pytest.raises(InputError, match="contains y"):
        FiniteSum.from_sympy([x + sympy.Symbol("y")], [x])
    with pytest.raises(InputError, match="only functions"):
        examples.ex5().to_json()
    with pytest.raises(NotExactError):
        examples.rational([(0.5, 1), (0, 0)])


def test_everything_has_latex() -> None:
    for make in (examples.ex1, examples.ex2, examples.ex5, examples.d1):
        assert "f_" in make().to_latex()
    assert all(c.to_latex() for c in CONDITIONS.values())


@pytest.mark.parametrize("text", ["x^2+1234", "x^ 22", "12*x^2 - 0.5", " x**2 + 1234 "])
def test_powers_may_be_written_with_a_caret(text: str) -> None:
    import sympy

    from detvar.landscape.from_sympy import read

    x = sympy.Symbol("x", real=True)
    wanted = sympy.sympify(text.strip().replace("^", "**").replace("0.5", "1/2"), {"x": x})
    assert read(text, {"x": x}) == wanted
