"""The compiled executor against NumPy: tapes, paths, counts, and the choice between the two."""

from __future__ import annotations

from typing import Any

import pytest

from detvar.critical import tracked
from detvar.critical.families import Family, LikelihoodFamily, PowerFamily, QuadraticFamily
from detvar.critical.rank_system import RankSystem
from detvar.critical.tracked import search_fiber
from detvar.errors import InputError, MissingExtraError
from detvar.homotopy import System, track
from detvar.homotopy import executor as choice
from detvar.homotopy.expression import Graph
from detvar.homotopy.tape import Kernel, make_tape
from detvar.homotopy.tracker import Status, TrackOptions

np = pytest.importorskip("numpy")
pytest.importorskip("numba")


@pytest.fixture(params=["numpy", "fast"])
def executor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(choice.VARIABLE, request.param)
    return str(request.param)


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
    from detvar.homotopy.compiled_tape import compile_tape

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


SYSTEMS: list[tuple[Family, int]] = [
    (QuadraticFamily("weighted", 2, 3), 1),
    (QuadraticFamily("weighted", 3, 3), 2),
    (QuadraticFamily("quadratic", 2, 2), 1),
    (LikelihoodFamily(3, 4), 2),
    (PowerFamily(4, 2, 2), 1),
]


@pytest.mark.parametrize(("family", "rank"), SYSTEMS)
@pytest.mark.parametrize("lanes", [5, 1024])
def test_both_executors_arrive_at_the_same_points(
    family: Family, rank: int, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = RankSystem(family, rank)
    monkeypatch.setenv(choice.VARIABLE, "numpy")
    fiber = search_fiber(family, rank)
    assert fiber.complete
    rng = np.random.default_rng(1)
    size = family.parameter_count
    goal = rng.standard_normal(size) + 1j * rng.standard_normal(size)
    ends = {}
    for name in ("numpy", "fast"):
        monkeypatch.setenv(choice.VARIABLE, name)
        found = track(
            made.system,
            fiber.points,
            fiber.parameters,
            goal,
            options=TrackOptions(lanes=lanes),
            charts=made,
            start_charts=fiber.charts,
        )
        assert found.success.all() and (found.t == 1).all()
        ends[name] = made.invariant(found.x, found.charts)
    gap = np.abs(ends["numpy"] - ends["fast"]).max(axis=1)
    assert (gap <= 1e-8 * np.abs(ends["numpy"]).max(axis=1)).all()


@pytest.mark.parametrize(
    ("family", "rank", "count"),
    [
        (QuadraticFamily("weighted", 3, 3), 1, 39),
        (QuadraticFamily("weighted", 3, 3), 2, 39),
        (QuadraticFamily("weighted", 3, 4), 1, 83),
        (LikelihoodFamily(3, 3), 2, 10),
    ],
)
def test_generic_fibers_are_complete(family: Family, rank: int, count: int, executor: str) -> None:
    tracked.forget_fibers()
    for seed in range(3):
        fiber = search_fiber(family, rank, seed)
        assert fiber.complete and fiber.count == count
    tracked.forget_fibers()


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


def test_the_choice_of_the_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    system = System.from_function(lambda x, p: [x[0] ** 2 - p[0]], variables=1, parameters=1)
    monkeypatch.setenv(choice.VARIABLE, "quick")
    with pytest.raises(InputError, match="numpy or fast"):
        track(system, [[1]], [1], [4])
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    monkeypatch.setenv(choice.VARIABLE, "fast")
    with pytest.raises(MissingExtraError):
        track(system, [[1]], [1], [4])
    monkeypatch.delenv(choice.VARIABLE)
    assert track(system, [[1]], [1], [4]).x[0, 0] == pytest.approx(2)
