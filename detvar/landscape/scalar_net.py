r"""The two-layer scalar net fᵢ = ½(⟨a,b⟩xᵢ − yᵢ)²: projection and region in closed form.

The minimisers are the quadric ⟨a,b⟩ = w with w = Σxᵢyᵢ/Σxᵢ².  In u = a + b and v = a − b this is
|u|² − |v|² = 4w, and a nearest point shrinks or stretches u and v separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.number_field import elements_at, roots_of
from detvar.exact.rational import Rational, rational
from detvar.exact.roots import Root
from detvar.exact.univariate import Univariate
from detvar.landscape.exact_region import ExactRegion, Value
from detvar.landscape.finite_sum import Array, ExactSum, FiniteSum

_TWO = RealAlgebraic(Rational(2))


def scalar_net(x: Sequence[Any], y: Sequence[Any], hidden: int = 1) -> FiniteSum:
    r"""Return the sum of fᵢ(a, b) = ½(⟨a,b⟩xᵢ − yᵢ)², a, b ∈ R^h, with its exact region.

    The region does not depend on h.  It is empty as soon as one sample with xᵢ ≠ 0 is fitted at
    the minimum, although the saddle at 0 alone would not forbid it.

    Parameters
    ----------
    x, y : sequences of n rationals
        With Σxᵢyᵢ ≠ 0; a negative sum is the mirror image b → −b.
    hidden : int
        h ≥ 1.

    Returns
    -------
    FiniteSum
        In the 2h variables a, then b.

    Raises
    ------
    InputError
        If Σxᵢyᵢ = 0: then S is the cone ⟨a,b⟩ = 0, which the theorem does not cover.

    Examples
    --------
    >>> f = scalar_net([1, 1], [2, "1/2"])
    >>> print(f.region.phi(1), f.region.phi("3/2"), scalar_net([1] * 3, [1, 2, 3]).region.is_empty)
    64/9 128/9 True
    """
    import numpy as np
    import sympy

    xs, ys = [rational(v, "x") for v in x], [rational(v, "y") for v in y]
    if len(xs) != len(ys) or not xs:
        raise ShapeError(f"x has {len(xs)} and y {len(ys)} entries: give as many of both, ≥ 1")
    if hidden < 1:
        raise ShapeError(f"hidden is {hidden}: give the number of hidden units, at least 1")
    product = sum((s * t for s, t in zip(xs, ys, strict=True)), Rational(0))
    if product == 0:
        raise InputError("x and y are orthogonal, so that the best slope is 0: give other data")
    w = product / sum((s * s for s in xs), Rational(0))
    n, h = len(xs), hidden
    fx, fy = np.array([_float(v) for v in xs]), np.array([_float(v) for v in ys])
    slope = _float(w)

    def outer(z: Array) -> Array:
        return ((z[..., :h] * z[..., h:]).sum(axis=-1))[..., None] * fx - fy

    def gradients(z: Array) -> Array:
        swapped = np.concatenate([z[..., h:], z[..., :h]], axis=-1)
        return (outer(z) * fx)[..., None] * swapped[..., None, :]

    def project(z: Array) -> Array:
        return np.concatenate(project_on_quadric(z[..., :h], z[..., h:], slope), axis=-1)

    lower = [t * t / 2 if s == 0 else Rational(0) for s, t in zip(xs, ys, strict=True)]
    squares = ((w * s - t) ** 2 for s, t in zip(xs, ys, strict=True))
    minimum = sum(squares, Rational(0)) / (2 * n)
    symbols = [sympy.Symbol(f"{c}{j + 1}", real=True) for c in "ab" for j in range(h)]
    inner = sum(s * t for s, t in zip(symbols[:h], symbols[h:], strict=True))
    exact = ExactSum(
        tuple(symbols),
        tuple((inner * _sympy(s) - _sympy(t)) ** 2 / 2 for s, t in zip(xs, ys, strict=True)),
        tuple(_sympy(v) for v in lower),
    )
    return FiniteSum(
        name="scalar net",
        dimension=2 * h,
        count=n,
        _values=lambda z: outer(z) ** 2 / 2,
        _gradients=gradients,
        lower=np.array([_float(v) for v in lower]),
        minimum=_float(minimum),
        _project=project,
        exact=exact,
        region=region(xs, ys, w),
    )


def project_on_quadric(a: Array, b: Array, w: float) -> tuple[Array, Array]:
    r"""Return a nearest point of {⟨a,b⟩ = w}, w ≠ 0, to each (a, b), of shapes (…, h).

    With U = |a+b|² and V = |a−b|² the nearest point has u_p = u(1+1/E)/2 and v_p = v(1+E)/2, where
    E > 0 is the only zero of the increasing function w + V(1+E)²/16 − U(1+1/E)²/16.  There is none
    on the medial axis, for U = 0 and for V = 0, U ≥ 16w: then v_p = v/2 or u_p = u/2, and the
    other one has the length that w demands, in any direction; here the first coordinate.

    Notes
    -----
    **Cost**: 66 bisections on arrays.
    **Validity**: a nearest point globally: with the multiplier λ = tanh(½log E) ∈ [−1, 1], every
    other point p' is farther by |Δa|² + |Δb|² + 2λ⟨Δa, Δb⟩ ≥ 0.
    """
    import numpy as np

    if w < 0:
        p, q = project_on_quadric(a, -b, -w)
        return p, -q
    u, v = a + b, a - b
    uu, vv = (u**2).sum(axis=-1), (v**2).sum(axis=-1)
    low, high = np.full(uu.shape, -350.0), np.full(uu.shape, 350.0)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        for _ in range(66):
            e = np.exp((low + high) / 2)
            # both sides of w + V(1+E)²/16 = U(1+1/E)²/16; never ∞ − ∞
            above = np.sqrt(16 * w + vv * (1 + e) ** 2) > np.sqrt(uu) * (1 + 1 / e)
            low, high = (
                np.where(above, low, (low + high) / 2),
                np.where(above, (low + high) / 2, high),
            )
        e = np.exp((low + high) / 2)
        u_p, v_p = u * ((1 + 1 / e) / 2)[..., None], v * ((1 + e) / 2)[..., None]
    first = np.zeros(u.shape)
    first[..., 0] = 1.0
    on_u, on_v = (uu == 0)[..., None], ((vv == 0) & (uu >= 16 * w))[..., None]
    u_p = np.where(on_u, first * np.sqrt(4 * w + vv / 4)[..., None], u_p)
    v_p = np.where(on_u, v / 2, v_p)
    u_p = np.where(on_v, u / 2, u_p)
    v_p = np.where(on_v, first * np.sqrt(np.maximum(uu / 4 - 4 * w, 0))[..., None], v_p)
    return (u_p + v_p) / 2, (u_p - v_p) / 2


def region(xs: Sequence[Rational], ys: Sequence[Rational], w: Rational) -> ExactRegion:
    """Return the exact region for the data (xᵢ, yᵢ) with best slope w ≠ 0."""
    if w < 0:
        return region(xs, [-y for y in ys], -w)
    targets = sorted({y / x for x, y in zip(xs, ys, strict=True) if x != 0})
    if w in targets:
        return ExactRegion(r"y_i=wx_i\text{ for one sample}", is_empty=True)
    formula = (
        r"\varphi(\delta)=\max_i\sup_z\frac{\delta(z-\varepsilon_i)^2-2(z-\varepsilon_i)"
        r"(z+1_{z<\varepsilon_i}s^*(z))}{\varepsilon_i^2}"
    )
    return ExactRegion(formula, partial(_phi, w, targets), delta_max=_TWO)


def _phi(w: Rational, targets: Sequence[Rational], delta: RealAlgebraic, bits: int) -> Value:
    d = delta.as_rational()
    if d is None and any(target > w for target in targets):
        # the middle piece is exact for rational δ only; φ is nondecreasing
        low, high = (_phi(w, targets, RealAlgebraic(e), bits) for e in delta.bounds(bits + 16))
        hull: Value = _ball(low, bits).union(_ball(high, bits))
        return hull
    best = RealAlgebraic(Rational(0))
    for target in targets:
        for value in _suprema(w, target, delta):
            best = value if value > best else best
    return best


def _ball(x: Value, bits: int) -> Any:
    return x.enclosure(bits + 16) if isinstance(x, RealAlgebraic) else x


def _suprema(w: Rational, target: Rational, delta: RealAlgebraic) -> list[RealAlgebraic]:
    """The greatest values of the pieces of z ↦ [δ(z−ε)² − 2(z−ε)(z + s)]/ε², ε = target − w."""
    e = target - w
    out: list[RealAlgebraic] = []
    if target > 0:  # z ≤ −w, s = w
        out.append((delta if delta <= 1 else 1 / (2 - delta)) * (target / e) ** 2)
    if e < 0:  # z ≥ ε, s = 0
        return [*out, 1 / (2 - delta)]
    out.append(delta)  # z = 0
    step = target / (2 - delta)  # ε − z at the top of the piece z ≥ 3w, s = w
    if step <= e - 3 * w:
        out.append((target / e) ** 2 / (2 - delta))
    d = delta.as_rational()
    if d is None:
        raise AssertionError("the middle piece is computed for rational δ only")
    # 0 ≤ z ≤ min(3w, ε): z = w(q²−1) and s = w(q−1)² make it a polynomial in q ∈ [1, 2]
    u = Univariate([-w - e, 0, w])  # z − ε
    objective = (u * u * d - u * Univariate([0, -4 * w, 4 * w])) / (e * e)
    if e >= 3 * w:
        out.append(RealAlgebraic(objective(Rational(2))))
    for f, _, roots in roots_of(objective.derivative()):
        inside = [q for q in roots if _between(q, w, e)]
        out += elements_at(objective, Univariate([1]), f, inside)
    return out


def _between(q: Root | Rational, w: Rational, e: Rational) -> bool:
    x = (
        RealAlgebraic(q)
        if isinstance(q, Rational)
        else RealAlgebraic(Rational(0), ((q, Rational(1)),))
    )
    return bool(x >= 1) and bool(x <= 2) and x * x * w <= w + e


def _float(x: Rational) -> float:
    return int(x.p) / int(x.q)


def _sympy(x: Rational) -> Any:
    import sympy

    return sympy.Rational(int(x.p), int(x.q))
