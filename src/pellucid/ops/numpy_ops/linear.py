"""Affine map of feature vectors: y = x w^T + b, with x (N, F), w (G, F), b (G,), y (N, G)."""

import numpy as np

from pellucid.ops.arrays import Array


def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    """y = x w^T + b: (N, G)."""
    y: Array = x @ w.T
    if b is not None:
        y += b
    return y


def linear_backward(dy: Array, x: Array, w: Array, dw: Array, db: Array | None, input_gradient: bool = True) -> Array:
    """dw = dy^T x and db = sum of dy, written; dx = dy w returned (an empty array if not `input_gradient`)."""
    np.matmul(dy.T, x, out=dw)
    if db is not None:
        np.sum(dy, axis=0, out=db)
    if not input_gradient:
        return np.empty(0, dy.dtype)
    dx: Array = dy @ w
    return dx
