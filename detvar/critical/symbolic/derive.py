"""From a network, a loss and the name of a form to its critical equations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, product
from typing import Any

from detvar.critical.symbolic.equations import CriticalEquations
from detvar.critical.symbolic.forms import Plan
from detvar.errors import DetvarError, InputError, NotExactError, ShapeError
from detvar.losses.symbolic import SymbolicLoss, symbolic_matrix
from detvar.networks.linear import LinearNetwork
from detvar.networks.problem import problem_from_json

FORMS = ("weights", "function_space", "chart")
MULTIPLIERS = (None, "kernel", "minors")


def problem_of(obj: Any) -> tuple[LinearNetwork, Any]:
    """Return network and loss of a parsed problem file, in which numbers may be names.

    Weights in the file are left aside.

    Raises
    ------
    DetvarError
        One sentence that names the field at fault.
    """
    plain = {k: x for k, x in obj.items() if k != "weights"} if isinstance(obj, dict) else obj
    try:
        problem = problem_from_json(plain)
        return problem.network, problem.loss
    except (NotExactError, InputError) as error:
        first: DetvarError = error
    if not isinstance(plain, dict) or set(plain) != {"network", "loss"}:
        raise first
    widths, data = plain["network"], plain["loss"]
    if not isinstance(widths, list) or not isinstance(data, dict):
        raise first
    network = LinearNetwork(*widths)
    try:
        loss = SymbolicLoss.from_json(data, (network.widths[-1], network.widths[0]))
    except ShapeError:
        raise
    except DetvarError:
        raise first from None
    if not loss.parameters and loss.is_rational:
        raise first
    return network, loss


def critical_equations(
    network: LinearNetwork,
    loss: Any,
    form: str = "weights",
    rank: int | None = None,
    *,
    weights: Sequence[Any] | None = None,
    multipliers: str | None = None,
    pivots: Sequence[int] | None = None,
) -> CriticalEquations:
    """Return the critical equations of L(θ) = ℓ(W_h⋯W_1), with G = ∇ℓ(W), W = W_h⋯W_1.

    Parameters
    ----------
    network : widths d_0, …, d_h
    loss : a loss on d_h×d_0 matrices, or a `SymbolicLoss`, whose symbols stay as parameters
    form : "weights": W_{i+1}ᵀ⋯W_hᵀ G W_1ᵀ⋯W_{i−1}ᵀ = 0 for all layers i;
        "function_space": WᵀG = 0, GWᵀ = 0 on the matrices of rank r;
        "chart": the same for W = EB with an identity block in E, as many equations as unknowns
    rank : r, by default the largest the network allows; in the weights, by default, any
    weights : for "weights": one entry per layer, None or a matrix; symbols w1_1_1, … in it are
        unknowns, all others parameters
    multipliers : for "function_space": "kernel" adds L with LW = 0 and multipliers M with
        G + LᵀM = 0, MWᵀ = 0; "minors" one multiplier for every minor of size r + 1
    pivots : for "chart" and "kernel": the r rows, from 0, with the identity block; by default
        the first. Points for which these rows of W are dependent are not in the chart.

    Raises
    ------
    InputError, ShapeError
        If an argument is out of range, or a data symbol has the name of an unknown.

    Notes
    -----
    **Cost**: products of small matrices; nothing is simplified or expanded until asked.
    **Validity**: all forms are exact. The last two describe the critical points of ℓ on the
    matrices of rank exactly r, the first those of L; they agree for r = min d_i.

    References
    ----------
    Trager, Kohn, Bruna (2020); Ottaviani, Spaenlehauer, Sturmfels (2014), §2, for kernels.

    Examples
    --------
    >>> from detvar import LinearNetwork, WeightedSquaredLoss
    >>> loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    >>> eqs = critical_equations(LinearNetwork(2, 1, 2), loss, "chart")
    >>> eqs.variables, eqs.degrees
    ((a2_1, b1_1, b1_2), (3, 3, 3))
    """
    if form not in FORMS:
        raise InputError(f"form is {form!r}: write one of {', '.join(FORMS)}")
    m, n = network.widths[-1], network.widths[0]
    if loss.shape != (m, n):
        have = "×".join(map(str, loss.shape))
        raise ShapeError(f"the loss is on {have} matrices, but {network} gives {m}×{n} ones")
    if weights is not None and form != "weights":
        raise InputError('weights go with form="weights": leave them out')
    if multipliers not in MULTIPLIERS:
        raise InputError(f'multipliers is {multipliers!r}: write "kernel", "minors" or None')
    if multipliers is not None and form != "function_space":
        raise InputError('multipliers go with form="function_space": leave them out')
    r = _rank(network, form, rank)
    charted = form == "chart" or multipliers == "kernel"
    if pivots is not None and not charted:
        raise InputError('pivots go with form="chart" or multipliers="kernel": leave them out')
    rows = _pivots(pivots, r or 0, m) if charted else ()
    if form == "weights":
        blocks = _layers(network, weights)
    else:
        blocks = _unknowns(form, (m, n), r or 0, rows, multipliers)
    out = CriticalEquations(network, loss, Plan(form, (m, n), r, blocks, rows, multipliers))
    taken = {s.name for s in getattr(loss, "parameters", ())}
    own = {s.name for _, table in blocks for row in table for x in row for s in x.free_symbols}
    if form == "weights":
        own &= {x.name for w in network.symbolic_weights() for x in w}
    clash = sorted(taken & own)
    if clash:
        raise InputError(f"the data symbol {clash[0]} is the name of an unknown: rename it")
    return out


def _rank(network: LinearNetwork, form: str, rank: int | None) -> int | None:
    bound = network.rank_bound
    if rank is None:
        return None if form == "weights" else bound
    least = 1 if form == "chart" else 0
    if isinstance(rank, bool) or not isinstance(rank, int) or not least <= rank <= bound:
        raise InputError(f"rank is {rank!r}: give one from {least} to {bound}")
    return rank


def _pivots(pivots: Sequence[int] | None, r: int, m: int) -> tuple[int, ...]:
    rows = tuple(range(r)) if pivots is None else tuple(pivots)
    if (
        len(set(rows)) != r
        or list(rows) != sorted(rows)
        or not all(type(i) is int and 0 <= i < m for i in rows)
    ):
        raise InputError(f"pivots must be {r} different rows from 0 to {m - 1}, increasing")
    return rows


def _layers(network: LinearNetwork, weights: Sequence[Any] | None) -> tuple[tuple[str, Any], ...]:
    free = network.symbolic_weights()
    if weights is None:
        weights = [None] * network.depth
    if isinstance(weights, (str, bytes)) or len(weights) != network.depth:
        raise ShapeError(f"weights must list {network.depth} matrices, None for a free layer")
    out = []
    for i, (w, own) in enumerate(zip(weights, free, strict=True)):
        given = own if w is None else symbolic_matrix(w, f"weights[{i}]")
        if given.shape != own.shape:
            have, want = ("×".join(map(str, x.shape)) for x in (given, own))
            raise ShapeError(f"weights[{i}] is {have}: give a {want} matrix")
        out.append((f"W_{i + 1}", given.tolist()))
    return tuple(out)


def _unknowns(
    form: str,
    shape: tuple[int, int],
    r: int,
    pivots: tuple[int, ...],
    multipliers: str | None,
) -> tuple[tuple[str, Any], ...]:
    import sympy

    def block(letter: str, rows: Iterable[int], columns: Iterable[int]) -> list[list[Any]]:
        each = list(columns)
        return [[sympy.Symbol(f"{letter}{i + 1}_{j + 1}") for j in each] for i in rows]

    m, n = shape
    others = [i for i in range(m) if i not in pivots]
    if form == "chart":
        a = block("a", others, range(r))
        return ((("A", a),) if a else ()) + (("B", block("b", range(r), range(n))),)
    out: tuple[tuple[str, Any], ...] = (("W", block("w", range(m), range(n))),)
    if multipliers == "kernel" and others:
        kernel, multiplier = block("l", others, pivots), block("m", others, range(n))
        out += (("L", kernel), ("M", multiplier))
    if multipliers == "minors":
        pairs = product(combinations(range(m), r + 1), combinations(range(n), r + 1))
        names = [sympy.Symbol(f"l{k + 1}") for k, _ in enumerate(pairs)]
        out += (("λ", [names]),) if names else ()
    return out
