"""Linear systems, twice: unrolled into a graph with a fixed pivot order, or dense with pivoting.

The unrolled factorization touches only entries that are not structurally zero.  Its order is
chosen once, for a random sample of the entries; lanes where a fixed pivot happens to be bad are
recomputed by `solve_dense`, which pivots in every lane for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from detvar.errors import InputError
from detvar.homotopy.expression import Graph
from detvar.homotopy.tape import ComplexArray

Solver = Callable[[Sequence[int]], list[int]]
_THRESHOLD = 0.05  # a pivot must reach this share of the largest candidate


def unroll_solver(
    graph: Graph,
    entries: Mapping[tuple[int, int], int],
    size: int,
    sample: Mapping[tuple[int, int], complex],
    symmetric: bool,
) -> Solver:
    """Factor a sparse matrix of nodes and return the function b ↦ A⁻¹b on nodes.

    Parameters
    ----------
    graph : Graph
    entries : dict (i, j) → node, structurally non-zero entries only
    size : int
    sample : dict (i, j) → complex, values of the same entries at a random point
    symmetric : bool
        Use LDLᵀ with diagonal pivots where the sample allows it, LU otherwise.

    Raises
    ------
    InputError
        If the sample is singular.
    """
    if symmetric:
        order = _diagonal_order(sample, size)
        if order is not None:
            return _ldl(graph, entries, order)
    return _lu(graph, entries, _pivot_order(sample, size))


def _diagonal_order(sample: Mapping[tuple[int, int], complex], size: int) -> list[int] | None:
    """Minimum-degree order of diagonal pivots, None where a diagonal pivot is too small."""
    a = dict(sample)
    left = set(range(size))
    order = []
    while left:
        best = None
        for k in left:
            row = [j for j in left if j != k and (k, j) in a]
            big = max((abs(a[k, j]) for j in row), default=0.0)
            d = abs(a.get((k, k), 0.0))
            if d > 1e-12 and d >= _THRESHOLD * big:
                key = (len(row), k)
                if best is None or key < best[0]:
                    best = (key, k, row)
        if best is None:
            return None
        _, k, row = best
        for i in row:
            for j in row:
                a[i, j] = a.get((i, j), 0.0) - a[i, k] * a[k, j] / a[k, k]
        left.remove(k)
        order.append(k)
    return order


def _pivot_order(sample: Mapping[tuple[int, int], complex], size: int) -> list[tuple[int, int]]:
    """Markowitz order of (row, column) pivots with a threshold on the size of the pivot."""
    a = dict(sample)
    rows, cols = set(range(size)), set(range(size))
    order = []
    while rows:
        in_row = {i: [j for j in cols if (i, j) in a] for i in rows}
        in_col = {j: [i for i in rows if (i, j) in a] for j in cols}
        best = None
        for j in cols:
            big = max((abs(a[i, j]) for i in in_col[j]), default=0.0)
            for i in in_col[j]:
                if abs(a[i, j]) > 1e-12 and abs(a[i, j]) >= _THRESHOLD * big:
                    key = ((len(in_row[i]) - 1) * (len(in_col[j]) - 1), i, j)
                    if best is None or key < best:
                        best = key
        if best is None:
            raise InputError(
                "the Jacobian of the system is singular at a random point: remove redundant "
                "equations, or fix the scaling of the variables"
            )
        _, r, c = best
        for i in in_col[c]:
            if i != r:
                for j in in_row[r]:
                    if j != c:
                        a[i, j] = a.get((i, j), 0.0) - a[i, c] * a[r, j] / a[r, c]
        rows.remove(r)
        cols.remove(c)
        order.append((r, c))
    return order


def _ldl(graph: Graph, entries: Mapping[tuple[int, int], int], order: Sequence[int]) -> Solver:
    position = {k: p for p, k in enumerate(order)}
    a = {
        (i, j): n for (i, j), n in entries.items() if position[i] >= position[j]
    }  # the lower triangle in pivot order
    inverse: dict[int, int] = {}
    factor: dict[int, list[tuple[int, int]]] = {}
    for p, k in enumerate(order):
        below = [i for i in order[p + 1 :] if (i, k) in a]
        inverse[k] = graph.div(graph.one, a[k, k])
        factor[k] = [(i, graph.mul(a[i, k], inverse[k])) for i in below]
        for q, (i, l_ik) in enumerate(factor[k]):
            for j in below[: q + 1]:
                update = graph.mul(l_ik, a[j, k])
                a[i, j] = graph.sub(a.get((i, j), graph.zero), update)

    def solve(b: Sequence[int]) -> list[int]:
        x = list(b)
        for k in order:
            for i, l_ik in factor[k]:
                x[i] = graph.sub(x[i], graph.mul(l_ik, x[k]))
        for k in reversed(order):
            x[k] = graph.mul(x[k], inverse[k])
            for i, l_ik in factor[k]:
                x[k] = graph.sub(x[k], graph.mul(l_ik, x[i]))
        return x

    return solve


def _lu(
    graph: Graph, entries: Mapping[tuple[int, int], int], order: Sequence[tuple[int, int]]
) -> Solver:
    a = dict(entries)
    steps = []
    for p, (r, c) in enumerate(order):
        rest = order[p + 1 :]
        inverse = graph.div(graph.one, a[r, c])
        across = [j for _, j in rest if (r, j) in a]
        down = [(i, graph.mul(a[i, c], inverse)) for i, _ in rest if (i, c) in a]
        for i, l_i in down:
            for j in across:
                a[i, j] = graph.sub(a.get((i, j), graph.zero), graph.mul(l_i, a[r, j]))
        steps.append((r, c, inverse, [(j, a[r, j]) for j in across], down))

    def solve(b: Sequence[int]) -> list[int]:
        y = list(b)
        for r, _, _, _, down in steps:
            for i, l_i in down:
                y[i] = graph.sub(y[i], graph.mul(l_i, y[r]))
        x = [graph.zero] * len(y)
        for r, c, inverse, across, _ in reversed(steps):
            value = y[r]
            for j, a_rj in across:
                value = graph.sub(value, graph.mul(a_rj, x[j]))
            x[c] = graph.mul(value, inverse)
        return x

    return solve


def solve_dense(a: ComplexArray, b: ComplexArray) -> ComplexArray:
    """Solve A x = b in every lane by Gaussian elimination with partial pivoting.

    Parameters
    ----------
    a : (N, N, P) complex
    b : (N, K, P) complex

    Returns
    -------
    (N, K, P) complex; not finite in lanes where A is exactly singular.

    Examples
    --------
    >>> A = np.array([[0, 2], [1, 1]], dtype=complex)[:, :, None]
    >>> solve_dense(A, np.array([[2], [3]], dtype=complex)[:, :, None])[:, 0, 0].real.tolist()
    [2.0, 1.0]
    """
    n, _, lanes = a.shape
    m = np.concatenate([a, b], axis=1)
    here = np.arange(lanes)
    with np.errstate(all="ignore"):
        for k in range(n):
            pivot = k + np.argmax(np.abs(m[k:, k]), axis=0)
            chosen = m[pivot, :, here].T  # advanced indexing puts the lanes first
            m[pivot, :, here] = m[k].T
            m[k] = chosen / chosen[k]
            for i in range(n):
                if i != k:
                    m[i, k:] -= m[i, k] * m[k, k:]
    out: ComplexArray = m[:, n:]
    return out
