"""exp(x) for x <= 0, in a form that the compiler turns into vector instructions.

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
