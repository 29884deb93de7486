"""Files of arrays, read once and whole: nothing is ever unpickled, nothing may change meanwhile."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

# Little-endian storage of the number types that convert to float64 without rounding.
SAFETENSORS_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_LONGEST_HEADER = 100_000_000
# No dimension of an array is longer, and an archive that expands beyond both bounds is refused.
_LONGEST, _EXPANDED = 2**48, 2**30
# What the readers of NumPy and of zip archives raise on damaged files.
_DAMAGE = (ValueError, EOFError, OverflowError, NotImplementedError, RuntimeError)
_NO_PICKLE = "a pickle can run any program when it is opened, so it is refused"


@dataclass(frozen=True)
class FileBytes:
    """The content of a file that stood still while it was read."""

    name: str
    content: bytes
    sha256: str

    @property
    def suffix(self) -> str:
        """The ending of the name in small letters, such as ``.npz``."""
        return Path(self.name).suffix.lower()


def state_of(handle: int | str | os.PathLike[str]) -> tuple[int, int, int]:
    """Return (inode, size, time of change) of a regular file; refuse anything else."""
    try:
        found = os.stat(handle)
    except (OSError, ValueError) as error:  # a name with a NUL character is a ValueError
        words = getattr(error, "strerror", None) or error
        raise InputError(f"cannot open {str(handle)!r}: {words}") from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{handle} is no regular file: give the path of a file of numbers")
    return found.st_ino, found.st_size, found.st_mtime_ns


def changed(name: object) -> InputError:
    """Return the error for a file that did not stand still."""
    return InputError(
        f"{name} changed while it was read: wait until the training has saved it, or give a copy"
    )


def digest(path: str) -> str:
    """Return the SHA-256 digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_file(path: str | os.PathLike[str]) -> FileBytes:
    """Return the content of a file; refuse pickles and files that change meanwhile.

    The inode, the size and the time of change are compared before and after, and the bytes with
    a second reading, so that a writer who keeps size and time is noticed too.

    Raises
    ------
    InputError
        If the file is missing, no regular file, empty, a pickle, or changed while it was read.

    Notes
    -----
    **Cost**: two readings of the file.
    """
    name = os.fspath(path)
    before = state_of(name)
    try:
        with open(name, "rb") as file:
            content = file.read()
        sha256 = hashlib.sha256(content).hexdigest()
        still = sha256 == digest(name)
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from None
    if not still or state_of(name) != before or len(content) != before[1]:
        raise changed(name)
    if not content:
        raise InputError(f"{name} is empty: save the weights or the data again")
    if is_pickle(name, content):
        raise InputError(f"{name} is a pickle, and {_NO_PICKLE}: save .safetensors, .npz or .npy")
    return FileBytes(name, content, sha256)


def is_pickle(name: str, content: bytes) -> bool:
    """Say whether the name or the first two bytes are those of a bare pickle."""
    ending = Path(name).suffix.lower() in (".pkl", ".pickle", ".joblib", ".p")
    # The length at the start of .safetensors may look the same, but a brace follows at once.
    marked = content[:1] == b"\x80" and content[1:2] in (b"\2", b"\3", b"\4", b"\5")
    return ending or (marked and content[8:9] != b"{")


def read_npy(file: FileBytes) -> np.ndarray[Any, Any]:
    """Return the array of a .npy file."""
    try:
        return _npy(io.BytesIO(file.content), len(file.content))
    except _DAMAGE as error:
        raise _bad_numpy(file.name, error) from None


def _npy(stream: io.BytesIO, size: int) -> np.ndarray[Any, Any]:
    """Read an array whose header announces no more than the bytes that follow it."""
    import numpy as np

    shape, _, dtype = npy_header(stream)
    if not dtype.hasobject and prod(shape) * dtype.itemsize > size - stream.tell():
        raise ValueError(f"the header announces shape {shape}, more than the file holds")
    stream.seek(0)
    return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


