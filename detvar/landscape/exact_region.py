"""The feasible constants of a problem as a set with exact membership."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact import latex
from detvar.exact.algebraic import RealAlgebraic, real_algebraic
from detvar.exact.balls import arb

Value = RealAlgebraic | arb
_BITS = (64, 128, 256)


@dataclass(frozen=True)
class ExactRegion:
    r"""The set {(α, β) : α > β ≥ 0 feasible} = {δ > 0, α ≥ φ(δ)} with δ = α − β, exactly.

    φ(δ) = max(δ, sup (δb − g)/c) over all terms and points is convex and nondecreasing.

    Attributes
    ----------
    formula : str
        φ in LaTeX, as far as there is a formula.
    delta_max : RealAlgebraic or None
        Upper end of the δ that have any feasible α; None: there is no end.
    delta_max_included : bool
    is_empty : bool
        No pair is feasible at all.
    kinks : tuple of RealAlgebraic
        Where φ changes its formula.

    Examples
    --------
    >>> from detvar.landscape.examples import ex1
    >>> region = ex1().region
    >>> region.contains("5/2", 2), region.contains("5/2", "199/100"), print(region.phi(1))
    5
    (True, False, None)
    """

    formula: str
    _phi: Callable[[RealAlgebraic, int], Value] | None = None
    _holds: Callable[[RealAlgebraic, RealAlgebraic], bool | None] | None = None
    delta_max: RealAlgebraic | None = None
    delta_max_included: bool = False
    is_empty: bool = False
    kinks: tuple[RealAlgebraic, ...] = ()

    def _admits(self, delta: RealAlgebraic) -> bool:
        if self.is_empty or self.delta_max is None:
            return not self.is_empty
        return delta < self.delta_max or (self.delta_max_included and delta == self.delta_max)

    def phi(self, delta: Any, bits: int = 64) -> Value | None:
        """Return φ(δ), exactly as a `RealAlgebraic` where possible, else as a ball.

        Parameters
        ----------
        delta : rational or RealAlgebraic
            δ > 0; δ = 0 gives the limit, the least α of the region.
        bits : int
            Precision of a ball.

        Returns
        -------
        RealAlgebraic, arb, or None
            None if no α is feasible with this δ.

        Raises
        ------
        NotExactError
            For a float.
        """
        d = real_algebraic(delta, "delta")
        if d < 0:
            raise InputError(f"delta is {d}: give α − β, which is positive")
        if not self._admits(d):
            return None
        return larger(self._supremum(d, bits), d)

    def _supremum(self, delta: RealAlgebraic, bits: int) -> Value:
        if self._phi is None:  # only for the empty region
            raise InputError("the region is empty: φ is nowhere finite")
        return self._phi(delta, bits)

    def contains(self, alpha: Any, beta: Any) -> bool | None:
        """Return whether (α, β) is feasible for the whole problem.

        Parameters
        ----------
        alpha, beta : rational or RealAlgebraic

        Returns
        -------
        bool or None
            None only where φ is not algebraic and (α, β) is closer to the boundary than 2⁻²⁵⁰.

        Raises
        ------
        InputError
            If not α > β ≥ 0.
        """
        a, b = real_algebraic(alpha, "alpha"), real_algebraic(beta, "beta")
        delta = a - b
        if b < 0 or delta <= 0:
            raise InputError(f"(alpha, beta) is ({a}, {b}): the condition needs alpha > beta ≥ 0")
        if not self._admits(delta):
            return False
        if self._holds is not None:
            return self._holds(a, delta)
        for bits in _BITS:
            bound = self._supremum(delta, bits)
            if isinstance(bound, RealAlgebraic):
                return a >= bound
            ball = a.enclosure(bits)
            if ball >= bound:
                return True
            if ball < bound:
                return False
        return None

    def best_ratio(self, low: Any, high: Any, steps: int = 60) -> tuple[float, float]:
        """Return the least α/δ over δ in [low, high] and its δ, in floating point.

        φ(δ)/δ is a maximum of affine functions of 1/δ, hence convex in 1/δ: golden section.
        """
        gold = (5**0.5 - 1) / 2
        a, b = 1 / float(real_algebraic(high)), 1 / float(real_algebraic(low))

        def ratio(u: float) -> float:
            from detvar.exact.balls import exact_float

            value = self.phi(exact_float(1 / u), 40)
            return float("inf") if value is None else approximate(value) * u

        u, v = b - gold * (b - a), a + gold * (b - a)
        fu, fv = ratio(u), ratio(v)
        for _ in range(steps):
            if fu <= fv:
                b, v, fv = v, u, fu
                u = b - gold * (b - a)
                fu = ratio(u)
            else:
                a, u, fu = u, v, fv
                v = a + gold * (b - a)
                fv = ratio(v)
        best, at = min((ratio(w), w) for w in (a, u, v, b))
        return best, 1 / at

    def to_latex(self) -> str:
        """Return the set as math."""
        if self.is_empty:
            return r"\varnothing"
        if self.delta_max is None:
            where = r"\delta>0"
        else:
            relation = r"\le" if self.delta_max_included else "<"
            where = rf"0<\delta {relation} {latex.number(self.delta_max)}"
        return rf"\{{(\alpha,\alpha-\delta):{where},\ \alpha\ge\varphi(\delta)\}},\ {self.formula}"

    _repr_latex_ = latex.displayed


def approximate(x: Value) -> float:
    """Return a number or the midpoint of a ball as a float."""
    return float(x) if isinstance(x, RealAlgebraic) else float(x.mid())


def larger(x: Value, y: Value) -> Value:
    """Return max(x, y), exactly where that is decided."""
    if isinstance(x, RealAlgebraic) and isinstance(y, RealAlgebraic):
        return x if x >= y else y
    a = x.enclosure(128) if isinstance(x, RealAlgebraic) else x
    b = y.enclosure(128) if isinstance(y, RealAlgebraic) else y
    return x if a >= b else y if b >= a else a.max(b)
