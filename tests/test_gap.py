"""Intervals of optimality gaps and of rounding errors against exact rational arithmetic."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx, fmpq, fmpq_mat

from detvar.errors import InputError, ShapeError
from detvar.exact.balls import dyadic
from detvar.optimality.assessment import assess
from detvar.optimality.gap import Gap, end_to_end, gap
from detvar.optimality.minimal_value import eigenvalue_sums, minimal_value
from detvar.optimality.moments import moments
from detvar.optimality.reading import read_weights
from detvar.optimality.rounding import (
    Enclosed,
    add,
    frobenius_squared,
    from_float,
    inner,
    norm,
    product,
    scale_columns,
    shift,
    subtract,
    transpose,
)
from detvar.optimality.samples import rank_bound
from detvar.optimality.whiteners import dependencies

ROUTES = ["arrays", "moments"]


def q(x: float) -> fmpq:
    """The rational number that a float is."""
    return fmpq(*float(x).as_integer_ratio())


def exact(a: Any) -> fmpq_mat:
    a = np.asarray(a, dtype=np.float64)
    return fmpq_mat(a.shape[0], a.shape[1], [q(t) for t in a.ravel()])


def squared(a: fmpq_mat) -> fmpq:
    return sum((t * t for t in a.entries()), fmpq(0))


def holds(box: tuple[float, float], value: Any) -> bool:
    """Whether the interval contains a rational number, or meets a ball of 600 bits."""
    low, high = box
    if isinstance(value, fmpq):
        return (low == -math.inf or q(low) <= value) and (high == math.inf or value <= q(high))
    return not (arb(low) > value) and not (arb(high) < value)


def encloses(a: Enclosed, true: fmpq_mat) -> bool:
    return a.rad == math.inf or squared(exact(a.mid) - true) <= q(a.rad) ** 2


def eigenvalues(a: fmpq_mat) -> list[arb]:
    """The eigenvalues, decreasing, as roots of the exact characteristic polynomial."""
    roots = [z.real for z, k in a.charpoly().complex_roots() for _ in range(k)]
    return sorted(roots, key=lambda t: -dyadic(t.mid()))


def truth(weights: list[Any], x: Any, y: Any) -> tuple[fmpq, arb, arb]:
    """The loss, its least value and their difference, from rational arithmetic."""
    xs, ys = exact(np.asarray(x).T), exact(np.asarray(y).T)
    w = exact(weights[0])
    for layer in weights[1:]:
        w = exact(layer) * w
    value = squared(w * xs - ys) / 2
    reduced, e = xs.rref()
    rank = min(min(np.shape(a)) for a in weights)
    top = arb(0)
    if e:
        basis = fmpq_mat([[reduced[i, j] for j in range(xs.ncols())] for i in range(e)])
        c = ys * basis.transpose()
        m = c * (basis * basis.transpose()).solve(c.transpose())
        for t in eigenvalues(m)[:rank]:
            top += t
    low = (arb(squared(ys)) - top) / 2
    return value, low, arb(value) - low


def matrices(seed: int) -> Iterator[tuple[Any, Any]]:
    rng = np.random.default_rng(seed)
    for scale in (1.0, 1e-170, 1e130, 1e-300):
        a, b = rng.normal(size=(3, 4)) * scale, rng.normal(size=(4, 2))
        yield a, b
        yield a * np.exp(rng.normal(size=a.shape) * 8), b
    big = np.array([[1e16, 1.0, -1e16, 1e-3]])
    yield big, np.array([[1.0], [math.pi], [1.0 + 2e-16], [1e-20]])
    yield np.full((2, 3), 1e200), np.full((3, 2), -1e200)
    yield np.full((2, 3), 5e-324), np.full((3, 2), 0.3)
    yield np.zeros((2, 3)), rng.normal(size=(3, 1))


@pytest.mark.parametrize("seed", range(8))
def test_products_sums_and_norms_enclose_the_rational_result(seed: int) -> None:
    rng = np.random.default_rng(seed + 100)
    for a, b in matrices(seed):
        ea, eb = exact(a), exact(b)
        first = product(from_float(a), from_float(b))
        assert encloses(first, ea * eb)
        # a second step starts from a matrix with a radius, taken at its edge as well
        assert encloses(product(first, transpose(first)), ea * eb * (ea * eb).transpose())
        other = rng.normal(size=first.mid.shape)
        assert encloses(add(first, from_float(other)), ea * eb + exact(other))
        assert encloses(subtract(first, first), fmpq_mat(*first.mid.shape))
        d = rng.normal(size=a.shape[1]) * 10.0 ** rng.integers(-200, 100)
        assert encloses(scale_columns(from_float(a), d), ea * exact(np.diag(d)))
        power = int(rng.integers(-600, 200))
        assert encloses(shift(from_float(a), power), ea * fmpq(2) ** power)
        assert holds(frobenius_squared(from_float(a)), squared(ea))
        assert holds(frobenius_squared(first), squared(ea * eb))
        assert q(norm(a)) ** 2 >= squared(ea) if math.isfinite(norm(a)) else True
        flipped = a[::-1] * rng.normal(size=a.shape)
        dot = sum(
            (s * t for s, t in zip(ea.entries(), exact(flipped).entries(), strict=True)), fmpq(0)
        )
        assert holds(inner(from_float(a), from_float(flipped)), dot)


def test_the_edge_of_the_radius_is_enclosed() -> None:
    rng = np.random.default_rng(5)
    for rad in (1e-12, 0.5, 100.0):
        mids = rng.normal(size=(2, 3, 3))
        ends = [
            m + rad * 0.999 * (d / np.linalg.norm(d))
            for m, d in zip(mids, rng.normal(size=(2, 3, 3)), strict=True)
        ]
        a, b = (Enclosed(m, rad) for m in mids)
        ea, eb = map(exact, ends)
        assert encloses(product(a, b), ea * eb)
        assert encloses(add(a, b), ea + eb)
        assert holds(frobenius_squared(a), squared(ea))
        dot = sum((s * t for s, t in zip(ea.entries(), eb.entries(), strict=True)), fmpq(0))
        assert holds(inner(a, b), dot)


def test_sums_of_eigenvalues_with_repetitions() -> None:
    rng = np.random.default_rng(3)
    for k in range(40):
        m = 2 + k % 5
        turn = np.linalg.qr(rng.normal(size=(m, m)))[0]
        values = [rng.integers(0, 3, m).astype(float), rng.normal(size=m), 10.0 ** -np.arange(m)][
            k % 3
        ]
        a = (turn * values) @ turn.T * 2.0 ** int(rng.integers(-30, 30))
        a = (a + a.T) / 2
        with ctx.workprec(600):
            true = eigenvalues(exact(a))
            for count in range(m + 1):
                top, rest = eigenvalue_sums(from_float(a), count)
                assert holds(top, sum(true[:count], arb(0)))
                assert holds(rest, sum(true[count:], arb(0)))
                assert top[1] - top[0] < 1e-12 * float(np.abs(a).max()) * m + 1e-150


KINDS = [
    "random",
    "orthonormal",
    "few samples",
    "equal inputs",
    "dependent inputs",
    "nearly dependent",
    "fitted exactly",
    "repeated at the cut",
    "tiny",
    "huge",
    "both scales",
    "no input",
    "no output",
    "ill conditioned",
    "cancelling",
    "integers",
]


def problem(kind: str, seed: int) -> tuple[list[Any], Any, Any]:
    """Return weights (sometimes at the minimum), inputs and outputs."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    depth = int(rng.integers(1, 4))
    widths = [int(t) for t in rng.integers(1, 5, depth + 1)]
    n, m = widths[0], widths[-1]
    samples = int(rng.integers(n, n + 6))
    if kind == "few samples":
        samples = int(rng.integers(1, n + 1))
    x = rng.normal(size=(samples, n))
    y = rng.normal(size=(samples, m)) + x @ rng.normal(size=(n, m))
    if kind == "orthonormal":
        x = np.eye(samples)[:, :n]
    elif kind == "equal inputs":
        x[:, -1] = x[:, 0] * rng.choice([1.0, -1.0, 0.5])
    elif kind == "dependent inputs":
        x = np.rint(x * 8)
        x[:, -1] = x.sum(axis=1) - x[:, -1]
    elif kind == "nearly dependent":
        x[:, -1] = x[:, 0] + 10.0 ** -rng.integers(5, 17) * rng.normal(size=samples)
    elif kind == "fitted exactly":
        x, true = np.rint(x * 9), np.rint(rng.normal(size=(n, m)) * 3)
        y = x @ true
    elif kind == "repeated at the cut":
        x, y = np.eye(samples)[:, :n], np.zeros((samples, m))
        for i in range(min(samples, m)):
            y[i, i] = 3.0
    elif kind == "tiny":
        x, y = x * 1e-160, y * 1e-170
    elif kind == "huge":
        x, y = x * 1e140, y * 1e150
    elif kind == "both scales":
        x[:, 0] *= 1e-120
        y *= 1e60
    elif kind == "no input":
        x = np.zeros_like(x)
    elif kind == "no output":
        y = np.zeros_like(y)
    elif kind == "ill conditioned":
        x = x * 10.0 ** -rng.integers(0, 9, n)
    elif kind == "cancelling":
        x = x * 1e-3 + 1e3
        y = y * 1e-6 + 1e6
    elif kind == "integers":
        x, y = rng.integers(-9, 9, x.shape), rng.integers(-9, 9, y.shape)
    weights = [rng.normal(size=(widths[i + 1], widths[i])) for i in range(depth)]
    if rng.random() < 0.5:
        weights = at_the_minimum(np.asarray(x, float), np.asarray(y, float), widths, rng)
    return weights, x, y


