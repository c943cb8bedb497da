"""Integer arithmetic of a quantised network, exact and the same numbers as numpy_ops: one thread an output.

Sums have 32 bits, and the caller sees to it that no total passes them; rescaling has 64.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.arrays import Pair
from pellucid.ops.cuda_ops.activation import relu
from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty_images
from pellucid.ops.cuda_ops.arrays import zeros as zeroed
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, helper, kernel
from pellucid.ops.cuda_ops.pooling import inside, max_pool2d, rows, window_numbers
from pellucid.ops.cuda_ops.tiles import numbers
from pellucid.ops.geometry import PLAIN, Geometry

HIGHEST = 255  # of an activation
LARGEST = int(np.iinfo(np.int32).max)


def integer_conv2d(
    x: DeviceArray,
    w: DeviceArray,
    b: DeviceArray,
    multiplier: DeviceArray,
    shift: DeviceArray,
    zeros: Pair = (0, 0),
    low: int = 0,
    geometry: Geometry = PLAIN,
    pool: int = 1,
    high: int = HIGHEST,
) -> DeviceArray:
    """Convolution, rescaled and clipped to low .. high, of the largest of each pool x pool totals: uint8."""
    P, Q = geometry.output_size((x.shape[2], x.shape[3]), (w.shape[2], w.shape[3]))
    y = empty_images((x.shape[0], w.shape[0], P // pool, Q // pool), np.uint8)
    _run(_convolve.of("uint8"), x, w, b, multiplier, shift, zeros[0], zeros[1], (low, high), geometry, pool, y)
    return y


def integer_logits(
    x: DeviceArray,
    w: DeviceArray,
    b: DeviceArray,
    multiplier: DeviceArray,
    shift: DeviceArray,
    zero: int = 0,
    geometry: Geometry = PLAIN,
) -> DeviceArray:
    """The last layer: round(total * factor), not clipped: (N, K, P, Q) int32."""
    P, Q = geometry.output_size((x.shape[2], x.shape[3]), (w.shape[2], w.shape[3]))
    y = empty_images((x.shape[0], w.shape[0], P, Q), np.int32)
    _run(_convolve.of("int32"), x, w, b, multiplier, shift, zero, 0, (-LARGEST - 1, LARGEST), geometry, 1, y)
    return y


def integer_conv_transpose2d(
    x: DeviceArray,
    w: DeviceArray,
    b: DeviceArray,
    multiplier: DeviceArray,
    shift: DeviceArray,
    size: Pair,
    zeros: Pair = (0, 0),
    low: int = 0,
    geometry: Geometry = PLAIN,
    pool: int = 1,
    high: int = HIGHEST,
) -> DeviceArray:
    """The transposed convolution's totals as activations, pooled: uint8; see integer_conv2d."""
    y = empty_images((x.shape[0], w.shape[0], size[0] // pool, size[1] // pool), np.uint8)
    limits = low, high
    _run(_convolve_transposed.of("uint8"), x, w, b, multiplier, shift, zeros[0], zeros[1], limits, geometry, pool, y)
    return y


def integer_transposed_logits(
    x: DeviceArray,
    w: DeviceArray,
    b: DeviceArray,
    multiplier: DeviceArray,
    shift: DeviceArray,
    size: Pair,
    zero: int = 0,
    geometry: Geometry = PLAIN,
) -> DeviceArray:
    """A last layer that is a transposed convolution: round(total * factor), not clipped: (N, K, *size) int32."""
    y = empty_images((x.shape[0], w.shape[0], *size), np.int32)
    limits = -LARGEST - 1, LARGEST
    _run(_convolve_transposed.of("int32"), x, w, b, multiplier, shift, zero, 0, limits, geometry, 1, y)
    return y


def _run(
    one: Any,
    x: DeviceArray,
    w: DeviceArray,
    b: DeviceArray,
    multiplier: DeviceArray,
    shift: DeviceArray,
    zero: int,
    result_zero: int,
    limits: Pair,
    geometry: Geometry,
    pool: int,
    y: DeviceArray,
) -> None:
    if y.size:
        vectors = [contiguous(v).astype(np.int32, copy=False) for v in (b, multiplier, shift)]
        settings = zero, result_zero, *limits, pool, geometry.groups, *numbers(geometry)
        launch(one, blocks(y.size), THREADS, rows(x), contiguous(w), *vectors, *settings, rows(y))


def integer_sum(xs: Sequence[DeviceArray], zeros: Sequence[int], multipliers: Sequence[int]) -> DeviceArray:
    """Sum of (x - zero) * multiplier over images xs (N, C, H, W) uint8 of one shape, or of one pixel: int32."""
    N, C = xs[0].shape[:2]
    H, W = (max(x.shape[axis] for x in xs) for axis in (2, 3))
    y = zeroed((N, H, W, C), np.int32)
    for x, zero, multiplier in zip(xs, zeros, multipliers, strict=True):
        if y.size:
            launch(_add.of("int32"), blocks(y.size), THREADS, _pixels(x), zero, multiplier, y.reshape(N, H * W, C))
    return y.transpose(0, 3, 1, 2)


def integer_add(
    xs: Sequence[DeviceArray],
    zeros: Sequence[int],
    multipliers: Sequence[int],
    shift: int,
    zero: int = 0,
    low: int = 0,
    high: int = HIGHEST,
) -> DeviceArray:
    """The sum of images, each with a scale of its own: zero + round(integer_sum / 2^shift), clipped, uint8."""
    total = integer_sum(xs, zeros, multipliers)
    y = empty_images(total.shape, np.uint8)
    if y.size:
        vectors = rows(total).reshape(-1), rows(y).reshape(-1)
        launch(_round.of("uint8"), blocks(y.size), THREADS, vectors[0], shift, zero, low, high, vectors[1])
    return y


def integer_multiply(
    x: DeviceArray,
    by: DeviceArray,
    zeros: Pair,
    multiplier: int,
    shift: int,
    zero: int = 0,
    low: int = 0,
    high: int = HIGHEST,
) -> DeviceArray:
    """The product of images: zero + round((x - zeros[0]) (by - zeros[1]) multiplier / 2^shift), clipped, uint8.

    by: of x's shape, or of one pixel, (N, C, 1, 1).
    """
    y = empty_images(x.shape, np.uint8)
    if y.size:
        settings = *zeros, multiplier, shift, zero, low, high
        launch(_multiply.of("uint8"), blocks(y.size), THREADS, _pixels(x), _pixels(by), *settings, _pixels(y))
    return y


def integer_concat(xs: Sequence[DeviceArray], tables: DeviceArray) -> DeviceArray:
    """Images (N, C, H, W) uint8 side by side along the channels, each number by its image's table (n, 256) uint8."""
    N, _, H, W = xs[0].shape
    y = empty_images((N, sum(x.shape[1] for x in xs), H, W), np.uint8)
    first = 0
    each = contiguous(tables)
    for x, i in zip(xs, range(len(each)), strict=True):
        if x.size:
            launch(_look_up.of("uint8"), blocks(x.size), THREADS, _pixels(x), each[i], first, _pixels(y))
        first += x.shape[1]
    return y


def _pixels(x: DeviceArray) -> DeviceArray:
    """Images as they are stored, pixels in one row: (N, H * W, C)."""
    N, C, H, W = x.shape
    return rows(x).reshape(N, H * W, C)


def integer_max_pool2d(x: DeviceArray, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False) -> DeviceArray:
    """Largest value of each window of uint8 images; padding takes no part, and a window of nothing else gives 0."""
    largest, _ = max_pool2d(x.astype(np.float32), kernel, geometry, ceil)
    return relu(largest).astype(np.uint8)


def integer_avg_pool2d(x: DeviceArray, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False) -> DeviceArray:
    """Mean of the pixels that each window covers, halves rounded upwards: (2 sum + count) // (2 count), uint8."""
    size = geometry.output_size((x.shape[2], x.shape[3]), kernel, ceil)
    y = empty_images((*x.shape[:2], *size), np.uint8)
    if y.size:
        launch(_mean.of("uint8"), blocks(y.size), THREADS, rows(x), *window_numbers(kernel, geometry), rows(y))
    return y


@helper
def requantized(total: Any, multiplier: Any, shift: Any, zero: int, low: int, high: int) -> Any:
    """zero + round(total * multiplier / 2^shift), halves upwards, clipped to low .. high."""
    by = np.int64(shift)
    scaled = (np.int64(total) * np.int64(multiplier) + (np.int64(1) << (by - np.int64(1)))) >> by
    return min(max(scaled + np.int64(zero), np.int64(low)), np.int64(high))


@kernel("B4 H4 I1 I1 I1 n n n n n n n n n n n n T4", ("uint8", "int32"))
def _convolve(
    x: Any, w: Any, b: Any, multiplier: Any, shift: Any, zero: int, result_zero: int, low: int, high: int, pool: int,
    groups: int, down: int, across: int, top: int, left: int, tall: int, broad: int, y: Any,
) -> None:  # fmt: skip
    _, H, W, _ = x.shape
    _, P, Q, K = y.shape
    _, C, R, S = w.shape
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        k, place = i % K, i // K
        q, p, n = place % Q, place // Q % P, place // Q // P
        first = k // (K // groups) * C
        largest = np.int32(-LARGEST - 1)
        for square in range(pool * pool):
            up, along = p * pool + square // pool, q * pool + square % pool
            total = np.int32(b[k])
            for r in range(R):
                h = up * down - top + r * tall
                for s in range(S):
                    v = along * across - left + s * broad
                    within = 0 <= h < H and 0 <= v < W
                    for c in range(C):
                        value = np.int32(x[n, h, v, first + c]) if within else np.int32(zero)
                        total = np.int32(total + value * np.int32(w[k, c, r, s]))
            largest = max(largest, total)
        y[n, p, q, k] = requantized(largest, multiplier[k], shift[k], result_zero, low, high)


@kernel("B4 H4 I1 I1 I1 n n n n n n n n n n n n T4", ("uint8", "int32"))
def _convolve_transposed(
    x: Any, w: Any, b: Any, multiplier: Any, shift: Any, zero: int, result_zero: int, low: int, high: int, pool: int,
    groups: int, down: int, across: int, top: int, left: int, tall: int, broad: int, y: Any,
) -> None:  # fmt: skip
    _, H, W, _ = x.shape
    _, P, Q, K = y.shape
    _, C, R, S = w.shape
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        k, place = i % K, i // K
        q, p, n = place % Q, place // Q % P, place // Q // P
        first = k // (K // groups) * C
        largest = np.int32(-LARGEST - 1)
        for square in range(pool * pool):
            up, along = p * pool + square // pool, q * pool + square % pool
            total = np.int32(b[k])
            for r in range(R):
                from_top = up + top - r * tall
                if from_top >= 0 and from_top % down == 0 and from_top // down < H:
                    for s in range(S):
                        from_left = along + left - s * broad
                        if from_left >= 0 and from_left % across == 0 and from_left // across < W:
                            for c in range(C):
                                value = np.int32(x[n, from_top // down, from_left // across, first + c])
                                total = np.int32(total + (value - np.int32(zero)) * np.int32(w[k, c, r, s]))
            largest = max(largest, total)
        y[n, p, q, k] = requantized(largest, multiplier[k], shift[k], result_zero, low, high)


@kernel("B3 n n I3", ("int32",))
def _add(x: Any, zero: int, multiplier: int, total: Any) -> None:
    pixels, channels = total.shape[1], total.shape[2]
    for i in range(cuda.grid(1), total.size, cuda.gridsize(1)):
        c, place = i % channels, i // channels
        n, pixel = place // pixels, place % pixels
        part = (np.int32(x[n, pixel % x.shape[1], c]) - np.int32(zero)) * np.int32(multiplier)
        total[n, pixel, c] = np.int32(total[n, pixel, c] + part)


@kernel("I1 n n n n B1", ("uint8",))
def _round(total: Any, shift: int, zero: int, low: int, high: int, y: Any) -> None:
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[i] = np.uint8(requantized(total[i], 1, shift, zero, low, high))


@kernel("B3 B3 n n n n n n n B3", ("uint8",))
def _multiply(
    x: Any, by: Any, zero: int, by_zero: int, multiplier: int, shift: int, result_zero: int, low: int, high: int,
    y: Any,
) -> None:  # fmt: skip
    pixels, channels = y.shape[1], y.shape[2]
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        c, place = i % channels, i // channels
        n, pixel = place // pixels, place % pixels
        value = np.int32(x[n, pixel, c]) - np.int32(zero)
        factor = np.int32(by[n, pixel % by.shape[1], c]) - np.int32(by_zero)
        total = np.int64(value) * np.int64(factor)
        y[n, pixel, c] = np.uint8(requantized(total, multiplier, shift, result_zero, low, high))


@kernel("B3 B1 n B3", ("uint8",))
def _look_up(x: Any, table: Any, first: int, y: Any) -> None:
    pixels, channels = x.shape[1], x.shape[2]
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        c, place = i % channels, i // channels
        n, pixel = place // pixels, place % pixels
        y[n, pixel, first + c] = table[x[n, pixel, c]]


@kernel("B4 n n n n n n n n B4", ("uint8",))
def _mean(x: Any, R: int, S: int, down: int, across: int, top: int, left: int, tall: int, broad: int, y: Any) -> None:
    _, H, W, C = x.shape
    _, P, Q, _ = y.shape
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        c, place = i % C, i // C
        q, p, n = place % Q, place // Q % P, place // Q // P
        total = np.int64(0)
        for r in range(R):
            h = p * down - top + r * tall
            if 0 <= h < H:
                for s in range(S):
                    w = q * across - left + s * broad
                    if 0 <= w < W:
                        total += np.int64(x[n, h, w, c])
        rows_in = inside(p * down - top, tall, R, 0, H)
        count = max(rows_in * inside(q * across - left, broad, S, 0, W), 1)
        y[n, p, q, c] = np.uint8((2 * total + count) // (2 * count))
