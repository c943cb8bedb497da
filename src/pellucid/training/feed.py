"""How batches get to where the network computes: from images that lie there already, or one by one from the host."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from pellucid import ops
from pellucid.data import Batch, Loader
from pellucid.data.augmentation import Augmentation
from pellucid.data.randomness import uniform_rows
from pellucid.ops.arrays import Array

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
        augment = loader.augment
        self.affine = ops.zeros((N, 6), np.float32) if augment is not None and augment.moves else None
        self.erased = ops.zeros((N, 4), np.int32) if augment is not None and augment.erase else None
        self.mean = ops.array(np.zeros(C, np.float32) if loader.mean is None else np.asarray(loader.mean, np.float32))
        self.std = ops.array(np.ones(C, np.float32) if loader.std is None else np.asarray(loader.std, np.float32))
        self.image_shape = (C, H, W)

    def begin(self, epoch: int) -> None:
        """Write down the epoch's order, and how each image is changed."""
        loader, N = self.loader, len(self.loader.dataset)
        self.order[...] = loader.order(epoch).astype(np.int32)
        augment = loader.augment
        if augment is None or (self.affine is None and self.erased is None):
            return
        uniform = uniform_rows(loader.seed, "augment", epoch, 0, N, Augmentation.COLUMNS)
        parts = loader.dataset.parts
        size = self.image_shape[1:] if parts is None else parts[loader.order(epoch)]
        if self.affine is not None:
            maps = augment.affine(uniform, size)
            self.affine[...] = np.concatenate([maps.matrix.reshape(N, 4), maps.offset], axis=1).astype(np.float32)
        if self.erased is not None:
            self.erased[...] = augment.rectangles(uniform, size).astype(np.int32)

    def next(self, batch: int, size: int) -> None:
        """The counters say which it is."""

    def batch(self, size: int, counters: Array) -> tuple[Array, Array]:
        """Gathered and changed in one pass."""
        x = ops.empty_images((size, *self.image_shape), self.loader.dtype)
        t = ops.empty((size,), np.int64)
        tables = self.order, counters, self.affine, self.erased
        self.recorder.gather(self.pixels, self.labels, *tables, 255.0, self.mean, self.std, x, t)
        return x, t


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
    if not in_memory or inputs.dtype != np.uint8 or loader.crop is not None or loader.colours is not None:
        return FromHost(loader, recorder)
    if not isinstance(targets, np.ndarray) or targets.ndim != 1:
        return FromHost(loader, recorder)
    room = math.prod(inputs.shape) <= MOST_OF_MEMORY * recorder.free_memory()
    return Resident(loader, recorder) if room else FromHost(loader, recorder)
