"""A line on standard error that shows how a long search is getting on."""

from __future__ import annotations

import sys
from time import perf_counter
from types import TracebackType

_QUIET_FOR, _EVERY = 0.5, 0.1


class ProgressLine:
    """Shows "1,203 found, 5,410 paths, 2.1 s" in place, from half a second on, on a terminal only.

    Use it as a context, and hand on `update` as the progress function; nothing is left behind.
    """

    def __init__(self) -> None:
        self._begin = self._last = perf_counter()
        self._shown = False

    def __enter__(self) -> ProgressLine:
        return self

    def update(self, found: int, segments: int, seconds: float) -> None:
        """Show the counts, at most ten times a second."""
        now = perf_counter()
        if now - self._begin < _QUIET_FOR or now - self._last < _EVERY:
            return
        if sys.stderr is None or not sys.stderr.isatty():
            return
        self._last, self._shown = now, True
        line = f"{found:,} found, {segments:,} paths, {seconds:.1f} s"
        sys.stderr.write(f"\r{line:<60}")
        sys.stderr.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            sys.stderr.write(f"\r{'':<60}\r")
            sys.stderr.flush()
