"""Critical equations in other systems: what these print agrees with what detvar knows.

Macaulay2, Singular and msolve are run where they are installed; Julia's text is read back.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sympy

from detvar.critical import critical_locus, exact_count
from detvar.critical.symbolic import CriticalEquations, critical_equations
from detvar.critical.symbolic.dialects import DIALECTS, identifiers
from detvar.errors import InputError
from detvar.exact.msolve import find_msolve
from detvar.losses import (
    ExpressionLoss,
    LikelihoodLoss,
    LogisticLoss,
    Loss,
    PowerLoss,
    SquaredLoss,
    SymbolicLoss,
    WeightedSquaredLoss,
)
from detvar.networks.linear import LinearNetwork
from detvar.networks.random import random_squared_problem

SECONDS = 60
PROGRAMS = {"macaulay2": ("M2", ("--script",)), "singular": ("Singular", ("-q",))}
FRONT = WeightedSquaredLoss([[1, 0], [0, "1/2"]], [[1, 3], [3, 1]])
GENERIC_22 = WeightedSquaredLoss([["1/3", 2], [-1, "1/2"]], [[1, 3], [2, 5]])
GENERIC_23 = WeightedSquaredLoss([["1/3", 2, 1], [-1, "1/2", 3]], [[1, 3, 2], [2, 5, 1]])


def net(*widths: int) -> LinearNetwork:
    return LinearNetwork(*widths)


def answer(text: str, system: str, folder: Path) -> dict[str, Any]:
    """Run a script and read the lines it prints; the components by (dimension, degree)."""
    program, options = PROGRAMS[system]
    binary = shutil.which(program)
    if binary is None:
        pytest.skip(f"{program} is not installed")
    script = folder / ("script.m2" if system == "macaulay2" else "script.sing")
    script.write_text(text, encoding="ascii")
    done = subprocess.run(
        [binary, *options, str(script)],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr.strip(), done.stderr
    out: dict[str, Any] = {"components": Counter()}
    for line in done.stdout.splitlines():
        match = re.fullmatch(r"(generators|dimension|degree|component) (-?\d+)(?: (\d+))?", line)
        assert match, line
        if match[1] == "component":
            out["components"][int(match[2]), int(match[3])] += 1
        else:
            out[match[1]] = int(match[2])
    return out


@pytest.fixture(params=["macaulay2", "singular"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Ask one of the systems about equations."""

    def run(eqs: CriticalEquations, task: str | None = None) -> dict[str, Any]:
        return answer(eqs.export(request.param, task), request.param, tmp_path)

    return run


def both(cases: list[Any], quick: int) -> list[Any]:
    """Each case for each system; in Macaulay2, which starts slowly, the first few by default."""
    rows = []
    for k, case in enumerate(cases):
        name = case[0] if isinstance(case[0], str) else "-".join(map(str, case))
        marks = [pytest.mark.slow] if k >= quick else []
        rows.append(pytest.param("singular", case, id=f"singular-{name}"))
        rows.append(pytest.param("macaulay2", case, id=f"macaulay2-{name}", marks=marks))
    return rows


def squared(network: LinearNetwork, seed: int) -> SquaredLoss:
    """Generic data with rational singular values, so that no component splits over C."""
    m, n = network.widths[-1], network.widths[0]
    return random_squared_problem(m, n, [3, 2, 1][: min(m, n)], seed)[0]


# --- the critical locus in the weights ---------------------------------------------------------

LOCI = [(2, 1, 2), (2, 1, 1), (1, 2, 1), (1, 1, 1, 1), (2, 2, 1), (1, 2, 2, 1), (2, 1, 1, 2)]


@pytest.mark.parametrize(("ask", "widths"), both(LOCI, 4), indirect=["ask"])
def test_components_of_the_critical_locus(
    widths: tuple[int, ...], ask: Callable[..., dict[str, Any]]
) -> None:
    network = net(*widths)
    loss = squared(network, 1)
    locus = critical_locus(network, loss)
    found = ask(critical_equations(network, loss), "components")
    dimensions = Counter(c.dimension for c in locus.components)
    assert Counter(d for d, _ in found["components"].elements()) == dimensions
    assert found["dimension"] == max(dimensions)
    top = sum(e for d, e in found["components"].elements() if d == found["dimension"])
    assert found["degree"] >= top  # the degree counts multiplicities, the components do not


