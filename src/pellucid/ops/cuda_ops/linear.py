"""Affine map of feature vectors: y = x w^T + b, with x (N, F), w (G, F), b (G,), y (N, G).

Matrix products are cuBLAS's where it is installed, else those of the kernel here.
"""

from typing import Any

from numba import cuda

from pellucid.ops.cuda_ops import blas
from pellucid.ops.cuda_ops.activation import relu, relu_backward
from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty
from pellucid.ops.cuda_ops.channels import channel_sum
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, kernel, narrow, real, wide
from pellucid.ops.cuda_ops.types import SIMULATED

TILE = 2 if SIMULATED else 16
"""Side of the square of products that a block works out."""


def product(a: DeviceArray, b: DeviceArray, out: DeviceArray | None = None) -> DeviceArray:
    """Matrix product (M, J) @ (J, N): (M, N); sums in float32, or float64 of float64."""
    y = empty((a.shape[0], b.shape[1]), a.dtype) if out is None else out
    if not y.size:
        return y
    if not y.flags.c_contiguous:
        y[...] = product(a, b)
        return y
    if blas.available(a.dtype):
        blas.product(a, b, y)
        return y
    grid = (-(-y.shape[1] // TILE), -(-y.shape[0] // TILE))
    launch(_product.of(a.dtype.name), grid, (TILE, TILE), contiguous(a), contiguous(b), y)
    return y


def linear(x: DeviceArray, w: DeviceArray, b: DeviceArray | None = None) -> DeviceArray:
    """y = x w^T + b: (N, G)."""
    return _affine(x, w, b, relu_too=False)


def linear_relu(x: DeviceArray, w: DeviceArray, b: DeviceArray | None = None) -> DeviceArray:
    """relu(linear(x, w, b)): (N, G)."""
    return _affine(x, w, b, relu_too=True) if b is not None else relu(product(x, w.T))


def _affine(x: DeviceArray, w: DeviceArray, b: DeviceArray | None, relu_too: bool) -> DeviceArray:
    y = product(x, w.T)
    if b is not None and y.size:
        launch(_add_row.of(y.dtype.name), blocks(y.size), THREADS, y, contiguous(b), int(relu_too))
    return y


def linear_backward(
    dy: DeviceArray, x: DeviceArray, w: DeviceArray, dw: DeviceArray, db: DeviceArray | None, input_gradient: bool = True
) -> DeviceArray:
    """dw = dy^T x and db = sum of dy, written; dx = dy w returned (an empty array if not `input_gradient`)."""
    product(dy.T, x, out=dw)
    if db is not None:
        db[...] = channel_sum(dy[:, :, None, None])
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


@kernel("T2 T2 T2")
def _product(a: Any, b: Any, y: Any) -> None:
    """Tiles of a and b go through shared memory, so each number is read once a tile, not once a product."""
    left = cuda.shared.array((TILE, TILE), real)
    right = cuda.shared.array((TILE, TILE), real)
    i, j = cuda.threadIdx.y, cuda.threadIdx.x
    row, column = cuda.blockIdx.y * TILE + i, cuda.blockIdx.x * TILE + j
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
        y[row, column] = narrow(total)


@kernel("T2 T1 n")
def _add_row(y: Any, b: Any, relu_too: int) -> None:
    columns = y.shape[1]
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        row, column = i // columns, i % columns
        value = wide(y[row, column]) + wide(b[column])
        y[row, column] = narrow(real(0) if relu_too and value <= 0 else value)

