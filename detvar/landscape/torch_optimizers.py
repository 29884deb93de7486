"""The step-size rules as PyTorch optimizers: thin, with a closure, like LBFGS.

    optimizer = torch_optimizers.SPSmax(model.parameters(), c=1.0, gamma_b=0.1)
    loss = optimizer.step(closure)   # closure: zero_grad, loss, backward, return loss

The gradient of all parameters together decides one step size; it is in `optimizer.last_step`.
`lower` is fᵢ*, or a lower bound of every loss.  PyTorch is imported when a class is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import import_module
from typing import Any

from detvar.errors import InputError, MissingExtraError
from detvar.landscape import optimizers

NAMES = ("SGD", "SPSmax", "DecSPS", "NGN", "AdaGradNormMax")


def __getattr__(name: str) -> Any:
    if name in NAMES:
        return _classes()[name]
    raise AttributeError(f"there is no optimizer {name!r}: there are {', '.join(NAMES)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *NAMES})


def as_optimizer(rule: optimizers.Rule, params: Iterable[Any], lower: float = 0.0) -> Any:
    """Return a `torch.optim.Optimizer` that follows a rule.

    Parameters
    ----------
    rule : SGD, SPSmax, DecSPS, NGN or AdaGradNormMax of `detvar.landscape.optimizers`
    params : parameters, as any PyTorch optimizer takes them
    lower : fᵢ*, or a lower bound of the loss of every batch

    Raises
    ------
    MissingExtraError
        If PyTorch is not installed.
    """
    return _base()(params, rule, lower)


@lru_cache(maxsize=1)
def _base() -> Any:
    torch: Any
    try:
        torch = import_module("torch")
    except ModuleNotFoundError:
        raise MissingExtraError("PyTorch", "torch") from None

    class RuleOptimizer(torch.optim.Optimizer):  # type: ignore[misc]
        """x⁺ = x − γ_k∇f(x) with γ_k from a rule; `step` needs a closure."""

        def __init__(
            self, params: Iterable[Any], rule: optimizers.Rule, lower: float = 0.0
        ) -> None:
            self.rule, self.lower, self.last_step = rule, float(lower), float("nan")
            super().__init__(params, {"lower": float(lower)})
            # kept in the state, so that state_dict saves and restores it
            self.state["rule"] = {"k": 0, "memory": rule.start()}

        def step(self, closure: Callable[[], Any] | None = None) -> Any:
            """Evaluate the closure, choose γ_k, and move all parameters."""
            if closure is None:
                raise InputError(
                    "the step needs the value of the loss: give step(closure), a function that "
                    "zeroes the gradients, computes the loss, calls backward and returns the loss"
                )
            with torch.enable_grad():
                loss = closure()
            value = float(loss.detach() if torch.is_tensor(loss) else loss)
            grads = [
                (p, p.grad)
                for group in self.param_groups
                for p in group["params"]
                if p.grad is not None
            ]
            square = sum(float((g.double() ** 2).sum()) for _, g in grads)
            state = self.state["rule"]
            gamma, memory = self.rule.step(
                tuple(state["memory"]), state["k"], value - self.lower, value, square
            )
            self.last_step = float(gamma)
            state["k"], state["memory"] = state["k"] + 1, tuple(float(x) for x in memory)
            with torch.no_grad():
                for p, g in grads:
                    p.add_(g, alpha=-self.last_step)
            return loss

    return RuleOptimizer


@lru_cache(maxsize=1)
def _classes() -> dict[str, Any]:
    base = _base()

    def made(name: str) -> Any:
        rule = getattr(optimizers, name)

        def __init__(
            self: Any, params: Iterable[Any], *, lower: float = 0.0, **numbers: Any
        ) -> None:
            base.__init__(self, params, rule(**numbers), lower)

        return type(name, (base,), {"__init__": __init__, "__doc__": rule.__doc__})

    return {name: made(name) for name in NAMES}
