"""Zeros are certified if and only if there is something to certify, and never twice."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from detvar.errors import ShapeError  # noqa: E402
from detvar.exact.balls import RationalDisc, exact_float  # noqa: E402
from detvar.exact.inertia import inertia  # noqa: E402
from detvar.exact.matrices import Matrix  # noqa: E402
from detvar.exact.rational import Rational  # noqa: E402
from detvar.homotopy.balls import BallArray, ball_array  # noqa: E402
from detvar.homotopy.certify import CertifiedZeros, certify  # noqa: E402
from detvar.homotopy.duals import forward_jacobian  # noqa: E402
from detvar.homotopy.enclosed import certified_inertia, not_separated, values  # noqa: E402


def square(x: Any, p: Any) -> list[Any]:
    return [x[0] * x[0] - p[0]]


def total(terms: Any) -> Any:
    first, *rest = terms
    for term in rest:
        first = first + term
    return first


def cyclic(n: int) -> Any:
    def f(x: Any, p: Any) -> list[Any]:
        out = []
        for k in range(1, n):
            terms = []
            for i in range(n):
                term = x[i]
                for t in range(1, k):
                    term = term * x[(i + t) % n]
                terms.append(term)
            out.append(total(terms))
        product = x[0]
        for v in x[1:]:
            product = product * v
        return [*out, product - 1]

    return f


def newton(f: Any, x: Any, p: Any, steps: int) -> Any:
    """Newton's method in plain complex arithmetic, for many starting points."""
    jacobian, n = forward_jacobian(f), x.shape[1]
    for _ in range(steps):
        columns = [x[:, i] for i in range(n)]
        with np.errstate(all="ignore"):
            value = np.stack([v + 0 * columns[0] for v in f(columns, p)], 1)
            rows = jacobian(columns, p)
            j = np.stack([np.stack([v + 0 * columns[0] for v in r], 1) for r in rows], 1)
            good = np.isfinite(j).all(axis=(1, 2)) & np.isfinite(value).all(axis=1)
            good &= np.abs(np.linalg.det(np.where(good[:, None, None], j, 0))) > 1e-30
            x, j, value = x[good], j[good], value[good]
            x = x - np.linalg.solve(j, value[:, :, None])[:, :, 0]
    return x


def starts(count: int, n: int, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, n)) + 1j * rng.standard_normal((count, n))


def different(zeros: CertifiedZeros) -> list[int]:
    """Certified rows, one for each group of rows that are not separated."""
    drop = {j for _, j in zeros.not_separated()}
    return [int(k) for k in np.flatnonzero(zeros.certified) if k not in drop]


def weighted(m: int, n: int) -> Any:
    """Critical equations of ½ Σ λ (w − u)² on W = (1, a)ᵀ b; p = (λ, u)."""

    def f(x: Any, p: Any) -> list[Any]:
        a, b = x[: m - 1], x[m - 1 :]
        w = [list(b)] + [[s * t for t in b] for s in a]
        g = [[p[i * n + j] * (w[i][j] - p[m * n + i * n + j]) for j in range(n)] for i in range(m)]
        return [total(g[i + 1][j] * b[j] for j in range(n)) for i in range(m - 1)] + [
            total([g[0][j], *(a[i] * g[i + 1][j] for i in range(m - 1))]) for j in range(n)
        ]

    return f


# --- existence ------------------------------------------------------------------------------------


def test_square_roots() -> None:
    zeros = certify(square, [[1.4142], [-1.41421], [1.41421356 + 1e-9j], [7.0], [1j]], [2])
    assert zeros.certified.tolist() == [True, True, True, False, False]
    assert zeros.is_real.tolist() == [True, True, True, False, False]
    assert zeros.bits.tolist() == [53, 53, 53, 0, 0]
    for k in (0, 1, 2):  # √2 lies in the disc: exact signs of the squared ends
        mid, rad = exact_float(zeros.points[k, 0].real), exact_float(zeros.enclosures.rad[k, 0])
        low, high = sorted([(abs(mid) - rad) ** 2, (abs(mid) + rad) ** 2])
        assert low < 2 < high and rad < Rational(1, 10**14)
    assert zeros.not_separated() == [(0, 2)]
    assert zeros.proved_equal(0, 2) and not zeros.proved_equal(0, 1)
    assert not zeros.proved_equal(0, 3)
    assert str(zeros) == "3 of 5 points certified: 3 real, 0 not real"


