"""Losses: derivatives, convexity, Kronecker forms, and the reduction to effective data.

The independent route is the definition itself, summed entry by entry with `Fraction`, and its
expansion along lines: ℓ(W + tD) is a polynomial in t whose coefficients are the derivatives.
"""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import product
from random import Random

import pytest
from test_matrices import random_invertible, random_matrix, rows_of

from detvar.errors import DetvarError, InputError, NotExactError, ShapeError
from detvar.exact.inertia import inertia, is_positive_semidefinite, ldlt
from detvar.exact.matrices import (
    Matrix,
    columns,
    diagonal,
    hstack,
    identity,
    inner,
    is_symmetric,
    is_zero,
    kron,
    matrix,
    rank,
    shape,
    submatrix,
    trace,
    unvec,
    vec,
    vstack,
    zeros,
)
from detvar.exact.rational import Rational, rational, to_fraction
from detvar.exact.series import SeriesRing, polynomial
from detvar.losses import (
    Kronecker,
    PowerLoss,
    QuadraticLoss,
    SquaredLoss,
    WeightedSquaredLoss,
    loss_from_json,
)
from detvar.networks import LinearNetwork


def random_squared(m, n, rng):
    samples = rng.randint(1, n + 2)
    k = rng.randint(0, min(n, samples))
    x = random_matrix(n, k, rng, 2) * random_matrix(k, samples, rng, 2)
    return SquaredLoss(x, random_matrix(m, samples, rng))


def random_weighted(m, n, rng):
    lam = random_matrix(m, n, rng)
    kind = rng.randrange(4)
    if kind:  # mostly convex
        lam = Matrix(m, n, [abs(x) for x in lam.entries()])
    if kind == 2:
        lam = outer(lam, rng)
    for i, j in product(range(m), range(n)):  # rows and columns that vanish
        if (i == rng.randrange(m) and rng.random() < 0.3) or rng.random() < 0.2:
            lam[i, j] = 0
    if kind == 3:
        keep_rows, keep_columns = rng.randrange(1 << m), rng.randrange(1 << n)
        for i, j in product(range(m), range(n)):
            if not (keep_rows >> i & 1 and keep_columns >> j & 1):
                lam[i, j] = 0
    return WeightedSquaredLoss(random_matrix(m, n, rng), lam)


def outer(lam, rng):
    """A non-negative matrix of rank at most 1 of the same shape."""
    a = [Rational(rng.randint(0, 3), 2) for _ in range(lam.nrows())]
    b = [Rational(rng.randint(0, 3)) for _ in range(lam.ncols())]
    return Matrix(lam.nrows(), lam.ncols(), [x * y for x in a for y in b])


def random_form(n, rng, low=True):
    """A symmetric matrix: B D Bᵀ of any rank and signs, or B Bᵀ."""
    k = rng.randint(0, n) if low else n
    b = random_matrix(n, k, rng, 2)
    signs = [1 if rng.random() < 0.7 else -1 for _ in range(k)]
    return b * (diagonal(signs) if rng.random() < 0.4 else identity(k)) * b.transpose()


def random_quadratic(m, n, rng):
    kind = rng.randrange(4)
    if kind == 0:
        q = random_form(m * n, rng, low=False)
    elif kind == 1:
        q = random_form(m * n, rng)
    elif kind == 2:
        q = kron(random_form(m, rng), random_form(n, rng))
    else:  # blind to some directions on both sides
        c, b = random_matrix(rng.randint(1, m), m, rng), random_matrix(n, rng.randint(1, n), rng)
        lift = kron(c, b.transpose())
        q = lift.transpose() * random_form(lift.nrows(), rng) * lift
    return QuadraticLoss(random_matrix(m, n, rng), q)


def random_power(m, n, rng):
    return PowerLoss(random_matrix(m, n, rng), rng.choice((2, 4, 6)))


KINDS = [random_squared, random_weighted, random_quadratic, random_power]
BY_NAME = pytest.mark.parametrize("kind", KINDS, ids=lambda f: f.__name__.removeprefix("random_"))


def problems(kind, count, seed=0, height=3):
    """Losses with a point and a direction, all random."""
    rng = Random(seed)
    for _ in range(count):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        loss = kind(m, n, rng)
        assert loss.shape == (m, n)
        yield loss, random_matrix(m, n, rng, height), random_matrix(m, n, rng, height), rng


