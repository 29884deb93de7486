"""The Bures–Wasserstein loss and its critical points, against numeric routes that share nothing."""

from __future__ import annotations

import json
from itertools import product
from random import Random

import numpy as np
import pytest

from detvar.classify import classify
from detvar.critical import certify_near, check_result, critical_locus, critical_points, exhaustive
from detvar.critical.bures_wasserstein import bures_wasserstein_points
from detvar.errors import DetvarError, InputError, ShapeError
from detvar.exact.balls import arb, arb_mat, working_precision
from detvar.exact.matrices import matrix
from detvar.exact.matrix_roots import square_root, trace_of_root
from detvar.exact.rational import Rational
from detvar.losses import BuresWassersteinLoss, is_analytic, loss_from_json
from detvar.losses.growth import attainment, sublevel_box
from detvar.networks import LinearNetwork
from detvar.varieties import DeterminantalVariety

SHAPES = [(1, 1), (2, 2), (3, 2), (2, 3), (3, 3), (4, 2), (3, 1), (1, 3)]


def psd(rng, m, rho):
    """A random rational covariance of rank ρ (almost surely)."""
    a = np.array([[rng.randint(-3, 3) for _ in range(rho)] for _ in range(m)])
    while np.linalg.matrix_rank(a) < rho:
        a = np.array([[rng.randint(-3, 3) for _ in range(rho)] for _ in range(m)])
    return (a @ a.T).tolist()


def root(a):
    values, vectors = np.linalg.eigh(a)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def distance(k, s):
    """tr(K + S) − 2 tr(S^½KS^½)^½, as it is printed everywhere."""
    half = root(s)
    return np.trace(k + s) - 2 * np.trace(root(half @ k @ half))


def random_case(seed):
    rng = Random(seed)
    m, n = rng.choice(SHAPES)
    rho = rng.randint(1, m)
    loss = BuresWassersteinLoss(psd(rng, m, rho), n)
    return loss, np.random.default_rng(seed).normal(size=(m, n)), rng


def floats(a):
    return np.array([[int(x.p) / int(x.q) for x in row] for row in a.tolist()])


# --- the loss ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(25))
def test_value_gradient_and_hessian_of_arrays(seed):
    loss, w, _ = random_case(seed)
    m, n = loss.shape
    s = floats(loss.covariance)
    assert loss.value_array(w) == pytest.approx(distance(w @ w.T, s), abs=1e-6)
    step = 1e-5 * np.eye(m * n).reshape(m * n, m, n)
    slopes = (loss.value_array(w + step) - loss.value_array(w - step)) / 2e-5
    assert loss.gradient_array(w).ravel() == pytest.approx(slopes, abs=1e-5)
    up, down = loss.gradient_array(w + step), loss.gradient_array(w - step)
    second = ((up - down) / 2e-5).reshape(m * n, m * n)
    size = np.abs(second).max()
    assert loss.hessian_array(w) == pytest.approx(second, abs=1e-3 * size)
    assert loss.hessian_array(np.stack([w, 2 * w])).shape == (2, m * n, m * n)


@pytest.mark.parametrize("seed", range(12))
def test_it_is_the_least_cost_of_a_coupling(seed):
    """min E|x − y|² over Gaussian couplings: tr K + tr S − 2 tr X over [[K, X], [Xᵀ, S]] ⪰ 0."""
    rng = np.random.default_rng(seed)
    w, c = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    s = np.round(8 * c @ c.T) / 8 + np.eye(3)
    loss = BuresWassersteinLoss([[Rational(int(8 * x), 8) for x in row] for row in s])
    k, value = w @ w.T, loss.value_array(w)
    half = np.linalg.cholesky(k), np.linalg.cholesky(s)
    for _ in range(30):  # any contraction gives a coupling, none is cheaper
        z = rng.normal(size=(3, 3))
        x = half[0] @ (z / np.linalg.norm(z, 2)) @ half[1].T
        assert np.trace(k + s - 2 * x) >= value - 1e-9
    # the optimal map T carries K to S, and costs just that; the gradient is 2(1 − T)W
    r = root(s)
    t = r @ np.linalg.inv(root(r @ k @ r)) @ r
    assert t @ k @ t == pytest.approx(s) and t == pytest.approx(t.T)
    assert np.trace((np.eye(3) - t) @ k @ (np.eye(3) - t)) == pytest.approx(value)
    assert loss.gradient_array(w) == pytest.approx(2 * (np.eye(3) - t) @ w)


