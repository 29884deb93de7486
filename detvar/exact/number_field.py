"""Elements of Q[t]/(f) at a real root of an irreducible f, as real algebraic numbers."""

from __future__ import annotations

from flint import arb, ctx, fmpq, fmpq_mat, fmpq_poly, fmpz_poly

from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.polynomials import irreducible_factors, primitive
from detvar.exact.root_sums import as_sum, recognise
from detvar.exact.roots import Root, irreducible


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


def multiplication(g: fmpq_poly, f: fmpq_poly) -> fmpq_mat:
    """Return the matrix of h ↦ g·h on Q[t]/(f) in the basis 1, t, …, t^(d−1)."""
    d = f.degree()
    out, h, t = fmpq_mat(d, d), g % f, fmpq_poly([0, 1])
    for j in range(d):
        for i, c in enumerate(h.coeffs()):
            out[i, j] = c
        h = h * t % f
    return out


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


def element_at(g: fmpq_poly, root: Root | fmpq) -> RealAlgebraic:
    """Return g(α) for a rational α, or a real root α of an irreducible polynomial.

    The minimal polynomial of g(α) is that of multiplication by g on Q[t]/(f); a ball around
    g(α) tells which of its roots is meant.

    Notes
    -----
    **Cost**: the minimal polynomial of a d×d matrix over Q, d the degree of α.

    Examples
    --------
    >>> f = irreducible(fmpz_poly([-2, 0, 0, 1]))  # ∛2
    >>> str(element_at(fmpq_poly([1, 0, 1]), Root(f, 0)).minimal_polynomial())
    'x^3 + (-3)*x^2 + 3*x + (-5)'
    """
    if isinstance(root, fmpq):
        return RealAlgebraic(g(root))
    f = fmpq_poly(root.polynomial.polynomial)
    g = g % f
    if g.degree() < 1:
        return RealAlgebraic(g[0])
    top, scale = g.numer(), g.denom()

    def ball(bits: int) -> arb:
        with ctx.workprec(bits + 32):
            return top(root.ball(bits)) / scale

    return RealAlgebraic(*as_sum(recognise(primitive(multiplication(g, f).minpoly()), ball)))
