"""Determinantal varieties at a point: every formula against derivatives, curves or minors."""

from __future__ import annotations

import random
from itertools import combinations_with_replacement, product

import pytest

import detvar
from detvar.errors import InputError, NotExactError, ShapeError
from detvar.exact.matrices import (
    Matrix,
    hstack,
    identity,
    inner,
    is_zero,
    kron,
    matrix,
    rank,
    shape,
    to_sympy,
    unvec,
    vec,
    vstack,
    zeros,
)
from detvar.varieties import (
    DeterminantalVariety,
    LocalEquations,
    SymmetricDeterminantalVariety,
    TangentCone,
    project_to_stratum,
    stratum_normal_space,
    stratum_tangent_space,
)

SHAPES = [(m, n) for m in range(1, 5) for n in range(1, 5)]
CASES = [(m, n, r) for m, n in SHAPES for r in range(min(m, n) + 1)]
POINTS = [(m, n, r, e) for m, n, r in CASES for e in range(r + 1)]


def entries(rng: random.Random, m: int, n: int) -> Matrix:
    return Matrix(m, n, [rng.randint(-4, 4) for _ in range(m * n)])


def of_rank(rng: random.Random, m: int, n: int, e: int) -> Matrix:
    while True:
        w = entries(rng, m, e) * entries(rng, e, n) if e else zeros(m, n)
        if rank(w) == e:
            return w


def product_differential(a: Matrix, b: Matrix) -> Matrix:
    """Jacobian of (A, B) ↦ AB at (a, b), for row-major vecs."""
    return hstack(kron(identity(a.nrows()), b.transpose()), kron(a, identity(b.ncols())))


def contained(a: Matrix, b: Matrix) -> bool:
    """Whether Col a ⊂ Col b."""
    return rank(hstack(a, b)) == rank(b)


# -- the variety ---------------------------------------------------------------------


@pytest.mark.parametrize(("m", "n", "r"), CASES)
def test_dimension_is_the_rank_of_the_parametrization(m: int, n: int, r: int) -> None:
    rng = random.Random(f"{m}{n}{r}")
    v = DeterminantalVariety(m, n, r)
    found = 0
    if r:
        found = max(
            rank(product_differential(entries(rng, m, r), entries(rng, r, n))) for _ in range(3)
        )
    assert v.dimension == found
    assert v.dimension + v.codimension == m * n
    assert v.is_filling == (found == m * n)


def test_ranks_above_the_sides_are_the_whole_space() -> None:
    assert DeterminantalVariety(2, 3, 9) == DeterminantalVariety(2, 3, 2)
    assert DeterminantalVariety(2, 3, 9).is_filling
    assert hash(DeterminantalVariety(2, 3, 9)) == hash(DeterminantalVariety(2, 3, 2))
    assert DeterminantalVariety.symmetric(2, 5) == SymmetricDeterminantalVariety(2, 2)


@pytest.mark.parametrize(("m", "n", "r"), CASES)
def test_membership_is_a_rank(m: int, n: int, r: int) -> None:
    rng = random.Random(1)
    v = DeterminantalVariety(m, n, r)
    for e in range(min(m, n) + 1):
        w = of_rank(rng, m, n, e)
        assert v.contains(w) == (e <= r)
        assert v.contains([[str(x) for x in row] for row in w.tolist()]) == (e <= r)


@pytest.mark.parametrize(("m", "n", "r"), CASES)
def test_singular_locus_is_where_the_jacobian_of_the_ideal_drops(m: int, n: int, r: int) -> None:
    v = DeterminantalVariety(m, n, r)
    equations, symbols = v.ideal(), list(v.symbols())
    assert len(equations) == v.generator_count
    if m * n > 9:
        return
    import sympy

    rng = random.Random(2)
    jacobian = sympy.Matrix([[f.diff(x) for x in symbols] for f in equations])
    for e in range(r + 1):
        w = of_rank(rng, m, n, e)
        value = dict(zip(symbols, to_sympy(w), strict=True))
        assert all(f.subs(value) == 0 for f in equations)
        found = jacobian.subs(value).rank() if equations else 0
        assert m * n - found == v.zariski_tangent_dimension(w)
        smooth = found == v.codimension
        assert smooth == v.is_smooth_at(w)
        assert smooth == (v.singular_locus is None or not v.singular_locus.contains(w))
    if not v.is_filling:
        value = dict(zip(symbols, to_sympy(of_rank(rng, m, n, r + 1)), strict=True))
        assert any(f.subs(value) != 0 for f in equations)


