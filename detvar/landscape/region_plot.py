r"""Pictures of a region of (α, β): the polygon, its best ratio, and a heat map.

The heat map is for the eye only: every answer comes from the polygon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, MissingExtraError
from detvar.landscape.envelope import to_float
from detvar.landscape.triples import Triples

if TYPE_CHECKING:
    from detvar.landscape.region import Region

Array = Any  # numpy.ndarray: NumPy is not imported with the module

PLANES = ("alpha-beta", "delta-alpha")
NAMED = 6  # at most this many active triples are named in the picture
BLOCK = 1 << 22  # numbers held at once by a heat map over all triples


def grid(region: Region, alphas: Any, betas: Any, triples: Triples | None = None) -> Array:
    """Return how far each (α, β) of a grid is from the boundary; negative outside.

    Parameters
    ----------
    region : Region
    alphas, betas : arrays (p,), (q,)
    triples : Triples, optional
        If given, the value is min T over these triples, T = g − α(b − c) + βb, which is what
        published heat maps show; otherwise it is α − φ(α − β).

    Returns
    -------
    array (q, p)
        NaN where not α > β ≥ 0; −inf where no α is feasible for this α − β.

    Notes
    -----
    **Cost**: O(pq log h), with triples O(pqN).

    Examples
    --------
    >>> from detvar.landscape.region import Region
    >>> region = Region.from_triples([1, -0.5], [2, 0.4], [0.5, 0.8])
    >>> region.grid([1.0, 2.0], [0.25])
    array([[ 0., -3.]])
    """
    import numpy as np

    alpha, beta = (np.asarray(x, dtype=np.float64).ravel() for x in (alphas, betas))
    a, b = np.meshgrid(alpha, beta)
    allowed = (a > b) & (b >= 0)
    out = np.full(a.shape, np.nan)
    if triples is None:
        out[allowed] = a[allowed] - region.phi(a[allowed] - b[allowed])
        return out
    a, b = a[allowed], b[allowed]
    lowest = np.full(a.shape, np.inf)
    size = max(1, BLOCK // max(1, a.size))
    for first in range(0, len(triples), size):
        part = slice(first, first + size)
        g, rise, gap = triples.g[part], triples.b[part], triples.c[part]
        margin = g - np.multiply.outer(a, rise - gap) + np.multiply.outer(b, rise)
        lowest = np.minimum(lowest, margin.min(axis=1))
    out[allowed] = lowest
    return out


def plot(
    region: Region,
    ax: Any = None,
    *,
    plane: str = "alpha-beta",
    heat: bool = False,
    limits: tuple[float, float] | None = None,
) -> Any:
    """Draw the region, its corners, its best ratio and the names of its longest sides.

    Parameters
    ----------
    region : Region
    ax : matplotlib Axes, optional
        By default new ones.
    plane : {"alpha-beta", "delta-alpha"}
        What stands on the two axes.  Where α/(α − β) is large the region is a thin strip in the
        first plane, and the graph of φ, which is the second, shows more.
    heat : bool
        Colour the background by (α − φ)/α, cut at ±1.
    limits : pair of floats, optional
        The right and the upper end; by default such that the corners are seen.

    Returns
    -------
    matplotlib Axes
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise MissingExtraError("Matplotlib", "plot") from None
    import numpy as np

    if plane not in PLANES:
        raise InputError(f"plane is {plane!r}: choose {' or '.join(PLANES)}")
    graph = plane == "delta-alpha"
    if ax is None:
        _, ax = plt.subplots(figsize=(5.2, 4.4), layout="constrained")
    right, top = _limits(region, graph) if limits is None else limits
    if not (0 < right < float("inf") and 0 < top < float("inf")):
        raise InputError(f"limits are {limits}: give two positive numbers")
    names = (r"$\delta=\alpha-\beta$", r"$\alpha$") if graph else (r"$\alpha$", r"$\beta$")
    ax.set(xlim=(0, right), ylim=(0, top), xlabel=names[0], ylabel=names[1])
    forbidden = [0, 0] if graph else [top, top * max(1, right / top)]
    ax.fill_between([0, right], [0, right], forbidden, color="0.92", lw=0, zorder=0)
    ax.plot([0, right], [0, right], color="0.6", lw=0.8, zorder=1)
    if region.is_empty:
        ax.text(0.5 * right, 0.5 * top, "no feasible pair", color="tab:red", ha="center")
        return ax
    if heat:
        across, up = np.linspace(0, right, 241), np.linspace(0, top, 241)
        mesh = ax.pcolormesh(
            across,
            up,
            _colour(region, across, up, graph),
            cmap="RdYlBu",
            vmin=-1,
            vmax=1,
            zorder=0.5,
        )
        ax.figure.colorbar(mesh, ax=ax, label=r"$(\alpha-\varphi(\alpha-\beta))/\alpha$")

    def place(delta: Any, alpha: Any) -> tuple[Array, Array]:
        delta, alpha = np.asarray(delta, dtype=float), np.asarray(alpha, dtype=float)
        return (delta, alpha) if graph else (alpha, alpha - delta)

    corners = [(to_float(x), to_float(y)) for x, y in region._corners]
    delta, alpha = np.array(_outline(region, corners, right + top)).T
    ax.fill(*place(delta, alpha), facecolor="none" if heat else "#b5d3ea", zorder=1.5)
    # the first side stands for delta >= delta_min, which at 0 is no constraint of its own
    first = int(region.delta_min == 0)
    edge = (
        place(delta[first:], alpha[first:])
        if region.delta_max < np.inf
        else place(delta[first:-1], alpha[first:-1])
    )
    ax.plot(*edge, color="#08519c", lw=1.4, zorder=2)
    ax.plot(*place(*zip(*corners, strict=True)), "o", color="#08519c", ms=3, zorder=3)
    best = region.best_ratio()
    if best.alpha is not None and best.beta is not None:
        step, far = best.alpha - best.beta, (right + top) / best.alpha
        ax.plot(
            *place([0, far * step], [0, far * best.alpha]), "--", color="#d94801", lw=0.9, zorder=2
        )
        label = rf"best ratio $\alpha/(\alpha-\beta)={best.ratio:.4g}$"
        ax.plot(*place(step, best.alpha), "*", color="#d94801", ms=11, zorder=4, label=label)
        ax.legend(loc="upper left", fontsize=8, framealpha=0.9)
    _name_sides(region, ax, place, (right, top))
    return ax


