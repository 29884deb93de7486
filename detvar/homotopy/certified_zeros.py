"""Zeros of one system with what is proved about each: where, alone, real, distinct."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detvar.exact.balls import RationalDisc
from detvar.homotopy.balls import BallArray, BoolArray, ComplexArray, RealArray, ball_array


@dataclass(frozen=True, eq=False)
class CertifiedZeros:
    """Approximate zeros of one system and what is proved about each.

    Attributes
    ----------
    enclosures : BallArray, shape (P, N)
        Row k contains exactly one zero if `certified[k]`; otherwise its radii are infinite.
    unique : float64 array, shape (P, N)
        The zero of row k is the only one with |x_i − mid_i| ≤ unique_i; 0 where nothing is proved.
    certified, is_real, is_nonreal : bool arrays, shape (P,)
        What is proved.  A certified zero with neither of the last two is undecided.
    contraction : float64 array, shape (P,)
        The bound q < 1 of the test that succeeded; infinite where none did.
    bits : int64 array, shape (P,)
        Working precision of the proof: 53, more for the fallback, 0 where there is none.
    precise : dict
        For zeros of the fallback: the enclosing discs with rational midpoints and radii.
    """

    enclosures: BallArray
    unique: RealArray
    certified: BoolArray
    is_real: BoolArray
    is_nonreal: BoolArray
    contraction: RealArray
    bits: NDArray[np.int64]
    precise: dict[int, tuple[RationalDisc, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.certified)

    def __str__(self) -> str:
        certified = int(self.certified.sum())
        undecided = certified - int(self.is_real.sum()) - int(self.is_nonreal.sum())
        text = (
            f"{certified} of {len(self)} points certified: {int(self.is_real.sum())} real, "
            f"{int(self.is_nonreal.sum())} not real"
        )
        return text + (f", {undecided} undecided" if undecided else "")

    @property
    def points(self) -> ComplexArray:
        """The midpoints, shape (P, N); of a proved real zero, its real part."""
        return self.enclosures.mid

    @property
    def all_certified(self) -> bool:
        """Whether each point has a proof."""
        return bool(self.certified.all())

    def coordinates(self, rows: Any = slice(None)) -> list[BallArray]:
        """Return the N coordinates of the chosen rows, as arrays of balls."""
        balls = self.enclosures[rows]
        return [balls[..., i] for i in range(balls.shape[-1])]

    def not_separated(self, seed: int = 0) -> list[tuple[int, int]]:
        """Return the pairs of certified rows that are not proved to be different zeros.

        An empty list proves that all certified zeros are pairwise distinct.
        """
        from detvar.homotopy.enclosed import not_separated

        rows = np.flatnonzero(self.certified)
        back = {int(row): k for k, row in enumerate(rows)}
        precise = {back[row]: discs for row, discs in self.precise.items()}
        pairs = not_separated(self.enclosures[rows], seed=seed, precise=precise)
        return [(int(rows[i]), int(rows[j])) for i, j in pairs]

    def proved_equal(self, i: int, j: int) -> bool:
        """Say whether rows i and j are proved to enclose the same zero.

        The enclosure of j lies in the region where i is the only zero.
        """
        if not (self.certified[i] and self.certified[j]):
            return False
        gap = ball_array(self.points[i]) - self.enclosures[j]
        return bool((gap.upper() <= self.unique[i]).all())

    def to_json(self) -> dict[str, Any]:
        """Return all fields as lists; balls as [mid, rad] strings that read back exactly."""
        balls = self.enclosures
        return {
            "enclosures": [
                [[repr(complex(z)), repr(float(r))] for z, r in zip(mids, rads, strict=True)]
                for mids, rads in zip(balls.mid, balls.rad, strict=True)
            ],
            "unique": [[repr(float(r)) for r in row] for row in self.unique],
            "certified": self.certified.tolist(),
            "is_real": self.is_real.tolist(),
            "is_nonreal": self.is_nonreal.tolist(),
            "contraction": [repr(float(q)) for q in self.contraction],
            "bits": self.bits.tolist(),
            "precise": {
                str(k): [[str(x) for x in disc] for disc in discs]
                for k, discs in self.precise.items()
            },
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CertifiedZeros:
        """Return the object that `to_json` wrote; its claims are read, not proved again."""
        from detvar.exact.rational import rational

        rows = data["enclosures"]
        shape = (len(rows), len(rows[0]) if rows else 0)
        mid = np.array([[complex(z) for z, _ in row] for row in rows], dtype=np.complex128)
        rad = np.array([[float(r) for _, r in row] for row in rows], dtype=np.float64)
        unique = np.array([[float(r) for r in row] for row in data["unique"]], dtype=np.float64)
        return cls(
            BallArray(mid.reshape(shape), rad.reshape(shape)),
            unique.reshape(shape),
            np.array(data["certified"], dtype=bool),
            np.array(data["is_real"], dtype=bool),
            np.array(data["is_nonreal"], dtype=bool),
            np.array([float(q) for q in data["contraction"]]),
            np.array(data["bits"], dtype=np.int64),
            {
                int(k): tuple(RationalDisc(*(rational(x) for x in disc)) for disc in discs)
                for k, discs in data["precise"].items()
            },
        )
