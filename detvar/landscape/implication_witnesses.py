"""Functions that have one condition and not another, each checked in exact arithmetic.

What holds and what fails is stated with the constants; `Witness.check` verifies both, with
polynomials over Q, real algebraic numbers and balls.  Symmetry under x → −x is used silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from detvar.exact import latex
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.balls import arb
from detvar.exact.number_field import elements_at, roots_of
from detvar.exact.rational import Rational
from detvar.exact.univariate import Univariate
from detvar.landscape.from_sympy import ball
from detvar.landscape.sturm import RealField, is_nonnegative


@dataclass(frozen=True)
class Witness:
    """A function with some conditions and without others.

    Attributes
    ----------
    name, formula : str
        The formula in LaTeX.
    satisfies : dict
        Condition → constants.
    fails : tuple of str
        Conditions that hold with no constants.
    properties : frozenset of str
    setting : dict
        L and σ², where rules need them.
    reason : str
        Where and why the conditions fail.
    """

    name: str
    formula: str
    satisfies: Mapping[str, Mapping[str, Any]]
    fails: tuple[str, ...]
    properties: frozenset[str]
    reason: str
    _check: Callable[[], bool]
    setting: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> bool:
        """Return whether everything stated is verified, in exact and ball arithmetic."""
        return self._check()

    def refutes(self, premises: Iterable[str], properties: Iterable[str], conclusion: str) -> bool:
        """Return whether the function has the premises and properties, but not the conclusion.

        It lacks the conclusion if that, with what the function has, would imply what it lacks.
        """
        from detvar.landscape.implication_rules import with_consequences
        from detvar.landscape.implications import closure, symbols

        if not set(properties) <= with_consequences(self.properties):
            return False
        setting = {"L": 1, "sigma2": 1, **self.setting}
        held = closure(self.satisfies, self.properties, setting)
        if conclusion in held or not set(premises) <= set(held):
            return False
        facts = {**self.satisfies, conclusion: symbols(conclusion)}
        after = closure(facts, self.properties, setting)
        return any(name in after for name in self.fails)

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"

    def to_latex(self) -> str:
        """Return the formula as math."""
        return self.formula

    _repr_latex_ = latex.displayed


def _x() -> Any:
    import sympy

    return sympy.Symbol("x", real=True)


def _at(expression: Any, x: Any) -> arb:
    return ball(expression, {_x(): arb(Rational(Fraction(x).numerator, Fraction(x).denominator))})


def _is_nonnegative(expression: Any) -> bool:
    """Whether a rational function of x with positive denominator is ≥ 0 everywhere."""
    import sympy

    top, low = sympy.fraction(sympy.together(expression))
    field_ = RealField.of()
    answers = []
    for part in (top, low):
        coefficients = sympy.Poly(part, _x()).all_coeffs()[::-1]
        numbers = [field_.number(Rational(int(c.p), int(c.q))) for c in coefficients]
        answers.append(is_nonnegative(field_, numbers))
    return all(answers)


def _vanishes(expression: Any, where: Any, side: str = "+") -> bool:
    import sympy

    return bool(sympy.limit(expression, _x(), where, side) == 0)


def _has_zero(expression: Any, low: Any, high: Any) -> bool:
    """Whether a continuous expression has opposite signs at two points."""
    a, b = _at(expression, low), _at(expression, high)
    return bool((a < 0 and b > 0) or (a > 0 and b < 0))


def _curved_valley() -> bool:
    """PL(1) by an identity; the projection of (2/5, −23/5) on y = x³ − 3x as a root.

    With r = y − x³ + 3x and x* = (X, X³ − 3X) the other identity is
    ⟨∇f, (x,y) − x*⟩ = r(r − (x−X)²(X+2x)), negative for large x and small r > 0: no QCvx.
    """
    import sympy

    x, y = sympy.symbols("x y", real=True)
    f = (y - x**3 + 3 * x) ** 2 / 2
    slope = f.diff(x) ** 2 + f.diff(y) ** 2
    if sympy.expand(slope - 2 * f - 9 * (x**2 - 1) ** 2 * (x**3 - 3 * x - y) ** 2) != 0:
        return False
    s, r = sympy.Symbol("X", real=True), y - x**3 + 3 * x
    slope = f.diff(x) * (x - s) + f.diff(y) * (y - s**3 + 3 * s)
    if sympy.expand(slope - r * (r - (x - s) ** 2 * (s + 2 * x))) != 0:
        return False
    # distance² to (X, X³ − 3X), its critical points, and ⟨∇f, (2/5 − X, −23/5 − X³ + 3X)⟩
    a, b = Rational(2, 5), Rational(-23, 5)
    curve = Univariate([0, -3, 0, 1])
    distance = Univariate([-a, 1]) ** 2 + (curve - b) ** 2
    point = {x: sympy.Rational(2, 5), y: sympy.Rational(-23, 5)}
    g = [Rational(int(v.p), int(v.q)) for v in (f.diff(x).subs(point), f.diff(y).subs(point))]
    inner = Univariate([a, -1]) * g[0] + (b - curve) * g[1]
    found: list[tuple[RealAlgebraic, RealAlgebraic]] = []
    for factor, _, roots in roots_of(distance.derivative()):
        one = Univariate([1])
        found += zip(
            elements_at(distance, one, factor, roots),
            elements_at(inner, one, factor, roots),
            strict=True,
        )
    value = f.subs(point)
    least = min(d for d, _ in found)
    return len(found) == 3 and value > 0 and all(g < 0 for d, g in found if d == least)


def _quartic() -> bool:
    x = _x()
    f = x**4
    return (
        _is_nonnegative(f.diff(x, 2))
        and _vanishes(f / x**2, 0)
        and _vanishes(f.diff(x) ** 2 / f, 0)
    )


def _flat_well() -> bool:
    import sympy

    x = _x()
    f = x**4 / (1 + x**2)
    bend = f.diff(x, 2)
    return (
        _is_nonnegative(bend)
        and _is_nonnegative(sympy.Rational(5, 2) - bend)
        and _vanishes(f / x**2, 0)
        and _vanishes(f.diff(x) ** 2 / f, 0)
    )


def _waves() -> bool:
    """f − x² = 10 sin²x ≥ 0, |f''| = |2 + 20 cos 2x| ≤ 22, and a critical point in (2, 3)."""
    import sympy

    x = _x()
    f = x**2 + 10 * sympy.sin(x) ** 2
    exact = sympy.simplify(f.diff(x, 2) - 2 - 20 * sympy.cos(2 * x)) == 0
    return exact and _has_zero(f.diff(x), 2, 3)


def _ripples() -> bool:
    """f'/x = 2 + 3 sin(2x)/x ≥ ½: above 2 up to 3/2, by balls up to 6, by |sin| ≤ 1 beyond."""
    import sympy

    from detvar.landscape.ball_supremum import supremum

    x = _x()
    f = x**2 + 3 * sympy.sin(x) ** 2
    quotient = 2 + 3 * sympy.sin(2 * x) / x
    if sympy.simplify(f.diff(x) / x - quotient) != 0:
        return False
    worst = supremum(-quotient, x, Rational(3, 2), Rational(6), {}, 40)
    return bool(worst < -0.5) and bool(_at(x * f.diff(x) - f, Fraction(11, 5)) < 0)


