"""Fusion: adjacent layers rewritten as one op, to save passes over memory.

    Conv2d, ReLU, MaxPool2d(2)  ->  one convolution whose output never meets memory unpooled
    Conv2d, ReLU                ->  one convolution
    Linear, ReLU                ->  one affine layer

`fuse` returns another tree over the same parameters; the network as written is untouched, and a network runs
it instead unless told not to (`Network(..., fuse=False)`). Nobody writes these layers by hand.
"""

import copy

from pellucid import ops
from pellucid.layers.activation import ReLU
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.containers import Branches, Identity, Sequential
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.convolution import Conv2d
from pellucid.layers.linear import Linear
from pellucid.layers.pooling import MaxPool2d
from pellucid.layers.resize import Upsampled
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


def _is_plain_pool(layer: Layer) -> bool:
    if not isinstance(layer, MaxPool2d):
        return False
    return layer.kernel == (2, 2) and layer.geometry == Geometry(stride=(2, 2)) and not layer.ceil


def fuse(layer: Layer) -> Layer:
    """The same function over the same parameters, with adjacent layers joined where an op does both."""
    if isinstance(layer, Sequential):
        return _fuse_sequence(layer)
    if isinstance(layer, Branches):
        twin = object.__new__(type(layer))
        twin.__dict__.update(layer.__dict__)
        twin.branches = [fuse(branch) for branch in layer.branches]
        return twin
    if isinstance(layer, Upsampled):
        grown = copy.copy(layer)
        grown.body = fuse(layer.body)
        return grown
    return layer


def _fuse_sequence(sequence: Sequential) -> Sequential:
    layers, names, position = [], [], 0
    given = [(name, layer) for name, layer in sequence.children().items() if type(layer) is not Identity]
    while position < len(given):
        joined, used = _join([layer for _, layer in given[position : position + 3]])
        layers.append(joined)
        names.append(given[position][0])
        position += used
    fused = Sequential(*layers, names=tuple(names))
    fused.name = sequence.name
    return fused


def _join(ahead: list[Layer]) -> tuple[Layer, int]:
    """The op for the layers ahead, and how many of them it takes."""
    first, followed = ahead[0], len(ahead) > 1 and isinstance(ahead[1], ReLU)
    if followed and isinstance(first, Conv2d):
        if len(ahead) > 2 and _is_plain_pool(ahead[2]):
            return ConvReLUMaxPool(first, ahead), 3
        return ConvReLU(first, ahead[:2]), 2
    if followed and isinstance(first, Linear):
        return LinearReLU(first, ahead[:2]), 2
    return fuse(first), 1
