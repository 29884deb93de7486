"""Floating-point weights: every interval and every certified answer against exact arithmetic.

Floats are exact numbers, so that L, its gradient and the gap to the least value are also computed
over Q, from the definitions, and must lie in the intervals.  The labels come from `classify` at
the exact critical weights that the floats were rounded or moved from.
"""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from test_classify_cases import POINTS, problem_of
from test_random_critical import random_network, singular_part

from detvar.classify import classify
from detvar.classify.hessian import full_hessian
from detvar.critical.singular_values import spectrum
from detvar.errors import InputError, ShapeError
from detvar.exact.algebraic import real_algebraic, real_roots
from detvar.exact.balls import arb_mat, exact_float
from detvar.exact.matrices import (
    Matrix,
    charpoly,
    column_space,
    identity,
    inner,
    inverse,
    left_inverse,
)
from detvar.exact.rational import Rational
from detvar.losses import LogisticLoss, SquaredLoss, is_analytic
from detvar.networks import LinearNetwork
from detvar.networks.random import (
    random_critical_weights,
    random_matrix_of_rank,
    random_squared_problem,
)
from detvar.optimality.curvature import float_slope, hessian_times, lowest_direction
from detvar.optimality.measured import Measured, balls, enough_bits, low_high, norm
from detvar.optimality.nearby import _ends
from detvar.optimality.verdict import FloatVerdict, check_global_minimum
from detvar.optimality.whitened import cholesky, enclosed_eigenvalues

MOVES = (0.0, 1e-12, 1e-8, 1e-4)


def to_floats(weights):
    return [
        np.array([[int(x.p) / int(x.q) for x in row] for row in w.tolist()]).reshape(
            w.nrows(), w.ncols()
        )
        for w in weights
    ]


def to_exact(arrays):
    return [Matrix(*a.shape, [exact_float(float(x)) for x in a.ravel()]) for a in arrays]


def inside(interval, x):
    """Whether a rational or algebraic number lies in an interval with float ends."""
    low, high = interval
    at_least = low == -np.inf or exact_float(low) <= x
    return bool(at_least and (high == np.inf or x <= exact_float(high)))


def moved(weights, size, seed):
    rng = np.random.default_rng(seed)
    return [w + size * rng.standard_normal(w.shape) for w in to_floats(weights)]


def require_true(network, loss, arrays, verdict):
    """Compare all intervals with exact arithmetic on the same floats."""
    exact = to_exact(arrays)
    w = network.end_to_end(exact)
    value, g = loss.value(w), loss.gradient(w)
    assert inside(verdict.value, value)
    above, below = network.outer_products(tuple(exact))
    partials = [a.transpose() * g * b.transpose() for a, b in zip(above, below, strict=True)]
    squared = sum((inner(p, p) for p in partials), Rational(0))
    low, high = verdict.gradient
    assert exact_float(low) ** 2 <= squared <= exact_float(high) ** 2
    if verdict.gap is None:
        assert verdict.answer is not True
        return None
    reduction = loss.reduce(network)
    form = reduction.loss.kronecker()
    least = spectrum(form).minimal_value(reduction.network.rank_bound)
    gap = real_algebraic(value) - least
    assert inside(verdict.minimum, least) and inside(verdict.gap, gap)
    return gap


def require_agreement(label, size, verdict):
    """No certified word may contradict the exact label of the weights nearby.

    Weights moved by 1e-4 are further from the least value than the looser tolerance where layers
    have large entries: there "not at a global minimum" is a fact over Q, which `judged` checks.
    """
    if label == "global_minimum":
        assert verdict.answer is not False or size == 1e-4, str(verdict)
    else:
        assert verdict.answer is not True, str(verdict)
    assert verdict.nature in (None, label), (label, size, str(verdict))


