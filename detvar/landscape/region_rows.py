r"""Which recorded triples make the boundary of the region: selection and its exact tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from detvar.errors import InputError
from detvar.exact.rational import Rational
from detvar.landscape.envelope import Lines, exact_number, upper_envelope
from detvar.landscape.triples import LABELS, NUMBERS, Triples

Array = Any  # numpy.ndarray: NumPy is not imported with the module

SIGN = -1  # the number of the line α = δ, that is of β ≥ 0, which no triple causes


def checked_delta_min(x: Any) -> Rational:
    """Return delta_min as an exact number ≥ 0."""
    value = exact_number(x, "delta_min")
    if value < 0:
        raise InputError(f"delta_min is {x}: alpha > beta, so give 0 or a positive number")
    return value


def checked_point(alpha: Any, beta: Any) -> tuple[Rational, Rational]:
    """Return α and δ = α − β exactly, after checking α > β ≥ 0."""
    a, b = exact_number(alpha, "alpha"), exact_number(beta, "beta")
    if b < 0:
        raise InputError(f"beta is {beta}: the condition is stated for alpha > beta >= 0")
    if a <= b:
        raise InputError(
            f"alpha is {alpha} and beta is {beta}: the condition is stated for alpha > beta >= 0"
        )
    return a, a - b


def limit(rows: Triples, k: int) -> Rational:
    """Return the bound g/b of δ that a triple with c = 0 gives; −1 if it excludes every δ."""
    return _quotient(float(rows.g[k]), float(rows.b[k]))


def _quotient(g: float, b: float) -> Rational:
    return exact_number(g) / exact_number(b) if b > 0 else Rational(-1)


def active_rows(triples: Triples, delta_min: Rational, slack: float = 0.0) -> Array:
    """Return the rows that make the region: lines by increasing slope, then a bound of δ.

    −1 stands for the line α = δ.  Without lines the region is empty.

    Parameters
    ----------
    triples : Triples
    delta_min : Rational ≥ 0
    slack : float ≥ 0
        Added to g.

    Notes
    -----
    **Cost**: O(N log N).
    """
    import numpy as np

    g, b, c = (getattr(triples, name) for name in NUMBERS)
    if slack:
        g = g + slack
    limits = _smallest_limit(g, b, np.flatnonzero(c == 0))
    high = min((_quotient(float(g[k]), float(b[k])) for k in limits), default=None)
    if high is not None and (high <= 0 or high < delta_min):
        return np.array(limits, dtype=np.int64)
    # b ≤ c and g ≥ 0 give α c ≥ δ c ≥ δ b − g: no more than α ≥ δ says
    real = np.flatnonzero((c > 0) & ((b > c) | (g < 0)))
    g, b, c = (np.concatenate([[x], y[real]]) for x, y in ((0, g), (1, b), (1, c)))
    hull = upper_envelope(Lines(g, b, c), delta_min, high)
    rows = [SIGN if k == 0 else int(real[k - 1]) for k in hull]
    return np.array(rows + limits, dtype=np.int64)


def pick(triples: Triples, rows: Array, slack: float = 0.0) -> Triples:
    """Return the named rows with their labels, and the line α = δ as (g, b, c) = (0, 1, 1)."""
    import numpy as np

    sign = rows == SIGN
    columns = zip((0.0, 1.0, 1.0), (triples.g, triples.b, triples.c), strict=True)
    # a row of its own for −1, so that an empty trace of constraints can be indexed too
    g, b, c = (np.append(y, x)[rows] for x, y in columns)
    labels = (getattr(triples, name) for name in LABELS)
    marked = (None if x is None else np.append(x, SIGN)[rows] for x in labels)
    return Triples(np.where(sign, g, g + slack), b, c, *marked)


def _smallest_limit(g: Array, b: Array, rows: Array) -> list[int]:
    """Return the row with c = 0 that bounds δ most, decided exactly; none if nothing does."""
    import numpy as np

    rows = rows[(b[rows] > 0) | (g[rows] < 0)]
    if not len(rows):
        return []
    with np.errstate(divide="ignore", over="ignore"):
        ratio = np.where(b[rows] > 0, g[rows] / b[rows], -np.inf)
    near = rows[ratio == ratio.min()]  # division rounds correctly: only these are in doubt
    first: dict[tuple[float, float], int] = {}
    for k, top, bottom in zip(near.tolist(), g[near].tolist(), b[near].tolist(), strict=True):
        first.setdefault((top, bottom), k)
    return [min(first.items(), key=lambda item: (_quotient(*item[0]), item[1]))[1]]


def join(parts: list[Triples]) -> Triples:
    """Concatenate triples; a part that lacks a label which another has gets −1."""
    import numpy as np

    def column(name: str) -> Iterator[Array]:
        for part in parts:
            x = getattr(part, name)
            yield np.full(len(part), -1) if x is None else x

    used = [name for name in LABELS if any(getattr(part, name) is not None for part in parts)]
    return Triples(**{name: np.concatenate(list(column(name))) for name in (*NUMBERS, *used)})
