"""Barcodes, strata of the weight space, and fibers of the end-to-end map.

Dimensions are compared with ranks of Lie algebra actions, lists with exhaustive search over the
field of two elements, closure relations with explicit curves, components with tangent spaces.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations, product
from math import prod
from pathlib import Path
from random import Random

import pytest

from detvar.errors import IncompleteError, ShapeError
from detvar.exact.matrices import (
    Matrix,
    chain,
    diagonal,
    hstack,
    identity,
    inverse,
    kron,
    rank,
    vstack,
    zeros,
)
from detvar.exact.rational import rational
from detvar.networks.barcodes import (
    barcode_text,
    barcodes,
    count_barcodes,
    endomorphism_dimension,
    hom_dimension,
    is_rank_array,
    multiplicities,
    orbit_codimension,
    orbit_dimension,
    rank_array,
    widths_of,
)
from detvar.networks.fiber import Fiber, connected_components, fiber, poincare_polynomial
from detvar.networks.strata import covers, flatten, maximal, strata

CASES = [
    case
    for case in json.loads((Path(__file__).parent / "cases" / "linear_networks.json").read_text())
    if case["kind"] == "fiber"
]
SMALL = [(1, 1), (2, 3), (1, 1, 1), (2, 1, 2), (2, 2, 1), (2, 2, 2), (1, 1, 1, 1), (2, 1, 1, 2)]
SMALL += [(1, 2, 2, 1), (2, 1, 2, 1), (1, 1, 2, 1, 1)]
FIBERS = [(d, e) for d in [*SMALL, (3, 2, 3), (2, 3, 2, 2)] for e in range(min(d) + 1)]


def random_invertible(n, rng):
    while rank(a := Matrix(n, n, [rng.randint(-2, 2) for _ in range(n * n)])) < n:
        pass
    return a


def standard_weights(mult, h):
    """The intervals, the coordinate of each at each layer, and the 0/1 weights of this barcode."""
    intervals = [interval for interval, count in sorted(mult.items()) for _ in range(count)]
    place = []
    for layer in range(h + 1):
        present = [k for k, (p, q) in enumerate(intervals) if p <= layer <= q]
        place.append({k: row for row, k in enumerate(present)})
    weights = []
    for before, after in zip(place, place[1:], strict=False):
        w = zeros(len(after), len(before))
        for k, row in after.items():
            if k in before:
                w[row, before[k]] = 1
        weights.append(w)
    return intervals, place, weights


def sample(mult, h, rng):
    """Weights with these interval multiplicities, in random bases of all layers."""
    weights = standard_weights(mult, h)[2]
    bases = [random_invertible(d, rng) for d in widths_of(mult, h)]
    return [b * w * inverse(a) for a, w, b in zip(bases, weights, bases[1:], strict=False)]


def end_to_end(weights):
    return chain(*reversed(weights))


def ranks_of(weights):
    out = []
    for p in range(len(weights) + 1):
        a = identity(weights[p].ncols() if p < len(weights) else weights[-1].nrows())
        row = [rank(a)]
        for w in weights[p:]:
            a = w * a
            row.append(rank(a))
        out.append(tuple(row))
    return tuple(out)


def action_rank(weights, pairs=()):
    """Rank of (X_0, …, X_h) ↦ (X_l W_l − W_l X_{l−1})_l on all X with X_h A = A X_0 for A in
    `pairs`: the dimension of the orbit of the weights under the group that fixes the A."""
    d = [weights[0].ncols(), *(w.nrows() for w in weights)]
    h = len(weights)

    def row(after, before, w):  # the block row of X_after W − W X_before
        blocks = [zeros(w.nrows() * w.ncols(), x * x) for x in d]
        blocks[after] = kron(identity(w.nrows()), w.transpose())
        blocks[before] = kron(w, identity(w.ncols())) * rational(-1)
        return hstack(*blocks)

    action = [row(i + 1, i, w) for i, w in enumerate(weights)]
    fixed = [row(h, 0, a) for a in pairs]
    if not fixed:
        return rank(vstack(*action))
    return rank(vstack(*action, *fixed)) - rank(vstack(*fixed))


def differential_rank(weights):
    """Rank of the Jacobian of the end-to-end map, Σ W_{>i} K W_{<i}."""
    h = len(weights)
    m, n = weights[-1].nrows(), weights[0].ncols()
    blocks = []
    for i in range(h):
        left = chain(identity(m), *reversed(weights[i + 1 :]))
        right = chain(*reversed(weights[:i]), identity(n)) if i else identity(n)
        blocks.append(kron(left, right.transpose()))
    return rank(hstack(*blocks))


def rank_mod_2(rows):
    """Rank over the field of two elements; rows are integers whose bits are the entries."""
    basis: list[int] = []
    for row in rows:
        for b in basis:
            row = min(row, row ^ b)
        if row:
            basis.append(row)
    return len(basis)


def times_mod_2(a, b):
    out = []
    for row in a:
        x = 0
        for i, r in enumerate(b):
            if row >> i & 1:
                x ^= r
        out.append(x)
    return tuple(out)


def weights_mod_2(d):
    layers = [list(product(range(1 << a), repeat=b)) for a, b in zip(d, d[1:], strict=False)]
    return product(*layers)


def ranks_mod_2(weights, d):
    out = []
    for p in range(len(d)):
        a = tuple(1 << i for i in range(d[p]))
        row = [d[p]]
        for w in weights[p:]:
            a = times_mod_2(w, a)
            row.append(rank_mod_2(a))
        out.append(tuple(row))
    return tuple(out)


def order_gl(n, q=2):
    return prod(q**n - q**i for i in range(n))


def extensions(mult, h):
    """Barcodes from which this one arises by splitting one interval, or two, as [a,d] + [c,b] →
    [a,b] + [c,d]: yields the larger barcode with the two intervals that are linked."""
    for (a, b), (c, d) in product(mult, repeat=2):
        if a < c <= b + 1 and b < d:
            larger = Counter(mult)
            larger.subtract([(a, b), (c, d)])
            larger.update([(a, d), (c, b)] if c <= b else [(a, d)])
            yield {k: n for k, n in larger.items() if n}, (a, b), (c, d)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_cases(case):
    f = fiber(case["input"]["network"], case["input"]["rank"])
    found = f.to_json()
    found["components"], found["strata"] = len(f.components), len(f.strata)
    assert {key: found[key] for key in case["expected"]} == case["expected"]


def test_rank_arrays_and_multiplicities_determine_each_other():
    rng = Random(1)
    for _ in range(300):
        h = rng.randint(1, 5)
        pairs = [(p, q) for p in range(h + 1) for q in range(p, h + 1)]
        mult = {k: n for k in pairs if (n := rng.randint(0, 2))}
        mult[0, h] = 1
        ranks = rank_array(mult, h)
        assert multiplicities(ranks) == mult
        assert ranks_of(standard_weights(mult, h)[2]) == ranks
        assert ranks_of(sample(mult, h, rng)) == ranks
    assert is_rank_array(((2, 1, 0), (2, 1), (2,)))
    assert not is_rank_array(((2, 1, 0), (1, 1), (2,)))  # two isomorphisms onto rank-one images
    assert not is_rank_array(((2, 1), (2, 1)))
    with pytest.raises(ShapeError):
        rank_array({(1, 0): 1}, 2)
    assert barcode_text({}) == "0"


@pytest.mark.parametrize("d", [d for d in SMALL if len(d) > 2])
def test_every_rank_array_and_every_orbit_size_over_two_elements(d):
    """All weights over F_2 are listed; an orbit has |∏GL| / |Aut| elements, where
    |Aut| = 2^{dim End − Σ mult²} ∏ |GL_mult|."""
    seen = Counter(ranks_mod_2(w, d) for w in weights_mod_2(d))
    arrays = {rank_array(m, len(d) - 1) for m in barcodes(d)}
    assert arrays == set(seen)
    for ranks, size in seen.items():
        mult = multiplicities(ranks).values()
        radical = endomorphism_dimension(ranks) - sum(n * n for n in mult)
        automorphisms = 2**radical * prod(order_gl(n) for n in mult)
        assert size * automorphisms == prod(order_gl(n) for n in d)


def test_counts_are_vector_partitions():
    """The barcodes of width d are the ways to write d as a sum of indicator vectors [p, q]."""
    for d in [*SMALL, (3, 3, 3, 3), (2, 3, 1, 2, 2)]:
        ways = Counter({(0,) * len(d): 1})
        for p in range(len(d)):
            for q in range(p, len(d)):
                after = Counter()
                for v, n in ways.items():
                    while all(x <= y for x, y in zip(v, d, strict=True)):
                        after[v] += n
                        v = tuple(x + (p <= i <= q) for i, x in enumerate(v))
                ways = after
        tables = [tuple(sorted(m.items())) for m in barcodes(d)]
        assert len(tables) == len(set(tables)) == count_barcodes(d) == ways[d]
        for e in range(min(d) + 2):
            chosen = [m for m in barcodes(d) if m.get((0, len(d) - 1), 0) == e]
            assert list(barcodes(d, e)) == chosen
            assert count_barcodes(d, e) == len(chosen)
    assert 20 < count_barcodes((9, 9, 9, 9), at_most=20) < count_barcodes((9, 9, 9, 9))


def test_hom_dimension_counts_intertwiners():
    h = 3
    pairs = [(p, q) for p in range(h + 1) for q in range(p, h + 1)]
    for first, second in product(pairs, repeat=2):
        # f_l : scalar at each layer of the overlap; f_{l+1} a_{l+1} = b_{l+1} f_l at each step
        (a, b), (c, d) = first, second
        layers = range(max(a, c), min(b, d) + 1)
        equations = zeros(h, h + 1)
        for step in range(h):
            if a <= step < b and step + 1 in layers:
                equations[step, step + 1] += 1
            if c <= step < d and step in layers:
                equations[step, step] -= 1
        free = [x for x in range(h + 1) if x in layers]
        kernel = len(free) - rank(equations)
        assert hom_dimension(first, second) == kernel
    rng = Random(2)
    for _ in range(100):
        mult = {k: n for k in pairs if (n := rng.randint(0, 2))}
        total = sum(
            x * y * hom_dimension(i, j) for (i, x), (j, y) in product(mult.items(), repeat=2)
        )
        assert endomorphism_dimension(rank_array(mult, h)) == total


def test_orbit_dimension_is_the_rank_of_the_group_action():
    rng = Random(3)
    for d in [*SMALL, (2, 3, 2), (2, 2, 2, 2)]:
        for mult in rng.sample(tables := list(barcodes(d)), min(12, len(tables))):
            weights = sample(mult, len(d) - 1, rng)
            ranks = rank_array(mult, len(d) - 1)
            assert orbit_dimension(ranks) == action_rank(weights)
            size = sum(x * y for x, y in zip(d, d[1:], strict=False))
            assert orbit_codimension(ranks) == size - action_rank(weights)


def test_fiber_strata_dimensions_are_ranks_of_the_stabiliser_action():
    rng = Random(4)
    for d, e in FIBERS:
        f = fiber(d, e)
        for stratum in rng.sample(f.strata, min(8, len(f.strata))):
            weights = sample(stratum.multiplicities, len(d) - 1, rng)
            assert stratum.dimension == action_rank(weights, [end_to_end(weights)])


def test_closure_order_is_generated_by_explicit_curves():
    """Linking x = [a,b] to y = [c,d] adds ε y x* to one weight.  For all ε ≠ 0 (they differ by a
    rescaling) the barcode is the larger one, so the smaller is a limit of it.  All cover relations
    are of this kind; and ranks cannot grow in a limit, so the order is the closure order."""
    for d in [*SMALL, (2, 2, 2, 2), (3, 2, 3)]:
        h = len(d) - 1
        graph = strata(d)
        for ranks, data in graph.nodes(data=True):
            larger = set()
            for barcode, x, y in extensions(data["multiplicities"], h):
                intervals, place, weights = standard_weights(data["multiplicities"], h)
                layer = x[1]
                row, column = place[layer + 1][intervals.index(y)], place[layer][intervals.index(x)]
                weights[layer][row, column] = rational("-2/3")
                assert ranks_of(weights) == rank_array(barcode, h)
                larger.add(rank_array(barcode, h))
            assert set(graph.predecessors(ranks)) <= larger


def test_strata_graph_is_the_cover_graph_of_the_entrywise_order():
    import networkx

    for d in [(2, 2, 2), (2, 1, 1, 2), (2, 2, 2, 2), (1, 2, 3, 2)]:
        graph = strata(d)
        nodes = [(flatten(ranks), ranks) for ranks in graph]
        order = networkx.DiGraph()
        order.add_nodes_from(graph)
        for (x, a), (y, b) in product(nodes, repeat=2):
            if a != b and all(i >= j for i, j in zip(x, y, strict=True)):
                order.add_edge(a, b)
        assert set(networkx.transitive_reduction(order).edges) == set(graph.edges)
        (source,) = [v for v in graph if not graph.in_degree(v)]
        (sink,) = [v for v in graph if not graph.out_degree(v)]
        size = sum(x * y for x, y in zip(d, d[1:], strict=False))
        assert graph.nodes[source]["dimension"] == size and graph.nodes[sink]["dimension"] == 0
        assert graph.graph["widths"] == d
        for a, b in graph.edges:
            assert graph.nodes[a]["dimension"] > graph.nodes[b]["dimension"]
            assert graph.nodes[a]["rank"] == a[0][-1] >= graph.nodes[b]["rank"]


def test_covers_and_maximal_by_definition():
    rng = Random(5)
    for _ in range(30):
        keys = list({tuple(rng.randint(0, 3) for _ in range(3)) for _ in range(25)})

        def less(i, j, keys=keys):
            return i != j and all(x <= y for x, y in zip(keys[i], keys[j], strict=True))

        n = range(len(keys))
        assert maximal(keys) == [i for i in n if not any(less(i, j) for j in n)]
        assert set(covers(keys)) == {
            (j, i)
            for i, j in product(n, repeat=2)
            if less(i, j) and not any(less(i, k) and less(k, j) for k in n)
        }


@pytest.mark.parametrize(("d", "e"), FIBERS, ids=str)
def test_components_of_the_fiber(d, e):
    """A stratum whose dimension is that of the tangent space ker dμ is open in the fiber, so its
    closure is a component; every other stratum is reached from one of these by curves in the
    fiber, namely the links of `test_closure_order_...` that leave [0, h] alone."""
    rng, h = Random(6), len(d) - 1
    f = fiber(d, e)
    size = sum(x * y for x, y in zip(d, d[1:], strict=False))
    for c in f.components:
        weights = sample(c.multiplicities, h, rng)
        assert size - differential_rank(weights) == c.dimension
    reached = {c.ranks for c in f.components}
    for s in sorted(f.strata, key=lambda s: -sum(flatten(s.ranks))):
        larger = [rank_array(m, h) for m, _, _ in extensions(s.multiplicities, h)]
        if any(ranks in reached and ranks[0][-1] == e for ranks in larger):
            assert s.ranks not in {c.ranks for c in f.components}
            reached.add(s.ranks)
    assert reached == {s.ranks for s in f.strata}


@pytest.mark.parametrize(("d", "e"), FIBERS, ids=str)
def test_laws_of_fibers(d, e):
    f, r = fiber(d, e), min(d)
    m, n = d[-1], d[0]
    size = sum(x * y for x, y in zip(d, d[1:], strict=False))
    assert f.dimension == max(f.component_dimensions) == max(s.dimension for s in f.strata)
    assert list(f.component_dimensions) == sorted(f.component_dimensions, reverse=True)
    # No component of a fiber is smaller than the generic one; weights of rank e < r are not dense.
    assert min(f.component_dimensions) >= size - r * (m + n - r)
    assert f.dimension + e * (m + n - e) < size + (e == r)
    if e == r:
        assert f.component_dimensions == (size - r * (m + n - r),)
    if len(d) == 2:
        assert (f.component_dimensions, len(f.strata), f.poincare_polynomial) == ((0,), 1, (1,))
    # Transposition turns the network around.
    g = fiber(d[::-1], e)
    assert f.component_dimensions == g.component_dimensions
    assert f.poincare_polynomial == g.poincare_polynomial
    assert Counter(s.dimension for s in f.strata) == Counter(s.dimension for s in g.strata)
    # Poincaré duality of the compact manifold of frames; degree 0 counts the components.
    p = f.poincare_polynomial
    assert p == p[::-1] and sum(p) == 2 ** (e * (len(d) - 2))
    assert len(p) - 1 == sum(e * (2 * x - e - 1) // 2 for x in d[1:-1])
    assert p[0] == f.connected_components
    assert Fiber.from_json(json.loads(json.dumps(f.to_json()))) == f
    assert f"{len(f.strata)} strat" in str(f)


def test_frames():
    """Hand-known spaces of frames: circle, 2-sphere, rotations of space, S³ × S² and O(3)."""
    assert poincare_polynomial((1, 2, 1), 1) == (1, 1)
    assert poincare_polynomial((1, 3, 1), 1) == (1, 0, 1)
    assert poincare_polynomial((2, 3, 2), 2) == (1, 1, 1, 1)
    assert poincare_polynomial((2, 4, 2), 2) == (1, 0, 1, 1, 0, 1)
    assert poincare_polynomial((3, 3, 3), 3) == (2, 2, 2, 2)
    assert poincare_polynomial((3, 3, 3), 0) == (1,)
    assert connected_components((1, 1, 1, 1), 1) == 4  # xyz = 1: the signs of x and y
    assert connected_components((2, 2, 1), 1) == 1
    assert connected_components((1, 1, 2), 1) == 2


def test_signs_at_narrow_layers_separate_components():
    """At a hidden layer of width e, det(W_l⋯W_1 E) is not zero on the whole fiber, so its sign
    is constant on connected components; all 2^b sign patterns occur."""
    for d, e in [((2, 1, 1, 2), 1), ((2, 2, 3, 2, 2), 2), ((1, 1, 2, 1), 1)]:
        narrow = [i for i in range(1, len(d) - 1) if d[i] == e]
        intervals, place, weights = standard_weights(next(barcodes(d, e)), len(d) - 1)
        frame = zeros(d[0], e)
        for j, k in enumerate(k for k, x in enumerate(intervals) if x == (0, len(d) - 1)):
            frame[place[0][k], j] = 1
        signs = set()
        for flips in product((1, -1), repeat=len(narrow)):
            moved = list(weights)
            for i, s in zip(narrow, flips, strict=True):
                g = diagonal([rational(s)] + [rational(1)] * (d[i] - 1))
                moved[i - 1], moved[i] = g * moved[i - 1], moved[i] * g
            assert end_to_end(moved) == end_to_end(weights)
            dets = [chain(*reversed(moved[:i]), frame).det() for i in narrow]
            assert all(dets)
            signs.add(tuple(x > 0 for x in dets))
        assert len(signs) == connected_components(d, e)


def test_refusals():
    with pytest.raises(ShapeError, match="between 0 and 1"):
        fiber((2, 1, 2), 2)
    with pytest.raises(ShapeError):
        fiber((2, 1, 2), -1)
    for bad in [(2,), (2, 0, 2), ("2", "3"), (1.5, 2)]:
        with pytest.raises(ShapeError):
            strata(bad)
    with pytest.raises(IncompleteError, match="112"):
        strata((3, 3, 3, 3), budget=50)
    with pytest.raises(IncompleteError, match="budget of 5"):
        fiber((3, 3, 3, 3), 1, budget=5)
    assert len(strata((3, 3, 3, 3), budget=112)) == 112


def test_distinct_strata_of_small_nets_by_hand():
    """xy = 0 in the plane: two lines and the point where they meet."""
    f = fiber((1, 1, 1), 0)
    assert [s.dimension for s in f.strata] == [1, 1, 0]
    assert f.component_dimensions == (1, 1)
    assert str(fiber((1, 1, 1), 1)) == (
        "fiber of 1-1-1 over a matrix of rank 1: dimension 1, 1 irreducible component, "
        "1 stratum, 2 connected components over R\n  component of dimension 1: [0,2]"
    )
    # W_3 W_2 W_1 = 0 through widths 2-1-1-2: one factor vanishes, of 2, 1 or 2 entries out of 5.
    assert fiber((2, 1, 1, 2), 0).component_dimensions == (4, 3, 3)
    # All pairs of components differ: none lies in the closure of another.
    for d, e in FIBERS:
        keys = [flatten(c.ranks) for c in fiber(d, e).components]
        for x, y in combinations(keys, 2):
            assert any(i > j for i, j in zip(x, y, strict=True))
            assert any(i < j for i, j in zip(x, y, strict=True))
