"""The state of the lanes that a tracker moves in lock step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detvar.homotopy.charts import ChartIds, Charts
from detvar.homotopy.solve_linear import solve_dense
from detvar.homotopy.system import System
from detvar.homotopy.tape import ComplexArray, Kernel


class Lanes:
    """Arrays with one column per running path, refilled from a queue of starts.

    `saved` is the last accepted point, at t, and `series` its Taylor coefficients; `x` is the
    point being corrected, at `target`.  A lane that is `carrying` only corrects in the next
    round: so do new lanes and lanes with new coordinates, which have no series yet.
    `status` is −1 while a lane runs.
    """

    def __init__(
        self,
        system: System,
        starts: ComplexArray,
        p0: ComplexArray,
        p1: ComplexArray,
        start_charts: ChartIds,
        capacity: int,
        charts: Charts | None,
        dense: bool,
    ) -> None:
        self.system = system
        self._starts, self._p0, self._p1 = starts, p0, p1
        self._start_charts = start_charts
        self._charts = charts
        self._queue = 0
        self._dense = dense
        self._newton = Kernel(system.jacobian_tape if dense else system.newton_tape)
        self._taylor = Kernel(system.taylor_tape)
        width = min(capacity, len(starts))
        n, m = system.variables, system.parameters
        self.x: ComplexArray = np.empty((n, width), dtype=np.complex128)
        self.saved: ComplexArray = np.empty_like(self.x)
        self.series: ComplexArray = np.zeros((3, n, width), dtype=np.complex128)
        self.p: ComplexArray = np.empty((m, width), dtype=np.complex128)
        self.p_start: ComplexArray = np.empty_like(self.p)
        self.dp: ComplexArray = np.empty_like(self.p)
        self.path = np.zeros(width, dtype=np.int64)
        self.chart: ChartIds = np.zeros(width, dtype=np.int64)
        self.t = np.zeros(width)
        self.target = np.zeros(width)
        self.h = np.zeros(width)
        self.h_max = np.zeros(width)
        self.error = np.zeros(width)
        self.omega = np.zeros(width)
        self.last = np.zeros(width)
        self.steps = np.zeros(width, dtype=np.int64)
        self.rejected = np.zeros(width, dtype=np.int64)
        self.carried = np.zeros(width, dtype=np.int64)
        self.carrying = np.zeros(width, dtype=np.bool_)
        self.new = np.zeros(width, dtype=np.bool_)
        self.status = np.full(width, -1, dtype=np.int64)
        self.idle = np.zeros(width, dtype=np.bool_)
        self._load(np.arange(width))
        self._bind()

    def _load(self, at: NDArray[np.int64]) -> None:
        """Start the next paths of the queue in the given lanes."""
        paths = np.arange(self._queue, self._queue + at.size)
        self._queue += at.size
        self.path[at] = paths
        self.saved[:, at] = self.x[:, at] = self._starts[paths].T
        self.chart[at] = self._start_charts[paths]
        self._set_parameters(at)
        self.t[at] = self.target[at] = 0.0
        self.h_max[at] = 1.0
        self.omega[at] = 1.0
        self.steps[at] = self.rejected[at] = self.carried[at] = 0
        self.last[at] = np.inf
        self.carrying[at] = self.new[at] = True
        self.status[at] = -1

    def _set_parameters(self, at: NDArray[np.int64]) -> None:
        a, b = self._p0[self.path[at]], self._p1[self.path[at]]
        if self._charts is not None:
            a = self._charts.parameters(a, self.chart[at])
            b = self._charts.parameters(b, self.chart[at])
        self.p_start[:, at] = a.T
        self.dp[:, at] = (b - a).T

    def refill(self, finished: NDArray[np.bool_]) -> bool:
        """Give finished lanes new paths; drop idle lanes when they are many.  False at the end."""
        self.idle |= finished
        free = np.flatnonzero(self.idle)
        take = free[: len(self._starts) - self._queue]
        if take.size:
            self._load(take)
            self.idle[take] = False
        self.status[self.idle] = -1
        idle = int(self.idle.sum())
        if idle == self.idle.size:
            return False
        if idle > 0.2 * self.idle.size:
            self._keep(~self.idle)
        return True

    @property
    def running(self) -> int:
        """Number of lanes with a path."""
        return int(self.idle.size - self.idle.sum())

    @property
    def waiting(self) -> int:
        """Number of paths that have not started."""
        return len(self._starts) - self._queue

    def _keep(self, mask: NDArray[np.bool_]) -> None:
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray) and not name.startswith("_") and name != "idle":
                setattr(self, name, np.ascontiguousarray(value[..., mask]))
        self.idle = np.zeros(int(mask.sum()), dtype=np.bool_)
        self._bind()

    def _bind(self) -> None:
        width = self.path.size
        xp = [*self.x, *self.p]
        self._newton.bind(xp, width)
        self._taylor.bind([*xp, *self.dp], width)

    def move_parameters(self) -> None:
        """Set p to the parameters at `target`."""
        np.multiply(self.dp, self.target, out=self.p)
        self.p += self.p_start

    def newton(self) -> ComplexArray:
        """Do one Newton step in every lane; return the updates (N, lanes)."""
        dx = self._newton()
        if self._dense:
            n = self.system.variables
            dx = solve_dense(dx[n:].reshape(n, n, -1), dx[:n, None])[:, 0]
        self.x -= dx
        return dx

    def newton_and_series(self) -> tuple[ComplexArray, ComplexArray]:
        """Do one Newton step; return the updates and the coefficients (3, N, lanes).

        The coefficients belong to the point before the step, which is close enough.
        """
        out = self._taylor().reshape(4, self.system.variables, -1)
        if self._dense:
            return self.newton(), out[1:]
        self.x -= out[0]
        return out[0], out[1:]

    def switch_charts(self, mask: NDArray[np.bool_]) -> None:
        """Ask the hook which of the given lanes need other coordinates, and change them."""
        if self._charts is None:
            return
        mask = mask & ~self.idle & (self.status < 0)
        at = np.flatnonzero(mask & self._charts.needs_switch(self.saved.T))
        if not at.size:
            return
        x, self.chart[at] = self._charts.switch(self.saved[:, at].T, self.chart[at])
        self.saved[:, at] = self.x[:, at] = x.T
        self._set_parameters(at)
        self.carrying[at] = True
        self.carried[at] = 0
        self.last[at] = np.inf
