"""A problem on paper: network, loss and, where there are some, weights, as one JSON object."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.matrices import Matrix, matrix, shape, to_text_rows
from detvar.exact.strict_json import LongInteger, parse_json, read_text, shown
from detvar.losses import Loss, loss_from_json
from detvar.networks.linear import LinearNetwork

EXAMPLE = (
    '{"network": [2, 1, 2], "loss": {"type": "squared", "X": [[1, 0], [0, 1]], '
    '"Y": [[1, 0], [0, "1/2"]]}}'
)
MAX_WIDTH = 10**6
MAX_LAYERS = 1000
_FIELDS = ("network", "loss", "weights")
_WHOLE = ("network", "loss.exponent", "loss.shape")


@dataclass(frozen=True)
class Problem:
    """A linear network with a loss on its end-to-end matrix, θ ↦ ℓ(W_h⋯W_1), and maybe a point θ.

    Parameters
    ----------
    network : LinearNetwork
    loss : Loss
        On d_h×d_0 matrices.
    weights : tuple of Matrix, optional
        (W_1, …, W_h) with W_i of shape d_i×d_{i−1}.

    Examples
    --------
    >>> p = parse_problem(
    ...     '{"network": [1, 1], "loss": {"type": "squared", "X": [[1]], "Y": [[2]]}}'
    ... )
    >>> Problem.from_json(p.to_json()).to_json() == p.to_json()
    True
    """

    network: LinearNetwork
    loss: Loss
    weights: tuple[Matrix, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object of the problem; rationals are written "p/q"."""
        out: dict[str, Any] = {"network": list(self.network.widths), "loss": self.loss.to_json()}
        if self.weights is not None:
            out["weights"] = [to_text_rows(w) for w in self.weights]
        return out

    @classmethod
    def from_json(cls, obj: Any) -> Problem:
        """Return the problem that a JSON object describes; the inverse of `to_json`."""
        return problem_from_json(obj)

    def __str__(self) -> str:
        at = "" if self.weights is None else " and given weights"
        return f"network {self.network} with a {self.loss.to_json()['type']} loss{at}"


def read_problem(source: str | os.PathLike[str], need_weights: bool = False) -> Problem:
    """Return the problem in a file, on standard input, or in a text.

    Parameters
    ----------
    source : path, "-" for standard input, or a text that begins with "{"
    need_weights : bool
        Whether the field "weights" must be there.

    Raises
    ------
    InputError, ShapeError, NotExactError
        One sentence that names the field and says what to write; nothing else is ever raised
        for bad input.
    """
    if isinstance(source, str) and source.lstrip().startswith("{"):
        return parse_problem(source, need_weights=need_weights)
    text, label = read_text(source)
    return parse_problem(text, label, need_weights=need_weights)


def parse_problem(text: str, label: str = "the text", *, need_weights: bool = False) -> Problem:
    """Return the problem in a JSON text; `label` names the text in messages. Raises as above.

    >>> parse_problem('{"network": [2, 0, 2], "loss": {}}')
    Traceback (most recent call last):
    ...
    detvar.errors.ShapeError: network[1] is 0, not a width: write a whole number from 1 on
    """
    return problem_from_json(parse_json(text, label, whole=_WHOLE), need_weights)


def problem_from_json(obj: Any, need_weights: bool = False) -> Problem:
    """Return the problem that a parsed JSON object describes. Raises as `read_problem` does."""
    if not isinstance(obj, dict):
        raise InputError(f"the problem is {_kind(obj)}: write an object such as {EXAMPLE}")
    for key in obj:
        if key not in _FIELDS:
            raise InputError(f"{shown(str(key))} is not a field of a problem: {_instead(str(key))}")
    required = ("network", "loss", "weights") if need_weights else ("network", "loss")
    for key in required:
        if key not in obj:
            how = f"one matrix per layer, such as {_EXAMPLES[key]}" if key == "weights" else ""
            raise InputError(f'the field "{key}" is missing: add {how or _EXAMPLES[key]}')
    network = _network(obj["network"])
    loss = _loss(obj["loss"], network)
    weights = None if obj.get("weights") is None else _weights(obj["weights"], network)
    if need_weights and weights is None:
        raise InputError(
            f"weights is null: write one matrix per layer, such as {_EXAMPLES['weights']}"
        )
    return Problem(network, loss, weights)


_EXAMPLES = {
    "network": '"network": [2, 1, 2], the widths from input to output',
    "loss": '"loss": {"type": "squared", "X": …, "Y": …}',
    "weights": '"weights": [[[1, 0]], [[1], [0]]]',
}


