"""Certificates hold for every point, survive JSON, and are refused once something is wrong in them.

Corruptions are made by hand, one for each way a proof can fail, and by machine: every number of
every certificate of the recorded cases is changed in turn, every field is removed or replaced by
nonsense.  A changed certificate may be accepted only if what it says is true.
"""

from __future__ import annotations

import copy
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from test_classify_laws import Point, any_point, random_matrix, random_widths, squared_point

from detvar.classify import Certificate, CheckReport, classify
from detvar.errors import DetvarError
from detvar.exact.matrices import diagonal, identity, matrix, zeros
from detvar.exact.rational import Rational, rational
from detvar.losses import (
    PowerLoss,
    QuadraticLoss,
    SquaredLoss,
    WeightedSquaredLoss,
    loss_from_json,
)
from detvar.networks.linear import LinearNetwork

CASES = {
    case["id"]: case["input"]
    for case in json.loads((Path(__file__).parent / "cases" / "linear_networks.json").read_text())
    if case["kind"] in ("classify", "global_optimality_test")
}
CLAIMS = [
    "global_minimum",
    "local_minimum",
    "local_maximum",
    "strict_saddle",
    "non_strict_saddle",
    "degenerate",
    "undecided",
    "not_critical",
]
# What else is true of a point, beside its nature.
ALSO = {"global_minimum": {"local_minimum"}}


def certificate_of(name):
    given = CASES[name]
    network = LinearNetwork(*given["network"])
    return classify(network, loss_from_json(given["loss"]), given["weights"]).certificate


def is_true(certificate) -> bool:
    """Whether claim and inertia agree with what `classify` finds for the same problem."""
    c = classify(certificate.network, certificate.loss, certificate.weights)
    stated = certificate.evidence.get("inertia")
    if stated is not None and c.hessian_inertia is not None and tuple(stated) != c.hessian_inertia:
        return False
    claim = certificate.claim
    return claim == c.nature or claim in ALSO.get(c.nature, ())


def outcome(data):
    """What becomes of a changed JSON certificate; nothing but a `DetvarError` may be raised."""
    try:
        certificate = Certificate.from_json(data)
    except DetvarError:
        return "not read"
    report = certificate.check()
    assert isinstance(report, CheckReport) and report.lines
    if not report.ok:
        return "refused"
    assert is_true(certificate), data
    return "true"


# --- they hold -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_every_certificate_holds_and_survives_json(seed: int) -> None:
    rng = Random(f"holds {seed}")
    for k in range(40):
        point = any_point(rng) if k % 2 else squared_point(random_widths(rng), rng)
        weights = point.weights
        if k % 8 == 0:  # not critical, as a rule
            weights = tuple(w + random_matrix(w.nrows(), w.ncols(), rng, 1) for w in weights)
        c = classify(point.network, point.loss, weights)
        report = c.certificate.check()
        assert report.ok and bool(report) and str(report), (point, report)
        assert c.certificate.claim == c.nature
        data = c.certificate.to_json()
        text = json.dumps(data)
        again = Certificate.from_json(json.loads(text))
        assert again == c.certificate
        assert json.dumps(again.to_json()) == text
        assert again.check() == report


def test_a_certificate_holds_only_what_it_needs() -> None:
    """Problem, claim and evidence: five fields, and nothing that would have to be believed."""
    for name in CASES:
        data = certificate_of(name).to_json()
        assert list(data) == ["claim", "network", "loss", "weights", "evidence"]
        assert data["network"] == CASES[name]["network"]


# --- corrupted by hand ---------------------------------------------------------------------------

EYE = [[1, 0], [0, 1]]
SQUARED = SquaredLoss(EYE, [[2, 0], [0, 1]])
NET = LinearNetwork(2, 1, 2)
DEEP = LinearNetwork(2, 2, 2, 2)


