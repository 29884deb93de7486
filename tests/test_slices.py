"""Slices: exact values on quadratic models, axes from the seed, and a model that is not touched."""

import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from detvar.errors import InputError, ShapeError
from detvar.landscape.examples import ex6
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.least_squares import least_squares
from detvar.landscape.slice_results import Slice
from detvar.landscape.slices import pca_path, slice_1d, slice_2d, snapshot

Array = Any


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="torch is not installed")


def quadratic() -> FiniteSum:
    """½(x₁ − 1)² and ½(x₂ + 2)²: f = ¼((x₁ − 1)² + (x₂ + 2)²)."""
    return least_squares([[1, 0], [0, 1]], [1, -2])


def identity(n: int) -> list[list[int]]:
    return [[int(i == j) for j in range(n)] for i in range(n)]


def network(torch: Any, seed: int = 0) -> Any:
    """Convolution, batch normalisation, dropout, linear; already trained for one step of BN."""
    torch.manual_seed(seed)
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(12, 2),
    )
    model.double()
    model(torch.randn(8, 1, 4, 4, dtype=torch.float64))
    return model


def batches(torch: Any) -> list[Any]:
    make = torch.Generator().manual_seed(1)
    return [
        {
            "x": torch.randn(5, 1, 4, 4, generator=make, dtype=torch.float64),
            "y": torch.randint(2, (5,), generator=make),
        }
        for _ in range(2)
    ]


def loss(model: Any, batch: Any) -> Any:
    import torch

    return torch.nn.functional.cross_entropy(model(batch["x"]), batch["y"])


def everything(torch: Any, model: Any) -> Any:
    """All that must not change, bit for bit, and the identity of the tensors."""
    return (
        [
            (n, id(p), p.data_ptr(), p._version, p.detach().numpy().tobytes())
            for n, p in model.named_parameters()
        ],
        [(n, id(b), b.data_ptr(), b.numpy().tobytes()) for n, b in model.named_buffers()],
        [m.training for m in model.modules()],
        [
            (p.requires_grad, None if p.grad is None else p.grad.numpy().tobytes())
            for p in model.parameters()
        ],
        torch.get_rng_state().numpy().tobytes(),
        str(np.random.get_state()),
        random.getstate(),
    )


# --- finite sums: exact values ------------------------------------------------------------------


def test_values_in_a_plane_are_those_of_the_formula() -> None:
    found = slice_2d(quadratic(), at=[1, -2], directions=[[1, 0], [0, 2]], steps=5, span=(-1, 1))
    a, b = np.meshgrid(*found.axes, indexing="ij")
    assert np.allclose(found.values, (a**2 + 4 * b**2) / 4, atol=1e-15)
    assert found.remarks() == () and found.values[2, 2] == 0


def test_values_on_a_line() -> None:
    found = slice_1d(quadratic(), at=[0, 0], to=[1, -2], span=(0, 2), steps=5)
    assert np.allclose(found.values, 5 / 4 * (found.axes[0] - 1) ** 2)
    assert "(1)" in found.remarks()[0]


def test_random_directions_are_orthonormal_and_belong_to_the_seed() -> None:
    one, same, other = (slice_2d(ex6(), at=[0, 0], seed=s, steps=3) for s in (4, 4, 5))
    assert np.allclose(one.directions @ one.directions.T, np.eye(2))
    assert (one.directions == same.directions).all() and (one.values == same.values).all()
    assert not np.allclose(one.directions, other.directions)
    layer = slice_1d(ex6(), at=[3, 4], normalise="layer", steps=2)
    assert np.linalg.norm(layer.directions) == pytest.approx(5)


def test_a_path_in_a_plane_is_explained() -> None:
    rng = np.random.default_rng(0)
    problem = least_squares(identity(6), [1, 2, 3, 4, 5, 6])
    plane, start = rng.standard_normal((2, 6)), rng.standard_normal(6)
    paths = {name: start + rng.standard_normal((7, 2)) @ plane for name in ("sgd", "adam")}
    found = pca_path(problem, paths=paths, steps=7)
    assert found.explained is not None
    assert sum(found.explained) == pytest.approx(1, abs=1e-12)
    assert found.explained[0] >= found.explained[1]
    for path in found.paths:
        assert path.off_plane.max() < 1e-12
        back = found.center + path.coordinates @ found.directions
        assert np.allclose(back, paths[path.label])
        assert np.allclose(path.losses, problem.f(paths[path.label]))
    i, j = 2, 5
    point = (
        found.center
        + found.axes[0][i] * found.directions[0]
        + found.axes[1][j] * found.directions[1]
    )
    assert found.values[i, j] == pytest.approx(float(problem.f(point)))


