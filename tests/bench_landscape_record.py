"""What recording costs: side by side with the plain training loop on the digits."""

from __future__ import annotations

import statistics
from time import process_time
from typing import Any

import pytest

from detvar.landscape import runs
from detvar.landscape.record import record

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("sklearn", reason="the digits ship with scikit-learn")

EPOCHS, ROUNDS = 4, 9


def sgd(parameters: Any) -> Any:
    return torch.optim.SGD(parameters, 0.1)


def plain(samples: Any) -> None:
    model = runs.mlp([64, 64, 64, 10])
    optimizer = sgd(model.parameters())
    order = runs.batches(samples, 64)(0)
    for _ in range(EPOCHS):
        for batch in order:
            optimizer.zero_grad()
            loss = runs.cross_entropy(model, batch)
            loss.backward()
            optimizer.step()
            loss.item()


def recorded(samples: Any, **options: Any) -> None:
    model, order = runs.mlp([64, 64, 64, 10]), runs.batches(samples, 64)
    record(model, runs.cross_entropy, order, sgd, epochs=EPOCHS, **options)


@pytest.mark.parametrize("options", [{}, {"angles": True}, {"memory": 0}], ids=str)
def test_record_against_plain_training(benchmark: Any, options: dict[str, Any]) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    samples = runs.digits()
    times: tuple[list[float], list[float]] = ([], [])
    plain(samples), recorded(samples, **options)
    for _ in range(ROUNDS):  # in turn, so that another load hits both
        for which, run in zip(times, (plain, lambda s: recorded(s, **options)), strict=True):
            start = process_time()
            run(samples)
            which.append(process_time() - start)
    ratio = statistics.median(times[1]) / statistics.median(times[0])
    benchmark.extra_info["times plain training"] = ratio
    benchmark.pedantic(recorded, (samples,), options, rounds=3)
    torch.set_num_threads(threads)
    print(f"\nrecord({options}): {ratio:.2f} times plain training, {times[0][0]:.3f} s")
