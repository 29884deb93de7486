"""Parts of a recording: the parameters as one vector, buffers, random numbers, the loss itself.

A recording needs x_k, ∇fᵢ(x_k) and fᵢ at two points many times.  With all parameters as views of
one flat vector a point is kept, or moved to, by a single copy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from detvar.errors import InputError
from detvar.exact.text import one_line
from detvar.landscape.triples import ROUNDING
from detvar.landscape.untouched import pytorch

Array = Any  # numpy.ndarray: NumPy is not imported with the module
Tensor = Any
Vector = list[Tensor]  # one flat tensor for every pair of number type and device

ALIGNMENT = 64  # bytes; kernels may round differently for data that is aligned otherwise


def select(model: Any, params: Any) -> dict[str, Tensor]:
    """Return the parameters to record: all that are trainable, or those a filter names.

    Parameters
    ----------
    model : torch.nn.Module
    params : None, regular expression (searched in names), function of a name, or names

    Raises
    ------
    InputError
        If there are none, or a name is unknown or belongs to a frozen parameter.
    """
    torch = pytorch()
    if not isinstance(model, torch.nn.Module):
        raise InputError(f"model is a {type(model).__name__}: give a torch.nn.Module")
    everything = dict(model.named_parameters())
    trainable = {name: p for name, p in everything.items() if p.requires_grad}
    if not trainable:
        raise InputError("model has no trainable parameters: set requires_grad of some")
    if params is None:
        chosen = trainable
    elif isinstance(params, str):
        chosen = {name: p for name, p in trainable.items() if re.search(params, name)}
    elif callable(params):
        chosen = {name: p for name, p in trainable.items() if params(name)}
    else:
        for name in params:
            if name not in trainable:
                what = "frozen" if name in everything else "unknown"
                raise InputError(
                    f"params names {one_line(repr(name), 60)}, which is {what}: give names of "
                    f"trainable parameters, such as {next(iter(trainable))}"
                )
        chosen = {name: trainable[name] for name in dict.fromkeys(params)}
    if not chosen:
        raise InputError(
            "params matches no trainable parameter: the names are "
            + one_line(", ".join(trainable), 200)
        )
    for name, p in chosen.items():
        if torch.nn.parameter.is_lazy(p):
            raise InputError(f"{name} has no shape yet: send one batch through the model first")
        if not p.is_floating_point():
            raise InputError(f"{name} is {p.dtype}: give real parameters")
    return chosen


class Variables:
    """Parameters as one vector x: they are views of flat tensors as long as this is in use."""

    def __init__(self, chosen: dict[str, Tensor]) -> None:
        torch = pytorch()
        self.names = tuple(chosen)
        self.parameters = list(chosen.values())
        kinds = dict.fromkeys((p.dtype, p.device) for p in self.parameters)
        self.x: Vector = []
        # for every flat tensor: (position in `parameters`, start) and the gaps as zeros
        self._slots: list[list[tuple[int, int]]] = []
        self._gaps: list[list[Tensor]] = []
        for dtype, device in kinds:
            unit = max(1, ALIGNMENT // dtype.itemsize)
            slots, gaps, end = [], [], 0
            for i, p in enumerate(self.parameters):
                if (p.dtype, p.device) == (dtype, device):
                    slots.append((i, end))
                    room = unit * max(1, -(-p.numel() // unit))
                    gaps.append(torch.zeros(room - p.numel(), dtype=dtype, device=device))
                    end += room
            flat = torch.zeros(end, dtype=dtype, device=device)
            for i, start in slots:
                p = self.parameters[i]
                view = flat[start : start + p.numel()].view(p.shape)
                view.copy_(p.data)
                p.data = view
            self.x.append(flat)
            self._slots.append(slots)
            self._gaps.append(gaps)

    @property
    def bytes(self) -> int:
        """The size of one vector."""
        return sum(x.numel() * x.element_size() for x in self.x)

    def read(self) -> Vector:
        """Return a copy of x."""
        return [x.clone() for x in self.x]

    def write(self, values: Vector) -> None:
        """Move the parameters to a point."""
        for x, value in zip(self.x, values, strict=True):
            x.copy_(value)

    def forget_gradient(self) -> None:
        """Set all gradients to None, as `zero_grad` does."""
        for p in self.parameters:
            p.grad = None

    def gradient(self) -> Vector:
        """Return the gradient as a vector; a parameter that was not used has gradient 0."""
        torch = pytorch()
        out = []
        for slots, gaps in zip(self._slots, self._gaps, strict=True):
            pieces = []
            for (i, _), gap in zip(slots, gaps, strict=True):
                p = self.parameters[i]
                grad = p.grad
                if grad is None:
                    grad = torch.zeros_like(p.data)
                elif grad.is_sparse:
                    grad = grad.to_dense()
                pieces += [grad.detach().reshape(-1), gap]
            out.append(torch.cat(pieces))
        return out

    def products(self, gradient: Vector, x: Vector, end: Vector, norms: bool) -> Array:
        """Return ⟨∇f, x − x_K⟩ in parts, one per parameter, then ‖∇f‖² and ‖x − x_K‖².

        Everything is multiplied and added in float64, and x_K must be given so.
        """
        import numpy as np

        torch = pytorch()
        out = np.zeros(len(self.parameters) + 2)
        for g, a, b, slots in zip(gradient, x, end, self._slots, strict=True):
            step = a - b  # a float32 minus a float64 is a float64, exactly so
            parts = step * g
            at, starts = [i for i, _ in slots], [start for _, start in slots]
            if g.device.type == "cpu":
                out[at] = np.add.reduceat(parts.numpy(), starts)
            else:
                ends = [*starts[1:], len(g)]
                pieces = parts.split([e - s for s, e in zip(starts, ends, strict=True)])
                out[at] = torch.stack([piece.sum() for piece in pieces]).cpu().numpy()
            if norms:
                g = g.double()
                out[-2:] += float(g @ g), float(step @ step)
        return out

    def arrays(self, values: Vector) -> dict[str, Array]:
        """Return a point as NumPy arrays of float64 (float32 where it is), by name."""
        torch = pytorch()
        out = {}
        for flat, slots in zip(values, self._slots, strict=True):
            data = flat.detach().cpu()
            data = data if data.dtype in (torch.float32, torch.float64) else data.float()
            for i, start in slots:
                p = self.parameters[i]
                out[i] = data[start : start + p.numel()].view(p.shape).numpy().copy()
        return {name: out[i] for i, name in enumerate(self.names)}


def same(a: Vector, b: Vector) -> bool:
    """Whether two vectors agree bit for bit (−0 and 0 agree)."""
    return all(bool((x == y).all()) for x, y in zip(a, b, strict=True))


class Buffers:
    """The buffers of a model, such as the running means of batch normalisation."""

    def __init__(self, model: Any) -> None:
        found = {
            id(buffer): (module, name)
            for module in model.modules()
            for name, buffer in module._buffers.items()
            if buffer is not None
        }
        self._places = list(found.values())
        self._last: Vector = []

    def __len__(self) -> int:
        return len(self._places)

    def read(self) -> Vector:
        """Return copies of all buffers; one that is as at the last reading is that copy."""
        torch = pytorch()
        now = [module._buffers[name] for module, name in self._places]
        last = self._last or [None] * len(now)
        self._last = [
            a if a is not None and torch.equal(a, b) else b.detach().clone()
            for a, b in zip(last, now, strict=True)
        ]
        return list(self._last)

    def write(self, values: Vector) -> None:
        """Set all buffers."""
        for (module, name), value in zip(self._places, values, strict=True):
            current = module._buffers[name]
            if current is not None and current.shape == value.shape:
                current.data.copy_(value)
            else:
                module._buffers[name] = value.clone()


class Dice:
    """The generators of torch that a forward pass may use: the CPU's and those of CUDA devices."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        devices = dict.fromkeys(p.device for p in parameters)
        self._cuda = [d for d in devices if d.type == "cuda"]

    def read(self) -> Vector:
        """Return the states."""
        torch = pytorch()
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(d) for d in self._cuda)]

    def write(self, states: Vector) -> None:
        """Set the states."""
        torch = pytorch()
        torch.set_rng_state(states[0])
        for device, state in zip(self._cuda, states[1:], strict=True):
            torch.cuda.set_rng_state(state, device)

    @staticmethod
    def agree(a: Vector, b: Vector) -> bool:
        """Whether two readings are the same: no random number was used in between."""
        return all(x.numpy().tobytes() == y.numpy().tobytes() for x, y in zip(a, b, strict=True))


