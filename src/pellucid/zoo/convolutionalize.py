"""From a classifier of one image size to a fully convolutional network that takes any larger one.

An affine layer that sees a whole map of C x H x W values is a convolution with filters of that size, whose output
has one place: a 32x10x10 map into 100 units is 100 filters of 32x10x10. Its weights, a row of C H W numbers a
unit, are those filters as they lie. On a larger image the filter has more than one place to stand, and each is the
classifier run on the patch that it sees: exactly so where nothing pads, up to the padding at a patch's border else.

Source: Long, Shelhamer, Darrell 2015, "Fully Convolutional Networks for Semantic Segmentation", section 3.1.
"""

from __future__ import annotations

import copy

from pellucid.arguments import checked
from pellucid.errors import PellucidError
from pellucid.graph import INPUT, Node, Nodes
from pellucid.graph.rewrite import Rewritten, rewrite
from pellucid.layers import AvgPool2d, Conv2d, Flatten, GlobalAvgPool2d, Linear
from pellucid.network import Network
from pellucid.ops.arrays import Pair, Shape


@checked
def convolutionalize(network: Network) -> Network:
    """A new network with the same weights, under the same names, that gives logits (classes, P, Q) instead of
    (classes,): P = Q = 1 for images of the classifier's own size, more for larger ones.

    Raises PellucidError, naming the layer, where a layer on the way cannot be turned into a convolution.
    """
    nodes = convolutional(network.nodes, network.input_shape)
    twin = Network(Rewritten(nodes), network.input_shape, dtype=network.dtype, fuse=network.fused)
    given = network.state()
    twin.load_state({name: given[name].reshape(p.shape) for name, p in twin.parameters.items()})
    return twin


def convolutional(nodes: Nodes, input_shape: Shape) -> Nodes:
    """Nodes that compute for images what those given, built or not, compute for images (C, H, W).

    Affine layers come back as convolutions to be built; names stay. Nothing given is changed.
    """
    if len(input_shape) != 3:
        raise PellucidError(f"convolutionalize: expected a network of images (C, H, W), got input {input_shape}")
    shapes = nodes.shapes(input_shape)
    maps: dict[str, Pair | None] = {INPUT: None}
    for node in nodes:  # of the map that each feature vector was
        maps[node.name] = _map_of(node, shapes, maps)
    sources = {node.name: node.inputs[0] for node in nodes}
    return rewrite(nodes, lambda node: _turned(node, shapes[sources[node.name]], maps[sources[node.name]]))


def _map_of(node: Node, shapes: dict[str, Shape], maps: dict[str, Pair | None]) -> Pair | None:
    """Height and width of the map that the node's feature vector stands for; None where it gives a map."""
    seen = shapes[node.inputs[0]]
    if isinstance(node.layer, Linear | GlobalAvgPool2d):
        return (1, 1)
    if isinstance(node.layer, Flatten) and len(seen) == 3:
        return (seen[1], seen[2])
    states = {maps[name] for name in node.seen}
    if len(states) > 1:
        raise node.layer.error("inputs that all turn into convolutions of one map", f"maps {states}")
    return states.pop()


def _turned(node: Node, seen: Shape, flattened: Pair | None) -> list[Node]:
    """The node's twins. seen: shape of what its layer sees; flattened: of the map that this vector was."""
    layer = node.layer
    if isinstance(layer, Flatten):
        return []
    if isinstance(layer, Linear):
        if flattened is None:
            raise layer.error("Flatten or GlobalAvgPool2d before it", f"shape {seen}")
        twin = Conv2d(layer.features, flattened, bias=layer.bias_wanted, initial=layer.initial)
        return [Node(twin, node.inputs, node.name)]
    if isinstance(layer, GlobalAvgPool2d):
        _, H, W = layer.image_shape(seen)
        return [Node(AvgPool2d((H, W), stride=1), node.inputs, node.name)]
    return [Node(copy.deepcopy(layer), node.inputs, node.name)]
