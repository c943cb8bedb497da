"""Where objects are on images: what random windows of large photographs, which are mostly empty, are laid around."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.data.boxes import PLAIN, Boxes
from pellucid.data.mosaic import are_masks
from pellucid.errors import PellucidError
from pellucid.ops.arrays import Array

COLUMNS = 3  # random numbers an image: whether, which object or class, which of its pixels


def drawn_objects(uniform: Array, probability: float, targets: Any, ignored: int) -> Array:
    """(n, 4) x0, y0, x1, y1 of one object of each image, drawn by uniform numbers (n, COLUMNS); NaN for none.

    Of boxes one is drawn, all alike; of a mask (H, W) first a class on it, then one of its pixels, so that what is
    rare is seen as often as what is not. probability: that the image gets one. ignored: the mask's value of no class.
    Raises PellucidError for targets of other kinds.
    """
    found = np.full((len(uniform), 4), np.nan)
    chosen = np.flatnonzero(uniform[:, 0] < probability)
    if isinstance(targets, Boxes):
        for i in chosen.tolist():
            boxes, _, kinds = targets.of(i)
            plain = boxes[kinds == PLAIN]
            if len(plain):
                found[i] = plain[int(uniform[i, 1] * len(plain))]
    elif are_masks(targets):
        for i in chosen.tolist():
            counts = np.bincount(targets[i].ravel(), minlength=ignored + 1)
            counts[ignored] = 0
            present = np.flatnonzero(counts)
            if len(present):
                label = present[int(uniform[i, 1] * len(present))]
                place = np.flatnonzero(targets[i] == label)[int(uniform[i, 2] * counts[label])]
                y, x = divmod(int(place), targets.shape[2])
                found[i] = x, y, x + 1, y + 1
    else:
        raise PellucidError("crop.objects: for images with boxes or masks, expected 0 for others")
    return found
