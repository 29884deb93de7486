"""What a slice is: axes, values, directions, training paths, and remarks on how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError
from detvar.exact.latex import words

Array = Any  # numpy.ndarray: NumPy is not imported with the module


@dataclass(frozen=True, eq=False)
class SlicePath:
    """A training path seen in a plane.

    Attributes
    ----------
    label : str
    coordinates : array (K, 2)
        Orthogonal projections of the K snapshots to the plane.
    off_plane : array (K,)
        Their distances from the plane: where these are large, the values of the slice under the
        path are not those of the path.
    losses : array (K,) or None
        The loss at the snapshots themselves.
    """

    label: str
    coordinates: Array
    off_plane: Array
    losses: Array | None = None

    def to_latex(self) -> str:
        """Return a description as LaTeX text."""
        return words(f"path {self.label} of {len(self.coordinates)} points")


@dataclass(frozen=True, eq=False)
class Slice:
    """Values of a loss on a line or in a plane, with all that is needed to draw or repeat it.

    Attributes
    ----------
    axes : tuple of one or two arrays
        The coordinates a, and b.
    values : array (len(a),) or (len(a), len(b))
        f(center + a d₁ + b d₂); not finite where the loss is not.
    directions : array (1 or 2, d), or None when read from JSON
    center : array (d,), or None when read from JSON
    names : tuple of str
        The parameters that vary, in the order of the flat vectors.
    normalise : str or None
        How random directions were scaled; "given" and "pca" for other ones.
    seed : int
    cosine : float
        Of the angle between d₁ and d₂; 0 for one direction.
    explained : tuple of two floats, or None
        For `pca_path`: which part of Σ‖θ_k − center‖² each axis accounts for.
    paths : tuple of SlicePath
    """

    axes: tuple[Array, ...]
    values: Array
    directions: Array | None
    center: Array | None
    names: tuple[str, ...]
    normalise: str | None
    seed: int
    cosine: float = 0.0
    explained: tuple[float, float] | None = None
    paths: tuple[SlicePath, ...] = ()

    def remarks(self) -> tuple[str, ...]:
        """Return what to know before trusting the picture, in sentences."""
        import numpy as np

        out = []
        finite = np.isfinite(self.values)
        if not finite.all():
            out.append(f"the loss is not finite at {int((~finite).sum())} of {finite.size} points")
        if finite.any() and self.explained is None:
            best = np.unravel_index(
                np.nanargmin(np.where(finite, self.values, np.nan)), finite.shape
            )
            where = [float(axis[i]) for axis, i in zip(self.axes, best, strict=True)]
            if any(x != 0 for x in where):
                out.append(
                    f"the least value is at ({', '.join(f'{x:.3g}' for x in where)}), not at the "
                    "centre"
                )
        if abs(self.cosine) > 0.2:
            out.append(
                f"the directions have cosine {self.cosine:.2f}: distances in the picture are skewed"
            )
        if self.explained is not None and sum(self.explained) < 0.9:
            out.append(
                f"the plane accounts for {100 * sum(self.explained):.0f} % of the paths: the "
                "values under a path are not the losses along it"
            )
        return tuple(out)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the slice; see `detvar.landscape.slices_plot.plot`."""
        from detvar.landscape.slices_plot import plot

        return plot(self, ax, **options)

    def __str__(self) -> str:
        size = "×".join(str(len(axis)) for axis in self.axes)
        seen = [
            f"{size} values of the loss from {self.values.min():.6g} to {self.values.max():.6g}"
        ]
        if self.explained is not None:
            seen.append(
                f"the axes explain {' and '.join(f'{100 * x:.4g} %' for x in self.explained)}"
            )
        return "slice: " + "; ".join([*seen, *self.remarks()])

    def to_latex(self) -> str:
        """Return the description as LaTeX text."""
        return words(str(self))

    def to_json(self, directions: bool = False) -> dict[str, Any]:
        """Return the slice as JSON; floats as hexadecimal text, so that nothing is lost.

        Parameters
        ----------
        directions : bool
            Also write the centre and the directions, which are as long as the model is large.
        """
        out: dict[str, Any] = {"kind_of_result": "slice", "seed": self.seed}
        out |= {"names": list(self.names), "normalise": self.normalise}
        out |= {"axes": _hex(self.axes), "values": _hex(self.values), "cosine": _hex(self.cosine)}
        out["explained"] = None if self.explained is None else _hex(self.explained)
        out["paths"] = [
            {
                "label": p.label,
                "coordinates": _hex(p.coordinates),
                "off_plane": _hex(p.off_plane),
                "losses": None if p.losses is None else _hex(p.losses),
            }
            for p in self.paths
        ]
        if directions and self.directions is not None:
            out |= {"directions": _hex(self.directions), "center": _hex(self.center)}
        return out

    @classmethod
    def from_json(cls, data: Any) -> Slice:
        """Read what `to_json` writes."""
        import numpy as np

        def array(obj: Any) -> Array:
            return None if obj is None else np.array(_unhex(obj))

        try:
            explained = data["explained"]
            return cls(
                axes=tuple(array(axis) for axis in data["axes"]),
                values=array(data["values"]),
                directions=array(data.get("directions")),
                center=array(data.get("center")),
                names=tuple(map(str, data["names"])),
                normalise=data["normalise"],
                seed=int(data["seed"]),
                cosine=_unhex(data["cosine"]),
                explained=None if explained is None else tuple(_unhex(explained)),
                paths=tuple(
                    SlicePath(
                        str(p["label"]),
                        *(array(p[key]) for key in ("coordinates", "off_plane", "losses")),
                    )
                    for p in data["paths"]
                ),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError("this is not a slice: give what Slice.to_json writes") from None


def _hex(x: Any) -> Any:
    if isinstance(x, (tuple, list)):
        return [_hex(y) for y in x]
    if hasattr(x, "tolist"):
        return _hex(x.tolist())
    return float(x).hex()


def _unhex(x: Any) -> Any:
    return [_unhex(y) for y in x] if isinstance(x, list) else float.fromhex(x)
