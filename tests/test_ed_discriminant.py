"""The ED discriminant and the distance of data to it, against SymPy, NumPy and theorems."""

from __future__ import annotations

import json
from math import isclose, sqrt
from random import Random
from typing import Any

import pytest

from detvar.critical import critical_points, distance_to_change, ed_discriminant
from detvar.critical.singular_values import ed_discriminant as on_data
from detvar.errors import InputError
from detvar.exact.algebraic import real_algebraic, square_root
from detvar.exact.matrices import determinant, diagonal, identity, inverse, kron, matrix
from detvar.exact.rational import Rational
from detvar.losses import (
    PowerLoss,
    QuadraticLoss,
    SquaredLoss,
    WeightedSquaredLoss,
)
from detvar.networks import LinearNetwork
from detvar.varieties import DeterminantalVariety

SHAPES = [(2, 2), (2, 3), (3, 2), (2, 5), (3, 3), (1, 4)]


def random_matrix(rng: Random, m: int, n: int) -> list[list[Rational]]:
    return [[Rational(rng.randint(-9, 9), rng.randint(1, 4)) for _ in range(n)] for _ in range(m)]


def flat(z: Any) -> list[Rational]:
    return [x for row in matrix(z).tolist() for x in row]


# --- the polynomial -----------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_it_is_the_discriminant_of_the_characteristic_polynomial(m: int, n: int) -> None:
    import sympy

    d, rng = ed_discriminant(m, n), Random(m * n)
    s = sympy.Symbol("s")
    for _ in range(4):
        z = random_matrix(rng, m, n)
        a = sympy.Matrix([[sympy.Rational(str(x)) for x in row] for row in z])
        gram = a * a.T if m <= n else a.T * a
        expected = sympy.discriminant(gram.charpoly(s).as_expr(), s) if min(m, n) > 1 else 1
        assert str(d.polynomial(*flat(z))) == str(expected) == str(d.at(z))
        assert str(d.rank_drop(*flat(z))) == str(gram.det())


def test_2_by_2_is_a_product_of_two_sums_of_squares() -> None:
    import sympy

    a, b, c, e = sympy.symbols("z11 z12 z21 z22")
    z, s = sympy.Matrix([[a, b], [c, e]]), sympy.Symbol("s")
    formula = ((a - e) ** 2 + (b + c) ** 2) * ((a + e) ** 2 + (b - c) ** 2)
    brute = sympy.discriminant(sympy.Poly((z * z.T).charpoly(s).as_expr(), s), s)
    assert sympy.expand(brute - formula) == 0
    assert sympy.expand(ed_discriminant(2, 2).expression() - formula) == 0
    assert sorted(e for _, e in ed_discriminant(2, 2).factors()) == [1, 1]


def test_2_by_3_is_irreducible_over_q() -> None:
    import sympy

    d = ed_discriminant(2, 3)
    assert [e for _, e in d.factors()] == [1]
    (_, found) = sympy.factor_list(d.expression(factored=False))
    assert [e for _, e in found] == [1]


@pytest.mark.parametrize(("m", "n"), [(2, 2), (2, 4), (4, 2), (3, 3)])
def test_sums_of_squares_and_degree(m: int, n: int) -> None:
    d = ed_discriminant(m, n)
    total = sum((p * p * w for w, p in d.squares()), d.polynomial * 0)
    assert total == d.polynomial
    assert d.polynomial.total_degree() == d.degree
    assert all(sum(e) == d.degree for e in d.polynomial.to_dict())  # homogeneous
    assert all(w > 0 for w, _ in d.squares())


def test_rank_drop_of_square_matrices_is_a_square() -> None:
    for n in (2, 3):
        d, z = ed_discriminant(n, n), random_matrix(Random(n), n, n)
        assert [e for _, e in d.rank_drop.factor()[1]] == [2]
        assert d.rank_drop(*flat(z)) == determinant(matrix(z)) ** 2


