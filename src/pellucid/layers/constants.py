"""Layers that put numbers of their own to each sample: factors, offsets, or nothing but these numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.layers.base import Parameter
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.host import HostLayer, back, give_gradient, wide
from pellucid.layers.initializers import Constant as Filled
from pellucid.layers.joins import Join
from pellucid.ops.arrays import Array, Shape


def summed_to(dy: Array, shape: Shape) -> Array:
    """Adjoint of broadcasting numbers of that shape to a batch: dy (N, ...) summed where they were repeated."""
    lead = dy.ndim - len(shape)
    total = dy.sum(axis=tuple(range(lead)))
    repeated = tuple(axis for axis, size in enumerate(shape) if size == 1 and total.shape[axis] != 1)
    result: Array = total.sum(axis=repeated, keepdims=True) if repeated else total
    return result


class _Numbers(HostLayer):
    """One tensor beside the input, broadcast to each sample.

    shape: of the tensor; its axes are the sample's last, and 1 where it counts for all. trained: whether it learns.
    """

    start = 0.0

    def __init__(self, shape: Sequence[int], *, trained: bool = True) -> None:
        self.shape, self.trained = tuple(shape), trained
        self.numbers: Parameter | None = None

    def build(self, input_shape: Shape) -> Shape:
        """Create the tensor."""
        if self.numbers is None:
            self.numbers = Parameter(self.shape, Filled(self.start), trained=self.trained)
        self.on_host = len(input_shape) != 3 or self.shape != (input_shape[0], 1, 1)  # else the backend's, by channel
        return self.output_shape(input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """As the input, to which the tensor has to fit."""
        last = input_shape[len(input_shape) - len(self.shape) :] if self.shape else ()
        fits = len(self.shape) <= len(input_shape) and all(a in {1, b} for a, b in zip(self.shape, last, strict=True))
        if not fits:
            raise self.error(f"a sample to which {self.shape} can be broadcast", f"shape {input_shape}")
        return input_shape

    def tie(self, name: str, parameter: Parameter) -> None:
        """The tensor is the only parameter."""
        self.numbers = parameter

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """One number a channel: by the backend, else as a host layer does."""
        if self.on_host:
            return super().forward(x, context)
        self.check(x)
        if context.keep:
            self.kept = x
        return self.by_channel(x)

    def backward(self, dy: Array) -> Array:
        """Likewise."""
        return super().backward(dy) if self.on_host else self.adjoint_by_channel(dy, self.kept)

    def by_channel(self, x: Array) -> Array:
        """Images with one number a channel put to them."""
        raise NotImplementedError

    def adjoint_by_channel(self, dy: Array, x: Array) -> Array:
        """dx, and the gradient of the numbers written."""
        raise NotImplementedError

    def vector(self) -> Array:
        """One number a channel."""
        assert self.numbers is not None
        return self.numbers.value.reshape(-1)

    def values(self) -> Array:
        """The tensor, in at least 32 bits."""
        if self.numbers is None:
            raise self.error("to be built before use", "a layer without parameters")
        return wide(self.numbers.value)

    def describe(self) -> str:
        """The tensor's shape."""
        return "x".join(map(str, self.shape)) or "one number"


