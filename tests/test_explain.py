"""Derivations: every recorded point is explained, and every number of it can be found again.

A derivation is checked by routes that do not use the code which produced it: L multiplied out
over Q[t], LDLᵀ, the characteristic polynomial of the target.  A derivation with one wrong number
is refused, also when its words have been made to fit.
"""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from detvar.classify import classify
from detvar.classify.explain import Explanation, Step
from detvar.classify.explain_check import CHECKS
from detvar.classify.explain_steps import PROOFS, USES
from detvar.classify.explain_words import WORDS
from detvar.critical import critical_locus
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.matrices import Matrix, zeros
from detvar.exact.plain import plain, plain_words
from detvar.exact.rational import Rational
from detvar.losses import (
    ExpressionLoss,
    PowerLoss,
    QuadraticLoss,
    SquaredLoss,
    WeightedSquaredLoss,
    loss_from_json,
)
from detvar.networks.linear import LinearNetwork
from detvar.networks.random import (
    random_critical_weights,
    random_matrix_of_rank,
    random_squared_problem,
)

FILE = Path(__file__).parent / "cases" / "linear_networks.json"
CASES = {
    case["id"]: case
    for case in json.loads(FILE.read_text(encoding="utf-8"))
    if case["kind"] in ("classify", "global_optimality_test")
}
IDENTITY = [[1, 0], [0, 1]]
# what the recorded cases do not have: constant, concave, saddle-shaped and undecided losses
OTHERS = {
    "constant": ((1, 1, 2), SquaredLoss([[0, 0]], IDENTITY), [[[3]], [[1], [2]]]),
    "concave": (
        (2, 1, 2),
        WeightedSquaredLoss([[2, 0], [0, 1]], [[-1, -1], [-1, -1]]),
        [[[1, 0]], [[2], [0]]],
    ),
    "concave-top": ((1, 1), WeightedSquaredLoss([[1]], [[-1]]), [[[1]]]),
    "saddle-shaped": (
        (2, 2),
        WeightedSquaredLoss([[1, 0], [0, 1]], [[1, -1], [1, 1]]),
        [IDENTITY],
    ),
    "not-convex": ((1, 1), ExpressionLoss("w11**4 - 2*w11**2", (1, 1)), [[[1]]]),
    "undecided": ((1, 1), ExpressionLoss("w11**3", (1, 1)), [[[0]]]),
    "degenerate": (  # the reduced function is 3/2 s⁴ + 35 s²t² + 3/2 t⁴: positive, not decided
        (3, 1, 3),
        WeightedSquaredLoss(
            [[1, 0, 0], [0, "1/2", 0], [0, 0, "1/2"]],
            [[1, "1/4", "1/4"], [1, 1, 9], [1, 9, 1]],
        ),
        [[[1, 0, 0]], [[1], [0], [0]]],
    ),
    "bowl": ((2, 2), PowerLoss([[1, 0], [0, 1]], 4), [IDENTITY]),
    "flat": (
        (2, 1, 2),
        QuadraticLoss(
            [[1, 0], [0, 1]],
            [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        ),
        [[[1, 0]], [[1], [0]]],
    ),
    "irrational": (
        (2, 2, 2),
        SquaredLoss(IDENTITY, [[2, 1], [1, 1]]),
        [[[0, 0], [0, 0]], [[0, 0], [0, 0]]],
    ),
    "deep": ((1, 1, 1, 1, 1), SquaredLoss([[1]], [[2]]), [[[0]]] * 4),
    "wide": (
        (12, 1, 12),
        SquaredLoss(
            [[int(i == j) for j in range(12)] for i in range(12)],
            [[int(i == j) * (12 - i) for j in range(12)] for i in range(12)],
        ),
        [[[1] + [0] * 11], [[12]] + [[0]] * 11],
    ),
}


def classified(name: str) -> Any:
    if name in OTHERS:
        widths, loss, weights = OTHERS[name]
        return classify(LinearNetwork(*widths), loss, weights)
    given = CASES[name]["input"]
    return classify(
        LinearNetwork(*given["network"]), loss_from_json(given["loss"]), given["weights"]
    )


@pytest.mark.parametrize("name", [*CASES, *OTHERS])
def test_a_point_is_explained(name: str) -> None:
    c = classified(name)
    why = c.explain()
    report = why.check()
    assert report.ok, report
    assert len(report.lines) == len(why.steps)
    assert why.nature == c.nature == why.steps[-1].numbers["nature"]
    text = str(why)
    assert not re.search(r"[\\${}](?![><])|None|nan|fmpq|\bobject\b", plain_of(text)), text
    assert json.loads(json.dumps(why.to_json()))["nature"] == c.nature
    assert text.count("\n") >= 3 * (len(why.steps) - 1)
    for step in why.steps:
        assert step.claim.endswith("."), step.claim
        assert all(k < why.steps.index(step) + 1 for k in step.refers)


def plain_of(text: str) -> str:
    """The text without the braces of subscripts such as W_{>i}, and of sets."""
    return re.sub(r"_\{[^{}]*\}|\{ℓ\(W\)[^{}]*\}", "", text)


def test_every_rule_is_used_and_can_be_checked() -> None:
    seen = {s.rule for name in (*CASES, *OTHERS) for s in classified(name).explain().steps}
    assert seen == set(WORDS) == set(CHECKS) | {"conclusion"}
    assert set(USES) <= seen
    assert {rule for sets in PROOFS.values() for x in sets for rule in x} <= seen
    natures = {classified(name).nature for name in (*CASES, *OTHERS)}
    assert natures == set(PROOFS)


# --- corruption -----------------------------------------------------------------------------------


def changed(x: Any) -> list[Any]:
    """Wrong values near x, of the same kind."""
    if isinstance(x, bool):
        return [not x]
    if isinstance(x, int):
        return [x + 1]
    if isinstance(x, Rational):
        return [x + 1, x - Rational(1, 3)]
    if isinstance(x, RealAlgebraic):
        return [x + 1]
    if isinstance(x, str):
        return [x + "x"]
    if isinstance(x, Matrix):
        out = []
        for i, j in {(0, 0), (x.nrows() - 1, x.ncols() - 1)}:
            y = Matrix(x.nrows(), x.ncols(), x.entries())
            y[i, j] += 1
            out.append(y)
        return out
    if isinstance(x, (tuple, list)):
        out = [x[1:]] if x else [(1,)]
        for i, y in enumerate(x):
            out += [(*x[:i], z, *x[i + 1 :]) for z in changed(y)]
        return out
    return [1]


def corruptions(why: Explanation) -> list[tuple[str, Explanation]]:
    out = []
    for k, step in enumerate(why.steps):
        for name, x in step.numbers.items():
            for y in changed(x):
                numbers = {**step.numbers, name: y}
                try:
                    new = Step.of(step.rule, numbers, step.refers)
                except (TypeError, ValueError, LookupError, AttributeError):
                    continue  # no words can be made of it
                steps = (*why.steps[:k], new, *why.steps[k + 1 :])
                out.append((f"{step.rule}.{name}", dataclasses.replace(why, steps=steps)))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in (*CASES, *OTHERS) if name != "wide"])
