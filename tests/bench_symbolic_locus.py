"""Timings of the parametrized critical locus: ``pytest tests/bench_symbolic_locus.py``."""

from __future__ import annotations

import pytest

from detvar.critical import critical_locus
from detvar.exact.matrices import diagonal, identity, matrix
from detvar.losses import SquaredLoss
from detvar.networks.linear import LinearNetwork

RATIONAL = SquaredLoss(identity(3), diagonal([3, 2, 1]))
CUBIC = SquaredLoss(identity(3), matrix([[1, 1, 0], [0, 1, 2], [1, 0, 1]]))
PROBLEMS = [
    ((3, 2, 3), RATIONAL),
    ((3, 3, 3, 3), RATIONAL),
    ((3, 2, 3), CUBIC),
    ((3, 3, 3, 3), CUBIC),
]


@pytest.mark.parametrize(("widths", "loss"), PROBLEMS, ids=str)
def test_build(benchmark, widths, loss):
    locus = critical_locus(LinearNetwork(*widths), loss)
    assert benchmark(locus.symbolic).components


@pytest.mark.parametrize(("widths", "loss"), PROBLEMS, ids=str)
def test_verify(benchmark, widths, loss):
    found = critical_locus(LinearNetwork(*widths), loss).symbolic()
    assert benchmark.pedantic(found.verify, rounds=3).ok
