"""Matrices over Q: the laws of rank, subspaces, products, minors, and the door for rows.

Ranks and subspaces are compared with an elimination over `Fraction` written here, with SymPy's
`DomainMatrix` and with minors; determinants with SymPy and with Leibniz' sum over permutations.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, permutations
from math import comb, prod
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detvar.errors import DetvarError, NotExactError, ShapeError
from detvar.exact.matrices import (
    Matrix,
    chain,
    charpoly,
    column_space,
    columns,
    complement,
    determinant,
    diagonal,
    extend_basis,
    hstack,
    identity,
    inner,
    inverse,
    is_symmetric,
    is_zero,
    kron,
    left_inverse,
    matrix,
    minors,
    nullspace,
    pivot_columns,
    projector,
    rank,
    require_exact,
    require_shape,
    row_space,
    shape,
    submatrix,
    to_sympy,
    to_text_rows,
    trace,
    unvec,
    vec,
    vstack,
    zeros,
)
from detvar.exact.rational import Rational, to_fraction

ENTRIES = st.sampled_from([Rational(p, q) for q in (1, 2, 3) for p in range(-3, 4)])
SIZES = st.integers(min_value=0, max_value=4)


@st.composite
def exact_matrices(draw, rows=SIZES, cols=SIZES, ranks=None):
    """Rational matrices, empty ones included; products of thinner ones for lower ranks."""
    m = draw(rows) if isinstance(rows, st.SearchStrategy) else rows
    n = draw(cols) if isinstance(cols, st.SearchStrategy) else cols
    k = draw(st.none() | st.integers(min_value=0, max_value=min(m, n))) if ranks is None else ranks
    if k is None:
        return fill(m, n, draw(st.lists(ENTRIES, min_size=m * n, max_size=m * n)))
    left = fill(m, k, draw(st.lists(ENTRIES, min_size=m * k, max_size=m * k)))
    right = fill(k, n, draw(st.lists(ENTRIES, min_size=k * n, max_size=k * n)))
    return left * right


@st.composite
def square_matrices(draw, sizes=SIZES):
    n = draw(sizes)
    return draw(exact_matrices(n, n))


@st.composite
def pairs(draw):
    """Two matrices with as many rows."""
    m = draw(SIZES)
    return draw(exact_matrices(m)), draw(exact_matrices(m))


def fill(m, n, entries):
    return Matrix(m, n, entries)


def random_matrix(m, n, rng, height=3):
    """Rational entries p/q with |p|, q ≤ height."""
    return Matrix(
        m,
        n,
        [Rational(rng.randint(-height, height), rng.randint(1, height)) for _ in range(m * n)],
    )


def random_invertible(n, rng, height=2):
    while rank(a := random_matrix(n, n, rng, height)) < n:
        pass
    return a


def rows_of(a):
    """The rows as lists of Python fractions."""
    return [[to_fraction(x) for x in row] for row in a.tolist()]


def plain_rank(rows):
    """Rank by elimination over Fraction."""
    rows = [list(row) for row in rows]
    k = 0
    for j in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(k, len(rows)) if rows[i][j]), None)
        if pivot is None:
            continue
        rows[k], rows[pivot] = rows[pivot], rows[k]
        for i in range(k + 1, len(rows)):
            factor = rows[i][j] / rows[k][j]
            rows[i] = [x - factor * y for x, y in zip(rows[i], rows[k], strict=True)]
        k += 1
    return k


def plain_determinant(rows):
    """Σ_π sign(π) Π a_{i π(i)}."""
    n = len(rows)
    total = Fraction(0)
    for order in permutations(range(n)):
        sign = (-1) ** sum(order[i] > order[j] for i in range(n) for j in range(i + 1, n))
        total += sign * prod((rows[i][order[i]] for i in range(n)), start=Fraction(1))
    return total


def plain_product(a, b):
    return [
        [sum((a[i][k] * b[k][j] for k in range(len(b))), Fraction(0)) for j in range(len(b[0]))]
        for i in range(len(a))
    ]


# --- rank and subspaces -------------------------------------------------------------------------


@given(exact_matrices())
def test_rank_is_that_of_a_plain_elimination(a):
    assert rank(a) == plain_rank(rows_of(a)) == rank(a.transpose())


@given(exact_matrices())
def test_rank_is_the_size_of_the_largest_minor_that_is_not_zero(a):
    top = max(k for k in range(min(shape(a)) + 1) if any(minors(a, k).values()))
    assert rank(a) == top


def test_rank_is_that_of_sympy():
    pytest.importorskip("sympy")
    from sympy.polys.matrices import DomainMatrix

    rng = Random(1)
    for _ in range(60):
        m, n = rng.randint(1, 7), rng.randint(1, 7)
        k = rng.randint(1, min(m, n))
        a = random_matrix(m, k, rng) * random_matrix(k, n, rng)
        field = DomainMatrix.from_Matrix(to_sympy(a)).to_field()
        assert rank(a) == field.rank()
        assert rank(nullspace(a)) == field.nullspace().shape[0]


@given(exact_matrices())
def test_nullspace(a):
    kernel = nullspace(a)
    assert shape(kernel) == (a.ncols(), a.ncols() - rank(a))
    assert rank(kernel) == kernel.ncols()
    assert is_zero(a * kernel)


@given(exact_matrices())
def test_column_space_and_row_space(a):
    image, rows = column_space(a), row_space(a)
    r = rank(a)
    assert shape(image) == (a.nrows(), r) and shape(rows) == (r, a.ncols())
    assert rank(image) == rank(hstack(image, a)) == r
    assert rank(rows) == rank(vstack(rows, a)) == r
    assert image == columns(a, pivot_columns(a))


@given(exact_matrices())
def test_pivot_columns_are_the_columns_that_raise_the_rank(a):
    first = [rank(columns(a, range(j))) for j in range(a.ncols() + 1)]
    assert pivot_columns(a) == [j for j in range(a.ncols()) if first[j + 1] > first[j]]


@given(exact_matrices())
def test_complement(a):
    normal = complement(a)
    assert is_zero(a.transpose() * normal)
    assert normal.ncols() == a.nrows() - rank(a)
    # over an ordered field a subspace and its complement meet in zero only
    assert rank(hstack(a, normal)) == a.nrows()


@given(pairs())
def test_extend_basis(pair):
    a, by = column_space(pair[0]), pair[1]
    new = extend_basis(a, by)
    extended = hstack(a, columns(by, new))
    assert rank(extended) == extended.ncols() == rank(hstack(a, by))
    greedy, basis = [], a
    for j in range(by.ncols()):
        if rank(larger := hstack(basis, columns(by, [j]))) > basis.ncols():
            greedy, basis = [*greedy, j], larger
    assert new == greedy


@given(pairs())
def test_dimension_formula_of_sum_and_intersection(pair):
    a, b = map(column_space, pair)
    meeting = nullspace(hstack(a, b)).ncols()  # pairs (x, y) with a x + b y = 0
    assert rank(hstack(a, b)) == a.ncols() + b.ncols() - meeting


@given(pairs())
def test_rank_inequalities(pair):
    a, b = pair[0].transpose(), pair[1]
    assert rank(a) + rank(b) - b.nrows() <= rank(a * b) <= min(rank(a), rank(b))  # Sylvester


@given(exact_matrices())
def test_projector(a):
    image = column_space(a)
    p = projector(image)
    assert p * p == p and p == p.transpose() and p * a == a and rank(p) == rank(a)
    assert trace(p) == rank(a)
    assert left_inverse(image) * image == identity(image.ncols())
    assert p + projector(column_space(complement(a))) == identity(a.nrows())


def test_one_sided_inverses_need_full_rank():
    with pytest.raises(ShapeError, match="singular"):
        left_inverse(matrix([[1, 2], [2, 4]]))
    with pytest.raises(ShapeError, match="singular"):
        projector(zeros(2, 1))


@given(square_matrices())
def test_inverse_exists_for_full_rank_only(a):
    n = a.nrows()
    if rank(a) == n:
        assert inverse(a) * a == a * inverse(a) == identity(n)
        assert inverse(inverse(a)) == a
    else:
        with pytest.raises(ShapeError, match="singular"):
            inverse(a)


def test_only_square_matrices_have_an_inverse():
    with pytest.raises(ShapeError, match="2×3 matrix has no inverse"):
        inverse(zeros(2, 3))
    assert shape(inverse(zeros(0, 0))) == (0, 0)


# --- determinants and characteristic polynomials ------------------------------------------------


@given(square_matrices())
def test_determinant_is_the_sum_over_permutations(a):
    assert to_fraction(determinant(a)) == plain_determinant(rows_of(a))
    assert bool(determinant(a)) == (rank(a) == a.nrows())


@given(exact_matrices(), st.integers(min_value=0, max_value=5))
def test_minors_are_determinants_of_submatrices(a, k):
    found = minors(a, k)
    m, n = shape(a)
    assert len(found) == comb(m, k) * comb(n, k)
    rows = rows_of(a)
    for (i, j), value in found.items():
        assert list(i) == sorted(set(i)) and list(j) == sorted(set(j))
        assert to_fraction(value) == plain_determinant([[rows[x][y] for y in j] for x in i])


def test_minors_agree_with_sympy():
    pytest.importorskip("sympy")
    rng = Random(2)
    for k in (1, 2, 3):
        a = random_matrix(3, 4, rng)
        s = to_sympy(a)
        for (i, j), value in minors(a, k).items():
            assert s.extract(list(i), list(j)).det() == to_sympy(Matrix(1, 1, [value]))[0, 0]


@given(exact_matrices(rows=3, cols=4), exact_matrices(rows=4, cols=3))
def test_cauchy_binet(a, b):
    for k in (1, 2, 3):
        left, right = minors(a, k), minors(b, k)
        for (i, j), value in minors(a * b, k).items():
            assert value == sum(
                (left[i, s] * right[s, j] for s in combinations(range(4), k)), Rational(0)
            )


@given(square_matrices())
def test_cayley_hamilton(a):
    n = a.nrows()
    p = charpoly(a)
    assert p.degree() == n and p[n] == 1
    value = zeros(n, n)
    for k in range(n, -1, -1):  # Horner
        value = value * a + identity(n) * p[k]
    assert is_zero(value)


@given(square_matrices(), st.integers(min_value=-3, max_value=3))
def test_charpoly_at_a_number_is_a_determinant(a, t):
    n = a.nrows()
    assert charpoly(a)(Rational(t)) == determinant(identity(n) * t - a)
    assert charpoly(a)[0] == (-1) ** n * determinant(a)
    if n:
        assert charpoly(a)[n - 1] == -trace(a)
        assert charpoly(a.transpose()) == charpoly(a)


# --- Kronecker products, vec, stacking ----------------------------------------------------------


@given(st.data())
def test_kron_acts_on_row_major_vec(data):
    m, n, p, q = (data.draw(st.integers(min_value=1, max_value=3)) for _ in range(4))
    a = data.draw(exact_matrices(m, p))
    x = data.draw(exact_matrices(p, q))
    b = data.draw(exact_matrices(n, q))
    assert kron(a, b) * vec(x) == vec(a * x * b.transpose())
    assert unvec(vec(x), p, q) == unvec(x.entries(), p, q) == x


@given(exact_matrices(), exact_matrices())
def test_kron_entries_rank_and_transpose(a, b):
    c = kron(a, b)
    p, q = shape(b)
    assert shape(c) == (a.nrows() * p, a.ncols() * q)
    for i in range(c.nrows()):
        for j in range(c.ncols()):
            assert c[i, j] == a[i // p, j // q] * b[i % p, j % q]
    assert rank(c) == rank(a) * rank(b)
    assert c.transpose() == kron(a.transpose(), b.transpose())


def test_kron_agrees_with_numpy_and_sympy():
    numpy = pytest.importorskip("numpy")
    sympy = pytest.importorskip("sympy")
    rng = Random(3)
    a = Matrix(2, 3, [rng.randint(-5, 5) for _ in range(6)])
    b = Matrix(3, 2, [rng.randint(-5, 5) for _ in range(6)])
    table = numpy.kron(*(numpy.array(x.tolist(), dtype=object) for x in (a, b)))
    assert matrix(table) == kron(a, b)
    assert to_sympy(kron(a, b)) == sympy.kronecker_product(to_sympy(a), to_sympy(b))


@given(pairs())
def test_inner_product(pair):
    a = pair[0]
    b = a * Rational(2, 3) + identity(a.nrows()) * a
    assert inner(a, b) == trace(a.transpose() * b) == (vec(a).transpose() * vec(b))[0, 0]
    assert inner(a, a) >= 0 and (inner(a, a) == 0) == is_zero(a)


@given(pairs())
def test_stacking(pair):
    a, b = pair
    m, p, q = a.nrows(), a.ncols(), b.ncols()
    side = hstack(a, b)
    assert shape(side) == (m, p + q)
    assert columns(side, range(p)) == a and columns(side, range(p, p + q)) == b
    assert vstack(a.transpose(), b.transpose()) == side.transpose()
    assert submatrix(side, range(m)[::-1], range(p + q)[::-1]).tolist() == [
        row[::-1] for row in side.tolist()[::-1]
    ]


def test_chain_is_the_product_from_left_to_right():
    rng = Random(4)
    a, b, c = random_matrix(2, 3, rng), random_matrix(3, 1, rng), random_matrix(1, 4, rng)
    assert rows_of(chain(a, b, c)) == plain_product(
        plain_product(rows_of(a), rows_of(b)), rows_of(c)
    )
    assert chain(a) == a


def test_products_through_an_empty_layer_are_zero():
    assert zeros(2, 0) * zeros(0, 3) == zeros(2, 3)
    assert shape(kron(zeros(2, 0), identity(3))) == (6, 0)
    assert shape(hstack(zeros(2, 0), zeros(2, 0))) == (2, 0)
    assert rank(zeros(0, 3)) == rank(zeros(3, 0)) == 0
    assert nullspace(zeros(0, 3)) == identity(3) and shape(nullspace(zeros(3, 0))) == (0, 0)
    assert minors(zeros(2, 3), 0) == {((), ()): 1} and minors(zeros(2, 3), 3) == {}
    assert to_text_rows(zeros(0, 3)) == [] and to_text_rows(zeros(2, 0)) == [[], []]


def test_diagonal_identity_trace_symmetry():
    d = diagonal([1, "1/2"], 2, 3)
    assert to_text_rows(d) == [["1", "0", "0"], ["0", "1/2", "0"]]
    assert diagonal([1, 1, 1]) == identity(3) and trace(identity(3)) == 3
    assert is_symmetric(identity(2)) and is_symmetric(zeros(0, 0))
    assert not is_symmetric(zeros(1, 2)) and not is_symmetric(matrix([[0, 1], [2, 0]]))


@given(exact_matrices(rows=st.integers(1, 4), cols=st.integers(1, 4)))
def test_out_and_in_again(a):
    assert matrix(to_text_rows(a)) == a
    assert matrix(rows_of(a)) == a
    assert matrix(a.tolist()) == a
    assert matrix(iter(map(tuple, a.tolist()))) == a


def test_sympy_matrices_go_out_and_come_in():
    pytest.importorskip("sympy")
    a = matrix([[1, "-1/2", 0], ["7/3", 0, 5]])
    assert matrix(to_sympy(a)) == matrix(to_sympy(a).as_immutable()) == a


# --- the door -----------------------------------------------------------------------------------


def test_integer_arrays_come_in():
    numpy = pytest.importorskip("numpy")
    for kind in ("int8", "uint64", "object"):
        a = numpy.array([[1, 2], [3, 4]], dtype=kind)
        require_exact(a, "X")
        assert matrix(a) == matrix([[1, 2], [3, 4]])
        assert matrix(list(a)) == matrix(a)
    assert matrix(numpy.array([["1/2", "0.5"]])) == matrix([["1/2", "1/2"]])


def test_what_comes_in_is_a_copy():
    a = matrix([[1, 2], [3, 4]])
    b = matrix(a)
    a[0, 0] = 7
    assert b == matrix([[1, 2], [3, 4]])


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "complex128", "bool"])
def test_arrays_that_are_not_exact_are_refused_by_name(kind):
    numpy = pytest.importorskip("numpy")
    a = numpy.ones((2, 2), dtype=kind)
    with pytest.raises(NotExactError, match=f"^X is an array of {kind}"):
        require_exact(a, "X")
    with pytest.raises(NotExactError, match=r"^X\[0\]\[0\] is "):
        matrix(a, "X")


@pytest.mark.parametrize(
    ("rows", "error", "words"),
    [
        ([[1, 0.5]], NotExactError, 'X[0][1] is the float 0.5, which is not exact: write "0.5"'),
        ([[1], [float("nan")]], NotExactError, "X[1][0] is nan"),
        ([[1], [float("inf")]], NotExactError, "X[1][0] is inf"),
        ([[True]], NotExactError, "X[0][0] is the boolean True"),
        ([[None]], NotExactError, "X[0][0] is None"),
        ([["1", "1/0"]], NotExactError, 'X[0][1] is "1/0", with denominator zero'),
        ([["a"]], NotExactError, 'X[0][0] is the text "a"'),
        ([[[1]]], NotExactError, "X[0][0] is a list"),
        ([[1, 2], [3]], ShapeError, "X is ragged: row 0 has 2 entries and row 1 has 1"),
        ([[1], [2], [3, 4]], ShapeError, "X is ragged: row 0 has 1 entries and row 2 has 2"),
        ([[1], []], ShapeError, "X is ragged"),
        ([], ShapeError, "X is empty"),
        ([[]], ShapeError, "X is empty"),
        ([[], []], ShapeError, "X is empty"),
        ([[], [1]], ShapeError, "X is empty"),
        ([1, 2], ShapeError, "row 0 of X must be a list of numbers"),
        ([[1, 2], 3], ShapeError, "row 1 of X must be a list of numbers"),
        (["12", "34"], ShapeError, "row 0 of X must be a list of numbers"),
        ([[1, 2], "34"], ShapeError, "row 1 of X must be a list of numbers"),
        ([b"12"], ShapeError, "row 0 of X must be a list of numbers"),
        ([{0: 1}], ShapeError, "row 0 of X must be a list of numbers"),
        ("12", ShapeError, "X must be a list of rows"),
        (b"12", ShapeError, "X must be a list of rows"),
        ({0: [1]}, ShapeError, "X must be a list of rows"),
        (None, ShapeError, "X must be a list of rows"),
        (5, ShapeError, "X must be a list of rows"),
        (0.5, ShapeError, "X must be a list of rows"),
        (True, ShapeError, "X must be a list of rows"),
    ],
)
def test_bad_rows_are_refused_by_name(rows, error, words):
    with pytest.raises(error) as caught:
        matrix(rows, "X")
    message = str(caught.value)
    assert words in message and "X" in message.split(":")[0]
    assert message.isprintable() and isinstance(caught.value, DetvarError)


def test_arrays_of_other_dimensions_are_refused():
    numpy = pytest.importorskip("numpy")
    with pytest.raises(ShapeError, match="^X must be a list of rows"):
        matrix(numpy.array(3), "X")
    with pytest.raises(ShapeError, match="^row 0 of X must be a list of numbers"):
        matrix(numpy.array([1, 2]), "X")
    with pytest.raises(NotExactError, match=r"^X\[0\]\[0\] is a list, not a number"):
        matrix(numpy.ones((2, 2, 2), dtype=int), "X")
    with pytest.raises(ShapeError, match="^X is empty"):
        matrix(numpy.ones((0, 2), dtype=int), "X")


def test_sets_have_no_order_and_are_no_rows():
    with pytest.raises(ShapeError, match="X"):
        matrix([{2, 1}], "X")
    with pytest.raises(ShapeError, match="X"):
        matrix({(1, 2), (3, 4)}, "X")


def test_shapes_are_required_by_name():
    require_shape(zeros(2, 3), 2, 3, "form")
    with pytest.raises(ShapeError, match="^form is 2×3: give a 3×2 matrix"):
        require_shape(zeros(2, 3), 3, 2, "form")


def test_blocks_of_other_heights_are_not_cut():
    with pytest.raises((DetvarError, ValueError, IndexError)):
        hstack(identity(2), identity(1))
    with pytest.raises((DetvarError, ValueError, IndexError)):
        hstack(identity(1), identity(2))
    with pytest.raises((DetvarError, ValueError, IndexError)):
        vstack(identity(2), identity(1))
