r"""The upper envelope of the lines δ ↦ (b_k δ − g_k)/c_k, decided exactly.

The coefficients are floats and are taken as the exact numbers they are.  Floating point with a
proved error bound discards what is certainly below; every sign it cannot decide is computed in Q.
So no line that touches the envelope in an interval is ever lost, and the rest is fast.

Error bounds: with u = 2⁻⁵³ a quotient m̂ = fl(b/c) is within u|m| of m unless it underflows, and
such quotients never take part in a floating-point decision.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from detvar.errors import InputError
from detvar.exact.rational import Rational, rational

Array = Any  # numpy.ndarray: NumPy is not imported with the module

SMALLEST = 1e-290  # quotients below are not trusted in floating point
SLACK = 1e-300  # covers the underflow of a product
SAMPLE = 1024  # lines whose envelope is the sieve for all the others
KNOTS = 24
FAR = 1e100  # knots beyond could overflow
BLOCK = 1 << 15  # rows handled at once, so that they stay in the cache


def exact_number(x: Any, name: str = "the number") -> Rational:
    """Return `x` as a rational number; a float is the dyadic number it is.

    >>> exact_number(0.75) == exact_number("3/4"), exact_number(0.1) == exact_number("0.1")
    (True, False)
    """
    if type(x).__name__.startswith("float"):
        number = float(x)
        if number - number != 0:
            raise InputError(f"{name} is {number}: give a finite number")
        return Rational(*number.as_integer_ratio())
    return rational(x, name)


def to_float(x: Rational) -> float:
    """Return the float nearest to `x`, infinite where it is too large."""
    try:
        return int(x.p) / int(x.q)
    except OverflowError:
        return float("inf") if x > 0 else float("-inf")


class Lines:
    """The lines α = (b_k δ − g_k)/c_k with c_k > 0, in floating point and exactly."""

    def __init__(self, g: Array, b: Array, c: Array) -> None:
        self.g, self.b, self.c = g, b, c

    def __len__(self) -> int:
        return len(self.g)

    def exact(self, k: int) -> tuple[Rational, Rational]:
        """Return slope b/c and depth g/c of line k."""
        c = exact_number(float(self.c[k]))
        return exact_number(float(self.b[k])) / c, exact_number(float(self.g[k])) / c

    def value(self, k: int, delta: Rational) -> Rational:
        """Return the height of line k at δ."""
        slope, depth = self.exact(k)
        return slope * delta - depth

    def crossing(self, j: int, k: int) -> Rational:
        """Return the δ at which lines j and k of different slopes meet."""
        (m, h), (n, d) = self.exact(j), self.exact(k)
        return (d - h) / (n - m)

    def floats(self, which: Any) -> tuple[Array, Array]:
        """Return slopes and depths in floating point; NaN where they cannot be trusted."""
        import numpy as np

        g, b, c = self.g[which], self.b[which], self.c[which]
        with np.errstate(over="ignore"):
            m, h = b / c, g / c
        for x, top in ((m, b), (h, g)):
            x[(np.isinf(x)) | ((abs(x) < SMALLEST) & (top != 0))] = np.nan
        return m, h


def upper_envelope(lines: Lines, low: Rational, high: Rational | None) -> Array:
    """Return the lines that form max_k (b_k δ − g_k)/c_k for δ in [low, high].

    Parameters
    ----------
    lines : Lines
        At least one.
    low, high : Rational
        0 ≤ low ≤ high; None is infinity.

    Returns
    -------
    array of int
        Indices by increasing slope, each with a piece of positive length (one index if
        low = high).  Of equal lines the first is taken.

    Notes
    -----
    **Cost**: O(n log n).  **Validity**: exact for every finite input, also where quotients
    overflow or underflow; such lines are handled in Q, some microseconds each.

    Examples
    --------
    >>> import numpy as np
    >>> lines = Lines(np.array([0, 1, -0.5]), np.array([1, 2, 0.4]), np.array([1, 0.5, 0.8]))
    >>> [int(k) for k in upper_envelope(lines, rational(0), None)]
    [2, 1]
    """
    return _clip(lines, _hull(lines, _sieve(lines, low, high)), low, high)


def _sieve(lines: Lines, low: Rational, high: Rational | None) -> Array:
    """Return indices of all lines that are not certainly below the others on [low, high].

    Take lines κ₀, …, κ_p (some lines of the envelope of a sample) and any knots t₀ ≤ low ≤ … ≤ t_p.
    A line that is below κ_i at t_i and at t_{i+1} is so in between; one that is below κ_p at t_p
    and not steeper is so for ever.  This needs no exact knots, only safe comparisons.
    """
    import numpy as np

    n = len(lines)
    if n <= 2 * SAMPLE:
        return np.arange(n)
    best = _clip(lines, _hull(lines, np.arange(0, n, n // SAMPLE)), low, high)
    m, h = lines.floats(best)
    best, m, h = (x[np.isfinite(m) & np.isfinite(h)] for x in (best, m, h))
    if not len(best):
        return np.arange(n)
    some = np.unique(np.linspace(0, len(best) - 1, KNOTS).round().astype(int))
    best, m, h = best[some], m[some], h[some]
    start, end = _outside(low, high)
    with np.errstate(all="ignore"):
        inner = np.nan_to_num((h[1:] - h[:-1]) / (m[1:] - m[:-1])).clip(start, min(end, FAR))
    knots = np.concatenate([[start], np.maximum.accumulate(inner)])
    left = right = np.arange(len(best))
    left = np.maximum(left - 1, 0)
    if np.isfinite(end):
        knots = np.append(knots, end)
        left, right = np.append(left, right[-1]), np.append(right, right[-1])
    with np.errstate(over="ignore", invalid="ignore"):
        rises = [m[k] * knots for k in (left, right)]
        heights = [
            rise - h[k] - 1e-15 * (rise + abs(h[k])) - SLACK
            for rise, k in zip(rises, (left, right), strict=True)
        ]
    bars = np.minimum(*heights)
    last = best[-1] if np.isinf(end) else None
    found = [
        first + np.flatnonzero(_may_exceed(lines, slice(first, first + BLOCK), knots, bars, last))
        for first in range(0, n, BLOCK)
    ]
    return np.concatenate(found)


def _outside(low: Rational, high: Rational | None) -> tuple[float, float]:
    """Return floats around [low, high]."""
    start = max(0.0, to_float(low) * (1 - 1e-15))
    return start, float("inf") if high is None else to_float(high) * (1 + 1e-15) + SLACK


def _may_exceed(lines: Lines, rows: slice, knots: Array, bars: Array, last: int | None) -> Array:
    """Return which rows are not certainly below all `bars` at the `knots`."""
    import numpy as np

    m, h = lines.floats(rows)
    depth = abs(h)
    # NaN compares false, so that what is not known counts as above
    above = np.zeros(len(m), dtype=bool)
    if last is not None:
        steeper = ~(m * (1 + 1e-15) < lines.b[last] / lines.c[last])
        parallel = (lines.b[rows] == lines.b[last]) & (lines.c[rows] == lines.c[last])
        above |= steeper & ~parallel
    with np.errstate(over="ignore", invalid="ignore"):
        for t, bar in zip(knots, bars - SLACK, strict=True):
            rise = m * t
            height = rise - h
            rise += depth
            rise *= 1e-15
            height += rise
            above |= ~(height < bar)
    return above


def _hull(lines: Lines, which: Array) -> Array:
    """Return the lines of the envelope over all δ, by increasing slope."""
    import numpy as np

    which = _by_slope(lines, which)
    m, h = lines.floats(which)
    while len(which) > 200:
        above, below = _turns(m, h)
        unknown = np.flatnonzero(~(above | below))
        if len(unknown) > max(1000, len(which) // 100):
            break
        for k in unknown:
            above[k] = _turns_up(lines, *which[k : k + 3])
        bad = np.flatnonzero(~above) + 1
        if not len(bad):
            return which
        # of two neighbours only one may go at a time: the reason of the other would go with it
        odd = bad[bad % 2 == 1]
        out = odd if 2 * len(odd) >= len(bad) else bad[bad % 2 == 0]
        which, m, h = (np.delete(x, out) for x in (which, m, h))
        if len(out) < len(which) // 50:
            break
    return _stack(lines, which, m, h)


def _by_slope(lines: Lines, which: Array) -> Array:
    """Sort by exact slope; of parallel lines keep the highest, the first if equal."""
    import numpy as np

    which, ends = _runs(lines, which)
    if len(which) - len(ends) > 1000:  # many are parallel: perhaps the same row many times
        which, ends = _runs(lines, _distinct(lines, which))
    keep = np.ones(len(which), dtype=bool)
    for r in np.flatnonzero(np.diff(ends) > 1):
        first, end = int(ends[r]), int(ends[r + 1])
        run = sorted((*lines.exact(k), int(k)) for k in which[first:end])
        which[first:end] = [k for _, _, k in run]
        keep[first + 1 : end] = [x[0] != y[0] for x, y in pairwise(run)]
    return which[keep]


def _runs(lines: Lines, which: Array) -> tuple[Array, Array]:
    """Sort by slope up to rounding; return also where the runs of possibly equal slopes start.

    Division rounds correctly, so that m̂ < m̂' implies m < m'; only equal quotients are in doubt.
    """
    import numpy as np

    with np.errstate(over="ignore"):
        m = lines.b[which] / lines.c[which]
        order = np.argsort(m, kind="stable")
        m = m[order]
    return which[order], np.concatenate([[0], np.flatnonzero(m[:-1] < m[1:]) + 1, [len(m)]])


def _distinct(lines: Lines, which: Array) -> Array:
    """Keep, among rows with the same b and c, the one with the smallest g, the first if equal."""
    import numpy as np

    which = np.sort(which)
    g, b, c = lines.g[which], lines.b[which], lines.c[which]
    order = np.lexsort((g, c, b))
    b, c = b[order], c[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (b[1:] != b[:-1]) | (c[1:] != c[:-1])
    return which[order[new]]


def _turns(m: Array, h: Array) -> tuple[Array, Array]:
    """Return where the middle of three consecutive lines is certainly needed, certainly not.

    With lines m δ − h the middle one is above the crossing of its neighbours iff
    (m₂ − m₁)(h₃ − h₁) > (h₂ − h₁)(m₃ − m₁); a difference is within 2u(|m₁| + |m₂|) of the truth.
    """
    import numpy as np

    m1, m2, m3, h1, h2, h3 = m[:-2], m[1:-1], m[2:], h[:-2], h[1:-1], h[2:]
    with np.errstate(over="ignore", invalid="ignore"):
        p, q, r, s = m2 - m1, h3 - h1, h2 - h1, m3 - m1
        ep, es = 2.5e-16 * (abs(m1) + abs(m2)), 2.5e-16 * (abs(m1) + abs(m3))
        eq, er = 2.5e-16 * (abs(h1) + abs(h3)), 2.5e-16 * (abs(h1) + abs(h2))
        ap, aq, ar, a_s = abs(p), abs(q), abs(r), abs(s)
        error = ep * aq + eq * ap + ep * eq + er * a_s + es * ar + er * es
        error += 5e-16 * (ap * aq + ar * a_s)
        error = 1.01 * error + SLACK
        turn = p * q - r * s
        return turn > error, turn < -error


def _turns_up(lines: Lines, i: int, j: int, k: int) -> bool:
    (m1, h1), (m2, h2), (m3, h3) = lines.exact(i), lines.exact(j), lines.exact(k)
    return bool((m2 - m1) * (h3 - h1) > (h2 - h1) * (m3 - m1))


def _stack(lines: Lines, which: Array, m: Array, h: Array) -> Array:
    """Return the envelope of lines of increasing slopes, one line at a time."""
    import numpy as np

    ms, hs = m.tolist(), h.tolist()
    kept: list[int] = []
    for k in range(len(ms)):
        while len(kept) > 1:
            i, j = kept[-2:]
            p, q, r, s = ms[j] - ms[i], hs[k] - hs[i], hs[j] - hs[i], ms[k] - ms[i]
            turn = p * q - r * s
            # a coarser bound of the error than in `_turns`, which is cheaper to write out
            sizes = ms[i] + ms[j] + ms[k], abs(hs[i]) + abs(hs[j]) + abs(hs[k])
            error = 1e-15 * (sizes[0] * (abs(q) + abs(r)) + sizes[1] * (abs(p) + abs(s)))
            error += 1e-30 * sizes[0] * sizes[1] + SLACK
            if turn > error:
                break
            if not turn < -error and _turns_up(lines, which[i], which[j], which[k]):
                break
            kept.pop()
        kept.append(k)
    return which[np.array(kept, dtype=int)]


def _clip(lines: Lines, hull: Array, low: Rational, high: Rational | None) -> Array:
    """Cut the envelope to [low, high]: the crossings increase, so that bisection finds the ends."""

    def first_drop(delta: Rational, strict: bool) -> int:
        left, right = 0, len(hull) - 1
        while left < right:
            k = (left + right) // 2
            x, y = lines.value(hull[k], delta), lines.value(hull[k + 1], delta)
            if x > y or (x == y and not strict):
                right = k
            else:
                left = k + 1
        return left

    first = first_drop(low, True)
    last = len(hull) - 1 if high is None else max(first, first_drop(high, False))
    return hull[first : last + 1]
