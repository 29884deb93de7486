"""Two small rings that a polynomial map is run over: dual numbers, and a test for real constants.

A map is a callable ``f(x, p)`` of two lists of ring elements that uses + − * / (and integer
powers) and exact constants only.  Run over dual numbers it yields its Jacobian; run over
`RealOnly` it shows whether all its constants are real.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from detvar.errors import DetvarError
from detvar.exact.balls import constant_parts

Map: TypeAlias = Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]]
Jacobian: TypeAlias = Callable[[Sequence[Any], Sequence[Any]], Sequence[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Dual:
    """The dual number value + Σ_j slope_j ε_j with ε_i ε_j = 0.

    `slopes` maps j to the partial derivative; a missing key stands for 0, so that sparse maps
    stay cheap.  Values and slopes are elements of any ring that works with + − *.
    """

    value: Any
    slopes: dict[int, Any]

    def __neg__(self) -> Dual:
        return Dual(-self.value, {j: -s for j, s in self.slopes.items()})

    def __pos__(self) -> Dual:
        return self

    def __add__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value + other, self.slopes)
        slopes = dict(self.slopes)
        for j, s in other.slopes.items():
            slopes[j] = slopes[j] + s if j in slopes else s
        return Dual(self.value + other.value, slopes)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value - other, self.slopes)
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> Dual:
        return self.__neg__().__add__(other)

    def __mul__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            if isinstance(other, int) and other == 0:
                return Dual(self.value * 0, {})
            return Dual(self.value * other, {j: s * other for j, s in self.slopes.items()})
        a, b = self.value, other.value
        slopes = {j: s * b for j, s in self.slopes.items()}
        for j, s in other.slopes.items():
            term = s * a
            slopes[j] = slopes[j] + term if j in slopes else term
        return Dual(a * b, slopes)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value / other, {j: s / other for j, s in self.slopes.items()})
        return self * other._reciprocal()

    def __rtruediv__(self, other: Any) -> Dual:
        return self._reciprocal().__mul__(other)

    def _reciprocal(self) -> Dual:
        """Return 1/value with slope −slope/value²."""
        inverse = 1 / self.value
        factor = -(inverse * inverse)
        return Dual(inverse, {j: s * factor for j, s in self.slopes.items()})

    def __pow__(self, n: int) -> Dual:
        """Return the n-th power, with slope n·value^{n−1}·slope."""
        if n < 0:
            return self._reciprocal().__pow__(-n)
        if n == 0:
            return Dual(self.value**0, {})
        factor = self.value ** (n - 1) * n
        return Dual(self.value**n, {j: s * factor for j, s in self.slopes.items()})


def forward_jacobian(f: Map) -> Jacobian:
    """Return the callable (x, p) ↦ (∂f_i/∂x_j), by running f over dual numbers.

    Parameters
    ----------
    f : callable (x, p) -> list of N values
        Uses + − * / and integer powers only.

    Returns
    -------
    callable (x, p) -> list of N rows of len(x) entries; entries that vanish identically are
    the integer 0.

    Notes
    -----
    **Cost**: each product becomes one product and at most 2N products of slopes, where N is the
    number of variables it depends on.

    Examples
    --------
    >>> J = forward_jacobian(lambda x, p: [x[0] * x[1] + 3 * x[0], x[1] * x[1] - p[0]])
    >>> J([2, 5], [7])
    [[8, 2], [0, 10]]
    """

    def jacobian(x: Sequence[Any], p: Sequence[Any]) -> list[list[Any]]:
        rows: list[list[Any]] = []
        seeds = [Dual(value, {j: 1}) for j, value in enumerate(x)]
        for value in f(seeds, p):
            slopes = value.slopes if isinstance(value, Dual) else {}
            rows.append([slopes.get(j, 0) for j in range(len(x))])
        return rows

    return jacobian


class _ConstantNotReal(Exception):
    pass


class RealOnly:
    """A ring of one element that refuses constants with an imaginary part."""

    __slots__ = ()

    def _meet(self, other: Any) -> RealOnly:
        if not isinstance(other, RealOnly) and constant_parts(other)[1]:
            raise _ConstantNotReal
        return self

    def _same(self) -> RealOnly:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _meet
    __truediv__ = __rtruediv__ = _meet
    __neg__ = __pos__ = _same

    def __pow__(self, n: int) -> RealOnly:
        """Return the element itself: a power of a real function is real."""
        return self


def has_real_constants(f: Map, variables: int, parameters: int) -> bool:
    """Say whether f is proved to be a polynomial map with real constants.

    f is run once over a ring whose elements meet every constant that f uses.  False also means
    that f uses something other than + − *, powers and constants.

    Examples
    --------
    >>> has_real_constants(lambda x, p: [x[0] * x[0] - p[0]], 1, 1)
    True
    >>> has_real_constants(lambda x, p: [x[0] * x[0] - 1j * p[0]], 1, 1)
    False
    """
    element = RealOnly()
    try:
        for value in f([element] * variables, [element] * parameters):
            element._meet(value)
    except (_ConstantNotReal, DetvarError, TypeError, AttributeError):
        return False
    return True
