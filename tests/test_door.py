"""The door: whatever stands in a file, there is a problem or one clear sentence, never a crash."""

from __future__ import annotations

import copy
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detvar.errors import DetvarError, InputError, NotExactError, ShapeError
from detvar.exact import strict_json
from detvar.exact.matrices import to_text_rows
from detvar.exact.rational import rational
from detvar.networks.problem import Problem, parse_problem, problem_from_json, read_problem

TWO = [[1, 0], [0, "1/2"]]
SQUARED: dict[str, Any] = {
    "network": [2, 1, 2],
    "loss": {"type": "squared", "X": [[1, 0, 3], [0, 1, -1]], "Y": [[1, 0, "2/3"], [0, "0.5", 7]]},
    "weights": [[[1, 0]], [["1/3"], [0]]],
}
WEIGHTED: dict[str, Any] = {
    "network": [2, 1, 2],
    "loss": {"type": "weighted", "target": TWO, "weights": [[1, 3], [3, 1]]},
    "weights": [[[1, 0]], [[1], [0]]],
}
QUADRATIC: dict[str, Any] = {
    "network": [1, 2],
    "loss": {"type": "quadratic", "target": [[1], [2]], "form": [[2, 1], [1, 2]]},
}
POWER: dict[str, Any] = {
    "network": [2, 3, 2],
    "loss": {"type": "power", "target": TWO, "exponent": 4},
}
PROBLEMS = [SQUARED, WEIGHTED, QUADRATIC, POWER]


def with_field(problem: dict[str, Any], path: list[Any], value: Any) -> dict[str, Any]:
    out = copy.deepcopy(problem)
    place: Any = out
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return out


# --- what is read is what was written -----------------------------------------------------------


@pytest.mark.parametrize("problem", PROBLEMS)
def test_round_trip(problem: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(problem), encoding="utf-8")
    first = read_problem(path)
    again = Problem.from_json(json.loads(json.dumps(first.to_json())))
    assert again.to_json() == first.to_json()
    assert list(first.network.widths) == problem["network"]
    if "weights" in problem:
        assert first.weights is not None
        want = [[[str(rational(x)) for x in row] for row in w] for w in problem["weights"]]
        assert [to_text_rows(w) for w in first.weights] == want


def test_three_ways_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(SQUARED)
    (tmp_path / "p.json").write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    from_path, from_text, from_stdin = (
        read_problem(source) for source in (str(tmp_path / "p.json"), text, "-")
    )
    assert from_path.to_json() == from_text.to_json() == from_stdin.to_json()


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(POWER).encode())
    assert read_problem(tmp_path / "p.json").network.widths == (2, 3, 2)


def test_integers_of_any_length_are_exact() -> None:
    digits = "7" * 30_000
    text = json.dumps(WEIGHTED).replace("[[[1, 0]]", f"[[[{digits}, 0]]")
    problem = parse_problem(text)
    assert problem.weights is not None
    assert problem.weights[0][0, 0] == rational(digits)


# --- every bad input has its sentence -----------------------------------------------------------

# (what is wrong, the text, the error, words the sentence must contain)
BAD_TEXTS: list[tuple[str, str, type[DetvarError], list[str]]] = [
    ("empty", "  \n", InputError, ["empty", '"network"']),
    ("syntax", '{"network": [2, 1, 2],\n "loss": }', InputError, ["line 2", "column 10"]),
    ("fraction", '{"network": [1/2, 2]}', InputError, ["line 1", 'such as "1/2"']),
    ("two values", "{} {}", InputError, ["line 1", "column 4"]),
    ("truncated", '{"network": [2, 1', InputError, ["line 1"]),
    ("NaN", '{"network": [2, 2], "loss": {"type": "power", "target": [[NaN]]}}',
     NotExactError, ["loss.target[0][0]", "NaN", '"1/3"']),
    ("Infinity", '{"network": [2, 2], "loss": {"a": [-Infinity]}}',
     NotExactError, ["loss.a[0]", "-Infinity"]),
    ("decimal", '{"network": [1, 1], "loss": {"type": "power", "target": [[0.5]], "exponent": 2}}',
     NotExactError, ["loss.target[0][0]", "0.5", '"0.5" in quotes', '"1/2"']),
    ("decimal width", '{"network": [2.0, 1], "loss": {}}',
     NotExactError, ["network[0]", "2.0", "whole number"]),
    ("decimal exponent", '{"network": [1, 1], "loss": {"type": "power", "exponent": 4.0}}',
     NotExactError, ["loss.exponent", "4.0", "whole number"]),
    ("big decimal", '{"network": [1, 1], "loss": {"x": 1e999999999}}',
     NotExactError, ["loss.x", "1e999999999"]),
    ("same key twice", '{"network": [1, 1], "network": [2, 2]}', InputError,
     ['"network"', "twice"]),
    ("deep", '{"network":' + "[" * 500 + "]" * 500 + "}", InputError, ["nested deeper"]),
    ("very deep", "[" * 200_000, InputError, ["nested deeper"]),
    ("list", "[1, 2]", InputError, ["is a list", '{"network"']),
    ("number", "3", InputError, ["is a number"]),
    ("text", '"hello"', InputError, ["is a text"]),
    ("null", "null", InputError, ["is null"]),
    ("no network", '{"loss": {}}', InputError, ['"network" is missing', "[2, 1, 2]"]),
    ("no loss", '{"network": [2, 2]}', InputError, ['"loss" is missing', '"squared"']),
    ("unknown field", '{"network": [2, 2], "loss": {}, "wieghts": []}',
     InputError, ['"wieghts"', 'write "weights"']),
    ("unknown field far off", '{"foo": 1}', InputError, ['"foo"', "network, loss and weights"]),
    ("a field that does not print", '{"a\\n\\ud800\\u0000": 1}', InputError, ["a \\ud800\\x00"]),
]  # fmt: skip

