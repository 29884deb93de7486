"""Critical points on the rank-e matrices: closed form against direct differentiation.

Problems with a known answer are built backwards: rational orthogonal matrices by Cayley's
transform, rational singular values, and rational A, B with P = AᵀA, Σ = BBᵀ, so that every
critical matrix A⁻¹·U_S Σ_S V_Sᵀ·B⁻¹ is rational although P^½ and Σ^½ are not.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, product
from math import comb
from pathlib import Path
from typing import Any

import pytest
from flint import fmpq, fmpq_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from detvar.critical.spectrum import (
    SpectralComponent,
    Spectrum,
    components_up_to,
    ed_discriminant,
    rational_critical_matrix,
    spectral_components,
    spectrum,
)
from detvar.errors import InputError, NotCertifiedError, PositiveDimensionalError, ShapeError
from detvar.exact.algebraic import real_algebraic, square_root
from detvar.exact.inertia import inertia
from detvar.exact.matrices import (
    chain,
    column_space,
    diagonal,
    identity,
    inner,
    inverse,
    is_zero,
    left_inverse,
    matrix,
    rank,
    shape,
    trace,
    zeros,
)

CASES = json.loads(
    (Path(__file__).parent / "cases" / "linear_networks.json").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Form:
    left: fmpq_mat
    right: fmpq_mat
    target: fmpq_mat
    constant: fmpq = fmpq(0)

    def value(self, w: fmpq_mat) -> fmpq:
        d = w - self.target
        return trace(chain(self.left, d, self.right, d.transpose())) / 2 + self.constant

    def gradient(self, w: fmpq_mat) -> fmpq_mat:
        return chain(self.left, w - self.target, self.right)


def random_matrix(rng: random.Random, m: int, n: int, size: int = 3) -> fmpq_mat:
    entries = [fmpq(rng.randint(-size, size), rng.choice([1, 1, 2])) for _ in range(m * n)]
    return fmpq_mat(m, n, entries)


def invertible(rng: random.Random, n: int) -> fmpq_mat:
    while True:
        a = random_matrix(rng, n, n)
        if a.det():
            return a


def orthogonal(rng: random.Random, n: int) -> fmpq_mat:
    """Cayley: (1 − K)⁻¹(1 + K) for a skew matrix K."""
    a = random_matrix(rng, n, n)
    k = a - a.transpose()
    return inverse(identity(n) - k) * (identity(n) + k)


@dataclass(frozen=True)
class Known:
    """A problem whose singular values and critical matrices are known by construction."""

    form: Form
    sigma: list[fmpq]
    outer: fmpq_mat
    inner: fmpq_mat

    def critical(self, kept: tuple[int, ...]) -> fmpq_mat:
        m, n = shape(self.form.target)
        values = [x if i in kept else fmpq(0) for i, x in enumerate(self.sigma)]
        return chain(self.outer, diagonal(values, m, n), self.inner)


def known(rng: random.Random, m: int, n: int, sigma: list[Any]) -> Known:
    sigma = [fmpq(x) if isinstance(x, int) else x for x in sigma]
    a, b = invertible(rng, m), invertible(rng, n)
    outer = inverse(a) * orthogonal(rng, m)
    inside = orthogonal(rng, n).transpose() * inverse(b)
    target = chain(outer, diagonal(sigma, m, n), inside)
    form = Form(a.transpose() * a, b * b.transpose(), target, fmpq(rng.randint(-3, 3), 2))
    return Known(form, sigma, outer, inside)


def hessian_inertia_on_the_stratum(form: Form, w: fmpq_mat) -> tuple[int, int, int]:
    """Inertia of ℓ restricted to the rank-e matrices at W = FE, by second derivatives.

    The second derivative of ℓ((F + tδF)(E + tδE)) is ⟨X, PXΣ⟩ + 2⟨G, δF δE⟩, X = δF·E + F·δE;
    its kernel contains the e² directions of the group acting on the factorisations of W.
    """
    f = column_space(w)
    e = left_inverse(f) * w
    k = f.ncols()
    m, n = shape(w)
    g = form.gradient(w)
    moves = []
    for i, j in product(range(m), range(k)):
        d = zeros(m, k)
        d[i, j] = 1
        moves.append((d, zeros(k, n)))
    for i, j in product(range(k), range(n)):
        d = zeros(k, n)
        d[i, j] = 1
        moves.append((zeros(m, k), d))
    tangents = [df * e + f * de for df, de in moves]
    images = [chain(form.left, x, form.right) for x in tangents]
    size = len(moves)
    hessian = fmpq_mat(size, size)
    for a, b in product(range(size), repeat=2):
        mixed = moves[a][0] * moves[b][1] + moves[b][0] * moves[a][1]
        hessian[a, b] = inner(tangents[a], images[b]) + inner(g, mixed)
    positive, negative, zero = inertia(hessian)
    return positive, negative, zero - k * k


def component_of(s: Spectrum, problem: Known, kept: tuple[int, ...]) -> SpectralComponent:
    squares = [x.as_rational() for x in s.squares]
    take = [sum(problem.sigma[i] ** 2 == x for i in kept) for x in squares]
    return SpectralComponent(s, tuple(take))


# ---- the cases ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", [c for c in CASES if c["kind"] == "function_space"], ids=lambda c: c["id"]
)
def test_cases(case: dict[str, Any]) -> None:
    data = case["input"]
    s = Spectrum.from_singular_values(data["singular_values"], data["m"], data["n"])
    found = [c.to_json() for c in spectral_components(s, data["rank"])]
    expected = case["expected"]["components"]
    assert [{k: c[k] for k in expected[0]} for c in found] == expected
    assert not s.check()[-1].startswith("refused")


# ---- direct differentiation --------------------------------------------------------------------

PATTERNS: list[tuple[int, int, list[Any]]] = [
    (2, 2, [2, 1]),
    (3, 3, [3, 2, 1]),
    (3, 3, [2, 2, 1]),
    (3, 3, [2, 1, 1]),
    (3, 3, [1, 1, 1]),
    (2, 3, [2, fmpq(1, 2)]),
    (3, 2, [2, fmpq(1, 2)]),
    (3, 4, [2, 1, 0]),
    (4, 3, [2, 2, 0]),
    (3, 3, [2, 0, 0]),
    (2, 2, [0, 0]),
    (1, 3, [2]),
    (3, 1, [fmpq(2, 3)]),
    (4, 4, [3, 3, 1, 1]),
    (4, 4, [3, 2, 2, 0]),
]


@pytest.mark.parametrize(("m", "n", "sigma"), PATTERNS)
def test_values_and_inertia_agree_with_differentiation(m: int, n: int, sigma: list[Any]) -> None:
    rng = random.Random(f"{m}{n}{sigma}")
    problem = known(rng, m, n, sigma)
    form = problem.form
    s = spectrum(form)
    distinct = sorted({x * x for x in problem.sigma if x}, reverse=True)
    assert [x.as_rational() for x in s.squares] == distinct
    assert s.multiplicities == tuple(sum(x * x == y for x in problem.sigma) for y in distinct)
    assert (s.rank, s.zeros) == (sum(map(bool, problem.sigma)), problem.sigma.count(fmpq(0)))
    nonzero = [i for i, x in enumerate(problem.sigma) if x]
    for e in range(s.rank + 1):
        met = set()
        for kept in combinations(nonzero, e):
            w = problem.critical(kept)
            c = component_of(s, problem, kept)
            met.add(c.take)
            g = form.gradient(w)
            assert is_zero(w.transpose() * g) and is_zero(g * w.transpose()) and rank(w) == e
            assert form.value(w) == c.value
            assert hessian_inertia_on_the_stratum(form, w) == c.inertia
            assert c.inertia[1:] == (c.index, c.nullity)
        # every choice of kept vectors is met, so no component is missing or too many
        assert met == {c.take for c in spectral_components(s, e)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
def test_values_and_inertia_at_random(seed: int) -> None:
    rng = random.Random(seed)
    m, n = rng.randint(1, 4), rng.randint(1, 4)
    sigma = [fmpq(rng.randint(0, 3), rng.choice([1, 2])) for _ in range(min(m, n))]
    test_values_and_inertia_agree_with_differentiation(m, n, sigma)


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_dimension_is_that_of_the_tangent_space_of_the_component(seed: int) -> None:
    """The critical matrices with the same kept values are moved by rotations of equal vectors."""
    rng = random.Random(seed)
    m, n = rng.randint(2, 4), rng.randint(2, 4)
    sigma = [fmpq(rng.randint(0, 2)) for _ in range(min(m, n))]
    s = Spectrum.from_singular_values(sigma, m, n)
    nonzero = [i for i, x in enumerate(sigma) if x]
    kept = tuple(rng.sample(nonzero, rng.randint(0, len(nonzero))))
    w = diagonal([x if i in kept else fmpq(0) for i, x in enumerate(sigma)], m, n)
    moved = []
    for i, j in combinations(nonzero, 2):
        if sigma[i] == sigma[j]:
            k, k2 = zeros(m, m), zeros(n, n)
            k[i, j], k[j, i], k2[i, j], k2[j, i] = 1, -1, 1, -1
            moved.append((k * w - w * k2).entries())
    tangent = rank(matrix(moved)) if moved else 0
    distinct = sorted({x for x in sigma if x}, reverse=True)
    take = tuple(sum(sigma[i] == x for i in kept) for x in distinct)
    assert SpectralComponent(s, take).dimension == tangent


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_minimal_value_is_a_lower_bound_and_reached(seed: int) -> None:
    rng = random.Random(seed)
    m, n = rng.randint(1, 4), rng.randint(1, 4)
    sigma = [fmpq(rng.randint(0, 4)) for _ in range(min(m, n))]
    problem = known(rng, m, n, sigma)
    s = spectrum(problem.form)
    for r in range(min(m, n) + 1):
        least = s.minimal_value(r)
        assert least == min(c.value for c in components_up_to(s, r))
        top = [c for c in components_up_to(s, r) if c.rank == min(r, s.rank) and c.is_top]
        assert all(c.value == least for c in top) and top
        w = random_matrix(rng, m, r) * random_matrix(rng, r, n)
        assert problem.form.value(w) >= least
        # near a minimum, where a wrong bound would show
        best = problem.critical(tuple(sorted(range(len(sigma)), key=lambda i: -sigma[i])[:r]))
        assert problem.form.value(best) == least
        assert problem.form.value(best * fmpq(1001, 1000)) >= least


def test_the_index_counts_only_pairs_of_kept_and_dropped_values() -> None:
    s = Spectrum.from_singular_values([4, 3, 3, 2, 0], 5, 6)
    c = SpectralComponent(s, (0, 1, 1))
    # kept 3, 2; dropped 4, 3, 0: pairs with a larger dropped value (3,4), (2,4), (2,3)
    assert (c.rank, c.index, c.nullity, c.is_top) == (2, 3, 1, False)
    assert sum(c.inertia) == 2 * (5 + 6 - 2)
    assert c.value == Fraction(16 + 9, 2)
    with pytest.raises(ShapeError):
        SpectralComponent(s, (2, 0, 0))
    with pytest.raises(ShapeError):
        SpectralComponent(s, (1, 0))


# ---- irrational singular values ----------------------------------------------------------------


def test_golden_ratio() -> None:
    # Z = (1 1; 0 1) has σ² = (3 ± √5)/2 and σ = (√5 ± 1)/2
    s = spectrum(Form(identity(2), identity(2), matrix([[1, 1], [0, 1]])))
    assert s.labels == ("(1+√5)/2", "(-1+√5)/2")
    top, bottom = spectral_components(s, 1)
    assert (str(top.value), str(bottom.value)) == ("(3-√5)/4", "(3+√5)/4")
    assert top.value + bottom.value == Fraction(3, 2)
    assert s.ratio(1) == (3 + square_root(5)) / 2
    assert rational_critical_matrix(s.form, top) is None
    assert json.loads(json.dumps(top.to_json()))["take"] == {"(1+√5)/2": 1, "(-1+√5)/2": 0}


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_generic_rational_data(seed: int) -> None:
    """Irrational σ: symmetric functions of them are traces and minors, values are ordered."""
    rng = random.Random(seed)
    m, n = rng.randint(1, 4), rng.randint(1, 4)
    a, b = invertible(rng, m), invertible(rng, n)
    form = Form(a.transpose() * a, b * b.transpose(), random_matrix(rng, m, n))
    s = spectrum(form)
    lines = s.check()
    assert not lines[-1].startswith("refused")
    whitened = chain(a, form.target, b)
    total = sum(
        (x * k for x, k in zip(s.squares, s.multiplicities, strict=True)), real_algebraic(0)
    )
    assert total == inner(whitened, whitened)
    assert s.rank == rank(form.target)
    # Σ over all components of rank e of the value: each σ² is dropped in a share of them
    if all(k == 1 for k in s.multiplicities) and s.rank:
        for e in range(s.rank + 1):
            values = [c.value for c in spectral_components(s, e)]
            assert len(values) == comb(s.rank, e)
            share = comb(s.rank - 1, e) if e < s.rank else 0
            assert sum(values, real_algebraic(0)) == total * share / 2
            assert max(values) == values[-1] and min(values) == values[0]
    numeric = sorted((float(x) for x in s.squares), reverse=True)
    assert numeric == [float(x) for x in s.squares]


def test_singular_values_agree_with_floating_point() -> None:
    np = pytest.importorskip("numpy")
    rng = random.Random(5)
    for m, n in ((3, 5), (5, 3), (6, 6)):
        a, b = invertible(rng, m), invertible(rng, n)
        form = Form(a.transpose() * a, b * b.transpose(), random_matrix(rng, m, n))
        z = np.array(
            [[float(Fraction(str(x))) for x in r] for r in chain(a, form.target, b).tolist()]
        )
        s = spectrum(form)
        expected = np.linalg.svd(z, compute_uv=False)
        found = [float(text.replace("…", "")) for text in s.labels]
        assert np.allclose(found, expected[: len(found)], rtol=1e-8)


def test_labels_of_conjugates_are_distinct_and_exact_where_short() -> None:
    # σ² = 2 ± √2: nested radicals; σ² = 3: a square root
    one = identity(2)
    s = spectrum(Form(matrix([[2, 1], [1, 1]]), matrix([[1, 0], [0, 1]]), one))
    assert s.labels == ("(1+√5)/2", "(-1+√5)/2")
    s = spectrum(Form(one, matrix([[3, 1], [1, 1]]), one))
    assert s.labels == ("√(2+√2)", "√(2-√2)")
    s = spectrum(Form(identity(1), matrix([[3]]), matrix([[1]])))
    assert s.labels == ("√3",)
    assert "√3" in str(s)
    # values that agree to more than the digits of the first attempt
    close = fmpq(1, 10**14)
    u = zeros(4, 4)
    base = matrix([[1, 1], [0, 1]])
    for i, j in product(range(2), repeat=2):
        u[i, j], u[2 + i, 2 + j] = base[i, j], base[i, j] * (1 + close)
    s = spectrum(Form(identity(4), identity(4), u))
    assert len(set(s.labels)) == 4


# ---- rational critical matrices ----------------------------------------------------------------


@pytest.mark.parametrize(("m", "n", "sigma"), PATTERNS)
def test_rational_critical_matrices_for_rational_values(m: int, n: int, sigma: list[Any]) -> None:
    problem = known(random.Random(f"{sigma}{n}{m}"), m, n, sigma)
    form = problem.form
    s = spectrum(form)
    for c in components_up_to(s, min(m, n)):
        w = rational_critical_matrix(form, c)
        assert w is not None and rank(w) == c.rank
        assert form.value(w) == c.value
        assert hessian_inertia_on_the_stratum(form, w) == c.inertia
        if c.dimension == 0:
            kept: list[int] = []
            for x, take in zip(s.squares, c.take, strict=True):
                kept += [i for i, y in enumerate(problem.sigma) if take and x == y * y]
            assert w == problem.critical(tuple(kept))


def block_diagonal(*blocks: fmpq_mat) -> fmpq_mat:
    out = zeros(sum(b.nrows() for b in blocks), sum(b.ncols() for b in blocks))
    i = j = 0
    for b in blocks:
        for p, q in product(range(b.nrows()), range(b.ncols())):
            out[i + p, j + q] = b[p, q]
        i, j = i + b.nrows(), j + b.ncols()
    return out


@pytest.mark.parametrize("transposed", [False, True])
def test_rational_critical_matrices_for_conjugate_values(transposed: bool) -> None:
    rng = random.Random(3)
    golden = matrix([[1, 1], [0, 1]])
    z = block_diagonal(golden, matrix([[2]]), golden, matrix([[0]], "a"), zeros(0, 1))
    m, n = shape(z)
    a, b = invertible(rng, m), invertible(rng, n)
    u = chain(inverse(a), z, inverse(b))
    form = Form(a.transpose() * a, b * b.transpose(), u)
    if transposed:
        form = Form(form.right, form.left, u.transpose())
    s = spectrum(form)
    assert s.multiplicities == (1, 2, 2)
    assert s.labels == ("2", "(1+√5)/2", "(-1+√5)/2")
    found = {}
    for c in components_up_to(s, 5):
        found[c.take] = w = rational_critical_matrix(form, c)
        if w is not None:
            assert form.value(w) == c.value
            assert hessian_inertia_on_the_stratum(form, w) == c.inertia
    # rational exactly where both conjugates are taken equally often
    assert {t for t, w in found.items() if w is not None} == {
        (i, j, j) for i in range(2) for j in range(3)
    }


def test_a_matrix_is_refused_for_another_loss() -> None:
    s = Spectrum.from_singular_values([2, 1])
    other = Spectrum.from_singular_values([3, 1])
    with pytest.raises(NotCertifiedError):
        rational_critical_matrix(other.form, spectral_components(s, 1)[0])


# ---- checking ----------------------------------------------------------------------------------


def corruptions(s: Spectrum) -> Iterator[Spectrum]:
    squares, sizes = s.squares, s.multiplicities
    for i in range(len(squares)):
        yield replace(
            s, squares=squares[:i] + squares[i + 1 :], multiplicities=sizes[:i] + sizes[i + 1 :]
        )
        for change in (fmpq(1, 10**30), fmpq(-1, 10**30), fmpq(1)):
            moved = (*squares[:i], squares[i] + change, *squares[i + 1 :])
            yield replace(s, squares=tuple(moved))
        for k in (sizes[i] + 1, sizes[i] - 1):
            yield replace(s, multiplicities=(*sizes[:i], k, *sizes[i + 1 :]))
    if len(squares) > 1:
        yield replace(s, squares=squares[::-1], multiplicities=sizes[::-1])
        yield replace(s, squares=squares[:1], multiplicities=sizes)
        yield replace(s, squares=(squares[0], *squares[:-1]))
        other = (squares[0] + square_root(2) / 10**20, squares[1] - square_root(2) / 10**20)
        yield replace(s, squares=(*other, *squares[2:]))
    yield replace(s, squares=(*squares, real_algebraic("1/1000000007")), multiplicities=(*sizes, 1))


@pytest.mark.parametrize(
    "target",
    [
        [[1, 1], [0, 1]],
        [[3, 0, 0], [0, 2, 0], [0, 0, 2]],
        [[1, 2, 3], [4, 5, 6]],
        [[1, 2], [3, 4], [5, 6]],
        [[0, 0], [0, 0]],
        [[1, 2, 0], [2, 4, 0], [0, 0, 1]],
        [[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]],
        [[1, 2, 3], [4, 5, 6], [7, 8, 10]],
    ],
)
def test_recount_accepts_the_spectrum_and_refuses_corrupted_ones(target: list[list[int]]) -> None:
    u = matrix(target)
    rng = random.Random(str(target))
    a, b = invertible(rng, u.nrows()), invertible(rng, u.ncols())
    for form in (
        Form(identity(u.nrows()), identity(u.ncols()), u),
        Form(a.transpose() * a, b * b.transpose(), u),
    ):
        s = spectrum(form)
        lines = s.check()
        assert len(lines) == 1 and not lines[0].startswith("refused"), lines
        for bad in corruptions(s):
            assert bad.check()[-1].startswith("refused"), bad


def test_only_positive_definite_forms_of_the_right_shape() -> None:
    one, u = identity(2), matrix([[1, 2], [3, 4]])
    with pytest.raises(InputError, match="positive definite"):
        spectrum(Form(one, matrix([[1, 1], [1, 1]]), u))
    with pytest.raises(InputError, match="positive definite"):
        spectrum(Form(one * fmpq(-1), one, u))
    with pytest.raises(ShapeError, match="symmetric"):
        spectrum(Form(one, matrix([[1, 1], [0, 1]]), u))
    with pytest.raises(ShapeError, match="right form"):
        spectrum(Form(one, identity(3), u))
    with pytest.raises(InputError, match="negative"):
        Spectrum.from_singular_values([1, -1])
    with pytest.raises(ShapeError):
        Spectrum.from_singular_values([1, 1], 1, 2)


# ---- counting ----------------------------------------------------------------------------------


@settings(max_examples=50)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_number_of_components(values: list[int]) -> None:
    s = Spectrum.from_singular_values(values)
    assert s.size == len(values)
    nonzero = [x for x in values if x]
    for e in range(len(values) + 2):
        choices = {tuple(sorted(c)) for c in combinations(nonzero, e)}
        found = spectral_components(s, e)
        assert len(found) == len({c.take for c in found}) == len(choices) == s.component_count(e)
        if e > s.rank:
            assert found == ()
    assert sum(s.component_count(e) for e in range(s.rank + 1)) == len(components_up_to(s, s.size))
    assert spectral_components(s, -1) == ()
    assert s.component_count(-1) == 0


def test_complex_counts() -> None:
    s = Spectrum.from_singular_values([4, 3, 2, 1])
    assert [s.complex_count(e) for e in range(6)] == [1, 4, 6, 4, 1, 0]
    s = Spectrum.from_singular_values([2, 1, 0], 3, 5)
    assert [s.complex_count(e) for e in range(4)] == [1, 2, 1, 0]
    s = Spectrum.from_singular_values([2, 2, 1])
    assert [s.complex_count(e) for e in (0, 3)] == [1, 1]
    for e in (1, 2):
        with pytest.raises(PositiveDimensionalError):
            s.complex_count(e)


def test_two_zeros_give_complex_critical_matrices_outside_the_list() -> None:
    """Z = diag(1, 0, 0): u·uᵀ with u = (0, 1, i) is critical of rank 1, and so is any multiple."""
    s = Spectrum.from_singular_values([1, 0, 0])
    z = [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    u = [0, 1, 1j]
    for scale in (1, 5):
        w = [[scale * x * y for y in u] for x in u]
        g = [[w[i][j] - z[i][j] for j in range(3)] for i in range(3)]
        for i, j in product(range(3), repeat=2):
            assert sum(w[k][i] * g[k][j] for k in range(3)) == 0
            assert sum(g[i][k] * w[j][k] for k in range(3)) == 0
    for e in (1, 2):
        with pytest.raises(PositiveDimensionalError):
            s.complex_count(e)
    assert s.complex_count(0) == 1 and s.complex_count(3) == 0


# ---- the ED discriminant -----------------------------------------------------------------------


@settings(max_examples=40)
@given(*[st.integers(-4, 4)] * 4)
def test_discriminant_of_two_by_two_matrices(a: int, b: int, c: int, d: int) -> None:
    form = Form(identity(2), identity(2), matrix([[a, b], [c, d]]))
    # σ₁² − σ₂² squared, with σ₁ ± σ₂ the norms of the conformal and anticonformal parts
    expected = ((a - d) ** 2 + (b + c) ** 2) * ((a + d) ** 2 + (b - c) ** 2)
    assert ed_discriminant(form) == expected
    s = spectrum(form)
    assert bool(s.collisions()) is (expected == 0)
    assert s.is_generic is (expected != 0 and a * d != b * c)
    if s.rank == 2:
        ratio = s.ratio(1)
        assert ratio >= 1 and (ratio == 1) is (expected == 0)
        # σ₁/σ₂ + σ₂/σ₁ = ‖Z‖²/|det Z|
        assert ratio + 1 / ratio == Fraction(a * a + b * b + c * c + d * d, abs(a * d - b * c))


def test_collisions_are_positions() -> None:
    s = Spectrum.from_singular_values([3, 3, 2, 1, 1, 1, 0, 0])
    assert s.collisions() == [1, 4, 5, 7]
    assert [str(s.ratio(i)) for i in range(1, 6)] == ["1", "3/2", "2", "1", "1"]
    for i in (0, 6, 7):
        with pytest.raises(ShapeError):
            s.ratio(i)
    assert not s.is_generic
    assert Spectrum.from_singular_values([2, 1], 2, 5).is_generic
    assert not Spectrum.from_singular_values([2, 0]).is_generic


# ---- results -----------------------------------------------------------------------------------


def test_json_does_not_depend_on_what_was_computed_before() -> None:
    form = Form(identity(3), identity(3), matrix([[1, 2, 3], [4, 5, 6], [7, 8, 10]]))
    s = spectrum(form)
    before = json.dumps([s.to_json(), [c.to_json() for c in components_up_to(s, 3)]])
    for x in s.squares:
        x.enclosure(5000)
    assert spectrum(form) == s and hash(spectrum(form)) == hash(s)
    after = json.dumps([s.to_json(), [c.to_json() for c in components_up_to(s, 3)]])
    assert before == after


def test_text() -> None:
    s = Spectrum.from_singular_values([2, 2, 2, 1, 0, 0])
    assert all(x in str(s) for x in ("2 (3 times)", "1", "0 (twice)"))
    c = SpectralComponent(s, (2, 1))
    assert (c.label, c.symbols) == ("2 (2 of 3), 1", "σ1 (2 of 3), σ2")
    assert str(c) == "Takes 2 (2 of 3), 1: rank 3, value 2, dimension 2, index 1."
    empty = spectral_components(s, 0)[0]
    assert (empty.label, empty.symbols) == ("nothing", "none")


def test_large_irrational_spectra_are_quick() -> None:
    rng = random.Random(8)
    u = fmpq_mat(12, 12, [fmpq(rng.randint(-99, 99)) for _ in range(144)])
    start = time.perf_counter()
    s = spectrum(Form(identity(12), identity(12), u))
    assert s.is_generic and len(set(s.labels)) == 12
    found = spectral_components(s, 6)
    assert len(found) == comb(12, 6)
    assert min(found, key=lambda c: c.value).is_top
    assert not s.check()[-1].startswith("refused")
    assert time.perf_counter() - start < 10  # measured: see the slowest tests of a run
