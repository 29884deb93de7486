r"""Numbers, matrices, polynomials, tables and words in LaTeX.

What is made here is math, to be put between ``$`` signs, except where a function says that it
returns text.  Everything compiles with ``\usepackage{amsmath,amssymb}``, and in notebooks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from math import lcm
from typing import TYPE_CHECKING, Any

from flint import fmpq_mat

from detvar.exact.rational import Rational

if TYPE_CHECKING:
    from detvar.exact.algebraic import RealAlgebraic
    from detvar.exact.inertia import Inertia

_MOST_COLUMNS = 10  # of a pmatrix, by default of amsmath
_LARGEST_RADICAND = 10**12
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    '"': "''",
}
_SYMBOLS = {
    "±": r"\pm", "×": r"\times", "·": r"\cdot", "÷": r"\div", "−": "-", "∞": r"\infty",
    "≤": r"\le", "≥": r"\ge", "≠": r"\ne", "≈": r"\approx", "∼": r"\sim", "∝": r"\propto",
    "≻": r"\succ", "⪰": r"\succeq", "≺": r"\prec", "⪯": r"\preceq", "∥": r"\parallel",
    "√": r"\surd", "∇": r"\nabla", "∂": r"\partial", "Σ": r"\Sigma", "∑": r"\sum", "Π": r"\Pi",
    "∏": r"\prod", "∈": r"\in", "⊂": r"\subset", "⊗": r"\otimes", "⊕": r"\oplus", "∘": r"\circ",
    "∪": r"\cup", "∖": r"\setminus", "→": r"\to", "↦": r"\mapsto", "⇒": r"\Rightarrow",
    "⇔": r"\Leftrightarrow", "⟨": r"\langle", "⟩": r"\rangle", "‖": r"\Vert", "⌊": r"\lfloor",
    "⌋": r"\rfloor", "⋯": r"\cdots", "ℓ": r"\ell", "½": r"\tfrac12", "¼": r"\tfrac14",
    "Δ": r"\Delta", "Λ": r"\Lambda", "Ω": r"\Omega", "α": r"\alpha", "β": r"\beta",
    "γ": r"\gamma", "δ": r"\delta", "ε": r"\varepsilon", "η": r"\eta", "θ": r"\theta",
    "κ": r"\kappa", "λ": r"\lambda", "μ": r"\mu", "ν": r"\nu", "ξ": r"\xi", "π": r"\pi",
    "ρ": r"\rho", "σ": r"\sigma", "τ": r"\tau", "φ": r"\varphi", "ω": r"\omega", "⊥": r"\perp",
    "ϑ": r"\vartheta", "∅": r"\emptyset",
    "ᵀ": r"{}^{\top}", "⁺": "{}^{+}", "⁻": "{}^{-}", "′": "'", "∀": r"\forall", "°": r"{}^{\circ}",
}  # fmt: skip
_LETTERS = "äëïöüßáéíóúàèìòùâêîôûçñøåÄÖÜÉÅØŁł"
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹ᵃᵇᵉᵏⁱⁿʲ", "0123456789abekinj", strict=True))
_LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉ₕᵢⱼₖᵣ₊", "0123456789hijkr+", strict=True))


_PIECE = re.compile(r"binom\(\w, \w\)|√[0-9]+|[σλ][0-9]+|.[\u0304\u0305]|.", re.DOTALL)


def displayed(self: Any) -> str:
    """Return `to_latex()` between dollars: bind it in a class as `_repr_latex_`."""
    return rf"$\displaystyle {self.to_latex()}$"


# --- numbers --------------------------------------------------------------------------------------


def number(x: Any) -> str:
    r"""Return a rational, or an integer, as a fraction; strings are taken to be LaTeX already.

    >>> number(Rational(-1, 2)), number(3)
    ('-\\frac{1}{2}', '3')
    """
    if hasattr(x, "to_latex"):
        return str(x.to_latex())
    if isinstance(x, (str, int)):
        return str(x)
    if isinstance(x, Rational):
        sign = "-" if x < 0 else ""
        return str(x.p) if x.q == 1 else rf"{sign}\frac{{{abs(x.p)}}}{{{x.q}}}"
    return floating(x)


def floating(x: float, digits: int = 6) -> str:
    r"""Return a floating number with a few digits.

    >>> floating(0.5), floating(1.25e-9)
    ('0.5', '1.25\\cdot 10^{-9}')
    """
    text = f"{x:.{digits}g}"
    if "inf" in text:
        return text.replace("inf", r"\infty")
    if "nan" in text:
        return r"\text{undefined}"
    mantissa, _, exponent = text.partition("e")
    return rf"{mantissa}\cdot 10^{{{int(exponent)}}}" if exponent else mantissa


def interval(low: Any, high: Any) -> str:
    """Return the closed interval [low, high]; infinite ends are open."""
    first, last = number(low), number(high)
    left = "(" if "infty" in first else "["
    right = ")" if "infty" in last else "]"
    return rf"\left{left}{first},\,{last}\right{right}"


def algebraic(x: RealAlgebraic) -> str:
    r"""Return a real algebraic number: with square roots, or as numbered roots of polynomials.

    Roots are counted from 1, increasing, among the real roots.

    Examples
    --------
    >>> from detvar.exact.algebraic import real_roots, square_root
    >>> print(algebraic((1 + square_root(5)) / 2))
    \frac{1+\sqrt{5}}{2}
    >>> print(algebraic(real_roots([1, -3, 0, 1])[1][0]))
    \operatorname{root}_{2}(x^{3}-3x+1)\approx 0.3472963553\ldots
    """
    q = x.as_rational()
    if q is not None:
        return number(q)
    quadratic = all(r.polynomial.degree == 2 for r, _ in x.terms)
    if quadratic and all(-r.polynomial.coefficients[0] <= _LARGEST_RADICAND for r, _ in x.terms):
        return _surds(x)
    parts = [(a, _root(r)) for r, a in x.terms]
    text = linear_combination([(x.constant, ""), *parts])
    return rf"{text}\approx {decimal(x.decimal(10))}"


def _root(r: Any) -> str:
    f = r.polynomial
    if f.degree == 2:  # normalised: √D
        return rf"\sqrt{{{-f.coefficients[0]}}}"
    return rf"\operatorname{{root}}_{{{r.index + 1}}}({polynomial(f.coefficients, 'x')})"


def _surds(x: RealAlgebraic) -> str:
    common = lcm(int(x.constant.q), *(int(a.q) for _, a in x.terms))
    parts = [(x.constant * common, "")]
    parts += [(a * common, rf"\sqrt{{{-r.polynomial.coefficients[0]}}}") for r, a in x.terms]
    text = linear_combination(parts)
    if common == 1:
        return text
    if text.startswith("-") and sum(bool(a) for a, _ in parts) == 1:
        return rf"-\frac{{{text[1:]}}}{{{common}}}"
    return rf"\frac{{{text}}}{{{common}}}"


def decimal(text: str) -> str:
    """Return a decimal as `RealAlgebraic.decimal` writes it, such as "1.25…e-9"."""
    mantissa, _, exponent = text.partition("e")
    shown = mantissa.replace("…", r"\ldots")
    return rf"{shown}\cdot 10^{{{int(exponent)}}}" if exponent else shown


def linear_combination(parts: Iterable[tuple[Any, str]]) -> str:
    r"""Return Σ a·x for pairs (a, x), with a rational and x LaTeX; x = "" stands for 1.

    >>> linear_combination([(Rational(1), ""), (Rational(-1), "y"), (Rational(1, 2), "z")])
    '1-y+\\frac{1}{2}z'
    """
    out = ""
    for a, x in parts:
        if not a:
            continue
        size = "" if x and abs(a) == 1 else number(Rational(abs(a)))
        out += ("-" if a < 0 else "+" if out else "") + size + x
    return out or "0"


def polynomial(coefficients: Iterable[Any], variable: str = "x") -> str:
    """Return the polynomial with these coefficients, from low to high degree.

    >>> polynomial([1, -3, 0, 1], "t")
    't^{3}-3t+1'
    """
    terms = [
        (Rational(c), "" if k == 0 else variable if k == 1 else f"{variable}^{{{k}}}")
        for k, c in enumerate(coefficients)
    ]
    return linear_combination(reversed(terms))


def from_text(text: str) -> str:
    r"""Return the LaTeX of a polynomial printed by FLINT or by us, such as "-6*s1^4 + 1/2*s2".

    >>> from_text("-1/2*s1^4 + z12*z21")
    '-\\frac{1}{2}s_{1}^{4} + z_{12}z_{21}'
    """
    out = re.sub(r"([0-9]+)/([0-9]+)", r"\\frac{\1}{\2}", text)
    out = re.sub(r"([A-Za-z])_?([0-9]+)_([0-9]+)", r"\1_{\2,\3}", out)
    out = re.sub(r"([A-Za-z])([0-9]+)", r"\1_{\2}", out)
    out = re.sub(r"(?:\*\*|\^)([0-9]+)", r"^{\1}", out)
    return re.sub(r"\s*\*\s*", "", out).replace("√", r"\surd ")


# --- matrices -------------------------------------------------------------------------------------


def matrix(a: fmpq_mat | Iterable[Iterable[Any]]) -> str:
    r"""Return a matrix in parentheses; entries as `number` writes them.

    >>> from detvar.exact.matrices import matrix as exact
    >>> matrix(exact([[1, "1/2"]]))
    '\\begin{pmatrix}1&\\frac{1}{2}\\end{pmatrix}'
    """
    rows = [list(row) for row in (a.tolist() if hasattr(a, "tolist") else a)]
    if not rows or not rows[0]:
        m, n = (a.nrows(), a.ncols()) if isinstance(a, fmpq_mat) else (len(rows), 0)
        return rf"0_{{{m}\times {n}}}"
    body = r"\\".join("&".join(number(x) for x in row) for row in rows)
    if len(rows[0]) <= _MOST_COLUMNS:
        return rf"\begin{{pmatrix}}{body}\end{{pmatrix}}"
    letters = "c" * len(rows[0])
    return rf"\left(\begin{{array}}{{{letters}}}{body}\end{{array}}\right)"


def space(m: int, n: int) -> str:
    """Return the space of m×n matrices."""
    return rf"\mathbb{{R}}^{{{m}\times {n}}}"


def signature(found: Inertia) -> str:
    r"""Return an inertia as (positive, negative, zero).

    >>> from detvar.exact.inertia import Inertia
    >>> signature(Inertia(2, 1, 0))
    '(2,\\,1,\\,0)'
    """
    return "(" + r",\,".join(map(str, found)) + ")"


def product(letter: str, high: int, low: int = 1) -> str:
    r"""Return the product of layers from `high` down to `low`.

    >>> product("W", 2), product("W", 5)
    ('W_{2}W_{1}', 'W_{5}\\cdots W_{1}')
    """
    if high - low < 3:
        return "".join(f"{letter}_{{{i}}}" for i in range(high, low - 1, -1))
    return rf"{letter}_{{{high}}}\cdots {letter}_{{{low}}}"


# --- text -----------------------------------------------------------------------------------------


def words(text: str) -> str:
    r"""Return plain text, with mathematical symbols in it, as LaTeX text.

    Characters that LaTeX reserves are escaped; what it does not know becomes its code point.

    >>> print(words("50 % of W̄ᵀG ≤ x_1²"))
    50 \% of $\bar{W}{}^{\top}$G $\le$ x\_1${}^{2}$
    """
    pieces: list[str] = []
    for match in _PIECE.finditer(unicodedata.normalize("NFC", text)):
        c = match[0]
        if c.startswith("binom"):
            formula = rf"\binom{{{c[6]}}}{{{c[9]}}}"
        elif c[0] == "√" and len(c) > 1:
            formula = rf"\sqrt{{{c[1:]}}}"
        elif c[0] in "σλ" and len(c) > 1:
            formula = f"{_SYMBOLS[c[0]]}_{{{c[1:]}}}"
        elif len(c) == 2:
            formula = rf"\bar{{{c[0]}}}"
        elif c in _RAISED:
            formula = f"{{}}^{{{_RAISED[c]}}}"
        elif c in _LOWERED:
            formula = f"{{}}_{{{_LOWERED[c]}}}"
        else:
            formula = _SYMBOLS.get(c, "")
        if not formula:
            pieces.append(_letter(c))
        elif pieces and pieces[-1].endswith("$") and pieces[-1] != r"\$":
            pieces[-1] = f"{pieces[-1][:-1]}{formula}$"
        else:
            pieces.append(f"${formula}$")
    return "".join(pieces)


def _letter(c: str) -> str:
    if c in _SPECIAL:
        return _SPECIAL[c]
    if c.isascii():
        return c if c.isprintable() else " "
    return c if c in _LETTERS else f"[U+{ord(c):04X}]"


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]], align: str | None = None) -> str:
    r"""Return a tabular, as text; headers and cells are LaTeX text already.

    Parameters
    ----------
    headers : one for each column
    rows : cells of any type, written with `str`; None is an empty cell
    align : one letter for each column (default: all "l")

    Examples
    --------
    >>> print(table(["rank", "index"], [[1, 0]], "rr"))
    \begin{tabular}{rr}
    rank & index \\
    \hline
    1 & 0
    \end{tabular}
    """
    n = len(headers)
    letters = (align or "") + "l" * (n - len(align or ""))
    lines = [["" if x is None else str(x) for x in row] for row in rows]
    body = "".join(" & ".join(row) + _row_end(row) for row in lines[:-1])
    body += " & ".join(lines[-1]) if lines else ""
    head = " & ".join(headers)
    return f"\\begin{{tabular}}{{{letters[:n]}}}\n{head} \\\\\n\\hline\n{body}\n\\end{{tabular}}"


def _row_end(cells: Sequence[str]) -> str:
    """End a row of a table, with some space below fractions and matrices."""
    is_tall = any("\\frac" in x or "matrix}" in x for x in cells)
    return " \\\\[1ex]\n" if is_tall else " \\\\\n"


def display(*formulas: str) -> str:
    """Return formulas on lines of their own, as text."""
    return "\n".join(f"\\[\n{f}\n\\]" for f in formulas if f)


def paragraphs(*blocks: str) -> str:
    """Return blocks of text, one paragraph each; empty ones are left out."""
    return "\n\n".join(b for b in blocks if b)