@pytest.mark.parametrize(("m", "n"), [(2, 2), (2, 3), (3, 3)])
def test_it_vanishes_where_singular_values_coincide(m: int, n: int) -> None:
    """Orthogonal changes of basis leave it alone; (I − S)(I + S)⁻¹ is orthogonal (Cayley)."""
    rng, d = Random(m + n), ed_discriminant(m, n)

    def orthogonal(k: int) -> Any:
        s = [[Rational(0)] * k for _ in range(k)]
        for i in range(k):
            for j in range(i):
                s[i][j] = Rational(rng.randint(-3, 3), 2)
                s[j][i] = -s[i][j]
        return (identity(k) - matrix(s)) * inverse(identity(k) + matrix(s))

    p, q = orthogonal(m), orthogonal(n)
    for values, vanishes in (([3, 3, 1], True), ([3, -3, 1], True), ([3, 2, 1], False)):
        z = p * diagonal(values[: min(m, n)], m, n) * q
        assert (d.polynomial(*flat(z)) == 0) == vanishes
        assert d.at(z) == d.at(diagonal(values[: min(m, n)], m, n))


def test_the_value_on_weighted_data_agrees() -> None:
    rng = Random(4)
    z = random_matrix(rng, 2, 3)
    loss = SquaredLoss(identity(3), z)
    form = loss.kronecker()
    assert form is not None
    assert on_data(form) == ed_discriminant(2, 3).at(z)


@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (4, 4), (3, 4), (2, 13), ("2", 2), (True, 2)])
def test_shapes_that_are_refused(shape: Any) -> None:
    with pytest.raises(InputError):
        ed_discriminant(*shape)


def test_the_polynomial_as_data() -> None:
    data = ed_discriminant(2, 2).to_json()
    assert json.loads(json.dumps(data)) == data
    assert data["degree"] == 4
    assert len(data["factors"]) == 2


# --- the distance -------------------------------------------------------------------------------


def squared(m: int, n: int, seed: int) -> SquaredLoss:
    rng = Random(seed)
    samples = n + 2
    return SquaredLoss(random_matrix(rng, n, samples), random_matrix(rng, m, samples))


def whitened(loss: SquaredLoss) -> Any:
    """Z = YXᵀ(XXᵀ)^(−½) in floating point, and R with Z = YR."""
    import numpy as np

    x = np.array([[float(str_of(v)) for v in row] for row in loss.X.tolist()])
    y = np.array([[float(str_of(v)) for v in row] for row in loss.Y.tolist()])
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    keep = s > 1e-9 * s[0]
    r = vt[keep].T
    return y @ r, r, x, y


def str_of(q: Rational) -> float:
    return int(q.p) / int(q.q)


@pytest.mark.parametrize(
    ("m", "n", "seed"), [(2, 2, 1), (2, 3, 2), (3, 3, 3), (4, 3, 4), (3, 4, 5)]
)
def test_ratios_and_distances_are_those_of_numpy(m: int, n: int, seed: int) -> None:
    import numpy as np

    loss = squared(m, n, seed)
    sigma = np.linalg.svd(whitened(loss)[0], compute_uv=False)
    found = distance_to_change(DeterminantalVariety(m, n, 1), loss)
    assert len(found.pairs) == min(m, n) - 1
    for p in found.pairs:
        i = p.index
        assert p.ratio is not None
        assert isclose(float(p.ratio), sigma[i] / sigma[i - 1], rel_tol=1e-9)
        assert isclose(float(p.distance), (sigma[i - 1] - sigma[i]) / sqrt(2), rel_tol=1e-9)
    assert isclose(float(found.to_lower_rank), sigma[-1], rel_tol=1e-9)
    gaps = [sigma[i] - sigma[i + 1] for i in range(len(sigma) - 1)]
    assert found.nearest is not None
    assert found.nearest.index == 1 + gaps.index(min(gaps))


