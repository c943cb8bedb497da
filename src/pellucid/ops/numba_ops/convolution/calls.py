"""Convolution and what follows it: by Winograd's algorithm where that is faster, else as a direct product.

The functions are those of `numpy_ops`; shapes and arguments are told there.
"""

import numpy as np

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.ops.memory import empty_images
from pellucid.ops.numba_ops import winograd
from pellucid.ops.numba_ops.convolution import few_channels, few_channels_gradient, pointwise
from pellucid.ops.numba_ops.convolution.direct import direct_conv2d, direct_input_gradient, direct_weight_gradient
from pellucid.ops.numba_ops.elementwise.activation import relu_backward
from pellucid.ops.numba_ops.elementwise.channels import channel_sum
from pellucid.ops.numba_ops.pooling import max_pool2d, max_pool2d_backward

POOL: Pair = (2, 2)
POOL_GEOMETRY = Geometry(stride=POOL)


def conv2d(x: Array, w: Array, b: Array | None = None, geometry: Geometry = PLAIN) -> Array:
    """Convolution of x (N, C, H, W) with w (K, C/groups, R, S), plus b (K,): (N, K, P, Q)."""
    if winograd.suits(x, w, geometry):
        return winograd.convolution(x, w, b, geometry.padding, relu=False)
    if few_channels.suits(x, w, geometry) and few_channels.wide_enough(x, geometry.padding):
        return few_channels.convolution(x, w, b, geometry.padding, relu=False)
    if pointwise.suits(x, w, geometry):
        return pointwise.convolution(x, w, b)
    return direct_conv2d(x, w, b, geometry)


def conv2d_relu(x: Array, w: Array, b: Array | None = None, geometry: Geometry = PLAIN) -> Array:
    """relu(conv2d(x, w, b)): (N, K, P, Q)."""
    if winograd.suits(x, w, geometry):
        return winograd.convolution(x, w, b, geometry.padding, relu=True)
    if few_channels.suits(x, w, geometry) and few_channels.wide_enough(x, geometry.padding):
        return few_channels.convolution(x, w, b, geometry.padding, relu=True)
    if pointwise.suits(x, w, geometry):
        return pointwise.convolution(x, w, b, relu=True)
    return direct_conv2d(x, w, b, geometry, relu=True)


def conv2d_relu_max_pool2d(
    x: Array, w: Array, b: Array | None = None, geometry: Geometry = PLAIN
) -> tuple[Array, Array]:
    """The 2x2 max-pool of relu(conv2d(x, w, b)): y (N, K, P//2, Q//2) and `winner` as max_pool2d gives them."""
    if winograd.suits(x, w, geometry):
        return winograd.pooled_convolution(x, w, b, geometry.padding)
    return max_pool2d(conv2d_relu(x, w, b, geometry), POOL, POOL_GEOMETRY)


def conv2d_input_gradient(dy: Array, w: Array, input_size: Pair, geometry: Geometry = PLAIN) -> Array:
    """Adjoint of conv2d in x: from dy (N, K, P, Q) to dx (N, C, H, W) with (H, W) = input_size."""
    if winograd.suits(dy, w, geometry):
        return winograd.input_gradient(
            winograd.Gradient(dy, (dy.shape[2], dy.shape[3])), w, input_size, geometry.padding
        )
    if pointwise.suits(dy, w, geometry) and dy.shape[2:] == tuple(input_size):
        return pointwise.convolution(dy, w.transpose(1, 0, 2, 3), None)
    if _tile(dy, w, input_size, geometry):
        return _tiles_gradient(dy, w)
    return direct_input_gradient(dy, w, input_size, geometry)


