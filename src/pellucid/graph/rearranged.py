"""Layers that only lay numbers out anew, a run of them as one.

A channel shuffle of another library is a Reshape, a Transpose and a Reshape.
"""

from __future__ import annotations

from math import prod

import numpy as np

from pellucid.graph.node import Node, Nodes
from pellucid.graph.rewrite import rewrite
from pellucid.layers.base import Layer
from pellucid.layers.context import INFERENCE, Context
from pellucid.layers.frame import Slice
from pellucid.layers.rearrange import ChannelOrder, Reshape, Transpose
from pellucid.layers.reshape import Flatten
from pellucid.ops.arrays import Array, Shape

REARRANGING = (ChannelOrder, Reshape, Slice, Transpose)


class Rearranged(Layer):
    """Such layers, first to last, as one."""

    sees_all = True

    def __init__(self, *layers: Layer) -> None:
        self.layers, self.name = layers, layers[-1].name

    def output_shape(self, input_shape: Shape) -> Shape:
        """The last one's."""
        for layer in self.layers:
            input_shape = layer.output_shape(input_shape)
        return input_shape

    def forward(self, x: Array, context: Context = INFERENCE) -> Array:
        """One after the other."""
        for layer in self.layers:
            x = layer.forward(x, context)
        return x

    def places(self, input_shape: Shape) -> Array:
        """Which of its input's numbers, counted as C, H, W, each of its output's is, in the shape of the output."""
        places: Array = self.forward(np.arange(prod(input_shape)).reshape(1, *input_shape))[0]
        return places

    def order(self, input_shape: Shape) -> tuple[int, ...] | None:
        """Which of its input's channels each of its output's is; None where it moves pixels."""
        return channel_order(self.places(input_shape), input_shape)

    def describe(self) -> str:
        """The layers."""
        return ", ".join(map(repr, self.layers))


def channel_order(places: Array, shape: Shape) -> tuple[int, ...] | None:
    """Which channels of images of that shape lie at `places`, each whole; None where pixels move.

    places: as `Rearranged.places` gives them. Features are images of one pixel.
    """
    size, given = (each[1:] or (1, 1) for each in (tuple(shape), places.shape))
    if size != given or len(size) != 2:
        return None
    pixels = prod(size)
    rows = places.reshape(len(places), pixels)
    whole = (rows[:, :1] % pixels == 0).all() and (rows == rows[:, :1] + np.arange(pixels)).all()
    return tuple((rows[:, 0] // pixels).tolist()) if whole else None


def rearranged(nodes: Nodes) -> Nodes:
    """The nodes with each run of layers that only lay out anew as one, named as its last; a Flatten alone stays.

    Where a run forks, each branch starts from what the run starts from.
    """
    runs: dict[str, tuple[str, tuple[Layer, ...]]] = {}

    def change(node: Node) -> list[Node]:
        if not isinstance(node.layer, (*REARRANGING, Flatten)):
            return [node]
        source, before = runs.get(node.inputs[0], (node.inputs[0], ()))
        runs[node.name] = source, (*before, node.layer)
        if isinstance(node.layer, Flatten) and not before:
            return [node]
        return [Node(Rearranged(*before, node.layer), source, node.name)]

    made = rewrite(nodes, change)
    return rewrite(made, lambda node: [] if node.name in runs and _unread(made, node.name) else [node])


def _unread(nodes: Nodes, name: str) -> bool:
    return not nodes.readers[name] and name not in nodes.outputs
