"""Sums of real roots in normal form, and the root that an expression is equal to.

The steps behind `RealAlgebraic`: here a number is a pair (c, terms) for c + Σ aᵢ·xᵢ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache

from flint import arb, ctx, fmpq, fmpz, fmpz_poly

from detvar.exact.polynomials import composed_product, irreducible_factors, squares
from detvar.exact.roots import Irreducible, Root, irreducible

Sum = tuple[fmpq, tuple[tuple[Root, fmpq], ...]]
_ZERO, _ONE = fmpq(0), fmpq(1)


def normal_form(constant: fmpq, pairs: Iterable[tuple[Root, fmpq]]) -> Sum:
    """Return c + Σ aᵢ·xᵢ with like terms collected.

    A root of a quadratic becomes a multiple of √D; the sum of all roots of a polynomial, when
    they are real, becomes a rational number.

    >>> golden = irreducible((fmpz(-1), fmpz(-1), fmpz(1)))
    >>> normal_form(fmpq(0), [(Root(golden, 0), fmpq(1)), (Root(golden, 1), fmpq(1))])
    (1, ())
    """
    groups: dict[Irreducible, dict[int, fmpq]] = {}
    for x, a in pairs:
        if x.polynomial.degree == 2:
            shift, scale, x = _surd(x)
            constant, a = constant + a * shift, a * scale
        group = groups.setdefault(x.polynomial, {})
        group[x.index] = group.get(x.index, _ZERO) + a
    terms = []
    for f, group in groups.items():
        if f.degree > 2 and f.real_count == f.degree < 2 * len(group):
            # adding the same number to all coefficients changes the sum by a multiple of the
            # trace: make as many of them 0 as possible
            every = [group.get(i, _ZERO) for i in range(f.degree)]
            common, count = Counter(every).most_common(1)[0]
            if count > every.count(_ZERO):
                constant += common * f.trace
                group = {i: a - common for i, a in enumerate(every)}
        terms += [(Root(f, i), a) for i, a in group.items() if a]
    return constant, tuple(sorted(terms, key=lambda t: t[0].sort_key()))


@lru_cache(maxsize=4096)
def _surd(x: Root) -> tuple[fmpq, fmpq, Root]:
    """(b, a, √D) with x = b + a·√D for a root of a quadratic."""
    c0, c1, c2 = x.polynomial.coefficients
    s, d = _square_part(c1 * c1 - 4 * c0 * c2)
    scale = fmpq(s if x.index else -s, 2 * c2)
    return fmpq(-c1, 2 * c2), scale, Root(irreducible((-d, fmpz(0), fmpz(1))), 1)


def _square_part(n: fmpz) -> tuple[fmpz, fmpz]:
    """(s, d) with n = s²·d; d is squarefree if n is below 2⁹⁶, and as far as trial division
    finds squares otherwise."""
    s = fmpz(1)
    factors = n.factor() if n.bit_length() <= 96 else n.factor(trial_limit=1000)
    for p, e in factors:
        s *= p ** (e // 2)
        if e % 2 and p.is_square():  # a large cofactor need not be prime
            s *= p.isqrt()
    return s, n // (s * s)


def sqrt_rational(q: fmpq) -> Sum:
    """Return √q for q ≥ 0, as a rational number or a rational multiple of √D."""
    if not q:
        return _ZERO, ()
    s, d = _square_part(q.p * q.q)
    if d == 1:
        return fmpq(s, q.q), ()
    return _ZERO, ((Root(irreducible((-d, fmpz(0), fmpz(1))), 1), fmpq(s, q.q)),)


@lru_cache(maxsize=4096)
def product(x: Root, y: Root) -> Sum:
    """Return x·y, from the factors of the composed product of the two polynomials."""
    f, g = x.polynomial.polynomial, y.polynomial.polynomial
    if f.degree() == 2 and g.degree() == 2:  # √a·√b
        return sqrt_rational(fmpq(f[0] * g[0]))

    def ball(bits: int) -> arb:
        with ctx.workprec(bits + 16):
            return x.ball(bits) * y.ball(bits)

    return as_sum(recognise(squares(f) if x == y else composed_product(f, g), ball))


def recognise(polynomial: fmpz_poly, ball: Callable[[int], arb]) -> fmpq | Root:
    """Return the real root of `polynomial` that the balls contain, as their bits grow.

    Of the irreducible factors only one vanishes there; the others are excluded by evaluation,
    and so are the other real roots of that factor by their balls.

    Parameters
    ----------
    polynomial : fmpz_poly
        One that vanishes at the number meant.
    ball : function of a number of bits
        Balls around that number, as small as wanted.

    Examples
    --------
    >>> def around(bits):
    ...     with ctx.workprec(bits):
    ...         return arb(3).sqrt()
    >>> recognise(fmpz_poly([6, 0, -5, 0, 1]), around)
    Root(polynomial=Irreducible(x^2 - 3), index=1)
    """
    factors = [f for f, _ in irreducible_factors(polynomial)]
    bits = 64
    while len(factors) > 1:
        with ctx.workprec(bits + 64):
            x = ball(bits)
            factors = [f for f in factors if f(x).contains(0)]
        bits *= 2
    if factors[0].degree() == 1:
        return fmpq(-factors[0][0], factors[0][1])
    f = irreducible(factors[0])
    bits = 64
    while True:
        x = ball(bits)
        hits = [i for i in range(f.real_count) if f.ball(i, bits).overlaps(x)]
        if len(hits) == 1:
            return Root(f, hits[0])
        bits *= 2


def as_sum(x: fmpq | Root) -> Sum:
    """Return one number as a sum in normal form."""
    return (x, ()) if isinstance(x, fmpq) else normal_form(_ZERO, ((x, _ONE),))
