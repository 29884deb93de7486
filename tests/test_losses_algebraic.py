"""Likelihood and expression losses: derivatives, Morse indices, formulas in and out.

Independent routes: power series of the logarithm for likelihoods, Lagrange multipliers for their
Morse index; for formulas Python's fractions, SymPy's derivatives and the losses of other kinds.
"""

from __future__ import annotations

import json
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from test_classify_laws import power_point, quadratic_point, random_widths, squared_point
from test_door import JSON, one_sentence, places, with_field
from test_matrices import random_matrix

import detvar as dv
from detvar.classify.hessian import function_space_hessian
from detvar.errors import DetvarError, InputError, NotExactError, ShapeError
from detvar.exact.balls import acb
from detvar.exact.inertia import inertia
from detvar.exact.matrices import (
    Matrix,
    complement,
    identity,
    inner,
    inverse,
    is_zero,
    kron,
    matrix,
    nullspace,
    rank,
    shape,
    to_sympy,
    unvec,
    vec,
    zeros,
)
from detvar.exact.rational import Rational, rational, to_fraction, to_text
from detvar.exact.rational_functions import RationalFunction, polynomial_ring
from detvar.losses import (
    ExpressionLoss,
    LikelihoodLoss,
    PowerLoss,
    QuadraticLoss,
    is_polynomial,
    loss_from_json,
)
from detvar.losses.expression_text import entry_name
from detvar.networks import LinearNetwork
from detvar.networks.problem import problem_from_json


def symbols(m: int, n: int) -> Any:
    return sympy.Matrix(m, n, lambda i, j: sympy.Symbol(entry_name(i + 1, j + 1)))


def at(tree: Any, w: Matrix) -> Rational:
    """The value of a SymPy expression at W."""
    cells = zip(symbols(w.nrows(), w.ncols()), to_sympy(w), strict=True)
    return rational(tree.subs(dict(cells)))


# ---- likelihood: derivatives --------------------------------------------------------------------


def random_counts(m: int, n: int, rng: Random, zeros_too: bool = False) -> Matrix:
    while True:
        low = 0 if zeros_too else 1
        u = Matrix(
            m, n, [Rational(rng.randint(low, 9), rng.choice((1, 1, 2))) for _ in range(m * n)]
        )
        if all(any(line) for line in (*u.tolist(), *u.transpose().tolist())):
            return u


def test_derivatives_of_likelihoods_are_those_of_the_formula() -> None:
    rng = Random(1)
    for _ in range(12):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        u, s = random_counts(m, n, rng, True), symbols(m, n)
        loss = LikelihoodLoss(u)
        total = sum(to_sympy(u))
        formula = sum(
            (
                total * x - (c * sympy.log(x) if c else 0)
                for c, x in zip(to_sympy(u), s, strict=True)
            ),
            sympy.S.Zero,
        )
        w = Matrix(m, n, [Rational(rng.choice((-3, -1, 1, 2, 5)), 4) for _ in range(m * n)])
        d = random_matrix(m, n, rng)
        first = [formula.diff(x) for x in s]
        assert loss.gradient(w).entries() == [at(x, w) for x in first]
        second = Matrix(m * n, m * n, [at(x.diff(y), w) for x in first for y in s])
        assert loss.hessian(w) == second
        assert loss.curvature(w, d) == (vec(d).transpose() * second * vec(d))[0, 0]


def minus_log_likelihood(counts: Matrix, w: Matrix) -> Decimal:
    total = Decimal(0)
    for u, x in zip(counts.entries(), w.entries(), strict=True):
        if u:
            p, q = Decimal(int(x.p)), Decimal(int(x.q))
            total -= Decimal(int(u.p)) / Decimal(int(u.q)) * (p.ln() - q.ln())
    return total


def test_values_are_enclosed() -> None:
    """Against logarithms of the decimal module, 60 digits."""
    rng = Random(2)
    with localcontext() as context:
        context.prec = 60
        for _ in range(60):
            m, n = rng.randint(1, 3), rng.randint(1, 3)
            loss = LikelihoodLoss(random_counts(m, n, rng, True))
            size = 10 ** rng.choice((1, 3, 30, 400))
            w = Matrix(m, n, [Rational(rng.randint(1, size), size) for _ in range(m * n)])
            low, high = loss.value_interval(w) or (0.0, 0.0)
            assert Decimal(low) < minus_log_likelihood(loss.counts, w) < Decimal(high)
            assert high - low <= 1e-14 * max(abs(low), abs(high))
            radius = float(min(w.entries())) / 3
            low, high = loss.value_interval(w, radius) or (0.0, 0.0)
            for sign in (-1, 1):
                edge = Matrix(m, n, [x + sign * rational(Fraction(radius)) for x in w.entries()])
                assert Decimal(low) < minus_log_likelihood(loss.counts, edge) < Decimal(high)


