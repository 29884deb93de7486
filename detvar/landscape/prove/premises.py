r"""What a proof takes from the problem, and points that show that it is not so.

The claim (α, β) is about the minimisers and the lower bounds as they are given.  A random search
looks for a point at which f is smaller than at the minimisers, or a term smaller than its lower
bound; what it finds is proved in balls before the problem is refused.  No find proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from detvar.errors import InputError
from detvar.exact.balls import arb, exact_float, working_precision
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.prove.boxes import compiled
from detvar.landscape.prove.cases import BITS, Setting, graph_node

_SAMPLES, _STEPS = 1500, 40


def require_premises(problem: FiniteSum, setting: Setting, seed: int = 0) -> None:
    """Refuse a problem whose minimisers or lower bounds are proved to be wrong.

    Raises
    ------
    InputError
        With the point and the values.

    Examples
    --------
    >>> import sympy
    >>> from detvar.landscape.finite_sum import FiniteSum
    >>> x = sympy.Symbol("x", real=True)
    >>> f = FiniteSum.from_sympy([x**2 - x**3 / 3 + x**4 / 40], [x], [(0,)], [-20])
    >>> require_premises(f, Setting.of(f.exact, 2, 1))
    Traceback (most recent call last):
    ...
    detvar.errors.InputError: f is smaller at (7.24) than at the given minimisers: give the \
points where f is least
    """
    points, values = values_at_minimisers(setting)
    start = [tuple(float(e.mid()) for e in p) for p in points]
    x = _lowest(problem, problem.f, start, seed)
    if _total(setting, list(x)) < values[0]:
        raise InputError(
            f"f is smaller at ({_shown(x)}) than at the given minimisers: give the points where f "
            "is least"
        )
    for i in range(problem.count):
        x = _lowest(problem, partial(_term, problem, i), start, seed)
        low = setting.exact.ball(setting.exact.lower[i], bits=BITS)
        if _values(setting, [i], list(x))[0] < low:
            raise InputError(
                f"lower[{i}] is above the value of term {i} at ({_shown(x)}): give a lower bound "
                "of the term"
            )


def values_at_minimisers(setting: Setting) -> tuple[list[list[arb]], list[arb]]:
    """Return the given minimisers, and n·f at them; refuse them if f differs there."""
    exact = setting.exact
    if exact.minimisers is not None:
        points = [[exact.ball(e, bits=BITS) for e in p] for p in exact.minimisers]
    else:  # images of a few points under the projection
        rows = [[(3 * k + j) % 7 - 3 for j in range(setting.dimension)] for k in range(5)]
        points = [[exact.ball(e, row, bits=BITS) for e in setting.points[0]] for row in rows]
    values = [_total(setting, p) for p in points]
    for value in values:
        if not value.overlaps(values[0]):
            raise InputError(
                "f has different values at two of the given minimisers: correct the minimisers, "
                "or the projection"
            )
    return points, values


def _term(problem: FiniteSum, i: int, x: Any) -> Any:
    return problem.values(x)[..., i]


def _shown(x: Any) -> str:
    return ", ".join(f"{float(v):.3g}" for v in x)


def _lowest(
    problem: FiniteSum, f: Callable[[Any], Any], start: list[tuple[float, ...]], seed: int
) -> Any:
    """A pattern search from the best of random points; floating point only."""
    import numpy as np

    d = problem.dimension
    rng = np.random.default_rng(seed)
    centre = np.array(start)[rng.integers(len(start), size=_SAMPLES)]
    points = centre + rng.normal(size=(_SAMPLES, d)) * 10.0 ** rng.uniform(-1, 2, (_SAMPLES, 1))

    def value(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.nan_to_num(f(x), nan=np.inf)

    best = points[np.argsort(value(points))[:8]]
    step = np.full((len(best), 1), 0.5) * (1 + np.abs(best).max(axis=1, keepdims=True))
    moves = np.concatenate([np.eye(d), -np.eye(d)])
    rows = np.arange(len(best))
    for _ in range(_STEPS):
        trial = best[:, None, :] + step[:, :, None] * moves[None]
        score = value(trial.reshape(-1, d)).reshape(len(best), -1)
        better = (score.min(axis=1) < value(best))[:, None]
        best = np.where(better, trial[rows, score.argmin(axis=1)], best)
        step = np.where(better, step, step / 2)
    x = best[value(best).argmin()]
    # on a coarse grid the point is short, and as good
    return [exact_float(round(float(v) * 2**10) / 2**10 if abs(v) < 2**40 else float(v)) for v in x]


def _values(setting: Setting, terms: list[int], x: list[Any]) -> list[arb]:
    from detvar.homotopy.expression import Graph

    with working_precision(BITS):
        graph = Graph()
        nodes = {s: graph.input(j) for j, s in enumerate(setting.symbols)}
        roots = [graph_node(graph, setting.exact.terms[i], nodes) for i in terms]
        return compiled(graph, roots, setting.dimension, setting.balls)([arb(v) for v in x])


def _total(setting: Setting, x: list[Any]) -> arb:
    with working_precision(BITS):
        total = arb(0)
        for value in _values(setting, list(range(len(setting.exact.terms))), x):
            total += value
        return total
