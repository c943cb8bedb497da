"""Values of another type."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.exchange.onnx_writers.writer import Write, Writer
from pellucid.graph import Node
from pellucid.layers import Layer
from pellucid.layers.quantize import FakeQuantize


def _fake_quantize(writer: Writer, node: Node) -> None:
    """Quantised, and back."""
    layer: Any = node.layer
    kinds = {
        (int(np.iinfo(kind).min), int(np.iinfo(kind).max)): kind for kind in ("int8", "uint8", "int16", "uint16")
    }
    kind = kinds.get((layer.low, layer.high))
    if kind is None:
        raise layer.error("the bounds of a type of 8 or 16 bits, to go out as ONNX", layer.describe())
    scale = writer.constant(writer.inner(node, "scale"), np.asarray(layer.scale, np.float32))
    zero = writer.constant(writer.inner(node, "zero"), np.asarray(layer.zero, kind))
    steps = writer.node("QuantizeLinear", [*writer.inputs(node), scale, zero], writer.inner(node, "steps"))
    writer.node("DequantizeLinear", [steps, scale, zero], writer.values[node.name])


WRITERS: dict[type[Layer], Write] = {FakeQuantize: _fake_quantize}