def at_the_minimum(x: Any, y: Any, widths: list[int], rng: Any) -> list[Any]:
    """Return weights whose product is the minimiser of the given rank, up to rounding."""
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    keep = s > 1e-9 * max(s[0], 1e-300)
    u, s, vt = u[:, keep], s[keep], vt[keep]
    a, t, b = np.linalg.svd(y.T @ u, full_matrices=False)
    r = min(min(widths), len(t))
    left, right = a[:, :r] * t[:r], (b[:r] / s) @ vt
    out: list[Any] = []
    turn = np.eye(r)
    for i in range(1, len(widths)):
        new = np.linalg.qr(rng.normal(size=(r, r)))[0] if r else turn
        w = np.zeros((widths[i], widths[i - 1]))
        start, end = i == 1, i == len(widths) - 1
        core = (left if end else new) @ ((turn.T if end else turn.T) if not start else right)
        if start and not end:
            core = new @ right
        w[: core.shape[0], : core.shape[1]] = core
        out.append(w)
        turn = new
    return out


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_interval_holds_the_exact_gap(kind: str, route: str) -> None:
    for seed in range(12):
        weights, x, y = problem(kind, seed)
        if route == "moments":
            cut = len(x) // 2
            found = gap(weights, moments([(x[:cut], y[:cut]), (x[cut:], y[cut:])]))
        else:
            found = gap(weights, x, y)
        with ctx.workprec(600):
            value, least, distance = truth(weights, x, y)
            assert holds(found.value, value)
            assert holds(found.minimum, least)
            assert holds(found.gap, distance)
            assert holds(found.loss_at_zero, squared(exact(y)) / 2)
            if found.relative is not None:
                assert holds(found.relative, distance / (arb(squared(exact(y))) / 2))
        assert found.gap[0] >= 0
        if kind in ("random", "orthonormal", "repeated at the cut", "integers") and found.resolved:
            size = max(found.loss_at_zero[1], found.value[1])
            assert found.gap[1] - found.gap[0] < 1e-9 * size


