"""Quantisation-aware training: layers that round as the integer network will, and let gradients through.

Rounding has no useful derivative, so the gradient passes as if nothing had been rounded (Bengio et al. 2013,
"straight-through"; Jacob et al. 2018, section 3), except where a value was clipped: there it is 0.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.graph.fold import Affine, filters, weight_of
from pellucid.layers import INFERENCE, Context, Layer, Parameter, Window
from pellucid.layers.initializers import Constant
from pellucid.ops.arrays import Array, Pair, Shape
from pellucid.plan.scale import Scale
from pellucid.plan.weight_levels import checked_bits, nearest_levels, plain_steps

MOMENTUM = 0.02  # weight of the newest batch in the running range of an activation


class RoundedWeights(Layer):
    """A convolution or affine layer that computes with weights of `bits` bits and learns them in full precision.

    The weights are rounded on the host, whatever the backend.
    """

    on_host = True

    def __init__(self, inner: Affine, bits: int) -> None:
        self.inner, self.bits = inner, checked_bits(bits)
        self.sees_all = inner.sees_all

    def build(self, input_shape: Shape) -> Shape:
        """As the layer itself."""
        self.inner.name = self.name
        return self.inner.build(input_shape)

    def parameters(self) -> dict[str, Parameter]:
        """Those of the layer itself."""
        return self.inner.parameters()

    def output_shape(self, input_shape: Shape) -> Shape:
        """As the layer itself."""
        return self.inner.output_shape(input_shape)

    def levels(self) -> tuple[Array, Array]:
        """The weights of each output as (levels (K, ...) int8, step of each filter)."""
        weight = ops.host(filters(self.inner))
        steps = plain_steps(weight, self.bits)
        return nearest_levels(weight, steps, self.bits), steps

    def answering(self) -> Layer:
        """The layer itself with the rounded weights."""
        weight, twin = self.inner.built_weight, copy.copy(self.inner)
        twin.weight = Parameter(weight.shape, weight.initializer, weight.trained, value=self.rounded_weight())
        return twin

    def rounded_weight(self) -> Array:
        """The weights that it computes with, in the layer's own order."""
        return self._value(*self.levels(), self.inner.built_weight.value.dtype)

    def _value(self, levels: Array, steps: Array, dtype: np.dtype[Any]) -> Array:
        """The weights of those levels."""
        value = weight_of(self.inner, levels.astype(dtype) * np.expand_dims(steps, tuple(range(1, levels.ndim))))
        on_backend: Array = ops.array(value.astype(dtype, copy=False))
        return on_backend

    @contextmanager
    def _rounded(self, value: Array) -> Iterator[None]:
        """Within the block the layer's weight is the given one."""
        weight = self.inner.built_weight
        exact, weight.value = weight.value, value
        try:
            yield
        finally:
            weight.value = exact

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """With the rounded weights."""
        value = self._value(*self.levels(), x.dtype)
        if context.keep:
            self.value = value
        with self._rounded(value):
            return self.inner.forward(x, context)

    def backward(self, dy: Array) -> Array:
        """The gradient of the rounded weights is taken for that of the weights."""
        self.inner.input_gradient = self.input_gradient
        with self._rounded(self.value):
            return self.inner.backward(dy)

    @property
    def window(self) -> Window:
        """That of the layer itself."""
        return self.inner.window

    def window_for(self, size: Pair) -> Window:
        """That of the layer itself."""
        return self.inner.window_for(size)

    def multiply_adds(self, input_shape: Shape) -> int:
        """As the layer itself."""
        return self.inner.multiply_adds(input_shape)

    def describe(self) -> str:
        """The layer and the bits."""
        return f"{self.inner!r}, {self.bits} bits"


class Rounding(Layer):
    """Rounds activations to the 256 values of an 8-bit scale whose range follows that of the batches.

    The range is found on the host, whatever the backend.
    """

    on_host = True

    inside: Array | None = None
    """Where the last pass clipped nothing; None where it rounded nothing."""

    def build(self, input_shape: Shape) -> Shape:
        """One range for the whole tensor."""
        if not hasattr(self, "range"):
            self.range = Parameter((2,), Constant(0), trained=False)
        return input_shape

    def parameters(self) -> dict[str, Parameter]:
        """Lowest and highest value."""
        return {"range": self.range} if hasattr(self, "range") else {}

    @property
    def scale(self) -> Scale:
        """The scale of the running range."""
        low, high = ops.host(self.range.value)
        return Scale.of_range(float(low), float(high))

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """The nearest value of the scale; nothing is rounded while no batch has been seen."""
        if context.training:
            self._follow(x, context)
        if not ops.host(self.range.value).any():
            self.inside = None
            return x
        y, inside = ops.round_to_scale(x, self.scale.step, self.scale.zero)
        if context.keep:
            self.inside = inside
        return y

    def _follow(self, x: Array, context: Context) -> None:
        """Move the range towards the batch's."""
        values = ops.host(x)
        seen = np.array([values.min(initial=0), values.max(initial=0), 1], np.float64)
        if context.all_reduce is not None:
            seen = context.all_reduce(seen)
        seen = seen[:2] / seen[2]
        before = ops.host(self.range.value)
        self.range.value[...] = before + (1.0 if not before.any() else MOMENTUM) * (seen - before)

    def backward(self, dy: Array) -> Array:
        """Through, where nothing was clipped."""
        return dy if self.inside is None else ops.dropout(dy, self.inside, 0)

    def describe(self) -> str:
        """The bits."""
        return "8 bits"
