"""Is a critical point global?  Answers against the Eckart–Young value, and the published test.

The minimal value is known because the data are built from their singular values.  The test of Yun,
Sra and Jadbabaie must agree with it wherever its assumptions hold, and goes wrong elsewhere in the
ways recorded here.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from test_classify_laws import (
    Point,
    any_point,
    random_invertible,
    random_matrix,
    random_widths,
    squared_point,
    types_of,
)

from detvar.classify import check_global_minimum, classify, published_test
from detvar.errors import InputError
from detvar.exact.matrices import (
    diagonal,
    hstack,
    identity,
    inverse,
    is_zero,
    rank,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.losses import PowerLoss, QuadraticLoss, SquaredLoss, WeightedSquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.networks.random import cayley
from detvar.networks.sampling import weights_of_strings

EYE = [[1, 0], [0, 1]]


def assumptions_hold(point) -> bool:
    """The standing assumptions, from the construction: d_x, d_y ≤ N, XXᵀ and YXᵀ of full rank,
    and no singular value twice.  (`kept` and `left_out` are all the non-zero ones.)"""
    x, y = point.loss.X, point.loss.Y
    n, m, samples = x.nrows(), y.nrows(), x.ncols()
    values = (*point.kept, *point.left_out)
    full = len(values) == min(m, n)
    return rank(x) == n and max(m, n) <= samples and full and len(set(values)) == len(values)


def distinct_point(widths, rng):
    """Critical weights for data that satisfy all assumptions: N ≥ d_x, d_y and distinct σ."""
    n, m = widths[0], widths[-1]
    samples, k, r = max(m, n) + rng.randint(0, 1), min(m, n), min(widths)
    sigma = [Rational(x) for x in rng.sample(range(1, 9), k)]
    u, v = cayley(m, rng), cayley(n, rng)
    d, turn = random_invertible(n, rng, 1), cayley(samples, rng)
    rest = random_matrix(m, samples - n, rng)
    kept = range(k) if len(widths) == 2 else rng.sample(range(k), rng.randint(0, r))
    if rng.random() < 0.4 and len(widths) > 2:  # top points are rare otherwise
        kept = sorted(range(k), key=lambda i: -sigma[i])[:r]
    data = hstack(d, zeros(n, samples - n))
    truth = hstack(u * diagonal(sigma, m, n) * v.transpose(), rest)
    shown = [x if i in kept else 0 for i, x in enumerate(sigma)]
    product = u * diagonal(shown, m, n) * v.transpose() * inverse(d)
    gradient = SquaredLoss(data, truth).gradient(product)
    kinds = types_of(widths, len(kept), k - len(kept))
    weights = weights_of_strings(rng.choice(kinds), product, gradient, rng)
    offset = sum((x * x for x in rest.entries()), Rational(0)) / 2
    left_out = tuple(x for i, x in enumerate(sigma) if i not in kept)
    return Point(
        LinearNetwork(*widths),
        SquaredLoss(data * turn, truth * turn),
        weights,
        offset + sum((x * x for x in left_out), Rational(0)) / 2,
        offset + sum((x * x for x in sorted(sigma)[: k - r]), Rational(0)) / 2,
        tuple(sigma[i] for i in kept),
        left_out,
    )


# --- with the assumptions ------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_published_test_is_right_where_it_applies(seed: int) -> None:
    rng = Random(f"published {seed}")
    found = Counter()
    for _ in range(100):
        point = distinct_point(random_widths(rng, 4), rng)
        assert assumptions_hold(point)
        verdict = check_global_minimum(point.network, point.loss, point.weights)
        published = verdict.published
        is_global = point.value == point.minimum
        assert verdict.classification.value == point.value
        assert verdict.answer is is_global
        assert published.assumptions_hold and published.failures == ()
        assert published.answer == ("global_minimum" if is_global else "saddle")
        small = point.network.is_filling
        assert published.theorem == ("2.1" if small else "2.2")
        found[published.theorem, is_global] += 1
    assert len(found) == 4 and min(found.values()) > 3


# --- without them --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_answer_is_the_eckart_young_value(seed: int) -> None:
    """Any data: repeated and zero singular values, inputs that do not span, few samples."""
    rng = Random(f"values {seed}")
    found = Counter()
    for _ in range(100):
        point = squared_point(random_widths(rng, 4), rng)
        verdict = check_global_minimum(point.network, point.loss, point.weights)
        is_global = point.value == point.minimum
        assert verdict.answer is is_global
        assert verdict.certificate.claim == verdict.classification.nature
        published = verdict.published
        assert published.assumptions_hold == assumptions_hold(point)
        assert bool(published.failures) != published.assumptions_hold
        said = {"global_minimum": True, "saddle": False, None: None}[published.answer]
        if published.assumptions_hold:
            assert said is is_global
        if said and published.theorem == "2.1":  # full rank at a critical point means G = 0
            assert is_global
        found[published.assumptions_hold, said, is_global] += 1
    assert found[False, False, True] > 0  # documented failures do occur
    assert found[True, True, True] > 0 and found[True, False, False] > 0


@pytest.mark.parametrize("seed", range(4))
def test_no_nearby_or_distant_weights_are_lower_than_a_global_minimum(seed: int) -> None:
    """The answer True is compared with the loss itself, at random weights near and far."""
    rng = Random(f"lower {seed}")
    for _ in range(30):
        point = any_point(rng)
        network, loss = point.network, point.loss
        verdict = check_global_minimum(network, loss, point.weights)
        here = verdict.classification.value
        assert verdict.answer in (True, False, None)
        for scale in (Rational(1, 50), Rational(1, 3), Rational(4)):
            moved = tuple(
                w + random_matrix(w.nrows(), w.ncols(), rng) * scale for w in point.weights
            )
            if verdict.answer:
                assert loss.value(network.end_to_end(moved)) >= here
        if verdict.answer is None:
            assert verdict.classification.nature in (
                "local_minimum",
                "local_maximum",
                "degenerate",
                "undecided",
            )


def known(x, y, widths, weights):
    network, loss = LinearNetwork(*widths), SquaredLoss(x, y)
    verdict = check_global_minimum(network, loss, weights)
    assert verdict.certificate.check().ok
    return verdict


def test_data_of_low_rank_make_the_published_test_wrong() -> None:
    """YXᵀ = 0: the rank is below k at the global minimum W = 0."""
    verdict = known(EYE, [[0, 0], [0, 0]], (2, 2, 2), [zeros(2, 2), zeros(2, 2)])
    assert verdict.answer is True
    assert verdict.published.answer == "saddle"
    assert verdict.published.failures == ("YXᵀ does not have full rank",)


def test_equal_singular_values_at_the_cut_leave_no_column_space() -> None:
    """With target I every unit vector is leading: both diagonal points of 2–1–2 are global."""
    for weights in ([[[1, 0]], [[1], [0]]], [[[0, 1]], [[0], [1]]]):
        verdict = known(EYE, EYE, (2, 1, 2), weights)
        assert verdict.answer is True
        assert verdict.published.answer is None
        assert "equal" in verdict.published.reason
        assert verdict.published.failures == ("a singular value of YXᵀ(XXᵀ)⁻¹X is repeated",)


def test_equal_singular_values_away_from_the_cut_do_no_harm() -> None:
    """σ = 2, 1, 1 and k = 1: the assumption is false, the column space is still unique."""
    x, y = identity(3), diagonal([2, 1, 1])
    best = known(x, y, (3, 1, 3), [[[1, 0, 0]], [[2], [0], [0]]])
    other = known(x, y, (3, 1, 3), [[[0, 1, 0]], [[0], [1], [0]]])
    assert (best.answer, best.published.answer) == (True, "global_minimum")
    assert (other.answer, other.published.answer) == (False, "saddle")
    assert not best.published.assumptions_hold


def test_inputs_that_do_not_span_make_the_published_test_wrong() -> None:
    """X = diag(1, 0): the effective network is 1–2–2, where rank one is all that is needed."""
    weights = [[[1, 0], [0, 0]], [[2, 0], [0, 0]]]
    verdict = known([[1, 0], [0, 0]], [[2, 0], [0, 1]], (2, 2, 2), weights)
    assert verdict.answer is True
    assert verdict.published.answer == "saddle"
    assert "XXᵀ is singular" in verdict.published.failures


def test_rank_of_the_weights_is_not_the_rank_on_the_data() -> None:
    """W̄ = E₃₃ has rank one, but W̄X = 0: a saddle, and no matrix XXᵀ⁻¹ for the test to use."""
    x, y = diagonal([1, 1, 0]), diagonal([2, 1, 0])
    verdict = known(x, y, (3, 1, 3), [[[0, 0, 1]], [[0], [0], [1]]])
    assert verdict.answer is False
    assert verdict.published.answer is None
    assert "XXᵀ is singular" in verdict.published.failures


def test_too_few_samples_are_named() -> None:
    network, loss = LinearNetwork(2, 1, 3), SquaredLoss([[1], [2]], [[1], [0], [0]])
    zero = network.check_weights([zeros(1, 2), zeros(3, 1)])
    failures = published_test(network, loss, zero).failures
    assert failures[0] == "d_x = 2 exceeds the number 1 of samples"
    assert failures[1] == "d_y = 3 exceeds the number 1 of samples"
    assert "XXᵀ is singular" in failures


# --- other losses --------------------------------------------------------------------------------


def test_a_bad_minimum_is_refuted_and_a_good_one_left_open() -> None:
    """U = diag(1, 1/2), weights 1 on and 3 off the diagonal: values 1/2 and 1/8."""
    loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    network = LinearNetwork(2, 1, 2)
    worse = check_global_minimum(network, loss, [[[0, "1/2"]], [[0], [1]]])
    better = check_global_minimum(network, loss, [[[1, 0]], [[1], [0]]])
    assert (worse.answer, worse.classification.value) == (False, Rational(1, 2))
    assert (better.answer, better.classification.value) == (None, Rational(1, 8))
    assert worse.published is None and better.published is None
    assert worse.certificate.check().ok and better.certificate.check().ok


def test_bad_minimum_with_an_input_that_is_not_used() -> None:
    """A column of zero weights is divided out; the lower matrix is one of the network as given."""
    loss = WeightedSquaredLoss([[1, 0, 5], [0, "1/2", 7]], [[1, 3, 0], [3, 1, 0]])
    verdict = check_global_minimum(LinearNetwork(3, 1, 2), loss, [[[0, "1/2", 4]], [[0], [1]]])
    c = verdict.classification
    assert (verdict.answer, c.nature, c.is_bad_minimum) == (False, "local_minimum", True)
    assert c.effective.network == LinearNetwork(2, 1, 2)
    lower = c.certificate.evidence["lower_point"]
    assert (lower.nrows(), lower.ncols()) == (2, 3)
    assert loss.value(lower) < c.value and rank(lower) == 1
    assert c.certificate.check().ok


def test_weights_that_are_not_critical() -> None:
    network, loss = LinearNetwork(2, 1, 2), SquaredLoss(EYE, [[2, 0], [0, 1]])
    weights = network.check_weights([[[1, 1]], [[1], [1]]])
    verdict = check_global_minimum(network, loss, weights)
    assert verdict.answer is False and verdict.published is None
    with pytest.raises(InputError, match="not critical"):
        published_test(network, loss, weights)


@pytest.mark.parametrize("sign, answer", [(1, True), (-1, None)])
def test_the_sign_of_the_loss_matters(sign: int, answer: bool | None) -> None:
    """At the target itself G = 0: a minimum for the convex loss; never claimed for its negative."""
    loss = QuadraticLoss(EYE, identity(4) * sign)
    verdict = check_global_minimum(LinearNetwork(2, 2, 2), loss, [EYE, EYE])
    assert is_zero(verdict.classification.gradient)
    assert verdict.answer in ((True,) if answer else (False, None))
    nature = classify(LinearNetwork(2, 2, 2), loss, [EYE, EYE]).nature
    assert nature == ("global_minimum" if answer else "local_maximum")


def test_filling_networks_have_no_local_minimum_that_is_not_global() -> None:
    """Convex loss, no bottleneck: critical points are global iff G = 0 (Laurent, von Brecht)."""
    rng = Random(6)
    found = Counter()
    while found[True] < 40 or found[False] < 40:
        point = any_point(rng)
        if not point.network.is_filling or not point.loss.is_convex():
            continue
        if not isinstance(point.loss, (PowerLoss, SquaredLoss)):  # others may see less
            continue
        verdict = check_global_minimum(point.network, point.loss, point.weights)
        zero = is_zero(verdict.classification.gradient)
        assert verdict.answer is zero
        found[zero] += 1


def test_columns_span_is_what_is_compared() -> None:
    """The published criterion does not depend on the basis of the hidden layer of least width."""
    rng = Random(9)
    for _ in range(20):
        point = distinct_point((3, 2, 3), rng)
        g = random_invertible(2, rng)
        first, second = point.weights
        moved = (g * first, second * inverse(g))
        before = published_test(point.network, point.loss, point.weights)
        after = published_test(point.network, point.loss, moved)
        assert before == after