LONG = strict_json.LongInteger("9" * 5000)
BAD_FIELDS: list[tuple[list[Any], Any, type[DetvarError], list[str]]] = [
    (["network"], [], ShapeError, ["network", "0 widths", "[2, 2]"]),
    (["network"], [2], ShapeError, ["network", "1 width", "[2, 2]"]),
    (["network"], "2-1-2", InputError, ["network is a text", "[2, 1, 2]"]),
    (["network"], None, InputError, ["network is null"]),
    (["network"], {"widths": [2, 1, 2]}, InputError, ["network is an object"]),
    (["network", 1], 0, ShapeError, ["network[1] is 0", "from 1 on"]),
    (["network", 1], -3, ShapeError, ["network[1] is -3", "from 1 on"]),
    (["network", 1], True, ShapeError, ["network[1] is true", "from 1 on"]),
    (["network", 1], "2", ShapeError, ["network[1] is a text", "from 1 on"]),
    (["network", 1], [2], ShapeError, ["network[1] is a list", "from 1 on"]),
    (["network", 1], None, ShapeError, ["network[1] is null", "from 1 on"]),
    (["network", 1], 10**12, ShapeError, ["network[1] is too large", "1000000"]),
    (["network", 1], -(10**3000), ShapeError, ["network[1] is a number", "from 1 on"]),
    (["network", 1], LONG, ShapeError, ["network[1] is too large", "1000000"]),
    (["network"], [2] * 5000, ShapeError, ["5000 widths", "at most 1000"]),
    (["weights"], {}, InputError, ["weights is an object", "2 matrices"]),
    (["weights"], [], ShapeError, ["weights has 0 matrices", "2 layers", "W_1 first"]),
    (["weights"], [[[1, 0]]], ShapeError, ["weights has 1 matrices", "2 layers"]),
    (["weights"], [[[1, 0]], [[1, 0]]], ShapeError, ["weights[1]", "1×2", "d_2×d_1 = 2×1"]),
    (["weights"], [[[1], [0]], [[1], [0]]], ShapeError, ["weights[0]", "2×1", "d_1×d_0 = 1×2"]),
    (["weights", 0], 1, InputError, ["weights[0]", "[[1, 0]]"]),
    (["weights", 0], [1, 0], InputError, ["weights[0]", "[[1, 0]]"]),
    (["weights", 0], [], ShapeError, ["weights[0]", "empty"]),
    (["weights", 0], [[]], ShapeError, ["weights[0]", "empty"]),
    (["weights", 1], [[1], [0, 0]], ShapeError, ["weights[1]", "ragged"]),
    (["weights", 1, 0, 0], True, NotExactError, ["weights[1][0][0]", "boolean"]),
    (["weights", 1, 0, 0], None, NotExactError, ["weights[1][0][0]", "None"]),
    (["weights", 1, 0, 0], "one", NotExactError, ["weights[1][0][0]", '"one"']),
    (["weights", 1, 0, 0], "1/0", NotExactError, ["weights[1][0][0]", "zero"]),
    (["weights", 1, 0, 0], [1], NotExactError, ["weights[1][0][0]", "not a number"]),
    (["loss"], [], InputError, ["loss is a list", '"squared"']),
    (["loss"], None, InputError, ["loss is null"]),
    (["loss"], {}, InputError, ["loss", '"type"']),
    (["loss", "type"], "sqared", InputError,
     ["sqared", "squared", "weighted", "quadratic", "power"]),
    (["loss", "type"], 3, InputError, ["loss.type", "squared"]),
    (["loss", "type"], [], InputError, ["loss.type", "squared"]),
    (["loss", "Z"], [[1]], InputError, ["loss", "Z", "X, Y"]),
    (["loss", "X"], [[1, 0, 3]], ShapeError, ["loss.X has 1 rows", "d_0 = 2"]),
    (["loss", "Y"], [[1, 0, 3]], ShapeError, ["loss.Y has 1 rows", "d_h = 2"]),
    (["loss", "Y"], [[1, 0], [0, 1]], ShapeError, ["X", "Y", "3", "2"]),
    (["loss", "X"], [], ShapeError, ["X", "empty"]),
    (["loss", "X"], "1 0 0 1", ShapeError, ["X", "list of rows"]),
    (["loss", "X", 0], "10", ShapeError, ["X", "row 0"]),
    (["loss", "X", 0, 0], "x", NotExactError, ["X[0][0]", '"x"']),
]  # fmt: skip
BAD_LOSSES: list[tuple[dict[str, Any], list[Any], Any, type[DetvarError], list[str]]] = [
    (POWER, ["loss", "exponent"], 3, InputError, ["exponent is 3", "even"]),
    (POWER, ["loss", "exponent"], -2, InputError, ["exponent is -2", "even"]),
    (POWER, ["loss", "exponent"], 10**9, InputError, ["exponent is 1000000000", "even"]),
    (POWER, ["loss", "exponent"], LONG, InputError, ["exponent", "even"]),
    (POWER, ["loss", "exponent"], "4", InputError, ["exponent", "even"]),
    (POWER, ["loss", "target"], [[1, 2]], ShapeError, ["loss.target", "1×2", "2×2"]),
    (WEIGHTED, ["loss", "weights"], [[1, 3]], ShapeError, ["weights", "2×2"]),
    (WEIGHTED, ["loss", "target"], [[1]], ShapeError, ["weights", "1×1"]),
    (QUADRATIC, ["loss", "form"], [[1]], ShapeError, ["form", "2×2"]),
    (QUADRATIC, ["loss", "form"], [[1, 2], [0, 1]], DetvarError, ["form", "symmetric"]),
]


