"""The components of the critical locus of the squared loss, written out.

Critical weights split into strings (`detvar.networks.strings`): a string that is alive in the
layers p, …, q contributes to W_{p+1}, …, W_q the products of its vector in one layer with its dual
vector in the layer before.  So, with bases C_l of the hidden layers,

    W_l = C_l·Π_l·C_{l−1}⁻¹,   C_0⁻¹ = rows of R^n,   C_h = columns of R^m,

where Π_l is a 0/1 matrix.  The rows and columns at the ends are singular data: those of W̄, those
paired by ∇ℓ, and those that neither sees.  For two layers and rank d_1 this is the form of Baldi
and Hornik, W_1 = C·D⁻¹U_SᵀPU and W_2 = U_S·C⁻¹.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from detvar.classify.certificate import CheckReport, require_same
from detvar.critical.symbolic.identities import (
    check_component,
    jacobian_rank,
    random_point,
    weights_at,
)
from detvar.errors import DetvarError, InputError
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.latex import display, paragraphs, words
from detvar.losses import Loss
from detvar.networks.linear import LinearNetwork, Weights

if TYPE_CHECKING:
    from detvar.critical.locus import CriticalLocus, LocusComponent


@dataclass(frozen=True)
class SymbolicComponent:
    """A family of critical weights θ(t), rational in free parameters t.

    Attributes
    ----------
    network, loss : the problem
    family : the family of `critical_locus`: rank, singular values kept, strings, label, dimension
    parameters : SymPy symbols, free up to the conditions
    weights : SymPy matrices W_1, …, W_h
    conditions : expressions that must not vanish; all denominators are products of them
    eigenvalues : (λ, σ²) for every symbol that stands for an irrational squared singular value
    relations : polynomials that vanish at these λ; all identities hold modulo them
    frames : the rows V = C_0⁻¹, the bases C_1, …, C_{h−1} and the columns U = C_h
    patterns : the 0/1 matrices Π_1, …, Π_h
    unseen : (l, matrix) for what is added to W_l, on inputs and outputs that ℓ does not see
    value : the value of the loss
    """

    network: LinearNetwork = field(repr=False)
    loss: Loss = field(repr=False)
    family: LocusComponent
    parameters: tuple[Any, ...]
    weights: tuple[Any, ...]
    conditions: tuple[Any, ...]
    eigenvalues: tuple[tuple[Any, RealAlgebraic], ...]
    relations: tuple[Any, ...]
    frames: tuple[Any, ...] = field(repr=False)
    patterns: tuple[Any, ...] = field(repr=False)
    unseen: tuple[tuple[int, Any], ...] = field(repr=False)
    value: Any

    @property
    def rank(self) -> int:
        """The rank of W_h⋯W_1."""
        return self.family.choice.rank

    @property
    def keeps(self) -> str:
        """The singular values that W_h⋯W_1 keeps, by number."""
        return self.family.choice.symbols

    @property
    def kind(self) -> str:
        """pure or spurious."""
        return self.family.kind

    @property
    def nature(self) -> str:
        """As in `classify`."""
        return self.family.nature

    @property
    def dimension(self) -> int:
        """The dimension of the family, from its strings."""
        return self.family.dimension

    @cached_property
    def effective_parameters(self) -> int:
        """The rank of ∂θ/∂t at a random exact point, which is at most the dimension of {θ(t)}."""
        return jacobian_rank(self)

    def verify(self, seed: int = 0) -> CheckReport:
        """Prove that θ(t) is critical for all t, and that its family is the one that is stated.

        The weights are read again from their SymPy expressions.  See
        `detvar.critical.symbolic.identities` for what is proved.

        Notes
        -----
        **Cost**: products of polynomials in the parameters, and exact ranks at one point.
        """
        try:
            lines = check_component(self, seed)
        except DetvarError as error:
            lines = [f"refused: {error}"]
        return CheckReport(not lines[-1].startswith("refused"), tuple(lines))

    def at(self, values: Mapping[Any, Any]) -> Weights:
        """Return the exact weights for rational values of all parameters.

        Raises
        ------
        InputError
            If a parameter has no value, a condition vanishes, or the weights are irrational.
        """
        return weights_at(self, values)

    def random_weights(self, seed: int = 0) -> Weights:
        """Return exact weights of the family at random small integers; see `at`."""
        return self.at(random_point(self, seed))

    def __str__(self) -> str:
        f = self.family
        lines = [
            f"Rank {self.rank}, keeps {self.keeps}: {f.kind}, {f.nature.replace('_', ' ')}, "
            f"dimension {f.dimension}, value {self.value}",
            f"  strings {f.strings}",
        ]
        for i, (left, middle, right) in enumerate(self._factors("C{}", "C{}⁻¹"), start=1):
            terms = [
                "·".join(filter(None, (left, "" if _is_unit(middle) else _text(middle), right)))
            ]
            terms = terms if any(middle) else []
            terms += [_text(block) for layer, block in self.unseen if layer == i]
            lines.append(f"  W{i} = {' + '.join(terms) or '0'}")
        for name, a in (("U", self.frames[-1]), ("V", self.frames[0])):
            if a.rows and a.cols:
                lines.append(f"  {name} = {_text(a)}")
        if self.conditions:
            lines.append(f"  where {', '.join(f'{c} ≠ 0' for c in self.conditions)}")
        for (symbol, square), relation in zip(self.eigenvalues, self.relations, strict=True):
            lines.append(f"  {symbol} = {square}, where {relation} = 0")
        return "\n".join(lines)

    def _factors(self, basis: str, inverse: str) -> list[tuple[str, Any, str]]:
        """Return the names of the bases on both sides of every pattern."""
        h = len(self.weights)
        return [
            ("U" if i == h else basis.format(i), a, "V" if i == 1 else inverse.format(i - 1))
            for i, a in enumerate(self.patterns, start=1)
        ]

    def to_latex(self) -> str:
        """Return the factors of the weights, conditions and relations as aligned lines of LaTeX."""
        from sympy import latex

        h = len(self.weights)
        lines: list[str] = []
        for i, (left, middle, right) in enumerate(self._factors("C_{{{}}}", "C_{{{}}}^{{-1}}"), 1):
            terms = [left + ("" if _is_unit(middle) else latex(middle)) + right]
            terms = terms if any(middle) else []
            terms += [latex(block) for layer, block in self.unseen if layer == i]
            lines.append(f"W_{{{i}}} &= {' + '.join(terms) or '0'}")
        names = ["V", *(f"C_{{{i}}}" for i in range(1, h)), "U"]
        for name, a in zip(names, self.frames, strict=True):
            if a.free_symbols & {*self.parameters} or name in "UV":
                lines += [f"{name} &= {latex(a)}"] if a.rows and a.cols else []
        lines += [f"0 &\\neq {latex(c)}" for c in self.conditions]
        lines += [f"0 &= {latex(r)}" for r in self.relations]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.to_latex()}$"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; expressions are written as SymPy reads them."""
        return {
            **self.family.to_json(),
            "parameters": [str(t) for t in self.parameters],
            "effective_parameters": self.effective_parameters,
            "weights": [[[str(x) for x in row] for row in w.tolist()] for w in self.weights],
            "conditions": [str(c) for c in self.conditions],
            "eigenvalues": {str(s): x.to_json() for s, x in self.eigenvalues},
            "relations": [str(r) for r in self.relations],
            "symbolic_value": str(self.value),
        }