def judged(network, loss, weights, label, seed, counts):
    for size in MOVES:
        arrays = moved(weights, size, seed)
        v = check_global_minimum(network, loss, arrays, numerical=True)
        gap = require_true(network, loss, arrays, v)
        require_agreement(label, size, v)
        if gap is not None and v.answer is not None:
            scale = loss.value(Matrix(*loss.shape)) or Rational(1)
            assert (gap <= exact_float(v.tolerance) * scale) == v.answer
        if label == "global_minimum" and v.answer is False:
            assert gap > exact_float(v.tolerance**0.5) * scale
        counts[label, size, {True: "yes", False: "no", None: "undecided"}[v.answer]] += 1
        counts["near", size, v.nature is not None] += 1


@pytest.mark.parametrize("name", POINTS)
def test_the_recorded_cases_in_floats(name):
    network, loss, weights = problem_of(POINTS[name])
    c = classify(network, loss, weights)
    judged(network, loss, c.weights, c.nature, 1, Counter())


def random_case(seed):
    """A squared problem with rational critical matrices, and critical weights of any type."""
    rng = Random(seed)
    m, n = rng.randint(1, 4), rng.randint(1, 4)
    sigma = [Rational(rng.randint(0, 3), rng.randint(1, 2)) for _ in range(min(m, n))]
    loss, u, v = random_squared_problem(m, n, sigma, seed=seed, samples=n + rng.randint(0, 2))
    d = Matrix(n, n, [x for row in loss.X.tolist() for x in row[:n]])
    chosen = [i for i, s in enumerate(sigma) if s and rng.random() < 0.6][:3]
    w = singular_part(u, v, sigma, chosen) * inverse(d)
    network = random_network(m, n, len(chosen), rng)
    return network, loss, random_critical_weights(network, loss, w, seed=seed)


@pytest.mark.parametrize("part", range(3))
def test_random_critical_weights_in_floats(part):
    check_many(range(40 * part, 40 * part + 40))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_many_random_critical_weights_in_floats(part, capsys):
    counts = check_many(range(1000 + 100 * part, 1100 + 100 * part))
    with capsys.disabled():
        for key in sorted(counts, key=str):
            print(*key, counts[key])


def check_many(seeds):
    counts: Counter = Counter()
    for seed in seeds:
        network, loss, weights = random_case(seed)
        judged(network, loss, weights, classify(network, loss, weights).nature, seed, counts)
    assert sum(k for (label, *_), k in counts.items() if label == "global_minimum") > 20
    # rounded weights are never left undecided
    assert not any(k[1] == 0.0 and k[2] == "undecided" for k in counts)
    return counts


# --- the parts ----------------------------------------------------------------------------------


def random_arrays(network, rng):
    return [
        rng.integers(-3, 4, (b, a)) / 2.0
        for a, b in zip(network.widths, network.widths[1:], strict=False)
    ]


@pytest.mark.parametrize("name", ["D1", "D12", "C1", "C13"])
def test_derivatives_against_exact_ones(name):
    """Gradient and Hessian in balls and floats against the D×D Hessian over Q."""
    network, loss, _ = problem_of(POINTS[name])
    rng = np.random.default_rng(5)
    here = Measured(network, loss)
    for _ in range(5):
        arrays, v = random_arrays(network, rng), random_arrays(network, rng)
        h = full_hessian(network, loss, tuple(to_exact(arrays)))
        column = Matrix(h.nrows(), 1, [x for a in to_exact(v) for x in a.entries()])
        bent = (column.transpose() * h * column)[0, 0]
        with enough_bits():
            found = here.curvature(tuple(map(balls, arrays)), tuple(map(balls, v)))
        assert inside(low_high(found), bent)
        image = hessian_times(float_slope(here), tuple(arrays), tuple(v))
        wanted = [float(Fraction(int(x.p), int(x.q))) for x in (h * column).entries()]
        assert np.allclose(np.concatenate([x.ravel() for x in image]), wanted, atol=1e-5)
        low, u = lowest_direction(here, tuple(arrays))
        dense = np.array([[int(x.p) / int(x.q) for x in row] for row in h.tolist()])
        assert abs(low - np.linalg.eigvalsh(dense)[0]) < 1e-4


