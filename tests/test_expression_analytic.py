"""Expression losses with functions: three kinds of values agree with SymPy and mpmath."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

from detvar import (
    ExpressionLoss,
    LinearNetwork,
    LogCoshLoss,
    LogisticLoss,
    SoftmaxLoss,
    SymbolicLoss,
)
from detvar.errors import InputError, ShapeError
from detvar.exact.balls import arb, arb_mat, exact_float, working_precision
from detvar.exact.matrices import matrix
from detvar.losses import is_analytic, loss_from_json

FORMULAS = [
    "log(1 + exp(w11 - 2*w12)) - w11/3",
    "exp(w11*w12) + w11**2",
    "sqrt(1 + w11**2 + (w12 - 1)**2)",
    "(2 + sin(w11)*cos(w12))**(3/2)",
    "tanh(w11)*erf(w12) + atan(w11 + w12)",
    "log(exp(w11) + exp(w12) + 1) - w12/2",
    "w11**2/(1 + exp(-w12)) + log(cosh(w11))",
    "asinh(w11)**2 + sinh(w12)/cosh(w11) + pi*w11",
    "exp(-w11**2) + sqrt(2)*w12**4 + 2**w11",
    "1/(1 + exp(w11)) + exp(w12)/(1 + exp(w12)) + sech(w11)",
    "asin(tanh(w11)/2) + acos(w12/100) + atanh(tanh(w11)/3) + acosh(2 + w12**2)",
    "(3 + w11**2)**(-1/3) + coth(3 + w12**2) + erfc(w11)",
]
PARTIAL = [
    "log(w11) + w12**2",
    "-log(w11) - log(w12) + w11",
    "w11*log(w11/w12) + w12",
    "w11**(5/2) + 1/sqrt(w12)",
    "atanh(w11/5) + tan(w12/9) + acosh(1 + w11)",
]
every_formula = pytest.mark.parametrize("text", FORMULAS + PARTIAL)


def point_of(text: str, seed: int) -> Any:
    """Multiples of 1/8, positive where roots and logarithms need it."""
    w = np.random.default_rng(seed).integers(-16, 17, (1, 2)) / 8
    return np.abs(w) + 0.125 if text in PARTIAL else w


def balls(w: Any, radius: float = 0.0) -> arb_mat:
    return arb_mat([[arb(float(x), radius) for x in row] for row in np.asarray(w).tolist()])


def tree_of(text: str) -> Any:
    """The formula as SymPy's own parser reads it."""
    return sympy.sympify(text.replace("^", "**"))


W11, W12 = sympy.symbols("w11 w12")


def true_values(text: str, w: Any, digits: int = 40) -> tuple[Any, list[Any], list[Any]]:
    """Value, gradient and Hessian from SymPy's derivatives."""
    tree, s = tree_of(text), (W11, W12)
    at = dict(zip(s, [sympy.Rational(Fraction(float(x))) for x in w.ravel()], strict=True))

    def number(e: Any) -> Any:
        with mpmath.workdps(digits):
            return mpmath.mpf(str(sympy.N(e.subs(at), digits)))

    first = [sympy.diff(tree, x) for x in s]
    return (
        number(tree),
        [number(e) for e in first],
        [number(sympy.diff(e, x)) for e in first for x in s],
    )


def close(x: Any, y: Any, tolerance: float = 1e-11) -> bool:
    return bool(abs(float(x) - float(y)) <= tolerance * (1 + abs(float(y))))


@every_formula
@pytest.mark.parametrize("seed", range(2))
def test_derivatives_are_those_of_sympy(text: str, seed: int) -> None:
    loss, w = ExpressionLoss(text, (1, 2)), point_of(text, seed)
    assert is_analytic(loss) and not loss.is_polynomial and loss.degree == 0
    value, first, second = true_values(text, w)
    exact = balls(w)
    with working_precision(140):
        found = (
            [loss.value_ball(exact)],
            loss.gradient_ball(exact).entries(),
            loss.hessian_ball(exact).entries(),
        )
        for ours, true in zip(found, ([value], first, second), strict=True):
            for ball, y in zip(ours, true, strict=True):
                assert ball.is_finite() and ball.rad() < 1e-25
                assert abs(ball - arb(mpmath.nstr(y, 35))) < 1e-22 * (1 + abs(float(y)))
    assert close(loss.value_array(w), value)
    assert all(map(close, loss.gradient_array(w).ravel(), first))
    assert all(map(close, loss.hessian_array(w).ravel(), second))
    entries = sympy.Matrix(1, 2, [W11, W12])
    at = dict(zip(entries, map(sympy.Float, w.ravel().tolist()), strict=True))
    assert close(sympy.N(loss.symbolic(entries).subs(at)), value, 1e-9)
    for e, y in zip(loss.symbolic_gradient(entries), first, strict=True):
        assert close(sympy.N(e.subs(at)), y, 1e-9)


