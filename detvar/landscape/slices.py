r"""Slices of a loss along lines and planes, and the plane that shows training paths best.

A slice is the array of values f(θ + a d₁ + b d₂) on a grid of (a, b).  The model is never touched,
the directions depend on the seed alone, and everything that a picture needs is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from detvar.errors import InputError
from detvar.landscape.slice_results import Slice, SlicePath
from detvar.landscape.slice_space import NORMS, Space, space_of

__all__ = ["Slice", "SlicePath", "pca_path", "slice_1d", "slice_2d", "snapshot"]

Array = Any  # numpy.ndarray: NumPy is not imported with the module

BIASES = ("fixed", "scaled")
CENTERS = ("last", "mean")


def slice_1d(
    model: Any,
    loss_fn: Callable[[Any, Any], Any] | None = None,
    batches: Any = None,
    direction: Any = None,
    *,
    to: Any = None,
    span: tuple[float, float] = (-1.0, 1.0),
    steps: int = 51,
    normalise: str | None = "auto",
    biases: str = "fixed",
    seed: int = 0,
    params: Any = None,
    at: Any = None,
    mode: str | None = "eval",
    weight: Callable[[Any], float] | None = None,
) -> Slice:
    r"""Return the loss along a line through the present parameters.

    Parameters
    ----------
    direction : state, optional
        A flat vector or a mapping from names; used as it is.  By default random.
    to : state, optional
        Instead of a direction: the point at coordinate 1, for the line between two models.
    span, steps : the ends of the axis, and how many points it has

    The other parameters are those of `slice_2d`.

    Examples
    --------
    >>> from detvar.landscape.least_squares import least_squares
    >>> found = slice_1d(least_squares([[1], [1]], [1, -1]), at=[0], direction=[1], steps=3)
    >>> found.values
    array([1. , 0.5, 1. ])
    """
    if direction is not None and to is not None:
        raise InputError("direction and to exclude each other: give one of them")
    space = space_of(model, loss_fn, batches, params, at, weight, mode, seed)
    center = space.center()
    if to is not None:
        direction = space.vector(to, "to") - center
    given = None if direction is None else [direction]
    return _cut(space, center, given, 1, [span], steps, normalise, biases, seed)


def slice_2d(
    model: Any,
    loss_fn: Callable[[Any, Any], Any] | None = None,
    batches: Any = None,
    directions: Sequence[Any] | None = None,
    *,
    span: Any = (-1.0, 1.0),
    steps: int = 25,
    normalise: str | None = "auto",
    biases: str = "fixed",
    seed: int = 0,
    params: Any = None,
    at: Any = None,
    mode: str | None = "eval",
    weight: Callable[[Any], float] | None = None,
) -> Slice:
    r"""Return the loss in a plane through the present parameters.

    Parameters
    ----------
    model : torch.nn.Module or FiniteSum
        Left as it is, bit for bit, also when loss_fn fails.
    loss_fn : function (model, batch) -> scalar tensor; for models
    batches : list, DataLoader, iterator, or function seed -> batches; for models
        Run through once.  The value is the mean over batches, or the weighted mean.
    directions : two states, optional
        Flat vectors or mappings from names; used as they are.  By default random, from the seed.
    span : pair of floats, or two pairs
    steps : points along each axis; an odd number puts the centre on the grid
    normalise : "filter", "layer" or None
        The scale of random directions: each filter (output unit), or each layer, gets the norm
        that it has in the model; None gives orthonormal directions.  By default "filter" for
        models and None for finite sums.
    biases : "fixed" or "scaled"
        Parameters with one axis (biases, the factors of normalisation layers) have no filters:
        they stay fixed, or their direction gets, once, the norm of the whole vector.
    seed : of the directions, and of random numbers in the loss
    params : regular expression, function of a name, or names, optional
        The parameters that vary; by default all trainable ones.
    at : point of R^d; for finite sums
    mode : "eval", "train", or None
        None leaves every submodule as it is.  Dropout masks, if any, are the same everywhere.
    weight : function of a batch, optional
        For instance its size, if the last batch is smaller.

    Notes
    -----
    **Cost**: a forward pass for each batch and grid point; three copies of the parameters.

    References
    ----------
    Li, Xu, Taylor, Studer, Goldstein, "Visualizing the loss landscape of neural nets", 2018.

    Examples
    --------
    >>> from detvar.landscape.examples import ex6
    >>> found = slice_2d(ex6(), at=[0.5, 0.5], steps=3)
    >>> round(float(found.values[1, 1]), 10), slice_2d(ex6(), at=[0, 0], seed=1).values.shape
    (0.3333333333, (25, 25))
    """
    spans = list(span) if isinstance(span[0], Sequence) else [span, span]
    if directions is not None and len(directions) != 2:
        raise InputError(f"directions has {len(directions)} entries: give two")
    space = space_of(model, loss_fn, batches, params, at, weight, mode, seed)
    return _cut(space, space.center(), directions, 2, spans, steps, normalise, biases, seed)


def pca_path(
    model: Any,
    loss_fn: Callable[[Any, Any], Any] | None = None,
    batches: Any = None,
    paths: Any = None,
    *,
    center: str = "last",
    steps: int = 25,
    margin: float = 0.15,
    losses: bool = True,
    seed: int = 0,
    params: Any = None,
    mode: str | None = "eval",
    weight: Callable[[Any], float] | None = None,
) -> Slice:
    r"""Return the loss in the plane that is nearest to one or several training paths.

    The axes are the first two right singular vectors of the snapshots minus the centre.

    Parameters
    ----------
    model, loss_fn, batches, params, mode, weight : as for `slice_2d`
    paths : sequence of states, or mapping from labels to such sequences
        For a model what `snapshot` returns, state dicts, or flat vectors; for a finite sum points.
    center : "last" or "mean"
        The end of the first path, or the mean of all snapshots.
    steps, margin : points along each axis; room around the paths, as a fraction of their extent
    losses : bool
        Also evaluate the loss at the snapshots themselves.

    Notes
    -----
    **Cost**: forward passes as for `slice_2d`; a singular value decomposition of all T snapshots
    in O(T²d).
    **Validity**: `explained` are parts of Σ‖θ_k − center‖², and `off_plane` says for each
    snapshot how far it is from the plane in which the values were taken.

    References
    ----------
    Li, Xu, Taylor, Studer, Goldstein, "Visualizing the loss landscape of neural nets", 2018, §7.

    Examples
    --------
    >>> from detvar.landscape.examples import ex6
    >>> found = pca_path(ex6(), paths={"a": [[2, 1], [1, 1], [0.2, 0.1]], "b": [[0, 2], [1, 0]]})
    >>> round(sum(found.explained), 12), [len(p.coordinates) for p in found.paths]
    (1.0, [3, 2])
    """
    import numpy as np

    if center not in CENTERS:
        raise InputError(f'center is {center!r}: give "last" or "mean"')
    named = _labelled(paths)
    space = space_of(model, loss_fn, batches, params, None, weight, mode, seed)
    read = {
        label: np.array([space.vector(x, f"{label}, snapshot {i}") for i, x in enumerate(path)])
        for label, path in named.items()
    }
    everything = np.concatenate(list(read.values()))
    middle = next(iter(read.values()))[-1] if center == "last" else everything.mean(axis=0)
    _, size, axes = np.linalg.svd(everything - middle, full_matrices=False)
    if not size[0] > 0:
        raise InputError("all snapshots are equal: give snapshots of a training run")
    plane = _completed(axes[:2] if len(size) > 1 and size[1] > 1e-12 * size[0] else axes[:1], seed)
    squares = (size**2 / (size**2).sum()).tolist()
    shares = ([*squares, 0.0])[:2]
    seen = [(label, (path - middle) @ plane.T) for label, path in read.items()]
    grid = _around(np.concatenate([c for _, c in seen]), steps, margin)
    mesh = np.stack([m.ravel() for m in np.meshgrid(*grid, indexing="ij")], axis=1)
    more = everything if losses else everything[:0]
    values = space.values(middle, plane, mesh, more)
    own, found, start = values[len(mesh) :], [], 0
    for label, c in seen:
        away = np.linalg.norm(read[label] - middle - c @ plane, axis=1)
        found.append(SlicePath(label, c, away, own[start : start + len(c)] if losses else None))
        start += len(c)
    return Slice(
        axes=grid,
        values=values[: len(mesh)].reshape(len(grid[0]), len(grid[1])),
        directions=plane,
        center=middle,
        names=space.names,
        normalise="pca",
        seed=seed,
        explained=(shares[0], shares[1]),
        paths=tuple(found),
    )


def snapshot(model: Any, params: Any = None) -> dict[str, Array]:
    """Return a copy of the parameters of a model, as NumPy arrays by name, for `pca_path`.

    The parameters are chosen as in `slice_2d`.
    """
    from detvar.landscape.measuring import select

    return {
        name: p.detach().cpu().double().numpy().copy() for name, p in select(model, params).items()
    }


def _cut(
    space: Space,
    center: Array,
    given: Sequence[Any] | None,
    count: int,
    spans: Sequence[Any],
    steps: int,
    normalise: str | None,
    biases: str,
    seed: int,
) -> Slice:
    import numpy as np

    if normalise == "auto":
        normalise = None if space.names == ("x",) else "filter"
    if normalise not in NORMS:
        raise InputError(f'normalise is {normalise!r}: give "filter", "layer" or None')
    if biases not in BIASES:
        raise InputError(f'biases is {biases!r}: give "fixed" or "scaled"')
    if given is not None:
        directions = np.array([space.vector(x, "the direction") for x in given])
        normalise = "given"
    else:
        rng = np.random.default_rng(seed)
        drawn = [rng.standard_normal(len(center)) for _ in range(count)]
        directions = np.array([space.scaled(x, center, normalise, biases) for x in drawn])
        if normalise is None and count == 2:
            if len(center) < 2:
                raise InputError("there is one parameter only: cut along a line with slice_1d")
            q, r = np.linalg.qr(directions.T)
            directions = (q * np.sign(np.diag(r))).T
    if not directions.any(axis=1).all():
        raise InputError("a direction is 0: give directions that are not")
    axes = tuple(_axis(span, steps) for span in spans)
    grid = np.stack([m.ravel() for m in np.meshgrid(*axes, indexing="ij")], axis=1)
    values = space.values(center, directions, grid, directions[:0]).reshape(
        [len(axis) for axis in axes]
    )
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    cosine = float(unit[0] @ unit[1]) if count == 2 else 0.0
    if count == 2 and abs(cosine) > 1 - 1e-12:
        raise InputError("the two directions are parallel: give others")
    return Slice(axes, values, directions, center, space.names, normalise, seed, cosine)


def _axis(span: Any, steps: int) -> Array:
    import numpy as np

    try:
        low, high = (float(x) for x in span)
    except (TypeError, ValueError):
        raise InputError(f"span is {span!r}: give the two ends of the axis") from None
    if not (np.isfinite([low, high]).all() and low < high):
        raise InputError(f"span is {span!r}: give two finite numbers, the smaller first")
    if steps < 2:
        raise InputError(f"steps is {steps}: give at least 2 points per axis")
    axis = np.linspace(low, high, steps)
    axis[np.abs(axis) < 1e-14 * (high - low)] = 0.0  # the centre exactly, where it is meant
    return axis


def _around(points: Array, steps: int, margin: float) -> tuple[Array, Array]:
    """Two axes that leave room around the points; never thinner than a tenth of the other."""
    import numpy as np

    if not (np.isfinite(margin) and margin >= 0):
        raise InputError(f"margin is {margin}: give a finite number, at least 0")
    low, high = points.min(axis=0), points.max(axis=0)
    extent = np.maximum(high - low, 0.1 * (high - low).max())
    middle, half = (low + high) / 2, (0.5 + margin) * extent
    first, second = (_axis((middle[i] - half[i], middle[i] + half[i]), steps) for i in range(2))
    return first, second


def _completed(axes: Array, seed: int) -> Array:
    """Two orthonormal rows with signs fixed; a random second one where the paths lie on a line."""
    import numpy as np

    if axes.shape[1] < 2:
        raise InputError("there is one parameter only: cut along a line with slice_1d")
    if len(axes) == 1:
        other = np.random.default_rng(seed).standard_normal(axes.shape[1])
        other -= (other @ axes[0]) * axes[0]
        axes = np.array([axes[0], other / np.linalg.norm(other)])
    top = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return axes * np.where(top < 0, -1.0, 1.0)


def _labelled(paths: Any) -> dict[str, list[Any]]:
    if paths is None:
        raise InputError("paths is missing: give the snapshots of a run, in order")
    named = paths if isinstance(paths, Mapping) else {"path": paths}
    try:
        out = {str(label): list(path) for label, path in named.items()}
    except TypeError:
        raise InputError("paths has a path that is no sequence: give lists of snapshots") from None
    short = [label for label, path in out.items() if not path]
    if short or not out:
        raise InputError(f"{short[0] if short else 'paths'} is empty: give snapshots of a run")
    return out
