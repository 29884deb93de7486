"""The two sides of every condition at given points, vectorised; see `conditions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.landscape.finite_sum import Array, FiniteSum

_MOST_PAIRS = 20_000_000


@dataclass(frozen=True, eq=False)
class Rows:
    """Inequalities left ≥ h·right, one per entry.

    Attributes
    ----------
    left, right : arrays (k,)
    where : int array (k, 1 or 2)
        Which point, pair of points, or point and term an entry belongs to.
    noise : float or array (k,)
        Right sides up to this size are rounding and say nothing about a constant.
    slack : array (k,)
        The size of the numbers that the two sides are differences of.
    """

    left: Array
    right: Array
    where: Array
    noise: Any
    slack: Array

    def at(self, k: int) -> tuple[int, ...]:
        """Return `where` as a tuple, empty for k = −1."""
        return () if k < 0 else tuple(int(x) for x in self.where[k])


@dataclass(frozen=True, eq=False)
class Data:
    """f, its gradient and the projection at N points, computed once."""

    problem: FiniteSum
    x: Array
    values: Array  # (N, n)
    gradients: Array  # (N, n, d)
    _p: Array | None

    @classmethod
    def of(cls, problem: FiniteSum, points: Any) -> Data:
        """Evaluate everything at points (N, d)."""
        import numpy as np

        x = np.asarray(points, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != problem.dimension or not len(x):
            raise ShapeError(
                f"points have shape {x.shape}: give N points as rows of {problem.dimension} "
                "numbers each"
            )
        values, gradients = problem.values(x), problem.gradients(x)
        if not (np.isfinite(values).all() and np.isfinite(gradients).all()):
            raise InputError("a value or gradient at the points is not finite: leave them out")
        return cls(problem, x, values, gradients, problem.project(x))

    @property
    def p(self) -> Array:
        """The projections (N, d)."""
        if self._p is None:
            raise InputError(
                f"{self.problem.name} has no projection on its minimisers, which this condition "
                "needs: give `project`"
            )
        return self._p

    @property
    def f(self) -> Array:
        """f(x), (N,)."""
        return self.values.mean(axis=1)

    @property
    def grad(self) -> Array:
        """∇f(x), (N, d)."""
        return self.gradients.mean(axis=1)

    @property
    def gap(self) -> Array:
        """f(x) − f*, (N,)."""
        return self.f - self.problem.minimum

    @property
    def slope(self) -> Array:
        """|∇f(x)|, (N,)."""
        import numpy as np

        return np.linalg.norm(self.grad, axis=1)

    @property
    def dist(self) -> Array:
        """|x − p|, (N,)."""
        import numpy as np

        return np.linalg.norm(self.x - self.p, axis=1)

    @property
    def inner(self) -> Array:
        """⟨∇f(x), x − p⟩, (N,)."""
        return (self.grad * (self.x - self.p)).sum(axis=1)

    @property
    def size(self) -> Array:
        """The size of f around each point, for judging rounding, (N,)."""
        import numpy as np

        return np.abs(self.f) + abs(self.problem.minimum)

    def per_point(self, left: Array, right: Array, gap: bool = False) -> Rows:
        """One inequality per point; `gap` says that f(x) − f* enters, with its cancellation."""
        import numpy as np

        noise = np.full(len(right), 1e-14 * max(1e-300, float(np.abs(right).max())))
        if gap:
            noise[self.gap <= 1e-10 * self.size] = np.inf
        return Rows(left, right, np.arange(len(left))[:, None], noise, self.size * 1e-4)

    def towards(self, x_star: Any, squared: bool = False) -> Rows:
        """⟨∇f, x − x*⟩ against |x − x*|² or the gap, for one fixed minimiser x*.

        By default the minimiser, among the projections of the points, for which the least
        quotient is greatest.
        """
        import numpy as np

        if x_star is None:
            candidates = np.unique(self.p, axis=0)[:64]
        else:
            candidates = np.asarray(x_star, dtype=np.float64).reshape(1, -1)
            if candidates.shape[1] != self.problem.dimension:
                raise ShapeError(f"x_star must have {self.problem.dimension} entries")
        best: tuple[float, Rows] | None = None
        for star in candidates:
            offset = self.x - star
            right = (offset**2).sum(axis=1) if squared else self.gap
            rows = self.per_point((self.grad * offset).sum(axis=1), right, gap=not squared)
            useful = rows.right > rows.noise
            least = float((rows.left[useful] / rows.right[useful]).min()) if useful.any() else 0.0
            if best is None or least > best[0]:
                best = least, rows
        if best is None:
            raise InputError("there is no minimiser to aim at: give x_star")
        return best[1]

    def _pair_numbers(self) -> tuple[Array, Array]:
        import numpy as np

        n = len(self.x)
        if n * n > _MOST_PAIRS:
            raise InputError(f"{n} points make {n * n} pairs: give at most 4000 points")
        i, j = np.divmod(np.arange(n * n), n)
        keep = i != j
        return i[keep], j[keep]

    def pairs(self, curved: bool = False, same_projection: bool = False) -> Rows:
        """f(y) − f(x) − ⟨∇f(x), y − x⟩ against ½|y − x|², or against 0."""
        import numpy as np

        i, j = self._pair_numbers()
        if same_projection:
            near = np.abs(self.p[i] - self.p[j]).max(axis=1)
            keep = near <= 1e-12 * (1 + np.abs(self.p).max())
            i, j = i[keep], j[keep]
        step = self.x[j] - self.x[i]
        left = self.f[j] - self.f[i] - (self.grad[i] * step).sum(axis=1)
        right = (step**2).sum(axis=1) / 2 if curved else np.zeros(len(i))
        size = self.size[i] + self.size[j]
        noise = np.maximum(1e-10 * size, 1e-14 * right.max(initial=1e-300))
        return Rows(left, right, np.stack([i, j], axis=1), noise, 1e-4 * size)

    def term_pairs(self) -> Rows:
        """f_k(y) − f_k(x) − ⟨∇f_k(x), y − x⟩ ≥ 0 for all terms; the worst term of each pair."""
        import numpy as np

        i, j = self._pair_numbers()
        left = np.full(len(i), np.inf)
        for k in range(self.problem.count):
            v, g = self.values[:, k], self.gradients[:, k]
            left = np.minimum(left, v[j] - v[i] - (g[i] * (self.x[j] - self.x[i])).sum(axis=1))
        size = np.abs(self.values).max(axis=1)
        return Rows(
            left, np.zeros(len(i)), np.stack([i, j], axis=1), 0.0, 1e-4 * (size[i] + size[j])
        )

    def star(self, steps: int) -> Rows:
        """tf* + (1−t)f(x) − f(tx* + (1−t)x) ≥ 0 on a grid of t, for the known minimisers."""
        import numpy as np

        stars = np.unique(self.p, axis=0)[:64]
        t = (np.arange(1, steps) / steps)[:, None, None]
        left = np.full(len(self.x), np.inf)
        for star in stars:
            between = self.problem.f(t * star + (1 - t) * self.x)  # (steps − 1, N)
            chord = t[..., 0] * self.problem.minimum + (1 - t[..., 0]) * self.f
            left = np.minimum(left, (chord - between).min(axis=0))
        rows = self.per_point(left, np.zeros(len(left)))
        return Rows(rows.left, rows.right, rows.where, 0.0, 1e-4 * self.size)

    def stationary(self, threshold: float) -> Rows:
        """|∇f(x)| − threshold·(1 + |x|) where x is not in S: negative at a stationary point."""
        import numpy as np

        size = 1 + np.linalg.norm(self.x, axis=1)
        away = self.gap > 1e-6 * (1 + self.size)
        left = np.where(away, self.slope - threshold * size, np.inf)
        left = np.where(np.isinf(left), np.maximum(self.slope, 1.0), left)
        rows = self.per_point(left, np.zeros(len(left)))
        return Rows(rows.left, rows.right, rows.where, 0.0, np.zeros(len(left)))

    def fitted(self) -> Rows:
        """f_i* − f_i(p) ≥ 0 for all projections and terms."""
        import numpy as np

        least = self.problem.lower - self.problem.values(self.p)
        where = np.stack([a.ravel() for a in np.indices(least.shape)], axis=1)
        slack = np.abs(self.problem.lower) + np.abs(self.problem.values(self.p))
        zero = np.zeros(least.size)
        return Rows(least.ravel(), zero, where, 0.0, 1e-4 * slack.ravel())

    def term_aiming(self) -> Rows:
        """⟨∇f_i, x − p⟩ against f_i(x) − f_i(p), which may be negative and bounds θ from below."""
        import numpy as np

        inner = np.einsum("kid,kd->ki", self.gradients, self.x - self.p)
        right = self.values - self.problem.values(self.p)
        where = np.stack([a.ravel() for a in np.indices(inner.shape)], axis=1)
        noise = 1e-14 * float(np.abs(right).max(initial=1e-300))
        slack = 1e-4 * np.abs(self.values).ravel()
        return Rows(inner.ravel(), right.ravel(), where, noise, slack)

    def alpha_beta(self, delta: float) -> Rows:
        """g − δb ≥ (−α)·c for all points and terms."""
        import numpy as np

        inner = np.einsum("kid,kd->ki", self.gradients, self.x - self.p)
        b = self.values - self.problem.lower
        c = np.maximum(self.problem.values(self.p) - self.problem.lower, 0)
        where = np.stack([a.ravel() for a in np.indices(inner.shape)], axis=1)
        slack = 1e-4 * (np.abs(self.values) + np.abs(self.problem.lower)).ravel()
        left = (inner - delta * b).ravel()
        noise = 1e-15 * float(np.abs(self.values).max(initial=0.0))
        return Rows(left, c.ravel(), where, noise, slack)
