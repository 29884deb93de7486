"""Conditions in function space read off torch modules: bounds against Jacobians, named reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from detvar.errors import InputError, ShapeError

torch = pytest.importorskip("torch", reason="torch is not installed")
nn = torch.nn

from detvar.optimality.nonlinear_modules import (  # noqa: E402
    entrywise,
    function_space_conditions,
)


class Residual(nn.Module):  # type: ignore[misc]
    def __init__(self, inner: Any, first: bool = True) -> None:
        super().__init__()
        self.inner, self.first = inner, first

    def forward(self, x: Any) -> Any:
        return x + self.inner(x) if self.first else self.inner(x) + x


class Doubled(Residual):
    def forward(self, x: Any) -> Any:
        return 2 * x + self.inner(x)


class Outside(Residual):
    def forward(self, x: Any) -> Any:
        return x + torch.relu(self.inner(x))


class Branching(Residual):
    def forward(self, x: Any) -> Any:
        return x + self.inner(x) if x.sum() > 0 else x


class Increasing(nn.Module):  # type: ignore[misc]
    """φ(z) = z + tanh(z)/2 has slopes from 1 to 3/2."""

    def forward(self, z: Any) -> Any:
        return z + torch.tanh(z) / 2


def linear(inputs: int, outputs: int, bias: bool = False, norm: float | None = None) -> Any:
    layer = nn.Linear(inputs, outputs, bias=bias)
    if norm is not None:
        with torch.no_grad():
            layer.weight.mul_(norm / torch.linalg.matrix_norm(layer.weight, 2))
    return layer


def decided(*layers: Any, **options: Any) -> tuple[Any, ...]:
    return function_space_conditions(nn.Sequential(*layers), **options)


def number(x: Any) -> float:
    return float(x.p) / float(x.q)


def least_over_points(tail: Any, width: int, seed: int = 0) -> float:
    """The least σ_min of the Jacobian of the tail at random points, by torch."""
    generator = torch.Generator().manual_seed(seed)
    tail = tail.double()
    out = np.inf
    for scale in (0.1, 1.0, 5.0):
        for _ in range(15):
            z = scale * torch.randn(width, generator=generator, dtype=torch.float64)
            j = torch.func.jacrev(tail)(z).detach().numpy()
            out = min(out, float(np.linalg.svd(j, compute_uv=False)[-1]))
    return out


@pytest.mark.parametrize("seed", range(4))
def test_residual_contractions_obey_their_bound(seed: int) -> None:
    torch.manual_seed(seed)
    tail = nn.Sequential(
        Residual(nn.Sequential(linear(5, 7, norm=0.8), nn.Tanh(), linear(7, 5, norm=0.7))),
        Residual(linear(5, 5, norm=0.3), first=False),
        linear(5, 3),
    )
    found = decided(linear(6, 5), *tail)[2]
    assert found.holds and "Theorem 4.1, where h_1 is module 0" in found.reason
    assert number(found.bound) <= least_over_points(tail, 5)
    assert abs(number(found.bound) / (0.44 * 0.7)) < 10  # σ_min of the last layer is of order 1
    assert found.to_json()["where"] == "function space" and "in function space" in str(found)


def test_a_residual_that_is_no_contraction_is_named() -> None:
    found = decided(linear(4, 3), Residual(linear(3, 3, norm=1.5)), linear(3, 2))[2]
    assert not found.holds and "the residual of module 1 (Residual)" in found.reason
    assert "1.5" in found.reason


@pytest.mark.parametrize("seed", range(4))
def test_stated_slopes_give_increasing_activations(seed: int) -> None:
    torch.manual_seed(seed)
    tail = nn.Sequential(Increasing(), linear(6, 4), Increasing(), linear(4, 3))
    found = decided(linear(7, 6), *tail, slopes={"1": (1, "3/2"), "3": (1, "3/2")})
    assert [f.holds for f in found] == [True, True, False]
    assert "as stated" in found[1].reason and "as one map" in found[0].reason
    assert 0 < number(found[1].bound) <= least_over_points(tail, 6)


@pytest.mark.parametrize("size", [12, 60])
def test_a_linear_tail_by_both_routes(size: int) -> None:
    """Exactly up to width 40, by enclosures beyond."""
    torch.manual_seed(1)
    last = [linear(size, size), linear(size, 5)]
    found = decided(linear(size, size), nn.GELU(), *last)[0]
    product = last[1].weight.double() @ last[0].weight.double()
    truth = float(torch.linalg.svdvals(product.detach())[-1])
    assert found.holds and truth * (1 - 3e-6) <= number(found.bound) <= truth
    flat = linear(size, 5)
    with torch.no_grad():
        flat.weight[1] = flat.weight[0]
    assert "full row rank" in decided(linear(size, size), nn.Tanh(), flat)[0].reason


def test_more_outputs_than_inputs() -> None:
    """Theorem 4.2: invertible maps before h_j, a full-rank tail after it."""
    torch.manual_seed(2)
    found = decided(linear(3, 3), linear(3, 6))[0]
    assert found.holds and "Theorem 4.2, where h_j is module 1" in found.reason
    found = decided(linear(3, 8), linear(8, 6))[0]
    assert found.holds and "4.2 with j = 1" in found.reason
    assert "widths increase" in decided(linear(3, 4), linear(4, 6))[0].reason
    singular = linear(3, 3)
    with torch.no_grad():
        singular.weight.zero_()
    assert not decided(singular, linear(3, 6))[0].holds
    back = decided(linear(3, 3), Increasing(), linear(3, 6), slopes={"1": (1, 2)})[1]
    assert back.holds and "4.2" in back.reason
    contraction = decided(Residual(linear(3, 3, norm=0.5)), linear(3, 6))[2]
    assert contraction.holds and "4.2" in contraction.reason


FAILS: list[tuple[Callable[[], Any], int, str]] = [
    (nn.Tanh, 1, "slopes as small as one likes.*not on a bounded range"),
    (nn.Sigmoid, 1, r"Sigmoid\) has φ\(0\) ≠ 0"),
    (nn.Softplus, 1, r"Softplus\) has φ\(0\) ≠ 0"),
    (nn.LeakyReLU, 1, r"LeakyReLU\) is not differentiable everywhere"),
    (nn.ReLU, 0, r"ReLU\) is not differentiable everywhere"),
    (nn.SELU, 1, r"SELU\) is not differentiable everywhere"),
    (nn.ELU, 1, r"ELU\) is not twice differentiable"),
    (lambda: nn.ELU(0.5), 1, r"ELU\) is not differentiable"),
    (nn.GELU, 1, r"GELU\) is not strictly increasing"),
    (nn.SiLU, 1, r"SiLU\) is not strictly increasing"),
    (nn.Softsign, 1, "not twice differentiable"),
    (nn.PReLU, 1, "not differentiable"),
]


@pytest.mark.parametrize(("make", "which", "words"), FAILS)
def test_the_failing_hypothesis_is_named(make: Any, which: int, words: str) -> None:
    import re

    found = decided(linear(4, 3), make(), linear(3, 2))[which]
    assert not found.holds and found.bound == 0 and re.search(words, found.reason)


def test_what_is_trivially_linear_is_linear() -> None:
    found = decided(linear(4, 3), nn.LeakyReLU(1.0), nn.Identity(), linear(3, 2))
    assert found[0].holds and found[1].holds and found[0].bound == found[1].bound
    assert "stands last" in decided(linear(4, 3), nn.Tanh())[0].reason


def test_biases() -> None:
    free = decided(linear(4, 3, bias=True), nn.Tanh(), linear(3, 2))[0]
    assert free.holds and "(x, 1)" in free.reason
    bound = decided(linear(4, 3), nn.Tanh(), linear(3, 2, bias=True))[0]
    assert not bound.holds and "module 2 (Linear) has a bias" in bound.reason
    layer = linear(3, 2, bias=True)
    with torch.no_grad():
        layer.bias.zero_()
    assert decided(linear(4, 3), nn.Tanh(), layer)[0].holds


@pytest.mark.parametrize(
    "part",
    [
        nn.Tanh(),
        nn.Sigmoid(),
        nn.LogSigmoid(),
        nn.Softplus(beta=2.0),
        nn.Softsign(),
        nn.Tanhshrink(),
        nn.SELU(),
        nn.ELU(),
        nn.ELU(2.5),
        nn.CELU(0.5),
        nn.GELU(),
        nn.GELU("tanh"),
        nn.SiLU(),
        nn.Mish(),
        nn.Hardswish(),
        nn.ReLU(),
        nn.ReLU6(),
        nn.Hardtanh(),
        nn.Hardsigmoid(),
        nn.Softshrink(),
        nn.LeakyReLU(0.2),
        nn.PReLU(),
    ],
    ids=str,
)
def test_what_is_said_of_activations_agrees_with_their_values(part: Any) -> None:
    """Slopes, smoothness and φ(0) against torch on a fine grid, off the kinks."""
    known = entrywise(part)
    assert known is not None
    z = torch.linspace(-30, 30, 240_002, dtype=torch.float64)
    z.requires_grad_(True)
    part = part.double()
    values = part(z)
    slopes = torch.autograd.grad(values.sum(), z)[0].detach().numpy()
    size = max(abs(slopes.min()), abs(slopes.max()))
    assert size <= number(known.most) + 1e-9
    if known.increasing:
        assert slopes.min() >= number(known.least) - 1e-12
    else:
        assert slopes.min() <= 0
    zero = float(part(torch.zeros(1, dtype=torch.float64)).detach())
    assert (abs(zero) < 1e-12) == known.at_zero
    jump = float(np.abs(np.diff(slopes)).max())
    assert (jump > 0.1) == (known.times == 0)
    if known.least == 0 and known.increasing:
        assert slopes.min() < 1e-2


def test_what_is_not_recognised_is_refused() -> None:
    for part in (nn.Bilinear(2, 2, 2), nn.LayerNorm(3), Increasing()):
        with pytest.raises(InputError, match="module 1 .* is not known here"):
            decided(linear(4, 3), part, linear(3, 2))
    for part in (Doubled(linear(3, 3)), Branching(linear(3, 3)), Outside(linear(3, 3))):
        with pytest.raises(InputError, match="is not known here"):
            decided(linear(4, 3), part, linear(3, 2))
    with pytest.raises(InputError, match="works in place"):
        inner = nn.Sequential(nn.Tanh(), nn.ReLU(inplace=True))
        decided(linear(4, 3), Residual(inner), linear(3, 2))
    with pytest.raises(InputError, match="no torch.nn.Linear"):
        decided(nn.Tanh())
    with pytest.raises(ShapeError, match=r"module 1 \(Linear\) takes 2 numbers, and 3 come"):
        decided(linear(4, 3), linear(2, 2))
    for inner in (linear(3, 1), nn.Sequential(nn.Tanh(), linear(3, 1))):  # broadcasting
        with pytest.raises(ShapeError, match="as many numbers as it takes"):
            decided(linear(4, 3), Residual(inner), linear(3, 2))
        with pytest.raises(ShapeError, match="as many numbers as it takes"):
            decided(Residual(inner), linear(3, 2))
    with pytest.raises(InputError, match="which the module does not have"):
        decided(linear(4, 3), slopes={"7": (1, 2)})
    with pytest.raises(InputError, match=r"must be a torch\.nn\.Sequential"):
        function_space_conditions([np.eye(2)])
    with pytest.raises(InputError, match="0 < c ≤ C"):
        decided(linear(4, 3), Increasing(), linear(3, 2), slopes={"1": (0, 1)})
    bad = linear(4, 3)
    with torch.no_grad():
        bad.weight[1, 2] = float("nan")
    with pytest.raises(InputError, match=r"0\.weight\[1\]\[2\] is nan"):
        decided(bad, nn.Tanh(), linear(3, 2))


def test_the_module_comes_back_untouched() -> None:
    module = nn.Sequential(linear(4, 3), Residual(linear(3, 3, norm=0.5)), linear(3, 2))
    before = {k: v.clone() for k, v in module.state_dict().items()}
    function_space_conditions(module)
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert type(module[1]) is Residual and module.training
