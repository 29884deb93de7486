"""Elementary functions: derivative, balls, floats, symbols, and what convex calculus needs.

A function is named by its *key*: a word such as "exp", or a fraction p/q for the power x^(p/q),
defined for x ≥ 0 (x > 0 if p < 0), so that no odd root of a negative number is meant silently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import isqrt
from typing import Any

from detvar.errors import InputError
from detvar.exact.balls import arb
from detvar.exact.enclosures import (
    cosine,
    erf_slope,
    even,
    log_cosh,
    monotone,
    monotone_inside,
    rational_power,
    sech_squared,
    sine,
    softplus,
    tangent,
)

Key = str | Fraction
Interval = tuple[Fraction | None, Fraction | None]
Regions = tuple[Interval, ...]
_Call = Callable[[Key, Any], Any]

REAL: Interval = (None, None)
UP: Interval = (Fraction(0), None)
DOWN: Interval = (None, Fraction(0))


def _span(low: Any, high: Any) -> Interval:
    return Fraction(low), Fraction(high)


@dataclass(frozen=True)
class Function:
    """One differentiable function of one variable.

    Attributes
    ----------
    name : as it is written in formulas
    derivative : (x, y, call) ↦ f′(x) in elements with + − · /, where y = f(x) and call(key, t)
        applies another function
    ball : encloses f on a ball by its two ends; the ball is not finite if it leaves the domain
    array : (numpy, x) ↦ f(x) in float64; NaN outside of the domain, the limit at its ends
    symbol : (sympy, x) ↦ f(x) in SymPy
    special : rational x with rational f(x)
    domain, image : closed intervals that contain them; None is infinite
    is_open : whether f is undefined at the finite ends of its domain
    avoids_zero : whether f has no zero
    has_poles : whether the domain has gaps; then f is continuous on `increasing`
    convex, concave, log_convex, log_concave, increasing, decreasing : intervals on which f, or
        log f of a function f > 0, is so; other intervals are not known
    """

    name: str
    derivative: Callable[[Any, Any, _Call], Any]
    ball: Callable[[arb], arb]
    array: Callable[[Any, Any], Any]
    symbol: Callable[[Any, Any], Any]
    special: Callable[[Fraction], Fraction | None] = lambda x: None
    domain: Interval = REAL
    image: Interval = REAL
    is_open: bool = False
    avoids_zero: bool = False
    has_poles: bool = False
    convex: Regions = ()
    concave: Regions = ()
    log_convex: Regions = ()
    log_concave: Regions = ()
    increasing: Regions = ()
    decreasing: Regions = ()


# --- floats -------------------------------------------------------------------------------------


def _quiet(f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Let overflow be infinite and values outside of the domain be NaN, without warnings."""

    def quiet(np: Any, x: Any) -> Any:
        with np.errstate(all="ignore"):
            return f(np, x)

    return quiet


def _float_error(np: Any, x: Any) -> Any:
    from math import erf

    return np.asarray(np.frompyfunc(erf, 1, 1)(x), dtype=np.float64)


def _float_bell(np: Any, x: Any) -> Any:
    u = np.exp(-2.0 * np.abs(x))
    return 4.0 * u / (1.0 + u) ** 2


def _float_logcosh(np: Any, x: Any) -> Any:
    size = np.abs(x)
    far = size + np.log1p(np.exp(-2.0 * size)) - np.log(2.0)
    near = 0.5 * np.log1p(np.sinh(np.minimum(size, 1.0)) ** 2)
    return np.where(size < 1.0, near, far)


# --- the table ----------------------------------------------------------------------------------


def _at(x0: int, y0: Any) -> Callable[[Fraction], Fraction | None]:
    return lambda x: Fraction(y0) if x == x0 else None


def _sigmoid_slope(x: Any, call: _Call) -> Any:
    """σ′(x) = 1/(4 cosh²(x/2)), in which x occurs once."""
    return call("sech2", x / 2) / 4


