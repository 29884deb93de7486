"""The door to Q: every exact number comes in unchanged, nothing else comes in."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detvar.errors import DetvarError, NotExactError
from detvar.exact.rational import Rational, rational, to_fraction, to_text

FRACTIONS = st.fractions()
DIGITS = st.text("0123456789", min_size=1, max_size=12)


@given(FRACTIONS)
def test_fractions_come_in_and_go_out(x):
    assert to_fraction(rational(x)) == x
    assert rational(to_fraction(rational(x))) == rational(x)


@given(FRACTIONS)
def test_text_comes_in_and_goes_out(x):
    assert to_text(rational(x)) == str(x)  # Python's own writing of a reduced fraction
    assert rational(to_text(rational(x))) == rational(x)


@given(FRACTIONS, FRACTIONS)
def test_the_door_is_a_homomorphism_of_ordered_fields(x, y):
    a, b = rational(x), rational(y)
    assert a + b == rational(x + y) and a - b == rational(x - y) and a * b == rational(x * y)
    assert (a < b) == (x < y) and (a == b) == (x == y)
    if y:
        assert a / b == rational(x / y)


@given(st.integers(), st.integers(min_value=1), st.sampled_from(["", " ", "\t", "\n"]))
def test_fractions_need_not_be_reduced(p, q, space):
    want = rational(Fraction(p, q))
    assert rational(f"{space}{p}{space}/{space}{q}{space}") == want
    assert rational(f"{'-' if p < 0 else '+'}{abs(p)}/{q}") == want
    assert rational(f"{'-' if p < 0 else ''}00{abs(p)}/00{q}") == want


@given(
    st.sampled_from(["", "+", "-"]),
    DIGITS,
    DIGITS,
    st.sampled_from(["e", "E"]),
    st.integers(min_value=-60, max_value=60),
)
def test_decimals_are_read_exactly(sign, whole, part, e, exponent):
    numbers = [whole, f"{whole}.", f".{part}", f"{whole}.{part}"]
    for number in numbers:
        for text in (f"{sign}{number}", f"{sign}{number}{e}{exponent}"):
            # Decimal keeps every digit, Fraction of it is exact
            assert to_fraction(rational(text)) == Fraction(Decimal(text))


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_decimal_objects(x):
    assert to_fraction(rational(x)) == Fraction(x)


@given(st.integers())
def test_integers(k):
    assert rational(k) == rational(str(k)) == rational(Fraction(k))
    assert rational(k).q == 1


def test_rationals_are_passed_through():
    x = Rational(3, 4)
    assert rational(x) is x


def test_numbers_of_any_length():
    # Python reads and writes integers of at most 4300 digits; FLINT is not bounded
    n = 6000
    sevens = 7 * (10**n - 1) // 9
    assert rational("7" * n) == rational(sevens)
    assert rational("7" * n + "/" + "9" * n) == Rational(7, 9)
    assert rational("0." + "7" * n) == rational(Fraction(sevens, 10**n))
    assert to_text(rational(sevens)) == "7" * n
    assert to_fraction(rational(sevens)) == sevens


def test_largest_and_smallest_exponent():
    assert rational("1e9999") == rational(10) ** 9999
    assert rational("-1.5e-9999") * rational(10) ** 9999 == Rational(-3, 2)


@pytest.mark.parametrize(
    "kind", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
)
def test_numpy_integers(kind):
    numpy = pytest.importorskip("numpy")
    for k in (numpy.iinfo(kind).min, -1, 0, 1, numpy.iinfo(kind).max):
        if k >= numpy.iinfo(kind).min:
            x = numpy.array([k], dtype=kind)
            assert rational(x[0]) == rational(x.reshape(())) == rational(int(k))


def test_sympy_numbers():
    sympy = pytest.importorskip("sympy")
    assert rational(sympy.Integer(-7)) == -7
    assert rational(sympy.Rational(-3, 4)) == Rational(-3, 4)
    assert rational(sympy.S.Half) == Rational(1, 2)
    for x in (sympy.pi, sympy.sqrt(2), sympy.Symbol("x"), sympy.nan, sympy.oo, sympy.zoo):
        with pytest.raises(NotExactError, match="not a number"):
            rational(x)
    for y in (sympy.Float("0.5"), sympy.true, sympy.I):
        with pytest.raises(NotExactError):
            rational(y)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_refused_and_what_to_write_instead_is_accepted(x):
    with pytest.raises(NotExactError) as error:
        rational(x, "the entry")
    message = str(error.value)
    assert message.startswith(f"the entry is the float {x!r}, which is not exact")
    hints = re.findall(r'"([^"]*)"', message)
    assert 1 <= len(hints) <= 2
    for hint in hints:
        assert to_fraction(rational(hint)) == Fraction(repr(x))


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_numpy_floats_are_refused(kind):
    numpy = pytest.importorskip("numpy")
    for x in (0.5, 3, float("nan"), float("inf")):
        with pytest.raises(NotExactError, match="^q is "):
            rational(numpy.array([x], dtype=kind)[0], "q")


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (True, "the boolean True"),
        (False, "the boolean False"),
        (None, "None, not a number"),
        (float("nan"), "nan, not a rational number"),
        (float("inf"), "inf, not a rational number"),
        (float("-inf"), "-inf, not a rational number"),
        (0.1, 'the float 0.1, which is not exact: write "0.1" in quotes, or a fraction'),
        (1j, "1j, not a number"),
        (b"1", "a bytes, not a number"),
        ([1], "a list, not a number"),
        ({}, "a dict, not a number"),
        (list(range(1000)), "a list, not a number"),
        (Decimal("NaN"), "not a number"),
        (Decimal("sNaN"), "not a number"),
        (Decimal("-Infinity"), "not a number"),
        ("", 'the text "", not a number'),
        (" ", 'the text "", not a number'),
        ("a\nb", 'the text "a b", not a number'),
        ("\x1b[31m7\u202e", 'the text "\\x1b[31m7\\u202e", not a number'),
        ("1\x000/0", "not a number"),
        (".", 'the text ".", not a number'),
        ("e5", 'the text "e5", not a number'),
        ("-", 'the text "-", not a number'),
        ("one", 'the text "one", not a number'),
        ("nan", 'the text "nan", not a number'),
        ("inf", 'the text "inf", not a number'),
        ("1_000", "not a number"),
        ("0x10", "not a number"),
        ("1,5", "not a number"),
        ("1 2", "not a number"),
        ("1/2/3", "not a number"),
        ("1/-2", "not a number"),
        ("1//2", "not a number"),
        ("1/", "not a number"),
        ("/2", "not a number"),
        ("1.5/2", "not a number"),
        ("1/2e3", "not a number"),
        ("--1", "not a number"),
        ("+-1", "not a number"),
        ("½", "not a number"),
        ("٣", "not a number"),  # a digit for int(), not one of 0-9
        ("1e", "not a number"),
        ("1e1.5", "not a number"),
        ("1e99999", "not a number"),  # would fill the memory
        ("1e-99999", "not a number"),
        ("1/0", "with denominator zero"),
        ("0/000", "with denominator zero"),
    ],
)
def test_what_is_not_exact_is_refused_by_name(x, words):
    with pytest.raises(NotExactError) as error:
        rational(x, "the entry")
    message = str(error.value)
    assert message.startswith("the entry is ") and words in message
    assert message.isprintable() and len(message) < 300
    assert isinstance(error.value, DetvarError) and isinstance(error.value, TypeError)


def test_a_number_without_a_name():
    with pytest.raises(NotExactError, match="^the number is the boolean True"):
        rational(True)


LONG = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "1" * LONG + "/0",
        "1" * LONG + "/x",
        "1" * LONG + "..",
        "1" * LONG + "e",
        "1" + "0" * LONG + "." + "0" * LONG + "x",
        "x" * LONG,
        " " * LONG + "x",
        "1" + " " * LONG + "x",
        "1/" + " " * LONG + "2" + " " * LONG + "x",
        "." + " " * LONG,
    ],
    ids=lambda text: f"{text[:3]}...{text[-3:]}",
)
def test_long_bad_texts_are_refused_in_linear_time_and_cut(text):
    start = process_time()
    with pytest.raises(NotExactError) as error:
        rational(text)
    assert process_time() - start < 1  # a quadratic search would take minutes
    assert text[:30].strip() in str(error.value) and len(str(error.value)) < 300


def test_the_message_is_one_line_whatever_comes_in():
    numpy = pytest.importorskip("numpy")
    with pytest.raises(NotExactError) as error:
        rational(numpy.array([[1], [2]]))
    assert "\n" not in str(error.value)


def test_the_message_can_show_long_integers():
    with pytest.raises(NotExactError):
        rational([10**5000])
