"""Layers that stand for several, each one pass over memory; `graph.fuse` makes them, nobody writes them by hand."""

import copy
import math
from collections.abc import Sequence

from pellucid import ops
from pellucid.layers.activation import Clip, ReLU
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.convolution import Conv2d
from pellucid.layers.joins import Add, Join
from pellucid.layers.linear import Linear
from pellucid.layers.normalization import BatchNorm2d
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.geometry import Geometry


class _Fused(Layer):
    """A layer with parameters, and what follows it."""

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers
        self.name = layers[0].name

    def parameters(self) -> dict[str, Parameter]:
        """Those of the layer that has some."""
        return self.layers[0].parameters()

    def output_shape(self, input_shape: Shape) -> Shape:
        """That of the last."""
        for layer in self.layers:
            input_shape = layer.output_shape(input_shape)
        return input_shape

    def describe(self) -> str:
        """The layers it stands for."""
        return " + ".join(map(repr, self.layers))


class ConvReLU(_Fused):
    """Conv2d and ReLU, in one pass."""

    keeps: tuple[str, ...] = ("x", "y")

    def __init__(self, conv: Conv2d, layers: list[Layer]) -> None:
        super().__init__(layers)
        self.conv = conv

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """relu(x * w + b)."""
        conv = self.conv
        conv.check(x)
        y = ops.conv2d_relu(x, *self._weights(), conv.geometry_for((x.shape[2], x.shape[3])))
        if context.keep:
            self.x, self.y = x, y
        return y

    def backward(self, dy: Array) -> Array:
        """Mask, then the two adjoints."""
        return ops.conv2d_relu_backward(dy, self.y, self.x, *self._gradients())

    def _weights(self) -> tuple[Array, Array | None]:
        conv = self.conv
        return conv.built_weight.value, conv.bias.value if conv.bias is not None else None

    def _gradients(self) -> tuple[Array, Array, Array | None, Geometry, bool]:
        conv = self.conv
        db = conv.bias.gradient if conv.bias is not None else None
        geometry = conv.geometry_for((self.x.shape[2], self.x.shape[3]))
        return conv.built_weight.value, conv.built_weight.gradient, db, geometry, self.input_gradient


class ConvReLUMaxPool(ConvReLU):
    """Conv2d, ReLU and 2x2 MaxPool2d, in one pass."""

    keeps = ("x", "y", "winner", "convolved")

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The pooled output, and which place of each window won."""
        conv = self.conv
        conv.check(x)
        geometry = conv.geometry_for((x.shape[2], x.shape[3]))
        y, winner = ops.conv2d_relu_max_pool2d(x, *self._weights(), geometry)
        if context.keep:
            _, P, Q = conv.output_shape(x.shape[1:])
            self.x, self.y, self.winner, self.convolved = x, y, winner, (P, Q)
        return y

    def backward(self, dy: Array) -> Array:
        """Mask on the small side of the pool, spread to the winners, then the two adjoints."""
        return ops.conv2d_relu_max_pool2d_backward(
            dy, self.y, self.winner, self.convolved, self.x, *self._gradients()
        )


class LinearReLU(_Fused):
    """Linear and ReLU, in one pass."""

    keeps = ("x", "y")

    def __init__(self, linear: Linear, layers: list[Layer]) -> None:
        super().__init__(layers)
        self.linear = linear

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """relu(x W^T + b)."""
        linear = self.linear
        linear.check(x)
        y = ops.linear_relu(x, linear.built_weight.value, linear.bias.value if linear.bias is not None else None)
        if context.keep:
            self.x, self.y = x, y
        return y

    def backward(self, dy: Array) -> Array:
        """Mask, then the affine layer's backward."""
        weight, bias = self.linear.built_weight, self.linear.bias
        db = bias.gradient if bias is not None else None
        return ops.linear_relu_backward(dy, self.y, self.x, weight.value, weight.gradient, db, self.input_gradient)


def bounds(activation: Layer) -> tuple[float, float]:
    """Between which values a ReLU or Clip lets pass."""
    if isinstance(activation, Clip):
        return activation.low, activation.high
    return 0.0, math.inf


class BatchNormClip(_Fused):
    """BatchNorm2d and ReLU or ReLU6, in one pass."""

    keeps = ()

    def __init__(self, norm: BatchNorm2d, layers: list[Layer]) -> None:
        super().__init__(layers)
        self.norm = copy.copy(norm)  # the same parameters; what it keeps is of this place
        self.bounds = bounds(layers[-1])

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Normalise and clip."""
        return self.norm.normalised(x, context, None, *self.bounds)

    def backward(self, dy: Array) -> Array:
        """What lay between the bounds is found again from x, which the norm keeps."""
        return self.norm.gradient(dy, *self.bounds)

    def forget(self) -> None:
        """What the norm keeps."""
        self.norm.forget()


class BatchNormAdd(Join, _Fused):
    """BatchNorm2d, Add of something else and, where one follows, ReLU, in one pass. Inputs: the norm's, the other."""

    keeps = ("y",)

    def __init__(self, norm: BatchNorm2d, layers: list[Layer]) -> None:
        _Fused.__init__(self, layers)
        self.norm = copy.copy(norm)
        self.bounds = bounds(layers[-1]) if isinstance(layers[-1], ReLU) else (-math.inf, math.inf)

    def output_shape(self, input_shapes: Sequence[Shape]) -> Shape:  # type: ignore[override]
        """The same as the inputs'."""
        shape: Shape = Add().output_shape([self.norm.output_shape(input_shapes[0]), input_shapes[1]])
        return shape

    def forward(self, xs: Sequence[Array], context: Context = INFERENCE) -> Array:  # type: ignore[override]
        """Normalise the first, add the second, clip."""
        x, added = xs
        y = self.norm.normalised(x, context, added, *self.bounds)
        if context.keep:
            self.y = y
        return y

    def backward(self, dy: Array) -> list[Array | None]:  # type: ignore[override]
        """Mask, which is the gradient of the second, then the norm's backward."""
        dz = dy if math.isinf(self.bounds[0]) else ops.relu_backward(dy, self.y)
        return [self.norm.gradient(dz), dz]

    def forget(self) -> None:
        """What the norm keeps too."""
        super().forget()
        self.norm.forget()
