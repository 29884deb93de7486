"""All critical points of a weighted or quadratic loss on M_r: tracked, certified, compared.

Rank by rank: the points of rank e < r are critical on their own stratum only; over them lie
spurious critical points of networks, which are saddles (unless ∇ℓ = 0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import inf
from math import nextafter as _step
from time import perf_counter
from typing import Any

from detvar.classify.certificate import CheckReport
from detvar.classify.degenerate import reduce_degenerate
from detvar.classify.hessian import function_space_hessian
from detvar.critical.certified import CertifiedPoint, CertifiedPoints
from detvar.critical.rank_system import RankSystem, family_of
from detvar.critical.tracked import Candidates, expected_count, rank_system, track_to
from detvar.errors import InputError, PositiveDimensionalError
from detvar.exact.inertia import Inertia, inertia
from detvar.exact.matrices import Matrix, is_zero, rank, submatrix, zeros
from detvar.exact.rational import Rational, rational
from detvar.losses import Loss, QuadraticLoss, WeightedSquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.varieties import DeterminantalVariety

Progress = Callable[[int, int, float], None]
_SMALLEST = Rational(1, 10**60)  # floating point reaches further, products of five do not
_SOURCE = "generic ED degree (sum of the polar degrees)"


def search_critical_points(
    variety: DeterminantalVariety,
    loss: Loss,
    seed: int = 0,
    budget: float = 60.0,
    progress: Progress | None = None,
) -> CertifiedPoints:
    """Return the critical points of a strictly convex quadratic loss on M_r, rank by rank.

    Raises
    ------
    InputError
        If the loss is neither weighted nor quadratic, or not strictly convex.
    PositiveDimensionalError
        If the loss does not see every direction: then critical points are not isolated.
    """
    begin = perf_counter()
    _require_strictly_convex(loss)
    if variety.rows > variety.columns:  # the charts need m ≤ n
        turned = DeterminantalVariety(variety.columns, variety.rows, variety.rank)
        found = search_critical_points(turned, transposed(loss), seed, budget, progress)
        points = tuple(_turned(p) for p in found.points)
        return replace(found, variety=variety, loss=loss, points=points)
    expected: dict[int, int] = {}
    lost: dict[int, int] = {}
    distinct = True
    collected: list[CertifiedPoint] = []
    for e in range(variety.rank, -1, -1):
        if e == 0 or e == variety.max_rank:
            here = _extreme(variety, loss, e)
            expected[e], lost[e] = len(here), 0
        else:
            candidates = track_to(loss, e, seed, budget, progress)
            here, apart = certified(candidates, loss)
            expected[e], lost[e] = candidates.expected, candidates.lost
            distinct = distinct and apart
        collected += here
    points = tuple(_on_the_variety(p, variety.rank, loss) for p in collected)
    points = _with_global_minimum(points, distinct, expected)
    return CertifiedPoints(
        variety, loss, points, expected, _SOURCE, lost, distinct, seed, perf_counter() - begin
    )


def transposed(loss: Loss) -> Loss:
    """Return the loss W ↦ ℓ(Wᵀ)."""
    m, n = loss.shape
    if isinstance(loss, WeightedSquaredLoss):
        return WeightedSquaredLoss(loss.target.transpose(), loss.weights.transpose())
    if isinstance(loss, QuadraticLoss):
        order = [i * n + j for j in range(n) for i in range(m)]
        return QuadraticLoss(loss.target.transpose(), submatrix(loss.form, order, order))
    raise InputError("only weighted and quadratic losses can be transposed here")


def _require_strictly_convex(loss: Loss) -> None:
    if not isinstance(loss, (WeightedSquaredLoss, QuadraticLoss)):
        raise InputError(
            "critical points are found for squared, weighted and quadratic losses: use one of these"
        )
    m, n = loss.shape
    if loss.reduce(LinearNetwork(n, max(m, n), m)).changed:
        raise PositiveDimensionalError(
            "the loss does not see some row or column of W, so its critical points are not "
            "isolated: drop that row or column from the data"
        )
    numbers = family_of(loss).parameters(loss)
    if any(x and not _SMALLEST < abs(x) < 1 / _SMALLEST for x in numbers):
        raise InputError("target or weights are too large or too small to track: rescale the data")
    form = loss.hessian(zeros(m, n))
    if inertia(form).positive != m * n:
        raise InputError(
            "the loss is not strictly convex: give positive weights, or a positive definite form"
        )


def _extreme(variety: DeterminantalVariety, loss: Loss, e: int) -> list[CertifiedPoint]:
    """The critical points of rank 0 and of full rank: the matrix 0, and the target."""
    m, n = variety.rows, variety.columns
    if e == 0:
        return [_exact_point(loss, zeros(m, n))]
    target = loss.target if isinstance(loss, (WeightedSquaredLoss, QuadraticLoss)) else zeros(m, n)
    return [_exact_point(loss, target)] if rank(target) == e else []


def _exact_point(loss: Loss, w: Matrix) -> CertifiedPoint:
    """Return the point of a rational critical matrix, everything about it exact."""
    g = loss.gradient(w)
    found = inertia(function_space_hessian(w, g, loss.hessian(w)))
    nature = _nature(found)
    if nature == "undecided" and found.negative == 0:
        resolved = reduce_degenerate(loss, w).nature
        nature = "local_minimum" if resolved == "local_minimum" else "undecided"
    if is_zero(g):
        nature = "global_minimum"
    center = tuple(tuple(complex(float(x)) for x in row) for row in w.tolist())
    value = loss.value(w)
    near = float(value)  # within a unit in the last place; two make an interval
    interval = (_step(_step(near, -inf), -inf), _step(_step(near, inf), inf))
    return CertifiedPoint(rank(w), center, 0.0, True, w, interval, value, found, nature)


def _nature(found: Inertia) -> str:
    if found.zero:
        return "strict_saddle" if found.negative and found.positive else "undecided"
    if found.negative == 0:
        return "local_minimum"
    return "strict_saddle" if found.positive else "local_maximum"


def certified(candidates: Candidates, loss: Loss) -> tuple[list[CertifiedPoint], bool]:
    """Return the candidates proved to have rank r, with all that is proved of them, and whether
    they are all certified and distinct."""
    import numpy as np

    from detvar.homotopy.balls import ball_array, stack
    from detvar.homotopy.certify import certify
    from detvar.homotopy.duals import forward_jacobian
    from detvar.homotopy.enclosed import certified_inertia, not_separated
    from detvar.homotopy.enclosed import values as enclosed

    made = candidates.system
    m, n = made.family.rows, made.family.columns
    out: list[CertifiedPoint] = []
    mids, rads = [], []
    for chart in np.unique(candidates.charts):
        here = candidates.charts == chart
        order = made.orders[int(chart)]
        seen = [candidates.parameters[i] for i in made.family.permuted(order)]
        zeros_ = certify(made.equations, candidates.x[here], seen)
        balls = zeros_.enclosures
        stacked = made.entries([balls[:, i] for i in range(made.unknowns)])
        place = {row: k for k, row in enumerate(order)}
        w = stack([stacked[place[i] * n + j] for i in range(m) for j in range(n)], (len(balls),))
        # where B loses rank, the chart has a zero but M_r no smooth critical point
        factors = balls[:, (m - made.rank) * made.rank :].reshape(-1, made.rank, n)
        full = made.has_full_rank(factors)
        real = np.flatnonzero(zeros_.is_real)
        signs: dict[int, Inertia | None] = {}
        if real.size:
            hessians = enclosed(forward_jacobian(made.equations), zeros_.coordinates(real), seen)
            signs = dict(zip(real.tolist(), certified_inertia(hessians), strict=True))
        values = loss.evaluate([[w[i * n + j] for j in range(n)] for i in range(m)])
        mids.append(w.mid.T[full])
        rads.append(w.rad.T[full])
        for k in np.flatnonzero(full):
            exact = None
            if zeros_.is_real[k]:
                exact = _recognised(zeros_.points[k], balls.rad[k], made, order, seen)
            if exact is not None:
                out.append(_exact_point(loss, exact))
                continue
            out.append(
                _ball_point(
                    candidates.system.rank,
                    w.mid[:, k].reshape(m, n),
                    float(w.rad[:, k].max()),
                    True if zeros_.is_real[k] else False if zeros_.is_nonreal[k] else None,
                    (values.mid[k].real, values.rad[k]),
                    signs.get(int(k)),
                )
            )
    if not out:
        return out, True
    together = ball_array(np.concatenate(mids), np.concatenate(rads))
    certified = np.isfinite(together.rad).all(axis=1)
    return out, bool(certified.all()) and not not_separated(together)


def _ball_point(
    e: int,
    w: Any,
    radius: float,
    is_real: bool | None,
    value: tuple[float, float],
    found: Inertia | None,
) -> CertifiedPoint:
    """Return a point known by discs."""
    center = tuple(tuple(complex(z) for z in row) for row in w)
    interval, nature = None, "complex"
    if is_real:
        center = tuple(tuple(complex(z.real) for z in row) for row in center)
        spread = value[1] * (1 + 1e-9) + abs(value[0]) * 1e-15
        interval = (float(value[0] - spread), float(value[0] + spread))
        nature = "undecided" if found is None else _nature(found)
    elif is_real is None:
        nature = "undecided"
    return CertifiedPoint(e, center, radius, is_real, None, interval, None, found, nature)


def _recognised(
    center: Any, radius: Any, made: RankSystem, order: list[int], parameters: list[Rational]
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
    if any(made.equations(coordinates, parameters)):
        return None
    n = made.family.columns
    entries = made.entries(coordinates)
    rows = {row: entries[k * n : (k + 1) * n] for k, row in enumerate(order)}
    return Matrix(len(order), n, [x for i in range(len(order)) for x in rows[i]])


def _on_the_variety(p: CertifiedPoint, bound: int, loss: Loss) -> CertifiedPoint:
    """Return the point as one of M_r: below rank r it is critical on its own stratum only."""
    if p.rank == bound or (p.exact is not None and is_zero(loss.gradient(p.exact))):
        return p
    return replace(p, nature="lower_rank" if p.is_real else p.nature)


def _turned(p: CertifiedPoint) -> CertifiedPoint:
    """Return the point with W transposed."""
    exact = None if p.exact is None else p.exact.transpose()
    return replace(p, center=tuple(zip(*p.center, strict=True)), exact=exact)


def _with_global_minimum(
    points: tuple[CertifiedPoint, ...], distinct: bool, expected: dict[int, int]
) -> tuple[CertifiedPoint, ...]:
    """Name the global minimum if all points are known and its value is proved the least."""
    complete = distinct and all(
        sum(p.is_certified for p in points if p.rank == e) == n for e, n in expected.items()
    )
    real = [p for p in points if p.is_real and p.value is not None]
    if not complete or any(p.is_real is None for p in points) or not real:
        return points
    best = min(real, key=lambda p: p.value[1] if p.value else 0.0)
    rivals = [p for p in real if p is not best]
    if any(
        p.value is not None and best.value is not None and p.value[0] <= best.value[1]
        for p in rivals
    ):
        return points
    named = replace(best, nature="global_minimum")
    return tuple(named if p is best else p for p in points)


def recertify(variety: DeterminantalVariety, loss: Loss, saved: dict[str, Any]) -> CheckReport:
    """Certify a saved list of critical points from its matrices and the problem alone.

    Every saved matrix is the start of Krawczyk's test (or, if exact, put into the equations);
    counts, distinctness, natures and the claim of completeness are derived again and compared.
    Nothing is tracked, no random choice is made.

    Raises
    ------
    InputError
        If the list does not have the saved form.
    """
    _require_strictly_convex(loss)
    wide = variety.rows <= variety.columns
    shown = variety if wide else DeterminantalVariety(variety.columns, variety.rows, variety.rank)
    problem = loss if wide else transposed(loss)
    points, distinct, expected = [], True, {}
    for e in range(shown.rank, -1, -1):
        if e == 0 or e == shown.max_rank:
            here = _extreme(shown, problem, e)
            expected[e] = len(here)
        else:
            w = _saved_matrices(saved, e, variety, wide)
            here, apart = certified(_candidates_at(w, problem, e), problem)
            distinct = distinct and apart
            expected[e] = expected_count(family_of(problem), e)[0]
        points += [_on_the_variety(p, shown.rank, problem) for p in here]
    named = _with_global_minimum(tuple(points), distinct, expected)
    again = CertifiedPoints(variety, loss, named, expected, _SOURCE, {}, distinct, 0, 0.0)
    lines = again.certificates
    for field in ("complex_count", "is_complete", "distinct", "expected"):
        if saved.get(field) != again.to_json()[field]:
            return CheckReport(False, (*lines, f'refused: "{field}" is not what can be proved'))
    stated = sorted(_label(p) for p in saved["points"])
    if stated != sorted(_label(p.to_json()) for p in named):
        return CheckReport(False, (*lines, "refused: the natures of the points are others"))
    return CheckReport(True, (*lines, "all saved points certified again, without tracking"))


def _label(p: Any) -> tuple[Any, ...]:
    if not isinstance(p, dict):
        raise InputError("points must be a list of objects")
    fields = ("rank", "nature", "is_real", "inertia", "exact_value")
    return tuple(str(p.get(field)) for field in fields)


def _saved_matrices(
    saved: dict[str, Any], e: int, variety: DeterminantalVariety, wide: bool
) -> Any:
    """Return the saved centers of rank e, (P, m, n) with m ≤ n."""
    import numpy as np

    m, n = variety.rows, variety.columns
    try:
        found = [
            [[complex(*map(float.fromhex, z)) for z in row] for row in p["center"]]
            for p in saved["points"]
            if p["rank"] == e
        ]
        w = np.array(found, dtype=np.complex128).reshape(-1, m, n)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise InputError(
            "points must hold the center of each point as hexadecimal floats"
        ) from None
    return w if wide else np.swapaxes(w, 1, 2)


def _candidates_at(w: Any, loss: Loss, e: int) -> Candidates:
    """Return matrices as candidates, each in its best chart."""
    import numpy as np

    made = rank_system(family_of(loss), e)
    x, charts = made.coordinates(w)
    count, source = expected_count(made.family, e)
    parameters = made.family.parameters(loss)
    if not np.isfinite(x).all():
        raise InputError("a saved center is not finite: save the points again")
    return Candidates(made, x, charts, parameters, count, source, 0, 0, 0.0)