def _colour(region: Region, across: Array, up: Array, graph: bool) -> Array:
    import numpy as np

    x, y = np.meshgrid(across, up)
    alpha, delta = (y, x) if graph else (x, x - y)
    allowed = (delta > 0) & (alpha >= delta)
    out = np.full(x.shape, np.nan)
    a = alpha[allowed]
    out[allowed] = np.clip((a - region.phi(delta[allowed])) / a, -1, 1)
    return out


def _limits(region: Region, graph: bool) -> tuple[float, float]:
    """Return ends that show all corners, or the first ones where the others lie far out."""
    if region.is_empty:
        return 1.0, 1.0
    corners = [(to_float(x), to_float(y)) for x, y in region._corners]
    best = region.best_ratio()
    near = max(corners[0][1], best.alpha or 0.0) or 1.0
    seen = [x for x in corners if x[1] <= 20 * near]
    delta, alpha = 1.5 * seen[-1][0], 1.5 * seen[-1][1]
    delta = delta or alpha or 1.0
    alpha = max(alpha, 1.02 * delta)
    if graph and region.delta_max == float("inf"):
        alpha = max(alpha, min(region.phi(delta), 3 * alpha))
    return (delta, alpha) if graph else (alpha, alpha)


def _outline(
    region: Region, corners: list[tuple[float, float]], size: float
) -> list[tuple[float, float]]:
    """Return the polygon in the (δ, α) plane, continued beyond the picture."""
    far = 4 * size + 4 * corners[-1][1]
    out = [(corners[0][0], corners[0][1] + far), *corners]
    if region.delta_max == float("inf"):
        slope = to_float(region._lines.exact(len(region._lines) - 1)[0])
        rise = far * slope / max(slope, 1.0)
        out.append((corners[-1][0] + far / max(slope, 1.0), corners[-1][1] + rise))
    out.append((out[-1][0], out[-1][1] + far))
    return out


def _name_sides(
    region: Region,
    ax: Any,
    place: Callable[[Any, Any], tuple[Array, Array]],
    limits: tuple[float, float],
) -> None:
    """Write at the longest sides of the polygon which triples make them."""
    import numpy as np

    found = []
    for witness in region.active:
        if witness.low < witness.high:
            delta = np.linspace(witness.low, min(witness.high, witness.low + sum(limits)), 200)
            alpha = region.phi(delta)
        else:
            alpha = region.phi(witness.low) + np.linspace(0, sum(limits), 200)
            delta = np.full(200, witness.low)
        x, y = place(delta, alpha)
        seen = (x > 0) & (x < limits[0]) & (y > 0) & (y < 0.9 * limits[1])
        if seen.any():
            x, y = x[seen] / limits[0], y[seen] / limits[1]
            found.append((np.hypot(np.ptp(x), np.ptp(y)), x[len(x) // 2], y[len(y) // 2], witness))
    found.sort(key=lambda item: -item[0])
    for size, x, y, witness in found[:NAMED]:
        if size > 0.08:
            left = x > 0.7  # keep the name inside of the picture
            ax.annotate(
                witness.where,
                (x, y),
                xycoords="axes fraction",
                xytext=(-6 if left else 6, 0),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                fontsize=7,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6},
                zorder=5,
            )