@pytest.mark.parametrize("center", ["last", "mean"])
def test_explained_variance_is_that_of_the_eigenvalues(center: str) -> None:
    path = np.random.default_rng(1).standard_normal((9, 5)).cumsum(axis=0)
    problem = least_squares(identity(5), [0] * 5)
    found = pca_path(problem, paths=path, center=center, steps=2)
    moved = path - (path[-1] if center == "last" else path.mean(axis=0))
    parts = np.linalg.eigvalsh(moved.T @ moved)[::-1]
    assert found.explained == pytest.approx(parts[:2] / parts.sum())
    off = (found.paths[0].off_plane ** 2).sum()
    assert off == pytest.approx((1 - sum(found.explained)) * parts.sum())
    if sum(found.explained) < 0.9:
        assert "accounts for" in found.remarks()[-1]


def test_paths_on_a_line_get_a_second_axis() -> None:
    path = np.outer(np.arange(5.0), [1, 2, 2])
    found = pca_path(least_squares(identity(3), [0] * 3), paths=path, steps=3)
    assert found.explained == (pytest.approx(1), pytest.approx(0, abs=1e-12))
    assert np.allclose(found.directions @ found.directions.T, np.eye(2))


# --- models -------------------------------------------------------------------------------------


def test_values_of_a_linear_model(torch: Any) -> None:
    """½|W x − y|² on one sample, in float32: an exact quadratic, here with dyadic numbers."""
    model = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -0.5]]))
    x, y = torch.tensor([2.0, 4.0]), torch.tensor([1.0])
    found = slice_2d(
        model,
        lambda m, batch: (m(batch[0]) - batch[1]).square().sum() / 2,
        [(x, y)],
        [np.array([1.0, 0.0]), {"weight": torch.tensor([[0.0, 1.0]])}],
        steps=5,
    )
    a, b = np.meshgrid(*found.axes, indexing="ij")
    assert (found.values == (2 * (1 + a) + 4 * (b - 0.5) - 1) ** 2 / 2).all()
    assert found.names == ("weight",)


@pytest.mark.parametrize("mode", ["eval", "train", None])
def test_the_model_is_untouched(torch: Any, mode: str | None) -> None:
    states = [snapshot(network(torch, seed)) for seed in (1, 2, 3)]
    model, data = network(torch), batches(torch)
    model[1].eval()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    before = everything(torch, model)
    values = [slice_2d(model, loss, data, steps=3, mode=mode, seed=3).values for _ in range(2)]
    assert everything(torch, model) == before
    assert (values[0] == values[1]).all()
    pca_path(model, loss, data, states, steps=2, mode=mode)
    assert everything(torch, model) == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_model_is_untouched_after_exceptions(torch: Any, error: type[BaseException]) -> None:
    model, calls = network(torch), []
    before = everything(torch, model)

    def failing(m: Any, batch: Any) -> Any:
        calls.append(1)
        if len(calls) == 5:
            m[1].running_mean.add_(1.0)
            m.train()
            torch.randn(3)
            raise error
        return loss(m, batch)

    with pytest.raises(error):
        slice_2d(model, failing, batches(torch), steps=3)
    assert everything(torch, model) == before


def test_the_centre_is_the_loss_itself(torch: Any) -> None:
    model, data = network(torch).eval(), batches(torch)
    direct = np.mean([float(loss(model, batch).detach()) for batch in data])
    for options in ({}, {"normalise": "layer"}, {"normalise": None}, {"biases": "scaled"}):
        found = slice_2d(model, loss, data, steps=3, **options)
        assert found.values[1, 1] == direct
        assert len(np.unique(found.values)) == 9


def test_filters_have_the_norms_of_the_model(torch: Any) -> None:
    """Weights: each output unit; batch normalisation and biases: fixed, or scaled exactly once."""
    model = network(torch)
    with torch.no_grad():
        model[5].bias.mul_(7)
        model[1].bias.add_(torch.tensor([1.0, 2.0, 3.0]))
    sizes = {name: p.detach().numpy() for name, p in model.named_parameters()}
    for biases in ("fixed", "scaled"):
        found = slice_1d(model, loss, batches(torch), steps=2, biases=biases, seed=2)
        start = 0
        for p in sizes.values():
            d = found.directions[0][start : start + p.size].reshape(p.shape)
            start += p.size
            if p.ndim > 1:
                rows, own = d.reshape(len(d), -1), p.reshape(len(p), -1)
                assert np.allclose(np.linalg.norm(rows, axis=1), np.linalg.norm(own, axis=1))
            elif biases == "fixed":
                assert not d.any()
            else:
                assert np.linalg.norm(d) == pytest.approx(np.linalg.norm(p))
                # the norm is that of the whole vector: single entries keep their random sizes
                assert len(p) == 1 or not np.allclose(np.abs(d), np.abs(p))
        assert start == len(found.center)


