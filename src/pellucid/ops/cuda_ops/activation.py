"""Activation functions and their derivatives: one thread a number."""

import math
from typing import Any

from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray, empty
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import (
    THREADS,
    WORD_TYPES,
    Kernel,
    blocks,
    helper,
    kernel,
    narrow,
    pack,
    real,
    upper,
    wide,
)
from pellucid.ops.cuda_ops.layouts import flat, words
from pellucid.ops.cuda_ops.types import PAIR


def elementwise(one: Kernel, arrays: tuple[DeviceArray, ...], *scalars: float) -> DeviceArray:
    """A kernel of arrays of one shape and one result of their type."""
    vectors, back = flat(*arrays)
    y = empty(vectors[0].shape, arrays[0].dtype)
    if y.size:
        *read, written = [*vectors, y]
        kind = y.dtype.name
        if PAIR in one.types:
            (*read, written), kind = words(*read, written)
        launch(one.of(kind), blocks(written.size), THREADS, *read, *scalars, written)
    return back(y)  # type: ignore[no-any-return]


def relu(x: DeviceArray) -> DeviceArray:
    """max(x, 0)."""
    return elementwise(_relu, (x,))


def relu_backward(dy: DeviceArray, y: DeviceArray) -> DeviceArray:
    """Gradient dy where the output y is positive, else 0."""
    return elementwise(_relu_backward, (dy, y))


def leaky_relu(x: DeviceArray, slope: float) -> DeviceArray:
    """x where x > 0, else slope * x."""
    return elementwise(_leaky_relu, (x,), slope)


def leaky_relu_backward(dy: DeviceArray, x: DeviceArray, slope: float) -> DeviceArray:
    """Gradient dy where x > 0, else slope * dy."""
    return elementwise(_leaky_relu_backward, (dy, x), slope)


def clip(x: DeviceArray, low: float, high: float) -> DeviceArray:
    """x between low and high, the nearer of the two outside."""
    return elementwise(_clip, (x,), low, high)


def clip_backward(dy: DeviceArray, x: DeviceArray, low: float, high: float) -> DeviceArray:
    """Gradient dy where x lies between the bounds, 0 at them and outside."""
    return elementwise(_clip_backward, (dy, x), low, high)


def sigmoid(x: DeviceArray) -> DeviceArray:
    """1 / (1 + exp(-x)), by way of exp(-|x|)."""
    return elementwise(_sigmoid, (x,))


def sigmoid_backward(dy: DeviceArray, y: DeviceArray) -> DeviceArray:
    """Gradient dy * y (1 - y) from the output y."""
    return elementwise(_sigmoid_backward, (dy, y))


def tanh(x: DeviceArray) -> DeviceArray:
    """Hyperbolic tangent."""
    return elementwise(_tanh, (x,))


def tanh_backward(dy: DeviceArray, y: DeviceArray) -> DeviceArray:
    """Gradient dy * (1 - y^2) from the output y."""
    return elementwise(_tanh_backward, (dy, y))


def silu(x: DeviceArray) -> DeviceArray:
    """x * sigmoid(x)."""
    return elementwise(_silu, (x,))


def silu_backward(dy: DeviceArray, x: DeviceArray) -> DeviceArray:
    """Gradient dy * s (1 + x (1 - s)) with s = sigmoid(x)."""
    return elementwise(_silu_backward, (dy, x))


def dropout(x: DeviceArray, keep: DeviceArray, rate: float) -> DeviceArray:
    """x where `keep` is true, scaled by 1 / (1 - rate), else 0."""
    return elementwise(_dropout, (x, keep), 1 / (1 - rate))


@helper
def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x)) without overflow."""
    decay = real(math.exp(-abs(x)))
    return (real(1) if x >= 0 else decay) / (real(1) + decay)


@kernel("T1 T1", WORD_TYPES)
def _relu(x: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        one, two = wide(x[i]), upper(x[i])
        y[i] = pack(real(0) if one <= 0 else one, real(0) if two <= 0 else two)  # so NaN stays


@kernel("T1 T1 T1", WORD_TYPES)
def _relu_backward(dy: Any, y: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        gradient, output = dy[i], y[i]
        one = wide(gradient) if wide(output) > 0 else real(0)
        dx[i] = pack(one, upper(gradient) if upper(output) > 0 else real(0))


@kernel("T1 r T1")
def _leaky_relu(x: Any, slope: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        y[i] = narrow(value if value > 0 else value * slope)


@kernel("T1 T1 r T1")
def _leaky_relu_backward(dy: Any, x: Any, slope: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(dy[i])
        dx[i] = narrow(value if wide(x[i]) > 0 else value * slope)


@kernel("T1 r r T1")
def _clip(x: Any, low: Any, high: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        y[i] = narrow(low if value < low else high if value > high else value)  # so NaN stays


@kernel("T1 T1 r r T1")
def _clip_backward(dy: Any, x: Any, low: Any, high: Any, dx: Any) -> None:
    bottom, top = wide(narrow(low)), wide(narrow(high))  # as they are among the numbers that were clipped
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        dx[i] = narrow(wide(dy[i]) if bottom < value < top else real(0))


@kernel("T1 T1")
def _sigmoid(x: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        y[i] = narrow(logistic(wide(x[i])))


@kernel("T1 T1 T1")
def _sigmoid_backward(dy: Any, y: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        value = wide(y[i])
        dx[i] = narrow(wide(dy[i]) * value * (real(1) - value))


@kernel("T1 T1")
def _tanh(x: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        y[i] = narrow(real(math.tanh(wide(x[i]))))


@kernel("T1 T1 T1")
def _tanh_backward(dy: Any, y: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        value = wide(y[i])
        dx[i] = narrow(wide(dy[i]) * (real(1) - value * value))


@kernel("T1 T1")
def _silu(x: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        y[i] = narrow(value * logistic(value))


@kernel("T1 T1 T1")
def _silu_backward(dy: Any, x: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        s = logistic(value)
        dx[i] = narrow(wide(dy[i]) * (s * (real(1) + value * (real(1) - s))))


@kernel("T1 B1 r T1")
def _dropout(x: Any, keep: Any, scale: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        y[i] = narrow(wide(x[i]) * scale if keep[i] else real(0))
