"""Files that are written whole or not at all."""

import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pellucid.errors import InputError, PellucidError

_PNG = b"\x89PNG\r\n"
_BEGINNING = 4096  # bytes, in which a mark stands


def path_of(value: object, what: str) -> Path:
    """What somebody gave as a path. what: the argument. Raises InputError for what no file can be called."""
    try:
        name = os.fsdecode(value)  # type: ignore[arg-type]  # asked, not known
    except TypeError:
        raise InputError(f"{what}: expected a path, got {type(value).__name__}") from None
    if "\0" in name:
        raise InputError(f"{what}: expected a path, got {name!r}")
    return Path(name)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a power cut at any moment, meets the old one or the new one, never a part.

    The bytes go to a temporary file beside it and to the disk, then the name is moved, then the folder that
    holds the name goes to the disk too. Raises PellucidError where the system refuses (permission, full disk).
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)  # mkstemp's 0600 would keep others from reading a result
        Path(temporary).replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise PellucidError(f"cannot write {path}: {error.strerror or error}") from error


def check_own(path: Path, mark: bytes, command: str) -> None:
    """Raise PellucidError where there is a file that doesn't have the mark of those which the command writes.

    The mark stands in a file's first bytes; whoever replaces a file asks here first.
    """
    if not path.exists() and not path.is_symlink():
        return
    try:
        with path.open("rb") as file:
            own = mark in file.read(_BEGINNING)
    except OSError:
        own = False
    if not own:
        raise PellucidError(f"{path}: there is something that {command} didn't make; expected another place, or none")


def write_picture(path: Path, content: bytes, command: str) -> None:
    """Write a PNG, where there is nothing or another picture of that kind. Raises PellucidError elsewhere."""
    check_own(path, _PNG, command)
    write_whole(path, content)


def names_for(paths: Sequence[Path]) -> list[str]:
    """A name for each file, no two alike in any case: its own without ending; where several have that, with ending;
    then with its folder's before it; then a number.
    """
    alone = list(dict.fromkeys(paths))
    given: dict[Path, str] = {}
    taken: set[str] = set()
    for form in (
        lambda path: path.stem, lambda path: path.name, lambda path: f"{path.absolute().parent.name}-{path.name}",
    ):  # fmt: skip
        left = [path for path in alone if path not in given]
        counts = Counter(form(path).casefold() for path in left)
        found = {path: form(path) for path in left if counts[form(path).casefold()] == 1}
        given |= {path: name for path, name in found.items() if name.casefold() not in taken}
        taken = {name.casefold() for name in given.values()}
    for path in (path for path in alone if path not in given):
        names = (f"{path.stem}-{number}" for number in itertools.count(2))
        given[path] = next(name for name in names if name.casefold() not in taken)
        taken.add(given[path].casefold())
    return [given[path] for path in paths]


def is_file(path: Path) -> bool:
    """Whether there is such a file; no, where the system takes no such name."""
    try:
        return path.is_file()
    except OSError:
        return False


def read_whole(path: Path) -> bytes:
    """Content of a file. Raises PellucidError where there is none, or it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PellucidError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:  # a name that no file can have
        raise PellucidError(f"cannot read {path}: {error}") from error
