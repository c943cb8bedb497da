"""Sums, products and concatenations of branches in one pass over memory, on all cores."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array, Shape
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.numbers import number, rounded, seen
from pellucid.ops.numba_ops.layout import elementwise, from_places, images, places, rows
from pellucid.ops.numpy_ops import joins as definition

BITS = {2: np.uint16, 4: np.uint32, 8: np.uint64}
"""What is moved without being computed with is seen as whole numbers, by its size in bytes."""


def add(x: Array, y: Array) -> Array:
    """x + y. y has the shape of x; or beside images (N, C, H, W) it is (N, C, 1, 1), the same for all pixels."""
    return _joined(_add, _add_channels, x, y)


def multiply(x: Array, y: Array) -> Array:
    """x * y. y has the shape of x; or beside images (N, C, H, W) it is (N, C, 1, 1), the same for all pixels."""
    return _joined(_multiply, _multiply_channels, x, y)


def unbroadcast(dy: Array, shape: Shape) -> Array:
    """Adjoint of repeating an array of that shape along its axes of length 1: the sum of dy along them.

    Where nothing was repeated it is dy itself.
    """
    if dy.shape == tuple(shape):
        return dy
    if dy.ndim != 4 or tuple(shape) != (*dy.shape[:2], 1, 1):
        return definition.unbroadcast(dy, shape)
    total = empty(dy.shape[:2], dy.dtype)
    _sum_pixels(rows(dy), total)
    return total[:, :, None, None]


def concat(*arrays: Array) -> Array:
    """Images (N, C1, H, W), (N, C2, H, W) ... as (N, C1 + C2 + ..., H, W), features (N, F1) ... as (N, F1 + ...)."""
    first = arrays[0]
    if first.dtype.itemsize not in BITS or first.ndim not in {2, 4}:
        return definition.concat(*arrays)
    shape = (first.shape[0], sum(x.shape[1] for x in arrays), *first.shape[2:])
    whole = empty((first.size // first.shape[1] if first.size else 0, shape[1]), first.dtype)
    start, bits = 0, BITS[first.dtype.itemsize]
    for x in arrays:
        _put(places(x).view(bits), whole.view(bits), start)
        start += x.shape[1]
    return from_places(whole, shape)


def split(dy: Array, channels: tuple[int, ...]) -> list[Array]:
    """Adjoint of concat: dy (N, C1 + C2 + ..., ...) as copies (N, C1, ...), (N, C2, ...) of the channels given."""
    if dy.dtype.itemsize not in BITS or dy.ndim not in {2, 4}:
        return definition.split(dy, channels)
    whole, parts, start, bits = places(dy), [], 0, BITS[dy.dtype.itemsize]
    for count in channels:
        part = empty((len(whole), count), dy.dtype)
        _take(whole.view(bits), part.view(bits), start)
        parts.append(from_places(part, (dy.shape[0], count, *dy.shape[2:])))
        start += count
    return parts


def _joined(same: Callable[..., Any], by_channel: Callable[..., Any], x: Array, y: Array) -> Array:
    if x.ndim != 4:
        return elementwise(same, (x, y))
    pixels = rows(x)
    result = empty(pixels.shape, x.dtype)
    if y.shape == x.shape:
        same(seen(pixels.reshape(-1)), seen(rows(y).reshape(-1)), seen(result.reshape(-1)))
    else:
        by_channel(seen(pixels), seen(rows(y)), seen(result))
    return images(result)


@jit(parallel=True)
def _add(x: Any, y: Any, z: Any) -> None:
    for i in prange(x.size):
        z[i] = rounded(number(x[i]) + number(y[i]), z)


@jit(parallel=True)
def _multiply(x: Any, y: Any, z: Any) -> None:
    for i in prange(x.size):
        z[i] = rounded(number(x[i]) * number(y[i]), z)


@jit(parallel=True)
def _add_channels(x: Any, y: Any, z: Any) -> None:
    N, H, W, C = x.shape
    for row in prange(N * H):
        n, h = row // H, row % H
        for w in range(W):
            for c in range(C):
                z[n, h, w, c] = rounded(number(x[n, h, w, c]) + number(y[n, 0, 0, c]), z)


@jit(parallel=True)
def _multiply_channels(x: Any, y: Any, z: Any) -> None:
    N, H, W, C = x.shape
    for row in prange(N * H):
        n, h = row // H, row % H
        for w in range(W):
            for c in range(C):
                z[n, h, w, c] = rounded(number(x[n, h, w, c]) * number(y[n, 0, 0, c]), z)


@jit(parallel=True)
def _sum_pixels(x: Any, total: Any) -> None:
    N, H, W, C = x.shape
    for n in prange(N):
        total[n] = 0
        line = np.empty(C, x.dtype)
        for h in range(H):
            line[:] = 0  # a sum a line keeps the rounding error small
            for w in range(W):
                for c in range(C):
                    line[c] += x[n, h, w, c]
            for c in range(C):
                total[n, c] += line[c]


@jit(parallel=True)
def _put(part: Any, whole: Any, first: int) -> None:
    places, channels = part.shape
    for i in prange(places):
        for c in range(channels):
            whole[i, first + c] = part[i, c]


@jit(parallel=True)
def _take(whole: Any, part: Any, first: int) -> None:
    places, channels = part.shape
    for i in prange(places):
        for c in range(channels):
            part[i, c] = whole[i, first + c]
