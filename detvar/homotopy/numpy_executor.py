"""The tracker in NumPy: all lanes in lock step, each with its own t and step size.

One round is a Padé predictor, two Newton steps and the Taylor coefficients at the new point;
finished lanes are refilled from the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detvar.homotopy.charts import Charts
from detvar.homotopy.lanes import Lanes
from detvar.homotopy.system import System
from detvar.homotopy.tape import ComplexArray, Kernel
from detvar.homotopy.track_result import Status, TrackOptions, TrackResult


@dataclass(frozen=True, eq=False)
class NumpyExecutor:
    """Tracks paths of one system with NumPy alone."""

    system: System

    def march(
        self,
        out: TrackResult,
        p0: ComplexArray,
        p1: ComplexArray,
        opt: TrackOptions,
        charts: Charts | None,
        stop: Callable[[], bool] | None,
        leave: float,
    ) -> None:
        """Run all paths to t = 1 and write unrefined end points into `out`."""
        lanes = Lanes(self.system, out.x, p0, p1, out.charts, opt.lanes, charts, opt.dense)
        norm = Norm(self.system.blocks, opt.floor)
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
            _round(lanes, norm, opt)

    def newton(self, x: ComplexArray, p: ComplexArray) -> ComplexArray:
        """Return the Newton updates (N, P) at x (N, P) for parameters p (M, P)."""
        return Kernel(self.system.newton_tape).bind([*x, *p], x.shape[1])()


def _collect(lanes: Lanes, finished: NDArray[np.bool_], out: TrackResult) -> None:
    at = lanes.path[finished]
    out.x[at] = lanes.saved[:, finished].T
    out.status[at] = lanes.status[finished]
    out.charts[at] = lanes.chart[finished]
    out.t[at] = lanes.t[finished]
    out.steps[at] = lanes.steps[finished]
    out.rejected[at] = lanes.rejected[finished]


class Norm:
    """The weighted maximum norm: every block of coordinates has a scale of its own."""

    def __init__(self, blocks: Sequence[int], floor: float) -> None:
        labels = np.array(blocks)
        self._blocks = [np.flatnonzero(labels == k) for k in sorted(set(blocks))]
        self._floor = floor

    def inverse_weights(self, x: ComplexArray, least: float = 1e-14) -> NDArray[np.float64]:
        """1/max(|x_i|, floor · max of the block, least · max), for x of shape (N, lanes).

        A block that vanishes at the end point is measured by the largest coordinate; by its own
        size alone it would never count as settled.
        """
        w = np.abs(x)
        low_end = least * w.max(axis=0)
        for rows in self._blocks:
            low = self._floor * w[rows].max(axis=0)
            w[rows] = np.maximum(w[rows], np.maximum(low, low_end))
        return np.asarray(1.0 / np.maximum(w, 1e-300))


def weighted_norm(v: ComplexArray, inverse_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((np.abs(v) * inverse_weights).max(axis=0))


def _round(lanes: Lanes, norm: Norm, opt: TrackOptions) -> None:
    """One macro step of all lanes: predict, correct twice, accept or reject."""
    fresh = ~lanes.carrying
    iw = norm.inverse_weights(lanes.saved)
    _predict(lanes, norm, opt, fresh, iw)
    lanes.move_parameters()
    n0 = weighted_norm(lanes.newton(), iw)
    update, series = lanes.newton_and_series()
    n1 = weighted_norm(update, iw)

    theta = n1 / n0
    tiny = (n0 < opt.tolerance) & (n1 < opt.tolerance)
    finite = np.isfinite(n0) & np.isfinite(n1)
    # below 1e-3 the ratio measures round-off rather than curvature
    measured = np.where(n0 > 1e-3, np.maximum(2 * theta / n0, 0.5 * lanes.omega), 0.7 * lanes.omega)
    omega = np.where(fresh & finite, np.clip(measured, 1e-2, 1e8), lanes.omega)
    good = finite & (tiny | ((theta <= opt.contraction) & (omega * n0 / 8 <= opt.h_a)))
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
    small = (reject & ((lanes.h_max < opt.min_step) | ~moved)) | (fresh & ~moved & ~arrived)
    lanes.status[arrived] = Status.SUCCESS
    lanes.status[small] = Status.STEP_TOO_SMALL
    lanes.status[(lanes.steps + lanes.rejected >= opt.max_steps) & ~arrived] = Status.TOO_MANY_STEPS
    lanes.status[accept & ~arrived & (np.abs(lanes.x).max(axis=0) > opt.max_norm)] = Status.DIVERGED
    lanes.switch_charts(accept & moved & ~arrived)


def _predict(
    lanes: Lanes,
    norm: Norm,
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
    h = (opt.delta / (lanes.omega * lanes.error)) ** 0.25 / opt.beta_omega
    h = np.minimum(np.minimum(h, opt.beta_tau / inverse_tau), lanes.h_max)
    left = 1.0 - lanes.t
    last = h >= left * (1 - 1e-9)
    h = np.where(last, left, h)
    lanes.h = np.where(fresh, h, lanes.h)
    lanes.target = np.where(fresh, np.where(last, 1.0, lanes.t + h), lanes.target)
    h = lanes.h
    tail = np.where(significant, x2 * x2 / (x2 - h * x3), x2 + h * x3)
    np.add(lanes.saved, h * (x1 + h * tail), out=lanes.x, where=fresh)
