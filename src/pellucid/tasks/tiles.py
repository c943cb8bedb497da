"""Large images in overlapping tiles, such that nothing tells where they met.

What an output pixel depends on ends at the network's reach. A tile that goes on for that much beyond the pixels that
are wanted of it gives them as the whole image would, as long as its corner lies where the whole image's pools start
anew: at a multiple of the network's period. So the result is the same, and not only about the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph import Axis, Nodes, grid
from pellucid.network import Network
from pellucid.ops.arrays import Array
from pellucid.plan import AnyNetwork, answering

TILE = 1024  # pixels: larger images are cut; at 16 float32 channels a map of a tile takes 64 MiB


@dataclass(frozen=True)
class Span:
    """Along one axis: the pixels of a tile, and those of them that are wanted; ends exclusive."""

    start: int
    end: int
    first: int
    last: int


def spans(size: int, tile: int, axis: Axis) -> list[Span]:
    """Tiles along an axis of so many pixels, none longer than `tile`, that together want each pixel once."""
    if size <= tile:
        return [Span(0, size, 0, size)]
    period = axis.period
    overlap = math.ceil(axis.reach / period) * period
    core = (tile - 2 * overlap) // period * period
    if core < 1:
        raise PellucidError(f"tile = {tile}: expected at least {2 * overlap + period}, by what the network sees")
    starts = range(0, size, core)
    return [Span(max(0, s - overlap), min(size, s + core + overlap), s, min(size, s + core)) for s in starts]


def predicted(
    network: AnyNetwork, image: Array, tile: int = TILE, nodes: Nodes | None = None
) -> Iterator[tuple[slice, slice, Array]]:
    """Logits (K, h, w) of parts of an image (C, H, W) that together are the whole, and where they belong.

    tile: the longest side of what goes through the network at once, pixels. nodes: of a network in integers, those it
    was made from. Raises PellucidError where the image is smaller than the network's period, or the network doesn't
    give an output for each pixel.
    """
    nodes = network.nodes if isinstance(network, Network) else nodes
    assert nodes is not None
    rows, columns = grid(nodes)
    _, H, W = image.shape
    for axis, size in ((rows, H), (columns, W)):
        if axis.start != 0 or axis.step != 1 or not math.isfinite(axis.reach):
            raise PellucidError("network: expected one that classifies each pixel, such as fcn-small")
        if size < axis.period:
            raise PellucidError(f"{H}x{W} pixels: expected a side of at least {axis.period}, the network's stride")
    answer = answering(network)
    for down in spans(H, tile, rows):
        for along in spans(W, tile, columns):
            x = image[None, :, down.start : down.end, along.start : along.end]
            logits = ops.host(answer(np.asarray(x, network.dtype))[0])
            inside = slice(down.first - down.start, down.last - down.start)
            across = slice(along.first - along.start, along.last - along.start)
            yield slice(down.first, down.last), slice(along.first, along.last), logits[:, inside, across]


def segment(network: AnyNetwork, image: Array, tile: int = TILE, nodes: Nodes | None = None) -> Array:
    """The likeliest class of each pixel of an image (C, H, W), as the network sees it: (H, W) uint8."""
    mask = np.empty(image.shape[1:], np.uint8)
    for rows, columns, logits in predicted(network, image, tile, nodes):
        mask[rows, columns] = logits.transpose(1, 2, 0).argmax(axis=2)
    return mask
