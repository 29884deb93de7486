"""Run one command: parse, answer, print, and turn every exception into a sentence and a code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

from detvar.cli.answer import (
    BAD_INPUT,
    DEFECT,
    INTERRUPTED,
    MISSING_PART,
    REFUTED,
    UNDECIDED,
    Answer,
    hint,
)
from detvar.cli.parser import make_parser
from detvar.errors import (
    DetvarError,
    IncompleteError,
    InputError,
    MissingExtraError,
    NotCertifiedError,
    PositiveDimensionalError,
)


def _print(text: str) -> None:
    """Print `text`; a reader who has left early, as `head` does, is no error."""
    if sys.stdout is None:
        return
    try:
        try:
            print(text, flush=True)
        except UnicodeEncodeError:  # a terminal that knows no ×
            encoding = sys.stdout.encoding or "ascii"
            print(text.encode(encoding, "replace").decode(encoding), flush=True)
    except BrokenPipeError:
        # Python flushes once more at exit; let that go nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as e:
        raise InputError(f"the answer cannot be written ({e.strerror or e})") from None


def _fault(e: BaseException) -> tuple[str, int]:
    """The sentence and the exit code for an exception."""
    if isinstance(e, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    if isinstance(e, MissingExtraError):
        return str(e), MISSING_PART
    if isinstance(e, NotCertifiedError):
        return str(e), REFUTED
    if isinstance(e, (IncompleteError, PositiveDimensionalError)):
        return str(e), UNDECIDED
    if isinstance(e, DetvarError):
        return str(e), BAD_INPUT
    if isinstance(e, ModuleNotFoundError) and not (e.name or "").startswith("detvar"):
        return (
            f"this needs {e.name}, which is not installed: type  pip install {e.name}",
            MISSING_PART,
        )
    if isinstance(e, MemoryError):
        return "the memory ran out before an answer was reached: try a smaller problem", UNDECIDED
    what = f"{type(e).__name__}: {e}".rstrip(": ")
    return f"this is a defect of detvar ({what}): run it again with --debug and report it", DEFECT


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``detvar``; by default those of the process.

    Examples
    --------
    >>> main(["variety", "2x2", "--rank", "3"])  # the sentence goes to standard error
    2
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        args = make_parser().parse_args(words)
        answer: Answer = args.run(args)
        _print(json.dumps(answer.data, allow_nan=False) if args.json else answer.text)
        return answer.code
    except SystemExit as e:  # --help and --version
        return int(e.code or 0)
    except (Exception, KeyboardInterrupt) as e:
        if "--debug" in words:
            import traceback

            traceback.print_exc()
        message, code = _fault(e)
        hint(message)
        return code