class Scale(_Numbers):
    """y = x * weight, the weight broadcast to each sample: of shape (C, 1, 1) a factor a channel.

    Inputs of any shape that the weight can be broadcast to; the output has the same. Raises PellucidError for others.

    >>> net = pl.Network(pl.nn.Scale((2,)), (2,))
    >>> net.parameters["weight"].value[...] = 10, 0.5
    >>> net.forward(np.array([[1.0, 2.0]], np.float32)).tolist()
    [[10.0, 1.0]]
    """

    start = 1.0

    def parameters(self) -> dict[str, Parameter]:
        """The factors."""
        return {} if self.numbers is None else {"weight": self.numbers}

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Each element times its factor."""
        return x * self.values(), x

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """dx = dy * weight."""
        give_gradient(self.numbers, summed_to(dy * kept, self.shape))
        dx: Array = dy * self.values()
        return dx

    def by_channel(self, x: Array) -> Array:
        """a x + 0."""
        a = self.vector()
        y: Array = ops.channel_affine(x, a, ops.zeros(a.shape, a.dtype))
        return y

    def adjoint_by_channel(self, dy: Array, x: Array) -> Array:
        """dx = a dy; of a, the sum of dy x over images and pixels."""
        give_gradient(self.numbers, ops.channel_dot(dy, x))
        return self.by_channel(dy)


class Shift(_Numbers):
    """y = x + bias, the bias broadcast to each sample: of shape (C, 1, 1) an offset a channel.

    Inputs of any shape that the bias can be broadcast to; the output has the same. Raises PellucidError for others.

    >>> net = pl.Network(pl.nn.Shift((2,)), (2,))
    >>> net.parameters["bias"].value[...] = 10, -1
    >>> net.forward(np.array([[1.0, 2.0]], np.float32)).tolist()
    [[11.0, 1.0]]
    """

    def parameters(self) -> dict[str, Parameter]:
        """The offsets."""
        return {} if self.numbers is None else {"bias": self.numbers}

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Each element plus its offset."""
        return x + self.values(), None

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """dx = dy."""
        give_gradient(self.numbers, summed_to(dy, self.shape))
        return dy

    def by_channel(self, x: Array) -> Array:
        """1 x + b."""
        b = self.vector()
        ones = ops.empty(b.shape, b.dtype)
        ones[...] = 1
        y: Array = ops.channel_affine(x, ones, b)
        return y

    def adjoint_by_channel(self, dy: Array, x: Array) -> Array:
        """dx = dy; of b, the sum of dy over images and pixels."""
        give_gradient(self.numbers, ops.channel_sum(dy))
        return dy


class Constant(Join):
    """The same numbers (`shape`) for each sample. Of its input only the number of samples counts.

    An input of any shape; the output has its own.

    >>> net = pl.Network(pl.nn.Branches(pl.nn.Identity(), pl.nn.Constant((2,)), join=pl.nn.Add()), (2,))
    >>> net.parameters["1.value"].value[...] = 10, 20
    >>> net.forward(np.array([[1.0, 2.0]], np.float32)).tolist()
    [[11.0, 22.0]]
    """

    on_host = True
    shape_only = (0,)
    keeps = ("seen",)

    def __init__(self, shape: Sequence[int], *, trained: bool = True) -> None:
        self.shape, self.trained = tuple(shape), trained
        self.numbers: Parameter | None = None

    def parameters(self) -> dict[str, Parameter]:
        """The numbers."""
        return {} if self.numbers is None else {"value": self.numbers}

    def build(self, input_shapes: Sequence[Shape]) -> Shape:  # type: ignore[override]
        """Create them."""
        if self.numbers is None:
            self.numbers = Parameter(self.shape, Filled(0), trained=self.trained)
        return self.shape

    def output_shape(self, input_shapes: Sequence[Shape]) -> Shape:  # type: ignore[override]
        """Their own."""
        return self.shape

    def tie(self, name: str, parameter: Parameter) -> None:
        """The numbers are the only parameter."""
        self.numbers = parameter

    def forward(self, xs: Sequence[Array], context: Context = INFERENCE) -> Array:  # type: ignore[override]
        """The numbers, once for each sample."""
        if self.numbers is None:
            raise self.error("to be built before use", "a layer without parameters")
        value = self.numbers.value
        return back(np.repeat(wide(value)[None], xs[0].shape[0], axis=0), value.dtype)

    def backward(self, dy: Array) -> list[Array | None]:  # type: ignore[override]
        """Their gradient is the sum over the samples; the input gets none."""
        give_gradient(self.numbers, wide(dy).sum(axis=0))
        return [None]

    def describe(self) -> str:
        """The shape."""
        return "x".join(map(str, self.shape)) or "one number"
