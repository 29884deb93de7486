"""Tapes as machine code: a complex register is two rows of a block, real part and imaginary part.

A tape is cut into pieces that fit the instruction cache; each piece runs over all blocks before
the next one starts.  Inside a piece a value stays in vector registers while it is in use; what
is read later is written to its row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detvar.homotopy.tape import (
    ADD,
    COPY,
    DIV,
    MUL,
    MULADD,
    MULSUB,
    NEG,
    SUB,
    SUBMUL,
    ComplexArray,
    Tape,
)
from detvar.homotopy.vector_code import (
    WIDTH,
    MachineCode,
    Vector,
    VectorCode,
    aligned,
    assemble,
    sequence,
)

_PIECE = 100  # rows of a tape in one function
_NEAR = 20  # rows of a tape for which an unused value is held
_Pair = tuple[Vector, Vector]


def tape_functions(name: str, tape: Tape, place: Callable[[int], int]) -> list[str]:
    """Return functions for the pieces of a tape, and last the one that calls them, `name`.

    Parameters
    ----------
    name : str
    tape : Tape
    place : function
        The row of the real part of a register; the next row holds the imaginary part.

    Cost: translating them takes about 0.4 ms for each row of the tape.
    """
    rows: list[list[int]] = tape.code.tolist()
    pieces = [rows[i : i + _PIECE] for i in range(0, len(rows), _PIECE)]
    live = set(range(tape.inputs, tape.inputs + tape.outputs))
    read_after = []
    for piece in reversed(pieces):
        read_after.append(set(live))
        for _, d, *sources in reversed(piece):
            live.discard(d)
            live.update(sources)
    first = tape.inputs + tape.outputs
    constants = {first + i: complex(v) for i, v in enumerate(tape.constants)}
    names = [f"{name}{i}" for i in range(len(pieces))]
    text = [
        _Piece(label, place, constants).text(piece, after)
        for label, piece, after in zip(names, pieces, reversed(read_after), strict=True)
    ]
    return [*text, sequence(name, names)]


class _Piece:
    """Some rows of a tape on their way into code."""

    def __init__(
        self, name: str, place: Callable[[int], int], constants: dict[int, complex]
    ) -> None:
        self._code = VectorCode(name)
        self._place, self._constants = place, constants
        self._held: dict[int, tuple[int, _Pair]] = {}
        self._now = 0

    def text(self, rows: list[list[int]], live: set[int]) -> str:
        kept = _read_late(rows, live)
        for self._now, (op, d, a, b, c) in enumerate(rows):
            value = self._row(op, a, b, c)
            self._held[d] = (self._now, value)
            if kept[self._now]:
                for part in range(2):
                    self._code.store(self._place(d) + part, value[part])
        return self._code.text()

    def _get(self, register: int) -> _Pair:
        """The value of a register: a constant, held, or read from its rows."""
        if register in self._constants:
            value = self._constants[register]
            return self._code.constant(value.real), self._code.constant(value.imag)
        last, pair = self._held.get(register, (self._now - _NEAR - 1, None))
        if pair is None or self._now - last > _NEAR:
            row = self._place(register)
            pair = self._code.load(row), self._code.load(row + 1)
        self._held[register] = (self._now, pair)
        return pair

    def _row(self, op: int, a: int, b: int, c: int) -> _Pair:
        if op in (COPY, NEG):
            x, y = self._get(a)
            return (x, y) if op == COPY else (-x, -y)
        if op == DIV:
            return self._quotient(a, b)
        if op in (ADD, SUB):
            (x, y), (u, v) = self._get(a), self._get(b)
            return (x + u, y + v) if op == ADD else (x - u, y - v)
        return self._product(op, a, b, c)

    def _product(self, op: int, a: int, b: int, c: int) -> _Pair:
        """The product ab; c + ab, c − ab or ab − c, in an order in which sums are fused."""
        (x, y), (u, v) = self._get(a), self._get(b)
        real = a in self._constants and self._constants[a].imag == 0
        if op == MUL:
            return (x * u, x * v) if real else (x * u - y * v, x * v + y * u)
        p, q = self._get(c)
        if op == MULADD:
            first, second = p + x * u, q + x * v
        elif op == SUBMUL:
            first, second = p - x * u, q - x * v
        else:
            assert op == MULSUB
            first, second = x * u - p, x * v - q
        if real:
            return first, second
        if op == SUBMUL:
            return first + y * v, second - y * u
        return first - y * v, second + y * u

    def _quotient(self, a: int, b: int) -> _Pair:
        """a·conj(b)/|b|²."""
        u, v = self._get(b)
        inverse = self._code.constant(1.0) / (u * u + v * v)
        u, v = u * inverse, v * inverse
        if self._constants.get(a) == 1:
            return u, -v
        x, y = self._get(a)
        return x * u + y * v, y * u - x * v


def _read_late(rows: list[list[int]], live: set[int]) -> list[bool]:
    """For each row, whether its result is read when it is held no more, or after all rows."""
    made: dict[int, int] = {}
    touched: dict[int, int] = {}
    late = [False] * len(rows)
    for now, (_, d, *sources) in enumerate(rows):
        for s in sources:
            if s in made:
                late[made[s]] |= now - touched[s] > _NEAR
                touched[s] = now
        made[d] = touched[d] = now
    for register in live & made.keys():
        late[made[register]] = True
    return late


@dataclass(frozen=True, eq=False)
class CompiledTape:
    """A tape by itself as machine code.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("llvmlite")
    >>> from detvar.homotopy import System
    >>> S = System.from_function(lambda x, p: [x[0] / (x[0] - p[0])], variables=1, parameters=1)
    >>> compile_tape(S.tape).evaluate(np.array([[3, 4], [1, 2]], dtype=complex)).real.tolist()
    [[1.5, 2.0]]
    """

    tape: Tape
    code: MachineCode

    def evaluate(self, inputs: ComplexArray) -> ComplexArray:
        """Return the outputs (outputs, P) for complex inputs (inputs, P), as `Tape.evaluate`."""
        count, first = inputs.shape[1], self.tape.inputs
        blocks = max(1, -(-count // WIDTH))
        memory = aligned((blocks, 2 * self.tape.registers, WIDTH))
        flat = np.zeros((first, blocks * WIDTH), dtype=np.complex128)
        flat[:, :count] = inputs
        split = flat.reshape(first, blocks, WIDTH).swapaxes(0, 1)
        memory[:, 0 : 2 * first : 2] = split.real
        memory[:, 1 : 2 * first : 2] = split.imag
        self.code.call("tape", memory)
        out = memory[:, 2 * first : 2 * (first + self.tape.outputs)]
        joined = (out[:, 0::2] + 1j * out[:, 1::2]).swapaxes(0, 1)
        return np.asarray(joined.reshape(self.tape.outputs, -1)[:, :count])


def compile_tape(tape: Tape) -> CompiledTape:
    """Turn a tape into machine code for this processor."""
    return CompiledTape(tape, assemble(tape_functions("tape", tape, lambda n: 2 * n), ["tape"]))
