r"""The three numbers (g, b, c) through which a recorded step constrains (α, β).

For a term fᵢ, a point x and a minimiser p of f,

    g = ⟨∇fᵢ(x), x − p⟩,   b = fᵢ(x) − fᵢ*,   c = fᵢ(p) − fᵢ*,

and the α-β-condition at (i, x, p) reads  α c ≥ δ b − g  with δ = α − β.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.text import one_line

Array = Any  # numpy.ndarray: NumPy is not imported with the module

NUMBERS = ("g", "b", "c")
LABELS = ("step", "batch", "seed")
# What a recording may store next to its triples: the data of the convergence theorems, the gap
# f(x_0) − f(x_K), and the lower bound that was used for every f_i*.
CONSTANTS = ("L", "K", "D0", "sigma2", "gap", "lower")
# A loss computed in float32 may come out this far below its bound, relative to max(1, b, |c|).
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Triples:
    """Recorded triples (g, b, c), with optional labels that say where each comes from.

    Parameters
    ----------
    g, b, c : array (N,)
        Finite numbers, kept as float64; b ≥ 0 and c ≥ 0.  What is negative by rounding only is
        set to 0.
    step, batch, seed : array (N,) of integers, optional
        Labels, kept as int64.

    Raises
    ------
    ShapeError
        If the arrays are not flat, or not equally long.
    InputError
        If a number is NaN or infinite, or if b or c is negative beyond rounding: then the lower
        bound used for fᵢ* lies above a value of fᵢ.

    Notes
    -----
    **Cost**: O(N), without a copy of arrays that already have the right type.

    Examples
    --------
    >>> trace = Triples([1.0, -0.5], [2.0, 0.4], [0.5, 0.8], step=[0, 1])
    >>> len(trace), trace.margin(1.0, 0.25).min()
    (2, np.float64(0.0))
    """

    g: Array
    b: Array
    c: Array
    step: Array | None = None
    batch: Array | None = None
    seed: Array | None = None

    def __post_init__(self) -> None:
        import numpy as np

        for name in NUMBERS:
            _set(self, name, _flat(getattr(self, name), name, np.float64))
        for name in LABELS:
            if getattr(self, name) is not None:
                _set(self, name, _flat(getattr(self, name), name, np.int64))
        for name in (*NUMBERS, *LABELS):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.g):
                raise ShapeError(
                    f"{name} has {len(column)} entries and g has {len(self.g)}: give one entry "
                    "per triple"
                )
        for name in NUMBERS:
            finite = np.isfinite(getattr(self, name))
            if not finite.all():
                k = int(finite.argmin())
                raise InputError(
                    f"{name}[{k}] is {getattr(self, name)[k]}: give finite numbers, and leave out "
                    "the steps after a run has diverged"
                )
        for name in ("b", "c"):
            self._clip(name)
        for name in (*NUMBERS, *LABELS):
            if getattr(self, name) is not None:
                getattr(self, name).flags.writeable = False

    def _clip(self, name: str) -> None:
        import numpy as np

        column = getattr(self, name)
        if not (column < 0).any():
            return
        bad = column < -ROUNDING * np.maximum(1.0, np.maximum(abs(self.b), abs(self.c)))
        if bad.any():
            k = int(bad.argmax())
            where = "x" if name == "b" else "p"
            raise InputError(
                f"{name}[{k}] = {column[k]} is negative, so the lower bound of f_i lies above the "
                f"observed f_i({where}): give a smaller lower bound"
            )
        _set(self, name, np.maximum(column, 0.0))

    def __len__(self) -> int:
        return len(self.g)

    def take(self, which: Any) -> Triples:
        """Return the triples at the given indices (or where a mask is true), with labels."""
        return Triples(*(None if x is None else x[which] for x in self._columns()))

    def _columns(self) -> Iterator[Array | None]:
        return (getattr(self, name) for name in (*NUMBERS, *LABELS))

    def margin(self, alpha: float, beta: float) -> Array:
        """Return T = g − α (b − c) + β b for every triple; the condition is T ≥ 0.

        b − c = fᵢ(x) − fᵢ(p), so that T is the difference of the two sides in floating point.
        """
        return self.g - alpha * (self.b - self.c) + beta * self.b

    def averaged(self, size: int) -> Triples:
        """Return the means over consecutive groups of `size` triples, without labels.

        If the triples of a group belong to one point x, these are the triples of the mini-batch
        loss with the mean of the fᵢ* as lower bound.

        Examples
        --------
        >>> Triples([1, 3], [2, 4], [0, 1]).averaged(2).g
        array([2.])
        """
        if size < 1 or len(self) % size:
            raise InputError(
                f"size is {size}, and {len(self)} triples do not fall into groups of that size: "
                "give a divisor of the number of triples"
            )
        return Triples(*(getattr(self, name).reshape(-1, size).mean(axis=1) for name in NUMBERS))

    @classmethod
    def concat(cls, *parts: Triples) -> Triples:
        """Return all triples of `parts` in order; a label that one of them lacks is dropped.

        Several seeds or runs in one trace constrain (α, β) together.
        """
        import numpy as np

        if not parts:
            return cls([], [], [])
        columns = []
        for name in (*NUMBERS, *LABELS):
            found = [getattr(part, name) for part in parts]
            columns.append(None if any(x is None for x in found) else np.concatenate(found))
        return cls(*columns)

    def save(self, path: str | os.PathLike[str], **constants: float) -> None:
        """Write the triples as an .npz file.

        Parameters
        ----------
        path : path
            Used as it is; nothing is appended.
        **constants : float
            Any of L, K, D0, sigma2 (data of the theorems), gap = f(x₀) − f(x_K), lower.
        """
        import numpy as np

        for name, x in constants.items():
            _check_constant(name, x)
        columns = zip((*NUMBERS, *LABELS), self._columns(), strict=True)
        data = {name: x for name, x in columns if x is not None}
        data |= {name: np.float64(x) for name, x in constants.items()}
        with open(path, "wb") as file:
            np.savez(file, **data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Triples:
        """Read what `save` writes; stored constants are left to `load_constants`."""
        data = _read(path, (*NUMBERS, *LABELS))
        for name in NUMBERS:
            if name not in data:
                raise InputError(
                    f"{one_line(os.fspath(path), 200)} has no array {name}: a trace is an .npz "
                    "file with the arrays g, b and c, as Triples.save writes it"
                )
        return cls(**data)

    def to_latex(self) -> str:
        """Return the definition of the triples and their number as LaTeX text."""
        return (
            rf"{len(self)} triples $g=\langle\nabla f_i(x),x-p\rangle$, $b=f_i(x)-f_i^*$, "
            "$c=f_i(p)-f_i^*$"
        )

    def __repr__(self) -> str:
        labels = [name for name in LABELS if getattr(self, name) is not None]
        return f"Triples({len(self)}{', labelled by ' + ', '.join(labels) if labels else ''})"


def load_constants(path: str | os.PathLike[str]) -> dict[str, float]:
    """Return the constants stored in a trace: any of L, K, D0, sigma2, gap, lower."""
    out = {}
    for name, x in _read(path, CONSTANTS).items():
        if x.shape != () or x.dtype.kind not in "fiu":
            raise InputError(f"{name} in the trace is not a number: save it as one number")
        out[name] = float(x)
        _check_constant(name, out[name])
    return out


def _check_constant(name: str, x: Any) -> None:
    if name not in CONSTANTS:
        raise InputError(
            f'"{one_line(name, 40)}" cannot be stored with triples: use {", ".join(CONSTANTS)}'
        )
    if not abs(float(x)) < float("inf"):
        raise InputError(f"{name} is {x}: give a finite number")


def _read(path: str | os.PathLike[str], names: tuple[str, ...]) -> dict[str, Array]:
    import numpy as np

    label = one_line(os.fspath(path), 200)
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"PK":
                raise InputError(f"{label} is not an .npz file: give what Triples.save writes")
            file.seek(0)
            with np.load(file, allow_pickle=False) as data:
                return {name: data[name] for name in names if name in data}
    except FileNotFoundError:
        raise InputError(f"there is no file {label}: give the path of an .npz trace") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as e:
        if isinstance(e, InputError):
            raise
        why = getattr(e, "strerror", None) or one_line(str(e), 100)
        raise InputError(f"{label} cannot be read ({why}): give an .npz trace") from None


def _set(owner: Any, name: str, value: Any) -> None:
    object.__setattr__(owner, name, value)


def _flat(x: Any, name: str, kind: Any) -> Array:
    """Return a flat array, as a view: the caller's own array stays writeable."""
    import numpy as np

    try:
        a = np.asarray(x)
        exact = a.dtype.kind in "iub" or a.size == 0
        if kind is np.int64 and not exact and not np.array_equal(a, a.astype(np.int64)):
            raise ValueError
        if a.dtype.kind not in "iufb" and a.size:
            raise ValueError
        out = a.astype(kind, copy=False).view()
    except (TypeError, ValueError):
        what = "whole numbers" if kind is np.int64 else "real numbers"
        raise InputError(f"{name} does not consist of {what}: give a flat array of them") from None
    if out.ndim != 1:
        raise ShapeError(f"{name} has shape {out.shape}: give a flat array, one entry per triple")
    return out
