"""The implications between conditions as data: premises, side condition, map of the constants.

Where a rule halves or squares a constant, the reason says by which inequality.

References
----------
H. Karimi, J. Nutini, M. Schmidt (2016), theorem 2; R. Islamov et al. (2024), section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from detvar.exact import latex

Constants = Mapping[str, Any]
Facts = Mapping[str, Constants]

PROPERTIES = {
    "L-smooth": "∇f is Lipschitz with constant L",
    "locally Lipschitz": "∇f is locally Lipschitz",
    "unique minimiser": "S has one point",
    "n = 1": "f is its only term",
}
_FOLLOWS = {"L-smooth": "locally Lipschitz"}


@dataclass(frozen=True)
class Rule:
    """premises (all of them) and the property `side` imply `conclusion`.

    Attributes
    ----------
    premises : tuple of str
    conclusion : str
    side : str
        A key of `PROPERTIES`, or empty.
    map_latex : str
        The constants of the conclusion, in LaTeX.
    reason : str
    only : str
        Which constants of the premise the rule is for, where it is not for all.
    """

    premises: tuple[str, ...]
    conclusion: str
    _map: Callable[[Facts, Constants], Constants | None]
    map_latex: str = ""
    side: str = ""
    reason: str = ""
    only: str = ""

    def constants(self, facts: Facts, setting: Constants) -> Constants | None:
        """Return the constants of the conclusion; None where the rule does not apply to these."""
        return self._map(facts, setting)

    def __str__(self) -> str:
        needs = "; ".join(x for x in (self.side, self.only) if x)
        side = f"  [{needs}]" if needs else ""
        return f"{' + '.join(self.premises) or '∅'} → {self.conclusion}{side}"

    def to_latex(self) -> str:
        """Return the rule as math."""
        left = "+".join(rf"\text{{{latex.words(p)}}}" for p in self.premises) or r"\varnothing"
        over = rf"\xrightarrow{{\text{{{latex.words(self.side)}}}}}" if self.side else r"\to"
        note = rf",\quad {self.map_latex}" if self.map_latex else ""
        return rf"{left}{over}\text{{{latex.words(self.conclusion)}}}{note}"

    _repr_latex_ = latex.displayed


def _half(x: Any) -> Any:
    return x / 2


def _same(name: str, premise: str) -> Callable[[Facts, Constants], Constants | None]:
    return lambda facts, _: {name: facts[premise][name]}


def _none(facts: Facts, setting: Constants) -> Constants:
    return {}


def _if_half(facts: Facts, setting: Constants) -> Constants | None:
    """PL from KL: only the exponent ½."""
    return {"mu": _half(facts["KL"]["c"] ** 2)} if facts["KL"]["exponent"] * 2 == 1 else None


def _root(x: Any) -> Any:
    if hasattr(x, "free_symbols"):
        import sympy

        return sympy.sqrt(x)
    return x**0.5


_SIGMA, _L = "sigma2", "L"
_PL, _SIDE = "locally Lipschitz", "L-smooth"
RULES: tuple[Rule, ...] = (
    Rule(("SC",), "ESC", _same("mu", "SC"), r"\mu", reason="fewer pairs"),
    Rule(("ESC",), "WSC", _same("mu", "ESC"), r"\mu", reason="the pair (x, x_p)"),
    Rule(
        ("ESC",),
        "SC",
        _same("mu", "ESC"),
        r"\mu",
        "unique minimiser",
        "all points have the same projection",
    ),
    Rule(("SC",), "OPC", _same("mu", "SC"), r"\mu", reason="S is a point"),
    Rule(
        ("WSC",),
        "RSI",
        _same("mu", "WSC"),
        r"\mu",
        reason="on [x_p, x] the quotient (f − f*)/t grows at least like μt|x − x_p|²/2, so that "
        "QG(μ) holds too; add the two",
    ),
    Rule(("WSC",), "Aim", lambda f, s: {"theta": 1}, r"\theta=1", reason="drop the square"),
    Rule(("RSI",), "EB", _same("mu", "RSI"), r"\mu", reason="Cauchy–Schwarz"),
    Rule(("RSI",), "QG", _same("mu", "RSI"), r"\mu", reason="integrate along [x_p, x]"),
    Rule(("PL",), "QG", _same("mu", "PL"), r"\mu", _PL, "length of the gradient flow"),
    Rule(("PL",), "EB", _same("mu", "PL"), r"\mu", _PL, "PL and QG"),
    Rule(
        ("EB",),
        "PL",
        lambda f, s: {"mu": f["EB"]["mu"] ** 2 / s[_L]},
        r"\mu^2/L",
        _SIDE,
        "f − f* ≤ L|x − x_p|²/2",
    ),
    Rule(
        ("PL",),
        "KL",
        lambda f, s: {"c": _root(2 * f["PL"]["mu"]), "exponent": Fraction(1, 2)},
        r"c=\sqrt{2\mu},\ \vartheta=\tfrac12",
        reason="take the root",
    ),
    Rule(("KL",), "PL", _if_half, r"\mu=c^2/2", reason="square", only="ϑ = ½"),
    Rule(
        ("KL",),
        "PL",
        lambda f, s: {"mu": _half(f["KL"]["c"] ** 2)},
        r"\mu=c^2/2",
        _SIDE,
        "|∇f|² ≤ 2L(f − f*), while f − f* takes all positive values, so that ϑ = ½",
    ),
    Rule(
        ("RSI",),
        "Aim",
        lambda f, s: {"theta": 2 * f["RSI"]["mu"] / s[_L]},
        r"\theta=2\mu/L",
        _SIDE,
        "f − f* ≤ L|x − x_p|²/2",
    ),
    Rule(
        ("Aim", "QG"),
        "RSI",
        lambda f, s: {"mu": f["Aim"]["theta"] * _half(f["QG"]["mu"])},
        r"\theta\mu/2",
        reason="put one into the other",
    ),
    Rule(
        ("Aim", "QG"),
        "PL",
        lambda f, s: {"mu": f["Aim"]["theta"] ** 2 * f["QG"]["mu"] / 4},
        r"\theta^2\mu/4",
        reason="Cauchy–Schwarz and QG",
    ),
    Rule(
        ("Aim", "EB"),
        "PL",
        lambda f, s: {"mu": f["Aim"]["theta"] * _half(f["EB"]["mu"])},
        r"\theta\mu/2",
        reason="θ(f − f*) ≤ |∇f||x − x_p| ≤ |∇f|²/μ",
    ),
    Rule(("SC",), "Cvx", _none, reason="drop the square"),
    Rule(("Cvx",), "StarCvx", _none, reason="the chords that end in S"),
    Rule(("StarCvx",), "QCvx", lambda f, s: {"theta": 1}, r"\theta=1", reason="t → 0"),
    Rule(("StarCvx",), "Aim", lambda f, s: {"theta": 1}, r"\theta=1", reason="t → 0, x* = x_p"),
    Rule(("QCvx",), "Aim", _same("theta", "QCvx"), r"\theta", "unique minimiser", "x* = x_p"),
    Rule(("Aim",), "QCvx", _same("theta", "Aim"), r"\theta", "unique minimiser", "x* = x_p"),
    Rule(("OPC",), "RSI", _same("mu", "OPC"), r"\mu", reason="then S = {x*}"),
    Rule(("RSI",), "OPC", _same("mu", "RSI"), r"\mu", "unique minimiser", "x* = x_p"),
    *(
        Rule((name,), "Invex", _none, reason="put ∇f(x) = 0")
        for name in ("PL", "KL", "EB", "RSI", "QCvx", "Aim", "OPC")
    ),
    Rule(("Cvx_i",), "Cvx", _none, reason="average over i"),
    Rule(("Cvx_i",), "AB", lambda f, s: {"alpha": 1, "beta": 0}, "(1,0)", reason="y = p"),
    Rule(("Cvx",), "Cvx_i", _none, side="n = 1", reason="one term"),
    Rule(
        ("Aim_i",),
        "AB",
        lambda f, s: {"alpha": f["Aim_i"]["theta"], "beta": 0},
        r"(\theta,0)",
        reason="the definition with β = 0",
    ),
    Rule(
        ("AB",),
        "Aim_i",
        lambda f, s: {"theta": f["AB"]["alpha"]} if f["AB"]["beta"] == 0 else None,
        r"\theta=\alpha",
        reason="the definition with β = 0",
        only="β = 0",
    ),
    Rule(("Aim_i",), "Aim", _same("theta", "Aim_i"), r"\theta", reason="average over i"),
    Rule(
        ("AB",),
        "AAim",
        lambda f, s: {
            "theta": f["AB"]["alpha"] - f["AB"]["beta"],
            "e": f["AB"]["beta"] * s[_SIGMA],
        },
        r"\theta=\alpha-\beta,\ e=\beta\sigma^2",
        reason="average over i",
    ),
    Rule(
        ("AB", "Interp"),
        "Aim",
        lambda f, s: {"theta": f["AB"]["alpha"] - f["AB"]["beta"]},
        r"\theta=\alpha-\beta",
        reason="σ² = 0 in approximate Aiming",
    ),
    Rule(
        ("Aim",), "AAim", lambda f, s: {**f["Aim"], "e": 0}, r"\theta,\ e=0", reason="drop nothing"
    ),
    Rule(
        ("AAim",),
        "Aim",
        lambda f, s: {"theta": f["AAim"]["theta"]} if f["AAim"]["e"] == 0 else None,
        r"\theta",
        reason="the same inequality",
        only="e = 0",
    ),
    Rule((), "Interp", _none, side="n = 1", reason="f* is the minimum of the one term"),
    Rule(
        ("Aim",),
        "AB",
        lambda f, s: {"alpha": f["Aim"]["theta"], "beta": 0},
        r"(\theta,0)",
        "n = 1",
        "one term",
    ),
)
# Feasible pairs come in rays: a rule from AB to itself, of no use in a search.
SHIFT = Rule(
    ("AB",),
    "AB",
    lambda f, s: {k: v + s["t"] for k, v in f["AB"].items()},
    r"(\alpha+t,\beta+t),\ t\ge 0",
    reason="f_i(p) ≥ f_i*",
)


def with_consequences(properties: Iterable[str]) -> set[str]:
    """Return the properties with those that follow from them."""
    active = set(properties)
    return active | {_FOLLOWS[p] for p in active if p in _FOLLOWS}
