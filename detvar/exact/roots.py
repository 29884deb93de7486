"""Certified real roots of an irreducible polynomial over Q, as balls of any precision.

The balls come from FLINT, which separates all complex roots, and are refined one by one by
Newton's interval step.  Each polynomial is kept once, so that all its roots share the work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from flint import arb, ctx, fmpq, fmpz, fmpz_poly

from detvar.exact.polynomials import affine_image, polynomial_text


class Irreducible:
    """An irreducible polynomial over Q of degree at least 2, with its real roots as balls.

    Use `irreducible`, which keeps one object per polynomial, so that the balls are shared.

    Attributes
    ----------
    coefficients : tuple of fmpz
        From low to high degree, primitive, leading coefficient positive.
    degree, real_count : int
        The degree and the number of real roots.
    bound : int
        An upper bound for |x| over all complex roots x.
    """

    __slots__ = ("_balls", "_hash", "_isolated", "_order", "bound", "coefficients", "polynomial")

    def __init__(self, coefficients: tuple[fmpz, ...]) -> None:
        self.coefficients = coefficients
        self.polynomial = fmpz_poly(list(coefficients))
        self._hash = hash(coefficients)
        self._order = len(coefficients), tuple(-c for c in coefficients)
        self._isolate(64)

    @property
    def degree(self) -> int:
        """The degree."""
        return len(self.coefficients) - 1

    @property
    def real_count(self) -> int:
        """The number of real roots."""
        return len(self._balls)

    @property
    def trace(self) -> fmpq:
        """The sum of all complex roots."""
        return fmpq(-self.coefficients[-2], self.coefficients[-1])

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Irreducible) and self.coefficients == other.coefficients

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[Any, ...]:
        return irreducible, (self.coefficients,)

    def __repr__(self) -> str:
        return f"Irreducible({polynomial_text(self.coefficients)})"

    def sort_key(self) -> tuple[Any, ...]:
        """See `Root.sort_key`; −c puts √2 before √3."""
        return self._order

    def _isolate(self, bits: int) -> None:
        """Enclose all roots by FLINT; its balls are pairwise disjoint, and the imaginary part
        of a real root is exactly zero."""
        with ctx.workprec(bits):
            pairs: list[Any] = self.polynomial.complex_roots()
            roots = [x for x, _ in pairs]
            balls = sorted((x.real for x in roots if x.imag == 0), key=arb.mid)
            if any(x.overlaps(y) for x, y in pairwise(balls)):
                return self._isolate(2 * bits)
            self.bound = max(int(abs(x).upper().ceil().fmpz()) for x in roots)
        self._balls: list[arb] = balls
        self._isolated = bits

    def ball(self, index: int, bits: int) -> arb:
        """Return a ball around the real root number `index` (from the least, 0) with at least
        `bits` bits of relative accuracy, which contains no other root.

        Newton's interval step x ↦ m − f(m)/f'(x), m the midpoint, doubles the accuracy; where
        f'(x) contains 0 all roots are isolated again at twice the precision.
        """
        best = self._balls[index]
        guard = 32
        while (accuracy := best.rel_accuracy_bits()) < bits:
            better = self._newton(best, min(2 * accuracy, bits) + guard)
            if better is not None and better.rel_accuracy_bits() >= min(
                bits, accuracy + accuracy // 2
            ):
                best = better
            elif guard < 4 * accuracy:
                guard *= 2  # cancellation in f(m): large coefficients, or a root close by
            else:
                self._isolate(2 * max(self._isolated, accuracy))
                best, guard = self._balls[index], 32
            self._balls[index] = best
        return best

    def _newton(self, x: arb, bits: int) -> arb | None:
        with ctx.workprec(bits):
            slope = self.polynomial.derivative()(x)
            if slope.contains(0):
                return None
            m = x.mid()
            return (m - self.polynomial(m) / slope).intersection(x)

    def compare(self, index: int, x: fmpq) -> int:
        """Return −1, 0 or 1 as the real root is less than, equal to, or greater than `x`.

        Never 0: the root is irrational, so refinement ends.
        """
        bits = 64
        while True:
            with ctx.workprec(bits + 16):
                difference = self.ball(index, bits) - arb(x)
                if not difference.contains(0):
                    return 1 if difference > 0 else -1
            bits *= 2

    def roots_between(self, low: fmpq, high: fmpq) -> list[int]:
        """Return the numbers of the real roots in [low, high]."""
        return [
            i
            for i in range(self.real_count)
            if self.compare(i, low) > 0 and self.compare(i, high) < 0
        ]


@lru_cache(maxsize=4096)
def _irreducible(coefficients: tuple[fmpz, ...]) -> Irreducible:
    return Irreducible(coefficients)


def irreducible(polynomial: fmpz_poly | tuple[fmpz, ...]) -> Irreducible:
    """Return the shared `Irreducible` of a polynomial known to be irreducible and primitive."""
    if isinstance(polynomial, fmpz_poly):
        polynomial = tuple(polynomial.coeffs())
    return _irreducible(polynomial)


def floor_of(ball: Callable[[int], arb], scale: fmpq) -> int:
    """Return ⌊scale·x⌋ for an irrational x, given balls around x of growing precision."""
    bits = 64
    while True:
        with ctx.workprec(bits + 32):
            n = (ball(bits) * arb(scale)).floor().unique_fmpz()
        if n is not None:
            return int(n)
        bits *= 2


@dataclass(frozen=True)
class Root:
    """The real root number `index`, from the least (0), of an irreducible polynomial."""

    polynomial: Irreducible
    index: int

    def affine(self, a: fmpq, b: fmpq) -> Root:
        """Return a·x + b for a ≠ 0, as a root of its own minimal polynomial."""
        if a == 1 and not b:
            return self
        f = irreducible(affine_image(self.polynomial.polynomial, a, b))
        return Root(f, self.index if a > 0 else f.real_count - 1 - self.index)

    def ball(self, bits: int) -> arb:
        """Return a ball with at least `bits` bits of relative accuracy (see `Irreducible.ball`)."""
        return self.polynomial.ball(self.index, bits)

    def sort_key(self) -> tuple[Any, ...]:
        """A fixed order, without meaning, in which sums and products are written."""
        return self.polynomial.sort_key(), self.index