_HALF = Fraction(1, 2)
_ODD: dict[str, Any] = {"special": _at(0, 0), "increasing": (REAL,)}
_S_SHAPED: dict[str, Any] = {**_ODD, "convex": (DOWN,), "concave": (UP,)}

_TABLE = [
    Function(
        "exp",
        lambda x, y, call: y,
        monotone(lambda x: x.exp()),
        _quiet(lambda np, x: np.exp(x)),
        lambda sp, x: sp.exp(x),
        _at(0, 1),
        image=UP,
        avoids_zero=True,
        convex=(REAL,),
        log_convex=(REAL,),
        log_concave=(REAL,),
        increasing=(REAL,),
    ),
    Function(
        "log",
        lambda x, y, call: 1 / x,
        monotone_inside(lambda x: x.log(), 0, None),
        _quiet(lambda np, x: np.log(x)),
        lambda sp, x: sp.log(x),
        _at(1, 0),
        domain=UP,
        is_open=True,
        concave=(UP,),
        increasing=(UP,),
    ),
    Function(
        "sin",
        lambda x, y, call: call("cos", x),
        sine,
        lambda np, x: np.sin(x),
        lambda sp, x: sp.sin(x),
        _at(0, 0),
        image=_span(-1, 1),
        convex=(_span(-3, 0),),
        concave=(_span(0, 3),),
        increasing=(_span("-3/2", "3/2"),),
    ),
    Function(
        "cos",
        lambda x, y, call: -call("sin", x),
        cosine,
        lambda np, x: np.cos(x),
        lambda sp, x: sp.cos(x),
        _at(0, 1),
        image=_span(-1, 1),
        concave=(_span("-3/2", "3/2"),),
        increasing=(_span(-3, 0),),
        decreasing=(_span(0, 3),),
    ),
    Function(
        "tan",
        lambda x, y, call: 1 + y * y,
        tangent,
        lambda np, x: np.tan(x),
        lambda sp, x: sp.tan(x),
        _at(0, 0),
        has_poles=True,
        convex=(_span(0, "3/2"),),
        concave=(_span("-3/2", 0),),
        increasing=(_span("-3/2", "3/2"),),
    ),
    Function(
        "asin",
        lambda x, y, call: call(-_HALF, 1 - x * x),
        monotone(lambda x: x.asin()),
        _quiet(lambda np, x: np.arcsin(x)),
        lambda sp, x: sp.asin(x),
        domain=_span(-1, 1),
        image=_span(-2, 2),
        convex=(_span(0, 1),),
        concave=(_span(-1, 0),),
        special=_at(0, 0),
        increasing=(_span(-1, 1),),
    ),
    Function(
        "acos",
        lambda x, y, call: -call(-_HALF, 1 - x * x),
        monotone(lambda x: x.acos()),
        _quiet(lambda np, x: np.arccos(x)),
        lambda sp, x: sp.acos(x),
        _at(1, 0),
        domain=_span(-1, 1),
        image=_span(0, 4),
        convex=(_span(-1, 0),),
        concave=(_span(0, 1),),
        decreasing=(_span(-1, 1),),
    ),
    Function(
        "atan",
        lambda x, y, call: 1 / (1 + x * x),
        monotone(lambda x: x.atan()),
        lambda np, x: np.arctan(x),
        lambda sp, x: sp.atan(x),
        image=_span(-2, 2),
        **_S_SHAPED,
    ),
    Function(
        "sinh",
        lambda x, y, call: call("cosh", x),
        monotone(lambda x: x.sinh()),
        _quiet(lambda np, x: np.sinh(x)),
        lambda sp, x: sp.sinh(x),
        convex=(UP,),
        concave=(DOWN,),
        **_ODD,
    ),
    Function(
        "cosh",
        lambda x, y, call: call("sinh", x),
        even(lambda x: x.cosh()),
        _quiet(lambda np, x: np.cosh(x)),
        lambda sp, x: sp.cosh(x),
        _at(0, 1),
        image=(Fraction(1), None),
        avoids_zero=True,
        convex=(REAL,),
        log_convex=(REAL,),
        increasing=(UP,),
        decreasing=(DOWN,),
    ),
    Function(
        "tanh",
        lambda x, y, call: call("sech2", x),
        monotone(lambda x: x.tanh()),
        lambda np, x: np.tanh(x),
        lambda sp, x: sp.tanh(x),
        image=_span(-1, 1),
        **_S_SHAPED,
    ),
    Function(  # 1/cosh² x
        "sech2",
        lambda x, y, call: -2 * call("tanh", x) * y,
        even(sech_squared),
        _float_bell,
        lambda sp, x: 1 / sp.cosh(x) ** 2,
        _at(0, 1),
        image=_span(0, 1),
        avoids_zero=True,
        log_concave=(REAL,),
        increasing=(DOWN,),
        decreasing=(UP,),
    ),
    Function(
        "asinh",
        lambda x, y, call: call(-_HALF, 1 + x * x),
        monotone(lambda x: x.asinh()),
        lambda np, x: np.arcsinh(x),
        lambda sp, x: sp.asinh(x),
        **_S_SHAPED,
    ),
    Function(
        "acosh",
        lambda x, y, call: call(-_HALF, x * x - 1),
        monotone(lambda x: x.acosh()),
        _quiet(lambda np, x: np.arccosh(x)),
        lambda sp, x: sp.acosh(x),
        _at(1, 0),
        domain=(Fraction(1), None),
        image=UP,
        concave=((Fraction(1), None),),
        increasing=((Fraction(1), None),),
    ),
    Function(
        "atanh",
        lambda x, y, call: 1 / (1 - x * x),
        monotone_inside(lambda x: x.atanh(), -1, 1),
        _quiet(lambda np, x: np.arctanh(x)),
        lambda sp, x: sp.atanh(x),
        _at(0, 0),
        domain=_span(-1, 1),
        is_open=True,
        convex=(_span(0, 1),),
        concave=(_span(-1, 0),),
        increasing=(_span(-1, 1),),
    ),
    Function(
        "erf",
        lambda x, y, call: call("erf_slope", x),
        monotone(lambda x: x.erf()),
        _float_error,
        lambda sp, x: sp.erf(x),
        image=_span(-1, 1),
        **_S_SHAPED,
    ),
    Function(  # 2/√π exp(−x²)
        "erf_slope",
        lambda x, y, call: -2 * x * y,
        even(erf_slope),
        lambda np, x: 2.0 / np.sqrt(np.pi) * np.exp(-np.square(x)),
        lambda sp, x: 2 * sp.exp(-(x**2)) / sp.sqrt(sp.pi),
        image=_span(0, 2),
        avoids_zero=True,
        log_concave=(REAL,),
        increasing=(DOWN,),
        decreasing=(UP,),
    ),
    Function(
        "softplus",
        lambda x, y, call: call("sigmoid", x),
        monotone(softplus),
        lambda np, x: np.logaddexp(0.0, x),
        lambda sp, x: sp.log(1 + sp.exp(x)),
        image=UP,
        avoids_zero=True,
        convex=(REAL,),
        increasing=(REAL,),
    ),
    Function(
        "sigmoid",
        lambda x, y, call: _sigmoid_slope(x, call),
        monotone(lambda x: 1 / (1 + (-x).exp())),
        _quiet(lambda np, x: 1.0 / (1.0 + np.exp(-x))),
        lambda sp, x: 1 / (1 + sp.exp(-x)),
        _at(0, _HALF),
        image=_span(0, 1),
        avoids_zero=True,
        convex=(DOWN,),
        concave=(UP,),
        log_concave=(REAL,),
        increasing=(REAL,),
    ),
    Function(
        "logcosh",
        lambda x, y, call: call("tanh", x),
        even(log_cosh),
        _float_logcosh,
        lambda sp, x: sp.log(sp.cosh(x)),
        _at(0, 0),
        image=UP,
        convex=(REAL,),
        increasing=(UP,),
        decreasing=(DOWN,),
    ),
]
_BY_NAME = {f.name: f for f in _TABLE}
NAMES = tuple(f.name for f in _TABLE if f.name not in ("sech2", "erf_slope"))
"""The names a formula may use besides sqrt."""


