"""The layer that does nothing."""

from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.ops.arrays import Array


class Identity(Layer):
    """y = x.

    Inputs of any shape; the output has the same.

    >>> pl.nn.Identity().output_shape((3, 8, 8))
    (3, 8, 8)
    """

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The input."""
        return x

    def backward(self, dy: Array) -> Array:
        """The gradient."""
        return dy
