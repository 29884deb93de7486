r"""Finite sums with known minimisers, and, where theorems give them, with their exact regions.

`ex1` … `ex6` are the examples of Islamov, Ajroldi, Orvieto, Lucchi (2024), with the misprints of
the third one mended; `d1` and the sums that the folder's other modules build are further ones.

References
----------
R. Islamov, N. Ajroldi, A. Orvieto, A. Lucchi, *Loss Landscape Characterization of Neural
Networks without Over-Parametrization*, NeurIPS 2024.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from detvar.exact.algebraic import RealAlgebraic, real_roots
from detvar.exact.balls import arb
from detvar.exact.rational import Rational
from detvar.landscape.ball_supremum import supremum
from detvar.landscape.exact_region import ExactRegion
from detvar.landscape.finite_sum import Array, Constant, FiniteSum, bracket
from detvar.landscape.least_squares import least_squares
from detvar.landscape.master import coordinates, rational, ridges
from detvar.landscape.matrix_factorisation import matrix_factorisation
from detvar.landscape.rational_region import bell_pieces, region_of
from detvar.landscape.scalar_net import scalar_net
from detvar.landscape.sturm import RealField

__all__ = [
    "d1",
    "ex1",
    "ex2",
    "ex3",
    "ex4",
    "ex5",
    "ex6",
    "least_squares",
    "matrix_factorisation",
    "rational",
    "ridges",
    "scalar_net",
]


def ex1(literal: bool = False) -> FiniteSum:
    r"""Return f₁ = s²/(1+s²), f₂ = (s+1)²/(1+(s+1)²) on R², s = x + y.

    S = {s = −½}, f* = σ² = 1/5, L = 4.  The published claim, α ≥ 5/2 with 4α/5 ≤ β < α, is true
    but a small part of the region: φ(δ) = 5δ from δ = √5/2 − 1 on, and inf α = 0.56057….
    f is invex; PL, EB, QG, RSI, Aiming fail at infinity.

    Parameters
    ----------
    literal : bool
        No effect: the formula is printed correctly in the statement.

    Examples
    --------
    >>> region = ex1().region
    >>> [region.contains(*pair) for pair in (("5/2", 2), ("5/2", "199/100"), ("3/5", "12/25"))]
    [True, False, True]
    """
    return ridges([0, 1], 2, "example 1")


def ex2(literal: bool = False) -> FiniteSum:
    r"""Return f₁ = 1 − exp(−x²−y²), f₂ = 1 − exp(−(x−2)²−(y−2)²) on R².

    S = {(t,t), (2−t,2−t)} with t e^{−2t²} = (2−t) e^{−2(t−2)²}, t = 6.7433·10⁻⁴; L = 2; a saddle
    at (1, 1) with value 0.8647.  φ(δ) = δ/c with c = 1 − e^{−2t²}, 1/c = 1 099 585.8, for all
    δ from about 5·10⁻⁷ on.

    Parameters
    ----------
    literal : bool
        No effect: only the published constant is wrong (eight times too large, and valid).
    """
    import sympy

    x, y = coordinates(2)
    t = sympy.Symbol("t", real=True)
    equation = t * sympy.exp(-2 * t**2) + (t - 2) * sympy.exp(-2 * (t - 2) ** 2)
    constant = bracket(t, equation, "6/10000", "7/10000")
    problem = FiniteSum.from_sympy(
        [1 - sympy.exp(-(x**2) - y**2), 1 - sympy.exp(-((x - 2) ** 2) - (y - 2) ** 2)],
        [x, y],
        [(t, t), (2 - t, 2 - t)],
        [0, 0],
        constants=[constant],
        smoothness=2.0,
        name="example 2",
    )
    formula = (
        r"\varphi(\delta)=\frac{\delta}{1-e^{-2t^2}}\text{ for }\delta\ge t^2\text{ and at least }"
        r"10^{-6}"
    )
    return replace(problem, region=ExactRegion(formula, partial(_ex2_phi, constant)))


def _ex2_phi(constant: Constant, delta: RealAlgebraic, bits: int) -> arb:
    """φ on the diagonal x = (s, s), where |x − b₁|² = 2s²; the cells meet at s = 1.

    First cell, p = (t,t): beyond s = 1 the direction is frozen at the boundary, and there
    r² > ⟨x, p⟩, so that g ≥ 0 and (δb − g)/c < δ/c, the limit at infinity.  Second cell,
    p = (2−t, 2−t): from s = 2 − t on, g ≥ 0 and the quotient is below δ/c₂ < δ/c₁.
    """
    import sympy

    s, t, d = sympy.symbols("s t delta", real=True)
    bell = sympy.exp(-2 * s**2)
    values = {t: constant.enclosure(2 * bits + 64), d: delta.enclosure(bits + 32)}
    first, second = (1 - sympy.exp(-2 * p**2) for p in (t, 2 - t))
    near = supremum(
        (d * (1 - bell) - 4 * bell * s * (s - t)) / first, s, Rational(0), Rational(1), values, bits
    )
    far = supremum(
        (d * (1 - bell) - 4 * bell * s * (s - 2 + t)) / second,
        s,
        Rational(1),
        Rational(2),
        values,
        bits,
    )
    from detvar.exact.balls import working_precision
    from detvar.landscape.from_sympy import ball

    with working_precision(bits + 32):
        return near.max(far).max(ball(d / first, values))


def ex3(literal: bool = False) -> FiniteSum:
    r"""Return f₁ = (1+ρ₀²)/(4+ρ₀²), f₂ = ρ₁²/(1+ρ₁²): distances to (0,0) and (5/2, 5/2).

    S = {τ(1,1)}, τ = 2.47172…, f* = 0.4083…, f₁* = ¼, f₂* = 0, σ² = 0.2833…, L = 2; a local
    minimum near the origin with value 0.5869.  φ(δ) = 626.2128 δ from δ = 0.00171296 on.

    Parameters
    ----------
    literal : bool
        The printed denominator 4 + 2(y−5/2)² of f₂ instead, which contradicts the printed
        numbers.  Its minimiser is found by Newton's method, and no region is known.
    """
    import sympy

    x, y = coordinates(2)
    half = sympy.Rational(5, 2)
    near, far = x**2 + y**2, (x - half) ** 2 + (y - half) ** 2
    first = (1 + near) / (4 + near)
    if literal:
        return _ex3_literal(first, far / (4 + 2 * (y - half) ** 2), (x, y))
    t = sympy.Symbol("tau", real=True)
    quintic = 64 * t**5 - 520 * t**4 + 1912 * t**3 - 3400 * t**2 + 2251 * t - 160
    problem = FiniteSum.from_sympy(
        [first, far / (1 + far)],
        [x, y],
        [(t, t)],
        [sympy.Rational(1, 4), 0],
        constants=[bracket(t, quintic, "247/100", "248/100")],
        smoothness=2.0,
        name="example 3",
    )
    # f₁ − ¼ = ¾·u²/(1+u²) with u = ρ₀/2: a bell again, as the factor ¾ cancels in (δb − g)/c
    tau = max(r for r, _ in real_roots([-160, 2251, -3400, 1912, -520, 64]))
    field = RealField.of(tau)
    pieces = bell_pieces(field, Rational(1, 2), field.t, dimension=2)
    pieces += bell_pieces(field, Rational(2), field.number(Rational(5, 2)) - field.t, dimension=2)
    formula = r"\varphi(\delta)=(1+1/(2(5/2-\tau)^2))\,\delta\text{ for }\delta\ge 0.00172"
    return replace(problem, region=region_of(field, pieces, formula))


def _ex3_literal(first: Any, second: Any, variables: tuple[Any, ...]) -> FiniteSum:
    import numpy as np
    import sympy

    f = first + second
    slope = [sympy.diff(f, v) for v in variables]
    start = sympy.nsolve(slope, variables, (2.377, 2.375), prec=30)
    point = np.array([float(v) for v in start])
    problem = FiniteSum.from_sympy(
        [first, second],
        variables,
        lower=[sympy.Rational(1, 4), 0],
        name="example 3 as printed",
    )

    def project(x: Array) -> Array:
        return np.broadcast_to(point, x.shape).copy()

    return replace(problem, minimum=float(problem.f(point)), _project=project)


def ex4(literal: bool = False) -> FiniteSum:
    r"""Return the factorisation ½(X_ij − ⟨wᵢ, sⱼ⟩)² of X = [[3/2, 2/5], [1/5, 1]] with rank 1.

    S is an orbit of the group of scalings, unbounded, so that no bounded set contains it; on
    every bounded set the condition holds, on all of R⁴ no (α, β) is feasible.

    Parameters
    ----------
    literal : bool
        No effect: the hypothesis is wrong as printed, not the function.
    """
    problem = matrix_factorisation([["3/2", "2/5"], ["1/5", 1]], 1)
    return replace(problem, name="example 4")


def ex5(literal: bool = False, *, penalty: float = 0.05, hidden: int = 1) -> FiniteSum:
    r"""Return fᵢ = log(1 + exp(−yᵢ⟨v, relu(W xᵢ)⟩)) + λ(|v|² + |W|²) for three points in R².

    Not differentiable where a hidden unit switches, so that no theorem on smooth sums covers it;
    the data are (1,0), (0,1), (1,1) with labels 1, 1, −1, and both penalties are `penalty`.
    Neither f* nor S has a formula: `minimum` is the best of many descents, for orientation,
    `lower` is 0, and there is no projection.
    """
    import numpy as np

    points = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    labels = np.array([1.0, 1.0, -1.0])
    d = hidden * 3

    def split(x: Array) -> tuple[Array, Array, Array]:
        v, w = x[..., :hidden], x[..., hidden:].reshape(*x.shape[:-1], hidden, 2)
        return v, w, np.einsum("...hj,ij->...ih", w, points)

    def values(x: Array) -> Array:
        v, _, inner = split(x)
        margin = labels * np.einsum("...ih,...h->...i", np.maximum(inner, 0), v)
        return np.logaddexp(0, -margin) + penalty * (x**2).sum(axis=-1)[..., None]

    def gradients(x: Array) -> Array:
        v, _, inner = split(x)
        active = np.maximum(inner, 0)
        margin = labels * np.einsum("...ih,...h->...i", active, v)
        weight = -labels * np.exp(-np.logaddexp(0, margin))
        out = np.empty((*weight.shape, d))
        out[..., :hidden] = weight[..., None] * active
        slope = weight[..., None] * v[..., None, :] * (inner > 0)
        out[..., hidden:] = np.einsum("...ih,ij->...ihj", slope, points).reshape(
            *weight.shape, 2 * hidden
        )
        return out + 2 * penalty * x[..., None, :]

    x = np.random.default_rng(0).normal(size=(256, d))
    for _ in range(2000):
        x = x - 0.1 * gradients(x).mean(axis=-2)
    least = float(values(x).mean(axis=-1).min())
    return FiniteSum(
        "example 5", d, 3, values, gradients, np.zeros(3), lower_is_exact=False, minimum=least
    )


def ex6(literal: bool = False) -> FiniteSum:
    r"""Return fᵢ = ρᵢ²/(1+ρᵢ²) for the distances to (0,0) and (1,1) in R².

    S = {(t,t), (1−t,1−t)}, t = ½ − √(√3/2 − ¾); f* = σ² = (3−√3)/4; L = 2; a saddle at (½, ½)
    with value 1/3.  φ(δ) = δ/c with 1/c = 20.6847… from δ = 0.0257 on.

    Parameters
    ----------
    literal : bool
        No effect: the function is printed correctly.

    Examples
    --------
    >>> region = ex6().region
    >>> region.contains(21, 20), region.contains("20.684", "19.684")
    (True, False)
    """
    return rational([(0, 0), (1, 1)], "example 6")


def d1() -> FiniteSum:
    r"""Return fᵢ = ½(x − bᵢ)² + (3/10)(1 − cos 6x), b = ±1: constants that say something.

    S = {0}, f* = ½, L = 11.8.  PL and Aiming fail, as there are spurious minima with gap 0.5008,
    but α/δ can be 4.875, and the bound for stochastic gradient descent is far below f(x₀) − f*.
    """
    import sympy

    (x,) = coordinates(1)
    z, m = sympy.symbols("z m", real=True)
    wave = sympy.Rational(3, 10) * (1 - sympy.cos(6 * x))
    terms = [(x - b) ** 2 / 2 + wave for b in (1, -1)]
    point = bracket(z, terms[0].diff(x).subs(x, z), "102/100", "1047/1000")
    least = terms[0].subs(x, z)
    problem = FiniteSum.from_sympy(
        terms, [x], [(0,)], [least, least], constants=[point], smoothness=11.8, name="D1"
    )
    formula = (
        r"\varphi(\delta)=\sup_x\frac{\delta(\frac12(x-1)^2+\frac3{10}(1-\cos6x)-f_1^*)"
        r"-x(x-1+\frac95\sin6x)}{\frac12-f_1^*}"
    )
    region = ExactRegion(
        formula, partial(_d1_phi, point, least), delta_max=RealAlgebraic(Rational(2))
    )
    return replace(problem, region=region)


def _d1_phi(point: Constant, least: Any, delta: RealAlgebraic, bits: int) -> arb:
    """φ for b = 1; b = −1 is its mirror image.

    For |x| ≥ R = (2.8 + 2.1δ)/(1 − δ/2) ≥ 1 the numerator is at most
    −(1 − δ/2)x² + (2.8 + δ)|x| + 1.1δ ≤ 0, while it is positive at 0.
    """
    import sympy

    x, d = sympy.symbols("x delta", real=True)
    b = (x - 1) ** 2 / 2 + sympy.Rational(3, 10) * (1 - sympy.cos(6 * x)) - least
    g = x * (x - 1 + sympy.Rational(9, 5) * sympy.sin(6 * x))
    values = {point.symbol: point.enclosure(2 * bits + 32), d: delta.enclosure(bits + 32)}
    above = delta.bounds(32)[1]
    reach = (Rational(28, 10) + Rational(21, 10) * above) / (1 - above / 2)
    objective = (d * b - g) / (sympy.Rational(1, 2) - least)
    return supremum(objective, x, -reach, reach, values, bits)
