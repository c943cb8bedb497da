"""Normalisation of each sample by itself, two passes over memory forwards and two backwards.

By groups of channels: channels lie side by side, so sums are taken a channel, over chunks of each image's places, and
joined to groups afterwards; what is left is an affine map a channel of each image. By place: one row after another.
"""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.layout import contiguous, from_places, images, places, real, rows

CHUNK = 256  # places


def group_norm(x: Array, gamma: Array, beta: Array, groups: int, epsilon: float) -> tuple[Array, Array, Array]:
    """Each group of channels of each image (N, C, H, W) standardised over its pixels, then gamma x + beta a channel.

    Gives y and, of each image and group, the mean and 1 / deviation: (N, groups) each (Wu, He 2018).
    """
    values, C = _by_image(x), x.shape[1]
    total, squares = _partial(values), _partial(values)
    _moments(values, total, squares)
    mean, inverse = _joined_moments(values, total, squares, groups, epsilon)
    each = C // groups
    a = gamma * inverse.repeat(each, axis=1)
    b = beta - a * mean.repeat(each, axis=1)
    y = empty(values.shape, x.dtype)
    _affine(values, a, b, y)
    return images(y.reshape(x.shape[0], *x.shape[2:], C)), mean, inverse


def group_norm_backward(
    dy: Array, x: Array, gamma: Array, mean: Array, inverse: Array, dgamma: Array, dbeta: Array
) -> Array:
    """Gradients of group_norm: writes dgamma and dbeta (C,), returns dx. The statistics depend on x too."""
    gradients, values, (N, groups), C = _by_image(dy), _by_image(x), mean.shape, x.shape[1]
    total, products = _partial(values), _partial(values)
    each = C // groups
    middle = np.ascontiguousarray(mean.repeat(each, axis=1))
    _products(gradients, values, middle, total, products)
    sums, dots = total.sum(axis=1, dtype=np.float64), products.sum(axis=1, dtype=np.float64)  # (N, C)
    dots *= inverse.repeat(each, axis=1)
    dgamma[...], dbeta[...] = dots.sum(axis=0), sums.sum(axis=0)
    count = each * values.shape[1]
    of_gradient = (gamma * sums).reshape(N, groups, each).sum(axis=2) / count
    of_product = (gamma * dots).reshape(N, groups, each).sum(axis=2) / count
    by_x = -(inverse.astype(np.float64) ** 2) * of_product
    rest = -inverse * of_gradient - by_x * mean
    a, b, c = gamma * inverse.repeat(each, axis=1), by_x.repeat(each, axis=1), rest.repeat(each, axis=1)
    dx = empty(values.shape, x.dtype)
    _combination(gradients, a, values, b.astype(x.dtype), c.astype(x.dtype), dx)
    return images(dx.reshape(N, *x.shape[2:], C))


