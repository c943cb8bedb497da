"""Images of another size."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.exchange.onnx_writers.writer import Write, Writer
from pellucid.graph import Node
from pellucid.layers import Layer, Resize
from pellucid.layers.resize import CropLike, RepeatEdges


def _resize(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    how, cropped = layer.how, layer.how.coordinates == "tf_crop_and_resize"
    region = writer.constant(writer.inner(node, "region"), np.asarray(layer.region, np.float32)) if cropped else ""
    if layer.size is not None and layer.scale is not None:
        raise layer.error("a size or a scale, to go out as ONNX", "both")
    if layer.size is None:
        given = [writer.constant(writer.inner(node, "scales"), np.asarray(layer.scale, np.float32))]
    else:
        given = ["", writer.whole_numbers(node, "sizes", layer.size)]
    settings: dict[str, Any] = {"nearest_mode": how.nearest} if how.mode == "nearest" else {}
    settings |= {"cubic_coeff_a": how.cubic} if how.mode == "cubic" else {}
    settings |= {"extrapolation_value": layer.outside} if cropped else {}
    settings |= {"antialias": 1} if how.antialias else {}
    settings |= {"exclude_outside": 1} if how.exclude_outside else {}
    writer.write(
        "Resize", node, region, *given, mode=how.mode, coordinate_transformation_mode=how.coordinates, axes=[2, 3],
        **settings,
    )  # fmt: skip


def _repeat_edges(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    _, h, w = writer.shape_in(node)
    _, H, W = writer.shapes[node.name]
    top, left = layer.before
    pads = [0, 0, top, left, 0, 0, H - h - top, W - w - left]
    tensor = writer.whole_numbers(node, "pads", pads)
    writer.node("Pad", [writer.inputs(node)[0], tensor], writer.values[node.name], mode="edge")


def _crop_like(writer: Writer, node: Node) -> None:
    _, H, W = writer.shapes[node.name]
    bounds = (("starts", [0, 0]), ("ends", [H, W]), ("axes", [2, 3]))
    tensors = [writer.whole_numbers(node, name, values) for name, values in bounds]
    writer.node("Slice", [writer.inputs(node)[0], *tensors], writer.values[node.name])


WRITERS: dict[type[Layer], Write] = {
    CropLike: _crop_like,
    RepeatEdges: _repeat_edges,
    Resize: _resize,
}
