"""Functions of each number by itself, and softmax."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.exchange.onnx_functions import FUNCTIONS, Setting, attributes
from pellucid.exchange.onnx_writers.writer import Write, Writer, weighed
from pellucid.graph import Node
from pellucid.layers import (
    GELU,
    Clip,
    Layer,
    LogSoftmax,
    Power,
    PReLU,
    SiLU,
    Softmax,
)


def _function(operator: str, settings: tuple[Setting, ...]) -> Write:
    """The writer of a function of each element by itself, as the table has it."""

    def write(writer: Writer, node: Node) -> None:
        writer.write(operator, node, **attributes(node.layer, settings))

    return write


def _clip(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    bounds = (("low", layer.low), ("high", layer.high))
    names = [writer.constant(writer.inner(node, name), np.asarray(value, np.float32)) for name, value in bounds]
    writer.write("Clip", node, *names)


def _silu(writer: Writer, node: Node) -> None:
    gate = writer.node("Sigmoid", writer.inputs(node), writer.inner(node, "sigmoid"))
    writer.write("Mul", node, gate)


def _along(operator: str) -> Write:
    """The writer of a softmax along an axis of the sample."""

    def write(writer: Writer, node: Node) -> None:
        layer: Any = node.layer
        writer.write(operator, node, axis=layer.axis + 1)

    return write


def _gelu(writer: Writer, node: Node) -> None:
    layer: Any = node.layer
    writer.write("Gelu", node, approximate="tanh" if layer.tanh else "none")


def _power(writer: Writer, node: Node) -> None:
    """Sqrt and Reciprocal by their names, else Pow."""
    layer: Any = node.layer
    name = {0.5: "Sqrt", -1.0: "Reciprocal"}.get(layer.exponent)
    if name is not None:
        writer.write(name, node)
        return
    exponent = writer.constant(writer.inner(node, "exponent"), np.asarray(layer.exponent, np.float32))
    writer.write("Pow", node, exponent)


WRITERS: dict[type[Layer], Write] = {
    **{layer: _function(operator, settings) for operator, (layer, settings) in FUNCTIONS.items()},
    Clip: _clip,
    GELU: _gelu,
    LogSoftmax: _along("LogSoftmax"),
    PReLU: weighed("PRelu"),
    Power: _power,
    SiLU: _silu,
    Softmax: _along("Softmax"),
}
