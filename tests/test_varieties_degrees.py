"""Degrees, Hilbert series, polar degrees and ML degrees, each against another way of counting."""

from __future__ import annotations

import json
import random
from collections import Counter
from fractions import Fraction
from itertools import combinations, combinations_with_replacement, product
from math import comb, prod
from pathlib import Path

import pytest

from detvar.errors import InputError
from detvar.exact.matrices import Matrix, rank
from detvar.varieties import (
    DeterminantalVariety,
    HilbertSeries,
    MLDegree,
    SymmetricDeterminantalVariety,
)
from detvar.varieties.likelihood import rank_two_ml_degree
from detvar.varieties.strata import euler_obstruction

RECORDED = json.loads((Path(__file__).parent / "cases" / "linear_networks.json").read_text())


def recorded(kind: str) -> list:
    return [pytest.param(c, id=c["id"]) for c in RECORDED if c["kind"] == kind]


# -- recorded cases ------------------------------------------------------------------


@pytest.mark.parametrize("case", recorded("determinantal_variety"))
def test_recorded_varieties(case: dict) -> None:
    v = DeterminantalVariety.from_json(case["input"])
    found = {
        "dimension": v.dimension,
        "codimension": v.codimension,
        "degree": v.degree,
        "polar_degrees": {str(a): d for a, d in v.polar_degrees().items()},
        "generic_ed_degree": v.generic_ed_degree(),
        "ed_degree": v.ed_degree(),
        "hilbert_numerator": v.hilbert_series().numerator_text,
    }
    assert found == case["expected"]


@pytest.mark.parametrize("case", recorded("ml_degree"))
def test_recorded_ml_degrees(case: dict) -> None:
    i = case["input"]
    found = DeterminantalVariety(i["m"], i["n"], i["r"]).ml_degree()
    assert int(found) == found.value == case["expected"]["ml_degree"]


@pytest.mark.parametrize("case", recorded("symmetric_generic_ED"))
def test_recorded_symmetric_ed_degrees(case: dict) -> None:
    v = SymmetricDeterminantalVariety(case["input"]["n"], case["input"]["r"])
    assert v.generic_ed_degree() == case["expected"]["generic_ED"]


def test_every_kind_of_case_is_there() -> None:
    for kind in ("determinantal_variety", "ml_degree", "symmetric_generic_ED"):
        assert recorded(kind)


# -- Hilbert series and degrees ------------------------------------------------------


def partitions(total: int, rows: int, largest: int | None = None) -> list[tuple[int, ...]]:
    if total == 0:
        return [()]
    if rows == 0:
        return []
    top = total if largest is None else min(total, largest)
    return [
        (first, *rest)
        for first in range(top, 0, -1)
        for rest in partitions(total - first, rows - 1, first)
    ]


def schur_dimension(shape: tuple[int, ...], n: int) -> int:
    """dim S_λ(Cⁿ) by the hook content formula."""
    conjugate = [sum(part > j for part in shape) for j in range(shape[0])] if shape else []
    cells = [(i, j) for i, part in enumerate(shape) for j in range(part)]
    top = prod(n + j - i for i, j in cells)
    return top // prod(shape[i] - j + conjugate[j] - i - 1 for i, j in cells)


@pytest.mark.parametrize(("m", "n"), [(m, n) for m in range(1, 6) for n in range(1, 6)])
def test_hilbert_function_by_cauchys_formula(m: int, n: int) -> None:
    """Degree t of the coordinate ring of {rank ≤ r} is ⊕ S_λ(Cᵐ) ⊗ S_λ(Cⁿ), |λ| = t, ≤ r rows."""
    for r in range(min(m, n) + 1):
        v = DeterminantalVariety(m, n, r)
        series = v.hilbert_series()
        for t in range(8):
            expected = sum(schur_dimension(p, m) * schur_dimension(p, n) for p in partitions(t, r))
            assert series.coefficient(t) == expected
        assert series.exponent == v.dimension
        assert series.degree == v.degree == DeterminantalVariety(n, m, r).degree
        assert series == DeterminantalVariety(n, m, r).hilbert_series()
        assert min(series.numerator) >= 1 and series.numerator[0] == 1


