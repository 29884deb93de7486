"""Piecewise linear lower bounds of convex losses, and what follows from them exactly."""

from __future__ import annotations

from dataclasses import dataclass

from detvar.exact.matrices import Matrix
from detvar.exact.rational import Rational


@dataclass(frozen=True)
class Growth:
    """ℓ(W) ≥ Σ_k slope_k max(0, −row_k · vec W) − constant, with the recession cone of ℓ."""

    rows: Matrix
    slopes: tuple[Rational, ...]
    constant: Rational
