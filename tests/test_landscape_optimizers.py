"""Step rules, exact expectations, and the right-hand sides of the theorems above them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detvar.errors import InputError
from detvar.landscape import bounds
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.optimizers import (
    NGN,
    SGD,
    AdaGradNormMax,
    DecSPS,
    SPSmax,
    exact_expectation,
    run,
)

SQUARES = np.array([[0.0, 0.0], [1.0, 1.0]])
RULES = [
    SGD(0.5),
    SGD(0.5, decreasing=True),
    SPSmax(0.5, 1.0),
    DecSPS(1.0, 1.0),
    NGN(1.0),
    NGN(1.0, decreasing=True),
    AdaGradNormMax(1.0, 2.0),
]


def two_bumps() -> FiniteSum:
    """ρ²/(1 + ρ²) around (0, 0) and (1, 1); the minimum is (3 − √3)/4."""

    def values(x: Any) -> Any:
        r = ((x[..., None, :] - SQUARES) ** 2).sum(axis=-1)
        return r / (1 + r)

    def gradients(x: Any) -> Any:
        d = x[..., None, :] - SQUARES
        return 2 * d / ((1 + (d**2).sum(axis=-1)) ** 2)[..., None]

    return FiniteSum(
        "two bumps", 2, 2, values, gradients, np.zeros(2), minimum=(3 - 3**0.5) / 4, smoothness=2.0
    )


def on_a_line() -> FiniteSum:
    """s²/(1 + s²) and (s + 1)²/(1 + (s + 1)²), s = x + y: minimisers s = −1/2, minimum 1/5."""
    shifts = np.array([0.0, 1.0])

    def values(x: Any) -> Any:
        s = x.sum(axis=-1)[..., None] + shifts
        return s**2 / (1 + s**2)

    def gradients(x: Any) -> Any:
        s = x.sum(axis=-1)[..., None] + shifts
        return (2 * s / (1 + s**2) ** 2)[..., None] * np.ones(2)

    return FiniteSum("on a line", 2, 2, values, gradients, np.zeros(2), minimum=0.2, smoothness=4.0)


def parabolas(shifts: tuple[float, ...] = (-1.0, 1.0), waves: float = 0.0) -> FiniteSum:
    """½(x − b)² + waves·(1 − cos 6x); for waves = 0.3 the minimum is ½ at 0."""
    b = np.array(shifts)
    grid = np.linspace(-3, 3, 600001)
    lower = [
        float(((grid - s) ** 2 / 2 + waves * (1 - np.cos(6 * grid))).min()) if waves else 0.0
        for s in shifts
    ]

    def values(x: Any) -> Any:
        return (x - b) ** 2 / 2 + waves * (1 - np.cos(6 * x))

    def gradients(x: Any) -> Any:
        return ((x - b) + 6 * waves * np.sin(6 * x))[..., None]

    center = float(b.mean())
    least = float(((center - b) ** 2).mean() / 2)
    return FiniteSum(
        "parabolas",
        1,
        len(b),
        values,
        gradients,
        np.array(lower),
        minimum=least,
        smoothness=1 + 36 * waves,
    )


# ---- steps --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (SPSmax(0.5, 10.0), 4.0),
        (SPSmax(0.5, 1.0), 1.0),
        (NGN(1.0), 0.8),
        (AdaGradNormMax(1.0, 2.0), 0.4850712501),
    ],
)
def test_steps_at_a_known_point(rule: Any, wanted: float) -> None:
    found = run(two_bumps(), rule, [1.0, 0.0], [0])
    assert found.steps[0] == pytest.approx(wanted, abs=5e-11)
    assert np.allclose(found.points[1], [1 - wanted / 2, 0])


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        (SGD(0.5), (0.39182496, 0.35221362, 0.29982628, 0.23444670)),
        (SPSmax(0.5, 1.0), (0.39182496, 0.30524154, 0.18293133, 0.08598703)),
        (NGN(1.0), (0.39182496, 0.31797925, 0.22219807, 0.12944809)),
        (AdaGradNormMax(1.0, 2.0), (0.39182496, 0.35308531, 0.30329543, 0.24291481)),
        (DecSPS(1.0, 1.0), (0.39182496, 0.30524154, 0.22481910, 0.16542981)),
    ],
)
def test_expectations_over_all_sequences(rule: Any, wanted: tuple[float, ...]) -> None:
    found = exact_expectation(two_bumps(), rule, [2.0, 1.5], 3)
    assert np.allclose(found, wanted, atol=5e-9, rtol=0)


def test_expectations_with_a_closed_form() -> None:
    line = exact_expectation(on_a_line(), SGD(0.1), [1.0, 0.7], 3)
    assert np.allclose(line, [0.61115166, 0.60645697, 0.60143006, 0.59603244], atol=5e-9, rtol=0)
    # E x²₊ = (9/16) E x² + 1/16, and the gap is E x²/2
    square, wanted = 9.0, []
    for _ in range(8):
        wanted.append(square / 2)
        square = 9 / 16 * square + 1 / 16
    assert np.allclose(exact_expectation(parabolas(), SGD(0.25), [3.0], 7), wanted, rtol=1e-14)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_expectations_are_means_of_single_paths(rule: Any) -> None:
    problem, k = two_bumps(), 5
    paths = [
        problem.f(run(problem, rule, [1.2, -0.3], chosen).points)
        for chosen in itertools.product(range(2), repeat=k)
    ]
    wanted = np.mean(paths, axis=0) - problem.minimum
    assert np.allclose(exact_expectation(problem, rule, [1.2, -0.3], k), wanted, rtol=1e-12)


def test_vanishing_gradients_need_no_care() -> None:
    problem = two_bumps()
    for rule in RULES:
        found = run(problem, rule, [0.0, 0.0], [0, 0, 1])
        assert np.isfinite(found.steps).all() and (found.points[:3] == 0).all()
    assert run(problem, SPSmax(1.0, 7.0), [0.0, 0.0], [0]).steps[0] == 7.0
    assert run(problem, NGN(7.0), [0.0, 0.0], [0]).steps[0] == 7.0


@pytest.mark.parametrize("seed", range(20))
def test_lemmas_on_the_steps(seed: int) -> None:
    """Where every step must lie, and how much ‖γ∇fᵢ‖² it may cost, for L-smooth terms."""
    rng = np.random.default_rng(seed)
    problem, smooth = two_bumps(), 2.0
    start, chosen = rng.normal(0, 2, 2), rng.integers(0, 2, 40)

    def along(rule: Any) -> tuple[Any, Any, Any]:
        path = run(problem, rule, start, chosen)
        at = path.points[:-1], np.arange(len(chosen)), path.indices
        value = problem.values(at[0])[at[1], at[2]]
        square = (problem.gradients(at[0])[at[1], at[2]] ** 2).sum(axis=-1)
        return path.steps, value, square

    c, ceiling = float(rng.uniform(0.3, 2)), float(rng.uniform(0.1, 5))
    steps, value, square = along(SPSmax(c, ceiling))
    assert (steps >= min(1 / (2 * c * smooth), ceiling) * (1 - 1e-12)).all()
    assert (steps <= ceiling).all()
    assert (steps**2 * square <= steps * value / c * (1 + 1e-12)).all()

    rule = DecSPS(c, ceiling)
    steps, _, _ = along(rule)
    ck = np.array([rule.c(k) for k in range(len(steps))])
    assert (np.diff(steps) <= 1e-15).all() and (steps <= c * ceiling / ck * (1 + 1e-12)).all()
    assert (steps >= np.minimum(1 / (2 * ck * smooth), c * ceiling / ck) * (1 - 1e-12)).all()

    gamma = float(rng.uniform(0.1, 5))
    steps, value, square = along(NGN(gamma))
    gl = gamma * smooth
    assert (steps >= gamma / (1 + gl) * (1 - 1e-12)).all() and (steps <= gamma).all()
    energy = 4 * gl / (1 + 2 * gl) * steps * value  # fᵢ* = 0
    assert (steps**2 * square <= energy * (1 + 1e-12)).all()


# ---- PyTorch ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_torch_takes_the_same_path(rule: Any) -> None:
    torch = pytest.importorskip("torch")
    from detvar.landscape.torch_optimizers import as_optimizer

    problem, chosen = two_bumps(), [0, 1, 1, 0, 1, 0]
    wanted = run(problem, rule, [1.2, -0.3], chosen)
    # two parameters: the step size is decided by the gradient of both together
    x = [torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (1.2, -0.3)]
    optimizer = as_optimizer(rule, x)
    for k, i in enumerate(chosen):

        def closure(i: int = i, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            r = sum(((v - b) ** 2).sum() for v, b in zip(x, SQUARES[i], strict=True))
            loss = r / (1 + r)
            loss.backward()
            return loss

        optimizer.step(closure)
        assert optimizer.last_step == pytest.approx(wanted.steps[k], rel=1e-12)
        if k == 2:  # saved and loaded again in the middle: nothing is forgotten
            saved = optimizer.state_dict()
            optimizer = as_optimizer(rule, x)
            optimizer.load_state_dict(saved)
    assert np.allclose([float(v.detach()) for v in x], wanted.points[-1], rtol=1e-12)


def test_torch_classes() -> None:
    torch = pytest.importorskip("torch")
    from detvar.landscape import torch_optimizers

    x = torch.nn.Parameter(torch.ones(2))
    optimizer = torch_optimizers.SPSmax([x], c=0.5, gamma_b=1.0, lower=0.0)
    assert isinstance(optimizer, torch.optim.Optimizer)
    with pytest.raises(InputError, match="closure"):
        optimizer.step()
    with pytest.raises(AttributeError, match="there is no optimizer 'Adam'"):
        torch_optimizers.Adam  # noqa: B018


# ---- bounds -------------------------------------------------------------------------------------

C6 = 0.0483448152316  # c of the two bumps: fᵢ(p) − fᵢ* at the nearer bump, rounded down
T6 = 0.159374980683
# problem, α, β, start, dist(x₀, S)²
PROBLEMS: dict[str, Callable[[], tuple[FiniteSum, float, float, list[float], float]]] = {
    "least squares": lambda: (parabolas((-1.0, 0.5, 2.0)), 1.0, 0.0, [3.0], 6.25),
    "two parabolas": lambda: (parabolas(), 1.0, 0.0, [3.0], 9.0),
    "on a line": lambda: (on_a_line(), 2.5, 2.0, [1.0, 0.7], (1.7 + 0.5) ** 2 / 2),
    "two bumps": lambda: (
        two_bumps(),
        1 / C6,
        1 / C6 - 1,
        [2.0, 1.5],
        (2 - 1 + T6) ** 2 + (1.5 - 1 + T6) ** 2,
    ),
    "waves": lambda: (parabolas((-1.0, 1.0), 0.3), 4.88, 3.88, [3.0], 9.0),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_bounds_lie_above_exact_expectations(name: str) -> None:
    problem, alpha, beta, start, square = PROBLEMS[name]()
    steps = 7 if problem.count == 3 else 10
    delta, smooth = alpha - beta, problem.smoothness
    assert smooth is not None
    have: dict[str, Any] = {
        "L": smooth,
        "sigma2": problem.sigma2,
        "D0": square**0.5,
    }

    def least(rule: Any) -> tuple[float, float]:
        gaps = exact_expectation(problem, rule, start, steps)[:-1]
        return float(gaps.min()), float(gaps.mean())

    for part in (1.0, 0.5, 0.1):
        gamma = part * delta / (2 * smooth)
        best, mean = least(SGD(gamma))
        one = bounds.sgd(alpha, beta, gamma=gamma, K=steps, **have)
        sharp = bounds.sgd_sharp(alpha, beta, gamma=gamma, K=steps, **have)
        assert best <= float(one) and mean <= float(sharp) <= float(one) * (1 + 1e-12)
        ratio = 2 * (1 - smooth * gamma / delta)
        assert float(one) == pytest.approx(ratio * float(sharp), rel=1e-12)
        best, _ = least(SGD(gamma, decreasing=True))
        assert best <= float(bounds.sgd_decreasing(alpha, beta, gamma0=gamma, K=steps, **have))
    for c in (0.51 / delta, 1 / delta, 3 / delta):
        for ceiling in (0.05, 1.0):
            bound = bounds.spsmax(alpha, beta, c=c, gamma_b=ceiling, K=steps, **have)
            assert least(SPSmax(c, ceiling))[0] <= float(bound)
    rule = DecSPS(1 / delta, 1.0)
    farthest = max(
        float(np.abs(run(problem, rule, start, s).points).max())
        for s in itertools.product(range(problem.count), repeat=min(steps, 6))
    )
    radius = (farthest + 2) * 2
    found = bounds.decsps(
        alpha,
        beta,
        L=smooth,
        sigma2=problem.sigma2,
        D=radius,
        c=[rule.c(k) for k in range(steps)],
        gamma_b=1.0,
    )
    assert least(rule)[0] <= float(found)
    more = have | {"sigma2_positive": float(problem.lower.mean())}
    if delta >= 1:
        for gl in (0.1, 1.0, 5.0):
            gamma = gl / smooth
            bound = bounds.ngn(alpha, beta, gamma=gamma, K=steps, **more)
            printed = bounds.ngn(alpha, beta, gamma=gamma, K=steps, errata=False, **more)
            assert least(NGN(gamma))[0] <= float(bound) <= float(printed)
            slow = bounds.ngn_decreasing(alpha, beta, gamma=gamma, K=steps, **more)
            assert least(NGN(gamma, decreasing=True))[0] <= float(slow)
    first = np.sqrt((problem.gradients(np.array(start)) ** 2).sum(axis=-1))
    offset = 2 * smooth / delta
    bound = bounds.adagrad_norm_max(
        alpha, beta, D=float(first.min()), G=1e3, b=offset, gamma=1.0, K=steps, **have
    )
    assert least(AdaGradNormMax(1.0, offset))[0] <= float(bound)


def test_the_sharpened_bound_meets_the_first_one() -> None:
    have: dict[str, Any] = {"L": 2.0, "sigma2": 0.7, "D0": 3.0, "K": 50}
    one = bounds.sgd(3.0, 1.0, gamma=0.5, **have)
    assert float(one) == pytest.approx(float(bounds.sgd_sharp(3.0, 1.0, gamma=0.5, **have)))
    less = bounds.sgd_sharp(3.0, 1.0, gamma=0.1, **have)
    assert float(less) < float(bounds.sgd(3.0, 1.0, gamma=0.1, **have))


def test_the_printed_sum_is_too_small() -> None:
    have: dict[str, Any] = {"L": 0.001, "sigma2": 1.0, "D0": 1.0, "D": 1.0, "G": 1.0}
    more: dict[str, Any] = {"b": 0.01, "gamma": 1.0, "K": 100}
    right = bounds.adagrad_norm_max(1.0, 0.0, **have, **more)
    printed = bounds.adagrad_norm_max(1.0, 0.0, **have, **more, errata=False)
    assert float(printed) < float(right) and right.vanishing == printed.vanishing
    for b in (0.0, 0.5, 3.0):
        ceiling = 2 * ((b**2 + 100) ** 0.5 - b)
        assert 0 < bounds.adagrad_sum(b, 1.0, 100) <= ceiling


HAVE: dict[str, Any] = {"L": 1.0, "sigma2": 1.0, "D0": 1.0, "K": 10}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bounds.sgd(1, 1, gamma=0.1, **HAVE), "α > β ≥ 0"),
        (lambda: bounds.sgd(1, -1, gamma=0.1, **HAVE), "α > β ≥ 0"),
        (lambda: bounds.sgd(float("nan"), 0, gamma=0.1, **HAVE), "α > β ≥ 0"),
        (lambda: bounds.sgd(1, 0, gamma=0.6, **HAVE), r"gamma ≤ \(α − β\)/\(2L\)"),
        (lambda: bounds.sgd_sharp(1, 0, gamma=1.0, **HAVE), r"gamma < \(α − β\)/L"),
        (lambda: bounds.sgd(1, 0, gamma=0.1, **(HAVE | {"K": 0})), "K is 0"),
        (lambda: bounds.sgd(1, 0, gamma=0.1, **(HAVE | {"sigma2": -1.0})), "sigma2 is -1"),
        (lambda: bounds.spsmax(1, 0, c=0.5, gamma_b=1, **HAVE), "c > 1/"),
        (lambda: bounds.ngn(1, 0.5, gamma=1, sigma2_positive=0, **HAVE), "α − β ≥ 1"),
        (
            lambda: bounds.decsps(1, 0, L=1, sigma2=1, D=1, c=[2.0, 1.0], gamma_b=1),
            "c_0 ≤ c_1",
        ),
        (
            lambda: bounds.adagrad_norm_max(1, 0, D=1, G=2, b=1, gamma=1, **HAVE),
            "b ≥ 2Lγ",
        ),
        (lambda: SGD(0.0), "gamma is 0"),
        (lambda: SPSmax(1.0, float("inf")), "gamma_b is inf"),
        (lambda: run(two_bumps(), SGD(1.0), [0.0, 0.0], [2]), "terms from 0 to 1"),
        (lambda: exact_expectation(two_bumps(), SGD(1.0), [0.0, 0.0], 23), "at most 22"),
        (lambda: run(parabolas(waves=-1.0), NGN(1.0), [1.0], [1]), "f_i ≥ 0"),
    ],
)
def test_numbers_outside_the_hypotheses_are_refused(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
