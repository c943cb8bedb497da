"""Lines of text files that people wrote: names of classes and of images."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from pellucid.errors import PellucidError
from pellucid.files import read_whole

LONGEST_NAME = 200  # bytes; with an ending, what every system takes
_UTF_16 = {b"\xff\xfe", b"\xfe\xff"}  # what files in it begin with
_FLAGS = {"1", "0", "-1"}  # behind a name in VOC's lists of one class


def text_lines(path: Path) -> list[str]:
    """The lines of a text file in UTF-8, with or without a mark at its beginning, in UTF-16 with one, or in Latin-1.

    Raises PellucidError where it is no text.
    """
    return _text(path, read_whole(path)).splitlines()


def _text(path: Path, content: bytes) -> str:
    if content[:2] in _UTF_16:
        try:
            return content.decode("utf-16")
        except UnicodeDecodeError:
            raise PellucidError(f"{path}: expected lines of text, got something else") from None
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
    content = read_whole(path)
    if content[:2] in _UTF_16:
        lines = _text(path, content).splitlines()
    else:
        lines = os.fsdecode(content.removeprefix(b"\xef\xbb\xbf")).splitlines()  # as names of files, of any bytes
    names = [_name(line.strip(), known) for line in lines if line.strip()]
    if not names:
        raise PellucidError(f"{path}: the list is empty, expected names of images, one a line")
    seen: set[str] = set()
    for name in names:
        if not known(name) and (not _as_text(name).isprintable() or len(os.fsencode(name)) > LONGEST_NAME):
            raise PellucidError(f"{path}: expected names of images, got {name[:60]!r}")
        if name in seen:
            raise PellucidError(f"{path}: {name} is listed twice")
        seen.add(name)
    return names


def _name(line: str, known: Callable[[str], bool]) -> str:
    """The image that a line means: without a flag, and without folders and ending where only then it is known."""
    *name, last = line.rsplit(None, 1)
    name_alone = name[0] if name and last in _FLAGS and not known(line) else line
    short = PurePosixPath(name_alone.replace("\\", "/"))
    other = next((form for form in (short.name, short.stem) if known(form)), name_alone)
    return name_alone if known(name_alone) else other


def readable(name: str) -> str:
    """The name of a file or class as text: bytes that are no UTF-8 are taken for Latin-1, line breaks and the like
    are written as escapes.
    """
    text = _as_text(name)
    return "".join(repr(sign)[1:-1] if unicodedata.category(sign) in {"Cc", "Zl", "Zp"} else sign for sign in text)


def _as_text(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("latin-1")
    return name
