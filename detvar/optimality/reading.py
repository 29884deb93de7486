"""Weights at the numerical door: NumPy, torch modules, .npz, .safetensors, state_dict files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, ShapeError
from detvar.networks.linear import LinearNetwork
from detvar.optimality.arrays import float_array
from detvar.optimality.files import read_file, read_npy, read_npz, read_safetensors, read_state_dict
from detvar.optimality.torch_modules import is_module, module_tensors

if TYPE_CHECKING:
    from detvar.optimality.arrays import FloatArray

_MOST_PERMUTED = 6
_NAME = re.compile(r"(?P<prefix>.*?)(?P<kind>weight|bias|W|b|w)?(?P<number>_?\d*)\Z", re.DOTALL)


@dataclass(frozen=True)
class FloatWeights:
    """Floating-point weights, taken as exact numbers, and the linear network they belong to.

    An affine chain x ↦ W_h(⋯(W_1 x + b_1)⋯) + b_h is the linear network on (x, 1) with the
    matrices [[W_i, b_i], [0, 1]], the last one [W_h, b_h]: the rows [0, 1] are fixed, not trained.

    Attributes
    ----------
    network : LinearNetwork
        Of the homogenised widths (d_0 + 1, …, d_{h−1} + 1, d_h) when there are biases.
    arrays : (W_1, …, W_h), read-only float64, homogenised when there are biases
    matrices : the bare W_i without biases, W_i of shape d_i × d_{i−1}
    offsets : the biases b_i, None where a layer has none
    names : the names of the layers in the source
    dtype : the type in the source, such as ``float32``
    source : where the weights come from
    sha256 : the digest of the file, None for objects in memory
    remarks : what a reader of an answer must know, as sentences
    """

    network: LinearNetwork
    arrays: tuple[FloatArray, ...]
    matrices: tuple[FloatArray, ...]
    offsets: tuple[FloatArray | None, ...]
    names: tuple[str, ...]
    dtype: str
    source: str
    sha256: str | None
    remarks: tuple[str, ...]

    @property
    def bias(self) -> bool:
        """Whether some layer has a bias."""
        return any(b is not None for b in self.offsets)

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths d_0, …, d_h of the layers, without the constant 1."""
        return (self.matrices[0].shape[1], *(w.shape[0] for w in self.matrices))

    def trained(self) -> tuple[Any, ...]:
        """Return one boolean array for each of `arrays`: False at fixed zeros and ones."""
        import numpy as np

        out = []
        for i, (w, b) in enumerate(zip(self.matrices, self.offsets, strict=True)):
            mask = np.zeros(self.arrays[i].shape, dtype=bool)
            mask[: w.shape[0], : w.shape[1]] = True
            if b is not None:
                mask[: w.shape[0], -1] = True
            out.append(mask)
        return tuple(out)

    def __str__(self) -> str:
        kind = "affine" if self.bias else "linear"
        shown = "-".join(map(str, self.widths))
        return f"{kind} network {shown}, {self.dtype}, from {self.source}"


def read_weights(source: Any, *, order: Sequence[str] | None = None) -> FloatWeights:
    """Return the weights W_1, …, W_h of a linear network, checked; floats are exact numbers.

    Parameters
    ----------
    source : list of arrays, mapping, torch module or path
        (W_1, …, W_h) with W_i of shape d_i × d_{i−1}; a mapping from names such as ``0.weight``,
        ``0.bias`` to arrays (a state_dict); a `torch.nn.Sequential` of `Linear`; or the path of an
        .npz, .npy, .safetensors, .pt or .pth file.
    order : names of the layers from the input to the output, optional
        Settles the order where names do not, and says that nothing stands between the layers.

    Returns
    -------
    FloatWeights

    Raises
    ------
    InputError
        If an entry is not finite, a module is not linear, a file is a pickle, is damaged or
        changes while it is read, or the order of the layers is not known.
    ShapeError
        If the layers do not fit together; reversed, transposed and permuted ones are recognised.

    Notes
    -----
    **Cost**: a copy of the weights, two readings of a file.
    **Validity**: no number is rounded, nothing is unpickled, the source is left as it was.

    Examples
    --------
    >>> import numpy as np
    >>> w = read_weights([np.ones((1, 2), np.float32), np.ones((3, 1), np.float32)])
    >>> print(w)
    linear network 2-1-3, float32, from memory
    """
    if isinstance(source, FloatWeights):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _from_file(source, order)
    if is_module(source):
        tensors = module_tensors(source)
        return _assemble(*_layers(tensors, order or _prefixes(tensors)), "a torch module", None)
    if isinstance(source, Mapping):
        return _assemble(*_layers(source, order or _order(source, True)), "memory", None)
    if not isinstance(source, (list, tuple)):
        raise InputError(
            f"weights cannot be read from a {type(source).__name__}: give a list of matrices "
            "W_1, …, W_h, a torch.nn.Sequential or the path of a file"
        )
    layers = [(f"W_{i}", w, None) for i, w in enumerate(source, 1)]
    return _assemble(layers, (), "memory", None)


