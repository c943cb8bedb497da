"""Training images put together of four: a step sees objects of more images, and more of them cut by an edge.

Source: Bochkovskiy, Wang, Liao 2020, "YOLOv4", section 3.3. There the four are made smaller; here `crop.scale` says
how large they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.data.boxes import Boxes
from pellucid.data.randomness import uniform_rows
from pellucid.ops.arrays import Array, Pair

OTHERS = 3
_COLUMNS = 1 + OTHERS + 2  # random numbers an image: whether, which others, row and column where the four meet


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Which images of a batch of `count` get three others beside them.

    hosts: (m,) places in the batch. others: (m, 3) indices in the data set; their images stand behind the batch's, in
    this order. middle: (m, 2) row and column where the four meet. size: (H, W) of the images.
    """

    count: int
    hosts: Array
    others: Array
    middle: Array
    size: Pair

    def regions(self) -> Array:
        """(count + 3 m, 4) x0, y0, x1, y1: what is shown of each image, the batch's and the others."""
        H, W = self.size
        regions = np.tile(np.array([0, 0, W, H]), (self.count + self.others.size, 1))
        y, x = self.middle.T
        regions[self.hosts, 2:] = self.middle[:, ::-1]
        right, below, last = (regions[self.count + k :: OTHERS] for k in range(OTHERS))
        right[:, 0], right[:, 3] = x, y
        below[:, 1], below[:, 2] = y, x
        last[:, 0], last[:, 1] = x, y
        return regions

    def joined(self, images: Array) -> Array:
        """Images (count, C, H, W), or masks (count, H, W), of those (count + 3 m, ...) that regions are shown of."""
        regions = self.regions()
        for j, host in enumerate(self.hosts):
            for k in range(self.count + OTHERS * j, self.count + OTHERS * (j + 1)):
                x0, y0, x1, y1 = regions[k]
                images[host, ..., y0:y1, x0:x1] = images[k, ..., y0:y1, x0:x1]
        return images[: self.count]

    def joined_boxes(self, boxes: Boxes) -> Boxes:
        """The boxes of `count` images, of those of count + 3 m, which are cut to their regions."""
        parts = np.ones(self.count, np.int64)
        parts[self.hosts] += OTHERS
        place = np.cumsum(parts) - parts
        rows = np.empty(parts.sum(), np.int64)
        rows[place] = np.arange(self.count)
        behind = place[self.hosts, None] + np.arange(1, OTHERS + 1)
        rows[behind] = self.count + np.arange(self.others.size).reshape(-1, OTHERS)
        return boxes.joined(rows, parts)


def drawn_mosaic(
    probability: float, seed: int, epoch: int, first: int, count: int, images: int, size: Pair
) -> Mosaic | None:
    """The mosaics among `count` images from place `first` of the epoch's order on; None where there are none.

    images: of the data set. They depend on seed, epoch and place alone, and meet in the middle half of (H, W).
    """
    uniform = uniform_rows(seed, "mosaic", epoch, first, count, _COLUMNS)
    hosts = np.flatnonzero(uniform[:, 0] < probability)
    if not len(hosts):
        return None
    others = (uniform[hosts, 1 : 1 + OTHERS] * images).astype(np.intp)
    middle = np.rint((0.25 + 0.5 * uniform[hosts, 1 + OTHERS :]) * np.array(size)).astype(np.int64)
    return Mosaic(count, hosts, others, middle, size)


def moved_rows(
    mosaic: Mosaic | None, seed: int, purpose: str, epoch: int, first: int, count: int, columns: int
) -> Array:
    """`uniform_rows` of the batch's images, and of the others of mosaics behind them."""
    rows = uniform_rows(seed, purpose, epoch, first, count, columns)
    if mosaic is None:
        return rows
    more = uniform_rows(seed, f"{purpose} mosaic", epoch, OTHERS * first, OTHERS * count, columns)
    return np.concatenate([rows, more.reshape(count, OTHERS, columns)[mosaic.hosts].reshape(-1, columns)])


def are_masks(targets: Any) -> bool:
    """Whether targets are masks (n, H, W)."""
    return isinstance(targets, np.ndarray) and targets.ndim == 3