@pytest.mark.parametrize("seed", range(15))
def test_balls_hold_the_values_at_all_points_in_them(seed):
    loss, w, _ = random_case(100 + seed)
    m, n = loss.shape
    rng = np.random.default_rng(seed)
    for radius in (0.0, 1e-9, 1e-3):
        ball = arb_mat(m, n, [arb(x, radius) for x in w.ravel()])
        value, gradient = loss.value_ball(ball), loss.gradient_ball(ball)
        hessian = loss.hessian_ball(ball)
        for _ in range(4):
            inside = w + radius * rng.uniform(-1, 1, size=w.shape)
            slack = arb(0, 1e-9 * (1 + abs(float(loss.value_array(inside)))))
            assert (value + slack).contains(arb(float(loss.value_array(inside))))
            for balls, array in (
                (gradient, loss.gradient_array(inside)),
                (hessian, loss.hessian_array(inside)),
            ):
                near = arb(0, 1e-7 * (1 + np.abs(array).max()))
                for x, y in zip(balls.entries(), array.ravel(), strict=True):
                    assert not x.is_finite() or (x + near).contains(arb(float(y)))
        if radius < 1e-6 and np.linalg.cond(loss._c_array.T @ w) < 30:
            assert max(float(x.rad()) for x in hessian.entries()) < 1e-3


def test_balls_are_sharp_at_high_precision():
    """S = [[5, 4], [4, 5]] = R² with R = [[2, 1], [1, 2]], so at W = 1 the value is 2 + 10 − 8."""
    loss = BuresWassersteinLoss([[5, 4], [4, 5]])
    with working_precision(300):
        value = loss.value_ball(arb_mat([[1, 0], [0, 1]]))
        assert value.contains(4) and value.rad() < arb(2) ** -250
        gradient = loss.gradient_ball(arb_mat([[1, 0], [0, 1]]))
        for x, y in zip(gradient.entries(), (-2, -2, -2, -2), strict=True):
            assert x.contains(y) and x.rad() < arb(2) ** -250


def test_balls_where_the_loss_is_not_smooth():
    loss = BuresWassersteinLoss([[2, 1], [1, 2]])
    for w, value in (([[0, 0], [0, 0]], 4.0), ([[1, 0], [0, 0]], 5 - 2 * 2**0.5)):
        ball = arb_mat(w)
        assert (loss.value_ball(ball) + arb(0, 1e-12)).contains(arb(value))
        assert loss.value_ball(ball).rad() < 1e-5
        for x in (*loss.gradient_ball(ball).entries(), *loss.hessian_ball(ball).entries()):
            assert not x.is_finite()


@pytest.mark.parametrize("seed", range(10))
def test_kinks_where_the_rank_falls(seed):
    """The one-sided slopes along D and −D add up to −4‖E‖_*, measured by small steps."""
    rng = np.random.default_rng(seed)
    m, n = 3, int(rng.integers(2, 4))
    loss = BuresWassersteinLoss(psd(Random(seed), m, int(rng.integers(2, 4))), n)
    c = loss._c_array
    w = rng.normal(size=(m, 1)) @ rng.normal(size=(1, n))
    d = rng.normal(size=(m, n))
    u, _, v = np.linalg.svd(c.T @ w)
    part = u[:, 1:].T @ (c.T @ d) @ v[1:].T
    expected = -4 * np.linalg.svd(part, compute_uv=False).sum()
    t = 1e-6
    two = (loss.value_array(w + t * d) + loss.value_array(w - t * d) - 2 * loss.value_array(w)) / t
    assert two == pytest.approx(expected, rel=1e-3) and two < 0


@pytest.mark.parametrize("seed", range(10))
def test_invariances_and_the_bounds_below(seed):
    loss, w, rng = random_case(300 + seed)
    m, n = loss.shape
    q = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0]
    assert loss.value_array(w @ q) == pytest.approx(float(loss.value_array(w)))
    growth = loss.growth()
    radius = np.trace(floats(loss.covariance)) ** 0.5
    box = sublevel_box(growth, 20, (m, n))
    assert attainment(growth, (m, n)).answer and box is not None
    for _ in range(50):
        big = matrix([[Rational(rng.randint(-99, 99), 9) for _ in range(n)] for _ in range(m)])
        value = float(loss.value_array(floats(big)))
        below = growth.bound(big)
        assert value >= int(below.p) / int(below.q) - 1e-9
        assert value >= (np.linalg.norm(floats(big)) - radius) ** 2 - 1e-6
        if value <= 20:
            ends = zip(box, big.entries(), strict=True)
            assert all(low <= x <= high for (low, high), x in ends)