def test_a_wrong_number_is_refused(name: str) -> None:
    why = classified(name).explain()
    found = corruptions(why)
    assert len(found) >= 10
    for what, wrong in found:
        report = wrong.check()
        assert not report.ok, what
        assert report.lines[-1].startswith("refused: step"), report


@pytest.mark.parametrize("name", ["C2", "C12", "D2", "D4", "D12", "C18"])
def test_a_wrong_number_is_refused_in_every_run(name: str) -> None:
    test_a_wrong_number_is_refused(name)


@pytest.mark.parametrize("name", ["C8", "D13"])
def test_wrong_words_are_refused(name: str) -> None:
    why = classified(name).explain()
    for k, step in enumerate(why.steps):
        for field, value in (
            ("claim", step.claim + " Indeed."),
            ("formulas", (*step.formulas, "0=0")),
            ("because", "magic"),
            ("refers", (*step.refers, 1, 1)),
            ("rule", "no_rule"),
        ):
            steps = list(why.steps)
            steps[k] = dataclasses.replace(step, **{field: value})
            report = dataclasses.replace(why, steps=tuple(steps)).check()
            assert not report.ok, (step.rule, field)


@pytest.mark.parametrize("name", ["C1", "C8", "C14", "D1", "D4", "D13", "C18"])
def test_a_missing_step_is_refused(name: str) -> None:
    """Steps that carry the label cannot be left out, nor can one stand twice."""
    why = classified(name).explain()
    needed = next(x for x in PROOFS[why.nature] if x <= {s.rule for s in why.steps})
    for k, step in enumerate(why.steps):
        rest = (*why.steps[:k], *why.steps[k + 1 :])
        again = tuple(
            Step.of(s.rule, s.numbers, tuple(r - (r > k + 1) for r in s.refers if r != k + 1))
            for s in rest
        )
        if step.rule in needed or step.rule == "conclusion":
            assert not dataclasses.replace(why, steps=again).check().ok, step.rule
        twice = (*why.steps[: k + 1], step, *why.steps[k + 1 :])
        assert not dataclasses.replace(why, steps=twice).check().ok
    assert not dataclasses.replace(why, steps=()).check().ok


