r"""The family fᵢ = ρᵢ²/(1+ρᵢ²), ρᵢ = |x − bᵢ|: bounded bells around points, and ridges of them.

For p at distance d from b, c = d²/(1+d²), the worst point at distance r from b lies in the
direction of p, and (α, β) is feasible for it if and only if, with δ = α − β,

    P(r) = α c (1+r²)² − δ r² (1+r²) + 2r² − 2dr ≥ 0.

The leading coefficient gives α ≥ δ(1 + 1/d²); with equality P = δ(1+r²) + 2r² − 2dr, which is
≥ 0 for all r exactly when δ ≥ √(1+d²) − 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.algebraic import RealAlgebraic, real_roots, square_root
from detvar.exact.number_field import elements_at, roots_of
from detvar.exact.rational import Rational
from detvar.exact.univariate import Univariate
from detvar.landscape.exact_region import ExactRegion
from detvar.landscape.finite_sum import Constant, FiniteSum
from detvar.landscape.rational_region import bell_pieces, region_of
from detvar.landscape.sturm import Element, RealField

_FORMULA = (
    r"\varphi(\delta)=\max\Bigl(\delta,\ \sup_{i,r}"
    r"\frac{\delta r^2(1+r^2)-2r^2+2d_ir}{c_i(1+r^2)^2}\Bigr),\quad c_i=\frac{d_i^2}{1+d_i^2}"
)


@dataclass(frozen=True)
class LineMinimisers:
    """The minimisers s of (1/n) Σ q(s−sᵢ)²/(1+q(s−sᵢ)²) on a line, in one field if possible."""

    numbers: tuple[RealAlgebraic, ...]
    value: RealAlgebraic
    field: RealField | None
    elements: tuple[Element, ...] = ()

    def to_latex(self) -> str:
        """Return the minimisers and the minimum as math."""
        points = ",\\ ".join(x.to_latex() for x in self.numbers)
        return rf"s\in\{{{points}\}},\quad f^*={self.value.to_latex()}"


def line_minimisers(centres: Sequence[Rational], q: Rational) -> LineMinimisers:
    """Return the global minimisers on a line, exactly: roots of the derivative, values compared.

    >>> from detvar.exact.rational import rational
    >>> found = line_minimisers([rational(0), rational(1)], rational(2))
    >>> len(found.numbers), str(found.value), str(found.numbers[0])
    (2, '(3-√3)/4', '0.1593749806…')
    """
    n = len(centres)
    bases = [Univariate([1 + q * s * s, -2 * q * s, q]) for s in centres]
    whole = Univariate([1])
    for base in bases:
        whole = whole * base
    top, slope = Univariate([0]), Univariate([0])
    for s, base in zip(centres, bases, strict=True):
        others = whole // base
        top += (base - 1) * others
        slope += Univariate([-s, 1]) * others * others
    low = whole * n
    found: list[tuple[RealAlgebraic, RealAlgebraic]] = []
    for f, _, roots in roots_of(slope):
        numbers = [x for x, _ in real_roots(f)]
        found += zip(elements_at(top, low, f, roots), numbers, strict=True)
    least = min(value for value, _ in found)
    minimisers = sorted(x for value, x in found if value == least)
    field, elements = _common_field(minimisers)
    return LineMinimisers(tuple(minimisers), least, field, elements)


def _common_field(
    numbers: Sequence[RealAlgebraic],
) -> tuple[RealField | None, tuple[Element, ...]]:
    """Q(t) for t the first irrational number, if the others are ±t plus a rational number."""
    first = next((x for x in numbers if not x.is_rational), None)
    if first is None:
        field = RealField.of()
        return field, tuple(field.number(_number(x)) for x in numbers)
    field = RealField.of(first)
    out = []
    for x in numbers:
        for sign in (0, 1, -1):
            rest = (x - first * sign).as_rational()
            if rest is not None:
                out.append(field.t * sign + field.number(rest))
                break
        else:
            return None, ()
    return field, tuple(out)


def _number(x: RealAlgebraic) -> Rational:
    q = x.as_rational()
    if q is None:
        raise AssertionError("the number is rational")
    return q


def bells_region(
    centres: Sequence[Rational], q: Rational, found: LineMinimisers, dimension: int
) -> ExactRegion | None:
    """Return the exact region of bells at `centres` on a line; None without a common field."""
    if found.field is None:
        return None
    field, points = found.field, found.elements
    pieces = []
    for k, p in enumerate(points):
        below = None if k == 0 else (points[k - 1] + p) * Rational(1, 2)
        above = None if k == len(points) - 1 else (points[k + 1] + p) * Rational(1, 2)
        for s in centres:
            shift = field.number(s)
            side = field.sign(p - shift)
            if side == 0 and dimension == 1 and below is not None and above is not None:
                return None  # c = 0 on a bounded cell: only some δ are feasible
            if side == 0:  # c = 0, and g/b → 0 far away: no δ > 0 is feasible
                return ExactRegion(rf"d=0\text{{ at the centre }}{s}", is_empty=True)
            ends = [None if e is None else (e - shift) * side for e in (below, above)]
            low, high = ends if side > 0 else reversed(ends)
            pieces += bell_pieces(field, q, (p - shift) * side, low, high, dimension)
    region = region_of(field, pieces, _FORMULA)
    if len(points) == 1:
        x = found.numbers[0]
        kinks = {square_root(1 + q * (x - s) * (x - s)) - 1 for s in centres}
        region = replace(region, kinks=tuple(sorted(kinks)))
    return region


def rational(bs: Sequence[Any], name: str = "bells") -> FiniteSum:
    r"""Return the sum of fᵢ(x) = |x − bᵢ|²/(1 + |x − bᵢ|²) for points bᵢ on one line.

    Parameters
    ----------
    bs : sequence of points with rational coordinates, or of rational numbers
        At least two different points, on one line.

    Returns
    -------
    FiniteSum
        With fᵢ* = 0, L = 2, all minimisers (they lie on the line), and the exact region.

    Raises
    ------
    InputError
        If the points are not on one line or all equal.

    Notes
    -----
    **Cost**: the real roots of a polynomial of degree 4n − 3.
    **Validity**: a minimiser is a convex combination of the bᵢ, as ∇f is a combination of the
    x − bᵢ with positive weights; so it lies on the line.  The region is None in the rare case
    that several minimisers do not lie in one field Q(t).

    Examples
    --------
    >>> f = rational([(0, 0), (1, 1)])
    >>> round(f.minimum, 10), f.region.contains(21, 20), f.region.contains("20.684", "19.684")
    (0.3169872981, True, False)
    """
    import sympy

    points = _points(bs)
    d = len(points[0])
    direction = next(
        ([x - y for x, y in zip(p, points[0], strict=True)] for p in points if p != points[0]),
        None,
    )
    if direction is None:
        raise InputError("bs are all the same point: give at least two different points")
    q = sum((x * x for x in direction), Rational(0))
    centres = []
    for point in points:
        offset = [x - y for x, y in zip(point, points[0], strict=True)]
        s = sum((x * u for x, u in zip(offset, direction, strict=True)), Rational(0)) / q
        if any(x != s * u for x, u in zip(offset, direction, strict=True)):
            raise InputError(
                f"bs are not on one line, the point {point} is off it: give such points"
            )
        centres.append(s)
    found = line_minimisers(centres, q)
    constants, symbols = named(found)
    variables = coordinates(d)
    terms = []
    for p in points:
        r2 = sum((v - _sympy(x)) ** 2 for v, x in zip(variables, p, strict=True))
        terms.append(r2 / (1 + r2))
    origin = points[0]
    minimisers = [
        [sympy.expand(_sympy(x) + s * _sympy(u)) for x, u in zip(origin, direction, strict=True)]
        for s in symbols
    ]
    problem = FiniteSum.from_sympy(
        terms,
        variables,
        minimisers,
        [0] * len(terms),
        constants=constants,
        smoothness=2.0,
        name=name,
    )
    return replace(problem, region=bells_region(centres, q, found, d))


def ridges(shifts: Sequence[Any], dimension: int = 2, name: str = "ridges") -> FiniteSum:
    r"""Return the sum of fᵢ(x) = s²/(1+s²), s = x₁ + … + x_d + aᵢ, for rational shifts aᵢ.

    The minimisers are hyperplanes Σxⱼ = s_p; the projection moves x along (1, …, 1).

    Examples
    --------
    >>> f = ridges([0, 1])
    >>> f.minimum, f.sigma2, f.smoothness, f.project([1.0, 2.0]).tolist()
    (0.2, 0.2, 4.0, [-0.75, 0.25])
    """
    centres = [-rational_number(a) for a in shifts]
    found = line_minimisers(centres, Rational(1))
    if len(found.numbers) != 1:
        raise InputError(
            "the shifts give several minimising hyperplanes, and no one formula for the nearest: "
            "give shifts that are closer together"
        )
    constants, (level,) = named(found)
    variables = coordinates(dimension)
    total = sum(variables)
    terms = [(total - _sympy(s)) ** 2 / (1 + (total - _sympy(s)) ** 2) for s in centres]
    problem = FiniteSum.from_sympy(
        terms,
        variables,
        lower=[0] * len(terms),
        projection=[v - (total - level) / dimension for v in variables],
        constants=constants,
        smoothness=2.0 * dimension,
        name=name,
    )
    return replace(problem, region=bells_region(centres, Rational(1), found, 1))


def named(found: LineMinimisers) -> tuple[list[Constant], list[Any]]:
    """Return SymPy expressions of the minimisers, and the named constants they use."""
    import sympy

    constants: list[Constant] = []
    out: list[Any] = []
    for x in found.numbers:
        q = x.as_rational()
        if q is not None:
            out.append(_sympy(q))
            continue
        for constant, number in zip(constants, _irrational(found), strict=False):
            for sign in (1, -1):
                rest = (x - number * sign).as_rational()
                if rest is not None:
                    out.append(sign * constant.symbol + _sympy(rest))
                    break
            else:
                continue
            break
        else:
            symbol = sympy.Symbol(f"t{len(constants) + 1}" if constants else "t", real=True)
            f = x.minimal_polynomial()
            equation = sum(
                (sympy.Integer(int(c)) * symbol**k for k, c in enumerate(f.coeffs())),
                sympy.Integer(0),
            )
            constants.append(isolated(symbol, equation, x))
            out.append(symbol)
    return constants, out


def isolated(symbol: Any, equation: Any, x: RealAlgebraic) -> Constant:
    """Return x as a constant, in a bracket so small that balls show its zero to be simple."""
    bits = 24
    while True:
        constant = Constant(symbol, equation, *x.bounds(bits))
        try:
            constant.enclosure(bits)
        except InputError:
            bits *= 2
        else:
            return constant


def _irrational(found: LineMinimisers) -> list[RealAlgebraic]:
    """The numbers that `named` gives a name, in its order."""
    out: list[RealAlgebraic] = []
    for x in found.numbers:
        if not x.is_rational and all(
            (x - y).as_rational() is None and (x + y).as_rational() is None for y in out
        ):
            out.append(x)
    return out


def coordinates(d: int) -> tuple[Any, ...]:
    """Return the SymPy symbols x, y for d ≤ 2 and x1, …, xd else."""
    import sympy

    names = ["x", "y"][:d] if d <= 2 else [f"x{j}" for j in range(1, d + 1)]
    return tuple(sympy.Symbol(v, real=True) for v in names)


def rational_number(x: Any) -> Rational:
    """Return the rational number that x denotes."""
    from detvar.exact.rational import rational as read

    return read(x)


def _sympy(x: Rational) -> Any:
    import sympy

    return sympy.Rational(int(x.p), int(x.q))


def _points(bs: Sequence[Any]) -> list[list[Rational]]:
    rows = [list(b) if isinstance(b, (list, tuple)) else [b] for b in bs]
    if len(rows) < 1 or len({len(r) for r in rows}) != 1 or not rows[0]:
        raise ShapeError("bs must be points with the same number of coordinates, such as (0, 1)")
    return [[rational_number(x) for x in row] for row in rows]
