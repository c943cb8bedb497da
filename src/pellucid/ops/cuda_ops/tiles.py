"""Convolution and its two adjoints by kernels of our own, for any geometry: each is one matrix product in tiles.

No matrix of windows is ever stored. A block works out a TILE x TILE square of the result; its threads gather, TILE
at a time, the factors of the products from the images and the weights into shared memory, and add up:

    forward           y[place, k]   = sum over (r, s, c) of  x[window of the place at (r, s), c] * w[k, c, r, s]
    input gradient    dx[pixel, c]  = sum over (r, s, k) of  dy[place whose window has the pixel at (r, s), k] * w
    weight gradient   dw[k, (r, s, c)] = sum over places of  dy[place, k] * x[window of the place at (r, s), c]

Images are (N, H, W, C) here, as they are stored. Groups are the third axis of the grid. The last sum is over so many
places that it is cut into parts, each a block's, which are added up in order afterwards.
"""

from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.arrays import Pair
from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty, empty_images
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, helper, kernel, narrow, real, wide
from pellucid.ops.cuda_ops.pooling import rows
from pellucid.ops.cuda_ops.types import SIMULATED
from pellucid.ops.geometry import PLAIN, Geometry

TILE = 2 if SIMULATED else 16
PLACES_A_PART = 16 if SIMULATED else 4096
MOST_DEEP = 65535  # blocks along the second and third axis of a grid


def numbers(geometry: Geometry) -> tuple[int, ...]:
    """What kernels are told of a geometry."""
    return (*geometry.stride, *geometry.before, *geometry.dilation)


