"""How batches get to where the network computes: from images that lie there already, or one by one from the host."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from pellucid import ops
from pellucid.data import Batch, Loader
from pellucid.data.augmentation import Augmentation
from pellucid.data.geometry import Affine
from pellucid.data.randomness import uniform_rows
from pellucid.ops.arrays import Array, Pair

MOST_OF_MEMORY = 0.5
"""Of the free memory that a data set may fill."""


class Feed(Protocol):
    """Where recorded steps get their batches from."""

    def begin(self, epoch: int) -> None:
        """An epoch's batches are next."""

    def size(self, batch: int) -> int:
        """Images of that batch of the epoch."""

    def next(self, batch: int, size: int) -> None:
        """That batch is the next to be used: outside of what is recorded."""

    def batch(self, size: int, counters: Array) -> tuple[Array, Array]:
        """Inputs and targets of so many images, by work that can be recorded."""


class _Sized:
    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def size(self, batch: int) -> int:
        """Images of that batch of the epoch."""
        return min(self.loader.batch_size, len(self.loader.dataset) - batch * self.loader.batch_size)


class Resident(_Sized):
    """A data set of bytes and class labels that lies on the device; batches are gathered and augmented there."""

    def __init__(self, loader: Loader, recorder: Any) -> None:
        super().__init__(loader)
        self.recorder = recorder
        inputs, targets = np.asarray(loader.dataset.inputs), np.asarray(loader.dataset.targets)
        N, C, H, W = inputs.shape
        self.pixels = ops.array(np.ascontiguousarray(inputs.transpose(0, 2, 3, 1)))
        self.labels = ops.array(targets.astype(np.int64))
        self.order = ops.zeros((N,), np.int32)
        augment, crop = loader.augment, loader.crop
        moves = (augment is not None and augment.moves) or crop is not None
        self.affine = ops.zeros((N, 6), np.float32) if moves else None
        self.erased = ops.zeros((N, 4), np.int32) if augment is not None and augment.erase else None
        self.mean = ops.array(np.zeros(C, np.float32) if loader.mean is None else np.asarray(loader.mean, np.float32))
        self.std = ops.array(np.ones(C, np.float32) if loader.std is None else np.asarray(loader.std, np.float32))
        self.old_size: Pair = (H, W)
        self.image_shape = (C, *(crop.size if crop is not None and crop.size is not None else (H, W)))

    @staticmethod
    def can(loader: Loader) -> bool:
        """Whether the loader's batches can be made in one pass: each pixel from one place of its image, or between
        four.
        """
        augment, crop = loader.augment, loader.crop
        if loader.colours is not None or loader.dataset.inputs.dtype != np.uint8:
            return False
        if crop is None or crop.only_mirrors:
            return True
        alone = augment is None or not (augment.moves or augment.erase)
        return alone and not (crop.objects or crop.mosaic)

    def begin(self, epoch: int) -> None:
        """Write down the epoch's order, and how each image is changed."""
        loader, N, order = self.loader, len(self.loader.dataset), self.loader.order(epoch)
        self.order[...] = order.astype(np.int32)
        parts = loader.dataset.parts
        size = self.old_size if parts is None else parts[order]
        maps = window = None
        if loader.crop is not None:
            window = loader.crop.affine(uniform_rows(loader.seed, "crop", epoch, 0, N, loader.crop.columns), size)
            maps = window
        if loader.augment is not None:
            uniform = uniform_rows(loader.seed, "augment", epoch, 0, N, Augmentation.COLUMNS)
            if loader.augment.moves:
                moved = loader.augment.affine(uniform, size)
                maps = moved if window is None else window.behind(moved)
            if self.erased is not None:
                self.erased[...] = _mirrored(loader.augment.rectangles(uniform, size), window, size).astype(np.int32)
        if maps is not None and self.affine is not None:
            self.affine[...] = np.concatenate([maps.matrix.reshape(N, 4), maps.offset], axis=1).astype(np.float32)

    def next(self, batch: int, size: int) -> None:
        """The counters say which it is."""

    def batch(self, size: int, counters: Array) -> tuple[Array, Array]:
        """Gathered and changed in one pass."""
        x = ops.empty_images((size, *self.image_shape), self.loader.dtype)
        t = ops.empty((size,), np.int64)
        tables = self.order, counters, self.affine, self.erased
        self.recorder.gather(self.pixels, self.labels, *tables, 255.0, self.mean, self.std, x, t)
        return x, t


def _mirrored(rectangles: Array, window: Affine | None, size: Pair | Array) -> Array:
    """Rectangles (n, 4), top, bottom, left and right, where they lie on images that were mirrored afterwards."""
    if window is None:
        return rectangles
    moved, sides = rectangles.copy(), np.broadcast_to(np.array(size), (len(rectangles), 2))
    for axis in range(2):
        which, ends = window.matrix[:, axis, axis] < 0, slice(2 * axis, 2 * axis + 2)
        moved[which, ends] = sides[which, axis, None] - rectangles[which, ends][:, ::-1]
    return moved


class FromHost(_Sized):
    """Batches that the loader makes on the host, copied over one by one into arrays that stay.

    The loader makes one, and it is copied, while the backend still works on the one before.
    """

    def __init__(self, loader: Loader, recorder: Any) -> None:
        super().__init__(loader)
        self.ahead = recorder.Ahead()
        self.arrays: dict[int, tuple[Array, Array]] = {}
        self.epoch, self.place = 0, -1
        self.batches: Iterator[Batch] = iter(())

    def begin(self, epoch: int) -> None:
        """From its first batch on, until another one is asked for."""
        self.epoch, self.place = epoch, -1

    def next(self, batch: int, size: int) -> None:
        """Make it, and copy it over."""
        if batch != self.place:
            self.batches = self.loader.epoch(self.epoch, batch)
        made = next(self.batches)
        self.place = batch + 1
        if size not in self.arrays:
            self.arrays[size] = ops.array(made.inputs), ops.array(made.targets)
        self.ahead.bring(self.arrays[size], (made.inputs, made.targets))

    def batch(self, size: int, counters: Array) -> tuple[Array, Array]:
        """What lies there."""
        return self.arrays[size]


def feed_for(loader: Loader, recorder: Any) -> Feed:
    """The faster one that can be."""
    inputs, targets = loader.dataset.inputs, loader.dataset.targets
    in_memory = isinstance(inputs, np.ndarray) or getattr(inputs, "kept", None) is not None  # soon, or it would fit
    if not in_memory or not isinstance(targets, np.ndarray) or targets.ndim != 1 or not Resident.can(loader):
        return FromHost(loader, recorder)
    room = math.prod(inputs.shape) <= MOST_OF_MEMORY * recorder.free_memory()
    return Resident(loader, recorder) if room else FromHost(loader, recorder)
