"""Layers that are one function and its adjoint."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid import ops
from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.ops.arrays import Array, Shape


class AdjointLayer(Layer):
    """A layer of one input. It says in `apply` what comes out and what its `adjoint` needs."""

    keeps = ("kept",)

    def apply(self, x: Array) -> tuple[Array, Any]:
        """The output for a batch, and what the adjoint needs."""
        raise NotImplementedError

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """From the output's gradient to the input's, writing the parameters'."""
        raise NotImplementedError

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """What `apply` says."""
        self.check(x)
        y, kept = self.apply(x)
        if context.keep:
            self.kept = kept
        return y

    def backward(self, dy: Array) -> Array:
        """What `adjoint` says."""
        return self.adjoint(dy, self.kept)


def room(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """An array for a batch of samples; images are stored channels last."""
    made: Array = ops.empty_images(shape, dtype) if len(shape) == 4 else ops.empty(shape, dtype)
    return made
