"""Tracked and certified critical points: known problems, counts, saved lists."""

from __future__ import annotations

import copy
import json
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest

from detvar.cli import main
from detvar.critical import CertifiedPoints, check_result, critical_points
from detvar.critical.search import search_critical_points, transposed
from detvar.errors import InputError, PositiveDimensionalError
from detvar.exact.inertia import inertia
from detvar.exact.matrices import diagonal, identity, kron, matrix
from detvar.losses import QuadraticLoss, WeightedSquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.varieties import DeterminantalVariety

np = pytest.importorskip("numpy")

CASES = {
    c["id"]: c
    for c in json.loads((Path(__file__).parent / "cases" / "linear_networks.json").read_text())
    if c["kind"] == "rank1_count"
}


def found_in(target: Any, weights: Any, r: int, **options: Any) -> CertifiedPoints:
    loss = WeightedSquaredLoss(target, weights)
    found = critical_points(DeterminantalVariety(*loss.shape, r), loss, **options)
    assert isinstance(found, CertifiedPoints)
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_cases_with_known_counts_and_indices(name: str) -> None:
    """Counts: Gröbner bases modulo a prime; indices: exact Hessians (recorded with the case)."""
    given, want = CASES[name]["input"], CASES[name]["expected"]
    found = found_in(given["U"], given["lam"], 1)
    assert found.is_complete and found.complex_count == found.expected_count == want["complex"]
    assert len(found.real) == want["real"]
    # points of equal value may come in either order: compare as (value, index) multisets
    assert sorted(p.index for p in found.real) == sorted(want["indices_by_value"])
    by_value = [p.index for p in found.real]
    assert by_value == want["indices_by_value"]
    for p, value in zip(found.real, want.get("values", []), strict=False):
        exact = matrix([[value]])[0, 0]
        assert p.value is not None and p.value[0] <= float(exact) * (1 + 1e-15) + 1e-300
        assert p.value[1] >= float(exact) * (1 - 1e-15)


def test_bad_minima_are_exact() -> None:
    found = found_in([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]], 1)
    assert [(str(p.exact_value), p.nature) for p in found.minima] == [
        ("1/8", "global_minimum"),
        ("1/2", "local_minimum"),
    ]
    three = found_in(
        [[1, 0, 0], [0, "1/2", 0], [0, 0, "1/3"]], [[1, 4, 4], [4, 1, 4], [4, 4, 1]], 1
    )
    assert [str(p.exact_value) for p in three.minima] == ["13/72", "5/9", "5/8"]


def test_bad_minima_of_rank_two() -> None:
    """Three strict local minima of rank 2, values 1/18, 1/8, 1/2. Of the 39 generic points 8 end
    at matrices of rank 1, none of them real, so that no real point of rank 2 is missing."""
    found = found_in(
        [[1, 0, 0], [0, "1/2", 0], [0, 0, "1/3"]], [[1, 4, 4], [4, 1, 4], [4, 4, 1]], 2
    )
    assert [str(p.exact_value) for p in found.minima] == ["1/18", "1/8", "1/2"]
    assert found.complex_count == 31 and len(found.report.lower) == 8
    assert found.report.real_proof is not None
    assert found.minima[0].nature == "global_minimum"


def test_a_dropping_count_is_never_called_complete() -> None:
    """Unit weights but for one entry: some of the 39 generic points go to infinity or meet."""
    found = found_in(diagonal([3, 2, 1]), [[1, 1, 1], [1, 1, 1], [1, 1, 2]], 1)
    assert found.complex_count < 39 and not found.is_complete
    assert "Not proved complete" in str(found)
    assert all(p.nature != "global_minimum" for p in found.smooth)


