"""Real algebraic numbers: laws of an ordered field, and two routes that must agree.

The independent routes are FLINT's own field of real algebraic numbers (``gr_real_qqbar_ctx``,
which keeps a minimal polynomial at every step), SymPy's Sturm sequences, and companion matrices.
"""

from __future__ import annotations

import copy
import decimal
import json
import pickle
import random
import time
from fractions import Fraction
from itertools import combinations, pairwise
from math import comb
from typing import Any

import pytest
from flint import fmpq, fmpq_mat, fmpz, fmpz_poly
from flint.types._gr import gr_real_qqbar_ctx
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detvar.errors import DetvarError, IncompleteError, InputError, NotExactError
from detvar.exact.algebraic import RealAlgebraic, real_algebraic, real_roots, square_root
from detvar.exact.matrices import charpoly, identity, kron
from detvar.exact.polynomials import (
    composed_product,
    composed_sum,
    irreducible_factors,
    primitive,
    reciprocal,
    squares,
)
from detvar.exact.roots import irreducible

QQBAR = gr_real_qqbar_ctx.new()
r2, r3, r5, r6 = map(square_root, (2, 3, 5, 6))

fractions = st.fractions(min_value=-20, max_value=20, max_denominator=12)


@st.composite
def algebraic_numbers(draw: Any, degree: int = 3) -> RealAlgebraic:
    """a + b·x with x a real root of a random polynomial of odd degree, so that there is one."""
    coefficients = draw(st.lists(st.integers(-9, 9), min_size=degree, max_size=degree))
    roots = real_roots([*coefficients, draw(st.integers(1, 5))])
    x: RealAlgebraic = draw(st.sampled_from(roots))[0] if roots else r2
    a: Fraction = draw(fractions)
    b: Fraction = draw(fractions)
    return x * a + b


def flint_sign(p: Any) -> int:
    return next(s for s in (-1, 0, 1) if p.sgn() == QQBAR(s))


