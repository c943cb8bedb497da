"""Layers that only lay out anew."""

import math

from pellucid import ops
from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.ops.arrays import Array, Shape


class Flatten(Layer):
    """Images (C, H, W) as feature vectors (C*H*W,), in the order C, H, W, however they are stored.

    >>> pl.nn.Flatten().output_shape((3, 4, 5))
    (60,)
    """

    sees_all = True
    keeps = ("shape",)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C*H*W,)."""
        return (math.prod(input_shape),)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """One row a sample."""
        if context.keep:
            self.shape = x.shape
        return x.reshape(x.shape[0], *self.output_shape(x.shape[1:]))  # -1 would not do where there is no sample

    def backward(self, dy: Array) -> Array:
        """Back into images, stored channels last."""
        if dy.shape != (self.shape[0], *self.output_shape(self.shape[1:])):
            raise self.error(f"a gradient of what {self.shape} give", dy.shape)
        if len(self.shape) != 4:
            return dy.reshape(self.shape)
        dx = ops.empty_images((self.shape[0], self.shape[1], self.shape[2], self.shape[3]), dy.dtype)
        dx[...] = dy.reshape(self.shape)
        return dx
