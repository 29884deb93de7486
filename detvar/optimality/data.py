"""Samples at the numerical door: arrays, CSV, .npy and .npz files, streams of batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, ShapeError
from detvar.optimality.arrays import as_real, float_array
from detvar.optimality.files import (
    FileBytes,
    changed,
    npy_header,
    read_file,
    read_npy,
    read_npz,
    state_of,
)

if TYPE_CHECKING:
    from detvar.optimality.arrays import FloatArray
    from detvar.optimality.reading import FloatWeights

_INPUTS, _TARGETS = ("x", "inputs", "data"), ("y", "targets", "target")


@dataclass(frozen=True)
class Data:
    """Samples as rows: x of shape b × n, y of shape b × m, read-only float64.

    Attributes
    ----------
    x, y : the inputs and the targets
    source : where they come from
    sha256 : digests of the files, in the order read; empty for objects in memory
    """

    x: FloatArray
    y: FloatArray
    source: str = "memory"
    sha256: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """The number of samples."""
        return int(self.x.shape[0])


def read_data(source: Any, *, inputs: int | None = None) -> Data:
    """Return inputs and targets, checked; the samples are the rows.

    Parameters
    ----------
    source : pair (x, y), mapping, or path
        Arrays or paths of .npy files as a pair; a mapping or .npz file with x and y; a .csv file
        whose columns are named x… and y…, or, with `inputs`, any .csv or .npy file.
    inputs : int, optional
        The first so many columns of a table are the inputs, the others the targets.

    Returns
    -------
    Data

    Raises
    ------
    InputError
        If there are no samples, an entry is not finite, or the file is no such file.
    ShapeError
        If inputs and targets have different numbers of samples.

    Notes
    -----
    **Cost**: the data in memory as float64; `batches` streams larger ones.

    Examples
    --------
    >>> read_data(([[1.0, 2.0]], [3.0])).y
    array([[3.]])
    """
    if isinstance(source, Data):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _from_file(read_file(source), inputs)
    if isinstance(source, Mapping):
        return _paired(*_two(source, "the mapping"), "memory", ())
    if isinstance(source, (tuple, list)) and len(source) == 2:
        x, y = source
        if all(isinstance(part, (str, os.PathLike)) for part in (x, y)):
            first, second = read_file(x), read_file(y)
            name = f"{first.name}, {second.name}"
            digests = (first.sha256, second.sha256)
            return _paired(read_npy(first), read_npy(second), name, digests)
        return _paired(x, y, "memory", ())
    raise InputError("data must be a pair (x, y), samples as rows, or the path of a file")


def _from_file(file: FileBytes, inputs: int | None) -> Data:
    if file.suffix == ".npz":
        return _paired(*_two(read_npz(file), file.name), file.name, (file.sha256,))
    if file.suffix == ".npy":
        table, _ = float_array(read_npy(file), file.name)
        columns: list[str] | None = None
    elif file.suffix == ".csv":
        table, columns = _read_csv(file)
    else:
        raise InputError(f"{file.name} has an unknown ending: give a .npz, .npy or .csv file")
    if table.ndim != 2:
        raise ShapeError(f"{file.name} has shape {table.shape}: give a table, samples × columns")
    if inputs is None and columns:
        first = [k for k, c in enumerate(columns) if c.lower().startswith("x")]
        last = [k for k, c in enumerate(columns) if c.lower().startswith("y")]
        if not first or not last or len(first) + len(last) != len(columns):
            raise InputError(f"{file.name}: name the columns x1, x2, … and y1, y2, …")
        return _paired(table[:, first], table[:, last], file.name, (file.sha256,))
    if inputs is None:
        raise InputError(f"{file.name} does not tell inputs from targets: give inputs=, a number")
    if not 0 < inputs < table.shape[1]:
        raise ShapeError(
            f"{file.name} has {table.shape[1]} columns: with {inputs} inputs no targets remain"
        )
    return _paired(table[:, :inputs], table[:, inputs:], file.name, (file.sha256,))


def _read_csv(file: FileBytes) -> tuple[FloatArray, list[str] | None]:
    """Return the table and the names of its columns, None without a first line of names."""
    import csv

    import numpy as np

    try:
        text = file.content.decode("utf-8-sig")
        lines = [row for row in csv.reader(text.splitlines()) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file.name} is no CSV text ({error})") from None
    header = None
    if lines and not any(_is_number(word) for word in lines[0]):
        header = [word.strip() for word in lines.pop(0)]
    if not lines:
        raise InputError(f"{file.name} has no samples: give at least one row of numbers")
    width = len(header or lines[0])
    for number, row in enumerate(lines, 2 if header else 1):
        if len(row) != width:
            raise ShapeError(f"{file.name}: row {number} has {len(row)} entries, not {width}")
        for word in row:
            if not _is_number(word):
                raise InputError(f"{file.name}: row {number} has {word!r}, which is no number")
    table = np.array([[float(word) for word in row] for row in lines])
    return table, header


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word  # Python reads 1_000, a table means something else


def _two(arrays: Mapping[str, Any], name: str) -> tuple[Any, Any]:
    """Return the entries of a mapping that are inputs and targets."""
    found = []
    for words, letter in ((_INPUTS, "x"), (_TARGETS, "y")):
        keys = [key for key in arrays if str(key).lower() in words]
        if len(keys) != 1:
            shown = ", ".join(map(str, arrays)) or "nothing"
            raise InputError(f"{name} must hold one array {letter} (it has {shown}): name it so")
        found.append(arrays[keys[0]])
    return found[0], found[1]


def _paired(x: Any, y: Any, source: str, digests: tuple[str, ...], where: str = "") -> Data:
    """Check inputs against targets."""
    a, _ = float_array(x, f"{where}x")
    b, _ = float_array(y, f"{where}y")
    if b.ndim == 1:
        b = b.reshape(-1, 1)
    if a.ndim != 2 or b.ndim != 2:
        raise ShapeError(f"{where}x and y have shapes {a.shape} and {b.shape}: samples are rows")
    if a.shape[0] != b.shape[0]:
        turned = ""
        if a.shape[1] == b.shape[1]:
            turned = "; the samples seem to be columns, so give x.T and y.T"
        raise ShapeError(
            f"{where}x has {a.shape[0]} samples and y has {b.shape[0]}: give one row of y for "
            f"each row of x{turned}"
        )
    if 0 in a.shape or 0 in b.shape:
        raise InputError(f"{where}x and y have shapes {a.shape} and {b.shape}: there are no data")
    a.flags.writeable = b.flags.writeable = False
    return Data(a, b, source, digests)


def check_data(weights: FloatWeights, data: Data) -> None:
    """Raise `ShapeError` unless the data have the widths of the network.

    >>> from detvar.optimality.reading import read_weights
    >>> check_data(read_weights([[[1.0, 2.0]]]), read_data(([[1.0, 2.0]], [3.0])))
    """
    n, m = data.x.shape[1], data.y.shape[1]
    want = (weights.widths[0], weights.widths[-1])
    if (n, m) == want:
        return
    text = (
        f"the data have {n} inputs and {m} targets, and the network takes {want[0]} and gives "
        f"{want[1]}"
    )
    if (m, n) == want:
        raise ShapeError(
            f"{text}: x and y are exchanged, or the layers are given in reverse order or transposed"
        )
    if m == 1 and n == want[0]:
        raise ShapeError(f"{text}: if y are class labels, give them as one-hot rows")
    raise ShapeError(f"{text}: give data of these widths")


def batches(
    source: Any, size: int = 4096, *, bias: bool = False
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield (x, y) of at most `size` samples each as float64, with a column of ones for biases.

    Parameters
    ----------
    source : Data, pair of arrays, pair of .npy paths, path, or iterable of batches
        A pair of .npy files (in C order) is streamed; an iterable of pairs, such as a torch
        DataLoader, is passed on batch by batch, checked.
    size : int
        Samples in a batch; an iterable keeps its own.
    bias : bool
        Append 1 to every input, as the homogenised network takes it.

    Raises
    ------
    InputError, ShapeError
        As `read_data`; also when batches differ in width, and when a streamed file changes.

    Notes
    -----
    **Cost**: one batch in memory when streaming.
    **Validity**: a streamed file is read once; its size and time of change are compared after
    every batch, but no digest is taken.

    Examples
    --------
    >>> [x.shape for x, _ in batches(([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0]), 2, bias=True)]
    [(2, 2), (1, 2)]
    """
    import numpy as np

    if size < 1:
        raise InputError(f"a batch must have at least one sample, not {size}")
    widths: tuple[int, int] | None = None
    for number, part in enumerate(_parts(source, size), 1):
        if not isinstance(part, (tuple, list)) or len(part) != 2:
            raise InputError(f"batch {number} must be a pair (x, y)")
        data = _paired(part[0], part[1], "a batch", (), f"batch {number}: ")
        found = (data.x.shape[1], data.y.shape[1])
        if widths is not None and found != widths:
            raise ShapeError(
                f"batch {number} has {found[0]} inputs and {found[1]} targets, and the batches "
                f"before it have {widths[0]} and {widths[1]}: give all of the same widths"
            )
        widths = found
        x = np.hstack([data.x, np.ones((data.samples, 1))]) if bias else data.x
        yield x, data.y
    if widths is None:
        raise InputError("there are no batches: give at least one sample")


