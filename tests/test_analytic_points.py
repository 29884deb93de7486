"""Critical points of logistic, softmax and other losses: proved, and compared with closed forms."""

from __future__ import annotations

import json
import math
from typing import Any

import mpmath
import numpy as np
import pytest

import detvar as dv
from detvar.critical import CertifiedPoints, certify_near, check_result, critical_points
from detvar.critical.analytic.chart import charts
from detvar.critical.analytic.krawczyk import certify
from detvar.critical.analytic.oriented import Oriented
from detvar.errors import InputError, ShapeError
from detvar.exact.balls import arb, working_precision
from detvar.exact.inertia import Inertia

EYE = [[1, 0], [0, 1]]
LOGISTIC = dv.LogisticLoss(EYE, [[3, 6], [6, 5]], [[2, 3], [3, 3]])
SOFTMAX = dv.SoftmaxLoss(EYE, [[6, 9], [2, 9], [4, 12], [4, 6]])
NETWORK = dv.LinearNetwork(2, 1, 2)
SEPARABLE = dv.LogisticLoss.from_labels([[1, 0, 2], [0, 1, -1]], [[1, 0, 1], [0, 1, 0]])


@pytest.fixture(scope="module")
def bottleneck() -> CertifiedPoints:
    found = critical_points(NETWORK, LOGISTIC)
    assert isinstance(found, CertifiedPoints)
    return found


def close(p: Any, w: list[list[Any]]) -> bool:
    """Whether the disc of a point contains a matrix given to 50 digits."""
    with mpmath.workdps(50):
        return all(
            abs(mpmath.mpf(z.real) - x) <= p.radius + mpmath.mpf(10) ** -45
            for row, line in zip(p.center, w, strict=True)
            for z, x in zip(row, line, strict=True)
        )


def holds(interval: tuple[float, float] | None, x: Any) -> bool:
    assert interval is not None
    return bool(interval[0] <= x <= interval[1])


# --- logistic regression through a bottleneck of one unit ---------------------------------------


def test_the_bottleneck_has_a_bad_local_minimum(bottleneck: CertifiedPoints) -> None:
    # diag(log 2, 0): K/N = 2/3 = 1/(1 + e^(−log 2)); diag(0, log 3/2): 3/5; off the diagonal
    # and at the other entry the probabilities are 1/2. Values by hand: 12 log 2 + log 216 and
    # 12 log 2 + log(200000/864)
    assert bottleneck.is_complete
    with mpmath.workdps(50):
        two, three_halves = mpmath.log(2), mpmath.log(mpmath.mpf(3) / 2)
        best, bad = bottleneck.minima
        assert close(best, [[two, 0], [0, 0]])
        assert close(bad, [[0, 0], [0, three_halves]])
        assert holds(best.value, 12 * two + mpmath.log(216))
        assert holds(bad.value, 12 * two + mpmath.log(mpmath.mpf(200000) / 864))
    assert best.value is not None and bad.value is not None
    assert best.value[1] < bad.value[0]
    assert (best.nature, bad.nature) == ("global_minimum", "local_minimum")
    assert best.inertia == bad.inertia == Inertia(3, 0, 0)
    assert [p.kind for p in bottleneck.real] == ["pure"] * 4


def test_the_two_saddles_are_a_mirror_pair(bottleneck: CertifiedPoints) -> None:
    # changing the signs of the first row and column keeps the loss on their off-diagonal entries,
    # where K = N/2; so the indices of the rank-1 points are 0, 0, 1, 1, and their alternating sum
    # 0 is that of the parity law for an invertible ∇ℓ(0)
    first, second = (p for p in bottleneck.real if p.index == 1)
    flipped = np.array(second.center) * np.array([[1, -1], [-1, 1]])
    assert np.abs(np.array(first.center) - flipped).max() < 1e-12
    assert sum((-1) ** (p.index or 0) for p in bottleneck.real) == 0


