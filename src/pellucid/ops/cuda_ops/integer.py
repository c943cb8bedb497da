"""Integer arithmetic of a quantised network, exact and the same numbers as numpy_ops: one thread an output."""

from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.arrays import Pair
from pellucid.ops.cuda_ops.activation import relu
from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty_images
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, kernel
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
        largest = np.int64(-(1 << 62))
        for square in range(pool * pool):
            up, along = p * pool + square // pool, q * pool + square % pool
            total = np.int64(b[k])
            for r in range(R):
                h = up * down - top + r * tall
                for s in range(S):
                    v = along * across - left + s * broad
                    within = 0 <= h < H and 0 <= v < W
                    for c in range(C):
                        value = np.int64(x[n, h, v, first + c]) if within else np.int64(zero)
                        total += value * np.int64(w[k, c, r, s])
            largest = max(largest, total)
        by = np.int64(shift[k])
        scaled = (largest * np.int64(multiplier[k]) + (np.int64(1) << (by - np.int64(1)))) >> by
        y[n, p, q, k] = min(max(scaled + result_zero, np.int64(low)), np.int64(high))


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
