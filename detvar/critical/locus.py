"""The critical locus of a linear network with squared loss: every component, labelled.

A critical θ chooses a set S of singular values that its end-to-end matrix keeps, and a type (its
strings) saying how the weights hide or show the gradient that is left.  Both choices are finite,
every label depends on nothing else, and so the whole critical set can be written down.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from detvar.classify.certificate import CheckReport, require_same
from detvar.classify.kronecker import inertia_from_strings, is_tightened
from detvar.critical.spectrum import (
    SpectralComponent,
    Spectrum,
    spectral_components,
    spectrum,
)
from detvar.errors import DetvarError, InputError
from detvar.exact.inertia import Inertia
from detvar.exact.rational import versions
from detvar.exact.text import html_table, text_table
from detvar.losses import Loss, Reduction, loss_from_json
from detvar.networks.linear import LinearNetwork
from detvar.networks.strata import BUDGET
from detvar.networks.strings import Strings, components, critical_strata

if TYPE_CHECKING:
    from detvar.critical.symbolic.parametrization import SymbolicLocus

HEADERS = ("rank", "keeps", "value", "kind", "nature", "index", "dimension", "count")


@dataclass(frozen=True)
class LocusComponent:
    """A family of critical weights with one label: a choice of singular values and a type.

    Attributes
    ----------
    choice : which singular values are kept, with value and dimension in the function space
    strings : the type of its generic weights
    dimension : in the weight space of the given network
    kind, nature : as in `classify`
    inertia : of the D×D Hessian of L there
    """

    choice: SpectralComponent
    strings: Strings
    dimension: int
    kind: str
    nature: str
    inertia: Inertia

    @property
    def index(self) -> int:
        """The Morse index of L: the number of negative eigenvalues of its Hessian."""
        return self.inertia.negative

    def to_latex(self) -> str:
        """Return the family in one sentence of LaTeX."""
        from detvar.critical.latex import locus_component

        return locus_component(self)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "rank": self.choice.rank,
            "take": list(self.choice.take),
            "value": self.choice.value.to_json(),
            "kind": self.kind,
            "nature": self.nature,
            "index": self.index,
            "hessian_inertia": list(self.inertia),
            "dimension": self.dimension,
            "function_space_dimension": self.choice.dimension,
            "strings": self.strings.to_json(),
        }


@dataclass(frozen=True)
class CriticalLocus:
    """All critical points of L(θ) = ℓ(W_h⋯W_1), for a loss of the Kronecker class.

    Attributes
    ----------
    network, loss : the problem as given
    reduction : the effective problem the labels refer to
    spectrum : the singular values, None when the loss is constant
    components : the irreducible components for each choice of singular values, labelled by their
        generic weights
    ranks : the ranks asked for, None for all
    inner : maximal families of non-strict saddles inside components of strict saddles
    """

    network: LinearNetwork
    loss: Loss
    reduction: Reduction
    spectrum: Spectrum | None
    components: tuple[LocusComponent, ...]
    inner: tuple[LocusComponent, ...]
    ranks: tuple[int, ...] | None = None

    def check(self) -> CheckReport:
        """Check the spectrum and every family by exact witnesses; see `detvar.critical.witness`."""
        from detvar.critical.witness import check_locus

        try:
            lines = check_locus(self)
        except DetvarError as error:
            lines = [f"refused: {error}"]
        return CheckReport(not lines[-1].startswith("refused"), tuple(lines))

    def symbolic(self) -> SymbolicLocus:
        """Return every family as weights that are rational functions of free parameters.

        Examples
        --------
        >>> from detvar.losses import SquaredLoss
        >>> locus = critical_locus(LinearNetwork(1, 1, 1), SquaredLoss([[1]], [[3]]))
        >>> best = locus.symbolic().components[0]
        >>> best.weights
        (Matrix([[3*c1_1_1]]), Matrix([[1/c1_1_1]]))
        >>> bool(best.verify())
        True
        """
        from detvar.critical.symbolic.charts import symbolic_locus

        return symbolic_locus(self)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the table: one row per rank, choice and label, with the number of families."""
        out: dict[tuple[Any, ...], int] = {}
        for where, group in (("", self.components), ("inside: ", self.inner)):
            for c in group:
                key = (
                    c.choice.rank,
                    c.choice.symbols,
                    str(c.choice.value),
                    c.kind,
                    where + words(c.nature),
                    c.index,
                    c.dimension,
                )
                out[key] = out.get(key, 0) + 1
        rows = [(*key, count) for key, count in out.items()]
        order = {c.choice.symbols: i for i, c in enumerate(self.components)}
        rows.sort(key=lambda r: (-r[0], order[r[1]], r[4].startswith("inside"), -r[6]))
        return rows

    def __str__(self) -> str:
        lines = [f"Critical points of the {self.loss.to_json()['type']} loss on {self.network}"]
        if self.reduction.changed:
            shown = "-".join(map(str, self.reduction.widths))
            lines.append(f"Labels refer to the effective network {shown}.")
        if self.spectrum is None:
            lines.append("The loss is constant: every weight vector is a global minimum.")
            return "\n".join(lines)
        lines.append(str(self.spectrum))
        lines += ["", text_table(HEADERS, self.rows()), "", self.summary()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return html_table(HEADERS, self.rows())

    def summary(self) -> str:
        """Return what the table shows, in one sentence."""
        if not self.components:
            return "The loss has no critical points on this network."
        best = self.minimal_value
        n = len(self.components)
        kinds = "component" if n == 1 else "components"
        return f"{n} {kinds}; every local minimum is global, with value {best}."

    @property
    def minimal_value(self) -> Any:
        """The global minimum of L, exact."""
        return min(c.choice.value for c in self.components if c.nature == "global_minimum")

    @classmethod
    def from_json(cls, obj: Any) -> CriticalLocus:
        """Return the locus that `to_json` wrote, computed again from its problem.

        Raises
        ------
        InputError
            If the object is no saved locus.
        NotCertifiedError
            If a field is not what the problem gives; so a loaded result is always right.
        """
        if not isinstance(obj, dict) or not {"network", "loss"} <= set(obj):
            raise InputError("this is no saved locus: save one with  detvar solve --output FILE")
        widths, ranks = obj["network"], obj.get("ranks")
        if not isinstance(widths, list):
            raise InputError("network must be a list of widths, such as [3, 2, 3]")
        if ranks is not None and not (
            isinstance(ranks, list) and all(type(r) is int for r in ranks)
        ):
            raise InputError("ranks must be a list of integers")
        out = critical_locus(LinearNetwork(*widths), loss_from_json(obj["loss"]), ranks)
        require_same(obj, out.to_json())
        return out

    def to_latex(self) -> str:
        """Return the problem, the singular values and the table, as LaTeX text."""
        from detvar.critical.latex import critical_locus

        return critical_locus(self)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, problem included, so that it can be checked again."""
        out: dict[str, Any] = {
            "kind_of_result": "critical_locus",
            "network": list(self.network.widths),
            "loss": self.loss.to_json(),
        }
        if self.reduction.changed:
            out["effective_network"] = list(self.reduction.widths)
        if self.ranks is not None:
            out["ranks"] = list(self.ranks)
        out["spectrum"] = None if self.spectrum is None else self.spectrum.to_json()
        out["components"] = [c.to_json() for c in self.components]
        out["inner"] = [c.to_json() for c in self.inner]
        out["versions"] = versions()
        return out


def critical_locus(
    network: LinearNetwork,
    loss: Loss,
    ranks: Iterable[int] | None = None,
    budget: int = BUDGET,
) -> CriticalLocus:
    """Return every component of the critical locus of L = ℓ∘μ in weight space, labelled.

    Parameters
    ----------
    network : LinearNetwork
    loss : of the Kronecker class (squared loss on data; weights of rank one; a form P ⊗ Σ)
    ranks : ranks of the (effective) end-to-end matrix to list (default: all)
    budget : largest number of types, and of choices of singular values, to enumerate

    Returns
    -------
    CriticalLocus

    Raises
    ------
    InputError
        If the loss is not in the Kronecker class.
    IncompleteError
        If the budget is exceeded; the message says by what.

    Notes
    -----
    **Cost**: one characteristic polynomial, then enumeration; no polynomial system is solved.
    **Validity**: any widths and any data: repeated and zero singular values, rank-deficient
    inputs. Dimensions, indices and labels are those over the real numbers.

    References
    ----------
    Baldi & Hornik (1989) for two layers; Trager, Kohn, Bruna (2020) for pure critical points.

    Examples
    --------
    >>> from detvar.losses import SquaredLoss
    >>> loss = SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    >>> for c in critical_locus(LinearNetwork(2, 1, 2), loss).components:
    ...     print(c.choice.rank, c.choice.value, c.kind, c.nature, c.index, c.dimension)
    1 1/2 pure global_minimum 0 1
    1 2 pure strict_saddle 1 1
    0 5/2 spurious strict_saddle 2 0
    """
    reduction = loss.reduce(network)
    if reduction.loss is None:
        return CriticalLocus(network, loss, reduction, None, (), ())
    form = reduction.loss.kronecker()
    if form is None:
        raise InputError(
            "the critical locus is known in closed form for Kronecker losses only: "
            "use a squared loss, weights of rank one, or a form P ⊗ Σ"
        )
    singular = spectrum(form)
    bound = min(reduction.network.rank_bound, singular.rank)
    limited = None if ranks is None else tuple(sorted(set(ranks)))
    wanted = range(bound, -1, -1) if limited is None else reversed(limited)
    found: list[LocusComponent] = []
    inner: list[LocusComponent] = []
    for e in wanted:
        if not 0 <= e <= bound:
            continue
        strata = critical_strata(reduction.widths, e, singular.rank - e, budget=budget)
        if not strata:
            continue
        generic = components(strata)
        for choice in spectral_components(singular, e):
            label = _labeller(network, reduction, singular, choice)
            mine = [label(s) for s in generic]
            found += mine
            # flat weights form a closed set: its maximal types that are no component lie inside one
            flat = [s for s in strata if label(s).nature == "non_strict_saddle"]
            inner += [label(s) for s in components(flat) if s not in generic]
    return CriticalLocus(network, loss, reduction, singular, tuple(found), tuple(inner), limited)


def words(nature: str) -> str:
    """Return a nature as a reader writes it: "non-strict saddle" for "non_strict_saddle"."""
    return nature.replace("non_strict", "non-strict").replace("_", " ")


def _labeller(
    network: LinearNetwork, reduction: Reduction, singular: Spectrum, choice: SpectralComponent
) -> Any:
    """Return the function that labels a type of weights over one choice of singular values."""
    small = reduction.network
    extra = network.weight_count - small.weight_count
    e, zero_gradient = choice.rank, choice.rank == singular.rank

    def label(strings: Strings) -> LocusComponent:
        found = inertia_from_strings(small, strings, choice.index, choice.nullity)
        if zero_gradient:
            nature = "global_minimum"
        elif e == small.rank_bound:
            nature = "global_minimum" if choice.is_top else "strict_saddle"
        else:
            flat = choice.is_top and is_tightened(strings)
            nature = "non_strict_saddle" if flat else "strict_saddle"
        pure = zero_gradient if small.is_filling else e == small.rank_bound
        return LocusComponent(
            choice,
            strings,
            choice.dimension + strings.dimension + extra,
            "pure" if pure else "spurious",
            nature,
            found.padded(extra),
        )

    return label
