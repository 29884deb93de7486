"""Hilbert series of the ring of functions on the matrices of bounded rank."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

from detvar.errors import InputError
from detvar.exact.latex import displayed, polynomial
from detvar.exact.matrices import determinant, matrix
from detvar.varieties.closed_forms import degree, dimension


@dataclass(frozen=True)
class HilbertSeries:
    """A Hilbert series Σ_t H(t) zᵗ = N(z)/(1−z)^d.

    Attributes
    ----------
    numerator : tuple of int
        Coefficients of N, lowest degree first, without trailing zeros.
    exponent : int
        d, the dimension of the affine cone.

    Examples
    --------
    >>> series = HilbertSeries((1, 4, 1), 5)
    >>> print(series)
    (z**2 + 4*z + 1)/(1 - z)**5
    >>> [series.coefficient(t) for t in range(4)]
    [1, 9, 36, 100]
    """

    numerator: tuple[int, ...]
    exponent: int

    @property
    def degree(self) -> int:
        """Degree of the variety, N(1)."""
        return sum(self.numerator)

    @property
    def numerator_text(self) -> str:
        """N as text, highest power first, such as ``z**2 + 4*z + 1``."""
        text = ""
        for power in range(len(self.numerator) - 1, -1, -1):
            c = self.numerator[power]
            if not c:
                continue
            monomial = ("", "z")[power] if power < 2 else f"z**{power}"
            size = "*".join(part for part in (str(abs(c)), monomial) if part)
            if monomial and abs(c) == 1:
                size = monomial
            sign = "-" if c < 0 else "+"
            text += f" {sign} {size}" if text else size if c > 0 else f"-{size}"
        return text or "0"

    def coefficient(self, t: int) -> int:
        """Return H(t), the dimension of the space of degree-t functions on the variety."""
        if t < 0:
            return 0
        if self.exponent == 0:
            return self.numerator[t] if t < len(self.numerator) else 0
        d = self.exponent - 1
        return sum(c * comb(t - i + d, d) for i, c in enumerate(self.numerator) if i <= t)

    def to_sympy(self, symbol: Any = None) -> Any:
        """Return the series as a SymPy rational function in `symbol` (default z)."""
        import sympy

        z = sympy.Symbol("z") if symbol is None else symbol
        top = sum(c * z**i for i, c in enumerate(self.numerator))
        return top / (1 - z) ** self.exponent

    def __str__(self) -> str:
        top = self.numerator_text
        if self.exponent == 0:
            return top
        return (
            f"({top})/(1 - z)**{self.exponent}" if " " in top else f"{top}/(1 - z)**{self.exponent}"
        )

    def to_latex(self) -> str:
        """Return the series in LaTeX."""
        top = polynomial(self.numerator, "z")
        return rf"\frac{{{top}}}{{(1-z)^{{{self.exponent}}}}}" if self.exponent else top

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the series as plain data: numerator (lowest degree first), exponent."""
        return {"numerator": list(self.numerator), "exponent": self.exponent}

    @classmethod
    def from_json(cls, data: Any) -> HilbertSeries:
        """Return the series that `to_json` wrote."""
        try:
            return cls(tuple(int(c) for c in data["numerator"]), int(data["exponent"]))
        except (KeyError, TypeError, ValueError):
            raise InputError("a Hilbert series needs the fields numerator, exponent") from None


def hilbert_series(m: int, n: int, r: int) -> HilbertSeries:
    """Return det(Σ_k C(m−i,k)C(n−j,k)zᵏ)_{i,j=1..r} / (z^{C(r,2)}(1−z)^{r(m+n−r)}).

    The Hilbert series of R[w_ij] modulo the (r+1)-minors of the generic m×n matrix.

    Parameters
    ----------
    m, n, r : int
        0 ≤ r ≤ min(m, n).

    Returns
    -------
    HilbertSeries

    Notes
    -----
    **Cost.** One r×r determinant of integers: the determinant is evaluated at a power of two
    above the sum of all coefficients, and these are the digits of the value.  That is sound
    because the ring is Cohen–Macaulay, so that no coefficient of N is negative.
    **Validity.** Any field of coefficients.

    References
    ----------
    Conca, Herzog (1994), On the Hilbert function of determinantal rings and their canonical
    module.

    Examples
    --------
    >>> print(hilbert_series(4, 4, 2))
    (z**4 + 4*z**3 + 10*z**2 + 4*z + 1)/(1 - z)**12
    """
    base_bits = degree(m, n, r).bit_length()
    if r == 0:
        return HilbertSeries((1,), 0)
    z = 1 << base_bits
    table = [
        [
            sum(comb(m - i, k) * comb(n - j, k) * z**k for k in range(min(m - i, n - j) + 1))
            for j in range(1, r + 1)
        ]
        for i in range(1, r + 1)
    ]
    value = int(determinant(matrix(table)).p) >> (base_bits * comb(r, 2))
    digits = []
    while value:
        digits.append(value & (z - 1))
        value >>= base_bits
    return HilbertSeries(tuple(digits), dimension(m, n, r))
