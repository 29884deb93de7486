"""A loss whose data depend on one parameter: a path in the space of data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from detvar.critical.discriminants.formula import NAME, rational_function
from detvar.errors import DetvarError, InputError, ShapeError
from detvar.exact.latex import displayed
from detvar.exact.rational import Rational, rational, to_text
from detvar.exact.rational_functions import RationalFunction
from detvar.losses import Loss, loss_from_json
from detvar.networks.problem import problem_from_json

_PLAIN = ("exponent", "shape")  # whole numbers, handed on as they are
_PROBES = [Rational(p, q) for q in range(1, 6) for p in (1, -1, 2, 3, -2, 5, 7, 0)]
Rows = Sequence[Sequence[RationalFunction]]


@dataclass(frozen=True, init=False)
class LossPath:
    """t ↦ ℓ_t: a loss of one kind whose numbers are rational functions of t over Q.

    Parameters
    ----------
    kind : "weighted", "quadratic", "squared" or another type of loss of a problem file
    parameter : the name of t
    fields : the data of that kind, as in a problem file; a number may be text such as
        "1 + 3*t/2" or a SymPy expression in the parameter

    Raises
    ------
    InputError, ShapeError, NotExactError
        If a number is not a rational function of the parameter with rational coefficients, or
        no loss comes out at any of forty small values of t.

    Notes
    -----
    **Validity**: the data are read as elements of Q(t), so that (t²−1)/(t−1) is t + 1 also at 1.
    The formula of an expression loss is text in which t stands for a number.

    Examples
    --------
    >>> path = LossPath("weighted", target=[[1, 0], [0, "1/2"]], weights=[[1, "t"], [3, 1]])
    >>> path.at("3/2").weights.tolist()
    [[1, 3/2], [3, 1]]
    """

    kind: str
    parameter: str
    fields: tuple[tuple[str, Any], ...]

    def __init__(self, kind: str, parameter: str = "t", **fields: Any) -> None:
        if not isinstance(parameter, str) or not NAME.fullmatch(parameter):
            raise InputError(f'the parameter is {parameter!r}: give a name such as "t"')
        read = tuple((name, _read(x, name, kind, parameter)) for name, x in fields.items())
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "parameter", parameter)
        object.__setattr__(self, "fields", read)
        _ = self.shape  # the kind, the fields and their sizes are looked at here

    @classmethod
    def from_json(cls, obj: Any, parameter: str = "t") -> LossPath:
        """Return the path that the "loss" object of a problem file denotes.

        >>> LossPath.from_json({"type": "power", "target": [["t"]], "exponent": 4}).at(2).degree
        4
        """
        if isinstance(obj, LossPath):
            return obj
        if not (isinstance(obj, dict) and isinstance(obj.get("type"), str)):
            raise InputError('a path is an object such as {"type": "weighted", "target": …, …}')
        data = {k: x for k, x in obj.items() if k != "type"}
        if "kind" in data or "parameter" in data or not all(isinstance(k, str) for k in data):
            raise InputError("a path has only the fields of its type of loss: leave out others")
        return cls(obj["type"], parameter, **data)

    def at(self, t: Any) -> Loss:
        """Return ℓ_t for a rational number t.

        Raises
        ------
        InputError
            If the data have a pole at t, or do not make a loss there.
        """
        value = rational(t, self.parameter)
        data: dict[str, Any] = {"type": self.kind}
        for name, x in self.fields:
            if name == "expression" and isinstance(x, str):
                data[name] = _substituted(x, self.parameter, value)
            else:
                data[name] = _mapped(x, lambda f: self._value(f, value))
        return loss_from_json(data, f"the loss at {self.parameter} = {to_text(value)}")

    def _value(self, f: RationalFunction, t: Rational) -> Rational:
        low = f.denominator(t)
        if not low:
            raise InputError(
                f"the data have a pole at {self.parameter} = {to_text(t)}: give another value"
            )
        return Rational(f.numerator(t) / low)

    @cached_property
    def example(self) -> Loss:
        """The loss at some value of the parameter where it is defined."""
        first: DetvarError | None = None
        for t in _PROBES:
            try:
                return self.at(t)
            except DetvarError as error:
                first = first or error
        assert first is not None
        raise first

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return self.example.shape

    def functions(self) -> Iterator[RationalFunction]:
        """Yield all numbers of the data as rational functions."""
        for _, x in self.fields:
            yield from _leaves(x)

    def quadratic(self) -> tuple[Rows, Rows] | None:
        """Return Q and C with ℓ_t = ½ vec(W)ᵀQ vec(W) − ⟨C, W⟩ + const, over Q(t).

        None if the kind is not squared, weighted or quadratic.

        Returns
        -------
        Q : mn×mn rows, symmetric
        C : m×n rows
        """
        data: dict[str, Rows] = dict(self.fields)
        if self.kind == "weighted":
            target, lam = data["target"], data["weights"]
            zero = target[0][0] * 0
            flat = [x for row in lam for x in row]
            q = [[x if i == j else zero for j in range(len(flat))] for i, x in enumerate(flat)]
            return q, [
                [x * u for x, u in zip(a, b, strict=True)] for a, b in zip(lam, target, strict=True)
            ]
        if self.kind == "quadratic":
            n = len(data["target"][0])
            flat = [x for row in data["target"] for x in row]
            c = [
                sum((x * u for x, u in zip(row, flat, strict=True)), flat[0] * 0)
                for row in data["form"]
            ]
            if any(
                x != y
                for a, b in zip(data["form"], zip(*data["form"], strict=True), strict=True)
                for x, y in zip(a, b, strict=True)
            ):
                raise ShapeError("form is not symmetric: give Q with Q[i][j] = Q[j][i]")
            return data["form"], [c[i : i + n] for i in range(0, len(c), n)]
        if self.kind == "squared":
            x, y = data["X"], data["Y"]
            m, n = len(y), len(x)
            zero = x[0][0] * 0

            def products(a: Rows, b: Rows) -> Rows:
                return [
                    [sum((p * q for p, q in zip(u, v, strict=True)), zero) for v in b] for u in a
                ]

            gram = products(x, x)
            form = [
                [gram[j][k] if i == h else zero for h in range(m) for k in range(n)]
                for i in range(m)
                for j in range(n)
            ]
            return form, products(y, x)
        return None

    def to_latex(self) -> str:
        """Return the path and its data in LaTeX."""
        from detvar.critical.latex import loss_path

        return loss_path(self)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, which `from_json` reads."""
        return {
            "type": self.kind,
            **{name: _mapped(x, self._text) for name, x in self.fields},
        }

    def _text(self, f: RationalFunction) -> str:
        if f.denominator.is_constant() and f.numerator.is_constant():
            return to_text(self._value(f, Rational(0)))
        top, low = str(f.numerator), str(f.denominator)
        text = top if f.denominator.is_constant() else f"({top})/({low})"
        return NAME.sub(self.parameter, text)  # the ring knows it as t

    def __str__(self) -> str:
        m, n = self.shape
        return f"a {self.kind} loss on {m}×{n} matrices with data in Q({self.parameter})"


