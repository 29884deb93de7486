"""How other systems write names and polynomials: a small table, and one printer for all."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from detvar.exact.rational_functions import Polynomial, integer_terms

_INDEXED = re.compile(r"([A-Za-z]+)_?([0-9]+(?:_[0-9]+)*)")


def _joined(letters: str, indices: Sequence[str]) -> str:
    """w, (1, 1, 2) → w1_1_2."""
    return letters + "_".join(indices)


def _subscripted(letters: str, indices: Sequence[str]) -> str:
    """w, (1, 1, 2) → w_(1,1,2): in Macaulay2 an underscore is an operator."""
    if len(letters) == 1:
        return f"{letters}_({','.join(indices)})"
    return letters + "x".join(indices)


@dataclass(frozen=True)
class Dialect:
    """The spelling of one system.

    Attributes
    ----------
    title : what it is called
    comment : how a line of comment begins
    power : the sign of powers
    indexed : how a letter with indices is written
    has_parameters : whether coefficients may contain parameters
    """

    title: str
    comment: str
    power: str = "^"
    indexed: Callable[[str, Sequence[str]], str] = _joined
    has_parameters: bool = True


DIALECTS = {
    "macaulay2": Dialect("Macaulay2", "--", indexed=_subscripted),
    "singular": Dialect("Singular", "//"),
    "msolve": Dialect("msolve", "#", has_parameters=False),
    "julia": Dialect("HomotopyContinuation.jl", "#"),
    "sympy": Dialect("SymPy", "#", power="**"),
}


def identifiers(names: Sequence[str], dialect: Dialect) -> list[str]:
    """Return different names that the system accepts, none of them a word it knows.

    Letters with numbers stay as they are; a word gets a digit at its end, which commands and
    constants of these systems do not have.

    >>> identifiers(["w1_1_2", "lambda", "λ", "x_{1}"], DIALECTS["julia"])
    ['w1_1_2', 'lambda0', 'lamda0', 'x1']
    >>> identifiers(["w1_1_2", "u_3"], DIALECTS["macaulay2"])
    ['w_(1,1,2)', 'u_(3)']
    """
    out: list[str] = []
    for name in names:
        match = _INDEXED.fullmatch(name) or _INDEXED.fullmatch(_plain(name))
        if match:
            letters, indices = match[1], match[2].split("_")
        else:
            letters, indices = _plain(name) or "p", ["0"]
        new = dialect.indexed(letters, indices)
        while new in out:
            indices = [*indices[:-1], indices[-1] + "0"]
            new = dialect.indexed(letters, indices)
        out.append(new)
    return out


def _plain(name: str) -> str:
    """Return a name in ASCII letters and digits that begins with a letter; Greek is spelled out."""
    spelled = "".join(
        c if c.isascii() else unicodedata.name(c, "").split(" ")[-1].lower() for c in name
    )
    return re.sub(r"^[0-9]+", "", re.sub(r"[^A-Za-z0-9]", "", spelled))


def polynomial_text(f: Polynomial, names: Sequence[str], dialect: Dialect) -> str:
    """Return a polynomial with integer coefficients, its denominators cleared.

    >>> from detvar.exact.rational_functions import polynomial_ring
    >>> x, y = polynomial_ring(["x", "y"])
    >>> polynomial_text(x**2 * y / 3 - y + 1, ["x", "y"], DIALECTS["julia"])
    'x^2*y - 3*y + 3'
    """
    terms = []
    for exponents, c in integer_terms(f).items():
        powers = [
            name if e == 1 else f"{name}{dialect.power}{e}"
            for name, e in zip(names, exponents, strict=True)
            if e
        ]
        size = [str(abs(c))] if abs(c) != 1 or not powers else []
        terms.append(("- " if c < 0 else "+ ") + "*".join([*size, *powers]))
    text = " ".join(terms) or "0"
    return text[2:] if text.startswith("+ ") else text.replace("- ", "-", 1)
