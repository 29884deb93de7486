"""Reading a formula in the entries of W from text, without evaluating any of it as code.

Operator precedence is Python's: ** before signs, signs before * and /, these before + and −;
** groups to the right.  The formula becomes a graph at once, so its length costs no recursion.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING

from detvar.errors import InputError, ShapeError
from detvar.exact.rational import rational, to_fraction
from detvar.exact.text import one_line

if TYPE_CHECKING:
    from detvar.homotopy.expression import Graph, Key

_LENGTH, _DEPTH, _POWER, _ROOT, _SIZE = 200_000, 300, 100, 1000, 1_000_000
_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W0-9]\w*)|(?P<sign>\*\*|[-+*/^()])|(?P<bad>\S)"
)
_ENTRY = re.compile(r"\bw(?:([1-9])([1-9])|_([1-9][0-9]{0,2})_([1-9][0-9]{0,2}))\b")
_BINDING = {"+": 1, "-": 1, "*": 2, "/": 2, "**": 4, "^": 4}
_SIGN = 3
_WORDS = "use w11, w12, … (or w_1_12), numbers, + - * / ** and parentheses"
_KINK = "is not differentiable where"
_REFUSED = {
    "abs": f"{_KINK} its argument is 0: write sqrt(x**2 + 1/100) or logcosh(x)",
    "max": f"{_KINK} two arguments are equal: write log(exp(x) + exp(y))",
    "min": f"{_KINK} two arguments are equal: write -log(exp(-x) + exp(-y))",
    "relu": f"{_KINK} its argument is 0: write softplus(x)",
    "sign": f"{_KINK} its argument is 0: write tanh(x)",
    "heaviside": f"{_KINK} its argument is 0: write sigmoid(x)",
    "piecewise": f"{_KINK} its pieces meet: write one formula",
    "floor": f"{_KINK} its argument is an integer: leave it out",
    "ceiling": f"{_KINK} its argument is an integer: leave it out",
    "conjugate": "belongs to complex numbers, and W is real: leave it out",
    "re": "belongs to complex numbers, and W is real: leave it out",
    "im": "belongs to complex numbers, and W is real: leave it out",
    "arg": "belongs to complex numbers, and W is real: leave it out",
}
_SYNONYMS = {"ceil": "ceiling", "sgn": "sign", "fabs": "abs", "maximum": "max", "minimum": "min"}
_COMPLEX = ("I", "zoo")


def entry_name(i: int, j: int) -> str:
    """Return how the entry in row i and column j is written, counted from 1.

    >>> entry_name(1, 2), entry_name(1, 12)
    ('w12', 'w_1_12')
    """
    return f"w{i}{j}" if max(i, j) < 10 else f"w_{i}_{j}"


def with_numbers(text: str) -> str:
    """Return a formula with the numbers pi and E written by functions.

    >>> with_numbers("2*pi*w11 + E**w12")
    '2*(4*atan(1))*w11 + exp(1)**w12'
    """
    return re.sub(r"\bE\b", "exp(1)", re.sub(r"\bpi\b", "(4*atan(1))", text))


def canonical_text(text: str, transposed: bool = False) -> str:
    """Return a formula with single spaces and every entry written as in `entry_name`.

    >>> canonical_text("w_1_2 +  w_1_12", transposed=True)
    'w21 + w_12_1'
    """

    def renamed(match: re.Match[str]) -> str:
        i, j = _indices(match)
        return entry_name(j, i) if transposed else entry_name(i, j)

    return _ENTRY.sub(renamed, " ".join(text.split()))


def read_expression(
    text: str, size: tuple[int, int] | None = None
) -> tuple[Graph, int, tuple[int, int]]:
    """Return the graph of a formula, its node, and the shape of W.

    Parameters
    ----------
    text : such as "(w11 - 1)**2 + log(1 + exp(w12))/4"; ^ is read as **, decimals exactly, and
        x**(p/q) as the power of x ≥ 0
    size : (m, n); by default the largest indices in the text

    Returns
    -------
    graph, node, (m, n) : the inputs of the graph are the entries of W, row by row

    Raises
    ------
    InputError, ShapeError
        If the text is too long, too deep or too large, holds anything else than arithmetic and
        differentiable functions of the entries of W, divides by zero, or if an entry is outside
        of `size`.

    Examples
    --------
    >>> graph, node, shape = read_expression("w12^2/4 - 0.5")
    >>> shape, graph.evaluate([node], [0, 2])
    ((1, 2), [Fraction(1, 2)])
    """
    if len(text) > _LENGTH:
        raise InputError(f"expression is longer than {_LENGTH} characters: give a shorter one")
    found = [_indices(match) for match in _ENTRY.finditer(text)]
    m, n = max((i for i, _ in found), default=0), max((j for _, j in found), default=0)
    rows, columns = size or (m, n)
    for i, j in found:
        if i > rows or j > columns:
            raise ShapeError(
                f"expression contains {entry_name(i, j)}, but W is {rows}×{columns}: give a "
                f"shape of at least [{m}, {n}], or change the expression"
            )
    reader = _Reader(text, columns)
    node, _ = reader.expression(0, 0)
    if reader.word:
        raise reader.unexpected("an operator")
    if not rows:
        raise InputError("expression contains no entry of W: give the shape [rows, columns]")
    return reader.graph, node, (rows, columns)


def _indices(match: re.Match[str]) -> tuple[int, int]:
    i, j = (int(x) for x in match.groups() if x is not None)
    return i, j


class _Reader:
    """A text with the place of reading, and the graph that grows.

    A value is a node with its size, a bound for the number of bits of its constants and for its
    degree: sizes add up under + - * / and are multiplied by powers, which are refused in time.
    """

    def __init__(self, text: str, columns: int) -> None:
        from detvar.homotopy.expression import Graph

        self.graph = Graph()
        self.columns = columns
        self._tokens: Iterator[re.Match[str]] = _TOKEN.finditer(text)
        self._next()

    def _next(self) -> None:
        match = next(self._tokens, None)
        self.kind = match.lastgroup if match else None
        self.word = match[0] if match else ""
        self.place = match.start() + 1 if match else None

    def unexpected(self, wanted: str) -> InputError:
        where = f'has "{one_line(self.word, 20)}" at character {self.place}'
        if self.place is None:
            where = "ends"
        return InputError(f"expression {where} where {wanted} should stand: {_WORDS}")

    def expression(self, binding: int, depth: int) -> tuple[int, int]:
        """Read as far as operators bind at least as strongly as `binding`."""
        if depth > _DEPTH:
            raise InputError(f"expression is nested deeper than {_DEPTH}: write it flatter")
        left = self._operand(depth)
        while (power := _BINDING.get(self.word, -1)) >= max(binding, 1):
            sign = self.word
            self._next()
            # ** is followed by what a sign is followed by, and so groups to the right
            left = self._combined(sign, left, self.expression(min(power + 1, _SIGN), depth + 1))
        return left

    def _operand(self, depth: int) -> tuple[int, int]:
        kind, word = self.kind, self.word
        if kind == "number":
            self._next()
            q = rational(word, "a number in expression")
            return self.graph.constant(to_fraction(q)), int(q.height_bits())
        if kind == "name":
            return self._entry(word, depth)
        if word not in ("+", "-", "("):
            raise self.unexpected("a number or an entry of W")
        self._next()
        if word != "(":
            node, size = self.expression(_SIGN, depth + 1)
            return (self.graph.neg(node) if word == "-" else node), size
        inner = self.expression(0, depth + 1)
        if self.word != ")":
            raise self.unexpected("an operator or a closing parenthesis")
        self._next()
        return inner

    def _entry(self, word: str, depth: int) -> tuple[int, int]:
        self._next()
        if self.word == "(":
            return self._called(word, depth)
        if word in _COMPLEX:
            raise InputError(
                f"expression contains {word}, which is no real number: give a formula with real "
                "values"
            )
        match = _ENTRY.fullmatch(word)
        if match is None:
            raise InputError(
                f"expression contains {one_line(word, 20)}, which is no entry of W: {_WORDS}"
            )
        i, j = _indices(match)
        return self.graph.input((i - 1) * self.columns + j - 1), 1

    def _called(self, word: str, depth: int) -> tuple[int, int]:
        """Read the argument of a function, and apply it."""
        known, name = functions(), word.lower()
        reason = _REFUSED.get(_SYNONYMS.get(name, name))
        if reason is not None:
            raise InputError(f"expression calls {word}, which {reason}")
        if word not in known:
            raise InputError(
                f"expression calls {one_line(word, 20)}, which is not known: use {', '.join(known)}"
            )
        self._next()
        inner, size = self.expression(
            0, depth + 2
        )  # a call takes twice the frames of a parenthesis
        if self.word != ")":
            raise self.unexpected("an operator or a closing parenthesis")
        self._next()
        return known[word](self.graph, inner), size

    def _combined(self, sign: str, a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        graph, (left, size), (right, other) = self.graph, a, b
        if sign in ("**", "^"):
            return self._raised(a, b)
        ways = {"+": graph.add, "-": graph.sub, "*": graph.mul, "/": self._quotient}
        return ways[sign](left, right), size + other

    def _quotient(self, a: int, b: int) -> int:
        """Return a/b; 1/(1 + eᵘ) and eᵘ/(1 + eᵘ) are sigmoids, which do not overflow."""
        from detvar.homotopy.expression import ADD

        graph = self.graph
        if graph.op[b] == ADD and graph.left[b] == graph.one:
            power = graph.right[b]
            if graph.calls("exp", power):
                inner = graph.left[power]
                if a == power:
                    return self.graph.function("sigmoid", inner)
                if graph.value(a) is not None:
                    return graph.mul(a, self.graph.function("sigmoid", graph.neg(inner)))
        return graph.div(a, b)

    def _raised(self, a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        (node, size), (power, other) = a, b
        exponent = self.graph.value(power)
        if exponent is None:
            return self._exponential(node, power), size + other
        p = to_fraction(rational(exponent))
        if abs(p) > _POWER or p.denominator > _ROOT:
            raise InputError(
                f"expression has an exponent that is no fraction p/q from −{_POWER} to {_POWER} "
                f"with q up to {_ROOT}: write such a number"
            )
        size *= max(ceil(abs(p)), 1)
        if size > _SIZE:
            raise InputError(
                "expression has powers of powers of too large a degree: give a smaller one"
            )
        if p.denominator == 1:
            return self.graph.power(node, p.numerator), size
        return self.graph.function(p, node), size

    def _exponential(self, base: int, power: int) -> int:
        """Return base^power for a base that is a number > 0."""
        graph, number = self.graph, self.graph.value(base)
        if graph.calls("exp", base) and graph.left[base] == graph.one:
            return self.graph.function("exp", power)
        if number is None or number <= 0:  # type: ignore[operator]
            raise InputError(
                "expression has an exponent that is no number: write exp(y*log(x)) for x**y"
            )
        return self.graph.function("exp", graph.mul(power, self.graph.function("log", base)))


@lru_cache(maxsize=1)
def functions() -> dict[str, Callable[[Graph, int], int]]:
    """Return what a formula may call: functions of the table, and names for short formulas.

    >>> list(functions())[:4]
    ['exp', 'log', 'sqrt', 'sin']
    """
    from detvar.exact.functions import NAMES

    def atom(key: Key) -> Callable[[Graph, int], int]:
        return lambda graph, a: graph.function(key, a)

    def inverse(key: str) -> Callable[[Graph, int], int]:
        return lambda graph, a: graph.div(graph.one, graph.function(key, a))

    table = {"exp": atom("exp"), "log": atom("log"), "sqrt": atom(Fraction(1, 2))}
    table |= {name: atom(name) for name in NAMES}
    return table | {
        "ln": atom("log"),
        "sec": inverse("cos"),
        "csc": inverse("sin"),
        "cot": inverse("tan"),
        "sech": inverse("cosh"),
        "csch": inverse("sinh"),
        "coth": inverse("tanh"),
        "erfc": lambda graph, a: graph.sub(graph.one, graph.function("erf", a)),
    }
