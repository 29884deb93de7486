r"""The nearest point of a fiber {(X, Y) : XY = W} of the two-layer linear network, to (B, A).

Over a matrix X of full row rank the best Y is A − XᵀΛ with Λ = (XXᵀ)⁻¹(XA − W), so that one
matrix is left:  f(X) = ‖X − B‖² + ‖A − Y‖².  Where the hidden width is the rank r of W, the
column space of X and the row space of Y are those of W, and everything shrinks to r×r.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.latex import words
from detvar.landscape import fiber_newton
from detvar.landscape.fiber_certificate import Enclosure, enclose

Array = Any  # numpy.ndarray of float64: NumPy is not imported with the module

_NUMBERS = ("distance", "multiplier_norm", "radius", "deviation")


@dataclass(frozen=True, eq=False)
class FiberProjection:
    r"""A nearest point of the fiber over W, and what is proved about it.

    Attributes
    ----------
    B, A : arrays (p, k) and (k, q)
        The point, in floating point.
    distance : float
        √(‖B − B₀‖² + ‖A − A₀‖²) from the given (B₀, A₀).
    multiplier : array (p, q)
        Λ with B₀ − B = ΛAᵀ and A₀ − A = BᵀΛ along the fiber, up to rounding.
    multiplier_norm : float
        ‖Λ‖₂; an upper bound for it where the point is certified.
    is_certified : bool
        Whether it is proved that the nearest point of an exact fiber is unique and lies within
        `radius` of (B, A).
    reason : str
        Why, or why not.
    radius : float
        Bound for the distance to the exact nearest point, and for the error of `distance`;
        infinite where nothing is proved.
    deviation : float
        How far at most (Frobenius) the exact fiber's matrix is from the given W: 0, except where
        W was rounded to the rank of the hidden layer.
    critical_points : int
        How many critical points of different distance the search met.
    """

    B: Array
    A: Array
    distance: float
    multiplier: Array
    multiplier_norm: float
    is_certified: bool
    reason: str
    radius: float
    deviation: float
    critical_points: int

    def __str__(self) -> str:
        word = "certified" if self.is_certified else "numerical"
        return f"{word} projection at distance {self.distance:.10g}: {self.reason}"

    def to_latex(self) -> str:
        """Return the result as LaTeX text."""
        return words(str(self))

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON; floats as hexadecimal text, so that nothing is lost."""
        out: dict[str, Any] = {"kind_of_result": "fiber_projection"}
        for name in ("B", "A", "multiplier"):
            out[name] = [[x.hex() for x in row] for row in getattr(self, name).tolist()]
        out |= {name: float(getattr(self, name)).hex() for name in _NUMBERS}
        out |= {"is_certified": self.is_certified, "reason": self.reason}
        return out | {"critical_points": self.critical_points}

    @classmethod
    def from_json(cls, data: Any) -> FiberProjection:
        """Read what `to_json` writes."""
        import numpy as np

        try:
            read: dict[str, Any] = {
                name: np.array([[float.fromhex(x) for x in row] for row in data[name]])
                for name in ("B", "A", "multiplier")
            }
            read |= {name: float.fromhex(data[name]) for name in _NUMBERS}
            read["is_certified"] = data["is_certified"] is True
            read["reason"], read["critical_points"] = str(data["reason"]), data["critical_points"]
            return cls(**read)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(
                "this is not a projection: give what FiberProjection.to_json writes"
            ) from None


