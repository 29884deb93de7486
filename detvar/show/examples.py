"""Worked data sets that come with the package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.matrices import Matrix, matrix
from detvar.exact.rational import Rational
from detvar.exact.text import one_line
from detvar.losses import SquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.networks.problem import Problem, problem_from_json, require_fit

_FOLDER = files("detvar") / "examples"


def example_names() -> list[str]:
    """Return the names that `load_example` knows.

    >>> "linnerud" in example_names()
    True
    """
    names = (f.name for f in _FOLDER.iterdir())
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


def example_data(name: str) -> dict[str, Any]:
    """Return the JSON object of an example: title and source, and either a problem, or network,
    inputs, outputs, X and Y.

    X is d_0×N and Y is d_h×N, one column per sample, as they were measured.

    Raises
    ------
    InputError
        If there is no example of that name; the message lists them.
    """
    if name not in example_names():
        known = ", ".join(example_names())
        raise InputError(f"there is no example {one_line(name, 40)!r}: the examples are {known}")
    out: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return out


def centre(a: Matrix) -> Matrix:
    """Return `a` with the rational mean of each row subtracted: A − (1/N) A 𝟏𝟏ᵀ.

    >>> centre(matrix([[1, 2, 6]])).tolist()
    [[-2, -1, 3]]
    """
    rows = a.tolist()
    means = [sum(row, Rational(0)) / a.ncols() for row in rows]
    return matrix([[x - mean for x in row] for row, mean in zip(rows, means, strict=True)])


def load_example(name: str, widths: Sequence[int] | None = None) -> Problem:
    """Return an example: a problem as it stands in its file, or a regression problem
    ½‖W X − Y‖² with exactly centred X and Y.

    Parameters
    ----------
    name : str
        One of `example_names`.
    widths : sequence of int, optional
        The widths of the network; by default those the example comes with.

    Raises
    ------
    InputError
        If there is no example of that name.
    ShapeError
        If the widths do not begin and end with the numbers of inputs and outputs.

    References
    ----------
    M. Tenenhaus, La régression PLS: théorie et pratique, Technip, Paris 1998 (Linnerud's data).

    Examples
    --------
    >>> problem = load_example("linnerud")
    >>> problem.network.widths, problem.loss.shape
    ((3, 2, 3), (3, 3))
    """
    data = example_data(name)
    if "problem" in data:
        problem = problem_from_json(data["problem"])
        if widths is None:
            return problem
        network = LinearNetwork(*widths)
        require_fit(problem.loss, network)
        return Problem(network, problem.loss)
    x, y = centre(matrix(data["X"], "X")), centre(matrix(data["Y"], "Y"))
    network = LinearNetwork(*(data["network"] if widths is None else widths))
    if (network.widths[0], network.widths[-1]) != (x.nrows(), y.nrows()):
        got = "-".join(map(str, network.widths))
        raise ShapeError(
            f"the network {got} does not fit the example {name}: it has {x.nrows()} inputs and "
            f"{y.nrows()} outputs, so begin with {x.nrows()} and end with {y.nrows()}"
        )
    return Problem(network, SquaredLoss(x, y))