def _tile(dy: Array, w: Array, input_size: Pair, geometry: Geometry) -> bool:
    """Whether the windows lie side by side and cover the input, so that each pixel belongs to one place."""
    stride = geometry.stride
    return bool(
        stride == w.shape[2:]
        and (dy.shape[2] * stride[0], dy.shape[3] * stride[1]) == tuple(input_size)
        and geometry.padding == (0, 0, 0, 0)
        and geometry.dilation == (1, 1)
        and geometry.groups == 1
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
    dy: Array, x: Array, kernel: Pair, geometry: Geometry = PLAIN, out: Array | None = None
) -> Array:
    """Adjoint of conv2d in w: from dy (N, K, P, Q) and x (N, C, H, W) to dw (K, C/groups, R, S), into `out`."""
    dw = np.empty((dy.shape[1], x.shape[1] // geometry.groups, *kernel), dy.dtype) if out is None else out
    if winograd.suits(x, dw, geometry) and dy.dtype == np.float32:
        winograd.weight_gradient(winograd.Gradient(dy, (dy.shape[2], dy.shape[3])), x, geometry.padding, dw, None)
        return dw
    if few_channels.suits(x, dw, geometry) and dy.dtype == np.float32:
        few_channels_gradient.weight_gradient(dy, None, x, geometry.padding, dw, None)
        return dw
    return direct_weight_gradient(dy, x, kernel, geometry, out=dw)


def conv2d_backward(
    dy: Array,
    x: Array,
    w: Array,
    dw: Array,
    db: Array | None,
    geometry: Geometry = PLAIN,
    input_gradient: bool = True,
) -> Array:
    """Both gradients of conv2d: writes dw and db, returns dx (an empty array if not `input_gradient`)."""
    if winograd.suits(x, w, geometry) and dy.dtype == np.float32:
        gradient = winograd.Gradient(dy, (dy.shape[2], dy.shape[3]))
        return winograd.backward(gradient, x, w, dw, db, geometry.padding, input_gradient)
    if few_channels.suits(x, w, geometry) and dy.dtype == np.float32:
        few_channels_gradient.weight_gradient(dy, None, x, geometry.padding, dw, db)
    else:
        direct_weight_gradient(dy, x, (w.shape[2], w.shape[3]), geometry, out=dw)
        if db is not None:
            db[...] = channel_sum(dy)
    if not input_gradient:
        return np.empty(0, dy.dtype)
    return direct_input_gradient(dy, w, (x.shape[2], x.shape[3]), geometry)


def conv2d_relu_backward(
    dy: Array,
    y: Array,
    x: Array,
    w: Array,
    dw: Array,
    db: Array | None,
    geometry: Geometry = PLAIN,
    input_gradient: bool = True,
) -> Array:
    """Gradients of conv2d_relu from its output y: writes dw and db, returns dx (empty if not wanted)."""
    if winograd.suits(x, w, geometry) and dy.dtype == np.float32:
        gradient = winograd.Gradient(dy, (dy.shape[2], dy.shape[3]), y)
        return winograd.backward(gradient, x, w, dw, db, geometry.padding, input_gradient)
    if few_channels.suits(x, w, geometry) and dy.dtype == np.float32 and not input_gradient:
        few_channels_gradient.weight_gradient(dy, y, x, geometry.padding, dw, db)
        return np.empty(0, dy.dtype)
    dz = relu_backward(dy, y)
    return conv2d_backward(dz, x, w, dw, db, geometry, input_gradient)


def conv2d_relu_max_pool2d_backward(
    dy: Array,
    y: Array,
    winner: Array,
    convolved: Pair,
    x: Array,
    w: Array,
    dw: Array,
    db: Array | None,
    geometry: Geometry = PLAIN,
    input_gradient: bool = True,
) -> Array:
    """Gradients of conv2d_relu_max_pool2d; `convolved` is (P, Q), the size before the pool."""
    if winograd.suits(x, w, geometry) and dy.dtype == np.float32:
        gradient = winograd.Gradient(dy, convolved, y, winner)
        return winograd.backward(gradient, x, w, dw, db, geometry.padding, input_gradient)
    dz = max_pool2d_backward(relu_backward(dy, y), winner, convolved, POOL, POOL_GEOMETRY)
    return conv2d_backward(dz, x, w, dw, db, geometry, input_gradient)