def test_it_is_not_convex_as_the_reason_says():
    loss = BuresWassersteinLoss([[1, 0], [0, 0]], 2)
    known = loss.convexity()
    assert known.answer is False and not loss.is_convex() and "midpoint" in known.reason
    w = np.array([[0.5, 0.0], [0.0, 0.0]])
    ends = loss.value_array(w), loss.value_array(-w)
    assert ends[0] == pytest.approx(ends[1]) and ends[0] < loss.value_array(0 * w)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("m,n,rho", [(1, 3, 1), (2, 2, 2), (3, 2, 3), (2, 3, 2), (3, 3, 2)])
def test_symbols_agree_with_arrays(m, n, rho, seed):
    import sympy

    loss = BuresWassersteinLoss(psd(Random(seed), m, rho), n)
    rng = Random(seed)
    w = sympy.Matrix(m, n, lambda i, j: sympy.Rational(rng.randint(-9, 9), 7))
    array = np.array(w.tolist(), dtype=float)
    if np.linalg.svd(loss._c_array.T @ array, compute_uv=False)[-1] < 1e-3:
        return
    assert float(loss.symbolic(w)) == pytest.approx(float(loss.value_array(array)), abs=1e-9)
    gradient = np.array(loss.symbolic_gradient(w).evalf().tolist(), dtype=float)
    assert gradient == pytest.approx(loss.gradient_array(array), abs=1e-9)


def test_symbols_are_refused_where_there_are_none():
    import sympy

    with pytest.raises(InputError, match="at most 2, not 3"):
        BuresWassersteinLoss([[1, 0, 0], [0, 2, 0], [0, 0, 3]]).symbolic(sympy.eye(3))
    a, b = sympy.symbols("a b")
    low = sympy.Matrix([[a * a, a * b], [a * b, b * b]])
    with pytest.raises(InputError, match="not differentiable at matrices of smaller rank than 2"):
        BuresWassersteinLoss([[1, 0], [0, 2]]).symbolic_gradient(low)


# --- square roots of matrices of balls ----------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_square_roots_hold_the_roots_of_all_matrices(seed):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, 5))
    r = rng.normal(size=(k, k))
    g = r @ r.T + 0.3 * np.eye(k)
    for radius in (0.0, 1e-8, 1e-2):
        balls = arb_mat(k, k, [arb(x, radius) for x in g.ravel()])
        found = square_root(balls)
        assert found is not None
        for _ in range(5):
            e = radius * rng.uniform(-1, 1, size=(k, k))
            some = root(g + (e + e.T) / 2)
            for x, y in zip(found.entries(), some.ravel(), strict=True):
                assert (x + arb(0, 1e-11)).contains(arb(float(y)))
        if radius == 0.0:
            assert max(float(x.rad()) for x in found.entries()) < 1e-9


def test_singular_matrices_have_a_trace_but_no_enclosed_root():
    assert square_root(arb_mat([[1, 1], [1, 1]])) is None
    value = trace_of_root(arb_mat([[1, 1], [1, 1]]))
    assert (value + arb(0, 1e-14)).contains(arb(2).sqrt()) and value.rad() < 1e-6
    assert trace_of_root(arb_mat([[0]])).contains(0)
    wide = trace_of_root(arb_mat([[arb(1, 3)]]))  # all of [0, 2]
    assert wide.contains(0) and wide.contains(2)


# --- critical points ----------------------------------------------------------------------------

CASES = [
    ([3, 2, 1], 3),
    ([3, 2, 1], 2),
    ([3, 2, 1], 5),
    ([2, 2, 1], 3),
    ([2, 1, 1], 2),
    ([2, 2, 2], 2),
    ([4, 1, 0], 3),
    ([2, 2, 0], 2),
    ([5, 3, 3, 1], 3),
    ([1, 0, 0], 2),
    ([7], 1),
    ([7], 3),
]


