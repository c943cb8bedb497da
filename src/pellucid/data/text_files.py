"""Lines of text files that people wrote: names of classes and of images."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pellucid.errors import PellucidError
from pellucid.files import read_whole

LONGEST_NAME = 200  # bytes; with an ending, what every system takes
_FLAGS = {"1", "0", "-1"}  # behind a name in VOC's lists of one class


def text_lines(path: Path) -> list[str]:
    """The lines of a text file in UTF-8, with or without a mark at its beginning, or else in Latin-1.

    Raises PellucidError where it is no text.
    """
    return _text(path, read_whole(path)).splitlines()


def _text(path: Path, content: bytes) -> str:
    if b"\0" in content:
        raise PellucidError(f"{path}: expected lines of text, got something else")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def class_list(path: Path) -> tuple[str, ...]:
    """The names in a file, one a line, empty lines left out. Raises PellucidError where one is there twice, or none
    is.
    """
    names = tuple(line.strip() for line in text_lines(path) if line.strip())
    if not names or len(set(names)) < len(names):
        raise PellucidError(f"{path}: expected different class names, one a line, got {len(names)} lines")
    return names


def listed_images(path: Path, known: Callable[[str], bool] = lambda name: False) -> list[str]:
    """The names in one of VOC's lists of images. Raises PellucidError where there is none, or one twice.

    A name may hold spaces, and a flag (1, 0 or -1) may follow it. known: whether there is an image of a name.
    """
    if not path.is_file():
        raise PellucidError(f"{path}: no such file, expected a list of images, one a line")
    content = read_whole(path).removeprefix(b"\xef\xbb\xbf")
    lines = os.fsdecode(content).splitlines()  # as names of files, whatever bytes those have
    names = [_name(line.strip(), known) for line in lines if line.strip()]
    if not names:
        raise PellucidError(f"{path}: the list is empty, expected names of images, one a line")
    seen: set[str] = set()
    for name in names:
        if not known(name) and (not readable(name).isprintable() or len(os.fsencode(name)) > LONGEST_NAME):
            raise PellucidError(f"{path}: expected names of images, got {name[:60]!r}")
        if name in seen:
            raise PellucidError(f"{path}: {name} is listed twice")
        seen.add(name)
    return names


def _name(line: str, known: Callable[[str], bool]) -> str:
    *name, last = line.rsplit(None, 1)
    return name[0] if name and last in _FLAGS and not known(line) else line


def readable(name: str) -> str:
    """The name of a file as text: bytes that are no UTF-8 are taken for Latin-1."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("latin-1")
    return name