@pytest.mark.parametrize(
    ("ask", "widths"), both([(2, 2, 2), (2, 1, 2), (1, 2, 1), (2, 1, 1, 2)], 1), indirect=["ask"]
)
def test_where_the_gradient_vanishes_at_zero_rank_zero_is_the_fiber_over_zero(
    widths: tuple[int, ...], ask: Callable[..., dict[str, Any]]
) -> None:
    network = net(*widths)
    loss = SquaredLoss(sympy.eye(widths[0]), sympy.zeros(widths[-1], widths[0]))
    found = ask(critical_equations(network, loss, rank=0), "components")
    assert sorted(d for d, _ in found["components"].elements()) == sorted(
        network.fiber(0).component_dimensions
    )


@pytest.mark.slow
@pytest.mark.parametrize("widths", [(2, 1, 2), (1, 2, 1), (1, 2, 2, 1), (2, 2, 2)], ids=str)
def test_the_part_of_full_rank_is_a_union_of_fibers(
    widths: tuple[int, ...], ask: Callable[..., dict[str, Any]]
) -> None:
    network = net(*widths)
    loss = squared(network, 2)
    r = network.rank_bound
    points = sum(c.choice.rank == r for c in critical_locus(network, loss).components)
    found = ask(critical_equations(network, loss, rank=r), "components")
    fiber = network.fiber(r)
    assert sorted(d for d, _ in found["components"].elements()) == sorted(
        fiber.component_dimensions * points
    )


# --- finite counts ----------------------------------------------------------------------------

FINITE: list[tuple[str, LinearNetwork, Loss, dict[str, Any], int]] = [
    ("2x2 space", net(2, 1, 2), FRONT, {"form": "function_space"}, 6),
    ("2x2 minors", net(2, 1, 2), FRONT, {"form": "function_space", "multipliers": "minors"}, 6),
    ("2x2 generic chart", net(2, 1, 2), GENERIC_22, {"form": "chart"}, 6),
    (
        "2x2 kernel",
        net(2, 1, 2),
        GENERIC_22,
        {"form": "function_space", "multipliers": "kernel"},
        6,
    ),
    ("2x3 space", net(3, 1, 2), GENERIC_23, {"form": "function_space"}, 10),
    ("2x3 chart", net(3, 1, 2), GENERIC_23, {"form": "chart"}, 10),
    ("likelihood", net(2, 1, 2), LikelihoodLoss([[2, 3], [1, 6]]), {"form": "chart"}, 1),
    ("squared", net(3, 2, 3), squared(net(3, 2, 3), 5), {"form": "chart"}, 3),
]


@pytest.mark.parametrize(("ask", "case"), both(FINITE, 5), indirect=["ask"])
def test_finite_counts(
    case: tuple[str, LinearNetwork, Loss, dict[str, Any], int],
    ask: Callable[..., dict[str, Any]],
) -> None:
    _, network, loss, options, count = case
    found = ask(critical_equations(network, loss, **options), "components")
    assert (found["dimension"], found["degree"]) == (0, count)
    assert sum(e for _, e in found["components"].elements()) == count
    assert exact_count(loss, network.rank_bound).count == count


@pytest.mark.slow
def test_a_power_and_a_quotient(ask: Callable[..., dict[str, Any]]) -> None:
    for loss in (
        PowerLoss([[1, "1/3"], ["1/2", 2]], 4),
        ExpressionLoss("(w11-1)**2 + (w12-2)**2 + 1/w22 + w22*w11 + w21**2 + w21", (2, 2)),
    ):
        found = ask(critical_equations(net(2, 1, 2), loss, "function_space"), "degree")
        known = exact_count(loss, 1)
        assert (found["dimension"], found["degree"]) == (0, known.count)


ODD_NAMES = ["lambda", "pi", "λ", "ideal", "x_{11}", "i", "w"]


def test_symbolic_data_are_coefficients(ask: Callable[..., dict[str, Any]]) -> None:
    one = SymbolicLoss("weighted", target=[[1, 2], [3, "1/2"]], weights=[["a", 2], [5, 3]])
    found = ask(critical_equations(net(2, 1, 2), one, "chart"))
    assert (found["dimension"], found["degree"]) == (0, 6)
    odd = [sympy.Symbol(x) for x in ODD_NAMES]
    many = SymbolicLoss("squared", X=[odd[:3], odd[3:6]], Y=[[*odd[5:], 1]])
    assert ask(critical_equations(net(2, 1), many))["degree"] == 1


