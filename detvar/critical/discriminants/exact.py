"""The discriminant of a path of quadratic losses on 2×n matrices, rank 1: exact and complete.

Let F(a; t) be the form of `plane`, whose real zeros are the column directions of the critical
matrices, and let P be the product of its irreducible factors, without those that belong to
W = 0 or det Q = 0 for all t.  On an open interval of t where Q_t ≻ 0, the discriminant of P,
the content of F and the minors of C have no zero,

- all zeros of P on P¹(C) are simple, so that they move continuously and never meet; as they come
  in conjugate pairs, a real one stays real and the number of real ones is constant;
- real x have D(x) ≠ 0; a direction with c(x) = 0 is there for all t or for none, as the minors
  of C say, and P ≠ 0 at it: with c = h·v, h linear and h(x₀) = 0, N = h²g and F/h is g·D at x₀
  up to a number, g = vᵀadj(Q)v > 0.  So each real zero of P is one W of rank 1, and there is no
  other: the number of real critical points is constant;
- f = ℓ(0) − N/2D is a function on the circle P¹(R) with critical points at the real zeros of F,
  and f″ = 0 at a critical point if and only if its zero is multiple.  Local minima and maxima
  of f alternate, at the zeros of odd multiplicity, which is constant on each factor: half of
  these are minima.  Where c(x) = 0 the value is ℓ(0), the largest, so they are maxima.  Since
  b ↦ ℓ(xbᵀ) is strictly convex with the minimum f(x), the local minima of f are those of ℓ on
  the matrices of rank at most 1, apart from W = 0, and the Hessian of ℓ there is singular if
  and only if f″ = 0.  So the number of local minima is constant.

Hence everything happens at the real zeros of these polynomials in t.  At a simple zero of the
discriminant two simple points meet (`_fold`); the others are examined by Sturm's theorem over
Q(t*).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations, pairwise

from detvar.classify.kronecker import between
from detvar.critical.discriminants.counting import RealField, at_rational
from detvar.critical.discriminants.path import LossPath
from detvar.critical.discriminants.pieces import Event, Factor, Piece
from detvar.critical.discriminants.plane import Plane, in_parameter, plane
from detvar.critical.discriminants.report import DiscriminantReport
from detvar.exact.algebraic import RealAlgebraic, real_roots
from detvar.exact.inertia import is_positive_definite
from detvar.exact.matrices import zeros
from detvar.exact.polynomials import irreducible_factors, primitive
from detvar.exact.rational import Rational
from detvar.exact.rational_functions import Polynomial

Bounds = tuple[Rational | None, Rational | None]


@dataclass(frozen=True)
class _Counts:
    """The real critical points at one value of t; None where they are infinitely many."""

    kind: str
    real: int | None
    minima: int | None
    multiplicities: tuple[tuple[int, int], ...] = ()

    @property
    def multiple(self) -> tuple[tuple[int, int], ...]:
        return tuple((e, k) for e, k in self.multiplicities if e > 1)


@dataclass(eq=False)
class _Candidates:
    """Irreducible polynomials in t, with what they come from."""

    found: dict[tuple[int, ...], tuple[int, set[str]]] = field(default_factory=dict)

    def add(self, f: Polynomial, origin: str, power: int = 1) -> None:
        """Note the irreducible factors of a polynomial in t."""
        g = in_parameter(f)
        if g.degree() < 1:
            return
        for h, e in irreducible_factors(primitive(g)):
            key = tuple(int(c) for c in h.coeffs())
            count, origins = self.found.get(key, (0, set()))
            origins.add(origin)
            self.found[key] = count + (e * power if origin == "collision" else 0), origins

    def factors(self) -> tuple[Factor, ...]:
        """Return them, with the number of their real roots."""
        return tuple(
            Factor(key, e, tuple(sorted(origins)), len(real_roots(key)))
            for key, (e, origins) in sorted(self.found.items(), key=lambda x: (len(x[0]), x[0]))
        )


def exact_discriminant(path: LossPath, bounds: Bounds) -> DiscriminantReport:
    """Return where the real critical points of rank 1 change, for losses on 2×n matrices.

    Parameters
    ----------
    path : squared, weighted or quadratic, on 2×n or n×2 matrices
    bounds : the open interval of t, None for −∞ and ∞

    Raises
    ------
    InputError
        If the losses are of another kind.
    PositiveDimensionalError
        If every direction is critical for all t.

    Notes
    -----
    **Cost**: the discriminant of a polynomial of degree 4n − 2 over Q[t], its factors and their
    roots; at a multiple zero of degree d, remainders of polynomials over a field of degree d,
    which takes long for d in the tens (general data have no such real zero).
    **Validity**: any data. Where Q_t is not positive definite nothing is claimed.
    """
    found = plane(path)
    candidates = _candidates(found)
    factors = candidates.factors()
    low, high = bounds
    places = [
        (x, f)
        for f in factors
        for x, _ in real_roots(f.coefficients)
        if (low is None or x > low) and (high is None or x < high)
    ]
    places.sort(key=lambda entry: entry[0])
    ends = [_end(low), *(x for x, _ in places), _end(high)]
    samples = [_inside(a, b) for a, b in pairwise(ends)]
    convex = [_is_convex(path, t) for t in samples]
    counts = [
        _count(found, at_rational(t)) if ok else None for t, ok in zip(samples, convex, strict=True)
    ]
    events: list[Event] = []
    others: list[Event] = []
    pieces: list[Piece] = []
    start = 0
    for i, (x, factor) in enumerate(places):
        event = _event(found, x, factor, counts[i], counts[i + 1])
        if event is None:
            continue
        if event.kind == "complex":
            others.append(event)
            continue
        events.append(event)
        pieces.append(_piece(ends[start], ends[i + 1], samples[start], counts[start]))
        start = i + 1
    pieces.append(_piece(ends[start], ends[-1], samples[start], counts[start]))
    return DiscriminantReport(
        path,
        1,
        bounds,
        tuple(pieces),
        tuple(events),
        tuple(others),
        factors,
        found.complex_count,
        "elimination",
    )


def _candidates(found: Plane) -> _Candidates:
    """All polynomials in t at whose zeros the real critical points can change."""
    out = _Candidates()
    out.add(found.poles, "pole")
    out.add(found.definite, "border")
    out.add(_minors(found), "zero")
    if not found.form:
        return out
    for f, _ in found.form.factor()[1]:
        if not f.degrees()[0]:
            out.add(f, "curve")
    factors = [f for f, _ in found.factors]
    for f in factors:
        if f.degrees()[0] > 1:
            out.add(f.discriminant("a"), "collision")
        out.add(f.resultant(found.determinant, "a"), "escape")
    for f, g in combinations(factors, 2):
        out.add(f.resultant(g, "a"), "collision", 2)
    return out


def _minors(found: Plane) -> Polynomial:
    """A polynomial that vanishes where a direction with c(x) = 0 appears, or C = 0."""
    (top, low), out = found.linear, found.definite * 0
    for i, j in combinations(range(found.size), 2):
        out = out.gcd(top[i] * low[j] - top[j] * low[i])
    if not out:  # one such direction for all t
        for x in (*top, *low):
            out = out.gcd(x)
    return out


def _count(found: Plane, field: RealField) -> _Counts:
    """The real critical points where Q ≻ 0."""
    linear = [[in_parameter(x) % field.modulus for x in row] for row in found.linear]
    if not any(x for row in linear for x in row):
        return _Counts("all_zero", 0, 0)
    coefficients = found.coefficients()
    if not field.polynomial(coefficients):
        return _Counts("curve", None, None)
    table = field.multiplicities(coefficients, found.degree)
    (top, low), n = linear, found.size
    vanishes = all(
        not (top[i] * low[j] - top[j] * low[i]) % field.modulus
        for i, j in combinations(range(n), 2)
    )
    odd = sum(k for e, k in table.items() if e % 2)
    kind = "through_zero" if vanishes and found.vanishing.is_constant() else "collision"
    return _Counts(kind, sum(table.values()) - vanishes, odd // 2, tuple(table.items()))


def _fold(before: _Counts, after: _Counts) -> _Counts:
    """The counts at a simple zero of the discriminant of P, from those on the two sides.

    A root of multiplicity e of P(·; t*) makes the discriminant vanish to order e − 1 at least, so
    that there is exactly one double root and no other multiple one.  Being the only one, it is
    its own conjugate: real.  As the discriminant changes its sign, two real roots are exchanged
    for a pair of conjugate ones.  If they belong to a factor of F of multiplicity e, then the
    double root has multiplicity 2e in F, even, so that it is no minimum.
    """
    more, less = sorted((before, after), key=lambda c: -(c.real or 0))
    a, b = dict(more.multiplicities), dict(less.multiplicities)
    (e,) = (e for e in a if a[e] != b.get(e, 0))
    if a[e] - b.get(e, 0) != 2 or less.real is None:
        raise AssertionError("a simple zero of the discriminant must exchange two real points")
    b[2 * e] = b.get(2 * e, 0) + 1
    return _Counts(less.kind, less.real + 1, less.minima, tuple(sorted(b.items())))


def _event(
    found: Plane,
    x: RealAlgebraic,
    factor: Factor,
    before: _Counts | None,
    after: _Counts | None,
) -> Event | None:
    """What happens at x; None where nothing is claimed."""
    left, right = (None if c is None else c.real for c in (before, after))
    if before is None and after is None:
        return None
    if "pole" in factor.origins:
        return Event(x, x, "pole", before=left, after=right)
    if "border" in factor.origins:
        return Event(x, x, "not_convex", before=left, after=right)
    if before is None or after is None:
        raise AssertionError("the form cannot lose its definiteness without being singular")
    if factor.multiplicity == 1 and set(factor.origins) <= {"collision", "escape"}:
        here = _fold(before, after)
    else:
        here = _count(found, RealField(x))
    if here == before == after:
        return Event(x, x, "complex", here.real, here.minima, (), left, right)
    return Event(x, x, here.kind, here.real, here.minima, here.multiple, left, right)


def _piece(
    low: RealAlgebraic | None, high: RealAlgebraic | None, t: Rational, counts: _Counts | None
) -> Piece:
    if counts is None:
        return Piece(low, high, t, None, None, "the loss is not strictly convex: not examined")
    return Piece(low, high, t, counts.real, counts.minima)


def _is_convex(path: LossPath, t: Rational) -> bool:
    return is_positive_definite(path.at(t).hessian(zeros(*path.shape)))


def _end(x: Rational | None) -> RealAlgebraic | None:
    return None if x is None else RealAlgebraic(x)


def _inside(low: RealAlgebraic | None, high: RealAlgebraic | None) -> Rational:
    """A rational number between two ends."""
    if low is None:
        return Rational(0) if high is None else Rational(-((-high).floor()) - 1)
    if high is None:
        return Rational(low.floor() + 1)
    return between(low, high)
