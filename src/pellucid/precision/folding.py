"""A network without the batch normalisations that its other layers can take in."""

from __future__ import annotations

import copy

from pellucid.graph.fold import fold
from pellucid.graph.rewrite import Rewritten
from pellucid.network import Network


def fold_batch_norm(network: Network) -> Network:
    """The same function at inference without the batch normalisations that `graph.fold` can fold.

    Layers and what is left of their parameters keep their names.
    """
    nodes = fold(network.nodes)
    values = {
        f"{node.name}.{name}" if node.name else name: parameter.value
        for node in nodes
        for name, parameter in node.layer.parameters().items()
    }
    folded = Network(Rewritten(copy.deepcopy(nodes)), network.input_shape, dtype=network.dtype, fuse=network.fused)
    folded.load_state({name: values[name] for name in folded.parameters})
    return folded
