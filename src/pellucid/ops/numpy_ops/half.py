"""Between 16 and 32 bits."""

from typing import Any

import numpy as np

from pellucid.ops.arrays import Array


def widen(x: Array) -> Array:
    """Sixteen-bit floats as float32, exactly, in the same memory order."""
    return x.astype(np.float32)


def narrow(x: Array, dtype: np.dtype[Any]) -> Array:
    """Float32 as float16 or bfloat16: the nearest number, of two the even one; infinity beyond the largest."""
    with np.errstate(over="ignore"):
        y: Array = x.astype(dtype)
    return y
