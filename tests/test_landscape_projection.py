"""Projections to fibers: closed forms, brute force, certificates against wrong critical points."""

import json
from random import Random
from typing import Any

import numpy as np
import pytest

from detvar.errors import InputError, ShapeError
from detvar.exact.groebner import groebner_basis
from detvar.exact.msolve import count_modulo, find_msolve, random_prime
from detvar.exact.rational import Rational
from detvar.exact.rational_functions import Polynomial, polynomial_ring
from detvar.landscape import fiber_newton
from detvar.landscape.fiber_certificate import enclose, spectral_norm
from detvar.landscape.fiber_projection import (
    FiberProjection,
    distance_from_zero,
    project_to_fiber,
)
from detvar.landscape.projection import ProjectionComparison, best_of_rank, compare_projections
from detvar.landscape.scalar_net import project_on_quadric

Array = Any


def brute_force(w: Array, b: Array, a: Array, starts: int, seed: int) -> Array:
    """Values of ‖DG − B‖² + ‖G⁻¹D − A‖², W = D², after Levenberg–Marquardt in G.

    Shapes (t, r, r); every problem from `starts` random G.  Returns (t, starts).
    """
    rng = np.random.default_rng(seed)
    t, r, _ = b.shape
    d, b, a = (np.repeat(m, starts, axis=0) for m in (np.sqrt(w), b, a))
    g = rng.standard_normal((t * starts, r, r)) * np.exp(rng.uniform(-1.5, 1.5, (t * starts, 1, 1)))
    units = np.eye(r * r).reshape(r * r, 1, r, r)

    def residual(x: Array) -> Array:
        parts = [d @ x - b, np.linalg.inv(x) @ d - a]
        return np.concatenate([m.reshape(len(x), -1) for m in parts], axis=1)

    damping = np.full(t * starts, 1e-2)
    rest = residual(g)
    for _ in range(80):
        inverse = np.linalg.inv(g)
        rows = [(d @ e, -inverse @ e @ inverse @ d) for e in units]
        jacobian = np.stack(
            [np.concatenate([m.reshape(len(g), -1) for m in row], axis=1) for row in rows], axis=2
        )
        normal = jacobian.swapaxes(1, 2) @ jacobian
        diagonal = np.einsum("sii->si", normal)
        normal[:, range(r * r), range(r * r)] += damping[:, None] * diagonal + 1e-300
        step = np.linalg.solve(normal, (jacobian.swapaxes(1, 2) @ rest[..., None]))[..., 0]
        new = g - step.reshape(g.shape)
        with np.errstate(all="ignore"):
            there = residual(new)
            better = (there**2).sum(axis=1) < (rest**2).sum(axis=1)
        g[better], rest[better] = new[better], there[better]
        damping = np.clip(np.where(better, damping / 5, damping * 4), 1e-12, 1e8)
    return (rest**2).sum(axis=1).reshape(t, starts)


def problems(r: int, count: int, seed: int) -> tuple[Array, Array, Array]:
    """Diagonal W and square B, A at scales from 0.1 to 3."""
    rng = np.random.default_rng(seed)
    w = np.zeros((count, r, r))
    w[:, range(r), range(r)] = -np.sort(-rng.uniform(0.05, 3, (count, r)), axis=1)
    scale = np.exp(rng.uniform(np.log(0.1), np.log(3), (count, 1, 1)))
    b, a = (scale * rng.standard_normal((count, r, r)) for _ in range(2))
    return w, b, a


# --- stated numbers -----------------------------------------------------------------------------


def test_two_by_two() -> None:
    found = project_to_fiber([[1, 0.2], [0, 1.5]], [[1.5, 0], [0.3, 0.4]], [[2, 0], [0, 1]])
    assert found.distance**2 == pytest.approx(0.1687796520, abs=1e-10)
    assert np.allclose(found.B, [[1.192466, 0.182747], [-0.166974, 1.576801]], atol=1e-6)
    assert found.multiplier_norm == pytest.approx(0.210147, abs=1e-6)
    assert found.is_certified
    assert found.radius < 1e-13 and found.deviation < 1e-14


