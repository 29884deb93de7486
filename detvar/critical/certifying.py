"""From approximate critical points to proved ones.

For each candidate Krawczyk's test gives a disc around each coordinate with exactly one critical
point in them; what is said of the point (rank, reality, loss, Morse index) holds on the whole disc.
A real point whose coordinates are simple rational numbers is replaced by exact data.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf
from math import nextafter as _step
from typing import Any

from detvar.classify.degenerate import reduce_degenerate
from detvar.classify.hessian import function_space_hessian
from detvar.critical.certified_point import CertifiedPoint
from detvar.critical.rank_system import RankSystem
from detvar.critical.reports import LowerZero
from detvar.critical.tracked import Candidates
from detvar.exact.balls import exact_float
from detvar.exact.inertia import Inertia, inertia
from detvar.exact.matrices import Matrix, is_zero, rank
from detvar.exact.rational import Rational, rational
from detvar.losses import LikelihoodLoss, Loss, is_polynomial


@dataclass(frozen=True, eq=False)
class Certified:
    """What is proved of the candidates of one rank.

    Attributes
    ----------
    points : those proved to have rank r
    lower : (chart, coordinates) of the certified zeros that are not proved to have rank r
    lower_real : how many of these are not proved to be non-real
    failed : (chart, coordinates) of the candidates that are not certified
    distinct : whether all certified zeros are proved to be different
    """

    points: list[CertifiedPoint]
    lower: tuple[LowerZero, ...]
    lower_real: int
    failed: tuple[LowerZero, ...]
    distinct: bool


def certified(candidates: Candidates, loss: Loss) -> Certified:
    """Certify the candidates: existence, uniqueness, rank, reality, loss, inertia."""
    import numpy as np

    from detvar.homotopy.certify import Selected, certify
    from detvar.homotopy.enclosed import certified_inertia
    from detvar.homotopy.enclosed import values as enclosed

    made = candidates.system
    m, n, r = made.family.rows, made.family.columns, made.rank
    charts, exact_parameters = candidates.charts, candidates.parameters
    selected = Selected(exact_parameters, made.positions(charts))
    zeros = certify(made.equations, candidates.x, selected, made.jacobian, real=True)
    balls, done = zeros.enclosures, zeros.certified
    # where B loses rank, the chart has a zero but M_r no smooth critical point
    full = done & made.has_full_rank(balls[:, (m - r) * r :].reshape(len(balls), r, n))
    rest = done & ~full
    w = made.matrix_discs(balls, charts)
    real = np.flatnonzero(zeros.is_real & full)
    signs: dict[int, Inertia | None] = {}
    if real.size:
        p = Selected(exact_parameters, selected.positions[real]).balls()
        hessians = enclosed(lambda y, _: made.jacobian(y, p), zeros.coordinates(real))
        signs = dict(zip(real.tolist(), certified_inertia(hessians), strict=True))
    values = _values(loss, w, real)
    out: list[CertifiedPoint] = []
    for k in np.flatnonzero(full).tolist():
        exact = None
        if zeros.is_real[k]:
            chart = int(charts[k])
            exact = _recognised(zeros.points[k], balls.rad[k], made, chart, selected.of(k))
        if exact is not None:
            out.append(exact_point(loss, exact))
            continue
        real_or_not = True if zeros.is_real[k] else False if zeros.is_nonreal[k] else None
        centre, radius = w.mid[k].reshape(m, n), float(w.rad[k].max())
        out.append(_ball_point(r, centre, radius, real_or_not, values.get(k), signs.get(k)))
    lower = zip(charts[rest].tolist(), zeros.points[rest].tolist(), strict=True)
    failed = zip(charts[~done].tolist(), candidates.x[~done].tolist(), strict=True)
    return Certified(
        out,
        tuple((chart, tuple(x)) for chart, x in lower),
        int((rest & ~zeros.is_nonreal).sum()),
        tuple((chart, tuple(x)) for chart, x in failed),
        _distinct(made, w[done], balls[done], charts[done]),
    )


def _distinct(made: RankSystem, w: Any, x: Any, charts: Any) -> bool:
    """Say whether all zeros are proved to differ: in the matrix, or else in the frame.

    A frame F' has another column space than F = [I; A] if F' − F·(rows of F' at the identity of
    F) is not zero.
    """
    import numpy as np

    from detvar.homotopy.balls import ball_array
    from detvar.homotopy.enclosed import not_separated

    r, cut = made.rank, (made.family.rows - made.rank) * made.rank

    def frame(i: int) -> Any:
        mid = np.zeros((made.family.rows, r), dtype=np.complex128)
        rad = np.zeros(mid.shape)
        order = made.orders[int(charts[i])]
        mid[order[:r]] = np.eye(r)
        mid[order[r:]] = x.mid[i, :cut].reshape(-1, r)
        rad[order[r:]] = x.rad[i, :cut].reshape(-1, r)
        return ball_array(mid, rad)

    for i, j in not_separated(w):
        one, other = frame(i), frame(j)
        rest = other - one @ other[made.orders[int(charts[i])][:r]]
        if not (rest.lower() > 0).any():
            return False
    return True


def _values(loss: Loss, w: Any, real: Any) -> dict[int, tuple[float, float]]:
    """Return intervals that contain the loss at the real points, where it is defined."""
    m, n = loss.shape
    if isinstance(loss, LikelihoodLoss):
        found = {}
        for k in real:
            middle = Matrix(m, n, [exact_float(x) for x in w.mid[k].real.tolist()])
            interval = loss.value_interval(middle, float(w.rad[k].max()))
            if interval is not None:
                found[int(k)] = interval
        return found
    rows = [[w[real, i * n + j] for j in range(n)] for i in range(m)]
    balls = loss.evaluate(rows)
    out = {}
    for k, mid, rad in zip(real, balls.mid.real, balls.rad, strict=True):
        spread = float(rad) * (1 + 1e-9) + abs(float(mid)) * 1e-15
        if spread < inf:
            out[int(k)] = (float(mid) - spread, float(mid) + spread)
    return out


def exact_point(loss: Loss, w: Matrix) -> CertifiedPoint:
    """Return the point of a rational critical matrix, everything about it exact."""
    g = loss.gradient(w)
    found = inertia(function_space_hessian(w, g, loss.hessian(w)))
    nature = nature_of(found)
    if nature == "undecided" and found.negative == 0 and is_polynomial(loss):
        resolved = reduce_degenerate(loss, w).nature
        nature = "local_minimum" if resolved == "local_minimum" else "undecided"
    if is_zero(g) and loss.is_convex():
        nature = "global_minimum"
    center = tuple(tuple(complex(float(x)) for x in row) for row in w.tolist())
    if isinstance(loss, LikelihoodLoss):
        near_value = loss.value_interval(w)
        return CertifiedPoint(rank(w), center, 0.0, True, w, near_value, None, found, nature)
    value = loss.value(w)
    near = float(value)  # within a unit in the last place; two make an interval
    interval = (_step(_step(near, -inf), -inf), _step(_step(near, inf), inf))
    return CertifiedPoint(rank(w), center, 0.0, True, w, interval, value, found, nature)


def nature_of(found: Inertia) -> str:
    """Return what a point on a smooth stratum is, by the inertia of its Hessian."""
    if found.zero:
        return "strict_saddle" if found.negative and found.positive else "undecided"
    if found.negative == 0:
        return "local_minimum"
    return "strict_saddle" if found.positive else "local_maximum"


def _ball_point(
    e: int,
    w: Any,
    radius: float,
    is_real: bool | None,
    value: tuple[float, float] | None,
    found: Inertia | None,
) -> CertifiedPoint:
    """Return a point known by discs."""
    nature = "complex"
    if is_real:
        w = w.real + 0j
        nature = "undecided" if found is None else nature_of(found)
    elif is_real is None:
        nature = "undecided"
    center = tuple(tuple(row) for row in w.tolist())
    interval = value if is_real else None
    return CertifiedPoint(e, center, radius, is_real, None, interval, None, found, nature)


def _recognised(
    center: Any, radius: Any, made: RankSystem, chart: int, parameters: list[Rational]
) -> Matrix | None:
    """Return the exact critical matrix in a certified real disc, if its coordinates are simple
    rational numbers: they must solve the equations exactly and lie in the disc, where the zero
    is unique."""
    coordinates = []
    for z, r in zip(center, radius, strict=True):
        q = Fraction(float(z.real)).limit_denominator(10_000)
        if abs(q - Fraction(float(z.real))) > Fraction(float(r)):
            return None
        coordinates.append(rational(q))
    try:
        if any(made.equations(coordinates, parameters)):
            return None
    except ZeroDivisionError:
        return None
    n, order = made.family.columns, made.orders[chart]
    entries = made.entries(coordinates)
    rows = {row: entries[k * n : (k + 1) * n] for k, row in enumerate(order)}
    return Matrix(len(order), n, [x for i in range(len(order)) for x in rows[i]])
