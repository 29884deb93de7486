"""All invariants of a network or of a determinantal variety, as JSON data and as text.

What would take long is left out, and the answer says so: null in JSON, a remark in the text.
"""

from __future__ import annotations

from math import comb
from typing import Any

from detvar.errors import IncompleteError
from detvar.exact.text import text_table
from detvar.networks.fiber import connected_components
from detvar.networks.linear import LinearNetwork
from detvar.varieties import DeterminantalVariety, closed_forms

LARGEST_SIDE = 60  # degrees beyond have hundreds of digits
LARGEST_WIDTH, LARGEST_DEPTH = 200, 16  # for lists of strata
POLAR_WORK = 10_000_000  # inner steps of a localisation sum, about three seconds
HILBERT_WORK = 13_500  # rows × columns × rank, about a third of a second
STRATA_BUDGET = 5_000
RANKS_SHOWN = 12
_LARGE = "not computed: the matrices are too large"


def describe_variety(variety: DeterminantalVariety) -> dict[str, Any]:
    """Return the invariants of a determinantal variety as plain data.

    Returns
    -------
    dict
        rows, columns, rank, filling, dimension, codimension, degree, singular_locus_rank,
        dual_rank, ed_degree (Frobenius), generic_ed_degree, polar_degrees {a: δ_a}, ml_degree,
        hilbert_series, strata; null where it was left out for its size.

    Notes
    -----
    **Cost**: at most a few seconds; sums that would take longer are left out.

    Examples
    --------
    >>> d = describe_variety(DeterminantalVariety(4, 4, 2))
    >>> d["degree"], d["generic_ed_degree"], d["ml_degree"]["value"]
    (20, 1350, 191)
    """
    m, n, r, k = variety.rows, variety.columns, variety.rank, variety.max_rank
    small = max(m, n) <= LARGEST_SIDE
    fixed_points = comb(m, r) * comb(n, r) if small else POLAR_WORK + 1
    steps = fixed_points * (r * (m + n - 2 * r) + 1) * (r * r + (m - r) * (n - r))
    polar = small and steps <= POLAR_WORK
    singular = variety.singular_locus
    return {
        "rows": m,
        "columns": n,
        "rank": r,
        "filling": variety.is_filling,
        "dimension": variety.dimension,
        "codimension": variety.codimension,
        "degree": variety.degree if small else None,
        "singular_locus_rank": None if singular is None else singular.rank,
        "dual_rank": k - r,
        "ed_degree": variety.ed_degree() if small else None,
        "generic_ed_degree": variety.generic_ed_degree() if polar else None,
        "polar_degrees": (
            {str(a): x for a, x in variety.polar_degrees().items()} if polar else None
        ),
        "ml_degree": variety.ml_degree().to_json() if small else None,
        "hilbert_series": (
            variety.hilbert_series().to_json() if small and m * n * r <= HILBERT_WORK else None
        ),
        "strata": [
            {
                "rank": e,
                "dimension": closed_forms.dimension(m, n, e),
                "multiplicity": closed_forms.degree(m - e, n - e, r - e) if small else None,
            }
            for e in _shown_ranks(r)
        ],
    }


def _shown_ranks(r: int) -> list[int]:
    ranks = list(range(r + 1))
    return ranks if len(ranks) <= RANKS_SHOWN else [*ranks[: RANKS_SHOWN - 1], r]


def _or_large(x: Any) -> str:
    return _LARGE if x is None else str(x)


def variety_text(d: dict[str, Any]) -> str:
    """Return the data of `describe_variety` as text.

    >>> print(variety_text(describe_variety(DeterminantalVariety(2, 2, 1))).splitlines()[0])
    the 2×2 matrices of rank at most 1
    """
    from detvar.varieties import HilbertSeries

    m, n, r = d["rows"], d["columns"], d["rank"]
    smooth = "empty: the variety is smooth"
    singular = d["singular_locus_rank"]
    polar = d["polar_degrees"]
    ml = d["ml_degree"]
    series = d["hilbert_series"]
    rows = [
        ("dimension", d["dimension"]),
        ("codimension", d["codimension"]),
        ("degree", _or_large(d["degree"])),
        ("singular locus", smooth if singular is None else f"the matrices of rank ≤ {singular}"),
        ("dual variety", f"the {m}×{n} matrices of rank ≤ {d['dual_rank']}"),
        ("ED degree (Frobenius norm)", _or_large(d["ed_degree"])),
        ("generic ED degree", _or_large(d["generic_ed_degree"])),
        ("polar degrees", _LARGE if polar is None else _polar_text(polar)),
        ("ML degree", _LARGE if ml is None else _ml_text(ml)),
        (
            "Hilbert series",
            _LARGE if series is None else _cut(str(HilbertSeries.from_json(series))),
        ),
    ]
    strata = [(s["rank"], s["dimension"], _or_large(s["multiplicity"])) for s in d["strata"]]
    head = (
        f"the {m}×{n} matrices of rank at most {r}" if not d["filling"] else f"all {m}×{n} matrices"
    )
    table = text_table(["rank", "dimension", "multiplicity"], strata)
    return "\n".join([head, _fields(rows), "", "strata", table, *_left_out(r)])


