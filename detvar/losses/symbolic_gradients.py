"""The gradients of all kinds of losses, written once for data in any commutative algebra."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from detvar.losses.kits import Kit
from detvar.losses.rows import Rows, added, difference, entrywise, product, transposed

Fields = Mapping[str, Any]
Gradient = Callable[[Rows, Fields, Any], Rows]


def _squared(w: Rows, d: Fields, _: Any) -> Rows:
    return product(difference(product(w, d["X"]), d["Y"]), transposed(d["X"]))


def _weighted(w: Rows, d: Fields, _: Any) -> Rows:
    return entrywise(lambda c, x: c * x, d["weights"], difference(w, d["target"]))


def _quadratic(w: Rows, d: Fields, _: Any) -> Rows:
    column = [[x] for row in difference(w, d["target"]) for x in row]
    flat = [row[0] for row in product(d["form"], column)]
    n = len(w[0])
    return [flat[i : i + n] for i in range(0, len(flat), n)]


def _power(w: Rows, d: Fields, _: Any) -> Rows:
    p = d["exponent"]
    return [[x ** (p - 1) * p for x in row] for row in difference(w, d["target"])]


def _likelihood(w: Rows, d: Fields, _: Any) -> Rows:
    total = added(list(chain(*d["counts"])))
    return entrywise(lambda u, x: total - u / x if u != 0 else total, d["counts"], w)


def _of_outputs(first: Callable[[Kit, Rows, Fields], Rows]) -> Gradient:
    """Return the gradient f′(WX) Xᵀ of a sum of f over samples, given the entries of f′."""

    def gradient(w: Rows, d: Fields, kit: Kit) -> Rows:
        return product(first(kit, product(w, d["X"]), d), transposed(d["X"]))

    return gradient


def _logistic(kit: Kit, z: Rows, d: Fields) -> Rows:
    return difference(entrywise(lambda n, t: n * kit.sigmoid(t), d["trials"], z), d["positives"])


def _softmax(kit: Kit, z: Rows, d: Fields) -> Rows:
    more = d.get("reference", [])
    logits = transposed([*z, *([row[0] * 0] * len(row) for row in more)])
    totals = [added(column) for column in transposed([*d["counts"], *more])]
    means = [[n * p for p in kit.softmax(t)] for n, t in zip(totals, logits, strict=True)]
    return difference(transposed(means)[: len(z)], d["counts"])


def _exponential(kit: Kit, z: Rows, d: Fields) -> Rows:
    return entrywise(lambda y, t: -y * kit.exp(-y * t), d["labels"], z)


def _pseudo_huber(kit: Kit, z: Rows, d: Fields) -> Rows:
    delta = d["delta"]
    return [[delta * kit.unit(t / delta) for t in row] for row in difference(z, d["Y"])]


def _log_cosh(kit: Kit, z: Rows, d: Fields) -> Rows:
    return [[kit.tanh(t) for t in row] for row in difference(z, d["Y"])]


@dataclass(frozen=True)
class Kind:
    """One kind of loss.

    Attributes
    ----------
    fields, optional : the names of its data
    gradient : from W, the data, and the functions of a `Kit`, to ∇ℓ(W); None for an expression
    latex : ∇ℓ(W) as a formula in the fields
    is_rational : whether the gradient is a rational function
    """

    fields: tuple[str, ...]
    gradient: Gradient | None
    latex: str
    is_rational: bool = True
    optional: tuple[str, ...] = ()


KINDS = {
    "squared": Kind(("X", "Y"), _squared, r"(WX - Y)X^{\top}"),
    "weighted": Kind(("target", "weights"), _weighted, r"\Lambda \circ (W - U)"),
    "quadratic": Kind(
        ("target", "form"), _quadratic, r"\operatorname{mat}(Q\operatorname{vec}(W - U))"
    ),
    "power": Kind(("target", "exponent"), _power, r"p\,(W - U)^{\circ (p - 1)}"),
    "likelihood": Kind(("counts",), _likelihood, r"u_{++} - u \oslash W"),
    "logistic": Kind(
        ("X", "trials", "positives"),
        _of_outputs(_logistic),
        r"(N \circ \sigma(WX) - K)X^{\top}",
        is_rational=False,
    ),
    "softmax": Kind(
        ("X", "counts"),
        _of_outputs(_softmax),
        r"(\operatorname{softmax}(WX)\operatorname{diag}(N) - C)X^{\top}",
        is_rational=False,
        optional=("reference",),
    ),
    "exponential": Kind(
        ("X", "labels"),
        _of_outputs(_exponential),
        r"-(Y \circ \exp(-Y \circ WX))X^{\top}",
        is_rational=False,
    ),
    "pseudo_huber": Kind(
        ("X", "Y", "delta"),
        _of_outputs(_pseudo_huber),
        r"\delta\,\varphi((WX - Y)/\delta)X^{\top},\quad \varphi(t) = t/\sqrt{1 + t^2}",
        is_rational=False,
    ),
    "log_cosh": Kind(
        ("X", "Y"), _of_outputs(_log_cosh), r"\tanh(WX - Y)X^{\top}", is_rational=False
    ),
    "expression": Kind(("expression",), None, r"\nabla\ell(W)", optional=("W",)),
}
