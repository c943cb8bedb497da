"""Batch normalisation (Ioffe, Szegedy 2015)."""

import numpy as np

from pellucid import ops
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.initializers import Constant
from pellucid.ops.arrays import Array, Shape


class BatchNorm2d(Layer):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, each per channel.

    In training, mean and variance are those of the batch over images and pixels (of the global batch, where
    several processes share it), and running averages of them are kept with the given momentum (the weight of
    the newest batch; the variance unbiased, as inference wants it). In inference the running ones are used.
    """

    keeps = ("context", "x", "mean", "inverse", "count")

    def __init__(self, *, momentum: float = 0.1, epsilon: float = 1e-5) -> None:
        self.momentum, self.epsilon = momentum, epsilon

    def build(self, input_shape: Shape) -> Shape:
        """One gamma, beta, mean and variance a channel."""
        shape = (self.image_shape(input_shape)[0],)
        if not hasattr(self, "weight"):
            self.weight, self.bias = Parameter(shape, Constant(1)), Parameter(shape, Constant(0))
            self.running_mean = Parameter(shape, Constant(0), trained=False)
            self.running_variance = Parameter(shape, Constant(1), trained=False)
        return input_shape

    def parameters(self) -> dict[str, Parameter]:
        """Gamma is called weight and beta bias, as in other layers."""
        names = ("weight", "bias", "running_mean", "running_variance")
        return {name: getattr(self, name) for name in names if hasattr(self, name)}

    def output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        C, _, _ = self.image_shape(input_shape)
        if hasattr(self, "weight") and self.weight.shape != (C,):
            raise self.error(f"{self.weight.shape[0]} channels", C)
        return input_shape

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Centre, scale to unit variance, then gamma and beta."""
        self.check(x)
        gamma, beta = self.weight.value, self.bias.value
        if context.training:
            mean, variance, count = self._batch_statistics(x, context)
        else:
            mean, variance, count = self.running_mean.value, self.running_variance.value, 1
        inverse = 1 / np.sqrt(variance + variance.dtype.type(self.epsilon))
        if context.keep:
            self.context, self.x, self.mean, self.inverse, self.count = context, x, mean, inverse, count
        return ops.channel_affine(x, gamma * inverse, beta - gamma * inverse * mean)

    def _batch_statistics(self, x: Array, context: Context) -> tuple[Array, Array, float]:
        """Mean and variance of the batch, and of how many pixels; the running averages take them in."""
        seen = float(self._total(np.array([x.size // x.shape[1]], np.float64), context)[0])
        count = max(seen, 1)
        kind = self.running_mean.value.dtype  # float32 where x has 16 bits
        mean = (self._total(ops.channel_sum(x), context) / count).astype(kind)
        centred = ops.channel_affine(x, np.ones_like(mean), -mean)
        variance = (self._total(ops.channel_dot(centred, centred), context) / count).astype(kind)
        if not seen:  # an empty batch tells nothing
            return mean, variance, count
        unbiased = variance * kind.type(count / max(count - 1, 1))
        for running, new in ((self.running_mean, mean), (self.running_variance, unbiased)):
            running.value += running.value.dtype.type(self.momentum) * (new - running.value)
        return mean, variance, count

    @staticmethod
    def _total(part: Array, context: Context) -> Array:
        """Sum over the processes that share the batch."""
        return part if context.all_reduce is None else context.all_reduce(part)

    def backward(self, dy: Array) -> Array:
        """The statistics depend on x too: dx = gamma / sqrt(var) (dy - mean(dy) - x_hat mean(dy x_hat)).

        Ioffe, Szegedy 2015, section 3, gathered per channel. In inference the statistics are constants.
        """
        x_hat = ops.channel_affine(self.x, self.inverse, -self.inverse * self.mean)
        dbeta, dgamma = ops.channel_sum(dy), ops.channel_dot(dy, x_hat)
        self.bias.gradient[...], self.weight.gradient[...] = dbeta, dgamma  # this process's share
        scale = self.weight.value * self.inverse
        if not self.context.training:
            return ops.channel_affine(dy, scale, np.zeros_like(scale))
        count = self.mean.dtype.type(self.count)
        mean_dy = self._total(dbeta, self.context) / count
        mean_dy_x_hat = self._total(dgamma, self.context) / count
        return ops.channel_combination(dy, scale, x_hat, -scale * mean_dy_x_hat, -scale * mean_dy)
