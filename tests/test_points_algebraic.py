"""Tracked critical points beyond quadratic losses; ties, weights over points, saved lists."""

from __future__ import annotations

import io
import json
import sys
from random import Random
from typing import Any

import pytest

from detvar.classify import classify
from detvar.critical import CertifiedPoints, check_result, critical_points
from detvar.critical.families import family_of
from detvar.critical.symmetries import symmetries
from detvar.critical.tracked import search_fiber
from detvar.errors import InputError, NotCertifiedError, PositiveDimensionalError
from detvar.exact.matrices import Matrix, diagonal, identity, kron, matrix, rank
from detvar.losses import (
    ExpressionLoss,
    LikelihoodLoss,
    PowerLoss,
    QuadraticLoss,
    WeightedSquaredLoss,
)
from detvar.networks.linear import LinearNetwork
from detvar.varieties import DeterminantalVariety

np = pytest.importorskip("numpy")


def tracked(where: Any, loss: Any, **options: Any) -> CertifiedPoints:
    found = critical_points(where, loss, progress=False, **options)
    assert isinstance(found, CertifiedPoints)
    return found


# ---- power losses -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("t", "nature", "index"),
    [("1/10", "local_minimum", 0), ("1/4", "local_minimum", 0), ("2/5", "local_minimum", 0)]
    + [("9/10", "strict_saddle", 1)],
)
def test_bad_minima_of_fourth_powers(t: str, nature: str, index: int) -> None:
    """u = [[1, t], [t, 1]]: ((1−t)/2)[[1, −1], [−1, 1]] has value 4((1+t)/2)⁴ and is a minimum for
    t < 1/2, although ((1+t)/2)J has the smaller value 4((1−t)/2)⁴."""
    s = matrix([[t]])[0, 0]
    loss = PowerLoss([[1, t], [t, 1]], 4)
    found = tracked(LinearNetwork(2, 1, 2), loss)
    bad = matrix([[1, -1], [-1, 1]]) * ((1 - s) / 2)
    good = matrix([[1, 1], [1, 1]]) * ((1 + s) / 2)
    (here,) = [p for p in found.real if p.exact == bad]
    assert (here.nature, here.index, here.exact_value) == (nature, index, 4 * ((1 + s) / 2) ** 4)
    (best,) = [p for p in found.real if p.exact == good]
    assert best.exact_value == 4 * ((1 - s) / 2) ** 4 and "minimum" in best.nature


@pytest.mark.parametrize(("p", "count"), [(4, 62), (6, 274)])
def test_counts_of_power_losses(p: int, count: int) -> None:
    """Σ_a δ_a (p−1)^(a+1) points for generic Σ q_ij(w_ij) of degree p, less the p² singular points
    of Σ x_i^p Σ y_j^p = 0 on P¹×P¹; polar degrees 2, 2, 2."""
    delta = DeterminantalVariety(2, 2, 1).polar_degrees()
    assert sum(d * (p - 1) ** (a + 1) for a, d in delta.items()) - p**2 == count
    loss = PowerLoss([[1, 2], [3, "7/2"]], p)
    fiber = search_fiber(family_of(loss), 1)
    assert fiber.complete and fiber.count == count
    found = tracked(DeterminantalVariety(2, 2, 1), loss)
    assert found.complex_count == count
    assert "trace test passed" in found.certificates[0]


def test_squares_as_powers_have_the_count_of_squares() -> None:
    loss = ExpressionLoss("(w11 - 1)**2 + 3*w12**2 + 3*w21**2 + (w22 - 1/2)**2", (2, 2))
    found = tracked(DeterminantalVariety(2, 2, 1), loss)
    twin = tracked(
        DeterminantalVariety(2, 2, 1), WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    )
    assert found.is_complete and found.complex_count == found.expected_count == 6
    assert [p.exact for p in found.minima] == [p.exact for p in twin.minima]
    assert [p.exact_value for p in found.minima] == [2 * p.exact_value for p in twin.minima]


def test_a_point_where_the_fixed_order_of_elimination_fails_is_found() -> None:
    """[[0, 0], [3, 5]] is critical and simple, but a pivot of the tracker vanishes there."""
    loss = ExpressionLoss(
        "(w11-5)**2/(1+w12**2) + (w12+3)**2 + (w21-3)**2 + (w22-w12-5)**2", (2, 2)
    )
    found = tracked(DeterminantalVariety(2, 2, 1), loss)
    assert found.complex_count == 22
    assert matrix([[0, 0], [3, 5]]) in [p.exact for p in found.real]


# ---- points and networks ------------------------------------------------------------------------


@pytest.mark.parametrize("widths", [(3, 1, 3), (3, 2, 3), (3, 2, 2, 3), (3, 3, 2, 4, 3)])
def test_weights_over_exact_points_have_the_label_of_the_point(widths: tuple[int, ...]) -> None:
    """Labels of the list against `classify`, which knows nothing of lists."""
    network = LinearNetwork(*widths)
    loss = WeightedSquaredLoss(
        [[1, 0, 0], [0, "1/2", 0], [0, 0, "1/3"]], [[1, 4, 4], [4, 1, 4], [4, 4, 1]]
    )
    found = tracked(network, loss)
    exact = [p for p in found.points if p.exact is not None]
    assert {p.rank for p in exact} == set(range(network.rank_bound + 1))
    for p in exact:
        weights = found.weights(p)
        assert network.end_to_end(weights) == p.exact
        label = classify(network, loss, weights)
        assert label.kind == p.kind
        wanted = "local_minimum" if p.nature == "global_minimum" else p.nature
        assert label.nature == wanted