@pytest.mark.parametrize("route", ROUTES)
def test_a_wider_problem_in_several_chunks(route: str) -> None:
    rng = np.random.default_rng(12)
    x = rng.normal(size=(600, 20)).astype(np.float32) * 10.0 ** -rng.integers(0, 3, 20)
    y = (x @ rng.normal(size=(20, 6)) + rng.normal(size=(600, 6))).astype(np.float32)
    for weights in (
        at_the_minimum(x.astype(float), y.astype(float), [20, 3, 6], rng),
        [rng.normal(size=(8, 20)), rng.normal(size=(6, 8))],
    ):
        found = gap(weights, x, y) if route == "arrays" else gap(weights, moments([(x, y)]))
        with ctx.workprec(600):
            value, least, distance = truth(weights, x, y)
            assert holds(found.value, value)
            assert holds(found.minimum, least)
            assert holds(found.gap, distance)
        assert found.gap[1] - found.gap[0] < 1e-9 * found.value[1]


def test_most_problems_are_resolved() -> None:
    kinds = ("equal inputs", "dependent inputs", "tiny", "huge", "ill conditioned", "few samples")
    for kind in kinds:
        assert sum(gap(*problem(kind, seed)).resolved for seed in range(12)) >= 9, kind


@pytest.mark.parametrize("widths", [(64, 32, 32, 10), (30, 4, 20), (12, 40)])
@pytest.mark.parametrize("route", ROUTES)
def test_a_minimum_is_known_to_1e_10(widths: tuple[int, ...], route: str) -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(600, widths[0])) * np.geomspace(1, 1e-2, widths[0])
    y = x @ rng.normal(size=(widths[0], widths[-1])) + rng.normal(size=(600, widths[-1]))
    weights = at_the_minimum(x, y, list(widths), rng)
    found = gap(weights, x, y) if route == "arrays" else gap(weights, moments([(x, y)]))
    assert found.resolved and found.relative is not None and found.relative[1] < 1e-10
    # and a point that is moved away is told apart
    weights[0] = weights[0] * 1.001
    moved = gap(weights, x, y)
    assert moved.gap[0] > found.gap[1]


