"""Arrays laid out as kernels read them: images channels last, or in a frame; rows of channels; vectors; words."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.ops.arrays import Pair, Shape
from pellucid.ops.cuda_ops.arrays import BFLOAT16, DeviceArray, assign, contiguous, empty_images, fill, memory_order
from pellucid.ops.cuda_ops.types import PAIR


def channels_last(x: DeviceArray) -> DeviceArray:
    """The images themselves where they are stored channels last, else a copy that is."""
    if x.transpose(0, 2, 3, 1).flags.c_contiguous:
        return x
    y = empty_images(x.shape, x.dtype)
    assign(y, x)
    return y


def padded(x: DeviceArray, padding: tuple[int, int, int, int] | Pair, value: float = 0.0) -> DeviceArray:
    """Images with a frame of `value` around them: padding is (top, bottom, left, right), or (rows, columns)."""
    top, bottom, left, right = padding if len(padding) == 4 else (padding[0],) * 2 + (padding[1],) * 2
    if not (top or bottom or left or right):
        return channels_last(x)
    N, C, H, W = x.shape
    frame = empty_images((N, C, H + top + bottom, W + left + right), x.dtype)
    fill(frame, value)
    frame[:, :, top : top + H, left : left + W] = x
    return frame


def places(x: DeviceArray) -> DeviceArray:
    """Images (N, C, ...) as one row of channels a place: (N * ..., C), C-contiguous."""
    rows = contiguous(x.transpose(0, *range(2, x.ndim), 1))
    return rows.reshape(-1, x.shape[1]) if x.size else rows.reshape(0, x.shape[1])


def from_places(rows: DeviceArray, shape: Shape) -> DeviceArray:
    """Rows of channels as images of shape (N, C, ...), stored channels last."""
    return rows.reshape(shape[0], *shape[2:], rows.shape[1]).transpose(0, len(shape) - 1, *range(1, len(shape) - 1))


def flat(*arrays: DeviceArray) -> tuple[list[DeviceArray], Any]:
    """Arrays of one shape as vectors in the memory order of the first, and how a vector gets back to the shape.

    Where an array lies in another order, or with gaps, a copy takes its place.
    """
    first = arrays[0]
    order = memory_order(first)
    vectors = [contiguous(x.transpose(order)).reshape(-1) for x in arrays]
    shape = tuple(first.shape[axis] for axis in order)
    back = tuple(int(axis) for axis in np.argsort(order))
    return vectors, lambda vector: vector.reshape(shape).transpose(back)


def words(*arrays: DeviceArray) -> tuple[list[DeviceArray], str]:
    """Contiguous arrays of one type as their words, by the last axis, and the type of these for kernels.

    bfloat16 go two by two where every last axis is even and begins where a word may.
    """
    kind = arrays[0].dtype
    if kind != BFLOAT16 or any(x.shape[-1] % 2 or x.address % 4 for x in arrays):
        return list(arrays), kind.name
    return [x.view(np.uint32) for x in arrays], PAIR