def proof(network, loss, weights):
    certificate = classify(network, loss, weights).certificate
    assert certificate.check().ok
    return certificate


def best():  # the better of two rank-one matrices
    return proof(NET, SQUARED, [[[1, 0]], [[2], [0]]])


def worse():  # the other one
    return proof(NET, SQUARED, [[[0, 1]], [[0], [1]]])


def fit():  # zero gradient
    return proof(LinearNetwork(2, 2, 2), SQUARED, [EYE, [[2, 0], [0, 1]]])


def bad():  # a local minimum that is not global: weights 1 and 3
    loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    return proof(NET, loss, [[[0, "1/2"]], [[0], [1]]])


def strict():  # the origin of a network with two layers
    return proof(LinearNetwork(2, 2, 2), SQUARED, [zeros(2, 2), zeros(2, 2)])


def flat():  # the origin of a network with three
    return proof(DEEP, SQUARED, [zeros(2, 2)] * 3)


def coupled():  # tightened, and strict by coupling only: down and a curve
    return certificate_of("D12")


def quartic():  # degenerate, decided by −(3/8)x⁴
    return certificate_of("D4")


def bowl():  # degenerate, decided by +(1/128)x⁴
    return certificate_of("D5")


def peak():  # a maximum: −½‖W − diag(2, 1)‖² at the best matrix of rank one
    loss = QuadraticLoss(diagonal([2, 1]), -identity(4))
    return proof(NET, loss, [[[1, 0]], [[2], [0]]])


def bottom():  # the target of a quartic loss: every second derivative vanishes
    return proof(LinearNetwork(1, 1), PowerLoss([[0]], 4), [[[0]]])


def slope():  # not critical
    return proof(NET, SQUARED, [[[1, 1]], [[1], [1]]])


def claim(word):
    return lambda c: replace(c, claim=word)


def without(*keys):
    return lambda c: replace(c, evidence={k: v for k, v in c.evidence.items() if k not in keys})


def with_(**changes):
    def change(c):
        new = {k: v(c) if callable(v) else v for k, v in changes.items()}
        return replace(c, evidence={**c.evidence, **new})

    return change


def new_weights(*weights):
    return lambda c: replace(c, weights=c.network.check_weights(weights))


def new_loss(loss):
    return lambda c: replace(c, loss=loss)


def both(*changes):
    def change(c):
        for one in changes:
            c = one(c)
        return c

    return change


def times(key, factor):
    return lambda c: tuple(v * factor for v in c.evidence[key])


def still(c):
    return tuple(zeros(w.nrows(), w.ncols()) for w in c.weights)


def first_layer(x):
    """A direction that moves one weight of the first layer."""

    def build(c):
        v = list(still(c))
        v[0][0, 0] = x
        return tuple(v)

    return build


