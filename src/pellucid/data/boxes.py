"""Boxes around what is on images: every image has its own number of them, perhaps none.

A box is x0, y0, x1, y1 in pixels, from the left and upper edge of the first pixel inside to the right and lower edge
of the last: the whole of an image of H x W pixels is 0, 0, W, H.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.data.geometry import Affine
from pellucid.ops.arrays import Array, Pair

PLAIN, DIFFICULT, CROWD = 0, 1, 2
"""Kinds of boxes: what has to be found; what may be found or not (VOC's `difficult`, or mostly cut off); and a region
of many, of which any number may be found (COCO's `iscrowd`)."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """The M boxes of N images; `[indices]` is a smaller collection, for `Dataset.targets`.

    boxes: (M, 4) float32. labels: (M,) int64. kinds: (M,) uint8, see PLAIN. starts: (N + 1,) int64, image i has the
    boxes starts[i] to below starts[i + 1]. sizes: (N, 2) int64, height and width of each image, from the upper left
    corner of the canvas (H, W) that all lie on. notes: what was changed while reading, a line each.

    >>> found = pl.data.load_boxed(scenes={"train": 2, "test": 1}).train.targets
    >>> isinstance(found, pl.data.Boxes), found.boxes.shape[1], len(found)
    (True, 4, 2)
    """

    boxes: Array
    labels: Array
    kinds: Array
    starts: Array
    sizes: Array
    canvas: Pair
    notes: tuple[str, ...] = ()

    @classmethod
    def gathered(
        cls, images: Sequence[tuple[Array, Array, Array]], sizes: Array, canvas: Pair, notes: Sequence[str] = ()
    ) -> Boxes:
        """Of each image its boxes, labels and kinds, put together."""
        counts = [len(labels) for _, labels, _ in images]
        parts = [np.concatenate(part) if part else np.empty(0) for part in zip(*images, strict=True)]
        return cls(
            parts[0].reshape(-1, 4).astype(np.float32),
            parts[1].astype(np.int64),
            parts[2].astype(np.uint8),
            np.concatenate(([0], np.cumsum(counts, dtype=np.int64))),
            np.asarray(sizes, np.int64).reshape(-1, 2),
            canvas,
            tuple(notes),
        )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.starts) - 1

    def __getitem__(self, indices: Any) -> Boxes:
        """The boxes of some images, in their order."""
        rows = np.atleast_1d(np.arange(len(self))[indices])
        counts = np.diff(self.starts)[rows]
        starts = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        chosen = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], counts)
        return replace(
            self,
            boxes=self.boxes[chosen],
            labels=self.labels[chosen],
            kinds=self.kinds[chosen],
            starts=starts,
            sizes=self.sizes[rows],
        )

    @property
    def images(self) -> Array:
        """(M,) the image of each box."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def of(self, image: int) -> tuple[Array, Array, Array]:
        """(boxes, labels, kinds) of one image."""
        here = slice(int(self.starts[image]), int(self.starts[image + 1]))
        return self.boxes[here], self.labels[here], self.kinds[here]

    def fingerprint(self) -> bytes:
        """Hash of the contents."""
        state = hashlib.sha256(repr(self.canvas).encode())
        for part in (self.boxes, self.labels, self.kinds, self.starts, self.sizes):
            state.update(np.ascontiguousarray(part).data)
        return state.digest()

    def window(self, size: Pair) -> Boxes:
        """The boxes of the images' upper left parts of size (H, W)."""
        still = np.tile(np.eye(2), (len(self), 1, 1))
        return self.moved(Affine(still, np.zeros((len(self), 2))), size)

    def joined(self, rows: Array, counts: Array) -> Boxes:
        """Boxes of images that are made of several: the first of counts[0] of these, by `rows`, and so on."""
        taken, ends = self[rows], np.concatenate(([0], np.cumsum(counts)))
        return replace(taken, starts=taken.starts[ends], sizes=taken.sizes[ends[:-1]])

    def moved(
        self, affine: Affine, size: Pair | None = None, visible: float = 0.5, regions: Array | None = None
    ) -> Boxes:
        """The boxes as the maps (one an image) move them, cut to images of size (H, W), that of the canvas unless
        given, or to a region (x0, y0, x1, y1) of each, regions (N, 4).

        A turned box becomes the upright one around it. One of which nothing is left is left out; one of which less
        than the share `visible` is left becomes DIFFICULT, as what is left may not tell what it is.
        """
        H, W = size or self.canvas
        back = affine.inverse()
        x, y = self.boxes[:, [0, 2, 0, 2]] - 0.5, self.boxes[:, [1, 1, 3, 3]] - 0.5  # maps count from pixels' middles
        matrix, offset = back.matrix[self.images], back.offset[self.images]
        rows = matrix[:, 0, 0, None] * y + matrix[:, 0, 1, None] * x + offset[:, 0, None] + 0.5
        columns = matrix[:, 1, 0, None] * y + matrix[:, 1, 1, None] * x + offset[:, 1, None] + 0.5
        whole = np.stack([columns.min(1), rows.min(1), columns.max(1), rows.max(1)], axis=1)
        region = np.array([[0, 0, W, H]]) if regions is None else regions[self.images]
        cut = np.clip(whole, region[:, [0, 1, 0, 1]], region[:, [2, 3, 2, 3]])
        before, after = _areas(whole), _areas(cut)
        left = (after > 0) & (cut[:, 2] - cut[:, 0] >= 1) & (cut[:, 3] - cut[:, 1] >= 1)
        faint = (after < visible * before) & (self.kinds == PLAIN)
        counts = np.bincount(self.images[left], minlength=len(self))
        return replace(
            self,
            boxes=cut[left].astype(np.float32),
            labels=self.labels[left],
            kinds=np.where(faint, DIFFICULT, self.kinds)[left].astype(np.uint8),
            starts=np.concatenate(([0], np.cumsum(counts, dtype=np.int64))),
            sizes=np.tile(np.array([[H, W]]), (len(self), 1)),
            canvas=(H, W),
        )

    def hidden(self, rectangles: Array, visible: float = 0.5) -> Boxes:
        """The boxes of images of each of which a rectangle was blanked: top, bottom, left and right of each, (N, 4).

        One of which less than the share `visible` is left to be seen becomes DIFFICULT.
        """
        top, bottom, left, right = rectangles[self.images].T
        corners = np.maximum(self.boxes[:, 0], left), np.maximum(self.boxes[:, 1], top)
        opposite = np.minimum(self.boxes[:, 2], right), np.minimum(self.boxes[:, 3], bottom)
        covered = _areas(np.stack([*corners, *opposite], axis=1))
        faint = (covered > (1 - visible) * _areas(self.boxes)) & (self.kinds == PLAIN)
        return replace(self, kinds=np.where(faint, DIFFICULT, self.kinds).astype(np.uint8))


def _areas(boxes: Array) -> Array:
    areas: Array = np.maximum(boxes[:, 2] - boxes[:, 0], 0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0)
    return areas