def by_definition(loss, w):
    """ℓ(W), summed from the formula of its kind with Python's fractions."""
    w, data = rows_of(w), {k: v for k, v in loss.to_json().items() if isinstance(v, list)}
    data = {k: [[Fraction(x) for x in row] for row in v] for k, v in data.items()}
    cells = list(product(range(len(w)), range(len(w[0]))))
    if isinstance(loss, SquaredLoss):
        x, y = data["X"], data["Y"]
        total = Fraction(0)
        for i, s in product(range(len(y)), range(len(y[0]))):
            total += (sum(w[i][j] * x[j][s] for j in range(len(x))) - y[i][s]) ** 2
        return total / 2
    d = {(i, j): w[i][j] - data["target"][i][j] for i, j in cells}
    if isinstance(loss, WeightedSquaredLoss):
        return sum(data["weights"][i][j] * d[i, j] ** 2 for i, j in cells) / Fraction(2)
    if isinstance(loss, PowerLoss):
        return sum(d[c] ** loss.exponent for c in cells)
    form = data["form"]
    pairs = product(enumerate(cells), repeat=2)
    return sum(form[a][b] * d[p] * d[q] for (a, p), (b, q) in pairs) / Fraction(2)


def on_line(w, d):
    """The rows of W + tD over Q[t]."""
    return [
        [polynomial([x, y]) for x, y in zip(p, q, strict=True)]
        for p, q in zip(w.tolist(), d.tolist(), strict=True)
    ]


# --- values and derivatives ---------------------------------------------------------------------


@BY_NAME
def test_value_is_the_definition(kind):
    for loss, w, _, _ in problems(kind, 60):
        assert to_fraction(loss.value(w)) == by_definition(loss, w)
        assert loss.evaluate(w.tolist()) == loss.value(w)
        assert loss.evaluate_gradient(w.tolist()) == loss.gradient(w).tolist()


@BY_NAME
def test_derivatives_are_coefficients_along_lines(kind):
    for loss, w, d, _ in problems(kind, 60, seed=1):
        p = loss.evaluate(on_line(w, d))
        assert p.degree() <= loss.degree
        assert p[0] == loss.value(w)
        assert p[1] == inner(loss.gradient(w), d)
        assert 2 * p[2] == (vec(d).transpose() * loss.hessian(w) * vec(d))[0, 0]
        assert 2 * p[2] == loss.curvature(w, d)
        for t in (-1, 2):
            assert p(Rational(t)) == loss.value(w + d * t)


@BY_NAME
def test_hessian_is_the_derivative_of_the_gradient(kind):
    for loss, w, d, _ in problems(kind, 60, seed=2):
        along = loss.evaluate_gradient(on_line(w, d))
        m, n = loss.shape
        hessian = loss.hessian(w)
        assert shape(hessian) == (m * n, m * n) and is_symmetric(hessian)
        slope = unvec(hessian * vec(d), m, n)
        for i, j in product(range(m), range(n)):
            assert along[i][j][0] == loss.gradient(w)[i, j]
            assert along[i][j][1] == slope[i, j]
            assert along[i][j].degree() < max(loss.degree, 1)


@BY_NAME
def test_mixed_derivatives_in_two_directions(kind):
    ring = SeriesRing(2, 6)
    s, t = ring.variables
    for loss, w, d, rng in problems(kind, 20, seed=3):
        e = random_matrix(*loss.shape, rng)
        rows = [
            [w[i, j] + s * d[i, j] + t * e[i, j] for j in range(w.ncols())]
            for i in range(w.nrows())
        ]
        mixed = ring.part(loss.evaluate(rows), 2).get((1, 1), 0)
        assert mixed == (vec(d).transpose() * loss.hessian(w) * vec(e))[0, 0]


@BY_NAME
def test_the_degree_is_reached(kind):
    reached = 0
    for loss, w, d, _ in problems(kind, 30, seed=4):
        reached += loss.evaluate(on_line(w, d)).degree() == loss.degree
    assert reached > 10


def test_large_exponents():
    loss = PowerLoss([[1, 0]], 100)
    assert loss.value(matrix([[2, 2]])) == 1 + 2**100
    assert loss.gradient(matrix([[1, 2]])) == matrix([[0, 100 * 2**99]])
    assert loss.hessian(matrix([[1, 0]])) == zeros(2, 2)


# --- convexity ----------------------------------------------------------------------------------


