"""Convolution and its adjoints, with what follows: by cuDNN where it is installed, else by tiles.py."""

from pellucid.ops.arrays import Pair
from pellucid.ops.cuda_ops import cudnn
from pellucid.ops.cuda_ops.activation import relu_backward
from pellucid.ops.cuda_ops.arrays import DeviceArray, empty
from pellucid.ops.cuda_ops.columns import channel_sum_into, relu_backward_sum
from pellucid.ops.cuda_ops.pooling import max_pool2d, relu_max_pool2d_backward
from pellucid.ops.cuda_ops.tiles import tiled_conv2d, tiled_conv2d_input_gradient, tiled_conv2d_weight_gradient
from pellucid.ops.geometry import PLAIN, Geometry

POOL: Pair = (2, 2)  # the one pooling that is fused: 2x2, stride 2, no padding
POOLED = Geometry(stride=POOL)


def conv2d(x: DeviceArray, w: DeviceArray, b: DeviceArray | None = None, geometry: Geometry = PLAIN) -> DeviceArray:
    """Convolution of x (N, C, H, W) with w (K, C/groups, R, S), plus b (K,): (N, K, P, Q)."""
    return _forward(x, w, b, geometry, relu=False)


def conv2d_relu(
    x: DeviceArray, w: DeviceArray, b: DeviceArray | None = None, geometry: Geometry = PLAIN
) -> DeviceArray:
    """relu(conv2d(x, w, b)): (N, K, P, Q)."""
    return _forward(x, w, b, geometry, relu=True)


def _forward(x: DeviceArray, w: DeviceArray, b: DeviceArray | None, geometry: Geometry, relu: bool) -> DeviceArray:
    if cudnn.available(x.dtype):
        return cudnn.conv2d(x, w, b, geometry, relu)
    return tiled_conv2d(x, w, b, geometry, relu)


def conv2d_input_gradient(
    dy: DeviceArray, w: DeviceArray, input_size: Pair, geometry: Geometry = PLAIN
) -> DeviceArray:
    """Adjoint of conv2d in x: from dy (N, K, P, Q) to dx (N, C, H, W) with (H, W) = input_size."""
    if cudnn.available(dy.dtype):
        return cudnn.conv2d_input_gradient(dy, w, input_size, geometry)
    return tiled_conv2d_input_gradient(dy, w, input_size, geometry)


def conv2d_weight_gradient(
    dy: DeviceArray, x: DeviceArray, kernel: Pair, geometry: Geometry = PLAIN, out: DeviceArray | None = None
) -> DeviceArray:
    """Adjoint of conv2d in w: from dy (N, K, P, Q) and x (N, C, H, W) to dw (K, C/groups, R, S), into `out`."""
    if cudnn.available(dy.dtype):
        return cudnn.conv2d_weight_gradient(dy, x, kernel, geometry, out)
    return tiled_conv2d_weight_gradient(dy, x, kernel, geometry, out)


def conv2d_backward(
    dy: DeviceArray,
    x: DeviceArray,
    w: DeviceArray,
    dw: DeviceArray,
    db: DeviceArray | None,
    geometry: Geometry = PLAIN,
    input_gradient: bool = True,
) -> DeviceArray:
    """Both gradients of conv2d: writes dw and db, returns dx (an empty array if not `input_gradient`)."""
    if db is not None:
        channel_sum_into(dy, db)
    return _gradients(dy, x, w, dw, geometry, input_gradient)


def _gradients(
    dy: DeviceArray, x: DeviceArray, w: DeviceArray, dw: DeviceArray, geometry: Geometry, input_gradient: bool
) -> DeviceArray:
    conv2d_weight_gradient(dy, x, (w.shape[2], w.shape[3]), geometry, out=dw)
    if not input_gradient:
        return empty(0, dy.dtype)
    return conv2d_input_gradient(dy, w, (x.shape[2], x.shape[3]), geometry)


def conv2d_relu_backward(
    dy: DeviceArray,
    y: DeviceArray,
    x: DeviceArray,
    w: DeviceArray,
    dw: DeviceArray,
    db: DeviceArray | None,
    geometry: Geometry = PLAIN,
    input_gradient: bool = True,
) -> DeviceArray:
    """Gradients of conv2d_relu from its output y: writes dw and db, returns dx (empty if not wanted)."""
    dz = relu_backward(dy, y) if db is None else relu_backward_sum(dy, y, db)
    return _gradients(dz, x, w, dw, geometry, input_gradient)


def conv2d_relu_max_pool2d(
    x: DeviceArray, w: DeviceArray, b: DeviceArray | None = None, geometry: Geometry = PLAIN
) -> tuple[DeviceArray, DeviceArray]:
    """The 2x2 max-pool of relu(conv2d(x, w, b)): y (N, K, P//2, Q//2) and `winner` as max_pool2d gives them."""
    return max_pool2d(conv2d_relu(x, w, b, geometry), POOL, POOLED)


def conv2d_relu_max_pool2d_backward(
    dy: DeviceArray,
    y: DeviceArray,
    winner: DeviceArray,
    convolved: Pair,
    x: DeviceArray,
    w: DeviceArray,
    dw: DeviceArray,
    db: DeviceArray | None,
    geometry: Geometry = PLAIN,
    input_gradient: bool = True,
) -> DeviceArray:
    """Gradients of conv2d_relu_max_pool2d; `convolved` is (P, Q), the size before the pool."""
    dz = relu_max_pool2d_backward(dy, y, winner, convolved, POOL, POOLED)
    return conv2d_backward(dz, x, w, dw, db, geometry, input_gradient)