def test_the_minimum_decreases_with_the_rank_and_ends_at_least_squares() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 6)), rng.normal(size=(50, 4))
    boxes = [minimal_value((x, y), r) for r in range(7)]
    assert boxes[0][0] <= 0.5 * float((y * y).sum()) <= boxes[0][1]
    assert all(b[0] <= a[1] for a, b in itertools.pairwise(boxes))
    rest = np.linalg.lstsq(x, y, rcond=None)[1].sum() / 2
    assert boxes[4][0] - 1e-12 <= rest <= boxes[6][1] + 1e-12
    assert boxes[4][1] - boxes[4][0] < 1e-11


def test_batches_in_any_cut_enclose_the_same_moments() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(700, 3)).astype(np.float32), rng.integers(-3, 3, (700, 2))
    for sizes in ([700], [1, 699], [300, 0, 400], [100] * 7):
        ends = np.cumsum([0, *sizes])
        seen: list[int] = []
        s = moments(((x[a:b], y[a:b]) for a, b in itertools.pairwise(ends)), seen.append)
        assert seen[-1] == s.samples == 700
        scale_x, scale_y = (fmpq(1, 2) ** e if e >= 0 else fmpq(2) ** -e for e in s.powers)
        ex, ey = exact(x), exact(y)
        assert encloses(s.xx, ex.transpose() * ex * scale_x**2)
        assert encloses(s.yx, ey.transpose() * ex * scale_x * scale_y)
        assert holds(s.yy, squared(ey) * scale_y**2)


