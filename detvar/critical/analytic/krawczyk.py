"""Boxes with exactly one zero of ∇f, proved in FLINT's balls.

For a real box x around c, with Y near (∇²f(c))⁻¹ and Δ = Y∇f(c), let q bound ‖I − Y∇²f(x)‖. If
q < 1, ∇f is injective on x; if moreover ‖Δ‖ + qρ < ρ for the radius ρ of x, then x ↦ x − Y∇f(x)
maps x into itself, so that x holds exactly one zero, within ‖Δ‖/(1 − q) of c
(Krawczyk 1969, Rump 1983). Norms are maximum norms with one unit for A and one for B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detvar.critical.analytic.chart import Box, Chart
from detvar.exact.balls import arb, arb_mat, working_precision

BITS = (64, 128, 256, 424)
_NEWTON_STEPS = 30
_GROWTH_STEPS = 14


@dataclass(frozen=True)
class Zero:
    """A zero of ∇f in one chart.

    Attributes
    ----------
    chart : the coordinates
    enclosure : a small box that contains it
    unique : a larger box, in which there is no other zero
    bits : the precision of the enclosure
    """

    chart: Chart
    enclosure: Box
    unique: Box
    bits: int

    @property
    def point(self) -> list[float]:
        """The zero in floats."""
        return [float(x.mid()) for x in self.enclosure]

    def holds(self, box: Sequence[arb]) -> bool:
        """Say whether a box lies where this zero is the only one."""
        return all(u.contains(x) for u, x in zip(self.unique, box, strict=True))


def certify(chart: Chart, start: Sequence[float]) -> Zero | None:
    """Return the zero of ∇f that Newton's method reaches from a point, if it can be proved.

    Examples
    --------
    >>> from detvar.critical.analytic.chart import charts
    >>> from detvar.critical.analytic.oriented import Oriented
    >>> from detvar.losses import LogCoshLoss
    >>> only = charts(Oriented(LogCoshLoss([[1]], [["1/3"]])), 1)[0]  # log cosh(w − 1/3)
    >>> zero = certify(only, [0.3])
    >>> zero.enclosure[0].overlaps(arb(1) / 3), bool(zero.enclosure[0].rad() < 1e-15)
    (True, True)
    """
    if any(x - x != 0 for x in start):
        return None
    x = [arb(float(v)) for v in start]
    for bits in BITS:
        with working_precision(bits):
            x = newton(chart, x, bits)
            proved = _test(chart, x, bits)
            if proved is not None:
                return proved
    return None


def newton(chart: Chart, x: Box, bits: int) -> Box:
    """Return the point after Newton steps on midpoints, until they stop shrinking."""
    before = None
    for _ in range(_NEWTON_STEPS):
        try:
            g = arb_mat([[v] for v in chart.gradient(x)])
            step = chart.hessian(x).mid().solve(g.mid()).mid().entries()
        except ZeroDivisionError:
            return x
        size = largest(step)
        if not size.is_finite() or (before is not None and bool(size >= before)):
            return x
        x = [(a - s).mid() for a, s in zip(x, step, strict=True)]
        if bool(size < arb(2) ** (4 - bits)):
            return x
        before = size
    return x


def _test(chart: Chart, c: Box, bits: int) -> Zero | None:
    units = _units(chart, c)
    y = preconditioner(chart.hessian(c))
    if y is None:
        return None
    away = (y * arb_mat([[v] for v in chart.gradient(c)])).entries()
    delta = _norm(away, units)
    if not delta.is_finite():
        return None
    rho = (4 * delta.max(arb(2) ** (-bits // 2))).upper()
    q = _contraction(chart, y, c, units, rho)
    if not (bool(q < 1) and bool(delta + q * rho < rho)):
        return None
    close = (delta / (1 - q)).upper()
    reach = rho
    for k in range(_GROWTH_STEPS):
        wide = arb(2) ** (-1 - k)
        if not bool(wide > rho):
            break
        if bool(_contraction(chart, y, c, units, wide) < 1):
            reach = wide
            break
    return Zero(chart, around(c, units, close), around(c, units, reach), bits)


def preconditioner(h: arb_mat) -> arb_mat | None:
    """Return the inverse of the midpoint of a ball matrix, about; None if it is singular."""
    try:
        return h.mid().inv().mid()
    except ZeroDivisionError:
        return None


def _contraction(chart: Chart, y: arb_mat, c: Box, units: Box, rho: arb) -> arb:
    """Return an upper bound of ‖I − Y∇²f‖ on the box of radius ρ around c."""
    product = (y * chart.hessian(around(c, units, rho))).tolist()
    worst = arb(0)
    for i, row in enumerate(product):
        total = arb(0)
        for j, v in enumerate(row):
            gap = 1 - v if i == j else v
            total += gap.abs_upper() * units[j]
        worst = worst.max((total / units[i]).upper())
    return worst


def _units(chart: Chart, c: Box) -> Box:
    """Return the unit of every coordinate: 1 for A, the size of B for B unless that is about 0."""
    sizes = [abs(float(v)) for v in c[chart.slopes :]]
    unit = max(sizes, default=1.0)
    return [arb(1)] * chart.slopes + [arb(unit if 1e-9 < unit < 1e100 else 1.0)] * len(sizes)


def _norm(x: Sequence[arb], units: Box) -> arb:
    return largest([a / u for a, u in zip(x, units, strict=True)])


def largest(x: Sequence[arb]) -> arb:
    """Return an upper bound of all |x_i|, as a ball of radius 0."""
    out = arb(0)
    for a in x:
        out = out.max(a.abs_upper())
    return out


def around(c: Box, units: Box, rho: arb) -> Box:
    """Return the box |x_i − c_i| ≤ ρ u_i."""
    return [arb(a, (rho * u).upper()) for a, u in zip(c, units, strict=True)]


def ball_array_of(h: arb_mat) -> Any:
    """Return a ball matrix as a `BallArray` of one matrix, radii rounded up."""
    import numpy as np

    from detvar.homotopy.balls import ball_array

    table = h.tolist()
    mid = np.array([[float(v.mid()) for v in row] for row in table])
    rad = np.array([[float(v.rad()) for v in row] for row in table])
    return ball_array(mid[None], (rad * (1 + 1e-9) + np.abs(mid) * 2.0**-52 + 1e-300)[None])
