"""The float64 route: every interval against the same number over Q.

Floats are exact numbers, so that L, its changes, its gradient and its second derivatives are
computed over Q from the definitions and must lie in the intervals.
"""

from __future__ import annotations

import json
from collections import Counter
from math import lcm

import numpy as np
import pytest
from test_float_verdict import MOVES, moved, require_agreement, require_true
from test_float_verdict import random_case as critical_case

from detvar.classify import classify
from detvar.classify.hessian import full_hessian
from detvar.errors import InputError, ShapeError
from detvar.exact.balls import exact_float
from detvar.exact.matrices import Matrix, identity, inner, inverse, rank
from detvar.exact.rational import Rational
from detvar.losses import SquaredLoss
from detvar.networks import LinearNetwork
from detvar.optimality.assessment import assess
from detvar.optimality.by_balls import evidence_by_balls
from detvar.optimality.by_floats import evidence_by_floats
from detvar.optimality.data import read_data
from detvar.optimality.door import opened, samples_of
from detvar.optimality.evidence import conclude
from detvar.optimality.floating import FloatMeasured
from detvar.optimality.measured import enough_bits
from detvar.optimality.minimal_value import prepare, project
from detvar.optimality.moments import moments
from detvar.optimality.nearby_floating import left_inverse
from detvar.optimality.rounding import Enclosed, from_float
from detvar.optimality.spectral import spectral
from detvar.optimality.verdict import FloatVerdict, check_global_minimum

SCALES = ((0, 0, 0), (100, 0, 0), (-100, 0, 0), (0, 100, 0), (0, -100, 100), (100, 100, -100))


def exact(a):
    return Matrix(*a.shape, [exact_float(float(x)) for x in a.ravel()])


def inside(interval, x):
    low, high = interval
    return (low == -np.inf or exact_float(low) <= x) and (high == np.inf or x <= exact_float(high))


def width(interval, size):
    """The width of an interval, in units of a rational size."""
    return float((exact_float(interval[1]) - exact_float(interval[0])) / size)


def random_case(seed):
    """Widths, data and weights of many kinds: float32, rank-deficient X, zeros, scales."""
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 5, rng.integers(2, 5))
    samples = int(rng.integers(1, 7))
    n, m = int(widths[0]), int(widths[-1])
    x, y = rng.standard_normal((samples, n)), rng.standard_normal((samples, m))
    if seed % 3 == 0 and n > 1:
        x[:, -1] = x[:, 0] * 2
    if seed % 5 == 0:
        x[:, 0] = 0.0
    arrays = [rng.standard_normal((b, a)) for a, b in zip(widths, widths[1:], strict=False)]
    if seed % 4 == 0:
        arrays = [w.astype(np.float32).astype(np.float64) for w in arrays]
        x = x.astype(np.float32).astype(np.float64)
    if seed % 7 == 0:
        arrays[0] = 0.0 * arrays[0]
    a, b, c = SCALES[seed % len(SCALES)]
    arrays[0] = arrays[0] * 10.0**c
    network = LinearNetwork(*map(int, widths))
    return network, x * 10.0**a, y * 10.0**b, tuple(arrays), rng


def masks_of(arrays, rng, seed):
    if seed % 2:
        return None
    return tuple(rng.random(w.shape) < 0.7 for w in arrays)


def exact_partials(network, loss, arrays):
    theta = tuple(map(exact, arrays))
    g = loss.gradient(network.end_to_end(theta))
    above, below = network.outer_products(theta)
    return [a.transpose() * g * b.transpose() for a, b in zip(above, below, strict=True)]


