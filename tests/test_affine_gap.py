"""The least loss of chains with biases, against searches from random starts and exact values."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest

import detvar as dv
from detvar.errors import ShapeError
from detvar.exact.balls import exact_float
from detvar.exact.matrices import Matrix, matrix
from detvar.optimality.affine import reachable
from detvar.optimality.assessment import assess
from detvar.optimality.gap import gap
from detvar.optimality.moments import moments
from detvar.optimality.reading import FloatWeights, read_weights

PLACEMENTS = [p for h in (1, 2, 3) for p in product([False, True], repeat=h) if any(p)]


def problem(placement: tuple[bool, ...], seed: int) -> tuple[FloatWeights, Any, Any]:
    """Random weights and integer data; every third input matrix has a lower rank."""
    rng = np.random.default_rng([seed, *placement])
    widths = rng.integers(1, 4, len(placement) + 1)
    n, m = int(widths[0]), int(widths[-1])
    x = rng.integers(-3, 4, (7, n)).astype(float)
    if seed % 3 == 1:
        x[:, -1] = 2 - x[:, 0] if n > 1 else 1.0  # dependent only through the constant
    if seed % 3 == 2:
        x = x[: max(1, n)]
    y = x @ rng.integers(-2, 3, (n, m)) + rng.integers(-4, 5, (len(x), m))
    return weights(rng, widths, placement), x, y


def weights(rng: Any, widths: Any, placement: tuple[bool, ...]) -> FloatWeights:
    tensors = {}
    for i, ((a, b), biased) in enumerate(zip(pairwise(widths), placement, strict=True)):
        tensors[f"{i}.weight"] = rng.normal(size=(b, a))
        if biased:
            tensors[f"{i}.bias"] = rng.normal(size=b)
    return read_weights(tensors)


def residuals(theta: list[Any], x: Any, y: Any) -> tuple[Any, list[Any]]:
    """Return the outputs minus Y, and the inputs (z, 1) of each layer."""
    z, seen = x, []
    for w in theta:
        seen.append(np.column_stack([z, np.ones(len(z))]))
        z = seen[-1] @ w.T
    return z - y, seen


def search(given: FloatWeights, x: Any, y: Any, rng: Any, goal: float) -> float:
    """The least loss that Levenberg and Marquardt's method finds from random starts."""
    best = np.inf
    masks = [
        np.column_stack([np.ones(w.shape, bool), np.full(len(w), b is not None)])
        for w, b in zip(given.matrices, given.offsets, strict=True)
    ]
    free = np.concatenate([mask.ravel() for mask in masks])
    for _ in range(40):
        theta = [rng.normal(size=mask.shape) * mask for mask in masks]
        miss, seen = residuals(theta, x, y)
        value, damping = (miss**2).sum() / 2, 1.0
        for _ in range(400):
            blocks, back = [], np.eye(y.shape[1])
            for w, z in zip(reversed(theta), reversed(seen), strict=True):
                # d(outputs) = back · dW · (z, 1)
                block = np.einsum("oa,sb->soab", back, z)
                blocks.append(block.reshape(miss.size, -1))
                back = back @ w[:, :-1]
            jacobian = np.hstack(blocks[::-1])[:, free]
            step = np.zeros(len(free))
            normal = jacobian.T @ jacobian + damping * np.eye(jacobian.shape[1])
            step[free] = np.linalg.solve(normal, -jacobian.T @ miss.ravel())
            ends = np.cumsum([mask.size for mask in masks])[:-1]
            parts = np.split(step, ends)
            new = [w + p.reshape(w.shape) for w, p in zip(theta, parts, strict=True)]
            found, inputs = residuals(new, x, y)
            if (found**2).sum() / 2 < value:
                gain = value - (found**2).sum() / 2
                theta, miss, seen, value = new, found, inputs, value - gain
                damping = max(damping / 4, 1e-10)
                if value < goal or gain < 1e-13 * (1 + value):
                    break
            else:
                damping *= 3
                if damping > 1e12:
                    break
        best = min(best, value)
        if best < goal:
            break
    return best


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("seed", range(6))
def test_searches_reach_the_certified_minimum_and_never_pass_it(
    placement: tuple[bool, ...], seed: int
) -> None:
    given, x, y = problem(placement, seed)
    low, high = gap(given, x, y).minimum
    assert high - low < 1e-9 * (1 + high)
    best = search(given, x, y, np.random.default_rng(seed), high + 1e-7 * (1 + high))
    assert best > low - 1e-12 * (1 + high)
    assert best < high + 1e-6 * (1 + high)


