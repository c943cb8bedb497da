"""Integer convolutions tap by tap: those that no other kernel does, such as small groups.

Which row and column of the input a tap of the window meets is looked up, so that one kernel does both kinds. A tap
that meets no pixel adds nothing: a number counts as its distance from `zero`, which is 0 where an image is padded.
The innermost loop runs over the filters of a group, or over the groups where each has one channel and one filter.
"""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.layout import images, rows

OUTSIDE = -1


def convolved(places: int, taps: int, stride: int, padding: int, dilation: int, size: int) -> Array:
    """The pixel that each tap of a window meets at each place: (places, taps), OUTSIDE where there is none."""
    pixels = np.arange(places)[:, None] * stride - padding + np.arange(taps) * dilation
    return np.where((pixels >= 0) & (pixels < size), pixels, OUTSIDE)


def spread(places: int, taps: int, stride: int, padding: int, dilation: int, size: int) -> Array:
    """The same for the adjoint: the place of the window at which that tap meets each pixel of its image."""
    pixels = np.arange(places)[:, None] + padding - np.arange(taps) * dilation
    inside = (pixels % stride == 0) & (pixels >= 0) & (pixels < size * stride)
    return np.where(inside, pixels // stride, OUTSIDE)


def by_taps(
    kind: Any,
    x: Array,
    w: Array,
    scaling: tuple[Array, Array, Array],
    zero: int,
    limits: tuple[int, int, int],
    met: tuple[Array, Array],
    groups: int,
    pool: int,
) -> Array:
    """Totals of x (N, C, H, W) uint8, scaled and pooled: (N, K, P/pool, Q/pool).

    w: (K, C/groups, R, S). scaling: (totals of no taps, multiplier, shift). limits: (zero, low, high) of the output.
    met: row and column of the input by place and tap.
    """
    K, C, R, S = w.shape
    P, Q = (len(axis) // pool for axis in met)
    y = empty((len(x), P, Q, K), kind)
    start, multiplier, shift = scaling
    half = np.left_shift(1, shift.astype(np.int64) - 1)
    factors = (start.astype(np.int32), multiplier, shift.astype(np.int64), half)
    one = C == 1 and groups == K
    taps = w[:, 0].transpose(1, 2, 0) if one else w.reshape(groups, K // groups, C, R, S).transpose(3, 4, 0, 2, 1)
    kernel = _one_channel if one else _channels
    kernel(rows(x), np.ascontiguousarray(taps, np.int32), *factors, zero, limits, *met, pool, y)
    return images(y)


def start_of_totals(w: Array, b: Array, zero: int) -> Array:
    """What b is without minus zero times the sum of the weights."""
    start: Array = b + zero * w.sum(axis=(1, 2, 3), dtype=np.int64)
    return start


def met_pixels(kind: Any, output: Pair, size: Pair, kernel: Pair, geometry: Geometry) -> tuple[Array, Array]:
    """Rows and columns by place and tap; kind: `convolved` or `spread`."""
    stride, before, dilation = geometry.stride, geometry.before, geometry.dilation
    down, right = (kind(output[a], kernel[a], stride[a], before[a], dilation[a], size[a]) for a in (0, 1))
    return down, right


@jit(parallel=True)
def _one_channel(
    x: Any, w: Any, b: Any, multiplier: Any, shift: Any, half: Any, zero: int, limits: Any, down: Any, right: Any,
    pool: int, y: Any,
) -> None:  # fmt: skip
    N, P, Q, K = y.shape
    R, S = w.shape[:2]
    for row in prange(N * P):
        n, p = row // P, row % P
        total, best = np.empty(K, np.int32), np.empty(K, np.int32)
        for q in range(Q):
            for square in range(pool * pool):
                total[:] = 0
                for u in range(R):
                    i = down[p * pool + square // pool, u]
                    if i < 0:
                        continue
                    for v in range(S):
                        j = right[q * pool + square % pool, v]
                        if j < 0:
                            continue
                        pixel, tap = x[n, i, j], w[u, v]
                        for k in range(K):
                            total[k] += (np.int32(pixel[k]) - np.int32(zero)) * tap[k]
                _keep_larger(total, best, square)
            _scale(best, b, multiplier, shift, half, limits, y[n, p, q])


@jit(parallel=True)
def _channels(
    x: Any, w: Any, b: Any, multiplier: Any, shift: Any, half: Any, zero: int, limits: Any, down: Any, right: Any,
    pool: int, y: Any,
) -> None:  # fmt: skip
    N, P, Q, K = y.shape
    R, S, groups, C, each = w.shape
    for row in prange(N * P):
        n, p = row // P, row % P
        total, best = np.empty(K, np.int32), np.empty(K, np.int32)
        for q in range(Q):
            for square in range(pool * pool):
                total[:] = 0
                for u in range(R):
                    i = down[p * pool + square // pool, u]
                    if i < 0:
                        continue
                    for v in range(S):
                        j = right[q * pool + square % pool, v]
                        if j < 0:
                            continue
                        for g in range(groups):
                            own = total[g * each : (g + 1) * each]
                            for c in range(C):
                                value, tap = np.int32(x[n, i, j, g * C + c]) - np.int32(zero), w[u, v, g, c]
                                for k in range(each):
                                    own[k] += value * tap[k]
                _keep_larger(total, best, square)
            _scale(best, b, multiplier, shift, half, limits, y[n, p, q])


@jit(cache=False)
def _keep_larger(total: Any, best: Any, square: int) -> None:
    """The first place's totals, then whichever is larger."""
    for k in range(total.size):
        best[k] = total[k] if square == 0 else max(best[k], total[k])


@jit(cache=False)
def _scale(total: Any, b: Any, multiplier: Any, shift: Any, half: Any, limits: Any, y: Any) -> None:
    zero, low, high = limits
    for k in range(y.size):
        scaled = ((np.int64(total[k] + b[k]) * np.int64(multiplier[k]) + half[k]) >> shift[k]) + zero
        y[k] = min(max(scaled, low), high)
