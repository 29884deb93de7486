r"""What a region is asked for: the triples that touch its boundary, and its best ratio."""

from __future__ import annotations

from dataclasses import dataclass

from detvar.exact.rational import Rational
from detvar.landscape.triples import LABELS


@dataclass(frozen=True)
class Witness:
    """A triple that touches the boundary of a region.

    Attributes
    ----------
    index : int
        Its position in the trace.
    g, b, c : float
    step, batch, seed : int or None
        Its labels, where it has any.
    low, high : float
        The δ for which it is the boundary; low = high for a triple that bounds δ itself.
    """

    index: int
    g: float
    b: float
    c: float
    step: int | None
    batch: int | None
    seed: int | None
    low: float
    high: float

    @property
    def where(self) -> str:
        """The labels in words, or the position in the trace if there are none."""
        labels = [f"{x} {getattr(self, x)}" for x in LABELS if getattr(self, x) is not None]
        return ", ".join(labels) or f"triple {self.index}"

    def __str__(self) -> str:
        numbers = f"g = {self.g:.6g}, b = {self.b:.6g}, c = {self.c:.6g}"
        what = "bounds delta by" if self.low == self.high else "is active for delta in"
        ends = f"{self.high:.6g}" if self.low == self.high else f"{self.low:.6g} … {self.high:.6g}"
        return f"{self.where} ({numbers}) {what} {ends}"

    def to_latex(self) -> str:
        """Return the constraint as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self))


@dataclass(frozen=True)
class BestRatio:
    """The smallest α/δ = α/(α − β) in a region, which makes βσ²/δ = (α/δ − 1)σ² smallest.

    Attributes
    ----------
    ratio : float
        The minimum, or the infimum if `is_attained` is False.
    exact : Rational
    is_attained : bool
        False if the ratio only falls towards its infimum as δ → ∞.
    alpha, beta : float or None
        Where it is attained; on a whole side the end with the largest δ, or its start if the side
        is endless.
    witnesses : tuple of Witness
        The triples that are tight there.
    """

    ratio: float
    exact: Rational
    is_attained: bool
    alpha: float | None
    beta: float | None
    witnesses: tuple[Witness, ...]

    def __str__(self) -> str:
        if not self.is_attained:
            return f"alpha/(alpha - beta) falls towards {self.ratio:.6g}, which is not attained"
        return (
            f"the smallest alpha/(alpha - beta) is {self.ratio:.6g}, "
            f"at (alpha, beta) = ({self.alpha:.6g}, {self.beta:.6g})"
        )

    def to_latex(self) -> str:
        """Return the ratio and where it is attained as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self))
