"""All critical points of a loss on the matrices of bounded rank: the door, and the closed form.

For a Kronecker loss they are the truncated singular value decompositions of the whitened
target: choose which singular values to keep (Eckart & Young 1936).  Nothing is searched for, so
nothing can be missed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb
from typing import Any

from detvar.critical.bures_wasserstein import BuresWassersteinPoints, bures_wasserstein_points
from detvar.critical.certified import CertifiedPoints
from detvar.critical.spectrum import (
    SpectralComponent,
    Spectrum,
    rational_critical_matrix,
    spectral_components,
    spectrum,
)
from detvar.errors import PositiveDimensionalError
from detvar.exact.matrices import Matrix
from detvar.exact.rational import versions
from detvar.exact.text import html_table, text_table
from detvar.losses import BuresWassersteinLoss, Loss, Reduction, is_analytic
from detvar.networks.linear import LinearNetwork
from detvar.varieties import DeterminantalVariety

HEADERS = ("rank", "keeps", "value", "nature", "index", "nullity", "dimension")


@dataclass(frozen=True)
class CriticalPoints:
    """The critical points of ℓ on M_r and on its strata M_e, e < r.

    Attributes
    ----------
    variety : the matrices of rank at most r
    loss : ℓ, of the Kronecker class
    reduction : the effective problem; ranks below are ranks there
    spectrum : the singular values, None when ℓ is constant
    components : by rank from r down, for every choice of singular values kept; a component of
        dimension 0 is one point, others are products of Grassmannians
    """

    variety: DeterminantalVariety
    loss: Loss
    reduction: Reduction
    spectrum: Spectrum | None
    components: tuple[SpectralComponent, ...]

    @property
    def bound(self) -> int:
        """The largest rank of an effective matrix."""
        return min(self.variety.rank, *self.reduction.widths)

    @property
    def smooth(self) -> tuple[SpectralComponent, ...]:
        """The components of rank exactly r: the critical points on the smooth part of M_r."""
        return tuple(c for c in self.components if c.rank == self.bound)

    @property
    def real(self) -> tuple[SpectralComponent, ...]:
        """The smooth critical points; all of them are real."""
        return self.smooth

    @property
    def minima(self) -> tuple[SpectralComponent, ...]:
        """The local minima of ℓ on M_r, all of them global: top choices of rank r, or G = 0."""
        if self.spectrum is None:
            return ()
        full = self.spectrum.rank
        return tuple(
            c for c in self.components if c.rank == full or (c.rank == self.bound and c.is_top)
        )

    @property
    def complex_count(self) -> int | None:
        """The number of smooth complex critical points, None if there are infinitely many."""
        if self.spectrum is None:
            return None
        try:
            return self.spectrum.complex_count(self.bound)
        except PositiveDimensionalError:
            return None

    @property
    def expected_count(self) -> int | None:
        """binom(k, r) for k distinct non-zero singular values; None for other data."""
        if self.spectrum is None or not self.spectrum.is_generic:
            return None
        return comb(self.spectrum.size, self.bound)

    @property
    def expected_count_source(self) -> str:
        """Where the count comes from."""
        if self.expected_count is None:
            return "closed form; singular values coincide or vanish, so no generic count applies"
        return "binom(k, r) choices of r among k distinct non-zero singular values"

    @property
    def is_complete(self) -> bool:
        """Whether all critical points are listed: always, by the closed form."""
        return True

    @property
    def certificates(self) -> list[str]:
        """Recount the singular values by Sylvester's law; the lines say what was found."""
        return [] if self.spectrum is None else self.spectrum.check()

    def matrix(self, component: SpectralComponent) -> Matrix | None:
        """Return the critical matrix of a component, in effective coordinates, if it is rational.

        It is when the kept singular values are all conjugates of each other or rational, that is
        when they fill whole factors of the characteristic polynomial over Q; otherwise None.
        """
        if self.reduction.loss is None:
            return None
        form = self.reduction.loss.kronecker()
        return None if form is None else rational_critical_matrix(form, component)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the table, one row per component."""
        out = []
        minima = set(map(id, self.minima))
        for c in self.components:
            nature = "global minimum" if id(c) in minima else "saddle"
            if c.rank < self.bound and id(c) not in minima:
                nature = "lower rank"
            out.append((c.rank, c.symbols, str(c.value), nature, c.index, c.nullity, c.dimension))
        return out

    def __str__(self) -> str:
        v = self.variety
        head = f"Critical points on the {v.rows}×{v.columns} matrices of rank at most {v.rank}"
        if self.spectrum is None:
            return f"{head}: the loss is constant, every matrix is critical."
        count = self.complex_count
        found = "infinitely many" if count is None else str(count)
        return "\n".join(
            [
                head,
                str(self.spectrum),
                "",
                text_table(HEADERS, self.rows()),
                "",
                f"{found} of rank {self.bound}; {self.expected_count_source}.",
            ]
        )

    def _repr_html_(self) -> str:
        return html_table(HEADERS, self.rows())

    def to_latex(self) -> str:
        """Return the problem, the singular values and the table, as LaTeX text."""
        from detvar.critical.latex import critical_points

        return critical_points(self)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind_of_result": "critical_points",
            "variety": [self.variety.rows, self.variety.columns, self.variety.rank],
            "loss": self.loss.to_json(),
            "spectrum": None if self.spectrum is None else self.spectrum.to_json(),
            "components": [c.to_json() for c in self.components],
            "complex_count": self.complex_count,
            "expected_count": self.expected_count,
            "expected_count_source": self.expected_count_source,
            "is_complete": self.is_complete,
            "versions": versions(),
        }


def critical_points(
    where: DeterminantalVariety | LinearNetwork,
    loss: Loss,
    *,
    certify: bool = True,
    seed: int = 0,
    budget: float = 60.0,
    progress: bool | Callable[[Any], None] = True,
) -> CriticalPoints | CertifiedPoints | BuresWassersteinPoints:
    """Return every critical point of ℓ on the m×n matrices of rank at most r.

    Kronecker losses are solved in closed form, other algebraic losses by tracking all points of
    a generic loss of their family and certifying the end points. Of losses with exp, log or
    roots the real points are searched for, proved, and for convex losses proved to be all. For
    ℓ = ½ tr(P(W−U)Σ(W−U)ᵀ) + c₀ these are, on each rank e, W̄ with
    P^½W̄Σ^½ = Σ_{s∈S} σ_s u_s v_sᵀ, |S| = e, with value c₀ + ½ Σ_{q∉S} σ_q² and index
    #{(s, q) : σ_q > σ_s}.

    Parameters
    ----------
    where : the variety, or a network, whose function space is taken
    loss : squared, weighted, quadratic, power, likelihood, logistic, softmax, exponential, …
    certify : closed form only: recount the singular values by Sylvester's law
    seed, budget : without a closed form: of the random start; in seconds
    progress : without a closed form: True shows a line on standard error after half a second,
        False is silent; a function is called with a `Progress` (rank, found, expected, real, …)

    Raises
    ------
    InputError
        If the data of the loss are out of range.
    ShapeError
        If the loss is on matrices of another shape.
    PositiveDimensionalError
        If the critical points are seen not to be isolated.

    Notes
    -----
    **Cost**: closed form: one characteristic polynomial and its factorisation. Tracking: as many
    paths as the generic ED degree, for every rank, after a search about four times as long.
    **Validity**: closed form: any data. Tracking: what is certified is proved; the list is
    proved complete exactly if `is_complete` says so. When the budget ends, or on an interrupt,
    the points certified so far come back, marked incomplete.

    References
    ----------
    Eckart & Young (1936); Trager, Kohn, Bruna (2020) for count and indices.

    Examples
    --------
    >>> from detvar.losses import SquaredLoss
    >>> loss = SquaredLoss([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[3, 0, 0], [0, 2, 0], [0, 0, 1]])
    >>> found = critical_points(DeterminantalVariety(3, 3, 1), loss)
    >>> found.complex_count, [(str(c.value), c.index) for c in found.smooth]
    (3, [('5/2', 0), ('5', 1), ('13/2', 2)])
    """
    variety = where.function_space if isinstance(where, LinearNetwork) else where
    if isinstance(loss, BuresWassersteinLoss):
        return bures_wasserstein_points(variety, loss)
    # a network of one hidden layer carries the reduction; rank 0 has no network of its own
    network = LinearNetwork(variety.columns, max(variety.rank, 1), variety.rows)
    if isinstance(where, LinearNetwork) and is_analytic(loss):
        network = where
    reduction = loss.reduce(network)
    if reduction.loss is None:
        return CriticalPoints(variety, loss, reduction, None, ())
    form = reduction.loss.kronecker()
    if form is None:
        return _searched(variety, loss, where, seed, budget, progress)
    singular = spectrum(form)
    if certify:
        lines = singular.check()
        if any(line.startswith("refused") for line in lines):
            raise AssertionError(lines[-1])
    bound = min(variety.rank, *reduction.widths, singular.rank)
    found = [c for e in range(bound, -1, -1) for c in spectral_components(singular, e)]
    return CriticalPoints(variety, loss, reduction, singular, tuple(found))


def _searched(
    variety: DeterminantalVariety,
    loss: Loss,
    where: DeterminantalVariety | LinearNetwork,
    seed: int,
    budget: float,
    progress: bool | Callable[[Any], None],
) -> CertifiedPoints:
    """Track the points of an algebraic loss; search for those of others."""
    from detvar.critical.analytic.search import search_analytic_points
    from detvar.critical.search import search_critical_points

    search = search_analytic_points if is_analytic(loss) else search_critical_points
    network = where if isinstance(where, LinearNetwork) else None
    if not isinstance(progress, bool):
        return search(variety, loss, network, seed, budget, progress)
    if not progress:
        return search(variety, loss, network, seed, budget)
    from detvar.homotopy.progress import ProgressLine

    with ProgressLine() as line:
        return search(variety, loss, network, seed, budget, line.update)