@st.composite
def expressions(draw: Any, depth: int = 2) -> tuple[RealAlgebraic, Any]:
    """The same expression in square roots, in this module and in FLINT's field."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        n, d = draw(st.integers(0, 12)), draw(st.integers(1, 4))
        both = square_root(Fraction(n, d)), (QQBAR(n) / QQBAR(d)).sqrt()
        return both if draw(st.booleans()) else (-both[0], -both[1])
    x, p = draw(expressions(depth - 1))
    y, q = draw(expressions(depth - 1))
    match draw(st.sampled_from("+-*/")):
        case "+":
            return x + y, p + q
        case "-":
            return x - y, p - q
        case "/" if y != 0:
            return x / y, p / q
        case _:
            return x * y, p * q


# ---- the laws of an ordered field --------------------------------------------------------------


@settings(max_examples=40)
@given(algebraic_numbers(), algebraic_numbers(2), algebraic_numbers())
def test_ring_axioms(x: RealAlgebraic, y: RealAlgebraic, z: RealAlgebraic) -> None:
    assert x + y == y + x
    assert (x + y) + z == x + (y + z)
    assert x * y == y * x
    assert x * (y + z) == x * y + x * z
    assert x + 0 == x == x * 1 == 1 * x
    assert x - x == 0
    assert not x * 0


@settings(max_examples=25)
@given(algebraic_numbers(2), algebraic_numbers(2), algebraic_numbers(2))
def test_products_are_associative(x: RealAlgebraic, y: RealAlgebraic, z: RealAlgebraic) -> None:
    assert (x * y) * z == x * (y * z)


@settings(max_examples=40)
@given(algebraic_numbers())
def test_inverse_and_square_root_undo(x: RealAlgebraic) -> None:
    if x:
        assert x * x.inverse() == 1
        assert (1 / x).sign() == x.sign()
    else:
        with pytest.raises(ZeroDivisionError):
            x.inverse()
    root = abs(x).sqrt()
    assert root >= 0
    assert root * root == abs(x)
    assert (x * x).sqrt() == abs(x)
    assert x**3 == x * x * x


@settings(max_examples=60)
@given(algebraic_numbers(), algebraic_numbers(2))
def test_order_agrees_with_floats_where_these_are_apart(x: RealAlgebraic, y: RealAlgebraic) -> None:
    assume(abs(float(x) - float(y)) > 1e-9)
    assert (x < y) is (float(x) < float(y))
    assert (x > y) is (y < x)
    assert (x <= y) is (x < y)
    assert x != y


@settings(max_examples=40)
@given(algebraic_numbers(), fractions)
def test_order_is_compatible_with_the_operations(x: RealAlgebraic, q: Fraction) -> None:
    assert (x < q) is (x - q < 0) is (q > x) is (q - x > 0)
    assert x + 1 > x > x - 1
    assert x.sign() * x.sign() == (x * x).sign()
    low, high = x.bounds(80)
    assert low <= x <= high
    assert low == high or 0 < high - low <= abs(x) * fmpq(1, 2**78)


def test_numbers_compare_with_all_exact_types() -> None:
    assert r2 < 2 and r2 > 1 and r2 < Fraction(3, 2) and r2 < fmpq(3, 2) and fmpz(1) < r2
    assert fmpq(1, 2) + r2 == r2 + Fraction(1, 2) == Fraction(1, 2) + r2
    assert fmpq(1, 2) - r2 == -(r2 - Fraction(1, 2))
    assert 2 / r2 == r2 == r2 * r2 * r2 / fmpz(2)
    assert real_algebraic("1/2") == Fraction(1, 2) == real_algebraic(fmpq(1, 2))
    assert r2 != 1 and r2 != "√2" and r2 != True  # noqa: E712


def test_floats_are_refused() -> None:
    with pytest.raises(TypeError):
        r2 + 0.5  # type: ignore[operator]  # noqa: B018
    with pytest.raises(TypeError):
        r2 < 0.5  # type: ignore[operator]  # noqa: B015
    with pytest.raises(NotExactError):
        real_algebraic(0.5)
    assert r2 != 1.4142135623730951


def test_square_root_of_a_negative_number_is_refused() -> None:
    with pytest.raises(InputError, match="negative"):
        square_root(1 - r2)


# ---- equality of numbers built in different ways -----------------------------------------------


def test_known_identities_of_nested_radicals() -> None:
    assert r2 * r3 == r6
    assert square_root(5 + 2 * r6) == r2 + r3
    # Ramanujan-like denesting, squared by hand: (1+√2+√3)² = 6 + 2√2 + 2√3 + 2√6
    assert square_root(6 + 2 * r2 + 2 * r3 + 2 * r6) == 1 + r2 + r3
    golden = (1 + r5) / 2
    assert golden**2 == golden + 1
    assert 1 / golden == golden - 1
    # cos 140° < cos 260° < cos 20° are the roots of 8x³ − 6x − 1
    (a, _), (b, _), (c, _) = real_roots([-1, -6, 0, 8])
    assert a + b + c == 0
    assert a * b * c == Fraction(1, 8)
    assert 2 * c * c - 1 == -a  # cos 40° = −cos 140°


@settings(max_examples=60)
@given(expressions())
def test_arithmetic_agrees_with_flint_on_one_expression(pair: tuple[RealAlgebraic, Any]) -> None:
    x, p = pair
    assert x.sign() == flint_sign(p)
    assert str(x.minimal_polynomial()(fmpz_poly([0, 1]))) == str(x.minimal_polynomial())
    value = QQBAR(0)
    for c in reversed(x.minimal_polynomial().coeffs()):
        value = value * p + QQBAR(int(c))
    assert value == QQBAR(0)
    low, high = x.bounds(128)
    assert flint_sign(p - QQBAR(low.p) / QQBAR(low.q)) >= 0
    assert flint_sign(QQBAR(high.p) / QQBAR(high.q) - p) >= 0


@settings(max_examples=60)
@given(expressions(1), expressions(2))
def test_comparison_and_hash_agree_with_flint(
    first: tuple[RealAlgebraic, Any], second: tuple[RealAlgebraic, Any]
) -> None:
    (x, p), (y, q) = first, second
    assert (x == y) is (p == q)
    assert (x < y) is (flint_sign(p - q) < 0)
    if x == y:
        assert hash(x) == hash(y)


def test_equal_numbers_hash_alike_whatever_their_form() -> None:
    assert len({r2 + r3, square_root(5 + 2 * r6), square_root(50) / 5 + r3}) == 1
    (a, _), (b, _), (c, _) = real_roots([-1, -6, 0, 8])
    assert len({a + b, -c, a * 1 + b}) == 1
    assert Fraction(3) in set[object]({real_algebraic(3)})
    assert real_algebraic("1/3") in set[object]({fmpq(1, 3)})
    assert hash(a + b + c + 7) == hash(7)


def test_rationality_is_decided() -> None:
    # x⁴ − 10x² + 1 has the roots ±√2±√3: opposite ones add up to 0 though no trace is complete
    roots = [x for x, _ in real_roots([1, 0, -10, 0, 1])]
    assert [(x + y).as_rational() for x, y in zip(roots, roots[::-1], strict=True)] == [0] * 4
    assert (roots[0] + roots[1]).as_rational() is None
    assert (roots[0] + roots[1]) == -2 * r3
    assert (roots[3] * roots[2]).as_rational() == 1
    assert not r2.is_rational and (r2 * r2).is_rational


@pytest.mark.parametrize("degree", [3, 4, 5, 6])
def test_sums_of_conjugates_use_the_trace(degree: int) -> None:
    # M·(x−1)(x−4)…(x−d²) + 1 with M large has d real roots
    f = fmpz_poly([10**6])
    for k in range(1, degree + 1):
        f = f * fmpz_poly([-k * k, 1])
    f = f + 1
    roots = [x for x, _ in real_roots(f)]
    assert len(roots) == degree and len(irreducible_factors(f)) == 1
    trace = sum(k * k for k in range(1, degree + 1))
    assert sum(roots, real_algebraic(0)).terms == ()
    for size in range(1, degree):
        for chosen in combinations(range(degree), size):
            part = sum((roots[i] for i in chosen), real_algebraic(0))
            rest = sum((roots[i] for i in range(degree) if i not in chosen), real_algebraic(0))
            assert part == trace - rest
            assert len(part.terms) <= degree - degree // 2
    # the Galois group is the full symmetric one for these four, so the orbit has C(d, 2) points
    assert (roots[0] + roots[1]).minimal_polynomial().degree() == comb(degree, 2)


def test_minimal_polynomial_of_a_sum_of_square_roots() -> None:
    x = r2 + r3 + r5
    f = x.minimal_polynomial()
    # the Swinnerton-Dyer polynomial of the first three primes, from FLINT
    assert f == fmpz_poly.swinnerton_dyer(3)
    assert len(irreducible_factors(f)) == 1


def test_near_misses_are_told_apart() -> None:
    near = fmpq(fmpz(2 * 10**120).isqrt(), 10**60)
    assert near < r2 < near + fmpq(1, 10**60)
    tiny = r2 - near
    assert tiny > 0 and tiny.enclosure(64).rel_accuracy_bits() >= 64
    assert square_root(2 + fmpq(1, 10**90)) > r2
    assert r2 + r3 < square_root(5 + 2 * r6 + fmpq(1, 10**70))


def test_a_hopeless_proof_of_equality_is_refused() -> None:
    # the roots of g(x²) come in pairs ±x, so all but two of them add up to 0; the bound from the
    # C(20, 10) ways to place ten of twenty roots is out of reach
    g = fmpz_poly([10**9])
    for k in range(1, 11):
        g = g * fmpz_poly([-k, 1])
    roots = [x for x, _ in real_roots((g + 1)(fmpz_poly([0, 0, 1])))]
    assert len(roots) == 20
    assert roots[0] + roots[19] == 0
    total = sum(roots[5:15], real_algebraic(0))
    with pytest.raises(IncompleteError, match="bits"):
        total.sign()


# ---- polynomials and their roots ---------------------------------------------------------------

small_polynomials = st.lists(st.integers(-6, 6), min_size=2, max_size=5).filter(
    lambda c: c[-1] != 0
)


def companion(f: fmpz_poly) -> fmpq_mat:
    d = f.degree()
    a = fmpq_mat(d, d)
    for i in range(d):
        if i:
            a[i, i - 1] = 1
        a[i, d - 1] = fmpq(-f[i], f[d])
    return a


@settings(max_examples=40)
@given(small_polynomials, small_polynomials)
def test_composed_polynomials_are_those_of_companion_matrices(a: list[int], b: list[int]) -> None:
    f, g = primitive(a), primitive(b)
    x, y = companion(f), companion(g)
    sums = kron(x, identity(g.degree())) + kron(identity(f.degree()), y)
    assert composed_sum(f, g) == primitive(charpoly(sums))
    assert composed_product(f, g) == primitive(charpoly(kron(x, y)))
    assert squares(f) == primitive(charpoly(x * x))
    if f[0]:
        assert reciprocal(f) == primitive(charpoly(x.inv()))


@settings(max_examples=30)
@given(st.lists(small_polynomials, min_size=1, max_size=3))
def test_real_roots_agree_with_sturm_sequences(factors: list[list[int]]) -> None:
    import sympy

    f = fmpz_poly([1])
    for c in factors:
        f = f * fmpz_poly(c)
    roots = real_roots(f)
    x = sympy.Symbol("x")
    poly = sympy.Poly([int(c) for c in reversed(f.coeffs())], x)
    assert all(a < b for (a, _), (b, _) in pairwise(roots))
    assert len(roots) == poly.count_roots()
    assert sum(e for _, e in roots) == sum(e * h.count_roots() for h, e in poly.sqf_list()[1])
    for r, e in roots:
        low, high = r.bounds(40)
        interval = sympy.Rational(int(low.p), int(low.q)), sympy.Rational(int(high.p), int(high.q))
        assert poly.count_roots(*interval) == 1
        remainder = f
        for _ in range(e):
            remainder, rest = divmod(remainder, r.minimal_polynomial())
            assert not rest
        assert divmod(remainder, r.minimal_polynomial())[1]


def test_zero_polynomial_and_constants() -> None:
    assert real_roots([5]) == []
    assert real_roots([1, 0, 1]) == []
    with pytest.raises(InputError, match="zero polynomial"):
        real_roots([0])


def test_very_close_roots_are_separated() -> None:
    # Mignotte's polynomial xⁿ − 2(ax − 1)² has two roots at a distance below 2·a^(−(n+2)/2)
    n, a = 16, 10**12
    f = fmpz_poly([-2, 4 * a, -2 * a * a] + [0] * (n - 3) + [1])
    roots = [x for x, _ in real_roots(f)]
    close = [(x, y) for x, y in pairwise(roots) if y - x < fmpq(1, a ** (n // 2))]
    assert len(close) == 1
    x, y = close[0]
    assert x < fmpq(1, a) < y
    # two different factors, with roots that agree to 200 digits
    ten = 10**200
    roots = [x for x, _ in real_roots(fmpz_poly([-2, 0, 1]) * fmpz_poly([-2 * ten - 1, 0, ten]))]
    assert len(roots) == 4
    assert roots[2] == r2 < roots[3] < r2 + fmpq(1, ten)


def test_balls_keep_their_promise_at_high_precision() -> None:
    f = irreducible(fmpz_poly([1, -7, 3, 11, -5, -2, 1]))
    for i in range(f.real_count):
        coarse = f.ball(i, 64)
        fine = f.ball(i, 20000)
        assert coarse.contains(fine) and fine.rel_accuracy_bits() >= 20000
        # the sign changes across the ball, so a root is in it
        low, high = fine.mid().fmpq() - fine.rad().fmpq(), fine.mid().fmpq() + fine.rad().fmpq()
        assert f.polynomial(low) * f.polynomial(high) < 0


def test_large_characteristic_polynomials_are_quick() -> None:
    rng = random.Random(1)
    n = 60
    a = fmpq_mat(n, n, [fmpq(rng.randint(-99, 99), rng.randint(1, 99)) for _ in range(n * n)])
    gram = a * a.transpose()
    f = charpoly(gram)
    assert f.numer().height_bits() > 10**4
    start = time.perf_counter()
    roots = real_roots(f)
    seconds = time.perf_counter() - start
    assert seconds < 5  # measured: 0.3–0.7 s
    assert len(roots) == n and roots[0][0] > 0
    total = sum((x for x, _ in roots), real_algebraic(0))
    assert total == sum((gram[i, i] for i in range(n)), fmpq(0))
    # half of the roots: a lazy sum, compared without any minimal polynomial
    half = sum((x for x, _ in roots[: n // 2]), real_algebraic(0))
    other = half - roots[0][0] + roots[n // 2][0]
    assert half < other and half != other


# ---- text --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (real_algebraic("-6/4"), "-3/2"),
        (real_algebraic(0), "0"),
        ((3 + r5) / 2, "(3+√5)/2"),
        (square_root(8), "2√2"),
        (-r2, "-√2"),
        (r2 / 2, "√2/2"),
        (square_root("2/9"), "√2/3"),
        (1 - r2, "1-√2"),
        ((r2 - r3) / 3, "(√2-√3)/3"),
        (r2 + r3 - r3, "√2"),
    ],
)
def test_closed_forms(x: RealAlgebraic, text: str) -> None:
    assert str(x) == text


@settings(max_examples=40)
@given(st.integers(2, 10**6), st.integers(-40, 40), st.integers(2, 30))
def test_every_printed_digit_is_certain(n: int, shift: int, digits: int) -> None:
    x = square_root(n) * fmpq(10) ** shift
    assume(not x.is_rational)
    with decimal.localcontext(decimal.Context(prec=80)):
        exact = decimal.Decimal(n).sqrt().scaleb(shift)
        text = x.decimal(digits)
        shown = decimal.Decimal(text.replace("…", ""))
        assert "…" in text
        assert 0 < exact - shown < exact * decimal.Decimal(10) ** (1 - digits)
    assert (-x).decimal(digits) == "-" + text


def test_other_numbers_print_as_decimals() -> None:
    ((x, _),) = real_roots([-2, 0, 0, 1])
    assert str(x) == "1.259921049…"
    assert repr(x) == "RealAlgebraic(1.259921049…, root of x^3 - 2)"
    assert real_algebraic("1/3").decimal(4) == "0.3333…"
    assert real_algebraic("5/2").decimal() == "2.5"
    assert float(x) == 2 ** (1 / 3)


# ---- JSON --------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(algebraic_numbers(), algebraic_numbers(2))
def test_json_round_trip(x: RealAlgebraic, y: RealAlgebraic) -> None:
    for z in (x, y, x + y):
        text = json.dumps(z.to_json())
        assert RealAlgebraic.from_json(json.loads(text)) == z
        assert json.dumps(RealAlgebraic.from_json(json.loads(text)).to_json()) == text


def test_json_form() -> None:
    data = square_root(2).to_json()
    assert isinstance(data, dict) and list(data) == ["minimal_polynomial", "ball"]
    mid, rad = map(Fraction, data["ball"])
    assert (mid - rad) ** 2 < 2 < (mid + rad) ** 2
    assert real_algebraic("4/6").to_json() == "2/3"
    assert RealAlgebraic.from_json("0.25") == Fraction(1, 4)


def test_json_separates_close_roots() -> None:
    a = 10**12
    f = fmpz_poly([-2, 4 * a, -2 * a * a] + [0] * 13 + [1])
    for x, _ in real_roots(f):
        assert RealAlgebraic.from_json(x.to_json()) == x


def test_json_keeps_numbers_of_extreme_size() -> None:
    for x in (r2 * fmpq(10) ** 20000, r2 / fmpq(10) ** 20000, r2 + fmpq(10) ** 100):
        assert RealAlgebraic.from_json(json.loads(json.dumps(x.to_json()))) == x


def root_of_two(**changes: Any) -> dict[str, Any]:
    return {"minimal_polynomial": ["-2", "0", "1"], "ball": ["1.41", "0.01"], **changes}


@pytest.mark.parametrize(
    "data",
    [
        root_of_two(ball=["0", "2"]),  # two roots
        root_of_two(ball=["3", "1"]),  # none
        root_of_two(ball=["1.41", "-0.01"]),
        root_of_two(ball=["1.41", "nan"]),
        root_of_two(ball=["1.41", "inf"]),
        root_of_two(ball=[1.41, 0.01]),
        root_of_two(ball=["1.41"]),
        root_of_two(ball="1.41"),
        root_of_two(ball=None),
        root_of_two(minimal_polynomial=["2", "0", "-1"]),  # negative leading coefficient
        root_of_two(minimal_polynomial=["-4", "0", "2"]),  # not primitive
        root_of_two(minimal_polynomial=["-1", "0", "1"]),  # reducible
        root_of_two(minimal_polynomial=["4", "0", "-4", "0", "1"]),  # a square
        root_of_two(minimal_polynomial=["-2", "0", "1", "0"]),
        root_of_two(minimal_polynomial=["-1/2", "0", "1"]),
        root_of_two(minimal_polynomial=["-3", "2"]),
        root_of_two(minimal_polynomial=[-2, 0, True]),
        root_of_two(minimal_polynomial=[-2, 0, 1.0]),
        root_of_two(minimal_polynomial="x^2-2"),
        root_of_two(minimal_polynomial=[]),
        root_of_two(more=1),
        {},
        {"minimal_polynomial": ["-2", "0", "1"]},
        {"constant": "0", "terms": {}, "ball": ["0", "1"]},
        {"constant": "0", "terms": [1], "ball": ["0", "1"]},
        {"constant": "0", "terms": [{"coefficient": "1", "root": "1"}], "ball": ["0", "1"]},
        {
            "constant": "0",
            "terms": [{"coefficient": "1", "root": root_of_two()}],
            "ball": ["1", "0.1"],
        },
        None,
        True,
        0.5,
        "√2",
        [1, 2],
    ],
)
def test_hostile_json_is_refused(data: Any) -> None:
    with pytest.raises(DetvarError):
        RealAlgebraic.from_json(data)


def test_pickle_and_copy() -> None:
    ((x, _),) = real_roots([-2, 0, 0, 1])
    for y in (x, x + r2, real_algebraic(1)):
        assert pickle.loads(pickle.dumps(y)) == y == copy.deepcopy(y)
