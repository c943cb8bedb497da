"""What a network costs, layer by layer: parameters, multiply-adds and memory, from what the layers declare."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pellucid.layers import Layer, Sequential
from pellucid.layers.containers import Branches
from pellucid.network import Network
from pellucid.ops.arrays import Shape


@dataclass(frozen=True)
class LayerCost:
    """One layer's row; a container's holds what is inside it and what the container itself adds.

    name: path in the network, such as "3" or "5.body.1". kind: name of the class. settings: a short phrase.
    depth: number of containers around it, the network itself not counted. container: whether it has layers inside.
    input_shape, output_shape: of one sample. parameters: trained elements of weights and biases.
    multiply_adds: for one sample. activation_bytes: of the outputs for one sample, which training keeps.
    live_bytes: what inference needs for one sample while the layer runs: its input, its output, what other branches
        hold meanwhile; a container's is the most that it needs at a time.
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
    return layer_cost(network.layer, input_shape or network.input_shape, network.dtype)


def layer_cost(layer: Layer, input_shape: Shape, dtype: npt.DTypeLike = np.float32) -> NetworkCost:
    """As network_cost, for layers that are named and built, but need not have their weights in memory."""
    rows = _rows(layer, tuple(input_shape), np.dtype(dtype).itemsize, 0, _Held())
    return NetworkCost(tuple(input_shape), rows[1:] if rows[0].container else rows)


@dataclass(frozen=True)
class _Held:
    """What inference keeps for other branches while a layer runs.

    others: bytes of their outputs, and of their input where this layer doesn't see it itself. input_too: whether
    one of them still needs the input that this layer sees.
    """

    others: int = 0
    input_too: bool = False


def _rows(layer: Layer, input_shape: Shape, itemsize: int, depth: int, held: _Held) -> list[LayerCost]:
    """The layer's row, then those of the layers inside it."""
    children, shapes = list(layer.children().values()), layer.children_inputs(input_shape)
    output_shape = layer.output_shape(input_shape)
    bytes_in, bytes_out = math.prod(input_shape) * itemsize, math.prod(output_shape) * itemsize
    outputs = [math.prod(child.output_shape(shape)) * itemsize for child, shape in zip(children, shapes, strict=True)]
    inner_depth = depth + 1 if layer.name else depth
    inside = [
        _rows(child, shape, itemsize, inner_depth, inner)
        for child, shape, inner in zip(children, shapes, _kept(layer, bytes_in, outputs, held), strict=True)
    ]
    below = [rows[0] for rows in inside]
    seen = sum(outputs) if isinstance(layer, Branches) else bytes_in
    running = [] if isinstance(layer, Sequential) else [held.others + seen + bytes_out]
    own = LayerCost(
        layer.name,
        layer.kind,
        layer.describe(),
        depth,
        bool(children),
        input_shape,
        output_shape,
        sum(p.size for p in layer.parameters().values() if p.trained) + sum(row.parameters for row in below),
        layer.multiply_adds(input_shape) + sum(row.multiply_adds for row in below),
        # what a sequence gives out is its last layer's output
        (0 if isinstance(layer, Sequential) else bytes_out) + sum(row.activation_bytes for row in below),
        max([*running, *(row.live_bytes for row in below)], default=bytes_in),
    )
    return [own, *(row for rows in inside for row in rows)]


def _kept(layer: Layer, bytes_in: int, outputs: list[int], held: _Held) -> list[_Held]:
    """What is kept while each of the layers inside a container runs."""
    if isinstance(layer, Branches):
        last = len(outputs) - 1
        return [_Held(held.others + sum(outputs[:i]), held.input_too or i < last) for i in range(len(outputs))]
    later = _Held(held.others + bytes_in * held.input_too)
    return [held, *[later] * len(outputs)][: len(outputs)]
