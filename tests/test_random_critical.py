"""Exact random critical weights, and the squared problems with rational singular values.

Criticality is checked from the loss alone: along every coordinate direction of the weights,
ℓ(W_h⋯(W_i + tE)⋯W_1) is a polynomial in t whose linear coefficient must vanish.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from itertools import combinations, product
from random import Random

import pytest
from test_losses import random_form
from test_matrices import random_invertible, random_matrix

from detvar.errors import NotExactError, ShapeError
from detvar.exact.inertia import inertia
from detvar.exact.matrices import (
    Matrix,
    charpoly,
    columns,
    complement,
    determinant,
    diagonal,
    identity,
    inner,
    inverse,
    is_zero,
    kron,
    left_inverse,
    matrix,
    projector,
    rank,
    shape,
    submatrix,
    zeros,
)
from detvar.exact.rational import Rational, rational
from detvar.exact.series import polynomial
from detvar.losses import PowerLoss, QuadraticLoss, SquaredLoss, WeightedSquaredLoss
from detvar.networks import LinearNetwork
from detvar.networks.random import (
    cayley,
    random_critical_weights,
    random_matrix_of_rank,
    random_squared_problem,
)
from detvar.networks.sampling import strings_of_weights
from detvar.networks.strings import critical_strata


def sizes(widths):
    return list(zip(widths[1:], widths, strict=False))


def plain_product(weights):
    out = identity(weights[0].ncols())
    for w in weights:
        out = w * out
    return out


def slopes(loss, weights):
    """The derivative of θ ↦ ℓ(W_h⋯W_1) in every coordinate direction, from ℓ over Q[t]."""
    base = plain_product(weights)
    for i, w in enumerate(weights):
        for x, y in product(range(w.nrows()), range(w.ncols())):
            unit = zeros(*shape(w))
            unit[x, y] = 1
            moved = plain_product([*weights[:i], unit, *weights[i + 1 :]])
            rows = [
                [polynomial([a, b]) for a, b in zip(p, q, strict=True)]
                for p, q in zip(base.tolist(), moved.tolist(), strict=True)
            ]
            yield loss.evaluate(rows)[1]


def is_critical(loss, weights):
    return not any(slopes(loss, weights))


def require_critical(net, loss, weights, image):
    assert [shape(w) for w in weights] == sizes(net.widths)
    assert plain_product(weights) == image
    assert is_critical(loss, weights)


def random_network(m, n, e, rng, depths=(2, 2, 3, 3, 4)):
    """Hidden widths from max(e, 1) on, so that the rank e occurs."""
    hidden = [rng.randint(max(e, 1), 3) for _ in range(rng.choice(depths) - 1)]
    return LinearNetwork(n, *hidden, m)


def singular_part(u, v, sigma, chosen):
    """Σ_{s ∈ S} σ_s u_s v_sᵀ."""
    out = zeros(u.nrows(), v.nrows())
    for s in chosen:
        out += columns(u, [s]) * columns(v, [s]).transpose() * sigma[s]
    return out


# --- rational singular values -------------------------------------------------------------------


def test_cayley_gives_rotations():
    for n in range(1, 6):
        seen = set()
        for seed in range(20):
            q = cayley(n, Random(seed))
            assert q * q.transpose() == identity(n) and determinant(q) == 1
            seen.add(str(q))
        assert n == 1 or len(seen) > 4


@pytest.mark.parametrize("samples", [None, 0, 2])
def test_squared_problems_have_the_given_singular_values(samples):
    rng = Random(1)
    for seed in range(60):
        m, n = rng.randint(1, 4), rng.randint(1, 4)
        k = min(m, n)
        sigma = [Rational(rng.randint(0, 3), rng.randint(1, 2)) for _ in range(k)]
        total = None if samples is None else n + samples
        loss, u, v = random_squared_problem(m, n, sigma, seed=seed, samples=total)
        x, y = loss.X, loss.Y
        assert shape(x) == (n, total or n) and shape(y) == (m, total or n) and rank(x) == n
        # the eigenvalues of C Σ⁻¹ Cᵀ, C = Y Xᵀ and Σ = X Xᵀ, are the σ² and m − k zeros
        c, gram = y * x.transpose(), x * x.transpose()
        spectrum = polynomial([Rational(1)])
        for s in [*sigma, *[Rational(0)] * (m - k)]:
            spectrum *= polynomial([-s * s, Rational(1)])
        assert charpoly(c * inverse(gram) * c.transpose()) == spectrum
        assert u * u.transpose() == identity(m) and v * v.transpose() == identity(n)
        d = submatrix(x, range(n), range(n))
        assert submatrix(y, range(m), range(n)) == singular_part(u, v, sigma, range(k))
        assert is_zero(loss.gradient(singular_part(u, v, sigma, range(k)) * inverse(d)))


def test_partial_sums_of_singular_triples_are_critical():
    rng = Random(2)
    orthogonal = 0
    for seed in range(40):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        k = min(m, n)
        sigma = [Rational(rng.choice((0, 1, 1, 2, 3)), rng.choice((1, 2))) for _ in range(k)]
        loss, u, v = random_squared_problem(m, n, sigma, seed=seed, samples=n + seed % 3)
        d = submatrix(loss.X, range(n), range(n))
        orthogonal += d * d.transpose() == diagonal([(d * d.transpose())[0, 0]] * n)
        for size in range(k + 1):
            for chosen in combinations(range(k), size):
                w = singular_part(u, v, sigma, chosen) * inverse(d)
                left_out = [sigma[q] for q in range(k) if q not in chosen]
                assert loss.value(w) == sum((s * s for s in left_out), Rational(0)) / 2
                e = sum(sigma[s] != 0 for s in chosen)
                assert rank(w) == e
                net = random_network(m, n, e, rng)
                weights = random_critical_weights(net, loss, w, seed=rng.random())
                require_critical(net, loss, weights, w)
    assert orthogonal < 30


def test_repeated_singular_values_mix():
    # with σ_1 = σ_2 every unit vector of the plane of u_1, u_2 gives a critical matrix
    for seed in range(20):
        rng = Random(seed)
        loss, u, v = random_squared_problem(3, 3, [2, 2, 1], seed=seed)
        turn = cayley(2, rng)
        pair = [columns(a, [0, 1]) * columns(turn, [0]) for a in (u, v)]
        w = pair[0] * pair[1].transpose() * 2 * inverse(loss.X)
        net = random_network(3, 3, 1, rng)
        require_critical(net, loss, random_critical_weights(net, loss, w, seed=seed), w)
        # the same with different vectors on the two sides is not critical
        w = pair[0] * columns(v, [0]).transpose() * 2 * inverse(loss.X)
        if turn[1, 0]:
            with pytest.raises(ShapeError, match="product is not critical"):
                random_critical_weights(net, loss, w, seed=seed)


def test_squared_problems_are_seeded():
    one, two = (random_squared_problem(3, 2, [2, 1], seed=5) for _ in range(2))
    assert one == two
    assert random_squared_problem(3, 2, [2, 1], seed=6) != one
    half = random_squared_problem(2, 2, ["1/2", Fraction(3, 4)], seed=1)
    assert half == random_squared_problem(2, 2, [Rational(1, 2), rational("0.75")], seed=1)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"singular_values": [1]}, ShapeError, "singular_values has 1 entries: give 2"),
        ({"singular_values": [1, 2, 3]}, ShapeError, "singular_values has 3 entries: give 2"),
        ({"singular_values": [1, 0.5]}, NotExactError, "singular_values[1] is the float 0.5"),
        ({"singular_values": [True, 1]}, NotExactError, "singular_values[0] is the boolean"),
        ({"samples": 2}, ShapeError, "samples is 2: give an integer ≥ 3"),
        ({"samples": 0}, ShapeError, "samples is 0"),
        ({"samples": -1}, ShapeError, "samples is -1"),
    ],
)
def test_squared_problems_that_cannot_be(arguments, error, words):
    with pytest.raises(error) as caught:
        random_squared_problem(2, 3, **{"singular_values": [2, 1], **arguments})
    assert words in str(caught.value)


def test_random_matrices_of_a_rank():
    rng = Random(3)
    for m, n in product(range(1, 4), repeat=2):
        for e in range(min(m, n) + 1):
            a = random_matrix_of_rank(m, n, e, rng)
            assert shape(a) == (m, n) and rank(a) == e
        for e in (-1, min(m, n) + 1):
            with pytest.raises(ShapeError, match=f"^rank is {e}"):
                random_matrix_of_rank(m, n, e, rng)


# --- critical weights for every loss ------------------------------------------------------------


def test_weights_over_zero_for_losses_of_every_kind():
    rng = Random(4)
    depths = Counter()
    for seed in range(120):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        u = random_matrix(m, n, rng)
        loss = [
            SquaredLoss(random_matrix(n, 2, rng), random_matrix(m, 2, rng)),
            WeightedSquaredLoss(u, random_matrix(m, n, rng)),  # not convex
            QuadraticLoss(u, random_form(m * n, rng)),
            PowerLoss(u, 4),
        ][seed % 4]
        net = random_network(m, n, 0, rng, (2, 3, 4, 5))
        weights = random_critical_weights(net, loss, seed=seed)
        require_critical(net, loss, weights, zeros(m, n))
        depths[net.depth] += 1
        assert random_critical_weights(net, loss, zeros(m, n), seed=seed) == weights
    assert min(depths.values()) > 10 and len(depths) == 4


def test_weights_over_a_minimum():
    rng = Random(5)
    for seed in range(60):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        e = rng.randint(0, min(m, n))
        u = random_matrix_of_rank(m, n, e, rng)
        loss = [PowerLoss(u, 4), QuadraticLoss(u, random_form(m * n, rng))][seed % 2]
        net = random_network(m, n, e, rng, (1, 2, 3))
        require_critical(net, loss, random_critical_weights(net, loss, u, seed=seed), u)


@pytest.mark.parametrize("blind", [False, True], ids=["definite", "semidefinite"])
def test_kronecker_losses(blind):
    """W̄ = R⁻ᵀ (Σ_S σ u vᵀ) S⁻¹ is critical for P = R Rᵀ, Σ = S Sᵀ and U = R⁻ᵀ (Σ σ u vᵀ) S⁻¹."""
    rng = Random(6)
    for seed in range(60):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        k = min(m, n)
        sigma = [Rational(rng.choice((0, 1, 1, 2)), rng.choice((1, 2))) for _ in range(k)]
        u, v = cayley(m, rng), cayley(n, rng)
        r, s = random_invertible(m, rng), random_invertible(n, rng)
        to_left, to_right = inverse(r.transpose()), inverse(s)
        target = to_left * singular_part(u, v, sigma, range(k)) * to_right
        chosen = [i for i in range(k) if rng.random() < 0.5]
        w = to_left * singular_part(u, v, sigma, chosen) * to_right
        p, gram = r * r.transpose(), s * s.transpose()
        if blind:  # one more output and one more input that the loss cannot see
            c, b = random_matrix(m, m + 1, rng), random_matrix(n + 1, n, rng)
            if rank(c) < m or rank(b) < n:
                continue
            up, down = left_inverse(c.transpose()).transpose(), left_inverse(b)
            p, gram = c.transpose() * p * c, b * gram * b.transpose()
            target, w = up * target * down, up * w * down
        loss = QuadraticLoss(target, kron(p, gram))
        assert loss.kronecker() is not None
        m, n = loss.shape
        net = random_network(m, n, rank(w), rng)
        weights = random_critical_weights(net, loss, w, seed=seed)
        require_critical(net, loss, weights, w)
        found = inertia(kron(p, gram))
        assert found.negative == 0 and (found.zero > 0) == blind


def test_weighted_kronecker_losses():
    # weights a bᵀ with squares: a_i = α_i², so that diag(α) (W − U) diag(β) is the residual
    rng = Random(7)
    for seed in range(40):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        k = min(m, n)
        sigma = [Rational(rng.randint(1, 3)) for _ in range(k)]
        u, v = cayley(m, rng), cayley(n, rng)
        alpha = [Rational(rng.randint(1, 3), rng.randint(1, 3)) for _ in range(m)]
        beta = [Rational(rng.randint(1, 3), rng.randint(1, 3)) for _ in range(n)]
        left, right = (diagonal([1 / x for x in y]) for y in (alpha, beta))
        target = left * singular_part(u, v, sigma, range(k)) * right
        chosen = rng.sample(range(k), rng.randint(0, k))
        w = left * singular_part(u, v, sigma, chosen) * right
        lam = Matrix(m, n, [(x * y) ** 2 for x in alpha for y in beta])
        loss = WeightedSquaredLoss(target, lam)
        assert loss.kronecker() is not None
        net = random_network(m, n, len(chosen), rng)
        require_critical(net, loss, random_critical_weights(net, loss, w, seed=seed), w)


def test_losses_that_are_no_products():
    # diagonal targets: every diag with entries dropped is critical for any entrywise weights
    rng = Random(8)
    for seed in range(40):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        k = min(m, n)
        values = [Rational(rng.randint(1, 4), rng.randint(1, 3)) for _ in range(k)]
        kept = [x if rng.random() < 0.5 else Rational(0) for x in values]
        lam = Matrix(m, n, [rng.randint(1, 5) for _ in range(m * n)])
        loss = [
            WeightedSquaredLoss(diagonal(values, m, n), lam),
            PowerLoss(diagonal(values, m, n), 4),
        ][seed % 2]
        w = diagonal(kept, m, n)
        net = random_network(m, n, rank(w), rng)
        require_critical(net, loss, random_critical_weights(net, loss, w, seed=seed), w)


def test_data_of_low_rank_and_more_samples():
    """Any X: the minimiser of ½‖WX − Y‖² projected on left singular spaces is not rational, so
    W̄ is cut by a projector that commutes with C Σ⁺ Cᵀ: here onto blocks of block diagonal data."""
    rng = Random(9)
    for seed in range(30):
        blocks = [(rng.randint(1, 2), rng.randint(1, 2), rng.randint(0, 3)) for _ in range(2)]
        m, n, samples = (sum(b[i] for b in blocks) for i in range(3))
        if samples == 0:
            continue
        x, y, w = zeros(n, samples), zeros(m, samples), zeros(m, n)
        i = j = s = 0
        for place, (a, b, c) in enumerate(blocks):
            xs = random_matrix_of_rank(b, c, rng.randint(0, min(b, c)), rng) if c else zeros(b, 0)
            ys = random_matrix(a, c, rng)
            put(x, xs, j, s)
            put(y, ys, i, s)
            if place and c and not is_zero(xs):  # the first block is dropped
                put(w, SquaredLoss(xs, ys).kronecker().target, i, j)
            i, j, s = i + a, j + b, s + c
        loss = SquaredLoss(x, y)
        net = random_network(m, n, rank(w), rng)
        require_critical(net, loss, random_critical_weights(net, loss, w, seed=seed), w)


def put(a, block, i, j):
    for x, y in product(range(block.nrows()), range(block.ncols())):
        a[i + x, j + y] = block[x, y]


# --- types --------------------------------------------------------------------------------------


def test_every_type_can_be_asked_for_and_occurs():
    loss, u, v = random_squared_problem(2, 2, [2, 1], seed=1)
    w = singular_part(u, v, [2, 1], [0]) * inverse(loss.X)
    for widths in [(2, 2, 2), (2, 1, 2), (2, 2, 2, 2), (2, 3, 1, 2)]:
        net = LinearNetwork(*widths)
        for e, image in ((0, zeros(2, 2)), (1, w)):
            g = loss.gradient(image)
            types = critical_strata(widths, e, rank(g))
            assert types
            for strings in types:
                weights = random_critical_weights(net, loss, image, seed=2, strings=strings)
                require_critical(net, loss, weights, image)
                assert strings_of_weights(weights, g) == strings
            if len(types) < 20:
                drawn = {
                    str(strings_of_weights(random_critical_weights(net, loss, image, seed), g))
                    for seed in range(20 * len(types))
                }
                assert drawn == set(map(str, types))


def test_critical_weights_are_seeded():
    loss, _, _ = random_squared_problem(2, 3, [2, 1], seed=1)
    net = LinearNetwork(3, 2, 2, 2)
    drawn = [random_critical_weights(net, loss, seed=s) for s in range(10)]
    assert drawn == [random_critical_weights(net, loss, seed=s) for s in range(10)]
    assert len(set(map(str, drawn))) > 5


def test_the_gradient_vanishes_on_the_tangent_space():
    """Critical weights over W̄ exist only if W̄ᵀG = 0 and GW̄ᵀ = 0: other products are refused."""
    rng = Random(10)
    refused = 0
    for seed in range(60):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        e = rng.randint(0, min(m, n))
        loss = QuadraticLoss(random_matrix(m, n, rng), random_form(m * n, rng, low=False))
        w = random_matrix_of_rank(m, n, e, rng)
        g = loss.gradient(w)
        # the part of G along T_W̄ of the matrices of rank e
        p, q = (projector(a) if e else None for a in bases(w))
        along = p * g + g * q - p * g * q if e else zeros(m, n)
        net = random_network(m, n, e, rng)
        if is_zero(along):
            weights = random_critical_weights(net, loss, w, seed=seed)
            require_critical(net, loss, weights, w)
        else:
            refused += 1
            assert inner(along, g) != 0
            with pytest.raises(ShapeError, match="product is not critical"):
                random_critical_weights(net, loss, w, seed=seed)
    assert refused > 20


def bases(w):
    """Bases of the column space and of the row space, as the complements of the complements."""
    return complement(complement(w)), complement(complement(w.transpose()))


def test_both_sides_of_the_gradient_count():
    # W̄ = P U for a projector P has W̄ᵀG = 0, but G W̄ᵀ = 0 only if P commutes with U Uᵀ
    u = matrix([[2, 1], [1, 1]])
    w = matrix([[2, 1], [0, 0]])
    net = LinearNetwork(2, 2, 2)
    for target, image in ((u, w), (u, w.transpose())):
        loss = PowerLoss(target, 2)
        g = loss.gradient(image)
        assert is_zero(image.transpose() * g) != is_zero(g * image.transpose())
        with pytest.raises(ShapeError, match="product is not critical"):
            random_critical_weights(net, loss, image)


# --- bad input ----------------------------------------------------------------------------------

LOSS = SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])


@pytest.mark.parametrize(
    ("widths", "product_", "words"),
    [
        ((2, 1, 2), [[1, 0], [0, 0]], "product is not critical"),
        ((2, 1, 2), [[0, 1], [0, 0]], "product is not critical"),
        ((2, 1, 2), [[2, 0], [0, 1]], "rank 2 does not occur in the network 2-1-2"),
        ((2, 2), [[2, 0], [0, 0]], "no critical weights of 2-2 have this product"),
        ((2, 2), None, "no critical weights of 2-2 have this product"),
        ((2, 1, 2), [[2, 0, 0], [0, 0, 0]], "product is 2×3: give a 2×2 matrix"),
        ((2, 1, 2), [[2, 0], [0]], "product is ragged"),
        ((2, 1, 2), [], "product is empty"),
        ((2, 1, 2), "diag", "product must be a list of rows"),
        ((3, 1, 2), None, "2×2"),
    ],
)
def test_products_over_which_nothing_is_critical(widths, product_, words):
    with pytest.raises(ShapeError) as error:
        random_critical_weights(LinearNetwork(*widths), LOSS, product_)
    assert words in str(error.value)


def test_products_come_in_through_the_door():
    net = LinearNetwork(2, 1, 2)
    rows = random_critical_weights(net, LOSS, [["4/2", 0], [0, 0]], seed=3)
    assert rows == random_critical_weights(net, LOSS, matrix([[2, 0], [0, 0]]), seed=3)
    with pytest.raises(NotExactError, match=r"^product\[0\]\[0\] is the float 2.0"):
        random_critical_weights(net, LOSS, [[2.0, 0], [0, 0]])


def test_one_layer_is_critical_at_the_minimum_only():
    net = LinearNetwork(2, 2)
    minimum = matrix([[2, 0], [0, 1]])
    assert random_critical_weights(net, LOSS, minimum) == (minimum,)


def test_types_of_another_network_or_rank_are_refused():
    net = LinearNetwork(2, 2, 2)
    for widths in ((2, 3, 2), (2, 2, 2, 2)):
        strings = critical_strata(widths, 0, 2)[0]
        with pytest.raises(ShapeError, match="strings belong to the widths .*, not to 2-2-2"):
            random_critical_weights(net, LOSS, strings=strings)
    for e, rho in ((1, 1), (0, 1)):
        strings = critical_strata((2, 2, 2), e, rho)[0]
        with pytest.raises(ShapeError, match="has rank"):
            random_critical_weights(net, LOSS, strings=strings)
