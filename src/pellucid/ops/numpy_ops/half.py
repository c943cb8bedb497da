"""Between 16 and 32 bits."""

from typing import Any

import numpy as np

from pellucid.ops.arrays import Array


def widen(x: Array) -> Array:
    """Sixteen-bit floats as float32, exactly, in the same memory order."""
    return x.astype(np.float32)


def narrow(x: Array, dtype: np.dtype[Any], out: Array | None = None) -> Array:
    """Float32 as float16 or bfloat16: the nearest number, of two the even one; infinity beyond the largest.

    out: where to put them, of that type and shape; else a new array in the same memory order.
    """
    with np.errstate(over="ignore"):
        if out is None:
            return x.astype(dtype)
        out[...] = x
    return out
