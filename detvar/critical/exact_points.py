"""The real critical points of rank r in closed form, from a Gröbner basis: small systems only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from detvar.critical.critical_ideal import critical_ideals
from detvar.critical.exact_count import CHARTS, dimension_modulo, finite_basis
from detvar.errors import IncompleteError, PositiveDimensionalError
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.msolve import parametrization
from detvar.exact.parametrization import Parametrization
from detvar.exact.quotient_algebra import QuotientAlgebra
from detvar.exact.rational_functions import Polynomial
from detvar.losses import Loss

_FORMS = 8


@dataclass(frozen=True, eq=False)
class ExactPoints:
    """The complex critical points of rank exactly r, as functions of the roots of a polynomial.

    Attributes
    ----------
    shape : (m, n)
    parametrization : of the distinct complex points; None if there are none
    is_proved : whether it is proved that none is missing; that each is one is proved in any case
    """

    shape: tuple[int, int]
    parametrization: Parametrization | None
    is_proved: bool
    _entries: tuple[Polynomial, ...]

    @property
    def distinct_count(self) -> int:
        """The number of distinct complex points."""
        return 0 if self.parametrization is None else self.parametrization.degree

    def real(self) -> list[tuple[tuple[RealAlgebraic, ...], ...]]:
        """Return the real critical matrices, as rows of real algebraic numbers.

        **Cost**: a minimal polynomial of the degree of the point for every entry.
        """
        if self.parametrization is None:
            return []
        n = self.shape[1]
        return [
            tuple(tuple(w[i : i + n]) for i in range(0, len(w), n))
            for w in self.parametrization.real_values(self._entries)
        ]


def exact_points(
    loss: Loss, rank: int, *, seed: int = 0, budget: float = 60.0, method: str = "flint"
) -> ExactPoints:
    """Return all critical points of rank exactly r, exactly.

    Parameters
    ----------
    loss : with a gradient that is a rational function over Q
    rank : 1 ≤ r < min(m, n)
    seed : of charts and linear forms
    budget : seconds
    method : "flint" or "msolve"

    Raises
    ------
    PositiveDimensionalError
        If there are infinitely many.
    MissingExtraError
        If msolve is asked for and absent.
    IncompleteError
        If the budget ended first.

    Notes
    -----
    **Cost**: a Gröbner basis over Q; up to about 15 points with "flint", 40 with "msolve".
    **Validity**: with "flint" the list is proved complete; with "msolve" that rests on its modular
    arithmetic and on a random chart.

    Examples
    --------
    >>> from detvar.losses import WeightedSquaredLoss
    >>> loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    >>> found = exact_points(loss, 1)
    >>> found.distinct_count, sorted(str(w[0][1]) for w in found.real())
    (6, ['-√5/16', '0', '0', '√5/16'])
    """
    if method == "flint":
        cell, basis = finite_basis(loss, rank, seed, budget)
        if basis.dimension > 0:
            raise PositiveDimensionalError(_infinite(rank, basis.dimension))
        found = _separated(QuotientAlgebra.of(basis), seed) if basis.dimension == 0 else None
        return ExactPoints(loss.shape, found, True, cell.matrix)
    end = monotonic() + budget

    def size(polynomials: Sequence[Polynomial]) -> int:
        return dimension_modulo(polynomials, seed, end - monotonic())

    for k in range(CHARTS):
        cells = critical_ideals(loss, rank, seed=seed + k, size=3 * k)
        cells = [c if size(c.degenerate()) < 0 else c.saturated(seed) for c in cells]
        sizes = [size(c.equations) for c in cells]
        if max(sizes) > 0:
            raise PositiveDimensionalError(_infinite(rank, max(sizes)))
        if all(x < 0 for x in sizes[1:]):
            system = cells[0].equations
            found = None if sizes[0] < 0 else parametrization(system, end - monotonic())
            return ExactPoints(loss.shape, found, False, cells[0].matrix)
    raise IncompleteError(f"{CHARTS} charts all miss a critical point: try another seed")


def _separated(algebra: QuotientAlgebra, seed: int) -> Parametrization:
    n = len(algebra.multiplication)
    for k in range(seed, seed + _FORMS):  # the moment curve meets every hyperplane in few points
        found = algebra.parametrization([(k + 2) ** i for i in range(n)])
        if found is not None:
            return found
    raise IncompleteError("no linear form separates the points: try another seed")


def _infinite(rank: int, size: int) -> str:
    return f"the critical points of rank {rank} form a set of dimension {size}: perturb the data"
