"""All critical points of rank e in a box of matrices: branch and prune over all coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

from detvar.critical.analytic.atlas import Atlas
from detvar.critical.analytic.chart import Box
from detvar.critical.analytic.judging import point_of
from detvar.critical.analytic.oriented import Oriented
from detvar.critical.analytic.prune import Covering, branch_and_prune, examine_box, interval
from detvar.critical.certified_point import CertifiedPoint
from detvar.errors import InputError
from detvar.exact.balls import arb, arb_mat
from detvar.exact.matrices import Matrix, matrix, require_shape
from detvar.exact.rational import Rational, rational
from detvar.losses import AnalyticLoss, BuresWassersteinLoss, Loss, is_analytic

_STARTS = 32


@dataclass(frozen=True)
class BoxSearch:
    """The critical points of ℓ on M_e in a box of matrices.

    Attributes
    ----------
    rank : e
    low, high : low_ij ≤ w_ij ≤ high_ij
    points : proved, and not proved to lie outside the box
    covering : how many boxes were looked at, and how many are left
    unclear : zeros where W is not proved to have rank e, or not told from another point
    seconds : of the search
    """

    rank: int
    low: Matrix
    high: Matrix
    points: tuple[CertifiedPoint, ...]
    covering: Covering
    unclear: int
    seconds: float

    @property
    def is_complete(self) -> bool:
        """Whether it is proved that no critical point of rank e in the box is missing."""
        return self.covering.is_complete and not self.unclear

    def to_latex(self) -> str:
        """Return the box and the points in it as LaTeX text."""
        from detvar.critical.latex import box_search

        return box_search(self)

    def __str__(self) -> str:
        head = f"rank {self.rank}: {len(self.points)} critical points in the box"
        c = self.covering
        if self.is_complete:
            return f"{head}; complete: branch and prune, {c.boxes} boxes, none left"
        left = f"{c.left} of {c.boxes} boxes left, as {c.reason}" if c.left else ""
        odd = f"{self.unclear} zeros of smaller or unproved rank" if self.unclear else ""
        return "; ".join(x for x in (head, left, odd, "not proved complete") if x)


def exhaustive(
    loss: Loss,
    rank: int,
    box: Any = None,
    budget: float = 60.0,
    seed: int = 0,
    progress: Callable[[Any], None] | None = None,
) -> BoxSearch:
    """Return all critical points of ℓ on the matrices of rank e with W in a box, with proof.

    With the rows of an e-minor of largest size on top, W = P[I; A]B has |A_ij| ≤ 1 by Cramer's
    rule, and B is part of W: so C(m, e) boxes of dimension e(m + n − e) contain them all.

    Parameters
    ----------
    loss : not algebraic, convex or not, on m×n matrices
    rank : e ≥ 1
    box : a rational number b for |w_ij| ≤ b, or a pair of m×n matrices (low, high). By default,
        for a coercive convex loss, a box that holds {ℓ ≤ ℓ(0)}: a critical W is tangent to M_e at
        itself, so ⟨∇ℓ(W), W⟩ = 0 and ℓ(0) ≥ ℓ(W) − ⟨∇ℓ(W), W⟩ = ℓ(W)
    budget, seed : in seconds; of the random starts
    progress : is called with a `Progress`

    Raises
    ------
    InputError
        If the box is empty or not given where none is known, or the rank is out of range.

    Notes
    -----
    **Cost**: grows fast with the dimension: seconds for 3, about a minute for 4.
    **Validity**: zeros that are not regular, or not isolated, end the search by the budget.

    References
    ----------
    Hansen & Sengupta (1981); Kearfott (1996), Rigorous Global Search.

    Examples
    --------
    >>> from detvar.losses import LogCoshLoss
    >>> found = exhaustive(LogCoshLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]]), 1, 2)
    >>> found.is_complete, len(found.points)
    (True, 4)
    """
    import numpy as np

    from detvar.critical.analytic.newton import proposals
    from detvar.homotopy.progress import Progress

    begin = perf_counter()
    if not is_analytic(loss) or isinstance(loss, BuresWassersteinLoss):
        raise InputError("the loss is algebraic: critical_points lists its points exactly")
    problem = Oriented(cast(AnalyticLoss, loss), is_plain=True)
    m, n = loss.shape
    if not 1 <= rank <= min(m, n):
        raise InputError(f"rank is {rank}: give one from 1 to {min(m, n)}")
    convex = problem.loss.convexity().answer is True
    low, high = _limits(problem.loss, box, convex)
    limits = _balls(low, high, problem.is_turned)
    atlas = Atlas(problem, rank)

    def tick() -> None:
        if progress is not None:
            progress(Progress(rank, len(atlas.points), None, None, perf_counter() - begin))

    regions: list[tuple[int, Box]] = []
    for k, chart in enumerate(atlas.charts):
        rng = np.random.default_rng([seed, rank, k])
        for x in proposals(chart, rng, _STARTS, convex):
            if not atlas.is_near(k, x):
                atlas.add(k, x.tolist())
        rows = [v for i in chart.order[:rank] for v in limits[i]]
        regions.append((k, [interval(-1, 1)] * chart.slopes + rows))

    def examine(atlas: Atlas, k: int, x: Box) -> Box | None:
        rest = examine_box(atlas, k, x)
        if rest is None or not _meets(atlas.charts[k].matrix(rest), limits):
            return None
        return rest

    covering = branch_and_prune(
        atlas, regions, examine, budget - (perf_counter() - begin), tick=tick
    )
    inside = [f for f in atlas.points if _meets(f.matrix, limits)]
    points = sorted((point_of(f, problem, convex) for f in inside), key=lambda p: p.value or (0, 0))
    unclear = len(atlas.lower) + atlas.doubtful
    seconds = perf_counter() - begin
    return BoxSearch(rank, low, high, tuple(points), covering, unclear, seconds)


def _meets(w: arb_mat, limits: list[list[arb]]) -> bool:
    """Say whether a ball matrix is not proved to be outside the box."""
    rows = zip(w.tolist(), limits, strict=True)
    return all(v.overlaps(b) for row, line in rows for v, b in zip(row, line, strict=True))


def _balls(low: Matrix, high: Matrix, turned: bool) -> list[list[arb]]:
    if turned:
        low, high = low.transpose(), high.transpose()
    rows = zip(low.tolist(), high.tolist(), strict=True)
    return [[interval(a, b) for a, b in zip(x, y, strict=True)] for x, y in rows]


def _limits(loss: AnalyticLoss, box: Any, convex: bool) -> tuple[Matrix, Matrix]:
    m, n = loss.shape
    if box is None:
        return _sublevel(loss, convex)
    if isinstance(box, (tuple, list)):
        if len(box) != 2:
            raise InputError("box must be a number, or a pair of matrices (low, high)")
        low, high = matrix(box[0], "box[0]"), matrix(box[1], "box[1]")
        require_shape(low, m, n, "box[0]")
        require_shape(high, m, n, "box[1]")
    else:
        b = rational(box, "box")
        low, high = matrix([[-b] * n] * m), matrix([[b] * n] * m)
    pairs = zip(low.entries(), high.entries(), strict=True)
    if any(a >= b for a, b in pairs):
        raise InputError("box is empty: give low < high for every entry")
    return low, high


def _sublevel(loss: AnalyticLoss, convex: bool) -> tuple[Matrix, Matrix]:
    """Return a box that contains {ℓ ≤ ℓ(0)}."""
    growth = loss.growth() if convex else None
    if growth is not None:
        from detvar.critical.analytic.judging import upper_rational
        from detvar.losses.growth import sublevel_box

        m, n = loss.shape
        found = sublevel_box(growth, upper_rational(loss.value_ball(arb_mat(m, n))), (m, n))
        if found is not None:
            low, high = ([pair[i] for pair in found] for i in (0, 1))
            return _matrix_of(low, n), _matrix_of(high, n)
    raise InputError("no box with all critical points is known for this loss: give box")


def _matrix_of(entries: list[Rational], n: int) -> Matrix:
    return matrix([entries[i : i + n] for i in range(0, len(entries), n)])
