"""A network as plans read it: norms folded, weights in float32 and packed once, whatever the images' sizes."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.graph.fold import Affine, Folding, filters, fold, norm_factors
from pellucid.graph.node import Node
from pellucid.graph.rewrite import rewrite
from pellucid.layers import BatchNorm2d, ConvTranspose2d, Dropout, Identity, Scale, Shift
from pellucid.layers.base import Parameter
from pellucid.layers.initializers import Constant
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.ops.half import is_half


class Folded:
    """The nodes of a network that only has to answer, and its weights as they are at this moment.

    network: its nodes, or those of them that lead to `value`, are here without norms that can be folded, and without
    what does nothing at inference; with float64 weights if it has them, else float32, those of 16 bits widened.
    Weights are read, and folded, when a step packs them, one layer's after the other; what is kept is packed.
    """

    def __init__(self, network: Network, value: str | None = None) -> None:
        self.form = network.dtype.name
        wide = network.astype(np.float32) if is_half(network.dtype) else network
        nodes = wide.nodes if value is None else wide.nodes.leading_to(value)
        shapes = nodes.shapes(network.input_shape)
        self.nodes = fold(rewrite(nodes, lambda node: _answering(node, shapes)), wide.dtype, later=True)
        self._packed: dict[tuple[str, Shape], Any] = {}

    def weights(self, node: Node, seen: Shape = ()) -> Any:
        """Of a convolution, a transposed one or an affine layer, for the backend's steps.

        seen: of an affine layer, the shape (C, H, W) of the images whose pixels, channels last, are its features.
        """
        key = (node.name, seen)
        if key not in self._packed:
            layer = node.layer
            assert isinstance(layer, Affine)
            bias = None if layer.bias is None else layer.bias.value
            shape = layer.built_weight.shape
            if isinstance(layer, ConvTranspose2d):  # of one group
                shape = (shape[1], shape[0], *shape[2:])
            self._packed[key] = ops.steps().Weights(partial(_filters, layer, seen), shape, bias, self.form)
        return self._packed[key]

    def factors(self, node: Node) -> tuple[Array, Array]:
        """(factor, offset), each (C,), of a norm that could not be folded."""
        assert isinstance(node.layer, BatchNorm2d)
        return norm_factors(node.layer)

    @property
    def weight_bytes(self) -> int:
        """Of all packed weights."""
        return sum(weights.bytes for weights in self._packed.values())


def _filters(layer: Affine, seen: Shape) -> Array:
    """A layer's weight as kernels read it; nothing of it is kept."""
    value, weight = filters(layer), layer.built_weight
    if isinstance(weight, Folding):
        weight.forget()
    if not seen:
        return value
    return value.reshape(-1, *seen).transpose(0, 2, 3, 1).reshape(value.shape)


def _answering(node: Node, shapes: dict[str, Shape]) -> list[Node]:
    """What stands for a node at inference."""
    layer = node.layer
    if type(layer) in {Identity, Dropout}:
        return []
    if isinstance(layer, Scale | Shift) and (norm := _as_norm(layer, shapes[node.name])) is not None:
        return [Node(norm, node.inputs, node.name)]
    return [Node(layer.answering(), node.inputs, node.name)]


def _as_norm(layer: Scale | Shift, shape: Shape) -> BatchNorm2d | None:
    """A factor or an offset a channel as the norm that is the same at inference; None where it differs by pixel."""
    numbers = layer.values()
    if len(shape) != 3 or numbers.size not in {1, shape[0]} or numbers.size != (numbers.shape or (1,) * 3)[-3:][0]:
        return None
    values = np.broadcast_to(numbers.reshape(-1), shape[:1])
    one, none = np.ones_like(values), np.zeros_like(values)
    given = (values, none) if isinstance(layer, Scale) else (one, values)
    norm = BatchNorm2d(epsilon=0)
    norm.name = layer.name
    norm.weight, norm.bias = (Parameter(shape[:1], Constant(0), value=v) for v in given)
    norm.running_mean, norm.running_variance = (Parameter(shape[:1], Constant(0), value=v) for v in (none, one))
    return norm
