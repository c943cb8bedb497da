"""Batch normalisation, forward and backward, each in three launches: partial sums, their sum, the map.

What follows, an addition and a clipping such as ReLU, belongs to the map; backwards it is found again from x.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.arrays import Array
from pellucid.ops.cuda_ops.arrays import DeviceArray, array, contiguous, empty
from pellucid.ops.cuda_ops.channels import channel_affine, channel_combination
from pellucid.ops.cuda_ops.columns import block_shape, joined_moments, partial_moments, partial_products
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, helper, kernel, narrow, narrow_source, real, wide, wide_source
from pellucid.ops.cuda_ops.layouts import places, words
from pellucid.ops.cuda_ops.sums import block_sum

AllReduce = Callable[[Array], Array]


def batch_norm(
    x: DeviceArray,
    gamma: DeviceArray,
    beta: DeviceArray,
    running_mean: DeviceArray,
    running_variance: DeviceArray,
    momentum: float,
    epsilon: float,
    all_reduce: AllReduce | None = None,
    added: DeviceArray | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> tuple[DeviceArray, DeviceArray, DeviceArray, float]:
    """Normalise with the statistics of the batch: (y, mean, 1 / sqrt(variance + epsilon), count).

    The running averages take the statistics in. Sums over processes, where there are several, go by the host.
    added: (N, C, H, W), added to y; low, high: what y is clipped to then.
    """
    values = places(x)
    count, channels = values.shape
    mean_part, squares_part = partial_moments(values)
    rows = _rows(values)
    if all_reduce is not None:
        mean_part, squares_part, count = _over_processes(mean_part, squares_part, count, rows, all_reduce)
    kind = running_mean.dtype
    mean, inverse = empty(channels, kind), empty(channels, kind)
    a, b = empty(channels, kind), empty(channels, kind)
    launch(
        _statistics.of(kind.name, gamma.dtype.name),
        channels,
        THREADS,
        mean_part,
        squares_part,
        count,
        rows,
        contiguous(gamma),
        contiguous(beta),
        momentum,
        epsilon,
        running_mean,
        running_variance,
        mean,
        inverse,
        a,
        b,
    )
    return channel_affine(x, a, b, added, low, high), mean, inverse, float(max(count, 1))


def _rows(values: DeviceArray) -> int:
    """Rows of the blocks that go down these places."""
    return block_shape(words(values)[0][0].shape[1])[1]


def _over_processes(
    mean_part: DeviceArray, squares_part: DeviceArray, count: int, rows: int, all_reduce: AllReduce
) -> tuple[DeviceArray, DeviceArray, int]:
    """Mean and squared deviation of the batch that several processes share, each as one part."""
    counts = _part_counts(count, len(mean_part), rows)[:, None]
    means, squares = mean_part.host(), squares_part.host()
    total = int(all_reduce(np.array([float(count)]))[0])
    mean = all_reduce((means * counts).sum(axis=0)) / max(total, 1)
    deviation = all_reduce((squares + counts * (means - mean) ** 2).sum(axis=0))
    return array(mean[None]), array(deviation[None]), total


def _part_counts(count: int, number: int, rows: int) -> Array:
    """How many places each part has: rows part * rows ... of every number * rows."""
    place = np.arange(count)
    return np.bincount(place // rows % number, minlength=number).astype(np.float64)


def batch_norm_inference(
    x: DeviceArray,
    gamma: DeviceArray,
    beta: DeviceArray,
    running_mean: DeviceArray,
    running_variance: DeviceArray,
    epsilon: float,
    added: DeviceArray | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> tuple[DeviceArray, DeviceArray]:
    """Normalise with the running statistics: (y, 1 / sqrt(variance + epsilon)); y added to and clipped likewise."""
    kind = running_mean.dtype
    inverse, a, b = (empty(running_mean.shape, kind) for _ in range(3))
    vectors = contiguous(gamma), contiguous(beta), running_mean, running_variance
    launch(_running.of(kind.name, gamma.dtype.name), blocks(inverse.size), THREADS, *vectors, epsilon, inverse, a, b)
    return channel_affine(x, a, b, added, low, high), inverse


def batch_norm_backward(
    dy: DeviceArray,
    x: DeviceArray,
    gamma: DeviceArray,
    mean: DeviceArray,
    inverse: DeviceArray,
    dgamma: DeviceArray,
    dbeta: DeviceArray,
    count: float | None = None,
    all_reduce: AllReduce | None = None,
    beta: DeviceArray | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> DeviceArray:
    """Gradients: dgamma and dbeta written, dx returned. Without `count` the statistics were constants.

    beta: given where y was clipped to low and high, with nothing added.
    """
    values, gradients = places(x), places(dy)
    channels, kind = values.shape[1], mean.dtype
    line: tuple[DeviceArray, DeviceArray] | None = None
    if beta is not None:
        line = empty(channels, kind), empty(channels, kind)
        launch(
            _line.of(kind.name, gamma.dtype.name),
            blocks(channels),
            THREADS,
            contiguous(gamma),
            contiguous(beta),
            mean,
            inverse,
            *line,
        )
    sums, products = partial_products(gradients, values, mean, line, low, high)
    written = dgamma, dbeta
    if all_reduce is not None and count is not None:
        own, own_products = sums.host().sum(axis=0), products.host().sum(axis=0)
        dbeta[...], dgamma[...] = own, own_products * inverse.host()
        sums, products = array(all_reduce(own)[None]), array(all_reduce(own_products)[None])
        written = empty(channels, dgamma.dtype), empty(channels, dgamma.dtype)  # the sums of all processes
    a, b, c = (empty(channels, kind) for _ in range(3))
    vectors = contiguous(gamma), mean, inverse
    launch(
        _combine.of(kind.name, gamma.dtype.name),
        channels,
        THREADS,
        sums,
        products,
        *vectors,
        count or 0.0,
        *written,
        a,
        b,
        c,
    )
    slope, offset = line or (None, None)
    return channel_combination(dy, a, x, b, c, slope, offset, low, high)


@kernel("D2 D2 n n S1 S1 d d T1 T1 T1 T1 T1 T1")
def _statistics(
    means: Any,
    squares: Any,
    count: int,
    rows: int,
    gamma: Any,
    beta: Any,
    momentum: float,
    epsilon: float,
    running_mean: Any,
    running_variance: Any,
    mean: Any,
    inverse: Any,
    a: Any,
    b: Any,
) -> None:
    """Parts joined, running averages moved, and the map y = a x + b; a block a channel."""
    c, seen = cuda.blockIdx.x, np.float64(max(count, 1))
    middle, around = joined_moments(means, squares, count, rows, c)
    if cuda.threadIdx.x == 0:
        variance = around / seen
        if count > 0:  # an empty batch tells nothing
            unbiased = around / max(seen - 1, np.float64(1))
            running_mean[c] = narrow(real(wide(running_mean[c]) + momentum * (middle - wide(running_mean[c]))))
            old = wide(running_variance[c])
            running_variance[c] = narrow(real(old + momentum * (unbiased - old)))
        scale = 1.0 / math.sqrt(variance + epsilon)
        mean[c], inverse[c] = narrow(real(middle)), narrow(real(scale))
        write_line(gamma, beta, mean, inverse, a, b, c)


@helper
def write_line(gamma: Any, beta: Any, mean: Any, inverse: Any, a: Any, b: Any, c: int) -> None:
    """Slope and offset of a norm, y = a x + b, of channel c: forwards and backwards the same bits."""
    slope = np.float64(wide_source(gamma[c])) * np.float64(wide(inverse[c]))
    a[c] = narrow(real(slope))
    b[c] = narrow(real(np.float64(wide_source(beta[c])) - slope * np.float64(wide(mean[c]))))


@kernel("S1 S1 T1 T1 T1 T1")
def _line(gamma: Any, beta: Any, mean: Any, inverse: Any, a: Any, b: Any) -> None:
    for c in range(cuda.grid(1), mean.size, cuda.gridsize(1)):
        write_line(gamma, beta, mean, inverse, a, b, c)


@kernel("S1 S1 T1 T1 d T1 T1 T1")
def _running(gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float, inverse: Any, a: Any, b: Any) -> None:
    for c in range(cuda.grid(1), mean.size, cuda.gridsize(1)):
        inverse[c] = narrow(real(1.0 / math.sqrt(np.float64(wide(variance[c])) + epsilon)))
        write_line(gamma, beta, mean, inverse, a, b, c)


@kernel("D2 D2 S1 T1 T1 d S1 S1 T1 T1 T1")
def _combine(
    sums: Any,
    products: Any,
    gamma: Any,
    mean: Any,
    inverse: Any,
    count: float,
    dgamma: Any,
    dbeta: Any,
    a: Any,
    b: Any,
    c: Any,
) -> None:
    """dgamma and dbeta, and the map dx = a dy + b x + c; a block a channel."""
    k, own, own_product = cuda.blockIdx.x, np.float64(0), np.float64(0)
    for part in range(cuda.threadIdx.x, sums.shape[0], cuda.blockDim.x):
        own += sums[part, k]
        own_product += products[part, k]
    total, product = block_sum(own), block_sum(own_product) * np.float64(wide(inverse[k]))
    if cuda.threadIdx.x == 0:
        dbeta[k], dgamma[k] = narrow_source(real(total)), narrow_source(real(product))
        scale = np.float64(wide(inverse[k]))
        slope = np.float64(wide_source(gamma[k])) * scale
        share = slope / count if count > 0 else 0.0
        a[k] = narrow(real(slope))
        b[k] = narrow(real(-share * product * scale))
        c[k] = narrow(real(share * (product * scale * np.float64(wide(mean[k])) - total)))