def _two_bells() -> bool:
    """The region by Sturm's theorem; ∇f(½, ½) = 0 and f = 1/3 > (3 − √3)/4 = f*; c > 0."""
    import sympy

    from detvar.landscape.examples import ex6

    problem = ex6()
    exact, region = problem.exact, problem.region
    if exact is None or region is None or exact.minimisers is None:
        return False
    f = sum(exact.terms) / 2
    middle = dict.fromkeys(exact.variables, sympy.Rational(1, 2))
    stationary = all(f.diff(v).subs(middle) == 0 for v in exact.variables)
    at = dict(zip(exact.variables, exact.minimisers[0], strict=True))
    least = exact.ball(sympy.expand(sum(t.subs(at) for t in exact.terms) / 2))
    c = exact.ball(exact.terms[0].subs(at))
    above = least < exact.ball(f.subs(middle))
    return stationary and bool(above) and bool(c > 0) and region.contains(21, 20) is True


def _star_well() -> bool:
    """On x > 0: f(x)/x = 1 − e^{−x} increases; f'' = (2 − x)e^{−x} lies in (−1, 2]; f''(3) < 0."""
    import sympy

    x = _x()
    f = x * (1 - sympy.exp(-x))
    bend = f.diff(x, 2)
    return (
        sympy.simplify((f / x).diff(x) - sympy.exp(-x)) == 0
        and sympy.simplify(bend - (2 - x) * sympy.exp(-x)) == 0
        and bool(_at(bend, 3) < 0)
    )


