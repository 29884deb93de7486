"""Certificates: a claim (α, β) about a finite sum with what is needed to check it again.

Everything is recomputed from the formulas in rational numbers and balls; the search that found the
proof, floating point and the solver have no part in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detvar.errors import DetvarError, InputError
from detvar.exact.latex import words
from detvar.exact.rational import Rational, rational, to_text
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.prove import normal_bundle
from detvar.landscape.prove.along import KINDS, line_of
from detvar.landscape.prove.boxes import Task, covered
from detvar.landscape.prove.cases import Case, Setting
from detvar.landscape.prove.premises import values_at_minimisers
from detvar.landscape.prove.sturm import nonnegative
from detvar.landscape.prove.sums_of_squares import Grams, holds
from detvar.landscape.prove.tails import covering
from detvar.landscape.prove.witness import violated_terms

KIND = "landscape_certificate"
_FIELDS = {
    "kind_of_result",
    "answer",
    "method",
    "alpha",
    "beta",
    "problem",
    "cases",
    "witness",
    "reason",
}
_CASE_FIELDS = {
    "sturm": {"along", "roots"},
    "sos": {"grams"},
    "boxes": {"radius", "boxes"},
    "normal": {"boxes"},
}
_WORDS = {
    "auto": "several methods",
    "sturm": "signs of polynomials in one unknown",
    "sos": "sums of squares",
    "boxes": "branch and bound in balls",
    "normal": "branch and bound in the normal bundle of the minimisers",
}
_BOXES_LIMIT = 10**7


@dataclass(frozen=True, eq=False)
class Certificate:
    """The answer whether (α, β) holds on all of Rᵈ, with its proof.

    Attributes
    ----------
    answer : True (holds), False (fails at `witness`) or None (undecided)
    method : the method asked for, or the one used where all cases have the same
    alpha, beta : Rational
    problem : FiniteSum
        The claim is about its formulas, minimisers and lower bounds as they are given.
    data : one entry for each term and minimiser, as in JSON
        Gram matrices; the numbers of boxes of a halving along widest sides; kinds of reduction.
    witness : {"point": rationals, "terms": [[minimiser, term], …]}, or None
    reason : why the answer is None

    Examples
    --------
    >>> import sympy
    >>> from detvar.landscape.prove import prove
    >>> x = sympy.Symbol("x", real=True)
    >>> f = FiniteSum.from_sympy([x**2 / (1 + x**2)], [x], [(0,)], [0])
    >>> proof = prove(f, 1, 0)
    >>> print(proof, proof.verify())
    (α, β) = (1, 0) fails at (-2) for term 0 of f True
    """

    answer: bool | None
    method: str
    alpha: Rational
    beta: Rational
    problem: FiniteSum
    data: tuple[dict[str, Any], ...] = ()
    witness: dict[str, Any] | None = None
    reason: str = ""

    def verify(self) -> bool:
        """Recompute the proof in rational numbers and balls; False for an undecided claim too.

        Notes
        -----
        **Cost**: that of the proof without the search for it.
        **Validity**: relative to the minimisers and the lower bounds of `problem`.
        """
        try:
            return self._verified()
        except DetvarError:
            return False

    def _verified(self) -> bool:
        if self.answer is None or self.problem.exact is None:
            return False
        setting = Setting.of(self.problem.exact, self.alpha, self.beta)
        if setting.is_finite:
            values_at_minimisers(setting)
        if self.answer is False:
            return self.witness is not None and _refutes(setting, self.witness)
        if self.witness is not None:
            return False
        if not setting.is_finite:
            return _normal_holds(setting, self.data)
        given = {(e["term"], e["point"]): e for e in self.data}
        wanted = {(c.term, c.point): c for c in setting.cases}
        if len(given) != len(self.data) or set(given) != set(wanted):
            return False
        return all(_case_holds(setting, wanted[key], given[key]) for key in wanted)

    def __str__(self) -> str:
        pair = f"(α, β) = ({self.alpha}, {self.beta})"
        name = self.problem.name
        if self.answer is None:
            return f"{pair} is undecided for {name}: {self.reason}"
        if self.answer:
            count = f"{len(self.data)} case" + "s" * (len(self.data) != 1)
            return f"{pair} holds for {name}, proved by {_WORDS[self.method]} in {count}"
        assert self.witness is not None
        at = ", ".join(map(str, self.witness["point"]))
        terms = ", ".join(sorted({str(i) for _, i in self.witness["terms"]}))
        return f"{pair} fails at ({at}) for term {terms} of {name}"

    __repr__ = __str__

    def to_latex(self) -> str:
        """Return the answer as LaTeX text, with the formulas."""
        return words(str(self)) + "\n\\[\n" + self.problem.to_latex() + "\n\\]"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `from_json` is its inverse."""
        return {
            "kind_of_result": KIND,
            "answer": self.answer,
            "method": self.method,
            "alpha": to_text(self.alpha),
            "beta": to_text(self.beta),
            "problem": self._problem(),
            "cases": list(self.data),
            "witness": self.witness,
            "reason": self.reason,
        }

    def _problem(self) -> dict[str, Any]:
        data = self.problem.to_json()
        assert self.problem.exact is not None
        data["lower"] = [str(x) for x in self.problem.exact.lower]  # part of the claim
        return data

    @classmethod
    def from_json(cls, data: Any) -> Certificate:
        """Read what `to_json` writes; `verify` says whether it proves its claim.

        Raises
        ------
        InputError, NotExactError
            If the object is not of this form.
        """
        if not isinstance(data, Mapping) or set(data) != _FIELDS:
            raise InputError(f"a certificate has the fields {', '.join(sorted(_FIELDS))}")
        if data["kind_of_result"] != KIND:
            raise InputError(f'"kind_of_result" must be "{KIND}"')
        answer, method = data["answer"], data["method"]
        if answer is not None and type(answer) is not bool:
            raise InputError('"answer" must be true, false or null')
        if not isinstance(method, str) or method not in _WORDS:
            raise InputError(f'"method" must be one of {", ".join(_WORDS)}')
        alpha, beta = rational(data["alpha"], "alpha"), rational(data["beta"], "beta")
        problem = FiniteSum.from_json(data["problem"])
        if not isinstance(data["cases"], list):
            raise InputError('"cases" must be a list')
        cases = tuple(_read_case(entry) for entry in data["cases"])
        witness = None if data["witness"] is None else _read_witness(data["witness"], problem)
        if answer is False and witness is None:
            raise InputError('"witness" must be a point where "answer" is false')
        if not isinstance(data["reason"], str):
            raise InputError('"reason" must be a text')
        return cls(answer, method, alpha, beta, problem, cases, witness, data["reason"])


