"""What a network costs, layer by layer: parameters, multiply-adds and memory, from what the layers declare."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pellucid.layers import Layer, Sequential
from pellucid.network import Network
from pellucid.ops.arrays import Shape


@dataclass(frozen=True)
class LayerCost:
    """One layer's row; a container's holds what is inside it and what the container itself adds.

    name: path in the network, such as "3" or "5.body.1". kind: name of the class. settings: a short phrase.
    depth: number of containers around it, the network itself not counted. container: whether it has layers inside.
    input_shape, output_shape: of one sample. parameters: trained elements of weights and biases.
    multiply_adds: for one sample. activation_bytes: of the outputs for one sample.
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
    def _outermost(self) -> list[LayerCost]:
        return [row for row in self.rows if row.depth == 0]


def network_cost(network: Network, input_shape: Shape | None = None) -> NetworkCost:
    """The costs of a network for one sample of `input_shape`, by default the shape it was built for.

    Raises PellucidError, naming the layer, where the network doesn't take that shape.
    """
    shape = network.input_shape if input_shape is None else tuple(input_shape)
    rows = list(_rows(network.layer, shape, network.dtype, 0))
    return NetworkCost(shape, rows[1:] if rows[0].container else rows)


def _rows(layer: Layer, input_shape: Shape, dtype: npt.DTypeLike, depth: int) -> Iterator[LayerCost]:
    """The layer's row, then those of the layers inside it."""
    children = layer.children().values()
    inside = [
        list(_rows(child, shape, dtype, depth + 1 if layer.name else depth))
        for child, shape in zip(children, layer.children_inputs(input_shape), strict=True)
    ]
    below = [rows[0] for rows in inside]
    output_shape = layer.output_shape(input_shape)
    own_elements = 0 if isinstance(layer, Sequential) else math.prod(output_shape)  # a sequence's is its last layer's
    yield LayerCost(
        layer.name,
        layer.kind,
        layer.describe(),
        depth,
        bool(children),
        input_shape,
        output_shape,
        sum(p.size for p in layer.parameters().values() if p.trained) + sum(row.parameters for row in below),
        layer.multiply_adds(input_shape) + sum(row.multiply_adds for row in below),
        own_elements * np.dtype(dtype).itemsize + sum(row.activation_bytes for row in below),
    )
    for rows in inside:
        yield from rows
