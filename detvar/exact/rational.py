"""The door to Q: what counts as an exact number, and how one is written out.

Everything behind this door is an ``fmpq`` of FLINT.  Floats are refused, because
0.1 is not 1/10 in binary and ranks, inertia and criticality do not survive rounding.
"""

from __future__ import annotations

import decimal
import numbers
import operator
import re
from fractions import Fraction
from typing import Any

from flint import fmpq, fmpz

from detvar.errors import NotExactError
from detvar.exact.text import one_line

Rational = fmpq
_FRACTION = re.compile(r"\s*([+-]?[0-9]+)\s*(?:/\s*([0-9]+)\s*)?\Z")
# "*+" gives nothing back: with "*" a long bad text takes quadratic time
_DECIMAL = re.compile(r"\s*+([+-]?)([0-9]*+)\.?([0-9]*+)(?:[eE]([+-]?[0-9]{1,4}))?\s*\Z")
_HOW = 'write an integer, a fraction such as "1/3", or a decimal in quotes such as "0.25"'


def rational(x: Any, name: str = "the number") -> fmpq:
    """Return the exact rational number that `x` denotes.

    Parameters
    ----------
    x : int, Fraction, Decimal, fmpz, fmpq, SymPy rational, NumPy integer, or str
        Strings are ``"p"``, ``"p/q"`` or a decimal such as ``"-1.5e-3"``, read exactly.
    name : str
        How to call the number in an error message.

    Returns
    -------
    fmpq

    Raises
    ------
    NotExactError
        For floats (NaN and infinities included), booleans and anything that is not a number.

    Examples
    --------
    >>> rational("0.75") == rational("3/4") == rational(Fraction(3, 4))
    True
    >>> rational(0.75)
    Traceback (most recent call last):
    ...
    detvar.errors.NotExactError: the number is the float 0.75, which is not exact: write "0.75" \
in quotes, or a fraction such as "3/4"
    """
    if isinstance(x, fmpq):
        return x
    if isinstance(x, bool):
        raise NotExactError(f"{name} is the boolean {x}: {_HOW}")
    if isinstance(x, (int, fmpz)):
        return fmpq(x)
    if isinstance(x, str):
        return _from_text(x, name)
    if getattr(x, "is_Rational", False):  # SymPy, without importing it
        return fmpq(int(x.p), int(x.q))
    if isinstance(x, numbers.Rational):
        return fmpq(int(x.numerator), int(x.denominator))
    if isinstance(x, decimal.Decimal) and x.is_finite():
        f = Fraction(x)
        return fmpq(f.numerator, f.denominator)
    try:  # NumPy integers
        return fmpq(operator.index(x))
    except TypeError:
        pass
    if isinstance(x, float) or type(x).__name__.startswith("float"):
        raise NotExactError(_refuse_float(float(x), name))
    if getattr(x, "free_symbols", None):  # SymPy
        raise NotExactError(
            f"{name} is {_cut(str(x))}, not a number: {_HOW}; a loss whose data are symbols is "
            "a SymbolicLoss"
        )
    # a list may hold an integer that Python refuses to print
    plain = not hasattr(x, "__len__") and len(repr(x)) < 40
    shown = repr(x) if plain else f"a {type(x).__name__}"
    raise NotExactError(f"{name} is {shown}, not a number: {_HOW}")


def _refuse_float(x: float, name: str) -> str:
    if x != x or x in (float("inf"), float("-inf")):
        return f"{name} is {x}, not a rational number: {_HOW}"
    f = Fraction(repr(x))
    hint = f', or a fraction such as "{f}"' if f.denominator < 10**6 else ""
    return f'{name} is the float {x!r}, which is not exact: write "{x!r}" in quotes{hint}'


def _from_text(text: str, name: str) -> fmpq:
    """Read ``p``, ``p/q`` or a decimal; Python's own parser is not used because it
    accepts underscores, non-ASCII digits and unbounded exponents."""
    m = _FRACTION.match(text)
    if m:
        # FLINT, not int(): Python refuses integers of more than 4300 digits
        p, q = fmpz(m[1].lstrip("+")), fmpz(m[2] or "1")
        if q == 0:
            raise NotExactError(f'{name} is "{_cut(text)}", with denominator zero: {_HOW}')
        return fmpq(p, q)
    m = _DECIMAL.match(text)
    if m and (m[2] or m[3]):
        e = int(m[4] or 0) - len(m[3])
        p = fmpz(m[1].replace("+", "") + m[2] + m[3])
        return fmpq(p * fmpz(10) ** e) if e >= 0 else fmpq(p, fmpz(10) ** (-e))
    raise NotExactError(f'{name} is the text "{_cut(text)}", not a number: {_HOW}')


def _cut(text: str) -> str:
    return one_line(text[:100], 40)


def to_text(x: fmpq) -> str:
    """Write `x` as ``"p"`` or ``"p/q"``, the form used in every JSON file.

    >>> to_text(rational("6/4"))
    '3/2'
    """
    return str(x)


def to_fraction(x: fmpq) -> Fraction:
    """Return `x` as a `fractions.Fraction`.

    >>> to_fraction(rational("6/4"))
    Fraction(3, 2)
    """
    return Fraction(int(x.p), int(x.q))


def versions() -> dict[str, str]:
    """Return the versions a result was computed with: detvar, python-flint, FLINT, Python.

    >>> sorted(versions())
    ['detvar', 'flint', 'python', 'python-flint']
    """
    import platform

    import flint

    from detvar import __version__

    return {
        "detvar": __version__,
        "python": platform.python_version(),
        "python-flint": flint.__version__,
        "flint": flint.__FLINT_VERSION__,
    }