def test_imaginary_roots_are_not_real() -> None:
    zeros = certify(square, [[1j], [-1.00001j]], [-1])
    assert zeros.is_nonreal.all() and not zeros.is_real.any()


@pytest.mark.parametrize("start", [1.0, 1 + 1e-8, 1 + 1e-4j, 0.999])
def test_double_roots_are_never_certified(start: complex) -> None:
    zeros = certify(lambda x, p: [(x[0] - 1) * (x[0] - 1) * (x[0] + 2)], [[start]])
    assert not zeros.certified.any()
    assert zeros.enclosures.rad[0, 0] == np.inf and zeros.unique[0, 0] == 0


def test_positive_dimensional_zeros_are_never_certified() -> None:
    zeros = certify(lambda x, p: [x[0] * x[1], x[0] * (x[1] + 1) - x[0]], [[0.0, 2.0], [1e-9, 3.0]])
    assert not zeros.certified.any()


@pytest.mark.parametrize("gap", [Fraction(1, 10**9), Fraction(1, 10**15), Fraction(1, 10**30)])
def test_close_roots_need_more_bits(gap: Fraction) -> None:
    # (x - 1)² = gap²/4 has two roots at distance gap; expanded, so that rounding hides them
    def f(x: Any, p: Any) -> list[Any]:
        return [x[0] * x[0] - 2 * x[0] + (1 - gap * gap / 4)]

    points = [[1 + float(gap) * 0.6], [1 - float(gap) * 0.6]]
    assert not certify(f, points, max_bits=53).certified.any()
    zeros = certify(f, points if float(gap) > 1e-15 else [[1 + 1e-14], [1 - 1e-14]])
    assert zeros.certified.all() and zeros.is_real.all()
    assert (zeros.bits > 53).all() and set(zeros.precise) == {0, 1}
    assert zeros.not_separated() == []
    for k, sign in ((0, 1), (1, -1)):
        disc = zeros.precise[k][0]
        exact = Rational(1) + sign * Rational(gap.numerator, gap.denominator) / 2
        assert abs(disc.re - exact) <= disc.rad < Rational(gap.numerator, gap.denominator) / 10
        mid, rad = zeros.points[k, 0], zeros.enclosures.rad[k, 0]
        assert abs(exact_float(mid.real) - exact) <= exact_float(rad)


def test_close_complex_pair_is_not_real() -> None:
    # (x - 1)² = -10⁻²⁴/4
    constant = 1 + Fraction(1, 4 * 10**24)
    f = lambda x, p: [x[0] * x[0] - 2 * x[0] + constant]  # noqa: E731
    zeros = certify(f, [[1 + 6e-13j], [1 - 6e-13j]])
    assert (zeros.bits > 53).all()
    assert zeros.is_nonreal.all() and not zeros.is_real.any() and not zeros.not_separated()


def test_close_roots_of_an_almost_real_system_are_not_called_real() -> None:
    # (x - 1)² = 10⁻²⁴ + 10⁻⁴⁵i: imaginary parts of 5·10⁻³⁴, below the error at 106 bits
    p = [(1 - Fraction(1, 10**24), -Fraction(1, 10**45))]
    zeros = certify(lambda x, p: [x[0] * x[0] - 2 * x[0] + p[0]], [[1 + 2e-12], [1 - 2e-12]], p)
    assert zeros.certified.all() and (zeros.bits > 53).all()
    assert not zeros.is_real.any()


def test_wrong_points_are_refused() -> None:
    rng = np.random.default_rng(1)
    wrong = rng.uniform(3, 9, (40, 3)) * np.exp(2j * np.pi * rng.random((40, 3)))
    zeros = certify(cyclic(3), wrong)
    assert not zeros.certified.any()
    bad = certify(square, [[np.nan], [np.inf], [1e300], [0.0], [1.41421356]], [2])
    assert bad.certified.tolist() == [False, False, False, False, True]


