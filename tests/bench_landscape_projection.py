"""Speed of projections to fibers, and of slices."""

from typing import Any

import numpy as np
import pytest

from detvar.landscape.examples import ex6
from detvar.landscape.fiber_projection import project_to_fiber
from detvar.landscape.slices import slice_2d


@pytest.mark.parametrize("certify", [False, True])
@pytest.mark.parametrize("r", [1, 2, 3])
def test_near_points(benchmark: Any, r: int, certify: bool) -> None:
    """Certified by the first start."""
    rng = np.random.default_rng(r)
    w = rng.standard_normal((4, r)) @ rng.standard_normal((r, 3))
    b, a = 0.1 * rng.standard_normal((4, r)), 0.1 * rng.standard_normal((r, 3))
    benchmark(project_to_fiber, b, a, w, certify=certify)


@pytest.mark.parametrize("r", [2, 3])
def test_all_starts(benchmark: Any, r: int) -> None:
    """Far away, where no certificate ends the search."""
    rng = np.random.default_rng(r + 1)
    w = np.diag(np.linspace(2, 1, r))
    b, a = 3 * rng.standard_normal((r, r)), 3 * rng.standard_normal((r, r))
    benchmark(project_to_fiber, b, a, w)


def test_slice_of_a_sum(benchmark: Any) -> None:
    """10 201 points."""
    benchmark(slice_2d, ex6(), at=[0.5, 0.5], steps=101)