def exact(a: Any) -> Matrix:
    return matrix([[exact_float(v) for v in row] for row in np.asarray(a).tolist()])


def exact_minimum(given: FloatWeights, x: Any, y: Any) -> Any:
    """The least value of the centred problem, or of that with the inputs (x, 1), exactly."""
    maps = reachable(given.widths, [b is not None for b in given.offsets])
    xs, ys = exact(x.T), exact(y.T)
    ones = matrix([[1] * len(x)])
    if maps.free:
        mean = ones.transpose() * ones / len(x)
        xs, ys = xs - xs * mean, ys - ys * mean
    else:
        xs = matrix([*xs.tolist(), *ones.tolist()])
    if not any((ys * xs.transpose()).entries()):
        return sum((t * t for t in ys.entries()), exact_float(0.0)) / 2
    network = dv.LinearNetwork(xs.nrows(), maps.rank, ys.nrows())
    return dv.critical_points(network, dv.SquaredLoss(xs, ys)).minima[0].value


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("route", ["arrays", "moments"])
def test_the_intervals_hold_the_exact_values(placement: tuple[bool, ...], route: str) -> None:
    for seed in range(6, 12):
        given, x, y = problem(placement, seed)
        if route == "moments":
            found = gap(given, moments([(x[:2], y[:2]), (x[2:], y[2:])]))
        else:
            found = gap(given, x, y)
        maps = exact(given.arrays[0])
        for w in given.arrays[1:]:
            maps = exact(w) * maps
        miss = maps * exact(np.column_stack([x, np.ones(len(x))]).T) - exact(y.T)
        value = sum((t * t for t in miss.entries()), exact_float(0.0)) / 2
        least = exact_minimum(given, x, y)
        low, high = map(exact_float, found.value)
        assert low <= value <= high
        low, high = map(exact_float, found.minimum)
        assert low <= least and least <= high
        low, high = map(exact_float, found.gap)
        assert low + least <= value and value <= high + least
        size = max(found.value[1], found.loss_at_zero[1])
        assert found.resolved or route == "moments"  # where arrays show dependent inputs exactly
        assert found.gap[1] - found.gap[0] < 1e-9 * size or not found.resolved


def test_both_cases_of_the_theorem_differ() -> None:
    """One hidden unit with a bias only before it: [V c] has rank 1, and no constant is free."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2)) + [5.0, -1.0]
    y += x @ rng.normal(size=(2, 2))
    boxes = {}
    for placement in ((True, False), (False, True), (True, True)):
        given = weights(rng, (2, 1, 2), placement)
        boxes[placement] = gap(given, x, y).minimum
    assert boxes[False, True] == boxes[True, True]
    assert boxes[True, False][0] > boxes[False, True][1] + 1


def test_a_trained_chain_is_at_its_minimum() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(600, 8)) + 3.0, rng.normal(size=(600, 5)) - 2.0
    best = np.linalg.lstsq(np.column_stack([x, np.ones(600)]), y, rcond=None)[0].T
    given = read_weights(
        {"0.weight": np.eye(8), "1.weight": best[:, :8], "1.bias": best[:, 8]},
    )
    for data in ((x, y), (moments([(x, y)]),)):
        found = assess(given, *data)
        assert found.answer is True and found.widths == (8, 8, 5)
    given = read_weights({"0.weight": np.eye(8), "1.weight": best[:, :8], "1.bias": best[:, 8] + 1})
    moved = gap(given, x, y)
    assert moved.gap[0] <= 600 * 5 / 2 <= moved.gap[1] < 600 * 5 / 2 + 1e-6


def test_moments_with_ones_are_those_of_the_longer_inputs() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(700, 3)) * 40, rng.normal(size=(700, 2)) / 64
    ones = np.column_stack([x, np.ones(700)])
    plain, long = moments([(x, y)]).with_ones(), moments([(ones, y)])
    assert plain.powers == long.powers and plain.rank_bound == long.rank_bound == 4
    for name in ("xx", "yx", "x_sum", "y_sum"):
        one, two = getattr(plain, name), getattr(long, name)
        assert np.linalg.norm(one.mid - two.mid) <= one.rad + two.rad < 1e-9 * np.abs(two.mid).max()


def test_data_of_other_widths_are_refused() -> None:
    given, x, y = problem((True, True), 0)
    with pytest.raises(ShapeError, match=f"has {given.widths[0]} inputs"):
        gap(given, np.column_stack([x, x]), y)
