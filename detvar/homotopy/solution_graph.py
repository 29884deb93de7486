"""The graph a monodromy search walks on: two nodes with solutions, edges with bijections.

Paths of all edges are tracked together in one pool.  A batch is cut off when few of its paths
are left; these are resumed in the next batch, so that no batch waits for its slowest path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detvar.homotopy.charts import ChartIds, Charts
from detvar.homotopy.distinct import PointSet
from detvar.homotopy.system import System
from detvar.homotopy.tape import ComplexArray
from detvar.homotopy.tracker import Status, TrackOptions, TrackResult, track

UNKNOWN, FAILED, RUNNING = -1, -2, -3
SPARE = 32  # edges
Ints = NDArray[np.int64]


class Node:
    """The solutions known over one parameter vector."""

    def __init__(self, system: System, parameters: ComplexArray, charts: Charts | None) -> None:
        self.parameters = parameters
        self._hook = charts
        self.x: ComplexArray = np.empty((0, system.variables), dtype=np.complex128)
        self.chart: ChartIds = np.empty(0, dtype=np.int64)
        self._seen: PointSet | None = None

    def add(self, x: ComplexArray, chart: ChartIds) -> Ints:
        """Number the given solutions, keeping the new ones."""
        same = x if self._hook is None else self._hook.invariant(x, chart)
        if self._seen is None:
            self._seen = PointSet(same.shape[1])
        known = len(self.x)
        numbers = self._seen.add(same)
        _, first = np.unique(numbers, return_index=True)
        first = first[numbers[first] >= known]
        self.x = np.concatenate([self.x, x[first]])
        self.chart = np.concatenate([self.chart, chart[first]])
        return numbers


class Edge:
    """A way from node 0 to node 1, and the known part of its bijection in both directions.

    The way is a straight segment from scale[0]·p_0 to scale[1]·p_1, or two segments through
    the parameters `via`.  `to[k][i]` is the partner of solution i of node k, or a negative mark.
    A `spare` edge is used while few solutions are known, and then left as it is.
    """

    def __init__(
        self, scale: tuple[complex, complex], via: ComplexArray | None, spare: bool = False
    ) -> None:
        self.scale = scale
        self.via = via
        self.spare = spare
        self.to: list[Ints] = [np.empty(0, dtype=np.int64) for _ in range(2)]

    def grow(self, sizes: tuple[int, int]) -> None:
        """Make room for the solutions found since."""
        for k in range(2):
            more = np.full(sizes[k] - self.to[k].size, UNKNOWN, dtype=np.int64)
            self.to[k] = np.concatenate([self.to[k], more])


@dataclass
class Paths:
    """A pool of B paths: whose they are (edge, source node, point, leg), and where they stand."""

    edge: Ints
    source: Ints
    point: Ints
    leg: Ints
    chart: ChartIds
    x: ComplexArray
    p: ComplexArray
    q: ComplexArray

    def select(self, which: NDArray[Any]) -> Paths:
        """Return the paths of a mask or an index array."""
        return Paths(*(getattr(self, f.name)[which] for f in fields(self)))

    def join(self, other: Paths) -> Paths:
        """Return both pools as one."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Paths(*(np.concatenate(pair) for pair in pairs))

    def __len__(self) -> int:
        return len(self.x)


