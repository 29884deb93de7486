"""Path tracking: follow solutions of F(x; p(t)) = 0 along a segment of parameters.

All lanes run in lock step, each with its own t and step size.  One round is a Padé
predictor, two Newton steps and the Taylor coefficients at the new point; finished lanes are
refilled from the queue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detvar.errors import ShapeError
from detvar.homotopy.charts import ChartIds, Charts
from detvar.homotopy.lanes import Lanes
from detvar.homotopy.solve_linear import solve_dense
from detvar.homotopy.system import System
from detvar.homotopy.tape import ComplexArray, Kernel

_SETTLED = 1e-6  # an update this much smaller than the largest coordinate, times tolerance, is 0


class Status(IntEnum):
    """How a path ended."""

    SUCCESS = 0
    STEP_TOO_SMALL = 1
    TOO_MANY_STEPS = 2
    DIVERGED = 3
    NOT_REFINED = 4
    UNFINISHED = 5


@dataclass(frozen=True)
class TrackOptions:
    """Constants of the step control; the defaults lose no path on generic problems.

    Attributes
    ----------
    beta_tau : float
        Share of the estimated radius of convergence a step may use.
    beta_omega : float
        Safety divisor on the step that the last prediction error allows.
    contraction : float
        Largest ratio of two Newton updates that counts as convergence.
    tolerance : float
        Size of a Newton update, relative to the point, at which a step is accepted.
    end_tolerance : float
        The same at the end point, after two more Newton steps.
    floor : float
        Coordinates below this share of the largest one of their block are measured by it.
    min_step, max_steps, max_norm, lanes, dense
        Limits; number of lanes; whether to use pivoted elimination in every lane.
    """

    beta_tau: float = 0.5
    beta_omega: float = 2.5
    contraction: float = 0.125
    tolerance: float = 1e-4
    end_tolerance: float = 1e-10
    floor: float = 0.01
    min_step: float = 1e-13
    max_steps: int = 2000
    max_norm: float = 1e12
    lanes: int = 1024
    dense: bool = False

    def careful(self) -> TrackOptions:
        """Return the options for a second attempt: shorter steps, tighter corrector, pivoting."""
        return replace(
            self, beta_tau=0.4, beta_omega=3.0, contraction=0.05, tolerance=1e-6, dense=True
        )


@dataclass(frozen=True, eq=False)
class TrackResult:
    """End points of a batch of P paths.

    Attributes
    ----------
    x : (P, N) complex
        End points; the last accepted point where a path failed.
    status : (P,) int, see `Status`
    charts : (P,) int
        Chart in which x is written (0 without charts).
    t : (P,) float
        Where the path ended, 1 on success.
    steps, rejected : (P,) int
        Accepted and rejected steps.
    residual : (P,) float
        Relative size of the last Newton update at the end point.
    """

    x: ComplexArray
    status: NDArray[np.int8]
    charts: ChartIds
    t: NDArray[np.float64]
    steps: NDArray[np.int64]
    rejected: NDArray[np.int64]
    residual: NDArray[np.float64]

    @property
    def success(self) -> NDArray[np.bool_]:
        """Mask of the paths that arrived."""
        return np.asarray(self.status == Status.SUCCESS)


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
        Asked after every round; on True the remaining paths are left UNFINISHED.
    leave : float
        Return when all paths have started and less than this share of the lanes is busy; an
        UNFINISHED path can be resumed from x, which solves the system at p(t).

    Returns
    -------
    TrackResult

    Notes
    -----
    Cost: proportional to steps × length of the tapes.
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
    ids = np.zeros(count, dtype=np.int64) if start_charts is None else start_charts.copy()
    if ids.shape != (count,):
        raise ShapeError(f"start_charts has shape {ids.shape}: give ({count},)")
    out = TrackResult(
        xs.copy(),
        np.full(count, Status.UNFINISHED, dtype=np.int8),
        ids,
        np.zeros(count),
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        np.full(count, np.inf),
    )
    with np.errstate(all="ignore"):
        if count:
            _march(system, out, a, b, opt, charts, stop, leave)
            refine(system, out, b, opt, charts)
    return out


def _march(
    system: System,
    out: TrackResult,
    p0: ComplexArray,
    p1: ComplexArray,
    opt: TrackOptions,
    charts: Charts | None,
    stop: Callable[[], bool] | None,
    leave: float,
) -> None:
    """Run all paths to t = 1 and write unrefined end points into `out`."""
    lanes = Lanes(system, out.x, p0, p1, out.charts, opt.lanes, charts, opt.dense)
    control = _Control(system, opt)
    width = lanes.running
    while True:
        finished = np.asarray((lanes.status >= 0) & ~lanes.idle)
        if finished.any():
            _collect(lanes, finished, out)
            if not lanes.refill(finished):
                return
        few = lanes.waiting == 0 and lanes.running < leave * width
        if few or (stop is not None and stop()):
            lanes.status[:] = Status.UNFINISHED
            _collect(lanes, ~lanes.idle, out)
            return
        _round(lanes, control, opt)


def _collect(lanes: Lanes, finished: NDArray[np.bool_], out: TrackResult) -> None:
    at = lanes.path[finished]
    out.x[at] = lanes.saved[:, finished].T
    out.status[at] = lanes.status[finished]
    out.charts[at] = lanes.chart[finished]
    out.t[at] = lanes.t[finished]
    out.steps[at] = lanes.steps[finished]
    out.rejected[at] = lanes.rejected[finished]


class _Control:
    """Constants of the step control, and the weighted maximum norm."""

    def __init__(self, system: System, opt: TrackOptions) -> None:
        a = opt.contraction
        self.h_a = 2 * a * (sqrt(4 * a * a + 1) - 2 * a)
        self.delta = sqrt(1 + 2 * self.h_a) - 1
        labels = sorted(set(system.blocks))
        self.blocks = [np.flatnonzero(np.array(system.blocks) == k) for k in labels]
        self.floor = opt.floor

    def inverse_weights(self, x: ComplexArray, least: float = 1e-14) -> NDArray[np.float64]:
        """1/max(|x_i|, floor · max of the block, least · max), for x of shape (N, lanes).

        A block that vanishes at the end point is measured by the largest coordinate; by its own
        size alone it would never count as settled.
        """
        w = np.abs(x)
        low_end = least * w.max(axis=0)
        for rows in self.blocks:
            low = self.floor * w[rows].max(axis=0)
            w[rows] = np.maximum(w[rows], np.maximum(low, low_end))
        return np.asarray(1.0 / np.maximum(w, 1e-300))


def _norm(v: ComplexArray, inverse_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((np.abs(v) * inverse_weights).max(axis=0))


def _round(lanes: Lanes, control: _Control, opt: TrackOptions) -> None:
    """One macro step of all lanes: predict, correct twice, accept or reject."""
    fresh = ~lanes.carrying
    iw = control.inverse_weights(lanes.saved)
    _predict(lanes, control, opt, fresh, iw)
    lanes.move_parameters()
    n0 = _norm(lanes.newton(), iw)
    update, series = lanes.newton_and_series()
    n1 = _norm(update, iw)

    theta = n1 / n0
    tiny = (n0 < opt.tolerance) & (n1 < opt.tolerance)
    finite = np.isfinite(n0) & np.isfinite(n1)
    # below 1e-3 the ratio measures round-off rather than curvature
    measured = np.where(n0 > 1e-3, np.maximum(2 * theta / n0, 0.5 * lanes.omega), 0.7 * lanes.omega)
    omega = np.where(fresh & finite, np.clip(measured, 1e-2, 1e8), lanes.omega)
    good = finite & (tiny | ((theta <= opt.contraction) & (omega * n0 / 8 <= control.h_a)))
    good &= fresh | (n0 <= lanes.last)
    accept = good & (tiny | (n1 < opt.tolerance))
    carry = good & ~accept & (lanes.carried < 3)
    reject = ~(accept | carry)
    moved = lanes.target > lanes.t

    error = n0 / np.maximum(lanes.h, 1e-300) ** 4
    lanes.error = np.where(fresh & good, np.maximum(error, 1e-30), lanes.error)
    lanes.omega = np.where(good, omega, lanes.omega)
    lanes.last = n1
    lanes.carried = np.where(carry, lanes.carried + 1, 0)
    lanes.carrying = carry

    lanes.steps += accept & moved
    lanes.rejected += reject
    lanes.t = np.where(accept, lanes.target, lanes.t)
    lanes.h_max = np.where(accept & moved, 5 * lanes.h, lanes.h_max)
    lanes.h_max = np.where(reject, 0.5 * lanes.h, lanes.h_max)
    if reject.any():
        lanes.x[:, reject] = lanes.saved[:, reject]
        lanes.target[reject] = lanes.t[reject]
    if accept.all():
        lanes.saved[:], lanes.series[:] = lanes.x, series
    else:
        np.copyto(lanes.saved, lanes.x, where=accept)
        np.copyto(lanes.series, series, where=accept)
    arrived = accept & (lanes.t >= 1.0)
    # a step so short that t + h = t would be accepted for ever
    small = (reject & (lanes.h_max < opt.min_step)) | (fresh & ~moved & ~arrived)
    lanes.status[arrived] = Status.SUCCESS
    lanes.status[small] = Status.STEP_TOO_SMALL
    lanes.status[(lanes.steps + lanes.rejected >= opt.max_steps) & ~arrived] = Status.TOO_MANY_STEPS
    lanes.status[accept & ~arrived & (np.abs(lanes.x).max(axis=0) > opt.max_norm)] = Status.DIVERGED
    lanes.switch_charts(accept & ~arrived)


def _predict(
    lanes: Lanes,
    control: _Control,
    opt: TrackOptions,
    fresh: NDArray[np.bool_],
    iw: NDArray[np.float64],
) -> None:
    """Choose the steps and move the fresh lanes to the predicted points."""
    x1, x2, x3 = lanes.series
    m2, m3 = np.abs(x2), np.abs(x3)
    s2 = m2 * iw
    significant = s2 >= 0.1 * s2.max(axis=0)
    significant &= s2 > 0
    inverse_tau = np.maximum((m3 / np.where(significant, m2, np.inf)).max(axis=0), 1e-12)
    first = fresh & lanes.new
    if first.any():
        guess = (m3 * iw).max(axis=0) * inverse_tau
        lanes.error = np.where(first, np.maximum(guess, 1e-30), lanes.error)
        lanes.new &= ~first
    h = (control.delta / (lanes.omega * lanes.error)) ** 0.25 / opt.beta_omega
    h = np.minimum(np.minimum(h, opt.beta_tau / inverse_tau), lanes.h_max)
    left = 1.0 - lanes.t
    last = h >= left * (1 - 1e-9)
    h = np.where(last, left, h)
    lanes.h = np.where(fresh, h, lanes.h)
    lanes.target = np.where(fresh, np.where(last, 1.0, lanes.t + h), lanes.target)
    h = lanes.h
    tail = np.where(significant, x2 * x2 / (x2 - h * x3), x2 + h * x3)
    np.add(lanes.saved, h * (x1 + h * tail), out=lanes.x, where=fresh)


def refine(
    system: System, out: TrackResult, p1: ComplexArray, opt: TrackOptions, charts: Charts | None
) -> None:
    """Polish arrived end points in place by two Newton steps, up to three times."""
    control = _Control(system, opt)
    kernel = Kernel(system.newton_tape)
    for start in range(0, len(out.x), opt.lanes):
        block = np.arange(start, min(start + opt.lanes, len(out.x)))
        block = block[out.status[block] == Status.SUCCESS]
        for _ in range(3):
            if not block.size:
                break
            p = p1[block]
            if charts is not None:
                p = charts.parameters(p, out.charts[block])
            x = np.ascontiguousarray(out.x[block].T)
            kernel.bind([*x, *np.ascontiguousarray(p.T)], block.size)
            for _ in range(2):
                dx = kernel()
                size = _norm(dx, control.inverse_weights(x, _SETTLED))
                ok = np.isfinite(size)
                x -= np.where(ok, dx, 0)
            out.x[block] = x.T
            out.residual[block] = np.where(ok, size, np.inf)
            block = block[~(size < opt.end_tolerance)]
        if block.size:
            block = _refine_with_pivots(system, out, p1, opt, charts, block, control)
        out.status[block] = Status.NOT_REFINED


def _refine_with_pivots(
    system: System,
    out: TrackResult,
    p1: ComplexArray,
    opt: TrackOptions,
    charts: Charts | None,
    block: NDArray[np.int64],
    control: _Control,
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
        size = _norm(dx, control.inverse_weights(np.ascontiguousarray(x.T), _SETTLED))
        x = x - np.where(np.isfinite(size), dx, 0).T
    good = np.asarray(size < opt.end_tolerance)
    out.x[block[good]] = x[good]
    out.residual[block] = np.where(np.isfinite(size), size, np.inf)
    return block[~good]
