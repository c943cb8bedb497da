"""Between 16 and 32 bits, as many at once as a register holds.

bfloat16 is the upper half of a float32. float16 is converted by the processor (vcvtph2ps, vcvtps2ph) where it can be:
see `compile.float16`.
"""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.numbers import number, rounded, seen
from pellucid.ops.numba_ops.layout import contiguous, memory_order

FEW = 1 << 15
"""Numbers that one thread converts before another has woken up: a network's weights and biases are mostly fewer."""


def widen(x: Array) -> Array:
    """Sixteen-bit floats as float32, exactly, in the same memory order."""
    return _converted(x, np.dtype(np.float32))


def narrow(x: Array, dtype: np.dtype[Any], out: Array | None = None) -> Array:
    """Float32 as float16 or bfloat16: the nearest number, of two the even one; infinity beyond the largest.

    out: where to put them, of that type and shape; else a new array in the same memory order.
    """
    if out is None or not out.transpose(memory_order(x)).flags.c_contiguous:
        y = _converted(x, dtype)
        if out is None:
            return y
        out[...] = y
        return out
    return _converted(x, dtype, out)


def _converted(x: Array, dtype: np.dtype[Any], out: Array | None = None) -> Array:
    """Run the kernel over both arrays as they lie in memory."""
    order = memory_order(x)
    ordered = contiguous(x.transpose(order))
    y = empty(ordered.shape, dtype) if out is None else out.transpose(order)
    convert = _convert if ordered.size > FEW else _convert.serial
    convert(seen(ordered.reshape(-1)), seen(y.reshape(-1)))
    back = [0] * len(order)
    for place, axis in enumerate(order):
        back[axis] = place
    return y.transpose(back)


@jit(parallel=True)
def _convert(x: Any, y: Any) -> None:
    for i in prange(x.size):
        y[i] = rounded(number(x[i]), y)
