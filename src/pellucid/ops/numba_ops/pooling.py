"""Pooling in one pass over memory, on all cores.

Kernels see (N, H, W, C). Forward, a thread takes a row of windows; backward, a row of pixels, for which it collects
the gradients of the windows above it, so that no two threads write to the same place. Dilated windows are rare, and
left to the definition. Of 16-bit numbers a line is computed in float32: a max-pool takes them as they are.
"""

from functools import lru_cache, partial
from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.numbers import computed_in, number, rounded, seen
from pellucid.ops.numba_ops.layout import contiguous, images, rows
from pellucid.ops.numpy_ops import pooling as definition


def max_pool2d(x: Array, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False) -> tuple[Array, Array]:
    """Largest value of each window: y (N, C, P, Q), and its place in the window, row by row, as `winner`.

    Of equal values the first wins. `winner` is uint8 for windows of up to 256 elements, else int32.
    """
    if geometry.dilation != (1, 1):
        return definition.max_pool2d(x, kernel, geometry, ceil)
    source, shape = rows(x), _output(x, kernel, geometry, ceil)
    y = empty(shape, x.dtype)
    winner = empty(shape, np.uint8 if kernel[0] * kernel[1] <= 256 else np.int32)
    _max(seen(source), seen(y), winner, _line(x), *kernel, *geometry.stride, *geometry.before)
    return images(y), images(winner)


def max_pool2d_backward(
    dy: Array, winner: Array, input_size: Pair, kernel: Pair, geometry: Geometry = PLAIN
) -> Array:
    """Each window's gradient goes to its winner: dx (N, C, H, W) with (H, W) = input_size."""
    if geometry.dilation != (1, 1):
        return definition.max_pool2d_backward(dy, winner, input_size, kernel, geometry)
    dx = empty((dy.shape[0], *input_size, dy.shape[1]), dy.dtype)
    line = _line(dy)
    _max_backward(seen(rows(dy)), rows(winner), seen(dx), line, *kernel, *geometry.stride, *geometry.before)
    return images(dx)


def avg_pool2d(
    x: Array, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False, count_padding: bool = False
) -> Array:
    """Mean over the pixels of the image that each window covers, or with its padding: (N, C, P, Q)."""
    if geometry.dilation != (1, 1):
        return definition.avg_pool2d(x, kernel, geometry, ceil, count_padding)
    y = empty(_output(x, kernel, geometry, ceil), x.dtype)
    _mean(rows(x), y, *kernel, *geometry.stride, *geometry.before)
    if count_padding and geometry.padding != (0, 0, 0, 0):
        y *= _covered((x.shape[2], x.shape[3]), (y.shape[1], y.shape[2]), kernel, geometry, y.dtype)
    return images(y)


def avg_pool2d_backward(
    dy: Array, input_size: Pair, kernel: Pair, geometry: Geometry = PLAIN, count_padding: bool = False
) -> Array:
    """Each window's gradient is shared equally by what it counts: dx (N, C, H, W) with (H, W) = input_size."""
    if geometry.dilation != (1, 1):
        return definition.avg_pool2d_backward(dy, input_size, kernel, geometry, count_padding)
    dx = empty((dy.shape[0], *input_size, dy.shape[1]), dy.dtype)
    lines = rows(dy)
    if count_padding and geometry.padding != (0, 0, 0, 0):
        lines = lines * _covered(input_size, (dy.shape[2], dy.shape[3]), kernel, geometry, dy.dtype)
    _mean_backward(lines, dx, *kernel, *geometry.stride, *geometry.before)
    return images(dx)


@lru_cache(maxsize=64)
def _covered(size: Pair, output: Pair, kernel: Pair, geometry: Geometry, kind: np.dtype[Any]) -> Array:
    """What part of its image and padding is image, for each window: (P, Q, 1)."""
    count = partial(definition.counts, size, output, kernel, geometry, np.float64)
    part: Array = (count() / count(count_padding=True)).astype(kind)[:, :, None]
    return part


def global_avg_pool2d(x: Array) -> Array:
    """Mean of each channel of each image: (N, C)."""
    y = empty(x.shape[:2], x.dtype)
    _global_mean(rows(x), y)
    return y


def global_avg_pool2d_backward(dy: Array, input_size: Pair) -> Array:
    """The mean's gradient (N, C), shared equally by the pixels: dx (N, C, H, W)."""
    dx = empty((dy.shape[0], *input_size, dy.shape[1]), dy.dtype)
    _global_mean_backward(contiguous(dy), dx)
    return images(dx)


def _output(x: Array, kernel: Pair, geometry: Geometry, ceil: bool) -> tuple[int, int, int, int]:
    P, Q = geometry.output_size((x.shape[2], x.shape[3]), kernel, ceil)
    return x.shape[0], P, Q, x.shape[1]


def _line(x: Array) -> Array:
    """No numbers of the type that x's are computed in: tells a kernel the type of a line of its own."""
    return np.empty(0, computed_in(x.dtype))


