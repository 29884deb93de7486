r"""The parts of which the sentences of a derivation are made: matrices, layers, relations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from detvar.exact.algebraic import RealAlgebraic, real_algebraic
from detvar.exact.latex import decimal, matrix, number, product
from detvar.exact.matrices import Matrix, identity
from detvar.exact.rational import Rational

_LONGEST = 1500  # characters of a matrix that is still printed
_DIGITS = 24  # of a rational that is still printed exactly


class Words(NamedTuple):
    """One step in words: a sentence, displayed formulas, and a source or a reason."""

    claim: str
    formulas: tuple[str, ...]
    because: str


def shown(a: Matrix) -> str:
    """Return a matrix, in short form where it is 0, 1×1 or an identity; its shape if it is long."""
    if not any(a.entries()):
        return "0"
    if (a.nrows(), a.ncols()) == (1, 1):
        return number(a[0, 0])
    if a.nrows() == a.ncols() and a == identity(a.nrows()):
        return f"I_{{{a.nrows()}}}"
    text = matrix(a)
    if len(text) <= _LONGEST:
        return text
    return rf"\text{{a }}{a.nrows()}\times {a.ncols()}\text{{ matrix}}"


def equal(x: Any) -> str:
    """Return "= x", or "≈ x" where the exact number is too long to be read."""
    if isinstance(x, Rational) and len(str(x)) > _DIGITS:
        return rf"\approx {decimal(real_algebraic(x).decimal(6))}"
    return f"={number(x)}"


def value_of(x: RealAlgebraic) -> str:
    """Return a number in closed form, or ten digits of it where that is too long to be read."""
    text = number(x)
    return decimal(x.decimal(10)) if r"\approx" in text else text


def layers(letter: str, matrices: Sequence[Matrix]) -> str:
    """Return V_1 = …, …, V_h = …, those that vanish last and together."""
    names = [f"{letter}_{{{i}}}" for i in range(1, len(matrices) + 1)]
    pairs = list(zip(names, matrices, strict=True))
    parts = [f"{name}={shown(v)}" for name, v in pairs if any(v.entries())]
    still = [name for name, v in pairs if not any(v.entries())]
    return r",\quad ".join([*parts, *(["=".join([*still, "0"])] if still else [])])


def chain_of(widths: Sequence[int]) -> str:
    """Return the network as people write it, 3-2-3."""
    return "-".join(map(str, widths))


def rank_between(i: int, j: int) -> str:
    r"""Return the rank of W_{i−1}⋯W_{j+1}, which is d_j for i = j + 1."""
    if i == j + 1:
        return f"d_{{{j}}}"
    name = product("W", i - 1, j + 1)
    return rf"\operatorname{{rk}}{name}" if i == j + 2 else rf"\operatorname{{rk}}({name})"


def outer_block(i: int, j: int, h: int) -> str:
    r"""Return the product W_{>i}ᵀ G W_{<j}ᵀ for depth h, without factors that are identities."""
    left = "" if i == h else (rf"W_{{{h}}}^{{\top}}" if i == h - 1 else rf"W_{{>{i}}}^{{\top}}")
    right = "" if j == 1 else (r"\,W_{1}^{\top}" if j == 2 else rf"\,W_{{<{j}}}^{{\top}}")
    return f"{left}G{right}"
