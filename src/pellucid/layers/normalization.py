"""Batch normalisation (Ioffe, Szegedy 2015)."""

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
    in training where the weight is frozen.
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
        running = self.running_mean.value, self.running_variance.value
        count: float | None = None
        if context.training and self.weight.learns:
            y, mean, inverse, count = ops.batch_norm(
                x, gamma, beta, *running, self.momentum, self.epsilon, context.all_reduce
            )
        else:
            mean = running[0]
            y, inverse = ops.batch_norm_inference(x, gamma, beta, *running, self.epsilon)
        if context.keep:
            self.context, self.x, self.mean, self.inverse, self.count = context, x, mean, inverse, count
        return y

    def backward(self, dy: Array) -> Array:
        """The statistics depend on x too: dx = gamma / sqrt(var) (dy - mean(dy) - x_hat mean(dy x_hat)).

        Ioffe, Szegedy 2015, section 3, gathered per channel. In inference the statistics are constants.
        """
        gamma, gradients = self.weight.value, (self.weight.gradient, self.bias.gradient)
        statistics = self.mean, self.inverse
        return ops.batch_norm_backward(
            dy, self.x, gamma, *statistics, *gradients, self.count, self.context.all_reduce
        )
