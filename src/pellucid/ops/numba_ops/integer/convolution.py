"""Integer convolution, compiled: the same whole numbers as the definition's, several times as fast.

A task is a few rows of one image. It copies the rows that it needs, with their frame, to memory that stays in the
cache; sums products into 32 bits, two or four at a time (see `products`); takes the largest of each square where a
max-pool follows; and only then scales, so that a number is rounded once and stored once, as a byte.
Groups, dilation and transposed convolution are done tap by tap (see `taps`).
"""

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.ops.memory import empty, never_changes
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.vectors import LANES, VECTOR, address
from pellucid.ops.numba_ops.integer.products import (
    ACTIVATION,
    NUMBERS,
    WEIGHT,
    WORD,
    few_totals_of_4,
    few_totals_of_6,
    scale_line,
    scale_pooled_line,
    totals_of_4,
    totals_of_6,
)
from pellucid.ops.numba_ops.integer.taps import by_taps, convolved, met_pixels, start_of_totals, transposed
from pellucid.ops.numba_ops.layout import images, rows
from pellucid.ops.numba_ops.pooling import window
from pellucid.ops.numpy_ops import integer as definition
from pellucid.ops.numpy_ops.integer import integer_avg_pool2d, integer_concat, integer_multiply, integer_sum

__all__ = [
    "integer_add",
    "integer_avg_pool2d",
    "integer_concat",
    "integer_conv2d",
    "integer_conv_transpose2d",
    "integer_logits",
    "integer_max_pool2d",
    "integer_multiply",
    "integer_sum",
    "integer_transposed_logits",
]

UNCLIPPED = (0, -(1 << 31), (1 << 31) - 1)
TASK_TOTALS = 1 << 13  # 32-bit totals of one task, about: half of a first-level cache
NUMBER = WORD // NUMBERS  # bytes of an activation while it is multiplied

_packed: dict[int, tuple[Any, Array]] = {}


def integer_conv2d(
    x: Array,
    w: Array,
    b: Array,
    multiplier: Array,
    shift: Array,
    zeros: Pair = (0, 0),
    low: int = 0,
    geometry: Geometry = PLAIN,
    pool: int = 1,
    high: int = definition.HIGHEST,
) -> Array:
    """The convolution's totals as activations, pooled: (N, K, P/pool, Q/pool) uint8; see the definition."""
    limits = (zeros[1], low, high)
    run = _by_taps if geometry.groups > 1 or geometry.dilation != (1, 1) else _run
    return run(np.uint8, x, w, _scaling(b, multiplier, shift), zeros[0], limits, geometry, pool)


def integer_logits(
    x: Array, w: Array, b: Array, multiplier: Array, shift: Array, zero: int = 0, geometry: Geometry = PLAIN
) -> Array:
    """The last layer: round(total * factor), not clipped: (N, K, P, Q) int32."""
    run = _by_taps if geometry.groups > 1 or geometry.dilation != (1, 1) else _run
    return run(np.int32, x, w, _scaling(b, multiplier, shift), zero, UNCLIPPED, geometry, 1)


def integer_conv_transpose2d(
    x: Array,
    w: Array,
    b: Array,
    multiplier: Array,
    shift: Array,
    size: Pair,
    zeros: Pair = (0, 0),
    low: int = 0,
    geometry: Geometry = PLAIN,
    pool: int = 1,
    high: int = definition.HIGHEST,
) -> Array:
    """The transposed convolution's totals as activations, pooled: uint8; see the definition."""
    met = met_pixels(transposed, size, _size(x), _window(w), geometry)
    limits = (zeros[1], low, high)
    return by_taps(np.uint8, x, w, _scaling(b, multiplier, shift), zeros[0], limits, met, geometry.groups, pool)


def integer_transposed_logits(
    x: Array,
    w: Array,
    b: Array,
    multiplier: Array,
    shift: Array,
    size: Pair,
    zero: int = 0,
    geometry: Geometry = PLAIN,
) -> Array:
    """A last layer that is a transposed convolution: (N, K, *size) int32; see the definition."""
    met = met_pixels(transposed, size, _size(x), _window(w), geometry)
    return by_taps(np.int32, x, w, _scaling(b, multiplier, shift), zero, UNCLIPPED, met, geometry.groups, 1)


def integer_add(
    xs: Sequence[Array],
    zeros: Sequence[int],
    multipliers: Sequence[int],
    shift: int,
    zero: int = 0,
    low: int = 0,
    high: int = definition.HIGHEST,
) -> Array:
    """The sum of images, each with a scale of its own, uint8; see the definition, which does all but the common."""
    if len(xs) != 2 or xs[0].shape != xs[1].shape:
        return definition.integer_add(xs, zeros, multipliers, shift, zero, low, high)
    first, second = map(rows, xs)
    y = empty(first.shape, np.uint8)
    _add(first.reshape(-1), second.reshape(-1), *zeros, *multipliers, shift, zero, low, high, y.reshape(-1))
    return images(y)


