"""Convolutions and pools."""

from __future__ import annotations

from typing import Any

from pellucid.exchange.onnx_writers.writer import Write, Writer
from pellucid.graph import Node
from pellucid.layers import AvgPool2d, Conv2d, ConvTranspose2d, GlobalAvgPool2d, Layer, MaxPool2d
from pellucid.layers.sliding import SAME, SAME_LOWER, Sliding

AUTO_PAD = {SAME: "SAME_UPPER", SAME_LOWER: "SAME_LOWER"}


def _sliding(layer: Sliding) -> dict[str, Any]:
    """The attributes of a window."""
    top, bottom, left, right = layer.geometry.padding
    if layer.same:
        padding: dict[str, Any] = {"auto_pad": AUTO_PAD[layer.same]}
    else:
        padding = {"pads": [top, left, bottom, right]}
    return {
        "kernel_shape": list(layer.kernel),
        "strides": list(layer.stride),
        "dilations": list(layer.dilation),
        **padding,
    }


def _conv(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    tensors = writer.parameters(node)
    writer.write("Conv", node, *tensors, group=layer.groups, **_sliding(layer))


def _conv_transpose(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    tensors = writer.parameters(node)
    top, bottom, left, right = layer.geometry.padding
    settings = _sliding(layer) | {"pads": [top, left, bottom, right]}
    settings.pop("auto_pad", None)  # what it amounts to stands in the geometry
    writer.write(
        "ConvTranspose", node, *tensors, group=layer.groups, output_padding=list(layer.output_padding), **settings
    )


def _max_pool(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("MaxPool", node, ceil_mode=int(layer.ceil), **_sliding(layer))


def _avg_pool(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    settings = _sliding(layer) | {"count_include_pad": int(layer.count_padding), "ceil_mode": int(layer.ceil)}
    writer.write("AveragePool", node, **settings)


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
