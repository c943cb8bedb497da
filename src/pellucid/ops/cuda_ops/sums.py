"""Sums over many numbers, the same bits each time: no thread adds to what another writes.

Each block adds up a part of the numbers and writes one partial sum; a last block adds up those, in float64.
"""

from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray, empty
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, helper, kernel, wide
from pellucid.ops.cuda_ops.types import SIMULATED

PARTS = 2 if SIMULATED else 256
"""Partial sums of one total: as many blocks, whatever the card, so that every card adds in the same order."""


def squared_norm(g: DeviceArray) -> DeviceArray:
    """Sum of squares, added up in float64, as a device number (float() waits for it)."""
    return total(square_parts(g))


def square_parts(g: DeviceArray) -> DeviceArray:
    """The partial sums of squares: (PARTS,) float64."""
    partial = empty(PARTS, np.float64)
    launch(_squares.of(g.dtype.name), PARTS, THREADS, g.reshape(-1), partial)
    return partial


def total(partial: DeviceArray, factor: float = 1.0) -> DeviceArray:
    """Sum of the partial sums times a factor: a number on the device."""
    result = empty(1, np.float64)
    launch(_total.of("float64"), 1, THREADS, partial, factor, result)
    return result.reshape(())


@helper
def block_sum(value: Any) -> Any:
    """Sum of the values of all threads of the block, in float64, for each of them."""
    shared = cuda.shared.array(THREADS, np.float64)
    thread = cuda.threadIdx.x
    cuda.syncthreads()  # an earlier sum may still be read
    shared[thread] = value
    cuda.syncthreads()
    step = THREADS // 2
    while step > 0:
        if thread < step:
            shared[thread] += shared[thread + step]
        cuda.syncthreads()
        step //= 2
    return shared[0]


@helper
def block_max(value: Any) -> Any:
    """Largest of the values of all threads of the block, for each of them; NaN if there is one."""
    shared = cuda.shared.array(THREADS, np.float64)
    thread = cuda.threadIdx.x
    cuda.syncthreads()
    shared[thread] = value
    cuda.syncthreads()
    step = THREADS // 2
    while step > 0:
        if thread < step:
            other = shared[thread + step]
            if other > shared[thread] or other != other:  # noqa: PLR0124
                shared[thread] = other
        cuda.syncthreads()
        step //= 2
    return shared[0]


@kernel("T1 D1")
def _squares(g: Any, partial: Any) -> None:
    own = np.float64(0)
    for i in range(cuda.grid(1), g.size, cuda.gridsize(1)):
        value = np.float64(wide(g[i]))
        own += value * value
    all_threads = block_sum(own)
    if cuda.threadIdx.x == 0:
        partial[cuda.blockIdx.x] = all_threads


@kernel("D1 d D1", ("float64",))
def _total(partial: Any, factor: float, result: Any) -> None:
    own = np.float64(0)
    for i in range(cuda.threadIdx.x, partial.size, cuda.blockDim.x):
        own += partial[i]
    all_threads = block_sum(own)
    if cuda.threadIdx.x == 0:
        result[0] = all_threads * factor
