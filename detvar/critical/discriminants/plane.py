"""The critical directions of a path of quadratic losses on 2×n matrices, as a form over Q[t].

With W = x·bᵀ and b = Q(x)⁻¹c(x) what is left of ℓ is f = ℓ(0) − N/2D on the projective line of
the directions x, with D = det Q(x) and N = cᵀ adj(Q) c, forms of degree 2n in x.  The critical
directions are the zeros of F = ∂₁N ∂₂D − ∂₂N ∂₁D, of degree 4n − 2, up to those with c(x) = 0,
where W = 0, and with D(x) = 0, which are not real.  Here all of them are polynomials in t too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from detvar.critical.discriminants.path import LossPath
from detvar.errors import InputError, PositiveDimensionalError
from detvar.exact.rational import Rational
from detvar.exact.rational_functions import Polynomial, RationalFunction, polynomial_ring
from detvar.exact.univariate import Univariate

Rows = list[list[Polynomial]]


@dataclass(frozen=True, eq=False)
class Plane:
    """F, D, c and Q of a path, in the chart x = (1 + k·a, a), as polynomials in a and t.

    Attributes
    ----------
    size : n
    form : F, of degree 4n − 2 in a; 0 if c is 0 for all t
    determinant : D, of degree 2n in a
    along : the entries of c that are not 0
    linear : the rows of C, 2×n, polynomials in t
    definite : det of the 2n×2n form, a polynomial in t
    poles : the least common denominator of the data
    """

    size: int
    form: Polynomial
    determinant: Polynomial
    along: tuple[Polynomial, ...]
    linear: Rows
    definite: Polynomial
    poles: Polynomial

    @property
    def degree(self) -> int:
        """4n − 2, the degree of F as a form in x."""
        return 4 * self.size - 2

    @cached_property
    def factors(self) -> tuple[tuple[Polynomial, int], ...]:
        """The irreducible factors of F over Q(t) with D ≠ 0 and W ≠ 0 at their zeros."""
        if not self.form:
            return ()
        return tuple(
            (f, int(e))
            for f, e in self.form.factor()[1]
            if f.degrees()[0] and f != self.vanishing and not self._null(f)
        )

    def _null(self, f: Polynomial) -> bool:
        """Whether D = 0 at the zeros of the irreducible f."""
        return bool(self.determinant.gcd(f).degrees()[0])

    @cached_property
    def vanishing(self) -> Polynomial:
        """The factor of F with c = 0 at its zero for all t; 1 if there is none."""
        if not self.form:
            return self.form + 1
        for f, _ in self.form.factor()[1]:
            if f.degrees()[0] and all(c.gcd(f).degrees()[0] for c in self.along):
                return f
        return self.form * 0 + 1

    @property
    def complex_count(self) -> int:
        """The number of complex critical directions with D ≠ 0 and W ≠ 0, for general t."""
        return sum(int(f.degrees()[0]) for f, _ in self.factors)

    def coefficients(self) -> list[Univariate]:
        """Return the coefficients of 1, a, a², … in F, polynomials in t."""
        return _collected(self.form)


def plane(path: LossPath) -> Plane:
    """Return the critical directions of a path of quadratic losses on 2×n or n×2 matrices.

    Raises
    ------
    InputError
        If the losses are of another kind, or their form is singular for all t.
    PositiveDimensionalError
        If all directions are critical, for all t.

    Notes
    -----
    **Cost**: determinants of size n and n + 1 over Q[a, t], and the factorisation of F.

    Examples
    --------
    >>> path = LossPath("weighted", target=[[1, 0], [0, "1/2"]], weights=[[1, "t"], ["t", 1]])
    >>> found = plane(path)
    >>> found.degree, [str(f) for f, _ in found.factors]
    (6, ['a', 'a + 1', 'a^2*t + a^2 + 4*a*t - 2*a + 2*t - 1', \
'3*a^2*t + 3*a^2 + 4*a*t + 2*a + 2*t + 1'])
    """
    data, (m, n) = path.quadratic(), path.shape
    if data is None or min(m, n) != 2:
        raise InputError(
            "elimination needs squared, weighted or quadratic losses on 2×n or n×2 matrices"
        )
    form, linear = data
    if m > 2:
        order = [i * n + j for j in range(n) for i in range(m)]
        form = [[form[a][b] for b in order] for a in order]
        linear = list(zip(*linear, strict=True))
        n = m
    a, t = polynomial_ring(["a", "t"])
    common = _common_denominator([x for rows in (form, linear) for row in rows for x in row])
    q = [[_lifted(x, common, t) for x in row] for row in form]
    c = [[_lifted(x, common, t) for x in row] for row in linear]
    poles = _common_denominator([*path.functions()]).compose(t) * common.compose(t)
    definite = determinant(q)
    if not definite:
        raise InputError("the form is singular for all t: give positive weights or Q ≻ 0")
    for k in range(4 * n):
        x = (k * a + 1, a)
        gram = [
            [
                sum((x[i] * x[j] * q[i * n + u][j * n + v] for i in (0, 1) for j in (0, 1)), a * 0)
                for v in range(n)
            ]
            for u in range(n)
        ]
        along = [x[0] * u + x[1] * v for u, v in zip(*c, strict=True)]
        d = determinant(gram)
        top = -determinant(
            [[a * 0, *along], *([y, *row] for y, row in zip(along, gram, strict=True))]
        )
        f = top * d.derivative(0) - top.derivative(0) * d
        if not f and any(along):
            raise PositiveDimensionalError(
                "for all t every column direction belongs to a critical point of rank 1, so "
                "these are not isolated: perturb the target or the weights"
            )
        if not f or (f.degrees()[0] == 4 * n - 2 and d.degrees()[0] == 2 * n):
            return Plane(n, f, d, tuple(x for x in along if x), c, definite, poles)
    raise AssertionError("more critical directions than the degree allows")


def _common_denominator(entries: Sequence[RationalFunction]) -> Polynomial:
    out = entries[0].denominator
    for x in entries[1:]:
        out = out * x.denominator / out.gcd(x.denominator)
    return out


def _lifted(x: RationalFunction, common: Polynomial, t: Polynomial) -> Polynomial:
    """x·common as a polynomial in a and t."""
    return (x.numerator * (common / x.denominator)).compose(t)


def determinant(rows: Rows) -> Polynomial:
    """Return the determinant of a matrix of polynomials, by Bareiss's exact divisions.

    >>> x, y = polynomial_ring(["x", "y"])
    >>> print(determinant([[x, y], [y, x]]))
    x^2 - y^2
    """
    table, sign = [list(row) for row in rows], 1
    zero = table[0][0] * 0
    last = zero + 1
    for k in range(len(table) - 1):
        pivot = next((i for i in range(k, len(table)) if table[i][k]), None)
        if pivot is None:
            return zero
        if pivot != k:
            table[k], table[pivot], sign = table[pivot], table[k], -sign
        head = table[k]
        for i in range(k + 1, len(table)):
            row = table[i]
            table[i] = [zero] * (k + 1) + [
                (head[k] * row[j] - row[k] * head[j]) / last for j in range(k + 1, len(table))
            ]
        last = head[k]
    return table[-1][-1] * sign


def _collected(f: Polynomial) -> list[Univariate]:
    """The coefficients of the powers of the first unknown, as polynomials in the second."""
    table: dict[int, dict[int, Rational]] = {}
    for (i, j), c in f.to_dict().items():
        table.setdefault(int(i), {})[int(j)] = c
    return [
        Univariate(
            [table.get(i, {}).get(j, Rational(0)) for j in range(max(table.get(i, {0: 0})) + 1)]
        )
        for i in range(max(table, default=0) + 1)
    ]


def in_parameter(f: Polynomial) -> Univariate:
    """Return a polynomial in t alone.

    Raises
    ------
    ValueError
        If the other unknown occurs.
    """
    found = _collected(f)
    if len(found) > 1:
        raise ValueError("the polynomial contains the direction")
    return found[0]