@pytest.mark.parametrize("part", range(6))
def test_values_and_derivatives_over_q(part):
    for seed in range(40 * part, 40 * part + 40):
        network, x, y, arrays, rng = random_case(seed)
        loss = SquaredLoss(exact(x.T), exact(y.T))
        masks = masks_of(arrays, rng, seed)
        theta = tuple(map(exact, arrays))
        after = tuple(w + 1e-9 * rng.standard_normal(w.shape) for w in arrays)
        value = loss.value(network.end_to_end(theta))
        change = loss.value(network.end_to_end(tuple(map(exact, after)))) - value
        partials = exact_partials(network, loss, arrays)
        if masks is not None:
            partials = [masked(p, m) for p, m in zip(partials, masks, strict=True)]
        squared = sum((inner(p, p) for p in partials), Rational(0))
        v = tuple(rng.standard_normal(w.shape) for w in arrays)
        if masks is not None:
            v = tuple(a * m for a, m in zip(v, masks, strict=True))
        h = full_hessian(network, loss, theta)
        column = Matrix(h.nrows(), 1, [e for a in v for e in exact(a).entries()])
        bent = (column.transpose() * h * column)[0, 0]
        for data in ((x, y), moments([(x, y)])):
            here = FloatMeasured(data, masks)
            assert inside(here.value(arrays), value), seed
            assert inside(here.difference(arrays, after), change), seed
            low, high = here.gradient_norm(arrays)
            assert exact_float(low) ** 2 <= squared, seed
            assert high == np.inf or squared <= exact_float(high) ** 2, seed
            assert inside(here.curvature(arrays, v), bent), seed
            found = here.partials(arrays)
            if masks is not None:
                assert all(not p[~m].any() for p, m in zip(found, masks, strict=True))


def masked(p, mask):
    kept = [x if k else Rational(0) for x, k in zip(p.entries(), mask.ravel(), strict=True)]
    return Matrix(p.nrows(), p.ncols(), kept)


def test_intervals_are_narrow_at_every_scale():
    for seed in range(60):
        network, x, y, arrays, rng = random_case(seed)
        loss = SquaredLoss(exact(x.T), exact(y.T))
        here = FloatMeasured((x, y))
        value = loss.value(network.end_to_end(tuple(map(exact, arrays))))
        low, high = here.value(arrays)
        if 0 < value < exact_float(1e300) and value > exact_float(1e-280):
            assert width((low, high), value) < 1e-12, seed


def test_a_small_step_is_known_to_many_digits():
    """L(after) − L(before) ≈ 10⁻¹³ L, where the difference of two values has lost all digits."""
    done = 0
    for seed in range(1, 60, 6):
        network, x, y, arrays, rng = random_case(seed)
        loss = SquaredLoss(exact(x.T), exact(y.T))
        after = tuple(w * (1 + 1e-13 * rng.standard_normal(w.shape)) for w in arrays)
        one, two = (loss.value(network.end_to_end(tuple(map(exact, a)))) for a in (arrays, after))
        found = FloatMeasured((x, y)).difference(arrays, after)
        assert inside(found, two - one)
        if two != one and np.isfinite(found).all():
            done += 1
            assert width(found, abs(two - one)) < 1e-11, seed
    assert done > 3


def test_fixed_entries_do_not_move():
    here = FloatMeasured((np.eye(2), np.eye(2)), (np.array([[True, False], [True, True]]),))
    with pytest.raises(InputError, match="moves an entry of W_1"):
        here.curvature((np.eye(2),), (np.ones((2, 2)),))


# --- verdicts in float64 ------------------------------------------------------------------------


def whole(loss):
    """The samples times their common denominator, which changes no critical point."""
    k = lcm(*(int(x.q) for a in (loss.X, loss.Y) for x in a.entries()))
    return SquaredLoss(loss.X * k, loss.Y * k)


def both(network, loss, arrays):
    """The verdicts in float64 and in balls."""
    data = samples_of(loss)
    problem = opened(network, (data.x, data.y), arrays)
    one = conclude(evidence_by_floats(problem, 1e-10, 1e-3), 1e-10, "float64", 0.0)
    with enough_bits():
        found = evidence_by_balls(network, loss, tuple(arrays), 1e-10, 1e-3)
    return one, conclude(found, 1e-10, "balls", 0.0)


def overlap(a, b):
    return a is None or b is None or (a[0] <= b[1] and b[0] <= a[1])


def judged_in_float64(seeds, counts):
    for seed in seeds:
        network, given, weights = critical_case(seed)
        loss = whole(given)
        label = classify(network, loss, weights).nature
        for size in MOVES:
            arrays = moved(weights, size, seed)
            v, balls = both(network, loss, arrays)
            require_true(network, loss, arrays, v)
            require_agreement(label, size, v)
            assert {v.answer, balls.answer} != {True, False}, (seed, str(v), str(balls))
            assert v.nature is None or balls.nature in (None, v.nature), (seed, size)
            for name in ("value", "minimum", "gap", "relative_gap", "gradient"):
                assert overlap(getattr(v, name), getattr(balls, name)), (seed, size, name)
            counts[size, "undecided" if v.answer is None else "decided"] += 1
            counts[size, "near" if v.nature else "far", label] += 1
            counts["near in balls", balls.nature is not None, v.nature is not None] += 1
    return counts