@pytest.mark.parametrize("seed", range(4))
def test_no_data_with_a_coinciding_pair_are_nearer(seed: int) -> None:
    """Y′ of the stated distance exists, and a search from many starts finds nothing nearer."""
    import numpy as np

    m, n = [(2, 2), (2, 3), (3, 3), (3, 2)][seed]
    loss = squared(m, n, seed)
    z, r, x, y = whitened(loss)
    found = distance_to_change(DeterminantalVariety(m, n, 1), loss)
    u, s, vt = np.linalg.svd(z, full_matrices=False)
    rng = np.random.default_rng(seed)
    for p in found.pairs:
        i, d = p.index - 1, float(p.distance)
        t = s.copy()
        t[i] = t[i + 1] = (s[i] + s[i + 1]) / 2
        y2 = y + (u @ np.diag(t) @ vt - z) @ r.T
        assert isclose(np.linalg.norm(y2 - y), d, rel_tol=1e-9)
        again = np.linalg.svd(y2 @ r, compute_uv=False)
        assert isclose(again[i], again[i + 1], rel_tol=1e-9)
        best = np.inf
        for k in range(200):
            # a matrix with σᵢ = σᵢ₊₁, near or far, moved towards Z while it keeps the pair equal
            w = z + rng.standard_normal(z.shape) * d * 10.0 ** rng.uniform(-2, 1)
            for _ in range(30 if k % 10 == 0 else 1):
                a, b, c = np.linalg.svd(w, full_matrices=False)
                b[i] = b[i + 1] = (b[i] + b[i + 1]) / 2
                on = a @ np.diag(b) @ c
                best = min(best, np.linalg.norm(on - z))
                w = on + 0.5 * (z - on)
        assert d * (1 - 1e-9) <= best <= d * 1.05


def test_rank_deficient_inputs_are_divided_out() -> None:
    """The third input is the sum of the others: Z has two columns, and its values are those of
    Y projected to the row space of X."""
    import numpy as np

    rng = Random(8)
    x = random_matrix(rng, 2, 5)
    x.append([a + b for a, b in zip(*x, strict=True)])
    loss = SquaredLoss(x, random_matrix(rng, 3, 5))
    found = distance_to_change(LinearNetwork(3, 1, 3), loss)
    sigma = np.linalg.svd(whitened(loss)[0], compute_uv=False)
    assert found.reduced
    assert found.spectrum.size == 2
    (p,) = found.pairs
    assert isclose(float(p.distance), (sigma[0] - sigma[1]) / sqrt(2), rel_tol=1e-9)
    assert "effective" in str(found)
    full = distance_to_change(LinearNetwork(3, 2, 3), loss)
    assert full.rank == 2
    assert full.decisive is None
    assert "no restriction" in full.verdict()


def test_weights_of_the_metric_enter_by_whitening() -> None:
    import numpy as np

    rng = Random(9)

    def positive(k: int) -> Any:
        a = matrix(random_matrix(rng, k, k))
        return a * a.transpose() + identity(k)

    p, q, u = positive(2), positive(3), matrix(random_matrix(rng, 2, 3))
    found = distance_to_change(DeterminantalVariety(2, 3, 1), QuadraticLoss(u, kron(p, q)))

    def root(a: Any) -> Any:
        w, v = np.linalg.eigh(np.array([[str_of(x) for x in row] for row in a.tolist()]))
        return v @ np.diag(np.sqrt(w)) @ v.T

    z = root(p) @ np.array([[str_of(x) for x in row] for row in u.tolist()]) @ root(q)
    sigma = np.linalg.svd(z, compute_uv=False)
    assert isclose(float(found.pairs[0].distance), (sigma[0] - sigma[1]) / sqrt(2), rel_tol=1e-9)
    weighted = WeightedSquaredLoss([[1, 2], [3, 1]], [[1, 2], [2, 4]])
    assert distance_to_change(DeterminantalVariety(2, 2, 1), weighted).spectrum.size == 2


def diagonal_loss(*values: Any) -> SquaredLoss:
    k = len(values)
    return SquaredLoss(identity(k), diagonal([Rational(x) for x in values], k, k))