def project_to_fiber(
    B: Any,
    A: Any,
    W: Any,
    *,
    starts: int = 48,
    seed: int = 0,
    tolerance: float = 1e-10,
    certify: bool = True,
    near: Any = None,
) -> FiberProjection:
    r"""Return the nearest (X, Y) with XY = W to (B, A), with a proof where there is one.

    Parameters
    ----------
    B, A : arrays (p, k) and (k, q)
    W : array (p, q)
        Of rank k, or of any full rank if k is larger.  Floats count with their exact value.
    starts, seed : random points from which Newton's method starts, after the structured ones
    tolerance : singular values of W up to this fraction of the largest count as 0
    certify : whether to look for a proof; without it the answer is numerical
    near : array (p, k), optional
        One more X to start from, say that of the projection of a nearby point.

    Returns
    -------
    FiberProjection

    Raises
    ------
    ShapeError
        If the matrices do not fit together.
    InputError
        For numbers that are not finite, for a W of rank above k (its fiber is empty), and for a W
        without full rank where k is larger than its rank (its fiber is singular).

    Notes
    -----
    **Cost**: 2 to 5 ms where the first start is certified, 0.06 s for r = 2 and 0.2 s for r = 3
    where all starts are used; a proof costs 1 to 5 ms more.  Hessians have order pk, or r².
    **Validity**: a certified answer is a theorem about an exact problem: W itself, or for k = r
    the product of the returned matrices, which differs from W by `deviation`.  At a critical
    point every other point (X', Y') of the fiber satisfies f' − f = ‖ΔX‖² + ‖ΔY‖² +
    2⟨Λ, ΔXΔY⟩ ≥ (1 − ‖Λ‖₂)(‖ΔX‖² + ‖ΔY‖²), hence ‖Λ‖₂ < 1 makes it the only nearest one.  For
    r = 1 nearest points have ‖Λ‖₂ ≤ 1; for r ≥ 2 some have more, and then nothing is proved.

    References
    ----------
    Draisma, Horobeţ, Ottaviani, Sturmfels, Thomas, "The Euclidean distance degree of an algebraic
    variety", 2016; Krawczyk, 1969, for the enclosure.

    Examples
    --------
    >>> found = project_to_fiber([[1, 0.2], [0, 1.5]], [[1.5, 0], [0.3, 0.4]], [[2, 0], [0, 1]])
    >>> found.is_certified, round(found.distance**2, 10), round(found.multiplier_norm, 6)
    (True, 0.168779652, 0.210147)
    """
    import numpy as np

    b, a, w = (_matrix(x, name) for x, name in ((B, "B"), (A, "A"), (W, "W")))
    if b.shape[0] != w.shape[0] or a.shape[1] != w.shape[1] or b.shape[1] != a.shape[0]:
        raise ShapeError(
            f"B is {_size(b)}, A is {_size(a)} and W is {_size(w)}: give B (p×k), A (k×q), W (p×q)"
        )
    if starts < 0:
        raise InputError(f"starts is {starts}: give a number of random starts, at least 0")
    near = None if near is None else _matrix(near, "near")
    if near is not None and near.shape != b.shape:
        raise ShapeError(f"near is {_size(near)} and B is {_size(b)}: give matrices of one shape")
    rank, reduced = _rank(w, b.shape[1], tolerance)
    # in units near 1; a power of two changes no digit, and Λ not at all
    largest = max(np.abs(b).max(), np.abs(a).max(), np.sqrt(np.abs(w).max()))
    unit = 2.0 ** int(np.round(np.log2(largest)))
    b, a, w, near = b / unit, a / unit, w / unit**2, None if near is None else near / unit
    flip = not reduced and w.shape[0] > w.shape[1]
    if flip:  # then Y has full column rank, and takes the part of X
        b, a, w, near = a.T, b.T, w.T, None
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    if reduced:
        u, vt = u[:, :rank], vt[:rank]
        w1, b1, a1 = np.diag(s[:rank]), u.T @ b, a @ vt.T
        hint = None if near is None else u.T @ near
    else:
        w1, b1, a1, hint = w, b, a, near
    x1, multiplier, count = fiber_newton.nearest(w1, b1, a1, starts, seed, hint)
    if reduced:
        x, y = u @ x1, np.linalg.solve(x1, w1) @ vt
        multiplier = u @ multiplier @ vt
    else:
        x, y = x1, a1 - x1.T @ multiplier
    norm = float(np.linalg.norm(multiplier, 2))
    proved: Enclosure | None = None
    if certify and norm < 1:
        proved = enclose(w, b, a, x, y, reduced)
    distance = unit * float(np.sqrt(((x - b) ** 2).sum() + ((y - a) ** 2).sum()))
    deviation = float(np.linalg.norm(x @ y - w)) if reduced else 0.0
    if flip:
        x, y, multiplier = y.T, x.T, multiplier.T
    return FiberProjection(
        B=unit * x,
        A=unit * y,
        distance=distance,
        multiplier=multiplier,
        multiplier_norm=norm if proved is None else max(norm, proved.norm),
        is_certified=proved is not None,
        reason=_reason(norm, certify, proved, count),
        radius=np.inf if proved is None else unit * proved.radius,
        deviation=unit**2 * (deviation if proved is None else proved.deviation),
        critical_points=count,
    )


