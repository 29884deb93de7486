"""All critical points of a convex loss on the matrices of rank e, by branching on A alone.

For fixed A the function f(A, ·) is convex. If Krawczyk's test proves, for all A in a box, exactly
one zero of ∂f/∂B in a box of B with regular ∂²f/∂B², then this zero is a strict minimum of f(A, ·)
and therefore the only zero of ∂f/∂B at all: B = B(A) is a function, enclosed by the box. So
nothing has to be known about the size of B, and only the (m − e)e entries of A ∈ [−1, 1] are
cut into boxes. If all boxes are dealt with, min over B of f(A, ·) is attained for all A and
continuous, so that ℓ attains its minimum on the matrices of rank at most e.
"""

from __future__ import annotations

from typing import Any

from detvar.critical.analytic.atlas import Atlas, near
from detvar.critical.analytic.chart import Box, Chart
from detvar.critical.analytic.krawczyk import preconditioner
from detvar.critical.analytic.newton import rows_near
from detvar.critical.analytic.prune import excludes_zero, interval, narrowed
from detvar.exact.balls import arb, arb_mat

_ROUNDS = 6
_MARGIN = 0.0625
_WIDEST = 1e9


def whole_range(atlas: Atlas) -> list[tuple[int, Box]]:
    """Return the box A ∈ [−1, 1] of every chart: together they contain every matrix."""
    return [(k, [interval(-1, 1)] * c.slopes) for k, c in enumerate(atlas.charts)]


class Slices:
    """Examines boxes of A; remembers the last minimisers as starts for the next."""

    def __init__(self) -> None:
        self._last: dict[int, Any] = {}

    def __call__(self, atlas: Atlas, k: int, box: Box) -> Box | None:
        """Return what is left of a box of A, None if nothing is."""
        chart = atlas.charts[k]
        # a zero on the border of the box should be well inside
        wide = [arb(a.mid(), (a.rad() * (1 + _MARGIN)).upper()) for a in box]
        start = self._minimiser(chart, k, box)
        rows = enclosed_rows(chart, wide, start)
        if rows is None:
            return box
        x = wide + rows
        if atlas.explains(k, x) or excludes_zero(chart.gradient(x)):
            return None
        rest, inside = narrowed(chart, x)
        if rest is None or atlas.explains(k, rest):
            return None
        if inside or (chart.slopes and all(bool(a.rad() < 2.0**-12) for a in box)):
            atlas.add(k, near(chart, rest).tolist())
            if atlas.explains(k, rest):
                return None
        out = []
        for a, b in zip(box, rest, strict=False):
            if not a.overlaps(b):
                return None
            cut = a.intersection(b)
            out.append(cut if bool(cut.rad() < a.rad()) else a)
        return out

    def _minimiser(self, chart: Chart, k: int, box: Box) -> Any:
        import numpy as np

        x = self._last.get(k, np.zeros(chart.size)).copy()
        x[: chart.slopes] = [float(a.mid()) for a in box]
        out = rows_near(chart, x)
        self._last[k] = out
        return out


def enclosed_rows(chart: Chart, slopes: Box, start: Any) -> Box | None:
    """Return a box of B with exactly one zero of ∂f/∂B for every A in a box; None if not proved.

    Parameters
    ----------
    chart : with f(A, ·) convex
    slopes : the box of A
    start : coordinates near (A, B(A)) for A in the middle
    """
    cut = chart.slopes
    middle = [arb(float(v)) for v in start[cut:]]
    if not all(v.is_finite() for v in middle):
        return None
    y = preconditioner(_rows_block(chart, [a.mid() for a in slopes] + middle))
    if y is None:
        return None
    g = chart.gradient(slopes + middle)[cut:]
    shift = (y * arb_mat([[v] for v in g])).entries()
    if not all(v.is_finite() for v in shift):
        return None
    radii = [(v.abs_upper() * 1.25 + arb(2) ** -40).upper() for v in shift]
    for _ in range(_ROUNDS):
        box = [arb(c, r) for c, r in zip(middle, radii, strict=True)]
        product = (y * _rows_block(chart, slopes + box)).tolist()
        image = []
        for i, row in enumerate(product):
            total = middle[i] - shift[i]
            for j, v in enumerate(row):
                total += (1 - v if i == j else -v) * (box[j] - middle[j])
            image.append(total)
        if all(b.contains_interior(v) for b, v in zip(box, image, strict=True)):
            return image
        away = [(v - c).abs_upper() for v, c in zip(image, middle, strict=True)]
        if not all(bool(a < _WIDEST) for a in away):
            return None
        if any(bool(a > 8 * r) for a, r in zip(away, radii, strict=True)):
            return None
        radii = [(a * 1.25 + arb(2) ** -40).upper() for a in away]
    return None


def _rows_block(chart: Chart, x: Box) -> arb_mat:
    """Return ∂²f/∂B²."""
    h = chart.hessian(x)
    cut = chart.slopes
    return h if not cut else arb_mat([row[cut:] for row in h.tolist()[cut:]])
