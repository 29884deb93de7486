"""`detvar optimality` as a user types it: answers, exit codes, and one sentence for bad input."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detvar.cli import main
from detvar.errors import DetvarError
from detvar.optimality.data import check_data, read_data
from detvar.optimality.reading import read_weights

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((50, 4)), RNG.standard_normal((50, 3))
BEST = np.linalg.lstsq(X, Y, rcond=None)[0].T
FRONT, BACK = RNG.standard_normal((5, 4)), RNG.standard_normal((3, 5))


def typed(*words: str, where: Path) -> tuple[int, str, str]:
    """Run the command in a process of its own."""
    root = Path(__file__).parents[1]
    found = subprocess.run(
        [sys.executable, "-m", "detvar", "optimality", *words],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return found.returncode, found.stdout, found.stderr


@pytest.fixture()
def files(tmp_path: Path) -> dict[str, str]:
    root = np.linalg.cholesky(X.T @ X)
    u, s, v = np.linalg.svd(BEST @ root)
    front = (s[:2, None] * v[:2]) @ np.linalg.inv(root)
    out = {name: str(tmp_path / f"{name}.npz") for name in ("data", "good", "poor", "bias")}
    np.savez(out["data"], x=X, y=Y)
    np.savez(out["good"], W_1=front, W_2=u[:, :2])
    np.savez(out["poor"], W_1=front + 0.1, W_2=u[:, :2])
    with_ones = np.linalg.lstsq(np.hstack([X, np.ones((50, 1))]), Y, rcond=None)[0].T
    np.savez(out["bias"], **{"0.weight": with_ones[:, :4], "0.bias": with_ones[:, 4]})
    return out


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("poor", 1), ("bias", 0)])
def test_answers_and_exit_codes(name: str, code: int, files: dict[str, str], capsys: Any) -> None:
    assert main(["optimality", files[name], "--data", files["data"], "--json"]) == code
    said = json.loads(capsys.readouterr().out)
    assert said["answer"] is (code == 0)
    assert said["network"] == ([4, 3] if name == "bias" else [4, 2, 3])


def test_the_answer_of_a_process(files: dict[str, str], tmp_path: Path) -> None:
    code, out, err = typed("poor.npz", "--data", "data.npz", "--json", where=tmp_path)
    assert code == 1 and json.loads(out)["answer"] is False and "Traceback" not in err
    code, out, err = typed("good.npz", "--data", "data.npz", where=tmp_path)
    assert code == 0 and out and "Traceback" not in err


# --- bad input: (what writes the files, words of the sentence) ------------------------------------


class Bomb:
    """Ends the process that unpickles it, with a code that no refusal has."""

    def __reduce__(self) -> Any:
        return os._exit, (77,)


def weights(**layers: Any) -> Callable[[Path], tuple[str, str]]:
    def write(where: Path) -> tuple[str, str]:
        np.savez(where / "w.npz", **layers)
        return "w.npz", "data.npz"

    return write


def data(**arrays: Any) -> Callable[[Path], tuple[str, str]]:
    def write(where: Path) -> tuple[str, str]:
        np.savez(where / "w.npz", W_1=FRONT, W_2=BACK)
        np.savez(where / "d.npz", **arrays)
        return "w.npz", "d.npz"

    return write


def raw(name: str, content: bytes) -> Callable[[Path], tuple[str, str]]:
    def write(where: Path) -> tuple[str, str]:
        (where / name).write_bytes(content)
        return name, "data.npz"

    return write


def tensors(header: Any, body: bytes = b"") -> Callable[[Path], tuple[str, str]]:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return raw("w.safetensors", len(text).to_bytes(8, "little") + text + body)


def npy(shape: str, body: bytes = b"") -> bytes:
    """A .npy file with any header."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


def entry(kind: str, shape: list[int], end: int) -> dict[str, Any]:
    return {"w": {"dtype": kind, "shape": shape, "data_offsets": [0, end]}}


def folder(where: Path) -> tuple[str, str]:
    (where / "w.npz").mkdir()
    return "w.npz", "data.npz"


def saved_module(where: Path) -> tuple[str, str]:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.save({"0.weight": Bomb()}, where / "w.pt")
    return "w.pt", "data.npz"