@pytest.mark.parametrize(("m", "n", "r"), CASES)
def test_duality(m: int, n: int, r: int) -> None:
    """Normal vectors at smooth points sweep out the dual; pairs of the two are conormal."""
    rng = random.Random(3)
    v = DeterminantalVariety(m, n, r)
    d = v.dual()
    assert d.dual() == v
    w = of_rank(rng, m, n, r)
    normal = v.normal_space(w)
    if normal.ncols():
        g = unvec(normal * entries(rng, normal.ncols(), 1), m, n)
        for _ in range(20):
            if rank(g) == d.rank:
                break
            g = unvec(normal * entries(rng, normal.ncols(), 1), m, n)
        assert rank(g) == d.rank  # a generic normal vector reaches the bound
    else:
        g = zeros(m, n)
    assert d.contains(g) and v.is_conormal(w, g) and d.is_conormal(g, w)
    # tangency is symmetric: w is normal to the dual at g
    assert v.is_normal_to(w, g) and d.is_normal_to(g, w)


def test_conormal_pairs_are_limits_of_smooth_ones() -> None:
    """A pair of ranks (e, f) below the bounds moves to one with e = r, keeping B."""
    v = DeterminantalVariety(4, 5, 2)
    a, b = zeros(4, 5), zeros(4, 5)
    b[0, 0] = b[1, 1] = 1
    assert v.is_conormal(a, b)
    a[2, 2] = a[3, 3] = matrix([["1/1000"]])[0, 0]
    assert v.is_conormal(a, b) and v.is_smooth_at(a) and v.is_normal_to(a, b)
    b[2, 4] = 1
    assert not v.is_conormal(a, b)  # AᵀB ≠ 0
    assert not v.is_conormal(zeros(4, 5), b)  # rank 3 > k − r
    assert not DeterminantalVariety(2, 2, 1).is_conormal(identity(2), zeros(2, 2))


def test_both_sides_of_orthogonality_are_needed() -> None:
    v, w = DeterminantalVariety(2, 2, 1), matrix([[1, 0], [0, 0]])
    for g in ([[0, 0], [1, 0]], [[0, 1], [0, 0]]):  # WᵀG = 0 only, GWᵀ = 0 only
        assert not v.is_normal_to(w, g) and not v.is_conormal(w, g)
    assert v.is_normal_to(w, [[0, 0], [0, 1]]) and v.is_conormal(w, [[0, 0], [0, 1]])


# -- linear spaces at a point --------------------------------------------------------


@pytest.mark.parametrize(("m", "n", "r", "e"), POINTS)
def test_tangent_and_normal_space(m: int, n: int, r: int, e: int) -> None:
    rng = random.Random(f"{m}{n}{r}{e}")
    v, w = DeterminantalVariety(m, n, r), of_rank(rng, m, n, e)
    t, normal = v.tangent_space(w), v.normal_space(w)
    assert shape(t)[0] == shape(normal)[0] == m * n
    assert rank(t) == t.ncols() and rank(normal) == normal.ncols()
    assert t.ncols() + normal.ncols() == m * n
    assert is_zero(t.transpose() * normal)
    if v.is_filling:
        assert t.ncols() == m * n
    else:
        assert t.ncols() == e * (m + n - e)
    if v.is_smooth_at(w):
        assert t.ncols() == v.dimension
    s = stratum_tangent_space(w)
    assert s.ncols() == rank(s) == e * (m + n - e)
    assert stratum_normal_space(w).ncols() == (m - e) * (n - e)
    assert is_zero(s.transpose() * stratum_normal_space(w))


