"""Softmax with cross-entropy, and the mean squared error: loss and gradient in one pass over memory."""

import math
from typing import Any

import numpy as np
from numba import prange

from pellucid.errors import InputError
from pellucid.ops.arrays import Array
from pellucid.ops.memory import empty
from pellucid.ops.numba_ops.compile.jit import jit
from pellucid.ops.numba_ops.elementwise.exponential import decay
from pellucid.ops.numba_ops.layout import contiguous, from_places, memory_order, places, real

CHUNK = 64  # places that one thread takes at a time
CHUNK_ELEMENTS = 4096

NONE_IGNORED = np.iinfo(np.int64).min  # no label's value


def softmax(logits: Array) -> Array:
    """exp(z_k) / sum of exp(z) over axis 1; the largest logit is taken off first, so nothing overflows."""
    if logits.ndim not in {2, 4}:
        flat = logits.reshape(*logits.shape[:2], math.prod(logits.shape[2:]), 1)
        return softmax(flat).reshape(logits.shape)
    z = places(logits)
    y = empty(z.shape, z.dtype)
    _softmax(z, y)
    return from_places(y, logits.shape)


def softmax_cross_entropy(
    logits: Array,
    labels: Array,
    label_smoothing: float = 0.0,
    class_weights: Array | None = None,
    ignore_label: int | None = None,
    normalizer: float | None = None,
) -> tuple[float, Array]:
    """Cross-entropy of softmax(logits) with the labels: (loss, gradient of the loss for the logits).

    logits are (N, K) or, per pixel, (N, K, H, W); labels are integers (N,) or (N, H, W).
    The target of a place with label t is (1 - label_smoothing) at t plus label_smoothing / K at every class
    (Szegedy et al. 2016, section 7). A place counts class_weights[t]; places labelled `ignore_label` count 0.
    The loss is the sum over places divided by `normalizer`: by default the sum of what the places count.
    Raises InputError for a label that is no class.
    """
    z, target = places(logits), contiguous(labels).reshape(-1).astype(np.int64, copy=False)
    K = logits.shape[1]
    ignored = NONE_IGNORED if ignore_label is None else ignore_label
    weights = np.ones(K, z.dtype) if class_weights is None else contiguous(class_weights.astype(z.dtype))
    total = _total_weight(target, weights, ignored)
    if np.isnan(total):
        wrong = target[(target != ignored) & ((target < 0) | (target >= K))][0]
        raise InputError(f"label {wrong}: expected 0 to {K - 1}")
    divisor = total if normalizer is None else normalizer
    gradient, partial = empty(z.shape, z.dtype), empty((-(-z.shape[0] // CHUNK),), np.float64)
    scale = 1 / divisor if divisor else 0.0
    _cross_entropy(z, target, weights, ignored, real(label_smoothing, z.dtype), scale, gradient, partial)
    return float(partial.sum()), from_places(gradient, logits.shape)


def mean_squared_error(y: Array, target: Array, normalizer: float | None = None) -> tuple[float, Array]:
    """Sum of (y - target)^2 divided by `normalizer`, by default the number of elements; and its gradient."""
    order = memory_order(y)
    ordered = contiguous(y.transpose(order))
    wanted = contiguous(np.broadcast_to(target, y.shape).transpose(order)).astype(y.dtype, copy=False)
    total = float(y.size) if normalizer is None else normalizer
    gradient, partial = empty(ordered.shape, y.dtype), empty((-(-y.size // CHUNK_ELEMENTS),), np.float64)
    _squared_error(ordered.reshape(-1), wanted.reshape(-1), real(2 / total, y.dtype), gradient.reshape(-1), partial)
    return float(partial.sum() / total), gradient.transpose(np.argsort(order))


@jit(cache=False)
def _largest(z: Any, i: int) -> Any:
    best = z[i, 0]
    for k in range(1, z.shape[1]):
        best = z[i, k] if z[i, k] > best or np.isnan(z[i, k]) else best
    return best


@jit(cache=False)
def _exponentials(z: Any, i: int, e: Any) -> Any:
    """Write exp(z - largest) of row i into e; return the largest and the sum."""
    best = _largest(z, i)
    total = z.dtype.type(0)
    for k in range(z.shape[1]):
        e[i, k] = decay(z[i, k] - best)
        total += e[i, k]
    return best, total


@jit(parallel=True)
def _softmax(z: Any, y: Any) -> None:
    for i in prange(z.shape[0]):
        _, total = _exponentials(z, i, y)
        for k in range(z.shape[1]):
            y[i, k] /= total


@jit()
def _total_weight(target: Any, weights: Any, ignored: int) -> float:
    """Sum of what the places count; NaN if a label is no class."""
    total = 0.0
    for t in target:
        if t != ignored:
            if t < 0 or t >= weights.size:
                return np.nan
            total += weights[t]
    return total


@jit(parallel=True)
def _cross_entropy(
    z: Any, target: Any, weights: Any, ignored: int, smooth: Any, scale: float, gradient: Any, partial: Any
) -> None:
    count, K = z.shape
    one, zero = z.dtype.type(1), z.dtype.type(0)
    for chunk in prange(partial.size):
        loss = 0.0
        for i in range(chunk * CHUNK, min(count, (chunk + 1) * CHUNK)):
            t = target[i]
            if t == ignored:
                gradient[i] = zero
                continue
            factor = z.dtype.type(weights[t] * scale)
            best, total = _exponentials(z, i, gradient)
            log_total = np.log(total)
            each = (smooth - one) * (z[i, t] - best - log_total)
            if smooth > zero:
                log_sum = zero
                for k in range(K):
                    log_sum += z[i, k] - best - log_total
                each -= smooth / K * log_sum
            loss += np.float64(each * factor)
            for k in range(K):
                gradient[i, k] = (gradient[i, k] / total - smooth / K) * factor
            gradient[i, t] -= (one - smooth) * factor
        partial[chunk] = loss


@jit(parallel=True)
def _squared_error(y: Any, target: Any, factor: Any, gradient: Any, partial: Any) -> None:
    for chunk in prange(partial.size):
        loss = 0.0
        for i in range(chunk * CHUNK_ELEMENTS, min(y.size, (chunk + 1) * CHUNK_ELEMENTS)):
            difference = y[i] - target[i]
            loss += np.float64(difference * difference)
            gradient[i] = difference * factor
        partial[chunk] = loss
