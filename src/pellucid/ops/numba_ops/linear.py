"""Affine map, with ReLU or without. The products are BLAS's, as in the definition: nothing here could beat them.

A small product gains little from a second thread, and OpenBLAS's threads spin for a while after it, on the cores that
the next kernel needs: there it gets one.
"""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.cores import blas_threads, threads
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.elementwise.activation import relu_backward
from pellucid.ops.numba_ops.layout import contiguous
from pellucid.ops.numpy_ops import linear as linear_by_definition
from pellucid.ops.numpy_ops import linear_backward as linear_backward_by_definition

FEW = 1 << 12  # outputs: two passes of NumPy are over before a kernel's threads are awake
SMALL = 1 << 24  # multiply-adds: under a millisecond on one core


def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    """y = x w^T + b: (N, G)."""
    with blas_threads(_threads(x, w)):
        return linear_by_definition(x, w, b)


def linear_relu(x: Array, w: Array, b: Array | None = None) -> Array:
    """relu(linear(x, w, b)): (N, G)."""
    y = empty((x.shape[0], w.shape[0]), x.dtype)
    with blas_threads(_threads(x, w)):
        np.matmul(x, w.T, out=y)
    if y.size <= FEW:
        if b is not None:
            y += b
        np.maximum(y, y.dtype.type(0), out=y)
    else:
        _add_relu(y, np.zeros(w.shape[0], y.dtype) if b is None else contiguous(b))
    return y


def linear_backward(dy: Array, x: Array, w: Array, dw: Array, db: Array | None, input_gradient: bool = True) -> Array:
    """dw = dy^T x and db = sum of dy, written; dx = dy w returned (an empty array if not `input_gradient`)."""
    with blas_threads(_threads(x, w)):
        return linear_backward_by_definition(dy, x, w, dw, db, input_gradient)


def linear_relu_backward(
    dy: Array, y: Array, x: Array, w: Array, dw: Array, db: Array | None, input_gradient: bool = True
) -> Array:
    """Gradients of linear_relu from its output y: writes dw and db, returns dx (empty if not wanted)."""
    return linear_backward(relu_backward(dy, y), x, w, dw, db, input_gradient)


def _threads(x: Array, w: Array) -> int:
    return 1 if x.shape[0] * w.size <= SMALL else threads()


@jit(parallel=True)
def _add_relu(y: Any, b: Any) -> None:
    zero = y.dtype.type(0)
    for i in prange(y.shape[0]):
        for g in range(y.shape[1]):
            total = y[i, g] + b[g]
            y[i, g] = zero if total <= zero else total