def test_weights_and_gradient_over_points_are_critical(bottleneck: CertifiedPoints) -> None:
    for p in bottleneck.points:
        one, two = (
            np.array([[float(x) for x in row] for row in w.tolist()], dtype=float)
            for w in bottleneck.weights(p)
        )
        g = LOGISTIC.gradient_array(two @ one)
        assert np.abs(two.T @ g).max() < 1e-12
        assert np.abs(g @ one.T).max() < 1e-12
    p = bottleneck.minima[1]
    corner = bottleneck.gradient(p)[0][0]
    assert isinstance(corner, tuple)
    # G_11 at w_11 = 0: 3/2 − 2
    assert abs(corner[0] + 0.5) <= corner[1] + 1e-15


def test_a_filling_network_has_no_bad_minimum() -> None:
    found = critical_points(dv.LinearNetwork(2, 3, 2), LOGISTIC)
    assert isinstance(found, CertifiedPoints)
    (only,) = found.minima
    with mpmath.workdps(50):
        assert close(only, [[mpmath.log(2), 0], [0, mpmath.log(mpmath.mpf(3) / 2)]])
    assert only.nature == "global_minimum"
    # the same matrices of rank 1, now saddles: there is room to go on
    rest = found.of_rank(1)
    assert len(rest) == 4
    assert {p.nature for p in rest} == {"strict_saddle"}
    assert {p.kind for p in rest} == {"spurious"}


# --- softmax: the shift is divided out ----------------------------------------------------------


def test_four_classes_have_a_bad_minimum() -> None:
    found = critical_points(dv.LinearNetwork(2, 1, 4), SOFTMAX)
    assert isinstance(found, CertifiedPoints)
    assert found.is_complete
    best, bad = found.minima
    with mpmath.workdps(50):
        # log p − log p_4 for the shares p of the counts (6, 2, 4, 4) and (9, 9, 12, 6)
        first = [mpmath.log(mpmath.mpf(c) / 4) for c in (6, 2, 4)]
        second = [mpmath.log(mpmath.mpf(c) / 6) for c in (9, 9, 12)]
        assert close(best, [[x, 0] for x in first])
        assert close(bad, [[0, x] for x in second])
    assert best.value is not None and bad.value is not None
    assert best.value[1] < bad.value[0]
    assert (best.nature, bad.nature) == ("global_minimum", "local_minimum")
    assert "effective 3×2 matrices" in str(found)
    # weights of the given network lie over the effective point
    one, two = found.weights(best)
    w = np.array([[float(x) for x in row] for row in (two * one).tolist()])
    shares = np.exp(w) / np.exp(w).sum(axis=0)
    assert np.allclose(shares[:, 0], np.array([6, 2, 4, 4]) / 16)
    assert np.allclose(shares[:, 1], 1 / 4)
    saved = json.loads(json.dumps(found.to_json()))
    assert CertifiedPoints.from_json(saved).to_json() == found.to_json()
    assert saved["effective"]["variety"] == [3, 2, 1]


def test_two_classes_have_none_as_their_network_is_filling() -> None:
    found = critical_points(NETWORK, dv.SoftmaxLoss(EYE, [[6, 9], [2, 4]]))
    assert isinstance(found, CertifiedPoints)
    assert found.is_complete
    (only,) = found.minima
    with mpmath.workdps(50):
        assert close(only, [[mpmath.log(3), mpmath.log(mpmath.mpf(9) / 4)]])
    assert only.nature == "global_minimum"
    assert found.bound == 1


# --- the zero matrix, and infinity --------------------------------------------------------------


def test_a_strict_minimum_at_zero_is_the_only_critical_point() -> None:
    found = critical_points(NETWORK, dv.LogisticLoss(EYE, [[2, 4], [6, 8]], [[1, 2], [3, 4]]))
    assert isinstance(found, CertifiedPoints)
    assert found.is_complete
    (only,) = found.points
    assert (only.rank, only.nature, only.matrix_text()) == (0, "global_minimum", "0 0; 0 0")


