"""Convolutions and pools."""

from __future__ import annotations

from typing import Any

from pellucid.exchange.onnx_windows import pool_attributes, window_attributes
from pellucid.exchange.onnx_writers.writer import Write, Writer
from pellucid.graph import Node
from pellucid.layers import AvgPool2d, Conv2d, ConvTranspose2d, GlobalAvgPool2d, Layer, MaxPool2d
from pellucid.ops.geometry import Geometry


def _geometry(writer: Writer, node: Node) -> Geometry:
    """Where the windows stand on the image that a node sees."""
    layer: Any = node.layer
    _, H, W = writer.shape_in(node)
    found: Geometry = layer.geometry_for((H, W))
    return found


def _conv(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    tensors = writer.parameters(node)
    settings = window_attributes(_geometry(writer, node), layer.kernel, layer.same)
    writer.write("Conv", node, *tensors, group=layer.groups, **settings)


def _conv_transpose(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    tensors = writer.parameters(node)
    settings = window_attributes(layer.geometry, layer.kernel, "")  # what "same" amounts to stands in the geometry
    writer.write(
        "ConvTranspose", node, *tensors, group=layer.groups, output_padding=list(layer.output_padding), **settings
    )


def _pool(writer: Writer, node: Node) -> dict[str, Any]:
    """The attributes of a pool's window."""
    layer: Any = node.layer
    _, *size = writer.shape_in(node)
    return pool_attributes((size[0], size[1]), layer.kernel, _geometry(writer, node), layer.same, layer.ceil)


def _max_pool(writer: Writer, node: Node) -> None:
    writer.write("MaxPool", node, **_pool(writer, node))


def _avg_pool(writer: Writer, node: Node) -> None:
    """The layer's padding may count, what a ragged window covers beyond it not: there the padding is a node."""
    layer: Any = node.layer
    settings, seen, counted = _pool(writer, node), writer.inputs(node)[0], layer.count_padding
    top, bottom, left, right = _geometry(writer, node).padding
    own = [top, left, bottom, right]
    beyond = [given - side for given, side in zip(settings.get("pads", own), own, strict=True)]
    if counted and any(beyond):
        settings, counted = settings | {"pads": beyond}, False
        if any(own):
            pads = writer.whole_numbers(node, "pads", (0, 0, top, left, 0, 0, bottom, right))
            seen = writer.node("Pad", [seen, pads], writer.inner(node, "padded"))
    writer.node("AveragePool", [seen], writer.values[node.name], count_include_pad=int(counted), **settings)


def _global_avg_pool(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    if not layer.flatten:
        writer.write("GlobalAveragePool", node)
        return
    writer.write("ReduceMean", node, writer.whole_numbers(node, "axes", (2, 3)), keepdims=0)


WRITERS: dict[type[Layer], Write] = {
    AvgPool2d: _avg_pool,
    Conv2d: _conv,
    ConvTranspose2d: _conv_transpose,
    GlobalAvgPool2d: _global_avg_pool,
    MaxPool2d: _max_pool,
}
