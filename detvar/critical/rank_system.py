"""The critical equations of a loss on the matrices of rank r, as a square polynomial system.

In the chart W = [I; A]B (A: (m−r)×r, B: r×n, rows permuted) the critical points of ℓ of rank
r are the zeros of the gradient of (A, B) ↦ ℓ([I; A]B): (G₁ + AᵀG₂, G₂Bᵀ) = 0 with ∇ℓ = [G₁; G₂].
Nothing has to be saturated away: rank below r is where the chart ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError
from detvar.exact.matrices import Matrix
from detvar.exact.rational import Rational
from detvar.losses import Loss, QuadraticLoss, WeightedSquaredLoss

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from detvar.homotopy.system import System

Ring = Any
_SWITCH_ABOVE, _SWITCH_TO = 8.0, 1.5


@dataclass(frozen=True)
class Family:
    """A family of losses on m×n matrices with parameters, polynomial in entries and parameters.

    Attributes
    ----------
    kind : "weighted" or "quadratic"
    rows, columns : m, n

    The parameters are, row by row: weighted, λ and λu; quadratic, the upper triangle of Q, and
    Qu. The gradient is linear in them, and a generic member has as many critical points of rank
    r as the generic ED degree says.
    """

    kind: str
    rows: int
    columns: int

    @property
    def size(self) -> int:
        """mn."""
        return self.rows * self.columns

    @property
    def parameter_count(self) -> int:
        """Number of parameters of the family."""
        k = self.size
        return 2 * k if self.kind == "weighted" else k * (k + 1) // 2 + k

    def gradient(self, w: Sequence[Ring], p: Sequence[Ring]) -> list[Ring]:
        """Return the entries of ∇ℓ at the entries of W, over any ring."""
        k = self.size
        if self.kind == "weighted":
            return [p[i] * w[i] - p[k + i] for i in range(k)]
        position = self._upper
        linear = k * (k + 1) // 2
        return [
            sum((p[position[i, j]] * w[j] for j in range(1, k)), p[position[i, 0]] * w[0])
            - p[linear + i]
            for i in range(k)
        ]

    def value(self, w: Sequence[Ring], p: Sequence[Ring]) -> Ring:
        """Return 2ℓ plus a constant, over any ring."""
        g, k = self.gradient(w, p), self.size
        linear = len(p) - k
        terms = [(g[i] - p[linear + i]) * w[i] for i in range(k)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total

    @cached_property
    def _upper(self) -> dict[tuple[int, int], int]:
        """Where Q_ij stands among the parameters."""
        out, n = {}, 0
        for i in range(self.size):
            for j in range(i, self.size):
                out[i, j] = out[j, i] = n
                n += 1
        return out

    def parameters(self, loss: Loss) -> list[Rational]:
        """Return the parameters of a loss of this family, exactly."""
        if isinstance(loss, WeightedSquaredLoss):
            lam, target = loss.weights.entries(), loss.target.entries()
            return [*lam, *(a * b for a, b in zip(lam, target, strict=True))]
        if isinstance(loss, QuadraticLoss):
            q = loss.form
            k = self.size
            u = Matrix(k, 1, loss.target.entries())
            upper = [q[i, j] for i in range(k) for j in range(i, k)]
            return [*upper, *(q * u).entries()]
        raise InputError("this loss is no member of a family that can be tracked")

    def permuted(self, rows: Sequence[int]) -> list[int]:
        """Return the positions of the parameters after the rows of W are taken in this order."""
        n, k = self.columns, self.size
        entry = [i * n + j for i in rows for j in range(n)]
        if self.kind == "weighted":
            return [*entry, *(k + e for e in entry)]
        upper = [self._upper[entry[i], entry[j]] for i in range(k) for j in range(i, k)]
        return [*upper, *(k * (k + 1) // 2 + e for e in entry)]


def family_of(loss: Loss) -> Family:
    """Return the smallest family with generic parameters that a loss belongs to.

    Raises
    ------
    InputError
        If the loss belongs to none.
    """
    m, n = loss.shape
    if isinstance(loss, WeightedSquaredLoss):
        return Family("weighted", m, n)
    if isinstance(loss, QuadraticLoss):
        return Family("quadratic", m, n)
    raise InputError(
        "critical points are found for squared, weighted and quadratic losses: use one of these"
    )


@dataclass(frozen=True)
class RankSystem:
    """The critical equations of a family on the matrices of rank r, 1 ≤ r < min(m, n), m ≤ n.

    Unknowns: A row by row, then B row by row; N = r(m + n − r). Chart c takes the c-th r-subset
    of the rows as the identity block.
    """

    family: Family
    rank: int

    @property
    def unknowns(self) -> int:
        """r(m + n − r)."""
        return self.rank * (self.family.rows + self.family.columns - self.rank)

    @cached_property
    def orders(self) -> list[list[int]]:
        """For each chart the rows of W, those of the identity block first."""
        m = self.family.rows
        return [
            [*pivots, *(i for i in range(m) if i not in pivots)]
            for pivots in combinations(range(m), self.rank)
        ]

    def entries(self, x: Sequence[Ring]) -> list[Ring]:
        """Return the entries of [I; A]B, over any ring."""
        m, n, r = self.family.rows, self.family.columns, self.rank
        a, b = x[: (m - r) * r], x[(m - r) * r :]
        out = list(b)
        for i in range(m - r):
            row = a[i * r : (i + 1) * r]
            for j in range(n):
                total = row[0] * b[j]
                for k in range(1, r):
                    total = total + row[k] * b[k * n + j]
                out.append(total)
        return out

    def potential(self, x: Sequence[Ring], p: Sequence[Ring]) -> Ring:
        """Return 2ℓ([I; A]B) plus a constant, over any ring."""
        return self.family.value(self.entries(x), p)

    def equations(self, x: Sequence[Ring], p: Sequence[Ring]) -> list[Ring]:
        """Return G₂Bᵀ, then G₁ + AᵀG₂: the gradient in A, then in B, over any ring."""
        m, n, r = self.family.rows, self.family.columns, self.rank
        g = self.family.gradient(self.entries(x), p)
        a, b = x[: (m - r) * r], x[(m - r) * r :]
        out = []
        for i in range(m - r):
            row = g[(r + i) * n : (r + i + 1) * n]
            for k in range(r):
                total = row[0] * b[k * n]
                for j in range(1, n):
                    total = total + row[j] * b[k * n + j]
                out.append(total)
        for k in range(r):
            for j in range(n):
                total = g[k * n + j]
                for i in range(m - r):
                    total = total + a[i * r + k] * g[(r + i) * n + j]
                out.append(total)
        return out

    @cached_property
    def system(self) -> System:
        """The system for the tracker."""
        from detvar.homotopy.system import System

        f, a = self.family, (self.family.rows - self.rank) * self.rank
        blocks = [0] * a + [1] * (self.unknowns - a)
        return System.from_potential(
            self.potential,
            variables=self.unknowns,
            parameters=f.parameter_count,
            blocks=blocks,
        )

    # --- charts, as the tracker asks for them -------------------------------------------------

    @cached_property
    def _permutations(self) -> NDArray[np.int64]:
        import numpy as np

        return np.array([self.family.permuted(rows) for rows in self.orders], dtype=np.int64)

    def needs_switch(self, x: Any) -> Any:
        """Say for which points the chart is bad: an entry of A above 8."""
        import numpy as np

        a = (self.family.rows - self.rank) * self.rank
        return np.abs(x[:, :a]).max(axis=1) > _SWITCH_ABOVE

    def parameters(self, p: Any, chart: Any) -> Any:
        """Return parameters of chart 0 as seen in the given charts."""
        import numpy as np

        return np.take_along_axis(p, self._permutations[chart], axis=1)

    def matrices(self, x: Any, chart: Any) -> Any:
        """Return W for each point, (P, m, n), with the rows in their own order."""
        import numpy as np

        m, n, r = self.family.rows, self.family.columns, self.rank
        a = x[:, : (m - r) * r].reshape(-1, m - r, r)
        b = x[:, (m - r) * r :].reshape(-1, r, n)
        stacked = np.concatenate([b, a @ b], axis=1)
        out = np.empty_like(stacked)
        order = np.array(self.orders)[chart]
        np.put_along_axis(out, order[:, :, None], stacked, axis=1)
        return out

    def invariant(self, x: Any, chart: Any) -> Any:
        """Return the entries of W, which do not depend on the chart."""
        return self.matrices(x, chart).reshape(len(x), -1)

    def switch(self, x: Any, chart: Any) -> tuple[Any, Any]:
        """Return better coordinates: rows are exchanged until no entry of A exceeds 3/2.

        The frame [I; A] is followed, not W: where B loses rank the frame is still determined.
        """
        import numpy as np

        m, n, r = self.family.rows, self.family.columns, self.rank
        frames = np.empty((len(x), m, r), dtype=np.complex128)
        for k in range(len(x)):
            order = self.orders[chart[k]]
            frames[k][order[:r]] = np.eye(r)
            frames[k][order[r:]] = x[k, : (m - r) * r].reshape(m - r, r)
        return self._in_good_charts(frames, x[:, (m - r) * r :].reshape(-1, r, n))

    def coordinates(self, w: Any) -> tuple[Any, Any]:
        """Return coordinates of matrices (P, m, n) of rank r in good charts, and these charts."""
        import numpy as np

        left, sizes, right = np.linalg.svd(w)
        r = self.rank
        return self._in_good_charts(left[:, :, :r], sizes[:, :r, None] * right[:, :r])

    def _in_good_charts(self, frames: Any, factors: Any) -> tuple[Any, Any]:
        """Return coordinates of the products of frames (P, m, r) and factors (P, r, n)."""
        import numpy as np

        r = self.rank
        number = {tuple(rows[:r]): c for c, rows in enumerate(self.orders)}
        out = np.empty((len(frames), self.unknowns), dtype=np.complex128)
        ids = np.zeros(len(frames), dtype=np.int64)
        for k, (frame, factor) in enumerate(zip(frames, factors, strict=True)):
            pivots = self._maxvol(frame)
            ids[k] = number[tuple(pivots)]
            block = frame[pivots]
            a = np.linalg.solve(block.T, frame[self.orders[ids[k]][r:]].T).T
            out[k] = np.concatenate([a.ravel(), (block @ factor).ravel()])
        return out, ids

    def _maxvol(self, frame: Any) -> list[int]:
        """Return r rows of a frame in terms of which no other row has an entry above 3/2."""
        import numpy as np

        rest, pivots = frame.copy(), []
        for _ in range(self.rank):  # the longest row, then the longest modulo those chosen
            i = int(np.argmax(np.linalg.norm(rest, axis=1)))
            pivots.append(i)
            unit = rest[i] / max(np.linalg.norm(rest[i]), 1e-300)
            rest = rest - np.outer(rest @ unit.conj(), unit)
            rest[pivots] = 0
        for _ in range(20):
            others = [i for i in range(len(frame)) if i not in pivots]
            a = np.linalg.solve(frame[pivots].T, frame[others].T).T
            row, column = np.unravel_index(np.argmax(np.abs(a)), a.shape)
            if not abs(a[row, column]) > _SWITCH_TO:
                break
            pivots[int(column)] = others[int(row)]
        return sorted(pivots)

    def has_full_rank(self, factors: Any) -> Any:
        """Say for which balls (P, r, n) around B it is proved that B has rank r.

        With Z ≈ B⁺: if ‖I − BZ‖ < 1 for all B in the ball, BZ is invertible.
        """
        import numpy as np

        from detvar.homotopy.balls import ball_array

        with np.errstate(all="ignore"):
            near = np.where(np.isfinite(factors.mid), factors.mid, 0)
            inverse = np.linalg.pinv(near, rcond=1e-9)
            rest = ball_array(np.eye(self.rank)[None]) - factors @ ball_array(inverse)
            return rest.upper().sum(axis=2).max(axis=1) * (1 + 1e-10) < 1
