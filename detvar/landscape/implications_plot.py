"""The digraph of implications as a picture."""

from __future__ import annotations

from typing import Any

from detvar.errors import MissingExtraError

_PLACES: dict[str, tuple[float, float]] = {
    "SC": (2.6, 7.0),
    "ESC": (0.6, 6.2),
    "WSC": (0.6, 4.8),
    "OPC": (3.2, 5.6),
    "RSI": (2.0, 3.8),
    "EB": (0.2, 2.4),
    "QG": (3.6, 2.6),
    "PL": (1.6, 1.2),
    "KL": (0.0, 0.0),
    "Aim + EB": (3.4, 1.2),
    "Aim + QG": (4.9, 3.0),
    "Aim": (6.3, 3.3),
    "Cvx": (5.6, 7.0),
    "StarCvx": (5.2, 5.4),
    "QCvx": (7.6, 4.9),
    "Cvx_i": (9.2, 7.0),
    "Aim_i": (8.6, 3.6),
    "AB": (10.4, 4.6),
    "AAim": (10.2, 2.0),
    "AB + Interp": (9.3, 3.05),
    "Interp": (11.0, 3.2),
    "∅": (11.0, 1.2),
    "Invex": (5.4, -0.2),
}
_LOOKS: dict[str, tuple[str, Any]] = {
    "": ("#222222", "-"),
    "L-smooth": ("#1f5fbf", (0, (5, 2))),
    "locally Lipschitz": ("#1a8a4a", (0, (1.2, 1.4))),
    "unique minimiser": ("#9a3fb5", (0, (6, 2, 1.2, 2))),
    "only": ("#999999", "-"),
    "n = 1": ("#cc6a00", (0, (3, 1.5, 1.2, 1.5, 1.2, 1.5))),
}


def plot(ax: Any = None) -> Any:
    """Draw the rules: a box per condition, a circle where all premises are needed together.

    The style of an arrow is the property of f that it needs.

    Parameters
    ----------
    ax : matplotlib Axes, optional
        A new figure of 12 × 8.5 inches by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    MissingExtraError
        Without matplotlib.
    """
    try:
        import matplotlib.pyplot as plt
        from matplotlib.lines import Line2D
        from matplotlib.patches import FancyArrowPatch
    except ImportError:
        raise MissingExtraError("matplotlib", "plot") from None
    from detvar.landscape.implication_rules import PROPERTIES
    from detvar.landscape.implications import graph

    g = graph()
    if ax is None:
        _, ax = plt.subplots(figsize=(12, 8.5), layout="constrained")
    labels = {}
    for name, data in g.nodes(data=True):
        x, y = _PLACES[name]
        is_and = data["kind"] == "and"
        labels[name] = ax.text(
            x,
            y,
            "&" if is_and and name != "∅" else name.replace("_i", "$_i$"),
            ha="center",
            va="center",
            fontsize=10 if is_and else 12,
            zorder=3,
            bbox={
                "boxstyle": "circle,pad=0.25" if is_and else "round,pad=0.35",
                "fc": "#f2f2f2" if is_and else "white",
                "ec": "#777777" if is_and else "#222222",
            },
        )
    for a, b, data in g.edges(data=True):
        if a == b:
            continue
        color, style = _LOOKS["only" if data["only"] else data["side"]]
        bend = 0.16 if g.has_edge(b, a) else 0.0
        if g.number_of_edges(a, b) > 1 and data["side"]:
            bend = 0.34
        ax.add_patch(
            FancyArrowPatch(
                _PLACES[a],
                _PLACES[b],
                patchA=labels[a].get_bbox_patch(),
                patchB=labels[b].get_bbox_patch(),
                connectionstyle=f"arc3,rad={bend}",
                arrowstyle="-|>",
                mutation_scale=13,
                shrinkA=2,
                shrinkB=2,
                color=color,
                linestyle=style,
                linewidth=1.3,
                zorder=2,
            )
        )
    xs, ys = zip(*_PLACES.values(), strict=True)
    ax.set_xlim(min(xs) - 0.8, max(xs) + 0.8)
    ax.set_ylim(min(ys) - 0.6, max(ys) + 0.6)
    ax.axis("off")
    words = {side: f"if {text}" for side, text in PROPERTIES.items()}
    words |= {"": "always", "only": "for β = 0, e = 0, ϑ = ½ only"}
    handles = [
        Line2D([], [], color=color, linestyle=style, label=words.get(side, ""))
        for side, (color, style) in _LOOKS.items()
    ]
    ax.legend(handles=handles, loc="lower right", frameon=False, fontsize=10, handlelength=3.2)
    return ax
