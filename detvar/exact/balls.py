"""Balls of any precision, and the exact reading of constants and floats that they start from.

FLINT's ``arb``, ``acb``, ``arb_mat`` and ``acb_mat`` are handed on under their own names; floors
above take them from here.  A *constant* is an int, Fraction, fmpz, fmpq, a float or complex number
(taken at its exact binary value), or a pair (re, im) of these, which is a Gaussian number.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from flint import acb, acb_mat, arb, arb_mat, ctx, fmpq, fmpz

from detvar.errors import InputError
from detvar.exact.rational import rational, to_fraction

__all__ = [
    "RationalDisc",
    "acb",
    "acb_mat",
    "arb",
    "arb_mat",
    "bits_in_use",
    "constant_parts",
    "dyadic",
    "exact_float",
    "nearest_complex",
    "working_precision",
]

_UP = 1.0 + 2.0**-50


class RationalDisc(NamedTuple):
    """The disc |z − (re + i·im)| ≤ rad, with rational numbers: exact, and exact in JSON."""

    re: fmpq
    im: fmpq
    rad: fmpq


@contextmanager
def working_precision(bits: int) -> Iterator[None]:
    """Compute with balls of `bits` bits inside the block.

    >>> with working_precision(200):
    ...     (arb(1) / 3).rel_accuracy_bits() > 190
    True
    """
    with ctx.workprec(bits):
        yield


def exact_float(x: float) -> fmpq:
    """Return the dyadic rational that a finite float is.

    >>> exact_float(0.75)
    3/4
    """
    p, q = float(x).as_integer_ratio()
    return fmpq(p, q)


def dyadic(x: arb) -> fmpq:
    """Return the rational number that a ball of radius 0 is; raise ValueError otherwise.

    >>> dyadic((arb(1) / 3).mid()) < fmpq(1, 3)
    True
    """
    m, e = x.man_exp()
    return fmpq(m * fmpz(2) ** int(e)) if e >= 0 else fmpq(m, fmpz(2) ** int(-e))


def constant_parts(c: Any, name: str = "the constant") -> tuple[fmpq, fmpq]:
    """Return the real and imaginary part of a constant, as exact rationals.

    Parameters
    ----------
    c : int, Fraction, fmpz, fmpq, str, float, complex, or a pair (re, im) of these
        Floats are taken at their exact binary value.

    Raises
    ------
    InputError
        For NaN and infinities.
    NotExactError
        For anything that is not a number.

    Examples
    --------
    >>> constant_parts(("1/3", 2)), constant_parts(0.5j)
    ((1/3, 2), (0, 1/2))
    """
    if isinstance(c, tuple) and len(c) == 2:
        return _real_part(c[0], name), _real_part(c[1], name)
    if isinstance(c, complex):
        return _real_part(c.real, name), _real_part(c.imag, name)
    return _real_part(c, name), fmpq(0)


def _real_part(x: Any, name: str) -> fmpq:
    if isinstance(x, float):
        if x - x != 0.0:
            raise InputError(f"{name} is {x}: give a finite number")
        return exact_float(x)
    return rational(x, name)


@lru_cache(maxsize=4096)
def nearest_complex(re: fmpq, im: fmpq) -> tuple[complex, float]:
    """Return the complex double nearest to re + i·im, and an upper bound for their distance.

    The bound is 0 when the number is a double; where a part exceeds the largest double it is
    infinite.

    >>> nearest_complex(fmpq(1, 2), fmpq(0))
    ((0.5+0j), 0.0)
    >>> z, r = nearest_complex(fmpq(1, 3), fmpq(0))
    >>> 0 < abs(exact_float(z.real) - fmpq(1, 3)) <= exact_float(r) < fmpq(1, 2**53)
    True
    """
    a, da = _nearest(re)
    b, db = _nearest(im)
    return complex(a, b), (da + db) * _UP


def _nearest(x: fmpq) -> tuple[float, float]:
    f = to_fraction(x)
    try:
        a = float(f)
    except OverflowError:
        return 0.0, float("inf")
    gap = abs(f - Fraction(a))
    # a tiny gap may round to 0: the smallest normal double is added
    return a, float(gap) * _UP + 2.0**-1022 if gap else 0.0


def bits_in_use() -> int:
    """Return the precision that balls are computed with now.

    >>> with working_precision(200):
    ...     bits_in_use()
    200
    """
    return int(ctx.prec)