@pytest.mark.parametrize(
    ("w", "start", "end", "multiplier"),
    [
        (1.25, (3, 1), (2.9160114026, 0.4286677340), 0.1959293664),
        (2, (0.5, -2), (-0.8189171264, -2.4422495703), -0.5400419116),
    ],
)
def test_scalar_net(
    w: float, start: tuple[float, float], end: tuple[float, float], multiplier: float
) -> None:
    found = project_to_fiber([[start[0]]], [[start[1]]], [[w]])
    assert [found.B[0, 0], found.A[0, 0]] == pytest.approx(end, abs=1e-9)
    assert found.multiplier[0, 0] == pytest.approx(multiplier, abs=1e-9)
    a, b = project_on_quadric(np.array([start[0]]), np.array([start[1]]), w)
    assert [a[0], b[0]] == pytest.approx(end, abs=1e-9)
    assert found.is_certified


@pytest.mark.parametrize("hidden", [2, 5])
@pytest.mark.parametrize("sign", [1, -1])
def test_wide_scalar_nets_agree_with_the_quadric(hidden: int, sign: int) -> None:
    rng = np.random.default_rng(hidden)
    for _ in range(10):
        a, b, w = (
            rng.standard_normal(hidden),
            rng.standard_normal(hidden),
            sign * rng.uniform(0.1, 3),
        )
        found = project_to_fiber(a[None], b[:, None], [[w]])
        p, q = project_on_quadric(a, b, w)
        assert np.allclose(found.B[0], p, atol=1e-8) and np.allclose(found.A[:, 0], q, atol=1e-8)
        assert found.is_certified


def test_distance_from_zero() -> None:
    w = [[1.5, 0.4], [0.2, 1]]
    assert distance_from_zero(w) ** 2 == pytest.approx(5.0159744816, abs=1e-10)
    zero = np.zeros((2, 2))
    assert project_to_fiber(zero, zero, w).distance == pytest.approx(distance_from_zero(w))
    # with one hidden unit more than needed nothing changes
    assert project_to_fiber(
        np.full((2, 3), 1e-9), np.full((3, 2), 1e-9), w
    ).distance == pytest.approx(distance_from_zero(w), abs=1e-6)


def test_distance_from_zero_with_three_layers() -> None:
    """min ‖X₃‖² + ‖X₂‖² + ‖X₁‖², X₁ = (X₃X₂)⁻¹W: over X₂ and X₃ without constraints."""
    optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")
    w = np.random.default_rng(3).standard_normal((2, 2))

    def total(z: Array) -> float:
        x, y = z.reshape(2, 2, 2)
        return float((z**2).sum() + (np.linalg.solve(x @ y, w) ** 2).sum())

    rng = np.random.default_rng(0)
    runs = [optimize.minimize(total, rng.standard_normal(8), tol=1e-13) for _ in range(5)]
    assert min(run.fun for run in runs) == pytest.approx(distance_from_zero(w, 3) ** 2, rel=1e-6)


# --- brute force and wrong certificates ---------------------------------------------------------


@pytest.mark.parametrize(
    ("r", "count", "starts"),
    [
        (1, 200, 10),
        (2, 90, 30),
        (3, 20, 30),
        pytest.param(2, 300, 50, marks=pytest.mark.slow),
        pytest.param(3, 100, 50, marks=pytest.mark.slow),
    ],
)
def test_no_certificate_is_false(r: int, count: int, starts: int) -> None:
    w, b, a = problems(r, count, seed=r)
    other = brute_force(w, b, a, starts, seed=10 + r).min(axis=1)
    certified = missed = 0
    for i in range(count):
        found = project_to_fiber(b[i], a[i], w[i], starts=48)
        assert np.allclose(found.B @ found.A, w[i], atol=1e-9)
        certified += found.is_certified
        missed += found.distance**2 > other[i] * (1 + 1e-7)
        if found.is_certified:
            assert found.distance**2 <= other[i] + 1e-9 * (1 + other[i])
        if r == 1:
            assert found.is_certified
    assert certified > count / 3
    assert missed <= count / 50, "the search misses nearest points"


