"""Batch normalisation, forward and backward, each in three launches: partial sums, their sum, the map."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.arrays import Array
from pellucid.ops.cuda_ops.arrays import DeviceArray, array, contiguous, empty, places
from pellucid.ops.cuda_ops.channels import LANES, ROWS, channel_affine, channel_combination, column_sum, parts
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, helper, kernel, narrow, narrow_source, real, wide, wide_source
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
) -> tuple[DeviceArray, DeviceArray, DeviceArray, float]:
    """Normalise with the statistics of the batch: (y, mean, 1 / sqrt(variance + epsilon), count).

    The running averages take the statistics in. Sums over processes, where there are several, go by the host.
    """
    values = places(x)
    count, channels = values.shape
    mean_part = empty((parts(count), channels), np.float64)
    squares_part = empty((parts(count), channels), np.float64)
    grid = (-(-channels // LANES), len(mean_part))
    launch(_moments.of(x.dtype.name), grid, (LANES, ROWS), values, mean_part, squares_part)
    if all_reduce is not None:
        mean_part, squares_part, count = _over_processes(mean_part, squares_part, count, all_reduce)
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
    return channel_affine(x, a, b), mean, inverse, float(max(count, 1))


def _over_processes(
    mean_part: DeviceArray, squares_part: DeviceArray, count: int, all_reduce: AllReduce
) -> tuple[DeviceArray, DeviceArray, int]:
    """Mean and squared deviation of the batch that several processes share, each as one part."""
    counts = _part_counts(count, len(mean_part))[:, None]
    means, squares = mean_part.host(), squares_part.host()
    total = int(all_reduce(np.array([float(count)]))[0])
    mean = all_reduce((means * counts).sum(axis=0)) / max(total, 1)
    deviation = all_reduce((squares + counts * (means - mean) ** 2).sum(axis=0))
    return array(mean[None]), array(deviation[None]), total


def _part_counts(count: int, number: int) -> Array:
    """How many places each part has: rows part * ROWS ... of every number * ROWS."""
    place = np.arange(count)
    return np.bincount(place // ROWS % number, minlength=number).astype(np.float64)


def batch_norm_inference(
    x: DeviceArray,
    gamma: DeviceArray,
    beta: DeviceArray,
    running_mean: DeviceArray,
    running_variance: DeviceArray,
    epsilon: float,
) -> tuple[DeviceArray, DeviceArray]:
    """Normalise with the running statistics: (y, 1 / sqrt(variance + epsilon))."""
    kind = running_mean.dtype
    inverse, a, b = (empty(running_mean.shape, kind) for _ in range(3))
    vectors = contiguous(gamma), contiguous(beta), running_mean, running_variance
    launch(_running.of(kind.name, gamma.dtype.name), blocks(inverse.size), THREADS, *vectors, epsilon, inverse, a, b)
    return channel_affine(x, a, b), inverse


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
) -> DeviceArray:
    """Gradients: dgamma and dbeta written, dx returned. Without `count` the statistics were constants."""
    values, gradients = places(x), places(dy)
    places_count, channels = values.shape
    partial = empty((2, parts(places_count), channels), np.float64)
    grid = (-(-channels // LANES), partial.shape[1])
    launch(_products.of(x.dtype.name), grid, (LANES, ROWS), gradients, values, mean, inverse, partial[0], partial[1])
    written = dgamma, dbeta
    if all_reduce is not None and count is not None:
        local = partial.host().sum(axis=1)
        dbeta[...], dgamma[...] = local
        partial = array(np.stack([all_reduce(local[0]), all_reduce(local[1])])[:, None])
        written = empty(channels, dgamma.dtype), empty(channels, dgamma.dtype)  # the sums of all processes
    kind = mean.dtype
    a, b, c = (empty(channels, kind) for _ in range(3))
    vectors = contiguous(gamma), mean, inverse
    launch(
        _combine.of(kind.name, gamma.dtype.name),
        channels,
        THREADS,
        partial[0],
        partial[1],
        *vectors,
        count or 0.0,
        *written,
        a,
        b,
        c,
    )
    return channel_combination(dy, a, x, b, c)


@helper
def part_places(count: int, part: int, number: int) -> int:
    """How many places a part has: rows part * ROWS and on, of every number * ROWS."""
    turn = number * ROWS
    rest = count % turn - part * ROWS
    return count // turn * ROWS + max(0, min(ROWS, rest))


@kernel("T2 D2 D2")
def _moments(x: Any, mean: Any, squares: Any) -> None:
    """Of each part and channel the mean, and the sum of squared deviations from that."""
    channel = cuda.blockIdx.x * LANES + cuda.threadIdx.x
    part, number = cuda.blockIdx.y, mean.shape[0]
    first, step, count = part * ROWS + cuda.threadIdx.y, number * ROWS, x.shape[0]
    inside = channel < x.shape[1]
    own = real(0)
    seen = 0
    if inside:
        for i in range(first, count, step):
            own += wide(x[i, channel])
            seen += 1
    total = column_sum(own, 0)
    places_seen = column_sum(seen, 1)
    shared = cuda.shared.array(LANES, np.float64)
    if cuda.threadIdx.y == 0:
        shared[cuda.threadIdx.x] = total / max(places_seen, np.float64(1))
    cuda.syncthreads()
    middle = shared[cuda.threadIdx.x]
    near = real(middle)
    around = real(0)
    if inside:
        for i in range(first, count, step):
            deviation = wide(x[i, channel]) - near
            around += deviation * deviation
    deviations = column_sum(around, 0)
    if cuda.threadIdx.y == 0 and inside:
        mean[part, channel], squares[part, channel] = middle, deviations


@kernel("D2 D2 n S1 S1 d d T1 T1 T1 T1 T1 T1")
def _statistics(
    means: Any,
    squares: Any,
    count: int,
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
    """Parts joined, running averages moved, and the map y = a x + b; a block a channel.

    With m_i the mean and s_i the squared deviations of part i of n_i places: mean m = sum of n_i m_i / n, squared
    deviations of all = sum of s_i + n_i (m_i - m)^2.
    """
    number, c = means.shape[0], cuda.blockIdx.x
    seen = np.float64(max(count, 1))
    own = np.float64(0)
    for part in range(cuda.threadIdx.x, number, cuda.blockDim.x):
        own += means[part, c] * part_places(count, part, number)
    middle = block_sum(own) / seen
    own = np.float64(0)
    for part in range(cuda.threadIdx.x, number, cuda.blockDim.x):
        apart = means[part, c] - middle
        own += squares[part, c] + apart * apart * part_places(count, part, number)
    around = block_sum(own)
    if cuda.threadIdx.x == 0:
        variance = around / seen
        if count > 0:  # an empty batch tells nothing
            unbiased = around / max(seen - 1, np.float64(1))
            running_mean[c] = narrow(real(wide(running_mean[c]) + momentum * (middle - wide(running_mean[c]))))
            old = wide(running_variance[c])
            running_variance[c] = narrow(real(old + momentum * (unbiased - old)))
        scale = 1.0 / math.sqrt(variance + epsilon)
        slope = np.float64(wide_source(gamma[c])) * scale
        mean[c], inverse[c] = narrow(real(middle)), narrow(real(scale))
        a[c], b[c] = narrow(real(slope)), narrow(real(np.float64(wide_source(beta[c])) - slope * middle))


@kernel("S1 S1 T1 T1 d T1 T1 T1")
def _running(gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float, inverse: Any, a: Any, b: Any) -> None:
    for c in range(cuda.grid(1), mean.size, cuda.gridsize(1)):
        scale = 1.0 / math.sqrt(np.float64(wide(variance[c])) + epsilon)
        slope = np.float64(wide_source(gamma[c])) * scale
        inverse[c], a[c] = narrow(real(scale)), narrow(real(slope))
        b[c] = narrow(real(np.float64(wide_source(beta[c])) - slope * np.float64(wide(mean[c]))))


@kernel("T2 T2 R1 R1 D2 D2")
def _products(dy: Any, x: Any, mean: Any, inverse: Any, sums: Any, products: Any) -> None:
    """Of each part and channel the sums of dy and of dy * x_hat."""
    channel = cuda.blockIdx.x * LANES + cuda.threadIdx.x
    part, number = cuda.blockIdx.y, sums.shape[0]
    inside = channel < x.shape[1]
    own = real(0)
    product = real(0)
    if inside:
        middle, scale = mean[channel], inverse[channel]
        for i in range(part * ROWS + cuda.threadIdx.y, x.shape[0], number * ROWS):
            gradient = wide(dy[i, channel])
            own += gradient
            product += gradient * ((wide(x[i, channel]) - middle) * scale)
    total = column_sum(own, 0)
    total_product = column_sum(product, 1)
    if cuda.threadIdx.y == 0 and inside:
        sums[part, channel], products[part, channel] = total, total_product


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
    total, product = block_sum(own), block_sum(own_product)
    if cuda.threadIdx.x == 0:
        dbeta[k], dgamma[k] = narrow_source(real(total)), narrow_source(real(product))
        scale = np.float64(wide(inverse[k]))
        slope = np.float64(wide_source(gamma[k])) * scale
        share = slope / count if count > 0 else 0.0
        a[k] = narrow(real(slope))
        b[k] = narrow(real(-share * product * scale))
        c[k] = narrow(real(share * (product * scale * np.float64(wide(mean[k])) - total)))