def rotated(values, seed):
    """A rational symmetric matrix with these eigenvalues: turned by a Cayley transform."""
    rng = Random(seed)
    m = len(values)
    a = matrix([[0] * m for _ in range(m)])
    for i in range(m):
        for j in range(i):
            a[i, j] = Rational(rng.randint(-3, 3), 2)
            a[j, i] = -a[i, j]
    one = matrix([[int(i == j) for j in range(m)] for i in range(m)])
    q = (one - a) * (one + a).inv()
    d = matrix([[values[i] if i == j else 0 for j in range(m)] for i in range(m)])
    return q * d * q.transpose()


def some_point(s, component, seed):
    """A critical W from NumPy's eigenvectors: kept ones at random in each eigenspace, rows of Q."""
    rng = np.random.default_rng(seed)
    values, vectors = np.linalg.eigh(s)
    left = []
    distinct = sorted({round(float(x), 6) for x in values if x > 1e-9}, reverse=True)
    for x, k in zip(distinct, component.take, strict=True):
        space = vectors[:, np.abs(values - x) < 1e-5]
        turn = np.linalg.qr(rng.normal(size=(space.shape[1],) * 2))[0]
        left.append((space @ turn)[:, :k] * x**0.5)
    n, e = component.columns, component.rank
    q = np.linalg.qr(rng.normal(size=(n, n)))[0][:e]
    return np.hstack(left) @ q


def on_rank(w, e):
    u, s, v = np.linalg.svd(w)
    return (u[..., :e] * s[..., None, :e]) @ v[..., :e, :]


def tangents(w, e):
    u, _, v = np.linalg.svd(w)
    m, n = w.shape
    basis = [np.outer(u[:, i], v[j]) for i, j in product(range(m), range(n)) if i < e or j < e]
    return np.array(basis).reshape(-1, m, n)


@pytest.mark.parametrize("values,n", CASES)
def test_every_component_is_critical_with_the_stated_value_and_inertia(values, n):
    """Slopes and second differences of ℓ along truncated SVDs of W + Σ t_i Δ_i."""
    loss = BuresWassersteinLoss(rotated(values, n), n)
    m = len(values)
    s = floats(loss.covariance)
    found = bures_wasserstein_points(DeterminantalVariety(m, n, min(m, n)), loss)
    for number, c in enumerate(found.components):
        w = some_point(s, c, number)
        assert loss.value_array(w) == pytest.approx(float(c.value), abs=1e-7)
        e = c.rank
        assert np.linalg.matrix_rank(w) == e
        basis = tangents(w, e)
        assert len(basis) == sum(c.inertia)
        if e == 0:
            continue

        def along(t, w=w, e=e, basis=basis):
            return loss.value_array(on_rank(w + np.tensordot(t, basis, axes=1), e))

        h, d = 2e-3, len(basis)
        one = h * np.eye(d)
        slopes = (along(one) - along(-one)) / (2 * h)
        assert np.abs(slopes).max() < 1e-4
        pairs = one[:, None] + one[None, :], one[:, None] - one[None, :]
        plus, minus = along(pairs[0]), along(pairs[1])
        hessian = (plus - minus - np.swapaxes(minus, 0, 1) + along(-pairs[0])) / (4 * h * h)
        eigenvalues = np.linalg.eigvalsh((hessian + hessian.T) / 2)
        small = np.abs(eigenvalues) < 0.02
        signs = (
            int((eigenvalues[~small] > 0).sum()),
            int((eigenvalues[~small] < 0).sum()),
            int(small.sum()),
        )
        assert signs == tuple(c.inertia), (c.symbols, eigenvalues)


@pytest.mark.parametrize("values,n", CASES)
def test_the_index_by_exact_algebra(values, n):
    """q(ξ) = tr(S⁻ξ²) − 2 tr(P⊥ξK⁺ξ) on the tangent space {AK + KAᵀ} of rank-e covariances."""
    s = rotated(values, n)
    m = len(values)
    if 0 in values:
        return
    found = bures_wasserstein_points(
        DeterminantalVariety(m, n, min(m, n)), BuresWassersteinLoss(s, n)
    )
    inverse = floats(s.inv())
    for c in found.components:
        k = c.covariance()
        if k is None or not c.rank:
            continue
        table = floats(k)
        plus = np.linalg.pinv(table, rcond=1e-9)
        out = np.eye(m) - plus @ table
        moves = []
        for i, j in product(range(m), repeat=2):
            a = np.zeros((m, m))
            a[i, j] = 1
            moves.append((a @ table + table @ a.T).ravel())
        u, sigma, _ = np.linalg.svd(np.array(moves).T, full_matrices=False)
        space = u[:, sigma > 1e-9].T.reshape(-1, m, m)

        def form(x, y, plus=plus, out=out):
            return np.trace(inverse @ (x @ y + y @ x)) - 2 * np.trace(
                out @ (x @ plus @ y + y @ plus @ x)
            )

        h = np.array([[form(x, y) for y in space] for x in space])
        eigenvalues = np.linalg.eigvalsh(h)
        assert (eigenvalues < -1e-9).sum() == c.index
        stiefel = n * c.rank - c.rank * (c.rank + 1) // 2
        assert (np.abs(eigenvalues) < 1e-9).sum() == c.nullity - stiefel


