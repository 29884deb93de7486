"""Signs of polynomials in one unknown, and the reductions of the condition to a line."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from detvar.exact.balls import arb
from detvar.exact.rational import rational, to_fraction
from detvar.exact.rational_functions import polynomial_ring
from detvar.landscape import examples
from detvar.landscape.finite_sum import Constant, FiniteSum, bracket
from detvar.landscape.prove import prove
from detvar.landscape.prove.along import line_of, radial_profile
from detvar.landscape.prove.boxes import compiled
from detvar.landscape.prove.cases import Setting, polynomial_ball
from detvar.landscape.prove.sturm import nonnegative

X, Y, T = sp.symbols("x y t", real=True)


def as_polynomial(p: sp.Expr, ring: Any, symbols: dict[Any, Any]) -> Any:
    out = ring[0] * 0
    gens = list(symbols)
    for monomial, c in sp.Poly(p, *gens).terms():
        term = ring[0] * 0 + rational(c)
        for g, e in zip(gens, monomial, strict=True):
            term *= symbols[g] ** e
        out += term
    return out


def sympy_says_nonnegative(p: sp.Expr) -> bool:
    """Even degree, positive leading coefficient, and no root of odd multiplicity (Sturm)."""
    poly = sp.Poly(p, X)
    if poly.is_zero:
        return True
    odd = sp.Poly(1, X)
    for factor, multiplicity in poly.sqf_list()[1]:
        if multiplicity % 2:
            odd *= factor
    return bool(poly.LC() > 0 and odd.count_roots() == 0)


@given(
    st.lists(st.integers(-4, 4), min_size=1, max_size=5),
    st.lists(st.integers(-3, 3), min_size=1, max_size=3),
)
def test_the_whole_line_agrees_with_sympys_count_of_roots(a: list[int], b: list[int]) -> None:
    (x,) = polynomial_ring(["x"])
    p = sum(c * X**k for k, c in enumerate(a)) * sum(c * X**k for k, c in enumerate(b)) ** 2
    f = as_polynomial(sp.expand(p), [x], {X: x})
    found = nonnegative(f, [], [])
    assert found.answer is sympy_says_nonnegative(p)
    if found.answer is False:
        assert found.point is not None
        q = to_fraction(found.point)
        assert p.subs(X, sp.Rational(q.numerator, q.denominator)) < 0


@settings(max_examples=30)
@given(st.lists(st.integers(-5, 5), min_size=2, max_size=6), st.integers(-3, 3), st.integers(1, 4))
def test_an_interval_is_the_line_after_a_substitution(a: list[int], low: int, width: int) -> None:
    """p ≥ 0 on [l, l+w] if and only if (1+x²)^n p(l + w x²/(1+x²)) ≥ 0 on R."""
    (x,) = polynomial_ring(["x"])
    p = sp.expand(sum(c * X**k for k, c in enumerate(a)))
    f = as_polynomial(p, [x], {X: x})
    moved = sp.cancel(p.subs(X, low + width * X**2 / (1 + X**2)) * (1 + X**2) ** len(a))
    assert nonnegative(f, [x - low, low + width - x], []).answer is sympy_says_nonnegative(
        sp.expand(moved)
    )


def constants(*equations: tuple[sp.Expr, str, str]) -> list[Constant]:
    return [bracket(e.free_symbols.pop(), e, a, b) for e, a, b in equations]


def test_over_a_field_of_degree_three() -> None:
    x, t = polynomial_ring(["x", "t"])
    root = constants((T**3 - 2, "1", "2"))
    tiny = rational("1e-40")
    assert nonnegative((x - t) ** 2 * (x * x + t), [], root).answer is True
    assert nonnegative((x - t) ** 2 - tiny, [], root).answer is False
    assert nonnegative((x - t) ** 2 + tiny, [], root).answer is True
    # on [0, t] and beyond: x(t − x) ≥ 0
    assert nonnegative(x * (t - x), [x, t - x], root).answer is True
    assert nonnegative(x * (t - x), [x, t - x + tiny], root).answer is False


def test_two_constants_of_different_fields() -> None:
    x, s, t = polynomial_ring(["x", "s", "t"])
    S = sp.Symbol("s", real=True)
    roots = constants((S**2 - 2, "1", "2"), (T**2 - 3, "1", "2"))
    assert nonnegative((x - s) ** 2 + (t - s), [], roots).answer is True
    assert nonnegative((x - s) * (x - t), [], roots).answer is False
    assert nonnegative((x - s) * (x - t), [x - t], roots).answer is True


def test_a_reducible_equation_means_its_root_in_the_bracket() -> None:
    x, t = polynomial_ring(["x", "t"])
    root = constants((sp.expand((T - 1) * (T**2 - 5)), "22/10", "23/10"))
    assert nonnegative(x * x - 2 * t * x + 5, [], root).answer is True
    assert nonnegative(x * x - 2 * t * x + 4, [], root).answer is False
    # zero at the other root t = 1
    assert nonnegative((t - 1) * (x * x + 1), [], root).answer is True


def test_a_transcendental_constant_is_undecided() -> None:
    x, t = polynomial_ring(["x", "t"])
    root = constants((sp.exp(T) - 2, "1/2", "3/4"))
    assert nonnegative((x - t) ** 2, [], root).answer is None


# --- the examples -------------------------------------------------------------------------------

# alpha-beta pairs of the first example, by Sturm sequences over Q in SymPy
EX1 = [
    ("5/2", "2", True),
    ("5/2", "199/100", False),
    ("3/5", "12/25", True),
    ("59/100", "59/125", False),
    ("5/2", "23/10", True),
    ("561/1000", "5609/10000", True),
    ("56/100", "5599/10000", False),
    ("1", "0", False),
]


@pytest.mark.parametrize(("alpha", "beta", "answer"), EX1)
def test_first_example(alpha: str, beta: str, answer: bool) -> None:
    proof = prove(examples.ex1(), alpha, beta, "sturm")
    assert proof.answer is answer
    assert proof.verify()
    a, b = sp.Rational(alpha), sp.Rational(beta)
    direct = []
    for f in (X**2 / (1 + X**2), (X + 1) ** 2 / (1 + (X + 1) ** 2)):
        low = f.subs(X, -sp.Rational(1, 2))
        F = a * low - (a - b) * f + sp.diff(f, X) * (X + sp.Rational(1, 2))
        direct.append(sympy_says_nonnegative(sp.expand(sp.fraction(sp.together(F))[0])))
    assert all(direct) is answer


@pytest.mark.parametrize("name", ["ex1", "ex3", "ex6"])
def test_proofs_agree_with_the_exact_regions(name: str) -> None:
    problem = getattr(examples, name)()
    random.seed(name)
    for _ in range(3):
        delta = Fraction(random.randint(1, 200), random.choice([10, 100, 1000]))
        phi = problem.region.phi(rational(delta))
        base = Fraction(float(phi)).limit_denominator(10**8)
        for alpha in (base * Fraction(1001, 1000), base * Fraction(999, 1000)):
            if alpha <= delta:
                continue
            proof = prove(problem, alpha, alpha - delta)
            assert proof.answer is not None, proof
            assert proof.answer is bool(problem.region.contains(alpha, alpha - delta))
            assert proof.verify()


@pytest.mark.parametrize("d", ["1/2", "3/8", "1/4"])
def test_the_master_family_has_slope_one_plus_one_over_d_squared(d: str) -> None:
    """Shifts at distance 2d ≤ 2/√3 have their minimiser in the middle: φ(δ) = δ(1 + 1/d²)."""
    a = sp.Rational(d)
    u, v = X**2 + Y**2, (X - 2 * a) ** 2 + Y**2
    problem = FiniteSum.from_sympy([u / (1 + u), v / (1 + v)], [X, Y], [(a, 0)], [0, 0])
    delta = Fraction(3)
    phi = delta * (1 + 1 / Fraction(d) ** 2)
    assert prove(problem, phi, phi - delta, "sturm").answer is True
    below = phi - Fraction(1, 10**6)
    assert prove(problem, below, below - delta, "sturm").answer is False


# --- reductions ---------------------------------------------------------------------------------


def test_f_is_least_on_the_line_through_centre_and_minimiser() -> None:
    """At equal distance from the centre no point of the plane is below both points of the line."""
    problem = examples.ex3()
    setting = Setting.of(problem.exact, 700, 699)
    rng = np.random.default_rng(1)
    for case in setting.cases:
        line = line_of(setting, case)
        assert line is not None and line.kind == "radial"
        graph, root = setting.graph(case)
        run = compiled(graph, [root], 2, setting.balls)
        constants = [arb(0), arb(0), *setting.balls]
        base = [float(polynomial_ball(b, constants).mid()) for b in line.base]
        way = np.array([float(polynomial_ball(b, constants).mid()) for b in line.direction])
        way /= np.hypot(*way)
        for _ in range(50):
            r, angle = rng.uniform(0, 6), rng.uniform(0, 2 * np.pi)
            ends = [
                run([arb(u + s * r * v) for u, v in zip(base, way, strict=True)])[0]
                for s in (1, -1)
            ]
            turned = [base[0] + r * np.cos(angle), base[1] + r * np.sin(angle)]
            here = run([arb(v) for v in turned])[0]
            assert float(here.mid()) >= min(float(e.mid()) for e in ends) - 1e-9


def radial(f: sp.Expr) -> Any:
    exact = FiniteSum.from_sympy([f], [X, Y], None, [0]).exact
    assert exact is not None
    return radial_profile(Setting(exact, rational(2), rational(1)), 0)


def test_radial_terms_are_recognised_with_their_centre() -> None:
    u = (X - 1) ** 2 + (Y + sp.Rational(1, 2)) ** 2
    for f in (u, sp.expand(u**2), u / (1 + u), 1 - sp.exp(-u), sp.log(1 + u) + u, sp.sqrt(1 + u)):
        found = radial(f)
        assert found is not None, f
        assert [str(c) for c in found.centre] == ["1", "-1/2"]
        (value,) = compiled(found.graph, [found.node], 1, [])([arb(3)])
        at = f.subs({X: 1 + sp.sqrt(3), Y: -sp.Rational(1, 2)})
        assert abs(float(value.mid()) - float(at)) < 1e-12


@pytest.mark.parametrize(
    "f",
    [
        X**2 + 2 * Y**2,
        X**2 + Y**2 + X * Y,
        (X**2 + Y**2) / (1 + (X - 1) ** 2 + Y**2),
        1 - sp.exp(-(X**2) - 2 * Y**2),
        sp.sqrt(1 + X**2) + sp.sqrt(1 + Y**2),
        X**4 + Y**4,
        sp.exp(-(X**2) - Y**2) + (X - 1) ** 2 + Y**2,
        sp.Integer(3) + 0 * X,
    ],
)
def test_other_terms_are_not(f: sp.Expr) -> None:
    assert radial(f) is None


def test_a_term_of_one_linear_form_reduces_to_it() -> None:
    s = 2 * X - 3 * Y
    problem = FiniteSum.from_sympy(
        [s**2 / (1 + s**2), (s - 1) ** 2 / (1 + (s - 1) ** 2)],
        [X, Y],
        None,
        [0, 0],
        projection=(X - 2 * (s - sp.Rational(1, 2)) / 13, Y + 3 * (s - sp.Rational(1, 2)) / 13),
    )
    proof = prove(problem, "5/2", 2, "sturm")
    assert proof.answer is True and proof.data[0]["along"] == "symmetry"
    assert prove(problem, "5/2", "199/100").answer is False


def test_a_square_root_among_the_minimisers_is_named_by_its_polynomial() -> None:
    u = X**2 + Y**2
    v = (X - 1) ** 2 + (Y - 1) ** 2
    t = sp.Rational(1, 2) - sp.sqrt(sp.sqrt(3) / 2 - sp.Rational(3, 4))
    problem = FiniteSum.from_sympy(
        [u / (1 + u), v / (1 + v)], [X, Y], [(t, t), (1 - t, 1 - t)], [0, 0]
    )
    setting = Setting.of(problem.exact, 21, 20)
    assert len(setting.exact.constants) == 1
    assert prove(problem, 21, 20, "sturm").answer is True
    assert prove(problem, "20.684", "19.684").answer is False