def test_a_derivation_of_another_point_is_refused() -> None:
    first, second = classified("C8").explain(), classified("C9").explain()
    assert not dataclasses.replace(first, certificate=second.certificate).check().ok
    steps = (*first.steps[:-1], second.steps[-1])
    assert not dataclasses.replace(first, steps=steps).check().ok


# --- numbers that are known otherwise -------------------------------------------------------------


def step_of(why: Explanation, rule: str) -> Step:
    return next(s for s in why.steps if s.rule == rule)


def test_the_curve_out_of_a_flat_saddle() -> None:
    """L = ½(xyz − 1)² at 0: along (ε, ε, ±ε²) it is ½ ∓ ε⁴ + ½ε⁸."""
    step = step_of(classified("C2").explain(), "fiber_curve")
    assert (step.numbers["order"], step.numbers["lower"], step.numbers["upper"]) == (2, -1, 1)
    deep = step_of(classified("deep").explain(), "fiber_curve")
    assert deep.numbers["order"] == 3  # one weight follows, three are moved


def test_the_rank_of_a_kept_singular_value() -> None:
    """diag(2, 1): the matrix diag(0, 1) leaves σ = 2 out, one pair in the wrong order."""
    step = step_of(classified("C9").explain(), "wrong_order")
    assert step.numbers["pairs"] == 1
    assert step.text == "min_s σ_s² = 1 < 4 = max_q σ_q²"


def test_irrational_singular_values_in_closed_form() -> None:
    """[[2, 1], [1, 1]] has the eigenvalues (3 ± √5)/2, with the squares (7 ± 3√5)/2."""
    c = classify(
        LinearNetwork(2, 2, 2, 2), SquaredLoss(IDENTITY, [[2, 1], [1, 1]]), [zeros(2, 2)] * 3
    )
    step = step_of(c.explain(), "singular_values")
    assert r"\frac{7+3\sqrt{5}}{2},\ \frac{7-3\sqrt{5}}{2}" in step.latex
    assert "(7 + 3√5)/2, (7 − 3√5)/2" in step.text


