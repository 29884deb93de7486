"""Coordinates of the inputs, in floats, in which the squared loss of data is ½‖W − Z‖² + c₀."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detvar.optimality.moments import Moments


@dataclass(frozen=True, eq=False)
class Gram:
    """XXᵀ and YXᵀ in floats.

    Attributes
    ----------
    xx, yx : arrays n×n and m×n
    """

    xx: Any
    yx: Any


def gram_of(data: Moments | tuple[Any, Any]) -> Gram:
    """Return XXᵀ and YXᵀ of samples in rows, or of moments."""
    import numpy as np

    if isinstance(data, Moments):
        a, b = data.powers
        return Gram(np.ldexp(data.xx.mid, 2 * a), np.ldexp(data.yx.mid, a + b))
    x, y = data
    return Gram(x.T @ x, y.T @ x)


def whitening(
    data: Gram | Moments | tuple[Any, Any], tolerance: float
) -> tuple[Any, Any, Any, Any]:
    """Return (spectrum, R, R⁺, Z) with ½‖WX − Y‖² = ½‖WR − Z‖² + c₀.

    The columns of the data are divided by their sizes first; then X = QSVᵀ gives R = VS, times the
    sizes, and Z = YQ, for the singular values above the tolerance times the largest.

    Returns
    -------
    spectrum : all singular values over the largest; their squares if only moments are known
    R : n×ρ
    R⁺ : ρ×n, with R⁺R = I
    Z : m×ρ

    Examples
    --------
    >>> import numpy as np
    >>> _, r, _, z = whitening((np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([[3.0], [1.0]])), 1e-8)
    >>> float(r[0, 0] * z[0, 0]), r.shape  # X Yᵀ is kept, the second input is 0
    (6.0, (2, 1))
    """
    import numpy as np

    if isinstance(data, Moments):
        data = gram_of(data)
    if isinstance(data, Gram):
        sizes = np.sqrt(np.maximum(np.diagonal(data.xx), 0.0))
        unit = np.where(sizes > 0, sizes, 1.0)
        values, v = np.linalg.eigh(data.xx / unit / unit[:, None])
        values, v = np.maximum(values[::-1], 0.0), v[:, ::-1]
        spectrum, s = values / (values[0] or 1.0), np.sqrt(values)
        cross = data.yx / unit
    else:
        x, y = data
        sizes = np.linalg.norm(x, axis=0)
        unit = np.where(sizes > 0, sizes, 1.0)
        r = np.linalg.qr(x / unit, mode="r")
        _, s, vt = np.linalg.svd(r, full_matrices=False)
        v, spectrum = vt.T, s / (s[0] or 1.0)
        cross = y.T @ (x / unit)
    keep = spectrum > tolerance
    v, s = v[:, keep], s[keep]
    return spectrum, unit[:, None] * (v * s), (v / s).T / unit, cross @ (v / s)
