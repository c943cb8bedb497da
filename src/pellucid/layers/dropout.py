"""Dropout."""

from pellucid import ops
from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.ops.arrays import Array


class Dropout(Layer):
    """In training, sets each element to 0 with probability `rate` and scales the others by 1 / (1 - rate).

    Srivastava et al. 2014, in the form that leaves inference as it is.

    Inputs of any shape; the output has the same. Raises PellucidError for a rate outside 0 to below 1, and
    for a training pass without a random generator.

    >>> x = np.ones((1, 1000))
    >>> pl.nn.Dropout(0.5).forward(x).min().item()
    1.0
    >>> y = pl.nn.Dropout(0.5).forward(x, pl.nn.training(np.random.default_rng(0)))
    >>> sorted(set(y[0].tolist()))
    [0.0, 2.0]
    """

    keeps = ("keep",)
    keep: Array | None  # None after a pass that dropped nothing

    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate
        if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate < 1:
            raise self.error("a rate from 0 to below 1", rate)

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