@BY_NAME
def test_convex_iff_no_direction_has_negative_curvature(kind):
    answers = set()
    for loss, w, d, rng in problems(kind, 80, seed=5):
        answers.add(loss.is_convex())
        if loss.is_convex():
            for x in (d, w, random_matrix(*loss.shape, rng)):
                assert loss.curvature(w, x) >= 0
                a, b = w + x, w - x
                assert 2 * loss.value(w) <= loss.value(a) + loss.value(b)
        else:
            m, n = loss.shape
            x = unvec(ldlt(loss.hessian(w)).direction(-1), m, n)
            assert loss.evaluate(on_line(w, x))[2] < 0
            assert 2 * loss.value(w) > loss.value(w + x) + loss.value(w - x)
    always = kind in (random_squared, random_power)
    assert answers == ({True} if always else {True, False})


# --- Kronecker forms ----------------------------------------------------------------------------


def rearranged(q, m, n):
    """The m²×n² matrix of the blocks of q; q is a Kronecker product iff its rank is at most 1."""
    out = zeros(m * m, n * n)
    for i, k, j, l_ in product(range(m), range(m), range(n), range(n)):
        out[i * m + k, j * n + l_] = q[i * n + j, k * n + l_]
    return out


def require_kronecker(loss, found, w, d):
    m, n = loss.shape
    p, sigma = found.left, found.right
    assert isinstance(found, Kronecker)
    assert shape(p) == (m, m) and shape(sigma) == (n, n) and shape(found.target) == (m, n)
    assert is_positive_semidefinite(p) and is_positive_semidefinite(sigma)
    assert kron(p, sigma) == loss.hessian(w)
    for x in (w, d, zeros(m, n)):
        off = x - found.target
        assert loss.value(x) == trace(p * off * sigma * off.transpose()) / 2 + found.constant
    assert loss.value(found.target) == found.constant
    assert is_zero(loss.gradient(found.target))  # so that the constant is the least value


@BY_NAME
def test_kronecker_form_or_a_reason_why_not(kind):
    yes = no = 0
    for loss, w, d, _ in problems(kind, 150, seed=6):
        m, n = loss.shape
        found = loss.kronecker()
        if isinstance(loss, PowerLoss) and loss.exponent > 2:
            assert found is None
            no += 1
            continue
        q = loss.hessian(w)
        possible = rank(rearranged(q, m, n)) <= 1 and is_positive_semidefinite(q)
        assert (found is not None) == possible
        if found is not None:
            require_kronecker(loss, found, w, d)
        yes, no = yes + possible, no + (not possible)
    assert yes > 20 and (no > 20 or kind is random_squared)


def test_kronecker_products_are_recognised():
    rng = Random(7)
    for _ in range(100):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        a, b = random_form(m, rng), random_form(n, rng)
        loss = QuadraticLoss(random_matrix(m, n, rng), kron(a, b))
        positive = is_positive_semidefinite(a) and is_positive_semidefinite(b)
        both = is_positive_semidefinite(-a) and is_positive_semidefinite(-b)
        found = loss.kronecker()
        assert (found is not None) == (positive or both or is_zero(a) or is_zero(b))
        if found is not None:
            require_kronecker(loss, found, random_matrix(m, n, rng), random_matrix(m, n, rng))


def test_signs_of_the_factors():
    p, sigma = matrix([[2, 1], [1, 1]]), matrix([[1, 0], [0, 3]])
    target = [[1, 2], [3, 4]]
    plus, minus = kron(p, sigma), kron(-p, sigma)
    flipped = QuadraticLoss(target, kron(-p, -sigma)).kronecker()
    assert flipped == QuadraticLoss(target, plus).kronecker() is not None
    assert QuadraticLoss(target, minus).kronecker() is None
    hyperbolic = matrix([[0, 1], [1, 0]])
    for a, b in ((hyperbolic, sigma), (p, hyperbolic), (hyperbolic, hyperbolic)):
        assert QuadraticLoss(target, kron(a, b)).kronecker() is None
    # a Kronecker product of two skew matrices is symmetric, and has no symmetric factors
    skew = matrix([[0, 1], [-1, 0]])
    assert is_symmetric(kron(skew, skew))
    assert QuadraticLoss(target, kron(skew, skew)).kronecker() is None