def one_sentence(message: str) -> bool:
    return "\n" not in message and message.isprintable() and 20 < len(message) < 600


@pytest.mark.parametrize(
    ("text", "error", "words"), [case[1:] for case in BAD_TEXTS], ids=[c[0] for c in BAD_TEXTS]
)
def test_bad_text(text: str, error: type[DetvarError], words: list[str]) -> None:
    with pytest.raises(error) as caught:
        parse_problem(text)
    message = str(caught.value)
    assert one_sentence(message), message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("problem", "path", "value", "error", "words"),
    [(SQUARED, *case) for case in BAD_FIELDS] + BAD_LOSSES,
)
def test_bad_field(
    problem: dict[str, Any], path: list[Any], value: Any, error: type[DetvarError], words: list[str]
) -> None:
    with pytest.raises(error) as caught:
        problem_from_json(with_field(problem, path, value), need_weights="weights" in problem)
    message = str(caught.value)
    assert one_sentence(message), message
    for word in words:
        assert word in message, message


def test_weights_can_be_required() -> None:
    with pytest.raises(InputError, match="weights"):
        problem_from_json(POWER, need_weights=True)
    with pytest.raises(InputError, match="weights is null"):
        problem_from_json({**POWER, "weights": None}, need_weights=True)
    assert problem_from_json({**POWER, "weights": None}).weights is None


# --- files --------------------------------------------------------------------------------------


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.json").write_bytes(b'{"network": "\xff\xfe"}')
    (tmp_path / "utf16.json").write_bytes(json.dumps(POWER).encode("utf-16"))
    for name, word in [
        ("missing.json", "there is no file"),
        ("missing/nothing.json", "there is no file"),
        ("binary.json", "not UTF-8"),
        ("utf16.json", "not UTF-8"),
        (".", "is a folder"),
        ("binary.json/x", "cannot be read"),
        ("a\0b", "cannot be read"),
        ("n" * 5000, "cannot be read"),
    ]:
        with pytest.raises(InputError, match=word) as caught:
            read_problem(str(tmp_path / name))
        assert one_sentence(str(caught.value)), str(caught.value)


def test_a_large_file_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    start = time.perf_counter()
    with pytest.raises(InputError, match="100 MB.*20 MB"):
        read_problem(path)
    assert time.perf_counter() - start < 0.5


def test_standard_input_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            buffer[:] = b" " * len(buffer)
            self.given += len(buffer)
            return len(buffer)

    endless = Endless()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(endless)))
    with pytest.raises(InputError, match="standard input.*20 MB"):
        read_problem("-")
    assert endless.given < 2 * strict_json.SIZE_LIMIT


