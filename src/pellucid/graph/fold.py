"""Batch normalisation folded into its neighbour: at inference it is an affine map a channel.

    Conv2d, BatchNorm2d     the norm alone sees what the convolution gives: always (Jacob et al. 2018, section 3.2)
    BatchNorm2d, Conv2d     the convolution alone sees what the norm gives: where nothing is padded, or where the
                            norm shifts nothing, so that a padded zero is one before it too

`channel_factors` is what all who fold read: floats, integers, plans.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.graph.node import Node, Nodes
from pellucid.graph.rewrite import rewrite
from pellucid.layers.base import Layer, Parameter
from pellucid.layers.convolution import Conv2d, ConvTranspose2d
from pellucid.layers.initializers import Constant
from pellucid.layers.linear import Linear
from pellucid.layers.normalization import BatchNorm2d
from pellucid.ops.arrays import Array

Affine = Conv2d | ConvTranspose2d | Linear
"""Layers with weights, and a bias a channel of the output."""

WIDENED = 1 << 16  # numbers that are in float64 at a time: the whole of a large layer would take memory for nothing


def filters(layer: Affine) -> Array:
    """The weights of each output, (K, ...): of a convolution of either kind (K, C/groups, R, S)."""
    weight = layer.built_weight.value
    if not isinstance(layer, ConvTranspose2d):
        return weight
    C, K = weight.shape[0] // layer.groups, weight.shape[1]
    parts = weight.reshape(layer.groups, C, K, *layer.kernel).swapaxes(1, 2)
    return parts.reshape(layer.channels, C, *layer.kernel)


def weight_of(layer: Affine, given: Array) -> Array:
    """The layer's weight whose `filters` are those given."""
    if not isinstance(layer, ConvTranspose2d):
        return given
    C, groups = given.shape[1], layer.groups
    parts = given.reshape(groups, layer.channels // groups, C, *layer.kernel).swapaxes(1, 2)
    return parts.reshape(groups * C, layer.channels // groups, *layer.kernel)


def norm_factors(norm: BatchNorm2d, bias: Array | float = 0.0) -> tuple[Array, Array]:
    """(factor, offset), each (C,) float64: at inference the norm makes factor * x + offset of x + bias."""
    gamma, beta, mean, variance = (parameter.value.astype(np.float64) for parameter in norm.parameters().values())
    factor = gamma / np.sqrt(variance + norm.epsilon)
    return factor, beta + factor * (bias - mean)


def channel_factors(layer: Affine, norm: BatchNorm2d | None) -> tuple[Array, Array]:
    """(factor, offset), each (K,) float64: the layer and the norm after it give factor * (w x) + offset."""
    channels = layer.features if isinstance(layer, Linear) else layer.channels
    bias = np.zeros(channels) if layer.bias is None else layer.bias.value.astype(np.float64)
    return (np.ones(channels), bias) if norm is None else norm_factors(norm, bias)


class Folding(Parameter):
    """A folded weight: worked out when it is asked for, kept until it is forgotten."""

    def __init__(self, like: Parameter, make: Callable[[], Array]) -> None:
        super().__init__(like.shape, like.initializer, like.trained)
        self._make = make
        self.forget()

    def __getattr__(self, name: str) -> Any:
        """The value, where there is none."""
        if name != "value":
            raise AttributeError(f"{type(self).__name__} has no {name}")
        self.value = self._make()
        return self.value

    def __getstate__(self) -> dict[str, Any]:
        """A copy has the value, and can't work it out anew."""
        return {name: value for name, value in super().__getstate__().items() if name != "_make"}

    def forget(self) -> None:
        """Let its value go, until it is asked for again; a copy keeps it."""
        if "_make" in self.__dict__:
            self.__dict__.pop("value", None)


def fold(nodes: Nodes, dtype: npt.DTypeLike = np.float64, *, later: bool = False) -> Nodes:
    """The same function at inference without the norms that can be folded; built nodes, names as they were.

    The layers that take one in are copies, with a weight and a bias of their own, computed in float64 and rounded to
    `dtype`; all others are shared. later: the weights are worked out when they are first asked for.
    """
    after: dict[str, BatchNorm2d] = {}
    before: dict[str, BatchNorm2d] = {}
    taken: set[str] = set()
    for node in nodes:
        reader = nodes.sole_reader(node.name)
        if reader is None:
            continue
        if isinstance(node.layer, Affine) and isinstance(reader.layer, BatchNorm2d):
            after[node.name] = reader.layer
            taken.add(reader.name)
        elif isinstance(node.layer, BatchNorm2d) and node.name not in taken and _passes(node.layer, reader.layer):
            before[reader.name] = node.layer
            taken.add(node.name)

    def change(node: Node) -> list[Node]:
        if node.name in taken:
            return []
        layer = node.layer
        if node.name in after or node.name in before:
            assert isinstance(layer, Affine)
            layer = _folded(layer, before.get(node.name), after.get(node.name), dtype)
            _ = later or layer.built_weight.value
        return [Node(layer, node.inputs, node.name)]

    return rewrite(nodes, change)


def _passes(norm: BatchNorm2d, layer: Layer) -> bool:
    """Whether a norm goes through the convolution after it."""
    return isinstance(layer, Conv2d) and (not any(layer.geometry.padding) or not norm_factors(norm)[1].any())


def _folded(layer: Affine, before: BatchNorm2d | None, after: BatchNorm2d | None, dtype: npt.DTypeLike) -> Affine:
    """The layer's copy with the norms before and after it in its weight and bias."""
    twin = copy.copy(layer)
    factor, offset = channel_factors(layer, after)
    scale: Array | None = None
    if before is not None:
        assert isinstance(layer, Conv2d)
        scale, shift = (_as_seen(layer, values) for values in norm_factors(before))
        offset = offset + factor * (filters(layer) * shift).sum(axis=(1, 2, 3))

    def weight() -> Array:
        own = filters(layer)
        folded = np.empty(own.shape, dtype)
        rows = max(1, WIDENED // max(1, math.prod(own.shape[1:])))
        for k in range(0, len(own), rows):
            part = own[k : k + rows] * np.expand_dims(factor[k : k + rows], tuple(range(1, own.ndim)))
            folded[k : k + rows] = part if scale is None else part * scale[k : k + rows]
        return weight_of(layer, folded)

    twin.weight = Folding(layer.built_weight, weight)
    offset = offset.astype(dtype)
    twin.bias, twin.bias_wanted = Parameter(offset.shape, Constant(0), value=offset), True
    return twin


def _as_seen(layer: Conv2d, values: Array) -> Array:
    """Values of the input's channels as each filter sees them: (K, C/groups, 1, 1)."""
    parts = values.reshape(layer.groups, -1).repeat(layer.channels // layer.groups, axis=0)
    return parts[:, :, None, None]
