"""The Krawczyk test at any precision, for the points that doubles cannot certify.

Close or ill-conditioned zeros fail at 53 bits because the residual f(c) is lost in rounding.  Here
one point at a time is refined by Newton's method and tested again with FLINT's balls, at growing
precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detvar.exact.balls import (
    RationalDisc,
    acb,
    acb_mat,
    arb,
    constant_parts,
    dyadic,
    exact_float,
    nearest_complex,
    working_precision,
)
from detvar.exact.rational import Rational
from detvar.homotopy.balls import INFLATE, TINY, BallArray, ComplexArray, RealArray
from detvar.homotopy.duals import Jacobian, Map

_FIRST_BITS = 106
_NEWTON_STEPS = 40


@dataclass(frozen=True, slots=True)
class Ball:
    """One FLINT ball as a ring element that also accepts every exact constant."""

    value: Any

    def _of(self, other: Any) -> Any:
        if isinstance(other, Ball):
            return other.value
        try:
            return _constant(other)
        except TypeError:
            return None

    def __add__(self, other: Any) -> Ball:
        b = self._of(other)
        return NotImplemented if b is None else Ball(self.value + b)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Ball:
        b = self._of(other)
        return NotImplemented if b is None else Ball(self.value - b)

    def __rsub__(self, other: Any) -> Ball:
        b = self._of(other)
        return NotImplemented if b is None else Ball(b - self.value)

    def __mul__(self, other: Any) -> Ball:
        b = self._of(other)
        return NotImplemented if b is None else Ball(self.value * b)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Ball:
        b = self._of(other)
        return NotImplemented if b is None else Ball(self.value / b)

    def __rtruediv__(self, other: Any) -> Ball:
        b = self._of(other)
        return NotImplemented if b is None else Ball(b / self.value)

    def __neg__(self) -> Ball:
        return Ball(-self.value)

    def __pos__(self) -> Ball:
        return self

    def __pow__(self, n: int) -> Ball:
        """Return the n-th power, n an integer."""
        return Ball(self.value**n)


@dataclass(frozen=True)
class PointProof:
    """A proof that one polydisc contains exactly one zero.

    Attributes
    ----------
    discs : N discs that contain the zero's coordinates
    reach : rational; the zero is unique within reach·w_i of the midpoints
    contraction : float bound of q
    bits : the working precision
    is_real : whether the zero is proved to be real
    """

    discs: tuple[RationalDisc, ...]
    reach: Rational
    contraction: float
    bits: int
    is_real: bool

    def rounded(self, w: RealArray) -> tuple[BallArray, RealArray]:
        """Return enclosing discs with double midpoints, and radii of uniqueness around these."""
        pairs = [nearest_complex(d.re, d.im) for d in self.discs]
        mid = np.array([z for z, _ in pairs], dtype=np.complex128)
        gap = np.array([g for _, g in pairs])
        rad = np.array([_up(d.rad) for d in self.discs])
        unique = float(int(self.reach.p) / int(self.reach.q)) * w * (1 - 2.0**-50) - gap * INFLATE
        return BallArray(mid, (rad + gap) * INFLATE + TINY), np.maximum(unique, 0) * (1 - 2.0**-50)


def certify_point(
    f: Map,
    jacobian: Jacobian,
    point: ComplexArray,
    parameters: Sequence[Any],
    w: RealArray,
    *,
    drift: float,
    max_bits: int,
    symmetric: bool,
) -> PointProof | None:
    """Refine one point and prove that one zero lies near it, or return None.

    Parameters
    ----------
    f, jacobian, parameters, drift, max_bits
        As in `certify`.
    point : complex128, shape (N,)
    w : float64, shape (N,), powers of 2
    symmetric : bool
        Whether f and the parameters are real, so that a zero may be proved real.

    Notes
    -----
    **Cost**: at each precision up to 40 Newton steps and two evaluations of the Jacobian over
    balls; milliseconds to tenths of a second.
    **Validity**: double zeros fail at every precision.

    Examples
    --------
    >>> from detvar.homotopy.duals import forward_jacobian
    >>> f = lambda x, p: [x[0] * x[0] - p[0]]
    >>> near = np.array([1.4 + 0j])
    >>> proof = certify_point(
    ...     f, forward_jacobian(f), near, [2], np.ones(1), drift=0.1, max_bits=200, symmetric=True
    ... )
    >>> proof.is_real, proof.bits, abs(proof.discs[0].re ** 2 - 2) < Rational(1, 10**25)
    (True, 106, True)
    """
    if not np.isfinite(point).all():
        return None
    with working_precision(_FIRST_BITS):
        scale = [arb(exact_float(v)) for v in w]
        start = [acb(float(z.real), float(z.imag)) for z in point]
    x, bits = start, _FIRST_BITS
    while bits <= max_bits:
        with working_precision(bits):
            p = [Ball(_constant(c)) for c in parameters]
            x = _newton(f, jacobian, x, p, scale, bits)
            away = _norm([a - b for a, b in zip(x, start, strict=True)], scale)
            if not away < drift:
                return None
            small = arb(2) ** (-bits // 4)
            if symmetric and bool(_norm([z.imag * acb(1) for z in x], scale) < small):
                # a disc around a real point is its own conjugate
                real = [acb(z.real) for z in x]
                proof = _test(f, jacobian, real, p, scale, bits, is_real=True)
                if proof is not None:
                    return proof
            proof = _test(f, jacobian, x, p, scale, bits, is_real=False)
            if proof is not None:
                return proof
        bits *= 2
    return None


def _constant(c: Any) -> Any:
    re, im = constant_parts(c)
    return acb(re, im) if im else acb(re)


def _value(entry: Any) -> Any:
    return entry.value if isinstance(entry, Ball) else _constant(entry)


def _system(f: Map, x: list[Any], p: list[Ball]) -> Any:
    return acb_mat([[_value(v)] for v in f([Ball(z) for z in x], p)])


def _derivative(jacobian: Jacobian, x: list[Any], p: list[Ball]) -> Any:
    rows = jacobian([Ball(z) for z in x], p)
    return acb_mat([[_value(v) for v in row] for row in rows])


def _norm(z: Sequence[Any], scale: list[Any]) -> Any:
    """Return an upper bound of max |z_i|/w_i, as a ball of radius 0."""
    out = arb(0)
    for a, w in zip(z, scale, strict=True):
        out = out.max((a.abs_upper() / w).upper())
    return out


def _newton(
    f: Map, jacobian: Jacobian, x: list[Any], p: list[Ball], scale: list[Any], bits: int
) -> list[Any]:
    """Return the point after Newton steps on midpoints, until they stop shrinking."""
    before = None
    for _ in range(_NEWTON_STEPS):
        try:
            step = _derivative(jacobian, x, p).mid().solve(_system(f, x, p).mid()).mid()
        except ZeroDivisionError:
            return x
        size = _norm(step.entries(), scale)
        if not size.is_finite() or (before is not None and bool(size > before)):
            return x
        x = [(a - s).mid() for a, s in zip(x, step.entries(), strict=True)]
        if bool(size < arb(2) ** (8 - bits)):
            return x
        before = size
    return x


def _test(
    f: Map,
    jacobian: Jacobian,
    c: list[Any],
    p: list[Ball],
    scale: list[Any],
    bits: int,
    is_real: bool,
) -> PointProof | None:
    """Apply the Krawczyk test to boxes that contain the discs |x_i − c_i| ≤ ρ w_i."""
    n = len(c)
    try:
        y = _derivative(jacobian, c, p).mid().inv().mid()
    except ZeroDivisionError:
        return None
    delta = _norm((y * _system(f, c, p)).entries(), scale)
    if not delta.is_finite():
        return None
    rho = (8 * delta.max(arb(2) ** (1 - bits))).upper()
    box = [acb(arb(z.real, rho * w), arb(z.imag, rho * w)) for z, w in zip(c, scale, strict=True)]
    product = y * _derivative(jacobian, box, p)
    q = arb(0)
    for i in range(n):
        row = arb(0)
        for j in range(n):
            entry = (1 if i == j else 0) - product[i, j]
            row += entry.abs_upper() * scale[j] / scale[i]
        q = q.max(row.upper())
    if not (bool(q < 1) and bool(delta + q * rho < rho)):
        return None
    distance = dyadic((delta / (1 - q)).upper())
    discs = tuple(
        RationalDisc(dyadic(z.real), dyadic(z.imag), distance * dyadic(w))
        for z, w in zip(c, scale, strict=True)
    )
    return PointProof(discs, dyadic(rho), float(q) * INFLATE, bits, is_real)


def _up(x: Rational) -> float:
    return float(int(x.p) / int(x.q)) * INFLATE + TINY
