"""Symmetries of a loss: signed permutations of rows and columns, and transposition, that keep it.

They map critical points to critical points with the same value, which decides ties exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product
from math import factorial
from typing import Any

from detvar.critical.certified_point import CertifiedPoint
from detvar.exact.matrices import Matrix
from detvar.losses import LikelihoodLoss, Loss, PowerLoss, WeightedSquaredLoss

_MOST = 200_000


@dataclass(frozen=True)
class SignedPermutation:
    """W ↦ W' with W'_ij = s_i t_j W_{ρ(i) σ(j)}, after a transposition of W if there is one."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    row_signs: tuple[int, ...]
    column_signs: tuple[int, ...]
    transposes: bool

    def apply(self, w: list[list[Any]], signed: bool = True) -> list[list[Any]]:
        """Return the image of a list of rows; without signs for weights and the like."""
        if self.transposes:
            w = [list(column) for column in zip(*w, strict=True)]
        return [
            [
                w[i][j] * (s * t) if signed else w[i][j]
                for j, t in zip(self.columns, self.column_signs, strict=True)
            ]
            for i, s in zip(self.rows, self.row_signs, strict=True)
        ]


def symmetries(loss: Loss) -> Iterator[SignedPermutation]:
    """Yield the signed permutations g with ℓ(gW) = ℓ(W) for all W, proved by the data of ℓ.

    Notes
    -----
    **Cost**: all signed permutations are tried, at most 200 000; of larger problems only those
    that permute nothing.
    **Validity**: for weighted, power and likelihood losses; nothing is yielded for others.
    """
    m, n = loss.shape
    total = factorial(m) * factorial(n) * 2 ** (m + n)
    rows = list(permutations(range(m))) if total <= _MOST else [tuple(range(m))]
    columns = list(permutations(range(n))) if total <= _MOST else [tuple(range(n))]
    data = _data(loss)
    if data is None:
        return
    signed, plain = data
    signs_allowed = not isinstance(loss, LikelihoodLoss)
    row_signs = [
        (1, *s) if signs_allowed else (1,) * m
        for s in product((1, -1), repeat=m - 1 if signs_allowed else 0)
    ]
    column_signs = list(product((1, -1), repeat=n)) if signs_allowed else [(1,) * n]
    for turn in (False, True) if m == n else (False,):
        for rho, sigma in product(rows, columns):
            bare = SignedPermutation(rho, sigma, (1,) * m, (1,) * n, turn)
            if any(bare.apply(a, False) != a for a in plain):
                continue
            for s, t in product(row_signs, column_signs):
                g = SignedPermutation(rho, sigma, s, t, turn)
                if all(g.apply(a) == a for a in signed):
                    yield g


def _data(loss: Loss) -> tuple[list[list[list[Any]]], list[list[list[Any]]]] | None:
    """Return the matrices that change their signs with W, and those that do not."""

    def rows(a: Matrix) -> list[list[Any]]:
        return [list(row) for row in a.tolist()]

    if isinstance(loss, WeightedSquaredLoss):
        return [rows(loss.target)], [rows(loss.weights)]
    if isinstance(loss, PowerLoss):
        return [rows(loss.target)], []
    if isinstance(loss, LikelihoodLoss):
        return [], [rows(loss.counts)]
    return None


def images(loss: Loss, start: CertifiedPoint, points: list[tuple[int, CertifiedPoint]]) -> set[int]:
    """Return the numbers of the points that are proved to be images of one under a symmetry.

    Parameters
    ----------
    loss : ℓ
    start : a real critical point
    points : (number, point): *all* real critical points of the same rank, pairwise distinct

    Notes
    -----
    The image of a critical point is one of the list; it is the only one whose disc the image of
    the disc meets.
    """
    out: set[int] = set()
    for g in symmetries(loss):
        moved = g.apply([[z.real for z in row] for row in start.center])
        near = [k for k, p in points if _meets(moved, start.radius, p)]
        if len(near) == 1:
            out.add(near[0])
    return out


def _meets(w: list[list[float]], radius: float, p: CertifiedPoint) -> bool:
    reach = (radius + p.radius) * (1 + 1e-9) + 1e-300
    return all(
        abs(x - z.real) <= reach + abs(x) * 2.0**-50
        for row, other in zip(w, p.center, strict=True)
        for x, z in zip(row, other, strict=True)
    )