def test_likelihoods_are_exact_and_fit_the_interval() -> None:
    loss = LikelihoodLoss([[3, 0], [1, 2]])
    w = matrix([["1/2", "-7"], ["1/3", "1/5"]])
    assert loss.likelihood(w) == Rational(1, 8) * Rational(1, 3) * Rational(1, 25)
    low, high = loss.value_interval(w) or (0.0, 0.0)
    assert low < 6.3969296552161465 < high  # math.log(600)
    assert loss.value_interval(matrix([[1, 1], [0, 1]])) is None
    assert loss.value_interval(matrix([[1, 1], [1, -1]])) is None
    assert loss.value_interval(w, 0.25) is None
    assert loss.value_interval(w, float("nan")) is loss.value_interval(w, float("inf")) is None
    with pytest.raises(InputError, match="not integers: use value_interval"):
        LikelihoodLoss([["1/2"]]).likelihood([[1]])
    with pytest.raises(InputError, match="too long a number: use value_interval"):
        LikelihoodLoss([[10**12]]).likelihood([["1/3"]])


# ---- likelihood: critical points and their Morse index ------------------------------------------


def made_critical(m: int, n: int, r: int, rng: Random) -> tuple[LikelihoodLoss, Matrix]:
    """Counts that make a given W of rank r, Σ w = 1, critical: u = w(t − N) with N normal at W."""
    while True:
        w = Matrix(m, r, [Rational(rng.randint(1, 6)) for _ in range(m * r)]) * Matrix(
            r, n, [Rational(rng.choice((-1, 1, 2, 3, 4))) for _ in range(r * n)]
        )
        total = sum(w.entries(), Rational(0))
        if rank(w) == r and total > 0 and all(w.entries()):
            break
    w = w / total
    left, right = complement(w), nullspace(w)
    core = Matrix(m - r, n - r, [Rational(rng.randint(-3, 3)) for _ in range((m - r) * (n - r))])
    normal = left * core * right.transpose()
    # negative entries of W need t < N there: only positive ones leave a choice of t
    if any(x < 0 for x in w.entries()):
        return made_critical(m, n, r, rng)
    t = max(normal.entries(), default=Rational(0)) + rng.choice((1, Rational(1, 2), 5))
    t = max(t, Rational(1, 7))
    counts = Matrix(m, n, [x * (t - y) for x, y in zip(w.entries(), normal.entries(), strict=True)])
    return LikelihoodLoss(counts), w


def constrained_inertia(counts: Matrix, w: Matrix, r: int) -> Any:
    """The inertia of −Σ u log p on M_r ∩ {Σ p = 1} at W, by a Lagrange multiplier.

    M_r near W is the set of F·V with F = F₀ + Σ x, V = V₀ + Σ y, as a redundant chart: the
    directions that do not move W are factored out. Second derivatives along z come from the power
    series −log(w + ta + t²b) = −log w − ta/w + t²(a²/2w² − b/w) + …
    """
    m, n = shape(w)
    rows = next(
        rows
        for rows in product(range(m), repeat=r)
        if len(set(rows)) == r
        and rank(Matrix(r, n, [w[i, j] for i in rows for j in range(n)])) == r
    )
    v = Matrix(r, n, [w[i, j] for i in rows for j in range(n)])
    f = w * v.transpose() * inverse(v * v.transpose())
    assert f * v == w
    size = m * r + r * n

    def split(z: list[Rational]) -> tuple[Matrix, Matrix]:
        x, y = Matrix(m, r, z[: m * r]), Matrix(r, n, z[m * r :])
        return x * v + f * y, x * y  # a and b of w + ta + t²b

    def first(z: list[Rational]) -> tuple[Rational, Rational]:
        a, _ = split(z)
        slope = sum(
            (
                -u * c / x
                for u, c, x in zip(counts.entries(), a.entries(), w.entries(), strict=True)
            ),
            Rational(0),
        )
        return slope, sum(a.entries(), Rational(0))

    units = [[Rational(int(i == j)) for i in range(size)] for j in range(size)]
    slopes = [first(z) for z in units]
    multiplier = next(s / c for s, c in slopes if c)
    assert all(s == multiplier * c for s, c in slopes)  # W is critical on the slice

    def second(z: list[Rational]) -> Rational:
        a, b = split(z)
        entries = zip(counts.entries(), a.entries(), b.entries(), w.entries(), strict=True)
        bend = sum((u * (c * c / (2 * x * x) - e / x) for u, c, e, x in entries), Rational(0))
        return bend - multiplier * sum(b.entries(), Rational(0))

    hessian = zeros(size, size)
    for i, j in product(range(size), repeat=2):
        both = [a + b for a, b in zip(units[i], units[j], strict=True)]
        hessian[i, j] = second(both) - second(units[i]) - second(units[j])
    inside = nullspace(Matrix(1, size, [c for _, c in slopes]))
    found = inertia(inside.transpose() * hessian * inside)
    return found._replace(zero=found.zero - r * r)  # F·g, g⁻¹·V is the same matrix


@pytest.mark.parametrize(("m", "n", "r"), [(2, 2, 1), (2, 3, 1), (3, 3, 1), (3, 3, 2), (3, 4, 2)])
def test_morse_indices_are_those_of_the_constrained_likelihood(m: int, n: int, r: int) -> None:
    rng, seen = Random(m * n + r), set()
    for _ in range(12):
        loss, w = made_critical(m, n, r, rng)
        g = loss.gradient(w)
        assert is_zero(w.transpose() * g) and is_zero(g * w.transpose())
        free = inertia(function_space_hessian(w, g, loss.hessian(w)))
        constrained = constrained_inertia(loss.counts, w, r)
        assert free == constrained._replace(positive=constrained.positive + 1)
        seen.add(free.negative)
    assert r == 1 or len(seen) > 1


