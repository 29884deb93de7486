r"""How far any float weights are from a global minimum of ½‖W_h⋯W_1X − Y‖²: a proved interval.

The weights need not be critical, nor close to a critical point.  With G = (WX − Y)Xᵀ,
Σ = XXᵀ and λ_q the eigenvalues of the explained part M of YYᵀ,

  L(W) − min = ½ tr GΣ⁻¹Gᵀ − ½ Σ_{q>r} λ_q,

in which nothing cancels when the second sum is 0: on a filling network the gap of a well trained
point is known to the square of the rounding errors.  (Proof: with W₀ = YXᵀΣ⁻¹ the loss is
c₀ + ½‖(W − W₀)Σ^½‖², G = (W − W₀)Σ, and the minimum is c₀ + ½Σ_{q>r}λ_q.)  The difference of
the two enclosed values is taken as well; both intervals hold, and so does their intersection.

For layers with biases the inputs are (x, 1); see `detvar.optimality.affine` for the least value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.latex import displayed
from detvar.optimality.affine import Reachable, centred, reachable_by
from detvar.optimality.arrays import unrounded
from detvar.optimality.minimal_value import (
    Projection,
    Samples,
    eigenvalue_sums,
    minimum_from,
    project,
)
from detvar.optimality.moments import Moments
from detvar.optimality.reading import FloatWeights, read_weights
from detvar.optimality.rounding import (
    Enclosed,
    Interval,
    from_float,
    interval_sum,
    product,
    shift_interval,
    up,
)
from detvar.optimality.samples import prepare, rescaled
from detvar.optimality.words import membership, rounded


@dataclass(frozen=True)
class Gap:
    """The value of weights above the least value that their network can reach.

    Attributes
    ----------
    value, minimum, gap : (low, high)
        ½‖WX − Y‖², its least value over rank ≤ r, and their difference, low ≥ 0.
    loss_at_zero : (low, high)
        ½‖Y‖².
    relative : (low, high) or None
        The gap divided by the loss at zero; None where that may be 0.
    rank_bound : int
        r, the least width.
    resolved : bool
        Whether the inputs are provably far enough from a lower rank; without this the lower end
        of `minimum` leaves room for whatever the doubtful directions could explain.

    Examples
    --------
    >>> import numpy as np
    >>> g = gap([np.array([[1.0, 0.0]]), np.array([[2.0], [0.0]])], np.eye(2), np.diag([2.0, 1.0]))
    >>> g.gap[0] == 0 and g.gap[1] < 1e-14, g.minimum[0] <= 0.5 <= g.minimum[1]
    (True, True)
    """

    value: Interval
    minimum: Interval
    gap: Interval
    loss_at_zero: Interval
    relative: Interval | None
    rank_bound: int
    resolved: bool

    def __str__(self) -> str:
        low, high = rounded(self.gap)
        words = f"loss above the least value by at least {low} and at most {high}"
        if self.relative is not None:
            low, high = rounded(self.relative, 3)
            words += f" ({low} to {high} of the loss at zero)"
        if not self.resolved:
            words += "; the inputs are too close to a lower rank for a narrow answer"
        return words

    def to_latex(self) -> str:
        """Return the gap, and the gap divided by the loss at zero, as math."""
        gap = r"L(\theta) - \min L"
        lines = [membership(gap, self.gap)]
        if self.relative is not None:
            lines.append(membership(rf"\frac{{{gap}}}{{L(0)}}", self.relative))
        return r",\quad ".join(lines)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the intervals as pairs of hexadecimal floats."""
        out: dict[str, Any] = {
            name: [x.hex() for x in getattr(self, name)]
            for name in ("value", "minimum", "gap", "loss_at_zero")
        }
        relative = self.relative
        out["relative"] = None if relative is None else [x.hex() for x in relative]
        return out | {"rank_bound": self.rank_bound, "resolved": self.resolved}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Gap:
        """Return the gap that `to_json` wrote, without loss."""

        def interval(name: str) -> Interval:
            low, high = data[name]
            return float.fromhex(low), float.fromhex(high)

        value, minimum, distance, at_zero = map(
            interval, ("value", "minimum", "gap", "loss_at_zero")
        )
        relative = None if data["relative"] is None else interval("relative")
        rank, resolved = data["rank_bound"], data["resolved"]
        return cls(value, minimum, distance, at_zero, relative, rank, resolved)


