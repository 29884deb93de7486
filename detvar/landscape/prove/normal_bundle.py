r"""Minimisers that form a quadric cone's level set: the normal bundle of {½⟨x, Mx⟩ = w}.

Terms fᵢ = A(h − Y)² + m of one product h = ½⟨x, Mx⟩ = Σ ± x_a x_b (disjoint pairs that use every
variable), such as a scalar network with one hidden layer, have S = {h = w}.  With w > 0 (else M
and h change sign) a nearest p satisfies x = p + λMp with |λ| ≤ 1: it is a critical point of the
distance, and if |λ| > 1 the reflected point p − 2p_±, or a curve in S that leaves p along an
eigenspace of M, is nearer, since |x − q|² − |x − p|² = |Δ|² + λ⟨Δ, MΔ⟩ for q = p + Δ in S.
With N = |p|² ≥ 2w this gives

    z := h(x) − w = λN + λ²w,    ⟨∇fᵢ(x), x − p⟩ = 2A (z − ε)(z + λ²w),    ε = Y − w,

so that (α, β) holds on Rᵈ if and only if for all i, with κ = (mᵢ − ℓᵢ)/A,

    α(ε² + κ) − δ((z − ε)² + κ) + 2(z − ε)(z + s) ≥ 0,    s = λ²w,

over −1 ≤ λ ≤ 1 and λ(z − 2wλ − wλ²) ≥ 0.  At fixed z this is affine in s, which runs from 0 up to
w(√(1 + z/w) − 1)² for −w ≤ z ≤ 3w and up to w elsewhere: with u = √(1 + z/w) what is left are
polynomials in one unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detvar.exact.balls import arb, exact_float, working_precision
from detvar.exact.rational import Rational, rational, to_fraction
from detvar.exact.rational_functions import Polynomial, polynomial_ring
from detvar.landscape.prove.boxes import Task, polynomial_node
from detvar.landscape.prove.cases import BITS, Setting
from detvar.landscape.prove.sturm import Signs, nonnegative

_REACH = 16


@dataclass(frozen=True)
class Product:
    """Terms A(h − Y)² + m in one product h, with the sign chosen such that w > 0.

    Attributes
    ----------
    pairs : (a, b, sign) with h = Σ sign·x_a·x_b
    w : the minimiser of the mean in h
    terms : (number, A, ε, κ) of every term with A > 0
    """

    pairs: tuple[tuple[int, int, int], ...]
    w: Rational
    terms: tuple[tuple[int, Rational, Rational, Rational], ...]


def product_of(setting: Setting) -> Product | None:
    """Return the common product of all terms, or None if they are not of this form.

    Minimisers that are given otherwise are not overruled: then it is None too.
    """
    d = setting.dimension
    if setting.is_finite or setting.exact.constants or d % 2:
        return None
    polynomials: list[Polynomial] = []
    for form in setting.rational_terms:
        if form is None or form.denominator.total_degree() > 0:
            return None
        polynomials.append(form.numerator / form.denominator.leading_coefficient())
    pairs = _pairs(polynomials, d)
    if pairs is None:
        return None
    x = setting.ring
    h = sum((x[a] * x[b] * sign for a, b, sign in pairs), x[0] * 0)
    found: list[tuple[int, Rational, Rational, Rational]] = []
    for i, f in enumerate(polynomials):
        first, second, sign = pairs[0]
        terms = {tuple(map(int, m)): rational(c) for m, c in f.to_dict().items()}
        square = terms.get(tuple(2 * (j in (first, second)) for j in range(d)), rational(0))
        linear = sign * terms.get(tuple(int(j in (first, second)) for j in range(d)), rational(0))
        constant = terms.get((0,) * d, rational(0))
        if h * h * square + h * linear + constant != f or square < 0:
            return None
        if not square and linear:
            return None
        found.append((i, square, linear, constant))
    total = sum((a for _, a, _, _ in found), rational(0))
    if not total:
        return None
    w = -sum((b for _, _, b, _ in found), rational(0)) / (2 * total)
    if not w:
        return None
    flip = 1 if w > 0 else -1
    out: list[tuple[int, Rational, Rational, Rational]] = []
    for i, a, b, c in found:
        low = setting.rational_form(setting.exact.lower[i])
        if low is None or low.numerator.total_degree() > 0:
            return None
        bound = rational(low.numerator.leading_coefficient()) if low.numerator else rational(0)
        if not a:
            if c < bound:
                return None
            continue  # a constant term: αc − δb = βb ≥ 0
        target = -b / (2 * a)
        least = c - a * target * target
        if least < bound:
            return None
        out.append((i, a, flip * (target - w), (least - bound) / a))
    signed = tuple((a, b, flip * sign) for a, b, sign in pairs)
    return Product(signed, flip * w, tuple(out))


def _pairs(polynomials: Sequence[Polynomial], d: int) -> tuple[tuple[int, int, int], ...] | None:
    """Read off Σ ± x_a x_b from the quadratic part of some term."""
    for f in polynomials:
        quadratic = {tuple(map(int, m)): rational(c) for m, c in f.to_dict().items() if sum(m) == 2}
        if not quadratic:
            continue
        size = abs(next(iter(quadratic.values())))
        pairs = []
        for m, c in quadratic.items():
            places = [j for j in range(d) if m[j]]
            if len(places) != 2 or abs(c) != size:
                return None
            pairs.append((places[0], places[1], 1 if c > 0 else -1))
        used = [j for a, b, _ in pairs for j in (a, b)]
        return tuple(pairs) if sorted(used) == list(range(d)) else None
    return None


def _inequality(
    setting: Setting, term: tuple[int, Rational, Rational, Rational], z: Polynomial, s: Polynomial
) -> Polynomial:
    _, _, e, k = term
    out = (z - e) * (z + s) * 2 - ((z - e) ** 2 + k) * setting.delta
    return out + setting.alpha * (e * e + k)


@dataclass(frozen=True)
class Decided:
    """The number of a term, the signs that decide it, and a place (z, λ) of violation."""

    term: int
    signs: Signs
    place: tuple[Rational, Rational] | None = None


def exactly(setting: Setting, product: Product) -> list[Decided]:
    """Decide the terms, in the order of `product.terms`, by polynomials in one unknown."""
    (y,) = polynomial_ring(["y"])
    zero, w = y * 0, product.w
    parts = [  # z, s and the domain: s = 0; z ≤ −w and z ≥ 3w with s = w; z = w(u² − 1)
        (y, zero, []),
        (y, zero + w, [-y - w]),
        (y, zero + w, [y - 3 * w]),
        ((y * y - 1) * w, (y - 1) ** 2 * w, [y, -y + 2]),
    ]
    out = []
    for term in product.terms:
        roots = 0
        bad: Decided | None = None
        for number, (z, s, domain) in enumerate(parts):
            signs = nonnegative(_inequality(setting, term, z, s), domain, [])
            roots += signs.roots
            if signs.answer is not True:
                u = signs.point
                place = None
                if u is not None:
                    edge = (rational(0), rational(-1), rational(1), u - 1)[number]
                    place = (w * (u * u - 1) if number == 3 else u, edge)
                bad = Decided(term[0], signs, place)
                break
        out.append(bad or Decided(term[0], Signs(True, None, roots)))
    return out


def box_tasks(setting: Setting, product: Product, number: int) -> list[Task]:
    """Return the boxes in (λ, z) that cover the normal bundle for one of `product.terms`."""
    from detvar.homotopy.expression import Graph

    v, z = polynomial_ring(["v", "z"])
    w = product.w
    f = _inequality(setting, product.terms[number], z, v * v * w)
    wall = v * (z - v * (2 * w) - v * v * w)  # N ≥ 2w
    reach = _REACH
    while reach < w:
        reach *= 2
    graph = Graph()
    cube = Task(
        graph,
        polynomial_node(graph, f),
        (polynomial_node(graph, wall),),
        [],
        (0.0, 0.0),
        (1.0, float(reach)),
    )
    out = [cube]
    for sign in (1, -1):
        far = Graph()
        a, b = (polynomial_node(far, _in_z(g, e, sign)) for g, e in ((f, 2), (wall, 1)))
        out.append(Task(far, a, (b,), [], (0.0, 0.5 / reach), (1.0, 0.5 / reach)))
    return out


def _in_z(f: Polynomial, degree: int, sign: int) -> dict[tuple[int, ...], Rational]:
    """v^degree f(λ, ±1/v)."""
    return {
        (int(i), degree - int(j)): rational(c) * sign ** int(j) for (i, j), c in f.to_dict().items()
    }


# --- witnesses ------------------------------------------------------------------------------------


def point_at(setting: Setting, product: Product, z: Rational, edge: Rational) -> list[Rational]:
    """Return a rational point x near p + λMp with h(x) ≈ w + z, in the first pair of variables."""
    w, at, shift = (float(to_fraction(c)) for c in (product.w, z, edge))
    if not shift:
        shift = 2.0**-12 if at >= 0 else -(2.0**-12)
    shift = max(-1 + 2.0**-36, min(1 - 2.0**-36, shift))
    size = max((at - shift * shift * w) / shift, 2 * w)
    plus, minus = (
        (1 + shift) * ((size + 2 * w) / 2) ** 0.5,
        (1 - shift) * (max(size - 2 * w, 0.0) / 2) ** 0.5,
    )
    a, b, sign = product.pairs[0]
    x = [rational(0)] * setting.dimension
    x[a] = exact_float((plus + minus) / 2**0.5)
    x[b] = exact_float(sign * (plus - minus) / 2**0.5)
    return x


def violated_term(setting: Setting, product: Product, x: Sequence[Rational]) -> int | None:
    """Return a term that is certainly violated at a rational point x; None if none is.

    The multiplier λ is enclosed by a change of sign of w(1 − λ²)² − (1 + λ²)h + λ|x|² in (−1, 1);
    the nearest p is then unique, as |x − q|² − |x − p|² ≥ (1 − |λ|)|q − p|² for all q in S.
    """
    with working_precision(4 * BITS):
        w = arb(product.w)
        h = arb(sum((x[a] * x[b] * sign for a, b, sign in product.pairs), rational(0)))
        size = arb(sum((v * v for v in x), rational(0)))

        def quartic(v: arb) -> arb:
            return w * (1 - v * v) ** 2 - (1 + v * v) * h + v * size

        low, high = arb(-1) + arb(2) ** -60, arb(1) - arb(2) ** -60
        if not (quartic(low) < 0 and quartic(high) > 0):
            return None
        for _ in range(100):
            middle = ((low + high) / 2).mid()
            value = quartic(middle)
            if value < 0:
                low = middle
            elif value > 0:
                high = middle
            else:
                break
        s = low.union(high) ** 2 * w
        z = h - w
        for number, _, e, k in product.terms:
            value = arb(setting.alpha) * (arb(e) ** 2 + arb(k)) + 2 * (z - arb(e)) * (z + s)
            value -= arb(setting.delta) * ((z - arb(e)) ** 2 + arb(k))
            if value < 0:
                return number
    return None
