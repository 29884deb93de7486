"""Who does the tracking: NumPy, which is always there, or code compiled for the problem.

Compiling takes time, once for a system; it pays for itself on large jobs.  As nobody knows how
much work is still to come, code is compiled when NumPy has spent, or is about to spend, as much
time on the system as compiling takes: the total is at most about twice the best possible one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from time import perf_counter
from typing import Protocol

from detvar.errors import InputError, MissingExtraError
from detvar.homotopy.charts import Charts
from detvar.homotopy.numpy_executor import NumpyExecutor
from detvar.homotopy.system import System
from detvar.homotopy.tape import ComplexArray
from detvar.homotopy.track_result import TrackOptions, TrackResult

VARIABLE = "DETVAR_EXECUTOR"
_DRIVER = "detvar.homotopy.lane_driver"
_LOADING = 0.8  # seconds to load numba and the driver
_COMPILING = 4e-4  # seconds for a row of a tape
_ROUNDS = 45  # macro steps of a path
_BATCHES = 10  # in which a search with many paths is done
_CALL, _LANE = 1e-6, 4.4e-9  # seconds of NumPy for a row of a tape, and for each lane


class Executor(Protocol):
    """Something that moves the paths of one system."""

    @property
    def system(self) -> System:
        """The system."""

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

    def newton(self, x: ComplexArray, p: ComplexArray) -> ComplexArray:
        """Return the Newton updates (N, P) at x (N, P) for parameters p (M, P)."""


class Executors:
    """The executors of one system; what decides between them.

    Attributes
    ----------
    spent : float
        Seconds of NumPy so far.
    expected : int
        Number of paths that whoever is at work expects to track, 0 if unknown.
    """

    def __init__(self, system: System) -> None:
        self.spent = 0.0
        self.expected = 0
        self._system = system

    @cached_property
    def numpy(self) -> NumpyExecutor:
        """The executor that is always there."""
        return NumpyExecutor(self._system)

    @cached_property
    def fast(self) -> Executor:
        """The compiled executor; numba must be installed."""
        from detvar.homotopy.fast_executor import FastExecutor

        return FastExecutor(self._system)

    @property
    def enough(self) -> int:
        """Number of paths at once for which a path costs little more than in a larger batch."""
        return 128 if "fast" in vars(self) else 512

    def is_worth_compiling(self, paths: int) -> bool:
        """Say whether a job with so many paths should be done by compiled code."""
        if "fast" in vars(self):
            return True
        rows = len(self._system.newton_tape.code) + len(self._system.taylor_tape.code)
        batches = _BATCHES if self.expected > paths else 1
        coming = _ROUNDS * rows * (_CALL * batches + _LANE * max(paths, self.expected))
        price = _COMPILING * rows + (0 if _DRIVER in sys.modules else _LOADING)
        return self.spent + coming > price


@contextmanager
def executor_for(system: System, opt: TrackOptions, paths: int) -> Iterator[Executor]:
    """Choose the executor for a job.

    The environment variable DETVAR_EXECUTOR can be ``numpy`` or ``fast``; without it compiled
    code is used where numba is installed and the job is large enough.  Pivoted elimination
    (`opt.dense`) is always done in NumPy.

    Raises
    ------
    InputError
        If the variable is something else.
    MissingExtraError
        If it is ``fast`` and numba is not installed.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted not in ("", "numpy", "fast"):
        raise InputError(f"{VARIABLE} is {wanted!r}: write numpy or fast, or remove the variable")
    there = wanted != "numpy" and find_spec("numba") is not None
    if wanted == "fast" and not there:
        raise MissingExtraError("numba", "fast")
    executors = system.executors
    if there and not opt.dense and (wanted or executors.is_worth_compiling(paths)):
        yield executors.fast
        return
    begin = perf_counter()
    try:
        yield executors.numpy
    finally:
        executors.spent += perf_counter() - begin
