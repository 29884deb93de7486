"""All critical points of rank 1 on 2×n matrices, exactly, by one polynomial in one unknown.

With W = x·bᵀ, x in R², a strictly convex quadratic loss is ½bᵀQ(x)b − c(x)ᵀb + ℓ(0), where Q(x) is
positive definite for real x ≠ 0.  So b = Q(x)⁻¹c(x), and what is left is a rational function
f = ℓ(0) − N/2D of the direction x, with D = det Q and N = cᵀ adj(Q) c of degree 2n in x = (1, a).
Its derivative has the numerator ND′ − N′D of degree 4n − 2, which is the generic ED degree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from detvar.errors import InputError, PositiveDimensionalError
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.inertia import Inertia, is_positive_definite
from detvar.exact.matrices import Matrix, determinant, identity, inverse, kron, unvec, zeros
from detvar.exact.number_field import elements_at, roots_of
from detvar.exact.rational import Rational
from detvar.exact.roots import Root
from detvar.exact.univariate import (
    Univariate,
    interpolate,
    rank_modulo,
    signs_around,
    without_common_factors,
)
from detvar.losses import Loss


@dataclass(frozen=True, eq=False)
class UnivariatePoint:
    """A real critical point of rank 1, exactly.

    Attributes
    ----------
    parameter : the direction a, a root of its minimal polynomial
    multiplicity : of that root; above 1 exactly if the Hessian below is singular
    value : ℓ(W)
    inertia : of the Hessian of ℓ on the matrices of rank 1
    nature : "global_minimum", "local_minimum", "strict_saddle" or "non_strict_saddle" among the
        matrices of rank at most 1; always decided
    """

    parameter: RealAlgebraic
    multiplicity: int
    value: RealAlgebraic
    inertia: Inertia
    nature: str
    _root: Root | Rational
    _entries: tuple[tuple[Univariate, ...], ...]
    _denominator: Univariate

    @property
    def index(self) -> int:
        """The Morse index: 0 or 1."""
        return self.inertia.negative

    @cached_property
    def entries(self) -> tuple[tuple[RealAlgebraic, ...], ...]:
        """The rows of W.

        **Cost**: for every entry a minimal polynomial of the degree of the parameter.
        """
        return tuple(
            tuple(_at(x, self._denominator, self._root) for x in row) for row in self._entries
        )

    @property
    def matrix(self) -> Matrix | None:
        """W as an exact matrix, None if the parameter is irrational."""
        if not isinstance(self._root, Rational):
            return None
        d, a = self._denominator(self._root), self._root
        rows = [[x(a) / d for x in row] for row in self._entries]
        return unvec([x for row in rows for x in row], len(rows), len(rows[0]))


@dataclass(frozen=True)
class UnivariatePoints:
    """The critical points of rank 1 on 2×n or n×2 matrices.

    Attributes
    ----------
    points : all real ones, by increasing value; complete for every loss accepted
    polynomial : its roots are the directions of all complex critical points with det Q ≠ 0
    complex_count, distinct_count : the number of complex points with and without multiplicity;
        None if that is undecided
    reason : why it is undecided, or empty
    generic_count : 4n − 2, the number for generic data
    """

    points: tuple[UnivariatePoint, ...]
    polynomial: Univariate
    complex_count: int | None
    distinct_count: int | None
    reason: str
    generic_count: int

    @property
    def minima(self) -> tuple[UnivariatePoint, ...]:
        """The local minima, the global ones first; several of these are equal in value."""
        return tuple(p for p in self.points if p.nature.endswith("minimum"))


def univariate_critical_points(loss: Loss) -> UnivariatePoints:
    """Return every critical point of rank 1 of a strictly convex quadratic loss on 2×n matrices.

    Parameters
    ----------
    loss : quadratic with a positive definite Hessian, on 2×n or n×2 matrices, n ≥ 2

    Raises
    ------
    InputError
        If the loss is not of this kind.
    PositiveDimensionalError
        If every direction is critical, so that there is a whole curve of critical points.

    Notes
    -----
    **Cost**: 2n + 1 determinants of n×n matrices, the factorisation of a polynomial of degree
    4n − 2 over Q and the isolation of its roots.
    **Validity**: any data. For real points nothing is left out, because Q(x) ≻ 0; among complex
    directions with det Q(x) = 0 those where Q(x)b = c(x) has no solution are proved harmless, and
    if one has a solution the complex count is undecided.

    Examples
    --------
    >>> from detvar.losses import WeightedSquaredLoss
    >>> loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    >>> found = univariate_critical_points(loss)
    >>> found.complex_count, [(str(p.value), p.index) for p in found.points]
    (6, [('1/8', 0), ('1/2', 0), ('33/64', 1), ('33/64', 1)])
    """
    form = _Form.of(loss)
    n = form.size
    for k in range(4 * n):
        lines = form.along(k)
        if not lines.target:  # c = 0: all these W are 0
            return UnivariatePoints((), Univariate([1]), *_decided(lines, 0, 0), 4 * n - 2)
        numerator, low = lines.derivative
        if not numerator:
            raise PositiveDimensionalError(
                "the critical points of rank 1 form a set of dimension 1: every column direction "
                "belongs to one; perturb the target or the weights"
            )
        if numerator.degree() == 2 * low - 2:  # else the direction at infinity, (k, 1), is critical
            return _listed(form, lines, numerator)
    raise AssertionError("more critical directions than the degree allows")


@dataclass(frozen=True)
class _Form:
    """½ vec(W)ᵀQ vec(W) − ⟨C, W⟩ + ℓ(0) on 2×n matrices, transposed if the loss is on n×2."""

    size: int
    form: Matrix
    linear: Matrix
    constant: Rational
    is_transposed: bool

    @classmethod
    def of(cls, loss: Loss) -> _Form:
        m, n = loss.shape
        if min(m, n) != 2 or loss.degree != 2:
            raise InputError("elimination needs a quadratic loss on 2×n or n×2 matrices")
        origin = zeros(m, n)
        q, g = loss.hessian(origin), loss.gradient(origin)
        if not is_positive_definite(q):
            raise InputError("the loss is not strictly convex: give positive weights or Q ≻ 0")
        value, turn = loss.value(origin), m > 2
        if turn:
            order = [i * n + j for j in range(n) for i in range(m)]
            q = Matrix(m * n, m * n, [q[a, b] for a in order for b in order])
            g = g.transpose()
        return cls(max(m, n), q, -g, value, turn)

    def along(self, k: int) -> _Lines:
        """The problem in b over the directions x = (1 + k·a, a)."""
        n = self.size

        def values(a: int) -> list[Rational]:
            x = Matrix(1, 2, [1 + k * a, a])
            lift = kron(x, identity(n))
            q, c = lift * self.form * lift.transpose(), (x * self.linear).transpose()
            d = determinant(q)
            b = inverse(q) * c * d
            return [d, (c.transpose() * b)[0, 0], *b.entries(), *c.entries(), *q.entries()]

        found = interpolate(values, 2 * n)
        d, top, rest = found[0], found[1], found[2:]
        quadratic = rest[2 * n :]
        rows = tuple(tuple(quadratic[i * n : (i + 1) * n]) for i in range(n))
        x = (Univariate([1, k]), Univariate([0, 1]))
        return _Lines(x, d, top, tuple(rest[:n]), tuple(rest[n : 2 * n]), rows)


@dataclass(frozen=True)
class _Lines:
    """Q, c, D, N and adj(Q)c as polynomials in the parameter of a line of directions x."""

    direction: tuple[Univariate, Univariate]
    determinant: Univariate
    numerator: Univariate
    factor: tuple[Univariate, ...]
    linear: tuple[Univariate, ...]
    form: tuple[tuple[Univariate, ...], ...]

    @cached_property
    def target(self) -> Univariate:
        """The greatest common divisor of c: where it vanishes W = 0; 0 if c = 0."""
        out = Univariate([0])
        for c in self.linear:
            out = out.gcd(c)
        return out

    @cached_property
    def common(self) -> Univariate:
        """gcd(N, D)."""
        return self.numerator.gcd(self.determinant)

    @property
    def derivative(self) -> tuple[Univariate, int]:
        """Numerator of f′ in lowest terms, up to a positive factor; degree of D in lowest terms."""
        top, low = self.numerator // self.common, self.determinant // self.common
        return top * low.derivative() - top.derivative() * low, int(low.degree())

    @property
    def obstruction(self) -> str:
        """Why complex points may be missing where det Q = 0; empty if none are."""
        for h, _, _ in roots_of(self.common) if self.common.degree() > 0 else []:
            f = Univariate(h)
            wide = [[*row, c] for row, c in zip(self.form, self.linear, strict=True)]
            if rank_modulo(self.form, f) == rank_modulo(wide, f):
                return (
                    f"at the {h.degree()} complex directions where {h} = 0 the second factor is "
                    "not determined by the first, because Q is singular there"
                )
        return ""


def _decided(lines: _Lines, count: int, distinct: int) -> tuple[int | None, int | None, str]:
    reason = lines.obstruction
    return (None, None, reason) if reason else (count, distinct, "")


def _listed(form: _Form, lines: _Lines, numerator: Univariate) -> UnivariatePoints:
    """The points, from the numerator of f′."""
    critical = without_common_factors(numerator, lines.determinant)
    critical = without_common_factors(critical, lines.target)
    factors = roots_of(critical) if critical.degree() > 0 else []
    line, one = Univariate([0, 1]), Univariate([1])
    found = [(_at(line, one, x), x, e) for _, e, roots in factors for x in roots]
    found.sort(key=lambda entry: entry[0])
    # the sign of f′ changes where W = 0 too
    zero = roots_of(lines.target)[0][2] if lines.target.degree() > 0 else []
    marks = sorted([a for a, _, _ in found] + [_at(line, one, x) for x in zero])
    signs = signs_around(numerator, marks)
    value = lines.determinant * (2 * form.constant) - lines.numerator
    values = [_at(value, lines.determinant * 2, x) for _, x, _ in found]
    least = min(values, default=None)
    entries = tuple(tuple(x * b for b in lines.factor) for x in lines.direction)
    if form.is_transposed:
        entries = tuple(zip(*entries, strict=True))
    points = []
    for (a, root, e), v in zip(found, values, strict=True):
        i = marks.index(a)
        before, after = signs[i], signs[i + 1]
        curvature = 0 if e > 1 else after
        if before < 0 < after:
            nature = "global_minimum" if v == least else "local_minimum"
        else:
            nature = "strict_saddle" if curvature else "non_strict_saddle"
        signature = Inertia(form.size + (curvature > 0), int(curvature < 0), int(not curvature))
        points.append(UnivariatePoint(a, e, v, signature, nature, root, entries, lines.determinant))
    points.sort(key=lambda p: p.value)
    distinct = sum(int(h.degree()) for h, _, _ in factors)
    counts = _decided(lines, int(critical.degree()), distinct)
    return UnivariatePoints(tuple(points), critical, *counts, 4 * form.size - 2)


def _at(top: Univariate, low: Univariate, root: Root | Rational) -> RealAlgebraic:
    """top/low at a real number where low is not 0."""
    if isinstance(root, Rational):
        return RealAlgebraic(top(root) / low(root))
    return elements_at(top, low, root.polynomial.polynomial, [root])[0]
