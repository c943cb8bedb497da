"""Fusion: adjacent nodes rewritten as one, to save passes over memory.

    Conv2d, ReLU, MaxPool2d(2)  ->  one convolution whose output never meets memory unpooled
    Conv2d, ReLU                ->  one convolution
    Linear, ReLU                ->  one affine layer
    ReLU, MaxPool2d             ->  the pool first, so that ReLU has fewer numbers to look at and to keep
    Identity                    ->  nothing

`fuse` returns other nodes over the same parameters; the network as written is untouched, and a network runs them
instead unless told not to (`Network(..., fuse=False)`). Nobody writes these layers by hand.
"""

from __future__ import annotations

from pellucid.graph.node import Node, Nodes
from pellucid.graph.rewrite import rewrite
from pellucid.layers.activation import ReLU
from pellucid.layers.convolution import Conv2d
from pellucid.layers.fused import ConvReLU, ConvReLUMaxPool, LinearReLU
from pellucid.layers.identity import Identity
from pellucid.layers.linear import Linear
from pellucid.layers.pooling import MaxPool2d
from pellucid.ops.geometry import Geometry


def fuse(nodes: Nodes) -> Nodes:
    """The same function over the same parameters, with adjacent nodes joined where an op does both."""
    nodes = without_identities(nodes)
    joined: list[Node] = []
    done: set[str] = set()
    for node in nodes:
        if node.name not in done:
            ahead = _chain(nodes, node)
            made = _join(ahead)
            joined += made
            done.update(part.name for part in ahead[: _length(ahead)])
    return Nodes(tuple(joined), nodes.outputs)


def without_identities(nodes: Nodes) -> Nodes:
    """What an Identity gives is what it sees."""
    return rewrite(nodes, lambda node: [] if type(node.layer) is Identity else [node])


def _chain(nodes: Nodes, node: Node) -> list[Node]:
    """The node and up to two more, each of which alone sees the one before it."""
    chain = [node]
    while len(chain) < 3:
        after = nodes.sole_reader(chain[-1].name)
        if after is None or after.join:
            break
        chain.append(after)
    return chain


def _length(ahead: list[Node]) -> int:
    """How many of these nodes are joined."""
    layers = [node.layer for node in ahead]
    followed = len(layers) > 1 and isinstance(layers[1], ReLU)
    if followed and isinstance(layers[0], Conv2d):
        return 3 if len(layers) > 2 and _is_plain_pool(layers[2]) else 2
    if followed and isinstance(layers[0], Linear):
        return 2
    pooled = len(layers) > 1 and isinstance(layers[0], ReLU) and isinstance(layers[1], MaxPool2d)
    return 2 if pooled else 1


def _join(ahead: list[Node]) -> list[Node]:
    """What stands for the joined ones among these nodes."""
    used = ahead[: _length(ahead)]
    if len(used) == 1:
        return used
    first, layers, name = used[0], [node.layer for node in used], used[-1].name
    if isinstance(first.layer, Conv2d):
        joined = ConvReLUMaxPool(first.layer, layers) if len(used) == 3 else ConvReLU(first.layer, layers)
        return [Node(joined, first.inputs, name)]
    if isinstance(first.layer, Linear):
        return [Node(LinearReLU(first.layer, layers), first.inputs, name)]
    return [Node(layers[1], first.inputs, first.name), Node(layers[0], first.name, name)]


def _is_plain_pool(layer: object) -> bool:
    if not isinstance(layer, MaxPool2d):
        return False
    return layer.kernel == (2, 2) and layer.geometry == Geometry(stride=(2, 2)) and not layer.ceil
