"""Straight-line programs: a graph unrolled into rows ``op, d, a, b, c`` over registers.

One tape serves many arithmetics.  Registers are numbered: inputs first, then outputs, then
constants, then scratch registers, which are reused as soon as their value is dead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detvar.homotopy import expression as ex
from detvar.homotopy.expression import Constant, Graph

ComplexArray = NDArray[np.complex128]
ADD, SUB, MUL, DIV, NEG, COPY, MULADD, SUBMUL, MULSUB = range(9)
_OP = {ex.ADD: ADD, ex.SUB: SUB, ex.MUL: MUL, ex.DIV: DIV, ex.NEG: NEG}
_SOURCE = {
    ADD: "add(r{a},r{b},r{d})",
    SUB: "sub(r{a},r{b},r{d})",
    MUL: "mul(r{a},r{b},r{d})",
    DIV: "div(r{a},r{b},r{d})",
    NEG: "neg(r{a},r{d})",
    COPY: "copy(r{d},r{a})",
    MULADD: "mul(r{a},r{b},s);add(r{c},s,r{d})",
    SUBMUL: "mul(r{a},r{b},s);sub(r{c},s,r{d})",
    MULSUB: "mul(r{a},r{b},s);sub(s,r{c},r{d})",
}


@dataclass(frozen=True, eq=False)
class Tape:
    """A straight-line program with register reuse.

    Attributes
    ----------
    code : (nops, 5) int32
        Rows op, d, a, b, c with d ← a∘b; the fused ops are MULADD d ← c + a·b,
        SUBMUL d ← c − a·b and MULSUB d ← a·b − c.
    inputs, outputs, registers : int
        Registers 0…inputs−1 hold the inputs and are never written; the next `outputs` ones hold
        the results; then come the constants.
    constants : tuple of int, Fraction, float or complex

    Examples
    --------
    >>> g = Graph()
    >>> x, y = g.input(0), g.input(1)
    >>> tape = make_tape(g, [g.add(g.mul(x, y), x)], 2)
    >>> tape.run([3, 5])
    [18]
    """

    code: NDArray[np.int32]
    inputs: int
    outputs: int
    registers: int
    constants: tuple[Constant, ...] = field(default=())

    def run(
        self, inputs: Sequence[Any], constant: Callable[[Constant], Any] | None = None
    ) -> list[Any]:
        """Run on elements of any ring: balls, python-flint numbers, fractions, arrays.

        Parameters
        ----------
        inputs : sequence of ring elements
        constant : function, optional
            Turns an int, Fraction, float or complex constant into something that multiplies
            a ring element; by default constants are used as they are.

        Returns
        -------
        list of ring elements, one for each output
        """
        r: list[Any] = [None] * self.registers
        r[: self.inputs] = inputs
        start = self.inputs + self.outputs
        for i, value in enumerate(self.constants):
            r[start + i] = value if constant is None else constant(value)
        for op, d, a, b, c in self.code.tolist():
            if op == MUL:
                r[d] = r[a] * r[b]
            elif op == ADD:
                r[d] = r[a] + r[b]
            elif op == SUB:
                r[d] = r[a] - r[b]
            elif op == MULADD:
                r[d] = r[c] + r[a] * r[b]
            elif op == SUBMUL:
                r[d] = r[c] - r[a] * r[b]
            elif op == MULSUB:
                r[d] = r[a] * r[b] - r[c]
            elif op == DIV:
                r[d] = r[a] / r[b]
            elif op == NEG:
                r[d] = -r[a]
            else:
                r[d] = r[a]
        return r[self.inputs : start]

    @cached_property
    def function(self) -> Callable[..., None]:
        """The program as one generated Python function that calls NumPy for every row."""
        names = ",".join(f"r{i}" for i in range(self.registers))
        body = [
            _SOURCE[op].format(d=d, a=a, b=b, c=c) for op, d, a, b, c in self.code.tolist()
        ] or ["pass"]
        source = f"def kernel(r,s,add,sub,mul,div,neg,copy):\n {names},=r\n " + "\n ".join(body)
        space: dict[str, Any] = {}
        exec(compile(source, "<tape>", "exec"), space)
        kernel: Callable[..., None] = space["kernel"]
        return kernel

    def evaluate(self, inputs: ComplexArray) -> ComplexArray:
        """Return the outputs (outputs, P) for complex inputs (inputs, P)."""
        return Kernel(self).bind(list(inputs), inputs.shape[1])()


class Kernel:
    """A tape bound to memory: one call evaluates it for all lanes at once.

    The registers are rows of one buffer with one column for each lane; inputs are arrays of
    the caller, read in place at every call.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._buffer: ComplexArray = np.empty(0, dtype=np.complex128)
        self._rows: list[ComplexArray] = []
        self.result: ComplexArray = self._buffer

    def bind(self, inputs: Sequence[ComplexArray], lanes: int) -> Kernel:
        """Attach input rows, each of shape (lanes,), and size the registers to them."""
        tape = self.tape
        own = tape.registers - tape.inputs + 1
        if self._buffer.size < own * lanes:
            self._buffer = np.empty(own * lanes, dtype=np.complex128)
        memory = self._buffer[: own * lanes].reshape(own, lanes)
        first = tape.outputs
        for i, value in enumerate(tape.constants):
            memory[first + i] = complex(value)
        self.result = memory[: tape.outputs]
        self._rows = [*inputs, *memory]
        return self

    def __call__(self) -> ComplexArray:
        """Run the tape; return the (outputs, lanes) array, overwritten by the next call."""
        *rows, scratch = self._rows
        self.tape.function(
            rows, scratch, np.add, np.subtract, np.multiply, np.divide, np.negative, np.copyto
        )
        return self.result


