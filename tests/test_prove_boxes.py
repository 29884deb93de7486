"""Branch and bound in balls, the charts of infinity, and what is known far out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from detvar.exact.balls import arb
from detvar.exact.rational import rational, to_fraction
from detvar.landscape import examples
from detvar.landscape.finite_sum import FiniteSum
from detvar.landscape.prove import prove
from detvar.landscape.prove.boxes import Task, chart, compiled, covered
from detvar.landscape.prove.cases import Setting, graph_node
from detvar.landscape.prove.tails import bounded_tasks, covering, tail_holds

X, Y = sp.symbols("x y", real=True)
BUDGET = 20_000


def task(f: sp.Expr, *walls: sp.Expr, radius: float = 4.0, d: int = 2) -> Task:
    from detvar.homotopy.expression import Graph

    graph = Graph()
    nodes = {v: graph.input(j) for j, v in enumerate((X, Y)[:d])}
    root = graph_node(graph, f, nodes)
    sides = tuple(graph_node(graph, w, nodes) for w in walls)
    return Task(graph, root, sides, [], (0.0,) * d, (radius,) * d)


@settings(max_examples=40)
@given(st.lists(st.integers(-3, 3), min_size=6, max_size=6), st.integers(-20, 60))
def test_answers_agree_with_a_grid(c: list[int], shift: int) -> None:
    f = c[0] * X**4 + c[1] * X**2 * Y + c[2] * X * Y + c[3] * Y**3 + c[4] * Y**4 + c[5] * X + shift
    found = covered(task(f, radius=2.0), 1000)
    grid = np.linspace(-2, 2, 65)
    u, v = np.meshgrid(grid, grid)
    values = sp.lambdify((X, Y), f)(u, v) + 0 * u
    if found.answer is True:
        assert values.min() >= -1e-9
    elif found.answer is False:
        assert found.point is not None
        x, y = (sp.Rational(str(p)) for p in found.point)
        assert f.subs({X: x, Y: y}) < 0


def test_walls_cut_boxes_off() -> None:
    assert covered(task(X, X), BUDGET).answer is not False
    assert covered(task(X + sp.Rational(1, 100), X), BUDGET).answer is True
    assert covered(task(X + sp.Rational(1, 100), -X), BUDGET).answer is False
    assert covered(task(X - 5, X - 6), BUDGET).answer is True  # nothing is left


def test_a_budget_that_ends_is_undecided() -> None:
    hard = sp.expand((X**2 + Y**2 - 1) ** 2) + sp.Rational(1, 10**6)
    assert covered(task(hard), 50).answer is None
    assert covered(task(hard), 50).boxes == 51


def test_a_double_zero_is_undecided() -> None:
    assert covered(task((X - sp.Rational(1, 3)) ** 2, d=1), BUDGET).answer is None


def test_no_corner_is_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The boxes on which F is looked at, at the end of a long search, fill the square exactly."""
    from detvar.landscape.prove import boxes

    seen: list[tuple[Any, ...]] = []
    original = boxes.arb

    def spy(mid: Any, rad: Any = None) -> Any:
        if rad is not None and isinstance(mid, float):
            seen.append((mid, rad))
        return original(mid) if rad is None else original(mid, rad)

    monkeypatch.setattr(boxes, "arb", spy)
    f = (X - sp.Rational(1, 3)) ** 2 + sp.Rational(1, 10**22)
    assert covered(task(f, d=1), BUDGET).answer is True
    ends = {rational(0)}
    for mid, rad in seen:
        low = rational(str(sp.Rational(mid) - sp.Rational(rad)))
        high = rational(str(sp.Rational(mid) + sp.Rational(rad)))
        assert low < high
        ends |= {low, high}
    # every interval is one of [−4, 4] halved: (end + 4)/length is a whole number
    for mid, rad in seen:
        position = (sp.Rational(mid) - sp.Rational(rad) + 4) / (2 * sp.Rational(rad))
        assert position.is_integer
    assert min(r for _, r in seen) < 1e-6


