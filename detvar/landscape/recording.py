"""The two passes of a recording: training, then a second look once x_K is known."""

from __future__ import annotations

import inspect
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from detvar.errors import InputError
from detvar.landscape.measuring import (
    Buffers,
    Dice,
    LossFunction,
    Variables,
    Vector,
    checked_loss,
    dropouts,
    same,
    source,
    switched,
)
from detvar.landscape.trace import Trace
from detvar.landscape.untouched import pytorch, sow

Array = Any  # numpy.ndarray and torch.Tensor: neither is imported with the module
Tensor = Any
State: TypeAlias = tuple[Vector, Vector]  # parameters and buffers

HINT = (
    "give batches as a function of the seed, and a loss that depends on nothing but parameters, "
    "buffers, the batch and torch's random numbers"
)


@dataclass
class Step:
    """What is known of one step: labels, the loss at x_k, and while it is kept the rest.

    `dice` is the state of the random numbers after the step, if the step has used any; `end` is
    the loss of the same batch at x_K.
    """

    k: int
    epoch: int
    batch: int
    value: float = float("nan")
    x: Vector = field(default_factory=list)
    gradient: Vector = field(default_factory=list)
    buffers: Vector = field(default_factory=list)
    dice: Vector = field(default_factory=list)
    end: float = float("nan")
    products: Array = None

    def forget(self) -> None:
        """Free the memory; labels and numbers stay."""
        self.x, self.gradient, self.buffers, self.dice = [], [], [], []


Look: TypeAlias = Callable[[Step, Any, Vector, Vector], None]


