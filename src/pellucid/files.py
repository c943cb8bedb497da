"""Files that are written whole or not at all."""

import os
import tempfile
from pathlib import Path

from pellucid.errors import PellucidError


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
