"""Affine map with ReLU. The matrix products are NumPy's (BLAS), which nothing here could beat: `linear` and
`linear_backward` are the definition's own.
"""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.activation import relu_backward
from pellucid.ops.numba_ops.jit import jit
from pellucid.ops.numba_ops.layout import contiguous
from pellucid.ops.numpy_ops.linear import linear, linear_backward

__all__ = ["linear", "linear_backward", "linear_relu", "linear_relu_backward"]


def linear_relu(x: Array, w: Array, b: Array | None = None) -> Array:
    """relu(linear(x, w, b)): (N, G)."""
    y = empty((x.shape[0], w.shape[0]), x.dtype)
    np.matmul(x, w.T, out=y)
    _add_relu(y, np.zeros(w.shape[0], y.dtype) if b is None else contiguous(b))
    return y


def linear_relu_backward(
    dy: Array, y: Array, x: Array, w: Array, dw: Array, db: Array | None, input_gradient: bool = True
) -> Array:
    """Gradients of linear_relu from its output y: writes dw and db, returns dx (empty if not wanted)."""
    return linear_backward(relu_backward(dy, y), x, w, dw, db, input_gradient)


@jit(parallel=True)
def _add_relu(y: Any, b: Any) -> None:
    zero = y.dtype.type(0)
    for i in prange(y.shape[0]):
        for g in range(y.shape[1]):
            total = y[i, g] + b[g]
            y[i, g] = zero if total <= zero else total
