"""Containers: layers made of layers. They are layers too, so a network with skips needs nothing more."""

import numpy as np

from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.memory import empty_images


class Sequential(Layer):
    """One layer after the other."""

    def __init__(self, *layers: Layer, names: tuple[str, ...] | None = None) -> None:
        self.layers = list(layers)
        self.names = [str(i) for i in range(len(layers))] if names is None else list(names)

    def children(self) -> dict[str, Layer]:
        """By position."""
        return dict(zip(self.names, self.layers, strict=True))

    def children_inputs(self, input_shape: Shape) -> list[Shape]:
        """What the one before it gives."""
        shapes = [input_shape]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1]))
        return shapes[:-1]

    def build(self, input_shape: Shape) -> Shape:
        """Each is built for what the one before it gives."""
        for layer in self.layers:
            input_shape = layer.build(input_shape)
        return input_shape

    def output_shape(self, input_shape: Shape) -> Shape:
        """What the last one gives."""
        for layer in self.layers:
            input_shape = layer.output_shape(input_shape)
        return input_shape

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """From first to last."""
        for layer in self.layers:
            x = layer.forward(x, context)
            if context.watch is not None:
                context.watch(layer, x)
        return x

    def backward(self, dy: Array) -> Array:
        """From last to first."""
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy


class Identity(Layer):
    """Y = x."""

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The input."""
        return x

    def backward(self, dy: Array) -> Array:
        """The gradient."""
        return dy


class Branches(Layer):
    """Several layers that see the same input."""

    def __init__(self, *branches: Layer, names: tuple[str, ...] | None = None) -> None:
        self.branches = list(branches)
        self.names = [str(i) for i in range(len(branches))] if names is None else list(names)
        if not branches:
            raise self.error("at least one branch", "none")

    def children(self) -> dict[str, Layer]:
        """By position."""
        return dict(zip(self.names, self.branches, strict=True))

    def children_inputs(self, input_shape: Shape) -> list[Shape]:
        """The same for all."""
        return [input_shape] * len(self.branches)

    def build(self, input_shape: Shape) -> Shape:
        """Each is built for the same input."""
        for branch in self.branches:
            branch.build(input_shape)
        return self.output_shape(input_shape)

    def _forward(self, x: Array, context: Context) -> list[Array]:
        outputs = []
        for branch in self.branches:
            outputs.append(branch.forward(x, context))
            if context.watch is not None:
                context.watch(branch, outputs[-1])
        return outputs

    def _backward(self, gradients: list[Array]) -> Array:
        """The input's gradient is the sum of what the branches say."""
        total: Array | None = None
        for branch, gradient in zip(self.branches, gradients, strict=True):
            dx = branch.backward(gradient)
            total = dx if total is None else _added(total, dx)
        return np.empty(0) if total is None else total


def _added(x: Array, y: Array) -> Array:
    """X + y; images channels last, in memory from the pool."""
    if x.ndim != 4:
        return x + y
    total = empty_images((x.shape[0], x.shape[1], x.shape[2], x.shape[3]), x.dtype)
    return np.add(x, y, out=total)


class Sum(Branches):
    """The sum of what the branches give: they must give the same shape."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """That of each branch."""
        shapes = [branch.output_shape(input_shape) for branch in self.branches]
        if len(set(shapes)) > 1:
            raise self.error("branches of one shape", " and ".join(map(str, shapes)))
        return shapes[0]

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Added up."""
        first, *others = self._forward(x, context)
        for other in others:
            first = _added(first, other)
        return first

    def backward(self, dy: Array) -> Array:
        """Each branch gets the whole gradient."""
        return self._backward([dy] * len(self.branches))


class Residual(Sum):
    """body(x) + shortcut(x), the shortcut x itself unless given (He et al. 2016, section 3.2)."""

    def __init__(self, body: Layer, shortcut: Layer | None = None) -> None:
        super().__init__(body, Identity() if shortcut is None else shortcut, names=("body", "shortcut"))


class Concat(Branches):
    """The channels of all branches, one branch after the other: they must give the same image size."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """Channels added up."""
        shapes = [self.image_shape(branch.output_shape(input_shape)) for branch in self.branches]
        if len({shape[1:] for shape in shapes}) > 1:
            raise self.error("branches of one height and width", " and ".join(map(str, shapes)))
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Side by side."""
        outputs = self._forward(x, context)
        if context.keep:
            self.channels = [y.shape[1] for y in outputs]
        rows = np.concatenate([y.transpose(0, 2, 3, 1) for y in outputs], axis=3)
        return rows.transpose(0, 3, 1, 2)

    def backward(self, dy: Array) -> Array:
        """Each branch gets the gradient of its channels."""
        ends = np.cumsum(self.channels)[:-1].tolist()
        return self._backward(np.split(dy, ends, axis=1))
