"""The parametric condition on finite data: a full-rank Jacobian of all outputs makes criticality
global.

If θ is critical for θ ↦ ℓ(F(θ)) with ℓ convex in the outputs F on all samples, and ∂F/∂θ has full
row rank at θ, then ∇ℓ(F) = 0, because (∂F/∂θ)ᵀ∇ℓ = 0: θ is a global minimum.  The outputs of a
linear network are linear in the inputs; there it is enough that ∂F/∂θ is onto these outputs VX,
because then θ minimises the convex function V ↦ ℓ(VX).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from detvar.errors import DetvarError, InputError, MissingExtraError
from detvar.optimality.arrays import float_array
from detvar.optimality.jacobian import (
    MOST_ENTRIES,
    MOST_ROWS,
    JacobianBound,
    LinearLayer,
    layers_jacobian,
    linear_jacobian,
    module_layers,
    singular_values,
)
from detvar.optimality.torch_modules import is_module, module_parts
from detvar.optimality.words import rounded

# Where an operation of torch has no derivative: at these values of its first argument.
_KINKS: dict[str, Callable[[tuple[Any, ...]], list[Any]]] = {
    "relu": lambda a: [0.0],
    "leaky_relu": lambda a: [0.0] if a[1:2] != (1.0,) else [],
    "_prelu_kernel": lambda a: [0.0],
    "rrelu_with_noise": lambda a: [0.0],
    "abs": lambda a: [0.0],
    "sign": lambda a: [0.0],
    "elu": lambda a: [0.0] if _product([*a[1:2], *a[3:4]]) != 1 else [],
    "hardtanh": lambda a: [a[1] if len(a) > 1 else -1.0, a[2] if len(a) > 2 else 1.0],
    "hardsigmoid": lambda a: [-3.0, 3.0],
    "hardswish": lambda a: [-3.0, 3.0],
    "hardshrink": lambda a: _both(a[1] if len(a) > 1 else 0.5),
    "softshrink": lambda a: _both(a[1] if len(a) > 1 else 0.5),
    "threshold": lambda a: [a[1]],
    "clamp": lambda a: [bound for bound in a[1:3] if bound is not None],
    "clamp_min": lambda a: [a[1]],
    "clamp_max": lambda a: [a[1]],
    "maximum": lambda a: [a[1]],
    "minimum": lambda a: [a[1]],
}


@dataclass(frozen=True)
class ParametricCondition:
    """Whether the Jacobian of all outputs, samples · outputs × parameters, has full row rank.

    Attributes
    ----------
    holds : True if σ_min > 0 is proved (certified) or σ_min > tolerance · σ_max in floating point
        (numerical); False if the sizes exclude it; otherwise None, not decided
    smallest, largest : certified: a proved lower bound of σ_min and a proved upper bound of σ_max;
        numerical: float64 values without error bounds
    outputs, parameters : the sizes of the Jacobian
    tolerance : relative to σ_max; 0 if certified
    reason : one sentence
    tier : "certified" or "numerical"
    """

    holds: bool | None
    smallest: float
    largest: float
    outputs: int
    parameters: int
    tolerance: float
    reason: str
    tier: str = "numerical"

    def __str__(self) -> str:
        word = {True: "holds", False: "does not hold", None: "not decided"}[self.holds]
        return f"full-rank Jacobian of the outputs ({self.tier}): {word}: {self.reason}"

    def to_latex(self) -> str:
        """Return the condition as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self))

    def to_json(self) -> dict[str, Any]:
        """Return the fields as a JSON object."""
        return {
            "holds": self.holds,
            "smallest": self.smallest.hex(),
            "largest": self.largest.hex(),
            "outputs": self.outputs,
            "parameters": self.parameters,
            "tolerance": self.tolerance.hex(),
            "reason": self.reason,
            "tier": self.tier,
        }


