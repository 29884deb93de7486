"""Why a formula is convex, in one sentence."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from detvar.exact.functions import Function, Key, function_of
from detvar.losses.convexity import Analysis
from detvar.losses.fact import Fact
from detvar.losses.quadratic_parts import terms_of

if TYPE_CHECKING:
    from detvar.homotopy.expression import Graph

_DEEP, _MANY = 3, 4


def convex_reason(graph: Graph, root: int, analysis: Analysis) -> str:
    """Return the rules that prove a formula convex.

    >>> from detvar.homotopy.expression import Graph
    >>> from detvar.losses.convexity import analyse
    >>> g = Graph()
    >>> f = g.add(g.function("softplus", g.input(0)), g.power(g.input(0), 2))
    >>> convex_reason(g, f, analyse(g, f))
    'a sum with weights ≥ 0 of softplus (convex, increasing) of an affine function and an even \
power of an affine function'
    """
    where = "" if analysis.is_total else ", on its domain, which is convex"
    return _described(graph, root, analysis, 0) + where


def open_reason(analysis: Analysis) -> str:
    """Return why convexity is not known."""
    if analysis.fact.convex and not analysis.domain_is_convex:
        return "the domain of the formula is not known to be convex"
    return (
        "the rules of convex calculus do not decide it, and no negative curvature was found at "
        "the matrices that were tried"
    )


def _described(graph: Graph, n: int, analysis: Analysis, depth: int) -> str:
    from detvar.homotopy.expression import DIV, FUNCTION, MUL

    facts, powers = analysis.facts, analysis.powers
    fact = facts.get(n, Fact())
    if fact.constant:
        return "a constant"
    if fact.affine:
        return "an affine function"
    if depth > _DEEP:
        return "a concave function" if fact.concave else "a convex function"
    terms = terms_of(graph, n)
    if len(terms) > 1:
        return _sum(graph, terms, analysis, depth)
    c, k = terms[0]
    if c != 1 or k != n:
        inner = _described(graph, k, analysis, depth + 1)
        return f"{'a multiple' if c > 0 else 'minus a multiple'} of {inner}"
    op, a = graph.op[n], graph.left[n]
    if op == FUNCTION:
        return _applied(graph, graph.key(n), a, analysis, depth)
    if op == DIV:
        return "a quotient of the square of a convex function ≥ 0 by a concave one"
    if op == MUL and (facts[a].constant or facts[graph.right[n]].constant):
        other = graph.right[n] if facts[a].constant else a
        return f"a multiple of {_described(graph, other, analysis, depth + 1)}"
    base = powers.get(n, (n, 1))[0]
    if op == MUL and base != n:
        kind = "an even power" if facts[base].sign == 0 else "a power"
        return f"{kind} of {_described(graph, base, analysis, depth + 1)}"
    return "a product of log-convex functions" if fact.log_convex else "x log x of an affine x"


def _sum(graph: Graph, terms: list[tuple[Fraction, int]], analysis: Analysis, d: int) -> str:
    found: dict[str, None] = {}
    for c, k in terms:
        fact = analysis.facts.get(k, Fact())
        if fact.affine:
            found.setdefault("an affine function")
        elif fact.convex if c > 0 else fact.concave:
            sign = "" if c > 0 else "minus "
            found.setdefault(sign + _described(graph, k, analysis, d + 1))
        else:
            found.setdefault("a quadratic form that is positive semidefinite")
    names = [x for x in found if x != "an affine function"] or list(found)
    if len(names) == 1:
        return f"a sum with weights ≥ 0 of {names[0]}"
    shown = names[:_MANY] if len(names) <= _MANY else [*names[: _MANY - 1], "other such functions"]
    return f"a sum with weights ≥ 0 of {', '.join(shown[:-1])} and {shown[-1]}"


def _applied(graph: Graph, key: Key, a: int, analysis: Analysis, depth: int) -> str:
    f, g = function_of(key), analysis.facts[a]
    inner = _described(graph, a, analysis, depth + 1)
    if key == "log" and g.log_convex and not g.constant:
        return "the logarithm of a sum or product of log-convex functions (log-sum-exp)"
    if isinstance(key, Fraction) and g.root_convex and not g.affine:
        return f"the power {key} of a sum of squares of convex functions ≥ 0"
    return f"{f.name}{_kind(f)} of {inner}"


def _kind(f: Function) -> str:
    whole = [
        word
        for word, regions in (
            ("convex", f.convex),
            ("concave", f.concave),
            ("increasing", f.increasing),
            ("decreasing", f.decreasing),
        )
        if f.domain in regions
    ]
    return f" ({', '.join(whole)})" if whole else ""