def test_enclosures_contain_the_values() -> None:
    rng = np.random.default_rng(3)
    for f in (X / (1 + Y**2), sp.exp(-(X**2)) * sp.cos(3 * Y), sp.sqrt(2 + X * Y), X**3 - Y**6):
        job = task(f, radius=1.0)
        run = compiled(job.graph, [job.root], 2, [])
        for _ in range(20):
            m, r = rng.uniform(-1, 1, 2) * 0.5, rng.uniform(0, 0.5, 2)
            ball = run([arb(float(a), float(b)) for a, b in zip(m, r, strict=True)])[0]
            x = m + r * rng.uniform(-1, 1, 2)
            exact = f.subs({X: sp.Rational(float(x[0])), Y: sp.Rational(float(x[1]))}).evalf(30)
            assert ball.contains(arb(str(exact)) + arb(0, 1e-25)) or ball.overlaps(arb(str(exact)))


# --- infinity -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("j", [0, 1])
def test_charts_have_the_sign_of_the_polynomial(j: int, sign: int) -> None:
    problem = examples.ex6()
    assert problem.exact is not None
    setting = Setting.of(problem.exact, 21, 20)
    case = setting.cases[0]
    assert case.polynomial is not None
    job = chart(case.polynomial, case.cell, setting.balls, 2, j, sign, 4)
    graph, root = setting.graph(case)
    direct = compiled(graph, [root], 2, setting.balls)
    far = compiled(job.graph, [job.root, *job.walls], 2, setting.balls)
    rng = np.random.default_rng(5)
    p, q = (float(v) for v in (setting.balls[0].mid(), 1 - setting.balls[0].mid()))
    for _ in range(40):
        v, w = rng.uniform(0.01, 0.25), rng.uniform(-1, 1)
        at, x = [0.0, 0.0], [0.0, 0.0]
        at[j], at[1 - j] = v, w
        x[j], x[1 - j] = sign / v, w / v
        value, wall = far([arb(a) for a in at])
        assert (value > 0) == (direct([arb(a) for a in x])[0] > 0)
        nearer = (x[0] - p) ** 2 + (x[1] - p) ** 2 < (x[0] - q) ** 2 + (x[1] - q) ** 2
        assert (wall > 0) == nearer


def test_a_failure_far_away_is_not_overlooked() -> None:
    """At α = 20.684, δ = 1 the cube of radius 8 is fine, and the sixth example fails outside."""
    problem = examples.ex6()
    assert problem.exact is not None
    setting = Setting.of(problem.exact, "20.684", "19.684")
    case = setting.cases[0]
    *charts, cube = covering(setting, case, 8) or []
    assert covered(cube, 50_000).answer is True
    assert any(covered(c, 50_000).answer is not True for c in charts)
    assert prove(problem, "20.684", "19.684", "boxes").answer is False


@pytest.mark.parametrize(
    ("alpha", "beta", "answer"),
    [("21", "20", True), ("20.7", "19.7", True), ("20.684", "19.684", False), ("8", "7", False)],
)
def test_sixth_example(alpha: str, beta: str, answer: bool) -> None:
    proof = prove(examples.ex6(), alpha, beta, "boxes")
    assert proof.answer is answer
    assert proof.verify()


# 1/c = 1099585.8006: at δ = 8 the least α is 8796686.405
@pytest.mark.parametrize(
    ("alpha", "beta", "answer"),
    [
        ("8796687", "8796679", True),
        ("8796686", "8796678", False),
        ("1050000", "1049999", False),
        ("1099586", "1099585", True),
    ],
)
def test_second_example(alpha: str, beta: str, answer: bool) -> None:
    proof = prove(examples.ex2(), alpha, beta)
    assert proof.answer is answer
    assert proof.verify()
    if answer is False:
        assert proof.witness is not None
        x = np.array([float(to_fraction(rational(v))) for v in proof.witness["point"]])
        t = 6.743269848917564e-4
        points = np.array([[t, t], [2 - t, 2 - t]])
        p = points[np.hypot(*(points - x).T).argmin()]
        a, b = float(alpha), float(beta)
        low = []
        for centre in (0, 2):
            r, s = ((x - centre) ** 2).sum(), ((p - centre) ** 2).sum()
            f, c = -np.expm1(-r), -np.expm1(-s)
            low.append(2 * np.exp(-r) * (x - centre) @ (x - p) - (a - b) * f + a * c)
        assert min(low) < 0


