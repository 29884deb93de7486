"""A derivation in numbered steps: why a weight vector has the label that `classify` gives it.

Every step is a rule with its numbers; what it says in words follows from these (`explain_words`),
and each number is found again by another route when the derivation is checked (`explain_check`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import fill, indent
from typing import TYPE_CHECKING, Any

from detvar.classify.certificate import Certificate, CheckReport
from detvar.classify.explain_steps import PROOFS, USES, chain
from detvar.classify.explain_words import WORDS
from detvar.errors import DetvarError
from detvar.exact.matrices import Matrix, to_text_rows
from detvar.exact.plain import plain, plain_words
from detvar.exact.rational import Rational, to_text, versions

if TYPE_CHECKING:
    from detvar.classify.point import Classification

_WIDTH = 96


@dataclass(frozen=True)
class Step:
    """One step of a derivation.

    Attributes
    ----------
    rule : which statement it is, a key of `detvar.classify.explain_words.WORDS`
    numbers : what it speaks of, exact
    claim : the sentence, as LaTeX text with formulas between dollars
    formulas : displayed formulas, in LaTeX
    because : a theorem, or how it was computed
    refers : the numbers of the earlier steps it rests on, from 1 on
    """

    rule: str
    numbers: Mapping[str, Any]
    claim: str
    formulas: tuple[str, ...]
    because: str
    refers: tuple[int, ...]

    @classmethod
    def of(cls, rule: str, numbers: Mapping[str, Any], refers: tuple[int, ...] = ()) -> Step:
        """Return the step that a rule makes of its numbers."""
        return cls(rule, numbers, *WORDS[rule](numbers), refers)

    @property
    def latex(self) -> str:
        """The displayed formulas in LaTeX, one on each line."""
        return "\n".join(self.formulas)

    @property
    def text(self) -> str:
        """The displayed formulas as plain text, one on each line."""
        return "\n".join(map(plain, self.formulas))

    def __str__(self) -> str:
        lines = [fill(plain_words(self.claim), _WIDTH)]
        lines += [f"    {line}" for line in self.text.splitlines()]
        return "\n".join([*lines, fill(f"({self.source(plain_words(self.because))})", _WIDTH)])

    def source(self, because: str) -> str:
        """Return a reason, followed by the steps that this one rests on."""
        if not self.refers:
            return because
        many = "step" if len(self.refers) == 1 else "steps"
        return f"{because}; {many} {', '.join(map(str, self.refers))}"

    def to_latex(self) -> str:
        """Return the step as LaTeX text: sentence, displays, source."""
        displays = [f"\\[\n{f}\n\\]" for f in self.formulas]
        return "\n".join([self.claim, *displays, f"({self.source(self.because)})"])

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, with the formulas as text and in LaTeX."""
        return {
            "rule": self.rule,
            "claim": plain_words(self.claim),
            "text": self.text.splitlines(),
            "claim_latex": self.claim,
            "latex": list(self.formulas),
            "because": plain_words(self.because),
            "refers": list(self.refers),
            "numbers": {k: _json(x) for k, x in self.numbers.items()},
        }


