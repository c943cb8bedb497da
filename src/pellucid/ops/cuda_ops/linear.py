"""Affine map of feature vectors: y = x w^T + b, with x (N, F), w (G, F), b (G,), y (N, G).

Matrix products are cuBLAS's where it is installed, else those of the kernel here.
"""

from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops import blas
from pellucid.ops.cuda_ops.activation import relu, relu_backward
from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty
from pellucid.ops.cuda_ops.columns import channel_sum_into
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, kernel, narrow, real, wide
from pellucid.ops.cuda_ops.types import SIMULATED

TILE = 2 if SIMULATED else 16
"""Side of the square of products that a block works out."""


def product(a: DeviceArray, b: DeviceArray, out: DeviceArray | None = None, add: bool = False) -> DeviceArray:
    """Matrix product (M, J) @ (J, N): (M, N), or with `add` onto what is in `out`.

    Sums are float32, or float64 of float64, and rounded once.
    """
    y = empty((a.shape[0], b.shape[1]), a.dtype) if out is None else out
    if not y.size:
        return y
    if not a.shape[1]:
        if not add:
            y[...] = 0.0
        return y
    if not y.flags.c_contiguous:
        y[...] = product(a, b)
        return y
    if blas.available(a.dtype):
        if add and y.itemsize == 2:  # cuBLAS may round the product before it adds
            sums = empty(y.shape, np.float32)
            blas.product(a, b, sums)
            launch(_add_sums.of(y.dtype.name), blocks(y.size), THREADS, sums.reshape(-1), y.reshape(-1))
        else:
            blas.product(a, b, y, add)
        return y
    grid = (-(-y.shape[0] // TILE), -(-y.shape[1] // TILE))
    launch(_product.of(a.dtype.name), grid, (TILE, TILE), contiguous(a), contiguous(b), int(add), y)
    return y


def linear(x: DeviceArray, w: DeviceArray, b: DeviceArray | None = None) -> DeviceArray:
    """y = x w^T + b: (N, G)."""
    if b is None:
        return product(x, w.T)
    y = empty((len(x), len(w)), x.dtype)
    y[...] = b
    return product(x, w.T, out=y, add=True)


def linear_relu(x: DeviceArray, w: DeviceArray, b: DeviceArray | None = None) -> DeviceArray:
    """relu(linear(x, w, b)): (N, G)."""
    return relu(linear(x, w, b))


def linear_backward(
    dy: DeviceArray,
    x: DeviceArray,
    w: DeviceArray,
    dw: DeviceArray,
    db: DeviceArray | None,
    input_gradient: bool = True,
) -> DeviceArray:
    """dw = dy^T x and db = sum of dy, written; dx = dy w returned (an empty array if not `input_gradient`)."""
    product(dy.T, x, out=dw)
    if db is not None:
        channel_sum_into(dy[:, :, None, None], db)
    return product(dy, w) if input_gradient else empty(0, dy.dtype)


def linear_relu_backward(
    dy: DeviceArray,
    y: DeviceArray,
    x: DeviceArray,
    w: DeviceArray,
    dw: DeviceArray,
    db: DeviceArray | None,
    input_gradient: bool = True,
) -> DeviceArray:
    """Gradients of linear_relu from its output y: writes dw and db, returns dx (empty if not wanted)."""
    return linear_backward(relu_backward(dy, y), x, w, dw, db, input_gradient)


@kernel("F1 T1", ("float16", "bfloat16"))
def _add_sums(sums: Any, y: Any) -> None:
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[i] = narrow(wide(y[i]) + sums[i])


@kernel("T2 T2 n T2")
def _product(a: Any, b: Any, add: int, y: Any) -> None:
    """Tiles of a and b go through shared memory, so each number is read once a tile, not once a product."""
    left = cuda.shared.array((TILE, TILE), real)
    right = cuda.shared.array((TILE, TILE), real)
    i, j = cuda.threadIdx.y, cuda.threadIdx.x
    row, column = cuda.blockIdx.x * TILE + i, cuda.blockIdx.y * TILE + j
    inner = a.shape[1]
    total = real(0)
    for start in range(0, inner, TILE):
        left[i, j] = wide(a[row, start + j]) if row < a.shape[0] and start + j < inner else real(0)
        right[i, j] = wide(b[start + i, column]) if start + i < inner and column < b.shape[1] else real(0)
        cuda.syncthreads()
        for k in range(TILE):
            total += left[i, k] * right[k, j]
        cuda.syncthreads()
    if row < y.shape[0] and column < y.shape[1]:
        y[row, column] = narrow(total + wide(y[row, column]) if add else total)
