"""Coordinates on the matrices of rank e, and the loss with its derivatives in them.

Every m×n matrix of rank e is P [I; A] B for a permutation P of the rows that brings rows with an
e-minor of largest size to the top; by Cramer's rule the entries of A are then at most 1 in size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from detvar.critical.analytic.oriented import Oriented
from detvar.exact.balls import arb, arb_mat

Box = list[arb]


@dataclass(frozen=True)
class Chart:
    """f(A, B) = ℓ(P [I; A] B) with coordinates x = (A, B), row by row.

    Attributes
    ----------
    problem : ℓ on m×n matrices with m ≤ n
    rank : e
    order : the rows of W, those of the identity block first
    """

    problem: Oriented
    rank: int
    order: tuple[int, ...]

    @cached_property
    def slopes(self) -> int:
        """(m − e)e, the number of entries of A."""
        return (self.problem.shape[0] - self.rank) * self.rank

    @cached_property
    def size(self) -> int:
        """e(m + n − e), the number of coordinates."""
        return self.slopes + self.rank * self.problem.shape[1]

    # --- balls --------------------------------------------------------------------------------

    def _split(self, x: Sequence[arb]) -> tuple[arb_mat, arb_mat]:
        m, n = self.problem.shape
        e, cut = self.rank, self.slopes
        a = arb_mat(m - e, e, list(x[:cut])) if cut else arb_mat(m - e, e)
        return a, arb_mat(e, n, list(x[cut:]))

    def matrix(self, x: Sequence[arb]) -> arb_mat:
        """Return W = P [I; A] B."""
        a, b = self._split(x)
        rows = b.tolist() + ((a * b).tolist() if self.slopes else [])
        return arb_mat([rows[k] for k in self._places])

    @cached_property
    def _places(self) -> list[int]:
        """For every row of W, where it is in the order."""
        return [self.order.index(i) for i in range(len(self.order))]

    def _rows(self, g: arb_mat) -> tuple[arb_mat, arb_mat | None]:
        """Return the rows of G at the identity block, and the others."""
        table = g.tolist()
        top = arb_mat([table[i] for i in self.order[: self.rank]])
        rest = [table[i] for i in self.order[self.rank :]]
        return top, arb_mat(rest) if rest else None

    def value(self, x: Sequence[arb]) -> arb:
        """Return a ball that contains f."""
        return self.problem.value(self.matrix(x))

    def gradient(self, x: Sequence[arb]) -> list[arb]:
        """Return balls with ∂f/∂A = G₂Bᵀ and ∂f/∂B = G₁ + AᵀG₂, for the two blocks of rows of G."""
        top, rest = self._rows(self.problem.gradient(self.matrix(x)))
        if rest is None:
            return list(top.entries())
        a, b = self._split(x)
        return [*(rest * b.transpose()).entries(), *(top + a.transpose() * rest).entries()]

    def hessian(self, x: Sequence[arb]) -> arb_mat:
        """Return balls with ∇²f = Jᵀ∇²ℓJ + (G₂ in the places of ∂²/∂A_ik∂B_kj), J = ∂W/∂x."""
        w = self.matrix(x)
        h = self.problem.hessian(w)
        if not self.slopes:
            return h
        a, b = self._split(x)
        j = self._jacobian(a.tolist(), b.tolist())
        table = (j.transpose() * h * j).tolist()
        _, rest = self._rows(self.problem.gradient(w))
        assert rest is not None
        for (i, k), place in self._bilinear:
            table[i][k] += rest[place]
            table[k][i] = table[i][k]
        return arb_mat(table)

    @cached_property
    def _bilinear(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """The places of A_ik and B_kj in x, and of G₂ at (i, j)."""
        m, n = self.problem.shape
        e, cut = self.rank, self.slopes
        return [
            ((i * e + k, cut + k * n + j), (i, j))
            for i in range(m - e)
            for k in range(e)
            for j in range(n)
        ]

    def _jacobian(self, a: list[list[arb]], b: list[list[arb]]) -> arb_mat:
        m, n = self.problem.shape
        e, cut = self.rank, self.slopes
        zero, one = arb(0), arb(1)
        out = []
        for place in self._places:
            for j in range(n):
                row = [zero] * self.size
                if place < e:
                    row[cut + place * n + j] = one
                else:
                    i = place - e
                    for k in range(e):
                        row[i * e + k] = b[k][j]
                        row[cut + k * n + j] = a[i][k]
                out.append(row)
        return arb_mat(out)

    def coordinates(self, w: arb_mat) -> Box | None:
        """Return balls with the coordinates of all W of rank e in w; None outside the chart.

        B is the block of the top rows, and A = W₂[:, J] B[:, J]⁻¹ for e columns J.
        """
        top, rest = self._rows(w)
        if rest is None:
            return list(top.entries())
        chosen = pivots(top)
        try:
            inverse = _columns(top, chosen).inv()
        except ZeroDivisionError:
            return None
        a = _columns(rest, chosen) * inverse
        return [*a.entries(), *top.entries()]

    def has_full_rank(self, x: Sequence[arb]) -> bool:
        """Say whether it is proved that B, and so W, has rank e for all x in the box."""
        _, b = self._split(x)
        return not _columns(b, pivots(b)).det().contains(0)

    # --- floats -------------------------------------------------------------------------------

    def _split_array(self, x: Any) -> tuple[Any, Any]:
        m, n = self.problem.shape
        e, cut = self.rank, self.slopes
        a = x[..., :cut].reshape(*x.shape[:-1], m - e, e)
        return a, x[..., cut:].reshape(*x.shape[:-1], e, n)

    def matrix_array(self, x: Any) -> Any:
        """Return W in floats for x of shape (…, N)."""
        import numpy as np

        a, b = self._split_array(x)
        return np.concatenate([b, a @ b], axis=-2)[..., self._places, :]

    def value_array(self, x: Any) -> Any:
        """Return f in floats."""
        return self.problem.value_array(self.matrix_array(x))

    def gradient_array(self, x: Any) -> Any:
        """Return ∇f in floats, (…, N)."""
        import numpy as np

        e = self.rank
        a, b = self._split_array(x)
        g = self.problem.gradient_array(self.matrix_array(x))[..., self.order, :]
        top, rest = g[..., :e, :], g[..., e:, :]
        by_a = rest @ b.swapaxes(-1, -2)
        by_b = top + a.swapaxes(-1, -2) @ rest
        flat = (*x.shape[:-1], -1)
        return np.concatenate([by_a.reshape(flat), by_b.reshape(flat)], axis=-1)

    def hessian_array(self, x: Any) -> Any:
        """Return ∇²f in floats, (…, N, N)."""
        constant, linear, places, entries = self._second_order
        j = constant + (x @ linear).reshape(*x.shape[:-1], *constant.shape)
        w = self.matrix_array(x)
        out = j.swapaxes(-1, -2) @ self.problem.hessian_array(w) @ j
        values = self.problem.gradient_array(w)[..., entries[:, 0], entries[:, 1]]
        out[..., places[:, 0], places[:, 1]] += values
        out[..., places[:, 1], places[:, 0]] += values
        return out

    @cached_property
    def _second_order(self) -> tuple[Any, Any, Any, Any]:
        """∂W/∂x as constant + linear·x, and the places of ∂²W/∂A∂B in ∇²f and in G."""
        import numpy as np

        m, n = self.problem.shape
        e, cut, size = self.rank, self.slopes, self.size
        constant, linear = np.zeros((m, n, size)), np.zeros((size, m, n, size))
        for k in range(e):
            for j in range(n):
                constant[self.order[k], j, cut + k * n + j] = 1.0
        for (by_a, by_b), (i, j) in self._bilinear:
            row = self.order[e + i]
            linear[by_b, row, j, by_a] = linear[by_a, row, j, by_b] = 1.0
        places = np.array([place for place, _ in self._bilinear], dtype=int).reshape(-1, 2)
        entries = np.array([(self.order[e + i], j) for _, (i, j) in self._bilinear], dtype=int)
        entries = entries.reshape(-1, 2)
        return constant.reshape(m * n, size), linear.reshape(size, -1), places, entries

    def coordinates_array(self, w: Any) -> Any:
        """Return the coordinates (…, N) of matrices near rank e, by least squares for A."""
        import numpy as np

        g = w[..., self.order, :]
        top, rest = g[..., : self.rank, :], g[..., self.rank :, :]
        flat = (*w.shape[:-2], -1)
        a = rest @ np.linalg.pinv(top)
        return np.concatenate([a.reshape(flat), top.reshape(flat)], axis=-1)


def charts(problem: Oriented, rank: int) -> list[Chart]:
    """Return the charts of the matrices of rank e: one for every choice of e rows.

    >>> from detvar.critical.analytic.oriented import Oriented
    >>> from detvar.losses import LogCoshLoss
    >>> [c.order for c in charts(Oriented(LogCoshLoss([[1], [2]], [[1], [2]])), 1)]
    [(0, 1), (1, 0)]
    """
    rows = range(problem.shape[0])
    return [
        Chart(problem, rank, (*top, *(i for i in rows if i not in top)))
        for top in combinations(rows, rank)
    ]


def pivots(b: arb_mat) -> list[int]:
    """Return e columns of an e×n matrix with a large minor, by elimination on the midpoints."""
    import numpy as np

    rest = np.array([[float(x.mid()) for x in row] for row in b.tolist()])
    chosen: list[int] = []
    for k in range(rest.shape[0]):
        sizes = np.abs(rest[k:])
        sizes[:, np.array(chosen, dtype=int)] = -1.0
        i, j = np.unravel_index(int(np.argmax(sizes)), sizes.shape)
        chosen.append(int(j))
        swapped = rest[k + int(i)].copy()
        rest[k + int(i)] = rest[k]
        rest[k] = swapped
        if rest[k, j]:
            rest[k + 1 :] -= np.outer(rest[k + 1 :, j] / rest[k, j], rest[k])
    return sorted(chosen)


def _columns(a: arb_mat, chosen: list[int]) -> arb_mat:
    return arb_mat([[row[j] for j in chosen] for row in a.tolist()])
