"""Normalisation of each sample by itself: by groups of channels, by its last axes, or by neighbouring channels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.constants import summed_to
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.host import HostLayer, back, give_gradient, wide
from pellucid.layers.initializers import Constant as Filled
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.half import is_half


class _Norm(Layer):
    """What norms of samples have in common: gamma and beta, and 16-bit floats widened to float32."""

    keeps: tuple[str, ...] = ("x", "mean", "inverse")

    weight: Parameter | None
    bias: Parameter | None

    def parameters(self) -> dict[str, Parameter]:
        """Gamma is called weight and beta bias, as in other layers."""
        found = {"weight": self.weight, "bias": self.bias}
        return {name: parameter for name, parameter in found.items() if parameter is not None}

    def normalised(self, x: Array, context: Context, op: Callable[..., Any], *settings: Any) -> Array:
        """What an op of the backend makes of x; the statistics are kept where they are needed."""
        if self.weight is None:
            raise self.error("to be built before use", "a layer without parameters")
        seen = _wide(x)
        y, mean, inverse = op(seen, self._vector(self.weight), self._vector(self.bias), *settings)
        if context.keep:
            self.x, self.mean, self.inverse = x, mean, inverse
        return _back(y, x.dtype)

    def gradient(self, dy: Array, x: Array, op: Callable[..., Any]) -> Array:
        """dx, and the gradients of gamma and beta written."""
        gamma = self._vector(self.weight)
        written = [ops.empty(gamma.shape, gamma.dtype) for _ in range(2)]
        dx: Array = op(_wide(dy), _wide(x), gamma, self.mean, self.inverse, *written)
        for parameter, new in zip((self.weight, self.bias), written, strict=True):
            if parameter is not None:
                self._learn(parameter, new)
        return _back(dx, dy.dtype)

    def _vector(self, parameter: Parameter | None) -> Array:
        """One number a channel, as the op takes them."""
        assert parameter is not None
        return _wide(parameter.value)

    def _learn(self, parameter: Parameter, gradient: Array) -> None:
        """Write a parameter's gradient."""
        parameter.set_gradient(_back(gradient, parameter.gradient.dtype))


def _wide(x: Array) -> Array:
    return ops.widen(x) if is_half(x.dtype) else x


def _back(y: Array, dtype: np.dtype[Any]) -> Array:
    return y if y.dtype == dtype else ops.narrow(y, dtype)