def distance_from_zero(W: Any, layers: int = 2) -> float:
    r"""Return the distance from 0 to the fiber {W_N ⋯ W₁ = W}: its square is N Σσ_j^{2/N}.

    For two layers this is √(2‖W‖_*), with the nuclear norm.  The hidden widths must be at least
    the rank of W and do not matter otherwise.

    References
    ----------
    Shang, Liu, Cheng, "Scalable algorithms for tractable Schatten quasi-norm minimization", 2016.

    Examples
    --------
    >>> round(distance_from_zero([[1.5, 0.4], [0.2, 1]]) ** 2, 10)
    5.0159744816
    """
    import numpy as np

    if layers < 1:
        raise InputError(f"layers is {layers}: give the number of matrices, at least 1")
    s = np.linalg.svd(_matrix(W, "W"), compute_uv=False)
    return float(np.sqrt(layers * (s ** (2 / layers)).sum()))


def _rank(w: Array, k: int, tolerance: float) -> tuple[int, bool]:
    """The rank of W, and whether the hidden layer has exactly that width."""
    import numpy as np

    s = np.linalg.svd(w, compute_uv=False)
    rank = int((s > tolerance * s[0]).sum()) if s[0] > 0 else 0
    if rank > k:
        raise InputError(
            f"W has rank {rank} and the hidden layer {k} unit{'s' * (k != 1)}, so the fiber is "
            "empty: give a W of rank at most k, or a larger tolerance if W is rounded"
        )
    if rank < k and rank < min(w.shape):
        raise InputError(
            f"W has rank {rank}, below its size and below the {k} hidden units, so the fiber is "
            f"singular: give a W of full rank {min(w.shape)}, or {max(rank, 1)} hidden units"
        )
    return rank, rank == k


def _reason(norm: float, certify: bool, proved: Enclosure | None, count: int) -> str:
    among = f"the best of {count} critical point{'s' * (count != 1)} found"
    if proved is not None:
        return f"the multiplier has norm <= {proved.norm:.6g} < 1, so no other point is as near"
    if norm >= 1:
        return f"the multiplier has norm {norm:.6g}, which proves nothing: {among}"
    if not certify:
        return f"the multiplier has norm {norm:.6g} < 1 in floating point; no proof was asked for"
    return f"the multiplier has norm {norm:.6g}, but no ball around the point was proved: {among}"


def _matrix(x: Any, name: str) -> Array:
    import numpy as np

    try:
        a = np.array(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name} is no matrix of real numbers: give rows of numbers") from None
    if a.ndim != 2 or a.size == 0:
        raise ShapeError(f"{name} has shape {a.shape}: give a matrix, as rows of numbers")
    if not np.isfinite(a).all():
        raise InputError(f"{name} has an entry that is not finite: give finite numbers")
    return a


def _size(a: Array) -> str:
    return f"{a.shape[0]}×{a.shape[1]}"
