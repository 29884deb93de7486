"""`prove`: find a proof that (α, β) holds on the whole space, or a point at which it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detvar.errors import InputError, MissingExtraError
from detvar.exact.rational import Rational, to_text
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.prove import normal_bundle, witness
from detvar.landscape.prove.along import line_of
from detvar.landscape.prove.boxes import covered
from detvar.landscape.prove.cases import Case, Setting
from detvar.landscape.prove.certificate import Certificate
from detvar.landscape.prove.premises import require_premises
from detvar.landscape.prove.sturm import nonnegative
from detvar.landscape.prove.sums_of_squares import holds, propose
from detvar.landscape.prove.tails import covering

METHODS = ("auto", "sturm", "sos", "boxes", "normal")
BUDGET = 200_000
_WHY = {
    "sturm": "it does not reduce to a line on which it holds",
    "sos": "no sum of squares was found",
}
_TRIES = 10  # cubes of growing size, until the behaviour far out is understood


def prove(
    problem: FiniteSum,
    alpha: Any,
    beta: Any,
    method: str = "auto",
    *,
    budget: int = BUDGET,
    tail: int | None = None,
    seed: int = 0,
) -> Certificate:
    """Prove or refute the condition (α, β) for a finite sum of formulas, on all of Rᵈ.

    The claim is ⟨∇fᵢ(x), x − p⟩ ≥ α(fᵢ(x) − fᵢ(p)) − β(fᵢ(x) − fᵢ*) for all x, a nearest
    minimiser p of f, and all i.

    Parameters
    ----------
    problem : FiniteSum with formulas
        Its minimisers (or projection) and lower bounds are taken as they are given; those of
        terms in one product of variables are computed.
    alpha, beta : exact numbers with alpha > beta ≥ 0
    method : "auto", "sturm" (polynomials in one unknown), "sos" (sums of squares), "boxes"
        (branch and bound), "normal" (boxes in the normal bundle, for terms in one product)
    budget : the most boxes to look at
    tail : half of the side of the cube outside of which the behaviour at infinity is used
    seed : for the search for a point of violation

    Returns
    -------
    Certificate
        `answer` is True (proved), False (refuted, with a witness) or None (undecided).

    Raises
    ------
    InputError, NotExactError
        For alpha ≤ beta, negative beta, floats, a problem that the method does not take, or one
        with a point that is certainly below its minimisers or lower bounds.
    MissingExtraError
        If method is "sos" and Clarabel is not installed.

    Notes
    -----
    **Cost**: below a second for two terms in two variables, but for boxes.
    **Validity**: True and False are proved in exact or ball arithmetic, for terms that are
    defined on all of Rᵈ and the minimisers as given; that these are all minimisers is not proved.

    Examples
    --------
    >>> import sympy
    >>> x = sympy.Symbol("x", real=True)
    >>> f = FiniteSum.from_sympy([(x - 1) ** 2 / 2, (x + 1) ** 2 / 2], [x], [(0,)], [0, 0])
    >>> prove(f, 1, 0).answer, prove(f, "99/100", 0).answer
    (True, False)
    """
    if method not in METHODS:
        raise InputError(f'method is "{method}": write one of {", ".join(METHODS)}')
    if type(budget) is not int or budget < 1:
        raise InputError("budget must be a whole number of boxes, at least 1")
    if tail is not None and (type(tail) is not int or not 1 <= tail <= 2**20):
        raise InputError("tail must be a whole number from 1 to 1048576")
    if problem.exact is None:
        raise InputError(
            f"{problem.name} has no formulas, only functions: build it by FiniteSum.from_sympy"
        )
    setting = Setting.of(problem.exact, alpha, beta)
    if setting.is_finite and method != "normal":
        require_premises(problem, setting, seed)
        return _finite(problem, setting, method, budget, tail, seed)
    return _normal(problem, setting, method, budget)


def _finite(
    problem: FiniteSum, setting: Setting, method: str, budget: int, tail: int | None, seed: int
) -> Certificate:
    data: list[dict[str, Any]] = []
    open_cases: list[Case] = []
    guesses: list[Sequence[Rational]] = []
    for case in setting.cases:
        found = None
        if method in ("auto", "sturm"):
            found = _by_sturm(setting, case, guesses)
        if found is None and method == "sos":
            found = _by_squares(setting, case)
        if found is None:
            open_cases.append(case)
        else:
            data.append(found)
    if open_cases:
        guesses += witness.candidates(problem, setting.alpha, setting.beta, seed)
        bad = witness.first_violation(setting, guesses)
        if bad is not None:
            return _refuted(problem, setting, method, *bad)
    for case in open_cases:
        found, why = None, _WHY.get(method, "")
        if method == "auto":
            try:
                found = _by_squares(setting, case)
            except MissingExtraError:
                found = None
        if found is None and method in ("auto", "boxes"):
            found, spent, point, why = _by_boxes(setting, case, budget, tail)
            budget -= spent
            bad = None if point is None else witness.first_violation(setting, [point])
            if bad is not None:
                return _refuted(problem, setting, method, *bad)
        if found is None:
            return _undecided(problem, setting, method, f"term {case.term}: {why}")
        data.append(found)
    used = {str(entry["method"]) for entry in data}
    name = used.pop() if len(used) == 1 else method
    data.sort(key=lambda entry: (entry["point"], entry["term"]))
    return Certificate(True, name, setting.alpha, setting.beta, problem, tuple(data))


def _undecided(problem: FiniteSum, setting: Setting, method: str, why: str) -> Certificate:
    return Certificate(None, method, setting.alpha, setting.beta, problem, reason=why)


def _refuted(
    problem: FiniteSum, setting: Setting, method: str, x: Sequence[Rational], terms: dict[int, int]
) -> Certificate:
    found = {
        "point": [to_text(v) for v in x],
        "terms": [[k, i] for k, i in sorted(terms.items())],
    }
    return Certificate(False, method, setting.alpha, setting.beta, problem, (), found)


def _by_sturm(
    setting: Setting, case: Case, guesses: list[Sequence[Rational]]
) -> dict[str, Any] | None:
    line = line_of(setting, case)
    if line is None:
        return None
    signs = nonnegative(line.polynomial, line.cell, setting.exact.constants)
    if signs.point is not None:
        guesses.append(witness.on_line(setting, line, signs.point))
    if signs.answer is not True:
        return None
    return {
        "term": case.term,
        "point": case.point,
        "method": "sturm",
        "along": line.kind,
        "roots": signs.roots,
    }


def _by_squares(setting: Setting, case: Case) -> dict[str, Any] | None:
    grams = propose(setting, case)
    if grams is None or not holds(setting, case, grams):
        return None
    return {"term": case.term, "point": case.point, "method": "sos", "grams": grams.to_json()}


def _by_boxes(
    setting: Setting, case: Case, budget: int, tail: int | None
) -> tuple[dict[str, Any] | None, int, list[Rational] | None, str]:
    """Return the proof, the number of boxes, a point that seems to violate, and why no proof."""
    spent = 0
    why = "nothing is known about it far out"
    for radius in _radii(setting, tail):
        todo = covering(setting, case, radius)
        if todo is None:
            continue
        counts = []
        for task in todo:
            outcome = covered(task, max(1, budget - spent))
            counts.append(outcome.boxes)
            spent += outcome.boxes
            if outcome.answer is not True:
                why = f"{spent} boxes did not decide it"
                break
        else:
            entry = {"term": case.term, "point": case.point, "method": "boxes"}
            return {**entry, "radius": radius, "boxes": counts}, spent, None, ""
        if len(counts) == len(todo):  # the last one is the cube
            return None, spent, None if outcome.point is None else list(outcome.point), why
        if case.polynomial is not None or spent >= budget:
            break
    return None, spent, None, why


def _radii(setting: Setting, tail: int | None) -> list[int]:
    """Return powers of 2: from the first one such that the cube holds the minimisers, or `tail`."""
    reach = 1.0 if tail is None else float(tail)
    if tail is None and setting.exact.minimisers is not None:
        for p in setting.points:
            for e in p:
                reach = max(reach, abs(float(setting.exact.ball(e).mid())))
    first = 1
    while first < reach:
        first *= 2
    return [first] if tail is not None else [first * 2**j for j in range(_TRIES)]


def _normal(problem: FiniteSum, setting: Setting, method: str, budget: int) -> Certificate:
    product = normal_bundle.product_of(setting)
    if product is None:
        need = 'give "minimisers", or "projection"'
        if setting.is_finite:
            need = "use another method"
        raise InputError(
            "the minimisers are not known, and the terms are not A(h − Y)² + m in one product h "
            f"of pairs of variables with a mean that is not 0: {need}"
        )
    if method not in ("auto", "sturm", "normal"):
        raise InputError(
            f'method is "{method}", but the minimisers are no finite list: write "sturm" or '
            '"normal"'
        )
    exactly = normal_bundle.exactly(setting, product)
    for decided in exactly:
        if decided.place is not None:
            x = normal_bundle.point_at(setting, product, *decided.place)
            term = normal_bundle.violated_term(setting, product, x)
            if term is not None:
                return _refuted(problem, setting, method, x, {0: term})
    data: list[dict[str, Any]] = []
    for number, decided in enumerate(exactly):
        entry: dict[str, Any] = {"term": decided.term, "point": 0}
        if method == "normal":
            counts: list[int] = []
            for task in normal_bundle.box_tasks(setting, product, number):
                outcome = covered(task, max(1, budget - sum(counts)))
                counts.append(outcome.boxes)
                if outcome.answer is not True:
                    why = f"term {decided.term}: {sum(counts)} boxes did not decide it"
                    return _undecided(problem, setting, method, why)
            entry |= {"method": "normal", "boxes": counts}
        elif decided.signs.answer is True:
            entry |= {"method": "sturm", "along": "product", "roots": decided.signs.roots}
        else:
            why = f"term {decided.term}: no point of violation was proved"
            return _undecided(problem, setting, method, why)
        data.append(entry)
    name = "normal" if method == "normal" else "sturm"
    return Certificate(True, name, setting.alpha, setting.beta, problem, tuple(data))