def _from_file(path: str | os.PathLike[str], order: Sequence[str] | None) -> FloatWeights:
    file = read_file(path)
    tensors: Mapping[str, Any]
    if file.suffix == ".npy":
        tensors = {"W_1": read_npy(file)}
    elif file.suffix == ".npz":
        tensors = read_npz(file)
    elif file.suffix == ".safetensors":
        tensors = read_safetensors(file)
    elif file.suffix in (".pt", ".pth"):
        tensors = read_state_dict(file)
    else:
        raise InputError(
            f"{file.name} has an unknown ending: give a .npz, .npy, .safetensors, .pt or .pth file"
        )
    # The header of .safetensors is sorted by name, so that its order means nothing.
    order = order or _order(tensors, kept=file.suffix != ".safetensors")
    return _assemble(*_layers(tensors, order), file.name, file.sha256)


def _split(name: Any) -> tuple[str, str]:
    """Return (layer, "weight" or "bias") for a name such as ``0.weight``, ``W_1``, ``b1``."""
    if not isinstance(name, str):
        raise InputError(f"the tensor {name!r} needs a text as its name, such as '0.weight'")
    match = _NAME.match(name)
    assert match is not None  # every part may be empty
    prefix, kind, number = match["prefix"], match["kind"], match["number"]
    if kind is None or (kind in ("W", "b", "w") and (prefix or not number)):
        return name, "weight"
    role = "bias" if kind in ("bias", "b") else "weight"
    return (prefix + number).strip("._") or "0", role


def _prefixes(tensors: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(_split(name)[0] for name in tensors))


def _order(tensors: Mapping[str, Any], kept: bool) -> list[str]:
    """Return the layers by their numbers, or else as stored; refuse to guess."""
    found = _prefixes(tensors)
    if len(found) < 2:
        return found
    numbers = {name: tuple(map(int, re.findall(r"\d+", name))) for name in found}
    one_pattern = len({re.sub(r"\d+", "#", name) for name in found}) == 1
    hint = f"say it by order={found}"
    if one_pattern and len(set(numbers.values())) == len(found):
        out = sorted(found, key=numbers.__getitem__)
        for a, b in pairwise(out):
            first, second = numbers[a], numbers[b]
            if first[:-1] == second[:-1] and second[-1] != first[-1] + 1:
                raise InputError(
                    f"no weights are stored between the layers {a!r} and {b!r}, where a function "
                    f"such as ReLU may stand: if the network is linear, say it by order={out}"
                )
        return out
    if not kept:
        raise InputError(f"the file does not tell the order of the layers: {hint}, input first")
    return found


def _layers(
    tensors: Mapping[str, Any], order: Sequence[str]
) -> tuple[list[tuple[str, Any, Any]], tuple[str, ...]]:
    """Return (name, weight, bias) of every layer in the given order."""
    roles: dict[str, dict[str, tuple[str, Any]]] = {}
    for name, tensor in tensors.items():
        layer, role = _split(name)
        if role in roles.setdefault(layer, {}):
            raise InputError(f"{name!r} and {roles[layer][role][0]!r} are both layer {layer!r}")
        roles[layer][role] = (name, tensor)
    wanted = [_split(name)[0] if name not in roles else name for name in order]
    if sorted(wanted) != sorted(roles):
        raise InputError(f"order={list(order)} must name each of the layers {sorted(roles)} once")
    for layer in wanted:
        if "weight" not in roles[layer]:
            raise InputError(f"{roles[layer]['bias'][0]!r} has no weight matrix beside it")
    out = []
    for i, layer in enumerate(wanted, 1):
        name, weight = roles[layer]["weight"]
        called = name if re.fullmatch(r"W_?\d+", name) else f"W_{i} ({name})"
        out.append((called, weight, roles[layer].get("bias", (None, None))[1]))
    return out, tuple(wanted)


