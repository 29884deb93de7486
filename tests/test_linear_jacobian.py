"""Proved singular values of Jacobians: exact differences, extended precision, torch's own."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from detvar.errors import InputError, ShapeError
from detvar.exact.balls import exact_float
from detvar.exact.inertia import is_positive_semidefinite
from detvar.exact.matrices import identity, matrix
from detvar.optimality.jacobian import linear_jacobian, singular_values
from detvar.optimality.parametric import output_jacobian, parametric_condition
from detvar.optimality.reading import read_weights
from detvar.optimality.rounding import Enclosed, from_float


def outputs(layers: list[tuple[np.ndarray, np.ndarray | None]], x: np.ndarray) -> np.ndarray:
    """F(X), samples as rows, for Python integers or floats."""
    for w, b in layers:
        x = x @ w.T if b is None else x @ w.T + b
    return x.ravel()


def by_differences(layers: list[tuple[Any, Any]], x: np.ndarray) -> np.ndarray:
    """J exactly: F is affine in every single weight, so that a step of 1 is the derivative."""
    columns = []
    start = outputs(layers, x)
    for pair in layers:
        for part in pair:
            for at in np.ndindex(part.shape) if part is not None else ():
                part[at] += 1
                columns.append(outputs(layers, x) - start)
                part[at] -= 1
    return np.array(columns).T


def network(
    rng: np.random.Generator, widths: list[int], biases: tuple[int, ...]
) -> list[tuple[np.ndarray, np.ndarray | None]]:
    return [
        (
            rng.integers(-4, 5, (b, a)).astype(object),
            rng.integers(-4, 5, b).astype(object) if i in biases else None,
        )
        for i, (a, b) in enumerate(pairwise(widths))
    ]


def named(layers: list[tuple[Any, Any]]) -> dict[str, np.ndarray]:
    out = {}
    for i, (w, b) in enumerate(layers):
        out[f"{i}.weight"] = w.astype(float)
        if b is not None:
            out[f"{i}.bias"] = b.astype(float)
    return out


@pytest.mark.parametrize("biases", [(), (0,), (1,), (0, 1, 2)])
@pytest.mark.parametrize("widths", [[3, 3, 3, 2], [3, 2, 4, 2], [4, 1, 3, 3], [2, 4, 3, 3]])
@pytest.mark.parametrize("seed", range(3))
def test_bounds_of_linear_networks_hold_exactly(
    seed: int, widths: list[int], biases: tuple[int, ...]
) -> None:
    """JJᵀ − low²I ⪰ 0, decided over the rationals, and low is close to σ_min."""
    rng = np.random.default_rng(seed)
    layers = network(rng, widths, biases)
    x = rng.integers(-3, 4, (2, widths[0])).astype(object)
    found = linear_jacobian(read_weights(named(layers), order=["0", "1", "2"]), x.astype(float))
    j = by_differences(layers, x)
    assert found.samples and j.shape == (found.outputs, found.parameters)
    exact = matrix([[int(e) for e in row] for row in j], "J")
    gram, low = exact * exact.transpose(), exact_float(found.smallest[0])
    assert is_positive_semidefinite(gram - identity(gram.nrows()) * (low * low))
    truth = np.linalg.svd(j.astype(float), compute_uv=False)
    assert found.smallest[0] >= truth[-1] - 1e-10 and found.smallest[1] <= truth[-1] + 1e-10
    assert abs(found.largest[1] - truth[0]) < 1e-9


def test_more_samples_than_inputs_are_taken_onto_linear_maps() -> None:
    """All outputs have rank at most d_h · n; on that image the bound is below the least σ > 0."""
    rng = np.random.default_rng(1)
    layers = network(rng, [3, 4, 2], ())
    x = rng.integers(-3, 4, (12, 3)).astype(object)
    found = linear_jacobian(read_weights(named(layers)), x.astype(float))
    j = by_differences(layers, x).astype(float)
    sizes = np.linalg.svd(j, compute_uv=False)
    assert not found.samples and found.outputs == 6
    assert sizes[6] < 1e-9 and 0 < found.smallest[0] <= sizes[5]
    condition = parametric_condition(named(layers), x.astype(float))
    assert condition.holds and "linear maps" in condition.reason
    collapsed = parametric_condition([np.zeros((4, 3)), np.zeros((2, 4))], x.astype(float))
    assert collapsed.holds is None and collapsed.smallest == 0.0
    narrow = parametric_condition([np.ones((1, 3)), np.ones((3, 1))], np.eye(3))
    assert narrow.holds is False and "9 outputs and only 6 parameters" in narrow.reason


def test_large_networks_are_bounded_layer_by_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    from detvar.optimality import jacobian

    rng = np.random.default_rng(2)
    weights = read_weights([rng.standard_normal((b, a)) for a, b in pairwise([6, 9, 8, 3])])
    x = rng.standard_normal((5, 6))
    sharp = linear_jacobian(weights, x).smallest
    monkeypatch.setattr(jacobian, "MOST_ROWS", 1)
    coarse = linear_jacobian(weights, x)
    assert 0 < coarse.smallest[0] <= sharp[1] and coarse.largest[1] >= sharp[1]


@pytest.mark.parametrize("seed", range(10))
def test_singular_values_of_everything_in_the_enclosure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m, n = (int(k) for k in rng.integers(1, 9, 2))
    a = rng.standard_normal((m, n)) * 10.0 ** rng.integers(-5, 6)
    rad = float(np.linalg.norm(a)) * 1e-3
    small, large = singular_values(Enclosed(a, rad))
    for _ in range(20):
        d = rng.standard_normal((m, n))
        sizes = np.linalg.svd(a + rad * d / np.linalg.norm(d), compute_uv=False)
        assert small[0] <= sizes[-1] * (1 + 1e-12) and sizes[-1] <= small[1] * (1 + 1e-12)
        assert large[0] <= sizes[0] * (1 + 1e-12) and sizes[0] <= large[1] * (1 + 1e-12)


def test_singular_matrices_have_no_bound() -> None:
    assert singular_values(from_float(np.ones((3, 3))))[0][0] == 0
    assert singular_values(Enclosed(np.ones((2, 2)), float("inf")))[0] == (0.0, float("inf"))
    with pytest.raises(ShapeError, match="samples × 2 inputs"):
        linear_jacobian(read_weights([np.ones((1, 2))]), np.ones((3, 5)))


# --- entrywise activations ------------------------------------------------------------------------


@pytest.fixture()
def torch() -> Any:
    return pytest.importorskip("torch", reason="torch is not installed")


def extended(module: Any, x: np.ndarray, slope: Any, value: Any) -> np.ndarray:
    """J of Linear, φ, Linear, φ, Linear by the chain rule in 64-bit mantissas."""
    wide = np.longdouble
    parts = [module[k] for k in (0, 2, 4)]
    ws = [p.weight.detach().numpy().astype(wide) for p in parts]
    bs = [p.bias.detach().numpy().astype(wide) for p in parts]
    rows = []
    for s in x.astype(wide):
        zs, slopes = [s], []
        for w, b in zip(ws[:-1], bs[:-1], strict=True):
            before = w @ zs[-1] + b
            slopes.append(slope(before))
            zs.append(value(before))
        deltas = [ws[2] * slopes[1] @ ws[1] * slopes[0], ws[2] * slopes[1], np.eye(len(bs[2]))]
        blocks = []
        for delta, z in zip(deltas, zs, strict=True):
            blocks += [np.einsum("ka,b->kab", delta, z).reshape(len(bs[2]), -1), delta]
        rows.append(np.hstack(blocks))
    return np.vstack(rows)


@pytest.mark.parametrize("kind", ["Tanh", "Sigmoid", "Softplus", "ReLU", "ELU", "SiLU"])
def test_the_enclosure_holds_the_jacobian_in_extended_precision(torch: Any, kind: str) -> None:
    from detvar.optimality.jacobian import layers_jacobian, module_layers
    from detvar.optimality.torch_modules import module_parts

    def logistic(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    functions = {
        "Tanh": (lambda z: 1 / np.cosh(z) ** 2, np.tanh),
        "Sigmoid": (lambda z: logistic(z) * (1 - logistic(z)), logistic),
        "Softplus": (logistic, lambda z: np.log1p(np.exp(z))),
        "ReLU": (lambda z: (z > 0) * 1.0, lambda z: z * (z > 0)),
        "ELU": (lambda z: np.exp(np.minimum(z, 0)), lambda z: np.maximum(z, np.expm1(z * (z < 0)))),
        "SiLU": (
            lambda z: logistic(z) * (1 + z * (1 - logistic(z))),
            lambda z: z * logistic(z),
        ),
    }
    torch.manual_seed(3)
    act = getattr(torch.nn, kind)
    linear = torch.nn.Linear
    module = torch.nn.Sequential(linear(4, 7), act(), linear(7, 6), act(), linear(6, 2))
    x = np.random.default_rng(0).standard_normal((5, 4))
    layers = module_layers(module_parts(module))
    assert layers is not None
    found = layers_jacobian(layers, x)
    truth = extended(module, x, *functions[kind])
    order = [slice(k, k + n) for k, n in _spans(module)]
    mine = np.hstack([found.mid[:, span] for span in order])
    distance = float(np.linalg.norm((mine - truth).astype(float)))
    assert distance <= found.rad <= 1e-12
    assert np.allclose(output_jacobian(module, x), truth.astype(float), atol=1e-13)
    condition = parametric_condition(module, x)
    assert condition.tier == "certified"
    sizes = np.linalg.svd(truth.astype(float), compute_uv=False)
    assert condition.holds and sizes[-1] - 1e-11 <= condition.smallest <= sizes[-1] + 1e-14


def _spans(module: Any) -> list[tuple[int, int]]:
    """Where the blocks of (W_1, b_1, W_2, …) stand; the enclosure goes from the last layer back."""
    sizes = [[p.numel() for p in module[k].parameters()] for k in (0, 2, 4)]
    starts, at = {}, 0
    for layer in (2, 1, 0):
        for role in (0, 1):
            starts[layer, role] = at
            at += sizes[layer][role]
    return [(starts[i, r], sizes[i][r]) for i in range(3) for r in (0, 1)]


def test_shared_frozen_and_unused_parameters(torch: Any) -> None:
    nn = torch.nn
    torch.manual_seed(4)
    shared = nn.Linear(3, 3)
    twice = nn.Sequential(shared, nn.Tanh(), shared)
    x = torch.randn(2, 3)
    found = parametric_condition(twice, x)
    j = output_jacobian(twice, x)
    assert j.shape == (6, 12) and found.parameters == 12 and found.tier == "certified"
    assert abs(found.smallest - np.linalg.svd(j, compute_uv=False)[-1]) < 1e-12
    linear_twice = nn.Sequential(shared, shared)  # not a free linear network
    found = parametric_condition(linear_twice, x)
    sizes = np.linalg.svd(output_jacobian(linear_twice, x), compute_uv=False)
    assert found.parameters == 12 and abs(found.smallest - sizes[-1]) < 1e-12

    frozen = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    frozen[1].requires_grad_(False)
    found = parametric_condition(frozen, x)
    assert found.parameters == 12 == output_jacobian(frozen, x).shape[1]
    with pytest.raises(InputError, match="no parameter of the module is trained"):
        parametric_condition(frozen.requires_grad_(False), x)

    class Spare(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(3, 2), nn.Linear(5, 5)

        def forward(self, z: Any) -> Any:
            return self.used(z)

    j = output_jacobian(Spare(), x)
    assert j.shape == (4, 8 + 30) and not j[:, 8:].any()
    assert parametric_condition(Spare(), x).tier == "numerical"


def test_modes_kinks_and_types(torch: Any) -> None:
    nn = torch.nn
    x = torch.randn(4, 3)
    normed = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    with pytest.raises(InputError, match=r"mixes the samples.*eval"):
        parametric_condition(normed, x)
    before = {k: v.clone() for k, v in normed.state_dict().items()}
    assert parametric_condition(normed.eval(), x[:2]).tier == "numerical"
    assert all(torch.equal(v, before[k]) for k, v in normed.state_dict().items())
    nothing_kept = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, track_running_stats=False))
    with pytest.raises(InputError, match="track_running_stats"):
        parametric_condition(nothing_kept.eval(), x)
    assert parametric_condition(nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.0)), x[:2]).holds

    class Body(nn.Module):  # type: ignore[misc]
        def __init__(self, after: Any) -> None:
            super().__init__()
            self.inner, self.after = nn.Linear(3, 3, bias=False), after

        def forward(self, z: Any) -> Any:
            return self.after(self.inner(z))

    zero = torch.zeros(1, 3)
    for after in (torch.relu, torch.abs, lambda z: z.clamp(min=0), nn.functional.selu):
        with pytest.raises(InputError, match=r"unit 0 of the module \(Body\) is at its kink"):
            output_jacobian(Body(after), zero)
    assert output_jacobian(Body(nn.functional.celu), zero).shape == (3, 9)
    chance = Body(lambda z: z + torch.rand(()))
    state = torch.random.get_rng_state()
    with pytest.raises(InputError, match="other outputs when it is asked again"):
        output_jacobian(chance, x)
    assert torch.equal(torch.random.get_rng_state(), state)
    with pytest.raises(InputError, match="float64"):
        output_jacobian(Body(lambda z: z.float()), x)
    with pytest.raises(InputError, match="does not run on these samples"):
        output_jacobian(Body(torch.relu), torch.randn(4, 5))
    with pytest.raises(InputError, match="give the samples as rows of this length"):
        parametric_condition(nn.Sequential(nn.Linear(3, 2), nn.Tanh()), torch.randn(4, 5))

    kinked = nn.Sequential(nn.Linear(3, 2, bias=False), nn.ReLU())
    with pytest.raises(InputError, match=r"unit 0 of 1 \(ReLU\) is at its kink on sample 1"):
        parametric_condition(kinked, torch.cat([torch.ones(1, 3) * 0.3, zero]))
    single = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
    found = parametric_condition(single, x)
    double = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    double.load_state_dict(single.state_dict())
    assert parametric_condition(double, x.double()).smallest == found.smallest
    assert all(p.dtype == torch.float32 and p.grad is None for p in single.parameters())


KINKS: list[tuple[str, tuple[Any, ...], float]] = [
    ("ReLU", (), 0.0),
    ("ReLU6", (), 6.0),
    ("LeakyReLU", (), 0.0),
    ("PReLU", (), 0.0),
    ("RReLU", (), 0.0),
    ("SELU", (), 0.0),
    ("ELU", (2.0,), 0.0),
    ("Hardtanh", (-2.0, 3.0), 3.0),
    ("Hardsigmoid", (), -3.0),
    ("Hardswish", (), 3.0),
    ("Hardshrink", (0.25,), -0.25),
    ("Softshrink", (), 0.5),
    ("Threshold", (0.5, 0.1), 0.5),
]


@pytest.mark.parametrize(("kind", "options", "at"), KINKS)
def test_every_kink_is_refused_and_only_there(
    torch: Any, kind: str, options: tuple[Any, ...], at: float
) -> None:
    linear = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        linear.weight.fill_(1.0)
    module = torch.nn.Sequential(linear, getattr(torch.nn, kind)(*options)).eval()
    with pytest.raises(InputError, match=rf"unit 0 of 1 \({kind}\) is at its kink on sample 1"):
        output_jacobian(module, [[at + 0.1], [at]])
    with pytest.raises(InputError, match=rf"unit 0 of 1 \({kind}\) is at its kink on sample 1"):
        parametric_condition(module, [[at + 0.1], [at]])
    assert np.isfinite(output_jacobian(module, [[at + 1e-6], [at - 1e-6]])).all()


@pytest.mark.parametrize("kind", ["ELU", "CELU", "Softsign", "Tanh"])
def test_what_has_a_derivative_at_zero_is_taken_there(torch: Any, kind: str) -> None:
    linear = torch.nn.Linear(1, 1, bias=False)
    module = torch.nn.Sequential(linear, getattr(torch.nn, kind)(), torch.nn.Linear(1, 1))
    assert output_jacobian(module, [[0.0]]).shape == (1, 3)


def test_a_derivative_that_is_not_finite_is_refused(torch: Any) -> None:
    class Root(torch.nn.Module):  # type: ignore[misc]
        def forward(self, z: Any) -> Any:
            return torch.sqrt(z * z)

    with pytest.raises(InputError, match="no finite derivative"):
        output_jacobian(torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), Root()), [[0.0]])
