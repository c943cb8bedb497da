"""Sums, products and what else joins values, and what is reduced along axes."""

from __future__ import annotations

from typing import Any

from pellucid.exchange.onnx_writers.writer import Write, Writer, plain, weighed
from pellucid.graph import Node
from pellucid.layers import (
    Add,
    Divide,
    GlobalMaxPool2d,
    Layer,
    Linear,
    MatMul,
    Maximum,
    Minimum,
    Multiply,
    Reduce,
    Scale,
    Shift,
    Subtract,
)


def _joined(operator: str) -> Write:
    """The writer of a sum or product of any number of inputs: of two with each other, then with the next."""

    def write(writer: Writer, node: Node) -> None:
        first, *others = writer.inputs(node)
        if not others:
            writer.node("Identity", [first], writer.values[node.name])
        for i, other in enumerate(others, 1):
            last = i == len(others)
            name = writer.values[node.name] if last else writer.inner(node, str(i))
            first = writer.node(operator, [first, other], name)

    return write


def _linear(writer: Writer, node: Node) -> None:
    tensors = writer.parameters(node)
    writer.write("Gemm", node, *tensors, transB=1)


def _reduce(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    axes = writer.whole_numbers(node, "axes", [axis + 1 for axis in layer.axes])
    writer.write(f"Reduce{layer.what.capitalize()}", node, axes, keepdims=int(layer.keepdims))  # "l2" gives L2


def _global_max_pool(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    if layer.keepdims:
        writer.write("GlobalMaxPool", node)
    else:
        _reduce(writer, node)


WRITERS: dict[type[Layer], Write] = {
    Add: _joined("Add"),
    Divide: plain("Div"),
    Linear: _linear,
    MatMul: plain("MatMul"),
    Maximum: plain("Max"),
    Minimum: plain("Min"),
    Multiply: _joined("Mul"),
    Reduce: _reduce,
    GlobalMaxPool2d: _global_max_pool,
    Scale: weighed("Mul"),
    Shift: weighed("Add"),
    Subtract: plain("Sub"),
}