@pytest.mark.parametrize("text", FORMULAS[:6])
def test_derivatives_are_those_of_difference_quotients(text: str) -> None:
    """Central differences of ball values with 300 bits: another route than rules."""
    loss, w = ExpressionLoss(text, (1, 2)), point_of(text, 7)
    with working_precision(300):
        step = arb(2) ** -60

        def moved(k: int, sign: int) -> arb_mat:
            return arb_mat(
                [[arb(float(x)) + (sign * step if j == k else 0) for j, x in enumerate(w[0])]]
            )

        for k in range(2):
            up, down = moved(k, 1), moved(k, -1)
            slope = (loss.value_ball(up) - loss.value_ball(down)) / (2 * step)
            assert abs(slope - loss.gradient_ball(balls(w))[0, k]) < 1e-25
            column = (loss.gradient_ball(up) - loss.gradient_ball(down)) * (1 / (2 * step))
            for j in range(2):
                assert abs(column[0, j] - loss.hessian_ball(balls(w))[j, k]) < 1e-25


@every_formula
@pytest.mark.parametrize("radius", [2.0**-30, 2.0**-6, 0.1])
def test_balls_hold_the_values_of_a_box(text: str, radius: float) -> None:
    loss, w = ExpressionLoss(text, (1, 2)), point_of(text, 3)
    box = balls(w, radius)
    wide = [
        loss.value_ball(box),
        *loss.gradient_ball(box).entries(),
        *loss.hessian_ball(box).entries(),
    ]
    rng = np.random.default_rng(0)
    for _ in range(8):
        inside = w + radius * (2 * rng.integers(0, 2**20 + 1, w.shape) / 2**20 - 1)
        value, first, second = true_values(text, inside, 30)
        for ball, y in zip(wide, [value, *first, *second], strict=True):
            assert ball.is_finite() and ball.overlaps(arb(mpmath.nstr(y, 28)) * arb(1, 1e-25))
    if radius < 1e-6:
        assert all(ball.rad() < 1e-5 * (1 + abs(float(ball.mid()))) for ball in wide)


@every_formula
def test_arrays_are_vectorised_and_agree_with_balls(text: str) -> None:
    loss = ExpressionLoss(text, (1, 2))
    many = np.stack([[point_of(text, 5 * i + j) for j in range(2)] for i in range(3)])
    values, first, second = (
        loss.value_array(many),
        loss.gradient_array(many),
        loss.hessian_array(many),
    )
    assert values.shape == (3, 2) and first.shape == (3, 2, 1, 2) and second.shape == (3, 2, 2, 2)
    for i, j in product(range(3), range(2)):
        w = balls(many[i, j])
        assert close(values[i, j], loss.value_ball(w).mid(), 1e-12)
        for x, ball in zip(first[i, j].ravel(), loss.gradient_ball(w).entries(), strict=True):
            assert close(x, ball.mid(), 1e-11)
        for x, ball in zip(second[i, j].ravel(), loss.hessian_ball(w).entries(), strict=True):
            assert close(x, ball.mid(), 1e-10)


def test_derivatives_are_undefined_where_the_formula_is() -> None:
    """1/x is no gradient of log x at −1: no critical point may be found there."""
    for text in (
        "log(w11) - w11**2",
        "acosh(w11)",
        "atanh(w11) + w11**2",
        "asin(w11)",
        "sqrt(w11)",
    ):
        loss = ExpressionLoss(text)
        for x in (-3.0, -1.5):
            w = balls([[x]])
            assert not loss.value_ball(w).is_finite()
            assert not loss.gradient_ball(w)[0, 0].is_finite()
            assert not loss.hessian_ball(w)[0, 0].is_finite()
            assert np.isnan(loss.value_array([[x]]))
            assert np.isnan(loss.gradient_array([[x]])).all()
            assert np.isnan(loss.hessian_array([[x]])).all()
    loss = ExpressionLoss("1/w11")
    assert not loss.value_ball(balls([[0.0]], 1.0)).is_finite()


