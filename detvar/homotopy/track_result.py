"""What a tracker is told, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from detvar.homotopy.charts import ChartIds
from detvar.homotopy.tape import ComplexArray


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
        Limits; the largest number of lanes; whether to use pivoted elimination in every lane.
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

    @property
    def h_a(self) -> float:
        """Bound on ω times the first Newton update, from the contraction a asked for."""
        a = self.contraction
        return 2 * a * (sqrt(4 * a * a + 1) - 2 * a)

    @property
    def delta(self) -> float:
        """Prediction error, in units of 1/ω, that a step aims at."""
        return sqrt(1 + 2 * self.h_a) - 1


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

    @classmethod
    def unfinished(cls, x: ComplexArray, charts: ChartIds) -> TrackResult:
        """Return the result before the first step; x and charts are copied."""
        count = len(x)
        return cls(
            np.array(x, order="C"),
            np.full(count, Status.UNFINISHED, dtype=np.int8),
            charts.copy(),
            np.zeros(count),
            np.zeros(count, dtype=np.int64),
            np.zeros(count, dtype=np.int64),
            np.full(count, np.inf),
        )

    @property
    def success(self) -> NDArray[np.bool_]:
        """Mask of the paths that arrived."""
        return np.asarray(self.status == Status.SUCCESS)