def test_positive_forms_that_are_no_products():
    # The form of W ↦ det W plus a multiple of the identity, and diag(1, 0, 0, 1)
    determinant = matrix([[0, 0, 0, 1], [0, 0, -1, 0], [0, -1, 0, 0], [1, 0, 0, 0]])
    for q in (determinant + identity(4), diagonal([1, 0, 0, 1]), diagonal([1, 2, 2, 3])):
        assert is_positive_semidefinite(q)
        assert QuadraticLoss(zeros(2, 2), q).kronecker() is None


def test_least_squares_value_of_data_of_any_rank():
    # X of rank 1 on two inputs; the residual of the third sample cannot be removed
    loss = SquaredLoss([[1, 2, 0], [2, 4, 0]], [[1, 2, 3]])
    found = loss.kronecker()
    assert found.constant == Rational(9, 2) and is_zero(loss.gradient(found.target))
    zero = SquaredLoss([[0], [0]], [[3]]).kronecker()
    assert zero.constant == Rational(9, 2) and is_zero(zero.right)


# --- reduction to effective data ----------------------------------------------------------------


def networks(m, n, rng):
    return LinearNetwork(n, *(rng.randint(1, 3) for _ in range(rng.randint(0, 2))), m)


def seen_inputs(q, m, n):
    """Rank of the form as a map from input directions, from its entries."""
    return rank(
        Matrix(
            m * m * n,
            n,
            [q[a, i * n + j] for a in range(m * n) for i in range(m) for j in range(n)],
        )
    )


def seen_outputs(q, m, n):
    return rank(
        Matrix(
            m * n * n,
            m,
            [q[a, i * n + j] for a in range(m * n) for j in range(n) for i in range(m)],
        )
    )


@BY_NAME
def test_reduction_keeps_the_loss_and_drops_what_it_cannot_see(kind):
    shrunk = constant = 0
    for loss, w, d, rng in problems(kind, 120, seed=8):
        m, n = loss.shape
        net = networks(m, n, rng)
        found = loss.reduce(net)
        c, b = found.left, found.right
        q = loss.hessian(random_matrix(m, n, rng, 50))
        k, l_ = seen_outputs(q, m, n), seen_inputs(q, m, n)
        assert (k == 0) == (l_ == 0)
        assert shape(b) == (n, b.ncols()) and rank(b) == b.ncols() == l_
        assert rank(c) == c.nrows() and c.ncols() == m
        assert c.nrows() == k or (k == 0 and found.loss is None)
        assert found.widths == (b.ncols(), *net.widths[1:-1], c.nrows())
        assert found.changed == (found.widths != net.widths)
        if found.loss is None:
            constant += 1
            assert min(found.widths) == 0 and found.network is None and is_zero(q)
            assert loss.value(w) == loss.value(d)
            continue
        small = found.loss
        assert found.network.widths == found.widths and small.shape == shape(c * w * b)
        for x in (w, d, w - d):
            assert small.value(c * x * b) == loss.value(x)
            # the chain rule for ℓ(W) = ℓ′(C W B)
            g = small.gradient(c * x * b)
            assert c.transpose() * g * b.transpose() == loss.gradient(x)
            lift = kron(c, b.transpose())
            assert lift.transpose() * small.hessian(c * x * b) * lift == loss.hessian(x)
        again = small.reduce(found.network)
        assert not again.changed and again.loss is small and again.network is found.network
        assert again.left == identity(k) and again.right == identity(l_)
        assert small.is_convex() == loss.is_convex()
        assert (small.kronecker() is None) == (loss.kronecker() is None)
        shrunk += found.changed
        if not found.changed:
            assert small is loss and found.network is net
    if kind is random_power:
        assert shrunk == constant == 0
    else:
        assert shrunk > 20 and constant > 2


@BY_NAME
def test_weights_of_the_effective_network(kind):
    for loss, _, _, rng in problems(kind, 60, seed=9):
        m, n = loss.shape
        net = networks(m, n, rng)
        found = loss.reduce(net)
        weights = net.random_weights(rank=rng.randint(0, net.rank_bound), seed=rng.random())
        small = found.weights(weights)
        sizes = list(zip(found.widths[1:], found.widths, strict=False))
        assert [shape(w) for w in small] == sizes
        product_of_small = small[0]
        for w in small[1:]:
            product_of_small = w * product_of_small
        assert product_of_small == found.left * net.end_to_end(weights) * found.right
        # θ ↦ θ′ is linear and onto: `lift` is a section of it
        lifted = found.lift(small)
        assert [shape(w) for w in lifted] == [shape(w) for w in weights]
        assert found.weights(lifted) == small
        v = tuple(random_matrix(a, b, rng) for a, b in sizes)
        assert found.weights(found.lift(v)) == v
        sums = tuple(x + y * 3 for x, y in zip(small, v, strict=True))
        moved = tuple(x + y * 3 for x, y in zip(weights, found.lift(v), strict=True))
        assert found.weights(moved) == sums


