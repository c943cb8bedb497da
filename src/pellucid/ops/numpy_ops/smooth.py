"""More activation functions and their derivatives, element by element, arrays of any shape and strides."""

import math

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.numpy_ops.activation import sigmoid


def elu(x: Array, alpha: float, scale: float = 1.0) -> Array:
    """What is positive in x times the scale, the rest scale alpha (exp(x) - 1) (Clevert et al. 2016)."""
    y: Array = scale * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return y.astype(x.dtype, copy=False)


def elu_backward(dy: Array, x: Array, alpha: float, scale: float = 1.0) -> Array:
    """Gradient dx = dy scale, times alpha exp(x) where x <= 0."""
    dx: Array = dy * (scale * np.where(x > 0, 1, alpha * np.exp(np.minimum(x, 0))))
    return dx.astype(dy.dtype, copy=False)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), without overflow."""
    y: Array = np.logaddexp(x, x.dtype.type(0))
    return y


def softplus_backward(dy: Array, x: Array) -> Array:
    """Gradient dx = dy sigmoid(x)."""
    dx: Array = dy * sigmoid(x)
    return dx


def mish(x: Array) -> Array:
    """x tanh(log(1 + exp(x))) (Misra 2019)."""
    y: Array = x * np.tanh(softplus(x))
    return y


def mish_backward(dy: Array, x: Array) -> Array:
    """Gradient dx = dy (t + x (1 - t^2) s) with t = tanh(softplus(x)), s = sigmoid(x).

    1 - t^2 is 4 q^2 / (1 + q^2)^2 with q = 1 - s = sigmoid(-x), which keeps its digits where t is 1.
    """
    square = sigmoid(-x) ** 2
    dx: Array = dy * (np.tanh(softplus(x)) + x * (4 * square / (1 + square) ** 2) * sigmoid(x))
    return dx


def erf(x: Array) -> Array:
    """The error function, of Python's own accuracy."""
    y: Array = np.asarray(_erf(x.astype(np.float64))).astype(x.dtype)
    return y


_erf = np.frompyfunc(math.erf, 1, 1)


def gelu(x: Array, tanh: bool = False) -> Array:
    """x P(X <= x) of a standard normal X (Hendrycks, Gimpel 2016); tanh: by their approximation."""
    y: Array = x * _probability(x, tanh)
    return y


def gelu_backward(dy: Array, x: Array, tanh: bool = False) -> Array:
    """Gradient dx = dy (P + x p), with the density p of X at x."""
    P = _probability(x, tanh)
    if tanh:
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        density = 2 * P * _probability(-x, tanh) * slope  # 1 - P would lose all digits where P is 1
    else:
        density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    dx: Array = dy * (P + x * density)
    return dx


def _probability(x: Array, tanh: bool) -> Array:
    if tanh:
        return sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))  # (1 + tanh(z)) / 2
    P: Array = 0.5 * (1 + erf(x / math.sqrt(2)))
    return P


def hard_sigmoid(x: Array, alpha: float, beta: float) -> Array:
    """alpha x + beta, between 0 and 1."""
    y: Array = np.clip(alpha * x + beta, 0, 1)
    return y


def hard_sigmoid_backward(dy: Array, x: Array, alpha: float, beta: float) -> Array:
    """Gradient dx = alpha dy where the line is between 0 and 1, else 0."""
    line = alpha * x + beta
    dx: Array = dy * (dy.dtype.type(alpha) * ((line > 0) & (line < 1)))
    return dx


def hard_swish(x: Array) -> Array:
    """x min(max(x / 6 + 1/2, 0), 1) (Howard et al. 2019, MobileNetV3)."""
    y: Array = x * np.clip(x / 6 + 0.5, 0, 1)
    return y


def hard_swish_backward(dy: Array, x: Array) -> Array:
    """Gradient dx = dy, times 0 where x <= -3, x / 3 + 1/2 to 3, then 1."""
    dx: Array = dy * np.where(x <= -3, 0, np.where(x >= 3, 1, x / 3 + 0.5)).astype(dy.dtype, copy=False)
    return dx