def make_tape(graph: Graph, roots: Sequence[int], inputs: int) -> Tape:
    """Unroll the graph under the given roots into a tape with `inputs` input registers.

    Cost: linear in the number of nodes.

    Raises
    ------
    InputError
        If elementary functions occur in the roots.
    """
    graph.require_algebraic(roots, "tracking")
    order, uses = _schedule(graph, roots)
    plan = _fuse(graph, order, uses, set(roots))
    base = inputs + len(roots)
    place: dict[int, int] = {}
    constants: list[Constant] = []
    for n in order:
        if graph.op[n] == ex.INPUT:
            place[n] = graph.left[n]
        elif graph.op[n] == ex.CONSTANT:
            place[n] = base + len(constants)
            constants.append(graph.values[graph.left[n]])
    base += len(constants)
    target: dict[int, int] = {}
    for k, n in enumerate(roots):
        if n not in place and n not in target:
            target[n] = inputs + k
    left: dict[int, int] = {}
    for _, _, sources in plan:
        for s in sources:
            left[s] = left.get(s, 0) + 1
    free: list[int] = []
    top = base
    code: list[list[int]] = []
    for n, op, sources in plan:
        registers = [place[s] for s in sources]
        for s in sources:
            left[s] -= 1
            if left[s] == 0 and place[s] >= base:
                free.append(place[s])
        if n in target:
            place[n] = target[n]
        elif free and op in (ADD, SUB, MUL, DIV, NEG, MULADD, SUBMUL, MULSUB):
            place[n] = free.pop()
        else:
            place[n] = top
            top += 1
        code.append([op, place[n], *registers, *([-1] * (3 - len(registers)))])
    for k, n in enumerate(roots):
        if place[n] != inputs + k:
            code.append([COPY, inputs + k, place[n], -1, -1])
    table = np.array(code, dtype=np.int32).reshape(-1, 5)
    return Tape(table, inputs, len(roots), top, tuple(constants))


def _schedule(graph: Graph, roots: Sequence[int]) -> tuple[list[int], dict[int, int]]:
    """Nodes in depth-first order from the roots, and how often each one is used."""
    order: list[int] = []
    seen: set[int] = set()
    uses: dict[int, int] = {}
    for root in roots:
        uses[root] = uses.get(root, 0) + 1
        todo = [(root, False)]
        while todo:
            n, ready = todo.pop()
            if ready:
                order.append(n)
            elif n not in seen:
                seen.add(n)
                todo.append((n, True))
                for a in reversed(graph.operands(n)):
                    uses[a] = uses.get(a, 0) + 1
                    todo.append((a, False))
    return order, uses


def _fuse(
    graph: Graph, order: Sequence[int], uses: dict[int, int], keep: set[int]
) -> list[tuple[int, int, tuple[int, ...]]]:
    """Join a product that is used once with the sum or difference that uses it."""

    def single(n: int) -> bool:
        return graph.op[n] == ex.MUL and uses[n] == 1 and n not in keep

    absorbed: set[int] = set()
    fused: dict[int, tuple[int, tuple[int, ...]]] = {}
    for n in order:
        op, a, b = graph.op[n], graph.left[n], graph.right[n]
        if op not in (ex.ADD, ex.SUB):
            continue
        if single(b):
            code = MULADD if op == ex.ADD else SUBMUL
            fused[n] = (code, (graph.left[b], graph.right[b], a))
            absorbed.add(b)
        elif single(a):
            code = MULADD if op == ex.ADD else MULSUB
            fused[n] = (code, (graph.left[a], graph.right[a], b))
            absorbed.add(a)
    plan = []
    for n in order:
        if n in absorbed or graph.op[n] in (ex.CONSTANT, ex.INPUT):
            continue
        op, sources = fused.get(n, (_OP.get(graph.op[n], COPY), graph.operands(n)))
        plan.append((n, op, sources))
    return plan