@pytest.mark.parametrize(("m", "n"), [(2, 2), (2, 4), (3, 3)])
def test_the_product_of_the_margins_is_the_minimum_of_rank_one(m: int, n: int) -> None:
    loss = LikelihoodLoss(random_counts(m, n, Random(m + n)))
    u, total = loss.counts, loss.total
    rows = u * Matrix(n, 1, [1] * n)
    columns = Matrix(1, m, [1] * m) * u
    w = rows * columns / total**2
    g = loss.gradient(w)
    assert is_zero(w.transpose() * g) and is_zero(g * w.transpose())
    assert constrained_inertia(u, w, 1) == (m + n - 2, 0, 0)
    assert inertia(function_space_hessian(w, g, loss.hessian(w))) == (m + n - 1, 0, 0)


def test_critical_points_add_up_to_one() -> None:
    """⟨∇ℓ(W), W⟩ = u₊₊(Σ w − 1), whatever W is."""
    rng = Random(3)
    for _ in range(30):
        loss = LikelihoodLoss(random_counts(2, 3, rng, True))
        w = Matrix(2, 3, [Rational(rng.choice((-2, -1, 1, 3)), 5) for _ in range(6)])
        assert inner(loss.gradient(w), w) == loss.total * (sum(w.entries(), Rational(0)) - 1)


@pytest.mark.parametrize(
    ("counts", "error", "words"),
    [
        ([[1, -1], [1, 1]], InputError, "counts[0][1] is negative: give counts from 0 on"),
        ([[0, 0], [0, 0]], InputError, "row 0 of counts is zero, and then no matrix is critical"),
        ([[1, 2], [0, 0]], InputError, "row 1 of counts is zero"),
        ([[1, 0], [2, 0]], InputError, "column 1 of counts is zero"),
        ([[0.5, 1]], NotExactError, "counts[0][0] is the float 0.5"),
        ([[float("nan"), 1]], NotExactError, "counts[0][0] is nan"),
        ([[True, 1]], NotExactError, "counts[0][0] is the boolean"),
        ([], ShapeError, "counts is empty"),
        ([[1], [1, 2]], ShapeError, "counts is ragged"),
        ("12", ShapeError, "counts must be a list of rows"),
    ],
)
def test_counts_that_are_refused(counts: Any, error: type[DetvarError], words: str) -> None:
    with pytest.raises(error) as caught:
        LikelihoodLoss(counts)
    assert words in str(caught.value)
    with pytest.raises(error) as in_json:
        loss_from_json({"type": "likelihood", "counts": counts})
    assert str(in_json.value) == f"in loss: {caught.value}"


def test_likelihoods_have_no_rational_value() -> None:
    loss = LikelihoodLoss([[1, 2], [3, 4]])
    for ask in (loss.value, lambda w: loss.evaluate(w.tolist())):
        with pytest.raises(InputError, match="a logarithm.*use critical_points"):
            ask(identity(2))
    for ask in (loss.gradient, loss.hessian, lambda w: loss.curvature(w, w)):
        with pytest.raises(InputError, match="entry 0 where the count is positive"):
            ask(identity(2))


@pytest.mark.parametrize(
    "loss",
    [
        LikelihoodLoss([[1, 2], [3, 4]]),
        ExpressionLoss("(w11 - 1)**2 + w12**2 + w21**2 + 1/(1 + w22**2)"),
    ],
    ids=["likelihood", "quotient"],
)
def test_classify_sends_losses_that_are_no_polynomials_elsewhere(
    loss: Any, tmp_path: Any, run: Any
) -> None:
    net, theta = LinearNetwork(2, 1, 2), [[[1, 1]], [["1/4"], ["1/4"]]]
    for ask in (dv.classify, dv.check_global_minimum):
        for weights in (theta, [[[0, 0]], [[0], [0]]]):
            with pytest.raises(InputError, match="polynomial loss.*use critical_points"):
                ask(net, loss, weights)
    problem = {"network": [2, 1, 2], "loss": loss.to_json(), "weights": theta}
    (tmp_path / "p.json").write_text(json.dumps(problem))
    code, out, err = run("classify", str(tmp_path / "p.json"))
    assert code == 2 and not out and err.count("\n") == 1 and "detvar points" in err


# ---- formulas: what is read is what is meant ----------------------------------------------------

LEAVES = st.one_of(
    st.integers(0, 12).map(lambda k: (str(k), lambda w, k=k: Fraction(k))),
    st.sampled_from(["0.25", "1.5e-1", ".5", "3.", "2E1"]).map(
        lambda s: (s, lambda w, s=s: Fraction(Decimal(s)))
    ),
    st.tuples(st.integers(1, 2), st.integers(1, 3), st.booleans()).map(
        lambda c: (
            f"w_{c[0]}_{c[1]}" if c[2] else f"w{c[0]}{c[1]}",
            lambda w, c=c: w[c[0] - 1][c[1] - 1],
        )
    ),
)
WAYS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


