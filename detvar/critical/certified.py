"""Critical points found by tracking, and what is proved of each of them.

A point is a complex disc around each entry of W that contains exactly one critical point of ℓ
on the matrices of rank r.  From the discs follow reality, the loss, and the Morse index; a real
point whose coordinates are recognised as rational is replaced by exact data.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

from detvar.exact.inertia import Inertia
from detvar.exact.matrices import Matrix, to_text_rows
from detvar.exact.rational import Rational, to_text, versions
from detvar.exact.text import html_table, text_table
from detvar.losses import Loss
from detvar.varieties import DeterminantalVariety

HEADERS = ("rank", "matrix", "value", "nature", "index")


@dataclass(frozen=True)
class CertifiedPoint:
    """One critical point of ℓ on the matrices of rank exactly `rank`.

    Attributes
    ----------
    rank : e
    center : m×n complex numbers, row by row
    radius : |W_ij − center_ij| ≤ radius for the critical point W, and W is the only one there
    is_real : True or False if proved, otherwise None
    exact : W as an exact matrix when it is rational and was recognised, otherwise None
    value : an interval (low, high) that contains ℓ(W) of a real point; None otherwise
    exact_value : ℓ(W) for an exact point
    inertia : of the Hessian of ℓ on the matrices of rank e, proved; None if not real or not proved
    nature : for real points of rank r "global_minimum", "local_minimum", "strict_saddle",
        "local_maximum" or "undecided" on M_r; "lower_rank" for those of lower rank, which are
        critical on their own rank only; "complex" for the others
    """

    rank: int
    center: tuple[tuple[complex, ...], ...]
    radius: float
    is_real: bool | None
    exact: Matrix | None
    value: tuple[float, float] | None
    exact_value: Rational | None
    inertia: Inertia | None
    nature: str

    @property
    def index(self) -> int | None:
        """The Morse index of ℓ on the matrices of rank e."""
        return None if self.inertia is None else self.inertia.negative

    @property
    def is_certified(self) -> bool:
        """Whether existence and uniqueness in the discs are proved."""
        return self.exact is not None or self.radius < float("inf")

    def matrix_text(self, digits: int = 4) -> str:
        """Return W on one line, exact where it is known exactly."""
        if self.exact is not None:
            return "; ".join(" ".join(row) for row in to_text_rows(self.exact))
        rows = [[self._entry_text(z, digits) for z in row] for row in self.center]
        return "; ".join(" ".join(row) for row in rows)

    def _entry_text(self, z: complex, digits: int) -> str:
        if abs(z) <= self.radius:
            return "0"
        return f"{z.real:.{digits}g}" if self.is_real else f"{z:.{digits}g}"

    def value_text(self) -> str:
        """Return ℓ(W): exact, or the digits on which both ends of the interval agree."""
        if self.exact_value is not None:
            return to_text(self.exact_value)
        if self.value is None:
            return ""
        low, high = (Fraction(x) for x in self.value)
        for places in range(10, -1, -1):  # cut off, not rounded: these digits are certain
            scale = 10**places
            if low >= 0 and floor(low * scale) == floor(high * scale):
                whole, rest = divmod(floor(low * scale), scale)
                return f"{whole}.{rest:0{places}d}…" if places else f"{whole}…"
        return f"[{float(low):.3g}, {float(high):.3g}]"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; floating numbers are written so that they read back bit for bit."""
        out: dict[str, Any] = {
            "rank": self.rank,
            "center": [[[z.real.hex(), z.imag.hex()] for z in row] for row in self.center],
            "radius": self.radius.hex(),
            "is_real": self.is_real,
            "nature": self.nature,
        }
        if self.exact is not None and self.exact_value is not None:
            out["exact"] = to_text_rows(self.exact)
            out["exact_value"] = to_text(self.exact_value)
        if self.value is not None:
            out["value"] = [x.hex() for x in self.value]
        if self.inertia is not None:
            out["inertia"] = list(self.inertia)
        return out


