r"""Which condition implies which, with what constants, and what refutes the others.

An implication may need several premises at once, and properties of f besides.  So reachability is
forward chaining over the rules, not the search of a path: PL gives QG, and Aiming with QG gives
RSI, which gives Aiming, but PL does not give Aiming.

References
----------
H. Karimi, J. Nutini, M. Schmidt (2016), theorem 2; R. Islamov et al. (2024), section 2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from numbers import Real
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError
from detvar.exact import latex
from detvar.exact.rational import Rational
from detvar.landscape.conditions import CONDITIONS
from detvar.landscape.implication_rules import (
    PROPERTIES,
    RULES,
    SHIFT,
    Constants,
    Facts,
    Rule,
    with_consequences,
)

if TYPE_CHECKING:
    from detvar.landscape.implication_witnesses import Witness


@dataclass(frozen=True)
class Step:
    """One application of a rule, with the constants that come out."""

    rule: Rule
    constants: Constants

    def __str__(self) -> str:
        shown = ", ".join(f"{k} = {v}" for k, v in self.constants.items())
        return f"{self.rule}{f': {shown}' if shown else ''}  ({self.rule.reason})"

    def to_latex(self) -> str:
        """Return the rule as math; its constants are part of it."""
        return self.rule.to_latex()


@dataclass(frozen=True)
class Implication:
    """The answer to `implies`: True with a derivation, False with a witness, None if not known.

    Attributes
    ----------
    premise, conclusion : str
    given : tuple of str
    answer : bool or None
    constants : dict
        Of the conclusion, in terms of those of the premise, if the answer is True.
    derivation : tuple of Step
    witness : Witness or None
        A function with the premise and everything given, but without the conclusion.
    """

    premise: str
    conclusion: str
    given: tuple[str, ...]
    answer: bool | None
    constants: Constants = field(default_factory=dict)
    derivation: tuple[Step, ...] = ()
    witness: Witness | None = None

    def __bool__(self) -> bool:
        return self.answer is True

    def __str__(self) -> str:
        given = f", given {', '.join(self.given)}," if self.given else ""
        if self.answer is None:
            return f"{self.premise}{given} → {self.conclusion}: not known"
        if self.witness is not None:
            head = f"{self.premise}{given} does not imply {self.conclusion}: "
            return head + str(self.witness)
        head = f"{self.premise}{given} implies {self.conclusion}"
        return "\n".join([head, *(f"  {step}" for step in self.derivation)])

    def to_latex(self) -> str:
        """Return the derivation, or the witness, as text."""
        if self.answer is None or self.witness is not None:
            return latex.words(str(self))
        return latex.display(*(step.to_latex() for step in self.derivation))

    def to_json(self) -> dict[str, Any]:
        """Return the answer as JSON."""
        return {
            "premise": self.premise,
            "conclusion": self.conclusion,
            "given": list(self.given),
            "answer": self.answer,
            "constants": {k: str(v) for k, v in self.constants.items()},
            "derivation": [str(step) for step in self.derivation],
            "witness": None if self.witness is None else self.witness.name,
        }


def symbols(name: str) -> dict[str, Any]:
    """Return positive SymPy symbols for the constants of a condition."""
    import sympy

    names = {"AB": ("alpha", "beta"), "PL": ("mu",), "OPC": ("mu",), "QCvx": ("theta",)}
    chosen = names.get(name, CONDITIONS[name].constants)
    if name in ("StarCvx", "Invex"):
        chosen = ()
    return {k: sympy.Symbol(k, positive=True) for k in chosen}


def closure(facts: Facts, properties: Iterable[str], setting: Constants) -> dict[str, list[Step]]:
    """Return everything that follows, each with its derivation (empty for the facts themselves).

    Parameters
    ----------
    facts : dict
        Condition → its constants.
    properties : keys of `PROPERTIES`
    setting : dict
        The numbers L and sigma2, if rules use them.
    """
    active = with_consequences(properties)
    known: dict[str, Constants] = dict(facts)
    steps: dict[str, list[Step]] = {name: [] for name in facts}
    changed = True
    while changed:
        changed = False
        for rule in RULES:
            if rule.conclusion in known or (rule.side and rule.side not in active):
                continue
            if not all(p in known for p in rule.premises):
                continue
            constants = rule.constants(known, setting)
            if constants is None:
                continue
            known[rule.conclusion] = constants
            before = [step for p in rule.premises for step in steps[p]]
            steps[rule.conclusion] = [*_distinct(before), Step(rule, constants)]
            changed = True
    return steps


def _distinct(steps: list[Step]) -> list[Step]:
    out: list[Step] = []
    for step in steps:
        if all(step is not other for other in out):
            out.append(step)
    return out


def implies(
    premise: str,
    conclusion: str,
    given: Iterable[str] = (),
    constants: Constants | None = None,
    **setting: Any,
) -> Implication:
    r"""Return whether a condition implies another, with constants, or a function against it.

    Parameters
    ----------
    premise, conclusion : str
        Ids of conditions, such as "PL".
    given : iterable of str
        Further conditions, and properties: "L-smooth", "locally Lipschitz", "unique minimiser",
        "n = 1".
    constants : dict, optional
        The constants of the premise, numbers or SymPy expressions; by default positive symbols.
        A symbol of `given` that has the name of another constant gets its condition as index.
    **setting : L > 0 and sigma2 ≥ 0, by default symbols

    Returns
    -------
    Implication
        Its answer is None where neither the rules nor the witnesses decide.

    Raises
    ------
    InputError
        For an unknown word, or constants that are not those of the premise or out of range.

    Examples
    --------
    >>> print(implies("RSI", "PL", given=["L-smooth"]).constants["mu"])
    mu**2/L
    >>> implies("RSI", "PL").answer is None, implies("PL", "Aim").answer
    (True, False)
    >>> implies("PL", "Aim").witness.check()
    True
    """
    import sympy

    conditions, properties = [], []
    if not isinstance(given, Iterable):
        raise InputError(f"given is {given!r}: give names, such as ['L-smooth']")
    for name in [given] if isinstance(given, str) else given:
        if isinstance(name, str) and name in PROPERTIES:
            properties.append(name)
        else:
            conditions.append(_known(name))
    _known(premise), _known(conclusion)
    numbers = {x: sympy.Symbol(x, positive=True) for x in ("L", "sigma2")}
    if not set(setting) <= set(numbers):
        raise InputError(f"{min(set(setting) - set(numbers))} is no setting: give L or sigma2")
    numbers |= {k: _number(k, v) for k, v in setting.items()}
    facts: dict[str, Constants] = {premise: _constants(premise, constants)}
    for name in conditions:
        if name != premise:
            taken = {str(x) for known in facts.values() for x in known.values()}
            facts[name] = {
                k: sympy.Symbol(f"{k}_{name}", positive=True) if k in taken else x
                for k, x in symbols(name).items()
            }
    words = (*conditions, *properties)
    steps = closure(facts, properties, numbers)
    if conclusion in steps:
        derivation = tuple(steps[conclusion])
        last = derivation[-1].constants if derivation else facts[conclusion]
        return Implication(premise, conclusion, words, True, last, derivation)
    if constants is None:
        from detvar.landscape.implication_witnesses import WITNESSES

        for witness in WITNESSES:
            if witness.refutes((premise, *conditions), properties, conclusion):
                return Implication(premise, conclusion, words, False, witness=witness)
    return Implication(premise, conclusion, words, None)


def _constants(name: str, constants: Constants | None) -> Constants:
    """Return the constants of a condition, checked; symbols by default."""
    default = symbols(name)
    if constants is None:
        return default
    if not isinstance(constants, Mapping) or set(constants) != set(default):
        raise InputError(f"the constants of {name} must be {{{', '.join(default)}}}: give these")
    out = {k: _number(k, v) for k, v in constants.items()}
    if name == "AB" and _sign(out["alpha"] - out["beta"]) not in (1, None):
        raise InputError(f"alpha is {out['alpha']} and beta is {out['beta']}: give alpha > beta")
    return out


def _number(name: str, x: Any) -> Any:
    is_number = isinstance(x, (Real, Rational)) and not isinstance(x, bool)
    if not is_number and not hasattr(x, "free_symbols"):
        raise InputError(f"{name} is {x!r}: give a number or a SymPy expression")
    sign = _sign(x)
    if sign is not None and not (sign > 0 or (sign == 0 and name in ("beta", "e", "sigma2"))):
        least = "a number that is not negative" if name in ("beta", "e", "sigma2") else "one > 0"
        raise InputError(f"{name} is {x}: give {least}")
    return x


def _sign(x: Any) -> int | None:
    """The sign of a number or expression, −1 too where it is no finite real; None: not known."""
    if not hasattr(x, "free_symbols"):
        return 0 if x == 0 else 1 if 0 < x < float("inf") else -1
    if x.is_zero:
        return 0
    if x.is_positive or (x.is_positive is None and x.is_nonnegative):
        return 1
    return -1 if x.is_real is False or x.is_negative or x.is_finite is False else None


def _known(name: str) -> str:
    if not isinstance(name, str) or name not in CONDITIONS:
        raise InputError(
            f"{name!r} is no condition and no property: write one of {', '.join(CONDITIONS)}, or "
            f"of {', '.join(PROPERTIES)}"
        )
    return name


@cache
def matrix(given: tuple[str, ...] = ()) -> Mapping[tuple[str, str], bool | None]:
    """Return the answers for all pairs of conditions.

    >>> answers = matrix(("L-smooth",))
    >>> answers["RSI", "PL"], answers["PL", "Cvx"]
    (True, False)
    """
    return {(a, b): implies(a, b, given).answer for a in CONDITIONS for b in CONDITIONS}


def graph() -> Any:
    """Return the rules as a networkx.MultiDiGraph, with an AND node where premises come together.

    Conditions are nodes of kind "condition"; an AND node has the kind "and" and the name
    "Aim + QG"; edges have the side condition as key, and carry `side`, `only`, `constants`
    (LaTeX), `reason` and `rule`.

    Notes
    -----
    **Validity**: an AND node needs all its predecessors, so that paths are not implications; use
    `implies`.

    Examples
    --------
    >>> g = graph()
    >>> list(g["EB"]["PL"]), sorted(g.predecessors("Aim + QG"))
    (['L-smooth'], ['Aim', 'QG'])
    """
    import networkx as nx

    g = nx.MultiDiGraph()
    for name in CONDITIONS:
        g.add_node(name, kind="condition", title=CONDITIONS[name].name)
    for rule in (*RULES, SHIFT):
        source = " + ".join(rule.premises) or "∅"
        if len(rule.premises) != 1:
            g.add_node(source, kind="and", title="all of them")
            for p in rule.premises:
                if not g.has_edge(p, source):
                    g.add_edge(p, source, "", side="", only="", constants="", reason="", rule=None)
        g.add_edge(
            source,
            rule.conclusion,
            rule.side or rule.only,
            side=rule.side,
            only=rule.only,
            constants=rule.map_latex,
            reason=rule.reason,
            rule=rule,
        )
    return g


def plot(ax: Any = None) -> Any:
    """Draw the digraph; see `implications_plot.plot`."""
    from detvar.landscape.implications_plot import plot as draw

    return draw(ax)
