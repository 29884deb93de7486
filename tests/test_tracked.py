"""Tracked critical points: the equations, the counts, and the points of known problems."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from detvar.critical.dimension import local_dimension
from detvar.critical.families import QuadraticFamily as Family
from detvar.critical.families import family_of
from detvar.critical.rank_system import RankSystem
from detvar.critical.tracked import generic_fiber, track_to
from detvar.errors import IncompleteError, InputError
from detvar.exact.matrices import Matrix, kron, matrix, rank
from detvar.losses import QuadraticLoss, SquaredLoss, WeightedSquaredLoss

np = pytest.importorskip("numpy")


def weighted(m: int, n: int, rng: Random) -> WeightedSquaredLoss:
    target = [[f"{rng.randint(-99, 99)}/10" for _ in range(n)] for _ in range(m)]
    lam = [[f"{rng.randint(1, 99)}/10" for _ in range(n)] for _ in range(m)]
    return WeightedSquaredLoss(target, lam)


def definite(m: int, n: int, rng: Random) -> QuadraticLoss:
    k = m * n
    a = Matrix(k, k, [rng.randint(-2, 2) for _ in range(k * k)])
    form = a * a.transpose() + Matrix(k, k, [int(i == j) for i in range(k) for j in range(k)])
    return QuadraticLoss([[rng.randint(-3, 3) for _ in range(n)] for _ in range(m)], form)


@pytest.mark.parametrize("make", [weighted, definite])
@pytest.mark.parametrize(("m", "n", "r"), [(2, 2, 1), (2, 3, 1), (3, 3, 1), (3, 3, 2), (3, 4, 2)])
def test_the_equations_are_the_gradient_in_the_chart(make: Any, m: int, n: int, r: int) -> None:
    """Over Q, in every chart: against ∇ℓ of the loss itself and the chain rule."""
    rng = Random(m + 10 * n + 100 * r)
    loss = make(m, n, rng)
    made = RankSystem(family_of(loss), r)
    parameters = made.family.parameters(loss)
    for order in made.orders:
        x = Matrix(made.unknowns, 1, [rng.randint(-3, 3) for _ in range(made.unknowns)]).entries()
        seen = [parameters[i] for i in made.family.permuted(order)]
        stacked = Matrix(m, n, made.entries(x))
        w = Matrix(m, n)
        for i, row in enumerate(order):
            for j in range(n):
                w[row, j] = stacked[i, j]
        assert rank(w) <= r
        g = loss.gradient(w)
        g = Matrix(m, n, [g[row, j] for row in order for j in range(n)])
        a = Matrix(m - r, r, x[: (m - r) * r])
        b = Matrix(r, n, x[(m - r) * r :])
        top = Matrix(r, n, g.entries()[: r * n])
        low = Matrix(m - r, n, g.entries()[r * n :])
        want = [*(low * b.transpose()).entries(), *(top + a.transpose() * low).entries()]
        assert made.equations(x, seen) == want


@pytest.mark.parametrize(("m", "n", "r"), [(2, 3, 1), (3, 3, 2), (4, 4, 2)])
def test_charts_describe_the_same_points(m: int, n: int, r: int) -> None:
    made = RankSystem(Family("weighted", m, n), r)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, made.unknowns)) + 1j * rng.standard_normal((50, made.unknowns))
    x[:, : (m - r) * r] *= 30
    chart = rng.integers(0, len(made.orders), 50)
    p = rng.standard_normal((50, made.family.parameter_count)) + 0j
    y, ids = made.switch(x, chart)
    assert np.allclose(made.matrices(x, chart), made.matrices(y, ids))
    assert not made.needs_switch(y).any() and np.abs(y[:, : (m - r) * r]).max() < 1.6
    # where one chart says the gradient vanishes, so does the other: compare at true solutions
    assert made.parameters(p, ids).shape == p.shape


@pytest.mark.parametrize(
    ("m", "n", "r", "count"),
    [(2, 2, 1, 6), (2, 3, 1, 10), (3, 3, 1, 39), (3, 3, 2, 39), (3, 4, 1, 83)],
)
def test_every_generic_fiber_has_the_count_of_the_polar_degrees(
    m: int, n: int, r: int, count: int
) -> None:
    """6, 10, 39, 83: Gröbner counts recorded in the literature on weighted low-rank approximation
    (Ottaviani, Spaenlehauer, Sturmfels 2014)."""
    family = Family("weighted", m, n)
    assert family.expected(r)[0] == count
    for seed in (0, 1):
        assert generic_fiber(family, r, seed=seed).count == count


def test_a_general_form_has_the_same_count() -> None:
    loss = definite(2, 3, Random(1))
    assert len(track_to(loss, 1).x) == 10


@pytest.mark.parametrize("seed", range(4))
def test_points_of_random_losses_are_critical(seed: int) -> None:
    rng = Random(seed)
    loss = weighted(3, 3, rng)
    found = track_to(loss, 1, seed=0)
    assert len(found.x) == found.generic == 39
    w = found.system.matrices(found.x, found.charts)
    lam = np.array([[float(x) for x in row] for row in loss.weights.tolist()])
    u = np.array([[float(x) for x in row] for row in loss.target.tolist()])
    g = lam * (w - u)
    assert np.abs(np.swapaxes(w, 1, 2) @ g).max() < 1e-8 * np.abs(w).max() * np.abs(g).max()
    assert np.abs(g @ np.swapaxes(w, 1, 2)).max() < 1e-8 * np.abs(w).max() * np.abs(g).max()
    # complex conjugation permutes the points
    for point in w:
        assert np.abs(w - point.conj()).max(axis=(1, 2)).min() < 1e-8


def test_the_trace_of_all_points_is_rational_and_linear_in_the_target() -> None:
    """Σ W over all critical points is a rational function of the data without poles in u, hence
    affine in u along lines: three collinear targets show it."""
    rng = Random(3)
    base, lam = weighted(3, 3, rng).target, weighted(3, 3, rng).weights
    step = weighted(3, 3, rng).target
    sums = []
    for t in (0, 1, 2):
        found = track_to(WeightedSquaredLoss(base + step * t, lam), 1)
        assert len(found.x) == 39
        sums.append(found.system.matrices(found.x, found.charts).sum(axis=0))
    assert np.abs(sums[0] - 2 * sums[1] + sums[2]).max() < 1e-6 * np.abs(sums[1]).max()


def test_bad_local_minima_of_known_problems_are_among_the_points() -> None:
    loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    found = track_to(loss, 1)
    w = found.system.matrices(found.x, found.charts)
    assert len(w) == 6
    for known in ([[1, 0], [0, 0]], [[0, 0], [0, 0.5]]):
        assert np.abs(w - np.array(known)).max(axis=(1, 2)).min() < 1e-10
    real = w[np.abs(w.imag).max(axis=(1, 2)) < 1e-9].real
    lam, u = np.array([[1, 3], [3, 1]]), np.diag([1, 0.5])
    values = sorted((0.5 * lam * (x - u) ** 2).sum() for x in real)
    assert np.allclose(values, [1 / 8, 1 / 2, 33 / 64, 33 / 64])


def test_losses_outside_the_families_are_refused() -> None:
    with pytest.raises(InputError, match="SquaredLoss"):
        family_of(SquaredLoss([[1]], [[1]]))


def test_a_budget_that_ends_says_so() -> None:
    with pytest.raises(IncompleteError, match="of 284"):
        generic_fiber(Family("weighted", 4, 4), 1, seed=9, budget=0)


def test_kronecker_forms_are_quadratic_losses_too() -> None:
    """For P ⊗ Σ the count drops to binom(k, r): the other paths have no end."""
    form = kron(matrix([[2, 1], [1, 3]]), matrix([[1, 0], [0, 2]]))
    found = track_to(QuadraticLoss([[2, 1], [0, 1]], form), 1)
    assert found.lost > 0 and len(found.x) < found.generic


def test_paths_to_infinity_end() -> None:
    """Near t = 1 their steps become shorter than the spacing of floating numbers."""
    found = track_to(WeightedSquaredLoss([[1, 2], [3, "1/5"]], [[1, 0], [1, 1]]), 1, budget=20)
    assert len(found.x) == 3 and found.lost == 3 and not found.interrupted


def test_families_of_points_are_seen_where_paths_end() -> None:
    """Rotations of the first two coordinates on both sides keep this loss; diag(1, 1/2) has
    isolated points only."""
    loss = WeightedSquaredLoss([[1, 0, 0], [0, 1, 0], [0, 0, 3]], [[1, 1, 2], [1, 1, 2], [2, 2, 5]])
    found = track_to(loss, 1)
    goal = np.array([float(x) for x in found.parameters], dtype=complex)
    sizes = {local_dimension(found.system, x, chart, goal) for x, chart in found.stuck}
    assert found.stuck and 1 in sizes and sizes <= {0, 1}
    alone = track_to(WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]]), 1)
    goal = np.array([float(x) for x in alone.parameters], dtype=complex)
    for x, chart in zip(alone.x, alone.charts, strict=True):
        assert local_dimension(alone.system, x, int(chart), goal) == 0