@pytest.mark.parametrize("seed", range(6))
def test_random_losses_are_complete_and_real_points_are_right(seed: int) -> None:
    rng = Random(seed)
    shape, r = [((2, 2), 1), ((2, 3), 1), ((3, 2), 1), ((3, 3), 1), ((3, 3), 2), ((3, 4), 1)][seed]
    m, n = shape
    target = [[f"{rng.randint(-30, 30)}/10" for _ in range(n)] for _ in range(m)]
    weights = [[f"{rng.randint(1, 50)}/10" for _ in range(n)] for _ in range(m)]
    found = found_in(target, weights, r)
    assert found.is_complete
    assert sum(p.nature == "global_minimum" for p in found.points) == 1
    lam, u = (
        np.array([[float(eval(str(x))) for x in row] for row in a]) for a in (weights, target)
    )
    best = min(p.value[0] for p in found.real if p.value)
    for _ in range(20):  # alternating least squares from random starts ends in no lower value
        b = np.random.default_rng(seed).standard_normal((r, n))
        for _ in range(200):
            a = np.array(
                [np.linalg.solve((b * lam[i]) @ b.T, (b * lam[i]) @ u[i]) for i in range(m)]
            )
            b = np.array(
                [
                    np.linalg.solve((a.T * lam[:, j]) @ a, (a.T * lam[:, j]) @ u[:, j])
                    for j in range(n)
                ]
            ).T
        assert 0.5 * (lam * (a @ b - u) ** 2).sum() >= best - 1e-9
    for p in found.real:
        w = np.array([[z.real for z in row] for row in p.center])
        assert np.linalg.matrix_rank(w, tol=1e-8) == r
        g = lam * (w - u)
        assert max(np.abs(w.T @ g).max(), np.abs(g @ w.T).max()) < 1e-7 * (1 + np.abs(g).max())


def test_parity_of_the_real_points() -> None:
    """Rank 1, generic: Σ (−1)^index over real critical points is 0 for ∇ℓ(0) of even rank and 1
    for odd rank (Morse theory on the product of two projective spaces)."""
    for seed in range(3):
        rng = Random(100 + seed)
        target = [[f"{rng.randint(-30, 30)}/10" for _ in range(3)] for _ in range(3)]
        weights = [[f"{rng.randint(1, 50)}/10" for _ in range(3)] for _ in range(3)]
        found = found_in(target, weights, 1)
        assert sum((-1) ** p.index for p in found.real if p.index is not None) == 1


def test_a_general_form_and_its_transpose() -> None:
    rng = Random(2)
    a = matrix([[rng.randint(-2, 2) for _ in range(6)] for _ in range(6)])
    loss = QuadraticLoss([[1, 2], [0, 1], [3, 1]], a * a.transpose() + identity(6))
    tall = search_critical_points(DeterminantalVariety(3, 2, 1), loss)
    wide = search_critical_points(DeterminantalVariety(2, 3, 1), transposed(loss))
    assert tall.is_complete and wide.is_complete and tall.complex_count == 10
    assert [p.value_text() for p in tall.real] == [p.value_text() for p in wide.real]
    for p in tall.points:
        if p.exact is None and p.is_real:
            w = matrix([[str(z.real) for z in row] for row in p.center])
            assert p.value is not None
            assert abs(float(loss.value(w)) - p.value[0]) < 1e-6


def test_kronecker_losses_go_to_the_closed_form() -> None:
    form = kron(matrix([[2, 1], [1, 1]]), matrix([[1, 0], [0, 3]]))
    found = critical_points(DeterminantalVariety(2, 2, 1), QuadraticLoss([[2, 0], [0, 1]], form))
    assert not isinstance(found, CertifiedPoints) and found.complex_count == 2


def test_indices_agree_with_exact_hessians() -> None:
    found = found_in([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]], 1)
    loss = found.loss
    from detvar.classify.hessian import function_space_hessian

    for p in found.smooth:
        if p.exact is not None:
            h = function_space_hessian(p.exact, loss.gradient(p.exact), loss.hessian(p.exact))
            assert p.inertia == inertia(h)


