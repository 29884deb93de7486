"""Problem files of the command line: formulas or the name of an example, and the pair (α, β)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact.rational import Rational, rational
from detvar.exact.strict_json import parse_json, read_text, shown
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.prove.certificate import Certificate
from detvar.landscape.prove.proving import BUDGET, METHODS, prove

_FORMULAS = ("name", "variables", "terms", "minimisers", "projection", "lower", "constants")
_PAIR = ("alpha", "beta", "method", "budget", "tail", "seed")
_EXAMPLES = ("ex1", "ex2", "ex3", "ex6", "d1", "scalar_net", "rational", "ridges", "least_squares")


@dataclass(frozen=True, eq=False)
class LandscapeProblem:
    """A finite sum with a pair (α, β) and a method: what a problem file says.

    Attributes
    ----------
    problem : FiniteSum
    alpha, beta : Rational
    method, budget, tail, seed : as for `prove`
    """

    problem: FiniteSum
    alpha: Rational
    beta: Rational
    method: str = "auto"
    budget: int = BUDGET
    tail: int | None = None
    seed: int = 0

    def prove(self) -> Certificate:
        """Return the certificate; see `detvar.landscape.prove.prove`."""
        return prove(
            self.problem,
            self.alpha,
            self.beta,
            self.method,
            budget=self.budget,
            tail=self.tail,
            seed=self.seed,
        )

    def to_latex(self) -> str:
        """Return the formulas and the pair as math."""
        pair = rf"(\alpha,\beta)=({self.alpha},{self.beta})"
        return self.problem.to_latex() + r",\qquad " + pair


def read_landscape_problem(source: str | os.PathLike[str]) -> LandscapeProblem:
    """Read a problem file: JSON with "terms" and "variables", or "example", and "alpha", "beta".

    Parameters
    ----------
    source : path, or "-" for standard input
        ``{"variables": ["x", "y"], "terms": ["(x^2+y^2)/(1+x^2+y^2)", …], "minimisers":
        [["t", "t"], …], "constants": [{"name": "t", "equation": "4*t^4 - …", "bracket":
        ["0.15", "0.17"]}], "lower": ["0", …], "alpha": "21", "beta": "20"}``

    Raises
    ------
    InputError, NotExactError, ShapeError
        With one sentence that names the field.
    """
    text, label = read_text(source)
    return landscape_problem(parse_json(text, label), label)


def landscape_problem(data: Any, label: str = "the problem") -> LandscapeProblem:
    """Return the problem of a JSON object; see `read_landscape_problem`.

    >>> found = landscape_problem(
    ...     {
    ...         "variables": ["x"],
    ...         "terms": ["(x-1)^2/2", "(x+1)^2/2"],
    ...         "minimisers": [["0"]],
    ...         "lower": ["0", "0"],
    ...         "alpha": "1",
    ...         "beta": "0",
    ...     }
    ... )
    >>> found.prove().answer
    True
    """
    if not isinstance(data, dict):
        raise InputError(
            f'{label} holds no JSON object: write {{"terms": […], "variables": […], "alpha": '
            '"21", "beta": "20"}'
        )
    data = dict(data)
    nested = data.get("terms")
    if isinstance(nested, dict):  # {"terms": {"example": "ex6"}}
        data.pop("terms")
        data = {**nested, **data}
    known = {*_FORMULAS, *_PAIR, "example", "arguments"}
    unknown = sorted(set(data) - known)
    if unknown:
        raise InputError(
            f"{label} has the unknown field {shown(unknown[0])}: write {', '.join(sorted(known))}"
        )
    for field in ("alpha", "beta"):
        if field not in data:
            raise InputError(f'{label} has no "{field}": add "alpha": "21", "beta": "20"')
    alpha, beta = rational(data["alpha"], "alpha"), rational(data["beta"], "beta")
    options = {k: data[k] for k in ("method", "budget", "tail", "seed") if k in data}
    _check_options(options)
    return LandscapeProblem(_finite_sum(data, label), alpha, beta, **options)


def _check_options(options: dict[str, Any]) -> None:
    if options.get("method", "auto") not in METHODS:
        raise InputError(f'"method" must be one of {", ".join(METHODS)}')
    for field in ("budget", "tail", "seed"):
        if field in options and (type(options[field]) is not int or options[field] < 0):
            raise InputError(f'"{field}" must be a whole number, such as 1000')


def _finite_sum(data: dict[str, Any], label: str) -> FiniteSum:
    if "example" not in data:
        if "terms" not in data:
            raise InputError(f'{label} has neither "terms" nor "example": give one of them')
        return FiniteSum.from_json({k: _with_stars(data[k]) for k in _FORMULAS if k in data})
    both = sorted(set(data) & set(_FORMULAS))
    if both:
        raise InputError(f'{label} has "example" and "{both[0]}": give one of them')
    name, arguments = data["example"], data.get("arguments", {})
    if name not in _EXAMPLES:
        raise InputError(f'"example" must be one of {", ".join(_EXAMPLES)}')
    if not isinstance(arguments, dict):
        raise InputError('"arguments" must be an object, such as {"ys": ["2", "1/2"]}')
    from detvar.landscape import examples

    try:
        found = getattr(examples, name)(**arguments)
    except TypeError as error:
        raise InputError(f'"arguments" do not fit to {name} ({error}): correct them') from None
    assert isinstance(found, FiniteSum)
    return found


def _with_stars(x: Any) -> Any:
    """Write powers as **, the form that formulas are read in."""
    if isinstance(x, str):
        return x.replace("^", "**")
    if isinstance(x, list):
        return [_with_stars(y) for y in x]
    return {k: _with_stars(y) for k, y in x.items()} if isinstance(x, dict) else x