class Search:
    """One monodromy search; `run` returns (complete, reason)."""

    def __init__(
        self,
        system: System,
        x: ComplexArray,
        p: ComplexArray,
        rng: np.random.Generator,
        target: int | None,
        budget: float,
        edges: int,
        options: TrackOptions | None,
        charts: Charts | None,
        progress: Callable[[int, int, float], None] | None,
    ) -> None:
        self._begin = perf_counter()
        self._system, self._rng, self._target, self._budget = system, rng, target, budget
        self._options = options or TrackOptions()
        self._charts, self._progress = charts, progress
        q = _random_parameters(system, rng, p)
        self.nodes = (Node(system, p, charts), Node(system, q, charts))
        self.nodes[0].add(x, np.zeros(1, dtype=np.int64))
        self._edges = self._first_edges(max(2, edges))
        self._pool = self._start(0, 0, np.empty(0, dtype=np.int64))
        self.segments = self.failures = 0
        self.log: list[str] = []

    def _first_edges(self, count: int) -> list[Edge]:
        """Edges p0 → γ p1 with |γ| = 1 spread over the circle, if scaling p keeps solutions."""
        if not self._system.is_homogeneous_in_parameters:
            return [self._new_edge() for _ in range(count)]
        edges = [Edge((1.0, gamma), None) for gamma in self._phases(count)]
        if self._target is not None:
            edges += [Edge((1.0, gamma), None, spare=True) for gamma in self._phases(SPARE)]
        return edges

    def _phases(self, count: int) -> list[complex]:
        """Numbers γ with |γ| = 1, evenly spread from a random one on."""
        angles = 2 * np.pi * (self._rng.random() + np.arange(count) / count)
        return [complex(z) for z in np.exp(1j * angles)]

    def _new_edge(self) -> Edge:
        """An edge through a random point: it leaves the line of the two nodes."""
        via = _random_parameters(self._system, self._rng, self.nodes[0].parameters)
        return Edge((1.0, 1.0), via)

    def seconds(self) -> float:
        """Seconds since the search began."""
        return perf_counter() - self._begin

    def _over(self) -> bool:
        return self.seconds() > self._budget

    @property
    def _enough(self) -> int:
        return self._system.executors.enough

    def _sizes(self) -> tuple[int, int]:
        return len(self.nodes[0].x), len(self.nodes[1].x)

    def run(self) -> tuple[bool, str]:
        """Track until a reason to stop is found; return (complete, reason)."""
        direction, quiet, target = 0, 0, self._target
        while True:
            before = self._sizes()
            if target is not None and before[0] >= target:
                if before[0] > target:
                    return False, f"{before[0]} solutions found, {target} expected"
                return True, "the expected count was reached"
            if self._over():
                return False, f"the budget of {self._budget:g} s ended"
            added = self._schedule(direction)
            # a small pool costs the same as a smaller one: fill it from both nodes
            small = self._enough // 4
            if not added or len(self._pool) < small:
                added |= self._schedule(1 - direction)
            if len(self._pool) < small and max(before) < small:
                added |= self._schedule(direction, spare=True)
            if not (added or len(self._pool)):
                if quiet >= (2 if target is None else 6):
                    return self._closed()
                quiet += 1
                self._edges.append(self._new_edge())
                continue
            self._advance()
            direction = 1 - direction
            after = self._sizes()
            if after != before:
                quiet = 0
            self.log.append(f"{self.segments} segments: {after[0]} and {after[1]} solutions")
            if self._progress is not None:
                self._progress(after[0], self.segments, self.seconds())

    def _closed(self) -> tuple[bool, str]:
        n = sum(not edge.spare for edge in self._edges)
        lost = sum(int((to == FAILED).sum()) for e in self._edges for to in e.to)
        if self._target is not None:
            return False, f"{n} edges are exhausted and {self._target} solutions are expected"
        if lost:
            return False, f"no new solutions along {n} edges, with {lost} paths lost"
        return True, f"all {n} edges are bijections and the last ones added nothing"

    # --- the pool ----------------------------------------------------------------------------

    def _schedule(self, source: int, spare: bool = False) -> bool:
        """Put untracked paths that leave a node into the pool, most promising edges first."""
        sizes = self._sizes()
        jobs = []
        for k, edge in enumerate(self._edges):
            if edge.spare != spare:
                continue
            edge.grow(sizes)
            pending = np.flatnonzero(edge.to[source] == UNKNOWN)
            if pending.size:
                matched = int((edge.to[1 - source] != UNKNOWN).sum())
                jobs.append((-matched, k, pending))
        room = 10**9
        if self._target is not None:  # near the end a few paths suffice
            missing = self._target - sizes[1 - source]
            room = max(self._enough, 2 * missing)
        if spare:
            room = self._enough // 4
        room -= len(self._pool)
        added = False
        for _, k, pending in sorted(jobs, key=lambda job: job[:2]):
            if room <= 0:
                break
            chosen = pending[:room]
            room -= chosen.size
            self._edges[k].to[source][chosen] = RUNNING
            self._pool = self._pool.join(self._start(k, source, chosen))
            added = True
        return added

    def _start(self, k: int, source: int, points: Ints) -> Paths:
        """The paths along edge k from given solutions of a node."""
        edge, node = self._edges[k], self.nodes[source]
        p = edge.scale[source] * node.parameters
        other = edge.scale[1 - source] * self.nodes[1 - source].parameters
        q = other if edge.via is None else edge.via
        size = points.size
        return Paths(
            np.full(size, k),
            np.full(size, source),
            points,
            np.full(size, 0 if edge.via is not None else 1),
            node.chart[points],
            node.x[points],
            np.tile(p, (size, 1)),
            np.tile(q, (size, 1)),
        )

    def _advance(self) -> None:
        """Track the pool until most paths have arrived, and enter their end points."""
        pool = self._pool
        leave = 0.25 if 4 * len(pool) > self._enough else 0.75 if len(pool) > 4 else 0.0
        result = self._track(pool, self._options, leave)
        running = result.status == Status.UNFINISHED
        failed = ~running & ~result.success
        self.segments += int((~running).sum())
        done = self._next_leg(pool, result)
        rest = pool.select(running)
        rest.x, rest.chart = result.x[running], result.charts[running]
        rest.p = rest.p + result.t[running][:, None] * (rest.q - rest.p)
        self._pool = rest.join(pool.select(done & (pool.leg == 0)))
        self._pool.leg[running.sum() :] = 1
        self._enter(pool.select(done & (pool.leg == 1)))
        if failed.any():
            self._again(pool.select(failed))

    def _track(self, paths: Paths, options: TrackOptions, leave: float) -> TrackResult:
        return track(
            self._system,
            paths.x,
            paths.p,
            paths.q,
            options=options,
            charts=self._charts,
            start_charts=paths.chart,
            stop=self._over,
            leave=leave,
        )

    def _next_leg(self, paths: Paths, result: TrackResult) -> NDArray[np.bool_]:
        """Move arrived paths to their end points, the start of a second leg if there is one."""
        done = result.success
        paths.x[done], paths.chart[done] = result.x[done], result.charts[done]
        for i in np.flatnonzero(done & (paths.leg == 0)):
            edge, other = self._edges[paths.edge[i]], 1 - paths.source[i]
            paths.p[i] = paths.q[i]
            paths.q[i] = edge.scale[other] * self.nodes[other].parameters
        return done

    def _again(self, lost: Paths) -> None:
        """Track paths once more from their very beginning, with careful options."""
        paths = self._start(0, 0, np.empty(0, dtype=np.int64))
        for k, source in {(int(k), int(s)) for k, s in zip(lost.edge, lost.source, strict=True)}:
            points = lost.point[(lost.edge == k) & (lost.source == source)]
            paths = paths.join(self._start(k, source, points))
        for _ in range(2):
            result = self._track(paths, self._options.careful(), leave=0.0)
            self.segments += len(paths)
            done = self._next_leg(paths, result)
            for i in np.flatnonzero(~done):
                edge = self._edges[paths.edge[i]]
                edge.to[paths.source[i]][paths.point[i]] = FAILED
                self.failures += 1
            self._enter(paths.select(done & (paths.leg == 1)), final=True)
            paths = paths.select(done & (paths.leg == 0))
            paths.leg[:] = 1
            if not len(paths):
                break

    def _enter(self, paths: Paths, final: bool = False) -> None:
        """Enter end points into the other node and into the bijections of the edges."""
        for source in (0, 1):
            here = paths.select(paths.source == source)
            if not len(here):
                continue
            ends = self.nodes[1 - source].add(here.x, here.chart)
            for k in np.unique(here.edge):
                part = here.edge == k
                self._match(int(k), source, here.point[part], ends[part], final)

    def _match(self, k: int, source: int, points: Ints, ends: Ints, final: bool) -> None:
        """Record points ↔ ends; where two paths meet, one has jumped: track them again."""
        edge = self._edges[k]
        edge.grow(self._sizes())
        to, back = edge.to[source], edge.to[1 - source]
        unique, times = np.unique(ends, return_counts=True)
        met = np.isin(ends, unique[times > 1])
        met |= (back[ends] >= 0) & (back[ends] != points)
        to[points[~met]] = ends[~met]
        back[ends[~met]] = points[~met]
        if not met.any():
            return
        if final:
            to[points[met]] = FAILED
            self.failures += int(met.sum())
            return
        earlier = back[ends[met]]
        again = np.unique(np.concatenate([points[met], earlier[earlier >= 0]]))
        back[ends[met]] = UNKNOWN
        to[again] = RUNNING
        self.log.append(f"{again.size} paths met others and are tracked again")
        self._again(self._start(k, source, again))


def _random_parameters(
    system: System, rng: np.random.Generator, like: ComplexArray
) -> ComplexArray:
    m = system.parameters
    scale = float(np.sqrt(np.mean(np.abs(like) ** 2) / 2)) if m else 1.0
    return np.asarray(scale * (rng.standard_normal(m) + 1j * rng.standard_normal(m)))
