"""The sufficient conditions in function space, read off a torch module.

Stages are the layers of a `torch.nn.Sequential`.  Two theorems of Yun, Sra and Jadbabaie say when
a critical point (h_1, …, h_H), critical *in the space of maps*, is global:

- 4.1, for d_x ≥ d_y: the maps after h_1 have σ_min(J(z)) ≥ ε > 0 for all z;
- 4.2, for d_x ≤ d_y: for some j the maps before h_j are together invertible on R^{d_x} with
  ‖h(u)‖ ≥ ε_1‖u‖, and the maps after h_j have σ_min(J(z)) ≥ ε_2 > 0 for all z.

All maps are differentiable with h(0) = 0 and ‖h(z)‖ ≤ c‖z‖, those after h_j twice differentiable.
Several stages in a row may serve as the one map h_j, and the answer says which; the conditions
speak of all z, so that an activation that flattens out, as tanh does, never meets them, whatever
the range of its units on the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from detvar.errors import InputError, ShapeError
from detvar.exact.balls import exact_float
from detvar.exact.rational import Rational, rational, to_fraction
from detvar.optimality.arrays import float_array
from detvar.optimality.jacobian import singular_values
from detvar.optimality.nonlinear import FunctionSpaceCondition, smallest_singular_value
from detvar.optimality.rounding import Enclosed, from_float, product
from detvar.optimality.torch_modules import is_module, module_parts

# Up to this size the smallest singular value is decided exactly, beyond it by enclosures.
_EXACT = 40
_NAMES = ("linear tail", "increasing activations", "residual contractions")


class Entrywise(NamedTuple):
    """What is known of an activation φ on all of R: φ(0) = 0, smoothness, least ≤ φ′ ≤ most."""

    at_zero: bool
    times: int
    increasing: bool
    least: Rational
    most: Rational


class Stage(NamedTuple):
    """One layer: a matrix with its bias, an activation, or a residual block id + (its stages)."""

    name: str
    kind: str
    weight: Any = None
    bias: bool = False
    entrywise: Entrywise | None = None
    inner: tuple[Stage, ...] = ()

    @property
    def called(self) -> str:
        """The name in messages."""
        return f"module {self.name} ({self.kind})"


def function_space_conditions(
    module: Any, slopes: Mapping[str, tuple[Any, Any]] | None = None
) -> tuple[FunctionSpaceCondition, FunctionSpaceCondition, FunctionSpaceCondition]:
    """Say which sufficient conditions in function space a torch module meets, and why not.

    Parameters
    ----------
    module : torch.nn.Sequential
        Of `Linear`, entrywise activations, and modules that compute x + f(x) with such an f. The
        weights are taken as exact numbers; biases ≠ 0 only before and in h_1, on inputs (x, 1).
    slopes : mapping from the name of a part to (c, C), optional
        States that this part is an entrywise, twice differentiable φ with φ(0) = 0 and
        0 < c ≤ φ′ ≤ C on all of R.

    Returns
    -------
    (linear tail, increasing activations, residual contractions)

    Raises
    ------
    InputError
        If a part is none of these.

    Notes
    -----
    **Cost**: singular values of the weights for each choice of h_j.
    **Validity**: proved, for the module as a function of real numbers. Nothing is said of a
    critical point of the parameters, and that E[Y|X] belongs to the space of maps is assumed.

    References
    ----------
    Yun, Sra, Jadbabaie (2018), Theorems 4.1, 4.2; Hardt & Ma (2017).

    Examples
    --------
    A linear tail of full row rank, and an activation that flattens out (needs torch)::

        layers = [nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2, bias=False)]
        [found.holds for found in function_space_conditions(nn.Sequential(*layers))]
        # [True, False, False]

    >>> function_space_conditions([[1.0]])
    Traceback (most recent call last):
        ...
    detvar.errors.InputError: the module must be a torch.nn.Sequential: give the network itself
    """
    if not is_module(module):
        raise InputError("the module must be a torch.nn.Sequential: give the network itself")
    stated = dict(slopes or {})
    stages = tuple(_stages(module_parts(module), stated))
    if not any(s.kind == "Linear" for s in _flat(stages)):
        raise InputError("the module has no torch.nn.Linear layer: give a Sequential with some")
    unknown = set(stated) - {s.name for s in _flat(stages)}
    if unknown:
        raise InputError(f"slopes names {sorted(unknown)}, which the module does not have")
    _width_after(stages, None)
    first, second, third = (_decide(name, stages) for name in _NAMES)
    return first, second, third


def _width_after(stages: Sequence[Stage], width: int | None) -> int | None:
    """Return the width after the stages, None where nothing tells it; refuse what does not fit.

    A residual of another width would be spread over x by broadcasting.
    """
    for s in stages:
        if s.inner:
            first = next((t.weight.shape[1] for t in _flat(s.inner) if t.kind == "Linear"), None)
            width = first if width is None else width
            if _width_after(s.inner, width) != width:
                raise ShapeError(f"{s.called} must give as many numbers as it takes")
        elif s.kind == "Linear":
            outputs, inputs = s.weight.shape
            if width not in (None, inputs):
                raise ShapeError(
                    f"{s.called} takes {inputs} numbers, and {width} come to it: the widths of "
                    "neighbouring layers must agree"
                )
            width = int(outputs)
    return width


# --- the theorems ---------------------------------------------------------------------------------


def _decide(name: str, stages: Sequence[Stage]) -> FunctionSpaceCondition:
    """Try every choice of h_j, the earliest and shortest first."""
    inputs, outputs = _widths(stages)
    objection = ""
    for start, stop in _choices(len(stages), inputs <= outputs):
        head, middle, tail = stages[:start], stages[start:stop], stages[stop:]
        if not _concerns(name, head, tail, len(stages)):
            continue
        found = _objection(head, middle, tail) or _bounds(head, tail)
        if isinstance(found, Rational):
            chosen = ", ".join(s.name for s in middle)
            text = f"h_{1 if not start else 'j'} is module {chosen}"
            if len(middle) > 1:
                text = f"h_{1 if not start else 'j'} is modules {chosen} together as one map"
            if any(s.bias for s in middle):
                text += ", on the inputs (x, 1)"
            if any(s.kind == "stated" for s in (*head, *tail)):
                text += ", and the slopes are as stated"
            theorem = "4.2" if start else "4.1" if inputs >= outputs else "4.2 with j = 1"
            return FunctionSpaceCondition(name, True, found, f"Theorem {theorem}, where {text}")
        objection = objection or found
    if not objection:
        objection = {
            _NAMES[0]: f"{stages[-1].called} stands last and is not linear",
            _NAMES[1]: "no activation stands after the first layer, or residual blocks do too",
            _NAMES[2]: "no residual block x + f(x) stands after the first layer",
        }[name]
    return FunctionSpaceCondition(name, False, Rational(0), objection)


def _choices(count: int, expanding: bool) -> Iterator[tuple[int, int]]:
    """Yield the ends of h_j; the whole network as one map says nothing and is left out."""
    for start in range(count if expanding else 1):
        for stop in range(start + 1, count + 1):
            if (start, stop) != (0, count) or count == 1:
                yield start, stop


def _concerns(name: str, head: Sequence[Stage], tail: Sequence[Stage], count: int) -> bool:
    """Say whether the maps before and after h_j are of the kinds that a condition is about."""
    others = (*head, *tail)
    activations = any(s.entrywise for s in others)
    residuals = any(s.inner for s in others)
    if name == _NAMES[0]:
        return not activations and not residuals and (bool(others) or count == 1)
    return residuals if name == _NAMES[2] else activations and not residuals


def _objection(head: Sequence[Stage], middle: Sequence[Stage], tail: Sequence[Stage]) -> str:
    """Return the first hypothesis on the maps themselves that fails, as a sentence; "" if none."""
    for s in _flat((*head, *middle, *tail)):
        f = s.entrywise
        if f is not None and not f.times:
            return f"{s.called} is not differentiable everywhere"
        if f is not None and not f.at_zero:
            return f"{s.called} has φ(0) ≠ 0, and the theorem is about maps with h(0) = 0"
    allowed = {s.name for s in _flat(middle)} if not head else set()
    for s in _flat((*head, *middle, *tail)):
        if s.bias and s.name not in allowed:
            return f"{s.called} has a bias, and the theorem is about maps with h(0) = 0"
    for s in _flat(tail):
        if s.entrywise is not None and s.entrywise.times < 2:
            return f"{s.called} is not twice differentiable"
    for s in (*head, *tail):
        f = s.entrywise
        if f is not None and not f.increasing:
            return f"{s.called} is not strictly increasing"
        if f is not None and not f.least:
            return (
                f"{s.called} has slopes as small as one likes, and the theorem needs "
                "φ′ ≥ c > 0 on all of R, not on a bounded range"
            )
    return ""


def _bounds(head: Sequence[Stage], tail: Sequence[Stage]) -> Rational | str:
    """Return a lower bound of σ_min over all points of the tail, or what fails."""
    if head:
        inputs, outputs = _widths(head)
        if inputs != outputs:
            return f"the maps before h_j go from {inputs} to {outputs} numbers: not invertible"
        found = _uniform(head)
        if isinstance(found, str):
            return found
    return _uniform(tail)


def _uniform(stages: Sequence[Stage]) -> Rational | str:
    """Return ε with σ_min(J(z)) ≥ ε for all z and all rows, or the stage that has none.

    σ_min(AB) ≥ σ_min(A)σ_min(B) for matrices of full row rank; neighbouring matrices are
    multiplied first. In a chain of squares, J is then invertible everywhere and the map a
    bijection with ‖h(u)‖ ≥ ε‖u‖.
    """
    bound = Rational(1)
    run: list[Stage] = []
    for s in (*stages, None):
        if s is not None and s.kind == "Linear":
            run.append(s)
            continue
        if run:
            names = ", ".join(r.name for r in run)
            sizes = [run[0].weight.shape[1], *(r.weight.shape[0] for r in run)]
            word = "module" if len(run) == 1 else "the product of modules"
            if sizes[-1] > sizes[0]:
                return f"the widths increase: {word} {names} goes from {sizes[0]} to {sizes[-1]}"
            sigma = _least([r.weight for r in run])
            if not sigma:
                return f"{word} {names} is not proved to have full row rank"
            bound *= sigma
            run = []
        if s is not None and s.inner:
            kappa = _lipschitz(s.inner)
            if kappa >= 1:
                return (
                    f"the Lipschitz constant of the residual of {s.called} is only proved to be at "
                    f"most {_float(kappa):.6g}, not below 1"
                )
            bound *= 1 - kappa
        elif s is not None and s.entrywise is not None:
            bound *= s.entrywise.least
    return _shorter(bound)


def _least(weights: Sequence[Any]) -> Rational:
    """Return a proved lower bound of σ_min of the product W_k⋯W_1, counting its rows."""
    if max(max(w.shape) for w in weights) <= _EXACT:
        from detvar.exact.matrices import chain, matrix

        exact = [matrix([[exact_float(x) for x in r] for r in w.tolist()], "W") for w in weights]
        return smallest_singular_value(chain(*reversed(exact)))
    return exact_float(singular_values(_product(weights))[0][0])


def _lipschitz(stages: Sequence[Stage]) -> Rational:
    """Return a proved upper bound of the Lipschitz constant of a chain."""
    bound = Rational(1)
    for s in stages:
        if s.kind == "Linear":
            most = singular_values(from_float(s.weight))[1][1]
            bound *= exact_float(most) if most < float("inf") else Rational(2) ** 2000
        elif s.entrywise is not None:
            bound *= s.entrywise.most
        else:
            bound *= 1 + _lipschitz(s.inner)
    return bound


def _product(weights: Sequence[Any]) -> Enclosed:
    out = from_float(weights[0])
    for w in weights[1:]:
        out = product(from_float(w), out)
    return out


def _shorter(x: Rational) -> Rational:
    """Return a number of few digits, a little below x > 0."""
    size = _float(x) if x.q > 10**7 else 0.0
    short = rational(f"{size * (1 - 1e-6):.6e}", "the bound") if 0 < size < math.inf else x
    return short if 0 < short <= x else x


def _float(x: Rational) -> float:
    try:
        return float(to_fraction(x))
    except OverflowError:
        return math.inf


def _flat(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return the stages, those inside residual blocks too."""
    return tuple(t for s in stages for t in (_flat(s.inner) if s.inner else (s,)))


