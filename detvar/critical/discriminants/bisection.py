"""Where the certified counts of real critical points differ along a path: bisection.

At each sample the real critical points of rank r are counted with proof.  Between two samples
with different counts something happens, and bisection encloses it.  Between two samples with the
same counts nothing is claimed: two events may cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from detvar.critical.certified import CertifiedPoints
from detvar.critical.discriminants.path import LossPath
from detvar.critical.discriminants.pieces import Event, Piece
from detvar.critical.discriminants.report import DiscriminantReport
from detvar.critical.points import CriticalPoints, critical_points
from detvar.errors import DetvarError, IncompleteError, PositiveDimensionalError
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.rational import Rational, to_text
from detvar.varieties import DeterminantalVariety

NOTE = "bisection: each count is proved at its sample, but not that nothing else happens between"
_ASIDE = (Rational(1, 2), Rational(3, 8), Rational(5, 8), Rational(7, 16), Rational(9, 16))


@dataclass(frozen=True)
class Counts:
    """The proved numbers of real critical points of rank r and of local minima; None: unknown.

    With `is_modular` they rest on Gröbner bases modulo primes.
    """

    real: int | None
    minima: int | None
    reason: str = ""
    is_modular: bool = False


Counter = Callable[[Rational], Counts]


def counts_at(path: LossPath, rank: int, t: Rational, seed: int, budget: float) -> Counts:
    """Return the certified counts at one value of the parameter.

    The number of real points is known if no real point of rank r is missing, that of minima if
    moreover the nature of each is decided.
    """
    m, n = path.shape
    try:
        loss = path.at(t)
        found = critical_points(
            DeterminantalVariety(m, n, rank), loss, seed=seed, budget=budget, progress=False
        )
    except (IncompleteError, PositiveDimensionalError) as error:
        return Counts(None, None, str(error))
    except DetvarError as error:
        return Counts(None, None, f"no list of critical points: {error}")
    if isinstance(found, CriticalPoints):
        if found.complex_count is None or found.bound < rank:
            return Counts(None, None, "the critical points of this rank are not isolated")
        return Counts(len(found.smooth), sum(c.rank == rank for c in found.minima))
    if not isinstance(found, CertifiedPoints):
        return Counts(None, None, "no count of the real points of this loss is proved")
    report = found.report
    if report.proof is None and report.real_proof is None:
        return Counts(None, None, "it is not proved that no real point is missing")
    natures = {p.nature for p in found.real}
    if natures & {"undecided", "degenerate"}:
        return Counts(
            len(found.real), None, "the nature of a point is not decided", report.is_modular
        )
    return Counts(len(found.real), len(found.minima), is_modular=report.is_modular)


def bisected(
    path: LossPath,
    rank: int,
    low: Rational,
    high: Rational,
    *,
    samples: int = 9,
    width: Rational | None = None,
    seed: int = 0,
    budget: float = 60.0,
) -> DiscriminantReport:
    """Return brackets of values of t where the certified counts change.

    Parameters
    ----------
    low, high : the interval
    samples : how many equidistant values are looked at first, from low to high
    width : of the brackets; by default (high − low)/1024
    seed, budget : of the search for critical points; seconds for each value

    Notes
    -----
    **Cost**: `samples` calls of `critical_points`, and about log₂(gap/width) for each change.
    **Validity**: the counts at the samples are proved. A bracket holds at least one change; two
    changes between samples that cancel are not seen. A sample without a proof is replaced by
    others close by, and left open if these fail too.
    """
    goal = (high - low) / 1024 if width is None else width
    step = (high - low) / (samples - 1)
    known: dict[Rational, Counts] = {}

    def at(t: Rational) -> Counts:
        if t not in known:
            known[t] = counts_at(path, rank, t, seed, budget)
        return known[t]

    # the ends are moved inwards where nothing is proved, as at the border of the convex losses
    grid = [
        _settled(low + i * step, step if 2 * i < samples else -step, at) for i in range(samples)
    ]
    brackets = [b for a, c in pairwise(grid) for b in _refined(a, c, goal, at)]
    return _assembled(path, rank, (low, high), grid, brackets, known, goal, seed)


def _settled(t: Rational, step: Rational, at: Counter) -> Rational:
    """A value from t on, less than half a step away, where the counts are known; t if none is."""
    tried = [t + step * part for part in (Rational(0), Rational(1, 7), Rational(2, 5))]
    return next((x for x in tried if at(x).minima is not None), t)


def _refined(
    a: Rational, b: Rational, goal: Rational, at: Counter
) -> list[tuple[Rational, Rational]]:
    """The brackets between a and b of at most this width over which the known counts differ."""
    todo, out = [(a, b)], []
    while todo:
        low, high = todo.pop()
        if _same(at(low), at(high)):
            continue
        middle = None
        if high - low > goal and at(low).real is not None and at(high).real is not None:
            middle = next(
                (t for t in (low + (high - low) * x for x in _ASIDE) if at(t).minima is not None),
                None,
            )
        if middle is None:
            out.append((low, high))
        else:
            todo += [(low, middle), (middle, high)]
    return sorted(out)


def _same(a: Counts, b: Counts) -> bool:
    return (a.real, a.minima) == (b.real, b.minima)


def _assembled(
    path: LossPath,
    rank: int,
    bounds: tuple[Rational, Rational],
    grid: list[Rational],
    brackets: list[tuple[Rational, Rational]],
    known: dict[Rational, Counts],
    goal: Rational,
    seed: int,
) -> DiscriminantReport:
    edges = [bounds[0], *(x for pair in brackets for x in pair), bounds[1]]
    ends = [RealAlgebraic(x) for x in edges]
    pieces, events = [], []
    for i in range(0, len(ends), 2):
        inside = [t for t in known if edges[i] <= t <= edges[i + 1] and t in grid]
        t = min(inside or [x for x in edges[i : i + 2] if x in known])
        c = known[t]
        pieces.append(Piece(ends[i], ends[i + 1], t, c.real, c.minima, c.reason))
    for j, (low, high) in enumerate(brackets):
        sides = (known[low].real, known[high].real)
        place = (ends[2 * j + 1], ends[2 * j + 2])
        events.append(Event(*place, "between", before=sides[0], after=sides[1]))
    wide = [b for b in brackets if b[1] - b[0] > goal]
    notes = [NOTE, f"{len(known)} values looked at; brackets of width at most {to_text(goal)}"]
    modular = sum(c.is_modular for c in known.values())
    if modular:
        notes.append(
            f"{modular} counts rest on Gröbner bases modulo primes; only unlucky ones are wrong"
        )
    if wide:
        notes.append(f"{len(wide)} brackets stayed wider: the counts inside are not proved")
    return DiscriminantReport(
        path,
        rank,
        bounds,
        tuple(pieces),
        tuple(events),
        (),
        (),
        None,
        "bisection",
        tuple(notes),
        seed,
    )
