"""Nonlinear networks: sufficient conditions for critical points to be global, and what they mean.

Two kinds must not be confused. *In function space* one asks whether every critical point in the
space of maps h_i is global, where each layer may move to any nearby map; this says nothing about
a network with fixed parameters. *In the parameters*, on finite data, a critical point is global
if the Jacobian of all outputs has full row rank there, for every convex loss of the outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.balls import exact_float
from detvar.exact.inertia import is_positive_semidefinite
from detvar.exact.matrices import Matrix, chain, identity, matrix, rank
from detvar.exact.rational import Rational, rational, to_fraction, to_text

_NOT_PARAMETERS = (
    "in function space: it speaks of layers that may become any nearby map, not of a critical "
    "point of the parameters"
)


@dataclass(frozen=True)
class FunctionSpaceCondition:
    """A bound σ_min(J[h_H ∘ ⋯ ∘ h_2](z)) ≥ ε for all z, with which critical points are global.

    Attributes
    ----------
    name : "linear tail", "increasing activations" or "residual contractions"
    holds : whether the condition is proved
    bound : ε, a proved rational lower bound; 0 if the condition does not hold
    reason : one sentence
    """

    name: str
    holds: bool
    bound: Rational
    reason: str

    def __str__(self) -> str:
        word = "holds" if self.holds else "does not hold"
        size = f", with σ ≥ {to_text(self.bound)}" if self.holds else ""
        return f"{self.name}: {word}{size}: {self.reason} ({_NOT_PARAMETERS})"

    def to_latex(self) -> str:
        """Return the condition as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return {
            "name": self.name,
            "holds": self.holds,
            "bound": to_text(self.bound),
            "reason": self.reason,
            "where": "function space",
        }


def smallest_singular_value(w: Any) -> Rational:
    """Return a proved rational lower bound of σ_m(W) for an m×n matrix with m ≤ n; 0 if none.

    WWᵀ − ε²I ⪰ 0 is decided exactly by LDLᵀ, for ε a little below the floating value.

    Notes
    -----
    **Cost**: one floating SVD and one exact LDLᵀ of size m.

    Examples
    --------
    >>> bound = smallest_singular_value([[3, 0, 4], [0, 2, 0]])
    >>> 2 - Rational(1, 10**4) < bound <= 2
    True
    """
    a = _exact(w, "W")
    if a.nrows() > a.ncols() or rank(a) < a.nrows():
        return Rational(0)
    import numpy as np

    floats = np.array([[float(to_fraction(x)) for x in row] for row in a.tolist()])
    guess = float(np.linalg.svd(floats, compute_uv=False)[-1])
    gram, unit = a * a.transpose(), identity(a.nrows())
    for slack in (1e-6, 1e-3, 0.1, 0.5):
        digits = f"{guess * (1 - slack):.6e}"
        epsilon = rational(digits, "the bound")
        if epsilon > 0 and is_positive_semidefinite(gram - unit * (epsilon * epsilon)):
            return epsilon
    return Rational(0)


def linear_tail(weights: Sequence[Any]) -> FunctionSpaceCondition:
    """Decide whether the layers after the first are linear with a product of full row rank.

    Parameters
    ----------
    weights : (W_1, …, W_H); W_2, …, W_H are the linear layers

    References
    ----------
    Yun, Sra, Jadbabaie (2018), Theorems 4.1 and 4.2.

    Examples
    --------
    >>> print(linear_tail([[[1, 0], [0, 1]], [[3, 4]]]).bound)
    999999/200000
    """
    layers = _layers(weights)
    product = chain(*reversed(layers[1:])) if len(layers) > 1 else identity(layers[0].nrows())
    bound = smallest_singular_value(product)
    text = "the product of the layers after the first has full row rank"
    if not bound:
        text = _narrow(layers) or "the product of the layers after the first has too small a rank"
    return FunctionSpaceCondition("linear tail", bool(bound), bound, text)


