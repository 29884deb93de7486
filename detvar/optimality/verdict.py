"""Is a trained network at a global minimum? What is proved about floating-point weights.

Floats are taken as exact numbers.  Equalities such as "the gradient is zero" cannot be proved of
them, and strict inequalities can: the gap to the least value, the size of the gradient, a
negative curvature, and that a true critical point of known nature is near.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from detvar.classify import optimality
from detvar.errors import InputError
from detvar.exact.balls import exact_float
from detvar.exact.matrices import Matrix
from detvar.losses import Loss, SquaredLoss, is_analytic, is_polynomial
from detvar.networks.linear import LinearNetwork
from detvar.optimality.by_balls import evidence_by_balls
from detvar.optimality.by_floats import evidence_by_floats
from detvar.optimality.data import Data
from detvar.optimality.door import Problem, Progress, is_float, opened, samples_of
from detvar.optimality.evidence import conclude
from detvar.optimality.float_verdict import FloatVerdict
from detvar.optimality.measured import enough_bits

# Data of at most so many numbers, and weights of at most so many, are small enough for balls.
_SMALL_DATA = 400
_SMALL_WEIGHTS = 300
_LARGE_LOSS = 4000


def check_global_minimum(
    network: LinearNetwork | None,
    loss: Any,
    weights: Any,
    *,
    numerical: bool | None = None,
    tolerance: float = 1e-10,
    distance: float = 1e-3,
    progress: Progress | None = None,
) -> optimality.Verdict | FloatVerdict:
    """Say whether θ minimises L = ℓ∘μ over all weights: exactly, or with certified bounds.

    Exact weights go to the exact test. Of floats it is proved how far L(θ) is above its least
    value (Eckart and Young, on certified singular values), how large the gradient is, a direction
    of negative curvature, and which true critical point is near.

    Parameters
    ----------
    network : as in `classify`, or None, which takes the one of the weights
    loss : a Loss, as in `classify`, also analytic; or data for the squared loss ½‖W̄X − Y‖²: a pair
        (x, y) of arrays with samples as rows, `Data`, `Moments`, a path, or any iterable of
        batches (x, y), which is read once
    weights : (W_1, …, W_h), exact or floating-point; FloatWeights, a mapping, a torch module, or
        the path of a file. With biases b_i the answer is about x ↦ W_h(⋯(W_1x + b_1)⋯) + b_h
    numerical : True takes exact weights as floats; None looks at the weights
    tolerance : the answer is about min L up to `tolerance`·L(0), or up to `tolerance` if L(0) = 0
    distance : a true critical point is near if it is within `distance`·(1 + ‖θ‖)
    progress : called with the number of samples read, for batches

    Raises
    ------
    ShapeError, InputError, NotExactError
        If weights, loss and data do not fit or are not finite.

    Notes
    -----
    **Two arithmetics**: exact losses, and data of at most 400 numbers with at most 300 weights and
    no biases, are taken in balls of 192 bits (any loss, any rank of the data, sharper); all other
    data, and squared losses of more than 4000 numbers that float64 holds, in float64 with proved
    bounds of all rounding. Both follow one rule for the answer.

    **Cost**: in float64 a few products of the data with n×n matrices, eigendecompositions of an
    m×m matrix and at most 60 Hessian products (6 beyond 20 000 weights); in balls products of
    192 bits, and up to 300 weights an eigendecomposition of the Hessian.

    **Validity**: every interval and fact is proved. The least value is known for Kronecker losses,
    and for convex losses where a global minimum is proved nearby.

    References
    ----------
    Yun, Sra, Jadbabaie (2018); Eckart, Young (1936).

    Examples
    --------
    >>> import numpy as np
    >>> from detvar.losses import SquaredLoss
    >>> net, loss = LinearNetwork(2, 1, 2), SquaredLoss([[1, 0], [0, 1]], [[2, 0], [0, 1]])
    >>> good = check_global_minimum(net, loss, [np.array([[2.0, 1e-9]]), np.array([[1.0], [0]])])
    >>> good.answer, good.tier, good.nature
    (True, 'certified', 'global_minimum')
    >>> data = np.eye(2), np.diag([2.0, 1.0])
    >>> check_global_minimum(None, data, [np.zeros((1, 2)), np.zeros((2, 1))]).answer
    False
    """
    import numpy as np

    start = perf_counter()
    if not (isinstance(tolerance, (int, float)) and 0 < tolerance < 1):
        raise InputError(f"tolerance is {tolerance}: give a number between 0 and 1, such as 1e-10")
    problem = opened(network, loss, weights, progress, numerical=numerical)
    if problem.exact is not None:
        assert problem.loss is not None
        return optimality.check_global_minimum(problem.network, problem.loss, problem.exact)
    problem = _routed(problem)
    if problem.loss is None:
        with np.errstate(all="ignore"):
            found = evidence_by_floats(problem, tolerance, distance)
        return conclude(found, tolerance, "float64", start)
    assert problem.weights is not None
    with enough_bits(), np.errstate(all="ignore"):
        arrays = problem.weights.arrays
        found = evidence_by_balls(problem.network, problem.loss, arrays, tolerance, distance)
        return conclude(found, tolerance, "balls", start)


def _routed(problem: Problem) -> Problem:
    """Turn small data into an exact loss, and a large squared loss into data."""
    loss, data, weights = problem.loss, problem.data, problem.weights
    assert weights is not None
    if loss is not None and not (is_polynomial(loss) or is_analytic(loss)):
        raise InputError(
            f"a {loss.to_json()['type']} loss is not taken at floating-point weights: give exact "
            "weights, or a polynomial or analytic loss"
        )
    if isinstance(loss, SquaredLoss) and _numbers(loss) > _LARGE_LOSS:
        read = samples_of(loss)
        return problem if read is None else Problem(problem.network, None, read, weights)
    if isinstance(data, Data) and not weights.bias:
        few = sum(w.size for w in weights.arrays) <= _SMALL_WEIGHTS
        if few and data.x.size + data.y.size <= _SMALL_DATA:
            return Problem(problem.network, _as_loss(data), None, weights)
    return problem


def _numbers(loss: SquaredLoss) -> int:
    return int(loss.X.ncols() * (loss.X.nrows() + loss.Y.nrows()))


def _as_loss(data: Data) -> Loss:
    """Return the squared loss of floats, taken as exact numbers."""
    x, y = (
        Matrix(a.shape[1], a.shape[0], [exact_float(float(t)) for t in a.T.ravel()])
        for a in (data.x, data.y)
    )
    return SquaredLoss(x, y)


__all__ = ["FloatVerdict", "Progress", "check_global_minimum", "is_float"]