@pytest.mark.parametrize("seed", range(4))
def test_newton_from_everywhere_finds_the_listed_points_and_no_other(seed):
    """ℓ depends on WWᵀ alone, so rank e is found on m×e matrices, where ℓ is smooth."""
    rng = np.random.default_rng(seed)
    values = [[4, 2, 1], [3, 3, 1], [2, 1], [5, 2, 1]][seed]
    m = len(values)
    s = rotated(values, seed)
    for e in range(1, m):
        loss = BuresWassersteinLoss(s, e)
        listed = bures_wasserstein_points(DeterminantalVariety(m, e, e), loss).smooth
        wanted = {round(float(c.value), 5): c for c in listed}
        seen = set()
        for _ in range(40):
            w = rng.normal(size=(m, e)) * 1.5
            for _ in range(60):
                g = loss.gradient_array(w).ravel()
                step = np.linalg.lstsq(loss.hessian_array(w), -g, rcond=1e-8)[0]
                w = w + (step * min(1.0, 0.5 / max(np.linalg.norm(step), 1e-12))).reshape(m, e)
            if np.linalg.norm(loss.gradient_array(w)) > 1e-9:
                continue
            value = round(float(loss.value_array(w)), 5)
            assert value in wanted
            eigenvalues = np.linalg.eigvalsh(loss.hessian_array(w))
            assert (eigenvalues < -1e-6).sum() == wanted[value].index
            seen.add(value)
        assert seen == set(wanted)


@pytest.mark.parametrize("values,n", CASES)
def test_counts_dimensions_and_values(values, n):
    m = len(values)
    loss = BuresWassersteinLoss(rotated(values, 7), n)
    rho = sum(map(bool, values))
    for r in range(1, min(m, n) + 1):
        found = bures_wasserstein_points(DeterminantalVariety(m, n, r), loss)
        assert found.bound == min(r, rho) and found.is_complete
        assert found.minimal_value == sum(sorted(values, reverse=True)[r:])
        assert [c.nullity for c in found.components] == [c.dimension for c in found.components]
        # all choices of eigenvalues, counted with their multiplicity of values
        choices = {
            e: {
                tuple(sum(bool(k) for k, x in zip(pick, values, strict=True) if x == y)
                      for y in sorted(set(values) - {0}, reverse=True))
                for pick in product((0, 1), repeat=m)
                if sum(pick) == e and all(x for k, x in zip(pick, values, strict=True) if k)
            }
            for e in range(min(r, rho) + 1)
        }  # fmt: skip
        assert {(c.rank, c.take) for c in found.components} == {
            (e, take) for e, takes in choices.items() for take in takes
        }
        assert found.expected_count == len(found.smooth)
        assert len(found.minima) == 1


def test_how_many_pieces_a_component_has():
    def pieces(s, n, r):
        m = len(s)
        found = bures_wasserstein_points(DeterminantalVariety(m, n, r), BuresWassersteinLoss(s, n))
        return [(c.take, c.dimension, c.connected_components) for c in found.smooth]

    # W = ±√λ u on a line; a circle of them if the eigenvalue is double; points of a circle in R²
    assert pieces([[2, 0], [0, 1]], 1, 1) == [((1, 0), 0, 2), ((0, 1), 0, 2)]
    assert pieces([[2, 0], [0, 2]], 1, 1) == [((1,), 1, 1)]
    assert pieces([[2, 0], [0, 1]], 2, 1) == [((1, 0), 1, 1), ((0, 1), 1, 1)]
    # e = n: O(2) has two pieces, told apart by the sign of det W
    assert pieces([[2, 0], [0, 1]], 2, 2) == [((1, 1), 1, 2)]


# --- networks -----------------------------------------------------------------------------------


