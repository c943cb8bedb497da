"""Pictures that stay in their files until somebody asks for their pixels, and are kept then where memory has room."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from pellucid.data.dataset import Images
from pellucid.data.framing import Framing
from pellucid.data.pictures import wide_note, wide_range
from pellucid.files import read_whole
from pellucid.ops import memory
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.ops.cores import available_cores

KEPT_BYTES = 1 << 28  # of pixels; larger sets stay on disk, and their images are read for each batch anew
READ_FIRST = 1 << 24  # bytes of files that are read before anything else, in about a second; others when needed


class Kept:
    """The pixels of files that have been read once, (N, C, H, W) uint8; memory is taken as they come."""

    def __init__(self, count: int, framing: Framing) -> None:
        H, W = framing.size
        self.pixels = np.empty((count, H, W, framing.channels), np.uint8).transpose(0, 3, 1, 2)
        self.there = np.zeros(count, bool)


@dataclass(frozen=True, eq=False)
class ImageFiles:
    """Images (N, C, H, W) uint8 that stay in their files until `np.asarray` asks for the pixels.

    kept: the pixels of those that were read before, of which these are rows `rows`; None where memory has no room.
    """

    files: tuple[Path, ...]
    framing: Framing
    kept: Kept | None = None
    rows: Array | None = None

    dtype = np.dtype(np.uint8)

    @property
    def shape(self) -> Shape:
        """(N, C, H, W)."""
        return len(self.files), self.framing.channels, *self.framing.size

    def __len__(self) -> int:
        """Number of images."""
        return len(self.files)

    def __getitem__(self, indices: Array) -> Self:
        """The images of those indices, still unread."""
        files = tuple(self.files[index] for index in indices)
        return replace(self, files=files, rows=self._rows()[indices])

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        """The pixels, stored channels last."""
        images, rows, kept = memory.empty_images(self.shape, self.dtype), self._rows(), self.kept

        def read(index: int) -> None:
            images[index] = self.framing.read(self.files[index]).pixels
            if kept is not None:
                kept.pixels[rows[index]] = images[index]
                kept.there[rows[index]] = True

        known = np.zeros(len(self), bool) if kept is None else kept.there[rows]
        if kept is not None:
            images[known] = kept.pixels[rows[known]]
        missing = np.flatnonzero(~known)
        with ThreadPoolExecutor(available_cores()) as pool:  # Pillow decodes without holding the interpreter
            for _ in pool.map(read, missing):
                pass
        return images if dtype is None else images.astype(dtype, copy=False)

    def _rows(self) -> Array:
        return np.arange(len(self)) if self.rows is None else self.rows

    def fingerprint(self) -> bytes:
        """Hash of the files' contents."""
        state = hashlib.sha256(repr(self.shape).encode())
        for path in self.files:
            state.update(hashlib.sha256(read_whole(path)).digest())
        return state.digest()


Found = TypeVar("Found", bound=ImageFiles)


def keeping(images: Found) -> Found:
    """The images that remember what has been read of them, where memory has room for all."""
    fits = np.prod(images.shape, dtype=float) <= KEPT_BYTES
    return replace(images, kept=Kept(len(images), images.framing)) if fits else images


def canvas_framing(files: Sequence[Path], size: Pair | None, *, colour: bool) -> tuple[Framing, list[str]]:
    """(how pictures come onto a canvas, what is to be said of that).

    size: (H, W) that larger ones are shrunk to; None for a canvas that grows, see `Framing.of_all`. colour: whether
    any picture has colours, else all are grey.
    """
    white = None if colour else wide_range(files)
    return Framing("canvas", 3 if colour else 1, size or (1, 1), size is not None, white), wide_note(white)


def files_as_images(files: Sequence[Path], framing: Framing) -> Images:
    """Pictures as images: read now where that is quick, else when they are needed; kept where memory has room."""
    images = ImageFiles(tuple(files), framing)
    fits = np.prod(images.shape, dtype=float) <= KEPT_BYTES
    if fits and sum(path.stat().st_size for path in files) <= READ_FIRST:
        return np.asarray(images)
    return keeping(images)
