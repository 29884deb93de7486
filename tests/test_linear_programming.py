"""Exact linear programs: every certificate is verified by plain fractions, optima by vertices."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import pytest

from detvar.errors import NotExactError, ShapeError
from detvar.exact.linear_programming import Solution, maximise, minimise
from detvar.exact.matrices import matrix
from detvar.exact.rational import Rational


def fractions(row):
    return [Fraction(int(x.p), int(x.q)) for x in row]


def dot(x, y):
    return sum((s * t for s, t in zip(x, y, strict=True)), Fraction(0))


def proves(s: Solution) -> bool:
    """The duality theorem, written out once more with `Fraction`."""
    c, b, f = fractions(s.cost), fractions(s.bounds), fractions(s.values)
    a, e = [fractions(r) for r in s.rows.tolist()], [fractions(r) for r in s.equal.tolist()]
    if s.status != "infeasible":
        x = fractions(s.point)
        if any(dot(r, x) > t for r, t in zip(a, b, strict=True)):
            return False
        if any(dot(r, x) != t for r, t in zip(e, f, strict=True)):
            return False
    if s.status == "unbounded":
        d = fractions(s.ray)
        return dot(c, d) > 0 and all(dot(r, d) <= 0 for r in a) and all(dot(r, d) == 0 for r in e)
    y, z = fractions(s.multipliers), fractions(s.equal_multipliers)
    if any(t < 0 for t in y):
        return False
    sums = [
        sum((t * r[j] for t, r in zip(y + z, a + e, strict=True)), Fraction(0))
        for j in range(len(c))
    ]
    total = dot(y, b) + dot(z, f)
    if s.status == "infeasible":
        return not any(sums) and total < 0
    return sums == c and total == dot(c, fractions(s.point)) == Fraction(*map(int, _pq(s.value)))


def _pq(x: Rational):
    return x.p, x.q


def best_vertex(c, a, b):
    """The best vertex of a bounded {A x ≤ b}, None if there is none: n rows at a time."""
    n, best = len(c), None
    for chosen in combinations(range(len(b)), n):
        square = matrix([a[i] for i in chosen])
        if square.det() == 0:
            continue
        x = square.inv() * matrix([[b[i]] for i in chosen])
        if all((matrix([row]) * x)[0, 0] <= t for row, t in zip(a, b, strict=True)):
            value = (matrix([c]) * x)[0, 0]
            best = value if best is None else max(best, value)
    return best


@pytest.mark.parametrize("seed", range(60))
def test_the_optimum_is_the_best_vertex(seed):
    rng = random.Random(seed)
    n = rng.randint(1, 3)
    box = [[s * int(i == j) for j in range(n)] for i in range(n) for s in (1, -1)]
    extra = [[rng.randint(-3, 3) for _ in range(n)] for _ in range(rng.randint(0, 5))]
    a = box + extra
    b = [rng.randint(0, 4) for _ in box] + [rng.randint(-4, 4) for _ in extra]
    c = [rng.randint(-3, 3) for _ in range(n)]
    found = maximise(c, a, b)
    assert found.value == best_vertex(c, a, b)
    assert (found.status == "infeasible") == (found.value is None)
    assert proves(found) and found.check()


@pytest.mark.parametrize("seed", range(150))
def test_every_status_comes_with_a_proof(seed):
    rng = random.Random(1000 + seed)
    n, p, q = rng.randint(1, 5), rng.randint(0, 7), rng.randint(0, 3)

    def table(rows):
        return matrix([[rng.choice((-2, -1, 0, 0, 1, 3)) for _ in range(n)] for _ in range(rows)])

    a, e = (table(p) if p else None), (table(q) if q else None)
    b = [Rational(rng.randint(-3, 3), rng.randint(1, 3)) for _ in range(p)]
    f = [rng.randint(-1, 1) for _ in range(q)]
    found = maximise([rng.randint(-2, 2) for _ in range(n)], a, b, e, f)
    assert proves(found) and found.check()


def test_all_three_statuses_occur_among_random_programs():
    rng, seen = random.Random(5), set()
    for _ in range(60):
        n, p = rng.randint(1, 4), rng.randint(1, 6)
        a = [[rng.randint(-2, 2) for _ in range(n)] for _ in range(p)]
        found = maximise([1] * n, a, [rng.randint(-2, 2) for _ in range(p)])
        seen.add(found.status)
    assert seen == {"optimal", "unbounded", "infeasible"}


def test_beale_where_the_steepest_coefficient_alone_cycles():
    # E. M. L. Beale (1955): optimum 1/20 at (1/25, 0, 1, 0)
    a = [["1/4", -60, "-1/25", 9], ["1/2", -90, "-1/50", 3], [0, 0, 1, 0]]
    a += [[-int(i == j) for j in range(4)] for i in range(4)]
    found = maximise(["3/4", -150, "1/50", -6], a, [0, 0, 1, 0, 0, 0, 0])
    assert found.value == Rational(1, 20) and proves(found)


def test_kuhn_where_the_steepest_coefficient_alone_cycles():
    # H. W. Kuhn's example in M. Balinski and A. Tucker (1969): minimum −2
    a = [[-2, -9, 1, 9], ["1/3", 1, "-1/3", -2], [2, 3, -1, -12]]
    a += [[-int(i == j) for j in range(4)] for i in range(4)]
    found = minimise([-2, -3, 1, 12], a, [0, 0, 2, 0, 0, 0, 0])
    assert found.value == 2 and proves(found)


@pytest.mark.parametrize("n", range(1, 8))
def test_klee_minty_cubes(n):
    # V. Klee and G. Minty (1972): optimum 100^(n−1)
    a = [[2 * 10 ** (i - j) if j < i else int(i == j) for j in range(n)] for i in range(n)]
    a += [[-int(i == j) for j in range(n)] for i in range(n)]
    b = [100**i for i in range(n)] + [0] * n
    found = maximise([10 ** (n - 1 - j) for j in range(n)], a, b)
    assert found.value == 100 ** (n - 1) and proves(found)


def test_degenerate_vertices_do_not_cycle():
    """Many rows through one vertex: all signs of a cone at the origin, every objective."""
    rows = [[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)]
    for c in rows:
        found = maximise(c, rows, [0] * len(rows))
        assert found.value == 0 and proves(found)


def test_programs_without_rows():
    assert maximise([0, 0], None, []).value == 0
    free = maximise([0, -1], None, [])
    assert free.status == "unbounded" and proves(free)
    fixed = maximise([1, 1], None, [], [[1, 0], [0, 2]], [3, 4])
    assert fixed.value == 5 and fixed.equal_multipliers == (1, Rational(1, 2))
    for right in (1, -1):
        clash = maximise([1], None, [], [[1], [2]], [0, right])
        assert clash.status == "infeasible" and proves(clash)


def test_minimise_is_the_dual_of_maximise():
    """Strong duality with the dual program solved on its own: min y·b, Aᵀy = c, y ≥ 0."""
    a, b, c = matrix([[1, 2], [3, 1], [0, 1]]), [4, 6, 1], [2, 3]
    primal = maximise(c, a, b)
    negative = [[-int(i == j) for j in range(3)] for i in range(3)]
    dual = minimise(b, negative, [0] * 3, a.transpose(), c)
    assert (
        primal.value
        == -dual.value
        == sum((Rational(s) * t for s, t in zip(b, dual.point, strict=True)), Rational(0))
    )


def test_corrupted_proofs_are_refused():
    best = maximise([1, 1], [[1, 2], [3, 1]], [4, 6])
    for wrong in (
        replace(best, value=best.value + 1),
        replace(best, point=(Rational(5), Rational(5))),
        replace(best, point=(Rational(0), Rational(0))),
        replace(best, multipliers=(Rational(1), Rational(0))),
        replace(best, multipliers=tuple(-y for y in best.multipliers)),
        replace(best, status="infeasible"),
        replace(best, status="unbounded"),
    ):
        assert not wrong.check()
    ray = maximise([1], [[-1]], [0])
    assert ray.check() and not replace(ray, ray=(Rational(-1),)).check()
    none = maximise([1], [[1], [-1]], [0, -1])
    assert none.check() and not replace(none, multipliers=(Rational(1), Rational(0))).check()


def test_bad_input_names_the_field():
    with pytest.raises(ShapeError, match="rows is 1×2 for 2 unknowns and 2"):
        maximise([1, 1], [[1, 1]], [1, 2])
    with pytest.raises(ShapeError, match="equal is 1×1"):
        maximise([1, 1], None, [], [[1]], [1])
    with pytest.raises(NotExactError, match=r"bounds\[0\]"):
        maximise([1], [[1]], [0.5])
