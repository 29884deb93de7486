r"""Complex balls in NumPy arrays: {z : |z − mid| ≤ rad}, with rounding bounds fixed beforehand.

Every operation returns a disc that contains the exact result for all points of the argument
discs.  The processor's rounding mode is never changed: errors are bounded a priori, with the
unit roundoff u = 2⁻⁵³, and the radius arithmetic is itself inflated.

**Meaning.**  A ball whose `rad` is infinite encloses the whole plane.  Overflow and NaN always
end there, because each radius below contains a term at least as large as u·|mid|.

**Constants.**  (All operations are correctly rounded, with or without fused multiply-add.)

- *Magnitude* A = √(x² + y²)·(1 + 8u) + 10⁻¹⁵⁰ ≥ |x + iy|.  Without underflow the two squares,
  the sum and the root lose at most a factor (1 − u)^{1/2 + 1/2 + 1} = (1 − u)², the product by
  the (exact) constant a factor 1 − u, the last sum another, and (1 − u)⁴(1 + 8u) > 1.  Squares
  that underflow, even where results are flushed to zero, lose η ≤ 2·2⁻¹⁰²² in total; then
  √(|z|² − η) ≥ |z| − η/|z|, and η/|z| < 10⁻¹⁵⁰ as soon as |z| > 10⁻¹⁵⁰.  Smaller |z| are
  bounded by the constant alone.  In the same way A ≤ |x + iy|(1 + 13u) + 2·10⁻¹⁵⁰.
- *Sum*: either part has relative error u of itself, so the error is at most
  u·(|x| + |y|) for the computed x + iy.
- *Product*: relative error √5·u (Brent, Percival, Zimmermann 2007), at most 2u with fused
  operations; 4u is used, times |a||b|.
- *Sum of n terms*: each part has error γ = (n − 1)u/(1 − (n − 1)u) times the sum of the moduli
  of the parts, in any order of summation; by Minkowski the modulus is at most γ·Σ|a_k|.
  2nu is used.
- *Dot product of length n*: real and imaginary part are real dot products of length 2n, with
  error γ_{2n}·Σ(|x||x'| + |y||y'|) ≤ γ_{2n}·Σ|a_k||b_k| by Cauchy–Schwarz, in any order and for
  any blocking that only adds and multiplies (Higham 2002, §3.1, §3.6); the modulus is at most
  √2·γ_{2n}·Σ|a_k||b_k| < 3nu·Σ|a_k||b_k|·(1 + 3nu).  8(n + 4)u is used, which leaves room for
  complex products formed separately (√5·u each).
- *Reciprocal*: with |m| scaled into [1/2, 2), m̄/|m|² by two squares, a sum and two divisions has
  error at most 3u + O(u²) times 1/|m|; 8u is used.
- *Inflation*: a radius is a sum of products of at most 10 non-negative operands; k roundings
  lose at most a factor (1 − u)^k ≥ 1 − ku.  Multiplying by 1 + 32u makes up for k ≤ 30; where n
  terms are added, 1 + (32 + 4n)u makes up for k ≤ 30 + 3n.
- *Underflow*: a product of doubles loses at most 2⁻¹⁰²² (flush to zero), sums nothing more
  than that; 10⁻²⁹⁰ is added to each radius, which covers 10¹⁷ such losses.

**Validity**: round to nearest; n·u < 2⁻²⁰; matrix products by the classical sum of products (as
in every BLAS in use), not by fast (Strassen-like) schemes.

References: N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, 2002; S. M. Rump,
*Fast and parallel interval arithmetic*, 1999; R. Brent, C. Percival, P. Zimmermann, *Error
bounds on complex floating-point multiplication*, 2007.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detvar.errors import InputError, ShapeError
from detvar.exact.balls import constant_parts, nearest_complex
from detvar.exact.rational import Rational

ComplexArray: TypeAlias = NDArray[np.complex128]
RealArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

U = 2.0**-53
INFLATE = 1.0 + 32 * U
TINY = 1e-290
_SMALL = 1e-150
_LARGE = 1e280


@dataclass(frozen=True, eq=False, slots=True)
class BallArray:
    """An array of discs {z : |z − mid| ≤ rad} in the complex plane; see the module for bounds.

    Operands may be balls of a shape that broadcasts, arrays of floats (radius 0), or exact
    constants (int, Fraction, fmpq, float, complex, or a pair (re, im) of these).

    Attributes
    ----------
    mid : complex128 array
    rad : float64 array of the same shape, non-negative; infinite means the whole plane

    Notes
    -----
    **Cost**: a product is about four times that of the complex product alone.
    **Validity**: always an enclosure; useful (finite) radii for magnitudes below 10¹⁵⁰.

    Examples
    --------
    >>> import numpy as np
    >>> from fractions import Fraction
    >>> x = ball_array(np.array([0.1, 2.0]), 0.01)
    >>> y = x * x - Fraction(1, 3)
    >>> bool(y.contains(np.array([0.09 * 0.09 - 1 / 3, 1.995**2 - 1 / 3])).all())
    True
    """

    mid: ComplexArray
    rad: RealArray
    _magnitude: RealArray | None = field(default=None, repr=False)

    # arrays on the left hand over to the methods below
    __array_ufunc__ = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.mid.shape

    @property
    def magnitude(self) -> RealArray:
        """Upper bounds of |mid|, computed once."""
        if self._magnitude is None:
            object.__setattr__(self, "_magnitude", _magnitude(self.mid))
        assert self._magnitude is not None
        return self._magnitude

    def upper(self) -> RealArray:
        """Return upper bounds of |z| over each disc."""
        bound: RealArray = (self.magnitude + self.rad) * INFLATE
        return bound

    def lower(self) -> RealArray:
        """Return lower bounds of |z| over each disc, never negative.

        The magnitude A is at most |mid|(1 + 13u) + 2·10⁻¹⁵⁰, so A(1 − 24u) − 3·10⁻¹⁵⁰ leaves 10u
        for the roundings of the difference.
        """
        a = self.magnitude
        with np.errstate(invalid="ignore"):
            low = (a * (1 - 24 * U) - 3 * _SMALL - self.rad * (1 + 4 * U)) * (1 - 4 * U)
        bound: RealArray = np.where((low > 0) & (a < _LARGE), low, 0.0)
        return bound

    def contains(self, z: Any) -> BoolArray:
        """Say which discs surely contain the floating-point numbers z (taken as exact)."""
        gap = ball_array(z) - BallArray(self.mid, np.zeros_like(self.rad))
        inside: BoolArray = (gap.upper() <= self.rad) | (self.rad == np.inf)
        return inside

    def disjoint(self, other: BallArray) -> BoolArray:
        """Say which pairs of discs surely have no point in common."""
        apart: BoolArray = (self - other).lower() > 0
        return apart

    # --- shape ----------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> BallArray:
        """Return the balls at a NumPy index, as an array."""
        return BallArray(np.asarray(self.mid[key]), np.asarray(self.rad[key]))

    def __len__(self) -> int:
        return len(self.mid)

    def reshape(self, *shape: int) -> BallArray:
        """Return the same balls in another shape."""
        return BallArray(self.mid.reshape(shape), self.rad.reshape(shape))

    def transposed(self, *axes: int) -> BallArray:
        """Return the balls with axes permuted (reversed when none are given)."""
        order = axes or None
        return BallArray(self.mid.transpose(order), self.rad.transpose(order))

    def conjugate(self) -> BallArray:
        """Return the complex conjugate discs."""
        return BallArray(self.mid.conj(), self.rad)

    # --- ring -----------------------------------------------------------------------------------

    def __neg__(self) -> BallArray:
        return BallArray(-self.mid, self.rad, self._magnitude)

    def __pos__(self) -> BallArray:
        return self

    def __add__(self, other: Any) -> BallArray:
        b = _operand(other)
        if b is None:
            return NotImplemented
        with np.errstate(all="ignore"):
            return _rounded_sum(self.mid + b.mid, self.rad + b.rad)

    __radd__ = __add__

    def __sub__(self, other: Any) -> BallArray:
        b = _operand(other)
        if b is None:
            return NotImplemented
        with np.errstate(all="ignore"):
            return _rounded_sum(self.mid - b.mid, self.rad + b.rad)

    def __rsub__(self, other: Any) -> BallArray:
        b = _operand(other)
        return NotImplemented if b is None else b - self

    def __mul__(self, other: Any) -> BallArray:
        if isinstance(other, int) and abs(other) == 1:
            return self if other == 1 else -self
        b = _operand(other)
        if b is None:
            return NotImplemented
        with np.errstate(all="ignore"):
            big, small = (self, b) if self.mid.size >= b.mid.size else (b, self)
            s = small.magnitude
            mid = big.mid * small.mid
            # |a||b|·4u + |a|·rb + ra·(|b| + rb)
            rad = big.magnitude * (small.rad + 4 * U * s) + big.rad * (s + small.rad)
            rad *= INFLATE
            rad += TINY
            return _finite(mid, rad)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> BallArray:
        b = _operand(other)
        return NotImplemented if b is None else self * b.reciprocal()

    def __rtruediv__(self, other: Any) -> BallArray:
        b = _operand(other)
        return NotImplemented if b is None else b * self.reciprocal()

    def __pow__(self, n: int) -> BallArray:
        """Return the n-th power for an integer n, by repeated squaring."""
        if not isinstance(n, int):
            return NotImplemented
        if n < 0:
            return self.reciprocal() ** (-n)
        out, square = None, self
        while n:
            if n & 1:
                out = square if out is None else out * square
            n >>= 1
            if n:
                square = square * square
        return ball_array(np.ones(self.shape)) if out is None else out

    def reciprocal(self) -> BallArray:
        """Return enclosures of 1/z; infinite where the disc may contain 0.

        Around 1/m the image of the disc has radius r/(|m|(|m| − r)).
        """
        with np.errstate(all="ignore"):
            m = self.mid
            exponent = np.frexp(np.maximum(np.abs(m.real), np.abs(m.imag)))[1]
            # scaled to modulus in [1/2, 2), in two steps because 2^exponent may overflow
            half = -(exponent // 2)
            x, y, r = (
                np.ldexp(np.ldexp(part, half), -exponent - half)
                for part in (m.real, m.imag, self.rad)
            )
            t = x * x + y * y
            low = np.sqrt(t) * (1 - 8 * U)
            gap = low - (r * (1 + 4 * U) + TINY)
            rad = ((r + TINY) / (low * gap) + 8 * U / low) * INFLATE
            mid = np.empty(m.shape, dtype=np.complex128)
            mid.real = np.ldexp(np.ldexp(x / t, half), -exponent - half)
            mid.imag = np.ldexp(np.ldexp(-y / t, half), -exponent - half)
            rad = np.ldexp(np.ldexp(rad, half), -exponent - half) * INFLATE + TINY
            good = (gap > 0) & np.isfinite(m) & np.isfinite(self.rad)
            return _finite(mid, np.where(good, rad, np.inf))

    # --- sums -----------------------------------------------------------------------------------

    def sum(self, axis: int = -1) -> BallArray:
        """Return the sums along one axis."""
        n = self.mid.shape[axis]
        with np.errstate(all="ignore"):
            rad = self.rad.sum(axis=axis) + 2 * n * U * self.magnitude.sum(axis=axis)
            rad = rad * (1 + (32 + 4 * n) * U) + TINY
            return _finite(self.mid.sum(axis=axis), rad)

    def dot(self, other: BallArray) -> BallArray:
        """Return Σ a_k b_k over the last axis, the others broadcast."""
        product = self[..., None, :] @ other[..., :, None]
        return product[..., 0, 0]

    def __matmul__(self, other: Any) -> BallArray:
        """Return the matrix products over the last two axes (both at least two-dimensional)."""
        b = _operand(other)
        if b is None:
            return NotImplemented
        if self.mid.ndim < 2 or b.mid.ndim < 2:
            raise ShapeError("a matrix product needs matrices: give arrays with two or more axes")
        n = self.mid.shape[-1]
        with np.errstate(all="ignore"):
            mid = self.mid @ b.mid
            rad = self.magnitude @ (b.rad + (8 * (n + 4) * U) * b.magnitude)
            if self.rad.any():
                rad += self.rad @ (b.magnitude + b.rad)
            rad *= 1 + (32 + 4 * n) * U
            rad += TINY
            # some libraries skip products with 0, also 0·inf: bad entries are spread by hand
            rows = np.asarray(~np.isfinite(self.magnitude + self.rad).all(axis=-1))
            columns = np.asarray(~np.isfinite(b.magnitude + b.rad).all(axis=-2))
            if rows.any() or columns.any():
                rad[rows[..., :, None] | columns[..., None, :]] = np.inf
            return _finite(mid, rad)


def ball_array(mid: Any, rad: Any = 0.0) -> BallArray:
    """Return balls with the given midpoints and radii (one radius, or one for each).

    Parameters
    ----------
    mid : array of float64 or complex128, any shape
        Taken as exact.
    rad : float or array, broadcast to the shape of `mid`

    Raises
    ------
    InputError
        For negative radii.

    Examples
    --------
    >>> ball_array([1 + 1j, 2]).rad
    array([0., 0.])
    """
    m = np.asarray(mid, dtype=np.complex128)
    r = np.broadcast_to(np.asarray(rad, dtype=np.float64), m.shape).copy()
    if (r < 0).any():
        raise InputError("a radius is negative: give radii of at least 0")
    r[~np.isfinite(m) | np.isnan(r)] = np.inf
    return BallArray(m, r)


@lru_cache(maxsize=4096)
def constant_ball(c: Any) -> BallArray:
    """Return an array of one ball, of shape (1,), around an exact constant.

    >>> from detvar.exact.rational import rational
    >>> constant_ball(rational("1/2")).rad, bool(constant_ball(rational("1/3")).rad[0] > 0)
    (array([0.]), True)
    """
    z, r = nearest_complex(*constant_parts(c))
    return BallArray(np.array([z]), np.array([r]))


def stack(entries: Sequence[Any], shape: tuple[int, ...]) -> BallArray:
    """Return the entries (balls of shape `shape`, or constants) along a new first axis."""
    mid = np.empty((len(entries), *shape), dtype=np.complex128)
    rad = np.empty((len(entries), *shape))
    for i, entry in enumerate(entries):
        ball = _operand(entry)
        if ball is None:
            raise InputError(f"entry {i} is a {type(entry).__name__}: give balls or constants")
        mid[i], rad[i] = ball.mid, ball.rad
    return BallArray(mid, rad)


def _operand(x: Any) -> BallArray | None:
    """Return x as balls, or None when it is of a foreign type (a dual number, say)."""
    if isinstance(x, BallArray):
        return x
    if isinstance(x, np.ndarray) and x.dtype.kind in "fc":
        return ball_array(x)
    if isinstance(x, (int, float, complex, tuple, Rational, np.number)) or (
        hasattr(x, "numerator") and hasattr(x, "denominator")
    ):
        return constant_ball(x)
    return None


def _magnitude(z: ComplexArray) -> RealArray:
    with np.errstate(all="ignore"):
        a = z.real * z.real
        a += z.imag * z.imag
        a = np.sqrt(a)
        a *= 1 + 8 * U
        a += _SMALL
    return np.asarray(a)


def _rounded_sum(mid: ComplexArray, rad: RealArray) -> BallArray:
    """Add u·(|x| + |y|) to the radius of a sum or difference whose radii were added."""
    error = np.abs(mid.real)
    error += np.abs(mid.imag)
    error *= U
    error += rad
    error *= INFLATE
    error += TINY
    return _finite(mid, error)


def _finite(mid: ComplexArray, rad: RealArray) -> BallArray:
    """Return the ball, with radius infinite wherever something overflowed.

    Each radius contains a multiple ≥ u of a bound for |mid|; if mid overflowed, that bound
    exceeds the largest double, and the radius is NaN, infinite or above 10²⁸⁰.
    """
    mid, rad = np.asarray(mid), np.asarray(rad)
    if not rad.max(initial=0.0) < _LARGE:
        bad = ~(rad < np.inf) | ~np.isfinite(mid)
        rad[bad] = np.inf
        mid[bad] = 0.0
    return BallArray(mid, rad)
