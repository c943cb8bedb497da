"""Sums and affine maps per channel, one pass over memory each.

Sums are taken over chunks of places in the arrays' own type and joined in float64: as exact as pairwise summation,
and the same bits for any number of threads.
"""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.layout import contiguous, from_places, places

CHUNK = 256  # places


def channel_sum(x: Array) -> Array:
    """Sum of each channel over images and pixels: (C,)."""
    values = places(x)
    partial = _partial(values)
    _sum(values, partial)
    return _joined(partial)


def channel_dot(x: Array, y: Array) -> Array:
    """Sum of x * y over images and pixels, per channel: (C,)."""
    values = places(x)
    partial = _partial(values)
    _dot(values, places(y), partial)
    return _joined(partial)


def channel_affine(x: Array, a: Array, b: Array) -> Array:
    """Affine map a x + b with one a and one b a channel."""
    values = places(x)
    y = empty(values.shape, x.dtype)
    _affine(values, contiguous(a), contiguous(b), y)
    return from_places(y, x.shape)


def channel_combination(x: Array, a: Array, y: Array, b: Array, c: Array) -> Array:
    """Combination a x + b y + c with one a, b and c a channel."""
    values = places(x)
    z = empty(values.shape, x.dtype)
    _combination(values, contiguous(a), places(y), contiguous(b), contiguous(c), z)
    return from_places(z, x.shape)


def _partial(values: Array) -> Array:
    count, channels = values.shape
    return empty((-(-count // CHUNK), channels), values.dtype)


def _joined(partial: Array) -> Array:
    total: Array = partial.sum(axis=0, dtype=np.float64).astype(partial.dtype)
    return total


@jit(parallel=True)
def _sum(x: Any, partial: Any) -> None:
    count, channels = x.shape
    for chunk in prange(partial.shape[0]):
        partial[chunk] = 0
        for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            for c in range(channels):
                partial[chunk, c] += x[i, c]


@jit(parallel=True)
def _dot(x: Any, y: Any, partial: Any) -> None:
    count, channels = x.shape
    for chunk in prange(partial.shape[0]):
        partial[chunk] = 0
        for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            for c in range(channels):
                partial[chunk, c] += x[i, c] * y[i, c]


@jit(parallel=True)
def _affine(x: Any, a: Any, b: Any, y: Any) -> None:
    count, channels = x.shape
    for i in prange(count):
        for c in range(channels):
            y[i, c] = x[i, c] * a[c] + b[c]


@jit(parallel=True)
def _combination(x: Any, a: Any, y: Any, b: Any, c: Any, z: Any) -> None:
    count, channels = x.shape
    for i in prange(count):
        for k in range(channels):
            z[i, k] = x[i, k] * a[k] + y[i, k] * b[k] + c[k]
