"""Where the number of real critical points changes along a path of data: the answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from detvar.critical.certified import CertifiedPoints
from detvar.critical.discriminants.path import LossPath
from detvar.critical.discriminants.pieces import Event, Factor, Piece
from detvar.critical.points import CriticalPoints, critical_points
from detvar.errors import DetvarError, InputError
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.rational import Rational, rational, to_text, versions
from detvar.exact.text import html_table, text_table
from detvar.varieties import DeterminantalVariety

if TYPE_CHECKING:
    from detvar.critical.bures_wasserstein import BuresWassersteinPoints


@dataclass(frozen=True)
class DiscriminantReport:
    """The real critical points of rank r along a path of data: intervals, and what separates them.

    Attributes
    ----------
    path : t ↦ ℓ_t
    rank : r
    interval : the open interval of t looked at; None for −∞ and ∞
    pieces : the open intervals between the values where something changes, in order
    events : what happens between them, in order
    others : further values that were examined, where no real critical point changes
    factors : of the discriminant; empty without elimination
    complex_count : the number of complex critical points for general t, if it is known
    method : "elimination", which proves that nothing is missing, or "bisection"
    notes : what else is to be said
    seed : of the search
    """

    path: LossPath
    rank: int
    interval: tuple[Rational | None, Rational | None]
    pieces: tuple[Piece, ...]
    events: tuple[Event, ...]
    others: tuple[Event, ...]
    factors: tuple[Factor, ...]
    complex_count: int | None
    method: str
    notes: tuple[str, ...] = ()
    seed: int = 0

    @property
    def is_proved(self) -> bool:
        """Whether the list is proved complete, and every interval is decided."""
        return self.method == "elimination" and all(p.real is not None for p in self.pieces)

    @property
    def values(self) -> tuple[RealAlgebraic, ...]:
        """The exact values at which the real critical points change; brackets are left out."""
        return tuple(e.value for e in self.events if e.value is not None)

    def piece(self, t: Any) -> Piece:
        """Return the interval that holds t.

        Raises
        ------
        InputError
            If t is outside of the interval looked at, or not between the changes.
        """
        x = rational(t, self.path.parameter)
        for p in self.pieces:
            if (p.low is None or p.low < x) and (p.high is None or p.high > x):
                return p
        raise InputError(
            f"{self.path.parameter} = {to_text(x)} is in none of the open intervals: give a value "
            "between two changes"
        )

    def points(
        self, t: Any, *, budget: float = 60.0
    ) -> CriticalPoints | CertifiedPoints | BuresWassersteinPoints:
        """Return all critical points of ℓ_t on the matrices of rank at most r, certified.

        **Cost**: a call of `critical_points`; nothing of it is done before.
        """
        m, n = self.path.shape
        return critical_points(
            DeterminantalVariety(m, n, self.rank),
            self.path.at(t),
            seed=self.seed,
            budget=budget,
            progress=False,
        )

    def check(self) -> list[str]:
        """Recount at the samples and at rational values by another route; see `check_report`."""
        from detvar.critical.discriminants.checking import check_report

        return check_report(self)

    @cached_property
    def _headers(self) -> tuple[str, ...]:
        return (self.path.parameter, "real", "minima", "what happens")

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the table: intervals and events, in order."""
        out: list[tuple[Any, ...]] = []
        for i, p in enumerate(self.pieces):
            if i:
                e = self.events[i - 1]
                out.append((_place(e), _shown(e.real), _shown(e.minima), e.sentence()))
            ends = f"({_end(p.low, '-∞')}, {_end(p.high, '∞')})"
            out.append((ends, _shown(p.real), _shown(p.minima), p.reason))
        return out

    def __str__(self) -> str:
        head = f"Critical points of rank {self.rank} of {self.path}"
        lines = [head, "", text_table(self._headers, self.rows(), align="lrrl"), ""]
        lines += [
            f"{f.text(self.path.parameter)} = 0 at {e.value}"
            for e in self.events
            for f in self.factors
            if e.value is not None and not e.value.is_rational and _is_root(e.value, f)
        ]
        lines += [
            f"at {_place(e)}: {e.sentence()}; the real points do not change" for e in self.others
        ]
        lines += self.notes
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return html_table(self._headers, self.rows())

    def to_latex(self) -> str:
        """Return the path and the table of changes as LaTeX text."""
        from detvar.critical.latex import discriminant_report

        return discriminant_report(self)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind_of_result": "discriminant",
            "path": self.path.to_json(),
            "parameter": self.path.parameter,
            "rank": self.rank,
            "interval": [None if x is None else to_text(x) for x in self.interval],
            "pieces": [p.to_json() for p in self.pieces],
            "events": [e.to_json() for e in self.events],
            "others": [e.to_json() for e in self.others],
            "factors": [f.to_json() for f in self.factors],
            "complex_count": self.complex_count,
            "method": self.method,
            "is_proved": self.is_proved,
            "notes": list(self.notes),
            "seed": self.seed,
            "versions": versions(),
        }

    @classmethod
    def from_json(cls, data: Any) -> DiscriminantReport:
        """Return the report that `to_json` wrote; its claims are read, not proved again.

        Raises
        ------
        InputError
            If the object does not have the saved form.
        """
        try:
            low, high = (None if x is None else rational(x, "interval") for x in data["interval"])
            if data["method"] not in ("elimination", "bisection"):
                raise InputError('method must be "elimination" or "bisection"')
            count = data["complex_count"]
            return cls(
                LossPath.from_json(data["path"], data["parameter"]),
                int(data["rank"]),
                (low, high),
                tuple(Piece.from_json(x) for x in data["pieces"]),
                tuple(Event.from_json(x) for x in data["events"]),
                tuple(Event.from_json(x) for x in data["others"]),
                tuple(Factor.from_json(x) for x in data["factors"]),
                None if count is None else int(count),
                data["method"],
                tuple(str(x) for x in data["notes"]),
                int(data["seed"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            if isinstance(error, DetvarError):
                raise
            raise InputError("the object is no saved discriminant: save it again") from None


def _is_root(x: RealAlgebraic, f: Factor) -> bool:
    return tuple(int(c) for c in x.minimal_polynomial().coeffs()) == f.coefficients


def _end(x: RealAlgebraic | None, infinite: str) -> str:
    return infinite if x is None else str(x)


def _place(e: Event) -> str:
    if e.value is not None:
        return str(e.value)
    return f"in [{float(e.low):.10g}, {float(e.high):.10g}]"


def _shown(x: int | None) -> str:
    return "?" if x is None else str(x)
