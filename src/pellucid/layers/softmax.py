"""Softmax and its logarithm, as layers and as functions of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.layers.host import HostLayer
from pellucid.ops.arrays import Array, Shape


class Softmax(HostLayer):
    """y = exp(x) / sum of exp(x) along an axis of the sample: a distribution. axis: 0 is the channels.

    A classifier that is trained ends before it: SoftmaxCrossEntropy takes logits.

    Inputs of any shape; the output has the same. Raises PellucidError for a sample without that axis.

    >>> pl.nn.Softmax().forward(np.log([[1.0, 3.0]])).round(4).tolist()
    [[0.25, 0.75]]
    """

    log = False

    def __init__(self, axis: int = 0) -> None:
        self.axis, self.by_parts = axis, axis == 0

    def output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        if not 0 <= self.axis < len(input_shape):
            raise self.error(f"a sample with an axis {self.axis}", f"shape {input_shape}")
        return input_shape

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Without overflow: of x less its largest."""
        y = softmax(x, self.axis + 1)
        return y, y

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """dx = y (dy - sum of dy y)."""
        dx: Array = kept * (dy - (dy * kept).sum(axis=self.axis + 1, keepdims=True))
        return dx

    def describe(self) -> str:
        """The axis, where it isn't the first."""
        return f"axis {self.axis}" if self.axis else ""


class LogSoftmax(Softmax):
    """y = x - log of the sum of exp(x) along an axis of the sample.

    Inputs of any shape; the output has the same. Raises PellucidError for a sample without that axis.

    >>> np.exp(pl.nn.LogSoftmax().forward(np.log([[1.0, 3.0]]))).round(4).tolist()
    [[0.25, 0.75]]
    """

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Without overflow: of x less its largest."""
        y = log_softmax(x, self.axis + 1)
        return y, y

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """dx = dy - exp(y) sum of dy."""
        dx: Array = dy - np.exp(kept) * dy.sum(axis=self.axis + 1, keepdims=True)
        return dx


def softmax(x: Array, axis: int | tuple[int, ...]) -> Array:
    """exp(x) / sum of exp(x) along one or several axes."""
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    y: Array = e / e.sum(axis=axis, keepdims=True)
    return y


def log_softmax(x: Array, axis: int | tuple[int, ...]) -> Array:
    """x - log of the sum of exp(x) along one or several axes."""
    z = x - x.max(axis=axis, keepdims=True)
    y: Array = z - np.log(np.exp(z).sum(axis=axis, keepdims=True))
    return y