def test_the_zero_matrix_in_a_chart_is_told_from_a_point_of_rank_one() -> None:
    # ∇ℓ(0) has the first row 0, so (A, B) = (0, 0) is a regular zero in one chart; it is W = 0
    text = (
        "exp(w11 + w12) + exp(-w11) + exp(-w12) + sqrt(1 + (w21 - 1)**2) + sqrt(1 + (w22 + 1)**2)"
    )
    found = critical_points(NETWORK, dv.ExpressionLoss(text, (2, 2)))
    assert isinstance(found, CertifiedPoints)
    assert found.is_complete
    (only,) = found.minima
    # the minimum over all matrices has rank 1: w11 = w12 = 0, w21 = 1, w22 = −1
    assert np.allclose(only.center, [[0, 0], [1, -1]], atol=1e-12)
    assert only.nature == "global_minimum"


@pytest.mark.parametrize("widths", [(2, 2, 2), (2, 1, 2)])
def test_separable_data_have_no_minimum(widths: tuple[int, ...]) -> None:
    found = critical_points(dv.LinearNetwork(*widths), SEPARABLE, budget=5)
    assert isinstance(found, CertifiedPoints)
    assert found.at_infinity is not None
    assert not any(p.nature == "global_minimum" for p in found.points)
    assert not found.is_complete
    assert "infimum not attained" in str(found)
    # the margins of D are ≥ 0, and the loss falls below every value along it
    d = np.array([[float(x) for x in row] for row in found.at_infinity.direction.tolist()])
    values = [float(SEPARABLE.value_array(t * d)) for t in range(4)]
    assert all(a > b for a, b in zip(values, values[1:], strict=False))
    saved = json.loads(json.dumps(found.to_json()))
    assert CertifiedPoints.from_json(saved).at_infinity == found.at_infinity
    assert check_result(saved).ok
    del saved["at_infinity"]
    assert not check_result(saved).ok


# --- the pieces ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loss",
    [
        LOGISTIC,
        dv.SoftmaxLoss([[1, 2], [0, 3]], [[1, 2], [3, 1], [2, 2]], [1, 1]),
        dv.PseudoHuberLoss([[2, 1, 0], [1, 1, 1]], [[1, 2, 3], [0, 1, 0], [1, 1, 1]], 2),
    ],
    ids=["logistic", "softmax, turned", "pseudo-Huber, whitened"],
)
def test_derivatives_in_charts_agree_with_differences(loss: Any) -> None:
    problem = Oriented(loss)
    rng = np.random.default_rng(3)
    for chart in charts(problem, 1):
        x = rng.normal(size=chart.size)
        h = 1e-5
        steps = h * np.eye(chart.size)
        value = (chart.value_array(x + steps) - chart.value_array(x - steps)) / (2 * h)
        slope = (chart.gradient_array(x + steps) - chart.gradient_array(x - steps)) / (2 * h)
        point = [arb(float(v)) for v in x]
        balls = np.array([float(v) for v in chart.gradient(point)])
        second = np.array([[float(v) for v in row] for row in chart.hessian(point).tolist()])
        assert np.allclose(balls, value, atol=1e-7)
        assert np.allclose(second, slope, atol=1e-7)
        assert np.allclose(chart.hessian_array(x), second, atol=1e-11)
        # a matrix, its coordinates, and the matrix again
        with working_precision(100):
            w = chart.matrix(point)
            again = chart.coordinates(w)
        assert again is not None
        assert all(a.overlaps(b) for a, b in zip(again, point, strict=True))
        assert np.allclose(chart.coordinates_array(chart.matrix_array(x)), x)


def test_what_a_chart_stands_for_has_the_same_loss() -> None:
    loss = dv.PseudoHuberLoss([[2, 1, 0], [1, 1, 1]], [[1, 2, 3], [0, 1, 0], [1, 1, 1]], 2)
    problem = Oriented(loss)
    w = np.random.default_rng(0).normal(size=loss.shape)
    inner = problem.standing_for(w)
    assert inner.shape == (2, 3)
    assert math.isclose(float(problem.value_array(inner)), float(loss.value_array(w)))


