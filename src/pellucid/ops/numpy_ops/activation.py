"""Activation functions and their derivatives, element by element, arrays of any shape and strides.

Each backward takes the gradient dy and whichever of input x and output y says the derivative in fewest steps.
"""

import numpy as np

from pellucid.ops.arrays import Array


def relu(x: Array) -> Array:
    """max(x, 0)."""
    y: Array = np.maximum(x, x.dtype.type(0))
    return y


def relu_backward(dy: Array, y: Array) -> Array:
    """Gradient dx: dy where the output y is positive, else 0 (the derivative at 0 is taken as 0)."""
    dx: Array = dy * (y > 0)
    return dx


def leaky_relu(x: Array, slope: float) -> Array:
    """What is positive in x as it is, the rest times the slope (Maas, Hannun, Ng 2013)."""
    return np.where(x > 0, x, x * x.dtype.type(slope))


def leaky_relu_backward(dy: Array, x: Array, slope: float) -> Array:
    """Gradient dx: dy where x > 0, else slope * dy."""
    return np.where(x > 0, dy, dy * dy.dtype.type(slope))


def clip(x: Array, low: float, high: float) -> Array:
    """The nearest number to x between low and high; ReLU6 with 0 and 6 (Krizhevsky 2010)."""
    kind = x.dtype.type
    y: Array = np.minimum(np.maximum(x, kind(low)), kind(high))
    return y


def clip_backward(dy: Array, x: Array, low: float, high: float) -> Array:
    """Gradient dy where low < x < high, else 0 (also at the bounds). x may be the output: it lies there with x."""
    kind = x.dtype.type
    dx: Array = dy * ((x > kind(low)) & (x < kind(high)))
    return dx


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow for any x: written by way of exp(-|x|)."""
    decay = np.exp(-np.abs(x))
    y: Array = np.where(x >= 0, 1, decay).astype(x.dtype, copy=False) / (1 + decay)
    return y


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """Gradient dx = dy * y (1 - y) from the output y."""
    dx: Array = dy * y * (1 - y)
    return dx


def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    y: Array = np.tanh(x)
    return y


def tanh_backward(dy: Array, y: Array) -> Array:
    """Gradient dx = dy * (1 - y^2) from the output y."""
    dx: Array = dy * (1 - y * y)
    return dx


def silu(x: Array) -> Array:
    """Product x * sigmoid(x) (Elfwing, Uchibe, Doya 2018)."""
    y: Array = x * sigmoid(x)
    return y


def silu_backward(dy: Array, x: Array) -> Array:
    """Gradient dx = dy * s (1 + x (1 - s)) with s = sigmoid(x)."""
    s = sigmoid(x)
    dx: Array = dy * (s * (1 + x * (1 - s)))
    return dx


def dropout(x: Array, keep: Array, rate: float) -> Array:
    """What `keep` leaves of x, scaled by 1 / (1 - rate), else 0 (Srivastava et al. 2014). Its own backward."""
    y: Array = x * (keep * x.dtype.type(1 / (1 - rate)))
    return y
