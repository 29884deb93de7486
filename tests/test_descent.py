"""Where gradient descent ends on convex losses is what the theorems allow.

Two hundred random problems: five losses, networks that fill all matrices and networks that do not,
two and three layers. The end point is polished to a critical matrix with proof, and classified.
A contradiction fails with the seed in the name of the test.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import detvar as dv
from detvar.critical import certify_near
from detvar.exact.matrices import Matrix
from detvar.losses import loss_from_json

FILLING = {2: [(2, 2, 2), (2, 3, 2)], 3: [(2, 2, 2, 2), (2, 3, 2, 2)]}
BOTTLENECK = {2: [(2, 1, 2), (3, 1, 2)], 3: [(2, 1, 2, 2), (2, 2, 1, 2)]}
LOSSES = ["logistic", "softmax", "exponential", "pseudo_huber", "log_cosh"]
CASES = [
    (kind, filling, depth, seed)
    for kind in LOSSES
    for filling in (True, False)
    for depth in (2, 3)
    for seed in range(10)
]


def random_loss(kind: str, m: int, n: int, rng: np.random.Generator) -> Any:
    """Return a loss on m×n effective matrices whose minimum is attained."""
    samples = n + (4 if kind == "exponential" else 2)
    x = rng.integers(-3, 4, (n, samples)) + 4 * np.eye(n, samples, dtype=int)
    data: dict[str, Any] = {"type": kind, "X": x.tolist()}
    if kind == "logistic":  # between 0 and all: no separation
        trials = rng.integers(2, 7, (m, samples))
        data |= {"trials": trials.tolist(), "positives": rng.integers(1, trials).tolist()}
    elif kind == "softmax":
        data |= {"counts": rng.integers(1, 8, (m + 1, samples)).tolist()}
    elif kind == "exponential":  # n independent inputs with both labels
        both = np.concatenate([x, x[:, :n]], axis=1)
        y = rng.choice([-1, 1], (m, samples))
        data |= {"X": both.tolist(), "labels": np.concatenate([y, -y[:, :n]], axis=1).tolist()}
    else:
        data |= {"Y": rng.integers(-4, 5, (m, samples)).tolist()}
        if kind == "pseudo_huber":
            data["delta"] = int(rng.integers(1, 4))
    return loss_from_json(data)


def product(weights: list[np.ndarray]) -> np.ndarray:
    out = weights[0]
    for w in weights[1:]:
        out = w @ out
    return out


def gradients(loss: Any, weights: list[np.ndarray]) -> list[np.ndarray]:
    """∂L/∂W_i = (W_h ⋯ W_{i+1})ᵀ G (W_{i−1} ⋯ W_1)ᵀ."""
    g = loss.gradient_array(product(weights))
    after = [np.eye(weights[-1].shape[0])]
    for w in reversed(weights[1:]):
        after.append(after[-1] @ w)
    before = [np.eye(weights[0].shape[1])]
    for w in weights[:-1]:
        before.append(w @ before[-1])
    return [a.T @ g @ b.T for a, b in zip(reversed(after), before, strict=True)]


def descend(loss: Any, weights: list[np.ndarray], steps: int = 4000) -> list[np.ndarray]:
    """Gradient descent whose step halves when the loss rises and grows slowly when it falls."""
    rate, value = 0.05, float(loss.value_array(product(weights)))
    for _ in range(steps):
        slopes = gradients(loss, weights)
        size = sum(float((s * s).sum()) for s in slopes)
        if size < 1e-11:
            break
        while True:
            trial = [w - rate * s for w, s in zip(weights, slopes, strict=True)]
            new = float(loss.value_array(product(trial)))
            if new <= value - 0.3 * rate * size or rate < 1e-12:
                break
            rate /= 2
        weights, value, rate = trial, new, rate * 1.3
    return weights


@cache
def problem(kind: str, filling: bool, depth: int, seed: int) -> tuple[Any, Any, np.ndarray]:
    """Return the effective network and loss, and the effective matrix where descent ended."""
    rng = np.random.default_rng([LOSSES.index(kind), filling, depth, seed])
    widths = (FILLING if filling else BOTTLENECK)[depth][seed % 2]
    loss = random_loss(kind, widths[-1], widths[0], rng)
    extra = int(kind == "softmax")  # one more class, which the shift takes away again
    network = dv.LinearNetwork(*widths[:-1], widths[-1] + extra)
    pairs = zip(network.widths, network.widths[1:], strict=False)
    start = [0.6 * rng.standard_normal((b, a)) for a, b in pairs]
    reduction = loss.reduce(network)
    end = product(descend(loss, start))
    left, right = (floats(a) for a in (reduction.left, reduction.right))
    assert reduction.network.is_filling == filling
    return reduction.network, reduction.loss, left @ end @ right


def floats(a: Matrix) -> np.ndarray:
    return np.array([[float(c.p) / float(c.q) for c in row] for row in a.tolist()])


def judged(case: tuple[str, bool, int, int]) -> tuple[Any, Any, np.ndarray, Any]:
    network, loss, end = problem(*case)
    (point,) = certify_near(network, loss, end)
    return network, loss, end, point


@pytest.mark.parametrize(
    "case", CASES, ids=lambda c: f"{c[0]}-{'filling' if c[1] else 'bottleneck'}-{c[2]}-{c[3]}"
)
def test_ends_of_descent_do_not_contradict_the_theorems(case: tuple[str, bool, int, int]) -> None:
    """What must hold at a critical point W of rank e of a convex loss, for every network.

    ⟨∇ℓ(W), W⟩ = 0 and ℓ(W) ≤ ℓ(0), because M_e is a cone; at rank r of a filling network ∇ℓ = 0
    and W is the global minimum (Laurent and von Brecht 2018); at rank r of another network the
    index is at most r(k − r), because ℓ is convex on Col W ⊗ Rⁿ and on Rᵐ ⊗ Row W; below
    rank r the gradient vanishes or the point is a saddle of the network.
    """
    network, loss, end, point = judged(case)
    if point is None:
        return  # counted below
    w = np.array(point.center).real
    g = loss.gradient_array(w)
    assert np.abs(w - end).max() <= 0.05 * max(np.abs(end).max(), 1e-9) + 1e-6
    assert abs((g * w).sum()) < 1e-9
    assert point.value[1] <= float(loss.value_array(np.zeros(loss.shape))) + 1e-9
    r, k = network.rank_bound, min(loss.shape)
    if network.is_filling:
        if point.rank == r:
            assert np.abs(g).max() < 1e-9 and point.nature == "global_minimum"
            for seed in range(20):  # no matrix is lower
                other = w + np.random.default_rng(seed).standard_normal(loss.shape)
                assert float(loss.value_array(other)) >= point.value[0]
        elif point.nature != "global_minimum":  # an exact zero cannot be told from a small number
            assert point.nature == ("lower_rank" if np.abs(g).max() < 1e-9 else "strict_saddle")
    elif point.rank == r:
        assert point.inertia is None or point.inertia.negative <= r * (k - r)
        assert np.linalg.matrix_rank(g, tol=1e-7) <= k - r or np.abs(g).max() < 1e-7
        assert point.nature in ("global_minimum", "local_minimum", "strict_saddle", "undecided")
    else:
        assert point.nature == ("lower_rank" if np.abs(g).max() < 1e-9 else "strict_saddle")
    if point.nature == "local_minimum":
        assert not network.is_filling and point.inertia.negative == 0


def test_descent_reaches_critical_points_that_can_be_proved() -> None:
    """Plateaus end some runs early; nearly all others are proved critical, almost never saddles."""
    found = [judged(case)[-1] for case in CASES[::5]]
    proved = [p for p in found if p is not None]
    assert len(proved) >= 0.85 * len(found)
    minima = [p for p in proved if p.nature in ("local_minimum", "global_minimum")]
    assert len(minima) >= 0.8 * len(proved)


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if not c[1] and c[3] in (0, 2)], ids=str)
def test_ends_of_descent_are_in_the_complete_list(case: tuple[str, bool, int, int]) -> None:
    """Two routes: descent in the weights, and exhaustive search on the matrices of rank 1."""
    from detvar import critical_points

    network, loss, _, point = judged(case)
    if point is None:
        pytest.skip("descent stopped on a plateau")
    listed = critical_points(network, loss)
    assert listed.is_complete
    if point.rank == network.rank_bound:
        near = [
            np.abs(np.array(p.center).real - np.array(point.center).real).max() for p in listed.real
        ]
        assert min(near) < 1e-9
        match = listed.real[int(np.argmin(near))]
        assert match.inertia == point.inertia and match.value_text() == point.value_text()
