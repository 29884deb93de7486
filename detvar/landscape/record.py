r"""Record a training run: ⟨∇fᵢ(x_k), x_k − x_K⟩, fᵢ(x_k) and fᵢ(x_K) of every step's own batch.

The last iterate x_K is known only at the end, so that the run is looked at twice.  While the path
fits in memory, x_k and ∇fᵢ(x_k) are kept, and the second pass only evaluates losses, at x_K and
once more at x_k; otherwise the run is repeated.  Both give the same trace, bit for bit, and both
notice if the second pass sees other batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from detvar.errors import InputError
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.measuring import Buffers, LossFunction, Variables, generators, select
from detvar.landscape.optimizers import Rule, run
from detvar.landscape.recording import Recording
from detvar.landscape.trace import Trace
from detvar.landscape.untouched import pytorch, untouched

Array = Any  # numpy.ndarray: NumPy is not imported with the module

MEMORY = 512 * 2**20


def record(
    model: Any,
    loss_fn: LossFunction,
    batches: Any,
    make_optimizer: Callable[[Any], Any],
    seed: int = 0,
    *,
    lower: float = 0.0,
    params: Any = None,
    epochs: int = 1,
    full: Callable[[Any], Any] | None = None,
    memory: int = MEMORY,
    angles: bool = False,
    progress: Any = None,
) -> Trace:
    """Train a model and record ⟨∇fᵢ(x_k), x_k − x_K⟩, fᵢ(x_k), fᵢ(x_K) of every step.

    Parameters
    ----------
    model : torch.nn.Module
        Its current parameters are x_0.  It comes back untouched, also after an exception.
    loss_fn : function (model, batch) -> scalar tensor
    batches : list, DataLoader, or function seed -> iterable
        The batches in order.
    make_optimizer : function parameters -> optimizer, or (optimizer, scheduler)
        The scheduler steps after every step.
    seed : int
        Seeds torch, NumPy and Python, and is handed to `batches`.
    lower : float
        A lower bound ℓ of every loss, in place of min fᵢ.  The smaller, the larger the region.
    params : regular expression, function of a name, or names, optional
        Train and record these parameters only; the others stay fixed.
    epochs : int
        How often to run through the batches.
    full : function model -> scalar tensor, optional
        The loss of all data, measured at the start of every epoch: `Trace.full`.
    memory : int
        Bytes for the path; beyond, the run is repeated.
    angles : bool
        Record ‖∇fᵢ‖² and ‖x_k − x_K‖² too, for cosine, PL, RSI and EB.
    progress : bool or function (pass, steps done), optional

    Raises
    ------
    InputError
        If the loss is no finite scalar or falls below `lower`, there is nothing to train or no
        batch, or the second pass differs from the first.

    Notes
    -----
    Dropout layers are off while measuring, and on in the optimizer's step.  Any other random
    numbers in the loss are the same at x_k and x_K.  **Cost**: training, and two evaluations of
    the loss per step; or twice the training and one evaluation.

    References
    ----------
    Islamov, Ajroldi, Orvieto, Lucchi (2024), section 4.

    Examples
    --------
    >>> import pytest
    >>> torch = pytest.importorskip("torch")
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> loss = lambda model, t: (model(torch.ones(1)) - t).square().sum() / 2
    >>> trace = record(model, loss, [-1.0, 1.0], lambda p: torch.optim.SGD(p, 0.1), epochs=20)
    >>> trace.region().contains(1, 0)  # the terms are convex
    True
    """
    if not isinstance(epochs, int) or epochs < 1:
        raise InputError(f"epochs is {epochs}: give a whole number > 0")
    if not abs(lower) < float("inf"):
        raise InputError(f"lower is {lower}: give a finite number")
    torch = pytorch()
    chosen = select(model, params)
    orders = [(g, g.get_state()) for g in generators(batches)]
    try:
        with untouched(model), torch.inference_mode(False), torch.enable_grad():
            for p in model.parameters():
                p.requires_grad_(any(p is q for q in chosen.values()))
            recording = Recording(
                model, loss_fn, batches, make_optimizer, seed, float(lower), epochs, full, orders,
                Variables(chosen), Buffers(model), angles, progress,
            )  # fmt: skip
            return recording.trace(memory)
    finally:
        for generator, state in orders:
            generator.set_state(state)


def record_sum(
    problem: FiniteSum,
    rule: Rule,
    x0: Any,
    indices: Sequence[int] | Array,
    *,
    project: bool = False,
    angles: bool = True,
    seed: int = 0,
) -> Trace:
    """Follow a step-size rule on a finite sum and record the same numbers, without PyTorch.

    Parameters
    ----------
    problem : FiniteSum
    rule : SGD, SPSmax, DecSPS, NGN or AdaGradNormMax
    x0 : array (d,)
    indices : i_0, …, i_{K−1}, from 0
        The terms of the steps; they are the label `batch`.
    project : bool
        Use the nearest minimiser of x_k in place of x_K: f_K is then fᵢ at it.
    angles : bool
        Record ‖∇fᵢ‖² and the squared distance too.
    seed : int
        A label.

    Raises
    ------
    InputError
        If there are no steps, the run diverges, or the projection is asked for and not known.

    Examples
    --------
    >>> from detvar.landscape.examples import ex1
    >>> from detvar.landscape.optimizers import SGD
    >>> trace = record_sum(ex1(), SGD(0.1), [1.0, 0.7], [0, 1, 0])
    >>> len(trace), trace.names
    (3, ('x',))
    """
    import numpy as np

    chosen = np.asarray(indices, dtype=np.int64)
    if not len(chosen):
        raise InputError("indices is empty: give at least one step")
    with np.errstate(over="ignore", invalid="ignore"):
        path = run(problem, rule, x0, chosen)
    if not np.isfinite(path.points).all():
        k = int(np.isfinite(path.points).all(axis=1).argmin())
        raise InputError(f"the run diverges at step {k}: lower the step size, or stop before")
    x, rows = path.points[:-1], np.arange(len(chosen))
    end = np.broadcast_to(path.points[-1], x.shape)
    if project:
        nearest = problem.project(x)
        if nearest is None:
            raise InputError(
                f"{problem.name} has no projection on its minimisers: leave project=True out"
            )
        end = nearest
    gradient, step = problem.gradients(x)[rows, chosen], x - end
    squares = np.stack([(gradient**2).sum(axis=1), (step**2).sum(axis=1)], axis=1)
    return Trace(
        f_k=problem.values(x)[rows, chosen],
        f_K=problem.values(end)[rows, chosen],
        per_parameter=(gradient * step).sum(axis=1, keepdims=True),
        names=("x",),
        lower=problem.lower[chosen],
        step=rows,
        batch=chosen,
        epoch=np.zeros_like(rows),
        seed=np.full_like(rows, seed),
        squares=squares if angles else None,
        final=({"x": path.points[-1]},),
    )
