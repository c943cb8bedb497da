"""Activation functions and their derivatives in one pass over memory each, on all cores."""

from typing import Any

import numpy as np
from numba import prange

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.numbers import number, rounded
from pellucid.ops.numba_ops.elementwise.exponential import decay
from pellucid.ops.numba_ops.layout import elementwise, real
from pellucid.ops.numpy_ops.activation import tanh  # NumPy's is made of vector instructions already

__all__ = [
    "clip",
    "clip_backward",
    "dropout",
    "leaky_relu",
    "leaky_relu_backward",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
    "tanh",
    "tanh_backward",
]

ZERO, ONE = np.float32(0), np.float32(1)


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return elementwise(_relu, (x,))


def relu_backward(dy: Array, y: Array) -> Array:
    """Gradient dx: dy where the output y is positive, else 0 (the derivative at 0 is taken as 0)."""
    return elementwise(_relu_backward, (dy, y))


def leaky_relu(x: Array, slope: float) -> Array:
    """What is positive in x as it is, the rest times the slope (Maas, Hannun, Ng 2013)."""
    return elementwise(_leaky_relu_backward, (x, x), (real(slope, x.dtype),))


def leaky_relu_backward(dy: Array, x: Array, slope: float) -> Array:
    """Gradient dx: dy where x > 0, else slope * dy."""
    return elementwise(_leaky_relu_backward, (dy, x), (real(slope, dy.dtype),))


def clip(x: Array, low: float, high: float) -> Array:
    """The nearest number to x between low and high; ReLU6 with 0 and 6 (Krizhevsky 2010)."""
    return elementwise(_clip, (x,), (real(low, x.dtype), real(high, x.dtype)))


def clip_backward(dy: Array, x: Array, low: float, high: float) -> Array:
    """Gradient dy where low < x < high, else 0 (also at the bounds). x may be the output: it lies there with x."""
    return elementwise(_clip_backward, (dy, x), (real(low, x.dtype), real(high, x.dtype)))


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow for any x: written by way of exp(-|x|)."""
    return elementwise(_sigmoid, (x,))


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """Gradient dx = dy * y (1 - y) from the output y."""
    return elementwise(_sigmoid_backward, (dy, y))


def tanh_backward(dy: Array, y: Array) -> Array:
    """Gradient dx = dy * (1 - y^2) from the output y."""
    return elementwise(_tanh_backward, (dy, y))


def silu(x: Array) -> Array:
    """Product x * sigmoid(x) (Elfwing, Uchibe, Doya 2018)."""
    return elementwise(_silu, (x,))


def silu_backward(dy: Array, x: Array) -> Array:
    """Gradient dx = dy * s (1 + x (1 - s)) with s = sigmoid(x)."""
    return elementwise(_silu_backward, (dy, x))


def dropout(x: Array, keep: Array, rate: float) -> Array:
    """What `keep` leaves of x, scaled by 1 / (1 - rate), else 0 (Srivastava et al. 2014). Its own backward."""
    return elementwise(_dropout, (x, keep), (real(1 / (1 - rate), x.dtype),))


@jit(parallel=True)
def _relu(x: Any, y: Any) -> None:
    for i in prange(x.size):
        value = number(x[i])
        y[i] = rounded(ZERO if value <= ZERO else value, y)  # NaN is not below 0: it stays


@jit(parallel=True)
def _relu_backward(dy: Any, y: Any, dx: Any) -> None:
    for i in prange(dy.size):
        dx[i] = rounded(number(dy[i]) * (ONE if number(y[i]) > ZERO else ZERO), dx)


@jit(parallel=True)
def _leaky_relu_backward(dy: Any, x: Any, dx: Any, slope: Any) -> None:
    zero = dy.dtype.type(0)
    for i in prange(dy.size):
        dx[i] = dy[i] if x[i] > zero else dy[i] * slope


@jit(parallel=True)
def _clip(x: Any, y: Any, low: Any, high: Any) -> None:
    for i in prange(x.size):
        value = number(x[i])
        y[i] = rounded(low if value < low else high if value > high else value, y)  # NaN is neither: it stays


@jit(parallel=True)
def _clip_backward(dy: Any, x: Any, dx: Any, low: Any, high: Any) -> None:
    for i in prange(dy.size):
        dx[i] = rounded(number(dy[i]) * (ONE if low < number(x[i]) < high else ZERO), dx)


@jit(cache=False)
def _sigmoid_of(x: Any, one: Any) -> Any:
    e = decay(-abs(x))
    return (e if x < 0 else one) / (one + e)


@jit(parallel=True)
def _sigmoid(x: Any, y: Any) -> None:
    one = x.dtype.type(1)
    for i in prange(x.size):
        y[i] = _sigmoid_of(x[i], one)


@jit(parallel=True)
def _sigmoid_backward(dy: Any, y: Any, dx: Any) -> None:
    one = dy.dtype.type(1)
    for i in prange(dy.size):
        dx[i] = dy[i] * y[i] * (one - y[i])


@jit(parallel=True)
def _tanh_backward(dy: Any, y: Any, dx: Any) -> None:
    one = dy.dtype.type(1)
    for i in prange(dy.size):
        dx[i] = dy[i] * (one - y[i] * y[i])


@jit(parallel=True)
def _silu(x: Any, y: Any) -> None:
    one = x.dtype.type(1)
    for i in prange(x.size):
        y[i] = x[i] * _sigmoid_of(x[i], one)


@jit(parallel=True)
def _silu_backward(dy: Any, x: Any, dx: Any) -> None:
    one = dy.dtype.type(1)
    for i in prange(dy.size):
        s = _sigmoid_of(x[i], one)
        dx[i] = dy[i] * (s * (one + x[i] * (one - s)))


@jit(parallel=True)
def _dropout(x: Any, keep: Any, y: Any, scale: Any) -> None:
    for i in prange(x.size):
        y[i] = rounded(number(x[i]) * (scale if keep[i] else ZERO), y)
