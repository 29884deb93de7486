"""Rational functions at real roots of polynomials over Q, as real algebraic numbers."""

from __future__ import annotations

from collections.abc import Sequence

from flint import arb, ctx, fmpq, fmpq_poly, fmpz_poly

from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.polynomials import irreducible_factors, primitive
from detvar.exact.root_sums import as_sum, recognise
from detvar.exact.roots import Root, irreducible
from detvar.exact.univariate import interpolate


def roots_of(f: fmpz_poly | fmpq_poly) -> list[tuple[fmpz_poly, int, list[Root | fmpq]]]:
    """Return the irreducible factors of f over Q, with multiplicity and real roots, increasing.

    >>> [(str(h), e, len(roots)) for h, e, roots in roots_of(fmpz_poly([0, 0, -2, 0, 1]))]
    [('x', 2, 1), ('x^2 + (-2)', 1, 2)]
    """
    out: list[tuple[fmpz_poly, int, list[Root | fmpq]]] = []
    for h, e in irreducible_factors(primitive(f)):
        if h.degree() == 1:
            out.append((h, e, [fmpq(-h[0], h[1])]))
        else:
            shared = irreducible(h)
            out.append((h, e, [Root(shared, i) for i in range(shared.real_count)]))
    return out


def elements_at(
    top: fmpq_poly, low: fmpq_poly, f: fmpz_poly, roots: Sequence[Root | fmpq]
) -> list[RealAlgebraic]:
    """Return top(α)/low(α) for real roots α of an irreducible polynomial f; low(α) ≠ 0.

    The numbers are roots of y ↦ Res(f, y·low − top), which is found by interpolation; balls tell
    which of the roots are meant.

    Notes
    -----
    **Cost**: d + 1 resultants over Z and the factorisation of a polynomial of degree d = deg f,
    once for all roots.

    Examples
    --------
    >>> (f, _, roots), *_ = roots_of(fmpz_poly([-2, 0, 0, 1]))  # ∛2
    >>> (x,) = elements_at(fmpq_poly([1, 0, 1]), fmpq_poly([1]), f, roots)
    >>> str(x.minimal_polynomial())
    'x^3 + (-3)*x^2 + 3*x + (-5)'
    """
    if not roots:
        return []
    if f.degree() == 1:
        x = fmpq(-f[0], f[1])
        return [RealAlgebraic(top(x) / low(x))] * len(roots)
    modulus = fmpq_poly(f)
    size, lead = max(top.degree(), low.degree()), modulus.leading_coefficient()

    def norm(y: int) -> list[fmpq]:
        g = low * y - top  # Res(f, g) = lead^deg(g)·∏ g(α), and the degree can drop
        return [modulus.resultant(g) * lead ** int(size - g.degree()) if g else fmpq(0)]

    (values,) = interpolate(norm, int(f.degree()))
    # a power of an irreducible polynomial, as f is irreducible
    minimal = irreducible_factors(primitive(values))[0][0]

    def number(root: Root) -> RealAlgebraic:
        def ball(bits: int) -> arb:
            with ctx.workprec(bits + 32):
                x = root.ball(bits)
                return top.numer()(x) * low.denom() / (low.numer()(x) * top.denom())

        return RealAlgebraic(*as_sum(recognise(minimal, ball)))

    return [number(x) for x in roots if isinstance(x, Root)]
