"""Growth of convex losses: separability and sublevel boxes, against brute force."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from detvar.errors import InputError, ShapeError
from detvar.exact.matrices import matrix, rank, vec
from detvar.exact.rational import Rational
from detvar.losses import (
    ExponentialLoss,
    LogCoshLoss,
    LogisticLoss,
    PseudoHuberLoss,
    SoftmaxLoss,
)
from detvar.losses.growth import (
    Growth,
    attainment,
    is_coercive,
    recession_direction,
    sublevel_box,
)

ZERO = Rational(0)


def random_growth(rng, size, k, constant=0):
    rows = matrix([[rng.randint(-2, 2) for _ in range(size)] for _ in range(k)])
    slopes = tuple(Rational(rng.randint(1, 4), rng.randint(1, 3)) for _ in range(k))
    return Growth(rows, slopes, Rational(constant))


def random_losses(rng, m, n, samples):
    def table(rows, low, high):
        return [[rng.randint(low, high) for _ in range(samples)] for _ in range(rows)]

    x, y = table(n, -2, 2), table(m, -2, 2)
    trials = [[2] * samples for _ in range(m)]
    labels = [[rng.choice((-1, 1)) for _ in range(samples)] for _ in range(m)]
    yield LogisticLoss(x, trials, table(m, 0, 2))
    yield ExponentialLoss(x, labels)
    yield PseudoHuberLoss(x, y, Rational(rng.randint(1, 5), 3))
    yield LogCoshLoss(x, y)
    yield SoftmaxLoss(x, [*table(m - 1, 0, 2), [1] * samples]) if m > 1 else LogCoshLoss(x, y)
    yield SoftmaxLoss(x, table(m, 0, 2), [1] * samples)


# --- attainment -------------------------------------------------------------------------------


def separates(rows, d) -> bool:
    heights = (rows * d).entries()
    return all(h >= 0 for h in heights) and any(heights)


def edge_directions(rows):
    """Generators of the pointed part of {D : R D ≥ 0}: solutions of rank − 1 equations R_i D = 0,
    in a complement of the kernel. Every D of the cone with R D ≠ 0 is a sum of these."""
    r = rank(rows)
    basis = rows.transpose()  # D = Rᵀ u runs through the complement of the kernel
    for chosen in combinations(range(rows.nrows()), r - 1):
        system = matrix([(rows.tolist())[i] for i in chosen]) * basis if chosen else None
        kernel = np.eye(rows.nrows()) if system is None else None
        if system is None:
            columns = [matrix([[int(v)] for v in row]) for row in kernel]
        else:
            from detvar.exact.matrices import nullspace

            space = nullspace(system)
            columns = [
                matrix([[space[i, j]] for i in range(space.nrows())]) for j in range(space.ncols())
            ]
        for u in columns:
            for sign in (1, -1):
                yield basis * u * sign


@pytest.mark.parametrize("seed", range(80))
def test_separability_against_the_edges_of_the_cone(seed):
    rng = random.Random(seed)
    size = rng.randint(1, 3)
    growth = random_growth(rng, size, rng.randint(1, 5))
    if rank(growth.rows) == 0:
        return
    brute = any(separates(growth.rows, d) for d in edge_directions(growth.rows))
    found = attainment(growth, (1, size))
    assert found.answer is not brute
    assert found.check()


@pytest.mark.parametrize("seed", range(30))
def test_stiemke_certificates_by_hand(seed):
    rng = random.Random(100 + seed)
    growth = random_growth(rng, 3, rng.randint(2, 9))
    found = attainment(growth, (3, 1))
    table = growth.rows.tolist()
    if found.answer:
        y = found.multipliers
        assert all(t > 0 for t in y) and len(y) == len(table)
        assert all(sum((t * r[j] for t, r in zip(y, table, strict=True)), ZERO) == 0
                   for j in range(3))  # fmt: skip
    else:
        d = found.direction.entries()
        heights = [sum((a * b for a, b in zip(r, d, strict=True)), ZERO) for r in table]
        assert all(h >= 0 for h in heights) and any(heights)
        assert all(x.q == 1 for x in d)
        # as many rows as possible are positive: none is left out by this D and used by another
        for other in product((-1, 0, 1), repeat=3):
            more = [sum((a * b for a, b in zip(r, other, strict=True)), ZERO) for r in table]
            if all(h >= 0 for h in more):
                assert all(h > 0 for h, g in zip(heights, more, strict=True) if g > 0)


@pytest.mark.parametrize("seed", range(6))
def test_losses_fall_for_ever_along_the_direction_or_have_a_minimum(seed):
    rng = random.Random(seed)
    m, n = rng.choice([(1, 2), (2, 2), (2, 1)])
    for loss in random_losses(rng, m, n, 4):
        found = attainment(loss.growth(), (m, n))
        if found.answer:
            # damped Newton from 0 reaches a zero of the gradient
            w = np.zeros(m * n)
            for _ in range(400):
                g = loss.gradient_array(w.reshape(m, n)).ravel()
                h = loss.hessian_array(w.reshape(m, n))
                step = np.linalg.lstsq(h, -g, rcond=1e-10)[0]
                t = 1.0
                while t > 1e-9 and loss.value_array((w + t * step).reshape(m, n)) > (
                    loss.value_array(w.reshape(m, n)) + 0.1 * t * (g @ step)
                ):
                    t /= 2
                w = w + t * step
            assert np.linalg.norm(loss.gradient_array(w.reshape(m, n))) < 1e-6
        else:
            d = np.array([[float(x) for x in row] for row in _floats(found.direction)])
            for _ in range(5):
                w = np.array([[rng.uniform(-1, 1) for _ in range(n)] for _ in range(m)])
                assert (loss.gradient_array(w) * d).sum() < 0
                values = [loss.value_array(w + t * d) for t in (0.0, 0.5, 1.0, 2.0)]
                assert values == sorted(values, reverse=True) and values[0] > values[-1]


def _floats(a):
    return [[int(x.p) / int(x.q) for x in row] for row in a.tolist()]


def test_separable_and_overlapping_examples():
    apart = LogisticLoss([[-1, -2, 1, 3]], [[1] * 4], [[0, 0, 1, 1]])
    assert recession_direction(apart.growth(), (1, 1)) == matrix([[1]])
    overlap = LogisticLoss([[-1, -2, 1, 3]], [[1] * 4], [[0, 1, 1, 1]])
    assert recession_direction(overlap.growth(), (1, 1)) is None
    # quasi-separable: one sample lies on the border, and the others still separate
    border = LogisticLoss([[0, 1], [1, 0]], [[2, 1]], [[1, 1]])
    assert recession_direction(border.growth(), (1, 2)) == matrix([[1, 0]])
    # only one of two outputs is separable
    two = LogisticLoss([[1]], [[2], [2]], [[1], [2]])
    assert recession_direction(two.growth(), (2, 1)) == matrix([[0], [1]])


def test_softmax_without_reference_is_attained_but_not_coercive():
    growth = SoftmaxLoss([[1]], [[1], [2], [1]]).growth()
    assert attainment(growth, (3, 1)).answer and not is_coercive(growth)
    assert sublevel_box(growth, 10, (3, 1)) is None
    fixed = SoftmaxLoss([[1]], [[1], [2]], [1]).growth()
    assert is_coercive(fixed) and sublevel_box(fixed, 10, (2, 1)) is not None


def test_corrupted_certificates_are_refused():
    yes = attainment(Growth(matrix([[1], [-2]]), (Rational(1),) * 2, ZERO), (1, 1))
    assert yes.answer and yes.check()
    assert not replace(yes, multipliers=(Rational(1), Rational(1))).check()
    assert not replace(yes, multipliers=(ZERO, ZERO)).check()
    assert not replace(yes, multipliers=None).check()
    assert not replace(yes, answer=False, direction=matrix([[1]])).check()
    no = attainment(Growth(matrix([[1], [2]]), (Rational(1),) * 2, ZERO), (1, 1))
    assert not no.answer and no.check()
    assert not replace(no, direction=matrix([[-1]])).check()
    assert not replace(no, direction=matrix([[0]])).check()
    assert no.to_json() == {"attained": False, "direction": [["1"]], "multipliers": None}


# --- boxes ------------------------------------------------------------------------------------


def polytope_box(growth, level):
    """The smallest box of {Σ s max(0, −R w) ≤ level} from its vertices: on each ray where
    size − 1 of the rows vanish the sum is linear, so the extreme points lie on these rays."""
    size = growth.rows.ncols()
    table = growth.rows.tolist()
    best = [[ZERO, ZERO] for _ in range(size)]
    for chosen in combinations(range(len(table)), size - 1):
        if size == 1:
            lines = [matrix([[1]])]
        else:
            from detvar.exact.matrices import nullspace

            space = nullspace(matrix([table[i] for i in chosen]))
            if space.ncols() != 1:
                continue
            lines = [space]
        for line in lines:
            for sign in (1, -1):
                d = line * sign
                speed = growth.bound(d) + growth.constant
                for i in range(size):
                    x = d[i, 0] * level / speed
                    best[i] = [min(best[i][0], x), max(best[i][1], x)]
    return best


@pytest.mark.parametrize("seed", range(40))
def test_boxes_against_vertices(seed):
    rng = random.Random(seed)
    size = rng.randint(1, 3)
    growth = random_growth(rng, size, rng.randint(size + 1, 7), rng.randint(0, 3))
    bound = Rational(rng.randint(1, 9), 2)
    box = sublevel_box(growth, bound, (1, size))
    coercive = is_coercive(growth)
    assert (box is not None) is coercive
    if box is None:
        return
    for (low, high), (least, most) in zip(
        box, polytope_box(growth, bound + growth.constant), strict=True
    ):
        slack = (most - least) / 64
        assert least - slack <= low <= least and most <= high <= most + slack
        for end in (low, high):  # dyadic
            assert int(end.q) & (int(end.q) - 1) == 0


@pytest.mark.parametrize("seed", range(6))
def test_bounds_and_boxes_of_losses_on_random_matrices(seed):
    rng = random.Random(seed)
    m, n = rng.choice([(1, 1), (1, 2), (2, 2), (2, 3)])
    boxes = 0
    for loss in random_losses(rng, m, n, rng.randint(3, 6)):
        growth = loss.growth()
        at_zero = float(loss.value_array(np.zeros((m, n))))
        box = sublevel_box(growth, Rational(int(at_zero) + 1), (m, n))
        boxes += box is not None
        for _ in range(60):
            scale = rng.choice((1, 5, 30))
            w = matrix([[Rational(rng.randint(-99, 99), 33) * scale for _ in range(n)]
                        for _ in range(m)])  # fmt: skip
            value = float(loss.value_array(np.array(_floats(w))))
            below = growth.bound(w)
            assert value >= int(below.p) / int(below.q) - 1e-9 * (1 + abs(value))
            if box is not None and value <= at_zero:
                ends = zip(box, vec(w).entries(), strict=True)
                assert all(low <= x <= high for (low, high), x in ends)
    assert boxes  # pseudo-Huber and log-cosh with full inputs always have one


@pytest.mark.parametrize("seed", range(8))
def test_recession_directions_are_where_the_gradient_is_never_positive(seed):
    """⟨∇ℓ(W), D⟩ ≤ 0 at far away W as well exactly for the D in the cone of the rows."""
    rng = random.Random(50 + seed)
    m, n = 2, 1
    for loss in random_losses(rng, m, n, 3):
        rows = loss.growth().rows
        for d in product((-1, 0, 1), repeat=m * n):
            column = matrix([[x] for x in d])
            inside = all(h >= 0 for h in (rows * column).entries())
            direction = np.array(d, dtype=float).reshape(m, n)
            slope = (loss.gradient_array(200.0 * direction) * direction).sum()
            assert (slope <= 1e-9) == inside


def test_merged_rows_give_the_same_box():
    twice = Growth(matrix([[2], [1], [-3]]), tuple(map(Rational, (1, 3, 1))), ZERO)
    once = Growth(matrix([[1], [-1]]), tuple(map(Rational, (5, 3))), ZERO)
    assert sublevel_box(twice, 7, (1, 1)) == sublevel_box(once, 7, (1, 1))


def test_a_point_is_its_own_box():
    growth = Growth(matrix([[1], [-1]]), (Rational(1), Rational(1)), Rational(2))
    assert sublevel_box(growth, -2, (1, 1)) == [(0, 0)]


def test_bad_input_names_what_is_wrong():
    growth = Growth(matrix([[1, 0]]), (Rational(1),), ZERO)
    with pytest.raises(InputError, match="below the least value 0"):
        sublevel_box(growth, -1, (1, 2))
    for call in (lambda: sublevel_box(growth, 1, (2, 2)), lambda: attainment(growth, (1, 1))):
        with pytest.raises(ShapeError, match="the rows have 2 entries"):
            call()
    with pytest.raises(InputError, match=r"slopes\[0\]"):
        Growth(matrix([[1]]), (ZERO,), ZERO)
    with pytest.raises(ShapeError, match="1 rows and 2 slopes"):
        Growth(matrix([[1]]), (Rational(1), Rational(1)), ZERO)