@pytest.mark.slow
def test_three_weights_as_coefficients(ask: Callable[..., dict[str, Any]]) -> None:
    loss = SymbolicLoss("weighted", target=[[1, 2], [3, "1/2"]], weights=[["a", "e"], ["w", 3]])
    found = ask(critical_equations(net(2, 1, 2), loss, "chart"))
    assert (found["dimension"], found["degree"]) == (0, 6)


@pytest.mark.parametrize(
    ("ask", "form"), both([("weights",), ("function_space",), ("chart",)], 1), indirect=["ask"]
)
def test_the_definitions_of_three_layers_of_width_three_are_accepted(
    form: tuple[str], ask: Callable[..., dict[str, Any]]
) -> None:
    network = net(3, 3, 3)
    rng = Random(1)
    data = [[[rng.randint(-9, 9) for _ in range(3)] for _ in range(3)] for _ in range(2)]
    symbols = [[f"y{i}{j}" for j in range(3)] for i in range(3)]
    named = SymbolicLoss("squared", X=data[0], Y=symbols)
    loss = named if form == ("weights",) else SquaredLoss(*data)
    eqs = critical_equations(network, loss, *form)
    assert ask(eqs, "ideal")["generators"] == len(eqs.polynomial_system.equations)


# --- msolve ---------------------------------------------------------------------------------------


