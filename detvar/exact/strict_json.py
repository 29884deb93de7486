"""JSON without surprises: nothing is rounded, nothing is dropped, every refusal is one sentence.

Python's reader rounds ``0.1``, accepts ``NaN``, keeps the last of two equal keys and answers
deep nesting with a RecursionError.  Here each of these is a `DetvarError` naming the place.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from detvar.errors import InputError, NotExactError
from detvar.exact.text import one_line

SIZE_LIMIT = 20_000_000
DEPTH_LIMIT = 64
_LONG = 4000  # digits; Python converts integers of up to 4300 digits from text and back


class LongInteger(str):
    """The digits of an integer too long for Python's `int`; `rational` reads it as it is."""


class _Inexact(str):
    """A decimal, NaN or Infinity as it stood in the text, kept until its place is known."""


def shown(name: str) -> str:
    """Return a field name in quotes, on one line and not too long."""
    return f'"{one_line(name, 40)}"'


def read_text(source: str | os.PathLike[str], limit: int = SIZE_LIMIT) -> tuple[str, str]:
    """Return the text of a file, or of standard input for ``"-"``, and a name for messages.

    Parameters
    ----------
    source : path, or "-"
    limit : int
        The greatest number of bytes; a larger file is refused without being read.

    Raises
    ------
    InputError
        If there is no such file, it is a folder, it is too large, or it is not UTF-8.
    """
    name = os.fspath(source)
    if name == "-":
        return _decode(_read_limited(sys.stdin, limit), "standard input"), "standard input"
    label = one_line(name, 200)
    try:
        with Path(name).open("rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > limit:
                _refuse_size(label, limit, status.st_size)
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise InputError(f"there is no file {label}: give the path of a JSON file, or -") from None
    except IsADirectoryError:
        raise InputError(f"{label} is a folder: give the path of a JSON file in it") from None
    except (OSError, ValueError) as e:
        why = getattr(e, "strerror", None) or str(e)
        raise InputError(f"{label} cannot be read ({why}): give a JSON file, or -") from None
    if len(data) > limit:
        _refuse_size(label, limit)
    return _decode(data, label), label


def _read_limited(stream: Any, limit: int) -> bytes:
    binary = getattr(stream, "buffer", None)
    data = binary.read(limit + 1) if binary is not None else stream.read(limit + 1)
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape")
    if len(data) > limit:
        _refuse_size("standard input", limit)
    return bytes(data)


def _refuse_size(label: str, limit: int, size: int | None = None) -> NoReturn:
    has = f"has {size / 1e6:.0f} MB" if size is not None else "is larger"
    raise InputError(f"{label} {has}, and at most {limit / 1e6:.0f} MB are read: give less data")


def _decode(data: bytes, label: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise InputError(
            f"{label} is not UTF-8 text (byte {e.start}): save it as JSON in UTF-8"
        ) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise InputError(
                f"the field {shown(key)} appears twice in one object: keep one of them"
            )
        out[key] = value
    return out


def _integer(text: str) -> int | LongInteger:
    return int(text) if len(text) <= _LONG else LongInteger(text)


def parse_json(
    text: str, label: str = "the text", *, floats: bool = False, whole: tuple[str, ...] = ()
) -> Any:
    """Return the value of a JSON text in which every number is exact.

    Parameters
    ----------
    text : str
    label : str
        How to call the text in an error message.
    floats : bool
        Whether decimals may stand there as Python floats (as seconds do in a saved result).
        NaN and Infinity are refused in any case.
    whole : tuple of str
        Names of the places that hold whole numbers, for a better hint.

    Returns
    -------
    dict, list, str, int, LongInteger, float, bool or None

    Raises
    ------
    InputError
        If the text is not JSON (line and column are named), repeats a key, or is nested deeper
        than 64 levels.
    NotExactError
        If it holds a decimal, NaN or Infinity; the message names the place.

    Examples
    --------
    >>> parse_json('{"loss": {"target": [["1/2", 3]]}}')
    {'loss': {'target': [['1/2', 3]]}}
    >>> parse_json('{"loss": {"target": [[0.5, 3]]}}')
    Traceback (most recent call last):
    ...
    detvar.errors.NotExactError: loss.target[0][0] is the decimal 0.5, which would be rounded: \
write "0.5" in quotes, or the fraction "1/2"
    """
    if not text.strip():
        raise InputError(f'{label} is empty: write a JSON object such as {{"network": [2, 1, 2]}}')
    try:
        value = json.loads(
            text,
            parse_float=(lambda s: float(s)) if floats else _Inexact,
            parse_int=_integer,
            parse_constant=_Inexact,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as e:
        raise InputError(_syntax(text, label, e)) from None
    except RecursionError:
        _refuse_depth(label)
    _look_at_every_place(value, label, whole)
    return value


def _syntax(text: str, label: str, e: json.JSONDecodeError) -> str:
    hint = "correct it there"
    at = text[e.pos : e.pos + 1]
    if at == "/":
        hint = 'write fractions in quotes, such as "1/2"'
    elif at == "'":
        hint = "write double quotes"
    elif at == ".":
        hint = 'write decimals in quotes, such as "0.5"'
    message = e.msg[:1].lower() + e.msg[1:]
    return f"{label} is not valid JSON at line {e.lineno}, column {e.colno} ({message}): {hint}"


def _refuse_depth(label: str) -> NoReturn:
    raise InputError(
        f"{label} is nested deeper than {DEPTH_LIMIT} levels: a matrix is a list of rows, and "
        "nothing goes deeper than that"
    ) from None


def _look_at_every_place(value: Any, label: str, whole: tuple[str, ...]) -> None:
    """Refuse the first number that is not exact, in reading order, and too deep nesting."""
    stack: list[tuple[str, Any, int]] = [("", value, 0)]
    while stack:
        place, x, depth = stack.pop()
        if isinstance(x, (dict, list)) and depth >= DEPTH_LIMIT:
            _refuse_depth(label)
        if isinstance(x, _Inexact):
            _refuse_inexact(place or label, x, whole)
        elif isinstance(x, dict):
            dot = "." if place else ""
            items = [(f"{place}{dot}{one_line(k, 40)}", v, depth + 1) for k, v in x.items()]
            stack.extend(reversed(items))
        elif isinstance(x, list):
            # numbers already known to be exact are the bulk of a file: no name is made for them
            stack.extend(
                (f"{place}[{i}]", x[i], depth + 1)
                for i in range(len(x) - 1, -1, -1)
                if isinstance(x[i], (dict, list, _Inexact))
            )


def _refuse_inexact(place: str, text: str, whole: tuple[str, ...]) -> NoReturn:
    number = one_line(text, 40)
    if not text.strip("-0123456789.eE+"):
        what = f"{place} is the decimal {number}"
        if place.split("[")[0] in whole:
            raise NotExactError(f"{what}: write a whole number such as 2")
        hint = f'write "{number}" in quotes'
        if len(text) <= 12 and "e" not in text.lower():
            hint += f', or the fraction "{Fraction(text)}"'
        raise NotExactError(f"{what}, which would be rounded: {hint}")
    raise NotExactError(
        f'{place} is {number}, not a rational number: write an integer or a fraction such as "1/3"'
    )