def test_lanczos_finds_the_lowest_eigenvalue(monkeypatch):
    network, loss, weights = random_case(12)
    here, arrays = Measured(network, loss), tuple(moved(weights, 0.3, 1))
    dense, _ = lowest_direction(here, arrays)
    monkeypatch.setattr("detvar.optimality.curvature._DENSE_UP_TO", 0)
    sparse, v = lowest_direction(here, arrays)
    assert dense - 1e-6 < sparse < 0.99 * dense
    assert abs(sum(float((x * x).sum()) for x in v) - 1) < 1e-10


def test_enclosed_eigenvalues_against_algebraic_ones():
    rng = Random(2)
    for seed in range(40):
        n = rng.randint(1, 4)
        a = Matrix(n, n, [rng.randint(-2, 2) for _ in range(n * n)])
        a = a * a.transpose()
        roots = [x for x, k in real_roots(charpoly(a))[::-1] for _ in range(k)]
        dense = np.array([[float(int(x.p)) for x in row] for row in a.tolist()])
        q = np.linalg.eigh(dense)[1][:, ::-1]
        # also with a bad basis: wide balls, but true ones
        for noise in (0.0, 1e-3):
            p = q + noise * np.random.default_rng(seed).standard_normal(q.shape)
            with enough_bits():
                found = [low_high(x) for x in enclosed_eigenvalues(arb_mat(a), p)]
            assert all(inside(f, x) for f, x in zip(found, roots, strict=True))
            assert noise or all(high - low < 1e-11 for low, high in found)


def test_cholesky():
    for seed in range(20):
        rng = Random(seed)
        n = rng.randint(1, 4)
        a = Matrix(n, n, [rng.randint(-3, 3) for _ in range(n * n)])
        root = cholesky(arb_mat(a * a.transpose()))
        if a.det() == 0:
            assert root is None
            continue
        back = root * root.transpose() - arb_mat(a * a.transpose())
        assert all(x.contains(0) for x in back.entries())
    assert cholesky(arb_mat([[1, 2], [2, 1]])) is None


def test_lifting_formulas_over_q():
    """L W̄ R = W* with the L and R of `nearby`, over Q, and the moves within the proved bounds."""
    done = 0
    for seed in range(60):
        rng = Random(seed)
        m, n, r = rng.randint(1, 4), rng.randint(1, 4), rng.randint(1, 3)
        if r > min(m, n):
            continue
        a, b = random_matrix_of_rank(m, r, r, rng), random_matrix_of_rank(r, n, r, rng)
        small = Rational(1, 1000)
        a2 = a + small * random_matrix_of_rank(m, r, rng.randint(0, r), rng)
        b2 = b + small * random_matrix_of_rank(r, n, rng.randint(0, r), rng)
        w, star = a * b, a2 * b2
        off = star - w
        plus = inverse_of(w, a, b)
        one, two = identity(m), identity(n)
        on_rows = plus * w
        top = one + off * plus
        cut = star * on_rows
        left = left_inverse(a2)
        back = inverse_of(cut, a2, left * cut)
        right = two + back * star * (two - on_rows)
        assert top * w * right == star
        with enough_bits():
            delta = norm(arb_mat(off))
            moves = _ends((arb_mat(b), arb_mat(a)), arb_mat(a), arb_mat(b), delta)
        if moves is None:
            continue
        done += 1
        last, first = (low_high(x)[1] for x in moves)
        change = (top * a - a, b * right - b)
        assert inner(change[0], change[0]) <= exact_float(last) ** 2
        assert inner(change[1], change[1]) <= exact_float(first) ** 2
    assert done > 20


