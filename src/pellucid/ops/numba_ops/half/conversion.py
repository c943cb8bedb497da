"""Between 16 and 32 bits, as many at once as a register holds.

Numba has no 16-bit floats on a CPU, so kernels see their bits. bfloat16 is the upper half of a float32. float16 is
converted by the processor (vcvtph2ps, vcvtps2ph) where it can be: see `compile.float16`.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile import float16
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.layout import contiguous, memory_order

_FLOAT16 = np.dtype(np.float16)


def widen(x: Array) -> Array:
    """Sixteen-bit floats as float32, exactly, in the same memory order."""
    kernel = _widen_float16 if x.dtype == _FLOAT16 else _widen_bfloat16
    return _converted(x, np.uint16, np.dtype(np.float32), kernel)


def narrow(x: Array, dtype: np.dtype[Any], out: Array | None = None) -> Array:
    """Float32 as float16 or bfloat16: the nearest number, of two the even one; infinity beyond the largest.

    out: where to put them, of that type and shape; else a new array in the same memory order.
    """
    kernel = _narrow_float16 if dtype == _FLOAT16 else _narrow_bfloat16
    if out is None or not out.transpose(memory_order(x)).flags.c_contiguous:
        y = _converted(x, np.float32, dtype, kernel)
        if out is None:
            return y
        out[...] = y
        return out
    return _converted(x, np.float32, dtype, kernel, out)


def _converted(x: Array, seen_as: Any, dtype: np.dtype[Any], kernel: Any, out: Array | None = None) -> Array:
    """Run the kernel over both arrays as they lie in memory."""
    order = memory_order(x)
    ordered = contiguous(x.transpose(order))
    y = empty(ordered.shape, dtype) if out is None else out.transpose(order)
    target = y.reshape(-1)
    kernel(ordered.reshape(-1).view(seen_as), target.view(np.uint16) if dtype.itemsize == 2 else target)
    back = [0] * len(order)
    for place, axis in enumerate(order):
        back[axis] = place
    return y.transpose(back)


@intrinsic  # type: ignore[untyped-decorator]
def _single(context: Any, bits: Any) -> Any:
    """The float32 that 16 bits stand for as a float16."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return float16.widened(builder, values[0])

    return types.float32(types.uint16), generate


@intrinsic  # type: ignore[untyped-decorator]
def _half_bits(context: Any, number: Any) -> Any:
    """The bits of the float16 nearest to a float32."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return float16.narrowed(builder, values[0])

    return types.uint16(types.float32), generate


@intrinsic  # type: ignore[untyped-decorator]
def _as_float(context: Any, bits: Any) -> Any:
    """The float32 of these 32 bits."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.FloatType())

    return types.float32(types.uint32), generate


@intrinsic  # type: ignore[untyped-decorator]
def _as_bits(context: Any, number: Any) -> Any:
    """The 32 bits of a float32."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.bitcast(values[0], ir.IntType(32))

    return types.uint32(types.float32), generate


@jit(parallel=True)
def _widen_float16(x: Any, y: Any) -> None:
    for i in prange(x.size):
        y[i] = _single(x[i])


@jit(parallel=True)
def _narrow_float16(x: Any, y: Any) -> None:
    for i in prange(x.size):
        y[i] = _half_bits(x[i])


@jit(parallel=True)
def _widen_bfloat16(x: Any, y: Any) -> None:
    for i in prange(x.size):
        y[i] = _as_float(np.uint32(x[i]) << np.uint32(16))


@jit(parallel=True)
def _narrow_bfloat16(x: Any, y: Any) -> None:
    """Half a unit of the last place is added, less a hair where the even number is below; NaN stays NaN."""
    for i in prange(x.size):
        bits = _as_bits(x[i])
        rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
        quiet = (bits >> np.uint32(16)) | np.uint32(0x40)
        y[i] = np.uint16(quiet if x[i] != x[i] else rounded)
