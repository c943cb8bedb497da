"""What a network costs, layer by layer: parameters, multiply-adds and memory, from what the layers declare."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pellucid.graph import Group, Node, Nodes
from pellucid.graph.lifetimes import live_bytes
from pellucid.network import Network
from pellucid.ops.arrays import Shape


@dataclass(frozen=True)
class LayerCost:
    """One layer's row; a container's adds up what is inside it.

    name: path in the network, such as "3" or "5.body.1". kind: name of the class. settings: a short phrase.
    depth: number of containers around it, the network itself not counted. container: whether it has layers inside.
    input_shape, output_shape: of one sample. parameters: trained elements of weights and biases.
    multiply_adds: for one sample. activation_bytes: of the outputs for one sample, which training keeps.
    live_bytes: what inference needs for one sample while the layer runs: its inputs, its output, what others see
        later; a container's is the most that it needs at a time.
    """

    name: str
    kind: str
    settings: str
    depth: int
    container: bool
    input_shape: Shape
    output_shape: Shape
    parameters: int
    multiply_adds: int
    activation_bytes: int
    live_bytes: int


@dataclass(frozen=True)
class NetworkCost:
    """All rows in order, each container before its contents, and their totals."""

    input_shape: Shape
    rows: list[LayerCost]

    @property
    def parameters(self) -> int:
        """Trained elements of all weights and biases."""
        return sum(row.parameters for row in self._outermost)

    @property
    def multiply_adds(self) -> int:
        """For one sample."""
        return sum(row.multiply_adds for row in self._outermost)

    @property
    def activation_bytes(self) -> int:
        """Outputs of all layers for one sample, as training with nothing fused keeps them."""
        return sum(row.activation_bytes for row in self._outermost)

    @property
    def live_bytes(self) -> int:
        """What inference needs at a time for one sample, with nothing fused."""
        return max(row.live_bytes for row in self._outermost)

    @property
    def _outermost(self) -> list[LayerCost]:
        return [row for row in self.rows if row.depth == 0]


def network_cost(network: Network, input_shape: Shape | None = None) -> NetworkCost:
    """The costs of a network for one sample of `input_shape`, by default the shape it was built for.

    Raises PellucidError, naming the layer, where the network doesn't take that shape.
    """
    return nodes_cost(network.nodes, input_shape or network.input_shape, network.dtype)


def nodes_cost(nodes: Nodes, input_shape: Shape, dtype: npt.DTypeLike = np.float32) -> NetworkCost:
    """As network_cost, for nodes that are built, but need not have their weights in memory."""
    shapes, itemsize = nodes.shapes(input_shape), np.dtype(dtype).itemsize
    sizes = {name: math.prod(shape) * itemsize for name, shape in shapes.items()}
    live = live_bytes(nodes, sizes)
    parts: dict[str, LayerCost] = {}
    counted: set[int] = set()
    for node, needed in zip(nodes, live, strict=True):
        parts[node.name] = _part(node, shapes, sizes[node.name], needed, counted)
    wholes = {group.name: _whole(group, nodes, parts, shapes, sizes) for group in nodes.groups}
    rows = [
        replace((wholes if layer.name in wholes else parts)[layer.name], depth=depth)
        for layer, depth in nodes.layers()
        if depth >= 0
    ]
    return NetworkCost(tuple(input_shape), rows)


def _part(node: Node, shapes: dict[str, Shape], written: int, needed: int, counted: set[int]) -> LayerCost:
    """A node's row. counted: the parameters that an earlier node has too, which count once."""
    layer, seen = node.layer, shapes[node.inputs[0]]
    own = [p for p in layer.parameters().values() if p.trained and id(p) not in counted]
    counted.update(map(id, own))
    return LayerCost(
        layer.name,
        layer.kind,
        layer.describe(),
        0,
        False,
        seen,
        shapes[node.name],
        sum(p.size for p in own),
        layer.multiply_adds(seen),
        written,
        needed,
    )


def _whole(
    group: Group, nodes: Nodes, parts: dict[str, LayerCost], shapes: dict[str, Shape], sizes: dict[str, int]
) -> LayerCost:
    """A container's row: sums over what is inside it, and the most that is needed at a time."""
    inside = [parts[node.name] for node in nodes[group.first : group.last]]
    return LayerCost(
        group.name,
        group.container.kind,
        group.container.describe(),
        group.depth,
        True,
        shapes[group.source],
        shapes[group.outputs[0]],
        sum(row.parameters for row in inside),
        sum(row.multiply_adds for row in inside),
        sum(row.activation_bytes for row in inside),
        max((row.live_bytes for row in inside), default=sizes[group.source]),
    )