def test_stable_far_away() -> None:
    loss = ExpressionLoss("log(1 + exp(w11)) + log(cosh(w12)) + 1/(1 + exp(-w11))", (1, 2))
    with np.errstate(all="raise", under="ignore"):
        for x in (800.0, -800.0):
            w = [[x, x]]
            true = max(x, 0) + 800 - np.log(2) + (x > 0)
            assert np.isclose(loss.value_array(w), true)
            assert np.allclose(loss.gradient_array(w), [[x > 0, np.sign(x)]])
            assert float(loss.value_ball(balls(w)).mid()) == pytest.approx(true)


def test_the_known_losses_as_formulas() -> None:
    """The same functions as the losses of samples, written out."""
    x, entries = [[1, 2], [0, -1]], sympy.Matrix(1, 2, [W11, W12])
    known = [
        LogisticLoss(x, [[3, 2]], [[1, 2]]),
        LogCoshLoss(x, [[1, "1/2"]]),
        SoftmaxLoss(x, [[2, 1]], [1, 1]),
    ]
    for loss in known:
        same = ExpressionLoss(loss.symbolic(entries), entries)
        for seed in range(4):
            w = point_of("", seed)
            assert np.allclose(same.value_array(w), loss.value_array(w), rtol=1e-12)
            assert np.allclose(same.gradient_array(w), loss.gradient_array(w), rtol=1e-11)
            assert np.allclose(same.hessian_array(w), loss.hessian_array(w), rtol=1e-10)
        assert same.convexity().answer is True


# --- algebraic formulas have all kinds of values ------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "(w11 - 1)**4 + w12**2/3 - w11*w12",
        "w11**2/(1 + w12**2)",
        "(w11**2 - w12**2)/(w11 - w12)",
        "7",
    ],
)
def test_algebraic_formulas_in_balls_and_floats(text: str) -> None:
    loss, rng = ExpressionLoss(text, (1, 2)), Random(1)
    assert not is_analytic(loss)
    for _ in range(5):
        q = matrix([[Fraction(rng.randint(-8, 8), 4), Fraction(rng.randint(9, 16), 4)]])
        w = arb_mat(q)
        floats = np.array([[float(x.p) / float(x.q) for x in q.entries()]])
        pairs = [(loss.value_ball(w), loss.value(q), loss.value_array(floats))]
        pairs += zip(
            loss.gradient_ball(w).entries(),
            loss.gradient(q).entries(),
            loss.gradient_array(floats).ravel(),
            strict=True,
        )
        pairs += zip(
            loss.hessian_ball(w).entries(),
            loss.hessian(q).entries(),
            loss.hessian_array(floats).ravel(),
            strict=True,
        )
        for ball, exact, x in pairs:
            assert ball.overlaps(arb(exact)) and ball.rad() < 1e-10
            assert close(x, float(exact.p) / float(exact.q), 1e-12)
        entries = sympy.Matrix(1, 2, [W11, W12])
        at = {
            s: sympy.Rational(int(c.p), int(c.q)) for s, c in zip(entries, q.entries(), strict=True)
        }
        value = loss.value(q)
        assert loss.symbolic(entries).subs(at) == sympy.Rational(int(value.p), int(value.q))


def test_exact_members_say_what_to_use() -> None:
    loss = ExpressionLoss("exp(w11)")
    for call in (loss.value, loss.gradient, loss.hessian, loss.evaluate, loss.evaluate_gradient):
        with pytest.raises(InputError, match="value_ball"):
            call(matrix([[1]]))
    with pytest.raises(InputError, match="value_ball"):
        loss.curvature(matrix([[1]]), matrix([[1]]))
    assert loss.kronecker() is None


def test_shapes_are_checked() -> None:
    loss = ExpressionLoss("exp(w11) + w12", (1, 2))
    for call in (
        lambda: loss.value_ball(arb_mat(2, 2)),
        lambda: loss.gradient_array(np.zeros((2, 2))),
        lambda: loss.symbolic(sympy.zeros(2, 2)),
    ):
        with pytest.raises(ShapeError, match="W "):
            call()


def test_transposed_reduced_stored() -> None:
    loss = ExpressionLoss("exp(w12) + sqrt(1 + w21**2) + w_1_2", (2, 2))
    w = np.array([[0.5, -1.0], [0.25, 2.0]])
    assert close(loss.transposed().value_array(w.T), loss.value_array(w))
    assert np.allclose(loss.transposed().gradient_array(w.T), loss.gradient_array(w).T)
    assert loss_from_json(json.loads(json.dumps(loss.to_json()))) == loss
    again = pickle.loads(pickle.dumps(loss))
    assert again == loss and close(again.value_array(w), loss.value_array(w))
    found = loss.reduce(LinearNetwork(2, 1, 2))
    assert not found.changed and found.loss == loss


