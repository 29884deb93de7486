"""Machine code written in the language of vectors of eight lanes.

Memory is a row of blocks, one for every eight lanes; a block is a column of rows of eight
numbers.  A `VectorCode` collects what is done to one block, as text of LLVM, and becomes a
function that does it to all blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDTH = 8
REAL, MASK = f"<{WIDTH} x double>", f"<{WIDTH} x i1>"
_SIGNATURE = "(ptr noalias %r, i64 %stride, i64 %blocks, ptr noalias %o)"


@dataclass(frozen=True, slots=True)
class Vector:
    """Eight numbers, or eight truth values, that the code holds at some point."""

    code: VectorCode
    name: str
    kind: str = REAL

    def _with(self, other: Vector | float, op: str, kind: str, out: str) -> Vector:
        y = other if isinstance(other, Vector) else self.code.constant(other)
        return Vector(self.code, self.code.do(f"{op} {kind} {self.name}, {y.name}"), out)

    # products and sums may be fused: `contract`
    def __add__(self, y: Vector | float) -> Vector:
        return self._with(y, "fadd contract", REAL, REAL)

    def __sub__(self, y: Vector | float) -> Vector:
        return self._with(y, "fsub contract", REAL, REAL)

    def __mul__(self, y: Vector | float) -> Vector:
        return self._with(y, "fmul contract", REAL, REAL)

    def __truediv__(self, y: Vector | float) -> Vector:
        return self._with(y, "fdiv", REAL, REAL)

    def __neg__(self) -> Vector:
        return Vector(self.code, self.code.do(f"fneg {REAL} {self.name}"))

    # comparisons are false where a number is NaN
    def __lt__(self, y: Vector | float) -> Vector:
        return self._with(y, "fcmp olt", REAL, MASK)

    def __le__(self, y: Vector | float) -> Vector:
        return self._with(y, "fcmp ole", REAL, MASK)

    def __gt__(self, y: Vector | float) -> Vector:
        return self._with(y, "fcmp ogt", REAL, MASK)

    def __ge__(self, y: Vector | float) -> Vector:
        return self._with(y, "fcmp oge", REAL, MASK)

    def same(self, y: Vector | float) -> Vector:
        """Where two numbers are equal."""
        return self._with(y, "fcmp oeq", REAL, MASK)

    def __and__(self, y: Vector) -> Vector:
        return self._with(y, "and", MASK, MASK)

    def __or__(self, y: Vector) -> Vector:
        return self._with(y, "or", MASK, MASK)

    def __invert__(self) -> Vector:
        ones = "<" + ", ".join(["i1 true"] * WIDTH) + ">"
        return Vector(self.code, self.code.do(f"xor {MASK} {self.name}, {ones}"), MASK)

    def where(self, yes: Vector | float, no: Vector | float) -> Vector:
        """Choose by this mask."""
        a, b = (v if isinstance(v, Vector) else self.code.constant(v) for v in (yes, no))
        text = f"select {MASK} {self.name}, {REAL} {a.name}, {REAL} {b.name}"
        return Vector(self.code, self.code.do(text))

    def max(self, y: Vector | float) -> Vector:
        """The larger number; `y` where one is NaN."""
        return (self > y).where(self, y)

    def min(self, y: Vector | float) -> Vector:
        """The smaller number; `y` where one is NaN."""
        return (self < y).where(self, y)

    def sqrt(self) -> Vector:
        """The square root."""
        return Vector(self.code, self.code.do(f"call {REAL} @llvm.sqrt.v8f64({REAL} {self.name})"))


class VectorCode:
    """What is done to one block of memory, with the rows of the block as variables."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines: list[str] = []
        self._names = 0

    def do(self, instruction: str) -> str:
        """Add an instruction; return the name of its result."""
        self._names += 1
        name = f"%v{self._names}"
        self._lines.append(f"{name} = {instruction}")
        return name

    def load(self, row: int) -> Vector:
        """Read a row."""
        return Vector(self, self.do(f"load {REAL}, ptr {self._place(row)}, align 64"))

    def store(self, row: int, value: Vector) -> None:
        """Write a row."""
        self._lines.append(f"store {REAL} {value.name}, ptr {self._place(row)}, align 64")

    def _place(self, row: int) -> str:
        return self.do(f"getelementptr double, ptr %q, i64 {row * WIDTH}")

    def constant(self, value: float) -> Vector:
        """The same number in all lanes."""
        bits = int(np.float64(value).view(np.uint64))
        return Vector(self, "<" + ", ".join([f"double 0x{bits:016X}"] * WIDTH) + ">")

    def option(self, i: int) -> Vector:
        """Number i of the options given at the call, in all lanes."""
        number = self.do(f"load double, ptr {self.do(f'getelementptr double, ptr %o, i64 {i}')}")
        single = self.do(f"insertelement {REAL} poison, double {number}, i64 0")
        zeros = f"<{WIDTH} x i32> zeroinitializer"
        return Vector(self, self.do(f"shufflevector {REAL} {single}, {REAL} poison, {zeros}"))

    def text(self) -> str:
        """Return the function that runs over all blocks."""
        body = [
            "br label %block",
            "block:",
            "%i = phi i64 [0, %0], [%next, %block]",
            "%at = mul i64 %i, %stride",
            "%q = getelementptr double, ptr %r, i64 %at",
            *self._lines,
            "%next = add i64 %i, 1",
            "%more = icmp slt i64 %next, %blocks",
            "br i1 %more, label %block, label %end",
            "end:",
            "ret void",
        ]
        return _function(self._name, "internal", body)