@pytest.mark.parametrize(("m", "n", "e"), [c for c in CASES if c[2]])
def test_tangent_space_is_the_image_of_the_product_map(m: int, n: int, e: int) -> None:
    """T_W M_e = {A dB + dA B}, from the derivative of a full factorization W = AB."""
    rng = random.Random(5)
    for _ in range(3):
        a, b = entries(rng, m, e), entries(rng, e, n)
        if rank(a) == rank(b) == e:
            image, t = product_differential(a, b), stratum_tangent_space(a * b)
            assert contained(image, t) and contained(t, image)


@pytest.mark.parametrize(("m", "n", "r", "e"), POINTS)
def test_projection_laws(m: int, n: int, r: int, e: int) -> None:
    rng = random.Random(f"p{m}{n}{r}{e}")
    v, w = DeterminantalVariety(m, n, r), of_rank(rng, m, n, e)
    t = v.tangent_space(w)
    x, y = entries(rng, m, n), entries(rng, m, n)
    px, py = v.project_to_tangent(w, x), v.project_to_tangent(w, y)
    assert contained(vec(px), t)
    assert v.project_to_tangent(w, px) == px
    assert inner(px, y) == inner(x, py)
    assert v.is_normal_to(w, x - px)
    assert is_zero(t.transpose() * vec(x - px))
    assert v.is_normal_to(w, x) == is_zero(px)


def test_projection_is_rational_where_the_singular_vectors_are_not() -> None:
    w = matrix([[1, 2], [1, 2]])  # singular value √10
    d = matrix([[1, 0], [0, 0]])
    assert project_to_stratum(w, d) == matrix([["3/5", "1/5"], ["2/5", "-1/5"]])


# -- tangent cone and multiplicity ---------------------------------------------------


@pytest.mark.parametrize(("m", "n", "r", "e"), POINTS)
def test_tangent_cone_contains_derivatives_of_curves(m: int, n: int, r: int, e: int) -> None:
    """A(t)B(t) with A = [U + tU₁, X], B = [V + tV₁; tY] has rank ≤ r and derivative
    UV₁ + U₁V + XY at 0, where A(0)B(0) = UV = W."""
    rng = random.Random(f"c{m}{n}{r}{e}")
    v, w = DeterminantalVariety(m, n, r), of_rank(rng, m, n, e)
    cone = v.tangent_cone(w)
    assert cone.shape == (m, n) and cone.dimension == v.dimension
    assert cone.stratum_rank == e and cone.rank_bound == r - e
    assert cone.degree == v.multiplicity(w)
    assert cone.is_linear == v.is_smooth_at(w)
    extra = zeros(m, n)
    if r > e:
        extra = entries(rng, m, r - e) * entries(rng, r - e, n)
    tangent = w * entries(rng, n, n) + entries(rng, m, m) * w
    d = tangent + extra
    assert cone.contains(d) and cone.contains(-d) and cone.contains(zeros(m, n))
    assert contained(cone.column_space, w) if e else cone.column_space.ncols() == 0
    assert shape(cone.row_space) == (e, n)
    if e:
        assert rank(vstack(cone.row_space, w)) == e


@pytest.mark.parametrize(("m", "n", "r", "e"), POINTS)
def test_tangent_cone_contains_leading_terms_of_curves(m: int, n: int, r: int, e: int) -> None:
    """The first non-zero coefficient of A(t)B(t) − W, for A(t) m×r and B(t) r×n of degree 3 with
    A(0)B(0) = W; the first derivatives of both vanish on the first e columns and rows."""
    rng = random.Random(f"h{m}{n}{r}{e}")
    v = DeterminantalVariety(m, n, r)
    if r == 0:
        return
    a = [hstack(entries(rng, m, e), zeros(m, r - e))]
    b = [vstack(entries(rng, e, n), zeros(r - e, n))]
    a += [hstack(zeros(m, e), entries(rng, m, r - e))] + [entries(rng, m, r) for _ in range(2)]
    b += [vstack(zeros(e, n), entries(rng, r - e, n))] + [entries(rng, r, n) for _ in range(2)]
    w = a[0] * b[0]
    if rank(w) < e:
        return
    for t in range(1, 4):
        coefficient = sum((a[i] * b[t - i] for i in range(t + 1)), zeros(m, n))
        if not is_zero(coefficient):
            assert t == 2 or r == e
            assert v.tangent_cone(w).contains(coefficient)
            break


