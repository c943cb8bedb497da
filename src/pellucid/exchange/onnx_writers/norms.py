"""Normalisation."""

from __future__ import annotations

from typing import Any

from pellucid.exchange.onnx_writers.writer import Write, Writer, plain, weighed
from pellucid.graph import Node
from pellucid.layers import (
    BatchNorm2d,
    GroupNorm,
    InstanceNorm2d,
    Layer,
    LayerNorm,
    LayerNorm2d,
    LocalResponseNorm,
)


def _batch_norm(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    tensors = writer.parameters(node)
    writer.write("BatchNormalization", node, *tensors, epsilon=layer.epsilon, momentum=1 - layer.momentum)


def _layer_norm(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    tensors = writer.parameters(node)
    writer.write("LayerNormalization", node, *tensors, axis=-layer.axes, epsilon=layer.epsilon)


def _layer_norm_2d(writer: Writer, node: Node) -> None:
    """Over the last axis, with the channels moved there and back."""
    layer: Any = node.layer
    tensors = writer.parameters(node)
    if len(writer.shape_in(node)) == 1:
        writer.write("LayerNormalization", node, *tensors, axis=-1, epsilon=layer.epsilon)
        return
    last, normed = (writer.inner(node, part) for part in ("last", "normed"))
    writer.node("Transpose", writer.inputs(node), last, perm=[0, 2, 3, 1])
    writer.node("LayerNormalization", [last, *tensors], normed, axis=-1, epsilon=layer.epsilon)
    writer.node("Transpose", [normed], writer.values[node.name], perm=[0, 3, 1, 2])


WRITERS: dict[type[Layer], Write] = {
    BatchNorm2d: _batch_norm,
    GroupNorm: weighed("GroupNormalization", "epsilon", num_groups="groups"),
    InstanceNorm2d: weighed("InstanceNormalization", "epsilon"),
    LayerNorm: _layer_norm,
    LayerNorm2d: _layer_norm_2d,
    LocalResponseNorm: plain("LRN", "size", "alpha", "beta", bias="k"),
}
