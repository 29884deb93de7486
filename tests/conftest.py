"""Options of the test suite.

Tests marked `slow` are many small cases of one law.  A plain `pytest` runs a share of them, chosen
by a hash of their names, so that the choice is the same on every machine; `--slow` runs them all.
`DETVAR_SLOW_SHARE=0.5` sets the share.  A test that is named on the command line always runs.
"""

from __future__ import annotations

import hashlib
import io
import os
import sys
from collections.abc import Callable

import pytest
from hypothesis import settings

from detvar.cli import main

Run = Callable[..., tuple[int, str, str]]
SLOW_SHARE = float(os.environ.get("DETVAR_SLOW_SHARE", "0.1"))

# The same examples on every run: a failure seen once is seen again.
settings.register_profile("detvar", derandomize=True, deadline=None)
settings.load_profile("detvar")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run every test marked slow")


def pytest_report_header(config: pytest.Config) -> str:
    share = 1.0 if config.getoption("--slow") else SLOW_SHARE
    return f"slow tests: {share:.0%} of them, chosen by a hash of their names"


def position(name: str) -> float:
    """A number in [0, 1) that depends on the name only."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    named = any("::" in arg for arg in config.args)
    if config.getoption("--slow") or named or "slow" in config.getoption("markexpr"):
        return
    left_out = [
        item
        for item in items
        if item.get_closest_marker("slow") and position(item.nodeid) >= SLOW_SHARE
    ]
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run a command in this process; the answer is exit code, standard output, standard error."""

    def run_it(*words: str, stdin: str | bytes = "") -> tuple[int, str, str]:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        code = main(words)
        out, err = capsys.readouterr()
        return code, out, err

    return run_it
