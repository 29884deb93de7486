"""What a numerical classification says: label, ranks, and the margin of every decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact.inertia import Inertia
from detvar.exact.latex import displayed
from detvar.exact.rational import versions

_ROOM = 10.0


@dataclass(frozen=True)
class Margin:
    """How clearly one question was decided.

    Attributes
    ----------
    question, answer : in words
    kept : the least number that counts as not zero, in units of its scale; infinite if none does
    dropped : the largest number that counts as zero; 0 if none does
    tolerance : what separates them
    """

    question: str
    answer: str
    kept: float
    dropped: float
    tolerance: float

    @property
    def ratio(self) -> float:
        """The smallest kept number divided by the largest dropped one."""
        return self.kept / self.dropped if self.dropped > 0 else float("inf")

    @property
    def is_clear(self) -> bool:
        """Whether no number lies within a factor of 10 of the tolerance."""
        return self.kept >= _ROOM * self.tolerance and self.dropped * _ROOM <= self.tolerance

    def __str__(self) -> str:
        words = "clear" if self.is_clear else "not clear"
        return f"{self.question}: {self.answer} (kept {self.kept:.3g}, dropped {self.dropped:.3g}, \
{words})"

    def to_latex(self) -> str:
        """Return the question, the answer and the numbers as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self))

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; floats as hexadecimal text."""
        out: dict[str, Any] = {"question": self.question, "answer": self.answer}
        return out | {x: getattr(self, x).hex() for x in ("kept", "dropped", "tolerance")}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Margin:
        """Return what `to_json` wrote."""
        numbers = (float.fromhex(data[x]) for x in ("kept", "dropped", "tolerance"))
        return cls(data["question"], data["answer"], *numbers)


@dataclass(frozen=True)
class NumericalClassification:
    """What kind of critical point float weights look like: not proved, with all margins.

    Attributes
    ----------
    label : a nature as in `Classification`, or "undecided"
    kind : "pure", "spurious" or None where that is not clear or θ is not critical
    rank : numerical rank of W̄ of the network as given, None where nothing was decided
    rank_bound : r of that network
    singular_value_gap : smallest kept divided by the largest dropped singular value of W̄
    gradient_residual : ‖∂L/∂W_i‖ at its largest, relative to its scale
    hessian_inertia : of the Hessian of L in the weights, None where it is not clear or not computed
    hessian_gap : smallest kept divided by the largest dropped absolute eigenvalue, or None
    tolerance : relative to the scale of each number
    margins : of all decisions, in order
    reasons : sentences
    tier : "numerical"
    """

    label: str
    kind: str | None
    rank: int | None
    rank_bound: int
    singular_value_gap: float
    gradient_residual: float
    hessian_inertia: Inertia | None
    hessian_gap: float | None
    tolerance: float
    margins: tuple[Margin, ...]
    reasons: tuple[str, ...]
    tier: str = "numerical"

    @property
    def is_clear(self) -> bool:
        """Whether every question was decided clearly."""
        return all(m.is_clear for m in self.margins)

    def __str__(self) -> str:
        what = self.label.replace("non_strict", "non-strict").replace("_", " ")
        label = what if self.kind is None else f"{self.kind}, {what}"
        lines = [f"{label} (numerical, tolerance {self.tolerance:g}): {'; '.join(self.reasons)}."]
        lines += [f"  {margin}" for margin in self.margins]
        if self.hessian_inertia is not None:
            p, n, z = self.hessian_inertia
            lines.append(f"  Hessian of the weights: {p} positive, {n} negative, {z} zero")
        return "\n".join(lines)

    def to_latex(self) -> str:
        """Return label, reasons and margins as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self).replace("\n", " "))

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; floats as hexadecimal text."""
        inertia = self.hessian_inertia
        return {
            "kind_of_result": "numerical_classification",
            "nature": self.label,
            "kind": self.kind,
            "rank": self.rank,
            "rank_bound": self.rank_bound,
            "singular_value_gap": self.singular_value_gap.hex(),
            "gradient_residual": self.gradient_residual.hex(),
            "hessian_inertia": None if inertia is None else list(inertia),
            "hessian_gap": None if self.hessian_gap is None else self.hessian_gap.hex(),
            "tolerance": self.tolerance.hex(),
            "margins": [m.to_json() for m in self.margins],
            "reasons": list(self.reasons),
            "tier": self.tier,
            "versions": versions(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> NumericalClassification:
        """Return what `to_json` wrote, bit for bit."""
        if data.get("kind_of_result") != "numerical_classification":
            raise InputError("this is no saved numerical classification: save one with to_json")
        inertia, gap = data["hessian_inertia"], data["hessian_gap"]
        return cls(
            data["nature"],
            data["kind"],
            data["rank"],
            data["rank_bound"],
            float.fromhex(data["singular_value_gap"]),
            float.fromhex(data["gradient_residual"]),
            None if inertia is None else Inertia(*inertia),
            None if gap is None else float.fromhex(gap),
            float.fromhex(data["tolerance"]),
            tuple(Margin.from_json(m) for m in data["margins"]),
            tuple(data["reasons"]),
            data["tier"],
        )


class Margins:
    """Decides whether numbers are zero, and keeps the margins."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self.all: list[Margin] = []

    def count(self, question: str, numbers: Any, *, record: bool = True) -> int:
        """Return how many numbers count as not zero."""
        values = sorted((float(x) for x in numbers), reverse=True)
        found = sum(x > self.tolerance for x in values)
        kept = values[found - 1] if found else float("inf")
        dropped = max(values[found], 0.0) if found < len(values) else 0.0
        if record:
            self.all.append(Margin(question, str(found), kept, dropped, self.tolerance))
        return found

    def positive(self, question: str, x: float) -> bool:
        """Say whether one number counts as positive; numbers ≤ 0 count as zero."""
        yes = x > self.tolerance
        kept, dropped = (x, 0.0) if yes else (float("inf"), max(x, 0.0))
        self.all.append(Margin(question, "yes" if yes else "no", kept, dropped, self.tolerance))
        return yes
