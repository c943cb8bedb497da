"""Softmax with cross-entropy, and the mean squared error: loss and gradient in one pass, and both stay on the device.

A row of logits is one place, which one thread goes over: classes are few where places are many. Where classes are
many, a block of threads goes over it.
"""

import math
from typing import Any

import numpy as np
from numba import cuda

from pellucid.ops.cuda_ops.arrays import DeviceArray, array, contiguous, empty
from pellucid.ops.cuda_ops.device import launch
from pellucid.ops.cuda_ops.jit import THREADS, blocks, helper, kernel, narrow, real, wide
from pellucid.ops.cuda_ops.layouts import flat, from_places, places
from pellucid.ops.cuda_ops.sums import PARTS, block_max, block_sum, total
from pellucid.ops.cuda_ops.types import SIMULATED

MANY_CLASSES = 4 if SIMULATED else 128
NONE_IGNORED = int(np.iinfo(np.int64).min)  # no label's value


def softmax(logits: DeviceArray) -> DeviceArray:
    """exp(z_k) / sum of exp(z) over axis 1; the largest logit is taken off first, so nothing overflows."""
    z = places(logits)
    y = empty(z.shape, z.dtype)
    if y.size:
        launch(_softmax.of(z.dtype.name), blocks(len(z)), THREADS, z, y)
    return from_places(y, logits.shape)


def softmax_cross_entropy(
    logits: DeviceArray,
    labels: DeviceArray,
    label_smoothing: float = 0.0,
    class_weights: DeviceArray | None = None,
    ignore_label: int | None = None,
    normalizer: float | None = None,
) -> tuple[DeviceArray, DeviceArray]:
    """Cross-entropy of softmax(logits) with the labels: (loss, gradient of the loss for the logits).

    As numpy_ops has it, but the loss is a number on the device, for which float() waits. A label that is no class
    makes the loss NaN.
    """
    z, target = places(logits), contiguous(array(labels)).reshape(-1).astype(np.int64, copy=False)
    K = logits.shape[1]
    gradient, partial = empty(z.shape, z.dtype), empty(PARTS, np.float64)
    weighted = class_weights is not None
    weights = array(class_weights).astype(np.float64, copy=False) if weighted else partial
    ignored = NONE_IGNORED if ignore_label is None else ignore_label
    if normalizer is None:
        counted = empty(PARTS, np.float64)
        launch(_weight.of("float64"), PARTS, THREADS, target, weights, int(weighted), K, ignored, counted)
        divisor, given = total(counted).reshape(1), math.nan
    else:
        divisor, given = partial, float(normalizer)
    numbers = int(weighted), ignored, label_smoothing, divisor, given
    one = _cross_entropy if K < MANY_CLASSES else _cross_entropy_of_many
    launch(one.of(z.dtype.name), PARTS, THREADS, z, target, weights, *numbers, gradient, partial)
    return total(partial), from_places(gradient, logits.shape)


def mean_squared_error(
    y: DeviceArray, target: DeviceArray, normalizer: float | None = None
) -> tuple[DeviceArray, DeviceArray]:
    """Sum of (y - target)^2 divided by `normalizer`, by default the number of elements; and its gradient."""
    target = array(target).astype(y.dtype, copy=False)
    vectors, back = flat(y, target)
    divisor = float(y.size) if normalizer is None else normalizer
    gradient, partial = empty(y.size, y.dtype), empty(PARTS, np.float64)
    launch(_squared_error.of(y.dtype.name), PARTS, THREADS, *vectors, 2 / divisor, gradient, partial)
    return total(partial, 1 / divisor), back(gradient)


@helper
def largest(z: Any, row: int) -> Any:
    """Largest number of a row; NaN if there is one."""
    best = wide(z[row, 0])
    for k in range(1, z.shape[1]):
        value = wide(z[row, k])
        if value > best or math.isnan(value):
            best = value
    return best


@helper
def exponentials(z: Any, row: int, best: Any) -> Any:
    """Sum of exp(z - best) over a row."""
    sum_of_row = real(0)
    for k in range(z.shape[1]):
        sum_of_row += real(math.exp(wide(z[row, k]) - best))
    return sum_of_row


@kernel("T2 T2")
def _softmax(z: Any, y: Any) -> None:
    for row in range(cuda.grid(1), z.shape[0], cuda.gridsize(1)):
        best = largest(z, row)
        norm = exponentials(z, row, best)
        for k in range(z.shape[1]):
            y[row, k] = narrow(real(math.exp(wide(z[row, k]) - best)) / norm)