def npy_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return (shape, stored by columns, dtype) of a .npy file, and stop after the header.

    Raises
    ------
    ValueError
        If it is no header of a .npy file.
    """
    from numpy.lib import format as npy

    version = npy.read_magic(stream)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, by_columns, dtype = read(stream)
    except Exception as error:
        # The header is a literal that NumPy evaluates; broken ones raise whatever its parser does.
        raise ValueError(f"its header is no description of an array: {error}") from None
    if not all(0 <= k < _LONGEST for k in shape):
        raise ValueError(f"the header announces shape {shape}")
    return shape, by_columns, dtype


def read_npz(file: FileBytes) -> Arrays:
    """Return the arrays of an .npz file by name, in the order in which they were saved.

    Raises
    ------
    InputError
        If it is no archive of arrays, or expands to more than 1 GiB and 200 times its size.
    """
    import zipfile

    if file.content[:2] != b"PK":
        raise InputError(f"{file.name} is no .npz archive: save it with numpy.savez")
    out: Arrays = {}
    try:
        with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > max(_EXPANDED, 200 * len(file.content)):
                raise InputError(f"{file.name} expands to {size} bytes: save it by numpy.savez")
            for entry in archive.infolist():
                name = entry.filename.removesuffix(".npy")
                if name == entry.filename or name in out:
                    raise InputError(
                        f"{file.name} holds {entry.filename!r}, which is no array or there twice: "
                        "keep only arrays"
                    )
                content = archive.read(entry)
                out[name] = _npy(io.BytesIO(content), len(content))
    except (*_DAMAGE, OSError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, InputError):  # which is a ValueError too
            raise
        raise _bad_numpy(file.name, error) from None
    return out


def _bad_numpy(name: str, error: BaseException) -> InputError:
    if "pickle" in str(error) or "Object arrays" in str(error):
        return InputError(f"{name} holds Python objects as a pickle, and {_NO_PICKLE}")
    return InputError(f"{name} is damaged or no NumPy file ({error}): save it again")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a name occurs twice")
    return out


def read_safetensors(file: FileBytes) -> Arrays:
    """Return the tensors of a .safetensors file by name.

    The file is the length of the header (8 bytes, little-endian), the header (a JSON object:
    name → dtype, shape, data_offsets) and the numbers. The tensors must tile the last part
    without overlap and without gap.

    Raises
    ------
    InputError
        If the file is truncated, if offsets overlap, leave gaps or do not fit the shape, or if
        a type other than F64, F32, F16, BF16 occurs.

    Notes
    -----
    **Validity**: every number is the stored one; none of the four types rounds in float64.
    """
    import numpy as np

    name, content = file.name, file.content
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8 or length > _LONGEST_HEADER:
        raise InputError(f"{name} is truncated or no .safetensors file: its header is not whole")
    try:
        header = json.loads(content[8 : 8 + length].decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name} has a header that is no JSON object ({error})") from None
    if not isinstance(header, dict):
        raise InputError(f"{name} has a header that is no JSON object")
    header.pop("__metadata__", None)
    out, spans = {}, []
    for key, entry in header.items():
        kind, shape, begin, end = _entry(name, key, entry, len(content) - 8 - length)
        raw = np.frombuffer(content, SAFETENSORS_TYPES[kind], prod(shape), 8 + length + begin)
        if kind == "BF16":  # the upper half of a float32
            raw = (raw.astype(np.uint32) << 16).view(np.float32)
        out[key] = raw.reshape(shape)
        spans.append((begin, end, key))
    _tile(name, sorted(spans), len(content) - 8 - length)
    return out


def _entry(name: str, key: str, entry: Any, room: int) -> tuple[str, tuple[int, ...], int, int]:
    """Return dtype, shape and offsets of one tensor, checked against each other."""
    fields = entry if isinstance(entry, dict) else {}
    kind, shape, offsets = (fields.get(k) for k in ("dtype", "shape", "data_offsets"))
    numbers = [*(shape if isinstance(shape, list) else [None])]
    numbers += offsets if isinstance(offsets, list) and len(offsets) == 2 else [None]
    fine = all(type(k) is int and 0 <= k < _LONGEST for k in numbers) and len(numbers) < 12
    if not fine or not isinstance(kind, str):
        raise InputError(
            f"{name}: the tensor {key!r} needs dtype, shape and two data_offsets: save it again"
        )
    assert isinstance(shape, list) and isinstance(offsets, list)
    if kind not in SAFETENSORS_TYPES:
        raise InputError(
            f"{name}: the tensor {key!r} has the type {kind}: save it as F64, F32, F16 or BF16"
        )
    begin, end = offsets
    size = prod(shape) * int(SAFETENSORS_TYPES[kind][-1])
    if end > room:
        raise InputError(f"{name} is truncated: the tensor {key!r} ends after the file")
    if end - begin != size:
        raise InputError(
            f"{name}: the tensor {key!r} of shape {tuple(shape)} needs {size} bytes, and its "
            f"data_offsets span {end - begin}"
        )
    return kind, tuple(shape), begin, end


def _tile(name: str, spans: list[tuple[int, int, str]], room: int) -> None:
    """Raise unless the spans cover all bytes exactly once."""
    reached, last = 0, "the header"
    for begin, end, key in spans:
        if begin < reached:
            raise InputError(f"{name}: the data_offsets of {last} and {key!r} overlap")
        if begin > reached:
            raise InputError(f"{name}: {begin - reached} bytes before {key!r} belong to no tensor")
        reached, last = end, repr(key)
    if reached != room:
        raise InputError(f"{name}: {room - reached} bytes after {last} belong to no tensor")


def read_state_dict(file: FileBytes) -> Mapping[str, Any]:
    """Return the state_dict of a .pt or .pth file, by torch's reader that builds tensors only.

    Raises
    ------
    InputError
        If the file holds anything but a dict of tensors.
    MissingExtraError
        If torch is not installed.
    """
    if file.content[:2] != b"PK":
        raise InputError(
            f"{file.name} is no archive of torch.save (perhaps a pickle): write it with  "
            "torch.save(model.state_dict(), path)"
        )
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", "torch") from None
    try:
        # Any failure of the restricted reader means: not a plain dict of tensors.
        out = torch.load(io.BytesIO(file.content), map_location="cpu", weights_only=True)
    except Exception:
        raise InputError(
            f"{file.name} is damaged or holds more than tensors, and such objects are not opened: "
            "write it with  torch.save(model.state_dict(), path)"
        ) from None
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(out, Mapping) and isinstance(out.get(key), Mapping):
            out = out[key]
    if not isinstance(out, Mapping):
        raise InputError(
            f"{file.name} holds a {type(out).__name__}: write it with  "
            "torch.save(model.state_dict(), path)"
        )
    return out