def joined(inner: Any) -> Any:
    binary = st.tuples(inner, st.sampled_from("+-*/"), inner, st.sampled_from(["", " "])).map(
        lambda t: (
            f"({t[0][0]}{t[3]}{t[1]}{t[3]}{t[2][0]})",
            lambda w, t=t: WAYS[t[1]](t[0][1](w), t[2][1](w)),
        )
    )
    power = st.tuples(inner, st.sampled_from(["**", "^"]), st.integers(-2, 3)).map(
        lambda t: (f"({t[0][0]}){t[1]}{t[2]}", lambda w, t=t: t[0][1](w) ** t[2])
    )
    sign = st.tuples(st.sampled_from("+-"), inner).map(
        lambda t: (f"({t[0]}{t[1][0]})", lambda w, t=t: -t[1][1](w) if t[0] == "-" else t[1][1](w))
    )
    return binary | power | sign


FORMULAS = st.recursive(LEAVES, joined, max_leaves=12)
POINTS = st.lists(st.fractions(-3, 3, max_denominator=7), min_size=6, max_size=6).map(
    lambda x: [x[:3], x[3:]]
)


@settings(max_examples=300)
@given(FORMULAS, POINTS)
def test_formulas_have_the_value_of_their_parts(formula: Any, w: Any) -> None:
    text, meant = formula
    try:
        loss = ExpressionLoss(text, (2, 3))
    except InputError as error:
        assert "zero" in str(error)  # the only thing that can be wrong with these
        return
    again = loss_from_json(json.loads(json.dumps(loss.to_json())))
    assert again == loss and again.to_json() == loss.to_json()
    try:
        expected = meant(w)
    except ZeroDivisionError:
        return  # a factor 0 may have removed the quotient
    if loss.is_polynomial or not is_vanishing(loss, w):
        assert to_fraction(loss.value(w)) == expected
        turned = loss.transposed()
        assert turned.shape == (3, 2) and turned.transposed().text == loss.text
        assert turned.value(list(zip(*w, strict=True))) == loss.value(w)


def is_vanishing(loss: ExpressionLoss, w: Any) -> bool:
    try:
        loss.value(w)
    except InputError as error:
        assert "a denominator of the expression vanishes at W" in str(error)
        return True
    return False


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-w11**2", -9),
        ("2**-1*w11", Fraction(3, 2)),
        ("2**3**2 + w11", 515),
        ("w11/3/2", Fraction(1, 2)),
        ("w11 - 1 - 1", 1),
        ("-w11*-2", 6),
        ("--w11", 3),
        ("0.1*w11", Fraction(3, 10)),
        ("w11^2^0", 3),
        ("\n w_1_1 \t+\n1", 4),
        ("(w11**2 - 9)/(w11 - 3)", 6),
    ],
)
def test_precedence(text: str, value: Any) -> None:
    assert to_fraction(ExpressionLoss(text).value([[3]])) == value


def test_shapes_of_texts() -> None:
    assert ExpressionLoss("w23**2").shape == (2, 3)
    assert ExpressionLoss("w_1_12 + w21").shape == (2, 12)
    assert ExpressionLoss("w11", [2, 2]).shape == (2, 2)
    assert ExpressionLoss("7", (1, 2)).value([[1, 2]]) == 7
    problem = {"network": [3, 1, 2], "loss": {"type": "expression", "expression": "w11**2"}}
    assert problem_from_json(problem).loss.shape == (2, 3)


def test_long_sums_and_deep_nests() -> None:
    cells = list(product(range(1, 10), repeat=2))
    many = ExpressionLoss(" + ".join(f"(w{i}{j} - {i})**4" for i, j in cells * 9))
    assert many.value(zeros(9, 9)) == 9 * 9 * sum(i**4 for i in range(1, 10))
    assert many.degree == 4 and many.is_convex()
    deep = ExpressionLoss("(" * 200 + "w11" + "+1)" * 200)
    assert deep.value([[0]]) == 200
    wide = ExpressionLoss("(" + "+".join(f"w{i}{j}" for i, j in cells) + ")**20")
    assert wide.degree == 20 and wide.is_polynomial and wide.is_convex()


LARGE = "(" + "+".join(f"w{i}{j}" for i in range(1, 10) for j in range(1, 10)) + "+1)"


def test_bounds_stand_in_where_expanding_costs_too_much() -> None:
    loss = ExpressionLoss(f"{LARGE}**30 - {LARGE}**30/(1 + w11**2)")
    assert not loss.is_polynomial and not loss.is_convex()
    assert loss.degree == 34  # numerator 32, denominator 2
    assert ExpressionLoss(f"{LARGE}**30 - {LARGE}**29").degree == 30


