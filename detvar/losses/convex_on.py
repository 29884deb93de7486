"""Convexity on a box by interval branch and bound on the Hessian, and refutation by a point."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from detvar.errors import InputError, ShapeError
from detvar.exact.balls import arb, arb_mat, working_precision
from detvar.exact.rational import Rational, rational, to_text
from detvar.losses.analytic import Convexity
from detvar.losses.protocol import Loss, is_polynomial

Box = list[tuple[Rational, Rational]]
_TRIES = 60
_PRECISION = 106


def convex_on(loss: Any, box: Sequence[Any], budget: int = 2000) -> Convexity:
    """Say whether ℓ is convex on a box: ∇²ℓ ≻ 0 on boxes that cover it, or vᵀ∇²ℓ v < 0 somewhere.

    On each box the enclosure H of the Hessian is multiplied from both sides with approximate
    eigenvectors V of its middle, scaled so that VᵀHV is close to the identity; by Gershgorin's
    theorem it is positive definite if its rows are dominated by their diagonals. Else the box is
    halved along its longest side.

    Parameters
    ----------
    loss : any loss with `hessian_ball`, or with an exact gradient over every ring
    box : pairs (low, high) of rational numbers, one for each entry of W, row by row, or m rows of
        n such pairs; where low = high, the entry is fixed
    budget : the number of boxes to look at

    Returns
    -------
    Convexity
        True with the number of boxes, False with a matrix in the box, or None.

    Raises
    ------
    InputError, ShapeError
        If the box is not such a list, or the loss has no Hessian that can be enclosed.

    Notes
    -----
    **Cost**: one enclosure and O((mn)³) ball operations for each box.
    **Validity**: a singular Hessian stays undecided, except that entries of W which it does not
    see (zero rows for all W) are left out, and that a loss which is known to be convex is so.

    References
    ----------
    Rohn, *Positive definiteness and stability of interval matrices* (1994).

    Examples
    --------
    >>> from detvar.losses import ExpressionLoss
    >>> loss = ExpressionLoss("w11**4 - w11**2 + w12**2", (1, 2))
    >>> print(convex_on(loss, [(1, 2), (-1, 1)]).reason)
    ∇²ℓ is positive definite on each of 1 boxes that cover the box
    >>> convex_on(loss, [(0, 2), (-1, 1)]).answer
    False
    """
    cells = _box(box, loss.shape)
    if type(budget) is not int or budget < 1:
        raise InputError(f"budget is {budget!r}: give a number of boxes from 1 on")
    known = _known(loss, cells)
    if known is not None:
        return known
    hessian = _hessian_of(loss)
    free = [k for k, (low, high) in enumerate(cells) if low < high]
    seen = _seen(hessian(_balls(cells, loss.shape)), free)
    if not seen:
        return Convexity(True, "∇²ℓ is zero on the box")
    todo = deque([cells])  # wide boxes first, so that a witness is not missed
    for count in range(budget):
        if not todo:
            return Convexity(
                True, f"∇²ℓ is positive definite on each of {count} boxes that cover the box"
            )
        here = todo.popleft()
        middle = [(low + high) / 2 for low, high in here]
        h = _part(hessian(_balls(here, loss.shape)), seen)
        if is_positive_definite(h):
            continue
        with working_precision(_PRECISION):
            at = _part(hessian(_balls([(x, x) for x in middle], loss.shape)), seen)
        if has_negative_direction(at):
            return _refuted(middle, loss.shape)
        if not _finite(at):
            return Convexity(None, f"∇²ℓ is not defined at {_shown(middle, loss.shape)}")
        k = max(seen, key=lambda k: here[k][1] - here[k][0])
        low, high = here[k]
        todo += [
            [*here[:k], part, *here[k + 1 :]] for part in ((middle[k], high), (low, middle[k]))
        ]
    if not todo:
        return Convexity(
            True, f"∇²ℓ is positive definite on each of {budget} boxes that cover the box"
        )
    left = [(low + high) / 2 for low, high in todo[0]]
    return Convexity(
        None,
        f"after {budget} boxes no proof was found near {_shown(left, loss.shape)}: "
        "give a larger budget or a smaller box",
    )


def refutation(loss: Any) -> Convexity | None:
    """Return that ℓ is not convex, with a matrix at which its Hessian has a negative eigenvalue.

    None if none of some sixty matrices with small entries is such a witness.

    >>> from detvar.losses import ExpressionLoss
    >>> print(refutation(ExpressionLoss("exp(w11)*w12")).reason)
    the Hessian has a negative eigenvalue at W = [[0, 0]]
    """
    import numpy as np

    m, n = loss.shape
    rng = np.random.default_rng(0)
    scales = np.array([0, 4, 8, 16, 64])[rng.integers(0, 5, _TRIES)]
    quarters = np.stack([rng.integers(-s, s + 1, (m, n)) for s in scales])
    quarters[0] = 0
    quarters[1::4] = abs(quarters[1::4]) + 1  # where logarithms and roots are defined
    for w, h in zip(quarters, loss.hessian_array(quarters / 4.0), strict=True):
        if np.isfinite(h).all() and np.linalg.eigvalsh(h)[0] < -1e-9 * max(1.0, np.abs(h).max()):
            flat = [Rational(int(x), 4) for x in w.ravel()]
            with working_precision(_PRECISION):
                exact = loss.hessian_ball(_balls([(x, x) for x in flat], loss.shape))
            if has_negative_direction(exact):
                return _refuted(flat, loss.shape)
    return None


# --- matrices of balls --------------------------------------------------------------------------


def is_positive_definite(h: arb_mat) -> bool:
    """Say whether every symmetric matrix in h is proved to be positive definite.

    If VᵀHV is positive definite for a square V, then V is regular and H is positive definite.

    >>> (
    ...     is_positive_definite(arb_mat([[2, 1], [1, 2]])),
    ...     is_positive_definite(arb_mat([[1, 1], [1, 1]])),
    ... )
    (True, False)
    """
    import numpy as np

    if not _finite(h):
        return False
    values, vectors = np.linalg.eigh(_middle(h))
    if not (values[0] > 0 and np.isfinite(vectors).all()):
        return False
    v = arb_mat((vectors / np.sqrt(values)).tolist())
    near = (v.transpose() * h * v).tolist()
    return all(
        row[i] > sum((abs(x) for j, x in enumerate(row) if j != i), arb(0))
        for i, row in enumerate(near)
    )


def has_negative_direction(h: arb_mat) -> bool:
    """Say whether vᵀHv < 0 is proved for a vector v and every H in h.

    >>> has_negative_direction(arb_mat([[1, 2], [2, 1]]))
    True
    """
    import numpy as np

    if h.nrows() == 0 or not _finite(h):
        return False
    vector = np.linalg.eigh(_middle(h))[1][:, 0]
    v = arb_mat([[x] for x in vector.tolist()])
    return bool((v.transpose() * h * v)[0, 0] < 0)


def _middle(h: arb_mat) -> Any:
    import numpy as np

    a = np.array([[float(x.mid()) for x in row] for row in h.tolist()])
    return (a + a.T) / 2


def _finite(h: arb_mat) -> bool:
    return all(x.is_finite() and abs(x) < arb(2) ** 500 for x in h.entries())


def _part(h: arb_mat, which: Sequence[int]) -> arb_mat:
    return arb_mat([[h[a, b] for b in which] for a in which])


# --- boxes and Hessians -------------------------------------------------------------------------


def _box(box: Sequence[Any], shape: tuple[int, int]) -> Box:
    m, n = shape
    try:
        rows = [list(x) for x in box]
        if len(rows) == m and rows and all(len(r) == n and _is_pair(r[0]) for r in rows):
            rows = [list(x) for r in rows for x in r]
        if len(rows) != m * n or any(len(x) != 2 for x in rows):
            raise TypeError
    except TypeError:
        raise ShapeError(
            f"box must list {m * n} pairs (low, high), one for each entry of the {m}×{n} matrix W"
        ) from None
    out = []
    for k, (low, high) in enumerate(rows):
        a, b = rational(low, f"box[{k}]"), rational(high, f"box[{k}]")
        if a > b:
            raise InputError(
                f"box[{k}] has low {to_text(a)} above high {to_text(b)}: exchange them"
            )
        out.append((a, b))
    return out


def _is_pair(x: Any) -> bool:
    return isinstance(x, (tuple, list)) and len(x) == 2


def _balls(box: Box, shape: tuple[int, int]) -> arb_mat:
    """Return a matrix of balls that holds the box; sharp where low = high."""
    flat = [arb(low) if low == high else arb(low).union(arb(high)) for low, high in box]
    return arb_mat(*shape, flat)


def _seen(h: arb_mat, free: list[int]) -> list[int]:
    """Return the free entries whose rows of the Hessian are not identically 0 on the box."""
    return [a for a in free if not all(h[a, b].is_zero() for b in free)]


def _known(loss: Any, box: Box) -> Convexity | None:
    """Return that ℓ is convex, if that is known without the box and ℓ is defined on it."""
    if not hasattr(loss, "convexity"):
        whole = is_polynomial(loss) and loss.is_convex()
        return Convexity(True, "the loss is convex on all matrices") if whole else None
    found: Convexity = loss.convexity()
    defined = hasattr(loss, "value_ball") and loss.value_ball(_balls(box, loss.shape)).is_finite()
    return found if found.answer and defined else None


def _hessian_of(loss: Any) -> Callable[[arb_mat], arb_mat]:
    """Return the enclosure of ∇²ℓ, from the loss or from its gradient as a formula."""
    if hasattr(loss, "hessian_ball"):
        return loss.hessian_ball  # type: ignore[no-any-return]
    if not hasattr(loss, "evaluate_gradient"):
        raise InputError("the loss has no Hessian: give one of detvar.losses")
    return _formula_hessian(loss)


def _formula_hessian(loss: Loss) -> Callable[[arb_mat], arb_mat]:
    from detvar.homotopy.derivatives import jacobian
    from detvar.homotopy.expression import Expression, Graph
    from detvar.losses.formula_values import FormulaValues

    m, n = loss.shape
    graph = Graph()
    inputs = [graph.input(k) for k in range(m * n)]
    rows = [[Expression(graph, inputs[i * n + j]) for j in range(n)] for i in range(m)]
    first = [x.node for row in loss.evaluate_gradient(rows) for x in row]
    second = jacobian(graph, first, inputs)
    return FormulaValues(graph, graph.zero, inputs, first, second, loss.shape).hessian_ball


def _refuted(flat: Sequence[Rational], shape: tuple[int, int]) -> Convexity:
    return Convexity(False, f"the Hessian has a negative eigenvalue at W = {_shown(flat, shape)}")


def _shown(flat: Sequence[Rational], shape: tuple[int, int]) -> str:
    n = shape[1]
    texts = [to_text(x) for x in flat]
    rows = [", ".join(texts[i : i + n]) for i in range(0, len(texts), n)]
    return "[" + ", ".join(f"[{row}]" for row in rows) + "]"
