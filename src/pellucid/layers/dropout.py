"""Dropout."""

from pellucid import ops
from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.ops.arrays import Array


class Dropout(Layer):
    """In training, sets each element to 0 with probability `rate` and scales the others by 1 / (1 - rate).

    Srivastava et al. 2014, in the form that leaves inference as it is.
    """

    keeps = ("keep",)

    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        if not 0 <= rate < 1:
            raise self.error("a rate from 0 to below 1", rate)
        self.keep: Array | None = None

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Keep by chance, anew for each element of each sample."""
        if not context.training or self.rate == 0:
            if context.keep:
                self.keep = None
            return x
        if context.rng is None:
            raise self.error("a random generator in the context of a training pass", None)
        keep = ops.dropout_keep(context.rng, x.shape, self.rate, context.first, context.total)
        if context.keep:
            self.keep = keep
        return ops.dropout(x, keep, self.rate)

    def backward(self, dy: Array) -> Array:
        """The same elements, the same scale."""
        return dy if self.keep is None else ops.dropout(dy, self.keep, self.rate)

    def describe(self) -> str:
        """The rate."""
        return f"{self.rate:g}"
