"""Certification of many approximate zeros at once: existence, uniqueness, reality.

Points are improved by Newton steps and tested by `detvar.homotopy.polydiscs.krawczyk` with
doubles; those that fail are tried again at growing precision.

Reality follows from uniqueness: if f and its parameters are real, conjugation maps zeros to
zeros, and a zero whose conjugate lies in the polydisc where it is the only one, equals it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detvar.errors import ShapeError
from detvar.exact.balls import RationalDisc, constant_parts
from detvar.homotopy.balls import (
    INFLATE,
    TINY,
    BallArray,
    BoolArray,
    ComplexArray,
    RealArray,
    ball_array,
    constant_ball,
)
from detvar.homotopy.certified_zeros import CertifiedZeros
from detvar.homotopy.duals import Jacobian, Map, forward_jacobian, has_real_constants
from detvar.homotopy.polydiscs import krawczyk, weights_of

__all__ = ["CertifiedZeros", "Selected", "certify"]

CHUNK = 2000
DRIFT = 2.0**-6
_FIRST_RADIUS = 2.0**-40
_SHARP = 2.0**-46
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Selected:
    """Parameters of many points, selected from one list of exact constants.

    Attributes
    ----------
    values : constants
    positions : int array, shape (P, M); point k has the parameters values[positions[k]]
    """

    values: Sequence[Any]
    positions: NDArray[np.intp]

    def of(self, k: int) -> list[Any]:
        """Return the M parameters of one point."""
        return [self.values[i] for i in self.positions[k].tolist()]

    def balls(self) -> list[BallArray]:
        """Return M arrays of balls of shape (P,)."""
        known = [constant_ball(c) for c in self.values]
        mid = np.concatenate([b.mid for b in known])
        rad = np.concatenate([b.rad for b in known])
        return [ball_array(mid[at], rad[at]) for at in self.positions.T]


def certify(
    f: Map,
    points: Any,
    parameters: Sequence[Any] | ComplexArray | Selected = (),
    jacobian: Jacobian | None = None,
    *,
    real: bool | None = None,
    blocks: Sequence[int] | None = None,
    drift: float = DRIFT,
    max_bits: int = 848,
) -> CertifiedZeros:
    """Prove, for each point, that exactly one zero of x ↦ f(x, p) lies in a small polydisc.

    Parameters
    ----------
    f : callable (x, p) -> list of N values
        Polynomial map by + − * over any ring; constants exact (or floats taken as exact).
    points : complex128 array, shape (P, N)
        Approximate zeros; each is improved by Newton steps before it is enclosed.
    parameters : M constants, a complex128 array of shape (M,) or (P, M), or `Selected`
        Rationals, pairs (re, im) of rationals, or floats and complex numbers taken as exact.
    jacobian : callable (x, p) -> N rows of N entries, optional
        By default f is differentiated over dual numbers.
    real : bool, optional
        Whether f has real coefficients; by default f is run once to see all its constants.
    blocks : N labels, optional
        Coordinates with one label share a floor of their weights, 1 % of their largest modulus.
    drift : float
        A zero further away than `drift` weights from its point is not counted for it.
    max_bits : int
        Largest precision of the fallback for points that fail with doubles; 53 for none.

    Returns
    -------
    CertifiedZeros

    Raises
    ------
    ShapeError
        If points or parameters do not fit together.

    Notes
    -----
    **Cost**: about 1.5 evaluations of the Jacobian in ball arithmetic, 2000 points at a time.
    **Validity**: singular zeros are never certified; ill-conditioned ones may need the fallback,
    which takes one point at a time.  R. Krawczyk, 1969; S. M. Rump, 1983.

    Examples
    --------
    >>> zeros = certify(lambda x, p: [x[0] * x[0] - p[0]], [[1.4], [-1.4], [3.0]], [2])
    >>> print(zeros)
    2 of 3 points certified: 2 real, 0 not real
    """
    x = np.ascontiguousarray(points, dtype=np.complex128)
    if x.ndim != 2:
        raise ShapeError("points must be a P×N array: give one row for each point")
    count, n = x.shape
    if blocks is not None and len(blocks) != n:
        raise ShapeError(f"there are {len(blocks)} block labels for {n} coordinates: give {n}")
    p, per_point, real_parameters = _read_parameters(parameters, count)
    derivative = forward_jacobian(f) if jacobian is None else jacobian
    if real is None:
        real = has_real_constants(f, n, len(p))
    found = _Found.empty(count, n)
    for start in range(0, count, CHUNK):
        rows = np.arange(start, min(start + CHUNK, count))
        _certify_chunk(f, derivative, x, p, per_point, rows, blocks, drift, found)
    precise: dict[int, tuple[RationalDisc, ...]] = {}
    symmetric = real & real_parameters
    if max_bits > 53:
        _fallback(f, derivative, x, parameters, blocks, drift, max_bits, symmetric, found, precise)
    return _conclude(f, derivative, p, per_point, symmetric, found, precise)


@dataclass
class _Found:
    """The state of the proofs while they are being made."""

    mid: ComplexArray
    rad: RealArray
    unique: RealArray
    weights: RealArray
    contraction: RealArray
    bits: NDArray[np.int64]
    hopeful: BoolArray
    real: BoolArray

    @classmethod
    def empty(cls, count: int, n: int) -> _Found:
        return cls(
            np.zeros((count, n), dtype=np.complex128),
            np.full((count, n), np.inf),
            np.zeros((count, n)),
            np.ones((count, n)),
            np.full(count, np.inf),
            np.zeros(count, dtype=np.int64),
            np.zeros(count, dtype=bool),
            np.zeros(count, dtype=bool),
        )


def _read_parameters(
    parameters: Any, count: int
) -> tuple[list[BallArray], BoolArray, BoolArray | np.bool_]:
    """Return the parameters as balls, which of them vary with the point, and where all are real."""
    if isinstance(parameters, Selected):
        if len(parameters.positions) != count:
            raise ShapeError(f"there are {len(parameters.positions)} parameters for {count} points")
        balls = parameters.balls()
        is_real = np.array([not constant_parts(c)[1] for c in parameters.values], dtype=np.bool_)
        every_real = is_real[parameters.positions].all(axis=1)
        return balls, np.ones(len(balls), dtype=bool), every_real
    if isinstance(parameters, np.ndarray):
        table = np.asarray(parameters, dtype=np.complex128)
        if table.ndim == 2:
            if len(table) != count:
                raise ShapeError(f"there are {len(table)} rows of parameters for {count} points")
            balls = [ball_array(table[:, j]) for j in range(table.shape[1])]
            return balls, np.ones(len(balls), dtype=bool), (table.imag == 0).all(axis=1)
        parameters = table.tolist()
    balls = [constant_ball(c) for c in parameters]
    every = all(not constant_parts(c)[1] for c in parameters)
    return balls, np.zeros(len(balls), dtype=bool), np.bool_(every)


def _at(p: list[BallArray], per_point: BoolArray, rows: NDArray[np.intp]) -> list[BallArray]:
    return [b[rows] if varies else b for b, varies in zip(p, per_point, strict=True)]


def _certify_chunk(
    f: Map,
    jacobian: Jacobian,
    x: ComplexArray,
    p: list[BallArray],
    per_point: BoolArray,
    rows: NDArray[np.intp],
    blocks: Sequence[int] | None,
    drift: float,
    found: _Found,
) -> None:
    """Run up to three rounds of `krawczyk`, the later ones on what is left."""
    c = x[rows]
    w = weights_of(c, blocks)
    found.weights[rows] = w
    rho = np.full(len(rows), _FIRST_RADIUS)
    for round_ in range(_ROUNDS):
        here = _at(p, per_point, rows)
        test = krawczyk(f, jacobian, c, rho, w, here)
        with np.errstate(all="ignore"):
            away = (np.abs(test.centre - x[rows]) / w).max(axis=1) * INFLATE
            if round_ == 0:
                # only points whose first Newton steps are small are worth more effort
                found.hopeful[rows] = (away <= drift) | ~np.isfinite(away)
            proved = test.proved & (away + test.distance <= drift)
            rad = test.distance[:, None] * w * INFLATE + TINY
            good = proved & (rad[:, 0] < found.rad[rows, 0])
        done = rows[good]
        found.mid[done], found.rad[done] = test.centre[good], rad[good]
        found.unique[done] = test.radius[good, None] * w[good] * (1 - 2.0**-50)
        found.contraction[done] = test.contraction[good]
        found.bits[done] = 53
        # a long step that ends in a proof has not converged yet: one more round sharpens it;
        # in the first round, where ρ is small, only short steps end in a proof
        left = np.where(proved, (test.distance > _SHARP) & (round_ > 0), found.hopeful[rows])
        if not left.any():
            return
        better = np.isfinite(test.residual) & (away <= drift)
        c = np.where(better[:, None], test.centre, c)[left]
        rho = 8 * np.fmax(np.where(better, test.residual, 0.0), 2.0**-52)
        rho = np.where(proved, _FIRST_RADIUS, rho)[left]
        rows, w = rows[left], w[left]


def _fallback(
    f: Map,
    jacobian: Jacobian,
    x: ComplexArray,
    parameters: Any,
    blocks: Sequence[int] | None,
    drift: float,
    max_bits: int,
    symmetric: BoolArray | np.bool_,
    found: _Found,
    precise: dict[int, tuple[RationalDisc, ...]],
) -> None:
    """Try the points that are left with balls of growing precision, one at a time."""
    from detvar.homotopy.certify_acb import certify_point

    varies = isinstance(parameters, np.ndarray) and parameters.ndim == 2
    symmetries = np.broadcast_to(symmetric, len(x))
    for k in np.flatnonzero((found.bits == 0) & found.hopeful):
        if isinstance(parameters, Selected):
            values = parameters.of(int(k))
        else:
            values = parameters[k].tolist() if varies else list(parameters)
        proof = certify_point(
            f,
            jacobian,
            x[k],
            values,
            found.weights[k],
            drift=drift,
            max_bits=max_bits,
            symmetric=bool(symmetries[k]),
        )
        if proof is None:
            continue
        ball, unique = proof.rounded(found.weights[k])
        found.mid[k], found.rad[k], found.unique[k] = ball.mid, ball.rad, unique
        found.contraction[k], found.bits[k] = proof.contraction, proof.bits
        found.real[k] = proof.is_real
        precise[int(k)] = proof.discs


def _conclude(
    f: Map,
    jacobian: Jacobian,
    p: list[BallArray],
    per_point: BoolArray,
    symmetric: BoolArray | np.bool_,
    found: _Found,
    precise: dict[int, tuple[RationalDisc, ...]],
) -> CertifiedZeros:
    """Decide real or not, and collect."""
    certified = found.bits > 0
    # the discs of the fallback are the sharper ones
    nonreal = certified & (np.abs(found.mid.imag) > found.rad).any(axis=1)
    for k, discs in precise.items():
        nonreal[k] |= any(abs(d.im) > d.rad for d in discs)
    ask = certified & ~nonreal & ~found.real & symmetric
    with np.errstate(invalid="ignore"):
        # the conjugate zero lies within rad + 2|Im mid| of mid: inside the disc of uniqueness?
        reach = (found.rad + 2 * np.abs(found.mid.imag)) * INFLATE
        real = np.asarray(found.real | (ask & (reach <= found.unique).all(axis=1)))
    left = np.flatnonzero(ask & ~real & (found.bits == 53))
    if left.size:
        real[left] = _recentred(f, jacobian, _at(p, per_point, left), left, found)
    # a real zero is no further from the real part of the midpoint than from the midpoint
    shift = np.where(real[:, None], np.abs(found.mid.imag), 0.0)
    mid = np.where(real[:, None], found.mid.real, found.mid)
    unique = np.maximum(found.unique - shift * INFLATE, 0.0) * (1 - 2.0**-50)
    return CertifiedZeros(
        BallArray(np.ascontiguousarray(mid, dtype=np.complex128), found.rad),
        unique,
        certified,
        real,
        nonreal,
        found.contraction,
        found.bits,
        precise,
    )


def _recentred(
    f: Map, jacobian: Jacobian, p: list[BallArray], rows: NDArray[np.intp], found: _Found
) -> BoolArray:
    """Test polydiscs around the real parts; they are symmetric, so a unique zero in one is real.

    It must also be the zero found before: its enclosure lies in the old disc of uniqueness.
    """
    old, w = found.mid[rows], found.weights[rows]
    centre = old.real.astype(np.complex128)
    test = krawczyk(f, jacobian, centre, np.full(len(rows), 2.0**-46), w, p, step=False)
    retry = 8 * np.fmax(np.where(np.isfinite(test.residual), test.residual, 0.0), 2.0**-52)
    again = krawczyk(f, jacobian, centre, retry, w, p, step=False)
    distance = np.minimum(test.distance, again.distance)
    with np.errstate(invalid="ignore"):
        reach = (np.abs(old.imag) + distance[:, None] * w) * INFLATE + TINY
    return np.asarray((reach <= found.unique[rows]).all(axis=1))
