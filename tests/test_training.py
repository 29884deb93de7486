"""Training runs of torch networks: what is proved along them, at plateaus and at the end."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from detvar.exact.matrices import matrix
from detvar.optimality import check_global_minimum, escape, gap, moments, read_weights

torch = pytest.importorskip("torch", reason="training needs torch")

WIDTHS = (9, 6, 6, 4)  # filling: every critical point that is no saddle is a global minimum


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def one_hot(samples: int = 60, seed: int = 0, dependent: bool = False) -> tuple[Any, Any]:
    """Inputs of rank 7 of 9, two blank, or one blank and one a sum of two others; four classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(samples) % WIDTHS[-1]
    x = rng.integers(-8, 9, (samples, WIDTHS[0])) + 6 * np.eye(WIDTHS[0])[labels]
    x[:, 2] = 0
    x[:, 5] = x[:, 0] + x[:, 1] if dependent else 0
    return x / 16, np.eye(WIDTHS[-1])[labels]


def network(widths: tuple[int, ...] = WIDTHS, bias: bool = False, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    sizes = zip(widths, widths[1:], strict=False)
    return torch.nn.Sequential(
        *[torch.nn.Linear(a, b, bias, dtype=torch.float64) for a, b in sizes]
    )


def small(model: Any, size: float, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=size)
    return model


def training(model: Any, optimizer: Any, x: Any, y: Any, steps: int, metric: Any = None) -> Any:
    """Yield step and loss, before every step; `metric` multiplies the first layer's gradient."""
    a, b = torch.tensor(x), torch.tensor(y)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = ((model(a) - b) ** 2).sum() / 2
        loss.backward()
        if metric is not None:
            model[0].weight.grad = model[0].weight.grad @ metric
        return loss

    for step in range(steps):
        yield step, float(closure().detach())
        optimizer.step(closure)
    yield steps, float(closure().detach())


def inverse_of_gram(x: Any) -> Any:
    return torch.linalg.pinv(torch.tensor(x.T @ x), hermitian=True, rtol=1e-12)


def solve_first_layer(model: Any, x: Any, y: Any) -> None:
    """Minimise over the first layer and its bias, by least squares; the others are kept."""
    a, b = torch.tensor(x), torch.tensor(y)
    with torch.no_grad():
        later = model[-1].weight
        for layer in reversed(model[1:-1]):
            later = later @ layer.weight
        inputs = a
        if model[0].bias is not None:
            inputs = torch.hstack([a, torch.ones(len(a), 1, dtype=a.dtype)])
        best = torch.linalg.lstsq(inputs, b - model(a), rcond=1e-12, driver="gelsd").solution
        move = torch.linalg.pinv(later) @ best.T
        model[0].weight += move[:, : a.shape[1]]
        if model[0].bias is not None:
            model[0].bias += move[:, -1]


def exact_value(model: Any, x: Any, y: Any) -> Fraction:
    """½‖WX + c − Y‖² of the floats, over Q."""
    rows = [[Fraction(v) for v in row] for row in x.tolist()]
    for layer in model:
        w = [[Fraction(v) for v in row] for row in layer.weight.tolist()]
        c = [Fraction(v) for v in layer.bias.tolist()] if layer.bias is not None else [0] * len(w)
        rows = [
            [
                sum((a * b for a, b in zip(row, v, strict=True)), k)
                for v, k in zip(w, c, strict=True)
            ]
            for row in rows
        ]
    pairs = zip(rows, y.tolist(), strict=True)
    return sum((a - Fraction(b)) ** 2 for r, t in pairs for a, b in zip(r, t, strict=True)) / 2


def exact_minimum(x: Any, y: Any, bias: bool) -> Fraction:
    """The least squares value over all affine maps, from the normal equations over Q."""
    keep = [k for k in range(x.shape[1]) if k not in (2, 5)]
    x = np.hstack([x[:, keep], np.ones((len(x), 1))]) if bias else x[:, keep]
    big = matrix([[Fraction(v) for v in row] for row in x.tolist()])
    out = matrix([[Fraction(v) for v in row] for row in y.tolist()])
    cross = big.transpose() * out
    explained = cross.transpose() * (big.transpose() * big).solve(cross)
    square = sum(Fraction(v) ** 2 for v in y.ravel().tolist())
    trace = sum(Fraction(int(e.p), int(e.q)) for e in (explained[i, i] for i in range(y.shape[1])))
    return (square - trace) / 2


OPTIMIZERS = {
    "descent": lambda p: torch.optim.SGD(p, lr=3e-3),
    "momentum": lambda p: torch.optim.SGD(p, lr=1e-3, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "lbfgs": lambda p: torch.optim.LBFGS(p, max_iter=1, line_search_fn="strong_wolfe"),
}


@pytest.mark.parametrize("bias", [False, True], ids=["linear", "affine"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_interval_along_a_training_holds(name: str, bias: bool) -> None:
    x, y = one_hot(dependent=True)
    least = exact_minimum(x, y, bias)
    model = network(bias=bias)
    run = training(model, OPTIMIZERS[name](model.parameters()), x, y, 120)
    for step, loss in run:
        if step % 20:
            continue
        found = gap(read_weights(model), x, y)
        value = exact_value(model, x, y)
        assert abs(float(value) - loss) <= 1e-12 * loss
        assert found.value[0] <= value <= found.value[1]
        assert found.minimum[0] <= least <= found.minimum[1]
        assert 0 <= found.gap[0] <= value - least <= found.gap[1]
        assert found.gap[1] - found.gap[0] <= 1e-12 * found.loss_at_zero[1]
        assert found.minimum[1] - found.minimum[0] <= 1e-12 * found.loss_at_zero[1]
    solve_first_layer(model, x, y)
    end = gap(read_weights(model), x, y)
    assert end.gap[0] <= exact_value(model, x, y) - least <= end.gap[1]
    assert end.relative is not None and end.relative[1] <= 1e-20


def singular_values(model: Any, x: Any) -> Any:
    w = (model[2].weight @ model[1].weight @ model[0].weight).detach().numpy()
    return np.linalg.svd(w @ x.T, compute_uv=False)


def best_singular_values(x: Any, y: Any) -> Any:
    """Those of W X at the least squares solution W: the plateaus keep some of them."""
    return np.linalg.svd(x @ np.linalg.lstsq(x, y, rcond=1e-12)[0], compute_uv=False)[: y.shape[1]]


def test_a_start_near_zero_rests_on_saddles_and_then_arrives() -> None:
    x, y = one_hot()
    sizes = best_singular_values(x, y)
    model = small(network(), 0.02, seed=2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    resting, before = set(), np.inf
    for step, _ in training(model, optimizer, x, y, 900, inverse_of_gram(x)):
        if step % 50:
            continue
        found = gap(read_weights(model), x, y)
        assert found.relative is not None
        assert 0 <= found.gap[0] <= found.gap[1]
        if found.relative[1] > 1e-15:
            assert found.gap[0] > 0 and found.gap[1] < before
            before = found.gap[0]
        here = singular_values(model, x)
        kept = here > 0.5 * sizes
        if np.linalg.norm(here - np.where(kept, sizes, 0)) < 0.02 and not kept.all():
            # the other singular values are what is missing
            assert abs(found.gap[0] - (sizes[~kept] ** 2).sum() / 2) < 0.05
            verdict = check_global_minimum(None, (x, y), model, distance=0.5)
            assert verdict.answer is False and verdict.tier == "certified"
            assert verdict.nearby is not None and verdict.nearby.rank == kept.sum()
            assert verdict.nature in ("strict_saddle", "non_strict_saddle")
            resting.add(verdict.nearby.rank)
    assert {0, 3} <= resting
    assert found.relative[1] <= 1e-10
    end = check_global_minimum(None, (x, y), model)
    assert end.answer is True and end.tier == "certified" and end.nature == "global_minimum"


def equal_units(size: float = 0.02) -> Any:
    """All weights of a layer are equal: the hidden units can never differ."""
    model = network()
    with torch.no_grad():
        for layer in model:
            layer.weight.fill_(size)
    return model


def test_collapsed_ranks_are_stuck_at_a_saddle_and_the_escape_frees_them() -> None:
    x, y = one_hot()
    sizes = best_singular_values(x, y)
    model = equal_units()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in training(model, optimizer, x, y, 800, inverse_of_gram(x)):
        pass
    assert np.linalg.matrix_rank(model[1].weight.detach().numpy(), tol=1e-12) == 1
    verdict = check_global_minimum(None, (x, y), model)
    assert verdict.answer is False and verdict.tier == "certified"
    assert verdict.nature == "non_strict_saddle" and verdict.nearby.rank == 1
    assert verdict.gap[0] > 0.999 * (sizes[1:] ** 2).sum() / 2
    # each escape gives the network one more rank, and descent rests on the next saddle
    values = [verdict.value[0]]
    while gap(read_weights(model), x, y).relative[0] > 1e-10 and len(values) < 9:
        found = escape(None, (x, y), model)
        assert found is not None and found.change[1] < 0
        assert found.value_after[1] < found.value_before[0]
        with torch.no_grad():
            for layer, w in zip(model, found.weights, strict=True):
                layer.weight.copy_(torch.tensor(w))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
        for _ in training(model, optimizer, x, y, 300, inverse_of_gram(x)):
            pass
        values.append(gap(read_weights(model), x, y).value[1])
        assert values[-1] < values[-2]
    assert gap(read_weights(model), x, y).relative[1] <= 1e-10


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_module_is_left_as_it_was(dtype: Any) -> None:
    x, y = one_hot()
    model = network(bias=True).to(dtype).train()
    model[1].weight.requires_grad_(False)
    ((model(torch.tensor(x, dtype=dtype)) - torch.tensor(y, dtype=dtype)) ** 2).sum().backward()
    model[0].bias.grad = None
    pointers = [p.data_ptr() for p in model.parameters()]
    state = {k: v.clone() for k, v in model.state_dict().items()}
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    gap(read_weights(model), x, y)
    check_global_minimum(None, (x, y), model)
    escape(None, (x, y), model)
    assert model.training and [p.data_ptr() for p in model.parameters()] == pointers
    assert [p.requires_grad for p in model.parameters()] == [True, True, False, True, True, True]
    for key, value in model.state_dict().items():
        assert value.dtype == dtype and torch.equal(value, state[key])
    for p, g in zip(model.parameters(), grads, strict=True):
        assert p.grad is None if g is None else torch.equal(p.grad, g)


def test_the_digits() -> None:
    datasets = pytest.importorskip("sklearn.datasets", reason="the digits come with scikit-learn")
    digits = datasets.load_digits()
    x, y = digits.data / 16, np.eye(10)[digits.target]
    streamed = moments((x[k : k + 200], y[k : k + 200]) for k in range(0, len(x), 200))
    widths = (64, 32, 32, 10)
    for bias in (False, True):
        model = network(widths, bias)
        rows = np.linalg.qr(np.hstack([x, y]), mode="r")  # the same loss in 74 rows
        data = (x, y) if bias else (rows[:, :64], rows[:, 64:])
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in training(model, optimizer, *data, 80):
            pass
        stopped = gap(read_weights(model), x, y)
        assert stopped.relative is not None and stopped.relative[0] > 1e-6
        assert check_global_minimum(None, (x, y), model).answer is False
        solve_first_layer(model, x, y)
        end = gap(read_weights(model), x, y)
        assert end.relative is not None and end.relative[1] <= 1e-10
        assert end.minimum[1] < 0.31 * end.loss_at_zero[0]
        if not bias:
            by_moments = gap(read_weights(model), streamed)
            assert by_moments.gap[0] <= end.gap[1] and end.gap[0] <= by_moments.gap[1]
            assert by_moments.relative is not None and by_moments.relative[1] <= 1e-10