@dataclass(frozen=True)
class SymbolicLocus:
    """The critical locus of L = ℓ∘μ as a list of parametrised families.

    Attributes
    ----------
    locus : the labelled list of `critical_locus`
    components : one parametrization for each of its components, in the same order
    inner : and for each family of non-strict saddles inside components of strict ones
    """

    locus: CriticalLocus
    components: tuple[SymbolicComponent, ...]
    inner: tuple[SymbolicComponent, ...]

    def verify(self, seed: int = 0) -> CheckReport:
        """Prove for every family what `SymbolicComponent.verify` proves for one."""
        lines: list[str] = []
        for c in (*self.components, *self.inner):
            report = c.verify(seed)
            if not report:
                where = f"rank {c.rank}, keeps {c.keeps}, {c.family.strings}"
                return CheckReport(False, (*lines, f"refused: {where}: {report.lines[-1]}"))
            lines.append(f"rank {c.rank}, keeps {c.keeps}: {'; '.join(report.lines)}")
        return CheckReport(True, tuple(lines))

    def __str__(self) -> str:
        if self.locus.spectrum is None:
            return "The loss is constant: every weight vector is a global minimum."
        n = len(self.components)
        kinds = "component" if n == 1 else "components"
        blocks = [f"Critical weights of {self.locus.network}, {n} {kinds}"]
        blocks += map(str, self.components)
        if self.inner:
            blocks += ["Inside, non-strict saddles:", *map(str, self.inner)]
        return "\n\n".join(blocks)

    def to_latex(self) -> str:
        """Return all components, a heading and a display each, as LaTeX text."""
        return paragraphs(
            *(
                f"{words(str(c).splitlines()[0].partition(', value')[0])}:\n{display(c.to_latex())}"
                for c in self.components
            )
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, the labelled locus included."""
        return {
            "kind_of_result": "symbolic_locus",
            "locus": self.locus.to_json(),
            "components": [c.to_json() for c in self.components],
            "inner": [c.to_json() for c in self.inner],
        }

    @classmethod
    def from_json(cls, obj: Any) -> SymbolicLocus:
        """Return what `to_json` wrote, computed again and compared.

        Raises
        ------
        InputError
            If the object is no saved symbolic locus.
        NotCertifiedError
            If a field is not what the problem gives.
        """
        from detvar.critical.locus import CriticalLocus

        if not isinstance(obj, dict) or "locus" not in obj:
            raise InputError("this is no saved symbolic locus: save one with json.dump(to_json())")
        out = CriticalLocus.from_json(obj["locus"]).symbolic()
        # the locus has been compared, whatever version wrote it
        require_same({**obj, "locus": None}, {**out.to_json(), "locus": None})
        return out


def _text(a: Any) -> str:
    return f"[{'; '.join(', '.join(map(str, row)) for row in a.tolist())}]"


def _is_unit(a: Any) -> bool:
    from sympy import eye

    return bool(a.rows == a.cols and a == eye(a.rows))
