"""One macro step of the tracker as machine code: predict, correct twice, accept or reject.

The same rules as the NumPy executor, written for vectors of eight lanes; whatever a lane needs
is in the rows of its block.  `Layout` says where.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detvar.homotopy.compiled_tape import tape_functions
from detvar.homotopy.lane_driver import (
    CARRIED,
    ERROR,
    H_MAX,
    LAST,
    NORM,
    OMEGA,
    REJECTED,
    RUNNING,
    STATE,
    STATUS,
    STEPS,
    SUSPENDED,
    TARGET,
    H,
    T,
)
from detvar.homotopy.system import System
from detvar.homotopy.track_result import Status, TrackOptions
from detvar.homotopy.vector_code import MachineCode, Vector, VectorCode, assemble, sequence

# `options` at a call: these constants, then the largest |x_i|² allowed in a chart
(
    BETA_TAU,
    BETA_OMEGA,
    CONTRACTION,
    TOLERANCE,
    H_A,
    DELTA,
    FLOOR,
    MIN_STEP,
    MAX_STEPS,
    MAX_NORM,
    LIMITS,
) = range(11)
_Pair = tuple[Vector, Vector]


@dataclass(frozen=True)
class Layout:
    """Where the rows of a block are, for n variables and m parameters.

    After the state come the registers of the tapes: x, p, ṗ, then `scratch` registers for
    their outputs and for everything else; then the last accepted point, its series, p at
    t = 0, and the inverse weights of the norm.
    """

    n: int
    m: int
    scratch: int

    @property
    def x(self) -> int:
        """First row of the point that is being corrected."""
        return STATE

    @property
    def p(self) -> int:
        """First row of the parameters."""
        return self.x + 2 * self.n

    @property
    def dp(self) -> int:
        """First row of their velocity."""
        return self.p + 2 * self.m

    @property
    def out(self) -> int:
        """First row of the outputs of a tape."""
        return self.dp + 2 * self.m

    @property
    def saved(self) -> int:
        """First row of the last accepted point."""
        return self.out + 2 * self.scratch

    @property
    def series(self) -> int:
        """First row of the coefficients x₁, x₂, x₃."""
        return self.saved + 2 * self.n

    @property
    def p_start(self) -> int:
        """First row of the parameters at t = 0."""
        return self.series + 6 * self.n

    @property
    def weights(self) -> int:
        """First row of the squared inverse weights."""
        return self.p_start + 2 * self.m

    @property
    def rows(self) -> int:
        """Number of rows of a block."""
        return self.weights + self.n

    def table(self) -> tuple[int, ...]:
        """What the driver needs to know."""
        return (self.x, self.dp, self.saved, self.series, self.p_start, self.n, self.m)


def compile_step(system: System) -> tuple[MachineCode, Layout]:
    """Return functions `step` (a macro step) and `newton` (x, p ↦ update), and the layout.

    Cost: about 0.4 ms for each row of the Newton tape and the Taylor tape.
    """
    newton, taylor = system.newton_tape, system.taylor_tape
    n, m = system.variables, system.parameters
    scratch = max(tape.registers - tape.inputs for tape in (newton, taylor))
    layout = Layout(n, m, scratch)

    def place(inputs: int) -> Any:
        return lambda r: layout.x + 2 * r if r < inputs else layout.out + 2 * (r - inputs)

    functions = [
        *tape_functions("newton", newton, place(newton.inputs)),
        *tape_functions("taylor", taylor, place(taylor.inputs)),
        _predict(layout, system.blocks),
        _correct(layout),
        _decide(layout),
        sequence("step", ["predict", "newton", "correct", "taylor", "decide"]),
    ]
    return assemble(functions, ["step", "newton"]), layout


def step_options(opt: TrackOptions, limits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers that `step` reads at a call; limits (N,) on |x_i|."""
    out = np.empty(LIMITS + limits.size)
    out[BETA_TAU], out[BETA_OMEGA] = opt.beta_tau, opt.beta_omega
    out[CONTRACTION], out[TOLERANCE] = opt.contraction, opt.tolerance
    out[H_A], out[DELTA] = opt.h_a, opt.delta
    out[FLOOR], out[MAX_NORM] = opt.floor**2, opt.max_norm**2
    out[MIN_STEP], out[MAX_STEPS] = opt.min_step, opt.max_steps
    out[LIMITS:] = limits**2
    return out