@pytest.mark.parametrize("groups", [1, 2])
def test_filters_of_transposed_convolutions(torch: Any, groups: int) -> None:
    """A filter makes one output channel: its weights are found by what that channel depends on."""
    model = torch.nn.ConvTranspose1d(4, 6, 3, groups=groups, bias=False).double()
    found = slice_1d(
        model, lambda m, x: m(x).square().sum(), [torch.ones(1, 4, 5).double()], steps=2
    )
    d, w = (
        torch.tensor(v).reshape(model.weight.shape) for v in (found.directions[0], found.center)
    )
    for channel in range(6):
        weight = model.weight.detach().clone().requires_grad_()
        out = torch.nn.functional.conv_transpose1d(
            torch.ones(1, 4, 5).double(), weight, groups=groups
        )
        (used,) = torch.autograd.grad(out[0, channel].sum(), weight)
        part = used != 0
        assert int(part.sum()) == 3 * 4 // groups
        assert float(d[part].norm()) == pytest.approx(float(w[part].norm()))


def test_a_subset_of_parameters(torch: Any) -> None:
    model = network(torch)
    found = slice_2d(model, loss, batches(torch), steps=3, params=r"^5\.")
    assert found.names == ("5.weight", "5.bias") and len(found.center) == 26
    assert found.values.shape == (3, 3)


def test_all_batches_count_once_even_from_an_iterator(torch: Any) -> None:
    model, data = network(torch), batches(torch)

    def once() -> Iterator[Any]:
        yield from data

    expected = slice_1d(model, loss, data, steps=3)
    assert (slice_1d(model, loss, once(), steps=3).values == expected.values).all()
    states = [snapshot(network(torch, s)) for s in range(3)]
    assert (
        pca_path(model, loss, once(), states, steps=3).values
        == pca_path(model, loss, data, states, steps=3).values
    ).all()
    single = [slice_1d(model, loss, [batch], steps=3).values for batch in data]
    assert np.allclose(expected.values, (single[0] + single[1]) / 2)
    heavy = slice_1d(model, loss, data, steps=3, weight=lambda b: 3.0 if b is data[0] else 1.0)
    assert np.allclose(heavy.values, (3 * single[0] + single[1]) / 4)


def test_a_shuffling_loader_keeps_its_generator(torch: Any) -> None:
    model = torch.nn.Linear(1, 1)
    generator = torch.Generator().manual_seed(4)
    loader = torch.utils.data.DataLoader(
        torch.arange(6.0).reshape(6, 1), batch_size=2, shuffle=True, generator=generator
    )
    before = generator.get_state()
    slice_1d(model, lambda m, x: m(x).square().mean(), loader, steps=2)
    assert (generator.get_state() == before).all()


def test_a_loss_with_derivatives_in_it(torch: Any) -> None:
    """As physics-informed networks have: a derivative with respect to the input, by autograd."""
    model = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))

    def residual(m: Any, t: Any) -> Any:
        t = t.clone().requires_grad_()
        (slope,) = torch.autograd.grad(m(t).sum(), t, create_graph=True)
        return (slope - 1).square().mean()

    with torch.no_grad():  # the caller's own mode does not matter
        found = slice_1d(model, residual, [torch.linspace(0, 1, 5)[:, None]], steps=3)
    assert np.isfinite(found.values).all() and all(p.grad is None for p in model.parameters())


def test_tied_and_frozen_parameters(torch: Any) -> None:
    first, second = torch.nn.Linear(3, 3, bias=False), torch.nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    model = torch.nn.Sequential(first, second)
    found = slice_1d(model, lambda m, x: m(x).sum(), [torch.ones(2, 3)], steps=2)
    assert found.names == ("0.weight",) and second.weight is first.weight
    for p in model.parameters():
        p.requires_grad_(False)
    again = slice_1d(model, lambda m, x: m(x).sum(), [torch.ones(2, 3)], steps=2)
    assert (again.values == found.values).all()


def test_paths_of_several_optimizers(torch: Any) -> None:
    """Two runs from one start: a common plane, the losses of the runs, one end at the centre."""
    data, paths = batches(torch), {}
    for name, make in (("SGD", torch.optim.SGD), ("Adam", torch.optim.Adam)):
        model = network(torch).eval()
        optimizer = make(model.parameters(), lr=0.05)
        paths[name] = [snapshot(model)]
        for step in range(6):
            optimizer.zero_grad()
            loss(model, data[step % 2]).backward()
            optimizer.step()
            paths[name].append(snapshot(model))
    found = pca_path(model, loss, data, paths, steps=5)
    assert [p.label for p in found.paths] == ["SGD", "Adam"]
    assert np.allclose(found.paths[0].coordinates[-1], 0)
    assert np.allclose(found.paths[0].coordinates[0], found.paths[1].coordinates[0])
    direct = np.mean([float(loss(model, batch).detach()) for batch in data])
    assert found.paths[1].losses[-1] == pytest.approx(direct, rel=1e-12)
    state = pca_path(model, loss, data, [model.state_dict(), paths["SGD"][0]], steps=2)
    assert np.allclose(state.center, np.concatenate([v.ravel() for v in paths["SGD"][0].values()]))