@pytest.mark.parametrize("r", [1, 2, 3])
def test_worse_critical_points_get_no_certificate(r: int) -> None:
    wrong = 0
    for w, b, a in zip(*problems(r, 60 // r, seed=20 + r), strict=True):
        starts = fiber_newton._random(w, b, a, 12, 1)
        points, values, _ = fiber_newton.descend(w, b, a, starts)
        for x, value in zip(points, values, strict=True):
            if np.isfinite(value) and value > values.min() + 1e-6:
                y = np.linalg.solve(x, w)
                assert enclose(w, b, a, x, y, True) is None
                wrong += 1
    assert wrong > 10


def test_the_exact_point_is_within_the_radius() -> None:
    """One unit: the fiber of W̃ = BA is xy = W̃, and x is a root of a quartic over Q."""
    mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed")
    rng = np.random.default_rng(5)
    with mpmath.workdps(60):
        for _ in range(40):
            b, a, w = rng.normal(size=3)
            found = project_to_fiber([[b]], [[a]], [[w]])
            x, y, b, a = (mpmath.mpf(float(v)) for v in (found.B[0, 0], found.A[0, 0], b, a))
            v = x * y
            roots = mpmath.polyroots([1, -b, 0, a * v, -v * v], maxsteps=500, extraprec=400)
            real = [z.real for z in roots if abs(z.imag) < mpmath.mpf(10) ** -40]
            best = min(real, key=lambda z: (z - b) ** 2 + (v / z - a) ** 2)
            off = mpmath.sqrt((best - x) ** 2 + (v / best - y) ** 2)
            assert off <= found.radius
            size = mpmath.sqrt((best - b) ** 2 + (v / best - a) ** 2)
            assert abs(size - found.distance) <= found.radius + 1e-15 * (1 + abs(size))
            assert abs(v - mpmath.mpf(float(w))) <= found.deviation


def test_the_exact_point_is_within_the_radius_for_two_units() -> None:
    """Newton's method with 50 digits on W̃ = BA: X = BG, XᵀX − XᵀB₀ = (Y − A₀)Yᵀ."""
    mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed")
    w, b, a = problems(2, 12, seed=31)
    checked = 0
    with mpmath.workdps(50):
        for i in range(len(w)):
            found = project_to_fiber(b[i], a[i], w[i])
            if not found.is_certified:
                continue
            x, y, first, second = (
                mpmath.matrix(m.tolist()) for m in (found.B, found.A, b[i], a[i])
            )

            def both(z: Any, x: Any = x, y: Any = y) -> tuple[Any, Any]:
                g = mpmath.matrix([[z[0], z[1]], [z[2], z[3]]])
                return x * g, g**-1 * y

            def equations(
                *z: Any, first: Any = first, second: Any = second, both: Any = both
            ) -> Any:
                p, q = both(z)
                return list(p.T * (p - first) - (q - second) * q.T)

            p, q = both(mpmath.findroot(equations, (1, 0, 0, 1), tol=1e-80, maxsteps=30))
            off = mpmath.sqrt(mpmath.mnorm(p - x, "f") ** 2 + mpmath.mnorm(q - y, "f") ** 2)
            assert off <= found.radius < 1e-12
            checked += 1
    assert checked > 4


def test_units_do_not_matter() -> None:
    w, b, a = (m[0] for m in problems(2, 1, seed=8))
    found = project_to_fiber(b, a, w)
    for unit in (2.0**-60, 2.0**70):
        other = project_to_fiber(unit * b, unit * a, unit**2 * w)
        assert (unit * found.B == other.B).all() and other.distance == unit * found.distance
        assert other.is_certified == found.is_certified and other.radius == unit * found.radius


def test_outside_the_column_space_nothing_happens() -> None:
    """For hidden width = rank the fiber stays in the column space of W: parts outside are cost."""
    rng = np.random.default_rng(2)
    w = rng.standard_normal((5, 2)) @ rng.standard_normal((2, 4))
    u, _, vt = np.linalg.svd(w)
    b, a = rng.standard_normal((5, 2)) / 3, rng.standard_normal((2, 4)) / 3
    found = project_to_fiber(b, a, w)
    moved = b + u[:, 2:] @ rng.standard_normal((3, 2))
    again = project_to_fiber(moved, a, w)
    assert np.allclose(again.B, found.B) and np.allclose(again.A, found.A)
    assert again.distance > found.distance
    assert np.abs(u[:, 2:].T @ found.B).max() < 1e-12 and np.abs(vt[2:] @ found.A.T).max() < 1e-12


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 2, 2), (2, 3, 3), (3, 2, 4), (1, 3, 2)])
def test_transposition(shape: tuple[int, int, int]) -> None:
    p, q, k = shape
    rng = np.random.default_rng(p + 10 * q)
    w, b, a = (rng.standard_normal(size) for size in ((p, q), (p, k), (k, q)))
    found, turned = project_to_fiber(b, a, w), project_to_fiber(a.T, b.T, w.T)
    assert turned.distance == pytest.approx(found.distance)
    if found.is_certified and turned.is_certified:
        assert np.allclose(turned.A.T, found.B) and np.allclose(turned.B.T, found.A)


