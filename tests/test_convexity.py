"""Convexity: what is proved holds at random points, what is refuted has a witness."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
import sympy

from detvar import (
    ExponentialLoss,
    ExpressionLoss,
    LikelihoodLoss,
    LogisticLoss,
    PowerLoss,
    QuadraticLoss,
    WeightedSquaredLoss,
)
from detvar.errors import InputError, NotExactError, ShapeError
from detvar.exact.balls import arb, arb_mat, exact_float
from detvar.exact.inertia import inertia
from detvar.exact.matrices import matrix
from detvar.homotopy.expression import Graph
from detvar.losses.convex_on import (
    convex_on,
    has_negative_direction,
    is_positive_definite,
    refutation,
)
from detvar.losses.convexity import analyse
from detvar.losses.expression_text import read_expression
from detvar.losses.fact import Fact, number, scaled

CONVEX = [
    "log(1 + exp(w11)) - w11/2",
    "log(exp(w11) + 2*exp(w12 - w11) + 1) - w12",
    "log(exp(w11**2) + exp(w11)*exp(w12))",
    "sqrt(1 + w11**2 + (w12 - 1)**2)",
    "sqrt(w11**2 + w11*w12 + w12**2 + 3)",
    "(w11**2 + exp(w12))**(3/4)",
    "exp(w11**2 + w11*w12 + w12**2)",
    "w11**2 + w12**2 + exp(w11) - 2*w11*w12",
    "w11**4 + w11**2 + w11*w12 + w12**2",
    "(exp(w11) + 1)**3 + log(cosh(w12))",
    "log(cosh(w11 - w12)) + cosh(w11) - 3*w12",
    "-log(w11) - log(1 - w12) + w11",
    "w11*log(w11) - 2*w11 + w12*log(w12/3)",
    "-log(sigmoid(w11)) - log(1/(1 + exp(w12)))",
    "w11**(3/2) - sqrt(w12) + w12**(-1/3)",
    "-sqrt(w11) + 1/sqrt(w12 + 1)",
    "(w11 - w12)**2/(2 + exp(-w11)*0 + w12 - w12)",
    "softplus(softplus(w11 - 1)) + softplus(w12**2)",
    "1/exp(w11) + exp(w11)*exp(w12)*cosh(w12)",
    "exp(-sqrt(w11)) + exp(-log(w12))",
    "-log(sqrt(w11)) + exp(1)*w12**2 + sqrt(2)*w11**2",
    "sinh(exp(w11)) + w11**2/sqrt(w12)",
    "-log(4 - w11**2) - log(1 - exp(w12))",
    "(1 + w11**2)**(1/2) + acos(-sqrt(w12)/2)*0",
    "asin(sigmoid(w11)*0 + 1/2) + w12**6",
]
every_convex = pytest.mark.parametrize("text", CONVEX)

# True would be wrong for each of these
NOT_CONVEX = [
    "exp(w11)*w12",
    "sin(w11)",
    "log(w11)",
    "sqrt(w11)",
    "tanh(w11)",
    "tanh(w11)**2",
    "erf(w11) + w11**2/10",
    "log(1 + w11**2)",
    "exp(-w11**2)",
    "(1 + w11**2)**(-1/2)",
    "sqrt(w11)*sqrt(w12)",
    "log(w11*w12)",
    "log(exp(w11) + w12**2 + 1)",
    "log(1 + exp(w11)) - log(1 + exp(w12))",
    "log(1 + exp(w11))**2 - w11**2",
    "exp(w11) - exp(w12)",
    "w11**3 + exp(w11)",
    "1/(1 + exp(w11))",
    "1/w11",
    "w11**2/w12",
    "exp(w11)/(1 + exp(w11))",
    "sqrt(1 + exp(-w11**2))",
    "cosh(w11)*(-1)",
    "(exp(w11) - 3)**2",
    "log(cosh(w11))**2 - w12**2/100",
    "sqrt(1 + w11**4 - w11**2)",
    "sqrt(w11**2 + 1)**(1/2)",
    "acos(w11)",
    "asin(w11)",
    "atan(w11)",
    "asinh(w11)",
    "atanh(w11/5)",
    "tan(w11/5)",
    "w11*log(w12)",
    "exp(sin(w11))",
    "w11**2 + w12**2 - 3*w11*w12 + exp(w11)/100",
    "(w11**2 + 1)**(1/3)",
    "-log(exp(w11)*(1 + w12**2))",
    "(w11**2 + 1/10)*log(w11**2 + 1/10)",
]
# and these are not convex although no formula of theirs bends down: their domains are not convex
GAPS = ["1/w11**2", "w11**(-1/2)*w12**0 + 1/(w11 - 1)**2", "-log(w11**2)", "(w11**2 - 1)**(3/2)"]


def samples(loss: Any, count: int, seed: int) -> Any:
    """Matrices of quarters and sixteenths at which ℓ is proved to have a value."""
    rng = np.random.default_rng(seed)
    found = rng.integers(-16, 17, (20 * count, *loss.shape)) / rng.choice(
        [4, 16], (20 * count, 1, 1)
    )
    found = found[np.isfinite(loss.value_array(found))][:count]
    kept = [w for w in found if loss.value_ball(arb_mat(w.tolist())).is_finite()]
    return np.array(kept).reshape(-1, *loss.shape)


def violates(loss: Any, seed: int = 0) -> bool:
    """Whether a midpoint lies outside of the domain or above a chord, proved in balls."""
    w = samples(loss, 300, seed)
    half = len(w) // 2
    assert half >= 20
    for a, b in zip(w[:half], w[half : 2 * half], strict=True):
        p, q = ([exact_float(x) for x in m.ravel()] for m in (a, b))
        ends = [loss.value_ball(arb_mat(*loss.shape, [arb(x) for x in m])) for m in (p, q)]
        middle = arb_mat(*loss.shape, [arb((x + y) / 2) for x, y in zip(p, q, strict=True)])
        between = loss.value_ball(middle)
        if all(e.is_finite() for e in ends) and (
            not between.is_finite() or between > (ends[0] + ends[1]) / 2
        ):
            return True
    return False


@every_convex
def test_convex_formulas_are_proved_and_lie_below_their_chords(text: str) -> None:
    loss = ExpressionLoss(text, (1, 2))
    found = loss.convexity()
    assert found.answer is True and loss.is_convex() and len(found.reason) > 15
    assert not violates(loss)


@pytest.mark.parametrize("text", NOT_CONVEX)
def test_other_formulas_are_refuted_by_a_witness(text: str) -> None:
    """SymPy finds the Hessian at the witness indefinite."""
    loss = ExpressionLoss(text, (1, 2))
    found = loss.convexity()
    assert not loss.is_convex() and found.answer is False
    rows = found.reason.split("W = ")[1]
    values = [sympy.Rational(x) for x in rows.strip("[]").split(", ")]
    s = sympy.symbols("w11 w12")
    second = sympy.hessian(sympy.sympify(text), s).subs(dict(zip(s, values, strict=True)))
    numbers = np.array(second.evalf(30).tolist(), dtype=float)
    assert np.linalg.eigvalsh(numbers)[0] < -1e-12


@pytest.mark.parametrize("text", GAPS)
def test_domains_with_gaps_are_not_called_convex(text: str) -> None:
    loss = ExpressionLoss(text, (1, 2))
    found = loss.convexity()
    assert found.answer is None and not loss.is_convex()
    assert violates(loss)


def test_true_but_not_found() -> None:
    """Convex, but by an identity: None, never False."""
    for text in (
        "cosh(w11) + sinh(w11)",
        "cos(w11)**2 + sin(w11)**2",
        "log(exp(w11)*(1 + w12**2))*0 + exp(w11)/cosh(w12)*cosh(w12)",
    ):
        assert ExpressionLoss(text, (1, 2)).convexity().answer is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("w11**2 + w11*w12 + w12**2", True),
        ("w11**2 + 3*w11*w12 + w12**2", False),
        ("3*w11 - w12", True),
        ("w11*w12", False),
    ],
)
def test_quadratic_polynomials_are_decided(text: str, answer: bool) -> None:
    assert ExpressionLoss(text, (1, 2)).convexity().answer is answer


# --- random formulas ----------------------------------------------------------------------------

UNARY = [
    "exp({})", "log({})", "sqrt({})", "softplus({})", "log(cosh({}))", "({})**2", "({})**3",
    "({})**(3/2)", "({})**(-1/2)", "1/({})", "-({})", "sigmoid({})", "tanh({})", "cosh({})",
    "1 + ({})", "2*({}) - 1", "({})/3", "erf({})", "asinh({})", "acosh(1 + {})", "sinh({})",
    "log(1 + {})", "sqrt(1 + ({})**2)", "asin({})", "atanh({})", "acos({})",
]  # fmt: skip
BINARY = ["({}) + ({})", "({}) - ({})", "({})*({})", "({})/({})", "log(exp({}) + exp({}))"]


def random_formula(rng: Random, depth: int) -> str:
    if depth == 0:
        return rng.choice(["w11", "w12", "w11 - w12", "2*w11 + 1", "3", "1/2", "w11**2", "4 - w12"])
    if rng.random() < 0.62:
        return rng.choice(UNARY).format(random_formula(rng, depth - 1))
    return rng.choice(BINARY).format(
        random_formula(rng, depth - 1), random_formula(rng, rng.randrange(depth))
    )


def test_random_formulas_called_convex_lie_below_their_chords() -> None:
    rng, proved, looked = Random(11), 0, 0
    for _ in range(1600):
        text = random_formula(rng, rng.randint(1, 4))
        try:
            loss = ExpressionLoss(text, (1, 2))
        except InputError:
            continue
        looked += 1
        if not loss.is_convex() or len(samples(loss, 40, 1)) < 40:
            continue
        proved += 1
        assert not violates_quickly(loss), text
    assert looked > 1000 and proved > 120


def violates_quickly(loss: Any) -> bool:
    """Midpoints by floats, and a proof in balls where they look violated."""
    w = samples(loss, 400, 1)
    half = len(w) // 2
    a, b = w[:half], w[half : 2 * half]
    ends = (loss.value_array(a) + loss.value_array(b)) / 2
    middle = loss.value_array((a + b) / 2)
    bad = ~(middle <= ends + 1e-7 * (1 + np.abs(ends))) & (np.abs(ends) < 1e12)
    return any(proved_violation(loss, a[k], b[k]) for k in np.nonzero(bad)[0])


def proved_violation(loss: Any, a: Any, b: Any) -> bool:
    p, q = ([exact_float(x) for x in m.ravel()] for m in (a, b))
    ends = [loss.value_ball(arb_mat(*loss.shape, [arb(x) for x in m])) for m in (p, q)]
    middle = loss.value_ball(
        arb_mat(*loss.shape, [arb((x + y) / 2) for x, y in zip(p, q, strict=True)])
    )
    if not all(e.is_finite() for e in ends):
        return False
    return not middle.is_finite() or bool(middle > (ends[0] + ends[1]) / 2)


def test_bounds_of_random_formulas_hold() -> None:
    rng, bounded = Random(3), 0
    for _ in range(400):
        text = random_formula(rng, rng.randint(1, 4))
        try:
            graph, root, _ = read_expression(text, (1, 2))
            loss = ExpressionLoss(text, (1, 2))
        except InputError:
            continue
        fact = analyse(graph, root).fact
        values = loss.value_array(samples(loss, 100, 2))
        values = values[np.isfinite(values)]
        room = 1e-9 * (1 + np.abs(values))
        if fact.low is not None:
            assert (values >= float(fact.low) - room).all(), text
        if fact.high is not None:
            assert (values <= float(fact.high) + room).all(), text
        if fact.nonzero and fact.low is not None and fact.low >= 0:
            assert (values >= 0).all()
        bounded += fact.low is not None or fact.high is not None
    assert bounded > 100


def test_domains_proved_total_are_total() -> None:
    rng, total = Random(5), 0
    for _ in range(400):
        text = random_formula(rng, rng.randint(1, 3))
        try:
            loss = ExpressionLoss(text, (1, 2))
        except InputError:
            continue
        if loss.is_polynomial or not loss._analysis.is_total:
            continue
        total += 1
        w = np.random.default_rng(0).integers(-8, 9, (50, 1, 2)) / 4
        assert not np.isnan(loss.value_array(w)).any(), text
    assert total > 80


def test_reasons_are_sentences() -> None:
    reason = ExpressionLoss("2*log(1 + exp(w11)) + w12**4 - w11").convexity().reason
    assert reason == (
        "a sum with weights ≥ 0 of softplus (convex, increasing) of an affine function and an "
        "even power of an affine function"
    )
    assert "log-sum-exp" in ExpressionLoss("log(exp(w11) + exp(w12))").convexity().reason
    assert "on its domain" in ExpressionLoss("-log(w11)").convexity().reason


def test_constants_are_facts() -> None:
    convex = Fact(convex=True)
    assert scaled(number(Fraction(1, 2)), convex).convex
    assert scaled(number(Fraction(-1, 2)), convex).concave
    unknown = scaled(Fact(constant=True), convex)
    assert not unknown.convex and not unknown.concave
    g = Graph()
    root = g.function("log", g.function("cosh", g.one))
    fact = analyse(g, root).fact
    assert fact.constant and fact.low is not None and fact.high is not None
    true = sympy.Rational(sympy.log(sympy.cosh(1)).evalf(40))
    assert fact.low <= true <= fact.high
    assert fact.high - fact.low < 1e-15


# --- on boxes -----------------------------------------------------------------------------------


def test_boxes_of_a_double_well() -> None:
    """ℓ = w⁴ − w² is convex exactly where 6w² ≥ 1."""
    loss = ExpressionLoss("w11**4 - w11**2 + w12**2 + w11*w12/10", (1, 2))
    assert loss.convexity().answer is False
    assert convex_on(loss, [("1/2", 3), (-5, 5)]).answer is True
    assert convex_on(loss, [(-3, "-1/2"), (-5, 5)]).answer is True
    found = convex_on(loss, [(-1, 3), (-5, 5)])
    assert found.answer is False and "negative eigenvalue at W = [[" in found.reason


@pytest.mark.parametrize(
    ("text", "box", "answer"),
    [
        ("sin(w11)", [(4, 5), (0, 0)], True),
        ("sin(w11)", [(2, 5), (0, 0)], False),
        ("exp(-w11**2)", [(1, 4), (0, 0)], True),
        ("log(1 + w11**2 + w12**2)", [("-1/4", "1/4"), ("-1/4", "1/4")], True),
        ("log(1 + w11**2 + w12**2)", [(-2, 2), (-2, 2)], False),
        ("exp(w11)*w12 + 3*w12**2", [(-3, 0), (2, 3)], True),
        ("cosh(w11) + sinh(w11)", [(-2, 2), (-1, 1)], True),
        ("1/w11", [(1, 4), (0, 1)], True),
        ("w11**2/w12", [(-1, 1), (1, 2)], None),  # singular along rays
        ("cos(w11)**2 + sin(w11)**2", [(-1, 1), (0, 1)], True),
        ("log(w11) + w11**2", [(-2, -1), (0, 1)], None),
        ("-log(w11)", [(1, 2), (0, 1)], True),
        ("-log(w11)", [(-2, -1), (0, 1)], None),
        ("w12*1", [(-1, 1), (-1, 1)], True),
    ],
)
def test_formulas_on_boxes(text: str, box: Any, answer: bool | None) -> None:
    found = convex_on(ExpressionLoss(text, (1, 2)), box, budget=300)
    assert found.answer is answer and found.reason


def test_fixed_entries_are_not_directions() -> None:
    """On the line w12 = 1 the product is affine; in the plane it bends down."""
    loss = ExpressionLoss("w11*w12 + w11**2", (1, 2))
    assert convex_on(loss, [(0, 1), (1, 1)]).answer is True
    assert convex_on(loss, [(0, 1), (1, 2)]).answer is False


def test_every_kind_of_loss() -> None:
    square = [(-1, 1)] * 4
    known = [
        PowerLoss([[1, 0], [0, 1]], 4),
        WeightedSquaredLoss([[1, 0], [0, 1]], [[1, 2], [3, 4]]),
        LogisticLoss([[1, 0], [0, 1]], [[3, 2], [1, 2]], [[1, 2], [1, 1]]),
        ExponentialLoss([[1, 0], [0, 1]], [[1, -1], [1, 1]]),
    ]
    for loss in known:
        assert convex_on(loss, square).answer is True
    indefinite = QuadraticLoss([[0, 0]], [[1, 0], [0, 1]])
    assert convex_on(indefinite, [[(-1, 1), (-1, 1)]]).answer is True
    likelihood = LikelihoodLoss([[1, 2], [3, 4]])
    assert convex_on(likelihood, [("1/2", 1)] * 4).answer is True
    assert convex_on(likelihood, [(-1, 1)] * 4, budget=10).answer is None


def test_a_small_budget_is_undecided() -> None:
    loss = ExpressionLoss("exp(-w11**2 - w12**2) + w11**2 + w12**2", (1, 2))
    found = convex_on(loss, [(-2, 2), (-2, 2)], budget=2)
    assert found.answer is None and "after 2 boxes" in found.reason
    sharp = ExpressionLoss("exp(-w11**2 - w12**2) + 3*w11**2/2 + 3*w12**2/2", (1, 2))
    assert convex_on(sharp, [(-2, 2), (-2, 2)]).answer is True


@pytest.mark.parametrize("seed", range(4))
def test_proved_boxes_hold_at_random_points(seed: int) -> None:
    """Random polynomials of degree 4 on random boxes, against exact inertias at random points."""
    rng = Random(seed)
    answers = set()
    for _ in range(12):
        terms = [f"{rng.randint(1, 4)}*w{i}1**{k}" for i in (1, 2) for k in (2, 4)]
        terms += [f"({rng.randint(-3, 3)})*w11**{rng.randint(1, 3)}*w21**{rng.randint(1, 2)}"]
        loss = ExpressionLoss(" + ".join(terms), (2, 1))
        low = [rng.randint(-3, 2) for _ in range(2)]
        box = [(a, a + rng.randint(1, 2)) for a in low]
        found = convex_on(loss, box, budget=400)
        answers.add(found.answer)
        negative = 0
        for _ in range(30):
            w = matrix([[exact_float(rng.uniform(a, b))] for a, b in box])
            negative += inertia(loss.hessian(w)).negative > 0
        assert not (found.answer is True and negative)
        if negative > 10:
            assert found.answer is False
    assert True in answers


def test_balls_of_matrices() -> None:
    wide = arb_mat([[arb(2, 0.4), arb(0, 0.5)], [arb(0, 0.5), arb(1, 0.2)]])
    assert is_positive_definite(wide) and not has_negative_direction(wide)
    assert not is_positive_definite(arb_mat([[arb(2, 2.5)]]))
    assert not is_positive_definite(arb_mat([[arb.nan()]]))
    assert not has_negative_direction(arb_mat([[arb(-1, 2)]]))
    assert has_negative_direction(arb_mat([[arb(-1, 0.5)]]))
    assert not has_negative_direction(arb_mat([[0, 0], [0, 0]]))
    assert refutation(ExpressionLoss("exp(w11)")) is None


BAD_BOXES = [
    ([(0, 1)], ShapeError, "box must list 2 pairs"),
    ([(0, 1), (1,)], ShapeError, "pairs"),
    ([1, 2], ShapeError, "pairs"),
    ([(0, 1), (2, 1)], InputError, r"box\[1\] has low 2 above high 1: exchange them"),
    ([(0, 1), (0.5, 1)], NotExactError, r"box\[1\]"),
]


@pytest.mark.parametrize(("box", "error", "words"), BAD_BOXES)
def test_bad_boxes(box: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        convex_on(ExpressionLoss("sin(w11)", (1, 2)), box)


def test_bad_budgets_and_losses() -> None:
    with pytest.raises(InputError, match="budget"):
        convex_on(ExpressionLoss("sin(w11)"), [(0, 1)], budget=0)