def _widths(stages: Sequence[Stage]) -> tuple[int, int]:
    """Return the numbers of inputs and outputs, (0, 0) where nothing tells them."""
    linear = [s.weight for s in stages if s.kind == "Linear"]
    if not linear:
        linear = [t.weight for t in _flat(stages) if t.kind == "Linear"]
    return (int(linear[0].shape[1]), int(linear[-1].shape[0])) if linear else (0, 0)


# --- reading --------------------------------------------------------------------------------------


def _stages(
    parts: Iterator[tuple[str, Any]], slopes: Mapping[str, tuple[Any, Any]]
) -> Iterator[Stage]:
    from torch import nn

    for name, part in parts:
        called = name or "0"
        if called in slopes:
            low, high = (rational(c, f"slopes[{called!r}]") for c in slopes[called])
            if not 0 < low <= high:
                raise InputError(f"slopes[{called!r}] must be bounds 0 < c ≤ C of the derivative")
            yield Stage(called, "stated", entrywise=Entrywise(True, 2, True, low, high))
        elif type(part) is nn.Linear:
            weight, _ = float_array(part.weight, f"{called}.weight")
            bias = part.bias is not None and float_array(part.bias, f"{called}.bias")[0].any()
            yield Stage(called, "Linear", weight, bool(bias))
        elif (known := entrywise(part)) is not None:
            yield Stage(called, type(part).__name__, entrywise=known)
        else:
            yield Stage(called, type(part).__name__, inner=_residual(called, part, slopes))