BAD = [
    ("", "ends where a number or an entry of W should stand"),
    ("w11 +", "ends where"),
    ("(w11", "ends where an operator or a closing parenthesis"),
    ("w11)", 'has ")" at character 4'),
    ("2w11", 'has "w11" at character 2 where an operator'),
    ("w11 w12", 'has "w12" at character 5'),
    ("w11 ++* 2", 'has "*" at character 7'),
    ("x", "contains x, which is no entry of W"),
    ("w123", "contains w123, which is no entry"),
    ("w10", "contains w10, which is no entry"),
    ("w_0_1", "contains w_0_1"),
    ("w_1_1000", "contains w_1_1000"),
    ("w11.real", 'has "." at character 4'),
    ("w11 = 1", 'has "=" at character 5'),
    ("w11; w12", 'has ";"'),
    ("'w11'", 'has "\'" at character 1'),
    ("[w11]", 'has "[" at character 1'),
    ("w11 if w12 else w21", 'has "if"'),
    ("lambda: w11", "contains lambda"),
    ("gamma(w11)", "calls gamma, which is not known: use exp, log"),
    ("exp", "contains exp, which is no entry"),
    ("exp()", 'has ")" at character 5'),
    ("exp(w11", "ends where an operator or a closing parenthesis"),
    ("__import__('os').system('true')", "calls __import__"),
    ("w11(1)", "calls w11"),
    ("nan", "contains nan"),
    ("w11*inf", "contains inf"),
    ("1e99999 + w11", "not a number"),
    ("1_000 + w11", 'has "_000"'),
    ("0x10 + w11", 'has "x10"'),
    ("1j*w11", 'has "j"'),
    ("w11**(1/1009)", "an exponent that is no fraction p/q"),
    ("w11**0.33333", "an exponent that is no fraction p/q"),
    ("w11**w12", "an exponent that is no number: write exp(y*log(x))"),
    ("(-2)**w12", "an exponent that is no number"),
    ("w11**101", "from −100 to 100"),
    ("w11**1e9", "an exponent that is no fraction"),
    ("2**100**100 + w11", "an exponent that is no fraction"),
    ("((w11**100)**100)**100*w11**2 + (((9**100)**100)**100)", "too large a degree"),
    ("w11/0", "divides by zero"),
    ("w11/(1 - 1)", "divides by zero"),
    ("0**-1 + w11", "divides by zero"),
    ("1/(w11 - w11)", "divides by zero"),
    ("1/((w11 + 1)**2 - w11**2 - 2*w11 - 1)", "divides by a formula that is zero for all W"),
    ("(" * 1000 + "w11" + ")" * 1000, "nested deeper"),
    ("-" * 1000 + "w11", "nested deeper"),
    ("w11" + "**1" * 1000, "nested deeper"),
    ("w11" + "+1" * 200_000, "longer than 200000 characters"),
    ("5", "contains no entry of W: give the shape"),
    ("w１１", "no entry of W"),
    ("w11\x00", "where an operator"),
    ("w11²", "no entry of W"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=[x[:20] for x, _ in BAD])
def test_texts_that_are_no_formula(text: str, words: str) -> None:
    with pytest.raises(DetvarError) as caught:
        ExpressionLoss(text)
    message = str(caught.value)
    assert words in message and message.isprintable() and len(message) < 300


@settings(max_examples=500)
@given(
    st.text(alphabet="w12_+-*/^().e0 \nxσ²", max_size=25) | st.text(max_size=12),
    st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_any_text_is_a_formula_or_refused(text: str, size: Any) -> None:
    try:
        loss = ExpressionLoss(text, size)
    except DetvarError as error:
        assert str(error).isprintable() and len(str(error)) < 400
    else:
        assert loss_from_json(loss.to_json()) == loss


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, 'has no field "expression"'),
        ({"expression": None}, "expression must be text"),
        ({"expression": 3}, "expression must be text"),
        ({"expression": ["w11"]}, "expression must be text"),
        ({"expression": {"a": 1}}, "expression must be text"),
        ({"expression": "w11", "W": 3}, "has the field 'W'"),
        ({"expression": "w11", "shape": 3}, "shape must be a pair"),
        ({"expression": "w11", "shape": [1]}, "shape must be a pair"),
        ({"expression": "w11", "shape": [1, "1"]}, "shape must be a pair"),
        ({"expression": "w11", "shape": [True, 1]}, "shape must be a pair"),
        ({"expression": "w11", "shape": [0, 1]}, "shape must be a pair"),
        ({"expression": "w11", "shape": [10**9, 1]}, "shape must be a pair"),
        ({"expression": "w11 + w12", "shape": [2, 1]}, "contains w12, but W is 2×1"),
    ],
)
def test_objects_that_are_no_expression_loss(fields: Any, words: str) -> None:
    with pytest.raises(DetvarError, match="loss") as caught:
        loss_from_json({"type": "expression", **fields})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ({"type": "expression", "expression": "w13"}, "contains w13, but W is 2×2"),
        (
            {"type": "expression", "expression": "w11", "shape": [1, 2]},
            "loss.shape is [1, 2], but the network gives 2×2 matrices",
        ),
        ({"type": "likelihood", "counts": [[1, 2]]}, "loss.counts is 1×2"),
    ],
)
def test_losses_that_do_not_fit_the_network(loss: Any, words: str) -> None:
    with pytest.raises(ShapeError) as caught:
        problem_from_json({"network": [2, 1, 2], "loss": loss})
    assert words in str(caught.value)


PROBLEMS: list[Any] = [
    {"network": [2, 1, 2], "loss": {"type": "likelihood", "counts": [[4, 0], ["1/3", 3]]}},
    {"network": [2, 1, 1], "loss": {"type": "expression", "expression": "(w11-1)**2/(1+w12^2)"}},
    {"network": [1, 1], "loss": {"type": "expression", "expression": "w11**4", "shape": [1, 1]}},
]


