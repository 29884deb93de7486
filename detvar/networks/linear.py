"""Linear networks: the map μ from weights (W₁, …, W_h) to the product W_h ⋯ W₁.

Everything here is exact and holds for every weight vector, degenerate ones included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from operator import index
from typing import TYPE_CHECKING, Any

from detvar.errors import InputError, ShapeError
from detvar.exact.latex import displayed, product, space
from detvar.exact.matrices import (
    Matrix,
    column_space,
    hstack,
    identity,
    kron,
    matrix,
    rank,
    require_exact,
    shape,
    to_sympy,
)
from detvar.networks import intervals as _intervals

if TYPE_CHECKING:
    from detvar.networks.fiber import Fiber
    from detvar.varieties import DeterminantalVariety

Weights = tuple[Matrix, ...]
_LISTED = 5  # layers whose shapes are written out


@dataclass(frozen=True, init=False)
class LinearNetwork:
    """The parametrization μ(W₁, …, W_h) = W_h ⋯ W₁ with W_i of shape d_i × d_{i−1}.

    Its image is the determinantal variety of d_h × d_0 matrices of rank ≤ min d_i.

    Parameters
    ----------
    *widths : int
        d_0, …, d_h, input first; at least two, all ≥ 1.

    Raises
    ------
    ShapeError
        If there are fewer than two widths, or one is not a positive integer.

    References
    ----------
    Trager, Kohn, Bruna, *Pure and Spurious Critical Points* (ICLR 2020).

    Examples
    --------
    >>> net = LinearNetwork(3, 2, 3)
    >>> net.depth, net.rank_bound, net.is_filling, net.weight_count
    (2, 2, False, 12)
    """

    widths: tuple[int, ...]

    def __init__(self, *widths: int) -> None:
        if len(widths) < 2:
            raise ShapeError(
                "a network needs at least two widths: give input and output, as in 3-2"
            )
        for i, d in enumerate(widths):
            if not hasattr(d, "__index__") or isinstance(d, bool) or d < 1:
                # Python prints no integer of more than 4300 digits
                shown = "negative" if isinstance(d, int) and d < -(10**40) else repr(d)
                raise ShapeError(f"width {i} is {shown}: give positive integers, as in 3-2-3")
        object.__setattr__(self, "widths", tuple(map(index, widths)))

    @classmethod
    def parse(cls, text: str) -> LinearNetwork:
        """Return the network written as widths joined by hyphens.

        >>> LinearNetwork.parse("3-2-3")
        LinearNetwork(3, 2, 3)
        """
        parts = text.strip().split("-")
        if not all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
            raise InputError(f'the network "{text}" is not a list of widths: write it as 3-2-3')
        return cls(*(int(part) for part in parts))

    def __repr__(self) -> str:
        return f"LinearNetwork({', '.join(map(str, self.widths))})"

    def __str__(self) -> str:
        return "-".join(map(str, self.widths))

    def to_latex(self) -> str:
        r"""Return the map μ in LaTeX.

        >>> print(LinearNetwork(2, 1, 3).to_latex())
        \bar W=W_{2}W_{1},\quad W_{1}\in\mathbb{R}^{1\times 2},\ W_{2}\in\mathbb{R}^{3\times 1}
        """
        layers = [
            rf"W_{{{i}}}\in{space(b, a)}" for i, (a, b) in enumerate(pairwise(self.widths), start=1)
        ]
        if len(layers) > _LISTED:
            layers = [
                r"W_{i}\in\mathbb{R}^{d_{i}\times d_{i-1}}",
                f"d=({','.join(map(str, self.widths))})",
            ]
        listed = r",\ ".join(layers)
        return rf"\bar W={product('W', self.depth)},\quad {listed}"

    _repr_latex_ = displayed

    @property
    def depth(self) -> int:
        """h, the number of layers of weights."""
        return len(self.widths) - 1

    @property
    def rank_bound(self) -> int:
        """r = min d_i, input and output included."""
        return min(self.widths)

    @property
    def is_filling(self) -> bool:
        """Whether every d_h × d_0 matrix is an end-to-end map: r = min(d_0, d_h)."""
        return self.rank_bound == min(self.widths[0], self.widths[-1])

    @property
    def weight_count(self) -> int:
        """D = Σ d_i d_{i−1}, the dimension of the weight space."""
        return sum(a * b for a, b in zip(self.widths, self.widths[1:], strict=False))

    @property
    def maximal_differential_rank(self) -> int:
        """The largest rank of dμ: r(m + n − r), the dimension of the function space."""
        r = self.rank_bound
        return r * (self.widths[0] + self.widths[-1] - r)

    @property
    def function_space(self) -> DeterminantalVariety:
        """The image of μ: d_h × d_0 matrices of rank at most r."""
        from detvar.varieties import DeterminantalVariety

        return DeterminantalVariety(self.widths[-1], self.widths[0], self.rank_bound)

    def reversed(self) -> LinearNetwork:
        """Return the network of the transposed maps, with widths d_h, …, d_0."""
        return LinearNetwork(*reversed(self.widths))

    def check_weights(self, weights: Any) -> Weights:
        """Return the weights as exact matrices, after a check of number and shapes.

        Raises
        ------
        ShapeError
            If there are not h matrices, or W_i is not d_i × d_{i−1}.
        NotExactError
            If an entry is not an exact number.
        """
        self._require_depth(weights)
        out = []
        for i, w in enumerate(weights):
            require_exact(w, f"weights[{i}]")
            out.append(matrix(w, f"weights[{i}]"))
            self._require_layer(i, *shape(out[-1]))
        return tuple(out)

    def _require_layer(self, i: int, m: int, n: int) -> None:
        rows, cols = self.widths[i + 1], self.widths[i]
        if (m, n) != (rows, cols):
            raise ShapeError(
                f"weights[{i}] (layer {i + 1} of {self}) is {m}×{n}: give a {rows}×{cols} matrix"
            )

    def _require_depth(self, weights: Any) -> None:
        if isinstance(weights, (str, bytes, dict)) or not hasattr(weights, "__len__"):
            raise ShapeError(f"weights must be a list of {self.depth} matrices, W_1 first")
        if len(weights) != self.depth:
            raise ShapeError(
                f"weights has {len(weights)} matrices, but {self} has {self.depth} layers: "
                f"give W_1, …, W_{self.depth}"
            )

    def symbolic_weights(self, letter: str = "w") -> tuple[Any, ...]:
        """Return SymPy matrices of symbols w{layer}_{row}_{column}, all counted from 1."""
        import sympy

        return tuple(
            sympy.Matrix(
                b,
                a,
                lambda i, j, layer=layer: sympy.Symbol(f"{letter}{layer + 1}_{i + 1}_{j + 1}"),
            )
            for layer, (a, b) in enumerate(zip(self.widths, self.widths[1:], strict=False))
        )

    def end_to_end(self, weights: Any) -> Any:
        """Return W_h ⋯ W_1.

        Parameters
        ----------
        weights : sequence of h matrices, W_1 first
            Exact matrices, or SymPy matrices with free symbols.

        Returns
        -------
        fmpq_mat, or a SymPy matrix when the weights are symbolic; d_h × d_0.

        Examples
        --------
        >>> LinearNetwork(2, 1, 2).end_to_end([[[1, 2]], [[3], [4]]])
        [3, 6]
        [4, 8]
        """
        self._require_depth(weights)
        if any(getattr(w, "free_symbols", None) for w in weights):
            return self._symbolic_product(weights)
        return self.partial_product(self.check_weights(weights), 0, self.depth)

    def _symbolic_product(self, weights: Any) -> Any:
        product: Any = None
        for i, w in enumerate(weights):
            symbolic = getattr(w, "free_symbols", None)
            factor = w if symbolic else to_sympy(matrix(w, f"weights[{i}]"))
            self._require_layer(i, *factor.shape)
            product = factor if product is None else factor * product
        return product

    def partial_product(self, weights: Weights, p: int, q: int) -> Matrix:
        """Return W_q ⋯ W_{p+1}, the map from layer p to layer q (the identity for p = q)."""
        product = identity(self.widths[p])
        for w in weights[p:q]:
            product = w * product
        return product

    def rank_array(self, weights: Any) -> tuple[tuple[int, ...], ...]:
        """Return the ranks r_pq of all partial products; entry [p][q − p] is rk W_q⋯W_{p+1}.

        Two weight vectors have the same rank array iff they differ by a change of basis in
        every layer (Abeasis & Del Fra 1985).

        >>> LinearNetwork(2, 1, 2).rank_array([[[1, 2]], [[0], [0]]])
        ((2, 1, 0), (1, 0), (2,))
        """
        w = self.check_weights(weights)
        out = []
        for p, d in enumerate(self.widths):
            product, row = identity(d), [d]
            for factor in w[p:]:
                product = factor * product
                row.append(rank(product))
            out.append(tuple(row))
        return tuple(out)

    def intervals(self, weights: Any) -> _intervals.IntervalBasis:
        """Return the barcode basis: bases of all layers in which the weights are 0/1 matrices."""
        return _intervals.interval_basis(self.widths, self.check_weights(weights))

    def differential(self, weights: Any) -> Matrix:
        """Return the Jacobian of μ, d_h d_0 × D, for row-major vec of W̄ and of W_1, …, W_h.

        The block of layer i is W_h⋯W_{i+1} ⊗ (W_{i−1}⋯W_1)ᵀ.

        >>> LinearNetwork(2, 1, 2).differential([[[1, 0]], [[0], [1]]]).rank()
        3
        """
        w = self.check_weights(weights)
        above, below = self.outer_products(w)
        return hstack(*(kron(a, b.transpose()) for a, b in zip(above, below, strict=True)))

    def outer_products(self, weights: Weights) -> tuple[list[Matrix], list[Matrix]]:
        """Return ([W_{>1}, …, W_{>h}], [W_{<1}, …, W_{<h}]): what stands left and right of W_i."""
        above, below = [identity(self.widths[-1])], [identity(self.widths[0])]
        for w in reversed(weights[1:]):
            above.append(above[-1] * w)
        for w in weights[:-1]:
            below.append(w * below[-1])
        return above[::-1], below

    def differential_rank(self, weights: Any) -> int:
        """Return rk dμ(θ) = Σ a_i b_{i−1} − Σ a_i b_i, from ranks of partial products alone.

        Here a_i = rk W_h⋯W_{i+1} and b_i = rk W_i⋯W_1; the first sum runs over i = 1…h, the
        second over i = 1…h−1.

        Notes
        -----
        **Cost**: 2h ranks of matrices no larger than the layers.
        **Validity**: every θ. The images of the layers, Col(W_{>i}) ⊗ Row(W_{<i}), form a
        staircase: the columns grow with i while the rows shrink.

        References
        ----------
        Trager, Kohn, Bruna (2020), on the rank of the differential.

        Examples
        --------
        >>> net = LinearNetwork(2, 2, 2)
        >>> net.differential_rank([[[1, 2], [2, 4]], [[1, 1], [0, 0]]])
        3
        """
        a, b = self.end_ranks(self.check_weights(weights))
        h = self.depth
        return sum(a[i] * b[i - 1] for i in range(1, h + 1)) - sum(a[i] * b[i] for i in range(1, h))

    def end_ranks(self, weights: Weights) -> tuple[list[int], list[int]]:
        """Return (a_0, …, a_h) and (b_0, …, b_h): a_i = rk W_h⋯W_{i+1}, b_i = rk W_i⋯W_1."""
        above, below = self.outer_products(weights)
        a = [rank(above[0] * weights[0]), *map(rank, above)]
        b = [*map(rank, below), a[0]]
        return a, b

    def differential_is_maximal(self, weights: Any) -> bool:
        """Say whether dμ(θ) has the largest rank that any weight vector reaches, r(m + n − r).

        For a filling network this says that dμ is onto, which happens iff for every hidden
        layer i either W_h⋯W_{i+1} has rank m or W_i⋯W_1 has rank n; otherwise it says that
        the end-to-end map has rank r.
        """
        w = self.check_weights(weights)
        a, b = self.end_ranks(w)
        if self.is_filling:
            n, m = self.widths[0], self.widths[-1]
            return all(a[i] == m or b[i] == n for i in range(1, self.depth))
        return a[0] == self.rank_bound

    def image_of_differential(self, weights: Any) -> Matrix:
        """Return a basis of Im dμ(θ) = Σ_i Col(W_{>i}) ⊗ Row(W_{<i}), as mn × rank columns."""
        w = self.check_weights(weights)
        above, below = self.outer_products(w)
        blocks = [
            kron(column_space(a), column_space(b.transpose()))
            for a, b in zip(above, below, strict=True)
        ]
        return column_space(hstack(*blocks))

    def strata(self, budget: int = 20_000) -> Any:
        """Return the poset of rank arrays as a networkx.DiGraph; see `detvar.networks.strata`."""
        from detvar.networks.strata import strata

        return strata(self.widths, budget=budget)

    def fiber(self, rank: int, budget: int = 20_000) -> Fiber:
        """Return the fiber of μ over a matrix of the given rank; see `detvar.networks.fiber`."""
        from detvar.networks.fiber import fiber

        return fiber(self.widths, rank, budget=budget)

    def random_weights(
        self,
        rank: int | None = None,
        seed: int = 0,
        rank_array: tuple[tuple[int, ...], ...] | None = None,
    ) -> Weights:
        """Return exact random weights whose product has the given rank (default: r).

        See `detvar.networks.random.random_weights` for the choice of a stratum.
        """
        from detvar.networks.random import random_weights

        return random_weights(self, rank=rank, seed=seed, rank_array=rank_array)
