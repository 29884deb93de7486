"""How many critical points of rank r there are, from a Gröbner basis: over Q or modulo primes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from time import monotonic

from detvar.critical.critical_ideal import CriticalIdeal, critical_ideals
from detvar.errors import IncompleteError, InputError
from detvar.exact.groebner import GroebnerBasis, groebner_basis
from detvar.exact.latex import words
from detvar.exact.msolve import count_modulo, find_msolve, leading_monomials, random_prime
from detvar.exact.quotient_algebra import QuotientAlgebra
from detvar.exact.rational_functions import Polynomial
from detvar.exact.staircase import dimension, standard_monomials
from detvar.losses import Loss

CHARTS = 3  # tried over Q; the first is sparse
_SMALL = 4  # unknowns up to which FLINT goes first


@dataclass(frozen=True)
class ExactCount:
    """The number of complex critical points of rank exactly r.

    Attributes
    ----------
    count : with multiplicity, the dimension of the quotient algebra; None if there are infinitely
        many
    distinct : without multiplicity; None if it was not computed
    dimension : of the set of critical points: −1 if it is empty, 0 if it is finite
    method : "flint", over Q, or "msolve", modulo primes
    primes : the primes used, none over Q
    seconds : float
    """

    count: int | None
    distinct: int | None
    dimension: int
    method: str
    primes: tuple[int, ...]
    seconds: float

    @property
    def is_proved(self) -> bool:
        """Whether the answer is a theorem: over Q it is, modulo primes it is not."""
        return self.method == "flint"

    @property
    def source(self) -> str:
        """Where the number comes from, and what it is worth."""
        if self.is_proved:
            return "Gröbner basis over Q"
        shown = ", ".join(map(str, self.primes))
        return (
            f"Gröbner bases modulo {shown}, which agree, in as many random charts; wrong only if "
            "all of these are unlucky in the same way"
        )

    def to_latex(self) -> str:
        """Return the count and its source as LaTeX text."""
        return words(str(self))

    def __str__(self) -> str:
        if self.count is None:
            what = f"critical points form a set of dimension {self.dimension}"
        else:
            what = f"{self.count} critical points with multiplicity"
            if self.distinct is not None:
                what += f", {self.distinct} distinct"
        return f"{what} ({self.source})"


def exact_count(
    loss: Loss,
    rank: int,
    *,
    primes: int = 2,
    seed: int = 0,
    budget: float = 60.0,
    distinct: bool = True,
    method: str | None = None,
) -> ExactCount:
    """Count the complex critical points of ℓ on the matrices of rank exactly r.

    Parameters
    ----------
    loss : with a gradient that is a rational function over Q, on m×n matrices
    rank : 1 ≤ r < min(m, n)
    primes : how many random primes, each with a random chart of its own, must agree
    seed : of primes and charts
    budget : seconds, all together
    distinct : whether to count without multiplicity too
    method : "flint", "msolve", or None: msolve, except where FLINT is as fast or msolve is absent

    Raises
    ------
    InputError
        If the gradient is not rational, or an argument is out of range.
    MissingExtraError
        If msolve is asked for and absent.
    IncompleteError
        If the budget ended first, or if two primes disagree.

    Notes
    -----
    **Cost**: a Gröbner basis; for each prime msolve takes 0.02 s for 40 solutions, 0.3 s for 300,
    half a minute for 1350; FLINT reaches about 15.
    **Validity**: over Q the count is proved, in every chart of the Grassmannian. Modulo a prime p
    it differs from the true one only if p divides one of finitely many unknown integers, if the
    random chart misses a point, or if the random row combinations of msolve lose rank: each has
    a chance of about (a degree)/2³⁰. Short of that a count modulo p bounds the true one neither
    from above nor from below: solutions can go to infinity modulo p, and others can appear.

    References
    ----------
    Cox, Little, O'Shea, *Using Algebraic Geometry*, 2005, §2.2; E. A. Arnold, "Modular algorithms
    for computing Gröbner bases", 2003.

    Examples
    --------
    >>> from detvar.losses import WeightedSquaredLoss
    >>> loss = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
    >>> found = exact_count(loss, 1)
    >>> found.count, found.distinct, found.is_proved
    (6, 6, True)
    """
    if primes < 1:
        raise InputError(f"primes is {primes}: give at least 1")
    if method not in (None, "flint", "msolve"):
        raise InputError(f'method is {method!r}: give "flint", "msolve" or None')
    begin = monotonic()
    if method is None:
        unknowns = critical_ideals(loss, rank)[0].unknowns
        small = unknowns <= _SMALL and loss.degree <= 2
        method = "flint" if small or find_msolve() is None else "msolve"
    if method == "flint":
        answer = _over_q(loss, rank, seed, budget, distinct)
        return ExactCount(*answer, method, (), monotonic() - begin)
    rng = Random(seed)
    used: list[int] = []
    answers: list[tuple[int | None, int | None, int]] = []
    for _ in range(primes):
        used.append(next(p for p in iter(lambda: random_prime(rng), None) if p not in used))
        chart = critical_ideals(loss, rank, seed=rng.randrange(2**62), size=2**28)[0]
        end = begin + budget
        answers.append(_modulo(chart, used[-1], rng.randrange(2**30), end, distinct))
        if answers[-1][::2] != answers[0][::2]:
            raise IncompleteError(
                f"the counts modulo {used[0]} and {used[-1]} disagree, {answers[0][0]} and "
                f"{answers[-1][0]}: try another seed"
            )
    count, _, size = answers[0]
    seen = {a[1] for a in answers}
    only = seen.pop() if len(seen) == 1 else None
    return ExactCount(count, only, size, method, tuple(used), monotonic() - begin)


def _modulo(
    chart: CriticalIdeal, prime: int, seed: int, end: float, distinct: bool
) -> tuple[int | None, int | None, int]:
    """(count, distinct, dimension) modulo a prime, in one chart."""

    def leading(f: Sequence[Polynomial]) -> list[tuple[int, ...]]:
        return leading_monomials(f, prime, end - monotonic())

    if leading(chart.degenerate()) != [(0,) * chart.unknowns]:
        chart = chart.saturated(seed)
    if distinct:
        found = count_modulo(chart.equations, prime, end - monotonic(), seed)
        if found is not None:
            return *found, 0 if found[0] else -1
    monomials = leading(chart.equations)
    size = dimension(monomials, chart.unknowns)
    standard = standard_monomials(monomials, chart.unknowns)
    return (None, None, size) if standard is None else (len(standard), None, size)


def _over_q(
    loss: Loss, rank: int, seed: int, budget: float, distinct: bool
) -> tuple[int | None, int | None, int]:
    """(count, distinct, dimension) over Q."""
    basis = finite_basis(loss, rank, seed, budget)[1]
    if basis.standard is None:
        return None, None, basis.dimension
    count = len(basis.standard)
    if not distinct:
        return count, None, basis.dimension
    return count, QuotientAlgebra.of(basis).distinct_count if count else 0, basis.dimension


def finite_basis(
    loss: Loss, rank: int, seed: int, budget: float
) -> tuple[CriticalIdeal, GroebnerBasis]:
    """Return a chart that contains all critical points of rank r, and a Gröbner basis over Q.

    That no point lies outside is proved by a Gröbner basis in every smaller Schubert cell. If
    there are infinitely many points, the cell is one where their set has its full dimension.

    Raises
    ------
    IncompleteError
        If the budget ended first.
    """
    end = monotonic() + budget
    for k in range(CHARTS):
        cells = critical_ideals(loss, rank, seed=seed + k, size=3 * k)
        found = [(cell, saturated_basis(cell, end - monotonic(), seed)) for cell in cells]
        largest = max(found, key=lambda pair: pair[1].dimension)
        if largest[1].dimension > 0:
            return largest
        if all(basis.dimension < 0 for _, basis in found[1:]):
            return found[0]
    raise IncompleteError(f"{CHARTS} charts all miss a critical point: try another seed")


def saturated_basis(cell: CriticalIdeal, budget: float, seed: int = 0) -> GroebnerBasis:
    """Return a Gröbner basis over Q of the critical points of rank exactly r in one chart."""
    end = monotonic() + budget
    found = groebner_basis(cell.equations, budget)
    if found.dimension < 0:
        return found
    if groebner_basis(cell.degenerate(), end - monotonic()).dimension < 0:
        return found
    return groebner_basis(cell.saturated(seed).equations, end - monotonic())


def dimension_modulo(polynomials: Sequence[Polynomial], seed: int, budget: float) -> int:
    """Return the dimension of the set of solutions modulo a random prime, by msolve."""
    monomials = leading_monomials(polynomials, random_prime(Random(seed)), budget)
    return dimension(monomials, len(monomials[0]))
