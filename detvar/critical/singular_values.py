"""The singular values that a Kronecker loss sees, exactly: the spectrum of P^½UΣ^½.

The matrix is irrational, but the squares of its singular values are the eigenvalues of the
rational matrix UΣUᵀP.  They decide everything about the critical points of
ℓ(W) = ½ tr(P(W − U)Σ(W − U)ᵀ) + c₀ on matrices of bounded rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from detvar.classify.kronecker import between
from detvar.errors import InputError, PositiveDimensionalError, ShapeError
from detvar.exact.algebraic import RealAlgebraic, real_algebraic, real_roots, square_root
from detvar.exact.inertia import is_positive_definite, ldlt
from detvar.exact.latex import displayed
from detvar.exact.matrices import (
    Matrix,
    chain,
    charpoly,
    diagonal,
    identity,
    is_symmetric,
    rank,
    require_shape,
    shape,
    zeros,
)
from detvar.exact.rational import Rational, rational, to_text


class KroneckerData(Protocol):
    """ℓ(W) = ½ tr(P(W − U)Σ(W − U)ᵀ) + c₀ with P m×m, Σ n×n symmetric and U m×n."""

    @property
    def left(self) -> Matrix:
        """P."""

    @property
    def right(self) -> Matrix:
        """Σ."""

    @property
    def target(self) -> Matrix:
        """U."""

    @property
    def constant(self) -> Rational:
        """c₀."""


class _Data(NamedTuple):
    left: Matrix
    right: Matrix
    target: Matrix
    constant: Rational


@dataclass(frozen=True)
class Spectrum:
    """The singular values σ₁ ≥ … ≥ σ_k of Z = P^½UΣ^½, k = min(m, n), through their squares.

    Attributes
    ----------
    form : the loss, with `left`, `right`, `target`, `constant`
    squares : tuple of RealAlgebraic
        The distinct non-zero σ², decreasing.
    multiplicities : tuple of int
        How often each of them occurs.

    Examples
    --------
    >>> s = Spectrum.from_singular_values([2, 2, 1])
    >>> print(s)
    Singular values: σ1 = 2 (twice), σ2 = 1
    >>> s.rank, s.component_count(2), str(s.minimal_value(1))
    (3, 2, '5/2')
    """

    form: KroneckerData = field(repr=False, hash=False)
    squares: tuple[RealAlgebraic, ...]
    multiplicities: tuple[int, ...]

    @classmethod
    def from_singular_values(
        cls,
        values: Iterable[Any],
        rows: int | None = None,
        columns: int | None = None,
        constant: Any = 0,
    ) -> Spectrum:
        """Return the spectrum of ½‖W − D‖² + c₀, D the rows×columns diagonal matrix of `values`.

        Raises
        ------
        InputError
            If a value is negative.
        ShapeError
            If there are more values than min(rows, columns).
        """
        sigma = [rational(x, "the singular value") for x in values]
        m = len(sigma) if rows is None else rows
        n = m if columns is None else columns
        if any(x < 0 for x in sigma):
            raise InputError("a singular value is negative: give values ≥ 0")
        if len(sigma) > min(m, n):
            raise ShapeError(
                f"a {m}×{n} matrix has {min(m, n)} singular values: give at most those"
            )
        target = diagonal(sigma, m, n)
        form = _Data(identity(m), identity(n), target, rational(constant, "the constant"))
        distinct = sorted({x for x in sigma if x}, reverse=True)
        squares = tuple(real_algebraic(x * x) for x in distinct)
        return cls(form, squares, tuple(sigma.count(x) for x in distinct))

    @property
    def shape(self) -> tuple[int, int]:
        """(m, n)."""
        return shape(self.form.target)

    @property
    def size(self) -> int:
        """k = min(m, n), the number of singular values."""
        return min(self.shape)

    @property
    def rank(self) -> int:
        """ρ, the number of non-zero singular values."""
        return sum(self.multiplicities)

    @property
    def zeros(self) -> int:
        """k − ρ, how often 0 is a singular value."""
        return self.size - self.rank

    def value(self, take: Sequence[int]) -> RealAlgebraic:
        """Return c₀ + ½ Σ σ_q² over the singular values that are not taken."""
        out = real_algebraic(self.form.constant)
        for x, k, s in zip(self.squares, self.multiplicities, take, strict=True):
            out = out + x * Rational(k - s, 2)
        return out

    def minimal_value(self, rank_bound: int) -> RealAlgebraic:
        """Return the least value on the matrices of rank ≤ r: c₀ + ½(σ²_{r+1} + … + σ_k²).

        References
        ----------
        C. Eckart, G. Young, 1936; L. Mirsky, 1960.
        """
        left, take = rank_bound, []
        for k in self.multiplicities:
            take.append(max(min(k, left), 0))
            left -= k
        return self.value(take)

    def component_count(self, rank: int) -> int:
        """Return the number of components of critical points of rank exactly `rank`.

        It is the coefficient of tᵉ in ∏(1 + t + … + t^μⱼ), and C(ρ, e) if all μⱼ are 1.
        """
        return _subset_sums([range(k + 1) for k in self.multiplicities], rank)

    def complex_count(self, rank: int) -> int:
        """Return the number of complex critical points of rank exactly `rank`.

        Raises
        ------
        PositiveDimensionalError
            If there are infinitely many: some but not all of equal σ's can be taken, or 0 occurs
            twice.  In the latter case u·vᵀ can be added to a critical matrix for isotropic u in
            ker Zᵀ and v in ker Z; over the reals there is no such u.
        """
        if not 0 <= rank <= self.rank + self.zeros // 2:
            return 0
        points = _subset_sums([(0, k) for k in self.multiplicities], rank)
        if points != self.component_count(rank) or (rank and self.zeros > 1):
            raise PositiveDimensionalError(
                f"infinitely many complex matrices of rank {rank} are critical, because singular "
                "values coincide: ask for the components"
            )
        return points

    def singular_values(self) -> tuple[RealAlgebraic, ...]:
        """Return the distinct non-zero σ as algebraic numbers, decreasing.

        **Cost**: factors f(x²) for the minimal polynomial f of each σ²; the degree can double.
        """
        return tuple(x.sqrt() for x in self.squares)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The distinct non-zero σ as text: exact if the degree of σ² is at most 2, otherwise a
        decimal, long enough to tell them apart."""
        digits = 10
        while True:
            out = tuple(_label(x, digits) for x in self.squares)
            if len(set(out)) == len(out):
                return out
            digits *= 2

    # ---- where the number of critical points changes ------------------------------------------

    @property
    def is_generic(self) -> bool:
        """Whether σ₁ > … > σ_k > 0: the data avoid the ED discriminant and det ZZᵀ = 0."""
        return self.rank == self.size and all(k == 1 for k in self.multiplicities)

    def collisions(self) -> list[int]:
        """Return the i with σᵢ = σᵢ₊₁, counting from σ₁ ≥ … ≥ σ_k; zeros collide as well."""
        out: list[int] = []
        position = 0
        for k in (*self.multiplicities, self.zeros):
            out += range(position + 1, position + k)
            position += k
        return out

    def ratio(self, i: int) -> RealAlgebraic:
        """Return σᵢ/σᵢ₊₁ ≥ 1 for 1 ≤ i < ρ; it is 1 on the ED discriminant.

        **Cost**: for conjugate squares of degree d, factors polynomials of degree d² and 2d².

        Examples
        --------
        >>> print(Spectrum.from_singular_values([3, 2, 1]).ratio(1))
        3/2
        """
        if not 0 < i < self.rank:
            raise ShapeError(f"σ_{i}/σ_{i + 1} is not defined: give 1 ≤ i < {self.rank}")
        every = [j for j, k in enumerate(self.multiplicities) for _ in range(k)]
        a, b = every[i - 1], every[i]
        return real_algebraic(1) if a == b else square_root(self.squares[a] / self.squares[b])

    # ---- checking ---------------------------------------------------------------------------

    def check(self) -> list[str]:
        """Recount the σ² without a characteristic polynomial; return what was found, in lines.

        By Sylvester's law LDLᵀ of PUΣUᵀP − tP has as many positive pivots as there are σ² > t
        (with the sides exchanged if m > n).  It is computed between the distinct values, above
        and below them, and at every rational one, for its multiplicity.  Irrational ones come as
        all d roots of a polynomial f, and f(UΣUᵀP) has rank k − dμ.  Together that leaves no
        other numbers.

        Returns
        -------
        list of str
            The last line starts with "refused" if a count differs.

        Notes
        -----
        **Cost**: an LDLᵀ of size k for each distinct value, and the matrices f(UΣUᵀP).
        """
        symmetric, metric, gram = small_side(self.form)
        k, zero = self.size, real_algebraic(0)
        steps = [*self.squares, zero]
        if any(x <= y for x, y in pairwise(steps)) or len(steps) != len(self.multiplicities) + 1:
            return ["refused: the squared singular values are not positive and decreasing"]
        found, above = [], 0
        top = [real_algebraic(self.squares[0].floor() + 1)] if self.squares else []
        for (high, low), size in zip(
            pairwise([*top, *steps]), (*self.multiplicities, 0), strict=False
        ):
            t = between(low, high)
            counts = ldlt(symmetric - metric * t).inertia
            if counts != (above, k - above, 0):
                return [f"refused: {counts.positive} of {k} squared values exceed {t}, not {above}"]
            found.append(f"{above} above {t}")
            above += size
        roots: dict[tuple[Any, ...], list[int]] = {}
        for x, size in zip(steps, (*self.multiplicities, self.zeros), strict=True):
            roots.setdefault(tuple(x.minimal_polynomial().coeffs()), []).append(size)
        for f, sizes in roots.items():
            degree = len(f) - 1
            if sizes != [sizes[0]] * degree:
                return [f"refused: conjugates of degree {degree} have multiplicities {sizes}"]
            if degree == 1:
                nullity = ldlt(symmetric + metric * (Rational(f[0]) / f[1])).inertia.zero
            else:
                nullity = k - rank(evaluate(f, gram))
            if nullity != sum(sizes):
                return [f"refused: a factor of degree {degree} counts {nullity}, not {sum(sizes)}"]
        if not found:
            return ["Sylvester's law: all singular values are 0"]
        return [f"Sylvester's law: of {k} squared singular values, {', '.join(found)}"]

    def __str__(self) -> str:
        parts = [
            (f"σ{j + 1} = {x}", k)
            for j, (x, k) in enumerate(zip(self.labels, self.multiplicities, strict=True))
        ]
        parts += [("0", self.zeros)] if self.zeros else []
        times = {1: "", 2: " (twice)"}
        return f"Singular values: {', '.join(x + times.get(k, f' ({k} times)') for x, k in parts)}"

    def to_latex(self) -> str:
        """Return the singular values in LaTeX."""
        from detvar.critical.latex import spectrum

        return spectrum(self)

    _repr_latex_ = displayed

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "shape": list(self.shape),
            "constant": to_text(self.form.constant),
            "squared_singular_values": [
                {"value": x.to_json(), "multiplicity": k}
                for x, k in zip(self.squares, self.multiplicities, strict=True)
            ],
            "zeros": self.zeros,
        }


