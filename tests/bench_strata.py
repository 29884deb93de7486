"""Timings of strata and their closure order: ``pytest tests/bench_strata.py``."""

from __future__ import annotations

import pytest

from detvar.exact.matrices import diagonal
from detvar.exact.rational import rational
from detvar.networks.barcodes import count_barcodes
from detvar.networks.fiber import fiber
from detvar.networks.sampling import strings_of_weights, weights_of_strings
from detvar.networks.strata import strata
from detvar.networks.strings import components, critical_strata


@pytest.mark.parametrize("widths", [(3, 3, 3, 3), (3, 3, 3, 3, 3), (3, 2, 3, 2, 3, 2)], ids=str)
def test_strata(benchmark, widths):
    assert len(benchmark(strata, widths)) == count_barcodes(widths)


@pytest.mark.parametrize("rank", [0, 1])
def test_fiber(benchmark, rank):
    assert benchmark(fiber, (3, 3, 3, 3, 3), rank).components


@pytest.mark.parametrize(("widths", "e", "rho"), [((3, 3, 3, 3), 0, 3), ((3, 3, 3, 3, 3), 1, 2)])
def test_critical_components(benchmark, widths, e, rho):
    assert benchmark(lambda: components(critical_strata(widths, e, rho)))


def test_sampling(benchmark):
    s = components(critical_strata((4, 4, 4, 4), 1, 2))[0]
    image = diagonal([rational(1)], 4, 4)
    residual = diagonal([rational(x) for x in (0, 2, 3)], 4, 4)
    weights = benchmark(weights_of_strings, s, image, residual)
    assert strings_of_weights(weights, residual) == s