def test_a_proved_box_is_refused_where_there_is_no_zero() -> None:
    # ℓ = e^w has no critical point: Newton's method runs away
    (chart,) = charts(Oriented(dv.ExponentialLoss([[1]], [[1]])), 1)
    assert certify(chart, [0.0]) is None
    (chart,) = charts(Oriented(dv.ExponentialLoss([[1, 1]], [[1, -1]])), 1)
    zero = certify(chart, [0.3])
    assert zero is not None and zero.enclosure[0].contains(0)
    # cosh′ is injective everywhere, so the region where 0 is the only zero is not small
    assert bool(zero.unique[0].rad() > 0.1)


def test_near_ends_of_a_descent() -> None:
    near = np.array([[[0.69, 0.001], [0.001, 0]], [[0, 0], [0.001, 0.41]], [[5, 5], [3, 3.0]]])
    first, second, third = certify_near(NETWORK, LOGISTIC, near)
    with mpmath.workdps(50):
        assert first is not None and close(first, [[mpmath.log(2), 0], [0, 0]])
        assert second is not None and close(second, [[0, 0], [0, mpmath.log(mpmath.mpf(3) / 2)]])
    assert (first.nature, second.nature) == ("local_minimum", "local_minimum")
    assert third is None
    (zero,) = certify_near(dv.LinearNetwork(2, 2, 2), LOGISTIC, np.zeros((2, 2)))
    assert zero is not None and (zero.rank, zero.nature) == (0, "strict_saddle")
    with pytest.raises(ShapeError):
        certify_near(NETWORK, LOGISTIC, np.zeros((1, 3, 2)))
    with pytest.raises(InputError):
        certify_near(NETWORK, dv.SquaredLoss(EYE, EYE), np.zeros((2, 2)))


# --- saved results ------------------------------------------------------------------------------


def test_a_saved_list_is_checked_again(bottleneck: CertifiedPoints) -> None:
    saved = json.loads(json.dumps(bottleneck.to_json()))
    assert CertifiedPoints.from_json(saved).to_json() == bottleneck.to_json()
    report = check_result(saved)
    assert report.ok, report.lines


def _without_a_point(data: dict[str, Any]) -> None:
    del data["points"][1]
    data["ranks"][0]["found"] = data["complex_count"] = 3


def _another_nature(data: dict[str, Any]) -> None:
    data["points"][1]["nature"] = "strict_saddle"


def _another_value(data: dict[str, Any]) -> None:
    data["points"][0]["value"] = [(13.0).hex(), (13.5).hex()]


def _another_place(data: dict[str, Any]) -> None:
    data["points"][0]["center"][0][0] = [(0.7).hex(), (0.0).hex()]


def _another_index(data: dict[str, Any]) -> None:
    data["points"][2]["inertia"] = [3, 0, 0]


def _twice(data: dict[str, Any]) -> None:
    data["points"].insert(0, data["points"][0])
    data["ranks"][0]["found"] = data["complex_count"] = 5


@pytest.mark.parametrize(
    "change",
    [
        _without_a_point,
        _another_nature,
        _another_value,
        _another_place,
        _another_index,
        _twice,
    ],
)
def test_a_changed_list_is_refused(bottleneck: CertifiedPoints, change: Any) -> None:
    data = json.loads(json.dumps(bottleneck.to_json()))
    change(data)
    assert not check_result(data).ok


def test_a_budget_that_ends_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    from detvar.cli import main

    problem = {"network": [2, 1, 2], "loss": LOGISTIC.to_json()}
    file = tmp_path / "problem.json"
    file.write_text(json.dumps(problem))
    assert main(["points", str(file), "--budget", "0"]) == 3
    assert "Not proved complete" in capsys.readouterr().out
    assert main(["points", str(file)]) == 0
    assert "Complete." in capsys.readouterr().out


def test_an_interrupt_returns_what_is_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    from detvar.critical.analytic import slices

    calls = []

    def stop(*args: Any) -> None:
        calls.append(args)
        if len(calls) > 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(slices, "enclosed_rows", stop)
    found = critical_points(NETWORK, LOGISTIC)
    assert isinstance(found, CertifiedPoints)
    assert len(found.real) == 4
    assert not found.is_complete
    assert any(x.was_interrupted for x in found.reports)
    assert not any(p.nature == "global_minimum" for p in found.points)


