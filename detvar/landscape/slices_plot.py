"""Pictures of slices: a curve, or level lines with the training paths on top."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from detvar.landscape.slice_results import Slice

Array = Any  # numpy.ndarray: NumPy is not imported with the module

COLOURS = ("#d94801", "#6a3d9a", "#33872c", "#b2182b", "#525252", "#c51b7d")


def plot(
    found: Slice,
    ax: Any = None,
    *,
    log: bool | None = None,
    levels: int = 24,
    equal: bool | None = None,
) -> Any:
    """Draw a slice.

    Parameters
    ----------
    found : Slice
    ax : matplotlib Axes, optional
        By default new ones.
    log : bool, optional
        Colours and levels (the vertical axis of a curve) by the logarithm of the loss; by default
        where the loss is positive and spans more than a factor 30.
    levels : int
        Number of level lines.
    equal : bool, optional
        One unit of both axes has the same length; by default for planes of training paths, unless
        the picture would be a thin strip.

    Returns
    -------
    matplotlib Axes
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise MissingExtraError("Matplotlib", "plot") from None
    import numpy as np

    if levels < 2:
        raise InputError(f"levels is {levels}: give at least 2 level lines")
    finite = found.values[np.isfinite(found.values)]
    if not finite.size:
        raise InputError("no value of the slice is finite: cut a shorter piece, with another span")
    low, high = float(finite.min()), float(finite.max())
    if log is None:
        log = low > 0 and high > 30 * low
    if log and not low > 0:
        raise InputError(f"the least value is {low:.3g}, which has no logarithm: give log=False")
    if ax is None:
        size = (5.2, 3.6) if len(found.axes) == 1 else (5.4, 4.4)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    if len(found.axes) == 1:
        return _curve(found, ax, log)
    return _plane(found, ax, log, levels, equal)


def _curve(found: Slice, ax: Any, log: bool) -> Any:
    import numpy as np

    values = np.where(np.isfinite(found.values), found.values, np.nan)
    ax.plot(found.axes[0], values, color="#08519c", lw=1.6)
    if found.axes[0][0] <= 0 <= found.axes[0][-1]:
        ax.axvline(0, color="0.75", lw=0.8, zorder=0)
    ax.set(xlabel="coordinate $a$", ylabel="loss", yscale="log" if log else "linear")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _plane(found: Slice, ax: Any, log: bool, levels: int, equal: bool | None) -> Any:
    import numpy as np
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import MaxNLocator

    across, up = found.axes
    values = np.ma.masked_invalid(found.values.T)
    low, high = float(values.min()), float(values.max())
    high = high if high > low else low + max(abs(low), 1.0) * 1e-9
    steps = np.geomspace(low, high, levels) if log else np.linspace(low, high, levels)
    norm = LogNorm(low, high) if log else Normalize(low, high)
    filled = ax.contourf(across, up, values, steps, norm=norm, cmap="YlGnBu_r")
    ax.contour(across, up, values, steps[1:-1], colors="0.25", linewidths=0.35, alpha=0.7)
    bar = ax.figure.colorbar(filled, ax=ax, label="loss", ticks=None if log else MaxNLocator(6))
    if log:
        ticks = [t for t in 10.0 ** np.arange(-300, 300) if low <= t <= high]
        ticks = ticks if len(ticks) > 1 else list(np.geomspace(low, high, 5))
        bar.ax.minorticks_off()
        bar.ax.set_yticks(ticks, [f"{t:.3g}" for t in ticks])
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.yaxis.set_major_locator(MaxNLocator(6))
    ax.set_facecolor("0.85")  # where the loss is not finite
    names = [f"coordinate ${c}$" for c in "ab"]
    if found.explained is not None:
        names = [f"principal axis {i + 1} ({100 * x:.3g} %)" for i, x in enumerate(found.explained)]
    ax.set(xlabel=names[0], ylabel=names[1])
    for i, path in enumerate(found.paths):
        colour, (x, y) = COLOURS[i % len(COLOURS)], path.coordinates.T
        ax.plot(x, y, "-", color="white", lw=2.6, zorder=2.4)  # a rim against dark ground
        ax.plot(x, y, "o-", color=colour, ms=2.6, lw=1.2, label=path.label, zorder=2.5)
        ax.plot(x[:1], y[:1], "s", color=colour, ms=5.5, mec="white", zorder=3)
        ax.plot(x[-1:], y[-1:], "*", color=colour, ms=13, mec="white", mew=0.6, zorder=3.1)
    if found.paths:
        ax.legend(loc="best", fontsize=8, framealpha=0.9)
    elif across[0] <= 0 <= across[-1] and up[0] <= 0 <= up[-1]:
        ax.plot(0, 0, "+", color="#d94801", ms=9, mew=1.6)
    if equal is None:
        ratio = (up[-1] - up[0]) / (across[-1] - across[0])
        equal = found.explained is not None and 0.4 < ratio < 2.5
    if equal:
        ax.set_aspect("equal")
    return ax