def inverse_of(w, a, b):
    """The Moore–Penrose inverse of w = a·b with a, b of full column and row rank."""
    assert a * b == w
    return left_inverse(b.transpose()).transpose() * left_inverse(a)


def thin_case(seed):
    """Layers b_l b_{l−1}⁺ of rank e over a critical matrix of rank e."""
    rng = Random(seed)
    loss, u, v = random_squared_problem(3, 3, [3, 2, 1], seed=seed)
    chosen = rng.choice([[], [0], [1], [2], [0, 1], [0, 2]])
    w = singular_part(u, v, [3, 2, 1], chosen) * inverse(loss.X)
    depth, e = rng.randint(2, 4), len(chosen)
    network = LinearNetwork(*[3] * (depth + 1))
    if not e:
        return network, loss, [Matrix(3, 3) for _ in range(depth)]
    columns = column_space(w)
    spaces = [random_matrix_of_rank(3, e, e, rng) for _ in range(depth - 1)]
    layers = [spaces[0] * left_inverse(columns) * w]
    layers += [b * left_inverse(a) for a, b in zip(spaces, spaces[1:], strict=False)]
    return network, loss, [*layers, columns * left_inverse(spaces[-1])]


def test_thin_weights_are_critical_with_the_nature_claimed():
    natures = Counter()
    for seed in range(60):
        network, loss, weights = thin_case(seed)
        c = classify(network, loss, weights)
        assert c.is_critical
        v = check_global_minimum(network, loss, moved(weights, 1e-9, seed))
        assert v.nearby.by == "thin" and v.nature == c.nature and v.answer is False
        assert v.nearby.distance < 1e-4
        natures[c.nature] += 1
    assert len(natures) == 2 and min(natures.values()) > 8


# --- analytic losses ----------------------------------------------------------------------------


def test_a_logistic_loss():
    loss = LogisticLoss([[1, -1, 2, 1]], [[3, 2, 4, 5]], [[1, 1, 2, 4]])
    network = LinearNetwork(1, 2, 1)
    assert is_analytic(loss)
    # the minimiser of a convex function of one variable, by bisection of its derivative
    low, high = -10.0, 10.0
    for _ in range(200):
        mid = (low + high) / 2
        if loss.gradient_array(np.array([[mid]]))[0, 0] > 0:
            high = mid
        else:
            low = mid
    w1 = np.array([[1.0], [0.5]])
    w2 = np.array([[low, 0.0]])
    v = check_global_minimum(network, loss, [w1, w2])
    assert (v.answer, v.tier, v.nature) == (True, "certified", "global_minimum")
    assert v.gap[0] <= loss.value_array(np.array([[low]])) - v.minimum[0]
    far = check_global_minimum(network, loss, [w1, w2 + 0.5])
    assert far.answer is not True and far.gradient[0] > 0
    zero = check_global_minimum(network, loss, [0 * w1, 0 * w2])
    assert zero.answer is False  # the critical point 0: other weights are lower


# --- the door -----------------------------------------------------------------------------------

NET, LOSS = LinearNetwork(2, 1, 2), SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
GOOD = [np.array([[2.0, 0.0]]), np.array([[1.0], [0.0]])]


def test_exact_weights_take_the_exact_test():
    v = check_global_minimum(NET, LOSS, [[[2, 0]], [[1], [0]]])
    assert v.answer is True and v.certificate is not None
    f = check_global_minimum(NET, LOSS, [[[2, 0]], [[1], [0]]], numerical=True)
    assert isinstance(f, FloatVerdict) and f.answer is True


def test_words_and_json():
    v = check_global_minimum(NET, LOSS, [w.astype(np.float32) for w in GOOD])
    assert str(v).startswith("at a global minimum (certified)")
    out = json.loads(json.dumps(v.to_json()))
    assert [float.fromhex(x) for x in out["gap"]] == list(v.gap)
    assert out["nearby"]["nature"] == "global_minimum" and out["answer"] is True
    assert "Theorem 2.2" in v.published and v.to_latex()
    other = check_global_minimum(NET, LOSS, [np.array([[0.0, 1.0]]), np.array([[0.0], [1.0]])])
    assert other.answer is False and other.nature == "strict_saddle"
    assert other.curvature[1] < 0 and "saddle" in other.published


