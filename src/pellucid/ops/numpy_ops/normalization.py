"""The definition of batch normalisation; the equations stand in ops/normalization.py."""

import math
import sys

from pellucid.ops import normalization
from pellucid.ops.arrays import Array
from pellucid.ops.normalization import AllReduce

BACKEND = "pellucid.ops.numpy_ops"


def batch_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_variance: Array,
    momentum: float,
    epsilon: float,
    all_reduce: AllReduce | None = None,
    added: Array | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> tuple[Array, Array, Array, float]:
    """Normalise x (N, C, H, W) with its own statistics: (y, mean, 1 / sqrt(variance + epsilon), count).

    The running averages, (C,) each, take the batch's in with weight `momentum`, the variance unbiased. count: places
    that the statistics are of, in all processes where `all_reduce` sums over them. added: (N, C, H, W), added to y;
    low, high: what y is clipped to then.
    """
    backend = sys.modules[BACKEND]
    vectors = gamma, beta, running_mean, running_variance
    return normalization.batch_norm(backend, x, *vectors, momentum, epsilon, all_reduce, added, low, high)


def batch_norm_inference(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_variance: Array,
    epsilon: float,
    added: Array | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> tuple[Array, Array]:
    """Normalise x with the running statistics: (y, 1 / sqrt(variance + epsilon)); y added to and clipped likewise."""
    vectors = gamma, beta, running_mean, running_variance
    return normalization.batch_norm_inference(sys.modules[BACKEND], x, *vectors, epsilon, added, low, high)


def batch_norm_backward(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    inverse: Array,
    dgamma: Array,
    dbeta: Array,
    count: float | None = None,
    all_reduce: AllReduce | None = None,
    beta: Array | None = None,
    low: float = -math.inf,
    high: float = math.inf,
) -> Array:
    """Gradients: writes dgamma and dbeta, this process's share of them, and returns dx.

    count: as batch_norm gave it, since mean and inverse depend on x; None where they are the running statistics.
    beta: given where y was clipped to low and high, with nothing added.
    """
    given = sys.modules[BACKEND], dy, x, gamma, mean, inverse, dgamma, dbeta
    return normalization.batch_norm_backward(*given, count, all_reduce, beta, low, high)
