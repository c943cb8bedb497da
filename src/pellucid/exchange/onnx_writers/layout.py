"""Where numbers lie: shapes, axes, frames, parts; and those that are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.exchange.onnx_writers.writer import Write, Writer, plain
from pellucid.graph import Node
from pellucid.layers import (
    ChannelOrder,
    Constant,
    DepthToSpace,
    Dropout,
    Expand,
    Flatten,
    Layer,
    Pad,
    Reshape,
    Slice,
    SpaceToDepth,
    Transpose,
)
from pellucid.layers.joins import Concat


def _concat(writer: Writer, node: Node) -> None:
    writer.write("Concat", node, axis=1)


def _reshape(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("Reshape", node, writer.whole_numbers(node, "shape", (0, *layer.shape)))


def _transpose(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("Transpose", node, perm=[0, *(axis + 1 for axis in layer.axes)])


def _expand(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    seen, shape = writer.inputs(node)[0], writer.shape_in(node)
    if len(shape) < len(layer.shape):
        inner = (0, *(1 for _ in range(len(layer.shape) - len(shape))), *shape)
        seen = writer.node(
            "Reshape", [seen, writer.whole_numbers(node, "aligned", inner)], writer.inner(node, "reshape")
        )
    writer.node("Expand", [seen, writer.whole_numbers(node, "shape", (1, *layer.shape))], writer.values[node.name])


def _pad(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    lead = [0] * (len(writer.shape_in(node)) + 1 - len(layer.before))
    pads = writer.whole_numbers(node, "pads", [*lead, *layer.before, *lead, *layer.after])
    value = writer.constant(writer.inner(node, "value"), np.asarray(layer.value, np.float32))
    writer.write("Pad", node, pads, *([value] if layer.mode == "constant" else []), mode=layer.mode)


def _channel_order(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("Gather", node, writer.whole_numbers(node, "order", list(layer.order)), axis=1)


def _slice(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    far = int(np.iinfo(np.int64).max)
    ends = [
        (far if step > 0 else -far) if stop is None else stop
        for stop, step in zip(layer.stops, layer.steps, strict=True)
    ]
    bounds = (("starts", layer.starts), ("ends", ends), ("axes", range(1, len(ends) + 1)), ("steps", layer.steps))
    writer.write("Slice", node, *(writer.whole_numbers(node, name, list(values)) for name, values in bounds))


def _depth_to_space(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("DepthToSpace", node, blocksize=layer.block, mode="CRD" if layer.columns_first else "DCR")


def _space_to_depth(writer: Writer, node: Node) -> None:
    """One operator; where columns come first, which that has no setting for in this opset, what it amounts to."""
    layer: Any = node.layer
    b = layer.block
    if not layer.columns_first:
        writer.write("SpaceToDepth", node, blocksize=b)
        return
    C, H, W = writer.shape_in(node)
    parts = writer.whole_numbers(node, "parts", (0, C, H // b, b, W // b, b))
    split = writer.node("Reshape", [writer.inputs(node)[0], parts], writer.inner(node, "split"))
    order = [0, 1, 3, 5, 2, 4]
    moved = writer.node("Transpose", [split], writer.inner(node, "moved"), perm=order)
    shape = writer.whole_numbers(node, "shape", (0, C * b * b, H // b, W // b))
    writer.node("Reshape", [moved, shape], writer.values[node.name])


def _constant(writer: Writer, node: Node) -> None:
    """The numbers, repeated as often as there are samples."""
    layer: Any = node.layer
    count = writer.node("Shape", writer.inputs(node), writer.inner(node, "samples"), start=0, end=1)
    ones = writer.whole_numbers(node, "ones", [1] * len(layer.shape))
    shape = writer.node("Concat", [count, ones], writer.inner(node, "shape"), axis=0)
    name = writer.parameter(*layer.parameters().values())
    writer.node("Expand", [name, shape], writer.values[node.name])


def _dropout(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("Dropout", node, writer.constant(writer.inner(node, "ratio"), np.asarray(layer.rate, np.float32)))


WRITERS: dict[type[Layer], Write] = {
    ChannelOrder: _channel_order,
    Concat: _concat,
    Constant: _constant,
    DepthToSpace: _depth_to_space,
    Dropout: _dropout,
    Expand: _expand,
    Flatten: plain("Flatten"),
    Pad: _pad,
    Reshape: _reshape,
    Slice: _slice,
    SpaceToDepth: _space_to_depth,
    Transpose: _transpose,
}
