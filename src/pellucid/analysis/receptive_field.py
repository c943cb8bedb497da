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

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm

import numpy as np

from pellucid.errors import PellucidError
from pellucid.layers import Layer, Sequential, Window
from pellucid.layers.containers import Branches
from pellucid.layers.resize import Upsampled
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
class Step:
    """A layer on the way from the image to a unit, and the shape that it sees."""

    layer: Layer
    input_shape: Shape


@dataclass(frozen=True)
class View:
    """What the units of one layer see of an image; the layer is the last of the `steps` that lead to it."""

    steps: tuple[Step, ...]

    @property
    def layer(self) -> Layer:
        """Whose units they are."""
        return self.steps[-1].layer

    @property
    def extent(self) -> Pair:
        """Number of units (rows, columns); a vector is one."""
        shape = self.layer.output_shape(self.steps[-1].input_shape)
        return (shape[1], shape[2]) if len(shape) == 3 else (1, 1)

    def region(self, unit: Pair, *, bounded: bool = True) -> Region:
        """What unit (row, column) sees.

        bounded: whether the image ends at its border, so that padding, which is no part of it, is not seen;
        otherwise it has no border. Raises PellucidError where there is no such unit.
        """
        height, width = self.extent
        if not (0 <= unit[0] < height and 0 <= unit[1] < width):
            raise PellucidError(f"layer {self.layer.name}: no unit {unit}, its output is {height}x{width}")
        region = Region(((frozenset({unit[0]}), frozenset({unit[1]})),))
        for step in reversed(self.steps):
            region = _before(region, step.layer, step.input_shape, bounded)
        return region

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
        pace = _Pace()
        for step in self.steps:
            pace = _after(pace, step.layer, axis)
        return pace


@dataclass(frozen=True)
class _Pace:
    """How fields follow each other along one axis: `stride` pixels apart, shaped alike every `period` units."""

    stride: Fraction | None = Fraction(1)
    period: int = 1


def views(layer: Layer, input_shape: Shape) -> dict[str, View]:
    """What the units of every named layer inside a built `layer` see of an image (C, H, W), by name."""
    return {view.layer.name: view for view in _views(layer, input_shape, ()) if view.layer.name}


def find_view(layer: Layer, input_shape: Shape, name: str) -> View:
    """The view of the named layer. Raises PellucidError, listing those there are, where there is none."""
    found = views(layer, input_shape)
    if name not in found:
        raise PellucidError(f"no layer {name!r}: expected one of {', '.join(found)}")
    return found[name]


def _views(layer: Layer, input_shape: Shape, before: tuple[Step, ...]) -> Iterator[View]:
    yield View((*before, Step(layer, input_shape)))
    chain = _chain(layer, input_shape)
    for child, shape in chain or _inside(layer, input_shape):
        yield from _views(child, shape, before)
        if chain:
            before = (*before, Step(child, shape))


class _Edges(Layer):
    """The step of Upsampled that repeats a map's outermost rows and columns `before` it and after it."""

    def __init__(self, before: Pair) -> None:
        self.before = before

    def seen(self, region: Region, input_shape: Shape, bounded: bool) -> Region:
        """Which place of the map each repeats."""
        boxes = []
        for box in region.boxes:
            moved = [frozenset(i - before for i in places) for places, before in zip(box, self.before, strict=True)]
            if bounded:
                ends = input_shape[1] - 1, input_shape[2] - 1
                moved = [frozenset(min(max(i, 0), end) for i in p) for p, end in zip(moved, ends, strict=True)]
            boxes.append((moved[0], moved[1]))
        return Region(tuple(boxes), region.whole)


def _inside(layer: Layer, input_shape: Shape) -> list[tuple[Layer, Shape]]:
    """The layers inside one, each with what it sees."""
    return list(zip(layer.children().values(), layer.children_inputs(input_shape), strict=True))


def _chain(layer: Layer, input_shape: Shape) -> list[tuple[Layer, Shape]]:
    """The layers that a container runs one after the other; none for any other layer."""
    inside = _inside(layer, input_shape) if isinstance(layer, Sequential | Upsampled) else []
    if isinstance(layer, Upsampled):
        inside.insert(1, (_Edges(layer.before), layer.body.output_shape(input_shape)))
    return inside


def _before(region: Region, layer: Layer, input_shape: Shape, bounded: bool) -> Region:
    """What places of a layer's output see of its input."""
    if isinstance(layer, Sequential | Upsampled):
        for child, shape in reversed(_chain(layer, input_shape)):
            region = _before(region, child, shape, bounded)
        return region
    if isinstance(layer, Branches):
        seen = Region(())
        for child, shape in _inside(layer, input_shape):
            seen |= _before(region, child, shape, bounded)
        return seen
    if isinstance(layer, _Edges):
        return layer.seen(region, input_shape, bounded)
    if region.whole or not region.boxes:
        return region
    if layer.sees_all:
        return Region((_everything(input_shape),)) if bounded else WHOLE
    if len(input_shape) != 3:
        return _through_window(region, layer.window, None)
    window = layer.window_for((input_shape[1], input_shape[2]))
    return _through_window(region, window, _everything(input_shape) if bounded else None)


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


def _after(pace: _Pace, layer: Layer, axis: int) -> _Pace:
    """The pace behind a layer."""
    if isinstance(layer, Sequential | Upsampled):
        for child in layer.children().values():
            pace = _after(pace, child, axis)
        return pace
    if isinstance(layer, Branches):
        paces = [_after(pace, branch, axis) for branch in layer.branches]
        agreed = paces[0].stride if len({p.stride for p in paces}) == 1 else None
        return _Pace(agreed, lcm(*(p.period for p in paces)))
    stride = layer.window.geometry.stride[axis]
    if layer.window.transposed:
        return _Pace(pace.stride and pace.stride / stride, pace.period * stride)
    return _Pace(pace.stride and pace.stride * stride, pace.period // gcd(pace.period, stride))
