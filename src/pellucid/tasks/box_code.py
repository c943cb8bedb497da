"""How a place of a detector's map says where a box is.

Place (i, j) has its middle at ((j + 1/2) stride, (i + 1/2) stride). It says of a box

    dx, dy    how far the box's middle lies from its own, in strides
    tw, th    the logarithm of the box's width and height over `base` pixels, bounded: L tanh(t / L), L = `log_range`

so that a box of any size is four numbers of about 1, no number makes a size overflow, and a box narrower than the
stride, which may have no place inside it, can be told as well as any other: distances to its edges (FCOS) would have
to be negative there.
"""

from dataclasses import dataclass

import numpy as np

from pellucid.ops.arrays import Array


@dataclass(frozen=True)
class BoxCode:
    """How four numbers are a box; see this module. stride, base: pixels. log_range: L."""

    stride: int
    base: float
    log_range: float

    def boxes(self, raw: Array, row: Array, column: Array) -> Array:
        """Boxes (P, 4) of raw outputs (P, 4), dx, dy, tw, th, of the places in those rows and columns."""
        place = np.stack([column, row], axis=1).astype(raw.dtype) + raw.dtype.type(0.5)
        middle = (place + raw[:, :2]) * raw.dtype.type(self.stride)
        L = raw.dtype.type(self.log_range)
        half = np.exp(L * np.tanh(raw[:, 2:] / L)) * raw.dtype.type(self.base / 2)
        return np.concatenate([middle - half, middle + half], axis=1)

    def gradient(self, d_boxes: Array, boxes: Array, raw: Array) -> Array:
        """From the gradient (P, 4) for the edges of those boxes to that for the raw outputs (P, 4) that gave them."""
        half = (boxes[:, 2:] - boxes[:, :2]) / 2
        d_middle = (d_boxes[:, :2] + d_boxes[:, 2:]) * d_boxes.dtype.type(self.stride)
        d_bounded = 1 - np.square(np.tanh(raw[:, 2:] / raw.dtype.type(self.log_range)))
        return np.concatenate([d_middle, (d_boxes[:, 2:] - d_boxes[:, :2]) * half * d_bounded], axis=1)