def gap(weights: Any, x: Any, y: Any = None) -> Gap:
    """Enclose L(θ) − min L for the squared loss and any float weights.

    Parameters
    ----------
    weights : list of arrays, or anything that `read_weights` takes
        W_1, …, W_h, the first layer first; float32 is taken exactly. Torch modules and files may
        have biases.
    x : array samples×n, or Moments; without a column of ones
    y : array samples×m, absent with Moments

    Raises
    ------
    ShapeError
        For layers that do not fit together or do not fit the data.
    InputError
        For NaN and infinities.
    NotExactError
        For integers and long floats that float64 would round.

    **Cost**: three products of the data with n×n matrices, one eigendecomposition n×n and, for
    r < m, one m×m.  **Validity**: every end is proved for the floats taken as exact numbers;
    X and Y of any rank.

    Examples
    --------
    >>> import numpy as np
    >>> g = gap([np.zeros((1, 2)), np.zeros((2, 1))], np.eye(2), np.diag([2.0, 1.0]))
    >>> g.gap[0] <= 2 <= g.gap[1], g.relative[0] > 0.799
    (True, True)
    """
    layers, maps = _layers(weights)
    data = prepare(x if isinstance(x, Moments) else (x, y), constant=maps.bias)
    shape = layers[-1].shape[0], layers[0].shape[1]
    if shape != data.shape:
        raise ShapeError(
            f"the network has {shape[1] - maps.bias} inputs and {shape[0]} outputs, the data have "
            f"{data.shape[1] - maps.bias} and {data.shape[0]}: give data of the same widths"
        )
    return gap_of(layers, maps, data)[0]


def gap_of(
    layers: Sequence[Any], maps: Reachable, data: Moments | Samples
) -> tuple[Gap, Projection]:
    """Return the gap for checked layers and prepared data, and what was proved of the data."""
    scaled, b = rescaled(data, end_to_end(layers))
    measured = found = project(data, scaled)
    half = interval_sum([(0.5, found.yy)])
    if maps.free:
        found = centred(found, data)
    r = maps.rank
    sums = eigenvalue_sums(found.explained, r)
    minimum = minimum_from(found, r, sums)
    assert found.loss is not None
    # the eigenvalues beyond rk M ≤ min(m, rk X) are 0, where a free constant takes one dimension
    full = min(data.shape[0], data.rank_bound - maps.free)
    distance = _distance(found, minimum, None if r >= full else sums[1])
    power = 2 * b
    value, at_zero = shift_interval(found.loss, power), shift_interval(half, power)
    out = shift_interval(distance, power)
    whole = Gap(
        (max(value[0], 0.0), value[1]),
        shift_interval(minimum, power),
        out,
        (max(at_zero[0], 0.0), at_zero[1]),
        _quotient(distance, half),
        r,
        found.resolved,
    )
    return whole, measured


def _layers(weights: Any) -> tuple[Sequence[Any], Reachable]:
    """Return the matrices whose product is W, or [V c] for biases, and what they reach."""
    if not isinstance(weights, (list, tuple)):  # a module, a mapping, a path
        weights = read_weights(weights)
    if isinstance(weights, FloatWeights):
        return weights.arrays, reachable_by(weights)
    layers = checked_weights(weights)
    return layers, Reachable(min(min(w.shape) for w in layers), False, False)


def _distance(found: Projection, minimum: Interval, tail: Interval | None) -> Interval:
    """Enclose the gap; `tail` is the sum of the eigenvalues beyond r, None where they are 0."""
    assert found.loss is not None and found.slope is not None
    low, high = interval_sum([(1.0, found.loss), (-1.0, minimum)])
    rest = (0.0, 0.0)
    if tail is not None:
        rest = max(tail[0], 0.0), up(max(tail[1] + found.correction[1], 0.0))
    by_slope = interval_sum([(0.5, found.slope), (-0.5, rest)])
    low = max(low, by_slope[0], 0.0)
    if found.resolved:
        high = min(high, by_slope[1])
    return low, max(high, low)


def _quotient(x: Interval, y: Interval) -> Interval | None:
    if not y[0] > 0:
        return None
    low = math.nextafter(x[0] / y[1], 0.0) if x[0] > 0 else 0.0
    return low, math.nextafter(x[1] / y[0], math.inf)


def end_to_end(layers: Sequence[Any]) -> Enclosed:
    """Enclose W_h⋯W_1, multiplied from the side with fewer rows or columns."""
    if layers[-1].shape[0] <= layers[0].shape[1]:
        out = from_float(layers[-1])
        for w in reversed(layers[:-1]):
            out = product(out, from_float(w))
        return out
    out = from_float(layers[0])
    for w in layers[1:]:
        out = product(from_float(w), out)
    return out


def checked_weights(weights: Sequence[Any]) -> list[Any]:
    """Return the layers as float64 matrices that fit together, none of their entries rounded."""
    import numpy as np

    if not len(weights):
        raise InputError("there are no weights: give W_1, …, W_h, the first layer first")
    out: list[Any] = []
    for i, w in enumerate(weights, 1):
        a, _ = unrounded(w, f"W_{i}")
        if a.ndim != 2 or not a.size:
            raise ShapeError(f"W_{i} has shape {a.shape}: give a matrix with rows and columns")
        if not np.isfinite(a).all():
            raise InputError(f"W_{i} has entries that are NaN or infinite: give finite weights")
        if out and a.shape[1] != out[-1].shape[0]:
            raise ShapeError(
                f"W_{i} has {a.shape[1]} columns and W_{i - 1} has {out[-1].shape[0]} rows: "
                "give the layers in order, the first layer first"
            )
        out.append(a)
    return out
