"""Where slices are cut: the parameters of a PyTorch model, or Rᵈ for a finite sum.

Either way a point is one flat float64 vector, and the loss is wanted at many points of a plane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from detvar.errors import InputError, ShapeError
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.measuring import generators, select
from detvar.landscape.untouched import pytorch, sow, untouched

Array = Any  # numpy.ndarray: NumPy is not imported with the module
Tensor = Any

MODES = ("eval", "train", None)
NORMS = ("filter", "layer", None)
_ROWS = 4096  # points of a finite sum that are evaluated at once


class Space(Protocol):
    """What slices need to know."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the blocks of a point."""

    def center(self) -> Array:
        """The present point."""

    def vector(self, state: Any, name: str) -> Array:
        """A point or direction, read from what the user gives."""

    def scaled(self, direction: Array, center: Array, normalise: str | None, biases: str) -> Array:
        """A random direction, rescaled to the sizes of the parameters."""

    def values(self, origin: Array, directions: Array, coordinates: Array, more: Array) -> Array:
        """The loss at origin + coordinates @ directions (N points), then at the rows of `more`."""


@dataclass(frozen=True, eq=False)
class SumSpace:
    """Rᵈ, with a point to look at."""

    problem: FiniteSum
    at: Any

    @property
    def names(self) -> tuple[str, ...]:
        """One block."""
        return ("x",)

    def center(self) -> Array:
        """The point that was given."""
        if self.at is None:
            raise InputError("at is missing: give the point of R^d through which the slice goes")
        return self.vector(self.at, "at")

    def vector(self, state: Any, name: str) -> Array:
        """Read d numbers."""
        return _flat(state, self.problem.dimension, name)

    def scaled(self, direction: Array, center: Array, normalise: str | None, biases: str) -> Array:
        """All of Rᵈ is one layer, and has no filters."""
        import numpy as np

        if normalise == "filter":
            raise InputError('a finite sum has no filters: give normalise="layer" or None')
        size = np.linalg.norm(center) if normalise == "layer" else 1.0
        if size == 0:
            raise InputError("the centre is 0, which gives no scale: give normalise=None")
        return direction * (size / np.linalg.norm(direction))

    def values(self, origin: Array, directions: Array, coordinates: Array, more: Array) -> Array:
        """Evaluate f in blocks of points."""
        import numpy as np

        parts = [
            np.asarray(self.problem.f(origin + coordinates[i : i + _ROWS] @ directions))
            for i in range(0, len(coordinates), _ROWS)
        ]
        parts += [np.asarray(self.problem.f(more))] if len(more) else []
        return np.concatenate(parts).astype(np.float64)


@dataclass(frozen=True, eq=False)
class ModelSpace:
    """The chosen parameters of a model, which is never written to."""

    model: Any
    loss_fn: Callable[[Any, Any], Tensor]
    batches: Any
    chosen: Mapping[str, Tensor]
    weight: Callable[[Any], float] | None
    mode: str | None
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(self.chosen)

    def _blocks(self) -> list[tuple[str, Tensor, slice]]:
        out, end = [], 0
        for name, p in self.chosen.items():
            out.append((name, p, slice(end, end + p.numel())))
            end += p.numel()
        return out

    def center(self) -> Array:
        """The present parameters."""
        return self.vector(dict(self.chosen), "the model")

    def vector(self, state: Any, name: str) -> Array:
        """Read a module, a mapping from names to arrays, or a flat vector in order of names."""
        import numpy as np

        torch = pytorch()
        if isinstance(state, torch.nn.Module):
            state = dict(state.named_parameters())
        size = sum(p.numel() for p in self.chosen.values())
        if not isinstance(state, Mapping):
            return _flat(_numpy(state), size, name)
        out = np.empty(size)
        for key, p, part in self._blocks():
            if key not in state:
                raise InputError(f"{name} has no entry {key}: give the state of all of params")
            value = _numpy(state[key])
            if value.shape != tuple(p.shape):
                raise ShapeError(
                    f"{key} has shape {value.shape} in {name} and {tuple(p.shape)} in the model: "
                    "give states of this model"
                )
            out[part] = value.ravel()
        return _flat(out, size, name)

    def scaled(self, direction: Array, center: Array, normalise: str | None, biases: str) -> Array:
        """Give every filter or layer of the direction the norm it has in the model."""
        import numpy as np

        if normalise is None:
            return direction / np.linalg.norm(direction)
        out = np.zeros(direction.shape)
        for name, p, part in self._blocks():
            d, c = direction[part], center[part]
            if p.ndim < 2:  # biases and the factors of normalisation layers have no filters
                if biases == "scaled":
                    out[part] = _with_norms(d[None], c[None])[0]
            elif normalise == "layer":
                out[part] = _with_norms(d[None], c[None])[0]
            else:
                rows = _filters(self.model, name, tuple(p.shape))
                out[part][rows] = _with_norms(d[rows], c[rows])
        if not out.any():
            raise InputError(
                "every direction is 0 after normalisation, because the parameters are 0 or have "
                'one axis: give biases="scaled" or normalise=None'
            )
        return out

    def values(self, origin: Array, directions: Array, coordinates: Array, more: Array) -> Array:
        """Run once through the batches, each of them at all points."""
        import numpy as np

        total, weights = np.zeros(len(coordinates) + len(more)), 0.0
        orders = [(g, g.get_state()) for g in generators(self.batches)]
        try:
            with untouched(self.model):
                if self.mode is not None:
                    self.model.train(self.mode == "train")
                plane = [
                    [_like(v[part], p) for v in (origin, *directions)]
                    for _, p, part in self._blocks()
                ]
                sow(self.seed)
                for batch in _iterated(self.batches, self.seed):
                    share = 1.0 if self.weight is None else float(self.weight(batch))
                    weights += share
                    for i, at in enumerate(coordinates.tolist()):
                        self._move(_combined(block, at) for block in plane)
                        total[i] += share * self._loss(batch)
                    for i, point in enumerate(more, start=len(coordinates)):
                        self._move(_like(point[part], p) for _, p, part in self._blocks())
                        total[i] += share * self._loss(batch)
        finally:
            for g, state in orders:
                g.set_state(state)
        if not weights > 0:
            raise InputError("batches is empty, or its weights are 0: give at least one batch")
        return total / weights

    def _move(self, point: Iterable[Tensor]) -> None:
        with pytorch().no_grad():
            for p, value in zip(self.chosen.values(), point, strict=True):
                p.data.copy_(value)

    def _loss(self, batch: Any) -> float:
        """The loss of one batch; the same random numbers, such as dropout masks, every time."""
        torch = pytorch()
        if self.mode != "eval":
            sow(self.seed)
        loss = self.loss_fn(self.model, batch)
        if isinstance(loss, torch.Tensor):
            loss = loss.detach()
            if loss.numel() != 1 or loss.is_complex():
                raise InputError(
                    f"loss_fn returned a tensor of shape {tuple(loss.shape)}: return one real "
                    "number, for instance the mean"
                )
        try:
            return float(loss)
        except (TypeError, ValueError):
            raise InputError(
                f"loss_fn returned a {type(loss).__name__}: return the loss as a scalar tensor "
                "(of a model's output object its .loss)"
            ) from None


