"""The command line in trouble: bad input, bad usage, full disks, readers who leave early."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_cli import complains, one_object
from test_door import BAD_FIELDS, BAD_TEXTS, SQUARED, with_field

from detvar import errors

ROOT = Path(__file__).resolve().parent.parent
Run = Callable[..., tuple[int, str, str]]


def shell(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "detvar", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        **options,
    )


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", BAD_TEXTS, ids=lambda case: case[0])
def test_bad_text_is_one_sentence(run: Run, case: Any) -> None:
    _, text, _, words = case
    complains(run("classify", "-", stdin=text), *words)


@pytest.mark.parametrize(("path", "value", "_", "words"), BAD_FIELDS)
def test_bad_fields_are_one_sentence(
    run: Run, path: list[Any], value: Any, _: Any, words: list[str]
) -> None:
    # the long integer stands in the file without quotes
    sys.set_int_max_str_digits(0)
    try:
        text = json.dumps(with_field(SQUARED, path, value))
    finally:
        sys.set_int_max_str_digits(sys.int_info.default_max_str_digits)
    if isinstance(value, str) and len(value) > 1000:
        text = text.replace(f'"{value}"', value)
    complains(run("classify", "-", stdin=text), *words)


def test_bad_files_are_one_sentence(run: Run, tmp_path: Path) -> None:
    complains(run("classify", str(tmp_path / "none.json")), "there is no file")
    complains(run("classify", str(tmp_path)), "is a folder")
    complains(run("check", str(tmp_path / "none.json")), "there is no file")
    complains(run("solve", str(tmp_path)), "is a folder")
    complains(run("classify", "-", stdin=b"\xff\xfe\x00"), "standard input is not UTF-8")
    complains(run("classify", "a\nb\x1b[31m"), "a b\\x1b[31m")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "COMMAND"),
        (("nosuch",), "nosuch"),
        (("info",), "WIDTHS"),
        (("info", "3"), "3-2"),
        (("info", "3-0-3"), "positive"),
        (("info", "three"), "3-2-3"),
        (("info", "-3"), "3-2-3"),
        (("info", "2000000-2"), "1000000"),
        (("info", "3-2-3", "--jsn"), "--jsn"),
        (("info", "3-2-3", "extra"), "extra"),
        (("variety", "4x4"), "--rank"),
        (("variety", "4", "--rank", "1"), "4x4"),
        (("variety", "0x4", "--rank", "0"), "at least 1"),
        (("variety", "4x4", "--rank", "two"), "whole number"),
        (("variety", "4x4", "--rank", "-1"), "--help"),
        (("variety", "4x4", "--rank", "5"), "from 0 to 4"),
        (("variety", "9999999x4", "--rank", "1"), "4x4"),
    ],
)
def test_usage_errors(run: Run, words: tuple[str, ...], sentence: str) -> None:
    complains(run(*words), sentence)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InputError("x"), 2),
        (errors.ShapeError("x"), 2),
        (errors.NotExactError("x"), 2),
        (errors.NotCertifiedError("x"), 1),
        (errors.IncompleteError("x"), 3),
        (errors.PositiveDimensionalError("x"), 3),
        (errors.MissingExtraError("torch", "torch"), 4),
        (ModuleNotFoundError("no networkx", name="networkx"), 4),
        (MemoryError(), 3),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("oops"), 70),
        (RecursionError("oops"), 70),
        (ModuleNotFoundError("no such part", name="detvar.part"), 70),
    ],
)
def test_exit_codes(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    import detvar.show

    def fail(_: Any) -> None:
        raise error

    monkeypatch.setattr(detvar.show, "describe_network", fail)
    complains(run("info", "3-2-3"), code=code)
    got, out, err = run("info", "3-2-3", "--debug")
    assert (got, out) == (code, "")
    assert "Traceback (most recent call last)" in err


def test_help_and_version(run: Run) -> None:
    assert run("--version")[:2] == (0, "detvar 0.1.0\n")
    code, out, _ = run("--help")
    assert code == 0
    for word in ("info", "variety", "classify", "solve", "check", "Exit codes", '"network"'):
        assert word in out
    for command in ("info", "variety", "classify", "solve", "check"):
        code, out, _ = run(command, "--help")
        assert code == 0
        assert f"detvar {command}" in out


# --- files and pipes ----------------------------------------------------------------------------


def test_a_result_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from detvar.show import files

    path = tmp_path / "r.json"
    files.write_text(str(path), "old\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(errors.InputError, match="No space left"):
        files.write_text(str(path), "new\n")
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == "old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]
    files.write_text(str(path), "new ×\n")
    assert path.read_text(encoding="utf-8") == "new ×\n"


@pytest.mark.skipif(sys.platform == "win32", reason="links and devices of POSIX")
def test_links_are_followed_and_devices_are_left_in_place(tmp_path: Path) -> None:
    from detvar.show import files

    real, link, device = tmp_path / "real.json", tmp_path / "link.json", tmp_path / "null"
    link.symlink_to(real)
    device.symlink_to(os.devnull)
    files.write_text(str(link), "text")
    files.write_text(str(device), "text")
    assert real.read_text(encoding="utf-8") == "text"
    assert link.is_symlink()
    assert not Path(os.devnull).is_file()


def test_in_a_process_of_its_own() -> None:
    done = shell("info", "3-2-3", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert one_object(done.stdout)["depth"] == 2
    done = shell("classify", "-", input='{"network": [0.5]}')
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("detvar: network[0]")


def test_a_terminal_that_knows_ascii_only() -> None:
    done = shell("variety", "2x2", "--rank", "1", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "the 2?2 matrices" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_who_leaves_early() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [sys.executable, "-m", "detvar", "info", "3-2-3"],
        cwd=ROOT,
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
