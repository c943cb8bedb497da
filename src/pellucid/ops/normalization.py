"""Batch normalisation on the host, put together from a backend's sums and maps per channel (Ioffe, Szegedy 2015).

With mean and variance of each channel over images and pixels:

    x_hat = (x - mean) / sqrt(variance + epsilon)        y = gamma x_hat + beta

    dbeta = sum of dy        dgamma = sum of dy x_hat
    dx = gamma / sqrt(variance + epsilon) (dy - dbeta / count - x_hat dgamma / count)

What follows a norm goes with it, in the same pass over memory: something added to y, and bounds that clip it, which
makes it a ReLU (0 and infinity) or ReLU6. Behind bounds only that dy counts whose y lies between them.

`all_reduce` sums an array over the processes that share a batch, so that the statistics are those of the whole batch.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from types import ModuleType

import numpy as np

from pellucid.ops.arrays import Array
from pellucid.ops.half import taking_halves

AllReduce = Callable[[Array], Array]


class BatchNorm:
    """The three functions of a backend on the host.

    backend: name of its module, whose sums and maps per channel are used.
    """

    def __init__(self, backend: str) -> None:
        self._name = backend

    @property
    def _backend(self) -> ModuleType:
        return sys.modules[self._name]  # not there yet while it is being imported

    def batch_norm(
        self,
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

        The running averages, (C,) each, take the batch's in with weight `momentum`, the variance unbiased. count:
        places that the statistics are of, in all processes where `all_reduce` sums over them. added: (N, C, H, W),
        added to y; low, high: what y is clipped to then.
        """
        kind = running_mean.dtype
        seen = float(x.size // x.shape[1])
        mean, squares = (part.astype(np.float64) for part in taking_halves(self._backend, "channel_moments")(x))
        if all_reduce is not None:
            own, own_mean = seen, mean
            seen = float(all_reduce(np.array([own]))[0])
            mean = all_reduce(own * own_mean) / max(seen, 1.0)
            squares = all_reduce(squares + own * (own_mean - mean) ** 2)
        count = max(seen, 1.0)
        mean, variance = mean.astype(kind), (squares / count).astype(kind)
        if seen:  # an empty batch tells nothing
            unbiased = variance * kind.type(count / max(count - 1, 1))
            running_mean += kind.type(momentum) * (mean - running_mean)
            running_variance += kind.type(momentum) * (unbiased - running_variance)
        y, inverse = self.batch_norm_inference(x, gamma, beta, mean, variance, epsilon, added, low, high)
        return y, mean, inverse, count

    def batch_norm_inference(
        self,
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
        """Normalise x with the running statistics: (y, 1 / sqrt(variance + epsilon)); added and clipped likewise."""
        inverse: Array = 1 / np.sqrt(running_variance + running_variance.dtype.type(epsilon))
        slope, offset = _line(gamma, beta, running_mean, inverse)
        y: Array = taking_halves(self._backend, "channel_affine")(x, slope, offset, added, low, high)
        return y, inverse

    def batch_norm_backward(
        self,
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
        line: tuple[Array | None, Array | None] = (None, None)
        if beta is not None:
            line = _line(gamma, beta, mean, inverse)
        sum_dy, products = taking_halves(self._backend, "channel_products")(dy, x, mean, *line, low, high)
        sum_dy_x_hat = products * inverse
        dbeta[...], dgamma[...] = sum_dy, sum_dy_x_hat  # this process's share
        scale = gamma * inverse
        of_x, offset = np.zeros_like(scale), np.zeros_like(scale)
        if count is not None:
            if all_reduce is not None:
                sum_dy, sum_dy_x_hat = all_reduce(sum_dy), all_reduce(sum_dy_x_hat)
            real = mean.dtype.type(count)
            of_x = -scale * inverse * sum_dy_x_hat / real
            offset = -scale * sum_dy / real - of_x * mean
        dx: Array = taking_halves(self._backend, "channel_combination")(dy, scale, x, of_x, offset, *line, low, high)
        return dx


def _line(gamma: Array, beta: Array, mean: Array, inverse: Array) -> tuple[Array, Array]:
    """Slope and offset of a norm, y = slope x + offset; forwards and backwards the same bits."""
    slope = gamma * inverse
    return slope, beta - slope * mean
