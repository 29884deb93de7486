"""Certificates: what they say, their way through JSON, and forged ones, which are refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from detvar.errors import DetvarError, InputError, NotExactError
from detvar.exact.rational import rational
from detvar.landscape import examples
from detvar.landscape.finite_sum import FiniteSum, bracket
from detvar.landscape.prove import Certificate, prove, read_landscape_problem
from detvar.landscape.prove.boxes import covered
from detvar.landscape.prove.cases import Setting
from detvar.landscape.prove.reading import landscape_problem
from detvar.landscape.prove.tails import covering
from detvar.landscape.prove.witness import violated_terms

A, B, X = sp.symbols("a b x", real=True)


def net() -> FiniteSum:
    terms = [(A * B - 2) ** 2 / 2, (A * B - sp.Rational(1, 2)) ** 2 / 2]
    return FiniteSum.from_sympy(terms, [A, B], None, [0, 0], name="net")


MAKERS: dict[str, Callable[[], Certificate]] = {
    "sturm": lambda: prove(examples.ex6(), "20.6848", "19.6848", "sturm"),
    "line": lambda: prove(examples.ex1(), "5/2", 2, "sturm"),
    "boxes": lambda: prove(examples.ex2(), 8796687, 8796679, "boxes"),
    "waves": lambda: prove(examples.d1(), "4.88", "3.88"),
    "product": lambda: prove(net(), "7.12", "6.12"),
    "normal": lambda: prove(net(), "7.12", "6.12", "normal"),
    "false": lambda: prove(examples.ex6(), "20.684", "19.684"),
    "false net": lambda: prove(net(), "7.1", "6.1"),
}


def _sos() -> Certificate:
    pytest.importorskip("clarabel", reason="Clarabel is not installed: pip install clarabel")
    return prove(examples.ex6(), "20.6848", "19.6848", "sos")


MAKERS["sos"] = _sos


@cache
def text(name: str) -> str:
    return json.dumps(MAKERS[name]().to_json())


def stored(name: str) -> dict[str, Any]:
    out: dict[str, Any] = json.loads(text(name))
    return out


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_certificate_survives_json_and_proves_its_claim(name: str) -> None:
    data = stored(name)
    again = Certificate.from_json(data)
    assert again.to_json() == data
    assert again.answer is (not name.startswith("false"))
    assert again.verify()
    assert again.problem.name in str(again)
    assert again.to_latex()


# --- forgeries ------------------------------------------------------------------------------------

Forgery = Callable[[dict[str, Any]], Any]


def put(*path: Any) -> Forgery:
    """Set the entry at path[:-1] to path[-1]."""

    def forge(data: dict[str, Any]) -> None:
        place: Any = data
        for key in path[:-2]:
            place = place[key]
        place[path[-2]] = path[-1]

    return forge


def drop(*path: Any) -> Forgery:
    def forge(data: dict[str, Any]) -> None:
        place: Any = data
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]

    return forge


def bump(*path: Any) -> Forgery:
    """Add 1 to the number, or to the number in the text, at a path."""

    def forge(data: dict[str, Any]) -> None:
        place: Any = data
        for key in path[:-1]:
            place = place[key]
        old = place[path[-1]]
        place[path[-1]] = str(sp.Rational(old) + 1) if isinstance(old, str) else old + 1

    return forge


def doubled(data: dict[str, Any]) -> None:
    data["cases"].append(copy.deepcopy(data["cases"][0]))


def unbalanced(data: dict[str, Any]) -> None:
    """Shift weight between 1·y² and y·y, so that Q₀ is no longer ⪰ 0."""
    rows = data["cases"][0]["grams"]["blocks"][0]["gram"]
    rows[0][3] = rows[3][0] = "1000000"


FORGERIES: list[tuple[str, Forgery]] = [
    # the claim
    *(("sturm", put(*p)) for p in (
        ("beta", "19.6846"), ("alpha", "19"), ("alpha", "0"), ("alpha", "-1"), ("beta", "-1"),
        ("beta", "19"), ("beta", "20.6848"), ("answer", False), ("answer", None),
        ("answer", "true"), ("answer", 1), ("method", "oracle"), ("witness", {}), ("cases", {}),
        ("cases", []), ("reason", 3), ("alpha", 20.7), ("problem", {}),
    )),
    # the problem
    ("sturm", put("problem", "minimisers", [["t", "t"]])),
    ("sturm", put("problem", "minimisers", 0, ["1-t", "t"])),
    ("sturm", put("problem", "minimisers", [["t", "t"], ["1-t", "1-t"], ["0", "0"]])),
    ("sturm", put("problem", "lower", ["1", "0"])),
    ("sturm", put("problem", "lower", ["0"])),
    ("sturm", put("problem", "terms", 0, "__import__('os').system('true')")),
    ("sturm", drop("problem", "variables")),
    # cases of each method
    ("sturm", drop("cases", 0)),
    ("sturm", doubled),
    ("sturm", bump("cases", 0, "roots")),
    ("sturm", put("cases", 0, "along", "symmetry")),
    ("sturm", put("cases", 0, "along", "luck")),
    ("sturm", put("cases", 0, "term", 7)),
    ("sturm", put("cases", 0, "term", -1)),
    ("sturm", put("cases", 0, "point", 1)),
    ("sturm", put("cases", 0, "method", "boxes")),
    ("sturm", put("cases", 0, {"term": 0, "point": 0, "method": "normal", "boxes": [1, 1, 1]})),
    ("line", put("beta", "1999/1000")),
    ("line", put("problem", "projection", ["x", "y"])),
    ("line", put("cases", 1, "along", "radial")),
    ("boxes", put("alpha", "8796686")),
    ("boxes", bump("cases", 0, "boxes", 0)),
    ("boxes", put("cases", 0, "boxes", [1])),
    ("boxes", put("cases", 0, "boxes", [])),
    ("boxes", put("cases", 0, "boxes", [True])),
    ("boxes", put("cases", 0, "radius", 1)),
    ("boxes", put("cases", 0, "radius", 3)),
    ("boxes", put("cases", 0, "radius", 0)),
    ("boxes", put("cases", 0, {"term": 0, "point": 0, "method": "sturm", "along": "radial",
                               "roots": 0})),
    ("boxes", put("problem", "constants", 0, "bracket", ["1/2", "3/4"])),
    ("waves", put("alpha", "4.87")),
    ("waves", put("cases", 0, "boxes", 0, 1)),
    ("waves", put("problem", "lower", ["1/100", "1/100"])),
    ("product", put("beta", "6.11")),
    ("product", put("problem", "terms", 0, "(a*b-1/2)**2/2")),
    ("product", drop("cases", 1)),
    ("product", put("cases", 1, "roots", 99)),
    ("normal", put("alpha", "7.11")),
    ("normal", bump("cases", 0, "boxes", 0)),
    ("normal", put("cases", 0, "boxes", [1, 1])),
    ("false", put("answer", True)),
    ("false", put("witness", "point", ["1", "1"])),
    ("false", put("witness", "point", ["1/2", "1/2"])),
    ("false", put("witness", "point", ["1"])),
    ("false", put("witness", "point", ["x", "y"])),
    ("false", put("witness", "terms", [])),
    ("false", put("witness", "terms", [[0, 1]])),
    ("false", put("witness", "terms", [["0", "0"]])),
    ("false", put("witness", None)),
    ("false", put("beta", "20")),
    ("false net", put("witness", "point", ["1", "1"])),
    ("false net", put("witness", "terms", [[0, 1]])),
    ("false net", put("beta", "6.9")),
    # Gram matrices
    ("sos", bump("cases", 0, "grams", "blocks", 0, "gram", 0, 1)),
    ("sos", unbalanced),
    ("sos", put("cases", 0, "grams", "blocks", 1, "gram", 0, 0, "-1")),
    ("sos", put("cases", 0, "grams", "blocks", 1, "gram", 0, 0, "1000000")),
    ("sos", put("cases", 0, "grams", "blocks", 0, "monomials", 0, [9, 9])),
    ("sos", put("cases", 0, "grams", "blocks", 0, "monomials", 0, [1, 0])),
    ("sos", put("cases", 0, "grams", "blocks", 0, "monomials", 0, [0])),
    ("sos", drop("cases", 0, "grams", "blocks", 1)),
    ("sos", drop("cases", 0, "grams", "blocks", 0, "gram", 0)),
    ("sos", put("cases", 0, "grams", [])),
    ("sos", put("cases", 0, "grams", "centre", ["1000000", "0"])),
    ("sos", put("cases", 0, "grams", "centre", ["0"])),
    ("sos", put("beta", "19.6846")),
    ("sos", put("cases", 0, "grams", "blocks", 0, "gram", 0, 0, 0.5)),
]  # fmt: skip


def test_there_are_enough_forgeries() -> None:
    assert len(FORGERIES) >= 70


@pytest.mark.parametrize("k", range(len(FORGERIES)))
def test_a_forged_certificate_is_refused(k: int) -> None:
    name, forge = FORGERIES[k]
    data = stored(name)
    before = json.dumps(data)
    forge(data)
    assert json.dumps(data) != before
    try:
        certificate = Certificate.from_json(data)
    except DetvarError:
        return
    assert not certificate.verify()


def test_every_entry_of_every_gram_matrix_counts() -> None:
    """Moved by 1 and 2 at mirrored places, a matrix that is not symmetric never passes."""
    data = stored("sos")
    grams = data["cases"][0]["grams"]["blocks"]
    for block in range(len(grams)):
        size = len(grams[block]["gram"])
        for i in range(size):
            for j in range(i):
                forged = copy.deepcopy(data)
                bump("cases", 0, "grams", "blocks", block, "gram", i, j)(forged)
                assert not Certificate.from_json(forged).verify()


def test_the_counts_of_a_failed_search_are_no_proof() -> None:
    """With the numbers of boxes that the search for a false claim looks at, it is refused."""
    waves = stored("waves")
    waves["alpha"], waves["beta"] = "4.8", "3.8"
    exact = examples.d1().exact
    assert exact is not None
    setting = Setting.of(exact, "4.8", "3.8")
    answers = []
    for case, entry in zip(setting.cases, waves["cases"], strict=True):
        outcomes = [covered(t, 10_000) for t in covering(setting, case, entry["radius"]) or []]
        answers += [o.answer for o in outcomes]
        entry["boxes"] = [o.boxes for o in outcomes]
    assert False in answers
    assert not Certificate.from_json(waves).verify()


def test_missing_and_additional_fields() -> None:
    data = stored("line")
    for field in data:
        with pytest.raises(InputError):
            Certificate.from_json({k: v for k, v in data.items() if k != field})
    with pytest.raises(InputError):
        Certificate.from_json({**data, "trust": "me"})
    for other in (None, [], "true", 3):
        with pytest.raises(InputError):
            Certificate.from_json(other)


# --- answers and input ----------------------------------------------------------------------------


def test_undecided_says_why() -> None:
    proof = prove(examples.ex6(), 21, 20, "boxes", budget=10)
    assert proof.answer is None and not proof.verify()
    assert "boxes" in proof.reason and "undecided" in str(proof)
    assert Certificate.from_json(proof.to_json()).answer is None


@pytest.mark.parametrize(
    ("alpha", "beta", "word"),
    [(1, 1, "alpha > beta"), (1, 2, "alpha > beta"), (1, -1, "≥ 0"), (0, 0, "alpha > beta")],
)
def test_pairs_that_are_none(alpha: int, beta: int, word: str) -> None:
    with pytest.raises(InputError, match=word):
        prove(examples.ex6(), alpha, beta)


def test_other_bad_input() -> None:
    with pytest.raises(NotExactError):
        prove(examples.ex6(), 21.0, 20)
    with pytest.raises(InputError, match="method"):
        prove(examples.ex6(), 21, 20, "luck")
    with pytest.raises(InputError, match="budget"):
        prove(examples.ex6(), 21, 20, budget=0)
    with pytest.raises(InputError, match="tail"):
        prove(examples.ex6(), 21, 20, tail=0)
    numeric = FiniteSum("f", 1, 1, lambda x: x**2, lambda x: 2 * x[..., None], [0.0])
    with pytest.raises(InputError, match="formulas"):
        prove(numeric, 1, 0)


EX6 = {
    "variables": ["x", "y"],
    "terms": ["(x^2+y^2)/(1+x^2+y^2)", "((x-1)^2+(y-1)^2)/(1+(x-1)^2+(y-1)^2)"],
    "constants": [
        {"name": "t", "equation": "4*t^4-8*t^3+12*t^2-8*t+1", "bracket": ["0.15", "0.17"]}
    ],
    "minimisers": [["t", "t"], ["1-t", "1-t"]],
    "lower": ["0", "0"],
    "alpha": "21",
    "beta": "20",
}


def test_a_problem_file(tmp_path: Path) -> None:
    path = tmp_path / "ex6.json"
    path.write_text(json.dumps(EX6), encoding="utf-8")
    problem = read_landscape_problem(path)
    assert problem.prove().answer is True
    assert problem.to_latex()
    path.write_text(json.dumps({**EX6, "alpha": "20.684", "beta": "19.684"}), encoding="utf-8")
    assert read_landscape_problem(path).prove().answer is False


@pytest.mark.parametrize(
    ("name", "arguments"), [("ex6", {}), ("scalar_net", {"x": ["1", "1"], "y": ["2", "1/2"]})]
)
def test_examples_by_name(name: str, arguments: dict[str, Any]) -> None:
    data = {"example": name, "arguments": arguments, "alpha": "22", "beta": "21"}
    assert landscape_problem(data).prove().answer is True
    nested = {"terms": {"example": name, "arguments": arguments}, "alpha": "22", "beta": "21"}
    assert landscape_problem(nested).prove().answer is True


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"alpha": None}, "alpha"),
        ({"colour": 1}, "colour"),
        ({"terms": ["x +"]}, "x"),
        ({"terms": ["q^2", "x^2"]}, "q"),
        ({"terms": "x^2"}, "terms"),
        ({"terms": []}, "terms"),
        ({"terms": ["__import__('os')", "x"]}, "terms"),
        ({"variables": ["x", "x"]}, "variables"),
        ({"minimisers": [["t"], ["t"]]}, "minimiser"),
        ({"minimisers": [["3", "3"]]}, "minimiser"),
        ({"lower": ["1", "1"]}, "lower"),
        ({"method": "luck"}, "method"),
        ({"budget": "many"}, "budget"),
        ({"example": "ex6"}, "example"),
        ({"constants": [{"name": "t"}]}, "constants"),
        (
            {"constants": [{"name": "t", "equation": "t^2+1", "bracket": ["0", "1"]}]},
            "bracket",
        ),
    ],
)
def test_one_sentence_names_the_field(change: dict[str, Any], word: str) -> None:
    data = {k: v for k, v in {**EX6, **change}.items() if v is not None}
    with pytest.raises(DetvarError) as caught:
        landscape_problem(data).prove()
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"terms": ["(-1)^(1/3)*x^2", "y^2"]},
        {"terms": ["0x10*x^2", "y^2"]},
        {"terms": ["((2^64)^64)*x^2", "y^2"]},
        {"terms": ["((((9^64)^64)^64)^64)^64*x^2", "y^2"]},
        {"terms": ["log(0)*x^2", "y^2"]},
        {"minimisers": 5},
        {"minimisers": []},
        {"minimisers": [["1e400", "0"]]},
        {"minimisers": [["1e9999", "0"]]},
        {"constants": None, "colour": 1},
        {"constants": 5},
        {"constants": [{"name": "t", "equation": "t^2-2", "bracket": 5}]},
        {"constants": [{"name": "t", "equation": "t^2-2", "bracket": ["1"]}]},
        {"minimisers": None, "projection": []},
        {"minimisers": None, "projection": ["log(0)", "y"]},
    ],
)
def test_bad_numbers_and_shapes_are_refused(change: dict[str, Any]) -> None:
    data = {k: v for k, v in {**EX6, **change}.items() if v is not None}
    with pytest.raises(DetvarError):
        landscape_problem(data).prove()


def test_a_huge_alpha_is_no_float() -> None:
    f = FiniteSum.from_sympy([X**2 / (1 + X**2)], [X], [(0,)], [0])
    assert prove(f, 10**400, 10**400 - 1).answer is False


def test_forged_minimisers_with_other_values_prove_nothing() -> None:
    data = stored("sturm")
    data["problem"]["minimisers"][1][1] = "-1"
    assert not Certificate.from_json(data).verify()
    with pytest.raises(InputError, match="witness"):
        Certificate.from_json({**stored("false"), "witness": None})
    with pytest.raises(InputError, match="method"):
        Certificate.from_json({**stored("false"), "method": []})
    data = stored("false")
    data["witness"]["point"][0] = 10**29
    assert str(Certificate.from_json(data))


def test_unreadable_files(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    for content, kind in (
        ("", InputError),
        ("[1]", InputError),
        ('{"alpha": 20.5}', NotExactError),
        ('{"example": "ex9", "alpha": 2, "beta": 1}', InputError),
        ('{"example": "scalar_net", "arguments": {"n": 1}, "alpha": 2, "beta": 1}', InputError),
        ('{"alpha": 2, "beta": 1}', InputError),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(kind):
            read_landscape_problem(path)
    with pytest.raises(InputError, match="no file"):
        read_landscape_problem(tmp_path / "none.json")


# --- premises -------------------------------------------------------------------------------------


def test_a_point_below_the_minimisers_is_refused() -> None:
    f = X**2 - X**3 / 3 + X**4 / 40  # 0 is a local minimum, and f(7) < 0
    wrong = FiniteSum.from_sympy([f], [X], [(0,)], [-20])
    with pytest.raises(InputError, match="minimisers"):
        prove(wrong, 2, 1)


def test_a_projection_that_is_none_is_refused() -> None:
    u = (X + A) ** 2
    right = FiniteSum.from_sympy([u], [X, A], None, [0], projection=((X - A) / 2, (A - X) / 2))
    assert prove(right, 1, 0).answer is True
    # (0, 0) is sent to a minimiser, other points are not
    wrong = FiniteSum.from_sympy([u], [X, A], None, [0], projection=(X, X))
    with pytest.raises(InputError, match="projection"):
        prove(wrong, 1, 0)


def test_two_minimisers_have_the_same_value() -> None:
    # both are critical, and only 2 is a minimiser
    f = (X**2 - 4) ** 2 - (X - 2) ** 2 * (X + 2) ** 3 / 100
    two = FiniteSum.from_sympy([f + (X + 2) ** 2 * (X - 2) ** 4 / 50], [X], [(2,), (-2,)], [-100])
    assert prove(two, 100, 99).answer is not None
    h = X**2 * (X - 3) ** 2 + X**2 * (3 - 2 * X / 3) / 10  # critical at 0 with value 0
    slope = sp.Poly(h.diff(X), X).real_roots()[-1]
    other = FiniteSum.from_sympy([h], [X], [(0,), (slope,)], [-1])
    with pytest.raises(InputError, match="minimisers"):
        prove(other, 100, 99)


def test_one_good_nearest_minimiser_is_enough() -> None:
    """S = {−1, 1}: at the tie x = 0 all terms are fine for p = 1, and the third fails for p = −1.

    With f_i = (x² − 1)² + k_i x, k = (1, 1, −2), ℓ = −4, α = 0.82 and δ = 0.6, F(0) is
    α(k_i + 4) − 5δ − k_i = 0.1, 0.1, 0.64 for p = 1, and 0.46, 0.46, −0.08 for p = −1.
    """
    f = [(X**2 - 1) ** 2 + k * X for k in (1, 1, -2)]
    problem = FiniteSum.from_sympy(f, [X], [(1,), (-1,)], [-4, -4, -4])
    assert problem.exact is not None
    setting = Setting.of(problem.exact, "0.82", "0.22")
    assert violated_terms(setting, [rational(0)]) is None
    assert violated_terms(setting, [rational("-1/100")]) == {1: 2}
    assert violated_terms(setting, [rational("1/100")]) is None
    assert prove(problem, "0.82", "0.22").answer is False


def test_a_lower_bound_above_a_term_is_refused() -> None:
    # the first term is −1/4 at 1/2; both are ≥ 0 at the minimiser 0
    high = FiniteSum.from_sympy([X**2 - X, X**2 + X], [X], [(0,)], [0, 0])
    with pytest.raises(InputError, match="lower"):
        prove(high, 2, 1)
    right = FiniteSum.from_sympy([X**2 - X, X**2 + X], [X], [(0,)], ["-1/4", "-1/4"])
    assert prove(right, 1, 0).answer is True


def test_a_name_means_one_thing() -> None:
    data = {**EX6, "variables": ["t", "y"], "terms": ["t**2 + y**2", "(t-1)**2 + (y-1)**2"]}
    with pytest.raises(DetvarError):
        landscape_problem(data).prove()
    x = sp.Symbol("x", real=True)
    constant = bracket(x, x**2 - 2, 1, 2)
    same = FiniteSum.from_sympy([X**2], [X], [(0,)], [0], constants=[constant])
    with pytest.raises(InputError, match="two things"):
        prove(same, 1, 0)


def test_a_tail_may_be_given() -> None:
    near = prove(examples.ex2(), 8796687, 8796679, "boxes", tail=5)
    far = prove(examples.ex2(), 8796687, 8796679, "boxes", tail=9)
    assert near.answer is True and near.verify()
    assert [e["radius"] for e in near.data] == [8] * 4
    assert [e["radius"] for e in far.data] == [16] * 4
    # too near: around the centre (2, 2) the cube has a ball of radius 2, and p₁ is at 2.83
    assert prove(examples.ex2(), 8796687, 8796679, "boxes", tail=4).answer is None
