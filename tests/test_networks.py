"""The map μ(θ) = W_h⋯W_1: differential, ranks, image, barcodes, fibers and random weights.

The independent route for the differential is the product itself: one column of the Jacobian for
each entry of each weight.  Rank formulas are compared with the rank of that Jacobian on weights
of every stratum, degenerate ones above all.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from pathlib import Path
from random import Random

import pytest
from test_matrices import random_invertible, random_matrix

from detvar.errors import DetvarError, InputError, NotExactError, ShapeError
from detvar.exact.matrices import (
    Matrix,
    columns,
    complement,
    hstack,
    identity,
    inverse,
    is_zero,
    kron,
    matrix,
    nullspace,
    rank,
    shape,
    to_sympy,
    unvec,
    vec,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.networks import IntervalBasis, LinearNetwork
from detvar.networks.barcodes import barcodes, multiplicities, rank_array

CASES = [
    case
    for case in json.loads((Path(__file__).parent / "cases" / "linear_networks.json").read_text())
    if case["kind"] == "differential_rank"
]
SMALL = [(1, 1), (2, 3), (3, 1), (1, 1, 1), (2, 1, 2), (2, 2, 1), (2, 2, 2), (1, 2, 1), (3, 2, 3)]
SMALL += [(1, 1, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1), (2, 2, 2, 2), (1, 1, 2, 1, 1)]


def sizes(widths):
    return list(zip(widths[1:], widths, strict=False))


def partial_identity(m, n, rng):
    """A random 0/1 matrix with at most one 1 in each row and column."""
    a = zeros(m, n)
    k = rng.randint(0, min(m, n))
    for i, j in zip(rng.sample(range(m), k), rng.sample(range(n), k), strict=True):
        a[i, j] = 1
    return a


def random_networks(count, seed=0, depth=None, width=4):
    """Networks with weights: generic, of low rank layer by layer, or sums of intervals."""
    rng = Random(seed)
    for trial in range(count):
        h = depth or rng.randint(1, 5)
        d = [rng.randint(1, width if h < 4 else 3) for _ in range(h + 1)]
        kind = trial % 3
        if kind == 0:
            weights = [partial_identity(a, b, rng) for a, b in sizes(d)]
            g = [random_invertible(x, rng) for x in d]
            weights = [g[i + 1] * w * inverse(g[i]) for i, w in enumerate(weights)]
        elif kind == 1:
            weights = []
            for a, b in sizes(d):
                k = max(0, min(a, b) - (rng.random() < 0.5))
                weights.append(
                    Matrix(a, k, [rng.randint(-1, 1) for _ in range(a * k)])
                    * Matrix(k, b, [rng.randint(-1, 1) for _ in range(k * b)])
                )
        else:
            weights = [random_matrix(a, b, rng) for a, b in sizes(d)]
        yield LinearNetwork(*d), tuple(weights), rng


def plain_product(weights, n):
    out = identity(n)
    for w in weights:
        out = w * out
    return out


def plain_differential(net, weights):
    """One column for each entry of W_1, …, W_h: the product with this entry 1, the others 0 in
    that layer."""
    blocks = [zeros(net.widths[-1] * net.widths[0], 0)]
    for i, (a, b) in enumerate(sizes(net.widths)):
        for x, y in product(range(a), range(b)):
            unit = zeros(a, b)
            unit[x, y] = 1
            moved = [*weights[:i], unit, *weights[i + 1 :]]
            blocks.append(vec(plain_product(moved, net.widths[0])))
    return hstack(*blocks)


def tangent_space(w):
    """Columns that span {W̄Z + Z′W̄}."""
    m, n = shape(w)
    return hstack(kron(w, identity(n)), kron(identity(m), w.transpose()))


def same_column_space(a, b):
    return rank(a) == rank(b) == rank(hstack(a, b))


def contains(a, b):
    return rank(hstack(a, b)) == rank(a)


# --- the map ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_cases(case):
    net = LinearNetwork(*case["input"]["network"])
    weights = net.check_weights(case["input"]["weights"])
    expected = dict(case["expected"])
    a, b = net.end_ranks(weights)
    assert a == expected.pop("ranks_from_output") and b == expected.pop("ranks_from_input")
    assert expected.pop("rank") == rank(net.end_to_end(weights)) == a[0] == b[-1]
    assert net.differential_rank(weights) == expected.pop("differential_rank")
    assert net.maximal_differential_rank == expected.pop("maximal_rank")
    assert net.differential_is_maximal(weights) == expected.pop("differential_is_maximal")
    assert net.is_filling == expected.pop("filling")
    assert not expected


def test_end_to_end_and_partial_products():
    for net, weights, _ in random_networks(60, seed=1):
        assert net.end_to_end(weights) == plain_product(weights, net.widths[0])
        above, below = net.outer_products(weights)
        assert len(above) == len(below) == net.depth
        for i, w in enumerate(weights):
            assert above[i] * w * below[i] == net.end_to_end(weights)
        for p, q in product(range(net.depth + 1), repeat=2):
            if p <= q:
                part = net.partial_product(weights, p, q)
                assert shape(part) == (net.widths[q], net.widths[p])
                rest = net.partial_product(weights, q, net.depth)
                assert rest * part == net.partial_product(weights, p, net.depth)
                assert rank(part) == net.rank_array(weights)[p][q - p]


def test_properties_of_the_architecture():
    rng = Random(2)
    for _ in range(200):
        d = [rng.randint(1, 6) for _ in range(rng.randint(2, 6))]
        net = LinearNetwork(*d)
        assert net.widths == tuple(d) and net.depth == len(d) - 1
        assert net.rank_bound == min(d)
        assert net.is_filling == (min(d) >= min(d[0], d[-1]))
        assert net.weight_count == sum(a * b for a, b in sizes(d))
        assert net.reversed().widths == tuple(d[::-1]) and net.reversed().reversed() == net
        assert LinearNetwork.parse(str(net)) == net and eval(repr(net)) == net
        assert hash(LinearNetwork(*d)) == hash(net)
        space = net.function_space
        assert space.dimension == net.maximal_differential_rank
        generic = net.random_weights(seed=rng.random())
        assert space.contains(net.end_to_end(generic))


def test_symbolic_weights():
    sympy = pytest.importorskip("sympy")
    net = LinearNetwork(2, 1, 2)
    weights = net.symbolic_weights()
    assert [w.shape for w in weights] == sizes(net.widths)
    assert weights[1][1, 0] == sympy.Symbol("w2_2_1") and len(weights[0].free_symbols) == 2
    assert net.end_to_end(weights) == weights[1] * weights[0]
    values = {x: k for k, x in enumerate(sorted(net.end_to_end(weights).free_symbols, key=str))}
    numbers = [w.subs(values) for w in weights]
    assert to_sympy(net.end_to_end(numbers)) == net.end_to_end(weights).subs(values)
    assert net.symbolic_weights("v")[0][0, 0] == sympy.Symbol("v1_1_1")


# --- the differential ---------------------------------------------------------------------------


def require_differential(net, weights):
    """The laws of the differential at one point; returns (rank, largest possible rank)."""
    n, m = net.widths[0], net.widths[-1]
    jacobian = plain_differential(net, weights)
    assert net.differential(weights) == jacobian
    assert net.differential_rank(weights) == rank(jacobian)
    image = net.image_of_differential(weights)
    assert shape(image) == (m * n, rank(jacobian)) and same_column_space(image, jacobian)

    a, b = net.end_ranks(weights)
    w, e = net.end_to_end(weights), a[0]
    tangent = tangent_space(w)
    assert contains(jacobian, tangent) and rank(tangent) == e * (m + n - e)
    # equality with the tangent space of the matrices of rank e
    equal = all(a[i] == e or b[i - 1] == e for i in range(1, net.depth + 1))
    assert equal == (rank(jacobian) == rank(tangent))

    # the orthogonal complement: gradients for which these weights are critical
    above, below = net.outer_products(weights)
    for g in columns_of(complement(jacobian)):
        g = unvec(g, m, n)
        assert all(
            is_zero(x.transpose() * g * y.transpose()) for x, y in zip(above, below, strict=True)
        )
    bars = net.intervals(weights).bars
    tops = [p for p, q in bars if q == net.depth and p > 0]
    bottoms = [q for p, q in bars if p == 0 and q < net.depth]
    assert m * n - rank(jacobian) == sum(p > q + 1 for p in tops for q in bottoms)

    top = net.maximal_differential_rank
    maximal = net.differential_is_maximal(weights)
    assert rank(jacobian) <= top and maximal == (rank(jacobian) == top)
    if net.is_filling:
        assert top == m * n
        assert maximal == any(a[t] == m and b[t - 1] == n for t in range(1, net.depth + 1))
    else:
        assert top < m * n and maximal == (e == net.rank_bound)
        if maximal:
            assert same_column_space(jacobian, tangent)
    return rank(jacobian), top


def columns_of(a):
    return [columns(a, [j]) for j in range(a.ncols())]


def test_differential_on_random_weights_of_every_kind():
    seen = Counter()
    for net, weights, _ in random_networks(750, seed=3):
        found, top = require_differential(net, weights)
        e = rank(net.end_to_end(weights))
        seen[net.depth, found == top, net.is_filling, e == net.rank_bound] += 1
    depths = Counter(key[0] for key, n in seen.items() for _ in range(n))
    assert min(depths[h] for h in range(1, 6)) > 80
    assert sum(n for (_, maximal, _, _), n in seen.items() if not maximal) > 300
    # filling, onto, although the product has less than the largest rank
    assert sum(n for (_, maximal, fills, full), n in seen.items() if maximal and fills and not full)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_differential_on_more_random_weights(seed):
    for net, weights, _ in random_networks(100, seed=seed):
        require_differential(net, weights)


@pytest.mark.parametrize("widths", SMALL, ids=lambda d: "-".join(map(str, d)))
def test_differential_on_every_stratum(widths):
    net = LinearNetwork(*widths)
    ranks = set()
    for k, table in enumerate(barcodes(widths)):
        weights = net.random_weights(rank_array=rank_array(table, net.depth), seed=k)
        found, top = require_differential(net, weights)
        ranks.add(found)
    assert top in ranks and (net.depth == 1 or 0 in ranks)


@pytest.mark.parametrize("widths", [(2, 3), (2, 1, 2), (2, 2, 2), (1, 2, 1, 2)], ids=str)
def test_differential_is_the_symbolic_jacobian(widths):
    sympy = pytest.importorskip("sympy")
    net = LinearNetwork(*widths)
    symbols = net.symbolic_weights()
    variables = [x for w in symbols for x in w]
    jacobian = sympy.Matrix(list(net.end_to_end(symbols))).jacobian(variables)
    for seed in range(3):
        weights = net.random_weights(rank=seed % (net.rank_bound + 1), seed=seed)
        values = [x for w in weights for x in to_sympy(w)]
        here = jacobian.subs(dict(zip(variables, values, strict=True)))
        assert here == to_sympy(net.differential(weights))
        assert here.rank() == net.differential_rank(weights)


def test_differential_along_a_curve():
    # μ(θ + tV) = μ(θ) + t dμ(V) + t² (…): the linear part by interpolation at 2h + 1 points
    for net, weights, rng in random_networks(40, seed=4):
        direction = tuple(random_matrix(a, b, rng) for a, b in sizes(net.widths))
        nodes = range(net.depth + 1)
        slope = zeros(net.widths[-1], net.widths[0])
        for s in nodes:
            others = [t for t in nodes if t != s]
            # derivative at 0 of the Lagrange polynomial of the node s
            scale = Rational(1)
            for t in others:
                scale /= s - t
            total = Rational(0)
            for t in others:
                term = Rational(1)
                for u in others:
                    if u != t:
                        term *= -u
                total += term
            moved = [w + v * s for w, v in zip(weights, direction, strict=True)]
            slope += plain_product(moved, net.widths[0]) * (scale * total)
        flat = Matrix(net.weight_count, 1, [x for v in direction for x in v.entries()])
        assert vec(slope) == net.differential(weights) * flat


def test_generic_weights_reach_the_largest_rank():
    rng = Random(5)
    for _ in range(60):
        net = LinearNetwork(*(rng.randint(1, 5) for _ in range(rng.randint(2, 5))))
        weights = tuple(
            Matrix(a, b, [rng.randint(1, 10**6) for _ in range(a * b)])
            for a, b in sizes(net.widths)
        )
        assert net.differential_rank(weights) == net.maximal_differential_rank
        assert net.differential_is_maximal(weights)


def test_zero_weights_and_one_layer():
    for widths in SMALL:
        net = LinearNetwork(*widths)
        weights = [zeros(a, b) for a, b in sizes(widths)]
        if net.depth == 1:
            assert net.differential(weights) == identity(net.weight_count)
            assert net.differential_is_maximal(weights)
        else:
            assert net.differential_rank(weights) == 0 == net.image_of_differential(weights).ncols()
            assert not net.differential_is_maximal(weights)


# --- symmetries ---------------------------------------------------------------------------------


def test_transposition():
    for net, weights, _ in random_networks(150, seed=6):
        turned, back = tuple(w.transpose() for w in reversed(weights)), net.reversed()
        assert back.end_to_end(turned) == net.end_to_end(weights).transpose()
        here, there = net.rank_array(weights), back.rank_array(turned)
        h = net.depth
        for p in range(h + 1):
            for q in range(p, h + 1):
                assert here[p][q - p] == there[h - q][q - p]
        assert back.end_ranks(turned)[0] == net.end_ranks(weights)[1][::-1]
        assert back.differential_rank(turned) == net.differential_rank(weights)
        assert back.differential_is_maximal(turned) == net.differential_is_maximal(weights)
        assert back.maximal_differential_rank == net.maximal_differential_rank
        mirrored = {
            (h - q, h - p): k for (p, q), k in net.intervals(weights).multiplicities.items()
        }
        assert back.intervals(turned).multiplicities == mirrored


def test_base_changes():
    for net, weights, rng in random_networks(100, seed=7):
        g = [random_invertible(d, rng) for d in net.widths]
        moved = tuple(g[i + 1] * w * inverse(g[i]) for i, w in enumerate(weights))
        assert net.rank_array(moved) == net.rank_array(weights)
        assert net.differential_rank(moved) == net.differential_rank(weights)
        assert net.intervals(moved).multiplicities == net.intervals(weights).multiplicities
        # the image moves along: dμ at gθ is g_h dμ g_0⁻¹ after an automorphism of the weights
        lift = kron(g[-1], inverse(g[0]).transpose())
        assert same_column_space(
            net.image_of_differential(moved), lift * net.image_of_differential(weights)
        )


def test_equal_rank_arrays_are_joined_by_a_base_change():
    joined = 0
    for net, weights, rng in random_networks(60, seed=8):
        ranks = net.rank_array(weights)
        other = net.random_weights(rank_array=ranks, seed=rng.random())
        one, two = net.intervals(weights), net.intervals(other)
        # pair the bars of each type, and map basis to basis
        partner = {}
        for interval in one.multiplicities:
            partner.update(zip(one.of_type(*interval), two.of_type(*interval), strict=True))
        g = []
        for layer in range(net.depth + 1):
            image = two.vectors([partner[x] for x in one.members[layer]], layer)
            g.append(image * one.dual(layer))
        assert all(
            g[i + 1] * w == other[i] * g[i] and rank(g[i]) == net.widths[i]
            for i, w in enumerate(weights)
        )
        joined += weights != other
    assert joined > 40


# --- barcodes -----------------------------------------------------------------------------------


def inclusion_exclusion(ranks):
    h = len(ranks) - 1

    def r(p, q):
        return ranks[p][q - p] if p >= 0 and q <= h else 0

    counts = {
        (p, q): r(p, q) - r(p - 1, q) - r(p, q + 1) + r(p - 1, q + 1)
        for p in range(h + 1)
        for q in range(p, h + 1)
    }
    return {interval: k for interval, k in counts.items() if k}


def require_intervals(net, weights):
    basis = net.intervals(weights)
    assert isinstance(basis, IntervalBasis) and basis.depth == net.depth
    for layer, d in enumerate(net.widths):
        assert shape(basis.bases[layer]) == (d, d) and rank(basis.bases[layer]) == d
        assert basis.dual(layer) * basis.bases[layer] == identity(d)
        assert len(set(basis.members[layer])) == d
        assert set(basis.members[layer]) == {
            x for x, (p, q) in enumerate(basis.bars) if p <= layer <= q
        }
        for k, x in enumerate(basis.members[layer]):
            assert basis.position(x, layer) == k
    for i, w in enumerate(weights):
        step = basis.dual(i + 1) * w * basis.bases[i]
        for (row, x), (column, y) in product(
            enumerate(basis.members[i + 1]), enumerate(basis.members[i])
        ):
            assert step[row, column] == (x == y)
    assert basis.multiplicities == inclusion_exclusion(net.rank_array(weights))
    for p, q in product(range(net.depth + 1), repeat=2):
        assert len(basis.of_type(p, q)) == basis.multiplicities.get((p, q), 0)
    assert sorted(basis.of_type()) == list(range(len(basis.bars)))
    assert sum(len(basis.of_type(start=p)) for p in range(net.depth + 1)) == len(basis.bars)
    assert sum(len(basis.of_type(end=q)) for q in range(net.depth + 1)) == len(basis.bars)
    return basis


def test_interval_bases_turn_weights_into_0_1_matrices():
    for net, weights, _ in random_networks(400, seed=9):
        require_intervals(net, weights)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200, 230))
def test_interval_bases_of_more_weights(seed):
    for net, weights, _ in random_networks(100, seed=seed):
        require_intervals(net, weights)


def test_columns_and_rows_in_interval_coordinates():
    """Col(W_{>i}) is spanned by the bars that reach the output and start by layer i, and
    Row(W_{<i}) by the dual vectors of the bars that start at the input and reach layer i − 1."""
    for net, weights, _ in random_networks(100, seed=10):
        basis, h = net.intervals(weights), net.depth
        above, below = net.outer_products(weights)
        for i in range(1, h + 1):
            tops = [x for x in basis.of_type(end=h) if basis.bars[x][0] <= i]
            assert same_column_space(above[i - 1], basis.vectors(tops, h))
            places = [
                basis.position(x, 0) for x in basis.of_type(start=0) if basis.bars[x][1] >= i - 1
            ]
            rows = columns(basis.dual(0).transpose(), places)
            assert same_column_space(below[i - 1].transpose(), rows)


def test_rank_arrays_count_bars():
    for net, weights, _ in random_networks(100, seed=11):
        bars = net.intervals(weights).bars
        for p, row in enumerate(net.rank_array(weights)):
            assert len(row) == net.depth + 1 - p
            for j, r in enumerate(row):
                assert r == sum(a <= p and p + j <= b for a, b in bars)
        assert multiplicities(net.rank_array(weights)) == net.intervals(weights).multiplicities


def test_moves_of_one_layer_inside_the_fiber():
    for net, weights, rng in random_networks(150, seed=12):
        above, below = net.outer_products(weights)
        a, b = net.end_ranks(weights)
        for i in range(1, net.depth + 1):
            rows, cols = shape(weights[i - 1])
            silent = nullspace(kron(above[i - 1], below[i - 1].transpose()))
            assert silent.ncols() == rows * cols - a[i] * b[i - 1]
            coefficients = random_matrix(silent.ncols(), 1, rng)
            k = unvec(silent * coefficients, rows, cols)
            assert is_zero(above[i - 1] * k * below[i - 1])
            moved = [*weights[: i - 1], weights[i - 1] + k, *weights[i:]]
            assert net.end_to_end(moved) == net.end_to_end(weights)


# --- random weights -----------------------------------------------------------------------------


def test_random_weights_are_seeded():
    net = LinearNetwork(3, 4, 2, 3)
    ranks = net.rank_array(net.random_weights(rank=1))
    for options in ({}, {"rank": 1}, {"rank": 0}, {"rank_array": ranks}):
        for seed in (0, 1, 17):
            assert net.random_weights(seed=seed, **options) == net.random_weights(
                seed=seed, **options
            )
        assert len({str(net.random_weights(seed=s, **options)) for s in range(10)}) > 5


@pytest.mark.parametrize("widths", SMALL, ids=lambda d: "-".join(map(str, d)))
def test_random_weights_have_the_rank_asked_for(widths):
    net = LinearNetwork(*widths)
    for e in range(net.rank_bound + 1):
        for seed in range(10):
            weights = net.random_weights(rank=e, seed=seed)
            assert [shape(w) for w in weights] == sizes(widths)
            assert rank(net.end_to_end(weights)) == e
    assert rank(net.end_to_end(net.random_weights(seed=3))) == net.rank_bound


@pytest.mark.parametrize("widths", SMALL, ids=lambda d: "-".join(map(str, d)))
def test_every_stratum_is_reached(widths):
    net = LinearNetwork(*widths)
    for table in barcodes(widths):
        ranks = rank_array(table, net.depth)
        for seed in range(3):
            weights = net.random_weights(rank_array=ranks, seed=seed)
            assert [shape(w) for w in weights] == sizes(widths)
            assert net.rank_array(weights) == ranks
        as_lists = json.loads(json.dumps(ranks))
        assert net.random_weights(rank_array=as_lists, seed=2) == weights


def test_the_default_stratum_is_the_open_one():
    for widths in [(2, 2, 1), (1, 2, 2), (2, 2, 2), (2, 3, 2), (3, 2, 2, 3)]:
        net = LinearNetwork(*widths)
        want = tuple(
            tuple(min(widths[p : q + 1]) for q in range(p, net.depth + 1))
            for p in range(net.depth + 1)
        )
        for seed in range(60):
            assert net.rank_array(net.random_weights(seed=seed)) == want


def test_one_rank_is_one_stratum():
    for widths in [(1, 1, 1), (2, 2, 1), (2, 2, 2), (2, 2, 2, 2)]:
        net = LinearNetwork(*widths)
        for e in range(net.rank_bound):
            found = {net.rank_array(net.random_weights(rank=e, seed=s)) for s in range(60)}
            assert len(found) == 1


def test_deep_networks():
    for widths in ([1] * 300, [2, 1] * 150):
        net = LinearNetwork(*widths)
        for e in (0, 1):
            assert rank(net.end_to_end(net.random_weights(rank=e))) == e


@pytest.mark.parametrize("e", [-1, 2, 7, 1.0, "1", [1]])
def test_ranks_that_do_not_occur(e):
    with pytest.raises(ShapeError, match="^rank is .*: give an integer from 0 to 1 for 2-1-2"):
        LinearNetwork(2, 1, 2).random_weights(rank=e)


@pytest.mark.parametrize(
    ("ranks", "words"),
    [
        (((2, 1, 1), (1, 0), (2,)), "no weights have these ranks"),
        (((2, 1), (1, 0), (2,)), "a rank array of h layers"),
        ((), "a rank array of h layers"),
        (((3, 1, 1), (1, 1), (3,)), "belongs to the widths (3, 1, 3), not to 2-1-2"),
        (((2, 2), (2,)), "belongs to the widths"),
        (((2, 1, 1, 1), (1, 1, 1), (2, 1), (1,)), "0 ≤ p ≤ q ≤ 2"),
    ],
)
def test_rank_arrays_that_do_not_occur(ranks, words):
    with pytest.raises(ShapeError) as error:
        LinearNetwork(2, 1, 2).random_weights(rank_array=ranks)
    assert words in str(error.value)


def test_rank_and_rank_array_must_agree():
    ranks = ((2, 1, 0), (1, 0), (2,))
    net = LinearNetwork(2, 1, 2)
    assert net.rank_array(net.random_weights(rank=0, rank_array=ranks)) == ranks
    with pytest.raises(ShapeError, match="rank is 1, but rank_array says 0"):
        net.random_weights(rank=1, rank_array=ranks)


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("widths", "words"),
    [
        ((), "at least two widths"),
        ((3,), "at least two widths"),
        ((0, 2), "width 0 is 0"),
        ((2, 0, 2), "width 1 is 0"),
        ((2, -1), "width 1 is -1"),
        ((2, True), "width 1 is True"),
        ((2, 2.0), "width 1 is 2.0"),
        ((2, "2"), "width 1 is '2'"),
        ((2, None), "width 1 is None"),
        (([2, 1, 2],), "at least two widths"),
        (([2], 2), "width 0 is [2]"),
    ],
)
def test_widths_that_are_not_positive_integers(widths, words):
    with pytest.raises(ShapeError) as error:
        LinearNetwork(*widths)
    assert words in str(error.value) and isinstance(error.value, DetvarError)


def test_numpy_integers_are_widths():
    numpy = pytest.importorskip("numpy")
    assert LinearNetwork(*numpy.array([3, 2, 3])) == LinearNetwork(3, 2, 3)


def test_widths_that_python_cannot_print():
    with pytest.raises(ShapeError, match="width 0"):
        LinearNetwork(-(10**5000), 2)


@pytest.mark.parametrize(
    "text", ["", "-", "3-", "-3-2", "3--2", "3–2", "3,2", "3 2", "3- 2", "3.0-2", "a-b", "3-+2"]
)
def test_texts_that_are_no_network(text):
    with pytest.raises(InputError, match="is not a list of widths: write it as 3-2-3"):
        LinearNetwork.parse(text)


@pytest.mark.parametrize(
    "text",
    ["9" * 10 + "-2", "٣-2", "3-²"],  # too large, and digits that are not 0-9
)
def test_digits_that_are_no_widths(text):
    with pytest.raises(InputError, match="is not a list of widths"):
        LinearNetwork.parse(text)


@pytest.mark.parametrize(("text", "words"), [("3", "two widths"), ("3-0", "width 1 is 0")])
def test_texts_that_are_too_short_or_hold_a_zero(text, words):
    with pytest.raises(ShapeError, match=words):
        LinearNetwork.parse(text)


def test_blanks_around_a_network_are_read_over():
    assert LinearNetwork.parse(" 3-2-3\n") == LinearNetwork(3, 2, 3)


BAD_WEIGHTS = [
    (None, ShapeError, "weights must be a list of 2 matrices, W_1 first"),
    (5, ShapeError, "weights must be a list of 2 matrices"),
    ("ab", ShapeError, "weights must be a list of 2 matrices"),
    (b"ab", ShapeError, "weights must be a list of 2 matrices"),
    ({0: 1, 1: 2}, ShapeError, "weights must be a list of 2 matrices"),
    (zeros(1, 2), ShapeError, "weights must be a list of 2 matrices"),
    ([], ShapeError, "weights has 0 matrices, but 2-1-2 has 2 layers"),
    ([[[1, 2]]], ShapeError, "weights has 1 matrices"),
    ([[[1, 2]], [[1], [2]], [[1]]], ShapeError, "weights has 3 matrices"),
    ([[[1, 2]], [[1, 2]]], ShapeError, "weights[1] (layer 2 of 2-1-2) is 1×2: give a 2×1 matrix"),
    ([[[1], [2]], [[1], [2]]], ShapeError, "weights[0] (layer 1 of 2-1-2) is 2×1: give a 1×2"),
    ([[[1, 2]], [[1], [2, 3]]], ShapeError, "weights[1] is ragged"),
    ([[[1, 2]], []], ShapeError, "weights[1] is empty"),
    ([[], [[1], [2]]], ShapeError, "weights[0] is empty"),
    ([[[1, 2]], None], ShapeError, "weights[1] must be a list of rows"),
    ([["12"], [[1], [2]]], ShapeError, "row 0 of weights[0] must be a list of numbers"),
    (["12", [[1], [2]]], ShapeError, "weights[0] must be a list of rows"),
    ([[1, 2], [[1], [2]]], ShapeError, "row 0 of weights[0] must be a list of numbers"),
    ([[[1, 0.5]], [[1], [2]]], NotExactError, "weights[0][0][1] is the float 0.5"),
    ([[[1, 2]], [[1], [float("nan")]]], NotExactError, "weights[1][1][0] is nan"),
    ([[[1, True]], [[1], [2]]], NotExactError, "weights[0][0][1] is the boolean True"),
    ([[[1, "x"]], [[1], [2]]], NotExactError, 'weights[0][0][1] is the text "x"'),
]
METHODS = [
    "check_weights",
    "end_to_end",
    "rank_array",
    "intervals",
    "differential",
    "differential_rank",
    "differential_is_maximal",
    "image_of_differential",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("weights", "error", "words"), BAD_WEIGHTS, ids=lambda x: str(x)[:24])
def test_bad_weights_are_refused_by_name(method, weights, error, words):
    with pytest.raises(error) as caught:
        getattr(LinearNetwork(2, 1, 2), method)(weights)
    assert words in str(caught.value) and isinstance(caught.value, DetvarError)


@pytest.mark.parametrize("method", METHODS)
def test_arrays_of_floats_are_refused_by_name(method):
    numpy = pytest.importorskip("numpy")
    call = getattr(LinearNetwork(2, 2, 2), method)
    for bad in (numpy.zeros((2, 2, 2)), [identity(2), numpy.zeros((2, 2), dtype="float32")]):
        with pytest.raises(NotExactError, match=r"^weights\[[01]\] is an array of float"):
            call(bad)
    with pytest.raises(NotExactError, match=r"^weights\[0\] is an array of bool"):
        call(numpy.ones((2, 2, 2), dtype=bool))


def test_arrays_of_integers_are_weights():
    numpy = pytest.importorskip("numpy")
    net = LinearNetwork(2, 2, 2)
    stack = numpy.array([[[1, 2], [3, 4]], [[0, 1], [1, 0]]])
    assert net.end_to_end(stack) == net.end_to_end(stack.tolist()) == matrix([[3, 4], [1, 2]])


def test_weights_are_copied():
    w = matrix([[1, 2]])
    weights = LinearNetwork(2, 1).check_weights([w])
    w[0, 0] = 7
    assert weights[0] == matrix([[1, 2]])


def test_symbolic_weights_are_refused_where_ranks_are_needed():
    pytest.importorskip("sympy")
    net = LinearNetwork(2, 1, 2)
    with pytest.raises(NotExactError, match=r"^weights\[0\]\[0\]\[0\] is w1_1_1, not a number"):
        net.rank_array(net.symbolic_weights())


def test_symbolic_weights_are_checked_too():
    pytest.importorskip("sympy")
    net = LinearNetwork(2, 1, 2)
    first, second = net.symbolic_weights()
    for bad in ([first], [second, first], [first, second, first], [first, first]):
        with pytest.raises(ShapeError, match="weights"):
            net.end_to_end(bad)


def test_symbolic_weights_can_stand_next_to_exact_ones():
    pytest.importorskip("sympy")
    net = LinearNetwork(2, 1, 2)
    first, second = net.symbolic_weights()
    for rows in ([[1, "1/2"]], matrix([[1, "1/2"]])):
        want = second * to_sympy(matrix([[1, "1/2"]]))
        assert net.end_to_end([rows, second]) == want
    assert net.end_to_end([first, [[1], [2]]]) == to_sympy(matrix([[1], [2]])) * first
