"""Integer arithmetic of a quantised network: the definition, exact and the same on every machine.

A real number r is stored as a whole number q of 8 bits, r = step (q - zero) (Jacob et al. 2018, section 2.1):
activations as uint8 with one step and one zero a tensor, weights as int8 with zero 0 and one step a channel.

    total[k] = b[k] + sum of  q w[k]                     int32, exact
    y[k]     = zero + round(total[k] * factor[k])        clipped to low .. 255, uint8

`factor` is input step times weight step over output step, as multiplier * 2^-shift. That an input's zero may
differ from 0 needs nothing here: the frame of a padded image holds `zero`, and b holds minus zero times the sum
of the weights. ReLU is low = zero, and what is clipped above has its `high`. Nothing in it is rounded but the one
product, half upwards, in 64 bits.

Sums and products of activations rescale all their inputs at once and round once:

    y = zero + round((sum over i of  (x_i - zero_i) multiplier_i) / 2^shift)         clipped to low .. high
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.ops.memory import channels_last, empty_images, padded
from pellucid.ops.numpy_ops.convolution import conv2d, conv2d_input_gradient
from pellucid.ops.numpy_ops.pooling import counts, max_pool2d, places

HIGHEST = 255  # of an activation
EXACT_FLOAT32 = 1 << 24  # below this float32 holds every whole number


def rescale(total: Array, multiplier: Array, shift: Array) -> Array:
    """round(total * multiplier / 2^shift) for int32 totals (..., K): int64, halves rounded upwards.

    multiplier: (K,) int32, not negative. shift: (K,) int32, 1 .. 62.
    """
    half = np.int64(1) << (shift.astype(np.int64) - 1)
    scaled: Array = (total.astype(np.int64) * multiplier + half) >> shift.astype(np.int64)
    return scaled


def requantize(
    total: Array, multiplier: Array, shift: Array, zero: int = 0, low: int = 0, high: int = HIGHEST
) -> Array:
    """Totals (..., K) int32 as activations: zero + round(total * factor), clipped to low .. high, uint8."""
    y: Array = np.clip(rescale(total, multiplier, shift) + zero, low, high).astype(np.uint8)
    return y


def integer_sums(x: Array, w: Array, b: Array, zero: int = 0, geometry: Geometry = PLAIN) -> Array:
    """Convolution of x (N, C, H, W) uint8, framed with `zero`, with w (K, C/groups, R, S) int8, plus b (K,) int32.

    Returns (N, K, P, Q) int32. The caller sees to it that no total passes 32 bits. Matrix products of floats are
    fast, and exact where every partial sum is a whole number that the type holds.
    """
    largest = HIGHEST * int(np.abs(w.astype(np.int64)).sum(axis=(1, 2, 3)).max(initial=0))
    kind = np.float32 if largest < EXACT_FLOAT32 else np.float64
    framed = padded(x, geometry.padding, zero).astype(kind)
    total = conv2d(framed, w.astype(kind), None, replace(geometry, padding=PLAIN.padding))
    y = empty_images((total.shape[0], total.shape[1], total.shape[2], total.shape[3]), np.int32)
    y[...] = total
    y += b[:, None, None]
    return y


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
    high: int = HIGHEST,
) -> Array:
    """The convolution's totals as activations: (N, K, P, Q) uint8; zeros: of input and output.

    pool: side of a square of totals, without overlap or ragged rest, of which the largest is taken: the max-pool
    of the result, because rounding keeps the order.
    """
    total = integer_sums(x, w, b, zeros[0], geometry)
    if pool > 1:
        total = _largest(total, pool)
    rows = requantize(total.transpose(0, 2, 3, 1), multiplier, shift, zeros[1], low, high)
    return rows.transpose(0, 3, 1, 2)


def integer_logits(
    x: Array, w: Array, b: Array, multiplier: Array, shift: Array, zero: int = 0, geometry: Geometry = PLAIN
) -> Array:
    """The last layer: round(total * factor), not clipped: (N, K, P, Q) int32. Its factors are at most 1."""
    total = integer_sums(x, w, b, zero, geometry)
    rows = rescale(total.transpose(0, 2, 3, 1), multiplier, shift).astype(np.int32)
    return rows.transpose(0, 3, 1, 2)


def integer_transposed_sums(
    x: Array,
    w: Array,
    b: Array,
    size: Pair,
    zero: int = 0,
    geometry: Geometry = PLAIN,
) -> Array:
    """Transposed convolution of x - zero, x (N, C, H, W) uint8, plus b (K,) int32: (N, K, *size) int32.

    w: (K, C/groups, R, S) int8, the filter of each output. How many inputs meet in an output differs from place to
    place, so here b does not hold minus zero times the sum of the weights.
    """
    largest = HIGHEST * int(np.abs(w.astype(np.int64)).sum(axis=(1, 2, 3)).max(initial=0))
    kind = np.float32 if largest < EXACT_FLOAT32 else np.float64
    (K, C, R, S), groups = w.shape, geometry.groups
    adjoint = w.reshape(groups, K // groups, C, R, S).swapaxes(1, 2).reshape(groups * C, K // groups, R, S)
    centred: Array = channels_last(x).astype(kind)
    centred -= zero
    total = conv2d_input_gradient(centred, adjoint.astype(kind), size, geometry)
    y = empty_images((len(x), K, *size), np.int32)
    y[...] = total
    y += b[:, None, None]
    return y


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
    high: int = HIGHEST,
) -> Array:
    """The transposed convolution's totals as activations, pooled: uint8; see integer_conv2d."""
    total = integer_transposed_sums(x, w, b, size, zeros[0], geometry)
    if pool > 1:
        total = _largest(total, pool)
    rows = requantize(total.transpose(0, 2, 3, 1), multiplier, shift, zeros[1], low, high)
    return rows.transpose(0, 3, 1, 2)


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
    """A last layer that is a transposed convolution: round(total * factor), not clipped: (N, K, *size) int32."""
    total = integer_transposed_sums(x, w, b, size, zero, geometry)
    rows = rescale(total.transpose(0, 2, 3, 1), multiplier, shift).astype(np.int32)
    return rows.transpose(0, 3, 1, 2)


