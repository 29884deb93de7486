"""The critical equations of one loss on the matrices of rank r, as an ideal over Q.

In the chart W = P·E·B (E: m×r in echelon form with an identity block, B: r×n, P invertible) a
matrix of rank r is critical if and only if EᵀPᵀG = 0 and PᵀG Bᵀ = 0, where G = ∇ℓ(W): G vanishes
on the tangent space, which is all products of one of the factors with anything.  For a random P
the identity block is on top, so that finitely many points all lie in the chart; the other
echelon forms, the smaller Schubert cells, hold the matrices the chart leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from random import Random
from typing import Any

from detvar.errors import InputError
from detvar.exact.rational import Rational
from detvar.exact.rational_functions import Polynomial, RationalFunction, polynomial_ring
from detvar.losses import Loss

Rows = list[list[Any]]


@dataclass(frozen=True, eq=False)
class CriticalIdeal:
    """The critical equations of a loss of rank r in one echelon chart.

    Attributes
    ----------
    equations : polynomials in the unknowns of E, then B, then one inverse for every denominator
    matrix : the entries of W, row by row, in the same ring
    minors : the r×r minors of B; where all of them vanish, W has rank below r and does not count
    """

    equations: tuple[Polynomial, ...]
    matrix: tuple[Polynomial, ...]
    minors: tuple[Polynomial, ...]

    @property
    def unknowns(self) -> int:
        """The number of unknowns."""
        return int(self.matrix[0].context().nvars())

    def degenerate(self) -> tuple[Polynomial, ...]:
        """Return the equations of the solutions of lower rank, which do not count."""
        return (*self.equations, *self.minors)

    def saturated(self, seed: int) -> CriticalIdeal:
        """Return the ideal with one more unknown t and the equation t·(Σ cᵢ·minorᵢ) = 1.

        No solution with a minor ≠ 0 is lost for random integers cᵢ, if there are finitely many.
        """
        ring = self.matrix[0].context().append_gens("t")
        t, rng = ring.gens()[-1], Random(seed)
        lift = [f.project_to_context(ring) for f in self.minors]
        some = sum((f * rng.randint(1, 2**20) for f in lift[1:]), lift[0])
        equations = [f.project_to_context(ring) for f in self.equations]
        return CriticalIdeal(
            (*equations, t * some - 1),
            tuple(f.project_to_context(ring) for f in self.matrix),
            tuple(lift),
        )


@dataclass(frozen=True, eq=False)
class _Gradient:
    """∇ℓ over Q[w], for the transposed matrix if that has fewer rows: its entries N/D."""

    shape: tuple[int, int]
    entries: tuple[RationalFunction, ...]

    @classmethod
    def of(cls, loss: Loss) -> _Gradient:
        m, n = loss.shape
        w = [RationalFunction.of(x) for x in polynomial_ring([f"w{i}" for i in range(m * n)])]
        rows = _rows(w, n) if m <= n else _transposed(_rows(w, m))
        try:
            found = loss.evaluate_gradient(rows)
        except (TypeError, AttributeError) as error:
            raise InputError(
                "the gradient of this loss is not a rational function with rational "
                f"coefficients ({error}): give an algebraic loss"
            ) from None
        if m > n:
            found = _transposed(found)
        # an entry that is constant may come back as a plain number
        zero = w[0] * 0
        entries = [x if isinstance(x, RationalFunction) else zero + x for y in found for x in y]
        return cls((min(m, n), max(m, n)), tuple(entries))

    @cached_property
    def factors(self) -> tuple[Polynomial, ...]:
        """The distinct irreducible factors of the denominators."""
        out: list[Polynomial] = []
        for x in self.entries:
            for f, _ in x.denominator.factor()[1]:
                if f not in out:
                    out.append(f)
        return tuple(out)

    def at(self, w: Sequence[Polynomial], inverses: Sequence[Polynomial]) -> list[Polynomial]:
        """The entries at W, with 1/D written in the inverses of the factors."""
        out = []
        for x in self.entries:
            value = x.numerator.compose(*w)
            unit, powers = x.denominator.factor()
            for f, e in powers:
                value = value * inverses[self.factors.index(f)] ** int(e)
            out.append(value * (1 / Rational(unit)))
        return out


def critical_ideals(loss: Loss, rank: int, *, seed: int = 0, size: int = 9) -> list[CriticalIdeal]:
    """Return the critical equations in the big chart, then in every smaller Schubert cell.

    Each critical matrix of rank r lies in exactly one of these cells.

    Parameters
    ----------
    loss : on m×n matrices, with a gradient that is a rational function over Q
    rank : 1 ≤ r < min(m, n)
    seed, size : of the random matrix P = [I, C; 0, I]; C has entries 1, …, `size`, and is 0 for
        size 0

    Raises
    ------
    InputError
        If the rank is out of range or the gradient is not rational.

    Notes
    -----
    **Cost**: polynomial arithmetic only; C(m, r) charts.
    **Validity**: any data. A denominator D enters as an unknown s with s·D = 1, so that no
    solution with D = 0 is made up.

    Examples
    --------
    >>> from detvar.losses import WeightedSquaredLoss
    >>> loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    >>> chart, infinity = critical_ideals(loss, 1)
    >>> chart.unknowns, len(chart.equations), infinity.unknowns
    (3, 3, 2)
    """
    m, n = sorted(loss.shape)
    if not 1 <= rank < m:
        raise InputError(f"rank is {rank}: give one from 1 to {m - 1}")
    gradient, rng = _Gradient.of(loss), Random(seed)
    shear = [
        [Rational(rng.randint(min(size, 1), size)) for _ in range(m - rank)] for _ in range(rank)
    ]
    cells = [_cell(gradient, pivots, shear) for pivots in combinations(range(m), rank)]
    return cells if loss.shape == (m, n) else [_turned_back(cell, n) for cell in cells]


def _turned_back(cell: CriticalIdeal, columns: int) -> CriticalIdeal:
    entries = [x for row in _transposed(_rows(cell.matrix, columns)) for x in row]
    return CriticalIdeal(cell.equations, tuple(entries), cell.minors)


def _cell(gradient: _Gradient, pivots: tuple[int, ...], shear: Rows) -> CriticalIdeal:
    """The equations where E has its identity block in the rows `pivots`, and zeros above it."""
    (m, n), r = gradient.shape, len(pivots)
    free = [(i, k) for i in range(m) for k in range(r) if i not in pivots and i > pivots[k]]
    names = [f"a{i}_{k}" for i, k in free] + [f"b{k}_{j}" for k in range(r) for j in range(n)]
    names += [f"s{i}" for i in range(len(gradient.factors))]
    unknowns = polynomial_ring(names)
    zero, one = unknowns[0] * 0, unknowns[0] * 0 + 1
    below = dict(zip(free, unknowns, strict=False))
    unit = {(i, k): one for k, i in enumerate(pivots)}
    e = [[unit.get((i, k), below.get((i, k), zero)) for k in range(r)] for i in range(m)]
    b = _rows(unknowns[len(free) : len(free) + r * n], n)
    inverses = unknowns[len(free) + r * n :]
    # P = [I, C; 0, I]: W = P·E·B and PᵀG = [G₁; G₂ + CᵀG₁]
    top, low = e[:r], e[r:]
    frame = [*_sum(top, _product(shear, low, zero)), *low]
    w = [x for row in _product(frame, b, zero) for x in row]
    g = _rows(gradient.at(w, inverses), n)
    turned = [*g[:r], *_sum(g[r:], _product(_transposed(shear), g[:r], zero))]
    others = [row for i, row in enumerate(turned) if i not in pivots]
    equations = [s * f.compose(*w) - 1 for s, f in zip(inverses, gradient.factors, strict=True)]
    # EᵀPᵀG = 0 makes the rows of PᵀGBᵀ at the pivots follow from the others
    for table in (_product(_transposed(e), turned, zero), _product(others, _transposed(b), zero)):
        equations += [x for row in table for x in row]
    minors = [
        _determinant([[row[j] for j in chosen] for row in b])
        for chosen in combinations(range(n), r)
    ]
    return CriticalIdeal(tuple(f for f in equations if f), tuple(w), tuple(minors))


def _rows(flat: Sequence[Any], n: int) -> Rows:
    return [list(flat[i : i + n]) for i in range(0, len(flat), n)]


def _transposed(a: Rows) -> Rows:
    return [list(column) for column in zip(*a, strict=True)]


def _sum(a: Rows, b: Rows) -> Rows:
    return [[x + y for x, y in zip(p, q, strict=True)] for p, q in zip(a, b, strict=True)]


def _product(a: Rows, b: Rows, zero: Any) -> Rows:
    columns = _transposed(b)
    return [[sum((x * y for x, y in zip(p, q, strict=True)), zero) for q in columns] for p in a]


def _determinant(rows: Rows) -> Any:
    if len(rows) == 1:
        return rows[0][0]
    total = rows[0][0] * 0
    for j, x in enumerate(rows[0]):
        minor = _determinant([row[:j] + row[j + 1 :] for row in rows[1:]])
        total = total + x * minor if j % 2 == 0 else total - x * minor
    return total
