"""Systems, tapes, tracking, monodromy and homotopies, each against an independent route."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from detvar.errors import InputError, NotCertifiedError, NotExactError, ShapeError
from detvar.homotopy import (
    PointSet,
    Status,
    System,
    TrackOptions,
    linear_trace,
    monodromy,
    parameter_homotopy,
    start_pair,
    total_degree,
    track,
)
from detvar.homotopy.derivatives import homogenize, taylor_coefficient
from detvar.homotopy.expression import Expression, Graph
from detvar.homotopy.solve_linear import solve_dense
from detvar.homotopy.tape import MULADD, MULSUB, SUBMUL, make_tape


def low_rank(m: int, n: int, r: int) -> System:
    """Critical points of ½ Σ q w² − Σ c w on rank-r matrices W = [I; A] B."""

    def potential(x: Sequence[Expression], p: Sequence[Expression]) -> Expression:
        a = [x[i * r : (i + 1) * r] for i in range(m - r)]
        b = [x[(m - r) * r + k * n : (m - r) * r + (k + 1) * n] for k in range(r)]
        w = [*b, *([_dot(row, [b[k][j] for k in range(r)]) for j in range(n)] for row in a)]
        entries = [w[i][j] for i in range(m) for j in range(n)]
        q, c = p[: m * n], p[m * n :]
        out: Expression = _dot(q, [e * e for e in entries]) * Fraction(1, 2) - _dot(c, entries)
        return out

    size = (m - r) * r + r * n
    blocks = [0] * ((m - r) * r) + [1] * (r * n)
    return System.from_potential(potential, variables=size, parameters=2 * m * n, blocks=blocks)


def _dot(u: Sequence[Any], v: Sequence[Any]) -> Any:
    out = u[0] * v[0]
    for a, b in zip(u[1:], v[1:], strict=True):
        out = out + a * b
    return out


class RowExchange:
    """Charts W = Π[I; A]B: exchange rows of W until no entry of A is large."""

    def __init__(self, m: int, n: int, r: int) -> None:
        self.m, self.n, self.r = m, n, r
        self.cut = (m - r) * r
        self.orders = [tuple(range(m))]
        self.switched = 0

    def matrices(self, x: Any) -> Any:
        a = x[:, : self.cut].reshape(-1, self.m - self.r, self.r)
        b = x[:, self.cut :].reshape(-1, self.r, self.n)
        return np.concatenate([b, a @ b], axis=1)

    def needs_switch(self, x: Any) -> Any:
        return np.abs(x[:, : self.cut]).max(axis=1) > 8

    def switch(self, x: Any, chart: Any) -> tuple[Any, Any]:
        out, ids = np.empty_like(x), np.empty_like(chart)
        self.switched += len(x)
        for k in range(len(x)):
            a = x[k, : self.cut].reshape(self.m - self.r, self.r)
            b = x[k, self.cut :].reshape(self.r, self.n)
            tall = np.concatenate([np.eye(self.r), a])
            order = list(self.orders[chart[k]])
            while np.abs(tall).max() > 2:
                i, j = np.unravel_index(np.abs(tall).argmax(), tall.shape)
                tall[[i, j]] = tall[[j, i]]
                order[i], order[j] = order[j], order[i]
                top = tall[: self.r].copy()
                tall, b = tall @ np.linalg.inv(top), top @ b
            if tuple(order) not in self.orders:
                self.orders.append(tuple(order))
            ids[k] = self.orders.index(tuple(order))
            out[k] = np.concatenate([tall[self.r :].ravel(), b.ravel()])
        return out, ids

    def parameters(self, p: Any, chart: Any) -> Any:
        rows = np.array(self.orders)[chart]
        q = p.reshape(len(p), 2, self.m, self.n)
        return np.take_along_axis(q, rows[:, None, :, None], axis=2).reshape(len(p), -1)

    def invariant(self, x: Any, chart: Any) -> Any:
        w = self.matrices(x)
        out = np.empty_like(w)
        np.put_along_axis(out, np.array(self.orders)[chart][:, :, None], w, axis=1)
        return out.reshape(len(x), -1)


def random_complex(rng: np.random.Generator, *shape: int) -> Any:
    return rng.standard_normal(shape) + 1j * rng.standard_normal(shape)


def all_distinct(points: Any) -> bool:
    numbers = PointSet(points.shape[1]).add(points)
    return len(set(numbers.tolist())) == len(points)


# --- expressions and derivatives --------------------------------------------------------------


def test_equal_expressions_are_one_node() -> None:
    g = Graph()
    x, y = (Expression(g, g.input(i)) for i in range(2))
    assert (x * y + 1).node == (1 + y * x).node
    assert (x - y).node == (-(y - x)).node
    assert (2 * x * (3 * y)).node == (6 * (y * x)).node
    assert (x + x).node == (2 * x).node
    assert (x / 2).node == (x * Fraction(1, 2)).node
    assert (x - x).node == g.zero and (0 * x).node == g.zero and (x**0).node == g.one
    assert (x**5).node == (x * ((x * x) * (x * x))).node


def test_expressions_refuse_what_they_cannot_hold() -> None:
    g = Graph()
    x = Expression(g, g.input(0))
    with pytest.raises(InputError, match="integer"):
        x**0.5  # type: ignore[operator]  # noqa: B018
    with pytest.raises(InputError, match="zero"):
        x / 0  # noqa: B018
    with pytest.raises(InputError, match="different problems"):
        x + Expression(Graph(), 0)
    with pytest.raises(NotExactError):
        x + "one"


def rational_map(x: Sequence[Any], p: Sequence[Any]) -> list[Any]:
    return [
        (x[0] + p[0] * x[1]) ** 3 - x[2] / (p[1] + x[0] * x[0]),
        x[0] * x[1] * x[2] - p[2] + 3 * x[1] ** 2,
        -(x[2] ** 4) * p[0] + 1 / (x[1] - 2 * p[2]) - Fraction(2, 3) * x[0],
    ]


def test_a_tape_agrees_with_plain_python_in_every_arithmetic() -> None:
    system = System.from_function(rational_map, variables=3, parameters=3)
    x, p = (
        [Fraction(1, 2), Fraction(-3), Fraction(2, 5)],
        [Fraction(7), Fraction(1, 3), Fraction(2)],
    )
    exact = rational_map(x, p)
    assert system.tape.run([*x, *p]) == exact
    assert {MULADD, SUBMUL, MULSUB} & set(system.tape.code[:, 0].tolist())
    values = system.evaluate([[complex(v) for v in x]], [complex(v) for v in p])
    assert np.allclose(values[0], [complex(v) for v in exact], rtol=1e-14)


def test_a_tape_runs_on_flint_balls() -> None:
    flint = pytest.importorskip("flint")
    system = System.from_function(rational_map, variables=3, parameters=3)
    numbers = [
        Fraction(1, 2),
        Fraction(-3),
        Fraction(2, 5),
        Fraction(7),
        Fraction(1, 3),
        Fraction(2),
    ]
    balls = [flint.acb(flint.fmpq(v.numerator, v.denominator)) for v in numbers]

    def convert(c: Any) -> Any:
        f = Fraction(c)
        return flint.acb(flint.fmpq(f.numerator, f.denominator))

    exact = rational_map(numbers[:3], numbers[3:])
    for ball, value in zip(system.tape.run(balls, convert), exact, strict=True):
        assert ball.contains(flint.acb(flint.fmpq(value.numerator, value.denominator)))


def test_outputs_may_be_inputs_constants_or_repeated() -> None:
    g = Graph()
    x, y = g.input(0), g.input(1)
    tape = make_tape(g, [x, g.constant(5), g.mul(x, y), g.mul(x, y), y], 2)
    assert tape.run([2, 3]) == [2, 5, 6, 6, 3]
    assert tape.evaluate(np.array([[2], [3]], dtype=complex))[:, 0].tolist() == [2, 5, 6, 6, 3]


def test_registers_are_reused() -> None:
    system = low_rank(4, 4, 2)
    # 4·4·2 + 12 inputs and 12 outputs; without reuse every row needs a register of its own
    free = system.newton_tape.registers - system.newton_tape.inputs - system.newton_tape.outputs
    assert free < len(system.newton_tape.code) / 2


def test_derivatives_agree_with_sympy() -> None:
    import sympy

    symbols = sympy.symbols("x0:3 p0:3")
    equations = rational_map(symbols[:3], symbols[3:])
    system = System.from_function(rational_map, variables=3, parameters=3)
    again = System.from_sympy(equations, symbols[:3], symbols[3:])
    rng = np.random.default_rng(1)
    x, p = random_complex(rng, 2, 3), random_complex(rng, 2, 3)
    assert np.allclose(system.evaluate(x, p), again.evaluate(x, p), rtol=1e-12)
    matrix = sympy.Matrix(equations)
    for block, compute in (
        (symbols[:3], system.jacobian),
        (symbols[3:], system.parameter_jacobian),
    ):
        f = sympy.lambdify(symbols, matrix.jacobian(block))
        for k in range(2):
            assert np.allclose(compute(x, p)[k], f(*x[k], *p[k]), rtol=1e-10)


def test_the_gradient_system_is_symmetric_and_agrees_with_sympy() -> None:
    import sympy

    system = low_rank(3, 3, 1)
    s = sympy.symbols("x0:5 p0:18")
    a, b = sympy.Matrix([1, s[0], s[1]]), sympy.Matrix([s[2:5]])
    w = list(a * b)
    potential = sum(q * e**2 / 2 - c * e for q, c, e in zip(s[5:14], s[14:], w, strict=True))
    rng = np.random.default_rng(2)
    x, p = random_complex(rng, 1, 5), random_complex(rng, 18)
    gradient = sympy.lambdify(s, [sympy.diff(potential, v) for v in s[:5]])
    assert np.allclose(system.evaluate(x, p)[0], gradient(*x[0], *p), rtol=1e-12)
    jacobian = system.jacobian(x, p)[0]
    assert np.allclose(jacobian, jacobian.T, rtol=1e-12)


@pytest.mark.parametrize("kind", ["function", "potential"])
def test_newton_and_taylor_programs_solve_what_they_say(kind: str) -> None:
    if kind == "function":
        system = System.from_function(rational_map, variables=3, parameters=3)
    else:
        system = low_rank(3, 4, 2)
    rng = np.random.default_rng(3)
    n, m = system.variables, system.parameters
    x, p, v = random_complex(rng, 4, n), random_complex(rng, 4, m), random_complex(rng, 4, m)
    f = system.evaluate(x, p)
    step = system.newton_tape.evaluate(np.concatenate([x.T, p.T])).T
    assert np.allclose(np.einsum("pij,pj->pi", system.jacobian(x, p), step), f, rtol=1e-9)
    out = system.taylor_tape.evaluate(np.concatenate([x.T, p.T, v.T])).reshape(4, n, 4)
    assert np.allclose(out[0].T, step, rtol=1e-9)
    series = out[1:].transpose(0, 2, 1)

    def defect(s: float) -> float:
        moved = x + s * series[0] + s**2 * series[1] + s**3 * series[2]
        return float(np.abs(system.evaluate(moved, p + s * v) - f).max())

    # the remainder is O(s⁴): halving s divides it by about 16
    s = 1e-3
    while defect(s) > 1e-6:
        s /= 2
    assert 12 < defect(s) / defect(s / 2) < 20


def test_taylor_coefficients_of_a_quotient_are_the_geometric_series() -> None:
    g = Graph()
    x, v = g.input(0), g.input(1)
    root = g.div(g.one, g.sub(g.one, x))
    for k in range(5):
        node = taylor_coefficient(g, [root], {x: [g.zero, v]}, k)
        assert g.evaluate(node, [0, Fraction(3)]) == [3**k]


def test_homogenization_is_homogeneous_and_restricts_to_the_equation() -> None:
    g = Graph()
    x, y, extra = g.input(0), g.input(1), g.input(2)
    f = g.add(g.mul(g.power(x, 3), y), g.sub(g.mul(g.constant(2), x), g.constant(7)))
    (h,), (d,) = homogenize(g, [f], [x, y], extra)
    assert d == 4
    for t in (1, 2, 5):
        scaled = g.evaluate([h], [3 * t, 2 * t, 11 * t])[0]
        assert scaled == t**4 * g.evaluate([h], [3, 2, 11])[0]
    assert g.evaluate([h], [3, 2, 1]) == g.evaluate([f], [3, 2])
    with pytest.raises(InputError, match="denominator"):
        homogenize(g, [g.div(x, y)], [x, y], extra)


def test_systems_say_what_is_wrong_with_them() -> None:
    import sympy

    x, y = sympy.symbols("x y")
    with pytest.raises(ShapeError, match="1 equations in 2 variables"):
        System.from_sympy([x + y], [x, y])
    with pytest.raises(InputError, match="neither a variable nor a parameter"):
        System.from_sympy([x + y], [x])
    with pytest.raises(InputError, match="not polynomial"):
        System.from_sympy([sympy.exp(x)], [x])
    with pytest.raises(ShapeError, match=r"give \(P, 1\)"):
        System.from_sympy([x**2], [x]).evaluate([[1, 2]], [])
    twice = System.from_sympy([x + y, 2 * x + 2 * y], [x, y])
    with pytest.raises(InputError, match="singular"):
        _ = twice.newton_tape


def test_dense_elimination_agrees_with_lapack() -> None:
    rng = np.random.default_rng(4)
    a, b = random_complex(rng, 20, 6, 6), random_complex(rng, 20, 6, 2)
    a[:, 0, 0] = 0  # a zero pivot: exchange is needed
    got = solve_dense(a.transpose(1, 2, 0), b.transpose(1, 2, 0)).transpose(2, 0, 1)
    assert np.allclose(got, np.linalg.solve(a, b), rtol=1e-9)


# --- points ---------------------------------------------------------------------------------------


def test_point_sets_agree_with_comparing_all_pairs() -> None:
    rng = np.random.default_rng(5)
    base = random_complex(rng, 40, 3) * 10.0 ** rng.integers(-3, 4, (40, 1))
    batch = base[rng.integers(0, 40, 300)]
    batch = batch * (1 + 1e-10 * random_complex(rng, 300, 3))
    points = PointSet(3)
    numbers = np.concatenate([points.add(part) for part in np.array_split(batch, 7)])
    for i, j in product(range(0, 300, 7), range(300)):
        scale = max(np.abs(batch[i]).max(), np.abs(batch[j]).max())
        same = np.abs(batch[i] - batch[j]).max() < 1e-7 * scale
        assert (numbers[i] == numbers[j]) == same
    assert len(points) == len(set(numbers.tolist()))


# --- tracking -------------------------------------------------------------------------------------


def power_system(degree: int) -> System:
    return System.from_function(lambda x, p: [x[0] ** degree - p[0]], variables=1, parameters=1)


@pytest.mark.parametrize("lanes", [3, 1024])
@pytest.mark.parametrize("dense", [False, True])
def test_roots_of_unity_are_tracked_to_roots(lanes: int, dense: bool) -> None:
    system = power_system(5)
    starts = np.exp(2j * np.pi * np.arange(5) / 5)[:, None]
    end = np.array([-2 + 3j])
    options = TrackOptions(lanes=lanes, dense=dense)
    result = track(system, starts, [1], end, options=options)
    assert result.success.all() and (result.residual < 1e-13).all()
    exact = np.roots([1, 0, 0, 0, 0, -end[0]])
    got = result.x[:, 0]
    assert all(np.abs(exact - z).min() < 1e-13 for z in got) and all_distinct(result.x)
    # every root turns by the same angle, without a jump
    assert np.allclose(got / starts[:, 0], got[0] / starts[0, 0], rtol=1e-12)


def test_paths_may_have_parameters_of_their_own() -> None:
    system = power_system(2)
    ends = np.array([[4], [9j], [1 + 1j]])
    out = track(system, [[1], [1], [-1]], [1], ends)
    assert np.allclose(out.x[:, 0] ** 2, ends[:, 0], rtol=1e-13)


def test_failures_are_reported_and_not_hidden() -> None:
    system = power_system(2)
    through_zero = track(system, [[1], [-1]], [1], [-1])
    assert (through_zero.status == Status.STEP_TOO_SMALL).all()
    assert np.allclose(through_zero.t, 0.5, atol=1e-3)
    pole = System.from_function(lambda x, p: [p[0] * x[0] - 1], variables=1, parameters=1)
    assert not track(pole, [[1]], [1], [-1]).success.any()
    no_start = track(system, [[5]], [1], [2])
    assert not no_start.success.any() or np.allclose(no_start.x**2, 2)
    singular_end = track(system, [[1]], [1], [0])
    assert not singular_end.success.any()


def test_an_unfinished_path_can_be_resumed() -> None:
    system = power_system(3)
    calls = iter([False] * 4 + [True] * 10)
    half = track(system, [[1]], [1], [-8 + 1j], stop=lambda: next(calls))
    assert half.status[0] == Status.UNFINISHED and 0 < half.t[0] < 1
    p = 1 + half.t[0] * (-9 + 1j)
    assert abs(half.x[0, 0] ** 3 - p) < 1e-6 * abs(p)
    rest = track(system, half.x, [p], [-8 + 1j])
    whole = track(system, [[1]], [1], [-8 + 1j])
    assert np.allclose(rest.x, whole.x, rtol=1e-12)


def test_no_paths_are_no_problem() -> None:
    assert track(power_system(2), np.empty((0, 1)), [1], [2]).x.shape == (0, 1)


def test_forward_and_back_is_the_identity() -> None:
    system, charts = low_rank(3, 3, 1), RowExchange(3, 3, 1)
    fiber = monodromy(system, target=39, charts=charts, seed=3)
    p1 = random_complex(np.random.default_rng(6), 18)
    there = track(
        system, fiber.points, fiber.parameters, p1, charts=charts, start_charts=fiber.charts
    )
    back = track(system, there.x, p1, fiber.parameters, charts=charts, start_charts=there.charts)
    assert back.success.all()
    home = charts.invariant(back.x, back.charts)
    start = charts.invariant(fiber.points, fiber.charts)
    assert np.abs(home - start).max() < 1e-9 * np.abs(start).max()


# --- monodromy ------------------------------------------------------------------------------------

# Generic ED degrees: Ottaviani, Spaenlehauer, Sturmfels, Exact solutions in structured low-rank
# approximation (2014), Table 1 of unweighted/weighted counts; the sum of the polar degrees gives
# the same numbers.
COUNTS = [((2, 2, 1), 6), ((2, 3, 1), 10), ((3, 3, 1), 39), ((3, 3, 2), 39), ((3, 4, 1), 83)]


@pytest.mark.parametrize("shape, count", [*COUNTS, ((4, 4, 1), 284)])
def test_monodromy_finds_the_generic_ed_degree(shape: tuple[int, int, int], count: int) -> None:
    system, charts = low_rank(*shape), RowExchange(*shape)
    fiber = monodromy(system, target=count, charts=charts, seed=11)
    assert fiber.complete and fiber.count == count, str(fiber)
    p = charts.parameters(np.tile(fiber.parameters, (count, 1)), fiber.charts)
    assert np.abs(system.evaluate(fiber.points, p)).max() < 1e-8
    w = charts.invariant(fiber.points, fiber.charts)
    assert all_distinct(w)
    singular = np.linalg.svd(w.reshape(count, *shape[:2]), compute_uv=False)
    assert (singular[:, shape[2]] < 1e-9 * singular[:, 0]).all()


def test_few_lanes_find_the_same_points() -> None:
    system = low_rank(3, 3, 1)
    points = PointSet(9)
    for lanes in (7, 1024):
        charts = RowExchange(3, 3, 1)
        options = TrackOptions(lanes=lanes)
        fiber = monodromy(system, target=39, charts=charts, seed=6, options=options)
        points.add(charts.invariant(fiber.points, fiber.charts))
    assert len(points) == 39


@pytest.mark.slow
def test_monodromy_finds_1350_points() -> None:
    system, charts = low_rank(4, 4, 2), RowExchange(4, 4, 2)
    fiber = monodromy(system, target=1350, charts=charts, seed=0)
    assert fiber.complete and fiber.failures == 0
    assert all_distinct(charts.invariant(fiber.points, fiber.charts))
    assert charts.switched > 0


def test_without_a_target_the_edges_decide() -> None:
    system, charts = low_rank(2, 3, 1), RowExchange(2, 3, 1)
    fiber = monodromy(system, charts=charts, seed=1)
    assert fiber.complete and fiber.count == 10 and "bijections" in fiber.complete_reason


def test_systems_that_are_not_homogeneous_in_their_parameters() -> None:
    system = System.from_function(
        lambda x, p: [x[0] ** 2 * x[1] + p[0] * x[0] + p[1], x[1] ** 2 + x[0] * p[2] - 1],
        variables=2,
        parameters=3,
    )
    assert not system.is_homogeneous_in_parameters
    fiber = monodromy(system, seed=0)
    again = total_degree(system, fiber.parameters)
    assert fiber.count == len(again.solutions) == 5 and fiber.complete
    both = PointSet(2)
    both.add(fiber.points)
    assert sorted(both.add(again.solutions).tolist()) == list(range(fiber.count))


def test_too_large_a_target_is_not_reached_and_said_so() -> None:
    fiber = monodromy(low_rank(2, 2, 1), target=7, charts=RowExchange(2, 2, 1))
    assert not fiber.complete and fiber.count == 6 and "7 solutions are expected" in str(fiber)


def test_a_budget_and_an_interrupt_return_what_is_there() -> None:
    system, charts = low_rank(3, 3, 1), RowExchange(3, 3, 1)
    short = monodromy(system, target=39, charts=charts, budget=0)
    assert not short.complete and 1 <= short.count < 39 and "budget" in short.complete_reason

    def interrupt(found: int, segments: int, seconds: float) -> None:
        if found > 5:
            raise KeyboardInterrupt

    broken = monodromy(system, target=39, charts=charts, progress=interrupt)
    assert not broken.complete and broken.count > 5 and broken.complete_reason == "interrupted"


def test_the_same_seed_gives_the_same_points() -> None:
    results = [
        monodromy(low_rank(2, 3, 1), target=10, charts=RowExchange(2, 3, 1), seed=4).points
        for _ in range(2)
    ]
    assert (results[0] == results[1]).all()


def test_start_pairs_solve_the_system_and_wrong_ones_are_refused() -> None:
    system = low_rank(3, 3, 1)
    x, p = start_pair(system, np.random.default_rng(7))
    assert np.abs(system.evaluate(x[None], p)).max() < 1e-12
    with pytest.raises(NotCertifiedError, match="does not solve"):
        monodromy(system, start=(x + 1, p))
    with pytest.raises(ShapeError):
        monodromy(system, start=(x, p[:3]))
    fixed = System.from_function(lambda x, p: [x[0] ** 2 - 2], variables=1, parameters=1)
    with pytest.raises(InputError, match="give start"):
        monodromy(fixed)


def test_random_start_pairs_land_in_the_known_set() -> None:
    system, charts = low_rank(2, 3, 1), RowExchange(2, 3, 1)
    fiber = monodromy(system, target=10, charts=charts, seed=8)
    known = PointSet(6)
    known.add(charts.invariant(fiber.points, fiber.charts))
    rng = np.random.default_rng(9)
    pairs = [start_pair(system, rng) for _ in range(30)]
    x, p = (np.array([pair[k] for pair in pairs]) for k in range(2))
    result = track(system, x, p, fiber.parameters, charts=charts)
    assert result.success.all()
    known.add(charts.invariant(result.x, result.charts))
    assert len(known) == 10


# --- other homotopies -----------------------------------------------------------------------------


def test_parameter_homotopy_agrees_with_eigenvalues() -> None:
    # unweighted: the critical points on rank-1 matrices are the singular triples (Eckart, Young)
    system, charts = low_rank(3, 3, 1), RowExchange(3, 3, 1)
    fiber = monodromy(system, target=39, charts=charts, seed=2)
    rng = np.random.default_rng(10)
    u = rng.standard_normal((3, 3))
    near = np.concatenate([np.ones(9), u.ravel()])
    out = parameter_homotopy(system, fiber, near, charts=charts)
    arrived = out.status[0] == Status.SUCCESS
    w = charts.invariant(out.x[0, arrived], out.charts[0, arrived]).reshape(-1, 3, 3)
    left, sigma, right = np.linalg.svd(u)
    for k in range(3):
        triple = sigma[k] * np.outer(left[:, k], right[k])
        assert np.abs(w - triple).max(axis=(1, 2)).min() < 1e-8


def test_a_sweep_is_complete_and_closed_under_conjugation() -> None:
    system, charts = low_rank(3, 3, 1), RowExchange(3, 3, 1)
    fiber = monodromy(system, target=39, charts=charts, seed=0)
    rng = np.random.default_rng(11)
    weights, data = rng.uniform(0.1, 1, (40, 9)), rng.standard_normal((40, 9))
    out = parameter_homotopy(
        system, fiber, np.concatenate([weights, weights * data], axis=1), charts=charts, block=500
    )
    assert out.clean.all()
    for k in range(40):
        w = charts.invariant(out.x[k], out.charts[k])
        points = PointSet(9)
        numbers = points.add(w)
        assert len(points) == 39
        assert sorted(points.add(w.conj()).tolist()) == sorted(numbers.tolist())
        real = np.abs(w.imag).max(axis=1) < 1e-9 * np.abs(w).max(axis=1)
        # non-real points come in pairs, and 39 is odd; a minimum and a maximum are real
        assert real.sum() % 2 == 1


def test_the_linear_trace_notices_one_missing_point() -> None:
    system, charts = low_rank(3, 3, 1), RowExchange(3, 3, 1)
    fiber = monodromy(system, target=39, charts=charts, seed=5)
    direction = np.zeros(18)
    direction[9:] = np.random.default_rng(12).standard_normal(9)
    assert linear_trace(system, fiber, direction, charts=charts) < 1e-10
    part = replace(fiber, points=fiber.points[1:], charts=fiber.charts[1:], count=38)
    assert linear_trace(system, part, direction, charts=charts) > 1e-6


@pytest.mark.parametrize("shape, count", [c for c in COUNTS[:4] if c[0] != (3, 3, 2)])
def test_total_degree_counts_the_same(shape: tuple[int, int, int], count: int) -> None:
    """Without (3, 3, 2), whose total degree is 3⁸."""
    system = low_rank(*shape)
    p = random_complex(np.random.default_rng(13), system.parameters)
    out = total_degree(system, p)
    assert len(out.solutions) == count and out.counts["failed"] == 0
    assert sum(out.counts.values()) == out.paths == 3**system.variables
    assert np.abs(system.evaluate(out.solutions, p)).max() < 1e-8


def test_total_degree_meets_the_theorem_of_bezout() -> None:
    # two generic quadrics and a generic cubic in three unknowns: 2·2·3 points
    rng = np.random.default_rng(14)

    def dense(degree: int) -> Callable[[Sequence[Any]], Any]:
        terms = [e for e in product(range(degree + 1), repeat=3) if sum(e) <= degree]
        numbers = rng.standard_normal(len(terms))
        return lambda x: sum(
            float(c) * x[0] ** e[0] * x[1] ** e[1] * x[2] ** e[2]
            for c, e in zip(numbers, terms, strict=True)
        )

    equations = [dense(2), dense(2), dense(3)]
    system = System.from_function(lambda x, p: [f(x) for f in equations], variables=3, parameters=0)
    out = total_degree(system, [])
    assert len(out.solutions) == out.paths == 12


def test_tracking_works_in_another_thread() -> None:
    got: list[Any] = []
    system = power_system(2)
    worker = threading.Thread(target=lambda: got.append(track(system, [[1]], [1], [4]).x[0, 0]))
    worker.start()
    worker.join()
    assert abs(got[0] - 2) < 1e-12