def entrywise(part: Any) -> Entrywise | None:
    """Return what is known of a torch activation on all of R, None for any other module."""
    kind = type(part).__name__
    if not type(part).__module__.startswith("torch.nn."):
        return None
    if kind in ("LeakyReLU", "RReLU", "PReLU"):
        return _two_slopes(part, kind)
    if kind in ("ELU", "CELU"):
        alpha = exact_float(float(part.alpha))
        smooth = kind == "CELU" or alpha == 1
        most = max(Rational(1), abs(alpha))
        return Entrywise(True, int(smooth), alpha > 0, Rational(0), most)
    bell = ("6/5", 2, False, True)  # slopes of both signs, at most 1.13
    # the largest slope, how often differentiable, strictly increasing, φ(0) = 0
    known: dict[str, tuple[str, int, bool, bool]] = {
        "Tanh": ("1", 2, True, True),
        "Sigmoid": ("1/4", 2, True, False),
        "LogSigmoid": ("1", 2, True, False),
        "Softplus": ("1", 2, True, False),
        "Softsign": ("1", 1, True, True),
        "Tanhshrink": ("1", 2, True, True),
        "SELU": ("2", 0, True, True),
        "GELU": bell,
        "SiLU": bell,
        "Mish": bell,
        "Hardswish": ("2", 0, False, True),
        "ReLU": ("1", 0, False, True),
        "ReLU6": ("1", 0, False, True),
        "Hardtanh": ("1", 0, False, True),
        "Hardsigmoid": ("1", 0, False, False),
        "Softshrink": ("1", 0, False, True),
    }
    if kind not in known:
        return None
    steepest, times, increasing, at_zero = known[kind]
    return Entrywise(at_zero, times, increasing, Rational(0), rational(steepest, "the slope"))


