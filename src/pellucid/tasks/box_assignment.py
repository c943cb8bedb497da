"""Which places of a detector's map answer for which box.

A map has a place for every `stride` pixels of the image; place (i, j) has its middle at ((j + 1/2) stride,
(i + 1/2) stride).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.data.boxes import PLAIN, Boxes
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array, Pair, Shape


@dataclass(frozen=True, eq=False)
class Assignment:
    """What the places of a batch's maps answer for.

    image, row, column: (P,) the positive places. box: (P,) the box, index into the batch's, of each. ignored: (n, h,
    w) bool, places that count neither way: within a box that isn't PLAIN, and not positive.
    """

    image: Array
    row: Array
    column: Array
    box: Array
    ignored: Array

    def __len__(self) -> int:
        """Number of positive places."""
        return len(self.box)


def assign(targets: Boxes, shape: Pair, stride: int, radius: float) -> Assignment:
    """The assignment for maps of shape (h, w).

    Positive for a box are the place that holds its middle, and those with their middle inside the box and within
    `radius` strides of the box's along both axes ("center sampling", Tian et al. 2020, "FCOS: A Simple and Strong
    Anchor-Free Object Detector", section 2.2). A place that several boxes claim goes to the smallest.
    """
    h, w = shape
    plain = np.flatnonzero(targets.kinds == PLAIN)
    areas = (targets.boxes[:, 2:] - targets.boxes[:, :2]).prod(axis=1)
    order = plain[np.argsort(-areas[plain], kind="stable")]  # smaller ones come later and take over
    boxes, images = targets.boxes[order], targets.images[order]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    home = np.clip((middle / stride).astype(np.int64), 0, [w - 1, h - 1])
    span = np.arange(-int(np.ceil(radius)), int(np.ceil(radius)) + 1)
    dx, dy = (offset.ravel() for offset in np.meshgrid(span, span))
    columns, rows = home[:, 0, None] + dx, home[:, 1, None] + dy
    x, y = (columns + 0.5) * stride, (rows + 0.5) * stride
    inside = (x > boxes[:, 0, None]) & (x < boxes[:, 2, None]) & (y > boxes[:, 1, None]) & (y < boxes[:, 3, None])
    near = np.maximum(np.abs(x - middle[:, 0, None]), np.abs(y - middle[:, 1, None])) <= radius * stride
    claimed = (inside & near) | ((dx == 0) & (dy == 0))
    claimed &= (rows >= 0) & (rows < h) & (columns >= 0) & (columns < w)
    which, offset = np.nonzero(claimed)
    owner = np.full((len(targets), h, w), -1, np.int64)
    owner[images[which], rows[which, offset], columns[which, offset]] = order[which]
    image, row, column = np.nonzero(owner >= 0)
    return Assignment(image, row, column, owner[image, row, column], _ignored(targets, shape, stride) & (owner < 0))


def _ignored(targets: Boxes, shape: Pair, stride: int) -> Array:
    """(n, h, w) whether a place's middle lies within a box that isn't PLAIN."""
    mask = np.zeros((len(targets), *shape), bool)
    for m in np.flatnonzero(targets.kinds != PLAIN):
        x0, y0, x1, y1 = np.ceil(targets.boxes[m] / stride - 0.5).astype(np.int64).clip(0)
        mask[targets.images[m], y0:y1, x0:x1] = True
    return mask


def map_shape(output_shape: Shape, targets: Boxes, stride: int) -> Pair:
    """(h, w) of outputs (K + 5, h, w) of one image.

    Raises PellucidError where they don't lie every `stride` pixels of the canvas.
    """
    _, h, w = output_shape
    H, W = targets.canvas
    if (h * stride, w * stride) != (H, W):
        raise PellucidError(
            f"task detect: stride = {stride}, images of {H}x{W} pixels: expected maps of "
            f"{H / stride:g}x{W / stride:g} places, the network gives {h}x{w}"
        )
    return h, w
