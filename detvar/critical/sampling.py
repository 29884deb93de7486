"""Statistics over random data: how many critical points are real, how many are minima?

One generic fiber is followed to many random losses; every point of every loss is certified, so
that the numbers are about definite problems: the parameters drawn, taken as exact numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from time import perf_counter
from typing import Any

from detvar.critical.families import QuadraticFamily
from detvar.critical.rank_system import RankSystem
from detvar.critical.tracked import generic_fiber, rank_system
from detvar.errors import InputError
from detvar.exact.latex import words
from detvar.exact.rational import versions
from detvar.exact.text import html_table, text_table
from detvar.varieties import DeterminantalVariety

_BLOCK = 40_000  # paths at a time
HEADERS = ("number", "real points", "±", "strict minima", "±")


@dataclass(frozen=True)
class LossFamily:
    """A distribution of weighted or quadratic losses on m×n matrices.

    Attributes
    ----------
    kind : "weighted" or "quadratic"
    name : what is drawn, in words
    weights : (rng, count, m, n) → weights (count, mn), or forms (count, mn, mn)
    target : (rng, count, m, n) → targets (count, mn)
    """

    kind: str
    name: str
    weights: Callable[..., Any]
    target: Callable[..., Any]

    def to_latex(self) -> str:
        """Return what is drawn, as LaTeX text."""
        return words(f"{self.kind} losses, {self.name}")

    def draw(self, rng: Any, count: int, m: int, n: int) -> Any:
        """Return the parameters of `count` losses: λ and λu, or the upper triangle of Q and Qu."""
        import numpy as np

        form, u = self.weights(rng, count, m, n), self.target(rng, count, m, n)
        if self.kind == "weighted":
            return np.concatenate([form, form * u], axis=1)
        rows, columns = np.triu_indices(m * n)
        return np.concatenate([form[:, rows, columns], (form @ u[:, :, None])[:, :, 0]], axis=1)


def normal_target(scale: float = 1.0) -> Callable[..., Any]:
    """Return a distribution of targets with independent N(0, scale²) entries."""
    return lambda rng, count, m, n: scale * rng.standard_normal((count, m * n))


def uniform_target(reach: float = 10.0) -> Callable[..., Any]:
    """Return a distribution of targets with independent entries, uniform on [−reach, reach]."""
    return lambda rng, count, m, n: rng.uniform(-reach, reach, (count, m * n))


def uniform_weights(
    low: float = 0.1, high: float = 1.0, target: Callable[..., Any] | None = None
) -> LossFamily:
    """Return weighted losses with independent weights, uniform on [low, high]."""
    _require_interval(low, high)
    return LossFamily(
        "weighted",
        f"weights uniform on [{low:g}, {high:g}]",
        lambda rng, count, m, n: rng.uniform(low, high, (count, m * n)),
        target or normal_target(),
    )


def log_uniform_weights(
    low: float = 0.1, high: float = 10.0, target: Callable[..., Any] | None = None
) -> LossFamily:
    """Return weighted losses whose weights have logarithms uniform on [log low, log high]."""
    import math

    _require_interval(low, high)
    if low == 0:
        raise InputError("low is 0, whose logarithm is infinite: give a positive number")
    ends = math.log(low), math.log(high)
    return LossFamily(
        "weighted",
        f"weights log-uniform on [{low:g}, {high:g}]",
        lambda rng, count, m, n: _exp(rng.uniform(*ends, (count, m * n))),
        target or normal_target(),
    )


def wishart(target: Callable[..., Any] | None = None) -> LossFamily:
    """Return quadratic losses with the form AAᵀ, A an mn×mn matrix of independent N(0, 1)."""

    def forms(rng: Any, count: int, m: int, n: int) -> Any:
        a = rng.standard_normal((count, m * n, m * n))
        return a @ a.swapaxes(1, 2)

    return LossFamily("quadratic", "Wishart forms", forms, target or normal_target())


def _exp(x: Any) -> Any:
    import numpy as np

    return np.exp(x)


def _require_interval(low: float, high: float) -> None:
    if not 0 <= low < high < float("inf"):
        raise InputError(f"the weights go from {low} to {high}: give 0 ≤ low < high")


@dataclass(frozen=True)
class Sample:
    """Counts of real critical points and strict local minima over random losses.

    Attributes
    ----------
    variety : [m, n, r]
    family : what was drawn
    asked : how many losses
    real : for each loss the number of real critical points of rank r; None where it is not proved
    minima : for each loss the number of strict local minima among them
    parity : for each loss Σ (−1)^index over the real points
    seed, seconds : of the search
    """

    variety: tuple[int, int, int]
    family: str
    asked: int
    real: tuple[int | None, ...]
    minima: tuple[int | None, ...]
    parity: tuple[int | None, ...]
    seed: int
    seconds: float

    @property
    def certified(self) -> int:
        """How many losses have all their critical points proved."""
        return sum(x is not None for x in self.real)

    @property
    def is_complete(self) -> bool:
        """Whether all losses that were asked for are certified."""
        return self.certified == self.asked

    @property
    def real_counts(self) -> dict[int, int]:
        """{number of real points: how many losses}."""
        return dict(sorted(Counter(x for x in self.real if x is not None).items()))

    @property
    def minima_counts(self) -> dict[int, int]:
        """{number of strict local minima: how many losses}."""
        return dict(sorted(Counter(x for x in self.minima if x is not None).items()))

    def share(self, count: int) -> tuple[str, str]:
        """Return a count as a share of the certified losses, with its standard error."""
        p = count / max(self.certified, 1)
        return f"{100 * p:.1f} %", f"{100 * sqrt(p * (1 - p) / max(self.certified, 1)):.1f}"

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the table."""
        real, minima = self.real_counts, self.minima_counts
        return [
            (
                k,
                *(self.share(real[k]) if k in real else ("", "")),
                *(self.share(minima[k]) if k in minima else ("", "")),
            )
            for k in sorted({*real, *minima})
        ]

    def __str__(self) -> str:
        m, n, r = self.variety
        head = f"{self.asked} random losses on the {m}×{n} matrices of rank at most {r}"
        end = f"{self.certified} of {self.asked} completely certified (seed {self.seed})"
        return "\n".join([f"{head}: {self.family}", "", text_table(HEADERS, self.rows()), "", end])

    def _repr_html_(self) -> str:
        return html_table(HEADERS, self.rows())

    def to_latex(self) -> str:
        """Return the table as LaTeX text."""
        from detvar.critical.latex import sample

        return sample(self)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind_of_result": "sample",
            "variety": list(self.variety),
            "family": self.family,
            "asked": self.asked,
            "real": list(self.real),
            "minima": list(self.minima),
            "parity": list(self.parity),
            "seed": self.seed,
            "seconds": self.seconds,
            "versions": versions(),
        }

    @classmethod
    def from_json(cls, data: Any) -> Sample:
        """Return the sample that `to_json` wrote."""
        try:
            m, n, r = data["variety"]
            out = cls(
                (int(m), int(n), int(r)),
                str(data["family"]),
                int(data["asked"]),
                tuple(data["real"]),
                tuple(data["minima"]),
                tuple(data["parity"]),
                int(data["seed"]),
                float(data["seconds"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            raise InputError("the object is no saved sample: save it again") from None
        return out


def sample(
    variety: DeterminantalVariety,
    family: LossFamily,
    n: int,
    seed: int = 0,
    *,
    budget: float = 300.0,
    progress: bool | Callable[[int, int, float], None] = True,
) -> Sample:
    """Return the statistics of the critical points of rank r over n random losses.

    Parameters
    ----------
    variety : m×n matrices of rank at most r, 0 < r < min(m, n)
    family : what to draw, such as `uniform_weights(0.1, 1)`
    n : how many losses
    seed : of the data and of the search
    budget : seconds for the generic fiber
    progress : True shows a line on standard error after half a second, False is silent; a
        function is called with (losses done, n, seconds)

    Raises
    ------
    InputError
        If the rank or n is out of range.
    IncompleteError
        If the generic fiber was not completed within the budget.

    Notes
    -----
    **Cost**: as many paths as the generic ED degree for each loss.
    **Validity**: a loss is counted only if all its points are certified, distinct, as many as the
    generic ED degree, real or proved not to be, with certified Hessians. An interrupt returns
    what is done.

    Examples
    --------
    >>> found = sample(DeterminantalVariety(2, 2, 1), uniform_weights(0.1, 1), 20)
    >>> found.certified, sum(found.real_counts.values()), set(found.parity)
    (20, 20, {0})
    """
    import numpy as np

    from detvar.homotopy.progress import ProgressLine

    if n < 1:
        raise InputError(f"n is {n}: give at least 1")
    if not 0 < variety.rank < variety.max_rank:
        raise InputError(f"the rank is {variety.rank}: give one from 1 to {variety.max_rank - 1}")
    begin = perf_counter()
    rows, columns = sorted((variety.rows, variety.columns))
    parametric = QuadraticFamily(family.kind, rows, columns)
    made = rank_system(parametric, variety.rank)
    fiber = generic_fiber(parametric, variety.rank, seed, budget)
    rng = np.random.default_rng([seed, 79])
    data = family.draw(rng, n, rows, columns)
    size = max(1, _BLOCK // fiber.count)
    out: list[tuple[int, int, int] | None] = []
    try:
        with ProgressLine() as line:
            for start in range(0, n, size):
                out += _counted(made, fiber, data[start : start + size], seed)
                seconds = perf_counter() - begin
                if callable(progress):
                    progress(len(out), n, seconds)
                elif progress:
                    line.update(f"{len(out)} of {n} losses, {seconds:.1f} s")
    except KeyboardInterrupt:
        pass
    real, minima, parity = (tuple(None if x is None else x[k] for x in out) for k in range(3))
    shape = (variety.rows, variety.columns, variety.rank)
    seconds = perf_counter() - begin
    return Sample(shape, family.name, n, real, minima, parity, seed, seconds)


def _counted(made: RankSystem, fiber: Any, data: Any, seed: int) -> list[Any]:
    """Return (real points, minima, Σ(−1)^index) for each row of parameters, None if unproved."""
    import numpy as np

    from detvar.homotopy.homotopies import parameter_homotopy

    # multiples by powers of two are exact, and parameters of one size keep the paths short
    scale = np.abs(fiber.parameters).max() / np.abs(data).max(axis=1, keepdims=True)
    goal = data * np.exp2(np.round(np.log2(scale)))
    moved = parameter_homotopy(made.system, fiber, goal, charts=made, seed=seed)
    sets, count, _ = moved.x.shape
    flat = moved.x.reshape(sets * count, made.unknowns)
    flat, ids = made.switch(flat, moved.charts.reshape(-1))
    owner = np.repeat(np.arange(sets), count)
    return _certified_counts(made, flat, ids, owner, data, count)


def _certified_counts(
    made: RankSystem, x: Any, ids: Any, owner: Any, data: Any, count: int
) -> list[Any]:
    """Certify all points together; the points of loss i are those with owner i."""
    import numpy as np

    from detvar.homotopy.balls import ball_array
    from detvar.homotopy.certify import certify
    from detvar.homotopy.enclosed import certified_inertia, not_separated
    from detvar.homotopy.enclosed import values as enclosed

    m, n, r = made.family.rows, made.family.columns, made.rank
    seen = made.parameters(data[owner], ids).astype(np.complex128)
    zeros = certify(made.equations, x, seen, made.jacobian, real=True)
    balls = zeros.enclosures
    full = zeros.certified & made.has_full_rank(balls[:, (m - r) * r :].reshape(len(x), r, n))
    decided = full & zeros.is_nonreal
    index = np.zeros(len(x), dtype=np.int64)
    known = np.flatnonzero(full & zeros.is_real)
    if known.size:
        p = [ball_array(seen[known, k]) for k in range(seen.shape[1])]
        hessians = enclosed(lambda y, _: made.jacobian(y, p), zeros.coordinates(known))
        for k, signs in zip(known.tolist(), certified_inertia(hessians), strict=True):
            if signs is not None:
                decided[k], index[k] = True, signs.negative
    real = decided & zeros.is_real
    good = np.bincount(owner[decided], minlength=len(data))
    w = made.matrix_discs(balls, ids)[decided]
    # one more coordinate keeps the points of different losses apart
    apart = 4.0 * (1 + np.abs(w.mid).max(initial=0)) * owner[decided]
    mid = np.concatenate([w.mid, apart[:, None]], axis=1)
    together = ball_array(mid, np.concatenate([w.rad, np.zeros((len(mid), 1))], axis=1))
    for i, _ in not_separated(together):
        good[owner[decided][i]] = -1
    table = zip(
        good == count,
        np.bincount(owner[real], minlength=len(data)).tolist(),
        np.bincount(owner[real & (index == 0)], minlength=len(data)).tolist(),
        np.bincount(owner[real], (-1.0) ** index[real], len(data)).astype(int).tolist(),
        strict=True,
    )
    return [tuple(counts) if done else None for done, *counts in table]