def _read_case(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict) or entry.get("method") not in tuple(_CASE_FIELDS):
        raise InputError(f'each of "cases" needs a "method" among {", ".join(_CASE_FIELDS)}')
    method = entry["method"]
    if set(entry) != {"term", "point", "method"} | _CASE_FIELDS[method]:
        fields = ", ".join(sorted(_CASE_FIELDS[method]))
        raise InputError(f'a case of "{method}" has the fields term, point, method, {fields}')
    whole = [entry["term"], entry["point"]]
    if method == "sturm":
        whole.append(entry["roots"])
        if entry["along"] not in (*KINDS, "product"):
            raise InputError(f'"along" must be one of {", ".join(KINDS)}, product')
    if method in ("boxes", "normal"):
        if not isinstance(entry["boxes"], list) or not entry["boxes"]:
            raise InputError('"boxes" must be a list of numbers of boxes')
        whole += entry["boxes"]
    if method == "boxes":
        whole.append(entry["radius"])
    if not all(type(n) is int and 0 <= n <= _BOXES_LIMIT for n in whole):
        raise InputError(f"the numbers of a case must be whole numbers up to {_BOXES_LIMIT}")
    if method == "boxes" and not entry["radius"]:
        raise InputError('"radius" must be at least 1')
    if method == "sos":
        Grams.from_json(entry["grams"])
    return dict(entry)


def _read_witness(data: Any, problem: FiniteSum) -> dict[str, Any]:
    if not isinstance(data, dict) or set(data) != {"point", "terms"}:
        raise InputError('"witness" needs "point" and "terms", nothing else')
    point, terms = data["point"], data["terms"]
    if not isinstance(point, list) or len(point) != problem.dimension:
        raise InputError(f'the "point" of the witness must have {problem.dimension} entries')
    for v in point:
        rational(v, "a coordinate of the witness")
    if not isinstance(terms, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and all(type(n) is int for n in pair)
        for pair in terms
    ):
        raise InputError('the "terms" of the witness must be pairs [minimiser, term]')
    return dict(data)


# --- checks ---------------------------------------------------------------------------------------


def _refutes(setting: Setting, witness: Mapping[str, Any]) -> bool:
    x = [rational(v) for v in witness["point"]]
    stated = dict(witness["terms"])
    if setting.is_finite:
        return bool(stated) and violated_terms(setting, x) == stated
    product = normal_bundle.product_of(setting)
    if product is None:
        return False
    return stated == {0: normal_bundle.violated_term(setting, product, x)}


def _case_holds(setting: Setting, case: Case, entry: Mapping[str, Any]) -> bool:
    if entry["method"] == "sturm":
        line = line_of(setting, case)
        if line is None or line.kind != entry["along"]:
            return False
        signs = nonnegative(line.polynomial, line.cell, setting.exact.constants)
        return signs.answer is True and signs.roots == entry["roots"]
    if entry["method"] == "sos":
        return holds(setting, case, Grams.from_json(entry["grams"]))
    if entry["method"] != "boxes":
        return False
    todo = covering(setting, case, entry["radius"])
    return todo is not None and _covers(todo, entry["boxes"])


def _covers(todo: list[Task], counts: list[int]) -> bool:
    if len(todo) != len(counts):
        return False
    for task, count in zip(todo, counts, strict=True):
        outcome = covered(task, count)
        if outcome.answer is not True or outcome.boxes != count:
            return False
    return True


def _normal_holds(setting: Setting, data: tuple[dict[str, Any], ...]) -> bool:
    product = normal_bundle.product_of(setting)
    if product is None:
        return False
    given = {e["term"]: e for e in data if e["point"] == 0}
    if len(given) != len(data) or set(given) != {term[0] for term in product.terms}:
        return False
    exactly = normal_bundle.exactly(setting, product)
    for number, decided in enumerate(exactly):
        entry = given[decided.term]
        if entry["method"] == "normal":
            ok = _covers(normal_bundle.box_tasks(setting, product, number), entry["boxes"])
        else:
            stated = (entry["method"], entry.get("along"), entry.get("roots"))
            ok = decided.signs.answer is True and stated == (
                "sturm",
                "product",
                decided.signs.roots,
            )
        if not ok:
            return False
    return True
