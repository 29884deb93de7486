"""How many critical points of one rank there must be, how many were found, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact.latex import words

LowerZero = tuple[int, tuple[complex, ...]]


@dataclass(frozen=True)
class RankReport:
    """The count of the critical points of one rank.

    Attributes
    ----------
    rank : e
    expected : how many a generic member of the family has; None if no theorem says so
    source : where that number comes from
    found : certified, pairwise distinct points of rank e
    lower : (chart, coordinates) of further certified zeros of the equations on the resolution
        {(W, C) : Col W ⊂ C}, where W is not proved to have rank e
    lower_real : how many of these are not proved to be non-real
    failed : approximate points that could not be certified
    generic : points that were found over a generic member; 0 without tracking
    paths, lost : paths followed to the loss, and those of the first attempt that did not arrive
    proof : why no point of rank e is missing; None if that is not proved
    real_proof : why no real point of rank e is missing; None if that is not proved
    evidence : what else is known: trace test, budget, interrupts
    """

    rank: int
    expected: int | None
    source: str
    found: int
    lower: tuple[LowerZero, ...] = ()
    lower_real: int = 0
    failed: int = 0
    generic: int = 0
    paths: int = 0
    lost: int = 0
    proof: str | None = None
    real_proof: str | None = None
    evidence: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether it is proved that no point of rank e is missing (see `is_modular`)."""
        return self.proof is not None

    @property
    def was_interrupted(self) -> bool:
        """Whether the user stopped the search."""
        return any("interrupted" in x for x in self.evidence)

    @property
    def is_modular(self) -> bool:
        """Whether that rests on counts modulo primes, which unlucky primes could make wrong."""
        return self.proof is not None and "modulo" in self.proof

    def __str__(self) -> str:
        count = "" if self.expected is None else f" of {self.expected}"
        out = f"rank {self.rank}: {self.found}{count} points certified and pairwise distinct"
        if self.lower:
            out += f", {len(self.lower)} zeros with W of smaller or unproved rank"
        if self.lost:
            out += f", {self.lost} paths did not arrive at first"
        if self.failed:
            out += f", {self.failed} end points not certified"
        end = f"complete: {self.proof}" if self.proof else "not proved complete"
        if self.is_modular:
            end = f"complete up to unlucky primes: {self.proof}"
        if not self.proof and self.real_proof:
            end += f", but no real point is missing: {self.real_proof}"
        return "; ".join([out, *self.evidence, end])

    def to_latex(self) -> str:
        """Return the line as LaTeX text."""
        return f"R{words(str(self))[1:]}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "rank": self.rank,
            "expected": self.expected,
            "source": self.source,
            "found": self.found,
            "lower": [[c, [[z.real.hex(), z.imag.hex()] for z in x]] for c, x in self.lower],
            "lower_real": self.lower_real,
            "failed": self.failed,
            "generic": self.generic,
            "paths": self.paths,
            "lost": self.lost,
            "proof": self.proof,
            "real_proof": self.real_proof,
            "evidence": list(self.evidence),
        }

    @classmethod
    def from_json(cls, data: Any) -> RankReport:
        """Return the report that `to_json` wrote."""
        try:
            counts = {
                name: int(data[name])
                for name in ("rank", "found", "lower_real", "failed", "generic", "paths")
            }
            return cls(
                **counts,
                lost=int(data["lost"]),
                lower=tuple(
                    (int(c), tuple(complex(*map(float.fromhex, z)) for z in x))
                    for c, x in data["lower"]
                ),
                expected=None if data["expected"] is None else int(data["expected"]),
                source=str(data["source"]),
                proof=_text(data["proof"]),
                real_proof=_text(data["real_proof"]),
                evidence=tuple(str(x) for x in data["evidence"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
            raise InputError("ranks must be the list of reports of a saved result") from None


def _text(x: Any) -> str | None:
    return None if x is None else str(x)
