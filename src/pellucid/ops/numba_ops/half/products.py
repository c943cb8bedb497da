"""Convolutions of bfloat16 and the gradients of their inputs, as products of pairs (vdpbf16ps).

The gradient of the input is a sum over the places that see a pixel. With stride 1 that is a convolution with the
filters turned by half a turn; with a larger one, pixels of each phase of the stride see a part of the taps. Windows
without holes are multiplied where they lie (`direct`); others are copied side by side first, see `steps.blocks`.
"""

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry
from pellucid.ops.memory import channels_last, empty, empty_images
from pellucid.ops.numba_ops.compile.vectors import BFLOAT16, address
from pellucid.ops.numba_ops.convolution.direct import phase_taps
from pellucid.ops.numba_ops.half import direct
from pellucid.ops.numba_ops.half.conversion import narrow, widen
from pellucid.ops.numba_ops.half.packing import packed_pairs
from pellucid.ops.numba_ops.steps.product import Factor, offsets, windows_step
from pellucid.ops.numba_ops.steps.program import run
from pellucid.ops.numba_ops.steps.step import ALIGNED, Finish
from pellucid.ops.numba_ops.winograd.calls import as_bits
from pellucid.ops.numba_ops.winograd.product import PANEL


def convolution(x: Array, w: Array, b: Array | None, geometry: Geometry, relu: bool) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C, R, S), plus b (K,), through ReLU if asked for: (N, K, P, Q)."""
    K, _, R, S = w.shape
    size = geometry.output_size((x.shape[2], x.shape[3]), (R, S))
    bias = np.zeros(-(-K // PANEL) * PANEL, np.float32)
    if b is not None:
        bias[:K] = widen(b)
    if direct.suits(geometry):
        return direct.convolution(x, w, bias, geometry, relu)
    panels = packed_pairs(w, np.arange(R * S), turned=False)
    factor = Factor(panels, bias, w[0].size, K, BFLOAT16)
    last = Finish(low=0.0) if relu else Finish()
    return narrow(_products(x, size, geometry.stride, factor, offsets((R, S), geometry), last), x.dtype)


def input_gradient(dy: Array, w: Array, input_size: Pair, geometry: Geometry) -> Array:
    """Adjoint of the convolution in x: from dy (N, K, P, Q) to dx (N, C, H, W) with (H, W) = input_size."""
    N, C = len(dy), w.shape[1]
    stride, padding, dilation = geometry.stride, geometry.before, geometry.dilation
    bias, dx = np.zeros(-(-C // PANEL) * PANEL, np.float32), None
    for phase in np.ndindex(min(stride[0], input_size[0]), min(stride[1], input_size[1])):
        axes = [phase_taps(phase[a], w.shape[2 + a], stride[a], padding[a], dilation[a]) for a in (0, 1)]
        size = tuple(-(-(input_size[a] - phase[a]) // stride[a]) for a in (0, 1))
        part = None
        if all(taps.size for taps, _ in axes):
            part = _phase(dy, w, axes, (size[0], size[1]), bias, geometry)
            if stride == (1, 1):
                return part
        if dx is None:
            dx = empty_images((N, C, *input_size), dy.dtype)
        place = as_bits(dx)[:, :, phase[0] :: stride[0], phase[1] :: stride[1]]
        place[...] = 0 if part is None else as_bits(part)
    assert dx is not None
    return dx


def _phase(
    dy: Array, w: Array, axes: list[tuple[Array, Array]], size: Pair, bias: Array, geometry: Geometry
) -> Array:
    """Pixels of one phase of the stride: (N, C, *size). axes: the taps that they see, and their offsets in dy.

    Both in the offsets' order, which is that of the taps turned.
    """
    (row_taps, down), (column_taps, right) = axes
    before = [-int(offsets.min()) for offsets in (down, right)]
    after = [size[a] - dy.shape[2 + a] - before[a] + len(axes[a][0]) - 1 for a in (0, 1)]
    if direct.suits(geometry) and min(*before, *after) >= 0:
        padding = (before[0], after[0], before[1], after[1])
        return direct.convolution(dy, w, bias, Geometry(padding=padding), seen=(row_taps, column_taps))
    taps = (row_taps[:, None] * w.shape[3] + column_taps).reshape(-1)
    factor = Factor(packed_pairs(w, taps, turned=True), bias, taps.size * w.shape[0], w.shape[1], BFLOAT16)
    return narrow(_products(dy, size, (1, 1), factor, [down, right], Finish()), dy.dtype)


def _products(images: Array, size: Pair, stride: Pair, factor: Factor, taps: list[Array], last: Finish) -> Array:
    """Windows of the images times filters, and what follows: (N, filters, *size), float32."""
    images = channels_last(images)
    N, C, H, W = images.shape
    y = empty_images((N, factor.filters, *size), np.float32)
    step = windows_step((N, H, W, C), BFLOAT16, size, stride, factor, taps, last)
    scratch = empty((step.scratch + ALIGNED,), np.uint8)
    run(step.calls([address(as_bits(images))], address(y), -(-address(scratch) // ALIGNED) * ALIGNED))
    return y
