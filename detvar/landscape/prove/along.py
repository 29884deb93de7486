r"""Reductions of F ≥ 0 on Rᵈ to a line.

- In one dimension there is nothing to do.
- If F and the walls of the cell depend on s = ⟨w, x⟩ only, the line is R·w.
- If fᵢ(x) = h(|x − b|²), then F(x) = αc − δ(h − ℓ) + 2h′·(r² − ⟨x − b, p − b⟩) is affine in
  ⟨x − b, p − b⟩ at fixed r = |x − b|, hence least at one of the two points of the sphere on the
  line through b and p: F ≥ 0 on Rᵈ if and only if F ≥ 0 on that line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from detvar.exact.rational import Rational, rational, to_fraction
from detvar.exact.rational_functions import Polynomial
from detvar.landscape.prove.cases import Case, Setting

if TYPE_CHECKING:
    from detvar.homotopy.expression import Graph

KINDS = ("axis", "symmetry", "radial")


@dataclass(frozen=True, eq=False)
class Line:
    """A line x = base + y·direction, in Q[constants], such that F ≥ 0 on it proves the case.

    Attributes
    ----------
    kind : "axis", "symmetry" (both keep the cell) or "radial" (without the cell)
    base, direction : polynomials in the constants; y is the first variable of the ring
    polynomial : D²F on the line
    cell : the walls on the line
    """

    kind: str
    base: tuple[Polynomial, ...]
    direction: tuple[Polynomial, ...]
    polynomial: Polynomial
    cell: tuple[Polynomial, ...]


def line_of(setting: Setting, case: Case) -> Line | None:
    """Return a line to which a case with a rational term reduces, or None."""
    p = case.polynomial
    if p is None:
        return None
    zero = p * 0
    d = setting.dimension
    if d == 1:
        return _on(setting, case, "axis", [zero], [zero + 1], case.cell)
    w = _only_direction(setting, [p, *case.cell])
    if w is not None:
        size = sum((c * c for c in w), rational(0))
        return _on(setting, case, "symmetry", [zero] * d, [zero + c / size for c in w], case.cell)
    if setting.exact.minimisers is None:
        return None
    found = radial_profile(setting, case.term)
    points = setting.rational_points
    if found is None or points is None:
        return None
    target = [x.numerator / x.denominator.leading_coefficient() for x in points[case.point]]
    if any(x.denominator.total_degree() > 0 for x in points[case.point]):
        return None
    base = [zero + b for b in found.centre]
    direction = [a - b for a, b in zip(target, base, strict=True)]
    if not any(direction):
        direction = [zero + 1] + [zero] * (d - 1)
    return _on(setting, case, "radial", base, direction, ())


def _on(
    setting: Setting,
    case: Case,
    kind: str,
    base: Sequence[Polynomial],
    direction: Sequence[Polynomial],
    cell: Sequence[Polynomial],
) -> Line:
    assert case.polynomial is not None
    y = setting.ring[0]
    at = [b + y * v for b, v in zip(base, direction, strict=True)]
    at += setting.ring[setting.dimension :]
    return Line(
        kind,
        tuple(base),
        tuple(direction),
        case.polynomial.compose(*at),
        tuple(wall.compose(*at) for wall in cell),
    )


def _only_direction(setting: Setting, polynomials: Sequence[Polynomial]) -> list[Rational] | None:
    """Return w ≠ 0 if all polynomials depend on ⟨w, x⟩ and the constants only."""
    d = setting.dimension
    x, constants = setting.ring[:d], setting.ring[d:]
    start = [x[0] * 0 + Rational(3 + j * j, 7) for j in range(d)]
    w: list[Rational] | None = None
    for f in polynomials:
        slopes = [f.derivative(j).compose(*start, *constants) for j in range(d)]
        # the coefficients of one monomial in the constants are a multiple of w
        first = next((s for s in slopes if s), None)
        if first is None:
            continue
        m = next(iter(first.to_dict()))
        w = [rational(s.to_dict().get(m, 0)) for s in slopes]
        break
    if w is None or not any(w):
        return None
    size = sum((c * c for c in w), rational(0))
    s = sum((c * v for c, v in zip(w, x, strict=True)), x[0] * 0)
    at = [s * (c / size) for c in w]
    return w if all(f.compose(*at, *constants) == f for f in polynomials) else None


# --- radial terms ---------------------------------------------------------------------------------


@dataclass(eq=False)
class Profile:
    """f(x) = h(|x − b|²): the centre b and h as a node of a graph with input u = |x − b|²."""

    graph: Graph
    centre: list[Rational] = field(default_factory=list)
    node: int = 0


class _NotRadialError(Exception):
    pass


def radial_profile(setting: Setting, term: int) -> Profile | None:
    """Return the centre and the profile of a radial term, found in its formula and checked exactly.

    Every largest polynomial part of the formula must be a polynomial in one |x − b|², b ∈ Qᵈ.
    """
    from detvar.homotopy.expression import Graph

    out = Profile(Graph())
    form = setting.rational_terms[term]
    try:
        if form is not None:
            top, low = (_radial(setting, f, out) for f in (form.numerator, form.denominator))
            out.node = out.graph.div(top, low)
        else:
            out.node = _profile(setting, setting.exact.terms[term], out)
    except _NotRadialError:
        return None
    return out if out.centre else None


def _profile(setting: Setting, e: Any, out: Profile) -> int:
    from fractions import Fraction

    form = setting.rational_form(e)
    if form is not None:
        return out.graph.div(
            _radial(setting, form.numerator, out), _radial(setting, form.denominator, out)
        )
    if e.is_Add or e.is_Mul:
        rational_part = [a for a in e.args if setting.rational_form(a) is not None]
        rest = [a for a in e.args if a not in rational_part]
        nodes = [_profile(setting, a, out) for a in rest]
        if rational_part:
            nodes.append(_profile(setting, e.func(*rational_part), out))
        total = nodes[0]
        for n in nodes[1:]:
            total = out.graph.add(total, n) if e.is_Add else out.graph.mul(total, n)
        return total
    if e.is_Pow and e.exp.is_Integer:
        return out.graph.power(_profile(setting, e.base, out), int(e.exp))
    if e.is_Pow and e.exp.is_Rational:
        inner = _profile(setting, e.base, out)
        return out.graph.function(Fraction(int(e.exp.p), int(e.exp.q)), inner)
    if e.is_Function and len(e.args) == 1:
        return out.graph.function(e.func.__name__, _profile(setting, e.args[0], out))
    raise _NotRadialError


def _radial(setting: Setting, q: Polynomial, out: Profile) -> int:
    """Return q̃(u) for a polynomial q(x) = q̃(|x − b|²)."""
    d = setting.dimension
    terms = {tuple(map(int, m)): rational(c) for m, c in q.to_dict().items()}
    if any(any(m[d:]) for m in terms):
        raise _NotRadialError
    degree = max((sum(m) for m in terms), default=0)
    if degree % 2:
        raise _NotRadialError
    if degree:
        top = terms.get(_power(len(setting.ring), 0, degree))
        if top is None:
            raise _NotRadialError
        centre = [
            -terms.get(_power(len(setting.ring), j, degree - 1), rational(0)) / (degree * top)
            for j in range(d)
        ]
        if out.centre and out.centre != centre:
            raise _NotRadialError
        out.centre = centre
    x, zero = setting.ring[:d], q * 0
    at = [zero + b for b in out.centre] if degree else [zero] * d
    at[0] = at[0] + x[0]
    on_ray = q.compose(*at, *setting.ring[d:]).to_dict()
    coefficients = [rational(0)] * (degree // 2 + 1)
    for m, c in on_ray.items():
        if int(m[0]) % 2:
            raise _NotRadialError
        coefficients[int(m[0]) // 2] += c
    if degree:
        u = sum(((v - b) ** 2 for v, b in zip(x, out.centre, strict=True)), zero)
        again = sum((c * u**k for k, c in enumerate(coefficients)), zero)
        if again != q:
            raise _NotRadialError
    node, variable = out.graph.zero, out.graph.input(0)
    for c in reversed(coefficients):
        node = out.graph.add(out.graph.mul(node, variable), out.graph.constant(to_fraction(c)))
    return node


def _power(size: int, j: int, e: int) -> tuple[int, ...]:
    return tuple(e if k == j else 0 for k in range(size))