def _bell() -> bool:
    """f' = 2x/(1+x²)² vanishes at 0 only; all quotients tend to 0 at infinity."""
    import sympy

    x = _x()
    f = x**2 / (1 + x**2)
    slope = f.diff(x)
    quotients = (slope**2 / f, slope / x, f / x**2, x * slope / f)
    return sympy.simplify(slope - 2 * x / (1 + x**2) ** 2) == 0 and all(
        _vanishes(q, sympy.oo, "-") for q in quotients
    )


def _bent_parabola() -> bool:
    """xf' − f = x²(f/x)' and (f/x)' = 1/10 + u², u = (x²−4)/(x²+4), |xu'| ≤ 1."""
    import sympy

    x = _x()
    f = x**2 / 10 + x * (x + 8 * x / (x**2 + 4) - 4 * sympy.atan(x / 2))
    u = (x**2 - 4) / (x**2 + 4)
    slope = sympy.Rational(1, 10) + u**2
    return (
        sympy.simplify((f / x).diff(x) - slope) == 0
        and _is_nonnegative(1 - x * u.diff(x))
        and _is_nonnegative(1 - u**2)
        and bool(_at(f.diff(x, 2), Fraction(3, 2)) < 0)
    )


def _trough() -> bool:
    """f = ½x² on R²: f(y) − f(x) − ⟨∇f(x), y − x⟩ = ½(y₁ − x₁)², and 0 for (0,0), (0,1)."""
    import sympy

    a, b = sympy.symbols("a b", real=True)
    return bool(sympy.expand(b**2 / 2 - a**2 / 2 - a * (b - a) - (b - a) ** 2 / 2) == 0)


def _hidden_waves() -> bool:
    """f'' = 101 + 10 cos 2x ≥ 91; f₂ > 0 has a critical point in (2, 3), where c = 0 and b > 0."""
    import sympy

    x = _x()
    second = x**2 + 10 * sympy.sin(x) ** 2
    f = (100 * x**2 + second) / 2
    exact = sympy.simplify(f.diff(x, 2) - 101 - 10 * sympy.cos(2 * x)) == 0
    return exact and _has_zero(second.diff(x), 2, 3)


def _parabolas() -> bool:
    """½(x ± 1)²: both convex, f* = ½ at 0, fᵢ* = 0."""
    x = _x()
    f = ((x - 1) ** 2 + (x + 1) ** 2) / 4
    return bool(f.diff(x).subs(x, 0) == 0 and f.subs(x, 0) > 0 and f.diff(x, 2).expand() == 1)


def _three_lines() -> bool:
    """Euler's identity, and the slope towards the nearest line y = 0 at (4, 9/10)."""
    import sympy

    x, y = sympy.symbols("x y", real=True)
    f = y**2 * (y - x / 2) ** 2 * (y - x) ** 2
    at = {x: sympy.Integer(4), y: sympy.Rational(9, 10)}
    euler = sympy.expand(x * f.diff(x) + y * f.diff(y) - 6 * f) == 0
    squares = [(y**2).subs(at), ((y - x / 2) ** 2).subs(at) * 4 / 5, ((y - x) ** 2).subs(at) / 2]
    nearest = squares[0] < min(squares[1:])
    return bool(euler and nearest and (y * f.diff(y)).subs(at) < 0 and f.subs(at) > 0)