def test_points_far_from_their_zero_do_not_count_for_it() -> None:
    assert not certify(square, [[1.5]], [2]).certified[0]
    assert certify(square, [[1.5]], [2], drift=0.5).certified[0]


def test_badly_scaled_systems() -> None:
    # x = 10⁶√2, y = 10⁻⁶√3
    def f(x: Any, p: Any) -> list[Any]:
        return [x[0] * x[0] - 2 * 10**12, 10**12 * x[1] * x[1] - 3]

    points = [[2**0.5 * 1e6, 3**0.5 * 1e-6], [-(2**0.5) * 1e6, 3**0.5 * 1e-6]]
    zeros = certify(f, points, blocks=[0, 1])
    assert zeros.is_real.all() and (zeros.bits == 53).all()
    assert (zeros.enclosures.rad <= 1e-14 * np.abs(zeros.points)).all()


def test_zeros_at_the_origin_and_on_the_axes() -> None:
    zeros = certify(lambda x, p: [x[0] + x[1] * x[1], x[1] * 3 + x[0] * x[1]], [[0.0, 0.0]])
    assert zeros.is_real.all() and (zeros.points == 0).all()


def test_a_given_jacobian_is_used_and_a_wrong_one_proves_nothing() -> None:
    right = certify(square, [[1.4142]], [2], lambda x, p: [[2 * x[0]]])
    zero = certify(square, [[1.4142]], [2], lambda x, p: [[0]])
    assert right.certified.all() and not zero.certified.any()


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError):
        certify(square, [1.0], [2])
    with pytest.raises(ShapeError, match="block"):
        certify(square, [[1.0]], [2], blocks=[0, 0])
    with pytest.raises(ShapeError, match="rows of parameters"):
        certify(square, [[1.0]], np.ones((2, 1), dtype=complex))
    with pytest.raises(ShapeError, match="equations"):
        certify(lambda x, p: [x[0]], [[1.0, 2.0]])
    assert len(certify(square, np.zeros((0, 1)), [2])) == 0


# --- reality --------------------------------------------------------------------------------------


def test_reality_needs_a_real_system() -> None:
    # x² = 2 with a parameter or a constant that is not real: nothing is said
    near = [[2**0.5]]
    tiny = Fraction(1, 10**40)
    assert certify(square, near, [2]).is_real[0]
    assert not certify(square, near, [(2, tiny)]).is_real[0]
    assert not certify(lambda x, p: [x[0] * x[0] - (2, tiny)], near).is_real[0]
    assert not certify(lambda x, p: [(x[0] * x[0] - 2) * 1j], near).is_real[0]
    assert certify(lambda x, p: [(x[0] * x[0] - 2) * 1j], near, real=True).is_real[0]


def test_reality_of_points_with_a_noisy_imaginary_part() -> None:
    rng = np.random.default_rng(2)
    for size in (1e-16, 1e-12, 1e-8, 1e-5):
        noise = size * (rng.standard_normal((20, 1)) + 1j * rng.standard_normal((20, 1)))
        zeros = certify(square, np.sqrt(3) + noise, [3])
        assert zeros.is_real.all() and (zeros.points.imag == 0).all()


def test_parameters_of_each_point() -> None:
    p = np.arange(1, 9, dtype=complex)[:, None]
    p[3] = -4
    p[5] = 2j
    zeros = certify(square, np.sqrt(p), p)
    assert zeros.certified.all()
    assert zeros.is_real.tolist() == [k not in (3, 5) for k in range(8)]
    assert zeros.is_nonreal.tolist() == [k in (3, 5) for k in range(8)]


# --- whole systems --------------------------------------------------------------------------------


def test_cyclic_3() -> None:
    # the zeros are the orderings of the three cube roots of unity: e_1 = e_2 = 0, e_3 = 1
    roots = [np.exp(2j * np.pi * k / 3) for k in range(3)]
    exact = list(permutations(roots))
    zeros = certify(cyclic(3), np.array(exact) * (1 + 1e-9))
    assert zeros.all_certified and zeros.is_nonreal.all() and not zeros.not_separated()
    assert (np.abs(zeros.points - np.array(exact)) < 1e-14).all()


