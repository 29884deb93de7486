"""The layers of a torch.nn.Sequential of linear modules; the module itself stays untouched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from detvar.errors import InputError


def is_module(obj: Any) -> bool:
    """Say whether an object is a torch module, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(obj, torch.nn.Module)


def module_tensors(module: Any) -> dict[str, Any]:
    """Return the weights and biases of a chain of `torch.nn.Linear`, in forward order.

    Parameters
    ----------
    module : torch.nn.Linear or torch.nn.Sequential
        Of `Linear`, nested `Sequential`, `Identity`, and `Dropout` that does nothing.

    Raises
    ------
    InputError
        If a part is not linear, has hooks, or occurs twice (shared weights).

    Notes
    -----
    **Validity**: types are compared exactly, since a subclass may compute something else.
    """
    out: dict[str, Any] = {}
    owner: dict[int, str] = {}
    for name, layer in _leaves(module, ""):
        for kind, tensor in (("weight", layer.weight), ("bias", layer.bias)):
            if tensor is None:
                continue
            if id(tensor) in owner:
                raise InputError(
                    f"{name}.{kind} is the same tensor as {owner[id(tensor)]}: shared weights are "
                    "not the free weights of a linear network, so give every layer its own"
                )
            owner[id(tensor)] = f"{name}.{kind}"
            out[f"{name}.{kind}"] = tensor
    if not out:
        raise InputError("the module has no torch.nn.Linear layer: give a Sequential of Linear")
    return out


def _leaves(module: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the `Linear` layers with their names; refuse everything that is not linear."""
    from torch import nn

    for called, part in module_parts(module, name):
        if type(part) is not nn.Linear:
            hint = ": call eval() first" if type(part) is nn.Dropout else ""
            raise InputError(
                f"{_title(called)} is {type(part).__name__}, which is not linear{hint}; give a "
                "torch.nn.Sequential of torch.nn.Linear"
            )
        yield (called or "0"), part


def module_parts(module: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (name, part) in forward order: what is left of nested `Sequential` containers.

    `Identity`, and `Dropout` that does nothing, are left out.

    Raises
    ------
    InputError
        If a part has hooks or a forward of its own.
    """
    from torch import nn

    hooks = ("_forward_hooks", "_forward_pre_hooks")
    if any(getattr(module, hook, None) for hook in hooks):
        raise InputError(
            f"{_title(name)} has forward hooks, which may change its output: remove them"
        )
    if "forward" in vars(module):
        raise InputError(f"{_title(name)} has a forward of its own: give a Sequential of Linear")
    kind = type(module)
    if kind is nn.Sequential:
        for key, part in module._modules.items():  # named_children drops repeated parts
            yield from module_parts(part, f"{name}.{key}" if name else key)
        return
    idle = kind is nn.Dropout and (module.p == 0 or not module.training)
    if kind is not nn.Identity and not idle:
        yield name, module


def _title(name: str) -> str:
    return f"module {name}" if name else "the module"
