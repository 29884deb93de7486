r"""Our own LaTeX as plain Unicode text: one formula, two ways to print it.

Only the commands that `detvar` writes are known; an unknown one raises, so that nothing half
translated is ever printed.
"""

from __future__ import annotations

import re

_SIGNS = {
    "ell": "ℓ", "nabla": "∇", "partial": "∂", "mu": "μ", "theta": "θ", "sigma": "σ",
    "Sigma": "Σ", "lambda": "λ", "Lambda": "Λ", "varepsilon": "ε", "delta": "δ", "eta": "η",
    "rho": "ρ", "alpha": "α", "beta": "β", "varphi": "φ", "Delta": "Δ", "kappa": "κ",
    "top": "ᵀ", "cdots": "⋯", "dots": "…", "ldots": "…", "cdot": "·", "times": "×",
    "otimes": "⊗", "oplus": "⊕", "circ": "∘", "le": " ≤ ", "ge": " ≥ ", "ne": " ≠ ",
    "succ": " ≻ ", "succeq": " ⪰ ", "prec": " ≺ ", "preceq": " ⪯ ", "approx": " ≈ ",
    "in": " ∈ ", "to": " → ", "mapsto": " ↦ ", "subset": " ⊂ ", "Rightarrow": " ⇒ ",
    "langle": "⟨", "rangle": "⟩", "lVert": "‖", "rVert": "‖", "Vert": "‖", "sum": "Σ",
    "prod": "Π", "infty": "∞", "pm": "±", "quad": "   ", "qquad": "      ",
    "forall": "for all ", "left": "",
    "right": "", "bigl": "", "bigr": "", "displaystyle": "", "surd": "√", "colon": ":",
    "mid": " | ",
}  # fmt: skip
_FUNCTIONS = ("log", "exp", "min", "max", "cosh", "det", "dim", "inf", "ker", "tr")
_SPACES = {",": " ", ";": " ", ":": " ", "!": "", " ": " ", "|": "‖", "{": "{", "}": "}"}
_RAISED = dict(zip("0123456789+−ᵀk*i", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀᵏ*ⁱ", strict=True))
_ESCAPED = {
    r"\textasciicircum{}": "^",
    r"\textasciitilde{}": "~",
    r"\textbackslash{}": "\\",
    r"\dots{}": "…",
}
_HALVES = {("1", "2"): "½"}
_OPENING = ("(", "[", "{", "&", "=", "<", ">", ",", "+", "-", "/", "|")
_RELATIONS = ("\\", "le", "ge", "ne", "approx", "left", "quad", "in", "to", "cdot", "pm", ",")
_TOKEN = re.compile(r"\\([A-Za-z]+|.)|([{}^_&])|(\s+)|([^\\{}^_&\s])", re.DOTALL)


def plain(formula: str) -> str:
    r"""Return a formula as one line of Unicode text.

    Raises
    ------
    ValueError
        If the formula has a command that is not known here, or unbalanced braces.

    Examples
    --------
    >>> plain(r"\bar W^{\top}G=\begin{pmatrix}1&0\\0&\frac{1}{2}\end{pmatrix}")
    'W̄ᵀG = [1 0; 0 1/2]'
    >>> plain(r"\tfrac{1}{2}\lVert WX-Y\rVert^{2}\ge 0")
    '½‖WX − Y‖² ≥ 0'
    """
    out = _Reader(formula).until(None)
    out = re.sub(r"\0(?=[A-Za-zΑ-ωℓ√∇∂⟨0-9])", " ", out).replace("\0", "")
    out = re.sub(r"\s*([=<>+])\s*", r" \1 ", out)
    out = re.sub(r"\{ ([<>]) ", r"{\1", out)  # W_{>i}
    out = re.sub(r"\s*,\s*", ", ", out)
    out = re.sub(r"(, )? {3,}", lambda m: (m[1] or " ") + "  ", out)  # what \\quad separates
    out = re.sub(r"(?<=\S) (?= \S)", "", out)
    out = re.sub(r"([(\[⟨]) ", r"\1", out)
    return re.sub(r" ([)\]⟩;.])", r"\1", out).strip()


def plain_words(text: str) -> str:
    """Return text with formulas between dollars in it as Unicode text.

    >>> plain_words(r"the rank of $\\bar W$ is 1, not 50\\%")
    'the rank of W̄ is 1, not 50%'
    """
    parts = re.split(r"(?<!\\)\$", text)
    return "".join(plain(x) if k % 2 else _unescaped(x) for k, x in enumerate(parts))


def _unescaped(text: str) -> str:
    for name, c in _ESCAPED.items():
        text = text.replace(name, c)
    return re.sub(r"\\([%#_&{}$])", r"\1", text).replace("---", "—").replace("--", "–")


class _Reader:
    """A formula with the place of reading."""

    def __init__(self, formula: str) -> None:
        self.formula = formula
        self.tokens = [m for m in _TOKEN.finditer(formula) if not m[3]]
        self.place = self.row_start = 0

    def until(self, end: str | None) -> str:
        """Read to the closing brace, to an ``\\end``, or to the end of the formula."""
        out = ""
        while self.place < len(self.tokens):
            m = self.tokens[self.place]
            if m[0] == end or (end == r"\end" and m[1] == "end"):
                return out
            out += self.one()
        if end is not None:
            raise ValueError(f"the formula ends before its {end}")
        return out

    def one(self) -> str:
        """Read one token with its arguments."""
        m = self.tokens[self.place]
        self.place += 1
        command, sign, _, letter = m.groups()
        if command is not None:
            return self.command(command)
        if sign == "{":
            out = self.until("}")
            self.place += 1
            return out
        if sign == "^":
            return _raised(self.argument())
        if sign == "_":
            return _lowered(self.argument())
        if sign == "&":
            return "&"
        if sign == "}":
            raise ValueError("the formula has a closing brace too many")
        if letter == "-":
            return "−" if self.is_unary() else " − "
        return str(letter)

    def is_unary(self) -> bool:
        """Say whether the minus just read has nothing on its left."""
        if self.place < 2 or self.place - 1 == self.row_start:
            return True
        before = self.tokens[self.place - 2]
        return before[0] in _OPENING or (before[1] or "") in _RELATIONS

    def argument(self) -> str:
        return self.one().strip()

    def next(self) -> str:
        return self.tokens[self.place][0] if self.place < len(self.tokens) else ""

    def raw(self) -> str:
        """Read the text of an argument in braces as it is."""
        begin = self.tokens[self.place].end()
        while self.tokens[self.place][0] != "}":
            self.place += 1
        self.place += 1
        return self.formula[begin : self.tokens[self.place - 1].start()]

    def command(self, name: str) -> str:
        if name in ("sum", "prod"):
            return f"{_SIGNS[name]}{self.one() if self.next() == '_' else ''} "
        if name in _FUNCTIONS:
            return f"\0{name}" if self.next() in ("_", "^", "(", "{") else f"\0{name} "
        if name in _SIGNS:
            return _SIGNS[name]
        if name in _SPACES:
            return _SPACES[name]
        if name == "\\":
            return "; "
        if name in ("frac", "tfrac"):
            top, bottom = self.argument(), self.argument()
            half = _HALVES.get((top, bottom)) if name == "tfrac" else None
            return half or f"{_grouped(top)}/{_grouped(bottom)}\0"
        if name == "sqrt":
            return f"√{_grouped(self.argument())}"
        if name == "bar":
            return f"{self.argument()}̄"
        if name in ("operatorname", "mathrm"):
            word = self.raw()
            return f"\0{word} " if self.next() not in ("_", "^", "(", "}", "") else f"\0{word}"
        if name in ("text",):
            return self.raw()
        if name in ("mathcal", "mathbb"):
            return self.argument()
        if name == "begin":
            return self.matrix()
        raise ValueError(f"\\{name} is not known in plain text")

    def matrix(self) -> str:
        name = self.raw()
        if name == "array":
            self.raw()
        elif name not in ("pmatrix", "aligned"):
            raise ValueError(f"the environment {name} is not known in plain text")
        self.row_start = self.place
        body = self.until(r"\end")
        self.place += 1
        self.raw()
        if name == "aligned":
            return body.replace("&", "").replace(";", "  ")
        body = re.sub(r"\s*&\s*", " ", body).strip()
        return f"[{body}]" if name == "pmatrix" else body


def _grouped(x: str) -> str:
    x = x.strip().rstrip("\0")
    inner = x[1:] if x.startswith("−") else x
    return f"({x})" if re.search(r"[−+\s/√]", inner) or x.startswith("−") else x


def _raised(x: str) -> str:
    x = x.strip("\0")
    if all(c in _RAISED for c in x):
        return "".join(_RAISED[c] for c in x)
    return f"^{x}" if len(x) == 1 else f"^({x})"


def _lowered(x: str) -> str:
    x = x.strip("\0")
    flat = x.replace(",", "")
    if re.fullmatch(r"\w(,\w)+", x) and not re.search(r"\d", x):
        return f"_{flat}\0"
    return f"_{x}\0" if re.fullmatch(r"\w+", x) else f"_{{{x.strip()}}}"
