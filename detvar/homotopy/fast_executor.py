"""The tracker in compiled code: a few lanes, a queue of paths, slices of a fraction of a second.

Between slices Python is asked what only Python knows: whether to stop, and how a point looks
in another chart.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detvar.homotopy import lane_driver as driver
from detvar.homotopy.charts import Charts
from detvar.homotopy.compiled_step import compile_step, step_options
from detvar.homotopy.system import System
from detvar.homotopy.tape import ComplexArray
from detvar.homotopy.track_result import TrackOptions, TrackResult
from detvar.homotopy.vector_code import WIDTH, aligned

LANES = 16
_BLOCKS = 16  # of lanes, in the refinement of end points
_SLICE = 0.02  # seconds
_POLL = 4  # rounds between two looks at the charts, where the hook has no `limits`


class FastExecutor:
    """Tracks paths of one system with code compiled for it."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._code, self._layout = compile_step(system)

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
        queue = _Queue(out, p0, p1, charts)
        lanes = min(opt.lanes, LANES, len(out.x))
        memory = aligned((-(-lanes // WIDTH), self._layout.rows, WIDTH))
        memory[:, driver.STATUS] = driver.IDLE
        paths = np.full(lanes, -1, dtype=np.int64)
        limits = getattr(charts, "limits", None)
        polled = charts if limits is None else None
        size = np.full(self.system.variables, np.inf) if limits is None else limits()
        options = step_options(opt, size)
        table, step = self._layout.table(), self._code.addresses["step"]
        least = int(np.ceil(leave * lanes))
        rounds, calls = (1 if stop is not None else 8), 0
        while not (stop is not None and stop()):
            begin = perf_counter()
            most = rounds if polled is None else min(rounds, _POLL)
            queue.drive(step, memory, table, options, paths, least, most)
            calls += 1
            # short slices first, so that a short job can be stopped as well
            if calls % 4 == 0 and perf_counter() - begin < _SLICE:
                rounds *= 2
            if not queue.waiting:
                if queue.busy + queue.suspended < max(least, 1):
                    break
                if queue.busy <= queue.suspended:
                    queue.exchange()
            if polled is not None:
                self._look(memory, paths, polled)
        for lane in np.flatnonzero(paths >= 0):
            driver.unload(memory, table, lane, paths[lane], queue.x, queue.kept)
        queue.write()

    def _look(self, memory: Any, paths: NDArray[np.int64], charts: Charts) -> None:
        """Mark the lanes whose coordinates are bad."""
        running = memory[:, driver.STATUS].ravel()[: paths.size] == driver.RUNNING
        lanes = np.flatnonzero(running & (paths >= 0))
        first, n = self._layout.saved, self.system.variables
        rows = memory[lanes // WIDTH, first : first + 2 * n, lanes % WIDTH]
        lanes = lanes[charts.needs_switch(rows[:, 0::2] + 1j * rows[:, 1::2])]
        memory[lanes // WIDTH, driver.STATUS, lanes % WIDTH] = driver.SUSPENDED

    def newton(self, x: ComplexArray, p: ComplexArray) -> ComplexArray:
        """Return the Newton updates (N, P) at x (N, P) for parameters p (M, P)."""
        n, count = x.shape
        out = np.empty_like(x)
        memory = aligned((min(_BLOCKS, -(-count // WIDTH)), self._layout.rows, WIDTH))
        lanes = memory.shape[0] * WIDTH
        given = np.zeros((n + len(p), lanes), dtype=np.complex128)
        first, end, made = self._layout.x, self._layout.dp, self._layout.out
        for start in range(0, count, lanes):
            part = slice(start, min(start + lanes, count))
            size = part.stop - start
            given[:n, :size], given[n:, :size] = x[:, part], p[:, part]
            split = given.reshape(-1, len(memory), WIDTH).swapaxes(0, 1)
            memory[:, first:end:2], memory[:, first + 1 : end : 2] = split.real, split.imag
            self._code.call("newton", memory)
            rows = memory[:, made : made + 2 * n]
            joined = (rows[:, 0::2] + 1j * rows[:, 1::2]).swapaxes(0, 1)
            out[:, part] = joined.reshape(n, lanes)[:, :size]
        return out


class _Queue:
    """All paths of a job: the ring of those that wait, and where every one stands."""

    def __init__(
        self, out: TrackResult, p0: ComplexArray, p1: ComplexArray, charts: Charts | None
    ) -> None:
        count = len(out.x)
        self._out, self._charts = out, charts
        self._given = (p0, p1)
        self.x = out.x
        seen = (
            (p0, p1)
            if charts is None
            else tuple(charts.parameters(p, out.charts) for p in (p0, p1))
        )
        # always of one type, writable and row by row: a driver is compiled for every type it meets
        self._p0, self._p1 = (np.array(p, dtype=np.complex128, order="C") for p in seen)
        self._jobs = np.arange(count)
        self._suspended = np.empty(count, dtype=np.int64)
        self._counters = np.array([0, count, 0, 0], dtype=np.int64)
        self.kept = np.zeros((count, 6))
        self.kept[:, driver.P_H_MAX] = self.kept[:, driver.P_OMEGA] = 1.0
        self.kept[:, driver.P_ERROR] = -1.0

    @property
    def waiting(self) -> int:
        """Number of paths without a lane."""
        return int(self._counters[driver.JOBS] - self._counters[driver.NEXT])

    @property
    def busy(self) -> int:
        """Number of lanes at work."""
        return int(self._counters[driver.BUSY])

    @property
    def suspended(self) -> int:
        """Number of paths that need another chart."""
        return int(self._counters[driver.WAITING])

    def drive(
        self,
        step: int,
        memory: Any,
        table: tuple[int, ...],
        options: Any,
        paths: Any,
        least: int,
        rounds: int,
    ) -> None:
        """Do some macro steps."""
        driver.drive(
            step,
            memory,
            table,
            options,
            paths,
            self._jobs,
            self._suspended,
            self._counters,
            self.x,
            self._p0,
            self._p1,
            self.kept,
            self._out.status,
            least,
            rounds,
        )

    def exchange(self) -> None:
        """Write the suspended paths in other charts, and queue them again."""
        assert self._charts is not None
        at = self._suspended[: self.suspended]
        charts = self._out.charts
        self.x[at], charts[at] = self._charts.switch(self.x[at], charts[at])
        for p, given in zip((self._p0, self._p1), self._given, strict=True):
            p[at] = self._charts.parameters(given[at], charts[at])
        end = int(self._counters[driver.JOBS])
        self._jobs[np.arange(end, end + at.size) % self._jobs.size] = at
        self._counters[driver.JOBS] += at.size
        self._counters[driver.WAITING] = 0

    def write(self) -> None:
        """Complete the result."""
        out, kept = self._out, self.kept
        out.t[:] = kept[:, driver.P_T]
        out.steps[:] = kept[:, driver.P_STEPS]
        out.rejected[:] = kept[:, driver.P_REJECTED]