def integer_max_pool2d(x: Array, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False) -> Array:
    """Largest value of each window of uint8 images; padding takes no part, and a window of nothing else gives 0."""
    if geometry.dilation != (1, 1):
        return definition.integer_max_pool2d(x, kernel, geometry, ceil)
    P, Q = geometry.output_size((x.shape[2], x.shape[3]), kernel, ceil)
    y = empty((x.shape[0], P, Q, x.shape[1]), np.uint8)
    _max_pool(rows(x), y, *kernel, *geometry.stride, *geometry.before)
    return images(y)


def _scaling(b: Array, multiplier: Array, shift: Array) -> tuple[Array, Array, Array]:
    """Each as vectors of registers read it: number beside number."""
    return np.ascontiguousarray(b), np.ascontiguousarray(multiplier), np.ascontiguousarray(shift)


def _size(x: Array) -> Pair:
    return x.shape[2], x.shape[3]


def _window(w: Array) -> Pair:
    return w.shape[2], w.shape[3]


def _by_taps(
    kind: Any,
    x: Array,
    w: Array,
    scaling: tuple[Array, Array, Array],
    zero: int,
    limits: tuple[int, int, int],
    geometry: Geometry,
    pool: int,
) -> Array:
    """A convolution in groups or with holes."""
    size, window = _size(x), _window(w)
    met = met_pixels(convolved, geometry.output_size(size, window), size, window, geometry)
    b, multiplier, shift = scaling
    scaling = (start_of_totals(w, b, zero), multiplier, shift)
    return by_taps(kind, x, w, scaling, zero, limits, met, geometry.groups, pool)


