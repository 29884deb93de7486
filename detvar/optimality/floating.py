r"""½‖W_h⋯W_1X − Y‖² and its derivatives at float weights, in float64 with proved errors.

With R = W̄X − Y and G = RXᵀ the value is ½‖R‖², ∂L/∂W_i = W_{>i}ᵀ G W_{<i}ᵀ, and for a move to
W̄ + D the loss changes by ⟨G, D⟩ + ½‖DX‖².  Of D = W̄′ − W̄ nothing is lost to cancellation when
it is summed as Σ W_{>i}(W′_i − W_i)W′_{<i}; the same sums give D and E of the expansion
W̄(θ + tV) = W̄ + tD + t²E + …, and d²L = ‖DX‖² + 2⟨G, E⟩.

Every layer is divided by a power of two of its own, exactly, and so are data and outputs: weights
and data of 10^±100 are no worse than those of size 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from detvar.errors import InputError
from detvar.optimality.minimal_value import Samples, prepare
from detvar.optimality.moments import CHUNK, Moments
from detvar.optimality.rounding import (
    Array,
    Enclosed,
    Interval,
    add,
    frobenius_squared,
    inner,
    interval_sum,
    product,
    shift,
    shift_interval,
    subtract,
    transpose,
)

Chain = tuple[Enclosed, ...]


@dataclass(frozen=True, eq=False)
class FloatMeasured:
    """The squared loss of data, and enclosures of L and its first two derivatives.

    Attributes
    ----------
    data : Moments or Samples as `prepare` returns them, or (x, y), samples as rows
        With the column of ones where the weights are those of a network with biases.
    trained : boolean arrays, one for each layer, or None
        False at entries that stay as they are; derivatives are those along the others.

    Notes
    -----
    **Cost** of each method: two products of the data with an m×n matrix, one with `Moments`
    of an m×n with the n×n matrix, and products of the layers.
    **Validity**: proved for the floats taken as exact numbers; where a power of two over- or
    underflows the interval is wide, never wrong.

    Examples
    --------
    >>> import numpy as np
    >>> here = FloatMeasured((np.array([[1.0]]), np.array([[1.0]])))
    >>> half = (np.array([[0.5]]), np.array([[0.5]]))
    >>> low, high = here.value(half)
    >>> low <= 0.28125 <= high < low + 1e-14
    True
    >>> low, high = here.curvature(half, (np.array([[1.0]]), np.array([[-1.0]])))
    >>> low <= 1.5 <= high < low + 1e-14
    True
    """

    data: Moments | Samples | tuple[Any, Any]
    trained: tuple[Any, ...] | None = None

    @cached_property
    def prepared(self) -> Moments | Samples:
        """The data, divided by powers of two."""
        return self.data if isinstance(self.data, (Moments, Samples)) else prepare(self.data)

    def value(self, arrays: Sequence[Array]) -> Interval:
        """Enclose L(θ)."""
        frame = self._frame(arrays)
        half, _ = _residual(self.prepared, frame, frame.end_to_end(frame.chain(arrays)))
        return shift_interval(half, 2 * frame.unit)

    def difference(self, before: Sequence[Array], after: Sequence[Array]) -> Interval:
        """Enclose L(after) − L(before), sharply also for weights that are close together."""
        frame = self._frame(before, after)
        old, new = frame.chain(before), frame.chain(after)
        d = frame.whole(_telescoped(old, new))
        _, slope = _residual(self.prepared, frame, frame.end_to_end(old))
        change = interval_sum([(1.0, inner(slope, d)), (0.5, _size(self.prepared, d))])
        return shift_interval(change, 2 * frame.unit)

    def partials(self, arrays: Sequence[Array]) -> tuple[Array, ...]:
        """Return all ∂L/∂W_i in floats, 0 at entries that are not trained."""
        import numpy as np

        with np.errstate(all="ignore"):
            return tuple(np.ldexp(p.mid, e) for p, e in self._partials(arrays))

    def gradient_norm(self, arrays: Sequence[Array]) -> Interval:
        """Enclose ‖∇L(θ)‖ over the trained entries."""
        parts = [(frobenius_squared(p), e) for p, e in self._partials(arrays)]
        top = max(e + math.frexp(high)[1] // 2 for (_, high), e in parts)
        low, high = interval_sum((1.0, shift_interval(s, 2 * (e - top))) for s, e in parts)
        root = (
            math.nextafter(math.sqrt(max(low, 0.0)), 0.0),
            math.nextafter(math.sqrt(high), math.inf),
        )
        return shift_interval(root, top)

    def curvature(self, arrays: Sequence[Array], direction: Sequence[Array]) -> Interval:
        """Enclose d²L(θ + tV)/dt² at t = 0.

        Raises
        ------
        InputError
            If V moves an entry that is not trained.
        """
        if self.trained is not None:
            for i, (v, mask) in enumerate(zip(direction, self.trained, strict=True), 1):
                if v[~mask].any():
                    raise InputError(f"the direction moves an entry of W_{i} that is fixed")
        frame = self._frame(arrays, direction)
        theta = frame.chain(arrays)
        first, second = _taylor(theta, frame.chain(direction))
        _, slope = _residual(self.prepared, frame, frame.end_to_end(theta))
        bent = interval_sum(
            [
                (1.0, _size(self.prepared, frame.whole(first))),
                (2.0, inner(slope, frame.whole(second))),
            ]
        )
        return shift_interval(bent, 2 * frame.unit)

    def _frame(self, *points: Sequence[Array]) -> Frame:
        data = self.prepared
        columns: Any = data.columns if isinstance(data, Samples) else data.powers[0]
        output = data.output if isinstance(data, Samples) else data.powers[1]
        return frame_of(points, columns, output)

    def _partials(self, arrays: Sequence[Array]) -> list[tuple[Enclosed, int]]:
        """Return pairs (P, e) with ∂L/∂W_i = 2^e P."""
        import numpy as np

        frame = self._frame(arrays)
        theta = frame.chain(arrays)
        _, g = _residual(self.prepared, frame, frame.end_to_end(theta))
        total = frame.unit + sum(frame.powers)
        # what is left and right of a layer, multiplied from the short side
        lefts = [g]
        for w in reversed(theta[1:]):
            lefts.append(product(transpose(w), lefts[-1]))
        lefts.reverse()  # lefts[i] is W_{>i}ᵀ G
        out = []
        for i, left in enumerate(lefts):
            e = total - frame.powers[i]
            part = left
            if i == 0:
                columns = np.broadcast_to(np.asarray(frame.columns), (part.mid.shape[1],))
                largest = int(columns.max(initial=0))
                part, e = shift(part, columns - largest), e + largest
            else:
                below = theta[:i]
                for w in below:
                    part = product(part, transpose(w))
            if self.trained is not None:
                part = Enclosed(part.mid * self.trained[i], part.rad)
            out.append((part, e))
        return out


@dataclass(frozen=True, eq=False)
class Frame:
    """Powers of two in which points of the weight space have layers of size about 1.

    Attributes
    ----------
    powers : W_i = 2^{p_i} Ŵ_i, for the first layer W_1 diag(2^c) = 2^{p_1} Ŵ_1
    columns : c, the powers of the inputs
    drop : the outputs of the divided data are divided by 2^drop once more
    unit : residuals are 2^unit times those of the frame
    """

    powers: tuple[int, ...]
    columns: Any
    drop: int
    unit: int

    def chain(self, arrays: Sequence[Array]) -> Chain:
        """Return Ŵ_1, …, Ŵ_h."""
        first = shift(Enclosed(arrays[0]), self.columns - self.powers[0])
        rest = zip(arrays[1:], self.powers[1:], strict=True)
        return (first, *(shift(Enclosed(w), -p) for w, p in rest))

    def whole(self, w: Enclosed) -> Enclosed:
        """Return a product of one matrix for each layer in the units of the outputs."""
        return shift(w, sum(self.powers) - self.unit)

    def end_to_end(self, theta: Chain) -> Enclosed:
        """Enclose W̄, multiplied from the side with fewer rows or columns."""
        layers, turned = _short_side(theta)
        out = layers[0]
        for w in layers[1:]:
            out = product(out, w)
        return self.whole(transpose(out) if turned else out)


def frame_of(points: Sequence[Sequence[Array]], columns: Any, output: int) -> Frame:
    """Return the frame of some points, for inputs divided by 2^columns and outputs by 2^output."""
    import numpy as np

    powers = []
    for i, parts in enumerate(zip(*points, strict=True)):
        sizes = np.max([np.abs(w).max(axis=0) for w in parts], axis=0)
        exponents = np.frexp(sizes)[1].astype(np.int64) + (columns if i == 0 else 0)
        powers.append(int(exponents[sizes > 0].max()) if sizes.any() else 0)
    drop = max(sum(powers) - output, 0)
    return Frame(tuple(powers), columns, drop, output + drop)


def _short_side(theta: Chain) -> tuple[list[Enclosed], bool]:
    """Return the factors of W̄, or of its transpose, from the side of fewer numbers."""
    if theta[-1].mid.shape[0] <= theta[0].mid.shape[1]:
        return list(reversed(theta)), False
    return [transpose(w) for w in theta], True


def _telescoped(old: Chain, new: Chain) -> Enclosed:
    """Enclose W̄′ − W̄ as a sum of products with one factor W′_i − W_i."""
    first, turned = _short_side(old)
    second, _ = _short_side(new)
    before, d = first[0], subtract(second[0], first[0])
    for a, b in zip(first[1:], second[1:], strict=True):
        d = add(product(d, b), product(before, subtract(b, a)))
        before = product(before, a)
    return transpose(d) if turned else d


def _taylor(theta: Chain, direction: Chain) -> tuple[Enclosed, Enclosed]:
    """Return D and E with W̄(θ + tV) = W̄ + tD + t²E + O(t³)."""
    import numpy as np

    layers, turned = _short_side(theta)
    moves, _ = _short_side(direction)
    p, d = layers[0], moves[0]
    e = Enclosed(np.zeros_like(p.mid))
    for w, v in zip(layers[1:], moves[1:], strict=True):
        p, d, e = (
            product(p, w),
            add(product(d, w), product(p, v)),
            add(product(e, w), product(d, v)),
        )
    return (transpose(d), transpose(e)) if turned else (d, e)


def _parts(data: Samples) -> Any:
    """Yield the samples in chunks, which bounds rounding by the length of a chunk."""
    chunk = max(CHUNK, max(data.shape) // 4)
    for start in range(0, len(data.x), chunk):
        yield (
            Enclosed(data.x[start : start + chunk], data.lost[0]),
            Enclosed(data.y[start : start + chunk], data.lost[1]),
        )


def _residual(data: Moments | Samples, frame: Frame, w: Enclosed) -> tuple[Interval, Enclosed]:
    """Enclose ½‖R‖² and G = RXᵀ in the units of the frame."""
    if isinstance(data, Moments):
        wxx, yx = product(w, data.xx), shift(data.yx, -frame.drop)
        yy = shift_interval(data.yy, -2 * frame.drop)
        low, high = interval_sum([(0.5, inner(wxx, w)), (-1.0, inner(w, yx)), (0.5, yy)])
        return (max(low, 0.0), high), subtract(wxx, yx)
    squares, slope = [], None
    wt = transpose(w)
    for x, y in _parts(data):
        miss = subtract(product(x, wt), shift(y, -frame.drop))
        squares.append(frobenius_squared(miss))
        part = product(transpose(miss), x)
        slope = part if slope is None else add(slope, part)
    assert slope is not None
    low, high = interval_sum((0.5, s) for s in squares)
    return (max(low, 0.0), high), slope


def _size(data: Moments | Samples, d: Enclosed) -> Interval:
    """Enclose ‖DX‖²."""
    if isinstance(data, Moments):
        low, high = inner(product(d, data.xx), d)
        return max(low, 0.0), high
    dt = transpose(d)
    low, high = interval_sum((1.0, frobenius_squared(product(x, dt))) for x, _ in _parts(data))
    return max(low, 0.0), high
