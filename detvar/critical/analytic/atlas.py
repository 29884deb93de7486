"""The proved critical points of one rank, and where in every chart they are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detvar.critical.analytic.chart import Box, Chart, charts
from detvar.critical.analytic.krawczyk import Zero, certify
from detvar.critical.analytic.oriented import Oriented
from detvar.exact.balls import arb, arb_mat, dyadic, working_precision
from detvar.exact.matrices import Matrix, rank
from detvar.exact.rational import Rational

_REACH = 2
_CLOSE = 1e-7


@dataclass(frozen=True)
class Found:
    """A zero of ∇f, a ball matrix that contains W, and whether W is proved to have rank e."""

    zero: Zero
    matrix: arb_mat
    has_rank: bool = True


class Atlas:
    """The charts of the matrices of rank e, with the zeros of ∇f proved so far.

    Attributes
    ----------
    charts : all of them
    points : zeros where W is proved to have rank e, or e is the rank of all matrices; pairwise
        proved to differ
    lower : zeros where that is not proved, as (chart, zero)
    doubtful : how many proved zeros could not be told from another one
    failed : approximate zeros that were not proved
    """

    def __init__(self, problem: Oriented, rank: int) -> None:
        self.charts: list[Chart] = charts(problem, rank)
        self.points: list[Found] = []
        self.lower: list[tuple[int, Zero]] = []
        self.doubtful = 0
        self.failed = 0
        self._known: list[list[Zero]] = [[] for _ in self.charts]
        self._spread = 0

    def explains(self, chart: int, box: Sequence[arb]) -> bool:
        """Say whether a known zero is the only one in a region that contains the box."""
        return any(zero.holds(box) for zero in self._known[chart])

    def add(self, chart: int, start: Sequence[float]) -> Found | None:
        """Prove the zero near a point; return it if it is new and W has rank e."""
        if self.explains(chart, [arb(float(v)) for v in start]):
            return None
        zero = certify(self.charts[chart], start)
        if zero is None:
            self.failed += 1
            return None
        if self.explains(chart, zero.enclosure):
            return None
        here = self.charts[chart]
        with working_precision(zero.bits):
            full = here.has_full_rank(zero.enclosure)
            if not full and (here.slopes or _has_lower_rank(zero)):
                if not _has_lower_rank(zero):
                    self.lower.append((chart, zero))
                self._known[chart].append(zero)
                return None
            # in the chart of all matrices a zero is critical whatever its rank is
            found = Found(zero, here.matrix(zero.enclosure), full)
        for other in self.points:
            if found.matrix.overlaps(other.matrix):
                if not self._is_in(other, zero):
                    self.doubtful += 1
                self._known[chart].append(zero)
                return None
        self.points.append(found)
        self._known[chart].append(zero)
        return found

    def is_near(self, chart: int, start: Any) -> bool:
        """Say whether a point is close to a known one: then there is no need to add it."""
        import numpy as np

        w = self.charts[chart].matrix_array(np.asarray(start))
        close = _CLOSE * np.abs(w).max()
        return any(np.abs(_floats(f.matrix) - w).max() <= close for f in self.points)

    def spread(self) -> None:
        """Find, in every chart, regions where the known points are the only zeros."""
        for found in self.points[self._spread :]:
            for k, there in enumerate(self.charts):
                if there != found.zero.chart:
                    self._register(found, k, there)
        self._spread = len(self.points)

    def _is_in(self, found: Found, zero: Zero) -> bool:
        """Say whether a point is proved to be the zero of another chart."""
        with working_precision(max(found.zero.bits, zero.bits)):
            box = zero.chart.coordinates(found.matrix)
        return box is not None and zero.holds(box)

    def _register(self, found: Found, k: int, there: Chart) -> None:
        """Find a region of another chart where the point is the only zero."""
        with working_precision(found.zero.bits):
            box = there.coordinates(found.matrix)
        if box is None or not all(bool(abs(v) < _REACH) for v in box[: there.slopes]):
            return
        zero = certify(there, [float(v.mid()) for v in box])
        if zero is not None and zero.holds(box):
            self._known[k].append(zero)


def _has_lower_rank(zero: Zero) -> bool:
    """Say whether the zero is a rational point where B has too small a rank.

    Balls of radius 0 say so: such a zero is W = 0 where ∇ℓ(0) is singular, for instance.
    """
    step = Rational(1, 2**20)
    exact = [(dyadic(v.mid()) / step + Rational(1, 2)).floor() * step for v in zero.enclosure]
    point = [arb(q) for q in exact]
    if not all(v.contains(q) for v, q in zip(zero.enclosure, point, strict=True)):
        return False
    chart = zero.chart
    b = Matrix(chart.rank, chart.problem.shape[1], exact[chart.slopes :])
    return rank(b) < chart.rank and all(v.is_zero() for v in chart.gradient(point))


def _floats(w: arb_mat) -> Any:
    import numpy as np

    return np.array([[float(v.mid()) for v in row] for row in w.tolist()])


def near(chart: Chart, box: Box) -> Any:
    """Return where the Levenberg-Marquardt method goes from the middle of a box."""
    import numpy as np

    from detvar.critical.analytic.newton import zeros_near

    return zeros_near(chart, np.array([[float(v.mid()) for v in box]]), 12)[0]