def parametric_condition(weights: Any, x: Any, tolerance: float = 1e-9) -> ParametricCondition:
    """Say whether the Jacobian of the outputs on all samples has full row rank at the weights.

    Where it has, weights that are critical for a convex differentiable loss of these outputs are a
    global minimum on these data.

    Parameters
    ----------
    weights : whatever `read_weights` takes (a linear network), or a torch module
    x : samples × inputs
    tolerance : relative to the largest singular value, for the numerical answer

    Raises
    ------
    InputError
        For weights or samples that are not finite, a unit at a kink, a module that is random.

    Notes
    -----
    **Cost**: an SVD of the Jacobian; see `linear_jacobian`, `layers_jacobian`, `output_jacobian`.
    **Validity**: certified for linear networks, and for a `Sequential` of `Linear` with Tanh,
    Sigmoid, Softplus, ReLU, LeakyReLU, ELU, SiLU or GELU up to 2000 outputs in all and 10⁷ entries;
    otherwise numerical, through torch without error bounds. Criticality itself is not checked.

    References
    ----------
    The chain rule; for linear networks Yun, Sra, Jadbabaie (2018), Proposition 3.4, is the case of
    one layer.

    Examples
    --------
    >>> print(parametric_condition([[[2.0, 0.0]]], [[1.0, 0.0], [0.0, 1.0]]).holds)
    True
    """
    if not is_module(weights):
        return _linear(weights, x)
    trained = [p for p in weights.parameters() if p.requires_grad]
    if not trained:
        raise InputError("no parameter of the module is trained: give it with requires_grad_(True)")
    try:
        parts = list(module_parts(weights))
    except InputError:  # hooks or a forward of its own: only torch knows what it computes
        return _numerical(weights, x, tolerance)
    if len({id(p) for p in trained}) == len(list(weights.parameters())) and _all_linear(parts):
        return _linear(weights, x)
    layers = module_layers(parts)
    samples, _ = float_array(x, "x")
    if layers is None or not _fits(layers, samples, sum(p.numel() for p in trained)):
        return _numerical(weights, samples, tolerance)
    j = layers_jacobian(layers, samples)
    return _certified(JacobianBound(*_bounds(j), *j.mid.shape))


def _all_linear(parts: Sequence[tuple[str, Any]]) -> bool:
    """Say whether all parts are `Linear` and none occurs twice."""
    from torch import nn

    own = [id(p) for _, part in parts for p in part.parameters()]
    linear: bool = all(type(part) is nn.Linear for _, part in parts)
    return linear and len(set(own)) == len(own)


def _fits(layers: list[tuple[str, Any]], samples: Any, parameters: int) -> bool:
    """Say whether the samples are a table of the right width, and the Jacobian is small enough."""
    linear = [layer.weight for _, layer in layers if isinstance(layer, LinearLayer)]
    if not linear or samples.ndim != 2 or not len(samples):
        return False
    for a, b in pairwise(linear):
        if a.shape[0] != b.shape[1]:
            raise InputError(
                f"a layer of the module gives {a.shape[0]} numbers and the next one takes "
                f"{b.shape[1]}: the widths of neighbouring layers must agree"
            )
    if samples.shape[1] != linear[0].shape[1]:
        raise InputError(
            f"x has {samples.shape[1]} columns, and the module takes {linear[0].shape[1]} inputs: "
            "give the samples as rows of this length"
        )
    rows = len(samples) * linear[-1].shape[0]
    return bool(rows <= MOST_ROWS and rows * parameters <= MOST_ENTRIES)


def _bounds(j: Any) -> Any:
    rows, columns = j.mid.shape
    if rows > columns:
        return (0.0, 0.0), (0.0, j.size)
    return singular_values(j)


def _linear(weights: Any, x: Any) -> ParametricCondition:
    from detvar.optimality.reading import read_weights

    read = read_weights(weights)
    return _certified(linear_jacobian(read, float_array(x, "x")[0]))


