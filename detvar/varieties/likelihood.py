"""Maximum-likelihood degrees: the number of critical points of ∏ p_ij^{u_ij}, where it is known.

The model is {P of rank at most r, Σ p_ij = 1}; the count is over C, for generic data u, on the
smooth locus, with no p_ij equal to 0.  For 3 ≤ r ≤ min(m, n) − 2 no formula is known to this
module, so it answers *unknown*, except for one published number.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any

from detvar.errors import InputError

_TABLE = {(5, 5, 3): 61326}

_FULL = "without a rank condition the only critical point is u divided by its sum"
_ZERO = "the zero matrix does not have entries of sum 1"
_ONE = "independence model: the only critical point is the product of the two marginals"
_TWO = "weighted Euler characteristic of the open variety (Rodriguez & Wang 2017)"
_DUAL = "duality of ranks r and k−r+1, k the smaller side (Draisma & Rodriguez 2014), from rank 2: "
_PUBLISHED = (
    "Hauenstein, Rodriguez & Sturmfels 2014, table of Theorem 1.1; recalled, not recomputed"
)
_UNKNOWN = (
    "no formula is known here for this rank: count the critical points of the problem instead"
)


@dataclass(frozen=True)
class MLDegree:
    """A maximum-likelihood degree with its source, or the statement that it is unknown.

    Attributes
    ----------
    value : int or None
        None means unknown; it never means zero.
    source : str
        Where the number comes from, or why there is none.

    Examples
    --------
    >>> d = ml_degree(3, 3, 2)
    >>> int(d), d.is_known
    (10, True)
    >>> print(ml_degree(6, 6, 3).value)
    None
    """

    value: int | None
    source: str

    @property
    def is_known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None

    def __int__(self) -> int:
        if self.value is None:
            raise InputError(f"this ML degree is unknown: {self.source}")
        return self.value

    def __str__(self) -> str:
        return f"{'unknown' if self.value is None else self.value} ({self.source})"

    def to_json(self) -> dict[str, Any]:
        """Return the answer as plain data: value (null when unknown), source."""
        return {"value": self.value, "source": self.source}

    @classmethod
    def from_json(cls, data: Any) -> MLDegree:
        """Return the answer that `to_json` wrote."""
        try:
            value, source = data["value"], str(data["source"])
            return cls(None if value is None else int(value), source)
        except (KeyError, TypeError, ValueError):
            raise InputError("an ML degree needs the fields value, source") from None


def rank_two_ml_degree(m: int, n: int) -> int:
    """Return the ML degree of m×n matrices of rank at most 2, m, n ≥ 2.

    With k = min(m, n) and Stirling numbers S of the second kind it is
    (−1)^m Σ_{s=2}^m (−1)^s (s−2)! S(m,s) [(s−1)^{n+1} − s(s−2)^n + (−1)^n] − (−1)^{m+n}(k−1).

    Notes
    -----
    **Derivation.** The ML degree is minus the Euler characteristic, weighted by the local Euler
    obstruction, of the projective variety outside p_ij = 0 and Σp = 0 (its dimension is odd).
    The obstruction is 1 at rank 2 and k − 1 at rank 1.  The rank-1 part has characteristic
    (−1)^{m+n}.  For the rank-2 part sort the matrices AB by the set partition of the rows of A
    into s parallel classes, count them over the field with q elements, and let q → 1; the sum
    above is what remains, up to sign.
    **Cost.** O(m²) operations on integers.
    **Validity.** Generic complex data.

    References
    ----------
    Rodriguez, Wang (2017), The maximum likelihood degree of mixtures of independence models;
    Gaffney, Grulha, Ruas (2019), for the obstruction.

    Examples
    --------
    >>> [rank_two_ml_degree(3, n) == 2 ** (n + 1) - 6 for n in range(3, 7)]
    [True, True, True, True]
    >>> rank_two_ml_degree(4, 4), rank_two_ml_degree(2, 5)
    (191, 1)
    """
    m, n = min(m, n), max(m, n)
    total = 0
    for s in range(2, m + 1):
        bracket = (s - 1) ** (n + 1) - s * (s - 2) ** n + (-1) ** n
        total += (-1) ** (m + s) * factorial(s - 2) * _stirling(m, s) * bracket
    return total - (-1) ** (m + n) * (m - 1)


def _stirling(m: int, s: int) -> int:
    """Return the number of partitions of an m-set into s blocks."""
    row = [1]
    for _ in range(m):
        row = [0] + [
            (j * row[j] if j < len(row) else 0) + row[j - 1] for j in range(1, len(row) + 1)
        ]
    return row[s]


def ml_degree(m: int, n: int, r: int) -> MLDegree:
    """Return the ML degree of {P : rk P ≤ r, Σ p_ij = 1}, with its source.

    Parameters
    ----------
    m, n, r : int
        0 ≤ r ≤ k = min(m, n).

    Returns
    -------
    MLDegree
        Known for r ≤ 2, for r ≥ k − 1, and for 5×5 of rank 3; otherwise its value is None.

    Notes
    -----
    **Validity.** Generic u; critical points over C with all p_ij ≠ 0, at smooth points.

    References
    ----------
    Hauenstein, Rodriguez, Sturmfels (2014), Maximum likelihood for matrices with rank
    constraints; Draisma, Rodriguez (2014), Maximum likelihood duality for determinantal
    varieties; Rodriguez, Wang (2017).

    Examples
    --------
    >>> ml_degree(4, 4, 2).value, ml_degree(4, 4, 3).value
    (191, 191)
    """
    k = min(m, n)
    if r == 0:
        return MLDegree(0, _ZERO)
    if r == k:
        return MLDegree(1, _FULL)
    if r == 1:
        return MLDegree(1, _ONE)
    if r == 2:
        return MLDegree(rank_two_ml_degree(m, n), _TWO)
    if r == k - 1:
        return MLDegree(rank_two_ml_degree(m, n), _DUAL + _TWO)
    value = _TABLE.get((k, max(m, n), r))
    return MLDegree(value, _UNKNOWN if value is None else _PUBLISHED)
