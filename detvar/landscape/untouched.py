"""A guard under which a PyTorch model may be trained and comes back bit for bit as it was.

Inside the guard every parameter and buffer is the same Python object with a copy of its data, so
that the memory of the caller is never written: neither an exception nor an interrupt can leave
the model half restored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

from detvar.errors import MissingExtraError

Tensor = Any  # torch.Tensor: PyTorch is not imported with the module


@cache
def pytorch() -> Any:
    """Return the module torch.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return import_module("torch")
    except ModuleNotFoundError:
        raise MissingExtraError("PyTorch", "torch") from None


class Randomness:
    """The states of all global random number generators: torch, CUDA if in use, NumPy, Python."""

    def __init__(self) -> None:
        import random

        import numpy as np

        torch = pytorch()
        self._torch = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
        self._numpy = np.random.get_state()
        self._python = random.getstate()

    def restore(self) -> None:
        """Set all generators to the states they had."""
        import random

        import numpy as np

        torch = pytorch()
        torch.set_rng_state(self._torch)
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)
        np.random.set_state(self._numpy)
        random.setstate(self._python)


def sow(seed: int) -> None:
    """Seed all global random number generators."""
    import random

    import numpy as np

    pytorch().manual_seed(seed)  # CUDA too
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Leave a model and the global random numbers as they are, whatever happens inside.

    Parameters
    ----------
    model : torch.nn.Module

    Notes
    -----
    What comes back: the data of parameters and buffers (the very memory they had), the gradients,
    `requires_grad`, the mode of every submodule, and the states of the random number generators
    of torch, CUDA, NumPy and Python.  Other attributes of a module, such as a counter or a hidden
    state that it keeps in a plain list, are its own affair.

    **Cost**: one copy of the model.

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> model = torch.nn.Linear(2, 1)
    >>> before = model.weight.tolist()
    >>> with untouched(model), torch.no_grad():
    ...     moved = model.weight.add_(1.0)
    >>> model.weight.tolist() == before
    True
    """
    torch = pytorch()
    modules = list(model.modules())
    modes = [module.training for module in modules]
    tables = [(dict(m._parameters), dict(m._buffers)) for m in modules]
    tensors = {id(t): t for pair in tables for table in pair for t in table.values()}
    tensors.pop(id(None), None)
    kept = [(t, t.data, t.requires_grad, t.grad) for t in tensors.values()]
    randomness = Randomness()
    try:
        with torch.inference_mode(False), torch.enable_grad():
            for t, data, _, _ in kept:
                t.data, t.grad = data.clone(), None
            yield
    finally:
        for module, mode, (parameters, buffers) in zip(modules, modes, tables, strict=True):
            module.training = mode
            for table, old in ((module._parameters, parameters), (module._buffers, buffers)):
                table.clear()
                table.update(old)
        for t, data, requires_grad, grad in kept:
            t.grad = None  # a gradient of another shape or type would forbid the next line
            t.data = data
            if t.is_leaf:
                t.requires_grad_(requires_grad)
            t.grad = grad
        randomness.restore()