def msolve(eqs: CriticalEquations, folder: Path) -> str:
    binary = find_msolve()
    if binary is None:
        pytest.skip("msolve is not installed")
    source, target = folder / "in.ms", folder / "out.ms"
    source.write_text(eqs.to_msolve(), encoding="ascii")
    done = subprocess.run(
        [binary, "-f", str(source), "-o", str(target), "-P", "2"],
        cwd=folder,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0
    return target.read_text()


@pytest.mark.parametrize("case", FINITE, ids=lambda c: c[0])
def test_msolve_finds_as_many(
    case: tuple[str, LinearNetwork, Loss, dict[str, Any], int], tmp_path: Path
) -> None:
    _, network, loss, options, count = case
    eqs = critical_equations(network, loss, **options)
    found = json.loads(msolve(eqs, tmp_path).strip().rstrip(":").replace("'", '"'))
    assert found[0] == 0
    assert found[1][2] == count  # the degree of the ideal
    assert set(map(str, eqs.variables)) <= set(found[1][3])


@pytest.mark.parametrize(("form", "rank", "count"), [("function_space", 3, 1), ("chart", 2, 3)])
def test_msolve_solves_width_three(form: str, rank: int, count: int, tmp_path: Path) -> None:
    """Full rank: the target; rank 2: the choices of two among three singular values."""
    eqs = critical_equations(net(3, 3, 3), squared(net(3, 3, 3), 3), form, rank)
    found = json.loads(msolve(eqs, tmp_path).strip().rstrip(":").replace("'", '"'))
    assert found[1][2] == count


def test_msolve_says_that_weights_are_not_finite(tmp_path: Path) -> None:
    found = msolve(critical_equations(net(2, 1, 2), FRONT), tmp_path)
    assert found.strip().startswith("[1, 4, -1")
    text = critical_equations(net(3, 3, 3), squared(net(3, 3, 3), 3), "chart").to_msolve()
    assert "(" not in text  # msolve skips parentheses without a word
    with pytest.raises(InputError, match="substitute numbers for a"):
        loss = SymbolicLoss("weighted", target=[["a", 0], [0, 1]], weights=[[1, 2], [3, 4]])
        critical_equations(net(2, 1, 2), loss).to_msolve()


# --- text that is read back ---------------------------------------------------------------------


def read_back(text: str) -> tuple[list[str], list[sympy.Expr]]:
    """The names and the equations in a Julia script."""
    body = text.split("equations = Expression[\n")[1].split("\n]\n")[0]
    lines = [line.strip().rstrip(",") for line in body.splitlines()]
    names = re.findall(r"[A-Za-z]\w*", " ".join(lines))
    known = {x: sympy.Symbol(x) for x in names}
    return names, [sympy.sympify(line.replace("^", "**"), locals=known) for line in lines]


def require_multiples(theirs: list[Any], eqs: CriticalEquations) -> None:
    """The equations up to positive integers, which clear denominators."""
    symbols = (*eqs.variables, *eqs.parameters)
    for x, y in zip(theirs, eqs.expand(), strict=True):
        found, known = (sympy.Poly(e, *symbols, domain="QQ") for e in (x, y))
        ratio = found.LC() / known.LC()
        assert ratio.is_Integer and ratio > 0
        assert found == known * ratio


EVERY: list[tuple[LinearNetwork, Any, dict[str, Any]]] = [
    (net(2, 1, 2), FRONT, {}),
    (net(3, 3, 3), squared(net(3, 3, 3), 4), {}),
    (net(2, 1, 2), GENERIC_22, {"form": "function_space"}),
    (net(2, 1, 2), GENERIC_22, {"form": "function_space", "multipliers": "kernel"}),
    (net(3, 1, 2), GENERIC_23, {"form": "chart"}),
    (net(2, 1, 2), LikelihoodLoss([[1, 2], [3, 4]]), {"form": "chart"}),
    (net(1, 2, 1), SymbolicLoss("squared", X=[["x1", "x2"]], Y=[["y1", "y2"]]), {}),
]


@pytest.mark.parametrize(("network", "loss", "options"), EVERY)
def test_julia_declares_every_name_and_says_the_same(
    network: LinearNetwork, loss: Any, options: dict[str, Any]
) -> None:
    eqs = critical_equations(network, loss, **options)
    text = eqs.to_julia()
    code = "\n".join(line.split("#")[0] for line in text.splitlines())
    for left, right in ("()", "[]"):
        assert code.count(left) == code.count(right)
    declared = {x for line in re.findall(r"^@var (.*)$", code, re.MULTILINE) for x in line.split()}
    names, equations = read_back(text)
    assert set(names) <= declared == {s.name for s in (*eqs.variables, *eqs.parameters)}
    require_multiples(equations, eqs)
    for word in ("System(", "solve(" if eqs.form != "weights" else "numerical_irreducible"):
        assert word in code


@pytest.mark.parametrize(("network", "loss", "options"), EVERY)
def test_the_python_script_runs_and_says_the_same(
    network: LinearNetwork, loss: Any, options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    eqs = critical_equations(network, loss, **options)
    space: dict[str, Any] = {}
    exec(compile(eqs.to_sympy(), "script", "exec"), space)
    assert capsys.readouterr().out == f"generators {len(eqs.polynomial_system.equations)}\n"
    assert tuple(space["unknowns"]) == eqs.variables
    require_multiples(space["equations"], eqs)


def test_the_python_script_counts(capsys: pytest.CaptureFixture[str]) -> None:
    for form, count in (("chart", 5), ("function_space", 6)):
        exec(
            compile(critical_equations(net(2, 1, 2), FRONT, form).to_sympy("degree"), "s", "exec"),
            {},
        )
        assert capsys.readouterr().out.endswith(f"dimension 0\ndegree {count}\n")
    exec(
        compile(
            critical_equations(net(1, 1, 1), PowerLoss([[1]], 2)).to_sympy("degree"), "s", "exec"
        ),
        {},
    )
    assert capsys.readouterr().out.endswith("dimension positive\n")


def test_analytic_equations_go_to_sympy_and_nowhere_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    loss = LogisticLoss([[1, 0], [0, 1]], [[3, 6], [6, 5]], [[2, 3], [3, 3]])
    eqs = critical_equations(net(2, 1, 2), loss)
    space: dict[str, Any] = {}
    exec(compile(eqs.to_sympy(), "script", "exec"), space)
    capsys.readouterr()
    assert tuple(space["equations"]) == eqs.equations
    for system in ("macaulay2", "singular", "msolve", "julia"):
        with pytest.raises(InputError, match="needs polynomials"):
            eqs.export(system)


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", list(DIALECTS))
def test_names_stay_different_and_plain(system: str) -> None:
    given = [
        "w1_1_2",
        "w11_2",
        "w1_12",
        "x",
        "x0",
        "x_0",
        "λ",
        "lambda",
        "α_1",
        "a1",
        "{}",
        "p",
        "β'",
    ]
    names = identifiers(given, DIALECTS[system])
    assert len(set(names)) == len(given)
    assert all(x.isascii() and x[0].isalpha() for x in names)
    if system != "macaulay2":
        assert all(x.isidentifier() for x in names)


def test_a_condition_that_never_holds_leaves_nothing(ask: Callable[..., dict[str, Any]]) -> None:
    """With W_2 = 0 no end-to-end matrix has rank 1."""
    eqs = critical_equations(net(2, 1, 2), FRONT, rank=1, weights=[None, [[0], [0]]])
    assert ask(eqs)["dimension"] == -1


def test_unknown_systems_and_tasks() -> None:
    eqs = critical_equations(net(2, 1, 2), FRONT)
    with pytest.raises(InputError, match="'maple' is no known system"):
        eqs.export("maple")
    with pytest.raises(InputError, match="task is 'all'"):
        eqs.to_singular("all")


# --- the command line ----------------------------------------------------------------------------

PROBLEM = {"network": [2, 1, 2], "loss": FRONT.to_json()}


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("text", "Critical equations of the weighted loss on 2-1-2"),
        ("latex", "$$"),
        ("macaulay2", "-- Critical"),
        ("singular", "// Critical"),
        ("msolve", "a2_1,b1_1,b1_2"),
        ("julia", "# Critical"),
        ("sympy", "# Critical"),
    ],
)
def test_the_command_writes_every_format(run: Any, name: str, begins: str) -> None:
    words = ("equations", "-", "--form", "chart", "--format", name)
    code, out, err = run(*words, stdin=json.dumps(PROBLEM))
    assert (code, err) == (0, "")
    assert out.startswith(begins)
    code, out, err = run(*words, "--json", stdin=json.dumps(PROBLEM))
    data = json.loads(out)
    assert (code, err, data["format"]) == (0, "", name)
    assert data["text"].startswith(begins)
    eqs = critical_equations(net(2, 1, 2), FRONT, "chart")
    assert data["equations"] == [str(x) for x in eqs.equations]


