"""Monodromy: all solutions of F(x; p) = 0 for generic p, from one solution.

Two generic parameter vectors are joined by several edges.  Tracking along an edge is a
bijection between the two sets of solutions, so a loop of two edges permutes the solutions of
one node, and new ones appear until the orbit is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detvar.errors import InputError, NotCertifiedError, ShapeError
from detvar.homotopy.charts import ChartIds, Charts
from detvar.homotopy.solution_graph import Search
from detvar.homotopy.system import System
from detvar.homotopy.tape import ComplexArray
from detvar.homotopy.tracker import TrackOptions


@dataclass(frozen=True, eq=False)
class Fiber:
    """Solutions of F(x; p) = 0 for one generic p, with the story of how they were found.

    Attributes
    ----------
    points : (d, N) complex
    charts : (d,) int
        Chart in which each point is written (0 without charts).
    parameters : (M,) complex
    count : int
    complete : bool
        True if the expected count was reached, or every edge is a bijection (see the reason).
    complete_reason : str
    segments : int
        Path segments tracked.
    failures : int
        Segments that did not arrive even with careful options.
    seconds : float
    seed : int
    log : tuple of str
    """

    points: ComplexArray
    charts: ChartIds
    parameters: ComplexArray
    count: int
    complete: bool
    complete_reason: str
    segments: int
    failures: int
    seconds: float
    seed: int
    log: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        mark = "complete" if self.complete else "incomplete"
        return (
            f"{self.count} solutions, {mark}: {self.complete_reason} "
            f"({self.segments} path segments, {self.seconds:.2f} s, seed {self.seed})"
        )


def monodromy(
    system: System,
    *,
    start: tuple[Any, Any] | None = None,
    seed: int = 0,
    target: int | None = None,
    budget: float = 60.0,
    edges: int = 4,
    options: TrackOptions | None = None,
    charts: Charts | None = None,
    progress: Callable[[int, int, float], None] | None = None,
) -> Fiber:
    """Find the solutions of F(x; p) = 0 over a generic p by monodromy.

    Parameters
    ----------
    system : System
    start : pair of (N,) and (M,) complex, optional
        A solution and its generic parameters (in chart 0); made by `start_pair` otherwise.
    seed : int
    target : int, optional
        The number of solutions there must be; the search stops when it is reached.  Without
        it the search stops when every edge is a bijection and two new edges add nothing.
    budget : float
        Seconds after which the search returns what it has.
    edges : int
        Number of edges between the two nodes.
    options, charts
        As in `track`.
    progress : function (found, segments, seconds) → None, optional

    Returns
    -------
    Fiber
        Marked incomplete if the budget ended, the user interrupted, or edges were lost.

    Notes
    -----
    Cost: about four path segments for each solution.
    Validity: finds the solutions in the irreducible component (of pairs x, p) of the start.
    Reaching `target` is the only proof of completeness given here.

    References
    ----------
    Duff, Hill, Jensen, Lee, Leykin, Sommars, Solving polynomial systems via homotopy
    continuation and monodromy, IMA J. Numer. Anal. 39 (2019).

    Examples
    --------
    >>> S = System.from_function(
    ...     lambda x, p: [x[0] ** 3 * p[0] + x[0] * p[1] + p[2]], variables=1, parameters=3
    ... )
    >>> monodromy(S, target=3).count
    3
    """
    rng = np.random.default_rng(seed)
    x, p = start_pair(system, rng) if start is None else start
    x = system.as_points(np.reshape(np.asarray(x), (1, -1)))
    p = np.asarray(p, dtype=np.complex128)
    _check_start(system, x, p)
    search = Search(system, x, p, rng, target, budget, edges, options, charts, progress)
    executors = system.executors
    executors.expected = 4 * target if target else 0
    try:
        complete, reason = search.run()
    except KeyboardInterrupt:
        complete, reason = False, "interrupted"
    finally:
        executors.expected = 0
    node = search.nodes[0]
    return Fiber(
        node.x,
        node.chart,
        node.parameters,
        len(node.x),
        complete,
        reason,
        search.segments,
        search.failures,
        search.seconds(),
        seed,
        tuple(search.log),
    )


def start_pair(system: System, rng: np.random.Generator) -> tuple[ComplexArray, ComplexArray]:
    """Return random x (N,) and random p (M,) with F(x; p) = 0.

    The parameters are a random vector moved to the solutions of the equations p ↦ F(x; p) = 0,
    along the shortest way; one linear step where these are linear, Gauss–Newton otherwise.

    Raises
    ------
    InputError
        If no such parameters are found.
    """
    n, m = system.variables, system.parameters
    x = rng.standard_normal(n) + 1j * rng.standard_normal(n)
    p = rng.standard_normal(m) + 1j * rng.standard_normal(m)
    size = None
    for _ in range(20):
        f = system.evaluate(x[None], p)[0]
        if not m or not np.isfinite(f).all():
            break
        size = np.abs(f).max() if size is None else size
        k = system.parameter_jacobian(x[None], p)[0]
        step = np.linalg.lstsq(k, f, rcond=None)[0]
        p = p - step
        if np.abs(step).max() <= 1e-13 * np.abs(p).max():
            if np.abs(f).max() <= 1e-10 * size:
                return x, p
            break
    raise InputError(
        "no parameters solve the system at a random point: give start=(x, p) with F(x; p) = 0"
    )


def _check_start(system: System, x: ComplexArray, p: ComplexArray) -> None:
    if p.shape != (system.parameters,):
        raise ShapeError(f"the start parameters have shape {p.shape}: give ({system.parameters},)")
    f = np.abs(system.evaluate(x, p)).max()
    step = np.abs(np.linalg.solve(system.jacobian(x, p)[0], system.evaluate(x, p)[0])).max()
    if not step <= 1e-6 * max(1.0, np.abs(x).max()):
        raise NotCertifiedError(
            f"the start point does not solve the system, max |F| = {f:.1e}: give a solution"
        )