EMPTY = [
    SquaredLoss([[0, 0], [0, 0]], [[1, 2], [3, 4]]),
    WeightedSquaredLoss([[1, 2], [3, 4]], [[0, 0], [0, 0]]),
    QuadraticLoss([[1, 2], [3, 4]], zeros(4, 4)),
]


@pytest.mark.parametrize("loss", EMPTY, ids=lambda x: type(x).__name__)
@pytest.mark.parametrize("widths", [(2, 2), (2, 3, 2), (2, 1, 1, 2)], ids=str)
def test_constant_losses_have_nothing_effective(loss, widths):
    net = LinearNetwork(*widths)
    found = loss.reduce(net)
    assert found.loss is None and found.network is None and found.changed
    assert 0 in (found.widths[0], found.widths[-1])
    weights = net.random_weights(seed=1)
    small = found.weights(weights)
    assert [shape(w) for w in small] == list(zip(found.widths[1:], found.widths, strict=False))
    assert found.weights(found.lift(small)) == small
    assert is_zero(loss.gradient(net.end_to_end(weights))) and loss.is_convex()


def test_effective_widths_of_data():
    net = LinearNetwork(3, 2, 2)
    # two of three inputs always agree
    loss = SquaredLoss([[1, 0, 2], [1, 0, 2], [0, 1, 5]], [[1, 2, 3], [4, 5, 6]])
    assert loss.reduce(net).widths == (2, 2, 2)
    # the second output is never observed, nor the third input
    loss = WeightedSquaredLoss(zeros(2, 3), [[1, 2, 0], [0, 0, 0]])
    found = loss.reduce(net)
    assert found.widths == (2, 2, 1)
    assert found.left == matrix([[1, 0]]) and found.right == matrix([[1, 0], [0, 1], [0, 0]])
    # negative weights do not cancel: every row and column is seen
    assert (
        not WeightedSquaredLoss(zeros(2, 2), [[1, -1], [-1, 1]]).reduce(LinearNetwork(2, 2)).changed
    )
    # ½ (w_11 + w_12 − w_21 − w_22)² sees one direction on each side
    v = matrix([[1], [1], [-1], [-1]])
    found = QuadraticLoss(zeros(2, 2), v * v.transpose()).reduce(LinearNetwork(2, 5, 2))
    assert found.widths == (1, 5, 1) and rank(vstack(found.left, matrix([[1, -1]]))) == 1
    assert rank(hstack(found.right, matrix([[1], [1]]))) == 1


def test_the_hessian_in_other_coordinates():
    """Base changes on both sides act on reductions: the effective widths do not move."""
    rng = Random(10)
    for _ in range(40):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        loss = random_quadratic(m, n, rng)
        g, h = random_invertible(m, rng), random_invertible(n, rng)
        lift = kron(g, h.transpose())
        moved = QuadraticLoss(loss.target, lift.transpose() * loss.form * lift)
        net = LinearNetwork(n, 2, m)
        assert moved.reduce(net).widths == loss.reduce(net).widths
        assert (moved.kronecker() is None) == (loss.kronecker() is None)
        assert inertia(moved.form) == inertia(loss.form)


@BY_NAME
def test_the_network_must_fit_the_loss(kind):
    loss = kind(2, 3, Random(0))
    for widths in ((2, 3), (3, 2, 3), (2, 2, 2)):
        with pytest.raises(ShapeError, match="the loss is defined on 2×3 matrices"):
            loss.reduce(LinearNetwork(*widths))


# --- agreement between kinds --------------------------------------------------------------------


