"""A line on standard error that shows how a long search is getting on."""

from __future__ import annotations

import sys
from time import perf_counter
from types import TracebackType
from typing import NamedTuple

_QUIET_FOR, _EVERY = 0.5, 0.1


class Progress(NamedTuple):
    """How far a search for the critical points of one rank has come.

    >>> print(Progress(rank=2, found=1203, expected=1350, real=38, seconds=1.5))
    rank 2: 1 203/1 350 found, 38 real, 1.5 s
    """

    rank: int
    found: int
    expected: int | None
    real: int | None
    seconds: float

    def __str__(self) -> str:
        def spaced(n: int) -> str:
            return f"{n:,}".replace(",", " ")

        of = "" if self.expected is None else f"/{spaced(self.expected)}"
        real = "" if self.real is None else f", {spaced(self.real)} real"
        return f"rank {self.rank}: {spaced(self.found)}{of} found{real}, {self.seconds:.1f} s"


class ProgressLine:
    """Shows the last text in place, from half a second on, and leaves nothing behind.

    It writes to standard error if that is a terminal or the cell of a notebook, nowhere else.
    Use it as a context, and hand on `update` as the progress function.
    """

    def __init__(self) -> None:
        self._begin = self._last = perf_counter()
        self._width = 0

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._width:
            self._write(" " * self._width + "\r")

    def update(self, state: object) -> None:
        """Show the text of a state, unless it is too early or the last one is too recent."""
        now = perf_counter()
        if now - self._begin < _QUIET_FOR or now - self._last < _EVERY or not _is_watched():
            return
        self._last = now
        text = str(state)
        self._write(text.ljust(self._width) + "\r")
        self._width = len(text)

    def _write(self, text: str) -> None:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()


def _is_watched() -> bool:
    """Whether somebody sees standard error: a terminal, or a notebook."""
    stream = sys.stderr
    if stream is None:
        return False
    notebook = "ipykernel" in sys.modules and type(stream).__module__.startswith("ipykernel")
    return notebook or stream.isatty()
