r"""Finite sums f = (1/n) Σ fᵢ on Rᵈ: values, gradients, minimisers, and their exact description.

Everything in this folder looks at a finite sum through the same few numbers: fᵢ(x), ∇fᵢ(x), a
nearest minimiser p of f, and fᵢ* = min fᵢ (or a lower bound of it, which only ever enlarges the
set of feasible constants).  A `FiniteSum` has them in floating point, vectorised; where the terms
are formulas it also carries an `ExactSum`, from which proofs are made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, ShapeError
from detvar.exact import latex
from detvar.exact.balls import arb, working_precision
from detvar.exact.rational import Rational, rational

if TYPE_CHECKING:
    from detvar.landscape.exact_region import ExactRegion
    from detvar.landscape.triples import Triples

Array = Any  # numpy.ndarray of float64: NumPy is not imported with the module


@dataclass(frozen=True)
class Constant:
    """A real number given by its defining equation: the one zero of `equation` in [low, high].

    Attributes
    ----------
    symbol : sympy.Symbol
        The name under which formulas use the number.
    equation : sympy.Expr
        An expression in `symbol` alone, of opposite signs at the two ends.
    low, high : Rational
    """

    symbol: Any
    equation: Any
    low: Rational
    high: Rational

    @property
    def is_algebraic(self) -> bool:
        """Whether the equation is a polynomial over Q."""
        return bool(self.equation.is_polynomial(self.symbol)) and not any(
            a.is_Float or a.is_NumberSymbol for a in self.equation.atoms()
        )

    def enclosure(self, bits: int = 80) -> arb:
        """Return a ball around the number, by bisection with signs decided in ball arithmetic.

        Raises
        ------
        InputError
            If the equation has the same sign at both ends, or a second zero in between.
        """
        return _enclosure(self, bits)

    def __float__(self) -> float:
        return float(self.enclosure(80).mid())

    def to_latex(self) -> str:
        """Return the equation and the bracket as math."""
        import sympy

        name = sympy.latex(self.symbol)
        where = latex.interval(self.low, self.high)
        return rf"{sympy.latex(self.equation)}=0,\quad {name}\in {where}"

    _repr_latex_ = latex.displayed


@lru_cache(maxsize=256)
def _enclosure(constant: Constant, bits: int) -> arb:
    from detvar.landscape.from_sympy import ball

    name, equation = constant.symbol, constant.equation
    with working_precision(2 * bits + 32):

        def sign(x: Rational) -> int:
            y = ball(equation, {name: arb(x)})
            return 1 if y > 0 else -1 if y < 0 else 0

        low, high = constant.low, constant.high
        whole = arb(low).union(arb(high))
        slope = ball(equation.diff(name), {name: whole})
        start = sign(low)
        if start * sign(high) != -1 or slope.contains(0):
            raise InputError(
                f"the bracket of {name} must hold one simple zero of {equation}: give ends close "
                "enough that the signs differ and the derivative has no zero in between"
            )
        while high - low > Rational(1, 2**bits):
            middle = (low + high) / 2
            found = sign(middle)
            if found == 0:  # a ball around 0: the zero itself, or the precision is used up
                break
            low, high = (middle, high) if found == start else (low, middle)
        return arb(low).union(arb(high))


@dataclass(frozen=True)
class ExactSum:
    """The formulas of a finite sum, in SymPy, with its minimisers as exact numbers.

    Attributes
    ----------
    variables : tuple of sympy.Symbol
    terms : tuple of sympy.Expr
        The n functions fᵢ.
    lower : tuple of sympy.Expr
        The numbers fᵢ*, or lower bounds of fᵢ.
    minimisers : tuple of points, or None
        All minimisers of f, each a tuple of d expressions in `constants`; None if they are not
        finitely many, or not known.
    constants : tuple of Constant
        The numbers with a name that `lower`, `minimisers` and `projection` may use.
    projection : tuple of sympy.Expr, or None
        The nearest minimiser as d expressions in the variables, where it is one formula.
    """

    variables: tuple[Any, ...]
    terms: tuple[Any, ...]
    lower: tuple[Any, ...]
    minimisers: tuple[tuple[Any, ...], ...] | None = None
    constants: tuple[Constant, ...] = ()
    projection: tuple[Any, ...] | None = None

    def environment(self, bits: int = 80) -> dict[Any, arb]:
        """Return a ball for each named constant."""
        return {c.symbol: c.enclosure(bits) for c in self.constants}

    def ball(self, expression: Any, point: Sequence[Any] = (), bits: int = 80) -> arb:
        """Return a ball around a formula in the constants, at `point` for the variables.

        Parameters
        ----------
        expression : sympy.Expr
        point : sequence of d balls, rationals or floats taken exactly (default: none)
        bits : int
        """
        from detvar.landscape.from_sympy import ball

        with working_precision(bits):
            values = self.environment(bits)
            values |= {v: arb(x) for v, x in zip(self.variables, point, strict=bool(point))}
            return ball(expression, values)

    def to_latex(self) -> str:
        """Return the terms, their lower bounds and the equations of the constants, as math."""
        import sympy

        lines = [
            rf"f_{{{i}}}&={sympy.latex(f)},&f_{{{i}}}^*&={sympy.latex(m)}"
            for i, (f, m) in enumerate(zip(self.terms, self.lower, strict=True), 1)
        ]
        lines += [rf"&{c.to_latex()}" for c in self.constants]
        return "\\begin{aligned}\n" + "\\\\\n".join(lines) + "\n\\end{aligned}"

    _repr_latex_ = latex.displayed


@dataclass(frozen=True, eq=False)
class FiniteSum:
    """The function f = (1/n) Σ fᵢ on Rᵈ, vectorised over points.

    Attributes
    ----------
    name : str
    dimension, count : int
        d and n.
    lower : array (n,)
        fᵢ* = min fᵢ, or lower bounds of fᵢ if `lower_is_exact` is False.
    minimum : float
        f* = min f.
    smoothness : float or None
        A common Lipschitz constant L of the ∇fᵢ.
    exact : ExactSum or None
    region : ExactRegion or None
        All feasible (α, β) on the whole of Rᵈ, where a theorem gives them.

    Notes
    -----
    **Validity**: lower bounds below fᵢ* by e move β c and β b by the same βe, so that more
    constants are feasible; the theorems stay true if σ² is computed with the same bounds.

    Examples
    --------
    >>> import numpy as np
    >>> b = np.array([-1.0, 1.0])
    >>> f = FiniteSum(
    ...     "two parabolas",
    ...     1,
    ...     2,
    ...     lambda x: (x - b) ** 2 / 2,
    ...     lambda x: (x - b)[..., None],
    ...     np.zeros(2),
    ...     minimum=0.5,
    ...     _project=lambda x: np.zeros_like(x),
    ...     smoothness=1.0,
    ... )
    >>> f.f([3.0]), f.grad([3.0]), f.sigma2
    (np.float64(5.0), array([3.]), 0.5)
    """

    name: str
    dimension: int
    count: int
    _values: Callable[[Array], Array]
    _gradients: Callable[[Array], Array]
    lower: Array
    lower_is_exact: bool = True
    minimum: float = 0.0
    smoothness: float | None = None
    _project: Callable[[Array], Array] | None = None
    exact: ExactSum | None = None
    region: ExactRegion | None = None

    def __post_init__(self) -> None:
        import numpy as np

        lower = np.asarray(self.lower, dtype=np.float64)
        if lower.shape != (self.count,) or not np.isfinite(lower).all():
            raise ShapeError(
                f"lower has shape {lower.shape}: give {self.count} finite numbers, one per term"
            )
        lower.flags.writeable = False
        object.__setattr__(self, "lower", lower)

    def _points(self, x: Any) -> Array:
        import numpy as np

        points = np.asarray(x, dtype=np.float64)
        if points.ndim == 0 or points.shape[-1] != self.dimension:
            raise ShapeError(
                f"x has shape {points.shape}: its last axis must have {self.dimension} entries, "
                "one per variable"
            )
        return points

    def values(self, x: Any) -> Array:
        """Return fᵢ(x) for all i, of shape (…, n), for points of shape (…, d)."""
        return self._values(self._points(x))

    def gradients(self, x: Any) -> Array:
        """Return ∇fᵢ(x) for all i, of shape (…, n, d), for points of shape (…, d)."""
        return self._gradients(self._points(x))

    def project(self, x: Any) -> Array | None:
        """Return a nearest minimiser of f for each point, of shape (…, d); None if unknown."""
        return None if self._project is None else self._project(self._points(x))

    def f(self, x: Any) -> Array:
        """Return f(x) = (1/n) Σ fᵢ(x), of shape (…)."""
        return self.values(x).mean(axis=-1)

    def grad(self, x: Any) -> Array:
        """Return ∇f(x), of shape (…, d)."""
        return self.gradients(x).mean(axis=-2)

    @property
    def sigma2(self) -> float:
        """The interpolation error σ² = f* − (1/n) Σ fᵢ* for a uniform index."""
        return float(self.minimum - self.lower.mean())

    def triples(self, x: Any) -> Triples:
        """Return (g, b, c) of every term at every point: g = ⟨∇fᵢ(x), x − p⟩ and so on.

        Parameters
        ----------
        x : array (…, d)

        Returns
        -------
        Triples
            One per point and term; the label `step` numbers the points, `batch` the terms.

        Raises
        ------
        InputError
            If the projection on the minimisers is not known.
        """
        import numpy as np

        from detvar.landscape.triples import Triples

        points = self._points(x).reshape(-1, self.dimension)
        p = self.project(points)
        if p is None:
            raise InputError(
                f"{self.name} has no projection on its minimisers: give `project`, a function "
                "from points (…, d) to their nearest minimisers"
            )
        g = np.einsum("kid,kd->ki", self.gradients(points), points - p)
        b = self.values(points) - self.lower
        c = self.values(p) - self.lower
        step, batch = np.indices(g.shape, dtype=np.int64)
        return Triples(g.ravel(), b.ravel(), c.ravel(), step=step.ravel(), batch=batch.ravel())

    def averaged(self, batches: Sequence[Sequence[int]]) -> FiniteSum:
        """Return the finite sum of the mini-batch means (1/|B|) Σ_{i∈B} fᵢ, with the mean of fᵢ*.

        The mean of the fᵢ* is a lower bound of the mini-batch mean, in general not its minimum.
        The minimisers stay those of f, which is right if every term occurs equally often.

        Parameters
        ----------
        batches : sequence of sequences of term numbers 0, …, n − 1
        """
        import numpy as np

        weights = np.zeros((len(batches), self.count))
        for k, batch in enumerate(batches):
            for i in batch:
                if not 0 <= i < self.count:
                    raise InputError(
                        f"batch {k} names term {i}: number the terms from 0 to {self.count - 1}"
                    )
                weights[k, i] += 1 / len(batch)
        if not len(batches) or not np.allclose(weights.mean(axis=0), 1 / self.count, atol=1e-12):
            raise InputError(
                "the batches do not contain every term equally often: add the missing terms, so "
                "that the mean of the batches is f"
            )
        return FiniteSum(
            name=f"{self.name}, mini-batches",
            dimension=self.dimension,
            count=len(batches),
            _values=lambda x: self._values(x) @ weights.T,
            _gradients=lambda x: np.einsum("bi,...id->...bd", weights, self._gradients(x)),
            lower=weights @ self.lower,
            lower_is_exact=False,
            minimum=self.minimum,
            smoothness=self.smoothness,
            _project=self._project,
        )

    @classmethod
    def from_sympy(
        cls,
        terms: Sequence[Any],
        variables: Sequence[Any],
        minimisers: Sequence[Sequence[Any]] | None = None,
        lower: Sequence[Any] | None = None,
        *,
        constants: Sequence[Constant] = (),
        projection: Sequence[Any] | None = None,
        smoothness: float | None = None,
        name: str = "f",
    ) -> FiniteSum:
        """Return the finite sum of SymPy expressions, with floating and exact form.

        Parameters
        ----------
        terms : n SymPy expressions in `variables`
        variables : d symbols
        minimisers : points of d numbers or expressions in `constants`, optional
            **All** minimisers of f; the nearest is the projection.  Trusted.
        lower : n numbers, optional
            The minima fᵢ*.  By default 0, as a lower bound: the terms must be ≥ 0.
        constants : Constants, optional
        projection : d expressions in `variables`, optional
            The nearest minimiser, instead of `minimisers`.
        smoothness, name : optional

        Examples
        --------
        >>> import sympy
        >>> x = sympy.Symbol("x", real=True)
        >>> f = FiniteSum.from_sympy([(x - 1) ** 2 / 2, (x + 1) ** 2 / 2], [x], [(0,)], [0, 0])
        >>> f.minimum, f.sigma2
        (0.5, 0.5)
        """
        from detvar.landscape.from_sympy import from_sympy

        return from_sympy(
            terms,
            variables,
            minimisers,
            lower,
            constants=tuple(constants),
            projection=projection,
            smoothness=smoothness,
            name=name,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the formulas as JSON; a finite sum without formulas is refused."""
        from detvar.landscape.from_sympy import to_json

        return to_json(self)

    @classmethod
    def from_json(cls, data: Any) -> FiniteSum:
        """Read what `to_json` writes: terms, variables, lower, minimisers, constants."""
        from detvar.landscape.from_sympy import from_json

        return from_json(data)

    def to_latex(self) -> str:
        """Return the formulas as math, or the bare definition where there are none."""
        if self.exact is not None:
            return self.exact.to_latex()
        return rf"f=\frac{{1}}{{{self.count}}}\sum_{{i=1}}^{{{self.count}}}f_i"

    _repr_latex_ = latex.displayed

    def __repr__(self) -> str:
        return f"FiniteSum({self.name}: n = {self.count}, d = {self.dimension})"


def bracket(symbol: Any, equation: Any, low: Any, high: Any) -> Constant:
    """Return the zero of `equation` in [low, high], checked to be there and to be the only one.

    >>> import sympy
    >>> t = sympy.Symbol("t", real=True)
    >>> float(bracket(t, t**2 - 2, 1, 2))
    1.4142135623730951
    """
    constant = Constant(symbol, equation, rational(low, "low"), rational(high, "high"))
    constant.enclosure(80)
    return constant