# --- growth -------------------------------------------------------------------------------------

GROWING = [
    "log(1 + exp(w11 - w12))*2 - w11 + w12 + exp(w11 + 1)",
    "3*log(1 + exp(w11)) + 2*log(1 + exp(w12 - 1)) - w11 - 2*w12 + 4",
    "log(cosh(w11 - 2)) + log(1 + exp(w11 + w12)) + log(1 + exp(-w11 - w12))",
    "exp(2*w11 - 1)/3 + exp(-w12) - w11 + 5*w12",
    "(w11 - 1)**2 + log(1 + exp(w12)) - 3*w11",
    "log(1 + exp(w11)) + log(1 + exp(w12)) + log(1 + exp(w11 - w12)) - w11",
    "2*log(cosh(w11)) - 2*w11 + log(1 + exp(w12))",
]


@pytest.mark.parametrize("text", GROWING)
def test_growth_is_a_lower_bound_with_the_recession_cone(text: str) -> None:
    loss = ExpressionLoss(text, (1, 2))
    growth = loss.growth()
    assert growth is not None
    rng = Random(2)
    for size in (1, 10, 100):
        for _ in range(30):
            w = [exact_float(rng.randint(-8, 8) * size / 8) for _ in range(2)]
            bound = growth.bound(matrix([w]))
            value = loss.value_ball(arb_mat([w]))
            assert value >= arb(bound) or value.overlaps(arb(bound))
    for direction in product(range(-3, 4), repeat=2):
        d = np.array([direction], dtype=float)
        forms = [
            sum(c * int(x) for c, x in zip(row, direction, strict=True))
            for row in growth.rows.tolist()
        ]
        values = [loss.value_ball(balls(t * d)) for t in (0, 10, 20, 40)]
        if all(f >= 0 for f in forms):
            steps = [b - a for a, b in zip(values, values[1:], strict=False)]
            assert all(s < 1e-9 for s in steps)
            constant = all(s.overlaps(arb(0)) for s in steps[:1])
            assert constant == (not any(forms))
        else:
            assert values[-1] > values[-2]


@pytest.mark.parametrize(
    "text",
    [
        "log(1 + exp(w11)) - 2*w11",  # unbounded below
        "log(1 + exp(w11)) - w12",
        "exp(w11) + w11",
        "log(1 + exp(w11)) - log(1 + exp(w12))",
        "exp(w11*w12)",
        "exp(w11**2)",
        "sin(w11) + exp(w11)",
        "w11 + exp(1)*w12",
    ],
)
def test_growth_of_other_formulas_is_not_known(text: str) -> None:
    assert ExpressionLoss(text, (1, 2)).growth() is None


# --- refusals -----------------------------------------------------------------------------------

