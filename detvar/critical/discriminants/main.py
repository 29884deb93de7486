"""Where the real critical points change along a path of data: the method is chosen here."""

from __future__ import annotations

from typing import Any

from detvar.critical.discriminants.bisection import bisected
from detvar.critical.discriminants.exact import exact_discriminant
from detvar.critical.discriminants.path import LossPath
from detvar.critical.discriminants.report import DiscriminantReport
from detvar.errors import InputError
from detvar.exact.rational import Rational, rational

_METHODS = ("elimination", "bisection")


def discriminant(
    family: LossPath | dict[str, Any],
    parameter: str | None = None,
    *,
    interval: tuple[Any, Any] | None = None,
    rank: int = 1,
    method: str | None = None,
    samples: int = 9,
    width: Any = None,
    seed: int = 0,
    budget: float = 60.0,
) -> DiscriminantReport:
    """Return where the number of real critical points of rank r changes along ℓ_t.

    Parameters
    ----------
    family : a `LossPath`, or the "loss" object of a problem file with text such as "1 + 3*t"
    parameter : the name of t; by default that of the path, or "t"
    interval : (low, high), open; None as an end is −∞ or ∞, which elimination takes
    rank : 1 ≤ r < min(m, n)
    method : "elimination" (squared, weighted and quadratic losses on 2×n matrices, rank 1) or
        "bisection"; by default elimination where it applies
    samples, width : bisection: values looked at first; of the brackets, by default 1/1024 of the
        interval
    seed, budget : bisection: of the searches for critical points; seconds for each value

    Raises
    ------
    InputError
        If an argument is out of range, or bisection has no finite interval.
    PositiveDimensionalError
        If the critical points of all ℓ_t form curves.

    Notes
    -----
    **Cost**: elimination on 2×2, 2×3, 2×4 matrices: about 0.01 s, 1 s, 10 s for dense data.
    Bisection: tens of calls of `critical_points`.
    **Validity**: elimination: exact and complete wherever ℓ_t is strictly convex; elsewhere
    nothing is claimed. Bisection: counts are proved where they were taken, and only there.

    References
    ----------
    Gelfand, Kapranov, Zelevinsky, *Discriminants, Resultants and Multidimensional
    Determinants*, 1994, chapter 12.

    Examples
    --------
    >>> path = LossPath("weighted", target=[[1, 0], [0, "1/2"]], weights=[[1, "t"], [3, 1]])
    >>> found = discriminant(path, interval=(1, 4))
    >>> [str(t) for t in found.values], [(p.real, p.minima) for p in found.pieces]
    (['4/3'], [(2, 1), (4, 2)])
    """
    if isinstance(family, LossPath):
        path = family
        if parameter not in (None, path.parameter):
            raise InputError(
                f"the parameter of this path is {path.parameter}, not {parameter}: leave it out"
            )
    else:
        path = LossPath.from_json(family, "t" if parameter is None else parameter)
    full = min(path.shape)
    if type(rank) is not int or not 1 <= rank < full:
        raise InputError(f"rank is {rank}: give one from 1 to {full - 1}")
    low, high = _bounds(interval)
    fits = rank == 1 and full == 2 and path.quadratic() is not None
    if method is None:
        method = "elimination" if fits else "bisection"
    if method not in _METHODS:
        raise InputError(f"method is {method!r}: give one of {', '.join(_METHODS)}")
    if method == "elimination":
        if not fits:
            raise InputError(
                "elimination needs squared, weighted or quadratic losses on 2×n matrices and "
                'rank 1: give method="bisection"'
            )
        return exact_discriminant(path, (low, high))
    if low is None or high is None:
        raise InputError("bisection needs a finite interval: give both of its ends")
    if type(samples) is not int or samples < 2:
        raise InputError(f"samples is {samples}: give at least 2")
    size = None if width is None else rational(width, "width")
    if size is not None and size <= 0:
        raise InputError("width is not positive: give a small positive number")
    return bisected(path, rank, low, high, samples=samples, width=size, seed=seed, budget=budget)


def _bounds(interval: Any) -> tuple[Rational | None, Rational | None]:
    if interval is None:
        return None, None
    if not isinstance(interval, (tuple, list)) or len(interval) != 2:
        raise InputError("interval is not a pair (low, high): give two numbers, or None for ∞")
    ends = zip(interval, ("low", "high"), strict=True)
    low, high = (None if x is None else rational(x, f"interval: {name}") for x, name in ends)
    if low is not None and high is not None and low >= high:
        raise InputError(f"the interval ({low}, {high}) is empty: give low < high")
    return low, high
