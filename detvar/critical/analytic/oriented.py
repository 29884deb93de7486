"""A loss on m×n matrices in the orientation and the coordinates that a search works in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from detvar.exact.balls import arb, arb_mat
from detvar.exact.matrices import Matrix
from detvar.losses import AnalyticLoss


@dataclass(frozen=True)
class Oriented:
    """A loss on m×n matrices, seen on their transposes if m > n: there are fewer charts then.

    With m ≤ n, moreover, a chart has no zeros of ∇f where B loses rank, for general data: there
    (I Aᵀ)PᵀG = 0 and GBᵀ = 0, and an m×n matrix G has too small a left kernel for that.

    Attributes
    ----------
    loss : ℓ as given
    is_plain : whether the coordinates are the entries of W itself; otherwise W stands for WT⁻¹
        with the T of `whitened`, where the loss has it
    """

    loss: AnalyticLoss
    is_plain: bool = False

    @cached_property
    def _inner(self) -> tuple[AnalyticLoss, Matrix | None]:
        """The loss that is evaluated, and T."""
        whitened = getattr(self.loss, "whitened", None)
        return (self.loss, None) if self.is_plain or whitened is None else whitened()

    def given(self, w: arb_mat) -> arb_mat:
        """Return the matrix, or ball matrix, that W stands for."""
        _, t = self._inner
        return self.turn(w) if t is None else self.turn(w) * arb_mat(t)

    def standing_for(self, w: Any) -> Any:
        """Return the float array that stands for a given one, m×n with m ≤ n."""
        import numpy as np

        _, t = self._inner
        if t is not None:
            table = [[float(x.p) / float(x.q) for x in row] for row in t.tolist()]
            w = w @ np.linalg.inv(np.array(table))
        return self._turned_array(w)

    @cached_property
    def is_turned(self) -> bool:
        """Whether W stands for the transposed matrix."""
        m, n = self.loss.shape
        return m > n

    @cached_property
    def shape(self) -> tuple[int, int]:
        """(m, n) with m ≤ n."""
        m, n = self.loss.shape
        return min(m, n), max(m, n)

    @cached_property
    def _places(self) -> list[int]:
        """Where the entries of W are in the row-major vec of its transpose."""
        m, n = self.shape
        return [j * m + i for i in range(m) for j in range(n)]

    def turn(self, w: arb_mat) -> arb_mat:
        """Return W with as many rows as the given matrices, or back."""
        return w.transpose() if self.is_turned else w

    def value(self, w: arb_mat) -> arb:
        """Return a ball that contains ℓ."""
        return self._inner[0].value_ball(self.turn(w))

    def gradient(self, w: arb_mat) -> arb_mat:
        """Return balls that contain ∇ℓ, m×n."""
        return self.turn(self._inner[0].gradient_ball(self.turn(w)))

    def hessian(self, w: arb_mat) -> arb_mat:
        """Return balls that contain ∇²ℓ, mn×mn."""
        h = self._inner[0].hessian_ball(self.turn(w))
        if not self.is_turned:
            return h
        table, p = h.tolist(), self._places
        return arb_mat([[table[i][j] for j in p] for i in p])

    def value_array(self, w: Any) -> Any:
        """Return ℓ in floats for an array (…, m, n)."""
        return self._inner[0].value_array(self._turned_array(w))

    def gradient_array(self, w: Any) -> Any:
        """Return ∇ℓ in floats, (…, m, n)."""
        return self._turned_array(self._inner[0].gradient_array(self._turned_array(w)))

    def hessian_array(self, w: Any) -> Any:
        """Return ∇²ℓ in floats, (…, mn, mn)."""
        h = self._inner[0].hessian_array(self._turned_array(w))
        if not self.is_turned:
            return h
        return h[..., self._places, :][..., self._places]

    def _turned_array(self, w: Any) -> Any:
        return w.swapaxes(-1, -2) if self.is_turned else w
