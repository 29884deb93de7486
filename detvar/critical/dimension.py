"""Are the critical points near a singular one a family?  A numerical answer, used to refuse.

Along a smooth family of dimension c the Jacobian has corank c, and Newton's method with the
pseudo-inverse returns from a displaced point to another member of the family.
"""

from __future__ import annotations

from typing import Any

from detvar.critical.rank_system import RankSystem

_STEPS, _RELATIVE, _MOVE = 40, 1e-7, 1e-2
_FAR = 1e3


def local_dimension(made: RankSystem, x: Any, chart: int, parameters: Any) -> int:
    """Return the dimension of a smooth family of zeros near x, or 0 if none is recognised.

    Parameters
    ----------
    made : RankSystem
    x : (N,) complex, near a zero
    chart : the chart of x
    parameters : (M,) complex, in chart 0

    Notes
    -----
    **Validity**: numerical, by singular values below 1e-7 of the largest; families with a
    non-reduced structure, and members of lower rank, are not recognised.
    """
    import numpy as np

    p = made.parameters(np.asarray(parameters)[None], np.array([chart]))[0]
    with np.errstate(all="ignore"):
        here = _settle(made, np.asarray(x, dtype=np.complex128), p)
        if here is None:
            return 0
        at, kernel = here
        size = np.abs(at).max()
        _, factor = made._blocks(at[None])
        sizes = np.linalg.svd(factor[0], compute_uv=False)
        lost_rank = sizes[-1] < 1e-6 * max(sizes[0], size)
        # on the way to infinity the Jacobian is badly scaled, not singular
        far = size > _FAR * (1 + np.abs(p).max())
        if not kernel.shape[1] or lost_rank or far:
            return 0
        rng = np.random.default_rng(3)
        step = kernel @ (rng.standard_normal((kernel.shape[1], 2)) @ np.array([1, 1j]))
        moved = _settle(made, at + _MOVE * size * step / np.abs(step).max(), p)
        if moved is None or moved[1].shape != kernel.shape:
            return 0
        return int(kernel.shape[1]) if np.abs(moved[0] - at).max() > _MOVE * size / 4 else 0


def _settle(made: RankSystem, x: Any, p: Any) -> tuple[Any, Any] | None:
    """Return a zero near x and the kernel of the Jacobian there, None without convergence."""
    import numpy as np

    system = made.system
    for _ in range(_STEPS):
        f = system.evaluate(x[None], p)[0]
        j = system.jacobian(x[None], p)[0]
        if not (np.isfinite(f).all() and np.isfinite(j).all()):
            return None
        u, s, v = np.linalg.svd(j)
        regular = s > _RELATIVE * s[0]
        step = v.conj().T[:, regular] @ ((u.conj().T @ f)[regular] / s[regular])
        x = x - step
        if np.abs(step).max() <= 1e-13 * np.abs(x).max():
            small = np.abs(f).max() <= 1e-9 * s[0] * np.abs(x).max()
            return (x, v.conj().T[:, ~regular]) if small else None
    return None