def _assemble(
    layers: Sequence[tuple[str, Any, Any]],
    names: tuple[str, ...],
    source: str,
    sha256: str | None,
) -> FloatWeights:
    """Check the layers against each other and build the network."""
    if not layers:
        raise InputError("there are no weights: give at least one matrix W_1")
    matrices, offsets, kinds = [], [], []
    for name, weight, bias in layers:
        matrix, kind = float_array(weight, name)
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ShapeError(
                f"{name} has shape {matrix.shape}: give a matrix, outputs × inputs; biases go "
                "into a mapping, as '0.bias' beside '0.weight'"
            )
        offset = None
        if bias is not None:
            offset, other = float_array(bias, f"the bias of {name}")
            kinds.append(other)
        matrices.append(matrix)
        offsets.append(offset)
        kinds.append(kind)
    called = [name for name, _, _ in layers]
    _check_chain(matrices, offsets, called)
    for name, matrix, offset in zip(called, matrices, offsets, strict=True):
        if offset is not None and offset.shape != matrix.shape[:1]:
            raise ShapeError(
                f"the bias of {name} has shape {offset.shape}: give {matrix.shape[0]} numbers"
            )
    arrays = _homogenised(matrices, offsets)
    for array in (*arrays, *matrices, *(b for b in offsets if b is not None)):
        array.flags.writeable = False
    remarks = _remarks(offsets)
    return FloatWeights(
        network=LinearNetwork(arrays[0].shape[1], *(w.shape[0] for w in arrays)),
        arrays=tuple(arrays),
        matrices=tuple(matrices),
        offsets=tuple(offsets),
        names=names or tuple(called),
        dtype=", ".join(dict.fromkeys(kinds)),
        source=source,
        sha256=sha256,
        remarks=remarks,
    )


def _remarks(offsets: Sequence[FloatArray | None]) -> tuple[str, ...]:
    if all(b is None for b in offsets):
        return ()
    text = "biases: the network is taken on inputs (x, 1)"
    if len(offsets) > 1:
        text += ", where the rows [0, 1] of the hidden layers are fixed and not trained"
    return (text,)


def _homogenised(
    matrices: Sequence[FloatArray], offsets: Sequence[FloatArray | None]
) -> list[FloatArray]:
    """Return [[W_i, b_i], [0, 1]], the last one [W_h, b_h]; the W_i themselves without biases."""
    import numpy as np

    if all(b is None for b in offsets):
        return list(matrices)
    out = []
    for i, (w, b) in enumerate(zip(matrices, offsets, strict=True), 1):
        m, n = w.shape
        block = np.zeros((m + (i < len(matrices)), n + 1))
        block[:m, :n] = w
        if b is not None:
            block[:m, n] = b
        if i < len(matrices):
            block[m, n] = 1.0
        out.append(block)
    return out


def _fits(shapes: Sequence[tuple[int, ...]]) -> bool:
    return all(after[1] == before[0] for before, after in pairwise(shapes))


def _check_chain(
    matrices: Sequence[FloatArray], offsets: Sequence[FloatArray | None], names: Sequence[str]
) -> None:
    """Raise `ShapeError` with what would fit, unless W_{i+1} takes as many numbers as W_i gives.

    A chain fits backwards exactly when all its transposes fit forwards, so that shapes alone do
    not tell the two mistakes apart; the lengths of biases do.
    """
    shapes = [w.shape for w in matrices]
    biases = [(b.size, s) for b, s in zip(offsets, shapes, strict=True) if b is not None]
    by_rows = all(size == s[0] for size, s in biases)
    by_columns = all(size == s[1] for size, s in biases)
    if _fits(shapes) and (by_rows or not by_columns):
        return
    shown = ", ".join(f"{name}: {m} × {n}" for name, (m, n) in zip(names, shapes, strict=True))
    turn = "transposed layers: give every W_i as outputs × inputs, as torch.nn.Linear stores it"
    back = "layers in reverse order: give first the layer next to the input"
    if _fits(shapes):
        raise ShapeError(f"the lengths of the biases show {turn} ({shown})")
    if _fits(shapes[::-1]):
        if biases and by_rows != by_columns:
            raise ShapeError(f"these are {back if by_rows else turn} ({shown})")
        raise ShapeError(f"these are {back}; or they are {turn} ({shown})")
    for i, (m, n) in enumerate(shapes):
        if _fits([*shapes[:i], (n, m), *shapes[i + 1 :]]):
            raise ShapeError(f"{names[i]} seems transposed: give it as {n} × {m} ({shown})")
    if len(shapes) <= _MOST_PERMUTED:
        for found in permutations(range(len(shapes))):
            if _fits([shapes[k] for k in found]):
                new = ", ".join(names[k] for k in found)
                raise ShapeError(f"the layers fit in the order {new}, not as given ({shown})")
    k = next(i for i, (a, b) in enumerate(pairwise(shapes)) if b[1] != a[0])
    raise ShapeError(
        f"{names[k]} gives {shapes[k][0]} numbers and {names[k + 1]} takes {shapes[k + 1][1]}: "
        f"the widths of neighbouring layers must agree ({shown})"
    )
