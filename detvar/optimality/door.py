"""One door for weights, networks, losses and data: what the checks of this folder are given.

A loss is an exact `Loss`, or data for the squared loss ½‖W_h⋯W_1X − Y‖².  Weights are exact, or
floats, which are taken as the exact numbers that they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, ShapeError
from detvar.exact.balls import exact_float
from detvar.exact.matrices import Matrix
from detvar.losses import Loss, SquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.optimality.data import Data, batches, check_data, read_data
from detvar.optimality.measured import balls, check_arrays, floats
from detvar.optimality.moments import Moments, moments
from detvar.optimality.reading import FloatWeights, read_weights
from detvar.optimality.torch_modules import is_module

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Progress = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Problem:
    """Weights with a loss or with data, checked against each other.

    Attributes
    ----------
    network : LinearNetwork
        The given one; with floats that of the weights, homogenised when there are biases.
    loss : the exact loss, or None where data are given
    data : Data or Moments, without the column of ones, or None where a loss is given
    weights : FloatWeights, or None for exact weights
    exact : the exact weights as they were given, or None for floats
    """

    network: LinearNetwork
    loss: Loss | None
    data: Data | Moments | None
    weights: FloatWeights | None
    exact: Any = None

    @property
    def bias(self) -> bool:
        """Whether the weights have biases."""
        return self.weights is not None and self.weights.bias

    def augmented(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | Moments:
        """Return the data as (x, y) or moments, with the column of ones when there are biases."""
        import numpy as np

        if self.data is None:
            raise InputError("there are no data: give a pair (x, y), samples as rows")
        if isinstance(self.data, Moments):
            return self.data.with_ones() if self.bias else self.data
        x = self.data.x
        return (np.hstack([x, np.ones((len(x), 1))]) if self.bias else x), self.data.y


def opened(
    network: LinearNetwork | None,
    loss: Any,
    weights: Any,
    progress: Progress | None = None,
    *,
    numerical: bool | None = None,
) -> Problem:
    """Read and check weights, and a loss or data.

    Parameters
    ----------
    network : LinearNetwork or None, which takes the one of the weights
    loss : a Loss; or data for the squared loss: a pair (x, y) with samples as rows, `Data`,
        `Moments`, a path, a mapping with x and y, or any iterable of batches (x, y), which is
        read once; without a column of ones for biases
    weights : exact matrices; arrays, FloatWeights, a mapping, a torch module or a path
    progress : called with the number of samples read so far, for batches
    numerical : True takes exact weights as floats, False refuses floats, None looks at them

    Raises
    ------
    ShapeError, InputError, NotExactError
        Where something is missing, not finite, or does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> problem = opened(None, ([[1.0, 2.0]], [3.0]), [np.ones((1, 2))])
    >>> problem.network.widths, problem.data.samples, problem.exact is None
    ((2, 1), 1, True)
    """
    if loss is None:
        raise InputError("there is no loss: give a Loss, or data (x, y) with samples as rows")
    if isinstance(weights, Iterator):
        weights = list(weights)
    exact_loss = loss if _is_loss(loss) else None
    if numerical is None:
        numerical = exact_loss is None or is_float(weights)
    if not numerical:
        if exact_loss is None:
            raise InputError("exact weights need an exact loss, such as SquaredLoss(X, Y)")
        return Problem(network or _network_of(weights), exact_loss, None, None, weights)
    read = _floats(network, weights)
    _check_network(network, read)
    if exact_loss is not None:
        if not read.bias:
            _check_loss(exact_loss, read)
            return Problem(read.network, exact_loss, None, read)
        samples = samples_of(exact_loss) if isinstance(exact_loss, SquaredLoss) else None
        if samples is None:
            raise InputError(
                "a network with biases is taken with the squared loss of float data: give a pair "
                "(x, y), or weights without biases"
            )
        loss = samples
    data = _data(loss, read, progress)
    return Problem(read.network, None, data, read)


def is_float(weights: Any) -> bool:
    """Say whether weights are floating-point: arrays, lists with a float, modules, mappings, paths.

    >>> is_float([[[1, 0]], [["1/2"]]]), is_float([[[0.5]], [[1]]]), is_float("weights.npz")
    (False, True, True)
    """
    if isinstance(weights, (FloatWeights, Mapping, str, os.PathLike)) or is_module(weights):
        return True
    for w in weights:
        kind = getattr(getattr(w, "dtype", None), "kind", None)
        if kind == "f" or _is_float_tensor(w) or (kind is None and _has_float(w)):
            return True
    return False


def _is_float_tensor(w: Any) -> bool:
    return callable(getattr(w, "is_floating_point", None)) and bool(w.is_floating_point())


def _has_float(w: Any) -> bool:
    if isinstance(w, (list, tuple)):
        return any(_has_float(x) for x in w)
    return isinstance(w, float)


def _is_loss(loss: Any) -> bool:
    return hasattr(loss, "reduce") and hasattr(loss, "to_json") and hasattr(loss, "shape")


def _floats(network: LinearNetwork | None, weights: Any) -> FloatWeights:
    """Read floats; matrices of exact numbers are rounded, which the caller has asked for."""
    if isinstance(weights, (list, tuple)):
        plain = [floats(balls(w)) if isinstance(w, Matrix) else w for w in weights]
        if network is not None:
            plain = list(check_arrays(network, plain))
        return read_weights(plain)
    return read_weights(weights)


def _check_network(network: LinearNetwork | None, weights: FloatWeights) -> None:
    if network is None or network.widths in (weights.widths, weights.network.widths):
        return
    given, own = ("-".join(map(str, w)) for w in (network.widths, weights.widths))
    raise ShapeError(f"the weights are those of a network {own}, not {given}: give one of the two")


def _check_loss(loss: Loss, weights: FloatWeights) -> None:
    m, n = loss.shape
    if (weights.network.widths[-1], weights.network.widths[0]) != (m, n):
        raise ShapeError(
            f"the loss is defined on {m}×{n} matrices, but the network maps "
            f"R^{weights.network.widths[0]} to R^{weights.network.widths[-1]}"
        )


def samples_of(loss: SquaredLoss) -> Data | None:
    """Return the samples of a squared loss as floats, None if float64 would round them.

    >>> samples_of(SquaredLoss([[1, 2]], [["1/2", 0]])).y.tolist()
    [[0.5], [0.0]]
    >>> samples_of(SquaredLoss([[1]], [["1/3"]])) is None
    True
    """
    x, y = floats(balls(loss.X)), floats(balls(loss.Y))
    for rounded, exact in ((x, loss.X), (y, loss.Y)):
        pairs = zip(rounded.ravel(), exact.entries(), strict=True)
        if any(exact_float(float(a)) != b for a, b in pairs):
            return None
    return Data(x.T, y.T)


def _data(source: Any, weights: FloatWeights, progress: Progress | None) -> Data | Moments:
    if isinstance(source, Moments):
        _check_moments(source, weights)
        return source
    if _in_memory(source):
        data = read_data(tuple(source) if isinstance(source, list) else source)
        check_data(weights, data)
        return data
    if not isinstance(source, Iterable):
        raise InputError(
            f"a {type(source).__name__} is neither a loss nor data: give a Loss, a pair (x, y), "
            "the path of a file or an iterable of batches"
        )
    read = moments(batches(source), progress)
    _check_moments(read, weights)
    return read


def _in_memory(source: Any) -> bool:
    """Say whether data are arrays or files; a list of pairs is a list of batches."""
    if isinstance(source, (Data, Mapping, str, os.PathLike)):
        return True
    if isinstance(source, tuple):
        return len(source) == 2
    pairs = isinstance(source, list) and all(isinstance(part, tuple) for part in source)
    return isinstance(source, list) and len(source) == 2 and not pairs


def _check_moments(data: Moments, weights: FloatWeights) -> None:
    m, n = data.shape
    if (n, m) != (weights.widths[0], weights.widths[-1]):
        raise ShapeError(
            f"the moments have {n} inputs and {m} targets, and the network takes "
            f"{weights.widths[0]} and gives {weights.widths[-1]}: give data of these widths"
        )


def _network_of(weights: Any) -> LinearNetwork:
    """Return the network that exact matrices W_1, …, W_h belong to."""
    shapes = []
    for i, w in enumerate(weights, 1):
        if isinstance(w, Matrix):
            shapes.append((w.nrows(), w.ncols()))
        elif hasattr(w, "shape") and len(w.shape) == 2:
            shapes.append((int(w.shape[0]), int(w.shape[1])))
        elif isinstance(w, (list, tuple)) and w and isinstance(w[0], (list, tuple)):
            shapes.append((len(w), len(w[0])))
        else:
            raise ShapeError(f"W_{i} is no matrix: give a list of rows")
    if not shapes:
        raise InputError("there are no weights: give at least one matrix W_1")
    return LinearNetwork(shapes[0][1], *(m for m, _ in shapes))
