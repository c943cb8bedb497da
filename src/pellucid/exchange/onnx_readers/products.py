"""Products of matrices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pellucid.exchange.onnx_readers.broadcast import expanded, shape_of
from pellucid.exchange.onnx_readers.weights import Reader, converted, floats, own_name, vector
from pellucid.exchange.onnx_reading import At, Known, RefusedError, Unknown
from pellucid.layers import Conv2d, Linear, MatMul, Transpose
from pellucid.ops.arrays import Array


def _gemm(at: At) -> None:
    x = at.unknown()
    weight = at.needed(1)
    if x.rows:
        _gemm_at_each_pixel(at, x, weight)
        return
    if len(x.shape) != 1 or weight.array.ndim != 2 or at.get("transA", 0):
        raise RefusedError(f"matrices of shapes {('N', *x.shape)} and {weight.array.shape}")
    alpha, beta = at.get("alpha", 1.0), at.get("beta", 1.0)
    matrix: Known | Array = weight
    if not at.get("transB", 0) or alpha != 1:
        turned = weight.array if at.get("transB", 0) else weight.array.T
        matrix = Known(floats(turned) * np.float32(alpha) if alpha != 1 else floats(turned), weight.source, True)
    assert isinstance(matrix, Known)
    features, inputs = matrix.array.shape
    if inputs != x.shape[0] or not features:
        raise RefusedError(f"matrices of shapes {('N', *x.shape)} and {weight.array.shape}")
    bias = at.known(2)
    layer = Linear(features, bias=bias is not None)
    given: dict[str, Known | Array] = {"weight": converted(matrix)}
    if bias is not None:
        offsets = vector(bias, features)
        given["bias"] = offsets if beta == 1 else offsets.array * np.float32(beta)
    at.give(at.emit(layer, x, name=own_name(at), weights=given))


def _matmul(at: At) -> None:
    first, second = at.value(0), at.value(1)
    if isinstance(first, Unknown) and len(first.shape) == 1 and isinstance(second, Known) and second.array.ndim == 2:
        weight = Known(floats(second.array.T), second.source, second.learnt)
        if weight.array.shape[1] != first.shape[0] or not weight.array.size:
            raise RefusedError(f"matrices of shapes {('N', *first.shape)} and {second.array.shape}")
        at.give(
            at.emit(Linear(weight.array.shape[0], bias=False), first, name=own_name(at), weights={"weight": weight})
        )
        return
    if isinstance(first, Unknown) and len(first.shape) == 3 and isinstance(second, Known) and second.array.ndim == 2:
        _at_each_pixel(at, first, second)
        return
    shapes = [shape_of(at, place) for place in (0, 1)]
    lead = max(shapes, key=len)[:-2]
    if any(len(shape) < 2 for shape in shapes):
        raise RefusedError(f"values of shapes {' and '.join(map(str, shapes))} a sample")
    values = [expanded(at, at.value(i), (*lead, *shapes[i][-2:])) for i in (0, 1)]
    at.give(at.emit(MatMul(), *values))


def _at_each_pixel(at: At, x: Unknown, matrix: Known, bias: Known | None = None) -> None:
    """(H, W, C) with (C, K), which is a 1x1 convolution of images."""
    C, K = matrix.array.shape
    if x.shape[2] != C or not matrix.array.size:
        raise RefusedError(f"matrices of shapes {('N', *x.shape)} and {matrix.array.shape}")
    images = at.images(x) or at.emit(Transpose(2, 0, 1), x)
    weight = Known(floats(matrix.array.T).reshape(K, C, 1, 1), matrix.source, matrix.learnt)
    weights: dict[str, Known | Array] = {"weight": weight}
    if bias is not None:
        weights["bias"] = vector(bias, K)
    made = at.emit(Conv2d(K, 1, bias=bias is not None), images, name=own_name(at), weights=weights)
    replace(at, turned=True, rows=x.rows).give(made)


def _gemm_at_each_pixel(at: At, x: Unknown, matrix: Known) -> None:
    """The same of the pixels of all images in one axis, with a bias."""
    if matrix.array.ndim != 2 or at.get("transA", 0) or at.get("alpha", 1.0) != 1 or at.get("beta", 1.0) != 1:
        raise RefusedError("of the pixels of all images, but for W x + b")
    turned = Known(matrix.array.T, matrix.source, matrix.learnt) if at.get("transB", 0) else matrix
    _at_each_pixel(at, x, turned, at.known(2))


READERS: dict[str, Reader] = {
    "Gemm": _gemm,
    "MatMul": _matmul,
}
