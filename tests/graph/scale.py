"""A layer of one parameter, which others may share."""

import numpy as np

from pellucid.layers import INFERENCE, Context, Layer, Parameter
from pellucid.layers.initializers import Normal
from pellucid.ops.arrays import Array


class Scale(Layer):
    """y = w x, w one number."""

    keeps = ("x",)

    def __init__(self, factor: Parameter | None = None) -> None:
        self.factor = Parameter((1,), Normal(1.0)) if factor is None else factor

    def parameters(self) -> dict[str, Parameter]:
        return {"factor": self.factor}

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        if context.keep:
            self.x = x
        return x * self.factor.value

    def backward(self, dy: Array) -> Array:
        self.factor.gradient[...] = np.sum(dy * self.x)
        return dy * self.factor.value
