"""Fusion: adjacent nodes rewritten as one, to save passes over memory.

    Conv2d, ReLU, MaxPool2d(2)  ->  one convolution whose output never meets memory unpooled
    Conv2d, ReLU                ->  one convolution
    Linear, ReLU                ->  one affine layer
    BatchNorm2d, ReLU or ReLU6  ->  one norm
    BatchNorm2d, Add[, ReLU]    ->  one norm, where two values of one shape are added
    ReLU, MaxPool2d             ->  the pool first, so that ReLU has fewer numbers to look at and to keep
    Identity                    ->  nothing

`fuse` returns other nodes over the same parameters; the network as written is untouched, and a network runs them
instead unless told not to (`Network(..., fuse=False)`). Nobody writes these layers by hand.
"""

from __future__ import annotations

from pellucid.graph.node import Node, Nodes
from pellucid.graph.rewrite import rewrite
from pellucid.layers.activation import Clip, ReLU, ReLU6
from pellucid.layers.base import Layer
from pellucid.layers.convolution import Conv2d
from pellucid.layers.fused import BatchNormAdd, BatchNormClip, ConvReLU, ConvReLUMaxPool, LinearReLU
from pellucid.layers.identity import Identity
from pellucid.layers.joins import Add
from pellucid.layers.linear import Linear
from pellucid.layers.normalization import BatchNorm2d
from pellucid.layers.pooling import MaxPool2d
from pellucid.ops.arrays import Shape
from pellucid.ops.geometry import Geometry


def fuse(nodes: Nodes, input_shape: Shape) -> Nodes:
    """The same function over the same parameters, with nodes joined where an op does them all."""
    nodes = without_identities(nodes)
    shapes = nodes.shapes(input_shape)
    standing: dict[str, Node] = {}  # by the node in whose place it stands
    done: set[str] = set()
    for node in nodes:
        if node.name not in done:
            used, made = _joined(nodes, node, shapes, done)
            done.update(part.name for part in used)
            standing |= made
    return Nodes(tuple(standing[node.name] for node in nodes if node.name in standing), nodes.outputs)


def without_identities(nodes: Nodes) -> Nodes:
    """What an Identity gives is what it sees."""
    return rewrite(nodes, lambda node: [] if type(node.layer) is Identity else [node])


def _joined(nodes: Nodes, node: Node, shapes: dict[str, Shape], done: set[str]) -> tuple[list[Node], dict[str, Node]]:
    """A node and those that are joined with it, and what stands for them, by the node whose place it takes."""
    chain = _chain(nodes, node, done)
    layers = [each.layer for each in chain]
    first, clipped = layers[0], len(layers) > 1 and type(layers[1]) in {ReLU, ReLU6, Clip}
    made: Layer | None = None
    length = 2
    if isinstance(first, BatchNorm2d):
        if len(chain) > 1 and _adds_alike(chain[1], shapes):
            return _norm_and_add(chain)
        made = BatchNormClip(first, layers[:2]) if clipped else None
    elif isinstance(first, Conv2d) and clipped and isinstance(layers[1], ReLU):
        length = 3 if len(layers) > 2 and _is_plain_pool(layers[2]) else 2
        made = (ConvReLUMaxPool if length == 3 else ConvReLU)(first, layers[:length])
    elif isinstance(first, Linear) and clipped and isinstance(layers[1], ReLU):
        made = LinearReLU(first, layers[:2])
    elif isinstance(first, ReLU) and len(layers) > 1 and isinstance(layers[1], MaxPool2d):
        pool = Node(layers[1], node.inputs, node.name)
        return chain[:2], {node.name: pool, chain[1].name: Node(first, node.name, chain[1].name)}
    if made is None:
        return [node], {node.name: node}
    return chain[:length], {chain[length - 1].name: Node(made, node.inputs, chain[length - 1].name)}


def _chain(nodes: Nodes, node: Node, done: set[str]) -> list[Node]:
    """The node and up to two more, each of which alone sees the one before it; only an Add may see others too."""
    chain = [node]
    while len(chain) < 3:
        after = nodes.sole_reader(chain[-1].name)
        if after is None or after.name in done or (after.join and type(after.layer) is not Add):
            break
        chain.append(after)
    return chain


def _adds_alike(node: Node, shapes: dict[str, Shape]) -> bool:
    """Whether two values of one shape are added, and not two pixels, of which one may spread over larger images."""
    if not isinstance(node.layer, Add) or len(node.inputs) != 2:
        return False
    first, second = (shapes[name] for name in node.inputs)
    return first == second and first[1:] != (1, 1)


def _norm_and_add(chain: list[Node]) -> tuple[list[Node], dict[str, Node]]:
    """A norm with what is added to it. It stands where the Add did, when the other value is known too."""
    norm, adding = chain[:2]
    assert isinstance(norm.layer, BatchNorm2d)
    used = chain if len(chain) > 2 and isinstance(chain[2].layer, ReLU) else chain[:2]
    other = next(name for name in adding.inputs if name != norm.name)
    joined = BatchNormAdd(norm.layer, [node.layer for node in used])
    return used, {used[-1].name: Node(joined, (*norm.inputs, other), used[-1].name)}


def _is_plain_pool(layer: object) -> bool:
    if not isinstance(layer, MaxPool2d):
        return False
    return layer.kernel == (2, 2) and layer.geometry == Geometry(stride=(2, 2)) and not layer.ceil
