"""Numbers of any form in Numba's kernels, which know no floats of 16 bits: seen as their bits, computed in float32.

    kernel(seen(x), seen(y))                        arrays as kernels take them
    y[i] = rounded(2 * number(x[i]), y)             in the kernel: a float, and back to what y holds

A kernel is compiled for each form that it meets; of float32 and float64 the two functions are nothing.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from pellucid.ops.arrays import Array
from pellucid.ops.half import is_half
from pellucid.ops.numba_ops.compile import bfloat16, float16

BITS = {"bfloat16": np.uint16, "float16": np.int16}
"""What an array of 16 bits is seen as: the sign tells kernels which form it is."""


def seen(x: Array) -> Array:
    """An array as kernels take it."""
    return x.view(BITS[x.dtype.name]) if is_half(x.dtype) else x


def computed_in(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that numbers of a type are computed in."""
    return np.dtype(np.float32) if is_half(dtype) else dtype


@intrinsic  # type: ignore[untyped-decorator]
def number(context: Any, value: Any) -> Any:
    """The float that an element of such an array stands for."""
    if isinstance(value, types.Float):
        return value(value), lambda context, builder, signature, values: values[0]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        form = float16 if value == types.int16 else bfloat16
        return form.widened(builder, values[0])

    return types.float32(value), generate


@intrinsic  # type: ignore[untyped-decorator]
def rounded(context: Any, value: Any, like: Any) -> Any:
    """What such an array holds of the number nearest to a float, of two the even one; NaN stays NaN."""
    kind = like.dtype
    if isinstance(kind, types.Float):
        return kind(kind, like), lambda context, builder, signature, values: values[0]

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        form = float16 if kind == types.int16 else bfloat16
        return form.narrowed(builder, values[0])

    return kind(types.float32, like), generate


@intrinsic  # type: ignore[untyped-decorator]
def like(context: Any, value: Any, x: Any) -> Any:
    """A constant in the type of the float x: a Python float beside float32 would turn all into float64."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.cast(builder, values[0], value, x)

    return x(value, x), generate
