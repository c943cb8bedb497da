"""Activation functions: applied to each element by itself."""

import numpy as np

from pellucid import ops
from pellucid.arguments import Endless
from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.ops.arrays import Array


class ReLU(Layer):
    """y = max(x, 0).

    Inputs of any shape; the output has the same.

    >>> pl.nn.ReLU().forward(np.array([[-2.0, 3.0]])).tolist()
    [[0.0, 3.0]]
    """

    keeps = ("y",)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Positive elements pass."""
        y = ops.relu(x)
        if context.keep:
            self.y = y
        return y

    def backward(self, dy: Array) -> Array:
        """Where an element passed, so does its gradient."""
        return ops.relu_backward(dy, self.y)

    def pattern(self) -> Array | None:
        """Which elements passed."""
        return ops.host(self.y) > 0


class LeakyReLU(Layer):
    """y = x where x > 0, else slope * x (Maas, Hannun, Ng 2013).

    Inputs of any shape; the output has the same.

    >>> pl.nn.LeakyReLU(0.1).forward(np.array([[-2.0, 3.0]])).tolist()
    [[-0.2, 3.0]]
    """

    keeps = ("x",)

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Negative elements pass scaled down."""
        if context.keep:
            self.x = x
        return ops.leaky_relu(x, self.slope)

    def backward(self, dy: Array) -> Array:
        """The same factors."""
        return ops.leaky_relu_backward(dy, self.x, self.slope)

    def pattern(self) -> Array | None:
        """Which elements passed whole."""
        return ops.host(self.x) > 0

    def describe(self) -> str:
        """The slope."""
        return f"slope {self.slope:g}"


class Clip(Layer):
    """y = x between low and high, the nearer of the two outside.

    Inputs of any shape; the output has the same. Raises PellucidError unless low is below high.

    >>> pl.nn.Clip(-1, 1).forward(np.array([[-3.0, 0.5, 3.0]])).tolist()
    [[-1.0, 0.5, 1.0]]
    """

    keeps = ("y",)

    def __init__(self, low: Endless, high: Endless) -> None:
        self.low, self.high = float(low), float(high)
        if not self.low < self.high:
            raise self.error("low below high", f"low {low:g}, high {high:g}")

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """What lies between the bounds passes."""
        y = ops.clip(x, self.low, self.high)
        if context.keep:
            self.y = y
        return y

    def backward(self, dy: Array) -> Array:
        """Where an element passed, so does its gradient."""
        return ops.clip_backward(dy, self.y, self.low, self.high)

    def pattern(self) -> Array | None:
        """Which elements were below, between and above the bounds, as 0, 1, 2."""
        return (self.y > self.low).astype(np.int8) + (self.y >= self.high)

    def describe(self) -> str:
        """The bounds."""
        return f"{self.low:g} to {self.high:g}"


class ReLU6(Clip):
    """y = min(max(x, 0), 6) (Krizhevsky 2010, "Convolutional Deep Belief Networks on CIFAR-10").

    Inputs of any shape; the output has the same.

    >>> pl.nn.ReLU6().forward(np.array([[-2.0, 3.0, 8.0]])).tolist()
    [[0.0, 3.0, 6.0]]
    """

    def __init__(self) -> None:
        super().__init__(0, 6)

    def describe(self) -> str:
        """The name says it."""
        return ""


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)).

    Inputs of any shape; the output has the same.

    >>> pl.nn.Sigmoid().forward(np.array([[0.0]])).tolist()
    [[0.5]]
    """

    keeps = ("y",)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """From the real line to (0, 1)."""
        y = ops.sigmoid(x)
        if context.keep:
            self.y = y
        return y

    def backward(self, dy: Array) -> Array:
        """dx = dy y (1 - y)."""
        return ops.sigmoid_backward(dy, self.y)


class Tanh(Layer):
    """y = tanh(x).

    Inputs of any shape; the output has the same.

    >>> pl.nn.Tanh().forward(np.array([[0.0]])).tolist()
    [[0.0]]
    """

    keeps = ("y",)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """From the real line to (-1, 1)."""
        y = ops.tanh(x)
        if context.keep:
            self.y = y
        return y

    def backward(self, dy: Array) -> Array:
        """dx = dy (1 - y^2)."""
        return ops.tanh_backward(dy, self.y)


class SiLU(Layer):
    """y = x sigmoid(x) (Elfwing, Uchibe, Doya 2018).

    Inputs of any shape; the output has the same.

    >>> pl.nn.SiLU().forward(np.array([[0.0]])).tolist()
    [[0.0]]
    """

    keeps = ("x",)

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Smooth, and close to ReLU away from 0."""
        if context.keep:
            self.x = x
        return ops.silu(x)

    def backward(self, dy: Array) -> Array:
        """dx = dy s (1 + x (1 - s)) with s = sigmoid(x)."""
        return ops.silu_backward(dy, self.x)