@kernel("L1 D1 n n n D1", ("float64",))
def _weight(target: Any, weights: Any, weighted: int, classes: int, ignored: int, partial: Any) -> None:
    own = np.float64(0)
    for i in range(cuda.grid(1), target.size, cuda.gridsize(1)):
        t = target[i]
        if t != ignored:
            if 0 <= t < classes:
                own += weights[t] if weighted else np.float64(1)
            else:
                own += np.float64(math.nan)
    all_threads = block_sum(own)
    if cuda.threadIdx.x == 0:
        partial[cuda.blockIdx.x] = all_threads


@kernel("T2 L1 D1 n n r D1 d T2 D1")
def _cross_entropy(
    z: Any, target: Any, weights: Any, weighted: int, ignored: int, smooth: Any, divisor: Any, given: float,
    gradient: Any, partial: Any,
) -> None:  # fmt: skip
    """`given` is what is divided by, or NaN where that is `divisor`, a number on the device."""
    K = z.shape[1]
    own = np.float64(0)
    whole = divisor[0] if math.isnan(given) else given
    for row in range(cuda.grid(1), z.shape[0], cuda.gridsize(1)):
        t = target[row]
        if t == ignored:
            for k in range(K):
                gradient[row, k] = narrow(real(0))
        else:
            factor = real(math.nan)
            if 0 <= t < K:
                weight = weights[t] if weighted else np.float64(1)
                factor = real(weight / whole) if whole != 0 else real(0)
            else:
                t = 0
            best = largest(z, row)
            norm = exponentials(z, row, best)
            log_norm = real(math.log(norm))
            each = (smooth - real(1)) * (wide(z[row, t]) - best - log_norm)
            if smooth > 0:
                log_sum = real(0)
                for k in range(K):
                    log_sum += wide(z[row, k]) - best - log_norm
                each -= smooth / real(K) * log_sum
            own += np.float64(each * factor)
            for k in range(K):
                p = real(math.exp(wide(z[row, k]) - best)) / norm
                wanted = smooth / real(K) + (real(1) - smooth if k == t else real(0))
                gradient[row, k] = narrow((p - wanted) * factor)
    all_threads = block_sum(own)
    if cuda.threadIdx.x == 0:
        partial[cuda.blockIdx.x] = all_threads


@kernel("T2 L1 D1 n n r D1 d T2 D1")
def _cross_entropy_of_many(
    z: Any, target: Any, weights: Any, weighted: int, ignored: int, smooth: Any, divisor: Any, given: float,
    gradient: Any, partial: Any,
) -> None:  # fmt: skip
    """As _cross_entropy, a block a row: thread j takes classes j, j + THREADS ..."""
    K, thread, step = z.shape[1], cuda.threadIdx.x, cuda.blockDim.x
    own = np.float64(0)
    whole = divisor[0] if math.isnan(given) else given
    for row in range(cuda.blockIdx.x, z.shape[0], cuda.gridDim.x):
        t, factor = target[row], real(math.nan)
        if t == ignored:
            t, factor = 0, real(0)
        elif 0 <= t < K:
            weight = weights[t] if weighted else np.float64(1)
            factor = real(weight / whole) if whole != 0 else real(0)
        else:
            t = 0
        best = real(-math.inf)
        for k in range(thread, K, step):
            value = wide(z[row, k])
            best = value if value > best or math.isnan(value) else best
        best = real(block_max(best))
        norm, log_sum = real(0), real(0)
        for k in range(thread, K, step):
            apart = wide(z[row, k]) - best
            norm += real(math.exp(apart))
            log_sum += apart
        norm = real(block_sum(norm))
        log_norm = real(math.log(norm))
        if smooth > 0:
            log_sum = real(block_sum(log_sum)) - real(K) * log_norm
        if thread == 0 and target[row] != ignored:
            each = (smooth - real(1)) * (wide(z[row, t]) - best - log_norm)
            if smooth > 0:
                each -= smooth / real(K) * log_sum
            own += np.float64(each * factor)
        for k in range(thread, K, step):
            p = real(math.exp(wide(z[row, k]) - best)) / norm
            wanted = smooth / real(K) + (real(1) - smooth if k == t else real(0))
            gradient[row, k] = narrow(real(0) if target[row] == ignored else (p - wanted) * factor)
    if thread == 0:
        partial[cuda.blockIdx.x] = own


@kernel("T1 T1 r T1 D1")
def _squared_error(y: Any, target: Any, factor: Any, gradient: Any, partial: Any) -> None:
    own = np.float64(0)
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        difference = wide(y[i]) - wide(target[i])
        own += np.float64(difference * difference)
        gradient[i] = narrow(difference * factor)
    all_threads = block_sum(own)
    if cuda.threadIdx.x == 0:
        partial[cuda.blockIdx.x] = all_threads
