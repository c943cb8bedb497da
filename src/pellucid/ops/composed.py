"""Ops made of other ops, of whichever backend is active; a backend may have one in a single pass of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.ops.arrays import Array, Shape

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "batch_norm_inference",
    "channel_shift",
    "dropout_keep",
    "recorder",
]

AllReduce = Callable[[Array], Array]


def recorder() -> Any:
    """What records the backend's work and does it again: nothing, where work is done as it comes."""
    return None


def channel_shift(x: Array, b: Array) -> Array:
    """x + b with one b a channel: (N, C, H, W)."""
    one = ops.empty(b.shape, b.dtype)
    one[...] = 1
    return ops.channel_affine(x, one, b)


def dropout_keep(
    rng: np.random.Generator, shape: Shape, rate: float, first: int = 0, total: int | None = None
) -> Array:
    """Which elements stay, each with probability 1 - rate: booleans of that shape, samples along axis 0.

    first, total: the samples are first, first + 1, ... of `total`, for all of which numbers are drawn, so that a
    number belongs to its sample, not to the process that draws it.
    """
    draws = rng.random((shape[0] if total is None else total, *shape[1:]), dtype=np.float32)
    return draws[first : first + shape[0]] >= rate


def batch_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_variance: Array,
    momentum: float,
    epsilon: float,
    all_reduce: AllReduce | None = None,
) -> tuple[Array, Array, Array, float]:
    """Normalise with the statistics of the batch: (y, mean, 1 / sqrt(variance + epsilon), pixels of a channel).

    The running averages take the statistics in, the newest batch with weight `momentum`, its variance unbiased.
    all_reduce: sum over the processes that share the batch.
    """
    seen = float(_total(np.array([x.size // x.shape[1]], np.float64), all_reduce)[0])
    count = max(seen, 1)
    kind = running_mean.dtype  # float32 where x has 16 bits
    mean = (_total(ops.channel_sum(x), all_reduce) / count).astype(kind)
    centred = ops.channel_affine(x, np.ones_like(mean), -mean)
    variance = (_total(ops.channel_dot(centred, centred), all_reduce) / count).astype(kind)
    if seen:  # an empty batch tells nothing
        unbiased = variance * kind.type(count / max(count - 1, 1))
        for running, new in ((running_mean, mean), (running_variance, unbiased)):
            running += kind.type(momentum) * (new - running)
    inverse = 1 / np.sqrt(variance + kind.type(epsilon))
    return ops.channel_affine(x, gamma * inverse, beta - gamma * inverse * mean), mean, inverse, count


def batch_norm_inference(
    x: Array, gamma: Array, beta: Array, running_mean: Array, running_variance: Array, epsilon: float
) -> tuple[Array, Array]:
    """Normalise with the running statistics: (y, 1 / sqrt(variance + epsilon))."""
    inverse = 1 / np.sqrt(running_variance + running_variance.dtype.type(epsilon))
    return ops.channel_affine(x, gamma * inverse, beta - gamma * inverse * running_mean), inverse


def batch_norm_backward(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inverse: Array,
    count: float | None,
    dgamma: Array,
    dbeta: Array,
    all_reduce: AllReduce | None = None,
) -> Array:
    """The statistics depend on x too: dx = gamma / sqrt(var) (dy - mean(dy) - x_hat mean(dy x_hat)).

    Ioffe, Szegedy 2015, section 3, gathered per channel. Writes dgamma and dbeta, this process's share. Without
    `count` the statistics were constants.
    """
    x_hat = ops.channel_affine(x, inverse, -inverse * mean)
    shift, slope = ops.channel_sum(dy), ops.channel_dot(dy, x_hat)
    dbeta[...], dgamma[...] = shift, slope
    scale = gamma * inverse
    if count is None:
        return ops.channel_affine(dy, scale, np.zeros_like(scale))
    pixels = mean.dtype.type(count)
    mean_dy = _total(shift, all_reduce) / pixels
    mean_dy_x_hat = _total(slope, all_reduce) / pixels
    return ops.channel_combination(dy, scale, x_hat, -scale * mean_dy_x_hat, -scale * mean_dy)


def _total(part: Array, all_reduce: AllReduce | None) -> Array:
    """Sum over the processes that share the batch."""
    return part if all_reduce is None else all_reduce(part)
