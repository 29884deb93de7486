"""Numbers at the numerical door: arrays and tensors as float64, without rounding."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, NotExactError

if TYPE_CHECKING:
    import numpy as np

    FloatArray = np.ndarray[Any, np.dtype[np.float64]]


def is_tensor(obj: Any) -> bool:
    """Say whether an object is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(obj, torch.Tensor)


def float_array(obj: Any, name: str) -> tuple[FloatArray, str]:
    """Return a float64 copy with exactly the given values, and the name of the given type.

    Parameters
    ----------
    obj : array_like or torch tensor
        Real numbers of any type (float16, bfloat16, float32, float64, long double, integers,
        booleans as 0 and 1, any byte order), as long as float64 holds each of them.
    name : str
        How messages call it, such as ``W_2``.

    Raises
    ------
    InputError
        If it is no array of such numbers, or if a number is NaN or infinite.
    NotExactError
        If float64 would round a number.

    Examples
    --------
    >>> float_array([[1, 2.5]], "W_1")
    (array([[1. , 2.5]]), 'float64')
    """
    out, kind = unrounded(obj, name)
    refuse_not_finite(out, name)
    return out, kind


def unrounded(obj: Any, name: str) -> tuple[FloatArray, str]:
    """Return what `float_array` does, NaN and infinities included."""
    import numpy as np

    if is_tensor(obj):
        given, kind = _from_tensor(obj, name)
    else:
        try:
            given = np.asanyarray(obj)
        except ValueError:
            raise InputError(f"{name} has rows of different lengths: give a matrix") from None
        kind = str(given.dtype)
    given = as_real(given, name)
    with np.errstate(over="ignore"):
        out = np.array(given, dtype=np.float64, order="C")
    if given.dtype.kind == "f" and given.dtype.itemsize > 8:
        finite = np.isfinite(given)
        if np.any(given[finite] != out[finite]):
            raise NotExactError(f"{name} is {given.dtype}, which float64 rounds: convert it")
    if given.dtype.kind in "iu" and np.any(np.abs(out) > 2.0**53):
        raise NotExactError(f"{name} has integers above 2^53, which float64 rounds: scale it")
    return out, kind


def as_real(given: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    """Return an array of real numbers in a type of NumPy's own, or raise `InputError`."""
    import numpy as np

    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise InputError(f"{name} has masked entries: leave these samples out")
    if given.dtype.name == "bfloat16":  # a type that other packages add
        return given.astype(np.float32)
    if given.dtype.kind not in "fiub":
        raise InputError(f"{name} has dtype {given.dtype}: give real numbers, as floats")
    return given


def refuse_not_finite(array: FloatArray, name: str) -> None:
    """Raise `InputError` with the position of the first NaN or infinite entry."""
    import numpy as np

    bad = ~np.isfinite(array)
    if bad.any():
        at = tuple(int(k) for k in np.argwhere(bad)[0])
        where = "".join(f"[{k}]" for k in at)
        more = f" (and {int(bad.sum()) - 1} more)" if bad.sum() > 1 else ""
        raise InputError(f"{name}{where} is {array[at]}{more}: give finite numbers")


def _from_tensor(tensor: Any, name: str) -> tuple[np.ndarray[Any, Any], str]:
    """Return a NumPy copy of a tensor; the tensor keeps its type, device and gradient."""
    import torch

    kind = str(tensor.dtype).removeprefix("torch.")
    if tensor.is_meta or tensor.layout != torch.strided:
        raise InputError(f"{name} is a tensor without stored values: give a dense tensor")
    if tensor.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        tensor = tensor.detach().to(device="cpu", dtype=torch.float64, copy=True)
    elif tensor.is_complex() or tensor.is_floating_point() or tensor.is_quantized:
        raise InputError(f"{name} has the type {kind}: give float16, bfloat16, float32 or float64")
    else:
        tensor = tensor.detach().cpu()
    return tensor.resolve_conj().resolve_neg().numpy(), kind
