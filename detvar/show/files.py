"""Writing results: a file is either the old one or the whole new one, never half of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from detvar.errors import InputError
from detvar.exact.text import one_line


def require_writable(path: str) -> None:
    """Raise `InputError` if a result could not be written to `path`; nothing is changed.

    Meant to be called before a long computation.
    """
    label = one_line(path, 200)
    target = Path(os.path.realpath(path)) if "\0" not in path else None
    if target is None or not path or path == "-":
        raise InputError(f"{label!r} is not the name of a file: give one such as result.json")
    if target.is_dir():
        raise InputError(f"{label} is a folder: give the name of a file in it")
    if not target.parent.is_dir():
        raise InputError(f"the folder of {label} does not exist: create it first")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise InputError(f"{label} may not be written: give another place")


def write_text(path: str, text: str) -> None:
    """Write `text` in UTF-8 to `path`: first to a new file beside it, which then takes its name.

    Links are followed; a device or a pipe is written to directly.

    Raises
    ------
    InputError
        If the file cannot be written; what was there before is still there.
    """
    require_writable(path)
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
    try:
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            target.write_text(text, encoding="utf-8")
            return
        try:
            with draft.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as e:
        why = e.strerror or str(e)
        raise InputError(
            f"{one_line(path, 200)} cannot be written ({why}): give another place"
        ) from None
