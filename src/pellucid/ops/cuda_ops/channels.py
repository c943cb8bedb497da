"""Maps with numbers of their own for each channel. Images are rows of channels, one row a place.

The threads of a grid go on by a whole number of rows, so that each meets one word of channels only, whose factors it
reads once.
"""

import math
from typing import Any

from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty
from pellucid.ops.cuda_ops.columns import passing
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import (
    IN_WORD,
    THREADS,
    WORD_TYPES,
    channel_blocks,
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


def channel_affine(
    x: DeviceArray,
    a: DeviceArray,
    b: DeviceArray,
    added: DeviceArray | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> DeviceArray:
    """Affine map a x + b with one a and one b a channel, then `added` (N, C, H, W) on it, then clipped."""
    values = places(x)
    y = empty(values.shape, x.dtype)
    if y.size:
        (read, more, written), kind = words(values, values if added is None else places(added), y)
        vectors = contiguous(a), contiguous(b), int(added is not None), low, high
        arrays = read.reshape(-1), more.reshape(-1), *vectors, written.reshape(-1)
        launch(_affine.of(kind, a.dtype.name), channel_blocks(read.size, read.shape[1]), THREADS, *arrays)
    return from_places(y, x.shape)


def channel_combination(
    x: DeviceArray,
    a: DeviceArray,
    y: DeviceArray,
    b: DeviceArray,
    c: DeviceArray,
    slope: DeviceArray | None = None,
    offset: DeviceArray | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> DeviceArray:
    """Combination a x + b y + c with one a, b and c a channel.

    Given slope and offset, of the x that pass: where slope y + offset lies between the bounds; the others count as 0.
    """
    first, second = places(x), places(y)
    z = empty(first.shape, x.dtype)
    if z.size:
        clipped = slope is not None and offset is not None
        (read, more, written), kind = words(first, second, z)
        line = (contiguous(slope), contiguous(offset)) if slope is not None and offset is not None else (a, a)
        vectors = *(contiguous(v) for v in (a, b, c, *line)), int(clipped), low, high
        arrays = read.reshape(-1), more.reshape(-1), *vectors, written.reshape(-1)
        launch(_combination.of(kind, a.dtype.name), channel_blocks(read.size, read.shape[1]), THREADS, *arrays)
    return from_places(z, x.shape)


@kernel("T1 T1 n n n")
def _bias(y: Any, b: Any, channels: int, biased: int, relu: int) -> None:
    start = cuda.grid(1)
    offset = wide(b[start % channels]) if biased else real(0)
    for i in range(start, y.size, cuda.gridsize(1)):
        value = wide(y[i]) + offset
        y[i] = narrow(real(0) if relu and value <= 0 else value)


@helper
def between(z: Any, low: Any, high: Any) -> Any:
    """The nearest number between the bounds; NaN stays."""
    return low if z <= low else high if z >= high else z


@kernel("T1 T1 S1 S1 n r r T1", WORD_TYPES)
def _affine(x: Any, more: Any, a: Any, b: Any, plus: int, low: Any, high: Any, y: Any) -> None:
    """Two words at a time are read before any is written, so that as many reads are under way."""
    i, step = cuda.grid(1), cuda.gridsize(1)
    c = i * IN_WORD % a.size
    slope, offset = real(wide_source(a[c])), real(wide_source(b[c]))
    d = c + IN_WORD - 1
    slope_too, offset_too = real(wide_source(a[d])), real(wide_source(b[d]))
    while i < x.size:
        two = i + step < x.size
        j = i + step if two else i
        w0, w1 = x[i], x[j]
        z0, z1 = wide(w0) * slope + offset, wide(w1) * slope + offset
        v0, v1 = upper(w0) * slope_too + offset_too, upper(w1) * slope_too + offset_too
        if plus:
            m0, m1 = more[i], more[j]
            z0, z1, v0, v1 = z0 + wide(m0), z1 + wide(m1), v0 + upper(m0), v1 + upper(m1)
        y[i] = pack(between(z0, low, high), between(v0, low, high))
        if two:
            y[j] = pack(between(z1, low, high), between(v1, low, high))
        i += 2 * step


@kernel("T1 T1 S1 S1 S1 S1 S1 n r r T1", WORD_TYPES)
def _combination(
    x: Any, y: Any, a: Any, b: Any, c: Any, slope: Any, offset: Any, clipped: int, low: Any, high: Any, z: Any
) -> None:
    i, step = cuda.grid(1), cuda.gridsize(1)
    k = i * IN_WORD % a.size
    m = k + IN_WORD - 1
    of_x, of_y, plus = real(wide_source(a[k])), real(wide_source(b[k])), real(wide_source(c[k]))
    of_x_too, of_y_too, plus_too = real(wide_source(a[m])), real(wide_source(b[m])), real(wide_source(c[m]))
    tilt, tilt_too, shift, shift_too = real(0), real(0), real(0), real(0)  # 0 lies between all bounds
    if clipped:
        tilt, tilt_too = real(wide_source(slope[k])), real(wide_source(slope[m]))
        shift, shift_too = real(wide_source(offset[k])), real(wide_source(offset[m]))
    else:
        low, high = real(-1), real(1)
    while i < x.size:
        two = i + step < x.size
        j = i + step if two else i
        g0, g1, w0, w1 = x[i], x[j], y[i], y[j]
        p0 = passing(wide(g0), wide(w0), tilt, shift, low, high)
        q0 = passing(upper(g0), upper(w0), tilt_too, shift_too, low, high)
        z[i] = pack(p0 * of_x + wide(w0) * of_y + plus, q0 * of_x_too + upper(w0) * of_y_too + plus_too)
        if two:
            p1 = passing(wide(g1), wide(w1), tilt, shift, low, high)
            q1 = passing(upper(g1), upper(w1), tilt_too, shift_too, low, high)
            z[j] = pack(p1 * of_x + wide(w1) * of_y + plus, q1 * of_x_too + upper(w1) * of_y_too + plus_too)
        i += 2 * step
