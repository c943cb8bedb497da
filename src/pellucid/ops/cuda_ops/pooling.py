"""Pooling: one thread an output, or one an input on the way back, so that no two threads write one number."""

import math
from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.arrays import Pair
from pellucid.ops.cuda_ops.activation import relu_backward
from pellucid.ops.cuda_ops.arrays import DeviceArray, empty, empty_images
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import (
    IN_WORD,
    THREADS,
    WORD_TYPES,
    blocks,
    helper,
    kernel,
    narrow,
    narrow_source,
    pack,
    real,
    split,
    upper,
    wide,
)
from pellucid.ops.cuda_ops.layouts import channels_last, places, words
from pellucid.ops.geometry import PLAIN, Geometry


def rows(x: DeviceArray) -> DeviceArray:
    """Images as they are stored: (N, H, W, C), C-contiguous."""
    return channels_last(x).transpose(0, 2, 3, 1)


def window_numbers(kernel: Pair, geometry: Geometry) -> tuple[int, ...]:
    """What kernels are told of a window: its size, stride, padding before and dilation."""
    return (*kernel, *geometry.stride, *geometry.before, *geometry.dilation)


def max_pool2d(
    x: DeviceArray, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False
) -> tuple[DeviceArray, DeviceArray]:
    """Largest value of each window, and its place in the window; of equal values the first."""
    (N, C), size = x.shape[:2], geometry.output_size((x.shape[2], x.shape[3]), kernel, ceil)
    y = empty_images((N, C, *size), x.dtype)
    winner = empty_images(y.shape, np.uint8 if kernel[0] * kernel[1] <= 256 else np.int32)
    if y.size:
        (read, written), kind = words(rows(x), rows(y))
        one = _max_pool.of(kind, winner.dtype.name)
        numbers = window_numbers(kernel, geometry)
        launch(one, blocks(written.size), THREADS, read, *numbers, written, rows(winner))
    return y, winner


