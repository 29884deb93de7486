"""Small tables in plain text and in HTML, for results that print themselves."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_NUMBER = re.compile(r"[+\-−±≈~<>≤≥ ]*[0-9∞][0-9.,/·×^eE+\-−∞ %]*\Z")
_GAP = "  "


def text_width(text: str) -> int:
    """Return how many columns a terminal needs for `text`.

    Wide East Asian characters take two columns, combining marks and controls none.

    >>> text_width("W̄ᵀ"), text_width("行列")
    (2, 4)
    """
    width = 0
    for c in text:
        if unicodedata.combining(c) or unicodedata.category(c) in ("Cc", "Cf", "Me", "Mn"):
            continue
        width += 2 if unicodedata.east_asian_width(c) in "WF" else 1
    return width


def _cells(rows: Iterable[Sequence[Any]], n: int) -> list[list[str]]:
    table = []
    for row in rows:
        cells = ["" if x is None else " ".join(str(x).split()) for x in row]
        table.append((cells + [""] * n)[:n])
    return table


def _alignment(table: list[list[str]], n: int, align: str | None) -> str:
    """One letter per column: r where every cell looks like a number, l elsewhere."""
    if align is not None:
        return (align + "l" * n)[:n]
    letters = []
    for j in range(n):
        filled = [row[j] for row in table if row[j] not in ("", "–", "-")]
        letters.append("r" if filled and all(_NUMBER.match(x) for x in filled) else "l")
    return "".join(letters)


def text_table(
    headers: Sequence[str], rows: Iterable[Sequence[Any]], align: str | None = None
) -> str:
    """Return a table in plain text: a line of headers, a rule, and one line per row.

    Parameters
    ----------
    headers : sequence of str
        One per column; all empty means no header and no rule.
    rows : iterable of sequences
        Cells of any type, written with `str`; None is an empty cell.
    align : str, optional
        One letter per column, "l" or "r".  By default columns of numbers stand to the right.

    Examples
    --------
    >>> print(text_table(["rank", "critical"], [[0, "yes"], [10, "no"]]))
    rank  critical
    ────  ────────
       0  yes
      10  no
    """
    n = len(headers)
    table = _cells(rows, n)
    letters = _alignment(table, n, align)
    head = [" ".join(str(h).split()) for h in headers]
    widths = [max((text_width(row[j]) for row in [head, *table]), default=0) for j in range(n)]

    def line(row: Sequence[str]) -> str:
        parts = []
        for cell, width, letter in zip(row, widths, letters, strict=True):
            gap = " " * (width - text_width(cell))
            parts.append(gap + cell if letter == "r" else cell + gap)
        return _GAP.join(parts).rstrip()

    body = [line(row) for row in table]
    if not any(head):
        return "\n".join(body)
    return "\n".join([line(head), _GAP.join("─" * w for w in widths), *body])


def html_table(
    headers: Sequence[str], rows: Iterable[Sequence[Any]], align: str | None = None
) -> str:
    """Return the same table as an HTML ``<table>``, every cell escaped.

    >>> html_table(["a"], [["<b>"]])
    '<table><thead><tr><th style="text-align:left">a</th></tr></thead><tbody><tr>\
<td style="text-align:left">&lt;b&gt;</td></tr></tbody></table>'
    """
    n = len(headers)
    table = _cells(rows, n)
    sides = ["right" if x == "r" else "left" for x in _alignment(table, n, align)]

    def line(row: Sequence[str], tag: str) -> str:
        cells = zip(row, sides, strict=True)
        return "".join(f'<{tag} style="text-align:{s}">{escape(x)}</{tag}>' for x, s in cells)

    head = [str(h) for h in headers]
    top = f"<thead><tr>{line(head, 'th')}</tr></thead>" if any(head) else ""
    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in table)
    return f"<table>{top}<tbody>{body}</tbody></table>"


def one_line(text: str, limit: int = 2000) -> str:
    """Return `text` on one line, with whatever does not print escaped, cut at `limit` characters.

    >>> one_line("a\\x00b", 20)
    'a\\\\x00b'
    """
    flat = " ".join(text.split())
    flat = "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in flat
    )
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