def sequence(name: str, parts: Iterable[str]) -> str:
    """Return a function that calls others, one after the other, on the same memory."""
    calls = [f"call void @{part}(ptr %r, i64 %stride, i64 %blocks, ptr %o)" for part in parts]
    return _function(name, "", [*calls, "ret void"])


def _function(name: str, linkage: str, body: Iterable[str]) -> str:
    return "\n".join([f"define {linkage} void @{name}{_SIGNATURE} nounwind {{", *body, "}"])


@dataclass(frozen=True, eq=False)
class MachineCode:
    """Functions in memory, by name, as C functions (double *r, int64 stride, int64 blocks,
    double *options); r begins at a multiple of 64 bytes, and there is at least one block.
    """

    addresses: dict[str, int]
    _engine: Any

    def call(self, name: str, memory: Any, options: Any = None) -> None:
        """Run a function on an array (blocks, rows, 8)."""
        from ctypes import CFUNCTYPE, c_int64, c_void_p

        blocks, rows, _ = memory.shape
        function = CFUNCTYPE(None, c_void_p, c_int64, c_int64, c_void_p)(self.addresses[name])
        given = None if options is None else options.ctypes.data
        function(memory.ctypes.data, rows * WIDTH, blocks, given)


def assemble(functions: Iterable[str], entries: Sequence[str]) -> MachineCode:
    """Translate functions for this processor; `entries` are the names called from outside."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    head = f"declare {REAL} @llvm.sqrt.v8f64({REAL})"
    module = llvm.parse_assembly("\n".join([head, *functions]))
    # vectors of 512 bits are not cut in two where the processor has them
    features = llvm.get_host_cpu_features().flatten() + ",-prefer-256-bit"
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=2
    )  # an engine takes possession of its machine: one for each
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    addresses = {name: engine.get_function_address(name) for name in entries}
    return MachineCode(addresses, (engine, machine, module))


def aligned(shape: tuple[int, ...]) -> Any:
    """Return zeros of float64 that begin at a multiple of 64 bytes, as the machine code assumes."""
    size = int(np.prod(shape))
    raw = np.zeros(size + WIDTH)
    start = (-raw.ctypes.data % 64) // 8
    return raw[start : start + size].reshape(shape)