@pytest.mark.parametrize(
    ("m", "n", "r", "e"), [(2, 2, 1, 0), (3, 3, 2, 1), (3, 3, 1, 0), (2, 3, 1, 1)]
)
def test_tangent_cone_is_cut_out_by_initial_forms(m: int, n: int, r: int, e: int) -> None:
    """D is in the cone exactly if the t^{r−e+1} terms of all minors vanish along W + tD."""
    import sympy

    rng = random.Random(9)
    v, w = DeterminantalVariety(m, n, r), of_rank(rng, m, n, e)
    t = sympy.Symbol("t")
    symbols = list(v.symbols())
    answers = set()
    for extra in range(min(m, n) - e + 1):
        d = w * entries(rng, n, n) + of_rank(rng, m, n, extra)
        line = dict(zip(symbols, to_sympy(w) + t * to_sympy(d), strict=True))
        values = [sympy.Poly(f.subs(line), t) for f in v.local_equations(w).equations]
        leading = [p.coeff_monomial(t ** (r - e + 1)) for p in values]
        assert all(p.coeff_monomial(t**i) == 0 for p in values for i in range(r - e + 1))
        answers.add(v.tangent_cone(w).contains(d))
        assert v.tangent_cone(w).contains(d) == all(c == 0 for c in leading)
    assert answers == {True, False}


@pytest.mark.parametrize(
    ("m", "n", "r", "e"),
    [(3, 3, 2, 0), (3, 3, 2, 1), (3, 3, 2, 2), (3, 4, 2, 1), (3, 4, 2, 2), (2, 3, 1, 0)],
)
def test_multiplicity_is_a_local_intersection_number(m: int, n: int, r: int, e: int) -> None:
    """A generic plane of complementary dimension through W meets M_r at W with that multiplicity,
    and in deg M_r points altogether."""
    import sympy

    rng = random.Random(10)
    v, w = DeterminantalVariety(m, n, r), of_rank(rng, m, n, e)
    parameters = sympy.symbols(f"s:{v.codimension}")
    point = to_sympy(w)
    for s in parameters:
        point += s * to_sympy(entries(rng, m, n))
    value = dict(zip(v.symbols(), point, strict=True))
    equations = [sympy.expand(f.subs(value)) for f in v.ideal()]
    # If I + 𝔪^{c+1} has colength c, then 𝔪^c ⊂ I near W (Nakayama), and c is the multiplicity.
    claim = v.multiplicity(w)
    powers = [sympy.prod(c) for c in combinations_with_replacement(parameters, claim + 1)]
    assert standard_monomials(equations + powers, parameters) == claim
    if v.codimension <= 2:
        assert standard_monomials(equations, parameters) == v.degree


def standard_monomials(equations: list, symbols: tuple) -> int:
    """Dimension of the quotient by a zero-dimensional ideal, by a Gröbner basis."""
    import sympy
    from sympy.polys.orderings import grevlex

    basis = sympy.groebner(equations, *symbols, order="grevlex", domain=sympy.GF(32003))
    leads = [p.monoms(order=grevlex)[0] for p in basis.polys]
    top = max(map(max, leads)) + 1
    return sum(
        not any(all(a <= b for a, b in zip(lead, point, strict=True)) for lead in leads)
        for point in product(range(top), repeat=len(symbols))
    )


# -- equations -----------------------------------------------------------------------