def dropouts(model: Any) -> list[tuple[Any, str, Any]]:
    """Return (module, attribute, value that switches dropout off) wherever dropout is on."""
    nn = pytorch().nn
    out: list[tuple[Any, str, Any]] = []
    for module in model.modules():
        if not module.training:
            continue
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0:
            out.append((module, "training", False))
        elif isinstance(module, (nn.RNNBase, nn.MultiheadAttention)) and module.dropout > 0:
            out.append((module, "dropout", 0.0))
    return out


def switched(settings: Sequence[tuple[Any, str, Any]]) -> AbstractContextManager[None]:
    """Set attributes inside of a `with`, and set them back at its end."""
    return _switched(settings) if settings else nullcontext()


@contextmanager
def _switched(settings: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    before = [getattr(module, name) for module, name, _ in settings]
    try:
        for module, name, value in settings:
            setattr(module, name, value)
        yield
    finally:
        for (module, name, _), value in zip(settings, before, strict=True):
            setattr(module, name, value)


def checked_loss(loss: Any, where: str, lower: float) -> float:
    """Return the value of what loss_fn returned.

    Raises
    ------
    InputError
        If it is not one finite number in a tensor, or below the lower bound.
    """
    torch = pytorch()
    if not isinstance(loss, torch.Tensor):
        raise InputError(
            f"loss_fn returned a {type(loss).__name__}: return the loss as a scalar tensor "
            "(not .item(), and of a model's output object its .loss)"
        )
    if loss.ndim or not loss.is_floating_point():
        raise InputError(
            f"loss_fn returned a tensor of shape {tuple(loss.shape)} and type {loss.dtype}: "
            "return one real number, for instance the mean"
        )
    value = float(loss.detach())
    if not abs(value) < float("inf"):
        raise InputError(f"the loss at {where} is {value}: lower the step size, or stop before")
    if value < lower - ROUNDING:
        raise InputError(
            f"lower is {lower:.6g} and the loss at {where} is {value:.6g}: give a lower bound of "
            "every loss"
        )
    return value


def source(batches: Any, seed: int, epochs: int) -> Iterator[tuple[int, Any]]:
    """Yield (epoch, batch) in order."""
    data = batches(seed) if callable(batches) else batches
    try:
        first = iter(data)
    except TypeError:
        raise InputError(
            f"batches is a {type(data).__name__}: give a list of batches, a DataLoader, or a "
            "function seed -> batches"
        ) from None
    if first is data and not (callable(batches) and epochs == 1):
        raise InputError(
            "batches can be run through only once: give a list, a DataLoader, or a function "
            "seed -> batches"
        )
    for epoch in range(epochs):
        for batch in first if epoch == 0 else data:
            yield epoch, batch


def generators(batches: Any) -> list[Any]:
    """Return the generators of a DataLoader, whose states decide the order of its batches."""
    torch = pytorch()
    sampler = getattr(batches, "sampler", None)
    inner = getattr(getattr(batches, "batch_sampler", None), "sampler", None)
    found = [getattr(owner, "generator", None) for owner in (batches, sampler, inner)]
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())


LossFunction = Callable[[Any, Any], Tensor]
