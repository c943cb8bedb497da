"""Connected parts of a mask: which belong to the drawing, which are specks."""

import numpy as np

from pellucid.ops.arrays import Array

GRID = 128  # cells of the longer side: parts are told apart at this fineness
SHARE = 0.05  # of the largest part's mass, from which on a part belongs to the drawing


def main_parts(mask: Array, weight: Array) -> Array:
    """Mask of the parts that matter: those with at least SHARE of the mass (sum of weight) of the heaviest.

    Both (H, W). Parts whose cells on the coarse grid touch, at a corner too, count as one.
    """
    cell = -(-max(mask.shape) // GRID)
    coarse = _sums(mask * weight, cell)
    labels = label_parts(coarse > 0)
    masses = np.bincount(labels.ravel(), coarse.ravel())
    masses[0] = 0
    keep = masses >= SHARE * masses.max()
    keep[0] = False
    H, W = mask.shape
    kept: Array = keep[labels].repeat(cell, 0).repeat(cell, 1)[:H, :W]
    return kept


def _sums(values: Array, cell: int) -> Array:
    """Sums over square cells; the last ones are filled up with zeros."""
    H, W = values.shape
    frame = np.pad(values, ((0, -H % cell), (0, -W % cell)))
    sums: Array = frame.reshape(frame.shape[0] // cell, cell, frame.shape[1] // cell, cell).sum((1, 3))
    return sums


def label_parts(mask: Array) -> Array:
    """Number of the connected part (8 neighbours) that each cell of a mask belongs to, from 1; 0 outside.

    Rows are taken apart into runs; runs of neighbouring rows that touch are joined, and the first one of all that are
    joined is their root: the larger of two roots is hung below the smaller until no pair has two.
    """
    H, W = mask.shape
    width = W + 2  # with an empty cell on either side, so that no run goes on in the next row
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).ravel().astype(np.int8), prepend=0)
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    first, last = np.searchsorted(ends, starts + width), np.searchsorted(starts, ends + width, side="right")
    counts = last - first  # of the runs below that touch, at a corner too
    above = np.repeat(np.arange(len(starts)), counts)
    below = np.arange(len(above)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    root = np.arange(len(starts))
    while (root[above] != root[below]).any():
        pair = np.sort([root[above], root[below]], axis=0)
        np.minimum.at(root, pair[1], pair[0])
        while (root[root] != root).any():
            root = root[root]
    numbers = np.unique(root, return_inverse=True)[1] + 1
    changes = np.zeros(H * width, np.int64)
    changes[starts], changes[ends] = numbers, -numbers
    parts: Array = changes.cumsum().reshape(H, width)[:, 1:-1]
    return parts