@pytest.mark.parametrize(("m", "n", "r", "e"), [p for p in POINTS if p[0] * p[1] <= 12])
def test_local_equations(m: int, n: int, r: int, e: int) -> None:
    import sympy

    rng = random.Random(11)
    v, w = DeterminantalVariety(m, n, r), of_rank(rng, m, n, e)
    local = v.local_equations(w)
    symbols = list(local.symbols)
    value = dict(zip(symbols, to_sympy(w), strict=True))
    assert len(local.rows) == len(local.columns) == e
    assert local.pivot.subs(value) != 0
    assert all(f.subs(value) == 0 for f in local.equations)
    assert set(local.equations) <= set(v.ideal()) | {-f for f in v.ideal()}
    if e == r:
        assert len(local.equations) == v.codimension
        rows = [[f.diff(x).subs(value) for x in symbols] for f in local.equations]
        if rows:
            differential = matrix(rows)
            assert rank(differential) == v.codimension
            assert is_zero(differential * v.tangent_space(w))
    # in the chart, rank = e + rank of the Schur complement
    other = of_rank(rng, m, n, min(r + 1, m, n))
    there = dict(zip(symbols, to_sympy(other), strict=True))
    s = local.schur_complement()
    assert s.shape == (m - e, n - e)
    if local.pivot.subs(there) != 0 and s.rows and s.cols:
        assert e + sympy.Matrix(s.subs(there)).rank() == rank(other)


def test_schur_complement_is_that_of_the_blocks() -> None:
    v = DeterminantalVariety(3, 4, 2)
    w = matrix([[0, 0, 0, 0], [0, 2, 1, 0], [0, 0, 1, 1]])
    local = v.local_equations(w)
    assert local.rows == (1, 2) and local.columns == (1, 2)
    assert local.other_rows == (0,) and local.other_columns == (0, 3)
    x = local.symbols
    i, j, d, c = [1, 2], [1, 2], [0], [0, 3]
    direct = x.extract(d, c) - x.extract(d, j) * x.extract(i, j).inv() * x.extract(i, c)
    assert (local.schur_complement() - direct).applyfunc(lambda f: f.simplify()).is_zero_matrix
    assert str(local) == "2 equations where the minor of rows 2, 3 and columns 2, 3 is not zero"


def test_symbols_stay_distinct_for_long_sides() -> None:
    assert len(set(DeterminantalVariety(12, 12, 1).symbols())) == 144


# -- strata --------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "n", "r"), CASES)
def test_strata_agree_with_the_point_wise_answers(m: int, n: int, r: int) -> None:
    rng = random.Random(12)
    v = DeterminantalVariety(m, n, r)
    graph = v.strata()
    assert list(graph) == list(range(r + 1))
    assert list(graph.edges) == [(e, e + 1) for e in range(r)]
    for e, data in graph.nodes(data=True):
        w = of_rank(rng, m, n, e)
        assert data["dimension"] == stratum_tangent_space(w).ncols()
        assert data["codimension"] == stratum_normal_space(w).ncols()
        assert data["is_smooth"] == v.is_smooth_at(w)
        assert data["multiplicity"] == v.multiplicity(w)
        assert not data["is_smooth"] or data["euler_obstruction"] == data["multiplicity"] == 1


# -- extremes, refusals, text --------------------------------------------------------


def test_the_point_zero() -> None:
    v = DeterminantalVariety(2, 3, 0)
    assert (v.dimension, v.codimension, v.degree, v.singular_locus) == (0, 6, 1, None)
    assert len(v.ideal()) == 6 and v.is_smooth_at(zeros(2, 3))
    assert v.tangent_space(zeros(2, 3)).ncols() == 0
    assert v.normal_space(zeros(2, 3)).ncols() == 6
    assert is_zero(v.project_to_tangent(zeros(2, 3), [[1, 2, 3], [4, 5, 6]]))
    assert v.hilbert_series().numerator == (1,) and str(v.hilbert_series()) == "1"
    assert v.polar_degrees() == {} and v.generic_ed_degree() == v.ed_degree() == 1
    assert v.ml_degree().value == 0
    assert not v.tangent_cone(zeros(2, 3)).contains([[1, 0, 0], [0, 0, 0]])
    assert list(v.strata()) == [0]