def test_one_loss_written_in_several_ways():
    rng = Random(11)
    for _ in range(30):
        m, n = rng.randint(1, 3), rng.randint(1, 3)
        u, lam = random_matrix(m, n, rng), random_matrix(m, n, rng)
        x = random_invertible(n, rng)
        ways = [
            (WeightedSquaredLoss(u, lam), QuadraticLoss(u, diagonal(lam.entries()))),
            (
                SquaredLoss(x, u * x),
                QuadraticLoss(u, kron(identity(m), x * x.transpose())),
            ),
            (PowerLoss(u, 2), QuadraticLoss(u, identity(m * n) * 2)),
            (PowerLoss(u, 2), WeightedSquaredLoss(u, Matrix(m, n, [2] * (m * n)))),
        ]
        w, d = random_matrix(m, n, rng), random_matrix(m, n, rng)
        for a, b in ways:
            assert a.value(w) == b.value(w) and a.gradient(w) == b.gradient(w)
            assert a.hessian(w) == b.hessian(w) and a.curvature(w, d) == b.curvature(w, d)
            assert a.is_convex() == b.is_convex() and a.degree == b.degree
            assert (a.kronecker() is None) == (b.kronecker() is None)
            net = LinearNetwork(n, 2, m)
            assert a.reduce(net).widths == b.reduce(net).widths


def test_permuted_and_repeated_samples():
    rng = Random(12)
    x, y, w = random_matrix(3, 4, rng), random_matrix(2, 4, rng), random_matrix(2, 3, rng)
    order = [2, 0, 3, 1]
    same = SquaredLoss(columns(x, order), columns(y, order))
    loss = SquaredLoss(x, y)
    assert same.value(w) == loss.value(w) and same.gradient(w) == loss.gradient(w)
    twice = SquaredLoss(hstack(x, x), hstack(y, y))
    assert twice.value(w) == 2 * loss.value(w) and twice.gradient(w) == loss.gradient(w) * 2
    part = SquaredLoss(submatrix(x, [0, 1, 2], [0]), submatrix(y, [0, 1], [0]))
    rest = SquaredLoss(columns(x, [1, 2, 3]), columns(y, [1, 2, 3]))
    assert part.value(w) + rest.value(w) == loss.value(w)


# --- in and out ---------------------------------------------------------------------------------


@BY_NAME
def test_json_and_back(kind):
    for loss, w, _, _ in problems(kind, 20, seed=13):
        text = json.dumps(loss.to_json())
        again = loss_from_json(json.loads(text))
        assert type(again) is type(loss) and again.to_json() == loss.to_json()
        assert again.value(w) == loss.value(w) and again == loss


def test_losses_keep_their_own_data():
    u = matrix([[1, 2], [3, 4]])
    losses = [
        SquaredLoss(u, u),
        WeightedSquaredLoss(u, u),
        QuadraticLoss(u, identity(4)),
        PowerLoss(u, 4),
    ]
    before = [loss.to_json() for loss in losses]
    u[0, 0] = 7
    assert [loss.to_json() for loss in losses] == before


def test_losses_are_frozen():
    with pytest.raises(AttributeError):
        SquaredLoss([[1]], [[1]]).X = identity(1)


GOOD = {
    "squared": {"X": [[1, 0], [0, 1]], "Y": [[1, 2], [3, 4]]},
    "weighted": {"target": [[1, 2], [3, 4]], "weights": [[1, 2], [3, 4]]},
    "quadratic": {"target": [[1, 2]], "form": [[2, 1], [1, 2]]},
    "power": {"target": [[1, 2]], "exponent": 4},
}
BUILD = {
    "squared": SquaredLoss,
    "weighted": WeightedSquaredLoss,
    "quadratic": QuadraticLoss,
    "power": PowerLoss,
}
BAD_MATRICES = [
    ([[0.5, 1]], NotExactError, "[0][0] is the float 0.5"),
    ([[1, float("nan")]], NotExactError, "[0][1] is nan"),
    ([[True, 1]], NotExactError, "[0][0] is the boolean True"),
    ([[1, None]], NotExactError, "[0][1] is None"),
    ([["1/0", 1]], NotExactError, "denominator zero"),
    ([[1, 2], [3]], ShapeError, "ragged"),
    ([], ShapeError, "empty"),
    ([[]], ShapeError, "empty"),
    (["12"], ShapeError, "row 0 of"),
    ("12", ShapeError, "must be a list of rows"),
    (None, ShapeError, "must be a list of rows"),
    (7, ShapeError, "must be a list of rows"),
    ([1, 2], ShapeError, "row 0 of"),
]
FIELDS = [(kind, field) for kind, fields in GOOD.items() for field in fields if field != "exponent"]


