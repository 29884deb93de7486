"""Inertia over Q: signs of the characteristic polynomial, LDLᵀ, and eigenvalues known otherwise.

Independent routes: matrices built with given eigenvalues, NumPy on spectra that are separated from
zero, SymPy's counting of real roots, Jacobi's signs of leading minors, and Sylvester's law.
"""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_matrices import exact_matrices, random_invertible, random_matrix, square_matrices

from detvar.errors import ShapeError
from detvar.exact.inertia import (
    Inertia,
    inertia,
    is_positive_definite,
    is_positive_semidefinite,
    ldlt,
)
from detvar.exact.matrices import (
    Matrix,
    charpoly,
    determinant,
    diagonal,
    identity,
    inverse,
    is_zero,
    kron,
    matrix,
    nullspace,
    rank,
    submatrix,
    to_sympy,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.networks.random import cayley


def symmetric(a):
    return a + a.transpose()


def signs(values):
    return Inertia(
        sum(x > 0 for x in values), sum(x < 0 for x in values), sum(x == 0 for x in values)
    )


def direct_sum(a, b):
    n, k = a.nrows(), b.nrows()
    out = zeros(n + k, n + k)
    for i, j in product(range(n), repeat=2):
        out[i, j] = a[i, j]
    for i, j in product(range(k), repeat=2):
        out[n + i, n + j] = b[i, j]
    return out


def random_symmetric(n, rng):
    """Symmetric matrices of many kinds: dense, singular, sparse, with zero diagonal."""
    kind = rng.randrange(5)
    a = symmetric(random_matrix(n, n, rng))
    if kind == 1:  # low rank
        k = rng.randint(0, n)
        b = random_matrix(n, k, rng)
        a = b * diagonal([rng.choice((-1, 1)) for _ in range(k)]) * b.transpose()
    elif kind == 2:  # zero diagonal, which asks for 2×2 pivots
        for i in range(n):
            a[i, i] = 0
    elif kind == 3:  # sparse
        for i in range(n):
            for j in range(i + 1):
                if rng.random() < 0.6:
                    a[i, j] = a[j, i] = 0
    elif kind == 4:  # a zero block: [[0, B], [Bᵀ, C]]
        k = rng.randint(0, n)
        for i, j in product(range(k), repeat=2):
            a[i, j] = 0
    return a


def require_ldlt(a, want):
    """Check the factorization, its inertia and its two directions."""
    n = a.nrows()
    f = ldlt(a)
    assert f.product() == a
    assert f.inertia == want and sum(f.inertia) == n == f.size
    assert len(f.columns) == len(f.rows) == sum(map(len, f.blocks)) == rank(a)
    assert len(set(f.rows)) == len(f.rows)
    for k, row in enumerate(f.rows):  # unit triangular in the order of the pivots
        assert f.columns[k][row] == 1
        assert not any(f.columns[k][earlier] for earlier in f.rows[:k])
    for block in f.blocks:
        assert block[-1] and (len(block) == 1 or block[0] == 0)
    for sign, count in ((1, want.positive), (-1, want.negative)):
        x = f.direction(sign)
        assert (x is None) == (count == 0)
        if x is not None:
            assert (x.transpose() * a * x)[0, 0] * sign > 0


# --- eigenvalues that are known ------------------------------------------------------------------


def test_inertia_of_matrices_with_given_eigenvalues():
    rng = Random(1)
    seen = set()
    for _ in range(300):
        n = rng.randint(1, 6)
        values = [Rational(rng.randint(-2, 2), rng.randint(1, 3)) for _ in range(n)]
        q = cayley(n, rng)
        a = q * diagonal(values) * q.transpose()
        seen.add(signs(values))
        assert inertia(a) == signs(values)
        require_ldlt(a, signs(values))
    assert len(seen) > 40


def test_tiny_and_huge_eigenvalues():
    tiny = Rational(1, 10**200)
    for values in ([tiny, -tiny, 1], [10**200, tiny, 0], [-tiny, 0, 0], [tiny, tiny, -(10**100)]):
        q = cayley(3, Random(5))
        a = q * diagonal([Rational(x) for x in values]) * q.transpose()
        assert inertia(a) == signs(values)
        require_ldlt(a, signs(values))


def test_all_symmetric_matrices_of_size_3_with_entries_in_minus_1_0_1():
    for a, b, c, d, e, f in product((-1, 0, 1), repeat=6):
        m = matrix([[a, b, c], [b, d, e], [c, e, f]])
        require_ldlt(m, inertia(m))


def test_numpy_eigenvalues_on_separated_spectra():
    numpy = pytest.importorskip("numpy")
    rng = Random(2)
    kept = 0
    for _ in range(200):
        n = rng.randint(1, 6)
        a = symmetric(Matrix(n, n, [rng.randint(-4, 4) for _ in range(n * n)]))
        if rng.random() < 0.4:
            b = Matrix(n, max(n - 2, 0), [rng.randint(-2, 2) for _ in range(n * max(n - 2, 0))])
            a = b * symmetric(random_matrix(b.ncols(), b.ncols(), rng, 1)) * b.transpose()
        values = numpy.linalg.eigvalsh([[int(x.p) / int(x.q) for x in row] for row in a.tolist()])
        small = abs(values) < 1e-10 * max(1.0, float(max(abs(values))))
        large = abs(values) > 1e-5
        if not all(small | large):
            continue
        kept += 1
        want = Inertia(
            int(sum(values[large] > 0)), int(sum(values[large] < 0)), int(sum(small & ~large))
        )
        assert inertia(a) == want
        require_ldlt(a, want)
    assert kept > 150


def test_sympy_counts_the_real_roots():
    sympy = pytest.importorskip("sympy")
    x = sympy.Symbol("x")
    rng = Random(3)
    for _ in range(25):
        a = random_symmetric(rng.randint(1, 5), rng)
        p = sympy.Poly(to_sympy(a).charpoly(x).as_expr(), x)
        positive = sum(e * f.count_roots(0, None) for f, e in p.factor_list()[1] if f.eval(0))
        zero = sum(e for f, e in p.factor_list()[1] if not f.eval(0))
        assert inertia(a) == Inertia(positive, a.nrows() - positive - zero, zero)


def test_leading_minors():
    # Jacobi: if no leading minor is zero, the negative eigenvalues are its changes of sign
    rng = Random(4)
    used = 0
    for _ in range(200):
        n = rng.randint(1, 5)
        a = symmetric(random_matrix(n, n, rng))
        leading = [determinant(submatrix(a, range(k), range(k))) for k in range(n + 1)]
        if all(leading):
            used += 1
            changes = sum((x > 0) != (y > 0) for x, y in zip(leading, leading[1:], strict=False))
            assert inertia(a) == Inertia(n - changes, changes, 0)
    assert used > 100


# --- laws ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_two_routes_agree(seed):
    rng = Random(seed)
    for _ in range(100):
        a = random_symmetric(rng.randint(0, 7), rng)
        require_ldlt(a, inertia(a))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_two_routes_agree_on_larger_matrices(seed):
    rng = Random(seed)
    for _ in range(10):
        a = random_symmetric(rng.randint(8, 20), rng)
        require_ldlt(a, inertia(a))


@given(square_matrices(), st.integers(min_value=0, max_value=10**6))
def test_sylvester(a, seed):
    a = symmetric(a)
    s = random_invertible(a.nrows(), Random(seed))
    assert inertia(s.transpose() * a * s) == inertia(a)


@given(square_matrices(), square_matrices())
def test_direct_sums_and_kronecker_products(a, b):
    a, b = symmetric(a), symmetric(b)
    p, q = inertia(a), inertia(b)
    assert inertia(direct_sum(a, b)) == Inertia(*(x + y for x, y in zip(p, q, strict=True)))
    positive = p.positive * q.positive + p.negative * q.negative
    negative = p.positive * q.negative + p.negative * q.positive
    zero = a.nrows() * b.nrows() - positive - negative
    assert inertia(kron(a, b)) == Inertia(positive, negative, zero)


@given(square_matrices())
def test_scaling_and_counts(a):
    a = symmetric(a)
    n, found = a.nrows(), inertia(a)
    assert found.zero == n - rank(a) == nullspace(a).ncols() and sum(found) == n
    assert inertia(a * Rational(2, 7)) == found
    assert inertia(-a) == Inertia(found.negative, found.positive, found.zero)
    assert found.padded(3) == inertia(direct_sum(a, zeros(3, 3)))
    assert (determinant(a) > 0) == (found.zero == 0 and found.negative % 2 == 0)


@given(exact_matrices())
def test_gram_matrices_are_positive_semidefinite(b):
    gram = b.transpose() * b
    n, r = b.ncols(), rank(b)
    assert inertia(gram) == Inertia(r, 0, n - r)
    assert is_positive_semidefinite(gram) and is_positive_definite(gram) == (r == n)
    assert is_positive_semidefinite(-gram) == is_zero(gram)
    assert ldlt(gram).direction(-1) is None


@given(square_matrices(st.integers(min_value=1, max_value=4)))
def test_interlacing(a):
    a = symmetric(a)
    whole, part = inertia(a), inertia(submatrix(a, range(1, a.nrows()), range(1, a.nrows())))
    assert 0 <= whole.positive - part.positive <= 1 and 0 <= whole.negative - part.negative <= 1


def test_haynsworth():
    rng = Random(6)
    for _ in range(60):
        n, k = rng.randint(1, 4), rng.randint(1, 3)
        a = symmetric(random_invertible(n, rng))
        if rank(a) < n:
            continue
        b, c = random_matrix(n, k, rng), symmetric(random_matrix(k, k, rng))
        whole = direct_sum(a, c)
        for i, j in product(range(n), range(k)):
            whole[i, n + j] = whole[n + j, i] = b[i, j]
        complement = c - b.transpose() * inverse(a) * b
        sums = (x + y for x, y in zip(inertia(a), inertia(complement), strict=True))
        assert inertia(whole) == Inertia(*sums)


def test_saddles_of_products():
    # [[0, B], [Bᵀ, 0]] has the eigenvalues ±σ(B)
    rng = Random(7)
    for _ in range(40):
        m, n = rng.randint(1, 4), rng.randint(1, 4)
        k = rng.randint(0, min(m, n))
        b = random_matrix(m, k, rng) * random_matrix(k, n, rng)
        a = direct_sum(zeros(m, m), zeros(n, n))
        for i, j in product(range(m), range(n)):
            a[i, m + j] = a[m + j, i] = b[i, j]
        r = rank(b)
        require_ldlt(a, Inertia(r, r, m + n - 2 * r))
        assert inertia(a) == Inertia(r, r, m + n - 2 * r)


def test_empty_and_zero():
    assert inertia(zeros(0, 0)) == ldlt(zeros(0, 0)).inertia == Inertia(0, 0, 0)
    assert is_positive_definite(zeros(0, 0)) and ldlt(zeros(0, 0)).direction(1) is None
    assert inertia(zeros(3, 3)) == ldlt(zeros(3, 3)).inertia == Inertia(0, 0, 3)
    assert is_positive_semidefinite(zeros(3, 3)) and not is_positive_definite(zeros(3, 3))
    assert charpoly(zeros(0, 0)) == 1 and inertia(identity(2)) == Inertia(2, 0, 0)


@pytest.mark.parametrize("route", [inertia, ldlt, is_positive_semidefinite, is_positive_definite])
@pytest.mark.parametrize("a", [matrix([[1, 2], [3, 4]]), zeros(2, 3)], ids=["square", "not square"])
def test_only_symmetric_matrices_have_an_inertia(route, a):
    with pytest.raises(ShapeError, match="not symmetric"):
        route(a)


def test_the_argument_is_left_alone():
    a = random_symmetric(5, Random(8))
    b = Matrix(a)
    inertia(a)
    ldlt(a)
    assert a == b