def test_the_whole_space() -> None:
    v = DeterminantalVariety(2, 3, 2)
    w = matrix([[1, 0, 0], [0, 0, 0]])
    assert (v.dimension, v.codimension, v.degree, v.singular_locus) == (6, 0, 1, None)
    assert v.ideal() == [] and v.local_equations(w).equations == ()
    assert v.is_smooth_at(w) and v.tangent_space(w).ncols() == 6 and v.multiplicity(w) == 1
    assert stratum_tangent_space(w).ncols() == 4
    assert v.project_to_tangent(w, [[1, 2, 3], [4, 5, 6]]) == matrix([[1, 2, 3], [4, 5, 6]])
    assert v.tangent_cone(w).contains([[1, 2, 3], [4, 5, 7]]) and v.tangent_cone(w).is_linear
    assert v.polar_degrees() == {} and v.generic_ed_degree() == v.ed_degree() == 1
    assert v.ml_degree().value == 1


@pytest.mark.parametrize(
    "args", [(0, 2, 1), (2, 0, 1), (2, 2, -1), (2, 2, 1.0), (True, 2, 1), (2, 2, "1")]
)
def test_bad_sizes_are_refused(args: tuple) -> None:
    with pytest.raises(ShapeError, match="give a whole number"):
        DeterminantalVariety(*args)
    with pytest.raises(ShapeError):
        SymmetricDeterminantalVariety(0, 1)


def test_bad_points_are_refused() -> None:
    v = DeterminantalVariety(2, 2, 1)
    for method in ("tangent_space", "normal_space", "tangent_cone", "multiplicity", "is_smooth_at"):
        with pytest.raises(InputError, match="W has rank 2, so it is not on the variety"):
            getattr(v, method)([[1, 0], [0, 1]])
        with pytest.raises(ShapeError, match="W is 1×2: give a 2×2 matrix"):
            getattr(v, method)([[1, 0]])
    with pytest.raises(NotExactError):
        v.contains([[0.5, 0], [0, 0]])
    with pytest.raises(ShapeError, match="D is 1×2"):
        v.project_to_tangent([[1, 0], [0, 0]], [[1, 0]])
    with pytest.raises(ShapeError, match="D is 1×2"):
        v.tangent_cone([[1, 0], [0, 0]]).contains([[1, 0]])


def test_text_and_json() -> None:
    v = DeterminantalVariety(4, 5, 2)
    assert eval(repr(v)) == v
    assert str(v) == "the 4×5 matrices of rank at most 2: dimension 14, codimension 6, degree 50"
    assert str(DeterminantalVariety(2, 2, 0)).startswith("the zero 2×2 matrix")
    assert str(DeterminantalVariety(2, 2, 2)).startswith("all 2×2 matrices")
    assert v._repr_latex_().count("$") == 2
    assert DeterminantalVariety.from_json(v.to_json()) == v
    assert DeterminantalVariety.from_json({"rows": 4, "columns": 5, "rank": 2}) == v
    cone = v.tangent_cone(zeros(4, 5))
    assert TangentCone.from_json(cone.to_json()) == cone
    full = DeterminantalVariety(2, 2, 2).tangent_cone([[1, 0], [0, 1]])
    assert TangentCone.from_json(full.to_json()) == full
    local = DeterminantalVariety(3, 3, 1).local_equations([[0, 0, 1], [0, 0, 0], [0, 0, 0]])
    assert LocalEquations.from_json(local.to_json()) == local
    assert detvar.DeterminantalVariety is DeterminantalVariety


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"rows": 2, "columns": 2},
        {"rows": 2, "columns": 2, "rank": 1, "depth": 3},
        {"type": "symmetric_determinantal", "rows": 2, "columns": 2, "rank": 1},
    ],
)
def test_bad_json_is_refused(data: object) -> None:
    with pytest.raises(InputError):
        DeterminantalVariety.from_json(data)
    with pytest.raises(InputError):
        SymmetricDeterminantalVariety.from_json({"size": 2})
    with pytest.raises(InputError):
        TangentCone.from_json({"left": []})
    with pytest.raises(InputError):
        TangentCone.from_json(
            {"shape": [2, 2], "left": [["1"], ["0"]], "right": [], "rank_bound": 0}
        )
    with pytest.raises(InputError):
        LocalEquations.from_json({"rows": []})