def max_pool2d_backward(
    dy: DeviceArray, winner: DeviceArray, input_size: Pair, kernel: Pair, geometry: Geometry = PLAIN
) -> DeviceArray:
    """Each window's gradient goes to its winner: dx (N, C, H, W) with (H, W) = input_size."""
    dx = empty_images((*dy.shape[:2], *input_size), dy.dtype)
    if dx.size:
        numbers = window_numbers(kernel, geometry)
        (read, written), kind = words(rows(dy), rows(dx))
        one = _max_pool_backward.of(kind, winner.dtype.name)
        grid = blocks(written.size // input_size[1])
        launch(one, grid, THREADS, read, rows(winner), *numbers, written)
    return dx


def relu_max_pool2d_backward(
    dy: DeviceArray, y: DeviceArray, winner: DeviceArray, input_size: Pair, kernel: Pair, geometry: Geometry
) -> DeviceArray:
    """As max_pool2d_backward of dy where the pooled y is positive, else 0, in one pass."""
    dx = empty_images((*dy.shape[:2], *input_size), dy.dtype)
    if dx.size and kernel == geometry.stride and geometry == Geometry(stride=kernel):  # each pixel in one window
        if (dy.shape[2] * kernel[0], dy.shape[3] * kernel[1]) != tuple(input_size):
            dx[...] = 0
        (read, outputs, written), kind = words(rows(dy), rows(y), rows(dx))
        one = _relu_max_unpool.of(kind, winner.dtype.name)
        launch(one, blocks(read.size), THREADS, read, outputs, rows(winner), *kernel, written)
        return dx
    return max_pool2d_backward(relu_backward(dy, y), winner, input_size, kernel, geometry)


def avg_pool2d(
    x: DeviceArray, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False, count_padding: bool = False
) -> DeviceArray:
    """Mean over the pixels that each window covers, those of the padding too with `count_padding`."""
    size = geometry.output_size((x.shape[2], x.shape[3]), kernel, ceil)
    y = empty_images((*x.shape[:2], *size), x.dtype)
    if y.size:
        numbers = (*window_numbers(kernel, geometry), *_counted(geometry, count_padding))
        launch(_avg_pool.of(x.dtype.name), blocks(y.size), THREADS, rows(x), *numbers, rows(y))
    return y


def avg_pool2d_backward(
    dy: DeviceArray, input_size: Pair, kernel: Pair, geometry: Geometry = PLAIN, count_padding: bool = False
) -> DeviceArray:
    """Each window's gradient is shared equally by its pixels: dx (N, C, H, W) with (H, W) = input_size."""
    dx = empty_images((*dy.shape[:2], *input_size), dy.dtype)
    if dx.size:
        numbers = (*window_numbers(kernel, geometry), *_counted(geometry, count_padding))
        launch(_avg_pool_backward.of(dy.dtype.name), blocks(dx.size), THREADS, rows(dy), *numbers, rows(dx))
    return dx


def _counted(geometry: Geometry, count_padding: bool) -> tuple[int, int, int, int]:
    """Rows and columns around the image whose pixels count in a mean."""
    return geometry.padding if count_padding else (0, 0, 0, 0)


def global_avg_pool2d(x: DeviceArray) -> DeviceArray:
    """Mean of each channel of each image: (N, C)."""
    N, C = x.shape[:2]
    y = empty((N, C), x.dtype)
    if y.size:
        values = places(x).reshape(N, -1, C) if x.size else empty((N, 0, C), x.dtype)
        launch(_global_mean.of(x.dtype.name), blocks(y.size), THREADS, values, y)
    return y


def global_avg_pool2d_backward(dy: DeviceArray, input_size: Pair) -> DeviceArray:
    """The mean's gradient (N, C), shared equally by the pixels: dx (N, C, H, W)."""
    N, C = dy.shape
    dx = empty_images((N, C, *input_size), dy.dtype)
    if dx.size:
        values = rows(dx).reshape(N, -1, C)
        launch(_spread.of(dy.dtype.name), blocks(dx.size), THREADS, places(dy[:, :, None, None]), values)
    return dx


@helper
def covering(place: int, size: int, stride: int, windows: int) -> Any:
    """First and last of the windows that may hold a place, which lies `place` from where the first begins."""
    first, _ = split(max(0, place - size + stride), stride)
    last, _ = split(place, stride)
    return first, min(windows - 1, last)


@helper
def element(place: int, dilation: int) -> int:
    """Which element of a window lies `place` from its first; -1 if none does."""
    if dilation == 1:
        return place
    number, rest = split(place, dilation)
    return number if rest == 0 else -1


@helper
def larger(value: Any, best: Any) -> bool:
    """Whether a value takes the place of the best so far: NaN always does, and stays."""
    return value > best or math.isnan(value)


@helper
def inside(start: int, dilation: int, kernel: int, low: int, high: int) -> int:
    """How many of the elements start, start + dilation ... of a window lie from low to below high."""
    count = 0
    for r in range(kernel):
        place = start + r * dilation
        if low <= place < high:
            count += 1
    return count


@kernel("T4 n n n n n n n n T4 S4", WORD_TYPES, ("uint8",))
def _max_pool(
    x: Any, R: int, S: int, down: int, across: int, top: int, left: int, tall: int, broad: int, y: Any, winner: Any
) -> None:
    _, H, W, C = x.shape
    _, P, Q, _ = y.shape
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        place, c = split(i, C)
        place, q = split(place, Q)
        n, p = split(place, P)
        best, best_too, number, number_too = real(-math.inf), real(-math.inf), 0, 0
        for r in range(R):
            h = p * down - top + r * tall
            if 0 <= h < H:
                for s in range(S):
                    w = q * across - left + s * broad
                    if 0 <= w < W:
                        word = x[n, h, w, c]
                        value, value_too = wide(word), upper(word)
                        if larger(value, best):
                            number = number if math.isnan(value) else r * S + s
                            best = value
                        if IN_WORD == 2 and larger(value_too, best_too):
                            number_too = number_too if math.isnan(value_too) else r * S + s
                            best_too = value_too
        y[n, p, q, c] = pack(best, best_too)
        winner[n, p, q, c * IN_WORD] = narrow_source(number)
        if IN_WORD == 2:
            winner[n, p, q, c * IN_WORD + 1] = narrow_source(number_too)


@kernel("T4 S4 n n n n n n n n T4", WORD_TYPES, ("uint8",))
def _max_pool_backward(
    dy: Any, winner: Any, R: int, S: int, down: int, across: int, top: int, left: int, tall: int, broad: int, dx: Any
) -> None:
    """A thread goes along a row of pixels, so that the windows above each other are found once for all of them."""
    N, H, W, C = dx.shape
    _, P, Q, _ = dy.shape
    for i in range(cuda.grid(1), N * H * C, cuda.gridsize(1)):
        place, c = split(i, C)
        n, h = split(place, H)
        first_p, last_p = covering(h + top, (R - 1) * tall + 1, down, P)
        for w in range(W):
            first_q, last_q = covering(w + left, (S - 1) * broad + 1, across, Q)
            total, total_too = real(0), real(0)
            for p in range(first_p, last_p + 1):
                r = element(h + top - p * down, tall)
                for q in range(first_q, last_q + 1):
                    s = element(w + left - q * across, broad)
                    if r >= 0 and s >= 0:
                        gradient = dy[n, p, q, c]
                        if winner[n, p, q, c * IN_WORD] == r * S + s:
                            total += wide(gradient)
                        if winner[n, p, q, c * IN_WORD + IN_WORD - 1] == r * S + s:
                            total_too += upper(gradient)
            dx[n, h, w, c] = pack(total, total_too)


@kernel("T4 T4 S4 n n T4", WORD_TYPES, ("uint8",))
def _relu_max_unpool(dy: Any, y: Any, winner: Any, R: int, S: int, dx: Any) -> None:
    """Windows side by side: a thread an output writes all pixels of its window."""
    _, P, Q, C = dy.shape
    for i in range(cuda.grid(1), dy.size, cuda.gridsize(1)):
        place, c = split(i, C)
        place, q = split(place, Q)
        n, p = split(place, P)
        won, won_too = winner[n, p, q, c * IN_WORD], winner[n, p, q, c * IN_WORD + IN_WORD - 1]
        word, output = dy[n, p, q, c], y[n, p, q, c]
        gradient = wide(word) if wide(output) > 0 else real(0)
        gradient_too = upper(word) if upper(output) > 0 else real(0)
        for r in range(R):
            for s in range(S):
                number = r * S + s
                one = gradient if number == won else real(0)
                dx[n, p * R + r, q * S + s, c] = pack(one, gradient_too if number == won_too else real(0))


@kernel("T4 n n n n n n n n n n n n T4")
def _avg_pool(
    x: Any, R: int, S: int, down: int, across: int, top: int, left: int, tall: int, broad: int,
    above: int, below: int, before: int, after: int, y: Any,
) -> None:  # fmt: skip
    _, H, W, C = x.shape
    _, P, Q, _ = y.shape
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        place, c = split(i, C)
        place, q = split(place, Q)
        n, p = split(place, P)
        total = real(0)
        for r in range(R):
            h = p * down - top + r * tall
            if 0 <= h < H:
                for s in range(S):
                    w = q * across - left + s * broad
                    if 0 <= w < W:
                        total += wide(x[n, h, w, c])
        count = inside(p * down - top, tall, R, -above, H + below)
        count *= inside(q * across - left, broad, S, -before, W + after)
        y[n, p, q, c] = narrow(total / real(max(count, 1)))


@kernel("T4 n n n n n n n n n n n n T4")
def _avg_pool_backward(
    dy: Any, R: int, S: int, down: int, across: int, top: int, left: int, tall: int, broad: int,
    above: int, below: int, before: int, after: int, dx: Any,
) -> None:  # fmt: skip
    _, H, W, C = dx.shape
    _, P, Q, _ = dy.shape
    for i in range(cuda.grid(1), dx.size, cuda.gridsize(1)):
        place, c = split(i, C)
        place, w = split(place, W)
        n, h = split(place, H)
        first_p, last_p = covering(h + top, (R - 1) * tall + 1, down, P)
        first_q, last_q = covering(w + left, (S - 1) * broad + 1, across, Q)
        total = real(0)
        for p in range(first_p, last_p + 1):
            for q in range(first_q, last_q + 1):
                if element(h + top - p * down, tall) >= 0 and element(w + left - q * across, broad) >= 0:
                    count = inside(p * down - top, tall, R, -above, H + below)
                    count *= inside(q * across - left, broad, S, -before, W + after)
                    total += wide(dy[n, p, q, c]) / real(count)
        dx[n, h, w, c] = narrow(total)


@kernel("T3 T2")
def _global_mean(x: Any, y: Any) -> None:
    channels, pixels = y.shape[1], x.shape[1]
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        n, c = i // channels, i % channels
        total = real(0)
        for pixel in range(pixels):
            total += wide(x[n, pixel, c])
        y[n, c] = narrow(total / real(pixels))


@kernel("T2 T3")
def _spread(dy: Any, dx: Any) -> None:
    pixels, channels = dx.shape[1], dx.shape[2]
    for i in range(cuda.grid(1), dx.size, cuda.gridsize(1)):
        c, place = i % channels, i // channels
        dx[place // pixels, place % pixels, c] = narrow(wide(dy[place // pixels, c]) / real(pixels))
