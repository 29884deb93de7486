r"""What a recorded trace says about (α, β), in a few lines of text and as JSON."""

from __future__ import annotations

import os
from typing import Any

from detvar.errors import InputError
from detvar.exact.text import one_line
from detvar.landscape.best_bound import BestBound
from detvar.landscape.region import Region
from detvar.landscape.region_results import Witness
from detvar.landscape.triples import Triples, load_constants

NEEDED = ("D0", "L", "sigma2", "K")
REPORTED = ("sgd", "sgd_sharp", "spsmax")
SHOWN = 8  # active triples named in the text
ON_A_PATH = (
    "This holds on the recorded steps only; if the last iterate stands for the nearest minimiser, "
    "which it need not be, the true region may be smaller or larger."
)
ON_BOUNDS = (
    "A lower bound in place of the minimum of a sample's loss makes the region larger, and a "
    "sample that is nearly fitted (small c) makes alpha large, of the order b/c."
)


def region_report(
    path: str | os.PathLike[str],
    delta_min: Any = "0.1",
    *,
    slack: float = 0.0,
    L: float | None = None,
    K: float | None = None,
    D0: float | None = None,
    sigma2: float | None = None,
    gap: float | None = None,
) -> tuple[str, dict[str, Any]]:
    """Return the region of a trace file, its best constants and bounds, as text and as JSON.

    Parameters
    ----------
    path : path
        An .npz file as `Triples.save` writes it.
    delta_min, slack
        As in `Region.from_triples`.
    L, K, D0, sigma2 : float, optional
        Smoothness, number of steps, dist(x₀, S) and interpolation error, for the bounds; by
        default what the file stores.
    gap : float, optional
        f(x₀) − f(x_K): a bound that is not below it is vacuous.

    Returns
    -------
    (str, dict)
        In the dict every number is plain, and null stands for an infinite one.

    Raises
    ------
    InputError
        If the file is no trace, or a number is not what it must be.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "trace.npz"
    >>> Triples([1, -0.5], [2, 0.4], [0.5, 0.8]).save(file, D0=1, L=1, sigma2=1, K=100, gap=1)
    >>> text, data = region_report(file)
    >>> data["best_ratio"]["alpha"], [b["is_vacuous"] for b in data["bounds"]]
    (1.0, [True, False, True])
    """
    triples = Triples.load(path)
    if not len(triples):
        raise InputError(
            f"{one_line(os.fspath(path), 200)} has no triples: record at least one step"
        )
    given = {"L": L, "K": K, "D0": D0, "sigma2": sigma2, "gap": gap}
    stored = load_constants(path)
    constants = stored | {name: float(x) for name, x in given.items() if x is not None}
    region = Region.from_triples(triples, delta_min=delta_min, slack=slack)
    bounds = []
    if not region.is_empty and all(name in constants for name in NEEDED):
        data = {name: constants[name] for name in NEEDED}
        bounds = [region.best_bound(theorem=name, **data) for name in REPORTED]
    start = constants.get("gap")
    lines = [
        *_about_region(region, delta_min),
        *_about_bounds(region, bounds, constants),
        f"{ON_A_PATH} {ON_BOUNDS}",
    ]
    return "\n".join(lines), _as_json(region, bounds, start, constants)


def _about_region(region: Region, delta_min: Any) -> list[str]:
    head = f"{region.count} triple{'s' * (region.count != 1)}"
    if region.is_empty:
        return [
            f"{head}: no (alpha, beta) with alpha - beta >= {delta_min} is feasible",
            f"excluded by {region.active[0]}",
        ]
    end = "" if region.delta_max == float("inf") else f", at most {region.delta_max:.6g}"
    out = [
        f"{head}, alpha - beta at least {delta_min}{end}",
        f"smallest alpha: {region.min_alpha():.6g}",
        str(region.best_ratio()),
        f"active triples: {len(region.active)}",
    ]
    out += [f"  {witness}" for witness in region.active[:SHOWN]]
    if len(region.active) > SHOWN:
        out.append(f"  and {len(region.active) - SHOWN} more")
    return out


def _about_bounds(
    region: Region, bounds: list[BestBound], constants: dict[str, float]
) -> list[str]:
    if region.is_empty:
        return []
    if not bounds:
        missing = ", ".join(name for name in NEEDED if name not in constants)
        return [f"bounds: not computed, because the trace does not store {missing}"]
    gap = constants.get("gap")
    if gap is None:
        return [f"{bound}" for bound in bounds]
    words = {True: "vacuous: not below", False: "below"}
    return [f"{b} ({words[b.is_vacuous(gap)]} the initial gap {gap:.6g})" for b in bounds]


def _finite(x: float | None) -> float | None:
    return x if x is not None and abs(x) < float("inf") else None


def _witness(witness: Witness) -> dict[str, Any]:
    names = ("index", "step", "batch", "seed", "g", "b", "c", "low", "high")
    out = {name: getattr(witness, name) for name in names}
    return out | {"low": _finite(witness.low), "high": _finite(witness.high)}


def _as_json(
    region: Region, bounds: list[BestBound], gap: float | None, constants: dict[str, float]
) -> dict[str, Any]:
    out: dict[str, Any] = {
        "kind_of_result": "region_report",
        "triples": region.count,
        "is_empty": region.is_empty,
        "min_alpha": _finite(region.min_alpha()),
        "delta_max": _finite(region.delta_max),
        "best_ratio": None,
        "active": [_witness(x) for x in region.active],
        "constants": constants,
        "bounds": [],
        "caveats": [ON_A_PATH, ON_BOUNDS],
        "region": region.to_json(),
    }
    if not region.is_empty:
        best = region.best_ratio()
        out["best_ratio"] = {
            name: getattr(best, name) for name in ("ratio", "is_attained", "alpha", "beta")
        }
    for bound in bounds:
        names = ("theorem", "value", "is_attained", "alpha", "beta", "gamma", "c")
        entry = {name: getattr(bound, name) for name in names}
        entry["value"] = _finite(bound.value)
        entry["is_vacuous"] = None if gap is None else bound.is_vacuous(gap)
        out["bounds"].append(entry)
    return out
