"""Between 16 and 32 bits."""

from typing import Any

import numpy as np

from pellucid.ops.cuda_ops.arrays import DeviceArray, assign


def widen(x: DeviceArray) -> DeviceArray:
    """Sixteen-bit floats as float32, exactly, in the same memory order."""
    return x.astype(np.float32)


def narrow(x: DeviceArray, dtype: np.dtype[Any], out: DeviceArray | None = None) -> DeviceArray:
    """Float32 as float16 or bfloat16: the nearest number, of two the even one; infinity beyond the largest."""
    if out is None:
        return x.astype(dtype)
    assign(out, x)
    return out
