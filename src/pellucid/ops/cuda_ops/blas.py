"""Matrix products by NVIDIA's cuBLAS, called as the C library that it is."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from pellucid.errors import PellucidError
from pellucid.ops.cuda_ops.arrays import DeviceArray, contiguous, empty
from pellucid.ops.cuda_ops.device import device
from pellucid.ops.cuda_ops.types import SIMULATED

# NVIDIA's numbers: cudaDataType (CUDA_R_32F and so on) and cublasComputeType_t (CUBLAS_COMPUTE_32F, _64F).
TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
COMPUTE = {"float32": 68, "float64": 70, "float16": 68, "bfloat16": 68}
FAST_COMPUTE = 77  # CUBLAS_COMPUTE_32F_FAST_TF32
DEFAULT_ALGORITHM = -1
EXACT_SUMS = 16  # CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION: parts of a sum are not rounded to 16 bits
WORKSPACE = 32 << 20  # bytes: what NVIDIA recommends for Hopper

tensor_float32 = False
"""Whether float32 products may round their factors to 10 bits of fraction (TF32), which is several times as fast."""


def available(dtype: np.dtype[Any]) -> bool:
    """Whether cuBLAS does products of the type here."""
    return not SIMULATED and dtype.name in TYPES and _library() is not None


@cache
def _library() -> Any:
    """The library; None where it isn't installed."""
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib

        return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
    except Exception:  # whatever the loader raises where there is none
        try:
            return ctypes.CDLL("libcublas.so.13")
        except OSError:
            return None


@cache
def _handle() -> tuple[Any, DeviceArray]:
    """A handle on the device's stream, with a workspace of its own, so that calls can be recorded."""
    library, handle = _library(), ctypes.c_void_p()
    _check(library.cublasCreate_v2(ctypes.byref(handle)))
    _check(library.cublasSetStream_v2(handle, ctypes.c_void_p(int(device().stream))))  # type: ignore[attr-defined]
    _check(library.cublasSetMathMode(handle, EXACT_SUMS))
    workspace = empty(WORKSPACE, np.uint8)
    _check(library.cublasSetWorkspace_v2(handle, ctypes.c_void_p(workspace.address), ctypes.c_size_t(WORKSPACE)))
    return handle, workspace


def _check(code: int) -> None:
    if code:
        raise PellucidError(f"cuBLAS failed with status {code}")


def product(a: DeviceArray, b: DeviceArray, y: DeviceArray, add: bool = False) -> None:
    """y = a @ b, or with `add` y + a @ b, for a (M, J), b (J, N), y (M, N) C-contiguous; a and b may be transposed.

    y is of their type, or float32 where they have 16 bits.

    cuBLAS thinks in columns: it sees y as its transpose (N, M) = b^T a^T.
    """
    (a, turn_a), (b, turn_b) = _plain(a), _plain(b)
    M, N = y.shape
    J = a.shape[0] if turn_a else a.shape[1]
    name = a.dtype.name
    scalar = ctypes.c_double if name == "float64" else ctypes.c_float
    one, kept = scalar(1), scalar(int(add))
    kind = TYPES[name]
    compute = FAST_COMPUTE if name == "float32" and tensor_float32 else COMPUTE[name]
    _check(
        _library().cublasGemmEx(
            _handle()[0],
            int(turn_b),
            int(turn_a),
            N,
            M,
            J,
            ctypes.byref(one),
            ctypes.c_void_p(b.address),
            kind,
            b.shape[1],
            ctypes.c_void_p(a.address),
            kind,
            a.shape[1],
            ctypes.byref(kept),
            ctypes.c_void_p(y.address),
            TYPES[y.dtype.name],
            N,
            compute,
            DEFAULT_ALGORITHM,
        )
    )


def _plain(x: DeviceArray) -> tuple[DeviceArray, bool]:
    """A C-contiguous matrix, and whether it is the transpose of what was asked for."""
    if not x.flags.c_contiguous and x.T.flags.c_contiguous:
        return x.T, True
    return contiguous(x), False