def _two_slopes(part: Any, kind: str) -> Entrywise | None:
    """Return the facts of φ(z) = z for z > 0 and az for z < 0."""
    if kind == "RReLU" and part.training:
        return None
    if kind == "PReLU":
        given = float_array(part.weight, "the slopes of PReLU")[0].ravel().tolist()
    elif kind == "RReLU":
        given = [(part.lower + part.upper) / 2]
    else:
        given = [float(part.negative_slope)]
    all_slopes = [Rational(1), *map(exact_float, given)]
    least, most = min(all_slopes), max(map(abs, all_slopes))
    smooth = all(a == 1 for a in all_slopes)
    return Entrywise(True, 2 if smooth else 0, least > 0, max(least, Rational(0)), most)


def _residual(name: str, part: Any, slopes: Mapping[str, tuple[Any, Any]]) -> tuple[Stage, ...]:
    """Return the stages of f if a module computes x + f(x), by tracing its forward."""
    import operator

    import torch
    from torch import fx

    refusal = InputError(
        f"module {name} ({type(part).__name__}) is not known here: give Linear, an entrywise "
        "activation, a module that computes x + f(x), or its slopes"
    )

    class Tracer(fx.Tracer):
        def is_leaf_module(self, m: Any, module_qualified_name: str) -> bool:
            return True

    if not list(part.children()):
        raise refusal
    try:
        nodes = list(Tracer().trace(part).nodes)
    except Exception:  # whatever the forward does with a placeholder, it is no plain chain
        raise refusal from None
    if len(nodes) < 4 or nodes[0].op != "placeholder" or nodes[-1].op != "output":
        raise refusal
    *calls, last = nodes[1:-1]
    previous = [nodes[0], *calls]
    chained = all(
        node.op == "call_module" and node.args == (before,) and not node.kwargs
        for before, node in zip(previous, calls, strict=False)
    )
    ends = ((nodes[0], calls[-1]), (calls[-1], nodes[0])) if calls else ()
    summed = last.op == "call_function" and last.target in (operator.add, torch.add)
    if not (chained and summed and last.args in ends and not last.kwargs):
        raise refusal
    if nodes[-1].args != (last,):
        raise refusal
    inner: list[Stage] = []
    for node in calls:
        sub = part.get_submodule(node.target)
        if any(getattr(p, "inplace", False) for p in sub.modules()):
            raise InputError(f"module {name}.{node.target} works in place: give inplace=False")
        inner += _stages(module_parts(sub, f"{name}.{node.target}"), slopes)
    if not inner:  # x + x, or x + Dropout(x)
        raise refusal
    return tuple(inner)