def test_moments_of_short_numbers_have_no_rounding_and_long_ones_are_enclosed() -> None:
    rng = np.random.default_rng(6)
    bytes_, hot = rng.integers(0, 256, (3000, 5)), np.eye(4)[rng.integers(0, 4, 3000)]
    parts = [(bytes_[:700], hot[:700]), (bytes_[700:] // 2, hot[700:])]
    s = moments(parts)
    x, y = np.vstack([p[0] for p in parts]), np.vstack([p[1] for p in parts])
    scale = fmpq(1, 2) ** s.powers[0]
    assert s.xx.rad < 1e-300 and exact(s.xx.mid) == exact(x).transpose() * exact(x) * scale**2
    assert moments(parts[:1]).xx.rad == moments(parts[:1]).x_sum.rad == 0
    assert s.yx.rad < 1e-300 and encloses(s.yx, exact(y).transpose() * exact(x) * scale / 2)
    tiny = moments([(bytes_ * 1.0, hot), (np.full((1, 5), 1e-300), hot[:1] * 1e-300)])
    last = exact(np.vstack([bytes_, np.full((1, 5), 1e-300)]))
    assert encloses(tiny.xx, last.transpose() * last * scale**2)
    mixed = moments([(bytes_ / 255, hot), (np.array([[1.0, 1e-9, 3e-200, 0, 1]]), hot[:1])])
    last = exact(np.vstack([bytes_ / 255, [[1.0, 1e-9, 3e-200, 0, 1]]]))
    scale = fmpq(1, 2) ** mixed.powers[0]
    assert mixed.xx.rad > 0 and encloses(mixed.xx, last.transpose() * last * scale**2)


def test_rank_bound_sees_zero_equal_and_opposite_inputs() -> None:
    x = np.array([[1.0, 0.0, -1.0, 1e-300], [2.0, -0.0, -2.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    assert rank_bound(x) == 2
    assert rank_bound(np.ones((1, 5))) == 1
    # a square that underflows is still an input
    assert moments([(x, x)]).rank_bound == 3


def test_dependencies_never_exceed_the_exact_defect() -> None:
    rng = np.random.default_rng(8)
    hits = 0
    for k in range(60):
        n = 2 + k % 5
        rank = int(rng.integers(1, n + 1))
        x = rng.integers(-3, 4, (n + 4, rank)) @ rng.integers(-2, 3, (rank, n)) / 8.0
        if k % 4 == 0:
            x[0, 0] += 2.0**-12
        if k % 7 == 0:
            x = x / 3
        _, sigma, vt = np.linalg.svd(x)
        defect = n - exact(x).rank()
        count = dependencies(x, vt[sigma < 1e-4 * max(sigma[0], 1e-9)])
        assert count <= defect
        hits += count == defect > 0
    assert hits >= 10


def test_end_to_end_encloses_the_product() -> None:
    rng = np.random.default_rng(4)
    for shape in ((2, 3, 4), (4, 3, 2), (3, 3, 3, 3)):
        ws = [rng.normal(size=(shape[i + 1], shape[i])) * 1e5 for i in range(len(shape) - 1)]
        true = exact(ws[0])
        for w in ws[1:]:
            true = exact(w) * true
        assert encloses(end_to_end(ws), true)


@pytest.mark.parametrize(
    ("weights", "x", "y", "error", "words"),
    [
        ([], np.ones((1, 1)), np.ones((1, 1)), InputError, "no weights"),
        ([np.ones((1, 2))], np.ones((1, 1)), np.ones((1, 1)), ShapeError, "2 inputs"),
        ([np.ones((2, 1)), np.ones((1, 3))], np.ones((1, 1)), np.ones((1, 1)), ShapeError, "order"),
        ([np.full((1, 1), np.nan)], np.ones((1, 1)), np.ones((1, 1)), InputError, "W_1"),
        ([np.ones((1, 1))], np.full((1, 1), np.inf), np.ones((1, 1)), InputError, "is inf"),
        ([np.ones((1, 1))], np.ones((2, 1)), np.ones((1, 1)), ShapeError, "2 rows"),
        ([np.ones((1, 1))], np.ones((0, 1)), np.ones((0, 1)), InputError, "empty"),
        ([np.ones((1, 1))], np.ones(3), np.ones((3, 1)), ShapeError, "axes"),
        ([np.array([["a"]])], np.ones((1, 1)), np.ones((1, 1)), InputError, "dtype"),
    ],
)
def test_bad_input_is_refused(weights: Any, x: Any, y: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        gap(weights, x, y)


def test_json_gives_the_same_intervals_back() -> None:
    for kind in ("random", "no output", "tiny"):
        found = gap(*problem(kind, 1))
        assert Gap.from_json(json.loads(json.dumps(found.to_json()))) == found
        assert "at most" in str(found)


def test_overflow_says_nothing_wrong() -> None:
    x = np.ones((3, 2))
    found = gap([np.full((2, 2), 1e200), np.full((1, 2), 1e200)], x, x[:, :1])
    assert found.gap[0] >= 0 and found.gap[1] == math.inf
    assert holds(found.minimum, fmpq(0))


def test_a_dependency_of_inputs_that_underflow_hides_is_none() -> None:
    # 3x_1 − x_2 = (0, 0, 3·2⁻¹⁰⁷⁰, 0): the rank is 3, and the loss 0 is reached
    x = np.array([[0.5, 1.5, 0.0], [0.5, 1.5, 2.0**9], [2.0**-1070, 0.0, 0.0], [0.0, 0.0, 0.0]])
    low, high = minimal_value((x, np.array([[0.0], [0.0], [1.0], [0.0]])), 1)
    assert low == 0 <= high


def test_moments_of_tiny_inputs_take_the_constant() -> None:
    x = 1e-125 * np.array([[2.0], [-3.0], [3.0]])
    y = np.array([[1.0], [0.0], [2.0]])
    layer = read_weights({"0.weight": np.zeros((1, 1)), "0.bias": np.ones(1)})
    for data in ((x, y), (moments([(x, y)]),)):
        found = gap(layer, *data)
        assert found.value[0] <= 1 <= found.value[1]
        assert found.minimum[0] <= 4 / 31 + 1e-12 and found.minimum[1] >= 4 / 31 - 1e-12


def test_words_round_the_ends_outwards() -> None:
    found = Gap((1.0, 2.0), (0.0, 1.0), (1 / 3, 2 / 3), (2.0, 2.0), (1 / 6, 1 / 3), 1, True)
    assert "at least 0.333333 and at most 0.666667 (0.166 to 0.334" in str(found)
    short = Gap((1.0, 2.0), (0.0, 1.0), (2 / 3, 2 / 3), (2.0, 2.0), None, 1, True)
    assert "at least 0.666666 and at most 0.666667" in str(short)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: gap(None, np.eye(2), np.eye(2)), "cannot be read from a NoneType"),
        (lambda: gap("w.npz", np.eye(2), np.eye(2)), "w.npz"),
        (lambda: gap([], np.eye(2), np.eye(2)), "no weights"),
        (lambda: moments(None), "batches is a NoneType"),
        (lambda: moments([(np.eye(2), np.eye(2), np.eye(2))]), "no pair"),
        (lambda: minimal_value((np.eye(2), np.eye(2)), 1.5), "rank bound is 1.5"),
        (lambda: assess([np.eye(2)], np.eye(2), np.eye(2), "tight"), "tolerance"),
    ],
)
def test_misuse_is_one_sentence(call: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        call()
