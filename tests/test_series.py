"""Truncated power series: a quotient ring of polynomials, compared with dictionaries and SymPy."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detvar.exact.rational import Rational, rational
from detvar.exact.series import SeriesRing, polynomial


@st.composite
def series(draw, ring):
    """A polynomial of degree up to order + 2, as {exponents: coefficient} and as a series."""
    exponents = st.tuples(*[st.integers(min_value=0, max_value=ring.order + 2)] * ring.count)
    table = draw(st.dictionaries(exponents, st.integers(min_value=-4, max_value=4), max_size=6))
    return {e: Rational(c, 3) for e, c in table.items() if c}


def build(ring, table):
    p = ring.constant(Rational(0))
    for exponents, c in table.items():
        term = ring.constant(c)
        for s, e in zip(ring.variables, exponents, strict=True):
            term = term * s**e
        p = p + term
    return p


def read(ring, p):
    """All homogeneous parts together."""
    degree = max((sum(map(int, e)) for e in p.to_dict()), default=-1)
    out = {}
    for k in range(degree + 1):
        part = ring.part(p, k)
        assert all(sum(e) == k for e in part)
        out.update(part)
    return out


def plain_product(a, b, order):
    out = {}
    for (e, c), (f, d) in product(a.items(), b.items()):
        g = tuple(x + y for x, y in zip(e, f, strict=True))
        if sum(g) <= order:
            out[g] = out.get(g, Rational(0)) + c * d
    return {e: c for e, c in out.items() if c}


def value(table, point):
    total = Rational(0)
    for exponents, c in table.items():
        for x, e in zip(point, exponents, strict=True):
            c = c * Rational(x) ** e
        total += c
    return total


RINGS = [SeriesRing(1, 0), SeriesRing(1, 4), SeriesRing(2, 3), SeriesRing(3, 2)]


@pytest.mark.parametrize("ring", RINGS, ids=str)
@given(st.data())
def test_truncation_is_a_homomorphism(ring, data):
    a, b = data.draw(series(ring)), data.draw(series(ring))
    p, q = build(ring, a), build(ring, b)
    assert read(ring, p) == a
    cut = ring.truncate(p)
    assert read(ring, cut) == {e: c for e, c in a.items() if sum(e) <= ring.order}
    assert ring.truncate(cut) == cut
    assert ring.truncate(p + q) == ring.truncate(p) + ring.truncate(q)
    assert ring.truncate(ring.truncate(p) * ring.truncate(q)) == ring.truncate(p * q)
    assert read(ring, ring.truncate(p * q)) == plain_product(a, b, ring.order)
    for order in range(ring.order + 1):
        assert read(ring, ring.truncate(p, order)) == {
            e: c for e, c in a.items() if sum(e) <= order
        }


@pytest.mark.parametrize("ring", RINGS, ids=str)
@given(st.data())
def test_lowest_degree(ring, data):
    a = data.draw(series(ring))
    degrees = [sum(e) for e in a if sum(e)]
    assert ring.lowest(build(ring, a)) == min(degrees, default=None)


@pytest.mark.parametrize("ring", RINGS, ids=str)
@given(st.data())
def test_restriction_to_a_line_is_substitution(ring, data):
    a = data.draw(series(ring))
    line = data.draw(st.lists(st.integers(-3, 3), min_size=ring.count, max_size=ring.count))
    p = ring.truncate(build(ring, a))
    coefficients = ring.restrict(p, line)
    assert len(coefficients) == ring.order + 1
    on_line = polynomial(coefficients)
    for t in (-2, -1, 0, 1, 3):
        assert on_line(Rational(t)) == value(read(ring, p), [t * x for x in line])


def test_units_are_inverted_by_newton():
    # 1/(1 − s − t) = Σ (s + t)^k, whose coefficients are binomials
    ring = SeriesRing(2, 6)
    s, t = ring.variables
    a = 1 - s - t
    x = ring.constant(Rational(1))
    for _ in range(3):
        x = ring.truncate(x * (2 - a * x))
    assert ring.truncate(a * x) == 1
    pascal = [[1, 6, 15, 20, 15, 6, 1][k] for k in range(7)]
    assert ring.part(x, 6) == {(6 - k, k): c for k, c in enumerate(pascal)}


def test_sympy_expands_the_same():
    sympy = pytest.importorskip("sympy")
    ring = SeriesRing(3, 3)
    names = sympy.symbols("s1 s2 s3")
    rng = Random(1)

    def element(variables):
        return sum((rng.randint(-2, 2) * v for v in variables), rng.randint(-2, 2))

    for seed in range(10):
        rng.seed(seed)
        ours = element(ring.variables) ** 3 * (1 + element(ring.variables)) ** 2
        rng.seed(seed)
        theirs = sympy.Poly(element(names) ** 3 * (1 + element(names)) ** 2, *names)
        want = {e: rational(c) for e, c in theirs.terms() if c and sum(e) <= 3}
        assert read(ring, ring.truncate(ours)) == want


def test_constants_and_zero():
    ring = SeriesRing(2, 2)
    s, _ = ring.variables
    zero = s - s
    assert ring.truncate(zero) == 0 and ring.lowest(zero) is None and ring.part(zero, 0) == {}
    assert ring.restrict(zero, [1, 1]) == [0, 0, 0]
    assert ring.lowest(ring.constant(Rational(5))) is None
    assert ring.restrict(ring.constant(Rational(5)), [1, 1]) == [5, 0, 0]
    assert SeriesRing(0, 2).variables == [] and SeriesRing(0, 2).constant(Rational(1)) == 1


def test_lines_have_as_many_entries_as_there_are_variables():
    ring = SeriesRing(2, 2)
    with pytest.raises(ValueError):
        ring.restrict(ring.variables[0], [1])


def test_series_of_one_ring_can_be_used_in_another_of_other_order():
    a, b = SeriesRing(2, 2), SeriesRing(2, 5)
    assert a.variables[0] * b.variables[1] == b.variables[0] * a.variables[1]


def test_polynomials_in_one_variable():
    p = polynomial([Rational(1, 2), Rational(0), Rational(3)])
    assert p.degree() == 2 and p(Rational(2)) == Rational(25, 2)
    assert [p[k] for k in range(4)] == [Rational(1, 2), 0, 3, 0]
    assert polynomial([]) == 0
