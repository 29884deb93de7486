"""Maximum-likelihood degrees: the number of critical points of ∏ p_ij^{u_ij}, where it is known.

The model is {P of rank at most r, Σ p_ij = 1}; the count is over C, for generic data u, at smooth
points with no p_ij equal to 0.  Up to sign it is the Euler characteristic of the open projective
variety (all p_ij ≠ 0, Σ p_ij ≠ 0), weighted by the local Euler obstruction C(k−e, r−e), where
k = min(m, n).  With m = k this weight is the Euler characteristic of {V ∈ Gr(r, m) : Col P ⊂ V},
so the weighted count is the plain Euler characteristic of pairs (V, P), that is of products AB
with A of full column rank r modulo GL_r.  It is found from the number of such pairs over the
field with q elements, a polynomial in q, at q = 1.

This gives r = 2 for every size, and with duality r = k − 1.  In between, only the published 5×5
value is known here; beyond that the answer is *unknown*.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any

from detvar.errors import InputError
from detvar.exact.latex import words

_FULL = "without a rank condition the only critical point is u divided by its sum"
_ZERO = "the zero matrix does not have entries of sum 1"
_ONE = "independence model: the only critical point is the product of the two marginals"
_TWO = "weighted Euler characteristic of the open variety (Rodriguez & Wang 2017)"
_DUAL = "duality of ranks r and k−r+1, k the smaller side (Draisma & Rodriguez 2014), from rank 2: "
_FIVE = "computed by numerical algebraic geometry (Hauenstein, Rodriguez & Sturmfels 2014)"
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

    def to_latex(self) -> str:
        """Return the number and its source as LaTeX text."""
        return words(str(self))

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
    """Return the ML degree of m×n matrices of rank at most 2, for m, n ≥ 2.

    For m ≤ n, with the Stirling numbers S of the second kind, it is
    Σ_{s=2}^m (−1)^{m+s} (s−2)! S(m,s) [(s−1)^{n+1} − s(s−2)^n].

    Notes
    -----
    **Derivation.** Sort the m×2 matrices A of rank 2 by the partition of their rows into s
    parallel classes and by the sum of the rows (0, in one of the classes, or in a new direction),
    and count the B with all (AB)_ij ≠ 0 and ΣAB ≠ 0.  At q = 1 the sum above is what remains.
    **Cost.** O(m²) operations on integers.
    **Validity.** Generic complex data.

    References
    ----------
    Rodriguez, Wang (2017), The maximum likelihood degree of mixtures of independence models.

    Examples
    --------
    >>> [rank_two_ml_degree(3, n) == 2 ** (n + 1) - 6 for n in range(3, 7)]
    [True, True, True, True]
    >>> rank_two_ml_degree(4, 4), rank_two_ml_degree(2, 5)
    (191, 1)
    """
    m, n = min(m, n), max(m, n)
    return sum(
        (-1) ** (m + s)
        * factorial(s - 2)
        * _stirling(m, s)
        * ((s - 1) ** (n + 1) - s * (s - 2) ** n)
        for s in range(2, m + 1)
    )


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
        Known for r ≤ 2, for r ≥ k − 1, and for 5×5; otherwise its value is None.

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
    if (m, n, r) == (5, 5, 3):
        return MLDegree(61326, _FIVE)
    return MLDegree(None, _UNKNOWN)
