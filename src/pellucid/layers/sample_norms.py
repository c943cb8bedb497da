"""Normalisation of each sample by itself: by groups of channels, by its last axes, or by neighbouring channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.layers.base import Parameter
from pellucid.layers.constants import summed_to
from pellucid.layers.host import HostLayer, give_gradient, wide
from pellucid.layers.initializers import Constant as Filled
from pellucid.ops.arrays import Array, Shape


def standardised(x: Array, axes: tuple[int, ...], epsilon: float) -> tuple[Array, Array]:
    """x less its mean, by its deviation, along the axes; and 1 / deviation."""
    centred = x - x.mean(axis=axes, keepdims=True)
    inverse: Array = 1 / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + x.dtype.type(epsilon))
    x_hat: Array = centred * inverse
    return x_hat, inverse


def standardised_adjoint(g: Array, x_hat: Array, inverse: Array, axes: tuple[int, ...]) -> Array:
    """dx = (g - mean(g) - x_hat mean(g x_hat)) / deviation."""
    dx: Array = inverse * (g - g.mean(axis=axes, keepdims=True) - x_hat * (g * x_hat).mean(axis=axes, keepdims=True))
    return dx


class GroupNorm(HostLayer):
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

    def parameters(self) -> dict[str, Parameter]:
        """Gamma is called weight and beta bias, as in other layers."""
        found = {"weight": self.weight, "bias": self.bias}
        return {name: parameter for name, parameter in found.items() if parameter is not None}

    def groups_of(self, channels: int) -> int:
        """How many groups so many channels are divided into."""
        return self.groups

    def output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        if not input_shape or input_shape[0] % self.groups_of(input_shape[0]):
            raise self.error(f"channels in a multiple of {self.groups}", f"shape {input_shape}")
        return input_shape

    def _column(self, parameter: Parameter | None, x: Array) -> Array:
        if parameter is None:
            raise self.error("to be built before use", "a layer without parameters")
        return wide(parameter.value).reshape(-1, *(1 for _ in x.shape[2:]))

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Standardised, then gamma and beta."""
        groups = self.groups_of(x.shape[1])
        parts = x.reshape(x.shape[0], groups, -1)
        x_hat, inverse = standardised(parts, (2,), self.epsilon)
        x_hat = x_hat.reshape(x.shape)
        return x_hat * self._column(self.weight, x) + self._column(self.bias, x), (x_hat, inverse)

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """The statistics depend on x too."""
        x_hat, inverse = kept
        axes = (0, *range(2, dy.ndim))
        give_gradient(self.weight, (dy * x_hat).sum(axis=axes))
        give_gradient(self.bias, dy.sum(axis=axes))
        parts = (dy.shape[0], self.groups_of(dy.shape[1]), -1)
        g = (dy * self._column(self.weight, dy)).reshape(parts)
        return standardised_adjoint(g, x_hat.reshape(parts), inverse, (2,)).reshape(dy.shape)

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


class LayerNorm(HostLayer):
    """Each sample standardised over its last axes, then gamma x + beta (Ba, Kiros, Hinton 2016).

    shape: of gamma and beta, broadcast to the sample's last axes; over as many axes is standardised, or over `axes`
    of them. Raises PellucidError for samples that gamma can't be broadcast to.

    >>> net = pl.Network(pl.nn.LayerNorm((2,)), (2,))
    >>> net.forward(np.array([[1, 3], [10, 50]], np.float32)).round(2).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    by_parts = False  # mean and variance may be the whole image's

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
        return self.output_shape(input_shape)

    def parameters(self) -> dict[str, Parameter]:
        """Gamma is called weight and beta bias, as in other layers."""
        found = {"weight": self.weight, "bias": self.bias}
        return {name: parameter for name, parameter in found.items() if parameter is not None}

    def output_shape(self, input_shape: Shape) -> Shape:
        """As the input."""
        last = input_shape[len(input_shape) - len(self.shape) :] if self.shape else ()
        small = max(len(self.shape), self.axes) > len(input_shape)
        if small or any(a not in {1, b} for a, b in zip(self.shape, last, strict=True)):
            raise self.error(f"a sample to whose last axes {self.shape} can be broadcast", f"shape {input_shape}")
        return input_shape

    def apply(self, x: Array) -> tuple[Array, Any]:
        """Standardised, then gamma and beta."""
        if self.weight is None:
            raise self.error("to be built before use", "a layer without parameters")
        x_hat, inverse = standardised(x, tuple(range(x.ndim - self.axes, x.ndim)), self.epsilon)
        y = x_hat * wide(self.weight.value)
        return (y if self.bias is None else y + wide(self.bias.value)), (x_hat, inverse)

    def adjoint(self, dy: Array, kept: Any) -> Array:
        """The statistics depend on x too."""
        x_hat, inverse = kept
        assert self.weight is not None
        give_gradient(self.weight, summed_to(dy * x_hat, self.shape))
        give_gradient(self.bias, summed_to(dy, self.shape))
        axes = tuple(range(dy.ndim - self.axes, dy.ndim))
        return standardised_adjoint(dy * wide(self.weight.value), x_hat, inverse, axes)

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
    for offset in range(-before, size - before):
        low, high = max(0, -offset), min(C, C - offset)
        if low < high:
            total[:, low:high] += x[:, low + offset : high + offset]
    return total
