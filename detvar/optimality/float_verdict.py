"""What is proved about floating-point weights, in words, formulas and JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact.latex import displayed, floating, words
from detvar.exact.rational import versions
from detvar.optimality.nearby import NearbyPoint
from detvar.optimality.words import membership, rounded

Interval = tuple[float, float]
_INTERVALS = ("value", "minimum", "gap", "relative_gap", "gradient", "curvature")
_PLAIN = ("answer", "tier", "reason", "looks_like", "published", "arithmetic", "seconds")


@dataclass(frozen=True)
class FloatVerdict:
    """Whether floating-point weights are at a global minimum, with what is proved.

    Attributes
    ----------
    answer : True: L(θ) ≤ min L + `tolerance`·L(0), and no true saddle is proved nearby;
        False: L(θ) is higher, and either a true critical point that is not global is nearby, or
        L(θ) is higher by √`tolerance`·L(0) and W̄ is not near a global minimum;
        None: undecided, such as weights near a global minimum that have not converged
    tier : "certified" if the answer is proved, and for True also that a true global minimum lies
        within the stated distance; "numerical" if True rests on the tolerance alone. All intervals
        and facts are proved in both tiers
    reason : one sentence
    tolerance : the relative tolerance of the answer
    value, minimum, gap, relative_gap : intervals that contain L(θ), min L, their difference and
        the difference divided by L(0); the last three None where min L is not known
    gradient : interval that contains ‖∇L(θ)‖, over the trained entries
    curvature : interval that contains d²L along a direction of size 1, if negative
    nearby : a true critical point proved to be near, or None
    looks_like : the label that singular values suggest at the tolerance, not proved
    facts : what is proved, in sentences
    published : the numerical test of Yun, Sra and Jadbabaie, in words, or None
    arithmetic : "balls" or "float64", by which the intervals are proved
    seconds : how long it took
    """

    answer: bool | None
    tier: str
    reason: str
    tolerance: float
    value: Interval
    minimum: Interval | None
    gap: Interval | None
    relative_gap: Interval | None
    gradient: Interval
    curvature: Interval | None
    nearby: NearbyPoint | None
    looks_like: str | None
    facts: tuple[str, ...]
    published: str | None
    arithmetic: str
    seconds: float

    @property
    def nature(self) -> str | None:
        """The proved nature of the true critical point nearby; None if there is none."""
        return None if self.nearby is None else self.nearby.nature

    @property
    def _title(self) -> str:
        says = {True: "at a global minimum", False: "not at a global minimum", None: "undecided"}
        return f"{says[self.answer]} ({self.tier}): {self.reason}."

    def __str__(self) -> str:
        lines = [self._title, *(f"  {fact}" for fact in self.facts)]
        if self.looks_like is not None and self.nearby is None:
            lines.append(f"  looks like (not proved): {self.looks_like.replace('_', ' ')}")
        if self.published is not None:
            lines.append(f"  published test (numerical): {self.published}")
        return "\n".join(lines)

    def to_latex(self) -> str:
        """Return the answer and the intervals as formulas, one below the other."""
        lines = [rf"\text{{{words(self._title)}}}"]
        gap = r"L(\theta) - \min L"
        named: list[tuple[str, Interval | None]] = [
            (r"L(\theta)", self.value),
            (r"\min L", self.minimum),
            (gap, self.gap),
            (rf"\frac{{{gap}}}{{L(0)}}", self.relative_gap),
            (r"\lVert \nabla L(\theta) \rVert", self.gradient),
            (r"\nabla^2 L(\theta)[V, V]", self.curvature),
        ]
        for name, x in named:
            if x is not None:
                note = r",\quad \lVert V \rVert = 1" if x is self.curvature else ""
                lines.append(membership(name, x) + note)
        if self.nearby is not None:
            size = floating(float(rounded((0.0, self.nearby.distance), 3)[1]))
            kind = words(self.nearby.words)
            lines.append(
                rf"\lVert \theta^* - \theta \rVert \le {size},\quad \theta^* \text{{ a {kind}}}"
            )
        body = r" \\ ".join(f"& {line}" for line in lines)
        return rf"\begin{{aligned}} {body} \end{{aligned}}"

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; floats as hexadecimal text, so that they read back bit for bit."""
        out: dict[str, Any] = {
            "kind_of_result": "float_verdict",
            "answer": self.answer,
            "tier": self.tier,
            "reason": self.reason,
            "tolerance": self.tolerance.hex(),
        }
        for name in _INTERVALS:
            x = getattr(self, name)
            out[name] = None if x is None else [x[0].hex(), x[1].hex()]
        return out | {
            "nature": self.nature,
            "nearby": None if self.nearby is None else self.nearby.to_json(),
            "looks_like": self.looks_like,
            "facts": list(self.facts),
            "published": self.published,
            "arithmetic": self.arithmetic,
            "seconds": self.seconds,
            "versions": versions(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FloatVerdict:
        """Return the verdict that `to_json` wrote, bit for bit.

        Raises
        ------
        InputError
            If it is no saved verdict, or a field is missing.
        """
        if not isinstance(data, dict) or data.get("kind_of_result") != "float_verdict":
            raise InputError("this is no saved verdict on float weights: save one with to_json")

        def interval(name: str) -> Any:
            ends = data[name]
            return None if ends is None else (float.fromhex(ends[0]), float.fromhex(ends[1]))

        try:
            near = data["nearby"]
            return cls(
                tolerance=float.fromhex(data["tolerance"]),
                nearby=None if near is None else NearbyPoint.from_json(near),
                facts=tuple(data["facts"]),
                **{name: interval(name) for name in _INTERVALS},
                **{name: data[name] for name in _PLAIN},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"the saved verdict is damaged ({error}): save it again") from None