def _pair(code: VectorCode, first: int, i: int) -> _Pair:
    return code.load(first + 2 * i), code.load(first + 2 * i + 1)


def _store(code: VectorCode, first: int, i: int, value: _Pair) -> None:
    for part in range(2):
        code.store(first + 2 * i + part, value[part])


def _square(z: _Pair) -> Vector:
    """|z|²."""
    return z[0] * z[0] + z[1] * z[1]


def _largest(values: Sequence[Vector]) -> Vector:
    out = values[0]
    for v in values[1:]:
        out = out.max(v)
    return out


def _predict(at: Layout, blocks: Sequence[int]) -> str:
    """Choose steps, move fresh lanes to the predicted points and all parameters to the target."""
    code = VectorCode("predict")
    rows = range(at.n)
    _weigh(code, at, blocks)
    t, omega, carried = code.load(T), code.load(OMEGA), code.load(CARRIED)
    fresh = carried < 0

    bent = [_square(_pair(code, at.series, at.n + i)) for i in rows]
    weight = [code.load(at.weights + i) for i in rows]
    least = _largest([b * w for b, w in zip(bent, weight, strict=True)]) * 0.01
    significant = [(b * w >= least) & (b * w > 0.0) for b, w in zip(bent, weight, strict=True)]
    third = [_square(_pair(code, at.series, 2 * at.n + i)) for i in rows]
    ratios = [c / s.where(b, inf) for s, b, c in zip(significant, bent, third, strict=True)]
    inverse_tau = _largest(ratios).sqrt().max(1e-12)
    error = code.load(ERROR)
    guess = _largest([c * w for c, w in zip(third, weight, strict=True)]).sqrt() * inverse_tau
    error = (fresh & (error < 0.0)).where(guess.max(1e-30), error)
    code.store(ERROR, error)

    h = (code.option(DELTA) / (omega * error)).sqrt().sqrt() / code.option(BETA_OMEGA)
    h = h.min(code.option(BETA_TAU) / inverse_tau).min(code.load(H_MAX))
    left = code.constant(1.0) - t
    last = h >= left * (1 - 1e-9)
    h = fresh.where(last.where(left, h), code.load(H))
    target = fresh.where(last.where(1.0, t + h), code.load(TARGET))
    code.store(H, h)
    code.store(TARGET, target)

    for i in rows:
        x0, x1, x2, x3 = (_pair(code, at.saved, k * at.n + i) for k in range(4))
        d = x2[0] - h * x3[0], x2[1] - h * x3[1]
        # x₂²/d, from x₂/d = x₂·conj(d)/|d|²
        inverse = code.constant(1.0) / _square(d)
        quotient = (
            (x2[0] * d[0] + x2[1] * d[1]) * inverse,
            (x2[1] * d[0] - x2[0] * d[1]) * inverse,
        )
        pade = (
            x2[0] * quotient[0] - x2[1] * quotient[1],
            x2[0] * quotient[1] + x2[1] * quotient[0],
        )
        for part in range(2):
            tail = significant[i].where(pade[part], x2[part] + h * x3[part])
            moved = x0[part] + h * (x1[part] + h * tail)
            row = at.x + 2 * i + part
            code.store(row, fresh.where(moved, code.load(row)))
    for j in range(2 * at.m):
        code.store(at.p + j, code.load(at.p_start + j) + target * code.load(at.dp + j))
    return code.text()


def _weigh(code: VectorCode, at: Layout, blocks: Sequence[int]) -> None:
    """Write 1/max(|x_i|, floor · max of the block)², with the floor of round-off of all."""
    size = [_square(_pair(code, at.saved, i)) for i in range(at.n)]
    least = (_largest(size) * 1e-28).max(1e-280)
    for k in sorted(set(blocks)):
        members = [i for i in range(at.n) if blocks[i] == k]
        low = (_largest([size[i] for i in members]) * code.option(FLOOR)).max(least)
        for i in members:
            code.store(at.weights + i, code.constant(1.0) / size[i].max(low))