def spectrum(form: KroneckerData) -> Spectrum:
    """Return the singular values of P^½UΣ^½, as roots of det(t − UΣUᵀP) or its n×n counterpart.

    Parameters
    ----------
    form : with P m×m and Σ n×n symmetric positive definite, U m×n

    Raises
    ------
    ShapeError
        If the sizes do not fit, or P or Σ is not symmetric.
    InputError
        If P or Σ is not positive definite.

    Notes
    -----
    **Cost**: a characteristic polynomial of size min(m, n), and its real roots.
    **Validity**: any U; repeated and zero singular values included.

    Examples
    --------
    >>> from detvar.exact.matrices import matrix
    >>> one = identity(2)
    >>> s = spectrum(_Data(one, one, matrix([[1, 1], [0, 1]]), Rational(0)))
    >>> s.labels
    ('(1+√5)/2', '(-1+√5)/2')
    """
    m, n = shape(form.target)
    for a, size, name in ((form.left, m, "the left form"), (form.right, n, "the right form")):
        require_shape(a, size, size, name)
        if not is_symmetric(a):
            raise ShapeError(f"{name} is not symmetric: give one that equals its transpose")
        if not is_positive_definite(a):
            raise InputError(f"{name} is not positive definite: reduce the problem first")
    roots = real_roots(charpoly(small_side(form)[2]))[::-1]
    kept = [(x, k) for x, k in roots if x]
    return Spectrum(form, tuple(x for x, _ in kept), tuple(k for _, k in kept))


