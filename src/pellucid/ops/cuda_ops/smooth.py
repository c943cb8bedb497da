"""More activation functions and their derivatives: one thread a number."""

import math
from typing import Any

from numba import cuda

from pellucid.ops.cuda_ops.activation import elementwise, logistic
from pellucid.ops.cuda_ops.arrays import DeviceArray
from pellucid.ops.cuda_ops.jit import helper, kernel, narrow, real, wide

ROOT_HALF, DENSITY, INNER, CUBIC = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi), math.sqrt(2 / math.pi), 0.044715


def elu(x: DeviceArray, alpha: float, scale: float = 1.0) -> DeviceArray:
    """What is positive in x times the scale, the rest scale alpha (exp(x) - 1)."""
    return elementwise(_elu, (x,), alpha, scale)


def elu_backward(dy: DeviceArray, x: DeviceArray, alpha: float, scale: float = 1.0) -> DeviceArray:
    """Gradient dy scale, times alpha exp(x) where x <= 0."""
    return elementwise(_elu_backward, (dy, x), alpha, scale)


def softplus(x: DeviceArray) -> DeviceArray:
    """log(1 + exp(x))."""
    return elementwise(_softplus, (x,))


def softplus_backward(dy: DeviceArray, x: DeviceArray) -> DeviceArray:
    """Gradient dy sigmoid(x)."""
    return elementwise(_softplus_backward, (dy, x))


def mish(x: DeviceArray) -> DeviceArray:
    """x tanh(log(1 + exp(x)))."""
    return elementwise(_mish, (x,))


def mish_backward(dy: DeviceArray, x: DeviceArray) -> DeviceArray:
    """Gradient dy (t + x (1 - t^2) s) with t = tanh(softplus(x)), s = sigmoid(x)."""
    return elementwise(_mish_backward, (dy, x))


def gelu(x: DeviceArray, tanh: bool = False) -> DeviceArray:
    """x P(X <= x) of a standard normal X; tanh: by the approximation."""
    return elementwise(_gelu_tanh if tanh else _gelu, (x,))


def gelu_backward(dy: DeviceArray, x: DeviceArray, tanh: bool = False) -> DeviceArray:
    """Gradient dy (P + x p), with the density p of X at x."""
    return elementwise(_gelu_tanh_backward if tanh else _gelu_backward, (dy, x))


def hard_sigmoid(x: DeviceArray, alpha: float, beta: float) -> DeviceArray:
    """alpha x + beta, between 0 and 1."""
    return elementwise(_hard_sigmoid, (x,), alpha, beta)


def hard_sigmoid_backward(dy: DeviceArray, x: DeviceArray, alpha: float, beta: float) -> DeviceArray:
    """Gradient alpha dy where the line is between 0 and 1, else 0."""
    return elementwise(_hard_sigmoid_backward, (dy, x), alpha, beta)


def hard_swish(x: DeviceArray) -> DeviceArray:
    """x (x / 6 + 1/2), with the second between 0 and 1."""
    return elementwise(_hard_swish, (x,))


def hard_swish_backward(dy: DeviceArray, x: DeviceArray) -> DeviceArray:
    """Gradient dy, times 0 where x <= -3, x / 3 + 1/2 to 3, then 1."""
    return elementwise(_hard_swish_backward, (dy, x))


@helper
def tanh_softplus(x: Any) -> Any:
    """tanh(log(1 + exp(x))) without overflow."""
    e = real(math.exp(-abs(x)))
    top = real(1) + real(2) * e if x > 0 else e * (e + real(2))
    return top / (top + (real(2) * e * e if x > 0 else real(2)))


@helper
def probability(x: Any) -> Any:
    """P(X <= x) of a standard normal X."""
    return real(0.5) + real(0.5) * real(math.erf(x * real(ROOT_HALF)))


@helper
def approximate(x: Any) -> Any:
    """The same by tanh."""
    return logistic(real(2 * INNER) * (x + real(CUBIC) * x * x * x))


@helper
def between(line: Any) -> Any:
    """The nearest number from 0 to 1; NaN stays."""
    return real(0) if line < 0 else real(1) if line > 1 else line


@kernel("T1 r r T1")
def _elu(x: Any, alpha: Any, scale: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        y[i] = narrow(scale * (value if value > 0 else alpha * real(math.expm1(value))))


@kernel("T1 T1 r r T1")
def _elu_backward(dy: Any, x: Any, alpha: Any, scale: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        dx[i] = narrow(wide(dy[i]) * scale * (real(1) if value > 0 else alpha * real(math.exp(value))))


@kernel("T1 T1")
def _softplus(x: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        y[i] = narrow((value if value > 0 else real(0)) + real(math.log1p(math.exp(-abs(value)))))


@kernel("T1 T1 T1")
def _softplus_backward(dy: Any, x: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        dx[i] = narrow(wide(dy[i]) * logistic(wide(x[i])))


@kernel("T1 T1")
def _mish(x: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        y[i] = narrow(value * tanh_softplus(value))


@kernel("T1 T1 T1")
def _mish_backward(dy: Any, x: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        q = logistic(-value)
        share = real(2) * q / (real(1) + q * q)  # its square is 1 - t^2
        dx[i] = narrow(wide(dy[i]) * (tanh_softplus(value) + value * share * share * logistic(value)))


@kernel("T1 T1")
def _gelu(x: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        y[i] = narrow(value * probability(value))


@kernel("T1 T1 T1")
def _gelu_backward(dy: Any, x: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        density = real(DENSITY) * real(math.exp(real(-0.5) * value * value))
        dx[i] = narrow(wide(dy[i]) * (probability(value) + value * density))


@kernel("T1 T1")
def _gelu_tanh(x: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        y[i] = narrow(value * approximate(value))


@kernel("T1 T1 T1")
def _gelu_tanh_backward(dy: Any, x: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        P = approximate(value)
        inner = real(2 * INNER) * (real(1) + real(3 * CUBIC) * value * value)
        dx[i] = narrow(wide(dy[i]) * (P + value * P * approximate(-value) * inner))


@kernel("T1 r r T1")
def _hard_sigmoid(x: Any, alpha: Any, beta: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        y[i] = narrow(between(alpha * wide(x[i]) + beta))


@kernel("T1 T1 r r T1")
def _hard_sigmoid_backward(dy: Any, x: Any, alpha: Any, beta: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        line = alpha * wide(x[i]) + beta
        dx[i] = narrow(wide(dy[i]) * alpha if 0 < line < 1 else real(0))


@kernel("T1 T1")
def _hard_swish(x: Any, y: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        y[i] = narrow(value * between(value / real(6) + real(0.5)))


@kernel("T1 T1 T1")
def _hard_swish_backward(dy: Any, x: Any, dx: Any) -> None:
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        value = wide(x[i])
        slope = real(0) if value <= -3 else real(1) if value >= 3 else value / real(3) + real(0.5)
        dx[i] = narrow(wide(dy[i]) * slope)
