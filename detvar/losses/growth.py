"""Piecewise linear lower bounds of convex losses, and what follows from them exactly.

Whether the infimum over all matrices is attained, and a box that holds a sublevel set, are
linear programs in the bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from detvar.errors import InputError, NotCertifiedError, ShapeError
from detvar.exact import latex
from detvar.exact.linear_programming import maximise
from detvar.exact.matrices import Matrix, rank, to_text_rows, unvec, vec, zeros
from detvar.exact.rational import Rational, rational, to_text

_ZERO, _ONE = Rational(0), Rational(1)
_GRID = 64  # a rounded box is wider than the smallest one by at most 1/64 of it at each end


@dataclass(frozen=True)
class Growth:
    """ℓ(W) ≥ Σ_k slope_k max(0, −row_k · vec W) − constant, with the recession cone of ℓ.

    Attributes
    ----------
    rows : k×mn, for the row-major vec
    slopes : k positive rationals
    constant : rational

    Notes
    -----
    **Validity**: a loss that gives a `Growth` promises that the bound holds for all W, that ℓ
    never increases along D from any W if rows·vec D ≥ 0, and that these are all such D; and
    that ℓ is constant along D only if rows·vec D = 0.

    Raises
    ------
    ShapeError
        If there is not one slope for each row.
    InputError
        If a slope is not positive.
    """

    rows: Matrix
    slopes: tuple[Rational, ...]
    constant: Rational

    def __post_init__(self) -> None:
        if len(self.slopes) != self.rows.nrows():
            raise ShapeError(
                f"there are {self.rows.nrows()} rows and {len(self.slopes)} slopes: "
                "give one slope for each row"
            )
        for k, s in enumerate(self.slopes):
            if s <= 0:
                raise InputError(f"slopes[{k}] is {to_text(s)}: give a number > 0")

    def bound(self, w: Matrix) -> Rational:
        """Return Σ_k slope_k max(0, −row_k · vec W) − constant.

        >>> from detvar.exact.matrices import matrix
        >>> Growth(matrix([[1], [-1]]), (Rational(1), Rational(2)), Rational(3)).bound(
        ...     matrix([[5]])
        ... )
        7
        """
        heights = (self.rows * vec(w)).entries()
        terms = (s * -t for s, t in zip(self.slopes, heights, strict=True) if t < 0)
        return sum(terms, _ZERO) - self.constant

    def to_latex(self) -> str:
        """Return the bound in LaTeX, with its data."""
        slopes = latex.matrix([self.slopes])
        sign = "+" if self.constant < 0 else ""
        constant = sign + latex.number(-self.constant) if self.constant else ""
        formula = r"\ell(W)\ge\sum_{k}s_{k}\max(0,\,-r_{k}\cdot\operatorname{vec}W)"
        return rf"{formula}{constant},\quad R={latex.matrix(self.rows)},\quad s={slopes}"

    _repr_latex_ = latex.displayed

    @cached_property
    def _merged(self) -> list[tuple[list[Rational], Rational]]:
        """Rows of coprime integers, each once, with the slopes that give the same sum."""
        found: dict[tuple[Rational, ...], Rational] = {}
        for row, slope in zip(self.rows.tolist(), self.slopes, strict=True):
            if any(row):
                scale = _content(row)
                key = tuple(x / scale for x in row)
                found[key] = found.get(key, _ZERO) + slope * scale
        return [(list(key), slope) for key, slope in found.items()]


@dataclass(frozen=True)
class Attainment:
    """Whether a convex loss attains its infimum over all matrices, with the proof.

    Attributes
    ----------
    growth : Growth
    answer : True if attained
    direction : if not, an m×n matrix D of coprime integers with rows·vec D ≥ 0 and ≠ 0, with as
        many positive entries as possible: ℓ decreases along D for ever, from every W
    multipliers : if attained, y > 0 with rowsᵀ y = 0, one number for each row
    """

    growth: Growth
    answer: bool
    direction: Matrix | None
    multipliers: tuple[Rational, ...] | None

    @property
    def reason(self) -> str:
        """One sentence."""
        if self.answer:
            return (
                "the infimum over all matrices is attained: no direction of recession "
                "decreases the loss, by Stiemke's alternative"
            )
        return (
            "the infimum over all matrices is not attained: the data are separable, "
            "and the loss decreases for ever along a direction"
        )

    def check(self) -> bool:
        """Say whether the direction or the multipliers prove the answer."""
        rows = self.growth.rows
        if self.answer:
            y = self.multipliers
            if y is None or len(y) != rows.nrows() or any(t <= 0 for t in y):
                return False
            return not any((rows.transpose() * Matrix(len(y), 1, list(y))).entries())
        d = self.direction
        if d is None or d.nrows() * d.ncols() != rows.ncols():
            return False
        heights = (rows * vec(d)).entries()
        return all(t >= 0 for t in heights) and any(heights)

    def to_latex(self) -> str:
        """Return the reason, as LaTeX text."""
        return latex.words(str(self))

    def __str__(self) -> str:
        return f"{self.reason[0].upper()}{self.reason[1:]}."

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        d, y = self.direction, self.multipliers
        return {
            "attained": self.answer,
            "direction": None if d is None else to_text_rows(d),
            "multipliers": None if y is None else [to_text(t) for t in y],
        }


def attainment(growth: Growth, shape: tuple[int, int]) -> Attainment:
    """Decide whether a convex loss attains its infimum over all m×n matrices.

    Exactly one of these holds (Stiemke 1915): some D has R D ≥ 0 and R D ≠ 0, or some y > 0 has
    Rᵀy = 0, where R are the rows. In the first case ℓ has no critical point among all matrices:
    it would be a minimum W, ℓ would be constant along D from there, so along the whole line of D
    (ℓ is analytic), and −D would be a direction of recession too, so R D = 0. In the second case
    every direction of recession is one of constancy, and then the infimum is attained.

    Both come from one program: maximise Σ u_k over u ≤ R D, 0 ≤ u ≤ 1. If the optimum is 0, the
    multipliers of u ≤ R D are y with Rᵀy = 0, and the column of u_k says that y_k ≥ 1.

    Parameters
    ----------
    growth : Growth
    shape : (m, n)

    Raises
    ------
    ShapeError
        If the rows do not have mn entries.

    Notes
    -----
    **Cost**: one linear program in mn + k unknowns. **Validity**: ℓ convex and real analytic on
    all matrices.

    References
    ----------
    R. T. Rockafellar (1970), Convex Analysis, Theorem 27.1. E. Stiemke (1915).

    Examples
    --------
    >>> from detvar.losses import LogisticLoss
    >>> separable = LogisticLoss([[-1, 1, 2]], [[1, 1, 1]], [[0, 1, 1]])
    >>> attainment(separable.growth(), (1, 1)).direction
    [1]
    """
    require_entries(growth, shape)
    rows, k, size = growth.rows, growth.rows.nrows(), growth.rows.ncols()
    table = rows.tolist()
    one = [[_ONE if i == j else _ZERO for j in range(k)] for i in range(k)]
    below = [[-x for x in row] + one[i] for i, row in enumerate(table)]
    below += [[_ZERO] * size + row for row in one]
    below += [[_ZERO] * size + [-x for x in row] for row in one]
    right = [_ZERO] * k + [_ONE] * k + [_ZERO] * k
    flat = [x for row in below for x in row]
    best = maximise([_ZERO] * size + [_ONE] * k, Matrix(3 * k, size + k, flat), right)
    if best.value is None or best.point is None or best.multipliers is None:
        raise NotCertifiedError("the program has the solution 0 and values of at most k")
    if best.value:
        d = list(best.point[:size])
        scale = _content(d)
        direction = unvec([x / scale for x in d], *shape)
        found = Attainment(growth, False, direction, None)
    else:
        found = Attainment(growth, True, None, best.multipliers[:k])
    if not found.check():
        raise NotCertifiedError("the linear program did not prove its answer")
    return found


def recession_direction(growth: Growth, shape: tuple[int, int]) -> Matrix | None:
    """Return an m×n matrix D of coprime integers along which ℓ decreases for ever, or None.

    >>> from detvar.losses import LogisticLoss
    >>> mixed = LogisticLoss([[1, 1]], [[1, 1]], [[0, 1]])
    >>> recession_direction(mixed.growth(), (1, 1)) is None
    True
    """
    return attainment(growth, shape).direction


def is_coercive(growth: Growth) -> bool:
    """Say whether ℓ → ∞ in all directions: R has independent columns and no R D ≥ 0 is ≠ 0.

    Then all sublevel sets are compact.
    """
    size = growth.rows.ncols()
    return rank(growth.rows) == size and attainment(growth, (1, size)).answer


def sublevel_box(
    growth: Growth, bound: Any, shape: tuple[int, int]
) -> list[tuple[Rational, Rational]] | None:
    """Return a box that holds {W : Σ_k slope_k max(0, −row_k · vec W) − constant ≤ bound}.

    It is the smallest box, rounded outward to short dyadic numbers: each end moves by at most
    1/64 of the width. As ℓ lies above the sum, the box also holds {ℓ ≤ bound}.

    Parameters
    ----------
    growth : Growth
    bound : rational
    shape : (m, n)

    Returns
    -------
    list of (low, high), one pair for each entry of W, row by row; None if the set is unbounded

    Raises
    ------
    InputError
        If the set is empty, that is if bound + constant < 0.
    ShapeError
        If the rows do not have mn entries.

    Notes
    -----
    **Cost**: 2mn linear programs. The sum is positively homogeneous, so they are solved for the
    level 1 and scaled; and it splits over groups of entries that no row joins, so each program
    sees the rows of its own group only.

    Examples
    --------
    >>> from detvar.losses import LogisticLoss
    >>> mixed = LogisticLoss([[1]], [[4]], [[1]])  # 3 z⁺ + z⁻
    >>> sublevel_box(mixed.growth(), 6, (1, 1))
    [(-6, 2)]
    """
    require_entries(growth, shape)
    level = rational(bound, "bound") + growth.constant
    if level < 0:
        raise InputError(
            f"bound is {to_text(level - growth.constant)}, below the least value "
            f"{to_text(-growth.constant)} of the piecewise linear bound: give a larger one"
        )
    out: dict[int, tuple[Rational, Rational]] = {}
    for entries, terms in _groups(growth):
        table, right = _unit_level(entries, terms)
        for place, entry in enumerate(entries):
            ends = []
            for sign in (-1, 1):
                cost = [_ZERO] * table.ncols()
                cost[place] = Rational(sign)
                best = maximise(cost, table, right)
                if best.value is None:
                    return None
                ends.append(sign * best.value * level)
            out[entry] = _outward(*ends)
    return [out[i] for i in range(growth.rows.ncols())]


def require_entries(growth: Growth, shape: tuple[int, int]) -> None:
    """Raise `ShapeError` unless the rows are for m×n matrices."""
    m, n = shape
    if growth.rows.ncols() != m * n:
        raise ShapeError(
            f"the rows have {growth.rows.ncols()} entries: give {m * n} for {m}×{n} matrices"
        )


_Term = tuple[list[Rational], Rational]


def _groups(growth: Growth) -> list[tuple[list[int], list[_Term]]]:
    """Split the entries into the finest groups such that each row sees one group only."""
    group = [{i} for i in range(growth.rows.ncols())]
    for row, _ in growth._merged:
        seen = [i for i, x in enumerate(row) if x]
        union = set().union(*(group[i] for i in seen))
        for i in union:
            group[i] = union
    whole = {min(g): sorted(g) for g in group}
    return [
        (entries, [(row, s) for row, s in growth._merged if any(row[i] for i in entries)])
        for entries in whole.values()
    ]


def _unit_level(entries: list[int], terms: list[_Term]) -> tuple[Matrix, list[Rational]]:
    """Return A and b of {(w, t) : −row·w ≤ t, 0 ≤ t, Σ slope t ≤ 1}."""
    size, k = len(entries), len(terms)
    a = zeros(2 * k + 1, size + k)
    for i, (row, slope) in enumerate(terms):
        for j, entry in enumerate(entries):
            a[i, j] = -row[entry]
        a[i, size + i] = -1
        a[k + i, size + i] = -1
        a[2 * k, size + i] = slope
    return a, [_ZERO] * (2 * k) + [_ONE]


def _outward(low: Rational, high: Rational) -> tuple[Rational, Rational]:
    """Round to multiples of the largest power of two that is at most 1/64 of the width."""
    width = (high - low) / _GRID
    if not width:
        return low, high
    exponent = int(width.p).bit_length() - int(width.q).bit_length()
    step = Rational(2) ** exponent
    if step > width:
        step /= 2
    return (low / step).floor() * step, (high / step).ceil() * step


def _content(row: Iterable[Rational]) -> Rational:
    """Return the positive c for which row/c has coprime integer entries."""
    from math import gcd, lcm

    entries = [x for x in row if x]
    top = gcd(*(abs(int(x.p)) for x in entries))
    return Rational(top, lcm(*(int(x.q) for x in entries)))
