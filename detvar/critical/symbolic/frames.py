"""Frames of output and input in which a critical matrix and its gradient are diagonal.

Let ℓ(W) = ½ tr(P(W − U)Σ(W − U)ᵀ) + c₀ and M = UΣUᵀP, with eigenvalues σ².  The critical matrix
that keeps the singular values S is W̄ = ΠU, where Π is the P-orthogonal projector on the sum of the
eigenspaces that are kept.  So R^m has a basis of columns in three parts, and R^n one of rows,

- *kept*: columns F of the image of W̄ and rows F* with W̄ = F·F*;
- *left*: columns Y and rows X with YᵀGXᵀ = −1, for the gradient G = P(W̄ − U)Σ;
- *spare*: columns with UᵀPy = 0 and rows with UΣxᵀ = 0, on which W̄ and G do nothing.

Where a rational sum of eigenspaces is kept or left as a whole its basis is rational; otherwise
eigenvectors are polynomials in their eigenvalue λ = σ².  Of an eigenspace that is only partly kept,
the part runs through a chart of a Grassmannian.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import lcm
from typing import Any

from detvar.critical.singular_values import evaluate
from detvar.critical.spectrum import KroneckerData, SpectralComponent
from detvar.exact.matrices import (
    Matrix,
    chain,
    columns,
    diagonal,
    hstack,
    inverse,
    nullspace,
    rank,
    zeros,
)
from detvar.exact.rational import Rational
from detvar.exact.rational_functions import Polynomial, RationalFunction
from detvar.losses.rows import Rows, determinant, product, transposed


@dataclass(frozen=True)
class Group:
    """Singular values whose squares are the roots of one irreducible polynomial f.

    Attributes
    ----------
    coefficients : of f, from low to high degree
    members : the positions of its roots among the distinct σ², decreasing
    takes : how many of each are kept
    size : the multiplicity that they have in common
    """

    coefficients: tuple[Any, ...]
    members: tuple[int, ...]
    takes: tuple[int, ...]
    size: int

    @property
    def is_whole(self) -> bool:
        """Whether all of the eigenspaces are kept, or all are left; then no root is singled out."""
        return set(self.takes) in ({0}, {self.size})

    @property
    def needs_roots(self) -> bool:
        """Whether eigenvectors at single irrational roots are needed."""
        return not self.is_whole and len(self.members) > 1


def groups(choice: SpectralComponent) -> tuple[Group, ...]:
    """Return the singular values of a choice, conjugate ones together."""
    found: dict[tuple[Any, ...], list[int]] = {}
    whole = choice.spectrum
    for j, square in enumerate(whole.squares):
        found.setdefault(tuple(square.minimal_polynomial().coeffs()), []).append(j)
    return tuple(
        Group(
            f,
            tuple(members),
            tuple(choice.take[j] for j in members),
            whole.multiplicities[members[0]],
        )
        for f, members in found.items()
    )


@dataclass
class Frames:
    """The columns and rows of the three parts; all entries are polynomials or quotients of them.

    Attributes
    ----------
    kept, left, spare : lists of columns of R^m
    kept_rows, left_rows, spare_rows : lists of rows of R^n
    conditions : determinants of the charts of Grassmannians, to be different from 0
    """

    kept: Rows = field(default_factory=list)
    left: Rows = field(default_factory=list)
    spare: Rows = field(default_factory=list)
    kept_rows: Rows = field(default_factory=list)
    left_rows: Rows = field(default_factory=list)
    spare_rows: Rows = field(default_factory=list)
    conditions: list[Polynomial] = field(default_factory=list)


def frames(
    form: KroneckerData,
    choice: SpectralComponent,
    one: Polynomial,
    roots: dict[int, Polynomial],
    charts: dict[int, Rows],
) -> Frames:
    """Return the frames of a choice of singular values.

    Parameters
    ----------
    form : P, Σ and U, with P and Σ positive definite
    choice : which singular values are kept
    one : the polynomial 1 of the ring to work in
    roots : the variable λ for the j-th distinct σ², where `Group.needs_roots`
    charts : for an eigenspace of which s of μ dimensions are kept, the (μ − s)×s variables T

    Notes
    -----
    **Cost**: kernels of size m over Q, and products of polynomials in one λ.
    """
    out = Frames()
    p, u = form.left, form.target
    operator = chain(u, form.right, u.transpose(), p)
    for group in groups(choice):
        kernel = _integral(nullspace(evaluate(group.coefficients, operator)))
        dual = kernel.transpose() * p
        if group.is_whole:
            inner = inverse(dual * kernel if any(group.takes) else chain(dual, operator, kernel))
            names = ("kept", "kept_rows") if any(group.takes) else ("left", "left_rows")
            for name, vectors in zip(
                names, (kernel.transpose(), chain(inner, dual, u)), strict=True
            ):
                getattr(out, name).extend(constant(one, vectors))
            continue
        generators = _generators(operator, kernel, group)
        for j, take in zip(group.members, group.takes, strict=True):
            root = _Root(group.coefficients, roots.get(j), one)
            _split(out, root, root.eigenvectors(operator, generators), p, u, take, charts.get(j))
    out.spare = constant(one, _integral(nullspace(u.transpose() * p)).transpose())
    out.spare_rows = constant(one, _integral(nullspace(u * form.right)).transpose())
    return out


def constant(one: Polynomial, a: Matrix) -> Rows:
    """Return the rows of a rational matrix as constant polynomials."""
    return [[one * x for x in row] for row in a.tolist()]


def _integral(a: Matrix) -> Matrix:
    """Return the matrix with each column multiplied by its common denominator."""
    scales = [lcm(*(int(a[i, j].q) for i in range(a.nrows()))) for j in range(a.ncols())]
    return a * diagonal(scales)


def adjugate(a: Rows) -> Rows:
    """Return adj(A) with A·adj(A) = det A; for small matrices.

    >>> adjugate([[1, 2], [3, 4]])
    [[4, -2], [-3, 1]]
    """
    size = len(a)
    if size == 1:
        return [[a[0][0] * 0 + 1]]

    def cofactor(i: int, j: int) -> Any:
        minor = [row[:j] + row[j + 1 :] for k, row in enumerate(a) if k != i]
        value = determinant(minor)
        return value if (i + j) % 2 == 0 else -value

    return [[cofactor(j, i) for j in range(size)] for i in range(size)]


@dataclass(frozen=True)
class _Root:
    """Arithmetic with one root λ of an irreducible polynomial f, rational if f has degree 1."""

    coefficients: Sequence[Any]
    variable: Polynomial | None
    one: Polynomial

    @property
    def value(self) -> Polynomial:
        if self.variable is not None:
            return self.variable
        low, high = self.coefficients
        root: Polynomial = self.one * (Rational(-low) / high)
        return root

    def reduced(self, x: Polynomial) -> Polynomial:
        """Return the normal form modulo f(λ), a polynomial of degree < deg f in λ."""
        if self.variable is None:
            return x
        f = sum((self.variable**i * Rational(c) for i, c in enumerate(self.coefficients)), x * 0)
        return divmod(x, f)[1]

    def inverse(self, x: Polynomial) -> Polynomial:
        """Return 1/x for a non-zero x of Q(λ): the first column of the inverse of the matrix of
        multiplication by x."""
        if self.variable is None:
            return self.one / x.leading_coefficient()
        degree = len(self.coefficients) - 1
        place = next(i for i, e in enumerate(self.variable.monoms()[0]) if e)
        terms = [Rational(0)] * degree
        for exponents, c in self.reduced(x).to_dict().items():
            terms[int(exponents[place])] = c
        companion = zeros(degree, degree)
        for i in range(degree):
            if i:
                companion[i, i - 1] = 1
            companion[i, degree - 1] = -Rational(self.coefficients[i]) / self.coefficients[degree]
        back = inverse(evaluate(terms, companion))
        return sum((self.variable**i * back[i, 0] for i in range(degree)), x * 0)

    def eigenvectors(self, a: Matrix, generators: Sequence[Matrix]) -> Rows:
        """Return g(a)k for the generators k of ker f(a), where g(x) = f(x)/(x − λ)."""
        f, out = self.coefficients, []
        for k in generators:
            powers = [k]
            for _ in range(len(f) - 2):
                powers.append(a * powers[-1])
            vector = [self.one * 0] * a.nrows()
            for i in range(len(f) - 1):
                quotient = sum(
                    (self.value ** (j - 1 - i) * Rational(f[j]) for j in range(i + 1, len(f))),
                    self.one * 0,
                )
                vector = [x + quotient * powers[i][r, 0] for r, x in enumerate(vector)]
            out.append(vector)
        return out


def _generators(a: Matrix, kernel: Matrix, group: Group) -> list[Matrix]:
    """Return vectors k with ker f(a) = ⊕⟨k, ak, …⟩: generators over the field Q[x]/f."""
    span, out = zeros(a.nrows(), 0), []
    for j in range(kernel.ncols()):
        v = columns(kernel, [j])
        if rank(hstack(span, v)) > span.ncols():
            out.append(v)
            for _ in group.members:
                span, v = hstack(span, v), a * v
    return out


def _split(
    out: Frames, root: _Root, basis: Rows, p: Matrix, u: Matrix, take: int, chart: Rows | None
) -> None:
    """Add the eigenvectors of one root: the first `take` of an orthogonal basis, or as many
    combinations by the chart T, are kept and the others left."""
    metric, outer = constant(root.one, p), constant(root.one, p * u)
    basis, norms = _orthogonal(root, basis, metric)
    duals = [[root.reduced(x) for x in row] for row in product(basis, outer)]
    inverses = [root.inverse(d) for d in norms]
    at = root.inverse(root.value)
    size = len(basis)
    if chart is None:
        scaled = [
            [root.reduced(c * x if take else c * at * x) for x in row]
            for c, row in zip(inverses, duals, strict=True)
        ]
        (out.kept if take else out.left).extend(basis)
        (out.kept_rows if take else out.left_rows).extend(scaled)
        return
    # F = E[1; T] and Y = E·D⁻¹[−Tᵀ; 1] are orthogonal for P, as EᵀPE = D is diagonal.
    zero, one = root.one * 0, root.one
    unit = [[one if i == j else zero for j in range(size)] for i in range(size)]
    mixed = [unit[i][:take] for i in range(take)] + chart
    kept = transposed(mixed)
    left = [
        [-chart[i][k] * inverses[k] for k in range(take)]
        + [inverses[take + i] * unit[i][k] for k in range(size - take)]
        for i in range(size - take)
    ]
    gram = [[root.reduced(x) for x in row] for row in _congruent(kept, norms)]
    det = root.reduced(determinant(gram))
    out.conditions.append(det)
    back = [[root.reduced(x) for x in row] for row in adjugate(gram)]
    out.kept.extend(product(kept, basis))
    out.kept_rows.extend(_divided(root, product(back, product(kept, duals)), det))
    # (YᵀPY)⁻¹ = D₂ − D₂T(FᵀPF)⁻¹TᵀD₂ by Woodbury, and YᵀPMY = λ·YᵀPY.
    scaled = [[norms[take + i] * x for x in row] for i, row in enumerate(chart)]
    inner = product(product(scaled, back), transposed(scaled))
    woodbury = [
        [(det * norms[take + i] * unit[i][k] - x) * at for k, x in enumerate(row)]
        for i, row in enumerate(inner)
    ]
    out.left.extend([[root.reduced(x) for x in row] for row in product(left, basis)])
    out.left_rows.extend(_divided(root, product(woodbury, product(left, duals)), det))


def _divided(root: _Root, rows: Rows, denominator: Polynomial) -> Rows:
    return [[RationalFunction.of(root.reduced(x), denominator) for x in row] for row in rows]


def _congruent(vectors: Rows, norms: Sequence[Polynomial]) -> Rows:
    """Return V·diag(norms)·Vᵀ for vectors in rows."""
    return product(
        [[x * d for x, d in zip(row, norms, strict=True)] for row in vectors], transposed(vectors)
    )


def _orthogonal(root: _Root, basis: Rows, metric: Rows) -> tuple[Rows, list[Polynomial]]:
    """Return an orthogonal basis of the same space over Q(λ), with its squared norms."""
    out: Rows = []
    norms: list[Polynomial] = []
    for row in basis:
        for other, norm in zip(out, norms, strict=True):
            factor = root.reduced(_pairing(row, metric, other) * root.inverse(norm))
            row = [root.reduced(x - factor * y) for x, y in zip(row, other, strict=True)]
        out.append(row)
        norms.append(root.reduced(_pairing(row, metric, row)))
    return out, norms


def _pairing(a: list[Any], metric: Rows, b: list[Any]) -> Any:
    return product(product([a], metric), [[x] for x in b])[0][0]
