"""Products of matrices, and one number of many."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.exchange.onnx_fold.call import Call, Folded, checked_axis, wide
from pellucid.layers.reduce import length
from pellucid.ops.arrays import Array


def reduced_axes(call: Call, rank: int, newest: int) -> list[int] | None:
    """The axes of a reduction, an attribute before the opset `newest`; None where nothing is to be done."""
    given = call.whole(1, "axes") if call.opset >= newest else call.get("axes")
    if not given:
        return None if call.get("noop_with_empty_axes", 0) else list(range(rank))
    return sorted({checked_axis(axis, rank) for axis in given})


def _reduce(function: Callable[..., Any], newest: int) -> Callable[[Call], Array]:
    def fold(call: Call) -> Array:
        x = wide(call[0])
        axes = reduced_axes(call, x.ndim, newest)
        if axes is None:
            return call[0]
        options: dict[str, Any] = {"dtype": x.dtype} if function is np.sum else {}
        if function in {np.max, np.min} and not math.prod(x.shape[axis] for axis in axes):
            options["initial"] = _end(x.dtype, largest=function is np.min)
        y = function(x, axis=tuple(axes), keepdims=bool(call.get("keepdims", 1)), **options)
        return np.asarray(y).astype(call[0].dtype)

    return fold


def _absolute(x: Array, **options: Any) -> Any:
    return np.abs(x).sum(**options, dtype=x.dtype)


def _squares(x: Array, **options: Any) -> Any:
    return np.square(x).sum(**options, dtype=x.dtype)


def _length(x: Array, axis: tuple[int, ...], keepdims: bool) -> Any:
    return length(x if x.dtype.kind == "f" else x.astype(np.float64), axis, keepdims)


def _end(dtype: np.dtype[Any], *, largest: bool) -> Any:
    """The largest or the smallest number of a type: the minimum, or maximum, of none."""
    if dtype.kind == "f":
        return np.inf if largest else -np.inf
    if dtype.kind == "b":
        return largest
    return np.iinfo(dtype).max if largest else np.iinfo(dtype).min


def _matmul(call: Call) -> Array:
    return np.asarray(np.matmul(wide(call[0]), wide(call[1]))).astype(call[0].dtype)


def _gemm(call: Call) -> Array:
    A, B = wide(call[0]), wide(call[1])
    A = A.T if call.get("transA", 0) else A
    B = B.T if call.get("transB", 0) else B
    y, C = call.get("alpha", 1.0) * (A @ B), call.maybe(2)
    y = y if C is None else y + call.get("beta", 1.0) * wide(C)
    return np.asarray(y).astype(call[0].dtype)


def _globally(function: Callable[..., Any]) -> Callable[[Call], Array]:
    def fold(call: Call) -> Array:
        x = wide(call[0])
        y = function(x, axis=tuple(range(2, x.ndim)), keepdims=True)
        return np.asarray(y).astype(call[0].dtype)

    return fold


FOLDS: dict[str, Callable[[Call], Folded]] = {
    "Gemm": _gemm,
    "GlobalAveragePool": _globally(np.mean),
    "GlobalMaxPool": _globally(np.max),
    "MatMul": _matmul,
    "ReduceL1": _reduce(_absolute, 18),
    "ReduceL2": _reduce(_length, 18),
    "ReduceMax": _reduce(np.max, 18),
    "ReduceMean": _reduce(np.mean, 18),
    "ReduceMin": _reduce(np.min, 18),
    "ReduceProd": _reduce(np.prod, 18),
    "ReduceSum": _reduce(np.sum, 13),
    "ReduceSumSquare": _reduce(_squares, 18),
}