def test_weights_over_balls_are_nearly_critical() -> None:
    network = LinearNetwork(3, 2, 2, 3)
    loss = WeightedSquaredLoss(
        [[1, 0, 0], [0, "1/2", 0], [0, 0, "1/3"]], [[1, 4, 4], [4, 1, 4], [4, 4, 1]]
    )
    found = tracked(network, loss)
    balls = [p for p in found.points if p.is_real and p.exact is None]
    assert balls
    for p in balls:
        weights = found.weights(p)
        product = network.end_to_end(weights)
        assert rank(product) == p.rank
        gap = [float(x) - z.real for x, z in zip(product.entries(), sum(p.center, ()), strict=True)]
        assert max(map(abs, gap)) < 1e-12
        g = loss.gradient(product)
        left, right = network.outer_products(weights)
        for a, b in zip(left, right, strict=True):
            assert max(abs(float(x)) for x in (a.transpose() * g * b.transpose()).entries()) < 1e-11


def test_gradients_at_balls_contain_the_gradient() -> None:
    loss = WeightedSquaredLoss([[3, 1], [1, 2]], [[10, 1], [1, 10]])
    found = tracked(LinearNetwork(2, 1, 2), loss)
    for p in found.real:
        g = found.gradient(p)
        if isinstance(g, Matrix):
            assert g == loss.gradient(p.exact)
            continue
        w = np.array(p.center)
        g_mid = np.array([[z for z, _ in row] for row in g])
        # WᵀG = 0 and GWᵀ = 0, up to the radii
        assert np.abs(w.T @ g_mid).max() < 1e-11 and np.abs(g_mid @ w.T).max() < 1e-11


def test_weights_are_refused_without_a_network_or_for_complex_points() -> None:
    loss = WeightedSquaredLoss([[3, 1], [1, 2]], [[10, 1], [1, 10]])
    alone = tracked(DeterminantalVariety(2, 2, 1), loss)
    with pytest.raises(InputError, match="network"):
        alone.weights(alone.real[0])
    found = tracked(LinearNetwork(2, 1, 2), WeightedSquaredLoss([[3, 1], [1, 2]], [[2, 1], [1, 3]]))
    unreal = [p for p in found.points if not p.is_real]
    assert unreal
    with pytest.raises(InputError, match="not real"):
        found.weights(unreal[0])


# ---- ties ---------------------------------------------------------------------------------------


def test_ties_of_irrational_points_are_decided_by_a_symmetry() -> None:
    """u diagonal: changing the sign of one row and one column keeps the loss."""
    loss = WeightedSquaredLoss([[1, 0], [0, 1]], [[2, 1], [1, "21/10"]])
    found = tracked(DeterminantalVariety(2, 2, 1), loss)
    best = [p for p in found.points if p.nature == "global_minimum"]
    assert len(best) == 2 and all(p.exact is None for p in best) and not found.ties


def rotated(target: Any, weights: Any) -> QuadraticLoss:
    """The weighted loss after a rotation of the first two rows by arctan 4/3."""
    u = matrix(target)
    m, n = u.nrows(), u.ncols()
    turn = identity(m)
    turn[0, 0], turn[0, 1], turn[1, 0], turn[1, 1] = (matrix([[x]])[0, 0] for x in COSINES)
    move = kron(turn, identity(n))
    form = move * diagonal(matrix(weights).entries()) * move.transpose()
    return QuadraticLoss(turn * u, form)


COSINES = ("3/5", "-4/5", "4/5", "3/5")


def test_ties_on_matrices_with_two_rows_are_decided_by_elimination() -> None:
    """No signed permutation keeps the rotated loss, but two roots of one polynomial are minima."""
    loss = rotated([[1, 0], [0, 1]], [[2, 1], [1, "21/10"]])
    assert list(symmetries(loss)) == []
    found = tracked(DeterminantalVariety(2, 2, 1), loss)
    assert sum(p.nature == "global_minimum" for p in found.points) == 2 and not found.ties


def test_a_tie_that_nothing_decides_is_reported() -> None:
    loss = rotated([[1, 0, 0], [0, 1, 0], [0, 0, "1/10"]], [[2, 1, 5], [1, "21/10", 7], [3, 4, 6]])
    found = tracked(DeterminantalVariety(3, 3, 1), loss)
    assert found.is_complete and len(found.ties) == 2
    assert all(p.nature != "global_minimum" for p in found.points)
    assert "not decided" in str(found)