@pytest.mark.parametrize(("p", "q", "k"), [(2, 2, 3), (1, 2, 3), (3, 2, 4)])
def test_wide_layers_against_points_of_the_fiber(p: int, q: int, k: int) -> None:
    """Random points of the fiber near the projection are farther; X, and Y = X⁺W + kernel."""
    rng = np.random.default_rng(k)
    for _ in range(15):
        w, b, a = (rng.standard_normal(size) for size in ((p, q), (p, k), (k, q)))
        found = project_to_fiber(b, a, w)
        assert np.allclose(found.B @ found.A, w, atol=1e-10)
        noise = np.concatenate([np.full(400, 0.01), np.full(400, 0.3), np.full(400, 2.0)])
        x = found.B + noise[:, None, None] * rng.standard_normal((1200, p, k))
        y = found.A + noise[:, None, None] * rng.standard_normal((1200, k, q))
        y -= np.linalg.pinv(x) @ (x @ y - w)
        values = ((x - b) ** 2).sum(axis=(1, 2)) + ((y - a) ** 2).sum(axis=(1, 2))
        assert values.min() > found.distance**2
        assert found.is_certified == (found.multiplier_norm < 1)
        assert np.allclose(b - found.B, found.multiplier @ found.A.T, atol=1e-9)
        assert np.allclose(a - found.A, found.B.T @ found.multiplier, atol=1e-9)


def test_points_of_the_medial_axis_are_not_certified() -> None:
    found = project_to_fiber([[0.0]], [[0.0]], [[2.0]])
    assert not found.is_certified
    assert found.distance == pytest.approx(2.0)  # √(2·2), at ±(√2, √2)


def test_spectral_norm_is_an_upper_bound() -> None:
    from detvar.exact.balls import arb_mat

    rng = np.random.default_rng(0)
    for shape in ((1, 1), (2, 3), (5, 4)):
        m = rng.standard_normal(shape)
        bound, true = float(spectral_norm(arb_mat(m.tolist())).mid()), np.linalg.norm(m, 2)
        assert true * (1 - 1e-14) <= bound <= true * 1.0001


# --- Euclidean distance degrees -----------------------------------------------------------------


def critical_system(p: int, q: int, k: int, seed: int) -> list[Polynomial]:
    """XY = W, X − B + ΛYᵀ = 0, Y − A + XᵀΛ = 0 with random integers; Λ only if k > min(p, q).

    For k = p = q the multiplier goes: Xᵀ(B − X) = (A − Y)Yᵀ.
    """
    rng = Random(seed)
    wide = not p == q == k
    names = [f"x{i}{j}" for i in range(p) for j in range(k)]
    names += [f"y{i}{j}" for i in range(k) for j in range(q)]
    names += [f"l{i}{j}" for i in range(p) for j in range(q)] if wide else []
    gens = list(polynomial_ring(names))

    def table(rows: int, columns: int, entry: Any) -> Array:
        out = np.empty((rows, columns), dtype=object)
        for at in np.ndindex(rows, columns):
            out[at] = entry()
        return out

    def block(rows: int, columns: int) -> Array:
        return table(rows, columns, lambda: gens.pop(0))

    def numbers(rows: int, columns: int) -> Array:
        return table(rows, columns, lambda: Rational(rng.randrange(-9, 10) or 5))

    x, y = block(p, k), block(k, q)
    w, b, a = numbers(p, q), numbers(p, k), numbers(k, q)
    out = [x @ y - w]
    if wide:
        m = block(p, q)
        out += [x - b + m @ y.T, y - a + x.T @ m]
    else:
        out += [x.T @ (b - x) - (a - y) @ y.T]
    return [f for part in out for f in part.ravel()]


def test_degree_four_over_q() -> None:
    standard = groebner_basis(critical_system(1, 1, 1, 0)).standard
    assert standard is not None and len(standard) == 4


@pytest.mark.parametrize(
    ("shape", "degree"),
    [((1, 1, 1), 4), ((2, 2, 2), 24), ((1, 1, 2), 4), ((2, 1, 2), 8), ((2, 2, 3), 40)],
)
def test_euclidean_distance_degrees(shape: tuple[int, int, int], degree: int) -> None:
    if find_msolve() is None:
        pytest.skip("the program msolve is not installed")
    prime = random_prime(Random(sum(shape)))
    assert count_modulo(critical_system(*shape, seed=1), prime) == (degree, degree)