def test_exact_values() -> None:
    found = distance_to_change(DeterminantalVariety(4, 4, 2), diagonal_loss(7, 4, 2, 1))
    assert [p.distance for p in found.pairs] == [
        square_root(2) * Rational(3, 2),
        square_root(2),
        square_root(2) * Rational(1, 2),
    ]
    assert [p.ratio for p in found.pairs] == [Rational(4, 7), Rational(1, 2), Rational(1, 2)]
    assert [p.is_decisive for p in found.pairs] == [False, True, False]
    assert found.nearest is not None
    assert found.nearest.index == 3
    assert found.to_lower_rank == real_algebraic(1)
    assert "σ2 and σ3" in found.verdict()
    golden = SquaredLoss(identity(2), [[1, 1], [0, 1]])  # σ = (√5 ± 1)/2, both conjugates
    (p,) = distance_to_change(DeterminantalVariety(2, 2, 1), golden).pairs
    assert p.distance == 1 / square_root(2)
    assert p.ratio == (3 - square_root(5)) / 2


@pytest.mark.parametrize("r", [1, 2, 3])
def test_only_the_decisive_pair_changes_the_global_minimum(r: int) -> None:
    """Let pair i of diag(7, 4, 2, 1) coincide: the minimum is unique unless i = r."""
    values = [Rational(7), Rational(4), Rational(2), Rational(1)]
    found = distance_to_change(DeterminantalVariety(4, 4, r), diagonal_loss(*values))
    for p in found.pairs:
        moved = list(values)
        moved[p.index - 1] = moved[p.index] = (values[p.index - 1] + values[p.index]) / 2
        loss = diagonal_loss(*moved)
        points: Any = critical_points(DeterminantalVariety(4, 4, r), loss)
        unique = all(c.dimension == 0 for c in points.minima) and len(points.minima) == 1
        assert unique == (not p.is_decisive)
        assert distance_to_change(DeterminantalVariety(4, 4, r), loss).has_unique_minimum == unique
        # the critical set of rank r is changed by each pair
        assert any(c.dimension for c in points.components if c.rank == r)


def test_degenerate_data() -> None:
    at = DeterminantalVariety(3, 3, 1)
    equal = distance_to_change(at, diagonal_loss(2, 2, 1))
    assert equal.nearest is not None
    assert (equal.nearest.index, str(equal.nearest.distance)) == (1, "0")
    assert not equal.has_unique_minimum
    assert "family" in equal.verdict()
    low = distance_to_change(at, diagonal_loss(2, 0, 0))
    assert [p.ratio for p in low.pairs] == [real_algebraic(0), None]
    assert low.has_unique_minimum
    assert low.decisive is not None and low.decisive.distance == square_root(2)
    assert not low.to_lower_rank
    two = distance_to_change(DeterminantalVariety(3, 3, 2), diagonal_loss(2, 0, 0))
    assert two.has_unique_minimum
    assert "arbitrarily near" in two.verdict()
    zero = distance_to_change(at, diagonal_loss(0, 0, 0))
    assert zero.has_unique_minimum and "arbitrarily near" in zero.verdict()
    ties = distance_to_change(at, diagonal_loss(3, 2, 1))
    assert ties.nearest is not None and ties.nearest.index == 1
    nothing = distance_to_change(DeterminantalVariety(3, 3, 0), diagonal_loss(3, 2, 1))
    assert nothing.pairs == () and nothing.nearest is None and nothing.has_unique_minimum
    for found in (equal, low, two, zero, ties, nothing):
        assert json.loads(json.dumps(found.to_json())) == found.to_json()
        assert "Frobenius" in str(found)


def test_losses_without_singular_values_are_refused() -> None:
    at = DeterminantalVariety(2, 2, 1)
    with pytest.raises(InputError, match="Kronecker"):
        distance_to_change(at, WeightedSquaredLoss([[1, 0], [0, 1]], [[1, 3], [3, 1]]))
    with pytest.raises(InputError, match="Kronecker"):
        distance_to_change(at, PowerLoss([[1, 0], [0, 1]], 4))
    with pytest.raises(InputError, match="constant"):
        distance_to_change(at, WeightedSquaredLoss([[1, 0], [0, 1]], [[0, 0], [0, 0]]))
