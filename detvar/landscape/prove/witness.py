r"""Points at which (α, β) fails: found in floating point, proved in balls at a rational point.

At a rational point x the nearest minimisers are among those p whose distance is not certainly
larger than another one.  The pair fails at x if for every such p some term has F(x) < 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from detvar.exact.balls import arb, exact_float, working_precision
from detvar.exact.rational import Rational, rational
from detvar.landscape.envelope import to_float
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.prove.along import Line
from detvar.landscape.prove.boxes import compiled
from detvar.landscape.prove.cases import BITS, Setting, polynomial_ball

_SAMPLES, _KEPT = 4000, 12


def violated_terms(setting: Setting, x: Sequence[Rational]) -> dict[int, int] | None:
    """Return for every possibly nearest minimiser a term that certainly fails; else None.

    Parameters
    ----------
    setting : with finitely many minimisers, or a formula for the projection
    x : d rational numbers
    """
    with working_precision(BITS):
        at = [arb(v) for v in x]
        out: dict[int, int] = {}
        for k in _nearest(setting, at):
            term = next(
                (c.term for c in setting.cases if c.point == k and _fails(setting, c, at)), None
            )
            if term is None:
                return None
            out[k] = term
        return out


def _nearest(setting: Setting, at: Sequence[arb]) -> list[int]:
    if setting.exact.minimisers is None:
        return [0]
    distances = []
    for p in setting.points:
        total = arb(0)
        for v, e in zip(at, p, strict=True):
            step = v - setting.exact.ball(e, bits=BITS)
            total += step * step
        distances.append(total)
    return [k for k, a in enumerate(distances) if not any(a > b for b in distances)]


def _fails(setting: Setting, case: Any, at: Sequence[arb]) -> bool:
    graph, root = setting.graph(case)
    (value,) = compiled(graph, [root], setting.dimension, setting.balls)(at)
    return bool(value < 0)


def on_line(setting: Setting, line: Line, y: Rational) -> list[Rational]:
    """Return a rational point next to base + y·direction."""
    at = [arb(0)] * setting.dimension + setting.balls
    out = []
    for b, v in zip(line.base, line.direction, strict=True):
        ball = polynomial_ball(b, at) + arb(y) * polynomial_ball(v, at)
        out.append(exact_float(float(ball.mid())))
    return out


def candidates(
    problem: FiniteSum, alpha: Rational, beta: Rational, seed: int = 0
) -> list[list[Rational]]:
    """Return points at which (α, β) seems to fail, worst first; floating point only.

    Random points on many scales around the origin and the projections of them, and a pattern
    search from the worst.
    """
    import numpy as np

    d = problem.dimension
    rng = np.random.default_rng(seed)
    scales = 10.0 ** rng.uniform(-3, 7, size=(_SAMPLES, 1))
    points = rng.normal(size=(_SAMPLES, d)) * scales
    points = np.concatenate([points, rng.normal(size=(_SAMPLES, d)) * 2])
    centre = problem.project(points)
    if centre is None:
        return []
    points = np.concatenate([points, centre + rng.normal(size=points.shape) * 0.3])
    a, delta = to_float(alpha), to_float(alpha - beta)

    def slack(x: Any) -> Any:
        with np.errstate(all="ignore"):
            p = problem.project(x)
            g = np.einsum("kid,kd->ki", problem.gradients(x), x - p)
            b, c = problem.values(x) - problem.lower, problem.values(p) - problem.lower
            value = (a * c - delta * b + g) / (a * c + delta * b + np.abs(g) + 1e-300)
            return np.nan_to_num(value.min(axis=1), nan=1.0)

    best = points[np.argsort(slack(points))[:_KEPT]]
    step = 0.3 * (1 + np.abs(best))
    moves = np.concatenate([np.eye(d), -np.eye(d)])
    values = slack(best)
    for _ in range(40):
        trial = best[:, None, :] + step[:, None, :] * moves[None]
        score = slack(trial.reshape(-1, d)).reshape(len(best), -1)
        k = score.argmin(axis=1)
        better = score.min(axis=1) < values
        rows = np.arange(len(best))
        best = np.where(better[:, None], trial[rows, k], best)
        values = np.minimum(values, score.min(axis=1))
        step = np.where(better[:, None], step, step / 2)
    order = [i for i in np.argsort(values) if values[i] < 0 and np.isfinite(best[i]).all()]
    return [[exact_float(float(v)) for v in best[i]] for i in order]


def first_violation(
    setting: Setting, points: Iterable[Sequence[Rational]]
) -> tuple[list[Rational], dict[int, int]] | None:
    """Return the first point that is proved to violate, rounded if that does it as well."""
    for x in points:
        for y in (_rounded(x, 16), _rounded(x, 1 << 20), list(x)):
            terms = violated_terms(setting, y)
            if terms:
                return y, terms
    return None


def _rounded(x: Sequence[Rational], scale: int) -> list[Rational]:
    return [rational((v * scale + rational("1/2")).floor()) / scale for v in x]
