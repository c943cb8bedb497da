"""Rounding to the 256 values of an 8-bit scale, in one pass."""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.layout import contiguous, memory_order, real


def round_to_scale(x: Array, step: float, zero: int) -> tuple[Array, Array]:
    """The nearest of step * (q - zero), q = 0 .. 255, to each x, halves to even; and where nothing was clipped."""
    order = memory_order(x)
    ordered = contiguous(x.transpose(order))
    y, inside = empty(ordered.shape, x.dtype), empty(ordered.shape, bool)
    numbers = (real(value, x.dtype) for value in (1 / step, step, zero, 255))
    _round(ordered.reshape(-1), y.reshape(-1), inside.reshape(-1), *numbers)
    back = np.argsort(order)
    return y.transpose(back), inside.transpose(back)


@jit(parallel=True)
def _round(x: Any, y: Any, inside: Any, inverse: Any, step: Any, zero: Any, top: Any) -> None:
    bottom = zero - zero
    for i in prange(x.size):
        level = np.rint(x[i] * inverse) + zero
        clipped = min(max(level, bottom), top)
        inside[i] = level == clipped
        y[i] = (clipped - zero) * step
