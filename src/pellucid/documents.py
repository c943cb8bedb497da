r"""JSON and TOML that somebody else may have written.

Python's own readers stop at limits of Python's, each in its own way: deep nesting (RecursionError), whole numbers of
more than 4,300 digits (ValueError), bytes that are no UTF-8, a mark of the byte order in front. Here each of these is
one line that names the file; and what has been read can be written and shown again: no number of more than 64 bits,
no half of a character ("\ud800").
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from pellucid.errors import PellucidError

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
DEEPEST = 40  # lists and tables in each other
LARGEST = (1 << 64) - 1
LONGEST_TOML = 1 << 20  # characters
MOST_DOTS = 1 << 20  # tomllib's work grows with the square of a line's dots, which may make a dotted key


def parse_json(content: str | bytes, source: str, kind: str = "JSON") -> Any:
    """The value of a JSON text. kind: what it should be, for messages; source: what they call it.

    NaN and Infinity are read, as Python writes them. Raises PellucidError for anything but JSON in UTF-8.
    """
    text = utf8(content, source, kind)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise PellucidError(f"{source}:{error.lineno}:{error.colno}: not {kind} ({error.msg})") from None
    except (RecursionError, ValueError) as error:
        raise _beyond_python(error, source, kind) from None
    check_values(value, source)
    return value


def parse_toml(content: str | bytes, source: str) -> dict[str, Any]:
    """The table of a TOML text. Raises PellucidError for anything but TOML in UTF-8 of a recipe's size."""
    text = utf8(content, source, "TOML")
    if len(text) > LONGEST_TOML:
        raise PellucidError(f"{source}: {len(text)} characters, expected a TOML file of at most {LONGEST_TOML}")
    if sum(_dots(line) ** 2 for line in text.split("\n")) > MOST_DOTS:
        raise PellucidError(f"{source}: expected a TOML file with fewer dots in a line")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PellucidError(f"{source}: {error}") from None
    except (RecursionError, ValueError, OverflowError) as error:
        raise _beyond_python(error, source, "TOML") from None
    check_values(table, source)
    return table


def _dots(line: str) -> int:
    """Dots of a line that may make a dotted key: those outside its strings, where it is plain which these are."""
    plain = line if "'" in line or '"""' in line else _STRING.sub("", line)
    return plain.count(".")


def utf8(content: str | bytes, source: str, kind: str = "text") -> str:
    """The text of a file without a mark of the byte order. Raises PellucidError where it isn't in UTF-8."""
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PellucidError(f"{source}: not {kind}, no UTF-8 at byte {error.start}") from None


def check_values(value: Any, source: str) -> None:
    """Raise PellucidError, naming the place, for numbers, text or nesting that nothing here has."""
    waiting = [("", value, 0)]
    while waiting:
        place, found, depth = waiting.pop()
        if depth > DEEPEST:
            raise PellucidError(f"{source}: nested more than {DEEPEST} deep")
        if isinstance(found, dict):
            for key, part in found.items():
                waiting += [(place, key, depth), (f"{place}.{str(key)[:99]}".lstrip("."), part, depth + 1)]
        elif isinstance(found, list | tuple):
            waiting += [(place, part, depth + 1) for part in found]
        elif isinstance(found, int) and abs(found) > LARGEST:
            raise PellucidError(f"{source}: {place or 'value'}: a whole number of more than 64 bits")
        elif isinstance(found, str) and not _whole(found):
            raise PellucidError(f"{source}: {place or 'value'}: {found[:99]!r}: half a character, which is no text")


def _whole(text: str) -> bool:
    """Whether it can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _beyond_python(error: Exception, source: str, kind: str) -> PellucidError:
    """What Python's limits, and dates that there are not, lead to."""
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error).partition(":")[0]
    return PellucidError(f"{source}: not {kind} as it is used here ({reason})")