def test_cyclic_5_has_70_zeros() -> None:
    # 70 isolated zeros, all regular (Björck, Fröberg 1991); 10 of them are real
    x = newton(cyclic(5), starts(4000, 5, 0), [], 60)
    zeros = certify(cyclic(5), x, max_bits=53)
    kept = different(zeros)
    assert len(kept) == 70
    again = certify(cyclic(5), zeros.points[kept])
    assert again.all_certified and not again.not_separated()
    assert (again.is_real | again.is_nonreal).all() and int(again.is_real.sum()) == 10


def rank_one(x: Any, p: Any) -> list[Any]:
    """Critical equations on the 2×2 matrices (t, 1 − 2t)ᵀ y of rank 1; p = (λ, u)."""
    t, y = [x[0], 1 - 2 * x[0]], [x[1], x[2]]
    g = [[p[2 * i + j] * (t[i] * y[j] - p[4 + 2 * i + j]) for j in range(2)] for i in range(2)]
    along = [g[0][j] - 2 * g[1][j] for j in range(2)]
    return [
        along[0] * y[0] + along[1] * y[1],
        t[0] * g[0][0] + t[1] * g[1][0],
        t[0] * g[0][1] + t[1] * g[1][1],
    ]


def test_weighted_least_squares_of_rank_one() -> None:
    # target diag(1, 1/2), weights [[1, 3], [3, 1]]: on the critical points, found by elimination,
    # the loss is 1/8 at diag(1, 0), 1/2 at diag(0, 1/2) and 33/64 at the two real points
    # [[1/16, ±√5/16], [±√5/16, 5/16]]; the other two are not real.  The generic count is 6.
    p = [1, 3, 3, 1, 1, 0, 0, Fraction(1, 2)]
    x = newton(rank_one, starts(300, 3, 1), [float(c) for c in p], 60)
    found = certify(rank_one, x, p)
    kept = different(found)
    assert len(kept) == 6
    zeros = certify(rank_one, found.points[kept], p, blocks=[0, 1, 1])
    assert zeros.all_certified and not zeros.not_separated()
    assert int(zeros.is_real.sum()) == 4 and int(zeros.is_nonreal.sum()) == 2

    def loss(x: Any, p: Any) -> Any:
        t, y = [x[0], 1 - 2 * x[0]], [x[1], x[2]]
        gaps = [(p[2 * i + j], t[i] * y[j] - p[4 + 2 * i + j]) for i in range(2) for j in range(2)]
        return total(weight * gap * gap for weight, gap in gaps) * Fraction(1, 2)

    real = values(loss, zeros.coordinates(np.flatnonzero(zeros.is_real)), p)
    assert (real.rad < 1e-11).all()
    order = np.argsort(real.mid.real)
    assert real[order].contains(np.array([1 / 8, 1 / 2, 33 / 64, 33 / 64])).all()

    # diag(1, 0) and diag(0, 1/2) are minima, the others saddles of index 1
    hessian = values(
        forward_jacobian(rank_one), zeros.coordinates(np.flatnonzero(zeros.is_real)[order]), p
    )
    signs = [(h.positive, h.negative) for h in certified_inertia(hessian) if h is not None]
    assert signs == [(3, 0), (3, 0), (2, 1), (2, 1)]


def test_more_points_than_one_chunk() -> None:
    rng = np.random.default_rng(4)
    p = (rng.standard_normal((4500, 1)) + 1j * rng.standard_normal((4500, 1))).astype(complex)
    zeros = certify(square, np.sqrt(p), p)
    assert zeros.all_certified
    # the square of each enclosure contains the parameter
    x = zeros.coordinates()[0]
    assert not (x * x).disjoint(ball_array(p[:, 0])).any()


def test_json_keeps_everything() -> None:
    def f(x: Any, p: Any) -> list[Any]:
        return [x[0] * x[0] - 2 * x[0] + (1 - Fraction(1, 10**18))]

    zeros = certify(f, [[1 + 1.2e-9], [5.0]])
    copy = CertifiedZeros.from_json(json.loads(json.dumps(zeros.to_json())))
    assert copy.to_json() == zeros.to_json()
    assert copy.precise == zeros.precise and isinstance(copy.precise[0][0], RationalDisc)
    assert (copy.enclosures.mid == zeros.enclosures.mid).all()
    assert (copy.enclosures.rad == zeros.enclosures.rad).all()


