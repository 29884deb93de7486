"""Homotopies built on the tracker: to other parameters, from a total-degree start, traces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detvar.errors import InputError, ShapeError
from detvar.homotopy.charts import ChartIds, Charts
from detvar.homotopy.derivatives import homogenize
from detvar.homotopy.distinct import PointSet
from detvar.homotopy.expression import Expression, Graph
from detvar.homotopy.monodromy import Fiber
from detvar.homotopy.system import System
from detvar.homotopy.tape import ComplexArray
from detvar.homotopy.tracker import Status, TrackOptions, track


@dataclass(frozen=True, eq=False)
class Solutions:
    """Solutions over D parameter vectors, d paths each.

    Attributes
    ----------
    x : (D, d, N) complex
    status : (D, d) int, see `Status`
    charts : (D, d) int
    parameters : (D, M) complex
    retracked : int
        Paths that were tracked a second or third time.
    clean : (D,) bool
        Whether all d paths arrived, at d distinct points.
    """

    x: ComplexArray
    status: NDArray[np.int8]
    charts: ChartIds
    parameters: ComplexArray
    retracked: int
    clean: NDArray[np.bool_]

    def __str__(self) -> str:
        d, k, _ = self.x.shape
        return f"{d} × {k} solutions, {int(self.clean.sum())} of {d} sets complete and distinct"


def parameter_homotopy(
    system: System,
    fiber: Fiber,
    targets: Any,
    *,
    options: TrackOptions | None = None,
    charts: Charts | None = None,
    seed: int = 0,
    block: int = 40_000,
) -> Solutions:
    """Move all solutions of a generic fiber to D other parameter vectors.

    Parameters
    ----------
    system : System
    fiber : Fiber
        All solutions over generic complex parameters.
    targets : (D, M) or (M,) real or complex
    options, charts
        As in `track`.
    seed : int
        For the third attempt, which turns the start parameters by a random phase.
    block : int
        About how many paths are tracked in one call; bounds the memory.

    Returns
    -------
    Solutions

    Notes
    -----
    Cost: D·d paths.  Paths that fail or meet are tracked again with careful options.
    Validity: for targets outside a proper algebraic subset the d end points are all solutions.

    Examples
    --------
    >>> from detvar.homotopy import monodromy
    >>> S = System.from_function(lambda x, p: [p[0] * x[0] ** 2 + p[1]], variables=1, parameters=2)
    >>> out = parameter_homotopy(S, monodromy(S, target=2), [[1, -4], [1, 9]])
    >>> sorted(out.x[0, :, 0].real.round(9).tolist())
    [-2.0, 2.0]
    """
    p1 = np.asarray(targets, dtype=np.complex128)
    p1 = p1[None] if p1.ndim == 1 else p1
    if p1.ndim != 2 or p1.shape[1] != system.parameters:
        raise ShapeError(f"the targets have shape {p1.shape}: give (D, {system.parameters})")
    sets, count, n = len(p1), fiber.count, system.variables
    x = np.empty((sets, count, n), dtype=np.complex128)
    status = np.empty((sets, count), dtype=np.int8)
    ids = np.empty((sets, count), dtype=np.int64)
    clean = np.zeros(sets, dtype=np.bool_)
    opt = options or TrackOptions()
    rng = np.random.default_rng(seed)
    retracked = 0

    def run(
        which: NDArray[np.bool_], first: int, options: TrackOptions, phase: complex = 1
    ) -> None:
        """Track the paths of a (sets, d) mask whose row 0 is data set `first`."""
        i, j = np.nonzero(which)
        start = np.broadcast_to(phase * fiber.parameters, (i.size, system.parameters))
        result = track(
            system,
            fiber.points[j],
            start,
            p1[first + i],
            options=options,
            charts=charts,
            start_charts=fiber.charts[j],
        )
        x[first + i, j], status[first + i, j] = result.x, result.status
        ids[first + i, j] = result.charts

    size = max(1, block // max(count, 1))
    for a in range(0, sets, size):
        part = slice(a, min(a + size, sets))
        run(np.ones((part.stop - a, count), dtype=np.bool_), a, opt)
        suspect = _suspects(x[part], status[part], ids[part], charts)
        if suspect.any():
            retracked += int(suspect.sum())
            run(suspect, a, opt.careful())
            suspect = _suspects(x[part], status[part], ids[part], charts)
        if suspect.any() and system.is_homogeneous_in_parameters:
            whole = np.asarray(suspect.any(axis=1)).reshape(-1, 1)
            suspect = np.broadcast_to(whole, suspect.shape)
            retracked += int(suspect.sum())
            run(suspect, a, opt.careful(), complex(np.exp(2j * np.pi * rng.random())))
            suspect = _suspects(x[part], status[part], ids[part], charts)
        clean[part] = ~suspect.any(axis=1)
    return Solutions(x, status, ids, p1, retracked, clean)


def _suspects(
    x: ComplexArray, status: NDArray[np.int8], ids: ChartIds, charts: Charts | None
) -> NDArray[np.bool_]:
    """Mask (D, d) of paths that failed, or whose end points coincide within their set."""
    bad: NDArray[np.bool_] = np.array(status != Status.SUCCESS, dtype=np.bool_)
    sets, count, n = x.shape
    if not count:
        return bad
    flat = x.reshape(-1, n)
    same = flat if charts is None else charts.invariant(flat, ids.reshape(-1))
    same = same.reshape(sets, count, -1)
    weights = np.exp(1j * np.arange(1, same.shape[2] + 1))
    keys = np.sort((same @ weights).real, axis=1)
    scale = np.abs(same).max(axis=(1, 2))
    close = (np.diff(keys, axis=1) <= 1e-5 * scale[:, None]).any(axis=1)
    for i in np.flatnonzero(close):
        numbers = PointSet(same.shape[2]).add(same[i])
        times = np.bincount(numbers, minlength=count)
        bad[i] |= times[numbers] > 1
    return bad


@dataclass(frozen=True, eq=False)
class TotalDegree:
    """Outcome of a total-degree homotopy.

    Attributes
    ----------
    solutions : (d, N) complex
        The distinct regular finite solutions.
    paths : int
        Product of the degrees of the equations.
    counts : dict
        Paths by fate: finite, infinite (regular end point at infinity), singular (end point
        singular or singular at infinity), failed (lost before the end).
    """

    solutions: ComplexArray
    paths: int
    counts: dict[str, int]


def total_degree(
    system: System, p: Any, *, seed: int = 0, options: TrackOptions | None = None
) -> TotalDegree:
    """Find the isolated regular solutions of F(x; p) = 0 from γ(1−t)(x_i^{d_i} − 1) + tF.

    The path runs in projective space, in a random affine patch, so that solutions at infinity
    are ordinary end points.

    Parameters
    ----------
    system : System
        Polynomial in x.
    p : (M,) complex
    seed : int
    options : TrackOptions, optional

    Returns
    -------
    TotalDegree

    Notes
    -----
    Cost: ∏ d_i paths, far more than there are solutions when the system is sparse; meant as a
    second, independent count of small systems.
    Validity: with probability one all isolated solutions are end points; singular ones are
    counted, not listed.

    References
    ----------
    Sommese, Wampler, The numerical solution of systems of polynomials (2005), chapter 8.

    Examples
    --------
    >>> S = System.from_function(
    ...     lambda x, p: [x[0] * x[1] - p[0], x[0] + x[1] - 3], variables=2, parameters=1
    ... )
    >>> sorted(total_degree(S, [2]).solutions[:, 0].real.round(9).tolist())
    [1.0, 2.0]
    """
    values = np.asarray(p, dtype=np.complex128)
    if values.shape != (system.parameters,):
        raise ShapeError(f"the parameters have shape {values.shape}: give ({system.parameters},)")
    rng = np.random.default_rng(seed)
    n = system.variables
    patch = rng.standard_normal(n + 1) + 1j * rng.standard_normal(n + 1)
    projective, degrees = _projective(system, values, patch, np.exp(2j * np.pi * rng.random()))
    roots = [np.exp(2j * np.pi * np.arange(d) / d) for d in degrees]
    starts = np.array(list(product(*roots)), dtype=np.complex128).reshape(-1, n)
    starts = np.concatenate([np.ones((len(starts), 1)), starts], axis=1)
    starts /= (starts @ patch)[:, None]
    # a singular end point is approached in ever smaller steps: give up early
    opt = replace(options or TrackOptions(), min_step=1e-10, max_steps=1000)
    result = track(projective, starts, [1, 0], [0, 1], options=opt)
    y = result.x
    finite = np.asarray(result.success & (np.abs(y[:, 0]) > 1e-8 * np.abs(y).max(axis=1)))
    infinite = np.asarray(result.success & ~finite)
    singular = ~result.success & (result.t > 1 - 1e-3)
    x = y[finite, 1:] / y[finite, :1]
    numbers = PointSet(n).add(x)
    _, first = np.unique(numbers, return_index=True)
    counts = {
        "finite": int(finite.sum()),
        "infinite": int(infinite.sum()),
        "singular": int(singular.sum()),
        "failed": int((~(finite | infinite | singular)).sum()),
    }
    return TotalDegree(x[first], len(starts), counts)


def _projective(
    system: System, values: ComplexArray, patch: ComplexArray, gamma: complex
) -> tuple[System, list[int]]:
    """The system aγG(y) + bF(y) = 0, patch·y = 1 in y_0…y_N with parameters (a, b)."""
    n = system.variables
    graph = Graph()
    y = [Expression(graph, graph.input(i)) for i in range(n + 1)]
    a, b = (Expression(graph, graph.input(n + 1 + i)) for i in range(2))
    constants = [Expression(graph, graph.constant(complex(v))) for v in values]
    given = system.graph.evaluate(
        system.equations,
        [*y[1:], *constants],
        lambda c: Expression(graph, graph.constant(c)),
    )
    nodes, degrees = homogenize(graph, [e.node for e in given], [v.node for v in y[1:]], y[0].node)
    if min(degrees) < 1:
        raise InputError("an equation does not contain any variable: remove it")
    equations = [
        a * gamma * (y[i + 1] ** d - y[0] ** d) + b * Expression(graph, node)
        for i, (node, d) in enumerate(zip(nodes, degrees, strict=True))
    ]
    line = y[0] * complex(patch[0]) - 1
    for v, c in zip(y[1:], patch[1:], strict=True):
        line = line + v * complex(c)
    roots = tuple(e.node for e in [*equations, line])
    return System(graph, n + 1, 2, roots), degrees


def linear_trace(
    system: System,
    fiber: Fiber,
    direction: Any,
    *,
    observable: Callable[[ComplexArray, ChartIds], ComplexArray] | None = None,
    options: TrackOptions | None = None,
    charts: Charts | None = None,
) -> float:
    """Return the relative second difference of s ↦ Σ observable(x) along p + s·direction.

    It vanishes (up to rounding) for a complete fiber where the sum over all solutions is an
    affine function of s, as for critical points whose equations are linear in the data; a
    missing solution makes it large.  ``inf`` if a path is lost.

    Parameters
    ----------
    system, fiber
    direction : (M,) complex
    observable : function (x (P, N), charts (P,)) → (P, K), optional
        The coordinates to sum; x itself, or the invariants of the charts, by default.
    options, charts
        As in `track`.

    Notes
    -----
    Cost: 2·d paths.  Validity: a check, not a proof: a part of a fiber can pass only if its own
    trace is affine.
    """
    v = np.asarray(direction, dtype=np.complex128)
    if v.shape != (system.parameters,):
        raise ShapeError(f"the direction has shape {v.shape}: give ({system.parameters},)")
    ends = np.stack([fiber.parameters + v, fiber.parameters - v])
    moved = parameter_homotopy(system, fiber, ends, options=options, charts=charts)
    if not moved.clean.all():
        return float("inf")

    def values(x: ComplexArray, ids: ChartIds) -> ComplexArray:
        if observable is not None:
            return observable(x, ids)
        return x if charts is None else charts.invariant(x, ids)

    here = values(fiber.points, fiber.charts)
    there = [values(moved.x[i], moved.charts[i]) for i in range(2)]
    gap = np.abs(there[0].sum(axis=0) + there[1].sum(axis=0) - 2 * here.sum(axis=0)).max()
    size = max(np.abs(z).sum(axis=0).max() for z in (here, *there))
    return float(gap / size)