@dataclass
class Recording:
    """One call of `record`: a model in training, inside of the guard."""

    model: Any
    loss_fn: LossFunction
    batches: Any
    make_optimizer: Callable[[Any], Any]
    seed: int
    lower: float
    epochs: int
    full: Callable[[Any], Any] | None
    orders: list[tuple[Any, Any]]  # generators of the batches, with their states at the start
    variables: Variables
    buffers: Buffers
    angles: bool
    progress: Any

    def __post_init__(self) -> None:
        self.start = self.variables.read(), self.buffers.read()
        self.dice = Dice(self.variables.parameters)
        self.off = dropouts(self.model)
        self.modes = [(module, module.training) for module in self.model.modules()]
        self.clock = 0.0

    def trace(self, memory: int) -> Trace:
        """Record, by keeping the path where it fits in memory, else by training twice."""
        steps, fulls = self.first_pass(memory)
        if not steps:
            raise InputError("batches is empty: give at least one batch")
        end = self.variables.read(), self.buffers.read()
        self.end = [x.double() for x in end[0]]
        if steps[0].x:
            self.evaluate_again(steps, end)
        else:
            fulls = self.repeat(steps, end)
        for step in fulls:
            self.move(*end)
            step.end = self.full_loss(f"the end, epoch {step.epoch}")
        if self.progress is True:
            sys.stderr.write("\n")
        final = self.variables.arrays(end[0])
        full = self.collected(fulls, final) if fulls else None
        return self.collected(steps, final, full)

    # --- the passes ------------------------------------------------------------------------------

    def first_pass(self, memory: int) -> tuple[list[Step], list[Step]]:
        """Train; keep points and gradients as long as they fit."""
        steps: list[Step] = []
        fulls: list[Step] = []
        last: Vector = []
        room = memory

        def keep(step: Step, here: Vector) -> None:
            nonlocal room, last
            fresh = [b for i, b in enumerate(here) if not last or b is not last[i]]
            room -= 2 * self.variables.bytes + sum(b.numel() * b.element_size() for b in fresh)
            last = here
            if room >= 0:
                step.x, step.buffers = self.variables.read(), here
                step.gradient = self.variables.gradient()
            else:  # the run will be repeated
                for old in steps:
                    old.forget()
                fulls.clear()

        def look(step: Step, batch: Any, here: Vector, before: Vector) -> None:
            steps.append(step)
            if room >= 0:
                keep(step, here)

        def look_full(step: Step) -> None:
            if room >= 0:
                fulls.append(step)
                keep(step, [])

        def after(step: Step, before: Vector) -> None:
            nonlocal room
            if room >= 0 and not self.dice.agree(now := self.dice.read(), before):
                step.dice = now
                room -= sum(len(state) for state in now)

        self.train(look, look_full, after, "training")
        if room < 0:
            for old in steps:
                old.forget()
            fulls.clear()
        return steps, fulls

    def repeat(self, steps: list[Step], end: State) -> list[Step]:
        """Train again, and evaluate the losses at x_K on the way."""
        fulls: list[Step] = []
        todo = iter(steps)

        def look(again: Step, batch: Any, here: Vector, before: Vector) -> None:
            step = self.compared(next(todo, None), again.k, again.value)
            x, gradient = self.variables.read(), self.variables.gradient()
            buffers, state = self.buffers.read(), self.dice.read()
            self.move(*end)
            self.dice.write(before)
            step.end = self.loss(batch, f"the end, on the batch of step {step.k}")
            self.move(x, buffers)
            self.dice.write(state)
            step.products = self.variables.products(gradient, x, self.end, self.angles)

        def look_full(step: Step) -> None:
            fulls.append(step)
            step.x, step.gradient = self.variables.read(), self.variables.gradient()
            step.products = self.products(step)
            step.forget()

        self.train(look, look_full, lambda step, before: None, "repeating")
        self.compare_length(next(todo, None))
        if not same(self.variables.x, end[0]):
            raise InputError(f"the second pass ends in other parameters than the first: {HINT}")
        return fulls

    def evaluate_again(self, steps: list[Step], end: State) -> None:
        """Evaluate every loss at x_K and at x_k, with the random numbers of the first pass."""
        todo = iter(steps)
        for k, _, _, batch in self.numbered("evaluating"):
            step = next(todo, None)
            if step is None:
                raise _other_length(k, "more")
            before = self.dice.read() if step.dice else []
            self.move(step.x, step.buffers)
            self.compared(step, k, self.loss(batch, f"step {k}", second=True))
            if before:
                self.dice.write(before)
            self.move(*end)
            step.end = self.loss(batch, f"the end, on the batch of step {k}")
            if step.dice:
                self.dice.write(step.dice)
            step.products = self.products(step)
            step.forget()
        self.compare_length(next(todo, None))

    def compared(self, step: Step | None, k: int, value: float) -> Step:
        """Return the step of the first pass, if its loss was the same."""
        if step is None:
            raise _other_length(k, "more")
        if step.value != value:
            raise InputError(
                f"the loss at step {k} is {step.value!r} in the first pass and {value!r} in the "
                f"second, because the batches come in another order or the model is not "
                f"deterministic: {HINT}"
            )
        return step

    @staticmethod
    def compare_length(left: Step | None) -> None:
        """Refuse steps that the second pass did not reach."""
        if left is not None:
            raise _other_length(left.k, "fewer")

    # --- one run ---------------------------------------------------------------------------------

    def numbered(self, name: str) -> Iterator[tuple[int, int, int, Any]]:
        """Go to the start of the run, then yield step, epoch, position in the epoch, batch."""
        self.move(*self.start)
        self.variables.forget_gradient()
        for module, mode in self.modes:
            module.training = mode
        for generator, state in self.orders:
            generator.set_state(state)
        sow(self.seed)
        self.seeded = self.dice.read()
        last, first = -1, 0
        for k, (epoch, batch) in enumerate(source(self.batches, self.seed, self.epochs)):
            if epoch != last:
                last, first = epoch, k
            yield k, epoch, k - first, batch
            self.report(name, k + 1)

    def train(
        self,
        look: Look,
        look_full: Callable[[Step], None],
        after: Callable[[Step, Vector], None],
        name: str,
    ) -> None:
        """Train once; `look` is called with the gradient in place, before the optimizer moves."""
        optimizer: Any = None
        for k, epoch, position, batch in self.numbered(name):
            if optimizer is None:
                optimizer, scheduler = self.optimizer()
            before, here = self.dice.read(), self.buffers.read()
            if self.full is not None and position == 0:
                with switched(self.off):
                    step = Step(k, epoch, 0, self.full_loss(f"step {k}", backward=True))
                    look_full(step)
                self.buffers.write(here)
                self.dice.write(before)
            step = Step(k, epoch, position)
            with switched(self.off):
                step.value, loss = self.backward(batch, f"step {k}", self.lower)
                look(step, batch, here, before)
            if self.off:  # the step itself is taken with dropout
                self.buffers.write(here)
                self.dice.write(before)
                _, loss = self.backward(batch, f"step {k}", float("-inf"))
            self.advance(optimizer, scheduler, loss, batch, f"step {k}")
            after(step, before)

    def backward(self, batch: Any, where: str, lower: float) -> tuple[float, Tensor]:
        """Return the loss, with its gradient in the parameters."""
        self.variables.forget_gradient()
        loss = self.loss_fn(self.model, batch)
        value = checked_loss(loss, where, lower)
        _differentiate(loss, where)
        return value, loss

    def loss(self, batch: Any, where: str, second: bool = False) -> float:
        """Return the loss at the present point, with dropout off.

        Gradients stay switched on, because some kernels round differently without.
        """
        with switched(self.off):
            loss = self.loss_fn(self.model, batch)
        # at a point that was good in the first pass `compared` says more about what is wrong
        lower = float("-inf") if second else self.lower
        return checked_loss(loss, where, lower)

    def full_loss(self, where: str, backward: bool = False) -> float:
        """Return the loss of all data, with dropout off and the same random numbers each time."""
        assert self.full is not None
        self.variables.forget_gradient()
        self.dice.write(self.seeded)
        with switched(self.off):
            loss = self.full(self.model)
        value = checked_loss(loss, where, self.lower)
        if backward:
            _differentiate(loss, where)
        return value

    def optimizer(self) -> tuple[Any, Any]:
        """Return the optimizer and the scheduler, or None."""
        made = self.make_optimizer(list(self.variables.parameters))
        optimizer, scheduler = made if isinstance(made, (tuple, list)) else (made, None)
        if not callable(getattr(optimizer, "step", None)):
            raise InputError(
                f"make_optimizer returned a {type(optimizer).__name__}: return a torch optimizer, "
                "or a pair (optimizer, scheduler)"
            )
        self.takes_closure = bool(inspect.signature(optimizer.step).parameters)
        return optimizer, scheduler

    def advance(self, optimizer: Any, scheduler: Any, loss: Tensor, batch: Any, where: str) -> None:
        """Let the optimizer move the parameters; the gradient is in place."""
        fresh = True

        def closure() -> Tensor:
            nonlocal fresh
            if fresh:
                fresh = False
                return loss
            return self.backward(batch, where, float("-inf"))[1]

        if self.takes_closure:
            optimizer.step(closure)
        else:
            optimizer.step()
        if scheduler is None:
            return
        plateau = pytorch().optim.lr_scheduler.ReduceLROnPlateau
        scheduler.step(*([float(loss.detach())] if isinstance(scheduler, plateau) else []))

    def move(self, x: Vector, buffers: Vector) -> None:
        """Set parameters and buffers."""
        self.variables.write(x)
        self.buffers.write(buffers)

    # --- what comes out --------------------------------------------------------------------------

    def products(self, step: Step) -> Array:
        """Return the inner products at a step whose point and gradient are kept."""
        return self.variables.products(step.gradient, step.x, self.end, self.angles)

    def report(self, name: str, done: int) -> None:
        """Tell how far the pass is."""
        if not self.progress:
            return
        if callable(self.progress):
            self.progress(name, done)
        elif (now := time.monotonic()) > self.clock + 0.5:
            self.clock = now
            sys.stderr.write(f"\r{name}: {done} steps ")
            sys.stderr.flush()

    def collected(
        self, steps: list[Step], final: dict[str, Array], full: Trace | None = None
    ) -> Trace:
        """Return the numbers of the steps as a trace."""
        import numpy as np

        for step in steps:
            if step.products is None:
                step.products = self.products(step)
        products = np.array([step.products for step in steps])
        return Trace(
            f_k=[step.value for step in steps],
            f_K=[step.end for step in steps],
            per_parameter=products[:, :-2],
            names=self.variables.names,
            lower=np.full(len(steps), self.lower),
            step=[step.k for step in steps],
            batch=[step.batch for step in steps],
            epoch=[step.epoch for step in steps],
            seed=np.full(len(steps), self.seed),
            squares=products[:, -2:] if self.angles else None,
            final=(final,),
            full=full,
        )


def _differentiate(loss: Tensor, where: str) -> None:
    if not loss.requires_grad:
        raise InputError(
            f"the loss at {where} does not depend on the trained parameters: compute it from the "
            "model's output, without .detach() or torch.no_grad()"
        )
    loss.backward()


def _other_length(k: int, what: str) -> InputError:
    return InputError(
        f"the second pass has {what} batches than the first, from step {k} on: {HINT}"
    )
