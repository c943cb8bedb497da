"""Layers that follow each other, as one op: here their composition, elsewhere one pass over memory."""

from pellucid.ops.arrays import Array, Pair
from pellucid.ops.geometry import PLAIN, Geometry
from pellucid.ops.numpy_ops.activation import relu, relu_backward
from pellucid.ops.numpy_ops.convolution import conv2d, conv2d_backward
from pellucid.ops.numpy_ops.linear import linear, linear_backward
from pellucid.ops.numpy_ops.pooling import max_pool2d, max_pool2d_backward

POOL: Pair = (2, 2)  # the one pooling that is fused: 2x2, stride 2, no padding
POOL_GEOMETRY = Geometry(stride=POOL)


def conv2d_relu(x: Array, w: Array, b: Array | None = None, geometry: Geometry = PLAIN) -> Array:
    """relu(conv2d(x, w, b)): (N, K, P, Q)."""
    return relu(conv2d(x, w, b, geometry))


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
    dz = relu_backward(dy, y)
    return conv2d_backward(dz, x, w, dw, db, geometry, input_gradient)


def conv2d_relu_max_pool2d(
    x: Array, w: Array, b: Array | None = None, geometry: Geometry = PLAIN
) -> tuple[Array, Array]:
    """The 2x2 max-pool of relu(conv2d(x, w, b)): y (N, K, P//2, Q//2) and `winner` as max_pool2d gives them."""
    return max_pool2d(relu(conv2d(x, w, b, geometry)), POOL, POOL_GEOMETRY)


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
    """Gradients of conv2d_relu_max_pool2d; `convolved` is (P, Q), the size before the pool.

    A window's gradient passes the ReLU exactly where its largest value y is positive, so the mask is applied
    on the small side of the pool.
    """
    dz = max_pool2d_backward(relu_backward(dy, y), winner, convolved, POOL, POOL_GEOMETRY)
    return conv2d_backward(dz, x, w, dw, db, geometry, input_gradient)


def linear_relu(x: Array, w: Array, b: Array | None = None) -> Array:
    """relu(linear(x, w, b)): (N, G)."""
    return relu(linear(x, w, b))


def linear_relu_backward(
    dy: Array, y: Array, x: Array, w: Array, dw: Array, db: Array | None, input_gradient: bool = True
) -> Array:
    """Gradients of linear_relu from its output y: writes dw and db, returns dx (empty if not wanted)."""
    return linear_backward(relu_backward(dy, y), x, w, dw, db, input_gradient)