@jit(cache=False)
def window(place: int, size: int, kernel: int, stride: int, padding: int) -> Any:
    """First and one past the last element of the window at `place` that lie in the image, and where it starts."""
    start = place * stride - padding
    return max(0, -start), min(kernel, size - start), start


@jit(cache=False)
def _covering(pixel: int, windows: int, kernel: int, stride: int, padding: int) -> Any:
    """First and one past the last of the windows that cover a pixel."""
    place = pixel + padding
    first = (place - kernel) // stride + 1 if place >= kernel else 0
    return first, min(windows, place // stride + 1)


@jit(parallel=True)
def _max(x: Any, y: Any, winner: Any, like: Any, R: int, S: int, down: int, right: int, top: int, left: int) -> None:
    _, H, W, C = x.shape
    N, P, Q, _ = y.shape
    for row in prange(N * P):
        n, p = row // P, row % P
        u0, u1, i = window(p, H, R, down, top)
        # The place is as wide as the values, so that both are chosen by the same mask.
        place, best = np.empty(C, like.dtype), np.empty(C, like.dtype)
        for q in range(Q):
            v0, v1, j = window(q, W, S, right, left)
            best[:] = -np.inf
            place[:] = 0
            for u in range(u0, u1):
                for v in range(v0, v1):
                    here = like.dtype.type(u * S + v)
                    pixel = x[n, i + u, j + v]
                    for c in range(C):
                        candidate, value = number(pixel[c]), best[c]
                        place[c] = here if candidate > value else place[c]
                        best[c] = value if value >= candidate or np.isnan(value) else candidate
            for c in range(C):
                y[n, p, q, c] = rounded(best[c], y)
                winner[n, p, q, c] = winner.dtype.type(place[c])


@jit(parallel=True)
def _max_backward(
    dy: Any, winner: Any, dx: Any, like: Any, R: int, S: int, down: int, right: int, top: int, left: int
) -> None:
    _, P, Q, C = dy.shape
    N, H, W, _ = dx.shape
    zero = like.dtype.type(0)
    for row in prange(N * H):
        n, h = row // H, row % H
        p0, p1 = _covering(h, P, R, down, top)
        total = np.empty(C, like.dtype)
        for w in range(W):
            q0, q1 = _covering(w, Q, S, right, left)
            total[:] = zero
            for p in range(p0, p1):
                for q in range(q0, q1):
                    here = winner.dtype.type((h + top - p * down) * S + w + left - q * right)
                    for c in range(C):
                        total[c] += number(dy[n, p, q, c]) if winner[n, p, q, c] == here else zero
            for c in range(C):
                dx[n, h, w, c] = rounded(total[c], dx)


@jit(parallel=True)
def _mean(x: Any, y: Any, R: int, S: int, down: int, right: int, top: int, left: int) -> None:
    _, H, W, C = x.shape
    N, P, Q, _ = y.shape
    for row in prange(N * P):
        n, p = row // P, row % P
        u0, u1, i = window(p, H, R, down, top)
        for q in range(Q):
            v0, v1, j = window(q, W, S, right, left)
            y[n, p, q] = 0
            for u in range(u0, u1):
                for v in range(v0, v1):
                    for c in range(C):
                        y[n, p, q, c] += x[n, i + u, j + v, c]
            count = x.dtype.type(max(1, (u1 - u0) * (v1 - v0)))
            for c in range(C):
                y[n, p, q, c] /= count


@jit(parallel=True)
def _mean_backward(dy: Any, dx: Any, R: int, S: int, down: int, right: int, top: int, left: int) -> None:
    _, P, Q, C = dy.shape
    N, H, W, _ = dx.shape
    one = dx.dtype.type(1)
    for row in prange(N * H):
        n, h = row // H, row % H
        p0, p1 = _covering(h, P, R, down, top)
        for w in range(W):
            q0, q1 = _covering(w, Q, S, right, left)
            dx[n, h, w] = 0
            for p in range(p0, p1):
                u0, u1, _ = window(p, H, R, down, top)
                for q in range(q0, q1):
                    v0, v1, _ = window(q, W, S, right, left)
                    share = one / ((u1 - u0) * (v1 - v0))
                    for c in range(C):
                        dx[n, h, w, c] += dy[n, p, q, c] * share


@jit(parallel=True)
def _global_mean(x: Any, y: Any) -> None:
    N, H, W, C = x.shape
    for n in prange(N):
        y[n] = 0
        line = np.empty(C, x.dtype)
        for h in range(H):
            line[:] = 0  # a sum a line keeps the rounding error small
            for w in range(W):
                for c in range(C):
                    line[c] += x[n, h, w, c]
            for c in range(C):
                y[n, c] += line[c]
        for c in range(C):
            y[n, c] /= x.dtype.type(H * W)


@jit(parallel=True)
def _global_mean_backward(dy: Any, dx: Any) -> None:
    N, H, W, C = dx.shape
    share = dx.dtype.type(1) / dx.dtype.type(H * W)
    for row in prange(N * H):
        n, h = row // H, row % H
        for w in range(W):
            for c in range(C):
                dx[n, h, w, c] = dy[n, c] * share
