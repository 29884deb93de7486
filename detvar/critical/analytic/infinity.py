"""Where a convex loss has its infimum at infinity: separable data and their like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact.matrices import Matrix, matrix, rank, to_text_rows
from detvar.losses import AnalyticLoss


@dataclass(frozen=True)
class AtInfinity:
    """A direction along which a loss decreases for ever.

    Attributes
    ----------
    direction : D, m×n: t ↦ ℓ(W + tD) is strictly decreasing for every W
    reason : why, and what follows, in words
    """

    direction: Matrix
    reason: str

    @property
    def rank(self) -> int:
        """The rank of D."""
        return rank(self.direction)

    def __str__(self) -> str:
        text = "; ".join(" ".join(row) for row in to_text_rows(self.direction))
        return f"infimum not attained along D = [{text}]: {self.reason}"

    def to_latex(self) -> str:
        """Return the direction and the reason as LaTeX text."""
        from detvar.critical.latex import at_infinity

        return at_infinity(self)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"direction": to_text_rows(self.direction), "reason": self.reason}

    @classmethod
    def from_json(cls, data: Any) -> AtInfinity:
        """Return what `to_json` wrote."""
        if not (isinstance(data, dict) and {"direction", "reason"} <= data.keys()):
            raise InputError(
                "at_infinity must hold a direction and a reason: save the points again"
            )
        return cls(matrix(data["direction"], "direction"), str(data["reason"]))


def at_infinity(loss: AnalyticLoss, bound: int) -> AtInfinity | None:
    """Return a direction of rank at most `bound` in which ℓ decreases for ever.

    The recession function of ℓ is not positive along D, so that t ↦ ℓ(W + tD) does not increase;
    being analytic, convex and not constant it decreases strictly, from every W. On all matrices
    there is then no minimum, and no zero of ∇ℓ. Tried are the direction that the linear program
    finds, which has as many positive rows·vec D as can be, and its single rows and columns.
    """
    growth = loss.growth()
    if growth is None:
        return None
    from detvar.losses.growth import Attainment, recession_direction

    found = recession_direction(growth, loss.shape)
    if found is None:
        return None
    for d in (found, *_lines(found)):
        if rank(d) <= bound and Attainment(growth, False, d, None).check():
            return AtInfinity(d, "ℓ(W + tD) decreases strictly in t for every W")
    return None


def _lines(d: Matrix) -> list[Matrix]:
    """Return the rows of D, each with zeros below and above, and the columns likewise."""
    m, n = d.nrows(), d.ncols()
    table = d.tolist()
    zero = table[0][0] * 0
    rows = [[[x if i == k else zero for x in row] for i, row in enumerate(table)] for k in range(m)]
    columns = [[[x if j == k else zero for j, x in enumerate(r)] for r in table] for k in range(n)]
    return [matrix(a) for a in rows + columns if any(x for r in a for x in r)]
