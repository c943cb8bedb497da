"""Pooling: one number for each window of a channel.

Windows are laid out as in convolution, without dilation. A window never reads beyond the image: padding and
ragged edges only let windows hang over the rim, and what hangs over takes no part, neither in a maximum nor in
an average. With `ceil` a last, ragged window is kept for the rows and columns that would otherwise be dropped.
"""

import math
from collections.abc import Iterator

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.memory import empty_images


def pooled_size(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    """Number of windows on one axis; with `ceil`, one that only covers padding is not counted."""
    span = size + 2 * padding - kernel
    if not ceil:
        return span // stride + 1
    count = math.ceil(span / stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


def _output(x: Array, kernel: Pair, stride: Pair, padding: Pair, ceil: bool) -> Pair:
    (R, S), (H, W) = kernel, x.shape[2:]
    return pooled_size(H, R, stride[0], padding[0], ceil), pooled_size(W, S, stride[1], padding[1], ceil)


def _places(
    size: Pair, output: Pair, kernel: Pair, stride: Pair, padding: Pair
) -> Iterator[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
    """For each element of the window: its number, the windows in which it is inside the image, and where."""
    for element in range(kernel[0] * kernel[1]):
        windows, pixels = [], []
        for axis, offset in enumerate(divmod(element, kernel[1])):
            start = offset - padding[axis]
            first = max(0, -(start // stride[axis])) if start < 0 else 0
            last = min(output[axis], (size[axis] - 1 - start) // stride[axis] + 1)
            windows.append(slice(first, max(first, last)))
            pixels.append(
                slice(start + first * stride[axis], start + max(first, last) * stride[axis], stride[axis])
                if last > first
                else slice(0, 0)
            )
        yield element, (windows[0], windows[1]), (pixels[0], pixels[1])


def max_pool2d(
    x: Array, kernel: Pair, stride: Pair, padding: Pair = (0, 0), ceil: bool = False
) -> tuple[Array, Array]:
    """Largest value of each window: y (N, C, P, Q), and its place in the window, row by row, as `winner`.

    Of equal values the first wins. `winner` is uint8 for windows of up to 256 elements, else int32.
    """
    P, Q = _output(x, kernel, stride, padding, ceil)
    y = empty_images((*x.shape[:2], P, Q), x.dtype)
    y[...] = -np.inf
    winner = empty_images(y.shape, np.uint8 if kernel[0] * kernel[1] <= 256 else np.int32)
    winner[...] = 0
    for element, windows, pixels in _places((x.shape[2], x.shape[3]), (P, Q), kernel, stride, padding):
        candidate, best, number = x[:, :, *pixels], y[:, :, *windows], winner[:, :, *windows]
        np.copyto(number, element, where=candidate > best)
        np.maximum(best, candidate, out=best)
    return y, winner


def max_pool2d_backward(
    dy: Array, winner: Array, input_size: Pair, kernel: Pair, stride: Pair, padding: Pair = (0, 0)
) -> Array:
    """Each window's gradient goes to its winner: dx (N, C, H, W) with (H, W) = input_size."""
    dx = empty_images((*dy.shape[:2], *input_size), dy.dtype)
    dx[...] = 0
    output = (dy.shape[2], dy.shape[3])
    for element, windows, pixels in _places(input_size, output, kernel, stride, padding):
        dx[:, :, *pixels] += dy[:, :, *windows] * (winner[:, :, *windows] == element)
    return dx


def _counts(size: Pair, output: Pair, kernel: Pair, stride: Pair, padding: Pair, like: Array) -> Array:
    """How many pixels of the image each window covers: (P, Q)."""
    counts = np.zeros(output, like.dtype)
    for _, windows, _ in _places(size, output, kernel, stride, padding):
        counts[windows] += 1
    return counts


def avg_pool2d(x: Array, kernel: Pair, stride: Pair, padding: Pair = (0, 0), ceil: bool = False) -> Array:
    """Mean over the pixels of the image that each window covers: (N, C, P, Q)."""
    size, output = (x.shape[2], x.shape[3]), _output(x, kernel, stride, padding, ceil)
    y = empty_images((*x.shape[:2], *output), x.dtype)
    y[...] = 0
    for _, windows, pixels in _places(size, output, kernel, stride, padding):
        y[:, :, *windows] += x[:, :, *pixels]
    y /= _counts(size, output, kernel, stride, padding, x)
    return y


def avg_pool2d_backward(dy: Array, input_size: Pair, kernel: Pair, stride: Pair, padding: Pair = (0, 0)) -> Array:
    """Each window's gradient is shared equally by its pixels: dx (N, C, H, W) with (H, W) = input_size."""
    output = (dy.shape[2], dy.shape[3])
    share = dy / _counts(input_size, output, kernel, stride, padding, dy)
    dx = empty_images((*dy.shape[:2], *input_size), dy.dtype)
    dx[...] = 0
    for _, windows, pixels in _places(input_size, output, kernel, stride, padding):
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
