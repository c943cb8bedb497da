"""Receptive fields: exactly which pixels of the image a unit sees, from what the layers declare.

A unit is one place of a layer's output, all its channels together. It is traced back layer by layer: place o of a
convolution sees the places o s - p + d j of its input, j = 0 ... r - 1 (r kernel, s stride, p padding, d dilation);
place o of a transposed convolution sees those i for which i s - p + d j = o. Rows and columns go their own ways, so
what a chain of layers sees is a box, rows x columns; where branches meet it is a union of boxes. Places are kept
as sets, because strides and dilation leave holes, and holes decide what the layers below see.

Size, stride and centre follow Araujo, Norris, Sim 2019 ("Computing Receptive Fields of Convolutional Neural
Networks", Distill), extended to transposed convolutions, where neighbouring units see fields of different sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm

import numpy as np

from pellucid.errors import PellucidError
from pellucid.graph import INPUT, Nodes
from pellucid.layers import Join, Layer, Window
from pellucid.layers.resize import RepeatEdges
from pellucid.ops.arrays import Array, Pair, Shape

Places = frozenset[int]
"""Numbers of rows, or of columns."""

Box = tuple[Places, Places]
"""Each of these rows, at each of these columns."""


@dataclass(frozen=True)
class Region:
    """A set of places of an image: a union of boxes. whole: all there are, however large the image is."""

    boxes: tuple[Box, ...]
    whole: bool = False

    def __or__(self, other: Region) -> Region:
        if self.whole or other.whole:
            return WHOLE
        boxes = [box for box in self.boxes if not _within(box, other.boxes)]
        return Region((*boxes, *(box for box in other.boxes if not _within(box, boxes))))

    def hull(self) -> tuple[Pair, Pair] | None:
        """((top, bottom), (left, right)) of the smallest rectangle around it, inclusive; None for nothing."""
        rows, columns = (frozenset[int]().union(*(box[axis] for box in self.boxes)) for axis in (0, 1))
        return ((min(rows), max(rows)), (min(columns), max(columns))) if rows else None

    def mask(self, height: int, width: int) -> Array:
        """(height, width), true where an image of that size is seen."""
        seen = np.zeros((height, width), bool)
        for rows, columns in self.boxes:
            inside = [r for r in rows if 0 <= r < height], [c for c in columns if 0 <= c < width]
            seen[np.ix_(*inside)] = True
        return seen | self.whole


WHOLE = Region((), whole=True)


@dataclass(frozen=True)
class ReceptiveField:
    """What the units of one layer see of an image without borders; (height, width) each, in pixels.

    size: of the smallest rectangle around the field, of the largest field among the layer's units (they differ
        behind a transposed convolution); (0, 0) where they see nothing; None where they see the whole image.
    stride: between the fields of neighbouring units: a fraction where there are more units than pixels, None where
        there is no such number, because branches of different strides meet or the whole image is seen.
    centre: of the field of unit (0, 0), where pixel (0, 0) has its centre at 0; None where it sees all or nothing.
    """

    size: Pair | None
    stride: tuple[Fraction | None, Fraction | None]
    centre: tuple[float, float] | None


@dataclass(frozen=True)
class View:
    """What the units of one layer see of an image. nodes: those that lead to its value. shapes: of all values."""

    layer: Layer
    nodes: Nodes
    shapes: Mapping[str, Shape]

    @property
    def value(self) -> str:
        """Name of the value whose units they are."""
        return self.nodes.outputs[0]

    @property
    def extent(self) -> Pair:
        """Number of units (rows, columns); a vector is one."""
        shape = self.shapes[self.value]
        return (shape[1], shape[2]) if len(shape) == 3 else (1, 1)

    def region(self, unit: Pair, *, bounded: bool = True) -> Region:
        """What unit (row, column) sees.

        bounded: whether the image ends at its border, so that padding, which is no part of it, is not seen;
        otherwise it has no border. Raises PellucidError where there is no such unit.
        """
        height, width = self.extent
        if not (0 <= unit[0] < height and 0 <= unit[1] < width):
            raise PellucidError(f"layer {self.layer.name}: no unit {unit}, its output is {height}x{width}")
        regions = {self.value: Region(((frozenset({unit[0]}), frozenset({unit[1]})),))}
        for node in reversed(self.nodes):
            region = regions.pop(node.name, Region(()))
            for name in node.seen:
                seen = _before(region, node.layer, self.shapes[name], self.shapes[node.name], bounded)
                regions[name] = regions[name] | seen if name in regions else seen
        return regions.get(INPUT, Region(()))

    def field(self) -> ReceptiveField:
        """Size, stride and centre."""
        first = self.region((0, 0), bounded=False)
        if first.whole:
            return ReceptiveField(None, (None, None), None)
        paces = (self._pace(0), self._pace(1))
        rows, columns = (
            range(extent if pace.stride is None else min(pace.period, extent))
            for pace, extent in zip(paces, self.extent, strict=True)
        )
        hulls = [self.region((row, column), bounded=False).hull() for row in rows for column in columns]
        sizes = [tuple(end - start + 1 for start, end in hull) for hull in hulls if hull is not None] or [(0, 0)]
        hull = first.hull()
        return ReceptiveField(
            (max(size[0] for size in sizes), max(size[1] for size in sizes)),
            (paces[0].stride, paces[1].stride),
            None if hull is None else (sum(hull[0]) / 2, sum(hull[1]) / 2),
        )

    def _pace(self, axis: int) -> _Pace:
        paces = {INPUT: _Pace()}
        for node in self.nodes:
            paces[node.name] = _after([paces[name] for name in node.seen], node.layer, axis)
        return paces[self.value]


@dataclass(frozen=True)
class _Pace:
    """How fields follow each other along one axis: `stride` pixels apart, shaped alike every `period` units."""

    stride: Fraction | None = Fraction(1)
    period: int = 1


def views(nodes: Nodes, input_shape: Shape) -> dict[str, View]:
    """What the units of every named layer and container see of an image (C, H, W), by name; all are built."""
    shapes = nodes.shapes(input_shape)
    outputs = {node.name: node.name for node in nodes}
    outputs |= {group.name: group.outputs[0] for group in nodes.groups if len(group.outputs) == 1}
    return {
        layer.name: View(layer, nodes.leading_to(outputs[layer.name]), shapes)
        for layer, _ in nodes.layers()
        if layer.name and layer.name in outputs
    }


def find_view(nodes: Nodes, input_shape: Shape, name: str) -> View:
    """The view of the named layer. Raises PellucidError, listing those there are, where there is none."""
    found = views(nodes, input_shape)
    if name not in found:
        raise PellucidError(f"no layer {name!r}: expected one of {', '.join(found)}")
    return found[name]


def _before(region: Region, layer: Layer, input_shape: Shape, output_shape: Shape, bounded: bool) -> Region:
    """What places of a layer's output see of one of its inputs."""
    if region.whole or not region.boxes:
        return region
    if isinstance(layer, RepeatEdges):
        return _repeated(region, layer.before, input_shape, bounded)
    if layer.sees_all:
        return Region((_everything(input_shape),)) if bounded else WHOLE
    if input_shape[1:] == (1, 1) != output_shape[1:] and isinstance(layer, Join):  # its one pixel counts for all
        return Region(((frozenset({0}), frozenset({0})),))
    if len(input_shape) != 3:
        return _through_window(region, layer.window, None)
    window = layer.window_for((input_shape[1], input_shape[2]))
    return _through_window(region, window, _everything(input_shape) if bounded else None)


