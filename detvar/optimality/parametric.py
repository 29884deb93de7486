"""The parametric condition on finite data: a full-rank Jacobian of all outputs makes criticality
global.

If θ is critical for θ ↦ ℓ(F(θ)) with ℓ convex in the outputs F on all samples, and ∂F/∂θ has full
row rank at θ, then ∇ℓ(F) = 0, because (∂F/∂θ)ᵀ∇ℓ = 0: θ is a global minimum.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError, MissingExtraError

_KINKED = ("ReLU", "LeakyReLU", "PReLU", "ReLU6", "Hardtanh", "Hardsigmoid", "Softshrink")
_RANDOM = ("Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout")


@dataclass(frozen=True)
class ParametricCondition:
    """Whether the Jacobian of all outputs, samples · outputs × parameters, has full row rank.

    Attributes
    ----------
    holds : True if σ_min > tolerance · σ_max in floating point, otherwise None: not decided
    smallest, largest : σ_min and σ_max in float64; a numerical statement, without error bounds
    outputs, parameters : the sizes of the Jacobian
    tolerance : relative to σ_max
    reason : one sentence
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
        word = "holds" if self.holds else "not decided"
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


def output_jacobian(module: Any, x: Any) -> Any:
    """Return ∂F/∂θ of a torch module on a batch: float64, samples · outputs × parameters.

    Parameters
    ----------
    module : torch.nn.Module; it is evaluated in float64 on copies and comes back untouched
    x : batch, samples first

    Raises
    ------
    MissingExtraError
        Without torch.
    InputError
        If a unit of a piecewise linear activation is at its kink on a sample, where there is no
        derivative, or if the module is random in its present mode.

    Notes
    -----
    **Cost**: one backward pass for each output of each sample, vectorised by ``torch.func``.
    """
    try:
        import torch
        from torch.func import functional_call, jacrev
    except ImportError:
        raise MissingExtraError("torch", "torch") from None
    _require_deterministic(module)
    state = {k: v.detach().to("cpu", torch.float64) for k, v in module.named_parameters()}
    buffers = {
        k: v.detach().cpu().to(torch.float64) if v.is_floating_point() else v.detach().cpu()
        for k, v in module.named_buffers()
    }
    batch = torch.as_tensor(x).detach().to("cpu", torch.float64)

    def outputs(parameters: Any) -> Any:
        return functional_call(module, (parameters, buffers), (batch,)).reshape(-1)

    with torch.no_grad(), _watched(module):
        count = outputs(state).numel()
    rows = jacrev(outputs)(state)
    flat = [rows[k].reshape(count, -1) for k in state]
    out: Any = torch.cat(flat, dim=1).detach().numpy()
    return out


def parametric_condition(module: Any, x: Any, tolerance: float = 1e-9) -> ParametricCondition:
    """Say whether the Jacobian of the outputs on all samples has full row rank at the parameters.

    Where it has, every critical point of any convex differentiable loss of these outputs is a
    global minimum on these data.

    Parameters
    ----------
    module, x : as in `output_jacobian`
    tolerance : relative to the largest singular value

    Notes
    -----
    **Validity**: numerical: torch gives no error bounds. Small singular values are not decided.
    """
    import numpy as np

    j = output_jacobian(module, x)
    rows, columns = j.shape
    if rows > columns:
        reason = f"{rows} outputs and only {columns} parameters: full row rank is impossible"
        return ParametricCondition(None, 0.0, 0.0, rows, columns, tolerance, reason)
    sizes = np.linalg.svd(j, compute_uv=False)
    low, high = float(sizes[-1]), float(sizes[0])
    holds = True if low > tolerance * high else None
    reason = f"σ_min = {low:.3g}, σ_max = {high:.3g}, relative tolerance {tolerance:g}"
    return ParametricCondition(holds, low, high, rows, columns, tolerance, reason)


def _require_deterministic(module: Any) -> None:
    for name, part in module.named_modules():
        kind = type(part).__name__
        if part.training and (kind in _RANDOM or kind.startswith("BatchNorm")):
            raise InputError(
                f"{name or kind} ({kind}) depends on chance or on the batch while training: "
                "call module.eval() first"
            )


@contextmanager
def _watched(module: Any) -> Iterator[None]:
    """Refuse inputs that meet a kink of an activation, while the block runs."""
    hooks = []
    for name, part in module.named_modules():
        if type(part).__name__ in _KINKED:
            hooks.append(part.register_forward_pre_hook(_guard(name, type(part).__name__)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _guard(name: str, kind: str) -> Any:
    def guard(part: Any, inputs: tuple[Any, ...]) -> None:
        z = inputs[0].reshape(inputs[0].shape[0], -1)
        kinks = [0.0]
        if kind in ("ReLU6", "Hardtanh"):
            kinks = [float(part.min_val), float(part.max_val)]
        elif kind == "Hardsigmoid":
            kinks = [-3.0, 3.0]
        elif kind == "Softshrink":
            kinks = [-float(part.lambd), float(part.lambd)]
        scale = max(1.0, float(z.abs().max()))
        for kink in kinks:
            near = (z - kink).abs() <= 1e-12 * scale
            if bool(near.any()):
                sample, unit = (int(k) for k in near.nonzero()[0])
                raise InputError(
                    f"unit {unit} of {name} ({kind}) is at its kink on sample {sample}, where "
                    "there is no derivative: move the weights or leave the sample out"
                )

    return guard