def increasing_activations(
    weights: Sequence[Any], slopes: tuple[Any, Any]
) -> FunctionSpaceCondition:
    """Decide whether h_i(z) = W_i φ(z), i ≥ 2, have Jacobians of full row rank, uniformly.

    With 0 < c ≤ φ′ ≤ C, widths d_1 ≥ ⋯ ≥ d_H and W_i of full row rank, every Jacobian
    W_H diag(φ′) W_{H−1} ⋯ W_2 diag(φ′) has σ_min ≥ ∏_{i≥2} c σ_min(W_i).

    Parameters
    ----------
    weights : (W_1, …, W_H)
    slopes : (c, C), bounds of φ′; φ must be twice differentiable with φ(0) = 0

    Raises
    ------
    InputError
        Unless 0 < c ≤ C: a ReLU has c = 0 and is not covered.

    References
    ----------
    Yun, Sra, Jadbabaie (2018), Theorems 4.1 and 4.2.

    Examples
    --------
    >>> found = increasing_activations([[[1, 0], [0, 1]], [[0, 2]]], ("1/2", 1))
    >>> found.holds, float(found.bound.p) / float(found.bound.q)
    (True, 0.999999)
    """
    c, most = rational(slopes[0], "slopes[0]"), rational(slopes[1], "slopes[1]")
    if not 0 < c <= most:
        raise InputError(
            "slopes must be bounds 0 < c ≤ C of the derivative of the activation: a ReLU, where c "
            "is 0, is not covered"
        )
    layers = _layers(weights)
    name = "increasing activations"
    bound = Rational(1)
    for i, w in enumerate(layers[1:], start=2):
        if w.nrows() > w.ncols():
            text = f"layer {i} has more outputs than inputs"
            return FunctionSpaceCondition(name, False, Rational(0), text)
        sigma = smallest_singular_value(w)
        if not sigma:
            text = f"W_{i} has too small a rank"
            return FunctionSpaceCondition(name, False, Rational(0), text)
        bound *= c * sigma
    text = "every layer after the first has full row rank, and the widths do not increase"
    return FunctionSpaceCondition(name, True, bound, text)


def residual_contractions(lipschitz: Sequence[Any]) -> FunctionSpaceCondition:
    """Decide the condition for layers h_i = id + φ_i with Lip(φ_i) ≤ κ_i: σ_min ≥ ∏(1 − κ_i).

    Parameters
    ----------
    lipschitz : the κ_i of the layers after the first, ≥ 0

    References
    ----------
    Hardt & Ma (2017); Yun, Sra, Jadbabaie (2018), Corollary 2.3, Theorems 4.1, 4.2.

    Examples
    --------
    >>> residual_contractions(["1/2", "1/3"]).bound
    1/3
    """
    bound = Rational(1)
    for i, x in enumerate(lipschitz):
        kappa = rational(x, f"lipschitz[{i}]")
        if kappa < 0:
            raise InputError(f"lipschitz[{i}] is negative: a Lipschitz constant is ≥ 0")
        if kappa >= 1:
            text = f"the residual of layer {i + 2} has the constant {to_text(kappa)}, not below 1"
            return FunctionSpaceCondition("residual contractions", False, Rational(0), text)
        bound *= 1 - kappa
    text = "every residual is a contraction"
    return FunctionSpaceCondition("residual contractions", True, bound, text)


def _exact(w: Any, name: str) -> Matrix:
    """Return a matrix exactly; floats are taken at their binary values."""
    rows = w.tolist() if hasattr(w, "tolist") else w
    if not isinstance(rows, (list, tuple)) or not all(isinstance(r, (list, tuple)) for r in rows):
        raise ShapeError(f"{name} must be a matrix: give a list of rows or an array")
    for i, row in enumerate(rows):
        for j, x in enumerate(row):
            if isinstance(x, float) and x - x != 0:
                raise InputError(f"{name}[{i}][{j}] is {x}: give finite weights")
    return matrix([[exact_float(x) if isinstance(x, float) else x for x in r] for r in rows], name)


def _layers(weights: Sequence[Any]) -> list[Matrix]:
    layers = [_exact(w, f"W_{i}") for i, w in enumerate(weights, start=1)]
    if not layers:
        raise InputError("there are no weights: give (W_1, …, W_H)")
    for i, (a, b) in enumerate(zip(layers, layers[1:], strict=False), start=1):
        if a.nrows() != b.ncols():
            raise ShapeError(
                f"W_{i} has {a.nrows()} rows and W_{i + 1} has {b.ncols()} columns: they must fit"
            )
    return layers


def _narrow(layers: list[Matrix]) -> str:
    """Say which width is below the number of outputs; "" if none is.

    With at least as many inputs as outputs the condition is that of Theorem 4.1, with at most as
    many it is that of Theorem 4.2 for j = 1, where nothing stands before h_1.
    """
    outputs, narrow = layers[-1].nrows(), min(w.nrows() for w in layers)
    return f"a width is {narrow}, below the {outputs} outputs" if narrow < outputs else ""
