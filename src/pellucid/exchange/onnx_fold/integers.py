"""Whole numbers for floats, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.exchange.onnx_file import TYPES
from pellucid.exchange.onnx_fold.call import Call, Folded, checked_axis, wide
from pellucid.ops.arrays import Array, Shape


def by_axis(values: Array, call: Call, shape: Shape) -> Array:
    """Scales or zero points, broadcast to a tensor of that shape: one, one a place of an axis, or one a block."""
    if values.size == 1 and values.ndim < 2:
        return values.reshape(())
    axis = checked_axis(call.get("axis", 1), len(shape))
    block = call.get("block_size", 0)
    if block and values.ndim == len(shape):
        return values.repeat(block, axis).take(range(shape[axis]), axis)
    if values.shape != (shape[axis],):
        raise PellucidError(f"scales of shape {values.shape} for a tensor of shape {shape}")
    return values.reshape(-1, *(1 for _ in shape[axis + 1 :]))


def _quantize(call: Call) -> Array:
    x, zero = wide(call[0]), call.maybe(2)
    given = TYPES.get(call.get("output_dtype", 0))
    dtype = zero.dtype if zero is not None else given or np.dtype(np.uint8)
    if dtype.kind not in "iu":
        raise PellucidError(f"to type {dtype}")
    scale = by_axis(wide(call[1]), call, x.shape)
    offset: Any = 0 if zero is None else by_axis(zero.astype(np.int64), call, x.shape)
    limits = np.iinfo(dtype)
    levels = np.rint(x / scale).astype(np.int64) + offset
    return np.asarray(np.clip(levels, limits.min, limits.max)).astype(dtype)


def _dequantize(call: Call) -> Array:
    x, zero = call[0], call.maybe(2)
    scale = by_axis(wide(call[1]), call, x.shape)
    offset: Any = 0 if zero is None else by_axis(zero.astype(np.int64), call, x.shape)
    y: Array = np.asarray((x.astype(np.int64) - offset) * scale).astype(call[1].dtype)
    return y


FOLDS: dict[str, Callable[[Call], Folded]] = {
    "DequantizeLinear": _dequantize,
    "QuantizeLinear": _quantize,
}
