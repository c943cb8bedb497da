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

    Each cell takes the largest number around it until none changes; the numbers that are left are the parts'.
    """
    labels = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        frame = np.pad(labels, 1)
        rows = np.maximum(np.maximum(frame[:-2], frame[1:-1]), frame[2:])
        largest = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]) * mask
        if (largest == labels).all():
            break
        labels = largest
    _, numbers = np.unique(labels, return_inverse=True)
    return numbers.reshape(mask.shape) + (0 if (~mask).any() else 1)
