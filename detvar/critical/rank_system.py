"""The critical equations of a loss on the matrices of rank r, as a square polynomial system.

In the chart W = [I; A]B (A: (m−r)×r, B: r×n, rows permuted) the critical points of ℓ of rank
r are the zeros of the gradient of (A, B) ↦ ℓ([I; A]B): (G₂Bᵀ, G₁ + AᵀG₂) = 0 with ∇ℓ = [G₁; G₂].
Zeros where B loses rank are critical points of ℓ on the resolution {(W, C) : Col W ⊂ C}, dim C = r;
generic losses have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

from detvar.critical.families import Family

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from detvar.homotopy.system import System

Ring = Any
_SWITCH_ABOVE, _SWITCH_TO = 8.0, 1.5


@dataclass(frozen=True)
class RankSystem:
    """The critical equations of a family on the matrices of rank r, 1 ≤ r ≤ m ≤ n.

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
        made = System.from_function(
            self.equations,
            variables=self.unknowns,
            parameters=f.parameter_count,
            blocks=[0] * a + [1] * (self.unknowns - a),
        )
        return replace(made, symmetric=True)  # the equations are a gradient

    def jacobian(self, x: Sequence[Ring], p: Sequence[Ring]) -> list[list[Ring]]:
        """Return the derivatives of the equations, N×N, over any ring.

        They come from the program of the tracker, in which nothing is computed twice.
        """
        n = self.unknowns
        entries = self.system.jacobian_tape.run([*x, *p])[n:]
        return [entries[i * n : (i + 1) * n] for i in range(n)]

    def start(self, seed: int) -> tuple[Any, Any]:
        """Return a random point (N,) and random parameters (M,) for which it is critical.

        The parameters in which the equations are linear are projected to the solutions.
        """
        import numpy as np

        rng = np.random.default_rng([seed, 76])
        x, p = (
            rng.standard_normal(size) + 1j * rng.standard_normal(size)
            for size in (self.unknowns, self.family.parameter_count)
        )
        free = slice(len(p) - self.family.linear_count, None)
        for _ in range(2):  # the second step removes the rounding of the first
            f = self.system.evaluate(x[None], p)[0]
            k = self.system.parameter_jacobian(x[None], p)[0]
            p[free] -= np.linalg.lstsq(k[:, free], f, rcond=None)[0]
        return x, p

    # --- charts, as the tracker asks for them -------------------------------------------------

    @cached_property
    def _permutations(self) -> NDArray[np.int64]:
        import numpy as np

        return np.array([self.family.permuted(rows) for rows in self.orders], dtype=np.int64)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        import numpy as np

        return np.array(self.orders, dtype=np.int64)

    def needs_switch(self, x: Any) -> Any:
        """Say for which points the chart is bad: an entry of A above 8."""
        import numpy as np

        a = (self.family.rows - self.rank) * self.rank
        return (np.abs(x[:, :a]) > _SWITCH_ABOVE).any(axis=1)

    def limits(self) -> Any:
        """Return the size of each coordinate (N,) above which the chart is bad."""
        import numpy as np

        a = (self.family.rows - self.rank) * self.rank
        return np.where(np.arange(self.unknowns) < a, _SWITCH_ABOVE, np.inf)

    def positions(self, chart: Any) -> Any:
        """Return where the parameters that the given charts see stand in chart 0, (P, M)."""
        return self._permutations[chart]

    def parameters(self, p: Any, chart: Any) -> Any:
        """Return parameters of chart 0 as seen in the given charts."""
        import numpy as np

        return np.take_along_axis(p, self._permutations[chart], axis=1)

    def _blocks(self, x: Any) -> tuple[Any, Any]:
        """Return A, (P, m−r, r), and B, (P, r, n)."""
        m, n, r = self.family.rows, self.family.columns, self.rank
        cut = (m - r) * r
        return x[:, :cut].reshape(len(x), m - r, r), x[:, cut:].reshape(len(x), r, n)

    def _stacked(self, top: Any, low: Any, chart: Any) -> Any:
        """Return the rows of top and low, in the order of the chart, in their own order."""
        import numpy as np

        stacked = np.concatenate([top, low], axis=1)
        out = np.empty_like(stacked)
        np.put_along_axis(out, self._order[chart][:, :, None], stacked, axis=1)
        return out

    def _frames(self, x: Any, chart: Any) -> Any:
        """Return [I; A], (P, m, r), with the rows in their own order."""
        import numpy as np

        one = np.eye(self.rank, dtype=np.complex128)
        return self._stacked(np.broadcast_to(one, (len(x), *one.shape)), self._blocks(x)[0], chart)

    def matrices(self, x: Any, chart: Any) -> Any:
        """Return W for each point, (P, m, n), with the rows in their own order."""
        a, b = self._blocks(x)
        return self._stacked(b, a @ b, chart)

    def matrix_discs(self, x: Any, chart: Any) -> Any:
        """Return discs (P, mn) that contain the entries of W, for discs x (P, N)."""
        import numpy as np

        from detvar.homotopy.balls import ball_array, stack

        n = self.family.columns
        stacked = stack(self.entries([x[:, i] for i in range(self.unknowns)]), (len(x),))
        place = np.argsort(self._order[chart], axis=1)  # where each row of W stands
        at = (place[:, :, None] * n + np.arange(n)).reshape(len(x), self.family.rows * n)
        here = np.arange(len(x))[:, None]
        return ball_array(stacked.mid[at, here], stacked.rad[at, here])

    def invariant(self, x: Any, chart: Any) -> Any:
        """Return the entries of W, which do not depend on the chart."""
        return self.matrices(x, chart).reshape(len(x), self.family.rows * self.family.columns)

    def flags(self, x: Any, chart: Any) -> Any:
        """Return W and the orthogonal projector onto the column space of [I; A], one size.

        They do not depend on the chart, and tell apart frames over one W of lower rank.
        """
        import numpy as np

        unitary = np.linalg.qr(self._frames(x, chart))[0]
        w = self.matrices(x, chart).reshape(len(x), self.family.rows * self.family.columns)
        size = np.abs(w).max(axis=1, keepdims=True, initial=0)
        projector = (unitary @ unitary.conj().swapaxes(1, 2)).reshape(len(x), self.family.rows**2)
        return np.concatenate([w, np.where(size > 0, size, 1) * projector], axis=1)

    def switch(self, x: Any, chart: Any) -> tuple[Any, Any]:
        """Return better coordinates: rows are exchanged until no entry of A exceeds 3/2.

        The frame [I; A] is followed, not W: where B loses rank the frame is still determined.
        """
        return self._in_good_charts(self._frames(x, chart), self._blocks(x)[1])

    def coordinates(self, w: Any) -> tuple[Any, Any]:
        """Return coordinates of matrices (P, m, n) of rank r in good charts, and these charts."""
        import numpy as np

        left, sizes, right = np.linalg.svd(w, full_matrices=False)
        r = self.rank
        return self._in_good_charts(left[:, :, :r], sizes[:, :r, None] * right[:, :r])

    def _in_good_charts(self, frames: Any, factors: Any) -> tuple[Any, Any]:
        """Return coordinates of the products of frames (P, m, r) and factors (P, r, n)."""
        import numpy as np

        r = self.rank
        ids = self._number_of(self._maxvol(frames))
        rows = np.take_along_axis(frames, self._order[ids][:, :, None], axis=1)
        block, rest = rows[:, :r], rows[:, r:]
        a = _right_divide(rest, block)
        m, n = self.family.rows, self.family.columns
        flat = (a.reshape(len(a), (m - r) * r), (block @ factors).reshape(len(a), r * n))
        return np.concatenate(flat, axis=1), ids

    def _number_of(self, pivots: Any) -> Any:
        """Return the chart for each set of pivot rows (P, r)."""
        import numpy as np

        weights = 1 << np.arange(self.family.rows, dtype=np.int64)
        codes = weights[self._order[:, : self.rank]].sum(axis=1)
        by_code = np.argsort(codes)
        return by_code[np.searchsorted(codes[by_code], weights[pivots].sum(axis=1))]

    def _maxvol(self, frames: Any) -> Any:
        """Return r rows (P, r) of each frame in terms of which no row has an entry above 3/2."""
        import numpy as np

        count, m, r = frames.shape
        here = np.arange(count)
        rest, chosen = frames.copy(), np.zeros((count, m), dtype=bool)
        for _ in range(r):  # the longest row, then the longest modulo those chosen
            size = np.linalg.norm(rest, axis=2)
            i = np.argmax(np.where(chosen, -1.0, size), axis=1)
            chosen[here, i] = True
            unit = rest[here, i] / np.maximum(size[here, i], 1e-300)[:, None]
            rest = rest - (rest @ unit.conj()[:, :, None]) * unit[:, None, :]
        pivots = np.nonzero(chosen)[1].reshape(count, r)
        busy = here
        for _ in range(20):
            block = np.take_along_axis(frames[busy], pivots[busy][:, :, None], axis=1)
            a = np.abs(_right_divide(frames[busy], block))
            a[np.arange(len(busy))[:, None], pivots[busy]] = 0  # the identity
            place = np.argmax(a.reshape(len(busy), m * r), axis=1)
            better = a.reshape(len(busy), m * r)[np.arange(len(busy)), place] > _SWITCH_TO
            busy, place = busy[better], place[better]
            if not busy.size:
                break
            pivots[busy, place % r] = place // r
        return pivots

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


def _right_divide(a: Any, b: Any) -> Any:
    """Return A B⁻¹ for stacks of matrices."""
    import numpy as np

    return np.swapaxes(np.linalg.solve(np.swapaxes(b, 1, 2), np.swapaxes(a, 1, 2)), 1, 2)
