"""Elementary functions in three worlds: balls that prove, arrays that are fast, symbols to read.

A formula written once with the functions of a `Kit` runs in all three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from detvar.exact.balls import arb
from detvar.exact.enclosures import even, log_cosh, monotone, softplus
from detvar.exact.functions import function_of

_NARROW = 2.0**-12
_Map = Callable[[Any], Any]


@dataclass(frozen=True)
class Kit:
    """The functions a loss is written with.

    Attributes
    ----------
    exp, tanh : as usual
    softplus : log(1 + eˣ)
    sigmoid : 1/(1 + e⁻ˣ), the derivative of softplus
    log_cosh : log cosh x
    hypot : √(1 + x²)
    unit : x/√(1 + x²), the derivative of hypot
    square : x², never negative
    log_sum_exp : log Σ exp(xᵢ) of a list
    softmax : the list exp(xᵢ)/Σ exp(xⱼ)
    """

    exp: _Map
    tanh: _Map
    softplus: _Map
    sigmoid: _Map
    log_cosh: _Map
    hypot: _Map
    unit: _Map
    square: _Map
    log_sum_exp: Callable[[Sequence[Any]], Any]
    softmax: Callable[[Sequence[Any]], list[Any]]


# --- balls ------------------------------------------------------------------------------------


def _square(x: arb) -> arb:
    top = x.abs_upper()
    low = x.abs_lower()
    return (low * low).union(top * top)


def _ball_log_sum_exp(xs: Sequence[arb]) -> arb:
    """The function increases in every argument, so wide balls are enclosed from their ends."""
    if any(x.rad() >= _NARROW for x in xs):
        low = _ball_log_sum_exp([x.lower() for x in xs])
        return low.union(_ball_log_sum_exp([x.upper() for x in xs]))
    top = max((x.mid() for x in xs), key=float)
    return top + sum(((x - top).exp() for x in xs), arb(0)).log()


def _ball_softmax(xs: Sequence[arb]) -> list[arb]:
    """1/(1 + Σ exp(xⱼ − xᵢ)) falls in each xⱼ and grows in xᵢ: the ends enclose it."""
    if all(x.rad() < _NARROW for x in xs):
        return [_share(xs, i) for i in range(len(xs))]
    low, high = [x.lower() for x in xs], [x.upper() for x in xs]
    out = []
    for i in range(len(xs)):
        least = _share([*high[:i], low[i], *high[i + 1 :]], i)
        out.append(least.union(_share([*low[:i], high[i], *low[i + 1 :]], i)))
    return out


def _share(xs: Sequence[arb], i: int) -> arb:
    return 1 / sum(((x - xs[i]).exp() for j, x in enumerate(xs) if j != i), arb(1))


BALLS = Kit(
    exp=monotone(lambda x: x.exp(), _NARROW),
    tanh=monotone(lambda x: x.tanh(), _NARROW),
    softplus=monotone(softplus, _NARROW),
    sigmoid=monotone(lambda x: 1 / (1 + (-x).exp()), _NARROW),
    log_cosh=even(log_cosh, _NARROW),
    hypot=even(lambda x: (1 + x * x).sqrt(), _NARROW),
    unit=monotone(lambda x: x / (1 + x * x).sqrt(), _NARROW),
    square=_square,
    log_sum_exp=_ball_log_sum_exp,
    softmax=_ball_softmax,
)


# --- arrays and symbols -----------------------------------------------------------------------


@lru_cache(maxsize=1)
def arrays() -> Kit:
    """Return the functions on float64 arrays; only exp can overflow."""
    import numpy as np

    def known(name: str) -> _Map:
        values = function_of(name).array
        return lambda x: values(np, x)

    def log_sum_exp(xs: Sequence[Any]) -> Any:
        return np.logaddexp.reduce(np.stack(np.broadcast_arrays(*xs)), axis=0)

    def softmax(xs: Sequence[Any]) -> list[Any]:
        stacked = np.stack(np.broadcast_arrays(*xs))
        powers = np.exp(stacked - stacked.max(axis=0))
        return list(powers / powers.sum(axis=0))

    return Kit(
        exp=known("exp"),
        tanh=known("tanh"),
        softplus=known("softplus"),
        sigmoid=known("sigmoid"),
        log_cosh=known("logcosh"),
        hypot=lambda x: np.hypot(1.0, x),
        unit=lambda x: x / np.hypot(1.0, x),
        square=np.square,
        log_sum_exp=log_sum_exp,
        softmax=softmax,
    )


@lru_cache(maxsize=1)
def symbols() -> Kit:
    """Return the functions on SymPy expressions."""
    import sympy

    def softmax(xs: Sequence[Any]) -> list[Any]:
        total = sympy.Add(*map(sympy.exp, xs))
        return [sympy.exp(x) / total for x in xs]

    return Kit(
        exp=sympy.exp,
        tanh=sympy.tanh,
        softplus=lambda x: sympy.log(1 + sympy.exp(x)),
        sigmoid=lambda x: 1 / (1 + sympy.exp(-x)),
        log_cosh=lambda x: sympy.log(sympy.cosh(x)),
        hypot=lambda x: sympy.sqrt(1 + x**2),
        unit=lambda x: x / sympy.sqrt(1 + x**2),
        square=lambda x: x**2,
        log_sum_exp=lambda xs: sympy.log(sympy.Add(*map(sympy.exp, xs))),
        softmax=softmax,
    )
