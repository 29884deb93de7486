"""The critical equations of a linear network, derived symbolically and kept factored by layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from detvar.classify.certificate import require_same
from detvar.critical.symbolic.algebras import (
    Algebra,
    expressions,
    numerator,
    polynomials,
    to_expressions,
)
from detvar.critical.symbolic.forms import Form, MatrixEquation, Plan, written
from detvar.errors import InputError
from detvar.exact.rational import versions
from detvar.exact.rational_functions import Polynomial
from detvar.losses import is_analytic
from detvar.losses.symbolic import symbolic_entry
from detvar.networks.linear import LinearNetwork


@dataclass(frozen=True)
class SideCondition:
    """What a critical point must satisfy besides the equations: not all expressions vanish."""

    name: str
    expressions: tuple[Any, ...]


@dataclass(frozen=True)
class PolynomialSystem:
    """The equations multiplied out and cleared of denominators, over Q.

    Attributes
    ----------
    variables, parameters : SymPy symbols; the polynomials have these variables, in this order
    equations : polynomials that vanish, none of them zero
    open_conditions : names, and polynomials that do not all vanish
    """

    variables: tuple[Any, ...]
    parameters: tuple[Any, ...]
    equations: tuple[Polynomial, ...]
    open_conditions: tuple[tuple[str, tuple[Polynomial, ...]], ...]

    @property
    def symbols(self) -> tuple[Any, ...]:
        """Variables, then parameters."""
        return (*self.variables, *self.parameters)


@dataclass(frozen=True)
class CriticalEquations:
    """The critical equations of L = ℓ∘μ in one of three forms; made by `critical_equations`.

    Attributes
    ----------
    network, loss : the problem
    plan : the unknown matrices, and how the form is written

    Examples
    --------
    >>> from detvar import LinearNetwork, SquaredLoss, critical_equations
    >>> eqs = critical_equations(LinearNetwork(1, 1, 1), SquaredLoss([[1]], [[2]]))
    >>> eqs.equations
    (w2_1_1*(w1_1_1*w2_1_1 - 2), w1_1_1*(w1_1_1*w2_1_1 - 2))
    >>> print(eqs.factored[0])
    W_2ᵀ·G = 0
    """

    network: LinearNetwork
    loss: Any
    plan: Plan

    # --- what there is --------------------------------------------------------------------------

    @property
    def form(self) -> str:
        """The form: weights, function_space or chart."""
        return self.plan.form

    @property
    def rank(self) -> int | None:
        """The rank r of W; None for all ranks."""
        return self.plan.rank

    @cached_property
    def variables(self) -> tuple[Any, ...]:
        """The unknowns, block by block and row by row."""
        known = set(self.parameters)
        cells = [x for _, rows in self.plan.blocks for row in rows for x in row]
        return tuple(dict.fromkeys(s for x in cells for s in _names(x) if s not in known))

    @cached_property
    def parameters(self) -> tuple[Any, ...]:
        """The symbols in the data of the loss, and those in given weights, by name."""
        found = set(getattr(self.loss, "parameters", ()))
        if self.form == "weights":
            own = {x for w in self.network.symbolic_weights() for x in w}
            cells = [x for _, rows in self.plan.blocks for row in rows for x in row]
            found |= {s for x in cells for s in x.free_symbols} - own
        return tuple(sorted(found, key=lambda s: (len(s.name), s.name)))

    @property
    def factored(self) -> tuple[MatrixEquation, ...]:
        """The matrix equations, each a sum of products of named matrices."""
        return self._written.equations

    @property
    def matrix(self) -> Any:
        """W, the end-to-end matrix, in the unknowns."""
        import sympy

        return sympy.ImmutableMatrix(self._written.matrix)

    @property
    def gradient(self) -> Any:
        """G = ∇ℓ(W) in the unknowns, not expanded."""
        import sympy

        return sympy.ImmutableMatrix(self._written.gradient)

    @cached_property
    def equations(self) -> tuple[Any, ...]:
        """The left sides as SymPy expressions, as the products give them; nothing is expanded."""
        flat = [x for e in self.factored for row in e.rows for x in row]
        return tuple(x for x in flat if x != 0)

    @cached_property
    def side_conditions(self) -> tuple[SideCondition, ...]:
        """In each, not all expressions vanish: ranks, and denominators that were cleared."""
        if not self.is_rational:
            found: Iterable[tuple[str, tuple[Any, ...]]] = self._written.open_conditions
            return tuple(SideCondition(name, fs) for name, fs in found)
        system = self.polynomial_system
        return tuple(
            SideCondition(name, tuple(to_expressions(fs, system.symbols)))
            for name, fs in system.open_conditions
        )

    @property
    def is_rational(self) -> bool:
        """Whether the equations are rational functions over Q, so that they are polynomials."""
        return not is_analytic(self.loss) and bool(getattr(self.loss, "is_rational", True))

    @property
    def description(self) -> str:
        """What the solutions are, in one sentence."""
        from detvar.critical.symbolic.display import description

        return description(self)

    @property
    def degrees(self) -> tuple[int, ...]:
        """The degree in the unknowns of every polynomial equation."""
        k = len(self.variables)
        return tuple(
            max(sum(map(int, exponents[:k])) for exponents in f.to_dict())
            for f in self.polynomial_system.equations
        )

    @cached_property
    def _written(self) -> Form:
        return written(self.plan, expressions(self.loss))

    # --- multiplied out -------------------------------------------------------------------------

    @cached_property
    def polynomial_system(self) -> PolynomialSystem:
        """The equations as polynomials over Q in unknowns and parameters, without denominators.

        Raises
        ------
        InputError
            If the gradient is no rational function.
        """
        symbols = (*self.variables, *self.parameters)
        if not symbols:
            raise InputError("all weights are given as numbers: leave at least one layer free")
        algebra: Algebra = polynomials(self.loss, symbols)
        form = written(self.plan, algebra)
        flat = [numerator(x) for e in form.equations for row in e.rows for x in row]
        conditions = tuple(
            (name, tuple(numerator(f) for f in fs)) for name, fs in form.open_conditions
        )
        return PolynomialSystem(
            self.variables, self.parameters, tuple(f for f in flat if f), conditions
        )

    def expand(self) -> tuple[Any, ...]:
        """Return the polynomial equations as expanded SymPy expressions.

        Notes
        -----
        **Cost**: FLINT multiplies out; the time is that of writing the terms as expressions.
        """
        system = self.polynomial_system
        return tuple(to_expressions(system.equations, system.symbols))

    def substitute(self, values: Mapping[Any, Any]) -> CriticalEquations:
        """Return the equations with parameters replaced, by name or by symbol.

        Examples
        --------
        >>> from detvar import LinearNetwork, SymbolicLoss, critical_equations
        >>> loss = SymbolicLoss("squared", X=[[1]], Y=[["y"]])
        >>> eqs = critical_equations(LinearNetwork(1, 1, 1), loss)
        >>> eqs.substitute({"y": 2}).equations
        (w2_1_1*(w1_1_1*w2_1_1 - 2), w1_1_1*(w1_1_1*w2_1_1 - 2))
        """
        from detvar.critical.symbolic.derive import critical_equations

        names = {s.name: s for s in self.parameters}
        table = {}
        for key, x in values.items():
            if str(key) not in names:
                known = ", ".join(names) or "none"
                raise InputError(f"{key} is no parameter of these equations: there are {known}")
            table[names[str(key)]] = symbolic_entry(x, str(key))
        loss = self.loss
        mine = {s: x for s, x in table.items() if s in getattr(loss, "parameters", ())}
        if mine:
            loss = loss.substitute(mine)
        weights = None
        if self.form == "weights":
            weights = [
                [[x.xreplace(table) for x in row] for row in rows] for _, rows in self.plan.blocks
            ]
        return critical_equations(
            self.network,
            loss,
            self.form,
            self.rank,
            weights=weights,
            multipliers=self.plan.multipliers,
            pivots=self.plan.pivots or None,
        )

    # --- for people and other systems -----------------------------------------------------------

    def __str__(self) -> str:
        from detvar.critical.symbolic.display import plain_text

        return plain_text(self)

    def _repr_latex_(self) -> str:
        return self.to_latex()

    def to_latex(self) -> str:
        """Return the matrix equations, and G with its entries, in LaTeX."""
        from detvar.critical.symbolic.display import latex

        return latex(self)

    def to_macaulay2(self, task: str | None = None) -> str:
        """Return a Macaulay2 script; see `detvar.critical.symbolic.export.export`."""
        return self.export("macaulay2", task)

    def to_singular(self, task: str | None = None) -> str:
        """Return a Singular script; see `detvar.critical.symbolic.export.export`."""
        return self.export("singular", task)

    def to_msolve(self) -> str:
        """Return a file for msolve; see `detvar.critical.symbolic.export.export`."""
        return self.export("msolve")

    def to_julia(self, task: str | None = None) -> str:
        """Return a HomotopyContinuation.jl script; see `detvar.critical.symbolic.export.export`."""
        return self.export("julia", task)

    def to_sympy(self, task: str | None = None) -> str:
        """Return a Python script that needs SymPy only."""
        return self.export("sympy", task)

    def export(self, system: str, task: str | None = None) -> str:
        """Return the equations for another system: see `detvar.critical.symbolic.export`."""
        from detvar.critical.symbolic.export import export

        return export(self, system, task)

    def to_json(self) -> dict[str, Any]:
        """Return the problem, the form and the equations as text; `from_json` reads it back."""
        plan = self.plan
        out: dict[str, Any] = {
            "kind_of_result": "critical_equations",
            "network": list(self.network.widths),
            "loss": self.loss.to_json(),
            "form": self.form,
            "rank": self.rank,
            "multipliers": plan.multipliers,
            "pivots": list(plan.pivots) or None,
        }
        if self.form == "weights":
            out["weights"] = [[[str(x) for x in row] for row in rows] for _, rows in plan.blocks]
        out["unknowns"] = [s.name for s in self.variables]
        out["parameters"] = [s.name for s in self.parameters]
        out["factored"] = [{"name": e.name, "equation": str(e)} for e in self.factored]
        out["equations"] = [str(x) for x in self.equations]
        out["not_all_zero"] = [
            {"name": c.name, "expressions": [str(x) for x in c.expressions]}
            for c in self.side_conditions
        ]
        out["versions"] = versions()
        return out

    @classmethod
    def from_json(cls, obj: Any) -> CriticalEquations:
        """Return the equations that `to_json` wrote, derived again from their problem.

        Raises
        ------
        InputError
            If the object is no saved system of equations.
        NotCertifiedError
            If what it says is not what the problem gives.
        """
        from detvar.critical.symbolic.derive import critical_equations, problem_of

        needed = {"network", "loss", "form"}
        if not isinstance(obj, dict) or not needed <= set(obj):
            raise InputError("these are no saved equations: save some with  detvar equations")
        network, loss = problem_of({"network": obj["network"], "loss": obj["loss"]})
        pivots = obj.get("pivots")
        out = critical_equations(
            network,
            loss,
            obj["form"],
            obj.get("rank"),
            weights=obj.get("weights"),
            multipliers=obj.get("multipliers"),
            pivots=pivots,
        )
        require_same(obj, out.to_json())
        return out


def _names(x: Any) -> list[Any]:
    return sorted(x.free_symbols, key=lambda s: (len(s.name), s.name))