def test_a_repeated_singular_value_at_the_cut():
    loss = SquaredLoss([[1, 0], [0, 1]], [[1, 0], [0, 1]])
    v = check_global_minimum(NET, loss, [np.array([[0.6, 0.8]]), np.array([[0.6], [0.8]])])
    assert v.answer is True and v.tier == "numerical"
    assert "not separated" in v.published


def test_rank_deficient_data():
    loss = SquaredLoss([[1, 1], [1, 1]], [[2, 0], [0, 2]])
    w = np.array([[0.5, 0.5]])
    v = check_global_minimum(NET, loss, [w, np.array([[1.0], [1.0]])])
    assert v.answer is True and "XXᵀ is singular" in v.published
    nothing = SquaredLoss([[0, 0], [0, 0]], [[2, 0], [0, 2]])
    assert check_global_minimum(NET, nothing, GOOD).answer is True


@pytest.mark.parametrize(
    ("weights", "options", "error", "words"),
    [
        ([GOOD[0]], {}, ShapeError, "weights has 1 matrices"),
        (GOOD[::-1], {}, ShapeError, r"weights\[0\] .* is 2×1: give a 1×2"),
        ([GOOD[0] * np.nan, GOOD[1]], {}, InputError, r"weights\[0\] has an entry that is NaN"),
        (GOOD, {"tolerance": 0.0}, InputError, "tolerance is 0.0"),
        (GOOD, {"tolerance": 2.0}, InputError, "tolerance is 2.0"),
    ],
)
def test_bad_input(weights, options, error, words):
    with pytest.raises(error, match=words):
        check_global_minimum(NET, LOSS, weights, **options)


def test_a_loss_of_another_shape():
    with pytest.raises(ShapeError):
        check_global_minimum(LinearNetwork(1, 1), LOSS, [np.ones((1, 1))])


@pytest.mark.parametrize("copies", [1, 150])
def test_the_answer_is_relative_where_the_loss_at_zero_underflows(copies: int) -> None:
    # L(0) ≈ 1e-340 is 0 in floats; the gap is about half of it
    x, y = np.vstack([np.eye(2)] * copies), np.vstack([1e-170 * np.diag([1.0, 0.1])] * copies)
    theta = [1e-170 * np.array([[0.3, 0.2]]), np.array([[0.5], [0.5]])]
    assert check_global_minimum(None, (x, y), theta).answer is not True


@pytest.mark.parametrize("size", [1e300, 1e160, 5e-324])
@pytest.mark.parametrize("copies", [1, 150])
def test_sizes_that_overflow_in_floats_are_answered(size: float, copies: int) -> None:
    x, y = np.vstack([np.eye(2)] * copies), np.vstack([np.diag([2.0, 1.0])] * copies)
    theta = [size * np.array([[1.0, 0.0]]), size * np.array([[2.0], [0.0]])]
    for data in ((size * x, y), (x, y), (size * x, size * y)):
        found = check_global_minimum(None, data, theta)
        assert found.answer is not True
        assert found.value[0] <= found.value[1] and str(found)


def test_inputs_of_very_unequal_sizes_are_answered() -> None:
    # the Gram matrix of a basis of the inputs is singular for the bits in use
    x = np.array([[0.6825, 1.5116, 2.7455e112], [-0.3182, -1.0657, 5.4639e111]])
    found = check_global_minimum(None, (x, np.array([[-1.0], [2.0]])), [np.zeros((1, 3))])
    assert found.value[0] <= 2.5 <= found.value[1]
    assert found.minimum is None or found.minimum[0] <= 0 <= found.minimum[1]