NAN = FRONT.copy()
NAN[1, 2] = np.nan
HOLED = X.copy()
HOLED[7, 0] = np.inf
CASES: dict[str, tuple[Callable[[Path], tuple[str, str]], str]] = {
    "nan": (weights(W_1=NAN, W_2=BACK), "W_1[1][2] is nan: give finite"),
    "reversed": (weights(W_1=BACK, W_2=FRONT), "layers in reverse order"),
    "transposed": (weights(W_1=FRONT, W_2=BACK.T), "W_2 seems transposed: give it as 3 × 5"),
    "not linear": (weights(**{"0.weight": FRONT, "2.weight": BACK}), "say it by order="),
    "no layers": (weights(), "give at least one matrix"),
    "a bias of another length": (weights(W_1=FRONT, b_1=np.ones(2), W_2=BACK), "give 5 numbers"),
    "objects": (weights(W_1=np.array([[Bomb()]], dtype=object)), "holds Python objects"),
    "complex": (weights(W_1=FRONT + 1j, W_2=BACK), "give real numbers"),
    "wide integers": (weights(W_1=np.full((3, 4), 2**60 + 1)), "integers above 2^53"),
    "mismatched": (data(x=X, y=Y[:-1]), "give one row of y for each row of x"),
    "empty": (data(x=X[:0], y=Y[:0]), "there are no data"),
    "infinite data": (data(x=HOLED, y=Y), "x[7][0] is inf"),
    "exchanged": (data(x=Y, y=X), "x and y are exchanged"),
    "labels": (data(x=X, y=np.arange(50) % 3), "give them as one-hot rows"),
    "no y": (data(x=X), "must hold one array y"),
    "pickle": (raw("w.pkl", pickle.dumps(Bomb())), "is a pickle"),
    "hidden pickle": (raw("w.npz", pickle.dumps(Bomb(), 4)), "is a pickle"),
    "saved object": (saved_module, "write it with"),
    "wrong ending": (raw("w.txt", b"1 2"), "give a .npz, .npy, .safetensors, .pt or .pth file"),
    "folder": (folder, "is no regular file"),
    "missing": (lambda where: ("no.npz", "data.npz"), "cannot open"),
    "missing data": (lambda where: (weights(W_1=BEST)(where)[0], "no.npz"), "cannot open"),
    "huge shape": (raw("w.npy", npy("(3, 10000000000000)")), "more than the file holds"),
    "endless shape": (raw("w.npy", npy("(" + "9" * 900 + ", 3)")), "announces shape"),
    "nested shape": (raw("w.npy", npy("(" * 4000 + ")" * 4000)), "damaged or no NumPy file"),
    "header bomb": (raw("w.safetensors", b"\xff" * 7 + b"\x7f{"), "its header is not whole"),
    "nested header": (tensors(b"[" * 200_000), "no JSON object"),
    "huge tensor": (tensors(entry("F64", [2**40, 2**40], 16), bytes(16)), "needs"),
    "many dimensions": (tensors(entry("F64", [1] * 99, 8), bytes(8)), "two data_offsets"),
    "no bytes, endless": (tensors(entry("F64", [0, 2**63], 0)), "two data_offsets"),
    "integers": (tensors(entry("I64", [1, 1], 8), bytes(8)), "save it as F64"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_sentence(name: str, tmp_path: Path, capsys: Any) -> None:
    """At both doors: the library raises its own error, and the command says the same."""
    write, words = CASES[name]
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    given = [str(tmp_path / part) for part in write(tmp_path)]
    with pytest.raises(DetvarError) as found:
        check_data(read_weights(given[0]), read_data(given[1]))
    sentence = str(found.value)
    assert words in sentence and "\n" not in sentence
    assert main(["optimality", given[0], "--data", given[1], "--json"]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and not said.out
    assert said.err.startswith("detvar: ") and said.err[8:40].strip() in sentence


IN_A_PROCESS = ["nan", "reversed", "mismatched", "objects", "hidden pickle", "folder", "huge shape"]


@pytest.mark.parametrize("name", IN_A_PROCESS)
def test_bad_input_ends_a_process_with_code_2(name: str, tmp_path: Path) -> None:
    write, words = CASES[name]
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    given = write(tmp_path)
    code, out, err = typed(given[0], "--data", given[1], where=tmp_path)
    assert (code, out) == (2, "")
    assert words in err and "Traceback" not in err and err.count("\n") == 1


@pytest.mark.parametrize("moved", ["weights", "data"])
def test_a_file_that_changes_is_refused(
    moved: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from detvar.optimality import files as reading

    path = files["good" if moved == "weights" else "data"]
    real = reading.digest

    def write_meanwhile(name: str) -> str:
        if name == path:
            with open(path, "ab") as file:
                file.write(b"more")
        return real(name)

    monkeypatch.setattr(reading, "digest", write_meanwhile)
    assert main(["optimality", files["good"], "--data", files["data"]]) == 2
    said = capsys.readouterr()
    assert "changed while it was read" in said.err and not said.out


@pytest.mark.parametrize("kind", ["F16", "BF16", "F32", "F64"])
def test_every_type_of_float_is_taken(kind: str, tmp_path: Path, capsys: Any) -> None:
    """Small integers are the same numbers in all of them, so that the answers agree."""
    w = np.array([[1.0, -2.0, 0.5, 4.0]] * 3)
    stored = {"F16": w.astype("<f2"), "F32": w.astype("<f4"), "F64": w.astype("<f8")}
    stored["BF16"] = (w.astype("<f4").view("<u4") >> 16).astype("<u2")
    body = stored[kind].tobytes()
    path, at = tensors({"0.weight": entry(kind, [3, 4], len(body))["w"]}, body)(tmp_path)
    np.savez(tmp_path / at, x=X, y=Y)
    np.savez(tmp_path / "same.npz", W_1=w)
    answers = []
    for name in (path, "same.npz"):
        words = ["optimality", str(tmp_path / name), "--data", str(tmp_path / at), "--json"]
        assert main(words) == 1
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0]["gap"] == answers[1]["gap"]


# ---- saved verdicts, pairs of files, better weights ----------------------------------------------


@pytest.fixture()
def saved(files: dict[str, str], tmp_path: Path, capsys: Any) -> Path:
    main(["optimality", files["good"], "--data", files["data"], "--json"])
    path = tmp_path / "verdict.json"
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    return path


def test_a_saved_verdict_is_checked_from_its_files(
    saved: Path, files: dict[str, str], capsys: Any
) -> None:
    assert main(["check", str(saved)]) == 0
    assert "moments of the data agrees" in capsys.readouterr().out
    for old, new in (
        ('"answer": true', '"answer": false'),
        ('"tier": "', '"tier": "un'),
    ):
        text = saved.read_text(encoding="utf-8")
        assert old in text
        other = saved.with_name("other.json")
        other.write_text(text.replace(old, new), encoding="utf-8")
        assert main(["check", str(other)]) == 1
    Path(files["good"]).write_bytes(Path(files["poor"]).read_bytes())
    assert main(["check", str(saved)]) == 1
    assert "digest" in capsys.readouterr().out


@pytest.mark.parametrize("field", ["weights", "data", "order", "inputs"])
def test_a_damaged_reading_is_refused(saved: Path, field: str, capsys: Any) -> None:
    data = json.loads(saved.read_text(encoding="utf-8"))
    for bad in ({"x": 1}, []):
        data["reading"][field] = bad
        saved.write_text(json.dumps(data), encoding="utf-8")
        assert main(["check", str(saved)]) == 2
    said = capsys.readouterr()
    assert "Traceback" not in said.err and not said.out


def test_two_files_are_streamed(files: dict[str, str], tmp_path: Path, capsys: Any) -> None:
    with np.load(files["data"]) as data:
        for name in ("x", "y"):
            np.save(tmp_path / f"{name}.npy", data[name])
    pair = [str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]
    assert main(["optimality", files["good"], "--data", *pair]) == 0
    assert main(["optimality", files["poor"], "--data", *pair]) == 1
    assert main(["optimality", files["good"], "--data", pair[0], files["data"]]) == 2
    assert main(["optimality", files["good"], "--data", *pair, "--inputs", "4"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_better_weights_are_written(files: dict[str, str], tmp_path: Path, capsys: Any) -> None:
    better, moved = (str(tmp_path / f"{name}.npz") for name in ("better", "moved"))
    with np.load(files["bias"]) as stored:
        np.savez(moved, **{name: stored[name] + 0.1 for name in stored.files})
    for name in (files["poor"], moved):
        main(["optimality", name, "--data", files["data"], "--json"])
        before = json.loads(capsys.readouterr().out)
        words = ["optimality", name, "--data", files["data"], "--escape", better]
        assert main([*words, "--json"]) == 1
        assert "lower by at least" in json.loads(capsys.readouterr().out)["escape"]
        main(["optimality", better, "--data", files["data"], "--json"])
        after = json.loads(capsys.readouterr().out)
        assert float.fromhex(after["value"][1]) < float.fromhex(before["value"][0])
    assert main(["optimality", files["poor"], "--data", files["data"], "--escape", "x.txt"]) == 2
