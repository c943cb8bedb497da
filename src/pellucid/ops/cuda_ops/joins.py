"""Values of several inputs: added, multiplied, put side by side."""

from typing import Any

from numba import cuda

from pellucid.ops.arrays import Shape
from pellucid.ops.cuda_ops.activation import elementwise
from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty, empty_images
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, WORD_TYPES, Kernel, blocks, kernel, narrow, pack, real, upper, wide
from pellucid.ops.cuda_ops.layouts import channels_last, places


def add(x: DeviceArray, y: DeviceArray) -> DeviceArray:
    """x + y; y of x's shape, or (N, C, 1, 1)."""
    return _joined(_add, _add_map, x, y)


def multiply(x: DeviceArray, y: DeviceArray) -> DeviceArray:
    """x * y; y of x's shape, or (N, C, 1, 1)."""
    return _joined(_multiply, _multiply_map, x, y)


def _joined(same: Kernel, by_image: Kernel, x: DeviceArray, y: DeviceArray) -> DeviceArray:
    if x.shape == y.shape:
        return elementwise(same, (channels_last(x) if x.ndim == 4 else contiguous(x), y))
    z = empty_images(x.shape, x.dtype)
    if z.size:
        N, C = x.shape[:2]
        values, factors = places(x).reshape(N, -1, C), contiguous(y.reshape(N, C))
        launch(by_image.of(x.dtype.name), blocks(z.size), THREADS, values, factors, places(z).reshape(N, -1, C))
    return z


def unbroadcast(dy: DeviceArray, shape: Shape) -> DeviceArray:
    """Adjoint of repeating an array of that shape along its axes of length 1: the sum of dy along them."""
    repeated = [axis for axis, size in enumerate(shape) if size == 1 and dy.shape[axis] != 1]
    if not repeated:
        return dy
    total = empty(shape, dy.dtype)
    N, C = dy.shape[:2]
    if repeated == [2, 3]:  # each channel over its pixels, side by side as they are stored
        values, sums = places(dy).reshape(N, -1, C), total.reshape(N, C)
    else:
        order = [axis for axis in range(dy.ndim) if axis not in repeated] + repeated
        rows = contiguous(dy.transpose(order))
        values, sums = rows.reshape(total.size, -1, 1), total.reshape(-1, 1)
    launch(_sum_pixels.of(dy.dtype.name), blocks(total.size), THREADS, values, sums)
    return total


def concat(*arrays: DeviceArray) -> DeviceArray:
    """Arrays side by side along axis 1."""
    first, channels = arrays[0], sum(x.shape[1] for x in arrays)
    shape = (first.shape[0], channels, *first.shape[2:])
    y = empty_images(shape, first.dtype) if len(shape) == 4 else empty(shape, first.dtype)
    start = 0
    for x in arrays:
        y[:, start : start + x.shape[1]] = x
        start += x.shape[1]
    return y


def split(dy: DeviceArray, channels: Any) -> list[DeviceArray]:
    """The adjoint of concat: parts of so many channels each, as copies of their own."""
    parts, start = [], 0
    for count in channels:
        shape = (dy.shape[0], count, *dy.shape[2:])
        part = empty_images(shape, dy.dtype) if len(shape) == 4 else empty(shape, dy.dtype)
        part[...] = dy[:, start : start + count]
        parts.append(part)
        start += count
    return parts


@kernel("T1 T1 T1", WORD_TYPES)
def _add(x: Any, y: Any, z: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        first, second = x[i], y[i]
        z[i] = pack(wide(first) + wide(second), upper(first) + upper(second))


@kernel("T1 T1 T1")
def _multiply(x: Any, y: Any, z: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        z[i] = narrow(wide(x[i]) * wide(y[i]))


@kernel("T3 T2 T3")
def _add_map(x: Any, y: Any, z: Any) -> None:
    pixels, channels = x.shape[1], x.shape[2]
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        c, place = i % channels, i // channels
        n, pixel = place // pixels, place % pixels
        z[n, pixel, c] = narrow(wide(x[n, pixel, c]) + wide(y[n, c]))


@kernel("T3 T2 T3")
def _multiply_map(x: Any, y: Any, z: Any) -> None:
    pixels, channels = x.shape[1], x.shape[2]
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        c, place = i % channels, i // channels
        n, pixel = place // pixels, place % pixels
        z[n, pixel, c] = narrow(wide(x[n, pixel, c]) * wide(y[n, c]))


@kernel("T3 T2")
def _sum_pixels(dy: Any, total: Any) -> None:
    channels = total.shape[1]
    for i in range(cuda.grid(1), total.size, cuda.gridsize(1)):
        n, c = i // channels, i % channels
        own = real(0)
        for pixel in range(dy.shape[1]):
            own += wide(dy[n, pixel, c])
        total[n, c] = narrow(own)