def space_of(
    model: Any,
    loss_fn: Any,
    batches: Any,
    params: Any,
    at: Any,
    weight: Any,
    mode: str | None,
    seed: int,
) -> Space:
    """Return where to cut: Rᵈ for a finite sum, the chosen parameters for a model."""
    if isinstance(model, FiniteSum):
        given = {"loss_fn": loss_fn, "batches": batches, "params": params, "weight": weight}
        extra = [name for name, x in given.items() if x is not None]
        if extra:
            raise InputError(f"{extra[0]} belongs to a model: leave it out for a finite sum")
        return SumSpace(model, at)
    torch = pytorch()
    if at is not None:
        raise InputError("at belongs to a finite sum: load the point into the model instead")
    if loss_fn is None or batches is None:
        raise InputError("a model needs loss_fn(model, batch) and batches: give both")
    if not callable(loss_fn):
        raise InputError(f"loss_fn is a {type(loss_fn).__name__}: give a function (model, batch)")
    if mode not in MODES:
        raise InputError(f'mode is {mode!r}: give "eval", "train", or None for the present one')
    chosen = None
    if isinstance(model, torch.nn.Module) and params is None:
        everything = {n: p for n, p in model.named_parameters() if p.is_floating_point()}
        if everything and not any(p.requires_grad for p in everything.values()):
            chosen = everything  # a frozen model, as it is used for inference
    return ModelSpace(model, loss_fn, batches, chosen or select(model, params), weight, mode, seed)


def _filters(model: Any, name: str, shape: Sequence[int]) -> Array:
    """Return the positions of the weights of each filter (output unit), one row per filter."""
    import numpy as np

    torch = pytorch()
    owner = model.get_submodule(name.rpartition(".")[0])
    index = np.arange(int(np.prod(shape))).reshape(shape)
    if isinstance(owner, torch.nn.modules.conv._ConvTransposeNd):
        # stored as (in, out/groups, …), the groups one after the other along the first axis
        groups = owner.groups
        index = index.reshape(groups, shape[0] // groups, *shape[1:]).swapaxes(1, 2)
        return index.reshape(groups * shape[1], -1)
    return index.reshape(shape[0], -1)


def _with_norms(rows: Array, model: Array) -> Array:
    """Return the rows, each with the Euclidean norm of the row of `model`."""
    import numpy as np

    have = np.linalg.norm(rows, axis=1, keepdims=True)
    want = np.linalg.norm(model, axis=1, keepdims=True)
    return rows * np.divide(want, have, out=np.zeros_like(have), where=have > 0)


def _combined(block: list[Tensor], at: Sequence[float]) -> Tensor:
    """θ + a d₁ + b d₂ for one parameter."""
    point = block[0]
    for x, move in zip(at, block[1:], strict=True):
        point = point + x * move
    return point


def _like(part: Array, p: Tensor) -> Tensor:
    """The numbers with the shape and on the device of a parameter, in float64 where it has it."""
    torch = pytorch()
    kind = torch.float32 if p.device.type == "mps" else torch.float64
    return torch.from_numpy(part.reshape(tuple(p.shape)).copy()).to(p.device, kind)


def _iterated(batches: Any, seed: int) -> Any:
    data = batches(seed) if callable(batches) and not hasattr(batches, "__iter__") else batches
    try:
        return iter(data)
    except TypeError:
        raise InputError(
            f"batches is a {type(data).__name__}: give a list of batches, a DataLoader, or a "
            "function seed -> batches"
        ) from None


def _numpy(x: Any) -> Array:
    import numpy as np

    torch = pytorch()
    if isinstance(x, torch.Tensor):
        return x.detach().to("cpu", torch.float64).numpy()
    return np.asarray(x)


def _flat(x: Any, size: int, name: str) -> Array:
    import numpy as np

    try:
        out = np.array(x, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise InputError(f"{name} does not consist of numbers: give {size} numbers") from None
    if out.shape != (size,):
        raise ShapeError(f"{name} has {out.size} entries: give {size}, one per parameter")
    if not np.isfinite(out).all():
        raise InputError(f"{name} has entries that are not finite: give finite numbers")
    return out