def layer_norm(x: Array, gamma: Array, beta: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """The channels of each place of x, (N, C) or (N, C, H, W), standardised, then gamma x + beta a channel.

    Gives y and, of each place, the mean and 1 / deviation: (N,) or (N, H, W) each (Ba, Kiros, Hinton 2016).
    """
    values = places(x)
    y, mean, inverse = (empty(size, x.dtype) for size in (values.shape, values.shape[:1], values.shape[:1]))
    _layer(values, contiguous(gamma), contiguous(beta), real(epsilon, x.dtype), y, mean, inverse)
    shape = (x.shape[0], *x.shape[2:])
    return from_places(y, x.shape), mean.reshape(shape), inverse.reshape(shape)


def layer_norm_backward(
    dy: Array, x: Array, gamma: Array, mean: Array, inverse: Array, dgamma: Array, dbeta: Array
) -> Array:
    """Gradients of layer_norm: writes dgamma and dbeta (C,), returns dx. The statistics depend on x too."""
    gradients, values = places(dy), places(x)
    count, C = values.shape
    total, products = (empty((-(-count // CHUNK), C), x.dtype) for _ in range(2))
    dx = empty(values.shape, x.dtype)
    statistics = (contiguous(some).reshape(-1) for some in (mean, inverse))
    _layer_backward(gradients, values, contiguous(gamma), *statistics, total, products, dx)
    dgamma[...], dbeta[...] = products.sum(axis=0, dtype=np.float64), total.sum(axis=0, dtype=np.float64)
    return from_places(dx, x.shape)


def _by_image(x: Array) -> Array:
    """(N, places, C), C-contiguous."""
    N, C, H, W = x.shape
    return rows(x).reshape(N, H * W, C)


def _partial(values: Array) -> Array:
    N, count, C = values.shape
    return empty((N, -(-count // CHUNK), C), values.dtype)


def _joined_moments(values: Array, total: Array, squares: Array, groups: int, epsilon: float) -> tuple[Array, Array]:
    """Mean and 1 / deviation of each image and group, of those of its chunks and channels (Chan et al. 1983)."""
    N, chunks, C = total.shape
    counts = np.full((chunks, 1), CHUNK)
    counts[-1] = values.shape[1] - CHUNK * (chunks - 1)
    apart = total / counts.astype(np.float64)
    means = (values[:, ::CHUNK] + apart).reshape(N, chunks, groups, C // groups)
    own = (squares - apart * total).reshape(means.shape)
    weights = counts[:, :, None]
    size = values.shape[1] * (C // groups)
    mean = (means * weights).sum(axis=(1, 3)) / size
    deviations = (own + weights * (means - mean[:, None, :, None]) ** 2).sum(axis=(1, 3))
    inverse = 1 / np.sqrt(np.maximum(deviations, 0) / size + epsilon)
    return mean.astype(values.dtype), inverse.astype(values.dtype)


@jit(parallel=True)
def _moments(x: Any, total: Any, squares: Any) -> None:
    count, channels, chunks = x.shape[1], x.shape[2], total.shape[1]
    for part in prange(total.shape[0] * chunks):
        n, chunk = part // chunks, part % chunks
        total[n, chunk] = 0
        squares[n, chunk] = 0
        first = chunk * CHUNK
        for i in range(first + 1, min(count, first + CHUNK)):
            for c in range(channels):
                apart = x[n, i, c] - x[n, first, c]
                total[n, chunk, c] += apart
                squares[n, chunk, c] += apart * apart


@jit(parallel=True)
def _affine(x: Any, a: Any, b: Any, y: Any) -> None:
    count, channels = x.shape[1], x.shape[2]
    chunks = (count + CHUNK - 1) // CHUNK
    for part in prange(x.shape[0] * chunks):
        n, chunk = part // chunks, part % chunks
        for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            for c in range(channels):
                y[n, i, c] = x[n, i, c] * a[n, c] + b[n, c]


@jit(parallel=True)
def _products(dy: Any, x: Any, middle: Any, total: Any, products: Any) -> None:
    count, channels, chunks = x.shape[1], x.shape[2], total.shape[1]
    for part in prange(total.shape[0] * chunks):
        n, chunk = part // chunks, part % chunks
        total[n, chunk] = 0
        products[n, chunk] = 0
        for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            for c in range(channels):
                total[n, chunk, c] += dy[n, i, c]
                products[n, chunk, c] += dy[n, i, c] * (x[n, i, c] - middle[n, c])


@jit(parallel=True)
def _combination(x: Any, a: Any, y: Any, b: Any, c: Any, z: Any) -> None:
    count, channels = x.shape[1], x.shape[2]
    chunks = (count + CHUNK - 1) // CHUNK
    for part in prange(x.shape[0] * chunks):
        n, chunk = part // chunks, part % chunks
        for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            for k in range(channels):
                z[n, i, k] = x[n, i, k] * a[n, k] + y[n, i, k] * b[n, k] + c[n, k]


@jit(parallel=True)
def _layer(x: Any, gamma: Any, beta: Any, epsilon: Any, y: Any, mean: Any, inverse: Any) -> None:
    count, channels = x.shape
    for i in prange(count):
        total = 0.0
        for c in range(channels):
            total += x[i, c]
        middle = x.dtype.type(total / channels)
        squares = 0.0
        for c in range(channels):
            apart = x[i, c] - middle
            squares += apart * apart
        factor = x.dtype.type(1 / np.sqrt(squares / channels + epsilon))
        mean[i], inverse[i] = middle, factor
        for c in range(channels):
            y[i, c] = (x[i, c] - middle) * factor * gamma[c] + beta[c]


@jit(parallel=True)
def _layer_backward(dy: Any, x: Any, gamma: Any, mean: Any, inverse: Any, total: Any, products: Any, dx: Any) -> None:
    count, channels = x.shape
    for chunk in prange(total.shape[0]):
        total[chunk] = 0
        products[chunk] = 0
        for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            middle, factor = mean[i], inverse[i]
            of_gradient, of_product = 0.0, 0.0
            for c in range(channels):
                x_hat = (x[i, c] - middle) * factor
                total[chunk, c] += dy[i, c]
                products[chunk, c] += dy[i, c] * x_hat
                of_gradient += dy[i, c] * gamma[c]
                of_product += dy[i, c] * gamma[c] * x_hat
            g, p = dy.dtype.type(of_gradient / channels), dy.dtype.type(of_product / channels)
            for c in range(channels):
                x_hat = (x[i, c] - middle) * factor
                dx[i, c] = factor * (dy[i, c] * gamma[c] - g - x_hat * p)