BY_FIT = {"by": "zero_gradient"}
CORRUPTED = {
    # the claim is another one
    "best point called a strict saddle": (best, claim("strict_saddle")),
    "best point called a local maximum": (best, claim("local_maximum")),
    "best point called a non-strict saddle": (best, claim("non_strict_saddle")),
    "best point called not critical": (best, claim("not_critical")),
    "claim of an unknown word": (best, claim("best_of_all")),
    "saddle called a global minimum": (worse, claim("global_minimum")),
    "saddle called a local minimum": (worse, claim("local_minimum")),
    "saddle called non-strict": (worse, claim("non_strict_saddle")),
    "saddle called a minimum, by the Hessian": (
        worse,
        both(claim("local_minimum"), with_(by="function_space_hessian")),
    ),
    "saddle called global, by the Hessian": (
        worse,
        both(claim("global_minimum"), with_(by="function_space_hessian")),
    ),
    "saddle called global, by a threshold": (
        worse,
        both(claim("global_minimum"), with_(by="eckart_young", threshold=Rational(2))),
    ),
    "saddle called global, by its gradient": (
        worse,
        both(claim("global_minimum"), with_(**BY_FIT)),
    ),
    "origin called a local minimum, by a curve": (
        flat,
        both(claim("local_minimum"), with_(by="reduced_function")),
    ),
    "origin of three layers called strict": (flat, claim("strict_saddle")),
    "origin of three layers called global": (flat, both(claim("global_minimum"), with_(**BY_FIT))),
    "origin of two layers called non-strict": (
        strict,
        both(claim("non_strict_saddle"), with_(by="fiber_curve", curve=first_layer(1))),
    ),
    "bad minimum called global, zero gradient": (
        bad,
        both(claim("global_minimum"), with_(**BY_FIT)),
    ),
    "bad minimum called global, threshold": (
        bad,
        both(claim("global_minimum"), with_(by="eckart_young", threshold=Rational(1))),
    ),
    "bad minimum called global, Hessian": (bad, claim("global_minimum")),
    "bad minimum called a saddle": (bad, claim("strict_saddle")),
    "quartic saddle called a minimum": (quartic, claim("local_minimum")),
    "quartic minimum called a saddle": (bowl, claim("non_strict_saddle")),
    "quartic minimum called global": (bowl, claim("global_minimum")),
    "definite point decided by a series": (bad, with_(by="reduced_function")),
    "definite point called a saddle by a series": (
        bad,
        both(claim("non_strict_saddle"), with_(by="reduced_function")),
    ),
    "quartic minimum definite to second order": (bowl, with_(by="function_space_hessian")),
    "maximum called a minimum": (peak, claim("local_minimum")),
    "maximum called global by its gradient": (peak, both(claim("global_minimum"), with_(**BY_FIT))),
    "fit of a concave loss called global": (
        fit,
        new_loss(QuadraticLoss(diagonal([2, 1]), -identity(4))),
    ),
    "slope called critical": (slope, both(claim("undecided"), without("position", "derivative"))),
    "slope called a global minimum": (slope, both(claim("global_minimum"), with_(**BY_FIT))),
    "best point left undecided": (best, claim("undecided")),
    "bad minimum left undecided": (bad, claim("undecided")),
    "quartic saddle called degenerate": (quartic, claim("degenerate")),
    # the evidence points the wrong way, or is not there
    "down and up exchanged": (
        strict,
        with_(down=lambda c: c.evidence["up"], up=lambda c: c.evidence["down"]),
    ),
    "down goes up": (worse, with_(down=lambda c: c.evidence["up"])),
    "up goes down": (worse, with_(up=lambda c: c.evidence["down"])),
    "down stands still": (worse, with_(down=still)),
    "up stands still": (strict, with_(up=still)),
    "no down": (worse, without("down")),
    "neither up nor curve": (worse, without("up")),
    "no curve": (coupled, without("curve")),
    "curve stands still": (coupled, with_(curve=still)),
    "curve of zero gradient": (flat, with_(curve=first_layer(1))),
    "curve that leaves the fiber": (
        coupled,
        with_(curve=lambda c: tuple(w * 1 for w in c.weights)),
    ),
    "curve missing at a non-strict saddle": (flat, without("curve")),
    "no kind of evidence": (flat, without("by")),
    "unknown kind of evidence": (flat, with_(by="inspection")),
    "threshold too small": (best, with_(threshold=Rational(1, 2))),
    "threshold too large": (best, with_(threshold=Rational(5))),
    "threshold negative": (best, with_(threshold=Rational(-1))),
    "no threshold": (best, without("threshold")),
    "inertia of another point": (best, with_(inertia=[2, 1, 1])),
    "inertia with one sign moved": (strict, with_(inertia=[5, 3, 0])),
    "inertia that does not add up": (fit, with_(inertia=[4, 0, 3])),
    "lower point that is higher": (bad, with_(lower_point=zeros(2, 2))),
    "lower point of equal loss": (bad, with_(lower_point=matrix([[0, 0], [0, "1/2"]]))),
    "lower point of too large a rank": (bad, with_(lower_point=matrix([[1, 0], [0, "1/2"]]))),
    "lower point of another shape": (bad, with_(lower_point=matrix([[1, 0, 0]]))),
    "wrong derivative": (slope, with_(derivative=Rational(1, 7))),
    "derivative zero": (slope, with_(derivative=Rational(0))),
    "derivative at another weight": (slope, with_(position=[2, 0, 0])),
    "derivative in no layer": (slope, with_(position=[3, 0, 0])),
    "derivative at no weight": (slope, with_(position=[1, 4, 0])),
    "no derivative": (slope, without("derivative")),
    # the problem is another one
    "one weight changed": (best, new_weights([[1, "1/10"]], [[2], [0]])),
    "layer doubled": (best, new_weights([[1, 0]], [[4], [0]])),
    "data exchanged": (best, new_loss(SquaredLoss(EYE, [[1, 0], [0, 2]]))),
    "data changed by a little": (best, new_loss(SquaredLoss(EYE, [["2001/1000", 0], [0, 1]]))),
    "the other singular value grown": (best, new_loss(SquaredLoss(EYE, [[2, 0], [0, 3]]))),
    "inputs without a direction": (fit, new_loss(SquaredLoss([[1, 0], [0, 0]], [[2, 0], [0, 1]]))),
    "weights of the loss changed": (
        bad,
        new_loss(WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 1], [1, 1]])),
    ),
    "quadratic loss in place of a quartic one": (
        lambda: certificate_of("D6"),
        new_loss(PowerLoss([[1, "1/10"], ["1/10", 1]], 2)),
    ),
    "network of another shape": (fit, lambda c: replace(c, network=LinearNetwork(3, 2, 2))),
    "loss of another shape": (best, new_loss(SquaredLoss([[1]], [[1]]))),
}


