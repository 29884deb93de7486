"""Intervals of a parameter, what happens between them, and the polynomials whose roots that are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.polynomials import polynomial_text
from detvar.exact.rational import Rational, rational, to_text

End = RealAlgebraic | None

KINDS = {
    "collision": "real points meet",
    "through_zero": "a point passes through the zero matrix",
    "all_zero": "all points of rank 1 run into the zero matrix",
    "curve": "a whole curve of critical points",
    "not_convex": "the loss is not strictly convex",
    "pole": "the data have a pole",
    "between": "the counts differ on the two sides",
    "complex": "only complex points meet or escape",
}
_VERBS = {True: "appear", False: "vanish"}


@dataclass(frozen=True)
class Piece:
    """An open interval of the parameter on which the counts do not change.

    Attributes
    ----------
    low, high : its ends, None for −∞ and ∞
    sample : a rational number inside
    real, minima : the number of real critical points of rank r, and of local minima of ℓ on M_r
        among them; None if that is not known
    reason : why it is not known
    """

    low: End
    high: End
    sample: Rational
    real: int | None
    minima: int | None
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "low": None if self.low is None else self.low.to_json(),
            "high": None if self.high is None else self.high.to_json(),
            "sample": to_text(self.sample),
            "real": self.real,
            "minima": self.minima,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Any) -> Piece:
        """Return the interval that `to_json` wrote."""
        low, high = (None if data[k] is None else _number(data[k]) for k in ("low", "high"))
        sample = rational(data["sample"], "sample")
        return cls(low, high, sample, *_counts(data), str(data["reason"]))


def _number(data: Any) -> RealAlgebraic:
    return RealAlgebraic.from_json(data, "an end of an interval")


def _counts(data: Any) -> tuple[int | None, int | None]:
    real, minima = (None if data[k] is None else int(data[k]) for k in ("real", "minima"))
    return real, minima


@dataclass(frozen=True)
class Event:
    """A value of the parameter where the real critical points change, or might have.

    Attributes
    ----------
    low, high : ends of an interval that holds it; equal if it is known exactly
    kind : a word of `KINDS`
    real, minima : the counts at the value itself; None if that is not known, or infinite
    multiple : {e: how many real points there are of multiplicity e ≥ 2}; their Hessian is singular
    before, after : the numbers of real points on the two sides
    """

    low: RealAlgebraic
    high: RealAlgebraic
    kind: str
    real: int | None = None
    minima: int | None = None
    multiple: tuple[tuple[int, int], ...] = ()
    before: int | None = None
    after: int | None = None

    @property
    def value(self) -> RealAlgebraic | None:
        """The value itself, None if only a bracket is known."""
        return self.low if self.low is self.high or self.low == self.high else None

    @property
    def change(self) -> int | None:
        """Real points after minus real points before; None if one of them is not known."""
        return None if self.before is None or self.after is None else self.after - self.before

    def sentence(self) -> str:
        """Return what happens, in words, as the parameter grows."""
        if self.kind == "between":
            change = self.change
            if change:
                return f"{abs(change)} real points {_VERBS[change > 0]}"
            return "the number of minima changes"
        if self.kind not in ("collision", "through_zero"):
            return KINDS[self.kind]
        parts = [KINDS["through_zero"]] if self.kind == "through_zero" else []
        if self.change:
            parts.append(f"{abs(self.change)} real points {_VERBS[self.change > 0]}")
        parts += [
            f"{'one has' if k == 1 else f'{k} have'} multiplicity {e} here"
            for e, k in self.multiple
        ]
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "low": self.low.to_json(),
            "high": self.high.to_json(),
            "kind": self.kind,
            "real": self.real,
            "minima": self.minima,
            "multiple": [list(x) for x in self.multiple],
            "before": self.before,
            "after": self.after,
        }

    @classmethod
    def from_json(cls, data: Any) -> Event:
        """Return the event that `to_json` wrote."""
        multiple = tuple((int(e), int(k)) for e, k in data["multiple"])
        sides = (None if data[k] is None else int(data[k]) for k in ("before", "after"))
        ends = (_number(data["low"]), _number(data["high"]))
        if data["kind"] not in KINDS:
            raise InputError(f"kind must be one of {', '.join(KINDS)}")
        return cls(*ends, data["kind"], *_counts(data), multiple, *sides)


@dataclass(frozen=True)
class Factor:
    """An irreducible factor of a discriminant, a polynomial in the parameter.

    Attributes
    ----------
    coefficients : integers, from low to high degree
    multiplicity : in the discriminant of the directions; 0 if it comes from elsewhere
    origins : "collision", "zero", "curve", "escape", "border", "pole": where it comes from
    real_roots : how many real roots it has, inside and outside of the interval
    """

    coefficients: tuple[int, ...]
    multiplicity: int
    origins: tuple[str, ...]
    real_roots: int

    def text(self, parameter: str = "t") -> str:
        """Return the polynomial as text."""
        integers = [rational(c).p for c in self.coefficients]
        return polynomial_text(integers).replace("x", parameter)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "coefficients": [str(c) for c in self.coefficients],
            "multiplicity": self.multiplicity,
            "origins": list(self.origins),
            "real_roots": self.real_roots,
        }

    @classmethod
    def from_json(cls, data: Any) -> Factor:
        """Return the factor that `to_json` wrote."""
        coefficients = tuple(int(c) for c in data["coefficients"])
        origins = tuple(str(x) for x in data["origins"])
        return cls(coefficients, int(data["multiplicity"]), origins, int(data["real_roots"]))
