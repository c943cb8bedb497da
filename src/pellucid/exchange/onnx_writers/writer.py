"""The file of a network of layers in the making, and the writers of layers that are one operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pellucid import ops
from pellucid.exchange.onnx_sheet import Sheet
from pellucid.graph import Node
from pellucid.layers import Parameter
from pellucid.network import Network
from pellucid.ops.arrays import Shape

Write = Callable[["Writer", Node], None]
"""How a layer is written: the node that has it, on the sheet."""


class Writer(Sheet):
    """The file of a network of layers. values: what each of its values is called there."""

    def __init__(self, network: Network, sheet: Sheet) -> None:
        super().__init__(sheet.values, sheet.nodes, sheet.tensors)
        self.network = network
        self.shapes = network.nodes.shapes(network.input_shape)
        self._names = {id(parameter): name for name, parameter in network.parameters.items()}

    def write(self, operator: str, node: Node, *more: str, **attributes: Any) -> None:
        """Add the operator that a node of the network is, its inputs and then `more`."""
        self.node(operator, [*self.inputs(node), *more], self.values[node.name], **attributes)

    def inputs(self, node: Node) -> list[str]:
        """What a node sees."""
        return [self.values[name] for name in node.inputs]

    def inner(self, node: Node, part: str) -> str:
        """A name inside a node's."""
        return f"{self.values[node.name]}/{part}"

    def parameter(self, parameter: Parameter) -> str:
        """Name of a parameter's tensor; one that layers share is there once."""
        name = self._names[id(parameter)]
        self.tensors[name] = np.ascontiguousarray(ops.host(parameter.value).astype(np.float32))
        return name

    def parameters(self, node: Node) -> list[str]:
        """Names of the tensors of a node's parameters."""
        return [self.parameter(parameter) for parameter in node.layer.parameters().values()]

    def whole_numbers(self, node: Node, part: str, values: Sequence[int]) -> str:
        """Name of a tensor of a node's own: axes, sizes and the like."""
        return self.constant(self.inner(node, part), np.asarray(values, np.int64))

    def shape_in(self, node: Node, place: int = 0) -> Shape:
        """Shape of one sample of what a node sees."""
        return self.shapes[node.inputs[place]]


def plain(operator: str, *settings: str, **names: str) -> Write:
    """The writer of a layer that is one operator, whose attributes are the layer's; `names` where those differ."""

    def write(writer: Writer, node: Node) -> None:
        attributes = {key: getattr(node.layer, key) for key in settings}
        writer.write(operator, node, **attributes, **{key: getattr(node.layer, own) for key, own in names.items()})

    return write


def weighed(operator: str, *settings: str, **names: str) -> Write:
    """As `plain`, with the layer's parameters as further inputs."""

    def write(writer: Writer, node: Node) -> None:
        tensors = writer.parameters(node)
        attributes = {key: getattr(node.layer, key) for key in settings}
        attributes |= {key: getattr(node.layer, own) for key, own in names.items()}
        writer.write(operator, node, *tensors, **attributes)

    return write
