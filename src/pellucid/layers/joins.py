"""Layers of several inputs: forward takes a list of arrays, backward gives one gradient for each."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid import ops
from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.ops.arrays import Array, Shape


class Join(Layer):
    """A layer of several inputs. Where `shape_only` names one, only its height and width matter to the layer."""

    shape_only: tuple[int, ...] = ()
    """Positions of inputs whose values don't count, and whose gradient is None."""

    def build(self, input_shapes: Sequence[Shape]) -> Shape:  # type: ignore[override]
        """Fix what follows from the shapes of the inputs; the output's shape."""
        return self.output_shape(input_shapes)

    def output_shape(self, input_shapes: Sequence[Shape]) -> Shape:  # type: ignore[override]
        """Shape of one sample's output, from those of its inputs. Raises PellucidError where they don't fit."""
        raise NotImplementedError

    def forward(self, xs: Sequence[Array], context: Context = INFERENCE) -> Array:  # type: ignore[override]
        """The output for a batch of each input."""
        raise NotImplementedError

    def backward(self, dy: Array) -> list[Array | None]:  # type: ignore[override]
        """From the gradient of the output to that of each input; None for one that gets none."""
        raise NotImplementedError


class _Elementwise(Join):
    """Inputs of one shape; an image of one pixel, (C, 1, 1), counts for every pixel of the others."""

    keeps = ("shapes",)

    def output_shape(self, input_shapes: Sequence[Shape]) -> Shape:  # type: ignore[override]
        """The largest of the inputs' shapes."""
        if not input_shapes:
            raise self.error("at least one input", "none")
        largest = max(input_shapes, key=lambda shape: (len(shape), shape[1:]))
        for shape in input_shapes:
            if shape not in (largest, (largest[0], 1, 1)[: len(largest)]):
                raise self.error("inputs of one shape", " and ".join(map(str, input_shapes)))
        return largest

    def _largest_first(self, xs: Sequence[Array]) -> list[int]:
        """Positions of the inputs, the largest first, so that the others are broadcast to it."""
        return sorted(range(len(xs)), key=lambda i: -xs[i].size)


class Add(_Elementwise):
    """The sum of its inputs; an input (N, C, 1, 1) is added to every pixel.

    Raises PellucidError for inputs of other shapes.

    >>> bottom = pl.nn.Branches(pl.nn.Conv2d(4, 1), pl.nn.Conv2d(4, 1), join=pl.nn.Add())
    >>> pl.Network(bottom, (3, 8, 8)).output_shape
    (4, 8, 8)
    """

    def forward(self, xs: Sequence[Array], context: Context = INFERENCE) -> Array:  # type: ignore[override]
        """y = x0 + x1 + ..."""
        if context.keep:
            self.shapes = [x.shape for x in xs]
        first, *others = self._largest_first(xs)
        y = xs[first]
        for i in others:
            y = ops.add(y, xs[i])
        return y

    def backward(self, dy: Array) -> list[Array | None]:  # type: ignore[override]
        """Each input gets the whole gradient, summed over the pixels where it was broadcast."""
        return [dy if dy.shape == shape else ops.unbroadcast(dy, shape) for shape in self.shapes]


class Multiply(_Elementwise):
    """The product of its inputs, element by element; an input (N, C, 1, 1) scales every pixel of its channel.

    Raises PellucidError for inputs of other shapes.

    >>> gate = pl.nn.Branches(pl.nn.Identity(), pl.nn.Sigmoid(), join=pl.nn.Multiply())
    >>> pl.Network(gate, (3, 8, 8)).output_shape
    (3, 8, 8)
    """

    keeps = ("xs",)

    def forward(self, xs: Sequence[Array], context: Context = INFERENCE) -> Array:  # type: ignore[override]
        """y = x0 x1 ..."""
        if context.keep:
            self.xs = list(xs)
        return self._product(xs)

    def backward(self, dy: Array) -> list[Array | None]:  # type: ignore[override]
        """Each input gets the gradient times the product of the others."""
        gradients: list[Array | None] = []
        for i, x in enumerate(self.xs):
            part = self._product([dy, *self.xs[:i], *self.xs[i + 1 :]])
            gradients.append(part if part.shape == x.shape else ops.unbroadcast(part, x.shape))
        return gradients

    def _product(self, xs: Sequence[Array]) -> Array:
        first, *others = self._largest_first(xs)
        y = xs[first]
        for i in others:
            y = ops.multiply(y, xs[i])
        return y


class Concat(Join):
    """The channels of all its inputs side by side: of images of one height and width, or of feature vectors."""

    keeps = ("channels",)

    def output_shape(self, input_shapes: Sequence[Shape]) -> Shape:  # type: ignore[override]
        """Channels added up."""
        if len({shape[1:] for shape in input_shapes}) != 1:
            raise self.error("inputs of one height and width", " and ".join(map(str, input_shapes)) or "none")
        return sum(shape[0] for shape in input_shapes), *input_shapes[0][1:]

    def forward(self, xs: Sequence[Array], context: Context = INFERENCE) -> Array:  # type: ignore[override]
        """One behind the other along the channels."""
        if context.keep:
            self.channels = tuple(x.shape[1] for x in xs)
        return ops.concat(*xs)

    def backward(self, dy: Array) -> list[Array | None]:  # type: ignore[override]
        """Each input gets the gradient of its channels."""
        return list(ops.split(dy, self.channels))
