"""Large images in overlapping tiles, such that nothing tells where they met.

What an output pixel depends on ends at the network's reach. A tile that goes on for that much beyond the pixels that
are wanted of it gives them as the whole image would, as long as its corner lies where the whole image's pools start
anew: at a multiple of the network's period. So the result is the same, and not only about the same.

A detector's places are put together to the whole image's map before boxes are made of them: so an object that lies
on several tiles is found once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pellucid import ops
from pellucid.errors import PellucidError
from pellucid.graph import Axis, Grid, Nodes, grid
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
    period, overlap = axis.period, _overlap(axis)
    core = (tile - 2 * overlap) // period * period
    if core < 1:
        raise PellucidError(f"tile = {tile}: expected at least {2 * overlap + period}, by what the network sees")
    starts = range(0, size, core)
    return [Span(max(0, s - overlap), min(size, s + core + overlap), s, min(size, s + core)) for s in starts]


def _overlap(axis: Axis) -> int:
    """Pixels that a tile goes on beyond those wanted of it, for what the places at its rim see."""
    beyond = axis.reach + max(axis.start, 1 - axis.start - axis.step, Fraction(0))
    return math.ceil(beyond / axis.period) * axis.period


def fitting_tile(nodes: Nodes) -> int:
    """The longest side of a tile: `TILE`, or as much beyond what the network sees as makes half of it of use."""
    seen = 2 * max(_overlap(axis) for axis in _bounded(nodes))
    return TILE if seen <= TILE // 2 else seen + TILE


def _bounded(nodes: Nodes) -> Grid:
    axes = grid(nodes)
    if not all(math.isfinite(axis.reach) for axis in axes):
        raise PellucidError("network: expected one whose places see a part of the image, got one that sees all")
    return axes


def predicted(
    network: AnyNetwork, image: Array, tile: int | None = None, nodes: Nodes | None = None
) -> Iterator[tuple[slice, slice, Array]]:
    """Logits (K, h, w) of parts of an image (C, H, W) that together are the whole, and where they belong.

    tile: the longest side of what goes through the network at once, pixels; by default `fitting_tile`. nodes: of a
    network in integers, those it was made from. Raises PellucidError where the image is smaller than the network's
    period, or the network doesn't give an output for each pixel.
    """
    nodes = network.nodes if isinstance(network, Network) else nodes
    assert nodes is not None
    _, H, W = image.shape
    for axis, size in zip(grid(nodes), (H, W), strict=True):
        if axis.start != 0 or axis.step != 1 or not math.isfinite(axis.reach):
            raise PellucidError("network: expected one that classifies each pixel, such as fcn-small")
        if size < axis.period:
            raise PellucidError(f"{H}x{W} pixels: expected a side of at least {axis.period}, the network's stride")
    yield from _parts(network, image, fitting_tile(nodes) if tile is None else tile, nodes)


def _parts(network: AnyNetwork, image: Array, tile: int, nodes: Nodes) -> Iterator[tuple[slice, slice, Array]]:
    """Outputs (K, h, w) of parts of an image, and their places in the whole image's output."""
    rows, columns = _bounded(nodes)
    answer = answering(network)
    _, H, W = image.shape
    for down in spans(H, tile, rows):
        for along in spans(W, tile, columns):
            x = image[None, :, down.start : down.end, along.start : along.end]
            outputs = ops.host(answer(np.asarray(x, network.dtype))[0])
            inside, across = _places(down, rows, down.start), _places(along, columns, along.start)
            yield _places(down, rows, 0), _places(along, columns, 0), outputs[:, inside, across]


def _places(span: Span, axis: Axis, start: int) -> slice:
    """The wanted places of a span, counted from pixel `start` on; a place belongs to the pixels of its stride."""
    first, last = ((pixel - start) / axis.step for pixel in (span.first, span.last))
    return slice(math.floor(first), math.ceil(last))


def places(network: AnyNetwork, image: Array, tile: int, nodes: Nodes | None = None) -> Array:
    """The outputs (K, h, w) for an image (C, H, W) whose sides are multiples of the network's period, by tiles.

    As of the whole image, to rounding. tile, nodes: as for `predicted`.
    """
    nodes = network.nodes if isinstance(network, Network) else nodes
    assert nodes is not None
    _, h, w = nodes.shapes(image.shape)[nodes.outputs[0]]
    whole: Array | None = None
    for rows, columns, part in _parts(network, image, tile, nodes):
        if whole is None:
            whole = np.empty((len(part), h, w), part.dtype)
        whole[:, rows, columns] = part
    assert whole is not None
    return whole


def segment(network: AnyNetwork, image: Array, tile: int | None = None, nodes: Nodes | None = None) -> Array:
    """The likeliest class of each pixel of an image (C, H, W), as the network sees it: (H, W) uint8."""
    mask = np.empty(image.shape[1:], np.uint8)
    for rows, columns, logits in predicted(network, image, tile, nodes):
        mask[rows, columns] = logits.transpose(1, 2, 0).argmax(axis=2)
    return mask
