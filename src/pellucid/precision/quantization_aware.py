"""A network rewritten for quantisation-aware training: it rounds where the integer network will."""

from __future__ import annotations

import copy

from pellucid.graph import Node, unroll
from pellucid.graph.fold import Affine
from pellucid.graph.rewrite import Rewritten, rewrite
from pellucid.layers import Layer
from pellucid.network import Network
from pellucid.plan.weight_levels import checked_bits
from pellucid.precision.integer_graph import IntegerGraph, integer_graph
from pellucid.precision.rounding import RoundedWeights, Rounding

BEHIND = "-rounded"
"""What the name of a Rounding has behind that of the layer whose output it rounds."""


def quantization_aware(network: Network, bits: int = 8) -> Network:
    """A network that rounds its weights to `bits` bits and its activations to 8, with the same weights so far.

    Its parameters keep their names; after each layer whose output the integer network stores, such as "1", stands
    a Rounding "1-rounded", whose range follows the batches of training. Train it, then `quantize` it.
    """
    layer = with_rounding(network.layer, bits)
    aware = Network(layer, network.input_shape, dtype=network.dtype, fuse=network.fused)
    fresh = {name: value for name, value in aware.state().items() if name not in network.parameters}
    aware.load_state({**fresh, **network.state()})
    return aware


def with_rounding(layer: Layer, bits: int) -> Layer:
    """The layers of a network, rewritten; the given ones stay as they are.

    Raises PellucidError, naming the layer, where a layer has no integer form.
    """
    checked_bits(bits)
    nodes = unroll(copy.deepcopy(layer))
    stored = _stored(integer_graph(nodes))

    def change(node: Node) -> list[Node]:
        rounded = RoundedWeights(node.layer, bits) if isinstance(node.layer, Affine) else node.layer
        made = [Node(rounded, node.inputs, node.name)]
        if node.name in stored:
            made.append(Node(Rounding(), node.name, f"{node.name}{BEHIND}"))
        return made

    return Rewritten(rewrite(nodes, change))


def rounded_to(network: Network, bits: int) -> Network:
    """A network that rounds its weights, with these rounded to `bits` bits and the same ranges of activations.

    Itself if it rounds none, or to so many already.
    """
    checked_bits(bits)
    if all(node.layer.bits == bits for node in network.nodes if isinstance(node.layer, RoundedWeights)):
        return network

    def change(node: Node) -> list[Node]:
        layer = RoundedWeights(node.layer.inner, bits) if isinstance(node.layer, RoundedWeights) else node.layer
        return [Node(layer, node.inputs, node.name)]

    nodes = rewrite(unroll(copy.deepcopy(network.layer)), change)
    made = Network(Rewritten(nodes), network.input_shape, dtype=network.dtype, fuse=network.fused)
    made.load_state(network.state())
    return made


def _stored(graph: IntegerGraph) -> set[str]:
    """Names of the values that the integer network rounds to a scale of their own."""
    wide = graph.after_logits
    own = [part for part in graph.parts if not part.keeps_scale and graph.scaled_as(part) is part]
    return {part.ranged for part in own if part.value not in wide}


def without_rounding(network: Network, *, weights_rounded: bool = False) -> Network:
    """The network as it was before `quantization_aware`, with the weights of now; itself if it does not round.

    weights_rounded: those that it computes with, rounded, rather than those that it learns.
    """
    if not any(isinstance(node.layer, RoundedWeights | Rounding) for node in network.nodes):
        return network

    def change(node: Node) -> list[Node]:
        if isinstance(node.layer, Rounding):
            return []
        layer = node.layer.inner if isinstance(node.layer, RoundedWeights) else node.layer
        return [Node(layer, node.inputs, node.name)]

    nodes = rewrite(unroll(copy.deepcopy(network.layer)), change)
    plain = Network(Rewritten(nodes), network.input_shape, dtype=network.dtype, fuse=network.fused)
    state = {name: value for name, value in network.state().items() if name in plain.parameters}
    if weights_rounded:
        state |= {
            f"{node.name}.weight": node.layer.rounded_weight()
            for node in network.nodes
            if isinstance(node.layer, RoundedWeights)
        }
    plain.load_state(state)
    return plain
