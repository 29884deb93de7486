"""One critical point found by tracking, and what is proved of it.

A point is a complex disc around each entry of W that contains exactly one critical point of ℓ
on the matrices of its rank.  From the discs follow reality, the loss, and the Morse index; a real
point whose coordinates are recognised as rational is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

from detvar.errors import InputError
from detvar.exact.inertia import Inertia
from detvar.exact.latex import displayed
from detvar.exact.matrices import Matrix, matrix, to_text_rows
from detvar.exact.rational import Rational, rational, to_text


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
        critical on their own rank only; "complex" for the others. For a network, points of lower
        rank with ∇ℓ ≠ 0 are "strict_saddle": so are all general weights over them
    kind : for a network "pure" or "spurious", what all critical weights over the point are
    rank_is_proved : False for a zero of ∇ℓ on all matrices, critical whatever its rank is, that may
        have a smaller rank than `rank`
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
    kind: str | None = None
    rank_is_proved: bool = True

    @property
    def index(self) -> int | None:
        """The Morse index of ℓ on the matrices of rank e."""
        return None if self.inertia is None else self.inertia.negative

    @property
    def is_certified(self) -> bool:
        """Whether existence and uniqueness in the discs are proved."""
        return self.exact is not None or self.radius < float("inf")

    def rank_text(self) -> str:
        """Return the rank, as a bound where it is not proved."""
        return f"{self.rank}" if self.rank_is_proved else f"≤ {self.rank}"

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
        sign = ""
        if high < 0:
            low, high, sign = -high, -low, "-"
        for places in range(10, -1, -1):  # cut off, not rounded: these digits are certain
            scale = 10**places
            if low >= 0 and floor(low * scale) == floor(high * scale):
                whole, rest = divmod(floor(low * scale), scale)
                return f"{sign}{whole}.{rest:0{places}d}…" if places else f"{sign}{whole}…"
        return "[{:.3g}, {:.3g}]".format(*self.value)

    def to_latex(self) -> str:
        """Return W, its value and its label in LaTeX."""
        from detvar.critical.latex import certified_point

        return certified_point(self)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; floating numbers are written so that they read back bit for bit."""
        out: dict[str, Any] = {
            "rank": self.rank,
            "center": [[[z.real.hex(), z.imag.hex()] for z in row] for row in self.center],
            "radius": self.radius.hex(),
            "is_real": self.is_real,
            "nature": self.nature,
        }
        if self.kind is not None:
            out["kind"] = self.kind
        if not self.rank_is_proved:
            out["rank_is_proved"] = False
        if self.exact is not None:
            out["exact"] = to_text_rows(self.exact)
        if self.exact_value is not None:
            out["exact_value"] = to_text(self.exact_value)
        if self.value is not None:
            out["value"] = [x.hex() for x in self.value]
        if self.inertia is not None:
            out["inertia"] = list(self.inertia)
        return out

    @classmethod
    def from_json(cls, data: Any) -> CertifiedPoint:
        """Return the point that `to_json` wrote, bit for bit; nothing is proved again."""
        try:
            center = tuple(
                tuple(complex(*map(float.fromhex, z)) for z in row) for row in data["center"]
            )
            value = data.get("value")
            signs = data.get("inertia")
            return cls(
                int(data["rank"]),
                center,
                float.fromhex(data["radius"]),
                _bool_or_none(data["is_real"]),
                matrix(data["exact"], "exact") if "exact" in data else None,
                None if value is None else (float.fromhex(value[0]), float.fromhex(value[1])),
                rational(data["exact_value"]) if "exact_value" in data else None,
                None if signs is None else Inertia(*(int(x) for x in signs)),
                str(data["nature"]),
                None if data.get("kind") is None else str(data["kind"]),
                _bool_or_none(data.get("rank_is_proved", True)) is not False,
            )
        except (KeyError, IndexError, TypeError, ValueError, OverflowError, AttributeError):
            raise InputError(
                "points must hold the rank, center, radius, is_real and nature of each point, with "
                "floats in hexadecimal: save the points again"
            ) from None


def _bool_or_none(x: Any) -> bool | None:
    if x is None or isinstance(x, bool):
        return x
    raise TypeError("is_real is true, false or null")


def middle(p: CertifiedPoint) -> float:
    """Return about ℓ(W), infinite where it is not known: a key to sort by."""
    if p.exact_value is not None:
        return float(p.exact_value)
    return float("inf") if p.value is None else (p.value[0] + p.value[1]) / 2
