"""Degenerate points and losses that are not convex: what second derivatives leave open.

For 2×n matrices of rank one and a weighted loss, the best right factor is known for every left
factor (x, 1), so that a polynomial in x alone decides; labels are compared with it.  Elsewhere the
loss is followed exactly along many polynomial curves: its first term must not contradict a label.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from random import Random

import pytest
from test_classify_laws import (
    Point,
    any_point,
    normal_pair,
    quadratic_point,
    random_invertible,
    random_matrix,
    random_widths,
    turned,
    types_of,
)

from detvar.classify import Certificate, classify
from detvar.classify.along import curve, loss_along
from detvar.classify.degenerate import chart_at, chart_hessian, reduce_degenerate
from detvar.classify.hessian import full_hessian, function_space_hessian
from detvar.exact.inertia import Inertia, inertia
from detvar.exact.matrices import (
    Matrix,
    column_space,
    complement,
    diagonal,
    hstack,
    identity,
    inverse,
    is_zero,
    kron,
    left_inverse,
    matrix,
    rank,
    unvec,
    vec,
    zeros,
)
from detvar.exact.rational import Rational, rational
from detvar.exact.series import polynomial
from detvar.losses import PowerLoss, QuadraticLoss, WeightedSquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.networks.sampling import weights_of_strings

MINIMA = {"global_minimum", "local_minimum"}
FLAT = WeightedSquaredLoss([[1, 0, 0], [0, 1, 0], [0, 0, "1/4"]], [[1, 1, 2], [1, 1, 2], [3, 3, 1]])


def rank_one(u, v):
    """The weights (vᵀ, u) of n–1–m over uvᵀ."""
    return Matrix(1, len(v), v), Matrix(len(u), 1, u)


def classified(loss, u, v):
    return classify(LinearNetwork(len(v), 1, len(u)), loss, rank_one(u, v))


# --- the truth for weighted losses on 2×n matrices of rank one -----------------------------------


def first_term(loss, x0):
    """Order and coefficient of min_v ℓ((x, 1)ᵀ v) at x0, times a positive denominator.

    For a fixed x the best v has v_j = b_j/q_j with b_j = λ_1j x u_1j + λ_2j u_2j and
    q_j = λ_1j x² + λ_2j, so that min_v ℓ = ½ Σ (λ_1j u_1j² + λ_2j u_2j² − b_j²/q_j).
    """
    n = loss.shape[1]
    lam, u = loss.weights.tolist(), loss.target.tolist()
    x = polynomial([x0, Rational(1)])
    q = [x * x * lam[0][j] + lam[1][j] for j in range(n)]
    b = [x * (lam[0][j] * u[0][j]) + lam[1][j] * u[1][j] for j in range(n)]
    others = [prod((q[k] for k in range(n) if k != j), start=x * 0 + 1) for j in range(n)]
    lowered = sum((b[j] * b[j] * others[j] for j in range(n)), x * 0)
    here = sum(b[j][0] ** 2 / q[j][0] for j in range(n))
    difference = others[0] * q[0] * here - lowered
    return next(((k, c) for k, c in enumerate(difference.coeffs()) if c), None)


def expected_nature(term):
    """Local minimum, strict saddle, non-strict saddle, or flat, of min_v ℓ along x."""
    if term is None:
        return "flat"
    k, c = term
    assert k > 1, "the point is critical"
    if k == 2:
        return "local_minimum" if c > 0 else "strict_saddle"
    return "local_minimum" if k % 2 == 0 and c > 0 else "non_strict_saddle"


@pytest.mark.parametrize("seed", range(6))
def test_weighted_losses_on_two_rows(seed: int) -> None:
    rng = Random(f"rows {seed}")
    found = Counter()
    for _ in range(60):
        n = rng.randint(2, 4)
        lam = Matrix(2, n, [rng.randint(1, 9) for _ in range(2 * n)])
        x0 = Rational(rng.randint(-3, 3), rng.randint(1, 3))
        v = [rng.randint(-3, 3) for _ in range(n)]
        if not any(v):
            continue
        normal = complement(Matrix(n, 1, v))
        g = normal * random_matrix(n - 1, 1, rng, 12)
        residual = Matrix(2, 1, [1, -x0]) * g.transpose()  # G with (x0, 1) G = 0 and G v = 0
        image = Matrix(2, 1, [x0, 1]) * Matrix(1, n, v)
        shift = [a / b for a, b in zip(residual.entries(), lam.entries(), strict=True)]
        loss = WeightedSquaredLoss(image - Matrix(2, n, shift), lam)
        c = classified(loss, [x0, 1], v)
        truth = expected_nature(first_term(loss, x0))
        kronecker = lam.rank() == 1 and truth in ("flat", "local_minimum")
        if is_zero(residual) or kronecker:
            truth = "global_minimum"
        assert c.is_critical and c.kind == "pure"
        assert c.nature == truth
        found[truth] += 1
    assert found["local_minimum"] > 3 and found["strict_saddle"] > 3


def at_the_threshold(ratios, shares, last, scale):
    """A 2×(k+1) weighted loss critical at (0, 1)ᵀ(0, …, 0, c) whose Hessian vanishes along x.

    With ρ_j = λ_1j/λ_2j and shares p_j = λ_1j² u_1j²/λ_2j, the function min_v ℓ((x, 1)ᵀ v) is
    const + ½ x² [P/(1 + ρ x²) − Σ p_j/(1 + ρ_j x²)] if λ_1c² = P = Σ p_j in the last column: its
    first term is ½ (−1)^k (P ρ^k − Σ p_j ρ_j^k) x^{2k+2} for the first k where that is not zero.
    The shares must be of the form p = ρ · u² with rational u, for λ_1j = scale·ρ_j.
    """
    top, bottom, target = [], [], []
    total = sum((ratio * u**2 for ratio, u in zip(ratios, shares, strict=True)), Rational(0))
    # λ_1j = ρ_j, λ_2j = 1, p_j = ρ_j² u_j²; here u is divided so that p_j = ρ_j u²
    for ratio, u in zip(ratios, shares, strict=True):
        top.append(ratio * ratio * scale)
        bottom.append(ratio * scale)
        target.append(u / ratio)
    # now p_j = ρ⁴ u²/ρ² / ρ = ρ u², times the scale
    top.append(total * scale)
    bottom.append(total * scale / last)
    n = len(ratios)
    loss = WeightedSquaredLoss([[*target, 0], [0] * n + [1]], [top, bottom])
    terms = [
        (-1) ** k
        * (total * last**k - sum(r * u**2 * r**k for r, u in zip(ratios, shares, strict=True)))
        / 2
        for k in range(1, 5)
    ]
    order = next((2 * k + 4 for k, c in enumerate(terms) if c), None)
    return loss, order, next((c for c in terms if c), None)


def q(*numbers):
    return [rational(x) for x in numbers]


# ratios ρ_j, roots of the shares u_j, ratio ρ of the last column, order of the first term
THRESHOLDS = [
    (q("1/2"), q(1), rational(2), 4),  # the first term is negative: a saddle
    (q(3), q(1), rational(2), 4),  # positive: a local minimum
    (q(1, 3), q(3, 1), rational(1), 4),
    (q(1, 3), q(1, 1), rational("5/2"), 6),  # shares 1 and 3: the mean ratio is 5/2
    (q(4, 1), q(1, 2), rational("5/2"), 6),  # shares 4 and 4
    (q(2, 2), q(1, 3), rational(2), None),  # all ratios equal: flat, and λ has rank 1
    (q(1, 4, 9), q(6, 3, 2), rational("14/3"), 6),
]


@pytest.mark.parametrize("ratios, shares, last, order", THRESHOLDS)
@pytest.mark.parametrize("scale", [Rational(1), Rational(2, 3)])
def test_orders_four_and_six(ratios, shares, last, order, scale) -> None:
    loss, found, coefficient = at_the_threshold(ratios, shares, last, scale)
    v = [0] * len(ratios) + [1]
    assert found == order
    assert first_term(loss, Rational(0))[0] == order if order else not coefficient
    c = classified(loss, [0, 1], v)
    if order is None:
        assert loss.kronecker() is not None
        assert c.nature == "global_minimum"
        return
    assert c.function_space_inertia.zero == 1
    assert c.reduced.order == order
    term, _ = c.reduced.leading.split("*")
    assert (rational(term) > 0) == (coefficient > 0)
    assert c.nature == ("local_minimum" if coefficient > 0 else "non_strict_saddle")
    assert c.certificate.check().ok
    # the same in other coordinates, where the loss is a general quadratic one
    rng = Random(str((ratios, order)))
    m, n = loss.shape
    point = Point(LinearNetwork(n, 1, m), loss, rank_one([0, 1], v))
    moved = turned(point, random_invertible(m, rng), random_invertible(n, rng))
    new = classify(moved.network, moved.loss, moved.weights)
    assert (new.nature, new.reduced.order) == (c.nature, order)
    assert new.certificate.check().ok


# D4, D5 of the recorded cases, from the closed form above: −(3/8) x⁴ and (1/128) x⁴.
@pytest.mark.parametrize(
    "lam, coefficient", [([[1, 2], [2, 1]], "-3/8"), ([["1/8", "1/4"], ["1/4", 1]], "1/128")]
)
def test_reduced_function_at_the_threshold_weights(lam, coefficient) -> None:
    loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], lam)
    found = reduce_degenerate(loss, matrix([[0, 0], [0, "1/2"]]))
    assert found.leading == f"{coefficient}*s1^4"
    order, c = first_term(loss, Rational(0))
    q0 = loss.weights[1, 0] * loss.weights[1, 1]
    assert (order, c / q0 / 2) == (4, rational(coefficient))


def test_power_loss_at_the_threshold() -> None:
    """Σ (w − u)⁴ at U = [[1, t], [t, 1]] and W̄ = (1−t)/2·(1, −1)ᵀ(1, −1): definite for small t,
    degenerate at t = 1/2 (there a quartic with negative coefficient), indefinite for larger t."""
    expected = {
        "1/10": ((3, 0, 0), "local_minimum"),
        "1/4": ((3, 0, 0), "local_minimum"),
        "1/3": ((3, 0, 0), "local_minimum"),
        "2/5": ((3, 0, 0), "local_minimum"),
        "1/2": ((2, 0, 1), "non_strict_saddle"),
        "9/10": ((2, 1, 0), "strict_saddle"),
    }
    for text, (signs, nature) in expected.items():
        t = rational(text)
        loss = PowerLoss([[1, t], [t, 1]], 4)
        b = (1 - t) / 2
        c = classified(loss, [1, -1], [b, -b])
        assert c.function_space_inertia == Inertia(*signs)
        assert c.nature == nature
        assert c.value == 4 * ((1 + t) / 2) ** 4
        assert c.certificate.check().ok
        # the matrix (1+t)/2·J is lower, so that these minima are bad
        assert loss.value(matrix([[1, 1], [1, 1]]) * ((1 + t) / 2)) < c.value
        assert c.is_bad_minimum is (True if nature == "local_minimum" else None)


@pytest.mark.parametrize("p", [4, 6, 8, 12])
def test_threshold_of_every_power(p: int) -> None:
    """The threshold of Σ (w − u)^p is t = (p−2)/p: there (p−1)(1−t) = 1+t, and the Hessian along
    the rank-one matrices, a multiple of the identity plus a swap, becomes singular."""
    t = Rational(p - 2, p)
    for value, nullity in ((t, 1), (t - Rational(1, 100), 0)):
        b = (1 - value) / 2
        c = classified(PowerLoss([[1, value], [value, 1]], p), [1, -1], [b, -b])
        assert c.function_space_inertia == (3 - nullity, 0, nullity)
        assert c.nature == ("non_strict_saddle" if nullity else "local_minimum")
        assert c.certificate.check().ok


def test_three_bad_minima_of_rank_two() -> None:
    """U = diag(1, 1/2, 1/3), λ_ii = 1, λ_ij = 4: dropping any diagonal entry is a local minimum,
    with values 1/18, 1/8, 1/2 (half the square of what is dropped)."""
    u = q(1, "1/2", "1/3")
    loss = WeightedSquaredLoss(
        diagonal(u), Matrix(3, 3, [1 if i == j else 4 for i in range(3) for j in range(3)])
    )
    values = []
    for dropped in range(3):
        kept = [i for i in range(3) if i != dropped]
        first, second = zeros(2, 3), zeros(3, 2)
        for k, i in enumerate(kept):
            first[k, i], second[i, k] = u[i], 1
        c = classify(LinearNetwork(3, 2, 3), loss, (first, second))
        assert c.nature == "local_minimum"
        assert c.is_bad_minimum is (None if dropped == 2 else True)
        values.append(c.value)
    assert sorted(values) == q("1/18", "1/8", "1/2")


# --- flat kernels --------------------------------------------------------------------------------


def test_a_curve_of_critical_points() -> None:
    """Rotations of the first two coordinates keep this loss: W̄ = e₁e₁ᵀ lies on a circle."""
    c = classified(FLAT, [1, 0, 0], [1, 0, 0])
    assert c.function_space_inertia == Inertia(4, 0, 1)
    assert c.reduced.flat and c.reduced.order is None
    assert c.nature == "local_minimum"
    assert c.certificate.check().ok
    for t in (Rational(1, 5), Rational(-2), Rational(7, 3)):  # points of the circle
        x, y = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
        other = classified(FLAT, [x, y, 0], [x, y, 0])
        assert (other.nature, other.value) == (c.nature, c.value)
        assert other.certificate.check().ok
    # no matrix of rank one near W̄ is lower: a grid of 3⁵ of them, and random ones
    rng = Random(1)
    for size in (Rational(1, 10), Rational(1, 100), Rational(1, 1000)):
        for _ in range(150):
            u = Matrix(3, 1, [1, *(size * rng.randint(-9, 9) / 3 for _ in range(2))])
            v = Matrix(1, 3, [int(j == 0) + size * rng.randint(-9, 9) / 3 for j in range(3)])
            assert FLAT.value(u * v) >= c.value


def test_breaking_the_symmetry_decides_the_flat_case() -> None:
    """Raising or lowering one weight of the circle makes e₁e₁ᵀ a minimum or a saddle."""
    natures = set()
    for change in (Rational(-1, 10), Rational(1, 10)):
        lam = matrix([[1, 1, 2], [1, 1, 2], [3, 3, 1]])
        lam[0, 1] += change
        loss = WeightedSquaredLoss(FLAT.target, lam)
        c = classified(loss, [1, 0, 0], [1, 0, 0])
        # along x of u = (1, x, 0) the Hessian changes sign with λ_12 λ_21 − 1
        assert c.nature == ("strict_saddle" if change < 0 else "local_minimum")
        natures.add(c.nature)
    assert len(natures) == 2


# --- nullity two and more ------------------------------------------------------------------------


def diagonal_threshold(lam11, lam22, lam33, lam12, lam21, lam31, lam32, u1, u2, c):
    """A 3×3 weighted loss with nullity 2 at diag(0, 0, c), and its quartic (A, B, C).

    With u = (x, y, 1) the best right factor gives const + ½[c²λ33 (1 − 1/(1 + (λ13x²+λ23y²)/λ33))
    − p_1x²/(1 + (λ11x²+λ21y²)/λ31) − p_2y²/(1 + (λ12x²+λ22y²)/λ32)], where p_1 = λ11²u_1²/λ31 and
    p_2 = λ22²u_2²/λ32; for c²λ13 = p_1 and c²λ23 = p_2 it starts with Ax⁴ + Bx²y² + Cy⁴.
    """
    p1, p2 = lam11**2 * u1**2 / lam31, lam22**2 * u2**2 / lam32
    lam13, lam23 = p1 / c**2, p2 / c**2
    loss = WeightedSquaredLoss(
        diagonal([u1, u2, c]), [[lam11, lam12, lam13], [lam21, lam22, lam23], [lam31, lam32, lam33]]
    )
    a = (-(c**2) * lam13**2 / lam33 + p1 * lam11 / lam31) / 2
    b = (-2 * c**2 * lam13 * lam23 / lam33 + p1 * lam21 / lam31 + p2 * lam12 / lam32) / 2
    d = (-(c**2) * lam23**2 / lam33 + p2 * lam22 / lam32) / 2
    return loss, (a, b, d)


def test_nullity_two() -> None:
    rng = Random(8)
    found = Counter()
    for _ in range(60):
        numbers = [Rational(rng.randint(1, 5), rng.randint(1, 2)) for _ in range(10)]
        loss, (a, b, d) = diagonal_threshold(*numbers)
        c = classified(loss, [0, 0, 1], [0, 0, numbers[-1]])
        if loss.kronecker() is not None:
            continue
        assert c.function_space_inertia == Inertia(3, 0, 2)
        assert c.reduced.nullity == 2
        takes_negative_values = a < 0 or d < 0 or (b < 0 and b * b > 4 * a * d)
        if c.nature == "non_strict_saddle":
            assert takes_negative_values
        else:
            assert c.nature == "degenerate"
            assert not (a < 0 or d < 0)
            assert "nullity 2" in c.reason
        if a or b or d:
            assert c.reduced.order == 4
        assert c.certificate.check().ok
        found[c.nature] += 1
    assert found["degenerate"] > 3 and found["non_strict_saddle"] > 3


@pytest.mark.parametrize("p, order", [(4, 4), (6, None)])
def test_power_loss_with_rows_it_does_not_need(p: int, order: int | None) -> None:
    """Zero rows and columns of the target beside a strict minimum: nullity 2, nothing is claimed
    beyond the Hessian."""
    b = Rational(9, 20)
    loss = PowerLoss([[1, "1/10", 0], ["1/10", 1, 0], [0, 0, 0]], p)
    c = classified(loss, [1, -1, 0], [b, -b, 0])
    assert c.function_space_inertia == Inertia(3, 0, 2)
    assert (c.nature, c.reduced.nullity, c.reduced.order) == ("degenerate", 2, order)
    assert c.certificate.check().ok


def singular_problem(m, n, r, nullity, rng, convex):
    """A quadratic loss whose Hessian along the rank-r matrices is BBᵀ of the given nullity."""
    image, g = normal_pair(m, n, r, rng.randint(1, min(m, n) - r), rng)
    u = column_space(image)
    v = left_inverse(u) * image
    frame = hstack(kron(complement(u), v.transpose()), kron(u, identity(n)))
    size = frame.ncols()
    factor = random_matrix(size, size - nullity, rng, 1)
    if rank(factor) < size - nullity:
        return None
    tangent = factor * factor.transpose() - function_space_hessian(image, g, zeros(m * n, m * n))
    extra = complement(frame)
    k = extra.ncols()
    normal = random_matrix(k, k, rng, 1)
    normal = normal * normal.transpose() + identity(k) * rng.choice((1, 3, 10))
    cross = zeros(size, k) if convex else random_matrix(size, k, rng, 1)
    block = zeros(m * n, m * n)
    for i in range(m * n):
        for j in range(m * n):
            if i < size and j < size:
                block[i, j] = tangent[i, j]
            elif i >= size and j >= size:
                block[i, j] = normal[i - size, j - size]
            else:
                block[i, j] = cross[min(i, j), max(i, j) - size]
    back = inverse(hstack(frame, extra))
    form = back.transpose() * block * back
    if rank(form) < m * n:
        return None
    return QuadraticLoss(image - unvec(inverse(form) * vec(g), m, n), form), image, g


@pytest.mark.parametrize("seed", range(5))
def test_random_degenerate_points(seed: int) -> None:
    """Labels beyond the Hessian never contradict the loss along random polynomial curves."""
    rng = Random(f"singular {seed}")
    found = Counter()
    for _ in range(24):
        m, n = rng.randint(2, 3), rng.randint(2, 3)
        r = rng.randint(1, min(m, n) - 1)
        nullity = min(rng.choice((1, 1, 1, 2, 3)), r * (m + n - r))
        built = singular_problem(m, n, r, nullity, rng, rng.random() < 0.5)
        if built is None:
            continue
        loss, image, g = built
        widths = (n, r, m) if rng.random() < 0.7 else (n, r, r + 1, m)
        kind = rng.choice(types_of(widths, r, rank(g)))
        network, weights = LinearNetwork(*widths), weights_of_strings(kind, image, g, rng)
        c = classify(network, loss, weights)
        size = r * (m + n - r)
        assert c.function_space_inertia == Inertia(size - nullity, 0, nullity)
        assert c.nature in ("local_minimum", "non_strict_saddle", "degenerate")
        assert c.certificate.check().ok
        assert_no_curve_contradicts(c, rng, 12)
        hessian = chart_hessian(loss, image, chart_at(image))
        assert inertia(hessian) == c.function_space_inertia
        found[c.nature] += 1
    assert found["non_strict_saddle"] > 3


# --- labels against the loss itself --------------------------------------------------------------


def assert_no_curve_contradicts(c, rng, curves):
    """At a minimum the first term of L along any curve is positive of even degree."""
    for _ in range(curves):
        terms = [c.weights]
        for _ in range(rng.randint(1, 3)):
            density = rng.choice((0.3, 0.7, 1))
            terms.append(
                tuple(
                    Matrix(
                        w.nrows(),
                        w.ncols(),
                        [
                            rng.randint(-2, 2) if rng.random() < density else 0
                            for _ in range(w.nrows() * w.ncols())
                        ],
                    )
                    for w in c.weights
                )
            )
        values = loss_along(c.loss, curve(*terms))
        term = next(((k, x) for k, x in enumerate(values) if k and x), None)
        if term is None:
            continue
        k, x = term
        if c.nature in MINIMA:
            assert k % 2 == 0 and x > 0, (c.network, c.loss, c.weights, terms)
        if c.nature == "local_maximum":
            assert k % 2 == 0 and x < 0, (c.network, c.loss, c.weights, terms)


def moved(weights, *steps):
    out = weights
    for direction, t in steps:
        out = tuple(w + v * t for w, v in zip(out, direction, strict=True))
    return out


def gradient_of(network, loss, weights):
    g = loss.gradient(network.end_to_end(weights))
    above, below = network.outer_products(weights)
    return tuple(a.transpose() * g * b.transpose() for a, b in zip(above, below, strict=True))


def values_near(c):
    """Values of L at points within 1/100 of θ that the certificate leads to."""
    network, loss, weights, evidence = c.network, c.loss, c.weights, c.certificate.evidence

    def value(w):
        return loss.value(network.end_to_end(w))

    out = []
    for key in ("down", "up"):
        if key in evidence:
            length = max(1, *(abs(x) for v in evidence[key] for x in v.entries()))
            out += [
                value(moved(weights, (evidence[key], Rational(1) / (100 * length * 4**k))))
                for k in range(8)
            ]
    if "curve" in evidence:
        length = max(1, *(abs(x) for v in evidence["curve"] for x in v.entries()))
        for t in (1, Rational(1, 3), Rational(-1, 2)):
            start = moved(weights, (evidence["curve"], Rational(t) / (200 * length)))
            slope = gradient_of(network, loss, start)
            size = max(abs(x) for v in slope for x in v.entries())
            if size:
                for k in range(0, 60, 3):
                    step = Rational(1, 200 * 2**k) / max(1, size)
                    out += [value(moved(start, (slope, sign * step))) for sign in (1, -1)]
    return out


@pytest.mark.parametrize("seed", range(10))
def test_no_label_contradicts_the_loss_nearby(seed: int) -> None:
    rng = Random(f"nearby {seed}")
    found = Counter()
    for _ in range(30):
        point = any_point(rng, depths=(1, 2, 2, 3))
        c = classify(point.network, point.loss, point.weights)
        found[c.nature] += 1
        if "saddle" in c.nature and c.reduced is None:
            near = values_near(c)
            assert min(near) < c.value < max(near)
        else:
            assert_no_curve_contradicts(c, rng, 5)
    assert len(found) > 2


# --- losses that are not convex ------------------------------------------------------------------


def test_a_maximum_that_looks_like_a_saddle_of_low_rank() -> None:
    """ℓ = −w²/2 on 1–1–1 at (0, 1): G = 0 and rank 0, yet L = −(w₁w₂)²/2 has its maximum there."""
    loss = QuadraticLoss([[0]], [[-1]])
    c = classify(LinearNetwork(1, 1, 1), loss, [[[0]], [[1]]])
    assert (c.nature, c.hessian_inertia) == ("local_maximum", Inertia(0, 1, 1))
    assert c.certificate.check().ok
    assert all(
        loss.value(matrix([[x]]) * matrix([[1 + y]])) <= c.value
        for x in q("-1/9", "1/9", 0)
        for y in q("-1/9", "1/9", 0)
    )


def test_a_strict_maximum_of_maximal_rank() -> None:
    """ℓ = −½‖W − diag(2, 1)‖² on 2–1–2 at diag(2, 0): negative definite along the rank-one
    matrices; the same point of the negative loss is the Eckart–Young minimum."""
    target, form = diagonal(q(2, 1)), identity(4)
    weights = ([[1, 0]], [[2], [0]])
    c = classify(LinearNetwork(2, 1, 2), QuadraticLoss(target, -form), weights)
    assert (c.nature, c.function_space_inertia) == ("local_maximum", Inertia(0, 3, 0))
    assert c.certificate.check().ok
    plus = classify(LinearNetwork(2, 1, 2), QuadraticLoss(target, form), weights)
    assert (plus.nature, plus.function_space_inertia) == ("global_minimum", Inertia(3, 0, 0))


def test_zero_gradient_below_the_maximal_rank_is_left_open() -> None:
    """W̄ = 0 on 1–1–1–1 with ℓ = w·w′ indefinite on a larger network: only what is proved."""
    form = matrix([[0, 1], [1, 0]])  # ℓ = w₁w₂ on 2×1 matrices
    loss = QuadraticLoss([[0], [0]], form)
    network = LinearNetwork(1, 1, 2)
    at_zero = classify(network, loss, [[[0]], [[0], [0]]])
    assert at_zero.nature == "undecided"  # L = w₁²·v₁v₂ takes both signs, beyond second order
    assert at_zero.certificate.check().ok
    seen = classify(network, loss, [[[1]], [[0], [0]]])
    assert seen.nature == "strict_saddle"
    assert seen.certificate.check().ok


@pytest.mark.parametrize("seed", range(8))
def test_no_label_of_a_general_quadratic_form_is_wrong(seed: int) -> None:
    rng = Random(f"forms {seed}")
    found = Counter()
    for _ in range(40):
        kind = rng.choice(("negative", "indefinite", "indefinite", "semidefinite"))
        point = quadratic_point(random_widths(rng, 3, (1, 2, 2, 3, 4)), rng, kind)
        c = classify(point.network, point.loss, point.weights)
        assert_no_curve_contradicts(c, rng, 6)
        assert c.certificate.check().ok
        hessian = inertia(full_hessian(point.network, point.loss, point.weights))
        assert c.hessian_inertia == hessian
        if c.nature == "global_minimum":
            assert point.loss.is_convex()
        if c.nature == "undecided":
            assert not (hessian.positive and hessian.negative)
            again = Certificate.from_json(c.certificate.to_json())
            assert again.check().ok
        found[c.nature] += 1
    assert found["strict_saddle"] > 3