def test_third_example_by_boxes() -> None:
    assert prove(examples.ex3(), 700, 699, "boxes").answer is True
    assert prove(examples.ex3(), "0.8", "0.7988", "boxes").answer is False


def test_oscillating_terms_have_proofs_on_the_line() -> None:
    # best ratio 4.87506 at δ = 1
    assert prove(examples.d1(), "4.88", "3.88").answer is True
    assert prove(examples.d1(), "4.87", "3.87").answer is False
    assert prove(examples.d1(), "4.88", "3.88").verify()


# --- far out --------------------------------------------------------------------------------------


def setting_of(terms: list[sp.Expr], lower: list[Any], alpha: Any, beta: Any) -> Setting:
    problem = FiniteSum.from_sympy(terms, [X, Y], [(0, 0)], lower)
    assert problem.exact is not None
    return Setting.of(problem.exact, alpha, beta)


U = X**2 + Y**2


@pytest.mark.parametrize(
    ("f", "low", "alpha", "beta", "answer"),
    [
        (1 - sp.exp(-U), -1, 3, 2, True),  # αc = 3 ≥ δ·2
        (1 - sp.exp(-U), -1, "3/2", "0", False),  # 1.5 < 1.5·2
        (sp.tanh(U), -1, 3, 2, True),
        (sp.atan(U) + sp.sqrt(2 - sp.exp(-U)), -1, 2, 1, True),  # 2·2 ≥ π/2 + √2 + 1 = 3.985
        (sp.atan(U) + sp.sqrt(2 - sp.exp(-U)), -1, "199/100", "99/100", False),  # 3.98 is less
        (sp.log(1 + U), -1, 3, 2, False),  # no upper bound
        (sp.exp(-U) - 1 + sp.tanh(3 * U) * 3, -3, 100, 99, False),  # the slope is not known
        (sp.sqrt(1 + X**2) - 1 + sp.tanh(Y) ** 2, -1, 3, 2, False),  # not radial
    ],
)
def test_tail_lemma(f: sp.Expr, low: int, alpha: Any, beta: Any, answer: bool) -> None:
    setting = setting_of([f], [low], alpha, beta)
    assert tail_holds(setting, setting.cases[0], 4) is answer


def test_bounded_functions_give_charts() -> None:
    x = sp.Symbol("x", real=True)
    problem = FiniteSum.from_sympy([x**2 + sp.sin(x) ** 2], [x], [(0,)], [0])
    assert problem.exact is not None
    setting = Setting.of(problem.exact, 1, 0)
    found = bounded_tasks(setting, setting.cases[0], 8)
    assert found is not None and len(found) == 2 and len(found[0].middle) == 3
    growing = FiniteSum.from_sympy([sp.cosh(x)], [x], [(0,)], [0])
    assert growing.exact is not None
    setting = Setting.of(growing.exact, 1, 0)
    assert bounded_tasks(setting, setting.cases[0], 8) is None


def test_radii_are_powers_of_two() -> None:
    setting = setting_of([1 - sp.exp(-U)], [-1], 3, 2)
    assert covering(setting, setting.cases[0], 6) is None
    assert covering(setting, setting.cases[0], 8) is not None


def test_nothing_known_far_out_is_undecided() -> None:
    problem = FiniteSum.from_sympy([sp.log(1 + U)], [X, Y], [(0, 0)], [0])
    proof = prove(problem, "1/100", 0)
    assert proof.answer is not True
    wide = FiniteSum.from_sympy([sp.log(1 + U) + 1], [X, Y], [(0, 0)], [0])
    assert prove(wide, 10, "99/10").answer is not True
