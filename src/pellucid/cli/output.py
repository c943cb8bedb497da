"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from pellucid.errors import printable

if TYPE_CHECKING:
    from rich.console import Console

_NOTES = 20  # lines about data
GAP = 2  # columns between those of a table
PLAIN_WIDTH = 10_000  # columns where the output is no terminal: no line is broken


def console() -> Console:
    """Where commands print: coloured on a terminal (unless NO_COLOR is set), plain text elsewhere."""
    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(width=None if terminal else PLAIN_WIDTH, highlight=False, soft_wrap=not terminal)


@contextmanager
def working(text: str) -> Iterator[None]:
    """While the block runs, a terminal shows that something is being done."""
    out = console()
    with out.status(text) if out.is_terminal else nullcontext():
        yield


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str | None = None,
    footer: Sequence[str] | None = None,
    right: Sequence[str] = (),
    wrapped: str | None = None,
) -> None:
    """Print rows under the columns' names.

    right: columns of numbers. footer: a last row set apart. wrapped: the column that gives way where the
    terminal is narrow. Where that is not enough, the other columns follow in tables of their own, the first column
    before each: nothing is cut off.
    """
    from rich.text import Text

    out, rows = console(), [list(map(printable, row)) for row in rows]
    if title:
        out.print(Text(title, style="bold"), end="\n\n")
    groups = _column_groups([columns, *rows, *([footer] if footer else [])], out.width, columns, wrapped)
    for i, group in enumerate(groups):
        if i:
            out.print()
        part = [[row[k] for k in group] for row in rows]
        last = [footer[k] for k in group] if footer and any(footer[k] for k in group[1:]) else None
        _print_part(out, [columns[k] for k in group], part, last, right, wrapped)


def _column_groups(
    cells: Sequence[Sequence[str]], width: int, columns: Sequence[str], wrapped: str | None
) -> list[list[int]]:
    """Which columns stand side by side: all that fit, the first one always."""
    from rich.cells import cell_len

    def needed(k: int) -> int:
        texts = [row[k] for row in cells]
        if columns[k] == wrapped:
            texts = [word for text in texts for word in text.split()]
        return max(map(cell_len, texts), default=0) + GAP

    widths = [needed(k) for k in range(len(columns))]
    groups, room = [[0]], width + GAP - widths[0]
    for k in range(1, len(columns)):
        if widths[k] > room and len(groups[-1]) > 1:
            groups.append([0])
            room = width + GAP - widths[0]
        groups[-1].append(k)
        room -= widths[k]
    return groups


def _print_part(
    out: Console,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    footer: Sequence[str] | None,
    right: Sequence[str],
    wrapped: str | None,
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), show_footer=footer is not None)
    for i, name in enumerate(columns):
        table.add_column(
            Text(name),
            Text(footer[i]) if footer else "",
            justify="right" if name in right else "left",
            no_wrap=name != wrapped and len(columns) > 2,
            overflow="fold",
            header_style="bold cyan",
            footer_style="bold",
        )
    for row in rows:
        table.add_row(*map(Text, row))
    out.print(table)


def print_json(value: Any) -> None:
    """Print a value as JSON, one key or item a line; what is no finite number, as null."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # what the output can't write is escaped, as JSON may have it
        text = json.dumps(_finite(value), indent=2, allow_nan=False)
    print(text)


def _finite(value: Any) -> Any:
    """The value as JSON can say it, which knows neither NaN nor infinity."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_note(text: str) -> None:
    """Print a line of text as it is."""
    from rich.text import Text

    console().print(Text(text))


def print_notes(lines: Sequence[str], where: str = "") -> None:
    """Print lines of text, the first few of many. where: what tells of the others, " on the page"."""
    for line in lines[:_NOTES]:
        print_note(line)
    if len(lines) > _NOTES:
        print_note(f"and {len(lines) - _NOTES:,} more{where}")


def dimensions(shape: Sequence[int]) -> str:
    """A shape as people write it: 16x28x28."""
    return "x".join(map(str, shape))


def byte_count(count: int) -> str:
    """A number of bytes in decimal units: 50.2 kB."""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