def _parts(source: Any, size: int) -> Iterable[Any]:
    if isinstance(source, tuple) and len(source) == 2:
        if all(isinstance(part, (str, os.PathLike)) for part in source):
            return _streamed(os.fspath(source[0]), os.fspath(source[1]), size)
        source = read_data(source)
    elif isinstance(source, (str, os.PathLike, Mapping)):
        source = read_data(source)
    if isinstance(source, Data):
        starts = range(0, source.samples, size)
        return ((source.x[k : k + size], source.y[k : k + size]) for k in starts)
    if not isinstance(source, Iterable):
        raise InputError("data must be a pair (x, y), the path of a file or an iterable of batches")
    return source


def _streamed(x: str, y: str, size: int) -> Iterator[tuple[Any, Any]]:
    """Yield the rows of two .npy files side by side; the last pair shows unequal lengths."""
    from itertools import zip_longest

    for a, b in zip_longest(_rows(x, size), _rows(y, size)):
        if a is None or b is None or len(a) != len(b):
            raise ShapeError(f"{x} and {y} have different numbers of samples: give equal ones")
        yield a, b


def _rows(path: str, size: int) -> Iterator[Any]:
    """Yield blocks of rows of a .npy file, read one after the other."""
    import numpy as np

    before = state_of(path)
    try:
        file = open(path, "rb")  # noqa: SIM115, closed below
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    with file:
        try:
            shape, by_columns, dtype = npy_header(file)
        except (ValueError, EOFError) as error:
            raise InputError(f"{path} is no .npy file ({error}): save it with numpy.save") from None
        if dtype.hasobject:
            raise InputError(
                f"{path} holds Python objects as a pickle: save real numbers as floats"
            )
        as_real(np.empty(0, dtype), path)
        if by_columns and len(shape) == 2:
            raise InputError(f"{path} is stored by columns: save numpy.ascontiguousarray of it")
        if len(shape) not in (1, 2):
            raise ShapeError(f"{path} has shape {shape}: give a table, samples × columns")
        stride = dtype.itemsize * (shape[1] if len(shape) == 2 else 1)
        rest = before[1] - file.tell()
        if shape[0] * stride > rest:
            raise InputError(f"{path} is truncated: it ends in row {rest // stride}")
        for start in range(0, shape[0], size):
            rows = min(size, shape[0] - start)
            block = file.read(rows * stride)
            if state_of(path) != before:
                raise changed(path)
            if len(block) != rows * stride:
                raise InputError(f"{path} is truncated: it ends in row {len(block) // stride}")
            yield np.frombuffer(block, dtype).reshape(rows, *shape[1:])