def _newton(code: VectorCode, at: Layout) -> Vector:
    """Subtract the update from x; return its norm, infinite where it is not a number."""
    largest = total = code.constant(0.0)
    for i in range(at.n):
        dx, x = _pair(code, at.out, i), _pair(code, at.x, i)
        _store(code, at.x, i, (x[0] - dx[0], x[1] - dx[1]))
        size = _square(dx) * code.load(at.weights + i)
        largest, total = size.max(largest), total + size
    return (total < inf).where(largest, inf).sqrt()


def _correct(at: Layout) -> str:
    code = VectorCode("correct")
    code.store(NORM, _newton(code, at))
    return code.text()


def _decide(at: Layout) -> str:
    """Do the second Newton step; accept, carry on or reject, and choose what follows."""
    code = VectorCode("decide")
    n0, n1 = code.load(NORM), _newton(code, at)
    t, target, h, omega = (code.load(row) for row in (T, TARGET, H, OMEGA))
    carried, status, error = code.load(CARRIED), code.load(STATUS), code.load(ERROR)
    fresh, moved = carried < 0.0, target > t
    tolerance = code.option(TOLERANCE)

    theta = n1 / n0
    tiny = (n0 < tolerance) & (n1 < tolerance)
    finite = (n0 < inf) & (n1 < inf)
    # below 1e-3 the ratio measures round-off rather than curvature
    curved = (theta * 2.0 / n0).max(omega * 0.5)
    measured = (n0 > 1e-3).where(curved, omega * 0.7).max(1e-2).min(1e8)
    bend = (fresh & finite).where(measured, omega)
    contracts = (theta <= code.option(CONTRACTION)) & (bend * n0 * 0.125 <= code.option(H_A))
    good = finite & (tiny | contracts) & (fresh | (n0 <= code.load(LAST)))
    accept = good & (tiny | (n1 < tolerance))
    carry = good & ~accept & (carried < 3.0)
    reject = ~(accept | carry)

    power = h.max(1e-300)
    power = power * power
    seen = (n0 / (power * power)).max(1e-30)
    code.store(ERROR, (fresh & good).where(seen, error))
    code.store(OMEGA, good.where(bend, omega))
    code.store(LAST, n1)
    code.store(CARRIED, carry.where(carried.max(0.0) + 1.0, -1.0))
    steps = code.load(STEPS) + (accept & moved).where(1.0, 0.0)
    rejected = code.load(REJECTED) + reject.where(1.0, 0.0)
    code.store(STEPS, steps)
    code.store(REJECTED, rejected)
    t = accept.where(target, t)
    h_max = (accept & moved).where(h * 5.0, code.load(H_MAX))
    h_max = reject.where(h * 0.5, h_max)
    code.store(T, t)
    code.store(TARGET, reject.where(t, target))
    code.store(H_MAX, h_max)

    norm, excess = code.constant(0.0), code.constant(-inf)
    for i in range(at.n):
        x, saved = _pair(code, at.x, i), _pair(code, at.saved, i)
        size = _square(x)
        norm, excess = norm.max(size), excess.max(size - code.option(LIMITS + i))
        for part in range(2):
            code.store(at.saved + 2 * i + part, accept.where(x[part], saved[part]))
            code.store(at.x + 2 * i + part, reject.where(saved[part], x[part]))
    for i in range(6 * at.n):
        new = code.load(at.out + 2 * at.n + i)
        code.store(at.series + i, accept.where(new, code.load(at.series + i)))

    arrived = accept & (t >= 1.0)
    # a step so short that t + h = t would be accepted for ever
    small = (reject & ((h_max < code.option(MIN_STEP)) | ~moved)) | (fresh & ~moved)
    spent = steps + rejected >= code.option(MAX_STEPS)
    after = (accept & moved & (excess > 0.0)).where(float(SUSPENDED), float(RUNNING))
    after = small.where(float(Status.STEP_TOO_SMALL), after)
    after = spent.where(float(Status.TOO_MANY_STEPS), after)
    after = (accept & (norm > code.option(MAX_NORM))).where(float(Status.DIVERGED), after)
    after = arrived.where(float(Status.SUCCESS), after)
    code.store(STATUS, status.same(float(RUNNING)).where(after, status))
    return code.text()
