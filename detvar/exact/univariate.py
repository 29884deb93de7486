"""Polynomials over Q in one unknown: interpolation, signs between roots, linear systems mod f."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from flint import fmpq, fmpq_poly

from detvar.exact.algebraic import RealAlgebraic

Univariate = fmpq_poly


def interpolate(values: Callable[[int], Sequence[fmpq]], degree: int) -> list[fmpq_poly]:
    """Return the polynomials p_k of at most this degree with p_k(x) = values(x)[k] at 0, 1, ….

    Examples
    --------
    >>> [str(p) for p in interpolate(lambda x: [fmpq(x * x), fmpq(3 - x)], 2)]
    ['x^2', '(-1)*x + 3']
    """
    table = [list(values(x)) for x in range(degree + 1)]
    return [_newton([fmpq(y) for y in column]) for column in zip(*table, strict=True)]


def _newton(values: list[fmpq]) -> fmpq_poly:
    """Newton's divided differences at the nodes 0, 1, …."""
    n = len(values)
    for step in range(1, n):
        for i in range(n - 1, step - 1, -1):
            values[i] = (values[i] - values[i - 1]) / step
    out = fmpq_poly([0])
    for i in range(n - 1, -1, -1):
        out = out * fmpq_poly([-i, 1]) + values[i]
    return out


def inverse_modulo(g: fmpq_poly, f: fmpq_poly) -> fmpq_poly:
    """Return 1/g modulo f.

    Raises
    ------
    ZeroDivisionError
        If g and f have a common root.

    Examples
    --------
    >>> str(inverse_modulo(fmpq_poly([0, 1]), fmpq_poly([-2, 0, 1])))
    '1/2*x'
    """
    d, s, _ = g.xgcd(f)
    if d.degree() != 0:
        raise ZeroDivisionError("the element has no inverse: it has a root in common with f")
    return s / d[0] % f


def without_common_factors(f: fmpq_poly, g: fmpq_poly) -> fmpq_poly:
    """Return f divided by every factor, with its multiplicity, that it has in common with g ≠ 0.

    >>> str(without_common_factors(fmpq_poly([0, 0, -1, 1]), fmpq_poly([0, 1])))
    'x + (-1)'
    """
    while (common := f.gcd(g)).degree() > 0:
        f = f // common
    return f


def signs_around(f: fmpq_poly, roots: Sequence[RealAlgebraic]) -> list[int]:
    """Return the signs of f before, between and after the points `roots`, increasing.

    All real roots of f must be among them.

    >>> from detvar.exact.algebraic import real_roots
    >>> f = fmpq_poly([0, 0, -1, 1])  # x²(x − 1)
    >>> signs_around(f, [x for x, _ in real_roots(f)])
    [-1, -1, 1]
    """
    if not roots:
        return [_sign(f(fmpq(0)))]
    bits = 32
    while True:
        boxes = [x.bounds(bits) for x in roots]
        if all(a[1] < b[0] for a, b in pairwise(boxes)):
            break
        bits *= 2
    inside = [(a[1] + b[0]) / 2 for a, b in pairwise(boxes)]
    return [_sign(f(x)) for x in (boxes[0][0] - 1, *inside, boxes[-1][1] + 1)]


def _sign(x: fmpq) -> int:
    return (x > 0) - (x < 0)


def rank_modulo(rows: Sequence[Sequence[fmpq_poly]], f: fmpq_poly) -> int:
    """Return the rank of a matrix over the field Q[t]/(f), f irreducible.

    >>> t, f = fmpq_poly([0, 1]), fmpq_poly([-2, 0, 1])
    >>> rank_modulo([[t, t * t], [fmpq_poly([1]), t]], f)
    1
    """
    table = [[x % f for x in row] for row in rows]
    rank = 0
    for j in range(len(table[0])):
        pivot = next((i for i in range(rank, len(table)) if table[i][j]), None)
        if pivot is None:
            continue
        table[rank], table[pivot] = table[pivot], table[rank]
        head = table[rank]
        inverse = inverse_modulo(head[j], f)
        for i in range(rank + 1, len(table)):
            factor = table[i][j] * inverse % f
            if factor:
                table[i] = [(x - factor * y) % f for x, y in zip(table[i], head, strict=True)]
        rank += 1
    return rank