@pytest.mark.parametrize("part", range(4))
def test_exact_critical_points_in_float64(part):
    counts = judged_in_float64(range(10 * part, 10 * part + 10), Counter())
    assert counts[0.0, "undecided"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("part", range(30))
def test_many_exact_critical_points_in_float64(part, capsys):
    counts = judged_in_float64(range(5000 + 20 * part, 5020 + 20 * part), Counter())
    with capsys.disabled():
        for size in MOVES:
            no, yes = counts[size, "undecided"], counts[size, "decided"]
            print(f"moved by {size:g}: {no} of {no + yes} undecided", end="; ")


def test_distances_to_critical_points_are_not_too_small():
    """‖∇L(θ)‖ ≤ sup ‖∇²L‖ · ‖θ − θ*‖ where ∇L(θ*) = 0."""
    done = Counter()
    for seed in range(60):
        network, given, weights = critical_case(seed)
        loss = whole(given)
        arrays = tuple(moved(weights, 1e-5, seed))
        data = samples_of(loss)
        found = evidence_by_floats(opened(network, (data.x, data.y), arrays), 1e-10, 1e-3)
        if found.nearby is None:
            continue
        h = full_hessian(network, loss, tuple(map(exact, arrays)))
        size = np.linalg.norm(np.array(to_float(h)), 2)
        assert found.gradient[0] <= 1.5 * size * found.nearby.distance, seed
        done[found.nearby.nature] += 1
    assert len(done) > 1 and done.total() > 20


def within(enclosed, a):
    """Whether an exact matrix lies in an enclosure."""
    off = exact(enclosed.mid) - a
    return inner(off, off) <= exact_float(enclosed.rad) ** 2


def test_targets_contain_the_exact_critical_matrices():
    """U = YXᵀ(XXᵀ)⁻¹ over Q, and the W_S that the critical weights were made for."""
    found = Counter()
    for seed in range(80):
        network, given, weights = critical_case(seed)
        loss = whole(given)
        data = samples_of(loss)
        prepared = prepare((data.x, data.y))
        form = spectral(prepared, project(prepared))
        if isinstance(form, str) or not form.used.all():
            continue
        w = network.end_to_end(weights)
        u = loss.Y * loss.X.transpose() * inverse(loss.X * loss.X.transpose())
        rounded = np.array([[int(x.p) / int(x.q) for x in row] for row in w.tolist()])
        for target in form.targets(network, rounded):
            if target.zero_gradient:
                assert within(target.point, u), seed
                found["U"] += 1
            elif target.rank == rank(w):
                assert within(target.point, w), seed
                assert target.point.rad < 1e-9 * (1 + np.linalg.norm(rounded))
                found["W_S"] += 1
        m = u * loss.X * loss.X.transpose() * u.transpose()
        wanted = np.linalg.eigvalsh(np.array([[float(x) for x in r] for r in to_float(m)]))[::-1]
        unit = 4.0**prepared.output
        assert np.allclose(form.values * unit, wanted, atol=1e-9 * (1 + wanted[0]))
    assert min(found.values()) > 10


def to_float(a):
    return [[int(x.p) / int(x.q) for x in row] for row in a.tolist()]


def test_left_inverses_over_q():
    rng = np.random.default_rng(4)
    for _ in range(60):
        a = rng.standard_normal((int(rng.integers(1, 6)), int(rng.integers(1, 4))))
        found = left_inverse(from_float(a))
        if a.shape[0] < a.shape[1]:
            assert found is None
            continue
        b = exact(found.mid)
        true = inverse(b * exact(a)) * b
        assert true * exact(a) == identity(a.shape[1]) and within(found, true)
        # a singular matrix within the radius is never inverted
        assert left_inverse(Enclosed(a, float(np.linalg.svd(a)[1][-1]) * 1.01)) is None


@pytest.mark.parametrize("part", range(4))
def test_any_data_against_exact_least_values(part):
    """Ranks of all kinds, zero columns, few samples: the gap over Q, and no nature is invented."""
    for seed in range(12 * part, 12 * part + 12):
        network, x, y, arrays, _ = random_case(6 * seed)
        x, y, arrays = np.rint(4 * x), np.rint(4 * y), tuple(np.rint(2 * w) / 2 for w in arrays)
        loss = SquaredLoss(exact(x.T), exact(y.T))
        if loss.reduce(network).loss is None:
            continue
        one, balls = both(network, loss, arrays)
        require_true(network, loss, arrays, one)
        assert {one.answer, balls.answer} != {True, False}
        if one.nature is not None:
            assert balls.nature in (None, one.nature)


def test_small_data_go_to_balls_and_large_losses_to_floats():
    x, y = np.eye(2), np.diag([2.0, 1.0])
    w = [np.array([[2.0, 0.0]]), np.array([[1.0], [0.0]])]
    assert check_global_minimum(None, (x, y), w).arithmetic == "balls"
    batches = check_global_minimum(LinearNetwork(2, 1, 2), iter([(x, y)]), w)
    assert (batches.arithmetic, batches.answer, batches.nature) == (
        "float64",
        True,
        "global_minimum",
    )
    many = np.tile(x, (600, 1)), np.tile(y, (600, 1))
    loss = SquaredLoss(exact(many[0].T), exact(many[1].T))
    v = check_global_minimum(None, loss, w)
    assert v.arithmetic == "float64" and v.answer is True and v.tier == "certified"
    assert "global minimum" in v.published and "excl" not in v.published


def test_large_networks_skip_what_would_cost_too_much(monkeypatch):
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((90, 6)), rng.standard_normal((90, 3))
    w = [np.zeros((2, 6)), np.zeros((3, 2))]
    full = check_global_minimum(None, (x, y), w)
    assert full.curvature[1] < 0 and full.nature == "strict_saddle"
    monkeypatch.setattr("detvar.optimality.by_floats._NEARBY_UP_TO", 5)
    monkeypatch.setattr("detvar.optimality.by_floats._BENT_UP_TO", 5)
    short = check_global_minimum(None, (x, y), w)
    assert short.curvature is None and short.nature is None and short.answer is False
    assert sum("looked for" in fact for fact in short.facts) == 2


def test_the_short_answer_agrees():
    """The verdict is True exactly where `assess` says so and no saddle is proved nearby."""
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal((90, 6)), rng.standard_normal((90, 3))
    u = np.linalg.lstsq(x, y, rcond=None)[0].T
    seen = set()
    for k in range(12):
        size = 10.0**-k if k else 0.0
        w = [np.eye(6), u + size * rng.standard_normal(u.shape)]
        short, full = assess(w, x, y).answer, check_global_minimum(None, (x, y), w)
        assert full.arithmetic == "float64"
        assert (full.answer is True) == (short is True) and (full.answer, short) != (False, None)
        seen.add(short)
    assert seen == {True, False}


def test_a_verdict_reads_back():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((90, 6)), rng.standard_normal((90, 3))
    w = [rng.standard_normal((2, 6)), rng.standard_normal((3, 2))]
    spread = check_global_minimum(None, (x, y), [np.eye(6), rng.standard_normal((3, 6))])
    assert "if critical: global minimum" in spread.published and spread.answer is False
    assert "not to be critical" in spread.published
    for arrays in (w, [0 * a for a in w]):
        v = check_global_minimum(None, (x, y), arrays)
        assert FloatVerdict.from_json(json.loads(json.dumps(v.to_json()))) == v
        text = v.to_latex()
        assert text.count("{") == text.count("}") and r"\min L \in [" in text
    assert v.nature == "strict_saddle" and r"\theta^* \text{ a strict saddle}" in text
    with pytest.raises(InputError, match="no saved verdict"):
        FloatVerdict.from_json({"kind_of_result": "escape"})
    with pytest.raises(InputError, match="damaged"):
        FloatVerdict.from_json({"kind_of_result": "float_verdict"})


def test_biases():
    """An affine map is fitted: W = Σ_xy Σ_xx⁻¹ of centred data with the right constant is best."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((80, 3)) + 2.0, rng.standard_normal((80, 2)) - 1.0
    xc, yc = x - x.mean(0), y - y.mean(0)
    u = np.linalg.lstsq(xc, yc, rcond=None)[0].T
    c = y.mean(0) - u @ x.mean(0)
    best = {"0.weight": np.eye(3), "0.bias": np.zeros(3), "1.weight": u, "1.bias": c}
    v = check_global_minimum(None, (x, y), best)
    assert v.answer is True and v.nearby is None and v.published is None
    assert v.gradient[1] < 1e-10 and any("with biases" in f for f in v.facts)
    off = check_global_minimum(None, (x, y), best | {"1.bias": c + 1.0})
    # a constant error of 1 in two outputs costs ½ · 80 · 2
    assert off.answer is False and off.gap[0] <= 80.0 <= off.gap[1]
    theta = opened(None, (x, y), best).weights
    loss = SquaredLoss(exact(np.hstack([x, np.ones((80, 1))]).T), exact(y.T))
    g = exact_partials(theta.network, loss, theta.arrays)
    trained = [masked(p, m) for p, m in zip(g, theta.trained(), strict=True)]
    squared = sum((inner(p, p) for p in trained), Rational(0))
    assert exact_float(v.gradient[0]) ** 2 <= squared <= exact_float(v.gradient[1]) ** 2


def test_inputs_that_make_no_regular_matrix():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((40, 12)), rng.standard_normal((40, 3))
    w = [rng.standard_normal((3, 12)), rng.standard_normal((3, 3))]
    x[:, 3] = x[:, 4]
    twice = check_global_minimum(None, (x, y), w)
    assert twice.nearby is None and any("XXᵀ is singular" in f for f in twice.facts)
    x[:, 3] = 0.0
    w[0][:, [k for k in range(12) if k != 3]] = np.linalg.lstsq(np.delete(x, 3, 1), y, rcond=None)[
        0
    ].T
    w[1] = np.eye(3)
    zero = check_global_minimum(None, (x, y), w)
    assert zero.answer is True and zero.nature == "global_minimum"
    assert "XXᵀ is singular" in zero.published
    few = check_global_minimum(
        None, (x[:9], y[:9]), [rng.standard_normal((60, 12)), np.ones((3, 60))]
    )
    assert any("9 samples and 11 inputs" in f for f in few.facts)


# --- the door -----------------------------------------------------------------------------------


def test_all_kinds_of_data_are_the_same_data(tmp_path):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))
    w = [rng.standard_normal((3, 4)), rng.standard_normal((2, 3))]
    path = tmp_path / "data.npz"
    np.savez(path, x=x, y=y)
    seen = []
    halves = [(x[:10], y[:10]), (x[10:], y[10:])]
    kinds = [(x, y), [x, y], read_data((x, y)), {"x": x, "y": y}, path, str(path)]
    for source in kinds:
        problem = opened(None, source, w)
        assert np.array_equal(problem.augmented()[0], x) and problem.network.widths == (4, 3, 2)
    for source in (halves, iter(halves), moments(halves)):
        problem = opened(None, source, w, seen.append)
        assert problem.augmented().samples == 30
    assert seen == [10, 30, 10, 30]
    exact_problem = opened(None, SquaredLoss([[1]], [[1]]), [[[1]], [[2]]])
    assert exact_problem.network.widths == (1, 1, 1) and exact_problem.exact is not None


@pytest.mark.parametrize(
    ("network", "loss", "error", "words"),
    [
        (None, None, InputError, "no loss"),
        (None, 3, InputError, "neither a loss nor data"),
        (LinearNetwork(4, 2), (np.ones((5, 4)), np.ones((5, 2))), ShapeError, "matrices"),
        (None, (np.ones((5, 2)), np.ones((5, 4))), ShapeError, "exchanged"),
        (None, moments([(np.ones((5, 3)), np.ones((5, 2)))]), ShapeError, "moments have 3 inputs"),
        (None, (np.ones((5, 4)), np.ones((4, 2))), ShapeError, "5 samples"),
        (None, SquaredLoss([[1]], [[1]]), ShapeError, "1×1 matrices"),
    ],
)
def test_what_does_not_fit(network, loss, error, words):
    with pytest.raises(error, match=words):
        check_global_minimum(network, loss, [np.ones((3, 4)), np.ones((2, 3))])


def test_a_loss_that_float64_would_round_is_refused_with_biases():
    w = {"0.weight": np.ones((1, 1)), "0.bias": np.ones(1)}
    with pytest.raises(InputError, match="biases"):
        check_global_minimum(None, SquaredLoss([[1]], [["1/3"]]), w)
    assert check_global_minimum(None, SquaredLoss([[1]], [[2]]), w).answer is True