def integer_sum(xs: Sequence[Array], zeros: Sequence[int], multipliers: Sequence[int]) -> Array:
    """Sum of (x - zero) * multiplier over images xs (N, C, H, W) uint8 of one shape, or of one pixel: int32.

    The multipliers are such that no sum passes 32 bits.
    """
    parts = ((x.astype(np.int32) - zero) * np.int32(m) for x, zero, m in zip(xs, zeros, multipliers, strict=True))
    return channels_last(reduce(np.add, parts))


def integer_add(
    xs: Sequence[Array],
    zeros: Sequence[int],
    multipliers: Sequence[int],
    shift: int,
    zero: int = 0,
    low: int = 0,
    high: int = HIGHEST,
) -> Array:
    """The sum of images, each with a scale of its own: zero + round(integer_sum / 2^shift), clipped, uint8."""
    total = integer_sum(xs, zeros, multipliers)
    rounded = (total + np.int32(1 << (shift - 1))) >> np.int32(shift)
    y: Array = np.clip(rounded + np.int32(zero), low, high).astype(np.uint8)
    return y


def integer_multiply(
    x: Array,
    by: Array,
    zeros: Pair,
    multiplier: int,
    shift: int,
    zero: int = 0,
    low: int = 0,
    high: int = HIGHEST,
) -> Array:
    """The product of images: zero + round((x - zeros[0]) (by - zeros[1]) multiplier / 2^shift), clipped, uint8.

    by: of x's shape, or of one pixel, (N, C, 1, 1).
    """
    product = (x.astype(np.int64) - zeros[0]) * (by.astype(np.int64) - zeros[1])
    rounded = (product * multiplier + (1 << (shift - 1))) >> shift
    return channels_last(np.clip(rounded + zero, low, high).astype(np.uint8))


def integer_concat(xs: Sequence[Array], tables: Array) -> Array:
    """Images (N, C, H, W) uint8 side by side along the channels, each number by its image's table (n, 256) uint8."""
    N, _, H, W = xs[0].shape
    y = empty_images((N, sum(x.shape[1] for x in xs), H, W), np.uint8)
    first = 0
    for x, table in zip(xs, tables, strict=True):
        y[:, first : first + x.shape[1]] = table[x]
        first += x.shape[1]
    return y


def integer_max_pool2d(x: Array, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False) -> Array:
    """Largest value of each window of uint8 images; padding takes no part, and a window of nothing else gives 0."""
    largest, _ = max_pool2d(x.astype(np.float32), kernel, geometry, ceil)
    return np.maximum(largest, np.float32(0)).astype(np.uint8)


def integer_avg_pool2d(x: Array, kernel: Pair, geometry: Geometry = PLAIN, ceil: bool = False) -> Array:
    """Mean of the pixels that each window covers, halves rounded upwards: (2 sum + count) // (2 count), uint8."""
    size = (x.shape[2], x.shape[3])
    output = geometry.output_size(size, kernel, ceil)
    total = np.zeros((*x.shape[:2], *output), np.int32)
    for _, windows, pixels in places(size, output, kernel, geometry):
        total[:, :, *windows] += x[:, :, *pixels]
    count = counts(size, output, kernel, geometry, np.int32)
    y = empty_images((*x.shape[:2], *output), np.uint8)
    y[...] = (2 * total + count) // (2 * count)
    return y


def _largest(total: Array, side: int) -> Array:
    """Largest of each square of side x side totals; what is left over at the rim is dropped."""
    N, K, P, Q = total.shape
    p, q = P // side, Q // side
    squares = total[:, :, : p * side, : q * side].reshape(N, K, p, side, q, side)
    largest: Array = squares.max(axis=(3, 5))
    return largest
