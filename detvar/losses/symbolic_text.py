"""Reading one symbolic number, such as "a/2 + sqrt(3)", without evaluating any of it as code.

Operator precedence is Python's, as in `detvar.losses.expression_text`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from detvar.errors import InputError
from detvar.exact.functions import NAMES, function_of
from detvar.exact.rational import rational
from detvar.exact.text import one_line

_OF_SYMPY = ("sqrt", "ln", "sec", "csc", "cot", "sech", "csch", "coth", "erfc", "Abs")
FUNCTIONS = (*NAMES, *_OF_SYMPY)
_LENGTH, _DEPTH, _POWER, _BITS = 200_000, 100, 100, 1_000_000
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W0-9]\w*)|(?P<sign>\*\*|[-+*/^()])|(?P<bad>\S)"
)
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "**": 4, "^": 4}
_SIGN = 3
_WORDS = f"use numbers, names, + - * / ** and parentheses, and {', '.join(FUNCTIONS)}"


def read_symbolic(text: str, name: str = "the entry") -> Any:
    """Return the SymPy expression that a text denotes; every name in it becomes a symbol.

    Parameters
    ----------
    text : such as "1/2", "0.25", "x11 + 2*a" or "exp(a)/3"; ^ is read as **, decimals exactly
    name : how to call the text in an error message

    Raises
    ------
    InputError, NotExactError
        If the text is not such a formula.

    Notes
    -----
    **Cost**: linear, but for SymPy's own ordering of terms.

    Examples
    --------
    >>> read_symbolic("(a + 0.25)^2 / 3 - lambda")
    -lambda + (a + 1/4)**2/3
    """
    if len(text) > _LENGTH:
        raise InputError(f"{name} is longer than {_LENGTH} characters: give a shorter formula")
    reader = _Reader(text, name)
    out = reader.expression(0, 0)
    if reader.word:
        raise reader.refused()
    return out


class _Reader:
    """A text with the place of reading."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self._tokens: Iterator[re.Match[str]] = _TOKEN.finditer(text)
        self._next()

    def _next(self) -> None:
        match = next(self._tokens, None)
        self.kind = match.lastgroup if match else None
        self.word = match[0] if match else ""

    def refused(self) -> InputError:
        shown = one_line(self.text, 40)
        return InputError(f'{self.name} is "{shown}", which is no formula: {_WORDS}')

    def expression(self, binding: int, depth: int) -> Any:
        """Read as far as operators bind at least as strongly as `binding`."""
        import sympy

        if depth > _DEPTH:
            raise InputError(f"{self.name} is nested deeper than {_DEPTH}: write it flatter")
        left, terms = self._operand(depth), []
        while (power := _BINDING.get(self.word, -1)) >= max(binding, 1):
            sign = self.word
            self._next()
            # ** is followed by what a sign is followed by, and so groups to the right
            right = self.expression(min(power + 1, _SIGN), depth + 1)
            if sign in "+-":  # added all at once, in linear time
                terms.append(left)
                left = right if sign == "+" else -right
            else:
                left = self._combined(sign, left, right)
        return sympy.Add(*terms, left) if terms else left

    def _operand(self, depth: int) -> Any:
        import sympy

        kind, word = self.kind, self.word
        if kind not in ("number", "name") and word not in ("+", "-", "("):
            raise self.refused()
        self._next()
        if kind == "number":
            q = rational(word, self.name)
            return sympy.Rational(int(q.p), int(q.q))
        if kind == "name" and self.word != "(":
            return sympy.Symbol(word)
        if kind == "name" and word not in FUNCTIONS:
            raise self.refused()
        if word in ("+", "-"):
            inner = self.expression(_SIGN, depth + 1)
            return -inner if word == "-" else inner
        if kind == "name":
            self._next()
        inner = self.expression(0, depth + 1)
        if self.word != ")":
            raise self.refused()
        self._next()
        if kind != "name":
            return inner
        return (
            getattr(sympy, word)(inner)
            if word in _OF_SYMPY
            else function_of(word).symbol(sympy, inner)
        )

    def _combined(self, sign: str, a: Any, b: Any) -> Any:
        if sign == "*":
            return a * b
        if (sign == "/" and b.is_zero) or (sign != "/" and a.is_zero and b.is_negative):
            raise InputError(f"{self.name} divides by zero: remove that quotient")
        if sign == "/":
            return a / b
        if b.is_Rational and abs(b) > _POWER:
            raise InputError(f"{self.name} has an exponent above {_POWER}: give a smaller one")
        bits = max(int(a.p).bit_length(), int(a.q).bit_length()) if a.is_Rational else 0
        if b.is_Rational and bits * abs(b) > _BITS:
            raise InputError(f"{self.name} has a number of more than {_BITS} bits: round it")
        return a**b
