"""Depthwise convolution: each channel with its own filter. Memory sets the pace, so there is nothing to copy.

Images are (N, H, W, C); kernels run along channels, which are neighbours in memory, with one filter weight each.
float32 goes through depthwise_lines; the loops here say the same for other types.
"""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.geometry import Geometry
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.convolution import depthwise_lines
from pellucid.ops.numba_ops.convolution.depthwise_lines import LINES


def fits(w: Array, groups: int) -> bool:
    """Whether filters (K, C/groups, R, S) are one a channel."""
    return w.shape[0] == groups and w.shape[1] == 1 and groups > 1


def forward(dtype: np.dtype[Any]) -> Any:
    """The kernel that writes y (N, P, Q, C) from x (N, H, W, C), w `by_tap` and b (C,).

    Behind them it takes stride, rows above and columns to the left, dilation, and whether a ReLU follows.
    """
    return depthwise_lines.forward if dtype == np.float32 else _forward


def input_gradient(dy: Array, w: Array, dx: Array, geometry: Geometry) -> None:
    """Write dx (N, H, W, C) from dy (N, P, Q, C) and w (C, 1, R, S)."""
    if dx.dtype == np.float32:
        zero = np.zeros(dx.shape[3], np.float32)
        depthwise_lines.input_gradient(
            dy, by_tap(w), zero, dx, *geometry.stride, *geometry.before, *geometry.dilation
        )
    else:
        _input_gradient(dy, by_tap(w), dx, *geometry.stride, *geometry.before, *geometry.dilation)


def weight_gradient(dy: Array, x: Array, dw: Array, geometry: Geometry) -> None:
    """Write dw (C, 1, R, S) from dy (N, P, Q, C) and x (N, H, W, C)."""
    C, _, R, S = dw.shape
    partial = empty((-(-dy.shape[0] * dy.shape[1] // LINES), R, S, C), dy.dtype)
    kernel = depthwise_lines.weight_gradient if dy.dtype == np.float32 else _weight_gradient
    kernel(dy, x, partial, *geometry.stride, *geometry.before, *geometry.dilation)
    dw[:, 0] = partial.sum(axis=0, dtype=np.float64).transpose(2, 0, 1)


def by_tap(w: Array) -> Array:
    """Filters (C, 1, R, S) as (R, S, C)."""
    return np.ascontiguousarray(w[:, 0].transpose(1, 2, 0))


@jit(parallel=True)
def _forward(
    x: Any, w: Any, b: Any, y: Any, down: int, right: int, top: int, left: int, dh: int, dw: int, relu: bool
) -> None:
    _, H, W, C = x.shape
    N, P, Q, _ = y.shape
    R, S, _ = w.shape
    zero = y.dtype.type(0)
    for line in prange(N * P):
        n, p = line // P, line % P
        for q in range(Q):
            place = y[n, p, q]
            place[:] = b
            for u in range(R):
                i = p * down - top + u * dh
                if 0 <= i < H:
                    for v in range(S):
                        j = q * right - left + v * dw
                        if 0 <= j < W:
                            for c in range(C):
                                place[c] += x[n, i, j, c] * w[u, v, c]
            if relu:
                for c in range(C):
                    place[c] = zero if place[c] <= zero else place[c]


@jit(parallel=True)
def _input_gradient(dy: Any, w: Any, dx: Any, down: int, right: int, top: int, left: int, dh: int, dw: int) -> None:
    _, P, Q, C = dy.shape
    N, H, W, _ = dx.shape
    R, S, _ = w.shape
    for line in prange(N * H):
        n, h = line // H, line % H
        dx[n, h] = 0
        for u in range(R):
            p, odd = divmod(h + top - u * dh, down)
            if odd == 0 and 0 <= p < P:
                for i in range(W):
                    for v in range(S):
                        q, odd = divmod(i + left - v * dw, right)
                        if odd == 0 and 0 <= q < Q:
                            for c in range(C):
                                dx[n, h, i, c] += dy[n, p, q, c] * w[u, v, c]


@jit(parallel=True)
def _weight_gradient(
    dy: Any, x: Any, partial: Any, down: int, right: int, top: int, left: int, dh: int, dw: int
) -> None:
    N, P, Q, C = dy.shape
    _, H, W, _ = x.shape
    parts, R, S, _ = partial.shape
    for part in prange(parts):
        partial[part] = 0
        for line in range(part * LINES, min(N * P, (part + 1) * LINES)):
            n, p = line // P, line % P
            for u in range(R):
                i = p * down - top + u * dh
                if 0 <= i < H:
                    for v in range(S):
                        total = partial[part, u, v]
                        for q in range(Q):
                            j = q * right - left + v * dw
                            if 0 <= j < W:
                                for c in range(C):
                                    total[c] += dy[n, p, q, c] * x[n, i, j, c]
