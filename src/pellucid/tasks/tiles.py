"""Large images in overlapping tiles, such that nothing tells where they met.

What an output pixel depends on ends at the network's reach. A tile that goes on for that much beyond the pixels that
are wanted of it gives them as the whole image would, as long as its corner lies where the whole image's pools start
anew: at a multiple of the network's period. So the result is the same, and not only about the same. Where a map that
is to grow ends before its image does, its last place stands for all beyond: then tiles overlap by so much more. What
only the whole image can tell, such as a norm over it, is not done by tiles.

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
from pellucid.graph import Axis, Nodes, grid
from pellucid.graph.grid import grids
from pellucid.layers.resize import RepeatEdges
from pellucid.network import Network
from pellucid.ops.arrays import Array, Shape
from pellucid.plan import AnyNetwork, answering

TILE = 1024  # pixels: larger images are cut; at 16 float32 channels a map of a tile takes 64 MiB


@dataclass(frozen=True)
class Span:
    """Along one axis: the pixels of a tile, and those of them that are wanted; ends exclusive."""

    start: int
    end: int
    first: int
    last: int


def spans(size: int, tile: int, axis: Axis, repeated: Fraction = Fraction(0)) -> list[Span]:
    """Tiles along an axis of so many pixels, none longer than `tile`, that together want each pixel once.

    repeated: pixels between the outermost centre of a map that is to grow and the image's end.
    """
    if size <= tile:
        return [Span(0, size, 0, size)]
    period, overlap = axis.period, _overlap(axis, repeated)
    least = 2 * overlap + period  # so that every layer has a place that sees nothing but the tile
    core = (tile - 2 * overlap) // period * period
    if core < 1:
        raise PellucidError(f"tile = {tile}: expected at least {least}, by what the network sees")
    found = []
    for s in range(0, size, core):
        start, end = min(s - overlap, (size - least) // period * period), max(s + core + overlap, least)
        found.append(Span(max(0, start), min(size, end), s, min(size, s + core)))
    return found


def _overlap(axis: Axis, repeated: Fraction = Fraction(0)) -> int:
    """Pixels that a tile goes on beyond those wanted of it, for what the places at its rim see."""
    beyond = axis.reach + max(-axis.start, axis.start - axis.step + 1, Fraction(0)) + repeated
    return math.ceil(beyond / axis.period) * axis.period


def fitting_tile(nodes: Nodes, shape: Shape) -> int:
    """The longest side of a tile of an image (C, H, W).

    `TILE`, or as much beyond what the network sees as makes half of it of use; all of the image where what a place
    is depends on the whole.
    """
    if not _in_parts(nodes):
        return max(shape[1:])
    seen = 2 * max(_overlap(axis, far) for axis, far in zip(grid(nodes), _repeated(nodes, shape), strict=True))
    return TILE if seen <= TILE // 2 else seen + TILE


def _in_parts(nodes: Nodes) -> bool:
    """Whether a part of an image gives a part of the output."""
    bounded = all(math.isfinite(axis.reach) for axis in grid(nodes))
    return bounded and all(node.layer.by_parts for node in nodes)


def _repeated(nodes: Nodes, shape: Shape) -> tuple[Fraction, Fraction]:
    """By how many pixels, down and across, the places of maps that are to grow end before an image (C, H, W) does."""
    axes, shapes = grids(nodes), nodes.shapes(shape)
    far = [Fraction(0), Fraction(0)]
    for node in nodes:
        if isinstance(node.layer, RepeatEdges):
            source = node.inputs[0]
            for i, axis in enumerate(axes[source]):
                last = axis.start + axis.step * (shapes[source][1 + i] - 1)
                far[i] = max(far[i], axis.start, shape[1 + i] - 1 - last)
    return far[0], far[1]


def predicted(
    network: AnyNetwork, image: Array, tile: int | None = None, nodes: Nodes | None = None
) -> Iterator[tuple[slice, slice, Array]]:
    """Logits (K, h, w) of parts of an image (C, H, W) that together are the whole, and where they belong.

    tile: the longest side of what goes through the network at once, pixels; by default `fitting_tile`. nodes: of a
    network in integers, those it was made from. Raises PellucidError where the image is smaller than the network's
    period, the network doesn't give an output for each pixel, or it needs the whole image and is to get tiles.
    """
    nodes = network.nodes if isinstance(network, Network) else nodes
    assert nodes is not None
    _, H, W = image.shape
    for axis, size in zip(grid(nodes), (H, W), strict=True):
        if axis.start != 0 or axis.step != 1 or not math.isfinite(axis.reach):
            raise PellucidError("network: expected one that classifies each pixel, such as fcn-small")
        if size < axis.period:
            raise PellucidError(f"{H}x{W} pixels: expected a side of at least {axis.period}, the network's stride")
    _, h, w = nodes.shapes(image.shape)[nodes.outputs[0]]
    if (h, w) != (H, W):
        raise PellucidError(f"network: expected one that classifies each pixel, got {h}x{w} places of {H}x{W} pixels")
    yield from _parts(network, image, fitting_tile(nodes, image.shape) if tile is None else tile, nodes)


def _parts(network: AnyNetwork, image: Array, tile: int, nodes: Nodes) -> Iterator[tuple[slice, slice, Array]]:
    """Outputs (K, h, w) of parts of an image, and their places in the whole image's output."""
    (rows, columns), (far_down, far_along) = grid(nodes), _repeated(nodes, image.shape)
    answer = answering(network)
    _, H, W = image.shape
    if max(H, W) > tile and not _in_parts(nodes):
        raise PellucidError("network: expected one whose places see a part of the image, got one that sees all")
    for down in spans(H, tile, rows, far_down):
        for along in spans(W, tile, columns, far_along):
            x = image[None, :, down.start : down.end, along.start : along.end]
            outputs = ops.host(answer(np.asarray(x, network.dtype))[0])
            inside, across = _places(down, rows, H, down.start), _places(along, columns, W, along.start)
            yield _places(down, rows, H), _places(along, columns, W), outputs[:, inside, across]


def _places(span: Span, axis: Axis, size: int, start: int = 0) -> slice:
    """The wanted places of a span, counted from pixel `start` on; a place belongs to the pixels of its stride.

    size: of the image; the places of its last pixel and of what pads it are the last span's.
    """
    first, last = ((pixel - start) / axis.step for pixel in (span.first, span.last))
    return slice(math.floor(first), None if span.last == size else math.ceil(last))


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
