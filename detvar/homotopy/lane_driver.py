"""The loop around compiled macro steps: lanes take paths from a queue and give them back.

Compiled by numba once for a machine and kept on disk; the macro step of a problem is called by
its address, so that this code is the same for all problems.  It is imported only
where numba is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

# These numbers are part of the compiled code, so they stand in the file whose age decides whether
# that code is still good.
# The first rows of a block, one number for each lane.  An ERROR below 0 is not measured yet; a
# lane that is not CARRIED on from the round before has −1 there.
T, TARGET, H, H_MAX, ERROR, OMEGA, LAST, CARRIED, STEPS, REJECTED, STATUS, NORM = range(12)
STATE = 12
# values of STATUS besides those of a finished path
RUNNING, SUSPENDED, IDLE = -1, -2, -3
# columns of the memory of a path while it has no lane
P_T, P_H_MAX, P_ERROR, P_OMEGA, P_STEPS, P_REJECTED = range(6)
# counters that outlive a call: next job, number of jobs, lanes at work, paths suspended
NEXT, JOBS, BUSY, WAITING = range(4)


@intrinsic
def _step(typing: Any, address: Any, memory: Any, stride: Any, blocks: Any, options: Any) -> Any:
    """Call the C function at an address."""
    signature = types.void(types.int64, types.int64, types.int64, types.int64, types.int64)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        from llvmlite import ir

        pointer, word = ir.IntType(8).as_pointer(), ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, pointer])
        address, memory, stride, blocks, options = arguments
        function = builder.inttoptr(address, kind.as_pointer())
        given = [
            builder.inttoptr(memory, pointer),
            stride,
            blocks,
            builder.inttoptr(options, pointer),
        ]
        builder.call(function, given)
        return context.get_dummy_value()

    return signature, generate


def _compiled(function: Callable[..., Any]) -> Any:
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # there is no folder where the cache could be written
        return njit(nogil=True)(function)


@_compiled
def _load(memory, layout, lane, path, x, p0, p1, kept):  # type: ignore[no-untyped-def]
    """Give a path to a lane."""
    at, dp, saved, series, p_start, n, m = layout
    block, column = memory[lane // 8], lane % 8
    for i in range(n):
        for row in (at, saved):
            block[row + 2 * i, column] = x[path, i].real
            block[row + 2 * i + 1, column] = x[path, i].imag
    for i in range(6 * n):  # no series yet: the first round only corrects
        block[series + i, column] = 0.0
    for j in range(m):
        v = p1[path, j] - p0[path, j]
        block[p_start + 2 * j, column] = p0[path, j].real
        block[p_start + 2 * j + 1, column] = p0[path, j].imag
        block[dp + 2 * j, column] = v.real
        block[dp + 2 * j + 1, column] = v.imag
    block[T, column] = block[TARGET, column] = kept[path, P_T]
    block[H, column] = 0.0
    block[H_MAX, column] = kept[path, P_H_MAX]
    block[ERROR, column] = kept[path, P_ERROR]
    block[OMEGA, column] = kept[path, P_OMEGA]
    block[STEPS, column] = kept[path, P_STEPS]
    block[REJECTED, column] = kept[path, P_REJECTED]
    block[LAST, column] = np.inf
    block[CARRIED, column] = 0.0
    block[STATUS, column] = RUNNING


@_compiled
def unload(memory, layout, lane, path, x, kept):  # type: ignore[no-untyped-def]
    """Write back where a path stands, and free its lane."""
    saved, n = layout[2], layout[5]
    block, column = memory[lane // 8], lane % 8
    for i in range(n):
        x[path, i] = complex(block[saved + 2 * i, column], block[saved + 2 * i + 1, column])
    kept[path, P_T] = block[T, column]
    kept[path, P_H_MAX] = block[H_MAX, column]
    kept[path, P_ERROR] = block[ERROR, column]
    kept[path, P_OMEGA] = block[OMEGA, column]
    kept[path, P_STEPS] = block[STEPS, column]
    kept[path, P_REJECTED] = block[REJECTED, column]
    block[STATUS, column] = IDLE


@_compiled
def drive(  # type: ignore[no-untyped-def]
    step, memory, layout, options, paths, jobs, suspended, counters, x, p0, p1, kept, status,
    least, rounds,
):  # fmt: skip
    """Do at most `rounds` macro steps; return how many were done.

    Parameters
    ----------
    step : int
        Address of the macro step.
    memory : (blocks, rows, 8) float64
    layout : int64, see `Layout.table`
    options : float64
        Read by the macro step.
    paths : (lanes,) int64
        The path in each lane, −1 for none.
    jobs : (P,) int64
        A ring of paths that wait for a lane.
    suspended : (P,) int64
        Filled with paths that need another chart.
    counters : (4,) int64
        Next job, number of jobs, busy lanes, number of suspended paths.
    x, p0, p1 : (P, N) or (P, M) complex128
    kept : (P, 6) float64
    status : (P,) int8
    least : int
        Return when no job waits and fewer paths than this are left, or most of those that
        are left are suspended.
    """
    lanes, size = paths.size, jobs.size
    for done in range(rounds):
        busy, top = 0, 0
        for lane in range(lanes):
            if paths[lane] < 0:
                continue
            now = memory[lane // 8, STATUS, lane % 8]
            if now != RUNNING:
                path = paths[lane]
                unload(memory, layout, lane, path, x, kept)
                paths[lane] = -1
                if now == SUSPENDED:
                    suspended[counters[WAITING]] = path
                    counters[WAITING] += 1
                else:
                    status[path] = int(now)
        waiting = counters[JOBS] - counters[NEXT]
        for lane in range(lanes):
            if paths[lane] < 0 and waiting > 0:
                path = jobs[counters[NEXT] % size]
                counters[NEXT] += 1
                waiting -= 1
                paths[lane] = path
                _load(memory, layout, lane, path, x, p0, p1, kept)
            if paths[lane] >= 0:
                busy += 1
                top = lane + 1
        # when lanes have become free for good, close the gaps so that fewer blocks are in use
        if busy <= ((top - 1) // 8) * 8 and busy > 0:
            free = 0
            for lane in range(top - 1, busy - 1, -1):
                if paths[lane] >= 0:
                    while paths[free] >= 0:
                        free += 1
                    for row in range(memory.shape[1]):
                        memory[free // 8, row, free % 8] = memory[lane // 8, row, lane % 8]
                    paths[free] = paths[lane]
                    paths[lane] = -1
                    memory[lane // 8, STATUS, lane % 8] = IDLE
            top = busy
        counters[BUSY] = busy
        apart = counters[WAITING]
        if waiting == 0 and (busy <= apart or busy + apart < least):
            return done
        blocks = (top + 7) // 8
        stride = memory.shape[1] * 8
        # the first argument, the typing context, is added by numba
        _step(step, memory.ctypes.data, stride, blocks, options.ctypes.data)  # type: ignore[call-arg]
    return rounds
