"""Degenerate points: what the first non-vanishing term beyond the Hessian decides.

At a critical W̄ of rank r whose second derivative along the matrices of rank r is positive
semidefinite with kernel, the splitting lemma (Lyapunov–Schmidt) reduces ℓ to a function of the
kernel alone; its first term decides when the kernel is a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product as cartesian
from typing import Any

from detvar.exact.inertia import Inertia, inertia
from detvar.exact.matrices import (
    Matrix,
    hstack,
    inverse,
    kron,
    nullspace,
    pivot_columns,
    submatrix,
    unvec,
    vstack,
    zeros,
)
from detvar.exact.rational import Rational, to_text
from detvar.exact.series import Series, SeriesRing
from detvar.losses import Loss

_ORDER_LINE, _ORDER_SPACE = 12, 4


@dataclass(frozen=True)
class Chart:
    """The chart (X, V) ↦ [V; XV] of the rank-r matrices, rows permuted, around W̄.

    `rows` are r independent rows of W̄, `others` the rest; the coordinates are the entries of V
    (r×n), then those of X ((m−r)×r), and `origin` is W̄.
    """

    rows: tuple[int, ...]
    others: tuple[int, ...]
    columns: int
    origin: tuple[Rational, ...]

    @property
    def dimension(self) -> int:
        """r(m + n − r)."""
        return len(self.origin)

    def matrix(self, z: list[Any]) -> list[list[Any]]:
        """Return the matrix with coordinates origin + z, over any Q-algebra."""
        v, x = self._split(z)
        out: list[list[Any]] = [[] for _ in range(len(self.rows) + len(self.others))]
        for i, row in zip(self.rows, v, strict=True):
            out[i] = row
        for i, row in zip(self.others, x, strict=True):
            out[i] = [
                sum((c * v[k][j] for k, c in enumerate(row)), z[0] * 0) for j in range(self.columns)
            ]
        return out

    def pull_back(self, z: list[Any], gradient: list[list[Any]]) -> list[Any]:
        """Return the gradient of ℓ in chart coordinates: (G_top + XᵀG_low, G_low Vᵀ)."""
        v, x = self._split(z)
        zero = z[0] * 0
        out = []
        for k, i in enumerate(self.rows):
            for j in range(self.columns):
                low = (row[k] * gradient[o][j] for row, o in zip(x, self.others, strict=True))
                out.append(gradient[i][j] + sum(low, zero))
        for o in self.others:
            for row in v:
                out.append(sum((g * y for g, y in zip(gradient[o], row, strict=True)), zero))
        return out

    def _split(self, z: list[Any]) -> tuple[list[list[Any]], list[list[Any]]]:
        y = [b + a for a, b in zip(self.origin, z, strict=True)]
        r, n = len(self.rows), self.columns
        v = [y[k * n : (k + 1) * n] for k in range(r)]
        x = [y[r * n + k * r : r * n + (k + 1) * r] for k in range(len(self.others))]
        return v, x


def chart_at(product: Matrix) -> Chart:
    """Return the chart at W̄ on its first independent rows."""
    rows = pivot_columns(product.transpose())
    others = [i for i in range(product.nrows()) if i not in rows]
    v = submatrix(product, rows, range(product.ncols()))
    # X V = other rows, solved on r independent columns of V
    cols = pivot_columns(v)
    square = submatrix(v, range(len(rows)), cols)
    x = submatrix(product, others, cols) * inverse(square)
    return Chart(tuple(rows), tuple(others), product.ncols(), (*v.entries(), *x.entries()))


def chart_hessian(loss: Loss, product: Matrix, chart: Chart) -> Matrix:
    """Return the Hessian of ℓ in the chart at its origin: JᵀHJ plus the term of X·V."""
    m, n, r = product.nrows(), product.ncols(), len(chart.rows)
    v, x = (unvec(list(chart.origin[: r * n]), r, n), unvec(list(chart.origin[r * n :]), m - r, r))
    selected, rest = zeros(m, r), zeros(m, m - r)
    for k, i in enumerate(chart.rows):
        selected[i, k] = 1
    for k, i in enumerate(chart.others):
        rest[i, k] = 1
    identity_n = Matrix(n, n, [int(i == j) for i in range(n) for j in range(n)])
    frame = hstack(kron(selected + rest * x, identity_n), kron(rest, v.transpose()))
    out = frame.transpose() * loss.hessian(product) * frame
    g = loss.gradient(product)
    for a, o in enumerate(chart.others):
        for k in range(r):
            for j in range(n):
                p, q = k * n + j, r * n + a * r + k
                out[p, q] += g[o, j]
                out[q, p] += g[o, j]
    return out


@dataclass(frozen=True)
class ReducedFunction:
    """What remains of ℓ on the rank-r matrices after the splitting lemma.

    Attributes
    ----------
    nullity : ν, dimension of the kernel of the Hessian
    order : degree of the first term of the reduced function φ(s_1, …, s_ν), or None when φ is
        constant as far as computed
    leading : that term, as text
    nature : "local_minimum", "non_strict_saddle", or None when this term does not decide
    curve : coordinates z_1(t), …, z_N(t) of a curve in the chart (coefficient lists) along which
        ℓ shows the term; with the chart it is the evidence
    flat : whether the curve is proved to consist of critical points of equal value
    """

    nullity: int
    order: int | None
    leading: str
    nature: str | None
    chart: Chart
    curve: tuple[tuple[Rational, ...], ...]
    flat: bool = False
    denominator: tuple[Rational, ...] = ()


def reduce_degenerate(loss: Loss, product: Matrix) -> ReducedFunction:
    """Return the reduced function of ℓ on the matrices of rank r at a degenerate critical W̄.

    Writes coordinates as Ks + w with K a basis of the kernel, solves ∂_w f = 0 for w(s) as power
    series over Q, and reads off φ(s) = f(Ks + w(s)) − f(0).

    Parameters
    ----------
    product : W̄, of the maximal rank r, critical for ℓ on the rank-r matrices, with positive
        semidefinite singular Hessian there

    Notes
    -----
    **Validity**: ℓ polynomial. ν = 1: a first term of even order with positive coefficient
    makes W̄ a local minimum, any other first term a saddle; without a term up to order 12 a curve
    of critical points is looked for (Padé) and verified as an identity, which again gives a local
    minimum (Morse–Bott). ν ≥ 2: an odd first term, or a negative value on small integer
    directions, proves a saddle; otherwise nothing is concluded.
    **Cost**: one truncated Newton step per order, in ν variables (order 12 for ν = 1, else 4).

    Examples
    --------
    >>> from detvar.losses import WeightedSquaredLoss
    >>> from detvar.exact.matrices import matrix
    >>> loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 2], [2, 1]])
    >>> found = reduce_degenerate(loss, matrix([[0, 0], [0, "1/2"]]))
    >>> found.order, found.nature
    (4, 'non_strict_saddle')
    """
    chart = chart_at(product)
    hessian = chart_hessian(loss, product, chart)
    kernel = nullspace(hessian)
    nu = kernel.ncols()
    ring = SeriesRing(nu, _ORDER_LINE if nu == 1 else _ORDER_SPACE)
    z = _split_off(loss, chart, hessian, kernel, ring)
    value = loss.evaluate(_cut(ring, chart.matrix(z)))
    phi = ring.truncate(value)
    order = ring.lowest(phi)
    if order is None:
        return _flat_or_unknown(loss, chart, kernel, ring, z)
    leading = ring.part(phi, order)
    direction = _showing_direction(ring, phi, order, leading, nu)
    nature = _nature(inertia(hessian), leading, order, nu, direction)
    shown = direction if direction is not None else [1] + [0] * (nu - 1)
    curve = tuple(tuple(ring.restrict(c, shown)) for c in z)
    return ReducedFunction(nu, order, _text(leading), nature, chart, curve)


def _split_off(
    loss: Loss, chart: Chart, hessian: Matrix, kernel: Matrix, ring: SeriesRing
) -> list[Series]:
    """Return chart coordinates z(s) = Ks + w(s) with ∂_w f = O(s^{order+1})."""
    size, nu = kernel.nrows(), kernel.ncols()
    # s controls the last possible coordinates: in terms of X, curves such as the orbit of a
    # rotation are rational, in terms of V they need not be
    backwards = submatrix(kernel, range(size - 1, -1, -1), range(nu))
    frozen = [size - 1 - i for i in pivot_columns(backwards.transpose())]
    moving = [i for i in range(size) if i not in frozen]
    s = ring.variables
    zero = ring.constant(Rational(0))
    z = [sum((s[k] * kernel[i, k] for k in range(nu) if kernel[i, k]), zero) for i in range(size)]
    if not moving:
        return z
    solve = inverse(submatrix(hessian, moving, moving)).tolist()
    for order in range(2, ring.order + 1):
        matrix = _cut(ring, chart.matrix(z), order)
        gradient = _cut(ring, loss.evaluate_gradient(matrix), order)
        f = [ring.truncate(x, order) for x in chart.pull_back(z, gradient)]
        for i, row in zip(moving, solve, strict=True):
            step = sum((f[j] * c for j, c in zip(moving, row, strict=True) if c), zero)
            z[i] = ring.truncate(z[i] - step, order)
    return z


def _cut(
    ring: SeriesRing, rows: list[list[Series]], order: int | None = None
) -> list[list[Series]]:
    return [[ring.truncate(x, order) for x in row] for row in rows]


def _showing_direction(
    ring: SeriesRing,
    phi: Series,
    order: int,
    leading: dict[tuple[int, ...], Rational],
    nu: int,
) -> list[int] | None:
    """Return a small integer direction in which the leading form is negative, if one is found."""
    if nu == 1:
        c = next(iter(leading.values()))
        return [-1] if order % 2 and c > 0 else [1]
    span = range(-2, 3) if nu <= 4 else range(-1, 2)
    for n, direction in enumerate(cartesian(span, repeat=nu)):
        if n > 20_000:
            return None
        if ring.restrict(phi, list(direction))[order] < 0:
            return list(direction)
    return None


def _nature(
    inertia_: Inertia,
    leading: dict[tuple[int, ...], Rational],
    order: int,
    nu: int,
    direction: list[int] | None,
) -> str | None:
    negative = direction is not None and (
        nu > 1 or order % 2 == 1 or next(iter(leading.values())) < 0
    )
    if negative:
        # lower values near W̄; higher ones along a positive direction or the odd term's other side
        return "non_strict_saddle" if inertia_.positive or order % 2 else None
    return "local_minimum" if nu == 1 else None


def _flat_or_unknown(
    loss: Loss, chart: Chart, kernel: Matrix, ring: SeriesRing, z: list[Series]
) -> ReducedFunction:
    nu = kernel.ncols()
    shown = [1] + [0] * (nu - 1)
    series = [ring.restrict(c, shown) for c in z]
    if nu == 1:
        for degree in range(1, ring.order // 3 + 1):
            found = _common_pade(series, degree)
            if found and _is_critical_curve(loss, chart, *found, degree):
                numerators, q = found
                return ReducedFunction(
                    nu,
                    None,
                    "0",
                    "local_minimum",
                    chart,
                    tuple(tuple(c) for c in numerators),
                    True,
                    tuple(q),
                )
    curve = tuple(tuple(c) for c in series)
    return ReducedFunction(nu, None, "0", None, chart, curve)


def _common_pade(
    series: list[list[Rational]], degree: int
) -> tuple[list[list[Rational]], list[Rational]] | None:
    """Return polynomials of the given degree with series_i = numerator_i / q and q(0) = 1."""
    order = len(series[0]) - 1
    rows = [
        [c[k - j] if k >= j else Rational(0) for j in range(degree + 1)]
        for c in series
        for k in range(degree + 1, order + 1)
    ]
    kernel = nullspace(vstack(*(Matrix(1, degree + 1, row) for row in rows)))
    for k in range(kernel.ncols()):
        if kernel[0, k]:
            q = [kernel[j, k] / kernel[0, k] for j in range(degree + 1)]
            numerators = [
                [
                    sum((q[j] * c[i - j] for j in range(i + 1)), Rational(0))
                    for i in range(degree + 1)
                ]
                for c in series
            ]
            return numerators, q
    return None


def _is_critical_curve(
    loss: Loss,
    chart: Chart,
    numerators: list[list[Rational]],
    q: list[Rational],
    degree: int,
) -> bool:
    """Prove that z(t) = numerators/q is a curve of critical points.

    With z of degree d over q, the entries of W have degree ≤ 2d over q², and a partial
    derivative of f has degree ≤ 2dp over a power of q, p = deg ℓ: it vanishes identically iff it
    vanishes at 2dp + 1 points that are no roots of q.
    """
    needed = 2 * degree * loss.degree + 1
    k, done = 0, 0
    while done < needed:
        k += 1
        t = Rational(k)
        bottom = _at(q, t)
        if not bottom:
            continue
        z = [_at(c, t) / bottom for c in numerators]
        gradient = loss.evaluate_gradient(chart.matrix(z))
        if any(chart.pull_back(z, gradient)):
            return False
        done += 1
    return True


def _at(coefficients: list[Rational], t: Rational) -> Rational:
    out = Rational(0)
    for c in reversed(coefficients):
        out = out * t + c
    return out


def _text(form: dict[tuple[int, ...], Rational]) -> str:
    """Write a homogeneous form, such as -6*s1^4."""
    terms = []
    for exponents, c in sorted(form.items(), reverse=True):
        monomial = "*".join(
            f"s{i + 1}" + (f"^{e}" if e > 1 else "") for i, e in enumerate(exponents) if e
        )
        terms.append(f"{to_text(c)}*{monomial}")
    return " + ".join(terms)
