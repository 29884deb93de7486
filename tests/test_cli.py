"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_door import POWER, SQUARED, WEIGHTED, with_field

from detvar.exact.rational import rational
from detvar.show.examples import example_data, load_example

ROOT = Path(__file__).resolve().parent.parent
Run = Callable[..., tuple[int, str, str]]


def one_object(out: str) -> dict[str, Any]:
    assert out.count("\n") == 1
    data = json.loads(out)
    assert isinstance(data, dict)
    return data


def complains(answer: tuple[int, str, str], *words: str, code: int = 2) -> None:
    """Assert that a command printed nothing but one sentence with these words in it."""
    got, out, err = answer
    assert (got, out) == (code, "")
    assert err.startswith("detvar: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert "Traceback" not in err
    for word in words:
        assert word in err


# --- info and variety ---------------------------------------------------------------------------


def test_info(run: Run) -> None:
    code, out, err = run("info", "3-2-3")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "linear network 3-2-3, input first"
    assert "no: the end-to-end maps are the 3×3 matrices of rank ≤ 2" in out


def test_info_as_data(run: Run) -> None:
    code, out, _ = run("info", "2-2-2", "--json")
    data = one_object(out)
    assert code == 0
    assert data["network"] == [2, 2, 2]
    assert (data["rank_bound"], data["filling"], data["weight_count"]) == (2, True, 8)
    # {W_2 W_1 = 0} for 2×2 matrices: dim 5 where both have rank 1, 4 where one of them is 0;
    # {W_2 W_1 = I} is GL_2, with two components over R
    zero, _, full = data["fibers"]
    assert zero["component_dimensions"] == [5, 4, 4]
    assert (full["dimension"], full["connected_components"]) == (4, 2)
    # all 2×2 matrices: a linear space
    assert data["function_space"]["degree"] == data["function_space"]["generic_ed_degree"] == 1


def test_variety(run: Run) -> None:
    # degree C(4,2)C(5,2)/(C(2,2)C(3,2)) = 20; generic ED degree 1350 (Ottaviani, Spaenlehauer,
    # Sturmfels 2014); ML degree 191 (Hauenstein, Rodriguez, Sturmfels 2014)
    code, out, err = run("variety", "4x4", "--rank", "2")
    assert (code, err) == (0, "")
    for word in ("20", "1350", "191", "δ7=286", "Hilbert"):
        assert word in out
    data = one_object(run("variety", "4×4", "--rank", "2", "--json")[1])
    assert (data["dimension"], data["codimension"], data["degree"]) == (12, 4, 20)
    assert data["generic_ed_degree"] == sum(data["polar_degrees"].values()) == 1350
    assert data["ml_degree"]["value"] == 191
    assert [s["multiplicity"] for s in data["strata"]] == [20, 6, 1]
    assert sum(data["hilbert_series"]["numerator"]) == 20


@pytest.mark.parametrize("words", [("1x1", "0"), ("1x1", "1"), ("3x5", "0"), ("3x5", "3")])
def test_variety_at_the_edges(run: Run, words: tuple[str, str]) -> None:
    code, out, _ = run("variety", words[0], "--rank", words[1], "--json")
    assert code == 0
    data = one_object(out)
    assert (data["degree"], data["singular_locus_rank"]) == (1, None)
    assert run("variety", words[0], "--rank", words[1])[0] == 0


@pytest.mark.parametrize(
    "words",
    [
        ("variety", "1000000x1000000", "--rank", "5000"),
        ("variety", "60x60", "--rank", "30"),
        ("info", "1000000-3-1000000"),
        ("info", "-".join(["7"] * 300)),
        ("info", "200-200-200"),
    ],
)
def test_large_cases_answer_soon_and_say_what_is_left_out(run: Run, words: tuple[str, ...]) -> None:
    start = time.perf_counter()
    code, out, _ = run(*words)
    assert code == 0
    assert time.perf_counter() - start < 10
    assert "not computed" in out or "?" in out or "left out" in out
    assert one_object(run(*words, "--json")[1])


# --- classify -----------------------------------------------------------------------------------


def test_classify_from_file_and_from_standard_input(run: Run, tmp_path: Path) -> None:
    # the weighted example diag(1, 1/2) with weights 1, 3: diag(0, 1/2) is a strict local minimum
    # that is not global (value 1/2; diag(1, 0) has value 1/8); W_1 = (0, 1/2), W_2 = (0, 1)^T
    problem = {**WEIGHTED, "weights": [[[0, "1/2"]], [[0], [1]]]}
    path = tmp_path / "p.json"
    path.write_text(json.dumps(problem), encoding="utf-8")
    code, out, err = run("classify", str(path))
    assert (code, err) == (0, "")
    assert "local minimum" in out
    data = one_object(run("classify", "-", "--json", stdin=json.dumps(problem))[1])
    assert (data["nature"], data["kind"], data["value"]) == ("local_minimum", "pure", "1/2")
    assert data["hessian_inertia"] == [3, 0, 1]
    assert (data["critical"], data["rank"], data["rank_bound"]) == (True, 1, 1)


def test_classify_says_when_it_is_undecided(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import detvar.classify

    class Undecided:
        nature = "undecided"

        def to_json(self) -> dict[str, Any]:
            return {"nature": self.nature}

    monkeypatch.setattr(detvar.classify, "classify", lambda *_: Undecided())
    code, out, _ = run("classify", "-", "--json", stdin=json.dumps(SQUARED))
    assert (code, one_object(out)) == (3, {"nature": "undecided"})


def test_classify_needs_weights(run: Run) -> None:
    complains(run("classify", "-", stdin=json.dumps(POWER)), '"weights" is missing')


# --- solve --------------------------------------------------------------------------------------


def test_the_example_is_the_measured_data() -> None:
    # first and last man and the sums, from the table in Tenenhaus (1998) as in scikit-learn:
    # tail +2 linnerud_exercise.csv | awk '{a+=$1;b+=$2;c+=$3} END {print a,b,c}', and likewise
    data = example_data("linnerud")
    x, y = data["X"], data["Y"]
    assert [len(row) for row in x + y] == [20] * 6
    assert [row[0] for row in x + y] == [5, 162, 60, 191, 36, 50]
    assert [row[-1] for row in x + y] == [2, 110, 43, 138, 33, 68]
    assert [sum(row) for row in x] == [189, 2911, 1406]
    assert [sum(row) for row in y] == [3572, 708, 1122]


def test_the_example_is_centred_exactly() -> None:
    loss: Any = load_example("linnerud").loss
    for a in (loss.X, loss.Y):
        assert [sum(row, rational(0)) for row in a.tolist()] == [0, 0, 0]
    assert loss.X[0, 0] == rational("5") - rational("189/20")


def test_solve_example(run: Run, tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    code, out, err = run("solve", "--example", "linnerud", "--output", str(result))
    assert code == 0, err
    assert out.strip()
    assert err.startswith("detvar: written to ")
    saved = json.loads(result.read_text(encoding="utf-8"))
    assert saved["kind_of_result"] == "critical_locus"
    code, checked, err = run("check", str(result))
    assert (code, err) == (0, "")
    assert checked.startswith("checked: it holds")

    # the same by floating-point singular values of Y projected on the rows of X (Eckart, Young
    # 1936): the best value is half of what the two largest leave of |Y|²
    import numpy as np

    data = example_data("linnerud")
    x, y = (np.array(data[k], dtype=float) for k in ("X", "Y"))
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    sigma = np.linalg.svd(y @ np.linalg.pinv(x) @ x, compute_uv=False)
    best = (np.sum(y**2) - np.sum(sigma[:2] ** 2)) / 2
    for number in (*sigma[:3], best):
        assert f"{number:.10g}"[:9] in out


def test_solve_example_with_other_widths(run: Run) -> None:
    code, out, _ = run("solve", "--example", "linnerud", "--network", "3-1-3", "--json")
    assert code == 0
    assert one_object(out)["kind_of_result"] == "critical_locus"


def test_solve_a_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    loss = {"type": "squared", "X": [[1, 0], [0, 1]], "Y": [[2, 0], [0, 1]]}
    path.write_text(json.dumps({"network": [2, 1, 2], "loss": loss}), encoding="utf-8")
    code, out, _ = run("solve", str(path), "--json")
    assert code == 0
    assert one_object(out)["kind_of_result"] == "critical_locus"
    assert run("solve", str(path), "--network", "2-2-2")[0] == 0
    complains(run("solve", str(path), "--network", "3-2-2"), "loss.X", "d_0 = 3")
    complains(run("solve", str(path), "--output", str(path)), "problem file itself")
    assert json.loads(path.read_text(encoding="utf-8"))["network"] == [2, 1, 2]


def test_solve_complains(run: Run, tmp_path: Path) -> None:
    complains(run("solve", "--example", "nosuch"), "nosuch", "linnerud")
    complains(run("solve", "--example", "linnerud", "--network", "2-2-3"), "begin with 3", "2-2-3")
    complains(run("solve", "--example", "linnerud", "--network", "3-2"), "end with 3")
    complains(run("solve", "--example", "linnerud", "--network", "3,2,3"), "3-2-3")
    complains(run("solve"), "--example", "detvar solve --help")
    complains(run("solve", "a.json", "--example", "linnerud"), "--example")
    for output, word in [
        (str(tmp_path), "is a folder"),
        (str(tmp_path / "no" / "r.json"), "does not exist"),
        ("-", "not the name of a file"),
        ("", "not the name of a file"),
    ]:
        complains(run("solve", "--example", "linnerud", "--output", output), word)


def test_a_result_that_fails_its_check_is_refuted(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import detvar.critical

    class Report:
        ok = False
        lines = ("component 3 is not critical",)

    class Locus:
        def check(self) -> Report:
            return Report()

        def to_json(self) -> dict[str, Any]:
            return {"kind_of_result": "critical_locus"}

    monkeypatch.setattr(detvar.critical, "critical_locus", lambda *_: Locus())
    code, out, _ = run("solve", "--example", "linnerud")
    assert code == 1
    assert "FAILED" in out
    assert "component 3" in out


# --- check --------------------------------------------------------------------------------------


@pytest.fixture
def saved(run: Run) -> dict[str, Any]:
    problem = {**WEIGHTED, "weights": [[[0, "1/2"]], [[0], [1]]]}
    return one_object(run("classify", "-", "--json", stdin=json.dumps(problem))[1])


def test_check_a_classification(run: Run, saved: dict[str, Any]) -> None:
    code, out, _ = run("check", "-", stdin=json.dumps(saved))
    assert code == 0, out
    data = one_object(run("check", "-", "--json", stdin=json.dumps(saved))[1])
    assert (data["answer"], data["checked"]) == (True, "classification")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "spurious"),
        ("value", "1/3"),
        ("rank", 0),
        ("rank_bound", 2),
        ("filling", True),
        ("critical", False),
        ("differential_rank", 2),
        ("hessian_inertia", [4, 0, 0]),
        ("function_space_inertia", [2, 1, 0]),
        ("gradient", [["0", "0"], ["0", "0"]]),
        ("tightened", False),
        ("reason", "because"),
        ("extra", 1),
    ],
)
def test_check_refuses_a_changed_field(
    run: Run, saved: dict[str, Any], field: str, value: Any
) -> None:
    code, out, _ = run("check", "-", stdin=json.dumps({**saved, field: value}))
    assert code == 1
    assert out.startswith("REFUTED")
    assert f'"{field}"' in out


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["claim"], "global_minimum"),
        (["evidence"], {}),
        (["claim"], "strict_saddle"),
        (["weights", 0, 0, 1], "1/3"),
        (["loss", "target", 0, 0], "2"),
        (["loss", "weights", 0, 1], "1/2"),
    ],
)
def test_check_refuses_a_changed_certificate(
    run: Run, saved: dict[str, Any], path: list[Any], value: Any
) -> None:
    changed = with_field(saved, ["certificate", *path], value)
    assert run("check", "-", stdin=json.dumps(changed))[0] == 1


