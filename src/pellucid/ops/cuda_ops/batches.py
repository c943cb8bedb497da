"""Batches made on the device from images that lie there: gathered, moved, erased and normalised in one pass.

The definition is the data loader's own code (data/loader.py, data/geometry.py, data/augmentation.py); the random
numbers are drawn on the host, an epoch ahead, so that the host and the device see the same pictures.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, helper, kernel, narrow, real, split, wide
from pellucid.ops.cuda_ops.pooling import rows

FIRST = 1  # place in the counters (see steps.py) of the batch's first row in the epoch's order


def gather(
    pixels: DeviceArray,
    labels: DeviceArray,
    order: DeviceArray,
    counters: DeviceArray,
    affine: DeviceArray | None,
    erased: DeviceArray | None,
    white: float,
    mean: DeviceArray,
    std: DeviceArray,
    x: DeviceArray,
    t: DeviceArray,
) -> None:
    """Fill x (n, C, P, Q) and t (n,) with the rows of the epoch's order from the place in the counters on.

    P, Q: of the new images, those of the old ones but where `affine` says where pixels come from.
    pixels: (N, H, W, C) uint8. labels: (N,) int64. order: (N,) int32. affine: (N, 6) float32, a row for each place
    in the order: matrix, then offset, from a new pixel (y, x) to the old one. erased: (N, 4) int32, top, bottom,
    left and right of what is blanked. mean, std: (C,) float32.
    """
    moves, erases = affine is not None, erased is not None
    maps = affine if affine is not None else mean.reshape(1, -1)
    holes = erased if erased is not None else order.reshape(1, -1)
    numbers = int(moves), int(erases), float(white)
    arguments = pixels, labels, order, counters, maps, holes, *numbers, mean, std, rows(x), t
    launch(_gather.of(x.dtype.name), blocks(x.size // x.shape[1]), THREADS, *arguments)


@helper
def pixel(pixels: Any, n: int, y: int, x: int, c: int) -> Any:
    """The old image there; black beyond it."""
    if 0 <= y < pixels.shape[1] and 0 <= x < pixels.shape[2]:
        return np.float32(pixels[n, y, x, c])
    return np.float32(0)


@kernel("B4 L1 I1 L1 F2 I2 n n r F1 F1 T4 L1", ("float32", "float64", "float16", "bfloat16"))
def _gather(
    pixels: Any, labels: Any, order: Any, counters: Any, affine: Any, erased: Any, moves: int, erases: int,
    white: Any, mean: Any, std: Any, x: Any, t: Any,
) -> None:  # fmt: skip
    """A thread a pixel of the new images, for all its channels."""
    n, H, W, C = x.shape
    first = counters[FIRST]
    for i in range(cuda.grid(1), n * H * W, cuda.gridsize(1)):
        rows, column = split(i, W)
        image, row = split(rows, H)
        place = first + image
        sample = order[place]
        if row == 0 and column == 0:
            t[image] = labels[sample]
        blank = 0
        if erases:
            inside = erased[place, 0] <= row < erased[place, 1] and erased[place, 2] <= column < erased[place, 3]
            blank = 1 if inside else 0
        top, left, down, across = row, column, np.float32(0), np.float32(0)
        if moves:
            fy = affine[place, 0] * np.float32(row) + affine[place, 4] + affine[place, 1] * np.float32(column)
            fx = affine[place, 2] * np.float32(row) + affine[place, 5] + affine[place, 3] * np.float32(column)
            fy = min(max(fy, np.float32(-2)), np.float32(pixels.shape[1]))
            fx = min(max(fx, np.float32(-2)), np.float32(pixels.shape[2]))
            whole_y, whole_x = np.float32(math.floor(fy)), np.float32(math.floor(fx))
            top, left, down, across = int(whole_y), int(whole_x), fy - whole_y, fx - whole_x
        for c in range(C):
            value = pixel(pixels, sample, top, left, c)
            if moves:
                other = pixel(pixels, sample, top, left + 1, c)
                upper = value + (other - value) * across
                value = pixel(pixels, sample, top + 1, left, c)
                other = pixel(pixels, sample, top + 1, left + 1, c)
                lower = value + (other - value) * across
                value = upper + (lower - upper) * down
            if blank:
                value = np.float32(0)
            number = wide(narrow(real(wide(narrow(real(value))) / white)))  # rounded after each step, as on the host
            number = wide(narrow(number - real(mean[c])))
            x[image, row, column, c] = narrow(number / real(std[c]))
