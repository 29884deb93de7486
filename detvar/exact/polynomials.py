"""Polynomials over Q in one variable: factors, and the polynomials of sums and products of roots.

A polynomial is kept as a primitive integer polynomial with positive leading coefficient (an
``fmpz_poly`` of FLINT), so that each algebraic number has exactly one minimal polynomial.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import lcm
from typing import Any

from flint import ctx, fmpq, fmpq_poly, fmpq_series, fmpz, fmpz_poly

from detvar.errors import InputError
from detvar.exact.rational import rational


def primitive(polynomial: fmpz_poly | fmpq_poly | Iterable[Any]) -> fmpz_poly:
    """Return the integer multiple with coprime coefficients and positive leading coefficient.

    Parameters
    ----------
    polynomial : fmpz_poly, fmpq_poly, or iterable of rationals from low to high degree

    Raises
    ------
    InputError
        If the polynomial is zero.

    Examples
    --------
    >>> str(primitive(["1/2", 0, "-1/4"]))
    'x^2 + (-2)'
    """
    if not isinstance(polynomial, (fmpz_poly, fmpq_poly)):
        polynomial = fmpq_poly([rational(c, "the coefficient") for c in polynomial])
    p = polynomial.numer() if isinstance(polynomial, fmpq_poly) else polynomial
    if not p:
        raise InputError(
            "the zero polynomial vanishes everywhere: give one with a non-zero coefficient"
        )
    c = p.content()
    return p // (c if p.leading_coefficient() > 0 else -c)


def irreducible_factors(polynomial: fmpz_poly | fmpq_poly) -> list[tuple[fmpz_poly, int]]:
    """Return the irreducible factors over Q, primitive, with their multiplicities.

    >>> [(str(f), e) for f, e in irreducible_factors(fmpz_poly([0, -4, 0, 2]))]
    [('x', 1), ('x^2 + (-2)', 1)]
    """
    return [(primitive(f), int(e)) for f, e in primitive(polynomial).factor()[1]]


def affine_image(f: fmpz_poly, a: fmpq, b: fmpq) -> fmpz_poly:
    """Return the polynomial whose roots are a·x + b for the roots x of `f` (a ≠ 0).

    >>> str(affine_image(fmpz_poly([-2, 0, 1]), fmpq(1, 2), fmpq(3)))
    '2*x^2 + (-12)*x + 17'
    """
    return primitive(fmpq_poly(f)(fmpq_poly([-b / a, 1 / a])))


def reciprocal(f: fmpz_poly) -> fmpz_poly:
    """Return the polynomial whose roots are 1/x for the roots x ≠ 0 of `f`."""
    return primitive(fmpz_poly(f.coeffs()[::-1]))


def squares(f: fmpz_poly) -> fmpz_poly:
    """Return the polynomial whose roots are x² for the roots x of `f`, from f(√y)·f(−√y).

    >>> str(squares(fmpz_poly([-1, -1, 1])))
    'x^2 + (-3)*x + 1'
    """
    c = f.coeffs()
    even, odd = fmpz_poly(c[::2]), fmpz_poly(c[1::2])
    return primitive(even * even - fmpz_poly([0, 1]) * odd * odd)


def square_roots(f: fmpz_poly) -> fmpz_poly:
    """Return the polynomial f(x²), whose roots are the square roots of the roots of `f`."""
    return fmpz_poly(f(fmpz_poly([0, 0, 1])))


def composed_sum(f: fmpz_poly, g: fmpz_poly) -> fmpz_poly:
    """Return the polynomial with the roots x + y, where f(x) = 0 and g(y) = 0.

    It equals the resultant Res_y(f(y), g(x − y)) up to a constant.  The power sums s_k obey
    Σ s_k(f ⊕ g) tᵏ/k! = (Σ s_k(f) tᵏ/k!)·(Σ s_k(g) tᵏ/k!), and Newton's identities give the
    polynomial back; no bivariate resultant is computed.

    Notes
    -----
    **Cost**: power series of length deg f · deg g over Q.

    References
    ----------
    A. Bostan, P. Flajolet, B. Salvy, É. Schost, "Fast computation of special resultants", 2006.

    Examples
    --------
    >>> str(composed_sum(fmpz_poly([-2, 0, 1]), fmpz_poly([-3, 0, 1])))
    'x^4 + (-10)*x^2 + 1'
    """
    scale = lcm(int(f.leading_coefficient()), int(g.leading_coefficient()))
    n = f.degree() * g.degree()
    factorials = [fmpz(1)]
    for k in range(1, n + 1):
        factorials.append(factorials[-1] * k)
    s, t = (
        fmpq_poly([fmpq(u, c) for u, c in zip(_power_sums(h, scale, n), factorials, strict=True)])
        for h in (f, g)
    )
    product = s * t
    sums = [product[k] * c for k, c in enumerate(factorials)]
    return affine_image(_from_power_sums(sums), fmpq(1, scale), fmpq(0))


def composed_product(f: fmpz_poly, g: fmpz_poly) -> fmpz_poly:
    """Return the polynomial with the roots x·y, where f(x) = 0 and g(y) = 0.

    The power sums are s_k(f ⊗ g) = s_k(f)·s_k(g).  Cost and reference as for `composed_sum`.

    >>> str(composed_product(fmpz_poly([-2, 0, 1]), fmpz_poly([-1, -1, 1])))
    'x^4 + (-6)*x^2 + 4'
    """
    n = f.degree() * g.degree()
    a, b = int(f.leading_coefficient()), int(g.leading_coefficient())
    pairs = zip(_power_sums(f, a, n), _power_sums(g, b, n), strict=True)
    return affine_image(_from_power_sums([fmpq(u * v) for u, v in pairs]), fmpq(1, a * b), fmpq(0))


def _power_sums(f: fmpz_poly, scale: int, n: int) -> list[fmpz]:
    """Σ (scale·x)ᵏ over the roots x of f for k = 0..n; integers, as the leading coefficient
    divides the scale."""
    d = f.degree()
    step, power = fmpz(scale) // f.leading_coefficient(), fmpz(1)
    e = []  # the coefficients of the monic polynomial of the scaled roots, below the first
    for c in f.coeffs()[-2::-1]:
        e.append(c * step * power)
        power *= scale
    sums = [fmpz(d)]
    for k in range(1, n + 1):
        s = -e[k - 1] * k if k <= d else fmpz(0)
        for i in range(1, min(k - 1, d) + 1):
            s -= e[i - 1] * sums[k - i]
        sums.append(s)
    return sums


def _from_power_sums(sums: list[fmpq]) -> fmpz_poly:
    """The monic polynomial xⁿ·exp(−Σ s_k x⁻ᵏ/k), n = s_0 = len(sums) − 1."""
    n = len(sums) - 1
    cap = ctx.cap
    try:
        ctx.cap = n + 1
        series = fmpq_series([fmpq(0)] + [-sums[k] / k for k in range(1, n + 1)], prec=n + 1).exp()
        c = [series[k] for k in range(n + 1)]
    finally:
        ctx.cap = cap
    return primitive(fmpq_poly(c[::-1]))


def polynomial_text(coefficients: Iterable[fmpz], limit: int = 160) -> str:
    """Write an integer polynomial in x, from the highest power; a long one by its degree.

    >>> polynomial_text([fmpz(-1), fmpz(-3), fmpz(0), fmpz(2)])
    '2x^3 - 3x - 1'
    """
    c = list(coefficients)
    out = ""
    for k in range(len(c) - 1, -1, -1):
        if not c[k]:
            continue
        size = "" if abs(c[k]) == 1 and k else str(abs(c[k]))
        power = "" if k == 0 else "x" if k == 1 else f"x^{k}"
        sign = ("-" if c[k] < 0 else "") if not out else (" - " if c[k] < 0 else " + ")
        out += sign + size + power
        if len(out) > limit:
            return f"a polynomial of degree {len(c) - 1}"
    return out or "0"
