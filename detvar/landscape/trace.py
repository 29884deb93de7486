r"""What is recorded along a training run, and the conditions it can be tested for.

At step k with batch i the recording holds ⟨∇fᵢ(x_k), x_k − x_K⟩, fᵢ(x_k) and fᵢ(x_K): the last
iterate x_K stands in for the projection on the minimisers.  That is neither an inner nor an outer
approximation of the true region: with a true projection it can be larger or smaller.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, ShapeError
from detvar.exact.text import one_line
from detvar.landscape.triples import Triples

if TYPE_CHECKING:
    from detvar.landscape.region import Region

Array = Any  # numpy.ndarray: NumPy is not imported with the module

COLUMNS = ("f_k", "f_K", "lower", "step", "batch", "epoch", "seed", "per_parameter", "squares")
INTEGERS = ("step", "batch", "epoch", "seed")


@dataclass(frozen=True, eq=False)
class Trace:
    """A recorded training run, or several.

    Attributes
    ----------
    f_k, f_K : array (N,)
        The loss of the batch of step k at x_k, and of the same batch at the last iterate x_K.
    per_parameter : array (N, P)
        ⟨∇fᵢ(x_k), x_k − x_K⟩ in parts: column j sums over the entries of parameter j.
    names : tuple of str
        The P parameters.
    lower : array (N,)
        The lower bound of the loss that was given.
    step, batch, epoch, seed : array (N,) of int64
        The step from 0, the position of the batch in its epoch (of `record_sum`: the term), the
        epoch, the seed.
    squares : array (N, 2), or None
        ‖∇fᵢ(x_k)‖² and ‖x_k − x_K‖², if they were asked for.
    final : tuple of dict
        x_K of each run, as arrays by parameter name.
    full : Trace or None
        The same numbers of the full loss f, measured once per epoch, if that was asked for.

    Examples
    --------
    >>> from detvar.landscape.examples import ex1
    >>> from detvar.landscape.optimizers import SGD
    >>> from detvar.landscape.record import record_sum
    >>> trace = record_sum(ex1(), SGD(0.1), [1.0, 0.7], [0, 1, 1, 0], project=True)
    >>> trace.region().contains(2.5, 2)
    True
    """

    f_k: Array
    f_K: Array
    per_parameter: Array
    names: tuple[str, ...]
    lower: Array
    step: Array
    batch: Array
    epoch: Array
    seed: Array
    squares: Array | None = None
    final: tuple[dict[str, Array], ...] = ()
    full: Trace | None = None

    def __post_init__(self) -> None:
        import numpy as np

        n = len(self.f_k)
        for name in COLUMNS:
            value = getattr(self, name)
            if value is None:
                continue
            a = np.array(value, dtype=np.int64 if name in INTEGERS else np.float64)
            if len(a) != n:
                raise ShapeError(f"{name} has {len(a)} entries and f_k has {n}: give one per step")
            a.flags.writeable = False
            object.__setattr__(self, name, a)
        if self.per_parameter.shape != (n, len(self.names)):
            raise ShapeError(
                f"per_parameter has shape {self.per_parameter.shape}: give one column for each "
                f"of the {len(self.names)} names"
            )

    def __len__(self) -> int:
        return len(self.f_k)

    @cached_property
    def g(self) -> Array:
        """⟨∇fᵢ(x_k), x_k − x_K⟩ at every step."""
        return self.per_parameter.sum(axis=1)

    @property
    def x_K(self) -> dict[str, Array]:
        """The parameters at the end of the only run."""
        if len(self.final) != 1:
            raise InputError(f"the trace holds {len(self.final)} runs: take final[r] for run r")
        return self.final[0]

    # --- the alpha-beta-condition ----------------------------------------------------------------

    def triples(self, lower: Any = None) -> Triples:
        """Return (g, b, c) with b = fᵢ(x_k) − ℓ and c = fᵢ(x_K) − ℓ.

        Parameters
        ----------
        lower : number or array (N,), optional
            ℓ, a lower bound of the losses; by default the one that was recorded.

        Raises
        ------
        InputError
            If ℓ lies above an observed loss.
        """
        bound = self.lower if lower is None else lower
        labels = {"step": self.step, "batch": self.batch, "seed": self.seed}
        return Triples(self.g, self.f_k - bound, self.f_K - bound, **labels)

    def region(self, delta_min: Any = 0.0, *, lower: Any = None, slack: float = 0.0) -> Region:
        """Return all (α, β) that satisfy the condition along the recorded path."""
        from detvar.landscape.region import Region

        return Region.from_triples(self.triples(lower), delta_min=delta_min, slack=slack)

    def take(self, which: Any) -> Trace:
        """Return some of the steps, by indices or a mask."""
        columns = {
            name: getattr(self, name)[which] for name in COLUMNS if getattr(self, name) is not None
        }
        return Trace(**columns, names=self.names, final=self.final, full=self.full)

    # --- other conditions along the same path ----------------------------------------------------

    def _squares(self) -> tuple[Array, Array]:
        if self.squares is None:
            raise InputError(
                "the trace has no norms of gradients and steps: record it with angles=True"
            )
        return self.squares[:, 0], self.squares[:, 1]

    @property
    def cosine(self) -> Array:
        """The cosine of the angle between ∇fᵢ(x_k) and x_k − x_K; NaN where one of them is 0."""
        import numpy as np

        gradient, distance = self._squares()
        return _ratio(self.g, np.sqrt(gradient) * np.sqrt(distance))

    @property
    def aiming(self) -> Array:
        """⟨∇fᵢ, x_k − x_K⟩/(fᵢ(x_k) − fᵢ(x_K)); NaN where the loss is not above its last value."""
        return _ratio(self.g, self.f_k - self.f_K)

    @property
    def pl(self) -> Array:
        """‖∇fᵢ‖²/(fᵢ(x_k) − fᵢ(x_K)), twice the constant of the Polyak–Łojasiewicz condition."""
        return _ratio(self._squares()[0], self.f_k - self.f_K)

    @property
    def rsi(self) -> Array:
        """⟨∇fᵢ, x_k − x_K⟩/‖x_k − x_K‖², the constant of the restricted secant inequality."""
        return _ratio(self.g, self._squares()[1])

    @property
    def eb(self) -> Array:
        """‖∇fᵢ‖/‖x_k − x_K‖, the constant of the error bound."""
        import numpy as np

        gradient, distance = self._squares()
        return _ratio(np.sqrt(gradient), np.sqrt(distance))

    # --- several runs, files ---------------------------------------------------------------------

    @classmethod
    def concat(cls, *parts: Trace) -> Trace:
        """Return several runs in one trace; its region is the intersection of theirs.

        Raises
        ------
        InputError
            If there are none, or they have different parameters.
        """
        import numpy as np

        if not parts:
            raise InputError("there is no trace to join: give at least one")
        if any(part.names != parts[0].names for part in parts):
            raise InputError("the traces have different parameters: join runs of one model")
        columns = {}
        for name in COLUMNS:
            found = [getattr(part, name) for part in parts]
            columns[name] = None if any(x is None for x in found) else np.concatenate(found)
        fulls = [part.full for part in parts if part.full is not None]
        return cls(
            **columns,
            names=parts[0].names,
            final=tuple(x for part in parts for x in part.final),
            full=cls.concat(*fulls) if len(fulls) == len(parts) else None,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trace as an .npz file, which `Triples.load` reads too."""
        import numpy as np

        triples = self.triples()
        data = {"g": triples.g, "b": triples.b, "c": triples.c}
        data |= self._arrays("")
        if self.full is not None:
            data |= self.full._arrays("full/")
        with open(path, "wb") as file:
            np.savez(file, **data)

    def _arrays(self, prefix: str) -> dict[str, Array]:
        import numpy as np

        data = {prefix + x: getattr(self, x) for x in COLUMNS if getattr(self, x) is not None}
        # `lower` is one number in a file of triples, so that the column has another name here
        data[prefix + "bound"] = data.pop(prefix + "lower")
        data[prefix + "names"] = np.array(self.names, dtype=np.str_)
        for r, point in enumerate(self.final):
            data |= {f"{prefix}final/{r}/{name}": x for name, x in point.items()}
        return data

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Trace:
        """Read what `save` writes.

        Raises
        ------
        InputError
            If there is no such file, or it is none of a trace.
        """
        import zipfile

        import numpy as np

        label = one_line(os.fspath(path), 200)
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as data:
                full = cls._read(data, "full/") if "full/f_k" in data else None
                return cls._read(data, "", full)
        except FileNotFoundError:
            raise InputError(f"there is no file {label}: give what Trace.save writes") from None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as e:
            if isinstance(e, InputError):
                raise
            raise InputError(f"{label} is not a trace: give what Trace.save writes") from None

    @classmethod
    def _read(cls, data: Any, prefix: str, full: Trace | None = None) -> Trace:
        columns = {name: data[prefix + name] for name in COLUMNS if prefix + name in data}
        columns["lower"] = data[prefix + "bound"]
        final: dict[int, dict[str, Array]] = {}
        for key in data:
            if key.startswith(prefix + "final/"):
                r, name = key.removeprefix(prefix + "final/").split("/", 1)
                final.setdefault(int(r), {})[name] = data[key]
        runs = tuple(final[r] for r in sorted(final))
        return cls(**columns, names=tuple(data[prefix + "names"].tolist()), final=runs, full=full)

    def to_latex(self) -> str:
        """Return what was recorded as LaTeX text."""
        return (
            rf"{len(self)} steps with $g=\langle\nabla f_i(x_k),x_k-x_K\rangle$, "
            "$f_i(x_k)$ and $f_i(x_K)$"
        )

    def __repr__(self) -> str:
        runs, n = len(self.final), len(self)
        return f"Trace({n} step{'s' * (n != 1)}, {runs} run{'s' * (runs != 1)})"


def _ratio(top: Array, bottom: Array) -> Array:
    import numpy as np

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)