@pytest.mark.parametrize("name", CORRUPTED)
def test_corrupted_certificate_is_refused(name: str) -> None:
    make, change = CORRUPTED[name]
    sound = make()
    assert sound.check().ok
    report = change(sound).check()
    assert not report.ok
    assert len(report.lines) == 1 and report.lines[0].startswith("refused: ")


def test_there_are_enough_corruptions() -> None:
    assert len(CORRUPTED) >= 60


@pytest.mark.parametrize("make", [best, worse, bad, strict, flat, peak, bottom])
def test_degenerate_is_a_claim_too(make) -> None:
    """At these points second derivatives decide, or the rank is too low."""
    assert not claim("degenerate")(make()).check().ok


@pytest.mark.parametrize("stated", [[1, 0, 191], [0, 5, 187]])
def test_inertia_of_a_large_network_is_checked(stated) -> None:
    loss = SquaredLoss(identity(8), diagonal(range(1, 9)))
    sound = proof(LinearNetwork(8, 8, 8, 8), loss, [zeros(8, 8)] * 3)
    assert not with_(inertia=stated)(sound).check().ok


# --- corrupted by machine ------------------------------------------------------------------------


def leaves(data, path=()):
    """Every (path, value) of a JSON object that is neither a list nor an object."""
    if isinstance(data, (dict, list)):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from leaves(value, (*path, key))
    else:
        yield path, data


def branches(data, path=()):
    """Every path to a list, an object or a leaf."""
    yield path
    if isinstance(data, (dict, list)):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from branches(value, (*path, key))


def changed(data, path, value):
    """A copy with another value at a path."""
    out = copy.deepcopy(data)
    place = out
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return out


def removed(data, path):
    out = copy.deepcopy(data)
    place = out
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return out


def other_numbers(path, value):
    if isinstance(value, int):
        return [value + 1, value - 1, 0]
    if path[-1] in ("claim", "type", "by"):
        return []
    x = rational(value)
    return [str(y) for y in (x + 1, -x, x / 2, x + Rational(1, 1000), Rational(0)) if y != x]