def test_a_minimum_whose_rank_cannot_be_proved_is_still_the_minimum() -> None:
    """Both positives of the second row are half of the trials: that row of the minimum is 0."""
    loss = dv.LogisticLoss([[1, 0], [0, 1]], [[3, 6], [6, 4]], [[2, 3], [3, 2]])
    found = dv.critical_points(dv.LinearNetwork(2, 2, 2), loss)
    assert found.is_complete
    (best,) = found.minima
    assert (best.rank_is_proved, best.rank, best.nature, best.kind) == (
        False,
        2,
        "global_minimum",
        "pure",
    )
    assert abs(best.center[0][0] - math.log(2)) < 1e-12 and best.radius < 1e-12
    assert "≤ 2" in str(found)
    (same,) = (p for p in found.points if p.rank == 1)
    assert same.nature == "lower_rank"  # critical on its own rank; that ∇ℓ = 0 is not proved
    data = json.loads(json.dumps(found.to_json()))
    assert CertifiedPoints.from_json(data).points == found.points
    assert check_result(data).ok
    forged = json.loads(json.dumps(data))
    for p in forged["points"]:
        p.pop("rank_is_proved", None)
    assert not check_result(forged).ok


def test_the_minimum_is_listed_up_to_directions_that_the_loss_does_not_see() -> None:
    """Without trials at (0, 1) the loss does not depend on that entry."""
    loss = dv.LogisticLoss(EYE, [[3, 0], [6, 4]], [[2, 0], [2, 1]])
    found = dv.critical_points(dv.LinearNetwork(2, 2, 2), loss)
    (best,) = found.minima
    assert best.nature == "global_minimum" and not best.rank_is_proved
    assert best.inertia == Inertia(3, 0, 1)
    assert close(best, [[mpmath.log(2), 0], [-mpmath.log(2), -mpmath.log(3)]])
    assert "dimension 1" in found.report.proof
    data = json.loads(json.dumps(found.to_json()))
    assert check_result(data).ok
    assert math.isclose(
        best.value[0], float(loss.value_array([[math.log(2), 7], [-math.log(2), -math.log(3)]]))
    )


def test_a_global_minimum_of_lower_rank_is_found_by_comparison() -> None:
    found = dv.critical_points(dv.LinearNetwork(2, 2, 2), dv.LogCoshLoss(EYE, [[2, 0], [0, 0]]))
    best = [p for p in found.points if p.nature == "global_minimum"]
    assert [(p.rank, p.kind) for p in best] == [(1, "pure")]


def test_filling_networks_of_some_size_are_solved_by_the_theorem() -> None:
    """8-8-8: one damped Newton method and one proof; lower ranks are not searched: it says so."""
    rng = np.random.default_rng(8)
    trials = rng.integers(2, 7, (8, 16))
    loss = dv.LogisticLoss(
        rng.integers(-3, 4, (8, 16)).tolist(), trials.tolist(), rng.integers(1, trials).tolist()
    )
    found = dv.critical_points(dv.LinearNetwork(8, 9, 8), loss)
    (best,) = found.minima
    assert best.nature == "global_minimum" and best.rank == 8 and best.radius < 1e-12
    assert np.abs(loss.gradient_array(np.array(best.center).real)).max() < 1e-12
    assert found.has_every_minimum and not found.is_complete
    assert any("not searched" in x for r in found.reports for x in r.evidence)
    assert check_result(json.loads(json.dumps(found.to_json()))).ok


def test_a_bottleneck_has_every_minimum_only_if_the_list_is_complete(
    bottleneck: CertifiedPoints,
) -> None:
    assert bottleneck.has_every_minimum and bottleneck.is_complete
    separable = dv.critical_points(
        NETWORK, dv.LogisticLoss(EYE, [[3, 6], [6, 5]], [[3, 3], [3, 3]])
    )
    assert not separable.has_every_minimum