def test_how_it_reads() -> None:
    """The front-page example: a bad local minimum, in twelve lines that a reader can follow."""
    why = classified("D2").explain()
    text = str(why)
    for line in (
        " 1. The network 2-1-2 computes W̄ = W_2 W_1",
        "ℓ(W) = ½Σ_ij λ_ij(w_ij − u_ij)², Λ = [1 3; 3 1], U = [1 0; 0 1/2]",
        "G = ∇ℓ(W̄) = [−1 0; 0 0]",
        "rk W̄ = 1 = r = min(2, 1, 2)",
        "In Q = (3, 0, 0)",
        "θ is a pure local minimum of L, but not a global one.",
    ):
        assert line in text.replace("Σ_ij λ_ij (", "Σ_ij λ_ij("), line


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        (r"W_{>i}^{\top}G\,W_{<j}^{\top}", "W_{>i}ᵀG W_{<j}ᵀ"),
        (r"\begin{pmatrix}-1&0\\0&-\frac{1}{2}\end{pmatrix}\ne 0", "[−1 0; 0 −1/2] ≠ 0"),
        (r"\frac{d^{2}}{dt^{2}}L(\theta+tV)=-1<0", "d²/dt² L(θ + tV) = −1 < 0"),
        (r"\frac{1+\sqrt{5}}{2}", "(1 + √5)/2"),
        (r"a-b-(-c)", "a − b − (−c)"),
        (r"x^{\frac{1}{2}}\quad\text{at }t", "x^(1/2)   at t"),
    ],
)
def test_plain_text_of_a_formula(formula: str, text: str) -> None:
    assert plain(formula) == text


def test_plain_text_refuses_what_it_does_not_know() -> None:
    for formula in (r"\unknown{x}", "{x", "x}", r"\begin{tabular}{c}x\end{tabular}"):
        with pytest.raises(ValueError, match=r"known|ends|brace"):
            plain(formula)
    assert plain_words(r"50\% of $\bar W$ a\_b") == "50% of W̄ a_b"


# --- random points --------------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(2, 1, 2), (3, 2, 3), (2, 2, 2, 2), (3, 2, 2, 3), (2, 3, 1)])
def test_every_family_of_a_locus_is_explained(widths: tuple[int, ...]) -> None:
    """One point of each family: labels as in the locus, which finds them by counting strings."""
    loss, _, _ = random_squared_problem(
        widths[-1], widths[0], [3, 2, 1][: min(widths[0], widths[-1])]
    )
    locus = critical_locus(LinearNetwork(*widths), loss)
    found = locus.symbolic()
    labels = set()
    for c in (*found.components, *found.inner):
        weights = c.random_weights(seed=1)
        why = classify(locus.network, loss, weights).explain()
        assert why.check().ok
        assert why.nature == c.family.nature
        assert step_of(why, "kind").numbers["kind"] == c.family.kind
        assert step_of(why, "hessian").numbers["inertia"] == c.family.inertia
        labels.add(why.nature)
        moved = (
            weights[0] + random_matrix_of_rank(widths[1], widths[0], 1, Random(3)),
            *weights[1:],
        )
        other = classify(locus.network, loss, moved).explain()
        assert other.check().ok
        assert other.nature == "not_critical" or step_of(other, "critical")
    assert "global_minimum" in labels and "strict_saddle" in labels


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
def test_random_critical_weights_are_explained(seed: int) -> None:
    rng = Random(seed)
    widths = [rng.randint(1, 4) for _ in range(rng.randint(3, 5))]
    network = LinearNetwork(*widths)
    values = sorted(rng.choice([0, 1, 1, 2, 3]) for _ in range(min(widths[0], widths[-1])))[::-1]
    loss, _, _ = random_squared_problem(widths[-1], widths[0], values, seed)
    c = classify(network, loss, random_critical_weights(network, loss, seed=seed))
    why = c.explain()
    report = why.check()
    assert report.ok, report
    assert why.nature == c.nature != "not_critical"


@pytest.mark.parametrize("name", ["C2", "D2", "C12"])
def test_in_a_notebook(name: str) -> None:
    why = classified(name).explain()
    html, markdown = why._repr_html_(), why._repr_markdown_()
    assert html.count("<li>") == html.count("</li>") == len(why.steps)
    assert "\\" not in html
    assert "<0" not in html.replace(" ", "")  # signs are escaped
    assert markdown.count("$$") == 2 * sum(len(s.formulas) for s in why.steps)
    assert re.findall(r"(?m)^(\d+)\. ", markdown) == [str(k + 1) for k in range(len(why.steps))]
    data = why.to_json()
    assert [s["rule"] for s in data["steps"]] == [s.rule for s in why.steps]
    assert all(isinstance(line, str) for s in data["steps"] for line in s["text"])