@pytest.mark.parametrize("name", CASES)
def test_no_changed_number_proves_something_false(name: str) -> None:
    data = certificate_of(name).to_json()
    found = Counter(
        outcome(changed(data, path, number))
        for path, value in leaves(data)
        for number in other_numbers(path, value)
        if number != value
    )
    assert found["refused"] > 5


@pytest.mark.parametrize("name", CASES)
def test_no_other_claim_is_accepted(name: str) -> None:
    """Every claim with every kind of evidence, on the evidence that is there."""
    data = certificate_of(name).to_json()
    kinds = ["zero_gradient", "eckart_young", "function_space_hessian", "ambient_hessian"]
    for word in CLAIMS:
        for kind in [*kinds, "fiber_curve", None]:
            new = changed(data, ("claim",), word)
            if kind is not None:
                new["evidence"]["by"] = kind
            assert outcome(new) in ("refused", "true")


NONSENSE = [None, True, "", "x", "1/0", 1.5, -1, 10**40, [], [[]], {}, [1], [["1", 2], [3]], "nan"]


@pytest.mark.parametrize("name", ["C1", "C5", "C13", "C18", "C19", "D2", "D4", "D8", "D12", "B6"])
def test_nonsense_is_refused_in_words(name: str) -> None:
    """No field, of any depth, can be removed or replaced so that something else is raised."""
    data = certificate_of(name).to_json()
    rng = Random(name)
    found = Counter()
    for path in list(branches(data))[1:]:
        found[outcome(removed(data, path))] += 1
        for value in rng.sample(NONSENSE, 4):
            found[outcome(changed(data, path, value))] += 1
    assert found["not read"] > found["refused"] > 0
    for value in NONSENSE:
        with pytest.raises(DetvarError):
            Certificate.from_json(value)


def test_evidence_of_one_point_does_not_prove_another() -> None:
    """Certificates of 2–1–2 with the squared loss, their evidence exchanged."""
    rng = Random(2)
    points = [squared_point((2, 1, 2), rng) for _ in range(12)]
    sound = [classify(p.network, p.loss, p.weights).certificate for p in points]
    found = Counter()
    for one in sound:
        for other in sound:
            mixed = replace(one, claim=other.claim, evidence=other.evidence)
            if mixed.check().ok:
                assert is_true(mixed)
                found["true"] += 1
            else:
                found["refused"] += 1
    assert found["refused"] > found["true"] >= 12


def test_large_networks_are_checked_without_their_hessian() -> None:
    """Above 160 weights a non-strict saddle is proved by pivots and a separating threshold."""
    sigma = list(range(8, 0, -1))
    loss = SquaredLoss(identity(8), diagonal(sigma))
    top = diagonal([8, 7, 0, 0, 0, 0, 0, 0])
    two = diagonal([1, 1, 0, 0, 0, 0, 0, 0])
    network = LinearNetwork(8, 8, 8, 8)
    sound = proof(network, loss, [two, two, top])
    assert sound.claim == "non_strict_saddle"
    lines = sound.check().lines
    assert any("pivot" in line for line in lines) and any("≤" in line for line in lines)
    for change in (
        with_(threshold=Rational(35)),  # below 6² = 36
        with_(threshold=Rational(50)),  # above 7² = 49
        with_(curve=still),
        without("threshold"),
        claim("strict_saddle"),
        new_weights(two, identity(8), top),  # pivot (3, 1) opens
    ):
        assert not change(sound).check().ok
    other = diagonal([0, 7, 6, 0, 0, 0, 0, 0])
    shifted = diagonal([0, 1, 1, 0, 0, 0, 0, 0])
    not_top = Point(network, loss, (shifted, shifted, other))
    assert classify(network, loss, not_top.weights).nature == "strict_saddle"
    assert not new_weights(shifted, shifted, other)(sound).check().ok