def _certified(found: JacobianBound) -> ParametricCondition:
    low, rows, columns = found.smallest[0], found.outputs, found.parameters
    where = "" if found.samples else ", onto the outputs that linear maps can have"
    holds = True if low > 0 else None
    reason = f"σ_min ≥ {rounded(found.smallest)[0]} is proved{where}"
    if rows > columns:
        holds = False
        reason = f"{rows} outputs{where} and only {columns} parameters"
    elif not low:
        most = rounded(found.smallest, 3)[1]
        reason = f"no positive lower bound of σ_min is proved (σ_min ≤ {most})"
    high = found.largest[1]
    return ParametricCondition(holds, low, high, rows, columns, 0.0, reason, "certified")


def _numerical(module: Any, x: Any, tolerance: float) -> ParametricCondition:
    import numpy as np

    j = output_jacobian(module, x)
    rows, columns = j.shape
    if rows > columns:
        reason = f"{rows} outputs and only {columns} parameters"
        return ParametricCondition(False, 0.0, 0.0, rows, columns, tolerance, reason)
    sizes = np.linalg.svd(j, compute_uv=False)
    low, high = float(sizes[-1]), float(sizes[0])
    holds = True if low > tolerance * high else None
    reason = f"σ_min = {low:.3g}, σ_max = {high:.3g}, relative tolerance {tolerance:g}"
    return ParametricCondition(holds, low, high, rows, columns, tolerance, reason)


# --- any torch module -----------------------------------------------------------------------------


def output_jacobian(module: Any, x: Any) -> Any:
    """Return ∂F/∂θ of a torch module on a batch: float64, samples · outputs × parameters.

    Parameters
    ----------
    module : torch.nn.Module; it is evaluated in float64 on copies and comes back untouched
    x : batch, samples first

    Returns
    -------
    array; the columns are the trained parameters (requires_grad) in the order of
    `module.named_parameters()`, a shared one once

    Raises
    ------
    MissingExtraError
        Without torch.
    InputError
        If a unit of a piecewise linear activation is at its kink on a sample, where there is no
        derivative, if the module is random or mixes samples in its present mode, or if it does not
        compute in float64.

    Notes
    -----
    **Cost**: one backward pass for each output of each sample, vectorised by ``torch.func``.
    **Validity**: kinks are looked for in the operations of torch that are applied, up to 10⁻¹² of
    the largest number there; ties of a maximum over entries (pooling), norms at 0 and
    `torch.where` are not looked into.
    """
    try:
        import torch
        from torch.func import functional_call, jacrev
    except ImportError:
        raise MissingExtraError("torch", "torch") from None
    _require_deterministic(module)
    state = {k: _double(v) for k, v in module.named_parameters()}
    trained = {k: state[k] for k, v in module.named_parameters() if v.requires_grad}
    if not trained:
        raise InputError("no parameter of the module is trained: give it with requires_grad_(True)")
    buffers = {k: _double(v) for k, v in module.named_buffers()}
    batch = torch.from_numpy(float_array(x, "x")[0])

    def outputs(parameters: Any) -> Any:
        # the copies of buffers keep what a forward pass may count from reaching the module
        fixed = {k: v for k, v in state.items() if k not in trained}
        fixed |= {k: v.clone() for k, v in buffers.items()}
        out = functional_call(module, (fixed | parameters,), (batch,))
        if not isinstance(out, torch.Tensor) or out.dtype != torch.float64:
            raise InputError(
                "the module does not give one tensor in float64: take out conversions such as "
                ".float() and .half()"
            )
        return out.reshape(-1)

    try:
        with torch.random.fork_rng(devices=[]):
            with torch.no_grad(), _watched(module):
                first = outputs(trained)
            with torch.no_grad():
                again = outputs(trained)
            if not torch.equal(first, again) and bool(first.isfinite().all()):
                raise InputError(
                    "the module gives other outputs when it is asked again: call module.eval() "
                    "first, and take out what is random"
                )
            if not bool(first.isfinite().all()):
                raise InputError("the outputs are not finite: give smaller weights or samples")
            rows = jacrev(outputs)(trained)
    except DetvarError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the module does not run on these samples in float64 ({line}): give samples as rows"
        ) from None
    flat = [rows[k].reshape(first.numel(), -1) for k in trained]
    out: Any = torch.cat(flat, dim=1).detach().numpy()
    if not bool(torch.cat(flat, dim=1).isfinite().all()):
        raise InputError("the module has no finite derivative at these weights: move them a little")
    return out


