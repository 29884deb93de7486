"""Reading an expression in the entries of W from text, without evaluating any of it as code."""

from __future__ import annotations

import ast
import re
from typing import Any

from detvar.errors import InputError
from detvar.exact.rational import rational

_LENGTH, _DEPTH, _POWER = 20_000, 150, 100
_ENTRY = re.compile(r"w([1-9])([1-9])|w_([1-9][0-9]{0,2})_([1-9][0-9]{0,2})")
_WORDS = "use w11, w12, … (or w_1_12), numbers, + - * / ** and parentheses"
ALGEBRAIC = (
    "tracking needs polynomials and quotients of them; a transcendental loss needs interval "
    "methods instead"
)


def entry_name(i: int, j: int) -> str:
    """Return how the entry in row i and column j is written, counted from 1.

    >>> entry_name(1, 2), entry_name(1, 12)
    ('w12', 'w_1_12')
    """
    return f"w{i}{j}" if max(i, j) < 10 else f"w_{i}_{j}"


def read_expression(text: str) -> tuple[Any, tuple[int, int]]:
    """Return the SymPy expression that a text denotes, and the largest indices in it.

    Parameters
    ----------
    text : such as "(w11 - 1)**2 + 3*w12**2/4"; ^ is read as **

    Raises
    ------
    InputError
        If the text is too long or too deep, or is anything else than rational arithmetic.

    Examples
    --------
    >>> read_expression("w12^2/4 - 0.5")
    (w12**2/4 - 1/2, (1, 2))
    """
    if not isinstance(text, str):
        raise InputError(f"expression must be text or a SymPy expression: {_WORDS}")
    if len(text) > _LENGTH:
        raise InputError(f"expression is longer than {_LENGTH} characters: give a shorter one")
    code = text.strip().replace("^", "**").replace("\n", " ")
    try:
        tree = ast.parse(code, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise InputError(f"expression is not readable: {_WORDS}") from None
    largest = [0, 0]
    return _build(tree.body, code, largest, 0), (largest[0], largest[1])


def _build(node: ast.expr, code: str, largest: list[int], depth: int) -> Any:
    import sympy

    if depth > _DEPTH:
        raise InputError(f"expression is nested deeper than {_DEPTH}: write it flatter")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        q = rational(ast.get_source_segment(code, node) or "", "a number in expression")
        return sympy.Rational(int(q.p), int(q.q))
    if isinstance(node, ast.Name):
        match = _ENTRY.fullmatch(node.id)
        if match is None:
            raise InputError(
                f"expression contains {node.id[:40]}, which is no entry of W: {_WORDS}"
            )
        i, j = (int(x) for x in match.groups() if x is not None)
        largest[:] = max(largest[0], i), max(largest[1], j)
        return sympy.Symbol(entry_name(i, j))
    if isinstance(node, ast.Call):
        raise InputError(f"expression calls a function, so it is not algebraic: {ALGEBRAIC}")
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
        inner = _build(node.operand, code, largest, depth + 1)
        return -inner if isinstance(node.op, ast.USub) else inner
    if isinstance(node, ast.BinOp):
        left = _build(node.left, code, largest, depth + 1)
        right = _build(node.right, code, largest, depth + 1)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left - right
        if isinstance(node.op, ast.Mult):
            return left * right
        if isinstance(node.op, ast.Div):
            if right == 0:
                raise InputError("expression divides by zero: remove that quotient")
            return left / right
        if isinstance(node.op, ast.Pow):
            if not right.is_Integer or abs(right) > _POWER:
                raise InputError(
                    f"an exponent is {str(right)[:40]}: give an integer from −{_POWER} to {_POWER}"
                )
            if left == 0 and right < 0:
                raise InputError("expression divides by zero: remove that quotient")
            return left**right
    raise InputError(f"expression contains something else than rational arithmetic: {_WORDS}")
