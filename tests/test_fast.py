"""Compiled code against NumPy and against Python's own arithmetic."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from detvar.critical import tracked
from detvar.critical.families import Family, LikelihoodFamily, PowerFamily, QuadraticFamily
from detvar.critical.rank_system import RankSystem
from detvar.critical.tracked import search_fiber
from detvar.errors import InputError, MissingExtraError
from detvar.homotopy import PointSet, Status, System, TrackOptions, monodromy, track
from detvar.homotopy.executor import VARIABLE, executor_for
from detvar.homotopy.expression import Graph
from detvar.homotopy.tape import Kernel, Tape, make_tape
from tests import test_homotopy
from tests.test_homotopy import RowExchange, all_distinct, low_rank, power_system, random_complex

pytest.importorskip("numba")

from detvar.homotopy.compiled_tape import compile_tape  # noqa: E402
from detvar.homotopy.lane_driver import drive  # noqa: E402
from detvar.homotopy.vector_code import VectorCode, aligned, assemble  # noqa: E402


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "fast")


@pytest.fixture(params=["numpy", "fast"])
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(VARIABLE, request.param)
    return str(request.param)


class Watched(RowExchange):
    """Row exchange that tells its limits, so that compiled code watches them."""

    def limits(self) -> Any:
        a = self.cut
        return np.where(np.arange(a + self.r * self.n) < a, 8.0, np.inf)


# --- vectors and tapes ----------------------------------------------------------------------------


def test_vector_operations_agree_with_numpy() -> None:
    code = VectorCode("all")
    x, y, c = code.load(0), code.load(1), code.option(1)
    results: list[tuple[Any, Callable[[Any, Any], Any]]] = [
        (x + y, lambda x, y: x + y),
        (x - 2.5, lambda x, y: x - 2.5),
        (x * y, lambda x, y: x * y),
        (x / y, lambda x, y: x / y),
        (-x, lambda x, y: -x),
        ((x * x).sqrt(), lambda x, y: abs(x)),
        (x.max(y), np.maximum),
        (x.min(0.25), lambda x, y: np.minimum(x, 0.25)),
        ((x < y).where(x, y), np.minimum),
        (((x > 0.0) & ~(y >= 0.5)).where(c, 0.0), lambda x, y: 7.0 * ((x > 0) & ~(y >= 0.5))),
        (((x <= 0.0) | y.same(y)).where(1.0, 0.0), lambda x, y: np.ones_like(x)),
    ]
    for row, (vector, _) in enumerate(results):
        code.store(2 + row, vector)
    machine = assemble([code.text().replace(" internal ", " ")], ["all"])
    memory = aligned((3, 2 + len(results), 8))
    memory[:, :2] = np.random.default_rng(0).uniform(-1, 1, (3, 2, 8))
    x_in, y_in = memory[:, 0].copy(), memory[:, 1].copy()
    machine.call("all", memory, np.array([0.0, 7.0]))
    for row, (_, expected) in enumerate(results):
        assert np.allclose(memory[:, 2 + row], expected(x_in, y_in), rtol=1e-15), row


def test_comparisons_with_nan_are_false() -> None:
    code = VectorCode("nan")
    x = code.load(0)
    for row, mask in enumerate([x < 1.0, x <= 1.0, x > 1.0, x >= 1.0, x.same(x)]):
        code.store(1 + row, mask.where(1.0, 0.0))
    memory = aligned((1, 6, 8))
    memory[0, 0] = np.nan
    assemble([code.text().replace(" internal ", " ")], ["nan"]).call("nan", memory)
    assert not memory[0, 1:].any()


def random_tape(rng: Any, inputs: int, size: int, outputs: int) -> Any:
    """All operations, constants real and complex, outputs that are inputs or constants."""
    g = Graph()
    nodes = [g.input(i) for i in range(inputs)]
    nodes += [g.constant(c) for c in (2, 0.5, 1 - 2j, -1.25)]
    for _ in range(size):
        a, b = (int(k) for k in rng.choice(nodes, 2))
        made = [g.add(a, b), g.sub(a, b), g.mul(a, b), g.neg(a), g.sub(g.mul(a, b), nodes[-1])]
        if g.value(b) != 0:
            made.append(g.div(a, b))
        # halved, so that repeated squaring stays small
        nodes.append(g.mul(g.constant(0.5), made[int(rng.integers(len(made)))]))
    return make_tape(g, [int(k) for k in rng.choice(nodes, outputs)], inputs)


@pytest.mark.parametrize("seed", range(12))
def test_compiled_tapes_compute_what_the_interpreter_computes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tape = random_tape(rng, 4, [3, 30, 120, 400][seed % 4], 6)
    for lanes in (1, 7, 8, 33):
        x = rng.standard_normal((4, lanes)) + 1j * rng.standard_normal((4, lanes))
        with np.errstate(all="ignore"):
            want = Kernel(tape).bind(list(x), lanes)()
        got = compile_tape(tape).evaluate(x)
        fine = np.isfinite(want) & (np.abs(want) < 1e12) & (np.abs(want) > 1e-12)
        assert fine.any()
        assert np.abs(got - want)[fine].max() <= 1e-6 * np.abs(want[fine]).max()
        ratio = np.abs(got - want)[fine] / np.abs(want[fine])
        assert np.median(ratio) < 1e-13


def test_every_operation_compiles_to_what_it_means() -> None:
    x, y, z = (random_complex(np.random.default_rng(k), 9) for k in range(3))
    meaning = [x + y, x - y, x * y, x / y, -x, x, z + x * y, z - x * y, x * y - z]
    for op, expected in enumerate(meaning):
        tape = Tape(np.array([[op, 3, 0, 1, 2]], dtype=np.int32), 3, 1, 4)
        assert np.allclose(compile_tape(tape).evaluate(np.stack([x, y, z]))[0], expected, 1e-15)


def test_the_programs_of_a_system_compile_to_what_numpy_computes() -> None:
    system = System.from_function(test_homotopy.rational_map, variables=3, parameters=3)
    rng = np.random.default_rng(1)
    for tape in (system.tape, system.newton_tape, system.taylor_tape):
        inputs = random_complex(rng, tape.inputs, 21)
        assert np.allclose(compile_tape(tape).evaluate(inputs), tape.evaluate(inputs), rtol=1e-9)
    constant = System.from_function(lambda x, p: [x[0] - 3], variables=1, parameters=0)
    assert compile_tape(constant.tape).evaluate(np.zeros((1, 0), complex)).shape == (1, 0)


# --- tracking -------------------------------------------------------------------------------------


def both(monkeypatch: pytest.MonkeyPatch, job: Callable[[], Any]) -> Iterator[Any]:
    """The results of a job in NumPy and in compiled code."""
    for name in ("numpy", "fast"):
        monkeypatch.setenv(VARIABLE, name)
        yield job()


def cubic(x: Sequence[Any], p: Sequence[Any]) -> list[Any]:
    return [x[0] ** 3 + p[0] * x[1] - p[1], x[1] ** 2 * p[2] + x[0] - p[3]]


def poles(x: Sequence[Any], p: Sequence[Any]) -> list[Any]:
    return [x[0] / (x[1] - p[0]) - p[1], x[0] * x[1] + p[2] / (x[0] + 3) - p[3]]


@pytest.mark.parametrize("lanes", [1, 5, 9, 1024])
@pytest.mark.parametrize("function", [cubic, poles])
def test_both_executors_take_the_same_steps(
    monkeypatch: pytest.MonkeyPatch, function: Any, lanes: int
) -> None:
    system = System.from_function(function, variables=2, parameters=4)
    fiber = monodromy(system, seed=1)
    rng = np.random.default_rng(2)
    x = np.tile(fiber.points, (7, 1))
    ends = random_complex(rng, 7, 4).repeat(fiber.count, axis=0)
    options = TrackOptions(lanes=lanes)
    one, two = both(monkeypatch, lambda: track(system, x, fiber.parameters, ends, options=options))
    assert fiber.complete and one.success.all() and two.success.all()
    assert np.allclose(one.x, two.x, rtol=1e-9)
    assert (one.steps == two.steps).mean() > 0.9 and np.abs(one.steps - two.steps).max() <= 2
    assert (two.residual < 1e-12).all() and (two.t == 1).all()


SYSTEMS: list[tuple[Family, int]] = [
    (QuadraticFamily("weighted", 2, 3), 1),
    (QuadraticFamily("weighted", 3, 3), 2),
    (QuadraticFamily("quadratic", 2, 2), 1),
    (LikelihoodFamily(3, 4), 2),
    (PowerFamily(4, 2, 2), 1),
]


@pytest.mark.parametrize(("family", "rank"), SYSTEMS)
def test_both_executors_arrive_at_the_same_points(
    family: Family, rank: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = RankSystem(family, rank)
    monkeypatch.setenv(VARIABLE, "numpy")
    fiber = search_fiber(family, rank)
    assert fiber.complete
    rng = np.random.default_rng(1)
    size = family.parameter_count
    goal = rng.standard_normal(size) + 1j * rng.standard_normal(size)
    ends = {}
    for name in ("numpy", "fast"):
        monkeypatch.setenv(VARIABLE, name)
        found = track(
            made.system,
            fiber.points,
            fiber.parameters,
            goal,
            charts=made,
            start_charts=fiber.charts,
        )
        assert found.success.all() and (found.t == 1).all()
        ends[name] = made.invariant(found.x, found.charts)
    gap = np.abs(ends["numpy"] - ends["fast"]).max(axis=1)
    assert (gap <= 1e-8 * np.abs(ends["numpy"]).max(axis=1)).all()


def test_paths_to_infinity_and_to_a_double_point_end(executor: str) -> None:
    """(p x − 1)(x² − q): x = 1/p leaves for infinity as p → 0; ±√q meet as q → 0."""
    system = System.from_function(
        lambda x, p: [(p[0] * x[0] - 1) * (x[0] ** 2 - p[1])], variables=1, parameters=2
    )
    # a complex start keeps the paths apart on the way
    start = [[1 / (1 + 0.5j)], [2.0], [-2.0]]
    away = track(system, start, [1 + 0.5j, 4], [0, 9])
    assert away.status[0] != Status.SUCCESS and away.success[1:].all()
    assert np.allclose(sorted(away.x[1:, 0].real), [-3, 3])
    meet = track(system, start, [1 + 0.5j, 4], [2, 0])
    assert meet.success[0] and not meet.success[1:].any()


def test_no_paths_and_a_stop(executor: str) -> None:
    made = RankSystem(QuadraticFamily("weighted", 2, 3), 1)
    none = track(made.system, np.empty((0, made.unknowns)), np.ones(12), np.ones(12), charts=made)
    assert none.x.shape == (0, made.unknowns)
    x, p = made.start(0)
    goal = 2 * p + np.linspace(1, 2, 12)
    stopped = track(made.system, x[None], p, goal, charts=made, stop=lambda: True)
    assert (stopped.status == Status.UNFINISHED).all()


def test_an_interrupt_gets_through(executor: str) -> None:
    made = RankSystem(QuadraticFamily("weighted", 2, 3), 1)
    x, p = made.start(0)

    def stop() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        track(made.system, x[None], p, 2 * p + 1, charts=made, stop=stop)


@pytest.mark.parametrize("hook", [RowExchange, Watched])
def test_charts_are_exchanged_on_the_way(monkeypatch: pytest.MonkeyPatch, hook: Any) -> None:
    system = low_rank(3, 4, 1)
    charts = hook(3, 4, 1)
    monkeypatch.setenv(VARIABLE, "numpy")
    fiber = monodromy(system, target=83, charts=charts, seed=3)
    p1 = random_complex(np.random.default_rng(4), 24)
    ends = []
    for name in ("numpy", "fast"):
        monkeypatch.setenv(VARIABLE, name)
        charts.switched = 0
        out = track(
            system, fiber.points, fiber.parameters, p1, charts=charts, start_charts=fiber.charts
        )
        assert out.success.all() and charts.switched > 0
        seen = charts.parameters(np.tile(p1, (83, 1)), out.charts)
        assert np.abs(system.evaluate(out.x, seen)).max() < 1e-9
        ends.append(charts.invariant(out.x, out.charts))
    assert np.allclose(ends[0], ends[1], rtol=1e-6) and all_distinct(ends[1])


def test_failures_have_the_same_names(monkeypatch: pytest.MonkeyPatch) -> None:
    square = power_system(2)
    pole = System.from_function(lambda x, p: [p[0] * x[0] - 1], variables=1, parameters=1)
    jobs: list[tuple[Callable[[], Any], Status]] = [
        (lambda: track(square, [[1], [-1]], [1], [-1]), Status.STEP_TOO_SMALL),
        (lambda: track(square, [[1]], [1], [0]), Status.STEP_TOO_SMALL),
        (
            lambda: track(square, [[1]], [1], [9 + 9j], options=TrackOptions(max_steps=3)),
            Status.TOO_MANY_STEPS,
        ),
        (
            lambda: track(pole, [[1]], [1], [1e-3], options=TrackOptions(max_norm=100)),
            Status.DIVERGED,
        ),
        (lambda: track(square, [[5]], [1], [2]), Status.STEP_TOO_SMALL),
        (lambda: track(square, [[np.nan]], [1], [2]), Status.STEP_TOO_SMALL),
    ]
    for job, status in jobs:
        one, two = both(monkeypatch, job)
        assert one.status.tolist() == two.status.tolist(), (one, two)
        assert set(two.status.tolist()) == {status} or one.success.all()
        assert np.allclose(one.t, two.t, atol=1e-2)


def test_no_paths_no_parameters_and_one_path(fast: None) -> None:
    assert track(power_system(2), np.empty((0, 1)), [1], [2]).x.shape == (0, 1)
    fixed = System.from_function(lambda x, p: [x[0] ** 2 - 2], variables=1, parameters=0)
    out = track(fixed, [[1.4142]], [], [])
    assert out.success.all() and abs(out.x[0, 0] ** 2 - 2) < 1e-14


def test_a_share_may_be_left_and_resumed(fast: None) -> None:
    system, charts = low_rank(3, 3, 1), Watched(3, 3, 1)
    fiber = monodromy(system, target=39, charts=charts, seed=3)
    p1 = random_complex(np.random.default_rng(6), 18)

    def go(x: Any, p: Any, ids: Any, leave: float) -> Any:
        return track(system, x, p, p1, charts=charts, start_charts=ids, leave=leave)

    whole = go(fiber.points, fiber.parameters, fiber.charts, 0)
    part = go(fiber.points, fiber.parameters, fiber.charts, 0.9)
    left = part.status == Status.UNFINISHED
    assert 0 < left.sum() < 16 and (part.success | left).all()
    p = fiber.parameters + part.t[left, None] * (p1 - fiber.parameters)
    rest = go(part.x[left], p, part.charts[left], 0)
    got = charts.invariant(rest.x, rest.charts)
    assert np.allclose(got, charts.invariant(whole.x, whole.charts)[left], rtol=1e-8)


LAWS = [
    test_homotopy.test_paths_may_have_parameters_of_their_own,
    test_homotopy.test_failures_are_reported_and_not_hidden,
    test_homotopy.test_an_unfinished_path_can_be_resumed,
    test_homotopy.test_forward_and_back_is_the_identity,
    test_homotopy.test_few_lanes_find_the_same_points,
    test_homotopy.test_without_a_target_the_edges_decide,
    test_homotopy.test_too_large_a_target_is_not_reached_and_said_so,
    test_homotopy.test_a_budget_and_an_interrupt_return_what_is_there,
    test_homotopy.test_the_same_seed_gives_the_same_points,
    test_homotopy.test_random_start_pairs_land_in_the_known_set,
    test_homotopy.test_parameter_homotopy_agrees_with_eigenvalues,
    test_homotopy.test_a_sweep_is_complete_and_closed_under_conjugation,
    test_homotopy.test_the_linear_trace_notices_one_missing_point,
    test_homotopy.test_tracking_works_in_another_thread,
]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
def test_the_laws_of_tracking_hold_in_compiled_code(law: Callable[[], None], fast: None) -> None:
    law()


@pytest.mark.parametrize(
    ("family", "rank", "count"),
    [
        (QuadraticFamily("weighted", 3, 3), 1, 39),
        (QuadraticFamily("weighted", 3, 3), 2, 39),
        (QuadraticFamily("weighted", 3, 4), 1, 83),
        (QuadraticFamily("weighted", 4, 4), 1, 284),
        (LikelihoodFamily(3, 3), 2, 10),
    ],
)
def test_generic_fibers_are_complete(family: Family, rank: int, count: int, executor: str) -> None:
    tracked.forget_fibers()
    for seed in range(1 if count > 100 else 3):
        fiber = search_fiber(family, rank, seed)
        assert fiber.complete and fiber.count == count
    tracked.forget_fibers()


@pytest.mark.slow
def test_two_executors_find_the_same_1350_points(monkeypatch: pytest.MonkeyPatch) -> None:
    system, charts = low_rank(4, 4, 2), Watched(4, 4, 2)
    points = PointSet(16)
    for fiber in both(monkeypatch, lambda: monodromy(system, target=1350, charts=charts, seed=0)):
        points.add(charts.invariant(fiber.points, fiber.charts))
    assert len(points) == 1350


# --- the choice -----------------------------------------------------------------------------------


def chosen(system: System, paths: int, **options: Any) -> str:
    with executor_for(system, TrackOptions(**options), paths) as executor:
        return type(executor).__name__


def test_the_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    system = power_system(3)
    monkeypatch.setenv(VARIABLE, "numpy")
    assert chosen(system, 10**9) == "NumpyExecutor"
    monkeypatch.setenv(VARIABLE, "fast")
    assert chosen(system, 1) == "FastExecutor"
    assert chosen(system, 1, dense=True) == "NumpyExecutor"
    monkeypatch.setenv(VARIABLE, "gpu")
    with pytest.raises(InputError, match="'gpu': write numpy or fast"):
        track(system, [[1]], [1], [2])


def test_large_jobs_are_compiled_and_small_ones_when_they_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    system = power_system(3)
    assert chosen(system, 10) == "NumpyExecutor"
    assert "fast" not in vars(system.executors)
    assert chosen(system, 10**7) == "FastExecutor"
    assert chosen(system, 1) == "FastExecutor"  # it is there
    other = power_system(3)
    other.executors.spent = 10.0
    assert chosen(other, 1) == "FastExecutor"
    searched = power_system(3)
    searched.executors.expected = 10**7
    assert chosen(searched, 1) == "FastExecutor"
    third = power_system(3)
    track(third, [[1]], [1], [2])
    assert 0 < third.executors.spent < 10


def test_without_numba_numpy_does_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "detvar.homotopy.executor.find_spec",
        lambda name, *rest: None if name == "numba" else find(name, *rest),
    )
    monkeypatch.setitem(sys.modules, "numba", None)  # importing it fails
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    monkeypatch.delenv(VARIABLE, raising=False)
    system = power_system(3)
    starts = np.tile(np.exp(2j * np.pi * np.arange(3) / 3), 300)[:, None]
    system.executors.spent = 1e9
    assert track(system, starts, [1], [2j]).success.all()
    monkeypatch.setenv(VARIABLE, "fast")
    with pytest.raises(MissingExtraError, match=r"detvar\[fast\]"):
        track(system, starts, [1], [2j])


def test_one_compiled_driver_serves_all_problems(fast: None) -> None:
    track(power_system(2), np.array([[1], [-1]]), [1], np.array([[2], [3]]))
    # columns first, read-only rows of parameters, another problem
    track(low_rank(2, 2, 1), np.ones((2, 3), order="F"), np.ones(8), np.ones(8))
    assert len(drive.signatures) == 1