def tiled_conv2d(
    x: DeviceArray, w: DeviceArray, b: DeviceArray | None = None, geometry: Geometry = PLAIN, relu: bool = False
) -> DeviceArray:
    """Convolution, plus bias, then ReLU: (N, K, P, Q)."""
    (N, _, H, W), (K, _, R, S), groups = x.shape, w.shape, geometry.groups
    P, Q = geometry.output_size((H, W), (R, S))
    y = empty_images((N, K, P, Q), x.dtype)
    if y.size:
        bias = empty(1, x.dtype) if b is None else contiguous(b)
        grid = (-(-N * P * Q // TILE), -(-(K // groups) // TILE), groups)
        arrays = rows(x), contiguous(w), bias
        flags = int(b is not None), int(relu)
        launch(_forward.of(x.dtype.name), grid, (TILE, TILE), *arrays, *flags, *numbers(geometry), rows(y))
    return y


def tiled_conv2d_input_gradient(
    dy: DeviceArray, w: DeviceArray, input_size: Pair, geometry: Geometry = PLAIN
) -> DeviceArray:
    """From dy (N, K, P, Q) to dx (N, C, H, W)."""
    (N, *_), C, groups = dy.shape, w.shape[1], geometry.groups
    dx = empty_images((N, C * groups, *input_size), dy.dtype)
    if dx.size:
        grid = (-(-N * input_size[0] * input_size[1] // TILE), -(-C // TILE), groups)
        arrays = rows(dy), contiguous(w)
        launch(_input_gradient.of(dy.dtype.name), grid, (TILE, TILE), *arrays, *numbers(geometry), rows(dx))
    return dx


def tiled_conv2d_weight_gradient(
    dy: DeviceArray, x: DeviceArray, kernel: Pair, geometry: Geometry = PLAIN, out: DeviceArray | None = None
) -> DeviceArray:
    """From dy (N, K, P, Q) and x (N, C, H, W) to dw (K, C/groups, R, S), into `out`."""
    (N, K, P, Q), groups = dy.shape, geometry.groups
    C = x.shape[1] // groups
    dw = empty((K, C, *kernel), dy.dtype) if out is None else out
    own = dw if dw.flags.c_contiguous else empty(dw.shape, dw.dtype)
    count = max(1, min(64, MOST_DEEP // groups, -(-N * P * Q // PLACES_A_PART)))
    columns = kernel[0] * kernel[1] * C
    partial = empty((count, K, columns), np.float64 if dy.dtype == np.float64 else np.float32)
    grid = (-(-columns // TILE), -(-(K // groups) // TILE), groups * count)
    geometry_numbers = (*kernel, *numbers(geometry), count)
    launch(_weight_gradient.of(dy.dtype.name), grid, (TILE, TILE), rows(dy), rows(x), *geometry_numbers, partial)
    launch(_join.of(dy.dtype.name), blocks(own.size), THREADS, partial, own)
    if own is not dw:
        dw[...] = own
    return dw


@helper
def pixel(x: Any, n: int, h: int, w: int, c: int) -> Any:
    """The number there; 0 beyond the image."""
    if 0 <= h < x.shape[1] and 0 <= w < x.shape[2]:
        return wide(x[n, h, w, c])
    return real(0)


@kernel("T4 T4 T1 n n n n n n n n T4")
def _forward(
    x: Any, w: Any, b: Any, biased: int, relu: int, down: int, across: int, top: int, left: int, tall: int,
    broad: int, y: Any,
) -> None:  # fmt: skip
    _, P, Q, K = y.shape
    _, C, R, S = w.shape
    group, of_group = cuda.blockIdx.z, K // cuda.gridDim.z
    i, j = cuda.threadIdx.y, cuda.threadIdx.x
    place, channel = cuda.blockIdx.x * TILE + i, cuda.blockIdx.y * TILE + j
    q, p, n = place % Q, place // Q % P, place // Q // P
    k = group * of_group + channel
    windows = cuda.shared.array((TILE, TILE), real)
    filters = cuda.shared.array((TILE, TILE), real)
    inner = R * S * C
    total = real(0)
    for start in range(0, inner, TILE):
        tap = start + j
        value = real(0)
        if n < x.shape[0] and tap < inner:
            c, rs = tap % C, tap // C
            value = pixel(x, n, p * down - top + rs // S * tall, q * across - left + rs % S * broad, group * C + c)
        windows[i, j] = value
        tap = start + i
        value = real(0)
        if channel < of_group and tap < inner:
            c, rs = tap % C, tap // C
            value = wide(w[k, c, rs // S, rs % S])
        filters[i, j] = value
        cuda.syncthreads()
        for t in range(TILE):
            total += windows[i, t] * filters[t, j]
        cuda.syncthreads()
    if n < x.shape[0] and channel < of_group:
        if biased:
            total += wide(b[k])
        y[n, p, q, k] = narrow(real(0) if relu and total <= 0 else total)


@kernel("T4 T4 n n n n n n T4")
def _input_gradient(
    dy: Any, w: Any, down: int, across: int, top: int, left: int, tall: int, broad: int, dx: Any
) -> None:
    _, H, W, _ = dx.shape
    K, C, R, S = w.shape
    group, of_group = cuda.blockIdx.z, K // cuda.gridDim.z
    i, j = cuda.threadIdx.y, cuda.threadIdx.x
    place, c = cuda.blockIdx.x * TILE + i, cuda.blockIdx.y * TILE + j
    w_, h_, n = place % W, place // W % H, place // W // H
    gradients = cuda.shared.array((TILE, TILE), real)
    filters = cuda.shared.array((TILE, TILE), real)
    inner = R * S * of_group
    total = real(0)
    for start in range(0, inner, TILE):
        tap = start + j
        value = real(0)
        if n < dx.shape[0] and tap < inner:
            k, rs = tap % of_group, tap // of_group
            from_top, from_left = h_ + top - rs // S * tall, w_ + left - rs % S * broad
            if from_top >= 0 and from_left >= 0 and from_top % down == 0 and from_left % across == 0:
                value = pixel(dy, n, from_top // down, from_left // across, group * of_group + k)
        gradients[i, j] = value
        tap = start + i
        value = real(0)
        if c < C and tap < inner:
            k, rs = tap % of_group, tap // of_group
            value = wide(w[group * of_group + k, c, rs // S, rs % S])
        filters[i, j] = value
        cuda.syncthreads()
        for t in range(TILE):
            total += gradients[i, t] * filters[t, j]
        cuda.syncthreads()
    if n < dx.shape[0] and c < C:
        dx[n, h_, w_, group * C + c] = narrow(total)


@kernel("T4 T4 n n n n n n n n n R3")
def _weight_gradient(
    dy: Any, x: Any, R: int, S: int, down: int, across: int, top: int, left: int, tall: int, broad: int,
    parts: int, partial: Any,
) -> None:  # fmt: skip
    N, P, Q, K = dy.shape
    groups = cuda.gridDim.z // parts
    group, part = cuda.blockIdx.z // parts, cuda.blockIdx.z % parts
    of_group, C = K // groups, x.shape[3] // groups
    i, j = cuda.threadIdx.y, cuda.threadIdx.x
    row, column = cuda.blockIdx.y * TILE + i, cuda.blockIdx.x * TILE + j
    c, rs = column % C, column // C
    r, s = rs // S, rs % S
    gradients = cuda.shared.array((TILE, TILE), real)
    windows = cuda.shared.array((TILE, TILE), real)
    inner = N * P * Q
    total = real(0)
    for start in range(part * TILE, inner, parts * TILE):
        place = start + j
        value = real(0)
        if row < of_group and place < inner:
            value = wide(dy[place // Q // P, place // Q % P, place % Q, group * of_group + row])
        gradients[i, j] = value
        place = start + i
        value = real(0)
        if r < R and place < inner:
            q, p, n = place % Q, place // Q % P, place // Q // P
            value = pixel(x, n, p * down - top + r * tall, q * across - left + s * broad, group * C + c)
        windows[i, j] = value
        cuda.syncthreads()
        for t in range(TILE):
            total += gradients[i, t] * windows[t, j]
        cuda.syncthreads()
    if row < of_group and r < R:
        partial[part, group * of_group + row, column] = total


@kernel("R3 T4")
def _join(partial: Any, dw: Any) -> None:
    _, C, R, S = dw.shape
    for i in range(cuda.grid(1), dw.size, cuda.gridsize(1)):
        s, r, c, k = i % S, i // S % R, i // S // R % C, i // S // R // C
        total = np.float64(0)
        for part in range(partial.shape[0]):
            total += partial[part, k, (r * S + s) * C + c]
        dw[k, c, r, s] = narrow(real(total))
