"""Batches so small that batch norm has one value a channel: known before the first step, and refused then."""

from __future__ import annotations

import math

from pellucid.data import Loader
from pellucid.errors import PellucidError
from pellucid.layers import BatchNorm2d
from pellucid.network import Network


def check_statistics(network: Network, loader: Loader, steps: int, parts: int = 1) -> None:
    """Raise PellucidError, naming layer and batch size, where training would come to a sample that is alone.

    steps: of the training, as one that ends before its first epoch does never sees the last batch. parts: of a batch.
    """
    if loader.ranks > 1 or 1 not in _counts(loader, steps, parts):
        return
    shapes = network.nodes.shapes(network.input_shape)
    for node in network.nodes:
        layer = node.layer
        if isinstance(layer, BatchNorm2d) and layer.weight.learns and math.prod(shapes[node.name][1:]) == 1:
            raise PellucidError(
                f"batch size {loader.batch_size} of {len(loader.dataset)} samples: leaves one alone, of which layer "
                f"{node.name} (BatchNorm2d) sees one value a channel, and that has no mean and variance; expected "
                "another batch size"
            )


def _counts(loader: Loader, steps: int, parts: int) -> set[int]:
    """How many samples go through the network at once."""
    whole, rest = divmod(len(loader.dataset), loader.batch_size)
    sizes = {loader.batch_size} if whole else set()
    if rest and not loader.drop_last and steps >= len(loader):
        sizes.add(rest)
    return {size * (part + 1) // parts - size * part // parts for size in sizes for part in range(parts)}