def ed_discriminant(form: KroneckerData) -> Rational:
    """Return disc_t det(t − UΣUᵀP), which vanishes where two singular values coincide.

    For P = Σ = 1 and 2×2 matrices (a, b; c, d) it is
    ((a − d)² + (b + c)²)·((a + d)² + (b − c)²).  It does not depend on the rank.

    References
    ----------
    J. Draisma, E. Horobeţ, G. Ottaviani, B. Sturmfels, R. Thomas, "The Euclidean distance degree
    of an algebraic variety", 2016, section 7.
    """
    return charpoly(small_side(form)[2]).discriminant()


def small_side(form: KroneckerData) -> tuple[Matrix, Matrix, Matrix]:
    """Return (A, B, M) of size min(m, n): A and B symmetric, M = B⁻¹A with the eigenvalues σ².

    (PUΣUᵀP, P, UΣUᵀP) if m ≤ n, and (ΣUᵀPUΣ, Σ, UᵀPUΣ) otherwise.
    """
    p, sigma, u = form.left, form.right, form.target
    if u.nrows() <= u.ncols():
        gram, metric = chain(u, sigma, u.transpose()), p
    else:
        gram, metric = chain(u.transpose(), p, u), sigma
    return chain(metric, gram, metric), metric, gram * metric


def evaluate(coefficients: Iterable[Any], a: Matrix) -> Matrix:
    """Return f(a) for a polynomial f with coefficients from low to high degree."""
    out, one = zeros(*shape(a)), identity(a.nrows())
    for c in reversed(list(coefficients)):
        out = out * a + one * c
    return out


def _label(square: RealAlgebraic, digits: int) -> str:
    if square.minimal_polynomial().degree() <= 2 and "…" not in str(square):
        text = str(square.sqrt())
        return text if "…" not in text else f"√({square})"
    return square.sqrt_decimal(digits)


def _subset_sums(choices: Sequence[Iterable[int]], total: int) -> int:
    """In how many ways one number from each choice can be taken with the given sum."""
    ways = Counter({0: 1})
    for options in map(list, choices):
        following: Counter[int] = Counter()
        for t, n in ways.items():
            for s in options:
                following[t + s] += n
        ways = following
    return ways[total]