@lru_cache(maxsize=256)
def function_of(key: Key) -> Function:
    """Return the function of a key.

    Parameters
    ----------
    key : one of the names of the table, or a Fraction that is no integer for a power

    Examples
    --------
    >>> function_of("softplus").ball(arb(0)).overlaps(arb(2).log())
    True
    >>> function_of(Fraction(3, 2)).special(Fraction(4, 9))
    Fraction(8, 27)
    >>> function_of(Fraction(1, 3)).ball(arb(-8)).is_finite()
    False
    """
    return _BY_NAME[key] if isinstance(key, str) else _power(key)


def folded(key: Key, x: Fraction) -> Fraction | None:
    """Return f(x) if it is known to be rational; raise `InputError` if x is not in the domain.

    >>> folded("exp", Fraction(0)), folded(Fraction(1, 2), Fraction(2))
    (Fraction(1, 1), None)
    """
    f = function_of(key)
    low, high = f.domain
    outside = (low is not None and x < low) or (high is not None and x > high)
    if outside or (f.is_open and x in (low, high)):
        raise InputError(
            f"expression takes {f.name} of a number where it has no value: remove that call"
        )
    return f.special(x)


def _power(p: Fraction) -> Function:
    """Return x ↦ x^p for x ≥ 0, or x > 0 if p < 0, with p no integer."""
    up, down = ((UP,), ()) if p > 0 else ((), (UP,))

    def ball(x: arb) -> arb:
        return rational_power(x, abs(p)) if p > 0 else 1 / rational_power(x, abs(p))

    def enclosed(x: arb) -> arb:
        # an end at 0 belongs to the domain if p > 0
        return monotone(ball)(x) if (x >= 0 if p > 0 else x > 0) else arb.nan()

    def array(np: Any, x: Any) -> Any:
        if abs(p) == _HALF:
            return np.sqrt(x) if p > 0 else 1.0 / np.sqrt(x)
        return np.power(np.asarray(x, dtype=np.float64), float(p))

    return Function(
        "sqrt" if p == _HALF else f"power {p}",
        lambda x, y, call: p * call(p - 1, x),
        enclosed,
        _quiet(array),
        lambda sp, x: x ** sp.Rational(p.numerator, p.denominator),
        lambda x: _exact_power(x, p),
        domain=UP,
        image=UP,
        is_open=p < 0,
        avoids_zero=p < 0,
        convex=() if 0 < p < 1 else (UP,),
        concave=(UP,) if 0 < p < 1 else (),
        log_convex=(UP,) if p < 0 else (),
        log_concave=(UP,) if p > 0 else (),
        increasing=up,
        decreasing=down,
    )


def _exact_power(x: Fraction, p: Fraction) -> Fraction | None:
    """x^p if it is rational."""
    if x < 0 or (x == 0 and p < 0):
        return None
    roots = [_integer_root(t, p.denominator) for t in (x.numerator, x.denominator)]
    if roots[0] is None or roots[1] is None:
        return None
    return Fraction(roots[0], roots[1]) ** p.numerator


def _integer_root(t: int, k: int) -> int | None:
    """The k-th root of t ≥ 0 if it is an integer."""
    if k == 2:
        root = isqrt(t)
    else:
        low, high = 0, 1 << (t.bit_length() // k + 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**k <= t else (low, middle - 1)
        root = low
    return root if root**k == t else None
