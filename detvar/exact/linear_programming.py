"""Linear programs over Q, decided exactly: an optimum, a ray, or a proof that nothing is feasible.

Every answer comes with the numbers that prove it by the duality theorem, and they are checked
with matrix products alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from detvar.errors import ShapeError
from detvar.exact.matrices import Matrix, matrix, zeros
from detvar.exact.rational import Rational, rational

Status = Literal["optimal", "unbounded", "infeasible"]
Vector = tuple[Rational, ...]
_ZERO, _ONE = Rational(0), Rational(1)


@dataclass(frozen=True)
class Solution:
    """The answer to: maximise c·x subject to A x ≤ b, E x = f, with x free.

    Attributes
    ----------
    cost, rows, bounds, equal, values : c, A, b, E, f
    status : "optimal", "unbounded" or "infeasible"
    value : the optimum, None unless optimal
    point : a feasible x, None if infeasible
    multipliers, equal_multipliers : y ≥ 0 and z, None if unbounded. If optimal,
        yᵀA + zᵀE = c and y·b + z·f is the optimum; if infeasible, yᵀA + zᵀE = 0 and
        y·b + z·f < 0 (Farkas)
    ray : d with A d ≤ 0, E d = 0 and c·d > 0, None unless unbounded
    pivots : how many exchanges were made
    """

    cost: Vector
    rows: Matrix
    bounds: Vector
    equal: Matrix
    values: Vector
    status: Status
    value: Rational | None
    point: Vector | None
    multipliers: Vector | None
    equal_multipliers: Vector | None
    ray: Vector | None
    pivots: int

    def check(self) -> bool:
        """Say whether the numbers prove the status: a few products, without any pivoting."""
        if self.status == "infeasible":
            return self._combines(zeros(1, len(self.cost)).entries(), None)
        if self.point is None or not self._is_feasible():
            return False
        if self.status == "optimal":
            return self._combines(self.cost, self.value) and _dot(self.cost, self.point) == (
                self.value
            )
        return (
            self.ray is not None
            and _dot(self.cost, self.ray) > 0
            and all(t <= 0 for t in _times(self.rows, self.ray))
            and not any(_times(self.equal, self.ray))
        )

    def _is_feasible(self) -> bool:
        x = self.point or ()
        below = zip(_times(self.rows, x), self.bounds, strict=True)
        return all(t <= b for t, b in below) and tuple(_times(self.equal, x)) == self.values

    def _combines(self, wanted: Sequence[Rational], value: Rational | None) -> bool:
        """Whether yᵀA + zᵀE is as wanted, and y·b + z·f is the value (negative if None)."""
        y, z = self.multipliers, self.equal_multipliers
        if y is None or z is None or any(t < 0 for t in y):
            return False
        above = _times(self.rows.transpose(), y)
        level = _times(self.equal.transpose(), z)
        if [s + t for s, t in zip(above, level, strict=True)] != list(wanted):
            return False
        total = _dot(y, self.bounds) + _dot(z, self.values)
        return total < 0 if value is None else total == value


def maximise(
    cost: Sequence[Any],
    rows: Any,
    bounds: Sequence[Any],
    equal: Any = None,
    values: Sequence[Any] = (),
) -> Solution:
    """Return the maximum of c·x subject to A x ≤ b and E x = f, x free, with its proof.

    Parameters
    ----------
    cost : c, n numbers
    rows, bounds : A, p×n (None if there are no inequalities), and b, p numbers
    equal, values : E, q×n (None if there are no equations), and f, q numbers

    Returns
    -------
    Solution

    Raises
    ------
    ShapeError
        If the sizes do not fit.

    Notes
    -----
    **Cost**: O(n(n + p + q)) rational operations for each pivot; exponentially many pivots in the
    worst case, a small multiple of n + p in practice.
    **Validity**: any data. The equations and the free variables are eliminated first; what is left
    is a dictionary of slacks ≥ 0. Feasibility is decided by the least-index criss-cross method,
    which is finite on every program; from a feasible dictionary on, the primal simplex method
    takes the steepest coefficient, and by Bland's rule after a step that did not raise the value,
    so that it cannot cycle.

    References
    ----------
    R. Bland (1977), New finite pivoting rules for the simplex method, Theorem 2.
    T. Terlaky (1985), A convergent criss-cross method.

    Examples
    --------
    >>> best = maximise([1, 1], [[1, 2], [3, 1], [-1, 0], [0, -1]], [4, 6, 0, 0])
    >>> best.value, best.point, best.multipliers, best.check()
    (14/5, (8/5, 6/5), (2/5, 1/5, 0, 0), True)
    """
    c = tuple(rational(t, f"cost[{j}]") for j, t in enumerate(cost))
    n = len(c)
    a = zeros(0, n) if rows is None else _table(rows, "rows")
    e = zeros(0, n) if equal is None else _table(equal, "equal")
    b = tuple(rational(t, f"bounds[{i}]") for i, t in enumerate(bounds))
    f = tuple(rational(t, f"values[{i}]") for i, t in enumerate(values))
    for name, table, right in (("rows", a, b), ("equal", e, f)):
        if (table.nrows(), table.ncols()) != (len(right), n):
            raise ShapeError(
                f"{name} is {table.nrows()}×{table.ncols()} for {n} unknowns and {len(right)} "
                f"right-hand sides: give a {len(right)}×{n} matrix"
            )
    return _solve(_Dictionary(c, a, b, e, f), c, a, b, e, f)


def minimise(
    cost: Sequence[Any],
    rows: Any,
    bounds: Sequence[Any],
    equal: Any = None,
    values: Sequence[Any] = (),
) -> Solution:
    """Return the solution of: maximise −c·x; the minimum of c·x is minus its value.

    >>> least = minimise([1, 1], [[-1, 0], [0, -1]], [-2, -3])
    >>> -least.value, least.point
    (5, (2, 3))
    """
    flipped = [-rational(t, f"cost[{j}]") for j, t in enumerate(cost)]
    return maximise(flipped, rows, bounds, equal, values)


class _Dictionary:
    """Basic variables as affine functions of the others, which are at 0 (Chvátal's dictionary).

    A variable is a number: the slacks of A x ≤ b first, those of E x = f next, then x. A row is
    [constant, coefficients in the order of `outside`]; the last row is the cost.
    """

    def __init__(self, c: Vector, a: Matrix, b: Vector, e: Matrix, f: Vector) -> None:
        p, q, n = len(b), len(f), len(c)
        self.slacks, self.equations, self.unknowns = p, q, n
        self.inside = list(range(p + q))
        self.outside = list(range(p + q, p + q + n))
        table = a.tolist() + e.tolist()
        self.rows = [[t, *(-x for x in row)] for t, row in zip((*b, *f), table, strict=True)] + [
            [_ZERO, *c]
        ]
        self.pivots = 0

    @property
    def cost(self) -> list[Rational]:
        return self.rows[-1]

    def pivot(self, i: int, j: int) -> None:
        """Exchange the basic variable of row i with the variable of column j ≥ 1."""
        row = self.rows[i]
        inverse = 1 / row[j]
        new = [-t * inverse if t else t for t in row]
        new[j] = inverse
        support = [k for k, t in enumerate(new) if t and k != j]
        for k, other in enumerate(self.rows):
            factor = other[j]
            if k == i or not factor:
                continue
            for s in support:
                other[s] += factor * new[s]
            other[j] = factor * inverse
        self.rows[i] = new
        self.inside[i], self.outside[j - 1] = self.outside[j - 1], self.inside[i]
        self.pivots += 1

    def eliminate(self) -> int | None:
        """Solve the equations, then express slacks by slacks; return a row that says 0 = c ≠ 0."""
        p, q = self.slacks, self.equations
        for i in range(p, p + q):
            j = self._unknown_in(i)
            if j is not None:
                self.pivot(i, j)
            elif self.rows[i][0]:
                return i
        for i in range(p):
            j = self._unknown_in(i)
            if j is not None:
                self.pivot(i, j)
        return None

    def _unknown_in(self, i: int) -> int | None:
        first = self.slacks + self.equations
        row = self.rows[i]
        return next((j for j, v in enumerate(self.outside, 1) if v >= first and row[j]), None)

    def slack_rows(self) -> list[tuple[int, int]]:
        """The rows of basic slacks as (variable, row), by variable."""
        return sorted((v, i) for i, v in enumerate(self.inside) if v < self.slacks)

    def slack_columns(self) -> list[tuple[int, int]]:
        """The columns of slacks that may enter as (variable, column), by variable."""
        return sorted((v, j) for j, v in enumerate(self.outside, 1) if v < self.slacks)

    def make_feasible(self) -> int | None:
        """Criss-cross without a cost: make all constants ≥ 0, or return a row that forbids it."""
        while True:
            i = next((i for _, i in self.slack_rows() if self.rows[i][0] < 0), None)
            if i is None:
                return None
            j = next((j for _, j in self.slack_columns() if self.rows[i][j] > 0), None)
            if j is None:
                return i
            self.pivot(i, j)

    def improve(self) -> int | None:
        """Primal simplex: raise the cost to its maximum, or return a column without a limit."""
        stalled = False
        while True:
            cost = self.cost
            entering = [j for _, j in self.slack_columns() if cost[j] > 0]
            if not entering:
                return None
            j = entering[0] if stalled else max(entering, key=lambda j: cost[j])
            limits = [(i, self.rows[i]) for _, i in self.slack_rows() if self.rows[i][j] < 0]
            if not limits:
                return j
            # ties go to the least variable, as Bland's rule asks
            i = min(limits, key=lambda pair: pair[1][0] / -pair[1][j])[0]
            before = cost[0]
            self.pivot(i, j)
            stalled = self.cost[0] == before

    def point(self) -> Vector:
        """x at this dictionary."""
        first = self.slacks + self.equations
        where = {v: row[0] for v, row in zip(self.inside, self.rows, strict=False)}
        return tuple(where.get(first + k, _ZERO) for k in range(self.unknowns))

    def direction(self, j: int) -> Vector:
        """How x moves when the variable of column j grows."""
        first = self.slacks + self.equations
        where = {v: row[j] for v, row in zip(self.inside, self.rows, strict=False)}
        where[self.outside[j - 1]] = _ONE
        return tuple(where.get(first + k, _ZERO) for k in range(self.unknowns))

    def multipliers(self, row: list[Rational], own: int | None = None) -> tuple[Vector, Vector]:
        """The multipliers −coefficient of the slacks in a row, and 1 for its own slack."""
        found = {v: -row[j] for j, v in enumerate(self.outside, 1)}
        if own is not None:
            found[own] = _ONE
        p, q = self.slacks, self.equations
        y = tuple(found.get(k, _ZERO) for k in range(p))
        return y, tuple(found.get(k, _ZERO) for k in range(p, p + q))


def _solve(d: _Dictionary, c: Vector, a: Matrix, b: Vector, e: Matrix, f: Vector) -> Solution:
    def answer(status: Status, **found: Any) -> Solution:
        fields = {"value", "point", "multipliers", "equal_multipliers", "ray"}
        blank = dict.fromkeys(fields - found.keys())
        return Solution(c, a, b, e, f, status, pivots=d.pivots, **blank, **found)

    blocked = d.eliminate()
    if blocked is None:
        blocked = d.make_feasible()
    if blocked is not None:
        row = d.rows[blocked]
        y, z = d.multipliers(row, d.inside[blocked])
        if row[0] > 0:  # only an equation: 0 = c with c > 0 is turned around
            z = tuple(-t for t in z)
        return answer("infeasible", multipliers=y, equal_multipliers=z)
    first = d.slacks + d.equations
    for j, v in enumerate(d.outside, 1):
        if v >= first and d.cost[j]:  # an unknown that no constraint sees
            sign = 1 if d.cost[j] > 0 else -1
            ray = tuple(sign * t for t in d.direction(j))
            return answer("unbounded", point=d.point(), ray=ray)
    free = d.improve()
    if free is not None:
        return answer("unbounded", point=d.point(), ray=d.direction(free))
    y, z = d.multipliers(d.cost)
    return answer("optimal", value=d.cost[0], point=d.point(), multipliers=y, equal_multipliers=z)


def _table(rows: Any, name: str) -> Matrix:
    return rows if isinstance(rows, Matrix) else matrix(rows, name)


def _times(a: Matrix, x: Sequence[Rational]) -> list[Rational]:
    return list((a * Matrix(len(x), 1, list(x))).entries()) if a.nrows() else []


def _dot(x: Sequence[Rational], y: Sequence[Rational]) -> Rational:
    return sum((s * t for s, t in zip(x, y, strict=True)), _ZERO)
