"""More activation functions, element by element: each its value and its gradient."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.constants import summed_to
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.host import HostLayer, give_gradient, wide
from pellucid.layers.initializers import Constant as Filled
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.numpy_ops.smooth import erf

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
"""Klambauer et al. 2017, equation 14."""


class _Activation(Layer):
    """A function of each element by itself, whose derivative follows from its input."""

    keeps = ("x",)

    def value(self, x: Array) -> Array:
        """The function."""
        raise NotImplementedError

    def gradient(self, dy: Array, x: Array) -> Array:
        """dx = dy f'(x)."""
        raise NotImplementedError

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The function's values."""
        if context.keep:
            self.x = x
        return self.value(x)

    def backward(self, dy: Array) -> Array:
        """dx = dy f'(x)."""
        return self.gradient(dy, self.x)

    def seen(self) -> Array:
        """What was seen last, on the host."""
        x: Array = ops.host(self.x)
        return x


class ELU(_Activation):
    """y = x where x > 0, else alpha (exp(x) - 1) (Clevert, Unterthiner, Hochreiter 2016).

    Inputs of any shape; the output has the same.

    >>> pl.nn.ELU().forward(np.array([[-1.0, 3.0]])).round(4).tolist()
    [[-0.6321, 3.0]]
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = float(alpha)

    def value(self, x: Array) -> Array:
        """Smooth at 0 for alpha = 1."""
        return ops.elu(x, self.alpha)

    def gradient(self, dy: Array, x: Array) -> Array:
        """dx = dy, or dy alpha exp(x)."""
        return ops.elu_backward(dy, x, self.alpha)

    def pattern(self) -> Array | None:
        """Which elements passed."""
        return np.asarray(self.seen() > 0)

    def describe(self) -> str:
        """The factor, where it isn't 1."""
        return "" if self.alpha == 1 else f"alpha {self.alpha:g}"


class SELU(_Activation):
    """y = scale x where x > 0, else scale alpha (exp(x) - 1) (Klambauer et al. 2017).

    Inputs of any shape; the output has the same.

    >>> pl.nn.SELU().forward(np.array([[-1.0, 3.0]])).round(4).tolist()
    [[-1.1113, 3.1521]]
    """

    def __init__(self, alpha: float = SELU_ALPHA, scale: float = SELU_SCALE) -> None:
        self.alpha, self.scale = float(alpha), float(scale)

    def value(self, x: Array) -> Array:
        """ELU, scaled."""
        return ops.elu(x, self.alpha, self.scale)

    def gradient(self, dy: Array, x: Array) -> Array:
        """ELU's, scaled."""
        return ops.elu_backward(dy, x, self.alpha, self.scale)

    def pattern(self) -> Array | None:
        """Which elements passed."""
        return np.asarray(self.seen() > 0)


class Softplus(_Activation):
    """y = log(1 + exp(x)).

    Inputs of any shape; the output has the same.

    >>> pl.nn.Softplus().forward(np.array([[-1.0, 3.0]])).round(4).tolist()
    [[0.3133, 3.0486]]
    """

    def value(self, x: Array) -> Array:
        """A smooth ReLU."""
        return ops.softplus(x)

    def gradient(self, dy: Array, x: Array) -> Array:
        """By the logistic function."""
        return ops.softplus_backward(dy, x)


class Mish(_Activation):
    """y = x tanh(log(1 + exp(x))) (Misra 2019).

    Inputs of any shape; the output has the same.

    >>> pl.nn.Mish().forward(np.array([[-1.0, 3.0]])).round(4).tolist()
    [[-0.3034, 2.9865]]
    """

    def value(self, x: Array) -> Array:
        """Smooth, and close to ReLU away from 0."""
        return ops.mish(x)

    def gradient(self, dy: Array, x: Array) -> Array:
        """dx = dy (t + x (1 - t^2) s) with t = tanh(softplus(x)), s = sigmoid(x)."""
        return ops.mish_backward(dy, x)


class GELU(_Activation):
    """y = x P(X <= x) of a standard normal X (Hendrycks, Gimpel 2016); tanh=True takes their approximation.

    Inputs of any shape; the output has the same.

    >>> pl.nn.GELU().forward(np.array([[-1.0, 3.0]])).round(4).tolist()
    [[-0.1587, 2.996]]
    """

    def __init__(self, *, tanh: bool = False) -> None:
        self.tanh = tanh

    def value(self, x: Array) -> Array:
        """The expected value of x kept by chance."""
        return ops.gelu(x, self.tanh)

    def gradient(self, dy: Array, x: Array) -> Array:
        """dx = dy (P + x p), with the density p."""
        return ops.gelu_backward(dy, x, self.tanh)

    def describe(self) -> str:
        """Which of the two."""
        return "tanh" if self.tanh else ""


