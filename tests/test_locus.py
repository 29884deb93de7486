"""The critical locus: components, labels, dimensions, and the results that are saved."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from detvar.classify import classify
from detvar.classify.hessian import full_hessian
from detvar.critical import check_result, critical_locus, critical_points
from detvar.critical.witness import check_locus, orbit_dimension, witness
from detvar.errors import IncompleteError, InputError, ShapeError
from detvar.exact.inertia import inertia
from detvar.exact.matrices import (
    Matrix,
    diagonal,
    identity,
    matrix,
    rank,
    vstack,
    zeros,
)
from detvar.losses import PowerLoss, QuadraticLoss, SquaredLoss, WeightedSquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.networks.random import random_critical_weights, random_squared_problem
from detvar.networks.sampling import strings_of_weights
from detvar.networks.strings import components, critical_strata
from detvar.varieties import DeterminantalVariety

CASES = json.loads((Path(__file__).parent / "cases" / "linear_networks.json").read_text())
LOCUS_CASES = [c for c in CASES if c["kind"] == "critical_locus"]


def diagonal_loss(widths: tuple[int, ...], sigma: list[int]) -> SquaredLoss:
    m, n = widths[-1], widths[0]
    return SquaredLoss(identity(n), diagonal(sigma[: min(m, n)], m, n))


@pytest.mark.parametrize("case", LOCUS_CASES, ids=lambda c: c["id"])
def test_component_dimensions_of_the_cases(case: dict[str, Any]) -> None:
    widths, e = tuple(case["input"]["network"]), case["input"]["rank"]
    rho = case["input"]["nonzero_residual_singular_values"]
    sigma = [9 - i for i in range(e + rho)] + [0] * (min(widths[0], widths[-1]) - e - rho)
    locus = critical_locus(LinearNetwork(*widths), diagonal_loss(widths, sigma), ranks=[e])
    top = [c for c in locus.components if c.choice.is_top]
    assert [c.dimension for c in top] == case["expected"]["component_dimensions"]


@pytest.mark.parametrize(
    ("widths", "sigma"),
    [
        ((2, 2, 2, 2), [3, 1]),
        ((2, 1, 1, 2), [2, 2]),
        ((3, 2, 2, 3), [3, 2, 0]),
        ((3, 2, 3), [1, 1, 1]),
        ((1, 1, 1, 1, 1), [2]),
        ((2, 3, 1), [1]),
        ((3, 1, 2, 2), [2, 1]),
        ((2, 2), [2, 1]),
        ((3, 3, 3), [0, 0, 0]),
    ],
)
def test_every_family_has_a_witness(widths: tuple[int, ...], sigma: list[int]) -> None:
    locus = critical_locus(LinearNetwork(*widths), diagonal_loss(widths, sigma))
    assert locus.check().ok, str(locus.check())


def test_a_wrong_label_is_refused() -> None:
    """The witness check must be able to fail: change one field at a time."""
    from dataclasses import replace

    locus = critical_locus(LinearNetwork(2, 2, 2, 2), diagonal_loss((2, 2, 2, 2), [3, 1]))
    first = locus.components[1]
    flipped = {"strict_saddle": "non_strict_saddle", "global_minimum": "strict_saddle"}
    for change in (
        {"dimension": first.dimension + 1},
        {"nature": flipped[first.nature]},
        {"kind": "pure" if first.kind == "spurious" else "spurious"},
        {"inertia": first.inertia._replace(negative=first.inertia.negative + 1)},
    ):
        bad = replace(first, **change)
        broken = replace(locus, components=(locus.components[0], bad, *locus.components[2:]))
        lines = check_locus(broken)
        assert lines[-1].startswith("refused"), change


def test_random_critical_points_carry_the_label_of_their_family() -> None:
    """Any critical θ of a problem with rational singular triples: find its family by its strings
    and compare nature, kind and inertia with the ones computed for θ."""
    rng = Random(7)
    checked = 0
    for seed in range(60):
        widths = tuple(rng.randint(1, 3) for _ in range(rng.randint(2, 4)))
        net, (m, n) = LinearNetwork(*widths), (widths[-1], widths[0])
        sigma = sorted((rng.randint(0, 3) for _ in range(min(m, n))), reverse=True)
        loss, u, v = random_squared_problem(m, n, sigma, seed=seed, samples=n + 1)
        d = loss.X * loss.X.transpose()
        keep = [i for i, s in enumerate(sigma) if s and rng.random() < 0.5][: net.rank_bound]
        kept = diagonal([s if i in keep else 0 for i, s in enumerate(sigma)], m, n)
        base = Matrix(n, n, [loss.X[i, j] for i in range(n) for j in range(n)])
        product = u * kept * v.transpose() * base.inv()
        if net.depth == 1 and rank(loss.gradient(product)):
            continue
        weights = random_critical_weights(net, loss, product, seed=seed)
        found = classify(net, loss, weights)
        locus = critical_locus(net, loss)
        strings = strings_of_weights(weights, loss.gradient(product))
        singular = locus.spectrum
        assert singular is not None and d.nrows() == n
        take = tuple(
            sum(1 for i in keep if sigma[i] ** 2 == x.as_rational()) for x in singular.squares
        )
        members = {
            c.nature
            for c in (*locus.components, *locus.inner)
            if c.choice.take == take and c.strings == strings
        }
        assert members <= {found.nature}
        choice = next(c.choice for c in locus.components if c.choice.take == take)
        assert choice.value == loss.value(product)
        generic = components(critical_strata(widths, len(keep), singular.rank - len(keep)))
        if strings in generic:
            row = next(
                c for c in locus.components if c.choice.take == take and c.strings == strings
            )
            assert (row.nature, row.kind, row.inertia) == (
                found.nature,
                found.kind,
                found.hessian_inertia,
            )
            checked += 1
    assert checked > 15


def test_non_strict_weights_lie_in_a_family_that_says_so() -> None:
    """All types of weights, not only generic ones: non-strict iff below a flat family."""
    widths = (2, 2, 2, 2)
    net, loss = LinearNetwork(*widths), diagonal_loss(widths, [3, 1])
    locus = critical_locus(net, loss)
    flat = [c for c in (*locus.components, *locus.inner) if c.nature == "non_strict_saddle"]
    product = diagonal([3, 0])
    for strings in critical_strata(widths, 1, 1):
        weights = random_critical_weights(net, loss, product, strings=strings)
        below = any(
            c.choice.rank == 1 and strings in _closure(c.strings, critical_strata(widths, 1, 1))
            for c in flat
        )
        nature = classify(net, loss, weights).nature
        assert (nature == "non_strict_saddle") == below


def _closure(top: Any, strata: Any) -> list[Any]:
    high = [x for row in top.path_ranks() for x in row]
    return [
        s
        for s in strata
        if all(a <= b for a, b in zip((x for r in s.path_ranks() for x in r), high, strict=True))
    ]


def test_at_maximal_rank_the_nullity_is_the_dimension() -> None:
    """L is Morse–Bott along pure components: the kernel of the Hessian is the tangent space."""
    for widths, sigma in (((3, 2, 3), [3, 2, 1]), ((3, 1, 3), [2, 2, 1]), ((2, 1, 1, 2), [1, 1])):
        locus = critical_locus(LinearNetwork(*widths), diagonal_loss(widths, sigma))
        for c in locus.components:
            if c.kind == "pure":
                assert c.inertia.zero == c.dimension


def test_witness_family_dimension_by_the_group_action() -> None:
    widths = (3, 2, 2, 3)
    net = LinearNetwork(*widths)
    locus = critical_locus(net, diagonal_loss(widths, [3, 2, 1]))
    assert locus.spectrum is not None
    for c in locus.components:
        loss, weights = witness(net, locus.spectrum, c, seed=3)
        product = net.end_to_end(weights)
        assert orbit_dimension(weights, product, loss.gradient(product)) == c.dimension
        assert inertia(full_hessian(net, loss, weights)) == c.inertia


def test_transposition_reverses_the_network_and_keeps_the_table() -> None:
    x, y = matrix([[1, 2, 0], [0, 1, 1]]), matrix([[1, 0, 3], [2, 1, 1], [0, 0, 1]])
    net = LinearNetwork(2, 1, 2, 3)
    form = SquaredLoss(x, y).kronecker()
    direct = QuadraticLoss(form.target, _kron(form.left, form.right))
    turned = QuadraticLoss(form.target.transpose(), _kron(form.right, form.left))
    one = critical_locus(net, direct)
    two = critical_locus(net.reversed(), turned)
    assert sorted(map(_label, one.components)) == sorted(map(_label, two.components))


def _kron(a: Matrix, b: Matrix) -> Matrix:
    from detvar.exact.matrices import kron

    return kron(a, b)


def _label(c: Any) -> tuple[Any, ...]:
    return (c.choice.rank, str(c.choice.value), c.kind, c.nature, tuple(c.inertia), c.dimension)


def test_rank_deficient_inputs_use_the_effective_network() -> None:
    """A third input that is always 0 adds three free weights to everything."""
    x = vstack(identity(2), zeros(1, 2))
    loss, small = SquaredLoss(x, [[2, 0], [0, 1]]), SquaredLoss(identity(2), [[2, 0], [0, 1]])
    wide = critical_locus(LinearNetwork(3, 1, 2), loss)
    thin = critical_locus(LinearNetwork(2, 1, 2), small)
    assert wide.reduction.widths == (2, 1, 2)
    assert [(c.dimension, c.nature, c.index) for c in wide.components] == [
        (c.dimension + 1, c.nature, c.index) for c in thin.components
    ]
    assert wide.check().ok and "effective network 2-1-2" in str(wide)


def test_a_loss_that_sees_nothing() -> None:
    locus = critical_locus(LinearNetwork(2, 1, 2), SquaredLoss([[0], [0]], [[1], [1]]))
    assert locus.spectrum is None and "every weight vector" in str(locus)
    assert locus.check().ok and check_result(json.loads(json.dumps(locus.to_json()))).ok


def test_depth_one_has_one_component() -> None:
    locus = critical_locus(LinearNetwork(2, 2), diagonal_loss((2, 2), [2, 1]))
    assert [(c.nature, c.dimension) for c in locus.components] == [("global_minimum", 0)]


def test_other_kronecker_losses() -> None:
    net = LinearNetwork(2, 1, 2)
    for loss in (
        WeightedSquaredLoss([[2, 0], [0, 1]], [[1, 2], [3, 6]]),
        PowerLoss([[2, 0], [0, 1]], 2),
        QuadraticLoss([[2, 0], [0, 1]], _kron(matrix([[2, 1], [1, 1]]), matrix([[1, 0], [0, 3]]))),
    ):
        locus = critical_locus(net, loss)
        assert [c.nature for c in locus.components][0] == "global_minimum"
        assert locus.check().ok
    with pytest.raises(InputError, match="Kronecker"):
        critical_locus(net, WeightedSquaredLoss([[1, 0], [0, 1]], [[1, 3], [3, 1]]))


def test_the_budget_ends_with_a_sentence() -> None:
    with pytest.raises(IncompleteError):
        critical_locus(
            LinearNetwork(6, 6, 6, 6, 6), diagonal_loss((6,) * 5, [6, 5, 4, 3, 2, 1]), budget=50
        )


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError):
        critical_locus(LinearNetwork(3, 2), SquaredLoss([[1]], [[1]]))


# ---- saved results ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved() -> dict[str, Any]:
    locus = critical_locus(LinearNetwork(2, 2, 2, 2), diagonal_loss((2, 2, 2, 2), [3, 1]))
    out: dict[str, Any] = json.loads(json.dumps(locus.to_json()))
    return out


def test_a_saved_locus_is_confirmed(saved: dict[str, Any]) -> None:
    report = check_result(saved)
    assert report.ok and any("witnesses" in line for line in report.lines)


@pytest.mark.parametrize(
    "path",
    [
        ("components", 0, "nature"),
        ("components", 1, "kind"),
        ("components", 2, "index"),
        ("components", 3, "dimension"),
        ("components", 0, "value"),
        ("components", 4, "hessian_inertia", 0),
        ("components", 2, "take", 0),
        ("components", 2, "strings", "full"),
        ("inner", 0, "nature"),
        ("spectrum", "zeros"),
        ("spectrum", "squared_singular_values", 0, "value"),
        ("loss", "Y", 0, 0),
        ("loss", "Y", 1, 1),
        ("network", 1),
    ],
    ids=str,
)
def test_corrupted_results_are_refused(saved: dict[str, Any], path: tuple[Any, ...]) -> None:
    bad = copy.deepcopy(saved)
    place = bad
    for step in path[:-1]:
        place = place[step]
    old = place[path[-1]]
    place[path[-1]] = (
        {"strict_saddle": "global_minimum"}.get(old, "strict_saddle")
        if isinstance(old, str) and path[-1] == "nature"
        else ("7" if isinstance(old, str) else old + 1)
    )
    assert not check_result(bad).ok


def test_results_load_back_and_are_never_wrong(saved: dict[str, Any]) -> None:
    from detvar.classify import Classification
    from detvar.critical import CriticalLocus
    from detvar.errors import NotCertifiedError

    locus = CriticalLocus.from_json(saved)
    assert json.loads(json.dumps(locus.to_json())) == saved
    point = classify(LinearNetwork(1, 1, 1), SquaredLoss([[1]], [[1]]), [[[0]], [[0]]])
    again = Classification.from_json(json.loads(json.dumps(point.to_json())))
    assert again.to_json() == point.to_json()
    with pytest.raises(NotCertifiedError, match="rank"):
        Classification.from_json({**point.to_json(), "rank": 1})
    with pytest.raises(NotCertifiedError, match="inner"):
        CriticalLocus.from_json({**saved, "inner": []})
    for cls in (Classification, CriticalLocus):
        with pytest.raises(InputError):
            cls.from_json({"network": [1, 1]})


def test_a_dropped_component_is_noticed(saved: dict[str, Any]) -> None:
    bad = copy.deepcopy(saved)
    del bad["components"][-1]
    assert not check_result(bad).ok


@pytest.mark.parametrize("bad", [None, [], {}, {"kind_of_result": "cake"}, {"kind_of_result": 3}])
def test_what_is_no_result_is_bad_input(bad: Any) -> None:
    with pytest.raises(InputError):
        check_result(bad)


# ---- critical points on the variety -------------------------------------------------------------


def test_points_on_the_variety_are_critical_and_counted() -> None:
    loss, u, v = random_squared_problem(3, 4, [3, 2, 1], seed=4)
    for r in (0, 1, 2, 3):
        found = critical_points(DeterminantalVariety(3, 4, r), loss)
        assert found.complex_count == found.expected_count == len(found.real)
        assert found.is_complete and len(found.minima) == 1
        for c in found.components:
            w = found.matrix(c)
            assert w is not None and rank(w) == c.rank
            g = loss.gradient(w)
            assert not any((w.transpose() * g).entries()) and not any((g * w.transpose()).entries())
            assert c.value == loss.value(w)
    assert "infinitely" not in str(found)


def test_repeated_singular_values_give_components_not_points() -> None:
    loss = SquaredLoss(identity(3), diagonal([2, 2, 1]))
    found = critical_points(DeterminantalVariety(3, 3, 1), loss)
    assert found.complex_count is None and found.expected_count is None
    assert [(c.dimension, str(c.value)) for c in found.smooth] == [(1, "5/2"), (0, "4")]
    assert "infinitely many" in str(found) and found.to_json()["complex_count"] is None


def test_points_agree_with_the_pure_components_of_a_network() -> None:
    net, loss = LinearNetwork(3, 2, 4), random_squared_problem(4, 3, [3, 2, 1], seed=1)[0]
    pure = {str(c.choice.value) for c in critical_locus(net, loss).components if c.kind == "pure"}
    assert {str(c.value) for c in critical_points(net, loss).smooth} == pure
