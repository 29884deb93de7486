"""Elementary functions: balls hold the true values and are sharp, floats and symbols agree."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from detvar.errors import InputError
from detvar.exact.balls import arb, exact_float, working_precision
from detvar.exact.functions import NAMES, folded, function_of
from detvar.homotopy.derivatives import derivative, gradient, homogenize, taylor_coefficient
from detvar.homotopy.expression import Expression, Graph
from detvar.homotopy.system import System
from detvar.homotopy.tape import make_tape
from detvar.losses.formula_values import BALLS, Program, arrays, symbols


@pytest.fixture(autouse=True)
def fifty_digits() -> Iterator[None]:
    with mpmath.workdps(50):
        yield


# the functions again, from mpmath, with points of their domains
TRUE: dict[Any, tuple[Any, float, float]] = {
    "exp": (mpmath.exp, -20, 20),
    "log": (mpmath.log, 0.001, 50),
    "sin": (mpmath.sin, -20, 20),
    "cos": (mpmath.cos, -20, 20),
    "tan": (mpmath.tan, -1.5, 1.5),
    "asin": (mpmath.asin, -0.999, 0.999),
    "acos": (mpmath.acos, -0.999, 0.999),
    "atan": (mpmath.atan, -20, 20),
    "sinh": (mpmath.sinh, -10, 10),
    "cosh": (mpmath.cosh, -10, 10),
    "tanh": (mpmath.tanh, -20, 20),
    "sech2": (lambda x: 1 / mpmath.cosh(x) ** 2, -20, 20),
    "asinh": (mpmath.asinh, -20, 20),
    "acosh": (mpmath.acosh, 1.001, 50),
    "atanh": (mpmath.atanh, -0.999, 0.999),
    "erf": (mpmath.erf, -5, 5),
    "erf_slope": (lambda x: 2 * mpmath.exp(-x * x) / mpmath.sqrt(mpmath.pi), -5, 5),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), -40, 40),
    "sigmoid": (lambda x: 1 / (1 + mpmath.exp(-x)), -40, 40),
    "logcosh": (lambda x: mpmath.log(mpmath.cosh(x)), -20, 20),
    Fraction(1, 2): (mpmath.sqrt, 0, 50),
    Fraction(-1, 2): (lambda x: 1 / mpmath.sqrt(x), 0.01, 50),
    Fraction(3, 2): (lambda x: mpmath.sqrt(x) ** 3, 0, 50),
    Fraction(1, 3): (mpmath.cbrt, 0, 50),
    Fraction(-5, 3): (lambda x: 1 / mpmath.cbrt(x) ** 5, 0.1, 50),
    Fraction(17, 10): (lambda x: mpmath.power(x, mpmath.mpf(17) / 10), 0, 50),
}
every_function = pytest.mark.parametrize("key", TRUE, ids=str)


def points(key: Any, count: int, seed: int = 0) -> list[float]:
    _, low, high = TRUE[key]
    return [float(x) for x in np.random.default_rng(seed).uniform(low, high, count)]


def number(x: Any) -> arb:
    """An mpmath number of 50 digits as a ball of radius 10⁻⁴⁰ times its size."""
    with working_precision(200):
        return arb(mpmath.nstr(x, 45)) * arb(1, 1e-40)


def test_the_table_is_complete() -> None:
    assert set(NAMES) <= set(TRUE)


@every_function
def test_values_are_those_of_mpmath(key: Any) -> None:
    f, true = function_of(key), TRUE[key][0]
    for x in points(key, 40):
        exact = true(mpmath.mpf(x))
        with working_precision(120):
            ball = f.ball(arb(x))
            assert ball.overlaps(number(exact)) and ball.rel_accuracy_bits() > 90
        assert np.isclose(float(f.array(np, x)), float(exact), rtol=1e-12, atol=1e-15)
        symbol = f.symbol(sympy, sympy.Rational(Fraction(x)))
        assert abs(mpmath.mpf(str(sympy.N(symbol, 40))) - exact) < 1e-30 * (1 + abs(exact))


@every_function
@pytest.mark.parametrize("radius", [2.0**-40, 2.0**-6, 0.5, 3.0])
def test_wide_balls_hold_the_values_and_are_sharp(key: Any, radius: float) -> None:
    """The hull of 61 true values fills the enclosure, up to the distance between them."""
    f, (true, low, high) = function_of(key), TRUE[key]
    for x in points(key, 5, seed=1):
        radius = min(radius, x - low, high - x)
        ball = f.ball(arb(x, radius))
        assert ball.is_finite()
        values = [true(mpmath.mpf(x) + radius * mpmath.mpf(t) / 30) for t in range(-30, 31)]
        assert all(ball.overlaps(number(v)) for v in values)
        width, seen = 2 * float(ball.rad()), float(max(values) - min(values))
        assert width <= 1.02 * seen + 1e-13 * (1 + float(abs(ball.mid())))


@every_function
def test_derivatives_are_those_of_mpmath(key: Any) -> None:
    """First and second derivatives of the node, against numerical ones with 50 digits."""
    graph = Graph()
    x = graph.input(0)
    f = graph.function(key, x)
    first = gradient(graph, f, [x])[0]
    assert derivative(graph, [f], x) == [first]
    second = gradient(graph, first, [x])[0]
    program = Program.of(graph, [f, first, second])
    for at in points(key, 8, seed=2):
        true = [mpmath.diff(TRUE[key][0], mpmath.mpf(at), k) for k in (0, 1, 2)]
        for ball, value in zip(program.run([arb(at)], BALLS), true, strict=True):
            assert abs(float(ball.mid()) - float(value)) < 1e-9 * (1 + abs(float(value)))
        for value, y in zip(program.run([np.array([at])], arrays()), true, strict=True):
            assert np.isclose(float(value[0]), float(y), rtol=1e-8, atol=1e-9)
        for value, y in zip(program.run([sympy.Float(at, 50)], symbols()), true, strict=True):
            assert abs(float(sympy.N(value)) - float(y)) < 1e-8 * (1 + abs(float(y)))


@every_function
def test_what_convex_calculus_is_told_is_true(key: Any) -> None:
    """Signs of differences of true values on the intervals of the table, and its images."""
    f, (true, low, high) = function_of(key), TRUE[key]

    def grid(region: Any) -> list[Any]:
        a = max(low, float(region[0])) if region[0] is not None else low
        b = min(high, float(region[1])) if region[1] is not None else high
        return [mpmath.mpf(a) + (mpmath.mpf(b) - a) * k / 60 for k in range(61)]

    def differences(values: list[Any]) -> list[Any]:
        return [b - a for a, b in zip(values, values[1:], strict=False)]

    tiny = mpmath.mpf(10) ** -40
    checked = 0
    for regions, sign, order, take in (
        (f.increasing, 1, 1, true),
        (f.decreasing, -1, 1, true),
        (f.convex, 1, 2, true),
        (f.concave, -1, 2, true),
        (f.log_convex, 1, 2, lambda x: mpmath.log(true(x))),
        (f.log_concave, -1, 2, lambda x: mpmath.log(true(x))),
    ):
        for region in regions:
            steps = [take(x) for x in grid(region) if take is true or true(x) > 0]
            for _ in range(order):
                steps = differences(steps)
            assert len(steps) > 50 and all(sign * d >= -tiny for d in steps)
            checked += 1
    assert checked
    for x in points(key, 50, seed=3):
        y = true(mpmath.mpf(x))
        assert f.image[0] is None or y >= mpmath.mpf(f.image[0].numerator) / f.image[0].denominator
        assert f.image[1] is None or y <= mpmath.mpf(f.image[1].numerator) / f.image[1].denominator
        assert y or not f.avoids_zero


@pytest.mark.parametrize(
    ("key", "x"),
    [
        ("log", arb(0)),
        ("log", arb(1, 2)),
        ("asin", arb(2)),
        ("acos", arb(-1, 0.5)),
        ("acosh", arb(0)),
        ("atanh", arb(1)),
        ("tan", arb(1, 1)),
        (Fraction(1, 2), arb(-1)),
        (Fraction(1, 2), arb(1, 1.5)),
        (Fraction(1, 3), arb(-8)),
        (Fraction(-1, 2), arb(0)),
        ("exp", arb.nan()),
        ("cosh", arb.nan()),
        ("sin", arb.nan()),
    ],
)
def test_balls_outside_of_the_domain_are_not_finite(key: Any, x: arb) -> None:
    assert not function_of(key).ball(x).is_finite()


def test_roots_have_a_value_at_zero() -> None:
    assert function_of(Fraction(3, 2)).ball(arb(0)) == 0
    assert np.isnan(function_of(Fraction(1, 3)).array(np, -8.0))
    assert function_of("softplus").array(np, 1000.0) == 1000.0
    assert function_of("softplus").array(np, -1000.0) == 0.0
    assert np.isclose(function_of("logcosh").array(np, -900.0), 900 - np.log(2))


@given(st.fractions(min_value=0, max_value=10**6), st.integers(2, 6), st.integers(-5, 5))
def test_rational_powers_are_folded_exactly(x: Fraction, q: int, p: int) -> None:
    exponent = Fraction(p, q)
    if exponent.denominator == 1 or (x == 0 and p < 0):
        return
    exact = folded(exponent, x**q)
    assert exact == x**p
    value = folded(exponent, x)
    assert value is None or value**exponent.denominator == x**exponent.numerator


# --- nodes --------------------------------------------------------------------------------------


def test_nodes_are_shared_and_numbers_folded() -> None:
    g = Graph()
    x = g.input(0)
    assert g.function("exp", x) == g.function("exp", x) != g.function("log", x)
    assert g.value(g.function("exp", g.zero)) == 1
    assert g.value(g.function("log", g.one)) == 0
    assert g.value(g.function(Fraction(3, 2), g.constant(Fraction(4, 9)))) == Fraction(8, 27)
    assert g.value(g.function(Fraction(1, 2), g.constant(2))) is None
    assert g.function("log", g.add(g.function("exp", x), g.one)) == g.function("softplus", x)
    assert g.function("log", g.function("cosh", x)) == g.function("logcosh", x)
    for key, v in (("log", 0), (Fraction(1, 2), -1), ("asin", 2), (Fraction(-1, 3), 0)):
        with pytest.raises(InputError, match="where it has no value"):
            g.function(key, g.constant(v))


def test_rings_and_tracking_refuse_functions() -> None:
    g = Graph()
    x = g.input(0)
    f = g.add(x, g.function("exp", x))
    for call in (
        lambda: g.evaluate([f], [Fraction(0)]),
        lambda: make_tape(g, [f], 1),
        lambda: taylor_coefficient(g, [f], {x: [x, g.one]}, 2),
        lambda: homogenize(g, [f], [x], g.one),
    ):
        with pytest.raises(InputError, match="has exp in it: use enclosures by balls"):
            call()
    system = System.from_function(
        lambda x, p: [x[0].function(Fraction(1, 2)) - p[0]], variables=1, parameters=1
    )
    with pytest.raises(InputError, match="the power 1/2"):
        _ = system.tape
    assert g.evaluate([x], [3]) == [3]  # the other nodes keep their values


def test_expressions_call_functions() -> None:
    g = Graph()
    x = Expression(g, g.input(0))
    assert x.function("tanh").node == g.function("tanh", x.node)


def test_programs_are_sharp_where_signs_matter() -> None:
    """Products and squares of wide balls keep their sign, which mid-rad arithmetic loses."""
    g = Graph()
    x, y = g.input(0), g.input(1)
    unit = arb(0).union(arb(1))
    program = Program.of(g, [g.mul(x, x), g.mul(x, y), g.div(x, g.add(y, g.one))])
    square, product, quotient = program.run([unit, unit], BALLS)
    for ball, top in ((square, 1), (product, 1), (quotient, 1)):
        assert ball >= -1e-7 and ball <= top + 1e-7
        assert ball.overlaps(arb(0)) and ball.overlaps(arb(top))
    both = arb(0, 2)
    assert Program.of(g, [g.power(x, 4)]).run([both], BALLS)[0] >= -1e-6
    q = exact_float(0.5)
    assert Program.of(g, [g.mul(x, y)]).run([arb(q), arb(q)], BALLS) == [arb(0.25)]