@pytest.mark.parametrize(("kind", "field"), FIELDS)
@pytest.mark.parametrize(("value", "error", "words"), BAD_MATRICES, ids=lambda x: str(x)[:20])
def test_bad_matrices_are_refused_by_the_name_of_the_field(kind, field, value, error, words):
    fields = {**GOOD[kind], field: value}
    with pytest.raises(error) as caught:
        BUILD[kind](**fields)
    assert field in str(caught.value) and words in str(caught.value)
    with pytest.raises(error) as in_json:
        loss_from_json({"type": kind, **fields})
    assert str(in_json.value) == f"in loss: {caught.value}" and isinstance(
        in_json.value, DetvarError
    )


@pytest.mark.parametrize(("kind", "field"), FIELDS)
def test_arrays_of_floats_are_refused_by_the_name_of_the_field(kind, field):
    numpy = pytest.importorskip("numpy")
    for dtype in ("float64", "float32", "complex128", "bool"):
        bad = numpy.ones((2, 2), dtype=dtype)
        with pytest.raises(NotExactError, match=f"^{field} is an array of {dtype}"):
            BUILD[kind](**{**GOOD[kind], field: bad})


def test_arrays_of_integers_are_taken():
    numpy = pytest.importorskip("numpy")
    for kind, fields in GOOD.items():
        arrays = {
            k: numpy.array(v, dtype="int32") if k != "exponent" else v for k, v in fields.items()
        }
        assert BUILD[kind](**arrays) == BUILD[kind](**fields)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: SquaredLoss([[1, 2]], [[1]]), "X has 2 columns and Y has 1"),
        (
            lambda: WeightedSquaredLoss([[1, 2]], [[1], [2]]),
            "the matrix of weights is 2×1: give a 1×2",
        ),
        (lambda: QuadraticLoss([[1, 2]], [[1]]), "form is 1×1: give a 2×2 matrix"),
        (lambda: QuadraticLoss([[1, 2]], [[1, 0, 0], [0, 1, 0]]), "form is 2×3: give a 2×2"),
        (lambda: QuadraticLoss([[1, 2]], [[1, 2], [3, 4]]), "form is not symmetric"),
    ],
)
def test_data_that_do_not_fit(build, words):
    with pytest.raises(ShapeError) as error:
        build()
    assert words in str(error.value)


@pytest.mark.parametrize(
    "exponent", [3, 1, 0, -2, 102, 10**30, 4.0, True, "4", None, [4], Fraction(4), rational(4)]
)
def test_exponents_that_are_not_even_and_small(exponent):
    with pytest.raises(InputError, match="^exponent "):
        PowerLoss([[1]], exponent)


@pytest.mark.parametrize(
    ("obj", "words"),
    [
        ([], "loss must be an object"),
        ("squared", "loss must be an object"),
        (None, "loss must be an object"),
        ({}, 'loss has no field "type"'),
        ({"type": "cubic"}, "loss.type is 'cubic': write one of squared, weighted"),
        ({"type": 3}, "loss.type is 3"),
        ({"type": None}, "loss.type is None"),
        ({"type": ["squared"]}, "loss.type is ['squared']"),
        ({"type": "squared", "X": [[1]]}, 'has no field "Y"'),
        ({"type": "power", "target": [[1]]}, 'has no field "exponent"'),
        ({"type": "power", "target": [[1]], "exponent": 4, "p": 4}, "has the field 'p'"),
        ({"type": "squared", "X": [[1]], "Y": [[1]], 3: 4}, "has the field 3"),
        ({"type": "power", "target": [[1]], "exponent": "4"}, "exponent must be an even integer"),
    ],
)
def test_objects_that_are_no_loss(obj, words):
    with pytest.raises(InputError) as error:
        loss_from_json(obj)
    assert words in str(error.value) and str(error.value).isprintable()


def test_the_name_of_the_object_is_used():
    with pytest.raises(InputError, match='^problem.loss has no field "type"'):
        loss_from_json({}, "problem.loss")


def test_exponents_that_python_cannot_print():
    with pytest.raises(InputError, match="^exponent "):
        PowerLoss([[1]], 10**5000)


@pytest.mark.parametrize("w", [[[1, 2], [3, 4]], zeros(3, 3), [[0.5, 1], [1, 1]]], ids=str)
@BY_NAME
def test_a_point_comes_in_as_rows_or_is_refused_by_name(kind, w):
    loss = kind(2, 2, Random(0))
    try:
        assert loss.value(w) == loss.value(matrix(w))
    except DetvarError as error:
        assert "w" in str(error).lower()
