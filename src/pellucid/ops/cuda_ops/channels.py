"""Sums and affine maps per channel. Images are rows of channels, one row a place."""

from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty, from_places, places
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, channel_blocks, helper, kernel, narrow, real, wide, wide_source
from pellucid.ops.cuda_ops.sums import block_sum
from pellucid.ops.cuda_ops.types import NUMBERS, SIMULATED

LANES, ROWS = (2, 2) if SIMULATED else (32, 8)
"""A block: so many channels side by side, and so many rows of them at a time."""

MOST_PARTS = 3 if SIMULATED else 528
ROWS_A_PART = 2 if SIMULATED else 32
"""Places are divided into parts by their number alone, so that sums are the same on every card."""


def parts(count: int) -> int:
    """Into how many parts so many places are divided."""
    return max(1, min(MOST_PARTS, -(-count // ROWS_A_PART)))


def channel_sum(x: DeviceArray) -> DeviceArray:
    """Sum of each channel over images and pixels: (C,)."""
    values = places(x)
    return _summed(_sum.of(x.dtype.name), values)


def channel_sum_into(x: DeviceArray, out: DeviceArray) -> None:
    """As channel_sum, into `out` (C,)."""
    _summed(_sum.of(x.dtype.name), places(x), out=out)


def channel_dot(x: DeviceArray, y: DeviceArray) -> DeviceArray:
    """Sum of x * y over images and pixels, per channel: (C,)."""
    return _summed(_dot.of(x.dtype.name), places(x), places(y))


def _summed(kernel_of_type: Any, *values: DeviceArray, out: DeviceArray | None = None) -> DeviceArray:
    count, channels = values[0].shape
    partial = empty((parts(count), channels), np.float64)
    launch(kernel_of_type, (-(-channels // LANES), len(partial)), (LANES, ROWS), *values, partial)
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
    count, channels = dz.shape
    partial = empty((parts(count), channels), np.float64)
    grid = (-(-channels // LANES), len(partial))
    launch(_relu_backward_sum.of(dy.dtype.name), grid, (LANES, ROWS), gradients, outputs, dz, partial)
    joined(partial, db.dtype, out=db)
    return from_places(dz, dy.shape)


def add_bias(y: DeviceArray, b: DeviceArray) -> None:
    """Add b (K,) to each channel of y (N, K, P, Q), in place."""
    bias_relu(y, b, relu=False)


def bias_relu(y: DeviceArray, b: DeviceArray | None, relu: bool) -> DeviceArray:
    """Images y, changed: b of each channel added where there is one, then ReLU if wanted. Returns y."""
    values = places(y)
    if values.size:
        bias = values if b is None else contiguous(b)
        flags = int(b is not None), int(relu)
        numbers = (values.reshape(-1), bias.reshape(-1), values.shape[1], *flags)
        launch(_bias.of(y.dtype.name), channel_blocks(y.size, values.shape[1]), THREADS, *numbers)
    if values.address != y.address:
        y[...] = from_places(values, y.shape)
    return y


def channel_affine(x: DeviceArray, a: DeviceArray, b: DeviceArray) -> DeviceArray:
    """a x + b with one a and one b a channel."""
    values = places(x)
    y = empty(values.shape, x.dtype)
    if y.size:
        grid = channel_blocks(y.size, values.shape[1])
        vectors = values.reshape(-1), contiguous(a), contiguous(b), y.reshape(-1)
        launch(_affine.of(x.dtype.name, a.dtype.name), grid, THREADS, *vectors)
    return from_places(y, x.shape)


def channel_combination(
    x: DeviceArray, a: DeviceArray, y: DeviceArray, b: DeviceArray, c: DeviceArray
) -> DeviceArray:
    """a x + b y + c with one a, b and c a channel."""
    first, second = places(x), places(y)
    z = empty(first.shape, x.dtype)
    if z.size:
        grid = channel_blocks(z.size, first.shape[1])
        vectors = (first.reshape(-1), second.reshape(-1), *(contiguous(v) for v in (a, b, c)), z.reshape(-1))
        launch(_combination.of(x.dtype.name, a.dtype.name), grid, THREADS, *vectors)
    return from_places(z, x.shape)


@helper
def column_sum(value: Any, column: int) -> Any:
    """Sum over the block's rows of each lane's value, for the first row; `column` tells a kernel's two sums apart."""
    shared = cuda.shared.array((2, ROWS, LANES), np.float64)
    lane, row = cuda.threadIdx.x, cuda.threadIdx.y
    shared[column, row, lane] = value
    cuda.syncthreads()
    total = np.float64(0)
    if row == 0:
        for r in range(ROWS):
            total += shared[column, r, lane]
    cuda.syncthreads()
    return total


@kernel("T2 D2")
def _sum(x: Any, partial: Any) -> None:
    channel = cuda.blockIdx.x * LANES + cuda.threadIdx.x
    part, count = cuda.blockIdx.y, partial.shape[0]
    own = real(0)
    if channel < x.shape[1]:
        for i in range(part * ROWS + cuda.threadIdx.y, x.shape[0], count * ROWS):
            own += wide(x[i, channel])
    total = column_sum(own, 0)
    if cuda.threadIdx.y == 0 and channel < x.shape[1]:
        partial[part, channel] = total


@kernel("T2 T2 D2")
def _dot(x: Any, y: Any, partial: Any) -> None:
    channel = cuda.blockIdx.x * LANES + cuda.threadIdx.x
    part, count = cuda.blockIdx.y, partial.shape[0]
    own = real(0)
    if channel < x.shape[1]:
        for i in range(part * ROWS + cuda.threadIdx.y, x.shape[0], count * ROWS):
            own += wide(x[i, channel]) * wide(y[i, channel])
    total = column_sum(own, 0)
    if cuda.threadIdx.y == 0 and channel < x.shape[1]:
        partial[part, channel] = total


@kernel("T2 T2 T2 D2")
def _relu_backward_sum(dy: Any, y: Any, dz: Any, partial: Any) -> None:
    channel = cuda.blockIdx.x * LANES + cuda.threadIdx.x
    part, count = cuda.blockIdx.y, partial.shape[0]
    own = real(0)
    if channel < y.shape[1]:
        for i in range(part * ROWS + cuda.threadIdx.y, y.shape[0], count * ROWS):
            value = wide(dy[i, channel]) if wide(y[i, channel]) > 0 else real(0)
            own += value
            dz[i, channel] = narrow(value)
    total = column_sum(own, 0)
    if cuda.threadIdx.y == 0 and channel < y.shape[1]:
        partial[part, channel] = total


@kernel("T1 T1 n n n")
def _bias(y: Any, b: Any, channels: int, biased: int, relu: int) -> None:
    start = cuda.grid(1)
    offset = wide(b[start % channels]) if biased else real(0)
    for i in range(start, y.size, cuda.gridsize(1)):
        value = wide(y[i]) + offset
        y[i] = narrow(real(0) if relu and value <= 0 else value)


@kernel("D2 T1")
def _joined(partial: Any, result: Any) -> None:
    """A block a channel."""
    c, own = cuda.blockIdx.x, np.float64(0)
    for part in range(cuda.threadIdx.x, partial.shape[0], cuda.blockDim.x):
        own += partial[part, c]
    total = block_sum(own)
    if cuda.threadIdx.x == 0:
        result[c] = narrow(real(total))


@kernel("T1 S1 S1 T1")
def _affine(x: Any, a: Any, b: Any, y: Any) -> None:
    start = cuda.grid(1)
    c = start % a.size
    slope, offset = real(wide_source(a[c])), real(wide_source(b[c]))
    for i in range(start, x.size, cuda.gridsize(1)):
        y[i] = narrow(wide(x[i]) * slope + offset)


@kernel("T1 T1 S1 S1 S1 T1")
def _combination(x: Any, y: Any, a: Any, b: Any, c: Any, z: Any) -> None:
    start = cuda.grid(1)
    k = start % a.size
    of_x, of_y, offset = real(wide_source(a[k])), real(wide_source(b[k])), real(wide_source(c[k]))
    for i in range(start, x.size, cuda.gridsize(1)):
        z[i] = narrow(wide(x[i]) * of_x + wide(y[i]) * of_y + offset)