def _run(
    kind: Any,
    x: Array,
    w: Array,
    scaling: tuple[Array, Array, Array],
    zero: int,
    limits: tuple[int, int, int],
    geometry: Geometry,
    pool: int,
) -> Array:
    (N, C, H, W), (K, _, R, S) = x.shape, w.shape
    P, Q = (places // pool for places in geometry.output_size((H, W), (R, S)))
    y = empty((N, P, Q, K), kind)
    source, out, window, stride = rows(x), y, (R, S), geometry.stride
    if window == (H, W) and not any(geometry.padding):  # one place an image: let them be the places of one row
        source, out = source.reshape(1, 1, N, H * W * C), y.reshape(1, 1, N, K)
        window = stride = (1, 1)
    packed = _pack(w, window[0])
    tasks = min(out.shape[1], -(-out[:1].size * pool * pool // TASK_TOTALS))
    height = -(-out.shape[1] // max(1, tasks))  # rows of the output of one task
    b, multiplier, shift = scaling
    half = np.left_shift(1, shift.astype(np.int64) - 1)
    factors = (b, multiplier, shift.astype(np.int64), half)
    _convolve(source, packed, *factors, zero, limits, (*stride, *geometry.before, *window, pool, height), out)
    return images(y)


def _pack(w: Array, R: int) -> Array:
    """Weights (K, C, ...) as WEIGHT (blocks of filters, R, words, LANES, NUMBERS).

    The S*C taps of a row of the window lie side by side, as they do in an image; the last word is filled up with
    weights of 0. Weights that can never change (see `frozen`) are packed once.
    """
    known = _packed.get(id(w))
    if known is not None and known[0]() is w and known[1].shape[1] == R:
        return known[1]
    K = w.shape[0]
    taps = w.transpose(0, 2, 3, 1).reshape(K, R, -1)
    blocks, words = -(-K // LANES), -(-taps.shape[2] // NUMBERS)
    padded = np.zeros((blocks * LANES, R, words * NUMBERS), WEIGHT)
    padded[:K, :, : taps.shape[2]] = taps
    packed = np.ascontiguousarray(padded.reshape(blocks, LANES, R, words, NUMBERS).transpose(0, 2, 3, 1, 4))
    if never_changes(w):
        key = id(w)
        _packed[key] = (weakref.ref(w, lambda _: _forget(key)), packed)
    return packed


def _forget(key: int) -> None:
    _packed.pop(key, None)


@jit(parallel=True)
def _convolve(
    x: Any, w: Any, b: Any, multiplier: Any, shift: Any, half: Any, zero: int, limits: Any, geometry: Any, y: Any
) -> None:
    down, right, top, left, R, S, pool, height = geometry
    N, _, W, C = x.shape
    _, P, Q, K = y.shape
    places, channels = max(Q * pool, 4), w.shape[0] * LANES
    tasks = -(-P // height)
    lines = (height * pool - 1) * down + R
    columns = max(left + W, (places - 1) * right + S)
    for task in prange(N * tasks):
        n, first = task // tasks, task % tasks * height
        frame = np.empty(lines * columns * C + NUMBERS - 1, ACTIVATION)  # a place's last word may reach that far
        _copy_lines(x[n], frame, first * pool * down - top, left, lines, columns, zero)
        total = np.empty((pool, places, channels), np.int32)
        for p in range(first, min(P, first + height)):
            for i in range(pool):
                line = ((p - first) * pool + i) * down
                _line(frame[line * columns * C :], right * C, columns * C, w, total[i])
            done = _scale_line(total, b, multiplier, shift, half, limits, pool, y[n, p])
            if done < K:
                for q in range(Q):
                    _pool(total, q * pool, pool)
                    _scale(total[0, q * pool], b, multiplier, shift, half, limits, y[n, p, q], done)


@jit(cache=False)
def _copy_lines(x: Any, frame: Any, above: int, left: int, lines: int, columns: int, zero: int) -> None:
    """The bytes of the lines from `above` on as ACTIVATION, with `zero` wherever there is no image."""
    H, W, C = x.shape
    frame[:] = ACTIVATION(zero)
    for i in range(max(0, -above), min(lines, H - above)):
        source, start = x[above + i].reshape(W * C), (i * columns + left) * C
        for j in range(W * C):
            frame[start + j] = source[j]


@jit(cache=False)
def _line(frame: Any, pixel: int, row: int, w: Any, total: Any) -> None:
    """Totals of all filters at every place of one line; frame begins with the first place's window."""
    blocks, R, words = w.shape[:3]
    places, channels = total.shape
    pixel, row, width = pixel * NUMBER, row * NUMBER, channels * WORD
    for block in range(0, blocks, 2):
        weights, both = address(w) + block * R * words * VECTOR, block + 1 < blocks
        q = 0
        while q < places:
            left = places - q
            if left < 4:
                q = places - 4  # some are computed twice
            x, into = address(frame) + q * pixel, address(total) + q * width + block * VECTOR
            count = 4 if left < 6 or left % 6 == 2 else 6
            if both and count == 6:
                totals_of_6(x, pixel, R, row, words, weights, into, width)
            elif both:
                totals_of_4(x, pixel, R, row, words, weights, into, width)
            elif count == 6:
                few_totals_of_6(x, pixel, R, row, words, weights, into, width)
            else:
                few_totals_of_4(x, pixel, R, row, words, weights, into, width)
            q += count


@jit(cache=False)
def _pool(total: Any, q: int, side: int) -> None:
    """The largest of a square of totals, into its first place."""
    for i in range(side):
        for j in range(side):
            if i + j > 0:
                for k in range(total.shape[2]):
                    total[0, q, k] = max(total[0, q, k], total[i, q + j, k])


@jit(cache=False)
def _scale_line(total: Any, b: Any, multiplier: Any, shift: Any, half: Any, limits: Any, pool: int, y: Any) -> int:
    """As many channels of a line as fill registers, where there is an instruction for them; how many that are."""
    Q, K = y.shape
    blocks, width = K // LANES, total.shape[2] * WORD
    zero, low, high = limits
    if pool > 2 or y.itemsize > 1 or blocks == 0:
        return 0
    factors = address(b), address(multiplier), address(shift), address(half)
    out = address(y)
    if pool == 1:
        scale_line(address(total), Q, width, blocks, *factors, zero, low, high, out, K)
    else:
        line = total.shape[1] * width
        scale_pooled_line(address(total), Q, width, blocks, *factors, zero, low, high, out, K, line)
    done: int = blocks * LANES
    return done


@jit(cache=False)
def _scale(total: Any, b: Any, multiplier: Any, shift: Any, half: Any, limits: Any, y: Any, first: int) -> None:
    """The channels from `first` on of one place."""
    zero, low, high = limits
    for k in range(first, y.size):
        scaled = ((np.int64(total[k] + b[k]) * np.int64(multiplier[k]) + half[k]) >> shift[k]) + zero
        y[k] = min(max(scaled, low), high)


@jit(parallel=True)
def _add(
    x: Any, y: Any, x_zero: int, y_zero: int, x_by: int, y_by: int, shift: int, zero: int, low: int, high: int,
    out: Any,
) -> None:  # fmt: skip
    start = np.int32((1 << (shift - 1)) - x_zero * x_by - y_zero * y_by)
    by, other, down = np.int32(x_by), np.int32(y_by), np.int32(shift)
    offset, least, most = np.int32(zero), np.int32(low), np.int32(high)
    for i in prange(out.size):
        total = np.int32(np.int32(x[i]) * by + np.int32(y[i]) * other + start)
        out[i] = min(max(np.int32((total >> down) + offset), least), most)


@jit(parallel=True)
def _max_pool(x: Any, y: Any, R: int, S: int, down: int, right: int, top: int, left: int) -> None:
    _, H, W, C = x.shape
    N, P, Q, _ = y.shape
    for row in prange(N * P):
        n, p = row // P, row % P
        u0, u1, i = window(p, H, R, down, top)
        for q in range(Q):
            v0, v1, j = window(q, W, S, right, left)
            best = y[n, p, q]
            best[:] = 0
            for u in range(u0, u1):
                for v in range(v0, v1):
                    pixel = x[n, i + u, j + v]
                    for c in range(C):
                        best[c] = max(best[c], pixel[c])