class GroupNorm(_Norm):
    """Channels in groups, each standardised over its channels and pixels, then gamma x + beta a channel.

    Wu, He 2018. weight, bias: (C,).

    Inputs (C, ...), such as images (C, H, W), C a multiple of the groups; the output has the same shape.
    Raises PellucidError for other channels.

    >>> net = pl.Network(pl.nn.GroupNorm(2), (4, 1, 1))
    >>> net.forward(np.array([1, 3, 10, 50], np.float32).reshape(1, 4, 1, 1)).reshape(4).round(2).tolist()
    [-1.0, 1.0, -1.0, 1.0]
    """

    by_parts = False  # mean and variance are the whole image's

    def __init__(self, groups: int, *, epsilon: float = 1e-5) -> None:
        self.groups, self.epsilon = groups, float(epsilon)
        if groups < 1:
            raise self.error("at least 1 group", groups)
        self.weight: Parameter | None = None
        self.bias: Parameter | None = None

    def build(self, input_shape: Shape) -> Shape:
        """One gamma and beta a channel."""
        if self.weight is None:
            self.weight = Parameter(input_shape[:1], Filled(1))
            self.bias = Parameter(input_shape[:1], Filled(0))
        return self.output_shape(input_shape)

    def groups_of(self, channels: int) -> int:
        """How many groups so many channels are divided into."""
        return self.groups

    def output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        if not input_shape or input_shape[0] % self.groups_of(input_shape[0]):
            raise self.error(f"channels in a multiple of {self.groups}", f"shape {input_shape}")
        return input_shape

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Standardised, then gamma and beta."""
        self.check(x)
        y = self.normalised(_images(x), context, ops.group_norm, self.groups_of(x.shape[1]), self.epsilon)
        return y if x.ndim == 4 else y.reshape(x.shape)

    def backward(self, dy: Array) -> Array:
        """The statistics depend on x too."""
        dx = self.gradient(_images(dy), self.x, ops.group_norm_backward)
        return dx if dy.ndim == 4 else dx.reshape(dy.shape)

    def describe(self) -> str:
        """The groups."""
        return f"{self.groups} groups"


class InstanceNorm2d(GroupNorm):
    """Each channel of each image standardised over its pixels, then gamma x + beta (Ulyanov et al. 2016).

    Images (C, H, W); the output has the same shape.

    >>> net = pl.Network(pl.nn.InstanceNorm2d(), (1, 1, 2))
    >>> net.forward(np.array([1, 3], np.float32).reshape(1, 1, 1, 2)).reshape(2).round(2).tolist()
    [-1.0, 1.0]
    """

    def __init__(self, *, epsilon: float = 1e-5) -> None:
        super().__init__(1, epsilon=epsilon)

    def groups_of(self, channels: int) -> int:
        """A group a channel."""
        return max(1, channels)

    def describe(self) -> str:
        """The name says it."""
        return ""


def _images(x: Array) -> Array:
    """(N, C, ...) as images."""
    return x if x.ndim == 4 else x.reshape(x.shape[0], x.shape[1], math.prod(x.shape[2:]), 1)


class LayerNorm2d(_Norm):
    """The channels of each pixel standardised, then gamma x + beta a channel (Liu et al. 2022, ConvNeXt).

    weight, bias: (C,). Images (C, H, W), or feature vectors (C,); the output has the same shape.
    Raises PellucidError for other channels.

    >>> net = pl.Network(pl.nn.LayerNorm2d(), (2, 1, 2))
    >>> net.forward(np.array([1, 10, 3, 50], np.float32).reshape(1, 2, 1, 2)).round(2).tolist()
    [[[[-1.0, -1.0]], [[1.0, 1.0]]]]
    """

    def __init__(self, *, epsilon: float = 1e-5) -> None:
        self.epsilon = float(epsilon)
        self.weight: Parameter | None = None
        self.bias: Parameter | None = None

    def build(self, input_shape: Shape) -> Shape:
        """One gamma and beta a channel."""
        if self.weight is None:
            self.weight = Parameter(input_shape[:1], Filled(1))
            self.bias = Parameter(input_shape[:1], Filled(0))
        return self.output_shape(input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        if len(input_shape) not in {1, 3}:
            raise self.error("samples (C, H, W) or (C,)", f"shape {input_shape}")
        if self.weight is not None and self.weight.shape != input_shape[:1]:
            raise self.error(f"{self.weight.shape[0]} channels", input_shape[0])
        return input_shape

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Standardised, then gamma and beta."""
        self.check(x)
        return self.normalised(x, context, ops.layer_norm, self.epsilon)

    def backward(self, dy: Array) -> Array:
        """The statistics depend on x too."""
        return self.gradient(dy, self.x, ops.layer_norm_backward)


