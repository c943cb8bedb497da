"""Convolution and its two adjoints: the definition.

What the field calls convolution is a cross-correlation (Goodfellow et al. 2016, section 9.1):

    y[n, k, i, j] = b[k] + sum over c, u, v of  x[n, c, i*stride + u*dilation - padding, ...v...] * w[k, c, u, v]

It is linear in x and linear in w, so its two gradients are its two adjoints. Each of the three is one matrix
product with the array of windows (Chellapilla, Puri, Simard 2006): the windows of an image are copied
side by side into a matrix of one row a place and one column a weight.

Shapes: x (N, C, H, W); w (K, C/groups, R, S); b (K,); y (N, K, P, Q). Images are stored channels last.
"""

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.memory import empty_images, padded


def convolved_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Number of places at which a window fits on one padded axis."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def _windows(x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> Array:
    """View of every window of the padded image: (N, P, Q, R, S, C), nothing copied but the padding."""
    frame = padded(x, padding)
    span = tuple(d * (r - 1) + 1 for r, d in zip(kernel, dilation, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(frame, span, axis=(2, 3))
    view = view[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
    return view.transpose(0, 2, 3, 4, 5, 1)


def _matrix(w: Array, groups: int) -> Array:
    """The weights as one matrix a group: (groups, R*S*C/groups, K/groups)."""
    K, C, R, S = w.shape
    return w.reshape(groups, K // groups, C, R, S).transpose(0, 3, 4, 2, 1).reshape(groups, R * S * C, K // groups)


def conv2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C/groups, R, S), plus b (K,): (N, K, P, Q)."""
    N, C, _, _ = x.shape
    K, _, R, S = w.shape
    windows = _windows(x, (R, S), stride, padding, dilation)
    P, Q = windows.shape[1:3]
    y = empty_images((N, K, P, Q), x.dtype)
    rows = y.transpose(0, 2, 3, 1).reshape(N * P * Q, groups, K // groups)
    columns, matrix = windows.reshape(N, P, Q, R, S, groups, C // groups), _matrix(w, groups)
    for g in range(groups):
        rows[:, g] = columns[..., g, :].reshape(N * P * Q, -1) @ matrix[g]
    if b is not None:
        y += b[:, None, None]
    return y


def conv2d_input_gradient(
    dy: Array,
    w: Array,
    input_size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Adjoint of conv2d in x: from dy (N, K, P, Q) to dx (N, C, H, W) with (H, W) = input_size.

    It is also the transposed convolution of dy.
    """
    N, K, P, Q = dy.shape
    _, C, R, S = w.shape
    H, W = input_size
    frame = np.zeros((N, H + 2 * padding[0], W + 2 * padding[1], groups, C), dy.dtype)
    rows, matrix = dy.transpose(0, 2, 3, 1).reshape(N * P * Q, groups, K // groups), _matrix(w, groups)
    for g in range(groups):
        windows = (rows[:, g] @ matrix[g].T).reshape(N, P, Q, R, S, C)
        for u in range(R):
            for v in range(S):
                i, j = u * dilation[0], v * dilation[1]
                places = frame[:, i : i + P * stride[0] : stride[0], j : j + Q * stride[1] : stride[1], g]
                places += windows[:, :, :, u, v]
    inner = frame[:, padding[0] : padding[0] + H, padding[1] : padding[1] + W]
    return inner.reshape(N, H, W, groups * C).transpose(0, 3, 1, 2)


def conv2d_weight_gradient(
    dy: Array,
    x: Array,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    out: Array | None = None,
) -> Array:
    """Adjoint of conv2d in w: from dy (N, K, P, Q) and x (N, C, H, W) to dw (K, C/groups, R, S), into `out`."""
    N, K, P, Q = dy.shape
    C, (R, S) = x.shape[1], kernel
    windows = _windows(x, kernel, stride, padding, dilation)[:, :P, :Q]
    columns = windows.reshape(N, P, Q, R, S, groups, C // groups)
    rows = dy.transpose(0, 2, 3, 1).reshape(N * P * Q, groups, K // groups)
    dw = np.empty((K, C // groups, R, S), dy.dtype) if out is None else out
    for g in range(groups):
        product = rows[:, g].T @ columns[..., g, :].reshape(N * P * Q, -1)
        block = product.reshape(K // groups, R, S, C // groups).transpose(0, 3, 1, 2)
        dw[g * (K // groups) : (g + 1) * (K // groups)] = block
    return dw


def conv2d_backward(
    dy: Array,
    x: Array,
    w: Array,
    dw: Array,
    db: Array | None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    input_gradient: bool = True,
) -> Array:
    """Both gradients of conv2d: writes dw and db, returns dx (an empty array if not `input_gradient`)."""
    conv2d_weight_gradient(dy, x, (w.shape[2], w.shape[3]), stride, padding, dilation, groups, out=dw)
    if db is not None:
        db[...] = dy.sum(axis=(0, 2, 3))
    if not input_gradient:
        return np.empty(0, dy.dtype)
    return conv2d_input_gradient(dy, w, (x.shape[2], x.shape[3]), stride, padding, dilation, groups)
