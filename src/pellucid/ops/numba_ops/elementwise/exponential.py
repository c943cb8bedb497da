"""Exponentials of numbers x <= 0, and what is made of them, as the compiler turns into vector instructions.

The processor's library computes one exponential at a time. Here exp(x) = 2^n exp(r) with n = floor(x / ln 2 + 1/2)
and |r| <= ln(2) / 2, where ln 2 is subtracted in two parts, so that n ln 2 is exact (Cody, Waite 1980), exp(r) is
its Taylor polynomial and 2^n is written into the exponent's bits. The error is about one unit in the last place.
Results below the smallest normal number become 0.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from pellucid.ops.numba_ops.compile.jit import jit

EXACT = {"contract"}  # the two-part subtraction must not be reordered


def decay(x: Any) -> Any:
    """exp(x) for x <= 0 inside a kernel, float32 or float64; NaN stays NaN."""
    return np.exp(x)


@overload(decay, strict=False)  # type: ignore[untyped-decorator]
def _decay(x: types.Type) -> Callable[[Any], Any]:
    kernel = _decay32 if x == types.float32 else _decay64
    return lambda x: kernel(x)  # noqa: PLW0108


def _taylor(degree: int, real: type) -> tuple[Any, ...]:
    return tuple(real(1 / math.factorial(k)) for k in range(degree, -1, -1))


_LOG2E32, _LN2_HIGH32, _LN2_LOW32 = np.float32(1 / math.log(2)), np.float32(0.693359375), np.float32(-2.12194440e-4)
_LOWEST32 = np.float32(-87.3)
_P32 = _taylor(7, np.float32)


@jit(cache=False, fastmath=EXACT)
def _decay32(x: Any) -> Any:
    bounded = _LOWEST32 if x < _LOWEST32 else x
    n = np.floor(bounded * _LOG2E32 + np.float32(0.5))
    r = (bounded - n * _LN2_HIGH32) - n * _LN2_LOW32
    p = _P32[0]
    for k in range(1, 8):
        p = p * r + _P32[k]
    power = np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)
    return np.float32(0) if x < _LOWEST32 else p * power


_LOG2E64, _LN2_HIGH64, _LN2_LOW64 = 1 / math.log(2), 6.93145751953125e-1, 1.42860682030941723212e-6
_LOWEST64 = -708.0
_P64 = _taylor(13, float)


@jit(cache=False, fastmath=EXACT)
def _decay64(x: Any) -> Any:
    bounded = _LOWEST64 if x < _LOWEST64 else x
    n = np.floor(bounded * _LOG2E64 + 0.5)
    r = (bounded - n * _LN2_HIGH64) - n * _LN2_LOW64
    p = _P64[0]
    for k in range(1, 14):
        p = p * r + _P64[k]
    power = np.int64((np.int64(n) + 1023) << 52).view(np.float64)
    return 0.0 if x < _LOWEST64 else p * power


NEAR = 0.35  # up to where exp(x) - 1 is its own Taylor polynomial, lest what is left of the difference be a few bits


def decay_less_one(x: Any) -> Any:
    """exp(x) - 1 for x <= 0 inside a kernel, without loss near 0."""
    return np.expm1(x)


@overload(decay_less_one, strict=False)  # type: ignore[untyped-decorator]
def _decay_less_one(x: types.Type) -> Callable[[Any], Any]:
    kernel = _less_one32 if x == types.float32 else _less_one64
    return lambda x: kernel(x)  # noqa: PLW0108


_Q32, _Q64 = _taylor(8, np.float32), _taylor(14, float)


@jit(cache=False)
def _less_one32(x: Any) -> Any:
    p = _Q32[0]
    for k in range(1, 8):
        p = p * x + _Q32[k]
    return p * x if x > np.float32(-NEAR) else _decay32(x) - np.float32(1)


@jit(cache=False)
def _less_one64(x: Any) -> Any:
    p = _Q64[0]
    for k in range(1, 14):
        p = p * x + _Q64[k]
    return p * x if x > -NEAR else _decay64(x) - 1.0


def log_of_one_and(x: Any) -> Any:
    """log(1 + x) for 0 <= x <= 1 inside a kernel: 2 artanh(s) with s = x / (2 + x) <= 1/3, by its series."""
    return np.log1p(x)


@overload(log_of_one_and, strict=False)  # type: ignore[untyped-decorator]
def _log_of_one_and(x: types.Type) -> Callable[[Any], Any]:
    kernel = _log32 if x == types.float32 else _log64
    return lambda x: kernel(x)  # noqa: PLW0108


def _odd(terms: int, real: type) -> tuple[Any, ...]:
    return tuple(real(2 / (2 * k + 1)) for k in range(terms - 1, -1, -1))


_A32, _A64 = _odd(8, np.float32), _odd(17, float)


@jit(cache=False)
def _log32(x: Any) -> Any:
    s = x / (np.float32(2) + x)
    square, p = s * s, _A32[0]
    for k in range(1, 8):
        p = p * square + _A32[k]
    return p * s


@jit(cache=False)
def _log64(x: Any) -> Any:
    s = x / (2.0 + x)
    square, p = s * s, _A64[0]
    for k in range(1, 17):
        p = p * square + _A64[k]
    return p * s
