"""How far given data are from a change of the critical points of a squared loss, exactly.

In the coordinates where ℓ is ½‖W − Z‖² + c₀, Z = P^½UΣ^½, everything is decided by the singular
values σ₁ ≥ … ≥ σ_k of Z, k = min(m, n).  The nearest matrix with σᵢ = σᵢ₊₁ is at the distance
(σᵢ − σᵢ₊₁)/√2: for every Z′ Mirsky's theorem gives ‖Z − Z′‖² ≥ Σ (σⱼ(Z) − σⱼ(Z′))², and if
σᵢ(Z′) = σᵢ₊₁(Z′) = s two of the terms are (σᵢ − s)² + (σᵢ₊₁ − s)² ≥ (σᵢ − σᵢ₊₁)²/2; replacing
both values by their mean, with the singular vectors of Z, attains it.  In the same way the
nearest matrix of rank below k is at the distance σ_k.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from detvar.critical.singular_values import Spectrum, spectrum
from detvar.errors import InputError
from detvar.exact.algebraic import RealAlgebraic, real_algebraic
from detvar.exact.rational import Rational, versions
from detvar.exact.text import html_table, text_table
from detvar.losses import Loss
from detvar.networks.linear import LinearNetwork
from detvar.varieties import DeterminantalVariety

HEADERS = ("pair", "ratio", "distance", "changes")


@dataclass(frozen=True)
class Pair:
    """Two adjacent singular values σᵢ ≥ σᵢ₊₁ and the nearest data where they coincide.

    Attributes
    ----------
    spectrum : of the data
    index : i, from 1 on
    is_decisive : whether their order decides which matrices of rank r are global minima: i = r
    """

    spectrum: Spectrum
    index: int
    is_decisive: bool

    @property
    def ratio(self) -> RealAlgebraic | None:
        """σᵢ₊₁/σᵢ, from 0 to 1; None if both are 0.

        **Cost**: for conjugate squares of degree d factors polynomials of degree d² and 2d².
        """
        s, i = self.spectrum, self.index
        if i >= s.rank:
            return None if i > s.rank else real_algebraic(0)
        return 1 / s.ratio(i)

    @cached_property
    def distance(self) -> RealAlgebraic:
        """(σᵢ − σᵢ₊₁)/√2, in whitened coordinates."""
        squares = _squares(self.spectrum)
        a, b = squares[self.index - 1], squares[self.index]
        # a root of half the square has a smaller degree than a root over √2
        return (a * Rational(1, 2)).sqrt() - (b * Rational(1, 2)).sqrt()

    @property
    def label(self) -> str:
        """The pair by name."""
        return f"σ{self.index}, σ{self.index + 1}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        ratio = self.ratio
        return {
            "index": self.index,
            "ratio": None if ratio is None else ratio.to_json(),
            "distance": self.distance.to_json(),
            "is_decisive": self.is_decisive,
        }


@dataclass(frozen=True)
class ChangeDistance:
    """How far the data of a squared loss are from other critical points of rank r.

    Attributes
    ----------
    spectrum : the singular values of Z, after the reduction to what the loss sees
    rank : r, at most k = min(m′, n′)
    reduced : whether the loss is blind to some directions, so that Z is smaller than the data
    """

    spectrum: Spectrum
    rank: int
    reduced: bool

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All adjacent pairs, σ₁ and σ₂ first; for 0 < r < k each changes some critical point."""
        k, r = self.spectrum.size, self.rank
        return tuple(Pair(self.spectrum, i, i == r) for i in range(1, k) if 0 < r < k)

    @property
    def decisive(self) -> Pair | None:
        """σ_r and σ_{r+1}, the only pair that changes the global minimum; None if r = k."""
        return next((p for p in self.pairs if p.is_decisive), None)

    @cached_property
    def nearest(self) -> Pair | None:
        """The pair at the least distance, the first of several; None if there is no pair.

        Raises
        ------
        IncompleteError
            If two distances agree to a million bits and equality is not proved.
        """
        return min(self.pairs, key=lambda p: p.distance, default=None)

    @property
    def to_lower_rank(self) -> RealAlgebraic:
        """σ_k, the distance to the matrices of rank below k: there a critical point that keeps
        σ_k falls to lower rank."""
        squares = _squares(self.spectrum)
        return squares[-1].sqrt()

    @property
    def has_unique_minimum(self) -> bool:
        """Whether one matrix alone is the global minimum: σ_r > σ_{r+1}, or σ_{r+1} = 0."""
        squares, r = _squares(self.spectrum), self.rank
        return r >= len(squares) or not squares[r] or squares[r - 1] > squares[r] if r else True

    def verdict(self) -> str:
        """Return what it means for the minima of rank r."""
        pair, r = self.decisive, self.rank
        if pair is None:
            if r == 0:
                return "Only the zero matrix is allowed: nothing changes."
            return "The rank is no restriction: the minimum is unique whatever the data are."
        if not pair.distance:
            if self.has_unique_minimum:
                return (
                    f"The minimum is unique, as {self.label} has rank at most {r}, but σ{r} = "
                    f"σ{r + 1} = 0: arbitrarily near data have several."
                )
            return f"σ{r} = σ{r + 1}: the global minima form a family."
        return (
            f"The global minimum is unique and stays so up to the distance {_short(pair.distance)}"
            f" of the data, where σ{r} and σ{r + 1} meet; other pairs change only saddles."
        )

    @property
    def label(self) -> str:
        """What the distances are measured in."""
        return "the effective Z" if self.reduced else "Z"

    def rows(self) -> list[tuple[str, ...]]:
        """Return the table."""
        out: list[tuple[str, ...]] = []
        for p in self.pairs:
            ratio = p.ratio
            what = "the global minimum and saddles" if p.is_decisive else "saddles only"
            out.append((p.label, "" if ratio is None else _short(ratio), _short(p.distance), what))
        if self.rank:
            k = self.spectrum.size
            out.append((f"σ{k}, 0", "", _short(self.to_lower_rank), "a point falls to lower rank"))
        return out

    def __str__(self) -> str:
        lines = [str(self.spectrum)]
        if self.rows():
            lines += ["", text_table(HEADERS, self.rows(), align="lrrl"), ""]
        lines.append(self.verdict())
        lines.append(f"Frobenius distances in whitened coordinates, {self.label} = P^½UΣ^½.")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return html_table(HEADERS, self.rows())

    def to_latex(self) -> str:
        """Return the singular values and the distances as LaTeX text."""
        from detvar.critical.latex import change_distance

        return change_distance(self)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        nearest = self.nearest
        return {
            "kind_of_result": "distance_to_change",
            "spectrum": self.spectrum.to_json(),
            "rank": self.rank,
            "reduced": self.reduced,
            "pairs": [p.to_json() for p in self.pairs],
            "nearest": None if nearest is None else nearest.index,
            "to_lower_rank": self.to_lower_rank.to_json(),
            "has_unique_minimum": self.has_unique_minimum,
            "verdict": self.verdict(),
            "versions": versions(),
        }


