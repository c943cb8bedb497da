"""Rounding to the 256 values of an 8-bit scale, as training sees it."""

import math
from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray, empty
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, kernel, narrow, real, wide
from pellucid.ops.cuda_ops.layouts import flat

HIGHEST = 255
FAR = 1 << 20  # levels: clipped whatever the zero, and still a whole number in float32


def round_to_scale(x: DeviceArray, step: float, zero: int) -> tuple[DeviceArray, DeviceArray]:
    """The nearest of step * (q - zero), q = 0 .. 255, to each x, halves to even; and where nothing was clipped."""
    (values,), back = flat(x)
    y, inside = empty(values.shape, x.dtype), empty(values.shape, np.bool_)
    if y.size:
        numbers = 1 / step, float(zero), step
        launch(_round.of(x.dtype.name), blocks(y.size), THREADS, values, *numbers, y, inside)
    return back(y), back(inside)


@kernel("T1 r r r T1 B1")
def _round(x: Any, inverse: Any, zero: Any, step: Any, y: Any, inside: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i]) * inverse
        if math.isnan(value):
            y[i], inside[i] = narrow(value), np.uint8(0)
        else:
            scaled = min(max(value, real(-FAR)), real(FAR))
            below = real(math.floor(scaled))
            apart = scaled - below
            odd = below - real(2) * real(math.floor(below * real(0.5)))
            up = apart > real(0.5) or (apart == real(0.5) and odd > 0)
            level = (below + real(1) if up else below) + zero
            inside[i] = np.uint8(1 if real(0) <= level <= real(HIGHEST) else 0)
            y[i] = narrow((min(max(level, real(0)), real(HIGHEST)) - zero) * step)
