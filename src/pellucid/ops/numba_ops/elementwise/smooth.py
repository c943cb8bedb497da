"""More activation functions and their derivatives in one pass over memory each, on all cores.

Each is written by way of exp(-|x|), which has vector instructions (see `exponential`), and by no function of the
processor's library, but for the error function of 64 bits.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange, types
from numba.extending import overload

from pellucid.ops.arrays import Array
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.compile.numbers import like
from pellucid.ops.numba_ops.elementwise.exponential import decay, decay_less_one, log_of_one_and
from pellucid.ops.numba_ops.layout import elementwise, real

__all__ = [
    "elu",
    "elu_backward",
    "gelu",
    "gelu_backward",
    "hard_sigmoid",
    "hard_sigmoid_backward",
    "hard_swish",
    "hard_swish_backward",
    "mish",
    "mish_backward",
    "softplus",
    "softplus_backward",
]

_ROOT_HALF, _DENSITY, _INNER, _CUBIC = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi), math.sqrt(2 / math.pi), 0.044715


def elu(x: Array, alpha: float, scale: float = 1.0) -> Array:
    """What is positive in x times the scale, the rest scale alpha (exp(x) - 1) (Clevert et al. 2016)."""
    return elementwise(_elu, (x,), (real(alpha, x.dtype), real(scale, x.dtype)))


def elu_backward(dy: Array, x: Array, alpha: float, scale: float = 1.0) -> Array:
    """Gradient dx = dy scale, times alpha exp(x) where x <= 0."""
    return elementwise(_elu_backward, (dy, x), (real(alpha, x.dtype), real(scale, x.dtype)))


def softplus(x: Array) -> Array:
    """log(1 + exp(x)), without overflow."""
    return elementwise(_softplus, (x,))


def softplus_backward(dy: Array, x: Array) -> Array:
    """Gradient dx = dy sigmoid(x)."""
    return elementwise(_softplus_backward, (dy, x))


def mish(x: Array) -> Array:
    """x tanh(log(1 + exp(x))) (Misra 2019)."""
    return elementwise(_mish, (x,))


def mish_backward(dy: Array, x: Array) -> Array:
    """Gradient dx = dy (t + x (1 - t^2) s) with t = tanh(softplus(x)), s = sigmoid(x)."""
    return elementwise(_mish_backward, (dy, x))


def gelu(x: Array, tanh: bool = False) -> Array:
    """x P(X <= x) of a standard normal X (Hendrycks, Gimpel 2016); tanh: by their approximation."""
    return elementwise(_gelu_tanh if tanh else _gelu, (x,))


def gelu_backward(dy: Array, x: Array, tanh: bool = False) -> Array:
    """Gradient dx = dy (P + x p), with the density p of X at x."""
    return elementwise(_gelu_tanh_backward if tanh else _gelu_backward, (dy, x))


def hard_sigmoid(x: Array, alpha: float, beta: float) -> Array:
    """alpha x + beta, between 0 and 1."""
    return elementwise(_hard_sigmoid, (x,), (real(alpha, x.dtype), real(beta, x.dtype)))


def hard_sigmoid_backward(dy: Array, x: Array, alpha: float, beta: float) -> Array:
    """Gradient dx = alpha dy where the line is between 0 and 1, else 0."""
    return elementwise(_hard_sigmoid_backward, (dy, x), (real(alpha, x.dtype), real(beta, x.dtype)))


def hard_swish(x: Array) -> Array:
    """x min(max(x / 6 + 1/2, 0), 1) (Howard et al. 2019, MobileNetV3)."""
    return elementwise(_hard_swish, (x,))


def hard_swish_backward(dy: Array, x: Array) -> Array:
    """Gradient dx = dy, times 0 where x <= -3, x / 3 + 1/2 to 3, then 1."""
    return elementwise(_hard_swish_backward, (dy, x))


def erf_of(x: Any) -> Any:
    """The error function inside a kernel."""
    return math.erf(x)


@overload(erf_of, strict=False)  # type: ignore[untyped-decorator]
def _erf_of(x: types.Type) -> Callable[[Any], Any]:
    return (lambda x: _erf32(x)) if x == types.float32 else (lambda x: math.erf(x))  # noqa: PLW0108


# x P(x^2) / Q(x^2) up to 4, where it is 1 to 32 bits: the coefficients of Eigen's and XLA's erf of float32.
_FURTHEST = np.float32(4)
_P = tuple(
    np.float32(c)
    for c in (
        -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
        -7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02,
    )
)  # fmt: skip
_Q = tuple(
    np.float32(c)
    for c in (
        -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03,
        -1.42647390514189e-02,
    )
)  # fmt: skip


@jit(cache=False)
def _erf32(x: Any) -> Any:
    z = -_FURTHEST if x < -_FURTHEST else _FURTHEST if x > _FURTHEST else x
    square, p, q = z * z, _P[0], _Q[0]
    for k in range(1, 7):
        p = p * square + _P[k]
    for k in range(1, 5):
        q = q * square + _Q[k]
    return z * p / q


# The functions of one number and their derivatives; plans call them too.


@jit(cache=False)
def sigmoid_of(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    e, one = decay(-abs(x)), like(1.0, x)
    return (e if x < like(0.0, x) else one) / (one + e)


@jit(cache=False)
def tanh_of(x: Any) -> Any:
    """Hyperbolic tangent, 2 sigmoid(2x) - 1; near 0 by way of exp(-2|x|) - 1, which loses nothing there."""
    less = decay_less_one(like(-2.0, x) * abs(x))
    size = -less / (like(2.0, x) + less)
    return -size if x < like(0.0, x) else size


@jit(cache=False)
def elu_of(x: Any, alpha: Any, scale: Any) -> Any:
    """scale x, or scale alpha (exp(x) - 1)."""
    return scale * (x if x > like(0.0, x) else alpha * decay_less_one(x))


@jit(cache=False)
def softplus_of(x: Any) -> Any:
    """log(1 + exp(x))."""
    zero = like(0.0, x)
    return (x if x > zero else zero) + log_of_one_and(decay(-abs(x)))


@jit(cache=False)
def _tanh_softplus(x: Any) -> Any:
    """((1 + exp(x))^2 - 1) / ((1 + exp(x))^2 + 1), with both multiplied by exp(-2x) for x > 0."""
    e, one, two = decay(-abs(x)), like(1.0, x), like(2.0, x)
    top = one + two * e if x > like(0.0, x) else e * (e + two)
    rest = two * e * e if x > like(0.0, x) else two
    return top / (top + rest)


@jit(cache=False)
def mish_of(x: Any) -> Any:
    """x tanh(log(1 + exp(x)))."""
    return x * _tanh_softplus(x)


@jit(cache=False)
def mish_slope(x: Any) -> Any:
    """t + x (1 - t^2) s, with 1 - t^2 = 4 q^2 / (1 + q^2)^2 for q = 1 - s."""
    q, one = sigmoid_of(-x), like(1.0, x)
    share = like(2.0, x) * q / (one + q * q)
    return _tanh_softplus(x) + x * share * share * sigmoid_of(x)


@jit(cache=False)
def _probability(x: Any) -> Any:
    half = like(0.5, x)
    return half + half * erf_of(x * like(_ROOT_HALF, x))


@jit(cache=False)
def gelu_of(x: Any) -> Any:
    """x P(X <= x)."""
    return x * _probability(x)


@jit(cache=False)
def gelu_slope(x: Any) -> Any:
    """P + x p."""
    return _probability(x) + x * decay(like(-0.5, x) * x * x) * like(_DENSITY, x)


@jit(cache=False)
def _approximate(x: Any) -> Any:
    """(1 + tanh(z)) / 2 = sigmoid(2 z)."""
    return sigmoid_of(like(2 * _INNER, x) * (x + like(_CUBIC, x) * x * x * x))


@jit(cache=False)
def gelu_tanh_of(x: Any) -> Any:
    """x (1 + tanh(z)) / 2."""
    return x * _approximate(x)


@jit(cache=False)
def gelu_tanh_slope(x: Any) -> Any:
    """P + 2 x P (1 - P) dz/dx."""
    P, one = _approximate(x), like(1.0, x)
    inner = like(2 * _INNER, x) * (one + like(3 * _CUBIC, x) * x * x)
    return P + x * P * _approximate(-x) * inner


@jit(cache=False)
def hard_sigmoid_of(x: Any, alpha: Any, beta: Any) -> Any:
    """alpha x + beta, between 0 and 1."""
    line, zero, one = alpha * x + beta, like(0.0, x), like(1.0, x)
    return zero if line < zero else one if line > one else line


@jit(cache=False)
def hard_swish_of(x: Any) -> Any:
    """x (x / 6 + 1/2), with the second between 0 and 1."""
    return x * hard_sigmoid_of(x, like(1 / 6, x), like(0.5, x))


@jit(parallel=True)
def _elu(x: Any, y: Any, alpha: Any, scale: Any) -> None:
    for i in prange(x.size):
        y[i] = elu_of(x[i], alpha, scale)


@jit(parallel=True)
def _elu_backward(dy: Any, x: Any, dx: Any, alpha: Any, scale: Any) -> None:
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for i in prange(x.size):
        dx[i] = dy[i] * scale * (one if x[i] > zero else alpha * decay(x[i]))


@jit(parallel=True)
def _softplus(x: Any, y: Any) -> None:
    for i in prange(x.size):
        y[i] = softplus_of(x[i])


@jit(parallel=True)
def _softplus_backward(dy: Any, x: Any, dx: Any) -> None:
    for i in prange(x.size):
        dx[i] = dy[i] * sigmoid_of(x[i])


@jit(parallel=True)
def _mish(x: Any, y: Any) -> None:
    for i in prange(x.size):
        y[i] = mish_of(x[i])


@jit(parallel=True)
def _mish_backward(dy: Any, x: Any, dx: Any) -> None:
    for i in prange(x.size):
        dx[i] = dy[i] * mish_slope(x[i])


@jit(parallel=True)
def _gelu(x: Any, y: Any) -> None:
    for i in prange(x.size):
        y[i] = gelu_of(x[i])


@jit(parallel=True)
def _gelu_backward(dy: Any, x: Any, dx: Any) -> None:
    for i in prange(x.size):
        dx[i] = dy[i] * gelu_slope(x[i])


@jit(parallel=True)
def _gelu_tanh(x: Any, y: Any) -> None:
    for i in prange(x.size):
        y[i] = gelu_tanh_of(x[i])


@jit(parallel=True)
def _gelu_tanh_backward(dy: Any, x: Any, dx: Any) -> None:
    for i in prange(x.size):
        dx[i] = dy[i] * gelu_tanh_slope(x[i])


@jit(parallel=True)
def _hard_sigmoid(x: Any, y: Any, alpha: Any, beta: Any) -> None:
    for i in prange(x.size):
        y[i] = hard_sigmoid_of(x[i], alpha, beta)


@jit(parallel=True)
def _hard_sigmoid_backward(dy: Any, x: Any, dx: Any, alpha: Any, beta: Any) -> None:
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for i in prange(x.size):
        line = alpha * x[i] + beta
        dx[i] = dy[i] * (alpha if zero < line < one else zero)


@jit(parallel=True)
def _hard_swish(x: Any, y: Any) -> None:
    for i in prange(x.size):
        y[i] = hard_swish_of(x[i])


@jit(parallel=True)
def _hard_swish_backward(dy: Any, x: Any, dx: Any) -> None:
    zero, one, half, three = x.dtype.type(0), x.dtype.type(1), x.dtype.type(0.5), x.dtype.type(3)
    for i in prange(x.size):
        slope = x[i] / three + half
        dx[i] = dy[i] * (zero if x[i] <= -three else one if x[i] >= three else slope)