_ONE = frozenset({"n = 1", "unique minimiser", "L-smooth"})
_LOCAL = frozenset({"n = 1", "unique minimiser", "locally Lipschitz"})
WITNESSES: tuple[Witness, ...] = (
    Witness(
        "curved valley",
        r"f=\tfrac12(y-x^3+3x)^2",
        {"PL": {"mu": 1}},
        ("Aim", "RSI", "QCvx"),
        frozenset({"n = 1", "locally Lipschitz"}),
        "at (2/5, −23/5) the gradient points away from the nearest minimiser",
        _curved_valley,
    ),
    Witness(
        "quartic",
        r"f=x^4",
        {"Cvx_i": {}, "KL": {"c": 4, "exponent": Fraction(3, 4)}},
        ("QG", "PL"),
        _LOCAL,
        "f/x² and f'²/f tend to 0 at 0",
        _quartic,
    ),
    Witness(
        "flat well",
        r"f=\frac{x^4}{1+x^2}",
        {"Cvx_i": {}},
        ("QG", "PL"),
        _ONE,
        "f/x² and f'²/f tend to 0 at 0",
        _flat_well,
        {"L": Fraction(5, 2)},
    ),
    Witness(
        "waves",
        r"f=x^2+10\sin^2x",
        {"QG": {"mu": 2}},
        ("Invex",),
        _ONE,
        "f' has a zero in (2, 3), where f ≥ 4",
        _waves,
        {"L": 22},
    ),
    Witness(
        "ripples",
        r"f=x^2+3\sin^2x",
        {"RSI": {"mu": Fraction(1, 2)}},
        ("StarCvx", "WSC"),
        _ONE,
        "xf' < f at 11/5",
        _ripples,
        {"L": 8},
    ),
    Witness(
        "two bells",
        r"f_i=\frac{|x-b_i|^2}{1+|x-b_i|^2},\ b=(0,0),(1,1)",
        {"AB": {"alpha": 21, "beta": 20}},
        ("Invex", "Interp"),
        frozenset({"L-smooth"}),
        "a saddle at (½, ½) with f = 1/3 > f*",
        _two_bells,
        {"L": 2, "sigma2": Fraction(317, 1000)},
    ),
    Witness(
        "star well",
        r"f=|x|(1-e^{-|x|})",
        {"StarCvx": {}},
        ("Cvx",),
        _ONE,
        "f'' < 0 at 3",
        _star_well,
        {"L": 2},
    ),
    Witness(
        "bell",
        r"f=\frac{x^2}{1+x^2}",
        {"Invex": {}},
        ("PL", "KL", "EB", "RSI", "QG", "Aim", "QCvx"),
        _ONE,
        "f' tends to 0 at infinity and f does not tend to f*",
        _bell,
        {"L": 2},
    ),
    Witness(
        "bent parabola",
        r"f=\tfrac{11}{10}x^2+\frac{8x^2}{x^2+4}-4x\arctan\tfrac{x}{2}",
        {"WSC": {"mu": Fraction(1, 5)}},
        ("Cvx",),
        _ONE,
        "f'' < 0 at 3/2",
        _bent_parabola,
        {"L": Fraction(21, 5)},
    ),
    Witness(
        "trough",
        r"f=\tfrac12x^2\text{ on }\mathbb{R}^2",
        {"ESC": {"mu": 1}, "Cvx_i": {}},
        ("SC", "OPC"),
        frozenset({"n = 1", "L-smooth"}),
        "f is constant along a line of minimisers",
        _trough,
        {"L": 1},
    ),
    Witness(
        "hidden waves",
        r"f_1=100x^2,\ f_2=x^2+10\sin^2x",
        {"SC": {"mu": 91}, "Interp": {}},
        ("AB",),
        frozenset({"unique minimiser", "L-smooth"}),
        "f₂ has a critical point that is not a minimiser, and c = 0",
        _hidden_waves,
        {"L": 200, "sigma2": 0},
    ),
    Witness(
        "two parabolas",
        r"f_{1,2}=\tfrac12(x\mp1)^2",
        {"SC": {"mu": 1}, "Cvx_i": {}},
        ("Interp",),
        frozenset({"unique minimiser", "L-smooth"}),
        "f* = ½ and fᵢ* = 0",
        _parabolas,
        {"L": 1, "sigma2": Fraction(1, 2)},
    ),
    Witness(
        "three lines",
        r"f=y^2(y-\tfrac{x}{2})^2(y-x)^2",
        {"QCvx": {"theta": 6}},
        ("Aim", "RSI"),
        frozenset({"n = 1", "locally Lipschitz"}),
        "at (4, 9/10) the gradient points away from the nearest of the three lines",
        _three_lines,
    ),
)


def witness(name: str) -> Witness:
    """Return the witness with this name."""
    return next(w for w in WITNESSES if w.name == name)
