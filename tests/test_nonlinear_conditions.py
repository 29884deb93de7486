"""Conditions in function space: bounds against random Jacobians, refusals, what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detvar.errors import InputError, ShapeError
from detvar.optimality.nonlinear import (
    increasing_activations,
    linear_tail,
    residual_contractions,
    smallest_singular_value,
)


def number(x: Any) -> float:
    return float(x.p) / float(x.q)


@pytest.mark.parametrize("seed", range(20))
def test_the_bound_is_below_and_close_to_the_smallest_singular_value(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(1, 5)), int(rng.integers(5, 9))
    w = rng.standard_normal((m, n)) * 10.0 ** rng.integers(-3, 4)
    truth = np.linalg.svd(w, compute_uv=False)[-1]
    bound = number(smallest_singular_value(w))
    assert (1 - 3e-6) * truth <= bound <= truth * (1 + 1e-12)


def test_without_full_row_rank_there_is_no_bound() -> None:
    assert smallest_singular_value([[1, 2], [2, 4]]) == 0
    assert smallest_singular_value([[1], [2]]) == 0


@pytest.mark.parametrize("seed", range(5))
def test_jacobians_of_increasing_layers_obey_the_bound(seed: int) -> None:
    """φ(z) = z + tanh(z)/2 has slopes from 1 to 3/2."""
    rng = np.random.default_rng(seed)
    widths = [6, 5, 4, 3]
    weights = [rng.standard_normal((b, a)) for a, b in zip(widths, widths[1:], strict=False)]
    found = increasing_activations(weights, (1, "3/2"))
    assert found.holds
    for _ in range(50):
        z = 3 * rng.standard_normal(widths[1])
        jacobian = np.eye(widths[1])
        for w in weights[1:]:
            jacobian = w @ np.diag(1 + 0.5 / np.cosh(z) ** 2) @ jacobian
            z = w @ (z + 0.5 * np.tanh(z))
        assert np.linalg.svd(jacobian, compute_uv=False)[-1] >= number(found.bound) * (1 - 1e-9)


def test_a_linear_tail_is_the_product() -> None:
    tail = linear_tail([np.eye(4), [[1, 0, 0, 1], [0, 2, 0, 0], [0, 0, 3, 0]], [[1, 0, 0]]])
    assert tail.holds and abs(number(tail.bound) - 2**0.5) < 1e-5
    assert not linear_tail([np.eye(2), [[1, 1], [1, 1]], [[1, 0], [0, 1]]]).holds


def test_residuals_of_linear_maps_obey_the_bound() -> None:
    rng = np.random.default_rng(3)
    found = residual_contractions(["1/2", "1/4"])
    for _ in range(20):
        product = np.eye(4)
        for kappa in (0.5, 0.25):
            a = rng.standard_normal((4, 4))
            product = (np.eye(4) + kappa * a / np.linalg.norm(a, 2)) @ product
        assert np.linalg.svd(product, compute_uv=False)[-1] >= number(found.bound) - 1e-12
    assert not residual_contractions([1]).holds


def test_what_is_said_and_refused() -> None:
    found = residual_contractions(["1/2"])
    assert "in function space" in str(found) and "not of a critical point" in str(found)
    assert found.to_json()["where"] == "function space" and "function space" in found.to_latex()
    with pytest.raises(InputError, match="ReLU"):
        increasing_activations([[[1]], [[1]]], (0, 1))
    assert linear_tail([[[1], [1]], [[1, 0], [0, 1]]]).holds  # more outputs than inputs
    narrow = linear_tail([[[1, 0]], [[1], [1]]])
    assert not narrow.holds and "a width is 1, below the 2 outputs" in narrow.reason
    with pytest.raises(ShapeError, match="W_1 has 1 rows"):
        linear_tail([[[1, 0]], [[1, 1]]])
    with pytest.raises(InputError, match=r"W_1\[0\]\[0\] is nan"):
        linear_tail([[[float("nan")]]])
    with pytest.raises(InputError, match="negative"):
        residual_contractions([-1])


# --- the Jacobian of a torch module -------------------------------------------------------------


@pytest.fixture()
def torch() -> Any:
    return pytest.importorskip("torch", reason="torch is not installed")


def test_the_jacobian_of_a_linear_module_is_the_known_one(torch: Any) -> None:
    from detvar.optimality.parametric import output_jacobian

    module = torch.nn.Linear(3, 2)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    x = np.random.default_rng(0).standard_normal((4, 3))
    j = output_jacobian(module, x)
    eye = np.eye(2)
    by_weight = np.einsum("ik,sj->sikj", eye, x).reshape(8, 6)
    by_bias = np.tile(eye, (4, 1))
    assert np.allclose(j, np.concatenate([by_weight, by_bias], axis=1))
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert all(p.grad is None and p.dtype == torch.float32 for p in module.parameters())
    assert module.training and not module._forward_pre_hooks


def test_the_jacobian_agrees_with_differences(torch: Any) -> None:
    from detvar.optimality.parametric import output_jacobian, parametric_condition

    torch.manual_seed(1)
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)
    ).double()
    x = torch.randn(4, 3, dtype=torch.float64)
    j = output_jacobian(module, x)
    flat = torch.nn.utils.parameters_to_vector(module.parameters()).detach()
    for k in (0, 7, 16, 24):
        moved = []
        for sign in (1, -1):
            v = flat.clone()
            v[k] += sign * 1e-6
            torch.nn.utils.vector_to_parameters(v, module.parameters())
            moved.append(module(x).detach().numpy().ravel())
        torch.nn.utils.vector_to_parameters(flat, module.parameters())
        assert np.allclose((moved[0] - moved[1]) / 2e-6, j[:, k], atol=1e-8)
    found = parametric_condition(module, x)
    assert found.holds and found.tier == "certified" and found.outputs == 8
    repeated = parametric_condition(module, torch.cat([x, x]))
    assert repeated.holds is None  # equal samples have equal rows


def test_kinks_and_chance_are_refused_by_name(torch: Any) -> None:
    from detvar.optimality.parametric import output_jacobian

    module = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False), torch.nn.ReLU())
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0, 0.0], [1.0, -1.0]]))
    with pytest.raises(InputError, match=r"unit 1 of 1 \(ReLU\) is at its kink on sample 1"):
        output_jacobian(module, [[1.0, 2.0], [3.0, 3.0]])
    assert not module[1]._forward_pre_hooks
    assert output_jacobian(module, [[1.0, 2.0]]).shape == (2, 4)
    random = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))
    with pytest.raises(InputError, match=r"module.eval"):
        output_jacobian(random, [[1.0, 2.0]])
    assert output_jacobian(random.eval(), [[1.0, 2.0]]).shape == (2, 6)