@pytest.mark.parametrize(
    ("loss", "error", "words"),
    [
        (WeightedSquaredLoss([["1e400", 0], [0, 1]], [[1, 3], [3, 1]]), InputError, "rescale"),
        (
            WeightedSquaredLoss(
                [[1, 0, 1], [0, 1, 1], [1, 1, 1]], [[1, 3, 0], [3, 1, 0], [1, 1, 0]]
            ),
            PositiveDimensionalError,
            "does not see",
        ),
    ],
)
def test_losses_that_cannot_be_tracked_say_why(loss: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        critical_points(DeterminantalVariety(*loss.shape, 1), loss)


def test_a_budget_that_ends_gives_what_is_certified() -> None:
    loss = WeightedSquaredLoss(
        [[i * j + i for j in range(4)] for i in range(4)],
        [[1 + (3 * i + 5 * j) % 7 for j in range(4)] for i in range(4)],
    )
    found = critical_points(DeterminantalVariety(4, 4, 2), loss, seed=5, budget=0)
    assert isinstance(found, CertifiedPoints)
    assert not found.is_complete and found.complex_count < 1350 == found.expected_count
    assert "the budget ended" in str(found)
    assert all(p.nature != "global_minimum" for p in found.points)


# ---- saved lists and the command line -----------------------------------------------------------


@pytest.fixture(scope="module")
def saved() -> dict[str, Any]:
    loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    found = critical_points(LinearNetwork(2, 1, 2), loss)
    out: dict[str, Any] = json.loads(json.dumps(found.to_json()))
    return out


def test_a_saved_list_is_certified_again(saved: dict[str, Any]) -> None:
    report = check_result(saved)
    assert report.ok and "without tracking" in report.lines[-1]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("complex_count",), 7),
        (("is_complete",), False),
        (("points", 0, "nature"), "local_minimum"),
        (("points", 1, "nature"), "global_minimum"),
        (("points", 0, "center", 0, 0), ["0x1.8p+0", "0x0p+0"]),
        (("points", 3, "inertia"), [1, 1, 1]),
        (("loss", "weights", 0, 1), "2"),
        (("loss", "target", 1, 1), "1/3"),
        (("expected_count",), 5),
        (("ranks", 0, "found"), 7),
        (("ranks", 0, "expected"), 7),
        (("ranks", 1, "proof"), None),
        (("points", 0, "kind"), "spurious"),
        (("network",), [2, 3, 2]),
    ],
    ids=str,
)
def test_corrupted_lists_are_refused(saved: dict[str, Any], path: Any, value: Any) -> None:
    bad = copy.deepcopy(saved)
    place = bad
    for step in path[:-1]:
        place = place[step]
    assert place[path[-1]] != value
    place[path[-1]] = value
    assert not check_result(bad).ok


def test_a_dropped_or_doubled_point_is_noticed(saved: dict[str, Any]) -> None:
    less, more = copy.deepcopy(saved), copy.deepcopy(saved)
    del less["points"][2]
    more["points"].append(more["points"][0])
    assert not check_result(less).ok and not check_result(more).ok


@pytest.mark.parametrize("bad", [{"points": 3}, {"variety": [2, 2]}, {"points": [{"rank": 1}]}])
def test_lists_that_are_none_are_bad_input(saved: dict[str, Any], bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        check_result({**saved, **bad})


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem = {
        "network": [2, 1, 2],
        "loss": {"type": "weighted", "target": [[3, 1], [1, 2]], "weights": [[10, 1], [1, 10]]},
    }
    path, result = tmp_path / "cone.json", tmp_path / "result.json"
    path.write_text(json.dumps(problem))
    assert main(["points", str(path), "--output", str(result)]) == 0
    text = capsys.readouterr().out
    assert "global minimum" in text and "local minimum" in text and "6 of 6" in text
    assert main(["check", str(result)]) == 0
    assert main(["solve", str(path)]) == 0
    assert "Complete" in capsys.readouterr().out
    assert main(["points", str(path), "--all-complex", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complex_count"] == 6
    assert main(["points", str(path), "--rank", "2"]) == 2
    assert main(["points", str(path), "--rank", "0"]) == 0


def test_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "--example", "cone"]) == 0
    cone = capsys.readouterr().out
    assert "6 of 6" in cone and cone.count("minimum") == 2
    assert main(["solve", "--example", "three-minima"]) == 0
    three = capsys.readouterr().out
    assert all(value in three for value in ("13/72", "5/9", "5/8", "39 of 39"))
    assert main(["solve", "--example", "cone", "--network", "2-2"]) == 0
    assert main(["solve", "--example", "cone", "--network", "3-1-2"]) == 2


def test_exact_values_are_enclosed() -> None:
    found = found_in([[1, 0], [0, "1/3"]], [[1, 3], [3, 1]], 1)
    for p in found.points:
        if p.exact_value is not None and p.value is not None:
            low, high = (matrix([[str(Fraction(x))]])[0, 0] for x in p.value)
            assert low < p.exact_value < high