class LayerNorm(_Norm):
    """Each sample standardised over its last axes, then gamma x + beta (Ba, Kiros, Hinton 2016).

    shape: of gamma and beta, broadcast to the sample's last axes; over as many axes is standardised, or over `axes`
    of them. Raises PellucidError for samples that gamma can't be broadcast to.

    >>> net = pl.Network(pl.nn.LayerNorm((2,)), (2,))
    >>> net.forward(np.array([[1, 3], [10, 50]], np.float32)).round(2).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    by_parts = False  # mean and variance may be the whole image's
    keeps = ("x", "mean", "inverse", "x_hat", "last")

    def __init__(
        self, shape: Sequence[int], *, axes: int | None = None, epsilon: float = 1e-5, bias: bool = True
    ) -> None:
        self.shape, self.epsilon, self.bias_wanted = tuple(shape), float(epsilon), bias
        self.axes = len(self.shape) if axes is None else axes
        self.weight: Parameter | None = None
        self.bias: Parameter | None = None

    def build(self, input_shape: Shape) -> Shape:
        """Gamma and beta."""
        if self.weight is None:
            self.weight = Parameter(self.shape, Filled(1))
            self.bias = Parameter(self.shape, Filled(0)) if self.bias_wanted else None
        self.on_host = self.shape != input_shape[len(input_shape) - self.axes :]
        return self.output_shape(input_shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        last = input_shape[len(input_shape) - len(self.shape) :] if self.shape else ()
        small = max(len(self.shape), self.axes) > len(input_shape)
        if small or any(a not in {1, b} for a, b in zip(self.shape, last, strict=True)):
            raise self.error(f"a sample to whose last axes {self.shape} can be broadcast", f"shape {input_shape}")
        return input_shape

    @property
    def wider(self) -> bool:
        """Whether gamma and beta have axes over which isn't standardised: they come after it, then."""
        return len(self.shape) > self.axes

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """Standardised, then gamma and beta."""
        self.check(x)
        last = x.shape[x.ndim - self.axes :]
        vectors = x.reshape(math.prod(x.shape[: x.ndim - self.axes]), math.prod(last))
        self.last = last
        y = self.normalised(vectors, context, ops.layer_norm, self.epsilon).reshape(x.shape)
        if not self.wider:
            return y
        assert self.weight is not None
        x_hat = wide(y)
        if context.keep:
            self.x_hat = x_hat
        scaled = x_hat * wide(self.weight.value)
        return back(scaled if self.bias is None else scaled + wide(self.bias.value), x.dtype)

    def backward(self, dy: Array) -> Array:
        """The statistics depend on x too."""
        assert self.weight is not None
        g = dy
        if self.wider:
            gradient = wide(dy)
            give_gradient(self.weight, summed_to(gradient * self.x_hat, self.shape))
            give_gradient(self.bias, summed_to(gradient, self.shape))
            g = back(gradient * wide(self.weight.value), dy.dtype)
        return self.gradient(g.reshape(self.x.shape), self.x, ops.layer_norm_backward).reshape(dy.shape)

    def _vector(self, parameter: Parameter | None) -> Array:
        """Of each number over which is standardised; nothing where gamma and beta come after it."""
        if parameter is None or self.wider:
            filled = ops.zeros((math.prod(self.last),), self._kind())
            filled[...] = float(parameter is self.weight)
            return filled
        if parameter.shape == self.last:
            return _wide(parameter.value).reshape(-1)
        return back(np.broadcast_to(wide(parameter.value), self.last).reshape(-1), self._kind())

    def _kind(self) -> np.dtype[Any]:
        """The type that is computed in."""
        assert self.weight is not None
        kind: np.dtype[Any] = self.weight.value.dtype
        return np.dtype(np.float32) if is_half(kind) else kind

    def _learn(self, parameter: Parameter, gradient: Array) -> None:
        if self.shape == self.last:
            super()._learn(parameter, gradient.reshape(self.shape))
        elif not self.wider:
            give_gradient(parameter, summed_to(wide(gradient).reshape(self.last), self.shape))

    def describe(self) -> str:
        """The shape."""
        return "x".join(map(str, self.shape))


class LocalResponseNorm(HostLayer):
    """y = x / (k + alpha / size * sum of x^2 over `size` neighbouring channels)^beta.

    Krizhevsky, Sutskever, Hinton 2012, section 3.3; alpha is divided by the size as in Caffe, PyTorch and ONNX.

    Inputs (C, ...), such as images (C, H, W); the output has the same shape. Raises PellucidError for a size below 1.

    >>> layer = pl.nn.LocalResponseNorm(3, alpha=3, beta=1)
    >>> layer.forward(np.array([1.0, 2.0, 0.0]).reshape(1, 3, 1, 1)).reshape(3).round(4).tolist()
    [0.1667, 0.3333, 0.0]
    """

    def __init__(self, size: int, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size, self.alpha, self.beta, self.k = size, float(alpha), float(beta), float(k)
        if size < 1:
            raise self.error("a size of at least 1", size)

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Channels damped by their neighbours."""
        around = x.dtype.type(self.k) + x.dtype.type(self.alpha / self.size) * _neighbours(x * x, self.size)
        return x * around ** x.dtype.type(-self.beta), (x, around)

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """Each channel also damps its neighbours."""
        x, around = kept
        kind = dy.dtype.type
        damped = around ** kind(-self.beta)
        share = _neighbours(dy * x * damped / around, self.size, before=self.size // 2)
        dx: Array = dy * damped - kind(2 * self.alpha * self.beta / self.size) * x * share
        return dx

    def describe(self) -> str:
        """The settings."""
        return f"{self.size}, alpha {self.alpha:g}, beta {self.beta:g}, k {self.k:g}"


def _neighbours(x: Array, size: int, before: int | None = None) -> Array:
    """Sum over `size` channels around each, (size - 1) // 2 of them before it unless given."""
    before = (size - 1) // 2 if before is None else before
    total, C = np.zeros_like(x), x.shape[1]
    for offset in range(max(-before, 1 - C), min(size - before, C)):  # others lie beyond all channels
        low, high = max(0, -offset), min(C, C - offset)
        total[:, low:high] += x[:, low + offset : high + offset]
    return total