@dataclass(frozen=True)
class Explanation:
    """The steps that lead from a network, a loss and weights to a label.

    Attributes
    ----------
    certificate : the problem, the label and its evidence
    steps : the derivation; the last step is the label

    Examples
    --------
    >>> from detvar import LinearNetwork, SquaredLoss, classify
    >>> c = classify(LinearNetwork(1, 1), SquaredLoss([[1]], [[2]]), [[[2]]])
    >>> why = c.explain()
    >>> print(why.steps[-1].claim, why.check().ok)
    $\\theta$ is a pure global minimum of $L$. True
    """

    certificate: Certificate
    steps: tuple[Step, ...]

    @property
    def nature(self) -> str:
        """The label: the nature that the last step states."""
        return str(self.steps[-1].numbers["nature"])

    def check(self) -> CheckReport:
        """Find every number of every step again, by a second route.

        Also checked: that the words say what the numbers say, that the references are those of
        the rules, and that the steps together carry the label.

        Returns
        -------
        CheckReport
            One line for each step; `ok` is False at the first one that fails.

        Notes
        -----
        **Cost**: as `Certificate.check`, and one evaluation of the loss for each entry of G.
        """
        from detvar.classify.explain_check import CHECKS, Problem, conclusion
        from detvar.classify.verify import Refused

        mine = self.certificate
        problem = Problem(mine.network, mine.loss, mine.weights, mine.evidence)
        lines: list[str] = []
        for k, step in enumerate(self.steps, start=1):
            try:
                if step.rule not in WORDS:
                    raise Refused(f"{step.rule} is no rule")
                self._require_words(k, step)
                if step.rule == "conclusion":
                    self._require_proof(k)
                    conclusion(problem, step.numbers, mine)
                else:
                    CHECKS[step.rule](problem, step.numbers)
            except (Refused, DetvarError) as error:
                return CheckReport(False, (*lines, f"refused: step {k} ({step.rule}): {error}"))
            except (TypeError, ValueError, LookupError, AttributeError):
                broken = f"refused: step {k} ({step.rule}): a number is missing or of a wrong kind"
                return CheckReport(False, (*lines, broken))
            lines.append(f"step {k}, {step.rule.replace('_', ' ')}: found again")
        if not self.steps or self.steps[-1].rule != "conclusion":
            return CheckReport(False, (*lines, "refused: the last step is no conclusion"))
        return CheckReport(True, tuple(lines))

    def _require_words(self, k: int, step: Step) -> None:
        from detvar.classify.verify import Refused

        before = [s.rule for s in self.steps[: k - 1]]
        if step != Step.of(step.rule, step.numbers, _references(step.rule, before, self.nature)):
            raise Refused("the words are not those of the numbers")
        if step.rule in before:
            raise Refused("the step occurs twice")

    def _require_proof(self, k: int) -> None:
        from detvar.classify.verify import Refused

        before = {s.rule for s in self.steps[: k - 1]}
        if k != len(self.steps):
            raise Refused("steps follow the conclusion")
        if not any(needed <= before for needed in PROOFS.get(self.nature, ())):
            raise Refused("the steps before it do not carry the label")

    def __str__(self) -> str:
        return numbered_text(self.steps)

    def to_latex(self) -> str:
        """Return the derivation as an enumerate environment with displayed formulas."""
        return numbered_latex(self.steps)

    def _repr_markdown_(self) -> str:
        return numbered_markdown(self.steps)

    def _repr_html_(self) -> str:
        return numbered_html(self.steps)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form: the steps, and the certificate."""
        return {
            "kind_of_result": "explanation",
            "nature": self.nature,
            "steps": [s.to_json() for s in self.steps],
            "certificate": self.certificate.to_json(),
            "versions": versions(),
        }


def numbered_text(steps: Sequence[Step]) -> str:
    """Return numbered steps as plain text."""
    out = []
    for k, step in enumerate(steps, start=1):
        out.append(f"{k}. ".rjust(4) + indent(str(step), "    ")[4:])
    return "\n".join(out)


def numbered_latex(steps: Sequence[Step]) -> str:
    """Return numbered steps as an enumerate environment."""
    items = "\n".join(f"\\item {s.to_latex()}" for s in steps)
    return f"\\begin{{enumerate}}\n{items}\n\\end{{enumerate}}"


def numbered_markdown(steps: Sequence[Step]) -> str:
    """Return numbered steps as Markdown with formulas between dollars."""
    out = []
    for k, s in enumerate(steps, start=1):
        displays = "".join(f"\n\n   $${f}$$" for f in s.formulas)
        out.append(f"{k}. {s.claim}{displays}\n\n   *({s.source(s.because)})*")
    return "\n\n".join(out)


def numbered_html(steps: Sequence[Step]) -> str:
    """Return numbered steps as a list; formulas are plain text, so that it shows anywhere."""
    items = []
    for s in steps:
        formulas = "".join(
            f'<div style="margin:0.3em 2em">{escape(line)}</div>' for line in s.text.splitlines()
        )
        source = escape(s.source(plain_words(s.because)))
        items.append(f"<li>{escape(plain_words(s.claim))}{formulas}<i>({source})</i></li>")
    return f"<ol>{''.join(items)}</ol>"


def explain(c: Classification) -> Explanation:
    """Return the derivation of a classification; see `Classification.explain`."""
    steps: list[Step] = []
    for rule, numbers in chain(c):
        before = [s.rule for s in steps]
        steps.append(Step.of(rule, numbers, _references(rule, before, c.nature)))
    return Explanation(c.certificate, tuple(steps))


def _references(rule: str, before: list[str], nature: str) -> tuple[int, ...]:
    """Return which of the steps before, counted from 1, a rule rests on."""
    if rule == "conclusion":
        carried = {"kind", "lower", "reduced"}
        carried |= next((x for x in PROOFS.get(nature, ()) if x <= set(before)), frozenset())
        return tuple(k for k, name in enumerate(before, start=1) if name in carried)
    uses = USES.get(rule, ())
    if "effective" in before and "effective" in uses:
        uses = tuple(u for u in uses if u not in ("gradient", "ranks", "problem"))
    return tuple(k for k, name in enumerate(before, start=1) if name in uses)


def _json(x: Any) -> Any:
    """Return a number of a step in JSON."""
    if isinstance(x, Rational):
        return to_text(x)
    if isinstance(x, Matrix):
        return to_text_rows(x)
    if isinstance(x, (tuple, list)):
        return [_json(y) for y in x]
    return x.to_json() if hasattr(x, "to_json") else x