@pytest.mark.parametrize(
    ("m", "n", "r", "t"), [(2, 2, 1, 3), (2, 3, 1, 3), (3, 3, 1, 2), (3, 3, 2, 3), (2, 4, 1, 2)]
)
def test_hilbert_function_by_values_at_random_points(m: int, n: int, r: int, t: int) -> None:
    """The dimension of degree-t polynomials on the variety is the rank of their values."""
    rng = random.Random(1)
    v = DeterminantalVariety(m, n, r)
    monomials = list(combinations_with_replacement(range(m * n), t))
    rows = []
    for _ in range(v.hilbert_series().coefficient(t) + 5):
        a = Matrix(m, r, [rng.randint(-9, 9) for _ in range(m * r)])
        b = Matrix(r, n, [rng.randint(-9, 9) for _ in range(r * n)])
        w = (a * b).entries()
        rows.append([prod(int(w[i].p) for i in mono) for mono in monomials])
    assert rank(Matrix(len(rows), len(monomials), sum(rows, []))) == v.hilbert_series().coefficient(
        t
    )


@pytest.mark.parametrize(("n", "r"), [(n, r) for n in range(1, 7) for r in range(n + 1)])
def test_symmetric_degree_by_the_hilbert_function(n: int, r: int) -> None:
    """Degree t of the coordinate ring is ⊕ S_{2λ}(Cⁿ), |λ| = t, at most r rows; times (1−z)^dim
    it becomes a polynomial whose value at 1 is the degree."""
    v = SymmetricDeterminantalVariety(n, r)
    top = 13
    values = [
        sum(schur_dimension(tuple(2 * x for x in p), n) for p in partitions(t, r))
        for t in range(top)
    ]
    for _ in range(v.dimension):
        values = [x - y for x, y in zip(values, [0, *values], strict=False)]
    assert values[-3:] == [0, 0, 0] and sum(values) == v.degree


def test_series_text_and_json() -> None:
    import sympy

    z = sympy.Symbol("z")
    for m, n, r in [(2, 2, 1), (3, 4, 1), (3, 3, 3), (2, 2, 0), (4, 6, 2)]:
        s = DeterminantalVariety(m, n, r).hilbert_series()
        assert sympy.simplify(sympy.sympify(str(s)) - s.to_sympy()) == 0
        assert s.numerator_text == str(sympy.Poly(s.numerator[::-1], z).as_expr())
        assert HilbertSeries.from_json(s.to_json()) == s
        assert s._repr_latex_().count("$") == 2
        assert s.coefficient(-1) == 0
    assert HilbertSeries((-1, 0, 2, -1), 1).numerator_text == "-z**3 + 2*z**2 - 1"
    assert "z^{10}" in HilbertSeries((0,) * 10 + (3,), 1)._repr_latex_()
    with pytest.raises(InputError):
        HilbertSeries.from_json({"numerator": 3})


# -- polar degrees -------------------------------------------------------------------

SIZES = [(m, n, r) for m in range(2, 6) for n in range(2, 6) for r in range(1, min(m, n))]


@pytest.mark.parametrize(("m", "n", "r"), SIZES)
def test_polar_degrees_of_the_dual_are_reversed(m: int, n: int, r: int) -> None:
    v = DeterminantalVariety(m, n, r)
    delta, dual = v.polar_degrees(), v.dual().polar_degrees()
    assert {m * n - 2 - a: d for a, d in delta.items()} == dual
    assert delta == DeterminantalVariety(n, m, r).polar_degrees()
    assert max(delta) == v.dimension - 1 and delta[v.dimension - 1] == v.degree
    assert min(delta) == m * n - 1 - v.dual().dimension and delta[min(delta)] == v.dual().degree
    assert list(delta) == list(range(min(delta), max(delta) + 1))  # no gap
    assert v.generic_ed_degree() == v.dual().generic_ed_degree() >= v.ed_degree()