def test_the_command_takes_names_ranks_and_multipliers(run: Any) -> None:
    named = {**PROBLEM, "loss": {**PROBLEM["loss"], "target": [["a", 0], [0, "b"]]}}  # type: ignore[dict-item]
    code, out, _ = run("equations", "-", stdin=json.dumps(named))
    assert code == 0
    assert "parameters: a, b" in out
    code, out, _ = run("equations", "-", "--rank", "0", stdin=json.dumps(PROBLEM))
    assert code == 0 and "rank 0" in out
    words = ("--form", "function-space", "--multipliers", "kernel")
    code, out, _ = run("equations", "-", *words, stdin=json.dumps(PROBLEM))
    assert code == 0 and "L·W = 0" in out
    code, out, _ = run("equations", "--help")
    assert code == 0 and "Example:" in out


@pytest.mark.parametrize(
    ("words", "problem", "message"),
    [
        (("--format", "maple"), PROBLEM, "maple"),
        (("--task", "degree"), PROBLEM, "--task has no meaning"),
        (("--form", "chart", "--rank", "2"), PROBLEM, "rank is 2"),
        (("--multipliers", "kernel"), PROBLEM, "function_space"),
        ((), {**PROBLEM, "network": [2, 1, 3]}, "2"),
        ((), [], "the problem is a list"),
        ((), {**PROBLEM, "losses": 1}, "losses"),
        (
            (),
            {"network": [1, 1], "loss": {"type": "squared", "X": [["x"]], "Y": [[1, 2]]}},
            "Y is 1×2",
        ),
        (
            ("--format", "msolve"),
            {"network": [1, 1], "loss": {"type": "squared", "X": [["x"]], "Y": [[1]]}},
            "substitute numbers for x",
        ),
        (
            ("--format", "julia"),
            {"network": [1, 1], "loss": {"type": "log_cosh", "X": [[1]], "Y": [[1]]}},
            "needs polynomials",
        ),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(
    run: Any, words: tuple[str, ...], problem: Any, message: str
) -> None:
    code, out, err = run("equations", "-", *words, stdin=json.dumps(problem))
    assert (code, out) == (2, "")
    assert err.startswith("detvar: ") and err.count("\n") == 1
    assert message in err


@pytest.mark.skipif(not os.environ.get("DETVAR_JULIA"), reason="DETVAR_JULIA names no Julia")
def test_julia_runs_the_script(tmp_path: Path) -> None:
    script = tmp_path / "script.jl"
    script.write_text(critical_equations(net(2, 1, 2), GENERIC_22, "chart").to_julia())
    done = subprocess.run(
        [os.environ["DETVAR_JULIA"], str(script)],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert "degree 6" in done.stdout
