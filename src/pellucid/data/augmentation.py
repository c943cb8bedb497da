"""Random changes of the training images that leave their meaning as it is."""

import math
from dataclasses import dataclass

import numpy as np

from pellucid.arguments import Checked
from pellucid.data.geometry import Affine, centred_affine
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair


@dataclass(frozen=True)
class Augmentation(Checked):
    """How far an image may be moved; every amount is drawn anew for every image and epoch.

    shift: pixels, down or up and right or left, uniform in -shift .. shift.
    whole: whether images are shifted by whole pixels alone; by fractions, what lies between pixels is interpolated,
        which blurs small images.
    rotate: degrees, either way, about the image's centre.
    scale: a fraction; 0.1 draws a magnification from 0.9 .. 1.1.
    shear: degrees, either way, by which upright lines lean.
    erase: pixels, the longest side of a rectangle that is blanked at a random place (DeVries and Taylor 2017,
        "Cutout"; Zhong et al. 2017, "Random Erasing"); each side is uniform in 0 .. erase, whole pixels.

    0 everywhere, the default, changes nothing.

    >>> pl.data.Augmentation(shift=2, rotate=10).moves, pl.data.Augmentation().moves
    (True, False)
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    erase: int = 0
    whole: bool = False

    COLUMNS = 9  # random numbers an image: two shifts, rotation, scale, shear; height, width, y and x to erase

    def __post_init__(self) -> None:
        limits = {"shift": 1e6, "rotate": 180.0, "scale": 0.95, "shear": 75.0, "erase": 1e6}
        for name, limit in limits.items():
            value = getattr(self, name)
            if not 0 <= value <= limit:
                raise PellucidError(f"augmentation {name} = {value}: expected 0 .. {limit:g}")

    @property
    def moves(self) -> bool:
        """Whether images are warped at all."""
        return bool(self.shift or self.rotate or self.scale or self.shear)

    def affine(self, uniform: Array, size: Pair | Array) -> Affine:
        """The map of each image of the batch, from uniform numbers (n, COLUMNS).

        size: (height, width) of all images, or (n, 2) of each one's own part, about whose middle it turns.
        """
        centred = 2.0 * uniform[:, :5] - 1.0
        shift = self.shift * centred[:, 0:2]
        if self.whole:
            most = math.floor(self.shift)
            shift = np.floor(uniform[:, 0:2] * (2 * most + 1)) - most
        return centred_affine(
            shift=shift,
            angle=np.radians(self.rotate) * centred[:, 2],
            scale=1.0 + self.scale * centred[:, 3],
            shear=np.radians(self.shear) * centred[:, 4],
            size=size,
        )

    def erase_from(self, images: Array, uniform: Array, size: Pair | Array | None = None, value: int = 0) -> None:
        """Blank a random rectangle of every image (n, C, H, W) in place, from uniform numbers (n, COLUMNS).

        size: (height, width) of where it may lie, for all images or (n, 2); the whole of them unless given. value:
        what stands there then.
        """
        _, _, H, W = images.shape
        top, bottom, left, right = self.rectangles(uniform, (H, W) if size is None else size).T[:, :, None]
        y, x = np.arange(H), np.arange(W)
        rows, columns = (y >= top) & (y < bottom), (x >= left) & (x < right)
        np.copyto(images, value, where=(rows[:, :, None] & columns[:, None, :])[:, None])

    def rectangles(self, uniform: Array, size: Pair | Array) -> Array:
        """What is blanked of each image, as (n, 4): rows top .. bottom - 1, columns left .. right - 1.

        size: (height, width) of all images, or (n, 2) of each one's own part.
        """
        H, W = np.broadcast_to(np.array(size), (len(uniform), 2)).T
        heights, widths = (np.floor(uniform[:, 5:7] * (self.erase + 1))).T
        tops = np.floor(uniform[:, 7] * (H + heights)) - heights  # so that the rectangle may stand over the edge,
        lefts = np.floor(uniform[:, 8] * (W + widths)) - widths  # and every pixel is hit as often as the others
        return np.stack([tops, tops + heights, lefts, lefts + widths], axis=1)