@settings(max_examples=300)
@given(st.sampled_from(PROBLEMS), st.data())
def test_any_problem_is_a_problem_or_one_sentence(problem: Any, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([p for p in places(problem) if p]))
    value = data.draw(JSON | st.text(alphabet="w12+*/^() .0", max_size=8))
    try:
        found = problem_from_json(with_field(problem, list(path), value))
    except DetvarError as error:
        assert one_sentence(str(error)), str(error)
    else:
        assert problem_from_json(json.loads(json.dumps(found.to_json()))) == found


# ---- formulas from SymPy ------------------------------------------------------------------------


def random_tree(s: Any, rng: Random, quotients: bool, depth: int = 3) -> Any:
    if depth == 0 or rng.random() < 0.15:
        return rng.choice([*s, *s, sympy.Rational(rng.randint(-5, 5), rng.randint(1, 3))])
    a, b = (random_tree(s, rng, quotients, depth - 1) for _ in range(2))
    kind = rng.randrange(5 if quotients else 4)
    if kind == 4:
        return a / (1 + b**2)
    return [a + b, a * b, a - b, a ** rng.randint(1, 3)][kind]


@pytest.mark.parametrize("quotients", [False, True])
def test_derivatives_and_degrees_are_those_of_sympy(quotients: bool) -> None:
    rng, seen = Random(4), set()
    for _ in range(40):
        m, n = rng.randint(1, 2), rng.randint(1, 2)
        other = sympy.Matrix(m, n, sympy.symbols(f"a:{m * n}", real=True))
        tree = random_tree(list(other), rng, quotients)
        loss = ExpressionLoss(tree, other)
        assert loss_from_json(json.loads(json.dumps(loss.to_json()))) == loss
        named = tree.xreplace(dict(zip(other, symbols(m, n), strict=True)))
        w, s = random_matrix(m, n, rng, 2), list(symbols(m, n))
        assert loss.value(w) == at(named, w)
        first = [sympy.diff(named, x) for x in s]
        assert loss.gradient(w).entries() == [at(x, w) for x in first]
        second = Matrix(m * n, m * n, [at(sympy.diff(x, y), w) for x in first for y in s])
        assert loss.hessian(w) == second
        d = random_matrix(m, n, rng)
        assert loss.curvature(w, d) == (vec(d).transpose() * second * vec(d))[0, 0]
        over, under = (sympy.Poly(x, *s) for x in sympy.fraction(sympy.cancel(named)))
        p, q = max(0, over.total_degree()), under.total_degree()
        assert loss.is_polynomial == is_polynomial(loss) == (q == 0)
        assert loss.degree == (max(p + q, 2 * q + 1) if q else p)
        seen.add(q == 0)
    assert seen == ({True, False} if quotients else {True})


def test_entries_of_a_matrix_symbol() -> None:
    w = sympy.MatrixSymbol("W", 1, 2)
    loss = ExpressionLoss((w[0, 0] - 1) ** 2 + w[0, 1] / 3, w)
    assert loss.text == "w12/3 + (w11 - 1)**2" and loss.value([[0, 3]]) == 2
    swapped = sympy.Matrix(1, 2, sympy.symbols("w12 w11"))
    assert ExpressionLoss(swapped[0] ** 2, swapped).text == "w11**2"


a, b = sympy.symbols("a b")


