"""Timings of the exact core: ``pytest tests/bench_exact.py``.

Data are integers of at most three digits with known critical points: U and V are products of
reflections on blocks of four coordinates, scaled to integers, and X is a product of two bidiagonal
matrices of determinant ±1.  The bars are those of a laptop: 3–2–3 below 10 ms, 20–10–20 below
1 s, 60–30–60 below 20 s.
"""

from __future__ import annotations

import subprocess
import sys
from random import Random

import pytest

from detvar.classify import classify
from detvar.critical import critical_locus
from detvar.exact.matrices import (
    Matrix,
    columns,
    diagonal,
    hstack,
    identity,
    inverse,
    rank,
    vstack,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.losses import PowerLoss, SquaredLoss, WeightedSquaredLoss
from detvar.networks.linear import LinearNetwork
from detvar.varieties import DeterminantalVariety, polar

BARS = {(3, 2): 0.01, (20, 10): 1.0, (60, 30): 20.0}
KINDS = {"pure": (1, True), "pure saddle": (1, False), "spurious": (2, True)}
ROUNDS = {"rounds": 3, "iterations": 1, "warmup_rounds": 1}


def reflections(n, rng, rounds):
    """2^rounds times an orthogonal matrix: blocks 2I − J of size four, coordinates shuffled."""
    out = identity(n)
    for _ in range(rounds):
        step = identity(n) * 2
        for start in range(0, n - 3, 4):
            for i in range(4):
                for j in range(4):
                    step[start + i, start + j] = 1 if i == j else -1
        out = columns(identity(n), rng.sample(range(n), n)) * step * out
    return out


def unimodular(n, rng):
    lower, upper = identity(n), identity(n)
    for i in range(1, n):
        lower[i, i - 1], upper[i - 1, i] = rng.choice((-1, 0, 1)), rng.choice((-1, 0, 1))
    return lower * upper


def assert_three_digits(*matrices):
    assert all(abs(x) < 1000 and x.q == 1 for a in matrices for x in a.entries())


def with_rational_values(n, r, e, top):
    """n–r–n at a product of rank e that keeps the largest singular values, or misses the first."""
    rng, rounds = Random(n), 1 if n < 20 else 2
    u, v, x, mix = (
        reflections(n, rng, rounds),
        reflections(n, rng, rounds),
        unimodular(n, rng),
        unimodular(r, rng),
    )
    sigma = [(n - i) // (1 if n < 30 else 2) + 1 for i in range(n)]
    kept = range(e) if top else range(1, e + 1)
    block = diagonal([sigma[i] for i in kept]) * columns(v, kept).transpose() * inverse(x)
    loss = SquaredLoss(x, u * diagonal(sigma) * v.transpose())
    first = inverse(mix) * vstack(block, zeros(r - e, n))
    second = hstack(columns(u, kept), zeros(n, r - e)) * mix
    assert_three_digits(loss.X, loss.Y, second)
    return LinearNetwork(n, r, n), loss, (first, second)


def with_irrational_values(n, r, e):
    """The same with diag(A, B), A and B random, in place of diag(σ): W̄ keeps those of A."""
    rng = Random(n)
    u, v = reflections(n, rng, 1), reflections(n, rng, 1)
    x, mix, a = unimodular(n, rng), unimodular(r, rng), zeros(e, e)
    while rank(a) < e:
        a = Matrix(e, e, [rng.randint(-9, 9) for _ in range(e * e)])
    b = Matrix(n - e, n - e, [rng.randint(-5, 5) for _ in range((n - e) ** 2)])
    middle = vstack(hstack(a, zeros(e, n - e)), hstack(zeros(n - e, e), b))
    block = a * columns(v, range(e)).transpose() * inverse(x)
    loss = SquaredLoss(x, u * middle * v.transpose())
    first = inverse(mix) * vstack(block, zeros(r - e, n))
    second = hstack(columns(u, range(e)), zeros(n, r - e)) * mix
    assert_three_digits(loss.X, loss.Y, second)
    return LinearNetwork(n, r, n), loss, (first, second)


def assert_fast(benchmark, bar):
    if benchmark.stats is not None:  # None with --benchmark-disable
        assert benchmark.stats.stats.min < bar


@pytest.mark.parametrize("size", BARS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_classify(benchmark, size, kind):
    n, r = size
    share, top = KINDS[kind]
    problem = with_rational_values(n, r, r // share, top)
    c = benchmark.pedantic(classify, problem, **ROUNDS)
    assert c.nature == ("global_minimum" if kind == "pure" else "strict_saddle")
    assert c.kind == kind.split()[0]
    assert_fast(benchmark, BARS[size])


@pytest.mark.parametrize("size", BARS, ids=str)
@pytest.mark.parametrize("share", [1, 2])
def test_classify_with_irrational_singular_values(benchmark, size, share):
    n, r = size
    c = benchmark.pedantic(classify, with_irrational_values(n, r, r // share), **ROUNDS)
    assert c.is_critical and c.kind == ("pure" if share == 1 else "spurious")
    assert_fast(benchmark, BARS[size])


@pytest.mark.parametrize("size", BARS, ids=str)
def test_classify_where_nothing_is_critical(benchmark, size):
    n, r = size
    network, loss, (first, second) = with_rational_values(n, r, r, True)
    first = first * 1  # a copy
    first[0, 0] += 1
    c = benchmark.pedantic(classify, (network, loss, (first, second)), **ROUNDS)
    assert not c.is_critical
    assert_fast(benchmark, BARS[size])


@pytest.mark.parametrize("size", BARS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_check(benchmark, size, kind):
    n, r = size
    share, top = KINDS[kind]
    certificate = classify(*with_rational_values(n, r, r // share, top)).certificate
    assert benchmark.pedantic(certificate.check, **ROUNDS)
    assert_fast(benchmark, BARS[size])


@pytest.mark.parametrize("d", [5, 6, 7])
def test_full_hessian_where_nothing_is_critical(benchmark, d):
    """Up to 100 weights the inertia of a Hessian without structure is found as well."""
    rng = Random(d)

    def three_digits():
        return Matrix(d, d, [rng.randint(-999, 999) for _ in range(d * d)])

    problem = (
        LinearNetwork(d, d, d),
        SquaredLoss(three_digits(), three_digits()),
        (three_digits(), three_digits()),
    )
    assert benchmark.pedantic(classify, problem, **ROUNDS).hessian_inertia is not None


@pytest.mark.parametrize("size", [(3, 2), (5, 3), (8, 4)], ids=str)
def test_weighted_loss(benchmark, size):
    m, r = size
    rng = Random(m)
    target = diagonal([m + 1 - i for i in range(m)])
    lam = Matrix(m, m, [rng.randint(1, 20) for _ in range(m * m)])
    first, second = zeros(r, m), zeros(m, r)
    for i in range(r):
        first[i, i], second[i, i] = target[i, i], 1
    problem = (LinearNetwork(m, r, m), WeightedSquaredLoss(target, lam), (first, second))
    assert benchmark.pedantic(classify, problem, **ROUNDS).kind == "pure"


@pytest.mark.parametrize("exponent", [4, 20, 40])
def test_degenerate_point(benchmark, exponent):
    """The threshold t = (p−2)/p of the power loss: a series up to order twelve."""
    t = Rational(exponent - 2, exponent)
    target = Matrix(2, 2, [1, t, t, 1])
    b = (1 - t) / 2
    weights = (Matrix(1, 2, [b, -b]), Matrix(2, 1, [1, -1]))
    problem = (LinearNetwork(2, 1, 2), PowerLoss(target, exponent), weights)
    assert benchmark.pedantic(classify, problem, **ROUNDS).nature == "non_strict_saddle"


def test_solve_linnerud_as_a_process(benchmark):
    """`detvar solve --example linnerud`, interpreter start and self-check included."""
    command = [sys.executable, "-m", "detvar", "solve", "--example", "linnerud"]
    done = benchmark.pedantic(
        subprocess.run, (command,), {"capture_output": True, "check": True}, **ROUNDS
    )
    assert b"global minimum" in done.stdout
    assert_fast(benchmark, 1.5)


def test_critical_locus(benchmark):
    sigma, widths = [3, 2, 1], (3, 3, 3, 3)
    loss = SquaredLoss(identity(3), diagonal(sigma))
    locus = benchmark.pedantic(critical_locus, (LinearNetwork(*widths), loss), **ROUNDS)
    assert len(locus.components) == 28


def test_strata_of_3333(benchmark):
    graph = benchmark.pedantic(LinearNetwork(3, 3, 3, 3).strata, **ROUNDS)
    assert len(graph) == 112
    assert_fast(benchmark, 1.0)


def test_polar_degrees_of_6x6_rank_3(benchmark):
    def fresh():
        polar._rectangular.cache_clear()
        return DeterminantalVariety(6, 6, 3).polar_degrees()

    delta = benchmark.pedantic(fresh, **ROUNDS)
    assert delta[26] == DeterminantalVariety(6, 6, 3).degree
    assert_fast(benchmark, 1.0)
