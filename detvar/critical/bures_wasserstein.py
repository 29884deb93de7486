"""The critical points of the Bures–Wasserstein loss on the matrices of fixed rank, in closed form.

Write K = WWᵀ, B = (S^½KS^½)^½. On the matrices of rank e with S ≻ 0, W ↦ B is a submersion onto
the positive semidefinite matrices of rank e, whose fibres are the orbits W·O(n), and
ℓ(W) = tr(S⁻¹B²) − 2 tr B + tr S = tr((B − S)S⁻¹(B − S)): a weighted distance from B to S. So the
theory is that of Eckart and Young for symmetric matrices: a critical B keeps e of the eigenvalues
of S, with their eigenvectors, and drops the others; then also K = B.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from detvar.critical.spectrum import (
    SpectralComponent,
    Spectrum,
    rational_critical_matrix,
    spectral_components,
    spectrum,
)
from detvar.errors import ShapeError
from detvar.exact import latex
from detvar.exact.algebraic import RealAlgebraic
from detvar.exact.inertia import Inertia
from detvar.exact.matrices import Matrix, chain, identity, rank, to_text_rows
from detvar.exact.rational import Rational, versions
from detvar.exact.text import html_table, text_table
from detvar.losses.bures_wasserstein import BuresWassersteinLoss
from detvar.varieties import DeterminantalVariety

HEADERS = ("rank", "keeps", "value", "nature", "index", "nullity", "dimension")


class _Data(NamedTuple):
    """½ tr((W − L)D(W − L)ᵀ) with S = LDLᵀ: its squared singular values are the λ > 0 of S."""

    left: Matrix
    right: Matrix
    target: Matrix
    constant: Rational


@dataclass(frozen=True)
class CovarianceComponent:
    """The critical W of rank e with WWᵀ = PS, P a projector onto e of the eigenvectors of S.

    For each eigenvalue with multiplicity μⱼ, sⱼ are kept: P runs through ∏ Gr(sⱼ, μⱼ), and W over
    it through a Stiefel manifold of e orthonormal rows in R^n.

    Near B = PS = diag(Λ, 0) the matrices of rank e are [[X, Yᵀ], [Y, YX⁻¹Yᵀ]], X = Λ + x, and to
    second order ℓ = const + Σ x_st²/λ_s + Σ y_qs²(1/λ_q − 1/λ_s). So a pair of a kept λ_s and a
    dropped λ_q > λ_s counts one negative square, and one with λ_q = λ_s a zero, along Gr. If S is
    singular, the rows of W in ker S add ‖·‖² with (m − ρ)e positive squares.

    Attributes
    ----------
    choice : which eigenvalues are kept, sⱼ of the j-th
    rows, columns : m and n
    """

    choice: SpectralComponent = field(repr=False)
    rows: int
    columns: int

    @property
    def take(self) -> tuple[int, ...]:
        """sⱼ for each distinct eigenvalue > 0, decreasing."""
        return self.choice.take

    @property
    def rank(self) -> int:
        """e = Σ sⱼ."""
        return self.choice.rank

    @property
    def index(self) -> int:
        """The number of pairs of a kept λ_s and a dropped λ_q > λ_s."""
        return self.choice.index

    @property
    def dimension(self) -> int:
        """Σ sⱼ(μⱼ − sⱼ) + ne − e(e + 1)/2, of Grassmannians and of the Stiefel manifold."""
        e = self.rank
        return self.choice.dimension + self.columns * e - e * (e + 1) // 2

    @property
    def nullity(self) -> int:
        """The dimension: ℓ is a Morse–Bott function on the matrices of rank e."""
        return self.dimension

    @property
    def inertia(self) -> Inertia:
        """The inertia of the Hessian of ℓ on the smooth manifold of rank-e matrices."""
        total = self.rank * (self.rows + self.columns - self.rank)
        return Inertia(total - self.index - self.nullity, self.index, self.nullity)

    @property
    def connected_components(self) -> int:
        """2 for e = n and whole eigenspaces, as O(n) has two components; otherwise 1.

        For e < n Stiefel manifolds are connected. For e = n the signs of det are exchanged along
        a loop in Gr(s, μ), 0 < s < μ, on which the tautological bundle is not orientable.
        """
        return 2 if self.rank == self.columns and self.choice.dimension == 0 else 1

    @property
    def is_top(self) -> bool:
        """Whether no dropped eigenvalue exceeds a kept one; then ℓ is least among rank e."""
        return self.index == 0

    @cached_property
    def value(self) -> RealAlgebraic:
        """Σ λ_q over the dropped eigenvalues, exact."""
        return self.choice.value * 2

    @property
    def symbols(self) -> str:
        """The eigenvalues kept, by number: λ1 is the largest distinct one."""
        return self.choice.symbols.replace("σ", "λ")

    def covariance(self) -> Matrix | None:
        """Return WWᵀ = PS for a W of the component, if a rational one is known; otherwise None.

        There is one if conjugate eigenvalues are kept equally often.
        """
        form = self.choice.spectrum.form
        kept = rational_critical_matrix(form, self.choice)
        return None if kept is None else chain(kept, form.right, kept.transpose())

    def to_latex(self) -> str:
        """Return the sentence, as LaTeX text."""
        return latex.words(str(self))

    def __str__(self) -> str:
        return (
            f"Keeps {self.symbols}: rank {self.rank}, value {self.value}, dimension "
            f"{self.dimension}, index {self.index}."
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        k = self.covariance()
        return {
            "take": list(self.take),
            "rank": self.rank,
            "value": self.value.to_json(),
            "index": self.index,
            "nullity": self.nullity,
            "inertia": list(self.inertia),
            "dimension": self.dimension,
            "connected_components": self.connected_components,
            "covariance": None if k is None else to_text_rows(k),
        }


@dataclass(frozen=True)
class BuresWassersteinPoints:
    """The critical points of a Bures–Wasserstein loss on M_r and on its strata M_e, e < r.

    *Lower rank is never a local minimum on M_r.* Let W have rank e < min(r, ρ), ρ = rk S. If W
    has a part N in ker S, W − tN has the same rank and a smaller value. Otherwise let D = uvᵀ with
    u ∈ Im S outside Im W and 0 ≠ v ∈ ker W: W ± tD are in M_r, and the slopes of ℓ along D and −D
    add up to a negative number (`BuresWassersteinLoss`). So a local minimum has rank min(r, ρ);
    there ℓ is smooth on M_r, and index 0 leaves the top choices: it is global.

    *Nor in the weights of a network*, for S ≻ 0. Let e = rk(W_h⋯W_1) be less than all widths.
    Split the layers into strings (barcode) and leave out the e whole ones: each layer keeps some
    vector. Follow one from the input; when its string ends, add τ times a map to a vector of the
    next layer, and so on. The product becomes W + b·y(τ)ᵀ = W + τᵏ(D + O(τ)) with D = byᵀ, where
    b ∉ Im W and y is not 0 on ker W; the sign of the last map turns D. As ℓ is locally Lipschitz,
    one sign descends. So the rank of a local minimum is the least width r; there the weights map
    submersively onto the rank-r matrices (Trager, Kohn, Bruna 2020), and the minimum is global.

    Attributes
    ----------
    variety : the matrices of rank at most r
    loss : ℓ
    spectrum : the distinct eigenvalues λ > 0 of S in `squares`, with `multiplicities`
    components : by rank from min(r, ρ) down, for every choice of eigenvalues kept
    """

    variety: DeterminantalVariety
    loss: BuresWassersteinLoss
    spectrum: Spectrum
    components: tuple[CovarianceComponent, ...]

    @property
    def eigenvalues(self) -> tuple[RealAlgebraic, ...]:
        """The distinct positive eigenvalues of S, decreasing."""
        return self.spectrum.squares

    @property
    def multiplicities(self) -> tuple[int, ...]:
        """How often each of them occurs."""
        return self.spectrum.multiplicities

    @property
    def bound(self) -> int:
        """min(r, ρ), the largest rank of a critical point."""
        return min(self.variety.rank, self.spectrum.rank)

    @property
    def smooth(self) -> tuple[CovarianceComponent, ...]:
        """The components of rank min(r, ρ), where ℓ is smooth on M_r or on all matrices."""
        return tuple(c for c in self.components if c.rank == self.bound)

    @property
    def real(self) -> tuple[CovarianceComponent, ...]:
        """The smooth critical points; all of them are real."""
        return self.smooth

    @property
    def minima(self) -> tuple[CovarianceComponent, ...]:
        """The local minima on M_r, all of them global: the top choices of rank min(r, ρ)."""
        return tuple(c for c in self.smooth if c.is_top)

    @property
    def minimal_value(self) -> RealAlgebraic:
        """The sum of the ρ − min(r, ρ) least positive eigenvalues, exact."""
        return self.minima[0].value

    @property
    def complex_count(self) -> int | None:
        """None, as W can be turned to WQ; 1 on rank 0."""
        return 1 if self.bound == 0 else None

    @property
    def expected_count(self) -> int:
        """How many components of rank min(r, ρ) there are: choices of kept eigenvalues."""
        return self.spectrum.component_count(self.bound)

    @property
    def expected_count_source(self) -> str:
        """Where the count comes from."""
        return "closed form: the choices of eigenvalues of the covariance to keep"

    @property
    def is_complete(self) -> bool:
        """Whether all critical points are listed: always, by the closed form."""
        return True

    @property
    def claims(self) -> tuple[str, ...]:
        """What is proved about local minima, in sentences."""
        r, rho = self.variety.rank, self.spectrum.rank
        out = [
            f"Every local minimum among the matrices of rank at most {r} is global, "
            f"of rank {self.bound}, with value {self.minimal_value}."
        ]
        if self.bound:
            out.append(
                f"Points of rank below {self.bound} are critical on the matrices of their own "
                "rank; the loss on all matrices is not differentiable there, and decreases in "
                "some direction to a higher rank."
            )
        if rho < r:
            out.append(f"No matrix of rank above {rho}, the rank of the covariance, is critical.")
        return tuple(out)

    @property
    def certificates(self) -> list[str]:
        """Recount the eigenvalues by Sylvester's law, and check every rational K = PS exactly."""
        lines = self.spectrum.check()
        s, exact = self.loss.covariance, 0
        for c in self.components:
            k = c.covariance()
            if k is not None:
                if k * k != s * k or k != k.transpose() or rank(k) != c.rank:
                    return [*lines, f"refused: {c.symbols} is not kept by its covariance"]
                exact += 1
        lines = [x.replace("squared singular values", "eigenvalues") for x in lines]
        return [*lines, f"K² = SK, K = Kᵀ and rk K = e for {exact} rational covariances K = WWᵀ"]

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the table, one row per component."""
        out = []
        for c in self.components:
            nature = "global minimum" if c.is_top else "saddle"
            if c.rank < self.bound:
                nature = "lower rank"
            out.append((c.rank, c.symbols, str(c.value), nature, c.index, c.nullity, c.dimension))
        return out

    def __str__(self) -> str:
        v, s = self.variety, self.spectrum
        times = {1: "", 2: " (twice)"}
        shown = [
            f"λ{j + 1} = {x}{times.get(k, f' ({k} times)')}"
            for j, (x, k) in enumerate(zip(s.squares, s.multiplicities, strict=True))
        ]
        zeros = v.rows - s.rank
        shown += [f"0{times.get(zeros, f' ({zeros} times)')}"] if zeros else []
        return "\n".join(
            [
                f"Critical points on the {v.rows}×{v.columns} matrices of rank at most {v.rank}",
                f"Eigenvalues of the covariance: {', '.join(shown)}",
                "",
                text_table(HEADERS, self.rows()),
                "",
                *self.claims,
            ]
        )

    def _repr_html_(self) -> str:
        return html_table(HEADERS, self.rows())

    def to_latex(self) -> str:
        """Return the loss, the table and what is proved about minima, as LaTeX text."""
        table = [
            [str(rank), latex.words(keeps), f"${latex.algebraic(c.value)}$", nature, *numbers]
            for c, (rank, keeps, _, nature, *numbers) in zip(
                self.components, self.rows(), strict=True
            )
        ]
        return latex.paragraphs(
            latex.display(self.loss.to_latex()),
            latex.table(HEADERS, table, "rlllrrr"),
            *(latex.words(x) for x in self.claims),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        pairs = zip(self.eigenvalues, self.multiplicities, strict=True)
        return {
            "kind_of_result": "critical_points",
            "variety": [self.variety.rows, self.variety.columns, self.variety.rank],
            "loss": self.loss.to_json(),
            "eigenvalues": [{"value": x.to_json(), "multiplicity": k} for x, k in pairs],
            "components": [c.to_json() for c in self.components],
            "minimal_value": self.minimal_value.to_json(),
            "claims": list(self.claims),
            "complex_count": self.complex_count,
            "expected_count": self.expected_count,
            "expected_count_source": self.expected_count_source,
            "is_complete": self.is_complete,
            "versions": versions(),
        }


def bures_wasserstein_points(
    variety: DeterminantalVariety, loss: BuresWassersteinLoss
) -> BuresWassersteinPoints:
    """Return all critical points of ℓ(W) = ‖W‖² + tr S − 2‖S^½W‖_* on the matrices of each rank e.

    They are the W with WWᵀ = PS, P an orthogonal projector of rank e that commutes with S, zero
    on ker S. *Proof for S ≻ 0*: with S^½W = UΣVᵀ the slope along a tangent Δ is ⟨G, Δ⟩,
    G = 2(W − S^½UVᵀ). GWᵀ = 0 says K = S^½BS^(−½) for K = WWᵀ, B = UΣUᵀ = (S^½KS^½)^½, which is
    B² = SB. The transpose is B² = BS; so S preserves Im B and equals B there. Then K = B = PS,
    W = UΣ^½Vᵀ and G = 0. *For singular S*: let N be the part of W in ker S. W − tN has rank e for
    t < 1, and the slope along −N is −2‖N‖². So N = 0, Im W ⊂ Im S, and there S ≻ 0.

    Parameters
    ----------
    variety : m×n matrices of rank at most r
    loss : of the same shape

    Raises
    ------
    ShapeError
        If the shapes differ.

    Notes
    -----
    **Cost**: one characteristic polynomial and its factorisation.
    **Validity**: any S ⪰ 0, not 0. On rank e, ℓ is real analytic where rk S^½W = min(e, rk S);
    elsewhere it has a direction of descent, by the rows in ker S.

    References
    ----------
    Bréchet, Papagiannouli, An, Montúfar (2023), Theorem on critical points on rank k.

    Examples
    --------
    >>> loss = BuresWassersteinLoss([[3, 0, 0], [0, 2, 0], [0, 0, 1]])
    >>> found = bures_wasserstein_points(DeterminantalVariety(3, 3, 2), loss)
    >>> [(c.symbols, str(c.value), c.index, c.dimension) for c in found.smooth]
    [('λ1, λ2', '1', 0, 3), ('λ1, λ3', '2', 1, 3), ('λ2, λ3', '3', 2, 3)]
    """
    m, n = loss.shape
    if (variety.rows, variety.columns) != (m, n):
        raise ShapeError(
            f"the loss is on {m}×{n} matrices and the variety on {variety.rows}×"
            f"{variety.columns} ones: give columns={variety.columns} to the loss"
        )
    left, middle = loss.factors
    values = spectrum(_Data(identity(m), middle, left, Rational(0)))
    lines = values.check()
    if any(line.startswith("refused") for line in lines):
        raise AssertionError(lines[-1])
    top = min(variety.rank, values.rank)
    found = [
        CovarianceComponent(c, m, n)
        for e in range(top, -1, -1)
        for c in spectral_components(values, e)
    ]
    return BuresWassersteinPoints(variety, loss, values, tuple(found))