def test_results_may_hold_decimals_but_no_nan() -> None:
    assert strict_json.parse_json('{"seconds": 0.25}', floats=True) == {"seconds": 0.25}
    with pytest.raises(NotExactError, match="seconds is NaN"):
        strict_json.parse_json('{"seconds": NaN}', floats=True)


# --- any input at all ---------------------------------------------------------------------------

SMALL = st.sampled_from([0, 1, 2, 3, -1, 10**30, -(10**3000), True, None, "", "1/2", "x", "1e9999"])
JSON = st.recursive(
    SMALL | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["network", "loss", "weights", "type", "X", "target"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def places(x: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    if isinstance(x, dict):
        for key, value in x.items():
            found += places(value, (*path, key))
    elif isinstance(x, list):
        for i, value in enumerate(x):
            found += places(value, (*path, i))
    return found


@st.composite
def changed_problems(draw: st.DrawFn) -> Any:
    """A good problem with one to three fields replaced, removed, repeated or renamed."""
    problem: Any = copy.deepcopy(draw(st.sampled_from(PROBLEMS)))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(problem)))
        if not path:
            continue
        parent = problem
        for step in path[:-1]:
            parent = parent[step]
        action = draw(st.sampled_from(["replace", "replace", "remove", "repeat", "rename"]))
        if action == "replace":
            parent[path[-1]] = draw(SMALL | JSON)
        elif action == "remove":
            del parent[path[-1]]
        elif action == "repeat" and isinstance(parent, list):
            parent.insert(path[-1], copy.deepcopy(parent[path[-1]]))
        elif isinstance(parent, dict):
            parent[draw(st.text(max_size=4))] = parent.pop(path[-1])
    return problem


def survives(text: str) -> bool:
    """Whether the text is a problem; if not, it was refused as it should be."""
    try:
        problem = parse_problem(text)
    except DetvarError as e:
        assert str(e)
        return False
    assert Problem.from_json(problem.to_json()).to_json() == problem.to_json()
    return True


FUZZ = settings(
    derandomize=True,
    deadline=None,
    max_examples=1000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@FUZZ
@given(changed_problems())
def test_fuzz_changed_problems(problem: Any) -> None:
    survives(json.dumps(problem))


@settings(FUZZ, max_examples=500)
@given(JSON)
def test_fuzz_any_json(value: Any) -> None:
    survives(json.dumps(value))


@settings(FUZZ, max_examples=500)
@given(
    st.binary(max_size=60)
    | st.text(alphabet='{}[]":,.0123456789eE+-/ NaInftyrueslo\\networkX', max_size=60).map(
        str.encode
    )
    | st.builds(
        lambda data, cut, extra: data[:cut] + extra + data[cut:],
        st.sampled_from([json.dumps(p).encode() for p in PROBLEMS]),
        st.integers(0, 200),
        st.binary(max_size=3),
    )
)
def test_fuzz_any_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_bytes(data)
    try:
        problem = read_problem(path)
    except DetvarError as e:
        assert str(e)
    else:
        assert problem.network.depth >= 1


@pytest.fixture(scope="module")
def saved_results() -> list[Any]:
    import detvar

    loss = {"type": "squared", "X": [[1, 0], [0, 1]], "Y": [[2, 0], [0, 1]]}
    points = [
        {**WEIGHTED, "weights": [[[0, "1/2"]], [[0], [1]]]},
        {"network": [2, 2, 2, 2], "loss": loss, "weights": [[[0, 0], [0, 0]]] * 3},
    ]
    results = []
    for point in map(problem_from_json, points):
        results.append(detvar.classify(point.network, point.loss, point.weights).to_json())
        if point.loss.kronecker() is not None:
            results.append(detvar.critical_locus(point.network, point.loss).to_json())
    return [json.loads(json.dumps(result)) for result in results]


@settings(FUZZ, max_examples=400)
@given(st.data())
def test_fuzz_saved_results(saved_results: list[Any], data: st.DataObject) -> None:
    from detvar.critical import check_result

    result = copy.deepcopy(data.draw(st.sampled_from(saved_results)))
    path = data.draw(st.sampled_from(places(result)[1:]))
    parent = result
    for step in path[:-1]:
        parent = parent[step]
    # no number of ten thousand digits: it is exact data, and takes its time
    parent[path[-1]] = data.draw(SMALL.filter(lambda x: x not in ("1e9999", -(10**3000))) | JSON)
    try:
        report = check_result(result)
    except DetvarError as e:
        assert str(e)
    else:
        assert report.lines


def test_the_fuzz_finds_both_answers() -> None:
    assert all(survives(json.dumps(problem)) for problem in PROBLEMS)
    assert not survives('{"network": [2, 1, 2]}')
