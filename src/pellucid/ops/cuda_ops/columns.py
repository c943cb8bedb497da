"""Sums of each channel over all places, the same bits each time.

Images are rows of channels, one row a place. A block has columns of threads side by side, one a word of one or two
channels, and rows of them, which go down the places of its part. What a thread has added up is joined with that of
the others of its column, in a fixed order, and written as a partial sum; a last kernel joins the parts.
"""

from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import (
    IN_WORD,
    THREADS,
    WORD_TYPES,
    Compiled,
    helper,
    kernel,
    narrow,
    pack,
    real,
    upper,
    wide,
    wide_source,
)
from pellucid.ops.cuda_ops.layouts import from_places, places, words
from pellucid.ops.cuda_ops.sums import block_sum
from pellucid.ops.cuda_ops.types import NUMBERS, SIMULATED

MOST_PARTS = 3 if SIMULATED else 528
ROWS_A_PART = 2 if SIMULATED else 32
"""Places are divided into parts by their number alone, so that sums are the same on every card."""

LANES = (2,) if SIMULATED else (8, 16, 32)
"""Columns of a block: as few as hold a row, for idle threads read nothing."""


def parts(count: int) -> int:
    """Into how many parts so many places are divided."""
    return max(1, min(MOST_PARTS, -(-count // ROWS_A_PART)))


def block_shape(columns: int) -> tuple[int, int]:
    """Columns and rows of a block of threads for rows of so many words."""
    lanes = next((n for n in LANES if n >= columns), LANES[-1])
    return lanes, THREADS // lanes


def launch_columns(compiled: Compiled, first: DeviceArray, number: int, *arguments: Any) -> None:
    """Run a kernel whose threads go down the places of `first`, divided into so many parts."""
    lanes, rows = block_shape(first.shape[1])
    launch(compiled, (-(-first.shape[1] // lanes), number), (lanes, rows), *arguments)


def channel_sum(x: DeviceArray) -> DeviceArray:
    """Sum of each channel over images and pixels: (C,)."""
    return _summed(_sum, places(x))


def channel_sum_into(x: DeviceArray, out: DeviceArray) -> None:
    """As channel_sum, into `out` (C,)."""
    _summed(_sum, places(x), out=out)


def channel_dot(x: DeviceArray, y: DeviceArray) -> DeviceArray:
    """Sum of x * y over images and pixels, per channel: (C,)."""
    return _summed(_dot, places(x), places(y))


def _summed(one: Any, *values: DeviceArray, out: DeviceArray | None = None) -> DeviceArray:
    count, channels = values[0].shape
    partial = empty((parts(count), channels), np.float64)
    read, kind = words(*values)
    launch_columns(one.of(kind), read[0], len(partial), *read, partial)
    return joined(partial, NUMBERS[values[0].dtype.name].real, out)


def joined(partial: DeviceArray, dtype: Any, out: DeviceArray | None = None) -> DeviceArray:
    """Sums of partial sums (parts, C): (C,), into `out` if given."""
    result = empty(partial.shape[1], dtype) if out is None or not out.flags.c_contiguous else out
    if result.size:
        launch(_joined.of(result.dtype.name), result.size, THREADS, partial, result)
    if out is not None and out is not result:
        out[...] = result
    return result


def relu_backward_sum(dy: DeviceArray, y: DeviceArray, db: DeviceArray) -> DeviceArray:
    """Gradient dy where y is positive, else 0; its sum of each channel goes into db. One pass over memory."""
    gradients, outputs = places(dy), places(y)
    dz = empty(gradients.shape, dy.dtype)
    partial = empty((parts(len(dz)), dz.shape[1]), np.float64)
    read, kind = words(gradients, outputs, dz)
    launch_columns(_relu_backward_sum.of(kind), read[0], len(partial), *read, partial)
    joined(partial, db.dtype, out=db)
    return from_places(dz, dy.shape)


def partial_moments(x: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
    """Of each part of the places (N, C) and each channel the mean, and the sum of squared deviations from it."""
    mean, squares = (empty((parts(len(x)), x.shape[1]), np.float64) for _ in range(2))
    read, kind = words(x)
    launch_columns(_moments.of(kind), read[0], len(mean), *read, mean, squares)
    return mean, squares


def channel_moments(x: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
    """Mean of each channel over images and pixels, and the sum of squared deviations from it: (C,) each."""
    values, kind = places(x), NUMBERS[x.dtype.name].real
    means, squares = partial_moments(values)
    mean, deviations = (empty(values.shape[1], kind) for _ in range(2))
    rows = block_shape(words(values)[0][0].shape[1])[1]
    if mean.size:
        vectors = means, squares, len(values), rows, mean, deviations
        launch(_joined_moments.of(mean.dtype.name), mean.size, THREADS, *vectors)
    return mean, deviations


def partial_products(
    dy: DeviceArray,
    x: DeviceArray,
    middle: DeviceArray,
    line: tuple[DeviceArray, DeviceArray] | None,
    low: float,
    high: float,
) -> tuple[DeviceArray, DeviceArray]:
    """As channel_products, of places (N, C), not yet joined: (parts, C) each."""
    sums, products = (empty((parts(len(x)), x.shape[1]), np.float64) for _ in range(2))
    read, kind = words(dy, x)
    a, b = (middle, middle) if line is None else (contiguous(line[0]), contiguous(line[1]))
    vectors = contiguous(middle), a, b, int(line is not None), low, high
    launch_columns(_products.of(kind, middle.dtype.name), read[0], len(sums), *read, *vectors, sums, products)
    return sums, products


def channel_products(
    dy: DeviceArray,
    x: DeviceArray,
    middle: DeviceArray,
    a: DeviceArray | None = None,
    b: DeviceArray | None = None,
    low: float = -np.inf,
    high: float = np.inf,
) -> tuple[DeviceArray, DeviceArray]:
    """Sums of dy and of dy (x - middle) over images and pixels, per channel: (C,) each.

    Given a and b, only of the dy that pass: where a x + b lies between the bounds.
    """
    line = None if a is None or b is None else (a, b)
    sums, products = partial_products(places(dy), places(x), middle, line, low, high)
    kind = NUMBERS[x.dtype.name].real
    return joined(sums, kind), joined(products, kind)


@helper
def column_sum(value: Any, shared: Any) -> Any:
    """Sum over the block's rows of each column's value, for the first row.

    shared: of THREADS numbers, the kernel's own, so that all its sums come by the same memory: one made here would be
    another for each sum, and leave the multiprocessor room for fewer blocks.
    """
    lane, row, lanes = cuda.threadIdx.x, cuda.threadIdx.y, cuda.blockDim.x
    shared[row * lanes + lane] = value
    cuda.syncthreads()
    total = np.float64(0)
    if row == 0:
        for r in range(cuda.blockDim.y):
            total += shared[r * lanes + lane]
    cuda.syncthreads()  # until it may be written to again
    return total


@helper
def write_pair(target: Any, part: int, column: int, lower: Any, upper: Any) -> None:
    """Partial sums of the channels of a word."""
    if cuda.threadIdx.y == 0 and column * IN_WORD < target.shape[1]:
        target[part, column * IN_WORD] = lower
        if IN_WORD == 2:
            target[part, column * IN_WORD + 1] = upper


@helper
def passing(value: Any, x: Any, slope: Any, offset: Any, low: Any, high: Any) -> Any:
    """A gradient behind the clipping of slope x + offset: 0 at the bounds and outside."""
    z = x * slope + offset
    return real(0) if z <= low or z >= high else value


@helper
def part_places(count: int, part: int, number: int, rows: int) -> int:
    """How many places a part has: rows part * rows and on, of every number * rows."""
    turn = number * rows
    rest = count % turn - part * rows
    return count // turn * rows + max(0, min(rows, rest))


@kernel("T2 D2", WORD_TYPES)
def _sum(x: Any, partial: Any) -> None:
    shared = cuda.shared.array(THREADS, np.float64)
    column, part = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x, cuda.blockIdx.y
    first, step = part * cuda.blockDim.y + cuda.threadIdx.y, partial.shape[0] * cuda.blockDim.y
    lower, higher = real(0), real(0)
    if column < x.shape[1]:
        for i in range(first, x.shape[0], step):
            lower += wide(x[i, column])
            higher += upper(x[i, column])
    write_pair(partial, part, column, column_sum(lower, shared), column_sum(higher, shared))


@kernel("T2 T2 D2", WORD_TYPES)
def _dot(x: Any, y: Any, partial: Any) -> None:
    shared = cuda.shared.array(THREADS, np.float64)
    column, part = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x, cuda.blockIdx.y
    first, step = part * cuda.blockDim.y + cuda.threadIdx.y, partial.shape[0] * cuda.blockDim.y
    lower, higher = real(0), real(0)
    if column < x.shape[1]:
        for i in range(first, x.shape[0], step):
            lower += wide(x[i, column]) * wide(y[i, column])
            higher += upper(x[i, column]) * upper(y[i, column])
    write_pair(partial, part, column, column_sum(lower, shared), column_sum(higher, shared))


@kernel("T2 T2 T2 D2", WORD_TYPES)
def _relu_backward_sum(dy: Any, y: Any, dz: Any, partial: Any) -> None:
    shared = cuda.shared.array(THREADS, np.float64)
    column, part = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x, cuda.blockIdx.y
    first, step = part * cuda.blockDim.y + cuda.threadIdx.y, partial.shape[0] * cuda.blockDim.y
    lower, higher = real(0), real(0)
    if column < y.shape[1]:
        for i in range(first, y.shape[0], step):
            gradient, output = dy[i, column], y[i, column]
            one = wide(gradient) if wide(output) > 0 else real(0)
            two = upper(gradient) if upper(output) > 0 else real(0)
            lower += one
            higher += two
            dz[i, column] = pack(one, two)
    write_pair(partial, part, column, column_sum(lower, shared), column_sum(higher, shared))


@kernel("T2 D2 D2", WORD_TYPES)
def _moments(x: Any, mean: Any, squares: Any) -> None:
    """Sums of differences from the part's first place and of their squares, so that one sweep is exact enough.

    Four rows at a time are read before any is used: so many reads are under way at once.
    """
    shared = cuda.shared.array(THREADS, np.float64)
    column, part = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x, cuda.blockIdx.y
    first, step = part * cuda.blockDim.y + cuda.threadIdx.y, mean.shape[0] * cuda.blockDim.y
    near, near_too, seen = real(0), real(0), 0
    lower, higher, lower_square, higher_square = real(0), real(0), real(0), real(0)
    if column < x.shape[1] and x.shape[0] > 0:
        pilot = x[part * cuda.blockDim.y, column]
        near, near_too = wide(pilot), upper(pilot)
        i = first
        while i + 3 * step < x.shape[0]:
            w0, w1, w2, w3 = x[i, column], x[i + step, column], x[i + 2 * step, column], x[i + 3 * step, column]
            a0, a1, a2, a3 = wide(w0) - near, wide(w1) - near, wide(w2) - near, wide(w3) - near
            b0, b1, b2, b3 = upper(w0) - near_too, upper(w1) - near_too, upper(w2) - near_too, upper(w3) - near_too
            lower += (a0 + a1) + (a2 + a3)
            higher += (b0 + b1) + (b2 + b3)
            lower_square += (a0 * a0 + a1 * a1) + (a2 * a2 + a3 * a3)
            higher_square += (b0 * b0 + b1 * b1) + (b2 * b2 + b3 * b3)
            seen += 4
            i += 4 * step
        while i < x.shape[0]:
            one, two = wide(x[i, column]) - near, upper(x[i, column]) - near_too
            lower += one
            higher += two
            lower_square += one * one
            higher_square += two * two
            seen += 1
            i += step
    count = max(column_sum(seen, shared), np.float64(1))
    total, total_too = column_sum(lower, shared), column_sum(higher, shared)
    write_pair(mean, part, column, near + total / count, near_too + total_too / count)
    square, square_too = column_sum(lower_square, shared), column_sum(higher_square, shared)
    write_pair(squares, part, column, square - total * total / count, square_too - total_too * total_too / count)


@kernel("T2 T2 S1 S1 S1 n r r D2 D2", WORD_TYPES)
def _products(
    dy: Any, x: Any, middle: Any, a: Any, b: Any, clipped: int, low: Any, high: Any, sums: Any, products: Any
) -> None:
    shared = cuda.shared.array(THREADS, np.float64)
    column, part = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x, cuda.blockIdx.y
    first, step = part * cuda.blockDim.y + cuda.threadIdx.y, sums.shape[0] * cuda.blockDim.y
    lower, higher, lower_product, higher_product = real(0), real(0), real(0), real(0)
    if column < x.shape[1]:
        c, d = column * IN_WORD, column * IN_WORD + IN_WORD - 1
        near, near_too = real(wide_source(middle[c])), real(wide_source(middle[d]))
        slope, slope_too, offset, offset_too = real(0), real(0), real(0), real(0)  # 0 lies between all bounds
        if clipped:
            slope, slope_too = real(wide_source(a[c])), real(wide_source(a[d]))
            offset, offset_too = real(wide_source(b[c])), real(wide_source(b[d]))
        else:
            low, high = real(-1), real(1)
        i = first
        while i + step < x.shape[0]:
            g0, g1, w0, w1 = dy[i, column], dy[i + step, column], x[i, column], x[i + step, column]
            p0 = passing(wide(g0), wide(w0), slope, offset, low, high)
            p1 = passing(wide(g1), wide(w1), slope, offset, low, high)
            q0 = passing(upper(g0), upper(w0), slope_too, offset_too, low, high)
            q1 = passing(upper(g1), upper(w1), slope_too, offset_too, low, high)
            lower += p0 + p1
            higher += q0 + q1
            lower_product += p0 * (wide(w0) - near) + p1 * (wide(w1) - near)
            higher_product += q0 * (upper(w0) - near_too) + q1 * (upper(w1) - near_too)
            i += 2 * step
        if i < x.shape[0]:
            gradient, word = dy[i, column], x[i, column]
            one = passing(wide(gradient), wide(word), slope, offset, low, high)
            two = passing(upper(gradient), upper(word), slope_too, offset_too, low, high)
            lower += one
            higher += two
            lower_product += one * (wide(word) - near)
            higher_product += two * (upper(word) - near_too)
    write_pair(sums, part, column, column_sum(lower, shared), column_sum(higher, shared))
    write_pair(products, part, column, column_sum(lower_product, shared), column_sum(higher_product, shared))


@kernel("D2 D2 n n T1 T1")
def _joined_moments(means: Any, squares: Any, count: int, rows: int, mean: Any, deviations: Any) -> None:
    """A block a channel."""
    middle, around = joined_moments(means, squares, count, rows, cuda.blockIdx.x)
    if cuda.threadIdx.x == 0:
        mean[cuda.blockIdx.x], deviations[cuda.blockIdx.x] = narrow(real(middle)), narrow(real(around))


@helper
def joined_moments(means: Any, squares: Any, count: int, rows: int, c: int) -> Any:
    """Mean and squared deviations of channel c, for every thread of the block.

    With m_i the mean and s_i the squared deviations of part i of n_i places: mean m = sum of n_i m_i / n, squared
    deviations of all = sum of s_i + n_i (m_i - m)^2 (Chan, Golub, LeVeque 1983).
    """
    number, seen = means.shape[0], np.float64(max(count, 1))
    own = np.float64(0)
    for part in range(cuda.threadIdx.x, number, cuda.blockDim.x):
        own += means[part, c] * part_places(count, part, number, rows)
    middle = block_sum(own) / seen
    own = np.float64(0)
    for part in range(cuda.threadIdx.x, number, cuda.blockDim.x):
        apart = means[part, c] - middle
        own += squares[part, c] + apart * apart * part_places(count, part, number, rows)
    return middle, block_sum(own)


@kernel("D2 T1")
def _joined(partial: Any, result: Any) -> None:
    """A block a channel."""
    c, own = cuda.blockIdx.x, np.float64(0)
    for part in range(cuda.threadIdx.x, partial.shape[0], cuda.blockDim.x):
        own += partial[part, c]
    total = block_sum(own)
    if cuda.threadIdx.x == 0:
        result[c] = narrow(real(total))