def _double(tensor: Any) -> Any:
    """Return a copy on the CPU, in float64 if it has real floats."""
    import torch

    copy = tensor.detach().cpu().clone()
    return copy.to(torch.float64) if copy.is_floating_point() else copy


def _require_deterministic(module: Any) -> None:
    for name, part in module.named_modules():
        kind = type(part).__name__
        running = getattr(part, "track_running_stats", True) is not False
        if kind.startswith(("BatchNorm", "LazyBatchNorm", "SyncBatchNorm")):
            if part.training:
                raise InputError(
                    f"{name or kind} ({kind}) mixes the samples of a batch while training: call "
                    "module.eval() first"
                )
            if not running:
                raise InputError(
                    f"{name or kind} ({kind}) keeps no running statistics and mixes the samples of "
                    "a batch: give it track_running_stats=True"
                )
        if part.training and "Dropout" in kind and getattr(part, "p", 1.0) != 0:
            raise InputError(
                f"{name or kind} ({kind}) depends on chance while training: call module.eval() "
                "first"
            )


@contextmanager
def _watched(module: Any) -> Iterator[None]:
    """Refuse what meets a kink of an operation, while the block runs; hooks tell its module."""
    from torch.utils._python_dispatch import TorchDispatchMode

    inside: list[str] = []

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(
            self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
        ) -> Any:
            name = func.overloadpacket.__name__.removesuffix("_")
            named = kwargs or {}
            # z/(1 + |z|) has a derivative at 0, though |z| has none
            smooth = name == "abs" and bool(inside) and inside[-1].endswith("(Softsign)")
            if name in _KINKS and args and not smooth:
                extra = [named[k] for k in ("min", "max", "min_val", "max_val") if k in named]
                _refuse_kinks(name, (*args, *extra), inside[-1] if inside else "")
            return func(*args, **named)

    hooks = []
    try:
        for name, part in module.named_modules():
            hooks.append(part.register_forward_pre_hook(_entering(inside, name, part)))
            hooks.append(part.register_forward_hook(lambda *_: inside.pop() and None))
        watch: Any = Watch
        with watch():
            yield
    finally:
        for hook in hooks:
            hook.remove()


def _entering(inside: list[str], name: str, part: Any) -> Callable[..., None]:
    def enter(*_: Any) -> None:
        inside.append(f"{name or 'the module'} ({type(part).__name__})")

    return enter


def _refuse_kinks(operation: str, args: tuple[Any, ...], where: str) -> None:
    z = args[0]
    if not hasattr(z, "reshape") or not z.dim() or not z.is_floating_point():
        return
    scale = max(1.0, float(z.abs().max())) if z.numel() else 1.0
    for kink in _KINKS[operation](args):
        near = ((z - kink).abs() <= 1e-12 * scale).reshape(z.shape[0], -1)
        if bool(near.any()):
            sample, unit = (int(k) for k in near.nonzero()[0])
            raise InputError(
                f"unit {unit} of {where or operation} is at its kink on sample {sample}, where "
                "there is no derivative: move the weights or leave the sample out"
            )


def _product(factors: list[Any]) -> float:
    out = 1.0
    for x in factors:
        out *= float(x)
    return out


def _both(x: float) -> list[float]:
    return [-x, x]