class Erf(HostLayer):
    """y = erf(x), 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    Inputs of any shape; the output has the same.

    >>> pl.nn.Erf().forward(np.array([[-1.0, 3.0]])).round(4).tolist()
    [[-0.8427, 1.0]]
    """

    def apply(self, x: Array) -> tuple[Array, Any]:
        """From the real line to (-1, 1)."""
        return erf(x), x

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """dx = dy 2 exp(-x^2) / sqrt(pi)."""
        dx: Array = dy * (2 / math.sqrt(math.pi) * np.exp(-kept * kept))
        return dx


class HardSigmoid(_Activation):
    """y = min(max(alpha x + beta, 0), 1).

    Inputs of any shape; the output has the same.

    >>> pl.nn.HardSigmoid().forward(np.array([[-4.0, 0.0, 1.5]])).tolist()
    [[0.0, 0.5, 0.75]]
    """

    def __init__(self, alpha: float = 1 / 6, beta: float = 0.5) -> None:
        self.alpha, self.beta = float(alpha), float(beta)

    def value(self, x: Array) -> Array:
        """Straight pieces."""
        return ops.hard_sigmoid(x, self.alpha, self.beta)

    def gradient(self, dy: Array, x: Array) -> Array:
        """dx = alpha dy between the bounds."""
        return ops.hard_sigmoid_backward(dy, x, self.alpha, self.beta)

    def pattern(self) -> Array | None:
        """Which piece each element is on."""
        line = self.alpha * self.seen() + self.beta
        piece: Array = (line > 0).astype(np.int8) + (line >= 1)
        return piece

    def describe(self) -> str:
        """The line."""
        return f"{self.alpha:g} x + {self.beta:g}"


class HardSwish(_Activation):
    """y = x min(max(x / 6 + 1/2, 0), 1) (Howard et al. 2019, MobileNetV3).

    Inputs of any shape; the output has the same.

    >>> pl.nn.HardSwish().forward(np.array([[-1.5, 1.5, 6.0]])).tolist()
    [[-0.375, 1.125, 6.0]]
    """

    def value(self, x: Array) -> Array:
        """SiLU with straight pieces for the sigmoid."""
        return ops.hard_swish(x)

    def gradient(self, dy: Array, x: Array) -> Array:
        """dx = dy, times 0, x / 3 + 1/2 or 1."""
        return ops.hard_swish_backward(dy, x)

    def pattern(self) -> Array | None:
        """Which piece each element is on."""
        piece: Array = (self.seen() > -3).astype(np.int8) + (self.seen() >= 3)
        return piece


class PReLU(HostLayer):
    """y = x where x > 0, else weight * x, with a slope that is learnt (He et al. 2015).

    shape: of the weight, broadcast to each sample; by default one number a channel.

    Inputs of any shape; the output has the same. Raises PellucidError where the slopes don't fit the sample.

    >>> pl.Network(pl.nn.PReLU(), (2,)).forward(np.array([[-2.0, 3.0]], np.float32)).tolist()
    [[-0.5, 3.0]]
    """

    def __init__(self, shape: tuple[int, ...] | None = None) -> None:
        self.shape = None if shape is None else tuple(shape)
        self.weight: Parameter | None = None

    def build(self, input_shape: Shape) -> Shape:
        """One slope a channel, unless a shape was given."""
        if self.weight is None:
            shape = (input_shape[0], *(1 for _ in input_shape[1:])) if self.shape is None else self.shape
            self.weight = Parameter(shape, Filled(0.25))
        return self.output_shape(input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """As the input, to which the slopes have to fit."""
        if self.weight is not None:
            shape = self.weight.shape
            last = input_shape[len(input_shape) - len(shape) :] if shape else ()
            if len(shape) > len(input_shape) or any(a not in {1, b} for a, b in zip(shape, last, strict=True)):
                raise self.error(f"a sample to which {shape} can be broadcast", f"shape {input_shape}")
        return input_shape

    def parameters(self) -> dict[str, Parameter]:
        """The slopes."""
        return {} if self.weight is None else {"weight": self.weight}

    def _slopes(self) -> Array:
        if self.weight is None:
            raise self.error("to be built before use", "a layer without parameters")
        return wide(self.weight.value)

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Negative elements pass, each by its slope."""
        return np.where(x > 0, x, x * self._slopes()), x

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """The same factors; a slope's gradient is the sum of dy x over what it scaled."""
        slopes = self._slopes()
        give_gradient(self.weight, summed_to(np.where(kept > 0, 0, dy * kept), slopes.shape))
        return np.where(kept > 0, dy, dy * slopes)

    def pattern(self) -> Array | None:
        """Which elements passed whole."""
        return np.asarray(self.kept > 0)
