r"""The region of a training run seen from the true nearest minimisers, and from its last iterate.

A recording of a network has no projection to the set of minimisers, and uses the last iterate in
its place.  For a two-layer linear network both can be had, so that the difference is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError, MissingExtraError, ShapeError
from detvar.exact.latex import words
from detvar.landscape.fiber_projection import project_to_fiber
from detvar.landscape.region import Region
from detvar.landscape.triples import Triples

Array = Any  # numpy.ndarray of float64: NumPy is not imported with the module


@dataclass(frozen=True, eq=False)
class ProjectionComparison:
    """Two regions of the same run: with nearest minimisers, and with the last iterate.

    Attributes
    ----------
    exact, last : Region
    exact_distance, last_distance : float
        Mean distances from the recorded points to the two kinds of p.
    certified : int
        For how many points the nearest minimiser has ‖Λ‖₂ < 1 (proved, if proofs were asked for).
    points : int
        How many points were recorded.
    """

    exact: Region
    last: Region
    exact_distance: float
    last_distance: float
    certified: int
    points: int

    def __str__(self) -> str:
        return (
            f"{self.points} points, {self.certified} with a certificate; "
            f"nearest minimisers at mean distance {self.exact_distance:.4g}: {self.exact}; "
            f"last iterate at mean distance {self.last_distance:.4g}: {self.last}"
        )

    def to_latex(self) -> str:
        """Return the comparison as LaTeX text."""
        return words(str(self))

    def to_json(self) -> dict[str, Any]:
        """Return both regions and the numbers as JSON."""
        out: dict[str, Any] = {"kind_of_result": "projection_comparison"}
        out |= {"exact": self.exact.to_json(), "last": self.last.to_json()}
        out |= {"exact_distance": self.exact_distance.hex()}
        out |= {"last_distance": self.last_distance.hex()}
        return out | {"certified": self.certified, "points": self.points}

    @classmethod
    def from_json(cls, data: Any) -> ProjectionComparison:
        """Read what `to_json` writes."""
        try:
            regions = [Region.from_json(data[name]) for name in ("exact", "last")]
            sizes = [float.fromhex(data[f"{name}_distance"]) for name in ("exact", "last")]
            counts = int(data["certified"]), int(data["points"])
            return cls(regions[0], regions[1], sizes[0], sizes[1], *counts)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError("this is no comparison: give what to_json writes") from None

    def plot(self, ax: Any = None) -> Any:
        """Draw the lower boundary α = φ(α − β) of both regions."""
        try:
            import matplotlib.pyplot as plt
        except ImportError:
            raise MissingExtraError("Matplotlib", "plot") from None
        import numpy as np

        if ax is None:
            _, ax = plt.subplots(figsize=(5.2, 3.8), layout="constrained")
        kinds = [
            (self.exact, "nearest minimiser", "#08519c"),
            (self.last, "last iterate", "#d94801"),
        ]
        kinds = [kind for kind in kinds if not kind[0].is_empty]
        if not kinds:
            ax.text(0.5, 0.5, "no feasible pair", ha="center", transform=ax.transAxes)
            return ax
        right = max(1.5 * (r.vertices()[-1, 0] - r.vertices()[-1, 1]) for r, _, _ in kinds)
        best = [r.best_ratio() for r, _, _ in kinds]
        right = min(right, 2.5 * max((x.alpha or 1.0) / x.ratio for x in best))
        for region, label, colour in kinds:
            delta = np.linspace(0, min(right, region.delta_max), 400)[1:]
            ratio = region.best_ratio().ratio
            name = rf"{label}: $\inf\,\alpha/(\alpha-\beta)={ratio:.4g}$"
            ax.plot(delta, region.phi(delta), color=colour, lw=1.6, label=name)
        ax.set(xlabel=r"$\delta=\alpha-\beta$", ylabel=r"$\varphi(\delta)$", yscale="log")
        ax.spines[["top", "right"]].set_visible(False)
        ax.legend(fontsize=8, loc="lower right")
        return ax


def compare_projections(
    inputs: Any,
    targets: Any,
    hidden: int,
    *,
    steps: int = 3000,
    step_size: float = 0.02,
    scale: float = 0.3,
    every: int = 10,
    seed: int = 0,
    delta_min: float = 0.0,
    starts: int = 12,
    certify: bool = False,
) -> ProjectionComparison:
    r"""Train fᵢ = ½‖BAxᵢ − yᵢ‖² by SGD and return both regions of the run.

    Parameters
    ----------
    inputs, targets : arrays (q, n) and (p, n)
        Columns are samples; the inputs span R^q.
    hidden : int
        Width k of the hidden layer.
    steps, step_size, scale : of SGD with one sample per step, from Gaussian matrices times `scale`
    every : steps between recorded points; at each of them all n triples are taken
    seed : of the initial matrices and of the order of samples
    starts : random starts for each projection; it also starts from the one before
    certify : whether to prove every projection in ball arithmetic, a few ms each

    Returns
    -------
    ProjectionComparison

    Raises
    ------
    InputError
        If the best W of rank k is not unique, if its fiber is singular, or if SGD diverges.

    Notes
    -----
    **Cost**: 1 to 20 ms for every recorded point.
    **Validity**: W is the minimiser of the squared error on matrices of rank ≤ k, from the least
    squares solution projected to the first k left singular vectors of its fitted values.  Every
    fᵢ* is 0.  Neither region contains the other in general.

    References
    ----------
    Izenman, "Reduced-rank regression for the multivariate linear model", 1975.

    Examples
    --------
    >>> found = compare_projections([[1, 2, -1]], [[1, 2.5, -0.5]], 1, steps=50)
    >>> found.points, found.certified, round(found.exact_distance, 2)
    (5, 5, 1.47)
    """
    import numpy as np

    x, y = (np.array(v, dtype=np.float64) for v in (inputs, targets))
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ShapeError(
            f"inputs have shape {x.shape} and targets {y.shape}: give one column per sample in both"
        )
    if hidden < 1 or steps < 1 or every < 1:
        raise InputError("hidden, steps and every must be at least 1: give positive numbers")
    w = best_of_rank(x, y, hidden)
    rng = np.random.default_rng(seed)
    b = scale * rng.standard_normal((len(y), hidden))
    a = scale * rng.standard_normal((hidden, len(x)))
    points = []
    with np.errstate(all="ignore"):
        for t, i in enumerate(rng.integers(x.shape[1], size=steps)):
            if t % every == 0:
                points.append((b, a))
            h = a @ x[:, i]
            r = b @ h - y[:, i]
            b, a = b - step_size * np.outer(r, h), a - step_size * np.outer(b.T @ r, x[:, i])
    if not (np.isfinite(b).all() and np.isfinite(a).all()):
        raise InputError(f"SGD diverged with step_size {step_size}: give a smaller one")
    found: list[Any] = []
    for here in points:
        near = found[-1].B if found else None
        found.append(
            project_to_fiber(*here, w, starts=starts, seed=seed, certify=certify, near=near)
        )
    exact = [(p.B, p.A) for p in found]
    last = [(b, a)] * len(points)
    regions = [
        Region.from_triples(_triples(x, y, points, ends, every), delta_min=delta_min)
        for ends in (exact, last)
    ]
    means = [_mean_distance(points, ends) for ends in (exact, last)]
    sure = sum(p.is_certified if certify else p.multiplier_norm < 1 for p in found)
    return ProjectionComparison(regions[0], regions[1], means[0], means[1], sure, len(points))


def best_of_rank(x: Array, y: Array, rank: int) -> Array:
    """Return the matrix of rank at most `rank` with the least ‖WX − Y‖, X of full row rank.

    Examples
    --------
    >>> best_of_rank([[1, 0], [0, 1]], [[3, 0], [0, 1]], 1).round(12)
    array([[3., 0.],
           [0., 0.]])
    """
    import numpy as np

    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if np.linalg.matrix_rank(x) < len(x):
        raise InputError("the inputs do not span R^q, so the best W is not unique: give more")
    w = np.linalg.lstsq(x.T, y.T, rcond=None)[0].T
    u, s, _ = np.linalg.svd(w @ x, full_matrices=False)
    if rank < min(w.shape) and s[rank - 1] - s[rank] <= 1e-12 * s[0]:
        raise InputError(f"the best W of rank {rank} is not unique: give other data or widths")
    return w if rank >= min(w.shape) else u[:, :rank] @ (u[:, :rank].T @ w)


def _triples(x: Array, y: Array, points: list[Any], ends: list[Any], every: int) -> Triples:
    """(g, b, c) of all samples at all points."""
    import numpy as np

    g, rise, gap = [], [], []
    for (b, a), (end_b, end_a) in zip(points, ends, strict=True):
        r = b @ a @ x - y
        move = (b - end_b) @ a @ x + b @ (a - end_a) @ x
        g.append((r * move).sum(axis=0))
        rise.append((r**2).sum(axis=0) / 2)
        gap.append(((end_b @ end_a @ x - y) ** 2).sum(axis=0) / 2)
    n = x.shape[1]
    step, sample = np.repeat(np.arange(len(points)) * every, n), np.tile(np.arange(n), len(points))
    first, second, third = (np.concatenate(column) for column in (g, rise, gap))
    return Triples(first, second, third, step=step, batch=sample)


def _mean_distance(points: list[Any], ends: list[Any]) -> float:
    import numpy as np

    pairs = zip(points, ends, strict=True)
    squares = [((p[0] - e[0]) ** 2).sum() + ((p[1] - e[1]) ** 2).sum() for p, e in pairs]
    return float(np.sqrt(squares).mean())
