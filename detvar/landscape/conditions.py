r"""The conditions of the field, each with its inequality, and what points say about its constants.

Throughout p is a projection of x on the minimisers S of f, gap = f(x) − f*, dist = |x − p|.  A
condition with one constant reads left ≥ h(constant)·right with right ≥ 0 and h increasing, so that
points bound the constant from above by the least quotient.

References
----------
H. Karimi, J. Nutini, M. Schmidt (2016), section 2 and theorem 2; C. Guille-Escuret, H. Naganuma,
K. Fatras, I. Mitliagkas (2024); R. Islamov et al. (2024), section 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from detvar.errors import InputError
from detvar.exact import latex
from detvar.landscape.condition_data import Data, Rows
from detvar.landscape.finite_sum import Array, FiniteSum


@dataclass(frozen=True, eq=False)
class Estimate:
    """What finitely many points allow: the best constants, and where they are attained.

    Attributes
    ----------
    condition : str
    constants : dict
        Name → value.  Infinite where no point says anything; zero or negative: the condition
        fails with every positive constant; −∞: it fails with every real constant.  Empty for
        a condition without constants.
    margin : float
        For a condition without constants the least left − right; nan else.
    where : tuple of int
        Numbers of the point, the pair of points, or the point and the term that bind.
    """

    condition: str
    constants: Mapping[str, float]
    margin: float
    where: tuple[int, ...]

    def __str__(self) -> str:
        shown = ", ".join(f"{k} = {v:.6g}" for k, v in self.constants.items())
        return f"{self.condition}: {shown or f'margin {self.margin:.6g}'}, at {self.where}"

    def to_latex(self) -> str:
        """Return the condition with its constants as math."""
        shown = [f"{_GREEK.get(k, k)}={latex.floating(v)}" for k, v in self.constants.items()]
        shown = shown or [rf"\text{{margin}}={latex.floating(self.margin)}"]
        return rf"\text{{{latex.words(self.condition)}}}:\ " + r",\ ".join(shown)

    _repr_latex_ = latex.displayed

    def to_json(self) -> dict[str, Any]:
        """Return the estimate as JSON, floats in hexadecimal."""
        return {
            "condition": self.condition,
            "constants": {k: float(v).hex() for k, v in self.constants.items()},
            "margin": float(self.margin).hex(),
            "where": list(self.where),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Estimate:
        """Read what `to_json` wrote."""
        constants = {k: float.fromhex(v) for k, v in data["constants"].items()}
        margin = float.fromhex(data["margin"])
        return cls(data["condition"], constants, margin, tuple(data["where"]))


@dataclass(frozen=True, eq=False)
class Violations:
    """The points at which a condition fails with given constants, worst first.

    Attributes
    ----------
    condition : str
    constants : dict
    where : int array (k, 1 or 2)
        Numbers of the points, of the two points, or of point and term.
    margins : array (k,)
        left − h(constant)·right, all negative.
    count : int
        How many inequalities were tested.
    """

    condition: str
    constants: Mapping[str, float]
    where: Array
    margins: Array
    count: int

    def __len__(self) -> int:
        return len(self.margins)

    def __str__(self) -> str:
        worst = f", worst margin {self.margins[0]:.6g}" if len(self) else ""
        return f"{self.condition}: {len(self)} of {self.count} violated{worst}"

    def to_latex(self) -> str:
        """Return the numbers of violated and tested inequalities as math."""
        name = rf"\text{{{latex.words(self.condition)}}}"
        return rf"{name}:\ {len(self)}\text{{ of }}{self.count}\text{{ violated}}"

    _repr_latex_ = latex.displayed

    def to_json(self) -> dict[str, Any]:
        """Return the violations as JSON, floats in hexadecimal."""
        return {
            "condition": self.condition,
            "constants": {k: float(v).hex() for k, v in self.constants.items()},
            "where": self.where.tolist(),
            "margins": [float(x).hex() for x in self.margins],
            "count": self.count,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Violations:
        """Read what `to_json` wrote."""
        import numpy as np

        return cls(
            data["condition"],
            {k: float.fromhex(v) for k, v in data["constants"].items()},
            np.array(data["where"], dtype=np.int64),
            np.array([float.fromhex(x) for x in data["margins"]]),
            data["count"],
        )


@dataclass(frozen=True)
class Condition:
    """A condition on f (or on its terms): left ≥ h(constant)·right at all points.

    Attributes
    ----------
    id, name : str
    formula : str
        The inequality in LaTeX.
    constant : str
        The name of the constant that points bound; empty if there is none.
    given : dict
        The other constants, with defaults, which the caller may set.

    Examples
    --------
    >>> import numpy as np
    >>> from detvar.landscape.examples import least_squares
    >>> f = least_squares([[1], [2]], [1, 1])
    >>> points = np.linspace(-3, 3, 13)[:, None]
    >>> print(CONDITIONS["PL"].estimate(f, points))
    PL: mu = 2.5, kappa = 2, at (0,)
    >>> print(CONDITIONS["PL"].violations(f, points, mu=3.0))
    PL: 13 of 13 violated, worst margin -16.2
    """

    id: str
    name: str
    formula: str
    constant: str
    _rows: Callable[[Data, Mapping[str, Any]], Rows]
    given: Mapping[str, Any] = field(default_factory=dict)
    _factor: Callable[[float, Mapping[str, Any]], float] = lambda value, _: value
    _inverse: Callable[[Array, Mapping[str, Any]], Array] = lambda quotient, _: quotient

    @property
    def constants(self) -> tuple[str, ...]:
        """The names of all constants, the one that points bound first."""
        return (*((self.constant,) if self.constant else ()), *self.given)

    def estimate(self, problem: FiniteSum, points: Any, **given: Any) -> Estimate:
        """Return the largest constant with which the condition holds at the points.

        For AB this is the least α for a given δ = α − β.

        Parameters
        ----------
        problem : FiniteSum
        points : array (N, d)
        **given : values of the other constants

        Notes
        -----
        **Cost**: N evaluations; N² inequalities for conditions on pairs of points.
        **Validity**: points never prove a condition; a violated inequality refutes it up to the
        rounding of float64.
        """
        import numpy as np

        settings = self._settings(given)
        rows = self._rows(Data.of(problem, points), settings)
        if not self.constant:
            k = int(np.argmin(rows.left - rows.right)) if len(rows.left) else -1
            margin = float((rows.left - rows.right)[k]) if k >= 0 else float("inf")
            return Estimate(self.id, {}, margin, rows.at(k))
        useful = rows.right > rows.noise
        quotients = np.where(useful, rows.left / np.where(useful, rows.right, 1), np.inf)
        k = int(np.argmin(quotients)) if useful.any() else -1
        best = float(self._inverse(quotients[k], settings)) if k >= 0 else float("inf")
        if self.id == "AB":
            delta = float(settings["delta"])
            # left = −(δb − g), right = c: the quotient is −α
            alpha = max(delta, -best if k >= 0 else delta)
            if (rows.left[~useful] < -rows.slack[~useful]).any():
                alpha = float("inf")  # c = 0 and δb > g
            return Estimate("AB", {"alpha": alpha, "beta": alpha - delta}, np.nan, rows.at(k))
        low = rows.right < -rows.noise
        if low.any() and (rows.left[low] / rows.right[low]).max() > best:
            best = float("-inf")  # for a negative right side the quotient is a lower bound
        return Estimate(self.id, {self.constant: best, **_numbers(settings)}, np.nan, rows.at(k))

    def violations(
        self, problem: FiniteSum, points: Any, tolerance: float = 1e-10, **constants: Any
    ) -> Violations:
        """Return where the condition fails with these constants.

        Parameters
        ----------
        problem : FiniteSum
        points : array (N, d)
        tolerance : float
            Relative to the size of the two sides: smaller margins count as rounding.
        **constants : values of the constants
        """
        import numpy as np

        if self.id == "AB":
            alpha, beta = float(constants.pop("alpha")), float(constants.pop("beta"))
            if not alpha > beta >= 0:
                raise InputError(f"(alpha, beta) is ({alpha}, {beta}): give alpha > beta >= 0")
            settings: dict[str, Any] = {"delta": alpha - beta}
            value, shown = -alpha, {"alpha": alpha, "beta": beta}
        else:
            if self.constant and self.constant not in constants:
                raise InputError(f"{self.id} has the constant {self.constant}: give its value")
            raw = constants.pop(self.constant) if self.constant else 1.0
            settings = self._settings(constants)
            value = self._factor(float(raw), settings)
            shown = {self.constant: float(raw)} if self.constant else {}
            shown |= _numbers(settings)
        if not all(math.isfinite(v) for v in (value, *shown.values())):
            raise InputError(f"the constants of {self.id} are {shown}: give finite numbers")
        rows = self._rows(Data.of(problem, points), settings)
        margins = rows.left - value * rows.right
        scale = np.abs(rows.left) + abs(value) * np.abs(rows.right) + rows.slack
        bad = np.flatnonzero(margins < -tolerance * scale)
        bad = bad[np.argsort(margins[bad])]
        return Violations(self.id, shown, rows.where[bad], margins[bad], len(margins))

    def _settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        unknown = set(given) - set(self.given)
        if unknown:
            known = ", ".join(self.given) or "none"
            raise InputError(
                f"{self.id} has no constant {', '.join(sorted(unknown))}: its further constants "
                f"are {known}"
            )
        return {**self.given, **given}

    def to_latex(self) -> str:
        """Return the inequality as math."""
        return self.formula

    _repr_latex_ = latex.displayed

    def __repr__(self) -> str:
        return f"Condition({self.id}: {self.name})"


_GREEK = {
    "mu": r"\mu",
    "theta": r"\theta",
    "alpha": r"\alpha",
    "beta": r"\beta",
    "delta": r"\delta",
    "kappa": r"\kappa",
    "exponent": r"\vartheta",
}


def _numbers(settings: Mapping[str, Any]) -> dict[str, float]:
    return {k: float(v) for k, v in settings.items() if isinstance(v, (int, float))}


def _kappa(given: Mapping[str, Any]) -> float:
    kappa = float(given["kappa"])
    if not 1 <= kappa <= 2:
        raise InputError(f"kappa is {kappa}: give an exponent from 1 to 2")
    return kappa


def _pl(data: Data, given: Mapping[str, Any]) -> Rows:
    return data.per_point(data.slope ** _kappa(given), data.gap, gap=True)


def _kl(data: Data, given: Mapping[str, Any]) -> Rows:
    exponent = float(given["exponent"])
    if not 0 <= exponent < 1:
        raise InputError(f"exponent is {exponent}: give ϑ from 0 to below 1")
    import numpy as np

    return data.per_point(data.slope, np.maximum(data.gap, 0) ** exponent, gap=True)


_ALL = (
    Condition(
        "SC",
        "strong convexity",
        r"f(y)\ge f(x)+\langle\nabla f(x),y-x\rangle+\frac{\mu}{2}|y-x|^2",
        "mu",
        lambda data, _: data.pairs(curved=True),
    ),
    Condition(
        "ESC",
        "essential strong convexity",
        r"f(y)\ge f(x)+\langle\nabla f(x),y-x\rangle+\frac{\mu}{2}|y-x|^2\text{ if }x_p=y_p",
        "mu",
        lambda data, _: data.pairs(curved=True, same_projection=True),
    ),
    Condition(
        "WSC",
        "weak strong convexity",
        r"f^*\ge f(x)+\langle\nabla f(x),x_p-x\rangle+\frac{\mu}{2}|x-x_p|^2",
        "mu",
        lambda data, _: data.per_point(data.inner - data.gap, data.dist**2 / 2, gap=True),
    ),
    Condition(
        "RSI",
        "restricted secant inequality",
        r"\langle\nabla f(x),x-x_p\rangle\ge\mu|x-x_p|^2",
        "mu",
        lambda data, _: data.per_point(data.inner, data.dist**2),
    ),
    Condition(
        "OPC",
        "one-point convexity",
        r"\langle\nabla f(x),x-x^*\rangle\ge\mu|x-x^*|^2",
        "mu",
        lambda data, given: data.towards(given["x_star"], squared=True),
        {"x_star": None},
    ),
    Condition(
        "EB",
        "error bound",
        r"|\nabla f(x)|\ge\mu|x-x_p|",
        "mu",
        lambda data, _: data.per_point(data.slope, data.dist),
    ),
    Condition(
        "PL",
        "Polyak–Łojasiewicz inequality",
        r"|\nabla f(x)|^\kappa\ge(2\mu)^{\kappa/2}(f(x)-f^*),\ \kappa=2",
        "mu",
        _pl,
        {"kappa": 2.0},
        lambda mu, given: (2 * mu) ** (_kappa(given) / 2),
        lambda quotient, given: quotient ** (2 / _kappa(given)) / 2,
    ),
    Condition(
        "KL",
        "Kurdyka–Łojasiewicz inequality",
        r"|\nabla f(x)|\ge c\,(f(x)-f^*)^\vartheta",
        "c",
        _kl,
        {"exponent": 0.5},
    ),
    Condition(
        "QG",
        "quadratic growth",
        r"f(x)-f^*\ge\frac{\mu}{2}|x-x_p|^2",
        "mu",
        lambda data, _: data.per_point(data.gap, data.dist**2 / 2, gap=True),
    ),
    Condition(
        "Cvx",
        "convexity",
        r"f(y)\ge f(x)+\langle\nabla f(x),y-x\rangle",
        "",
        lambda data, _: data.pairs(),
    ),
    Condition(
        "StarCvx",
        "star convexity",
        r"f(tx^*+(1-t)x)\le tf^*+(1-t)f(x)\ \text{for all }x^*\in S,\ t\in[0,1]",
        "",
        lambda data, given: data.star(int(given["steps"])),
        {"steps": 16},
    ),
    Condition(
        "QCvx",
        "quasar (weak quasi-)convexity",
        r"\langle\nabla f(x),x-x^*\rangle\ge\theta(f(x)-f^*)",
        "theta",
        lambda data, given: data.towards(given["x_star"]),
        {"x_star": None},
    ),
    Condition(
        "Aim",
        "Aiming",
        r"\langle\nabla f(x),x-x_p\rangle\ge\theta(f(x)-f^*)",
        "theta",
        lambda data, _: data.per_point(data.inner, data.gap, gap=True),
    ),
    Condition(
        "AAim",
        "approximate Aiming",
        r"\langle\nabla f(x),x-x_p\rangle\ge\theta(f(x)-f^*)-e",
        "theta",
        lambda data, given: data.per_point(data.inner + float(given["e"]), data.gap, gap=True),
        {"e": 0.0},
    ),
    Condition(
        "Invex",
        "invexity",
        r"\nabla f(x)=0\Rightarrow x\in S",
        "",
        lambda data, given: data.stationary(float(given["threshold"])),
        {"threshold": 1e-8},
    ),
    Condition(
        "Interp",
        "interpolation",
        r"f_i(p)=f_i^*\ \text{for all }i,\ p\in S",
        "",
        lambda data, _: data.fitted(),
    ),
    Condition(
        "Cvx_i",
        "convexity of every term",
        r"f_i(y)\ge f_i(x)+\langle\nabla f_i(x),y-x\rangle",
        "",
        lambda data, _: data.term_pairs(),
    ),
    Condition(
        "Aim_i",
        "Aiming of every term",
        r"\langle\nabla f_i(x),x-x_p\rangle\ge\theta(f_i(x)-f_i(x_p))",
        "theta",
        lambda data, _: data.term_aiming(),
    ),
    Condition(
        "AB",
        "alpha-beta-condition",
        r"\langle\nabla f_i(x),x-x_p\rangle\ge\alpha(f_i(x)-f_i(x_p))-\beta(f_i(x)-f_i^*)",
        "alpha",
        lambda data, given: data.alpha_beta(float(given["delta"])),
        {"delta": 1.0},
    ),
)
CONDITIONS: Mapping[str, Condition] = {c.id: c for c in _ALL}


def condition(name: str) -> Condition:
    """Return the condition with this id, such as "PL".

    >>> condition("QG").to_latex()
    'f(x)-f^*\\\\ge\\\\frac{\\\\mu}{2}|x-x_p|^2'
    """
    if name not in CONDITIONS:
        raise InputError(f"no condition is called {name!r}: write one of {', '.join(CONDITIONS)}")
    return CONDITIONS[name]


def estimate(problem: FiniteSum, name: str, points: Any, **given: Any) -> Estimate:
    """Return `condition(name).estimate(problem, points, **given)`."""
    return condition(name).estimate(problem, points, **given)


def violations(problem: FiniteSum, name: str, points: Any, **constants: Any) -> Violations:
    """Return `condition(name).violations(problem, points, **constants)`."""
    return condition(name).violations(problem, points, **constants)


def table(names: Iterable[str] | None = None) -> str:
    """Return all conditions, or those with these ids, as a LaTeX table."""
    chosen = CONDITIONS.values() if names is None else [condition(x) for x in names]
    rows = [[latex.words(c.id), latex.words(c.name), f"${c.formula}$"] for c in chosen]
    return latex.table(["id", "name", "inequality"], rows)