# --- output and errors --------------------------------------------------------------------------


def test_json() -> None:
    found = pca_path(ex6(), paths={"a": [[2, 1], [1, 1], [0.2, 0.1]]}, steps=4)
    again = Slice.from_json(json.loads(json.dumps(found.to_json(directions=True))))
    assert (again.values == found.values).all() and (again.directions == found.directions).all()
    assert again.explained == found.explained and str(again) == str(found)
    assert (again.paths[0].losses == found.paths[0].losses).all()
    assert Slice.from_json(found.to_json()).directions is None
    assert "slice" in found.to_latex() and "path a" in found.paths[0].to_latex()
    with pytest.raises(InputError, match="to_json"):
        Slice.from_json({"axes": 3})


def test_pictures(torch: Any) -> None:
    plt = pytest.importorskip("matplotlib.pyplot", reason="Matplotlib is not installed")
    line = slice_1d(quadratic(), at=[1, -2], steps=5)
    plane = slice_2d(quadratic(), at=[0, 0], steps=5)
    bad = Slice(
        plane.axes, np.where(plane.values > 1, np.inf, plane.values), None, None, ("x",), None, 0
    )
    path = pca_path(
        ex6(), paths={"a": [[2, 1], [1, 1], [0.2, 0.1]], "b": [[0, 1], [1, 0]]}, steps=5
    )
    for found in (line, plane, bad, path):
        ax = found.plot()
        ax.figure.canvas.draw()
        plt.close(ax.figure)
    assert "not finite" in bad.remarks()[0]
    _, ax = plt.subplots()
    assert path.plot(ax, log=False, equal=True) is ax
    assert {t.get_text() for t in ax.get_legend().get_texts()} == {"a", "b"}
    plt.close(ax.figure)
    with pytest.raises(InputError, match="logarithm"):
        line.plot(log=True)


def test_bad_input(torch: Any) -> None:
    model, data = network(torch), batches(torch)
    cases: list[tuple[type[Exception], str, Any]] = [
        (InputError, "at is missing", lambda: slice_2d(ex6())),
        (ShapeError, "give 2", lambda: slice_2d(ex6(), at=[1, 2, 3])),
        (InputError, "no filters", lambda: slice_2d(ex6(), at=[1, 2], normalise="filter")),
        (InputError, "no scale", lambda: slice_2d(ex6(), at=[0, 0], normalise="layer")),
        (InputError, "belongs to a model", lambda: slice_2d(ex6(), loss, at=[1, 2])),
        (InputError, "parallel", lambda: slice_2d(ex6(), at=[1, 2], directions=[[1, 1], [2, 2]])),
        (InputError, "direction is 0", lambda: slice_1d(ex6(), at=[1, 2], direction=[0, 0])),
        (InputError, "smaller first", lambda: slice_1d(ex6(), at=[1, 2], span=(1, -1))),
        (InputError, "at least 2", lambda: slice_1d(ex6(), at=[1, 2], steps=1)),
        (InputError, "all snapshots are equal", lambda: pca_path(ex6(), paths=[[1, 2], [1, 2]])),
        (InputError, "is empty", lambda: pca_path(ex6(), paths={"a": []})),
        (InputError, "paths is missing", lambda: pca_path(ex6())),
        (InputError, "needs loss_fn", lambda: slice_2d(model)),
        (InputError, "torch.nn.Module", lambda: slice_2d(3, loss, data)),
        (InputError, "at least one batch", lambda: slice_2d(model, loss, [], steps=2)),
        (InputError, "one real number", lambda: slice_1d(model, lambda m, b: m(b["x"]), data)),
        (InputError, "scalar tensor", lambda: slice_1d(model, lambda m, b: "loss", data)),
        (InputError, "matches no", lambda: slice_1d(model, loss, data, params="nothing")),
        (InputError, "mode is", lambda: slice_1d(model, loss, data, mode="test")),
        (InputError, "biases is", lambda: slice_1d(model, loss, data, biases="twice")),
        (InputError, "one axis", lambda: slice_1d(model, loss, data, params="bias")),
        (InputError, "no entry", lambda: slice_1d(model, loss, data, direction={"a": 1})),
        (ShapeError, "give 62", lambda: slice_1d(model, loss, data, direction=[1.0])),
    ]
    before = everything(torch, model)
    for error, words, call in cases:
        with pytest.raises(error, match=words):
            call()
    assert everything(torch, model) == before
