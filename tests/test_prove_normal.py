"""Scalar networks: proofs over the normal bundle of a surface of minimisers."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp

from detvar.errors import InputError
from detvar.exact.rational import rational, to_fraction
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.prove import prove
from detvar.landscape.prove.boxes import covered
from detvar.landscape.prove.cases import Setting
from detvar.landscape.prove.normal_bundle import (
    box_tasks,
    exactly,
    point_at,
    product_of,
    violated_term,
)


def net(ys: Any, xs: Any = None, hidden: int = 1, mirrored: bool = False) -> FiniteSum:
    a = sp.symbols(f"a1:{hidden + 1}", real=True)
    b = sp.symbols(f"b1:{hidden + 1}", real=True)
    h = sum(u * v for u, v in zip(a, b, strict=True)) * (-1 if mirrored else 1)
    xs = xs or [1] * len(ys)
    terms = [(h * sp.Rational(x) - sp.Rational(y)) ** 2 / 2 for x, y in zip(xs, ys, strict=True)]
    return FiniteSum.from_sympy(terms, [*a, *b], None, [0] * len(terms), name="net")


def setting_of(problem: FiniteSum, alpha: Any, beta: Any) -> Setting:
    assert problem.exact is not None
    return Setting.of(problem.exact, alpha, beta)


# φ(δ) of the data (2, ½): (64/9)δ on [0.0776…, 1] and (64/9)/(2 − δ) on [1, 2); below from the
# third closed form
PHI = [
    ("1/50", "0.537913"),
    ("1/10", "0.7111111"),
    ("1/2", "3.5555556"),
    ("1", "7.1111111"),
    ("3/2", "14.2222222"),
    ("19/10", "71.1111111"),
]


@pytest.mark.parametrize("hidden", [1, 3])
@pytest.mark.parametrize(("delta", "phi"), PHI)
def test_least_alpha(delta: str, phi: str, hidden: int) -> None:
    problem = net(("2", "1/2"), hidden=hidden)
    d, value = Fraction(delta), Fraction(phi)
    above, below = value + Fraction(2, 10**6), value - Fraction(2, 10**6)
    proof = prove(problem, above, above - d)
    assert proof.answer is True and proof.verify()
    proof = prove(problem, below, below - d)
    assert proof.answer is False and proof.verify()


@pytest.mark.parametrize(
    ("alpha", "delta", "answer"), [("7.12", "1", True), ("14.3", "1.5", True), ("7.10", "1", False)]
)
def test_boxes_in_the_normal_bundle(alpha: str, delta: str, answer: bool) -> None:
    a, d = Fraction(alpha), Fraction(delta)
    proof = prove(net(("2", "1/2")), a, a - d, "normal")
    assert proof.answer is answer and proof.verify()
    assert answer is False or {entry["method"] for entry in proof.data} == {"normal"}


@pytest.mark.parametrize(
    "pair", [("100", "99"), ("1000", "999"), ("100000", "99999"), ("1/10", "0")]
)
def test_a_sample_that_is_fitted_exactly_leaves_no_pair(pair: tuple[str, str]) -> None:
    proof = prove(net((1, 2, 3)), *pair)
    assert proof.answer is False and proof.verify()
    # with one sample f itself is not aimed at S near the saddle 0
    assert prove(net((2,)), *pair).answer is False


def phi_by_sampling(xs: list[float], ys: list[float], delta: float) -> float:
    """sup of (δb − g)/c over z and s = λ²w on a fine grid, from the definition."""
    x, y = np.array(xs), np.array(ys)
    w = (x * y).sum() / (x * x).sum()
    lam = np.linspace(-1, 1, 801)[:, None]
    n = 2 * abs(w) * np.concatenate([1 + np.linspace(0, 3, 400), np.geomspace(4, 1e6, 400)])
    z = lam * n + lam**2 * w
    best = delta
    for u, v in zip(x, y, strict=True):
        eps = v / u - w
        if u == 0:
            continue
        value = (delta * (z - eps) ** 2 - 2 * (z - eps) * (z + lam**2 * w)) / eps**2
        best = max(best, float(value.max()))
    return best


def test_random_data_agree_with_sampling() -> None:
    random.seed(4)
    checked = 0
    while checked < 6:
        xs = [Fraction(random.randint(1, 9), 3) for _ in range(3)]
        ys = [Fraction(random.randint(1, 12), 4) for _ in range(3)]
        w = sum(x * y for x, y in zip(xs, ys, strict=True)) / sum(x * x for x in xs)
        if any(abs(y / x - w) < Fraction(1, 20) for x, y in zip(xs, ys, strict=True)):
            continue
        checked += 1
        delta = Fraction(random.randint(1, 18), 10)
        phi = Fraction(
            phi_by_sampling([float(x) for x in xs], [float(y) for y in ys], float(delta))
        )
        problem = net(ys, xs)
        for alpha in (phi * Fraction(102, 100), phi * Fraction(98, 100)):
            if alpha > delta:
                assert prove(problem, alpha, alpha - delta).answer is (alpha > phi)
        up = phi * Fraction(102, 100)
        assert prove(problem, up, up - delta, "normal").answer is True


def test_a_mirrored_network_is_the_same() -> None:
    for alpha, answer in (("7.1112", True), ("7.111", False)):
        beta = Fraction(alpha) - 1
        for problem in (net((-2, "-1/2")), net((2, "1/2"), mirrored=True)):
            proof = prove(problem, alpha, beta)
            assert proof.answer is answer and proof.verify()


def test_the_two_ways_to_the_normal_bundle_agree() -> None:
    for alpha in ("7.05", "7.11", "7.1112", "7.2", "9"):
        setting = setting_of(net((2, "1/2")), alpha, Fraction(alpha) - 1)
        product = product_of(setting)
        assert product is not None
        for number, decided in enumerate(exactly(setting, product)):
            boxes = [covered(t, 20_000).answer for t in box_tasks(setting, product, number)]
            if all(boxes):
                assert decided.signs.answer is True
            if False in boxes:
                assert decided.signs.answer is False
            if decided.signs.answer is True:
                assert all(boxes)


def test_witnesses_by_a_numerical_projection() -> None:
    """The nearest point of ab = w is searched for on a fine grid of the hyperbola."""
    ys = (2.0, 0.5)
    w = sum(ys) / 2
    for alpha in (7.0, 4.0, 1.5):
        setting = setting_of(net(("2", "1/2")), rational(str(alpha)), rational(str(alpha - 1)))
        product = product_of(setting)
        assert product is not None
        places = [d.place for d in exactly(setting, product) if d.place is not None]
        assert places
        x = point_at(setting, product, *places[0])
        term = violated_term(setting, product, x)
        assert term is not None
        a, b = (float(to_fraction(v)) for v in x)
        grid = np.exp(np.linspace(-8, 8, 400_001))
        grid = np.concatenate([grid, -grid])
        k = ((grid - a) ** 2 + (w / grid - b) ** 2).argmin()
        p = np.array([grid[k], w / grid[k]])
        r = a * b - ys[term]
        g = r * np.array([b, a]) @ (np.array([a, b]) - p)
        slack = alpha * (w - ys[term]) ** 2 / 2 - r * r / 2 + g
        assert slack < 1e-3


def test_no_point_is_refuted_where_the_pair_holds() -> None:
    setting = setting_of(net((2, "1/2")), "7.12", "6.12")
    product = product_of(setting)
    assert product is not None
    rng = np.random.default_rng(0)
    for _ in range(200):
        x = [rational(str(round(v, 6))) for v in rng.normal(size=2) * 3]
        assert violated_term(setting, product, x) is None


# --- what is a product ----------------------------------------------------------------------------

A, B, C, D = sp.symbols("a b c d", real=True)


@pytest.mark.parametrize(
    "terms",
    [
        [(A * B - 1) ** 2 + A],
        [(A * B - 1) ** 3],
        [(A * B + A * C - 1) ** 2],
        [(A * B + 2 * C * D - 1) ** 2],
        [(A * B - 1) ** 2, (C * D - 1) ** 2],
        [(A**2 - B**2 - 1) ** 2],
        [(A * B) ** 2],
        [-((A * B - 1) ** 2)],
        [1 / (1 + (A * B - 1) ** 2)],
    ],
)
def test_other_terms_are_refused(terms: list[sp.Expr]) -> None:
    variables = [A, B, C, D] if any(f.has(C) for f in terms) else [A, B]
    problem = FiniteSum.from_sympy(terms, variables, None, [-10] * len(terms))
    with pytest.raises(InputError, match="minimisers"):
        prove(problem, 2, 1)


def test_a_lower_bound_above_the_minimum_is_refused() -> None:
    problem = FiniteSum.from_sympy([(A * B - 1) ** 2, (A * B - 2) ** 2], [A, B], None, [1, 0])
    with pytest.raises(InputError):
        prove(problem, 100, 99)


def test_a_constant_term_changes_nothing() -> None:
    h = (A * B - 2) ** 2 / 2, (A * B - sp.Rational(1, 2)) ** 2 / 2
    problem = FiniteSum.from_sympy([*h, sp.Integer(3) + 0 * A], [A, B], None, [0, 0, 1])
    assert prove(problem, "7.12", "6.12").answer is True
    assert prove(problem, "7.10", "6.10").answer is False


def test_lower_bounds_below_the_minimum_enlarge_the_region() -> None:
    h = (A * B - 2) ** 2 / 2, (A * B - sp.Rational(1, 2)) ** 2 / 2
    loose = FiniteSum.from_sympy(h, [A, B], None, [-1, -1])
    assert prove(loose, "7.10", "6.10").answer is True
    assert prove(loose, "7.10", "6.10", "normal").verify()


def test_methods_that_do_not_apply_say_so() -> None:
    with pytest.raises(InputError, match="sturm"):
        prove(net((2, "1/2")), 8, 7, "sos")
    finite = FiniteSum.from_sympy([A**2 + B**2], [A, B], [(0, 0)], [0])
    with pytest.raises(InputError, match="another method"):
        prove(finite, 1, 0, "normal")


def test_minimisers_that_are_given_are_not_overruled() -> None:
    """With one point of ab = 5/4 as S the claim is another one, and fails."""
    h = (A * B - 2) ** 2 / 2, (A * B - sp.Rational(1, 2)) ** 2 / 2
    one = FiniteSum.from_sympy(h, [A, B], [(1, sp.Rational(5, 4))], [0, 0])
    with pytest.raises(InputError):
        prove(one, "7.12", "6.12", "normal")
    proof = prove(one, "7.12", "6.12")
    assert proof.answer is not True
    forged = prove(net(("2", "1/2")), "7.12", "6.12", "normal").to_json()
    forged["problem"] = one.to_json()
    assert not type(proof).from_json(forged).verify()
