r"""All (α, β) for which the α-β-condition holds at recorded triples: an exact polygon.

With δ = α − β the condition at a triple is  α c ≥ δ b − g.  So the feasible set is

    {(α, α − δ) : δ_min ≤ δ ≤ δ_max, δ > 0, α ≥ φ(δ)},   φ(δ) = max(δ, max_k (b_k δ − g_k)/c_k),

where triples with c = 0 give δ_max = min g/b, and φ is convex, piecewise linear and nondecreasing.
The set is described by the few triples that touch its boundary: the active witnesses.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError
from detvar.exact.rational import Rational
from detvar.exact.rational import to_text as rational_text
from detvar.landscape.envelope import Lines, exact_number, to_float
from detvar.landscape.region_results import BestRatio, Witness
from detvar.landscape.region_rows import (
    SIGN,
    active_rows,
    checked_delta_min,
    checked_point,
    join,
    limit,
    pick,
)
from detvar.landscape.triples import LABELS, NUMBERS, Triples

if TYPE_CHECKING:
    from detvar.landscape.best_bound import BestBound

Array = Any  # numpy.ndarray: NumPy is not imported with the module


@dataclass(frozen=True, eq=False)
class Region:
    """The set of (α, β) with α > β ≥ 0 that satisfy the condition at all recorded triples.

    Attributes
    ----------
    constraints : Triples
        The lines of φ on the feasible δ by increasing slope, then a triple that bounds δ, if any.
    index : array of int
        The position of each in the trace; −1 marks the line α = δ (β ≥ 0).
    delta_min : Rational
        The smallest δ = α − β that is allowed; 0 excludes δ = 0 itself.
    count : int
        The number of triples behind the region.

    Notes
    -----
    **Validity**: a float is taken as the exact number it is, so that the polygon, its emptiness
    and `contains` are exact; what is returned as a float is the rounded exact value.

    References
    ----------
    Islamov, Ajroldi, Orvieto, Lucchi (2024), Definition 1.

    Examples
    --------
    >>> region = Region.from_triples([1, -0.5], [2, 0.4], [0.5, 0.8])
    >>> region.phi(0.5), region.best_ratio().alpha, region.contains("1", "0.25")
    (0.875, 1.0, True)
    """

    constraints: Triples
    index: Array
    delta_min: Rational
    count: int

    @classmethod
    def from_triples(
        cls,
        g: Any,
        b: Any = None,
        c: Any = None,
        *,
        delta_min: Any = 0.0,
        slack: float = 0.0,
        first: int = 0,
    ) -> Region:
        """Return the region of recorded triples.

        Parameters
        ----------
        g : Triples, or array (N,)
        b, c : arrays (N,)
            Not given with Triples.
        delta_min : float, or exact number such as "0.1"
            Smallest α − β that is allowed, ≥ 0.
        slack : float
            Ask only for T ≥ −slack, T being the difference of the two sides of the condition;
            it is added to g, also in what the witnesses show.
        first : int
            The position of the first triple, if these are a later part of a trace.

        Raises
        ------
        InputError
            If there are no triples, or a number is not what it must be.

        Notes
        -----
        **Cost**: O(N log N); a million triples take some tenths of a second.
        """
        if isinstance(g, Triples) and (b is not None or c is not None):
            raise InputError("b and c are already in the triples: leave them out")
        if not isinstance(g, Triples) and (b is None or c is None):
            raise InputError("b or c is missing: give three arrays g, b, c, or one Triples")
        triples = g if isinstance(g, Triples) else Triples(g, b, c)
        if not 0 <= slack < float("inf"):
            raise InputError(f"slack is {slack}: give a number that is not negative")
        if len(triples) == 0:
            raise InputError("the trace has no triples: record at least one step")
        low = checked_delta_min(delta_min)
        rows = active_rows(triples, low, slack)
        place = rows + first * (rows != SIGN)
        return cls(pick(triples, rows, slack), place, low, len(triples))

    @staticmethod
    def _reduced(triples: Triples, index: Array, delta_min: Rational, count: int) -> Region:
        """Return the region of constraints of other regions, with their positions."""
        import numpy as np

        rows = active_rows(triples, delta_min)
        place = np.where(rows == SIGN, SIGN, np.append(index, SIGN)[rows])
        return Region(pick(triples, rows), place, delta_min, count)

    # --- the polygon -----------------------------------------------------------------------------

    @cached_property
    def _lines(self) -> Lines:
        n = int((self.constraints.c > 0).sum())
        return Lines(*(getattr(self.constraints, name)[:n] for name in NUMBERS))

    @cached_property
    def _delta_max(self) -> Rational | None:
        """The exact upper bound of δ, None if there is none."""
        n = len(self._lines)
        rows = range(n, len(self.constraints))
        return min((limit(self.constraints, k) for k in rows), default=None)

    @property
    def is_empty(self) -> bool:
        """Whether no (α, β) with α > β ≥ 0 and α − β ≥ delta_min is feasible."""
        return len(self._lines) == 0

    @property
    def delta_max(self) -> float:
        """The largest feasible α − β, infinite if there is no bound; −inf if empty."""
        if self.is_empty:
            return float("-inf")
        return float("inf") if self._delta_max is None else to_float(self._delta_max)

    @property
    def recession(self) -> tuple[float, float]:
        """The direction in which one may always go on: (α + t, β + t) stays feasible."""
        return (1.0, 1.0)

    @cached_property
    def _corners(self) -> list[tuple[Rational, Rational]]:
        """(δ, φ(δ)) at both ends and at every bend, by increasing δ, exactly."""
        if self.is_empty:
            return []
        lines = self._lines
        at = [self.delta_min]
        at += [lines.crossing(k, k + 1) for k in range(len(lines) - 1)]
        out = [(delta, lines.value(k, delta)) for k, delta in enumerate(at)]
        high = self._delta_max
        if high is not None and high > at[-1]:
            out.append((high, lines.value(len(lines) - 1, high)))
        return out

    def exact_vertices(self) -> list[tuple[Rational, Rational]]:
        """Return the vertices (α, β) as rational numbers, by increasing α − β."""
        return [(alpha, alpha - delta) for delta, alpha in self._corners]

    def vertices(self) -> Array:
        """Return the vertices (α, β) of the closed region, of shape (k, 2), by increasing α − β.

        The region is their convex hull plus the ray of direction (1, 1), and plus the direction
        of the last line if `delta_max` is infinite.  With delta_min = 0 the first one has α = β
        and only belongs to the closure.
        """
        import numpy as np

        pairs = [(to_float(a), to_float(b)) for a, b in self.exact_vertices()]
        return np.array(pairs, dtype=np.float64).reshape(-1, 2)

    def _piece(self, delta: Rational) -> int:
        """Return the first line that is highest at δ: the heights rise up to it, then fall."""
        left, right = 0, len(self._lines) - 1
        while left < right:
            k = (left + right) // 2
            if self._lines.value(k, delta) >= self._lines.value(k + 1, delta):
                right = k
            else:
                left = k + 1
        return left

    def _phi(self, delta: Rational) -> Rational | None:
        """Return φ(δ) exactly, None outside the feasible δ."""
        high = self._delta_max
        if self.is_empty or delta < self.delta_min or (high is not None and delta > high):
            return None
        return self._lines.value(self._piece(delta), delta)

    def phi(self, delta: Any) -> Any:
        """Return φ(δ), the smallest feasible α for a given δ = α − β; infinite if there is none.

        Parameters
        ----------
        delta : number, or array of floats
            ≥ 0; at 0 the limit from above.

        Returns
        -------
        float, or array
            The rounded exact value for one number; plain floating point for an array.
        """
        import numpy as np

        if np.ndim(delta) == 0:
            value = exact_number(delta.item() if hasattr(delta, "item") else delta, "delta")
            if value < 0:
                raise InputError(f"delta is {delta}: alpha - beta must be positive")
            height = self._phi(value)
            return float("inf") if height is None else to_float(height)
        deltas = np.asarray(delta, dtype=np.float64)
        if not (deltas >= 0).all():
            raise InputError("delta has negative or undefined entries: alpha - beta is positive")
        if self.is_empty:
            return np.full(deltas.shape, np.inf)
        lines = self._lines
        bends = np.array([to_float(x) for x, _ in self._corners[1 : len(lines)]])
        k = np.searchsorted(bends, deltas)
        with np.errstate(over="ignore"):
            height = (lines.b[k] * deltas - lines.g[k]) / lines.c[k]
        outside = (deltas < to_float(self.delta_min)) | (deltas > self.delta_max)
        return np.where(outside, np.inf, height)

    def min_alpha(self, delta: Any = None) -> float:
        """Return the smallest feasible α with α − β ≥ δ (by default δ_min), infinite if none.

        φ is nondecreasing, so that this is φ(max(δ, δ_min)).
        """
        value = self.delta_min if delta is None else exact_number(delta, "delta")
        if value < 0:
            raise InputError(f"delta is {delta}: alpha - beta must be positive")
        height = self._phi(max(value, self.delta_min))
        return float("inf") if height is None else to_float(height)

    def contains(self, alpha: Any, beta: Any, tolerance: Any = 0.0) -> bool:
        """Decide exactly whether (α, β) is feasible.

        Parameters
        ----------
        alpha, beta : numbers with α > β ≥ 0
            Floats are taken as they are: 0.1 is slightly more than 1/10; write "0.1" for the
            decimal.
        tolerance : number ≥ 0
            How far α may be below the boundary at the same δ, and δ outside of its bounds.

        Notes
        -----
        Asking for T ≥ −τ at every triple instead is ``from_triples(…, slack=τ)``.
        """
        a, delta = checked_point(alpha, beta)
        t = exact_number(tolerance, "tolerance")
        if t < 0:
            raise InputError(f"tolerance is {tolerance}: give a number that is not negative")
        high = self._delta_max
        if self.is_empty or delta + t < self.delta_min or (high is not None and delta - t > high):
            return False
        inside = (
            max(delta, self.delta_min) if high is None else min(max(delta, self.delta_min), high)
        )
        height = self._phi(inside)
        return height is not None and bool(a + t >= height)

    # --- what makes the region -------------------------------------------------------------------

    def _witness(self, k: int, low: float, high: float) -> Witness:
        row = self.constraints

        def label(column: Array) -> int | None:
            return None if column is None or column[k] < 0 else int(column[k])

        g, b, c = (float(getattr(row, name)[k]) for name in NUMBERS)
        step, batch, seed = (label(getattr(row, name)) for name in LABELS)
        return Witness(int(self.index[k]), g, b, c, step, batch, seed, low, high)

    @cached_property
    def active(self) -> tuple[Witness, ...]:
        """The triples that touch the boundary, by increasing δ; those that exclude all if empty.

        Of equal triples the first is named.
        """
        n = len(self._lines)
        ends = [to_float(delta) for delta, _ in self._corners[:n]] + [self.delta_max]
        found = [self._witness(k, ends[k], ends[k + 1]) for k in range(n) if self.index[k] != SIGN]
        for k in range(n, len(self.constraints)):
            bound = to_float(limit(self.constraints, k))
            found.append(self._witness(k, bound, bound))
        return tuple(found)

    def _tight(self, delta: Rational, alpha: Rational) -> tuple[Witness, ...]:
        """Return the active witnesses whose constraint is an equality at (δ, α)."""
        n, rows = len(self._lines), [k for k, i in enumerate(self.index) if i != SIGN]
        named = dict(zip(rows, self.active, strict=True))
        first = self._piece(delta)  # no three lines of the envelope meet
        at = [k for k in range(first, min(first + 2, n)) if self._lines.value(k, delta) == alpha]
        if delta == self._delta_max:
            at += range(n, len(self.constraints))
        return tuple(named[k] for k in at if k in named)

    def best_ratio(self) -> BestRatio:
        """Return the smallest α/(α − β) in the region and where it is attained.

        On a line α = mδ + q the ratio m + q/δ falls with δ where q > 0 and rises where q < 0, and
        q falls along the envelope: the minimum is where its sign changes.

        Raises
        ------
        InputError
            If the region is empty.
        """
        self._refuse_empty()
        lines = self._lines
        heights = (-lines.exact(k)[1] for k in range(len(lines)))
        rising = next((k for k, q in enumerate(heights) if q < 0), len(lines))
        if rising < len(lines) or self._delta_max is not None:
            return self._ratio_at(*self._corners[min(rising, len(self._corners) - 1)])
        slope, depth = lines.exact(len(lines) - 1)
        if depth == 0:  # α/δ is constant on the last, endless piece
            delta = self._corners[-1][0] or Rational(1)
            return self._ratio_at(delta, slope * delta)
        return BestRatio(to_float(slope), slope, False, None, None, ())

    def _ratio_at(self, delta: Rational, alpha: Rational) -> BestRatio:
        ratio = alpha / delta
        at = to_float(alpha), to_float(alpha - delta)
        return BestRatio(to_float(ratio), ratio, True, *at, self._tight(delta, alpha))

    def _refuse_empty(self) -> None:
        if self.is_empty:
            raise InputError(
                f"the region is empty because of {self.active[0].where}: give a larger slack, a "
                "smaller delta_min, or leave this step out"
            )

    def best_bound(
        self, D0: Any, L: Any, sigma2: Any, K: Any, theorem: str = "sgd", sigma2_pos: Any = 0.0
    ) -> BestBound:
        """Return the smallest right-hand side of a convergence theorem over the region.

        See `detvar.landscape.best_bound.best_bound`.
        """
        from detvar.landscape.best_bound import best_bound

        return best_bound(self, D0, L, sigma2, K, theorem, sigma2_pos)

    def vacuous(
        self, gap: float, D0: Any, L: Any, sigma2: Any, K: Any, theorem: str = "sgd"
    ) -> bool:
        """Whether the best bound is no better than the gap f(x₀) − f(x_K) at the start."""
        return self.best_bound(D0, L, sigma2, K, theorem).is_vacuous(gap)

    # --- combining -------------------------------------------------------------------------------

    def merge(self, *others: Region) -> Region:
        """Return the intersection: the region of all triples together, with the largest δ_min."""
        import numpy as np

        parts = (self, *others)
        keep = [part.index != SIGN for part in parts]
        rows = [part.constraints.take(k) for part, k in zip(parts, keep, strict=True)]
        index = np.concatenate([part.index[k] for part, k in zip(parts, keep, strict=True)])
        delta_min = max(part.delta_min for part in parts)
        count = sum(part.count for part in parts)
        return Region._reduced(join(rows), index, delta_min, count)

    def __and__(self, other: Region) -> Region:
        return self.merge(other)

    # --- output ----------------------------------------------------------------------------------

    def grid(self, alphas: Any, betas: Any, triples: Triples | None = None) -> Array:
        """Return a heat map; see `detvar.landscape.region_plot.grid`."""
        from detvar.landscape.region_plot import grid

        return grid(self, alphas, betas, triples)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the region; see `detvar.landscape.region_plot.plot`."""
        from detvar.landscape.region_plot import plot

        return plot(self, ax, **options)

    def __str__(self) -> str:
        head = f"region of {self.count} triple{'s' * (self.count != 1)}"
        if self.is_empty:
            return f"{head}: empty, because of {self.active[0].where}"
        bound = "" if self._delta_max is None else f" and <= {self.delta_max:.6g}"
        return (
            f"{head}: alpha - beta >= {to_float(self.delta_min):.6g}{bound}, "
            f"alpha >= {self.min_alpha():.6g}, {len(self.active)} active; {self.best_ratio()}"
        )

    def __repr__(self) -> str:
        return f"<{self}>"

    def to_latex(self) -> str:
        """Return the description of the region as LaTeX text."""
        from detvar.exact.latex import words

        return words(str(self))

    def to_json(self) -> dict[str, Any]:
        """Return the constraints as JSON; floats as hexadecimal text, so that nothing is lost."""
        rows = self.constraints
        out: dict[str, Any] = {"kind_of_result": "region", "count": self.count}
        out["delta_min"] = rational_text(self.delta_min)
        for name in NUMBERS:
            out[name] = [x.hex() for x in getattr(rows, name).tolist()]
        out["index"] = self.index.tolist()
        for name in LABELS:
            if getattr(rows, name) is not None:
                out[name] = getattr(rows, name).tolist()
        return out

    @classmethod
    def from_json(cls, data: Any) -> Region:
        """Read what `to_json` writes; the polygon is computed anew from its constraints."""
        import numpy as np

        try:
            numbers = [[float.fromhex(x) for x in data[name]] for name in NUMBERS]
            rows = Triples(*numbers, *(data.get(name) for name in LABELS))
            index = np.array(data["index"], dtype=np.int64)
            delta_min, count = checked_delta_min(data["delta_min"]), int(data["count"])
            if index.shape != (len(rows),):
                raise ValueError
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as e:
            if isinstance(e, InputError):
                raise
            raise InputError("this is not a region: give what Region.to_json writes") from None
        keep = index != SIGN
        return Region._reduced(rows.take(keep), index[keep], delta_min, count)
