"""Pooling: one number for each window of a channel.

Windows are laid out as in convolution. A window never reads beyond the image: padding and ragged edges only let
windows hang over the rim. What hangs over takes no part in a maximum, nor in an average unless its padding is
counted, as zeros. With `ceil` a last, ragged window is kept for the rows and columns that would otherwise be dropped.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.ops.memory import empty_images


def places(
    size: Pair, output: Pair, kernel: Pair, geometry: Geometry
) -> Iterator[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
    """For each element of the window: its number, the windows in which it is inside the image, and where."""
    stride, before = geometry.stride, geometry.before
    for element in range(kernel[0] * kernel[1]):
        windows, pixels = [], []
        for axis, offset in enumerate(divmod(element, kernel[1])):
            start = offset * geometry.dilation[axis] - before[axis]
            first = max(0, -(start // stride[axis])) if start < 0 else 0
            last = min(output[axis], (size[axis] - 1 - start) // stride[axis] + 1)
            windows.append(slice(first, max(first, last)))
            pixels.append(
                slice(start + first * stride[axis], start + max(first, last) * stride[axis], stride[axis])
                if last > first
                else slice(0, 0)
            )
        yield element, (windows[0], windows[1]), (pixels[0], pixels[1])


def max_pool2d(x: Array, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False) -> tuple[Array, Array]:
    """Largest value of each window: y (N, C, P, Q), and its place in the window, row by row, as `winner`.

    Of equal values the first wins. `winner` is uint8 for windows of up to 256 elements, else int32.
    """
    size = (x.shape[2], x.shape[3])
    output = geometry.output_size(size, kernel, ceil)
    y = empty_images((*x.shape[:2], *output), x.dtype)
    y[...] = -np.inf
    winner = empty_images(y.shape, np.uint8 if kernel[0] * kernel[1] <= 256 else np.int32)
    winner[...] = 0
    for element, windows, pixels in places(size, output, kernel, geometry):
        candidate, best, number = x[:, :, *pixels], y[:, :, *windows], winner[:, :, *windows]
        np.copyto(number, element, where=candidate > best)
        np.maximum(best, candidate, out=best)
    return y, winner


def max_pool2d_backward(
    dy: Array, winner: Array, input_size: Pair, kernel: Pair, geometry: Geometry = PLAIN
) -> Array:
    """Each window's gradient goes to its winner: dx (N, C, H, W) with (H, W) = input_size."""
    dx = empty_images((*dy.shape[:2], *input_size), dy.dtype)
    dx[...] = 0
    for element, windows, pixels in places(input_size, (dy.shape[2], dy.shape[3]), kernel, geometry):
        dx[:, :, *pixels] += dy[:, :, *windows] * (winner[:, :, *windows] == element)
    return dx


def counts(
    size: Pair, output: Pair, kernel: Pair, geometry: Geometry, kind: npt.DTypeLike, count_padding: bool = False
) -> Array:
    """What each window's sum is divided by: (P, Q).

    The pixels of the image that it covers, or with `count_padding` of the image with its padding, but nothing that
    a ragged window covers beyond; at least 1.
    """
    if count_padding:
        top, bottom, left, right = geometry.padding
        size = (top + size[0] + bottom, left + size[1] + right)
        geometry = replace(geometry, padding=PLAIN.padding)
    count = np.zeros(output, kind)
    for _, windows, _ in places(size, output, kernel, geometry):
        count[windows] += 1
    count[count == 0] = 1
    return count


def avg_pool2d(
    x: Array, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False, count_padding: bool = False
) -> Array:
    """Mean over the pixels of the image that each window covers, or with its padding: (N, C, P, Q)."""
    size = (x.shape[2], x.shape[3])
    output = geometry.output_size(size, kernel, ceil)
    y = empty_images((*x.shape[:2], *output), x.dtype)
    y[...] = 0
    for _, windows, pixels in places(size, output, kernel, geometry):
        y[:, :, *windows] += x[:, :, *pixels]
    y /= counts(size, output, kernel, geometry, x.dtype, count_padding)
    return y


def avg_pool2d_backward(
    dy: Array, input_size: Pair, kernel: Pair, geometry: Geometry = PLAIN, count_padding: bool = False
) -> Array:
    """Each window's gradient is shared equally by what it counts: dx (N, C, H, W) with (H, W) = input_size."""
    output = (dy.shape[2], dy.shape[3])
    share = dy / counts(input_size, output, kernel, geometry, dy.dtype, count_padding)
    dx = empty_images((*dy.shape[:2], *input_size), dy.dtype)
    dx[...] = 0
    for _, windows, pixels in places(input_size, output, kernel, geometry):
        dx[:, :, *pixels] += share[:, :, *windows]
    return dx


def global_avg_pool2d(x: Array) -> Array:
    """Mean of each channel of each image: (N, C)."""
    mean: Array = x.mean(axis=(2, 3), dtype=x.dtype)
    return mean


def global_avg_pool2d_backward(dy: Array, input_size: Pair) -> Array:
    """The mean's gradient (N, C), shared equally by the pixels: dx (N, C, H, W)."""
    H, W = input_size
    dx = empty_images((*dy.shape, H, W), dy.dtype)
    dx[...] = (dy / dy.dtype.type(H * W))[:, :, None, None]
    return dx