@pytest.mark.parametrize("nature", ["global_minimum", "strict_saddle", "degenerate", "undecided"])
def test_check_refuses_another_label(run: Run, saved: dict[str, Any], nature: str) -> None:
    assert run("check", "-", stdin=json.dumps({**saved, "nature": nature}))[0] == 1
    changed = with_field({**saved, "nature": nature}, ["certificate", "claim"], nature)
    assert run("check", "-", stdin=json.dumps(changed))[0] == 1


def test_check_refuses_what_is_no_result(run: Run, saved: dict[str, Any]) -> None:
    complains(run("check", "-", stdin="[]"), "no saved result")
    complains(run("check", "-", stdin=json.dumps(SQUARED)), "no saved result")
    complains(run("check", "-", stdin='{"kind_of_result": []}'), "kind_of_result")
    complains(run("check", "-", stdin='{"kind_of_result": "classification"}'), "certificate")
    for key, value in [("certificate", 3), ("certificate", {})]:
        complains(run("check", "-", stdin=json.dumps({**saved, key: value})), "certificate")
    for key in ("network", "loss", "weights", "evidence", "claim"):
        bad = with_field(saved, ["certificate", key], None)
        code, out, err = run("check", "-", stdin=json.dumps(bad))
        assert code in (1, 2), key
        assert "Traceback" not in out + err
        assert "defect" not in err


def test_check_of_a_bare_locus_is_one_sentence(run: Run) -> None:
    code, out, err = run("check", "-", stdin='{"kind_of_result": "critical_locus"}')
    assert code in (1, 2)
    assert "Traceback" not in out + err
    assert "defect" not in err
