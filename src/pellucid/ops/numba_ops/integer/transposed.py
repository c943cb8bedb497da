"""Integer transposed convolutions: an ordinary one for each phase of the stride.

The pixels of a phase, every second one of both axes for instance, see the same taps of the window, from neighbouring
places: they are a convolution of stride 1 with these taps alone, whose places are pixels some way apart. Where a tap
meets no place the frame has the input's zero, which adds nothing once each phase's bias has taken it off.
"""

from dataclasses import replace

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import Geometry
from pellucid.ops.numba_ops.convolution.direct import phase_taps
from pellucid.ops.numba_ops.integer.convolution import convolution, suits
from pellucid.ops.numba_ops.integer.depthwise import depthwise
from pellucid.ops.numba_ops.integer.depthwise import suits as depthwise_suits
from pellucid.ops.numba_ops.integer.filters import Filters, Target
from pellucid.ops.numba_ops.steps.step import Call, Step
from pellucid.ops.numba_ops.words import WORD


def transposed(
    shape: tuple[int, ...], filters: Filters, zero: int, size: Pair, geometry: Geometry, pool: int
) -> Step | None:
    """That of images `shape` (N, C, H, W) uint8 whose zero is `zero`, to (N, K, *size); filters.b: without that zero.

    None where some pixels see no tap, or taps further apart, where a pool follows, and for small groups.
    """
    N, C, H, W = shape
    K, _, *kernel = filters.w.shape
    (down, right), pixel = geometry.stride, K * (WORD if filters.wide else 1)
    steps: list[Step] = []
    if pool > 1:
        return None
    for phase in np.ndindex(min(down, size[0]), min(right, size[1])):
        axes = [
            phase_taps(phase[a], kernel[a], geometry.stride[a], geometry.before[a], geometry.dilation[a])
            for a in (0, 1)
        ]
        places = [-(-(size[a] - phase[a]) // geometry.stride[a]) for a in (0, 1)]
        around = [_around(axes[a][1], places[a], (H, W)[a]) for a in (0, 1)]
        if around[0] is None or around[1] is None:
            return None
        inner = Geometry(padding=(*around[0], *around[1]), groups=geometry.groups)
        w = np.ascontiguousarray(filters.w[:, :, axes[0][0]][:, :, :, axes[1][0]])
        own = replace(filters, w=w, b=filters.b - zero * w.sum(axis=(1, 2, 3), dtype=np.int64))
        one = depthwise_suits(own, inner, pool=1)
        if not one and not suits(own, inner, pool=1):
            return None
        first, line = (phase[0] * size[1] + phase[1]) * pixel, size[1] * pixel
        target = Target(first, right * pixel, down * line, size[0] * line)
        if one:
            steps.append(depthwise((N, C, H, W), own, zero, inner, target))
        else:
            steps.append(convolution((N, C, H, W), own, zero, inner, 1, target))

    def calls(inputs: list[int], output: int, scratch: int) -> list[Call]:
        return [call for step in steps for call in step.calls(inputs, output, scratch)]

    kept = [array for step in steps for array in step.arrays]
    return Step("integer transposed", calls, max(step.scratch for step in steps), kept, N * H * W * filters.w.size)


def _around(offsets: Array, places: int, size: int) -> Pair | None:
    """Padding of an axis on which taps see pixels from a place on at `offsets`; None where that is no window."""
    if not offsets.size or (np.diff(offsets) != 1).any():
        return None
    before, after = -int(offsets[0]), int(offsets[-1]) + places - size
    return (before, after) if min(before, after) >= 0 else None
