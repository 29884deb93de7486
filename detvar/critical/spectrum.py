"""The critical points of a Kronecker loss on the matrices of fixed rank, in closed form.

For ℓ(W) = ½ tr(P(W − U)Σ(W − U)ᵀ) + c₀ with P, Σ ≻ 0, a critical W on the matrices of rank e
is one for which P^½WΣ^½ keeps e of the singular values of P^½UΣ^½, with their vectors, and drops
the others.  So a component of the critical set is a choice of what to keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from detvar.critical.singular_values import (
    KroneckerData,
    Spectrum,
    ed_discriminant,
    evaluate,
    small_side,
    spectrum,
)
from detvar.errors import NotCertifiedError, ShapeError
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.inertia import Inertia
from detvar.exact.matrices import (
    Matrix,
    chain,
    columns,
    hstack,
    inverse,
    is_zero,
    nullspace,
    rank,
    zeros,
)

__all__ = [
    "KroneckerData",
    "SpectralComponent",
    "Spectrum",
    "components_up_to",
    "ed_discriminant",
    "rational_critical_matrix",
    "spectral_components",
    "spectrum",
]


@dataclass(frozen=True)
class SpectralComponent:
    """The critical points of rank e that take sⱼ of the μⱼ singular values equal to the j-th.

    They form a product of Grassmannians ∏ Gr(sⱼ, μⱼ), one point if all sⱼ are 0 or μⱼ.  The
    loss is a Morse–Bott function there: its Hessian on the rank-e matrices is degenerate only
    along the component.

    Attributes
    ----------
    spectrum : Spectrum
    take : tuple of int
        sⱼ for each distinct non-zero σ, decreasing.
    """

    spectrum: Spectrum = field(repr=False)
    take: tuple[int, ...]

    def __post_init__(self) -> None:
        sizes = self.spectrum.multiplicities
        if len(self.take) != len(sizes) or any(
            not 0 <= s <= k for s, k in zip(self.take, sizes, strict=True)
        ):
            raise ShapeError(f"take is {self.take}: give numbers from 0 to {sizes}, in this order")

    @property
    def rank(self) -> int:
        """e = Σ sⱼ."""
        return sum(self.take)

    @property
    def left(self) -> tuple[int, ...]:
        """μⱼ − sⱼ, how many of each are dropped."""
        return tuple(k - s for s, k in zip(self.take, self.spectrum.multiplicities, strict=True))

    @property
    def dimension(self) -> int:
        """Σ sⱼ(μⱼ − sⱼ), the dimension of the product of Grassmannians."""
        return sum(s * q for s, q in zip(self.take, self.left, strict=True))

    @property
    def index(self) -> int:
        """The number of pairs of a taken σ_s and a dropped σ_q with σ_q > σ_s."""
        out = greater = 0
        for s, q in zip(self.take, self.left, strict=True):
            out += s * greater
            greater += q
        return out

    @property
    def nullity(self) -> int:
        """The number of pairs with σ_q = σ_s ≠ 0, which is the dimension."""
        return self.dimension

    @property
    def inertia(self) -> Inertia:
        """The inertia of the Hessian of ℓ on the smooth manifold of rank-e matrices."""
        m, n = self.spectrum.shape
        total = self.rank * (m + n - self.rank)
        return Inertia(total - self.index - self.nullity, self.index, self.nullity)

    @property
    def is_top(self) -> bool:
        """Whether no dropped σ exceeds a taken one; then the value is least among rank e."""
        return self.index == 0

    @cached_property
    def value(self) -> RealAlgebraic:
        """c₀ + ½ Σ σ_q² over the dropped singular values, exact."""
        return self.spectrum.value(self.take)

    @property
    def label(self) -> str:
        """The singular values taken, as text."""
        parts = []
        rows = zip(self.spectrum.labels, self.take, self.spectrum.multiplicities, strict=True)
        for text, s, k in rows:
            if s:
                parts.append(text if k == 1 else f"{text} ({s} of {k})")
        return ", ".join(parts) or "nothing"

    @property
    def symbols(self) -> str:
        """The singular values taken, by number: σ1 is the largest distinct one."""
        parts = []
        for j, (s, k) in enumerate(zip(self.take, self.spectrum.multiplicities, strict=True)):
            if s:
                parts.append(f"σ{j + 1}" if k == 1 else f"σ{j + 1} ({s} of {k})")
        return ", ".join(parts) or "none"

    def __str__(self) -> str:
        return (
            f"Takes {self.label}: rank {self.rank}, value {self.value}, dimension "
            f"{self.dimension}, index {self.index}."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `take` is keyed by the singular values as text."""
        return {
            "take": dict(zip(self.spectrum.labels, self.take, strict=True)),
            "rank": self.rank,
            "dimension": self.dimension,
            "index": self.index,
            "nullity": self.nullity,
            "inertia": list(self.inertia),
            "value": self.value.to_json(),
            "is_top": self.is_top,
        }