REFUSED = [
    ("abs(w11)", "calls abs, which is not differentiable where its argument is 0: write sqrt"),
    ("Abs(w11)", "calls Abs, which is not differentiable where its argument is 0"),
    ("Max(w11, 0)", "calls Max, which is not differentiable where two arguments are equal"),
    ("min(w11, w12)", "calls min, which is not differentiable where two arguments are equal"),
    ("relu(w11)", "write softplus(x)"),
    ("sign(w11)", "calls sign, which is not differentiable where its argument is 0: write tanh"),
    ("floor(w11)", "calls floor, which is not differentiable where its argument is an integer"),
    ("ceil(w11)", "calls ceil, which is not differentiable where its argument is an integer"),
    ("ceiling(w11)", "calls ceiling, which is not differentiable"),
    ("Heaviside(w11)", "calls Heaviside, which is not differentiable where its argument is 0"),
    ("Piecewise((w11, 1))", "calls Piecewise, which is not differentiable where its pieces meet"),
    ("conjugate(w11)", "calls conjugate, which belongs to complex numbers, and W is real"),
    ("re(w11)", "calls re, which belongs to complex numbers"),
    ("im(w11)", "calls im, which belongs to complex numbers"),
    ("besselj(w11)", "calls besselj, which is not known: use exp, log, sqrt"),
    ("exp(x)", "contains x, which is no entry of W"),
    ("I*exp(w11)", "contains I, which is no real number"),
    ("exp(w11, w12)", 'has "," at character 8'),
    ("w11**w12", "has an exponent that is no number: write exp(y*log(x))"),
    ("exp(" * 400 + "w11" + ")" * 400, "nested deeper than 300"),
    ("log(0)*w11", "takes log of a number where it has no value"),
    ("sqrt(-2) + w11", "takes sqrt of a number where it has no value"),
    ("w11 + (-8)**(1/3)", "takes power 1/3 of a number where it has no value"),
    ("asin(2)*w11", "takes asin of a number where it has no value"),
    ("log(-1 - w11**2)", "takes log of a formula that is outside of its domain for all W"),
    ("sqrt(-exp(w11))", "takes sqrt of a formula that is outside of its domain for all W"),
    ("asin(2 + w11**2)", "takes asin of a formula that is outside of its domain for all W"),
    ("acosh(tanh(w11)/2)", "takes acosh of a formula that is outside of its domain for all W"),
    ("exp(w11)/((w11 + 1)**2 - w11**2 - 2*w11 - 1)", "divides by a formula that is zero"),
    ("exp(w11)/(w11 - w11)", "divides by zero"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED, ids=[x[:25] for x, _ in REFUSED])
def test_refusals(text: str, words: str) -> None:
    with pytest.raises(InputError) as error:
        ExpressionLoss(text, (1, 2))
    assert words in str(error.value) and str(error.value).isprintable()
    assert len(str(error.value)) < 300


A, B = sympy.symbols("a b")


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (sympy.Abs(A), "calls Abs, which is not differentiable"),
        (sympy.Max(A, 0), "calls Max"),
        (sympy.sign(A), "calls sign"),
        (sympy.Heaviside(A), "calls Heaviside"),
        (sympy.Piecewise((A, A > 0), (0, True)), "calls Piecewise"),
        (sympy.conjugate(A), "calls conjugate"),
        (sympy.re(A), "calls re"),
        (sympy.LambertW(A), "calls LambertW, which is not known"),
        (sympy.Function("f")(A), "calls f, which is not known"),
        (sympy.exp(A + B), "b is no entry of W"),
        (sympy.exp(0.5 * A), "contains a float: write Rational(1, 4) for 0.25"),
        (sympy.exp(sympy.I * A), "contains I, which is no real number"),
        (A**sympy.pi, "an exponent that is no number"),
    ],
)
def test_sympy_trees_that_are_refused(tree: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        ExpressionLoss(tree, sympy.Matrix([[A]]))
    assert words in str(error.value)


@pytest.mark.parametrize(
    "tree",
    [
        sympy.log(1 + sympy.exp(A)) + A**2,
        sympy.sqrt(A**2 + 1) * sympy.pi + sympy.E**A,
        (1 + A**2) ** sympy.Rational(-2, 3) + sympy.erf(A) + sympy.sech(A),
        sympy.atan(A) + sympy.cosh(A) + sympy.log(2) * A + sympy.log(A + 7, 2),
        sympy.diff(sympy.log(sympy.cosh(A)), A) + sympy.diff(sympy.erf(A), A),
        sympy.exp(A) / (1 + sympy.exp(A)) + 3**A,
    ],
)
def test_sympy_trees_are_read(tree: Any) -> None:
    loss = ExpressionLoss(tree, sympy.Matrix([[A]]))
    for x in (-2.5, 0.0, 1.25):
        true = sympy.N(tree.subs(A, sympy.Rational(x)), 30)
        assert close(loss.value_array([[x]]), true)
        assert loss.value_ball(arb_mat([[x]])).overlaps(
            arb(str(true)) * arb(1, 1e-20) + arb(0, 1e-20)
        )
    assert loss_from_json(loss.to_json()) == loss


def test_logistic_formulas_become_stable_functions() -> None:
    for tree in (sympy.log(1 + sympy.exp(A)), sympy.log(sympy.exp(A) + 1)):
        assert ExpressionLoss(tree, sympy.Matrix([[A]])).value_array([[2000.0]]) == 2000.0


@pytest.mark.parametrize("text", FORMULAS)
def test_the_same_formula_with_symbols(text: str) -> None:
    """The reader of symbolic data knows the same functions, and takes pi as the number."""
    loss = ExpressionLoss(text, (1, 2))
    other = SymbolicLoss.of(loss)
    assert other is not None and other.parameters == ()
    w = point_of(text, 5)
    values = [float(x) for x in other.gradient(sympy.Matrix(w.tolist()))]
    assert np.allclose(loss.gradient_array(w).ravel(), values, rtol=1e-9, atol=1e-9)
    assert loss.to_latex().startswith(r"\ell(W)=")
