"""Normalisation of each sample by itself.

By groups of channels: blocks go down parts of each image's places, a column of threads a channel, and write partial
sums; a block an image and group joins those of its channels; what is left is an affine map a channel of each image.
By place: a row of threads a place, whose channels lie side by side.
"""

import math
from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty
from pellucid.ops.cuda_ops.columns import block_shape, column_sum, joined, launch_columns, part_places, parts
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, helper, kernel, narrow, real, split, wide, wide_source
from pellucid.ops.cuda_ops.layouts import from_places, places
from pellucid.ops.cuda_ops.sums import block_sum
from pellucid.ops.cuda_ops.types import NUMBERS

NUMBERS_A_THREAD = 4  # of a place's channels, as far as there are threads


def group_norm(
    x: DeviceArray, gamma: DeviceArray, beta: DeviceArray, groups: int, epsilon: float
) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
    """y, and mean and 1 / deviation of each image and group."""
    values = _by_image(x)
    N, count, C = values.shape
    kind = NUMBERS[x.dtype.name].real
    mean, inverse = (empty((N, groups), kind) for _ in range(2))
    a, b = (empty((N, C), kind) for _ in range(2))
    y = empty(values.shape, x.dtype)
    if y.size:
        means, squares = _partial(values), _partial(values)
        lanes, rows = block_shape(C)
        grid = N * means.shape[1], -(-C // lanes)
        launch(_moments.of(x.dtype.name), grid, (lanes, rows), values, means, squares)
        vectors = contiguous(gamma), contiguous(beta), float(epsilon)
        joiner = _statistics.of(mean.dtype.name, gamma.dtype.name)
        launch(joiner, N * groups, THREADS, means, squares, count, rows, *vectors, mean, inverse, a, b)
        launch(_affine.of(x.dtype.name), blocks(y.size), THREADS, values, a, b, y)
    return _images(y, x), mean, inverse


def group_norm_backward(
    dy: DeviceArray,
    x: DeviceArray,
    gamma: DeviceArray,
    mean: DeviceArray,
    inverse: DeviceArray,
    dgamma: DeviceArray,
    dbeta: DeviceArray,
) -> DeviceArray:
    """Writes dgamma and dbeta, returns dx."""
    gradients, values = _by_image(dy), _by_image(x)
    N, count, C = values.shape
    kind, groups = np.dtype(NUMBERS[x.dtype.name].real), mean.shape[1]
    statistics = tuple(contiguous(some.astype(kind, copy=False)) for some in (mean, inverse))
    dx = empty(values.shape, x.dtype)
    if not dx.size:
        dgamma[...], dbeta[...] = 0, 0
        return _images(dx, x)
    sums, products = _partial(values), _partial(values)
    lanes, rows = block_shape(C)
    grid = N * sums.shape[1], -(-C // lanes)
    launch(_products.of(x.dtype.name), grid, (lanes, rows), gradients, values, *statistics, sums, products)
    joined(sums.reshape(-1, C), dbeta.dtype, out=dbeta)
    joined(products.reshape(-1, C), dgamma.dtype, out=dgamma)
    a, b, c = (empty((N, C), kind) for _ in range(3))
    slopes = _slopes.of(kind.name, gamma.dtype.name)
    launch(slopes, N * groups, THREADS, sums, products, count, contiguous(gamma), *statistics, a, b, c)
    launch(_combination.of(x.dtype.name), blocks(dx.size), THREADS, gradients, values, a, b, c, dx)
    return _images(dx, x)


def layer_norm(
    x: DeviceArray, gamma: DeviceArray, beta: DeviceArray, epsilon: float
) -> tuple[DeviceArray, DeviceArray, DeviceArray]:
    """y, and mean and 1 / deviation of each place."""
    values = places(x)
    kind, count = NUMBERS[x.dtype.name].real, values.shape[0]
    y = empty(values.shape, x.dtype)
    mean, inverse = (empty(count, kind) for _ in range(2))
    if y.size:
        lanes = _lanes(values.shape[1])
        vectors = contiguous(gamma), contiguous(beta), float(epsilon)
        grid, block = blocks(count, THREADS // lanes), (lanes, THREADS // lanes)
        launch(_layer.of(x.dtype.name, gamma.dtype.name), grid, block, values, *vectors, y, mean, inverse)
    shape = (x.shape[0], *x.shape[2:])
    return from_places(y, x.shape), mean.reshape(shape), inverse.reshape(shape)


def layer_norm_backward(
    dy: DeviceArray,
    x: DeviceArray,
    gamma: DeviceArray,
    mean: DeviceArray,
    inverse: DeviceArray,
    dgamma: DeviceArray,
    dbeta: DeviceArray,
) -> DeviceArray:
    """Writes dgamma and dbeta, returns dx."""
    gradients, values = places(dy), places(x)
    kind, (count, C) = NUMBERS[x.dtype.name].real, values.shape
    statistics = tuple(contiguous(some.astype(kind, copy=False)).reshape(-1) for some in (mean, inverse))
    dx = empty(values.shape, x.dtype)
    if not dx.size:
        dgamma[...], dbeta[...] = 0, 0
        return from_places(dx, x.shape)
    sums, products = (empty((parts(count), C), np.float64) for _ in range(2))
    launch_columns(_layer_sums.of(x.dtype.name), values, len(sums), gradients, values, *statistics, sums, products)
    joined(sums, dbeta.dtype, out=dbeta)
    joined(products, dgamma.dtype, out=dgamma)
    lanes = _lanes(C)
    grid, block = blocks(count, THREADS // lanes), (lanes, THREADS // lanes)
    one = _layer_backward.of(x.dtype.name, gamma.dtype.name)
    launch(one, grid, block, gradients, values, contiguous(gamma), *statistics, dx)
    return from_places(dx, x.shape)


def _by_image(x: DeviceArray) -> DeviceArray:
    """(N, places, C), C-contiguous."""
    N, C, H, W = x.shape
    return places(x).reshape(N, H * W, C)


def _images(rows: DeviceArray, x: DeviceArray) -> DeviceArray:
    """(N, places, C) as images of the shape of x."""
    return from_places(rows.reshape(-1, x.shape[1]), x.shape)


def _partial(values: DeviceArray) -> DeviceArray:
    N, count, C = values.shape
    return empty((N, parts(count), C), np.float64)


def _lanes(channels: int) -> int:
    """Threads of a row for so many channels: a power of two."""
    lanes = 1
    while lanes < THREADS and lanes * NUMBERS_A_THREAD < channels:
        lanes *= 2
    return lanes


@kernel("T3 D3 D3")
def _moments(x: Any, mean: Any, squares: Any) -> None:
    """Of each image, part of its places and channel: sums of differences from the part's first place, one sweep."""
    shared = cuda.shared.array(THREADS, np.float64)
    n, part = split(cuda.blockIdx.x, mean.shape[1])
    c = cuda.blockIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    first, step = part * cuda.blockDim.y, mean.shape[1] * cuda.blockDim.y
    near, own, own_square = real(0), real(0), real(0)
    if c < x.shape[2] and first < x.shape[1]:
        near = wide(x[n, first, c])
        for i in range(first + cuda.threadIdx.y, x.shape[1], step):
            apart = wide(x[n, i, c]) - near
            own += apart
            own_square += apart * apart
    total, square = column_sum(own, shared), column_sum(own_square, shared)
    if cuda.threadIdx.y == 0 and c < x.shape[2]:
        count = max(np.float64(part_places(x.shape[1], part, mean.shape[1], cuda.blockDim.y)), np.float64(1))
        mean[n, part, c] = near + total / count
        squares[n, part, c] = square - total * total / count


@kernel("D3 D3 n n S1 S1 d T2 T2 T2 T2")
def _statistics(
    means: Any,
    squares: Any,
    count: int,
    rows: int,
    gamma: Any,
    beta: Any,
    epsilon: float,
    mean: Any,
    inverse: Any,
    a: Any,
    b: Any,
) -> None:
    """Parts and channels joined (Chan et al. 1983), and the map y = a x + b; a block an image and group."""
    number, groups, channels = means.shape[1], mean.shape[1], means.shape[2]
    n, group = split(cuda.blockIdx.x, groups)
    each = channels // groups
    own = np.float64(0)
    for i in range(cuda.threadIdx.x, number * each, cuda.blockDim.x):
        part, c = split(i, each)
        own += means[n, part, group * each + c] * part_places(count, part, number, rows)
    size = np.float64(count * each)
    middle = block_sum(own) / size
    own = np.float64(0)
    for i in range(cuda.threadIdx.x, number * each, cuda.blockDim.x):
        part, c = split(i, each)
        apart = means[n, part, group * each + c] - middle
        own += squares[n, part, group * each + c] + apart * apart * part_places(count, part, number, rows)
    scale = 1.0 / math.sqrt(max(block_sum(own), np.float64(0)) / size + epsilon)
    if cuda.threadIdx.x == 0:
        mean[n, group], inverse[n, group] = narrow(real(middle)), narrow(real(scale))
    for c in range(group * each + cuda.threadIdx.x, (group + 1) * each, cuda.blockDim.x):
        slope = np.float64(wide_source(gamma[c])) * scale
        a[n, c] = narrow(real(slope))
        b[n, c] = narrow(real(np.float64(wide_source(beta[c])) - slope * middle))


@kernel("T3 R2 R2 T3")
def _affine(x: Any, a: Any, b: Any, y: Any) -> None:
    places, channels = x.shape[1], x.shape[2]
    for number in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        row, c = split(number, channels)
        n, i = split(row, places)
        y[n, i, c] = narrow(wide(x[n, i, c]) * a[n, c] + b[n, c])


@kernel("T3 T3 R2 R2 D3 D3")
def _products(dy: Any, x: Any, mean: Any, inverse: Any, sums: Any, products: Any) -> None:
    """Of each image, part of its places and channel: sums of dy and of dy x_hat."""
    shared = cuda.shared.array(THREADS, np.float64)
    n, part = split(cuda.blockIdx.x, sums.shape[1])
    c = cuda.blockIdx.y * cuda.blockDim.x + cuda.threadIdx.x
    first, step = part * cuda.blockDim.y + cuda.threadIdx.y, sums.shape[1] * cuda.blockDim.y
    own, own_product, scale = real(0), real(0), real(0)
    if c < x.shape[2]:
        group = c // (x.shape[2] // mean.shape[1])
        middle, scale = mean[n, group], inverse[n, group]
        for i in range(first, x.shape[1], step):
            gradient = wide(dy[n, i, c])
            own += gradient
            own_product += gradient * (wide(x[n, i, c]) - middle)
    total, product = column_sum(own, shared), column_sum(own_product, shared)
    if cuda.threadIdx.y == 0 and c < x.shape[2]:
        sums[n, part, c], products[n, part, c] = total, product * scale


@kernel("D3 D3 n S1 T2 T2 T2 T2 T2")
def _slopes(
    sums: Any, products: Any, count: int, gamma: Any, mean: Any, inverse: Any, a: Any, b: Any, c: Any
) -> None:
    """The map dx = a dy + b x + c of each channel of each image; a block an image and group."""
    number, groups, channels = sums.shape[1], mean.shape[1], sums.shape[2]
    n, group = split(cuda.blockIdx.x, groups)
    each = channels // groups
    own, own_product = np.float64(0), np.float64(0)
    for i in range(cuda.threadIdx.x, number * each, cuda.blockDim.x):
        part, k = split(i, each)
        factor = np.float64(wide_source(gamma[group * each + k]))
        own += factor * sums[n, part, group * each + k]
        own_product += factor * products[n, part, group * each + k]
    size = np.float64(count * each)
    of_gradient, of_product = block_sum(own) / size, block_sum(own_product) / size
    scale, middle = np.float64(wide(inverse[n, group])), np.float64(wide(mean[n, group]))
    by_x = -scale * scale * of_product
    for k in range(group * each + cuda.threadIdx.x, (group + 1) * each, cuda.blockDim.x):
        a[n, k] = narrow(real(np.float64(wide_source(gamma[k])) * scale))
        b[n, k] = narrow(real(by_x))
        c[n, k] = narrow(real(-scale * of_gradient - by_x * middle))


@kernel("T3 T3 R2 R2 R2 T3")
def _combination(dy: Any, x: Any, a: Any, b: Any, c: Any, dx: Any) -> None:
    places, channels = x.shape[1], x.shape[2]
    for number in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        row, k = split(number, channels)
        n, i = split(row, places)
        dx[n, i, k] = narrow(wide(dy[n, i, k]) * a[n, k] + wide(x[n, i, k]) * b[n, k] + c[n, k])


@helper
def row_sum(value: Any) -> Any:
    """Sum over the threads of each row of the block, a power of two, in float64, for each of them."""
    shared = cuda.shared.array(THREADS, np.float64)
    lane, lanes = cuda.threadIdx.x, cuda.blockDim.x
    place = cuda.threadIdx.y * lanes + lane
    cuda.syncthreads()  # an earlier sum may still be read
    shared[place] = value
    cuda.syncthreads()
    step = lanes // 2
    while step > 0:
        if lane < step:
            shared[place] += shared[place + step]
        cuda.syncthreads()
        step //= 2
    return shared[place - lane]


@kernel("T2 S1 S1 d T2 R1 R1")
def _layer(x: Any, gamma: Any, beta: Any, epsilon: float, y: Any, mean: Any, inverse: Any) -> None:
    """A row of threads a place; all rows of a block go on together, since they wait for each other."""
    lane, lanes, rows, channels = cuda.threadIdx.x, cuda.blockDim.x, cuda.blockDim.y, x.shape[1]
    for first in range(cuda.blockIdx.x * rows, x.shape[0], cuda.gridDim.x * rows):
        i = first + cuda.threadIdx.y
        there = i < x.shape[0]
        own = real(0)
        if there:
            for c in range(lane, channels, lanes):
                own += wide(x[i, c])
        middle = real(row_sum(own) / channels)
        own = real(0)
        if there:
            for c in range(lane, channels, lanes):
                apart = wide(x[i, c]) - middle
                own += apart * apart
        factor = real(1.0 / math.sqrt(row_sum(own) / channels + epsilon))
        if there:
            if lane == 0:
                mean[i], inverse[i] = middle, factor
            for c in range(lane, channels, lanes):
                x_hat = (wide(x[i, c]) - middle) * factor
                y[i, c] = narrow(x_hat * real(wide_source(gamma[c])) + real(wide_source(beta[c])))


@kernel("T2 T2 R1 R1 D2 D2")
def _layer_sums(dy: Any, x: Any, mean: Any, inverse: Any, sums: Any, products: Any) -> None:
    """Of each part of the places and channel: sums of dy and of dy x_hat."""
    shared = cuda.shared.array(THREADS, np.float64)
    c, part = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x, cuda.blockIdx.y
    first, step = part * cuda.blockDim.y + cuda.threadIdx.y, sums.shape[0] * cuda.blockDim.y
    own, own_product = real(0), real(0)
    if c < x.shape[1]:
        for i in range(first, x.shape[0], step):
            gradient = wide(dy[i, c])
            own += gradient
            own_product += gradient * ((wide(x[i, c]) - mean[i]) * inverse[i])
    total, product = column_sum(own, shared), column_sum(own_product, shared)
    if cuda.threadIdx.y == 0 and c < x.shape[1]:
        sums[part, c], products[part, c] = total, product


@kernel("T2 T2 S1 R1 R1 T2")
def _layer_backward(dy: Any, x: Any, gamma: Any, mean: Any, inverse: Any, dx: Any) -> None:
    """As `_layer`: dx = (g - mean(g) - x_hat mean(g x_hat)) / deviation with g = dy gamma."""
    lane, lanes, rows, channels = cuda.threadIdx.x, cuda.blockDim.x, cuda.blockDim.y, x.shape[1]
    for first in range(cuda.blockIdx.x * rows, x.shape[0], cuda.gridDim.x * rows):
        i = first + cuda.threadIdx.y
        there = i < x.shape[0]
        middle, factor = (mean[i], inverse[i]) if there else (real(0), real(0))
        own, own_product = real(0), real(0)
        if there:
            for c in range(lane, channels, lanes):
                g = wide(dy[i, c]) * real(wide_source(gamma[c]))
                own += g
                own_product += g * ((wide(x[i, c]) - middle) * factor)
        of_gradient, of_product = real(row_sum(own) / channels), real(row_sum(own_product) / channels)
        if there:
            for c in range(lane, channels, lanes):
                x_hat = (wide(x[i, c]) - middle) * factor
                g = wide(dy[i, c]) * real(wide_source(gamma[c]))
                dx[i, c] = narrow(factor * (g - of_gradient - x_hat * of_product))