def train(loss, weights, steps=4000, rate=0.02):
    """Gradient descent on all layers."""
    w = [x.copy() for x in weights]
    for _ in range(steps):
        product_of = np.linalg.multi_dot(w[::-1]) if len(w) > 1 else w[0]
        g = loss.gradient_array(product_of)
        partial = []
        for i in range(len(w)):
            above = np.eye(loss.shape[0])
            for x in w[:i:-1]:
                above = above @ x
            below = np.eye(loss.shape[1])
            for x in w[:i]:
                below = x @ below
            partial.append(above.T @ g @ below.T)
        w = [x - rate * p for x, p in zip(w, partial, strict=True)]
    return float(loss.value_array(np.linalg.multi_dot(w[::-1]) if len(w) > 1 else w[0]))


@pytest.mark.parametrize("widths", [(2, 2), (2, 2, 2), (3, 2, 3), (2, 3, 2, 3)])
def test_descent_ends_in_the_global_minimum(widths):
    n, m, r = widths[0], widths[-1], min(widths)
    loss = BuresWassersteinLoss(rotated([2, 1, 1][:m], 3), n)
    best = float(critical_points(LinearNetwork(*widths), loss).minimal_value)
    rng = np.random.default_rng(len(widths) + r)
    for _ in range(3):
        start = [rng.normal(size=(b, a)) * 0.7 for a, b in zip(widths, widths[1:], strict=False)]
        assert train(loss, start) == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("seed", range(40))
def test_weights_of_smaller_rank_can_always_be_improved(seed):
    """Layers over each critical matrix of smaller rank, with cut units; random small steps."""
    rng = np.random.default_rng(seed)
    widths = [(2, 2, 2), (3, 2, 2), (2, 2, 2, 2), (3, 2, 3)][seed % 4]
    n, m = widths[0], widths[-1]
    s = rotated([2, 1, 1][:m], seed)
    loss = BuresWassersteinLoss(s, n)
    found = critical_points(LinearNetwork(*widths), loss)
    low = [c for c in found.components if c.rank < found.bound]
    c = low[seed % len(low)]
    w = some_point(floats(s), c, seed) if c.rank else np.zeros((m, n))
    u, sigma, v = np.linalg.svd(w)
    e, h = c.rank, len(widths) - 1
    layers = []
    for i in range(h):
        x = np.zeros((widths[i + 1], widths[i]))
        for j in range(e):
            x[j, j] = sigma[j] if i == 0 else 1.0
        for j in range(e, min(x.shape)):  # further units, cut in at least one layer
            x[j, j] = float(rng.integers(0, 2)) if i != seed % h else 0.0
        layers.append(x)
    layers[0], layers[-1] = layers[0] @ v, u @ layers[-1]
    value = float(loss.value_array(w))
    best = value
    for scale in (0.1, 0.03, 0.01):
        for _ in range(300):
            moved = [x + scale * rng.normal(size=x.shape) for x in layers]
            # the part that only scales the kept units is left out: along it the loss may grow fast
            moved = [_rest_only(x, y, i, h, e, u, v) for i, (x, y) in
                     enumerate(zip(layers, moved, strict=True))]  # fmt: skip
            best = min(best, float(loss.value_array(np.linalg.multi_dot(moved[::-1]))))
        assert best < value - 1e-9, (c.symbols, scale)
        best = value


def _rest_only(x, y, i, h, e, u, v):
    """Change x towards y only outside the kept units."""
    change = y - x
    if i == 0:
        change = change @ v.T
    if i == h - 1:
        change = u.T @ change
    change[:e, :] = 0
    change[:, :e] = 0
    if i == h - 1:
        change = u @ change
    if i == 0:
        change = change @ v
    return x + change


# --- saving, reading, refusing ------------------------------------------------------------------


