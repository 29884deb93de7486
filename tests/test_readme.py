"""The README tells the truth: its Python examples run, and its front page is what is printed."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from detvar.cli import main

README = Path(__file__).parent.parent / "README.md"


def test_the_python_examples_run() -> None:
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert tried >= 6 and not failed


def test_the_front_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", "--example", "linnerud"]) == 0
    printed = capsys.readouterr().out.strip()
    assert printed in README.read_text(encoding="utf-8")


def test_the_problem_file_of_the_readme_is_one(tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    problem = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert problem is not None
    path = tmp_path / "problem.json"
    path.write_text(problem[1], encoding="utf-8")
    assert main(["classify", str(path)]) == 0
