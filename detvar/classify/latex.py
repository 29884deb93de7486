r"""Classifications, certificates and verdicts as LaTeX text: sentences, displays, small tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from detvar.exact.latex import display, matrix, number, paragraphs, product, signature, words
from detvar.exact.matrices import Matrix
from detvar.networks.linear import LinearNetwork, Weights

if TYPE_CHECKING:
    from detvar.classify.certificate import Certificate
    from detvar.classify.optimality import PublishedTest, Verdict
    from detvar.classify.point import Classification

_NAMES = {
    "down": (r"L bends downwards along", "V"),
    "up": ("L bends upwards along", "V'"),
    "curve": (r"L is constant, but not critical, along", "V"),
}


def weights_latex(weights: Sequence[Matrix], letter: str = "W") -> str:
    """Return W_1 = …, …, W_h = … in math."""
    parts = [f"{letter}_{{{i}}}={matrix(w)}" for i, w in enumerate(weights, start=1)]
    return r",\quad ".join(parts)


def problem(network: LinearNetwork, loss: Any, weights: Weights) -> str:
    """Return the network, the loss, and the point with its end-to-end matrix."""
    name = product("W", network.depth)
    w = network.end_to_end(weights)
    given = f"The network {network}, $\\bar W={name}$, with the loss"
    point = weights_latex(weights)
    if network.depth > 1:
        point += rf",\quad \bar W={matrix(w)}"
    return f"{given}\n{display(loss.to_latex())}\nat the point\n{display(point)}"


def classification(c: Classification) -> str:
    """See `Classification.to_latex`."""
    nature = words(c.nature.replace("non_strict", "non-strict").replace("_", " "))
    label = nature if c.kind is None else f"{c.kind} and {nature}"
    if c.nature.endswith(("minimum", "maximum", "saddle")):
        label = f"a {c.kind} {nature}"
    if c.is_bad_minimum:
        label = f"{label}, not a global one"
    facts = [
        rf"L(\theta)={number(c.value)}",
        rf"G=\nabla\ell(\bar W)={matrix(c.gradient)}",
        rf"\operatorname{{rk}}\bar W={c.rank}",
        f"r={c.network.rank_bound}",
    ]
    if c.hessian_inertia is not None:
        inertia = signature(c.hessian_inertia)
        facts.append(rf"\operatorname{{In}}\nabla^{{2}}L(\theta)={inertia}")
    if c.function_space_inertia is not None:
        there = rf"\nabla^{{2}}(\ell|_{{\mathcal{{M}}_{{{c.rank}}}}})(\bar W)"
        facts.append(rf"\operatorname{{In}}{there}={signature(c.function_space_inertia)}")
    blocks = [
        problem(c.network, c.loss, c.weights),
        f"This point is \\textbf{{{label}}}: {words(c.reason)}.",
        display(r",\quad ".join(facts[:2]), r",\quad ".join(facts[2:])),
    ]
    if c.reduction is not None and c.reduction.changed:
        shown = "-".join(map(str, c.reduction.widths))
        blocks.append(f"It is decided on the effective network {shown}.")
    return paragraphs(*blocks)


def certificate(c: Certificate) -> str:
    """See `Certificate.to_latex`."""
    claim = words(c.claim.replace("non_strict", "non-strict").replace("_", " "))
    blocks = [problem(c.network, c.loss, c.weights), f"Claim: {claim}. Evidence:"]
    for key, value in c.evidence.items():
        if key in _NAMES:
            sentence, letter = _NAMES[key]
            line = r"\theta+tV" if letter == "V" else r"\theta+tV'"
            blocks.append(f"{sentence.replace('L', '$L$', 1)} ${line}$ with")
            blocks.append(display(weights_latex(value, letter)))
        elif key == "inertia":
            blocks.append(display(rf"\operatorname{{In}}\nabla^{{2}}L(\theta)={signature(value)}"))
        elif key == "lower_point":
            blocks.append(display(rf"W={matrix(value)},\quad \ell(W)<\ell(\bar W)"))
        elif key == "threshold":
            blocks.append(f"The singular values are separated by $\\sigma^{{2}}={number(value)}$.")
        elif key == "derivative":
            layer, row, column = c.evidence["position"]
            where = rf"\partial (W_{{{layer}}})_{{{row + 1},{column + 1}}}"
            blocks.append(display(rf"\frac{{\partial L}}{{{where}}}={number(value)}"))
        elif key == "by":
            blocks.append(f"By: {words(str(value).replace('_', ' '))}.")
    return paragraphs(*blocks)


def published_test(p: PublishedTest) -> str:
    """See `PublishedTest.to_latex`."""
    held = "its assumptions hold" if p.assumptions_hold else words("; ".join(p.failures))
    answer = "not defined" if p.answer is None else words(p.answer.replace("_", " "))
    return (
        f"Theorem {p.theorem} of Yun, Sra and Jadbabaie (2018): {answer}, {words(p.reason)} "
        f"({held})."
    )


def verdict(v: Verdict) -> str:
    """See `Verdict.to_latex`."""
    said = {True: "a global minimum", False: "not a global minimum", None: "undecided"}
    c = v.classification
    blocks = [
        problem(c.network, c.loss, c.weights),
        f"This point is \\textbf{{{said[v.answer]}}}: {words(v.reason)}.",
    ]
    if v.published is not None:
        blocks.append(published_test(v.published))
    return paragraphs(*blocks)
