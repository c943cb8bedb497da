"""Batch normalisation on the host, put together from a backend's sums and maps per channel (Ioffe, Szegedy 2015).

With mean and variance of each channel over images and pixels:

    x_hat = (x - mean) / sqrt(variance + epsilon)        y = gamma x_hat + beta

    dbeta = sum of dy        dgamma = sum of dy x_hat
    dx = gamma / sqrt(variance + epsilon) (dy - dbeta / count - x_hat dgamma / count)

`all_reduce` sums an array over the processes that share a batch, so that the statistics are those of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.half import taking_halves

AllReduce = Callable[[Array], Array]


def batch_norm(
    backend: ModuleType,
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_variance: Array,
    momentum: float,
    epsilon: float,
    all_reduce: AllReduce | None,
) -> tuple[Array, Array, Array, float]:
    """y, mean, 1 / sqrt(variance + epsilon) and count; see numpy_ops.normalization."""
    total, kind = all_reduce or _alone, running_mean.dtype
    seen = float(total(np.array([x.size // x.shape[1]], np.float64))[0])
    count = max(seen, 1.0)
    mean = (total(taking_halves(backend, "channel_sum")(x)) / count).astype(kind)
    centred = taking_halves(backend, "channel_affine")(x, np.ones_like(mean), -mean)
    variance = (total(taking_halves(backend, "channel_dot")(centred, centred)) / count).astype(kind)
    if seen:  # an empty batch tells nothing
        unbiased = variance * kind.type(count / max(count - 1, 1))
        running_mean += kind.type(momentum) * (mean - running_mean)
        running_variance += kind.type(momentum) * (unbiased - running_variance)
    y, inverse = batch_norm_inference(backend, x, gamma, beta, mean, variance, epsilon)
    return y, mean, inverse, count


def batch_norm_inference(
    backend: ModuleType, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float
) -> tuple[Array, Array]:
    """y and 1 / sqrt(variance + epsilon)."""
    inverse: Array = 1 / np.sqrt(variance + variance.dtype.type(epsilon))
    y: Array = taking_halves(backend, "channel_affine")(x, gamma * inverse, beta - gamma * inverse * mean)
    return y, inverse


def batch_norm_backward(
    backend: ModuleType,
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inverse: Array,
    dgamma: Array,
    dbeta: Array,
    count: float | None,
    all_reduce: AllReduce | None,
) -> Array:
    """Writes dgamma and dbeta, returns dx."""
    affine, combination = taking_halves(backend, "channel_affine"), taking_halves(backend, "channel_combination")
    x_hat = affine(x, inverse, -inverse * mean)
    sum_dy = taking_halves(backend, "channel_sum")(dy)
    sum_dy_x_hat = taking_halves(backend, "channel_dot")(dy, x_hat)
    dbeta[...], dgamma[...] = sum_dy, sum_dy_x_hat  # this process's share
    scale = gamma * inverse
    dx: Array
    if count is None:
        dx = affine(dy, scale, np.zeros_like(scale))
        return dx
    total, real = all_reduce or _alone, mean.dtype.type(count)
    mean_dy, mean_dy_x_hat = total(sum_dy) / real, total(sum_dy_x_hat) / real
    dx = combination(dy, scale, x_hat, -scale * mean_dy_x_hat, -scale * mean_dy)
    return dx


def _alone(part: Array) -> Array:
    """The sum over one process."""
    return part