@dataclass(frozen=True)
class CertifiedPoints:
    """The critical points of ℓ on M_r, rank by rank, with the count there must be.

    Attributes
    ----------
    variety : the matrices of rank at most r
    loss : ℓ
    points : all points found, of every rank, real and complex
    expected : {rank: number of critical points of a generic member of the family}
    source : where these numbers come from
    lost : {rank: paths of the first attempt that did not arrive}
    distinct : whether all discs of one rank are proved disjoint
    seed, seconds : of the search
    """

    variety: DeterminantalVariety
    loss: Loss
    points: tuple[CertifiedPoint, ...]
    expected: dict[int, int]
    source: str
    lost: dict[int, int]
    distinct: bool
    seed: int
    seconds: float

    def of_rank(self, rank: int) -> tuple[CertifiedPoint, ...]:
        """Return the points of one rank."""
        return tuple(p for p in self.points if p.rank == rank)

    @property
    def smooth(self) -> tuple[CertifiedPoint, ...]:
        """The points of rank r, where the variety is smooth."""
        return self.of_rank(self.variety.rank)

    @property
    def complex_count(self) -> int:
        """How many certified, pairwise distinct points of rank r there are."""
        return sum(p.is_certified for p in self.smooth) if self.distinct else 0

    @property
    def expected_count(self) -> int:
        """How many there must be for generic data."""
        return self.expected[self.variety.rank]

    @property
    def expected_count_source(self) -> str:
        """Where the expected count comes from."""
        return self.source

    @property
    def is_complete(self) -> bool:
        """Whether on every rank as many certified, distinct points were found as there can be.

        A generic member of the family has that many critical points of the rank. Certified zeros
        are simple, so they persist nearby; if they are as many as the generic ones, all generic
        ones end at them, and the pairs (point, loss) being irreducible there are no others.
        """
        return self.distinct and all(
            sum(p.is_certified for p in self.of_rank(e)) == count
            for e, count in self.expected.items()
        )

    @property
    def real(self) -> tuple[CertifiedPoint, ...]:
        """The points of rank r proved real, by increasing loss."""
        return tuple(sorted((p for p in self.smooth if p.is_real), key=_middle))

    @property
    def minima(self) -> tuple[CertifiedPoint, ...]:
        """The real points of rank r proved to be local minima, by increasing loss."""
        return tuple(p for p in self.real if p.nature in ("global_minimum", "local_minimum"))

    @property
    def certificates(self) -> list[str]:
        """What is proved, in lines."""
        out = []
        for e in sorted(self.expected, reverse=True):
            here = self.of_rank(e)
            done, real = sum(p.is_certified for p in here), sum(bool(p.is_real) for p in here)
            apart = "pairwise distinct" if self.distinct else "not proved distinct"
            out.append(
                f"rank {e}: {done} of {self.expected[e]} points certified, {apart}, {real} real"
            )
        return out

    def rows(self, all_complex: bool = False) -> list[tuple[Any, ...]]:
        """Return the table: real points of every rank, or all points."""
        chosen = [p for p in self.points if p.is_real or all_complex]
        chosen.sort(key=lambda p: (-p.rank, not p.is_real, _middle(p)))
        return [
            (
                p.rank,
                p.matrix_text(),
                p.value_text(),
                p.nature.replace("_", " "),
                "" if p.index is None else p.index,
            )
            for p in chosen
        ]

    def text(self, all_complex: bool = False) -> str:
        """Return the table with a head and a conclusion."""
        v = self.variety
        head = f"Critical points on the {v.rows}×{v.columns} matrices of rank at most {v.rank}"
        table = text_table(HEADERS, self.rows(all_complex))
        if self.is_complete:
            end = f"Complete: the {self.source} is reached on every rank."
        else:
            end = (
                f"Not proved complete: the {self.source} is not reached; for special data the "
                "count can be smaller."
            )
        return "\n".join([head, "", table, "", *self.certificates, end])

    def __str__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return html_table(HEADERS, self.rows())

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind_of_result": "critical_points",
            "variety": [self.variety.rows, self.variety.columns, self.variety.rank],
            "loss": self.loss.to_json(),
            "points": [p.to_json() for p in self.points],
            "expected": {str(e): n for e, n in self.expected.items()},
            "expected_count_source": self.source,
            "complex_count": self.complex_count,
            "is_complete": self.is_complete,
            "distinct": self.distinct,
            "lost": {str(e): n for e, n in self.lost.items()},
            "seed": self.seed,
            "seconds": self.seconds,
            "versions": versions(),
        }


def _middle(p: CertifiedPoint) -> float:
    if p.exact_value is not None:
        return float(p.exact_value)
    return float("inf") if p.value is None else (p.value[0] + p.value[1]) / 2
