"""Path tracking: follow solutions of F(x; p(t)) = 0 along a segment of parameters.

An executor marches the paths to their ends, in NumPy or in compiled code; the end points are
then refined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detvar.errors import ShapeError
from detvar.homotopy.charts import ChartIds, Charts
from detvar.homotopy.executor import Executor, executor_for
from detvar.homotopy.numpy_executor import Norm, weighted_norm
from detvar.homotopy.solve_linear import solve_dense
from detvar.homotopy.system import System
from detvar.homotopy.tape import ComplexArray
from detvar.homotopy.track_result import Status, TrackOptions, TrackResult

__all__ = ["Status", "TrackOptions", "TrackResult", "refine", "track"]

_SETTLED = 1e-6  # an update this much smaller than the largest coordinate, times tolerance, is 0


def track(
    system: System,
    x0: Any,
    p0: Any,
    p1: Any,
    *,
    options: TrackOptions | None = None,
    charts: Charts | None = None,
    start_charts: ChartIds | None = None,
    stop: Callable[[], bool] | None = None,
    leave: float = 0.0,
) -> TrackResult:
    """Track x0 along p(t) = (1 − t) p0 + t p1 from t = 0 to t = 1.

    Parameters
    ----------
    system : System
    x0 : (P, N) complex
        Solutions of F(x; p0) = 0, accurate enough for Newton's method.
    p0, p1 : (M,) or (P, M) complex
        Parameters in chart 0.
    options : TrackOptions, optional
    charts : Charts, optional
        Hook for changing coordinates; `start_charts` (P,) says in which chart x0 is written.
    stop : function, optional
        Asked between rounds, at least five times a second; on True the remaining paths are
        left UNFINISHED.
    leave : float
        Return when all paths have started and less than this share of the lanes is busy; an
        UNFINISHED path can be resumed from x, which solves the system at p(t).

    Returns
    -------
    TrackResult

    Notes
    -----
    Cost: proportional to steps × length of the tapes.  See `executor_for` for the choice between
    NumPy and compiled code.
    Validity: numerical.  With the default options a jump between paths is rare, not impossible;
    compare end points, or certify them.

    Examples
    --------
    >>> S = System.from_function(lambda x, p: [x[0] ** 2 - p[0]], variables=1, parameters=1)
    >>> track(S, [[1], [-1]], [1], [4]).x.real.round(12).tolist()
    [[2.0], [-2.0]]
    """
    opt = options or TrackOptions()
    xs = system.as_points(x0)
    count = len(xs)
    a, b = system.as_parameters(p0, count), system.as_parameters(p1, count)
    ids = np.zeros(count, dtype=np.int64) if start_charts is None else start_charts
    if ids.shape != (count,):
        raise ShapeError(f"start_charts has shape {ids.shape}: give ({count},)")
    out = TrackResult.unfinished(xs, ids)
    if count:
        with executor_for(system, opt, count) as executor, np.errstate(all="ignore"):
            executor.march(out, a, b, opt, charts, stop, leave)
            refine(executor, out, b, opt, charts)
    return out


def refine(
    executor: Executor,
    out: TrackResult,
    p1: ComplexArray,
    opt: TrackOptions,
    charts: Charts | None,
) -> None:
    """Polish arrived end points in place by two Newton steps, up to three times."""
    norm = Norm(executor.system.blocks, opt.floor)
    for start in range(0, len(out.x), opt.lanes):
        block = np.arange(start, min(start + opt.lanes, len(out.x)))
        block = block[out.status[block] == Status.SUCCESS]
        for _ in range(3):
            if not block.size:
                break
            p = p1[block]
            if charts is not None:
                p = charts.parameters(p, out.charts[block])
            x, q = np.ascontiguousarray(out.x[block].T), np.ascontiguousarray(p.T)
            for _ in range(2):
                dx = executor.newton(x, q)
                size = weighted_norm(dx, norm.inverse_weights(x, _SETTLED))
                ok = np.isfinite(size)
                x -= np.where(ok, dx, 0)
            out.x[block] = x.T
            out.residual[block] = np.where(ok, size, np.inf)
            block = block[~(size < opt.end_tolerance)]
        if block.size:
            block = _refine_with_pivots(executor.system, out, p1, opt, charts, block, norm)
        out.status[block] = Status.NOT_REFINED


def _refine_with_pivots(
    system: System,
    out: TrackResult,
    p1: ComplexArray,
    opt: TrackOptions,
    charts: Charts | None,
    block: NDArray[np.int64],
    norm: Norm,
) -> NDArray[np.int64]:
    """Polish by elimination with pivoting; return the points that this does not help either.

    At special parameters a pivot of the fixed elimination order may vanish at the end point.
    """
    p = p1[block] if charts is None else charts.parameters(p1[block], out.charts[block])
    x = out.x[block]
    for _ in range(4):
        f = system.evaluate(x, p).T
        j = system.jacobian(x, p).transpose(1, 2, 0)
        dx = solve_dense(j, f[:, None])[:, 0]
        size = weighted_norm(dx, norm.inverse_weights(np.ascontiguousarray(x.T), _SETTLED))
        x = x - np.where(np.isfinite(size), dx, 0).T
    good = np.asarray(size < opt.end_tolerance)
    out.x[block[good]] = x[good]
    out.residual[block] = np.where(np.isfinite(size), size, np.inf)
    return block[~good]