def _repeated(region: Region, before: Pair, input_shape: Shape, bounded: bool) -> Region:
    """Which place of a map each place repeats, where the outermost ones go on `before` it and after it."""
    boxes = []
    for box in region.boxes:
        moved = [frozenset(i - rows for i in places) for places, rows in zip(box, before, strict=True)]
        if bounded:
            ends = input_shape[1] - 1, input_shape[2] - 1
            moved = [frozenset(min(max(i, 0), end) for i in p) for p, end in zip(moved, ends, strict=True)]
        boxes.append((moved[0], moved[1]))
    return Region(tuple(boxes))


def _everything(input_shape: Shape) -> Box:
    """All places; a vector is one."""
    height, width = input_shape[1:] if len(input_shape) == 3 else (1, 1)
    return frozenset(range(height)), frozenset(range(width))


def _through_window(region: Region, window: Window, limits: Box | None) -> Region:
    """The places that the windows of a region cover, within the limits."""
    seen = Region(())
    for box in region.boxes:
        rows, columns = (_covered(box[axis], *_along(window, axis), window.transposed) for axis in (0, 1))
        if limits is not None:
            rows, columns = rows & limits[0], columns & limits[1]
        if rows and columns:
            seen |= Region(((rows, columns),))
    return seen


def _along(window: Window, axis: int) -> tuple[int, int, int, int]:
    geometry = window.geometry
    return window.kernel[axis], geometry.stride[axis], geometry.before[axis], geometry.dilation[axis]


@lru_cache(4096)  # many units share their rows
def _covered(places: Places, kernel: int, stride: int, padding: int, dilation: int, transposed: bool) -> Places:
    """Along one axis, what places of a layer's output see of its input."""
    taps = range(0, dilation * kernel, dilation)
    if not transposed:
        return frozenset(o * stride - padding + tap for o in places for tap in taps)
    spread = (o + padding - tap for o in places for tap in taps)
    return frozenset(place // stride for place in spread if place % stride == 0)


def _within(box: Box, others: tuple[Box, ...] | list[Box]) -> bool:
    return any(box[0] <= other[0] and box[1] <= other[1] for other in others)


def _after(paces: Sequence[_Pace], layer: Layer, axis: int) -> _Pace:
    """The pace behind a layer; where several values meet, their common one, if they have one."""
    agreed = paces[0].stride if len({pace.stride for pace in paces}) == 1 else None
    period = lcm(*(pace.period for pace in paces))
    stride = layer.window.geometry.stride[axis]
    if layer.window.transposed:
        return _Pace(agreed and agreed / stride, period * stride)
    return _Pace(agreed and agreed * stride, period // gcd(period, stride))