def _kind(x: Any) -> str:
    if x is None:
        return "null"
    if isinstance(x, bool):
        return "true" if x else "false"
    if isinstance(x, LongInteger):
        return "a number"
    kinds = {dict: "an object", list: "a list", str: "a text", int: "a number", float: "a decimal"}
    return kinds.get(type(x), f"a {type(x).__name__}")


def _instead(key: str) -> str:
    close = difflib.get_close_matches(key[:40], _FIELDS, n=1)
    return f'write "{close[0]}"' if close else "the fields are network, loss and weights"


def _network(widths: Any) -> LinearNetwork:
    if not isinstance(widths, list):
        raise InputError(f"network is {_kind(widths)}: write a list of widths such as [2, 1, 2]")
    if len(widths) < 2:
        raise ShapeError(
            f"network has {len(widths)} {'width' if len(widths) == 1 else 'widths'}: write at "
            "least an input and an output width, such as [2, 2]"
        )
    if len(widths) > MAX_LAYERS:
        raise ShapeError(f"network has {len(widths)} widths: write at most {MAX_LAYERS}")
    for i, d in enumerate(widths):
        if isinstance(d, LongInteger) or (type(d) is int and d > MAX_WIDTH):
            raise ShapeError(f"network[{i}] is too large: write a width of at most {MAX_WIDTH}")
        if type(d) is not int or d < 1:
            what = str(d) if type(d) is int and abs(d) < 10**40 else _kind(d)
            raise ShapeError(f"network[{i}] is {what}, not a width: write a whole number from 1 on")
    return LinearNetwork(*widths)


def _loss(obj: Any, network: LinearNetwork) -> Loss:
    if not isinstance(obj, dict):
        raise InputError(f"loss is {_kind(obj)}: write an object such as {_EXAMPLES['loss']}")
    if obj.get("type") == "expression" and "shape" not in obj:  # the network knows it
        obj = {**obj, "shape": [network.widths[-1], network.widths[0]]}
    loss = loss_from_json(obj)
    require_fit(loss, network)
    return loss


def require_fit(loss: Loss, network: LinearNetwork) -> None:
    """Raise `ShapeError` unless the loss is a function on the d_h×d_0 matrices of the network."""
    m, n = network.widths[-1], network.widths[0]
    rows, columns = loss.shape
    if (rows, columns) == (m, n):
        return
    fields = loss.to_json()
    if "X" in fields and columns != n:
        raise ShapeError(
            f"loss.X has {columns} rows, but the network takes d_0 = {n} inputs: give X {n} rows "
            "(one column per sample), or change network[0]"
        )
    if "Y" in fields and rows != m:
        raise ShapeError(
            f"loss.Y has {rows} rows, but the network gives d_h = {m} outputs: give Y {m} rows "
            "(one column per sample), or change the last width"
        )
    if "shape" in fields:
        raise ShapeError(
            f"loss.shape is [{rows}, {columns}], but the network gives {m}×{n} matrices "
            f"(outputs × inputs): write [{m}, {n}], or leave it out"
        )
    field = next((f"loss.{x}" for x in ("target", "counts") if x in fields), "the loss")
    raise ShapeError(
        f"{field} is {rows}×{columns}, but the network gives {m}×{n} matrices (outputs × inputs): "
        f"give {m} rows of {n} numbers, or change the network"
    )


def _weights(rows: Any, network: LinearNetwork) -> tuple[Matrix, ...]:
    h = network.depth
    if not isinstance(rows, list):
        raise InputError(
            f"weights is {_kind(rows)}: write a list of {h} matrices, W_1 first, such as "
            f"{_EXAMPLES['weights']}"
        )
    if len(rows) != h:
        raise ShapeError(
            f"weights has {len(rows)} matrices, but the network has {h} layers: "
            f"write {h}, W_1 first"
        )
    out = []
    for i, w in enumerate(rows):
        if not isinstance(w, list) or not all(isinstance(row, list) for row in w):
            raise InputError(f"weights[{i}] is not a matrix: write a list of rows such as [[1, 0]]")
        a = matrix(w, f"weights[{i}]")
        want = (network.widths[i + 1], network.widths[i])
        if shape(a) != want:
            raise ShapeError(
                f"weights[{i}] (W_{i + 1}) is {a.nrows()}×{a.ncols()}, but layer {i + 1} of the "
                f"network is d_{i + 1}×d_{i} = {want[0]}×{want[1]}: give {want[0]} rows of "
                f"{want[1]} numbers"
            )
        out.append(a)
    return tuple(out)
