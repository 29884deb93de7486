"""Branch and prune: boxes that cover a region are discarded one by one, or cut into halves.

A box is discarded if a component of ∇f is not 0 anywhere in it (in itself, or after a
preconditioned interval Newton step), or if it lies where a known zero is proved to be the only
one. When no box is left, the known zeros are all zeros of the region.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from detvar.critical.analytic.atlas import Atlas, near
from detvar.critical.analytic.chart import Box, Chart
from detvar.critical.analytic.krawczyk import preconditioner
from detvar.exact.balls import arb, arb_mat, working_precision

Examine = Callable[[Atlas, int, Box], Box | None]
_BITS = 64
_SMALLEST = 2.0**-24
_WORTH = 0.6
_MOST_LEFT = 200


@dataclass(frozen=True)
class Covering:
    """How a branch and prune ended.

    Attributes
    ----------
    boxes : how many were looked at
    left : how many were neither discarded nor cut further
    reason : why some are left, empty if none are
    """

    boxes: int
    left: int
    reason: str

    @property
    def is_complete(self) -> bool:
        """Whether no box is left."""
        return not self.left


def branch_and_prune(
    atlas: Atlas,
    regions: Sequence[tuple[int, Box]],
    examine: Examine,
    seconds: float,
    most_boxes: int = 10**7,
    tick: Callable[[], None] | None = None,
) -> Covering:
    """Discard or cut boxes until none is left, or the budget ends.

    Parameters
    ----------
    atlas : the zeros known; new ones are added to it
    regions : (chart, box): the region is their union
    examine : what is left of a box, None if nothing is
    seconds, most_boxes : the budget
    tick : called every few boxes

    Notes
    -----
    **Validity**: what `examine` takes away must hold no unknown zero. An interrupt ends the
    search like the end of the budget.
    """
    end = perf_counter() + seconds
    stack = [(k, box, [float(v.rad()) for v in box]) for k, box in reversed(regions)]
    done = stuck = 0
    reason = ""
    try:
        atlas.spread()
        with working_precision(_BITS):
            while stack:
                if perf_counter() > end or done >= most_boxes:
                    reason = "the budget ended"
                    break
                if stuck > _MOST_LEFT:
                    reason = "boxes around a zero that is not regular do not get discarded"
                    break
                k, box, units = stack.pop()
                done += 1
                if tick is not None and done % 16 == 0:
                    tick()
                rest = examine(atlas, k, box)
                if rest is None:
                    continue
                sizes = [float(v.rad()) / u if u else 0.0 for v, u in zip(rest, units, strict=True)]
                widest = max(sizes, default=0.0)
                if widest < _SMALLEST:
                    stuck += 1
                elif _gain(box, rest) < _WORTH:
                    stack.append((k, rest, units))
                else:
                    stack += [(k, half, units) for half in halves(rest, sizes.index(widest))]
    except KeyboardInterrupt:
        reason = "interrupted"
        stack.append(stack[-1] if stack else (0, [], []))  # the box at hand
    if stuck and not reason:
        reason = "boxes around a zero that is not regular do not get discarded"
    return Covering(done, stuck + len(stack), reason)


def _gain(before: Box, after: Box) -> float:
    out = 1.0
    for a, b in zip(before, after, strict=True):
        if float(a.rad()):
            out *= float(b.rad()) / float(a.rad())
    return out


def halves(box: Box, i: int) -> tuple[Box, Box]:
    """Return a box cut in the middle of direction i."""
    v = box[i]
    middle = v.mid()
    low, high = list(box), list(box)
    low[i], high[i] = v.lower().union(middle), middle.union(v.upper())
    return low, high


def interval(low: Any, high: Any) -> arb:
    """Return a ball that contains [low, high]."""
    return arb(low).union(arb(high))


def narrowed(chart: Chart, box: Box) -> tuple[Box | None, bool]:
    """Return the part of a box that an interval Newton step leaves, and if that is well inside.

    With Y near the inverse of ∇²f at the middle c, every zero x of the box satisfies
    Y∇f(c) + (Y∇²f(box))(x − c) ∋ 0; each line is solved for one coordinate (Hansen and Sengupta
    1981). None: no zero.
    """
    c = [v.mid() for v in box]
    h = chart.hessian(box)
    y = preconditioner(h)
    if y is None or not all(v.is_finite() for v in y.entries()):
        return box, False
    m = (y * h).tolist()
    r = (y * arb_mat([[v] for v in chart.gradient(c)])).entries()
    out = list(box)
    inside = True
    for i, row in enumerate(m):
        total = r[i]
        for j, v in enumerate(row):
            if j != i:
                total += v * (out[j] - c[j])
        if row[i].contains(0) or not total.is_finite():
            inside = False
            continue
        new = c[i] - total / row[i]
        if not new.overlaps(out[i]):
            return None, False
        inside = inside and out[i].contains_interior(new)
        cut = new.intersection(out[i])
        if bool(cut.rad() < out[i].rad()):
            out[i] = cut
    return out, inside


def examine_box(atlas: Atlas, k: int, box: Box) -> Box | None:
    """Examine a box of all coordinates by itself."""
    if atlas.explains(k, box):
        return None
    chart = atlas.charts[k]
    if excludes_zero(chart.gradient(box)):
        return None
    rest, inside = narrowed(chart, box)
    if rest is None or atlas.explains(k, rest):
        return None
    if inside:
        atlas.add(k, [float(v.mid()) for v in rest])
    elif all(bool(v.rad() < _SMALLEST * 16) for v in rest):
        atlas.add(k, near(chart, rest).tolist())
    return None if atlas.explains(k, rest) else rest


def excludes_zero(values: Sequence[arb]) -> bool:
    """Say whether some ball does not contain 0."""
    return any(not v.contains(0) for v in values)