@pytest.mark.parametrize("seed", range(5))
def test_symmetries_keep_the_loss(seed: int) -> None:
    rng = Random(seed)
    target = [[rng.randint(-1, 1) for _ in range(3)] for _ in range(2)]
    weights = [[rng.randint(1, 2) for _ in range(3)] for _ in range(2)]
    loss = WeightedSquaredLoss(target, weights)
    found = list(symmetries(loss))
    assert found  # the identity at least
    for g in found:
        w = [[rng.randint(-9, 9) for _ in range(3)] for _ in range(2)]
        assert loss.value(matrix(g.apply(w))) == loss.value(matrix(w))


def test_symmetries_of_the_identity_are_the_signed_permutations_that_commute() -> None:
    """‖W − I‖⁴ entrywise on 3×3: 3! permutations on both sides at once, 2³ signs on both sides up
    to −1 on both, and transposition."""
    assert len(list(symmetries(PowerLoss(identity(3), 4)))) == 6 * 4 * 2


# ---- families of critical points ----------------------------------------------------------------


@pytest.mark.parametrize(
    "loss",
    [
        # invariant under rotations of the first two coordinates on both sides
        WeightedSquaredLoss([[1, 0, 0], [0, 1, 0], [0, 0, 3]], [[1, 1, 2], [1, 1, 2], [2, 2, 5]]),
        WeightedSquaredLoss([[1, 2], [3, "1/5"]], [[1, 0], [0, 1]]),  # two entries observed
    ],
)
def test_families_of_critical_points_are_refused_with_their_dimension(loss: Any) -> None:
    with pytest.raises(PositiveDimensionalError, match="dimension 1"):
        tracked(DeterminantalVariety(*loss.shape, 1), loss)


# ---- searches that end early --------------------------------------------------------------------


def test_an_interrupt_leaves_an_incomplete_list(monkeypatch: pytest.MonkeyPatch) -> None:
    import detvar.homotopy.tracker as tracker

    loss = WeightedSquaredLoss([[3, 1, 2], [1, 2, 5]], [[10, 1, 2], [1, 10, 3]])
    calls = []
    real_track = tracker.track

    def track(*args: Any, **options: Any) -> Any:
        calls.append(1)
        raise KeyboardInterrupt

    search_fiber(family_of(loss), 1)
    monkeypatch.setattr(tracker, "track", track)
    found = tracked(DeterminantalVariety(2, 3, 1), loss)
    monkeypatch.setattr(tracker, "track", real_track)
    assert calls and not found.is_complete and "interrupted" in str(found)
    assert [p.rank for p in found.points] == [0]
    assert CertifiedPoints.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_progress_is_reported_with_counts() -> None:
    seen: list[Any] = []
    loss = WeightedSquaredLoss([[3, 1, 2], [1, 2, 5]], [[10, 1, 2], [1, 10, 3]])
    critical_points(DeterminantalVariety(2, 3, 1), loss, progress=seen.append, seed=3)
    assert (seen[-1].rank, seen[-1].found, seen[-1].expected) == (1, 10, 10)
    assert f"rank 1: 10/10 found, {seen[-1].real} real" in str(seen[-1])


def test_the_line_of_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent for half a second and off terminals; afterwards one line that is wiped out."""
    from detvar.homotopy import progress

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    clock = iter(x / 5 for x in range(100))
    monkeypatch.setattr(progress, "perf_counter", lambda: next(clock))
    with progress.ProgressLine() as line:
        for k in range(10):
            line.update(f"{k} found")
    shown = stream.getvalue()
    assert "0 found" not in shown and "9 found" in shown and "\n" not in shown
    assert shown.endswith(" " * len("9 found") + "\r")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.ProgressLine() as line:
        for k in range(10):
            line.update(f"{k} found")
    assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]


# ---- saved lists --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "loss"),
    [
        (LinearNetwork(2, 1, 2), PowerLoss([[1, "1/4"], ["1/4", 1]], 4)),
        (LinearNetwork(2, 2, 3), WeightedSquaredLoss([[3, 1]] * 3, [[1, 2], [2, 5], [3, 1]])),
        (DeterminantalVariety(3, 3, 2), LikelihoodLoss([[10, 4, 3], [2, 11, 5], [1, 3, 12]])),
        (
            DeterminantalVariety(3, 3, 2),
            WeightedSquaredLoss(
                [[1, 0, 0], [0, "1/2", 0], [0, 0, "1/3"]], [[1, 4, 4], [4, 1, 4], [4, 4, 1]]
            ),
        ),
    ],
)
def test_lists_load_back_bit_for_bit_and_are_certified_again(where: Any, loss: Any) -> None:
    found = tracked(where, loss)
    text = json.dumps(found.to_json())
    again = CertifiedPoints.from_json(json.loads(text))
    assert again == found and json.dumps(again.to_json()) == text
    report = check_result(json.loads(text))
    assert report.ok, report.lines


def test_counts_that_contradict_the_ranks_are_refused() -> None:
    found = tracked(LinearNetwork(2, 1, 2), WeightedSquaredLoss([[3, 1], [1, 2]], [[9, 1], [1, 8]]))
    data = {**found.to_json(), "complex_count": 5}
    with pytest.raises(NotCertifiedError, match="complex_count"):
        CertifiedPoints.from_json(data)
