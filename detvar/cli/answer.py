"""What commands hand back, exit codes, and what is said on standard error."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

DONE, REFUTED, BAD_INPUT, UNDECIDED, MISSING_PART, DEFECT, INTERRUPTED = 0, 1, 2, 3, 4, 70, 130


@dataclass(frozen=True)
class Answer:
    """What a command has to say: as text, as data, and as an exit code."""

    text: str
    data: dict[str, Any]
    code: int = DONE


def hint(message: str) -> None:
    """Say one line on standard error."""
    from detvar.exact.text import one_line

    print(f"detvar: {one_line(message)}", file=sys.stderr)


def save(path: str, data: dict[str, Any]) -> None:
    """Write a result as JSON, whole or not at all."""
    from detvar.show.files import write_text

    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    hint(f"written to {path}; check it with  detvar check {path}")
