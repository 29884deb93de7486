r"""Signs of a polynomial in one unknown over Q or over a field of real algebraic numbers: exact.

P(y, t) with t a tuple of algebraic numbers is ≥ 0 on {y : c(y, t) ≥ 0 for all c} if and only if it
is so at one rational point between any two neighbours among the real roots of all norms

    N(y) = Res_t(m(t), P(y, t)) ∈ Q[y]

(closed intervals; the roots of P and c are among those of their norms).  At such points no sign is
zero, so that balls of growing precision decide it.  Roots of even multiplicity need no attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from detvar.exact.algebraic import RealAlgebraic, real_roots
from detvar.exact.balls import arb, working_precision
from detvar.exact.rational import Rational, rational
from detvar.exact.rational_functions import Polynomial
from detvar.exact.univariate import Univariate
from detvar.landscape.finite_sum import Constant
from detvar.landscape.prove.cases import polynomial_ball

_BITS_LIMIT = 1 << 14


@dataclass(frozen=True)
class Signs:
    """The outcome: `answer`, a point of violation if it is False, and the number of roots seen."""

    answer: bool | None
    point: Rational | None = None
    roots: int = 0


def nonnegative(
    polynomial: Polynomial,
    domain: Sequence[Polynomial],
    constants: Sequence[Constant],
    unknown: int = 0,
) -> Signs:
    """Decide whether P ≥ 0 wherever all polynomials of `domain` are > 0, and on the closure.

    Parameters
    ----------
    polynomial, domain : polynomials in Q[x, constants]; of the x only number `unknown` occurs
    constants : the numbers that the last unknowns stand for

    Returns
    -------
    Signs
        `answer` is None if a constant is not algebraic, or if two constants are so dependent
        that a norm vanishes.

    Notes
    -----
    **Cost**: one resultant per constant and the real roots of polynomials over Q.

    References
    ----------
    J. C. F. Sturm, 1829; S. Basu, R. Pollack, M.-F. Roy, *Algorithms in Real Algebraic Geometry*,
    2006, chapter 2.

    Examples
    --------
    >>> from detvar.exact.rational_functions import polynomial_ring
    >>> (x,) = polynomial_ring(["x"])
    >>> nonnegative((x - 1) ** 2 * (x + 1), [x], []).answer
    True
    >>> nonnegative((x - 1) ** 2 * (x + 1), [], []).answer
    False
    """
    moduli = minimal_polynomials(polynomial, constants)
    if moduli is None:
        return Signs(None)
    norms = []
    for f in (polynomial, *domain):
        n = _norm(_reduced(f, moduli), moduli, unknown)
        if n is None:
            if f is polynomial and not _reduced(f, moduli):
                return Signs(True)
            return Signs(None)
        norms.append(n)
    product = Univariate([1])
    for n in norms:
        product = product * n // product.gcd(n)
    roots = [x for x, _ in real_roots(product)] if product.degree() > 0 else []
    width = len(polynomial.context().names())
    for y in points_between(roots):
        signs = [_sign(f, y, constants, unknown, width) for f in (polynomial, *domain)]
        if None in signs:
            return Signs(None)
        if all(s > 0 for s in signs[1:] if s is not None) and signs[0] == -1:
            return Signs(False, y, len(roots))
    return Signs(True, None, len(roots))


def minimal_polynomials(
    like: Polynomial, constants: Sequence[Constant]
) -> list[tuple[int, Polynomial]] | None:
    """Return for each constant its place and minimal polynomial; None if one is transcendental."""
    from detvar.landscape.prove.cases import _rational_form

    gens = like.context().gens()
    first = len(gens) - len(constants)
    out = []
    for j, c in enumerate(constants):
        if not c.is_algebraic:
            return None
        t = gens[first + j]
        form = _rational_form(c.equation, {c.symbol: t}, like * 0)
        if form is None:
            return None
        bits = 128
        while True:
            at = [arb(0)] * len(gens)
            at[first + j] = c.enclosure(bits)
            with working_precision(2 * bits):
                fit = [
                    f for f, _ in form.numerator.factor()[1] if polynomial_ball(f, at).contains(0)
                ]
            if len(fit) == 1:
                break
            bits *= 2
            if bits > _BITS_LIMIT:
                return None
        out.append((first + j, fit[0]))
    return out


def _reduced(f: Polynomial, moduli: Sequence[tuple[int, Polynomial]]) -> Polynomial:
    for _, m in moduli:
        f = f % m
    return f


def _norm(
    f: Polynomial, moduli: Sequence[tuple[int, Polynomial]], unknown: int
) -> Univariate | None:
    for place, m in moduli:
        if f.degrees()[place] > 0:
            f = f.resultant(m, place)
    if not f:
        return None
    coefficients = [rational(0)] * (f.degrees()[unknown] + 1)
    for exponents, c in f.to_dict().items():
        coefficients[int(exponents[unknown])] += c
    return Univariate(coefficients)


def points_between(roots: Sequence[RealAlgebraic]) -> list[Rational]:
    """Return rational points before, between and after increasing numbers."""
    if not roots:
        return [rational(0)]
    bits = 32
    while True:
        ends = [x.bounds(bits) for x in roots]
        if all(a[1] < b[0] for a, b in pairwise(ends)):
            break
        bits *= 2
    inside = [(a[1] + b[0]) / 2 for a, b in pairwise(ends)]
    return [ends[0][0] - 1, *inside, ends[-1][1] + 1]


def _sign(
    f: Polynomial, y: Rational, constants: Sequence[Constant], unknown: int, width: int
) -> int | None:
    """The sign of f at a point where it is known not to vanish."""
    bits = 64
    while bits <= _BITS_LIMIT:
        with working_precision(2 * bits):
            at = [arb(0)] * (width - len(constants)) + [c.enclosure(bits) for c in constants]
            at[unknown] = arb(y)
            value = polynomial_ball(f, at)
            if value > 0:
                return 1
            if value < 0:
                return -1
        bits *= 2
    return None