def _read(x: Any, name: str, kind: str, parameter: str) -> Any:
    """The value of a field, with every number in lists as a rational function."""
    if name in _PLAIN:
        return x
    if kind == "expression" and name == "expression":
        return x if isinstance(x, str) else str(x)
    if hasattr(x, "tolist"):
        x = x.tolist()
    if isinstance(x, (list, tuple)):
        return tuple(_read(y, f"{name}[{i}]", kind, parameter) for i, y in enumerate(x))
    return rational_function(x, parameter, name)


def path_of(problem: Any, parameter: str = "t") -> tuple[LossPath, int]:
    """Return the path in a problem whose numbers may be text in a parameter, and the rank bound.

    Parameters
    ----------
    problem : the JSON object of a problem file; its weights, if any, are not looked at

    Raises
    ------
    InputError, ShapeError, NotExactError
        As for a problem file with numbers, and as for a `LossPath`.

    Examples
    --------
    >>> loss = {"type": "weighted", "target": [[1, 0], [0, "1/2"]], "weights": [[1, "t"], [3, 1]]}
    >>> path, rank = path_of({"network": [2, 1, 2], "loss": loss})
    >>> path.at(4).weights.tolist(), rank
    ([[1, 4], [3, 1]], 1)
    """
    if not (isinstance(problem, dict) and isinstance(problem.get("loss"), dict)):
        problem_from_json(problem)  # says what is wrong
        raise InputError('loss must be an object such as {"type": "weighted", …}')
    path = LossPath.from_json(problem["loss"], parameter)
    some = {key: x for key, x in problem.items() if key != "weights"}
    one = problem_from_json({**some, "loss": path.example.to_json()})
    return path, one.network.rank_bound


def _substituted(text: str, parameter: str, value: Rational) -> str:
    return re.sub(rf"\b{parameter}\b", f"({to_text(value)})", text)


def _mapped(x: Any, way: Callable[[RationalFunction], Any]) -> Any:
    if isinstance(x, tuple):
        return [_mapped(y, way) for y in x]
    return way(x) if isinstance(x, RationalFunction) else x


def _leaves(x: Any) -> Iterator[RationalFunction]:
    if isinstance(x, tuple):
        for y in x:
            yield from _leaves(y)
    elif isinstance(x, RationalFunction):
        yield x
