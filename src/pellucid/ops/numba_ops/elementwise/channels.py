"""Sums and affine maps per channel, one pass over memory each.

Sums are taken over chunks of places in the arrays' own type, of 16 bits in float32, and joined in float64: as exact
as pairwise summation, and the same bits for any number of threads.
"""

import math
from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.numbers import computed_in, number, rounded, seen
from pellucid.ops.numba_ops.layout import contiguous, from_places, places, real

CHUNK = 256  # places
ZERO = np.float32(0)


def channel_sum(x: Array) -> Array:
    """Sum of each channel over images and pixels: (C,)."""
    values = places(x)
    partial = _partial(values)
    _sum(seen(values), partial)
    return _joined(partial)


def channel_dot(x: Array, y: Array) -> Array:
    """Sum of x * y over images and pixels, per channel: (C,)."""
    values = places(x)
    partial = _partial(values)
    _dot(seen(values), seen(places(y)), partial)
    return _joined(partial)


def channel_moments(x: Array) -> tuple[Array, Array]:
    """Mean of each channel over images and pixels, and the sum of squared deviations from it: (C,) each.

    One sweep: each chunk sums its differences from its first place, and their squares, and from those follow the
    chunk's own mean and deviations, joined in float64 (Chan, Golub, LeVeque 1983).
    """
    values = places(x)
    total, squares = _partial(values), _partial(values)
    if not values.size:
        return np.zeros(values.shape[1], total.dtype), np.zeros(values.shape[1], total.dtype)
    _moments(seen(values), total, squares)
    counts = np.full((len(total), 1), CHUNK)
    counts[-1] = len(values) - CHUNK * (len(total) - 1)
    apart = total / counts.astype(np.float64)
    means = values[::CHUNK].astype(total.dtype) + apart
    mean = (means * counts).sum(axis=0) / len(values)
    deviations = (squares - apart * total + counts * (means - mean) ** 2).sum(axis=0)
    return mean.astype(total.dtype), np.maximum(deviations, 0).astype(total.dtype)


def channel_affine(
    x: Array, a: Array, b: Array, added: Array | None = None, low: float = -math.inf, high: float = math.inf
) -> Array:
    """Affine map a x + b with one a and one b a channel, then `added` (N, C, H, W) on it, then clipped."""
    values = places(x)
    y = empty(values.shape, x.dtype)
    vectors, bounds = (_vector(a), _vector(b)), (real(low, x.dtype), real(high, x.dtype))
    if added is None:
        _affine(seen(values), *vectors, *bounds, seen(y))
    else:
        _affine_added(seen(values), *vectors, seen(places(added)), *bounds, seen(y))
    return from_places(y, x.shape)


def channel_products(
    dy: Array,
    x: Array,
    middle: Array,
    a: Array | None = None,
    b: Array | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> tuple[Array, Array]:
    """Sums of dy and of dy (x - middle) over images and pixels, per channel: (C,) each.

    Given a and b, only of the dy that pass: where a x + b lies between the bounds.
    """
    values = places(x)
    total, products = _partial(values), _partial(values)
    bounds = _bounds(a, x, low, high)
    middle = _vector(middle)
    _products(seen(places(dy)), seen(values), middle, *_line(a, b, middle), *bounds, total, products)
    return _joined(total), _joined(products)


def channel_combination(
    x: Array,
    a: Array,
    y: Array,
    b: Array,
    c: Array,
    slope: Array | None = None,
    offset: Array | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> Array:
    """Combination a x + b y + c with one a, b and c a channel.

    Given slope and offset, of the x that pass: where slope y + offset lies between the bounds; the others count as 0.
    """
    values = places(x)
    z = empty(values.shape, x.dtype)
    bounds = _bounds(slope, x, low, high)
    a = _vector(a)
    vectors = a, _vector(b), _vector(c), *_line(slope, offset, a)
    _combination(seen(values), seen(places(y)), *vectors, *bounds, seen(z))
    return from_places(z, x.shape)


def _bounds(a: Array | None, x: Array, low: float, high: float) -> tuple[Any, Any]:
    """As kernels compare with them; none where there is no slope whose values they could bound."""
    low, high = (-math.inf, math.inf) if a is None else (low, high)
    return real(low, x.dtype), real(high, x.dtype)


def _vector(a: Array) -> Array:
    """One number a channel, of the type that is computed in."""
    return contiguous(a.astype(computed_in(a.dtype), copy=False))


def _line(a: Array | None, b: Array | None, like: Array) -> tuple[Array, Array]:
    """Slope and offset of each channel; 0 where none are given."""
    if a is None or b is None:
        return np.zeros_like(like), np.zeros_like(like)
    return _vector(a), _vector(b)


def _partial(values: Array) -> Array:
    count, channels = values.shape
    return empty((-(-count // CHUNK), channels), computed_in(values.dtype))


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
                partial[chunk, c] += number(x[i, c])


@jit(parallel=True)
def _dot(x: Any, y: Any, partial: Any) -> None:
    count, channels = x.shape
    for chunk in prange(partial.shape[0]):
        partial[chunk] = 0
        for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            for c in range(channels):
                partial[chunk, c] += number(x[i, c]) * number(y[i, c])


@jit(parallel=True)
def _moments(x: Any, total: Any, squares: Any) -> None:
    count, channels = x.shape
    for chunk in prange(total.shape[0]):
        total[chunk] = 0
        squares[chunk] = 0
        first = chunk * CHUNK
        for i in range(first + 1, min(count, first + CHUNK)):
            for c in range(channels):
                apart = number(x[i, c]) - number(x[first, c])
                total[chunk, c] += apart
                squares[chunk, c] += apart * apart


@jit(parallel=True)
def _products(dy: Any, x: Any, middle: Any, a: Any, b: Any, low: Any, high: Any, total: Any, products: Any) -> None:
    count, channels = x.shape
    for chunk in prange(total.shape[0]):
        total[chunk] = 0
        products[chunk] = 0
        for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            for c in range(channels):
                z = number(x[i, c]) * a[c] + b[c]
                dz = ZERO if z <= low or z >= high else number(dy[i, c])
                total[chunk, c] += dz
                products[chunk, c] += dz * (number(x[i, c]) - middle[c])


@jit(parallel=True)
def _affine(x: Any, a: Any, b: Any, low: Any, high: Any, y: Any) -> None:
    count, channels = x.shape
    for i in prange(count):
        for c in range(channels):
            z = number(x[i, c]) * a[c] + b[c]
            y[i, c] = rounded(low if z <= low else high if z >= high else z, y)  # so NaN stays


@jit(parallel=True)
def _affine_added(x: Any, a: Any, b: Any, added: Any, low: Any, high: Any, y: Any) -> None:
    count, channels = x.shape
    for i in prange(count):
        for c in range(channels):
            z = number(x[i, c]) * a[c] + b[c] + number(added[i, c])
            y[i, c] = rounded(low if z <= low else high if z >= high else z, y)


@jit(parallel=True)
def _combination(
    x: Any, y: Any, a: Any, b: Any, c: Any, slope: Any, offset: Any, low: Any, high: Any, z: Any
) -> None:
    count, channels = x.shape
    for i in prange(count):
        for k in range(channels):
            line = number(y[i, k]) * slope[k] + offset[k]
            passing = ZERO if line <= low or line >= high else number(x[i, k])
            z[i, k] = rounded(passing * a[k] + number(y[i, k]) * b[k] + c[k], z)
