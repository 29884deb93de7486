r"""Sums of squares with multipliers: P = zᵀQ₀z + Σ_j ℓ_j·zᵀQ_jz with exact Gram matrices Q ⪰ 0.

A semidefinite program in floating point proposes the Q; nothing of it is believed.  Q_1, Q_2, …
are rounded to rational numbers and must be positive semidefinite by an exact LDLᵀ.  What is then
missing in P is spread over the entries of Q₀ that belong to each monomial, so that the identity
holds exactly.  Its entries are polynomials in the constants t; with balls around them,

    Q₀(t) = M + E,   M rational,  |E_ab| ≤ e_ab,   Q₀(t) ⪰ M − η·I  for  η = max_a Σ_b e_ab,

and M − η·I ⪰ 0 is decided by an exact LDLᵀ.  Without constants η = 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from detvar.errors import InputError, MissingExtraError
from detvar.exact.balls import arb, dyadic, exact_float, working_precision
from detvar.exact.inertia import ldlt
from detvar.exact.matrices import Matrix, matrix
from detvar.exact.rational import Rational, rational, to_text
from detvar.exact.rational_functions import Polynomial
from detvar.landscape.prove.cases import BITS, Case, Setting, polynomial_ball

Monomial = tuple[int, ...]
_DENOMINATOR = 10**9
_MONOMIALS_LIMIT = 60
_LEAST_EIGENVALUE = 1e-13  # a smaller least eigenvalue cannot survive the rounding of the solver


@dataclass(frozen=True, eq=False)
class Grams:
    """The proposal: Q₀ for 1 and Q_j for the walls, each in its own monomials of x − centre.

    Q₀ stands for its value before what is missing in P is spread over it.
    """

    bases: tuple[tuple[Monomial, ...], ...]
    matrices: tuple[Matrix, ...]
    centre: tuple[Rational, ...]

    def to_json(self) -> dict[str, Any]:
        """Return monomials and rows of rational numbers as texts."""
        blocks = [
            {
                "monomials": [list(m) for m in basis],
                "gram": [[to_text(x) for x in row] for row in q.tolist()],
            }
            for basis, q in zip(self.bases, self.matrices, strict=True)
        ]
        return {"centre": [to_text(x) for x in self.centre], "blocks": blocks}

    @classmethod
    def from_json(cls, data: Any) -> Grams:
        """Read what `to_json` writes; raise `InputError` for anything else."""
        if not isinstance(data, dict) or set(data) != {"centre", "blocks"}:
            raise InputError('"grams" needs "centre" and "blocks", nothing else')
        centre, blocks = data["centre"], data["blocks"]
        if not isinstance(centre, list) or not isinstance(blocks, list) or not blocks:
            raise InputError('"centre" must be a list of numbers and "blocks" a list of objects')
        bases, matrices = [], []
        for entry in blocks:
            if not isinstance(entry, dict) or set(entry) != {"monomials", "gram"}:
                raise InputError('each of "blocks" needs "monomials" and "gram", nothing else')
            basis = entry["monomials"]
            if not isinstance(basis, list) or not all(
                isinstance(m, list) and all(type(e) is int and 0 <= e <= 20 for e in m)
                for m in basis
            ):
                raise InputError('"monomials" must be lists of exponents from 0 to 20')
            q = matrix(entry["gram"], "gram")
            if not (q.nrows() == q.ncols() == len(basis)):
                raise InputError('"gram" must be square, with one row per monomial')
            bases.append(tuple(tuple(m) for m in basis))
            matrices.append(q)
        middle = tuple(rational(x, "centre") for x in centre)
        return cls(tuple(bases), tuple(matrices), middle)


def propose(setting: Setting, case: Case) -> Grams | None:
    """Return Gram matrices from the semidefinite program that makes their least eigenvalue large.

    Raises
    ------
    MissingExtraError
        If Clarabel is not installed.

    Notes
    -----
    **Cost**: an interior point method on matrices with C(d + e, e) rows, e half the degree.
    **Validity**: floating point; `holds` decides.

    References
    ----------
    H. Peyrl, P. Parrilo, "Computing sum of squares decompositions with rational coefficients",
    2008; D. Hilbert, 1888 (every ternary quartic form ≥ 0 is a sum of squares).
    """
    if case.polynomial is None:
        return None
    d = setting.dimension
    centre, least = _centre(setting, case)
    f = _at_constants(_moved(setting, case.polynomial, centre), setting)
    walls = [_at_constants(_moved(setting, w, centre), setting) for w in case.cell]
    degree = max((sum(m) for m in f), default=0)
    half = (degree + 1) // 2
    bases = [monomials(d, half)[least:]]
    bases += [monomials(d, max(0, (2 * half - 1) // 2))[least:] for _ in walls]
    if not all(bases) or sum(map(len, bases)) > _MONOMIALS_LIMIT:
        return None
    scale = max(map(abs, f.values()), default=0.0)
    if not scale > 0:
        return None
    one: dict[Monomial, float] = {(0,) * d: 1.0}
    solved = _solve({m: c / scale for m, c in f.items()}, [one, *walls], bases)
    if solved is None:
        return None
    factor = exact_float(scale)
    matrices = [
        matrix(
            [[rational(round(x * _DENOMINATOR)) / _DENOMINATOR * factor for x in row] for row in q]
        )
        for q in solved
    ]
    return Grams(tuple(map(tuple, bases)), tuple(matrices), centre)


def _centre(setting: Setting, case: Case) -> tuple[tuple[Rational, ...], int]:
    """Return where the monomials are centred, and 1 if P vanishes there, else 0.

    F(p) = β·c; where that is 0, every square in the proof is 0 at p, so that monomials of degree
    ≥ 1 in x − p are enough, and the semidefinite program has interior points again.
    """
    assert case.polynomial is not None
    zero = (rational(0),) * setting.dimension
    points = setting.rational_points
    if points is None or setting.exact.minimisers is None:
        return zero, 0
    p = points[case.point]
    if any(x.numerator.total_degree() > 0 or x.denominator.total_degree() > 0 for x in p):
        return zero, 0
    at = tuple(
        rational(x.numerator.leading_coefficient()) / x.denominator.leading_coefficient()
        if x.numerator
        else rational(0)
        for x in p
    )
    vanishing = not _moved(setting, case.polynomial, at).compose(
        *[case.polynomial * 0] * setting.dimension, *setting.ring[setting.dimension :]
    )
    return (at, 1) if vanishing else (zero, 0)


def _moved(setting: Setting, f: Polynomial, centre: Sequence[Rational]) -> Polynomial:
    """f(x + centre)."""
    d = setting.dimension
    at = [v + c for v, c in zip(setting.ring[:d], centre, strict=True)]
    return f.compose(*at, *setting.ring[d:])


def holds(setting: Setting, case: Case, grams: Grams) -> bool:
    """Decide exactly whether the Gram matrices prove P ≥ 0 on the cell.

    Notes
    -----
    **Cost**: exact LDLᵀ factorisations of the Gram matrices.
    **Validity**: True is a proof; nothing of the solver is used.
    """
    p = case.polynomial
    if p is None or len(grams.matrices) != 1 + len(case.cell):
        return False
    d = setting.dimension
    if any(len(m) != d or len(set(b)) != len(b) for b in grams.bases for m in b):
        return False
    if len(grams.centre) != d:
        return False
    if any(q != q.transpose() for q in grams.matrices):
        return False
    if any(ldlt(q).inertia.negative for q in grams.matrices[1:]):
        return False
    missing = _moved(setting, p, grams.centre)
    x = setting.ring[:d]
    walls = [p * 0 + 1, *(_moved(setting, wall, grams.centre) for wall in case.cell)]
    for wall, basis, q in zip(walls, grams.bases, grams.matrices, strict=True):
        z = [_power(x, m, p) for m in basis]
        form = p * 0
        for a, b in product(range(len(z)), repeat=2):
            if q[a, b]:
                form += z[a] * z[b] * q[a, b]
        missing -= wall * form
    basis, q = grams.bases[0], grams.matrices[0]
    places: dict[Monomial, list[tuple[int, int]]] = {}
    for a, b in product(range(len(basis)), repeat=2):
        m = tuple(i + j for i, j in zip(basis[a], basis[b], strict=True))
        places.setdefault(m, []).append((a, b))
    by_monomial: dict[Monomial, dict[tuple[int, ...], Rational]] = {}
    for m, c in missing.to_dict().items():
        exponents = tuple(map(int, m))
        part = by_monomial.setdefault(exponents[:d], {})
        part[(0,) * d + exponents[d:]] = rational(c)
    size = len(basis)
    middle = q * 1
    errors = [[rational(0)] * size for _ in range(size)]
    with working_precision(BITS):
        at = [arb(0)] * d + setting.balls
        for m, part in by_monomial.items():
            if m not in places:
                return False
            share = 1 / rational(len(places[m]))
            if set(part) == {(0,) * len(setting.ring)}:
                c, e = next(iter(part.values())) * share, rational(0)
            else:
                ball = polynomial_ball(p.context().from_dict(part), at) * arb(share)
                if not ball.is_finite():
                    return False
                c, e = dyadic(ball.mid()), dyadic(arb(ball.rad()))
            for a, b in places[m]:
                middle[a, b] += c
                errors[a][b] += e
    eta = max((sum(row, rational(0)) for row in errors), default=rational(0))
    for a in range(size):
        middle[a, a] -= eta
    return ldlt(middle).inertia.negative == 0


def monomials(d: int, degree: int) -> list[Monomial]:
    """Return the exponents of all monomials in d unknowns up to a degree, by degree.

    >>> monomials(2, 1)
    [(0, 0), (0, 1), (1, 0)]
    """
    every = product(range(degree + 1), repeat=d)
    return sorted((m for m in every if sum(m) <= degree), key=lambda m: (sum(m), m))


def _power(x: Sequence[Polynomial], m: Monomial, like: Polynomial) -> Polynomial:
    out = like * 0 + 1
    for v, e in zip(x, m, strict=True):
        out *= v**e
    return out


def _at_constants(f: Polynomial, setting: Setting) -> dict[Monomial, float]:
    d = setting.dimension
    out: dict[Monomial, arb] = {}
    for m, c in f.to_dict().items():
        exponents = tuple(map(int, m))
        value = arb(c)
        for ball, e in zip(setting.balls, exponents[d:], strict=True):
            value *= ball**e
        out[exponents[:d]] = out.get(exponents[:d], arb(0)) + value
    return {m: float(x.mid()) for m, x in out.items()}


def _solve(
    target: dict[Monomial, float],
    weights: Sequence[dict[Monomial, float]],
    bases: Sequence[Sequence[Monomial]],
) -> list[list[list[float]]] | None:
    """Maximise λ over target = Σ_j weight_j · z_jᵀ Q_j z_j with all Q_j ⪰ λ·I."""
    try:
        import clarabel
        import numpy as np
        from scipy import sparse
    except ImportError:
        raise MissingExtraError("Clarabel", "sos") from None

    columns = [(j, a, b) for j, z in enumerate(bases) for b in range(len(z)) for a in range(b + 1)]
    number = {m: k for k, m in enumerate(target)}
    entries: list[tuple[int, int, float]] = []
    for k, (j, a, b) in enumerate(columns):
        double = 1.0 if a == b else 2.0
        for m, c in weights[j].items():
            key = tuple(u + v + w for u, v, w in zip(bases[j][a], bases[j][b], m, strict=True))
            entries.append((number.setdefault(key, len(number)), k, double * c))
    right = [target.get(m, 0.0) for m in number]
    last, row = len(columns), len(number)
    cones: list[Any] = [clarabel.ZeroConeT(row)]
    k = 0
    for z in bases:  # s = svec(Q_j − λ·I), the upper triangle by columns
        for b in range(len(z)):
            for a in range(b + 1):
                entries.append((row, k, -1.0 if a == b else -(2.0**0.5)))
                if a == b:
                    entries.append((row, last, 1.0))
                right.append(0.0)
                row, k = row + 1, k + 1
        cones.append(clarabel.PSDTriangleConeT(len(z)))
    table = np.array(entries)
    places = (table[:, 0].astype(int), table[:, 1].astype(int))
    system = sparse.csc_matrix((table[:, 2], places), shape=(row, last + 1))
    cost = np.zeros(last + 1)
    cost[last] = -1.0
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_iter = 200
    solver = clarabel.DefaultSolver(
        sparse.csc_matrix((last + 1, last + 1)), cost, system, np.array(right), cones, settings
    )
    x = solver.solve().x
    if len(x) != last + 1 or not np.isfinite(x).all() or x[last] < _LEAST_EIGENVALUE:
        return None
    out = [[[0.0] * len(z) for _ in z] for z in bases]
    for k, (j, a, b) in enumerate(columns):
        out[j][a][b] = out[j][b][a] = float(x[k])
    return out