@pytest.mark.parametrize(
    ("tree", "w", "words"),
    [
        (0.5 * a, [a], "contains a float: write Rational(1, 4) for 0.25"),
        (a**1.0, [a], "contains a float"),
        (a + b, [a], "b is no entry of W"),
        (a + sympy.Symbol("w11"), [a], "w11 is no entry of W"),
        (sympy.Abs(a), [a], "calls Abs, which is not differentiable where its argument is 0"),
        (sympy.Piecewise((a, a > 0), (0, True)), [a], "calls Piecewise, which is not diff"),
        (sympy.gamma(a), [a], "calls gamma, which is not known"),
        (sympy.EulerGamma * a, [a], "contains EulerGamma"),
        (sympy.I * a, [a], "contains I, which is no real number"),
        (sympy.zoo, [a], "contains zoo"),
        (sympy.nan, [a], "contains nan"),
        (a > 0, [a], "must be text"),
        (object(), [a], "must be text"),
        (a, [a, a], "different symbols"),
        (a, [a + 1], "different symbols"),
    ],
)
def test_sympy_expressions_that_are_refused(tree: Any, w: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        ExpressionLoss(tree, sympy.Matrix(1, len(w), w))
    assert words in str(caught.value)
    with pytest.raises(InputError, match="must be"):
        ExpressionLoss(tree, (1, 1))


# ---- other rings --------------------------------------------------------------------------------

ALGEBRAIC = [
    LikelihoodLoss([[3, 0], ["1/2", 2]]),
    ExpressionLoss("(w11 - w12)**3 + w21*w22 + 1/3", (2, 2)),
    ExpressionLoss("w11", (2, 2)),
    ExpressionLoss("(1/2 + w12)/(w11 - w22) - w21**-2 + 5", (2, 2)),
]


@pytest.mark.parametrize("loss", ALGEBRAIC, ids=lambda x: str(getattr(x, "text", "likelihood")))
def test_gradients_over_every_ring(loss: Any) -> None:
    np = pytest.importorskip("numpy")
    from detvar.homotopy.balls import ball_array
    from detvar.homotopy.expression import Expression, Graph

    w = matrix([["1/2", 3], [-2, "7/5"]])
    expected = loss.gradient(w)
    assert loss.evaluate_gradient(w.tolist()) == expected.tolist()

    found = loss.evaluate_gradient([[acb(x) for x in row] for row in w.tolist()])
    assert all(
        z.contains(acb(x))
        for y, row in zip(expected.tolist(), found, strict=True)
        for x, z in zip(y, row, strict=True)
    )

    rows = [[ball_array(np.full(3, complex(float(x)))) for x in row] for row in w.tolist()]
    for y, row in zip(expected.tolist(), loss.evaluate_gradient(rows), strict=True):
        for x, z in zip(y, row, strict=True):
            assert z.shape == (3,) and abs(z.mid - float(x)).max() < 1e-14 and z.rad.max() < 1e-13

    graph = Graph()
    nodes = [[Expression(graph, graph.input(2 * i + j)) for j in range(2)] for i in range(2)]
    roots = [z.node for row in loss.evaluate_gradient(nodes) for z in row]
    assert [rational(x) for x in graph.evaluate(roots, w.entries(), rational)] == expected.entries()

    gens = [RationalFunction.of(x) for x in polynomial_ring(["a", "b", "c", "d"])]
    for x, f in zip(
        expected.entries(),
        (f for row in loss.evaluate_gradient([gens[:2], gens[2:]]) for f in row),
        strict=True,
    ):
        assert f.numerator(*w.entries()) / f.denominator(*w.entries()) == x

    s = symbols(2, 2)
    for x, tree in zip(
        expected.entries(), sum(loss.evaluate_gradient(s.tolist()), []), strict=True
    ):
        assert at(sympy.sympify(tree), w) == x


def test_quotients_that_cancel_have_values_in_polynomial_rings() -> None:
    loss = ExpressionLoss("(w11**2 - w12**2)/(w11 - w12)", (1, 2))
    x, y = polynomial_ring(["x", "y"])
    assert loss.is_polynomial and loss.degree == 1 and loss.evaluate([[x, y]]) == x + y
    assert loss.evaluate_gradient([[x, y]]) == [[x * 0 + 1, x * 0 + 1]]
    assert loss.value([[2, 2]]) == 4


# ---- convexity ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("w11**2 + w11*w12 + w12**2", True),
        ("w11**2 + 3*w11*w12 + w12**2", False),
        ("w11*w12", False),
        ("3*w11 - w12 + 1", True),
        ("(w11 - w12)**4 + w12**2", True),
        ("2*(w11 - 3*w12 + 1)**6 - 5*w11", True),
        ("(w11 - 1)**6/7 - (-2)*w12**4", True),
        ("-(w11 - 1)**4", False),
        ("1 - w11**4", False),
        ("w11**3", False),
        ("(w11**2 + w12**2)**2", True),
        ("(w11**2 + w12**2 + 1)**3", True),
        ("(w11**2 - 1)**2", False),
        ("(w11**2 + w12)**2", False),
        ("-(-w11**2 - w12**2)*3 + w12**8", True),
        ("w11**2*w12**2", False),
        ("1/(1 + w11**2)", False),
        ("1/w11", False),
        ("(-w11 - 1)**4", True),
    ],
)
def test_convexity(text: str, answer: bool) -> None:
    assert ExpressionLoss(text, (1, 2)).is_convex() == answer


@settings(max_examples=200)
@given(FORMULAS, POINTS)
def test_what_is_called_convex_is_convex(formula: Any, w: Any) -> None:
    try:
        loss = ExpressionLoss(formula[0], (2, 3))
    except InputError:
        return
    if loss.is_convex():
        assert inertia(loss.hessian(w)).negative == 0
    elif loss.is_polynomial and loss.degree <= 2:
        assert inertia(loss.hessian(w)).negative > 0


def test_sums_of_powers_in_disguise_are_convex() -> None:
    rng, count = Random(5), 0
    for _ in range(60):
        s = list(symbols(2, 2))
        tree = random_tree(s, rng, False, 2)
        forms = [sum(rng.randint(-2, 2) * x for x in s) + rng.randint(-2, 2) for _ in range(3)]
        tree = sum(rng.randint(0, 3) * f ** rng.choice((2, 4, 6)) for f in forms)
        loss = ExpressionLoss(tree, symbols(2, 2))
        assert loss.is_convex()
        count += loss.degree > 2
        negative = ExpressionLoss(-tree - s[0] ** 4, symbols(2, 2))
        assert not negative.is_convex()
    assert count > 30


# ---- the same loss as another kind --------------------------------------------------------------


def as_text(loss: Any, factored: bool, rng: Random) -> str:
    """A quadratic or power loss as a formula, written from its data."""
    m, n = loss.shape
    cells = [
        f"(w{i + 1}{j + 1} - ({to_text(loss.target[i, j])}))" for i in range(m) for j in range(n)
    ]
    if isinstance(loss, PowerLoss):
        return " + ".join(f"{x}**{loss.exponent}" for x in cells)
    q = loss.form
    terms = [
        f"({to_text(q[a, b])})*{cells[a]}*{cells[b]}/2"
        for a in range(m * n)
        for b in range(m * n)
        if q[a, b]
    ]
    rng.shuffle(terms)
    text = " + ".join(terms) or "0"
    if factored:
        return text
    return str(sympy.expand(sympy.sympify(text)))