# --- runs ---------------------------------------------------------------------------------------


def data(r: int, noise: float, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((4, 40))
    w = rng.standard_normal((3, r)) @ rng.standard_normal((r, 4))
    return x, w @ x + noise * rng.standard_normal((3, 40))


def test_neither_projection_bounds_the_other() -> None:
    """Each kind of p allows a pair (α, β) that the other one forbids, on stored seeds."""
    first = compare_projections(*data(1, 1.0, 1), 1, seed=1, every=30)
    second = compare_projections(*data(2, 1.0, 1), 2, seed=1, every=30)
    assert first.exact.best_ratio().ratio < first.last.best_ratio().ratio
    assert second.exact.best_ratio().ratio > second.last.best_ratio().ratio
    for found, inner, outer in ((first, "last", "exact"), (second, "exact", "last")):
        wide, narrow = getattr(found, outer), getattr(found, inner)
        gaps = {d: narrow.phi(d) - wide.phi(d) for d in np.linspace(0.01, 2, 200).tolist()}
        delta = max(gaps, key=lambda d: gaps[d] if np.isfinite(wide.phi(d)) else -np.inf)
        alpha = wide.phi(delta) * (1 + 1e-9)
        assert wide.contains(alpha, alpha - delta, tolerance=1e-7)
        assert not narrow.contains(alpha, alpha - delta, tolerance=1e-7)
        assert found.certified == found.points == 100
    again = ProjectionComparison.from_json(json.loads(json.dumps(first.to_json())))
    assert str(again) == str(first) and "100 points" in first.to_latex()


def test_best_matrix_of_a_rank() -> None:
    """No matrix of rank 2 near it, and no random one, has a smaller error."""
    x, y = data(3, 1.0, 4)
    w = best_of_rank(x, y, 2)
    assert np.linalg.matrix_rank(w) == 2
    u, s, vt = np.linalg.svd(w)
    b, a = u[:, :2] * s[:2], vt[:2]
    rng = np.random.default_rng(0)
    for scale in (1e-3, 0.1, 1.0):
        for _ in range(200):
            other = (b + scale * rng.standard_normal(b.shape)) @ (
                a + scale * rng.standard_normal(a.shape)
            )
            assert ((other @ x - y) ** 2).sum() > ((w @ x - y) ** 2).sum()


# --- input and output ---------------------------------------------------------------------------


def test_json() -> None:
    found = project_to_fiber([[1.0, 0.3]], [[0.5], [0.1]], [[2.0]])
    again = FiberProjection.from_json(json.loads(json.dumps(found.to_json())))
    assert str(again) == str(found) and (again.B == found.B).all() and again.is_certified
    assert again.radius == found.radius and "certified" in found.to_latex()
    with pytest.raises(InputError, match="to_json"):
        FiberProjection.from_json({"B": 1})


def test_the_same_call_gives_the_same_point() -> None:
    w, b, a = (m[0] for m in problems(3, 1, seed=9))
    first, second = (project_to_fiber(3 * b, 3 * a, w) for _ in range(2))
    assert (first.B == second.B).all() and first.critical_points == second.critical_points


@pytest.mark.parametrize(
    ("b", "a", "w", "error", "words"),
    [
        ([[1, 2]], [[1]], [[1]], ShapeError, "B is 1×2"),
        ([1, 2], [[1]], [[1]], ShapeError, "B has shape"),
        ([[float("nan")]], [[1]], [[1]], InputError, "finite"),
        ([["a"]], [[1]], [[1]], InputError, "matrix of real numbers"),
        ([[1], [1]], [[1, 1]], [[1, 0], [0, 1]], InputError, "fiber is empty"),
        (np.eye(2), np.eye(2), [[1, 1], [1, 1]], InputError, "singular"),
        ([[1]], [[1]], [[0]], InputError, "singular"),
    ],
)
def test_bad_input(b: Any, a: Any, w: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        project_to_fiber(b, a, w)


def test_bad_runs() -> None:
    x, y = data(1, 0.1, 0)
    with pytest.raises(InputError, match="smaller one"):
        compare_projections(x, y, 1, step_size=50.0)
    with pytest.raises(InputError, match="span"):
        compare_projections(np.ones((2, 5)), np.ones((1, 5)), 1)
    with pytest.raises(ShapeError, match="column per sample"):
        compare_projections(x, y[:, :3], 1)
