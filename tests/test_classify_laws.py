"""Labels against the truth: exact Hessians, Eckart–Young values, and invariance.

The Hessian that labels are compared with is taken from the loss itself, evaluated at weights that
carry their first and second derivatives (`Jet`); singular values, and so the minimal loss, are
known because the data are built from them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from random import Random

import pytest

from detvar.classify import classify
from detvar.classify.hessian import full_hessian, hessian_inertia
from detvar.classify.kronecker import inertia_from_strings, interlacing, is_tightened
from detvar.classify.pivots import achour_untightened_pivots, untightened_pivots
from detvar.exact.inertia import Inertia, inertia, ldlt
from detvar.exact.matrices import (
    Matrix,
    column_space,
    columns,
    complement,
    diagonal,
    hstack,
    identity,
    inner,
    inverse,
    is_zero,
    kron,
    left_inverse,
    pivot_columns,
    rank,
    to_sympy,
    unvec,
    vec,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.losses import PowerLoss, QuadraticLoss, SquaredLoss, WeightedSquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.networks.random import (
    cayley,
    random_critical_weights,
    random_squared_problem,
)
from detvar.networks.sampling import strings_of_weights, weights_of_strings
from detvar.networks.strings import critical_strata

CHUNK, CHUNKS, MORE_CHUNKS = 100, 31, 100
MINIMA = ("global_minimum", "local_minimum")


# --- points whose truth is known ----------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """A network, a loss, critical weights, and for the squared loss what is known of them."""

    network: LinearNetwork
    loss: object
    weights: tuple
    value: Rational | None = None
    minimum: Rational | None = None
    kept: tuple = ()
    left_out: tuple = ()

    @property
    def pairs(self):
        """How many (kept, left out) pairs are in the wrong order, and how many are equal."""
        greater = sum(q > s for s in self.kept for q in self.left_out)
        return greater, sum(q == s for s in self.kept for q in self.left_out)


@cache
def types_of(widths, e, rho):
    return critical_strata(widths, e, rho)


def random_matrix(m, n, rng, size=2):
    return Matrix(m, n, [rng.randint(-size, size) for _ in range(m * n)])


def random_invertible(n, rng, size=2):
    while rank(a := random_matrix(n, n, rng, size)) < n:
        pass
    return a


def random_widths(rng, largest=4, depths=(1, 2, 2, 3, 3, 4, 5)):
    h = rng.choice(depths)
    return tuple(rng.randint(1, largest if h < 4 else min(largest, 3)) for _ in range(h + 1))


def squared_point(widths, rng, kind=None):
    """Critical weights of ½‖WX − Y‖² with X = A·[D 0]·O, Y = [UσVᵀ R]·O, where O is orthogonal.

    A is n×ρ of full column rank, so that rk X = ρ may be smaller than n; D is invertible and not
    orthogonal.  On W′ = WA the loss is ½‖W′D − UσVᵀ‖² + ½‖R‖², whose critical W′ of a given rank
    are U σ_S Vᵀ D⁻¹ (Eckart–Young), with minimal value ½‖R‖² + ½ Σ_{q>r} σ_q².
    """
    n, m, h = widths[0], widths[-1], len(widths) - 1
    rho = n if rng.random() < 0.8 else rng.randint(1, n)
    small = (rho, *widths[1:])
    r, k = min(small), min(m, rho)
    pool = (0, 1, 1, 2, 2, 3) if rng.random() < 0.6 else (1, 2, 3, 4, 5, Rational(1, 2))
    sigma = sorted((Rational(rng.choice(pool)) for _ in range(k)), reverse=True)
    u, v, samples = cayley(m, rng), cayley(rho, rng), rho + rng.randint(0, 1)
    d, rest, turn = (
        random_invertible(rho, rng, 1),
        random_matrix(m, samples - rho, rng),
        cayley(samples, rng),
    )
    a = columns(random_invertible(n, rng, 1), range(rho))
    data = hstack(d, zeros(rho, samples - rho))
    truth = hstack(u * diagonal(sigma, m, rho) * v.transpose(), rest)
    nonzero = [i for i in range(k) if sigma[i]]
    kept = nonzero if h == 1 else rng.sample(nonzero, rng.randint(0, min(r, len(nonzero))))
    shown = [x if i in kept else Rational(0) for i, x in enumerate(sigma)]
    product = u * diagonal(shown, m, rho) * v.transpose() * inverse(d)
    gradient = SquaredLoss(data, truth).gradient(product)
    types = types_of(small, len(kept), len(nonzero) - len(kept))
    if kind is not None:
        types = [s for s in types if s == kind]
    weights = list(weights_of_strings(rng.choice(types), product, gradient, rng))
    unseen = complement(a)
    first = random_matrix(widths[1], unseen.ncols(), rng, 1) * unseen.transpose()
    weights[0] = weights[0] * left_inverse(a) + first
    offset = inner(rest, rest) / 2
    return Point(
        LinearNetwork(*widths),
        SquaredLoss(a * data * turn, truth * turn),
        tuple(weights),
        offset + sum((sigma[i] ** 2 for i in nonzero if i not in kept), Rational(0)) / 2,
        offset + sum((x**2 for x in sigma[r:]), Rational(0)) / 2,
        tuple(sigma[i] for i in kept),
        tuple(sigma[i] for i in nonzero if i not in kept),
    )


def normal_pair(m, n, e, rho, rng):
    """W̄ of rank e and G of rank ρ with W̄ᵀG = 0 and GW̄ᵀ = 0, otherwise general."""
    a, b = random_invertible(m, rng), random_invertible(n, rng)
    middle = diagonal([rng.choice((1, -2, 3, -1)) for _ in range(rho)])
    block = zeros(m, n)
    for i in range(rho):
        block[e + i, e + i] = middle[i, i]
    image = a * diagonal([1] * e, m, n) * b
    return image, inverse(a).transpose() * block * inverse(b).transpose()


def random_form(size, rng, kind):
    """A symmetric form: definite, semidefinite of any rank, negative semidefinite or indefinite."""
    if kind == "indefinite":
        a = random_matrix(size, size, rng)
        return a + a.transpose()
    a = random_matrix(size, size if kind == "definite" else rng.randint(1, size), rng, 1)
    q = a * a.transpose() + (identity(size) if kind == "definite" else zeros(size, size))
    return -q if kind == "negative" else q


def solve(q, right):
    """One x with Qx = right, or None."""
    joined = hstack(q, right)
    if rank(joined) > rank(q):
        return None
    r, _ = joined.rref()
    x = zeros(q.ncols(), 1)
    for i, p in enumerate(pivot_columns(joined)):
        x[p, 0] = r[i, q.ncols()]
    return x


def quadratic_point(widths, rng, kind):
    """Critical weights of a quadratic loss that is made for them: the target is W̄ − Q⁻¹G."""
    n, m, r = widths[0], widths[-1], min(widths)
    while True:
        e = rng.randint(0, r)
        rho = rng.randint(0, min(m, n) - e) if len(widths) > 2 else 0
        image, g = normal_pair(m, n, e, rho, rng)
        q = random_form(m * n, rng, kind)
        step = solve(q, vec(g))
        if step is None:
            continue
        loss = QuadraticLoss(image - unvec(step, m, n), q)
        weights = weights_of_strings(rng.choice(types_of(widths, e, rho)), image, g, rng)
        return Point(LinearNetwork(*widths), loss, weights)


def power_point(widths, rng):
    """Critical weights of Σ (w − u)^p: W̄ − U has rank-one blocks αβᵀ, so that G has αᵖ⁻¹βᵖ⁻¹ᵀ."""
    n, m, r = widths[0], widths[-1], min(widths)
    p = rng.choice((4, 4, 6))
    rows, cols = rng.sample(range(m), m), rng.sample(range(n), n)
    rho = rng.randint(0, min(2, m, n)) if len(widths) > 2 else 0
    difference = zeros(m, n)
    if rho:
        height = rng.randint(1, m - rho + 1)
        width = rng.randint(1, n - rho + 1)
        for block in ((rows[:height], cols[:width]), (rows[height:], cols[width:]))[:rho]:
            beta = [rng.choice((1, -1, 2)) for _ in block[1]]
            for i in block[0]:
                alpha = rng.choice((1, -1, 2, Rational(1, 2)))
                for j, b in zip(block[1], beta, strict=True):
                    difference[i, j] = alpha * b
    g = Matrix(m, n, [p * x ** (p - 1) for x in difference.entries()])
    left, right = complement(g), complement(g.transpose())
    e = rng.randint(0, min(r, left.ncols(), right.ncols()))
    while True:
        core = random_matrix(left.ncols(), e, rng) * random_matrix(e, right.ncols(), rng)
        if rank(core) == e:
            break
    image = left * core * right.transpose() * rng.choice((1, Rational(1, 4)))
    loss = PowerLoss(image - difference, p)
    assert loss.gradient(image) == g
    weights = weights_of_strings(rng.choice(types_of(widths, e, rank(g))), image, g, rng)
    return Point(LinearNetwork(*widths), loss, weights)


def weighted_point(widths, rng):
    """Critical weights of ½ Σ λ (w − u)², λ ≥ 0 with zeros allowed where G vanishes."""
    n, m, r = widths[0], widths[-1], min(widths)
    e = rng.randint(0, r)
    rho = rng.randint(0, min(m, n) - e) if len(widths) > 2 else 0
    image, g = normal_pair(m, n, e, rho, rng)
    lam = Matrix(m, n, [rng.randint(1, 4) if x else rng.randint(0, 4) for x in g.entries()])
    quotient = [x / y if y else x for x, y in zip(g.entries(), lam.entries(), strict=True)]
    loss = WeightedSquaredLoss(image - Matrix(m, n, quotient), lam)
    weights = weights_of_strings(rng.choice(types_of(widths, e, rho)), image, g, rng)
    return Point(LinearNetwork(*widths), loss, weights)


def any_point(rng, largest=3, depths=(1, 2, 2, 3, 3, 4)):
    """A critical point of a loss of any type."""
    widths = random_widths(rng, largest, depths)
    kind = rng.choice(("squared", "definite", "semidefinite", "negative", "indefinite", "power", 0))
    if kind == "squared":
        return squared_point(widths, rng)
    if kind == "power":
        return power_point(widths, rng)
    return quadratic_point(widths, rng, kind) if kind else weighted_point(widths, rng)


def truth_of(point, hessian):
    """The label of a critical point of the squared loss: all its local minima are global, so a
    point above the minimum is a saddle, strict or not by the sign of its Hessian."""
    if point.value == point.minimum:
        return "global_minimum"
    return "strict_saddle" if hessian.negative else "non_strict_saddle"


# --- a Hessian that knows no formula -------------------------------------------------------------


class Jet:
    """A number with its first and second derivatives in D variables: value, D×1, D×D."""

    def __init__(self, value, slope, bend):
        self.value, self.slope, self.bend = value, slope, bend

    def __add__(self, other):
        if isinstance(other, Jet):
            return Jet(self.value + other.value, self.slope + other.slope, self.bend + other.bend)
        return Jet(self.value + other, self.slope, self.bend)

    __radd__ = __add__

    def __sub__(self, other):
        return self + other * -1

    def __mul__(self, other):
        if not isinstance(other, Jet):
            return Jet(self.value * other, self.slope * other, self.bend * other)
        mixed = self.slope * other.slope.transpose()
        return Jet(
            self.value * other.value,
            self.slope * other.value + other.slope * self.value,
            self.bend * other.value + other.bend * self.value + mixed + mixed.transpose(),
        )

    __rmul__ = __mul__

    def __pow__(self, k):
        out = self
        for _ in range(k - 1):
            out = out * self
        return out


def derivatives(point):
    """L(θ), its gradient and its Hessian, from the definition of the loss alone."""
    size, k = point.network.weight_count, 0
    layers = []
    for w in point.weights:
        rows = []
        for row in w.tolist():
            jets = []
            for x in row:
                slope = zeros(size, 1)
                slope[k, 0] = 1
                jets.append(Jet(x, slope, zeros(size, size)))
                k += 1
            rows.append(jets)
        layers.append(rows)
    product = layers[0]
    for layer in layers[1:]:
        product = [
            [
                sum(
                    (a * b[j] for a, b in zip(row[1:], product[1:], strict=True)),
                    row[0] * product[0][j],
                )
                for j in range(len(product[0]))
            ]
            for row in layer
        ]
    jet = point.loss.evaluate(product)
    return jet.value, jet.slope, jet.bend


@pytest.mark.parametrize("seed", range(30))
def test_hessian_is_the_second_derivative_of_the_loss(seed: int) -> None:
    rng = Random(seed)
    for _ in range(8):
        point = any_point(rng, largest=3, depths=(1, 2, 3, 4))
        moved = tuple(w + random_matrix(w.nrows(), w.ncols(), rng, 1) for w in point.weights)
        for weights in (point.weights, moved):
            here = Point(point.network, point.loss, weights)
            value, slope, bend = derivatives(here)
            c = classify(here.network, here.loss, weights)
            assert c.value == value
            assert c.is_critical == is_zero(slope)
            assert full_hessian(here.network, here.loss, weights) == bend
            assert c.hessian_inertia == inertia(bend) == ldlt(bend).inertia
        assert is_zero(derivatives(point)[1])


def formula(loss, w):
    """The loss as a SymPy expression, written down again from its definition."""
    import sympy

    data = loss.to_json()
    read = {k: sympy.Matrix(v).applyfunc(sympy.Rational) for k, v in data.items() if k in FIELDS}
    if data["type"] == "squared":
        r = w * read["X"] - read["Y"]
        return (r.T * r).trace() / 2
    d = w - read["target"]
    if data["type"] == "weighted":
        return sum(x * y**2 for x, y in zip(read["weights"], d, strict=True)) / 2
    if data["type"] == "power":
        return sum(x ** data["exponent"] for x in d)
    d = d.reshape(len(d), 1)
    return (d.T * read["form"] * d)[0] / 2


FIELDS = ("X", "Y", "target", "weights", "form")


@pytest.mark.parametrize(
    "widths", [(2, 1), (1, 1, 1, 1), (2, 1, 2), (1, 2, 2), (2, 1, 1, 2)], ids=str
)
def test_hessian_agrees_with_symbolic_differentiation(widths) -> None:
    import sympy

    rng = Random(str(widths))
    points = [squared_point(widths, rng), power_point(widths, rng), weighted_point(widths, rng)]
    points.append(quadratic_point(widths, rng, "indefinite"))
    for point in points:
        symbols = point.network.symbolic_weights()
        product = symbols[0]
        for s in symbols[1:]:
            product = s * product
        names = [x for s in symbols for x in s]
        at = dict(zip(names, (x for w in point.weights for x in to_sympy(w)), strict=True))
        expression = formula(point.loss, product)
        expected = sympy.hessian(expression, names).subs(at)
        assert to_sympy(full_hessian(point.network, point.loss, point.weights)) == expected
        assert all(sympy.diff(expression, x).subs(at) == 0 for x in names)


# --- the label of thousands of critical points of the squared loss -------------------------------


def chunk(seed):
    rng = Random(f"chunk {seed}")
    return [squared_point(random_widths(rng), rng) for _ in range(CHUNK)]


def assert_label_is_true(point) -> str:
    """Label, inertia by three routes, value, kind: all against construction and Hessian."""
    network, loss, weights = point.network, point.loss, point.weights
    c = classify(network, loss, weights)
    hessian = inertia(full_hessian(network, loss, weights))
    assert c.is_critical
    assert c.value == point.value
    assert c.nature == truth_of(point, hessian), (network, loss.to_json(), weights)
    assert c.hessian_inertia == hessian == hessian_inertia(network, loss, weights)
    small = loss.reduce(network)
    reduced = small.weights(weights)
    order = interlacing(small.loss.kronecker(), small.network.end_to_end(reduced))
    assert (order.greater, order.equal) == point.pairs
    product = small.network.end_to_end(reduced)
    strings = strings_of_weights(reduced, small.loss.gradient(product))
    counted = inertia_from_strings(small.network, strings, *point.pairs)
    assert counted.padded(network.weight_count - small.network.weight_count) == hessian
    assert is_tightened(strings) == (
        not untightened_pivots(small.network, small.loss.gradient(product), reduced)
    )
    return c.nature


@pytest.mark.parametrize("seed", range(CHUNKS))
def test_labels_of_squared_loss(seed: int) -> None:
    found = Counter(assert_label_is_true(point) for point in chunk(seed))
    assert len(found) > 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(CHUNKS, CHUNKS + MORE_CHUNKS))
def test_labels_of_more_points_of_squared_loss(seed: int) -> None:
    for point in chunk(seed):
        assert_label_is_true(point)


def test_the_chunks_cover_what_they_should() -> None:
    rngs = [Random(f"chunk {seed}") for seed in range(3)]
    points = [squared_point(random_widths(rng), rng) for rng in rngs for _ in range(CHUNK)]
    architectures = Counter(p.network.widths for p in points)
    assert len(architectures) >= 60
    assert {len(d) - 1 for d in architectures} == {1, 2, 3, 4, 5}
    assert sum(rank(p.loss.X) < p.network.widths[0] for p in points) > 20
    assert sum(len({*p.kept, *p.left_out}) < len(p.kept + p.left_out) for p in points) > 40
    assert sum(p.pairs[1] > 0 for p in points) > 10
    assert sum(p.loss.X * p.loss.X.transpose() != identity(p.loss.X.nrows()) for p in points) > 200
    assert CHUNK * CHUNKS >= 3000


EVERY_TYPE = [(2, 2), (1, 1, 1), (2, 1, 2), (2, 2, 2), (1, 2, 2), (3, 2, 3), (1, 1, 1, 1)]
EVERY_TYPE += [(2, 1, 1, 2), (2, 2, 2, 2), (1, 2, 1, 2), (2, 2, 1, 2), (1, 1, 1, 1, 1)]
EVERY_TYPE += [(1, 2, 2, 1, 1), (1, 1, 1, 1, 1, 1)]


@pytest.mark.parametrize("widths", EVERY_TYPE, ids=str)
def test_labels_of_every_type(widths) -> None:
    """One point of every stratum, for each choice of kept singular values 2 > 1 = 1."""
    rng = Random(str(widths))
    m, n, network = widths[-1], widths[0], LinearNetwork(*widths)
    sigma = [2, 1, 1][: min(m, n)]
    loss, u, v = random_squared_problem(m, n, sigma, seed=rng.randint(0, 99))
    d = columns(loss.X, range(n))
    minimum = sum((Rational(x) ** 2 for x in sigma[min(widths) :]), Rational(0)) / 2
    chosen = [[i for i in range(len(sigma)) if mask >> i & 1] for mask in range(1 << len(sigma))]
    for kept in [s for s in chosen if len(s) <= min(widths)]:
        left_out = [x for i, x in enumerate(sigma) if i not in kept]
        shown = [x if i in kept else 0 for i, x in enumerate(sigma)]
        product = u * diagonal(shown, m, n) * v.transpose() * inverse(d)
        value = sum((Rational(x) ** 2 for x in left_out), Rational(0)) / 2
        for kind in types_of(widths, len(kept), len(left_out)):
            weights = random_critical_weights(network, loss, product, rng.randint(0, 99), kind)
            kept_values = tuple(sigma[i] for i in kept)
            point = Point(network, loss, weights, value, minimum, kept_values, tuple(left_out))
            assert_label_is_true(point)
            assert strings_of_weights(weights, loss.gradient(product)) == kind


# --- other losses: two routes to the inertia, and what they imply -------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_inertia_and_label_of_other_losses(seed: int) -> None:
    rng = Random(f"other {seed}")
    for _ in range(60):
        point = any_point(rng, depths=(1, 2, 2, 3, 3, 4, 5))
        network, loss = point.network, point.loss
        hessian = inertia(full_hessian(network, loss, point.weights))
        c = classify(network, loss, point.weights)
        assert c.is_critical
        assert c.hessian_inertia == hessian == hessian_inertia(network, loss, point.weights)
        if hessian.negative and hessian.positive:
            assert c.nature == "strict_saddle"
        assert (c.nature in (*MINIMA, "non_strict_saddle")) <= (hessian.negative == 0)
        assert (c.nature == "strict_saddle") <= (hessian.negative > 0)
        assert (c.nature == "local_maximum") <= (hessian.positive == 0)
        if loss.is_convex():
            assert c.nature != "undecided"
            if is_zero(c.gradient):
                assert c.nature == "global_minimum"
            elif network.is_filling:  # no bad minima (Laurent, von Brecht 2018)
                assert "saddle" in c.nature or c.effective is not None
        if c.is_bad_minimum:
            lower = c.certificate.evidence["lower_point"]
            assert loss.value(lower) < c.value
            assert rank(lower) <= network.rank_bound
        if c.function_space_inertia is not None:
            size = network.maximal_differential_rank
            assert c.function_space_inertia.padded(network.weight_count - size) == hessian


def test_loss_classes_agree_where_they_overlap() -> None:
    """½‖WX − Y‖² with XXᵀ = 2I is also a weighted, a general quadratic and a power loss."""
    rng = Random(5)
    for _ in range(60):
        widths = random_widths(rng, 3)
        n, m = widths[0], widths[-1]
        x = hstack(identity(n), identity(n))
        sigma = [rng.choice((0, 1, 1, 2)) for _ in range(min(m, n))]
        target = cayley(m, rng) * diagonal(sigma, m, n) * cayley(n, rng)
        losses = [
            SquaredLoss(x, target * x),
            WeightedSquaredLoss(target, Matrix(m, n, [2] * (m * n))),
            QuadraticLoss(target, identity(m * n) * 2),
            PowerLoss(target, 2),
        ]
        if len(widths) == 2:
            weights = (target,)
        else:
            weights = random_critical_weights(
                LinearNetwork(*widths), losses[0], None, rng.randint(0, 99)
            )
        found = [classify(LinearNetwork(*widths), loss, weights) for loss in losses]
        factors = [1, 1, 1, 2]  # Σ(w − u)² is half of 2Σ(w − u)²
        assert (
            len({(c.nature, c.hessian_inertia, c.kind, c.untightened_pivots) for c in found}) == 1
        )
        assert found[0].value == found[1].value == found[2].value
        assert factors and found[3].value == found[2].value


# --- invariance ----------------------------------------------------------------------------------


def words(c):
    """What must not change with the basis."""
    return (
        c.is_critical,
        c.rank,
        c.nature,
        c.kind,
        c.hessian_inertia,
        c.function_space_inertia,
        c.differential_rank,
        c.untightened_pivots,
        c.is_bad_minimum,
    )


def as_quadratic(loss):
    """The same loss, or its second-order part, as a general quadratic loss."""
    m, n = loss.shape
    form = loss.hessian(zeros(m, n))
    if isinstance(loss, QuadraticLoss):
        return loss
    target = loss.kronecker().target if isinstance(loss, SquaredLoss) else loss.target
    return QuadraticLoss(target, form)


def turned(point, a, b):
    """The same problem in new bases of output and input: W̄ becomes A W̄ B⁻¹."""
    weights = list(point.weights)
    weights[0] = weights[0] * inverse(b)
    weights[-1] = a * weights[-1]
    loss = point.loss
    if isinstance(loss, SquaredLoss):
        assert a * a.transpose() == identity(a.nrows())
        return Point(point.network, SquaredLoss(b * loss.X, a * loss.Y), tuple(weights))
    q = as_quadratic(loss)
    back = kron(inverse(a), b.transpose())
    form = back.transpose() * q.form * back
    return Point(point.network, QuadraticLoss(a * q.target * inverse(b), form), tuple(weights))


def transposed(point):
    """The reversed network with transposed weights, and ℓ(Wᵀ) as a loss."""
    weights = tuple(w.transpose() for w in reversed(point.weights))
    loss, (m, n) = point.loss, point.loss.shape
    if isinstance(loss, PowerLoss):
        new = PowerLoss(loss.target.transpose(), loss.exponent)
    elif isinstance(loss, WeightedSquaredLoss):
        new = WeightedSquaredLoss(loss.target.transpose(), loss.weights.transpose())
    else:
        q = as_quadratic(loss)
        order = [i * n + j for j in range(n) for i in range(m)]
        form = Matrix(m * n, m * n, [q.form[a, b] for a in order for b in order])
        new = QuadraticLoss(q.target.transpose(), form)
    return Point(point.network.reversed(), new, weights)


def gauged(point, groups):
    """W_i becomes g_i W_i g_{i−1}⁻¹ with g_0 = g_h = 1."""
    d = point.network.widths
    g = [identity(d[0]), *groups, identity(d[-1])]
    weights = tuple(
        after * w * inverse(before)
        for w, (before, after) in zip(point.weights, pairwise(g), strict=True)
    )
    return Point(point.network, point.loss, weights)


def permutation(n, rng):
    return columns(identity(n), rng.sample(range(n), n))


def random_turn(point, rng):
    m, n = point.loss.shape
    if isinstance(point.loss, SquaredLoss):
        return turned(point, cayley(m, rng), random_invertible(n, rng))
    if isinstance(point.loss, PowerLoss):  # only signs and permutations keep Σ (w − u)^p
        signs = [diagonal([rng.choice((1, -1)) for _ in range(k)]) for k in (m, n)]
        a, b = signs[0] * permutation(m, rng), signs[1] * permutation(n, rng)
        weights = list(point.weights)
        weights[0] = weights[0] * inverse(b)
        weights[-1] = a * weights[-1]
        target = a * point.loss.target * inverse(b)
        return Point(point.network, PowerLoss(target, point.loss.exponent), tuple(weights))
    return turned(point, random_invertible(m, rng), random_invertible(n, rng))


def rescaled(point, c):
    """c·ℓ for c > 0, where the loss class has it."""
    loss = point.loss
    if isinstance(loss, QuadraticLoss):
        new = QuadraticLoss(loss.target, loss.form * c)
    elif isinstance(loss, WeightedSquaredLoss):
        new = WeightedSquaredLoss(loss.target, loss.weights * c)
    elif isinstance(loss, SquaredLoss):
        new = QuadraticLoss(as_quadratic(loss).target, loss.hessian(zeros(*loss.shape)) * c)
    else:
        new = loss
    return Point(point.network, new, point.weights)


def with_data_scaled(point, c):
    """Target and W̄ multiplied by c; the last layer takes the factor."""
    loss = point.loss
    if isinstance(loss, SquaredLoss):
        new = SquaredLoss(loss.X, loss.Y * c)
    elif isinstance(loss, PowerLoss):
        new = PowerLoss(loss.target * c, loss.exponent)
    elif isinstance(loss, WeightedSquaredLoss):
        new = WeightedSquaredLoss(loss.target * c, loss.weights)
    else:
        new = QuadraticLoss(loss.target * c, loss.form)
    return Point(point.network, new, (*point.weights[:-1], point.weights[-1] * c))


@pytest.mark.parametrize("seed", range(10))
def test_labels_do_not_depend_on_the_basis(seed: int) -> None:
    rng = Random(f"basis {seed}")
    for _ in range(18):
        point = any_point(rng)
        c = classify(point.network, point.loss, point.weights)
        hidden = point.network.widths[1:-1]
        scale = Rational(rng.choice((-3, 2, 5)), rng.choice((1, 2, 7)))
        others = [
            gauged(point, [random_invertible(d, rng) for d in hidden]),
            gauged(point, [permutation(d, rng) for d in hidden]),
            random_turn(point, rng),
            rescaled(point, abs(scale)),
            with_data_scaled(point, scale),
        ]
        for other in others:
            new = classify(other.network, other.loss, other.weights)
            assert words(new)[:-1] == words(c)[:-1], (point, other)
            assert new.certificate.check().ok
        back = transposed(point)
        new = classify(back.network, back.loss, back.weights)
        assert words(new)[:-2] == words(c)[:-2]
        h = point.network.depth
        mirrored = {(h + 1 - j, h + 1 - i) for i, j in c.untightened_pivots}
        assert set(new.untightened_pivots) == mirrored


def with_unseen_directions(point, rng):
    """ℓ(CWB) for a general quadratic loss ℓ: weights over a given critical point, others added."""
    (m, n), weights = point.loss.shape, list(point.weights)
    rows, cols = m + rng.randint(0, 2), n + rng.randint(0, 2)
    left = columns(random_invertible(rows, rng, 1), range(m)).transpose()
    right = columns(random_invertible(cols, rng, 1), range(n))
    up, down = left_inverse(left.transpose()).transpose(), left_inverse(right)
    dead_rows, dead_columns = complement(left.transpose()), complement(right).transpose()
    see = kron(left, right.transpose())
    target = up * point.loss.target * down
    target += dead_rows * random_matrix(dead_rows.ncols(), cols, rng)
    weights[0] = weights[0] * down
    weights[-1] = up * weights[-1]
    weights[-1] += dead_rows * random_matrix(dead_rows.ncols(), weights[-1].ncols(), rng, 1)
    weights[0] += random_matrix(weights[0].nrows(), dead_columns.nrows(), rng, 1) * dead_columns
    network = LinearNetwork(cols, *point.network.widths[1:-1], rows)
    form = see.transpose() * point.loss.form * see
    return Point(network, QuadraticLoss(target, form), tuple(weights))


@pytest.mark.parametrize("seed", range(4))
def test_directions_the_loss_cannot_see(seed: int) -> None:
    """They change the ranks and the widths, not the nature; the Hessian gains zeros only."""
    rng = Random(f"unseen {seed}")
    for _ in range(40):
        kind = rng.choice(("definite", "semidefinite", "indefinite", "negative"))
        point = quadratic_point(random_widths(rng, 3, (1, 2, 2, 3)), rng, kind)
        wide = with_unseen_directions(point, rng)
        c = classify(point.network, point.loss, point.weights)
        new = classify(wide.network, wide.loss, wide.weights)
        assert new.is_critical
        assert new.nature == c.nature
        assert new.value == c.value
        hessian = inertia(full_hessian(wide.network, wide.loss, wide.weights))
        assert new.hessian_inertia == hessian == hessian_inertia(*parts(wide))
        missing = wide.network.weight_count - point.network.weight_count
        assert hessian == c.hessian_inertia.padded(missing)
        assert new.certificate.check().ok


def parts(point):
    return point.network, point.loss, point.weights


def test_transposed_squared_loss_with_orthonormal_inputs() -> None:
    """For XXᵀ = I, ½‖WX − Y‖² and ½‖Wᵀ − XYᵀ‖² differ by a constant."""
    rng = Random(11)
    for _ in range(40):
        widths = random_widths(rng, 3, (2, 3, 4))
        n, m = widths[0], widths[-1]
        sigma = [rng.choice((0, 1, 1, 2, 3)) for _ in range(min(m, n))]
        x = columns(cayley(n + 1, rng), range(n)).transpose()
        y = cayley(m, rng) * diagonal(sigma, m, n) * x
        loss, back = SquaredLoss(x, y), SquaredLoss(identity(m), x * y.transpose())
        weights = random_critical_weights(LinearNetwork(*widths), loss, None, rng.randint(0, 99))
        c = classify(LinearNetwork(*widths), loss, weights)
        reverse = tuple(w.transpose() for w in reversed(weights))
        new = classify(LinearNetwork(*reversed(widths)), back, reverse)
        assert words(new)[:6] == words(c)[:6]


@pytest.mark.parametrize("seed", range(6))
def test_negative_of_a_loss_has_the_opposite_label(seed: int) -> None:
    """Minima become maxima; a saddle stays one, though it may be strict on one side only."""
    rng = Random(f"negative {seed}")
    opposite = {
        "global_minimum": {"local_maximum", "undecided"},
        "local_minimum": {"local_maximum", "undecided", "degenerate"},
        "local_maximum": {"local_minimum", "global_minimum", "undecided", "degenerate"},
        "strict_saddle": {"strict_saddle", "non_strict_saddle", "undecided"},
        "non_strict_saddle": {"strict_saddle", "non_strict_saddle", "undecided"},
    }
    for _ in range(40):
        kind = rng.choice(("definite", "semidefinite", "negative", "indefinite"))
        point = quadratic_point(random_widths(rng, 3, (1, 2, 3)), rng, kind)
        if is_zero(point.loss.form):
            continue
        flipped = QuadraticLoss(point.loss.target, -point.loss.form)
        c = classify(point.network, point.loss, point.weights)
        new = classify(point.network, flipped, point.weights)
        positive, negative, zero = c.hessian_inertia
        assert new.hessian_inertia == Inertia(negative, positive, zero)
        if c.nature in opposite:
            assert new.nature in opposite[c.nature], (point, c.nature, new.nature)


# --- pivots --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_both_forms_of_the_pivots_agree(seed: int) -> None:
    """W_{<j} Σ_XY W_{>i} has rank e iff W_{>i}ᵀ G W_{<j}ᵀ = 0, at critical weights with XXᵀ
    invertible: always on the effective problem."""
    rng = Random(f"pivots {seed}")
    loose = 0
    for _ in range(100):
        point = squared_point(random_widths(rng, 3, (2, 3, 4, 5)), rng)
        small = point.loss.reduce(point.network)
        weights = small.weights(point.weights)
        gradient = small.loss.gradient(small.network.end_to_end(weights))
        with_gradient = untightened_pivots(small.network, gradient, weights)
        with_data = achour_untightened_pivots(small.network, small.loss, weights)
        assert with_data == with_gradient
        loose += bool(with_data)
    assert 10 < loose < 95


def test_the_form_with_data_needs_inputs_that_span() -> None:
    """W̄ = (0, 1) is not seen by X = (1, 0)ᵀ: the block with data has rank 0, but rk W̄ = 1."""
    network, loss = LinearNetwork(2, 2, 1), SquaredLoss([[1], [0]], [[0]])
    weights = network.check_weights([[[0, 0], [0, 1]], [[0, 1]]])
    gradient = loss.gradient(network.end_to_end(weights))
    assert is_zero(gradient)
    assert untightened_pivots(network, gradient, weights) == ()
    assert achour_untightened_pivots(network, loss, weights) == ((2, 1),)


def test_column_space_of_generators_is_what_it_says() -> None:
    """The generators themselves: W̄ and G have the ranks asked for and are normal to each other."""
    rng = Random(3)
    for _ in range(50):
        m, n = rng.randint(1, 4), rng.randint(1, 4)
        e = rng.randint(0, min(m, n))
        rho = rng.randint(0, min(m, n) - e)
        image, g = normal_pair(m, n, e, rho, rng)
        assert (rank(image), rank(g)) == (e, rho)
        assert is_zero(column_space(image).transpose() * g)
        assert is_zero(g * image.transpose())