@pytest.mark.parametrize(("m", "n"), [(m, n) for m in range(2, 7) for n in range(2, 7)])
def test_rank_one_polar_degrees_are_those_of_the_segre_embedding(m: int, n: int) -> None:
    """X = P^{m−1} × P^{n−1}: δ_{d−k} = Σ_i (−1)^i C(d−i+1, k−i) ∫ c_i(X) h^{d−i} (Piene)."""
    d = m + n - 2
    chern = [
        sum(comb(m, p) * comb(n, i - p) * comb(d - i, m - 1 - p) for p in range(i + 1) if p < m)
        if i
        else comb(d, m - 1)
        for i in range(d + 1)
    ]
    expected = {
        d - k: sum((-1) ** i * comb(d - i + 1, k - i) * chern[i] for i in range(k + 1))
        for k in range(d + 1)
    }
    found = DeterminantalVariety(m, n, 1).polar_degrees()
    assert found == {a: expected[a] for a in sorted(expected) if expected[a]}


@pytest.mark.parametrize("k", range(2, 7))
def test_polar_degree_of_the_determinant_hypersurface(k: int) -> None:
    """A hypersurface of degree d, regular in codimension one, has δ_{dim−1} = d(d−1)."""
    delta = DeterminantalVariety(k, k, k - 1).polar_degrees()
    assert delta[k * k - 2] == k and delta[k * k - 3] == k * (k - 1)
    delta = SymmetricDeterminantalVariety(k, k - 1).polar_degrees()
    top = k * (k + 1) // 2 - 2
    assert delta[top] == k and delta[top - 1] == k * (k - 1)


# Ottaviani, Spaenlehauer, Sturmfels (2014), Exact solutions in structured low-rank approximation,
# generic weights; the 2×n entries are recomputed below, the rank-one entries above.
@pytest.mark.parametrize(
    ("m", "n", "r", "count"),
    [(3, 3, 1, 39), (3, 3, 2, 39), (3, 4, 1, 83), (3, 5, 1, 143), (4, 4, 1, 284), (4, 4, 2, 1350)],
)
def test_generic_ed_degrees_in_the_literature(m: int, n: int, r: int, count: int) -> None:
    assert DeterminantalVariety(m, n, r).generic_ed_degree() == count


@pytest.mark.parametrize("n", [2, 3, 4])
def test_generic_ed_degree_of_two_rows_by_elimination(n: int) -> None:
    """Rank one, 2×n: W = (1, t)ᵀyᵀ.  For given t the best y_j is (a u + b t v)/(a + b t²), with
    the weights a, b and the targets u, v of column j; what remains of the loss is
    Σ_j ab(v − tu)²/2(a + bt²), and its critical points are the roots of one polynomial."""
    import sympy

    t = sympy.Symbol("t")
    rng = random.Random(n)
    a, b, u, v = ([sympy.Integer(rng.randint(2, 40)) for _ in range(n)] for _ in range(4))
    squares = [sympy.Poly(a[j] + b[j] * t**2, t) for j in range(n)]
    numerator = sympy.Poly(0, t)
    for j in range(n):
        own = a[j] * b[j] * (v[j] - t * u[j]) * (a[j] * u[j] + b[j] * t * v[j])
        others = sympy.prod(q**2 for i, q in enumerate(squares) if i != j)
        numerator += sympy.Poly(own, t) * others
    assert numerator.gcd(numerator.diff(t)).degree() == 0
    assert all(numerator.gcd(q).degree() == 0 for q in squares)
    assert numerator.degree() == DeterminantalVariety(2, n, 1).generic_ed_degree()


def test_two_by_two_ed_degrees_by_a_multiplier() -> None:
    """2×2, rank one: Λ∘(W − U) = λ·cofactor(W) is linear in W, and det W(λ) = 0 is left."""
    import sympy

    x = sympy.Symbol("x")
    u = [3, 5, 7, 4]
    for weights, count in ([2, 3, 5, 11], "generic_ed_degree"), ([1, 1, 1, 1], "ed_degree"):
        p, q, r, s = weights
        matrix = sympy.Matrix([[p, 0, 0, -x], [0, q, x, 0], [0, x, r, 0], [-x, 0, 0, s]])
        w = matrix.LUsolve(sympy.Matrix([c * y for c, y in zip(weights, u, strict=True)]))
        determinant = sympy.cancel(w[0] * w[3] - w[1] * w[2])
        polynomial = sympy.Poly(sympy.fraction(determinant)[0], x)
        assert polynomial.gcd(polynomial.diff(x)).degree() == 0
        assert polynomial.degree() == getattr(DeterminantalVariety(2, 2, 1), count)()