def spectral_components(spectrum: Spectrum, rank: int) -> tuple[SpectralComponent, ...]:
    """Return all critical points of rank exactly `rank`; none if it exceeds ρ or is negative.

    Ordered by the choice, larger singular values first.

    Notes
    -----
    **Cost**: `Spectrum.component_count` choices; values are computed when they are asked for.

    References
    ----------
    C. Eckart, G. Young, 1936; M. Trager, K. Kohn, J. Bruna, 2020.

    Examples
    --------
    >>> s = Spectrum.from_singular_values([3, 2, 1])
    >>> [(c.label, str(c.value), c.index) for c in spectral_components(s, 1)]
    [('3', '5/2', 0), ('2', '5', 1), ('1', '13/2', 2)]
    """
    return tuple(SpectralComponent(spectrum, t) for t in _choices(spectrum.multiplicities, rank))


def components_up_to(spectrum: Spectrum, rank_bound: int) -> tuple[SpectralComponent, ...]:
    """Return the components of every rank e ≤ `rank_bound`, from high rank to low."""
    top = min(rank_bound, spectrum.rank)
    return tuple(c for e in range(top, -1, -1) for c in spectral_components(spectrum, e))


def _choices(sizes: tuple[int, ...], total: int) -> Iterator[tuple[int, ...]]:
    if not 0 <= total <= sum(sizes):
        return
    if not sizes:
        yield ()
        return
    for s in range(min(sizes[0], total), -1, -1):
        for rest in _choices(sizes[1:], total - s):
            yield (s, *rest)


def rational_critical_matrix(form: KroneckerData, component: SpectralComponent) -> Matrix | None:
    """Return a rational critical matrix of the component, or None if conjugate σ² are treated
    differently and so none is fixed by the Galois group.

    With B a rational basis of the sum of the eigenspaces of UΣUᵀP that are taken, it is
    B(BᵀPB)⁻¹BᵀP·U.  On a component of positive dimension one point is returned.

    Raises
    ------
    NotCertifiedError
        If WᵀG = 0, GWᵀ = 0 or rank W = e fails for the result, G = P(W − U)Σ; that happens only
        if the component belongs to another loss.

    Examples
    --------
    >>> s = Spectrum.from_singular_values([2, 1])
    >>> [rational_critical_matrix(s.form, c).tolist() for c in spectral_components(s, 1)]
    [[[2, 0], [0, 0]], [[0, 0], [0, 1]]]
    """
    chosen: dict[tuple[Any, ...], tuple[int, int]] = {}
    whole = component.spectrum
    for x, s, k in zip(whole.squares, component.take, whole.multiplicities, strict=True):
        f = tuple(x.minimal_polynomial().coeffs())
        if chosen.setdefault(f, (s, k)) != (s, k):
            return None
    _, metric, gram = small_side(form)
    basis = zeros(gram.nrows(), 0)
    for coefficients, (s, k) in chosen.items():
        if s:
            kernel = nullspace(evaluate(coefficients, gram))
            part = kernel if s == k else _cyclic(gram, kernel, s, len(coefficients) - 1)
            basis = hstack(basis, part)
    if basis.ncols():
        dual = metric * basis
        projector = chain(basis, inverse(basis.transpose() * dual), dual.transpose())
    else:
        projector = zeros(gram.nrows(), gram.nrows())
    u = form.target
    w = projector * u if u.nrows() <= u.ncols() else u * projector.transpose()
    g = chain(form.left, w - u, form.right)
    if rank(w) != component.rank or not (is_zero(w.transpose() * g) and is_zero(g * w.transpose())):
        raise NotCertifiedError("the matrix is not critical: give the loss of this spectrum")
    return w


def _cyclic(a: Matrix, kernel: Matrix, count: int, degree: int) -> Matrix:
    """A sum of `count` subspaces ⟨v, av, …, a^(degree−1)v⟩ of the kernel of an irreducible f(a).

    Each v outside the sum so far adds a full block, as the kernel is a vector space over the
    field Q[x]/f.
    """
    out = zeros(a.nrows(), 0)
    for j in range(kernel.ncols()):
        v = columns(kernel, [j])
        if out.ncols() == count * degree:
            break
        if rank(hstack(out, v)) > out.ncols():
            for _ in range(degree):
                out = hstack(out, v)
                v = a * v
    return out
