"""A piecewise linear lower bound of a formula, with the same recession cone."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from detvar.exact.linear_programming import maximise
from detvar.exact.matrices import Matrix
from detvar.exact.rational import Rational, rational
from detvar.losses.growth import Growth
from detvar.losses.quadratic_parts import terms_of

if TYPE_CHECKING:
    from detvar.homotopy.expression import Graph

_KINDS = ("softplus", "exp", "logcosh", "square")
Affine = tuple[tuple[Rational, ...], Rational]


@dataclass(frozen=True)
class _Term:
    """c φ(a·vec W + b) with c > 0 for one of the known φ."""

    kind: str
    weight: Rational
    form: tuple[Rational, ...]
    shift: Rational


def formula_growth(graph: Graph, root: int, shape: tuple[int, int]) -> Growth | None:
    """Return the bound of a sum Σ c_k φ_k(z_k) + L·vec W with affine z_k, or None.

    Here φ is softplus, exp, logcosh or a square, and c > 0. With L = −Σ κ_k a_k, where a_k is the
    linear part of z_k, every c φ(z) − κ z is bounded below: the κ_k are found by a linear program.
    c softplus(z) − κ z ≥ (c − κ) z⁺ + κ z⁻ for 0 ≤ κ ≤ c; c logcosh(z) − κ z ≥ (c − κ) z⁺ +
    (c + κ) z⁻ − c log 2 for |κ| ≤ c; c eᶻ − κ z ≥ c z⁺ + κ z⁻ − (c + κ)²/c for κ ≥ 0, as
    eᶻ ≥ t(1 + z − log t) ≥ t z − t² for z ≥ 0 and t = 1 + κ/c; and
    c z² − κ z ≥ c |z| − (c + |κ|)²/(4c).

    Notes
    -----
    **Validity**: where a slope is 0, the term never increases in that direction and is not
    constant, so that the recession cone is that of the loss, whichever κ are found.

    Examples
    --------
    >>> from detvar.losses.expression_text import read_expression
    >>> found = formula_growth(*read_expression("2*log(1 + exp(w11)) - w11"))
    >>> found.rows.tolist(), found.slopes
    ([[-1], [1]], (1, 1))
    """
    found = _read(graph, root, shape[0] * shape[1])
    if found is None:
        return None
    terms, slope, constant = found
    shares = _shares(terms, slope)
    if shares is None:
        return None
    rows: list[list[Rational]] = []
    slopes: list[Rational] = []
    for t, share in zip(terms, shares, strict=True):
        up, down, below = _bound(t, share)
        # −κ z has the constant part −κ b, and |z| ≥ |a·vec W| − |b|
        constant += share * t.shift - below - (up + down) * abs(t.shift)
        for s, sign in ((up, -1), (down, 1)):
            if s:
                rows.append([sign * x for x in t.form])
                slopes.append(s)
    if not rows:
        return None
    return Growth(Matrix(rows), tuple(slopes), -constant)


def _bound(t: _Term, share: Rational) -> tuple[Rational, Rational, Rational]:
    """Return p, q, r with c φ(z) − κ z ≥ p z⁺ + q z⁻ − r."""
    c, zero = t.weight, Rational(0)
    if t.kind == "softplus":
        return c - share, share, zero
    if t.kind == "logcosh":
        return c - share, c + share, c * Rational(7, 10)
    if t.kind == "exp":
        return c, share, (c + share) * (c + share) / c if share else zero
    total = c + abs(share)
    return c, c, total * total / (4 * c)


def _shares(terms: list[_Term], slope: list[Rational]) -> list[Rational] | None:
    """Return κ with Σ κ_k a_k = −L, within the limits of each kind."""
    if not terms:
        return None
    size, zero = len(terms), Rational(0)
    rows, bounds = [], []
    for k, t in enumerate(terms):
        least = None if t.kind == "square" else (-t.weight if t.kind == "logcosh" else zero)
        most = t.weight if t.kind in ("softplus", "logcosh") else None
        for sign, bound in ((-1, least), (1, most)):
            if bound is not None:
                rows.append([Rational(sign * (j == k)) for j in range(size)])
                bounds.append(sign * bound)
    equal = Matrix([[t.form[i] for t in terms] for i in range(len(slope))])
    found = maximise(
        [zero] * size,
        Matrix(rows) if rows else None,
        bounds,
        equal,
        [-x for x in slope],
    )
    return None if found.point is None else list(found.point)


def _read(
    graph: Graph, root: int, size: int
) -> tuple[list[_Term], list[Rational], Rational] | None:
    """Return the terms, L and the constant of a formula, or None if it has other terms."""
    from detvar.homotopy.expression import FUNCTION, MUL

    terms: list[_Term] = []
    slope, constant = [Rational(0)] * size, Rational(0)
    for c, n in terms_of(graph, root):
        weight, kind = rational(c), ""
        if graph.op[n] == FUNCTION:
            kind = str(graph.key(n))
        elif graph.op[n] == MUL and graph.left[n] == graph.right[n]:
            kind = "square"
        inner = _affine(graph, graph.left[n] if kind else n, size)
        if inner is None or (kind and (kind not in _KINDS or weight < 0)):
            return None
        if kind:
            terms.append(_Term(kind, weight, *inner))
        else:
            slope = [x + weight * y for x, y in zip(slope, inner[0], strict=True)]
            constant += weight * inner[1]
    return terms, slope, constant


def _affine(graph: Graph, n: int, size: int) -> Affine | None:
    """Return a, b of an affine node a·vec W + b, or None."""
    from detvar.homotopy.expression import CONSTANT, INPUT

    form, shift = [Rational(0)] * size, Rational(0)
    for c, k in terms_of(graph, n):
        if graph.op[k] == INPUT:
            form[graph.left[k]] += rational(c)
        elif graph.op[k] == CONSTANT:
            shift += rational(c * Fraction(graph.value(k)))  # type: ignore[arg-type]
        else:
            return None
    return tuple(form), shift