# --- distinctness ---------------------------------------------------------------------------------


def test_duplicates_are_not_separated() -> None:
    points = np.array(list(permutations([np.exp(2j * np.pi * k / 3) for k in range(3)])))
    zeros = certify(cyclic(3), np.concatenate([points, points[[4, 1]] * (1 + 1e-10)]))
    assert zeros.not_separated() == [(1, 7), (4, 6)]
    assert zeros.proved_equal(1, 7) and not zeros.proved_equal(1, 4)


@pytest.mark.parametrize("seed", range(5))
def test_separation_equals_the_test_of_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mid = rng.integers(0, 3, (120, 2)) + 1j * rng.integers(0, 3, (120, 2))
    rad = rng.choice([0.0, 0.1, 0.6, 1.1, np.inf], (120, 2), p=[0.3, 0.3, 0.2, 0.19, 0.01])
    balls = BallArray(mid.astype(complex), rad)
    want = [
        (i, j)
        for i in range(120)
        for j in range(i + 1, 120)
        if (np.abs(mid[i] - mid[j]) <= rad[i] + rad[j]).all()
    ]
    assert not_separated(balls, seed=seed) == want


def test_nothing_to_separate() -> None:
    assert not_separated(ball_array(np.zeros((1, 2)))) == []
    with pytest.raises(ShapeError):
        not_separated(ball_array(np.zeros(3)))


# --- inertia --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_inertia_agrees_with_the_exact_one(n: int) -> None:
    rng = np.random.default_rng(n)
    tables = rng.integers(-9, 10, (60, n, n))
    tables = tables + tables.swapaxes(1, 2)
    # some singular ones, some badly scaled ones
    tables[:10, :, 0], tables[:10, 0, :] = 0, 0
    scale = np.ones((60, n), dtype=int)
    scale[20:40, 0] = 10**6
    tables = tables * scale[:, :, None] * scale[:, None, :]
    claims = certified_inertia(ball_array(tables.astype(float), 1e-12))
    for table, claim in zip(tables, claims, strict=True):
        truth = inertia(Matrix(n, n, [Rational(int(v)) for v in table.ravel()]))
        assert claim == (None if truth.zero else truth)


def test_inertia_of_wide_enclosures() -> None:
    middle = np.array([[[2.0, 1.0], [1.0, 2.0]]])  # eigenvalues 1 and 3
    assert certified_inertia(ball_array(middle, 0.3))[0] is not None
    # radius 1/2 contains the singular matrix [[3/2, 3/2], [3/2, 3/2]]
    assert certified_inertia(ball_array(middle, 0.5)) == [None]
    assert certified_inertia(ball_array(middle, np.inf)) == [None]
    with pytest.raises(ShapeError):
        certified_inertia(ball_array(np.eye(2)))


# --- the count of a generic problem ---------------------------------------------------------------


def test_3_by_3_of_rank_one_has_39_critical_points() -> None:
    # the generic Euclidean distance degree of the 3×3 matrices of rank 1 is 39 (Draisma et al.
    # 2016); reality is decided for each, and the Hessian is regular at the real ones
    rng = np.random.default_rng(0)
    p = [Fraction(int(v), 64) for v in rng.integers(10, 64, 9)]
    p += [Fraction(int(v), 64) for v in rng.integers(-99, 99, 9)]
    f = weighted(3, 3)
    x = newton(f, 2 * starts(3000, 5, 3), [float(c) for c in p], 40)
    found = certify(f, x, p, max_bits=53, blocks=[0, 0, 1, 1, 1])
    kept = different(found)
    assert len(kept) == 39
    zeros = certify(f, found.points[kept], p)
    assert zeros.all_certified and not zeros.not_separated()
    assert (zeros.is_real ^ zeros.is_nonreal).all()
    assert int(zeros.is_nonreal.sum()) % 2 == 0
    real = zeros.coordinates(np.flatnonzero(zeros.is_real))
    signs = certified_inertia(values(forward_jacobian(f), real, p))
    assert None not in signs and (5, 0, 0) in signs
