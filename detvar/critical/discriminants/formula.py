"""Numbers with a parameter: text and SymPy expressions as elements of Q(t)."""

from __future__ import annotations

import re
from typing import Any

from detvar.errors import DetvarError, InputError, NotExactError
from detvar.exact.rational import rational
from detvar.exact.rational_functions import RationalFunction, polynomial_ring
from detvar.exact.text import one_line
from detvar.losses.expression_text import read_expression
from detvar.losses.protocol import constant_in

NAME = re.compile(r"[^\W0-9]\w*")


def rational_function(x: Any, parameter: str = "t", name: str = "the number") -> RationalFunction:
    """Return an exact number or a formula in one parameter as an element of Q(t).

    Parameters
    ----------
    x : anything `rational` accepts, text such as "(1 - t**2)/3", or a SymPy expression

    Raises
    ------
    InputError, NotExactError
        If it is neither, has another name in it, a float, or is no rational function.

    Examples
    --------
    >>> f = rational_function("(s^2 - 1)/(2*s - 2)", "s")
    >>> print(f.numerator, "over", f.denominator)
    1/2*t + 1/2 over 1
    """
    (t,) = polynomial_ring(["t"])
    if isinstance(x, RationalFunction):
        if x.numerator.context() != t.context():
            raise InputError(f"{name} is a function in other unknowns: write it in {parameter}")
        return x
    if hasattr(x, "free_symbols") and not getattr(x, "is_Rational", False):
        if any(getattr(a, "is_Float", False) for a in x.atoms()):
            raise NotExactError(f"{name} has a float in it: use rationals, such as Rational(1, 3)")
        x = str(x)
    if not isinstance(x, str) or not NAME.search(_exponents_removed(x)):
        return RationalFunction.of(t * 0 + rational(x, name))
    shown, words = one_line(x, 60), set(NAME.findall(_exponents_removed(x)))
    if words != {parameter}:
        other = sorted(words - {parameter})[0]
        raise InputError(
            f"{name} is {shown!r}, and {one_line(other, 20)} is not the parameter: "
            f"use only {parameter}, numbers, + - * / ** and parentheses"
        )
    try:
        graph, node, _ = read_expression(re.sub(rf"\b{parameter}\b", "w11", x), (1, 1))
        (value,) = graph.evaluate([node], [RationalFunction.of(t)], constant_in(t))
    except DetvarError:
        raise InputError(
            f"{name} is {shown!r}, which is no rational function of {parameter}: "
            'write one such as "(1 + 3*t)/2"'.replace("t)", f"{parameter})")
        ) from None
    except ZeroDivisionError:
        raise InputError(f"{name} is {shown!r}, which divides by zero: correct it") from None
    return value if isinstance(value, RationalFunction) else RationalFunction.of(value)


def _exponents_removed(text: str) -> str:
    """The text without the e of decimals such as 1e-3, which is not a name."""
    return re.sub(r"(?<=[0-9.])[eE](?=[+-]?[0-9])", " ", text)
