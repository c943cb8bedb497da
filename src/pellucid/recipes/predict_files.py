"""What a trained classifier says of thousands of files: read ahead, in batches; one that can't be read is skipped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pellucid.data.pictures import SUFFIXES
from pellucid.errors import PellucidError
from pellucid.files import is_file
from pellucid.ops.arrays import Array
from pellucid.ops.cores import available_cores
from pellucid.recipes.model import AnyModel
from pellucid.recipes.predict import guess_pixels, read_image
from pellucid.tasks import Guess

BATCH = 64


@dataclass(frozen=True)
class Answer:
    """What is said of a file: its likeliest classes, or why it can't be read."""

    image: Path
    guesses: list[Guess]
    error: str = ""


def pictures_in(paths: Iterable[Path]) -> list[Path]:
    """The files themselves, and all pictures below folders, by their paths; hidden ones are left out.

    Raises PellucidError for a folder without any, and for what is no picture by its name and isn't there: a run
    perhaps, whose name is misspelt.
    """
    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            if path.suffix.lower() not in SUFFIXES and not is_file(path):
                raise PellucidError(f"{path}: no such run, picture or folder")
            found.append(path)
            continue
        below = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
        shown = [file for file in below if not any(part.startswith(".") for part in file.relative_to(path).parts)]
        if not shown:
            raise PellucidError(f"{path}: no picture in this folder, expected PNG, JPEG, TIFF, WebP or BMP files")
        found += shown
    return found


def guess_files(model: AnyModel, paths: Sequence[Path], top: int = 3, *, batch: int = BATCH) -> Iterator[Answer]:
    """An answer for each file, in their order. While a batch is computed, the next is read."""
    with ThreadPoolExecutor(available_cores()) as pool:
        pending = _submit(pool, model, paths[:batch])
        for start in range(0, len(paths), batch):
            ahead = _submit(pool, model, paths[start + batch : start + 2 * batch])
            yield from _answers(model, paths[start : start + batch], [one.result() for one in pending], top)
            pending = ahead


def _submit(pool: ThreadPoolExecutor, model: AnyModel, paths: Sequence[Path]) -> list[Future[Array | str]]:
    return [pool.submit(_read, model, path) for path in paths]


def _read(model: AnyModel, path: Path) -> Array | str:
    """A file's pixels as the network sees them, or what is wrong with it."""
    try:
        return read_image(model, path)
    except PellucidError as error:
        return str(error)


def _answers(model: AnyModel, paths: Sequence[Path], read: Sequence[Array | str], top: int) -> Iterator[Answer]:
    pixels = [one for one in read if not isinstance(one, str)]
    guesses = iter(guess_pixels(model, np.stack(pixels), top) if pixels else ())
    for path, one in zip(paths, read, strict=True):
        yield Answer(path, [], one) if isinstance(one, str) else Answer(path, next(guesses))
