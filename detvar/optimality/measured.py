"""L(θ) = ℓ(W_h⋯W_1) at floating-point weights, enclosed: value, partial derivatives, curvature.

Floats are exact numbers.  Everything is computed in balls, so that each number comes with a proved
error bound; strict inequalities between the balls are theorems about the weights as given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from detvar.errors import InputError, ShapeError
from detvar.exact.balls import arb, arb_mat, working_precision
from detvar.exact.matrices import Matrix
from detvar.losses import AnalyticLoss, Loss, SquaredLoss, is_analytic
from detvar.networks.linear import LinearNetwork
from detvar.optimality.arrays import unrounded

Balls = tuple[arb_mat, ...]
PRECISION = 192


@contextmanager
def enough_bits() -> Iterator[None]:
    """Compute with balls so fine that the float eigenvectors limit every error."""
    with working_precision(PRECISION):
        yield


def check_arrays(network: LinearNetwork, weights: Any) -> tuple[Any, ...]:
    """Return the weights as float64 arrays, after a check of number, shapes and finiteness.

    Raises
    ------
    ShapeError, InputError
        If a layer is missing, has another shape, or contains NaN or an infinity.
    NotExactError
        If float64 would round an array: what is proved must hold for the weights as given.
    """
    import numpy as np

    if len(weights) != network.depth:
        raise ShapeError(
            f"weights has {len(weights)} matrices, but {network} has {network.depth} layers: "
            f"give W_1, …, W_{network.depth}"
        )
    out = []
    for i, w in enumerate(weights):
        # exact numbers in lists are meant to be rounded; arrays and tensors are taken as they are
        if isinstance(w, (list, tuple)):
            try:
                a = np.asarray(w, dtype=np.float64)
            except (TypeError, ValueError):
                raise InputError(
                    f"weights[{i}] is no matrix of floats: give rows of them"
                ) from None
        else:
            a = unrounded(w, f"weights[{i}]")[0]
        wanted = (network.widths[i + 1], network.widths[i])
        if a.shape != wanted:
            found = "×".join(map(str, a.shape))
            raise ShapeError(
                f"weights[{i}] (layer {i + 1} of {network}) is {found}: give a "
                f"{wanted[0]}×{wanted[1]} matrix"
            )
        if not np.isfinite(a).all():
            raise InputError(f"weights[{i}] has an entry that is NaN or infinite")
        out.append(a)
    return tuple(out)


def balls(a: Any) -> arb_mat:
    """Return a float array, or an exact matrix, as a matrix of balls."""
    return arb_mat(a) if isinstance(a, Matrix) else arb_mat(a.tolist())


def floats(a: arb_mat) -> Any:
    """Return the midpoints of a matrix of balls as a float array."""
    import numpy as np

    rows = [[float(x.mid()) for x in row] for row in a.tolist()]
    return np.array(rows, dtype=np.float64).reshape(a.nrows(), a.ncols())


def unit_matrix(n: int) -> arb_mat:
    """Return the identity."""
    return arb_mat([[int(i == j) for j in range(n)] for i in range(n)])


def root(x: arb) -> arb:
    """Return a ball around the square roots of the numbers ≥ 0 in a ball around such a number.

    >>> root(arb(0, 1)).contains(1), root(arb(4)) == 2
    (True, True)
    """
    low, high = x.lower(), x.upper()
    if not x.is_finite() or high < 0:
        return arb.nan()
    return low.sqrt().union(high.sqrt()) if low > 0 else arb(0).union(high.sqrt())


def norm(a: arb_mat) -> arb:
    """Return the Frobenius norm."""
    return root(norm_squared(a))


def norm_squared(a: arb_mat) -> arb:
    """Return the squared Frobenius norm, never negative."""
    total = sum((x * x for x in a.entries()), arb(0))
    return total.nonnegative_part()


def inner(a: arb_mat, b: arb_mat) -> arb:
    """Return tr(aᵀb)."""
    return sum((x * y for x, y in zip(a.entries(), b.entries(), strict=True)), arb(0))


def upper_float(x: arb) -> float:
    """Return a float that is proved to be at least every number of a ball."""
    from math import inf

    return float(x.upper()) * (1.0 + 2.0**-50) + 1e-300 if x.is_finite() else inf


def low_high(x: arb) -> tuple[float, float]:
    """Return floats below and above a ball: the interval that is reported."""
    from math import inf, nextafter

    if not x.is_finite():
        return -inf, inf
    return nextafter(float(x.lower()), -inf), nextafter(float(x.upper()), inf)


@dataclass(frozen=True)
class Measured:
    """A network, a loss, and enclosures of L and its first two derivatives.

    Examples
    --------
    >>> import numpy as np
    >>> net, loss = LinearNetwork(1, 1, 1), SquaredLoss([[1]], [[1]])
    >>> here = Measured(net, loss)
    >>> theta = tuple(balls(np.array([[x]])) for x in (0.5, 0.5))
    >>> low_high(here.value(theta))[0] < 0.28125 < low_high(here.value(theta))[1]
    True
    """

    network: LinearNetwork
    loss: Loss

    @cached_property
    def moments(self) -> tuple[arb_mat, arb_mat, arb]:
        """(XXᵀ, YXᵀ, ½‖Y‖²) of a squared loss: what is lost to cancellation is far below floats."""
        assert isinstance(self.loss, SquaredLoss)
        x, y = balls(self.loss.X), balls(self.loss.Y)
        return x * x.transpose(), y * x.transpose(), norm_squared(y) / 2

    def value(self, weights: Balls) -> arb:
        """Return L(θ)."""
        w = product(weights)
        if is_analytic(self.loss):
            value: arb = cast(AnalyticLoss, self.loss).value_ball(w)
            return value
        if isinstance(self.loss, SquaredLoss):
            gram, cross, half = self.moments
            return (inner(w * gram, w) / 2 - inner(cross, w) + half).nonnegative_part()
        polynomial: arb = arb(0) + self.loss.evaluate(w.tolist())
        return polynomial

    def slope(self, w: arb_mat) -> arb_mat:
        """Return ∇ℓ(W)."""
        if is_analytic(self.loss):
            return cast(AnalyticLoss, self.loss).gradient_ball(w)
        if isinstance(self.loss, SquaredLoss):
            gram, cross, _ = self.moments
            return w * gram - cross
        return arb_mat(self.loss.evaluate_gradient(w.tolist()))

    def partials(self, weights: Balls) -> list[arb_mat]:
        """Return ∂L/∂W_i = W_{>i}ᵀ ∇ℓ(W̄) W_{<i}ᵀ for all i."""
        above, below = outer_products(weights)
        g = self.slope(product(weights))
        return [a.transpose() * g * b.transpose() for a, b in zip(above, below, strict=True)]

    def gradient_norm(self, weights: Balls) -> arb:
        """Return ‖∇L(θ)‖."""
        return root(sum((norm_squared(p) for p in self.partials(weights)), arb(0)))

    def curvature(self, weights: Balls, direction: Balls) -> arb:
        """Return d²L(θ + tV)/dt² at t = 0: ∇²ℓ[D, D] + 2⟨G, E⟩, where W̄(θ + tV) = W̄ + tD + t²E
        up to t³."""
        w, first, second = taylor(weights, direction)
        bent = self._second(w, first)
        return bent + 2 * inner(self.slope(w), second)

    def _second(self, w: arb_mat, d: arb_mat) -> arb:
        if is_analytic(self.loss):
            h = cast(AnalyticLoss, self.loss).hessian_ball(w)
            column = arb_mat(len(d.entries()), 1, d.entries())
            return (column.transpose() * h * column)[0, 0]
        if isinstance(self.loss, SquaredLoss):
            return inner(d * self.moments[0], d).nonnegative_part()
        if self.loss.degree == 2 or self.loss.kronecker() is not None:
            return inner(self.slope(w + d) - self.slope(w), d)
        return _taylor_second(self.loss, w, d)


def _taylor_second(loss: Loss, w: arb_mat, d: arb_mat) -> arb:
    """Return the second derivative at 0 of the polynomial p(t) = ℓ(W + tD), by interpolation."""
    k = max(loss.degree, 2)
    nodes = list(range(k + 1))
    values = arb_mat([[arb(0) + loss.evaluate((w + d * arb(t)).tolist())] for t in nodes])
    powers = arb_mat([[arb(t) ** j if j else arb(1) for j in range(k + 1)] for t in nodes])
    return 2 * powers.solve(values)[2, 0]


def product(weights: Sequence[arb_mat]) -> arb_mat:
    """Return W_h⋯W_1."""
    out = weights[0]
    for w in weights[1:]:
        out = w * out
    return out


def outer_products(weights: Balls) -> tuple[list[arb_mat], list[arb_mat]]:
    """Return ([W_{>1}, …, W_{>h}], [W_{<1}, …, W_{<h}])."""
    above, below = [unit_matrix(weights[-1].nrows())], [unit_matrix(weights[0].ncols())]
    for w in reversed(weights[1:]):
        above.append(above[-1] * w)
    for w in weights[:-1]:
        below.append(w * below[-1])
    return above[::-1], below


def taylor(weights: Balls, direction: Balls) -> tuple[arb_mat, arb_mat, arb_mat]:
    """Return W̄, D and E with (W_h + tV_h)⋯(W_1 + tV_1) = W̄ + tD + t²E + O(t³)."""
    n = weights[0].ncols()
    zero = arb_mat(n, n)
    p, d, e = unit_matrix(n), zero, zero
    for w, v in zip(weights, direction, strict=True):
        p, d, e = w * p, w * d + v * p, w * e + v * d
    return p, d, e