@pytest.mark.parametrize(("n", "r"), [(n, r) for n in range(2, 7) for r in range(1, n)])
def test_symmetric_polar_degrees_by_the_formula_of_bothmer_and_ranestad(n: int, r: int) -> None:
    """Algebraic degrees of semidefinite programming: Σ ψ_I ψ_{I^c} over I ⊂ {0, …, n−1} with
    |I| = n − r and Σ_{i∈I}(i+1) = c, where ψ_i = 2^i, ψ_{ij} = Σ_{k=i+1}^j C(i+j, k), and ψ of a
    longer set is a Pfaffian (von Bothmer, Ranestad 2009)."""

    def psi(s: tuple[int, ...]) -> int:
        if len(s) == 0:
            return 1
        if len(s) == 1:
            return 2 ** s[0]
        if len(s) == 2:
            return sum(comb(s[0] + s[1], k) for k in range(s[0] + 1, s[1] + 1))
        if len(s) % 2:
            return sum((-1) ** k * psi((s[k],)) * psi(s[:k] + s[k + 1 :]) for k in range(len(s)))
        return sum(
            (-1) ** (k + 1) * psi((s[0], s[k])) * psi(s[1:k] + s[k + 1 :]) for k in range(1, len(s))
        )

    v = SymmetricDeterminantalVariety(n, r)
    expected: Counter[int] = Counter()
    for chosen in combinations(range(n), n - r):
        rest = tuple(i for i in range(n) if i not in chosen)
        expected[n * (n + 1) // 2 - 1 - sum(i + 1 for i in chosen)] += psi(chosen) * psi(rest)
    delta = v.polar_degrees()
    assert delta == dict(expected)
    top = n * (n + 1) // 2 - 2
    assert {top - a: d for a, d in delta.items()} == v.dual().polar_degrees()
    assert delta[v.dimension - 1] == v.degree
    assert v.generic_ed_degree() >= v.ed_degree() == comb(n, r)


def test_known_symmetric_ed_degrees() -> None:
    # Draisma et al. (2016), The Euclidean distance degree of an algebraic variety, Section 5
    table = {2: [4], 3: [13, 13], 4: [40, 122, 40], 5: [121, 1042, 1042, 121]}
    for n, counts in table.items():
        found = [SymmetricDeterminantalVariety(n, r).generic_ed_degree() for r in range(1, n)]
        assert found == counts
    assert SymmetricDeterminantalVariety(3, 0).generic_ed_degree() == 1
    assert SymmetricDeterminantalVariety(3, 3).generic_ed_degree() == 1


# -- Euler obstruction ---------------------------------------------------------------


def rank_mod(rows: list[list[int]], p: int) -> int:
    rows, found = [list(r) for r in rows], 0
    for j in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(found, len(rows)) if rows[i][j] % p), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        inverse = pow(rows[found][j], -1, p)
        for i in range(found + 1, len(rows)):
            c = rows[i][j] * inverse
            rows[i] = [(x - c * y) % p for x, y in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found


def gauss(m: int, j: int, q: int) -> int:
    top = prod(q ** (m - i) - 1 for i in range(j))
    return top // prod(q ** (i + 1) - 1 for i in range(j))


def count_on_hyperplane(m: int, n: int, j: int, q: int) -> int:
    """Number of m×n matrices, m ≤ n, of rank j over F_q with Σ_i w_ii = 1 (Delsarte 1978)."""
    all_of_rank = gauss(m, j, q) * prod(q**n - q**i for i in range(j))
    return (all_of_rank - (-1) ** j * q ** comb(j, 2) * gauss(m, j, q)) // q


@pytest.mark.parametrize(("m", "n", "q"), [(2, 2, 2), (2, 3, 2), (3, 3, 2), (2, 2, 3), (2, 3, 3)])
def test_count_of_matrices_on_a_hyperplane(m: int, n: int, q: int) -> None:
    found: Counter[int] = Counter()
    for flat in product(range(q), repeat=m * n):
        rows = [list(flat[i * n : (i + 1) * n]) for i in range(m)]
        if sum(rows[i][i] for i in range(m)) % q == 1:
            found[rank_mod(rows, q)] += 1
    assert all(found[j] == count_on_hyperplane(m, n, j, q) for j in range(1, m + 1))


@pytest.mark.parametrize(("m", "n"), [(m, n) for m in range(1, 7) for n in range(m, 7)])
def test_euler_obstruction_by_hyperplane_sections(m: int, n: int) -> None:
    """Eu(0) = Σ_{j≥1} χ(rank j, ℓ = 1)·Eu(j); the Euler characteristic is the count at q = 1,
    where the first term above vanishes and the Gaussian binomial becomes a binomial."""
    for r in range(1, m + 1):
        total = sum(
            (-1) ** (j + 1) * comb(m, j) * euler_obstruction(m, n, r, j) for j in range(1, r + 1)
        )
        assert total == euler_obstruction(m, n, r, 0)
        for e in range(1, r + 1):  # slices
            assert euler_obstruction(m, n, r, e) == euler_obstruction(m - e, n - e, r - e, 0)


# -- maximum-likelihood degrees ------------------------------------------------------

PUBLISHED = {  # Hauenstein, Rodriguez, Sturmfels (2014), Theorem 1.1
    (3, 3, 2): 10,
    (3, 4, 2): 26,
    (3, 5, 2): 58,
    (3, 6, 2): 122,
    (4, 4, 2): 191,
    (4, 4, 3): 191,
    (4, 5, 2): 843,
    (4, 5, 3): 843,
    (4, 6, 2): 3119,
    (4, 6, 3): 3119,
    (5, 5, 2): 6776,
    (5, 5, 3): 61326,
    (5, 5, 4): 6776,
}


@pytest.mark.parametrize(("shape", "value"), PUBLISHED.items())
def test_published_ml_degrees(shape: tuple[int, int, int], value: int) -> None:
    m, n, r = shape
    assert DeterminantalVariety(m, n, r).ml_degree().value == value
    assert DeterminantalVariety(n, m, r).ml_degree().value == value


def row_types(m: int, r: int, p: int) -> Counter:
    """The m×r matrices A of rank r over F_p modulo GL_r, without zero row and with non-zero sum
    of rows, sorted by the ranks of all sets of rows, the sum of rows being the last row."""
    small = [s for size in range(1, r + 1) for s in combinations(range(m + 1), size)]
    found: Counter = Counter()
    for pivots in combinations(range(m), r):
        free = [(i, c) for i in range(m) if i not in pivots for c in range(r) if pivots[c] < i]
        for values in product(range(p), repeat=len(free)):
            a = [[0] * r for _ in range(m)]
            for c, i in enumerate(pivots):
                a[i][c] = 1
            for (i, c), x in zip(free, values, strict=True):
                a[i][c] = x
            a.append([sum(column) % p for column in zip(*a, strict=True)])
            if all(any(row) for row in a):
                found[tuple(rank_mod([a[i] for i in s], p) for s in small)] += 1
    return found


def type_polynomials(m: int, r: int, ranks: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """Numbers of b ∈ F_q^r with all ⟨a_i, b⟩ ≠ 0, and of those with ⟨Σa_i, b⟩ = 0, as
    coefficients of powers of q, by inclusion and exclusion."""
    small = [s for size in range(1, r + 1) for s in combinations(range(m + 1), size)]
    table = dict(zip(small, ranks, strict=True))

    def of(s: tuple[int, ...]) -> int:
        return max((table[x] for k in range(1, r + 1) for x in combinations(s, k)), default=0)

    avoiding, vanishing = [0] * (r + 1), [0] * (r + 1)
    for size in range(m + 1):
        for s in combinations(range(m), size):
            avoiding[r - of(s)] += (-1) ** size
            vanishing[r - of((*s, m))] += (-1) ** size
    return avoiding, vanishing


def at_one(points: dict[int, int]) -> int:
    """The value at 1 of the polynomial through the given points."""
    value = sum(
        y * prod(Fraction(1 - other, x - other) for other in points if other != x)
        for x, y in points.items()
    )
    assert value == int(value)
    return int(value)


@pytest.mark.parametrize(
    ("m", "r", "primes"),
    [
        (3, 2, (2, 3, 5, 7)),
        (4, 3, (2, 3, 5, 7, 11)),
        (4, 2, (2, 3, 5, 7, 11)),
        (4, 1, (2, 3, 5, 7)),
    ],
)
def test_ml_degree_is_an_euler_characteristic(m: int, r: int, primes: tuple[int, ...]) -> None:
    """For m ≤ n the ML degree is up to sign the Euler characteristic of the AB with A modulo GL_r,
    (AB)_ij ≠ 0, Σ AB ≠ 0, up to scale.  For one A the number of B is
    Tⁿ − (Tⁿ + (q−1)Dⁿ)/q, with D = Z − (T−Z)/(q−1); divided by q − 1, at q = 1, it is −D(1)ⁿ."""
    counts = {p: row_types(m, r, p) for p in primes}
    contributions: Counter[int] = Counter()
    for ranks in set().union(*counts.values()):
        avoiding, vanishing = type_polynomials(m, r, ranks)
        difference = [x - y for x, y in zip(avoiding, vanishing, strict=True)]
        assert sum(difference) == 0 and sum(avoiding) == 0
        # the quotient by q − 1 at q = 1 is the derivative
        d = sum(vanishing) - sum(i * x for i, x in enumerate(difference))
        contributions[d] -= at_one({p: counts[p][ranks] for p in primes})
    for n in range(m, m + 4):
        sign = (-1) ** (r * (m + n - r) - 1)
        value = sign * sum(c * d**n for d, c in contributions.items())
        assert value == DeterminantalVariety(m, n, r).ml_degree().value


@pytest.mark.parametrize(("m", "n", "p"), [(3, 3, 3), (2, 3, 5), (2, 4, 3), (3, 4, 3)])
def test_count_of_products_over_a_finite_field(m: int, n: int, p: int) -> None:
    """The number of AB above, against all m×n matrices of rank ≤ 2 over F_p, each as often as
    there are planes that contain its columns."""
    by_type = 0
    for ranks, number in row_types(m, 2, p).items():
        avoiding, vanishing = type_polynomials(m, 2, ranks)
        t, z = (sum(c * p**i for i, c in enumerate(x)) for x in (avoiding, vanishing))
        d = z - (t - z) // (p - 1)
        by_type += number * (t**n - (t**n + (p - 1) * d**n) // p)
    directly = 0
    for flat in product(range(1, p), repeat=m * n):
        if sum(flat) % p:
            e = rank_mod([list(flat[i * n : (i + 1) * n]) for i in range(m)], p)
            directly += {1: gauss(m - 1, 1, p), 2: 1}.get(e, 0)
    assert by_type == directly


def test_three_rows_have_a_short_formula() -> None:
    # Hauenstein, Rodriguez, Sturmfels (2014), conjecture; Rodriguez, Wang (2017), theorem
    assert all(rank_two_ml_degree(3, n) == 2 ** (n + 1) - 6 for n in range(3, 12))


def test_unknown_is_an_answer() -> None:
    d = DeterminantalVariety(6, 6, 3).ml_degree()
    assert d.value is None and not d.is_known and str(d).startswith("unknown")
    assert MLDegree.from_json(d.to_json()) == d
    with pytest.raises(InputError, match="unknown"):
        int(d)
    known = DeterminantalVariety(6, 6, 5).ml_degree()
    assert known.value == DeterminantalVariety(6, 6, 2).ml_degree().value
    assert "duality" in known.source and MLDegree.from_json(known.to_json()) == known
    with pytest.raises(InputError):
        MLDegree.from_json({"value": 3})
