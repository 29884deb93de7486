r"""The formula of every loss in LaTeX, with its data filled in.

Each function returns math: ℓ(W) = …, then the matrices it is made of.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from detvar.exact.latex import matrix, number

if TYPE_CHECKING:
    from detvar.losses.expression import ExpressionLoss
    from detvar.losses.symbolic import SymbolicLoss

_SUM = r"\sum_{i,j}"
_OVER_SAMPLES = r"\sum_{i,s}"
_LONGEST = 600  # characters of an expression on one line


def _with(formula: str, inputs: bool = False, **data: Any) -> str:
    """Return ℓ(W) = formula, then name = matrix for all data."""
    parts = [rf"\ell(W)={formula}"]
    if inputs:
        parts.append("Z=WX")
    parts += [
        f"{_NAMES.get(k, k)}={x if isinstance(x, str) else matrix(x)}" for k, x in data.items()
    ]
    return r",\quad ".join(parts)


_NAMES = {"Lambda": r"\Lambda", "delta": r"\delta"}


def squared(loss: Any) -> str:
    """½‖WX − Y‖²."""
    return _with(r"\tfrac{1}{2}\lVert WX-Y\rVert^{2}", X=loss.X, Y=loss.Y)


def weighted(loss: Any) -> str:
    """½ Σ λ (w − u)²."""
    formula = rf"\tfrac{{1}}{{2}}{_SUM}\lambda_{{ij}}(w_{{ij}}-u_{{ij}})^{{2}}"
    return _with(formula, Lambda=loss.weights, U=loss.target)


def quadratic(loss: Any) -> str:
    """½ vec(W−U)ᵀ Q vec(W−U)."""
    vec = r"\operatorname{vec}(W-U)"
    return _with(rf"\tfrac{{1}}{{2}}{vec}^{{\top}}Q{vec}", Q=loss.form, U=loss.target)


def power(loss: Any) -> str:
    """Σ (w − u)^p."""
    return _with(rf"{_SUM}(w_{{ij}}-u_{{ij}})^{{{loss.exponent}}}", U=loss.target)


def likelihood(loss: Any) -> str:
    """−Σ u log w + u₊₊ Σ w."""
    formula = rf"-{_SUM}u_{{ij}}\log w_{{ij}}+{number(loss.total)}{_SUM}w_{{ij}}"
    return _with(formula, U=loss.counts)


def logistic(loss: Any) -> str:
    """Σ N log(1 + exp z) − K z."""
    term = r"\left(N_{is}\log(1+\exp z_{is})-K_{is}z_{is}\right)"
    return _with(_OVER_SAMPLES + term, True, X=loss.X, N=loss.trials, K=loss.positives)


def exponential(loss: Any) -> str:
    """Σ exp(−y z)."""
    zeros = any(not y for y in loss.labels.entries())
    term = r"y_{is}^{2}\exp(-y_{is}z_{is})" if zeros else r"\exp(-y_{is}z_{is})"
    return _with(_OVER_SAMPLES + term, True, X=loss.X, Y=loss.labels)


def pseudo_huber(loss: Any) -> str:
    """Σ δ²(√(1 + ((z − y)/δ)²) − 1)."""
    d = number(loss.delta)
    if loss.delta == 1:
        term = r"\left(\sqrt{1+(z_{is}-y_{is})^{2}}-1\right)"
        return _with(_OVER_SAMPLES + term, True, X=loss.X, Y=loss.Y)
    term = r"\delta^{2}\left(\sqrt{1+(z_{is}-y_{is})^{2}/\delta^{2}}-1\right)"
    return _with(_OVER_SAMPLES + term, True, delta=d, X=loss.X, Y=loss.Y)


def log_cosh(loss: Any) -> str:
    """Σ log cosh(z − y)."""
    return _with(rf"{_OVER_SAMPLES}\log\cosh(z_{{is}}-y_{{is}})", True, X=loss.X, Y=loss.Y)


def softmax(loss: Any) -> str:
    """Σ_s N_s log Σ_i exp z_is − Σ c z."""
    one = "" if loss.reference is None else "1+"
    formula = (
        rf"\sum_{{s}}n_{{s}}\log\left({one}\sum_{{i}}\exp z_{{is}}\right)"
        r"-\sum_{i,s}c_{is}z_{is}"
    )
    columns = zip(*loss._all_counts(), strict=True)
    totals = [[sum(column[1:], column[0]) for column in columns]]
    return _with(formula, True, X=loss.X, C=loss.counts, n=matrix(totals))


def on_samples(loss: Any, kind: str) -> str:
    """The formula of a loss Σ_s f_s(W x_s) of the given kind."""
    formulas = {
        "logistic": logistic,
        "exponential": exponential,
        "pseudo_huber": pseudo_huber,
        "log_cosh": log_cosh,
        "softmax": softmax,
    }
    if kind not in formulas:
        return rf"\ell(W)=\sum_{{s}}\ell_{{s}}(Wx_{{s}}),\quad X={matrix(loss.X)}"
    return formulas[kind](loss)


def expression(loss: ExpressionLoss) -> str:
    """The formula as SymPy prints it, or in words where it is long."""
    m, n = loss.shape
    return _expression(loss.text, m, n)


def _expression(text: str, m: int, n: int) -> str:
    size = rf"W\in\mathbb{{R}}^{{{m}\times {n}}}"
    if len(text) > _LONGEST:
        return rf"\ell(W)=\text{{an expression of {len(text)} characters}},\quad {size}"
    return rf"\ell(W)={in_latex(text)},\quad {size}"


def in_latex(text: str) -> str:
    r"""Return a formula in w11, w12, … as LaTeX, written as it stands.

    >>> print(in_latex("(w11 - 1)**2/2"))
    \frac{\left(w_{11} - 1\right)^{2}}{2}
    """
    import sympy

    from detvar.losses.symbolic_text import read_symbolic

    tree = read_symbolic(text)
    names = {s: re.sub(r"w_(\d+)_(\d+)", r"w_{\1,\2}", s.name) for s in tree.free_symbols}
    own = {s: name for s, name in names.items() if name != s.name}
    return str(sympy.latex(tree, symbol_names=own))


def symbolic(loss: SymbolicLoss) -> str:
    """The kind of the loss, and its data with symbols in them."""
    import sympy

    fields = dict(loss.fields)
    if loss.kind == "expression":
        return rf"\ell(W)={sympy.latex(fields['expression'])}"
    head = rf"\nabla\ell(W)={loss.gradient_latex}"
    data = [
        f"{field_latex(k)}={x if isinstance(x, int) else sympy.latex(x)}" for k, x in fields.items()
    ]
    return r",\quad ".join([head, *data])


def field_latex(name: str) -> str:
    """Return the letter for a field of a loss, as the formulas above use it."""
    letters = {
        "target": "U",
        "weights": r"\Lambda",
        "form": "Q",
        "exponent": "p",
        "counts": "C",
        "trials": "N",
        "positives": "K",
        "labels": "Y",
        "delta": r"\delta",
        "reference": "c_{0}",
    }
    return letters.get(name, name)


def kronecker(form: Any) -> str:
    """½ tr(P(W−U)Σ(W−U)ᵀ) + c₀."""
    end = f"+{number(form.constant)}" if form.constant else ""
    formula = r"\ell(W)=\tfrac{1}{2}\operatorname{tr}\left(P(W-U)\Sigma(W-U)^{\top}\right)" + end
    data = {"P": form.left, r"\Sigma": form.right, "U": form.target}
    return r",\quad ".join([formula, *(f"{k}={matrix(x)}" for k, x in data.items())])


def reduction(found: Any) -> str:
    """ℓ(W) = ℓ′(CWB) with the effective widths."""
    shown = "-".join(map(str, found.widths))
    data = rf"C={matrix(found.left)},\quad B={matrix(found.right)}"
    if not found.changed:
        return rf"\ell'=\ell\text{{ on the network {shown}}}"
    if found.loss is None:
        return rf"\ell\text{{ is constant}},\quad {data}"
    return rf"\ell(W)=\ell'(CWB)\text{{ on the network {shown}}},\quad {data}"