SAME = ("is_critical", "kind", "nature", "rank", "value", "gradient", "hessian_inertia",
        "function_space_inertia", "is_tightened", "untightened_pivots", "is_bad_minimum", "reason",
        "differential_rank", "has_singular_zero_gradient")  # fmt: skip


def require_same(one: Any, other: Any) -> None:
    for name in SAME:
        assert getattr(one, name) == getattr(other, name), name
    assert (one.effective is None) == (other.effective is None)
    if one.effective is not None:
        assert one.effective.network.widths == other.effective.network.widths
        require_same(one.effective, other.effective)
    report = other.certificate.check()
    assert report.ok == one.certificate.check().ok is True


@pytest.mark.parametrize("seed", range(8))
def test_quadratic_formulas_are_quadratic_losses(seed: int) -> None:
    """Labels at critical points of squared and quadratic losses, definite, singular and neither."""
    rng, natures = Random(seed), set()
    for k in range(12):
        widths = random_widths(rng, 3, (1, 2, 2, 3))
        if k % 3 == 0:
            point = squared_point(widths, rng)
            m, n = point.loss.shape
            form = kron(identity(m), point.loss.X * point.loss.X.transpose())
            found = point.loss.kronecker()
            loss: Any = QuadraticLoss(found.target, form)
            constant = found.constant
        else:
            kind = rng.choice(("definite", "semidefinite", "negative", "indefinite"))
            point = quadratic_point(widths, rng, kind)
            loss, constant = point.loss, Rational(rng.randint(0, 1))
        text = as_text(loss, k % 2 == 0, rng) + f" + {to_text(constant)}"
        same = ExpressionLoss(text, loss.shape)
        net = point.network
        assert same.degree <= 2 and same.is_convex() == loss.is_convex()
        one, other = loss.kronecker(), same.kronecker()
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert kron(one.left, one.right) == kron(other.left, other.right)
            assert same.value(other.target) == other.constant == constant
        reduced = same.reduce(net)
        assert reduced.widths == loss.reduce(net).widths
        if reduced.loss is not None:
            w = random_matrix(*loss.shape, rng)
            assert reduced.loss.value(reduced.left * w * reduced.right) == same.value(w)
        expected = dv.classify(net, loss, point.weights)
        natures.add(expected.nature)
        given_loss = ExpressionLoss(as_text(loss, True, rng), loss.shape)
        require_same(expected, dv.classify(net, given_loss, point.weights))
        theta = net.random_weights(seed=rng.random())
        require_same(dv.classify(net, loss, theta), dv.classify(net, given_loss, theta))
    assert len(natures) > 1


def test_linear_and_constant_formulas() -> None:
    net = LinearNetwork(2, 1, 2)
    constant = ExpressionLoss("3 + 0*w11", (2, 2))
    assert constant.degree == 0 and constant.reduce(net).loss is None
    assert dv.classify(net, constant, net.random_weights(seed=0)).nature == "global_minimum"
    linear = ExpressionLoss("w11 - 2", (2, 2))
    assert linear.degree == 1 and linear.is_convex() and linear.kronecker() is None
    assert not linear.reduce(net).changed


@pytest.mark.parametrize("seed", range(4))
def test_sums_of_powers_are_power_losses(seed: int) -> None:
    rng = Random(seed)
    for _ in range(6):
        point = power_point(random_widths(rng, 3, (1, 2, 2, 3)), rng)
        loss = point.loss
        same = ExpressionLoss(as_text(loss, True, rng), loss.shape)
        w, d = random_matrix(*loss.shape, rng), random_matrix(*loss.shape, rng)
        assert same.value(w) == loss.value(w) and same.gradient(w) == loss.gradient(w)
        assert same.hessian(w) == loss.hessian(w) and same.degree == loss.degree
        assert same.curvature(w, d) == loss.curvature(w, d) and same.is_convex()
        require_same(
            dv.classify(point.network, loss, point.weights),
            dv.classify(point.network, same, point.weights),
        )


def test_the_bad_minimum_of_fourth_powers() -> None:
    t = Rational(1, 4)
    loss = ExpressionLoss("(w11 - 1)^4 + (w12 - 0.25)^4 + (w21 - 0.25)^4 + (w22 - 1)^4")
    bad = matrix([[1, -1]]), matrix([[(1 - t) / 2], [(t - 1) / 2]])
    found = dv.classify(LinearNetwork(2, 1, 2), loss, bad)
    assert found.nature == "local_minimum" and found.is_bad_minimum and found.certificate.check().ok
    assert found.value == 4 * ((1 + t) / 2) ** 4
    verdict = dv.check_global_minimum(LinearNetwork(2, 1, 2), loss, bad)
    assert verdict.answer is False


def test_singular_quadratics_see_fewer_directions() -> None:
    net = LinearNetwork(3, 2, 3)
    found = ExpressionLoss("(w11 + w12 - 1)**2 + 4", (3, 3)).reduce(net)
    assert found.widths == (1, 2, 1) and found.loss is not None
    w = unvec([Rational(k) for k in range(9)], 3, 3)
    assert found.loss.value(found.left * w * found.right) == 4
    assert isinstance(found.loss, ExpressionLoss)