def distance_to_change(where: DeterminantalVariety | LinearNetwork, loss: Loss) -> ChangeDistance:
    """Return how far the data are from data with other critical points, exactly.

    For each pair of adjacent singular values of Z = P^½UΣ^½ the ratio σᵢ₊₁/σᵢ and the distance
    (σᵢ − σᵢ₊₁)/√2 to the nearest matrix where they coincide, as real algebraic numbers.

    Parameters
    ----------
    where : the matrices of rank at most r, or a network, whose function space is taken
    loss : squared, or another one with the Hessian P ⊗ Σ

    Raises
    ------
    InputError
        If the Hessian is no Kronecker product, or the loss is constant.
    ShapeError
        If the loss is on matrices of another shape.

    Notes
    -----
    **Cost**: a characteristic polynomial of size k and its roots; the numbers when asked for.
    **Validity**: any data. Directions that the loss does not see are divided out first, so that
    P, Σ ≻ 0; singular values of the rest do not depend on how. For ½‖WX − Y‖² the distance is
    also the one of Y to the nearest such Y′ with the same X: with the orthonormal columns
    R = Xᵀ(XXᵀ)^(−½) one has Z = YR, so that ‖Z − Z′‖ ≤ ‖Y − Y′‖, with equality for
    Y′ = Y + (Z′ − Z)Rᵀ. P and Σ themselves are kept fixed.

    References
    ----------
    L. Mirsky, "Symmetric gauge functions and unitarily invariant norms", 1960, theorem 5.

    Examples
    --------
    >>> from detvar.losses import SquaredLoss
    >>> one = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    >>> loss = SquaredLoss(one, [[5, 0, 0], [0, 3, 0], [0, 0, 2]])
    >>> found = distance_to_change(DeterminantalVariety(3, 3, 1), loss)
    >>> [(p.label, str(p.ratio), str(p.distance)) for p in found.pairs]
    [('σ1, σ2', '3/5', '√2'), ('σ2, σ3', '2/3', '√2/2')]
    >>> found.nearest.label, found.decisive.label
    ('σ2, σ3', 'σ1, σ2')
    """
    variety = where.function_space if isinstance(where, LinearNetwork) else where
    network = LinearNetwork(variety.columns, max(variety.rank, 1), variety.rows)
    reduction = loss.reduce(network)
    if reduction.loss is None:
        raise InputError("the loss is constant: there is nothing that could change")
    form = reduction.loss.kronecker()
    if form is None:
        raise InputError(
            "the Hessian of this loss is no Kronecker product, so that singular values do not "
            "decide: look at a path of data with detvar.discriminant instead"
        )
    bound = min(variety.rank, reduction.widths[0], reduction.widths[-1])
    return ChangeDistance(spectrum(form), bound, reduction.changed)


def _squares(s: Spectrum) -> list[RealAlgebraic]:
    """All σ² with multiplicity, zeros included, decreasing."""
    out = [x for x, k in zip(s.squares, s.multiplicities, strict=True) for _ in range(k)]
    return out + [real_algebraic(0)] * s.zeros


def _short(x: RealAlgebraic) -> str:
    """The number as text: exact where that is short, otherwise a decimal."""
    text = str(x)
    return text if len(text) <= 16 else x.decimal()
