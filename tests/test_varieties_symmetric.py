"""Symmetric matrices of bounded rank at a point, against the derivative of (A, S) ↦ ASAᵀ."""

from __future__ import annotations

import random
from itertools import product

import pytest

from detvar.errors import InputError, ShapeError
from detvar.exact.matrices import Matrix, chain, hstack, inner, is_zero, rank, unvec, vec, zeros
from detvar.varieties import DeterminantalVariety, SymmetricDeterminantalVariety

SYMMETRIC = [(n, r, e) for n in range(1, 5) for r in range(n + 1) for e in range(r + 1)]


def entries(rng: random.Random, m: int, n: int) -> Matrix:
    return Matrix(m, n, [rng.randint(-4, 4) for _ in range(m * n)])


def symmetric_of_rank(rng: random.Random, n: int, e: int) -> Matrix:
    while True:
        a, d = entries(rng, n, e), entries(rng, e, e)
        w = a * (d + d.transpose()) * a.transpose() if e else zeros(n, n)
        if rank(w) == e:
            return w


def contained(a: Matrix, b: Matrix) -> bool:
    """Whether Col a ⊂ Col b."""
    return rank(hstack(a, b)) == rank(b)


@pytest.mark.parametrize(("n", "r", "e"), SYMMETRIC)
def test_symmetric_geometry(n: int, r: int, e: int) -> None:
    rng = random.Random(f"s{n}{r}{e}")
    v, w = SymmetricDeterminantalVariety(n, r), symmetric_of_rank(rng, n, e)
    ambient = n * (n + 1) // 2
    t, normal = v.tangent_space(w), v.normal_space(w)
    assert v.dimension + v.codimension == ambient
    assert rank(t) == t.ncols() and rank(normal) == normal.ncols()
    assert t.ncols() + normal.ncols() == ambient
    assert is_zero(t.transpose() * normal)
    for basis in (t, normal):
        for j in range(basis.ncols()):
            x = unvec([basis[i, j] for i in range(n * n)], n, n)
            assert x == x.transpose()
    assert v.is_smooth_at(w) == (e == r or r == n)
    if v.is_smooth_at(w):
        assert t.ncols() == v.dimension
    x, y = (z + z.transpose() for z in (entries(rng, n, n), entries(rng, n, n)))
    px = v.project_to_tangent(w, x)
    assert px == px.transpose() and v.project_to_tangent(w, px) == px
    assert contained(vec(px), t) if t.ncols() else is_zero(px)
    assert is_zero(t.transpose() * vec(x - px))
    assert inner(px, y) == inner(x, v.project_to_tangent(w, y))
    assert v.contains(w)
    assert (v.singular_locus is None) == (r in (0, n))


@pytest.mark.parametrize(("n", "r"), [(n, r) for n in range(1, 5) for r in range(1, n + 1)])
def test_symmetric_dimension_and_tangent_space_from_the_parametrization(n: int, r: int) -> None:
    """(A, S) ↦ ASAᵀ, with S symmetric; the derivative is dA·SAᵀ + (…)ᵀ + A·dS·Aᵀ."""
    rng = random.Random(14)
    v = SymmetricDeterminantalVariety(n, r)
    a, s = entries(rng, n, r), symmetric_of_rank(rng, r, r)
    while rank(a) < r:
        a = entries(rng, n, r)
    columns = []
    for i, j in product(range(n), range(r)):
        d = zeros(n, r)
        d[i, j] = 1
        x = chain(d, s, a.transpose())
        columns.append(vec(x + x.transpose()))
    for i, j in product(range(r), repeat=2):
        d = zeros(r, r)
        d[i, j] = 1
        columns.append(vec(chain(a, d + d.transpose(), a.transpose())))
    image, t = hstack(*columns), v.tangent_space(chain(a, s, a.transpose()))
    assert rank(image) == v.dimension
    assert contained(image, t) and contained(t, image)


def test_symmetric_duality_and_membership() -> None:
    rng = random.Random(15)
    for n, r in [(2, 1), (3, 1), (3, 2), (4, 2)]:
        v = SymmetricDeterminantalVariety(n, r)
        w = symmetric_of_rank(rng, n, r)
        g = sum(
            (
                rng.randint(1, 9) * unvec([v.normal_space(w)[i, j] for i in range(n * n)], n, n)
                for j in range(v.codimension)
            ),
            zeros(n, n),
        )
        assert v.is_conormal(w, g) and v.dual().is_conormal(g, w)
        assert not v.is_conormal(g, w) or r == n - r
    v = SymmetricDeterminantalVariety(2, 1)
    assert not v.contains([[1, 2], [0, 0]]) and not v.contains([[1, 0], [0, 1]])
    assert v.multiplicity([[0, 0], [0, 0]]) == 2
    with pytest.raises(ShapeError, match="not symmetric"):
        v.tangent_space([[1, 2], [0, 0]])
    with pytest.raises(InputError, match="not on the variety"):
        v.normal_space([[1, 0], [0, 1]])


def test_text_and_json() -> None:
    s = DeterminantalVariety.symmetric(3, 1)
    assert eval(repr(s)) == s and SymmetricDeterminantalVariety.from_json(s.to_json()) == s
    numbers = "dimension 3, codimension 3, degree 4"
    assert str(s) == f"the symmetric 3×3 matrices of rank at most 1: {numbers}"
    assert s._repr_latex_().count("$") == 2
