"""Random windows of images, magnified and mirrored, with the masks or boxes moved along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.arguments import Checked
from pellucid.data.focus import COLUMNS as OBJECT_COLUMNS
from pellucid.data.focus import drawn_objects
from pellucid.data.geometry import Affine, warp_images, warp_masks
from pellucid.data.pictures import MOST_PIXELS
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair

COLUMNS = 4  # random numbers an image: magnification, mirroring, row and column of the window; then aspect, objects


@dataclass(frozen=True)
class RandomCrop(Checked):
    """A window of every training image, drawn anew for every image and epoch.

    size: (height, width) of the window, pixels; None for the image's own, on a canvas as large as before.
    scale: (least, most) magnification before the window is cut, uniform in its logarithm. flip: probability of
    mirroring left and right. Where the magnified image is smaller than the window it lies anywhere in it; around it
    the image is black and the mask is ignored.
    aspect: how much wider, or higher, than it was an image may become: 4/3 draws a ratio from 3/4 .. 4/3, uniform in
    its logarithm. With scale and size that is the random resized crop of Szegedy et al. 2015.
    visible: a box of which less than this share stays in the window, or in an image moved otherwise, is ignored.
    upside_down: probability of mirroring up and down, for what has no up, as under a microscope or from above.
    objects: probability that the window is laid such that one of the image's objects, drawn at random, lies in it, or
    it in an object that is larger: for large photographs, which are mostly empty. See data.focus.
    mosaic: probability that an image shares its window with three others; see data.mosaic.

    >>> pl.data.RandomCrop(size=(64, 64)).size
    (64, 64)
    """

    size: tuple[int, int] | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    flip: float = 0.0
    visible: float = 0.5
    aspect: float = 1.0
    upside_down: float = 0.0
    objects: float = 0.0
    mosaic: float = 0.0

    def __post_init__(self) -> None:
        if self.size is not None and (min(self.size) < 1 or self.size[0] * self.size[1] > MOST_PIXELS):
            raise PellucidError(
                f"crop size = {self.size}: expected (height, width), 1 to {MOST_PIXELS:,} pixels in all"
            )
        if not 1e-3 <= self.scale[0] <= self.scale[1] <= 1e3:
            raise PellucidError(f"crop scale = {self.scale}: expected (least, most), from 0.001 to 1000")
        for name in ("flip", "upside_down", "objects", "mosaic"):
            if not 0 <= getattr(self, name) <= 1:
                raise PellucidError(f"crop {name} = {getattr(self, name)}: expected a probability")
        if not 1 <= self.aspect <= 100:
            raise PellucidError(f"crop aspect = {self.aspect}: expected 1 to 100")
        if not 0 <= self.visible <= 1:
            raise PellucidError(f"crop visible = {self.visible}: expected a share, 0 to 1")

    @property
    def changes(self) -> bool:
        """Whether it does anything."""
        mirrors = self.flip > 0 or self.upside_down > 0
        return self.size is not None or self.scale != (1.0, 1.0) or mirrors or self.aspect > 1 or self.mosaic > 0

    @property
    def only_mirrors(self) -> bool:
        """Whether every pixel comes to lie where another one was."""
        return self.size is None and self.scale == (1.0, 1.0) and self.aspect == 1 and self.mosaic == 0

    @property
    def columns(self) -> int:
        """Random numbers an image."""
        return COLUMNS + int(self.aspect > 1) + OBJECT_COLUMNS * int(self.objects > 0)

    def around(self, uniform: Array, targets: Any, ignored: int) -> Array | None:
        """(n, 4) boxes of objects that windows are laid around, NaN for none; None where `objects` is 0."""
        return drawn_objects(uniform[:, -OBJECT_COLUMNS:], self.objects, targets, ignored) if self.objects else None

    def affine(self, uniform: Array, size: Pair | Array, around: Array | None = None) -> Affine:
        """The map of each image of a batch, from uniform numbers (n, columns), for images of size (H, W).

        size: of all images, or (n, 2) of each one's own part of the canvas, on which the window is drawn. around:
        (n, 4) an object that each window is laid around; NaN for none.
        The map's inverse says where points, and corners of boxes, have gone.
        """
        low, high = np.log(self.scale)
        scale = np.exp(low + (high - low) * uniform[:, 0])[:, None] * np.ones(2)
        if self.aspect > 1:
            half = np.exp(np.log(self.aspect) * (uniform[:, COLUMNS] - 0.5))
            scale *= np.stack([1 / half, half], axis=1)
        shown = np.broadcast_to(np.array(size), (len(uniform), 2))
        window = shown if self.size is None else np.array(self.size)
        room = shown * scale - window  # negative: the image moves in the window
        mirrored = uniform[:, 1] < self.flip
        turned = _rest(uniform[:, 1], self.flip) < self.upside_down
        start = uniform[:, 2:4] * room
        if around is not None:
            near, far = _mirrored(around, shown, turned, mirrored)
            ends = np.sort([near * scale, far * scale - window], axis=0)
            start = np.where(np.isnan(near) | (room <= 0), start, ends[0] + uniform[:, 2:4] * (ends[1] - ends[0]))
            start = np.clip(start, np.minimum(room, 0), np.maximum(room, 0))
        first = (np.rint(start) + 0.5) / scale - 0.5  # the window's first pixel, between pixels' middles
        matrix = np.zeros((len(uniform), 2, 2))
        matrix[:, 0, 0], matrix[:, 1, 1] = 1 / scale.T
        matrix[mirrored, 1, 1] *= -1
        first[mirrored, 1] = shown[mirrored, 1] - 1 - first[mirrored, 1]
        matrix[turned, 0, 0] *= -1
        first[turned, 0] = shown[turned, 0] - 1 - first[turned, 0]
        return Affine(matrix, first)

    def __call__(
        self,
        uniform: Array,
        images: Array,
        masks: Array | None,
        ignored: int,
        shown: Array | None = None,
        around: Array | None = None,
    ) -> tuple[Array, Array | None]:
        """Windows (n, C, *size) of images (n, C, H, W), in the same units, and those of their masks (n, H, W).

        shown: (n, 2), size of each image's own part; that of all of it unless given. around: see `affine`.
        """
        affine = self.affine(uniform, (images.shape[2], images.shape[3]) if shown is None else shown, around)
        moved = None if masks is None else warp_masks(masks, affine, ignored, self.size)
        return warp_images(images, affine, self.size), moved


def _mirrored(boxes: Array, shown: Array, turned: Array, mirrored: Array) -> tuple[Array, Array]:
    """Upper left and lower right corners, (n, 2) rows and columns, of boxes (n, 4) on images that are mirrored."""
    near, far = boxes[:, [1, 0]].copy(), boxes[:, [3, 2]].copy()
    for axis, which in enumerate((turned, mirrored)):
        side = shown[which, axis]
        near[which, axis], far[which, axis] = side - far[which, axis], side - near[which, axis]
    return near, far


def _rest(uniform: Array, part: float) -> Array:
    """Uniform numbers in [0, 1) again, of those that have decided by being below `part` or not."""
    below = uniform < part
    return np.where(below, uniform / max(part, 1e-300), (uniform - part) / max(1 - part, 1e-300))
