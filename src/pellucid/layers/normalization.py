"""Batch normalisation (Ioffe, Szegedy 2015)."""

import math

from pellucid import ops
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.initializers import Constant
from pellucid.ops.arrays import Array, Shape


class BatchNorm2d(Layer):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, each per channel.

    In training, mean and variance are those of the batch over images and pixels (of the global batch, where
    several processes share it), and running averages of them are kept with the given momentum (the weight of
    the newest batch; the variance unbiased, as inference wants it). In inference the running ones are used, and also
    in training where the weight is frozen. One value a channel has no statistics: in training it is refused.

    >>> pl.Network(pl.nn.BatchNorm2d(), (3, 8, 8)).output_shape
    (3, 8, 8)
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
        return self.normalised(x, context)

    def normalised(
        self, x: Array, context: Context, added: Array | None = None, low: float = -math.inf, high: float = math.inf
    ) -> Array:
        """As forward; `added` (N, C, H, W) on it, and clipped, in the same pass."""
        if not hasattr(self, "weight"):
            raise self.error("to be built before use", "a layer without parameters")
        self.check(x)
        vectors = self.weight.value, self.bias.value, self.running_mean.value, self.running_variance.value
        count: float | None = None
        if context.training and self.weight.learns:
            if x.size == x.shape[1] and context.all_reduce is None:
                raise self.error("at least two values a channel in training", "one: a batch of one image, one pixel")
            y, mean, inverse, count = ops.batch_norm(
                x, *vectors, self.momentum, self.epsilon, context.all_reduce, added, low, high
            )
        else:
            mean = vectors[2]
            y, inverse = ops.batch_norm_inference(x, *vectors, self.epsilon, added, low, high)
        if context.keep:
            self.context, self.x, self.mean, self.inverse, self.count = context, x, mean, inverse, count
        return y

    def backward(self, dy: Array) -> Array:
        """The statistics depend on x too: dx = gamma / sqrt(var) (dy - mean(dy) - x_hat mean(dy x_hat)).

        Ioffe, Szegedy 2015, section 3, gathered per channel. In inference the statistics are constants.
        """
        return self.gradient(dy)

    def gradient(self, dy: Array, low: float = -math.inf, high: float = math.inf) -> Array:
        """As backward, of an output that was clipped, with nothing added."""
        if not hasattr(self, "weight"):
            raise self.error("to be built before use", "a layer without parameters")
        gradients, statistics = (self.weight.gradient, self.bias.gradient), (self.mean, self.inverse)
        beta = None if math.isinf(low) and math.isinf(high) else self.bias.value
        given = dy, self.x, self.weight.value, *statistics, *gradients
        return ops.batch_norm_backward(*given, self.count, self.context.all_reduce, beta, low, high)
