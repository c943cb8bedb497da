"""Convolution and what follows it: by Winograd's algorithm where that is faster, else as a direct product.

The functions are those of `numpy_ops`; shapes and arguments are told there.
"""

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.memory import empty_images
from pellucid.ops.numba_ops import few_channels, few_channels_gradient, pointwise, winograd
from pellucid.ops.numba_ops.activation import relu_backward
from pellucid.ops.numba_ops.channels import channel_sum
from pellucid.ops.numba_ops.direct import direct_conv2d, direct_input_gradient, direct_weight_gradient
from pellucid.ops.numba_ops.pooling import max_pool2d, max_pool2d_backward

POOL: Pair = (2, 2)


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
    if winograd.suits(x, w, stride, dilation, groups):
        return winograd.convolution(x, w, b, padding, relu=False)
    if few_channels.suits(x, w, stride, dilation, groups) and few_channels.wide_enough(x, padding):
        return few_channels.convolution(x, w, b, padding, relu=False)
    if pointwise.suits(x, w, stride, padding, groups):
        return pointwise.convolution(x, w, b)
    return direct_conv2d(x, w, b, stride, padding, dilation, groups)


def conv2d_relu(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """relu(conv2d(x, w, b)): (N, K, P, Q)."""
    if winograd.suits(x, w, stride, dilation, groups):
        return winograd.convolution(x, w, b, padding, relu=True)
    if few_channels.suits(x, w, stride, dilation, groups) and few_channels.wide_enough(x, padding):
        return few_channels.convolution(x, w, b, padding, relu=True)
    if pointwise.suits(x, w, stride, padding, groups):
        return pointwise.convolution(x, w, b, relu=True)
    return direct_conv2d(x, w, b, stride, padding, dilation, groups, relu=True)


def conv2d_relu_max_pool2d(
    x: Array,
    w: Array,
    b: Array | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[Array, Array]:
    """The 2x2 max-pool of relu(conv2d(x, w, b)): y (N, K, P//2, Q//2) and `winner` as max_pool2d gives them."""
    if winograd.suits(x, w, stride, dilation, groups):
        return winograd.pooled_convolution(x, w, b, padding)
    return max_pool2d(conv2d_relu(x, w, b, stride, padding, dilation, groups), POOL, POOL)


def conv2d_input_gradient(
    dy: Array,
    w: Array,
    input_size: Pair,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Adjoint of conv2d in x: from dy (N, K, P, Q) to dx (N, C, H, W) with (H, W) = input_size."""
    if winograd.suits(dy, w, stride, dilation, groups):
        return winograd.input_gradient(winograd.Gradient(dy, (dy.shape[2], dy.shape[3])), w, input_size, padding)
    if pointwise.suits(dy, w, stride, padding, groups) and dy.shape[2:] == tuple(input_size):
        return pointwise.convolution(dy, w.transpose(1, 0, 2, 3), None)
    if _tile(dy, w, input_size, stride, padding, dilation, groups):
        return _tiles_gradient(dy, w)
    return direct_input_gradient(dy, w, input_size, stride, padding, dilation, groups)


def _tile(dy: Array, w: Array, input_size: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> bool:
    """Whether the windows lie side by side and cover the input, so that each pixel belongs to one place."""
    size = (dy.shape[2] * stride[0], dy.shape[3] * stride[1])
    return bool(
        tuple(stride) == w.shape[2:]
        and size == tuple(input_size)
        and (*padding, *dilation, groups) == (0, 0, 1, 1, 1)
        and dy.dtype == w.dtype == np.float32
        and dy.size > 0
    )


def _tiles_gradient(dy: Array, w: Array) -> Array:
    """Of each place a product gives all pixels of its window; then the windows are laid out."""
    (N, K, P, Q), (_, C, R, S) = dy.shape, w.shape
    pixels = pointwise.convolution(dy, w.transpose(2, 3, 1, 0).reshape(-1, K, 1, 1), None)
    dx = empty_images((N, C, P * R, Q * S), np.float32)
    windows = dx.transpose(0, 2, 3, 1).reshape(N, P, R, Q, S, C)
    windows[...] = pixels.transpose(0, 2, 3, 1).reshape(N, P, Q, R, S, C).transpose(0, 1, 3, 2, 4, 5)
    return dx


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
    dw = np.empty((dy.shape[1], x.shape[1] // groups, *kernel), dy.dtype) if out is None else out
    if winograd.suits(x, dw, stride, dilation, groups) and dy.dtype == np.float32:
        winograd.weight_gradient(winograd.Gradient(dy, (dy.shape[2], dy.shape[3])), x, padding, dw, None)
        return dw
    if few_channels.suits(x, dw, stride, dilation, groups) and dy.dtype == np.float32:
        few_channels_gradient.weight_gradient(dy, None, x, padding, dw, None)
        return dw
    return direct_weight_gradient(dy, x, kernel, stride, padding, dilation, groups, out=dw)


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
    if winograd.suits(x, w, stride, dilation, groups) and dy.dtype == np.float32:
        gradient = winograd.Gradient(dy, (dy.shape[2], dy.shape[3]))
        return winograd.backward(gradient, x, w, dw, db, padding, input_gradient)
    if few_channels.suits(x, w, stride, dilation, groups) and dy.dtype == np.float32:
        few_channels_gradient.weight_gradient(dy, None, x, padding, dw, db)
    else:
        direct_weight_gradient(dy, x, (w.shape[2], w.shape[3]), stride, padding, dilation, groups, out=dw)
        if db is not None:
            db[...] = channel_sum(dy)
    if not input_gradient:
        return np.empty(0, dy.dtype)
    return direct_input_gradient(dy, w, (x.shape[2], x.shape[3]), stride, padding, dilation, groups)


def conv2d_relu_backward(
    dy: Array,
    y: Array,
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
    """Gradients of conv2d_relu from its output y: writes dw and db, returns dx (empty if not wanted)."""
    if winograd.suits(x, w, stride, dilation, groups) and dy.dtype == np.float32:
        gradient = winograd.Gradient(dy, (dy.shape[2], dy.shape[3]), y)
        return winograd.backward(gradient, x, w, dw, db, padding, input_gradient)
    if few_channels.suits(x, w, stride, dilation, groups) and dy.dtype == np.float32 and not input_gradient:
        few_channels_gradient.weight_gradient(dy, y, x, padding, dw, db)
        return np.empty(0, dy.dtype)
    dz = relu_backward(dy, y)
    return conv2d_backward(dz, x, w, dw, db, stride, padding, dilation, groups, input_gradient)


def conv2d_relu_max_pool2d_backward(
    dy: Array,
    y: Array,
    winner: Array,
    convolved: Pair,
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
    """Gradients of conv2d_relu_max_pool2d; `convolved` is (P, Q), the size before the pool."""
    if winograd.suits(x, w, stride, dilation, groups) and dy.dtype == np.float32:
        gradient = winograd.Gradient(dy, convolved, y, winner)
        return winograd.backward(gradient, x, w, dw, db, padding, input_gradient)
    dz = max_pool2d_backward(relu_backward(dy, y), winner, convolved, POOL, POOL)
    return conv2d_backward(dz, x, w, dw, db, stride, padding, dilation, groups, input_gradient)
