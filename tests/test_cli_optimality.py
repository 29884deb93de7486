"""`detvar optimality` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detvar.cli import main


@pytest.fixture()
def files(tmp_path: Path) -> dict[str, str]:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 4)), rng.standard_normal((50, 3))
    best = np.linalg.lstsq(x, y, rcond=None)[0].T
    root = np.linalg.cholesky(x.T @ x)
    u, s, v = np.linalg.svd(best @ root)
    front = (s[:2, None] * v[:2]) @ np.linalg.inv(root)
    out = {name: str(tmp_path / f"{name}.npz") for name in ("data", "good", "poor", "bias", "nan")}
    np.savez(out["data"], x=x, y=y)
    np.savez(out["good"], W_1=front, W_2=u[:, :2])
    np.savez(out["poor"], W_1=front + 0.1, W_2=u[:, :2])
    np.savez(out["bias"], **{"0.weight": best, "0.bias": np.ones(3)})
    np.savez(out["nan"], W_1=np.full((3, 4), np.nan))
    return out


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("poor", 1)])
def test_answers_and_exit_codes(name: str, code: int, files: dict[str, str], capsys: Any) -> None:
    assert main(["optimality", files[name], "--data", files["data"], "--json"]) == code
    said = json.loads(capsys.readouterr().out)
    low, high = (float.fromhex(t) for t in said["gap"]["gap"])
    assert said["answer"] is (code == 0) and said["network"] == [4, 2, 3]
    assert (high < 1e-10) if code == 0 else (low > 1e-3)


@pytest.mark.parametrize(("name", "words"), [("bias", "biases"), ("nan", "nan")])
def test_refusals(name: str, words: str, files: dict[str, str], capsys: Any) -> None:
    assert main(["optimality", files[name], "--data", files["data"]]) == 2
    said = capsys.readouterr()
    assert words in said.err.lower() and said.err.count("\n") == 1 and not said.out


def test_data_of_other_widths_are_refused(files: dict[str, str], capsys: Any) -> None:
    assert main(["optimality", files["good"], "--data", files["good"]]) == 2
    assert main(["optimality", "missing.npz", "--data", files["data"]]) == 2
    assert "Traceback" not in capsys.readouterr().err
