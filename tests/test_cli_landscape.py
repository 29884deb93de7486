"""`detvar landscape` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detvar.cli import main
from detvar.landscape import Triples


@pytest.fixture()
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace.npz"
    Triples([1, -0.5], [2, 0.4], [0.5, 0.8], step=[0, 1], batch=[0, 1]).save(path)
    return path


def problem(folder: Path, **fields: Any) -> str:
    path = folder / "problem.json"
    path.write_text(json.dumps({"example": "ex6", "alpha": "21", "beta": "20"} | fields))
    return str(path)


def test_a_region(trace: Path, capsys: Any) -> None:
    assert main(["landscape", "region", str(trace)]) == 0
    assert "2 triples" in capsys.readouterr().out
    picture = trace.with_name("region.png")
    words = ["landscape", "region", str(trace), "--json", "--delta-min", "1/4"]
    pytest.importorskip("matplotlib")
    assert main([*words, "--plot", str(picture)]) == 0
    data = json.loads(capsys.readouterr().out)
    # φ(δ) = max(δ, (2δ − 1)/0.5, (0.4δ + 0.5)/0.8): 3/4 at 1/4, and 4/3 is the least α/δ
    assert data["kind_of_result"] == "region_report" and data["min_alpha"] == 0.75
    assert data["best_ratio"]["ratio"] == pytest.approx(4 / 3)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_empty_region_is_refuted(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "empty.npz"
    Triples([-1.0], [0.0], [0.0]).save(path)
    assert main(["landscape", "region", str(path)]) == 1
    assert "feasible" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("alpha", "beta", "code"), [("21", "20", 0), ("20", "19", 1), ("0", "0", 2), ("2", "-1", 2)]
)
def test_proofs_and_refutations(
    alpha: str, beta: str, code: int, tmp_path: Path, capsys: Any
) -> None:
    result = tmp_path / "certificate.json"
    words = ["landscape", "prove", problem(tmp_path, alpha=alpha, beta=beta)]
    assert main([*words, "--output", str(result)]) == code
    said = capsys.readouterr()
    if code == 2:
        assert not said.out and said.err.count("\n") == 1 and not result.exists()
        return
    assert ("holds" if code == 0 else "fails") in said.out
    assert main(["check", str(result)]) == 0
    data = json.loads(result.read_text(encoding="utf-8"))
    # the same proof for a better pair than was proved, and for none
    data["alpha"], data["beta"] = ("20", "19") if code == 0 else ("21", "20")
    result.write_text(json.dumps(data), encoding="utf-8")
    capsys.readouterr()
    assert main(["check", str(result)]) == 1
    assert "DOES NOT VERIFY" in capsys.readouterr().out
    assert main([*words, "--latex"]) == code
    assert r"\[" in capsys.readouterr().out


def test_an_undecided_claim(tmp_path: Path, capsys: Any) -> None:
    assert main(["landscape", "prove", problem(tmp_path, method="boxes", budget=3)]) == 3
    assert "undecided" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content",
    [b"", b"PK", b"not a zip", b"\x93NUMPY"],
)
def test_a_damaged_trace_is_refused(content: bytes, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "trace.npz"
    path.write_bytes(content)
    assert main(["landscape", "region", str(path)]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1 and "Traceback" not in said.err and not said.out


def test_other_arrays_are_refused(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "trace.npz"
    np.savez(path, g=np.zeros(3), b=np.zeros(2), c=np.zeros(3))
    assert main(["landscape", "region", str(path)]) == 2
    np.savez(path, x=np.zeros(3))
    assert main(["landscape", "region", str(path)]) == 2
    np.savez(path, g=np.array([np.nan]), b=np.ones(1), c=np.ones(1))
    assert main(["landscape", "region", str(path)]) == 2
    assert main(["landscape", "region", str(tmp_path / "none.npz")]) == 2
    assert main(["landscape", "region", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 5 and not said.out


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"alpha": None}, "alpha"),
        ({"example": "ex7"}, "example"),
        ({"method": "guess"}, "method"),
        ({"budget": -1}, "budget"),
        ({"typo": 1}, "typo"),
    ],
)
def test_problems_with_faults(
    fields: dict[str, Any], words: str, tmp_path: Path, capsys: Any
) -> None:
    assert main(["landscape", "prove", problem(tmp_path, **fields)]) == 2
    said = capsys.readouterr()
    assert words in said.err and said.err.count("\n") == 1 and not said.out
