"""The recorded cases of single weight vectors, word for word as `classify` writes them.

Provenance: every expected word in cases/linear_networks.json was found twice, by the closed
formulas and by symbolic differentiation of L followed by an exact inertia.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detvar.classify import Certificate, check_global_minimum, classify
from detvar.exact.matrices import to_text_rows
from detvar.exact.rational import rational
from detvar.losses import loss_from_json
from detvar.networks.linear import LinearNetwork

CASES = json.loads((Path(__file__).parent / "cases" / "linear_networks.json").read_text())
POINTS = {case["id"]: case for case in CASES if case["kind"] == "classify"}
TESTS = {case["id"]: case for case in CASES if case["kind"] == "global_optimality_test"}
# `nature` there is the answer of second derivatives alone, `resolved` the nature; the series is
# text, compared below
APART = {"nature", "resolved", "reduced_series"}
# Text on paper: what the published criterion says, and its outcome as a word.
SAYS = {
    "B1": ("2.1", "global_minimum"),
    "B2": ("2.1", "saddle"),
    "B3": ("2.2", "global_minimum"),
    "B4": ("2.2", "saddle"),
    "B5": ("2.1", "saddle"),
    "B6": ("2.2", None),
    "B7": ("2.1", "saddle"),
}


def problem_of(case):
    given = case["input"]
    return LinearNetwork(*given["network"]), loss_from_json(given["loss"]), given["weights"]


def test_the_cases_are_all_there() -> None:
    assert (len(POINTS), sorted(TESTS)) == (43, sorted(SAYS))


@pytest.mark.parametrize("name", POINTS)
def test_every_word_of_a_case(name: str) -> None:
    case = POINTS[name]
    expected = case["expected"]
    c = classify(*problem_of(case))
    words = c.to_json()
    assert words["kind_of_result"] == "classification"
    for word, value in expected.items():
        if word not in APART:
            assert words.get(word) == value, word
    assert words["nature"] == expected.get("resolved", expected["nature"])
    # words that the case does not have, for want of a meaning or because they are false
    assert ("kind" in words) == ("kind" in expected)
    assert ("tightened" in words) == ("tightened" in expected)
    assert words.get("is_bad_minimum", False) == expected.get("is_bad_minimum", False)
    if "function_space_inertia" not in expected:
        assert "function_space_inertia" not in words
    assert json.loads(json.dumps(words)) == words
    assert words["reason"] and str(c)


@pytest.mark.parametrize("name", [*POINTS, *TESTS])
def test_certificate_of_a_case(name: str) -> None:
    c = classify(*problem_of((POINTS | TESTS)[name]))
    report = c.certificate.check()
    assert report.ok, report
    data = c.certificate.to_json()
    again = Certificate.from_json(json.loads(json.dumps(data)))
    assert again == c.certificate
    assert again.to_json() == data
    assert again.check() == report


# Second derivatives vanish in one direction; the first term of the loss along the curve that
# the other equations determine was found by SymPy's series of the loss with the other
# coordinates eliminated one by one.
REDUCED = {"D4": (4, -6), "D5": (4, rational("1/8")), "D8": (4, -4)}


@pytest.mark.parametrize("name", REDUCED)
def test_reduced_series_of_a_case(name: str) -> None:
    case = POINTS[name]
    order, stated = REDUCED[name]
    c = classify(*problem_of(case))
    assert case["expected"]["nature"] == "degenerate"
    assert c.reduced.order == order
    assert c.reduced.nullity == 1
    # the coefficient depends on the parameter by a fourth power, the sign does not
    term, monomial = c.reduced.leading.split("*")
    assert monomial == "s1^4"
    ratio = rational(term) / rational(stated)
    assert ratio > 0
    root = rational(round(float(ratio) ** 0.25 * 64)) / 64
    assert root**4 == ratio
    value, coefficient = case["expected"]["reduced_series"].split(" ")[:2]
    assert value == case["expected"]["value"]
    assert coefficient in "+-"


@pytest.mark.parametrize("name", TESTS)
def test_global_optimality(name: str) -> None:
    case = TESTS[name]
    expected = case["expected"]
    verdict = check_global_minimum(*problem_of(case))
    c = verdict.classification
    assert c.nature == expected["nature"]
    assert verdict.answer == (expected["nature"] == "global_minimum")
    assert c.to_json()["value"] == expected["value"]
    assert to_text_rows(c.gradient) == expected["gradient"]
    published = verdict.published
    assert published.assumptions_hold == expected["assumptions_hold"] == (not published.failures)
    assert (published.theorem, published.answer) == SAYS[name]
    wrong = "WRONG" in expected["published_test"]
    assert wrong == (not published.assumptions_hold)
    assert (published.answer == "global_minimum") == (verdict.answer and not wrong)
    assert ("saddle" in expected["published_test"]) == (published.answer in ("saddle", None))
    assert verdict.certificate.check().ok
    assert json.loads(json.dumps(verdict.to_json())) == verdict.to_json()
    assert "published test" in str(verdict)


@pytest.mark.parametrize(
    "name", [n for n, c in POINTS.items() if "is_bad_minimum" in c["expected"]]
)
def test_bad_minimum_has_a_lower_matrix(name: str) -> None:
    c = classify(*problem_of(POINTS[name]))
    lower = c.certificate.evidence["lower_point"]
    assert c.is_bad_minimum
    assert c.loss.value(lower) < c.value
    assert lower.rank() <= c.network.rank_bound
    assert check_global_minimum(c.network, c.loss, c.weights).answer is False
