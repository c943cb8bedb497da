"""The affine layer."""

from pellucid import ops
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.initializers import Constant, weight_initializer
from pellucid.ops.arrays import Array, Shape


class Linear(Layer):
    """y = W x + b for feature vectors x (F,): (features,). weight: (features, F), bias: (features,).

    A weight given here is shared with another layer.

    Raises PellucidError for images (put Flatten before it), and for another number of features than it was built for.

    >>> pl.Network(pl.nn.Linear(10), (64,)).output_shape
    (10,)
    """

    sees_all = True
    keeps = ("x",)

    def __init__(
        self, features: int, *, bias: bool = True, initial: str = "he", weight: Parameter | None = None
    ) -> None:
        features = self.whole("features", features)
        self.features, self.bias_wanted, self.initial = features, bias, initial
        if features < 1:
            raise self.error("at least 1 feature", features)
        self.weight = weight
        self.bias: Parameter | None = None

    def build(self, input_shape: Shape) -> Shape:
        """Fix the number of input features."""
        output_shape, F = self.output_shape(input_shape), input_shape[0]
        if self.weight is None:
            self.weight = Parameter((self.features, F), weight_initializer(self.initial, F))
        elif self.weight.shape != (self.features, F):
            raise self.error(f"a weight of shape {(self.features, F)}", self.weight.shape)
        if self.bias is None and self.bias_wanted:
            self.bias = Parameter((self.features,), Constant(0))
        return output_shape

    def parameters(self) -> dict[str, Parameter]:
        """Weight and, unless switched off, bias."""
        found = {"weight": self.weight, "bias": self.bias}
        return {name: parameter for name, parameter in found.items() if parameter is not None}

    def output_shape(self, input_shape: Shape) -> Shape:
        """(features,)."""
        if len(input_shape) != 1:
            raise self.error("feature vectors (put Flatten before it)", f"shape {input_shape}")
        if self.weight is not None and input_shape[0] != self.weight.shape[1]:
            raise self.error(f"{self.weight.shape[1]} features", input_shape[0])
        return (self.features,)

    @property
    def built_weight(self) -> Parameter:
        """The weight; an error before the layer is built."""
        if self.weight is None:
            raise self.error("to be built before use", "a layer without parameters")
        return self.weight

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """y = x W^T + b."""
        self.check(x)
        if context.keep:
            self.x = x
        return ops.linear(x, self.built_weight.value, self.bias.value if self.bias is not None else None)

    def backward(self, dy: Array) -> Array:
        """dW = dy^T x, db = sum of dy, dx = dy W. Only the last where nothing learns."""
        weight, bias = self.built_weight, self.bias
        if not (weight.learns or (bias is not None and bias.learns)):
            return ops.linear(dy, weight.value.T) if self.input_gradient else ops.empty((0,), dy.dtype)
        db = bias.gradient if bias is not None else None
        return ops.linear_backward(dy, self.x, weight.value, weight.gradient, db, self.input_gradient)

    def multiply_adds(self, input_shape: Shape) -> int:
        """One per weight."""
        return self.built_weight.size

    def describe(self) -> str:
        """Number of features."""
        return str(self.features)
