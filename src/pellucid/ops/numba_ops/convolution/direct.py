"""Convolutions of any kernel, stride, dilation and groups, as products with the array of windows.

The input gradient has the same form as the convolution: with stride 1 it is a convolution of dy with the filters
turned by half a turn; with stride s, the pixels of each of the s x s phases see a part of the taps only, and each
phase is such a convolution. The weight gradient is the product of the windows with dy.

float64 takes the definition's way (windows in NumPy, products by BLAS), except for depthwise convolutions.
"""

from collections.abc import Iterator

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.convolution import depthwise
from pellucid.ops.numba_ops.convolution.windows import runs, source
from pellucid.ops.numba_ops.convolution.windows_product import (
    PARTS,
    Target,
    block_size,
    convolve,
    correlate,
    packed,
    up_to,
)
from pellucid.ops.numba_ops.elementwise import activation
from pellucid.ops.numba_ops.layout import contiguous, images, rows
from pellucid.ops.numba_ops.winograd.product import PANEL, ROWS
from pellucid.ops.numpy_ops import convolution as definition


def direct_conv2d(x: Array, w: Array, b: Array | None, geometry: Geometry, relu: bool = False) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C/groups, R, S), plus b (K,), then ReLU if asked: (N, K, P, Q)."""
    own = depthwise.fits(w, geometry.groups)
    if x.dtype != np.float32 and not own:
        y = definition.conv2d(x, w, b, geometry)
        return activation.relu(y) if relu else y
    (N, C, H, W), (K, _, R, S) = x.shape, w.shape
    P, Q = geometry.output_size((H, W), (R, S))
    y = empty((N, P, Q, K), x.dtype)
    bias = np.zeros(K, x.dtype) if b is None else contiguous(b)
    if own:
        moves = *geometry.stride, *geometry.before, *geometry.dilation
        depthwise.forward(y.dtype)(rows(x), depthwise.by_tap(w), bias, y, *moves, relu)
        return images(y)
    groups = geometry.groups
    taps = [np.arange(size) * d - p for size, d, p in zip((R, S), geometry.dilation, geometry.before, strict=True)]
    around, places = runs(taps, groups == 1), source(rows(x), (P, Q), geometry.stride)
    for channels, filters in _groups(w, groups):
        panels = packed(w[filters].transpose(2, 3, 1, 0).reshape(-1, K // groups))
        target, block = Target(P * Q * K, Q * K, K, filters.start), block_size(N * P * Q, panels.shape[1])
        flat = rows(x).reshape(-1)
        convolve(
            flat,
            places,
            around,
            channels.start,
            C // groups,
            panels,
            bias[filters],
            y.reshape(-1),
            target,
            relu,
            block,
        )
    return images(y)


def direct_input_gradient(dy: Array, w: Array, input_size: Pair, geometry: Geometry) -> Array:
    """Adjoint of direct_conv2d in x: from dy (N, K, P, Q) to dx (N, C, H, W) with (H, W) = input_size."""
    own = depthwise.fits(w, geometry.groups)
    if dy.dtype != np.float32 and not own:
        return definition.conv2d_input_gradient(dy, w, input_size, geometry)
    stride, padding, dilation, groups = geometry.stride, geometry.before, geometry.dilation, geometry.groups
    N, C = dy.shape[0], w.shape[1] * groups
    lines = rows(dy)
    dx = empty((N, *input_size, C), dy.dtype)
    if own:
        depthwise.input_gradient(lines, w, dx, geometry)
        return images(dx)
    for phase in np.ndindex(min(stride[0], input_size[0]), min(stride[1], input_size[1])):
        place = dx[:, phase[0] :: stride[0], phase[1] :: stride[1]]
        axes = [phase_taps(phase[a], w.shape[2 + a], stride[a], padding[a], dilation[a]) for a in (0, 1)]
        if not (len(axes[0][0]) and len(axes[1][0])):
            place[...] = 0
            continue
        _phase_gradient(lines, w, place, dx, phase, axes, groups)
    return images(dx)


def _phase_gradient(
    lines: Array,
    w: Array,
    place: Array,
    dx: Array,
    phase: tuple[int, ...],
    axes: list[tuple[Array, Array]],
    groups: int,
) -> None:
    """Write the pixels `place` of dx, which see the taps axes[0][0] x axes[1][0] at the offsets axes[.][1]."""
    around = runs([axes[0][1], axes[1][1]], groups == 1)
    N, _, W, C = dx.shape
    size = (place.shape[1], place.shape[2])
    image, row, column = (stride // dx.itemsize for stride in place.strides[:3])
    seen = w[:, :, axes[0][0]][:, :, :, axes[1][0]]
    bias = np.zeros(C // groups, dx.dtype)
    for channels, filters in _groups(w, groups):
        panels = packed(seen[filters].transpose(2, 3, 0, 1).reshape(-1, C // groups))
        target = Target(image, row, column, (phase[0] * W + phase[1]) * C + channels.start)
        block = block_size(N * size[0] * size[1], panels.shape[1])
        start, count = filters.start, filters.stop - filters.start
        places = source(lines, size, (1, 1))
        convolve(lines.reshape(-1), places, around, start, count, panels, bias, dx.reshape(-1), target, False, block)


def direct_weight_gradient(dy: Array, x: Array, kernel: Pair, geometry: Geometry, out: Array | None = None) -> Array:
    """Adjoint of direct_conv2d in w: from dy (N, K, P, Q) and x to dw (K, C/groups, R, S), into `out`."""
    (N, K, P, Q), C, groups = dy.shape, x.shape[1], geometry.groups
    dw = np.empty((K, C // groups, *kernel), dy.dtype) if out is None else out
    own = depthwise.fits(dw, groups)
    if dy.dtype != np.float32 and not own:
        return definition.conv2d_weight_gradient(dy, x, kernel, geometry, out=dw)
    if own:
        depthwise.weight_gradient(rows(dy), rows(x), dw, geometry)
        return dw
    taps = [np.arange(size) * d - p for size, d, p in zip(kernel, geometry.dilation, geometry.before, strict=True)]
    around, places = runs(taps, groups == 1), source(rows(x), (P, Q), geometry.stride)
    depth, count = kernel[0] * kernel[1] * (C // groups), K // groups
    block = block_size(N * P * Q, depth)
    parts = min(PARTS, -(-N * P * Q // block))
    partial = empty((parts, up_to(depth, ROWS), up_to(count, PANEL)), dy.dtype)
    lines, flat = rows(dy).reshape(-1), rows(x).reshape(-1)
    for channels, filters in _groups(dw, groups):
        correlate(flat, places, around, channels.start, C // groups, lines, count, filters.start, partial, block)
        total = partial.sum(axis=0)[:depth, :count]
        dw[filters] = total.reshape(*kernel, C // groups, count).transpose(3, 2, 0, 1)
    return dw


def _groups(w: Array, groups: int) -> Iterator[tuple[slice, slice]]:
    """The input channels and the filters of each group."""
    filters, channels = w.shape[0] // groups, w.shape[1]
    for g in range(groups):
        yield slice(g * channels, (g + 1) * channels), slice(g * filters, (g + 1) * filters)


def phase_taps(phase: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[Array, Array]:
    """On one axis, the taps through which pixels phase + stride * a are seen from output places a + offset.

    In the order of their offsets.
    """
    distance = phase + padding - np.arange(kernel)[::-1] * dilation
    seen = np.flatnonzero(distance % stride == 0)
    return kernel - 1 - seen, distance[seen] // stride