@pytest.mark.parametrize(
    "s,n,r",
    [([[3, 0], [0, 1]], 2, 1), ([[2, 1], [1, 1]], 3, 2), ([[1, 1, 0], [1, 2, 1], [0, 1, 3]], 3, 2)],
)
def test_saved_points_are_checked_and_corrupted_ones_refused(s, n, r):
    found = critical_points(DeterminantalVariety(len(s), n, r), BuresWassersteinLoss(s, n))
    saved = json.loads(json.dumps(found.to_json()))
    report = check_result(saved)
    assert report.ok and "Sylvester" in report.lines[0]
    assert "covariance" in str(found) and found._repr_html_().startswith("<table")
    for field, change in (
        ("index", lambda x: x + 1),
        ("dimension", lambda x: x + 1),
        ("connected_components", lambda x: 3 - x),
        ("value", lambda x: "1/7"),
        ("covariance", lambda x: [["1"]]),
    ):
        wrong = json.loads(json.dumps(saved))
        wrong["components"][0][field] = change(wrong["components"][0][field])
        assert not check_result(wrong).ok
    wrong = json.loads(json.dumps(saved))
    wrong["components"].pop()
    assert not check_result(wrong).ok
    wrong = json.loads(json.dumps(saved))
    wrong["eigenvalues"][0]["multiplicity"] += 1
    assert not check_result(wrong).ok


def test_irrational_eigenvalues_have_exact_values():
    loss = BuresWassersteinLoss([[2, 1], [1, 1]])  # eigenvalues (3 ± √5)/2
    found = critical_points(DeterminantalVariety(2, 2, 1), loss)
    assert [str(c.value) for c in found.smooth] == ["(3-√5)/2", "(3+√5)/2"]
    assert [c.covariance() for c in found.smooth] == [None, None]
    whole = critical_points(DeterminantalVariety(2, 2, 2), loss)
    assert whole.minima[0].covariance() == loss.covariance and whole.minimal_value == 0


def test_latex_shows_the_loss_and_every_component():
    loss = BuresWassersteinLoss([[2, 1], [1, 1]], 3)
    text = critical_points(DeterminantalVariety(2, 3, 1), loss).to_latex()
    assert loss.to_latex() in text and r"\frac{3-\sqrt{5}}{2}" in text
    assert text.count(r"\\") >= 3 and text.count("{") == text.count("}")
    assert loss._repr_latex_().startswith("$") and r"R=\begin{pmatrix}" in loss.growth().to_latex()


def test_reading_and_writing_the_loss():
    loss = loss_from_json({"type": "bures_wasserstein", "covariance": [[2, "1/2"], ["1/2", 1]]})
    assert loss.shape == (2, 2) and is_analytic(loss) and not loss.is_polynomial
    wide = loss_from_json({**loss.to_json(), "columns": 5})
    assert wide.shape == (2, 5) and loss_from_json(wide.to_json()).to_json() == wide.to_json()
    left, middle = wide.factors
    assert left * middle * left.transpose() == wide.covariance


@pytest.mark.parametrize(
    "arguments,word",
    [
        (([[1, 2], [0, 1]],), "not symmetric"),
        (([[1, 2], [2, 1]],), "negative eigenvalue"),
        (([[0, 1], [1, 0]],), "negative eigenvalue"),
        (([[-1]],), "negative eigenvalue"),
        (([[0, 0], [0, 0]],), "covariance is 0"),
        (([[1, 2]],), "symmetric"),
        (([[0.5]],), r"covariance\[0\]\[0\] is the float"),
        (([[1]], 0), "columns must be a whole number"),
        (([[1]], "2"), "columns must be a whole number"),
        (([[1]], True), "columns must be a whole number"),
    ],
)
def test_bad_data_are_refused_by_name(arguments, word):
    with pytest.raises(DetvarError, match=word):
        BuresWassersteinLoss(*arguments)


def test_what_cannot_be_done_is_said():
    loss, net = BuresWassersteinLoss([[2, 0], [0, 1]]), LinearNetwork(2, 1, 2)
    one = matrix([[1, 0], [0, 1]])
    for call in (loss.value, loss.gradient, loss.hessian, loss.transposed):
        with pytest.raises(InputError):
            call(*() if call == loss.transposed else (one,))
    with pytest.raises(InputError, match="no transposed form"):
        loss.transposed()
    with pytest.raises(InputError, match="critical_points"):
        classify(net, loss, net.random_weights(seed=1))
    with pytest.raises(InputError, match="closed form for Kronecker losses"):
        critical_locus(net, loss)
    with pytest.raises(InputError, match="critical_points lists its points"):
        certify_near(DeterminantalVariety(2, 2, 1), loss, [[[1.0, 0.0], [0.0, 0.0]]])
    with pytest.raises(InputError, match="critical_points lists its points"):
        exhaustive(loss, 1, 2)
    with pytest.raises(ShapeError, match="give columns=3 to the loss"):
        critical_points(DeterminantalVariety(2, 3, 1), loss)