def _polar_text(polar: dict[str, int]) -> str:
    return "  ".join(f"δ{a}={x}" for a, x in polar.items()) or "none: the conormal variety is empty"


def _ml_text(ml: dict[str, Any]) -> str:
    return f"{'unknown' if ml['value'] is None else ml['value']} ({ml['source']})"


def _cut(text: str, limit: int = 300) -> str:
    return text if len(text) <= limit else f"{text[: limit - 14]}… (see --json)"


def _left_out(r: int) -> list[str]:
    n = r + 1 - len(_shown_ranks(r))
    return [f"({n} ranks between are left out)"] if n else []


def _fields(rows: list[tuple[str, Any]]) -> str:
    return text_table(["", ""], rows, align="ll")


def describe_network(network: LinearNetwork) -> dict[str, Any]:
    """Return the invariants of a linear network as plain data.

    Returns
    -------
    dict
        network, depth, rank_bound, filling, weight_count, maximal_differential_rank,
        function_space (as in `describe_variety`, in short) and fibers: for each rank e of the
        end-to-end matrix the dimension and irreducible components of its fiber, the number of
        its strata, and the number of connected components over R.

    Notes
    -----
    **Cost**: at most a few seconds; the strata of a fiber that has more than 5000 of them, or
    more than 16 layers, are left out (null).

    Examples
    --------
    >>> d = describe_network(LinearNetwork(2, 2, 2))
    >>> d["filling"], d["fibers"][0]["component_dimensions"]
    (True, [5, 4, 4])
    """
    space = describe_variety(network.function_space)
    keys = ("rows", "columns", "rank", "dimension", "codimension", "degree", "generic_ed_degree")
    return {
        "network": list(network.widths),
        "depth": network.depth,
        "rank_bound": network.rank_bound,
        "filling": network.is_filling,
        "weight_count": network.weight_count,
        "maximal_differential_rank": network.maximal_differential_rank,
        "function_space": {key: space[key] for key in keys},
        "fibers": [_fiber(network, e) for e in _shown_ranks(network.rank_bound)],
    }


def _fiber(network: LinearNetwork, e: int) -> dict[str, Any]:
    out: dict[str, Any] = {
        "rank": e,
        "dimension": None,
        "component_dimensions": None,
        "strata": None,
        "connected_components": connected_components(network.widths, e),
    }
    if e == network.rank_bound:
        # over the largest rank the map is a submersion and the fiber is irreducible
        dimension = network.weight_count - network.maximal_differential_rank
        out |= {"dimension": dimension, "component_dimensions": [dimension]}
    if max(network.widths) <= LARGEST_WIDTH and network.depth <= LARGEST_DEPTH:
        from detvar.networks.fiber import fiber

        try:
            f = fiber(network.widths, e, budget=STRATA_BUDGET)
        except IncompleteError:
            return out
        out |= {
            "dimension": f.dimension,
            "component_dimensions": list(f.component_dimensions),
            "strata": len(f.strata),
        }
    return out


def network_text(d: dict[str, Any]) -> str:
    """Return the data of `describe_network` as text.

    >>> print(network_text(describe_network(LinearNetwork(3, 2, 3))).splitlines()[0])
    linear network 3-2-3, input first
    """
    widths = d["network"]
    space = d["function_space"]
    n, m, r = widths[0], widths[-1], d["rank_bound"]
    filling = (
        f"yes: every {m}×{n} matrix is an end-to-end map"
        if d["filling"]
        else f"no: the end-to-end maps are the {m}×{n} matrices of rank ≤ {r}"
    )
    rows = [
        ("depth", f"{d['depth']} layer{'s' * (d['depth'] > 1)}"),
        ("weights", d["weight_count"]),
        ("rank bound", r),
        ("filling", filling),
        ("maximal rank of the differential", d["maximal_differential_rank"]),
        ("dimension of the function space", space["dimension"]),
        ("degree of the function space", _or_large(space["degree"])),
        ("generic ED degree", _or_large(space["generic_ed_degree"])),
    ]
    fibers = [
        (
            f["rank"],
            "?" if f["dimension"] is None else f["dimension"],
            "?" if f["component_dimensions"] is None else _counts(f["component_dimensions"]),
            "?" if f["strata"] is None else f["strata"],
            f["connected_components"],
        )
        for f in d["fibers"]
    ]
    unlisted = ["(?: too many strata to list)"] * any(f["strata"] is None for f in d["fibers"])
    headers = ["rank", "dimension", "irreducible components", "strata", "connected over R"]
    return "\n".join(
        [
            f"linear network {'-'.join(map(str, widths))}, input first",
            _fields(rows),
            "",
            "fibers: the weights with one end-to-end matrix, by its rank",
            text_table(headers, fibers, align="rrlrr"),
            *_left_out(r),
            *unlisted,
        ]
    )


def _counts(dimensions: list[int]) -> str:
    """Write how many components there are, with their dimensions if these differ."""
    if len(set(dimensions)) == 1:
        return str(len(dimensions))
    shown = ", ".join(map(str, dimensions[:8])) + (", …" if len(dimensions) > 8 else "")
    return f"{len(dimensions)} (dimensions {shown})"
