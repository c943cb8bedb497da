"""How far two boxes agree: the IoU and its relatives, with their derivatives.

With the area I of what boxes A and B share, U of what either covers, C of the smallest box around both, d the
distance of their middles and c the diagonal of that smallest box:

    IoU     I / U
    GIoU    IoU - (C - U) / C       negative and falling as boxes without overlap part (Rezatofighi et al. 2019)
    DIoU    IoU - d^2 / c^2         draws the middles together even where one lies in the other (Zheng et al. 2020)

Boxes are (M, 4), x0, y0, x1, y1, of any float type.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.ops.arrays import Array


def pairwise_iou(a: Array, b: Array, crowd: Array | None = None) -> Array:
    """IoU of each box of a (M, 4) with each of b (K, 4): (M, K), 0 where neither has an area.

    crowd: (K,) bool; with a region of many the shared area counts as a part of a's alone, as COCO has it.
    """
    shared = pairwise_shared(a, b)
    own = areas(a)[:, None]
    union = own + areas(b) - shared
    if crowd is not None:
        union = np.where(crowd, own, union)
    iou: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return iou


def pairwise_shared(a: Array, b: Array) -> Array:
    """The area that each box of a (M, 4) shares with each of b (K, 4): (M, K)."""
    sides = []
    for low, high in ((0, 2), (1, 3)):  # an axis at a time, as NumPy is fast on long rows
        side = np.minimum(a[:, high, None], b[:, high]) - np.maximum(a[:, low, None], b[:, low])
        sides.append(np.maximum(side, 0, out=side))
    shared: Array = np.multiply(sides[0], sides[1], out=sides[0])
    return shared


def areas(boxes: Array) -> Array:
    """(M,) width times height."""
    found: Array = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return found


class Overlap:
    """IoU of boxes a with boxes b, pair by pair, and what its derivatives for a's edges are made of."""

    def __init__(self, a: Array, b: Array) -> None:
        self.a, self.b = a, b
        self.width, self.height = a[:, 2] - a[:, 0], a[:, 3] - a[:, 1]
        inner = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
        self.meets: Array = np.all(inner > 0, axis=1)
        inner = np.where(self.meets[:, None], inner, 0)
        self.shared = inner[:, 0] * inner[:, 1]
        self.union = self.width * self.height + areas(b) - self.shared
        self.iou = self.shared / self.union
        # an edge of a moves the shared area where it is the one that bounds it
        within = np.concatenate([a[:, :2] > b[:, :2], a[:, 2:] < b[:, 2:]], axis=1) & self.meets[:, None]
        self.d_shared = _SIGNS.astype(a.dtype) * within * inner[:, [1, 0, 1, 0]]
        sides = np.stack([self.height, self.width] * 2, axis=1)
        self.d_union = _SIGNS.astype(a.dtype) * sides - self.d_shared
        self.outside = np.concatenate([a[:, :2] < b[:, :2], a[:, 2:] > b[:, 2:]], axis=1)

    @property
    def d_iou(self) -> Array:
        """(M, 4) derivative of the IoU for each edge of a."""
        union = self.union[:, None]
        found: Array = self.d_shared / union - self.d_union * (self.shared / self.union**2)[:, None]
        return found

    def hull(self) -> tuple[Array, Array]:
        """Sides (M, 2) of the smallest box around both, and their derivatives (M, 4) for each edge of a."""
        sides = np.maximum(self.a[:, 2:], self.b[:, 2:]) - np.minimum(self.a[:, :2], self.b[:, :2])
        return sides, _SIGNS.astype(sides.dtype) * self.outside

    def pattern(self) -> Array:
        """Which edges bound what, that is on which side of its kinks the measure is taken."""
        inner = np.concatenate([self.a[:, :2] > self.b[:, :2], self.a[:, 2:] < self.b[:, 2:]], axis=1)
        return np.concatenate([inner, self.meets[:, None]], axis=1)


_SIGNS = np.array([-1.0, -1.0, 1.0, 1.0])  # a's right and lower edge grow it, its left and upper one shrink it


def iou_measure(overlap: Overlap) -> tuple[Array, Array]:
    """IoU (M,), and its derivative (M, 4)."""
    return overlap.iou, overlap.d_iou


def giou_measure(overlap: Overlap) -> tuple[Array, Array]:
    """GIoU (M,), and its derivative (M, 4)."""
    sides, d_sides = overlap.hull()
    hull = sides[:, 0] * sides[:, 1]
    d_hull = d_sides * sides[:, [1, 0, 1, 0]]
    derivative = overlap.d_iou + overlap.d_union / hull[:, None] - d_hull * (overlap.union / hull**2)[:, None]
    return overlap.iou - 1 + overlap.union / hull, derivative


def diou_measure(overlap: Overlap) -> tuple[Array, Array]:
    """DIoU (M,), and its derivative (M, 4)."""
    sides, d_sides = overlap.hull()
    diagonal = (sides**2).sum(axis=1)
    apart = (overlap.a[:, :2] + overlap.a[:, 2:] - overlap.b[:, :2] - overlap.b[:, 2:]) / 2
    distance = (apart**2).sum(axis=1)
    d_distance = apart[:, [0, 1, 0, 1]]  # of the square; the middle moves half as far as an edge
    d_diagonal = 2 * d_sides * sides[:, [0, 1, 0, 1]]
    derivative = (d_diagonal * (distance / diagonal)[:, None] - d_distance) / diagonal[:, None]
    return overlap.iou - distance / diagonal, overlap.d_iou + derivative


MEASURES: dict[str, Callable[[Overlap], tuple[Array, Array]]] = {
    "iou": iou_measure,
    "giou": giou_measure,
    "diou": diou_measure,
}
"""By the name that recipes use; a loss is 1 - measure."""
