"""CIFAR-10 and CIFAR-100 as their binary version has them: a byte of label, or two, and 3,072 of pixels an image.

    CIFAR-10     data_batch_1.bin ... data_batch_5.bin, test_batch.bin, batches.meta.txt
    CIFAR-100    train.bin, test.bin, fine_label_names.txt

The pixels are 1,024 of red, then of green, then of blue, row by row. Source: Krizhevsky 2009,
https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np

from pellucid.data.dataset import Dataset
from pellucid.data.framing import Framing
from pellucid.data.text_files import text_lines
from pellucid.errors import PellucidError
from pellucid.files import read_whole
from pellucid.ops import memory
from pellucid.ops.arrays import Array

SIDE = 32
PIXELS = 3 * SIDE * SIDE


@dataclass(frozen=True)
class Version:
    """Files of a version: training (a pattern), test, names of classes; bytes before an image's pixels, of which the
    last is the class; number of classes."""

    train: str
    test: str
    names: str
    labels: int
    classes: int


VERSIONS = (
    Version("data_batch_*.bin", "test_batch.bin", "batches.meta.txt", 1, 10),
    Version("train.bin", "test.bin", "fine_label_names.txt", 2, 100),
)


def find_cifar(folder: Path) -> Version | None:
    """Which version a folder has files of; None for neither."""
    return next((v for v in VERSIONS if _files(folder, v.test) and _files(folder, v.train)), None)


def _files(folder: Path, pattern: str) -> list[Path]:
    """The files whose names are alike, in any case."""
    return sorted(path for path in folder.iterdir() if fnmatch(path.name.lower(), pattern) and path.is_file())


def read_cifar(folder: Path, version: Version) -> tuple[Dataset, Dataset]:
    """(train, test). Raises PellucidError, naming the file, where one has another length or a label too large."""
    names = tuple(line.strip() for file in _files(folder, version.names) for line in text_lines(file) if line.strip())
    if len(names) != version.classes:
        names = tuple(map(str, range(version.classes)))
    return (
        _read(_files(folder, version.train), version, names, f"{folder.name} train"),
        _read(_files(folder, version.test), version, names, f"{folder.name} test"),
    )


def _read(files: Sequence[Path], version: Version, names: tuple[str, ...], name: str) -> Dataset:
    rows = np.concatenate([_rows(file, version) for file in files])
    images = memory.empty_images((len(rows), 3, SIDE, SIDE), np.uint8)
    images[...] = rows[:, version.labels :].reshape(-1, 3, SIDE, SIDE)
    labels = rows[:, version.labels - 1].astype(np.int64)
    return Dataset(images, labels, names, name, Framing("stretch", 3, (SIDE, SIDE)))


def _rows(file: Path, version: Version) -> Array:
    """(N, labels + pixels) uint8."""
    content = read_whole(file)
    length = version.labels + PIXELS
    if not content or len(content) % length:
        raise PellucidError(f"{file}: expected a multiple of {length:,} bytes, got {len(content):,}")
    rows = np.frombuffer(content, np.uint8).reshape(-1, length)
    if (most := int(rows[:, version.labels - 1].max())) >= version.classes:
        raise PellucidError(f"{file}: label {most}, expected 0 to {version.classes - 1}")
    return rows
