"""Strings: the strata of critical weights over a fixed end-to-end matrix and gradient.

Dimensions are compared with ranks of Lie algebra actions at sampled points, lists with exhaustive
search over the field of two elements, components with tangent spaces and explicit curves.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import product
from math import prod
from pathlib import Path
from random import Random

import pytest
from test_fibers import (
    action_rank,
    end_to_end,
    order_gl,
    random_invertible,
    rank_mod_2,
    ranks_mod_2,
    times_mod_2,
    weights_mod_2,
)

from detvar.errors import IncompleteError, ShapeError
from detvar.exact.matrices import (
    Matrix,
    chain,
    diagonal,
    hstack,
    identity,
    is_zero,
    kron,
    matrix,
    rank,
    vstack,
    zeros,
)
from detvar.exact.rational import rational
from detvar.networks.fiber import fiber
from detvar.networks.sampling import strings_of_weights, weights_of_strings
from detvar.networks.strata import covers, flatten
from detvar.networks.strings import Strings, components, critical_strata, strings_of_ranks

CASES = [
    case
    for case in json.loads((Path(__file__).parent / "cases" / "linear_networks.json").read_text())
    if case["kind"] == "critical_locus"
]
WIDTHS = [(2, 3), (1, 1, 1), (2, 2, 2), (2, 1, 2), (3, 2, 2), (1, 1, 1, 1), (2, 1, 1, 2)]
WIDTHS += [(2, 2, 2, 1), (2, 2, 2, 2), (1, 2, 2, 1), (2, 3, 2, 2), (3, 2, 2, 3), (1, 1, 1, 1, 1)]
WIDTHS += [(2, 1, 2, 1, 2), (2, 2, 2, 2, 2), (1, 2, 1, 2, 1, 1)]
LOCI = [
    (d, e, rho)
    for d in WIDTHS
    for e in range(min(d) + 1)
    for rho in range(min(d[0], d[-1]) - e + 1)
]
LOCI = [x for x in LOCI if len(critical_strata(*x)) <= 400]


def random_pair(m, n, e, rho, rng):
    """W̄ of rank e and G of rank ρ with W̄ᵀG = 0 and GW̄ᵀ = 0, otherwise general."""
    a, b = random_invertible(m, rng), random_invertible(n, rng)
    image = a * diagonal([rational(1)] * e, m, n) * b
    residual = zeros(m, n)
    for i in range(e, e + rho):
        residual[i, i] = rational(rng.choice((1, -2, 3)))
    return image, a.inv().transpose() * residual * b.inv().transpose()


def random_strings(rng):
    h = rng.randint(1, 5)
    free = Counter()
    for _ in range(rng.randint(0, 5)):
        p = rng.randint(0, h)
        free[p, rng.randint(p, h)] += 1
    full, matched = free.pop((0, h), 0), Counter()
    if h > 1:
        for _ in range(rng.randint(0, 3)):
            p = rng.randint(2, h)
            matched[p, rng.randint(0, p - 2)] += 1
    for layer in range(h + 1):  # no layer may be empty
        covered = any(p <= layer <= q for p, q in free) or full
        if not covered and not any(layer >= p or layer <= q for p, q in matched):
            free[layer, layer] += 1
    return Strings(h, full, tuple(sorted(free.items())), tuple(sorted(matched.items())))


def gradients(weights, gradient):
    """All W_{>i}ᵀ G W_{<i}ᵀ."""
    m, n = weights[-1].nrows(), weights[0].ncols()
    for i in range(len(weights)):
        left = chain(identity(m), *reversed(weights[i + 1 :]))
        right = chain(identity(n), *(w.transpose() for w in weights[:i]))
        yield left.transpose() * gradient * right


def standard_point(strings):
    """Strings as lists of positions (layer, coordinate), with 0/1 weights and 0/1 gradient."""
    h = strings.depth
    paths, used = [], [0] * (h + 1)
    items = [((0, h + 1), strings.full)]
    items += [((p, q - p + 1), n) for (p, q), n in strings.free]
    items += [((p, h - p + q + 2), n) for (p, q), n in strings.matched]
    for (start, length), count in items:
        for _ in range(count):
            path = []
            for x in range(start, start + length):
                path.append((x % (h + 1), used[x % (h + 1)]))
                used[x % (h + 1)] += 1
            paths.append(path)
    weights = [zeros(used[i + 1], used[i]) for i in range(h)]
    gradient = zeros(used[h], used[0])
    for path in paths:
        for (i, x), (j, y) in zip(path, path[1:], strict=False):
            if j == i + 1:
                weights[i][y, x] = 1
            else:
                gradient[x, y] = 1
    return paths, weights, gradient


def links(strings):
    """Critical weights of other types, with the same W̄ and G, on curves that end at this type.

    Let the string x end at layer b and let y go from layer b to layer b + 1, or start at b + 1,
    where x starts before y does.  If b < h, the curve adds ε y x* to a weight.  If b = h, then y is
    joined through the gradient, and the curve is the base change 1 + ε y_h x_h* of the last weight.
    All ε ≠ 0 give one type, since they differ by a rescaling of the strings."""
    h = strings.depth
    size = h + 1
    paths, weights, gradient = standard_point(strings)
    seen = set()
    for x, y in product(paths, repeat=2):
        a, b = x[0][0], x[0][0] + len(x) - 1
        c = y[0][0] + size * (y[0][0] <= a)  # the first copy of y that starts after x does
        d = c + len(y) - 1
        if not (c <= b + 1 and b < d) or d - a + 1 > h:
            continue
        kind = (a, len(x), y[0][0], len(y))
        position = y[b + 1 - c]
        moved = [Matrix(w) for w in weights]
        if position[0]:
            moved[position[0] - 1][position[1], x[-1][1]] = rational("-2/3")
        elif c <= b:
            unipotent = identity(weights[-1].nrows())
            unipotent[y[b - c][1], x[-1][1]] = rational("-2/3")
            moved[-1] = unipotent * moved[-1]
        else:
            continue  # this would make the rank of the gradient larger
        if kind not in seen:
            seen.add(kind)
            assert end_to_end(moved) == end_to_end(weights)
            yield strings_of_weights(moved, gradient)


def critical_tangent_dimension(weights, gradient):
    """Dimension of all V along which W_h⋯W_1 and every W_{>i}ᵀGW_{<i}ᵀ have derivative zero."""
    h = len(weights)
    m, n = weights[-1].nrows(), weights[0].ncols()
    d = [n, *(w.nrows() for w in weights)]

    def through(i, j):  # W_{j}⋯W_{i+1}
        return chain(identity(d[j]), *reversed(weights[i:j]))

    rows = [hstack(*(kron(through(k + 1, h), through(0, k).transpose()) for k in range(h)))]
    for i in range(h):
        left, right = through(i + 1, h).transpose(), through(0, i).transpose()
        blocks = []
        for k in range(h):
            block = zeros(d[i + 1] * d[i], d[k + 1] * d[k])
            # V_k enters transposed: vec(A Vᵀ B) = (A ⊗ Bᵀ) P vec V with the transposition P
            p = zeros(d[k + 1] * d[k], d[k + 1] * d[k])
            for x, y in product(range(d[k + 1]), range(d[k])):
                p[y * d[k + 1] + x, x * d[k] + y] = 1
            if k > i:
                a = through(i + 1, k).transpose()
                b = through(k + 1, h).transpose() * gradient * right
                block = kron(a, b.transpose()) * p
            elif k < i:
                a = left * gradient * through(0, k).transpose()
                b = through(k + 1, i).transpose()
                block = kron(a, b.transpose()) * p
            blocks.append(block)
        rows.append(hstack(*blocks))
    assert m == d[-1]
    return sum(x * y for x, y in zip(d, d[1:], strict=False)) - rank(vstack(*rows))


def dimension_by_hom_counts(s):
    """Σ_hidden (d² − (d−e)²) + Σ (d−e)² − dim End − ρ(m+n−2e−ρ), dim End counted over pairs of
    strings other than the full ones: x first layers of one are the x last layers of the other."""
    e, rho, d, h = s.full, s.residual_rank, s.widths(), s.depth
    strings = [(list(range(p, q + 1)), n) for (p, q), n in s.free]
    strings += [([*range(p, h + 1), *range(q + 1)], n) for (p, q), n in s.matched]
    end = sum(
        k * n * sum(v[:x] == w[-x:] for x in range(1, min(len(v), len(w)) + 1))
        for (v, k), (w, n) in product(strings, repeat=2)
    )
    around = sum(x * x - (x - e) ** 2 for x in d[1:-1])
    return around + sum((x - e) ** 2 for x in d) - end - rho * (d[0] + d[-1] - 2 * e - rho)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_cases(case):
    given = case["input"]
    found = components(
        critical_strata(given["network"], given["rank"], given["nonzero_residual_singular_values"])
    )
    assert [s.dimension for s in found] == case["expected"]["component_dimensions"]


def test_strings_to_weights_and_back():
    rng = Random(1)
    depths = Counter()
    for trial in range(400):
        s = random_strings(rng)
        d = s.widths()
        image, residual = random_pair(d[-1], d[0], s.full, s.residual_rank, rng)
        weights = weights_of_strings(s, image, residual, seed=trial)
        assert [(w.nrows(), w.ncols()) for w in weights] == list(zip(d[1:], d[:-1], strict=True))
        assert end_to_end(weights) == image
        assert all(map(is_zero, gradients(weights, residual)))
        assert strings_of_weights(weights, residual) == s
        assert weights == weights_of_strings(s, image, residual, seed=Random(trial))
        assert Strings.from_json(json.loads(json.dumps(s.to_json()))) == s
        depths[s.depth, s.residual_rank > 0] += 1
    assert len(depths) == 9 and min(depths.values()) > 10  # h = 1 … 5, G = 0 or not


def test_dimension_is_the_rank_of_the_stabiliser_action():
    rng = Random(2)
    for trial in range(150):
        s = random_strings(rng)
        d = s.widths()
        image, residual = random_pair(d[-1], d[0], s.full, s.residual_rank, rng)
        weights = weights_of_strings(s, image, residual, seed=trial)
        # X_m W̄ = W̄ X_n, and −X_mᵀ G = −G X_nᵀ; the latter is Gᵀ X_m = X_n Gᵀ.
        dual = residual.transpose()
        assert s.dimension == joint_action_rank(weights, image, dual)
        assert s.dimension == dimension_by_hom_counts(s)
        if is_zero(residual):
            assert s.dimension == action_rank(weights, [image])


def joint_action_rank(weights, image, dual):
    """Rank of the action on the weights of all base changes that fix W̄ and Gᵀ."""
    d = [weights[0].ncols(), *(w.nrows() for w in weights)]
    h = len(weights)

    def row(after, before, w):
        blocks = [zeros(w.nrows() * w.ncols(), x * x) for x in d]
        blocks[after] = blocks[after] + kron(identity(w.nrows()), w.transpose())
        blocks[before] = blocks[before] - kron(w, identity(w.ncols()))
        return hstack(*blocks)

    action = [row(i + 1, i, w) for i, w in enumerate(weights)]
    fixed = [row(h, 0, image), row(0, h, dual)]
    return rank(vstack(*action, *fixed)) - rank(vstack(*fixed))


@pytest.mark.parametrize(("d", "e", "rho"), LOCI, ids=str)
def test_closure_order_and_components(d, e, rho):
    """All cover relations of the path ranks are limits of explicit curves of critical weights, and
    ranks cannot grow in a limit, so the path-rank order is the closure order.  The maximal strata
    have the dimension of the tangent space, so they are open in the critical locus."""
    strata = critical_strata(d, e, rho)
    assert len(set(strata)) == len(strata)
    index = {s: i for i, s in enumerate(strata)}
    keys = [flatten(s.path_ranks()) for s in strata]
    assert len(set(keys)) == len(keys)
    larger = [{index[t] for t in links(s)} for s in strata]
    for i, above in enumerate(larger):
        for j in above:
            assert all(x <= y for x, y in zip(keys[i], keys[j], strict=True))
            assert strata[i].dimension < strata[j].dimension
    assert all(i in larger[j] for i, j in covers(keys))
    tops = components(strata)
    assert set(tops) == {s for s, above in zip(strata, larger, strict=True) if not above}
    rng = Random(3)
    for s in tops:
        assert s.widths() == d and (s.full, s.residual_rank) == (e, rho)
        image, residual = random_pair(d[-1], d[0], e, rho, rng)
        weights = weights_of_strings(s, image, residual, seed=rng)
        assert critical_tangent_dimension(weights, residual) == s.dimension


@pytest.mark.parametrize(
    ("d", "e", "rho"),
    [
        ((1, 1, 1, 1), 0, 1),
        ((2, 1, 2), 0, 2),
        ((2, 2, 2), 0, 1),
        ((2, 2, 2), 1, 1),
        ((2, 1, 1, 2), 0, 1),
        ((2, 1, 1, 2), 0, 2),
        ((1, 2, 1, 2), 0, 1),
        ((1, 2, 2, 1), 0, 1),
        ((1, 1, 2, 1, 1), 0, 1),
        pytest.param((2, 2, 2, 2), 0, 2, marks=pytest.mark.slow),
        pytest.param((2, 2, 2, 2), 1, 1, marks=pytest.mark.slow),
    ],
)
def test_every_stratum_and_its_size_over_two_elements(d, e, rho):
    """All critical weights over F_2 are listed; a stratum has |H| / |Aut| elements, H the base
    changes that fix W̄ and G, and |Aut| = 2^{dim End − Σ n²} ∏ |GL_n| over the n equal strings."""
    m, n, h = d[-1], d[0], len(d) - 1
    image = tuple(1 << i if i < e else 0 for i in range(m))
    gradient = tuple(1 << i if e <= i < e + rho else 0 for i in range(m))

    def transpose(a, columns):
        return tuple(sum((row >> j & 1) << i for i, row in enumerate(a)) for j in range(columns))

    seen = Counter()
    for weights in weights_mod_2(d):
        below = [tuple(1 << i for i in range(n))]  # W_{≤j}
        for w in weights:
            below.append(times_mod_2(w, below[-1]))
        if below[-1] != image:
            continue
        above = [tuple(1 << i for i in range(m))]  # W_{>i}
        for w in reversed(weights):
            above.append(times_mod_2(above[-1], w))
        above.reverse()
        through = [
            [
                rank_mod_2(
                    times_mod_2(
                        times_mod_2(transpose(above[i], d[i]), gradient), transpose(below[j], n)
                    )
                )
                for j in range(h + 1)
            ]
            for i in range(h + 1)
        ]
        if not any(through[i][i - 1] for i in range(1, h + 1)):
            seen[strings_of_ranks(ranks_mod_2(weights, d), through)] += 1
    assert set(seen) == set(critical_strata(d, e, rho))

    s = e + rho  # base changes of R^n and R^m that fix a pair of ranks e and ρ
    pair = [(2, n * n + m * m - s * (m + n - s)), (e, rho, n - s, m - s)]
    fixing = 2 ** (pair[0][1] - sum(x * x for x in pair[1])) * prod(map(order_gl, pair[1]))
    group = fixing * prod(order_gl(x) for x in d[1:-1])
    for strings, size in seen.items():
        counts = [strings.full, *(n for _, n in strings.free), *(n for _, n in strings.matched)]
        end = pair[0][1] + sum(x * x for x in d[1:-1]) - strings.dimension
        assert size * 2 ** (end - sum(x * x for x in counts)) * prod(map(order_gl, counts)) == group


def test_zero_gradient_gives_the_fiber():
    for d, e, rho in LOCI:
        if rho == 0:
            f, strata = fiber(d, e), critical_strata(d, e, 0)
            assert {s.ranks(): s.dimension for s in strata} == {
                s.ranks: s.dimension for s in f.strata
            }
            assert [s.ranks() for s in components(strata)] == [c.ranks for c in f.components]
            assert all(not s.matched for s in strata)


def test_rank_equal_to_the_narrowest_width_gives_one_component():
    """All weights of the fiber over a critical matrix of maximal rank are critical."""
    for d in [*WIDTHS, (3, 2, 3), (4, 2, 3, 4), (3, 1, 3, 1, 3)]:
        r, m, n = min(d), d[-1], d[0]
        size = sum(x * y for x, y in zip(d, d[1:], strict=False))
        for rho in range(min(m, n) - r + 1):
            strata = critical_strata(d, r, rho)
            if len(d) == 2 and rho:
                assert strata == ()  # one layer is critical only where the gradient vanishes
                continue
            assert [s.dimension for s in components(strata)] == [size - r * (m + n - r)]
            assert {s.ranks() for s in strata} == {s.ranks for s in fiber(d, r).strata}


def test_turning_the_network_around():
    """W_i ↦ W_{h+1−i}ᵀ turns the pair of [p, h] and [0, q] into that of [h−q, h] and [0, h−p]."""
    for d, e, rho in LOCI:
        h = len(d) - 1

        def turn(s, h=h):
            free = sorted(((h - q, h - p), n) for (p, q), n in s.free)
            matched = sorted(((h - q, h - p), n) for (p, q), n in s.matched)
            return Strings(h, s.full, tuple(free), tuple(matched))

        strata = critical_strata(d, e, rho)
        turned = [turn(s) for s in strata]
        assert set(turned) == set(critical_strata(d[::-1], e, rho))
        assert [s.dimension for s in turned] == [s.dimension for s in strata]
        assert {turn(s) for s in components(strata)} == set(components(turned))


def test_small_critical_loci_by_hand():
    """xyz = 0 with a non-zero derivative g: yz = xz = xy = 0 are the three axes; through widths
    1-1-1 it is the origin, through 1-1 there is nothing."""
    strata = critical_strata((1, 1, 1, 1), 0, 1)
    assert sorted(s.dimension for s in strata) == [0, 1, 1, 1]
    assert [str(s) for s in critical_strata((1, 1, 1), 0, 1)] == ["[2,2]~[0,0] + [1,1]"]
    assert critical_strata((1, 1), 0, 1) == () and components(()) == ()
    assert [str(s) for s in critical_strata((1, 1), 1, 0)] == ["[0,1]"]
    assert critical_strata((1, 1), 1, 0)[0].dimension == 0


def test_refusals():
    with pytest.raises(ShapeError, match="between 0 and 1"):
        critical_strata((2, 2, 2), 1, 2)
    with pytest.raises(ShapeError, match="between 0 and 2"):
        critical_strata((2, 2, 2), 3, 0)
    with pytest.raises(IncompleteError, match="budget of 3"):
        critical_strata((2, 2, 2), 0, 0, budget=3)
    for free, matched in [
        ((), (((1, 0), 1),)),
        ((((0, 2), 1),), ()),
        ((((1, 1), 0),), ()),
        ((((1, 1), 1), ((0, 0), 1)), ()),
        ((((1, 1), 1), ((1, 1), 2)), ()),
    ]:
        with pytest.raises(ShapeError):
            Strings(2, 0, free, matched)
    s = Strings(2, 0, (((1, 1), 1),), (((2, 0), 1),))
    one, zero = matrix([[1]]), matrix([[0]])
    with pytest.raises(ShapeError, match="image has rank 1"):
        weights_of_strings(s, one, one)
    with pytest.raises(ShapeError, match="residual has rank 0"):
        weights_of_strings(s, zero, zero)
    with pytest.raises(ShapeError, match="image is 1×2"):
        weights_of_strings(s, matrix([[0, 0]]), one)
    with pytest.raises(ShapeError, match="must be zero"):
        two = Strings(2, 1, (((1, 1), 1),), (((2, 0), 1),))
        weights_of_strings(two, matrix([[1, 0], [0, 0]]), matrix([[0, 1], [0, 0]]))
    with pytest.raises(ShapeError, match="every layer"):
        weights_of_strings(Strings(2, 0, (), (((2, 0), 1),)), zero, one)
    with pytest.raises(ShapeError, match="not critical .* W_2 "):
        strings_of_weights([one, zero], one)
    with pytest.raises(ShapeError, match="not critical .* W_1 "):
        strings_of_weights([zero, one], one)
    with pytest.raises(ShapeError, match="empty"):
        strings_of_weights([], one)
    with pytest.raises(ShapeError, match="more pairs"):
        strings_of_ranks(((1, 0, 0), (1, 0), (1,)), [[0, 0, 0], [0, 0, 0], [2, 0, 0]])
