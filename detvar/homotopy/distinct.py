"""Sets of numerical points: which of these were seen before?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detvar.homotopy.tape import ComplexArray


class PointSet:
    """Points in C^K that grow by batches; near-equal points get the same number.

    Two points are equal if they differ by less than `tolerance`, relative to the larger one in
    the maximum norm.  A random linear functional sorts the points, so that a batch of B costs
    O((B + size) log size) and full comparisons are made between neighbours only.

    Examples
    --------
    >>> points = PointSet(2)
    >>> points.add(np.array([[1, 2], [3, 4], [1, 2 + 1e-12]], dtype=complex)).tolist()
    [0, 1, 0]
    """

    def __init__(self, dimension: int, tolerance: float = 1e-6) -> None:
        rng = np.random.default_rng(20)
        self._functional = rng.uniform(0.5, 1.5, dimension) * np.exp(
            2j * np.pi * rng.random(dimension)
        )
        self._tolerance = tolerance
        self._points: ComplexArray = np.empty((0, dimension), dtype=np.complex128)
        self._keys: NDArray[np.float64] = np.empty(0)

    def __len__(self) -> int:
        return len(self._points)

    def add(self, batch: ComplexArray) -> NDArray[np.int64]:
        """Return the number of every point (B, K) of the batch, adding those not seen before."""
        known = len(self._points)
        everything = np.concatenate([self._points, batch])
        new_keys = (batch @ self._functional).real
        keys = np.concatenate([self._keys, new_keys])
        order = np.argsort(keys, kind="stable")
        scale = np.abs(everything).max(axis=1, initial=0.0)
        reach = self._tolerance * np.maximum(scale, 1e-300) * np.abs(self._functional).sum()
        number = np.arange(len(everything))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        todo = np.arange(known, len(everything))
        for direction in (-1, 1):
            active = todo
            at = place[active]
            while active.size:
                at = at + direction
                inside = (at >= 0) & (at < len(order))
                active, at = active[inside], at[inside]
                other = order[at]
                near = np.abs(keys[other] - keys[active]) <= reach[active]
                active, at, other = active[near], at[near], other[near]
                gap = np.abs(everything[other] - everything[active]).max(axis=1, initial=0.0)
                same = gap <= self._tolerance * np.maximum(scale[active], scale[other])
                number[active[same]] = np.minimum(number[active[same]], number[other[same]])
        # follow chains: a new point may equal a new point that equals an old one
        while (number != number[number]).any():
            number = number[number]
        fresh = todo[number[todo] == todo]
        rank = np.full(len(everything), -1, dtype=np.int64)
        rank[:known] = np.arange(known)
        rank[fresh] = known + np.arange(fresh.size)
        keep = np.concatenate([np.arange(known), fresh])
        self._points, self._keys = everything[keep], keys[keep]
        return np.asarray(rank[number[todo]])
