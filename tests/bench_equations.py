"""Timings of symbolic critical equations: pytest tests/bench_equations.py.

The data X and Y are all symbols.  Deriving keeps the factors; expanding multiplies them out and
writes every term as a SymPy expression.
"""

from __future__ import annotations

from typing import Any

import pytest

from detvar.critical.symbolic import critical_equations
from detvar.losses import LikelihoodLoss, SymbolicLoss
from detvar.networks.linear import LinearNetwork

SHAPES = {"3-2-3": (3, 2, 3), "3-3-3": (3, 3, 3), "4-3-3-4": (4, 3, 3, 4)}


def symbolic(widths: tuple[int, ...]) -> SymbolicLoss:
    n, m = widths[0], widths[-1]
    table = {
        k: [[f"{k}{i}_{s}" for s in range(n)] for i in range(r)] for k, r in (("x", n), ("y", m))
    }
    return SymbolicLoss("squared", X=table["x"], Y=table["y"])


@pytest.mark.parametrize("name", SHAPES)
def test_derive(benchmark: Any, name: str) -> None:
    network, loss = LinearNetwork(*SHAPES[name]), symbolic(SHAPES[name])
    found = benchmark(lambda: critical_equations(network, loss).equations)
    assert len(found) == network.weight_count


@pytest.mark.parametrize("name", SHAPES)
def test_expand(benchmark: Any, name: str) -> None:
    network, loss = LinearNetwork(*SHAPES[name]), symbolic(SHAPES[name])
    found = benchmark.pedantic(lambda: critical_equations(network, loss).expand(), rounds=3)
    assert len(found) == network.weight_count


@pytest.mark.parametrize("system", ["macaulay2", "singular", "julia"])
def test_export(benchmark: Any, system: str) -> None:
    network, loss = LinearNetwork(3, 3, 3), symbolic((3, 3, 3))
    text = benchmark.pedantic(
        lambda: critical_equations(network, loss).export(system, "ideal"), rounds=3
    )
    assert len(text) > 10_000


def test_denominators(benchmark: Any) -> None:
    network = LinearNetwork(3, 2, 3)
    loss = LikelihoodLoss([[1, 2, 3], [4, 5, 7], [2, 2, 9]])
    found = benchmark.pedantic(
        lambda: critical_equations(network, loss).polynomial_system.equations, rounds=3
    )
    assert len(found) == 12
